"""Arrays survive the way into the library and back, without copies where none are needed."""

import ctypes
import gc
import importlib.util
import unittest

import numpy as np

from . import support  # noqa: F401 (sets the library)

import pellucid
from pellucid import _abi, _dlpack, _library, _tensor

TYPES = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128".split()


def round_trip(array):
    return _tensor.unwrap(_tensor.wrap(array))


class TensorTest(unittest.TestCase):
    def test_types(self):
        for name in TYPES:
            with self.subTest(name):
                array = np.arange(12).reshape(3, 4).astype(name)
                back = round_trip(array)
                self.assertEqual(back.dtype, array.dtype)
                np.testing.assert_array_equal(back, array)

    def test_no_copy(self):
        array = np.arange(6, dtype=np.float32).reshape(2, 3)
        self.assertEqual(round_trip(array).ctypes.data, array.ctypes.data)

    def test_strides(self):
        array = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
        views = [array.T, array[:, ::-1], array[::1, ::2, 1:3], np.broadcast_to(array[0], (5, 3, 4)), array[:, 1, :]]
        for view in views:
            np.testing.assert_array_equal(round_trip(view), view)

    def test_read_only(self):
        array = np.arange(3.0)
        array.flags.writeable = False
        np.testing.assert_array_equal(round_trip(array), array)
        self.assertFalse(round_trip(np.arange(3.0)).flags.writeable)

    def test_scalars_and_empty(self):
        self.assertEqual(round_trip(2.5), 2.5)
        self.assertEqual(round_trip(np.float32(2.5)).shape, ())
        self.assertEqual(round_trip(np.zeros((0, 3), np.float32)).shape, (0, 3))
        np.testing.assert_array_equal(round_trip([[1, 2], [3, 4]]), [[1, 2], [3, 4]])

    def test_foreign_memory_layouts_are_copied(self):
        swapped = np.arange(4, dtype=">f4")
        np.testing.assert_array_equal(round_trip(swapped), np.arange(4, dtype=np.float32))
        records = np.zeros(3, dtype=[("a", "i1"), ("b", "<f4")])
        records["b"] = [1, 2, 3]
        np.testing.assert_array_equal(round_trip(records["b"]), [1, 2, 3])

    def test_dlpack(self):
        class Exporter:
            def __init__(self, array):
                self.array = array

            def __dlpack__(self, **options):
                return self.array.__dlpack__(**options)

            def __dlpack_device__(self):
                return self.array.__dlpack_device__()

        array = np.arange(6, dtype=np.float32)
        back = round_trip(Exporter(array))
        np.testing.assert_array_equal(back, array)
        self.assertEqual(back.ctypes.data, array.ctypes.data)

    def test_dlpack_that_numpy_refuses(self):
        class Exporter:
            """bfloat16 as PyTorch hands it out: by DLPack, and by no protocol of NumPy."""

            def __init__(self, tensor):
                self.tensor = tensor

            def __dlpack__(self, **options):
                if list(options) != ["max_version"]:
                    raise BufferError("NumPy has no such type")
                return self.capsule(b"dltensor_versioned", "pellucid_tensor_to_dlpack")

            def capsule(self, name, function):
                managed = ctypes.c_void_p()
                _library.check(getattr(_library.library(), function)(ctypes.byref(managed), self.tensor.handle))
                new = ctypes.pythonapi.PyCapsule_New
                new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
                return new(managed, ctypes.c_char_p(name), None)

            def __dlpack_device__(self):
                return (1, 0)

            def __array__(self, *_, **__):
                raise TypeError("NumPy has no such type")

        class Legacy(Exporter):
            def __dlpack__(self, *, stream=None):
                return self.capsule(b"dltensor", "pellucid_tensor_to_dlpack_legacy")

        gc.collect()
        before = len(_tensor._borrowed)
        bits = np.array([[0x3F80, 0xC000]], np.uint16)
        source = _tensor._borrowing(bits, _abi.BFLOAT16)
        for taken in (_tensor.wrap(Exporter(source)), _tensor.Tensor(_dlpack.take(Legacy(source)))):
            self.assertEqual((taken.view().dtype, taken.view().data), (_abi.BFLOAT16, bits.ctypes.data))
            np.testing.assert_array_equal(_tensor.unwrap(taken).astype(np.float32), np.float32([[1.0, -2.0]]))
        self.assertEqual(len(_tensor._borrowed), before + 1)
        del source, taken
        gc.collect()
        self.assertEqual(len(_tensor._borrowed), before)
        with self.assertRaisesRegex(TypeError, "no DLPack capsule"):
            _dlpack.take(type("Odd", (), {"__dlpack__": lambda self, **_: 3})())

    @unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed")
    def test_pytorch(self):
        import torch

        for kind in (torch.float32, torch.int64, torch.bool, torch.bfloat16):
            source = torch.arange(6).reshape(2, 3).to(kind)
            wrapped = _tensor.wrap(source.T)
            self.assertEqual(wrapped.view().data, source.data_ptr())
            np.testing.assert_array_equal(_tensor.unwrap(wrapped).astype(float), source.T.double().numpy())
        with self.assertRaisesRegex(Exception, "grad"):
            _tensor.wrap(torch.zeros(3, requires_grad=True))

    def test_buffer_protocol(self):
        np.testing.assert_array_equal(round_trip(memoryview(bytearray(b"abc"))), [97, 98, 99])

    def test_bfloat16_is_widened(self):
        bits = np.array([0x3F80, 0xC000], np.uint16)
        wrapped = _tensor.wrap(bits)
        view = wrapped.view()
        view.dtype = _abi.BFLOAT16

        class Half(_tensor.Tensor):
            __slots__ = ()

            def view(self):
                return view

        np.testing.assert_array_equal(_tensor.unwrap(Half(wrapped.detach())), np.float32([1.0, -2.0]))

    def test_text(self):
        for array in (np.array([["a", "bc"], ["", "päö"]]), np.array(["x", "y\0z"], object), np.array([b"q", b"r"]), np.array("s")):
            back = round_trip(array)
            self.assertEqual(back.dtype, object)
            expected = [text.decode() if isinstance(text, bytes) else text for text in array.ravel().tolist()]
            self.assertEqual(back.ravel().tolist(), expected)
            self.assertEqual(back.shape, array.shape)
        self.assertEqual(round_trip(np.zeros((0, 2), "U1")).shape, (0, 2))

    def test_sequences(self):
        items = [np.float32([[1, 2]]), np.float32([3]), np.zeros((0, 2), np.float32)]
        back = _tensor.unwrap(_tensor.wrap(items, "sequence"))
        self.assertEqual([item.shape for item in back], [(1, 2), (1,), (0, 2)])
        for item, expected in zip(back, items):
            np.testing.assert_array_equal(item, expected)
        self.assertEqual(_tensor.unwrap(_tensor.wrap([], "sequence")), [])
        with self.assertRaises(pellucid.InvalidError):
            _tensor.wrap([np.float32(1), np.int64(1)], "sequence")
        with self.assertRaises(pellucid.InvalidError):
            _tensor.wrap(np.float32([1]), "sequence")

    def test_optionals(self):
        self.assertIsNone(_tensor.unwrap(_tensor.wrap(None, "optional")))
        np.testing.assert_array_equal(_tensor.unwrap(_tensor.wrap([1, 2], "optional")), [1, 2])
        back = _tensor.unwrap(_tensor.wrap([np.float32([1]), np.float32([2])], "optional"))
        self.assertEqual([float(item[0]) for item in back], [1, 2])
        with self.assertRaises(pellucid.InvalidError):
            _tensor.wrap(None)

    def test_maps(self):
        self.assertEqual(round_trip({"a": 0.5, "b": 2.0}), {"a": 0.5, "b": 2.0})
        self.assertEqual(round_trip({3: "x", -1: "y"}), {3: "x", -1: "y"})
        back = round_trip({1: np.float32([1, 2]), 2: np.float32([[3]])})
        np.testing.assert_array_equal(back[1], [1, 2])
        np.testing.assert_array_equal(back[2], [[3]])
        rows = _tensor.unwrap(_tensor.wrap([{0: 0.25, 1: 0.75}, {0: 1.0, 1: 0.0}], "sequence"))
        self.assertEqual(rows, [{0: 0.25, 1: 0.75}, {0: 1.0, 1: 0.0}])
        with self.assertRaises(pellucid.InvalidError):
            round_trip({1.5: 2})

    def test_items_outlive_their_container(self):
        back = _tensor.unwrap(_tensor.wrap([np.arange(1000.0), np.arange(3.0)], "sequence"))
        gc.collect()
        np.testing.assert_array_equal(back[0], np.arange(1000.0))

    def test_containers_have_no_memory(self):
        sequence = _tensor.wrap([np.float32([1, 2])], "sequence")
        view = sequence.view()
        self.assertEqual((view.dtype, view.rank, view.shape[0], view.data), (_abi.SEQUENCE, 1, 1, None))
        with self.assertRaises(pellucid.UnsupportedError):
            np.asarray(sequence)

    def test_types_of_ml_dtypes(self):
        try:
            import ml_dtypes
        except ImportError:
            self.skipTest("ml_dtypes is not installed")
        names = "bfloat16 float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz int4 uint4 int2 uint2 float4_e2m1fn"
        for name in names.split() + ["float6_e2m3fn", "float6_e3m2fn", "float8_e8m0fnu"]:
            with self.subTest(name):
                numbers = [1, 1, 1, 1, 1] if "8_e8" in name else [1, 0, 1, -1 if name[0] != "u" else 3, 1]
                array = np.array(numbers).astype(getattr(ml_dtypes, name))
                back = round_trip(array)
                self.assertEqual(back.dtype, array.dtype)
                np.testing.assert_array_equal(back.astype(np.float32), array.astype(np.float32))
                self.assertEqual(round_trip(array.reshape(5, 1)[::2]).shape, (3, 1))

    def test_conversion_to_the_expected_type(self):
        def converted(array, dtype):
            return _tensor.wrap(array, dtype).source.dtype

        self.assertEqual(converted(np.zeros(2), "float32"), np.float32)
        self.assertEqual(converted(np.zeros(2, np.uint8), "float32"), np.float32)
        self.assertEqual(converted(np.array([1, 2]), "int32"), np.int32)
        self.assertEqual(converted(np.array([1, 2**40]), "int32"), np.int64)
        self.assertEqual(converted(np.zeros(2), "int64"), np.float64)
        self.assertEqual(converted(np.zeros(2), "bfloat16"), np.float64)

    def test_unsupported_types(self):
        for array in (np.array([object()]), np.array(["a", 1], object), np.array(["2020-01-01"], "datetime64[D]")):
            with self.assertRaises(pellucid.UnsupportedError):
                _tensor.wrap(array)

    def test_memory_is_borrowed_as_long_as_needed(self):
        gc.collect()
        before = len(_tensor._borrowed)
        back = round_trip(np.arange(1000.0))
        gc.collect()
        self.assertEqual(len(_tensor._borrowed), before + 1)
        np.testing.assert_array_equal(back, np.arange(1000.0))
        del back
        gc.collect()
        self.assertEqual(len(_tensor._borrowed), before)

    def test_overlapping_outputs_are_copied(self):
        array = np.arange(4.0)
        tensor = _tensor.wrap(array)
        back = _tensor.unwrap(tensor, [tensor])
        array[:] = 0
        np.testing.assert_array_equal(back, np.arange(4.0))


if __name__ == "__main__":
    unittest.main()
