// What hooks are told, and what becomes of the messages that they decide about.

#include <rmqtt.hpp>

#include "check.hpp"
#include "mqtt.hpp"
#include "scenario.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>
#include <type_traits>

namespace {

using namespace std::chrono_literals;

// Views cost no allocation.
static_assert(std::is_trivially_copyable_v<rmqtt::PropertiesView>);
static_assert(std::is_trivially_copyable_v<rmqtt::Message>);
static_assert(std::is_nothrow_move_constructible_v<rmqtt::Answer> && std::is_nothrow_move_assignable_v<rmqtt::Answer>);

std::string name_of(const std::optional<rmqtt::Client> &client) {
    return client ? std::string(client->client_id) : "-";
}

// Such as "t|x|1|pump|1": topic, payload, QoS, publisher, origin.
std::string line(const rmqtt::Message &message) {
    std::ostringstream text;
    text << message.topic << '|' << message.payload << '|' << int(message.qos) << '|' << name_of(message.publisher)
         << '|' << int(message.origin);
    return text.str();
}

std::string line(const rmqtt::PropertiesView &properties) {
    std::ostringstream text;
    text << properties.content_type.value_or("-") << '|' << properties.response_topic.value_or("-") << '|'
         << properties.correlation_data.value_or("-") << '|'
         << (properties.message_expiry ? properties.message_expiry->count() : -1) << '|'
         << int(properties.payload_format_indicator);
    for (const rmqtt::UserPropertyView property : properties.user_properties) {
        text << '|' << property.name << '=' << property.value;
    }
    return text.str();
}

// What goes wrong in a hook turns up where the scenario waits for it.
void tell_failures(rmqtt::Hooks &hooks, Told &told) {
    hooks.callback_failed = [&](std::string_view hook, std::exception_ptr exception) {
        told.add(std::string(hook) + ": " + message_of(exception));
    };
}

constexpr const char *LIMITED = R"({"listeners": [{"name": "main", "address": "127.0.0.1:0"}],
    "auth": {"allow_anonymous": true}, "callbacks": {"timeout_ms": 60000},
    "limits": {"max_queued_messages": 2}})";

// Every number that a property has, and a user property twice.
std::string all_properties() {
    return property(0x01, 1, 1) + property(0x02, 3600, 4) + property(0x03, "text/plain") + property(0x08, "answers/1") +
           property(0x09, std::string_view("a\0b", 3)) + user_property("room", "3") + user_property("room", "4");
}

void hooks_that_are_not_set() {
    rmqtt_hooks_t none = rmqtt::detail::table_of({});
    none.drop = nullptr;
    const rmqtt_hooks_t zero = rmqtt_hooks_init();
    CHECK(std::memcmp(&none, &zero, sizeof zero) == 0);

    rmqtt::Hooks hooks;
    hooks.message_acked = [](const rmqtt::MessageAckedEvent &) {};
    hooks.run_inline.message_acked = true;
    rmqtt_hooks_t one = rmqtt::detail::table_of(hooks);
    CHECK(one.message_acked && one.flags[RMQTT_HOOK_MESSAGE_ACKED] == RMQTT_HOOK_INLINE);
    one.drop = nullptr;
    one.message_acked = nullptr;
    one.flags[RMQTT_HOOK_MESSAGE_ACKED] = 0;
    CHECK(std::memcmp(&one, &zero, sizeof zero) == 0);
}

