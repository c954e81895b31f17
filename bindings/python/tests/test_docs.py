"""Every Python block of the documentation runs, in a folder that holds what the documents speak of."""

import contextlib
import io
import os
import re
import shutil
import tempfile
import unittest
import warnings
from pathlib import Path

from .support import IMAGES, MODELS, ROOT

#: Names in the documents, and what stands for them.
FILES = {
    "model.onnx": MODELS / "efficientnet_lite0.onnx",
    "photo.jpg": IMAGES / "squirrel_cls.jpg",
    "other.png": IMAGES / "chelsea.png",
    "labels.txt": ROOT / "Tests" / "Fixtures" / "imagenet_classes.txt",
}


def blocks(document):
    """(line, code) of each block."""
    text = document.read_text(encoding="utf-8")
    for block in re.finditer(r"^```python\n(.*?)^```", text, re.M | re.S):
        yield text.count("\n", 0, block.start(1)) + 1, block.group(1)


class DocumentTest(unittest.TestCase):
    def run_blocks(self, document):
        names = {"__name__": "__main__"}
        before = os.getcwd()
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            for name, source in FILES.items():
                shutil.copy(source, Path(folder, name))
            os.chdir(folder)
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    found = list(blocks(document))
                    for line, code in found:
                        # Lines before the block are empty, so that a traceback shows the document's line.
                        exec(compile("\n" * (line - 1) + code, str(document), "exec"), names)
            finally:
                os.chdir(before)
        return found

    def test_python_page(self):
        self.assertGreater(len(self.run_blocks(ROOT / "docs" / "python.md")), 10)

    def test_readme_of_the_package(self):
        self.assertTrue(self.run_blocks(ROOT / "bindings" / "python" / "README.md"))

    def test_readme(self):
        self.assertTrue(self.run_blocks(ROOT / "README.md"))


if __name__ == "__main__":
    unittest.main()
