"""References of metrics: Captum, torch-cam, pytorch-grad-cam's ROAD, and the released formulas of RISE and I-GOS.

    venv/bin/pip install captum grad-cam torchcam scipy
    venv/bin/python metrics.py

Writes `metrics/<network>/`, which Tests/EvaluationTests reads: maps to judge, and the values that others give them.
"""

import contextlib

import captum.attr
import captum.metrics
import numpy as np
import scipy.ndimage
import scipy.stats
import torch
from golden import HERE, Golden, Maps
from vision import torchvision  # noqa: F401  (pytorch-grad-cam imports it)

from pytorch_grad_cam.metrics.perturbation_confidence import RemoveLeastRelevantFirst, RemoveMostRelevantFirst
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torchcam.metrics import ClassificationMetric

LIBRARIES = ["torch", "captum", "grad-cam", "torchcam", "scipy"]
SAMPLES = 6


class Metrics(Maps):
    """As `Maps`, in a folder of its own."""

    def __init__(self, case):
        super().__init__("metrics-scratch", case, LIBRARIES)
        scratch = self.folder
        self.index["models"] = [f"../../data/{case}/model.onnx"]
        self.folder = HERE / "metrics" / case
        self.folder.mkdir(parents=True, exist_ok=True)
        scratch.rmdir()
        scratch.parent.rmdir()

    def probability(self, x, image):
        """Of the image's class, for versions of it."""
        with torch.no_grad():
            return torch.softmax(self.network(x), 1)[:, self.targets[image]].numpy()


def rise_blur(x):
    """The released code's blur: an impulse filtered with sigma 5 inside 11 x 11, applied with zeros around."""
    impulse = np.zeros((11, 11))
    impulse[5, 5] = 1
    kernel = torch.as_tensor(scipy.ndimage.gaussian_filter(impulse, 5))
    kernels = torch.zeros(3, 3, 11, 11, dtype=x.dtype)
    for channel in range(3):
        kernels[channel, channel] = kernel
    return torch.nn.functional.conv2d(x, kernels, padding=5)


def causal(metrics, image, start, finish, order, step):
    """RISE's CausalMetric: one image row of pixels a step, trapezoids of unit width."""
    height, width = start.shape[-2:]
    steps = (height * width + step - 1) // step
    versions = []
    for k in range(steps + 1):
        version = start.clone().reshape(3, -1)
        version[:, order[: k * step]] = finish.reshape(3, -1)[:, order[: k * step]]
        versions.append(version.reshape(3, height, width))
    scores = metrics.probability(torch.stack(versions), image)
    return scores, (scores.sum() - scores[0] / 2 - scores[-1] / 2) / (len(scores) - 1)


def petsiuk(metrics, maps):
    blurred, curves = rise_blur(metrics.x), {"deletion": [], "insertion": []}
    for image, heat in enumerate(maps):
        x, order = metrics.x[image], np.argsort(-heat.reshape(-1), kind="stable").copy()
        curves["deletion"].append(causal(metrics, image, x, torch.zeros_like(x), order, x.shape[-1]))
        curves["insertion"].append(causal(metrics, image, blurred[image], x, order, x.shape[-1]))
    for way, found in curves.items():
        for result, values in (("curve", np.stack([each[0] for each in found])), ("values", np.stack([each[1] for each in found]))):
            metrics.check(way, f"petsiuk_{way}_{result}", values, "RISE CausalMetric, derived again", map="map",
                          options={"protocol": "petsiuk"}, result=result)


def igos(metrics, maps, baseline):
    """Cells of the map, one a step, enlarged with aligned corners; the repository's sum."""
    cells = maps.shape[-2] * maps.shape[-1]
    for way in ("deletion", "insertion"):
        curves, sums = [], []
        for image, heat in enumerate(maps):
            order = np.argsort(-heat.reshape(-1), kind="stable")
            masks = np.zeros((cells + 1, cells))
            for k in range(1, cells + 1):
                masks[k, order[:k]] = 1
            masks = torch.as_tensor(masks).reshape(-1, 1, *maps.shape[-2:])
            masks = torch.nn.functional.interpolate(masks, metrics.x.shape[-2:], mode="bilinear", align_corners=True)
            shown = masks if way == "insertion" else 1 - masks
            scores = metrics.probability(metrics.x[image] * shown + baseline * (1 - shown), image)
            curves.append(scores)
            sums.append(scores[1:-1].sum() / cells + 1 / cells)
        options = {"protocol": "igos_repo", "baseline": baseline, "units_per_step": 1}
        metrics.check(way, f"igos_{way}_curve", np.stack(curves), "I-GOS, derived again", map="cells", options=options, result="curve")
        metrics.check(way, f"igos_{way}_values", np.array(sums), "I-GOS' repository, derived again", map="cells", options=options)


class Stored:
    """A class activation map that torch-cam's metric asks for."""

    def __init__(self, model, heat):
        self.model, self.heat = model, heat

    def __call__(self, class_idx=None, scores=None, normalized=True, **_):
        low, high = self.heat.amin((1, 2), keepdim=True), self.heat.amax((1, 2), keepdim=True)
        return [(self.heat - low) / (high - low)]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return contextlib.nullcontext()


