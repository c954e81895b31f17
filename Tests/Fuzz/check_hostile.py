#!/usr/bin/env python3
"""Files that ask for too much: each ends in a clean error or in a bounded run that the caller can end."""

import resource
import sys
import threading
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bindings" / "python"))

import numpy as np  # noqa: E402
import pellucid  # noqa: E402
from onnx_bytes import BOOL, FLOAT, INT64, graph, model, node, tensor, value  # noqa: E402

LARGEST = 2**63 - 1
X = np.ones((2, 3), np.float32)


def one_node(op, *constants, outputs=("y",), opset=17, **attributes):
    """A model of one node on x: float32 [2, 3] and constants given as (kind, sizes, values)."""
    names = ["x", *(f"c{k}" for k in range(len(constants)))]
    weights = [tensor(name, *constant) for name, constant in zip(names[1:], constants)]
    made = [value(name, FLOAT, None) for name in outputs]
    return model(graph([node(op, names, outputs, **attributes)], [value("x", FLOAT, [2, 3])], made, weights), opset)


def integers(*numbers):
    """A constant vector."""
    return INT64, [len(numbers)], numbers


def loop(trips=LARGEST, scan=False, inner=()):
    """A Loop whose condition stays true; `inner` nodes lie in its body, which adds x to what is carried."""
    body = graph(
        [node("Identity", ["go"], ["still"]), node("Add", ["a", "x"], ["b"]), *inner],
        [value("i", INT64, []), value("go", BOOL, []), value("a", FLOAT, None)],
        [value("still", BOOL, []), value("b", FLOAT, None)] + ([value("b", FLOAT, None)] if scan else []),
    )
    outputs = ["y", "all"] if scan else ["y"]
    looped = node("Loop", ["n", "t", "x"], outputs, body=("graph", body))
    weights = [tensor("n", INT64, [], [trips]), tensor("t", BOOL, [], [True])]
    return model(graph([looped], [value("x", FLOAT, [2, 3])], [value(o, FLOAT, None) for o in outputs], weights))


def nested_loop(levels):
    """Loops in loops, each without an end of its own."""
    inner = []
    for level in range(levels):
        body = graph(
            [node("Identity", [f"go{level}"], [f"still{level}"]), node("Add", [f"a{level}", "x"], [f"b{level}"]), *inner],
            [value(f"i{level}", INT64, []), value(f"go{level}", BOOL, []), value(f"a{level}", FLOAT, None)],
            [value(f"still{level}", BOOL, []), value(f"b{level}", FLOAT, None)],
        )
        inner = [node("Loop", ["n", "t", "x"], [f"y{level}"], name=f"loop{level}", body=("graph", body))]
    weights = [tensor("n", INT64, [], [LARGEST]), tensor("t", BOOL, [], [True])]
    return model(graph(inner, [value("x", FLOAT, [2, 3])], [value(f"y{levels - 1}", FLOAT, None)], weights))


