/* What the host program publishes: properties, one client, later, in batches, and what becomes of it. */

#include "messages.h"

/** As `publication_with_all` has them, encoded. */
static const uint8_t ALL[] = {
    0x01, 1,                                        /* payload format indicator */
    0x02, 0, 0, 0, 60,                              /* message expiry interval */
    0x03, 0, 4, 't', 'y', 'p', 'e',                 /* content type */
    0x08, 0, 6, 'r', 'e', 't', 'u', 'r', 'n',       /* response topic */
    0x09, 0, 3, 0x00, 0xff, 0x2c,                   /* correlation data */
    0x26, 0, 1, 'k', 0, 1, '1',                     /* user properties */
    0x26, 0, 1, 'a', 0, 1, 'b',
    0x26, 0, 1, 'k', 0, 0,
};
#define ALL_TOLD "text type type response return correlation 00ff2c k=1 a=b k= 60 s "

static const uint8_t CORRELATION[] = {0x00, 0xff, 0x2c};

static rmqtt_properties_t all_properties(rmqtt_user_property_t room[3]) {
    rmqtt_properties_t properties = rmqtt_properties_init();
    room[0].name = rmqtt_str("k");
    room[0].value = rmqtt_str("1");
    room[1].name = rmqtt_str("a");
    room[1].value = rmqtt_str("b");
    room[2].name = rmqtt_str("k");
    room[2].value = rmqtt_str("");
    properties.user_properties = room;
    properties.user_property_count = 3;
    properties.content_type = rmqtt_str("type");
    properties.response_topic = rmqtt_str("return");
    properties.correlation_data = rmqtt_bytes(CORRELATION, sizeof CORRELATION);
    properties.has_message_expiry = true;
    properties.message_expiry_s = 60;
    properties.payload_format_indicator = 1;
    return properties;
}

static rmqtt_status_t try_publish(rmqtt_broker_t *broker, const rmqtt_publish_t *message, const char *why) {
    rmqtt_error_t *error = NULL;
    rmqtt_status_t status = rmqtt_broker_publish(broker, message, &error);
    if (status != RMQTT_OK) {
        CHECK_CONTAINS(rmqtt_error_message(error), why);
    }
    rmqtt_error_free(error);
    return status;
}

/** What came to `client` last has the properties that `ALL` encodes, in whatever order. */
static void has_all(const inbound *message) {
    static const struct {
        size_t at, len;
    } parts[] = {{0, 2}, {2, 4}, {7, 7}, {14, 9}, {23, 6}, {29, 20}};
    CHECK_EQ(message->properties_len, sizeof ALL);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        CHECK(memmem(message->properties, message->properties_len, ALL + parts[i].at, parts[i].len) != NULL);
    }
}

static void properties_go_there_and_back(rmqtt_broker_t *broker) {
    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.qos = 2;
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "p/#", &options);
    test_client v5 = client_open(broker, "v5", 5);
    test_client v4 = client_open(broker, "v4", 4);
    subscribe(v5, "p/#", 2, 2);
    subscribe(v4, "p/#", 2, 2);

    rmqtt_user_property_t room[3];
    rmqtt_properties_t properties = all_properties(room);
    rmqtt_publish_t message = publication("p/api", "there", 2);
    message.properties = &properties;
    CHECK_OK(try_publish(broker, &message, ""));
    inbound there = message_read(v5);
    CHECK(strcmp(there.payload, "there") == 0);
    CHECK_EQ(there.qos, 2);
    has_all(&there);
    message_acknowledge(v5, &there);
    inbound old = message_read(v4);
    CHECK(strcmp(old.topic, "p/api") == 0 && strcmp(old.payload, "there") == 0);
    message_acknowledge(v4, &old);
    CONSUMED(&consuming, "there,");
    CHECK(strcmp(consuming.properties, ALL_TOLD) == 0);
    CHECK_EQ(consuming.qos, 2);
    CHECK_EQ(consuming.origin, RMQTT_ORIGIN_API);

    /* And back, from the client that got it, with what it got. */
    publish_with(v5, "p/client", "back", 0x02, 9, there.properties, there.properties_len);
    CHECK_EQ(ack_read(v5, 0x40, 9).code, 0);
    CONSUMED(&consuming, "there,back,");
    CHECK(strcmp(consuming.properties, ALL_TOLD) == 0);
    inbound back = message_read(v5);
    has_all(&back);
    message_acknowledge(v5, &back);
    old = message_read(v4);
    CHECK(strcmp(old.payload, "back") == 0);
    message_acknowledge(v4, &old);

    consumer_stop(&consuming, subscription);
    test_client_leave(v5);
    test_client_leave(v4);
}

