// The reading of model files, with the decoding of every tensor's typed fields, without the rest of the library.
#include "onnx_records.h"

#include <vector>

static void decode(const onnx_tensor &tensor) {
    for (int field : {ONNX_FLOAT_DATA, ONNX_INT32_DATA, ONNX_INT64_DATA, ONNX_DOUBLE_DATA, ONNX_UINT64_DATA}) {
        int64_t count = onnx_typed_count(tensor.message, tensor.message_size, field);
        if (count < 0) continue;
        int width = field == ONNX_FLOAT_DATA ? 4 : 8;
        std::vector<uint8_t> elements(size_t(count) * size_t(width));
        onnx_typed_read(tensor.message, tensor.message_size, field, width, elements.data(), size_t(count));
        size_t size = 0;
        const uint8_t *run = onnx_typed_run(tensor.message, tensor.message_size, field, &size);
        if (run && (run < tensor.message || run + size > tensor.message + tensor.message_size)) __builtin_trap();
    }
    if (tensor.raw && (tensor.raw < tensor.message || tensor.raw + tensor.raw_size > tensor.message + tensor.message_size)) __builtin_trap();
}

static void visit(const onnx_graph &graph);

static void visit(const onnx_nodes &nodes) {
    for (size_t i = 0; i < nodes.count; i++) {
        const onnx_attributes &attributes = nodes.items[i].attributes;
        for (size_t j = 0; j < attributes.count; j++) {
            const onnx_attribute &attribute = attributes.items[j];
            for (size_t k = 0; k < attribute.count; k++) {
                if (attribute.type == ONNX_TENSOR || attribute.type == ONNX_TENSORS) decode(static_cast<const onnx_tensor *>(attribute.items)[k]);
                if (attribute.type == ONNX_GRAPH || attribute.type == ONNX_GRAPHS) visit(static_cast<const onnx_graph *>(attribute.items)[k]);
            }
        }
    }
}

static void visit(const onnx_graph &graph) {
    visit(graph.nodes);
    for (size_t i = 0; i < graph.initializers.count; i++) decode(graph.initializers.items[i]);
    for (size_t i = 0; i < graph.sparse_initializers.count; i++) {
        if (graph.sparse_initializers.items[i].values.message) decode(graph.sparse_initializers.items[i].values);
    }
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    char error[128];
    onnx_document *document = onnx_open(bytes, size, error, sizeof error);
    if (!document) return 0;
    const onnx_model *model = onnx_root(document);
    if (model->graph) visit(*model->graph);
    for (size_t i = 0; i < model->functions.count; i++) visit(model->functions.items[i].nodes);
    onnx_close(document);
    return 0;
}
