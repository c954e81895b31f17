/* Explanations: one generic call, and a registry that describes every method, every metric and their options. */
#ifndef PELLUCID_EXPLAIN_H
#define PELLUCID_EXPLAIN_H

#include "model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a method produced: named tensors, named numbers, and a manifest as JSON. Reference-counted, immutable. */
typedef struct pellucid_result pellucid_result;

typedef struct pellucid_method_info {
    size_t struct_size;
    const char *name;      /* as in the literature: "grad-cam" */
    const char *family;    /* "cam", "gradient", ... */
    const char *kind;      /* "explainer" or "metric" */
    const char *summary;   /* one sentence */
    const char *needs;     /* comma-separated: "gradient", "layer", "global-pooling", "attention"; of a metric: "map", "explanation", "regions" */
    const char *reference; /* the paper */
    const char *direction; /* of a metric, which values are better: "higher" or "lower"; else empty */
    const char *category;  /* of a metric: "faithfulness", "robustness", "localisation", ...; else empty */
    const char *range;     /* of a metric's value: "0...1"; else empty */
} pellucid_method_info;
#define PELLUCID_METHOD_INFO_INIT { sizeof(pellucid_method_info), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL }

typedef struct pellucid_parameter_info {
    size_t struct_size;
    const char *name;
    const char *type;          /* "integer", "real", "boolean", "choice", "text", "value" (a layer), "tensor",
                                  "numbers" (one, several separated by commas, or a tensor), "baseline" (as numbers, or a name) */
    const char *default_value; /* as text; empty: chosen at run time, see help */
    const char *range;         /* "1...10000", or the choices separated by "|"; empty: any */
    const char *help;
} pellucid_parameter_info;
#define PELLUCID_PARAMETER_INFO_INIT { sizeof(pellucid_parameter_info), NULL, NULL, NULL, NULL, NULL }

/* Threads: any. Errors: none. Since 0.1 */
PELLUCID_API int32_t pellucid_method_count(void);
/* PELLUCID_E_NOTFOUND past the end. The strings are never freed.
 * Owner: the library, for ever. Threads: any. Errors: INVALID, NOTFOUND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_method_at(int32_t index, pellucid_method_info *out);
/* PELLUCID_E_NOTFOUND past the end or for an unknown method.
 * Owner: the library, for ever. Threads: any. Errors: INVALID, NOTFOUND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_method_parameter_at(const char *method, int32_t index, pellucid_parameter_info *out);

/* Explains the model's decision on the feeds. target NULL: arg-max. options and control may be NULL.
 * Cancelling is always an error. A deadline is one where nothing can be given yet; a method that samples returns the mean of
 * the samples so far, with the tensor "standard_error", a warning and "stopped": "deadline" in the manifest.
 * Owner: the caller, until pellucid_result_release. Threads: any, several on one model. Errors: as pellucid_model_run.
 * Since 0.1 */
PELLUCID_API pellucid_status pellucid_explain(pellucid_result **out, pellucid_model *model, const char *method,
                                              const pellucid_feed *feeds, int32_t feed_count,
                                              const pellucid_target *target, const pellucid_options *options,
                                              const pellucid_control *control);

/* What pellucid_explain with the same arguments would take at most, without running it: a method that ends early when it
 * is satisfied or meets a deadline takes less. target NULL: arg-max. options may be NULL.
 * Threads: any. Errors: as pellucid_model_cost. Since 0.1 */
PELLUCID_API pellucid_status pellucid_explain_cost(pellucid_cost *out, pellucid_model *model, const char *method,
                                                   const pellucid_feed *feeds, int32_t feed_count,
                                                   const pellucid_target *target, const pellucid_options *options);

/* A tensor of the result by name: "map" for every picture-making method, "scores" (float64 [N], of the unchanged input), for an
 * arg-max target "classes" (int64 [N]), and what the method's card names besides. Released by the caller.
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: INVALID, NOTFOUND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_result_tensor(const pellucid_result *result, const char *name, pellucid_tensor **out);
/* A number of the result by name, as "score" or "completeness_gap".
 * Threads: any. Errors: INVALID, NOTFOUND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_result_number(const pellucid_result *result, const char *name, double *out);
/* Name of the index-th tensor or number; NULL past the end.
 * Owner: the library; lives as long as the result. Threads: any. Since 0.1 */
PELLUCID_API const char *pellucid_result_tensor_name(const pellucid_result *result, int32_t index);
/* Owner: the library; lives as long as the result. Threads: any. Since 0.1 */
PELLUCID_API const char *pellucid_result_number_name(const pellucid_result *result, int32_t index);
/* The manifest: method, resolved options, layer, target, seed, model hash, versions, backend, forwards, backwards,
 * peak bytes, seconds, warnings. One JSON object.
 * Owner: the library; lives as long as the result. Threads: any. Since 0.1 */
PELLUCID_API const char *pellucid_result_json(const pellucid_result *result);
/* Threads: any. Since 0.1 */
PELLUCID_API void pellucid_result_release(pellucid_result *result);

#ifdef __cplusplus
}
#endif
#endif
