/*
 * rmqtt-c for C++17 and later: RAII over rmqtt.h, header only.
 *
 * Errors.     What fails throws rmqtt::Error.
 * Ownership.  Broker and Subscription are move-only and free what they hold. Functions that are passed in move to the
 *             heap and are destroyed there, after their last call, on whatever thread that happens.
 * Views.      A std::string_view in an event, a message or a log line, and a view of properties, lives until the
 *             function that got it returns: make a std::string of what is to be kept, or a copy() of properties.
 * Threads.    As in rmqtt.h. Functions run on threads of the library: hooks of different clients at the same time,
 *             those of one client and those of one subscription one after the other.
 * Exceptions. None leaves a function that the library calls. One that leaves a hook that decides denies; the others are
 *             swallowed. All but those of the log are told to Hooks::callback_failed or SubscribeOptions::on_error.
 */

#ifndef RMQTT_HPP
#define RMQTT_HPP

#include <rmqtt/hooks.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rmqtt {

/// The version of the library, such as "0.1.0". It lives for ever.
inline std::string_view version() noexcept {
    return detail::view(rmqtt_version());
}

/// The version of the binary interface of the library that is loaded. This header was made for `RMQTT_ABI_VERSION`.
inline std::uint32_t abi_version() noexcept {
    return rmqtt_abi_version();
}

/// Whether this build of the library has a feature, such as "tls"; false for names it does not know.
inline bool has_feature(std::string_view name) noexcept {
    return rmqtt_has_feature(detail::str(name));
}

/// Checks a configuration without making a broker; throws an Error with all its faults().
inline void validate_config(std::string_view config_json) {
    detail::check("rmqtt_config_validate",
                  [&](rmqtt_error_t **error) { return rmqtt_config_validate(detail::str(config_json), error); });
}

/// How important a line of the log is. The lower the number, the more important.
enum class Level : std::int32_t {
    error = RMQTT_LEVEL_ERROR,  ///< Something that should work does not.
    warn = RMQTT_LEVEL_WARN,    ///< Something is odd, or was refused for want of an answer.
    info = RMQTT_LEVEL_INFO,    ///< What an operator wants to know.
    debug = RMQTT_LEVEL_DEBUG,  ///< What a developer of the host program wants to know.
    trace = RMQTT_LEVEL_TRACE,  ///< What a developer of the library wants to know.
};

/// One line of the log.
struct LogLine {
    /// How important it is.
    Level level;
    /// The part of the library that speaks.
    std::string_view target;
    /// What it says.
    std::string_view message;
};

/// How to publish.
struct PublishOptions {
    /// The QoS, 0 to `limits.max_qos`.
    std::uint8_t qos = 0;
    /// Whether the broker keeps it for later subscriptions. With an empty payload, it forgets the one it has.
    bool retain = false;
};

/// How to subscribe.
struct SubscribeOptions {
    /// Messages that may wait for the function; more are dropped and counted. 0 means 1000.
    std::uint32_t max_queued_messages = 0;
    /// The QoS. This version delivers with 0 only.
    std::uint8_t qos = 0;
    /// As in MQTT 5: 0 and 1 deliver the retained messages first, 2 does not.
    std::uint8_t retain_handling = 0;
    /// Hears of an exception that left the function, on its thread; the next message comes all the same. Without it,
    /// and if it throws itself, exceptions are swallowed.
    std::function<void(std::exception_ptr exception)> on_error;
};

/// A listener of a broker.
struct Listener {
    /// The name.
    std::string name;
    /// The transport, such as "tcp".
    std::string type;
    /// Where it is bound, such as "127.0.0.1:1883"; as configured while the broker does not run.
    std::string address;
    /// The port of that address: the real one while the broker runs.
    std::uint16_t port = 0;
};

/// A snapshot of a broker, with the fields of `rmqtt_stats_t`.
using Stats = rmqtt_stats_t;

/// A snapshot of one hook, with the fields of `rmqtt_hook_stats_t`.
using HookStats = rmqtt_hook_stats_t;

/// What set_log() takes.
using LogFunction = std::function<void(const LogLine &)>;

