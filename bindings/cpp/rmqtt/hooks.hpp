/*
 * What a broker asks and tells, and what it is answered. Programs include rmqtt.hpp.
 */

#ifndef RMQTT_HOOKS_HPP
#define RMQTT_HOOKS_HPP

#include <rmqtt/events.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rmqtt {

namespace detail {

class VerdictWriter;

}  // namespace detail

/// What a hook may say at once.
enum class Verdict : std::int32_t {
    deny = RMQTT_VERDICT_DENY,           ///< No.
    allow = RMQTT_VERDICT_ALLOW,         ///< Yes.
    drop = RMQTT_VERDICT_DROP,           ///< No, but the client is not told: its message goes nowhere and is
                                         ///< acknowledged as if it had. Denies what is not a message.
    undecided = RMQTT_VERDICT_CONTINUE,  ///< From Hooks::authenticate: the configuration decides, as without the hook.
                                         ///< From Hooks::auth_exchange: as Answer::challenge(), without data. Denies
                                         ///< everything else.
    failed = RMQTT_VERDICT_FAILED,       ///< No, because the code that was to decide has failed. So is an exception
                                         ///< taken.
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
    /// All MQTT 5 properties of a message: those that are not in here go. PropertiesView::copy() begins with those that
    /// it has.
    std::optional<Properties> properties;
    /// The client identifier of a client that connects; not empty. An MQTT 5 client is told if its CONNECT had none.
    std::optional<std::string> client_id;
    /// The session expiry interval of a client that connects, up to `session.max_expiry_s`; rmqtt::never is one.
    std::optional<std::chrono::seconds> session_expiry;
    /// The keep alive of an MQTT 5 client that connects; 0 for none.
    std::optional<std::chrono::seconds> keep_alive;
    /// The configured access rules do not hold for the client that connects.
    bool superuser = false;
};

/// What a decision hook answers: a Verdict, yes with changes, no with details, or that the answer comes later.
///
/// The other details are for an MQTT 5 client, as far as the packet that answers it has a place for them:
/// `return Answer::deny(0x9d).server_reference("other.example:1883");`.
class Answer {
public:
    /// Yes, or no without details.
    Answer(Verdict verdict) noexcept : kind_(static_cast<rmqtt_verdict_kind_t>(verdict)) {}

    /// Yes, but with these changes.
    static Answer allow(Changes changes = {}) noexcept {
        Answer answer(Verdict::allow);
        answer.details().changes = std::move(changes);
        return answer;
    }

    /// No, with an MQTT 5 reason code of 0x80 or above (0 for "not authorized") and, for an MQTT 5 client, a reason
    /// string. What becomes of codes that the packet of the answer does not have: see `rmqtt_verdict_t`.
    static Answer deny(std::uint8_t reason_code, std::string reason = {}) noexcept {
        Answer answer(Verdict::deny);
        answer.reason_code_ = reason_code;
        if (!reason.empty()) {
            answer.details().reason = std::move(reason);
        }
        return answer;
    }

    /// Not yet: the enhanced authentication goes on, with this challenge. Denies what is no exchange.
    static Answer challenge(std::string auth_data) noexcept {
        Answer answer(Verdict::deny);
        answer.kind_ = RMQTT_VERDICT_CONTINUE;
        answer.details().auth_data = std::move(auth_data);
        return answer;
    }

    /// Later, through Decision::complete(). The hook must have called defer(): without a ticket, this denies.
    static Answer later() noexcept {
        Answer answer(Verdict::deny);
        answer.kind_ = RMQTT_VERDICT_DEFERRED;
        return answer;
    }

    /// With a reason string, be it yes or no.
    Answer reason(std::string text) && noexcept {
        details().reason = std::move(text);
        return std::move(*this);
    }

    /// With user properties. Those for the filters of one SUBSCRIBE or UNSUBSCRIBE are sent together.
    Answer user_properties(std::vector<UserProperty> properties) && noexcept {
        details().user_properties = std::move(properties);
        return std::move(*this);
    }

    /// With authentication data: any bytes, for the client of an enhanced authentication that ends with yes.
    Answer auth_data(std::string data) && noexcept {
        details().auth_data = std::move(data);
        return std::move(*this);
    }

    /// With response information, for a client that connects and has asked for it.
    Answer response_information(std::string information) && noexcept {
        details().response_information = std::move(information);
        return std::move(*this);
    }

