/* The MQTT 5 properties of messages: what hooks see of them, and what they put in their place. */

#include "hooks.h"

#define PUBLISH BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH)

/** All that there are, names of user properties more than once, and their order as `properties_tell` has it. */
static const uint8_t ALL[] = {
    0x26, 0, 1, 'k', 0, 1, '1',                     /* user property */
    0x01, 1,                                        /* payload format indicator */
    0x02, 0, 0, 0, 60,                              /* message expiry interval */
    0x26, 0, 1, 'a', 0, 1, 'b',                     /* user property */
    0x03, 0, 4, 't', 'y', 'p', 'e',                 /* content type */
    0x08, 0, 6, 'r', 'e', 't', 'u', 'r', 'n',       /* response topic */
    0x09, 0, 3, 0x00, 0xff, 0x2c,                   /* correlation data */
    0x26, 0, 1, 'k', 0, 0,                          /* user property */
};
#define ALL_TOLD "text type type response return correlation 00ff2c k=1 a=b k= 60 s "

/** What a subscription of the host program hears. */
typedef struct ear {
    test_probe probe;
    pthread_mutex_t lock;
    char heard[512];
} ear;

static void hear(const rmqtt_message_t *message, void *user_data) {
    ear *listening = (ear *)user_data;
    pthread_mutex_lock(&listening->lock);
    properties_tell(message->properties, listening->heard, sizeof listening->heard);
    pthread_mutex_unlock(&listening->lock);
    test_enter(&listening->probe);
    test_leave(&listening->probe);
}

/** A broker with a publisher, and subscribers to everything: one of the host program, and clients of both protocols. */
typedef struct stage {
    judge judging;
    rmqtt_broker_t *broker;
    test_client publisher, v5, v4;
    ear listening;
    rmqtt_subscription_t *subscription;
} stage;

static void stage_begin(stage *set, int way) {
    memset(&set->listening, 0, sizeof set->listening);
    pthread_mutex_init(&set->listening.lock, NULL);
    set->broker = judged_broker(&set->judging, way, PUBLISH);
    set->publisher = client_open(set->broker, "publisher", 5);
    set->v5 = client_open(set->broker, "new", 5);
    set->v4 = client_open(set->broker, "old", 4);
    subscribe(set->v5, "#", 1, 1);
    subscribe(set->v4, "#", 1, 1);
    CHECK_OK(rmqtt_broker_subscribe(set->broker, rmqtt_str("#"), NULL, hear, &set->listening, test_drop,
                                    &set->subscription, NULL));
}

static void stage_end(stage *set) {
    rmqtt_subscription_free(set->subscription);
    test_client_leave(set->publisher);
    test_client_leave(set->v5);
    test_client_leave(set->v4);
    judged_end(&set->judging);
}

/** The next message, number `count`, comes to all with these properties; what the MQTT 5 client gets. */
static inbound all_get(stage *set, int count, const char *topic, const char *told) {
    CHECK_NEXT(set->v4, topic, "payload");
    inbound message = message_read(set->v5);
    CHECK(strcmp(message.topic, topic) == 0 && strcmp(message.payload, "payload") == 0);
    message_acknowledge(set->v5, &message);
    WAIT_UNTIL(test_get(&set->listening.probe.calls) >= count);
    pthread_mutex_lock(&set->listening.lock);
    if (strcmp(set->listening.heard, told) != 0) {
        FAIL("%s has come with \"%s\", not with \"%s\"", topic, set->listening.heard, told);
    }
    pthread_mutex_unlock(&set->listening.lock);
    return message;
}

/** Whether a message has come with these encoded properties, among others. */
static bool has(const inbound *message, const void *property, size_t len) {
    return memmem(message->properties, message->properties_len, property, len) != NULL;
}

