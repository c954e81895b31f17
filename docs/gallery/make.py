#!/usr/bin/env python3
"""Write the gallery: one picture per method and photo, and docs/gallery.md.

    PYTHONPATH=bindings/python PELLUCID_LIBRARY=build/libpellucid.so.0 python3 docs/gallery/make.py [--vit FILE] [METHOD ...]

The photos and the convolutional network are those of Tests/Fixtures. Methods that look at attention need a transformer: --vit
names an ONNX file of one (the published pictures are of a ViT-S/14); without it their pictures stay as they are.
"""

import argparse
import time
from pathlib import Path

import pellucid

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FIXTURES = ROOT / "Tests" / "Fixtures"
PHOTOS = {"cat": "chelsea.png", "squirrel": "squirrel_cls.jpg", "bus": "pexels_double_decker_bus.jpg"}
#: What `preset lite` does to pixels, in units of 0 to 1.
PREPARED = {"input_mean": [127 / 255] * 3, "input_std": [128 / 255] * 3}
#: Options without which a method would not show what it is for, or would take minutes.
SETTINGS = {
    "rise": {"n_samples": 2000},
    "is-cam": {"top_k": 128},
    "ss-cam": {"n_samples": 5, "top_k": 128},
    "occlusion": {"channel_reduce": "sum"},
    "feature-ablation": None,
    "i-gos": {"fast": True},
    "i-gos+": {"fast": True},
    "i-gos++": {"fast": True},
}
FAMILIES = {
    "cam": "Class activation maps", "attention": "Attention of transformers", "gradient": "Gradients and relevance",
    "perturbation": "Perturbation", "mask": "Optimised masks", "graph": "Graphs of parts",
}


def options(method, name):
    known = method.options
    chosen = {"channel_reduce": "sum"} if "channel_reduce" in known else {}
    chosen.update({key: value for key, value in PREPARED.items() if key in known})
    chosen.update(SETTINGS.get(name) or {})
    return chosen


def make(name, method, model, preset):
    for photo, file in PHOTOS.items():
        start = time.perf_counter()
        found = model.explain(name, FIXTURES / "images" / file, preprocess=preset, seed=1, **options(method, name))
        seconds = time.perf_counter() - start
        found.save(HERE / f"{name}-{photo}.jpg")
        if "drawing" in found.tensors and photo == "cat":
            pellucid.image.Picture(found.tensors["drawing"]).save(HERE / f"{name}-{photo}-drawing.png")
        print(f"{name:26} {photo:10} {seconds:7.2f} s  {found.warnings or ''}", flush=True)


def page(methods, models):
    lines = [
        "# Gallery", "",
        "<!-- Written by docs/gallery/make.py; not edited by hand. -->", "",
        "Each method with its defaults (channels summed, colours of the overlay) on photos of the test fixtures, explained for the network's",
        "best class by EfficientNet-Lite0; methods that look at attention, by a ViT-S/14. Red speaks for the class; in maps with a sign blue",
        "speaks against it. Behind the pictures: how many images run forward and backward for one photo, at most.", "",
    ]
    for family, title in FAMILIES.items():
        lines += [f"## {title}", "", "| method | " + " | ".join(PHOTOS) + " | forward | backward |", "|---" * (len(PHOTOS) + 3) + "|"]
        for name, method in methods.items():
            if method.family != family or not all((HERE / f"{name}-{photo}.jpg").exists() for photo in PHOTOS):
                continue
            model, preset = models(method)
            pictures = " | ".join(f"![{name} on {photo}](gallery/{name}-{photo}.jpg)" for photo in PHOTOS)
            cost = model and model.cost(name, FIXTURES / "images" / PHOTOS["cat"], preprocess=preset, **options(method, name))
            counts = f"{cost.forwards} | {cost.backwards}" if cost else " | "
            lines.append(f"| [{name}](methods/{name}.md) | {pictures} | {counts} |")
        lines.append("")
        if (HERE / "sag-cat-drawing.png").exists() and family == "graph":
            lines += ["The graph itself, drawn by the library:", "", "![Structured attention graph](gallery/sag-cat-drawing.png)", ""]
    (ROOT / "docs" / "gallery.md").write_text("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--vit", type=Path)
    arguments = parser.parse_args()
    cnn = pellucid.load(FIXTURES / "models" / "efficientnet_lite0.onnx")
    vit = pellucid.load(arguments.vit) if arguments.vit else None
    methods = {name: method for name, method in pellucid.methods().items() if method.kind == "explainer"}

    def models(method):
        return (vit, "imagenet") if "attention" in method.needs else (cnn, "lite")

    for name, method in methods.items():
        if (arguments.methods and name not in arguments.methods) or (name in SETTINGS and SETTINGS[name] is None):
            continue
        model, preset = models(method)
        if model is not None:
            make(name, method, model, preset)
    page(methods, models)


if __name__ == "__main__":
    main()