void session_events() {
    Told told;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    const auto tell = [&](std::string what) {
        return [&told, what = std::move(what)](const rmqtt::SessionEvent &event) {
            CHECK(event.client.serial > 0);
            CHECK_EQ(event.end.has_value(), what == "terminated");
            told.add(what + ' ' + std::string(event.client.client_id) + ' ' + std::to_string(event.client.protocol) +
                     (event.end ? ' ' + std::to_string(int(*event.end)) : ""));
        };
    };
    hooks.session_created = tell("created");
    hooks.session_resumed = tell("resumed");
    hooks.session_taken_over = tell("taken over");
    hooks.session_terminated = tell("terminated");
    hooks.connected = [&](const rmqtt::ConnectedEvent &event) {
        told.add("connected " + std::string(event.client.client_id));
    };
    hooks.disconnected = [&](const rmqtt::DisconnectedEvent &event) {
        told.add("disconnected " + std::string(event.client.client_id) + ' ' + std::to_string(int(event.by)));
    };
    rmqtt::Broker broker = started(std::move(hooks));
    for (const char protocol : {char(4), char(5)}) {
        const std::string level = std::to_string(protocol);
        Mqtt::Options options;
        options.client_id = "pump";
        options.protocol = protocol;
        Mqtt first(port(broker));
        CHECK_EQ(first.connect(options), 0);
        CHECK_EQ(told.next(), "created pump " + level);
        CHECK_EQ(told.next(), "connected pump");
        first.disconnect();
        CHECK_EQ(told.next(), "disconnected pump 1");
        CHECK_EQ(told.next(), "terminated pump " + level + " 1");

        options.clean_start = false;
        if (protocol == 5) {
            options.properties = property(0x11, 3600, 4);
        }
        std::optional<Mqtt> second(std::in_place, port(broker));
        CHECK_EQ(second->connect(options), 0);
        CHECK(!second->session_present());
        CHECK_EQ(told.next(), "created pump " + level);
        CHECK_EQ(told.next(), "connected pump");
        second.reset();
        CHECK_EQ(told.next(), "disconnected pump 3");

        Mqtt third(port(broker));
        CHECK_EQ(third.connect(options), 0);
        CHECK(third.session_present());
        CHECK_EQ(told.next(), "resumed pump " + level);
        CHECK_EQ(told.next(), "connected pump");

        options.clean_start = true;
        Mqtt fourth(port(broker));
        CHECK_EQ(fourth.connect(options), 0);
        CHECK_EQ(told.next(), "taken over pump " + level);
        CHECK_EQ(told.next(), "disconnected pump 2");
        CHECK_EQ(told.next(), "terminated pump " + level + " 3");
        CHECK_EQ(told.next(), "created pump " + level);
        CHECK_EQ(told.next(), "connected pump");
        fourth.disconnect();
        CHECK_EQ(told.next(), "disconnected pump 1");
        if (protocol == 4) {
            CHECK_EQ(told.next(), "terminated pump 4 1");
        }
    }
    broker.stop();
    CHECK_EQ(told.next(), "terminated pump 5 4");
    CHECK(told.empty());

    broker.start();
    Mqtt::Options options = v5("brief");
    options.properties = property(0x11, 1, 4);
    {
        Mqtt client(port(broker));
        CHECK_EQ(client.connect(options), 0);
        client.disconnect();
    }
    CHECK_EQ(told.next(), "created brief 5");
    CHECK_EQ(told.next(), "connected brief");
    CHECK_EQ(told.next(), "disconnected brief 1");
    CHECK_EQ(told.next(), "terminated brief 5 2");
}

