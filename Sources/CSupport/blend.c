#include "images.h"

/* In place: the packed pixel never lies ahead of the one being read. */
void support_blend(uint8_t *pixels, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *from = pixels + 4 * i;
        unsigned alpha = from[3];
        for (int c = 0; c < 3; c++) {
            unsigned sum = from[c] * alpha + 255u * (255u - alpha);
            pixels[3 * i + c] = (uint8_t)((sum + 127) / 255);
        }
    }
}
