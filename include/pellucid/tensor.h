/* Tensors: typed n-dimensional arrays in host memory; and sequences, optionals and maps of them. */
#ifndef PELLUCID_TENSOR_H
#define PELLUCID_TENSOR_H

#include "status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Element types, numbered as in ONNX's TensorProto.DataType. The last three are containers: tensors of rank 1 whose elements
 * are tensors. A sequence holds any number of one type; an optional holds one or none; a map holds two, its keys (a list of
 * int64 or strings) and its values (a list of any type, or a sequence). */
typedef int32_t pellucid_dtype;
enum {
    PELLUCID_FLOAT32 = 1,
    PELLUCID_UINT8 = 2,
    PELLUCID_INT8 = 3,
    PELLUCID_UINT16 = 4,
    PELLUCID_INT16 = 5,
    PELLUCID_INT32 = 6,
    PELLUCID_INT64 = 7,
    PELLUCID_STRING = 8,
    PELLUCID_BOOL = 9,
    PELLUCID_FLOAT16 = 10,
    PELLUCID_FLOAT64 = 11,
    PELLUCID_UINT32 = 12,
    PELLUCID_UINT64 = 13,
    PELLUCID_COMPLEX64 = 14,
    PELLUCID_COMPLEX128 = 15,
    PELLUCID_BFLOAT16 = 16,
    PELLUCID_FLOAT8E4M3FN = 17,
    PELLUCID_FLOAT8E4M3FNUZ = 18,
    PELLUCID_FLOAT8E5M2 = 19,
    PELLUCID_FLOAT8E5M2FNUZ = 20,
    PELLUCID_UINT4 = 21,
    PELLUCID_INT4 = 22,
    PELLUCID_FLOAT4E2M1 = 23,
    PELLUCID_FLOAT8E8M0 = 24,
    PELLUCID_UINT2 = 25,
    PELLUCID_INT2 = 26,
    PELLUCID_FLOAT6E2M3 = 27,
    PELLUCID_FLOAT6E3M2 = 28,
    PELLUCID_SEQUENCE = 100,
    PELLUCID_OPTIONAL = 101,
    PELLUCID_MAP = 102
};

/* Memory of a tensor as both sides see it; owns nothing. */
typedef struct pellucid_view {
    void *data;             /* first element; may be NULL when there are no elements; NULL for strings and containers */
    pellucid_dtype dtype;
    int32_t rank;
    const int64_t *shape;   /* rank entries; may be NULL when rank is 0 */
    const int64_t *strides; /* rank entries, in elements; NULL: row-major without gaps */
} pellucid_view;

/* A tensor. Its shape and type never change; it is reference-counted. */
typedef struct pellucid_tensor pellucid_tensor;

/* Called once when a wrapped tensor no longer needs its memory, from whichever thread dropped it last. */
typedef void (*pellucid_release_fn)(void *payload);

struct DLManagedTensorVersioned; /* DLPack 1.x, see https://dmlc.github.io/dlpack */
struct DLManagedTensor;          /* DLPack before 1.0, which many libraries still hand out */

