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
