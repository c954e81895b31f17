"""Models: load an ONNX file, look inside it, run it, differentiate it, explain it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import weakref
from functools import cached_property
from typing import Any, ContextManager, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from . import _abi
from ._control import Call, Cancel, HookCallback, ProgressCallback, active_hook
from ._library import address, check, library
from ._feeds import Feeds, Preprocess
from ._options import Options, encode, options
from ._results import Result
from ._tensor import Tensor, unwrap
from .errors import InvalidError, MissingFileError, NotFoundError
from .evaluation import Evaluation
from .explanation import Explanation
from .labels import Labels, read as read_labels
from .runtime import Runtime, shared_runtime, text
from .structure import Cost, Metadata, Module, Value, cost_of, modules_of, value_at
from .target import NativeTarget, Target, as_target

TargetLike = Union[Target, int, Sequence[int], None]
Progress = Union[ProgressCallback, bool, None]


def load(
    model: Union[str, os.PathLike[str], bytes, bytearray, memoryview],
    *,
    backend: Optional[str] = None,
    threads: Optional[int] = None,
    passes: Union[str, Sequence[str], None] = None,
    memory: Optional[int] = None,
    labels: Optional[Labels] = None,
    runtime: Optional[Runtime] = None,
    **more: Any,
) -> Model:
    """Loads an ONNX model from a path or from bytes.

    Args:
        model: Path of the file, or its content.
        backend: Name of the preferred backend, see :func:`pellucid.backends`. Default: the best score.
        threads: Threads that work on one call. Default: the processors available.
        passes: ``"all"`` (default), ``"none"``, or names of graph passes; ``"-name"`` leaves one out of all.
        memory: Bytes that one run may use for activations; larger batches are split. Default: 1 GiB.
        labels: Names of the classes: a sequence, or a file with one a line, or a .json file. Default: none.
        runtime: The runtime to load into, in place of one chosen by ``threads``.
        more: Further options of the library, as ``external=False`` or ``folder=…``.

    Raises:
        MissingFileError: There is no such file; a FileNotFoundError.
        NotFoundError: There is no such backend or option.
        ParseError: The file is damaged, or no ONNX model.
        UnsupportedError: The model needs what the library lacks.
        OSError: The file cannot be read.
    """
    names = read_labels(labels) if labels is not None else []
    if runtime is not None and threads is not None:
        raise InvalidError("threads belong to the runtime: give threads or runtime, not both")
    runtime = runtime or shared_runtime(threads)
    settings = options({"backend": backend, "passes": passes, "memory": memory, **more})
    option_handle = settings.handle if settings else None
    handle = ctypes.c_void_p()
    out = ctypes.byref(handle)
    source = ""
    if isinstance(model, (str, os.PathLike)):
        source = os.path.basename(os.fspath(model))
        try:
            check(library().pellucid_model_load(out, runtime.handle, os.fsencode(model), option_handle))
        except NotFoundError as problem:
            if os.path.exists(model):
                raise  # an option of that name
            raise MissingFileError(str(problem), os.fspath(model)) from None
    else:
        content = np.frombuffer(model, np.uint8)
        start = content.ctypes.data
        check(library().pellucid_model_load_memory(out, runtime.handle, start, content.size, option_handle))
    return Model(address(handle), runtime, names, source)


class Model:
    """An ONNX model. Made by :func:`pellucid.load`.

    Immutable: any number of threads may use one model at once. Inputs are arrays in the model's own layout, or anything
    that NumPy or DLPack can read; several inputs are given as a dict by name. Results are read-only arrays over the
    library's memory; copy one to change it.
    """

    def __init__(self, handle: int, runtime: Runtime, labels: Sequence[str] = (), source: str = ""):
        self.runtime = runtime
        self.labels = list(labels)  #: names of the classes, where they were given
        self._source = source
        self._handle = handle
        self._lock = threading.Lock()
        self._release = weakref.finalize(self, library().pellucid_model_release, handle)
        self._release.atexit = False

    def __enter__(self) -> Model:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __repr__(self) -> str:
        if not self._release.alive:
            return "<Model closed>"
        name = self._source or self.metadata.get("graph", "")
        size = f"{self._count(_abi.LAYER)} layers, {self._count(_abi.WEIGHT)} weights, backend {self.metadata.get('backend', '?')}"
        return f"<Model {name}: {_signature(self.inputs)} → {_signature(self.outputs)}; {size}>"

    def close(self) -> None:
        """Releases the model once the calls under way have ended. Doing it twice is allowed."""
        with self._lock:
            self._release()

    @contextlib.contextmanager
    def _use(self) -> Iterator[int]:
        """The handle, kept alive for the block even if another thread closes the model."""
        with self._lock:
            if not self._release.alive:
                raise InvalidError("the model is closed")
            library().pellucid_model_retain(self._handle)
        try:
            yield self._handle
        finally:
            library().pellucid_model_release(self._handle)

    @cached_property
    def inputs(self) -> List[Value]:
        """What a run must be fed, in the model's order."""
        return self._values(_abi.INPUT)

    @cached_property
    def outputs(self) -> List[Value]:
        """What the model returns, in its order."""
        return self._values(_abi.OUTPUT)

    @cached_property
    def layers(self) -> List[Value]:
        """Every value that a node computes, in execution order."""
        return self._values(_abi.LAYER)

    @cached_property
    def weights(self) -> List[Value]:
        """The initialisers."""
        return self._values(_abi.WEIGHT)

    @cached_property
    def modules(self) -> Module:
        """The whole model with its modules inside, as its author wrote them; printed as a table.

        >>> for module in model.modules:
        ...     print(module.name, module.kind, module.parameters, module.flops)
        >>> model.modules["layer4.1"].shape
        """
        with self._use() as handle:
            return modules_of(handle)

    @cached_property
    def metadata(self) -> Metadata:
        """Metadata of the file and facts about the model, by key."""
        return Metadata(self._metadata)

    def _metadata(self, key: str) -> Optional[str]:
        with self._use() as handle:
            value = library().pellucid_model_metadata(handle, encode(key))
        return None if value is None else text(value)

    def _values(self, kind: int) -> List[Value]:
        with self._use() as handle:
            count = check(library().pellucid_model_value_count(handle, kind))
            return [value_at(handle, kind, index) for index in range(count)]

    def _count(self, kind: int) -> int:
        with self._use() as handle:
            return check(library().pellucid_model_value_count(handle, kind))

    def run(
        self,
        x: Any,
        want: Union[str, Sequence[str], None] = None,
        *,
        preprocess: Preprocess = None,
        progress: Progress = None,
        deadline: Optional[float] = None,
        cancel: Optional[Cancel] = None,
    ) -> Any:
        """Computes the model's outputs, or any other values.

        Args:
            x: The input in the model's own layout and units: an array, or a dict name → array. An inner value may be fed
                too and then replaces what is computed. With ``preprocess`` an image: a path, the bytes of a file, a Pillow
                image, a uint8 array of height x width x 3; or several, as a list or stack, which make a batch.
            want: Names of values, nodes or layers; only what they need is computed. Default: all outputs.
            preprocess: How images are prepared: a preset ("imagenet", "lite", "inception", "clip", "caffe", "unit", "raw"),
                or a mapping of settings, see :func:`pellucid.image.preprocess`. Size and layout follow the model's input where
                the mapping says nothing. Default: inputs are arrays.
            progress: A callable ``(fraction, stage)``, fraction from 0 to 1, whose true result cancels; or True for a bar.
                Default: silence.
            deadline: Seconds after which the call is cancelled; a method that samples then gives what it has, see
                :attr:`Explanation.stopped`. Default: none.
            cancel: A flag that another thread may set. Default: none.

        Returns:
            With ``want`` a list: a dict name → array in that order. With ``want`` a name, or for the only output of a
            model: the array. For several outputs: a dict. Arrays are read-only and own their memory.

        Raises:
            ShapeError: An input does not fit.
            NotFoundError: There is no value of that name.
            CancelledError: ``progress``, ``cancel`` or ``deadline`` ended the call.
            InvalidError: An image came without ``preprocess``, or settings that make no sense.
        """
        names = _names(want) or [value.name for value in self.outputs]
        feeds = Feeds(self.inputs, x, preprocess)
        with self._use() as handle, Call(self, progress, deadline, cancel) as call:
            outputs = (ctypes.c_void_p * len(names))()
            status = library().pellucid_model_run(
                handle, feeds.table, len(feeds.table), _texts(names), len(names), outputs, call.pointer
            )
            arrays = _collect(call, status, outputs, feeds)
        alone = len(names) == 1 and (want is None or isinstance(want, str))
        return arrays[0] if alone else dict(zip(names, arrays))

    def gradient(
        self,
        x: Any,
        target: TargetLike = None,
        wrt: Union[str, Sequence[str], None] = None,
        rules: str = "gradient",
        *,
        score: Optional[str] = None,
        output: Optional[str] = None,
        preprocess: Preprocess = None,
        progress: Progress = None,
        deadline: Optional[float] = None,
        cancel: Optional[Cancel] = None,
    ) -> Dict[str, np.ndarray]:
        """Gradients of the target, summed over the batch.

        Args:
            x: As in :meth:`run`.
            target: What to differentiate: a class index, one index per image, a :class:`Target`, or None for each
                image's best class.
            wrt: Names of inputs, inner values or weights. Default: all inputs of a real type.
            rules: ``"gradient"``, ``"guided-backprop"`` or ``"deconvolution"``.
            score: ``"auto"`` (default), ``"logit"``, ``"probability"`` or ``"output"``, see :class:`Target`.
            output: Output or other value that the target is taken from. Default: the first output.
            preprocess: As in :meth:`run`.
            progress: As in :meth:`run`.
            deadline: As in :meth:`run`.
            cancel: As in :meth:`run`.

        Returns:
            A dict name → gradient, each with the shape of its value; read-only.

        Raises:
            UnsupportedError: An operator between the target and a value has no derivative.
            NotFoundError: There is no value of that name.
            ShapeError, CancelledError, InvalidError: As in :meth:`run`.
        """
        names = _names(wrt) or [value.name for value in self.inputs if "float" in (value.dtype or "float")]
        feeds = Feeds(self.inputs, x, preprocess)
        with self._use() as handle, Call(self, progress, deadline, cancel) as call:
            native = NativeTarget(as_target(target, score, output))
            gradients = (ctypes.c_void_p * len(names))()
            status = library().pellucid_model_gradient(
                handle,
                feeds.table,
                len(feeds.table),
                ctypes.byref(native.struct),
                _texts(names),
                len(names),
                encode(rules),
                gradients,
                call.pointer,
            )
            return dict(zip(names, _collect(call, status, gradients, feeds)))

    def explain(
        self,
        method: str,
        x: Any,
        target: TargetLike = None,
        *,
        score: Optional[str] = None,
        output: Optional[str] = None,
        preprocess: Preprocess = None,
        labels: Optional[Labels] = None,
        progress: Progress = None,
        deadline: Optional[float] = None,
        cancel: Optional[Cancel] = None,
        **options: Any,
    ) -> Explanation:
        """Explains the model's decision.

        Args:
            method: A name of :func:`pellucid.methods`, as ``"grad-cam"``.
            x: As in :meth:`run`. A batch of images gives a batch of maps.
            target: As in :meth:`gradient`: by default each image's best class.
            score: As in :meth:`gradient`.
            output: As in :meth:`gradient`.
            preprocess: As in :meth:`run`. With images, the explanation knows what to draw its map over.
            labels: Names of the classes, as for :func:`pellucid.load`. Default: those given there.
            progress: As in :meth:`run`.
            deadline: As in :meth:`run`.
            cancel: As in :meth:`run`.
            options: Options of the method, see ``help(pellucid.methods()[method])``: numbers, booleans, text, flat
                lists, or arrays. None leaves the default.

        Raises:
            NotFoundError: There is no such method, layer or value; the message tells the nearest.
            InvalidError: There is no such option, or it is out of its range.
            UnsupportedError: The method cannot explain this model.
            ShapeError, CancelledError: As in :meth:`run`.
        """
        names = self.labels if labels is None else read_labels(labels)
        feeds = Feeds(self.inputs, x, preprocess)
        settings = Options(options)
        with self._use() as handle, Call(self, progress, deadline, cancel) as call:
            native = NativeTarget(as_target(target, score, output))
            result = ctypes.c_void_p()
            status = library().pellucid_explain(
                ctypes.byref(result),
                handle,
                encode(method),
                feeds.table,
                len(feeds.table),
                ctypes.byref(native.struct),
                settings.handle,
                call.pointer,
            )
            explanation = Explanation._from_result(result.value, self, feeds, names) if result.value else None
            call.finish(status)
        assert explanation is not None
        return explanation

    def evaluate(
        self,
        metric: str,
        x: Any,
        explanation: Union[Explanation, Any] = None,
        target: TargetLike = None,
        *,
        score: Optional[str] = None,
        output: Optional[str] = None,
        preprocess: Preprocess = None,
        progress: Progress = None,
        deadline: Optional[float] = None,
        cancel: Optional[Cancel] = None,
        **options: Any,
    ) -> Evaluation:
        """Judges an explanation by a metric.

        Args:
            metric: A name of :func:`pellucid.metrics`, as ``"deletion"``.
            x: The explained input, as in :meth:`run`.
            explanation: An :class:`Explanation` of ``x``, or a map: N x 1 x height x width of any size, or shaped as the input.
                Metrics that explain again need an explanation that :meth:`explain` made.
            target: As in :meth:`gradient`; by default what was explained, or each image's best class.
            score: As in :meth:`gradient`; by default the metric's own, as ``"probability"`` for deletion.
            output: As in :meth:`gradient`.
            preprocess: As in :meth:`run`.
            progress: As in :meth:`run`.
            deadline: As in :meth:`run`.
            cancel: As in :meth:`run`.
            options: Options of the metric, see ``help(pellucid.metrics()[metric])``.

        Raises:
            NotFoundError: There is no such metric.
            InvalidError: There is no such option, it is out of its range, or there is nothing to judge.
            UnsupportedError, ShapeError, CancelledError: As in :meth:`explain`.
        """
        feeds = x if isinstance(x, Feeds) else Feeds(self.inputs, x, preprocess)
        judged, settings, aim = _judged(explanation, options, target, score, output)
        with self._use() as handle, Call(self, progress, deadline, cancel) as call:
            native = None if aim is None else NativeTarget(aim)
            result = ctypes.c_void_p()
            status = library().pellucid_evaluate(
                ctypes.byref(result),
                handle,
                encode(metric),
                feeds.table,
                len(feeds.table),
                None if native is None else ctypes.byref(native.struct),
                None if judged is None else judged.handle,
                settings.handle,
                call.pointer,
            )
            made = Result(result.value) if result.value else None
            call.finish(status)
        assert made is not None
        return Evaluation(made.tensors(feeds.tensors), made.numbers(), made.data())

    def cost(
        self,
        method: Optional[str] = None,
        x: Any = None,
        target: TargetLike = None,
        *,
        score: Optional[str] = None,
        output: Optional[str] = None,
        preprocess: Preprocess = None,
        **options: Any,
    ) -> Cost:
        """What a call would take at most, without making it.

        Args:
            method: As in :meth:`explain`. Default: what :meth:`run` takes.
            x: As in :meth:`run`; only its shape counts. Default for a run: one image of the model's own size.
            target: As in :meth:`explain`.
            score: As in :meth:`explain`.
            output: As in :meth:`explain`.
            preprocess: As in :meth:`run`.
            options: As in :meth:`explain`.

        >>> print(model.cost("smoothgrad", x, n_samples=100))
        100 forwards, 100 backwards, 21.4 MB, 235 G FLOPs
        """
        info = _abi.Cost(struct_size=ctypes.sizeof(_abi.Cost))
        feeds = None if x is None else Feeds(self.inputs, x, preprocess)
        table, count = (None, 0) if feeds is None else (feeds.table, len(feeds.table))
        with self._use() as handle:
            if method is None:
                if options:
                    raise TypeError(f"a run has no options: {', '.join(options)}")
                check(library().pellucid_model_cost(ctypes.byref(info), handle, table, count))
            else:
                native, settings = NativeTarget(as_target(target, score, output)), Options(options)
                arguments = (handle, encode(method), table, count, ctypes.byref(native.struct), settings.handle)
                check(library().pellucid_explain_cost(ctypes.byref(info), *arguments))
        return cost_of(info)

    def hook(self, value: str, fn: HookCallback, phase: str = "forward") -> ContextManager[None]:
        """Observes or replaces a value in all calls that this thread or task makes on the model inside the block.

        Args:
            value: Name of a value, node or layer.
            fn: Called with the name and the value as a read-only array. Returns None, or an array of the same shape
                that takes the value's place. What it raises ends the call and comes out of it.
            phase: ``"forward"`` for the value, ``"backward"`` for its gradient.

        >>> with model.hook("layer4", lambda name, value: value * 0):
        ...     without = model.run(x)
        """
        return active_hook(self, value, fn, phase)


