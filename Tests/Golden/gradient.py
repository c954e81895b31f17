#!/usr/bin/env python3
"""Write maps/gradient: gradient methods, at layers, of neurons and over noise, by Captum and PAIR's saliency package.

    python gradient.py

Random numbers of another generator cannot be matched: noise, baselines and places on paths are stored and given to both sides.
"""

import contextlib
import sys
import unittest.mock

import captum.attr
import numpy as np
import saliency.core as saliency
import torch
from captum.attr._core.gradient_shap import InputBaselineXGradient

import references
from golden import Maps

LIBRARIES = ["torch", "captum", "saliency", "scikit-image", "numpy"]
QUANTILE = np.quantile
LAYERS = {"cnn": "pool", "vit": "blocks.0", "residual": "relu6"}
NEURONS = {"cnn": ("conv2", (5, 2, 4)), "vit": ("blocks.0", (6, 9)), "residual": ("mix", (4, 3, 5))}
STEPS, SAMPLES, BASELINES = 16, 5, 3


def common(maps):
    return dict(target=maps.targets, score="output")


def ready(x):
    return x.clone()


def unit(index):
    return dict(unit=",".join(map(str, index)), select="neuron")


def expected_gradients(maps, generator):
    """Captum's GradientShap is the mean over samples of InputBaselineXGradient at noisy inputs and random baselines."""
    shape = maps.x.shape[1:]
    baselines = generator.standard_normal((BASELINES, *shape)).astype(np.float32)
    noise = (0.1 * generator.standard_normal((SAMPLES, *shape))).astype(np.float32)
    draws = np.stack([generator.integers(0, BASELINES, SAMPLES), generator.random(SAMPLES)], 1).astype(np.float32)
    maps.keep("baselines", baselines)
    maps.keep("noise", noise)
    maps.keep("draws", draws)
    for multiplies in (True, False) if maps.name == "cnn" else (True,):
        method = InputBaselineXGradient(maps.network, multiplies)
        samples = []
        for (number, place), n in zip(draws, noise):
            with unittest.mock.patch("numpy.random.uniform", lambda low, high, count: np.full(count, float(place))):
                x = maps.x + torch.from_numpy(n).double()
                baseline = torch.from_numpy(baselines[int(number)])[None].double().expand_as(x)
                samples.append(references.numpy(method.attribute(x, baselines=baseline, target=maps.targets)))
        maps.check("expected-gradients", f"expected-gradients/{multiplies}", np.mean(samples, 0),
                   "captum InputBaselineXGradient, which GradientShap averages",
                   options=dict(baselines="@baselines", noise_samples="@noise", path_samples="@draws", multiply_by_inputs=multiplies),
                   **common(maps))


