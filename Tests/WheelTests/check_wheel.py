"""The wheel in a clean virtual environment: it installs, needs nothing that is not in it, and is quick and quiet.

    python3 -m unittest Tests/WheelTests/check_wheel.py     (PELLUCID_LIBRARY: the library to pack)
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings" / "python"))

FIXTURES = ROOT / "Tests" / "Fixtures"

#: From `import` to a picture, as a user's first program has it; prints the milliseconds of wall and of processor time.
FIRST = f"""
import time
start = time.perf_counter()
import pellucid
model = pellucid.load({str(FIXTURES / 'models' / 'efficientnet_lite0.onnx')!r})
model.explain("grad-cam", {str(FIXTURES / 'images' / 'chelsea.png')!r}, preprocess="lite").save("why.png")
print(1000 * (time.perf_counter() - start), 1000 * time.process_time())
"""

#: Import alone, after NumPy's.
IMPORT = """
import time
import numpy
start, before = time.perf_counter(), time.process_time()
import pellucid
print(1000 * (time.perf_counter() - start), 1000 * (time.process_time() - before))
"""

#: What runs, in one process, after the first picture.
TOUR = f"""
import pellucid
assert pellucid.version() == pellucid.__version__, pellucid.version()
assert pellucid.__file__.startswith({{site!r}}), pellucid.__file__
assert pellucid.backends() and pellucid.methods()
picture = pellucid.image.read("why.png")
assert picture.shape == (224, 224, 3), picture.shape
photo = pellucid.image.read({str(FIXTURES / 'images' / 'squirrel_cls.jpg')!r})
model = pellucid.load({str(FIXTURES / 'models' / 'efficientnet_lite0_dynamo_extdata.onnx')!r})
assert model.run(photo, preprocess="lite").argmax() == 335
import re
with open("/proc/self/maps") as file:
    maps = file.read()
for library in ("png", "jpeg", "webp", "protobuf"):
    assert not re.search(r"/usr/lib\\S*/lib" + library, maps), library
"""


@unittest.skipUnless(shutil.which("patchelf"), "needs patchelf")
class WheelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import build_wheel

        cls.builder = build_wheel
        scratch = tempfile.TemporaryDirectory()
        cls.addClassCleanup(scratch.cleanup)
        cls.folder = Path(scratch.name)
        cls.wheel = cls.folder / build_wheel.build_wheel(cls.folder)
        cls.environment = cls.folder / "environment"
        venv.create(cls.environment, with_pip=True)
        cls.python = cls.environment / "bin" / "python"
        cls.call([cls.python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", cls.wheel])
        cls.site = next(cls.environment.glob("lib/python*/site-packages"))
        cls.borrow_numpy()

    @classmethod
    def borrow_numpy(cls):
        """NumPy of the Python that runs the tests, and nothing else of it: tests do not need PyPI."""
        import numpy

        home = Path(numpy.__file__).parents[1]
        for name in ("numpy", "numpy.libs"):
            if (home / name).exists():
                (cls.site / name).symlink_to(home / name)

    @classmethod
    def call(cls, command):
        """Output of a command that finds no compiler, no library path and no Swift; standard error must be empty."""
        done = subprocess.run(
            list(map(str, command)), cwd=cls.folder, env={"PATH": "/nowhere", "HOME": str(cls.folder)}, capture_output=True, text=True
        )
        if done.returncode != 0 or done.stderr:
            raise AssertionError(f"{command}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def fastest(self, program, runs=6):
        """Milliseconds of the best of several runs, since other processes can only add to it.

        Where they leave no processor to this one, wall time says nothing, and the processor time of all its threads is
        taken in its place.
        """
        walls, processors = zip(*(map(float, self.call([self.python, "-W", "error", "-c", program]).split()) for _ in range(runs)))
        return min(processors if os.getloadavg()[0] > os.cpu_count() else walls)

    def test_first_explanation(self):
        self.assertLess(self.fastest(FIRST), 300)

    def test_import(self):
        self.assertLess(self.fastest(IMPORT), 60)

    def test_it_works_with_what_is_inside(self):
        self.call([self.python, "-W", "error", "-c", FIRST])
        self.call([self.python, "-W", "error", "-c", TOUR.format(site=str(self.site))])

    def test_needs_nothing_from_outside(self):
        with zipfile.ZipFile(self.wheel) as archive:
            libraries = [name for name in archive.namelist() if ".so" in name]
            archive.extractall(self.folder / "content", libraries)
            licences = [Path(name).name for name in archive.namelist() if "/licenses/" in name]
        inside = {Path(name).name for name in libraries}
        for name in libraries:
            path = self.folder / "content" / name
            for wanted in self.builder.needed(path):
                self.assertTrue(wanted in inside or self.builder.SYSTEM.fullmatch(wanted), f"{name} needs {wanted}")
            dynamic = subprocess.run(["readelf", "-dW", str(path)], check=True, capture_output=True, text=True).stdout
            self.assertEqual(re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", dynamic), ["$ORIGIN"], name)
        self.assertIn("LICENSE", licences)
        # One text for each library inside but our own, where the package manager knows it.
        if shutil.which("dpkg-query"):
            self.assertGreaterEqual(len(licences), len(inside))

    def test_tag(self):
        tag = re.search(r"-py3-none-manylinux_2_(\d+)_(\w+)\.whl$", self.wheel.name)
        self.assertTrue(tag, self.wheel.name)
        self.assertLessEqual(int(tag[1]), int(os.confstr("CS_GNU_LIBC_VERSION").split(".")[1]))
        self.assertEqual(tag[2], os.uname().machine)

    def test_equal_bytes(self):
        again = self.folder / "again"
        again.mkdir()
        name = self.builder.build_wheel(again)
        self.assertEqual((again / name).read_bytes(), self.wheel.read_bytes())


if __name__ == "__main__":
    unittest.main()
