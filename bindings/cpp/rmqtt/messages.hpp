/*
 * What this program publishes and subscribes to. Programs include rmqtt.hpp.
 */

#ifndef RMQTT_MESSAGES_HPP
#define RMQTT_MESSAGES_HPP

#include <rmqtt/hooks.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rmqtt {

/// What Broker::subscribe() takes.
using MessageFunction = std::function<void(const Message &)>;

/// What Broker::subscribe_batch() takes.
using MessagesFunction = std::function<void(const Messages &)>;

/// What PublishOptions::on_report takes.
using ReportFunction = std::function<void(const PublishReport &)>;

/// What hears of an exception that left a function of this program.
using ErrorFunction = std::function<void(std::exception_ptr exception)>;

/// How to publish.
struct PublishOptions {
    /// The QoS, 0 to `limits.max_qos`.
    std::uint8_t qos = 0;
    /// Whether the broker keeps it for later subscriptions. With an empty payload, it forgets the one it has.
    bool retain = false;
    /// The MQTT 5 properties. Clients of older versions get the message without them.
    Properties properties = {};
    /// The only client that gets the message, whatever it is subscribed to. Without it, everyone who is subscribed.
    std::optional<std::string> client_id = std::nullopt;
    /// When it is published, from now on, at most 4294967295 seconds. Its message expiry interval begins then. Delayed
    /// messages are gone when the broker stops. A negative time is 0.
    std::chrono::milliseconds delay{0};
    /// How long the call may wait for room before it throws an Error with `RMQTT_ERR_WOULD_BLOCK`. Inside a hook that
    /// is called in place it never waits. A negative time is 0.
    std::chrono::milliseconds wait{0};
    /// Hears what becomes of the message, on a thread of the library, one call at a time for all messages of the
    /// broker. It is destroyed when nothing more will be reported. When the broker stops before the last report, there
    /// is none. `callbacks.max_pending` messages may be open.
    ReportFunction on_report = nullptr;
    /// Hears of an exception that left on_report, on its thread. Without it, and if it throws itself, exceptions are
    /// swallowed.
    ErrorFunction on_error = nullptr;
};

/// A message to publish with Broker::publish_batch().
struct Publication {
    /// The topic name.
    std::string_view topic;
    /// Any bytes.
    std::string_view payload;
    /// How to publish it.
    PublishOptions options = {};
};

/// What happens to a message that finds the queue of a subscription full.
enum class Overflow : std::int32_t {
    drop_newest = RMQTT_OVERFLOW_DROP_NEWEST,  ///< It is dropped, and counted.
    drop_oldest = RMQTT_OVERFLOW_DROP_OLDEST,  ///< The oldest ones give way to it; they are dropped, and counted.
    block = RMQTT_OVERFLOW_BLOCK,              ///< With QoS 1 or 2, it is queued all the same, and its publisher has to
                                               ///< wait until a quarter of the room is there again: a client is not
                                               ///< read from meanwhile, Broker::publish() throws an Error with
                                               ///< `RMQTT_ERR_WOULD_BLOCK`. With QoS 0, it is dropped, and counted.
};

/// How to subscribe.
struct SubscribeOptions {
    /// Messages that may wait for the function. 0 means 1000.
    std::uint32_t max_queued_messages = 0;
    /// The highest QoS of the messages, 0 to 2. Messages come with the lower one of it and their own.
    std::uint8_t qos = 0;
    /// As in MQTT 5: 0 and 1 deliver the retained messages first, 2 does not. A shared subscription never gets them.
    std::uint8_t retain_handling = 0;
    /// What happens when more messages come than may wait.
    Overflow overflow = Overflow::drop_newest;
    /// Messages of QoS 1 and 2 are acknowledged with Delivery::ack(), instead of by the end of the function, be it with
    /// an exception.
    bool manual_ack = false;
    /// What the messages that wait may take in memory, about, in bytes. 0 means 16 MiB. One message may always wait.
    std::uint64_t max_queued_bytes = 0;
    /// With manual_ack: how many messages may be unacknowledged at a time, up to 65535; no more are delivered then. 0
    /// means 65535.
    std::uint32_t receive_maximum = 0;
    /// With Broker::subscribe_batch(): messages of one call, up to 65536. 0 means 256.
    std::uint32_t max_batch = 0;
    /// The retain flag of messages as their publisher set it, instead of false.
    bool retain_as_published = false;
    /// Not the messages that this program publishes. Not for a shared subscription.
    bool no_local = false;
    /// Hears of an exception that left the function, on its thread; what follows comes all the same. Without it, and if
    /// it throws itself, exceptions are swallowed.
    ErrorFunction on_error = nullptr;
};

/// A snapshot of a subscription, with the fields of `rmqtt_subscription_stats_t`.
using SubscriptionStats = rmqtt_subscription_stats_t;

namespace detail {

/// What a function of the library is given as its user data: the function of this program, and who hears if it throws.
template <typename Function> struct Callback {
    Function function;
    ErrorFunction on_error;
};

template <typename Function, typename Event> void call(void *user_data, const Event &event) noexcept {
    const auto &callback = *static_cast<const Callback<Function> *>(user_data);
    try {
        callback.function(event);
    } catch (...) {
        tell_exception(callback.on_error);
    }
}

/// Retained messages are shown on the thread that asks, which hears of an exception when the library has returned.
struct Viewer {
    const MessageFunction &on_message;
    std::exception_ptr failure;
};

}  // namespace detail

}  // namespace rmqtt

