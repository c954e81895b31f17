// Explains a photo with Grad-CAM and writes the overlay as PNG.
//
//     gradcam MODEL.onnx PHOTO OUT.png [PRESET]
//
// PRESET names the model's preprocessing, "lite" by default (see image.h). Build, with the library installed:
//
//     c++ -std=c++17 -o gradcam gradcam.cpp $(pkg-config --cflags --libs pellucid)
#include <cstdio>
#include <string>

#include <pellucid.hpp>

int main(int argc, char **argv) try {
    if (argc < 4) {
        std::fprintf(stderr, "usage: gradcam MODEL.onnx PHOTO OUT.png [PRESET]\n");
        return 2;
    }
    const pellucid::options preset{{"preset", argc > 4 ? argv[4] : "lite"}};
    const pellucid::runtime runtime;
    const pellucid::model model(runtime, argv[1]);
    const pellucid::tensor photo = pellucid::read_image(argv[2]);
    const pellucid::explanation why = model.explain("grad-cam", pellucid::preprocess(photo, preset));
    pellucid::write_image(pellucid::overlay(pellucid::fit(photo, preset), why.map()), argv[3]);
    std::printf("class %lld, score %.2f, picture in %s\n", static_cast<long long>(why["classes"].values<std::int64_t>()[0]), why.number("score"), argv[3]);
    return 0;
} catch (const pellucid::error &error) {
    std::fprintf(stderr, "gradcam: %s\n", error.what());
    return 1;
}
