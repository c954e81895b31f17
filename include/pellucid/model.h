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
 * `options` may be NULL. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_load(pellucid_model **out, pellucid_runtime *runtime, const char *path,
                                                 const pellucid_options *options);

/* The same from memory, which is copied. External data is refused unless the option "folder" names where it lies. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_load_memory(pellucid_model **out, pellucid_runtime *runtime, const void *bytes,
                                                        size_t size, const pellucid_options *options);

/* Since 0.1 */
PELLUCID_API void pellucid_model_retain(pellucid_model *model);
/* Since 0.1 */
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
} pellucid_value_info;
#define PELLUCID_VALUE_INFO_INIT { sizeof(pellucid_value_info), NULL, NULL, NULL, NULL, 0, 0, NULL, NULL }

/* Number of values of that kind; negative status on failure. Since 0.1 */
PELLUCID_API int32_t pellucid_model_value_count(const pellucid_model *model, pellucid_value_kind kind);
/* PELLUCID_E_NOTFOUND past the end. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_value_at(const pellucid_model *model, pellucid_value_kind kind, int32_t index,
                                                     pellucid_value_info *out);

/* Text for a metadata key of the file, or one of "producer", "producer_version", "domain", "graph", "ir_version",
 * "opset", "hash" (64 hex digits of SHA-256 over the model file), "backend". NULL when absent. Since 0.1 */
PELLUCID_API const char *pellucid_model_metadata(const pellucid_model *model, const char *key);

/* A tensor for a named value: an input, or an inner value to start from. name NULL: the only input. */
typedef struct pellucid_feed {
    const char *name;
    const pellucid_tensor *tensor;
} pellucid_feed;

/* Computes the wanted values (any value, node or layer name; with wanted_count 0: all outputs, and then `outputs` has
 * room for pellucid_model_value_count(PELLUCID_OUTPUT) tensors). Each output is released by the caller. control may be NULL.
 * Floats of less than 32 bits and integers of less than 8 are computed in wider types; outputs are rounded to what the file declares.
 * A feed of an inner value replaces that value; all paths from inputs that are not fed must pass through fed values. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_run(pellucid_model *model, const pellucid_feed *feeds, int32_t feed_count,
                                                const char *const *wanted, int32_t wanted_count,
                                                pellucid_tensor **outputs, const pellucid_control *control);

enum {
    PELLUCID_TARGET_ARGMAX = 0, /* each image's own best class */
    PELLUCID_TARGET_CLASS = 1,  /* `index` for every image */
    PELLUCID_TARGET_EACH = 2,   /* `indices`: one class per image */
    PELLUCID_TARGET_SUM = 3,    /* `indices`: sum of several classes */
    PELLUCID_TARGET_MASK = 4,   /* class `index` summed over `weights`, shaped as the output's axes after the class axis */
    PELLUCID_TARGET_WEIGHTS = 5 /* sum of weights * output; weights shaped as the output, or as one image of it */
};
enum {
    PELLUCID_SCORE_LOGIT = 0,       /* walk back through a terminal Softmax, LogSoftmax or Sigmoid where there is one */
    PELLUCID_SCORE_PROBABILITY = 1, /* append a Softmax over the class axis where there is none */
    PELLUCID_SCORE_OUTPUT = 2       /* the output as it is */
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
#define PELLUCID_TARGET_INIT { sizeof(pellucid_target), PELLUCID_TARGET_ARGMAX, PELLUCID_SCORE_LOGIT, NULL, 0, NULL, 0, NULL }
#define PELLUCID_TARGET_CLASS_INIT(c) { sizeof(pellucid_target), PELLUCID_TARGET_CLASS, PELLUCID_SCORE_LOGIT, NULL, (c), NULL, 0, NULL }

/* Gradients of the target, summed over the batch, with respect to any values: inputs, inner values, weights.
 * rules: "gradient" (or NULL), "guided-backprop", "deconvolution". target NULL: arg-max. Each gradient has the shape of its value, is of
 * float32 or float64, and is released by the caller. Since 0.1 */
PELLUCID_API pellucid_status pellucid_model_gradient(pellucid_model *model, const pellucid_feed *feeds, int32_t feed_count,
                                                     const pellucid_target *target, const char *const *wrt,
                                                     int32_t wrt_count, const char *rules,
                                                     pellucid_tensor **gradients, const pellucid_control *control);

#ifdef __cplusplus
}
#endif
#endif
