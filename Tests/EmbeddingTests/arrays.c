/* Arrays as hosts have them: with gaps, reversed, repeated by zero strides, on odd addresses, in memory that may not be written;
 * wrapped and through DLPack of both versions. All give what a plain copy gives. Argument: model. */
#define _GNU_SOURCE
#include "check.h"

#include <sys/mman.h>
#include <unistd.h>

enum { PIXELS = SIDE * SIDE };

/* DLPack's structs, https://dmlc.github.io/dlpack. */
typedef struct dl_tensor {
    void *data;
    int32_t device_type, device_id, ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape, *strides;
    uint64_t byte_offset;
} dl_tensor;

struct DLManagedTensorVersioned {
    uint32_t major, minor;
    void *manager;
    void (*deleter)(struct DLManagedTensorVersioned *self);
    uint64_t flags;
    dl_tensor tensor;
};

struct DLManagedTensor {
    dl_tensor tensor;
    void *manager;
    void (*deleter)(struct DLManagedTensor *self);
};

static void count_release(void *payload) { ++*(int *)payload; }
static void delete_versioned(struct DLManagedTensorVersioned *self) { ++*(int *)self->manager; }
static void delete_legacy(struct DLManagedTensor *self) { ++*(int *)self->manager; }

/* Saliency of a tensor, which is given up. */
static void run(pellucid_model *model, pellucid_tensor *input, float *map) {
    pellucid_feed feed = { NULL, NULL };
    pellucid_target target = PELLUCID_TARGET_CLASS_INIT(2);
    pellucid_result *result = NULL;
    pellucid_tensor *found = NULL;
    pellucid_view view;
    feed.tensor = input;
    CHECK_OK(pellucid_explain(&result, model, "saliency", &feed, 1, &target, NULL, NULL));
    CHECK_OK(pellucid_result_tensor(result, "map", &found));
    CHECK_OK(pellucid_tensor_view(found, &view));
    memcpy(map, view.data, PIXELS * sizeof *map);
    pellucid_tensor_release(found);
    pellucid_result_release(result);
    pellucid_tensor_release(input);
}

/* A wrapped array gives the expected map, and its memory is given back once. */
static void check_wrapped(pellucid_model *model, void *data, const int64_t *strides, const float *expected) {
    static const int64_t shape[4] = { 1, 1, SIDE, SIDE };
    pellucid_view view = { NULL, PELLUCID_FLOAT32, 4, NULL, NULL };
    pellucid_tensor *tensor = NULL;
    float map[PIXELS];
    int released = 0;
    view.data = data, view.shape = shape, view.strides = strides;
    CHECK_OK(pellucid_tensor_wrap(&tensor, &view, count_release, &released));
    CHECK(released == 0);
    run(model, tensor, map);
    CHECK(released == 1);
    CHECK(memcmp(map, expected, sizeof map) == 0);
}

static void check_layouts(pellucid_model *model, const float *pixels, const float *expected) {
    static float wide[PIXELS * 6], turned[PIXELS];
    static char odd[PIXELS * sizeof(float) + 1];
    const int64_t gaps[4] = { 1, 1, SIDE * 3, 2 }, backwards[4] = { 7, -5, -SIDE, -1 }, columns[4] = { 0, 0, 1, SIDE };
    for (int y = 0; y < SIDE; y++) {
        for (int x = 0; x < SIDE; x++) {
            wide[y * SIDE * 3 + x * 2] = pixels[y * SIDE + x];
            turned[x * SIDE + y] = pixels[y * SIDE + x];
        }
    }
    check_wrapped(model, wide, gaps, expected);
    check_wrapped(model, turned, columns, expected);
    for (int i = 0; i < PIXELS; i++) turned[PIXELS - 1 - i] = pixels[i];
    check_wrapped(model, turned + PIXELS - 1, backwards, expected);
    memcpy(odd + 1, pixels, PIXELS * sizeof *pixels);
    check_wrapped(model, odd + 1, NULL, expected);
}