    /// With where a client that may not connect should go, for 0x9C and 0x9D.
    Answer server_reference(std::string reference) && noexcept {
        details().server_reference = std::move(reference);
        return std::move(*this);
    }

private:
    friend class Decision;
    friend class detail::VerdictWriter;

    struct Details {
        Changes changes;
        std::string reason;
        std::vector<UserProperty> user_properties;
        std::optional<std::string> auth_data;
        std::optional<std::string> response_information;
        std::optional<std::string> server_reference;
    };

    Details &details() noexcept { return details_ ? *details_ : details_.emplace(); }

    rmqtt_verdict_kind_t kind_;
    std::uint8_t reason_code_ = 0;
    /// Most answers have none, and are to cost nothing.
    std::optional<Details> details_;
};

namespace detail {

/// Writes answers as the library reads them. What is written points into the answer and into the writer, until either
/// changes.
class VerdictWriter {
public:
    void write(const Answer &answer, rmqtt_verdict_t &verdict) {
        verdict.kind = answer.kind_;
        verdict.reason_code = answer.reason_code_;
        if (!answer.details_) {
            return;
        }
        const Answer::Details &details = *answer.details_;
        verdict.reason_string = details.reason.empty() ? rmqtt_str_t() : str(details.reason);
        if (!reaches(verdict, verdict.superuser)) {
            // A library from before there was all of the rest.
            return;
        }
        list(details.user_properties, user_properties_);
        verdict.user_properties = user_properties_.data();
        verdict.user_property_count = user_properties_.size();
        if (details.auth_data) {
            verdict.auth_data = bytes(*details.auth_data);
        }
        verdict.response_information = optional_str(details.response_information);
        verdict.server_reference = optional_str(details.server_reference);
        write(details.changes, verdict);
    }

private:
    void write(const Changes &changes, rmqtt_verdict_t &verdict) {
        if (changes.topic) {
            verdict.replace |= RMQTT_REPLACE_TOPIC;
            verdict.topic = str(*changes.topic);
        }
        if (changes.payload) {
            verdict.replace |= RMQTT_REPLACE_PAYLOAD;
            verdict.payload = bytes(*changes.payload);
        }
        if (changes.qos) {
            verdict.replace |= RMQTT_REPLACE_QOS;
            verdict.qos = *changes.qos;
        }
        if (changes.retain) {
            verdict.replace |= RMQTT_REPLACE_RETAIN;
            verdict.retain = *changes.retain;
        }
        if (changes.properties) {
            verdict.replace |= RMQTT_REPLACE_PROPERTIES;
            verdict.properties = &message_properties_.write(*changes.properties);
        }
        if (changes.client_id) {
            verdict.replace |= RMQTT_REPLACE_CLIENT_ID;
            verdict.client_id = str(*changes.client_id);
        }
        if (changes.session_expiry) {
            verdict.replace |= RMQTT_REPLACE_SESSION_EXPIRY;
            verdict.session_expiry_s = saturated<std::uint32_t>(changes.session_expiry->count());
        }
        if (changes.keep_alive) {
            verdict.replace |= RMQTT_REPLACE_KEEP_ALIVE;
            verdict.keep_alive_s = saturated<std::uint16_t>(changes.keep_alive->count());
        }
        verdict.superuser = changes.superuser;
    }

    std::vector<rmqtt_user_property_t> user_properties_;
    PropertiesWriter message_properties_;
};

}  // namespace detail

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
        detail::VerdictWriter writer;
        writer.write(answer, verdict);
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
/// it: that throws an Error with `RMQTT_ERR_WOULD_DEADLOCK`. An exception that leaves one that decides denies.
struct Hooks {
    /// Which hooks promise to take microseconds, each under its name. They are called in place, on a thread that serves
    /// clients: one that blocks holds up others.
    struct Inline {
        bool authenticate = false;
        bool pre_connect = false;
        bool authorize_publish = false;
        bool authorize_subscribe = false;
        bool authorize_unsubscribe = false;
        bool authorize_forward = false;
        bool auth_exchange = false;
        bool connack = false;
        bool connected = false;
        bool disconnected = false;
        bool session_created = false;
        bool session_resumed = false;
        bool session_taken_over = false;
        bool session_terminated = false;
        bool subscribed = false;
        bool unsubscribed = false;
        bool message_published = false;
        bool message_delivered = false;
        bool message_acked = false;
        bool message_dropped = false;
        bool will_published = false;
        bool retained_changed = false;
        bool listener_up = false;
        bool listener_down = false;
        bool overload = false;
        bool client_banned = false;
    };

