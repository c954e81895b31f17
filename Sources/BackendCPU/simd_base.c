#include "simd.h"

#define LEVEL "base"
#define TABLE cpu_simd_base
#define PRODUCT_ROWS 4
#define PRODUCT_BYTES 16
#include "level_table.h"
