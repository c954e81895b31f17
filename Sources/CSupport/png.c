#include "exif.h"
#include "images.h"
#include "support.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

/* Bytes of any chunk but those of pixels: the Exif block, the palette. */
enum { MAX_CHUNK = 1 << 20 };

/* One decoding. */
typedef struct reader {
    const uint8_t *bytes;
    size_t left;
    size_t size;
    uint64_t max_pixels;
    uint8_t *pixels;
    png_structp png;
    png_infop info;
    support_image *image;
    int code;
} reader;

static void keep_message(char *target, const char *text) { snprintf(target, SUPPORT_IMAGE_MESSAGE, "%s", text); }

static _Noreturn void fail(reader *r, int code, const char *text) {
    r->code = code;
    png_error(r->png, text);
}

static void on_error(png_structp png, png_const_charp text) {
    reader *r = png_get_error_ptr(png);
    if (r->code == SUPPORT_IMAGE_OK) {
        /* libpng does not number its errors. */
        int memory = strstr(text, "memory") || strstr(text, "Memory");
        r->code = memory ? SUPPORT_IMAGE_MEMORY : SUPPORT_IMAGE_DAMAGED;
    }
    keep_message(r->image->message, text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) { (void)png, (void)text; }

static void on_read(png_structp png, png_bytep target, size_t count) {
    reader *r = png_get_io_ptr(png);
    if (count > r->left) fail(r, SUPPORT_IMAGE_DAMAGED, "the file is truncated");
    memcpy(target, r->bytes, count);
    r->bytes += count;
    r->left -= count;
}

/* Text, profiles and the like are never looked at: skipping them keeps their decompression out of reach. */
static void skip_ancillary(png_structp png) {
    static const png_byte names[] = "cHRM\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0tEXt\0tIME\0zTXt\0bKGD";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, (int)(sizeof names / 5));
}

static void check_size(reader *r, uint32_t width, uint32_t height) {
    if (width == 0 || height == 0) fail(r, SUPPORT_IMAGE_DAMAGED, "the image has no pixels");
    if ((uint64_t)width * height > r->max_pixels || width > INT32_MAX / 4 || height > INT32_MAX / 4) {
        char text[96];
        snprintf(text, sizeof text, "%ux%u pixels are more than the %llu allowed", width, height, (unsigned long long)r->max_pixels);
        fail(r, SUPPORT_IMAGE_LARGE, text);
    }
    /* Deflate expands at most 1032 times: a short file that claims more is refused before memory is taken for it. */
    uint64_t bits = (uint64_t)width * height * png_get_channels(r->png, r->info) * png_get_bit_depth(r->png, r->info);
    if (bits / 8 / 1032 > r->size) fail(r, SUPPORT_IMAGE_DAMAGED, "the file is too short for its size in pixels");
}

/* 8-bit RGB, or RGBA where the file has transparency. */
static int normalise(reader *r) {
    png_set_expand(r->png);
    png_set_scale_16(r->png);
    png_set_gray_to_rgb(r->png);
    png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    int channels = png_get_channels(r->png, r->info);
    if ((channels != 3 && channels != 4) || png_get_bit_depth(r->png, r->info) != 8)
        fail(r, SUPPORT_IMAGE_UNSUPPORTED, "unexpected pixel format");
    return channels;
}

/* The chunk may stand before or after the pixels. */
static int orientation(reader *r) {
    png_bytep block = NULL;
    png_uint_32 size = 0;
    int found = png_get_eXIf_1(r->png, r->info, &size, &block) ? exif_orientation(block, size) : 0;
    return found ? found : 1;
}

