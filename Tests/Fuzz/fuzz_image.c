/* Bytes of an image file: decoding, preparing, drawing over it, encoding. */
#include "fuzz.h"

static int32_t count_bytes(const void *bytes, size_t size, void *payload) {
    REQUIRE(bytes != NULL);
    *(size_t *)payload += size;
    return 0;
}

static void use(const pellucid_tensor *image) {
    static const float heat[4] = { 0.0f, 1.0f, -1.0f, 0.5f };
    static const int64_t side[2] = { 2, 2 };
    pellucid_tensor *input = NULL, *map = NULL, *picture = NULL;
    size_t size = 0;
    pellucid_view view;
    REQUIRE(pellucid_tensor_view(image, &view) == PELLUCID_OK);
    REQUIRE(view.rank == 3 && view.shape[2] == 3 && view.shape[0] > 0 && view.shape[1] > 0);
    pellucid_status status = pellucid_image_preprocess(&input, image, NULL);
    REQUIRE_OUTCOME(status, input);
    REQUIRE(pellucid_tensor_create(&map, PELLUCID_FLOAT32, 2, side, heat) == PELLUCID_OK);
    if (view.shape[0] * view.shape[1] < 1 << 16) {
        status = pellucid_image_overlay(&picture, image, map, NULL);
        REQUIRE_OUTCOME(status, picture);
        REQUIRE(picture == NULL || (pellucid_image_encode(picture, "png", count_bytes, &size) == PELLUCID_OK && size > 8));
    }
    pellucid_tensor_release(picture);
    pellucid_tensor_release(map);
    pellucid_tensor_release(input);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    pellucid_tensor *image = NULL;
    pellucid_options *options = NULL;
    REQUIRE(pellucid_options_create(&options) == PELLUCID_OK);
    REQUIRE(pellucid_options_set_int(options, "max_pixels", 1 << 20) == PELLUCID_OK);
    pellucid_status status = pellucid_image_decode(&image, bytes, size, options);
    pellucid_options_release(options);
    REQUIRE_OUTCOME(status, image);
    if (image != NULL) use(image);
    pellucid_tensor_release(image);
    return 0;
}
