#!/usr/bin/env python3
"""Explanations beside Captum and pytorch-grad-cam: the same network, image and threads, one after the other in one run.

    PELLUCID_LIBRARY=build/libpellucid.so.0 PYTHONPATH=bindings/python:Tests/Golden python Tests/Bench/explain_peers.py FOLDER

FOLDER holds the exports that Tests/Golden/export_models.py writes. Needs torch, torchvision, captum and grad-cam.
"""

import sys
import time
from pathlib import Path

import captum.attr
import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from vision import torchvision

import pellucid

THREADS = 2
NETWORKS = [("resnet50", "resnet50.legacy17-dyn.onnx", "layer4"), ("vgg16", "vgg16.legacy17.onnx", "features")]


def median(work, times):
    work()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2]


def report(network, what, ours, peer):
    print(f"{network:10} {what:34} {ours:8.3f} s {peer:8.3f} s {peer / ours:6.2f}x", flush=True)


def main():
    torch.set_num_threads(THREADS)
    x = np.random.default_rng(0).standard_normal((1, 3, 224, 224)).astype(np.float32)
    image = torch.tensor(x)
    for name, file, layer in NETWORKS:
        network = getattr(torchvision.models, name)().eval()
        model = pellucid.load(Path(sys.argv[1]) / file, threads=THREADS)
        cam = GradCAM(model=network, target_layers=[getattr(network, layer)])
        ours = median(lambda: model.explain("grad-cam", x, target=5), 3)
        report(name, "grad-cam", ours, median(lambda: cam(input_tensor=image, targets=[ClassifierOutputTarget(5)]), 3))
        settings = dict(target=5, score="logit", sliding_window_shapes=16, strides=16)
        occlusion = captum.attr.Occlusion(network)
        ours = median(lambda: model.explain("occlusion", x, **settings), 1)
        with torch.no_grad():
            peer = median(
                lambda: occlusion.attribute(
                    image, target=5, sliding_window_shapes=(3, 16, 16), strides=(3, 16, 16), perturbations_per_eval=16), 1)
        report(name, "occlusion, window 16, stride 16", ours, peer)


if __name__ == "__main__":
    main()