class HostileTest(unittest.TestCase):
    def refuse(self, *arguments, **attributes):
        """Loading or running the model fails in words, within seconds."""
        start = time.monotonic()
        with self.assertRaises(pellucid.PellucidError) as caught:
            pellucid.load(one_node(*arguments, **attributes)).run(X, deadline=10)
        self.assertNotIsInstance(caught.exception, pellucid.CancelledError, arguments[0])
        self.assertTrue(str(caught.exception))
        self.assertLess(time.monotonic() - start, 20)

    def test_sizes_that_nobody_has(self):
        big = 2**40
        self.refuse("Expand", integers(big, 2, 3))
        self.refuse("Tile", integers(big, big))
        self.refuse("Tile", integers(LARGEST, LARGEST))
        self.refuse("Reshape", integers(LARGEST, LARGEST))
        self.refuse("Reshape", integers(-2, 3))
        self.refuse("Pad", integers(LARGEST, 0, LARGEST, 0))
        self.refuse("Resize", (FLOAT, [0], []), (FLOAT, [2], [1e18, 1e18]))
        self.refuse("Resize", (FLOAT, [0], []), (FLOAT, [0], []), integers(LARGEST, LARGEST))
        self.refuse("Slice", integers(0), integers(LARGEST), integers(0), integers(0))
        self.refuse("TopK", integers(LARGEST), outputs=("y", "i"))
        self.refuse("Gather", integers(LARGEST))
        self.refuse("Concat", (FLOAT, [2, LARGEST], []), axis=0)
        self.refuse("Split", integers(LARGEST, LARGEST), outputs=("y", "z"))
        self.refuse("OneHot", (INT64, [], [big]), (FLOAT, [2], [0, 1]))
        self.refuse("Unsqueeze", integers(*range(2000)))
        self.refuse("Transpose", perm=[0] * 70000)
        self.refuse("Einsum", equation=3)

    def test_constants_that_nobody_has(self):
        filled = model(graph([node("ConstantOfShape", ["s"], ["y"])], [], [value("y", FLOAT, None)], [tensor("s", *integers(2**40, 2**40))]))
        counted = [node("Range", ["a", "b", "c"], ["y"])]
        weights = [tensor(n, INT64, [], [v]) for n, v in zip("abc", [-LARGEST, LARGEST, 1])]
        for name, data in {
            "ConstantOfShape": filled,
            "Range": model(graph(counted, [], [value("y", INT64, None)], weights)),
            "weight": model(graph([], [], [value("w", FLOAT, None)], [tensor("w", FLOAT, [LARGEST, LARGEST])])),
            "negative weight": model(graph([], [], [value("w", FLOAT, None)], [tensor("w", FLOAT, [-1], [1])])),
        }.items():
            with self.subTest(name), self.assertRaises(pellucid.PellucidError):
                pellucid.load(data).run({})

    def test_a_name_with_nul_does_not_cut_the_message(self):
        body = graph([node("\0Relu", ["x"], ["y"], name="\0n")], [value("x", FLOAT, [2, 3])], [value("y", FLOAT, None)])
        with self.assertRaisesRegex(pellucid.UnsupportedError, "Relu.* is not supported"):
            pellucid.load(model(body))

    def test_a_loop_without_end_meets_its_deadline(self):
        for name, data in {"one": loop(), "nested": nested_loop(4)}.items():
            with self.subTest(name):
                start = time.monotonic()
                with self.assertRaises(pellucid.CancelledError):
                    pellucid.load(data).run(X, deadline=0.5)
                self.assertLess(time.monotonic() - start, 5)

    def test_a_loop_without_end_can_be_cancelled(self):
        token = pellucid.Cancel()
        threading.Timer(0.3, token.set).start()
        start = time.monotonic()
        with self.assertRaises(pellucid.CancelledError):
            pellucid.load(loop()).run(X, cancel=token)
        self.assertLess(time.monotonic() - start, 5)

    def test_a_loop_cannot_collect_without_bound(self):
        with self.assertRaises(pellucid.PellucidError):
            pellucid.load(loop(scan=True), memory=64 << 20).run(X, deadline=20)

    def test_loops_in_loops_end_somewhere(self):
        with self.assertRaises(pellucid.PellucidError):
            pellucid.load(nested_loop(200)).run(X, deadline=1)

    def test_a_million_nodes(self):
        count = 1_000_000
        names = ["x", *(f"v{k}" for k in range(1, count)), "y"]
        nodes = [node("Relu", [names[k]], [names[k + 1]], name=f"n{k}") for k in range(count)]
        data = model(graph(nodes, [value("x", FLOAT, [2, 3])], [value("y", FLOAT, [2, 3])]))
        start = time.monotonic()
        try:
            np.testing.assert_array_equal(pellucid.load(data).run(X, deadline=60), X)
        except pellucid.PellucidError as error:
            self.assertTrue(str(error))
        self.assertLess(time.monotonic() - start, 90)
        self.assertLess(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, 8 << 20)


if __name__ == "__main__":
    unittest.main()
