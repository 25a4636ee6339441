/*
 * What is known of a connection besides its address: views, which end with the hook that gets them. Programs include
 * rmqtt.hpp.
 */

#ifndef RMQTT_CONNECTION_HPP
#define RMQTT_CONNECTION_HPP

#include <rmqtt/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace rmqtt {

/// How far a connection has come. A number without a name is one of a later version.
enum class Stage : std::int32_t {
    accepted = RMQTT_STAGE_ACCEPTED,        ///< It has been accepted. Nothing has been read but the header of the PROXY
                                            ///< protocol, where there is one.
    established = RMQTT_STAGE_ESTABLISHED,  ///< The handshakes of TLS, WebSocket and QUIC are over. Only for listeners
                                            ///< that have one.
};

/// A point in time in whole seconds, which reach to the year 9999. Nanoseconds do not: compare it with
/// `std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now())`.
using Time = std::chrono::time_point<std::chrono::system_clock, std::chrono::seconds>;

/// Texts in their order.
class TextsView {
public:
    /// Goes through texts.
    class iterator {
    public:
        using iterator_category = std::input_iterator_tag;
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;
        using pointer = void;
        using reference = std::string_view;

        std::string_view operator*() const noexcept { return detail::view(*at_); }
        iterator &operator++() noexcept {
            ++at_;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(at_++); }
        bool operator==(const iterator &other) const noexcept { return at_ == other.at_; }
        bool operator!=(const iterator &other) const noexcept { return at_ != other.at_; }

    private:
        friend class TextsView;
        explicit iterator(const rmqtt_str_t *at) noexcept : at_(at) {}

        const rmqtt_str_t *at_;
    };

    /// None.
    TextsView() noexcept = default;
    /// Those at `first`.
    TextsView(const rmqtt_str_t *first, std::size_t size) noexcept : first_(first), size_(size) {}

    iterator begin() const noexcept { return iterator(first_); }
    iterator end() const noexcept { return iterator(first_ + size_); }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }

    /// All of them, to be kept.
    std::vector<std::string> copy() const { return std::vector<std::string>(begin(), end()); }

private:
    const rmqtt_str_t *first_ = nullptr;
    std::size_t size_ = 0;
};

/// A certificate that a client has shown, and that has been verified.
struct Certificate {
    /// The subject, as RFC 4514 writes it: `CN=pump-7,O=Plant`.
    std::string_view subject;
    /// The common name of the subject, if it has one.
    std::optional<std::string_view> common_name;
    /// The issuer, written as the subject.
    std::string_view issuer;
    /// The serial number: hexadecimal digits in lower case, two for each octet.
    std::string_view serial;
    /// The SHA-256 fingerprint: 64 hexadecimal digits in lower case.
    std::string_view sha256;
    /// The subject alternative names, each with its kind: `DNS:pump-7.example`, `IP:192.0.2.1`, `URI:urn:pump:7`,
    /// `email:pump@example.com`. Names of other kinds are in `der` only.
    TextsView alternative_names;
    /// When it begins to be valid.
    Time not_before;
    /// When it ceases to be valid.
    Time not_after;
    /// The certificate itself, DER.
    std::string_view der;
};

/// What is known of a connection besides its address, before its client has said anything in MQTT.
struct Connection {
    /// The transport: "tcp", "tls", "ws", "wss", "quic", "unix", or "attached" for a connection that the program has
    /// brought.
    std::string_view transport;
    /// The load balancer or reverse proxy that has told of the client's address, if one has.
    std::optional<std::string_view> proxy_address;
    /// PROXY protocol version 2: the server that the client has named (SNI), if that was told; so with the four below.
    std::optional<std::string_view> proxy_authority;
    /// PROXY protocol version 2: the application protocol (ALPN).
    std::optional<std::string_view> proxy_alpn;
    /// PROXY protocol version 2: the version of TLS, as the load balancer spells it.
    std::optional<std::string_view> proxy_tls_version;
    /// PROXY protocol version 2: the common name of the client's certificate, if the load balancer has verified it.
    std::optional<std::string_view> proxy_common_name;
    /// PROXY protocol version 2: what identifies the connection: any bytes.
    std::optional<std::string_view> proxy_unique_id;
    /// The version of TLS, "1.2" or "1.3", if there is TLS and its handshake is over; so with the three below.
    std::optional<std::string_view> tls_version;
    /// The cipher suite, as IANA spells it, such as "TLS_AES_128_GCM_SHA256".
    std::optional<std::string_view> cipher_suite;
    /// The server that the client has named (SNI), if it has.
    std::optional<std::string_view> server_name;
    /// The application protocol agreed on (ALPN), if the client has offered some.
    std::optional<std::string_view> alpn;
    /// The certificate of the client, if it has shown one.
    std::optional<Certificate> certificate;
    /// Unix sockets: the process at the other end when it connected, if that is known.
    std::optional<std::int32_t> pid;
    /// Unix sockets: the user that it ran as, if that is known.
    std::optional<std::uint32_t> uid;
    /// Unix sockets: its group, if that is known.
    std::optional<std::uint32_t> gid;
};

namespace detail {

inline Certificate certificate(const rmqtt_certificate_t &from) noexcept {
    Certificate certificate;
    certificate.subject = view(from.subject);
    certificate.common_name = optional_view(from.common_name);
    certificate.issuer = view(from.issuer);
    certificate.serial = view(from.serial);
    certificate.sha256 = view(from.sha256);
    certificate.alternative_names = TextsView(from.alternative_names, from.alternative_name_count);
    certificate.not_before = Time(std::chrono::seconds(from.not_before_s));
    certificate.not_after = Time(std::chrono::seconds(from.not_after_s));
    certificate.der = view(from.der);
    return certificate;
}

inline Connection connection(const rmqtt_connection_t &from) noexcept {
    // In the place of a number of the system that is not known.
    constexpr std::uint32_t unknown = 0xffffffff;
    Connection connection;
    connection.transport = view(from.transport);
    connection.proxy_address = optional_view(from.proxy_address);
    connection.proxy_authority = optional_view(from.proxy_authority);
    connection.proxy_alpn = optional_view(from.proxy_alpn);
    connection.proxy_tls_version = optional_view(from.proxy_tls_version);
    connection.proxy_common_name = optional_view(from.proxy_common_name);
    connection.proxy_unique_id = optional_view(from.proxy_unique_id);
    connection.tls_version = optional_view(from.tls_version);
    connection.cipher_suite = optional_view(from.cipher_suite);
    connection.server_name = optional_view(from.server_name);
    connection.alpn = optional_view(from.alpn);
    if (from.certificate) {
        connection.certificate = certificate(*from.certificate);
    }
    if (from.pid != -1) {
        connection.pid = from.pid;
    }
    if (from.uid != unknown) {
        connection.uid = from.uid;
    }
    if (from.gid != unknown) {
        connection.gid = from.gid;
    }
    return connection;
}

}  // namespace detail

}  // namespace rmqtt

#endif  // RMQTT_CONNECTION_HPP
