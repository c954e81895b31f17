/* A C++ host whose callbacks throw. An exception must not pass through C: each callback is a trampoline that keeps the exception
 * and reports failure, and the host throws it again when the call is back. Argument: model. */
extern "C" {
#include "check.h"
}

#include <exception>
#include <stdexcept>
#include <string>

namespace {

/* The object behind a payload. */
struct Host {
    std::exception_ptr kept;
    std::string where;
};

template <typename Body>
int32_t trampoline(void *payload, Body body) noexcept {
    auto *host = static_cast<Host *>(payload);
    try {
        body(*host);
        return 0;
    } catch (...) {
        host->kept = std::current_exception();
        return 1;
    }
}

extern "C" int32_t progress(double fraction, const char *stage, void *payload) {
    return trampoline(payload, [&](Host &host) {
        if (host.where == "progress" && fraction > 0) throw std::runtime_error(std::string("progress in ") + stage);
    });
}

extern "C" int32_t hook(const char *name, const pellucid_tensor *, pellucid_tensor **, void *payload) {
    return trampoline(payload, [&](Host &host) {
        if (host.where == "hook") throw std::domain_error(std::string("hook on ") + name);
    });
}

extern "C" int32_t write_bytes(const void *, size_t, void *payload) {
    return trampoline(payload, [&](Host &host) {
        if (host.where == "write") throw std::length_error("write");
    });
}

/* What a C++ wrapper does with a status. */
void finish(pellucid_status status, Host &host) {
    if (host.kept) {
        auto kept = host.kept;
        host.kept = nullptr;
        std::rethrow_exception(kept);
    }
    if (status != PELLUCID_OK) throw std::runtime_error(pellucid_error_message());
}

void explain(pellucid_model *model, Host &host) {
    pellucid_feed feed = { nullptr, make_input(1) };
    pellucid_hook hooks[] = { { "logits", PELLUCID_FORWARD, hook, &host } };
    pellucid_control control = PELLUCID_CONTROL_INIT;
    pellucid_result *result = nullptr;
    control.progress = progress;
    control.payload = &host;
    control.hooks = hooks;
    control.hook_count = 1;
    const pellucid_status status = pellucid_explain(&result, model, "smoothgrad", &feed, 1, nullptr, nullptr, &control);
    CHECK((status == PELLUCID_OK) == (result != nullptr));
    pellucid_result_release(result);
    pellucid_tensor_release(const_cast<pellucid_tensor *>(feed.tensor));
    finish(status, host);
}

template <typename Exception, typename Body>
void expect(const char *what, Body body) {
    try {
        body();
    } catch (const Exception &caught) {
        CHECK(std::string(caught.what()).rfind(what, 0) == 0);
        return;
    }
    CHECK(!"an exception");
}

}  // namespace

int main(int argc, char **argv) {
    CHECK(argc == 2);
    Host host;
    pellucid_model *model = load_model(argv[1]);
    for (int round = 0; round < 3; round++) {
        host.where = "progress";
        expect<std::runtime_error>("progress in ", [&] { explain(model, host); });
        host.where = "hook";
        expect<std::domain_error>("hook on logits", [&] { explain(model, host); });
        host.where = "write";
        expect<std::length_error>("write", [&] {
            const int64_t shape[] = { 4, 4, 3 };
            pellucid_tensor *image = nullptr;
            CHECK_OK(pellucid_tensor_create(&image, PELLUCID_UINT8, 3, shape, nullptr));
            const pellucid_status status = pellucid_image_encode(image, "png", write_bytes, &host);
            CHECK(status == PELLUCID_E_CALLBACK);
            pellucid_tensor_release(image);
            finish(status, host);
        });
        host.where = "";
        explain(model, host);
    }
    pellucid_model_release(model);
    return 0;
}
