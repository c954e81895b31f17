#include "exif.h"
#include "images.h"
#include "support.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* A progressive file may hold any number of scans of a few bytes each, every one a pass over all pixels. Encoders make about
 * ten; the more pixels, the fewer beyond that are followed. */
enum { FEW_SCANS = 20, MAX_SCANS = 200, PIXEL_SCANS = 2000000000 };

/* One decoding. */
typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    uint8_t *pixels;
    uint8_t *row;
    support_image *image;
    int code;
} reader;

static _Noreturn void fail(reader *r, int code, const char *text) {
    r->code = code;
    snprintf(r->image->message, SUPPORT_IMAGE_MESSAGE, "%s", text);
    longjmp(r->escape, 1);
}

static int code_of(int message) {
    switch (message) {
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE:
        return SUPPORT_IMAGE_MEMORY;
    case JERR_ARITH_NOTIMPL:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_SOF_UNSUPPORTED:
        return SUPPORT_IMAGE_UNSUPPORTED;
    default:
        return SUPPORT_IMAGE_DAMAGED;
    }
}

static _Noreturn void on_error(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    fail(r, code_of(jpeg->err->msg_code), text);
}

static void on_message(j_common_ptr jpeg) { (void)jpeg; }

/* libjpeg fills damaged parts with grey and only warns; a picture that was not there must not be explained. */
static void on_emit(j_common_ptr jpeg, int level) {
    if (level >= 0) return;
    switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
        fail(jpeg->client_data, SUPPORT_IMAGE_DAMAGED, "the file is truncated");
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_MUST_RESYNC:
        on_error(jpeg);
    default:
        jpeg->err->num_warnings++;
    }
}

static void on_progress(j_common_ptr jpeg) {
    reader *r = jpeg->client_data;
    uint64_t pixels = (uint64_t)r->jpeg.image_width * r->jpeg.image_height;
    int scans = r->jpeg.input_scan_number;
    if (scans > MAX_SCANS || (scans > FEW_SCANS && (uint64_t)scans * pixels > PIXEL_SCANS))
        fail(r, SUPPORT_IMAGE_UNSUPPORTED, "the file has too many scans");
}

static int orientation(const reader *r) {
    for (jpeg_saved_marker_ptr m = r->jpeg.marker_list; m; m = m->next) {
        int found = m->marker == JPEG_APP0 + 1 ? exif_orientation(m->data, m->data_length) : 0;
        if (found) return found;
    }
    return 1;
}

/* The rounding of Pillow's MULDIV255. */
static unsigned scaled(unsigned a, unsigned b) {
    unsigned t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

/* Adobe's files hold inverted inks: 255 is no ink. */
static void from_cmyk(const uint8_t *row, uint8_t *target, size_t count, int inverted) {
    for (size_t i = 0; i < count; i++, row += 4, target += 3) {
        unsigned flip = inverted ? 255 : 0, paper = 255 - (row[3] ^ flip);
        for (int c = 0; c < 3; c++) target[c] = (uint8_t)(paper - scaled(row[c] ^ flip, paper));
    }
}

static void check_size(reader *r, uint64_t max_pixels) {
    uint64_t width = r->jpeg.image_width, height = r->jpeg.image_height;
    if (width * height <= max_pixels) return;
    char text[96];
    snprintf(text, sizeof text, "%llux%llu pixels are more than the %llu allowed", (unsigned long long)width, (unsigned long long)height,
             (unsigned long long)max_pixels);
    fail(r, SUPPORT_IMAGE_LARGE, text);
}

static void read_rows(reader *r) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    int is_cmyk = jpeg->out_color_space == JCS_CMYK, inverted = jpeg->saw_Adobe_marker;
    size_t width = jpeg->output_width;
    r->pixels = support_allocate(width * jpeg->output_height * 3);
    if (is_cmyk) r->row = support_allocate(width * 4);
    if (!r->pixels || (is_cmyk && !r->row)) fail(r, SUPPORT_IMAGE_MEMORY, "out of memory");
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *target = r->pixels + (size_t)jpeg->output_scanline * width * 3;
        JSAMPROW row = is_cmyk ? r->row : target;
        if (jpeg_read_scanlines(jpeg, &row, 1) != 1) fail(r, SUPPORT_IMAGE_DAMAGED, "the file is truncated");
        if (is_cmyk) from_cmyk(row, target, width, inverted);
    }
}

static void decode(reader *r, const void *bytes, size_t size, uint64_t max_pixels) {
    struct jpeg_decompress_struct *jpeg = &r->jpeg;
    jpeg_create_decompress(jpeg);
    r->progress.progress_monitor = on_progress;
    jpeg->progress = &r->progress;
    jpeg_mem_src(jpeg, bytes, size);
    jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(jpeg, TRUE);
    check_size(r, max_pixels);
    int is_cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = is_cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(jpeg);
    read_rows(r);
    r->image->width = (int32_t)jpeg->output_width;
    r->image->height = (int32_t)jpeg->output_height;
    r->image->orientation = orientation(r);
    jpeg_finish_decompress(jpeg);
}

/* Apart from its caller, whose variables a longjmp would leave undefined. */
static void attempt(reader *r, const void *bytes, size_t size, uint64_t max_pixels) {
    if (setjmp(r->escape) == 0) decode(r, bytes, size, max_pixels);
}

int support_jpeg_decode(const void *bytes, size_t size, uint64_t max_pixels, support_image *image) {
    memset(image, 0, sizeof *image);
    reader r;
    memset(&r, 0, sizeof r);
    r.image = image;
    r.jpeg.err = jpeg_std_error(&r.errors);
    r.jpeg.client_data = &r;
    r.errors.error_exit = on_error;
    r.errors.emit_message = on_emit;
    r.errors.output_message = on_message;
    attempt(&r, bytes, size, max_pixels);
    jpeg_destroy_decompress(&r.jpeg);
    support_deallocate(r.row);
    if (r.code == SUPPORT_IMAGE_OK)
        image->pixels = r.pixels;
    else
        support_deallocate(r.pixels);
    return r.code;
}
