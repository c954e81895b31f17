/* Explains a photo with Grad-CAM and writes the overlay as PNG.
 *
 *     gradcam MODEL.onnx PHOTO OUT.png [PRESET]
 *
 * The model takes images of 224 x 224 pixels; PRESET names its preprocessing, "lite" by default (see image.h).
 * Build, with the library installed below PREFIX:
 *
 *     cc -o gradcam gradcam.c -IPREFIX/include -LPREFIX/lib -Wl,-rpath,PREFIX/lib -lpellucid
 */
#include <stdio.h>
#include <stdlib.h>

#include <pellucid/pellucid.h>

/* Ends the program with the library's message when a call has failed. */
static void check(pellucid_status status) {
    if (status == PELLUCID_OK) return;
    fprintf(stderr, "gradcam: %s\n", pellucid_error_message());
    exit(1);
}

static pellucid_tensor *read_photo(const char *path) {
    static char bytes[32 << 20];
    pellucid_tensor *photo;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    check(pellucid_image_decode(&photo, bytes, size, NULL));
    return photo;
}

static int32_t write_bytes(const void *bytes, size_t size, void *file) {
    return fwrite(bytes, 1, size, file) == size ? 0 : 1;
}

static void write_picture(const pellucid_tensor *picture, const char *path) {
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    check(pellucid_image_encode(picture, "png", write_bytes, file));
    if (fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

/* The class with the highest score. */
static int64_t best_class(pellucid_model *model, const pellucid_feed *feed) {
    pellucid_tensor *scores;
    pellucid_view view;
    int64_t best = 0;
    check(pellucid_model_run(model, feed, 1, NULL, 0, &scores, NULL));
    check(pellucid_tensor_view(scores, &view));
    const float *values = view.data;
    for (int64_t i = 1; i < view.shape[view.rank - 1]; i++) {
        if (values[i] > values[best]) best = i;
    }
    pellucid_tensor_release(scores);
    return best;
}

int main(int argc, char **argv) {
    pellucid_runtime *runtime;
    pellucid_model *model;
    pellucid_options *preset;
    pellucid_tensor *fitted, *input, *map, *picture;
    pellucid_result *result;

    if (argc < 4) {
        fprintf(stderr, "usage: gradcam MODEL.onnx PHOTO OUT.png [PRESET]\n");
        return 2;
    }
    check(pellucid_runtime_create(&runtime, NULL));
    check(pellucid_model_load(&model, runtime, argv[1], NULL));

    /* What the network sees, as a picture and as its input. */
    pellucid_tensor *photo = read_photo(argv[2]);
    check(pellucid_options_create(&preset));
    check(pellucid_options_set_text(preset, "preset", argc > 4 ? argv[4] : "lite"));
    check(pellucid_image_fit(&fitted, photo, preset));
    check(pellucid_image_preprocess(&input, photo, preset));

    /* Why is it that class? A feed without a name is the model's only input. */
    pellucid_feed feed = { NULL, input };
    pellucid_target target = PELLUCID_TARGET_CLASS_INIT(best_class(model, &feed));
    check(pellucid_explain(&result, model, "grad-cam", &feed, 1, &target, NULL, NULL));
    check(pellucid_result_tensor(result, "map", &map));

    check(pellucid_image_overlay(&picture, fitted, map, NULL));
    write_picture(picture, argv[3]);
    printf("class %lld, picture in %s\n", (long long)target.index, argv[3]);

    pellucid_tensor_release(picture);
    pellucid_tensor_release(map);
    pellucid_result_release(result);
    pellucid_tensor_release(input);
    pellucid_tensor_release(fitted);
    pellucid_options_release(preset);
    pellucid_tensor_release(photo);
    pellucid_model_release(model);
    pellucid_runtime_release(runtime);
    return 0;
}
