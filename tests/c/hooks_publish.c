/* The hook that decides what is published. */

#include "hooks.h"

#define PUBLISH BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH)

/** A broker with a subscriber to everything, and a publisher. */
typedef struct stage {
    judge judging;
    rmqtt_broker_t *broker;
    test_client subscriber;
    test_client publisher;
} stage;

static void stage_begin(stage *set, int way, unsigned mask, int protocol) {
    set->broker = judged_broker_with(&set->judging, way, mask,
                                     "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                                     "\"acl\":{\"sys_topics\":\"read\"}}");
    set->subscriber = client_open(set->broker, "subscriber", 5);
    subscribe(set->subscriber, "#", 1, 1);
    set->publisher = client_open(set->broker, "publisher", protocol);
    judge_forget(&set->judging);
}

static void stage_end(stage *set) {
    test_client_leave(set->publisher);
    test_client_leave(set->subscriber);
    judged_end(&set->judging);
}

/** Nothing reached the subscriber since the last check: what is published now comes next. */
static void nothing_came(stage *set) {
    CHECK_EQ(publish(set->publisher, "marker", "m", 1).code, 0);
    CHECK_NEXT(set->subscriber, "marker", "m");
}

static void answers_reach_the_publisher(int way, int protocol) {
    stage set;
    stage_begin(&set, way, PUBLISH, protocol);
    judge *judging = &set.judging;
    judge_rule(judging, rule_deny("P plain", 0, NULL));
    judge_rule(judging, rule_deny("P full", 0x97, "too much of it"));
    judge_rule(judging, rule_drop("P lost"));

    for (int qos = 0; qos <= 2; qos++) {
        CHECK_EQ(publish(set.publisher, "fine", "f", qos).code, 0);
        CHECK_NEXT(set.subscriber, "fine", "f");
        CHECK_EQ(judging->origin, RMQTT_ORIGIN_CLIENT);
        CHECK_EQ(judging->qos, qos);
        CHECK(strcmp(judging->payload, "f") == 0);
        CHECK(judging->has_publisher && strcmp(judging->client_id, "publisher") == 0);

        bool told = protocol == 5 && qos > 0;
        uint64_t refused = test_stats(set.broker).decisions_denied;
        CHECK_EQ(publish(set.publisher, "plain", "x", qos).code, told ? 0x87 : 0);
        ack full = publish(set.publisher, "full", "x", qos);
        CHECK_EQ(full.code, told ? 0x97 : 0);
        CHECK(strcmp(full.reason, told ? "too much of it" : "") == 0);
        ack lost = publish(set.publisher, "lost", "x", qos);
        CHECK_EQ(lost.code, 0);
        CHECK(strcmp(lost.reason, "") == 0);
        nothing_came(&set);
        CHECK_EQ(test_stats(set.broker).decisions_denied, refused + 3);
    }
    CHECK_ASKED(judging, "P fine,P plain,P full,P lost,P marker,P fine,P plain,P full,P lost,P marker,"
                         "P fine,P plain,P full,P lost,P marker,");
    stage_end(&set);
}

