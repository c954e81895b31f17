#!/usr/bin/env python3
"""Times a forward, a gradient and Grad-CAM of a model: python3 bench.py MODEL [ROUNDS]."""

import statistics
import sys
import time

import numpy as np
import pellucid


def measure(work, rounds):
    """Milliseconds of one call: best and median after a warm-up."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return min(times), statistics.median(times)


def main(path, rounds=20):
    model = pellucid.load(path)
    shape = [size if isinstance(size, int) else 1 for size in model.inputs[0].shape]
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    calls = {
        "forward": lambda: model.run(x),
        "gradient": lambda: model.gradient(x),
        "grad-cam": lambda: model.explain("grad-cam", x),
    }
    for name, work in calls.items():
        best, median = measure(work, int(rounds))
        print(f"{name:10} best {best:8.2f} ms   median {median:8.2f} ms")


if __name__ == "__main__":
    main(*sys.argv[1:])
