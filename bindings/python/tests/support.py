"""What the tests share: where the library and the fixtures are."""

import os
import sys
import unittest
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
MODELS = ROOT / "Tests" / "Fixtures" / "models"
IMAGES = ROOT / "Tests" / "Fixtures" / "images"
#: Fashion-MNIST classifier: input [N, 1, 28, 28] to logits [N, 10].
SMALL_MODEL = MODELS / "fashion_cnn_gap.onnx"

os.environ.setdefault("PELLUCID_LIBRARY", str(ROOT / "build" / "libpellucid.so.0"))
sys.path.insert(0, str(ROOT / "Tests" / "AbiTests"))

import pellucid  # noqa: E402


class ModelTest(unittest.TestCase):
    """A test with the small model and a batch of two inputs."""

    @classmethod
    def setUpClass(cls):
        cls.model = pellucid.load(SMALL_MODEL, threads=2)
        cls.relu = next(layer for layer in cls.model.layers if layer.op == "Relu").name

    def setUp(self):
        generator = np.random.default_rng(7)
        self.x = generator.standard_normal((2, 1, 28, 28)).astype(np.float32)


def close(actual, expected, tolerance=1e-4):
    """Largest difference over largest value."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    np.testing.assert_array_equal(actual.shape, expected.shape)
    scale = max(float(np.abs(expected).max(initial=0.0)), 1e-12)
    difference = float(np.abs(actual - expected).max(initial=0.0))
    assert difference <= tolerance * scale, f"differs by {difference:.3g} of {scale:.3g}"