static void messages_are_changed(int way, int protocol) {
    stage set;
    stage_begin(&set, way, PUBLISH, protocol);
    judge_rule(&set.judging, rule_topic("P topic", "other/topic"));
    rule payload = rule_allow("P payload");
    payload.replace = RMQTT_REPLACE_PAYLOAD;
    payload.payload = "rewritten";
    judge_rule(&set.judging, payload);
    judge_rule(&set.judging, rule_qos("P lower", 0));
    judge_rule(&set.judging, rule_qos("P higher", 1));
    rule retain = rule_allow("P retain");
    retain.replace = RMQTT_REPLACE_RETAIN;
    retain.retain = true;
    judge_rule(&set.judging, retain);
    rule forget = rule_allow("P forget");
    forget.replace = RMQTT_REPLACE_RETAIN;
    judge_rule(&set.judging, forget);
    rule all = rule_topic("P all", "all/of/it");
    all.replace |= RMQTT_REPLACE_PAYLOAD | RMQTT_REPLACE_QOS | RMQTT_REPLACE_RETAIN;
    all.payload = "";
    all.qos = 1;
    judge_rule(&set.judging, all);
    /* Without its bit nothing counts. */
    rule none = rule_topic("P none", "elsewhere");
    none.replace = 0;
    none.payload = "something else";
    none.retain = true;
    judge_rule(&set.judging, none);
    judge_rule(&set.judging, rule_topic("P wildcard", "a/#"));
    judge_rule(&set.judging, rule_topic("P nameless", ""));
    judge_rule(&set.judging, rule_qos("P three", 3));

    CHECK_EQ(publish(set.publisher, "topic", "t", 1).code, 0);
    CHECK_NEXT(set.subscriber, "other/topic", "t");
    CHECK_EQ(publish(set.publisher, "payload", "p", 2).code, 0);
    test_packet packet;
    test_packet_expect(set.subscriber.fd, &packet, 0x30);
    CHECK(memmem(packet.body, packet.len, "rewritten", 9) != NULL);
    test_packet puback;
    test_packet_begin(&puback, 0x40);
    test_put_bytes(&puback, packet.body + 2 + strlen("payload"), 2);
    test_packet_send(set.subscriber.fd, &puback);

    CHECK_EQ(publish(set.publisher, "lower", "l", 1).code, 0);
    test_message message = test_client_receive(set.subscriber);
    CHECK(strcmp(message.topic, "lower") == 0);
    CHECK_EQ(message.qos, 0);
    publish_send(set.publisher, "higher", "h", 0, 0);
    message = test_client_receive(set.subscriber);
    CHECK(strcmp(message.topic, "higher") == 0);
    CHECK_EQ(message.qos, 1);
    CHECK_EQ(test_stats(set.broker).retained_messages, 0);

    CHECK_EQ(publish(set.publisher, "retain", "r", 1).code, 0);
    CHECK_NEXT(set.subscriber, "retain", "r");
    publish_send(set.publisher, "forget", "f", 0x03, 8);
    CHECK_EQ(ack_read(set.publisher, 0x40, 8).code, 0);
    CHECK_NEXT(set.subscriber, "forget", "f");
    CHECK_EQ(test_stats(set.broker).retained_messages, 1);
    test_client late = client_open(set.broker, "late", 4);
    subscribe(late, "retain", 1, 1);
    message = test_client_receive(late);
    CHECK(message.retain && strcmp(message.payload, "r") == 0);
    test_client_leave(late);

    CHECK_EQ(publish(set.publisher, "all", "a", 0).code, 0);
    message = test_client_receive(set.subscriber);
    CHECK(strcmp(message.topic, "all/of/it") == 0 && strcmp(message.payload, "") == 0);
    CHECK_EQ(message.qos, 1);
    CHECK_EQ(publish(set.publisher, "none", "n", 1).code, 0);
    CHECK_NEXT(set.subscriber, "none", "n");
    CHECK_EQ(test_stats(set.broker).retained_messages, 1);

    for (int qos = 1; qos <= 2; qos++) {
        CHECK_EQ(publish(set.publisher, "wildcard", "w", qos).code, protocol == 5 ? 0x83 : 0);
        CHECK_EQ(publish(set.publisher, "nameless", "w", qos).code, protocol == 5 ? 0x83 : 0);
        CHECK_EQ(publish(set.publisher, "three", "w", qos).code, protocol == 5 ? 0x87 : 0);
    }
    nothing_came(&set);
    stage_end(&set);
}

/** The first message waits for its decision, and those behind it wait for the first. */
static void order_is_kept(int way) {
    stage set;
    stage_begin(&set, way, PUBLISH, 4);
    judge_rule(&set.judging, rule_hold("P first"));
    publish_send(set.publisher, "first", "1", 0x02, 1);
    publish_send(set.publisher, "second", "2", 0x02, 2);
    publish_send(set.publisher, "third", "3", 0x02, 3);
    publish_send(set.publisher, "fourth", "4", 0x04, 4);
    rmqtt_decision_t ticket = judge_ticket(&set.judging, 1);
    CHECK_ASKED(&set.judging, "P first,");
    CHECK_EQ(test_stats(set.broker).decisions_pending, 1);
    judge_allow(ticket);
    ack_read(set.publisher, 0x40, 1);
    ack_read(set.publisher, 0x40, 2);
    ack_read(set.publisher, 0x40, 3);
    ack_read(set.publisher, 0x50, 4);
    CHECK_NEXT(set.subscriber, "first", "1");
    CHECK_NEXT(set.subscriber, "second", "2");
    CHECK_NEXT(set.subscriber, "third", "3");
    CHECK_NEXT(set.subscriber, "fourth", "4");
    CHECK_ASKED(&set.judging, "P first,P second,P third,P fourth,");
    stage_end(&set);
}

