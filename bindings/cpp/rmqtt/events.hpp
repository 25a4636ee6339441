/*
 * What hooks and subscriptions are given: views, which end with the function that gets them. Programs include rmqtt.hpp.
 */

#ifndef RMQTT_EVENTS_HPP
#define RMQTT_EVENTS_HPP

#include <rmqtt/connection.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace rmqtt {

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

/// Why a session is over.
enum class SessionEnd : std::int32_t {
    disconnected = RMQTT_SESSION_END_DISCONNECTED,  ///< It was to last no longer than its connection.
    expired = RMQTT_SESSION_END_EXPIRED,  ///< Its client did not come back within the session expiry interval.
    clean_start = RMQTT_SESSION_END_CLEAN_START,  ///< Its client came back with clean start.
    stopped = RMQTT_SESSION_END_STOPPED,          ///< The broker stops.
    discarded = RMQTT_SESSION_END_DISCARDED,      ///< This program has discarded it, with Broker::disconnect().
};

/// Why a message was dropped.
enum class DropCause : std::int32_t {
    queue_full = RMQTT_DROP_QUEUE_FULL,    ///< As much waits for the receiver as may.
    expired = RMQTT_DROP_EXPIRED,          ///< The message has expired.
    too_large = RMQTT_DROP_TOO_LARGE,      ///< The client takes no packets so large.
    client_gone = RMQTT_DROP_CLIENT_GONE,  ///< The client went before the message was sent, and it is not kept.
    refused = RMQTT_DROP_REFUSED,          ///< A hook or a rule refused it.
    rate_exceeded = RMQTT_DROP_RATE_EXCEEDED,  ///< Its client has published too fast.
    memory = RMQTT_DROP_MEMORY,            ///< There is too little memory for what waits for the receiver already.
};

/// What has become of the retained message of a topic.
enum class RetainedChange : std::int32_t {
    set = RMQTT_RETAINED_SET,          ///< There is one, or another one than before.
    removed = RMQTT_RETAINED_REMOVED,  ///< It has been taken back: with an empty one, or by Broker::retained_delete().
    expired = RMQTT_RETAINED_EXPIRED,  ///< It has expired.
};

/// What there may be too much of. A number without a name is one of a later version.
enum class Resource : std::int32_t {
    connections = RMQTT_RESOURCE_CONNECTIONS,              ///< Connections, `limits.max_connections`.
    sessions = RMQTT_RESOURCE_SESSIONS,                    ///< Sessions, `limits.max_sessions`.
    retained_messages = RMQTT_RESOURCE_RETAINED_MESSAGES,  ///< Retained messages, `retain.max_messages`.
    memory = RMQTT_RESOURCE_MEMORY,                        ///< Memory, `limits.memory_budget_bytes`.
};

/// What of a client is banned. A number without a name is one of a later version.
enum class BanKind : std::int32_t {
    ip = RMQTT_BAN_IP,                ///< Its address: one of IPv4, or a /64 network of IPv6.
    client_id = RMQTT_BAN_CLIENT_ID,  ///< Its client identifier.
    user = RMQTT_BAN_USER,            ///< Its user name.
};

/// Why somebody is banned. A number without a name is one of a later version.
enum class BanCause : std::int32_t {
    authentication = RMQTT_BAN_CAUSE_AUTHENTICATION,  ///< Too many failed to authenticate, `limits.ban.failures`.
    flapping = RMQTT_BAN_CAUSE_FLAPPING,              ///< It has connected too often, `limits.ban.flaps`.
    api = RMQTT_BAN_CAUSE_API,                        ///< This program has said so, with Broker::ban().
};

/// How far a message of this program has come.
enum class PublishStage : std::int32_t {
    queued = RMQTT_PUBLISH_QUEUED,              ///< It is queued for everyone who gets it.
    acknowledged = RMQTT_PUBLISH_ACKNOWLEDGED,  ///< Everyone who was connected when it was queued, and gets it with QoS
                                                ///< 1 or 2, has acknowledged it or is gone.
    refused = RMQTT_PUBLISH_REFUSED,            ///< It goes nowhere: Hooks::authorize_publish has refused it.
};

/// The session expiry interval of a session that is kept for ever.
inline constexpr std::chrono::seconds never{0xffffffff};

/// A user property of MQTT 5, to be sent: a name with a value.
struct UserProperty {
    /// The name.
    std::string name;
    /// The value.
    std::string value;
};

