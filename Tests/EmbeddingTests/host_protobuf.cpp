/* A host whose own onnx-ml.proto is registered with the shared protobuf library: descriptors of both do not meet, whichever
 * comes first. Arguments: library, model, and "before" or "after": when the host's ONNX library is loaded. */
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>

#include <pellucid/pellucid.h>

#define REQUIRE(condition)                                                       \
    do {                                                                         \
        if (!(condition)) {                                                      \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                        \
        }                                                                        \
    } while (0)

namespace {

template <typename Function>
Function look_up(void *handle, const char *name) {
    Function function = nullptr;
    void *symbol = dlsym(handle, name);
    REQUIRE(symbol != nullptr);
    std::memcpy(&function, &symbol, sizeof function);
    return function;
}

/* Loads the host's ONNX library, whose static initialisers register onnx-ml.proto, and asks its pool for a message. */
void use_onnx() {
    void *protobuf = dlopen("libprotobuf.so.32", RTLD_NOW | RTLD_GLOBAL);
    void *onnx = dlopen("libonnx_proto.so.1", RTLD_NOW | RTLD_GLOBAL);
    if (onnx == nullptr) onnx = dlopen("libonnx_proto.so", RTLD_NOW | RTLD_GLOBAL);
    if (protobuf == nullptr || onnx == nullptr) std::fprintf(stderr, "%s\n", dlerror());
    REQUIRE(protobuf != nullptr && onnx != nullptr);
    /* google::protobuf::DescriptorPool::generated_pool() and DescriptorPool::FindMessageTypeByName(const std::string &) const */
    auto pool = look_up<const void *(*)()>(protobuf, "_ZN6google8protobuf14DescriptorPool14generated_poolEv");
    auto find = look_up<const void *(*)(const void *, const std::string &)>(
        protobuf, "_ZNK6google8protobuf14DescriptorPool21FindMessageTypeByNameERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEE");
    REQUIRE(find(pool(), "onnx.ModelProto") != nullptr);
    /* What the library itself reads models with is not in the host's pool. */
    REQUIRE(find(pool(), "pellucid_onnx.ModelProto") == nullptr);
}

void use_pellucid(const char *library, const char *path) {
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    REQUIRE(handle != nullptr);
    pellucid_runtime *runtime = nullptr;
    pellucid_model *model = nullptr;
    REQUIRE(look_up<decltype(&pellucid_runtime_create)>(handle, "pellucid_runtime_create")(&runtime, nullptr) == PELLUCID_OK);
    REQUIRE(look_up<decltype(&pellucid_model_load)>(handle, "pellucid_model_load")(&model, runtime, path, nullptr) == PELLUCID_OK);
    REQUIRE(look_up<decltype(&pellucid_model_value_count)>(handle, "pellucid_model_value_count")(model, PELLUCID_LAYER) > 0);
    look_up<decltype(&pellucid_model_release)>(handle, "pellucid_model_release")(model);
    look_up<decltype(&pellucid_runtime_release)>(handle, "pellucid_runtime_release")(runtime);
}

}  // namespace

int main(int argc, char **argv) {
    REQUIRE(argc == 4);
    if (std::string(argv[3]) == "before") use_onnx();
    use_pellucid(argv[1], argv[2]);
    use_onnx();
    use_pellucid(argv[1], argv[2]);
    return 0;
}
