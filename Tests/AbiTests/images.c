/* A host with image libraries of its own, of whatever version: the library neither calls them nor writes to the host's stderr.
 * Arguments: photos. */
#include "check.h"

static int calls;

/* Exported by the executable, so that every library that looks the names up at run time would find these. */
#define HOST(name)                                         \
    __attribute__((visibility("default"))) void name(void); \
    void name(void) { calls++; }
HOST(png_create_read_struct)
HOST(png_create_write_struct)
HOST(png_error)
HOST(jpeg_CreateDecompress)
HOST(jpeg_CreateCompress)
HOST(jpeg_std_error)
HOST(inflate)
HOST(deflate)
HOST(crc32)
HOST(WebPDecode)
HOST(WebPGetFeaturesInternal)

static unsigned char *read_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    CHECK(file && fseek(file, 0, SEEK_END) == 0);
    *size = (size_t)ftell(file);
    unsigned char *bytes = malloc(*size);
    CHECK(bytes && fseek(file, 0, SEEK_SET) == 0 && fread(bytes, 1, *size, file) == *size);
    fclose(file);
    return bytes;
}

static int32_t swallow(const void *bytes, size_t size, void *payload) {
    (void)bytes;
    *(size_t *)payload += size;
    return 0;
}

/* Every option of a call is checked, and a wrong one is named with the nearest right one. */
static void check_options(void) {
    static const int64_t shape[2] = { 2, 2 };
    static const float values[4] = { 0, 1, 2, 3 };
    static const char *const wrong[][3] = {
        { "colormap", "viridsi", "viridis" }, { "blend", "mutliply", "multiply" }, { "alfa", "1", "alpha" },   { "alpha", "2", "0...1" },
        { "contours", "0.5,x", "contours" },  { "contours", "3", "-1 to 1" },      { "limit", "0", "above 0" }, { "interp", "corner", "corners" },
    };
    pellucid_tensor *map = NULL, *out = NULL;
    pellucid_options *options = NULL;
    pellucid_view view;
    CHECK_OK(pellucid_tensor_create(&map, PELLUCID_FLOAT32, 2, shape, values));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CHECK_OK(pellucid_options_create(&options));
        CHECK_OK(pellucid_options_set_text(options, wrong[i][0], wrong[i][1]));
        CHECK_FAILS(pellucid_image_overlay(&out, NULL, map, options));
        CHECK(out == NULL && strstr(pellucid_error_message(), wrong[i][2]) != NULL);
        pellucid_options_release(options);
    }
    CHECK_FAILS(pellucid_image_upsample(&out, map, NULL));
    CHECK_OK(pellucid_options_create(&options));
    CHECK_OK(pellucid_options_set_text(options, "size", "3,3"));
    CHECK_OK(pellucid_options_set_text(options, "interp", "corners"));
    CHECK_OK(pellucid_image_upsample(&out, map, options));
    CHECK_OK(pellucid_tensor_view(out, &view));
    for (int i = 0; i < 9; i++) CHECK(((const float *)view.data)[i] == (float)(i / 3) + 0.5f * (float)(i % 3));
    pellucid_tensor_release(out);
    pellucid_options_release(options);
    pellucid_tensor_release(map);
}

int main(int argc, char **argv) {
    CHECK(argc > 1);
    check_options();
    for (int i = 1; i < argc; i++) {
        pellucid_tensor *image = NULL, *half = NULL;
        size_t size = 0, written = 0;
        unsigned char *bytes = read_file(argv[i], &size);
        CHECK_OK(pellucid_image_decode(&image, bytes, size, NULL));
        CHECK_FAILS(pellucid_image_decode(&half, bytes, size / 2, NULL));
        CHECK_OK(pellucid_image_encode(image, "png", swallow, &written));
        CHECK_OK(pellucid_image_encode(image, "jpeg", swallow, &written));
        CHECK(written > 0);
        pellucid_tensor_release(image);
        free(bytes);
    }
    CHECK(calls == 0);
    inflate();
    CHECK(calls == 1);
    return 0;
}