static void a_message_is_asked_about_once(int way, int protocol) {
    stage set;
    stage_begin(&set, way, PUBLISH, protocol);
    publish_send(set.publisher, "once", "1", 0x04, 9);
    CHECK_EQ(ack_read(set.publisher, 0x50, 9).code, 0);
    publish_send(set.publisher, "once", "1", 0x0c, 9);
    CHECK_EQ(ack_read(set.publisher, 0x50, 9).code, 0);
    pubrel_send(set.publisher, 9);
    CHECK_EQ(ack_read(set.publisher, 0x70, 9).code, 0);
    CHECK_ASKED(&set.judging, "P once,");
    CHECK_NEXT(set.subscriber, "once", "1");

    /* Again before the decision has been made. */
    judge_rule(&set.judging, rule_hold("P once"));
    publish_send(set.publisher, "once", "2", 0x04, 9);
    publish_send(set.publisher, "once", "2", 0x0c, 9);
    judge_allow(judge_ticket(&set.judging, 1));
    CHECK_EQ(ack_read(set.publisher, 0x50, 9).code, 0);
    CHECK_EQ(ack_read(set.publisher, 0x50, 9).code, 0);
    pubrel_send(set.publisher, 9);
    CHECK_EQ(ack_read(set.publisher, 0x70, 9).code, 0);
    CHECK_ASKED(&set.judging, "P once,P once,");
    CHECK_NEXT(set.subscriber, "once", "2");
    nothing_came(&set);
    stage_end(&set);
}

static test_client open_with_will(rmqtt_broker_t *broker, int protocol) {
    test_connect connect = test_connect_init("mortal");
    connect.protocol = protocol;
    connect.will_topic = "last";
    connect.will_payload = "words";
    return test_client_connect(test_port(broker, 0), &connect);
}

static void a_will_is_asked_about_twice(int way, int protocol) {
    stage set;
    stage_begin(&set, way, PUBLISH, 4);
    judge_rule(&set.judging, rule_deny("W last", 0, "no such words"));
    test_client mortal = open_with_will(set.broker, protocol);
    CHECK_EQ(mortal.code, protocol == 5 ? 0x87 : 5);
    CHECK(strcmp(mortal.reason, protocol == 5 ? "no such words" : "") == 0);
    CHECK(test_client_closed(mortal));
    close(mortal.fd);
    CHECK_EQ(test_stats(set.broker).connections_refused, 1);
    judge_rule(&set.judging, rule_drop("W last"));
    mortal = open_with_will(set.broker, protocol);
    CHECK_EQ(mortal.code, protocol == 5 ? 0x87 : 5);
    close(mortal.fd);
    CHECK_ASKED(&set.judging, "W last,W last,");

    /* Allowed twice. */
    judge_forget(&set.judging);
    judge_rule(&set.judging, rule_allow("W last"));
    mortal = open_with_will(set.broker, protocol);
    CHECK_EQ(mortal.code, 0);
    CHECK_ASKED(&set.judging, "W last,");
    CHECK_EQ(set.judging.origin, RMQTT_ORIGIN_WILL);
    CHECK(set.judging.has_publisher && strcmp(set.judging.client_id, "mortal") == 0);
    CHECK(strcmp(set.judging.payload, "words") == 0);
    test_client_reset(mortal);
    CHECK_NEXT(set.subscriber, "last", "words");
    CHECK_ASKED(&set.judging, "W last,W last,");
    CHECK_EQ(set.judging.origin, RMQTT_ORIGIN_WILL);

    /* Allowed, and changed when its time has come. */
    mortal = open_with_will(set.broker, protocol);
    CHECK_EQ(mortal.code, 0);
    rule changed = rule_topic("W last", "last/but/one");
    changed.replace |= RMQTT_REPLACE_PAYLOAD;
    changed.payload = "softer words";
    judge_rule(&set.judging, changed);
    test_client_reset(mortal);
    CHECK_NEXT(set.subscriber, "last/but/one", "softer words");

    /* Allowed, then refused. */
    mortal = open_with_will(set.broker, protocol);
    CHECK_EQ(mortal.code, 0);
    judge_rule(&set.judging, rule_deny("W last", 0, NULL));
    uint64_t refused = test_stats(set.broker).messages_dropped_refused;
    test_client_reset(mortal);
    WAIT_UNTIL(test_stats(set.broker).messages_dropped_refused == refused + 1);
    nothing_came(&set);
    stage_end(&set);
}

static void the_host_program_is_asked_too(int way) {
    stage set;
    stage_begin(&set, way, PUBLISH, 5);
    judge_rule(&set.judging, rule_deny("H refused", 0x99, "no"));
    judge_rule(&set.judging, rule_drop("H dropped"));
    judge_rule(&set.judging, rule_topic("H changed", "instead"));
    judge_rule(&set.judging, rule_topic("H wildcard", "+"));
    test_publish(set.broker, "refused", "r");
    test_publish(set.broker, "dropped", "d");
    test_publish(set.broker, "wildcard", "w");
    test_publish(set.broker, "changed", "c");
    test_publish(set.broker, "fine", "f");
    CHECK_NEXT(set.subscriber, "instead", "c");
    CHECK_NEXT(set.subscriber, "fine", "f");
    CHECK_ASKED(&set.judging, "H refused,H dropped,H wildcard,H changed,H fine,");
    CHECK_EQ(set.judging.origin, RMQTT_ORIGIN_API);
    CHECK(!set.judging.has_publisher);
    stage_end(&set);
}

