#!/usr/bin/env python3
"""The library inside processes that have a life of their own: each program of this folder is built, run, and prints nothing."""

import os
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "AbiTests"))

import check_programs as programs  # noqa: E402

#: Explanations of the leak test, and bytes that a thousand may add; PELLUCID_LEAK_ROUNDS=1000 is the full run.
LEAK_ROUNDS = int(os.environ.get("PELLUCID_LEAK_ROUNDS", "200"))
LEAK_LIMIT = 1 << 20
FIXTURES = programs.FIXTURES
EXTERNAL = FIXTURES / "importer" / "external"


class EmbeddingTest(programs.ProgramTest):
    """A program linked to the library, with the checks that the ABI tests use."""

    def program(self, name, *flags, libraries=()):
        """The program of a source file of this folder."""
        source = HERE / name
        common = [f"-I{programs.HERE}", "-O1", "-g", *flags]
        if source.suffix == ".cpp":
            return self.compile(source, "g++", "c++17", [*programs.STRICT, *common], libraries)
        return self.compile(source, "gcc", "c11", [*programs.STRICT, *common], libraries)


class HostTest(EmbeddingTest):
    def test_a_host_with_its_own_blas(self):
        self.quietly(self.program("host_blas.c", "-rdynamic"), programs.SMALL_MODEL)

    def test_a_host_with_its_own_onnx_descriptors(self):
        program = self.folder / "host_protobuf"
        source = HERE / "host_protobuf.cpp"
        self.build(source, program, "g++", ["-std=c++17", *programs.STRICT], ["-ldl"])
        for when in ("before", "after"):
            with self.subTest(onnx=when):
                self.quietly(program, programs.LIBRARY, programs.SMALL_MODEL, when)

    def test_a_host_with_exceptions(self):
        self.quietly(self.program("exceptions.cpp"), programs.SMALL_MODEL)

    def test_the_process_is_left_as_it_was(self):
        self.quietly(self.program("manners.c", "-frounding-math", libraries=["-lm"]), programs.SMALL_MODEL)

    def test_arrays_as_hosts_have_them(self):
        self.quietly(self.program("arrays.c"), programs.SMALL_MODEL)


class ThreadTest(EmbeddingTest):
    def test_sixty_four_threads(self):
        self.quietly(self.program("many_threads.c", libraries=["-lpthread"]), programs.SMALL_MODEL, "2")


class EndingTest(EmbeddingTest):
    def test_deadlines_and_cancelling(self):
        self.quietly(self.program("deadline.c", libraries=["-lm"]), programs.SMALL_MODEL)

    def test_allocations_fail(self):
        self.quietly(self.program("allocation.c", "-rdynamic", libraries=["-ldl"]), programs.SMALL_MODEL, "40")

    def test_short_files(self):
        program = self.program("short_files.c")
        self.quietly(program, programs.SMALL_MODEL, "", "997", self.folder)
        self.quietly(program, EXTERNAL / "offset-and-length.onnx", EXTERNAL / "weights.bin", "1", self.folder)

    def test_memory_does_not_grow(self):
        if programs.SANITIZER or programs.WRAPPER:
            self.skipTest("the sanitizer's own memory grows")
        grown = int(self.call(self.program("leak.c"), programs.SMALL_MODEL, str(LEAK_ROUNDS)))
        self.assertLess(grown, LEAK_LIMIT, f"{LEAK_ROUNDS} explanations")


@unittest.skipIf(programs.SANITIZER or programs.WRAPPER, "a Python built without the sanitizer cannot load the library")
class PythonTest(EmbeddingTest):
    """One Python process with the libraries that people load beside this one."""

    def test_before_and_after_other_libraries(self):
        for name in ("numpy", "onnx", "onnxruntime", "torch"):
            for order in (f"{name},pellucid", f"pellucid,{name}"):
                with self.subTest(order):
                    if subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True).returncode != 0:
                        self.skipTest(f"{name} is not installed")
                    self.python(order)

    def test_all_together(self):
        self.python("numpy,pellucid,onnx,onnxruntime,torch")

    def python(self, order):
        environment = {"PYTHONPATH": str(programs.ROOT / "bindings" / "python"), "PELLUCID_LIBRARY": str(programs.LIBRARY)}
        self.call(sys.executable, HERE / "together.py", programs.SMALL_MODEL, order, **environment)


if __name__ == "__main__":
    unittest.main()