/// What Broker::subscribe() takes.
using MessageFunction = std::function<void(const Message &)>;

namespace detail {

using BrokerHandle = std::unique_ptr<rmqtt_broker_t, Deleter<&rmqtt_broker_free>>;
using SubscriptionHandle = std::unique_ptr<rmqtt_subscription_t, Deleter<&rmqtt_subscription_free>>;

struct Consumer {
    MessageFunction on_message;
    std::function<void(std::exception_ptr)> on_error;
};

}  // namespace detail

}  // namespace rmqtt

// What the library calls. C linkage, because C calls them: names with a prefix, because C knows no namespaces.
extern "C" {

inline void rmqtt_cpp_message(const rmqtt_message_t *message, void *user_data) noexcept {
    const auto &consumer = *static_cast<const rmqtt::detail::Consumer *>(user_data);
    try {
        consumer.on_message(rmqtt::detail::message(*message));
    } catch (...) {
        rmqtt::detail::tell_exception(consumer.on_error);
    }
}

inline void rmqtt_cpp_drop_consumer(void *user_data) noexcept {
    delete static_cast<rmqtt::detail::Consumer *>(user_data);
}

inline void rmqtt_cpp_log(const rmqtt_log_line_t *line, void *user_data) noexcept {
    try {
        rmqtt::LogLine from{static_cast<rmqtt::Level>(line->level), rmqtt::detail::view(line->target),
                            rmqtt::detail::view(line->message)};
        (*static_cast<const rmqtt::LogFunction *>(user_data))(from);
    } catch (...) {
        // The log is where a failure would be told.
    }
}

inline void rmqtt_cpp_drop_log(void *user_data) noexcept {
    delete static_cast<rmqtt::LogFunction *>(user_data);
}

}  // extern "C"

namespace rmqtt {

/// Sets where the log of all brokers of this process goes. Without it, it goes nowhere.
///
/// @param max Lines of this level and those more important are delivered.
/// @param on_line Called for each line, one at a time, on a thread of its own; empty to turn the log off. Exceptions
///        that leave it are swallowed.
/// @throws Error
///
/// When this returns, the function set before is not called any more and has been destroyed; if a callback makes this
/// call, both happen soon after. A function that needs what main() owns is to be taken away before main() returns.
inline void set_log(Level max, LogFunction on_line) {
    const auto level = static_cast<rmqtt_level_t>(max);
    rmqtt_status_t status;
    if (on_line) {
        auto function = std::make_unique<LogFunction>(std::move(on_line));
        status = rmqtt_log_set(level, rmqtt_cpp_log, function.release(), rmqtt_cpp_drop_log);
    } else {
        status = rmqtt_log_set(level, nullptr, nullptr, nullptr);
    }
    if (status != RMQTT_OK) {
        detail::fail("rmqtt_log_set", status);
    }
}

/// A subscription of this program. Its end ends the subscription.
///
/// When the destructor, close() or a move assignment has returned, no call of its function runs or will run, and the
/// function has been destroyed. In its own function all three are allowed, and both hold once that function has
/// returned. Two functions must not end each other's subscription at the same time.
class [[nodiscard]] Subscription {
public:
    /// No subscription.
    Subscription() noexcept = default;

    /// Ends the subscription. Does nothing if there is none.
    void close() noexcept { handle_.reset(); }

    /// Whether there is one: not default constructed, moved from or closed. It says nothing about the broker, whose
    /// stop ends the deliveries.
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    /// The C object, which stays with this one; null if there is none.
    rmqtt_subscription_t *get() const noexcept { return handle_.get(); }

private:
    friend class Broker;
    explicit Subscription(detail::SubscriptionHandle handle) noexcept : handle_(std::move(handle)) {}

