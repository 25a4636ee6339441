// What a C++ program sees of the library.

#include <rmqtt.hpp>
// Twice, as it happens in programs.
#include <rmqtt.hpp>

#include "check.hpp"
#include "mqtt.hpp"
#include "scenario.hpp"
#include "second_unit.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iostream>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

namespace {

using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<rmqtt::Broker> && !std::is_copy_assignable_v<rmqtt::Broker>);
static_assert(std::is_nothrow_move_constructible_v<rmqtt::Broker> && std::is_nothrow_move_assignable_v<rmqtt::Broker>);
static_assert(!std::is_copy_constructible_v<rmqtt::Subscription> && !std::is_copy_assignable_v<rmqtt::Subscription>);
static_assert(std::is_nothrow_move_constructible_v<rmqtt::Subscription>);
static_assert(std::is_nothrow_copy_constructible_v<rmqtt::Error>);
static_assert(std::is_trivially_copyable_v<rmqtt::Decision>);

void versions() {
    CHECK_EQ(rmqtt::abi_version(), static_cast<std::uint32_t>(RMQTT_ABI_VERSION));
    CHECK(!rmqtt::version().empty());
    for (const char *built_in : {"tcp", "tls", "websocket", "unix"}) {
        CHECK(rmqtt::has_feature(built_in));
    }
    CHECK(!rmqtt::has_feature("telepathy"));
    CHECK(!rmqtt::has_feature(""));
}

void lifecycle() {
    rmqtt::Broker broker(R"({"id": "gateway", "listeners": [{"name": "main", "address": "127.0.0.1:0"}]})");
    CHECK_EQ(broker.id(), "gateway");
    CHECK(!broker.running());
    broker.stop();
    for (int run = 0; run < 3; ++run) {
        broker.start();
        CHECK(broker.running());
        const auto listeners = broker.listeners();
        CHECK_EQ(listeners.size(), 1u);
        CHECK_EQ(listeners[0].name, "main");
        CHECK_EQ(listeners[0].type, "tcp");
        CHECK(listeners[0].port != 0);
        CHECK_EQ(listeners[0].address, "127.0.0.1:" + std::to_string(listeners[0].port));
        CHECK_EQ(broker.connected_clients(), 0u);
        CHECK_EQ(ERROR_OF(broker.start()).code(), RMQTT_ERR_INVALID_STATE);
        broker.stop(-1ms);
        CHECK(!broker.running());
    }
    broker.start();
    // The longest grace that fits must not wrap to a short one; with nobody connected, none of it is spent.
    broker.stop(std::chrono::hours(24 * 365));
    broker.start();
}

void events() {
    std::promise<std::string> connected;
    std::promise<std::string> disconnected;
    rmqtt::Hooks hooks;
    hooks.connected = [&](const rmqtt::ConnectedEvent &event) {
        connected.set_value(std::string(event.client.client_id));
    };
    hooks.disconnected = [&](const rmqtt::DisconnectedEvent &event) {
        CHECK(event.by == rmqtt::DisconnectedBy::client);
        CHECK_EQ(int(event.reason_code), 0);
        CHECK(!event.reason.empty());
        disconnected.set_value(std::string(event.client.client_id));
    };
    hooks.callback_failed = [&](std::string_view, std::exception_ptr exception) {
        disconnected.set_exception(exception);
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect({"pump"}), 0);
    CHECK_EQ(get(connected.get_future()), "pump");
    UNTIL(broker.connected_clients() == 1);
    client.disconnect();
    CHECK_EQ(get(disconnected.get_future()), "pump");
}

