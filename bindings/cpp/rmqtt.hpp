/*
 * rmqtt-c for C++17 and later: RAII over rmqtt.h, header only.
 *
 * Errors.     What fails throws rmqtt::Error.
 * Ownership.  Broker, Subscription and KeptMessage are move-only and free what they hold. Functions that are passed in
 *             move to the heap and are destroyed there, after their last call, on whatever thread that happens.
 * Views.      A std::string_view in an event, a message or a log line, and a view of properties, lives until the
 *             function that got it returns: make a std::string of what is to be kept, a copy() of properties, or keep()
 *             the message.
 * Threads.    As in rmqtt.h. Functions run on threads of the library: hooks of different clients at the same time,
 *             those of one client and those of one subscription one after the other.
 * Exceptions. None leaves a function that the library calls. One that leaves a hook that decides denies; the others are
 *             swallowed. All but those of the log are told to Hooks::callback_failed, SubscribeOptions::on_error or
 *             PublishOptions::on_error.
 */

#ifndef RMQTT_HPP
#define RMQTT_HPP

#include <rmqtt/clients.hpp>
#include <rmqtt/messages.hpp>

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

/// What this program knows about a connection that it brings. No text is longer than 65535 bytes or contains U+0000.
struct Peer {
    /// Where it comes from, as hooks and the log show it. Without it: host and port of the other end for a TCP socket,
    /// "unix" for any other, "pair" for Broker::connect_pair().
    std::optional<std::string> address = std::nullopt;
    /// What hooks and the log show as the name of its listener. Without it: "attached".
    std::optional<std::string> listener = std::nullopt;
    /// The user name of a client that is authenticated, in place of the one in CONNECT. Without it: the one in CONNECT.
    /// Only with authenticated.
    std::optional<std::string> username = std::nullopt;
    /// How long the client may take until its CONNECT is complete, at most an hour. 0 means 15 seconds.
    std::chrono::milliseconds connect_timeout{0};
    /// This program vouches for the client: neither hooks nor the configuration are asked who it is, and the password
    /// of CONNECT is not looked at. Otherwise Hooks::authenticate decides, and without it `auth.allow_anonymous`.
    bool authenticated = false;
};

/// A snapshot of a broker, with the fields of `rmqtt_stats_t`.
using Stats = rmqtt_stats_t;

/// A snapshot of one hook, with the fields of `rmqtt_hook_stats_t`.
using HookStats = rmqtt_hook_stats_t;

/// What set_log() takes.
using LogFunction = std::function<void(const LogLine &)>;

namespace detail {

using BrokerHandle = std::unique_ptr<rmqtt_broker_t, Deleter<&rmqtt_broker_free>>;

inline rmqtt_peer_t raw(const Peer &peer) noexcept {
    rmqtt_peer_t raw = rmqtt_peer_init();
    raw.address = optional_str(peer.address);
    raw.listener = optional_str(peer.listener);
    raw.username = optional_str(peer.username);
    raw.connect_timeout_ms = saturated<std::uint32_t>(peer.connect_timeout.count());
    raw.authenticated = peer.authenticated;
    return raw;
}

}  // namespace detail

}  // namespace rmqtt