/* One row repeated by a stride of zero is what a copy of it is. */
static void check_zero_stride(pellucid_model *model, const float *pixels) {
    static const int64_t strides[4] = { 0, 0, 0, 1 }, shape[4] = { 1, 1, SIDE, SIDE };
    float full[PIXELS], expected[PIXELS], row[SIDE];
    pellucid_tensor *copy = NULL;
    memcpy(row, pixels, sizeof row);
    for (int i = 0; i < PIXELS; i++) full[i] = row[i % SIDE];
    CHECK_OK(pellucid_tensor_create(&copy, PELLUCID_FLOAT32, 4, shape, full));
    run(model, copy, expected);
    check_wrapped(model, row, strides, expected);
}

/* The last page before one that may not be touched at all, itself read-only: nothing is written, nothing read past the end. */
static void check_protected(pellucid_model *model, const float *pixels, const float *expected) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), size = PIXELS * sizeof *pixels;
    const size_t pages = (size + page - 1) / page * page;
    char *memory = mmap(NULL, pages + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    memcpy(memory + pages - size, pixels, size);
    CHECK(mprotect(memory, pages, PROT_READ) == 0 && mprotect(memory + pages, page, PROT_NONE) == 0);
    check_wrapped(model, memory + pages - size, NULL, expected);
    CHECK(munmap(memory, pages + page) == 0);
}

static dl_tensor describe(float *pixels, int64_t *sizes, int64_t *strides, uint64_t offset) {
    dl_tensor tensor = { NULL, 1, 0, 4, 2, 32, 1, NULL, NULL, 0 };
    tensor.data = pixels - offset, tensor.shape = sizes, tensor.strides = strides, tensor.byte_offset = offset * sizeof *pixels;
    return tensor;
}

/* In, out, and in again, by both structs. */
static void check_dlpack(pellucid_model *model, const float *pixels, const float *expected) {
    static float memory[PIXELS + 8];
    int64_t shape[4] = { 1, 1, SIDE, SIDE };
    float map[PIXELS];
    int deleted = 0;
    struct DLManagedTensorVersioned versioned = { 1, 3, NULL, delete_versioned, 0, { 0 } }, *shared = NULL;
    struct DLManagedTensor legacy = { { 0 }, NULL, delete_legacy }, *old = NULL;
    pellucid_tensor *tensor = NULL, *again = NULL;
    pellucid_view view;
    memcpy(memory + 8, pixels, PIXELS * sizeof *pixels);
    versioned.manager = legacy.manager = &deleted;
    versioned.tensor = legacy.tensor = describe(memory + 8, shape, NULL, 8);

    CHECK_OK(pellucid_tensor_from_dlpack(&tensor, &versioned));
    CHECK_OK(pellucid_tensor_view(tensor, &view));
    CHECK(view.data == memory + 8); /* no copy */
    CHECK_OK(pellucid_tensor_to_dlpack_legacy(&old, tensor));
    pellucid_tensor_release(tensor);
    CHECK(deleted == 0 && old->tensor.data == memory + 8 && old->tensor.ndim == 4 && old->tensor.code == 2 && old->tensor.bits == 32);
    CHECK_OK(pellucid_tensor_from_dlpack_legacy(&again, old));
    run(model, again, map);
    CHECK(deleted == 1 && memcmp(map, expected, sizeof map) == 0);

    CHECK_OK(pellucid_tensor_from_dlpack_legacy(&tensor, &legacy));
    CHECK_OK(pellucid_tensor_to_dlpack(&shared, tensor));
    pellucid_tensor_release(tensor);
    CHECK(deleted == 1 && shared->major == 1 && (shared->flags & 1) == 1 && shared->tensor.data == memory + 8);
    CHECK_OK(pellucid_tensor_from_dlpack(&again, shared));
    run(model, again, map);
    CHECK(deleted == 2 && memcmp(map, expected, sizeof map) == 0);
}

