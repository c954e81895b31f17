#include "images.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { PIECE = 16384 };

/* One encoding. */
typedef struct writer {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr target;
    jmp_buf escape;
    support_write write;
    void *payload;
    char *message;
    int code;
    uint8_t piece[PIECE];
} writer;

static void on_error(j_common_ptr jpeg) {
    writer *w = jpeg->client_data;
    if (w->code == SUPPORT_IMAGE_OK) {
        char text[JMSG_LENGTH_MAX];
        jpeg->err->format_message(jpeg, text);
        snprintf(w->message, SUPPORT_IMAGE_MESSAGE, "%s", text);
        w->code = SUPPORT_IMAGE_MEMORY;
    }
    longjmp(w->escape, 1);
}

static void on_message(j_common_ptr jpeg) { (void)jpeg; }
static void on_emit(j_common_ptr jpeg, int level) { (void)jpeg, (void)level; }

static void hand_over(writer *w, size_t count) {
    w->target.next_output_byte = w->piece;
    w->target.free_in_buffer = PIECE;
    if (w->write(w->piece, count, w->payload) == 0) return;
    w->code = SUPPORT_IMAGE_STOPPED;
    snprintf(w->message, SUPPORT_IMAGE_MESSAGE, "the write callback reported a failure");
    longjmp(w->escape, 1);
}

static void on_start(j_compress_ptr jpeg) {
    writer *w = jpeg->client_data;
    w->target.next_output_byte = w->piece;
    w->target.free_in_buffer = PIECE;
}

static boolean on_full(j_compress_ptr jpeg) {
    hand_over(jpeg->client_data, PIECE);
    return TRUE;
}

static void on_end(j_compress_ptr jpeg) {
    writer *w = jpeg->client_data;
    hand_over(w, PIECE - w->target.free_in_buffer);
}

/* Colours keep their full resolution: heat maps have edges that halved colours would blur. */
static void encode(writer *w, const uint8_t *pixels, uint32_t width, uint32_t height, int quality) {
    struct jpeg_compress_struct *jpeg = &w->jpeg;
    jpeg_create_compress(jpeg);
    w->target.init_destination = on_start;
    w->target.empty_output_buffer = on_full;
    w->target.term_destination = on_end;
    jpeg->dest = &w->target;
    jpeg->image_width = width;
    jpeg->image_height = height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg->comp_info[0].h_samp_factor = 1;
    jpeg->comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = (JSAMPROW)(pixels + (size_t)jpeg->next_scanline * width * 3);
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

/* Apart from its caller, whose variables a longjmp would leave undefined. */
static void attempt(writer *w, const uint8_t *pixels, uint32_t width, uint32_t height, int quality) {
    if (setjmp(w->escape) == 0) encode(w, pixels, width, height, quality);
}

int support_jpeg_encode(const uint8_t *pixels, int32_t width, int32_t height, int quality, support_write write, void *payload,
                        char *message) {
    message[0] = 0;
    writer *w = calloc(1, sizeof *w);
    if (!w) {
        snprintf(message, SUPPORT_IMAGE_MESSAGE, "out of memory");
        return SUPPORT_IMAGE_MEMORY;
    }
    w->write = write;
    w->payload = payload;
    w->message = message;
    w->jpeg.err = jpeg_std_error(&w->errors);
    w->jpeg.client_data = w;
    w->errors.error_exit = on_error;
    w->errors.emit_message = on_emit;
    w->errors.output_message = on_message;
    attempt(w, pixels, (uint32_t)width, (uint32_t)height, quality);
    jpeg_destroy_compress(&w->jpeg);
    int code = w->code;
    free(w);
    return code;
}
