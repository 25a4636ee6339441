/*
 * rmqtt-c for C++17 and later: RAII over rmqtt.h, header only.
 *
 * Errors.     What fails throws rmqtt::Error.
 * Ownership.  Broker and Subscription are move-only and free what they hold. Functions that are passed in move to the
 *             heap and are destroyed there, after their last call, on whatever thread that happens.
 * Views.      A std::string_view in an event, a message or a log line lives until the function that got it returns:
 *             make a std::string of what is to be kept.
 * Threads.    As in rmqtt.h. Functions run on threads of the library: hooks of different clients at the same time,
 *             those of one client and those of one subscription one after the other.
 * Exceptions. None leaves a function that the library calls. One that leaves a hook that decides denies; the others are
 *             swallowed. All but those of the log are told to Hooks::callback_failed or SubscribeOptions::on_error.
 */

#ifndef RMQTT_HPP
#define RMQTT_HPP

#include <rmqtt.h>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rmqtt {

class Answer;

namespace detail {

rmqtt_verdict_kind_t take_answer(Answer answer, rmqtt_verdict_t &verdict) noexcept;

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

template <auto Free> struct Deleter {
    template <typename Object> void operator()(Object *object) const noexcept { Free(object); }
};

using BrokerHandle = std::unique_ptr<rmqtt_broker_t, Deleter<&rmqtt_broker_free>>;
using SubscriptionHandle = std::unique_ptr<rmqtt_subscription_t, Deleter<&rmqtt_subscription_free>>;
using ErrorHandle = std::unique_ptr<rmqtt_error_t, Deleter<&rmqtt_error_free>>;

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

}  // namespace detail

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

/// What made a message enter the broker. A number without a name is one of a later version.
enum class Origin : std::int32_t {
    client = RMQTT_ORIGIN_CLIENT,      ///< A connected client published it.
    api = RMQTT_ORIGIN_API,            ///< This program published it.
    will = RMQTT_ORIGIN_WILL,          ///< It is the will of a client.
    retained = RMQTT_ORIGIN_RETAINED,  ///< It was retained, and comes because of a new subscription.
    bridge = RMQTT_ORIGIN_BRIDGE,      ///< A bridge brought it.
    cluster = RMQTT_ORIGIN_CLUSTER,    ///< Another node of the cluster sent it.
    system = RMQTT_ORIGIN_SYSTEM,      ///< The broker itself made it.
    delayed = RMQTT_ORIGIN_DELAYED,    ///< It was published earlier, to be delivered now.
};

/// Who ended a connection.
enum class DisconnectedBy : std::int32_t {
    client = RMQTT_DISCONNECTED_BY_CLIENT,    ///< The client, with a DISCONNECT.
    broker = RMQTT_DISCONNECTED_BY_BROKER,    ///< The broker.
    network = RMQTT_DISCONNECTED_BY_NETWORK,  ///< The network: there was no DISCONNECT.
};

/// A connection of a client.
struct Client {
    /// The client identifier; the one the broker made up if the client had none.
    std::string_view client_id;
    /// The user name, if CONNECT has one.
    std::optional<std::string_view> username;
    /// Where the connection comes from, such as `192.0.2.1:49152`.
    std::string_view address;
    /// The name of the listener that accepted it.
    std::string_view listener;
    /// The `node_id` of the broker it is connected to.
    std::uint64_t node_id = 0;
    /// Numbers the connections of a broker, so that two under one client identifier can be told apart.
    std::uint64_t serial = 0;
    /// The protocol level of CONNECT: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0.
    std::uint8_t protocol = 0;
};

/// A message that the broker hands to this program.
struct Message {
    /// The topic name.
    std::string_view topic;
    /// The payload: any bytes.
    std::string_view payload;
    /// The connection that published it, if one did and is still there.
    std::optional<Client> publisher;
    /// What made it enter the broker.
    Origin origin = Origin::client;
    /// The QoS, 0 to 2.
    std::uint8_t qos = 0;
    /// Whether it is a retained message.
    bool retain = false;
};

/// A client wants to connect.
struct AuthEvent {
    /// Who.
    Client client;
    /// The password, if CONNECT has one: any bytes.
    std::optional<std::string_view> password;
    /// The will, if CONNECT has one.
    std::optional<Message> will;
    /// The keep alive that CONNECT asks for; 0 for none.
    std::chrono::seconds keep_alive{0};
    /// Whether the session before is to be discarded.
    bool clean_start = false;
};