static void properties_are_checked(rmqtt_broker_t *broker) {
    const rmqtt_status_t refused = RMQTT_ERR_INVALID_ARGUMENT;
    static char longest[65537];
    memset(longest, 'x', sizeof longest - 1);
    rmqtt_properties_t properties;
    rmqtt_publish_t message = publication("t", "\xff", 0);
    message.properties = &properties;
#define REFUSED(change, why)                                     \
    do {                                                         \
        properties = rmqtt_properties_init();                    \
        change;                                                  \
        CHECK_STATUS(try_publish(broker, &message, why), refused); \
    } while (0)
    REFUSED(properties.payload_format_indicator = 1, "UTF-8");
    REFUSED(properties.payload_format_indicator = 2, "indicator");
    REFUSED(properties.response_topic = rmqtt_str("a/#"), "response topic");
    REFUSED(properties.response_topic = rmqtt_str(""), "response topic");
    REFUSED(properties.content_type = rmqtt_str(longest), "content type");
    REFUSED(properties.content_type = rmqtt_str("\xff"), "content type");
    REFUSED(properties.correlation_data = rmqtt_bytes(longest, 65536), "correlation data");
    REFUSED(properties.user_property_count = 1, "user properties");
    REFUSED(properties.reserved[1] = 1, "reserved");
    REFUSED(properties.struct_size = 7, "struct_size");
#undef REFUSED
    properties = rmqtt_properties_init();
    CHECK_OK(try_publish(broker, &message, ""));
    message.delay_ms = 4294967295001;
    CHECK_STATUS(try_publish(broker, &message, "delay"), refused);
    message.delay_ms = 0;
    message.client_id = rmqtt_str("nobody");
    message.retain = true;
    CHECK_STATUS(try_publish(broker, &message, "retained"), refused);
}

static void expiry_runs_from_when_it_is_published(rmqtt_broker_t *broker) {
    rmqtt_properties_t properties = rmqtt_properties_init();
    properties.has_message_expiry = true;
    properties.message_expiry_s = 0;
    test_connect connect = test_connect_init("absent");
    connect.keep_session = true;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    subscribe(client, "e", 1, 1);
    test_client_disconnect(client);
    uint64_t expired = test_stats(broker).messages_dropped_expired;
    rmqtt_publish_t message = publication("e", "gone", 1);
    message.properties = &properties;
    CHECK_OK(try_publish(broker, &message, ""));
    message.payload = rmqtt_bytes("stays", 5);
    properties.message_expiry_s = 60;
    CHECK_OK(try_publish(broker, &message, ""));
    client = test_client_connect(test_port(broker, 0), &connect);
    inbound got = message_read(client);
    CHECK(strcmp(got.payload, "stays") == 0);
    message_acknowledge(client, &got);
    WAIT_UNTIL(test_stats(broker).messages_dropped_expired == expired + 1);
    test_client_leave(client);
}

static void one_client_gets_it(rmqtt_broker_t *broker, int protocol) {
    test_client client = client_open(broker, "one", protocol);
    test_client other = client_open(broker, "other", protocol);
    subscribe(other, "#", 2, 2);
    reports reporting;
    rmqtt_publish_t message = publication("direct", "for you", 1);
    message.client_id = rmqtt_str("one");
    report_to(&message, &reporting);
    CHECK_OK(try_publish(broker, &message, ""));
    inbound got = message_read(client);
    CHECK(strcmp(got.topic, "direct") == 0 && strcmp(got.payload, "for you") == 0);
    CHECK_EQ(got.qos, 1);
    message_acknowledge(client, &got);
    REPORTED(&reporting, "queued 1 0 0;acknowledged 1 1 0.;");
    /* The next one for all is the next one that the other one gets. */
    test_publish(broker, "all", "for all");
    got = message_read(other);
    CHECK(strcmp(got.payload, "for all") == 0);

    message.client_id = rmqtt_str("none");
    report_to(&message, &reporting);
    CHECK_STATUS(try_publish(broker, &message, "no client"), RMQTT_ERR_NOT_FOUND);
    REPORTED(&reporting, "");
    test_client_leave(client);
    test_client_leave(other);
}