void subscription_events() {
    Told told;
    Told filters;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    hooks.authorize_subscribe = [](const rmqtt::SubscribeEvent &event) -> rmqtt::Answer {
        if (event.filter == "mine") {
            return allow_with([](rmqtt::Changes &changes) {
                changes.topic = "clients/pump";
                changes.qos = std::uint8_t(0);
            });
        }
        return event.filter == "refused" ? rmqtt::Verdict::deny : rmqtt::Verdict::allow;
    };
    hooks.subscribed = [&](const rmqtt::SubscribedEvent &event) {
        std::ostringstream text;
        text << event.client.client_id << '|' << event.filter << '|' << event.granted << '|' << event.identifier << '|'
             << int(event.qos) << '|' << event.no_local << '|' << event.retain_as_published << '|'
             << int(event.retain_handling);
        told.add(text.str());
    };
    hooks.unsubscribed = [&](const rmqtt::UnsubscribedEvent &event) {
        told.add(std::string(event.client.client_id) + '|' + std::string(event.filter));
    };
    hooks.first_subscriber = [&](const rmqtt::SubscriberEvent &event) {
        filters.add("first|" + std::string(event.filter) + '|' + name_of(event.client));
    };
    hooks.last_subscriber = [&](const rmqtt::SubscriberEvent &event) {
        filters.add("last|" + std::string(event.filter) + '|' + name_of(event.client));
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    // No local, the retain flag as published, no retained messages.
    CHECK_EQ(client.subscribe("news/+", 0x2c | 1), 1);
    CHECK_EQ(told.next(), "pump|news/+|news/+|0|1|1|1|2");
    CHECK_EQ(filters.next(), "first|news/+|pump");
    CHECK_EQ(client.subscribe("mine", 2), 0);
    CHECK_EQ(told.next(), "pump|mine|clients/pump|0|0|0|0|0");
    CHECK_EQ(filters.next(), "first|clients/pump|pump");
    CHECK_EQ(client.subscribe("refused", 2), 0x87);

    Mqtt old(port(broker));
    CHECK_EQ(old.connect({"old"}), 0);
    CHECK_EQ(old.subscribe("news/+", 2), 2);
    CHECK_EQ(told.next(), "old|news/+|news/+|0|2|0|0|0");
    CHECK_EQ(client.unsubscribe("news/+"), 0);
    CHECK_EQ(told.next(), "pump|news/+");
    old.unsubscribe("news/+");
    CHECK_EQ(told.next(), "old|news/+");
    CHECK_EQ(filters.next(), "last|news/+|old");
    CHECK_EQ(client.unsubscribe("mine"), 0);
    CHECK_EQ(told.next(), "pump|mine");
    CHECK_EQ(filters.next(), "last|clients/pump|pump");

    // This program subscribes as well, and takes turns.
    rmqtt::Subscription subscription = broker.subscribe("$share/group/news/#", [](const rmqtt::Message &) {});
    CHECK_EQ(filters.next(), "first|news/#|-");
    subscription.close();
    CHECK_EQ(filters.next(), "last|news/#|-");
    CHECK(told.empty() && filters.empty());
}

void message_events() {
    Told published;
    Told delivered;
    Told acked;
    rmqtt::Hooks hooks;
    tell_failures(hooks, published);
    hooks.authorize_publish = [](const rmqtt::PublishEvent &event) -> rmqtt::Answer {
        if (event.message.topic == "raw") {
            return allow_with([](rmqtt::Changes &changes) { changes.topic = "cooked"; });
        }
        return rmqtt::Verdict::allow;
    };
    hooks.message_published = [&](const rmqtt::MessagePublishedEvent &event) {
        published.add(line(event.message) + '|' + std::to_string(event.receivers));
    };
    hooks.message_delivered = [&](const rmqtt::MessageDeliveredEvent &event) {
        std::ostringstream text;
        text << event.client.client_id << '|' << int(event.qos) << '|' << event.retain << '|' << line(event.message);
        delivered.add(text.str());
    };
    hooks.message_acked = [&](const rmqtt::MessageAckedEvent &event) {
        std::ostringstream text;
        text << event.client.client_id << '|' << int(event.qos) << '|' << int(event.reason_code) << '|'
             << line(event.message);
        acked.add(text.str());
    };
    rmqtt::Broker broker = started(std::move(hooks));
    for (const char protocol : {char(4), char(5)}) {
        Mqtt::Options options;
        options.client_id = "pump";
        options.protocol = protocol;
        Mqtt client(port(broker));
        CHECK_EQ(client.connect(options), 0);
        CHECK_EQ(client.subscribe("#", 2), 2);
        rmqtt::Subscription subscription = broker.subscribe("cooked", [](const rmqtt::Message &) {});

        CHECK_EQ(client.publish_1("raw", "x"), 0);
        CHECK_EQ(published.next(), "cooked|x|1|pump|1|2");
        const Mqtt::Message first = client.read_message();
        CHECK_EQ(delivered.next(), "pump|1|0|cooked|x|1|pump|1");
        client.acknowledge(first);
        CHECK_EQ(acked.next(), "pump|1|0|cooked|x|1|pump|1");

        broker.publish("own", "y", {2, false});
        CHECK_EQ(published.next(), "own|y|2|-|2|1");
        const Mqtt::Message second = client.read_message();
        CHECK_EQ(second.qos, 2);
        CHECK_EQ(delivered.next(), "pump|2|0|own|y|2|-|2");
        client.acknowledge(second);
        CHECK_EQ(acked.next(), "pump|2|0|own|y|2|-|2");

        if (protocol == 5) {
            broker.publish("own", "z", {1, false});
            CHECK_EQ(published.next(), "own|z|1|-|2|1");
            client.acknowledge(client.read_message(), 0x97);
            CHECK_EQ(delivered.next(), "pump|1|0|own|z|1|-|2");
            CHECK_EQ(acked.next(), "pump|1|151|own|z|1|-|2");
        }
        client.disconnect();
        subscription.close();
        UNTIL(broker.connected_clients() == 0);
    }
    // Nobody gets it.
    broker.publish("lonely", "x");
    CHECK_EQ(published.next(), "lonely|x|0|-|2|0");
    CHECK(published.empty() && delivered.empty() && acked.empty());
}

void dropped_messages() {
    Told told;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    hooks.authorize_publish = [](const rmqtt::PublishEvent &event) -> rmqtt::Answer {
        return event.message.topic == "refused" ? rmqtt::Verdict::deny : rmqtt::Verdict::allow;
    };
    hooks.authorize_forward = [](const rmqtt::ForwardEvent &event) -> rmqtt::Answer {
        return event.message.topic == "withheld" ? rmqtt::Verdict::deny : rmqtt::Verdict::allow;
    };
    hooks.message_dropped = [&](const rmqtt::MessageDroppedEvent &event) {
        told.add(name_of(event.client) + '|' + std::to_string(int(event.cause)) + '|' + line(event.message));
    };
    rmqtt::Broker broker = started(std::move(hooks), LIMITED);
    Mqtt publisher(port(broker));
    CHECK_EQ(publisher.connect(v5("publisher")), 0);
    CHECK_EQ(publisher.publish_1("refused", "x"), 0x87);
    CHECK_EQ(told.next(), "-|5|refused|x|1|publisher|1");

    Mqtt::Options options = v5();
    options.clean_start = false;
    options.properties = property(0x11, 3600, 4) + property(0x27, 64, 4);
    {
        Mqtt client(port(broker));
        CHECK_EQ(client.connect(options), 0);
        CHECK_EQ(client.subscribe("#", 1), 1);
        CHECK_EQ(publisher.publish_1("withheld", "x"), 0);
        CHECK_EQ(told.next(), "pump|5|withheld|x|1|publisher|1");
        const std::string large(64, 'x');
        CHECK_EQ(publisher.publish_1("large", large), 0);
        CHECK_EQ(told.next(), "pump|3|large|" + large + "|1|publisher|1");
        client.disconnect();
    }
    UNTIL(broker.connected_clients() == 1);
    // While it is away, one message expires and another finds no room.
    CHECK_EQ(publisher.publish_1("brief", "x", property(0x02, 1, 4)), 0);
    CHECK_EQ(publisher.publish_1("first", "x"), 0);
    CHECK_EQ(publisher.publish_1("second", "x"), 0);
    CHECK_EQ(told.next(), "pump|1|second|x|1|publisher|1");
    std::this_thread::sleep_for(1100ms);
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(options), 0);
    CHECK_EQ(client.read_publish(), "first|x|1");
    CHECK_EQ(told.next(), "pump|2|brief|x|1|publisher|1");
    CHECK(told.empty());
}

