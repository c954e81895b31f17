#!/usr/bin/env python3
"""Runs the command line as people, scripts and terminals do."""

import csv
import html.parser
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TOOL = str(Path(os.environ.get("PELLUCID_TOOL") or ROOT / "build" / "pellucid").resolve())
FIXTURES = ROOT / "Tests" / "Fixtures"
SMALL = FIXTURES / "models" / "fashion_cnn_gap.onnx"
LARGE = FIXTURES / "models" / "efficientnet_lite0.onnx"
LABELS = FIXTURES / "imagenet_classes.txt"
PHOTO = FIXTURES / "images" / "chelsea.png"
METHODS = ["grad-cam", "saliency"]
TIMEOUT = 300


class ToolTest(unittest.TestCase):
    """Runs the tool in a folder of its own."""

    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def tool(self, *arguments, code=0, data=None, **environment):
        """The finished process; its exit code must be as expected."""
        done = subprocess.run(
            [TOOL, *map(str, arguments)],
            input=data,
            capture_output=True,
            timeout=TIMEOUT,
            cwd=self.folder,
            env={**os.environ, **environment},
        )
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        self.assertEqual(done.returncode, code, f"{arguments}\n{done.out}\n{done.err}")
        return done

    def json(self, *arguments, **options):
        return json.loads(self.tool(*arguments, "--json", **options).out)

    def photos(self, *names):
        """Small photos in a folder "photos"."""
        for name in names:
            path = self.folder / "photos" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(FIXTURES / "images" / ("chelsea.png" if name.endswith("png") else "rocket.jpg"), path)
        return self.folder / "photos"

    def explain(self, *arguments, **options):
        return self.tool("explain", SMALL, *arguments, "--preset", "unit", "--output", "out", **options)

    def files(self, folder="out"):
        base = self.folder / folder
        return sorted(str(path.relative_to(base)) for path in base.rglob("*") if path.is_file())


