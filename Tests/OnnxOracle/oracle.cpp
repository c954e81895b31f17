#include "oracle.h"

#define ONNX_NAMESPACE onnx
#define ONNX_ML 1
#include <onnx/onnx_pb.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>

/// FNV-1a, which the Swift side computes too.
static uint64_t hash(const std::string &bytes) {
    uint64_t value = 0xCBF29CE484222325u;
    for (unsigned char byte : bytes) value = (value ^ byte) * 0x100000001B3u;
    return value;
}

template <class Names> static std::string joined(const Names &names) {
    std::string text;
    for (const auto &name : names) text += "," + name;
    return text;
}

static void describe(std::ostream &out, const onnx::ModelProto &model) {
    out << "model " << model.ir_version() << " " << model.producer_name() << " " << model.functions_size() << "\n";
    for (const auto &node : model.graph().node()) {
        std::string domain = node.domain().empty() || node.domain() == "ai.onnx" ? "" : node.domain() + ":";
        out << "node " << domain << node.op_type() << " " << node.name() << " " << joined(node.input()) << " " << joined(node.output());
        for (const auto &attribute : node.attribute()) {
            out << " " << attribute.name();
            if (attribute.type() == onnx::AttributeProto::INT) out << "=" << attribute.i();
            if (attribute.type() == onnx::AttributeProto::STRING) out << "=" << attribute.s();
            if (attribute.type() == onnx::AttributeProto::INTS) {
                for (int64_t number : attribute.ints()) out << "," << number;
            }
        }
        out << "\n";
    }
    for (const auto &tensor : model.graph().initializer()) {
        out << "weight " << tensor.name() << " " << tensor.data_type();
        for (int64_t dim : tensor.dims()) out << " " << dim;
        if (tensor.has_raw_data() && !tensor.raw_data().empty()) out << " raw " << hash(tensor.raw_data());
        out << "\n";
    }
    for (const auto &value : model.graph().input()) out << "input " << value.name() << "\n";
    for (const auto &value : model.graph().output()) out << "output " << value.name() << "\n";
}

char *oracle_describe(const char *path) {
    std::ifstream file(path, std::ios::binary);
    onnx::ModelProto model;
    if (!file || !model.ParseFromIstream(&file)) return nullptr;
    std::ostringstream out;
    describe(out, model);
    return strdup(out.str().c_str());
}

void oracle_free(char *text) { free(text); }
