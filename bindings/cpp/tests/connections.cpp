// What hooks see of a connection besides its address. With the directory that tests/certificates.sh has filled in
// RMQTT_CERTIFICATES.

#include <rmqtt.hpp>

#include "check.hpp"
#include "mqtt.hpp"
#include "scenario.hpp"
#include "tls_client.h"

#include <sys/un.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

// All that is known, one word or two for each.
std::string text_of(const rmqtt::Connection &connection) {
    std::ostringstream text;
    const auto add = [&](const char *name, const auto &value) {
        if (value) {
            text << ' ' << name << '=' << *value;
        }
    };
    text << connection.transport;
    add("proxy", connection.proxy_address);
    add("authority", connection.proxy_authority);
    add("proxy_alpn", connection.proxy_alpn);
    add("proxy_tls", connection.proxy_tls_version);
    add("proxy_cn", connection.proxy_common_name);
    add("proxy_id", connection.proxy_unique_id);
    add("tls", connection.tls_version);
    add("server", connection.server_name);
    add("alpn", connection.alpn);
    add("pid", connection.pid);
    add("uid", connection.uid);
    add("gid", connection.gid);
    if (connection.certificate) {
        text << " certificate=" << connection.certificate->subject;
    }
    return text.str();
}

// Hooks that tell what they see, and let everybody in.
rmqtt::Hooks onlookers(Told &told) {
    rmqtt::Hooks hooks;
    hooks.pre_connect = [&](const rmqtt::PreConnectEvent &event) {
        const bool accepted = event.stage == rmqtt::Stage::accepted;
        CHECK(accepted || event.stage == rmqtt::Stage::established);
        told.add((accepted ? "accepted " : "established ") + text_of(event.connection));
        return rmqtt::Verdict::allow;
    };
    hooks.authenticate = [&](const rmqtt::AuthEvent &event) {
        told.add(std::string(event.client.username.value_or("-")) + ' ' + text_of(event.connection));
        return rmqtt::Verdict::allow;
    };
    hooks.auth_exchange = [&](const rmqtt::AuthExchangeEvent &event) {
        told.add("exchange " + (event.connection ? text_of(*event.connection) : std::string("-")));
        return rmqtt::Verdict::allow;
    };
    return hooks;
}

void tcp() {
    Told told;
    rmqtt::Broker broker = started(onlookers(told));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect({}), 0);
    CHECK_EQ(told.next(), "accepted tcp");
    CHECK_EQ(told.next(), "- tcp");
    CHECK_EQ(broker.stats().handshakes_failed, 0u);

    Mqtt attached(Mqtt::Socket{broker.connect_pair()});
    CHECK_EQ(attached.connect(v5("attached")), 0);
    CHECK_EQ(told.next(), "accepted attached");
    CHECK_EQ(told.next(), "- attached");
}

void exchanges() {
    Told told;
    rmqtt::Broker broker = started(onlookers(told));
    Mqtt::Options options = v5();
    options.properties = property(0x15, "riddle");
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(options), 0);
    CHECK_EQ(told.next(), "accepted tcp");
    CHECK_EQ(told.next(), "exchange tcp");
    client.send_auth(0x19, options.properties);
    CHECK_EQ(client.read_auth(), 0);
    CHECK_EQ(told.next(), "exchange -");
}

void unix_sockets() {
    Told told;
    char directory[] = "/tmp/rmqtt-XXXXXX";
    CHECK(::mkdtemp(directory));
    const std::string path = std::string(directory) + "/mqtt";
    rmqtt::Broker broker(R"({"listeners": [{"type": "unix", "path": ")" + path + R"("}]})", onlookers(told));
    broker.start();
    const rmqtt::Listener listener = broker.listeners().at(0);
    CHECK_EQ(listener.type, "unix");
    CHECK_EQ(listener.address, path);

    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    CHECK(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    Mqtt client(Mqtt::Socket{fd});
    CHECK_EQ(::connect(fd, reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
    CHECK_EQ(client.connect({}), 0);
    const std::string here = "unix pid=" + std::to_string(::getpid()) + " uid=" + std::to_string(::getuid()) +
                             " gid=" + std::to_string(::getgid());
    CHECK_EQ(told.next(), "accepted " + here);
    CHECK_EQ(told.next(), "- " + here);
    broker.stop();
    ::unlink(path.c_str());
    ::rmdir(directory);
}

std::string certificates() {
    const char *directory = std::getenv("RMQTT_CERTIFICATES");
    CHECK(directory);
    return directory;
}

std::string content(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    CHECK(file.is_open());
    return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string tls_config() {
    const std::string directory = certificates();
    return R"({"listeners": [{"type": "tls", "address": "127.0.0.1:0", "tls": {
                 "cert_file": ")" + directory + R"(/server.pem", "key_file": ")" + directory + R"(/server.key",
                 "client_ca_file": ")" + directory + R"(/authority.pem", "client_auth": "required",
                 "username_from": "cn"}}]})";
}