def drop_and_increase(metrics, maps):
    drops, increases = [], []
    for image in range(len(maps)):
        one = ClassificationMetric(Stored(metrics.network, torch.as_tensor(maps[image : image + 1])), lambda logits: torch.softmax(logits, 1))
        with torch.no_grad():
            one.update(metrics.x[image : image + 1], metrics.targets[image])
        found = one.summary()
        drops.append(found["avg_drop"])
        increases.append(found["conf_increase"])
    metrics.check("average-drop", "average_drop", np.array(drops), "torchcam ClassificationMetric", map="map")
    metrics.check("average-increase", "average_increase", np.array(increases, np.float64), "torchcam ClassificationMetric", map="map")


def captum_metrics(metrics, noise):
    images = len(metrics.x)
    attribution = captum.attr.InputXGradient(metrics.network).attribute(metrics.x.clone().requires_grad_(), target=metrics.targets).detach()
    repeated = noise.repeat(images, 1, 1, 1)
    for normalize in (False, True):
        values = captum.metrics.infidelity(metrics.network, lambda x: (repeated, x - repeated), metrics.x, attribution, target=metrics.targets,
                                           n_perturb_samples=SAMPLES, normalize=normalize)
        metrics.check("infidelity", f"infidelity_{normalize}", values.detach().numpy(), "captum infidelity", method="input-x-gradient",
                      options={"perturbations": "@noise", "normalize": normalize}, score="logit")
    for name, method, settings in (("input-x-gradient", captum.attr.InputXGradient, {}), ("saliency", captum.attr.Saliency, {})):
        explain = lambda x, target, method=method: method(metrics.network).attribute(x, target=target)  # noqa: E731
        values = captum.metrics.sensitivity_max(explain, metrics.x.clone().requires_grad_(), lambda x: x + repeated, target=metrics.targets,
                                                n_perturb_samples=SAMPLES)
        metrics.check("max-sensitivity", f"sensitivity_{name}", values.detach().numpy(), "captum sensitivity_max", method=name,
                      method_options=settings, options={"perturbations": "@noise"})


def road(metrics, maps):
    """Shares at which pytorch-grad-cam's percentiles remove as many pixels as ours."""
    pixels = maps[0].size
    kept = {share: int(np.ceil((100 - share) / 100 * (pixels - 1))) for share in range(10, 100, 10)}
    shares = [share for share, count in kept.items() if pixels - count == round(share / 100 * pixels)][:5]
    imputer, scores = NoisyLinearImputer(noise=0), {"morf": [], "lerf": []}
    for image, heat in enumerate(maps):
        for name, remove in (("morf", RemoveMostRelevantFirst), ("lerf", RemoveLeastRelevantFirst)):
            filled = torch.stack([remove(100 - share, imputer)(metrics.x[image].float(), torch.as_tensor(heat)) for share in shares])
            scores[name].append(metrics.probability(filled.double(), image))
    options = {"percentiles": ",".join(map(str, shares)), "noise": 0}
    for name, found in scores.items():
        metrics.check("road", f"road_{name}", np.stack(found), "pytorch-grad-cam Remove…RelevantFirst", map="map", options=options,
                      result=f"{name}_curve")
    combined = [(np.mean(l) - np.mean(m)) / 2 for m, l in zip(scores["morf"], scores["lerf"])]
    metrics.check("road", "road", np.array(combined), "pytorch-grad-cam ROADCombined without noise", map="map", options=options)


def complexity(metrics, maps):
    shares = np.abs(maps.reshape(len(maps), -1))
    metrics.check("complexity", "complexity", scipy.stats.entropy(shares, axis=1), "scipy.stats.entropy", map="map")
    gaps = np.abs(shares[:, :, None] - shares[:, None, :]).mean((1, 2))
    metrics.check("sparseness", "sparseness", gaps / (2 * shares.mean(1)), "Gini index as the mean absolute difference", map="map")


def main():
    for case in ("cnn", "vit"):
        metrics = Metrics(case)
        random = np.random.default_rng(11)
        maps = random.standard_normal((len(metrics.x), *metrics.x.shape[-2:])).astype(np.float32)
        cells = random.standard_normal((len(metrics.x), 3, 4)).astype(np.float32)
        noise = torch.as_tensor(random.standard_normal((SAMPLES, *metrics.x.shape[1:])).astype(np.float32)).double() * 0.1
        metrics.keep("map", maps[:, None])
        metrics.keep("cells", cells[:, None])
        metrics.keep("noise", noise.numpy())
        petsiuk(metrics, maps)
        igos(metrics, cells, 0.25)
        drop_and_increase(metrics, maps)
        captum_metrics(metrics, noise)
        road(metrics, maps)
        complexity(metrics, maps)
        index = metrics.write()
        print(case, len(index["checks"]), "checks")


if __name__ == "__main__":
    main()
