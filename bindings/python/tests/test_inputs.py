"""Images as inputs: every form of image, every way to say how it is prepared, and what is wrong with the others."""

import io
import re
import unittest
from pathlib import Path

import numpy as np

from .support import IMAGES, MODELS, ModelTest, close

import pellucid
from pellucid import _feeds, image

try:
    from PIL import Image as pillow
except ImportError:
    pillow = None

PHOTO = IMAGES / "chelsea.png"
#: Classifier of 1,000 classes: input [batch, 3, 224, 224].
LITE = MODELS / "efficientnet_lite0.onnx"


def value(shape, dtype="float32"):
    """A model's input."""
    return pellucid.Value("x", dtype, shape, "", "", "")


class ImageInputTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = pellucid.load(LITE)
        cls.x = image.preprocess(PHOTO, preset="lite")
        cls.y = cls.model.run(cls.x)

    def test_forms_of_image(self):
        content = PHOTO.read_bytes()
        for form in (str(PHOTO), PHOTO, content, bytearray(content), memoryview(content), image.read(PHOTO)):
            with self.subTest(type(form).__name__):
                np.testing.assert_array_equal(self.model.run(form, preprocess="lite"), self.y)

    def test_by_name_of_the_input(self):
        (entry,) = self.model.inputs
        np.testing.assert_array_equal(self.model.run({entry.name: PHOTO}, preprocess="lite"), self.y)

    def test_settings(self):
        explicit = {"mean": 127, "std": [128], "scale": 1, "filter": "bicubic", "size": 224, "order": "rgb", "layout": "nchw"}
        close(self.model.run(PHOTO, preprocess=explicit), self.y, 1e-6)
        wide = self.model.run(PHOTO, preprocess={"preset": "lite", "resize": 0})
        self.assertGreater(np.abs(wide - self.y).max(), 1e-3)

    def test_batches(self):
        photos = [PHOTO, IMAGES / "space_shuttle.jpg"]
        single = [self.model.run(photo, preprocess="lite") for photo in photos]
        close(self.model.run(photos, preprocess="lite"), np.concatenate(single))
        stack = np.stack([image.fit(photo, preset="lite") for photo in photos])
        settings = {"preset": "lite", "resize": 0}
        close(self.model.run(stack, preprocess=settings), np.concatenate(single))
        close(self.model.run(tuple(stack), preprocess=settings), np.concatenate(single))
        explanation = self.model.explain("grad-cam", photos, target=[281, 812], preprocess="lite")
        self.assertEqual((len(explanation.maps), len(explanation.images), explanation.classes), (2, 2, [281, 812]))
        for index, photo in enumerate(photos):
            alone = self.model.explain("grad-cam", photo, target=explanation.classes[index], preprocess="lite")
            close(explanation.maps[index], alone.maps[0])

    def test_gradient(self):
        found = self.model.gradient(PHOTO, 281, preprocess="lite")
        expected = self.model.gradient(self.x, 281)
        for name in expected:
            close(found[name], expected[name], 0)

    @unittest.skipIf(pillow is None, "Pillow is not installed")
    def test_pillow(self):
        with pillow.open(PHOTO) as photo:
            np.testing.assert_array_equal(image.read(photo), image.read(PHOTO))
            np.testing.assert_array_equal(self.model.run(photo, preprocess="lite"), self.y)
            self.assertEqual(self.model.run([photo, PHOTO], preprocess="lite").shape[0], 2)
            with self.assertRaisesRegex(pellucid.InvalidError, "preprocess="):
                self.model.run(photo)

    @unittest.skipIf(pillow is None, "Pillow is not installed")
    def test_pillow_modes(self):
        pixels = np.random.default_rng(3).integers(0, 256, (9, 7, 4), np.uint8)
        for mode in ("RGBA", "RGB", "L", "LA", "P", "1", "CMYK"):
            with self.subTest(mode):
                source = pillow.fromarray(pixels, "RGBA").convert(mode) if mode != "CMYK" else pillow.new("CMYK", (7, 9))
                found = image.read(source)
                self.assertEqual((found.shape, found.dtype), ((9, 7, 3), np.uint8))
        file = io.BytesIO()
        pillow.fromarray(pixels, "RGBA").save(file, "png")
        blended = image.read(pillow.fromarray(pixels, "RGBA")).astype(int)
        self.assertLessEqual(np.abs(blended - image.read(file.getvalue())).max(), 1)

    def test_an_image_without_preprocess(self):
        for form in (str(PHOTO), PHOTO, b"bytes", [PHOTO], image.read(PHOTO)):
            with self.subTest(type(form).__name__), self.assertRaises(pellucid.InvalidError) as caught:
                self.model.run(form)
            for preset in image.PRESETS:
                self.assertIn(repr(preset), str(caught.exception))

    def test_errors(self):
        def run(x, preprocess):
            return self.model.run(x, preprocess=preprocess)

        with self.assertRaisesRegex(pellucid.InvalidError, "preprocess is for images.*float32 .1, 3, 224, 224"):
            run(self.x, "lite")
        with self.assertRaisesRegex(pellucid.PellucidError, "imagenet"):
            run(PHOTO, "imagnet")
        with self.assertRaisesRegex(pellucid.InvalidError, "'mean'"):
            run(PHOTO, {"maen": 0})
        with self.assertRaisesRegex(TypeError, "'imagenet'.*not int"):
            run(PHOTO, 224)
        with self.assertRaises(FileNotFoundError):
            run("/nowhere/photo.jpg", "lite")
        with self.assertRaises(pellucid.ParseError):
            run(b"no image", "lite")
        with self.assertRaises(pellucid.ShapeError):
            run(PHOTO, {"preset": "lite", "size": 100})
        with self.assertRaises(pellucid.PellucidError):
            run([], "lite")


