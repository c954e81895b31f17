"""The table in _abi.py says what the headers say."""

import ctypes
import shutil
import unittest

from . import support  # noqa: F401 (sets the search path)

import headers
from pellucid import _abi

SCALARS = {
    "int32_t": ctypes.c_int32,
    "pellucid_status": ctypes.c_int32,
    "pellucid_dtype": ctypes.c_int32,
    "pellucid_value_kind": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
}


def ctype(text):
    """The ctypes type for a C type of the headers."""
    words = [word for word in text.replace("*", " * ").split() if word not in ("const", "volatile", "struct")]
    name, depth = words[0], words.count("*")
    if depth == 0:
        return None if name == "void" else SCALARS.get(name) or _abi.CALLBACKS[name]
    if name == "char":
        base, depth = ctypes.c_char_p, depth - 1
    elif name in _abi.STRUCTS:
        base = _abi.STRUCTS[name]
    elif name in SCALARS:
        base = SCALARS[name]
    else:
        base, depth = ctypes.c_void_p, depth - 1
    for _ in range(depth):
        base = ctypes.POINTER(base)
    return base


class TableTest(unittest.TestCase):
    declared = headers.parse()

    def test_every_function_is_in_the_table(self):
        self.assertEqual(sorted(self.declared.functions), sorted(_abi.FUNCTIONS))

    def test_function_types(self):
        for name, function in self.declared.functions.items():
            with self.subTest(name):
                result, arguments = _abi.FUNCTIONS[name]
                self.assertEqual(result, ctype(function.result))
                self.assertEqual(arguments, [ctype(argument) for argument in function.arguments])

    def test_callbacks(self):
        self.assertEqual(sorted(self.declared.callbacks), sorted(_abi.CALLBACKS))
        for name, (result, arguments) in self.declared.callbacks.items():
            with self.subTest(name):
                self.assertEqual(_abi.CALLBACKS[name]._restype_, ctype(result))
                self.assertEqual(list(_abi.CALLBACKS[name]._argtypes_), [ctype(argument) for argument in arguments])

    def test_struct_fields(self):
        self.assertEqual(sorted(self.declared.structs), sorted(_abi.STRUCTS))
        for name, fields in self.declared.structs.items():
            with self.subTest(name):
                expected = [(field, ctype(kind)) for field, kind in fields]
                self.assertEqual(_abi.STRUCTS[name]._fields_, expected)

    @unittest.skipUnless(shutil.which("cc"), "needs a C compiler")
    def test_struct_sizes_and_offsets(self):
        for line in headers.layout(self.declared.structs):
            place, *numbers = line.split()
            with self.subTest(place):
                name, _, field = place.partition(".")
                struct = _abi.STRUCTS[name]
                member = getattr(struct, field) if field else None
                found = [member.offset, member.size] if member else [ctypes.sizeof(struct)]
                self.assertEqual(found, [int(number) for number in numbers])

    def test_constants(self):
        for name, value in self.declared.enumerators.items():
            with self.subTest(name):
                self.assertEqual(getattr(_abi, name[len("PELLUCID_") :]), value)


if __name__ == "__main__":
    unittest.main()
