// Another configuration for a broker that runs.

#include <rmqtt.hpp>

#include "check.hpp"
#include "mqtt.hpp"
#include "scenario.hpp"

#include <string>

namespace {

// One listener for everyone, and more.
std::string config(const std::string &more_listeners = {}, const std::string &more = {}) {
    return R"({"listeners": [{"name": "main", "address": "127.0.0.1:0"})" + more_listeners +
           R"(], "auth": {"allow_anonymous": true})" + more + '}';
}

std::string report(const char *applied, const char *needs_restart, const char *closed) {
    return std::string(R"({"applied":[)") + applied + R"(],"needs_restart":[)" + needs_restart +
           R"(],"rejected":[],"closed":[)" + closed + "]}";
}

void a_limit_holds_at_once() {
    rmqtt::Broker broker = started({}, config({}, R"(, "limits": {"max_connections": 1})").c_str());
    Mqtt client(port(broker));
    CHECK_EQ(client.connect({"first"}), 0);
    CHECK(Mqtt(port(broker)).closed());
    CHECK_EQ(broker.reload(config({}, R"(, "limits": {"max_connections": 2})")),
             report(R"("/limits/max_connections")", "", ""));
    CHECK_EQ(Mqtt(port(broker)).connect({"second"}), 0);
    CHECK_EQ(client.subscribe("a", 0), 0);
}

void listeners_come_and_go() {
    rmqtt::Broker broker = started({}, config().c_str());
    const std::uint16_t first = port(broker);
    CHECK_EQ(broker.reload(config(R"(, {"name": "more", "address": "127.0.0.1:0"})")),
             report(R"("/listeners/1")", "", ""));
    CHECK_EQ(broker.listeners().size(), 2u);
    CHECK_EQ(port(broker), first);
    Mqtt client(broker.listeners().at(1).port);
    CHECK_EQ(client.connect({}), 0);
    CHECK_EQ(broker.reload(config()), report(R"("/listeners")", "", R"("more")"));
    CHECK_EQ(broker.listeners().size(), 1u);
    CHECK_EQ(client.subscribe("a", 0), 0);
}

void some_of_it_waits() {
    rmqtt::Broker broker = started({}, config().c_str());
    CHECK_EQ(broker.reload(config({}, R"(, "callbacks": {"threads": 3})")), report("", R"("/callbacks/threads")", ""));
}

void what_is_refused_changes_nothing() {
    rmqtt::Broker broker = started({}, config().c_str());
    Mqtt client(port(broker));
    CHECK_EQ(client.connect({}), 0);
    const rmqtt::Error faulty = ERROR_OF(broker.reload(config({}, R"(, "colour": 1, "limits": {"max_qos": 3})")));
    CHECK_EQ(faulty.code(), RMQTT_ERR_INVALID_CONFIG);
    CHECK_EQ(faulty.faults().size(), 2u);
    std::string pointers;
    for (const rmqtt::Fault &fault : faulty.faults()) {
        pointers += fault.pointer + ' ';
    }
    CHECK(pointers.find("/colour ") != std::string::npos && pointers.find("/limits/max_qos ") != std::string::npos);

    rmqtt::Broker other = started();
    const std::string taken = R"(, {"name": "more", "address": "127.0.0.1:)" + std::to_string(port(other)) + R"("})";
    const rmqtt::Error bound = ERROR_OF(broker.reload(config(taken)));
    CHECK_EQ(bound.code(), RMQTT_ERR_BIND);
    CHECK(std::string(bound.what()).find("more") != std::string::npos);
    CHECK_EQ(broker.listeners().size(), 1u);
    CHECK_EQ(client.subscribe("a", 0), 0);

    rmqtt::Broker none = std::move(broker);
    CHECK_EQ(ERROR_OF(broker.reload("{}")).code(), RMQTT_ERR_INVALID_ARGUMENT);
}

const Scenario SCENARIOS[] = {
    SCENARIO(a_limit_holds_at_once),
    SCENARIO(listeners_come_and_go),
    SCENARIO(some_of_it_waits),
    SCENARIO(what_is_refused_changes_nothing),
};

}  // namespace

int main(int argc, char **argv) {
    return run(SCENARIOS, argc, argv);
}