static void hooks_see_all_of_them(int way) {
    stage set;
    stage_begin(&set, way);
    publish_with(set.publisher, "all", "payload", 0x02, 1, ALL, sizeof ALL);
    CHECK_EQ(ack_read(set.publisher, 0x40, 1).code, 0);
    CHECK(strcmp(set.judging.properties, ALL_TOLD) == 0);
    inbound message = all_get(&set, 1, "all", ALL_TOLD);
    CHECK_EQ(message.properties_len, sizeof ALL);
    CHECK(has(&message, ALL + 9, 4)); /* the expiry but for its last byte */
    CHECK(has(&message, ALL + 7, 2) && has(&message, ALL + 21, 7) && has(&message, ALL + 28, 9) &&
          has(&message, ALL + 37, 6));

    /* None, be it that the client has none to give. */
    CHECK_EQ(publish(set.publisher, "none", "payload", 1).code, 0);
    CHECK(strcmp(set.judging.properties, "-") == 0);
    CHECK_EQ(all_get(&set, 2, "none", "-").properties_len, 0);
    CHECK_EQ(publish(set.v4, "old", "payload", 0).code, 0);
    CHECK_EQ(all_get(&set, 3, "old", "-").properties_len, 0);
    CHECK(strcmp(set.judging.properties, "-") == 0);

    /* An empty text is there all the same. */
    const uint8_t empty[] = {0x03, 0, 0, 0x09, 0, 0};
    publish_with(set.publisher, "empty", "payload", 0x02, 1, empty, sizeof empty);
    CHECK_EQ(ack_read(set.publisher, 0x40, 1).code, 0);
    CHECK(strcmp(set.judging.properties, "bytes type  correlation  ") == 0);
    CHECK_EQ(all_get(&set, 4, "empty", "bytes type  correlation  ").properties_len, sizeof empty);
    stage_end(&set);
}

static void a_will_has_them_too(int way) {
    stage set;
    stage_begin(&set, way);
    test_connect connect = test_connect_init("mortal");
    connect.protocol = 5;
    connect.will_topic = "last";
    connect.will_payload = "payload";
    connect.will_properties = ALL;
    connect.will_properties_len = sizeof ALL;
    test_client mortal = test_client_connect(test_port(set.broker, 0), &connect);
    CHECK_EQ(mortal.code, 0);
    CHECK_ASKED(&set.judging, "W last,");
    CHECK(strcmp(set.judging.properties, ALL_TOLD) == 0);
    set.judging.properties[0] = '\0';
    test_client_reset(mortal);
    CHECK_EQ(all_get(&set, 1, "last", ALL_TOLD).properties_len, sizeof ALL);
    CHECK(strcmp(set.judging.properties, ALL_TOLD) == 0);
    stage_end(&set);
}

static rule replacing(const char *question, const rmqtt_properties_t *properties) {
    rule made = rule_allow(question);
    made.replace = RMQTT_REPLACE_PROPERTIES;
    made.properties = properties;
    return made;
}

