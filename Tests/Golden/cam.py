"""Class activation maps by pytorch-grad-cam, torch-cam, Captum, and where no package has the method by its formula; writes maps/cam."""

import contextlib
import unittest.mock

import numpy as np
import torch

import golden
import references  # noqa: I001  (before what imports torchvision)
import pytorch_grad_cam
import torchcam.methods
from pytorch_grad_cam.utils.model_targets import ClassifierOutputReST, ClassifierOutputTarget
from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection_with_sign_correction

LIBRARIES = ["torch", "captum", "grad-cam", "torchcam"]
FINISHED = dict(normalize=True, resize="input")
GRADIENT_CAMS = {"grad-cam": "GradCAM", "grad-cam++": "GradCAMPlusPlus", "xgrad-cam": "XGradCAM", "hires-cam": "HiResCAM",
                 "layer-cam": "LayerCAM", "grad-cam-elementwise": "GradCAMElementWise"}
EIGEN_CAMS = {"eigen-cam": "EigenCAM", "eigen-grad-cam": "EigenGradCAM"}


@contextlib.contextmanager
def sign_correction():
    """pytorch-grad-cam's own sign rule in all its principal components, not in Seg-Eigen-CAM alone: the others leave it to LAPACK."""
    with contextlib.ExitStack() as stack:
        for module in ("base_cam", "eigen_cam", "eigen_grad_cam", "hirescam", "layer_cam", "grad_cam_elementwise"):
            stack.enter_context(unittest.mock.patch.object(
                getattr(pytorch_grad_cam, module), "get_2d_projection", get_2d_projection_with_sign_correction))
        yield


def peer_map(kind, maps, layers, reshape=None, target=ClassifierOutputTarget, **call):
    """pytorch-grad-cam's final map, see `references.pytorch_grad_cam_map`."""
    with sign_correction(), getattr(pytorch_grad_cam, kind)(
            model=maps.network, target_layers=[references.layer(maps.network, name) for name in layers], reshape_transform=reshape) as method:
        targets = None if target is None else [target(int(t)) for t in maps.targets]
        return np.asarray(method(maps.x.clone(), targets, **call))


def torchcam_map(kind, maps, layers, reshape=None, classes=None, normalized=False, fuse=False, **arguments):
    """torch-cam's maps [N, h, w], rectified; one layer's, or several fused."""
    call = {key: arguments.pop(key) for key in ("eps",) if key in arguments}
    kwargs = dict(input_shape=tuple(maps.x.shape[1:]), **arguments)
    if reshape is not None:
        kwargs["reshape_transform"] = reshape
    with getattr(torchcam.methods, kind)(maps.network, list(layers), **kwargs) as extractor:
        scores = maps.network(maps.x.clone().requires_grad_(True))
        found = extractor(maps.targets if classes is None else classes, scores, normalized=normalized, **call)
        return references.numpy(extractor.fuse_cams(found) if fuse else found[0])


def signal(maps, layer, reshape=None):
    """Activation and gradient [N, K, h, w]."""
    found, _ = references.activations(maps.network, maps.x, [layer])
    gradient = references.layer_gradient(maps.network, maps.x, maps.targets, layer)
    fold = (lambda a: references.numpy(reshape(torch.from_numpy(a)))) if reshape else np.asarray
    return fold(found[layer]), fold(gradient)


def official_plus_plus(activation, gradient):
    """The weights of the authors' TensorFlow code, without the factor exp(S): alphas of each channel are scaled to a sum of 1."""
    total = activation.sum((2, 3), keepdims=True)
    denominator = 2 * gradient**2 + total * gradient**3
    alpha = gradient**2 / np.where(denominator != 0, denominator, 1)
    positive = np.maximum(gradient, 0)
    norm = np.where(positive > 0, alpha, 0).sum((2, 3), keepdims=True)
    weight = (positive * alpha / np.where(norm != 0, norm, 1)).sum((2, 3), keepdims=True)
    return np.maximum((weight * activation).sum(1), 0)


def principal_component(products):
    """Muhammad & Yeasin: not centred; the sign makes the sum positive."""
    result = []
    for image in products:
        rows = image.reshape(image.shape[0], -1).T
        projection = rows @ np.linalg.svd(rows, full_matrices=False)[2][0]
        result.append((projection if projection.sum() >= 0 else -projection).reshape(image.shape[1:]))
    return np.stack(result)


