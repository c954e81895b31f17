#include "simd.h"

#if defined(__x86_64__)
#include <math.h>
#include <string.h>
#define LEVEL "v3"
#define TABLE cpu_simd_v3
#define PRODUCT_ROWS 6
#define PRODUCT_BYTES 32
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("arch=x86-64-v3"))), apply_to = function)
#include "level_table.h"
#pragma clang attribute pop
#else
#pragma GCC target("arch=x86-64-v3")
#include "level_table.h"
#endif
#endif
