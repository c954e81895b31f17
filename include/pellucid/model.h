/* Models: load an ONNX file, look inside it, run it, differentiate it. */
#ifndef PELLUCID_MODEL_H
#define PELLUCID_MODEL_H

#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An immutable model; reference-counted; any number of threads may use it at once. */
typedef struct pellucid_model pellucid_model;

/* Options of a model:
 *   backend   text  name of the preferred backend; default: the best score
 *   passes    text  "all" (default), "none", or a list of pass names separated by commas; "-name" leaves one out of all
 *   memory    int   bytes that one run may use for activations; larger batches are split; default 1 GiB
 *   external  bool  read external data files (only inside the model's folder); default true
 * `options` may be NULL.
 * Owner: the caller, until pellucid_model_release. The model keeps the runtime alive. Threads: any. Errors: INVALID,
 * NOTFOUND, IO, PARSE, UNSUPPORTED, SHAPE, MEMORY. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_load(pellucid_model **out, pellucid_runtime *runtime, const char *path,
                                                 const pellucid_options *options);

/* The same from memory, which is copied. External data is refused unless the option "folder" names where it lies.
 * Owner: the caller, until pellucid_model_release. Threads: any. Errors: as pellucid_model_load. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_load_memory(pellucid_model **out, pellucid_runtime *runtime, const void *bytes,
                                                        size_t size, const pellucid_options *options);

/* Threads: any. Since 0.1 */
PELLUCID_API void pellucid_model_retain(pellucid_model *model);
/* Threads: any. Since 0.1 */
PELLUCID_API void pellucid_model_release(pellucid_model *model);

typedef int32_t pellucid_value_kind;
enum {
    PELLUCID_INPUT = 0,  /* what a run must be fed, in the model's order */
    PELLUCID_OUTPUT = 1, /* what the model returns, in its order */
    PELLUCID_LAYER = 2,  /* every value that a node computes, in execution order */
    PELLUCID_WEIGHT = 3  /* initialisers */
};

typedef struct pellucid_value_info {
    size_t struct_size;
    const char *name;             /* ONNX value name */
    const char *node;             /* name of the node that computes it; empty for inputs and weights */
    const char *op;               /* ONNX operator type of that node */
    const char *module;           /* module path that the exporter recorded, as "layer4.1.conv2"; may be empty */
    pellucid_dtype dtype;         /* of inputs and outputs as the file declares it, of others as it is computed; 0: unknown */
    int32_t rank;                 /* -1: unknown */
    const int64_t *dims;          /* rank entries; -1 where symbolic or unknown */
    const char *const *dim_names; /* rank entries: symbol or expression where symbolic, else empty */
    int64_t parameters;           /* elements of the weights that the node reads; weights that an earlier node reads count there. A weight: its own */
    int64_t flops;                /* of the node for the sizes of the file, a symbolic first axis being 1; a multiplication and an
                                     addition are 2; -1: they depend on sizes that are not known. 0 for inputs and weights */
    int32_t differentiable;       /* 1: the first output has a gradient with respect to this value; else 0 */
    const char *backend;          /* that runs the node at these sizes; empty: none needs to, or it depends on sizes that are not known */
} pellucid_value_info;
#define PELLUCID_VALUE_INFO_INIT \
    { sizeof(pellucid_value_info), NULL, NULL, NULL, NULL, 0, 0, NULL, NULL, 0, 0, 0, NULL }

/* Number of values of that kind; negative status on failure.
 * Threads: any. Errors: INVALID. Since 0.1 */
PELLUCID_API int32_t pellucid_model_value_count(const pellucid_model *model, pellucid_value_kind kind);
/* PELLUCID_E_NOTFOUND past the end.
 * Owner: the library; lives as long as the model. Threads: any. Errors: INVALID, NOTFOUND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_value_at(const pellucid_model *model, pellucid_value_kind kind, int32_t index,
                                                     pellucid_value_info *out);

/* One module of the network as its author wrote it, as "layer4.1": the nodes that the exporter noted for it. */
typedef struct pellucid_module_info {
    size_t struct_size;
    const char *name;             /* path, as "layer4.1.conv2"; empty for the whole model. Accepted wherever a value is named */
    const char *kind;             /* class that the exporter recorded, as "Bottleneck"; else the operator of an only node; may be empty */
    int32_t parent;               /* index of the module around it; -1 for the whole model */
    int32_t nodes;                /* nodes in it, those of inner modules included */
    const char *value;            /* name of the value that it returns; empty when it has no node */
    int64_t parameters;           /* sums over its nodes, see pellucid_value_info; flops -1 where one of them is */
    int64_t flops;
    pellucid_dtype dtype;         /* of that value, as in pellucid_value_info */
    int32_t rank;
    const int64_t *dims;
    const char *const *dim_names;
    int32_t differentiable;
} pellucid_module_info;
#define PELLUCID_MODULE_INFO_INIT \
    { sizeof(pellucid_module_info), NULL, NULL, 0, 0, NULL, 0, 0, 0, 0, NULL, NULL, 0 }

/* Number of modules, at least 1; negative status on failure.
 * Threads: any. Errors: INVALID. Since 0.1 */