/// A connection that has sent nothing yet.
struct PreConnectEvent {
    /// Where it comes from, such as `192.0.2.1:49152`.
    std::string_view address;
    /// The name of the listener that accepted it.
    std::string_view listener;
};

/// A message is to be published.
struct PublishEvent {
    /// The message, with its publisher. Its origin is Origin::client, Origin::api, or Origin::will: a will is asked
    /// about when its client connects, and again when it is published.
    Message message;
};

/// A client wants to subscribe to one filter.
struct SubscribeEvent {
    /// Who.
    Client client;
    /// The topic filter, `$share/{group}/` included.
    std::string_view filter;
    /// The subscription identifier; 0 for none.
    std::uint32_t identifier = 0;
    /// The highest QoS that it asks for, at most `limits.max_qos`.
    std::uint8_t qos = 0;
    /// Not the messages that the client publishes itself.
    bool no_local = false;
    /// The retain flag as publishers set it.
    bool retain_as_published = false;
    /// As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
    std::uint8_t retain_handling = 0;
};

/// A client wants to give up its subscription to one filter.
struct UnsubscribeEvent {
    /// Who.
    Client client;
    /// The topic filter, as the client has subscribed to it.
    std::string_view filter;
};

/// A client is connected.
struct ConnectedEvent {
    /// Who.
    Client client;
};

/// A client that was connected is gone.
struct DisconnectedEvent {
    /// Who.
    Client client;
    /// Why, in words.
    std::string_view reason;
    /// Who ended the connection.
    DisconnectedBy by = DisconnectedBy::network;
    /// Why, as an MQTT 5 DISCONNECT reason code, whatever the client speaks.
    std::uint8_t reason_code = 0;
};

namespace detail {

inline Client client(const rmqtt_client_t &from) noexcept {
    Client client;
    client.client_id = view(from.client_id);
    client.username = optional_view(from.username);
    client.address = view(from.address);
    client.listener = view(from.listener);
    client.node_id = from.node_id;
    client.serial = from.serial;
    client.protocol = from.protocol;
    return client;
}

inline Message message(const rmqtt_message_t &from) noexcept {
    Message message;
    message.topic = view(from.topic);
    message.payload = view(from.payload);
    if (from.publisher) {
        message.publisher = client(*from.publisher);
    }
    message.origin = static_cast<Origin>(from.origin);
    message.qos = from.qos;
    message.retain = from.retain;
    return message;
}

}  // namespace detail

/// What a hook may say at once.
enum class Verdict : std::int32_t {
    deny = RMQTT_VERDICT_DENY,    ///< No.
    allow = RMQTT_VERDICT_ALLOW,  ///< Yes.
    drop = RMQTT_VERDICT_DROP,    ///< No, but the client is not told: its message goes nowhere and is acknowledged as
                                  ///< if it had. Denies what is not a message.
};

/// What is put in the place of what was asked for. Empty leaves it as it is; what does not belong to the question is
/// not looked at.
struct Changes {
    /// The topic name of a message, the filter of a subscription. What is none refuses what was asked for.
    std::optional<std::string> topic;
    /// The payload of a message.
    std::optional<std::string> payload;
    /// The QoS of a message; the highest QoS of a subscription, which can only be lowered. A number above 2 denies.
    std::optional<std::uint8_t> qos;
    /// Whether a message is retained.
    std::optional<bool> retain;
};

/// What a decision hook answers: a Verdict, yes with changes, no with details, or that the answer comes later.
class Answer {
public:
    /// Yes, or no without details.
    Answer(Verdict verdict) noexcept : kind_(static_cast<rmqtt_verdict_kind_t>(verdict)) {}

    /// Yes, but with these changes.
    static Answer allow(Changes changes) noexcept {
        Answer answer(Verdict::allow);
        answer.changes_ = std::move(changes);
        return answer;
    }

    /// No, with an MQTT 5 reason code of 0x80 or above (0 for "not authorized") and, for an MQTT 5 client, a reason
    /// string where the packet of the answer has one: CONNACK, PUBACK and PUBREC. What becomes of other codes: see
    /// `rmqtt_verdict_t`.
    static Answer deny(std::uint8_t reason_code, std::string reason = {}) noexcept {
        Answer answer(Verdict::deny);
        answer.reason_code_ = reason_code;
        answer.reason_ = std::move(reason);
        return answer;
    }

    /// Later, through Decision::complete(). The hook must have called defer(): without a ticket, this denies.
    static Answer later() noexcept {
        Answer answer(Verdict::deny);
        answer.kind_ = RMQTT_VERDICT_DEFERRED;
        return answer;
    }

private:
    friend class Decision;
    friend rmqtt_verdict_kind_t detail::take_answer(Answer answer, rmqtt_verdict_t &verdict) noexcept;

