"""Golden data on disk: arrays in tensors.bin, and in index.json where they lie and what each is compared with."""

import importlib.metadata
import json
import pathlib
import shutil

import numpy as np
import torch

import networks

HERE = pathlib.Path(__file__).resolve().parent
NETWORKS = {"cnn": (networks.CNN, 1), "vit": (networks.ViT, 2), "probability": (networks.Probability, 3), "residual": (networks.Residual, 4)}


class Golden:
    """Tensors and checks of one network, and the folder they go to."""

    def __init__(self, name, folder, network, images, targets, index, libraries):
        self.name, self.folder, self.network, self.x, self.targets = name, pathlib.Path(folder), network, images, targets
        self.tensors, self.checks = {}, []
        versions = {library: importlib.metadata.version(library) for library in libraries}
        self.index = dict(case=name, **index, targets=targets, versions=versions)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.keep("x", self.x.numpy())

    def keep(self, name, array):
        """Store an array as float32 or int64."""
        array = np.asarray(array)
        self.tensors[name] = np.ascontiguousarray(array, dtype=np.int64 if array.dtype.kind == "i" else np.float32)

    def check(self, what, tensor, array, reference, **settings):
        """Store expected values and say how they were made. `what`: forward, gradient, or a method's name."""
        self.keep(tensor, array)
        self.checks.append(dict(what=what, tensor=tensor, reference=reference, **settings))

    def write(self):
        """index.json and tensors.bin; returns what index.json holds."""
        listing, offset = [], 0
        with open(self.folder / "tensors.bin", "wb") as file:
            for name, array in self.tensors.items():
                listing.append(dict(name=name, dtype=str(array.dtype), shape=list(array.shape), offset=offset, bytes=array.nbytes))
                file.write(array.astype(array.dtype.newbyteorder("<")).tobytes())
                offset += array.nbytes
        index = dict(**self.index, tensors=listing, checks=self.checks)
        (self.folder / "index.json").write_text(to_json(index))
        return index

    def write_npz(self, index):
        """The same arrays as one file for NumPy beside the folder."""
        np.savez_compressed(self.folder.with_suffix(".npz"), index=np.array(json.dumps(index)), **self.tensors)


class Maps(Golden):
    """References for one family of methods on one of the networks of `data`, three images each.

    A check is `maps.check("score-cam", name, array, "pytorch-grad-cam ScoreCAM", options={"layer": "relu2"}, score="logit")`:

    - `options` are the method's own; a value that begins with `@` names a stored tensor, `layer` and `layers` may be those
      of the torch module (they are translated). `target`: the classes; default `self.targets`.
    - `result` names the tensor of the explanation that is compared (default `map`); `tolerance` is the largest absolute
      difference over the largest absolute value (default 1e-3, the limit: say why if it is larger).
    """

    def __init__(self, family, case, libraries, images=3, seed=7):
        kind, weights = NETWORKS[case]
        network, _ = networks.make(kind, weights)
        source = json.loads((HERE / "data" / case / "index.json").read_text())
        torch.manual_seed(seed)
        x = torch.randn(images, *kind.image, dtype=torch.float32).double()
        with torch.no_grad():
            targets = network(x).argmax(1).tolist()
        model = f"../../../data/{case}/model.onnx"
        layers = {name: {model: values["model.onnx"]} for name, values in source["layers"].items()}
        index = dict(input="input", output="output", models=[model], layers=layers)
        super().__init__(case, HERE / "maps" / family / case, network, x, targets, index, libraries)


def to_json(index):
    """JSON with one line per tensor, check and layer: readable and easy to compare between versions."""
    parts = []
    for key, value in index.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            body = "[\n" + ",\n".join("    " + json.dumps(entry) for entry in value) + "\n  ]"
        elif isinstance(value, dict):
            body = "{\n" + ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()) + "\n  }"
        else:
            body = json.dumps(value)
        parts.append(f"  {json.dumps(key)}: {body}")
    return "{\n" + ",\n".join(parts) + "\n}\n"
