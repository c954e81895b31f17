#include "exif.h"
#include "images.h"
#include "support.h"

#include <stdio.h>
#include <string.h>

static int refuse(support_image *image, int code, const char *text) {
    snprintf(image->message, SUPPORT_IMAGE_MESSAGE, "%s", text);
    return code;
}

#ifdef PELLUCID_WEBP
#include <webp/decode.h>

static int explain(support_image *image, VP8StatusCode status) {
    switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
        return refuse(image, SUPPORT_IMAGE_MEMORY, "out of memory");
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return refuse(image, SUPPORT_IMAGE_UNSUPPORTED, "the file uses a feature that is not known");
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return refuse(image, SUPPORT_IMAGE_DAMAGED, "the file is truncated");
    default:
        return refuse(image, SUPPORT_IMAGE_DAMAGED, "the data are damaged");
    }
}

static uint32_t little(const uint8_t *bytes) {
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* What the chunk "EXIF" of the RIFF container says. */
static int orientation(const uint8_t *bytes, size_t size) {
    for (size_t at = 12; size >= 8 && at <= size - 8;) {
        size_t length = little(bytes + at + 4), left = size - at - 8;
        if (length > left) return 1;
        if (memcmp(bytes + at, "EXIF", 4) == 0) {
            int found = exif_orientation(bytes + at + 8, length);
            return found ? found : 1;
        }
        at += 8 + length + (length & 1);
    }
    return 1;
}

static int decode(const uint8_t *bytes, size_t size, WebPDecoderConfig *config, support_image *image) {
    int channels = config->input.has_alpha ? 4 : 3;
    size_t stride = (size_t)channels * (size_t)config->input.width;
    config->output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config->output.is_external_memory = 1;
    config->output.u.RGBA.stride = (int)stride;
    config->output.u.RGBA.size = stride * (size_t)config->input.height;
    uint8_t *pixels = support_allocate(config->output.u.RGBA.size);
    if (!pixels) return explain(image, VP8_STATUS_OUT_OF_MEMORY);
    config->output.u.RGBA.rgba = pixels;
    VP8StatusCode status = WebPDecode(bytes, size, config);
    if (status != VP8_STATUS_OK) {
        support_deallocate(pixels);
        return explain(image, status);
    }
    if (channels == 4) support_blend(pixels, (size_t)config->input.width * (size_t)config->input.height);
    image->pixels = pixels;
    image->width = config->input.width;
    image->height = config->input.height;
    image->orientation = orientation(bytes, size);
    return SUPPORT_IMAGE_OK;
}

int support_webp_decode(const void *bytes, size_t size, uint64_t max_pixels, support_image *image) {
    memset(image, 0, sizeof *image);
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return refuse(image, SUPPORT_IMAGE_UNSUPPORTED, "libwebp has another version than expected");
    VP8StatusCode status = WebPGetFeatures(bytes, size, &config.input);
    if (status != VP8_STATUS_OK) return explain(image, status);
    if (config.input.has_animation) return refuse(image, SUPPORT_IMAGE_UNSUPPORTED, "the file is an animation; single pictures are read");
    int width = config.input.width, height = config.input.height;
    if (width <= 0 || height <= 0) return refuse(image, SUPPORT_IMAGE_DAMAGED, "the image has no pixels");
    if ((uint64_t)width * (uint64_t)height > max_pixels) {
        snprintf(image->message, SUPPORT_IMAGE_MESSAGE, "%dx%d pixels are more than the %llu allowed", width, height,
                 (unsigned long long)max_pixels);
        return SUPPORT_IMAGE_LARGE;
    }
    int code = decode(bytes, size, &config, image);
    WebPFreeDecBuffer(&config.output);
    return code;
}

#else

int support_webp_decode(const void *bytes, size_t size, uint64_t max_pixels, support_image *image) {
    (void)bytes, (void)size, (void)max_pixels;
    memset(image, 0, sizeof *image);
    return refuse(image, SUPPORT_IMAGE_UNSUPPORTED, "this library was built without libwebp");
}

#endif
