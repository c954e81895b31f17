/* Pellucid for C++17: the C interface with objects that free themselves, exceptions, and lambdas for callbacks.
 *
 *     pellucid::runtime runtime;
 *     pellucid::model model(runtime, "resnet50.onnx");
 *     pellucid::tensor x = pellucid::preprocess(pellucid::read_image("dog.jpg"), {{"preset", "imagenet"}});
 *     pellucid::explanation why = model.explain("grad-cam", x, pellucid::target::index(243));
 *     pellucid::write_image(pellucid::overlay(pellucid::read_image("dog.jpg"), why.map()), "why.png");
 *
 * Header-only; link with libpellucid (pkg-config pellucid, or find_package(pellucid)).
 *   - Every object is a cheap handle: copies share what they name, the last one frees it. All but `options`, `control`
 *     and `inputs`, which are plain values, may be used by several threads at once.
 *   - A call that fails throws pellucid::error with the library's message; `cancelled` when the caller ended it.
 *   - An exception that leaves a callback ends the call and comes out of it unchanged.
 *   - Strings are UTF-8. Shapes and strides are counted in elements.
 */
#ifndef PELLUCID_HPP
#define PELLUCID_HPP

#include <pellucid/pellucid.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace pellucid {

// ---------------------------------------------------------------------------------------------------------- errors

/** A call that failed. `what()` names the thing, what was expected and what was found. */
class error : public std::runtime_error {
public:
    error(pellucid_status status, const std::string &message) : std::runtime_error(message), status_(status) {}
    /** PELLUCID_E_... */
    pellucid_status status() const noexcept { return status_; }

private:
    pellucid_status status_;
};

/** The progress callback, the cancel token or the deadline ended the call. */
class cancelled : public error {
public:
    using error::error;
};

namespace detail {

[[noreturn]] inline void fail(pellucid_status status) {
    const std::string message = pellucid_error_message();
    if (status == PELLUCID_E_CANCELLED) throw cancelled(status, message);
    throw error(status, message);
}

inline void check(pellucid_status status) {
    if (status != PELLUCID_OK) fail(status);
}

inline int32_t count(std::size_t size) {
    if (size > static_cast<std::size_t>(INT32_MAX)) throw std::length_error("pellucid: too many elements");
    return static_cast<int32_t>(size);
}

inline std::string text(const char *raw) { return raw ? raw : ""; }

/** Entries of a list that the C interface gives one by one until PELLUCID_E_NOTFOUND. */
template <class Info, class At>
auto listed(Info empty, At at) {
    std::vector<Info> result;
    for (int32_t index = 0;; ++index) {
        Info info = empty;
        const pellucid_status status = at(index, &info);
        if (status == PELLUCID_E_NOTFOUND) return result;
        check(status);
        result.push_back(info);
    }
}

} // namespace detail

/** Version of the library that is loaded, "major.minor.patch". */
inline std::string version() { return pellucid_version(); }

// --------------------------------------------------------------------------------------------------------- tensors