    detail::SubscriptionHandle handle_;
};

/// A broker.
///
/// Every function may be called from any thread, several at a time, and from inside hooks and subscription functions,
/// unless it says otherwise; as with any object, not while it is moved or destroyed. One that was moved from is no
/// broker: its functions throw an Error with `RMQTT_ERR_INVALID_ARGUMENT` or answer false, 0 or empty.
///
/// The destructor stops it without grace and waits for functions that run. In a hook or a subscription function it is
/// allowed and waits for nothing: a thread of the library does the rest, and functions that are under way on other
/// threads may go on for a while. They are destroyed when they have ended.
class Broker {
public:
    /// Makes a broker that does not run yet.
    ///
    /// @param config_json The configuration as JSON. `{}` is one: a broker without listeners.
    /// @throws Error, with faults() if the configuration has some, and with `RMQTT_ERR_UNSUPPORTED` if the library that
    ///         is loaded has another binary interface than this header.
    explicit Broker(std::string_view config_json) {
        check_abi();
        rmqtt_broker_t *broker = nullptr;
        detail::check("rmqtt_broker_new", [&](rmqtt_error_t **error) {
            return rmqtt_broker_new(detail::str(config_json), &broker, error);
        });
        handle_.reset(broker);
    }

    /// As above, with hooks.
    Broker(std::string_view config_json, Hooks hooks) : Broker(config_json) { set_hooks(std::move(hooks)); }

    /// Sets the hooks in place of those before, all at once; `{}` takes them away. Calls under way end with the hooks
    /// they began with.
    ///
    /// @throws Error. The new hooks are destroyed then, and those before stay.
    void set_hooks(Hooks hooks) {
        auto owned = std::make_unique<Hooks>(std::move(hooks));
        rmqtt_hooks_t raw = detail::table_of(*owned);
        // From here on the library owns them, whatever it answers.
        raw.user_data = owned.release();
        detail::check("rmqtt_broker_set_hooks", [&](rmqtt_error_t **error) {
            return rmqtt_broker_set_hooks(handle_.get(), &raw, error);
        });
    }

    /// Binds every listener and lets clients in. If one cannot be bound, none is, and this throws.
    ///
    /// @throws Error
    void start() {
        detail::check("rmqtt_broker_start",
                      [&](rmqtt_error_t **error) { return rmqtt_broker_start(handle_.get(), error); });
    }

    /// Closes everything, waits for functions that run, and denies deferred decisions. start() may follow. A broker
    /// that does not run stays as it is.
    ///
    /// @param grace How long clients may take to be disconnected in order; then they are cut off. A negative time is 0.
    /// @throws Error, with `RMQTT_ERR_WOULD_DEADLOCK` in any function that the library calls.
    void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(0)) {
        const auto ms = detail::saturated<std::uint32_t>(grace.count());
        const rmqtt_status_t status = rmqtt_broker_stop(handle_.get(), ms);
        if (status != RMQTT_OK) {
            detail::fail("rmqtt_broker_stop", status);
        }
    }

    /// The name of the broker: the `id` of its configuration. It lives as long as the broker.
    std::string_view id() const noexcept { return detail::view(rmqtt_broker_id(handle_.get())); }

    /// Whether it runs.
    bool running() const noexcept { return rmqtt_broker_running(handle_.get()); }

    /// How many clients are connected.
    std::uint64_t connected_clients() const noexcept { return rmqtt_broker_connected_clients(handle_.get()); }

    /// The listeners, in the order of the configuration.
    ///
    /// @throws Error
    std::vector<Listener> listeners() const {
        std::vector<Listener> listeners;
        for (std::size_t index = 0, count = rmqtt_broker_listener_count(handle_.get()); index < count; ++index) {
            rmqtt_listener_info_t info = rmqtt_listener_info_init();
            const rmqtt_status_t status = rmqtt_broker_listener_info(handle_.get(), index, &info);
            if (status != RMQTT_OK) {
                detail::fail("rmqtt_broker_listener_info", status);
            }
            listeners.push_back({std::string(detail::view(info.name)), std::string(detail::view(info.type)),
                                 std::string(detail::view(info.address)), info.port});
        }
        return listeners;
    }

    /// Takes a snapshot. Never waits for a client or a function.
    ///
    /// @throws Error
    Stats stats() const {
        Stats stats = rmqtt_stats_init();
        const rmqtt_status_t status = rmqtt_broker_stats(handle_.get(), &stats);
        if (status != RMQTT_OK) {
            detail::fail("rmqtt_broker_stats", status);
        }
        return stats;
    }