    /// Decides whether a client may connect. Without it, and with Verdict::undecided, the configuration decides.
    std::function<Answer(const AuthEvent &)> authenticate;
    /// Decides about each round of an enhanced authentication, in the place of Hooks::authenticate: yes, no, or
    /// Answer::challenge(). Without it, a client that asks for one is refused with 0x8C.
    std::function<Answer(const AuthExchangeEvent &)> auth_exchange;
    /// Decides whether a connection may say anything; if not, it is closed without a word. Asked when the connection has
    /// been accepted, before any handshake costs anything, and on listeners with TLS, WebSocket or QUIC once more after
    /// that, when the certificate and the address that a reverse proxy tells of are known.
    std::function<Answer(const PreConnectEvent &)> pre_connect;
    /// Decides whether a message may be published, be it of a client, a will, or this program's own, and as what.
    /// Without it, every message may, but no client's to `$SYS/#`.
    std::function<Answer(const PublishEvent &)> authorize_publish;
    /// Decides whether a client may subscribe, filter by filter, and to what. Without it, it may.
    std::function<Answer(const SubscribeEvent &)> authorize_subscribe;
    /// Decides whether a client may unsubscribe, filter by filter. Without it, it may.
    std::function<Answer(const UnsubscribeEvent &)> authorize_unsubscribe;
    /// Decides whether a client gets a message, be it live, queued or retained, and as what: once for each receiver and
    /// message, before the first time that it is sent. The QoS can only be lowered. Without it, it does.
    std::function<Answer(const ForwardEvent &)> authorize_forward;

    /// Hears how a CONNECT has been answered.
    std::function<void(const ConnackEvent &)> connack;
    /// Hears that a client is connected.
    std::function<void(const ConnectedEvent &)> connected;
    /// Hears that a client is gone.
    std::function<void(const DisconnectedEvent &)> disconnected;
    /// Hears that a client has got a session that there was not before.
    std::function<void(const SessionEvent &)> session_created;
    /// Hears that a client has got the session that was kept for it.
    std::function<void(const SessionEvent &)> session_resumed;
    /// Hears that a connection loses its session to a new one under its client identifier; Hooks::disconnected follows.
    std::function<void(const SessionEvent &)> session_taken_over;
    /// Hears that a session is over, with all that was kept in it.
    std::function<void(const SessionEvent &)> session_terminated;
    /// Hears that a client has subscribed.
    std::function<void(const SubscribedEvent &)> subscribed;
    /// Hears that a client has unsubscribed.
    std::function<void(const UnsubscribedEvent &)> unsubscribed;
    /// Hears of each message that is on its way, wills and those of this program included.
    std::function<void(const MessagePublishedEvent &)> message_published;
    /// Hears of each message that is written to a client for the first time.
    std::function<void(const MessageDeliveredEvent &)> message_delivered;
    /// Hears of each message that a client has acknowledged.
    std::function<void(const MessageAckedEvent &)> message_acked;
    /// Hears of each message that does not reach a receiver.
    std::function<void(const MessageDroppedEvent &)> message_dropped;
    /// Hears of each will that is on its way; so does Hooks::message_published.
    std::function<void(const MessagePublishedEvent &)> will_published;
    /// Hears that the retained message of a topic has changed.
    std::function<void(const RetainedChangedEvent &)> retained_changed;
    /// Hears that a filter that nobody was subscribed to has its first subscriber. Never in place.
    std::function<void(const SubscriberEvent &)> first_subscriber;
    /// Hears that nobody is subscribed to a filter any more. Never in place.
    std::function<void(const SubscriberEvent &)> last_subscriber;
    /// Hears that a listener is open.
    std::function<void(const ListenerEvent &)> listener_up;
    /// Hears that a listener is closed.
    std::function<void(const ListenerEvent &)> listener_down;
    /// Hears that a limit of the broker as a whole is reached, or that there is room again.
    std::function<void(const OverloadEvent &)> overload;
    /// Hears that somebody is kept out from now on.
    std::function<void(const ClientBannedEvent &)> client_banned;

    /// Hears of an exception that left one of the hooks above, on the thread of that hook; `hook` is its name, such as
    /// "authenticate". Without it, and if it throws itself, exceptions are swallowed.
    std::function<void(std::string_view hook, std::exception_ptr exception)> callback_failed;
    /// Which hooks are called in place; none unless they are named here.
    Inline run_inline;
};

