/* Metrics: how good an explanation is. They stand in the registry beside the methods, with the kind "metric". */
#ifndef PELLUCID_EVALUATE_H
#define PELLUCID_EVALUATE_H

#include "explain.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Judges an explanation of the same feeds, or, where explanation is NULL, the map in the option "map" (a tensor). Metrics
 * that need "explanation" ask its method again, with its options, and cannot judge a map alone. target NULL: what was
 * explained, or arg-max. options and control may be NULL.
 * The result has the number "value" (the mean over the images) and the tensor "values" (float64 [N]; NaN where an image has
 * none), where it makes sense "reference_constant" and "reference_random" (what a map that is the same everywhere and one of
 * random numbers get), and what docs/metrics.md names besides, as "curve" and "fractions".
 * Owner: the caller, until pellucid_result_release. Threads: any, several on one model. Errors: as pellucid_explain.
 * Since 0.1 */
PELLUCID_API pellucid_status pellucid_evaluate(pellucid_result **out, pellucid_model *model, const char *metric,
                                               const pellucid_feed *feeds, int32_t feed_count, const pellucid_target *target,
                                               const pellucid_result *explanation, const pellucid_options *options,
                                               const pellucid_control *control);

/* What pellucid_evaluate with the same arguments would take at most, without running it.
 * Threads: any. Errors: as pellucid_model_cost. Since 0.1 */
PELLUCID_API pellucid_status pellucid_evaluate_cost(pellucid_cost *out, pellucid_model *model, const char *metric,
                                                    const pellucid_feed *feeds, int32_t feed_count, const pellucid_target *target,
                                                    const pellucid_result *explanation, const pellucid_options *options);

#ifdef __cplusplus
}
#endif
#endif