/// The MQTT 5 properties of a message, to be sent.
struct Properties {
    /// Content type, if there is one.
    std::optional<std::string> content_type;
    /// Response topic, a topic name, if there is one.
    std::optional<std::string> response_topic;
    /// Correlation data, any bytes, if there is some.
    std::optional<std::string> correlation_data;
    /// User properties. Names may come more than once; their order is kept.
    std::vector<UserProperty> user_properties;
    /// Message expiry interval, if the message expires.
    std::optional<std::chrono::seconds> message_expiry;
    /// Payload format indicator: 1 if the payload is UTF-8 text, else 0.
    std::uint8_t payload_format_indicator = 0;
};

/// A user property of MQTT 5 in a packet.
struct UserPropertyView {
    /// The name.
    std::string_view name;
    /// The value.
    std::string_view value;
};

/// The user properties of a packet, in their order. Names may come more than once.
class UserPropertiesView {
public:
    /// Goes through user properties.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = UserPropertyView;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = UserPropertyView;

        UserPropertyView operator*() const noexcept { return {detail::view(at_->name), detail::view(at_->value)}; }
        iterator &operator++() noexcept {
            ++at_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(at_++); }
        bool operator==(const iterator &other) const noexcept { return at_ == other.at_; }
        bool operator!=(const iterator &other) const noexcept { return at_ != other.at_; }

    private:
        friend class UserPropertiesView;
        explicit iterator(const rmqtt_user_property_t *at) noexcept : at_(at) {}

        const rmqtt_user_property_t *at_;
    };

    /// None.
    UserPropertiesView() noexcept = default;
    /// Those at `first`.
    UserPropertiesView(const rmqtt_user_property_t *first, std::size_t size) noexcept : first_(first), size_(size) {}

    iterator begin() const noexcept { return iterator(first_); }
    iterator end() const noexcept { return iterator(first_ + size_); }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    /// The value of the first one of that name, if there is one.
    std::optional<std::string_view> find(std::string_view name) const noexcept {
        for (const UserPropertyView property : *this) {
            if (property.name == name) {
                return property.value;
            }
        }
        return std::nullopt;
    }

    /// All of them, to be kept or sent.
    std::vector<UserProperty> copy() const {
        std::vector<UserProperty> copy;
        copy.reserve(size_);
        for (const UserPropertyView property : *this) {
            copy.push_back({std::string(property.name), std::string(property.value)});
        }
        return copy;
    }

private:
    const rmqtt_user_property_t *first_ = nullptr;
    std::size_t size_ = 0;
};

/// The MQTT 5 properties of a message.
struct PropertiesView {
    /// Content type, if there is one.
    std::optional<std::string_view> content_type;
    /// Response topic, if there is one.
    std::optional<std::string_view> response_topic;
    /// Correlation data, any bytes, if there is some.
    std::optional<std::string_view> correlation_data;
    /// User properties.
    UserPropertiesView user_properties;
    /// What is left of the message expiry interval, if the message expires.
    std::optional<std::chrono::seconds> message_expiry;
    /// Payload format indicator: 1 if the payload is UTF-8 text, else 0.
    std::uint8_t payload_format_indicator = 0;

    /// All of them, to be kept, or changed and sent.
    Properties copy() const {
        Properties copy;
        copy.content_type = content_type;
        copy.response_topic = response_topic;
        copy.correlation_data = correlation_data;
        copy.user_properties = user_properties.copy();
        copy.message_expiry = message_expiry;
        copy.payload_format_indicator = payload_format_indicator;
        return copy;
    }
};

/// A connection of a client.
struct Client {
    /// The client identifier; the one the broker made up if the client had none.
    std::string_view client_id;
    /// The user name, if CONNECT has one. For a client that the program vouches for, see Peer.
    std::optional<std::string_view> username;
    /// Where the connection comes from, such as `192.0.2.1:49152`, or what Peer says.
    std::string_view address;
    /// The name of the listener that accepted it, or what Peer says.
    std::string_view listener;
    /// The `node_id` of the broker it is connected to.
    std::uint64_t node_id = 0;
    /// Numbers the connections of a broker, so that two under one client identifier can be told apart.
    std::uint64_t serial = 0;
    /// The protocol level of CONNECT: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0.
    std::uint8_t protocol = 0;
    /// A hook has said so when it connected: the configured access rules do not hold for it.
    bool superuser = false;
};

