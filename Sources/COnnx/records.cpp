#include "records.h"

using namespace pellucid_onnx;

namespace pellucid {

/// Beyond this, protobuf's objects would take many times the file's size; no real small message comes near.
static const size_t light_limit = size_t(256) << 20;

void parse_parts(google::protobuf::MessageLite &light, const std::vector<Span> &parts, size_t total) {
    if (total > light_limit) throw Malformed("a message of " + std::to_string(total) + " bytes besides its tensors");
    bool parsed;
    if (parts.size() <= 1) {
        parsed = light.ParsePartialFromArray(parts.empty() ? nullptr : parts[0].bytes, int(total));
    } else {
        std::string joined;
        joined.reserve(total);
        for (Span part : parts) joined.append(reinterpret_cast<const char *>(part.bytes), part.size);
        parsed = light.ParsePartialFromString(joined);
    }
    if (!parsed) throw Malformed("protobuf cannot read a " + light.GetTypeName());
}

static void set_shape(Records &records, onnx_type &record, const TensorShapeProto &shape) {
    size_t rank = size_t(shape.dim_size());
    onnx_dim *dims = records.allocate<onnx_dim>(rank + 1);
    for (size_t axis = 0; axis < rank; axis++) {
        const auto &dim = shape.dim(int(axis));
        dims[axis] = {ONNX_DIM_UNSET, 0, {nullptr, 0}};
        if (dim.has_dim_value()) dims[axis] = {ONNX_DIM_VALUE, dim.dim_value(), {nullptr, 0}};
        if (dim.has_dim_param()) dims[axis] = {ONNX_DIM_NAME, 0, records.text(dim.dim_param())};
    }
    record.dims = dims;
    record.rank = rank;
}

/// The type inside a container's. Protobuf itself refuses messages that nest deeper than a hundred.
static const onnx_type *nested(Records &records, const TypeProto &type) {
    onnx_type *record = records.allocate<onnx_type>(1);
    *record = type_record(records, type);
    return record;
}

onnx_type type_record(Records &records, const TypeProto &type) {
    onnx_type record{ONNX_TYPE_UNSET, 0, nullptr, 0, nullptr};
    switch (type.value_case()) {
    case TypeProto::kTensorType:
        record.kind = ONNX_TYPE_TENSOR;
        record.element = type.tensor_type().elem_type();
        if (type.tensor_type().has_shape()) set_shape(records, record, type.tensor_type().shape());
        break;
    case TypeProto::kSparseTensorType:
        record.kind = ONNX_TYPE_SPARSE;
        record.element = type.sparse_tensor_type().elem_type();
        if (type.sparse_tensor_type().has_shape()) set_shape(records, record, type.sparse_tensor_type().shape());
        break;
    case TypeProto::kSequenceType:
        record.kind = ONNX_TYPE_SEQUENCE;
        if (type.sequence_type().has_elem_type()) record.nested = nested(records, type.sequence_type().elem_type());
        break;
    case TypeProto::kMapType:
        record.kind = ONNX_TYPE_MAP;
        record.element = type.map_type().key_type();
        if (type.map_type().has_value_type()) record.nested = nested(records, type.map_type().value_type());
        break;
    case TypeProto::kOptionalType:
        record.kind = ONNX_TYPE_OPTIONAL;
        if (type.optional_type().has_elem_type()) record.nested = nested(records, type.optional_type().elem_type());
        break;
    case TypeProto::kOpaqueType: record.kind = ONNX_TYPE_OPAQUE; break;
    case TypeProto::VALUE_NOT_SET: break;
    }
    return record;
}

onnx_entries entry_records(Records &records, const google::protobuf::RepeatedPtrField<StringStringEntryProto> &entries) {
    if (entries.empty()) return {nullptr, 0};
    onnx_entry *items = records.allocate<onnx_entry>(size_t(entries.size()));
    size_t count = 0;
    for (const auto &entry : entries) items[count++] = {records.text(entry.key()), records.text(entry.value())};
    return {items, count};
}

onnx_opsets opset_records(Records &records, const google::protobuf::RepeatedPtrField<OperatorSetIdProto> &opsets) {
    if (opsets.empty()) return {nullptr, 0};
    onnx_opset *items = records.allocate<onnx_opset>(size_t(opsets.size()));
    size_t count = 0;
    for (const auto &opset : opsets) items[count++] = {records.text(opset.domain()), opset.version()};
    return {items, count};
}

} // namespace pellucid
