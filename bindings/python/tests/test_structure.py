"""Values, modules and costs: what is known before a model runs."""

import unittest

import numpy as np

from .support import MODELS, SMALL_MODEL, ModelTest

import pellucid


class ModuleTest(unittest.TestCase):
    """On a file of torch.export, whose nodes carry the names and classes of their modules."""

    @classmethod
    def setUpClass(cls):
        cls.model = pellucid.load(MODELS / "efficientnet_lite0_dynamo_extdata.onnx")
        cls.root = cls.model.modules

    def test_tree(self):
        self.assertEqual((self.root.name, self.root.parent), ("", None))
        for module in self.root:
            for child in module.children:
                self.assertIs(child.parent, module)
                self.assertTrue(child.name.startswith(module.name))
            self.assertEqual(next(iter(module)), module)
        names = [module.name for module in self.root]
        self.assertEqual(len(set(names)), len(names))
        self.assertEqual({layer.module for layer in self.model.layers} - set(names), set())

    def test_sums(self):
        self.assertEqual(self.root.parameters, sum(layer.parameters for layer in self.model.layers))
        self.assertEqual(self.root.flops, sum(layer.flops for layer in self.model.layers))
        self.assertEqual(self.root.nodes, len({layer.node for layer in self.model.layers}))
        # 4.65 million parameters and 2 x 385 million multiplications and additions, as published for EfficientNet-Lite0.
        self.assertAlmostEqual(self.root.parameters / 4.65e6, 1, delta=0.02)
        self.assertAlmostEqual(self.root.flops / (2 * 385e6), 1, delta=0.05)

    def test_a_module_is_a_layer(self):
        block = self.root["_blocks.2"]
        self.assertEqual((block.dtype, block.differentiable), ("float32", True))
        found = self.model.run(np.zeros((1, 3, 224, 224), np.float32), want=block.name)
        self.assertEqual(found.shape, block.shape)

    def test_unknown_names(self):
        with self.assertRaisesRegex(KeyError, "did you mean '_blocks.2'"):
            self.root["_block.2"]

    def test_words(self):
        lines = str(self.root).splitlines()
        self.assertEqual(len(lines), len(list(self.root)))
        self.assertRegex(lines[0], r"^\(model\) +EfficientNet, float32\[1, 1000\], 4\.\d+ M parameters, 7\d\d M FLOPs$")
        self.assertRegex(repr(self.root["_blocks.2"]), r"^<Module _blocks\.2: .*float32\[1, 24, 56, 56\].*>$")

    def test_a_file_without_module_names(self):
        root = pellucid.load(SMALL_MODEL).modules
        self.assertGreater(root.parameters, 0)


class ValueTest(ModelTest):
    def test_values(self):
        convolution = next(layer for layer in self.model.layers if layer.op == "Conv")
        self.assertGreater(convolution.parameters, 0)
        self.assertGreater(convolution.flops, 0)
        self.assertTrue(convolution.differentiable)
        self.assertEqual(convolution.backend, self.model.metadata["backend"])
        (entry,) = self.model.inputs
        self.assertEqual((entry.parameters, entry.flops, entry.differentiable), (0, 0, True))


class CostTest(ModelTest):
    def test_a_run(self):
        cost = self.model.cost()
        self.assertEqual((cost.forwards, cost.backwards), (1, 0))
        self.assertGreater(cost.bytes, 0)
        self.assertEqual(self.model.cost(x=self.x).forwards, 2)
        self.assertEqual(self.model.cost(x=self.x).flops, 2 * cost.flops)

    def test_what_a_method_takes_is_what_was_said(self):
        for method, options in (("grad-cam", {}), ("saliency", {}), ("smoothgrad", {"n_samples": 6})):
            with self.subTest(method):
                cost = self.model.cost(method, self.x, 1, **options)
                data = self.model.explain(method, self.x, 1, **options).data
                self.assertEqual((cost.forwards, cost.backwards), (data["forwards"], data["backwards"]))
                self.assertRegex(str(cost), r"^\d+ forwards, \d+ backwards, [\d.]+ .?B, [\d.]+ . ?FLOPs$")

    def test_errors(self):
        with self.assertRaises(pellucid.NotFoundError):
            self.model.cost("gradcam", self.x)
        with self.assertRaises(pellucid.PellucidError):
            self.model.cost("smoothgrad", self.x, n_sample=3)
        with self.assertRaises(TypeError):
            self.model.cost(x=self.x, n_samples=3)


if __name__ == "__main__":
    unittest.main()