/// A message that this program has to acknowledge, because of SubscribeOptions::manual_ack: a plain number to be copied
/// at will. It stays harmless when the subscription or the broker is gone.
class Delivery {
public:
    /// Nothing to acknowledge: ack() answers false.
    Delivery() noexcept = default;
    /// As Message::delivery has it.
    explicit Delivery(rmqtt_delivery_t number) noexcept : number_(number) {}

    /// Whether there is something to acknowledge.
    explicit operator bool() const noexcept { return number_ != 0; }

    /// The number, for rmqtt_delivery_ack(); 0 for none.
    rmqtt_delivery_t number() const noexcept { return number_; }

    /// Acknowledges the message, in whatever order. Until then it counts against SubscribeOptions::receive_maximum.
    /// When its subscription ends, or its broker stops, without that, it is lost; one of a shared subscription goes to
    /// another member when its subscription ends.
    ///
    /// @return Whether this call did. False: it has been acknowledged already, or its subscription or its run of the
    ///         broker is over; also where there is nothing to acknowledge.
    /// @throws Error for faults of the library.
    ///
    /// Any thread may call it, also after the function that got the message has returned.
    bool ack() const {
        if (number_ == 0) {
            return false;
        }
        const rmqtt_status_t status = rmqtt_delivery_ack(number_);
        if (status != RMQTT_OK && status != RMQTT_ERR_EXPIRED) {
            detail::fail("rmqtt_delivery_ack", status);
        }
        return status == RMQTT_OK;
    }

private:
    rmqtt_delivery_t number_ = 0;
};

class KeptMessage;

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
    /// The MQTT 5 properties. Nothing is in them if it has none.
    PropertiesView properties;
    /// What has to be acknowledged; none unless SubscribeOptions::manual_ack says so, and for QoS 0.
    Delivery delivery;
    /// The C struct that this is a view of, for rmqtt_message_retain(); null for none.
    const rmqtt_message_t *raw = nullptr;

    /// Keeps it beyond the function that it was handed to. Topic and payload are not copied, with one exception: those
    /// that a hook in place gets to see are.
    ///
    /// @return The same message, with the message expiry interval of now.
    /// @throws Error with `RMQTT_ERR_INVALID_ARGUMENT` if the library did not make it, and for faults of the library.
    ///
    /// In that function only; of a message that is kept, any time and on any thread.
    [[nodiscard]] KeptMessage keep() const;
};

/// A message that has been kept. It may be read by several threads at a time, outlives its broker if it must, and takes
/// the memory of its topic, payload and properties as long as it lives.
class KeptMessage {
public:
    /// No message.
    KeptMessage() noexcept = default;

    /// Whether there is one: not default constructed, moved from or reset.
    explicit operator bool() const noexcept { return handle_ != nullptr; }

    /// The message, if there is one. Its views live as long as this object, or the one that it is moved to.
    const Message &operator*() const noexcept { return message_; }
    const Message *operator->() const noexcept { return &message_; }

    /// Releases the message, if there is one.
    void reset() noexcept { handle_.reset(); }

private:
    friend struct Message;
    explicit KeptMessage(const rmqtt_message_t *kept) noexcept;

    std::unique_ptr<const rmqtt_message_t, detail::Deleter<&rmqtt_message_release>> handle_;
    Message message_;
};

/// Messages of one subscription, in order. At least one.
class Messages {
public:
    /// Goes through messages.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Message;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = Message;

        Message operator*() const noexcept;
        iterator &operator++() noexcept {
            ++at_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(at_++); }
        bool operator==(const iterator &other) const noexcept { return at_ == other.at_; }
        bool operator!=(const iterator &other) const noexcept { return at_ != other.at_; }

    private:
        friend class Messages;
        explicit iterator(const rmqtt_message_t *const *at) noexcept : at_(at) {}

        const rmqtt_message_t *const *at_;
    };

    /// Those at `first`.
    Messages(const rmqtt_message_t *const *first, std::size_t size) noexcept : first_(first), size_(size) {}

    iterator begin() const noexcept { return iterator(first_); }
    iterator end() const noexcept { return iterator(first_ + size_); }
    std::size_t size() const noexcept { return size_; }
    Message operator[](std::size_t index) const noexcept { return *iterator(first_ + index); }

