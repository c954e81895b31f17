// Elements of TensorProto's typed fields, decoded on demand from the encoded tensor.
#include "onnx_records.h"
#include "wire.h"

using namespace pellucid;

namespace {

size_t fixed_width(int32_t field) { return field == ONNX_FLOAT_DATA ? 4 : field == ONNX_DOUBLE_DATA ? 8 : 0; }

/// Calls `run` for every stretch of encoded elements of the field.
template <class Run> void each_run(Span message, int32_t number, Run run) {
    size_t width = fixed_width(number);
    Wire single = width == 4 ? Wire::fixed32 : width == 8 ? Wire::fixed64 : Wire::varint;
    for (Cursor cursor(message); !cursor.done();) {
        Field field = cursor.next();
        if (field.number != number) continue;
        if (field.wire != Wire::bytes && field.wire != single) throw Malformed("wrong wire type");
        if (width && field.body.size % width != 0) throw Malformed("a run of numbers ends inside a number");
        run(field.body);
    }
}

/// Every encoded integer ends with the one byte whose highest bit is clear.
size_t count_varints(Span run) {
    size_t count = 0;
    for (size_t i = 0; i < run.size; i++) count += run.bytes[i] < 0x80;
    return count;
}

template <class T> void put(void *elements, size_t index, uint64_t value) {
    T narrow = T(value);
    std::memcpy(static_cast<char *>(elements) + index * sizeof(T), &narrow, sizeof(T));
}

template <class T> bool read_varints(Span message, int32_t field, void *elements, size_t count) {
    size_t done = 0;
    each_run(message, field, [&](Span run) {
        for (Cursor cursor(run); !cursor.done();) {
            uint64_t value = cursor.varint();
            if (done < count) put<T>(elements, done, value);
            done++;
        }
    });
    return done == count;
}

bool read_fixed(Span message, int32_t field, void *elements, size_t count) {
    size_t done = 0, limit = count * fixed_width(field);
    each_run(message, field, [&](Span run) {
        if (run.size <= limit - done && run.size > 0) std::memcpy(static_cast<char *>(elements) + done, run.bytes, run.size);
        else if (run.size > 0) throw Malformed("more elements than expected");
        done += run.size;
    });
    return done == limit;
}

bool read_typed(Span message, int32_t field, int32_t width, void *elements, size_t count) {
    if (fixed_width(field)) return fixed_width(field) == size_t(width) && read_fixed(message, field, elements, count);
    switch (width) {
    case 1: return read_varints<uint8_t>(message, field, elements, count);
    case 2: return read_varints<uint16_t>(message, field, elements, count);
    case 4: return read_varints<uint32_t>(message, field, elements, count);
    case 8: return read_varints<uint64_t>(message, field, elements, count);
    default: return false;
    }
}

} // namespace

int64_t onnx_typed_count(const uint8_t *message, size_t size, int32_t field) {
    try {
        size_t count = 0, width = fixed_width(field);
        each_run({message, size}, field, [&](Span run) { count += width ? run.size / width : count_varints(run); });
        return int64_t(count);
    } catch (...) {
        return -1;
    }
}

int32_t onnx_typed_read(const uint8_t *message, size_t size, int32_t field, int32_t width, void *elements, size_t count) {
    try {
        return read_typed({message, size}, field, width, elements, count) ? 0 : -1;
    } catch (...) {
        return -1;
    }
}

const uint8_t *onnx_typed_run(const uint8_t *message, size_t size, int32_t field, size_t *run_size) {
    try {
        Span found;
        int runs = 0;
        each_run({message, size}, field, [&](Span run) { found = run; runs++; });
        *run_size = found.size;
        return runs == 1 ? found.bytes : nullptr;
    } catch (...) {
        return nullptr;
    }
}
