"""Writes Golden.swift: what Pillow and onnxruntime compute for small arrays.

    pip install pillow numpy onnx onnxruntime
    python Tests/ImagingTests/generate.py > Tests/ImagingTests/Golden.swift
"""

import io
import struct
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from PIL import Image, ImageOps, __version__

FILTERS = {
    "nearest": Image.NEAREST, "box": Image.BOX, "bilinear": Image.BILINEAR,
    "hamming": Image.HAMMING, "bicubic": Image.BICUBIC, "lanczos": Image.LANCZOS,
}
SIZES = [(5, 7, 3, 4), (5, 7, 9, 11), (9, 4, 2, 4), (3, 3, 3, 8), (23, 31, 6, 5), (1, 6, 4, 3), (9, 4, 6, 3), (30, 10, 9, 14), (4, 28, 22, 70)]


def pattern(height, width):
    """The picture that Patterns.swift computes too."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    return ((y * 53 + x * 29 + c * 101 + x * y * 7 + (x * 5 + y * 3) % 11 * 17) % 256).astype(np.uint8)


def hexed(data):
    return bytes(data).hex()


def literal(value):
    """A Swift multi-line string whose lines are joined."""
    lines = [value[i:i + 120] for i in range(0, len(value), 120)]
    return '"""\n' + "\\\n".join(f"            {line}" for line in lines) + '\n            """'


def resample_cases():
    for name, code in FILTERS.items():
        for h, w, to_h, to_w in SIZES:
            out = Image.fromarray(pattern(h, w)).resize((to_w, to_h), code)
            yield f'        Resample(filter: "{name}", from: ({h}, {w}), to: ({to_h}, {to_w}), pixels: {literal(hexed(out.tobytes()))}),'


def fit_cases():
    """torchvision.transforms.Resize and CenterCrop, written out."""
    for h, w, side, size, name in [(40, 57, 32, 28, "bilinear"), (61, 40, 33, 28, "bicubic"), (20, 20, 9, 8, "bilinear")]:
        to = (side, int(side * w / h)) if h <= w else (int(side * h / w), side)
        out = Image.fromarray(pattern(h, w)).resize((to[1], to[0]), FILTERS[name])
        top, left = int(round((to[0] - size) / 2.0)), int(round((to[1] - size) / 2.0))
        out = out.crop((left, top, left + size, top + size))
        crc = np.frombuffer(out.tobytes(), np.uint8).astype(np.uint64)
        total = int((crc * (np.arange(len(crc), dtype=np.uint64) + 1)).sum() % (1 << 32))
        yield f'        FitCase(from: ({h}, {w}), side: {side}, size: {size}, filter: "{name}", sum: {total}),'


def pad_cases():
    """Pillow's ImageOps.pad."""
    for h, w, to_h, to_w, name in [(5, 9, 8, 8, "bilinear"), (9, 4, 6, 10, "bicubic"), (6, 6, 6, 6, "box"), (3, 40, 7, 7, "lanczos")]:
        out = ImageOps.pad(Image.fromarray(pattern(h, w)), (to_w, to_h), FILTERS[name], color=(10, 20, 30))
        yield f'        Resample(filter: "{name}", from: ({h}, {w}), to: ({to_h}, {to_w}), pixels: {literal(hexed(out.tobytes()))}),'


