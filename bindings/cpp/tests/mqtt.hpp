// As much of an MQTT client as the scenarios need: CONNECT, PUBLISH with QoS 0 and 1 and what acknowledges messages,
// SUBSCRIBE and UNSUBSCRIBE with one filter, AUTH, what answers them, DISCONNECT.

#ifndef RMQTT_TESTS_MQTT_HPP
#define RMQTT_TESTS_MQTT_HPP

#include "check.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// A property of MQTT 5, encoded; several are strings put together.
inline std::string property_text(std::string_view text) {
    return std::string{static_cast<char>(text.size() >> 8), static_cast<char>(text.size() & 0xff)} + std::string(text);
}

inline std::string property(int id, std::string_view text) {
    return static_cast<char>(id) + property_text(text);
}

inline std::string property(int id, std::uint32_t number, int size) {
    std::string encoded(1, static_cast<char>(id));
    while (size-- > 0) {
        encoded += static_cast<char>(number >> (8 * size) & 0xff);
    }
    return encoded;
}

inline std::string user_property(std::string_view name, std::string_view value) {
    return '\x26' + property_text(name) + property_text(value);
}

// The properties of a packet, read.
class Properties {
public:
    Properties() = default;
    explicit Properties(const std::string &encoded) {
        for (std::size_t at = 0; at < encoded.size();) {
            const int id = static_cast<unsigned char>(encoded[at++]);
            std::string value;
            switch (id) {
            // 0x0b, a subscription identifier, is small in the scenarios.
            case 0x01: case 0x0b: case 0x17: case 0x19: case 0x24: case 0x25: case 0x28: case 0x29: case 0x2a:
                value = number(encoded, at, 1);
                break;
            case 0x13: case 0x21: case 0x22: case 0x23:
                value = number(encoded, at, 2);
                break;
            case 0x02: case 0x11: case 0x18: case 0x27:
                value = number(encoded, at, 4);
                break;
            case 0x26:
                value = text(encoded, at);
                value += '=' + text(encoded, at);
                break;
            default:
                value = text(encoded, at);
            }
            if (!all_.empty()) {
                all_ += ' ';
            }
            all_ += hex(id) + ':' + value;
        }
    }

    // Such as "03:text/plain 26:name=value", in the order of the packet.
    const std::string &all() const { return all_; }

    // Whether one of them is this one, such as "03:text/plain".
    bool have(std::string_view one) const {
        return (' ' + all_ + ' ').find(' ' + std::string(one) + ' ') != std::string::npos;
    }

private:
    static std::string number(const std::string &from, std::size_t &at, int size) {
        std::uint32_t number = 0;
        while (size-- > 0) {
            number = number << 8 | static_cast<unsigned char>(from.at(at++));
        }
        return std::to_string(number);
    }

    static std::string text(const std::string &from, std::size_t &at) {
        const std::size_t size = static_cast<unsigned char>(from.at(at)) << 8 | static_cast<unsigned char>(from.at(at + 1));
        CHECK(from.size() >= at + 2 + size);
        at += 2 + size;
        return from.substr(at - size, size);
    }

    static std::string hex(int id) {
        const char *digits = "0123456789abcdef";
        return {digits[id >> 4], digits[id & 15]};
    }

    std::string all_;
};

