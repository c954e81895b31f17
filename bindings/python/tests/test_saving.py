"""Explanations saved, read back, shown, and what is wrong with damaged ones."""

import contextlib
import io
import json
import os
import pickle
import sys
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import numpy as np

from .support import IMAGES, MODELS, ROOT, ModelTest

import pellucid
from pellucid import Explanation, _files, image

PHOTOS = [IMAGES / "chelsea.png", IMAGES / "squirrel_cls.jpg"]
NAMES = ROOT / "Tests" / "Fixtures" / "imagenet_classes.txt"


class SavingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = pellucid.load(MODELS / "efficientnet_lite0.onnx", labels=NAMES)
        cls.explanation = cls.model.explain("grad-cam", PHOTOS, preprocess="lite")

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.folder = Path(scratch.name)

    def tearDown(self):
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith(".")], [], "scratch files were left")

    def assertSame(self, found, expected):
        self.assertEqual(sorted(found.tensors), sorted(expected.tensors))
        for name, array in expected.tensors.items():
            np.testing.assert_array_equal(found.tensors[name], array)
            self.assertFalse(found.tensors[name].flags.writeable)
        for attribute in ("numbers", "data", "preprocess", "names", "layer", "labels", "score", "seed", "options", "target"):
            self.assertEqual(getattr(found, attribute), getattr(expected, attribute), attribute)
        self.assertEqual(len(found.images), len(expected.images))
        for one, other in zip(found.images, expected.images):
            np.testing.assert_array_equal(one, other)
        for index in range(len(expected.images)):
            np.testing.assert_array_equal(found.overlay(index=index).array, expected.overlay(index=index).array)

    def test_folder(self):
        self.explanation.save(self.folder / "why")
        pictures = [f"{kind}-{index}.png" for kind in ("image", "overlay") for index in range(2)]
        arrays = [f"{name}.npy" for name in self.explanation.tensors]
        self.assertEqual(sorted(os.listdir(self.folder / "why")), sorted(["manifest.json", *arrays, *pictures]))
        self.assertSame(Explanation.load(self.folder / "why"), self.explanation)
        manifest = json.loads((self.folder / "why" / "manifest.json").read_text())
        self.assertEqual((manifest["format"], manifest["schema"]), ("pellucid-explanation", 1))
        self.assertEqual(manifest["result"]["method"], "grad-cam")
        np.testing.assert_array_equal(image.read(self.folder / "why" / "overlay-1.png"), self.explanation.overlay(index=1).array)

    def test_npz(self):
        self.explanation.save(self.folder / "why.npz")
        self.assertSame(Explanation.load(self.folder / "why.npz"), self.explanation)
        with np.load(self.folder / "why.npz", allow_pickle=False) as members:
            np.testing.assert_array_equal(members["map"], self.explanation.map)

    def test_array_input(self):
        x = np.random.default_rng(1).standard_normal((1, 3, 224, 224)).astype(np.float32)
        explanation = self.model.explain("saliency", x, target=3)
        for name in ("why", "why.npz"):
            explanation.save(self.folder / name)
            self.assertSame(Explanation.load(self.folder / name), explanation)
        self.assertNotIn("overlay-0.png", os.listdir(self.folder / "why"))

    def test_pictures_and_manifest(self):
        self.explanation.save(self.folder / "why.png", alpha=0.9)
        np.testing.assert_array_equal(image.read(self.folder / "why.png"), self.explanation.overlay(alpha=0.9).array)
        self.explanation.save(self.folder / "why.json")
        self.assertEqual(json.loads((self.folder / "why.json").read_text())["result"], self.explanation.data)

    def test_endings(self):
        for name in ("why.tiff", "why.json.gz"):
            with self.assertRaisesRegex(pellucid.InvalidError, r"\.npz, \.png, \.jpg, \.json"):
                self.explanation.save(self.folder / name)
        with self.assertRaisesRegex(pellucid.InvalidError, "alpha"):
            self.explanation.save(self.folder / "why.npz", alpha=0.5)
        with self.assertRaises(FileNotFoundError):
            self.explanation.save(self.folder / "nowhere" / "why")

    def test_earlier_explanations_are_replaced(self):
        for _ in range(2):
            self.explanation.save(self.folder / "why")
        (self.folder / "empty").mkdir()
        self.explanation.save(self.folder / "empty")
        self.assertSame(Explanation.load(self.folder / "empty"), self.explanation)

    def test_other_folders_are_left_alone(self):
        (self.folder / "thesis").mkdir()
        (self.folder / "thesis" / "chapter").write_text("precious")
        (self.folder / "file").write_text("precious")
        for name in ("thesis", "file"):
            with self.assertRaises(FileExistsError):
                self.explanation.save(self.folder / name)
        self.assertEqual((self.folder / "thesis" / "chapter").read_text(), "precious")
        self.assertEqual((self.folder / "file").read_text(), "precious")

    def test_a_failure_leaves_the_earlier_one(self):
        for name in ("why", "why.npz", "why.png", "why.json"):
            self.explanation.save(self.folder / name)
        before = sorted(os.listdir(self.folder))
        with mock.patch("pellucid.image.encode", side_effect=OSError("disk full")):
            for name in ("why", "why.png"):
                with self.assertRaisesRegex(OSError, "disk full"):
                    self.explanation.save(self.folder / name)
        with mock.patch("pellucid._saving._json", side_effect=KeyboardInterrupt):
            for name in ("why", "why.npz", "why.json", "new", "new.npz"):
                with self.assertRaises(KeyboardInterrupt):
                    self.explanation.save(self.folder / name)
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        self.assertSame(Explanation.load(self.folder / "why"), self.explanation)

    def test_a_failed_exchange_is_undone(self):
        self.explanation.save(self.folder / "why")
        rename, calls = os.rename, []

        def fail(source, target):
            calls.append(target)
            if len(calls) == 2:
                raise OSError("no")
            rename(source, target)

        with mock.patch.object(_files.os, "rename", fail), self.assertRaises(OSError):
            self.explanation.save(self.folder / "why")
        self.assertEqual(calls[1:], [str(self.folder / "why")] * 2)
        self.assertSame(Explanation.load(self.folder / "why"), self.explanation)

    def test_permissions_follow_the_umask(self):
        before = os.umask(0o027)
        try:
            self.explanation.save(self.folder / "why.npz")
            self.explanation.save(self.folder / "why")
        finally:
            os.umask(before)
        self.assertEqual(os.stat(self.folder / "why.npz").st_mode & 0o777, 0o640)
        self.assertEqual(os.stat(self.folder / "why").st_mode & 0o777, 0o750)
        self.assertEqual(os.stat(self.folder / "why" / "map.npy").st_mode & 0o777, 0o640)

    def test_damage(self):
        self.explanation.save(self.folder / "why")
        self.explanation.save(self.folder / "why.npz")
        whole = json.loads((self.folder / "why" / "manifest.json").read_text())
        entry = whole["tensors"]["map"]
        for change, message in (
            ({"schema": 2}, "schema is 2"),
            ({"format": "x"}, "format"),
            ({"tensors": {"map": {**entry, "file": "../why.npz"}}}, "no name of a file"),
            ({"tensors": 3}, ""),
            ({"images": ["/etc/passwd"]}, "no name of a file"),
        ):
            (self.folder / "why" / "manifest.json").write_text(json.dumps({**whole, **change}))
            with self.subTest(change), self.assertRaisesRegex(pellucid.ParseError, message):
                Explanation.load(self.folder / "why")
        content = (self.folder / "why.npz").read_bytes()
        for damaged in (b"", b"PK", content[:-100], b"\x93NUMPY", pickle.dumps([1])):
            (self.folder / "why.npz").write_bytes(damaged)
            with self.assertRaises(pellucid.ParseError):
                Explanation.load(self.folder / "why.npz")
        with self.assertRaises(FileNotFoundError):
            Explanation.load(self.folder / "nothing")

    def test_pickle(self):
        found = pickle.loads(pickle.dumps(self.explanation))
        np.testing.assert_array_equal(found.map, self.explanation.map)
        self.assertEqual(found.data, self.explanation.data)