    void fill(rmqtt_verdict_t &verdict) const noexcept {
        verdict.kind = kind_;
        verdict.reason_code = reason_code_;
        verdict.reason_string = reason_.empty() ? rmqtt_str_t() : detail::str(reason_);
        if (verdict.struct_size < sizeof verdict) {
            // A library from before there were changes: the fields below are not there.
            return;
        }
        if (changes_.topic) {
            verdict.replace |= RMQTT_REPLACE_TOPIC;
            verdict.topic = detail::str(*changes_.topic);
        }
        if (changes_.payload) {
            verdict.replace |= RMQTT_REPLACE_PAYLOAD;
            verdict.payload = rmqtt_bytes(changes_.payload->data(), changes_.payload->size());
        }
        if (changes_.qos) {
            verdict.replace |= RMQTT_REPLACE_QOS;
            verdict.qos = *changes_.qos;
        }
        if (changes_.retain) {
            verdict.replace |= RMQTT_REPLACE_RETAIN;
            verdict.retain = *changes_.retain;
        }
    }

    rmqtt_verdict_kind_t kind_;
    std::uint8_t reason_code_ = 0;
    std::string reason_;
    Changes changes_;
};

/// A ticket for a decision that is made later: a plain number to be copied at will. It stays harmless when the
/// decision, the client or the broker is gone.
class Decision {
public:
    /// No ticket: complete() answers false.
    Decision() noexcept = default;

    /// Whether it is a ticket. See defer() for when it is not.
    explicit operator bool() const noexcept { return ticket_ != 0; }

    /// The number of the ticket, for rmqtt_decision_complete(); 0 for none.
    rmqtt_decision_t ticket() const noexcept { return ticket_; }

    /// Decides. The first call for a ticket counts.
    ///
    /// @return Whether this call decided. False: it was decided already, by an earlier call, by the deadline, or
    ///         because the client or the broker is gone; also where there is no ticket.
    /// @throws Error with `RMQTT_ERR_INVALID_ARGUMENT` for Answer::later(), the decision stays open then, and for
    ///         faults of the library.
    ///
    /// Any thread may call it.
    bool complete(const Answer &answer) const {
        if (answer.kind_ == RMQTT_VERDICT_DEFERRED) {
            throw Error(RMQTT_ERR_INVALID_ARGUMENT, "a ticket cannot be answered with later()");
        }
        rmqtt_verdict_t verdict = rmqtt_verdict_init();
        answer.fill(verdict);
        const rmqtt_status_t status = rmqtt_decision_complete(ticket_, &verdict);
        if (status != RMQTT_OK && status != RMQTT_ERR_EXPIRED) {
            detail::fail("rmqtt_decision_complete", status);
        }
        return status == RMQTT_OK;
    }

private:
    friend Decision defer() noexcept;
    rmqtt_decision_t ticket_ = 0;
};

/// Inside a hook that decides: takes a ticket, to be completed before `callbacks.timeout_ms` have passed. The hook then
/// returns Answer::later(). A hook that answers otherwise has decided, and the ticket expires; so has one that throws.
///
/// @return The ticket, the same one if called again in the same hook. None (false) outside of a decision hook, when the
///         time is up, and when `callbacks.max_pending` decisions are open: the hook should deny then.
inline Decision defer() noexcept {
    Decision decision;
    decision.ticket_ = rmqtt_decision_defer();
    return decision;
}

/// The functions that a broker asks and tells. Those left empty cost nothing.
///
/// They run on threads of the library and may block. Those of one client run one at a time and in order; those of
/// different clients run at the same time, so what they share needs a lock. They may do anything to the broker but stop
/// it: that throws an Error with `RMQTT_ERR_WOULD_DEADLOCK`.
struct Hooks {
    /// Which of the hooks that decide promise to take microseconds. They are called in place, on a thread that serves
    /// clients: one that blocks holds up others.
    struct Inline {
        bool authenticate = false;           ///< Hooks::authenticate.
        bool pre_connect = false;            ///< Hooks::pre_connect.
        bool authorize_publish = false;      ///< Hooks::authorize_publish.
        bool authorize_subscribe = false;    ///< Hooks::authorize_subscribe.
        bool authorize_unsubscribe = false;  ///< Hooks::authorize_unsubscribe.
    };

