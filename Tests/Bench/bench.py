#!/usr/bin/env python3
"""Times forward, gradient and Grad-CAM of models, and onnxruntime's forward beside it when it is installed.

    python3 bench.py MODEL...              PYTHONPATH=bindings/python PELLUCID_LIBRARY=build/libpellucid.so.0
    python3 bench.py --batch 8 --threads 2 --rounds 10 MODEL...

Calls are interleaved in one run, so that a change of the machine's speed meets all of them; medians are printed, and
the ratio of the two forwards (below 1: Pellucid is faster).
"""

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
import pellucid

try:
    import onnxruntime
except ImportError:
    onnxruntime = None


# Seconds before each call: a library's threads may go on spinning for a while after its own.
PAUSE = 0.1


def session(path, threads):
    """onnxruntime's forward of a model, or None."""
    if onnxruntime is None:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    model = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = model.get_inputs()[0].name
    return lambda x: model.run(None, {name: x})


def input_of(model, batch):
    """A random batch of the model's first input, and whether the file allows that batch."""
    shape = [size if isinstance(size, int) else 224 for size in model.inputs[0].shape]
    free = not isinstance(model.inputs[0].shape[0], int)
    shape[0] = batch if free else shape[0]
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def calls_of(path, batch, threads):
    """What is timed, by name."""
    model = pellucid.load(path, threads=threads)
    x = input_of(model, batch)
    calls = {
        "forward": lambda: model.run(x),
        "gradient": lambda: model.gradient(x, target=0),
        "grad-cam": lambda: model.explain("grad-cam", x, target=0),
    }
    peer = session(path, threads)
    if peer:
        calls["onnxruntime"] = lambda: peer(x)
    return len(x), calls


def medians(calls, rounds):
    """Milliseconds of each call, interleaved, after two rounds of warm-up."""
    times = {name: [] for name in calls}
    for turn in range(rounds + 2):
        for name, work in calls.items():
            time.sleep(PAUSE)
            start = time.perf_counter()
            work()
            if turn >= 2:
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    print("| model | batch | forward ms | gradient ms | grad-cam ms | onnxruntime forward ms | forward ratio |\n|---|---|---|---|---|---|---|")
    for path in arguments.models:
        batch, calls = calls_of(path, arguments.batch, arguments.threads)
        ms = medians(calls, arguments.rounds)
        peer = ms.get("onnxruntime")
        tail = f"{peer:.1f} | {ms['forward'] / peer:.2f}" if peer else "– | –"
        print(f"| {Path(path).stem} | {batch} | {ms['forward']:.1f} | {ms['gradient']:.1f} | {ms['grad-cam']:.1f} | {tail} |", flush=True)


if __name__ == "__main__":
    main()
