"""The registry of methods, as the library describes it."""

from __future__ import annotations

import ctypes
import functools
from typing import Dict, NamedTuple, Tuple

from . import _abi
from ._library import check, library
from .errors import NotFoundError
from .runtime import text, until_not_found


class Parameter(NamedTuple):
    """An option of a method."""

    name: str  #: as a keyword argument of :meth:`pellucid.Model.explain`
    type: str  #: "integer", "real", "boolean", "choice", "text", "value" (a layer), "numbers" or "tensor"
    default: str  #: as text; empty: chosen at run time
    range: str  #: "1...10000", or the choices separated by "|"; empty: any
    help: str  #: what it does, and where the default comes from

    def __str__(self) -> str:
        facts = ", ".join(filter(None, (self.type, self.range, self.default and f"default {self.default}")))
        return f"{self.name} ({facts})\n    {self.help}"


class Method:
    """An explanation method or a metric; ``help(method)`` lists its options.

    Attributes:
        name: As in the literature: "grad-cam".
        family: "cam", "gradient", …
        kind: "explainer" or "metric".
        summary: One sentence.
        needs: What a model must have: "gradient", "layer", "global-pooling", …; what a metric judges: "map", "explanation", "regions".
        reference: The paper.
        direction: Of a metric, which values are better: "higher" or "lower".
        category: Of a metric: "faithfulness", "robustness", "localisation", …
        range: Of a metric's value: "0...1".
        options: Every option as a :class:`Parameter`, by name.
    """

    def __init__(self, info: _abi.MethodInfo):
        self.name: str = text(info.name)
        self.family: str = text(info.family)
        self.kind: str = text(info.kind)
        self.summary: str = text(info.summary)
        self.needs: Tuple[str, ...] = tuple(filter(None, (need.strip() for need in text(info.needs).split(","))))
        self.reference: str = text(info.reference)
        self.direction: str = text(info.direction)
        self.category: str = text(info.category)
        self.range: str = text(info.range)
        parameters = until_not_found(_parameter_at, info.name)
        self.options: Dict[str, Parameter] = {parameter.name: parameter for parameter in parameters}
        self.__doc__ = str(self)

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}: {self.summary}>"

    def __str__(self) -> str:
        head = [f"{self.name} ({self.family}): {self.summary}"]
        if self.reference:
            head.append(self.reference)
        if self.needs:
            head.append(f"Needs: {', '.join(self.needs)}")
        if self.direction:
            head.append(f"Range: {self.range}, {self.direction} is better")
        verb = "evaluate" if self.kind == "metric" else "explain"
        judged = ", explanation" if self.kind == "metric" else ""
        call = f"model.{verb}({self.name!r}, x{judged}, target=None, **options)"
        return "\n".join([*head, "", call, "", "Options:", *map(str, self.options.values())])


class Methods(Dict[str, Method]):
    """Methods by name; printed as a table, and an unknown name is an error that tells the nearest."""

    def __missing__(self, name: str) -> Method:
        import difflib

        near = difflib.get_close_matches(str(name), self, 1)
        kind = next((method.kind for method in self.values()), "method").replace("explainer", "method")
        raise NotFoundError(f"there is no {kind} {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))

    def __repr__(self) -> str:
        width = max(map(len, self), default=0)
        return "\n".join(f"{name:{width}}  {method.summary}" for name, method in self.items())


def methods() -> Methods:
    """Every explanation method of the library, by name.

    >>> pellucid.methods()["grad-cam"].options["layer"].help
    >>> help(pellucid.methods()["grad-cam"])
    """
    return Methods((method.name, method) for method in _all() if method.kind == "explainer")


def metrics() -> Methods:
    """Every metric that judges explanations, by name.

    >>> pellucid.metrics()["deletion"].direction
    'lower'
    """
    return Methods((method.name, method) for method in _all() if method.kind == "metric")


@functools.lru_cache(maxsize=None)
def _all() -> Tuple[Method, ...]:
    """The registry never changes while a process lives."""
    return tuple(map(_method_at, range(check(library().pellucid_method_count()))))


def _method_at(index: int) -> Method:
    info = _abi.MethodInfo(struct_size=ctypes.sizeof(_abi.MethodInfo))
    check(library().pellucid_method_at(index, ctypes.byref(info)))
    return Method(info)


def _parameter_at(method: bytes, index: int) -> Parameter:
    info = _abi.ParameterInfo(struct_size=ctypes.sizeof(_abi.ParameterInfo))
    check(library().pellucid_method_parameter_at(method, index, ctypes.byref(info)))
    return Parameter(text(info.name), text(info.type), text(info.default_value), text(info.range), text(info.help))
