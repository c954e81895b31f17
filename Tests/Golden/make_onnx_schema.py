#!/usr/bin/env python3
"""Write Sources/Graphs/Onnx/OnnxSchema+Table.swift: what the schemas of ONNX, and onnxruntime's for the operators it adds, say
about attributes and numbers of inputs.

    python make_onnx_schema.py

Needs onnx and onnxruntime. One line per operator and opset at which something of this changed:

    name opset inputs outputs attributes      inputs and outputs: `2` or `1-3`, `*` for any number behind the first
                                              attribute: its name, `!` when it must be given, and the letter of its type
    name opset gone                           deprecated from that opset on
"""

import pathlib

import re

import onnx
import onnxruntime.capi.onnxruntime_pybind11_state as runtime

ROOT = pathlib.Path(__file__).resolve().parents[2]
LETTERS = {"FLOAT": "f", "INT": "i", "STRING": "s", "TENSOR": "t", "GRAPH": "g", "FLOATS": "F", "INTS": "I", "STRINGS": "S",
           "SPARSE_TENSOR": "p", "TYPE_PROTO": "y", "TENSORS": "T", "GRAPHS": "G", "SPARSE_TENSORS": "P", "TYPE_PROTOS": "Y"}


def count(low, high):
    if high > 1000:
        return f"{low}-*"
    return str(low) if low == high else f"{low}-{high}"


def line(schema):
    name = schema.name if not schema.domain else f"{schema.domain}:{schema.name}"
    if schema.deprecated:
        return name, schema.since_version, "gone"
    attributes = sorted(f"{a.name}{'!' if a.required else ':'}{LETTERS[str(a.type).split('.')[-1]]}" for a in schema.attributes.values())
    return name, schema.since_version, " ".join([count(schema.min_input, schema.max_input), count(schema.min_output, schema.max_output)] + attributes)


def contributed():
    """Schemas of the operators of com.microsoft that Pellucid lowers, and of those that onnxruntime puts into ONNX's domain."""
    text = "".join(path.read_text() for path in (ROOT / "Sources/Graphs/Operators/Contributed").glob("*.swift"))
    names = set(re.findall(r'domain \+ "(\w+)"', text)) | {name for name, _ in re.findall(r'\("(\w+)", (\d+)\)', text)}
    schemas = runtime.get_all_operator_schema()
    own = [s for s in schemas if s.domain == "com.microsoft" and s.name in names]
    if missing := names - {s.name for s in own}:
        raise SystemExit(f"onnxruntime has no schema for {missing}")
    return own + [s for s in schemas if s.domain == "" and s.name in ("LayerNormalization", "SimplifiedLayerNormalization") and s.since_version == 1]


def main():
    schemas = [s for s in onnx.defs.get_all_schemas_with_history() if s.domain in ("", "ai.onnx.ml")]
    rows = sorted(line(s) for s in schemas + contributed())
    kept, last = [], (None, None)
    for name, since, text in rows:
        if (name, text) != last:
            kept.append(f"        {name} {since} {text}")
        last = (name, text)
    target = ROOT / "Sources/Graphs/Onnx/OnnxSchema+Table.swift"
    target.write_text("// Written by Tests/Golden/make_onnx_schema.py from onnx " + onnx.__version__ + "; not edited by hand.\n\n"
                      "extension OnnxSchema {\n    static let table = \"\"\"\n" + "\n".join(kept) + "\n        \"\"\"\n}\n")


if __name__ == "__main__":
    main()
