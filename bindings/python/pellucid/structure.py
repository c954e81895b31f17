"""What is known about a model before it runs: its values, its modules, and what calls on it cost."""

from __future__ import annotations

import ctypes
from typing import Any, Callable, Iterator, List, Mapping, NamedTuple, Optional, Tuple, Union

from . import _abi
from ._library import check, library
from ._tensor import DTYPE_NAMES
from .errors import NotFoundError
from .runtime import text

#: Sizes of axes: symbols as text, "?" where nothing is known; None: not even the rank is.
Shape = Optional[Tuple[Union[int, str], ...]]


class Value(NamedTuple):
    """A value of a model: an input, an output, what a node computes, or a weight."""

    name: str  #: ONNX value name
    dtype: Optional[str]  #: element type, named as in NumPy; None: unknown
    shape: Shape  #: symbols as text ("?": unknown); None: unknown rank
    op: str  #: ONNX operator that computes it; empty for inputs and weights
    node: str  #: name of that node
    module: str  #: module path that the exporter recorded, as "layer4.1.conv2"; may be empty
    parameters: int = 0  #: elements of the weights that its node reads, each counted once
    flops: Optional[int] = None  #: of its node for one image; None: they depend on sizes that are not known
    differentiable: bool = False  #: whether the first output has a gradient with respect to it
    backend: str = ""  #: what runs its node; empty where that depends on sizes that are not known


class Metadata(Mapping[str, str]):
    """Metadata of a model by key.

    Any key of the file may be asked for; listed are those that every model may have: ``producer``,
    ``producer_version``, ``domain``, ``graph``, ``ir_version``, ``opset``, ``hash``, ``backend``.
    """

    KEYS = ("producer", "producer_version", "domain", "graph", "ir_version", "opset", "hash", "backend")

    def __init__(self, lookup: Callable[[str], Optional[str]]):
        self._lookup = lookup

    def __getitem__(self, key: str) -> str:
        value = self._lookup(key)
        if value is None:
            raise KeyError(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return (key for key in self.KEYS if key in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return repr(dict(self))


class Cost(NamedTuple):
    """What a call takes at most."""

    forwards: int  #: images that run forward
    backwards: int  #: images that run backward
    bytes: int  #: most bytes of activations at once
    flops: Optional[int]  #: arithmetic, a multiplication and an addition being 2; None: unknown

    def __str__(self) -> str:
        work = "unknown arithmetic" if self.flops is None else _short(self.flops, "FLOPs")
        return f"{self.forwards} forwards, {self.backwards} backwards, {_short(self.bytes, 'B')}, {work}"


class Module:
    """A part of a network as its author wrote it; iterates over itself and all modules inside, outer ones first.

    Printed as a table, ``module["layer4.1"]`` finds one by its path.

    Attributes:
        name: Path, as "layer4.1.conv2", which is accepted wherever a layer is named; empty for the whole model.
        kind: Class that the exporter recorded, as "Bottleneck", or the operator of its only node; may be empty.
        nodes: Number of nodes inside.
        value: Name of the value that it returns.
        parameters: Elements of its weights.
        flops: Of its nodes for one image; None: they depend on sizes that are not known.
        dtype: Element type of its value; None: unknown.
        shape: Shape of its value, as in :class:`Value`.
        differentiable: Whether the first output has a gradient with respect to its value.
        parent: The module around it; None for the whole model.
        children: The modules directly inside.
    """

    def __init__(self, info: Any, parent: Optional[Module]):
        self.name = text(info.name)
        self.kind = text(info.kind)
        self.nodes = int(info.nodes)
        self.value = text(info.value)
        self.parameters = int(info.parameters)
        self.flops = _known(info.flops)
        self.dtype = DTYPE_NAMES.get(info.dtype)
        self.shape = shape_of(info)
        self.differentiable = bool(info.differentiable)
        self.parent = parent
        self.children: List[Module] = []
        if parent is not None:
            parent.children.append(self)

    def __iter__(self) -> Iterator[Module]:
        pending = [self]
        while pending:
            module = pending.pop()
            yield module
            pending += reversed(module.children)

    def __getitem__(self, name: str) -> Module:
        for module in self:
            if module.name == name:
                return module
        import difflib

        near = difflib.get_close_matches(str(name), [module.name for module in self], 1)
        raise NotFoundError(f"there is no module {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))

    def __repr__(self) -> str:
        return f"<Module {self.name or '(model)'}: {self._facts()}>"

    def __str__(self) -> str:
        own = self.name.count(".") + bool(self.name)
        rows = [("  " * (m.name.count(".") + bool(m.name) - own) + (m.name or "(model)"), m._facts()) for m in self]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:{width}}  {facts}" for name, facts in rows)

    def _facts(self) -> str:
        shape = "" if self.shape is None else f"{self.dtype or '?'}[{', '.join(map(str, self.shape))}]"
        flops = _short(self.flops, "FLOPs") if self.flops else ""
        parameters = _short(self.parameters, "parameters") if self.parameters else ""
        return ", ".join(filter(None, (self.kind, shape, parameters, flops)))


def value_at(handle: int, kind: int, index: int) -> Value:
    """A value of a model."""
    info = _abi.ValueInfo(struct_size=ctypes.sizeof(_abi.ValueInfo))
    check(library().pellucid_model_value_at(handle, kind, index, ctypes.byref(info)))
    return Value(
        text(info.name),
        DTYPE_NAMES.get(info.dtype),
        shape_of(info),
        text(info.op),
        text(info.node),
        text(info.module),
        int(info.parameters),
        _known(info.flops),
        bool(info.differentiable),
        text(info.backend),
    )


def modules_of(handle: int) -> Module:
    """The whole model, with its modules inside."""
    found: List[Module] = []
    for index in range(check(library().pellucid_model_module_count(handle))):
        info = _abi.ModuleInfo(struct_size=ctypes.sizeof(_abi.ModuleInfo))
        check(library().pellucid_model_module_at(handle, index, ctypes.byref(info)))
        found.append(Module(info, found[info.parent] if info.parent >= 0 else None))
    return found[0]


def cost_of(info: _abi.Cost) -> Cost:
    """A filled ``pellucid_cost``."""
    return Cost(info.forwards, info.backwards, info.bytes, _known(info.flops))


def shape_of(info: Any) -> Shape:
    """The shape in a struct that has ``rank``, ``dims`` and ``dim_names``."""
    if info.rank < 0:
        return None
    names = (text(info.dim_names[axis]) if info.dim_names else "" for axis in range(info.rank))
    return tuple(info.dims[axis] if info.dims[axis] >= 0 else name or "?" for axis, name in enumerate(names))


def _known(number: int) -> Optional[int]:
    return None if number < 0 else int(number)


def _short(number: float, unit: str) -> str:
    """1234567 as "1.23 M" of the unit."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if number < 999.5 or prefix == "P":
            break
        number /= 1000
    return f"{number:.3g} {prefix}{'' if len(unit) == 1 or not prefix else ' '}{unit}"
