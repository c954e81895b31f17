#include "util.h"

enum { ALIGNMENT = 64 };

/* Elements are bounded so that products of an element size, a count and a few small factors stay within 63 bits. */
static const int64_t most_elements = (int64_t)1 << 44;

static bool count_elements(const pellucid_view *view, int64_t *out) {
    if (view->rank < 0 || view->rank > CPU_RANK || (view->rank > 0 && !view->shape)) return false;
    int64_t count = 1;
    for (int32_t i = 0; i < view->rank; i++) {
        int64_t size = view->shape[i];
        if (size <= 0 || size > most_elements / count) return false;
        count *= size;
    }
    *out = count;
    return true;
}

static bool contiguous(const pellucid_view *view) {
    if (!view->strides) return true;
    int64_t expected = 1;
    for (int32_t i = view->rank - 1; i >= 0; i--) {
        if (view->shape[i] != 1 && view->strides[i] != expected) return false;
        expected *= view->shape[i];
    }
    return true;
}

static bool read_values(const pellucid_program *program, const int32_t *indices, int32_t count,
                        const pellucid_view **views, int64_t *counts) {
    if (count < 0 || count > CPU_SLOTS || (count > 0 && !indices)) return false;
    for (int32_t i = 0; i < count; i++) {
        views[i] = NULL;
        counts[i] = 0;
        if (indices[i] < 0) continue;
        if (indices[i] >= program->value_count) return false;
        const pellucid_view *view = &program->values[indices[i]];
        if (!count_elements(view, &counts[i]) || !contiguous(view)) return false;
        views[i] = view;
    }
    return true;
}

static bool attributes_known(const pellucid_node *node, const char *known) {
    for (int32_t i = 0; i < node->attribute_count; i++) {
        const char *name = node->attributes[i].name;
        size_t length = name ? strlen(name) : 0;
        bool found = false;
        for (const char *at = known; length && !found && (at = strstr(at, name)); at += length)
            found = (at == known || at[-1] == ' ') && (at[length] == 0 || at[length] == ' ');
        if (!found) return false;
    }
    return true;
}

bool cpu_node_read(cpu_node *out, const pellucid_program *program) {
    if (!program || program->node_count != 1 || !program->nodes || !program->values) return false;
    const pellucid_node *node = program->nodes;
    memset(out, 0, sizeof *out);
    out->node = node;
    out->ins = node->input_count;
    out->outs = node->output_count;
    out->op = node->op ? cpu_op_find(node->op) : NULL;
    if (!out->op || !attributes_known(node, out->op->attributes)) return false;
    if (!read_values(program, node->inputs, node->input_count, out->in, out->in_count)) return false;
    return read_values(program, node->outputs, node->output_count, out->out, out->out_count);
}

static const pellucid_attribute *find(const cpu_node *node, const char *name) {
    for (int32_t i = 0; i < node->node->attribute_count; i++)
        if (strcmp(node->node->attributes[i].name, name) == 0) return &node->node->attributes[i];
    return NULL;
}

bool cpu_has(const cpu_node *node, const char *name) { return find(node, name) != NULL; }

int64_t cpu_int(cpu_node *node, const char *name, int64_t otherwise) {
    const pellucid_attribute *attribute = find(node, name);
    if (!attribute) return otherwise;
    if (attribute->kind != PELLUCID_ATTRIBUTE_INT) node->bad = true;
    return attribute->integer;
}

double cpu_real(cpu_node *node, const char *name, double otherwise) {
    const pellucid_attribute *attribute = find(node, name);
    if (!attribute) return otherwise;
    if (attribute->kind == PELLUCID_ATTRIBUTE_INT) return (double)attribute->integer;
    if (attribute->kind != PELLUCID_ATTRIBUTE_REAL) node->bad = true;
    return attribute->real;
}

const char *cpu_text(cpu_node *node, const char *name, const char *otherwise) {
    const pellucid_attribute *attribute = find(node, name);
    if (!attribute) return otherwise;
    if (attribute->kind == PELLUCID_ATTRIBUTE_TEXT && attribute->text) return attribute->text;
    node->bad = true;
    return otherwise;
}

bool cpu_ints(cpu_node *node, const char *name, int32_t count, int64_t otherwise, int64_t least, int64_t most, int64_t *out) {
    const pellucid_attribute *attribute = find(node, name);
    for (int32_t i = 0; i < count; i++) out[i] = otherwise;
    if (!attribute) return true;
    if (attribute->kind != PELLUCID_ATTRIBUTE_INTS) return false;
    if (attribute->count == 0) return true;
    if (attribute->count != count || !attribute->ints) return false;
    for (int32_t i = 0; i < count; i++) {
        if (attribute->ints[i] < least || attribute->ints[i] > most) return false;
        out[i] = attribute->ints[i];
    }
    return true;
}

