"""Models of scikit-learn, LightGBM and XGBoost answer as those libraries do; see ``Tests/Golden/make_sklearn_models.py``."""

import json
import unittest

import numpy as np

from .support import ROOT

import pellucid

FOLDER = ROOT / "Tests" / "Golden" / "sklearn"


def array(entry):
    """An array as it lies in the index."""
    data = [np.nan if number is None else number for number in entry["data"]]
    return np.array(data, object if entry["dtype"] == "string" else entry["dtype"]).reshape(entry["shape"])


class SklearnTest(unittest.TestCase):
    """Every case of the index, in one run and row by row."""

    @classmethod
    def setUpClass(cls):
        cls.cases = json.loads((FOLDER / "index.json").read_text(encoding="utf-8"))["cases"]

    def test_index(self):
        self.assertGreater(len(self.cases), 100)
        self.assertEqual({case["model"] for case in self.cases}, {path.name for path in FOLDER.glob("*.onnx")})

    def test_answers(self):
        for case in self.cases:
            with self.subTest(case["name"]):
                model = pellucid.load(FOLDER / case["model"])
                inputs = {name: array(entry) for name, entry in case["inputs"].items()}
                found = model.run(inputs, want=list(case["outputs"]))
                found = found if isinstance(found, dict) else {next(iter(case["outputs"])): found}
                for name, entry in case["outputs"].items():
                    self.compare(found[name], entry, case["tolerance"])

    def test_gradients(self):
        """Of scores and probabilities, against central differences."""
        cases = {case["name"]: case for case in self.cases}
        for name, output in (("logistic-regression", "probabilities"), ("logistic-regression-binary", "probabilities"),
                             ("linear-regression", "variable"), ("mlp", "probabilities"), ("svr-rbf", "variable"),
                             ("svr-poly", "variable"), ("svr-sigmoid", "variable"), ("svc-rbf", "probabilities"),
                             ("normalizer-l2", "variable"), ("simple-imputer-mean", "variable")):
            with self.subTest(name):
                model = pellucid.load(FOLDER / cases[name]["model"])
                x = array(cases[name]["inputs"]["X"])
                gradient = model.gradient({"X": x}, 0, output=output, score="output")["X"]
                for column in range(x.shape[1]):
                    step = np.zeros_like(x)
                    step[:, column] = 2e-3
                    above = model.run({"X": x + step}, want=output)[:, 0].astype(np.float64)
                    below = model.run({"X": x - step}, want=output)[:, 0].astype(np.float64)
                    slope = np.where(np.isnan(x[:, column]), 0, (above - below) / 4e-3)
                    np.testing.assert_allclose(gradient[:, column], slope, 2e-2, 2e-3)

    def test_trees_have_no_gradient(self):
        model = pellucid.load(FOLDER / "random-forest.onnx")
        with self.assertRaises(pellucid.UnsupportedError) as caught:
            model.gradient({"X": np.ones((1, 4), np.float32)}, 0, output="probabilities", score="output")
        for part in ("TreeEnsembleClassifier", "piecewise constant", "methods that only run the model still work"):
            self.assertIn(part, str(caught.exception))

    def compare(self, found, entry, tolerance):
        """Labels are equal, numbers near."""
        if "maps" in entry:
            expected = [dict(pairs) for pairs in entry["maps"]]
            self.assertEqual([set(row) for row in found], [set(row) for row in expected])
            for row, wanted in zip(found, expected):
                np.testing.assert_allclose([row[key] for key in wanted], list(wanted.values()), tolerance, tolerance)
            return
        expected = array(entry)
        found = found.reshape(expected.shape)  # some converters give a column where the library gives a vector
        if expected.dtype.kind in "Oib":
            np.testing.assert_array_equal(found, expected)
        else:
            np.testing.assert_allclose(found, expected, tolerance, tolerance)


if __name__ == "__main__":
    unittest.main()