def shapley_weights(maps, layer, utility, reshape):
    """Mean of g - H A / 2 by torch.autograd, for tokens, which pytorch-grad-cam's class does not take."""
    kept = []
    handle = references.layer(maps.network, layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
    output = maps.network(maps.x.clone().requires_grad_(True))
    handle.remove()
    total = sum(utility(int(t))(o) for t, o in zip(maps.targets, output))
    gradient = torch.autograd.grad(total, kept[0], create_graph=True)[0]
    product = torch.autograd.grad(gradient, kept[0], grad_outputs=kept[0].detach())[0]
    activation, weight = reshape(kept[0]), reshape(gradient - product / 2)
    return references.numpy(activation), references.numpy(weight)


def pytorch_grad_cam_checks(maps, layer, reshape=None, without=()):
    def add(what, name, kind, options=None, layers=(layer,), score="auto", **call):
        maps.check(what, name, peer_map(kind, maps, layers, reshape, **call), f"pytorch-grad-cam {kind}", score=score,
                   options=dict(layer=",".join(layers), **FINISHED, **(options or {})))

    for what, kind in GRADIENT_CAMS.items():
        if what not in without:
            add(what, f"{what}/pytorch-grad-cam", kind)
    for what, kind in EIGEN_CAMS.items():
        add(what, f"{what}/pytorch-grad-cam", kind, dict(center=True))
    for what in ("grad-cam", "grad-cam++", "layer-cam"):
        add(what, f"{what}/eigen_smooth", GRADIENT_CAMS[what], dict(eigen_smooth=True), eigen_smooth=True)
    add("grad-cam", "grad-cam/aug_smooth", "GradCAM", dict(aug_smooth=True), aug_smooth=True)
    add("xgrad-cam", "xgrad-cam/both_smooth", "XGradCAM", dict(aug_smooth=True, eigen_smooth=True), aug_smooth=True, eigen_smooth=True)
    add("finer-cam", "finer-cam/pytorch-grad-cam", "FinerCAM", target=None)
    add("finer-cam", "finer-cam/alpha", "FinerCAM", dict(alpha=0.6, n_comparisons=2), target=None, alpha=0.6,
        comparison_categories=[1, 2])


def torchcam_checks(maps, layer, reshape=None):
    def add(what, name, kind, options=None, layers=(layer,), result="map", reference=None, **call):
        maps.check(what, name, torchcam_map(kind, maps, layers, reshape, **call), reference or f"torch-cam {kind}", result=result,
                   options=dict(layer=",".join(layers), **(options or {})))

    add("grad-cam", "grad-cam/torch-cam", "GradCAM")
    add("xgrad-cam", "xgrad-cam/torch-cam", "XGradCAM", dict(eps=1e-8))
    add("layer-cam", "layer-cam/torch-cam", "LayerCAM")
    # Its GradCAMpp divides a copy and throws the quotient away; with one sample of hardly any noise this class is that formula.
    add("grad-cam++", "grad-cam++/torch-cam", "SmoothGradCAMpp", dict(variant="torchcam"), num_samples=1, std=1e-13,
        reference="torch-cam SmoothGradCAMpp without noise")
    add("finer-cam", "finer-cam/torch-cam", "FinerCAM", dict(alpha=0.6, weighting="equal"))
    add("finer-cam", "finer-cam/torch-cam-two", "FinerCAM", dict(alpha=1.5, weighting="equal", n_comparisons=2), gamma=1.5, num_references=2)
    each = np.stack([torchcam_map("GradCAM", maps, (layer,), reshape, classes=c) for c in (2, 7, 0)], 1)
    maps.check("grad-cam", "grad-cam/classes", each, "torch-cam GradCAM, class by class", result="maps", options=dict(layer=layer, classes="2,7,0"))


def formula_checks(maps, layer, reshape=None):
    activation, gradient = signal(maps, layer, reshape)
    maps.check("grad-cam++", "grad-cam++/official", official_plus_plus(activation, gradient), "formula of the authors' code, in NumPy",
               options=dict(layer=layer, variant="official"))
    for what, products in (("eigen-cam", activation), ("eigen-grad-cam", activation * gradient)):
        maps.check(what, f"{what}/uncentred", principal_component(products), "singular vectors by numpy.linalg.svd",
                   options=dict(layer=layer, relu=False))


def shapley_checks(maps, layer, name=""):
    for score, utility in (("logit", ClassifierOutputTarget), ("auto", ClassifierOutputReST)):
        maps.check("shapley-cam", f"shapley-cam{name}/{score}", peer_map("ShapleyCAM", maps, (layer,), target=utility),
                   f"pytorch-grad-cam ShapleyCAM, {utility.__name__}", score=score, options=dict(layer=layer, **FINISHED))


class HardSigmoid(torch.nn.Module):
    """torch's own has no second derivative."""

    def forward(self, x):
        return torch.nn.functional.relu6(x + 3) / 6


def several_layers(maps, layers):
    for what in ("grad-cam", "layer-cam"):
        maps.check(what, f"{what}/two-layers", peer_map(GRADIENT_CAMS[what], maps, layers), f"pytorch-grad-cam {GRADIENT_CAMS[what]}, two layers",
                   options=dict(layer=",".join(layers), fusion="mean", **FINISHED))
    fused = torchcam_map("LayerCAM", maps, layers, normalized=True, fuse=True)
    maps.check("layer-cam", "layer-cam/fused", fused, "torch-cam LayerCAM.fuse_cams", options=dict(layer=",".join(layers)))


def guided(maps, layer):
    for captum, ours in (("nearest", "nearest"), ("bilinear", "half_pixel")):
        values = references.guided_grad_cam(maps.network, layer, maps.x, maps.targets, captum)
        maps.check("guided-grad-cam", f"guided-grad-cam/{captum}", values, "captum GuidedGradCam",
                   options=dict(layer=layer, interp=ours, apply_to="relu"))


def captum_grad_cam(maps, layer):
    for relu in (False, True):
        maps.check("grad-cam", f"grad-cam/captum-{relu}".lower(), references.layer_grad_cam(maps.network, layer, maps.x, maps.targets, relu),
                   "captum LayerGradCam", options=dict(layer=layer, relu=relu))


def cnn():
    maps = golden.Maps("cam", "cnn", LIBRARIES)
    pytorch_grad_cam_checks(maps, "relu2")
    torchcam_checks(maps, "relu2")
    formula_checks(maps, "relu2")
    shapley_checks(maps, "relu2")
    shapley_checks(maps, "relu1", "/relu1")
    several_layers(maps, ("relu1", "relu2"))
    captum_grad_cam(maps, "relu2")
    guided(maps, "relu2")
    with torchcam.methods.CAM(maps.network, "relu2", "fc", input_shape=tuple(maps.x.shape[1:])) as extractor:
        maps.network(maps.x.clone())
        found = extractor(maps.targets, normalized=False)[0]
        each = [references.numpy(extractor(c, normalized=False)[0]) for c in (2, 7)]
    maps.check("cam", "cam/torch-cam", references.numpy(found), "torch-cam CAM", options=dict(relu=False))
    maps.check("cam", "cam/classes", np.stack(each, 1), "torch-cam CAM, class by class", result="maps", options=dict(relu=False, classes="2,7"))
    return maps


def vit():
    maps = golden.Maps("cam", "vit", LIBRARIES)
    fold = references.fold_tokens(maps.network.grid)
    # Behind blocks.0 the tokens go through LayerNormalization alone: activation times gradient, added up over the channels, is
    # zero by that layer's invariance to scale, and what float32 leaves of it is rounding.
    pytorch_grad_cam_checks(maps, "blocks.0", fold, without=("hires-cam",))
    maps.check("hires-cam", "hires-cam/norm1", peer_map("HiResCAM", maps, ("blocks.1.norm1",), fold), "pytorch-grad-cam HiResCAM",
               options=dict(layer="blocks.1.norm1", **FINISHED))
    torchcam_checks(maps, "blocks.0", fold)
    formula_checks(maps, "blocks.1.norm1", fold)
    for score, utility in (("logit", ClassifierOutputTarget), ("auto", ClassifierOutputReST)):
        activation, weight = shapley_weights(maps, "blocks.1.norm1", utility, fold)
        for elementwise in (False, True):
            weights = weight if elementwise else weight.mean((2, 3), keepdims=True)
            maps.check("shapley-cam", f"shapley-cam/{score}-{elementwise}".lower(), (weights * activation).sum(1), "torch.autograd, twice",
                       score=score, options=dict(layer="blocks.1.norm1", relu=False, elementwise=elementwise))
    return maps


def residual():
    maps = golden.Maps("cam", "residual", LIBRARIES)
    pytorch_grad_cam_checks(maps, "relu_mix")
    torchcam_checks(maps, "hardswish")
    formula_checks(maps, "hardswish")
    several_layers(maps, ("relu6", "relu_mix"))
    captum_grad_cam(maps, "hardswish")
    maps.network.hardsigmoid = HardSigmoid()
    shapley_checks(maps, "hardswish")
    return maps


if __name__ == "__main__":
    torch.set_num_threads(1)
    for make in (cnn, vit, residual):
        case = make()
        case.write()
        size = sum(file.stat().st_size for file in case.folder.iterdir())
        print(f"{case.name:10} {len(case.checks):3} checks {size // 1024:4} KiB")