class Mqtt {
public:
    // Over a socket that is connected, which this closes.
    struct Socket {
        int fd;
    };
    explicit Mqtt(Socket connected) : socket_(connected.fd) {
        CHECK(socket_ >= 0);
        timeval patience{};
        patience.tv_sec = PATIENCE.count();
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    explicit Mqtt(std::uint16_t port) : Mqtt(Socket{::socket(AF_INET, SOCK_STREAM, 0)}) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CHECK(::connect(socket_, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0);
    }
    ~Mqtt() { ::close(socket_); }
    Mqtt(const Mqtt &) = delete;
    Mqtt &operator=(const Mqtt &) = delete;

    struct Options {
        std::string_view client_id = "client";
        std::optional<std::string_view> username = std::nullopt;
        std::optional<std::string_view> password = std::nullopt;
        std::optional<std::string_view> will_topic = std::nullopt;
        std::string_view will_payload = {};
        char protocol = 4;
        bool clean_start = true;
        // Of MQTT 5, encoded.
        std::string properties = {};
        std::string will_properties = {};
    };

    void send_connect(const Options &options) {
        protocol_ = options.protocol;
        unsigned flags = options.clean_start ? 0x02 : 0;
        std::string payload = text(options.client_id);
        if (options.will_topic) {
            flags |= 0x04;
            payload += properties(options.will_properties) + text(*options.will_topic) + text(options.will_payload);
        }
        if (options.username) {
            flags |= 0x80;
            payload += text(*options.username);
        }
        if (options.password) {
            flags |= 0x40;
            payload += text(*options.password);
        }
        const std::string body = text("MQTT") + options.protocol + static_cast<char>(flags) + std::string("\0\x3c", 2);
        send(0x10, body + properties(options.properties) + payload);
    }

    // The reason code of CONNACK; -1 if the connection ends without one. Keeps whether there is a session, and the
    // properties.
    int read_connack() {
        std::string body;
        if (!read_any(body)) {
            return -1;
        }
        CHECK_EQ(type_, 0x20);
        CHECK(body.size() >= 2);
        session_present_ = body[0] != 0;
        keep_properties(body, 2);
        return static_cast<unsigned char>(body[1]);
    }

    // Of the last CONNACK.
    bool session_present() const { return session_present_; }

    // The properties of the last packet that answered something.
    const Properties &told() const { return told_; }

    // The reason string of that packet, which has no other property; empty if there was none.
    std::string reason() const {
        const std::string &all = told_.all();
        CHECK(all.empty() || all.substr(0, 3) == "1f:");
        return all.empty() ? all : all.substr(3);
    }

    int connect(const Options &options) {
        send_connect(options);
        return read_connack();
    }

    void publish(std::string_view topic, std::string_view payload, const std::string &with = {}, bool retain = false) {
        send(retain ? 0x31 : 0x30, text(topic) + properties(with) + std::string(payload));
    }

    void send_publish_1(std::string_view topic, std::string_view payload, const std::string &with = {}) {
        send(0x32, text(topic) + ID + properties(with) + std::string(payload));
    }

    // The reason code of PUBACK. Keeps the properties.
    int read_puback() {
        const std::string body = read_packet(0x40);
        told_ = Properties();
        if (body.size() <= ID.size()) {
            return 0;
        }
        keep_properties(body, 3);
        return static_cast<unsigned char>(body[2]);
    }

    int publish_1(std::string_view topic, std::string_view payload, const std::string &with = {}) {
        send_publish_1(topic, payload, with);
        return read_puback();
    }

    // The reason code of SUBACK. Keeps the properties.
    int subscribe(std::string_view filter, char qos) {
        send(0x82, ID + properties({}) + text(filter) + qos);
        return read_answer(0x90);
    }

    // The reason code of UNSUBACK, which has one in MQTT 5 only. Keeps the properties.
    int unsubscribe(std::string_view filter) {
        send(0xa2, ID + properties({}) + text(filter));
        return read_answer(0xb0);
    }

    struct Message {
        std::string topic;
        std::string payload;
        int qos;
        bool retain;
        std::string packet_id;
        Properties properties;
    };

    // The next message, which is not acknowledged.
    Message read_message() {
        const std::string body = read_packet(0x30);
        Message message;
        message.qos = (flags_ >> 1) & 3;
        message.retain = flags_ & 1;
        const std::size_t length = static_cast<unsigned char>(body.at(0)) << 8 | static_cast<unsigned char>(body.at(1));
        std::size_t at = 2 + length;
        message.topic = body.substr(2, length);
        if (message.qos > 0) {
            message.packet_id = body.substr(at, ID.size());
            at += ID.size();
        }
        if (protocol_ == 5) {
            const std::size_t size = length_at(body, at);
            message.properties = Properties(body.substr(at, size));
            at += size;
        }
        message.payload = body.substr(at);
        return message;
    }

    // The topic, the payload and the QoS of the next message, which is not acknowledged.
    std::string read_publish() {
        const Message message = read_message();
        return message.topic + '|' + message.payload + '|' + std::to_string(message.qos);
    }

    // PUBACK, or PUBREC for QoS 2, to the end of the exchange.
    void acknowledge(const Message &message, int reason_code = 0) {
        CHECK(message.qos > 0);
        const std::string reason = protocol_ == 5 ? std::string(1, static_cast<char>(reason_code)) : std::string();
        send(message.qos == 1 ? 0x40 : 0x50, message.packet_id + reason);
        if (message.qos == 2 && reason_code < 0x80) {
            read_packet(0x60);
            send(0x70, message.packet_id);
        }
    }

    // AUTH with a reason code and properties.
    void send_auth(int reason_code, const std::string &with) {
        send(0xf0, static_cast<char>(reason_code) + properties(with));
    }

    // The reason code of AUTH. Keeps the properties.
    int read_auth() {
        const std::string body = read_packet(0xf0);
        keep_properties(body, 1);
        return static_cast<unsigned char>(body[0]);
    }

    // The reason code of DISCONNECT.
    int read_disconnect() { return static_cast<unsigned char>(read_packet(0xe0).at(0)); }

    // Whether the broker ends the connection without a word.
    bool closed() { return read(1).empty(); }

    // Leaves the connection open: the broker is the one to close it.
    void disconnect() {
        send(0xe0, "");
        CHECK(read(1).empty());
    }

private:
    // Every packet that needs an identifier is answered before the next one is sent.
    inline static const std::string ID{'\0', '\x01'};

    // With their length, which MQTT 5 always has.
    std::string properties(const std::string &encoded) const {
        CHECK(protocol_ == 5 || encoded.empty());
        return protocol_ == 5 ? length(encoded.size()) + encoded : std::string();
    }

    // Reads the properties at `at`, which may be missing with their length.
    void keep_properties(const std::string &body, std::size_t at) {
        told_ = Properties();
        if (protocol_ == 5 && at < body.size()) {
            const std::size_t size = length_at(body, at);
            told_ = Properties(body.substr(at, size));
        }
    }

    int read_answer(int type) {
        const std::string body = read_packet(type);
        keep_properties(body, ID.size());
        return static_cast<unsigned char>(body.back());
    }

    // What follows the header of the next packet; false if the connection ends. Keeps type and flags.
    bool read_any(std::string &body) {
        const std::string header = read(1);
        if (header.empty()) {
            return false;
        }
        type_ = static_cast<unsigned char>(header[0]) & 0xf0;
        flags_ = header[0] & 0x0f;
        std::string size;
        do {
            size += read(1);
            CHECK(!size.empty());
        } while (size.back() < 0);
        std::size_t at = 0;
        body = read(length_at(size, at));
        return true;
    }

    // What follows the header of the next packet, which has to be of that type.
    std::string read_packet(int type) {
        std::string body;
        CHECK(read_any(body));
        CHECK_EQ(type_, type);
        CHECK(!body.empty());
        return body;
    }

    static std::string text(std::string_view text) { return property_text(text); }

    // A length of up to two bytes.
    static std::string length(std::size_t length) {
        CHECK(length < 128 * 128);
        const std::string low(1, static_cast<char>(length & 0x7f));
        return length < 128 ? low : std::string{static_cast<char>(low[0] | 0x80), static_cast<char>(length >> 7)};
    }

    static std::size_t length_at(const std::string &from, std::size_t &at) {
        std::size_t length = 0;
        for (int shift = 0;; shift += 7) {
            const auto byte = static_cast<unsigned char>(from.at(at++));
            length |= static_cast<std::size_t>(byte & 0x7f) << shift;
            if (byte < 0x80) {
                return length;
            }
        }
    }

    void send(unsigned char type, const std::string &body) {
        const std::string packet = static_cast<char>(type) + length(body.size()) + body;
        CHECK_EQ(::send(socket_, packet.data(), packet.size(), MSG_NOSIGNAL), static_cast<ssize_t>(packet.size()));
    }

    std::string read(std::size_t count) {
        std::string bytes;
        while (bytes.size() < count) {
            char buffer[256];
            const ssize_t got = ::recv(socket_, buffer, std::min(sizeof buffer, count - bytes.size()), 0);
            if (got <= 0) {
                break;
            }
            bytes.append(buffer, static_cast<std::size_t>(got));
        }
        return bytes;
    }

    int socket_;
    char protocol_ = 4;
    int type_ = 0;
    int flags_ = 0;
    bool session_present_ = false;
    Properties told_;
};

#endif