class PreparationTest(ModelTest):
    def prepare(self, shape, preprocess="unit", dtype="float32"):
        return _feeds.prepare(PHOTO, value(shape, dtype), preprocess)

    def test_size_and_layout_follow_the_model(self):
        for shape, expected in (
            (("N", 3, 96, 64), (1, 3, 96, 64)),
            ((1, 96, 64, 3), (1, 96, 64, 3)),
            ((3, 32, 32), (3, 32, 32)),
            (("N", 3, "H", "W"), (1, 3, 224, 224)),
            (None, (1, 3, 224, 224)),
        ):
            with self.subTest(shape):
                array, photos = self.prepare(shape)
                self.assertEqual((array.shape, array.dtype), (expected, np.float32))
                self.assertEqual(photos.seen[0].shape[2], 3)

    def test_the_mapping_wins(self):
        array, photos = self.prepare(("N", 3, 96, 64), {"preset": "unit", "size": [32, 48], "layout": "nhwc"})
        self.assertEqual(array.shape, (1, 32, 48, 3))
        self.assertEqual(photos.settings, {"preset": "unit", "size": [32, 48], "layout": "nhwc"})

    def test_bytes_for_models_that_take_bytes(self):
        array, photos = self.prepare((1, 96, 64, 3), "raw", "uint8")
        self.assertEqual(array.dtype, np.uint8)
        np.testing.assert_array_equal(array[0], photos.seen[0])

    def test_equal_to_one_step(self):
        for preset in image.PRESETS:
            array, _ = self.prepare(("N", 3, 90, 70), {"preset": preset})
            np.testing.assert_array_equal(array, image.preprocess(PHOTO, preset=preset, size=(90, 70)))

    def test_presets_are_those_of_the_library(self):
        header = (Path(__file__).parents[3] / "include/pellucid/image.h").read_text()
        line = next(line for line in header.splitlines() if re.match(r" \* +preset +text", line))
        for preset in image.PRESETS:
            self.assertIn(f'"{preset}"', line)
        self.assertEqual(line.count('"'), 2 * len(image.PRESETS))

    def test_grey(self):
        array, photos = self.prepare(("N", 1, 28, 28))
        self.assertEqual((array.shape, photos.settings["channels"]), ((1, 1, 28, 28), 1))
        red, green, blue = photos.seen[0].astype(float).transpose(2, 0, 1)
        self.assertLess(np.abs(255 * array[0, 0] - (0.299 * red + 0.587 * green + 0.114 * blue)).max(), 1)
        self.assertEqual(self.model.run(PHOTO, preprocess="unit").shape, (1, 10))

    def test_framing(self):
        for settings in ({"framing": "crop"}, {"framing": "stretch"}, {"framing": "pad", "fill": [1, 2, 3]}):
            _, photos = self.prepare(("N", 3, 64, 64), {"preset": "unit", **settings})
            np.testing.assert_array_equal(photos.seen[0], image.fit(PHOTO, preset="unit", size=64, **settings))
        self.assertEqual(photos.seen[0][0, 0].tolist(), [1, 2, 3])

    def test_other_channels(self):
        with self.assertRaisesRegex(pellucid.InvalidError, "12 channels"):
            self.prepare(("N", 12, 28, 28))

    def test_arrays_are_no_images(self):
        self.assertIsNone(_feeds.images_in(self.x, True))
        self.assertIsNone(_feeds.images_in(self.x.tolist(), True))
        self.assertIsNone(_feeds.images_in(np.zeros((0, 0, 3), np.uint8), True))
        for text, dtype in ((np.array(["text"]), "string"), ("text", "string"), (["text"], "sequence"), ("text", "optional")):
            found, photos = _feeds.prepare(text, value((1,), dtype), None)
            self.assertIs(found, text)
            self.assertIsNone(photos)


if __name__ == "__main__":
    unittest.main()
