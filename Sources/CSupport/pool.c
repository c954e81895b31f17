/* A pool whose caller always takes part: nothing waits for a worker to wake up, only for pieces that a worker has
 * already begun. So a pool without living workers (a forked child) is slow, never stuck. */
#define _GNU_SOURCE
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct job {
    support_body body;
    void *payload;
    int64_t count, step;
    _Atomic int64_t next;     /* first index not yet taken */
    _Atomic int64_t finished; /* indices done */
    int32_t helpers;          /* workers inside; guarded by the pool's lock */
    _Atomic(struct job *) following;
} job;

struct support_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake, leave;
    pthread_t *workers;
    _Atomic(job *) jobs; /* open jobs, newest first; changed under the lock, peeked at without it */
    int32_t threads, started;
    pid_t process;
    _Atomic int stopping;
};

enum { SPINS = 4000 };

static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void work(job *j) {
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&j->next, j->step, memory_order_relaxed);
        if (begin >= j->count) return;
        int64_t end = begin + j->step < j->count ? begin + j->step : j->count;
        j->body(begin, end, j->payload);
        atomic_fetch_add_explicit(&j->finished, end - begin, memory_order_release);
    }
}

static job *open_job(support_pool *pool) {
    for (job *j = pool->jobs; j; j = j->following)
        if (atomic_load_explicit(&j->next, memory_order_relaxed) < j->count) return j;
    return NULL;
}

static void *worker(void *argument) {
    support_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stopping) {
        job *j = open_job(pool);
        if (!j) {
            /* A short spin keeps the worker hot between the nodes of one run. */
            pthread_mutex_unlock(&pool->lock);
            for (int i = 0; i < SPINS && !atomic_load_explicit(&pool->jobs, memory_order_relaxed) && !pool->stopping; i++) relax();
            pthread_mutex_lock(&pool->lock);
            if (!open_job(pool) && !pool->stopping) pthread_cond_wait(&pool->wake, &pool->lock);
            continue;
        }
        j->helpers++;
        pthread_mutex_unlock(&pool->lock);
        work(j);
        pthread_mutex_lock(&pool->lock);
        if (--j->helpers == 0) pthread_cond_broadcast(&pool->leave);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

support_pool *support_pool_create(int32_t threads) {
    support_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    if (threads <= 0) {
        cpu_set_t set;
        threads = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    }
    pool->threads = threads < 1 ? 1 : threads > 256 ? 256 : threads;
    pool->workers = calloc((size_t)pool->threads, sizeof *pool->workers);
    if (!pool->workers) { free(pool); return NULL; }
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->leave, NULL);
    pool->process = getpid();
    return pool;
}

int32_t support_pool_threads(const support_pool *pool) { return pool->threads; }

/* Called with the lock held. Signals stay with the host's threads. */
static void start_workers(support_pool *pool) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (pool->started < pool->threads - 1) {
        if (pthread_create(&pool->workers[pool->started], NULL, worker, pool) != 0) break;
        pool->started++;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (pool->started < pool->threads - 1) pool->threads = pool->started + 1;
}

void support_pool_run(support_pool *pool, int64_t count, int64_t grain, support_body body, void *payload) {
    if (count <= 0) return;
    if (grain < 1) grain = 1;
    if (count <= grain || pool->threads == 1 || pool->process != getpid()) {
        body(0, count, payload);
        return;
    }
    /* About four pieces a thread even out uneven work. */
    int64_t step = count / ((int64_t)pool->threads * 4);
    job j = { .body = body, .payload = payload, .count = count, .step = step > grain ? step : grain };
    pthread_mutex_lock(&pool->lock);
    if (pool->started < pool->threads - 1) start_workers(pool);
    j.following = pool->jobs;
    pool->jobs = &j;
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    work(&j);
    for (int i = 0; i < SPINS && atomic_load_explicit(&j.finished, memory_order_acquire) < count; i++) relax();
    pthread_mutex_lock(&pool->lock);
    for (_Atomic(job *) *at = &pool->jobs;; at = &(*at)->following)
        if (*at == &j) { *at = j.following; break; }
    while (j.helpers > 0) pthread_cond_wait(&pool->leave, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

void support_pool_destroy(support_pool *pool) {
    if (!pool) return;
    if (pool->process == getpid()) {
        pthread_mutex_lock(&pool->lock);
        pool->stopping = 1;
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
        for (int32_t i = 0; i < pool->started; i++) pthread_join(pool->workers[i], NULL);
        pthread_cond_destroy(&pool->wake);
        pthread_cond_destroy(&pool->leave);
        pthread_mutex_destroy(&pool->lock);
    }
    free(pool->workers);
    free(pool);
}
