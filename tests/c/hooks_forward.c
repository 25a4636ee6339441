/* The hook that decides which client gets a message, and as what. */

#include "hooks.h"

#define FORWARD BIT(RMQTT_HOOK_AUTHORIZE_FORWARD)

/** On which way a message comes to its receiver. */
enum course { LIVE, QUEUED, RETAINED, COURSES };

static test_client open_kept(rmqtt_broker_t *broker, const char *client_id, int protocol) {
    const uint8_t expiry[] = {0x11, 0, 0, 0x0e, 0x10};
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    connect.keep_session = true;
    connect.properties = expiry;
    connect.properties_len = sizeof expiry;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    return client;
}

static void publish_as_host(rmqtt_broker_t *broker, const char *topic, const char *payload, int qos) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str(topic);
    message.payload = rmqtt_bytes(payload, strlen(payload));
    message.qos = (uint8_t)qos;
    message.wait_ms = TEST_DEADLINE_MS;
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
}

/** The next message must be this one; acknowledges QoS 1. */
static inbound next_is(test_client client, const char *topic, const char *payload, int id) {
    inbound message = message_read(client);
    if (strcmp(message.topic, topic) != 0 || strcmp(message.payload, payload) != 0) {
        FAIL("the next message is %s to %s, not %s to %s", message.payload, message.topic, payload, topic);
    }
    CHECK_EQ(message.id, id);
    CHECK_EQ(message.qos, id == 0 ? 0 : 1);
    CHECK(!message.again);
    if (message.qos == 1) {
        message_acknowledge(client, &message);
    }
    return message;
}

static bool has_bytes(const inbound *message, const void *bytes, size_t len) {
    return memmem(message->properties, message->properties_len, bytes, len) != NULL;
}

static void each_receiver_gets_its_own(int way, int protocol, enum course course) {
    static const char *const topics[] = {"drop", "fine", "hide", "lower", "payload", "properties", "retain", "topic"};
    static const uint8_t given[] = {0x03, 0, 1, 'x'};
    static const uint8_t type[] = {0x03, 0, 10, 't', 'e', 'x', 't', '/', 'p', 'l', 'a', 'i', 'n'};
    static const uint8_t user[] = {0x26, 0, 1, 'k', 0, 1, 'v'};
    const size_t count = sizeof topics / sizeof *topics;
    rmqtt_user_property_t user_property = {rmqtt_str("k"), rmqtt_str("v")};
    rmqtt_properties_t others = rmqtt_properties_init();
    others.content_type = rmqtt_str("text/plain");
    others.user_properties = &user_property;
    others.user_property_count = 1;

    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, FORWARD);
    judge_rule(&judging, rule_deny("F a drop", 0x87, "nobody is told"));
    judge_rule(&judging, rule_drop("F a hide"));
    judge_rule(&judging, rule_qos("F a lower", 0));
    judge_rule(&judging, rule_qos("F b lower", 2));
    rule payload = rule_allow("F a payload");
    payload.replace = RMQTT_REPLACE_PAYLOAD;
    payload.payload = "another payload";
    judge_rule(&judging, payload);
    rule properties = rule_allow("F a properties");
    properties.replace = RMQTT_REPLACE_PROPERTIES;
    properties.properties = &others;
    judge_rule(&judging, properties);
    rule retain = rule_allow("F a retain");
    retain.replace = RMQTT_REPLACE_RETAIN;
    retain.retain = course != RETAINED;
    judge_rule(&judging, retain);
    judge_rule(&judging, rule_topic("F a topic", "another/topic"));
    /* Without its bit nothing counts. */
    rule fine = rule_topic("F a fine", "elsewhere");
    fine.replace = 0;
    fine.payload = "something else";
    fine.retain = course != RETAINED;
    fine.properties = &others;
    judge_rule(&judging, fine);

    test_client a = open_kept(broker, "a", protocol);
    test_client b = open_kept(broker, "b", protocol);
    test_client publisher = client_open(broker, "publisher", 5);
    if (course != RETAINED) {
        subscribe(a, "#", 1, 1);
        subscribe(b, "#", 1, 1);
    }
    if (course == QUEUED) {
        test_client_disconnect(a);
        test_client_disconnect(b);
        WAIT_UNTIL(test_stats(broker).connected_clients == 1);
    }
    for (size_t i = 0; i < count; i++) {
        publish_with(publisher, topics[i], topics[i], course == RETAINED ? 0x03 : 0x02, 1, given, sizeof given);
        CHECK_EQ(ack_read(publisher, 0x40, 1).code, course == RETAINED ? 0x10 : 0);
    }
    if (course == QUEUED) {
        CHECK_EQ(judging.asked, 0);
        a = open_kept(broker, "a", protocol);
        b = open_kept(broker, "b", protocol);
    } else if (course == RETAINED) {
        subscribe(a, "#", 1, 1);
        subscribe(b, "#", 1, 1);
    }

    bool v5 = protocol == 5;
    inbound message = next_is(a, "fine", "fine", 1);
    CHECK_EQ(message.retain, course == RETAINED);
    CHECK_EQ(has_bytes(&message, given, sizeof given), v5);
    next_is(a, "lower", "lower", 0);
    next_is(a, "payload", "another payload", 2);
    message = next_is(a, "properties", "properties", 3);
    CHECK_EQ(has_bytes(&message, type, sizeof type) && has_bytes(&message, user, sizeof user), v5);
    CHECK_EQ(message.properties_len, v5 ? sizeof type + sizeof user : 0);
    message = next_is(a, "retain", "retain", 4);
    CHECK_EQ(message.retain, course != RETAINED);
    message = next_is(a, "another/topic", "topic", 5);
    CHECK_EQ(message.retain, course == RETAINED);
    for (size_t i = 0; i < count; i++) {
        message = next_is(b, topics[i], topics[i], (int)i + 1);
        CHECK_EQ(message.retain, course == RETAINED);
        CHECK_EQ(message.properties_len, v5 ? sizeof given : 0);
        CHECK_EQ(has_bytes(&message, given, sizeof given), v5);
    }
    CHECK_EQ(judging.asked, 2 * (int)count);
    CHECK(judging.has_publisher);
    CHECK_EQ(judging.origin, course == RETAINED ? RMQTT_ORIGIN_RETAINED : RMQTT_ORIGIN_CLIENT);
    CHECK_EQ(judging.retain, course == RETAINED);
    CHECK_EQ(judging.qos, 1);
    CHECK(strcmp(judging.properties, "bytes type x ") == 0);
    CHECK_EQ(test_stats(broker).messages_dropped_refused, 2);
    CHECK_EQ(test_stats(broker).decisions_denied, 2);
    CHECK_EQ(test_stats(broker).messages_sent, 2 * count - 2);
    test_client_leave(a);
    test_client_leave(b);
    test_client_leave(publisher);
    judged_end(&judging);
}

