"""The package as a whole: what importing it does, its types, its documentation, and the oldest Python that it is for."""

import ast
import importlib.util
import inspect
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from . import support  # noqa: F401 (sets the library)

import pellucid

FOLDER = Path(pellucid.__file__).parent


class PackageTest(unittest.TestCase):
    def test_import_is_small(self):
        program = (
            "import sys, numpy\n"
            "before = set(sys.modules)\n"
            "import pellucid\n"
            "print(*sorted(name for name in set(sys.modules) - before if '.' not in name))\n"
            "print('libpellucid' in open('/proc/self/maps').read())\n"
        )
        environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent)}
        shown = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
        loaded, opened = shown.stdout.splitlines()
        heavy = {"json", "tempfile", "zipfile", "difflib", "PIL", "matplotlib", "tqdm", "ml_dtypes", "pathlib", "html", "random"}
        self.assertEqual(heavy & set(loaded.split()), set())
        self.assertEqual(opened, "False")

    def test_grammar_of_python_3_9(self):
        for path in FOLDER.glob("*.py"):
            ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=(3, 9))

    @unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed")
    def test_types(self):
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, str(FOLDER)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=FOLDER.parent)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_everything_public_has_a_docstring(self):
        for name in pellucid.__all__:
            thing = getattr(pellucid, name)
            self.assertTrue(inspect.getdoc(thing), name)
            for member, value in vars(thing).items() if inspect.isclass(thing) else ():
                if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, (property, classmethod))):
                    self.assertTrue(inspect.getdoc(getattr(thing, member) or value), f"{name}.{member}")

    def test_docstrings_name_every_argument(self):
        for function in (pellucid.load, pellucid.Model.run, pellucid.Model.gradient, pellucid.Model.explain, pellucid.Model.hook):
            text = inspect.getdoc(function)
            for name in inspect.signature(function).parameters:
                if name != "self":
                    self.assertRegex(text, rf"(?m)^\s+{name}: ", function.__name__)

    def test_versions_agree(self):
        project = (FOLDER.parent / "pyproject.toml").read_text(encoding="utf-8")
        self.assertEqual(re.findall(r'^version = "(.*)"$', project, re.M), [pellucid.__version__])
        self.assertEqual(pellucid.version(), pellucid.__version__)

    def test_a_missing_library_is_an_import_error(self):
        environment = {**os.environ, "PYTHONPATH": str(FOLDER.parent), "PELLUCID_LIBRARY": "/nowhere/libpellucid.so.0"}
        program = "import pellucid\ntry:\n    pellucid.version()\nexcept ImportError as problem:\n    print(problem)\n"
        shown = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
        self.assertIn("/nowhere/libpellucid.so.0", shown.stdout)
        self.assertIn("PELLUCID_LIBRARY", shown.stdout)


if __name__ == "__main__":
    unittest.main()
