#!/usr/bin/env python3
"""The binary interface stays what the headers promise: symbols, versions, layout, dependencies of libpellucid.so."""

import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "bindings" / "python"))

import headers  # noqa: E402
from pellucid import _abi  # noqa: E402

LIBRARY = os.environ.get("PELLUCID_LIBRARY") or str(headers.ROOT / "build" / "libpellucid.so.0")
#: Shared libraries that libpellucid.so may ask for.
ALLOWED = re.compile(r"(ld-linux-.*|lib(c|m|dl|rt|pthread|gcc_s|stdc\+\+|protobuf-lite))\.so(\.\d+)*")


def output(*command):
    """What a command prints."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported():
    """Names in the library's dynamic table that it defines, without version nodes."""
    names = (line.split()[-1] for line in output("nm", "-D", "--defined-only", "--extern-only", LIBRARY).splitlines())
    return sorted({name.split("@")[0] for name in names} - {"PELLUCID_0"})


def listed(name):
    """Lines of a list beside this file, comments left out."""
    lines = (HERE / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


class SymbolTest(unittest.TestCase):
    declared = headers.parse().functions

    def test_declared_is_exported(self):
        self.assertEqual(sorted(self.declared), exported())

    def test_declared_is_listed_with_its_version(self):
        found = [f"{function.name} {function.since}" for function in self.declared.values()]
        self.assertEqual(sorted(found), sorted(listed("exports.txt")))

    def test_declared_is_described(self):
        """Each declaration says who owns what it returns, which threads may call it, and how it fails."""
        for function in self.declared.values():
            with self.subTest(function.name):
                makes = any(argument.endswith("**") and "const" not in argument for argument in function.arguments)
                self.assertIn("Threads:", function.comment)
                if makes or "*" in function.result:
                    self.assertIn("Owner:", function.comment)
                if function.result in ("pellucid_status", "int32_t", "int64_t"):
                    self.assertIn("Errors:", function.comment)

    def test_declared_is_tried_with_nonsense(self):
        tried = set(re.findall(r"pellucid_\w+", (HERE / "refusals.c").read_text()))
        self.assertEqual(sorted(set(self.declared) - tried), ["pellucid_version", "pellucid_version_number"])

    def test_declared_is_in_the_python_table(self):
        self.assertEqual(sorted(self.declared), sorted(_abi.FUNCTIONS))

    def test_symbols_carry_the_version_node(self):
        table = output("nm", "-D", "--defined-only", "--with-symbol-versions", LIBRARY)
        functions = [line.split()[-1] for line in table.splitlines() if " T " in line]
        self.assertTrue(functions)
        self.assertEqual([name for name in functions if not name.endswith("@@PELLUCID_0")], [])


class LayoutTest(unittest.TestCase):
    def test_structs_are_as_recorded(self):
        structs = {**headers.parse().structs, **headers.parse(headers.PLUGIN).structs}
        self.assertEqual(headers.layout(structs), listed("structs.txt"))


class LinkTest(unittest.TestCase):
    dynamic = output("readelf", "-dW", LIBRARY)

    def test_soname(self):
        self.assertIn("[libpellucid.so.0]", self.dynamic)

    def test_needs_only_what_every_system_or_the_package_brings(self):
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", self.dynamic)
        self.assertEqual([name for name in needed if not ALLOWED.fullmatch(name)], [])

    def test_all_symbols_are_found(self):
        problems = output("ldd", "-r", LIBRARY)
        self.assertEqual([line for line in problems.splitlines() if "undefined" in line or "not found" in line], [])

    def test_holds_no_foundation(self):
        self.assertNotIn(b"s10Foundation", Path(LIBRARY).read_bytes())

    def test_stays_loaded(self):
        self.assertIn("NODELETE", self.dynamic)

    def test_searches_only_beside_itself(self):
        paths = re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", self.dynamic)
        self.assertEqual([path for path in paths if path != "$ORIGIN"], [])

    def test_stack_is_not_executable(self):
        stack = next(line for line in output("readelf", "-lW", LIBRARY).splitlines() if "GNU_STACK" in line)
        self.assertNotIn("RWE", stack)


if __name__ == "__main__":
    unittest.main()