/** Published from within, it is asked about like any other; whether it ends is up to the hook. */
static void a_hook_may_publish(int way) {
    stage set;
    stage_begin(&set, way, PUBLISH, 5);
    rule echo = rule_allow("P call");
    echo.publishes = "echo";
    judge_rule(&set.judging, echo);
    rule again = rule_allow("H echo");
    again.publishes = "echo of echo";
    judge_rule(&set.judging, again);
    CHECK_EQ(publish(set.publisher, "call", "c", 1).code, 0);
    /* What the hook publishes may overtake what it is asked about. */
    int seen = 0;
    for (int i = 0; i < 3; i++) {
        test_message message = test_client_receive(set.subscriber);
        seen |= strcmp(message.topic, "call") == 0           ? 1
                : strcmp(message.topic, "echo") == 0         ? 2
                : strcmp(message.topic, "echo of echo") == 0 ? 4
                                                             : 8;
    }
    CHECK_EQ(seen, 7);
    CHECK_ASKED(&set.judging, "P call,H echo,H echo of echo,");
    nothing_came(&set);
    stage_end(&set);
}

static void there_is_room_for_so_many_of_the_host(void) {
    judge judging;
    rmqtt_broker_t *broker =
        judged_broker_with(&judging, ON_CALLBACK_THREAD, PUBLISH,
                           "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                           "\"callbacks\":{\"queue\":3,\"timeout_ms\":60000}}");
    test_client subscriber = client_open(broker, "subscriber", 4);
    subscribe(subscriber, "#", 0, 0);
    rule slow = rule_allow("H slow");
    slow.waits = true;
    judge_rule(&judging, slow);
    test_publish(broker, "slow", "0");
    WAIT_UNTIL(test_get(&judging.probe.running) == 1);
    /* The one that is asked about has left the queue. */
    test_publish(broker, "t", "1");
    test_publish(broker, "t", "2");
    test_publish(broker, "t", "3");
    CHECK_STATUS(test_try_publish(broker, "t", "4", false), RMQTT_ERR_WOULD_BLOCK);
    test_door_open(&judging.door);
    CHECK_NEXT(subscriber, "slow", "0");
    CHECK_NEXT(subscriber, "t", "1");
    CHECK_NEXT(subscriber, "t", "2");
    CHECK_NEXT(subscriber, "t", "3");
    test_publish(broker, "t", "5");
    CHECK_NEXT(subscriber, "t", "5");
    test_client_leave(subscriber);
    judged_end(&judging);
}

static void topics_of_the_broker_need_a_hook(int protocol) {
    stage set;
    stage_begin(&set, ON_CALLBACK_THREAD, BIT(RMQTT_HOOK_PRE_CONNECT), protocol);
    subscribe(set.subscriber, "$SYS/x", 1, 1);
    for (int qos = 1; qos <= 2; qos++) {
        CHECK_EQ(publish(set.publisher, "$SYS/x", "no", qos).code, protocol == 5 ? 0x87 : 0);
    }
    publish_send(set.publisher, "$SYS/x", "no", 0, 0);
    nothing_came(&set);
    stage_end(&set);

    for (int way = 0; way < WAYS; way++) {
        stage_begin(&set, way, PUBLISH, protocol);
        subscribe(set.subscriber, "$SYS/x", 1, 1);
        CHECK_EQ(publish(set.publisher, "$SYS/x", "yes", 1).code, 0);
        CHECK_NEXT(set.subscriber, "$SYS/x", "yes");
        stage_end(&set);
    }
}

int main(void) {
    for (int way = 0; way < WAYS; way++) {
        for (int protocol = 4; protocol <= 5; protocol++) {
            answers_reach_the_publisher(way, protocol);
            messages_are_changed(way, protocol);
            a_message_is_asked_about_once(way, protocol);
            a_will_is_asked_about_twice(way, protocol);
        }
        order_is_kept(way);
        the_host_program_is_asked_too(way);
        a_hook_may_publish(way);
    }
    there_is_room_for_so_many_of_the_host();
    topics_of_the_broker_need_a_hook(4);
    topics_of_the_broker_need_a_hook(5);
    return 0;
}