    /// Decides whether a client may connect. Without it, the configuration decides. An exception denies.
    std::function<Answer(const AuthEvent &)> authenticate;
    /// Decides whether a connection may say anything; if not, it is closed without a word. An exception denies.
    std::function<Answer(const PreConnectEvent &)> pre_connect;
    /// Decides whether a message may be published, be it of a client, a will, or this program's own, and as what.
    /// Without it, every message may, but no client's to `$SYS/#`. An exception denies.
    std::function<Answer(const PublishEvent &)> authorize_publish;
    /// Decides whether a client may subscribe, filter by filter, and to what. Without it, it may. An exception denies.
    std::function<Answer(const SubscribeEvent &)> authorize_subscribe;
    /// Decides whether a client may unsubscribe, filter by filter. Without it, it may. An exception denies.
    std::function<Answer(const UnsubscribeEvent &)> authorize_unsubscribe;
    /// Hears that a client is connected.
    std::function<void(const ConnectedEvent &)> connected;
    /// Hears that a client is gone.
    std::function<void(const DisconnectedEvent &)> disconnected;
    /// Hears of an exception that left one of the hooks above, on the thread of that hook; `hook` is its name, such as
    /// "authenticate". Without it, and if it throws itself, exceptions are swallowed.
    std::function<void(std::string_view hook, std::exception_ptr exception)> callback_failed;
    /// Which hooks are called in place; none unless they are named here.
    Inline run_inline;
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

/// What set_log() takes.
using LogFunction = std::function<void(const LogLine &)>;

/// What Broker::subscribe() takes.
using MessageFunction = std::function<void(const Message &)>;

namespace detail {

struct Consumer {
    MessageFunction on_message;
    std::function<void(std::exception_ptr)> on_error;
};

/// Called while an exception is handled. Nothing may come out of it: its callers have C below them.
template <typename Function, typename... Args>
void tell_exception(const Function &function, const Args &...args) noexcept {
    if (!function) {
        return;
    }
    try {
        function(args..., std::current_exception());
    } catch (...) {
        // The report of a failure failed: there is nobody left to tell.
    }
}

/// Moves an answer to where the broker reads it.
inline rmqtt_verdict_kind_t take_answer(Answer answer, rmqtt_verdict_t &verdict) noexcept {
    // The broker reads its text on this thread, right after the hook has returned.
    thread_local Answer kept(Verdict::deny);
    kept = std::move(answer);
    kept.fill(verdict);
    return kept.kind_;
}

/// Asks a hook that decides about what `read` answers. An exception denies.
template <typename Hook, typename Read>
rmqtt_verdict_kind_t ask(void *user_data, Hook Hooks::*hook, const char *name, rmqtt_verdict_t *verdict,
                         Read read) noexcept {
    const auto &hooks = *static_cast<const Hooks *>(user_data);
    try {
        return take_answer((hooks.*hook)(read()), *verdict);
    } catch (...) {
        tell_exception(hooks.callback_failed, std::string_view(name));
        return RMQTT_VERDICT_DENY;
    }
}

}  // namespace detail

}  // namespace rmqtt

// What the library calls. C linkage, because C calls them: names with a prefix, because C knows no namespaces.
extern "C" {

inline rmqtt_verdict_kind_t rmqtt_cpp_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                                   void *user_data) noexcept {
    return rmqtt::detail::ask(user_data, &rmqtt::Hooks::authenticate, "authenticate", verdict, [&] {
        rmqtt::AuthEvent from;
        from.client = rmqtt::detail::client(*event->client);
        from.password = rmqtt::detail::optional_view(event->password);
        if (event->will) {
            from.will = rmqtt::detail::message(*event->will);
        }
        from.keep_alive = std::chrono::seconds(event->keep_alive_s);
        from.clean_start = event->clean_start;
        return from;
    });
}

inline rmqtt_verdict_kind_t rmqtt_cpp_pre_connect(const rmqtt_pre_connect_t *event, rmqtt_verdict_t *verdict,
                                                  void *user_data) noexcept {
    return rmqtt::detail::ask(user_data, &rmqtt::Hooks::pre_connect, "pre_connect", verdict, [&] {
        rmqtt::PreConnectEvent from;
        from.address = rmqtt::detail::view(event->address);
        from.listener = rmqtt::detail::view(event->listener);
        return from;
    });
}

inline rmqtt_verdict_kind_t rmqtt_cpp_authorize_publish(const rmqtt_authorize_publish_t *event,
                                                        rmqtt_verdict_t *verdict, void *user_data) noexcept {
    return rmqtt::detail::ask(user_data, &rmqtt::Hooks::authorize_publish, "authorize_publish", verdict,
                              [&] { return rmqtt::PublishEvent{rmqtt::detail::message(*event->message)}; });
}

