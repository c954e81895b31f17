/* The table that a compute backend offers. A plugin is a shared object whose one exported symbol is
 * pellucid_backend_entry; the built-in backends use the same table. Append-only: members are added at the end, and
 * each side reads a member only when the other's struct_size covers it. See docs/backends.md. */
#ifndef PELLUCID_BACKEND_H
#define PELLUCID_BACKEND_H

#include "tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Raised only when older plugins must be refused. */
#define PELLUCID_BACKEND_ABI 1

typedef struct pellucid_device pellucid_device; /* the plugin's own */
typedef struct pellucid_kernel pellucid_kernel; /* the plugin's own */

enum {
    PELLUCID_ATTRIBUTE_INT = 1,
    PELLUCID_ATTRIBUTE_REAL = 2,
    PELLUCID_ATTRIBUTE_TEXT = 3,
    PELLUCID_ATTRIBUTE_INTS = 4,
    PELLUCID_ATTRIBUTE_REALS = 5,
    PELLUCID_ATTRIBUTE_TENSOR = 6
};

typedef struct pellucid_attribute {
    const char *name;
    int32_t kind;
    int32_t count;        /* of ints or reals */
    int64_t integer;
    double real;
    const char *text;
    const int64_t *ints;
    const double *reals;
    const pellucid_view *tensor;
} pellucid_attribute;

/* One core operator: ONNX's name and attributes, see docs/operators.md for those that are Pellucid's own. */
typedef struct pellucid_node {
    const char *op;
    const char *name;
    const int32_t *inputs;  /* indices into the program's values; -1: absent */
    const int32_t *outputs;
    int32_t input_count;
    int32_t output_count;
    const pellucid_attribute *attributes;
    int32_t attribute_count;
} pellucid_node;

/* One node, or a group of them in execution order. Shapes are complete. */
typedef struct pellucid_program {
    size_t struct_size;
    const pellucid_node *nodes;
    int32_t node_count;
    int32_t value_count;
    const pellucid_view *values; /* data != NULL marks a constant, alive and unchanged as long as the kernel */
    const int32_t *inputs;       /* values that run() receives, constants left out */
    const int32_t *outputs;
    int32_t input_count;
    int32_t output_count;
} pellucid_program;

/* What the library offers a backend; valid while the device is open. */
typedef struct pellucid_host {
    size_t struct_size;
    void *context;
    int32_t threads; /* how many may take part in parallel() */
    /* Runs body over [0, count) in pieces, on the caller and the runtime's workers; returns when all are done. May be nested. */
    void (*parallel)(const struct pellucid_host *host, int64_t count, int64_t grain,
                     void (*body)(int64_t begin, int64_t end, void *payload), void *payload);
    void *(*allocate)(const struct pellucid_host *host, size_t bytes); /* 64-byte aligned; NULL when out of memory */
    void (*deallocate)(const struct pellucid_host *host, void *memory);
    void (*fail)(const struct pellucid_host *host, const char *message); /* explains the status returned next, on this thread */
    void (*log)(const struct pellucid_host *host, int32_t level, const char *message);
} pellucid_host;

typedef struct pellucid_backend {
    size_t struct_size;
    int32_t abi; /* PELLUCID_BACKEND_ABI it was built for */
    const char *name;
    const char *version;
    const char *description;
    /* 0: cannot run on this machine; the highest wins. */
    int32_t (*score)(void);
    pellucid_status (*open)(const pellucid_host *host, const char *config, pellucid_device **out);
    void (*close)(pellucid_device *device);
    /* 0: no; else how fast, relative to 100 for the reference backend. */
    int32_t (*supports)(pellucid_device *device, const pellucid_program *program);
    /* The program is only valid during the call, constants excepted. */
    pellucid_status (*compile)(pellucid_device *device, const pellucid_program *program, pellucid_kernel **out);
    /* Inputs and outputs in the program's order, row-major unless strides say otherwise; outputs never overlap inputs.
     * Called from several threads at once on one kernel. */
    pellucid_status (*run)(pellucid_kernel *kernel, const pellucid_view *inputs, const pellucid_view *outputs);
    void (*release)(pellucid_kernel *kernel);
} pellucid_backend;

/* The plugin's one exported symbol. NULL refuses the host. */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
const pellucid_backend *pellucid_backend_entry(int32_t host_abi);

#ifdef __cplusplus
}
#endif
#endif
