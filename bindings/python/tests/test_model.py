"""Loading, running, differentiating and hooking a model."""

import errno
import os
import subprocess
import sys
import threading
import unittest
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .support import SMALL_MODEL, ModelTest, close

import pellucid
from pellucid import Target


class LoadTest(unittest.TestCase):
    def test_path_and_bytes(self):
        x = np.ones((1, 1, 28, 28), np.float32)
        expected = pellucid.load(str(SMALL_MODEL)).run(x)
        content = SMALL_MODEL.read_bytes()
        for form in (content, bytearray(content), memoryview(content)):
            close(pellucid.load(form).run(x), expected, 0)

    def test_missing_file(self):
        with self.assertRaises(pellucid.PellucidError) as caught:
            pellucid.load("/nowhere/model.onnx")
        self.assertIn("/nowhere/model.onnx", str(caught.exception))
        for kind in (FileNotFoundError, pellucid.NotFoundError, pellucid.FileError):
            self.assertIsInstance(caught.exception, kind)
        self.assertEqual((caught.exception.errno, caught.exception.filename), (errno.ENOENT, "/nowhere/model.onnx"))

    def test_damaged_file(self):
        with self.assertRaises(pellucid.ParseError) as caught:
            pellucid.load(b"this is no model at all")
        self.assertLess(caught.exception.status, 0)

    def test_unknown_option(self):
        with self.assertRaises(pellucid.PellucidError) as caught:
            pellucid.load(SMALL_MODEL, pases="none")
        self.assertIn("pases", str(caught.exception))

    def test_options(self):
        x = np.ones((2, 1, 28, 28), np.float32)
        close(pellucid.load(SMALL_MODEL, passes="none", memory=2**22).run(x), pellucid.load(SMALL_MODEL).run(x))

    def test_threads_and_runtime(self):
        runtime = pellucid.Runtime(threads=1, plugins=False)
        self.assertIs(pellucid.load(SMALL_MODEL, runtime=runtime).runtime, runtime)
        with self.assertRaises(pellucid.InvalidError):
            pellucid.load(SMALL_MODEL, threads=2, runtime=runtime)
        first, second = pellucid.load(SMALL_MODEL, threads=2), pellucid.load(SMALL_MODEL, threads=2)
        self.assertIs(first.runtime, second.runtime)

    def test_close(self):
        with pellucid.load(SMALL_MODEL) as model:
            y = model.run(np.ones((1, 1, 28, 28), np.float32))
        model.close()
        self.assertEqual(y.shape, (1, 10))
        self.assertEqual(repr(model), "<Model closed>")
        with self.assertRaises(pellucid.InvalidError):
            model.run(np.ones((1, 1, 28, 28), np.float32))


class InspectTest(ModelTest):
    def test_values(self):
        (value,) = self.model.inputs
        self.assertEqual((value.name, value.dtype, value.shape), ("input", "float32", ("N", 1, 28, 28)))
        self.assertEqual([value.name for value in self.model.outputs], ["logits"])
        self.assertIn("logits", [value.name for value in self.model.layers])
        self.assertTrue(all(value.op for value in self.model.layers))
        self.assertTrue(self.model.weights)
        self.assertRegex(
            repr(self.model),
            r"<Model fashion_cnn_gap.onnx: input: float32\[N, 1, 28, 28\] → logits: float32\[N, 10\]; \d+ layers, \d+ weights, backend cpu>",
        )

    def test_metadata(self):
        metadata = self.model.metadata
        self.assertEqual(metadata["producer"], "pytorch")
        self.assertEqual(len(metadata["hash"]), 64)
        self.assertEqual(metadata.get("no such key", "none"), "none")
        self.assertEqual(sorted(metadata), sorted(dict(metadata)))

    def test_backends(self):
        backends = pellucid.backends()
        self.assertIn(self.model.metadata["backend"], backends)
        scores = [backend.score for backend in backends.values()]
        self.assertEqual(scores, sorted(scores, reverse=True))
        with self.assertRaises(pellucid.PellucidError):
            pellucid.Runtime().load_backend("/nowhere/backend.so")


