#!/usr/bin/env python3
"""Builds and runs the C and C++ programs of this folder and of docs/examples against libpellucid.so."""

import os
import re
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
#: What a careful host compiles our headers with.
CAREFUL = [*STRICT, "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Wundef", "-Wcast-qual", "-Wredundant-decls", "-Wformat=2"]
CAREFUL_C = [*CAREFUL, "-Wstrict-prototypes", "-Wmissing-prototypes", "-Wc++-compat"]
C_STANDARDS = ["c99", "c11", "c17"]
CXX_STANDARDS = ["c++17", "c++20"]
C_COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
CXX_COMPILERS = [name for name in ("g++", "clang++") if shutil.which(name)]
TIMEOUT = int(os.environ.get("PELLUCID_TIMEOUT", "300"))
#: "address" or "thread": the library was built with that sanitizer, and the programs are too, by the compiler beside Swift's.
SANITIZER = os.environ.get("PELLUCID_SANITIZER", "")
#: What programs are run under, as "valgrind -q".
WRAPPER = os.environ.get("PELLUCID_WRAPPER", "").split()


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
        self.build(source, program, compiler, [f"-std={standard}", *flags], link)
        return program

    def build(self, source, output, compiler="gcc", flags=(), libraries=()):
        """Compiles and links a source file."""
        if SANITIZER:
            swift = Path(shutil.which(os.environ.get("SWIFT", "swift"))).resolve().parent
            compiler = swift / ("clang++" if "++" in compiler else "clang")
            flags = [*flags, f"-fsanitize={SANITIZER}", "-DSANITIZED", "-g", "-rdynamic"]
            if SANITIZER == "thread":
                # Swift's ThreadSanitizer knows libdispatch, which nothing else here needs.
                runtime = swift.parent / "lib" / "swift" / "linux"
                libraries = [*libraries, f"-L{runtime}", "-ldispatch", "-lBlocksRuntime", f"-Wl,-rpath,{runtime}"]
        if WRAPPER:
            flags = [*flags, "-DSANITIZED", "-g"]
        self.call(compiler, *flags, f"-I{INCLUDE}", "-o", output, source, *libraries)

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
        self.assertEqual(self.call(*WRAPPER, *command), "")


class ConsumerTest(ProgramTest):
    def test_c(self):
        for compiler in C_COMPILERS:
            for standard in C_STANDARDS:
                with self.subTest(compiler=compiler, standard=standard):
                    self.quietly(self.compile(HERE / "consumer.c", compiler, standard), SMALL_MODEL)

    def test_misuse(self):
        self.quietly(self.compile(HERE / "misuse.c", libraries=["-lm"]), SMALL_MODEL)

    def test_refusals(self):
        self.quietly(self.compile(HERE / "refusals.c"), SMALL_MODEL)

    def test_sizes(self):
        self.quietly(self.compile(HERE / "sizes.c"), SMALL_MODEL)

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
            uses = [f"{name} an_{name} = {name.upper()}_INIT;" for name in self.initialised(header)]
            text = f"#include <pellucid/{header.name}>\n#include <pellucid/{header.name}>\n"
            body = "\n".join([*uses, *(f"(void)&an_{name};" for name in self.initialised(header))])
            for language, compilers, standards, flags in (
                ("c", C_COMPILERS, C_STANDARDS, CAREFUL_C),
                ("c++", CXX_COMPILERS, CXX_STANDARDS, [*CAREFUL, "-Wold-style-cast"]),
            ):
                source = self.folder / f"alone.{language}"
                source.write_text(f"{text}int main(void) {{\n{body}\nreturn 0;\n}}\n")
                for compiler in compilers:
                    for standard in standards:
                        with self.subTest(header=header.name, compiler=compiler, standard=standard):
                            command = [compiler, f"-std={standard}", *flags, f"-I{INCLUDE}", "-fsyntax-only", "-x", language, source]
                            self.call(*command)

    @staticmethod
    def initialised(header):
        """Names of the structs for which a header has an _INIT macro."""
        text = header.read_text()
        return [name for name in re.findall(r"^\} (pellucid_\w+);", text, re.M) if f"#define {name.upper()}_INIT" in text]


class EmbeddingTest(ProgramTest):
    def test_threads(self):
        self.quietly(self.compile(HERE / "threads.c", libraries=["-lpthread"]), SMALL_MODEL)

    def test_fork(self):
        self.quietly(self.compile(HERE / "fork.c"), SMALL_MODEL)

    def test_image_libraries_of_the_host(self):
        program = self.compile(HERE / "images.c", flags=[*STRICT, "-rdynamic"])
        self.quietly(program, *sorted((FIXTURES / "images").glob("*.*g")))

    def test_dlopen(self):
        program = self.folder / "dlopen"
        self.build(HERE / "dlopen.c", program, flags=["-std=c11", *STRICT], libraries=["-ldl"])
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

    @unittest.skipIf(SANITIZER, "a Python built without the sanitizer cannot load the library")
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
