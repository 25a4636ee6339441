/* The hooks that hear of messages: published, delivered, acknowledged, dropped, retained. */

#include "events.h"

#define PUBLISHED BIT(RMQTT_HOOK_MESSAGE_PUBLISHED)
#define DELIVERED BIT(RMQTT_HOOK_MESSAGE_DELIVERED)
#define ACKED BIT(RMQTT_HOOK_MESSAGE_ACKED)
#define DROPPED BIT(RMQTT_HOOK_MESSAGE_DROPPED)
#define WILL BIT(RMQTT_HOOK_WILL_PUBLISHED)
#define RETAINED BIT(RMQTT_HOOK_RETAINED_CHANGED)
#define MAY_PUBLISH BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH)
#define MAY_FORWARD BIT(RMQTT_HOOK_AUTHORIZE_FORWARD)

static void hear(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    test_add((int *)user_data);
}

/** A subscription of the host program, for which up to `queue` messages may wait. */
static rmqtt_subscription_t *subscribe_in_process(rmqtt_broker_t *broker, const char *filter, uint32_t queue,
                                                  rmqtt_message_fn function, void *user_data) {
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.max_queued_messages = queue;
    CHECK_OK(
        rmqtt_broker_subscribe(broker, rmqtt_str(filter), &options, function, user_data, NULL, &subscription, NULL));
    return subscription;
}

static void publish_as_host(rmqtt_broker_t *broker, const char *topic, const char *payload, uint8_t qos, bool retain) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str(topic);
    message.payload = rmqtt_bytes(payload, strlen(payload));
    message.qos = qos;
    message.retain = retain;
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
}

static void publications(int way, int protocol) {
    recorder told;
    int heard = 0;
    rmqtt_broker_t *broker = recorded_broker(&told, way, PUBLISHED | WILL | MAY_PUBLISH, EVENTS_CONFIG(""));
    rule changed = rule_topic("P change me", "t");
    changed.replace |= RMQTT_REPLACE_PAYLOAD | RMQTT_REPLACE_QOS;
    changed.payload = "changed";
    judge_rule(&told.judging, changed);
    judge_rule(&told.judging, rule_deny("P refused", 0, NULL));
    judge_rule(&told.judging, rule_drop("P lost"));
    test_client one = event_client(&told, "one", protocol);
    test_client two = event_client(&told, "two", protocol);
    subscribe(one, "t", 1, 1);
    subscribe(one, "+", 0, 0);
    subscribe(one, "$share/g/t", 0, 0);
    subscribe(two, "$share/g/t", 0, 0);
    rmqtt_subscription_t *own = subscribe_in_process(broker, "t", 0, hear, &heard);

    /* A session gets a message once, whatever the number of its filters; of a group, one member does. */
    publish(two, "t", "a", 0);
    CHECK_TOLD(&told, "two", "published t=a q0 of two#2 to 3,");
    publish(two, "x", "b", 0);
    CHECK_TOLD(&told, "two", "published x=b q0 of two#2 to 1,");
    publish(two, "x/y", "c", 0);
    CHECK_TOLD(&told, "two", "published x/y=c q0 of two#2 to 0,");
    publish_as_host(broker, "x/y", "d", 2, false);
    CHECK_TOLD(&told, "host", "published x/y=d q2 of host to 0,");
    publish(two, "refused", "e", 0);
    publish(two, "lost", "e", 0);
    publish(two, "change me", "e", 0);
    CHECK_TOLD(&told, "two", "published t=changed q0 of two#2 to 3,");
    WAIT_UNTIL(test_get(&heard) == 2);
    rmqtt_subscription_free(own);
    test_client_leave(one);
    test_client_leave(two);

    test_client publisher = event_client(&told, "p", protocol);
    CHECK_EQ(publish(publisher, "q", "1", 1).code, protocol == 5 ? 0x10 : 0);
    CHECK_EQ(publish(publisher, "q", "2", 2).code, protocol == 5 ? 0x10 : 0);
    publish_send(publisher, "q", "3", 0x01, 0);
    CHECK_TOLD(&told, "p", "published q=1 q1 of p#3 to 0,published q=2 q2 of p#3 to 0,published q=3 q0r of p#3 to 0,");

    /* A will is both. */
    test_connect connect = test_connect_init("mortal");
    connect.protocol = protocol;
    connect.will_topic = "last";
    connect.will_payload = "words";
    connect.will_qos = 1;
    subscribe(publisher, "last", 0, 0);
    test_client_reset(event_client_with(&told, connect, 0));
    CHECK_TOLD(&told, "mortal", "published last=words q1 will of mortal#4 to 1,"
                                "will last=words q1 will of mortal#4 to 1,");
    CHECK_NEXT(publisher, "last", "words");
    judge_rule(&told.judging, rule_topic("W last", "but/one"));
    connect.will_retain = true;
    test_client_reset(event_client_with(&told, connect, 0));
    CHECK_TOLD(&told, "mortal", "published but/one=words q1r will of mortal#5 to 0,"
                                "will but/one=words q1r will of mortal#5 to 0,");
    /* One who says goodbye leaves none. */
    test_client_disconnect(event_client_with(&told, connect, 0));
    test_client_leave(publisher);
    recorded_end(&told);
}

