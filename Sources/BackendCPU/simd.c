#include "simd.h"

#include <stddef.h>
#include <string.h>

const cpu_simd *cpu_simd_select(const char *config) {
    const char *limit = config ? strstr(config, "level=") : NULL;
    limit = limit ? limit + strlen("level=") : "v4";
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool v3 = strncmp(limit, "base", 4) != 0, v4 = v3 && strncmp(limit, "v3", 2) != 0;
    if (v4 && __builtin_cpu_supports("x86-64-v4")) return cpu_simd_v4();
    if (v3 && __builtin_cpu_supports("x86-64-v3")) return cpu_simd_v3();
#else
    (void)limit;
#endif
    return cpu_simd_base();
}

bool cpu_unary_find(const char *name, cpu_unary *out) {
    static const struct { const char *name; cpu_unary id; } known[] = {
        { "", CPU_IDENTITY }, { "Relu", CPU_RELU }, { "Clip", CPU_CLIP }, { "Sigmoid", CPU_SIGMOID }, { "Silu", CPU_SILU },
        { "HardSwish", CPU_HARD_SWISH }, { "HardSigmoid", CPU_HARD_SIGMOID }, { "LeakyRelu", CPU_LEAKY_RELU },
        { "Tanh", CPU_TANH }, { "Gelu", CPU_GELU },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].name, name) == 0) {
            *out = known[i].id;
            return true;
        }
    return false;
}