namespace detail {

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
inline rmqtt_verdict_kind_t take_answer(Answer answer, rmqtt_verdict_t &verdict) {
    // The broker reads its text on this thread, right after the hook has returned.
    thread_local Answer kept(Verdict::deny);
    thread_local VerdictWriter writer;
    kept = std::move(answer);
    writer.write(kept, verdict);
    return verdict.kind;
}

/// Asks a hook that decides. An exception denies.
template <typename Hook, typename Event>
rmqtt_verdict_kind_t ask(void *user_data, Hook Hooks::*hook, const char *name, const Event &from,
                         rmqtt_verdict_t &verdict) noexcept {
    const auto &hooks = *static_cast<const Hooks *>(user_data);
    try {
        return take_answer((hooks.*hook)(event(from)), verdict);
    } catch (...) {
        tell_exception(hooks.callback_failed, std::string_view(name));
        return RMQTT_VERDICT_FAILED;
    }
}

/// Tells a hook that hears.
template <typename Hook, typename Event>
void tell(void *user_data, Hook Hooks::*hook, const char *name, const Event &from) noexcept {
    const auto &hooks = *static_cast<const Hooks *>(user_data);
    try {
        (hooks.*hook)(event(from));
    } catch (...) {
        tell_exception(hooks.callback_failed, std::string_view(name));
    }
}

}  // namespace detail

}  // namespace rmqtt

// What the library calls. C linkage, because C calls them: names with a prefix, because C knows no namespaces.
extern "C" {

#define RMQTT_CPP_ASK(hook, type)                                                                                \
    inline rmqtt_verdict_kind_t rmqtt_cpp_##hook(const rmqtt_##type##_t *event, rmqtt_verdict_t *verdict,        \
                                                 void *user_data) noexcept {                                     \
        return rmqtt::detail::ask(user_data, &rmqtt::Hooks::hook, #hook, *event, *verdict);                      \
    }

#define RMQTT_CPP_TELL(hook, type)                                                                               \
    inline void rmqtt_cpp_##hook(const rmqtt_##type##_t *event, void *user_data) noexcept {                      \
        rmqtt::detail::tell(user_data, &rmqtt::Hooks::hook, #hook, *event);                                      \
    }

RMQTT_CPP_ASK(authenticate, authenticate)
RMQTT_CPP_ASK(auth_exchange, auth_exchange)
RMQTT_CPP_ASK(pre_connect, pre_connect)
RMQTT_CPP_ASK(authorize_publish, authorize_publish)
RMQTT_CPP_ASK(authorize_subscribe, authorize_subscribe)
RMQTT_CPP_ASK(authorize_unsubscribe, authorize_unsubscribe)
RMQTT_CPP_ASK(authorize_forward, authorize_forward)

RMQTT_CPP_TELL(connack, connack)
RMQTT_CPP_TELL(connected, connected)
RMQTT_CPP_TELL(disconnected, disconnected)
RMQTT_CPP_TELL(session_created, session_event)
RMQTT_CPP_TELL(session_resumed, session_event)
RMQTT_CPP_TELL(session_taken_over, session_event)
RMQTT_CPP_TELL(session_terminated, session_event)
RMQTT_CPP_TELL(subscribed, subscribed)
RMQTT_CPP_TELL(unsubscribed, unsubscribed)
RMQTT_CPP_TELL(message_published, message_published)
RMQTT_CPP_TELL(message_delivered, message_delivered)
RMQTT_CPP_TELL(message_acked, message_acked)
RMQTT_CPP_TELL(message_dropped, message_dropped)
RMQTT_CPP_TELL(will_published, message_published)
RMQTT_CPP_TELL(retained_changed, retained_changed)
RMQTT_CPP_TELL(first_subscriber, subscriber_event)
RMQTT_CPP_TELL(last_subscriber, subscriber_event)
RMQTT_CPP_TELL(listener_up, listener_info)
RMQTT_CPP_TELL(listener_down, listener_info)
RMQTT_CPP_TELL(overload, overload)
RMQTT_CPP_TELL(client_banned, client_banned)

#undef RMQTT_CPP_ASK
#undef RMQTT_CPP_TELL

inline void rmqtt_cpp_drop_hooks(void *user_data) noexcept {
    delete static_cast<rmqtt::Hooks *>(user_data);
}

}  // extern "C"