static void what_makes_no_sense_drops(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, FORWARD);
    rmqtt_properties_t bad = rmqtt_properties_init();
    bad.response_topic = rmqtt_str("a/#");
    test_client client = client_open(broker, "c", protocol);
    subscribe(client, "#", 1, 1);
    judge_rule(&judging, rule_topic("F c wildcard", "a/+"));
    judge_rule(&judging, rule_topic("F c nameless", ""));
    judge_rule(&judging, rule_qos("F c three", 3));
    judge_rule(&judging, rule_make("F c unknown", 77));
    rule properties = rule_allow("F c properties");
    properties.replace = RMQTT_REPLACE_PROPERTIES;
    properties.properties = &bad;
    judge_rule(&judging, properties);
    static const char *const topics[] = {"wildcard", "nameless", "three", "unknown", "properties"};
    for (int qos = 0; qos <= 1; qos++) {
        for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
            publish_as_host(broker, topics[i], "x", qos);
        }
        publish_as_host(broker, "fine", "f", qos);
        CHECK_NEXT(client, "fine", "f");
    }
    CHECK_EQ(test_stats(broker).messages_dropped_refused, 10);
    test_client_leave(client);
    judged_end(&judging);
}

/** What has been sent once is what is sent again, and nobody is asked about it. */
static void it_is_asked_about_once(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, FORWARD);
    rule changed = rule_topic("F c t", "instead");
    changed.replace |= RMQTT_REPLACE_PAYLOAD;
    changed.payload = "changed";
    judge_rule(&judging, changed);
    for (int qos = 1; qos <= 2; qos++) {
        judge_forget(&judging);
        test_client client = open_kept(broker, "c", protocol);
        subscribe(client, "#", qos, qos);
        publish_as_host(broker, "t", "x", qos);
        inbound first = message_read(client);
        CHECK(!first.again && strcmp(first.topic, "instead") == 0 && strcmp(first.payload, "changed") == 0);
        test_client_reset(client);
        client = open_kept(broker, "c", protocol);
        inbound second = message_read(client);
        CHECK(second.again && strcmp(second.topic, "instead") == 0 && strcmp(second.payload, "changed") == 0);
        CHECK_EQ(second.id, first.id);
        CHECK_EQ(second.qos, qos);
        message_acknowledge(client, &second);
        publish_as_host(broker, "marker", "m", qos);
        inbound marker = message_read(client);
        CHECK(strcmp(marker.topic, "marker") == 0 && !marker.again);
        message_acknowledge(client, &marker);
        CHECK_ASKED(&judging, "F c t,F c marker,");
        test_client_disconnect(client);
        WAIT_UNTIL(test_stats(broker).connected_clients == 0);
    }
    judged_end(&judging);
}