static void they_are_replaced(int way) {
    static const uint8_t data[] = {0xfe, 0x00};
    rmqtt_user_property_t users[] = {{rmqtt_str("z"), rmqtt_str("1")},
                                     {rmqtt_str("y"), rmqtt_str("")},
                                     {rmqtt_str("z"), rmqtt_str("0")}};
    rmqtt_properties_t others = rmqtt_properties_init();
    others.content_type = rmqtt_str("other");
    others.response_topic = rmqtt_str("back");
    others.correlation_data = rmqtt_bytes(data, sizeof data);
    others.user_properties = users;
    others.user_property_count = 3;
    others.message_expiry_s = 600;
    others.has_message_expiry = true;
    others.payload_format_indicator = 1;
    rmqtt_properties_t blank = rmqtt_properties_init();
    const char *told = "text type other response back correlation fe00 z=1 y= z=0 600 s ";
    const uint8_t expected_users[] = {0x26, 0, 1, 'z', 0, 1, '1', 0x26, 0, 1, 'y', 0, 0, 0x26, 0, 1, 'z', 0, 1, '0'};
    const uint8_t expected_type[] = {0x03, 0, 5, 'o', 't', 'h', 'e', 'r'};

    stage set;
    stage_begin(&set, way);
    judge_rule(&set.judging, replacing("P others", &others));
    judge_rule(&set.judging, replacing("P none", NULL));
    judge_rule(&set.judging, replacing("P blank", &blank));
    rule unsaid = replacing("P unsaid", &others);
    unsaid.replace = 0;
    judge_rule(&set.judging, unsaid);
    judge_rule(&set.judging, replacing("H host", &others));
    judge_rule(&set.judging, replacing("W will", &others));

    publish_with(set.publisher, "others", "payload", 0x02, 1, ALL, sizeof ALL);
    CHECK_EQ(ack_read(set.publisher, 0x40, 1).code, 0);
    inbound message = all_get(&set, 1, "others", told);
    CHECK(has(&message, expected_users, sizeof expected_users) && has(&message, expected_type, sizeof expected_type));
    CHECK(!has(&message, ALL + 21, 7));
    publish_with(set.publisher, "none", "payload", 0x02, 1, ALL, sizeof ALL);
    CHECK_EQ(ack_read(set.publisher, 0x40, 1).code, 0);
    CHECK_EQ(all_get(&set, 2, "none", "-").properties_len, 0);
    publish_with(set.publisher, "blank", "payload", 0x04, 1, ALL, sizeof ALL);
    CHECK_EQ(ack_read(set.publisher, 0x50, 1).code, 0);
    CHECK_EQ(all_get(&set, 3, "blank", "-").properties_len, 0);
    publish_with(set.publisher, "unsaid", "payload", 0x02, 2, ALL, sizeof ALL);
    CHECK_EQ(ack_read(set.publisher, 0x40, 2).code, 0);
    all_get(&set, 4, "unsaid", ALL_TOLD);
    test_publish(set.broker, "host", "payload");
    all_get(&set, 5, "host", told);
    test_connect connect = test_connect_init("mortal");
    connect.will_topic = "will";
    connect.will_payload = "payload";
    test_client mortal = test_client_connect(test_port(set.broker, 0), &connect);
    CHECK_EQ(mortal.code, 0);
    test_client_reset(mortal);
    all_get(&set, 6, "will", told);
    stage_end(&set);
}

static void those_that_make_no_sense_deny(int way) {
    rmqtt_user_property_t user = {rmqtt_str("k"), rmqtt_str("v")};
    rmqtt_properties_t bad[12];
    const size_t count = sizeof bad / sizeof *bad;
    for (size_t i = 0; i < count; i++) {
        bad[i] = rmqtt_properties_init();
    }
    rmqtt_str_t with_nul = {"a\0b", 3};
    rmqtt_user_property_t name_with_nul = {with_nul, rmqtt_str("v")};
    rmqtt_user_property_t value_not_utf_8 = {rmqtt_str("k"), rmqtt_str("\xff")};
    bad[0].response_topic = rmqtt_str("a/#");
    bad[1].response_topic = rmqtt_str("+/a");
    bad[2].response_topic = rmqtt_str("");
    bad[3].response_topic = with_nul;
    bad[4].content_type = with_nul;
    bad[5].content_type = rmqtt_str("\xc3");
    bad[6].user_properties = &name_with_nul;
    bad[6].user_property_count = 1;
    bad[7].user_properties = &value_not_utf_8;
    bad[7].user_property_count = 1;
    bad[8].user_property_count = 1;
    bad[9].payload_format_indicator = 2;
    bad[10].reserved[1] = 1;
    bad[11].struct_size = 8;
    bad[11].user_properties = &user;

    stage set;
    stage_begin(&set, way);
    for (size_t i = 0; i < count; i++) {
        judge_rule(&set.judging, replacing("P bad", &bad[i]));
        ack answered = publish(set.publisher, "bad", "payload", 1);
        if (answered.code != 0x87) {
            FAIL("with the bad properties %zu, PUBACK says %d", i, answered.code);
        }
        CHECK_EQ(test_stats(set.broker).decisions_denied, i + 1);
    }
    CHECK_EQ(publish(set.publisher, "fine", "payload", 1).code, 0);
    all_get(&set, 1, "fine", "-");
    stage_end(&set);
}

int main(void) {
    for (int way = 0; way < WAYS; way++) {
        hooks_see_all_of_them(way);
        a_will_has_them_too(way);
        they_are_replaced(way);
        those_that_make_no_sense_deny(way);
    }
    return 0;
}
