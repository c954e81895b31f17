/* PNG, JPEG and WebP by libpng, libjpeg-turbo and libwebp. Nothing is printed, nothing exits; damaged input gives an error with text. */
#ifndef PELLUCID_IMAGES_H
#define PELLUCID_IMAGES_H

#include <stddef.h>
#include <stdint.h>

enum {
    SUPPORT_IMAGE_OK = 0,
    SUPPORT_IMAGE_DAMAGED = 1,     /* truncated or not what it claims to be */
    SUPPORT_IMAGE_UNSUPPORTED = 2, /* a variant that the decoder does not know */
    SUPPORT_IMAGE_LARGE = 3,       /* more pixels than allowed */
    SUPPORT_IMAGE_MEMORY = 4,
    SUPPORT_IMAGE_STOPPED = 5 /* the write callback returned non-zero */
};

enum { SUPPORT_IMAGE_MESSAGE = 240 };

/* A decoded image and what is known when decoding failed. */
typedef struct support_image {
    uint8_t *pixels; /* rows of RGB without gaps, given back with support_deallocate; NULL on failure */
    int32_t width;
    int32_t height;
    int32_t orientation; /* EXIF: 1 (upright) to 8 */
    char message[SUPPORT_IMAGE_MESSAGE];
} support_image;

/* All fill *image and return a SUPPORT_IMAGE_ code. Alpha is blended over white; CMYK is converted. */
int support_png_decode(const void *bytes, size_t size, uint64_t max_pixels, support_image *image);
int support_jpeg_decode(const void *bytes, size_t size, uint64_t max_pixels, support_image *image);
/* SUPPORT_IMAGE_UNSUPPORTED for animations, and for every file where libwebp was absent at build time. */
int support_webp_decode(const void *bytes, size_t size, uint64_t max_pixels, support_image *image);

/* RGBA over white, packed to RGB at the front of the same memory. */
void support_blend(uint8_t *pixels, size_t count);

/* Receives pieces of an encoded file; non-zero stops. */
typedef int32_t (*support_write)(const void *bytes, size_t size, void *payload);

/* Encodes rows of RGB. `message` has room for SUPPORT_IMAGE_MESSAGE bytes. Returns a SUPPORT_IMAGE_ code. */
int support_png_encode(const uint8_t *pixels, int32_t width, int32_t height, support_write write, void *payload, char *message);
/* quality: 1 to 100. */
int support_jpeg_encode(const uint8_t *pixels, int32_t width, int32_t height, int quality, support_write write, void *payload,
                        char *message);

#endif