class GeneralTest(ToolTest):
    def test_version(self):
        version = re.search(r"^VERSION := (\S+)", (ROOT / "Makefile").read_text(), re.M)[1]
        self.assertEqual(self.tool("version").out, version + "\n")
        self.assertEqual(self.tool("--version").out, version + "\n")
        self.assertEqual(self.json("version"), {"version": version})

    def test_help_names_every_command(self):
        text = self.tool("--help").out
        for command in ["inspect", "run", "explain", "study", "methods", "backends", "version"]:
            self.assertIn(command, text)
            self.assertIn("USAGE: pellucid " + command, self.tool(command, "--help").out)

    def test_misuse_exits_with_2_and_a_hint(self):
        cases = [
            (["explian"], "did you mean 'explain'"),
            (["explain", SMALL, PHOTO, "--metod", "cam"], "--method"),
            (["explain", SMALL, PHOTO, "--method", "grad-cm"], "did you mean 'grad-cam'"),
            (["explain", SMALL, PHOTO, "--set", "rleu=true"], "did you mean 'relu'"),
            (["explain", SMALL, PHOTO, "--set", "cam:relu=true"], "no method 'cam'"),
            (["explain", LARGE, PHOTO, "--labels", LABELS, "--target", "egyptain cat"], "did you mean 'Egyptian cat'"),
            (["explain", LARGE, PHOTO, "--labels", LABELS, "--target", "cat"], "could be"),
            (["explain", SMALL, PHOTO, "--target", "cat"], "--labels"),
            (["explain", SMALL, PHOTO, "--target=-1"], "0 or more"),
            (["explain", SMALL, PHOTO, "--zoom", "17"], "1...16"),
            (["run", SMALL, PHOTO, "--size", "0"], "--size"),
            (["run", SMALL, "a=b.npy"], "the model has no input 'a'"),
            (["methods", "smoothgard"], "did you mean 'smoothgrad'"),
            (["run"], "Missing expected argument"),
        ]
        for arguments, hint in cases:
            with self.subTest(arguments=arguments):
                done = self.tool(*arguments, code=2)
                self.assertIn(hint, done.err)
                self.assertEqual(done.out, "")

    def test_failures_exit_with_1_and_name_the_file(self):
        (self.folder / "broken.onnx").write_bytes(b"no model")
        for arguments, hint in [
            (["inspect", "nowhere.onnx"], "nowhere.onnx"),
            (["inspect", "broken.onnx"], "broken.onnx"),
            (["run", SMALL, "nowhere.png"], "nowhere.png: No such file"),
            (["run", SMALL, SMALL], "expected a PNG, JPEG or WebP file"),
            (["run", SMALL, PHOTO, "--preset", "unitt"], "did you mean 'unit'"),
            (["run", SMALL, PHOTO, "--backend", "cup"], "'cpu'"),
            (["explain", SMALL, PHOTO, "--layer", "nolayer"], "nolayer"),
            (["explain", SMALL, PHOTO, "--colormap", "viridsi"], "did you mean 'viridis'"),
            (["backends", "--load", "nowhere.so"], "nowhere.so"),
        ]:
            with self.subTest(arguments=arguments):
                done = self.tool(*arguments, code=1)
                self.assertIn(hint, done.err)
                self.assertTrue(done.err.startswith("pellucid: "))

    def test_methods(self):
        methods = self.json("methods")
        names = [method["name"] for method in methods]
        self.assertIn("grad-cam", names)
        listed = self.tool("methods").out
        for method in methods:
            expected = {"name", "family", "kind", "summary", "needs", "reference", "direction", "range", "parameters"}
            self.assertEqual(set(method), expected)
            self.assertEqual(method["direction"] is None, method["kind"] == "explainer")
            self.assertIn(method["name"], listed)
        self.assertEqual(self.json("methods", "grad-cam"), methods[names.index("grad-cam")])
        described = self.tool("methods", "smoothgrad").out
        for parameter in methods[names.index("smoothgrad")]["parameters"]:
            self.assertEqual(set(parameter), {"name", "type", "default", "range", "help"})
            self.assertIn(f"  {parameter['name']}  ({parameter['type']}", described)

    def test_backends(self):
        names = [backend["name"] for backend in self.json("backends")]
        self.assertEqual(set(names) & {"cpu", "reference"}, {"cpu", "reference"})
        for name in names:
            self.assertIn(name, self.tool("backends").out)

    def test_completion_scripts(self):
        for shell, check in [("bash", ["bash", "-n"]), ("zsh", ["zsh", "-n"]), ("fish", ["fish", "--no-execute"])]:
            script = self.tool("--generate-completion-script", shell).out
            self.assertIn("explain", script)
            path = self.folder / shell
            path.write_text(script)
            if shutil.which(check[0]):
                subprocess.run([*check, str(path)], check=True)

    def test_a_closed_pipe_ends_quietly(self):
        process = subprocess.Popen([TOOL, "inspect", str(LARGE), "--layers"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        error = process.stderr.read()
        process.stderr.close()
        self.assertEqual((process.wait(), error), (-signal.SIGPIPE, b""))



class EvaluateTest(ToolTest):
    """Judging methods."""

    def evaluate(self, *arguments, **options):
        return self.tool("evaluate", SMALL, *arguments, "--preset", "unit", **options)

    def test_table(self):
        out = self.evaluate(PHOTO, "--method", "grad-cam,saliency", "--metric", "deletion,sparseness").out
        lines = out.splitlines()
        self.assertRegex(lines[0], r"deletion ↓ +sparseness ↑")
        self.assertEqual([line.split("  ")[0] for line in lines[1:]], ["grad-cam", "saliency", "random map", "constant map"])
        self.assertEqual(lines[-1].split()[-1], "0.0000")  # all places of a constant map are equal

    def test_folder(self):
        folder = self.photos("one.png", "inside/two.jpg")
        found = json.loads(
            self.evaluate(folder, "--method", "grad-cam", "--metric", "deletion,insertion,average-drop", "--output", "out", "--json").out
        )
        self.assertEqual(found["means"].keys(), {"grad-cam"})
        self.assertEqual(len(found["scores"]), 6)
        deletion = [score for score in found["scores"] if score["metric"] == "deletion"]
        self.assertAlmostEqual(found["means"]["grad-cam"]["deletion"], sum(score["value"] for score in deletion) / 2)
        for score in deletion:
            self.assertEqual(len(score["curve"]), len(score["fractions"]))
            area = sum((b - a) * (x + y) / 2 for a, b, x, y in zip(score["fractions"], score["fractions"][1:], score["curve"], score["curve"][1:]))
            self.assertAlmostEqual(score["value"], area, places=9)
        files = {str(path.relative_to(self.folder / "out")) for path in (self.folder / "out").rglob("*") if path.is_file()}
        curves = {f"{name}{metric}.svg" for name in ("", "one.", "inside/two.") for metric in ("deletion", "insertion")}
        self.assertEqual(files, {"scores.csv", "scores.json", *curves})
        rows = (self.folder / "out" / "scores.csv").read_text().splitlines()
        self.assertEqual(len(rows), 7)
        self.assertTrue(rows[0].startswith("image,method,metric,direction,value"))
        self.assertEqual(json.loads((self.folder / "out" / "scores.json").read_text())["means"], found["means"])

    def test_curves_are_drawn(self):
        self.evaluate(PHOTO, "--method", "grad-cam,saliency", "--metric", "deletion", "--output", "out")
        picture = xml.etree.ElementTree.parse(self.folder / "out" / "deletion.svg").getroot()
        lines = picture.findall(".//{http://www.w3.org/2000/svg}polyline")
        self.assertEqual(len(lines), 2)
        width, height = float(picture.get("width")), float(picture.get("height"))
        for line in lines:
            points = [tuple(map(float, point.split(","))) for point in line.get("points").split()]
            self.assertGreater(len(points), 20)
            self.assertTrue(all(0 <= x <= width and 0 <= y <= height for x, y in points))
        self.assertIn("grad-cam", picture.get("aria-label"))

    def test_regions(self):
        """Boxes lie in the photo, whatever part of it the network sees."""
        shutil.copy(PHOTO, self.folder / "cat.png")
        whole = "0,0,451,300"
        scores = self.json("evaluate", SMALL, "cat.png", "--preset", "unit", "--metric", "pointing-game,energy-pointing-game", "--regions", whole)
        self.assertEqual(scores["means"]["grad-cam"], {"pointing-game": 1, "energy-pointing-game": 1})
        (self.folder / "boxes.json").write_text(json.dumps({"cat.png": [[0, 0, 225.5, 300]]}))
        half = self.json("evaluate", SMALL, "cat.png", "--preset", "unit", "--metric", "energy-pointing-game", "--regions", "boxes.json")
        self.assertAlmostEqual(half["scores"][0]["reference_random"], 0.5, delta=0.05)
        shutil.copy(PHOTO, self.folder / "dog.png")
        done = self.evaluate("dog.png", "--metric", "sparseness,pointing-game", "--regions", "boxes.json")
        self.assertIn("nothing says where the object is", done.err)
        self.assertIn("grad-cam", done.out)

    def test_all_metrics_leave_out_those_that_need_regions(self):
        found = self.json(
            "evaluate", SMALL, PHOTO, "--preset", "unit", "--metric", "all", "--set", "batch_size=8", "--set", "deletion:n_steps=4",
            "--set", "parameter-randomization:stages=2", "--set", "max-sensitivity:n_samples=2", "--set", "selectivity:regions=4",
        )
        names = {score["metric"] for score in found["scores"]}
        self.assertNotIn("pointing-game", names)
        self.assertLessEqual({"deletion", "road", "infidelity", "completeness", "parameter-randomization"}, names)
        deletion = next(score for score in found["scores"] if score["metric"] == "deletion")
        self.assertEqual(deletion["options"]["batch_size"], 8)
        self.assertLess(len(deletion["curve"]), 8)

    def test_mistakes(self):
        for arguments, words in [
            (["--metric", "delation"], "did you mean 'deletion'"),
            (["--metric", "pointing-game"], "--regions"),
            (["--set", "deletion:n_stebs=3"], "n_steps"),
            (["--regions", "1,2,3"], "left,top,right,bottom"),
            (["--method", "deletion"], "no method 'deletion'"),
        ]:
            with self.subTest(arguments):
                self.assertIn(words, self.evaluate(PHOTO, *arguments, code=2).err)
        self.assertIn("nothing.png", self.evaluate("nothing.png", code=1).err)


class InspectTest(ToolTest):
    def test_text(self):
        text = self.tool("inspect", SMALL).out
        text = text.replace(str(SMALL), "MODEL")
        golden = HERE / "golden" / "inspect.txt"
        if os.environ.get("PELLUCID_GOLDEN") == "write":
            golden.write_text(text)
        self.assertEqual(text, golden.read_text())

    def test_json(self):
        found = self.json("inspect", SMALL, "--layers", "--weights")
        self.assertEqual(
            set(found), {"path", "metadata", "inputs", "outputs", "operators", "modules", "layers", "weights"}
        )
        self.assertEqual(len(found["metadata"]["hash"]), 64)
        self.assertEqual(found["inputs"][0]["shape"][1:], [1, 28, 28])
        self.assertEqual(sum(found["operators"].values()), len(found["layers"]))
        whole = found["modules"][0]
        self.assertEqual((whole["depth"], whole["name"]), (0, ""))
        self.assertEqual(whole["parameters"], sum(layer["parameters"] for layer in found["layers"]))
        for layer in found["layers"]:
            self.assertLessEqual({"name", "operator", "shape", "flops", "differentiable", "backend"}, set(layer))

    def test_depth(self):
        def rows(*arguments):
            text = self.tool("inspect", LARGE, *arguments).out
            return len(text[text.index("MODULE"):].split("\n\n")[0].splitlines()) if "MODULE" in text else 0

        self.assertEqual(rows("--depth", "0"), 0)
        self.assertLess(rows("--depth", "1"), rows("--depth", "2"))
        self.assertLess(rows("--depth", "2"), rows())


class RunTest(ToolTest):
    def test_classes_of_a_photo(self):
        arguments = ["run", LARGE, PHOTO, "--preset", "lite", "--labels", LABELS]
        text = self.tool(*arguments, "--top", "3").out
        self.assertEqual(len(text.splitlines()), 4)
        self.assertIn("cat", text.splitlines()[0])
        found = self.json(*arguments)
        self.assertEqual(found["input"], str(PHOTO))
        self.assertEqual(len(found["top"]), 5)
        self.assertIn("cat", found["top"][0]["label"])
        self.assertEqual(found["values"][0]["shape"], [1, 1000])
        self.assertIn(f"{found['top'][0]['index']}  ", text)

    def test_labels_in_json(self):
        names = LABELS.read_text().splitlines()
        forms = {
            "list": names,
            "imagenet": {str(i): [f"n{i:08}", name] for i, name in enumerate(names)},
            "plain": {str(i): name for i, name in enumerate(names)},
            "hub": {"id2label": {str(i): name for i, name in enumerate(names)}},
        }
        arguments = ["run", LARGE, PHOTO, "--preset", "lite", "--top", "1"]
        wanted = self.json(*arguments, "--labels", LABELS)["top"]
        for name, form in forms.items():
            (self.folder / f"{name}.json").write_text(json.dumps(form))
            self.assertEqual(self.json(*arguments, "--labels", f"{name}.json")["top"], wanted, name)
        (self.folder / "bad.json").write_text('{"a": 1}')
        self.assertIn("bad.json", self.tool(*arguments, "--labels", "bad.json", code=1).err)

    def test_arrays(self):
        x = np.random.default_rng(0).random((1, 1, 28, 28))
        np.save(self.folder / "double.npy", x)
        np.save(self.folder / "single.npy", x.astype(np.float32))
        np.save(self.folder / "fortran.npy", np.asfortranarray(x.astype(np.float32)))
        np.savez(self.folder / "one.npz", anything=x)
        name = self.json("inspect", SMALL)["inputs"][0]["name"]
        np.savez_compressed(self.folder / "named.npz", **{name: x.astype(np.float32)})
        runs = ["double.npy", "single.npy", "fortran.npy", "one.npz", "named.npz", f"{name}=single.npy", f"{name}=named.npz"]
        tops = [self.json("run", SMALL, run)["top"] for run in runs]
        for top in tops[1:]:
            self.assertEqual(top, tops[0])

    def test_broken_arrays(self):
        np.save(self.folder / "x.npy", np.zeros((1, 1, 28, 28), np.float32))
        np.savez_compressed(self.folder / "x.npz", input=np.random.default_rng(0).random((1, 1, 28, 28)))
        for name in ["x.npy", "x.npz"]:
            whole = (self.folder / name).read_bytes()
            for cut in [0, 5, 20, len(whole) // 2, len(whole) - 1]:
                (self.folder / f"cut-{name}").write_bytes(whole[:cut])
                self.assertIn(f"cut-{name}", self.tool("run", SMALL, f"cut-{name}", code=1).err)

    def test_several_inputs(self):
        model = FIXTURES / "models" / "silero_vad_16k_op15.onnx"
        arrays = {
            "input": np.zeros((1, 576), np.float32),
            "state": np.zeros((2, 1, 128), np.float32),
            "sr": np.array(16000),
        }
        np.savez(self.folder / "all.npz", **arrays)
        together = self.json("run", model, "all.npz")
        for name, array in arrays.items():
            np.save(self.folder / f"{name}.npy", array)
        apart = self.json("run", model, *(f"{name}={name}.npy" for name in arrays))
        self.assertEqual(apart["values"], together["values"])
        self.assertIn("give them as", self.tool("run", model, "input.npy", code=2).err)
        self.assertIn("has none", self.tool("run", model, "input=input.npy", "state.npy", code=2).err)

    def test_output_and_want(self):
        layer = self.json("inspect", SMALL, "--layers")["layers"][0]["name"]
        np.save(self.folder / "x.npy", np.ones((1, 1, 28, 28), np.float32))
        found = self.json("run", SMALL, "x.npy", "--want", layer, "--output", "o.npz")
        self.assertEqual(found["values"][0]["name"], layer)
        with np.load(self.folder / "o.npz") as archive:
            self.assertEqual(archive.files, [layer])
            self.assertEqual(list(archive[layer].shape), found["values"][0]["shape"])
            self.assertAlmostEqual(float(archive[layer].max()), found["values"][0]["max"], places=5)
        self.assertIn("did you mean", self.tool("run", SMALL, "x.npy", "--want", layer[:-1] + "_", code=1).err)
        self.assertIn("--output", self.tool("run", SMALL, "x.npy", "x.npy", "--output", "o.npz", code=2).err)

    def test_several_photos_and_standard_input(self):
        folder = self.photos("a.png", "b.jpg")
        (folder / "c.png").write_bytes(b"broken")
        done = self.tool("run", SMALL, folder / "a.png", folder / "c.png", folder / "b.jpg", "--preset", "unit", code=1)
        self.assertIn("a.png", done.out)
        self.assertIn("b.jpg", done.out)
        self.assertIn("c.png", done.err)
        piped = self.json("run", SMALL, "-", "--preset", "unit", data=PHOTO.read_bytes())
        self.assertEqual(piped["top"], self.json("run", SMALL, PHOTO, "--preset", "unit")["top"])

    def test_preparation(self):
        arguments = ["run", SMALL, PHOTO, "--preset", "unit"]
        plain = self.json(*arguments)["top"]
        self.assertNotEqual(self.json(*arguments, "--prepare", "mean=0.5", "--prepare", "framing=pad")["top"], plain)
        self.assertIn("did you mean 'mean'", self.tool(*arguments, "--prepare", "maen=0.5", code=1).err)


class Links(html.parser.HTMLParser):
    """What a page refers to, its identifiers and the pictures without words."""

    def __init__(self):
        super().__init__()
        self.links, self.identifiers, self.wordless, self.images = [], [], [], 0

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.links += [value for key, value in attrs if key in ("src", "href") and value and not value.startswith("data:")]
        self.identifiers += [values["id"]] if "id" in values else []
        if tag == "img":
            self.images += 1
            self.wordless += [] if values.get("alt") else [attrs]


class ExplainTest(ToolTest):
    def test_files_of_one_photo(self):
        out = self.explain(PHOTO, "--method", ",".join(METHODS)).out
        names = [f"chelsea.{method}.{ending}" for method in METHODS for ending in ("json", "npy", "png")]
        self.assertEqual(self.files(), sorted(names + ["index.html", "manifest.json"]))
        self.assertEqual(len(out.splitlines()), 3)
        for method in METHODS:
            base = self.folder / "out" / f"chelsea.{method}"
            self.assertEqual(struct.unpack(">II", Path(f"{base}.png").read_bytes()[16:24]), (224, 224))
            self.assertEqual(np.load(f"{base}.npy").dtype, np.float32)
            account = json.loads(Path(f"{base}.json").read_text())
            self.assertEqual(
                set(account), {"schema", "image", "settings", "top", "target", "seconds", "files", "metrics", "explanation"}
            )
            self.assertEqual(account["explanation"]["method"], method)
            self.assertEqual(account["target"]["index"], account["top"][0]["index"])
            self.assertEqual(account["image"]["bytes"], PHOTO.stat().st_size)

    def test_page_stands_alone(self):
        self.photos("a.png", "<b> & 'c'.jpg")
        self.explain("photos", "--method", "all")
        text = (self.folder / "out" / "index.html").read_text()
        page = Links()
        page.feed(text)
        self.assertEqual((page.links, page.wordless), ([], []))
        self.assertEqual(len(set(page.identifiers)), len(page.identifiers))
        explained = json.loads((self.folder / "out" / "manifest.json").read_text())["images"]
        files = [e["files"] for image in explained for e in image["explanations"] if "files" in e]
        self.assertEqual(page.images, len(files) + sum("svg" in names for names in files))
        self.assertNotRegex(text, r"https?://|@import|url\((?!data:)")
        self.assertIn("&lt;b&gt; &amp; &#39;c&#39;", text)
        self.assertNotIn("<b>", re.sub(r"<b>[\d.]+ %</b>", "", text))

    def test_json(self):
        found = self.json("explain", SMALL, PHOTO, "--preset", "unit", "--output", "out", "--method", "all")
        self.assertEqual(found, json.loads((self.folder / "out" / "manifest.json").read_text()))
        self.assertEqual(set(found), {"schema", "pellucid", "settings", "images", "page"})
        for explanation in found["images"][0]["explanations"]:
            if "files" in explanation:
                for name in explanation["files"].values():
                    self.assertTrue((self.folder / "out" / name).exists())
            else:
                self.assertFalse(explanation["applicable"])

    def test_targets_by_number_name_and_best(self):
        arguments = ["explain", LARGE, PHOTO, "--preset", "lite", "--labels", LABELS, "--output", "out"]
        self.tool(*arguments, "--target", "tabby, tabby cat", "--target", "285,best")
        names = {name for name in self.files() if name.endswith(".npy")}
        self.assertEqual(names, {f"chelsea.grad-cam.{target}.npy" for target in ("281", "285", "best")})
        labelled = json.loads((self.folder / "out" / "chelsea.grad-cam.281.json").read_text())["target"]
        self.assertIn("tabby", labelled["label"])

    def test_options_layer_and_drawing(self):
        layer = next(l["name"] for l in self.json("inspect", SMALL, "--layers")["layers"] if l["operator"] == "Relu")
        self.explain(
            PHOTO, "--method", "grad-cam,smoothgrad", "--layer", layer, "--set", "smoothgrad:n_samples=3", "--legend", "--contours",
            "0.25,0.75", "--blend", "multiply", "--colormap", "viridis", "--zoom", "4",
        )
        account = json.loads((self.folder / "out" / "chelsea.grad-cam.json").read_text())
        self.assertEqual(account["explanation"]["layer"], layer)
        smooth = json.loads((self.folder / "out" / "chelsea.smoothgrad.json").read_text())
        self.assertEqual(smooth["explanation"]["options"]["n_samples"], 3)
        width, height = struct.unpack(">II", (self.folder / "out" / "chelsea.grad-cam.png").read_bytes()[16:24])
        self.assertTrue(width >= 112 and height > 112)

    def test_folder_resumes(self):
        self.photos("a.png", "deeper/b.jpg", "größe/ж 猫.png")
        self.explain("photos")
        names = ["a", "deeper/b", "größe/ж 猫"]
        self.assertEqual([n for n in self.files() if n.endswith(".png")], sorted(f"{name}.grad-cam.png" for name in names))

        def times():
            return {name: (self.folder / "out" / f"{name}.grad-cam.npy").stat().st_mtime_ns for name in names}

        before = times()
        page = (self.folder / "out" / "index.html").read_text()
        again = self.explain("photos").out
        self.assertEqual((again.count("kept"), times()), (3, before))
        self.assertEqual((self.folder / "out" / "index.html").read_text(), page)
        # What is missing, damaged or of another photo is made again, and nothing else.
        (self.folder / "out" / "a.grad-cam.npy").unlink()
        (self.folder / "out" / "deeper" / "b.grad-cam.json").write_text("{")
        self.assertEqual(self.explain("photos").out.count("kept"), 1)
        shutil.copy(FIXTURES / "images" / "squirrel_cls.jpg", self.folder / "photos" / "deeper" / "b.jpg")
        self.assertEqual(self.explain("photos").out.count("kept"), 2)
        # Other settings are other pictures; --force makes all of them again.
        self.assertEqual(self.explain("photos", "--alpha", "0.3").out.count("kept"), 0)
        self.assertEqual(self.explain("photos", "--alpha", "0.3", "--force").out.count("kept"), 0)

    def test_a_broken_photo_does_not_stop_the_others(self):
        folder = self.photos("a.png", "z.png")
        (folder / "m.png").write_bytes(PHOTO.read_bytes()[:5000])
        done = self.explain("photos", "nowhere.png", code=1)
        self.assertIn("m.png: PNG image: the file is truncated", done.err)
        self.assertIn("nowhere.png", done.err)
        self.assertEqual([n for n in self.files() if n.endswith(".png")], ["a.grad-cam.png", "z.grad-cam.png"])
        images = json.loads((self.folder / "out" / "manifest.json").read_text())["images"]
        self.assertEqual(["error" in image for image in images], [False, True, False, True])

    def test_empty_folder_and_standard_input(self):
        (self.folder / "empty").mkdir()
        self.assertIn("no PNG, JPEG or WebP", self.explain("empty", code=1).err)
        self.explain("-", data=PHOTO.read_bytes())
        self.assertIn("stdin.grad-cam.png", self.files())
        self.assertIn("found an empty one", self.explain("-", data=b"", code=1).err)

    def test_files_of_one_name_do_not_meet(self):
        self.photos("a.png", "a.jpg")
        self.explain("photos")
        self.assertEqual([n for n in self.files() if n.endswith(".png")], ["a-2.grad-cam.png", "a.grad-cam.png"])

    def test_quiet(self):
        done = self.explain(PHOTO, "--quiet")
        self.assertEqual((done.out, done.err), ("", ""))

    def test_methods_that_do_not_fit(self):
        model = FIXTURES / "models" / "fashion_vit_tiny.onnx"
        arguments = ["explain", model, PHOTO, "--preset", "unit", "--output", "out"]
        self.assertIn("cam is not for this model", self.tool(*arguments, "--method", "all").out)
        self.tool(*arguments, "--method", "cam", code=1)


class StudyTest(ToolTest):
    MODELS = ["--model", f"cnn={SMALL}", "--model", f"vit={FIXTURES / 'models' / 'fashion_vit_tiny.onnx'}"]
    CHEAP = ["--method", "saliency", "--set", "saliency:abs=true", "--set", "sag:grid=4", "--preset", "unit", "--steps", "4"]

    def study(self, *arguments, **options):
        return self.tool("study", "photos", *self.MODELS, *self.CHEAP, "--output", "out", *arguments, **options)

    def table(self, name):
        with open(self.folder / "out" / name, newline="") as file:
            return list(csv.DictReader(file))

    def test_tables_and_plots(self):
        self.photos("a.png", "inner/b.jpg")
        found = json.loads(self.study("--json").out)
        self.assertEqual(found["models"], ["cnn", "vit"])
        for i in range(2):
            self.assertEqual(found["normalised"][i][i], 1)
            for j in range(2):
                self.assertAlmostEqual(found["normalised"][i][j], found["crossing"][i][j] / found["crossing"][j][j])
        images = self.table("images.csv")
        self.assertEqual([(row["image"], row["model"]) for row in images], [
            (f"photos/{name}", model) for name in ["a.png", "inner/b.jpg"] for model in ["cnn", "vit"]
        ])
        for row, model in zip(self.table("counting.csv"), ["cnn", "vit"]):
            own = [float(image["minimal_sets"]) for image in images if image["model"] == model]
            self.assertAlmostEqual(float(row["minimal_sets"]), sum(own) / len(own))
            counts = [float(row[f"above_{level}"]) for level in (0.8, 0.7, 0.6, 0.5)]
            self.assertEqual(counts, sorted(counts))
        for name, model in [("cnn", "cnn"), ("vit", "vit")]:
            areas = [float(row[f"shown_to_{model}"]) for row in images if row["model"] == name]
            self.assertAlmostEqual(found["crossing"][found["models"].index(name)][found["models"].index(model)], sum(areas) / len(areas))
        for plot in ["crossing.svg", "landscape.svg"]:
            root = xml.etree.ElementTree.parse(self.folder / "out" / plot).getroot()
            self.assertTrue({"cnn", "vit"} <= {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")})

    def test_the_order_of_models_only_orders_the_results(self):
        self.photos("a.png")
        one = json.loads(self.study("--json").out)
        models = self.MODELS[2:] + self.MODELS[:2]
        two = json.loads(self.tool("study", "photos", *models, *self.CHEAP, "--output", "again", "--json").out)
        for key in ["crossing", "normalised"]:
            self.assertEqual(np.array(two[key])[::-1, ::-1].tolist(), one[key])
        self.assertEqual(two["counting"][::-1], one["counting"])

    def test_what_is_done_is_kept(self):
        self.photos("a.png", "b.jpg")
        first = self.study("--json").out
        stamps = {name: (self.folder / "out" / name).stat().st_mtime_ns for name in self.files() if "." in name.split("/")[-1].removesuffix(".json")}
        kept = [name for name in stamps if name.startswith(("a.", "b."))]
        self.assertEqual(len(kept), 8)
        self.assertEqual(self.study("--json").out, first)
        for name in kept:
            self.assertEqual((self.folder / "out" / name).stat().st_mtime_ns, stamps[name], name)
        (self.folder / "out" / "a.vit.json").write_text("{broken")
        self.assertEqual(self.study("--json").out, first)
        other = json.loads(self.study("--json", "--target", "3").out)
        self.assertNotEqual(other["crossing"], json.loads(first)["crossing"])

    def test_one_part_alone(self):
        self.photos("a.png")
        found = json.loads(self.study("--part", "counting", "--json").out)
        self.assertNotIn("crossing", found)
        self.assertNotIn("crossing.csv", self.files())

    def test_misuse(self):
        self.photos("a.png")
        twice = ["study", "photos", "--model", SMALL, "--model", SMALL]
        self.assertIn("NAME=FILE", self.tool(*twice, code=2).err)
        self.assertIn("--preset-of", self.study("--preset-of", "cnm=lite", code=2).err)
        self.assertIn("--model is needed", self.tool("study", "photos", code=2).err)
        unlike = ["study", "photos", "--model", SMALL, "--model", LARGE, "--method", "saliency", "--output", "out"]
        self.assertIn("cannot be compared", self.tool(*unlike, code=1).err)


class InterruptTest(ToolTest):
    def start(self, *arguments, **options):
        return subprocess.Popen([TOOL, *map(str, arguments)], cwd=self.folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, **options)

    def test_ctrl_c(self):
        process = self.start("explain", LARGE, PHOTO, "--method", "grad-cam,smoothgrad", "--set", "n_samples=10000", "--output", "out")
        first = self.folder / "out" / "chelsea.grad-cam.json"
        deadline = time.monotonic() + 60
        while not first.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.5)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
        self.assertLess(time.monotonic() - sent, 10)
        self.assertEqual((process.returncode, error), (130, b"pellucid: interrupted\n"))
        self.assertEqual(self.files(), [f"chelsea.grad-cam.{ending}" for ending in ("json", "npy", "png")])

    def test_ctrl_c_while_waiting_for_input(self):
        process = self.start("run", SMALL, "-", stdin=subprocess.PIPE)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.stderr.readline()
        self.assertEqual(process.wait(timeout=20), 130)
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


class TerminalTest(ToolTest):
    def on_terminal(self, *arguments, **environment):
        """What a terminal gets on the error stream."""
        master, slave = pty.openpty()
        process = subprocess.Popen(
            [TOOL, *map(str, arguments)],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=slave,
            env={**os.environ, "TERM": "xterm", **environment},
        )
        os.close(slave)
        shown = b""
        while True:
            ready, _, _ = select.select([master], [], [], TIMEOUT)
            self.assertTrue(ready)
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            shown += piece
        os.close(master)
        process.wait()
        return shown.decode()

    def test_progress_on_a_terminal_only(self):
        self.photos("a.png", "b.png")
        arguments = ["explain", SMALL, "photos", "--preset", "unit", "--output", "out"]
        shown = self.on_terminal(*arguments, "--method", "smoothgrad")
        self.assertRegex(shown, r"[█░]{24} \d+% 1/2")
        self.assertTrue(shown.endswith("\x1b[K"), repr(shown[-40:]))
        self.assertEqual(self.on_terminal(*arguments, "--force", "--quiet"), "")
        self.assertNotIn("█", self.on_terminal(*arguments, "--force", TERM="dumb"))
        self.assertEqual(self.tool(*arguments, "--force").err, "")

    def test_colour(self):
        self.assertIn("\x1b[31m", self.on_terminal("inspect", "nowhere.onnx", NO_COLOR=""))
        self.assertNotIn("\x1b[31m", self.on_terminal("inspect", "nowhere.onnx", NO_COLOR="1"))
        self.assertNotIn("\x1b", self.tool("inspect", "nowhere.onnx", code=1).err)


class DocsTest(ToolTest):
    def commands(self):
        """Every command with its options, as the parser itself dumps them."""
        def walk(command, path):
            options = [
                name["name"]
                for argument in command.get("arguments", [])
                for name in argument.get("names") or []
                if name["kind"] == "long" and argument.get("shouldDisplay", True)
            ]
            yield path, options
            for inner in command.get("subcommands", []):
                if inner["commandName"] != "help":
                    yield from walk(inner, path + [inner["commandName"]])

        return list(walk(json.loads(self.tool("--experimental-dump-help").out)["command"], []))

    def test_man_page_names_every_command_and_option(self):
        text = (ROOT / "docs" / "man" / "pellucid.1").read_text().replace("\\-", "-")
        sections = re.split(r"^\.SS ", text, flags=re.M)
        for path, options in self.commands():
            section = next((s for s in sections if path and s.startswith(path[0])), text)
            self.assertIn(" ".join(path), text)
            for option in options:
                self.assertTrue(f"--{option}" in section or f"--{option}" in sections[0] + sections[-1], f"{path} --{option}")
        if shutil.which("man"):
            done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", str(ROOT / "docs/man/pellucid.1")], capture_output=True)
            self.assertEqual(done.stderr, b"")

    def test_every_command_of_the_guide_works(self):
        (self.folder / "pellucid").symlink_to(TOOL)
        for name, target in [("model.onnx", LARGE), ("labels.txt", LABELS), ("photo.png", PHOTO)]:
            (self.folder / name).symlink_to(target)
        self.photos("a.png", "b.jpg")
        np.savez(self.folder / "inputs.npz", input=np.zeros((1, 3, 224, 224), np.float32))
        np.save(self.folder / "x.npy", np.zeros((1, 3, 224, 224), np.float32))
        blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "terminal.md").read_text(), re.S)
        self.assertGreater(len(blocks), 5)
        environment = {**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}", "HOME": str(self.folder)}
        for block in blocks:
            with self.subTest(block=block):
                done = subprocess.run(["bash", "-euc", block], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT)
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
