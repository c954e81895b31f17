#!/usr/bin/env python3
"""Golden data of structured attention graphs: the released search and graph, derived again from its description.

    python sag.py

No package has the method. What is written here follows the paper and the behaviour of the released code (heatmaps.md 7.4,
7.5, 7.7), one set of patches at a time and in float64; `parity=true` must give the same nodes with the same scores. The
default search is derived too. A decision that rounding could turn is an error, so that the data means something.
"""

import numpy as np
import torch

torch.set_num_threads(1)

from golden import Maps

GRID = 4
THRESHOLD = 0.9
# Of probability for the released code (by network), of the whole image's score by default.
NODE = {"cnn": 0.3, "vit": 0.2, "residual": 0.72, "default": 0.6}
MARGIN = 1e-5


class Scores:
    """Probability of one image's class when only some patches are shown: bilinear mask, corners aligned, baseline 0."""

    def __init__(self, network, x, target):
        self.network, self.x, self.target, self.known = network, x, target, {}
        self.full = self(frozenset(range(GRID * GRID)))

    def __call__(self, patches):
        patches = frozenset(patches)
        if patches not in self.known:
            mask = torch.zeros(1, 1, GRID * GRID, dtype=torch.float64)
            mask[0, 0, sorted(patches)] = 1
            soft = torch.nn.functional.interpolate(mask.reshape(1, 1, GRID, GRID), self.x.shape[-2:], mode="bilinear", align_corners=True)
            with torch.no_grad():
                self.known[patches] = torch.softmax(self.network(self.x * soft), 1)[0, self.target].item()
        return self.known[patches]

    def suffices(self, patches):
        p = self(patches)
        assert abs(p - THRESHOLD * self.full) > MARGIN, "a decision within rounding: choose another seed"
        return p > THRESHOLD * self.full


def reduce(scores, patches):
    """Passes in raster order until one removes nothing."""
    patches, removed = sorted(patches), True
    while removed:
        removed = False
        for patch in list(patches):
            rest = [p for p in patches if p != patch]
            if scores.suffices(rest):
                patches, removed = rest, True
    return tuple(patches)


def search(scores, order, parity, width=3, successors=15, max_roots=10, rounds=49):
    """The roots in the order found."""
    roots = []
    if not parity and scores.suffices(()):
        roots.append(())
    beam = [()]
    for _ in range(min(rounds, GRID * GRID)):
        made = []
        for patches in beam:
            for patch in [p for p in order if p not in patches][:successors]:
                new = tuple(sorted((*patches, patch)))
                if parity or new not in made:
                    made.append(new)
        if not made:
            break
        values = sorted({scores(m) for m in made})
        assert all(b - a > 1e-9 for a, b in zip(values, values[1:])), "two sets of one score: choose another seed"
        made.sort(key=lambda m: -scores(m))
        beam = []
        for patches in made:
            if scores.suffices(patches):
                root = reduce(scores, patches)
                if root not in roots:
                    roots.append(root)
            else:
                beam.append(patches)
                if len(beam) == width + parity:
                    break
        if len(roots) > max_roots or (len(roots) == max_roots and not parity):
            break
    return roots


def diverse(scores, roots, parity, overlap=1):
    """The largest family that shares few patches; the first of them, or that of the highest scores."""
    if not parity:
        roots = sorted(roots, key=lambda root: -scores(root))
    fits = [[len(set(a) & set(b)) <= overlap for b in roots] for a in roots]
    largest = [[]]

    def extend(family, candidates):
        if len(family) > len(largest[0]):
            largest.clear()
        if not largest or len(family) == len(largest[0]):
            largest.append(family)
        for place, i in enumerate(candidates):
            if len(family) + len(candidates) - place >= len(largest[0]):
                extend([*family, i], [j for j in candidates[place + 1:] if fits[i][j]])

    extend([], list(range(len(roots))))
    best = largest[0] if parity else max(largest, key=lambda f: sum(scores(roots[i]) for i in f))
    return [roots[i] for i in best]


def expanded(scores, patches, parity, threshold):
    if len(patches) < 2:
        return False
    if parity:
        return int(np.around(np.float32(scores(patches)), 3) * np.float32(100)) > round(threshold * 100)
    return scores(patches) / scores.full > threshold


def without(patches, patch):
    return tuple(p for p in patches if p != patch)


def graph(scores, roots, parity, threshold, children=3):
    """The nodes in the order made: a forest depth first, or level by level with equal sets once."""
    nodes = []

    def below(patches):
        found = [without(patches, p) for p in (patches[:children] if parity else patches)]
        if parity or len(found) <= children:
            return found
        worst = sorted(range(len(found)), key=lambda i: scores(found[i]))[:children]
        return [found[i] for i in sorted(worst)]

    def copy(patches):
        nodes.append(patches)
        if expanded(scores, patches, parity, threshold):
            for child in below(patches):
                copy(child)

    if parity:
        for root in roots:
            copy(root)
        return nodes
    nodes = list(roots)
    for patches in nodes:
        if expanded(scores, patches, parity, threshold):
            nodes += [child for child in below(patches) if child not in nodes]
    return nodes


def masks(sets):
    result = np.zeros((len(sets), GRID * GRID), np.float32)
    for row, patches in zip(result, sets):
        row[list(patches)] = 1
    return result.reshape(-1, GRID, GRID)


def need(scores, roots):
    """Mean over the minimal sets of what each patch's removal costs, as a share of the whole image's score."""
    values = np.zeros(GRID * GRID)
    for root in roots:
        for patch in root:
            values[patch] += (scores(root) - scores(without(root, patch))) / scores.full / len(roots)
    return values.reshape(1, GRID, GRID)


def write(case, seed):
    maps = Maps("graph", case, ["torch", "numpy"], seed=seed)
    generator = np.random.default_rng(seed)
    order = np.stack([generator.permutation(GRID * GRID) for _ in range(3)]).astype(np.float32)
    maps.keep("x", maps.x.numpy())
    maps.keep("order", order.reshape(3, 1, GRID, GRID))
    for parity in [True, False]:
        nodes, values, needed = [], [], []
        threshold = NODE[case if parity else "default"]
        for i in range(3):
            scores = Scores(maps.network, maps.x[i:i + 1], maps.targets[i])
            roots = search(scores, list(np.argsort(-order[i], kind="stable")), parity)
            found = graph(scores, diverse(scores, roots, parity)[:3], parity, threshold)
            nodes.append(masks(found))
            values += [scores(patches) / scores.full for patches in found]
            needed.append(need(scores, roots))
            print(case, "released" if parity else "default", i, "class", maps.targets[i], round(scores.full, 3), len(roots), "sets", len(found), "nodes")
        options = dict(grid=str(GRID), baseline=0, ordering_map="@order", node_threshold=threshold, max_nodes=10000, parity=parity)
        name, how = ("parity", "the released code's search and graph") if parity else ("default", "the default search and graph")
        for result, array in [("node_masks", np.concatenate(nodes)), ("node_scores", np.array(values)), ("map", np.stack(needed))]:
            maps.check("sag", f"{name}_{result}", array, f"{how}, derived again in float64", options=options, score="probability",
                       result=result)
    maps.write()


for case, seed in [("cnn", 7), ("vit", 8), ("residual", 9)]:
    write(case, seed)
