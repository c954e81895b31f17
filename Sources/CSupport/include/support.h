/* What Swift cannot express well: thread-local text, aligned memory, mapped files, a worker pool. */
#ifndef PELLUCID_SUPPORT_H
#define PELLUCID_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

/* The error message of the calling thread. */
void support_set_message(const char *text);
const char *support_message(void);

/* Zeroes memory that is about to be freed, which a compiler may not leave out. */
void support_erase(void *memory, size_t bytes);

/* 64-byte aligned; NULL when out of memory. */
void *support_allocate(size_t bytes);
void support_deallocate(void *memory);

/* Bytes that this process may come to use: of the machine, its control group (version 2), or its own limits. */
int64_t support_memory_limit(void);

/* A private, read-only map of a regular file. Returns 0, or an errno value. An empty file maps to NULL with size 0. */
int support_map_file(const char *path, const void **bytes, size_t *size);
void support_unmap(const void *bytes, size_t size);

/* Opens `relative` below `folder` without following any symbolic link and without leaving the folder, and maps
 * `length` bytes (or all when length < 0) from `offset`. Returns 0 or an errno value; *base and *base_size are what
 * to pass to support_unmap. */
int support_map_inside(const char *folder, const char *relative, int64_t offset, int64_t length,
                       const void **bytes, size_t *size, const void **base, size_t *base_size);

/* Workers that help the calling thread. */
typedef struct support_pool support_pool;
typedef void (*support_body)(int64_t begin, int64_t end, void *payload);

/* `threads` counts the caller; 0: one per available processor. No thread is started before the first run. */
support_pool *support_pool_create(int32_t threads);
int32_t support_pool_threads(const support_pool *pool);
/* Runs body over [0, count) in pieces of at least `grain`. The caller takes part and returns when all pieces are done. May be
 * nested and called from several threads at once; in a forked child the caller does all the work. */
void support_pool_run(support_pool *pool, int64_t count, int64_t grain, support_body body, void *payload);
/* Ends and joins the workers. */
void support_pool_destroy(support_pool *pool);

/* Path of the file that this code was loaded from, or NULL. */
const char *support_library_path(void);

/* Absorbs blocks of 64 bytes into the state of SHA-256 with the processor's own instructions; 0 when it has none. */
int support_sha256(uint32_t state[8], const uint8_t *data, size_t blocks, const uint32_t constants[64]);

/* Seconds of a monotonic clock. */
double support_now(void);

#endif
