#!/usr/bin/env python3
"""Compiles and runs every whole program in docs/c.md and docs/cpp.md; functions that any page names are declared."""

import re
import unittest
from pathlib import Path

from check_programs import CXX, LARGE_MODEL, PHOTO, ROOT, STRICT, ProgramTest

KINDS = {"c": ("gcc", "c99", ".c"), "cpp": ("g++", "c++17", ".cpp")}


def programs(page: Path):
    """Blocks of a page that have a main function: language and text."""
    blocks = re.findall(r"^```(c|cpp)\n(.*?)^```", page.read_text(), re.M | re.S)
    return [(language, text) for language, text in blocks if "int main(" in text]


class DocumentedProgramTest(ProgramTest):
    def test_pages(self):
        for name in ["c.md", "cpp.md"]:
            page = ROOT / "docs" / name
            found = programs(page)
            self.assertGreater(len(found), 1, f"{name} has no programs")
            for number, (language, text) in enumerate(found):
                with self.subTest(page=name, program=number):
                    self.build_and_run(language, text, number)

    def build_and_run(self, language, text, number):
        """A program of the page, given a model and a photo."""
        compiler, standard, suffix = KINDS[language]
        source = self.folder / f"program{number}{suffix}"
        source.write_text(text)
        program = self.compile(source, compiler, standard, [*STRICT, f"-I{CXX}"])
        self.assertTrue(self.call(program, LARGE_MODEL, PHOTO).strip(), "the program printed nothing")

    def test_functions_that_pages_name_exist(self):
        declared = set(re.findall(r"pellucid_\w+", "".join(p.read_text() for p in (ROOT / "include" / "pellucid").glob("*.h"))))
        declared |= {"pellucid_backend_entry"}
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
            named = set(re.findall(r"\bpellucid_[a-z_]+[a-z]\b(?!\*|\.|-)", page.read_text()))
            with self.subTest(page=page.name):
                self.assertEqual(sorted(named - declared), [])


if __name__ == "__main__":
    unittest.main()