void wills() {
    Told told;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    hooks.will_published = [&](const rmqtt::MessagePublishedEvent &event) {
        told.add(line(event.message) + '|' + std::to_string(event.receivers) + '|' + line(event.message.properties));
    };
    rmqtt::Broker broker = started(std::move(hooks));
    rmqtt::Subscription subscription = broker.subscribe("#", [](const rmqtt::Message &) {});
    for (const char protocol : {char(4), char(5)}) {
        Mqtt::Options options;
        options.client_id = "pump";
        options.protocol = protocol;
        options.will_topic = "gone";
        options.will_payload = "alas";
        if (protocol == 5) {
            options.will_properties = property(0x03, "text/plain") + user_property("why", "none");
        }
        {
            Mqtt client(port(broker));
            CHECK_EQ(client.connect(options), 0);
        }
        const std::string properties = protocol == 5 ? "text/plain|-|-|-1|0|why=none" : "-|-|-|-1|0";
        CHECK_EQ(told.next(), "gone|alas|0|pump|3|1|" + properties);
    }
}

void retained_events() {
    Told told;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    hooks.retained_changed = [&](const rmqtt::RetainedChangedEvent &event) {
        told.add(std::to_string(int(event.change)) + '|' + line(event.message));
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    broker.publish("door", "open", {0, true});
    CHECK_EQ(told.next(), "1|door|open|0|-|2");
    client.publish("door", "shut", {}, true);
    CHECK_EQ(told.next(), "1|door|shut|0|pump|1");
    client.publish("door", "", {}, true);
    CHECK_EQ(told.next(), "2|door||0|pump|1");
    client.publish("door", "ajar", property(0x02, 1, 4), true);
    CHECK_EQ(told.next(), "1|door|ajar|0|pump|1");
    CHECK_EQ(told.next().substr(0, 11), "3|door|ajar");
}

void listener_events() {
    Told told;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    const auto tell = [&](const char *what) {
        return [&told, what](const rmqtt::ListenerEvent &event) {
            CHECK(event.port != 0);
            CHECK_EQ(event.address, "127.0.0.1:" + std::to_string(event.port));
            told.add(what + std::string(event.name) + '|' + std::string(event.type));
        };
    };
    hooks.listener_up = tell("up|");
    hooks.listener_down = tell("down|");
    rmqtt::Broker broker = started(std::move(hooks));
    CHECK_EQ(told.next(), "up|main|tcp");
    broker.stop();
    CHECK_EQ(told.next(), "down|main|tcp");
    CHECK(told.empty());
}

void overload_events() {
    Told told;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    hooks.overload = [&](const rmqtt::OverloadEvent &event) {
        const char *what = event.resource == rmqtt::Resource::connections         ? "connections"
                           : event.resource == rmqtt::Resource::retained_messages ? "retained"
                                                                                  : "else";
        told.add(what + std::string(event.begun ? "|begun|" : "|over|") + std::to_string(event.limit));
    };
    rmqtt::Broker broker = started(std::move(hooks), R"({"listeners": [{"address": "127.0.0.1:0"}],
        "auth": {"allow_anonymous": true}, "limits": {"max_connections": 1}, "retain": {"max_messages": 1}})");
    {
        Mqtt client(port(broker));
        CHECK_EQ(client.connect({"one"}), 0);
        CHECK(Mqtt(port(broker)).closed());
        CHECK_EQ(told.next(), "connections|begun|1");
    }
    CHECK_EQ(told.next(), "connections|over|1");
    broker.publish("a", "x", {0, true});
    broker.publish("b", "x", {0, true});
    CHECK_EQ(told.next(), "retained|begun|1");
    broker.publish("a", "", {0, true});
    CHECK_EQ(told.next(), "retained|over|1");
    CHECK(told.empty());
}

