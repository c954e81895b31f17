/* Runtimes, options, progress and hooks. A runtime owns worker threads and loaded backends; a process may hold several. */
#ifndef PELLUCID_RUNTIME_H
#define PELLUCID_RUNTIME_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pellucid_runtime pellucid_runtime;
typedef struct pellucid_options pellucid_options;

/* Named values for the calls that take options. What each call knows is listed beside it, and for methods by
 * pellucid_method_parameter_at; an unknown name is an error that lists the nearest valid one. */

/* Owner: the caller, until pellucid_options_release. Threads: one at a time. Errors: INVALID. Since 0.1 */
PELLUCID_API pellucid_status pellucid_options_create(pellucid_options **out);
/* Threads: one at a time. Since 0.1 */
PELLUCID_API void pellucid_options_release(pellucid_options *options);
/* Integers and booleans (0 or 1).
 * Threads: one at a time. Errors: INVALID. Since 0.1 */
PELLUCID_API pellucid_status pellucid_options_set_int(pellucid_options *options, const char *name, int64_t value);
/* Threads: one at a time. Errors: INVALID. Since 0.1 */
PELLUCID_API pellucid_status pellucid_options_set_real(pellucid_options *options, const char *name, double value);
/* Text; numbers, booleans ("true", "false") and lists ("1,2,3") are also accepted in this form.
 * Owner: name and value are copied. Threads: one at a time. Errors: INVALID. Since 0.1 */
PELLUCID_API pellucid_status pellucid_options_set_text(pellucid_options *options, const char *name, const char *value);
/* The options keep the tensor alive.
 * Threads: one at a time. Errors: INVALID. Since 0.1 */
PELLUCID_API pellucid_status pellucid_options_set_tensor(pellucid_options *options, const char *name, const pellucid_tensor *value);

/* Options of a runtime:
 *   threads   int   workers of the runtime, the calling thread included; default: processors available
 *   plugins   bool  look for backend plugins beside the library; default true
 *   environment bool  also read the path list in PELLUCID_BACKENDS; default true; has no effect when plugins is false
 * `options` may be NULL.
 * Owner: the caller, until pellucid_runtime_release. Threads: any. Errors: INVALID, MEMORY. Since 0.1 */
PELLUCID_API pellucid_status pellucid_runtime_create(pellucid_runtime **out, const pellucid_options *options);

/* The runtime's threads end when the last of the runtime and its models is released.
 * Threads: any. Since 0.1 */
PELLUCID_API void pellucid_runtime_release(pellucid_runtime *runtime);

/* Loads a backend plugin from an explicit path. It is offered to models loaded afterwards.
 * Owner: the runtime keeps the plugin open. Threads: any. Errors: INVALID, NOTFOUND, BACKEND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_runtime_load_backend(pellucid_runtime *runtime, const char *path);

typedef struct pellucid_backend_info {
    size_t struct_size;
    const char *name;        /* as accepted by the model option "backend" */
    const char *version;
    const char *description;
    const char *path;        /* of the plugin; empty for built-in backends */
    int32_t score;           /* higher is preferred; 0: cannot run on this machine */
} pellucid_backend_info;
#define PELLUCID_BACKEND_INFO_INIT { sizeof(pellucid_backend_info), NULL, NULL, NULL, NULL, 0 }

/* Number of backends; negative status on failure.
 * Threads: any. Errors: INVALID. Since 0.1 */
PELLUCID_API int32_t pellucid_runtime_backend_count(const pellucid_runtime *runtime);
/* Best score first. PELLUCID_E_NOTFOUND past the end.
 * Owner: the library; lives as long as the runtime. Threads: any. Errors: INVALID, NOTFOUND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_runtime_backend_at(const pellucid_runtime *runtime, int32_t index, pellucid_backend_info *out);

/* Receives warnings (level 1) and details (level 2); called on the thread that caused them. */
typedef void (*pellucid_log_fn)(int32_t level, const char *text, void *payload);
/* fn NULL: silence, as at the start.
 * Owner: payload stays the caller's and must outlive the runtime's use. Threads: any; fn runs on all of them. Errors:
 * INVALID. Since 0.1 */
PELLUCID_API pellucid_status pellucid_runtime_set_logger(pellucid_runtime *runtime, pellucid_log_fn fn, void *payload);

/* Called between nodes and samples on the thread of the call: fraction from 0 to 1, a short stage name. Non-zero cancels. */
typedef int32_t (*pellucid_progress_fn)(double fraction, const char *stage, void *payload);

/* Sees one value of a run. May set *replacement to a tensor of the same shape and type (ownership passes to the
 * library), which then takes the value's place. Non-zero ends the call with PELLUCID_E_CALLBACK. */
typedef int32_t (*pellucid_hook_fn)(const char *name, const pellucid_tensor *value, pellucid_tensor **replacement, void *payload);

enum { PELLUCID_FORWARD = 0, PELLUCID_BACKWARD = 1 };

typedef struct pellucid_hook {
    const char *value;    /* value, node or layer name */
    int32_t phase;        /* PELLUCID_FORWARD: the value; PELLUCID_BACKWARD: its gradient */
    pellucid_hook_fn fn;
    void *payload;
} pellucid_hook;

typedef struct pellucid_control {
    size_t struct_size;
    pellucid_progress_fn progress;   /* may be NULL */
    void *payload;                   /* of progress */
    const volatile int32_t *cancel;  /* may be NULL; non-zero cancels, may be set from any thread */
    double deadline;                 /* seconds from the start of the call; 0: none. A method that samples returns what it has by
                                        then (see pellucid_explain); everything else ends with PELLUCID_E_CANCELLED */
    const pellucid_hook *hooks;      /* may be NULL */
    int32_t hook_count;
} pellucid_control;
#define PELLUCID_CONTROL_INIT { sizeof(pellucid_control), NULL, NULL, NULL, 0.0, NULL, 0 }

#ifdef __cplusplus
}
#endif
#endif
