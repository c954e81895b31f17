"""Images in and out."""

import tempfile
import unittest
from pathlib import Path

import numpy as np

from .support import IMAGES, ModelTest

import pellucid
from pellucid import image


class ImageTest(unittest.TestCase):
    photo = IMAGES / "chelsea.png"

    def test_read(self):
        pixels = image.read(self.photo)
        self.assertEqual((pixels.shape, pixels.dtype), ((300, 451, 3), np.uint8))
        np.testing.assert_array_equal(image.read(self.photo.read_bytes()), pixels)
        self.assertEqual(image.read(IMAGES / "squirrel_cls.jpg").ndim, 3)
        with self.assertRaises(pellucid.ParseError):
            image.read(b"neither PNG nor JPEG")

    def test_fit_and_preprocess(self):
        self.assertEqual(image.fit(self.photo).shape, (224, 224, 3))
        x = image.preprocess(self.photo, preset="lite", size=96, mean=[127, 127, 127], std=128)
        self.assertEqual((x.shape, x.dtype), ((1, 3, 96, 96), np.float32))
        with self.assertRaises(pellucid.PellucidError):
            image.preprocess(self.photo, pre_set="lite")

    def test_overlay(self):
        pixels = image.read(self.photo)
        heat = np.linspace(-1, 1, 49, dtype=np.float32).reshape(1, 1, 7, 7)
        for signed in (True, False, None):
            picture = image.overlay(pixels, heat, alpha=0.25, signed=signed)
            self.assertEqual(picture.array.shape, pixels.shape)
        self.assertEqual(image.overlay(None, heat).array.ndim, 3)

    def test_encode(self):
        picture = image.overlay(self.photo, np.ones((7, 7)))
        self.assertTrue(picture._repr_png_().startswith(b"\x89PNG"))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "why.png")
            picture.save(path)
            np.testing.assert_array_equal(image.read(path), np.asarray(picture))
        with self.assertRaises(pellucid.PellucidError):
            image.encode(picture.array, "tiff")


class OverlayTest(ModelTest):
    def test_overlay_of_an_explanation(self):
        explanation = self.model.explain("grad-cam", self.x, target=1)
        background = np.zeros((28, 28, 3), np.uint8)
        self.assertEqual(explanation.overlay(background, index=1).array.shape, (28, 28, 3))
        self.assertEqual(explanation.overlay().array.ndim, 3)


if __name__ == "__main__":
    unittest.main()