void authenticate_undecided() {
    rmqtt::Hooks hooks;
    hooks.authenticate = [](const rmqtt::AuthEvent &event) -> rmqtt::Answer {
        return event.client.client_id == "eve" ? rmqtt::Verdict::deny : rmqtt::Verdict::undecided;
    };
    for (const bool anonymous : {true, false}) {
        rmqtt::Broker broker = started(
            rmqtt::Hooks(hooks),
            anonymous ? R"({"listeners": [{"address": "127.0.0.1:0"}], "auth": {"allow_anonymous": true}})"
                      : R"({"listeners": [{"address": "127.0.0.1:0"}]})");
        CHECK_EQ(Mqtt(port(broker)).connect(v5("c")), anonymous ? 0 : 0x87);
        CHECK_EQ(Mqtt(port(broker)).connect(v5("eve")), 0x87);
        CHECK_EQ(broker.stats().connections_refused_authentication, anonymous ? 1u : 2u);
    }
}

void authorize_forward() {
    Told told;
    Told failures;
    rmqtt::Hooks hooks;
    hooks.authorize_forward = [&](const rmqtt::ForwardEvent &event) -> rmqtt::Answer {
        std::ostringstream text;
        text << event.client.client_id << '|' << int(event.qos) << '|' << event.retain << '|' << line(event.message);
        told.add(text.str());
        const std::string_view topic = event.message.topic;
        if (topic == "drop") {
            return rmqtt::Verdict::drop;
        }
        if (topic == "deny") {
            return rmqtt::Answer::deny(0x97, "not for you");
        }
        if (topic == "later") {
            const rmqtt::Decision ticket = rmqtt::defer();
            std::thread([ticket, payload = std::string(event.message.payload)] {
                ticket.complete(allow_with([&](rmqtt::Changes &changes) { changes.payload = payload + ", but late"; }));
            }).detach();
            return rmqtt::Answer::later();
        }
        if (topic == "changed") {
            return allow_with([&](rmqtt::Changes &changes) {
                // Longer than what fits into a string object: memcheck sees it if the text goes before it is read.
                changes.topic = "changed/for/the/one/client/that/gets/it/" + std::string(event.client.client_id);
                changes.payload = "the payload of this message was: " + std::string(event.message.payload);
                changes.qos = std::uint8_t(0);
                changes.retain = true;
                changes.properties = event.message.properties.copy();
                changes.properties->content_type = "application/something-that-was-put-in";
                changes.properties->user_properties.push_back({"forwarded-to", std::string(event.client.client_id)});
            });
        }
        if (topic == "higher") {
            return allow_with([](rmqtt::Changes &changes) { changes.qos = std::uint8_t(2); });
        }
        if (topic == "bare") {
            return allow_with([](rmqtt::Changes &changes) { changes.properties.emplace(); });
        }
        if (topic == "broken") {
            throw std::runtime_error("no");
        }
        return rmqtt::Verdict::allow;
    };
    tell_failures(hooks, failures);
    rmqtt::Broker broker = started(std::move(hooks));
    for (const char protocol : {char(4), char(5)}) {
        const std::string id = "reader-" + std::to_string(protocol);
        Mqtt::Options options;
        options.client_id = id;
        options.protocol = protocol;
        Mqtt reader(port(broker));
        CHECK_EQ(reader.connect(options), 0);
        CHECK_EQ(reader.subscribe("#", 1), 1);
        Mqtt writer(port(broker));
        CHECK_EQ(writer.connect(v5("writer")), 0);
        for (const std::string topic : {"drop", "deny", "later", "broken", "changed", "higher", "bare", "plain"}) {
            CHECK_EQ(writer.publish_1(topic, "x", user_property("a", "b")), 0);
            CHECK_EQ(told.next(), id + "|1|0|" + topic + "|x|1|writer|1");
        }
        CHECK_EQ(failures.next(), "authorize_forward: no");

        CHECK_EQ(reader.read_publish(), "later|x, but late|1");
        const Mqtt::Message changed = reader.read_message();
        CHECK_EQ(changed.topic, "changed/for/the/one/client/that/gets/it/" + id);
        CHECK_EQ(changed.payload, "the payload of this message was: x");
        CHECK_EQ(changed.qos, 0);
        CHECK(changed.retain);
        const Mqtt::Message higher = reader.read_message();
        CHECK_EQ(higher.topic, "higher");
        CHECK_EQ(higher.qos, 1);
        CHECK(!higher.retain);
        const Mqtt::Message bare = reader.read_message();
        const Mqtt::Message plain = reader.read_message();
        CHECK_EQ(plain.topic, "plain");
        if (protocol == 5) {
            CHECK_EQ(changed.properties.all(),
                     "03:application/something-that-was-put-in 26:a=b 26:forwarded-to=" + id);
            CHECK_EQ(bare.properties.all(), "");
            CHECK_EQ(plain.properties.all(), "26:a=b");
        }
    }
    // What is retained is asked about as well.
    UNTIL(broker.connected_clients() == 0);
    broker.publish("kept", "x", {1, true});
    Mqtt late(port(broker));
    CHECK_EQ(late.connect(v5("late")), 0);
    CHECK_EQ(late.subscribe("kept", 0), 0);
    CHECK_EQ(told.next().substr(0, 18), "late|0|1|kept|x|1|");
    CHECK(late.read_message().retain);
    CHECK(failures.empty());
}