private:
    const rmqtt_message_t *const *first_;
    std::size_t size_;
};

/// What has become of a message of this program.
struct PublishReport {
    /// How many receivers it was queued for: sessions of clients, and subscriptions of this program.
    std::uint64_t receivers = 0;
    /// How many of those have acknowledged it: clients with QoS 1 or 2, subscriptions of this program by the return of
    /// their function or Delivery::ack(). 0 before the last report.
    std::uint64_t acknowledged = 0;
    /// Receivers that were to acknowledge it, but have gone, or lost it to their full queue. 0 before the last report.
    std::uint64_t lost = 0;
    /// How far it has come.
    PublishStage stage = PublishStage::queued;
    /// Nothing more will be reported.
    bool last = false;
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
    /// Request response information: the client would like to be told where answers go.
    bool request_response_information = false;
    /// Request problem information: the client takes reason strings and user properties with every packet.
    bool request_problem_information = false;
    /// User properties of CONNECT.
    UserPropertiesView user_properties;
    /// Session expiry interval, or rmqtt::never. Before MQTT 5: 0 with clean session, else never.
    std::chrono::seconds session_expiry{0};
    /// The largest packet that the client takes, in bytes; 0 for no limit.
    std::uint32_t maximum_packet_size = 0;
    /// QoS 1 and 2 messages that the client takes at once, at least 1.
    std::uint16_t receive_maximum = 0;
    /// Topic aliases that the client takes.
    std::uint16_t topic_alias_maximum = 0;
    /// What is known of the connection.
    Connection connection;
};

/// A client authenticates in a way of its own, round by round: MQTT 5 enhanced authentication.
struct AuthExchangeEvent {
    /// Who.
    Client client;
    /// The authentication method of its CONNECT.
    std::string_view method;
    /// The authentication data of this round, if there is some: any bytes.
    std::optional<std::string_view> data;
    /// 1 for CONNECT, or for the AUTH that begins a re-authentication; one more for each AUTH that follows.
    std::uint32_t round = 0;
    /// Whether the client is connected already, and authenticates again.
    bool again = false;
    /// What is known of the connection; nothing with `again`.
    std::optional<Connection> connection;
};

/// A connection that has sent nothing yet in MQTT.
struct PreConnectEvent {
    /// Where it comes from, such as `192.0.2.1:49152`.
    std::string_view address;
    /// The name of the listener that accepted it.
    std::string_view listener;
    /// What is known of it so far.
    Connection connection;
    /// How far it has come.
    Stage stage = Stage::accepted;
};

