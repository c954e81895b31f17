// pellucid.hpp: everything that it wraps, with its exceptions, lambdas and lifetimes. wrapper SMALL_MODEL PHOTO
#include <cmath>
#include <thread>

#include "check.h"
#include <pellucid.hpp>

namespace {

template <class Error, class Body> bool throws(Body body) {
    try {
        body();
    } catch (const Error &error) {
        return error.what()[0] != '\0';
    }
    return false;
}

pellucid::tensor input(float scale = 1) { return pellucid::tensor::adopt(make_input(scale)); }

void check_tensors() {
    std::vector<float> values{1, 2, 3, 4, 5, 6};
    const float *address = values.data();
    const pellucid::tensor taken(std::move(values), {2, 3});
    CHECK(taken.values<float>().data() == address && taken.size() == 6 && (taken.shape() == pellucid::shape{2, 3}));
    CHECK(throws<pellucid::error>([&] { taken.values<double>(); }));
    CHECK(throws<std::invalid_argument>([] { pellucid::tensor(std::vector<float>(5), {2, 3}); }));
    CHECK(throws<std::length_error>([] { pellucid::tensor(std::vector<float>(5), {INT64_MAX, 3}); }));
    CHECK(throws<std::invalid_argument>([] { pellucid::tensor(std::vector<float>(5), {-5, -1}); }));
    CHECK(throws<pellucid::error>([] { pellucid::tensor().shape(); }));

    const std::uint8_t bytes[4] = {1, 2, 3, 4};
    CHECK(pellucid::tensor::copy(pellucid::span<const std::uint8_t>(bytes, 4), {4}).values<std::uint8_t>()[3] == 4);
    CHECK(pellucid::tensor::create(PELLUCID_INT64, {3}).values<std::int64_t>()[2] == 0);

    auto owner = std::make_shared<std::vector<double>>(6, 0.5);
    pellucid::tensor strided = pellucid::tensor::borrow(owner->data(), {3, 2}, {1, 3}, owner);
    CHECK(owner.use_count() == 2 && strided.view().strides[1] == 3);
    CHECK(throws<pellucid::error>([&] { strided.values<double>(); }));
    strided = pellucid::tensor();
    CHECK(owner.use_count() == 1);
}

void check_texts_and_containers() {
    const pellucid::tensor words = pellucid::tensor::texts({"Zürich", std::string("a\0b", 3), ""}, {3, 1});
    CHECK((words.dtype() == PELLUCID_STRING && words.shape() == pellucid::shape{3, 1}));
    CHECK((words.texts() == std::vector<std::string>{"Zürich", std::string("a\0b", 3), ""}));
    CHECK(throws<std::invalid_argument>([] { pellucid::tensor::texts({"one"}, {2}); }));
    CHECK(throws<pellucid::error>([] { pellucid::tensor::texts({"\xff"}, {1}); }));
    CHECK(throws<pellucid::error>([] { input().texts(); }));

    const pellucid::tensor pair = pellucid::tensor::container(PELLUCID_SEQUENCE, {input(1), input(2)});
    CHECK(pair.items().size() == 2 && pair.items()[1].values<float>()[1] == 2 * pair.items()[0].values<float>()[1]);
    CHECK(pellucid::tensor::container(PELLUCID_OPTIONAL, {}).items().empty());
    CHECK(throws<pellucid::error>([] { pellucid::tensor::container(PELLUCID_OPTIONAL, {input(), input()}); }));
    CHECK(throws<pellucid::error>([] { input().items(); }));
}

void check_introspection(const pellucid::runtime &runtime, const pellucid::model &model) {
    CHECK(model.inputs().size() == 1 && model.inputs()[0].name == "input" && model.inputs()[0].dims->size() == 4);
    CHECK(model.inputs()[0].dim_names[0] == "N" && model.outputs()[0].name == "logits");
    CHECK(!model.layers().empty() && !model.weights().empty());
    CHECK(model.metadata("hash")->size() == 64 && !model.metadata("no such key"));
    const std::vector<pellucid::module> modules = model.modules();
    CHECK(modules[0].name.empty() && modules[0].parent == -1 && modules[0].parameters > 0 && modules.size() > 3);
    const pellucid::cost run = model.cost(input()), explained = model.explain_cost("smoothgrad", input(), {}, {{"n_samples", 5}});
    CHECK(run.forwards == 1 && run.backwards == 0 && run.flops > 0 && explained.backwards >= 5);
    CHECK(!runtime.backends().empty() && pellucid::version() == pellucid_version());
    const std::vector<pellucid::method> methods = pellucid::methods();
    CHECK(methods.size() == static_cast<std::size_t>(pellucid_method_count()) && !methods[0].parameters.empty());
}

void check_runs(const pellucid::model &model) {
    const pellucid::tensor logits = model.run(input())[0];
    CHECK((logits.shape() == pellucid::shape{1, CLASSES}));
    const std::vector<pellucid::tensor> both = model.run({{"input", input()}}, {"logits", "features.4"});
    CHECK(both.size() == 2 && both[0].values<float>()[0] == logits.values<float>()[0] && both[1].shape().size() == 4);

    const std::vector<pellucid::tensor> slopes = model.gradient(input(), pellucid::target::index(3).logit(), {"input"});
    CHECK((slopes[0].shape() == pellucid::shape{1, 1, SIDE, SIDE}));
    CHECK(throws<pellucid::error>([&] { model.run(input(), {"logit"}); }));
    CHECK(throws<pellucid::error>([&] { model.gradient(input(), pellucid::target::index(99), {"input"}); }));
}

void check_callbacks(const pellucid::model &model) {
    pellucid::control control;
    int seen = 0;
    control.hooks.push_back({"logits", [&](const std::string &name, const pellucid::tensor &value) -> std::optional<pellucid::tensor> {
        seen += name == "logits";
        return pellucid::tensor(std::vector<float>(value.size(), 7), value.shape());
    }});
    control.progress = [](double fraction, const char *stage) { return fraction >= 0 && fraction <= 1 && stage != nullptr; };
    CHECK(model.run(input(), {}, control)[0].values<float>()[CLASSES - 1] == 7 && seen == 1);

    control.hooks[0].action = [](const std::string &, const pellucid::tensor &) -> std::optional<pellucid::tensor> { throw std::out_of_range("mine"); };
    CHECK(throws<std::out_of_range>([&] { model.run(input(), {}, control); }));
    control.hooks.clear();
    control.progress = [](double, const char *) -> bool { throw std::domain_error("mine"); };
    CHECK(throws<std::domain_error>([&] { model.explain("smoothgrad", input(), {}, {}, control); }));
    control.progress = [](double, const char *) { return false; };
    CHECK(throws<pellucid::cancelled>([&] { model.run(input(), {}, control); }));

    pellucid::cancel_token token;
    control = {};
    control.cancel = &token;
    token.cancel();
    CHECK(throws<pellucid::cancelled>([&] { model.run(input(), {}, control); }));
    token.reset();
    CHECK(model.run(input(), {}, control).size() == 1);
}

void check_explanations(const pellucid::model &model) {
    const pellucid::explanation why = model.explain("integrated-gradients", input(), pellucid::target::index(3), {{"n_steps", 8}});
    CHECK(why.map().shape().size() == 4 && std::isfinite(why.number("score")) && why.json().find("integrated-gradients") != std::string::npos);
    CHECK(!why.tensor_names().empty() && !why.number_names().empty());
    CHECK(throws<pellucid::error>([&] { why["no such tensor"]; }));
    CHECK(throws<pellucid::error>([&] { model.explain("integrated-gradients", input(), {}, {{"no_such_option", 1}}); }));
    const pellucid::explanation best = model.explain("grad-cam", input());
    CHECK(best["classes"].values<std::int64_t>().size() == 1 && best["scores"].values<double>()[0] == best.number("score"));
    const pellucid::tensor baseline = pellucid::tensor::create(PELLUCID_FLOAT32, {1, 1, SIDE, SIDE});
    CHECK(model.explain("integrated-gradients", input(), {}, {{"baseline", baseline}, {"quadrature", "trapezoid"}}).map());
}

void check_metrics(const pellucid::model &model) {
    const pellucid::explanation why = model.explain("input-x-gradient", input(), pellucid::target::index(3));
    const pellucid::explanation judged = model.evaluate("deletion", input(), why, {{"n_steps", 10}});
    CHECK(judged.number("value") >= 0 && judged.number("value") <= 1 && judged["curve"].shape().size() == 2);
    const pellucid::explanation direct = model.evaluate("deletion", input(), why.map(), pellucid::target::index(3), {{"n_steps", 10}});
    CHECK(direct.number("value") == judged.number("value"));
    CHECK(throws<pellucid::error>([&] { model.evaluate("no such metric", input(), why); }));
    int metrics = 0;
    for (const pellucid::method &each : pellucid::methods()) {
        CHECK((each.kind == "metric") == (each.direction == "higher" || each.direction == "lower"));
        metrics += each.kind == "metric";
    }
    CHECK(metrics > 1);
}

void check_images(const std::string &photo) {
    const pellucid::tensor image = pellucid::read_image(photo);
    const pellucid::tensor x = pellucid::preprocess(image, {{"preset", "imagenet"}, {"mean", {0.5, 0.5, 0.5}}, {"size", 64}, {"resize", 64}});
    CHECK((x.shape() == pellucid::shape{1, 3, 64, 64}));
    const pellucid::tensor heat(std::vector<float>(16, 0.25f), {4, 4});
    const std::vector<unsigned char> png = pellucid::encode_image(pellucid::overlay(pellucid::fit(image), heat, {{"alpha", 0.4}}));
    CHECK(png.size() > 8 && png[1] == 'P' && (pellucid::decode_image(png).shape() == pellucid::shape{224, 224, 3}));
    CHECK(throws<pellucid::error>([] { pellucid::read_image("/no/such/file.png"); }));
    CHECK(throws<pellucid::error>([] { pellucid::decode_image(std::vector<unsigned char>{1, 2, 3}); }));
}

/** Models keep the runtime, its threads and its logger alive. */
pellucid::model load_logged(const char *path, int &lines) {
    pellucid::runtime runtime({{"threads", 2}});
    runtime.set_logger([&lines](std::int32_t, const char *) { ++lines; });
    return pellucid::model(runtime, path, {{"backend", "reference"}});
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 3);
    int lines = 0;
    const pellucid::model logged = load_logged(argv[1], lines);
    CHECK(logged.run(input()).size() == 1 && lines > 0);

    const pellucid::runtime runtime;
    const pellucid::model model(runtime, argv[1]);
    check_tensors();
    check_texts_and_containers();
    check_introspection(runtime, model);
    check_runs(model);
    check_callbacks(model);
    check_explanations(model);
    check_metrics(model);
    check_images(argv[2]);
    std::thread other([copy = model] { CHECK(copy.run(input()).size() == 1); });
    other.join();
    CHECK(throws<pellucid::error>([&] { pellucid::model(runtime, "/no/such/model.onnx"); }));
    CHECK(throws<pellucid::error>([&] { pellucid::model(runtime, pellucid::span<const unsigned char>()); }));
    return 0;
}
