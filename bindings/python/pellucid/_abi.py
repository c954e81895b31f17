"""The C interface as ctypes sees it: one literal table of functions, the structs and the constants.

Everything here mirrors ``include/pellucid/*.h``; ``tests/test_abi.py`` parses those headers and compares.
Opaque handles are plain ``c_void_p``.
"""

from __future__ import annotations

from ctypes import (
    CFUNCTYPE,
    POINTER,
    Structure,
    c_char_p,
    c_double,
    c_int32,
    c_int64,
    c_size_t,
    c_uint32,
    c_void_p,
)

# Status codes.
OK = 0
E_FAILED = -1
E_INVALID = -2
E_NOTFOUND = -3
E_UNSUPPORTED = -4
E_PARSE = -5
E_SHAPE = -6
E_MEMORY = -7
E_BACKEND = -8
E_CANCELLED = -9
E_IO = -10
E_CALLBACK = -11

# Element types.
FLOAT32 = 1
UINT8 = 2
INT8 = 3
UINT16 = 4
INT16 = 5
INT32 = 6
INT64 = 7
STRING = 8
BOOL = 9
FLOAT16 = 10
FLOAT64 = 11
UINT32 = 12
UINT64 = 13
COMPLEX64 = 14
COMPLEX128 = 15
BFLOAT16 = 16
FLOAT8E4M3FN = 17
FLOAT8E4M3FNUZ = 18
FLOAT8E5M2 = 19
FLOAT8E5M2FNUZ = 20
UINT4 = 21
INT4 = 22
FLOAT4E2M1 = 23
FLOAT8E8M0 = 24
UINT2 = 25
INT2 = 26
FLOAT6E2M3 = 27
FLOAT6E3M2 = 28
SEQUENCE = 100
OPTIONAL = 101
MAP = 102

# Kinds of values of a model.
INPUT = 0
OUTPUT = 1
LAYER = 2
WEIGHT = 3

# Kinds of targets, and what of the output is scored.
TARGET_ARGMAX = 0
TARGET_CLASS = 1
TARGET_EACH = 2
TARGET_SUM = 3
TARGET_MASK = 4
TARGET_WEIGHTS = 5
SCORE_AUTO = 0
SCORE_LOGIT = 1
SCORE_PROBABILITY = 2
SCORE_OUTPUT = 3

# Phases of a hook.
FORWARD = 0
BACKWARD = 1

# Callbacks.
ReleaseFn = CFUNCTYPE(None, c_void_p)
LogFn = CFUNCTYPE(None, c_int32, c_char_p, c_void_p)
ProgressFn = CFUNCTYPE(c_int32, c_double, c_char_p, c_void_p)
HookFn = CFUNCTYPE(c_int32, c_char_p, c_void_p, POINTER(c_void_p), c_void_p)
WriteFn = CFUNCTYPE(c_int32, c_void_p, c_size_t, c_void_p)


class View(Structure):
    """``pellucid_view``."""

    _fields_ = [
        ("data", c_void_p),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
    ]


class BackendInfo(Structure):
    """``pellucid_backend_info``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("version", c_char_p),
        ("description", c_char_p),
        ("path", c_char_p),
        ("score", c_int32),
    ]


class Hook(Structure):
    """``pellucid_hook``."""

    _fields_ = [("value", c_char_p), ("phase", c_int32), ("fn", HookFn), ("payload", c_void_p)]


class Control(Structure):
    """``pellucid_control``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("progress", ProgressFn),
        ("payload", c_void_p),
        ("cancel", POINTER(c_int32)),
        ("deadline", c_double),
        ("hooks", POINTER(Hook)),
        ("hook_count", c_int32),
    ]


class ValueInfo(Structure):
    """``pellucid_value_info``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("node", c_char_p),
        ("op", c_char_p),
        ("module", c_char_p),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("dims", POINTER(c_int64)),
        ("dim_names", POINTER(c_char_p)),
        ("parameters", c_int64),
        ("flops", c_int64),
        ("differentiable", c_int32),
        ("backend", c_char_p),
    ]


class ModuleInfo(Structure):
    """``pellucid_module_info``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("kind", c_char_p),
        ("parent", c_int32),
        ("nodes", c_int32),
        ("value", c_char_p),
        ("parameters", c_int64),
        ("flops", c_int64),
        ("dtype", c_int32),
        ("rank", c_int32),
        ("dims", POINTER(c_int64)),
        ("dim_names", POINTER(c_char_p)),
        ("differentiable", c_int32),
    ]