// A connection through openssl, with the certificate of that name; empty for none.
class Tls {
public:
    Tls(std::uint16_t port, const std::string &name) {
        const std::string directory = certificates();
        const std::string authority = directory + "/authority.pem";
        const std::string certificate = directory + '/' + name + ".pem";
        const std::string key = directory + '/' + name + ".key";
        std::vector<const char *> options = {"-CAfile", authority.c_str(), "-verify_return_error", "-servername",
                                             "localhost", "-alpn", "mqtt"};
        if (!name.empty()) {
            options.insert(options.end(), {"-cert", certificate.c_str(), "-key", key.c_str()});
        }
        options.push_back(nullptr);
        client_ = tls_client_start(port, options.data(), static_cast<int>(PATIENCE.count()));
        CHECK(client_.process > 0);
    }
    ~Tls() { tls_client_end(client_); }
    Tls(const Tls &) = delete;
    Tls &operator=(const Tls &) = delete;

    // To be closed by the caller.
    Mqtt::Socket socket() const { return {::dup(client_.fd)}; }

private:
    tls_client client_;
};

void tls_with_a_certificate() {
    // Subject, issuer, serial number, fingerprint, beginning and end, as openssl sees them.
    std::istringstream lines(content(certificates() + "/pump.facts"));
    std::vector<std::string> facts;
    for (std::string line; std::getline(lines, line);) {
        facts.push_back(line);
    }
    CHECK_EQ(facts.size(), 6u);
    const std::string der = content(certificates() + "/pump.der");

    Told told;
    rmqtt::Hooks hooks = onlookers(told);
    hooks.authenticate = [&](const rmqtt::AuthEvent &event) -> rmqtt::Answer {
        CHECK(event.connection.certificate);
        const rmqtt::Certificate &certificate = *event.connection.certificate;
        CHECK_EQ(certificate.subject, facts[0]);
        CHECK_EQ(certificate.common_name.value_or("-"), "pump-7");
        CHECK_EQ(certificate.issuer, facts[1]);
        CHECK_EQ(certificate.serial, facts[2]);
        CHECK_EQ(certificate.sha256, facts[3]);
        CHECK_EQ(std::to_string(certificate.not_before.time_since_epoch().count()), facts[4]);
        CHECK_EQ(std::to_string(certificate.not_after.time_since_epoch().count()), facts[5]);
        CHECK(certificate.der == der);
        std::string names;
        for (const std::string_view name : certificate.alternative_names) {
            names += std::string(name) + ' ';
        }
        CHECK_EQ(names, "DNS:pump-7.example IP:192.0.2.1 URI:urn:pump:7 email:pump@example.com ");
        CHECK_EQ(certificate.alternative_names.size(), certificate.alternative_names.copy().size());
        CHECK_EQ(event.connection.cipher_suite.value_or("-").substr(0, 4), "TLS_");
        told.add(std::string(event.client.username.value_or("-")));
        return rmqtt::Verdict::allow;
    };
    hooks.callback_failed = [&](std::string_view, std::exception_ptr exception) { told.add(message_of(exception)); };
    rmqtt::Broker broker = started(std::move(hooks), tls_config().c_str());
    const Tls tls(port(broker), "pump");
    Mqtt client(tls.socket());
    CHECK_EQ(client.connect(v5()), 0);
    CHECK_EQ(told.next(), "accepted tls");
    CHECK_EQ(told.next(), "established tls tls=1.3 server=localhost alpn=mqtt certificate=CN=pump-7,O=Plant");
    CHECK_EQ(told.next(), "pump-7");
    CHECK_EQ(broker.stats().handshakes_failed, 0u);
}

void tls_without_one() {
    Told told;
    rmqtt::Broker broker = started(onlookers(told), tls_config().c_str());
    const Tls tls(port(broker), "");
    CHECK(Mqtt(tls.socket()).closed());
    CHECK_EQ(told.next(), "accepted tls");
    UNTIL(broker.stats().handshakes_failed == 1);
    CHECK(told.empty());
}

const Scenario SCENARIOS[] = {
    SCENARIO(tcp),
    SCENARIO(exchanges),
    SCENARIO(unix_sockets),
    SCENARIO(tls_with_a_certificate),
    SCENARIO(tls_without_one),
};

}  // namespace

int main(int argc, char **argv) {
    return run(SCENARIOS, argc, argv);
}