/* What is refused keeps its owner. */
static void check_refusals(float *pixels) {
    int64_t shape[4] = { 1, 1, SIDE, SIDE };
    int deleted = 0;
    struct DLManagedTensorVersioned versioned = { 1, 0, NULL, delete_versioned, 0, { 0 } };
    struct DLManagedTensor legacy = { { 0 }, NULL, delete_legacy };
    pellucid_tensor *tensor = NULL;
    for (int i = 0; i < 7; i++) {
        dl_tensor source = describe(pixels, shape, NULL, 0);
        if (i == 0) source.device_type = 2;          /* a graphics processor */
        if (i == 1) source.lanes = 4;
        if (i == 2) source.code = 99;
        if (i == 3) source.ndim = -1;
        if (i == 4) source.data = NULL;
        if (i == 5) source.shape = NULL;
        if (i == 6) source.byte_offset = UINT64_MAX;
        versioned.manager = legacy.manager = &deleted;
        versioned.tensor = legacy.tensor = source;
        CHECK_FAILS(pellucid_tensor_from_dlpack(&tensor, &versioned));
        CHECK_FAILS(pellucid_tensor_from_dlpack_legacy(&tensor, &legacy));
    }
    versioned.tensor = describe(pixels, shape, NULL, 0);
    versioned.major = 2;
    CHECK_FAILS(pellucid_tensor_from_dlpack(&tensor, &versioned));
    CHECK(tensor == NULL && deleted == 0);
}

/* Every element type that DLPack has a code for goes out and comes back as itself. */
static void check_types(void) {
    static const int64_t shape[2] = { 2, 3 };
    for (int32_t dtype = PELLUCID_FLOAT32; dtype <= PELLUCID_INT2; dtype++) {
        const int none = dtype == PELLUCID_UINT4 || dtype == PELLUCID_INT4 || dtype == PELLUCID_FLOAT4E2M1 || dtype == PELLUCID_UINT2 || dtype == PELLUCID_INT2;
        struct DLManagedTensorVersioned *versioned = NULL;
        struct DLManagedTensor *legacy = NULL;
        pellucid_tensor *tensor = NULL, *back = NULL;
        pellucid_view view;
        if (pellucid_tensor_create(&tensor, dtype, 2, shape, NULL) != PELLUCID_OK) {
            CHECK(dtype == PELLUCID_STRING);
            continue;
        }
        if (none) {
            CHECK_FAILS(pellucid_tensor_to_dlpack(&versioned, tensor));
            CHECK_FAILS(pellucid_tensor_to_dlpack_legacy(&legacy, tensor));
        } else {
            CHECK_OK(pellucid_tensor_to_dlpack(&versioned, tensor));
            CHECK_OK(pellucid_tensor_from_dlpack(&back, versioned));
            CHECK_OK(pellucid_tensor_to_dlpack_legacy(&legacy, back));
            pellucid_tensor_release(back);
            CHECK_OK(pellucid_tensor_from_dlpack_legacy(&back, legacy));
            CHECK_OK(pellucid_tensor_view(back, &view));
            CHECK(view.dtype == dtype && view.rank == 2 && view.shape[0] == 2 && view.shape[1] == 3);
            pellucid_tensor_release(back);
        }
        pellucid_tensor_release(tensor);
    }
}

int main(int argc, char **argv) {
    static float pixels[PIXELS];
    float expected[PIXELS];
    pellucid_tensor *plain;
    pellucid_view view;
    CHECK(argc == 2);
    pellucid_model *model = load_model(argv[1]);
    plain = make_input(1);
    CHECK_OK(pellucid_tensor_view(plain, &view));
    memcpy(pixels, view.data, sizeof pixels);
    run(model, plain, expected);
    check_layouts(model, pixels, expected);
    check_zero_stride(model, pixels);
    check_protected(model, pixels, expected);
    check_dlpack(model, pixels, expected);
    check_refusals(pixels);
    check_types();
    pellucid_model_release(model);
    return 0;
}
