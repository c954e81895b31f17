/* The default backend: OpenBLAS for matrix products, vectorised C for the rest. Its config is a list of words:
 * "level=base" or "level=v3" bounds the instructions used, "conv=openblas" also sends float32 convolutions with
 * more than one channel in a group, which have a packed product of their own, through OpenBLAS. */
#ifndef PELLUCID_BACKEND_CPU_H
#define PELLUCID_BACKEND_CPU_H

#include <pellucid/backend.h>

/* Hidden: its name would otherwise match the library's export list. */
__attribute__((visibility("hidden"))) const pellucid_backend *pellucid_cpu_backend(void);

#endif
