"""Explanations, the registry, options, progress and interruption."""

import _thread
import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from unittest import mock

import numpy as np

from .support import MODELS, SMALL_MODEL, ModelTest, close

import pellucid
from pellucid import _options


class RegistryTest(unittest.TestCase):
    def test_methods(self):
        methods = pellucid.methods()
        self.assertIn("grad-cam", methods)
        method = methods["smoothgrad"]
        self.assertEqual(method.name, "smoothgrad")
        self.assertEqual(method.kind, "explainer")
        self.assertIn("gradient", method.needs)
        names = list(method.options)
        self.assertIn("n_samples", names)
        self.assertIn("n_samples", method.__doc__)
        self.assertIn("smoothgrad", repr(method))

    def test_help(self):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            help(pellucid.methods()["smoothgrad"])
        self.assertIn("n_samples", text.getvalue())

    def test_options(self):
        text = pellucid.methods()["smoothgrad"].__doc__
        for option in pellucid.methods()["smoothgrad"].options.values():
            self.assertTrue(option.help and option.type, option)
            for fact in (option.name, option.type, option.default, option.range, option.help):
                self.assertIn(fact, text)

    def test_every_method_is_described(self):
        for name, method in pellucid.methods().items():
            with self.subTest(name):
                self.assertTrue(method.summary and method.reference and method.family)
                self.assertTrue(all(option.help for option in method.options.values()))
        table = repr(pellucid.methods())
        self.assertEqual(len(table.splitlines()), len(pellucid.methods()))

    def test_unknown_method(self):
        with self.assertRaisesRegex(KeyError, "did you mean 'grad-cam'"):
            pellucid.methods()["gradcam"]

    def test_version(self):
        self.assertEqual(pellucid.version().split(".")[:2], pellucid.__version__.split(".")[:2])


class OptionsTest(unittest.TestCase):
    def test_text(self):
        text = _options.option_text
        self.assertEqual(text([1, 2, 3]), "1,2,3")
        self.assertEqual(text((0.5, np.float32(0.25))), "0.5,0.25")
        self.assertEqual(text(["a", True]), "a,true")
        self.assertEqual(text("as it is"), "as it is")
        self.assertIsNone(text([[1, 2], [3, 4]]))
        self.assertIsNone(text(np.zeros(3)))

    def test_numbers_out_of_range(self):
        with self.assertRaises(pellucid.InvalidError):
            _options.Options({"seed": 2**63})

    def test_every_kind_of_value(self):
        values = {"a": True, "b": 3, "c": 0.5, "d": "text", "e": [1, 2], "f": np.zeros((2, 2)), "g": np.int8(1), "h": None}
        self.assertTrue(_options.Options(values).handle)


class ExplainTest(ModelTest):
    def test_explanation(self):
        explanation = self.model.explain("grad-cam", self.x, target=[1, 2])
        self.assertEqual(explanation.map.shape[0], 2)
        self.assertTrue(np.isfinite(explanation.map).all())
        self.assertIs(explanation.tensors["map"], explanation.map)
        self.assertEqual(explanation.data["method"], "grad-cam")
        self.assertIn(explanation.layer, [layer.name for layer in self.model.layers])
        self.assertGreaterEqual(explanation.time, 0)
        self.assertTrue(all(isinstance(number, float) for number in explanation.numbers.values()))
        self.assertIn("map", repr(explanation))

    def test_saliency_is_the_gradient(self):
        gradient = self.model.gradient(self.x, target=4)["input"]
        found = self.model.explain("saliency", self.x, target=4).map
        close(np.abs(found).sum(1), np.abs(gradient).sum(1))

    def test_options(self):
        few = self.model.explain("smoothgrad", self.x, target=1, n_samples=2, seed=5)
        self.assertEqual(few.options["n_samples"], 2)
        self.assertEqual(few.seed, 5)
        same = self.model.explain("smoothgrad", self.x, target=1, n_samples="2", seed=np.int32(5))
        close(same.map, few.map, 1e-6)

    def test_unknown_names(self):
        with self.assertRaises(pellucid.PellucidError) as caught:
            self.model.explain("smoothgrad", self.x, n_sample=2)
        self.assertIn("n_samples", str(caught.exception))
        with self.assertRaises(pellucid.NotFoundError) as caught:
            self.model.explain("salency", self.x)
        self.assertIn("saliency", str(caught.exception))
        with self.assertRaises(ValueError):
            self.model.explain("smoothgrad", self.x, n_samples=0)

    def test_explanations_do_not_follow_the_input(self):
        explanation = self.model.explain("saliency", self.x, target=1)
        before = {name: array.copy() for name, array in explanation.tensors.items()}
        self.x[:] = 0
        for name, array in explanation.tensors.items():
            np.testing.assert_array_equal(array, before[name])

    def test_threads(self):
        def explain(_):
            return self.model.explain("grad-cam", self.x, target=1).map

        expected = explain(0)
        with ThreadPoolExecutor(8) as pool:
            for found in pool.map(explain, range(16)):
                close(found, expected, 1e-6)