class Cost(Structure):
    """``pellucid_cost``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("forwards", c_int64),
        ("backwards", c_int64),
        ("bytes", c_int64),
        ("flops", c_int64),
    ]


class Feed(Structure):
    """``pellucid_feed``."""

    _fields_ = [("name", c_char_p), ("tensor", c_void_p)]


class Target(Structure):
    """``pellucid_target``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("kind", c_int32),
        ("score", c_int32),
        ("output", c_char_p),
        ("index", c_int64),
        ("indices", POINTER(c_int64)),
        ("index_count", c_int32),
        ("weights", c_void_p),
    ]


class MethodInfo(Structure):
    """``pellucid_method_info``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("family", c_char_p),
        ("kind", c_char_p),
        ("summary", c_char_p),
        ("needs", c_char_p),
        ("reference", c_char_p),
        ("direction", c_char_p),
        ("category", c_char_p),
        ("range", c_char_p),
    ]


class ParameterInfo(Structure):
    """``pellucid_parameter_info``."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("name", c_char_p),
        ("type", c_char_p),
        ("default_value", c_char_p),
        ("range", c_char_p),
        ("help", c_char_p),
    ]


STRUCTS = {
    "pellucid_view": View,
    "pellucid_backend_info": BackendInfo,
    "pellucid_hook": Hook,
    "pellucid_control": Control,
    "pellucid_value_info": ValueInfo,
    "pellucid_module_info": ModuleInfo,
    "pellucid_cost": Cost,
    "pellucid_feed": Feed,
    "pellucid_target": Target,
    "pellucid_method_info": MethodInfo,
    "pellucid_parameter_info": ParameterInfo,
}

CALLBACKS = {
    "pellucid_release_fn": ReleaseFn,
    "pellucid_log_fn": LogFn,
    "pellucid_progress_fn": ProgressFn,
    "pellucid_hook_fn": HookFn,
    "pellucid_write_fn": WriteFn,
}