PELLUCID_API int32_t pellucid_model_module_count(const pellucid_model *model);
/* Modules in depth-first order, each before those inside it; index 0 is the whole model. A file without module names has
 * that one alone. PELLUCID_E_NOTFOUND past the end.
 * Owner: the library; lives as long as the model. Threads: any. Errors: INVALID, NOTFOUND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_module_at(const pellucid_model *model, int32_t index, pellucid_module_info *out);

/* Text for a metadata key of the file, or one of "producer", "producer_version", "domain", "graph", "ir_version",
 * "opset", "hash" (64 hex digits of SHA-256 over the model file), "backend". NULL when absent.
 * Owner: the library; lives as long as the model. Threads: any. Since 0.1 */
PELLUCID_API const char *pellucid_model_metadata(const pellucid_model *model, const char *key);

/* A tensor for a named value: an input, or an inner value to start from. name NULL: the only input. */
typedef struct pellucid_feed {
    const char *name;
    const pellucid_tensor *tensor;
} pellucid_feed;

/* Computes the wanted values (any value, node or layer name; with wanted_count 0: all outputs, and then `outputs` has
 * room for pellucid_model_value_count(PELLUCID_OUTPUT) tensors). Each output is released by the caller. control may be NULL.
 * Floats of less than 32 bits and integers of less than 8 are computed in wider types; outputs are rounded to what the file declares.
 * A feed of an inner value replaces that value; all paths from inputs that are not fed must pass through fed values.
 * Owner: the caller, of each output. Threads: any, several on one model. Errors: INVALID, NOTFOUND, SHAPE, UNSUPPORTED,
 * MEMORY, BACKEND, CANCELLED, CALLBACK. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_run(pellucid_model *model, const pellucid_feed *feeds, int32_t feed_count,
                                                const char *const *wanted, int32_t wanted_count,
                                                pellucid_tensor **outputs, const pellucid_control *control);

/* What a call takes. */
typedef struct pellucid_cost {
    size_t struct_size;
    int64_t forwards;  /* images that run forward, as the manifest counts them */
    int64_t backwards; /* images that run backward */
    int64_t bytes;     /* most bytes of activations at once */
    int64_t flops;     /* arithmetic of all of it, see pellucid_value_info; -1: unknown */
} pellucid_cost;
#define PELLUCID_COST_INIT { sizeof(pellucid_cost), 0, 0, 0, 0 }

/* What computing all outputs of these feeds takes, by their shapes; nothing runs and no element is read. With feed_count 0:
 * for the sizes of the file, a symbolic first axis being 1. The arithmetic is that of the rewritten graph: less than the sum
 * over values where, say, a normalisation is folded into a convolution.
 * Threads: any. Errors: INVALID, NOTFOUND, SHAPE, UNSUPPORTED, MEMORY. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_cost(pellucid_cost *out, pellucid_model *model, const pellucid_feed *feeds,
                                                 int32_t feed_count);

enum {
    PELLUCID_TARGET_ARGMAX = 0, /* each image's own best class */
    PELLUCID_TARGET_CLASS = 1,  /* `index` for every image */
    PELLUCID_TARGET_EACH = 2,   /* `indices`: one class per image */
    PELLUCID_TARGET_SUM = 3,    /* `indices`: sum of several classes */
    PELLUCID_TARGET_MASK = 4,   /* class `index` summed over `weights`, shaped as the output's axes after the class axis */
    PELLUCID_TARGET_WEIGHTS = 5 /* sum of weights * output; weights shaped as the output, or as one image of it */
};
enum {
    PELLUCID_SCORE_AUTO = 0,        /* as the method's paper has it: the probability where inputs are masked, else the logit */
    PELLUCID_SCORE_LOGIT = 1,       /* walk back through a terminal Softmax, LogSoftmax or Sigmoid where there is one */
    PELLUCID_SCORE_PROBABILITY = 2, /* append a Softmax over the class axis where there is none */
    PELLUCID_SCORE_OUTPUT = 3       /* the output as it is */
};

/* The scalar (one per image) that is explained or differentiated. */
typedef struct pellucid_target {
    size_t struct_size;
    int32_t kind;                  /* PELLUCID_TARGET_... */
    int32_t score;                 /* PELLUCID_SCORE_... */
    const char *output;            /* output or any value name; NULL: the first output */
    int64_t index;
    const int64_t *indices;
    int32_t index_count;
    const pellucid_tensor *weights;
} pellucid_target;
#define PELLUCID_TARGET_INIT { sizeof(pellucid_target), PELLUCID_TARGET_ARGMAX, PELLUCID_SCORE_AUTO, NULL, 0, NULL, 0, NULL }
#define PELLUCID_TARGET_CLASS_INIT(c) { sizeof(pellucid_target), PELLUCID_TARGET_CLASS, PELLUCID_SCORE_AUTO, NULL, (c), NULL, 0, NULL }

/* Gradients of the target, summed over the batch, with respect to any values: inputs, inner values, weights.
 * rules: "gradient" (or NULL), "guided-backprop", "deconvolution". target NULL: arg-max. Each gradient has the shape of its value, is of
 * float32 or float64, and is released by the caller.
 * Owner: the caller, of each gradient. Threads: any, several on one model. Errors: as pellucid_model_run. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_gradient(pellucid_model *model, const pellucid_feed *feeds, int32_t feed_count,
                                                     const pellucid_target *target, const char *const *wrt,
                                                     int32_t wrt_count, const char *rules,
                                                     pellucid_tensor **gradients, const pellucid_control *control);

#ifdef __cplusplus
}
#endif
#endif
