#!/usr/bin/env python3
"""Installs into a folder, moves it, and builds programs against it as a stranger would: pkg-config, CMake, a plain compiler."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
MODEL = ROOT / "Tests" / "Fixtures" / "models" / "efficientnet_lite0.onnx"
PHOTO = ROOT / "Tests" / "Fixtures" / "images" / "chelsea.png"
CMAKE_PROJECT = """
cmake_minimum_required(VERSION 3.16)
project(why LANGUAGES C CXX)
find_package(pellucid 0.1 REQUIRED)
add_executable(why_c gradcam.c)
add_executable(why_cxx gradcam.cpp)
target_compile_features(why_cxx PRIVATE cxx_std_17)
target_link_libraries(why_c PRIVATE pellucid::pellucid)
target_link_libraries(why_cxx PRIVATE pellucid::pellucid)
add_library(relu MODULE relu_backend.c)
target_link_libraries(relu PRIVATE pellucid::backend)
"""


@unittest.skipUnless((ROOT / "build" / "pellucid").exists(), "run 'make build' first")
class InstallTest(unittest.TestCase):
    """One installation, moved to another place before anything uses it."""

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.call("make", "-C", ROOT, "install", "PREFIX=/opt/pellucid", f"DESTDIR={cls.folder / 'stage'}")
        cls.prefix = cls.folder / "moved here"
        shutil.move(cls.folder / "stage" / "opt" / "pellucid", cls.prefix)

    @classmethod
    def call(cls, *command, **environment):
        """What a command that must succeed prints."""
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=300, cwd=cls.folder, env={**os.environ, **environment}
        )
        if done.returncode != 0:
            raise AssertionError(f"{command[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def test_tree(self):
        for path in [
            "bin/pellucid", "lib/libpellucid.so", "lib/libpellucid.so.0", "include/pellucid/pellucid.h", "include/pellucid.hpp",
            "lib/pkgconfig/pellucid.pc", "lib/pkgconfig/pellucid-backend.pc", "lib/cmake/pellucid/pellucid-config.cmake",
        ]:  # fmt: skip
            self.assertTrue((self.prefix / path).exists(), path)
        self.assertEqual(os.readlink(self.prefix / "lib" / "libpellucid.so"), "libpellucid.so.0")

    def test_tool(self):
        self.assertRegex(self.call(self.prefix / "bin" / "pellucid", "version"), r"^\d+\.\d+\.\d+")

    def test_man_page(self):
        pages = list((ROOT / "docs" / "man").glob("*.1"))
        for page in pages:
            self.assertTrue((self.prefix / "share" / "man" / "man1" / page.name).exists())

    @unittest.skipUnless(shutil.which("pkg-config"), "pkg-config is not installed")
    def test_pkg_config(self):
        flags = self.pkg_config("--cflags", "--libs", "pellucid")
        library = self.prefix / "lib"
        for compiler, source, standard in [("cc", "gradcam.c", "c99"), ("c++", "gradcam.cpp", "c++17")]:
            with self.subTest(source=source):
                program = self.folder / f"by-pkg-config-{compiler}"
                self.call(compiler, f"-std={standard}", "-o", program, EXAMPLES / source, *flags, f"-Wl,-rpath,{library}")
                self.assertIn("class 28", self.call(program, MODEL, PHOTO, "why.png"))
        self.assertTrue(self.pkg_config("--cflags", "pellucid-backend"))

    def pkg_config(self, *arguments):
        """Flags from the moved tree; its place has a space, as pkg-config prints with a backslash."""
        printed = self.call("pkg-config", *arguments, PKG_CONFIG_PATH=str(self.prefix / "lib" / "pkgconfig"))
        return [flag.replace("\0", " ") for flag in printed.replace("\\ ", "\0").split()]

    @unittest.skipUnless(shutil.which("cmake"), "cmake is not installed")
    def test_cmake(self):
        project = self.folder / "project"
        project.mkdir()
        (project / "CMakeLists.txt").write_text(CMAKE_PROJECT)
        for source in [EXAMPLES / "gradcam.c", EXAMPLES / "gradcam.cpp", EXAMPLES / "backend" / "relu_backend.c"]:
            shutil.copy(source, project)
        self.call("cmake", "-S", project, "-B", project / "out", f"-DCMAKE_PREFIX_PATH={self.prefix}", "-G", "Unix Makefiles")
        self.call("cmake", "--build", project / "out")
        for program in ["why_c", "why_cxx"]:
            self.assertIn("class 28", self.call(project / "out" / program, MODEL, PHOTO, "why.png"))


if __name__ == "__main__":
    unittest.main()