@contextlib.contextmanager
def injected(noise):
    """Captum's NoiseTunnel draws this noise for each image."""
    def normal(mean, deviation):
        return torch.from_numpy(noise).to(deviation.dtype).repeat(deviation.shape[0] // len(noise), *[1] * (noise.ndim - 1))

    with unittest.mock.patch("torch.normal", normal):
        yield


def noise_tunnel(maps):
    noise = maps.tensors["noise"]
    layer = maps.network.get_submodule(LAYERS[maps.name])
    steps = dict(n_steps=STEPS, method="gausslegendre")
    methods = {
        "saliency": (captum.attr.Saliency(maps.network), {}, {}, ["vargrad"]),
        "input-x-gradient": (captum.attr.InputXGradient(maps.network), {}, {}, ["smoothgrad_sq"]),
        "integrated-gradients": (captum.attr.IntegratedGradients(maps.network), steps, {}, ["smoothgrad", "vargrad"]),
        "integrated-gradients/layer": (captum.attr.LayerIntegratedGradients(maps.network, layer), steps,
                                       dict(layer=LAYERS[maps.name]), ["smoothgrad"]),
    }
    for name, (method, arguments, options, kinds) in methods.items():
        for kind in kinds if maps.name == "cnn" else kinds[:1]:
            with injected(noise):
                values = captum.attr.NoiseTunnel(method).attribute(
                    ready(maps.x), nt_type=kind, nt_samples=SAMPLES, stdevs=1.0, target=maps.targets, **arguments)
            if arguments:
                options = dict(options, n_steps=STEPS)
            maps.check(name.split("/")[0], f"noise-tunnel/{name}/{kind}", references.numpy(values),
                       f"captum NoiseTunnel({type(method).__name__})", options=dict(options, noise_samples="@noise", kind=kind),
                       **common(maps))


def layers(maps):
    name = LAYERS[maps.name]
    layer = maps.network.get_submodule(name)
    product = captum.attr.LayerGradientXActivation(maps.network, layer).attribute(ready(maps.x), target=maps.targets)
    maps.check("input-x-gradient", "layer/input-x-gradient", references.numpy(product), "captum LayerGradientXActivation",
               options=dict(layer=name), **common(maps))
    for baseline in (0.0, 0.5) if maps.name == "cnn" else (0.5,):
        values = captum.attr.LayerIntegratedGradients(maps.network, layer).attribute(
            ready(maps.x), baselines=baseline, target=maps.targets, n_steps=STEPS)
        maps.check("integrated-gradients", f"layer/integrated-gradients/{baseline}", references.numpy(values),
                   "captum LayerIntegratedGradients", options=dict(layer=name, n_steps=STEPS, baseline=baseline), **common(maps))
    gradient = references.layer_gradient(maps.network, maps.x, maps.targets, name)
    maps.check("saliency", "layer/saliency", gradient, "torch.autograd", options=dict(layer=name, abs=False), **common(maps))


def neurons(maps):
    name, index = NEURONS[maps.name]
    layer = maps.network.get_submodule(name)
    values = captum.attr.NeuronGradient(maps.network, layer).attribute(ready(maps.x), index)
    maps.check("saliency", "neuron/saliency", references.numpy(values), "captum NeuronGradient",
               options=dict(neuron_layer=name, abs=False, **unit(index)))
    values = captum.attr.NeuronIntegratedGradients(maps.network, layer).attribute(ready(maps.x), index, baselines=0.0, n_steps=STEPS)
    maps.check("integrated-gradients", "neuron/integrated-gradients", references.numpy(values), "captum NeuronIntegratedGradients",
               options=dict(neuron_layer=name, n_steps=STEPS, baseline=0.0, **unit(index)))


class Caller:
    """PAIR's methods call a model on height x width x channels."""

    def __init__(self, network, target):
        self.network, self.target = network, target

    def __call__(self, x, call_model_args=None, expected_keys=None):
        x = torch.from_numpy(np.asarray(x, np.float64)).permute(0, 3, 1, 2).clone().requires_grad_(True)
        score = self.network(x)[:, self.target].sum()
        gradient = torch.autograd.grad(score, x)[0].permute(0, 2, 3, 1).numpy()
        return {saliency.base.INPUT_OUTPUT_GRADIENTS: gradient}


def pair(maps, method, **arguments):
    """Attributions of each image by one of PAIR's methods, channels first."""
    values = [method.GetMask(image.permute(1, 2, 0).numpy(), Caller(maps.network, target), **arguments)
              for image, target in zip(maps.x, maps.targets)]
    return np.stack(values).transpose(0, 3, 1, 2)


def other_paths(maps):
    for name, sqrt in (("blur-ig", False), ("blur-ig/sqrt", True)) if maps.name == "cnn" else (("blur-ig", False),):
        values = pair(maps, saliency.BlurIG(), max_sigma=4.0, steps=STEPS, grad_step=0.01, sqrt=sqrt)
        maps.check("blur-ig", name, values, "PAIR saliency BlurIG", options=dict(n_steps=STEPS, max_sigma=4.0, sqrt=sqrt), **common(maps))
    with unittest.mock.patch("numpy.quantile", lambda a, q, interpolation: QUANTILE(a, q, method=interpolation)):
        settings = [(0.02, 0.25), (1.0, 0.1)] if maps.name == "cnn" else [(0.1, 0.25)]
        for distance, fraction in settings:
            values = pair(maps, saliency.GuidedIG(), x_baseline=None, x_steps=STEPS, fraction=fraction, max_dist=distance)
            maps.check("guided-ig", f"guided-ig/{distance}/{fraction}", values, "PAIR saliency GuidedIG",
                       options=dict(n_steps=STEPS, fraction=fraction, max_dist=distance), **common(maps))


def xrai(maps):
    """Regions of the small images as they are; PAIR would bring them to 224 x 224, by splines of its own.

    In a constant image every window of a max-pool is a tie that rounding decides: networks with one get other baselines.
    """
    given = maps.tensors["baselines"][:2].astype(np.float64) if maps.name == "cnn" else None
    scales, least, dilation = [20, 60, 150], 8, 1
    module = sys.modules[saliency.XRAI.__module__]
    for mode, area in (("full", 1.0), ("fast", 1.0), ("full", 0.4)) if maps.name == "cnn" else (("full", 1.0),):
        found, ranks = [], []
        for image, target in zip(maps.x, maps.targets):
            x = image.permute(1, 2, 0).numpy()
            with unittest.mock.patch.multiple(module, _FELZENSZWALB_SCALE_VALUES=scales, _FELZENSZWALB_MIN_SEGMENT_SIZE=least):
                segments = module._get_segments_felzenszwalb(x, resize_image=False, dilation_rad=dilation)
            settings = saliency.XRAIParameters(steps=STEPS, area_threshold=area, return_xrai_segments=True, algorithm=mode)
            settings.experimental_params["min_pixel_diff"] = 4
            result = saliency.XRAI().GetMaskWithDetails(
                x, Caller(maps.network, target), segments=segments, extra_parameters=settings,
                baselines=None if given is None else list(given.transpose(0, 2, 3, 1)))
            found.append(result.attribution_mask)
            ranks.append(result.segments)
        options = dict(mode=mode, n_steps=STEPS, quadrature="linspace", scales=",".join(map(str, scales)), min_size=least,
                       segment_size=0, dilation=dilation, min_pixel_diff=4, area_threshold=area)
        if given is not None:
            maps.keep("xrai/baselines", given)
            options["baselines"] = "@xrai/baselines"
        name = f"xrai/{mode}/{area}"
        maps.check("xrai", name, np.stack(found), "PAIR saliency XRAI", options=options, **common(maps))
        maps.check("xrai", f"{name}/segments", np.stack(ranks).astype(np.float32), "PAIR saliency XRAI", options=options, result="segments",
                   **common(maps))


def main():
    for case in LAYERS:
        maps = Maps("gradient", case, LIBRARIES)
        expected_gradients(maps, np.random.default_rng(3))
        noise_tunnel(maps)
        layers(maps)
        neurons(maps)
        other_paths(maps)
        xrai(maps)
        maps.write()
        print(case, sum(a.nbytes for a in maps.tensors.values()) // 1024, "KiB")


if __name__ == "__main__":
    main()