static void an_absent_client_gets_it_later(rmqtt_broker_t *broker) {
    test_connect connect = test_connect_init("away");
    connect.keep_session = true;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    test_client_disconnect(client);
    reports first, second;
    rmqtt_publish_t message = publication("direct", "kept", 2);
    message.client_id = rmqtt_str("away");
    report_to(&message, &first);
    CHECK_OK(try_publish(broker, &message, ""));
    /* It is queued, but nobody is there to acknowledge it. */
    REPORTED(&first, "queued 1 0 0.;");
    message = publication("direct", "not kept", 0);
    message.client_id = rmqtt_str("away");
    report_to(&message, &second);
    CHECK_OK(try_publish(broker, &message, ""));
    REPORTED(&second, "queued 0 0 0.;");
    client = test_client_connect(test_port(broker, 0), &connect);
    inbound got = message_read(client);
    CHECK(strcmp(got.payload, "kept") == 0);
    message_acknowledge(client, &got);
    test_client_leave(client);
}

static void everybody_s_acknowledgement_is_reported(rmqtt_broker_t *broker, uint8_t qos) {
    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.qos = qos;
    options.manual_ack = true;
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "r", &options);
    test_client quick = client_open(broker, "quick", 5);
    test_client careless = client_open(broker, "careless", 4);
    test_client leaving = client_open(broker, "leaving", 4);
    subscribe(quick, "r", qos, qos);
    subscribe(careless, "r", 0, 0);
    subscribe(leaving, "r", qos, qos);

    reports reporting;
    rmqtt_publish_t message = publication("r", "x", qos);
    report_to(&message, &reporting);
    CHECK_OK(try_publish(broker, &message, ""));
    inbound got = message_read(quick);
    message_acknowledge(quick, &got);
    message_read(leaving);
    CONSUMED(&consuming, "x,");
    CHECK_OK(rmqtt_delivery_ack(consuming.deliveries[0]));
    WAIT_UNTIL(test_get(&reporting.probe.calls) == 1);
    CHECK_EQ(test_get(&reporting.probe.drops), 0);
    test_client_reset(leaving);
    REPORTED(&reporting, "queued 4 0 0;acknowledged 4 2 1.;");

    /* Without QoS there is nothing to wait for; without receivers neither. */
    reports none, nobody;
    message = publication("r", "y", 0);
    report_to(&message, &none);
    CHECK_OK(try_publish(broker, &message, ""));
    REPORTED(&none, "queued 3 0 0.;");
    message = publication("nobody", "z", qos);
    report_to(&message, &nobody);
    CHECK_OK(try_publish(broker, &message, ""));
    REPORTED(&nobody, "queued 0 0 0.;");

    consumer_stop(&consuming, subscription);
    test_client_leave(quick);
    test_client_leave(careless);
}

static void a_refused_message_is_reported(void) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, ON_CALLBACK_THREAD, BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH));
    judge_rule(&judging, rule_deny("H no", 0x87, ""));
    reports refused, allowed;
    rmqtt_publish_t message = publication("no", "x", 1);
    report_to(&message, &refused);
    CHECK_OK(try_publish(broker, &message, ""));
    REPORTED(&refused, "refused 0 0 0.;");
    message = publication("yes", "x", 1);
    report_to(&message, &allowed);
    CHECK_OK(try_publish(broker, &message, ""));
    REPORTED(&allowed, "queued 0 0 0.;");
    judged_end(&judging);
}

/** Reports are bounded, and what is not reported is dropped when the broker stops. */
static void reports_are_bounded(void) {
    rmqtt_broker_t *broker =
        test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                    "\"callbacks\":{\"max_pending\":2}}");
    test_start(broker);
    test_client client = client_open(broker, "silent", 4);
    subscribe(client, "t", 1, 1);
    reports open[3];
    for (int i = 0; i < 3; i++) {
        rmqtt_publish_t message = publication("t", "x", 1);
        report_to(&message, &open[i]);
        CHECK_STATUS(try_publish(broker, &message, "completion"), i < 2 ? RMQTT_OK : RMQTT_ERR_WOULD_BLOCK);
    }
    REPORTED(&open[2], "");
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    for (int i = 0; i < 2; i++) {
        WAIT_UNTIL(test_get(&open[i].probe.drops) == 1);
        CHECK_DROPPED(&open[i].probe);
    }
    rmqtt_broker_free(broker);
    close(client.fd);
}