// What the library calls. C linkage, because C calls them: names with a prefix, because C knows no namespaces.
extern "C" {

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

    /// Puts another configuration in the place of the one that there is. Of a broker that runs, everything changes at
    /// once that can, and the rest at the next start; docs/configuration.md says which keys are which. Certificates,
    /// keys and lists are read again, also where the text is the same. Clients stay connected.
    ///
    /// @param config_json The whole new configuration as JSON.
    /// @return JSON, `{"applied":[...],"needs_restart":[...],"rejected":[],"closed":[...]}`: JSON pointers into the new
    ///         configuration, of what has changed and holds now, and of what differs from what holds until the next
    ///         start; and the names of listeners that have been closed.
    /// @throws Error, with faults() if the configuration has some, certificates and keys that are of no use included,
    ///         and with `RMQTT_ERR_BIND` if a new listener cannot be bound. Nothing has changed then.
    ///
    /// A second call waits for the first one to end.
    std::string reload(std::string_view config_json) {
        rmqtt_string_t *report = nullptr;
        rmqtt_error_t *raw = nullptr;
        const rmqtt_status_t status = rmqtt_broker_reload(handle_.get(), detail::str(config_json), &report, &raw);
        const detail::ErrorHandle error(raw);
        // There is one after a failure, too. It says what the error does.
        const detail::StringHandle owner(report);
        if (status != RMQTT_OK) {
            detail::fail("rmqtt_broker_reload", status, error.get());
        }
        return std::string(detail::view(rmqtt_string_view(report)));
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
        return detail::taken(text);
    }

    /// Publishes a message to everyone who is subscribed: clients, and subscriptions of this program. It is on its way
    /// to all of them when this returns, ahead of what is published later; with Hooks::authorize_publish, once that has
    /// allowed it, for which this does not wait. A delayed message is published, and the hook asked, when it is due.
    ///
    /// @param topic The topic name.
    /// @param payload Any bytes; copied.
    /// @throws Error, with `RMQTT_ERR_NOT_FOUND` if there is no session of the client PublishOptions::client_id, and
    ///         with `RMQTT_ERR_WOULD_BLOCK` if there is no room after PublishOptions::wait: a receiver has too much to
    ///         work off, or too many messages wait for Hooks::authorize_publish, are delayed, or are to be reported on.
    ///         Nothing is published then, and PublishOptions::on_report is destroyed.
    void publish(std::string_view topic, std::string_view payload, PublishOptions options = {}) {
        rmqtt_publish_t message;
        detail::PublicationWriter writer;
        writer.write(topic, payload, options, message);
        writer.hand_over(message);
        detail::check("rmqtt_broker_publish", [&](rmqtt_error_t **error) {
            return rmqtt_broker_publish(handle_.get(), &message, error);
        });
    }

    /// Publishes messages one after the other, each as publish() does, and faster. It ends at the first one that is not
    /// published.
    ///
    /// @throws BatchError with how many have been published, and why the one behind them has not. The functions of
    ///         those that are not are destroyed.
    void publish_batch(std::vector<Publication> messages) {
        std::vector<detail::PublicationWriter> writers(messages.size());
        std::vector<rmqtt_publish_t> raw(messages.size());
        for (std::size_t index = 0; index < messages.size(); ++index) {
            Publication &message = messages[index];
            writers[index].write(message.topic, message.payload, message.options, raw[index]);
        }
        for (std::size_t index = 0; index < messages.size(); ++index) {
            writers[index].hand_over(raw[index]);
        }
        std::size_t accepted = 0;
        try {
            detail::check("rmqtt_broker_publish_batch", [&](rmqtt_error_t **error) {
                return rmqtt_broker_publish_batch(handle_.get(), raw.data(), raw.size(), &accepted, error);
            });
        } catch (const Error &error) {
            throw BatchError(error, accepted);
        }
    }

    /// Delivers every message that matches a topic filter to a function, the retained ones first.
    ///
    /// @param filter A topic filter; `$share/{group}/{filter}` takes turns with the other members of the group, clients
    ///        included.
    /// @param on_message Called for each message, in order, one call at a time. The first call may come before this
    ///        returns.
    /// @throws Error. The function is destroyed then.
    ///
    /// What happens when the function is slower than messages come is a matter of SubscribeOptions::overflow. The
    /// subscription ends with the stop of the broker, when what waits has been delivered.
    [[nodiscard]] Subscription subscribe(std::string_view filter, MessageFunction on_message,
                                         SubscribeOptions options = {}) {
        return subscribe_with("rmqtt_broker_subscribe", rmqtt_broker_subscribe, filter, std::move(on_message),
                              rmqtt_cpp_message, rmqtt_cpp_drop_message, std::move(options));
    }

    /// As subscribe(), but hands over as many messages as there are, up to SubscribeOptions::max_batch, in one call.
    /// With many small messages that is several times as fast.
    ///
    /// Without SubscribeOptions::manual_ack, the end of a call acknowledges all of its messages.
    [[nodiscard]] Subscription subscribe_batch(std::string_view filter, MessagesFunction on_messages,
                                               SubscribeOptions options = {}) {
        return subscribe_with("rmqtt_broker_subscribe_batch", rmqtt_broker_subscribe_batch, filter,
                              std::move(on_messages), rmqtt_cpp_messages, rmqtt_cpp_drop_messages, std::move(options));
    }

    /// Shows a function the retained messages that match a topic filter, in the order of their names, level by level:
    /// `a`, `a/b`, `a-b`. Those that have expired are left out. Messages that come or go meanwhile may be shown or not;
    /// each that stays is shown once.
    ///
    /// @param filter A topic filter, without `$share`; `#` is all but those whose names begin with `$`.
    /// @param on_message Called on this thread, with nothing locked: it may delete what it is shown. An exception that
    ///        leaves it leaves this function; it is shown no more then.
    /// @throws Error, with `RMQTT_ERR_INVALID_STATE` also if the broker is stopped meanwhile.
    void retained(std::string_view filter, const MessageFunction &on_message) const {
        detail::Viewer viewer{on_message, nullptr};
        detail::check("rmqtt_broker_retained", [&](rmqtt_error_t **error) {
            const rmqtt_status_t status = rmqtt_broker_retained(
                handle_.get(), detail::str(filter), on_message ? rmqtt_cpp_retained : nullptr, &viewer, error);
            return viewer.failure ? RMQTT_OK : status;
        });
        if (viewer.failure) {
            std::rethrow_exception(viewer.failure);
        }
    }

    /// The retained message of one topic; none (false) if there is none, or it has expired.
    ///
    /// @throws Error
    [[nodiscard]] KeptMessage retained_get(std::string_view topic) const {
        KeptMessage kept;
        const MessageFunction keep = [&](const Message &message) { kept = message.keep(); };
        detail::Viewer viewer{keep, nullptr};
        detail::check("rmqtt_broker_retained_get", [&](rmqtt_error_t **error) {
            const rmqtt_status_t status =
                rmqtt_broker_retained_get(handle_.get(), detail::str(topic), rmqtt_cpp_retained, &viewer, error);
            return status == RMQTT_ERR_NOT_FOUND ? RMQTT_OK : status;
        });
        if (viewer.failure) {
            std::rethrow_exception(viewer.failure);
        }
        return kept;
    }

    /// Retains a message, in place of the one of its topic before, without sending it to those who are subscribed: who
    /// subscribes later gets it. Hooks::retained_changed is told; Hooks::authorize_publish is not asked.
    ///
    /// @param payload Any bytes, but not none; copied.
    /// @param options The QoS and the properties; without a delay, a client identifier or on_report.
    /// @throws Error, with `RMQTT_ERR_WOULD_BLOCK` if `retain.max_messages` of other topics are retained.
    void retained_set(std::string_view topic, std::string_view payload, PublishOptions options = {}) {
        rmqtt_publish_t message;
        detail::PublicationWriter writer;
        // Nobody is reported to: with a function, the library refuses the message, and the writer keeps it.
        writer.write(topic, payload, options, message);
        message.drop = nullptr;
        detail::check("rmqtt_broker_retained_set", [&](rmqtt_error_t **error) {
            return rmqtt_broker_retained_set(handle_.get(), &message, error);
        });
    }

    /// Forgets the retained messages that match a topic filter. Hooks::retained_changed is told of each.
    ///
    /// @param filter A topic filter, without `$share`. A topic name is the filter of its own message; `#` is all but
    ///        those whose names begin with `$`.
    /// @return How many there were.
    /// @throws Error
    std::uint64_t retained_delete(std::string_view filter) {
        std::uint64_t deleted = 0;
        detail::check("rmqtt_broker_retained_delete", [&](rmqtt_error_t **error) {
            return rmqtt_broker_retained_delete(handle_.get(), detail::str(filter), &deleted, error);
        });
        return deleted;
    }

    /// Serves the client at the other end of a connected socket, from its first byte on, like one that a listener has
    /// accepted: Hooks::pre_connect is asked, `limits.max_connections` counts it, and the stop of the broker
    /// disconnects it.
    ///
    /// @param fd A connected stream socket: TCP or Unix. It passes to the library, also if this throws: it is closed
    ///        when the connection ends, or before this throws.
    /// @throws Error, with `RMQTT_ERR_WOULD_BLOCK` if there are `limits.max_connections` already. What becomes of the
    ///         client otherwise is told by hooks.
    void attach_fd(int fd, const Peer &peer = {}) {
        const rmqtt_peer_t raw = detail::raw(peer);
        detail::check("rmqtt_broker_attach_fd", [&](rmqtt_error_t **error) {
            return rmqtt_broker_attach_fd(handle_.get(), fd, &raw, error);
        });
    }

    /// Makes a connection without a network, for any MQTT client that takes a descriptor: a pair of Unix sockets, one
    /// of which the broker serves as attach_fd() does.
    ///
    /// @return The client's end, which blocks, is close-on-exec, and is to be closed by the caller. Writing to it when
    ///         the broker has closed its own raises SIGPIPE, as with any socket: use `MSG_NOSIGNAL`.
    /// @throws Error, as attach_fd() does.
    [[nodiscard]] int connect_pair(const Peer &peer = {}) {
        const rmqtt_peer_t raw = detail::raw(peer);
        int fd = -1;
        detail::check("rmqtt_broker_connect_pair", [&](rmqtt_error_t **error) {
            return rmqtt_broker_connect_pair(handle_.get(), &raw, &fd, error);
        });
        return fd;
    }

    /// Lists clients that have a session, connected or not, in the order of their client identifiers, a page at a time.
    ///
    /// Clients that come and go between two pages may be in neither of them; no client is in both.
    ///
    /// @param query Which clients; without it, the first 100 of all.
    /// @return JSON, `{"clients":[...],"next":"..."}`; docs/messages.md has the fields. `next` is there only if there
    ///         may be more clients: it is ClientQuery::after for the next page.
    /// @throws Error
    std::string clients(const ClientQuery &query = {}) const {
        const rmqtt_query_t raw = detail::raw(query);
        rmqtt_string_t *json = nullptr;
        detail::check("rmqtt_broker_clients", [&](rmqtt_error_t **error) {
            return rmqtt_broker_clients(handle_.get(), &raw, &json, error);
        });
        return detail::taken(json);
    }

    /// Shows one client that has a session, connected or not.
    ///
    /// @return JSON, one of the objects that clients() lists.
    /// @throws Error, with `RMQTT_ERR_NOT_FOUND` if there is no session of such a client.
    std::string client(std::string_view client_id) const {
        rmqtt_string_t *json = nullptr;
        detail::check("rmqtt_broker_client", [&](rmqtt_error_t **error) {
            return rmqtt_broker_client(handle_.get(), detail::str(client_id), &json, error);
        });
        return detail::taken(json);
    }

    /// Disconnects a client, and ends its session if wanted. The connection has been asked to close when this returns,
    /// and does so soon; its will is published. Hooks::disconnected tells of it, and Hooks::session_terminated of
    /// SessionEnd::discarded.
    ///
    /// @param reason_code What an MQTT 5 client is told, one that a server may send in DISCONNECT: 0x00, or 0x80 and
    ///        above. Without it: administrative action.
    /// @param discard_session Whether the session ends, with its subscriptions and all that waits in it. Clients that
    ///        are away lose theirs, too.
    /// @throws Error, with `RMQTT_ERR_NOT_FOUND` if the client is not connected, or, with `discard_session`, has no
    ///         session.
    void disconnect(std::string_view client_id, std::uint8_t reason_code = 0x98, bool discard_session = false) {
        detail::check("rmqtt_broker_disconnect", [&](rmqtt_error_t **error) {
            return rmqtt_broker_disconnect(handle_.get(), detail::str(client_id), reason_code, discard_session, error);
        });
    }

    /// Subscribes a client, connected or not, as if it had done so itself: Hooks::subscribed is told, and retained
    /// messages are delivered, to a client that is away when it comes back. No hook and no access rule is asked, and
    /// `limits.max_subscriptions` is not looked at. If the client has the filter already, the options are replaced.
    ///
    /// @param filter A topic filter; `$share/{group}/{filter}` is one, too.
    /// @throws Error, with `RMQTT_ERR_NOT_FOUND` if there is no session of such a client.
    void subscribe_client(std::string_view client_id, std::string_view filter, const ClientSubscription &options = {}) {
        const rmqtt_client_subscription_t raw = detail::raw(options);
        detail::check("rmqtt_broker_subscribe_client", [&](rmqtt_error_t **error) {
            return rmqtt_broker_subscribe_client(handle_.get(), detail::str(client_id), detail::str(filter), &raw,
                                                 error);
        });
    }

    /// Ends a subscription of a client, connected or not, as if it had done so itself: Hooks::unsubscribed is told, and
    /// no hook is asked. Messages that wait for the client already stay.
    ///
    /// @param filter The topic filter, as it was subscribed to.
    /// @throws Error, with `RMQTT_ERR_NOT_FOUND` if there is no session of such a client, or it is not subscribed to
    ///         the filter.
    void unsubscribe_client(std::string_view client_id, std::string_view filter) {
        detail::check("rmqtt_broker_unsubscribe_client", [&](rmqtt_error_t **error) {
            return rmqtt_broker_unsubscribe_client(handle_.get(), detail::str(client_id), detail::str(filter), error);
        });
    }

    /// How many would get a message to a topic, if it were published now by somebody who is not among them: sessions,
    /// those of absent clients included, and subscriptions of this program; of each shared group one.
    ///
    /// @param topic A topic name.
    /// @throws Error
    std::uint64_t subscriber_count(std::string_view topic) const {
        std::uint64_t count = 0;
        detail::check("rmqtt_broker_subscriber_count", [&](rmqtt_error_t **error) {
            return rmqtt_broker_subscriber_count(handle_.get(), detail::str(topic), &count, error);
        });
        return count;
    }

    /// Explains what would become of something that a client might do, and which rule, hook or default decides it.
    /// Nothing is done, and no hook is asked.
    ///
    /// @param topic The topic name that the client might publish to, or the filter that it might subscribe to. What is
    ///        neither is explained as well.
    /// @return JSON; docs/messages.md has the fields.
    /// @throws Error, with `RMQTT_ERR_NOT_FOUND` if there is no session of such a client.
    std::string explain(std::string_view client_id, Action action, std::string_view topic) const {
        rmqtt_string_t *json = nullptr;
        detail::check("rmqtt_broker_explain", [&](rmqtt_error_t **error) {
            return rmqtt_broker_explain(handle_.get(), detail::str(client_id), static_cast<rmqtt_action_t>(action),
                                        detail::str(topic), &json, error);
        });
        return detail::taken(json);
    }

    /// Keeps somebody out: connections from that address are closed at once, clients of that client identifier or user
    /// name are refused with 0x8A. Clients that are connected are disconnected with 0x98. A ban that is there already
    /// is replaced; all end with the run of the broker. Hooks::client_banned tells of it.
    ///
    /// @param value An IP address, a client identifier, or a user name. Of an address of IPv6, its /64 network is
    ///        banned.
    /// @param duration How long; 0 until unban().
    /// @throws Error, with `RMQTT_ERR_INVALID_ARGUMENT` for a value that is empty, not UTF-8, or no address.
    void ban(BanKind kind, std::string_view value, std::chrono::milliseconds duration = std::chrono::milliseconds(0)) {
        detail::check("rmqtt_broker_ban", [&](rmqtt_error_t **error) {
            return rmqtt_broker_ban(handle_.get(), static_cast<rmqtt_ban_kind_t>(kind), detail::str(value),
                                    detail::saturated<std::uint64_t>(duration.count()), error);
        });
    }

    /// Lets somebody in again, whoever or whatever has kept it out. What has been counted of it is forgotten.
    ///
    /// @throws Error, with `RMQTT_ERR_NOT_FOUND` if it is not banned.
    void unban(BanKind kind, std::string_view value) {
        detail::check("rmqtt_broker_unban", [&](rmqtt_error_t **error) {
            return rmqtt_broker_unban(handle_.get(), static_cast<rmqtt_ban_kind_t>(kind), detail::str(value), error);
        });
    }

    /// Lists all who are kept out.
    ///
    /// @return JSON, `{"bans":[...]}`; see `rmqtt_broker_bans` for the fields.
    /// @throws Error
    std::string bans() const {
        rmqtt_string_t *json = nullptr;
        detail::check("rmqtt_broker_bans", [&](rmqtt_error_t **error) {
            return rmqtt_broker_bans(handle_.get(), &json, error);
        });
        return detail::taken(json);
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

    template <typename Subscribe, typename Function, typename Call>
    Subscription subscribe_with(const char *name, Subscribe subscribe, std::string_view filter, Function function,
                                Call call, rmqtt_drop_fn drop, SubscribeOptions options) {
        const rmqtt_subscribe_options_t raw = detail::raw(options);
        const Call given = function ? call : nullptr;
        std::unique_ptr<detail::Callback<Function>> callback(
            new detail::Callback<Function>{std::move(function), std::move(options.on_error)});
        rmqtt_subscription_t *subscription = nullptr;
        detail::check(name, [&](rmqtt_error_t **error) {
            // From here on the library owns the function, whatever it answers.
            return subscribe(handle_.get(), detail::str(filter), &raw, given, callback.release(), drop, &subscription,
                             error);
        });
        return Subscription(detail::SubscriptionHandle(subscription));
    }

    detail::BrokerHandle handle_;
};

}  // namespace rmqtt

#endif  // RMQTT_HPP