class MapsTest(unittest.TestCase):
    def maps(self, *shape):
        explanation = Explanation({"map": np.arange(np.prod(shape), dtype=np.float32).reshape(shape)}, {}, {"method": "x"})
        return [each.shape for each in explanation.maps], explanation._repr_png_() is not None, explanation._repr_html_()

    def test_layouts(self):
        for shape, expected, drawable in (
            ((2, 1, 5, 7), [(5, 7)] * 2, True),
            ((2, 3, 5, 7), [(3, 5, 7)] * 2, True),
            ((2, 5, 7, 3), [(3, 5, 7)] * 2, True),
            ((2, 5, 7, 1), [(5, 7)] * 2, True),
            ((2, 4, 5, 7), [(4, 5, 7)] * 2, False),
            ((2, 9), [(9,)] * 2, False),
            ((0, 1, 5, 7), [], False),
        ):
            with self.subTest(shape):
                found, drawn, page = self.maps(*shape)
                self.assertEqual((found, drawn, "<img" in page), (expected, drawable, drawable))

    def test_channels_last_is_drawn_as_channels_first(self):
        first = np.random.default_rng(5).standard_normal((1, 3, 6, 8)).astype(np.float32)
        pictures = [Explanation({"map": heat}, {}, {}).overlay().array for heat in (first, first.transpose(0, 2, 3, 1))]
        np.testing.assert_array_equal(*pictures)

    def test_no_map(self):
        explanation = Explanation({}, {"score": 1.0}, {"method": "x"})
        self.assertIsNone(explanation._repr_png_())
        self.assertIn("<table>", explanation._repr_html_())
        with self.assertRaisesRegex(pellucid.UnsupportedError, "x makes no map"):
            explanation.overlay()


