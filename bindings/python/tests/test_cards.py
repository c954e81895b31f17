"""The example of every method's card runs, on networks small enough for the longest of them."""

import re
import unittest
from pathlib import Path

import numpy as np

import pellucid

ROOT = Path(__file__).resolve().parents[3]
CARDS = ROOT / "docs" / "methods"
NETWORKS = ROOT / "Tests" / "Golden" / "data"
#: The cards' layers are those of a ResNet; the small network has two blocks.
LAYERS = {"layer2": "/relu1/Relu_output_0", "layer3": "/relu1/Relu_output_0", "layer4": "/relu2/Relu_output_0", "features.0": "/conv1/Conv_output_0"}
#: Needs a network that reads tokens, of which there is none among the fixtures small enough to be committed.
WITHOUT = {"feature-ablation"}


class Stand:
    """A small network in the place of the reader's: the same calls with its own layers and classes."""

    def __init__(self, name):
        self.model = pellucid.load(NETWORKS / name / "model.onnx")
        self.layers = {value.name for value in self.model.layers}

    def explain(self, method, x, **settings):
        if settings.get("target") is not None:
            settings["target"] %= 10
        if "comparisons" in settings:
            settings["comparisons"] = "2,5"
        if "sliding_window_shapes" in settings:
            settings.update(sliding_window_shapes=4, strides=2)
        for option in ("layer", "neuron_layer"):
            if option in settings:
                names = [self.known(name) for name in settings[option].split(",")]
                settings[option] = ",".join(dict.fromkeys(names))
        return self.model.explain(method, x, **settings)

    def known(self, name):
        wanted = LAYERS[name]
        return wanted if wanted in self.layers else next(n for n in self.layers if wanted.split("/")[1] in n)


class CardTest(unittest.TestCase):
    def test_every_example(self):
        rng = np.random.default_rng(0)
        stands = {name: Stand(name) for name in ("cnn", "vit")}
        for name, method in pellucid.methods().items():
            if method.kind != "explainer":
                continue
            text = (CARDS / f"{name}.md").read_text(encoding="utf-8")
            examples = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
            self.assertTrue(examples, f"{name}: no example")
            self.assertTrue(any(f'explain("{name}"' in example for example in examples), name)
            if name in WITHOUT:
                continue
            stand = stands["vit" if "attention" in method.needs else "cnn"]
            shape = [1] + [size for size in stand.model.inputs[0].shape[1:]]
            for example in examples:
                with self.subTest(method=name):
                    x = rng.standard_normal(shape).astype(np.float32)
                    exec(compile(example, f"{name}.md", "exec"), {"pellucid": pellucid, "numpy": np, "np": np, "model": stand, "x": x})


if __name__ == "__main__":
    unittest.main()