/** A client that goes before the decision is made is asked about again, and gets the message once. */
static void who_leaves_undecided_gets_it_later(int way, int protocol, int qos) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, FORWARD);
    test_client client = open_kept(broker, "c", protocol);
    subscribe(client, "#", qos, qos);
    judge_rule(&judging, rule_hold("F c t"));
    publish_as_host(broker, "t", "1", qos);
    publish_as_host(broker, "u", "2", qos);
    rmqtt_decision_t ticket = judge_ticket(&judging, 1);
    test_client_reset(client);
    WAIT_UNTIL(test_stats(broker).decisions_pending == 0);
    rmqtt_verdict_t allow = rmqtt_verdict_init();
    allow.kind = RMQTT_VERDICT_ALLOW;
    CHECK_STATUS(rmqtt_decision_complete(ticket, &allow), RMQTT_ERR_EXPIRED);
    client = open_kept(broker, "c", protocol);
    judge_allow(judge_ticket(&judging, 2));
    inbound one = message_read(client);
    inbound two = message_read(client);
    CHECK(strcmp(one.payload, "1") == 0 && strcmp(two.payload, "2") == 0);
    CHECK(!one.again && !two.again);
    CHECK_EQ(one.id, 1);
    CHECK_EQ(two.id, 2);
    message_acknowledge(client, &one);
    message_acknowledge(client, &two);
    CHECK_ASKED(&judging, "F c t,F c t,F c u,");
    publish_as_host(broker, "marker", "m", 0);
    CHECK_NEXT(client, "marker", "m");
    test_client_leave(client);
    judged_end(&judging);
}

/** The messages "0" to "count - 1", in order, each once, with the whole exchange. */
static void receive_in_order(test_client client, int count, int qos) {
    int messages = 0, released = 0;
    while (messages < count || (qos == 2 && released < count)) {
        test_packet packet;
        CHECK(test_packet_receive(client.fd, &packet));
        if ((packet.type & 0xf0) == 0x60) {
            ack_send(client, 0x70, packet.body[0] << 8 | packet.body[1], 0);
            released++;
            continue;
        }
        CHECK_EQ(packet.type, 0x30 | qos << 1);
        size_t at = 3;
        CHECK(packet.body[0] == 0 && packet.body[1] == 1 && packet.body[2] == 't');
        if (qos > 0) {
            int id = packet.body[at] << 8 | packet.body[at + 1];
            CHECK_EQ(id, messages + 1);
            ack_send(client, qos == 1 ? 0x40 : 0x50, id, 0);
            at += 2;
        }
        at += client.protocol == 5;
        char payload[16], wanted[16];
        CHECK(packet.len - at < sizeof payload);
        memcpy(payload, packet.body + at, packet.len - at);
        payload[packet.len - at] = '\0';
        snprintf(wanted, sizeof wanted, "%d", messages++);
        if (strcmp(payload, wanted) != 0) {
            FAIL("message %s comes where %s is due", payload, wanted);
        }
    }
}

static void order_is_kept(int way, int qos) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, FORWARD);
    int messages = test_scaled(400, 60);
    test_client one = client_open(broker, "one", 4);
    test_client two = client_open(broker, "two", 5);
    subscribe(one, "t", qos, qos);
    subscribe(two, "t", qos, qos);
    for (int i = 0; i < messages; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        publish_as_host(broker, "t", payload, qos);
    }
    receive_in_order(one, messages, qos);
    receive_in_order(two, messages, qos);
    CHECK_EQ(judging.asked, 2 * messages);
    CHECK_EQ(test_stats(broker).decisions_allowed, 2 * messages);
    CHECK_EQ(test_stats(broker).messages_dropped, 0);
    test_client_leave(one);
    test_client_leave(two);
    judged_end(&judging);
}