static void deliveries(int way, int protocol) {
    recorder told;
    int heard = 0;
    rmqtt_broker_t *broker = recorded_broker(&told, way, DELIVERED, EVENTS_CONFIG(""));
    rmqtt_subscription_t *own = subscribe_in_process(broker, "#", 0, hear, &heard);
    test_client publisher = event_client(&told, "p", protocol);
    test_client client = event_client_kept(&told, "c", protocol);
    subscribe(client, "2/+", 2, 2);
    subscribe(client, "0/+", 0, 0);
    CHECK_EQ(publish(publisher, "2/0", "a", 0).code, 0);
    CHECK_NEXT(client, "2/0", "a");
    CHECK_EQ(publish(publisher, "2/1", "b", 1).code, 0);
    CHECK_NEXT(client, "2/1", "b");
    CHECK_EQ(publish(publisher, "0/2", "c", 2).code, 0);
    CHECK_NEXT(client, "0/2", "c");
    publish_as_host(broker, "0/h", "d", 0, false);
    CHECK_NEXT(client, "0/h", "d");
    CHECK_TOLD(&told, "c", "delivered#2 2/0=a q0 of p#1 as q0,delivered#2 2/1=b q1 of p#1 as q1,"
                           "delivered#2 0/2=c q2 of p#1 as q0,delivered#2 0/h=d q0 of host as q0,");

    /* Once, though it is sent again, with what has waited meanwhile. */
    CHECK_EQ(publish(publisher, "2/2", "again", 2).code, 0);
    inbound message = message_read(client);
    CHECK(!message.again && strcmp(message.payload, "again") == 0);
    CHECK_TOLD(&told, "c", "delivered#2 2/2=again q2 of p#1 as q2,");
    test_client_reset(client);
    WAIT_UNTIL(test_stats(broker).connected_clients == 1);
    publish(publisher, "2/0", "lost", 0);
    CHECK_EQ(publish(publisher, "2/1", "waited", 1).code, 0);
    client = event_client_kept(&told, "c", protocol);
    message = message_read(client);
    CHECK(message.again && strcmp(message.payload, "again") == 0);
    CHECK_NEXT(client, "2/1", "waited");
    message_acknowledge(client, &message);
    CHECK_TOLD(&told, "c", "delivered#3 2/1=waited q1 of p#1 as q1,");

    /* A retained one, and one that is retained only afterwards. */
    publish_send(publisher, "kept", "k", 0x03, 1);
    ack_read(publisher, 0x40, 1);
    subscribe(client, "kept", 1, 1);
    test_message kept = test_client_receive(client);
    CHECK(kept.retain && strcmp(kept.payload, "k") == 0);
    CHECK_TOLD(&told, "c", "delivered#3 kept=k q1r kept of p#1 as q1r,");
    publish_send(publisher, "kept", "l", 0x01, 0);
    CHECK_NEXT(client, "kept", "l");
    CHECK_TOLD(&told, "c", "delivered#3 kept=l q0r of p#1 as q0,");
    rmqtt_subscription_free(own);
    test_client_leave(client);
    test_client_leave(publisher);
    recorded_end(&told);
}