// What the library calls. C linkage, because C calls them: names with a prefix, because C knows no namespaces.
extern "C" {

inline void rmqtt_cpp_message(const rmqtt_message_t *message, void *user_data) noexcept {
    rmqtt::detail::call<rmqtt::MessageFunction>(user_data, rmqtt::detail::message(*message));
}

inline void rmqtt_cpp_drop_message(void *user_data) noexcept {
    delete static_cast<rmqtt::detail::Callback<rmqtt::MessageFunction> *>(user_data);
}

inline void rmqtt_cpp_messages(const rmqtt_message_t *const *messages, size_t count, void *user_data) noexcept {
    rmqtt::detail::call<rmqtt::MessagesFunction>(user_data, rmqtt::Messages(messages, count));
}

inline void rmqtt_cpp_drop_messages(void *user_data) noexcept {
    delete static_cast<rmqtt::detail::Callback<rmqtt::MessagesFunction> *>(user_data);
}

inline void rmqtt_cpp_report(const rmqtt_publish_report_t *report, void *user_data) noexcept {
    rmqtt::detail::call<rmqtt::ReportFunction>(user_data, rmqtt::detail::report(*report));
}

inline void rmqtt_cpp_drop_report(void *user_data) noexcept {
    delete static_cast<rmqtt::detail::Callback<rmqtt::ReportFunction> *>(user_data);
}

inline void rmqtt_cpp_retained(const rmqtt_message_t *message, void *user_data) noexcept {
    auto &viewer = *static_cast<rmqtt::detail::Viewer *>(user_data);
    if (viewer.failure) {
        return;
    }
    try {
        viewer.on_message(rmqtt::detail::message(*message));
    } catch (...) {
        viewer.failure = std::current_exception();
    }
}

}  // extern "C"

namespace rmqtt {

namespace detail {

/// Writes a message as the library reads it. What is written points into the options and into the writer, until either
/// changes.
class PublicationWriter {
public:
    /// Takes the functions out of the options. `user_data` is not set.
    void write(std::string_view topic, std::string_view payload, PublishOptions &options, rmqtt_publish_t &message) {
        message = rmqtt_publish_init();
        message.topic = str(topic);
        message.payload = bytes(payload);
        message.qos = options.qos;
        message.retain = options.retain;
        message.wait_ms = saturated<std::uint32_t>(options.wait.count());
        if (any(options.properties)) {
            message.properties = &properties_.write(options.properties);
        }
        message.client_id = optional_str(options.client_id);
        message.delay_ms = saturated<std::uint64_t>(options.delay.count());
        if (options.on_report) {
            report_.reset(new Callback<ReportFunction>{std::move(options.on_report), std::move(options.on_error)});
            message.on_report = rmqtt_cpp_report;
            message.drop = rmqtt_cpp_drop_report;
        }
    }

    /// From here on the library owns the function, whatever it answers to the message.
    void hand_over(rmqtt_publish_t &message) noexcept { message.user_data = report_.release(); }

private:
    static bool any(const Properties &properties) noexcept {
        return properties.content_type || properties.response_topic || properties.correlation_data ||
               !properties.user_properties.empty() || properties.message_expiry ||
               properties.payload_format_indicator != 0;
    }

    PropertiesWriter properties_;
    std::unique_ptr<Callback<ReportFunction>> report_;
};

inline rmqtt_subscribe_options_t raw(const SubscribeOptions &options) noexcept {
    rmqtt_subscribe_options_t raw = rmqtt_subscribe_options_init();
    raw.max_queued_messages = options.max_queued_messages;
    raw.qos = options.qos;
    raw.retain_handling = options.retain_handling;
    raw.overflow = static_cast<std::uint8_t>(options.overflow);
    raw.manual_ack = options.manual_ack;
    raw.max_queued_bytes = options.max_queued_bytes;
    raw.receive_maximum = options.receive_maximum;
    raw.max_batch = options.max_batch;
    raw.retain_as_published = options.retain_as_published;
    raw.no_local = options.no_local;
    return raw;
}

using SubscriptionHandle = std::unique_ptr<rmqtt_subscription_t, Deleter<&rmqtt_subscription_free>>;

}  // namespace detail

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

    /// Has the function called no more, until resume(). A call that runs goes on; so does a call with several messages.
    /// Messages that come wait, as many as its queue takes.
    ///
    /// @throws Error, with `RMQTT_ERR_INVALID_ARGUMENT` if there is no subscription.
    void pause() {
        const rmqtt_status_t status = rmqtt_subscription_pause(handle_.get());
        if (status != RMQTT_OK) {
            detail::fail("rmqtt_subscription_pause", status);
        }
    }

    /// Has the function called again.
    ///
    /// @throws Error, as pause() does.
    void resume() {
        const rmqtt_status_t status = rmqtt_subscription_resume(handle_.get());
        if (status != RMQTT_OK) {
            detail::fail("rmqtt_subscription_resume", status);
        }
    }

    /// Takes a snapshot. Never waits for a call.
    ///
    /// @throws Error, as pause() does.
    SubscriptionStats stats() const {
        SubscriptionStats stats = rmqtt_subscription_stats_init();
        const rmqtt_status_t status = rmqtt_subscription_stats(handle_.get(), &stats);
        if (status != RMQTT_OK) {
            detail::fail("rmqtt_subscription_stats", status);
        }
        return stats;
    }

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

}  // namespace rmqtt

#endif  // RMQTT_MESSAGES_HPP
