// Messages in-process: what this program publishes, subscribes to, keeps and retains, and connections that it brings.

#include "scenario.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <future>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <vector>

namespace {

using namespace std::chrono_literals;

static_assert(std::is_trivially_copyable_v<rmqtt::Delivery> && std::is_trivially_copyable_v<rmqtt::Message>);
static_assert(!std::is_copy_constructible_v<rmqtt::KeptMessage> && !std::is_copy_assignable_v<rmqtt::KeptMessage>);
static_assert(std::is_nothrow_move_constructible_v<rmqtt::KeptMessage>);
static_assert(std::is_nothrow_move_assignable_v<rmqtt::KeptMessage>);

rmqtt::Properties all_properties() {
    rmqtt::Properties properties;
    properties.content_type = "text/plain";
    properties.response_topic = "answers/to/me";
    properties.correlation_data = std::string("a\0b", 3);
    properties.user_properties = {{"k", "1"}, {"a", "b"}, {"k", ""}};
    properties.message_expiry = 60s;
    properties.payload_format_indicator = 1;
    return properties;
}

std::string line(const rmqtt::Message &message) {
    std::ostringstream text;
    text << message.topic << '|' << message.payload << '|' << int(message.qos) << '|' << message.retain << '|'
         << int(message.origin);
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

std::string line(const rmqtt::PublishReport &report) {
    std::ostringstream text;
    text << int(report.stage) << '|' << report.receivers << '|' << report.acknowledged << '|' << report.lost << '|'
         << report.last;
    return text.str();
}

// A subscription that tells payloads.
rmqtt::Subscription tell_payloads(rmqtt::Broker &broker, std::string_view filter, Told &told,
                                  rmqtt::SubscribeOptions options = {}) {
    return broker.subscribe(
        filter, [&told](const rmqtt::Message &message) { told.add(std::string(message.payload)); }, std::move(options));
}

std::string several(Told &told, int count) {
    std::string all;
    while (count-- > 0) {
        all += told.next();
    }
    return all;
}

void publish_numbers(rmqtt::Broker &broker, std::string_view topic, std::uint8_t qos, int from, int to) {
    for (int number = from; number <= to; ++number) {
        rmqtt::PublishOptions options;
        options.qos = qos;
        broker.publish(topic, std::to_string(number), options);
    }
}

// A function that waits to be let through, once.
class Door {
public:
    void pass() {
        if (!entered_.exchange(true)) {
            standing_.set_value();
            get(std::move(opened_));
        }
    }
    void wait_until_somebody_stands_there() { get(standing_.get_future()); }
    void open() { open_.set_value(); }

private:
    std::atomic<bool> entered_{false};
    std::promise<void> standing_;
    std::promise<void> open_;
    std::future<void> opened_ = open_.get_future();
};

void properties_are_published() {
    Told told;
    rmqtt::Broker broker = started();
    rmqtt::SubscribeOptions highest;
    highest.qos = 2;
    rmqtt::Subscription subscription = broker.subscribe(
        "#", [&](const rmqtt::Message &message) { told.add(line(message) + '|' + line(message.properties)); }, highest);
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    CHECK_EQ(client.subscribe("#", 2), 2);
    Mqtt old(port(broker));
    CHECK_EQ(old.connect({"old"}), 0);
    CHECK_EQ(old.subscribe("#", 0), 0);

    rmqtt::PublishOptions options;
    options.qos = 2;
    options.properties = all_properties();
    broker.publish("a", "text", options);
    const Mqtt::Message there = client.read_message();
    CHECK_EQ(there.qos, 2);
    const std::string correlation("09:a\0b", 6);
    for (const std::string &one : {std::string("01:1"), std::string("02:60"), std::string("03:text/plain"),
                                   std::string("08:answers/to/me"), correlation}) {
        CHECK(there.properties.have(one));
    }
    CHECK(there.properties.all().find("26:k=1 26:a=b 26:k=") != std::string::npos);
    client.acknowledge(there);
    CHECK_EQ(old.read_publish(), "a|text|0");
    CHECK_EQ(told.next(), "a|text|2|0|2|text/plain|answers/to/me|" + std::string("a\0b", 3) + "|60|1|k=1|a=b|k=");

    // None are none.
    broker.publish("b", "plain");
    const Mqtt::Message plain = client.read_message();
    CHECK_EQ(plain.properties.all(), "");
    CHECK_EQ(told.next(), "b|plain|0|0|2|-|-|-|-1|0");

    options.properties.response_topic = "a/#";
    CHECK_EQ(ERROR_OF(broker.publish("a", "x", options)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    options.properties = {};
    options.properties.payload_format_indicator = 1;
    CHECK_EQ(ERROR_OF(broker.publish("a", "\xff", options)).code(), RMQTT_ERR_INVALID_ARGUMENT);
}

void one_client_gets_it() {
    Told told;
    rmqtt::Broker broker = started();
    rmqtt::Subscription subscription = tell_payloads(broker, "#", told);
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5("one")), 0);
    Mqtt other(port(broker));
    CHECK_EQ(other.connect(v5("other")), 0);
    CHECK_EQ(other.subscribe("#", 0), 0);
    rmqtt::PublishOptions options;
    options.client_id = "one";
    broker.publish("direct", "for one", options);
    broker.publish("all", "for all");
    CHECK_EQ(client.read_publish(), "direct|for one|0");
    CHECK_EQ(other.read_publish(), "all|for all|0");
    CHECK_EQ(told.next(), "for all");
    options.client_id = "nobody";
    CHECK_EQ(ERROR_OF(broker.publish("direct", "x", options)).code(), RMQTT_ERR_NOT_FOUND);
    options.client_id = "";
    CHECK_EQ(ERROR_OF(broker.publish("direct", "x", options)).code(), RMQTT_ERR_NOT_FOUND);
}

void later_is_later() {
    Told told;
    rmqtt::Broker broker = started();
    rmqtt::Subscription subscription =
        broker.subscribe("d", [&](const rmqtt::Message &message) { told.add(line(message)); });
    const auto begin = std::chrono::steady_clock::now();
    rmqtt::PublishOptions options;
    options.delay = 50ms;
    broker.publish("d", "second", options);
    options.delay = -1ms;
    broker.publish("d", "first", options);
    CHECK_EQ(told.next(), "d|first|0|0|2");
    CHECK_EQ(told.next(), "d|second|0|0|8");
    CHECK(std::chrono::steady_clock::now() - begin >= 50ms);
    // Longer than 32 bits of milliseconds, and longer than there may be.
    options.delay = std::chrono::hours(24 * 365);
    broker.publish("d", "never", options);
    options.delay = std::chrono::milliseconds::max();
    CHECK_EQ(ERROR_OF(broker.publish("d", "x", options)).code(), RMQTT_ERR_INVALID_ARGUMENT);
}

void reports() {
    Told told;
    Tracer tracer;
    rmqtt::Broker broker = started();
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    CHECK_EQ(client.subscribe("r", 1), 1);
    const auto report_with = [&](std::uint8_t qos) {
        rmqtt::PublishOptions options;
        options.qos = qos;
        options.on_report = [&told, token = tracer.token()](const rmqtt::PublishReport &report) {
            told.add(line(report));
        };
        return options;
    };
    broker.publish("r", "x", report_with(1));
    CHECK_EQ(told.next(), "1|1|0|0|0");
    CHECK(!tracer.gone());
    client.acknowledge(client.read_message());
    CHECK_EQ(told.next(), "2|1|1|0|1");
    UNTIL(tracer.gone());
    broker.publish("nobody", "x", report_with(1));
    CHECK_EQ(told.next(), "1|0|0|0|1");
    UNTIL(tracer.gone());

    // Nothing is reported of what is not published.
    CHECK_EQ(ERROR_OF(broker.publish("a/#", "x", report_with(0))).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(tracer.gone());
    rmqtt::Broker none = started();
    rmqtt::Broker elsewhere = std::move(none);
    CHECK_EQ(ERROR_OF(none.publish("a", "x", report_with(0))).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(tracer.gone());

    // What throws is told, and the next report comes all the same.
    rmqtt::PublishOptions failing = report_with(1);
    failing.on_report = [&told, token = tracer.token()](const rmqtt::PublishReport &report) {
        throw std::runtime_error(line(report));
    };
    failing.on_error = [&told](std::exception_ptr exception) {
        told.add(message_of(exception));
        throw 42;
    };
    broker.publish("r", "y", failing);
    CHECK_EQ(told.next(), "1|1|0|0|0");
    client.acknowledge(client.read_message());
    CHECK_EQ(told.next(), "2|1|1|0|1");
    failing = {};
    UNTIL(tracer.gone());

    rmqtt::Hooks hooks;
    hooks.authorize_publish = [](const rmqtt::PublishEvent &) { return rmqtt::Verdict::deny; };
    broker.set_hooks(std::move(hooks));
    broker.publish("r", "z", report_with(1));
    CHECK_EQ(told.next(), "3|0|0|0|1");
    broker.set_hooks({});

    // A stop ends what is open.
    rmqtt::PublishOptions open = report_with(0);
    open.delay = 1h;
    broker.publish("r", "later", std::move(open));
    CHECK(!tracer.gone());
    broker.stop();
    UNTIL(tracer.gone());
    CHECK(told.empty());
}

void batches_are_published_in_order() {
    Told told;
    Told reported;
    std::array<Tracer, 4> tracers;
    rmqtt::Broker broker = started();
    rmqtt::Subscription subscription = broker.subscribe(
        "b/#", [&](const rmqtt::Message &message) { told.add(line(message) + '|' + line(message.properties)); });
    const auto batch = [&](std::string_view third_topic) {
        std::vector<rmqtt::Publication> messages = {{"b/0", "0"}, {"b/1", "1"}, {third_topic, "2"}, {"b/3", "3"}};
        for (std::size_t index = 0; index < messages.size(); ++index) {
            messages[index].options.on_report = [&reported, index, token = tracers[index].token()](
                                                    const rmqtt::PublishReport &report) {
                reported.add(std::to_string(index) + '|' + line(report));
            };
        }
        messages[1].options.qos = 1;
        messages[1].options.properties.content_type = "a content type that does not fit into a string object";
        messages[3].options.properties.user_properties = {{"k", "v"}};
        return messages;
    };
    broker.publish_batch(batch("b/2"));
    CHECK_EQ(told.next(), "b/0|0|0|0|2|-|-|-|-1|0");
    CHECK_EQ(told.next(), "b/1|1|0|0|2|a content type that does not fit into a string object|-|-|-1|0");
    CHECK_EQ(told.next(), "b/2|2|0|0|2|-|-|-|-1|0");
    CHECK_EQ(told.next(), "b/3|3|0|0|2|-|-|-|-1|0|k=v");
    for (const char *report : {"0|1|1|0|0|1", "1|1|1|0|0|1", "2|1|1|0|0|1", "3|1|1|0|0|1"}) {
        CHECK_EQ(reported.next(), report);
    }

    try {
        broker.publish_batch(batch("#"));
        failed(__FILE__, __LINE__, "a filter was published to");
    } catch (const rmqtt::BatchError &error) {
        CHECK_EQ(error.accepted(), 2u);
        CHECK_EQ(error.code(), RMQTT_ERR_INVALID_ARGUMENT);
        CHECK(std::string(error.what()).find("topic") != std::string::npos);
    }
    CHECK_EQ(reported.next(), "0|1|1|0|0|1");
    CHECK_EQ(reported.next(), "1|1|1|0|0|1");
    for (const Tracer &tracer : tracers) {
        UNTIL(tracer.gone());
    }
    CHECK(reported.empty());
    broker.publish_batch({});
    rmqtt::Broker elsewhere = std::move(broker);
    CHECK_EQ(ERROR_OF(broker.publish_batch(batch("b/2"))).code(), RMQTT_ERR_INVALID_ARGUMENT);
    for (const Tracer &tracer : tracers) {
        CHECK(tracer.gone());
    }
}

void calls_bring_as_many_as_there_are() {
    Told told;
    Tracer tracer;
    Door door;
    rmqtt::Broker broker = started();
    rmqtt::SubscribeOptions options;
    options.max_batch = 3;
    options.qos = 1;
    std::promise<std::string> failure;
    options.on_error = [&](std::exception_ptr exception) { failure.set_value(message_of(exception)); };
    rmqtt::Subscription subscription = broker.subscribe_batch(
        "b",
        [&, token = tracer.token()](const rmqtt::Messages &messages) {
            door.pass();
            std::string all;
            for (const rmqtt::Message &message : messages) {
                all += message.payload;
            }
            CHECK_EQ(all.size(), messages.size());
            CHECK_EQ(messages[messages.size() - 1].payload, all.substr(all.size() - 1));
            told.add(all);
            if (all == "7") {
                throw std::runtime_error("seven");
            }
        },
        options);
    publish_numbers(broker, "b", 1, 0, 0);
    door.wait_until_somebody_stands_there();
    publish_numbers(broker, "b", 1, 1, 7);
    door.open();
    for (const char *call : {"0", "123", "456", "7"}) {
        CHECK_EQ(told.next(), call);
    }
    CHECK_EQ(get(failure.get_future()), "seven");
    subscription.close();
    CHECK(tracer.gone());

    options.max_batch = 65537;
    CHECK_EQ(ERROR_OF((void)broker.subscribe_batch("b", [token = tracer.token()](const rmqtt::Messages &) {}, options))
                 .code(),
             RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(tracer.gone());
    CHECK_EQ(ERROR_OF((void)broker.subscribe_batch("b", nullptr)).code(), RMQTT_ERR_INVALID_ARGUMENT);
}

void the_program_acknowledges() {
    Told told;
    std::vector<rmqtt::Delivery> deliveries;
    rmqtt::Broker broker = started();
    rmqtt::SubscribeOptions options;
    options.qos = 2;
    options.manual_ack = true;
    options.receive_maximum = 2;
    rmqtt::Subscription subscription = broker.subscribe(
        "m",
        [&](const rmqtt::Message &message) {
            CHECK_EQ(int(message.qos) > 0, bool(message.delivery));
            deliveries.push_back(message.delivery);
            told.add(std::string(message.payload));
        },
        options);
    publish_numbers(broker, "m", 2, 1, 4);
    CHECK_EQ(told.next(), "1");
    CHECK_EQ(told.next(), "2");
    UNTIL(subscription.stats().queued_messages == 2);
    CHECK_EQ(subscription.stats().unacknowledged, 2u);
    CHECK(told.empty());
    CHECK(deliveries[1].ack());
    CHECK_EQ(told.next(), "3");
    CHECK(!deliveries[1].ack());
    CHECK(rmqtt::Delivery(deliveries[0].number()).ack());
    CHECK_EQ(told.next(), "4");
    publish_numbers(broker, "m", 0, 5, 5);
    CHECK_EQ(told.next(), "5");
    CHECK(!deliveries[4] && !deliveries[4].ack() && !rmqtt::Delivery().ack());
    UNTIL(subscription.stats().delivered == 5);
    CHECK_EQ(subscription.stats().acknowledged, 2u);
    subscription.close();
    CHECK(deliveries[2] && !deliveries[2].ack());

    // Without it, nothing has to be acknowledged.
    options.manual_ack = false;
    std::promise<bool> nothing;
    rmqtt::Subscription automatic = broker.subscribe(
        "m", [&](const rmqtt::Message &message) { nothing.set_value(!message.delivery && message.qos == 2); }, options);
    publish_numbers(broker, "m", 2, 6, 6);
    CHECK(get(nothing.get_future()));
}

void queues_overflow_as_told() {
    rmqtt::Broker broker = started();
    const std::pair<rmqtt::Overflow, const char *> policies[] = {{rmqtt::Overflow::drop_newest, "012"},
                                                                 {rmqtt::Overflow::drop_oldest, "034"}};
    for (const auto &[overflow, heard] : policies) {
        Door door;
        Told told;
        rmqtt::SubscribeOptions options;
        options.qos = 1;
        options.max_queued_messages = 2;
        options.overflow = overflow;
        rmqtt::Subscription subscription = broker.subscribe(
            "o",
            [&](const rmqtt::Message &message) {
                door.pass();
                told.add(std::string(message.payload));
            },
            options);
        publish_numbers(broker, "o", 1, 0, 0);
        door.wait_until_somebody_stands_there();
        publish_numbers(broker, "o", 1, 1, 4);
        CHECK_EQ(subscription.stats().dropped, 2u);
        CHECK_EQ(subscription.stats().queued_messages, 2u);
        door.open();
        CHECK_EQ(several(told, 3), heard);
    }

    Door door;
    Told told;
    rmqtt::SubscribeOptions options;
    options.qos = 1;
    options.max_queued_bytes = 5000;
    rmqtt::Subscription subscription = broker.subscribe("o", [&](const rmqtt::Message &) { door.pass(); }, options);
    publish_numbers(broker, "o", 1, 0, 0);
    door.wait_until_somebody_stands_there();
    for (int i = 0; i < 3; ++i) {
        broker.publish("o", std::string(4096, 'x'));
    }
    CHECK_EQ(subscription.stats().dropped, 2u);
    CHECK(subscription.stats().queued_bytes >= 4096);
    door.open();
}

void a_full_queue_blocks() {
    Door door;
    Told told;
    rmqtt::Broker broker = started();
    rmqtt::SubscribeOptions options;
    options.qos = 1;
    options.max_queued_messages = 2;
    options.overflow = rmqtt::Overflow::block;
    rmqtt::Subscription subscription = broker.subscribe(
        "f",
        [&](const rmqtt::Message &message) {
            door.pass();
            told.add(std::string(message.payload));
        },
        options);
    publish_numbers(broker, "f", 1, 0, 0);
    door.wait_until_somebody_stands_there();
    publish_numbers(broker, "f", 1, 1, 2);
    rmqtt::PublishOptions one;
    one.qos = 1;
    CHECK_EQ(ERROR_OF(broker.publish("f", "x", one)).code(), RMQTT_ERR_WOULD_BLOCK);
    const auto begin = std::chrono::steady_clock::now();
    one.wait = 50ms;
    CHECK_EQ(ERROR_OF(broker.publish("f", "x", one)).code(), RMQTT_ERR_WOULD_BLOCK);
    CHECK(std::chrono::steady_clock::now() - begin >= 50ms);
    // The longest time that fits must not wrap to a short one.
    one.wait = std::chrono::milliseconds::max();
    std::thread opener([&] { door.open(); });
    broker.publish("f", "3", one);
    opener.join();
    CHECK_EQ(several(told, 4), "0123");
    CHECK_EQ(subscription.stats().dropped, 0u);
}

void a_pause_holds_calls_back() {
    Told told;
    rmqtt::Broker broker = started();
    rmqtt::Subscription subscription = tell_payloads(broker, "p", told);
    CHECK(!subscription.stats().paused);
    subscription.pause();
    subscription.pause();
    CHECK(subscription.stats().paused);
    publish_numbers(broker, "p", 0, 1, 2);
    UNTIL(subscription.stats().queued_messages == 2);
    CHECK(told.empty());
    subscription.resume();
    CHECK_EQ(several(told, 2), "12");
    UNTIL(subscription.stats().delivered == 2);
    subscription.close();
    CHECK_EQ(ERROR_OF(subscription.pause()).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(subscription.resume()).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF((void)subscription.stats()).code(), RMQTT_ERR_INVALID_ARGUMENT);
}

void options_of_subscriptions() {
    Told remote;
    Told kept;
    Told plain;
    rmqtt::Broker broker = started();
    rmqtt::SubscribeOptions options;
    options.no_local = true;
    rmqtt::Subscription no_local = tell_payloads(broker, "l", remote, options);
    const auto tell_to = [](Told &told) {
        return [&told](const rmqtt::Message &message) { told.add(line(message)); };
    };
    options = {};
    options.retain_as_published = true;
    options.qos = 1;
    rmqtt::Subscription as_published = broker.subscribe("l", tell_to(kept), options);
    rmqtt::Subscription others = broker.subscribe("l", tell_to(plain));
    rmqtt::PublishOptions retain;
    retain.retain = true;
    retain.qos = 2;
    broker.publish("l", "mine", retain);
    CHECK_EQ(kept.next(), "l|mine|1|1|2");
    CHECK_EQ(plain.next(), "l|mine|0|0|2");
    Mqtt client(port(broker));
    CHECK_EQ(client.connect(v5()), 0);
    client.publish("l", "theirs");
    CHECK_EQ(remote.next(), "theirs");

    options.no_local = true;
    CHECK_EQ(ERROR_OF((void)broker.subscribe("$share/g/l", [](const rmqtt::Message &) {}, options)).code(),
             RMQTT_ERR_INVALID_ARGUMENT);
    options = {};
    options.overflow = static_cast<rmqtt::Overflow>(3);
    CHECK_EQ(ERROR_OF((void)broker.subscribe("l", [](const rmqtt::Message &) {}, options)).code(),
             RMQTT_ERR_INVALID_ARGUMENT);
    options = {};
    options.receive_maximum = 65536;
    CHECK_EQ(ERROR_OF((void)broker.subscribe("l", [](const rmqtt::Message &) {}, options)).code(),
             RMQTT_ERR_INVALID_ARGUMENT);
}

void messages_can_be_kept() {
    std::promise<rmqtt::KeptMessage> from_subscription;
    std::promise<rmqtt::KeptMessage> from_hook;
    rmqtt::KeptMessage kept;
    rmqtt::KeptMessage asked;
    const auto check = [](const rmqtt::KeptMessage &message) {
        CHECK(message);
        CHECK_EQ(message->topic, "kept/in/a/topic/that/is/long/enough");
        CHECK_EQ((*message).payload, "a payload that does not fit into a string object");
        CHECK_EQ(message->publisher.value().client_id, "pump");
        CHECK_EQ(message->properties.content_type.value(), "text");
        CHECK(message->properties.user_properties.find("a") == "b");
    };
    {
        rmqtt::Hooks hooks;
        hooks.authorize_publish = [&](const rmqtt::PublishEvent &event) {
            from_hook.set_value(event.message.keep());
            return rmqtt::Verdict::allow;
        };
        hooks.run_inline.authorize_publish = true;
        rmqtt::Broker broker = started(std::move(hooks));
        rmqtt::Subscription subscription = broker.subscribe("kept/#", [&](const rmqtt::Message &message) {
            rmqtt::KeptMessage mine = message.keep();
            // Not copied.
            CHECK(mine->payload.data() == message.payload.data() && mine->topic.data() == message.topic.data());
            from_subscription.set_value(std::move(mine));
        });
        Mqtt client(port(broker));
        CHECK_EQ(client.connect(v5()), 0);
        client.publish("kept/in/a/topic/that/is/long/enough", "a payload that does not fit into a string object",
                       property(0x03, "text") + user_property("a", "b"));
        kept = get(from_subscription.get_future());
        asked = get(from_hook.get_future());
    }
    check(kept);
    check(asked);
    rmqtt::KeptMessage moved = std::move(kept);
    CHECK(!kept);
    rmqtt::KeptMessage again = moved->keep();
    moved.reset();
    CHECK(!moved);
    check(again);
    asked = std::move(again);
    check(asked);
    CHECK_EQ(ERROR_OF((void)rmqtt::Message().keep()).code(), RMQTT_ERR_INVALID_ARGUMENT);
}

std::string shown(const rmqtt::Broker &broker, std::string_view filter) {
    std::string all;
    broker.retained(filter, [&](const rmqtt::Message &message) {
        CHECK(message.origin == rmqtt::Origin::retained && message.retain);
        all += std::string(message.topic) + '=' + std::string(message.payload) + ' ';
    });
    return all;
}

void retained_messages() {
    Told told;
    Tracer tracer;
    rmqtt::Broker broker = started({}, R"({"retain": {"max_messages": 3}})");
    rmqtt::Subscription subscription = tell_payloads(broker, "#", told);
    CHECK_EQ(shown(broker, "#"), "");
    CHECK(!broker.retained_get("a/b"));
    rmqtt::PublishOptions options;
    options.qos = 1;
    options.properties = all_properties();
    broker.retained_set("a/b", "2", options);
    broker.retained_set("a", "1");
    rmqtt::PublishOptions retain;
    retain.retain = true;
    broker.publish("b", "3", retain);
    // What is set is not sent.
    CHECK_EQ(told.next(), "3");
    CHECK(told.empty());
    CHECK_EQ(shown(broker, "#"), "a=1 a/b=2 b=3 ");
    CHECK_EQ(shown(broker, "a/#"), "a=1 a/b=2 ");
    CHECK_EQ(ERROR_OF(broker.retained_set("c", "4")).code(), RMQTT_ERR_WOULD_BLOCK);

    const rmqtt::KeptMessage found = broker.retained_get("a/b");
    CHECK(found);
    CHECK_EQ(line(*found), "a/b|2|1|1|4");
    CHECK_EQ(broker.retained_delete("a/#"), 2u);
    CHECK_EQ(broker.retained_delete("a/#"), 0u);
    CHECK(!broker.retained_get("a/b"));
    CHECK_EQ(found->properties.content_type.value(), "text/plain");
    CHECK_EQ(shown(broker, "#"), "b=3 ");

    // An exception of the function is the caller's, and ends what is shown.
    broker.retained_set("a", "1");
    int calls = 0;
    try {
        broker.retained("#", [&](const rmqtt::Message &) {
            ++calls;
            throw std::runtime_error("enough");
        });
        failed(__FILE__, __LINE__, "nothing was thrown");
    } catch (const std::runtime_error &error) {
        CHECK_EQ(std::string(error.what()), "enough");
    }
    CHECK_EQ(calls, 1);
    // The function may do what it wants to.
    broker.retained("#", [&](const rmqtt::Message &message) { CHECK_EQ(broker.retained_delete(message.topic), 1u); });
    CHECK_EQ(broker.stats().retained_messages, 0u);

    options = {};
    options.on_report = [token = tracer.token()](const rmqtt::PublishReport &) {};
    CHECK_EQ(ERROR_OF(broker.retained_set("a", "1", options)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    options = {};
    CHECK(tracer.gone());
    CHECK_EQ(ERROR_OF(broker.retained_set("a", "")).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(broker.retained("a#", [](const rmqtt::Message &) {})).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF(broker.retained("a", nullptr)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF((void)broker.retained_get("+")).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(ERROR_OF((void)broker.retained_delete("$share/g/a")).code(), RMQTT_ERR_INVALID_ARGUMENT);
    broker.stop();
    CHECK_EQ(ERROR_OF((void)broker.retained_get("a")).code(), RMQTT_ERR_INVALID_STATE);
}

// Hooks that tell how clients come, and let in those that are asked about.
rmqtt::Hooks witness(Told &told) {
    rmqtt::Hooks hooks;
    hooks.pre_connect = [&told](const rmqtt::PreConnectEvent &event) {
        told.add("before " + std::string(event.address) + ' ' + std::string(event.listener));
        return rmqtt::Verdict::allow;
    };
    hooks.authenticate = [&told](const rmqtt::AuthEvent &) {
        told.add("asked");
        return rmqtt::Verdict::allow;
    };
    hooks.connected = [&told](const rmqtt::ConnectedEvent &event) {
        const rmqtt::Client &client = event.client;
        told.add(std::string(client.client_id) + ' ' + std::string(client.username.value_or("-")) + ' ' +
                 std::string(client.address) + ' ' + std::string(client.listener));
    };
    return hooks;
}

bool is_closed(int fd) {
    return ::fcntl(fd, F_GETFD) == -1 && errno == EBADF;
}

void pairs_are_connections() {
    Told told;
    rmqtt::Broker broker = started(witness(told), "{}");
    Mqtt client(Mqtt::Socket{broker.connect_pair()});
    CHECK_EQ(client.connect(v5()), 0);
    CHECK_EQ(told.next(), "before pair attached");
    CHECK_EQ(told.next(), "asked");
    CHECK_EQ(told.next(), "pump - pair attached");
    CHECK_EQ(client.subscribe("a", 1), 1);
    broker.publish("a", "x");
    CHECK_EQ(client.read_publish(), "a|x|0");

    rmqtt::Peer peer;
    peer.address = "the cellar";
    peer.listener = "pipes";
    peer.username = "alice";
    peer.authenticated = true;
    Mqtt vouched(Mqtt::Socket{broker.connect_pair(peer)});
    Mqtt::Options options = v5("vouched");
    options.username = "bob";
    CHECK_EQ(vouched.connect(options), 0);
    CHECK_EQ(told.next(), "before the cellar pipes");
    CHECK_EQ(told.next(), "vouched alice the cellar pipes");

    // Its time is limited.
    peer = {};
    peer.connect_timeout = 50ms;
    CHECK(Mqtt(Mqtt::Socket{broker.connect_pair(peer)}).closed());
    peer.connect_timeout = std::chrono::milliseconds::max();
    CHECK_EQ(ERROR_OF((void)broker.connect_pair(peer)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    peer = {};
    peer.username = "alice";
    CHECK_EQ(ERROR_OF((void)broker.connect_pair(peer)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    broker.stop();
    CHECK_EQ(client.read_disconnect(), 0x8b);
    CHECK_EQ(ERROR_OF((void)broker.connect_pair()).code(), RMQTT_ERR_INVALID_STATE);
}

void descriptors_are_connections() {
    Told told;
    rmqtt::Broker broker = started(witness(told), "{}");
    int ends[2];
    const auto pair = [&] { CHECK_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0); };
    pair();
    broker.attach_fd(ends[0]);
    Mqtt client(Mqtt::Socket{ends[1]});
    CHECK_EQ(client.connect({"pump"}), 0);
    CHECK_EQ(told.next(), "before unix attached");
    CHECK_EQ(told.next(), "asked");
    CHECK_EQ(told.next(), "pump - unix attached");
    rmqtt::Peer peer;
    peer.listener = "inetd";
    peer.authenticated = true;
    pair();
    broker.attach_fd(ends[0], peer);
    Mqtt other(Mqtt::Socket{ends[1]});
    CHECK_EQ(other.connect({"other"}), 0);
    CHECK_EQ(told.next(), "before unix inetd");
    CHECK_EQ(told.next(), "other - unix inetd");

    // It is closed whatever the answer is.
    const int file = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    CHECK_EQ(ERROR_OF(broker.attach_fd(file)).code(), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(is_closed(file));
    broker.stop();
    pair();
    CHECK_EQ(ERROR_OF(broker.attach_fd(ends[0])).code(), RMQTT_ERR_INVALID_STATE);
    CHECK(is_closed(ends[0]));
    ::close(ends[1]);
}

const Scenario SCENARIOS[] = {
    SCENARIO(properties_are_published),
    SCENARIO(one_client_gets_it),
    SCENARIO(later_is_later),
    SCENARIO(reports),
    SCENARIO(batches_are_published_in_order),
    SCENARIO(calls_bring_as_many_as_there_are),
    SCENARIO(the_program_acknowledges),
    SCENARIO(queues_overflow_as_told),
    SCENARIO(a_full_queue_blocks),
    SCENARIO(a_pause_holds_calls_back),
    SCENARIO(options_of_subscriptions),
    SCENARIO(messages_can_be_kept),
    SCENARIO(retained_messages),
    SCENARIO(pairs_are_connections),
    SCENARIO(descriptors_are_connections),
};

}  // namespace

int main(int argc, char **argv) {
    return run(SCENARIOS, argc, argv);
}
