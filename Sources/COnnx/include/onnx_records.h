/* An ONNX model as plain records for Swift. Opened once, read, closed; nothing outlives onnx_close but the bytes that
 * the caller owns. Lengths are 64 bits wide; element data are located in the caller's bytes and not copied. */
#ifndef PELLUCID_ONNX_RECORDS_H
#define PELLUCID_ONNX_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(hidden)

/* Not terminated by a zero byte; any bytes, mostly UTF-8. */
typedef struct onnx_text {
    const char *bytes;
    size_t size;
} onnx_text;

typedef struct onnx_texts {
    const onnx_text *items;
    size_t count;
} onnx_texts;

typedef struct onnx_integers {
    const int64_t *items;
    size_t count;
} onnx_integers;

/* StringStringEntryProto. */
typedef struct onnx_entry {
    onnx_text key, value;
} onnx_entry;

typedef struct onnx_entries {
    const onnx_entry *items;
    size_t count;
} onnx_entries;

/* OperatorSetIdProto. */
typedef struct onnx_opset {
    onnx_text domain;
    int64_t version;
} onnx_opset;

typedef struct onnx_opsets {
    const onnx_opset *items;
    size_t count;
} onnx_opsets;

enum { ONNX_DIM_UNSET, ONNX_DIM_VALUE, ONNX_DIM_NAME };

typedef struct onnx_dim {
    int32_t kind;
    int64_t value;
    onnx_text name;
} onnx_dim;

enum { ONNX_TYPE_UNSET, ONNX_TYPE_TENSOR, ONNX_TYPE_SPARSE, ONNX_TYPE_SEQUENCE, ONNX_TYPE_MAP, ONNX_TYPE_OPTIONAL, ONNX_TYPE_OPAQUE };

/* TypeProto; `dims` is NULL where the shape is not given. `nested`: the type of a sequence's or optional's items, of a map's
 * values (its keys are of `element`); NULL where the file gives none. */
typedef struct onnx_type {
    int32_t kind;
    int32_t element;
    const onnx_dim *dims;
    size_t rank;
    const struct onnx_type *nested;
} onnx_type;

/* ValueInfoProto. */
typedef struct onnx_value {
    onnx_text name;
    onnx_type type;
} onnx_value;

typedef struct onnx_values {
    const onnx_value *items;
    size_t count;
} onnx_values;

/* TensorProto. The elements lie in `raw` (NULL when the field is not given), in `strings`, in a file that `external` tells, or
 * in the typed fields of `message`, the whole encoded tensor, which the functions at the end decode. */
typedef struct onnx_tensor {
    onnx_text name;
    int32_t data_type;
    int32_t is_external;
    onnx_integers dims;
    const uint8_t *raw;
    size_t raw_size;
    const uint8_t *message;
    size_t message_size;
    onnx_texts strings;
    onnx_entries external;
} onnx_tensor;

typedef struct onnx_tensors {
    const onnx_tensor *items;
    size_t count;
} onnx_tensors;

/* SparseTensorProto. */
typedef struct onnx_sparse {
    onnx_tensor values, indices;
    onnx_integers dims;
} onnx_sparse;

typedef struct onnx_sparses {
    const onnx_sparse *items;
    size_t count;
} onnx_sparses;

/* Numbered as AttributeProto.AttributeType. */
enum {
    ONNX_UNDEFINED, ONNX_FLOAT, ONNX_INT, ONNX_STRING, ONNX_TENSOR, ONNX_GRAPH, ONNX_FLOATS, ONNX_INTS, ONNX_STRINGS,
    ONNX_TENSORS, ONNX_GRAPHS, ONNX_SPARSE_TENSOR, ONNX_SPARSE_TENSORS, ONNX_TYPE_PROTO, ONNX_TYPE_PROTOS
};

/* AttributeProto. One of `f`, `i`, `s` holds a single value; all other types hold `count` items: float, int64_t, onnx_text,
 * onnx_tensor, onnx_graph, onnx_sparse or onnx_type, one of them for the single ones. */
typedef struct onnx_attribute {
    onnx_text name;
    /* Name of the function's attribute whose value is meant; empty outside functions. */
    onnx_text reference;
    int32_t type;
    float f;
    int64_t i;
    onnx_text s;
    const void *items;
    size_t count;
} onnx_attribute;

typedef struct onnx_attributes {
    const onnx_attribute *items;
    size_t count;
} onnx_attributes;

/* NodeProto. */
typedef struct onnx_node {
    onnx_text name, op, domain, overload;
    onnx_texts inputs, outputs;
    onnx_attributes attributes;
    onnx_entries metadata;
} onnx_node;

typedef struct onnx_nodes {
    const onnx_node *items;
    size_t count;
} onnx_nodes;

/* GraphProto. */
typedef struct onnx_graph {
    onnx_text name, doc;
    onnx_nodes nodes;
    onnx_tensors initializers;
    onnx_sparses sparse_initializers;
    onnx_values inputs, outputs, values;
    onnx_entries metadata;
} onnx_graph;

typedef struct onnx_graphs {
    const onnx_graph *items;
    size_t count;
} onnx_graphs;

/* FunctionProto. */
typedef struct onnx_function {
    onnx_text name, domain, overload;
    onnx_texts inputs, outputs, required;
    /* Attributes that have a default value. */
    onnx_attributes defaults;
    onnx_nodes nodes;
    onnx_opsets opsets;
    onnx_values values;
} onnx_function;

typedef struct onnx_functions {
    const onnx_function *items;
    size_t count;
} onnx_functions;

/* ModelProto; `graph` is NULL where there is none. */
typedef struct onnx_model {
    int64_t ir_version, version;
    onnx_text producer, producer_version, domain, doc;
    onnx_opsets opsets;
    onnx_entries metadata;
    const onnx_graph *graph;
    onnx_functions functions;
} onnx_model;

typedef struct onnx_document onnx_document;

/* Reads a ModelProto. NULL when it is malformed, with the reason in `error` (cut to `error_size`). The bytes must stay until
 * onnx_close, and as long as payloads are read. */
onnx_document *onnx_open(const void *bytes, size_t size, char *error, size_t error_size);
const onnx_model *onnx_root(const onnx_document *document);
void onnx_close(onnx_document *document);

/* Numbers of TensorProto's typed fields. */
enum { ONNX_FLOAT_DATA = 4, ONNX_INT32_DATA = 5, ONNX_INT64_DATA = 7, ONNX_DOUBLE_DATA = 10, ONNX_UINT64_DATA = 11 };

/* Elements in a typed field of an encoded tensor; packed and single ones may be mixed. Negative when malformed. */
int64_t onnx_typed_count(const uint8_t *message, size_t size, int32_t field);
/* Writes `count` elements of `width` bytes: 4 for floats, 8 for doubles; integers are cut to 1, 2, 4 or 8. Returns 0 when the
 * field holds exactly `count` elements. */
int32_t onnx_typed_read(const uint8_t *message, size_t size, int32_t field, int32_t width, void *elements, size_t count);
/* The place of a field that is one packed run, NULL otherwise. */
const uint8_t *onnx_typed_run(const uint8_t *message, size_t size, int32_t field, size_t *run_size);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif
#endif