#: name → (result, arguments)
FUNCTIONS = {
    # status.h
    "pellucid_version": (c_char_p, []),
    "pellucid_version_number": (c_uint32, []),
    "pellucid_error_message": (c_char_p, []),
    "pellucid_status_name": (c_char_p, [c_int32]),
    # tensor.h
    "pellucid_tensor_create": (c_int32, [POINTER(c_void_p), c_int32, c_int32, POINTER(c_int64), c_void_p]),
    "pellucid_tensor_wrap": (c_int32, [POINTER(c_void_p), POINTER(View), ReleaseFn, c_void_p]),
    "pellucid_tensor_from_dlpack": (c_int32, [POINTER(c_void_p), c_void_p]),
    "pellucid_tensor_to_dlpack": (c_int32, [POINTER(c_void_p), c_void_p]),
    "pellucid_tensor_from_dlpack_legacy": (c_int32, [POINTER(c_void_p), c_void_p]),
    "pellucid_tensor_to_dlpack_legacy": (c_int32, [POINTER(c_void_p), c_void_p]),
    "pellucid_tensor_view": (c_int32, [c_void_p, POINTER(View)]),
    "pellucid_tensor_create_text": (
        c_int32,
        [POINTER(c_void_p), c_int32, POINTER(c_int64), POINTER(c_char_p), POINTER(c_size_t)],
    ),
    "pellucid_tensor_text_at": (c_int32, [c_void_p, c_int64, POINTER(c_char_p), POINTER(c_size_t)]),
    "pellucid_tensor_create_container": (c_int32, [POINTER(c_void_p), c_int32, POINTER(c_void_p), c_int64]),
    "pellucid_tensor_item_count": (c_int64, [c_void_p]),
    "pellucid_tensor_item_at": (c_int32, [c_void_p, c_int64, POINTER(c_void_p)]),
    "pellucid_tensor_retain": (None, [c_void_p]),
    "pellucid_tensor_release": (None, [c_void_p]),
    # runtime.h
    "pellucid_options_create": (c_int32, [POINTER(c_void_p)]),
    "pellucid_options_release": (None, [c_void_p]),
    "pellucid_options_set_int": (c_int32, [c_void_p, c_char_p, c_int64]),
    "pellucid_options_set_real": (c_int32, [c_void_p, c_char_p, c_double]),
    "pellucid_options_set_text": (c_int32, [c_void_p, c_char_p, c_char_p]),
    "pellucid_options_set_tensor": (c_int32, [c_void_p, c_char_p, c_void_p]),
    "pellucid_runtime_create": (c_int32, [POINTER(c_void_p), c_void_p]),
    "pellucid_runtime_release": (None, [c_void_p]),
    "pellucid_runtime_load_backend": (c_int32, [c_void_p, c_char_p]),
    "pellucid_runtime_backend_count": (c_int32, [c_void_p]),
    "pellucid_runtime_backend_at": (c_int32, [c_void_p, c_int32, POINTER(BackendInfo)]),
    "pellucid_runtime_set_logger": (c_int32, [c_void_p, LogFn, c_void_p]),
    # model.h
    "pellucid_model_load": (c_int32, [POINTER(c_void_p), c_void_p, c_char_p, c_void_p]),
    "pellucid_model_load_memory": (c_int32, [POINTER(c_void_p), c_void_p, c_void_p, c_size_t, c_void_p]),
    "pellucid_model_retain": (None, [c_void_p]),
    "pellucid_model_release": (None, [c_void_p]),
    "pellucid_model_value_count": (c_int32, [c_void_p, c_int32]),
    "pellucid_model_value_at": (c_int32, [c_void_p, c_int32, c_int32, POINTER(ValueInfo)]),
    "pellucid_model_module_count": (c_int32, [c_void_p]),
    "pellucid_model_module_at": (c_int32, [c_void_p, c_int32, POINTER(ModuleInfo)]),
    "pellucid_model_cost": (c_int32, [POINTER(Cost), c_void_p, POINTER(Feed), c_int32]),
    "pellucid_model_metadata": (c_char_p, [c_void_p, c_char_p]),
    "pellucid_model_run": (
        c_int32,
        [c_void_p, POINTER(Feed), c_int32, POINTER(c_char_p), c_int32, POINTER(c_void_p), POINTER(Control)],
    ),
    "pellucid_model_gradient": (
        c_int32,
        [
            c_void_p,
            POINTER(Feed),
            c_int32,
            POINTER(Target),
            POINTER(c_char_p),
            c_int32,
            c_char_p,
            POINTER(c_void_p),
            POINTER(Control),
        ],
    ),
    # explain.h
    "pellucid_method_count": (c_int32, []),
    "pellucid_method_at": (c_int32, [c_int32, POINTER(MethodInfo)]),
    "pellucid_method_parameter_at": (c_int32, [c_char_p, c_int32, POINTER(ParameterInfo)]),
    "pellucid_explain": (
        c_int32,
        [POINTER(c_void_p), c_void_p, c_char_p, POINTER(Feed), c_int32, POINTER(Target), c_void_p, POINTER(Control)],
    ),
    "pellucid_explain_cost": (
        c_int32,
        [POINTER(Cost), c_void_p, c_char_p, POINTER(Feed), c_int32, POINTER(Target), c_void_p],
    ),
    # evaluate.h
    "pellucid_evaluate": (
        c_int32,
        [POINTER(c_void_p), c_void_p, c_char_p, POINTER(Feed), c_int32, POINTER(Target), c_void_p, c_void_p, POINTER(Control)],
    ),
    "pellucid_evaluate_cost": (
        c_int32,
        [POINTER(Cost), c_void_p, c_char_p, POINTER(Feed), c_int32, POINTER(Target), c_void_p, c_void_p],
    ),
    # explain.h
    "pellucid_result_tensor": (c_int32, [c_void_p, c_char_p, POINTER(c_void_p)]),
    "pellucid_result_number": (c_int32, [c_void_p, c_char_p, POINTER(c_double)]),
    "pellucid_result_tensor_name": (c_char_p, [c_void_p, c_int32]),
    "pellucid_result_number_name": (c_char_p, [c_void_p, c_int32]),
    "pellucid_result_json": (c_char_p, [c_void_p]),
    "pellucid_result_release": (None, [c_void_p]),
    # image.h
    "pellucid_image_decode": (c_int32, [POINTER(c_void_p), c_void_p, c_size_t, c_void_p]),
    "pellucid_image_fit": (c_int32, [POINTER(c_void_p), c_void_p, c_void_p]),
    "pellucid_image_preprocess": (c_int32, [POINTER(c_void_p), c_void_p, c_void_p]),
    "pellucid_image_overlay": (c_int32, [POINTER(c_void_p), c_void_p, c_void_p, c_void_p]),
    "pellucid_image_upsample": (c_int32, [POINTER(c_void_p), c_void_p, c_void_p]),
    "pellucid_image_encode": (c_int32, [c_void_p, c_char_p, WriteFn, c_void_p]),
}