static void acknowledgements(int way, int protocol) {
    recorder told;
    rmqtt_broker_t *broker = recorded_broker(&told, way, ACKED, EVENTS_CONFIG(""));
    test_client client = event_client_kept(&told, "c", protocol);
    subscribe(client, "t", 2, 2);
    publish_as_host(broker, "t", "0", 0, false);
    publish_as_host(broker, "t", "1", 1, false);
    publish_as_host(broker, "t", "2", 2, false);
    CHECK_EQ(message_read(client).qos, 0);
    inbound once = message_read(client);
    inbound exactly = message_read(client);
    ack_send(client, 0x50, exactly.id, 0);
    CHECK_TOLD(&told, "c", "acked#1 t=2 q2 of host as q2 00,");
    ack_read(client, 0x60, exactly.id);
    /* Neither PUBREC once more nor PUBCOMP is another acknowledgement, nor are those for nothing. */
    ack_send(client, 0x50, exactly.id, 0);
    ack_read(client, 0x60, exactly.id);
    ack_send(client, 0x70, exactly.id, 0);
    ack_send(client, 0x40, once.id, 0);
    CHECK_TOLD(&told, "c", "acked#1 t=1 q1 of host as q1 00,");

    /* After a reconnect it is the new connection that acknowledges. */
    publish_as_host(broker, "t", "3", 2, false);
    publish_as_host(broker, "t", "4", 1, false);
    message_read(client);
    message_read(client);
    test_client_reset(client);
    client = event_client_kept(&told, "c", protocol);
    exactly = message_read(client);
    once = message_read(client);
    CHECK(exactly.again && once.again);
    message_acknowledge(client, &exactly);
    message_acknowledge(client, &once);
    CHECK_TOLD(&told, "c", "acked#2 t=3 q2 of host as q2 00,acked#2 t=4 q1 of host as q1 00,");

    if (protocol == 5) {
        publish_as_host(broker, "t", "5", 1, false);
        publish_as_host(broker, "t", "6", 2, false);
        publish_as_host(broker, "t", "7", 2, false);
        once = message_read(client);
        exactly = message_read(client);
        inbound fine = message_read(client);
        ack_send(client, 0x40, once.id, 0x97);
        ack_send(client, 0x50, exactly.id, 0x83);
        ack_send(client, 0x50, fine.id, 0x10);
        ack_read(client, 0x60, fine.id);
        CHECK_TOLD(&told, "c", "acked#2 t=5 q1 of host as q1 97,acked#2 t=6 q2 of host as q2 83,"
                               "acked#2 t=7 q2 of host as q2 10,");
    }
    test_client_leave(client);
    recorded_end(&told);
}

static void too_many_wait(int way, int protocol) {
    static const char *const configs[] = {
        EVENTS_CONFIG(",\"limits\":{\"max_queued_messages\":2,\"slow_consumer\":\"drop_newest\"}"),
        EVENTS_CONFIG(",\"limits\":{\"max_queued_messages\":2,\"slow_consumer\":\"drop_oldest\"}"),
    };
    for (int oldest = 0; oldest < 2; oldest++) {
        recorder told;
        rmqtt_broker_t *broker = recorded_broker(&told, way, DROPPED, configs[oldest]);
        test_client publisher = event_client(&told, "p", protocol);
        test_client client = event_client_kept(&told, "c", protocol);
        subscribe(client, "t", 1, 1);
        test_client_disconnect(client);
        WAIT_UNTIL(test_stats(broker).connected_clients == 1);
        CHECK_EQ(publish(publisher, "t", "1", 1).code, 0);
        /* What is not kept for a client that is away is not dropped either. */
        publish(publisher, "t", "nobody here", 0);
        CHECK_EQ(publish(publisher, "t", "2", 1).code, 0);
        CHECK_EQ(publish(publisher, "t", "3", 1).code, 0);
        CHECK_TOLD(&told, "c", oldest ? "dropped#2 t=1 q1 of p#1 full," : "dropped#2 t=3 q1 of p#1 full,");
        publish_as_host(broker, "t", "4", 2, false);
        CHECK_TOLD(&told, "c", oldest ? "dropped#2 t=2 q1 of p#1 full," : "dropped#2 t=4 q2 of host full,");
        client = event_client_kept(&told, "c", protocol);
        CHECK_NEXT(client, "t", oldest ? "3" : "1");
        CHECK_NEXT(client, "t", oldest ? "4" : "2");
        CHECK_EQ(test_stats(broker).messages_dropped_queue_full, 2);
        test_client_leave(client);
        test_client_leave(publisher);
        recorded_end(&told);
    }
}

static void wait_at_door(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    test_door_pass((test_door *)user_data);
}

static void the_host_program_is_slow(int way) {
    recorder told;
    test_door door;
    test_door_init(&door);
    rmqtt_broker_t *broker = recorded_broker(&told, way, DROPPED, EVENTS_CONFIG(""));
    rmqtt_subscription_t *slow = subscribe_in_process(broker, "t", 1, wait_at_door, &door);
    publish_as_host(broker, "t", "1", 0, false);
    WAIT_UNTIL(test_stats(broker).messages_delivered == 1);
    publish_as_host(broker, "t", "2", 0, false);
    publish_as_host(broker, "t", "3", 0, false);
    CHECK_TOLD(&told, "host", "dropped t=3 q0 of host full,");
    test_door_open(&door);
    rmqtt_subscription_free(slow);
    recorded_end(&told);
}

