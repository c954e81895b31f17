#!/usr/bin/env python3
"""Drives every fuzz driver for a bounded number of mutated seeds against the library that is shipped; `make fuzz` runs longer."""

import os
import random
import resource
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIBRARY = Path(os.environ.get("PELLUCID_LIBRARY") or ROOT / "build" / "libpellucid.so.0").resolve()
MODELS = ROOT / "Tests" / "Fixtures" / "models"
COUNT = os.environ.get("PELLUCID_FUZZ_COUNT", "4000")
#: A case may take this many bytes of address space: two GiB beside what the process has anyway.
MEMORY = 4 << 30


class FuzzTest(unittest.TestCase):
    """Each driver ends with 0 when no input breaks a promise; the input of a finding is printed."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "libpellucid.so.0").symlink_to(LIBRARY)

    def build(self, driver):
        """The program made from a driver and mutate.c."""
        program = self.folder / driver
        command = ["gcc", "-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'include'}", "-o", program]
        command += [HERE / f"{driver}.c", HERE / "mutate.c", f'-DFUZZ_NETWORK="{HERE / "network.onnx"}"']
        command += [self.folder / "libpellucid.so.0", f"-Wl,-rpath,{self.folder}"]
        made = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        self.assertEqual(made.returncode, 0, made.stderr)
        return program

    def drive(self, driver, seeds, count=COUNT):
        """Runs a driver on mutated seeds."""
        command = [self.build(driver), count, "1", *sorted(seeds)]
        limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # noqa: E731
        done = subprocess.run(list(map(str, command)), capture_output=True, cwd=self.folder, preexec_fn=limit)
        finding = self.folder / "fuzz-finding"
        kept = finding.read_bytes()[:4096].hex() if finding.exists() else "not kept"
        self.assertEqual(done.returncode, 0, f"{driver}: {done.stderr.decode(errors='replace')[-2000:]}\ninput: {kept}")

    def test_model(self):
        self.drive("fuzz_model", (HERE / "corpus" / "model").iterdir())

    def test_external_data(self):
        self.drive("fuzz_external", (HERE / "corpus" / "external").iterdir())

    def test_image(self):
        self.drive("fuzz_image", (HERE / "corpus" / "image").iterdir())

    def test_options(self):
        self.drive("fuzz_options", (HERE / "corpus" / "options").iterdir())

    def test_real_models(self):
        """Files that people deploy, with a byte flipped or cut short: their heads hold the structure, so most changes go there."""
        program = self.build("fuzz_model")
        choose = random.Random(1)
        for name in ["digit_cnn", "fashion_vit_tiny", "silero_vad_16k_op15", "rapidocr_cls", "tree_ensemble"]:
            original = (MODELS / f"{name}.onnx").read_bytes()
            with self.subTest(model=name):
                for _ in range(4):
                    broken = bytearray(original)
                    broken[choose.randrange(len(broken))] ^= 1 << choose.randrange(8)
                    cut = choose.randrange(len(broken)) if choose.random() < 0.5 else len(broken)
                    seed = self.folder / "seed"
                    seed.write_bytes(bytes(broken[:cut]))
                    done = subprocess.run([str(program), "1", "0", str(seed)], capture_output=True, cwd=self.folder, timeout=60)
                    self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    unittest.main()
