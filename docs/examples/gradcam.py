#!/usr/bin/env python3
"""Explains a photo with Grad-CAM and writes the overlay as PNG.

python3 gradcam.py MODEL.onnx PHOTO OUT.png [PRESET]

The model takes images of 224 x 224 pixels; PRESET names its preprocessing, "lite" by default.
"""

import sys

import pellucid


def main(model_path, photo, out, preset="lite"):
    model = pellucid.load(model_path)
    x = pellucid.image.preprocess(photo, preset=preset)
    best = int(model.run(x).argmax())
    explanation = model.explain("grad-cam", x, target=best)
    explanation.overlay(pellucid.image.fit(photo, preset=preset)).save(out)
    print(f"class {best}, layer {explanation.layer}, picture in {out}")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:5])
    except (pellucid.PellucidError, OSError) as problem:
        sys.exit(f"gradcam: {problem}")