void errors_with_faults() {
    const char *wrong = R"({"nodeid": 1, "listeners": [{"address": "nowhere"}]})";
    const rmqtt::Error error = ERROR_OF(rmqtt::Broker{wrong});
    CHECK_EQ(error.code(), RMQTT_ERR_INVALID_CONFIG);
    CHECK_EQ(error.name(), "RMQTT_ERR_INVALID_CONFIG");
    CHECK_EQ(error.faults().size(), 2u);
    const auto at = [&](const char *pointer) {
        return std::any_of(error.faults().begin(), error.faults().end(), [&](const rmqtt::Fault &fault) {
            return fault.pointer == pointer && !fault.message.empty();
        });
    };
    CHECK(at("/nodeid"));
    CHECK(at("/listeners/0/address"));
    CHECK(std::strstr(error.what(), "/listeners/0/address"));
    CHECK_EQ(ERROR_OF(rmqtt::validate_config(wrong)).faults().size(), 2u);
    rmqtt::validate_config("{}");
    CHECK_EQ(ERROR_OF(rmqtt::Broker{"\xff"}).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(!ERROR_OF(rmqtt::Broker{std::string_view()}).faults().empty());

    rmqtt::Broker first = started();
    const std::string taken = R"({"listeners": [{"address": ")" + first.listeners()[0].address + R"("}]})";
    rmqtt::Broker second(taken);
    const rmqtt::Error bind = ERROR_OF(second.start());
    CHECK_EQ(bind.code(), RMQTT_ERR_BIND);
    CHECK(bind.faults().empty());
    CHECK(!second.running());
}

// Whatever a call answers, what was passed to it is destroyed exactly once.
void nothing_leaks_when_a_call_fails() {
    Tracer hooks_tracer;
    rmqtt::Hooks hooks;
    hooks.connected = [token = hooks_tracer.token()](const rmqtt::ConnectedEvent &) {};
    CHECK_EQ(ERROR_OF(rmqtt::Broker("[]", std::move(hooks))).code(), RMQTT_ERR_INVALID_CONFIG);
    CHECK((hooks = {}, hooks_tracer.gone()));

    rmqtt::Broker broker("{}");
    rmqtt::Broker moved_to = std::move(broker);
    hooks.connected = [token = hooks_tracer.token()](const rmqtt::ConnectedEvent &) {};
    CHECK_EQ(ERROR_OF(broker.set_hooks(std::move(hooks))).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK((hooks = {}, hooks_tracer.gone()));

    Tracer tracer;
    // It does not run.
    CHECK_EQ(ERROR_OF((void)moved_to.subscribe("a", [token = tracer.token()](const rmqtt::Message &) {})).code(),
             RMQTT_ERR_INVALID_STATE);
    CHECK(tracer.gone());
    moved_to.start();
    CHECK_EQ(ERROR_OF((void)moved_to.subscribe("a/#/b", [token = tracer.token()](const rmqtt::Message &) {})).code(),
             RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(tracer.gone());
    rmqtt::SubscribeOptions options;
    options.qos = 3;
    const rmqtt::Error refused =
        ERROR_OF((void)moved_to.subscribe("a", [token = tracer.token()](const rmqtt::Message &) {}, options));
    CHECK_EQ(refused.code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(tracer.gone());
    CHECK_EQ(ERROR_OF((void)moved_to.subscribe("a", nullptr)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(moved_to.publish("a/+", "x")).code(), RMQTT_ERR_INVALID_ARGUMENT);

    // Hooks that are replaced go at once, those of a broker go with it.
    Tracer replaced, kept;
    {
        rmqtt::Hooks first;
        first.connected = [token = replaced.token()](const rmqtt::ConnectedEvent &) {};
        rmqtt::Broker owner("{}", std::move(first));
        rmqtt::Hooks second;
        second.connected = [token = kept.token()](const rmqtt::ConnectedEvent &) {};
        CHECK(!replaced.gone());
        owner.set_hooks(std::move(second));
        CHECK(replaced.gone() && !kept.gone());
    }
    CHECK(kept.gone());
}

void allow() {
    std::promise<void> seen;
    rmqtt::Hooks hooks;
    hooks.callback_failed = [&](std::string_view, std::exception_ptr exception) { seen.set_exception(exception); };
    hooks.authenticate = [&](const rmqtt::AuthEvent &event) {
        CHECK_EQ(event.client.client_id, "pump");
        CHECK_EQ(event.client.username.value(), "alice");
        CHECK_EQ(event.password.value(), "");
        CHECK_EQ(event.client.listener, "main");
        CHECK_EQ(event.client.address.substr(0, 10), "127.0.0.1:");
        CHECK_EQ(int(event.client.protocol), 4);
        CHECK(event.client.serial > 0);
        CHECK(event.keep_alive == 60s);
        CHECK(event.clean_start);
        CHECK_EQ(event.will.value().topic, "gone");
        CHECK_EQ(event.will->payload, "pump");
        CHECK_EQ(event.will->publisher.value().client_id, "pump");
        seen.set_value();
        return rmqtt::Verdict::allow;
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    Mqtt::Options options;
    options.client_id = "pump";
    options.username = "alice";
    options.password = "";
    options.will_topic = "gone";
    options.will_payload = "pump";
    const int code = client.connect(options);
    get(seen.get_future());
    CHECK_EQ(code, 0);
    CHECK_EQ(broker.stats().decisions_allowed, 1u);
    CHECK_EQ(broker.hook_stats(RMQTT_HOOK_AUTHENTICATE).allowed, 1u);
    CHECK(broker.metrics_json().find("\"authenticate\":{\"allowed\":1,") != std::string::npos);
}

void deny() {
    std::promise<bool> absent;
    rmqtt::Hooks hooks;
    hooks.authenticate = [&](const rmqtt::AuthEvent &event) {
        absent.set_value(!event.client.username && !event.password && !event.will);
        return rmqtt::Verdict::deny;
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect({}), 5);
    CHECK(get(absent.get_future()));
    CHECK_EQ(broker.stats().decisions_denied, 1u);
    // Without hooks, the configuration decides.
    broker.set_hooks({});
    Mqtt other(port(broker));
    CHECK_EQ(other.connect({}), 0);
}

void deny_with_reason_code() {
    rmqtt::Hooks hooks;
    hooks.authenticate = [](const rmqtt::AuthEvent &event) {
        // Longer than what fits into a string object: memcheck sees it if the text goes before it is read.
        return rmqtt::Answer::deny(0x86, "nobody here knows " + std::string(event.client.client_id) + " by this name");
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt old(port(broker));
    CHECK_EQ(old.connect({"pump"}), 4);
    Mqtt::Options options;
    options.client_id = "pump";
    options.protocol = 5;
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(options), 0x86);
    CHECK_EQ(client.reason(), "nobody here knows pump by this name");
}

void deferred_allow() {
    std::promise<rmqtt::Decision> tickets;
    rmqtt::Hooks hooks;
    hooks.authenticate = [&](const rmqtt::AuthEvent &) {
        const rmqtt::Decision ticket = rmqtt::defer();
        CHECK(ticket);
        CHECK_EQ(rmqtt::defer().ticket(), ticket.ticket());
        tickets.set_value(ticket);
        return rmqtt::Answer::later();
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    client.send_connect({});
    const rmqtt::Decision ticket = get(tickets.get_future());
    CHECK_EQ(broker.stats().decisions_pending, 1u);
    CHECK_EQ(ERROR_OF(ticket.complete(rmqtt::Answer::later())).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(ticket.complete(rmqtt::Verdict::allow));
    CHECK(!ticket.complete(rmqtt::Verdict::deny));
    CHECK_EQ(client.read_connack(), 0);
    CHECK_EQ(broker.stats().decisions_pending, 0u);
}

void deferred_denial_with_reason_code() {
    std::promise<rmqtt::Decision> tickets;
    rmqtt::Hooks hooks;
    hooks.authenticate = [&](const rmqtt::AuthEvent &) {
        tickets.set_value(rmqtt::defer());
        return rmqtt::Answer::later();
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    Mqtt::Options options;
    options.protocol = 5;
    client.send_connect(options);
    CHECK(get(tickets.get_future()).complete(rmqtt::Answer::deny(0x86, "wrong password")));
    CHECK_EQ(client.read_connack(), 0x86);
    CHECK_EQ(client.reason(), "wrong password");
}

void no_ticket() {
    const rmqtt::Decision none = rmqtt::defer();
    CHECK(!none && !rmqtt::Decision());
    CHECK(!none.complete(rmqtt::Verdict::allow));
    // later() without a ticket denies.
    rmqtt::Hooks hooks;
    hooks.authenticate = [](const rmqtt::AuthEvent &) { return rmqtt::Answer::later(); };
    rmqtt::Broker broker = started(std::move(hooks));
    CHECK_EQ(Mqtt(port(broker)).connect({}), 5);
}

void deferred_timeout() {
    std::promise<rmqtt::Decision> tickets;
    rmqtt::Hooks hooks;
    hooks.authenticate = [&](const rmqtt::AuthEvent &) {
        tickets.set_value(rmqtt::defer());
        return rmqtt::Answer::later();
    };
    // Long enough for the hook to be reached on a busy machine.
    rmqtt::Broker broker = started(std::move(hooks), R"({"listeners": [{"address": "127.0.0.1:0"}],
                                                         "callbacks": {"timeout_ms": 1000}})");
    Mqtt client(port(broker));
    CHECK_EQ(client.connect({}), 5);
    const rmqtt::Decision ticket = get(tickets.get_future());
    CHECK(ticket);
    CHECK(!ticket.complete(rmqtt::Verdict::allow));
    CHECK_EQ(broker.stats().decisions_expired, 1u);
}

void exception_in_hook_denies() {
    std::mutex lock;
    std::vector<std::string> told;
    std::promise<void> goodbye;
    rmqtt::Decision ticket;
    rmqtt::Hooks hooks;
    hooks.authenticate = [&](const rmqtt::AuthEvent &event) -> rmqtt::Answer {
        if (event.client.client_id == "good") {
            return rmqtt::Verdict::allow;
        }
        // A ticket does not save it.
        ticket = rmqtt::defer();
        if (event.client.client_id == "odd") {
            throw 42;
        }
        throw std::runtime_error("the directory is on fire");
    };
    hooks.connected = [](const rmqtt::ConnectedEvent &) { throw std::runtime_error("hello"); };
    hooks.disconnected = [](const rmqtt::DisconnectedEvent &) { throw std::runtime_error("goodbye"); };
    hooks.callback_failed = [&](std::string_view hook, std::exception_ptr exception) {
        const std::lock_guard<std::mutex> guard(lock);
        // What is no std::exception leaves this too, and is swallowed.
        told.push_back(std::string(hook) + ": " + message_of(exception));
        if (hook == "disconnected") {
            goodbye.set_value();
        }
        throw std::runtime_error("and so is the fire brigade");
    };
    rmqtt::Broker broker = started(std::move(hooks));
    CHECK_EQ(Mqtt(port(broker)).connect({"bad"}), 5);
    CHECK(ticket);
    CHECK(!ticket.complete(rmqtt::Verdict::allow));
    CHECK_EQ(Mqtt(port(broker)).connect({"odd"}), 5);
    {
        Mqtt client(port(broker));
        CHECK_EQ(client.connect({"good"}), 0);
        client.disconnect();
        get(goodbye.get_future());
    }
    broker.stop();
    CHECK_EQ(told.size(), 3u);
    CHECK_EQ(told[0], "authenticate: the directory is on fire");
    CHECK_EQ(told[1], "connected: hello");
    CHECK_EQ(told[2], "disconnected: goodbye");
    // They never reached the library.
    CHECK_EQ(broker.stats().callback_panics, 0u);

    // Nobody is told where nobody wants to know.
    rmqtt::Hooks silent;
    silent.authenticate = [](const rmqtt::AuthEvent &) -> rmqtt::Answer { throw std::runtime_error("no"); };
    broker.set_hooks(std::move(silent));
    broker.start();
    CHECK_EQ(Mqtt(port(broker)).connect({}), 5);
}

void pre_connect() {
    std::mutex lock;
    std::string seen;
    bool shut = true;
    rmqtt::Hooks hooks;
    hooks.pre_connect = [&](const rmqtt::PreConnectEvent &event) {
        const std::lock_guard<std::mutex> guard(lock);
        seen = std::string(event.address.substr(0, 10)) + '|' + std::string(event.listener);
        return shut ? rmqtt::Verdict::deny : rmqtt::Verdict::allow;
    };
    rmqtt::Broker broker = started(std::move(hooks));
    CHECK(Mqtt(port(broker)).closed());
    {
        const std::lock_guard<std::mutex> guard(lock);
        CHECK_EQ(seen, "127.0.0.1:|main");
        shut = false;
    }
    CHECK_EQ(Mqtt(port(broker)).connect({}), 0);
}

void authorize_publish() {
    std::promise<std::string> seen;
    rmqtt::Hooks hooks;
    hooks.authorize_publish = [&](const rmqtt::PublishEvent &event) -> rmqtt::Answer {
        const rmqtt::Message &message = event.message;
        if (message.topic == "refused") {
            std::ostringstream text;
            text << message.payload << '|' << int(message.qos) << '|' << message.retain << '|'
                 << message.publisher.value().client_id << '|' << int(message.origin);
            seen.set_value(text.str());
            // Longer than what fits into a string object: memcheck sees it if the text goes before it is read.
            return rmqtt::Answer::deny(0x97, "there is no room left for the messages of " +
                                                 std::string(message.publisher->client_id));
        }
        if (message.topic == "secret") {
            return rmqtt::Verdict::drop;
        }
        if (message.topic == "raw") {
            return allow_with([&](rmqtt::Changes &changes) {
                changes.topic = "cooked/by/the/hook/that/authorizes";
                changes.payload = "well done, as the guest has asked for: " + std::string(message.payload);
                changes.qos = std::uint8_t(0);
                changes.retain = true;
            });
        }
        if (message.topic == "empty") {
            return allow_with([](rmqtt::Changes &changes) { changes.payload = ""; });
        }
        if (message.topic == "nowhere") {
            return allow_with([](rmqtt::Changes &changes) { changes.topic = "a/#"; });
        }
        if (message.topic == "odd") {
            return allow_with([](rmqtt::Changes &changes) { changes.qos = std::uint8_t(3); });
        }
        return rmqtt::Verdict::allow;
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    Mqtt listener(port(broker));
    CHECK_EQ(listener.connect(v5("listener")), 0);
    CHECK_EQ(listener.subscribe("#", 1), 1);

    const int refused = client.publish_1("refused", "x");
    CHECK_EQ(get(seen.get_future()), "x|1|0|pump|1");
    CHECK_EQ(refused, 0x97);
    CHECK_EQ(client.reason(), "there is no room left for the messages of pump");
    CHECK_EQ(client.publish_1("secret", "x"), 0);
    CHECK_EQ(client.publish_1("nowhere", "x"), 0x83);
    CHECK_EQ(client.publish_1("odd", "x"), 0x87);
    CHECK_EQ(client.publish_1("raw", "rare"), 0);
    CHECK_EQ(client.publish_1("empty", "x"), 0);
    CHECK_EQ(client.publish_1("plain", "x"), 0);
    CHECK_EQ(listener.read_publish(),
             "cooked/by/the/hook/that/authorizes|well done, as the guest has asked for: rare|0");
    CHECK_EQ(listener.read_publish(), "empty||1");
    CHECK_EQ(listener.read_publish(), "plain|x|1");
    CHECK_EQ(broker.stats().retained_messages, 1u);

    // What this program publishes is asked about as well.
    broker.publish("secret", "x");
    broker.publish("raw", "own");
    CHECK_EQ(listener.read_publish(),
             "cooked/by/the/hook/that/authorizes|well done, as the guest has asked for: own|0");
}

void deferred_publish() {
    std::promise<rmqtt::Decision> refusals;
    std::promise<rmqtt::Decision> changes;
    rmqtt::Hooks hooks;
    hooks.authorize_publish = [&](const rmqtt::PublishEvent &event) {
        (event.message.topic == "refused" ? refusals : changes).set_value(rmqtt::defer());
        return rmqtt::Answer::later();
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    Mqtt listener(port(broker));
    CHECK_EQ(listener.connect(v5("listener")), 0);
    CHECK_EQ(listener.subscribe("#", 0), 0);
    client.send_publish_1("refused", "x");
    CHECK(get(refusals.get_future()).complete(rmqtt::Answer::deny(0x99, "the payload is not what it should be")));
    CHECK_EQ(client.read_puback(), 0x99);
    CHECK_EQ(client.reason(), "the payload is not what it should be");
    client.send_publish_1("changed", "x");
    const rmqtt::Decision ticket = get(changes.get_future());
    CHECK(ticket.complete(allow_with([](rmqtt::Changes &to) {
        to.topic = "elsewhere";
        to.payload = std::string("a\0b", 3);
    })));
    CHECK(!ticket.complete(rmqtt::Verdict::allow));
    CHECK_EQ(client.read_puback(), 0);
    CHECK_EQ(listener.read_publish(), std::string("elsewhere|a\0b|0", 15));
}

void authorize_subscribe() {
    std::promise<std::string> seen;
    rmqtt::Hooks hooks;
    hooks.authorize_subscribe = [&](const rmqtt::SubscribeEvent &event) -> rmqtt::Answer {
        if (event.filter == "refused") {
            std::ostringstream text;
            text << event.client.client_id << '|' << event.identifier << '|' << int(event.qos) << '|' << event.no_local
                 << '|' << event.retain_as_published << '|' << int(event.retain_handling);
            seen.set_value(text.str());
            return rmqtt::Answer::deny(0x97);
        }
        if (event.filter == "dropped") {
            return rmqtt::Verdict::drop;
        }
        if (event.filter == "slow") {
            return allow_with([](rmqtt::Changes &changes) { changes.qos = std::uint8_t(0); });
        }
        if (event.filter == "mine") {
            return allow_with([&](rmqtt::Changes &changes) {
                changes.topic = "clients/of/the/plant/" + std::string(event.client.client_id);
            });
        }
        return rmqtt::Verdict::allow;
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    // No local, the retain flag as published, no retained messages.
    CHECK_EQ(client.subscribe("refused", 0x2c | 1), 0x97);
    CHECK_EQ(get(seen.get_future()), "pump|0|1|1|1|2");
    CHECK_EQ(client.subscribe("dropped", 1), 0x87);
    CHECK_EQ(client.subscribe("slow", 1), 0);
    CHECK_EQ(client.subscribe("mine", 1), 1);
    broker.publish("refused", "x");
    broker.publish("mine", "x");
    broker.publish("slow", "1", {1, false});
    broker.publish("clients/of/the/plant/pump", "2", {1, false});
    CHECK_EQ(client.read_publish(), "slow|1|0");
    CHECK_EQ(client.read_publish(), "clients/of/the/plant/pump|2|1");
}

void authorize_unsubscribe() {
    rmqtt::Hooks hooks;
    hooks.authorize_unsubscribe = [](const rmqtt::UnsubscribeEvent &event) -> rmqtt::Answer {
        if (event.client.client_id == "pump" && event.filter == "alarms") {
            return rmqtt::Answer::deny(0x83);
        }
        return rmqtt::Verdict::allow;
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    CHECK_EQ(client.subscribe("alarms", 0), 0);
    CHECK_EQ(client.subscribe("news", 0), 0);
    CHECK_EQ(client.unsubscribe("alarms"), 0x83);
    CHECK_EQ(client.unsubscribe("news"), 0);
    broker.publish("news", "x");
    broker.publish("alarms", "fire");
    CHECK_EQ(client.read_publish(), "alarms|fire|0");
}

void exceptions_in_authorization_deny() {
    std::mutex lock;
    std::vector<std::string> told;
    rmqtt::Hooks hooks;
    hooks.authorize_publish = [](const rmqtt::PublishEvent &) -> rmqtt::Answer { throw std::runtime_error("1"); };
    hooks.authorize_subscribe = [](const rmqtt::SubscribeEvent &event) -> rmqtt::Answer {
        if (event.filter == "b") {
            return rmqtt::Verdict::allow;
        }
        throw std::runtime_error("2");
    };
    hooks.authorize_unsubscribe = [](const rmqtt::UnsubscribeEvent &) -> rmqtt::Answer {
        throw std::runtime_error("3");
    };
    hooks.callback_failed = [&](std::string_view hook, std::exception_ptr exception) {
        const std::lock_guard<std::mutex> guard(lock);
        told.push_back(std::string(hook) + ": " + message_of(exception));
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    CHECK_EQ(client.publish_1("a", "x"), 0x87);
    CHECK_EQ(client.subscribe("a", 0), 0x87);
    CHECK_EQ(client.subscribe("b", 0), 0);
    CHECK_EQ(client.unsubscribe("b"), 0x87);
    rmqtt::Hooks shut;
    shut.pre_connect = [](const rmqtt::PreConnectEvent &) -> rmqtt::Answer { throw std::runtime_error("4"); };
    shut.callback_failed = [&](std::string_view hook, std::exception_ptr exception) {
        const std::lock_guard<std::mutex> guard(lock);
        told.push_back(std::string(hook) + ": " + message_of(exception));
    };
    broker.set_hooks(std::move(shut));
    CHECK(Mqtt(port(broker)).closed());
    broker.stop();
    const std::vector<std::string> all = {"authorize_publish: 1", "authorize_subscribe: 2", "authorize_unsubscribe: 3",
                                          "pre_connect: 4"};
    CHECK(told == all);
    CHECK_EQ(broker.stats().callback_panics, 0u);
}

// In place, hooks answer on a thread of the broker: the same answers, exceptions and tickets.
void inline_hooks() {
    std::promise<rmqtt::Decision> tickets;
    // With the only callback thread taken, nothing but what runs in place gets anywhere.
    std::promise<void> entered;
    std::promise<void> release;
    rmqtt::Hooks hooks;
    hooks.pre_connect = [](const rmqtt::PreConnectEvent &) { return rmqtt::Verdict::allow; };
    hooks.authenticate = [](const rmqtt::AuthEvent &) { return rmqtt::Verdict::allow; };
    hooks.authorize_publish = [&](const rmqtt::PublishEvent &event) -> rmqtt::Answer {
        if (event.message.topic == "later") {
            tickets.set_value(rmqtt::defer());
            return rmqtt::Answer::later();
        }
        return rmqtt::Answer::deny(0x97, "there is no room left for the messages of anybody at all");
    };
    hooks.authorize_subscribe = [](const rmqtt::SubscribeEvent &) {
        return allow_with([](rmqtt::Changes &changes) { changes.topic = "the/filter/that/was/put/in/its/place"; });
    };
    hooks.authorize_unsubscribe = [](const rmqtt::UnsubscribeEvent &) -> rmqtt::Answer {
        throw std::runtime_error("no");
    };
    hooks.run_inline = {true, true, true, true, true};
    rmqtt::Broker broker = started(std::move(hooks), R"({"listeners": [{"address": "127.0.0.1:0"}],
                                                         "callbacks": {"threads": 1, "timeout_ms": 60000}})");
    rmqtt::Subscription busy = broker.subscribe("later", [&](const rmqtt::Message &) {
        entered.set_value();
        get(release.get_future());
    });
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    client.send_publish_1("later", "x");
    CHECK(get(tickets.get_future()).complete(rmqtt::Verdict::allow));
    CHECK_EQ(client.read_puback(), 0);
    get(entered.get_future());
    CHECK_EQ(client.publish_1("a", "x"), 0x97);
    CHECK_EQ(client.reason(), "there is no room left for the messages of anybody at all");
    CHECK_EQ(client.subscribe("a", 0), 0);
    CHECK_EQ(client.unsubscribe("a"), 0x87);
    Mqtt other(port(broker));
    CHECK_EQ(other.connect(v5("other")), 0);
    release.set_value();
    busy.close();
}

void exception_in_subscription() {
    rmqtt::Broker broker = started();
    std::promise<std::string> told;
    std::promise<std::string> second;
    rmqtt::SubscribeOptions options;
    options.on_error = [&](std::exception_ptr exception) {
        told.set_value(message_of(exception));
        throw std::runtime_error("again");
    };
    rmqtt::Subscription subscription = broker.subscribe(
        "t",
        [&](const rmqtt::Message &message) {
            if (message.payload == "1") {
                throw std::runtime_error("I do not like it");
            }
            second.set_value(std::string(message.payload));
        },
        std::move(options));
    std::promise<void> quiet_second;
    rmqtt::Subscription quiet = broker.subscribe("t", [&](const rmqtt::Message &message) {
        if (message.payload == "1") {
            throw 42;
        }
        quiet_second.set_value();
    });
    broker.publish("t", "1");
    broker.publish("t", "2");
    CHECK_EQ(get(told.get_future()), "I do not like it");
    CHECK_EQ(get(second.get_future()), "2");
    get(quiet_second.get_future());
}

void message_tap() {
    rmqtt::Broker broker = started();
    std::promise<std::string> from_client;
    std::promise<std::string> from_api;
    rmqtt::Subscription subscription = broker.subscribe("plant/#", [&](const rmqtt::Message &message) {
        std::ostringstream text;
        text << message.topic << '|' << message.payload << '|' << int(message.qos) << '|' << message.retain << '|';
        if (message.publisher) {
            text << message.publisher->client_id << '|' << message.publisher->username.value_or("?");
        }
        if (message.origin == rmqtt::Origin::client) {
            from_client.set_value(text.str());
        } else if (message.origin == rmqtt::Origin::api) {
            from_api.set_value(text.str());
        }
    });
    Mqtt client(port(broker));
    Mqtt::Options options;
    options.client_id = "pump";
    options.username = "alice";
    rmqtt::Hooks hooks;
    hooks.authenticate = [](const rmqtt::AuthEvent &) { return rmqtt::Verdict::allow; };
    broker.set_hooks(std::move(hooks));
    CHECK_EQ(client.connect(options), 0);
    client.publish("elsewhere", "no");
    client.publish("plant/1", "on");
    CHECK_EQ(get(from_client.get_future()), "plant/1|on|0|0|pump|alice");
    broker.publish("plant/2", std::string_view("a\0b", 3));
    CHECK_EQ(get(from_api.get_future()), std::string("plant/2|a\0b|0|0|", 16));
}

void retained_replay() {
    rmqtt::Broker broker = started();
    rmqtt::PublishOptions retain;
    retain.retain = true;
    broker.publish("state/door", "open", retain);
    CHECK_EQ(broker.stats().retained_messages, 1u);
    std::promise<std::string> replayed;
    rmqtt::Subscription subscription = broker.subscribe("state/+", [&](const rmqtt::Message &message) {
        CHECK(message.origin == rmqtt::Origin::retained);
        CHECK(message.retain);
        CHECK(!message.publisher);
        replayed.set_value(std::string(message.payload));
    });
    CHECK_EQ(get(replayed.get_future()), "open");

    std::promise<std::string> first;
    rmqtt::SubscribeOptions options;
    options.retain_handling = 2;
    rmqtt::Subscription without = broker.subscribe(
        "state/+", [&](const rmqtt::Message &message) { first.set_value(std::string(message.payload)); }, options);
    subscription.close();
    broker.publish("state/door", "shut");
    CHECK_EQ(get(first.get_future()), "shut");
    broker.publish("state/window", "", retain);
    broker.publish("state/door", "", retain);
    CHECK_EQ(broker.stats().retained_messages, 0u);
}

void slow_subscriber_drops() {
    rmqtt::Broker broker = started();
    std::promise<void> entered;
    std::promise<void> release;
    std::promise<std::string> all;
    std::string got;
    rmqtt::SubscribeOptions options;
    options.max_queued_messages = 2;
    rmqtt::Subscription slow = broker.subscribe(
        "t",
        [&](const rmqtt::Message &message) {
            if (got.empty()) {
                entered.set_value();
                get(release.get_future());
            }
            got += message.payload;
            if (got.size() == 3) {
                all.set_value(got);
            }
        },
        options);
    broker.publish("t", "1");
    get(entered.get_future());
    for (const char *payload : {"2", "3", "4", "5", "6"}) {
        broker.publish("t", payload);
    }
    UNTIL(broker.stats().messages_dropped == 3);
    release.set_value();
    CHECK_EQ(get(all.get_future()), "123");
}

void stop_from_callback() {
    std::promise<rmqtt_status_t> from_hook;
    std::promise<rmqtt_status_t> from_subscription;
    std::unique_ptr<rmqtt::Broker> broker;
    rmqtt::Hooks hooks;
    hooks.authenticate = [&](const rmqtt::AuthEvent &) {
        from_hook.set_value(ERROR_OF(broker->stop(1s)).code());
        return rmqtt::Verdict::allow;
    };
    broker = std::make_unique<rmqtt::Broker>(OPEN, std::move(hooks));
    broker->start();
    rmqtt::Subscription subscription = broker->subscribe("t", [&](const rmqtt::Message &) {
        from_subscription.set_value(ERROR_OF(broker->stop()).code());
    });
    broker->publish("t", "");
    CHECK_EQ(Mqtt(port(*broker)).connect({}), 0);
    CHECK_EQ(get(from_hook.get_future()), RMQTT_ERR_WOULD_DEADLOCK);
    CHECK_EQ(get(from_subscription.get_future()), RMQTT_ERR_WOULD_DEADLOCK);
    CHECK(broker->running());
}

void end_from_callback() {
    // A subscription in its own function.
    Tracer tracer;
    auto broker = std::make_unique<rmqtt::Broker>(started());
    std::atomic<int> calls{0};
    std::promise<void> subscribed;
    rmqtt::Subscription own;
    own = broker->subscribe("t", [&, token = tracer.token(), ready = subscribed.get_future().share()](
                                     const rmqtt::Message &) {
        CHECK(ready.wait_for(PATIENCE) == std::future_status::ready);
        own.close();
        ++calls;
    });
    broker->publish("t", "1");
    broker->publish("t", "2");
    subscribed.set_value();
    UNTIL(tracer.gone());
    CHECK_EQ(calls.load(), 1);

    // A broker in the function of a subscription that outlives it.
    Tracer last;
    std::promise<void> done;
    rmqtt::Subscription subscription = broker->subscribe("t", [&, token = last.token()](const rmqtt::Message &) {
        broker.reset();
        done.set_value();
    });
    rmqtt::Broker *raw = broker.get();
    raw->publish("t", "3");
    get(done.get_future());
    CHECK(!broker);
    subscription.close();
    CHECK(last.gone());
}

void stop_with_pending_decision() {
    std::promise<rmqtt::Decision> tickets;
    rmqtt::Hooks hooks;
    hooks.authenticate = [&](const rmqtt::AuthEvent &) {
        tickets.set_value(rmqtt::defer());
        return rmqtt::Answer::later();
    };
    rmqtt::Broker broker = started(std::move(hooks));
    Mqtt client(port(broker));
    client.send_connect({});
    const rmqtt::Decision ticket = get(tickets.get_future());
    CHECK(ticket);
    broker.stop();
    CHECK(!ticket.complete(rmqtt::Verdict::allow));
    CHECK(client.read_connack() != 0);
    CHECK_EQ(broker.stats().decisions_pending, 0u);
}

void ticket_outlives_broker() {
    std::promise<rmqtt::Decision> tickets;
    std::optional<Mqtt> client;
    rmqtt::Decision ticket;
    {
        rmqtt::Hooks hooks;
        hooks.authenticate = [&](const rmqtt::AuthEvent &) {
            tickets.set_value(rmqtt::defer());
            return rmqtt::Answer::later();
        };
        rmqtt::Broker broker = started(std::move(hooks));
        client.emplace(port(broker));
        client->send_connect({});
        ticket = get(tickets.get_future());
        CHECK(ticket);
    }
    CHECK(!ticket.complete(rmqtt::Verdict::allow));
    CHECK(client->read_connack() != 0);
}

void stats() {
    rmqtt::Broker broker("{}");
    CHECK_EQ(broker.stats().started_at_ms, 0u);
    broker.start();
    std::promise<void> received;
    rmqtt::Subscription subscription = broker.subscribe("#", [&](const rmqtt::Message &) { received.set_value(); });
    broker.publish("a", "b");
    get(received.get_future());
    const rmqtt::Stats stats = broker.stats();
    CHECK(stats.started_at_ms > 0);
    CHECK_EQ(stats.in_process_subscriptions, 1u);
    CHECK_EQ(stats.messages_published, 1u);
    CHECK_EQ(stats.messages_delivered, 1u);
    CHECK_EQ(stats.messages_dropped, 0u);
    subscription.close();
    UNTIL(broker.stats().in_process_subscriptions == 0);
}

void log() {
    Tracer tracer;
    std::atomic<int> lines{0};
    rmqtt::set_log(rmqtt::Level::info, [&, token = tracer.token()](const rmqtt::LogLine &line) {
        if (line.level <= rmqtt::Level::info && !line.target.empty() && !line.message.empty()) {
            ++lines;
        }
        // Swallowed: the next line comes all the same.
        throw std::runtime_error("no space left");
    });
    {
        rmqtt::Broker broker = started();
        UNTIL(lines.load() >= 1);
        const int before = lines.load();
        broker.stop();
        broker.start();
        UNTIL(lines.load() > before);
    }
    CHECK(!tracer.gone());
    rmqtt::set_log(rmqtt::Level::info, nullptr);
    CHECK(tracer.gone());

    Tracer refused;
    CHECK_EQ(ERROR_OF(rmqtt::set_log(static_cast<rmqtt::Level>(99),
                                     [token = refused.token()](const rmqtt::LogLine &) {}))
                 .code(),
             RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(refused.gone());
}

void move_semantics() {
    rmqtt::Broker first = started();
    rmqtt::Broker second(std::move(first));
    CHECK(second.running());
    CHECK(!first.get());
    CHECK(!first.running());
    CHECK(first.id().empty());
    CHECK(first.listeners().empty());
    CHECK_EQ(first.connected_clients(), 0u);
    CHECK_EQ(ERROR_OF(first.start()).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(first.stop()).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(first.stats()).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(first.publish("a", "b")).code(), RMQTT_ERR_INVALID_ARGUMENT);

    std::promise<std::string> received;
    Tracer tracer;
    Tracer other;
    rmqtt::Subscription one = second.subscribe("t", [&, token = tracer.token()](const rmqtt::Message &message) {
        received.set_value(std::string(message.payload));
    });
    rmqtt::Subscription two = second.subscribe("other", [token = other.token()](const rmqtt::Message &) {});
    CHECK(one && two);
    two = std::move(one);
    CHECK(!one && two);
    CHECK(other.gone() && !tracer.gone());

    // A broker that is assigned to ends first.
    const auto old_port = port(second);
    rmqtt::Broker third = started();
    std::swap(second, third);
    CHECK_EQ(port(third), old_port);
    third.publish("t", "still here");
    CHECK_EQ(get(received.get_future()), "still here");
    third = std::move(second);
    CHECK(port(third) != old_port);

    // The subscription outlives its broker, and its function with it.
    CHECK(two);
    two.close();
    CHECK(!two && tracer.gone());
    two.close();
}

void two_translation_units() {
    rmqtt::Broker broker = broker_of_second_unit();
    CHECK_EQ(broker.id(), "second");
    broker.start();
    broker.stop();
}

const Scenario SCENARIOS[] = {
    SCENARIO(versions),
    SCENARIO(lifecycle),
    SCENARIO(events),
    SCENARIO(errors_with_faults),
    SCENARIO(nothing_leaks_when_a_call_fails),
    SCENARIO(allow),
    SCENARIO(deny),
    SCENARIO(deny_with_reason_code),
    SCENARIO(deferred_allow),
    SCENARIO(deferred_denial_with_reason_code),
    SCENARIO(no_ticket),
    SCENARIO(deferred_timeout),
    SCENARIO(exception_in_hook_denies),
    SCENARIO(pre_connect),
    SCENARIO(authorize_publish),
    SCENARIO(deferred_publish),
    SCENARIO(authorize_subscribe),
    SCENARIO(authorize_unsubscribe),
    SCENARIO(exceptions_in_authorization_deny),
    SCENARIO(inline_hooks),
    SCENARIO(exception_in_subscription),
    SCENARIO(message_tap),
    SCENARIO(retained_replay),
    SCENARIO(slow_subscriber_drops),
    SCENARIO(stop_from_callback),
    SCENARIO(end_from_callback),
    SCENARIO(stop_with_pending_decision),
    SCENARIO(ticket_outlives_broker),
    SCENARIO(stats),
    SCENARIO(log),
    SCENARIO(move_semantics),
    SCENARIO(two_translation_units),
};

}  // namespace

int main(int argc, char **argv) {
    return run(SCENARIOS, argc, argv);
}