static void they_expire_or_are_too_large(int way) {
    recorder told;
    rmqtt_broker_t *broker = recorded_broker(&told, way, DROPPED | RETAINED, EVENTS_CONFIG(""));
    const uint8_t at_most_64_bytes[] = {0x27, 0, 0, 0, 64};
    const uint8_t a_second[] = {0x02, 0, 0, 0, 1};
    char large[65];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    test_connect connect = test_connect_init("c");
    connect.protocol = 5;
    connect.keep_session = true;
    connect.properties = at_most_64_bytes;
    connect.properties_len = sizeof at_most_64_bytes;
    test_client publisher = event_client(&told, "p", 5);
    test_client client = event_client_with(&told, connect, 3600);
    subscribe(client, "t", 2, 2);
    for (int qos = 0; qos <= 2; qos++) {
        char wanted[128];
        CHECK_EQ(publish(publisher, "t", large, qos).code, 0);
        snprintf(wanted, sizeof wanted, "dropped#2 t=%s q%d of p#1 too large,", large, qos);
        CHECK_TOLD(&told, "c", wanted);
    }
    test_client_disconnect(client);
    WAIT_UNTIL(test_stats(broker).connected_clients == 1);

    /* The retained one tells when the other one, which came before, has expired. */
    publish_with(publisher, "t", "short", 0x02, 1, a_second, sizeof a_second);
    ack_read(publisher, 0x40, 1);
    CHECK_EQ(publish(publisher, "t", "long", 1).code, 0);
    publish_with(publisher, "clock", "tick", 0x03, 2, a_second, sizeof a_second);
    ack_read(publisher, 0x40, 2);
    CHECK_TOLD(&told, "p", "set clock=tick q1r of p#1,");
    int64_t begun = test_now_ms();
    CHECK_TOLD(&told, "p", "expired clock=tick q1r of p#1,");
    CHECK(test_now_ms() - begun >= 500);
    client = event_client_with(&told, connect, 3600);
    CHECK_NEXT(client, "t", "long");
    CHECK_TOLD(&told, "c", "dropped#3 t=short q1 of p#1 expired,");
    test_client_leave(client);
    test_client_leave(publisher);
    recorded_end(&told);
}

static void the_client_is_gone(int way, int protocol) {
    recorder told;
    rmqtt_broker_t *broker = recorded_broker(&told, way, DROPPED | MAY_FORWARD, EVENTS_CONFIG(""));
    /* What waits for a decision has not been sent. */
    judge_rule(&told.judging, rule_hold("F c held"));
    test_client publisher = event_client(&told, "p", protocol);
    test_client client = event_client_kept(&told, "c", protocol);
    subscribe(client, "held", 1, 1);
    subscribe(client, "t", 1, 1);
    publish(publisher, "held", "1", 0);
    judge_ticket(&told.judging, 1);
    publish(publisher, "t", "2", 0);
    CHECK_EQ(publish(publisher, "t", "stays", 1).code, 0);
    test_client_reset(client);
    CHECK_TOLD(&told, "c", "dropped#2 held=1 q0 of p#1 gone,dropped#2 t=2 q0 of p#1 gone,");
    CHECK_EQ(test_stats(broker).messages_dropped_client_gone, 2);
    client = event_client_kept(&told, "c", protocol);
    CHECK_NEXT(client, "t", "stays");
    test_client_leave(client);
    test_client_leave(publisher);
    recorded_end(&told);
}

