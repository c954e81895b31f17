#include "exif.h"

#include <string.h>

/* An unsigned number of `width` bytes at `at`, or -1 when it lies outside. */
static int64_t number(const uint8_t *bytes, size_t size, size_t at, size_t width, int little) {
    if (at > size || width > size - at) return -1;
    int64_t value = 0;
    for (size_t i = 0; i < width; i++) value = value << 8 | bytes[at + (little ? width - 1 - i : i)];
    return value;
}

/* The tag 0x0112 of the first directory. */
int exif_orientation(const uint8_t *block, size_t size) {
    if (size >= 6 && memcmp(block, "Exif\0\0", 6) == 0) {
        block += 6;
        size -= 6;
    }
    if (size < 8) return 0;
    int little = memcmp(block, "II", 2) == 0;
    if (!little && memcmp(block, "MM", 2) != 0) return 0;
    int64_t directory = number(block, size, 4, 4, little);
    if (number(block, size, 2, 2, little) != 42 || directory < 8) return 0;
    int64_t entries = number(block, size, (size_t)directory, 2, little);
    for (int64_t i = 0; i < entries; i++) {
        size_t at = (size_t)(directory + 2 + 12 * i);
        int64_t tag = number(block, size, at, 2, little);
        if (tag < 0) return 0;
        if (tag != 0x0112 || number(block, size, at + 2, 2, little) != 3) continue;
        int64_t value = number(block, size, at + 8, 2, little);
        return value >= 1 && value <= 8 ? (int)value : 0;
    }
    return 0;
}