class RunTest(ModelTest):
    def test_forms_of_input(self):
        expected = self.model.run(self.x)
        self.assertEqual(expected.shape, (2, 10))
        close(self.model.run({"input": self.x}), expected, 0)
        close(self.model.run(self.x.astype(np.float64)), expected, 0)
        close(self.model.run(self.x.tolist()), expected, 0)
        close(self.model.run(np.asfortranarray(self.x)), expected, 1e-6)

    def test_batch_is_each_image(self):
        together = self.model.run(self.x)
        for index in range(2):
            close(together[index : index + 1], self.model.run(self.x[index : index + 1]))

    def test_wanted_values(self):
        both = self.model.run(self.x, want=[self.relu, "logits"])
        self.assertEqual(list(both), [self.relu, "logits"])
        self.assertGreaterEqual(both[self.relu].min(), 0)
        close(self.model.run(self.x, want=self.relu), both[self.relu], 0)
        self.assertEqual(list(self.model.run(self.x, want=[self.relu])), [self.relu])

    def test_results_outlive_the_model(self):
        model = pellucid.load(SMALL_MODEL)
        y = model.run(self.x)
        copy = y.copy()
        del model
        np.testing.assert_array_equal(y, copy)

    def test_results_do_not_follow_the_input(self):
        echoed = self.model.run(self.x, want="input")
        before = echoed.copy()
        self.x[:] = 0
        np.testing.assert_array_equal(echoed, before)

    def test_errors(self):
        for wrong in (self.x[:, :, :27], self.x.astype(np.complex64)):
            with self.assertRaises(pellucid.ShapeError):
                self.model.run(wrong)
        with self.assertRaises(pellucid.NotFoundError) as caught:
            self.model.run(self.x, want="no such value")
        self.assertIn("no such value", str(caught.exception))
        with self.assertRaises(pellucid.PellucidError):
            self.model.run({"no such input": self.x})

    def test_progress_and_cancel(self):
        seen = []
        self.model.run(self.x, progress=lambda fraction, stage: seen.append((fraction, stage)))
        self.assertTrue(all(0 <= fraction <= 1 and isinstance(stage, str) for fraction, stage in seen))
        stop = pellucid.Cancel()
        stop.set()
        with self.assertRaises(pellucid.CancelledError):
            self.model.run(self.x, cancel=stop)
        stop.clear()
        self.model.run(self.x, cancel=stop)


class GradientTest(ModelTest):
    def test_finite_difference(self):
        gradient = self.model.gradient(self.x, target=3)["input"]
        direction = np.random.default_rng(1).standard_normal(self.x.shape).astype(np.float32)
        step = 1e-3
        above = self.model.run(self.x + step * direction)[:, 3].sum(dtype=np.float64)
        below = self.model.run(self.x - step * direction)[:, 3].sum(dtype=np.float64)
        slope = (above - below) / (2 * step)
        self.assertAlmostEqual(float((gradient * direction).sum()) / slope, 1, delta=0.05)

    def test_targets(self):
        def gradient(target, **more):
            return self.model.gradient(self.x, target, **more)["input"]

        one, two = gradient(1), gradient(2)
        close(gradient(Target.single(1)), one, 0)
        close(gradient(np.int64(1)), one, 0)
        close(gradient([1, 2]), np.concatenate([one[:1], two[1:]]))
        close(gradient(Target.each(np.array([1, 2]))), np.concatenate([one[:1], two[1:]]))
        close(gradient(Target.sum([1, 2])), one + two)
        weights = np.zeros(10, np.float32)
        weights[[1, 2]] = 2, -1
        close(gradient(Target.weights(weights)), 2 * one - two)
        best = self.model.run(self.x).argmax(1)
        close(gradient(None), gradient(best.tolist()))
        close(gradient(1, output="logits", score="output"), one)

    def test_bad_targets(self):
        with self.assertRaises(pellucid.PellucidError):
            self.model.gradient(self.x, 10)
        with self.assertRaises(pellucid.PellucidError):
            self.model.gradient(self.x, [1, 2, 3])
        with self.assertRaises(ValueError):
            self.model.gradient(self.x, 1, score="probabilities")
        for wrong in ("tabby", 1.5, True, [[1]]):
            with self.assertRaises(TypeError):
                self.model.gradient(self.x, wrong)
        with self.assertRaises(pellucid.InvalidError):
            self.model.gradient(self.x, 2**70)

    def test_rules(self):
        self.assertEqual(self.model.gradient(self.x, 1, rules="guided-backprop")["input"].shape, self.x.shape)
        with self.assertRaises(pellucid.PellucidError):
            self.model.gradient(self.x, 1, rules="no such rules")


