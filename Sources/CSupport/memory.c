#define _GNU_SOURCE
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* pthread keys free the text when a thread ends, which __thread storage cannot. */
static pthread_key_t message_key;
static pthread_once_t message_once = PTHREAD_ONCE_INIT;
static int message_ready;

static void make_key(void) { message_ready = pthread_key_create(&message_key, free) == 0; }

void support_set_message(const char *text) {
    pthread_once(&message_once, make_key);
    if (!message_ready) return;
    char *old = pthread_getspecific(message_key);
    if (!old && !*text) return;
    char *copy = *text ? strdup(text) : NULL;
    pthread_setspecific(message_key, copy);
    free(old);
}

const char *support_message(void) {
    pthread_once(&message_once, make_key);
    const char *text = message_ready ? pthread_getspecific(message_key) : NULL;
    return text ? text : "";
}

void support_erase(void *memory, size_t bytes) { explicit_bzero(memory, bytes); }

void *support_allocate(size_t bytes) {
    void *memory = NULL;
    if (bytes > SIZE_MAX - 64) return NULL;
    return posix_memalign(&memory, 64, bytes ? bytes : 1) == 0 ? memory : NULL;
}

void support_deallocate(void *memory) { free(memory); }

int64_t support_memory_limit(void) {
    int64_t pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE), limit = INT64_MAX, group = 0;
    if (pages > 0 && size > 0 && pages < INT64_MAX / size) limit = pages * size;
    FILE *file = fopen("/sys/fs/cgroup/memory.max", "re");
    if (file) {
        if (fscanf(file, "%" SCNd64, &group) == 1 && group > 0 && group < limit) limit = group;
        fclose(file);
    }
    struct rlimit own;
    for (int i = 0; i < 2; i++) {
        if (getrlimit(i ? RLIMIT_AS : RLIMIT_DATA, &own) == 0 && own.rlim_cur < (rlim_t)limit) limit = (int64_t)own.rlim_cur;
    }
    return limit;
}

double support_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

const char *support_library_path(void) {
    Dl_info info;
    return dladdr((const void *)support_library_path, &info) ? info.dli_fname : NULL;
}

static int map_descriptor(int descriptor, int64_t offset, int64_t length, const void **bytes, size_t *size,
                          const void **base, size_t *base_size) {
    struct stat info;
    if (fstat(descriptor, &info) != 0) return errno;
    if (!S_ISREG(info.st_mode)) return S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
    if (offset < 0 || offset > info.st_size) return ERANGE;
    int64_t available = info.st_size - offset;
    if (length < 0) length = available;
    if (length > available) return ERANGE;
    *bytes = *base = NULL;
    *size = *base_size = 0;
    if (length == 0) return 0;
    int64_t start = offset / sysconf(_SC_PAGESIZE) * sysconf(_SC_PAGESIZE);
    size_t total = (size_t)(offset - start + length);
    void *map = mmap(NULL, total, PROT_READ, MAP_PRIVATE, descriptor, start);
    if (map == MAP_FAILED) return errno;
    *base = map;
    *base_size = total;
    *bytes = (const char *)map + (offset - start);
    *size = (size_t)length;
    return 0;
}

int support_map_file(const char *path, const void **bytes, size_t *size) {
    *bytes = NULL;
    *size = 0;
    /* O_NONBLOCK: a FIFO with a model's name must not hang the host. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) return errno;
    const void *base;
    size_t base_size;
    int error = map_descriptor(descriptor, 0, -1, bytes, size, &base, &base_size);
    close(descriptor);
    return error;
}

/* Walks one component at a time with O_NOFOLLOW, so that neither a link nor a race can lead outside. */
static int open_inside(const char *folder, const char *relative, int *result) {
    if (!*relative || *relative == '/') return EACCES;
    char *copy = strdup(relative);
    if (!copy) return ENOMEM;
    int at = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = at < 0 ? errno : 0;
    char *rest = copy, *part;
    while (!error && (part = strsep(&rest, "/"))) {
        if (!*part || strcmp(part, ".") == 0) continue;
        if (strcmp(part, "..") == 0) { error = EACCES; break; }
        int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (rest ? O_DIRECTORY : 0);
        int next = openat(at, part, flags);
        if (next < 0) error = errno == ELOOP || (rest && errno == ENOTDIR) ? EACCES : errno;
        close(at);
        at = next;
    }
    free(copy);
    if (error) {
        if (at >= 0) close(at);
        return error;
    }
    *result = at;
    return 0;
}

int support_map_inside(const char *folder, const char *relative, int64_t offset, int64_t length,
                       const void **bytes, size_t *size, const void **base, size_t *base_size) {
    int descriptor = -1;
    int error = open_inside(folder, relative, &descriptor);
    if (error) return error;
    error = map_descriptor(descriptor, offset, length, bytes, size, base, base_size);
    close(descriptor);
    return error;
}

void support_unmap(const void *bytes, size_t size) {
    if (bytes && size) munmap((void *)bytes, size);
}
