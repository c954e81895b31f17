/* The default backend: OpenBLAS for matrix products, vectorised C for everything around them. */
#ifndef PELLUCID_BACKEND_CPU_H
#define PELLUCID_BACKEND_CPU_H

#include <pellucid/backend.h>

/* Hidden: its name would otherwise match the library's export list. */
__attribute__((visibility("hidden"))) const pellucid_backend *pellucid_cpu_backend(void);

#endif