static void they_are_refused(int way, int protocol) {
    recorder told;
    rmqtt_broker_t *broker = recorded_broker(&told, way, DROPPED | MAY_PUBLISH | MAY_FORWARD, EVENTS_CONFIG(""));
    judge_rule(&told.judging, rule_deny("P denied", 0, NULL));
    judge_rule(&told.judging, rule_drop("P lost"));
    judge_rule(&told.judging, rule_topic("P bad", "#"));
    judge_rule(&told.judging, rule_deny("H denied", 0, NULL));
    judge_rule(&told.judging, rule_deny("F c not for it", 0, NULL));
    judge_rule(&told.judging, rule_drop("F c not for it either"));
    judge_rule(&told.judging, rule_topic("F c bad for it", "#"));
    test_client publisher = event_client(&told, "p", protocol);
    test_client client = event_client(&told, "c", protocol);
    subscribe(client, "#", 1, 1);
    for (int qos = 0; qos <= 2; qos++) {
        publish(publisher, "denied", "1", qos);
        publish(publisher, "lost", "2", qos);
        publish(publisher, "bad", "3", qos);
    }
    publish_as_host(broker, "denied", "4", 1, true);
    CHECK_TOLD(&told, "p", "dropped denied=1 q0 of p#1 refused,dropped lost=2 q0 of p#1 refused,"
                           "dropped bad=3 q0 of p#1 refused,dropped denied=1 q1 of p#1 refused,"
                           "dropped lost=2 q1 of p#1 refused,dropped bad=3 q1 of p#1 refused,"
                           "dropped denied=1 q2 of p#1 refused,dropped lost=2 q2 of p#1 refused,"
                           "dropped bad=3 q2 of p#1 refused,");
    CHECK_TOLD(&told, "host", "dropped denied=4 q1r of host refused,");
    publish(publisher, "not for it", "5", 0);
    publish(publisher, "not for it either", "6", 1);
    publish(publisher, "bad for it", "7", 2);
    publish(publisher, "fine", "8", 1);
    CHECK_TOLD(&told, "c", "dropped#2 not for it=5 q0 of p#1 refused,dropped#2 not for it either=6 q1 of p#1 refused,"
                           "dropped#2 bad for it=7 q2 of p#1 refused,");
    CHECK_NEXT(client, "fine", "8");

    /* A will, when its time has come. */
    test_connect connect = test_connect_init("mortal");
    connect.protocol = protocol;
    connect.will_topic = "last";
    connect.will_payload = "words";
    test_client mortal = event_client_with(&told, connect, 0);
    judge_rule(&told.judging, rule_deny("W last", 0, NULL));
    test_client_reset(mortal);
    CHECK_TOLD(&told, "mortal", "dropped last=words q0 will of mortal#3 refused,");
    CHECK_EQ(test_stats(broker).messages_dropped_refused, 14);
    test_client_leave(client);
    test_client_leave(publisher);
    recorded_end(&told);
}

static void retained_messages(int way, int protocol) {
    recorder told;
    rmqtt_broker_t *broker = recorded_broker(&told, way, RETAINED,
                                             EVENTS_CONFIG(",\"retain\":{\"max_messages\":2,\"max_payload_bytes\":9}"));
    test_client publisher = event_client(&told, "p", protocol);
    publish_send(publisher, "t", "1", 0x01, 0);
    publish_send(publisher, "t", "2", 0x03, 1);
    ack_read(publisher, 0x40, 1);
    publish_send(publisher, "t", "not retained", 0x00, 0);
    publish_as_host(broker, "u", "3", 0, true);
    CHECK_TOLD(&told, "host", "set u=3 q0r of host,");
    /* Neither too large nor too many nor nothing at all. */
    publish_send(publisher, "t", "too large to keep", 0x01, 0);
    publish_send(publisher, "v", "no room", 0x01, 0);
    publish_send(publisher, "w", "", 0x01, 0);
    publish_send(publisher, "t", "", 0x01, 0);
    CHECK_TOLD(&told, "p", "set t=1 q0r of p#1,set t=2 q1r of p#1,removed t= q0r of p#1,");
    publish_as_host(broker, "u", "", 0, true);
    CHECK_TOLD(&told, "host", "removed u= q0r of host,");
    test_connect connect = test_connect_init("mortal");
    connect.protocol = protocol;
    connect.will_topic = "last";
    connect.will_payload = "words";
    connect.will_retain = true;
    test_client_reset(event_client_with(&told, connect, 0));
    CHECK_TOLD(&told, "mortal", "set last=words q0r will of mortal#2,");
    test_client_leave(publisher);
    recorded_end(&told);
}

int main(void) {
    const int ways[] = {ON_CALLBACK_THREAD, INLINE};
    for (size_t i = 0; i < 2; i++) {
        for (int protocol = 4; protocol <= 5; protocol++) {
            publications(ways[i], protocol);
            deliveries(ways[i], protocol);
            acknowledgements(ways[i], protocol);
            too_many_wait(ways[i], protocol);
            the_client_is_gone(ways[i], protocol);
            they_are_refused(ways[i], protocol);
            retained_messages(ways[i], protocol);
        }
        the_host_program_is_slow(ways[i]);
        they_expire_or_are_too_large(ways[i]);
    }
    return 0;
}
