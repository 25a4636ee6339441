/*
 * What fails, and what the other headers of the binding share. Programs include rmqtt.hpp.
 */

#ifndef RMQTT_ERROR_HPP
#define RMQTT_ERROR_HPP

#include <rmqtt.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rmqtt {

namespace detail {

inline std::string_view view(rmqtt_str_t text) noexcept {
    return text.ptr ? std::string_view(text.ptr, text.len) : std::string_view();
}

inline std::string_view view(rmqtt_bytes_t bytes) noexcept {
    return bytes.ptr ? std::string_view(reinterpret_cast<const char *>(bytes.ptr), bytes.len) : std::string_view();
}

template <typename View> std::optional<std::string_view> optional_view(View value) noexcept {
    return value.ptr ? std::optional<std::string_view>(view(value)) : std::nullopt;
}

inline rmqtt_str_t str(std::string_view text) noexcept {
    rmqtt_str_t value;
    value.ptr = text.data();
    value.len = text.size();
    return value;
}

inline rmqtt_bytes_t bytes(std::string_view octets) noexcept {
    return rmqtt_bytes(octets.data(), octets.size());
}

/// A number of units of time as a shorter one: what is negative is 0, what does not fit the most that does.
template <typename Number> Number saturated(std::int64_t count) noexcept {
    constexpr std::uint64_t fits = std::numeric_limits<Number>::max();
    constexpr std::uint64_t most = std::min<std::uint64_t>(fits, std::numeric_limits<std::int64_t>::max());
    return static_cast<Number>(std::clamp<std::int64_t>(count, 0, static_cast<std::int64_t>(most)));
}

template <auto Free> struct Deleter {
    template <typename Object> void operator()(Object *object) const noexcept { Free(object); }
};

using ErrorHandle = std::unique_ptr<rmqtt_error_t, Deleter<&rmqtt_error_free>>;

using StringHandle = std::unique_ptr<rmqtt_string_t, Deleter<&rmqtt_string_free>>;

}  // namespace detail

/// One fault of a configuration.
struct Fault {
    /// Where it is, as a JSON pointer such as `/listeners/0/address`; empty for the whole text.
    std::string pointer;
    /// What is wrong.
    std::string message;
};

/// Why a call failed: what() in words, code() as a number.
class Error : public std::runtime_error {
public:
    /// An error with a status and a message of the caller's own.
    Error(rmqtt_status_t code, const std::string &message, std::vector<Fault> faults = {})
        : std::runtime_error(message),
          code_(code),
          faults_(faults.empty() ? nullptr : std::make_shared<const std::vector<Fault>>(std::move(faults))) {}

    /// A value of `enum rmqtt_status`, such as `RMQTT_ERR_BIND`.
    rmqtt_status_t code() const noexcept { return code_; }

    /// The name of code(), such as "RMQTT_ERR_BIND". It lives for ever.
    std::string_view name() const noexcept { return detail::view(rmqtt_status_name(code_)); }

    /// Every fault of the configuration; empty if code() is not `RMQTT_ERR_INVALID_CONFIG`.
    const std::vector<Fault> &faults() const noexcept {
        static const std::vector<Fault> none;
        return faults_ ? *faults_ : none;
    }

private:
    rmqtt_status_t code_;
    /// Shared, because the copy of an exception must not throw.
    std::shared_ptr<const std::vector<Fault>> faults_;
};

/// Why Broker::publish_batch() has not published all messages.
class BatchError : public Error {
public:
    /// The error of the message behind the first `accepted` ones.
    BatchError(const Error &error, std::size_t accepted) : Error(error), accepted_(accepted) {}

    /// How many messages have been published, those at the front.
    std::size_t accepted() const noexcept { return accepted_; }

private:
    std::size_t accepted_;
};

namespace detail {

[[noreturn]] inline void fail(const char *call, rmqtt_status_t status, const rmqtt_error_t *error = nullptr) {
    if (!error) {
        throw Error(status, std::string(call) + ": " + std::string(view(rmqtt_status_name(status))));
    }
    std::vector<Fault> faults;
    for (std::size_t index = 0, count = rmqtt_error_fault_count(error); index < count; ++index) {
        rmqtt_fault_t fault = rmqtt_fault_init();
        if (rmqtt_error_fault(error, index, &fault) == RMQTT_OK) {
            faults.push_back({std::string(view(fault.pointer)), std::string(view(fault.message))});
        }
    }
    throw Error(status, std::string(view(rmqtt_error_message(error))), std::move(faults));
}

/// Makes a call that explains itself, and throws what it explains.
template <typename Call> void check(const char *name, Call &&call) {
    rmqtt_error_t *raw = nullptr;
    const rmqtt_status_t status = call(&raw);
    const ErrorHandle error(raw);
    if (status != RMQTT_OK) {
        fail(name, status, error.get());
    }
}

/// Copies a text of the library, and frees it.
inline std::string taken(rmqtt_string_t *text) {
    const StringHandle owner(text);
    return std::string(view(rmqtt_string_view(text)));
}

}  // namespace detail

}  // namespace rmqtt

#endif  // RMQTT_ERROR_HPP