    /// A snapshot of one hook, such as `RMQTT_HOOK_AUTHENTICATE`. Never waits for a client or a callback.
    HookStats hook_stats(rmqtt_hook hook) const {
        HookStats stats = rmqtt_hook_stats_init();
        const rmqtt_status_t status = rmqtt_broker_hook_stats(handle_.get(), hook, &stats);
        if (status != RMQTT_OK) {
            detail::fail("rmqtt_broker_hook_stats", status);
        }
        return stats;
    }

    /// All statistics as JSON. Never waits for a client or a callback.
    std::string metrics_json() const {
        rmqtt_string_t *text = nullptr;
        const rmqtt_status_t status = rmqtt_broker_metrics(handle_.get(), RMQTT_METRICS_JSON, &text);
        if (status != RMQTT_OK) {
            detail::fail("rmqtt_broker_metrics", status);
        }
        const std::unique_ptr<rmqtt_string_t, decltype(&rmqtt_string_free)> owner(text, rmqtt_string_free);
        const rmqtt_str_t view = rmqtt_string_view(text);
        return std::string(view.ptr, view.len);
    }

    /// Publishes a message to every client and every subscription of this program that is subscribed. It is on its way
    /// to all of them when this returns, ahead of what is published later; with Hooks::authorize_publish, once that has
    /// allowed it, for which this does not wait.
    ///
    /// @param topic The topic name.
    /// @param payload Any bytes; copied.
    /// @throws Error, with `RMQTT_ERR_WOULD_BLOCK` if too many messages wait for Hooks::authorize_publish.
    void publish(std::string_view topic, std::string_view payload, PublishOptions options = {}) {
        rmqtt_publish_t message = rmqtt_publish_init();
        message.topic = detail::str(topic);
        message.payload = detail::bytes(payload);
        message.qos = options.qos;
        message.retain = options.retain;
        detail::check("rmqtt_broker_publish", [&](rmqtt_error_t **error) {
            return rmqtt_broker_publish(handle_.get(), &message, error);
        });
    }

    /// Delivers every message that matches a topic filter to a function, the retained ones first.
    ///
    /// @param filter A topic filter; `$share/{group}/{filter}` takes turns with the other members of the group.
    /// @param on_message Called for each message, in order, one call at a time. The first call may come before this
    ///        returns.
    /// @throws Error. The function is destroyed then.
    [[nodiscard]] Subscription subscribe(std::string_view filter, MessageFunction on_message,
                                         SubscribeOptions options = {}) {
        rmqtt_subscribe_options_t raw = rmqtt_subscribe_options_init();
        raw.max_queued_messages = options.max_queued_messages;
        raw.qos = options.qos;
        raw.retain_handling = options.retain_handling;
        const rmqtt_message_fn call = on_message ? rmqtt_cpp_message : nullptr;
        std::unique_ptr<detail::Consumer> consumer(
            new detail::Consumer{std::move(on_message), std::move(options.on_error)});
        rmqtt_subscription_t *subscription = nullptr;
        detail::check("rmqtt_broker_subscribe", [&](rmqtt_error_t **error) {
            // From here on the library owns the function, whatever it answers.
            return rmqtt_broker_subscribe(handle_.get(), detail::str(filter), &raw, call, consumer.release(),
                                          rmqtt_cpp_drop_consumer, &subscription, error);
        });
        return Subscription(detail::SubscriptionHandle(subscription));
    }

    /// The C object, which stays with this one; null if this was moved from.
    rmqtt_broker_t *get() const noexcept { return handle_.get(); }

private:
    static void check_abi() {
        if (abi_version() != RMQTT_ABI_VERSION) {
            throw Error(RMQTT_ERR_UNSUPPORTED,
                        "this program was compiled for version " + std::to_string(RMQTT_ABI_VERSION) +
                            " of the binary interface of rmqtt-c, but the library that is loaded (" +
                            std::string(version()) + ") has version " + std::to_string(abi_version()) +
                            ": compile the program again");
        }
    }

    detail::BrokerHandle handle_;
};

}  // namespace rmqtt

#endif  // RMQTT_HPP