class HookTest(ModelTest):
    def test_observe(self):
        seen = []
        with self.model.hook(self.relu, lambda name, value: seen.append(value)):
            y = self.model.run(self.x)
        self.assertEqual(len(seen), 1)
        close(seen[0], self.model.run(self.x, want=self.relu))
        close(y, self.model.run(self.x), 0)

    def test_replace(self):
        plain = self.model.run(self.x)
        with self.model.hook(self.relu, lambda name, value: value * 0):
            replaced = self.model.run(self.x)
        close(replaced[0], replaced[1])
        close(self.model.run(self.x), plain, 0)
        self.assertGreater(np.abs(replaced - plain).max(), 1e-3)

    def test_wrong_replacement(self):
        with self.model.hook(self.relu, lambda name, value: np.zeros(3, np.float32)):
            with self.assertRaises(pellucid.PellucidError):
                self.model.run(self.x)

    def test_exception_comes_back_as_itself(self):
        class Mine(Exception):
            pass

        def fail(name, value):
            raise Mine(name)

        with self.model.hook(self.relu, fail), self.assertRaises(Mine):
            self.model.run(self.x)

    def test_hooks_belong_to_their_thread_and_model(self):
        seen = []
        other = pellucid.load(SMALL_MODEL)
        with self.model.hook(self.relu, lambda name, value: seen.append(name)):
            other.run(self.x)
            worker = threading.Thread(target=self.model.run, args=(self.x,))
            worker.start()
            worker.join()
        self.assertEqual(seen, [])

    def test_phase(self):
        with self.assertRaises(ValueError):
            with self.model.hook(self.relu, print, phase="sideways"):
                pass


class ThreadTest(ModelTest):
    def test_one_model_from_many_threads(self):
        inputs = [self.x * scale for scale in np.linspace(-1, 1, 24, dtype=np.float32)]
        expected = [self.model.run(x) for x in inputs]
        with ThreadPoolExecutor(8) as pool:
            for actual, wanted in zip(pool.map(self.model.run, inputs), expected):
                close(actual, wanted, 1e-6)

    def test_closing_while_others_run(self):
        model = pellucid.load(SMALL_MODEL)

        def work(_):
            try:
                return model.run(self.x).shape
            except pellucid.InvalidError:
                return (2, 10)

        with ThreadPoolExecutor(4) as pool:
            shapes = [pool.submit(work, index) for index in range(40)]
            model.close()
            self.assertEqual({shape.result() for shape in shapes}, {(2, 10)})


class ForkTest(unittest.TestCase):
    def test_models_work_in_a_forked_child(self):
        program = (
            "import os, sys, numpy, pellucid\n"
            f"path = {str(SMALL_MODEL)!r}\n"
            "x = numpy.ones((4, 1, 28, 28), 'float32')\n"
            "model = pellucid.load(path, threads=2)\n"
            "expected = model.run(x)\n"
            "child = os.fork()\n"
            "if child == 0:\n"
            "    same = (model.run(x) == expected).all()\n"
            "    other = pellucid.load(path, threads=2)\n"
            "    own = other.runtime is not model.runtime and (other.run(x) == expected).all()\n"
            "    os._exit(0 if same and own else 1)\n"
            "assert pellucid.load(path, threads=2).runtime is model.runtime\n"
            "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        )
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(pellucid.__file__))}
        # Python 3.12 and newer warn of a fork beside threads, which is what is tried here.
        command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
        done = subprocess.run(command, capture_output=True, env=environment, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))


class SilenceTest(unittest.TestCase):
    def test_exit_is_clean(self):
        program = (
            "import numpy, pellucid\n"
            f"model = pellucid.load({str(SMALL_MODEL)!r})\n"
            "y = model.run(numpy.ones((1, 1, 28, 28), 'float32'))\n"
        )
        folder = os.path.dirname(os.path.dirname(pellucid.__file__))
        environment = {**os.environ, "PYTHONPATH": folder}
        done = subprocess.run([sys.executable, "-X", "dev", "-c", program], capture_output=True, env=environment)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


if __name__ == "__main__":
    unittest.main()