namespace rmqtt {

namespace detail {

/// The hooks as the library takes them; those that are empty are not there. `user_data` is not set.
inline rmqtt_hooks_t table_of(const Hooks &hooks) noexcept {
    rmqtt_hooks_t table = rmqtt_hooks_init();
    table.drop = rmqtt_cpp_drop_hooks;
    const Hooks::Inline &in_place = hooks.run_inline;

#define RMQTT_CPP_SET(number, hook, is_inline)           \
    table.hook = hooks.hook ? rmqtt_cpp_##hook : nullptr; \
    table.flags[number] = (is_inline) ? RMQTT_HOOK_INLINE : 0

    RMQTT_CPP_SET(RMQTT_HOOK_AUTHENTICATE, authenticate, in_place.authenticate);
    RMQTT_CPP_SET(RMQTT_HOOK_AUTH_EXCHANGE, auth_exchange, in_place.auth_exchange);
    RMQTT_CPP_SET(RMQTT_HOOK_PRE_CONNECT, pre_connect, in_place.pre_connect);
    RMQTT_CPP_SET(RMQTT_HOOK_AUTHORIZE_PUBLISH, authorize_publish, in_place.authorize_publish);
    RMQTT_CPP_SET(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE, authorize_subscribe, in_place.authorize_subscribe);
    RMQTT_CPP_SET(RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE, authorize_unsubscribe, in_place.authorize_unsubscribe);
    RMQTT_CPP_SET(RMQTT_HOOK_AUTHORIZE_FORWARD, authorize_forward, in_place.authorize_forward);
    RMQTT_CPP_SET(RMQTT_HOOK_CONNACK, connack, in_place.connack);
    RMQTT_CPP_SET(RMQTT_HOOK_CONNECTED, connected, in_place.connected);
    RMQTT_CPP_SET(RMQTT_HOOK_DISCONNECTED, disconnected, in_place.disconnected);
    RMQTT_CPP_SET(RMQTT_HOOK_SESSION_CREATED, session_created, in_place.session_created);
    RMQTT_CPP_SET(RMQTT_HOOK_SESSION_RESUMED, session_resumed, in_place.session_resumed);
    RMQTT_CPP_SET(RMQTT_HOOK_SESSION_TAKEN_OVER, session_taken_over, in_place.session_taken_over);
    RMQTT_CPP_SET(RMQTT_HOOK_SESSION_TERMINATED, session_terminated, in_place.session_terminated);
    RMQTT_CPP_SET(RMQTT_HOOK_SUBSCRIBED, subscribed, in_place.subscribed);
    RMQTT_CPP_SET(RMQTT_HOOK_UNSUBSCRIBED, unsubscribed, in_place.unsubscribed);
    RMQTT_CPP_SET(RMQTT_HOOK_MESSAGE_PUBLISHED, message_published, in_place.message_published);
    RMQTT_CPP_SET(RMQTT_HOOK_MESSAGE_DELIVERED, message_delivered, in_place.message_delivered);
    RMQTT_CPP_SET(RMQTT_HOOK_MESSAGE_ACKED, message_acked, in_place.message_acked);
    RMQTT_CPP_SET(RMQTT_HOOK_MESSAGE_DROPPED, message_dropped, in_place.message_dropped);
    RMQTT_CPP_SET(RMQTT_HOOK_WILL_PUBLISHED, will_published, in_place.will_published);
    RMQTT_CPP_SET(RMQTT_HOOK_RETAINED_CHANGED, retained_changed, in_place.retained_changed);
    RMQTT_CPP_SET(RMQTT_HOOK_FIRST_SUBSCRIBER, first_subscriber, false);
    RMQTT_CPP_SET(RMQTT_HOOK_LAST_SUBSCRIBER, last_subscriber, false);
    RMQTT_CPP_SET(RMQTT_HOOK_LISTENER_UP, listener_up, in_place.listener_up);
    RMQTT_CPP_SET(RMQTT_HOOK_LISTENER_DOWN, listener_down, in_place.listener_down);
    RMQTT_CPP_SET(RMQTT_HOOK_OVERLOAD, overload, in_place.overload);
    RMQTT_CPP_SET(RMQTT_HOOK_CLIENT_BANNED, client_banned, in_place.client_banned);

#undef RMQTT_CPP_SET
    return table;
}

}  // namespace detail

}  // namespace rmqtt

#endif  // RMQTT_HOOKS_HPP
