/* Runs a driver without libFuzzer: so many mutated seeds, the same for the same random number. For CI, and for compilers that
 * have no libFuzzer.
 *
 *     driver COUNT RANDOM SEED...
 */
#include <signal.h>
#include <unistd.h>

#include "fuzz.h"

enum { LARGEST = 4 << 20, MOST_SEEDS = 64 };

static struct seed {
    uint8_t *bytes;
    size_t size;
} seeds[MOST_SEEDS];
static size_t seed_count;
static uint64_t state;
static uint8_t input[LARGEST];
static size_t input_size;

/* SplitMix64. */
static uint64_t random_number(void) {
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static size_t below(size_t limit) { return limit ? (size_t)(random_number() % limit) : 0; }

static void read_seed(const char *path) {
    FILE *file = fopen(path, "rb");
    REQUIRE(file != NULL && seed_count < MOST_SEEDS);
    uint8_t *bytes = malloc(LARGEST);
    REQUIRE(bytes != NULL);
    seeds[seed_count++] = (struct seed) { bytes, fread(bytes, 1, LARGEST, file) };
    fclose(file);
}

static void insert(size_t at, const uint8_t *bytes, size_t size) {
    if (size > LARGEST - input_size) size = LARGEST - input_size;
    memmove(input + at + size, input + at, input_size - at);
    memcpy(input + at, bytes, size);
    input_size += size;
}

static void mutate_once(void) {
    static const uint64_t edges[] = { 0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, INT64_MAX, UINT64_MAX };
    size_t at = below(input_size), length = 1 + below(8);
    const struct seed *other = &seeds[below(seed_count)];
    uint64_t edge = edges[below(sizeof edges / sizeof *edges)];
    switch (below(7)) {
    case 0: if (input_size) input[at] ^= (uint8_t)(1u << below(8)); break;
    case 1: if (input_size) input[at] = (uint8_t)random_number(); break;
    case 2: input_size = below(input_size + 1); break;
    case 3:
        if (length > input_size - at) length = input_size - at;
        memmove(input + at, input + at + length, input_size - at - length);
        input_size -= length;
        break;
    case 4: insert(at, (const uint8_t *)&edge, length); break;
    case 5:
        if (other->size) {
            size_t from = below(other->size);
            insert(at, other->bytes + from, below(other->size - from) + 1 > 64 ? 64 : below(other->size - from));
        }
        break;
    default:
        for (size_t i = 0; i < length && at + i < input_size; i++) input[at + i] = (uint8_t)(edge >> (8 * i));
    }
}

/* Where a crash or a hang leaves the input that caused it. */
static void keep_input(int signal_number) {
    static const char path[] = "fuzz-finding";
    FILE *file = fopen(path, "wb");
    if (file != NULL) {
        (void)!fwrite(input, 1, input_size, file);
        fclose(file);
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: %s COUNT RANDOM SEED...\n", argv[0]);
        return 2;
    }
    for (int i = 3; i < argc; i++) read_seed(argv[i]);
    state = strtoull(argv[2], NULL, 10);
    const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGALRM };
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) signal(fatal[i], keep_input);
    for (unsigned long count = strtoul(argv[1], NULL, 10); count > 0; count--) {
        const struct seed *seed = &seeds[below(seed_count)];
        memcpy(input, seed->bytes, seed->size);
        input_size = seed->size;
        for (size_t changes = below(6); changes > 0; changes--) mutate_once();
        alarm(10);
        (void)LLVMFuzzerTestOneInput(input, input_size);
    }
    return 0;
}