/* New row-major tensor holding a copy of `data`, or zeros when data is NULL. Types of less than a byte are packed
 * as in ONNX. Strings and containers have functions of their own, below. Release with pellucid_tensor_release.
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: INVALID, SHAPE, MEMORY, UNSUPPORTED. Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_create(pellucid_tensor **out, pellucid_dtype dtype, int32_t rank,
                                                    const int64_t *shape, const void *data);

/* Tensor over memory of the caller, without a copy. The memory must stay valid and unchanged until `release`
 * (may be NULL) is called with `payload`. On failure release is not called. Strides of any sign, including 0, are accepted.
 * Owner: the caller, until pellucid_tensor_release. Threads: any; `release` runs on the one that drops the tensor last.
 * Errors: INVALID, SHAPE, UNSUPPORTED. Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_wrap(pellucid_tensor **out, const pellucid_view *view,
                                                  pellucid_release_fn release, void *payload);

/* Tensor over a DLPack object in host memory, without a copy. Takes ownership on success: its deleter runs when the
 * tensor is released.
 * Owner: the caller, until pellucid_tensor_release. Threads: any, as for pellucid_tensor_wrap. Errors: INVALID, SHAPE,
 * UNSUPPORTED (device, type, major version). Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_from_dlpack(pellucid_tensor **out, struct DLManagedTensorVersioned *managed);

/* DLPack object that shares the tensor's memory and keeps the tensor alive until its deleter is called. The memory
 * is flagged read-only.
 * Owner: the caller, until its deleter. Threads: any. Errors: INVALID, UNSUPPORTED (type). Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_to_dlpack(struct DLManagedTensorVersioned **out, const pellucid_tensor *tensor);

/* The same two for the struct of DLPack before 1.0, which has no flags: whoever takes it must not write to it.
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: INVALID, SHAPE, UNSUPPORTED. Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_from_dlpack_legacy(pellucid_tensor **out, struct DLManagedTensor *managed);
/* See pellucid_tensor_to_dlpack.
 * Owner: the caller, until its deleter. Threads: any. Errors: INVALID, UNSUPPORTED. Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_to_dlpack_legacy(struct DLManagedTensor **out, const pellucid_tensor *tensor);

/* Memory, type and shape of a tensor; valid while the tensor lives; must not be written. Strings and containers have a type
 * and a shape here, and no data.
 * Owner: the library; lives as long as the tensor. Threads: any. Errors: INVALID. Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_view(const pellucid_tensor *tensor, pellucid_view *out);

/* New row-major tensor of strings: a copy of as many UTF-8 texts as the shape has elements. `lengths` tells the bytes of
 * each; NULL: every text ends with a zero byte. PELLUCID_E_INVALID when a text is NULL or not UTF-8. Release with
 * pellucid_tensor_release.
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: INVALID, SHAPE, MEMORY. Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_create_text(pellucid_tensor **out, int32_t rank, const int64_t *shape,
                                                         const char *const *texts, const size_t *lengths);

/* The string at a row-major position: its UTF-8 bytes, followed by a zero byte, and their number (`length` may be NULL).
 * They belong to the tensor and live as long as it does; any thread may ask. PELLUCID_E_INVALID when the tensor does not
 * hold strings, PELLUCID_E_NOTFOUND when there is no such position.
 * Owner: the library; lives as long as the tensor. Threads: any. Errors: INVALID, NOTFOUND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_text_at(const pellucid_tensor *tensor, int64_t index, const char **text,
                                                     size_t *length);

/* New container of the given type (PELLUCID_SEQUENCE, PELLUCID_OPTIONAL or PELLUCID_MAP) that shares ownership of its items;
 * the caller's own references stay the caller's. `items` may be NULL when count is 0. PELLUCID_E_INVALID or PELLUCID_E_SHAPE
 * when such a container cannot hold these items. Release with pellucid_tensor_release.
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: INVALID, SHAPE, MEMORY. Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_create_container(pellucid_tensor **out, pellucid_dtype dtype,
                                                              const pellucid_tensor *const *items, int64_t count);

/* Number of items of a container; a negative status for other tensors.
 * Threads: any. Errors: INVALID. Since 0.1 */
PELLUCID_API int64_t pellucid_tensor_item_count(const pellucid_tensor *tensor);

/* One item of a container, as a further owner of it: release with pellucid_tensor_release. PELLUCID_E_INVALID when the tensor
 * is no container, PELLUCID_E_NOTFOUND when there is no such item.
 * Owner: the caller, until pellucid_tensor_release. Threads: any. Errors: INVALID, NOTFOUND. Since 0.1 */
PELLUCID_API pellucid_status pellucid_tensor_item_at(const pellucid_tensor *tensor, int64_t index, pellucid_tensor **out);

/* One more owner of the tensor. NULL is ignored.
 * Threads: any. Since 0.1 */
PELLUCID_API void pellucid_tensor_retain(pellucid_tensor *tensor);

/* One owner less; the last one frees it. NULL is ignored.
 * Threads: any. Since 0.1 */
PELLUCID_API void pellucid_tensor_release(pellucid_tensor *tensor);

#ifdef __cplusplus
}
#endif
#endif