/** Neither a decision that is out nor a hook that blocks keeps another receiver from its messages. */
static void nobody_waits_for_another(int way, int protocol, bool blocks) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, FORWARD);
    test_client slow = client_open(broker, "slow", protocol);
    test_client quick = client_open(broker, "quick", protocol);
    subscribe(slow, "#", 1, 1);
    subscribe(quick, "#", 1, 1);
    rule held = blocks ? rule_allow("F slow t") : rule_hold("F slow t");
    held.waits = blocks;
    judge_rule(&judging, held);
    publish_as_host(broker, "t", "1", 1);
    CHECK_NEXT(quick, "t", "1");
    publish_as_host(broker, "u", "2", 1);
    CHECK_NEXT(quick, "u", "2");
    /* The other one is served, too, but for its messages. */
    CHECK_EQ(publish(slow, "v", "3", 1).code, 0);
    CHECK_NEXT(quick, "v", "3");
    if (blocks) {
        test_door_open(&judging.door);
    } else {
        judge_allow(judge_ticket(&judging, 1));
    }
    CHECK_NEXT(slow, "t", "1");
    CHECK_NEXT(slow, "u", "2");
    CHECK_NEXT(slow, "v", "3");
    test_client_leave(slow);
    test_client_leave(quick);
    judged_end(&judging);
}

/** Messages that are dropped make room for those behind them, however many they are. */
static void many_are_dropped(int way, int qos) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, FORWARD);
    test_client client = open_kept(broker, "c", 4);
    subscribe(client, "#", qos, qos);
    judge_rule(&judging, rule_deny("F c t", 0, NULL));
    judge_rule(&judging, rule_hold("F c held"));
    publish_as_host(broker, "held", "h", qos);
    rmqtt_decision_t ticket = judge_ticket(&judging, 1);
    int messages = test_scaled(600, 100);
    for (int i = 0; i < messages; i++) {
        publish_as_host(broker, "t", "x", qos);
    }
    publish_as_host(broker, "u", "last", qos);
    rmqtt_verdict_t deny = rmqtt_verdict_init();
    CHECK_OK(rmqtt_decision_complete(ticket, &deny));
    next_is(client, "u", "last", qos);
    CHECK_EQ(test_stats(broker).messages_dropped_refused, messages + 1);
    test_client_leave(client);
    judged_end(&judging);
}

/** Retained messages come a few at a time, as there is room for them; whatever makes it, the rest follows. */
static void many_are_retained(int way) {
    judge judging;
    rmqtt_broker_t *broker =
        judged_broker_with(&judging, way, FORWARD,
                           "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                           "\"limits\":{\"max_queued_messages\":4}}");
    char topic[16];
    for (int i = 100; i < 150; i++) {
        snprintf(topic, sizeof topic, "%d", i);
        CHECK_OK(test_try_publish(broker, topic, "x", true));
    }
    judge_rule(&judging, rule_hold("F c 100"));
    test_client client = client_open(broker, "c", 4);
    subscribe(client, "#", 0, 0);
    judge_allow(judge_ticket(&judging, 1));
    for (int i = 100; i < 150; i++) {
        snprintf(topic, sizeof topic, "%d", i);
        CHECK_NEXT(client, topic, "x");
    }
    test_client_leave(client);
    judged_end(&judging);
}

static void no_answer_is_a_no(int way) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(
        &judging, way, FORWARD,
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],\"callbacks\":{\"timeout_ms\":50}}");
    test_client client = client_open(broker, "c", 5);
    subscribe(client, "#", 1, 1);
    judge_rule(&judging, rule_hold("F c t"));
    publish_as_host(broker, "t", "1", 1);
    publish_as_host(broker, "u", "2", 1);
    next_is(client, "u", "2", 1);
    CHECK_EQ(test_stats(broker).decisions_expired, 1);
    CHECK_EQ(test_stats(broker).messages_dropped_refused, 1);
    test_client_leave(client);
    judged_end(&judging);
}

int main(void) {
    for (int way = 0; way < WAYS; way++) {
        for (int protocol = 4; protocol <= 5; protocol++) {
            for (int course = LIVE; course < COURSES; course++) {
                each_receiver_gets_its_own(way, protocol, (enum course)course);
            }
            what_makes_no_sense_drops(way, protocol);
            it_is_asked_about_once(way, protocol);
            who_leaves_undecided_gets_it_later(way, protocol, 1);
            who_leaves_undecided_gets_it_later(way, protocol, 2);
            nobody_waits_for_another(way, protocol, false);
        }
        for (int qos = 0; qos <= 2; qos++) {
            order_is_kept(way, qos);
        }
        many_are_dropped(way, 0);
        many_are_dropped(way, 1);
        many_are_retained(way);
        no_answer_is_a_no(way);
    }
    nobody_waits_for_another(ON_CALLBACK_THREAD, 4, true);
    nobody_waits_for_another(ON_CALLBACK_THREAD, 5, true);
    return 0;
}
