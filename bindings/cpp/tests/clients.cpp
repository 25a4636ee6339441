// Clients and their sessions, seen and handled by this program; statistics of the wire.

#include "scenario.hpp"

#include <chrono>
#include <optional>

namespace {

using namespace std::chrono_literals;

void check_has(const std::string &json, const std::string &part) {
    if (json.find(part) == std::string::npos) {
        throw Failed(json + " is without " + part);
    }
}

void check_client(const rmqtt::Broker &broker, std::string_view client_id, const std::string &part) {
    check_has(broker.client(client_id), part);
}

bool known(const rmqtt::Broker &broker, std::string_view client_id) {
    try {
        (void)broker.client(client_id);
        return true;
    } catch (const rmqtt::Error &error) {
        CHECK_EQ(error.code(), RMQTT_ERR_NOT_FOUND);
        return false;
    }
}

bool away(const rmqtt::Broker &broker, std::string_view client_id) {
    return broker.client(client_id).find("\"connected\":false") != std::string::npos;
}

// A client of MQTT 5 whose session outlives its connection.
Mqtt::Options kept(std::string_view client_id) {
    Mqtt::Options options = v5(client_id);
    options.clean_start = false;
    options.properties = property(0x11, 3600, 4);
    return options;
}

// The client identifiers of a page, each with a comma behind it, and `>next` if there may be more.
std::string listed(const rmqtt::Broker &broker, const rmqtt::ClientQuery &query) {
    const std::string json = broker.clients(query);
    CHECK_EQ(json.find("{\"clients\":["), 0u);
    const auto text = [&](std::size_t at) { return json.substr(at, json.find('"', at) - at); };
    const std::string key = "\"client_id\":\"";
    std::string all;
    for (std::size_t at = json.find(key); at != std::string::npos; at = json.find(key, at)) {
        at += key.size();
        all += text(at) + ',';
    }
    const std::string next = "],\"next\":\"";
    const std::size_t at = json.rfind(next);
    return at == std::string::npos ? all : all + '>' + text(at + next.size());
}

void clients_are_listed() {
    rmqtt::Broker broker = started();
    CHECK_EQ(broker.clients(), "{\"clients\":[]}");
    Mqtt five(port(broker));
    Mqtt::Options options = kept("pump-5");
    options.username = "anna";
    CHECK_EQ(five.connect(options), 0);
    CHECK_EQ(five.subscribe("a/#", 1), 1);
    Mqtt four(port(broker));
    CHECK_EQ(four.connect({"pump-4"}), 0);
    {
        Mqtt gone(port(broker));
        CHECK_EQ(gone.connect(kept("valve")), 0);
    }
    UNTIL(away(broker, "valve"));

    CHECK_EQ(listed(broker, {}), "pump-4,pump-5,valve,");
    CHECK_EQ(broker.clients().find(broker.client("pump-4")), std::string("{\"clients\":[").size());
    check_client(broker, "pump-4", "\"protocol\":\"3.1.1\",\"username\":null,");
    check_client(broker, "pump-5", "\"connected\":true,\"protocol\":\"5\",\"username\":\"anna\",");
    check_client(broker, "pump-5", "\"session_expiry_s\":3600,");
    check_client(broker, "pump-5", "\"subscriptions\":[{\"filter\":\"a/#\",\"granted\":\"a/#\",\"qos\":1,");
    CHECK_EQ(ERROR_OF((void)broker.client("nobody")).code(), RMQTT_ERR_NOT_FOUND);

    rmqtt::ClientQuery query;
    query.limit = 2;
    CHECK_EQ(listed(broker, query), "pump-4,pump-5,>pump-5");
    query.after = "pump-5";
    CHECK_EQ(listed(broker, query), "valve,");
    query = {};
    query.client_id_prefix = "pump";
    CHECK_EQ(listed(broker, query), "pump-4,pump-5,");
    query.username = "anna";
    CHECK_EQ(listed(broker, query), "pump-5,");
    query = {};
    query.connected = rmqtt::Presence::connected;
    CHECK_EQ(listed(broker, query), "pump-4,pump-5,");
    query.connected = rmqtt::Presence::not_connected;
    CHECK_EQ(listed(broker, query), "valve,");
    query = {};
    query.address = "127.0.0.1";
    query.listener = "main";
    CHECK_EQ(listed(broker, query), "pump-4,pump-5,valve,");
    query.listener = "other";
    CHECK_EQ(listed(broker, query), "");
    query.listener = "main";
    query.address = "127.0.0.2";
    CHECK_EQ(listed(broker, query), "");

    query = {};
    query.limit = 1001;
    CHECK_EQ(ERROR_OF((void)broker.clients(query)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    query = {};
    query.connected = static_cast<rmqtt::Presence>(3);
    CHECK_EQ(ERROR_OF((void)broker.clients(query)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    query = {};
    query.username = "\xff";
    CHECK_EQ(ERROR_OF((void)broker.clients(query)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    broker.stop();
    CHECK_EQ(ERROR_OF((void)broker.clients()).code(), RMQTT_ERR_INVALID_STATE);
    CHECK_EQ(ERROR_OF((void)broker.client("valve")).code(), RMQTT_ERR_INVALID_STATE);
    rmqtt::Broker elsewhere = std::move(broker);
    CHECK_EQ(ERROR_OF((void)broker.clients()).code(), RMQTT_ERR_INVALID_ARGUMENT);
}

void clients_are_disconnected() {
    Told told;
    rmqtt::Hooks hooks;
    hooks.disconnected = [&](const rmqtt::DisconnectedEvent &event) {
        told.add("disconnected " + std::to_string(int(event.by)) + ' ' + std::to_string(event.reason_code));
    };
    hooks.session_terminated = [&](const rmqtt::SessionEvent &event) {
        CHECK(event.end == rmqtt::SessionEnd::discarded);
        told.add("discarded " + std::string(event.client.client_id));
    };
    rmqtt::Broker broker(OPEN);
    // The broker may be called in the hook that tells of the very client.
    hooks.connected = [&](const rmqtt::ConnectedEvent &event) {
        if (event.client.username == "mallory") {
            broker.disconnect(event.client.client_id, 0x87);
        }
    };
    broker.set_hooks(std::move(hooks));
    broker.start();

    std::optional<Mqtt> client(std::in_place, port(broker));
    CHECK_EQ(client->connect(kept("c")), 0);
    CHECK_EQ(ERROR_OF(broker.disconnect("c", 0x04)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    broker.disconnect("c");
    CHECK_EQ(client->read_disconnect(), 0x98);
    CHECK(client->closed());
    CHECK_EQ(told.next(), "disconnected 2 152");
    UNTIL(away(broker, "c"));
    CHECK_EQ(ERROR_OF(broker.disconnect("c")).code(), RMQTT_ERR_NOT_FOUND);

    // The session of a client that is away.
    broker.disconnect("c", 0x98, true);
    CHECK(!known(broker, "c"));
    CHECK_EQ(told.next(), "discarded c");
    CHECK_EQ(ERROR_OF(broker.disconnect("c", 0x98, true)).code(), RMQTT_ERR_NOT_FOUND);

    // That of one that is not.
    client.emplace(port(broker));
    CHECK_EQ(client->connect(kept("c")), 0);
    CHECK(!client->session_present());
    broker.disconnect("c", 0x8b, true);
    CHECK_EQ(client->read_disconnect(), 0x8b);
    CHECK_EQ(told.next(), "disconnected 2 139");
    CHECK_EQ(told.next(), "discarded c");
    UNTIL(!known(broker, "c"));

    client.emplace(port(broker));
    Mqtt::Options mallory = kept("m");
    mallory.username = "mallory";
    CHECK_EQ(client->connect(mallory), 0);
    CHECK_EQ(client->read_disconnect(), 0x87);
    CHECK_EQ(told.next(), "disconnected 2 135");
    broker.set_hooks({});
}

void clients_are_subscribed() {
    Told told;
    rmqtt::Hooks hooks;
    hooks.subscribed = [&](const rmqtt::SubscribedEvent &event) { told.add("+ " + std::string(event.filter)); };
    hooks.unsubscribed = [&](const rmqtt::UnsubscribedEvent &event) { told.add("- " + std::string(event.filter)); };
    hooks.authorize_subscribe = [&](const rmqtt::SubscribeEvent &) {
        told.add("asked");
        return rmqtt::Verdict::deny;
    };
    rmqtt::Broker broker = started(std::move(hooks));
    broker.retained_set("a/r", "retained");
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(kept("c")), 0);
    CHECK_EQ(broker.subscriber_count("a/b"), 0u);
    broker.subscribe_client("c", "a/#");
    CHECK_EQ(told.next(), "+ a/#");
    CHECK_EQ(client.read_publish(), "a/r|retained|0");
    CHECK_EQ(broker.subscriber_count("a/b"), 1u);

    rmqtt::ClientSubscription options;
    options.identifier = 7;
    options.qos = 1;
    options.no_local = true;
    options.retain_as_published = true;
    options.retain_handling = 2;
    broker.subscribe_client("c", "a/#", options);
    CHECK_EQ(told.next(), "+ a/#");
    check_client(broker, "c",
                 "\"subscriptions\":[{\"filter\":\"a/#\",\"granted\":\"a/#\",\"qos\":1,\"no_local\":true,"
                 "\"retain_as_published\":true,\"retain_handling\":2,\"identifier\":7}]");
    client.publish("a/b", "its own");
    rmqtt::PublishOptions retain;
    retain.qos = 1;
    retain.retain = true;
    broker.publish("a/b", "x", retain);
    const Mqtt::Message message = client.read_message();
    CHECK_EQ(message.payload, "x");
    CHECK(message.retain);
    CHECK_EQ(message.qos, 1);
    CHECK_EQ(message.properties.all(), "0b:7");
    client.acknowledge(message);

    // Subscriptions of this program count as well, and a shared group is one.
    rmqtt::Subscription mine = broker.subscribe("a/b", [](const rmqtt::Message &) {});
    broker.subscribe_client("c", "$share/g/+/b");
    CHECK_EQ(told.next(), "+ $share/g/+/b");
    rmqtt::Subscription shared = broker.subscribe("$share/g/+/b", [](const rmqtt::Message &) {});
    CHECK_EQ(broker.subscriber_count("a/b"), 3u);
    CHECK_EQ(ERROR_OF((void)broker.subscriber_count("a/#")).code(), RMQTT_ERR_INVALID_ARGUMENT);

    broker.unsubscribe_client("c", "a/#");
    CHECK_EQ(told.next(), "- a/#");
    CHECK_EQ(ERROR_OF(broker.unsubscribe_client("c", "a/#")).code(), RMQTT_ERR_NOT_FOUND);
    CHECK_EQ(broker.subscriber_count("a/b"), 2u);
    CHECK(told.empty());

    CHECK_EQ(ERROR_OF(broker.subscribe_client("nobody", "a")).code(), RMQTT_ERR_NOT_FOUND);
    CHECK_EQ(ERROR_OF(broker.unsubscribe_client("nobody", "a")).code(), RMQTT_ERR_NOT_FOUND);
    CHECK_EQ(ERROR_OF(broker.subscribe_client("c", "a#")).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(broker.unsubscribe_client("c", "a#")).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(broker.subscribe_client("c", "$share/g/a", options)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    options = {};
    options.qos = 3;
    CHECK_EQ(ERROR_OF(broker.subscribe_client("c", "a", options)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    options = {};
    options.retain_handling = 3;
    CHECK_EQ(ERROR_OF(broker.subscribe_client("c", "a", options)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    options = {};
    options.identifier = 268435456;
    CHECK_EQ(ERROR_OF(broker.subscribe_client("c", "a", options)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    broker.stop();
    CHECK_EQ(ERROR_OF((void)broker.subscriber_count("a")).code(), RMQTT_ERR_INVALID_STATE);
}

void the_explanation_is_what_happens() {
    Told told;
    rmqtt::Broker broker = started();
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5("c")), 0);
    check_has(broker.explain("c", rmqtt::Action::publish, "a/b"),
              "{\"client_id\":\"c\",\"action\":\"publish\",\"topic\":\"a/b\",\"allowed\":true,"
              "\"decided_by\":\"default\",\"detail\":\"");
    check_has(broker.explain("c", rmqtt::Action::subscribe, "$SYS/#"),
              "{\"client_id\":\"c\",\"action\":\"subscribe\",\"topic\":\"$SYS/#\",\"allowed\":false,"
              "\"decided_by\":\"rule\",\"rule\":\"acl.sys_topics\",\"reason_code\":135,");
    CHECK_EQ(client.subscribe("$SYS/#", 0), 0x87);
    check_has(broker.explain("c", rmqtt::Action::subscribe, "a/#/b"),
              "\"allowed\":false,\"decided_by\":\"validation\",\"reason_code\":143,");
    CHECK_EQ(client.subscribe("a/#/b", 0), 0x8f);

    rmqtt::Hooks hooks;
    hooks.authorize_publish = [&](const rmqtt::PublishEvent &) {
        told.add("asked");
        return rmqtt::Verdict::deny;
    };
    broker.set_hooks(std::move(hooks));
    check_has(broker.explain("c", rmqtt::Action::publish, "a"),
              "\"allowed\":null,\"decided_by\":\"hook\",\"hook\":\"authorize_publish\",");
    CHECK(told.empty());
    CHECK_EQ(client.publish_1("a", "x"), 0x87);
    CHECK_EQ(told.next(), "asked");

    CHECK_EQ(ERROR_OF((void)broker.explain("nobody", rmqtt::Action::publish, "a")).code(), RMQTT_ERR_NOT_FOUND);
    const auto none = static_cast<rmqtt::Action>(3);
    CHECK_EQ(ERROR_OF((void)broker.explain("c", none, "a")).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF((void)broker.explain("c", rmqtt::Action::publish, "\xff")).code(), RMQTT_ERR_INVALID_ARGUMENT);
    broker.stop();
    CHECK_EQ(ERROR_OF((void)broker.explain("c", rmqtt::Action::publish, "a")).code(), RMQTT_ERR_INVALID_STATE);
}

void who_is_banned_is_kept_out() {
    Told told;
    rmqtt::Hooks hooks;
    hooks.client_banned = [&](const rmqtt::ClientBannedEvent &event) {
        const char *what = event.kind == rmqtt::BanKind::client_id ? "client_id|"
                           : event.kind == rmqtt::BanKind::ip      ? "ip|"
                                                                   : "user|";
        const char *why = event.cause == rmqtt::BanCause::api              ? "|api|"
                          : event.cause == rmqtt::BanCause::authentication ? "|authentication|"
                                                                           : "|flapping|";
        told.add(what + std::string(event.value) + why + std::to_string(event.duration.count()));
    };
    rmqtt::Broker broker = started(std::move(hooks));
    CHECK_EQ(broker.bans(), "{\"bans\":[]}");
    Mqtt eve(port(broker));
    CHECK_EQ(eve.connect(v5("eve")), 0);
    broker.ban(rmqtt::BanKind::client_id, "eve");
    CHECK_EQ(eve.read_disconnect(), 0x98);
    CHECK(eve.closed());
    CHECK_EQ(told.next(), "client_id|eve|api|0");
    CHECK_EQ(Mqtt(port(broker)).connect(v5("eve")), 0x8a);
    CHECK_EQ(broker.stats().connections_refused_banned, 1u);
    CHECK_EQ(Mqtt(port(broker)).connect(v5("bob")), 0);
    CHECK_EQ(broker.bans(),
             "{\"bans\":[{\"kind\":\"client_id\",\"value\":\"eve\",\"cause\":\"api\",\"left_ms\":null}]}");
    broker.unban(rmqtt::BanKind::client_id, "eve");
    CHECK_EQ(broker.bans(), "{\"bans\":[]}");
    CHECK_EQ(Mqtt(port(broker)).connect(v5("eve")), 0);

    broker.ban(rmqtt::BanKind::user, "mallory", 1h);
    CHECK_EQ(told.next(), "user|mallory|api|3600000");
    broker.ban(rmqtt::BanKind::ip, "2001:db8::1", 1h);
    CHECK_EQ(told.next(), "ip|2001:db8::/64|api|3600000");

    CHECK_EQ(ERROR_OF(broker.unban(rmqtt::BanKind::client_id, "eve")).code(), RMQTT_ERR_NOT_FOUND);
    CHECK_EQ(ERROR_OF(broker.ban(rmqtt::BanKind::ip, "eve")).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(broker.ban(static_cast<rmqtt::BanKind>(4), "eve")).code(), RMQTT_ERR_INVALID_ARGUMENT);
    broker.stop();
    CHECK_EQ(ERROR_OF((void)broker.bans()).code(), RMQTT_ERR_INVALID_STATE);
}

rmqtt::Broker limited(const std::string &limits) {
    const std::string config = R"({"listeners": [{"address": "127.0.0.1:0"}], "auth": {"allow_anonymous": true},
                                  "limits": {)" + limits + "}}";
    return started({}, config.c_str());
}

void check_rate(const std::string &policy, const std::string &counted) {
    // Two messages of 90 bytes are more than may come, however slow the machine is.
    const rmqtt::Broker broker = limited(R"("publish_bytes_per_sec": 1, "publish_burst_bytes": 100, "on_rate_exceeded": ")" +
                                         policy + '"');
    Mqtt fast(port(broker));
    CHECK_EQ(fast.connect(v5("fast")), 0);
    fast.publish("t", std::string(90, 'x'));
    fast.publish("t", std::string(90, 'x'));
    if (policy == "disconnect") {
        CHECK_EQ(fast.read_disconnect(), 0x96);
    }
    const auto found = [&] {
        const auto stats = broker.stats();
        return std::to_string(stats.publishes_throttled) + " throttled, " + std::to_string(stats.messages_dropped_rate) +
               " dropped, " + std::to_string(stats.connections_closed_rate) + " closed";
    };
    UNTIL(found() == counted);
}

void who_publishes_too_fast_is_counted() {
    check_rate("throttle", "1 throttled, 0 dropped, 0 closed");
    check_rate("drop", "0 throttled, 1 dropped, 0 closed");
    check_rate("disconnect", "0 throttled, 1 dropped, 1 closed");
}

void memory_is_counted_by_kind() {
    rmqtt::Broker broker = limited(R"("memory_budget_bytes": 8388608, "max_queued_bytes": 0)");
    CHECK_EQ(broker.stats().memory_used, 0u);
    const std::string payload(6000, 'x');
    rmqtt::PublishOptions retained, reliable;
    retained.retain = true;
    reliable.qos = 1;
    broker.publish("kept", payload, retained);
    {
        Mqtt slow(port(broker));
        CHECK_EQ(slow.connect(v5("slow")), 0);
        CHECK_EQ(slow.subscribe("t", 1), 1);
        for (int number = 0; number < 100; ++number) {
            broker.publish("t", payload, reliable);
        }
        auto stats = broker.stats();
        const auto is_sum = [&] {
            stats = broker.stats();
            return stats.memory_used ==
                   stats.memory_queues + stats.memory_retained + stats.memory_sessions + stats.memory_buffers;
        };
        UNTIL(is_sum());
        CHECK(stats.memory_queues > 600'000 && stats.memory_queues < 1'200'000);
        CHECK(stats.memory_retained > 6'000 && stats.memory_retained < 12'000);
        CHECK(stats.memory_sessions > 500 && stats.memory_sessions < 50'000);
        CHECK_EQ(stats.messages_dropped_memory, 0u);
    }
    UNTIL(broker.stats().memory_queues == 0);
}

void refused_connections_are_counted_by_cause() {
    const rmqtt::Broker full = limited(R"("max_connections": 1)");
    Mqtt one(port(full));
    CHECK_EQ(one.connect(v5("one")), 0);
    CHECK_EQ(Mqtt(port(full)).connect(v5("two")), 0x97);
    UNTIL(full.stats().connections_refused_full == 1 && full.stats().connections_refused == 1);

    const rmqtt::Broker closed = limited(R"("ip_deny": ["127.0.0.0/8"])");
    CHECK(Mqtt(port(closed)).closed());
    UNTIL(closed.stats().connections_refused_network == 1 && closed.stats().connections_refused == 1);

    const rmqtt::Broker slow = limited(R"("conn_rate_per_ip_per_sec": 1)");
    const auto is_refused = [&] {
        Mqtt{port(slow)};
        return slow.stats().connections_refused_rate > 0;
    };
    UNTIL(is_refused());

    const rmqtt::Broker strict = started({}, R"({"listeners": [{"address": "127.0.0.1:0"}]})");
    CHECK_EQ(Mqtt(port(strict)).connect(v5("stranger")), 0x87);
    UNTIL(strict.stats().connections_refused_authentication == 1);
}

void what_waits_is_counted() {
    rmqtt::Broker broker = started();
    Mqtt client(port(broker));
    Mqtt::Options options = v5("c");
    // One message at a time.
    options.properties = property(0x21, 1, 2);
    CHECK_EQ(client.connect(options), 0);
    // What CONNECT takes: its header, name, version, flags, keep alive, properties and the client identifier.
    CHECK_EQ(broker.stats().bytes_received, 2u + 6 + 1 + 1 + 2 + 4 + 3);
    CHECK_EQ(client.subscribe("q", 1), 1);
    rmqtt::PublishOptions once;
    once.qos = 1;
    for (const char *payload : {"1", "2", "3"}) {
        broker.publish("q", payload, once);
    }
    once.delay = 1h;
    broker.publish("q", "later", once);
    const Mqtt::Message first = client.read_message();
    UNTIL(broker.stats().queued_messages == 2 && broker.stats().in_flight == 1);
    rmqtt::Stats stats = broker.stats();
    CHECK(stats.queued_bytes > 0);
    CHECK_EQ(stats.delayed_messages, 1u);
    CHECK(stats.bytes_sent > 0);
    check_client(broker, "c", "\"queued_messages\":2,\"queued_bytes\":" + std::to_string(stats.queued_bytes) +
                                  ",\"in_flight\":1,");
    // What has been sent is counted behind that, so that it may have arrived already.
    const auto is_the_same = [&] {
        stats = broker.stats();
        return broker.client("c").find("\"bytes_received\":" + std::to_string(stats.bytes_received) + ",\"bytes_sent\":" +
                                       std::to_string(stats.bytes_sent)) != std::string::npos;
    };
    UNTIL(is_the_same());
    client.acknowledge(first);
    client.acknowledge(client.read_message());
    client.acknowledge(client.read_message());
    UNTIL(broker.stats().in_flight == 0);
    stats = broker.stats();
    CHECK_EQ(stats.queued_messages, 0u);
    CHECK_EQ(stats.queued_bytes, 0u);
}

const Scenario SCENARIOS[] = {
    SCENARIO(clients_are_listed),
    SCENARIO(clients_are_disconnected),
    SCENARIO(clients_are_subscribed),
    SCENARIO(the_explanation_is_what_happens),
    SCENARIO(who_is_banned_is_kept_out),
    SCENARIO(who_publishes_too_fast_is_counted),
    SCENARIO(memory_is_counted_by_kind),
    SCENARIO(refused_connections_are_counted_by_cause),
    SCENARIO(what_waits_is_counted),
};

}  // namespace

int main(int argc, char **argv) {
    return run(SCENARIOS, argc, argv);
}