class ControlTest(ModelTest):
    """Long calls: smoothgrad with many samples."""

    def setUp(self):
        super().setUp()
        # A shell starts what runs in its background with interrupts ignored.
        self.addCleanup(signal.signal, signal.SIGINT, signal.signal(signal.SIGINT, signal.default_int_handler))

    def explain(self, **more):
        return self.model.explain("smoothgrad", self.x, target=1, n_samples=5000, **more)

    def test_progress(self):
        seen = []
        self.model.explain("smoothgrad", self.x, n_samples=4, progress=lambda *tick: seen.append(tick))
        fractions = [fraction for fraction, _ in seen]
        self.assertEqual(fractions, sorted(fractions))
        self.assertTrue(seen)

    def bar(self, stream):
        with contextlib.redirect_stderr(stream):
            self.model.explain("smoothgrad", self.x, n_samples=4, progress=True)
        return stream.getvalue()

    def test_progress_bar_of_tqdm(self):
        try:
            import tqdm  # noqa: F401
        except ImportError:
            self.skipTest("tqdm is not installed")
        self.assertIn("100%", self.bar(io.StringIO()))

    def test_progress_bar_without_tqdm(self):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        with mock.patch.dict(sys.modules, {"tqdm": None, "tqdm.auto": None}):
            shown = self.bar(Terminal())
            self.assertIn("100% [##############################] 0 s left", shown)
            self.assertTrue(shown.endswith("\n"))
            self.assertEqual(self.bar(io.StringIO()), "")

    def test_progress_cancels(self):
        with self.assertRaises(pellucid.CancelledError):
            self.explain(progress=lambda fraction, stage: True)

    def test_exception_in_progress(self):
        def fail(fraction, stage):
            raise ZeroDivisionError("mine")

        with self.assertRaisesRegex(ZeroDivisionError, "mine"):
            self.explain(progress=fail)

    def test_deadline(self):
        start = time.monotonic()
        explanation = self.model.explain("smoothgrad", self.x, target=1, n_samples=10**6, deadline=0.2)
        self.assertLess(time.monotonic() - start, 5)
        self.assertEqual(explanation.stopped, "deadline")
        self.assertIn("standard_error", explanation.tensors)
        self.assertTrue(explanation.warnings)
        self.assertIsNone(self.model.explain("smoothgrad", self.x, n_samples=2).stopped)

    def test_deadline_before_anything_is_known(self):
        with self.assertRaises(pellucid.CancelledError):
            self.explain(deadline=1e-9)
        with self.assertRaises(pellucid.CancelledError):
            self.model.run(self.x, deadline=1e-9)

    def test_cancel_from_another_thread(self):
        stop = pellucid.Cancel()
        threading.Timer(0.05, stop.set).start()
        with self.assertRaises(pellucid.CancelledError):
            self.explain(cancel=stop)
        self.assertTrue(stop.is_set())

    def test_interrupt(self):
        handler = signal.getsignal(signal.SIGINT)
        for progress in (None, lambda fraction, stage: None):
            threading.Timer(0.05, _thread.interrupt_main).start()
            with self.assertRaises(KeyboardInterrupt):
                self.explain(progress=progress)
            self.assertIs(signal.getsignal(signal.SIGINT), handler)

    def test_interrupt_of_every_call(self):
        model = pellucid.load(MODELS / "efficientnet_lite0.onnx", threads=1)
        x = np.zeros((32, 3, 224, 224), np.float32)
        model.run(x[:1])
        for call in (model.run, model.gradient, lambda x: model.explain("saliency", x)):
            timer = threading.Timer(0.1, _thread.interrupt_main)
            start = time.monotonic()
            timer.start()
            with self.assertRaises(KeyboardInterrupt):
                call(x)
            self.assertLess(time.monotonic() - start, 3)
            self.assertTrue(np.isfinite(model.run(x[:1])).all())

    def test_an_interrupt_is_not_lost_beside_an_error(self):
        def fail(name, value):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
            raise ZeroDivisionError

        with self.model.hook(self.relu, fail), self.assertRaises((KeyboardInterrupt, ZeroDivisionError)) as caught:
            self.model.run(self.x)
        self.assertIsInstance(caught.exception, KeyboardInterrupt)

    def test_interrupt_of_a_process(self):
        program = (
            "import signal, sys, numpy, pellucid\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            f"model = pellucid.load({str(SMALL_MODEL)!r})\n"
            "x = numpy.ones((2, 1, 28, 28), 'float32')\n"
            "print('ready', flush=True)\n"
            "try:\n"
            "    model.explain('smoothgrad', x, n_samples=5000)\n"
            "except KeyboardInterrupt:\n"
            "    model.run(x)\n"
            "    sys.exit(7)\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(pellucid.__file__))}
        with subprocess.Popen(
            [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as child:
            self.assertEqual(child.stdout.readline(), b"ready\n")
            time.sleep(0.1)
            child.send_signal(signal.SIGINT)
            _, problems = child.communicate(timeout=60)
        self.assertEqual((child.returncode, problems), (7, b""))

    def test_hook_sees_the_value(self):
        seen = []
        with self.model.hook(self.relu, lambda name, value: seen.append(value.shape)):
            self.model.explain("saliency", self.x, target=1)
        self.assertTrue(seen)


class RecurrentTest(unittest.TestCase):
    """A network whose state has its streams along the second axis."""

    def test_a_state_is_not_repeated_along_its_layers(self):
        model = pellucid.load(MODELS / "silero_vad_16k_op15.onnx", threads=2)
        sound = np.random.default_rng(5).standard_normal((1, 576)).astype(np.float32)
        feeds = {"input": sound, "state": np.zeros((2, 1, 128), np.float32), "sr": np.array(16000)}
        explanation = model.explain("integrated-gradients", feeds, n_steps=20)
        self.assertEqual(explanation.map.shape, sound.shape)
        self.assertGreater(np.abs(explanation.map).max(), 0)


if __name__ == "__main__":
    unittest.main()