void message_properties() {
    Told told;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    hooks.authorize_publish = [&](const rmqtt::PublishEvent &event) -> rmqtt::Answer {
        const rmqtt::PropertiesView &properties = event.message.properties;
        const auto changed = [&] {
            return allow_with([&](rmqtt::Changes &changes) {
                changes.properties = properties.copy();
                changes.properties->response_topic = std::nullopt;
                changes.properties->correlation_data = "";
                changes.properties->message_expiry = 7200s;
                changes.properties->user_properties.push_back({"seen-by", "the hook that authorizes"});
            });
        };
        if (event.message.topic == "changed") {
            return changed();
        }
        if (event.message.topic == "later") {
            std::thread([ticket = rmqtt::defer(), answer = changed()] { ticket.complete(answer); }).detach();
            return rmqtt::Answer::later();
        }
        if (event.message.topic == "odd") {
            return allow_with([](rmqtt::Changes &changes) {
                changes.properties.emplace();
                changes.properties->payload_format_indicator = 2;
            });
        }
        told.add(line(properties));
        if (event.message.topic == "all") {
            CHECK_EQ(properties.user_properties.size(), 2u);
            CHECK(!properties.user_properties.empty());
            CHECK_EQ(properties.user_properties.find("room").value_or(""), "3");
            CHECK(!properties.user_properties.find("house"));
            CHECK_EQ(std::count_if(properties.user_properties.begin(), properties.user_properties.end(),
                                   [](const rmqtt::UserPropertyView &property) { return property.name == "room"; }),
                     2);
        }
        return rmqtt::Verdict::allow;
    };
    hooks.message_published = [&](const rmqtt::MessagePublishedEvent &event) {
        told.add("published " + line(event.message.properties));
    };
    Told received;
    rmqtt::Broker broker = started(std::move(hooks));
    rmqtt::Subscription subscription = broker.subscribe(
        "#", [&](const rmqtt::Message &message) { received.add(line(message.properties)); });
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    Mqtt listener(port(broker));
    CHECK_EQ(listener.connect(v5("listener")), 0);
    CHECK_EQ(listener.subscribe("#", 0), 0);
    Mqtt old(port(broker));
    CHECK_EQ(old.connect({"old"}), 0);
    CHECK_EQ(old.subscribe("#", 0), 0);

    // What is left of the expiry interval may have begun to run.
    const auto without_expiry = [](std::string text) {
        for (const char *expiry : {"|3600|", "|3599|", "|7200|", "|7199|"}) {
            const std::size_t at = text.find(expiry);
            if (at != std::string::npos) {
                return text.replace(at, std::strlen(expiry), "|left|");
            }
        }
        return text;
    };
    const std::string all("text/plain|answers/1|a\0b|left|1|room=3|room=4", 45);
    CHECK_EQ(client.publish_1("all", "x", all_properties()), 0);
    CHECK_EQ(without_expiry(told.next()), all);
    CHECK_EQ(without_expiry(told.next()), "published " + all);
    CHECK_EQ(without_expiry(received.next()), all);
    const Properties properties = listener.read_message().properties;
    CHECK(properties.have("01:1") && properties.have("03:text/plain") && properties.have("08:answers/1"));
    CHECK(properties.have(std::string_view("09:a\0b", 6)) && properties.have("26:room=3 26:room=4"));
    CHECK_EQ(old.read_publish(), "all|x|0");

    for (const char *topic : {"changed", "later"}) {
        const std::string changed = "text/plain|-||left|1|room=3|room=4|seen-by=the hook that authorizes";
        CHECK_EQ(client.publish_1(topic, "x", all_properties()), 0);
        CHECK_EQ(without_expiry(told.next()), "published " + changed);
        CHECK_EQ(without_expiry(received.next()), changed);
        const Properties properties = listener.read_message().properties;
        CHECK(properties.have("02:7200") || properties.have("02:7199"));
        CHECK(!properties.have("08:answers/1"));
        CHECK(properties.have("26:seen-by=the hook that authorizes"));
        CHECK_EQ(old.read_publish(), std::string(topic) + "|x|0");
    }

    CHECK_EQ(client.publish_1("odd", "x"), 0x87);
    // A client of an older protocol has none, and neither has this program.
    old.publish("none", "x");
    CHECK_EQ(told.next(), "-|-|-|-1|0");
    CHECK_EQ(told.next(), "published -|-|-|-1|0");
    CHECK_EQ(received.next(), "-|-|-|-1|0");
    const Properties none = listener.read_message().properties;
    CHECK_EQ(none.all(), "");
    CHECK(told.empty());
}