static void later_is_later(rmqtt_broker_t *broker) {
    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "d", NULL);
    int64_t begin = test_now_ms();
    rmqtt_publish_t message = publication("d", "third", 0);
    rmqtt_properties_t properties = rmqtt_properties_init();
    properties.has_message_expiry = true;
    properties.message_expiry_s = 1;
    message.properties = &properties;
    message.delay_ms = 120;
    CHECK_OK(try_publish(broker, &message, ""));
    message.payload = rmqtt_bytes("second", 6);
    message.delay_ms = 60;
    CHECK_OK(try_publish(broker, &message, ""));
    message.payload = rmqtt_bytes("first", 5);
    message.delay_ms = 0;
    CHECK_OK(try_publish(broker, &message, ""));
    CONSUMED(&consuming, "first,second,third,");
    CHECK(test_now_ms() - begin >= 120);
    CHECK_EQ(consuming.origin, RMQTT_ORIGIN_DELAYED);
    consumer_stop(&consuming, subscription);
}

/** Remembers the last message of a subscription. */
typedef struct memory {
    test_probe probe;
    uint32_t expiry_s;
} memory;

static void remember_expiry(const rmqtt_message_t *message, void *user_data) {
    memory *remembering = (memory *)user_data;
    test_enter(&remembering->probe);
    CHECK(message->properties != NULL && message->properties->has_message_expiry);
    remembering->expiry_s = message->properties->message_expiry_s;
    test_leave(&remembering->probe);
}

/** The hook is asked when a message is due, and its time begins to run then. */
static void what_is_delayed_begins_when_it_is_due(int way) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH));
    memory remembering;
    memset(&remembering, 0, sizeof remembering);
    rmqtt_subscription_t *late = NULL;
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("late"), NULL, remember_expiry, &remembering, test_drop, &late,
                                    NULL));
    rmqtt_properties_t properties = rmqtt_properties_init();
    properties.has_message_expiry = true;
    properties.message_expiry_s = 100;
    rmqtt_publish_t message = publication("late", "x", 0);
    message.properties = &properties;
    message.delay_ms = 2000;
    CHECK_OK(try_publish(broker, &message, ""));

    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "d", NULL);
    judge_rule(&judging, rule_deny("D no", 0, NULL));
    judge_rule(&judging, rule_topic("D other", "d"));
    reports refused, allowed;
    message = publication("no", "no", 1);
    message.delay_ms = 100;
    report_to(&message, &refused);
    CHECK_OK(try_publish(broker, &message, ""));
    message = publication("other", "later", 1);
    message.delay_ms = 100;
    report_to(&message, &allowed);
    CHECK_OK(try_publish(broker, &message, ""));
    test_publish(broker, "d", "now");
    CONSUMED(&consuming, "now,later,");
    CHECK_EQ(consuming.origin, RMQTT_ORIGIN_DELAYED);
    REPORTED(&refused, "refused 0 0 0.;");
    REPORTED(&allowed, "queued 1 0 0.;");
    CHECK_ASKED(&judging, "H d,D no,D other,");
    CHECK_EQ(test_stats(broker).delayed_messages, 1);

    /* It would be 98 by now, had it begun to run at once. */
    WAIT_UNTIL(test_get(&remembering.probe.calls) == 1);
    CHECK(remembering.expiry_s >= 99);
    consumer_stop(&consuming, subscription);
    rmqtt_subscription_free(late);
    judged_end(&judging);
}