/** A view of consecutive elements; converts to std::span in C++20. */
template <class T>
class span {
public:
    constexpr span() noexcept = default;
    constexpr span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <class Container, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<Container &>().data()), T *>>>
    constexpr span(Container &&container) noexcept : data_(container.data()), size_(container.size()) {}
    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t index) const { return data_[index]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/** The element type of a C++ type: dtype_of<float>::value == PELLUCID_FLOAT32. */
template <class T> struct dtype_of;
template <> struct dtype_of<float> : std::integral_constant<pellucid_dtype, PELLUCID_FLOAT32> {};
template <> struct dtype_of<double> : std::integral_constant<pellucid_dtype, PELLUCID_FLOAT64> {};
template <> struct dtype_of<bool> : std::integral_constant<pellucid_dtype, PELLUCID_BOOL> {};
template <> struct dtype_of<std::int8_t> : std::integral_constant<pellucid_dtype, PELLUCID_INT8> {};
template <> struct dtype_of<std::int16_t> : std::integral_constant<pellucid_dtype, PELLUCID_INT16> {};
template <> struct dtype_of<std::int32_t> : std::integral_constant<pellucid_dtype, PELLUCID_INT32> {};
template <> struct dtype_of<std::int64_t> : std::integral_constant<pellucid_dtype, PELLUCID_INT64> {};
template <> struct dtype_of<std::uint8_t> : std::integral_constant<pellucid_dtype, PELLUCID_UINT8> {};
template <> struct dtype_of<std::uint16_t> : std::integral_constant<pellucid_dtype, PELLUCID_UINT16> {};
template <> struct dtype_of<std::uint32_t> : std::integral_constant<pellucid_dtype, PELLUCID_UINT32> {};
template <> struct dtype_of<std::uint64_t> : std::integral_constant<pellucid_dtype, PELLUCID_UINT64> {};

using shape = std::vector<std::int64_t>;

/** An immutable typed n-dimensional array in host memory. */
class tensor {
public:
    /** No tensor; using it throws. */
    tensor() = default;

    /** Takes the vector's memory; nothing is copied. */
    template <class T>
    tensor(std::vector<T> values, const shape &sizes) {
        static_assert(!std::is_same_v<T, bool>, "std::vector<bool> has no bytes; use std::vector<std::uint8_t> and tensor::copy");
        auto owner = std::make_shared<std::vector<T>>(std::move(values));
        require(owner->size(), sizes);
        *this = borrow(owner->data(), sizes, {}, owner);
    }

    /** A copy of row-major elements. */
    template <class T>
    static tensor copy(span<const T> values, const shape &sizes) {
        require(values.size(), sizes);
        return create(dtype_of<T>::value, sizes, values.data());
    }

    /** A copy of row-major bytes of any element type; zeros when data is null. */
    static tensor create(pellucid_dtype dtype, const shape &sizes, const void *data = nullptr) {
        pellucid_tensor *raw = nullptr;
        detail::check(pellucid_tensor_create(&raw, dtype, detail::count(sizes.size()), sizes.data(), data));
        return adopt(raw);
    }

    /** A view of the caller's memory, which must stay as it is; `owner` is kept alive as long as the tensor is. Strides, in
     * elements, may have any sign; none: row-major. */
    template <class T>
    static tensor borrow(const T *data, const shape &sizes, const shape &strides = {}, std::shared_ptr<const void> owner = nullptr) {
        if (!strides.empty() && strides.size() != sizes.size()) throw std::invalid_argument("pellucid: as many strides as sizes are needed");
        pellucid_view view;
        view.data = const_cast<T *>(data); // Never written.
        view.dtype = dtype_of<T>::value;
        view.rank = detail::count(sizes.size());
        view.shape = sizes.data();
        view.strides = strides.empty() ? nullptr : strides.data();
        auto keeper = std::make_unique<std::shared_ptr<const void>>(std::move(owner));
        pellucid_tensor *raw = nullptr;
        detail::check(pellucid_tensor_wrap(&raw, &view, [](void *payload) { delete static_cast<std::shared_ptr<const void> *>(payload); }, keeper.get()));
        keeper.release();
        return adopt(raw);
    }

    /** Strings, in row-major order; UTF-8, and zero bytes inside are kept. */
    static tensor texts(const std::vector<std::string> &values, const pellucid::shape &sizes) {
        require(values.size(), sizes);
        std::vector<const char *> starts;
        std::vector<std::size_t> lengths;
        for (const std::string &each : values) starts.push_back(each.data()), lengths.push_back(each.size());
        pellucid_tensor *raw = nullptr;
        detail::check(pellucid_tensor_create_text(&raw, detail::count(sizes.size()), sizes.data(), starts.data(), lengths.data()));
        return adopt(raw);
    }

    /** A container of ONNX (PELLUCID_SEQUENCE, PELLUCID_OPTIONAL or PELLUCID_MAP) that shares its items. */
    static tensor container(pellucid_dtype dtype, const std::vector<tensor> &items) {
        std::vector<const pellucid_tensor *> handles;
        for (const tensor &each : items) handles.push_back(each.get());
        pellucid_tensor *raw = nullptr;
        detail::check(pellucid_tensor_create_container(&raw, dtype, handles.data(), static_cast<std::int64_t>(handles.size())));
        return adopt(raw);
    }

    /** Takes over a handle of the C interface, with its reference. */
    static tensor adopt(pellucid_tensor *raw) {
        tensor result;
        result.handle_.reset(raw, pellucid_tensor_release);
        return result;
    }

    /** One more owner of a handle that somebody else keeps, as in a callback. */
    static tensor share(const pellucid_tensor *raw) {
        pellucid_tensor *mutable_raw = const_cast<pellucid_tensor *>(raw);
        pellucid_tensor_retain(mutable_raw);
        return adopt(mutable_raw);
    }

    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /** For the C interface; owned by this object. */
    pellucid_tensor *get() const noexcept { return handle_.get(); }

    pellucid_dtype dtype() const { return view().dtype; }
    pellucid::shape shape() const {
        const pellucid_view v = view();
        return pellucid::shape(v.shape, v.shape + v.rank);
    }
    /** Number of elements. */
    std::size_t size() const {
        std::size_t product = 1;
        for (const std::int64_t n : shape()) product *= static_cast<std::size_t>(n);
        return product;
    }

    /** The elements in row-major order, without a copy. Throws when they are of another type, or strided. */
    template <class T>
    span<const T> values() const {
        const pellucid_view v = view();
        if (v.dtype != dtype_of<T>::value) {
            throw error(PELLUCID_E_SHAPE, "tensor holds element type " + std::to_string(v.dtype) + ", asked for " + std::to_string(dtype_of<T>::value));
        }
        std::int64_t expected = 1;
        for (int32_t axis = v.rank - 1; v.strides && axis >= 0; --axis) {
            if (v.shape[axis] > 1 && v.strides[axis] != expected) throw error(PELLUCID_E_SHAPE, "tensor is strided: read it through view()");
            expected *= v.shape[axis];
        }
        return span<const T>(static_cast<const T *>(v.data), size());
    }

    /** The strings in row-major order. Throws when the elements are of another type. */
    std::vector<std::string> texts() const {
        if (dtype() != PELLUCID_STRING) throw error(PELLUCID_E_INVALID, "tensor holds element type " + std::to_string(dtype()) + ", no strings");
        std::vector<std::string> result;
        for (std::size_t index = 0; index < size(); ++index) {
            const char *text = nullptr;
            std::size_t length = 0;
            detail::check(pellucid_tensor_text_at(handle_.get(), static_cast<std::int64_t>(index), &text, &length));
            result.emplace_back(text, length);
        }
        return result;
    }

    /** The items of a container. Throws for other tensors. */
    std::vector<tensor> items() const {
        const std::int64_t total = pellucid_tensor_item_count(handle_.get());
        if (total < 0) detail::check(static_cast<pellucid_status>(total));
        std::vector<tensor> result;
        for (std::int64_t index = 0; index < total; ++index) {
            pellucid_tensor *raw = nullptr;
            detail::check(pellucid_tensor_item_at(handle_.get(), index, &raw));
            result.push_back(adopt(raw));
        }
        return result;
    }

    /** Memory, type, shape and strides; valid while a copy of this object lives. */
    pellucid_view view() const {
        pellucid_view result = {};
        detail::check(pellucid_tensor_view(handle_.get(), &result));
        return result;
    }

private:
    static void require(std::size_t count, const pellucid::shape &sizes) {
        std::uint64_t product = 1;
        for (const std::int64_t n : sizes) {
            if (n < 0) throw std::invalid_argument("pellucid: a size is negative");
            if (n > 0 && product > UINT64_MAX / static_cast<std::uint64_t>(n)) throw std::length_error("pellucid: the shape is too large");
            product *= static_cast<std::uint64_t>(n);
        }
        if (product != count) throw std::invalid_argument("pellucid: " + std::to_string(count) + " values for a shape of " + std::to_string(product));
    }

    std::shared_ptr<pellucid_tensor> handle_;
};

// --------------------------------------------------------------------------------------------------------- options

/** An option's value: number, truth, text, list of numbers, or tensor. */
class option {
public:
    template <class T, std::enable_if_t<std::is_integral_v<T>, int> = 0>
    option(T value) : value_(static_cast<std::int64_t>(value)) {}
    option(double value) : value_(value) {}
    option(const char *value) : value_(std::string(value)) {}
    option(std::string value) : value_(std::move(value)) {}
    option(tensor value) : value_(std::move(value)) {}
    option(std::initializer_list<double> values) {
        std::string list;
        for (const double value : values) {
            char number[32];
            std::snprintf(number, sizeof number, "%s%.17g", list.empty() ? "" : ",", value);
            list += number;
        }
        value_ = list;
    }

    void set(pellucid_options *options, const char *name) const {
        struct setter {
            pellucid_options *options;
            const char *name;
            pellucid_status operator()(std::int64_t v) const { return pellucid_options_set_int(options, name, v); }
            pellucid_status operator()(double v) const { return pellucid_options_set_real(options, name, v); }
            pellucid_status operator()(const std::string &v) const { return pellucid_options_set_text(options, name, v.c_str()); }
            pellucid_status operator()(const tensor &v) const { return pellucid_options_set_tensor(options, name, v.get()); }
        };
        detail::check(std::visit(setter{options, name}, value_));
    }

private:
    std::variant<std::int64_t, double, std::string, tensor> value_;
};

/** Named options: {{"n_steps", 50}, {"baseline", "blur"}}. Which ones a call knows is in the C headers and in methods(). */
using options = std::map<std::string, option>;

namespace detail {

/** Options as the C interface takes them; null when there are none. */
inline std::shared_ptr<pellucid_options> made(const options &values) {
    if (values.empty()) return nullptr;
    pellucid_options *raw = nullptr;
    check(pellucid_options_create(&raw));
    std::shared_ptr<pellucid_options> result(raw, pellucid_options_release);
    for (const auto &[name, value] : values) value.set(raw, name.c_str());
    return result;
}

} // namespace detail

// --------------------------------------------------------------------------------------------------------- control

/** Ends calls from another thread: control.cancel = &token; … token.cancel(). */
class cancel_token {
public:
    void cancel() noexcept { flag_.store(1); }
    void reset() noexcept { flag_.store(0); }
    bool is_cancelled() const noexcept { return flag_.load() != 0; }
    const volatile std::int32_t *address() const noexcept { return reinterpret_cast<const volatile std::int32_t *>(&flag_); }

private:
    static_assert(sizeof(std::atomic<std::int32_t>) == sizeof(std::int32_t) && std::atomic<std::int32_t>::is_always_lock_free);
    std::atomic<std::int32_t> flag_{0};
};

enum class phase : std::int32_t { forward = PELLUCID_FORWARD, backward = PELLUCID_BACKWARD };

/** Sees a value (or its gradient) of a run; what it returns, of the same shape and type, takes the value's place. */
struct hook {
    std::string value;
    std::function<std::optional<tensor>(const std::string &name, const tensor &value)> action;
    pellucid::phase phase = pellucid::phase::forward;
};

/** How a call is watched, bounded and changed. Callbacks run on the calling thread. */
struct control {
    /** Fraction from 0 to 1 and a short stage name; false cancels. */
    std::function<bool(double fraction, const char *stage)> progress;
    /** Must outlive the call. */
    const cancel_token *cancel = nullptr;
    /** Seconds from the start of the call; 0: none. */
    double deadline = 0;
    std::vector<hook> hooks;
};

namespace detail {

/** A control as the C interface takes it, for one call; keeps the exception that left a callback. */
class call {
public:
    explicit call(const control &source) : source_(source) {
        control_ = PELLUCID_CONTROL_INIT;
        if (source.progress) {
            control_.progress = report;
            control_.payload = this;
        }
        control_.cancel = source.cancel ? source.cancel->address() : nullptr;
        control_.deadline = source.deadline;
        hooked_.reserve(source.hooks.size());
        for (const hook &each : source.hooks) {
            hooked_.push_back({this, &each});
            hooks_.push_back({each.value.c_str(), static_cast<std::int32_t>(each.phase), observe, &hooked_.back()});
        }
        control_.hooks = hooks_.data();
        control_.hook_count = count(hooks_.size());
    }
    call(const call &) = delete;
    call &operator=(const call &) = delete;

    const pellucid_control *get() const noexcept { return &control_; }

    /** Throws what a callback threw, else what the status says. */
    void finish(pellucid_status status) const {
        if (thrown_) std::rethrow_exception(thrown_);
        check(status);
    }

private:
    struct hooked {
        call *owner;
        const hook *source;
    };

    static std::int32_t report(double fraction, const char *stage, void *payload) noexcept {
        call &self = *static_cast<call *>(payload);
        try {
            return self.source_.progress(fraction, stage) ? 0 : 1;
        } catch (...) {
            self.thrown_ = std::current_exception();
            return 1;
        }
    }

    static std::int32_t observe(const char *name, const pellucid_tensor *value, pellucid_tensor **replacement, void *payload) noexcept {
        const hooked &self = *static_cast<hooked *>(payload);
        try {
            const std::optional<tensor> result = self.source->action(name, tensor::share(value));
            if (result && *result) {
                pellucid_tensor_retain(result->get());
                *replacement = result->get();
            }
            return 0;
        } catch (...) {
            self.owner->thrown_ = std::current_exception();
            return 1;
        }
    }

    const control &source_;
    pellucid_control control_;
    std::vector<hooked> hooked_;
    std::vector<pellucid_hook> hooks_;
    std::exception_ptr thrown_;
};

} // namespace detail

// --------------------------------------------------------------------------------------------------------- runtime

/** A compute backend that a runtime offers. */
struct backend {
    std::string name, version, description, path;
    /** Higher is preferred; 0: cannot run on this machine. */
    std::int32_t score;
};

/** Worker threads and loaded backends; models keep it alive. */
class runtime {
public:
    /** Receives warnings (level 1) and details (level 2) on the thread that caused them; must not throw. */
    using logger = std::function<void(std::int32_t level, const char *text)>;

    explicit runtime(const options &settings = {}) : state_(std::make_shared<state>()) {
        detail::check(pellucid_runtime_create(&state_->raw, detail::made(settings).get()));
    }

    /** Loads a backend plugin; it is offered to models loaded afterwards. */
    void load_backend(const std::string &path) { detail::check(pellucid_runtime_load_backend(get(), path.c_str())); }

    /** Best score first. */
    std::vector<backend> backends() const {
        std::vector<backend> result;
        const pellucid_backend_info empty = PELLUCID_BACKEND_INFO_INIT;
        for (const auto &b : detail::listed(empty, [this](int32_t i, pellucid_backend_info *out) { return pellucid_runtime_backend_at(get(), i, out); })) {
            result.push_back({detail::text(b.name), detail::text(b.version), detail::text(b.description), detail::text(b.path), b.score});
        }
        return result;
    }

    /** Set it before models are used by other threads; none: silence, as at the start. */
    void set_logger(logger log) {
        state_->log = std::move(log);
        const pellucid_log_fn forward = [](std::int32_t level, const char *text, void *payload) { static_cast<state *>(payload)->log(level, text); };
        detail::check(pellucid_runtime_set_logger(get(), state_->log ? forward : nullptr, state_.get()));
    }

    pellucid_runtime *get() const noexcept { return state_->raw; }

private:
    friend class model;
    struct state {
        pellucid_runtime *raw = nullptr;
        logger log;
        state() = default;
        state(const state &) = delete;
        state &operator=(const state &) = delete;
        ~state() { pellucid_runtime_release(raw); }
    };
    std::shared_ptr<state> state_;
};

// ---------------------------------------------------------------------------------------------------------- target

/** The scalar, one per image, that is explained or differentiated. */
class target {
public:
    /** Each image's own best class. */
    static target argmax() { return target(PELLUCID_TARGET_ARGMAX); }
    /** One class for every image. */
    static target index(std::int64_t of_class) { return target(PELLUCID_TARGET_CLASS, {of_class}); }
    /** One class per image. */
    static target each(std::vector<std::int64_t> classes) { return target(PELLUCID_TARGET_EACH, std::move(classes)); }
    /** The sum of several classes. */
    static target sum(std::vector<std::int64_t> classes) { return target(PELLUCID_TARGET_SUM, std::move(classes)); }
    /** A class summed over weights that are shaped as the output's axes after the class axis. */
    static target mask(std::int64_t of_class, tensor weights) { return target(PELLUCID_TARGET_MASK, {of_class}, std::move(weights)); }
    /** The sum of weights * output. */
    static target weights(tensor weights) { return target(PELLUCID_TARGET_WEIGHTS, {}, std::move(weights)); }

    target() : target(PELLUCID_TARGET_ARGMAX) {}
    /** The output, or any value, that is meant; by default the first output. */
    target &of(std::string output) { output_ = std::move(output); return *this; }
    /** Through the terminal Softmax or Sigmoid to the logit, as a probability, or the output as it is; the default is the method's. */
    target &logit() { score_ = PELLUCID_SCORE_LOGIT; return *this; }
    target &probability() { score_ = PELLUCID_SCORE_PROBABILITY; return *this; }
    target &output() { score_ = PELLUCID_SCORE_OUTPUT; return *this; }

    /** For the C interface; valid while this object lives unchanged. */
    pellucid_target get() const {
        pellucid_target result = PELLUCID_TARGET_INIT;
        result.kind = kind_;
        result.score = score_;
        result.output = output_.empty() ? nullptr : output_.c_str();
        result.index = indices_.empty() ? 0 : indices_.front();
        result.indices = indices_.data();
        result.index_count = detail::count(indices_.size());
        result.weights = weights_.get();
        return result;
    }

private:
    explicit target(std::int32_t kind, std::vector<std::int64_t> indices = {}, tensor weights = {})
        : kind_(kind), indices_(std::move(indices)), weights_(std::move(weights)) {}

    std::int32_t kind_;
    std::int32_t score_ = PELLUCID_SCORE_AUTO;
    std::string output_;
    std::vector<std::int64_t> indices_;
    tensor weights_;
};

/** What a model is fed: one tensor for its only input, or {{"name", tensor}, …} for inputs and inner values. */
class inputs {
public:
    inputs(tensor only) : tensors_{std::move(only)}, names_(1) {}
    inputs(std::initializer_list<std::pair<std::string, tensor>> named) {
        for (const auto &[name, value] : named) add(name, value);
    }
    explicit inputs(const std::map<std::string, tensor> &named) {
        for (const auto &[name, value] : named) add(name, value);
    }

    /** For the C interface; valid while this object lives unchanged. */
    std::vector<pellucid_feed> feeds() const {
        std::vector<pellucid_feed> result;
        for (std::size_t i = 0; i < tensors_.size(); ++i) result.push_back({names_[i].empty() ? nullptr : names_[i].c_str(), tensors_[i].get()});
        return result;
    }

private:
    void add(const std::string &name, const tensor &value) {
        names_.push_back(name);
        tensors_.push_back(value);
    }
    std::vector<tensor> tensors_;
    std::vector<std::string> names_;
};

// ----------------------------------------------------------------------------------------------------- explanation

/** What a method produced: named tensors, named numbers, and the manifest. */
class explanation {
public:
    /** Takes over a handle of the C interface. */
    static explanation adopt(pellucid_result *raw) {
        explanation result;
        result.handle_.reset(raw, pellucid_result_release);
        return result;
    }

    /** The picture that every picture-making method gives. */
    tensor map() const { return (*this)["map"]; }
    /** A tensor by name; throws when the method gives none of that name. */
    tensor operator[](const std::string &name) const {
        pellucid_tensor *raw = nullptr;
        detail::check(pellucid_result_tensor(handle_.get(), name.c_str(), &raw));
        return tensor::adopt(raw);
    }
    /** A number by name, as "score". */
    double number(const std::string &name) const {
        double value = 0;
        detail::check(pellucid_result_number(handle_.get(), name.c_str(), &value));
        return value;
    }
    std::vector<std::string> tensor_names() const { return names(pellucid_result_tensor_name); }
    std::vector<std::string> number_names() const { return names(pellucid_result_number_name); }
    /** The manifest as JSON: method, options, layer, target, seed, model hash, versions, cost, warnings. */
    std::string json() const { return detail::text(pellucid_result_json(handle_.get())); }
    pellucid_result *get() const noexcept { return handle_.get(); }

private:
    explanation() = default;
    std::vector<std::string> names(const char *(*at)(const pellucid_result *, std::int32_t)) const {
        std::vector<std::string> result;
        for (std::int32_t i = 0; const char *name = at(handle_.get(), i); ++i) result.emplace_back(name);
        return result;
    }
    std::shared_ptr<pellucid_result> handle_;
};

/** An option of a method, as the registry describes it. */
struct parameter {
    std::string name, type, default_value, range, help;
};

/** A method of the registry. */
struct method {
    std::string name, family, kind, summary, needs, reference;
    std::vector<parameter> parameters;
    /** Of a metric (kind "metric"): "higher" or "lower" is better, "faithfulness"…, "0...1"; else empty. */
    std::string direction, category, range;
};

/** Every method and every metric of the library with its options. */
inline std::vector<method> methods() {
    std::vector<method> result;
    const pellucid_method_info empty = PELLUCID_METHOD_INFO_INIT;
    const pellucid_parameter_info no_parameter = PELLUCID_PARAMETER_INFO_INIT;
    for (const auto &m : detail::listed(empty, pellucid_method_at)) {
        method entry{detail::text(m.name), detail::text(m.family), detail::text(m.kind), detail::text(m.summary), detail::text(m.needs), detail::text(m.reference), {}, detail::text(m.direction), detail::text(m.category), detail::text(m.range)};
        const auto at = [&m](std::int32_t i, pellucid_parameter_info *out) { return pellucid_method_parameter_at(m.name, i, out); };
        for (const auto &p : detail::listed(no_parameter, at)) {
            entry.parameters.push_back({detail::text(p.name), detail::text(p.type), detail::text(p.default_value), detail::text(p.range), detail::text(p.help)});
        }
        result.push_back(std::move(entry));
    }
    return result;
}

// ----------------------------------------------------------------------------------------------------------- model

/** A value of a model: an input, an output, what a layer computes, or a weight. */
struct value {
    std::string name, node, op, module;
    pellucid_dtype dtype;
    /** No value: the rank is unknown. -1: a size that follows from the inputs. */
    std::optional<pellucid::shape> dims;
    /** The symbol of each size, where it has one. */
    std::vector<std::string> dim_names;
    /** Elements of the weights that its node reads first; -1 flops: they depend on sizes that are not known. */
    std::int64_t parameters, flops;
    /** The first output has a gradient with respect to this value. */
    bool differentiable;
    /** Runs the node at these sizes; may be empty. */
    std::string backend;
};

/** A module of the network as its author wrote it. Depth-first; the first one is the whole model. */
struct module {
    /** Path, as "layer4.1.conv2"; the class that the exporter recorded; the value that it returns. */
    std::string name, kind, value;
    /** Index of the module around it; -1 for the whole model. */
    std::int32_t parent;
    std::int32_t nodes;
    std::int64_t parameters, flops;
    pellucid_dtype dtype;
    std::optional<pellucid::shape> dims;
    bool differentiable;
};

/** What a call takes: images forward and backward, most bytes of activations at once, arithmetic (-1: unknown). */
struct cost {
    std::int64_t forwards, backwards, bytes, flops;
};

/** An immutable network; any number of threads may use it at once. */
class model {
public:
    /** Loads a file; options in model.h ("backend", "memory", …). */
    model(const runtime &on, const std::string &path, const options &settings = {}) : runtime_(on.state_) {
        pellucid_model *raw = nullptr;
        detail::check(pellucid_model_load(&raw, on.get(), path.c_str(), detail::made(settings).get()));
        handle_.reset(raw, pellucid_model_release);
    }
    /** Loads a file's bytes, which are copied. */
    model(const runtime &on, span<const unsigned char> bytes, const options &settings = {}) : runtime_(on.state_) {
        pellucid_model *raw = nullptr;
        detail::check(pellucid_model_load_memory(&raw, on.get(), bytes.data(), bytes.size(), detail::made(settings).get()));
        handle_.reset(raw, pellucid_model_release);
    }

    std::vector<value> inputs() const { return values(PELLUCID_INPUT); }
    std::vector<value> outputs() const { return values(PELLUCID_OUTPUT); }
    /** Every value that a node computes, in execution order. */
    std::vector<value> layers() const { return values(PELLUCID_LAYER); }
    std::vector<value> weights() const { return values(PELLUCID_WEIGHT); }

    /** The network as a tree, depth-first. */
    std::vector<module> modules() const {
        std::vector<module> result;
        const pellucid_module_info empty = PELLUCID_MODULE_INFO_INIT;
        for (const auto &m : detail::listed(empty, [this](std::int32_t i, pellucid_module_info *out) { return pellucid_model_module_at(get(), i, out); })) {
            module entry{detail::text(m.name), detail::text(m.kind), detail::text(m.value), m.parent, m.nodes, m.parameters, m.flops, m.dtype, std::nullopt, m.differentiable != 0};
            if (m.rank >= 0) entry.dims = shape(m.dims, m.dims + m.rank);
            result.push_back(std::move(entry));
        }
        return result;
    }

    /** What run takes for these inputs, by their shapes; nothing runs. */
    pellucid::cost cost(const pellucid::inputs &x) const {
        const std::vector<pellucid_feed> feeds = x.feeds();
        pellucid_cost c = PELLUCID_COST_INIT;
        detail::check(pellucid_model_cost(&c, get(), feeds.data(), detail::count(feeds.size())));
        return {c.forwards, c.backwards, c.bytes, c.flops};
    }

    /** What explain takes for these arguments; nothing runs. */
    pellucid::cost explain_cost(const std::string &method, const pellucid::inputs &x, const target &of = {}, const options &settings = {}) const {
        const std::vector<pellucid_feed> feeds = x.feeds();
        const pellucid_target aim = of.get();
        const std::shared_ptr<pellucid_options> chosen = detail::made(settings);
        pellucid_cost c = PELLUCID_COST_INIT;
        detail::check(pellucid_explain_cost(&c, get(), method.c_str(), feeds.data(), detail::count(feeds.size()), &aim, chosen.get()));
        return {c.forwards, c.backwards, c.bytes, c.flops};
    }

    /** An entry of the file's metadata, or "producer", "opset", "hash", "backend"… */
    std::optional<std::string> metadata(const std::string &key) const {
        const char *raw = pellucid_model_metadata(get(), key.c_str());
        return raw ? std::optional<std::string>(raw) : std::nullopt;
    }

    /** The wanted values in order (any value, node or layer name); none wanted: the model's outputs. */
    std::vector<tensor> run(const pellucid::inputs &x, const std::vector<std::string> &wanted = {}, const control &how = {}) const {
        const std::vector<pellucid_feed> feeds = x.feeds();
        const std::vector<const char *> names = pointers(wanted);
        const std::int32_t outputs = wanted.empty() ? pellucid_model_value_count(get(), PELLUCID_OUTPUT) : detail::count(wanted.size());
        if (outputs < 0) detail::fail(outputs);
        std::vector<pellucid_tensor *> raw(static_cast<std::size_t>(outputs));
        const detail::call call(how);
        call.finish(pellucid_model_run(get(), feeds.data(), detail::count(feeds.size()), names.data(), detail::count(names.size()), raw.data(), call.get()));
        return adopted(raw);
    }

    /** Gradients of the target, summed over the batch, with respect to inputs, inner values or weights. rules: "gradient",
     * "guided-backprop", "deconvolution". */
    std::vector<tensor> gradient(const pellucid::inputs &x, const target &of, const std::vector<std::string> &wrt,
                                 const std::string &rules = "gradient", const control &how = {}) const {
        const std::vector<pellucid_feed> feeds = x.feeds();
        const std::vector<const char *> names = pointers(wrt);
        std::vector<pellucid_tensor *> raw(wrt.size());
        const pellucid_target aim = of.get();
        const detail::call call(how);
        call.finish(pellucid_model_gradient(get(), feeds.data(), detail::count(feeds.size()), &aim, names.data(), detail::count(names.size()),
                                            rules.c_str(), raw.data(), call.get()));
        return adopted(raw);
    }

    /** Why the model decides as it does on x. Methods and their options: methods(). */
    explanation explain(const std::string &method, const pellucid::inputs &x, const target &of = {}, const options &settings = {},
                        const control &how = {}) const {
        const std::vector<pellucid_feed> feeds = x.feeds();
        const pellucid_target aim = of.get();
        const std::shared_ptr<pellucid_options> chosen = detail::made(settings);
        pellucid_result *raw = nullptr;
        const detail::call call(how);
        call.finish(pellucid_explain(&raw, get(), method.c_str(), feeds.data(), detail::count(feeds.size()), &aim, chosen.get(), call.get()));
        return explanation::adopt(raw);
    }

    /** Judges an explanation of x by a metric: the number "value", its references, curves. Metrics and their options: methods(). */
    explanation evaluate(const std::string &metric, const pellucid::inputs &x, const explanation &judged, const options &settings = {},
                         const control &how = {}) const {
        return evaluated(metric, x, nullptr, judged.get(), settings, how);
    }
    /** Judges a map: N x 1 x height x width of any size, or shaped as the input. */
    explanation evaluate(const std::string &metric, const pellucid::inputs &x, const tensor &map, const target &of = {}, options settings = {},
                         const control &how = {}) const {
        const pellucid_target aim = of.get();
        settings.insert_or_assign("map", option(map));
        return evaluated(metric, x, &aim, nullptr, settings, how);
    }

    pellucid_model *get() const noexcept { return handle_.get(); }

private:
    explanation evaluated(const std::string &metric, const pellucid::inputs &x, const pellucid_target *of, const pellucid_result *judged,
                          const options &settings, const control &how) const {
        const std::vector<pellucid_feed> feeds = x.feeds();
        const std::shared_ptr<pellucid_options> chosen = detail::made(settings);
        pellucid_result *raw = nullptr;
        const detail::call call(how);
        call.finish(pellucid_evaluate(&raw, get(), metric.c_str(), feeds.data(), detail::count(feeds.size()), of, judged, chosen.get(), call.get()));
        return explanation::adopt(raw);
    }

    std::vector<value> values(pellucid_value_kind kind) const {
        std::vector<value> result;
        const pellucid_value_info empty = PELLUCID_VALUE_INFO_INIT;
        for (const auto &v : detail::listed(empty, [&](std::int32_t i, pellucid_value_info *out) { return pellucid_model_value_at(get(), kind, i, out); })) {
            value entry{detail::text(v.name), detail::text(v.node), detail::text(v.op), detail::text(v.module), v.dtype, std::nullopt, {},
                        v.parameters, v.flops, v.differentiable != 0, detail::text(v.backend)};
            if (v.rank >= 0) entry.dims = shape(v.dims, v.dims + v.rank);
            for (std::int32_t axis = 0; axis < v.rank; ++axis) entry.dim_names.push_back(detail::text(v.dim_names[axis]));
            result.push_back(std::move(entry));
        }
        return result;
    }

    static std::vector<const char *> pointers(const std::vector<std::string> &names) {
        std::vector<const char *> result;
        for (const std::string &name : names) result.push_back(name.c_str());
        return result;
    }

    static std::vector<tensor> adopted(const std::vector<pellucid_tensor *> &raw) {
        std::vector<tensor> result;
        result.reserve(raw.size());
        for (pellucid_tensor *each : raw) result.push_back(tensor::adopt(each));
        return result;
    }

    std::shared_ptr<runtime::state> runtime_; // Its logger must outlive the model.
    std::shared_ptr<pellucid_model> handle_;
};

// ---------------------------------------------------------------------------------------------------------- images

/** Pixels (height x width x 3, uint8) of a PNG, JPEG or other image that the library reads. */
inline tensor decode_image(span<const unsigned char> bytes, const options &settings = {}) {
    pellucid_tensor *raw = nullptr;
    detail::check(pellucid_image_decode(&raw, bytes.data(), bytes.size(), detail::made(settings).get()));
    return tensor::adopt(raw);
}

/** What the network sees of an image: resized and cropped; options in image.h. */
inline tensor fit(const tensor &image, const options &settings = {}) {
    pellucid_tensor *raw = nullptr;
    detail::check(pellucid_image_fit(&raw, image.get(), detail::made(settings).get()));
    return tensor::adopt(raw);
}

/** Network input (float32 with a batch axis of 1) from an image; options in image.h. */
inline tensor preprocess(const tensor &image, const options &settings = {}) {
    pellucid_tensor *raw = nullptr;
    detail::check(pellucid_image_preprocess(&raw, image.get(), detail::made(settings).get()));
    return tensor::adopt(raw);
}

/** A heat map drawn over an image of any size; options in image.h. An empty image: the colours alone. */
inline tensor overlay(const tensor &image, const tensor &heat, const options &settings = {}) {
    pellucid_tensor *raw = nullptr;
    detail::check(pellucid_image_overlay(&raw, image.get(), heat.get(), detail::made(settings).get()));
    return tensor::adopt(raw);
}

/** An image as the bytes of a file; format "png". */
inline std::vector<unsigned char> encode_image(const tensor &image, const std::string &format = "png") {
    std::vector<unsigned char> bytes;
    const pellucid_write_fn append = [](const void *part, std::size_t size, void *payload) noexcept -> std::int32_t {
        try {
            auto &all = *static_cast<std::vector<unsigned char> *>(payload);
            const unsigned char *first = static_cast<const unsigned char *>(part);
            all.insert(all.end(), first, first + size);
            return 0;
        } catch (const std::bad_alloc &) {
            return 1;
        }
    };
    detail::check(pellucid_image_encode(image.get(), format.c_str(), append, &bytes));
    return bytes;
}

namespace detail {

using file = std::unique_ptr<std::FILE, int (*)(std::FILE *)>;

inline file open(const std::string &path, const char *mode) {
    file result(std::fopen(path.c_str(), mode), std::fclose);
    if (!result) throw error(PELLUCID_E_IO, path + ": cannot be opened");
    return result;
}

} // namespace detail

/** Decodes an image file. */
inline tensor read_image(const std::string &path, const options &settings = {}) {
    const detail::file file = detail::open(path, "rb");
    std::vector<unsigned char> bytes;
    unsigned char part[65536];
    while (const std::size_t size = std::fread(part, 1, sizeof part, file.get())) bytes.insert(bytes.end(), part, part + size);
    if (std::ferror(file.get())) throw error(PELLUCID_E_IO, path + ": cannot be read");
    return decode_image(bytes, settings);
}

/** Writes an image as a PNG file. */
inline void write_image(const tensor &image, const std::string &path) {
    const std::vector<unsigned char> bytes = encode_image(image);
    detail::file file = detail::open(path, "wb");
    const bool is_written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
    if (std::fclose(file.release()) != 0 || !is_written) throw error(PELLUCID_E_IO, path + ": cannot be written");
}

} // namespace pellucid

#endif