inline rmqtt_verdict_kind_t rmqtt_cpp_authorize_subscribe(const rmqtt_authorize_subscribe_t *event,
                                                          rmqtt_verdict_t *verdict, void *user_data) noexcept {
    return rmqtt::detail::ask(user_data, &rmqtt::Hooks::authorize_subscribe, "authorize_subscribe", verdict, [&] {
        rmqtt::SubscribeEvent from;
        from.client = rmqtt::detail::client(*event->client);
        from.filter = rmqtt::detail::view(event->filter);
        from.identifier = event->identifier;
        from.qos = event->qos;
        from.no_local = event->no_local;
        from.retain_as_published = event->retain_as_published;
        from.retain_handling = event->retain_handling;
        return from;
    });
}

inline rmqtt_verdict_kind_t rmqtt_cpp_authorize_unsubscribe(const rmqtt_authorize_unsubscribe_t *event,
                                                            rmqtt_verdict_t *verdict, void *user_data) noexcept {
    return rmqtt::detail::ask(user_data, &rmqtt::Hooks::authorize_unsubscribe, "authorize_unsubscribe", verdict, [&] {
        rmqtt::UnsubscribeEvent from;
        from.client = rmqtt::detail::client(*event->client);
        from.filter = rmqtt::detail::view(event->filter);
        return from;
    });
}

inline void rmqtt_cpp_connected(const rmqtt_connected_t *event, void *user_data) noexcept {
    const auto &hooks = *static_cast<const rmqtt::Hooks *>(user_data);
    try {
        rmqtt::ConnectedEvent from;
        from.client = rmqtt::detail::client(*event->client);
        hooks.connected(from);
    } catch (...) {
        rmqtt::detail::tell_exception(hooks.callback_failed, std::string_view("connected"));
    }
}

inline void rmqtt_cpp_disconnected(const rmqtt_disconnected_t *event, void *user_data) noexcept {
    const auto &hooks = *static_cast<const rmqtt::Hooks *>(user_data);
    try {
        rmqtt::DisconnectedEvent from;
        from.client = rmqtt::detail::client(*event->client);
        from.reason = rmqtt::detail::view(event->reason);
        from.by = static_cast<rmqtt::DisconnectedBy>(event->by);
        from.reason_code = event->reason_code;
        hooks.disconnected(from);
    } catch (...) {
        rmqtt::detail::tell_exception(hooks.callback_failed, std::string_view("disconnected"));
    }
}

inline void rmqtt_cpp_drop_hooks(void *user_data) noexcept {
    delete static_cast<rmqtt::Hooks *>(user_data);
}

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
        rmqtt_hooks_t raw = rmqtt_hooks_init();
        raw.authenticate = owned->authenticate ? rmqtt_cpp_authenticate : nullptr;
        raw.connected = owned->connected ? rmqtt_cpp_connected : nullptr;
        raw.disconnected = owned->disconnected ? rmqtt_cpp_disconnected : nullptr;
        raw.pre_connect = owned->pre_connect ? rmqtt_cpp_pre_connect : nullptr;
        raw.authorize_publish = owned->authorize_publish ? rmqtt_cpp_authorize_publish : nullptr;
        raw.authorize_subscribe = owned->authorize_subscribe ? rmqtt_cpp_authorize_subscribe : nullptr;
        raw.authorize_unsubscribe = owned->authorize_unsubscribe ? rmqtt_cpp_authorize_unsubscribe : nullptr;
        const auto flag = [&](rmqtt_hook hook, bool in_place) { raw.flags[hook] = in_place ? RMQTT_HOOK_INLINE : 0; };
        flag(RMQTT_HOOK_AUTHENTICATE, owned->run_inline.authenticate);
        flag(RMQTT_HOOK_PRE_CONNECT, owned->run_inline.pre_connect);
        flag(RMQTT_HOOK_AUTHORIZE_PUBLISH, owned->run_inline.authorize_publish);
        flag(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE, owned->run_inline.authorize_subscribe);
        flag(RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE, owned->run_inline.authorize_unsubscribe);
        raw.drop = rmqtt_cpp_drop_hooks;
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
        constexpr auto most = std::numeric_limits<std::uint32_t>::max();
        const auto count = grace.count();
        const auto ms = count <= 0 ? 0 : count >= most ? most : static_cast<std::uint32_t>(count);
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
        message.payload = rmqtt_bytes(payload.data(), payload.size());
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
