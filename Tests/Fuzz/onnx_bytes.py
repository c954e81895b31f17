"""Writes ONNX files byte by byte, so that they may say what no library would let them say. Needs nothing installed."""

import struct
from typing import Iterable, List, Sequence, Tuple, Union

FLOAT, INT64, BOOL = 1, 7, 9


def varint(value: int) -> bytes:
    """Protobuf's base 128; negative numbers as 64-bit two's complement."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field with an integer."""
    return varint(field << 3) + varint(value)


def data(field: int, value: Union[str, bytes]) -> bytes:
    """A field with text, bytes or a message."""
    raw = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(raw)) + raw


def tensor(name: str, kind: int, sizes: Sequence[int], values: Sequence[float] = ()) -> bytes:
    """TensorProto."""
    code = {FLOAT: "f", INT64: "q", BOOL: "?"}[kind]
    raw = b"".join(struct.pack("<" + code, value) for value in values)
    return b"".join(number(1, size) for size in sizes) + number(2, kind) + data(8, name) + data(9, raw)


def attribute(name: str, value: Union[int, List[int], bytes, Tuple[str, bytes]]) -> bytes:
    """AttributeProto: an integer, integers, a tensor (bytes) or a graph ("graph", bytes)."""
    head = data(1, name)
    if isinstance(value, int):
        return head + number(3, value) + number(20, 2)
    if isinstance(value, list):
        return head + b"".join(number(8, item) for item in value) + number(20, 7)
    if isinstance(value, tuple):
        return head + data(6, value[1]) + number(20, 5)
    return head + data(5, value) + number(20, 4)


def node(op: str, inputs: Iterable[str], outputs: Iterable[str], name: str = "", **attributes) -> bytes:
    """NodeProto."""
    ends = b"".join(data(1, i) for i in inputs) + b"".join(data(2, o) for o in outputs)
    return ends + data(3, name or op) + data(4, op) + b"".join(data(5, attribute(k, v)) for k, v in attributes.items())


def value(name: str, kind: int, sizes: Union[Sequence[Union[int, str]], None]) -> bytes:
    """ValueInfoProto; sizes None: unknown rank; text: a symbol."""
    shape = b""
    if sizes is not None:
        dims = (number(1, size) if isinstance(size, int) else data(2, size) for size in sizes)
        shape = data(2, b"".join(data(1, dim) for dim in dims))
    return data(1, name) + data(2, data(1, number(1, kind) + shape))


def graph(nodes: Iterable[bytes], inputs=(), outputs=(), weights=()) -> bytes:
    """GraphProto."""
    parts = [data(1, each) for each in nodes] + [data(2, "g")] + [data(5, each) for each in weights]
    return b"".join(parts + [data(11, each) for each in inputs] + [data(12, each) for each in outputs])


def model(body: bytes, opset: int = 17) -> bytes:
    """ModelProto."""
    return number(1, 8) + data(7, body) + data(8, data(1, "") + number(2, opset))
