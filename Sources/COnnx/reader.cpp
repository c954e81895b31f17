// The walk over ModelProto, GraphProto, FunctionProto and TensorProto. What may be large is located here; the small
// messages in between are parsed by protobuf.
#include "records.h"

#include <cstdio>
#include <new>

using namespace pellucid;
using namespace pellucid_onnx;

namespace {

/// Graphs within graphs; deeper ones are no model but an attack on the stack.
const int depth_limit = 64;

class Reader {
public:
    explicit Reader(Records &records) : records_(records) {}

    onnx_model model(Span message);

private:
    onnx_graph graph(Span message);
    onnx_function function(Span message);
    onnx_node node(Span message);
    onnx_attribute attribute(Span message);
    void single(onnx_attribute &record, const AttributeProto &light);
    void numbers(onnx_attribute &record, const AttributeProto &light);
    onnx_value value(Span message);
    onnx_tensor tensor(Span message);
    onnx_sparse sparse(Span message);

    Records &records_;
    int depth_ = 0;
    /// Reused, because a new object for every message would double the time.
    NodeProto node_;
    AttributeProto attribute_;
    ValueInfoProto value_;
    TensorProto tensor_;
};

/// The message that a field holds.
Span inside(const Field &field) {
    if (field.wire != Wire::bytes) throw Malformed("field " + std::to_string(field.number) + " is not a message");
    return field.body;
}

onnx_model Reader::model(Span message) {
    onnx_model record{};
    Span main;
    std::vector<onnx_function> functions;
    ModelProto light;
    // 20, training_info, may hold large graphs that nothing here reads.
    split(message, {ModelProto::kGraphFieldNumber, ModelProto::kFunctionsFieldNumber, 20}, light, [&](const Field &field) {
        if (field.number == ModelProto::kFunctionsFieldNumber) functions.push_back(function(inside(field)));
        if (field.number != ModelProto::kGraphFieldNumber) return;
        if (main.bytes) throw Malformed("two graphs");
        main = inside(field);
    });
    record.ir_version = light.ir_version();
    record.version = light.model_version();
    record.producer = records_.text(light.producer_name());
    record.producer_version = records_.text(light.producer_version());
    record.domain = records_.text(light.domain());
    record.doc = records_.text(light.doc_string());
    record.opsets = opset_records(records_, light.opset_import());
    record.metadata = entry_records(records_, light.metadata_props());
    record.functions = records_.list<onnx_functions>(functions);
    if (main.bytes) {
        onnx_graph *made = records_.allocate<onnx_graph>(1);
        *made = graph(main);
        record.graph = made;
    }
    return record;
}

onnx_graph Reader::graph(Span message) {
    if (++depth_ > depth_limit) throw Malformed("graphs nest deeper than " + std::to_string(depth_limit));
    std::vector<onnx_node> nodes;
    std::vector<onnx_tensor> tensors;
    std::vector<onnx_sparse> sparses;
    std::vector<onnx_value> inputs, outputs, values;
    GraphProto light;
    Heavy heavy = {GraphProto::kNodeFieldNumber,  GraphProto::kInitializerFieldNumber, GraphProto::kSparseInitializerFieldNumber,
                   GraphProto::kInputFieldNumber, GraphProto::kOutputFieldNumber,      GraphProto::kValueInfoFieldNumber};
    split(message, heavy, light, [&](const Field &field) {
        Span body = inside(field);
        switch (field.number) {
        case GraphProto::kNodeFieldNumber: nodes.push_back(node(body)); break;
        case GraphProto::kInitializerFieldNumber: tensors.push_back(tensor(body)); break;
        case GraphProto::kSparseInitializerFieldNumber: sparses.push_back(sparse(body)); break;
        case GraphProto::kInputFieldNumber: inputs.push_back(value(body)); break;
        case GraphProto::kOutputFieldNumber: outputs.push_back(value(body)); break;
        default: values.push_back(value(body));
        }
    });
    depth_--;
    return {records_.text(light.name()), records_.text(light.doc_string()), records_.list<onnx_nodes>(nodes),
            records_.list<onnx_tensors>(tensors), records_.list<onnx_sparses>(sparses), records_.list<onnx_values>(inputs),
            records_.list<onnx_values>(outputs), records_.list<onnx_values>(values), entry_records(records_, light.metadata_props())};
}

onnx_function Reader::function(Span message) {
    std::vector<onnx_node> nodes;
    std::vector<onnx_attribute> defaults;
    std::vector<onnx_value> values;
    FunctionProto light;
    Heavy heavy = {FunctionProto::kNodeFieldNumber, FunctionProto::kAttributeProtoFieldNumber, FunctionProto::kValueInfoFieldNumber};
    split(message, heavy, light, [&](const Field &field) {
        Span body = inside(field);
        if (field.number == FunctionProto::kNodeFieldNumber) nodes.push_back(node(body));
        else if (field.number == FunctionProto::kAttributeProtoFieldNumber) defaults.push_back(attribute(body));
        else values.push_back(value(body));
    });
    return {records_.text(light.name()), records_.text(light.domain()), records_.text(light.overload()),
            records_.texts(light.input()), records_.texts(light.output()), records_.texts(light.attribute()),
            records_.list<onnx_attributes>(defaults), records_.list<onnx_nodes>(nodes),
            opset_records(records_, light.opset_import()), records_.list<onnx_values>(values)};
}

onnx_node Reader::node(Span message) {
    std::vector<onnx_attribute> attributes;
    split(message, {NodeProto::kAttributeFieldNumber}, node_,
          [&](const Field &field) { attributes.push_back(attribute(inside(field))); });
    return {records_.text(node_.name()), records_.text(node_.op_type()), records_.text(node_.domain()),
            records_.text(node_.overload()), records_.texts(node_.input()), records_.texts(node_.output()),
            records_.list<onnx_attributes>(attributes), entry_records(records_, node_.metadata_props())};
}

/// Gives the attribute its items; its type, where the file leaves that out, is `one`.
template <class List> void hold(onnx_attribute &record, List list, int one, int many) {
    if (!record.type) record.type = one;
    if (record.type == one || record.type == many) record.items = list.items, record.count = list.count;
}

onnx_attribute Reader::attribute(Span message) {
    std::vector<onnx_tensor> tensors;
    std::vector<onnx_graph> graphs;
    std::vector<onnx_sparse> sparses;
    Heavy heavy = {AttributeProto::kTFieldNumber,      AttributeProto::kGFieldNumber,            AttributeProto::kTensorsFieldNumber,
                   AttributeProto::kGraphsFieldNumber, AttributeProto::kSparseTensorFieldNumber, AttributeProto::kSparseTensorsFieldNumber};
    split(message, heavy, attribute_, [&](const Field &field) {
        Span body = inside(field);
        switch (field.number) {
        case AttributeProto::kTFieldNumber:
        case AttributeProto::kTensorsFieldNumber: tensors.push_back(tensor(body)); break;
        case AttributeProto::kGFieldNumber:
        case AttributeProto::kGraphsFieldNumber: graphs.push_back(graph(body)); break;
        default: sparses.push_back(sparse(body));
        }
    });
    onnx_attribute record{};
    record.name = records_.text(attribute_.name());
    record.reference = records_.text(attribute_.ref_attr_name());
    record.type = attribute_.type();
    if (!tensors.empty()) hold(record, records_.list<onnx_tensors>(tensors), ONNX_TENSOR, ONNX_TENSORS);
    else if (!graphs.empty()) hold(record, records_.list<onnx_graphs>(graphs), ONNX_GRAPH, ONNX_GRAPHS);
    else if (!sparses.empty()) hold(record, records_.list<onnx_sparses>(sparses), ONNX_SPARSE_TENSOR, ONNX_SPARSE_TENSORS);
    else single(record, attribute_);
    return record;
}

/// Single values. Files of IR version 1 leave the type out: then it is that of the field that is set.
void Reader::single(onnx_attribute &record, const AttributeProto &light) {
    if (!record.type) {
        record.type = light.has_f() ? ONNX_FLOAT : light.has_i() ? ONNX_INT : light.has_s() ? ONNX_STRING
            : light.floats_size() ? ONNX_FLOATS : light.ints_size() ? ONNX_INTS : light.strings_size() ? ONNX_STRINGS
            : light.has_tp() ? ONNX_TYPE_PROTO : light.type_protos_size() ? ONNX_TYPE_PROTOS : ONNX_UNDEFINED;
    }
    switch (record.type) {
    case ONNX_FLOAT: record.f = light.f(); break;
    case ONNX_INT: record.i = light.i(); break;
    case ONNX_STRING: record.s = records_.text(light.s()); break;
    default: numbers(record, light);
    }
}

void Reader::numbers(onnx_attribute &record, const AttributeProto &light) {
    if (record.type == ONNX_FLOATS && light.floats_size()) {
        float *items = records_.allocate<float>(size_t(light.floats_size()));
        std::memcpy(items, light.floats().data(), size_t(light.floats_size()) * sizeof(float));
        record.items = items, record.count = size_t(light.floats_size());
    } else if (record.type == ONNX_INTS) {
        hold(record, records_.integers(light.ints()), ONNX_INTS, ONNX_INTS);
    } else if (record.type == ONNX_STRINGS) {
        hold(record, records_.texts(light.strings()), ONNX_STRINGS, ONNX_STRINGS);
    } else if (record.type == ONNX_TYPE_PROTO && light.has_tp()) {
        onnx_type *items = records_.allocate<onnx_type>(1);
        items[0] = type_record(records_, light.tp());
        record.items = items, record.count = 1;
    } else if (record.type == ONNX_TYPE_PROTOS && light.type_protos_size()) {
        onnx_type *items = records_.allocate<onnx_type>(size_t(light.type_protos_size()));
        for (const auto &type : light.type_protos()) items[record.count++] = type_record(records_, type);
        record.items = items;
    }
}

onnx_value Reader::value(Span message) {
    split(message, {}, value_, [](const Field &) {});
    return {records_.text(value_.name()), type_record(records_, value_.type())};
}

onnx_tensor Reader::tensor(Span message) {
    onnx_tensor record{};
    std::vector<onnx_text> strings;
    Heavy heavy = {TensorProto::kFloatDataFieldNumber,  TensorProto::kInt32DataFieldNumber,  TensorProto::kInt64DataFieldNumber,
                   TensorProto::kDoubleDataFieldNumber, TensorProto::kUint64DataFieldNumber, TensorProto::kStringDataFieldNumber,
                   TensorProto::kRawDataFieldNumber,    3};
    split(message, heavy, tensor_, [&](const Field &field) {
        if (field.number == 3) throw Malformed("a tensor in segments");
        if (field.number == TensorProto::kRawDataFieldNumber) {
            Span body = inside(field);
            record.raw = body.bytes, record.raw_size = body.size;
        }
        if (field.number == TensorProto::kStringDataFieldNumber) {
            Span body = inside(field);
            strings.push_back({reinterpret_cast<const char *>(body.bytes), body.size});
        }
    });
    record.name = records_.text(tensor_.name());
    record.data_type = tensor_.data_type();
    record.is_external = tensor_.data_location() == TensorProto::EXTERNAL;
    record.dims = records_.integers(tensor_.dims());
    record.message = message.bytes, record.message_size = message.size;
    record.strings = records_.list<onnx_texts>(strings);
    record.external = entry_records(records_, tensor_.external_data());
    return record;
}

onnx_sparse Reader::sparse(Span message) {
    onnx_sparse record{};
    SparseTensorProto light;
    split(message, {SparseTensorProto::kValuesFieldNumber, SparseTensorProto::kIndicesFieldNumber}, light, [&](const Field &field) {
        bool isValues = field.number == SparseTensorProto::kValuesFieldNumber;
        (isValues ? record.values : record.indices) = tensor(inside(field));
    });
    record.dims = records_.integers(light.dims());
    return record;
}

} // namespace

struct onnx_document {
    Records records;
    onnx_model model;

    explicit onnx_document(size_t size) : records((size_t(64) << 20) + size * 8), model{} {}
};

static void report(char *error, size_t size, const char *text) {
    if (error && size) std::snprintf(error, size, "%s", text);
}

onnx_document *onnx_open(const void *bytes, size_t size, char *error, size_t error_size) {
    try {
        auto document = std::make_unique<onnx_document>(size);
        Reader reader(document->records);
        document->model = reader.model({static_cast<const uint8_t *>(bytes), size});
        return document.release();
    } catch (const Malformed &malformed) {
        report(error, error_size, malformed.what());
    } catch (const std::bad_alloc &) {
        report(error, error_size, "out of memory");
    } catch (...) {
        report(error, error_size, "cannot be read");
    }
    return nullptr;
}

const onnx_model *onnx_root(const onnx_document *document) { return &document->model; }

void onnx_close(onnx_document *document) { delete document; }