static void decode(reader *r) {
    png_set_read_fn(r->png, r, on_read);
    png_set_user_limits(r->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(r->png, MAX_CHUNK);
    skip_ancillary(r->png);
    png_read_info(r->png, r->info);
    uint32_t width = png_get_image_width(r->png, r->info), height = png_get_image_height(r->png, r->info);
    check_size(r, width, height);
    size_t channels = (size_t)normalise(r);
    size_t stride = channels * width;
    r->pixels = support_allocate(stride * height);
    if (!r->pixels) fail(r, SUPPORT_IMAGE_MEMORY, "out of memory");
    int passes = png_get_interlace_type(r->png, r->info) == PNG_INTERLACE_NONE ? 1 : PNG_INTERLACE_ADAM7_PASSES;
    /* Interlaced passes fill in the rows of the ones before. */
    for (int pass = 0; pass < passes; pass++)
        for (uint32_t y = 0; y < height; y++) png_read_row(r->png, r->pixels + y * stride, NULL);
    png_read_end(r->png, NULL);
    if (channels == 4) support_blend(r->pixels, (size_t)width * height);
    r->image->width = (int32_t)width;
    r->image->height = (int32_t)height;
    r->image->orientation = orientation(r);
}

/* Apart from its caller, whose variables a longjmp would leave undefined. */
static void attempt_decode(reader *r) {
    if (setjmp(png_jmpbuf(r->png)) == 0) decode(r);
}

int support_png_decode(const void *bytes, size_t size, uint64_t max_pixels, support_image *image) {
    memset(image, 0, sizeof *image);
    image->orientation = 1;
    reader r = { .bytes = bytes, .left = size, .size = size, .max_pixels = max_pixels, .image = image };
    r.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    if (r.png) r.info = png_create_info_struct(r.png);
    if (!r.info) {
        r.code = SUPPORT_IMAGE_MEMORY;
        keep_message(image->message, "libpng could not be started");
    } else {
        attempt_decode(&r);
    }
    png_destroy_read_struct(&r.png, &r.info, NULL);
    if (r.code == SUPPORT_IMAGE_OK)
        image->pixels = r.pixels;
    else
        support_deallocate(r.pixels);
    return r.code;
}

typedef struct writer {
    support_write write;
    void *payload;
    png_structp png;
    png_infop info;
    char *message;
    int code;
} writer;

static void on_write_error(png_structp png, png_const_charp text) {
    writer *w = png_get_error_ptr(png);
    if (w->code == SUPPORT_IMAGE_OK) w->code = SUPPORT_IMAGE_MEMORY;
    keep_message(w->message, text);
    png_longjmp(png, 1);
}

static void on_write(png_structp png, png_bytep bytes, size_t count) {
    writer *w = png_get_io_ptr(png);
    if (w->write(bytes, count, w->payload) == 0) return;
    w->code = SUPPORT_IMAGE_STOPPED;
    png_error(png, "the write callback reported a failure");
}

static void on_flush(png_structp png) { (void)png; }

static void encode(writer *w, const uint8_t *pixels, uint32_t width, uint32_t height) {
    png_set_write_fn(w->png, w, on_write, on_flush);
    png_set_user_limits(w->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_IHDR(w->png, w->info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(w->png, w->info);
    for (uint32_t y = 0; y < height; y++) png_write_row(w->png, pixels + (size_t)y * width * 3);
    png_write_end(w->png, w->info);
}

static void attempt_encode(writer *w, const uint8_t *pixels, uint32_t width, uint32_t height) {
    if (setjmp(png_jmpbuf(w->png)) == 0) encode(w, pixels, width, height);
}

int support_png_encode(const uint8_t *pixels, int32_t width, int32_t height, support_write write, void *payload, char *message) {
    writer w = { .write = write, .payload = payload, .message = message };
    message[0] = 0;
    w.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &w, on_write_error, on_warning);
    if (w.png) w.info = png_create_info_struct(w.png);
    if (!w.info) {
        w.code = SUPPORT_IMAGE_MEMORY;
        keep_message(message, "libpng could not be started");
    } else {
        attempt_encode(&w, pixels, (uint32_t)width, (uint32_t)height);
    }
    png_destroy_write_struct(&w.png, &w.info);
    return w.code;
}
