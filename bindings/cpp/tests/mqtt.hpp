// As much of an MQTT client as the scenarios need: CONNECT, PUBLISH with QoS 0 and 1, SUBSCRIBE and
// UNSUBSCRIBE with one filter, what answers them, DISCONNECT.

#ifndef RMQTT_TESTS_MQTT_HPP
#define RMQTT_TESTS_MQTT_HPP

#include "check.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

class Mqtt {
public:
    explicit Mqtt(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
        CHECK(socket_ >= 0);
        timeval patience{};
        patience.tv_sec = PATIENCE.count();
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(socket_, reinterpret_cast<const sockaddr *>(&address), sizeof address) != 0) {
            ::close(socket_);
            failed(__FILE__, __LINE__, "no connection");
        }
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
    };

    void send_connect(const Options &options) {
        protocol_ = options.protocol;
        unsigned flags = 0x02;
        std::string payload = text(options.client_id);
        if (options.protocol == 5) {
            // Properties of the will stand before it.
            CHECK(!options.will_topic);
        }
        if (options.will_topic) {
            flags |= 0x04;
            payload += text(*options.will_topic) + text(options.will_payload);
        }
        if (options.username) {
            flags |= 0x80;
            payload += text(*options.username);
        }
        if (options.password) {
            flags |= 0x40;
            payload += text(*options.password);
        }
        std::string body = text("MQTT") + options.protocol + static_cast<char>(flags) + std::string("\0\x3c", 2);
        if (options.protocol == 5) {
            body += '\0';
        }
        send(0x10, body + payload);
    }

    // The reason code of CONNACK; -1 if the connection ends without one. Keeps the reason string.
    int read_connack() {
        reason_.clear();
        std::string header = read(2);
        if (header.size() < 2) {
            return -1;
        }
        CHECK_EQ(static_cast<int>(header[0]), 0x20);
        const std::string connack = read(static_cast<unsigned char>(header[1]));
        CHECK(connack.size() >= 2);
        const int code = static_cast<unsigned char>(connack[1]);
        if (code >= 0x80) {
            keep_reason(connack, 2);
        }
        return code;
    }

    // The reason string of the last CONNACK or PUBACK; empty if there was none.
    const std::string &reason() const { return reason_; }

    int connect(const Options &options) {
        send_connect(options);
        return read_connack();
    }

    void publish(std::string_view topic, std::string_view payload) {
        send(0x30, text(topic) + properties() + std::string(payload));
    }

    void send_publish_1(std::string_view topic, std::string_view payload) {
        send(0x32, text(topic) + ID + properties() + std::string(payload));
    }

    // The reason code of PUBACK. Keeps the reason string.
    int read_puback() {
        reason_.clear();
        const std::string body = read_packet(0x40);
        if (body.size() <= ID.size()) {
            return 0;
        }
        keep_reason(body, 3);
        return static_cast<unsigned char>(body[2]);
    }

    int publish_1(std::string_view topic, std::string_view payload) {
        send_publish_1(topic, payload);
        return read_puback();
    }

    // The reason code of SUBACK.
    int subscribe(std::string_view filter, char qos) {
        send(0x82, ID + properties() + text(filter) + qos);
        return static_cast<unsigned char>(read_packet(0x90).back());
    }

    // The reason code of UNSUBACK, which has one in MQTT 5 only.
    int unsubscribe(std::string_view filter) {
        send(0xa2, ID + properties() + text(filter));
        return static_cast<unsigned char>(read_packet(0xb0).back());
    }

    // The topic, the payload and the QoS of the next message, which is not acknowledged.
    std::string read_publish() {
        const std::string body = read_packet(0x30);
        const int qos = (flags_ >> 1) & 3;
        // No packet here is longer than what one byte tells.
        const std::size_t length = static_cast<unsigned char>(body.at(1));
        const std::size_t rest = 2 + length + (qos > 0 ? ID.size() : 0) + properties().size();
        return body.substr(2, length) + '|' + body.substr(rest) + '|' + std::to_string(qos);
    }

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

    // None, which MQTT 5 has to say.
    std::string properties() const { return protocol_ == 5 ? std::string(1, '\0') : std::string(); }

    // The reason string of a refusal, which has no other property: their length, the identifier, the length of the
    // text, the text.
    void keep_reason(const std::string &body, std::size_t at) {
        if (body.size() > at + 1) {
            CHECK(body.size() >= at + 4);
            CHECK_EQ(static_cast<int>(body[at + 1]), 0x1f);
            reason_ = body.substr(at + 4);
            CHECK_EQ(text(reason_), body.substr(at + 2));
        }
    }

    // What follows the header of the next packet, which has to be of that type; keeps the flags of the header.
    std::string read_packet(int type) {
        const std::string header = read(2);
        CHECK_EQ(header.size(), 2u);
        CHECK_EQ(static_cast<unsigned char>(header[0]) & 0xf0, type);
        CHECK(static_cast<unsigned char>(header[1]) < 128);
        flags_ = header[0] & 0x0f;
        const std::string body = read(static_cast<unsigned char>(header[1]));
        CHECK(body.size() >= ID.size());
        return body;
    }

    static std::string text(std::string_view text) {
        return std::string{static_cast<char>(text.size() >> 8), static_cast<char>(text.size() & 0xff)} +
               std::string(text);
    }

    void send(unsigned char type, const std::string &body) {
        CHECK(body.size() < 128);
        const std::string packet =
            std::string{static_cast<char>(type), static_cast<char>(body.size())} + body;
        CHECK_EQ(::send(socket_, packet.data(), packet.size(), MSG_NOSIGNAL), static_cast<ssize_t>(packet.size()));
    }

    std::string read(std::size_t count) {
        std::string bytes;
        while (bytes.size() < count) {
            char buffer[256];
            const ssize_t got = ::recv(socket_, buffer, count - bytes.size(), 0);
            if (got <= 0) {
                break;
            }
            bytes.append(buffer, static_cast<std::size_t>(got));
        }
        return bytes;
    }

    int socket_;
    char protocol_ = 4;
    int flags_ = 0;
    std::string reason_;
};

#endif