void connect_properties() {
    Told told;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    hooks.authenticate = [&](const rmqtt::AuthEvent &event) {
        CHECK(!event.client.superuser);
        std::ostringstream text;
        text << event.request_response_information << '|' << event.request_problem_information << '|'
             << (event.session_expiry == rmqtt::never ? -1 : event.session_expiry.count()) << '|'
             << event.maximum_packet_size << '|' << event.receive_maximum << '|' << event.topic_alias_maximum;
        for (const rmqtt::UserPropertyView property : event.user_properties) {
            text << '|' << property.name << '=' << property.value;
        }
        told.add(text.str());
        return rmqtt::Verdict::allow;
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt::Options options = v5();
    CHECK_EQ(Mqtt(port(broker)).connect(options), 0);
    CHECK_EQ(told.next(), "0|1|0|0|65535|0");
    options.properties = property(0x11, 90, 4) + property(0x17, 0, 1) + property(0x19, 1, 1) + property(0x21, 7, 2) +
                         property(0x22, 8, 2) + property(0x27, 999, 4) + user_property("site", "north");
    CHECK_EQ(Mqtt(port(broker)).connect(options), 0);
    CHECK_EQ(told.next(), "1|0|90|999|7|8|site=north");
    Mqtt::Options old;
    CHECK_EQ(Mqtt(port(broker)).connect(old), 0);
    CHECK_EQ(told.next().substr(0, 6), "0|1|0|");
    old.clean_start = false;
    CHECK_EQ(Mqtt(port(broker)).connect(old), 0);
    CHECK_EQ(told.next().substr(0, 7), "0|1|-1|");
}

// A failure denies as a no without details does.
void failed_verdict() {
    rmqtt::Hooks hooks;
    hooks.authorize_publish = [](const rmqtt::PublishEvent &event) -> rmqtt::Answer {
        if (event.message.topic == "later") {
            const rmqtt::Decision ticket = rmqtt::defer();
            CHECK(ticket.complete(rmqtt::Verdict::failed));
            return rmqtt::Answer::later();
        }
        if (event.message.topic == "exchange") {
            return rmqtt::Answer::challenge("what is no exchange is not challenged");
        }
        return rmqtt::Verdict::failed;
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    for (const char *topic : {"now", "later", "exchange"}) {
        CHECK_EQ(client.publish_1(topic, "x"), 0x87);
        CHECK_EQ(client.reason(), "");
    }
    CHECK_EQ(broker.stats().decisions_denied, 3u);
    CHECK_EQ(broker.stats().callback_panics, 0u);
}

// With the only callback thread taken, nothing but what runs in place gets anywhere.
void inline_events() {
    Told told;
    Told later;
    std::promise<void> entered;
    std::promise<void> release;
    rmqtt::Hooks hooks;
    tell_failures(hooks, told);
    const auto tell = [&](const char *what) { return [&told, what](const auto &) { told.add(what); }; };
    hooks.session_created = tell("session_created");
    hooks.connected = tell("connected");
    hooks.subscribed = tell("subscribed");
    hooks.first_subscriber = [&](const rmqtt::SubscriberEvent &) { later.add("first_subscriber"); };
    hooks.message_published = tell("message_published");
    hooks.retained_changed = tell("retained_changed");
    hooks.authorize_forward = [&](const rmqtt::ForwardEvent &) {
        told.add("authorize_forward");
        return rmqtt::Verdict::allow;
    };
    hooks.message_delivered = tell("message_delivered");
    hooks.message_acked = tell("message_acked");
    hooks.unsubscribed = tell("unsubscribed");
    hooks.client_banned = tell("client_banned");
    hooks.message_dropped = tell("message_dropped");
    hooks.disconnected = [&](const rmqtt::DisconnectedEvent &) { throw std::runtime_error("goodbye"); };
    hooks.session_terminated = tell("session_terminated");
    rmqtt::Hooks::Inline &in_place = hooks.run_inline;
    in_place.session_created = in_place.connected = in_place.subscribed = in_place.unsubscribed = true;
    in_place.message_published = in_place.retained_changed = in_place.authorize_forward = true;
    in_place.message_delivered = in_place.message_acked = in_place.message_dropped = true;
    in_place.disconnected = in_place.session_terminated = true;
    in_place.connack = in_place.session_resumed = in_place.session_taken_over = in_place.will_published = true;
    in_place.listener_up = in_place.listener_down = in_place.overload = in_place.auth_exchange = true;
    in_place.client_banned = true;
    rmqtt::Broker broker = started(std::move(hooks), R"({"listeners": [{"address": "127.0.0.1:0"}],
        "auth": {"allow_anonymous": true}, "callbacks": {"threads": 1}, "limits": {"max_queued_messages": 1}})");
    rmqtt::Subscription busy = broker.subscribe("busy", [&](const rmqtt::Message &) {
        entered.set_value();
        get(release.get_future());
    });
    CHECK_EQ(later.next(), "first_subscriber");
    broker.publish("busy", "x");
    CHECK_EQ(told.next(), "message_published");
    get(entered.get_future());

    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    CHECK_EQ(told.next(), "session_created");
    CHECK_EQ(told.next(), "connected");
    CHECK_EQ(client.subscribe("t", 1), 1);
    CHECK_EQ(told.next(), "subscribed");
    broker.publish("t", "x", {1, true});
    client.acknowledge(client.read_message());
    std::string all;
    for (int count = 0; count < 5; ++count) {
        all += told.next() + ' ';
    }
    for (const char *what :
         {"message_published", "retained_changed", "authorize_forward", "message_delivered", "message_acked"}) {
        CHECK(all.find(what) != std::string::npos);
    }
    CHECK_EQ(client.unsubscribe("t"), 0);
    CHECK_EQ(told.next(), "unsubscribed");
    broker.ban(rmqtt::BanKind::user, "mallory");
    CHECK_EQ(told.next(), "client_banned");
    client.disconnect();
    CHECK_EQ(told.next(), "disconnected: goodbye");
    CHECK_EQ(told.next(), "session_terminated");
    CHECK(later.empty());
    release.set_value();
    CHECK_EQ(later.next(), "first_subscriber");
    busy.close();
}

// None of them reaches the library, and none keeps the next event from being told.
void exceptions_in_events() {
    Told told;
    rmqtt::Hooks hooks;
    const auto fail = [](const auto &) { throw std::runtime_error("x"); };
    hooks.session_created = fail;
    hooks.session_resumed = fail;
    hooks.session_taken_over = fail;
    hooks.session_terminated = fail;
    hooks.subscribed = fail;
    hooks.unsubscribed = fail;
    hooks.message_published = fail;
    hooks.message_delivered = fail;
    hooks.message_acked = fail;
    hooks.message_dropped = fail;
    hooks.will_published = fail;
    hooks.retained_changed = fail;
    hooks.first_subscriber = fail;
    hooks.last_subscriber = fail;
    hooks.listener_up = fail;
    hooks.listener_down = fail;
    hooks.overload = fail;
    hooks.client_banned = fail;
    std::mutex lock;
    std::map<std::string, int> names;
    hooks.callback_failed = [&](std::string_view hook, std::exception_ptr exception) {
        const std::lock_guard<std::mutex> guard(lock);
        CHECK_EQ(message_of(exception), "x");
        ++names[std::string(hook)];
    };
    rmqtt::Broker broker = started(std::move(hooks), R"({"listeners": [{"address": "127.0.0.1:0"}],
        "auth": {"allow_anonymous": true}, "retain": {"max_messages": 1}})");
    Mqtt::Options options;
    options.client_id = "pump";
    options.clean_start = false;
    options.will_topic = "gone";
    {
        Mqtt first(port(broker));
        CHECK_EQ(first.connect(options), 0);
        Mqtt second(port(broker));
        CHECK_EQ(second.connect(options), 0);
        CHECK(second.session_present());
        CHECK(first.closed());
        UNTIL(broker.connected_clients() == 1);
        CHECK_EQ(second.subscribe("t", 1), 1);
        broker.publish("t", "x", {1, true});
        second.acknowledge(second.read_message());
        second.unsubscribe("t");
        // One more than may be retained.
        broker.publish("u", "x", {0, true});
        // Nobody may publish there.
        second.publish("$SYS/x", "x");
        broker.ban(rmqtt::BanKind::user, "mallory");
    }
    UNTIL(broker.connected_clients() == 0);
    broker.stop();
    CHECK_EQ(broker.stats().callback_panics, 0u);
    for (const char *name :
         {"session_created", "session_resumed", "session_taken_over", "session_terminated", "subscribed", "unsubscribed",
          "message_published", "message_delivered", "message_acked", "message_dropped", "will_published",
          "retained_changed", "first_subscriber", "last_subscriber", "listener_up", "listener_down", "overload",
          "client_banned"}) {
        if (names[name] == 0) {
            failed(__FILE__, __LINE__, std::string("nothing of ") + name);
        }
    }
}

const Scenario SCENARIOS[] = {
    SCENARIO(hooks_that_are_not_set),
    SCENARIO(session_events),
    SCENARIO(subscription_events),
    SCENARIO(message_events),
    SCENARIO(dropped_messages),
    SCENARIO(wills),
    SCENARIO(retained_events),
    SCENARIO(listener_events),
    SCENARIO(overload_events),
    SCENARIO(authenticate_undecided),
    SCENARIO(authorize_forward),
    SCENARIO(message_properties),
    SCENARIO(connect_properties),
    SCENARIO(failed_verdict),
    SCENARIO(inline_events),
    SCENARIO(exceptions_in_events),
};

}  // namespace

int main(int argc, char **argv) {
    return run(SCENARIOS, argc, argv);
}
