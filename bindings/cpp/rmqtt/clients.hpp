/*
 * How this program asks for the clients of a broker, and handles them. Programs include rmqtt.hpp.
 */

#ifndef RMQTT_CLIENTS_HPP
#define RMQTT_CLIENTS_HPP

#include <rmqtt/error.hpp>

#include <cstdint>
#include <string>

namespace rmqtt {

/// Whether a client that is asked for is connected.
enum class Presence : std::int32_t {
    any = RMQTT_PRESENCE_ANY,                      ///< It does not matter.
    connected = RMQTT_PRESENCE_CONNECTED,          ///< It is connected.
    not_connected = RMQTT_PRESENCE_NOT_CONNECTED,  ///< It has a session, but is not connected.
};

/// Which clients are asked for. Text that is empty does not matter; a client has to meet all the rest.
struct ClientQuery {
    /// What the client identifier begins with.
    std::string client_id_prefix = {};
    /// The user name.
    std::string username = {};
    /// Where the connection comes from: a host, such as "192.0.2.1", or with the port, such as "192.0.2.1:49152".
    std::string address = {};
    /// The name of the listener.
    std::string listener = {};
    /// The client identifier behind which to begin: `next` of the page before.
    std::string after = {};
    /// Whether it is connected.
    Presence connected = Presence::any;
    /// How many clients at most, 1 to 1000. 0 means 100.
    std::uint32_t limit = 0;
};

/// How to subscribe a client.
struct ClientSubscription {
    /// The subscription identifier that an MQTT 5 client gets with the messages, 1 to 268435455; 0 for none.
    std::uint32_t identifier = 0;
    /// The highest QoS of the messages, 0 to `limits.max_qos`.
    std::uint8_t qos = 0;
    /// Not the messages that the client publishes itself. Not for a shared subscription.
    bool no_local = false;
    /// The retain flag as publishers set it.
    bool retain_as_published = false;
    /// As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
    std::uint8_t retain_handling = 0;
};

/// What a client might do.
enum class Action : std::int32_t {
    publish = RMQTT_ACTION_PUBLISH,      ///< Publish a message.
    subscribe = RMQTT_ACTION_SUBSCRIBE,  ///< Subscribe.
};

namespace detail {

inline rmqtt_query_t raw(const ClientQuery &query) noexcept {
    rmqtt_query_t raw = rmqtt_query_init();
    raw.client_id_prefix = str(query.client_id_prefix);
    raw.username = str(query.username);
    raw.address = str(query.address);
    raw.listener = str(query.listener);
    raw.after = str(query.after);
    raw.connected = static_cast<rmqtt_presence_t>(query.connected);
    raw.limit = query.limit;
    return raw;
}

inline rmqtt_client_subscription_t raw(const ClientSubscription &options) noexcept {
    rmqtt_client_subscription_t raw = rmqtt_client_subscription_init();
    raw.identifier = options.identifier;
    raw.qos = options.qos;
    raw.no_local = options.no_local;
    raw.retain_as_published = options.retain_as_published;
    raw.retain_handling = options.retain_handling;
    return raw;
}

}  // namespace detail

}  // namespace rmqtt

#endif  // RMQTT_CLIENTS_HPP
