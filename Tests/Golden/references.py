"""What Captum and pytorch-grad-cam say, each method in one short function: (torch model, images, targets) to array."""

import contextlib
import io
import unittest.mock
import warnings

import numpy as np
import torch
from vision import torchvision  # noqa: F401  (pytorch-grad-cam imports it)

import captum.attr
import pytorch_grad_cam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

warnings.filterwarnings("ignore", message=".*backward hooks on ReLU.*")
warnings.filterwarnings("ignore", message=".*required_grads has been set automatically.*")
warnings.filterwarnings("ignore", message=".*Input Tensor . did not already require gradients.*")


def numpy(tensor):
    return tensor.detach().numpy()


def layer(model, name):
    """The submodule of a dotted name."""
    return model.get_submodule(name)


def activations(model, x, names):
    """Output of each named submodule in one forward pass, and the model's output."""
    found = {}

    def keep(name):
        return lambda module, inputs, output: found.__setitem__(name, numpy(output))

    handles = [layer(model, name).register_forward_hook(keep(name)) for name in names]
    with torch.no_grad():
        output = model(x)
    for handle in handles:
        handle.remove()
    return found, numpy(output)


def score(model, x, targets, of="output"):
    """Sum over the images of each image's target score. `of`: output, or logit (what the model's Softmax gets)."""
    output = model.logits(x) if of == "logit" else model(x)
    return output[torch.arange(len(x)), torch.as_tensor(targets)].sum()


def input_gradient(model, x, targets, of="output"):
    x = x.clone().requires_grad_(True)
    return numpy(torch.autograd.grad(score(model, x, targets, of), x)[0])


def weight_gradient(model, x, targets, name):
    return numpy(torch.autograd.grad(score(model, x, targets), model.get_parameter(name))[0])


def layer_gradient(model, x, targets, name):
    """Gradient of the target score with respect to the output of the named submodule."""
    kept = []
    handle = layer(model, name).register_forward_hook(lambda module, inputs, output: kept.append(output))
    total = score(model, x.clone().requires_grad_(True), targets)
    handle.remove()
    return numpy(torch.autograd.grad(total, kept[0])[0])


def saliency(model, x, targets, absolute=True):
    return numpy(captum.attr.Saliency(model).attribute(x.clone(), target=targets, abs=absolute))


def input_x_gradient(model, x, targets):
    return numpy(captum.attr.InputXGradient(model).attribute(x.clone(), target=targets))


def integrated_gradients(model, x, targets, method, n_steps, baseline):
    """Attributions and, per image, their sum minus the difference of the two scores."""
    attribute = captum.attr.IntegratedGradients(model).attribute
    values, delta = attribute(x.clone(), baselines=baseline, target=targets, n_steps=n_steps, method=method,
                              return_convergence_delta=True)
    return numpy(values), numpy(delta)


def smooth_gradients(model, x, targets, noise):
    """Mean, mean square and variance (divided by n) of the gradients at x + noise[i]; noise is n x one image."""
    gradients = np.stack([input_gradient(model, x + torch.from_numpy(n).to(x.dtype), targets) for n in noise]).astype(np.float64)
    return {"smoothgrad": gradients.mean(0), "smoothgrad_sq": (gradients**2).mean(0), "vargrad": gradients.var(0)}


def with_rectifiers(method, rectifiers):
    """A GuidedBackprop or Deconvolution of Captum, whose rule is for ReLU modules, with the rule at other kinds too."""
    register = method._register_hooks

    def register_more(module):
        if isinstance(module, rectifiers):
            with unittest.mock.patch.object(torch.nn, "ReLU", type(module)):
                register(module)

    method._register_hooks = register_more
    return method


def rectified(kind, model, x, targets, rectifiers):
    """`kind`: GuidedBackprop or Deconvolution."""
    method = with_rectifiers(getattr(captum.attr, kind)(model), rectifiers)
    return numpy(method.attribute(x.clone(), target=targets))


def neuron(kind, model, name, x, index, **options):
    """`kind`: NeuronGradient or NeuronIntegratedGradients of Captum."""
    method = getattr(captum.attr, kind)(model, layer(model, name))
    return numpy(method.attribute(x.clone(), neuron_selector=tuple(index), **options))


def rectified_neuron(kind, model, name, x, index, rectifiers):
    """`kind`: NeuronGuidedBackprop or NeuronDeconvolution of Captum."""
    method = getattr(captum.attr, kind)(model, layer(model, name))
    with_rectifiers(method.guided_backprop if kind == "NeuronGuidedBackprop" else method.deconv, rectifiers)
    return numpy(method.attribute(x.clone(), neuron_selector=tuple(index)))


def layer_grad_cam(model, name, x, targets, relu):
    """[N, 1, h, w], at the layer's own size."""
    method = captum.attr.LayerGradCam(model, layer(model, name))
    return numpy(method.attribute(x.clone(), target=targets, relu_attributions=relu))


def guided_grad_cam(model, name, x, targets, interpolation):
    method = captum.attr.GuidedGradCam(model, layer(model, name))
    return numpy(method.attribute(x.clone(), target=targets, interpolate_mode=interpolation))


def occlusion(model, x, targets, window, strides, baseline):
    method = captum.attr.Occlusion(model)
    return numpy(method.attribute(x.clone(), sliding_window_shapes=tuple(window), strides=tuple(strides), baselines=baseline,
                                  target=targets, perturbations_per_eval=8))


def pytorch_grad_cam_map(kind, model, names, x, targets, reshape=None):
    """The library's final map: rectified, scaled to 0...1, resized to the image (half-pixel bilinear), scaled again."""
    arguments = dict(model=model, target_layers=[layer(model, name) for name in names], reshape_transform=reshape)
    silence = contextlib.redirect_stderr(io.StringIO())
    with silence, getattr(pytorch_grad_cam, kind)(**arguments) as method:
        return method(input_tensor=x.clone(), targets=[ClassifierOutputTarget(int(t)) for t in targets])


def fold_tokens(grid, prefix=1):
    """reshape_transform of a transformer: [N, prefix + h * w, D] to [N, D, h, w]."""
    def fold(tokens):
        body = tokens[:, prefix:]
        return body.reshape(body.shape[0], *grid, body.shape[2]).permute(0, 3, 1, 2)
    return fold


def class_activation_map(features, weight, targets):
    """Zhou et al. 2016: sum over channels of weight[class, channel] * features; [N, h, w], not rectified."""
    return np.stack([np.tensordot(weight[t], f, axes=1) for f, t in zip(features, targets)])