def interpolate(array, size, **attributes):
    """torch.nn.functional.interpolate by the ONNX operator that torch exports it to."""
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [4], [1, 1, *size])
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, *array.shape])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, *size])], [sizes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": array[None, None]})[0][0, 0]


MODES = {
    "half_pixel": dict(mode="linear", coordinate_transformation_mode="pytorch_half_pixel"),
    "align_corners": dict(mode="linear", coordinate_transformation_mode="align_corners"),
    "nearest": dict(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    "bicubic": dict(mode="cubic", coordinate_transformation_mode="pytorch_half_pixel", cubic_coeff_a=-0.75),
}


def upsample_cases():
    for name, attributes in MODES.items():
        for h, w, to_h, to_w in [(3, 4, 7, 9), (7, 7, 4, 3), (2, 5, 5, 5), (1, 3, 4, 6)]:
            y, x = np.mgrid[0:h, 0:w]
            array = ((y * 7 + x * 5) % 11 - 4 + 0.25 * x).astype(np.float32)
            out = interpolate(array, (to_h, to_w), **attributes)
            values = ", ".join(f"{v:.6g}" for v in out.ravel())
            rows = "\n".join("            " + line for line in wrap(values))
            yield f'        Upsample(interpolation: "{name}", from: ({h}, {w}), to: ({to_h}, {to_w}), values: [\n{rows}\n        ]),'


def wrap(values, limit=116):
    line, lines = "", []
    for item in values.split(", "):
        if len(line) + len(item) + 2 > limit:
            lines.append(line.rstrip())
            line = ""
        line += item + ", "
    return lines + [line.rstrip()]


def encoded(image, **options):
    stream = io.BytesIO()
    image.save(stream, **options)
    return stream.getvalue()


ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(pixels, color, extra=b"", interlaced=False):
    """A PNG file of height x width x channels in uint8 or uint16, as Pillow itself cannot write them all."""
    depth = 8 * pixels.dtype.itemsize
    height, width = pixels.shape[:2]
    parts = [pixels[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [pixels]
    rows = [b"\0" + row.astype(pixels.dtype.newbyteorder(">")).tobytes() for part in parts if part.size for row in part]
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")


def whitened(data):
    """What Pillow reads, over white."""
    image = Image.open(io.BytesIO(data)).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def png_cases():
    """What only PNG has: interlacing, keyed transparency, 16 bits, an Exif chunk, chunks that unpack to bombs."""
    small, deep = pattern(6, 8), pattern(6, 8).astype(np.uint16) * 257
    rgb = Image.fromarray(small)
    exif = Image.Exif()
    exif[0x0112] = 6
    key = b"".join(struct.pack(">H", int(v)) for v in small[1, 2])
    grey = np.dstack([small[..., 0], small[::-1, :, 1]])
    yield "pngInterlaced", png(small, 2, interlaced=True), rgb
    yield "pngInterlacedAlpha", (f := png(np.dstack([small, small[:, ::-1, 0]]), 6, interlaced=True)), whitened(f)
    yield "pngGreyAlpha", (f := png(grey, 4)), whitened(f)
    yield "pngKeyed", (f := png(small, 2, chunk(b"tRNS", key))), whitened(f)
    yield "pngDeepRGB", png(deep, 2), rgb
    yield "pngDeepAlpha", png(np.dstack([deep, deep[:, ::-1, 0]]), 6), whitened(png(np.dstack([small, small[:, ::-1, 0]]), 6))
    palette = rgb.quantize(7)
    palette.info["transparency"] = bytes([255, 0, 128, 255, 64, 255, 255])
    yield "pngPaletteAlpha", (f := encoded(palette, format="PNG", transparency=palette.info["transparency"])), whitened(f)
    yield "pngTurned", png(small, 2, chunk(b"eXIf", exif.tobytes()[6:])), rgb.transpose(Image.ROTATE_270)
    bomb = zlib.compress(bytes(1_000_000), 9)
    yield "pngBombs", png(small, 2, chunk(b"iCCP", b"p\0\0" + bomb) + chunk(b"zTXt", b"t\0\0" + bomb)), rgb


def webp_cases():
    rgb = Image.fromarray(pattern(6, 8))
    rgba = rgb.copy()
    rgba.putalpha(Image.fromarray(pattern(6, 8)[:, ::-1, 0]))
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth = Image.fromarray((np.mgrid[0:16, 0:16][0][..., None] * np.array([9, 5, 2]) + 20).astype(np.uint8))
    yield "webpLossless", encoded(rgb, format="WEBP", lossless=True), rgb
    yield "webpAlpha", (f := encoded(rgba, format="WEBP", lossless=True, exact=True)), whitened(f)
    yield "webpLossy", (f := encoded(smooth, format="WEBP", quality=80)), Image.open(io.BytesIO(f)).convert("RGB")
    yield "webpTurned", (f := encoded(rgb, format="WEBP", lossless=True, exif=exif)), rgb.transpose(Image.ROTATE_270)


def ycck():
    """A JPEG in YCCK: Pillow's CMYK file whose Adobe marker and colours are those of YCbCr plus K."""
    rgb = Image.fromarray((np.mgrid[0:16, 0:16][0][..., None] * np.array([9, 5, 2]) + 20).astype(np.uint8))
    y, cb, cr = rgb.convert("YCbCr").split()
    key = Image.new("L", rgb.size, 40)
    # Pillow inverts what it writes; the planes are inverted first so that the file holds them as they are.
    planes = [plane.point(lambda v: 255 - v) for plane in (y, cb, cr, key)]
    data = bytearray(encoded(Image.merge("CMYK", planes), format="JPEG", quality=98))
    marker = data.index(b"Adobe")
    data[marker + 11] = 2
    return bytes(data)


def decode_cases():
    """Files in every kind of pixel, with what Pillow makes of them."""
    rgb = Image.fromarray(pattern(6, 8))
    alpha = Image.fromarray(pattern(6, 8)[:, ::-1, 0])
    rgba = rgb.copy()
    rgba.putalpha(alpha)
    white = Image.new("RGBA", rgba.size, "white")
    cmyk = rgb.convert("CMYK")
    exif = Image.Exif()
    exif[0x0112] = 6
    smooth = Image.fromarray((np.mgrid[0:16, 0:16][0][..., None] * np.array([9, 5, 2]) + 20).astype(np.uint8))
    yield "pngRGB", encoded(rgb, format="PNG"), rgb
    yield "pngGrey", encoded(rgb.convert("L"), format="PNG"), rgb.convert("L").convert("RGB")
    yield "pngPalette", encoded(rgb.quantize(7), format="PNG"), rgb.quantize(7).convert("RGB")
    yield "pngBit", encoded(rgb.convert("1"), format="PNG"), rgb.convert("1").convert("RGB")
    yield "pngAlpha", encoded(rgba, format="PNG"), Image.alpha_composite(white, rgba).convert("RGB")
    yield "pngDeep", encoded(Image.fromarray(pattern(6, 8)[..., 0].astype(np.uint16) * 257), format="PNG"), Image.fromarray(pattern(6, 8)[..., 0]).convert("RGB")
    yield "jpegRGB", (f := encoded(smooth, format="JPEG", quality=95)), Image.open(io.BytesIO(f)).convert("RGB")
    yield "jpegGrey", (f := encoded(smooth.convert("L"), format="JPEG")), Image.open(io.BytesIO(f)).convert("RGB")
    yield "jpegProgressive", (f := encoded(smooth, format="JPEG", progressive=True, subsampling=0)), Image.open(io.BytesIO(f)).convert("RGB")
    yield "jpegCMYK", (f := encoded(cmyk, format="JPEG", quality=98)), Image.open(io.BytesIO(f)).convert("RGB")
    yield "jpegYCCK", (f := ycck()), Image.open(io.BytesIO(f)).convert("RGB")
    yield "jpegTurned", (f := encoded(smooth.crop((0, 0, 16, 9)), format="JPEG", exif=exif)), Image.open(io.BytesIO(f)).transpose(Image.ROTATE_270).convert("RGB")
    yield from png_cases()
    yield from webp_cases()


def main():
    print(f"""// swift-format-ignore-file
// Made by generate.py with Pillow {__version__} and onnxruntime {onnxruntime.__version__}; not edited by hand.

enum Golden {{
    struct Resample {{
        let filter: String
        let from: (Int, Int)
        let to: (Int, Int)
        let pixels: String
    }}
    struct FitCase {{
        let from: (Int, Int)
        let side: Int
        let size: Int
        let filter: String
        /// Of byte times position, modulo 2^32.
        let sum: UInt64
    }}
    struct Upsample {{
        let interpolation: String
        let from: (Int, Int)
        let to: (Int, Int)
        let values: [Float]
    }}
    struct File {{
        let name: String
        let bytes: String
        let size: (Int, Int)
        let pixels: String
    }}
""")
    print("    static let resample = [\n" + "\n".join(resample_cases()) + "\n    ]\n")
    print("    static let pad = [\n" + "\n".join(pad_cases()) + "\n    ]\n")
    animation = encoded(Image.fromarray(pattern(6, 8)), format="WEBP", save_all=True, append_images=[Image.fromarray(pattern(6, 8)[::-1])])
    print(f"    static let animation = {literal(hexed(animation))}\n")
    print("    static let fit = [\n" + "\n".join(fit_cases()) + "\n    ]\n")
    print("    static let upsample = [\n" + "\n".join(upsample_cases()) + "\n    ]\n")
    files = [
        f'        File(name: "{name}", bytes: {literal(hexed(data))}, size: ({image.height}, {image.width}), pixels: {literal(hexed(image.tobytes()))}),'
        for name, data, image in decode_cases()
    ]
    print("    static let files = [\n" + "\n".join(files) + "\n    ]\n}")


main()
