/* OpenBLAS's memory for its static, single-threaded build, in place of its own memory.o.
 *
 * The one in Debian's libopenblas-serial-dev 0.3.21 hands the same buffer to two threads: it looks for a free slot of
 * its table after it has dropped the lock (driver/others/memory.c without SMP; seen in the disassembly and as wrong
 * products from 40 threads on). It also prints when the table is full. The linker takes memory.o from the archive only
 * for the symbols below, so defining them here leaves it out, and with it the constructor that runs at load. Another
 * OpenBLAS whose objects ask memory.o for more fails to link, loudly.
 *
 * A build against a shared OpenBLAS leaves PELLUCID_OPENBLAS_STATIC undefined and gets the library's own. */
#include "gemm.h"

#if defined(PELLUCID_OPENBLAS_STATIC)

#include <pthread.h>
#include <sys/mman.h>

/* BUFFER_SIZE of OpenBLAS's common_x86_64.h and common_arm64.h, with its padding; pages not touched cost nothing. */
enum { BUFFER_BYTES = (32 << 22) + 4096, KEPT = 64 };

#define HIDDEN __attribute__((visibility("hidden")))
HIDDEN void *gotoblas; /* the kernels of this CPU */
HIDDEN void *blas_memory_alloc(int kind);
HIDDEN void blas_memory_free(void *buffer);
extern void gotoblas_dynamic_init(void);

static _Atomic(void *) kept[KEPT];       /* free buffers, of the process like OpenBLAS itself */
static _Thread_local void *next_buffer;  /* what the call under way will ask for */

static pthread_once_t once = PTHREAD_ONCE_INIT;

void cpu_product_open(void) { pthread_once(&once, gotoblas_dynamic_init); }

void cpu_product_close(void) {
    for (int i = 0; i < KEPT; i++) {
        void *buffer = atomic_exchange(&kept[i], NULL);
        if (buffer) munmap(buffer, BUFFER_BYTES);
    }
}

/* OpenBLAS cannot be told that there is no memory, so the buffer is found before it is called. */
bool cpu_product_enter(void) {
    for (int i = 0; i < KEPT; i++) {
        if (!atomic_load_explicit(&kept[i], memory_order_relaxed)) continue;
        if ((next_buffer = atomic_exchange(&kept[i], NULL))) return true;
    }
    void *buffer = mmap(NULL, BUFFER_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    next_buffer = buffer == MAP_FAILED ? NULL : buffer;
    return next_buffer != NULL;
}

void cpu_product_leave(void) {
    void *buffer = next_buffer;
    next_buffer = NULL;
    for (int i = 0; i < KEPT; i++) {
        void *empty = NULL;
        if (atomic_compare_exchange_strong(&kept[i], &empty, buffer)) return;
    }
    munmap(buffer, BUFFER_BYTES);
}

void *blas_memory_alloc(int kind) {
    (void)kind;
    return next_buffer;
}

void blas_memory_free(void *buffer) { (void)buffer; }

#else

#include <sched.h>

/* A shared OpenBLAS has a buffer for 128 calls in Debian's build, and prints a warning when more are under way. */
enum { MOST_CALLS = 48 };
static _Atomic int calls;

void cpu_product_open(void) {}
void cpu_product_close(void) {}

bool cpu_product_enter(void) {
    while (atomic_fetch_add_explicit(&calls, 1, memory_order_acquire) >= MOST_CALLS) {
        atomic_fetch_sub_explicit(&calls, 1, memory_order_relaxed);
        sched_yield();
    }
    return true;
}

void cpu_product_leave(void) { atomic_fetch_sub_explicit(&calls, 1, memory_order_release); }

#endif