/** It is for the client that has the name when it is due. */
static void a_delayed_message_finds_its_client(rmqtt_broker_t *broker, int protocol) {
    test_client before = client_open(broker, "delayed", protocol);
    reports found, nobody;
    rmqtt_publish_t message = publication("direct", "for you", 1);
    message.client_id = rmqtt_str("delayed");
    message.delay_ms = 300;
    report_to(&message, &found);
    CHECK_OK(try_publish(broker, &message, ""));
    test_client_leave(before);
    test_client after = client_open(broker, "delayed", protocol);
    inbound got = message_read(after);
    CHECK(strcmp(got.topic, "direct") == 0 && strcmp(got.payload, "for you") == 0);
    message_acknowledge(after, &got);
    REPORTED(&found, "queued 1 0 0;acknowledged 1 1 0.;");

    uint64_t gone = test_stats(broker).messages_dropped_client_gone;
    report_to(&message, &nobody);
    CHECK_OK(try_publish(broker, &message, ""));
    test_client_leave(after);
    REPORTED(&nobody, "queued 0 0 0.;");
    CHECK_EQ(test_stats(broker).messages_dropped_client_gone, gone + 1);
}

static void delayed_messages_are_bounded_and_end_with_the_run(void) {
    rmqtt_broker_t *broker = test_broker("{\"delayed\":{\"max_messages\":2}}");
    test_start(broker);
    reports waiting[2];
    for (int i = 0; i < 3; i++) {
        rmqtt_publish_t message = publication("d", "x", 0);
        message.delay_ms = 3600000;
        message.wait_ms = 10000; /* It would be in vain. */
        if (i < 2) {
            report_to(&message, &waiting[i]);
        }
        CHECK_STATUS(try_publish(broker, &message, "delayed"), i < 2 ? RMQTT_OK : RMQTT_ERR_WOULD_BLOCK);
    }
    CHECK_EQ(test_stats(broker).delayed_messages, 2);
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    CHECK_EQ(test_stats(broker).delayed_messages, 0);
    for (int i = 0; i < 2; i++) {
        REPORTED(&waiting[i], "");
    }
    /* There is room in the next run. */
    test_start(broker);
    rmqtt_publish_t message = publication("d", "x", 0);
    message.delay_ms = 3600000;
    CHECK_OK(try_publish(broker, &message, ""));
    rmqtt_broker_free(broker);
}

