"""Compiles backend_cpu_test.c, which compares the kernels with plain loops, and runs it at every CPU level."""

import os
import platform
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ARCHIVE = f"/usr/lib/{platform.machine()}-linux-gnu/openblas-serial"
FLAGS = ["-std=gnu17", "-O2", "-DPELLUCID_OPENBLAS_STATIC", "-Iinclude", "-ISources/BackendCPU/include", "-ISources/CSupport/include"]
SEED, ROUNDS = "1", "10"
LEVELS = ("base", "v3", "v4")


class KernelTest(unittest.TestCase):
    """One program, built once."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.program = str(Path(cls.folder.name) / "kernels")
        sources = sorted(str(path) for path in (ROOT / "Sources/BackendCPU").glob("*.c"))
        sources += ["Sources/CSupport/pool.c", "Sources/CSupport/memory.c", "Tests/BackendCPUTests/backend_cpu_test.c"]
        compiler = os.environ.get("CC", "clang")
        command = [compiler, *FLAGS, *sources, f"-L{ARCHIVE}", "-l:libopenblas.a", "-lm", "-lpthread", "-o", cls.program]
        subprocess.run(command, cwd=ROOT, check=True)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_kernels_agree_with_plain_loops(self):
        for level in LEVELS:
            with self.subTest(level=level):
                command = [self.program, SEED, ROUNDS, f"level={level}"]
                done = subprocess.run(command, capture_output=True, text=True, timeout=300)
                self.assertEqual(done.returncode, 0, done.stdout[-2000:] + done.stderr[-2000:])


if __name__ == "__main__":
    unittest.main()
