"""References of the perturbation family: Captum, xplique, pytorch-grad-cam's ROAD imputer, and the released formula of RISE.

    venv/bin/pip install captum grad-cam scikit-image scipy xplique tensorflow-cpu
    venv/bin/python perturbation.py

xplique runs the torch networks through its wrapper. Its cells and ours begin at other pixels where an axis is no multiple of
the grid (`residual` has 13 rows): there its two estimators are written out in NumPy, on SciPy's Sobol sequence.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import captum.attr
import numpy as np
import scipy.stats
import skimage.transform
import tensorflow
import torch
import xplique.attributions
import xplique.wrappers
from golden import Maps
from vision import torchvision  # noqa: F401  (pytorch-grad-cam imports it)

from pytorch_grad_cam.metrics.road import NoisyLinearImputer

LIBRARIES = ["torch", "captum", "grad-cam", "xplique", "scipy", "scikit-image"]
GRID, SOBOL_POINTS, HSIC_POINTS, RISE_MASKS, KEPT = 4, 16, 50, 30, 0.4


def probabilities(network):
    return lambda x: torch.softmax(network(x), 1)


def scores(model, x, target):
    """Of one class; images as any array."""
    with torch.no_grad():
        return model(torch.as_tensor(np.asarray(x)).double())[:, target].numpy()


def occlusion(maps, name, window, strides, baseline, model, score):
    attribution = captum.attr.Occlusion(model).attribute(
        maps.x, sliding_window_shapes=window, strides=strides, baselines=baseline, target=maps.targets, perturbations_per_eval=4)
    options = {"sliding_window_shapes": ",".join(map(str, window)), "strides": ",".join(map(str, strides)), "baseline": baseline}
    maps.check("occlusion", name, attribution.numpy(), "captum Occlusion", options=options, score=score)


def feature_ablation(maps, name, model, score):
    """Ten features of any shape, which differ from image to image."""
    groups = np.random.default_rng(5).integers(0, 10, maps.x.shape)
    attribution = np.concatenate([
        captum.attr.FeatureAblation(model).attribute(maps.x[i : i + 1], baselines=0.2, target=t, feature_mask=torch.as_tensor(g[None]))
        for i, (t, g) in enumerate(zip(maps.targets, groups))])
    maps.keep("feature_mask", groups.astype(np.float32))
    maps.check("feature-ablation", name, attribution, "captum FeatureAblation", options={"feature_mask": "@feature_mask", "baseline": 0.2},
               score=score)


def inpainted_occlusion(maps, name, size, step):
    """Windows filled by pytorch-grad-cam's imputer without noise; the mean over the windows that cover a pixel."""
    impute = NoisyLinearImputer(noise=0)
    height, width = maps.x.shape[2:]
    result = []
    for x, target in zip(maps.x, maps.targets):
        clean = scores(maps.network, x[None], target)[0]
        total, covered = np.zeros((2, 1, height, width))
        for top in range(0, -(-(height - size) // step) * step + 1, step):
            for left in range(0, -(-(width - size) // step) * step + 1, step):
                keep = torch.ones(height, width)
                keep[top : top + size, left : left + size] = 0
                fall = clean - scores(maps.network, impute(x.float(), keep)[None], target)[0]
                total[0] += fall * (1 - keep.numpy())
                covered[0] += 1 - keep.numpy()
        result.append(total / covered)
    maps.check("occlusion", name, np.stack(result), "pytorch-grad-cam NoisyLinearImputer, windows by hand", score="output",
               options={"sliding_window_shapes": size, "strides": step, "baseline": "inpaint", "channel_reduce": "mean"})


def rise_masks(shape, count, cells, probability):
    """The released code's generate_masks (Petsiuk et al. 2018): (cells + 1) x cell pixels, then a random part."""
    random = np.random.default_rng(11)
    cell = [-(-n // cells) for n in shape]
    masks = []
    for grid in (random.random((count, cells, cells)) < probability).astype(np.float64):
        large = skimage.transform.resize(grid, [(cells + 1) * c for c in cell], order=1, mode="reflect", anti_aliasing=False)
        top, left = (random.integers(0, c) for c in cell)
        masks.append(large[top : top + shape[0], left : left + shape[1]])
    return np.stack(masks).astype(np.float32)


def rise(maps):
    """`P^T M / N / p`, and the same divided by the masks' sum."""
    masks = rise_masks(maps.x.shape[2:], RISE_MASKS, 7, KEPT)
    maps.keep("masks", masks)
    model = probabilities(maps.network)
    sums = []
    for x in maps.x:
        with torch.no_grad():
            behind = model(x[None] * torch.as_tensor(masks).double()[:, None]).numpy()
        sums.append(np.tensordot(behind.T, masks.astype(np.float64), 1))
    sums = np.stack(sums)
    own = np.stack([s[t : t + 1] for s, t in zip(sums, maps.targets)])
    expected = RISE_MASKS * KEPT
    options = {"masks": "@masks", "preservation_probability": KEPT}
    maps.check("rise", "rise-expected", own / expected, "released formula", options={**options, "normalization": "expected"})
    maps.check("rise", "rise-empirical", own / masks.sum(0), "weighted mean", options=options)
    maps.check("rise", "rise-classes", sums[:, [8, 0]] / masks.sum(0), "weighted mean", options={**options, "classes": "8,0"}, result="maps")


class Single(torch.nn.Module):
    """A float64 network for xplique, which feeds float32."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x.double()).float()


def xplique_grid(maps, name, explainer, factor, options):
    """The grid itself: the explainer enlarges it only at the end, here to the size that it has."""
    inputs = tensorflow.constant(np.moveaxis(maps.x.numpy(), 1, -1).astype(np.float32))
    labels = tensorflow.one_hot(maps.targets, 10)
    grids = []

    def keep(estimate):
        def estimator(*arguments):
            grids.append(np.asarray(estimate(*arguments)))
            return tensorflow.constant(grids[-1])
        return estimator

    explainer.estimator = keep(explainer.estimator)
    explainer.explain(inputs, labels)
    grids = np.stack(grids).reshape(len(maps.x), 1, GRID, GRID)
    maps.check(name, f"{name}-xplique", grids * factor, "xplique", options=options, result="grid", score="output")


def behind_grid(maps, image, points):
    """Scores of the target behind masks of the grid; a pixel's cell is floor(position * cells / pixels)."""
    height, width = maps.x.shape[2:]
    rows, columns = np.arange(height) * GRID // height, np.arange(width) * GRID // width
    masks = points.reshape(-1, GRID, GRID)[:, rows][:, :, columns]
    return scores(maps.network, maps.x[image : image + 1].numpy() * masks[:, None], maps.targets[image])


def sobol_points(dimensions, count):
    return scipy.stats.qmc.Sobol(dimensions, scramble=False).random(count + 1)[1:]


def jansen(maps, options):
    cells = GRID * GRID
    design = sobol_points(2 * cells, SOBOL_POINTS)
    a, b = design[:, :cells], design[:, cells:]
    grids = []
    for image in range(len(maps.x)):
        f = behind_grid(maps, image, a)
        changed = []
        for cell in range(cells):
            c = a.copy()
            c[:, cell] = b[:, cell]
            changed.append(((f - behind_grid(maps, image, c)) ** 2).mean())
        grids.append(np.array(changed) / (2 * f.var(ddof=1)))
    maps.check("sobol", "sobol", np.stack(grids).reshape(-1, 1, GRID, GRID), "Jansen's formula", options=options, result="grid", score="output")


def hsic(maps, options):
    points = np.round(sobol_points(GRID * GRID, HSIC_POINTS))
    n = len(points)
    centre = np.eye(n) - 1 / n
    grids = []
    for image in range(len(maps.x)):
        f = behind_grid(maps, image, points)
        outputs = np.exp(-((f[:, None] - f) ** 2) / (2 * np.median(f) ** 2))
        inputs = 0.5 - (points.T[:, :, None] - points.T[:, None]) ** 2
        grids.append([np.trace(k @ centre @ outputs @ centre) / n**2 for k in inputs])
    maps.check("hsic", "hsic", np.array(grids).reshape(-1, 1, GRID, GRID), "HSIC's formula", options=options, result="grid", score="output")


def xplique_occlusion(maps, wrapped):
    inputs = tensorflow.constant(np.moveaxis(maps.x.numpy(), 1, -1).astype(np.float32))
    found = xplique.attributions.Occlusion(wrapped, patch_size=(5, 4), patch_stride=(2, 3), occlusion_value=0.5).explain(
        inputs, tensorflow.one_hot(maps.targets, 10))
    options = {"sliding_window_shapes": "5,4", "strides": "2,3", "baseline": 0.5, "partial_last": "drop", "combine": "sum",
               "channel_reduce": "mean"}
    maps.check("occlusion", "occlusion-xplique", np.moveaxis(np.asarray(found), -1, 1), "xplique Occlusion", options=options, score="output")


def main():
    torch.set_num_threads(1)
    for case in ("cnn", "vit", "residual"):
        maps = Maps("perturbation", case, LIBRARIES)
        occlusion(maps, "occlusion-truncated", (3, 5, 7), (3, 4, 6), 0.1, maps.network, "output")
        occlusion(maps, "occlusion-channels", (2, 4, 4), (1, 4, 4), 0.0, probabilities(maps.network), "auto")
        feature_ablation(maps, "feature-ablation", maps.network, "output")
        inpainted_occlusion(maps, "occlusion-inpainted", 5, 3)
        rise(maps)
        wrapped = xplique.wrappers.TorchWrapper(Single(maps.network).eval(), "cpu", is_channel_first=True)
        xplique_occlusion(maps, wrapped)
        sobol_options, hsic_options = {"grid_size": GRID, "nb_design": SOBOL_POINTS}, {"grid_size": GRID, "nb_design": HSIC_POINTS}
        if case == "residual":
            jansen(maps, sobol_options)
            hsic(maps, hsic_options)
        else:
            explainer = xplique.attributions.SobolAttributionMethod(wrapped, grid_size=GRID, nb_design=SOBOL_POINTS)
            xplique_grid(maps, "sobol", explainer, 1, sobol_options)
            # The paper's HSIC divides by n^2, xplique by n.
            explainer = xplique.attributions.HsicAttributionMethod(wrapped, grid_size=GRID, nb_design=HSIC_POINTS)
            xplique_grid(maps, "hsic", explainer, 1 / HSIC_POINTS, hsic_options)
        maps.write()


if __name__ == "__main__":
    main()
