// Bounded reading of protobuf's wire format, where messages may be larger than protobuf itself allows.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#pragma GCC visibility push(hidden)
namespace pellucid {

/// Thrown for bytes that are no valid model; never leaves this target.
struct Malformed : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Span {
    const uint8_t *bytes = nullptr;
    size_t size = 0;
    const uint8_t *end() const { return bytes + size; }
};

enum class Wire : uint8_t { varint = 0, fixed64 = 1, bytes = 2, fixed32 = 5 };

/// One field of a message. `body` is what a length-delimited field holds, or the encoded value of another.
struct Field {
    int number;
    Wire wire;
    Span body;
    /// The field with its tag.
    Span whole;
};

/// Walks over the fields of one message.
class Cursor {
public:
    explicit Cursor(Span message) : at_(message.bytes), end_(message.end()) {}

    bool done() const { return at_ == end_; }

    Field next() {
        const uint8_t *start = at_;
        uint64_t tag = varint();
        if (tag >> 3 == 0 || tag >> 3 > 0x1FFFFFFF) throw Malformed("field number out of range");
        Field field{int(tag >> 3), Wire(tag & 7), {at_, 0}, {start, 0}};
        field.body.size = skip(field);
        field.whole.size = size_t(at_ - start);
        return field;
    }

    uint64_t varint() {
        uint64_t value = 0;
        for (int shift = 0; shift < 70; shift += 7) {
            if (at_ == end_) throw Malformed("ends inside a number");
            uint8_t byte = *at_++;
            value |= uint64_t(byte & 0x7F) << shift;
            if (byte < 0x80) return value;
        }
        throw Malformed("number longer than ten bytes");
    }

private:
    /// Moves behind the field's value and returns the value's size.
    size_t skip(Field &field) {
        switch (field.wire) {
        case Wire::varint: varint(); return size_t(at_ - field.body.bytes);
        case Wire::fixed64: return take(8);
        case Wire::fixed32: return take(4);
        case Wire::bytes: {
            uint64_t size = varint();
            field.body.bytes = at_;
            return take(size);
        }
        default: throw Malformed("unknown wire type " + std::to_string(int(field.wire)));
        }
    }

    size_t take(uint64_t size) {
        if (size > uint64_t(end_ - at_)) throw Malformed("a field of " + std::to_string(size) + " bytes ends behind its message");
        at_ += size;
        return size_t(size);
    }

    const uint8_t *at_;
    const uint8_t *end_;
};

} // namespace pellucid
#pragma GCC visibility pop
