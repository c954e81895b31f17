"""Metrics."""

import pickle
import tempfile
import unittest
from pathlib import Path

import numpy as np

from .support import ModelTest, close

import pellucid


class RegistryTest(unittest.TestCase):
    def test_metrics_are_no_methods(self):
        self.assertFalse(set(pellucid.metrics()) & set(pellucid.methods()))
        self.assertIn("deletion", pellucid.metrics())

    def test_every_metric_is_described(self):
        for name, metric in pellucid.metrics().items():
            with self.subTest(name):
                self.assertEqual(metric.kind, "metric")
                self.assertIn(metric.direction, ("higher", "lower"))
                self.assertTrue(metric.category and metric.needs and "..." in metric.range)
                self.assertIn(f"{metric.direction} is better", metric.__doc__)

    def test_unknown_metric(self):
        with self.assertRaisesRegex(KeyError, "there is no metric.*did you mean 'deletion'"):
            pellucid.metrics()["delation"]


class EvaluationTest(ModelTest):
    def test_an_explanation_judges_itself(self):
        why = self.model.explain("input-x-gradient", self.x, target=[3, 4])
        judged = why.evaluate("deletion")
        self.assertEqual(judged.metric, "deletion")
        self.assertEqual(judged.direction, "lower")
        self.assertEqual(len(judged.values), 2)
        self.assertAlmostEqual(judged.value, sum(judged.values) / 2)
        self.assertAlmostEqual(float(judged), judged.value)
        self.assertTrue(0 <= judged.value <= 1 and 0 <= judged.reference_random <= 1 and 0 <= judged.reference_constant <= 1)
        self.assertIn("deletion", repr(judged))
        self.assertEqual(judged.info.range, "0...1")

    def test_ends_of_the_curves(self):
        why = self.model.explain("grad-cam", self.x, target=3)
        score = self.model.explain("saliency", self.x, target=3, score="probability").scores
        close(why.evaluate("deletion", references=False).curve[:, 0], score)
        close(why.evaluate("insertion", references=False).curve[:, -1], score)

    def test_maps_and_explanations_agree(self):
        why = self.model.explain("grad-cam", self.x, target=[3, 4])
        own = why.evaluate("insertion")
        self.assertEqual(self.model.evaluate("insertion", self.x, why).values, own.values)
        self.assertEqual(self.model.evaluate("insertion", self.x, why.map, [3, 4]).values, own.values)
        with tempfile.TemporaryDirectory() as folder:
            why.save(Path(folder, "why.npz"))
            read = pellucid.Explanation.load(Path(folder, "why.npz"))
        self.assertEqual(self.model.evaluate("insertion", self.x, read).values, own.values)
        for lost in (read, pickle.loads(pickle.dumps(why))):
            with self.assertRaisesRegex(pellucid.InvalidError, "model.evaluate"):
                lost.evaluate("insertion")

    def test_the_score_may_be_another(self):
        why = self.model.explain("grad-cam", self.x, target=3)
        logits = why.evaluate("deletion", score="logit", references=False)
        close(logits.curve[:, 0], self.model.run(self.x)[:, 3])

    def test_nonsense(self):
        why = self.model.explain("grad-cam", self.x)
        with self.assertRaisesRegex(pellucid.NotFoundError, "no metric"):
            why.evaluate("saliency")
        with self.assertRaisesRegex(pellucid.InvalidError, "nothing to judge"):
            self.model.evaluate("deletion", self.x)
        with self.assertRaises(pellucid.InvalidError):
            why.evaluate("deletion", no_such_option=1)
        with self.assertRaises(pellucid.InvalidError):
            self.model.evaluate("deletion", self.x, np.full((2, 1, 28, 28), np.nan, np.float32))


if __name__ == "__main__":
    unittest.main()