def _collect(call: Call, status: int, handles: Any, feeds: Feeds) -> List[np.ndarray]:
    """Arrays over the outputs of a call, which are owned before anything is raised."""
    tensors = [Tensor(handle) for handle in handles if handle]
    call.finish(status)
    return [unwrap(tensor, feeds.tensors) for tensor in tensors]


def _judged(
    explanation: Union[Explanation, Any], options: Dict[str, Any], target: TargetLike, score: Optional[str], output: Optional[str]
) -> Tuple[Optional[Result], Options, Optional[Target]]:
    """The library's explanation, or its map among the options; the target where it is not the explanation's own."""
    aim = None if target is None and score is None and output is None else as_target(target, score, output)
    if isinstance(explanation, Explanation):
        if explanation._source is not None:
            if aim is not None and target is None:
                aim = as_target(explanation._aim(), score, output)
            return explanation._source.result, Options(options), aim
        # One that was read from a file: its map, for its class.
        aim = as_target(explanation._aim() if target is None else target, score, output)
        explanation = explanation.map
    return None, Options(options if explanation is None else {**options, "map": np.asarray(explanation)}), aim


def _names(names: Union[str, Sequence[str], None]) -> List[str]:
    return [names] if isinstance(names, str) else list(names or ())


def _texts(names: Sequence[str]) -> Any:
    return (ctypes.c_char_p * len(names))(*map(encode, names))


def _signature(values: List[Value]) -> str:
    return ", ".join(f"{value.name}: {value.dtype or '?'}{list(value.shape or ['…'])}".replace("'", "") for value in values)