/// A message is to be published.
struct PublishEvent {
    /// The message, with its publisher. Its origin is Origin::client, Origin::api, Origin::delayed for one of the program
    /// that is asked about when it is due, or Origin::will: a will is asked about when its client connects, and again when
    /// it is published.
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

/// A message is to be sent to a client for the first time.
struct ForwardEvent {
    /// Who is to get it.
    Client client;
    /// The message, with its publisher.
    Message message;
    /// The QoS that it is sent with: the lower one of the message's and the subscription's.
    std::uint8_t qos = 0;
    /// The retain flag that it is sent with.
    bool retain = false;
};

/// A CONNECT that could be read has been answered.
struct ConnackEvent {
    /// Who wanted to connect.
    Client client;
    /// The reason string, if there is one.
    std::optional<std::string_view> reason_string;
    /// The reason code of MQTT 5, whatever the client speaks: 0 if it is connected.
    std::uint8_t reason_code = 0;
    /// Whether the client finds the session that it had before.
    bool session_present = false;
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

/// A session has begun, changed hands, or is over.
struct SessionEvent {
    /// Hooks::session_created, Hooks::session_resumed: the connection that has the session. Hooks::session_taken_over:
    /// the connection that loses it. Hooks::session_terminated: the last connection that had it.
    Client client;
    /// Why it is over; for Hooks::session_terminated only.
    std::optional<SessionEnd> end;
};

/// A client has subscribed, or changed a subscription.
struct SubscribedEvent {
    /// Who.
    Client client;
    /// The topic filter, as in SUBSCRIBE.
    std::string_view filter;
    /// The filter whose messages it gets: that one, unless a hook has put another in its place.
    std::string_view granted;
    /// The subscription identifier; 0 for none.
    std::uint32_t identifier = 0;
    /// The highest QoS, as granted.
    std::uint8_t qos = 0;
    /// Not the messages that the client publishes itself.
    bool no_local = false;
    /// The retain flag as publishers set it.
    bool retain_as_published = false;
    /// As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
    std::uint8_t retain_handling = 0;
};

/// A client has unsubscribed. When its session ends, Hooks::session_terminated tells that all its subscriptions are
/// over.
struct UnsubscribedEvent {
    /// Who.
    Client client;
    /// The topic filter, as it was subscribed to.
    std::string_view filter;
};

/// A message is on its way to its receivers.
struct MessagePublishedEvent {
    /// The message, with what Hooks::authorize_publish has changed of it.
    Message message;
    /// How many sessions and subscriptions of this program it goes to.
    std::uint64_t receivers = 0;
};

/// A message is written to a client for the first time.
struct MessageDeliveredEvent {
    /// Who gets it.
    Client client;
    /// The message, with what Hooks::authorize_forward has changed of it.
    Message message;
    /// The QoS that it is sent with.
    std::uint8_t qos = 0;
    /// The retain flag that it is sent with.
    bool retain = false;
};

/// A client has acknowledged a message of QoS 1 with PUBACK, or one of QoS 2 with PUBREC.
struct MessageAckedEvent {
    /// Who has acknowledged it.
    Client client;
    /// The message.
    Message message;
    /// The QoS that it was sent with.
    std::uint8_t qos = 0;
    /// The reason code of the acknowledgement; from 0x80 on the client has refused the message.
    std::uint8_t reason_code = 0;
};

/// A message does not reach a receiver, or nobody at all.
struct MessageDroppedEvent {
    /// The client that does not get it; none if nobody does, or if a subscription of this program does not.
    std::optional<Client> client;
    /// The message.
    Message message;
    /// Why.
    DropCause cause = DropCause::refused;
};

/// The retained message of a topic has changed.
struct RetainedChangedEvent {
    /// The message that is retained now, that took the one before back, or that has expired.
    Message message;
    /// What has become of it.
    RetainedChange change = RetainedChange::set;
};

/// Somebody is the first to subscribe to a topic filter, or the last to give it up.
struct SubscriberEvent {
    /// The topic filter, without `$share/{group}/`.
    std::string_view filter;
    /// The client whose subscription it is; none for one of this program.
    std::optional<Client> client;
};

/// A listener is open, or closed.
struct ListenerEvent {
    /// The name.
    std::string_view name;
    /// The transport, such as "tcp".
    std::string_view type;
    /// Where it is bound, such as "127.0.0.1:1883".
    std::string_view address;
    /// The port of that address.
    std::uint16_t port = 0;
};

/// Something had to be refused because a limit of the broker as a whole is reached, or there is room again: a tenth of
/// the limit.
struct OverloadEvent {
    /// The limit.
    std::uint64_t limit = 0;
    /// Of what.
    Resource resource = Resource::connections;
    /// Whether it has begun; if not, it is over.
    bool begun = false;
};

/// Somebody is kept out from now on.
struct ClientBannedEvent {
    /// The address, client identifier or user name; of IPv6 the network, such as "2001:db8::/64".
    std::string_view value;
    /// What it is.
    BanKind kind = BanKind::ip;
    /// Why.
    BanCause cause = BanCause::api;
    /// How long; 0 until Broker::unban().
    std::chrono::milliseconds duration{0};
};

namespace detail {

/// Whether the library fills a field: one from before there was that field does not.
template <typename Struct, typename Field> bool reaches(const Struct &from, const Field &field) noexcept {
    return reinterpret_cast<const char *>(&field + 1) <= reinterpret_cast<const char *>(&from) + from.struct_size;
}

inline Client client(const rmqtt_client_t &from) noexcept {
    Client client;
    client.client_id = view(from.client_id);
    client.username = optional_view(from.username);
    client.address = view(from.address);
    client.listener = view(from.listener);
    client.node_id = from.node_id;
    client.serial = from.serial;
    client.protocol = from.protocol;
    client.superuser = from.superuser;
    return client;
}

inline std::optional<Client> optional_client(const rmqtt_client_t *from) noexcept {
    return from ? std::optional<Client>(client(*from)) : std::nullopt;
}

inline PropertiesView properties(const rmqtt_properties_t &from) noexcept {
    PropertiesView properties;
    properties.content_type = optional_view(from.content_type);
    properties.response_topic = optional_view(from.response_topic);
    properties.correlation_data = optional_view(from.correlation_data);
    properties.user_properties = UserPropertiesView(from.user_properties, from.user_property_count);
    if (from.has_message_expiry) {
        properties.message_expiry = std::chrono::seconds(from.message_expiry_s);
    }
    properties.payload_format_indicator = from.payload_format_indicator;
    return properties;
}

inline Message message(const rmqtt_message_t &from) noexcept {
    Message message;
    message.topic = view(from.topic);
    message.payload = view(from.payload);
    message.publisher = optional_client(from.publisher);
    message.origin = static_cast<Origin>(from.origin);
    message.qos = from.qos;
    message.retain = from.retain;
    if (reaches(from, from.properties) && from.properties) {
        message.properties = properties(*from.properties);
    }
    if (reaches(from, from.delivery)) {
        message.delivery = Delivery(from.delivery);
    }
    message.raw = &from;
    return message;
}

inline PublishReport report(const rmqtt_publish_report_t &from) noexcept {
    return {from.receivers, from.acknowledged, from.lost, static_cast<PublishStage>(from.stage), from.last};
}

inline AuthEvent event(const rmqtt_authenticate_t &from) noexcept {
    AuthEvent event;
    event.client = client(*from.client);
    event.password = optional_view(from.password);
    if (from.will) {
        event.will = message(*from.will);
    }
    event.keep_alive = std::chrono::seconds(from.keep_alive_s);
    event.clean_start = from.clean_start;
    event.request_response_information = from.request_response_information;
    event.request_problem_information = from.request_problem_information;
    if (reaches(from, from.topic_alias_maximum)) {
        event.user_properties = UserPropertiesView(from.user_properties, from.user_property_count);
        event.session_expiry = std::chrono::seconds(from.session_expiry_s);
        event.maximum_packet_size = from.maximum_packet_size;
        event.receive_maximum = from.receive_maximum;
        event.topic_alias_maximum = from.topic_alias_maximum;
    }
    if (reaches(from, from.connection) && from.connection) {
        event.connection = connection(*from.connection);
    }
    return event;
}

inline AuthExchangeEvent event(const rmqtt_auth_exchange_t &from) noexcept {
    AuthExchangeEvent event;
    event.client = client(*from.client);
    event.method = view(from.method);
    event.data = optional_view(from.data);
    event.round = from.round;
    event.again = from.again;
    if (reaches(from, from.connection) && from.connection) {
        event.connection = connection(*from.connection);
    }
    return event;
}

inline PreConnectEvent event(const rmqtt_pre_connect_t &from) noexcept {
    PreConnectEvent event;
    event.address = view(from.address);
    event.listener = view(from.listener);
    if (reaches(from, from.stage)) {
        event.connection = connection(*from.connection);
        event.stage = static_cast<Stage>(from.stage);
    }
    return event;
}

inline PublishEvent event(const rmqtt_authorize_publish_t &from) noexcept {
    return {message(*from.message)};
}

/// Of a subscription that is wanted, or that there is now.
template <typename Event, typename Struct> Event subscription(const Struct &from) noexcept {
    Event event;
    event.client = client(*from.client);
    event.filter = view(from.filter);
    event.identifier = from.identifier;
    event.qos = from.qos;
    event.no_local = from.no_local;
    event.retain_as_published = from.retain_as_published;
    event.retain_handling = from.retain_handling;
    return event;
}

inline SubscribeEvent event(const rmqtt_authorize_subscribe_t &from) noexcept {
    return subscription<SubscribeEvent>(from);
}

inline UnsubscribeEvent event(const rmqtt_authorize_unsubscribe_t &from) noexcept {
    return {client(*from.client), view(from.filter)};
}

inline ForwardEvent event(const rmqtt_authorize_forward_t &from) noexcept {
    return {client(*from.client), message(*from.message), from.qos, from.retain};
}

inline ConnackEvent event(const rmqtt_connack_t &from) noexcept {
    return {client(*from.client), optional_view(from.reason_string), from.reason_code, from.session_present};
}

inline ConnectedEvent event(const rmqtt_connected_t &from) noexcept {
    return {client(*from.client)};
}

inline DisconnectedEvent event(const rmqtt_disconnected_t &from) noexcept {
    return {client(*from.client), view(from.reason), static_cast<DisconnectedBy>(from.by), from.reason_code};
}

inline SessionEvent event(const rmqtt_session_event_t &from) noexcept {
    SessionEvent event;
    event.client = client(*from.client);
    if (from.end != 0) {
        event.end = static_cast<SessionEnd>(from.end);
    }
    return event;
}

inline SubscribedEvent event(const rmqtt_subscribed_t &from) noexcept {
    SubscribedEvent event = subscription<SubscribedEvent>(from);
    event.granted = view(from.granted);
    return event;
}

inline UnsubscribedEvent event(const rmqtt_unsubscribed_t &from) noexcept {
    return {client(*from.client), view(from.filter)};
}

inline MessagePublishedEvent event(const rmqtt_message_published_t &from) noexcept {
    return {message(*from.message), from.receivers};
}

inline MessageDeliveredEvent event(const rmqtt_message_delivered_t &from) noexcept {
    return {client(*from.client), message(*from.message), from.qos, from.retain};
}

inline MessageAckedEvent event(const rmqtt_message_acked_t &from) noexcept {
    return {client(*from.client), message(*from.message), from.qos, from.reason_code};
}

inline MessageDroppedEvent event(const rmqtt_message_dropped_t &from) noexcept {
    return {optional_client(from.client), message(*from.message), static_cast<DropCause>(from.cause)};
}

inline RetainedChangedEvent event(const rmqtt_retained_changed_t &from) noexcept {
    return {message(*from.message), static_cast<RetainedChange>(from.change)};
}

inline SubscriberEvent event(const rmqtt_subscriber_event_t &from) noexcept {
    return {view(from.filter), optional_client(from.client)};
}

inline ListenerEvent event(const rmqtt_listener_info_t &from) noexcept {
    return {view(from.name), view(from.type), view(from.address), from.port};
}

inline OverloadEvent event(const rmqtt_overload_t &from) noexcept {
    return {from.limit, static_cast<Resource>(from.resource), from.begun};
}

inline ClientBannedEvent event(const rmqtt_client_banned_t &from) noexcept {
    return {view(from.value), static_cast<BanKind>(from.kind), static_cast<BanCause>(from.cause),
            std::chrono::milliseconds(from.ban_ms)};
}

inline rmqtt_str_t optional_str(const std::optional<std::string> &text) noexcept {
    return text ? str(*text) : rmqtt_str_t();
}

inline void list(const std::vector<UserProperty> &from, std::vector<rmqtt_user_property_t> &to) {
    to.clear();
    for (const UserProperty &property : from) {
        to.push_back({str(property.name), str(property.value)});
    }
}

/// Writes properties as the library reads them. What is written points into them and into the writer, until either
/// changes.
class PropertiesWriter {
public:
    const rmqtt_properties_t &write(const Properties &from) {
        list(from.user_properties, user_properties_);
        properties_ = rmqtt_properties_init();
        properties_.content_type = optional_str(from.content_type);
        properties_.response_topic = optional_str(from.response_topic);
        if (from.correlation_data) {
            properties_.correlation_data = bytes(*from.correlation_data);
        }
        properties_.user_properties = user_properties_.data();
        properties_.user_property_count = user_properties_.size();
        if (from.message_expiry) {
            properties_.has_message_expiry = true;
            properties_.message_expiry_s = saturated<std::uint32_t>(from.message_expiry->count());
        }
        properties_.payload_format_indicator = from.payload_format_indicator;
        return properties_;
    }

private:
    std::vector<rmqtt_user_property_t> user_properties_;
    rmqtt_properties_t properties_{};
};

}  // namespace detail

inline KeptMessage Message::keep() const {
    if (!raw) {
        throw Error(RMQTT_ERR_INVALID_ARGUMENT, "the message is not one of the library");
    }
    const rmqtt_message_t *kept = rmqtt_message_retain(raw);
    if (!kept) {
        detail::fail("rmqtt_message_retain", RMQTT_ERR_PANIC);
    }
    return KeptMessage(kept);
}

inline KeptMessage::KeptMessage(const rmqtt_message_t *kept) noexcept
    : handle_(kept), message_(detail::message(*kept)) {}

inline Message Messages::iterator::operator*() const noexcept {
    return detail::message(**at_);
}

}  // namespace rmqtt

#endif  // RMQTT_EVENTS_HPP
