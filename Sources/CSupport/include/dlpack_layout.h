/* Layout of DLManagedTensor and DLManagedTensorVersioned as DLPack defines them (https://dmlc.github.io/dlpack);
 * Debian ships only an older header. */
#ifndef PELLUCID_DLPACK_LAYOUT_H
#define PELLUCID_DLPACK_LAYOUT_H

#include <stdint.h>

typedef struct support_dlpack_tensor {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape;
    int64_t *strides; /* NULL: row-major */
    uint64_t byte_offset;
} support_dlpack_tensor;

/* DLManagedTensorVersioned, since 1.0 */
typedef struct support_dlpack {
    uint32_t major, minor;
    void *manager;
    void (*deleter)(struct support_dlpack *self);
    uint64_t flags;
    support_dlpack_tensor tensor;
} support_dlpack;

/* DLManagedTensor, of versions before */
typedef struct support_dlpack_legacy {
    support_dlpack_tensor tensor;
    void *manager;
    void (*deleter)(struct support_dlpack_legacy *self);
} support_dlpack_legacy;

#endif