bool cpu_typed(const cpu_node *node, int32_t least, int32_t most, uint32_t mask, pellucid_dtype dtype) {
    if (node->ins < least || node->ins > most || node->outs < 1 || !node->out[0] || node->out[0]->dtype != dtype) return false;
    for (int32_t i = 1; i < node->outs; i++)
        if (node->out[i]) return false;
    for (int32_t i = 0; i < node->ins && i < 32; i++) {
        if (!(mask >> i & 1)) continue;
        if (i < least ? !node->in[i] : false) return false;
        if (node->in[i] && node->in[i]->dtype != dtype) return false;
    }
    return true;
}

bool cpu_same_shape(const pellucid_view *a, const pellucid_view *b) {
    if (a->rank != b->rank) return false;
    for (int32_t i = 0; i < a->rank; i++)
        if (a->shape[i] != b->shape[i]) return false;
    return true;
}

int64_t cpu_count(const pellucid_view *view, int32_t from, int32_t to) {
    int64_t count = 1;
    for (int32_t i = from; i < to; i++) count *= view->shape[i];
    return count;
}

size_t cpu_size_of(pellucid_dtype dtype) {
    switch (dtype) {
    case PELLUCID_BOOL: case PELLUCID_UINT8: case PELLUCID_INT8: return 1;
    case PELLUCID_UINT16: case PELLUCID_INT16: case PELLUCID_FLOAT16: case PELLUCID_BFLOAT16: return 2;
    case PELLUCID_FLOAT32: case PELLUCID_INT32: case PELLUCID_UINT32: return 4;
    case PELLUCID_FLOAT64: case PELLUCID_INT64: case PELLUCID_UINT64: case PELLUCID_COMPLEX64: return 8;
    default: return 0;
    }
}

bool cpu_axis(cpu_node *node, int64_t axis, int32_t rank, int32_t *out) {
    if (axis < 0) axis += rank;
    if (node->bad || axis < 0 || axis >= rank) return false;
    *out = (int32_t)axis;
    return true;
}

int32_t cpu_constant_ints(const pellucid_view *view, int32_t most, int64_t *out) {
    if (!view || !view->data || view->rank > 1) return -1;
    int64_t count = view->rank == 1 ? view->shape[0] : 1;
    if (count > most) return -1;
    for (int64_t i = 0; i < count; i++) {
        if (view->dtype == PELLUCID_INT64) out[i] = ((const int64_t *)view->data)[i];
        else if (view->dtype == PELLUCID_INT32) out[i] = ((const int32_t *)view->data)[i];
        else return -1;
    }
    return (int32_t)count;
}

/* A block begins with its size, in a line of its own. */
void *cpu_scratch_take(pellucid_device *device, size_t bytes) {
    if (bytes > (size_t)1 << 46) return NULL;
    for (int i = 0; i < CPU_SCRATCH_SLOTS; i++) {
        if (!atomic_load_explicit(&device->scratch[i], memory_order_relaxed)) continue;
        size_t *block = atomic_exchange(&device->scratch[i], NULL);
        if (!block) continue;
        if (*block >= bytes) return (char *)block + ALIGNMENT;
        device->host->deallocate(device->host, block);
    }
    bytes = (bytes + 4095) & ~(size_t)4095;
    size_t *block = device->host->allocate(device->host, bytes + ALIGNMENT);
    if (!block) return NULL;
    *block = bytes;
    return (char *)block + ALIGNMENT;
}

void cpu_scratch_give(pellucid_device *device, void *memory) {
    enum { KEPT = 8 << 20 };
    if (!memory) return;
    size_t *block = (size_t *)((char *)memory - ALIGNMENT);
    for (int i = 0; i < CPU_SCRATCH_SLOTS && *block <= KEPT; i++) {
        void *empty = NULL;
        if (atomic_compare_exchange_strong(&device->scratch[i], &empty, (void *)block)) return;
    }
    device->host->deallocate(device->host, block);
}

void cpu_scratch_close(pellucid_device *device) {
    for (int i = 0; i < CPU_SCRATCH_SLOTS; i++) {
        void *block = atomic_exchange(&device->scratch[i], NULL);
        if (block) device->host->deallocate(device->host, block);
    }
}

pellucid_status cpu_out_of_memory(const pellucid_kernel *kernel) {
    char text[256] = "", *end = text + sizeof text - 1;
    const char *parts[] = { kernel->op->name, " '", kernel->name ? kernel->name : "", "': out of memory" };
    char *at = text;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (const char *from = parts[i]; *from && at < end; from++) *at++ = *from;
    *at = 0;
    kernel->host->fail(kernel->host, text);
    return PELLUCID_E_MEMORY;
}
