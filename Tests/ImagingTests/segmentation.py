"""Writes SegmentationGolden.swift: how scikit-image divides parts of photos.

    pip install scikit-image pillow
    python Tests/ImagingTests/segmentation.py > Tests/ImagingTests/SegmentationGolden.swift
"""

import pathlib

import numpy as np
import skimage
from PIL import Image
from skimage.segmentation import felzenszwalb, slic

PHOTOS = pathlib.Path(__file__).parent.parent / "Fixtures" / "images"
PARTS = [("chelsea.png", 60, 110, 64, 96), ("coffee.png", 120, 200, 80, 72), ("astronaut.png", 20, 180, 72, 88)]
GRAPHS = [(50, 0.8, 20), (250, 0.8, 40), (1200, 0.5, 5), (100, 0, 1)]
SUPERPIXELS = [(40, 10.0, 10, 0.0, True), (90, 20.0, 4, 1.0, True), (25, 0.1, 10, 0.0, False), (7000, 10.0, 3, 0.0, True)]


def checksum(labels):
    """Of each label times its place, modulo 2^32; and how many regions there are."""
    flat = labels.astype(np.uint64).ravel()
    return labels.max() + 1, int((flat * (np.arange(len(flat), dtype=np.uint64) + 1)).sum() % (1 << 32))


def main():
    print("// swift-format-ignore-file")
    print(f"// Made by segmentation.py with scikit-image {skimage.__version__}; not edited by hand.\n")
    print("enum SegmentationGolden {")
    print("    /// A part of a photo: its name, first row and column, height and width.")
    print("    typealias Part = (name: String, top: Int, left: Int, height: Int, width: Int)\n")
    graphs, superpixels = [], []
    for part in PARTS:
        name, top, left, height, width = part
        image = np.asarray(Image.open(PHOTOS / name).convert("RGB"))[top:top + height, left:left + width]
        image = (image / np.float32(255)).astype(np.float32).astype(np.float64)
        where = f'Part("{name}", {top}, {left}, {height}, {width})'
        for scale, sigma, size in GRAPHS:
            count, total = checksum(felzenszwalb(image, scale=scale, sigma=sigma, min_size=size))
            graphs.append(f"        ({where}, {scale}, {sigma}, {size}, {count}, {total}),")
        for segments, compactness, iterations, sigma, lab in SUPERPIXELS:
            labels = slic(image, segments, compactness, iterations, sigma, convert2lab=lab, start_label=0)
            count, total = checksum(labels)
            superpixels.append(f"        ({where}, {segments}, {compactness}, {iterations}, {sigma}, {str(lab).lower()}, {count}, {total}),")
    print("    static let felzenszwalb: [(part: Part, scale: Double, sigma: Double, minSize: Int, count: Int, sum: UInt64)] = [")
    print("\n".join(graphs) + "\n    ]\n")
    print("    static let slic: [(part: Part, segments: Int, compactness: Double, iterations: Int, sigma: Double, isLab: Bool, count: Int, sum: UInt64)] = [")
    print("\n".join(superpixels) + "\n    ]\n}")


main()
