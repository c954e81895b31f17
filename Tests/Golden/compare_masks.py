"""Deletion and insertion of mask optimisation against Grad-CAM, RISE and integrated gradients on real photos.

    PELLUCID_LIBRARY=… PYTHONPATH=../../bindings/python python compare_masks.py MODEL FOLDER [--methods a,b] [--photos N]
        [--out table.json] [--at-least 0.3]

MODEL is `efficientnet_lite0.onnx` (224 x 224, pixels (p - 127) / 128). FOLDER holds photos of any size; those that the
network gives no class `--at-least` this probability are left out, as a score that is small to begin with cannot fall.
All methods explain the best class. The protocol is that of I-GOS (Qi, Khorram & Li 2020): the 28 x 28 cells of a map are
ranked; about fifty steps replace them, most important first, by the blurred image (deletion) or the other way round
(insertion); a step's cells are a binary mask that is enlarged bilinearly; the figure is the mean probability after the
steps. Lower is better for deletion, higher for insertion. Photos that are done are kept in `--out` and not done again.
"""

import argparse
import hashlib
import json
import os
import pathlib
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from PIL import Image

import pellucid

CELLS, STEPS = 28, 50
STD = 128 / 255
MASKS = dict(mask_size=CELLS, input_std=STD)

METHODS = {
    "grad-cam": ("grad-cam", {}),
    "integrated-gradients": ("integrated-gradients", dict(n_steps=50, channel_reduce="none", score="probability")),
    "rise": ("rise", dict(n_samples=4000)),
    "i-gos": ("i-gos", MASKS),
    "i-gos+": ("i-gos+", MASKS),
    "i-gos++": ("i-gos++", MASKS),
    "i-gos fast": ("i-gos", dict(MASKS, fast=True)),
    "i-gos++ end_point": ("i-gos++", dict(MASKS, line_search_objective="end_point")),
    "i-gos++ warm": ("i-gos++", dict(MASKS, warm_start=True)),
    "i-gos++ fast": ("i-gos++", dict(MASKS, fast=True)),
    "i-gos++ fast 10": ("i-gos++", dict(MASKS, fast=True, ig_steps=10)),
    "i-gos++ fast 5": ("i-gos++", dict(MASKS, fast=True, ig_steps=5)),
    "i-gos++ nag": ("i-gos++", dict(MASKS, optimizer="nag")),
    "i-gos++ nag 5": ("i-gos++", dict(MASKS, optimizer="nag", ig_steps=5)),
}


def photo(path):
    """Shorter side 256, centre 224, normalised; 1 x 3 x 224 x 224."""
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize([max(224, round(side * scale)) for side in image.size], Image.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)
    return np.ascontiguousarray(((pixels - 127) / 128).transpose(2, 0, 1)[None])


