// Memory of a document's records, and the small messages that protobuf reads.
#pragma once

#include "onnx_records.h"
#include "pellucid_onnx.pb.h"
#include "wire.h"

#include <initializer_list>
#include <memory>
#include <vector>

#pragma GCC visibility push(hidden)
namespace pellucid {

/// Records of one document: allocated one after the other, freed together, bounded by the size of what is read.
class Records {
public:
    explicit Records(size_t limit) : left_(limit) {}

    template <class T> T *allocate(size_t count) {
        static_assert(alignof(T) <= 8 && std::is_trivially_destructible<T>::value, "records are plain");
        if (count > left_ / sizeof(T)) throw Malformed("too many records for its size");
        return static_cast<T *>(take((count * sizeof(T) + 7) & ~size_t(7)));
    }

    /// A list as the records hold it: items and count.
    template <class List, class T> List list(const std::vector<T> &items) {
        if (items.empty()) return {nullptr, 0};
        T *copy = allocate<T>(items.size());
        std::memcpy(static_cast<void *>(copy), items.data(), items.size() * sizeof(T));
        return {copy, items.size()};
    }

    onnx_text text(const std::string &text) {
        if (text.empty()) return {nullptr, 0};
        char *copy = allocate<char>(text.size());
        std::memcpy(copy, text.data(), text.size());
        return {copy, text.size()};
    }

    template <class Strings> onnx_texts texts(const Strings &strings) {
        if (strings.size() == 0) return {nullptr, 0};
        onnx_text *items = allocate<onnx_text>(size_t(strings.size()));
        size_t count = 0;
        for (const std::string &string : strings) items[count++] = text(string);
        return {items, count};
    }

    template <class Numbers> onnx_integers integers(const Numbers &numbers) {
        if (numbers.size() == 0) return {nullptr, 0};
        int64_t *items = allocate<int64_t>(size_t(numbers.size()));
        size_t count = 0;
        for (int64_t number : numbers) items[count++] = number;
        return {items, count};
    }

private:
    void *take(size_t bytes) {
        if (bytes > left_) throw Malformed("too many records for its size");
        left_ -= bytes;
        if (bytes > free_) {
            size_t block = bytes > 65536 ? bytes : 65536;
            blocks_.emplace_back(new char[block]);
            at_ = blocks_.back().get();
            free_ = block;
        }
        void *result = at_;
        at_ += bytes;
        free_ -= bytes;
        return result;
    }

    size_t left_, free_ = 0;
    char *at_ = nullptr;
    std::vector<std::unique_ptr<char[]>> blocks_;
};

/// Lets protobuf parse what lies in `parts`, `total` bytes together.
void parse_parts(google::protobuf::MessageLite &light, const std::vector<Span> &parts, size_t total);

/// Fields of a message that are walked over instead of parsed.
using Heavy = std::initializer_list<int>;

/// Lets protobuf parse `message` without its heavy fields, for each of which `visit(field)` is called first, in order.
template <class Visit> void split(Span message, Heavy heavy, google::protobuf::MessageLite &light, Visit visit) {
    std::vector<Span> kept;
    size_t total = 0;
    for (Cursor cursor(message); !cursor.done();) {
        Field field = cursor.next();
        bool isHeavy = false;
        for (int number : heavy) isHeavy = isHeavy || number == field.number;
        if (isHeavy) {
            visit(field);
        } else if (!kept.empty() && kept.back().end() == field.whole.bytes) {
            kept.back().size += field.whole.size;
            total += field.whole.size;
        } else {
            kept.push_back(field.whole);
            total += field.whole.size;
        }
    }
    parse_parts(light, kept, total);
}

/// What protobuf has read, as records.
onnx_type type_record(Records &records, const pellucid_onnx::TypeProto &type);
onnx_entries entry_records(Records &records, const google::protobuf::RepeatedPtrField<pellucid_onnx::StringStringEntryProto> &entries);
onnx_opsets opset_records(Records &records, const google::protobuf::RepeatedPtrField<pellucid_onnx::OperatorSetIdProto> &opsets);

} // namespace pellucid
#pragma GCC visibility pop