static void batches_keep_their_order_and_end_at_a_fault(rmqtt_broker_t *broker) {
    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "b/#", NULL);
    rmqtt_publish_t messages[4];
    reports reporting[4];
    for (int i = 0; i < 4; i++) {
        static const char *const payloads[] = {"0", "1", "2", "3"};
        messages[i] = publication(i % 2 ? "b/odd" : "b/even", payloads[i], 1);
        report_to(&messages[i], &reporting[i]);
    }
    size_t accepted = 99;
    CHECK_OK(rmqtt_broker_publish_batch(broker, messages, 4, &accepted, NULL));
    CHECK_EQ(accepted, 4);
    CONSUMED(&consuming, "0,1,2,3,");
    for (int i = 0; i < 4; i++) {
        REPORTED(&reporting[i], "queued 1 0 0.;");
        report_to(&messages[i], &reporting[i]);
    }
    messages[2].topic = rmqtt_str("#");
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_publish_batch(broker, messages, 4, &accepted, &error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_CONTAINS(rmqtt_error_message(error), "topic");
    rmqtt_error_free(error);
    CHECK_EQ(accepted, 2);
    CONSUMED(&consuming, "0,1,2,3,0,1,");
    /* What belongs to a message is freed whatever becomes of it. */
    for (int i = 0; i < 4; i++) {
        REPORTED(&reporting[i], i < 2 ? "queued 1 0 0.;" : "");
    }
    CHECK_OK(rmqtt_broker_publish_batch(broker, NULL, 0, &accepted, NULL));
    CHECK_EQ(accepted, 0);
    CHECK_OK(rmqtt_broker_publish_batch(broker, messages, 0, NULL, NULL));
    CHECK_STATUS(rmqtt_broker_publish_batch(broker, NULL, 1, &accepted, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    for (int i = 0; i < 4; i++) {
        messages[i] = publication("b/size", "x", 0);
    }
    messages[1].struct_size = offsetof(rmqtt_publish_t, properties);
    CHECK_STATUS(rmqtt_broker_publish_batch(broker, messages, 4, &accepted, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(accepted, 1);
    consumer_stop(&consuming, subscription);
}

/** A program that was compiled with an earlier header has smaller messages, one right behind the other. */
static void batches_of_smaller_messages(rmqtt_broker_t *broker) {
    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "s", NULL);
    size_t size = offsetof(rmqtt_publish_t, properties);
    unsigned char *memory = (unsigned char *)malloc(3 * size);
    CHECK(memory != NULL);
    for (int i = 0; i < 3; i++) {
        static const char *const payloads[] = {"a", "b", "c"};
        rmqtt_publish_t message = publication("s", payloads[i], 0);
        message.struct_size = size;
        memcpy(memory + (size_t)i * size, &message, size);
    }
    size_t accepted = 0;
    CHECK_OK(rmqtt_broker_publish_batch(broker, (const rmqtt_publish_t *)(const void *)memory, 3, &accepted, NULL));
    CHECK_EQ(accepted, 3);
    CONSUMED(&consuming, "a,b,c,");
    free(memory);
    consumer_stop(&consuming, subscription);
}

/**
 * Publishes until there is no room, and still none 20 ms later: places become free as messages move on to where they wait
 * next. Returns how many were accepted, the last of them at `since`.
 */
static int publish_until_full(rmqtt_broker_t *broker, const rmqtt_publish_t *message, const char *says,
                              int64_t *since) {
    int published = 0;
    rmqtt_status_t status = RMQTT_OK;
    *since = test_now_ms();
    while (status == RMQTT_OK || test_now_ms() - *since < 20) {
        status = try_publish(broker, message, says);
        if (status == RMQTT_OK) {
            CHECK(++published < 100);
            *since = test_now_ms();
        }
    }
    CHECK_STATUS(status, RMQTT_ERR_WOULD_BLOCK);
    return published;
}

static void a_crowded_client_is_told_of_and_waited_for(rmqtt_broker_t *broker) {
    test_client slow = client_open(broker, "slow", 4);
    test_client other = client_open(broker, "unrelated", 4);
    subscribe(slow, "c", 1, 1);
    subscribe(other, "o", 0, 0);
    /* It does not acknowledge: when half of its queue is full, there is no room for the moment. */
    rmqtt_publish_t message = publication("c", "x", 1);
    int64_t since = 0;
    int published = publish_until_full(broker, &message, "no room", &since);
    CHECK(published >= 10 && published < 60);
    size_t accepted = 9;
    rmqtt_status_t in_batch = rmqtt_broker_publish_batch(broker, &message, 1, &accepted, NULL);
    message.client_id = rmqtt_str("slow");
    rmqtt_status_t directly = try_publish(broker, &message, "no room");
    message.client_id = rmqtt_str(NULL);
    /* Patience ends after 200 ms, which a busy machine may take for this. */
    if (test_now_ms() - since < 100) {
        CHECK_STATUS(in_batch, RMQTT_ERR_WOULD_BLOCK);
        CHECK_EQ(accepted, 0);
        CHECK_STATUS(directly, RMQTT_ERR_WOULD_BLOCK);
    }
    /* Nobody else is concerned. */
    test_publish(broker, "o", "free");
    CHECK(strcmp(message_read(other).payload, "free") == 0);
    /* It is waited for, but not for ever: then its queue is left to its policy. */
    int64_t begin = test_now_ms();
    message.wait_ms = 10000;
    CHECK_OK(try_publish(broker, &message, ""));
    CHECK(test_now_ms() - begin < 5000);
    CHECK_OK(try_publish(broker, &message, ""));
    test_client_reset(slow);
    test_client_leave(other);
}

/** What `publish_inside` is told. */
typedef struct insider {
    rmqtt_broker_t *broker;
    test_door door;
    int asked;
    int blocked;
    int64_t longest_ms;
} insider;

static rmqtt_verdict_kind_t pass_the_door(const rmqtt_authorize_publish_t *event, rmqtt_verdict_t *verdict,
                                          void *user_data) {
    insider *inside = (insider *)user_data;
    (void)event;
    (void)verdict;
    test_add(&inside->asked);
    test_door_pass(&inside->door);
    return RMQTT_VERDICT_ALLOW;
}

static void *open_later(void *user_data) {
    insider *inside = (insider *)user_data;
    usleep(50000);
    test_door_open(&inside->door);
    return NULL;
}

/** Messages that wait for a hook are bounded, and a place among them is worth waiting for. */
static void a_place_before_the_hook_is_waited_for(void) {
    rmqtt_broker_t *broker = test_broker("{\"callbacks\":{\"queue\":1}}");
    insider inside;
    pthread_t opener;
    memset(&inside, 0, sizeof inside);
    test_door_init(&inside.door);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.authorize_publish = pass_the_door;
    hooks.user_data = &inside;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    rmqtt_publish_t message = publication("t", "x", 1);
    CHECK_OK(try_publish(broker, &message, ""));
    WAIT_UNTIL(test_get(&inside.asked) == 1);
    int64_t since = 0;
    int published = 1 + publish_until_full(broker, &message, "wait to be published", &since);
    CHECK(published < 10);
    int64_t begin = test_now_ms();
    message.wait_ms = 50;
    CHECK_STATUS(try_publish(broker, &message, "wait to be published"), RMQTT_ERR_WOULD_BLOCK);
    CHECK(test_now_ms() - begin >= 50);
    CHECK_EQ(pthread_create(&opener, NULL, open_later, &inside), 0);
    message.wait_ms = TEST_DEADLINE_MS;
    CHECK_OK(try_publish(broker, &message, ""));
    CHECK_EQ(pthread_join(opener, NULL), 0);
    WAIT_UNTIL(test_get(&inside.asked) == published + 1);
    rmqtt_broker_free(broker);
}

static rmqtt_verdict_kind_t publish_inside(const rmqtt_authorize_subscribe_t *event, rmqtt_verdict_t *verdict,
                                           void *user_data) {
    insider *inside = (insider *)user_data;
    (void)event;
    (void)verdict;
    rmqtt_publish_t message = publication("inside", "x", 1);
    message.wait_ms = 10000;
    for (int i = 0; i < 5; i++) {
        int64_t begin = test_now_ms();
        rmqtt_status_t status = rmqtt_broker_publish(inside->broker, &message, NULL);
        int64_t took = test_now_ms() - begin;
        CHECK(status == RMQTT_OK || status == RMQTT_ERR_WOULD_BLOCK);
        inside->blocked += status == RMQTT_ERR_WOULD_BLOCK;
        inside->longest_ms = took > inside->longest_ms ? took : inside->longest_ms;
    }
    return RMQTT_VERDICT_ALLOW;
}

/** On a thread that serves clients no call waits, whatever it says. */
static void nobody_waits_in_an_inline_hook(void) {
    rmqtt_broker_t *broker =
        test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                    "\"runtime\":{\"worker_threads\":1},\"callbacks\":{\"queue\":1}}");
    insider inside;
    memset(&inside, 0, sizeof inside);
    inside.broker = broker;
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.authorize_subscribe = publish_inside;
    hooks.flags[RMQTT_HOOK_AUTHORIZE_SUBSCRIBE] = RMQTT_HOOK_INLINE;
    hooks.user_data = &inside;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    test_client client = client_open(broker, "c", 5);
    subscribe(client, "t", 1, 1);
    /* The only worker is busy with the hook: nothing is worked off meanwhile. */
    CHECK_EQ(inside.blocked, 4);
    CHECK(inside.longest_ms < 5000);
    test_client_leave(client);
    rmqtt_broker_free(broker);
}

int main(void) {
    rmqtt_broker_t *broker = test_broker(
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
        "\"runtime\":{\"worker_threads\":2},\"limits\":{\"max_queued_messages\":20}}");
    test_start(broker);
    properties_go_there_and_back(broker);
    properties_are_checked(broker);
    expiry_runs_from_when_it_is_published(broker);
    one_client_gets_it(broker, 4);
    one_client_gets_it(broker, 5);
    an_absent_client_gets_it_later(broker);
    everybody_s_acknowledgement_is_reported(broker, 1);
    everybody_s_acknowledgement_is_reported(broker, 2);
    later_is_later(broker);
    a_delayed_message_finds_its_client(broker, 4);
    a_delayed_message_finds_its_client(broker, 5);
    batches_keep_their_order_and_end_at_a_fault(broker);
    batches_of_smaller_messages(broker);
    a_crowded_client_is_told_of_and_waited_for(broker);
    rmqtt_broker_free(broker);
    a_refused_message_is_reported();
    what_is_delayed_begins_when_it_is_due(ON_CALLBACK_THREAD);
    what_is_delayed_begins_when_it_is_due(INLINE);
    reports_are_bounded();
    a_place_before_the_hook_is_waited_for();
    nobody_waits_in_an_inline_hook();
    delayed_messages_are_bounded_and_end_with_the_run();
    return 0;
}