def blurred(x, sigma=50.0, taps=51):
    offsets = np.arange(taps) - taps // 2
    kernel = np.exp(-(offsets**2) / (2 * sigma**2))
    kernel /= kernel.sum()
    for axis in (2, 3):
        widths = [(0, 0)] * 4
        widths[axis] = (taps // 2, taps // 2)
        padded = np.pad(x.astype(np.float64), widths, mode="reflect")
        x = sum(weight * np.take(padded, np.arange(tap, tap + x.shape[axis]), axis) for tap, weight in enumerate(kernel))
    return x.astype(np.float32)


def interpolation(cells, size):
    """Matrix of a bilinear resize with aligned corners."""
    matrix = np.zeros((size, cells))
    for row in range(size):
        position = row * (cells - 1) / (size - 1)
        low = min(int(position), cells - 2)
        matrix[row, low], matrix[row, low + 1] = 1 - (position - low), position - low
    return matrix


RESIZE = interpolation(CELLS, 224)


def cells_of(values):
    """A map brought to the cells: smaller ones bilinearly, larger ones by the mean of each cell."""
    plane = values.reshape(-1, *values.shape[-2:]).sum(0)
    if plane.shape == (CELLS, CELLS):
        return plane
    if plane.shape == (224, 224):
        return plane.reshape(CELLS, 224 // CELLS, CELLS, 224 // CELLS).mean((1, 3))
    down, across = (np.stack([np.interp(np.linspace(0, n - 1, CELLS), np.arange(n), row) for row in np.eye(n)], 1) for n in plane.shape)
    return down @ plane @ across.T


def probabilities(model, versions, target):
    scores = []
    for start in range(0, len(versions), 16):
        logits = np.asarray(model.run(versions[start:start + 16]), np.float64)
        exponents = np.exp(logits - logits.max(1, keepdims=True))
        scores.append((exponents / exponents.sum(1, keepdims=True))[:, target])
    return np.concatenate(scores)


def curves(model, x, baseline, cells, target):
    """Deletion and insertion of the I-GOS protocol (right Riemann sums over the steps)."""
    order = np.argsort(-cells.ravel(), kind="stable")
    size = max(1, len(order) // STEPS)
    kept, lengths = [], []
    mask = np.ones(len(order))
    for start in range(0, len(order), size):
        mask[order[start:start + size]] = 0
        kept.append(np.clip(RESIZE @ mask.reshape(CELLS, CELLS) @ RESIZE.T, 0, 1))
        lengths.append(len(order[start:start + size]) / len(order))
    kept = np.stack(kept)[:, None].astype(np.float32)
    both = np.concatenate([baseline + kept * (x - baseline), x + kept * (baseline - x)])
    scores = probabilities(model, both, target)
    return float(scores[:len(kept)] @ lengths), float(scores[len(kept):] @ lengths)


def explained(model, name, x, target):
    """Cells, seconds, forwards and backwards."""
    method, options = METHODS[name]
    began = time.perf_counter()
    result = model.explain(method, x, target=target, **options)
    seconds = time.perf_counter() - began
    values = 1 - np.asarray(result.tensors["mask"]) if "mask" in result.tensors else np.asarray(result.map)
    if method == "integrated-gradients":
        values = np.abs(values)
    return cells_of(values[0]), seconds, result.data["forwards"], result.data["backwards"]


def table(rows, names):
    photos = [row for row in rows.values() if all(name in row["methods"] for name in names)]
    lines = [f"{len(photos)} photos", "| method | deletion | insertion | seconds | forwards | backwards |", "|---|---|---|---|---|---|"]
    for name in names:
        values = np.array([row["methods"][name] for row in photos])
        mean, error = values.mean(0), values.std(0) / np.sqrt(len(values))
        lines.append(f"| {name} | {mean[0]:.4f} ± {error[0]:.4f} | {mean[1]:.4f} ± {error[1]:.4f} | {mean[2]:.1f} | {mean[3]:.0f} | {mean[4]:.0f} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder")
    parser.add_argument("--methods", default="grad-cam,rise,integrated-gradients,i-gos,i-gos+,i-gos++")
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--at-least", type=float, default=0.3)
    parser.add_argument("--out", default="compare_masks.json")
    arguments = parser.parse_args()
    names = arguments.methods.split(",")
    out = pathlib.Path(arguments.out)
    rows = json.loads(out.read_text()) if out.exists() else {}
    model = pellucid.load(arguments.model)
    used = 0
    # In an order that has nothing to do with what the photos show, so that the first ones stand for all.
    for path in sorted(pathlib.Path(arguments.folder).iterdir(), key=lambda path: hashlib.sha256(path.name.encode()).hexdigest()):
        x = photo(path)
        logits = np.asarray(model.run(x)).reshape(-1)
        target = int(logits.argmax())
        score = probabilities(model, x, target)[0]
        if score < arguments.at_least or used == arguments.photos:
            continue
        used += 1
        row = rows.setdefault(path.name, dict(target=target, score=float(score), methods={}))
        baseline = blurred(x)
        for name in names:
            if name in row["methods"]:
                continue
            cells, *cost = explained(model, name, x, target)
            row["methods"][name] = [*curves(model, x, baseline, cells, target), *cost]
            print(path.name, target, f"{score:.2f}", name, [round(value, 3) for value in row["methods"][name]], flush=True)
            out.write_text(json.dumps(rows, indent=1))
    print(table(rows, names))


if __name__ == "__main__":
    main()
