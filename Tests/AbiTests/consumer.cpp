// A C++ host: the headers are clean C++, handles fit into smart pointers, and callbacks may turn into exceptions.
#include <memory>
#include <stdexcept>
#include <vector>

#include "check.h"

namespace {

using Model = std::unique_ptr<pellucid_model, decltype(&pellucid_model_release)>;
using Tensor = std::unique_ptr<pellucid_tensor, decltype(&pellucid_tensor_release)>;
using Options = std::unique_ptr<pellucid_options, decltype(&pellucid_options_release)>;

void check(pellucid_status status) {
    if (status != PELLUCID_OK) throw std::runtime_error(pellucid_error_message());
}

std::vector<float> run(pellucid_model *model, const pellucid_tensor *input, const pellucid_control *control) {
    const pellucid_feed feed = { "input", input };
    pellucid_tensor *raw = nullptr;
    check(pellucid_model_run(model, &feed, 1, nullptr, 0, &raw, control));
    const Tensor output(raw, pellucid_tensor_release);
    pellucid_view view;
    check(pellucid_tensor_view(output.get(), &view));
    const float *first = static_cast<const float *>(view.data);
    return std::vector<float>(first, first + view.shape[0] * view.shape[1]);
}

int32_t replace_by_zeros(const char *, const pellucid_tensor *value, pellucid_tensor **replacement, void *payload) {
    pellucid_view view;
    ++*static_cast<int *>(payload);
    if (pellucid_tensor_view(value, &view) != PELLUCID_OK) return 1;
    return pellucid_tensor_create(replacement, view.dtype, view.rank, view.shape, nullptr);
}

void check_hooks(pellucid_model *model, const pellucid_tensor *input) {
    int calls = 0;
    const pellucid_hook hook = { "logits", PELLUCID_FORWARD, replace_by_zeros, &calls };
    pellucid_control control = PELLUCID_CONTROL_INIT;
    control.hooks = &hook;
    control.hook_count = 1;
    for (const float score : run(model, input, &control)) CHECK(score == 0);
    CHECK(calls == 1);
}

void check_errors(pellucid_model *model, const pellucid_tensor *input) {
    const volatile int32_t cancel = 1;
    pellucid_control control = PELLUCID_CONTROL_INIT;
    control.cancel = &cancel;
    bool thrown = false;
    try {
        run(model, input, &control);
    } catch (const std::runtime_error &error) {
        thrown = error.what()[0] != '\0';
    }
    CHECK(thrown);
}

void check_structs() {
    const pellucid_backend_info backend = PELLUCID_BACKEND_INFO_INIT;
    const pellucid_value_info value = PELLUCID_VALUE_INFO_INIT;
    const pellucid_method_info method = PELLUCID_METHOD_INFO_INIT;
    const pellucid_parameter_info parameter = PELLUCID_PARAMETER_INFO_INIT;
    const pellucid_target target = PELLUCID_TARGET_INIT;
    CHECK(backend.struct_size == sizeof backend && value.struct_size == sizeof value);
    CHECK(method.struct_size == sizeof method && parameter.struct_size == sizeof parameter);
    CHECK(target.struct_size == sizeof target && target.kind == PELLUCID_TARGET_ARGMAX);
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 2);
    const Model model(load_model(argv[1]), pellucid_model_release);
    const Tensor input(make_input(1), pellucid_tensor_release);
    CHECK(run(model.get(), input.get(), nullptr).size() == CLASSES);
    check_hooks(model.get(), input.get());
    check_errors(model.get(), input.get());
    check_structs();
    size_t count = 0;
    std::free(explain(model.get(), 1, &count));
    CHECK(count > 0);
    return 0;
}
