"""A process that explains all day stays as small as it was."""

import os
import subprocess
import sys
import unittest

from .support import SMALL_MODEL

import pellucid

PROGRAM = """
import sys
import numpy as np
import pellucid

model = pellucid.load(sys.argv[1], threads=2)
x = np.random.default_rng(3).random((2, 1, 28, 28), dtype=np.float32)
methods = [("grad-cam", {}), ("saliency", {}), ("smoothgrad", {"n_samples": 4}), ("integrated-gradients", {"n_steps": 4})]


def resident():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("Rss"))


def explain(index):
    method, options = methods[index % len(methods)]
    with model.hook("input", lambda name, value: None):
        model.explain(method, x, progress=lambda fraction, stage: None, **options).overlay()
    if index % 10 == 0:
        for failure in ({"progress": lambda fraction, stage: 1 / 0}, {"progress": lambda fraction, stage: True}, {"option": 1}):
            try:
                model.explain(method, x, **failure)
            except (ZeroDivisionError, pellucid.PellucidError):
                pass


for index in range(1500):
    explain(index)
# What leaks, leaks every time; an allocator that keeps a page for later does so once.
growths = []
for window in range(3):
    before = resident()
    for index in range(1000):
        explain(index)
    growths.append(resident() - before)
print(min(growths))
"""


@unittest.skipUnless(os.path.exists("/proc/self/smaps_rollup"), "the system does not tell resident memory")
class LeakTest(unittest.TestCase):
    def test_a_thousand_explanations(self):
        environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(pellucid.__file__))}
        done = subprocess.run([sys.executable, "-c", PROGRAM, str(SMALL_MODEL)], env=environment, capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        self.assertLess(int(done.stdout), 1024, "KiB that 1,000 explanations left behind")


if __name__ == "__main__":
    unittest.main()