class NumbersTest(unittest.TestCase):
    def test_what_json_cannot_say(self):
        strange = Explanation(
            {"map": np.zeros((1, 1, 2, 2), np.float32), "a/b": np.ones(3), "manifest": np.zeros(1), "image-0": np.ones(1)},
            {"gap": float("nan")},
            {"a": np.float32(1), "b": [float("inf")]},
        )
        with tempfile.TemporaryDirectory() as folder:
            for name in ("why", "why.npz"):
                strange.save(Path(folder, name))
                found = Explanation.load(Path(folder, name))
                self.assertEqual(sorted(found.tensors), sorted(strange.tensors))
                np.testing.assert_array_equal(found.tensors["a/b"], np.ones(3))
                self.assertTrue(np.isnan(found.numbers["gap"]))
                self.assertEqual(found.data, {"a": 1.0, "b": [None]})


class LabelsTest(ModelTest):
    def read(self, name, content):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_text(content, encoding="utf-8")
            return pellucid.labels.read(path)

    def test_forms(self):
        self.assertEqual(self.read("a.txt", "cat\ndog\n"), ["cat", "dog"])
        self.assertEqual(self.read("a.txt", "\ufeffcat\r\ndög"), ["cat", "dög"])
        self.assertEqual(self.read("a.json", '["cat", "dog"]'), ["cat", "dog"])
        self.assertEqual(self.read("a.json", '{"1": ["n02", "dog"], "0": "cat"}'), ["cat", "dog"])
        self.assertEqual(pellucid.labels.read(("cat", "dog")), ["cat", "dog"])

    def test_errors(self):
        for content in ("3", "{", '{"x": "cat"}', '{"99999999999": "cat"}', "[[]]", '{"-1": "cat"}'):
            with self.subTest(content), self.assertRaises(pellucid.ParseError):
                self.read("a.json", content)
        with self.assertRaises(FileNotFoundError):
            self.model.explain("grad-cam", self.x, labels="/nowhere/labels.txt")

    def test_names_in_results(self):
        names = [f"class {index}" for index in range(9)]
        explanation = self.model.explain("grad-cam", self.x, target=[3, 9], labels=names)
        self.assertEqual((explanation.label, explanation.labels), ("class 3", ["class 3", "9"]))
        self.assertIn("class 3", repr(explanation))
        best = self.model.explain("grad-cam", self.x)
        self.assertEqual(best.labels, [str(index) for index in self.model.run(self.x).argmax(1)])
        self.assertIsNone(self.model.explain("saliency", self.x, pellucid.Target.sum([1, 2])).label)


class ShowTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = pellucid.load(MODELS / "efficientnet_lite0.onnx", labels=NAMES)
        cls.explanation = cls.model.explain("grad-cam", PHOTOS, preprocess="lite")

    def test_overlay(self):
        expected = image.overlay(image.fit(PHOTOS[1], preset="lite"), self.explanation.map[1]).array
        for given in ({}, {"image": PHOTOS[1]}, {"image": image.read(PHOTOS[1])}, {"image": PHOTOS[1], "preprocess": "lite"}):
            np.testing.assert_array_equal(self.explanation.overlay(index=1, **given).array, expected)
        whole = self.explanation.overlay(PHOTOS[1], 1, preprocess=False)
        self.assertEqual(whole.array.shape, image.read(PHOTOS[1]).shape)
        with self.assertRaisesRegex(IndexError, "2 images"):
            self.explanation.overlay(index=2)
        with self.assertRaises(pellucid.PellucidError):
            self.explanation.overlay(colour="red")

    def test_overlay_of_an_array_input(self):
        explanation = self.model.explain("grad-cam", image.preprocess(PHOTOS[0], preset="lite"))
        self.assertEqual(explanation.images, [])
        np.testing.assert_array_equal(
            explanation.overlay(PHOTOS[0], preprocess="lite").array,
            image.overlay(image.fit(PHOTOS[0], preset="lite"), explanation.map).array,
        )
        self.assertEqual(explanation.overlay(PHOTOS[0]).array.shape, image.read(PHOTOS[0]).shape)

    def test_notebooks(self):
        self.assertTrue(self.explanation._repr_png_().startswith(b"\x89PNG"))
        page = self.explanation._repr_html_()
        tags = []

        class Reader(HTMLParser):
            def handle_starttag(self, tag, attributes):
                tags.append(tag)

        Reader().feed(page)
        self.assertEqual(tags.count("img"), 2)
        for part in ("grad-cam", self.explanation.label, self.explanation.layer):
            self.assertIn(part, page)
        self.explanation.names[self.explanation.classes[0]] = "<script>"
        try:
            self.assertNotIn("<script>", self.explanation._repr_html_())
        finally:
            self.explanation.names = pellucid.labels.read(NAMES)

    def test_show_without_matplotlib(self):
        text = io.StringIO()
        with mock.patch.dict(sys.modules, {"matplotlib": None}), contextlib.redirect_stderr(text):
            self.explanation.show()
        self.assertIn("save(", text.getvalue())

    def test_show(self):
        try:
            import matplotlib
        except ImportError:
            self.skipTest("matplotlib is not installed")
        matplotlib.use("agg")
        text = io.StringIO()
        with contextlib.redirect_stderr(text):
            self.explanation.show()
        self.assertIn("save(", text.getvalue())
        from matplotlib import pyplot

        with mock.patch("matplotlib.get_backend", return_value="window"), mock.patch.object(pyplot, "show") as opened:
            self.explanation.show()
        opened.assert_called_once()
        self.assertEqual([place.get_title() for place in pyplot.gcf().axes], [f"grad-cam: {name}" for name in self.explanation.labels])
        pyplot.close("all")

    def test_picture_files(self):
        with self.assertRaisesRegex(pellucid.InvalidError, r"\.png"):
            self.explanation.overlay().save("why.tiff")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "why.jpg")
            self.explanation.save(path)
            self.assertEqual(path.read_bytes()[:3], b"\xff\xd8\xff")
            difference = image.read(path).astype(int) - self.explanation.overlay().array
            self.assertLess(np.abs(difference).mean(), 4)

    def test_drawing(self):
        plain = self.explanation.overlay().array
        for options in ({"blend": "spotlight"}, {"contours": [0.25, 0.5]}, {"limit": 1e-3}, {"interp": "nearest"}):
            drawn = self.explanation.overlay(**options).array
            self.assertEqual(drawn.shape, plain.shape)
            self.assertTrue((drawn != plain).any(), options)
        self.assertGreater(self.explanation.overlay(legend="share", caption="squirrel").array.shape[0], plain.shape[0])


if __name__ == "__main__":
    unittest.main()
