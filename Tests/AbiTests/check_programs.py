#!/usr/bin/env python3
"""Builds and runs the C and C++ programs of this folder and of docs/examples against libpellucid.so."""

import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from headers import INCLUDE, ROOT  # noqa: E402

LIBRARY = Path(os.environ.get("PELLUCID_LIBRARY") or ROOT / "build" / "libpellucid.so.0").resolve()
FIXTURES = ROOT / "Tests" / "Fixtures"
SMALL_MODEL = FIXTURES / "models" / "fashion_cnn_gap.onnx"
LARGE_MODEL = FIXTURES / "models" / "efficientnet_lite0.onnx"
PHOTO = FIXTURES / "images" / "chelsea.png"
CXX = ROOT / "bindings" / "cpp"
EXAMPLES = ROOT / "docs" / "examples"
STRICT = ["-Wall", "-Wextra", "-pedantic", "-Werror"]
C_STANDARDS = ["c99", "c11", "c17"]
CXX_STANDARDS = ["c++17", "c++20"]
C_COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
CXX_COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]
TIMEOUT = 300


class ProgramTest(unittest.TestCase):
    """Compiles into a folder of its own."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def compile(self, source, compiler="gcc", standard="c11", flags=STRICT, libraries=()):
        """The program made from a source file, linked to the library under its soname."""
        (self.folder / "libpellucid.so.0").unlink(missing_ok=True)
        (self.folder / "libpellucid.so.0").symlink_to(LIBRARY)
        program = self.folder / f"{source.stem}-{compiler}-{standard}"
        link = [str(self.folder / "libpellucid.so.0"), f"-Wl,-rpath,{self.folder}", *libraries]
        self.call(compiler, f"-std={standard}", *flags, f"-I{INCLUDE}", "-o", program, source, *link)
        return program

    def call(self, *command, **environment):
        """Runs a command that must succeed; returns what it prints."""
        done = subprocess.run(
            list(map(str, command)),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            cwd=self.folder,
            env={**os.environ, **environment},
        )
        self.assertEqual(done.returncode, 0, f"{Path(command[0]).name}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def quietly(self, *command):
        """Runs a program that must succeed and print nothing."""
        self.assertEqual(self.call(*command), "")


class ConsumerTest(ProgramTest):
    def test_c(self):
        for compiler in C_COMPILERS:
            for standard in C_STANDARDS:
                with self.subTest(compiler=compiler, standard=standard):
                    self.quietly(self.compile(HERE / "consumer.c", compiler, standard), SMALL_MODEL)

    def test_misuse(self):
        self.quietly(self.compile(HERE / "misuse.c", libraries=["-lm"]), SMALL_MODEL)

    def test_cxx(self):
        for compiler in CXX_COMPILERS:
            for standard in CXX_STANDARDS:
                with self.subTest(compiler=compiler, standard=standard):
                    self.quietly(self.compile(HERE / "consumer.cpp", compiler, standard), SMALL_MODEL)

    def test_cxx_wrapper(self):
        flags = [*STRICT, "-Wconversion", "-Wshadow", "-Wnon-virtual-dtor", f"-I{CXX}"]
        for compiler in CXX_COMPILERS:
            for standard in CXX_STANDARDS:
                with self.subTest(compiler=compiler, standard=standard):
                    self.quietly(self.compile(HERE / "wrapper.cpp", compiler, standard, flags, ["-lpthread"]), SMALL_MODEL, PHOTO)

    def test_each_header_stands_alone(self):
        for header in sorted((INCLUDE / "pellucid").glob("*.h")):
            source = self.folder / "alone.c"
            source.write_text(f"#include <pellucid/{header.name}>\n#include <pellucid/{header.name}>\nint main(void) {{ return 0; }}\n")
            for compiler in C_COMPILERS:
                with self.subTest(header=header.name, compiler=compiler):
                    self.call(compiler, "-std=c99", *STRICT, f"-I{INCLUDE}", "-fsyntax-only", source)


class EmbeddingTest(ProgramTest):
    def test_threads(self):
        self.quietly(self.compile(HERE / "threads.c", libraries=["-lpthread"]), SMALL_MODEL)

    def test_fork(self):
        self.quietly(self.compile(HERE / "fork.c"), SMALL_MODEL)

    def test_dlopen(self):
        program = self.folder / "dlopen"
        self.call("gcc", "-std=c11", *STRICT, f"-I{INCLUDE}", "-o", program, HERE / "dlopen.c", "-ldl")
        self.quietly(program, LIBRARY, SMALL_MODEL)


class ExampleTest(ProgramTest):
    def test_gradcam_in_c(self):
        program = self.compile(EXAMPLES / "gradcam.c", standard="c99")
        self.assertIn("class 28", self.call(program, LARGE_MODEL, PHOTO, "why.png"))
        self.assert_png(self.folder / "why.png")
        failed = subprocess.run([str(program), "/nowhere", str(PHOTO), "x.png"], capture_output=True, text=True)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("/nowhere", failed.stderr)

    def test_gradcam_in_cxx(self):
        program = self.compile(EXAMPLES / "gradcam.cpp", "g++", "c++17", [*STRICT, f"-I{CXX}"])
        self.assertIn("class 28", self.call(program, LARGE_MODEL, PHOTO, "why.png"))
        self.assert_png(self.folder / "why.png")

    def test_gradcam_in_python(self):
        environment = {"PYTHONPATH": str(ROOT / "bindings" / "python"), "PELLUCID_LIBRARY": str(LIBRARY)}
        printed = self.call(sys.executable, EXAMPLES / "gradcam.py", LARGE_MODEL, PHOTO, "why.png", **environment)
        self.assertIn("class 28", printed)
        self.assert_png(self.folder / "why.png")

    def test_backend(self):
        plugin = self.folder / "librelu-backend.so"
        source = EXAMPLES / "backend" / "relu_backend.c"
        self.call("gcc", "-std=c11", *STRICT, "-O2", "-shared", "-fPIC", f"-I{INCLUDE}", "-o", plugin, source)
        program = self.compile(HERE / "plugin.c")
        self.quietly(program, plugin, SMALL_MODEL)

    def assert_png(self, path):
        header = path.read_bytes()[:24]
        self.assertEqual(header[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(struct.unpack(">II", header[16:24]), (224, 224))


if __name__ == "__main__":
    unittest.main()
