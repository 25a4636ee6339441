/* What is explained is what happens. */

#include "hooks.h"

typedef struct explained {
    char json[1024];
} explained;

static explained explain(rmqtt_broker_t *broker, const char *client_id, rmqtt_action_t action, const char *topic) {
    explained answer;
    rmqtt_string_t *json = NULL;
    CHECK_OK(rmqtt_broker_explain(broker, rmqtt_str(client_id), action, rmqtt_str(topic), &json, NULL));
    rmqtt_str_t text = rmqtt_string_view(json);
    CHECK(text.len < sizeof answer.json);
    memcpy(answer.json, text.ptr, text.len + 1);
    rmqtt_string_free(json);
    return answer;
}

#define CHECK_SAYS(answer, part)                                  \
    do {                                                          \
        if (!strstr((answer).json, part)) {                       \
            FAIL("%s is without %s", (answer).json, part);        \
        }                                                         \
    } while (0)

static void check_code(const explained *answer, int code) {
    char part[32];
    snprintf(part, sizeof part, "\"reason_code\":%d,", code);
    CHECK_SAYS(*answer, part);
}

/** What may happen, and what is told of it before. */
typedef struct expected {
    rmqtt_action_t action;
    const char *topic;
    const char *decided_by;
    /** "" for none. */
    const char *rule;
    /** The MQTT 5 reason code; 0 if it is allowed. */
    int code;
    /** The connection does not survive it. */
    bool ends;
} expected;

/** Does it, and compares. */
static void check_happens(rmqtt_broker_t *broker, int protocol, const char *username, const expected *due) {
    char part[128];
    test_connect connect = test_connect_init("c");
    connect.protocol = protocol;
    connect.username = username;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    subscribe(client, "one", 0, 0);
    explained answer = explain(broker, "c", due->action, due->topic);
    snprintf(part, sizeof part, "{\"client_id\":\"c\",\"action\":\"%s\",\"topic\":\"%s\",\"allowed\":%s,",
             due->action == RMQTT_ACTION_PUBLISH ? "publish" : "subscribe", due->topic, due->code ? "false" : "true");
    CHECK_SAYS(answer, part);
    snprintf(part, sizeof part, "\"decided_by\":\"%s\",", due->decided_by);
    CHECK_SAYS(answer, part);
    snprintf(part, sizeof part, "\"rule\":\"%s\",", due->rule);
    CHECK_EQ(strstr(answer.json, due->rule[0] ? part : "\"rule\"") != NULL, due->rule[0] != '\0');
    CHECK(!strstr(answer.json, "\"hook\""));
    CHECK_SAYS(answer, "\"detail\":\"");
    if (due->code) {
        check_code(&answer, due->code);
    } else {
        CHECK(!strstr(answer.json, "reason_code"));
    }

    /* Nothing has been done. */
    CHECK_EQ(test_stats(broker).subscriptions, 1);
    uint64_t refused = test_stats(broker).messages_dropped_refused;
    if (due->action == RMQTT_ACTION_SUBSCRIBE) {
        subscribe(client, due->topic, 0, protocol == 5 || due->code == 0 ? due->code : 0x80);
        CHECK_EQ(test_stats(broker).subscriptions, due->code ? 1 : 2);
    } else {
        publish_send(client, due->topic, "x", 0x02, 7);
        if (due->ends) {
            test_packet packet;
            if (protocol == 5) {
                test_packet_expect(client.fd, &packet, 0xe0);
                CHECK_EQ(packet.body[0], due->code);
            }
            CHECK(test_client_closed(client));
        } else {
            int code = ack_read(client, 0x40, 7).code;
            /* Nobody is subscribed. */
            CHECK_EQ(code, protocol < 5 ? 0 : due->code ? due->code : 0x10);
        }
        WAIT_UNTIL(test_stats(broker).messages_dropped_refused == refused + (due->code ? 1 : 0));
    }
    close(client.fd);
    WAIT_UNTIL(test_stats(broker).sessions == 0);
}

/** The user "root" is a superuser. */
static rmqtt_verdict_kind_t admit(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict, void *user_data) {
    (void)user_data;
    rmqtt_str_t name = event->client->username;
    if (name.len == 4 && memcmp(name.ptr, "root", 4) == 0) {
        verdict->superuser = true;
    }
    return RMQTT_VERDICT_ALLOW;
}

#define OPEN "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true},"

static rmqtt_broker_t *admitting_broker(const char *config) {
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.authenticate = admit;
    rmqtt_broker_t *broker = test_broker(config);
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    return broker;
}

static const expected ANYBODY[] = {
    {RMQTT_ACTION_PUBLISH, "a/b", "default", "", 0, false},
    {RMQTT_ACTION_PUBLISH, "$SYSTEM/x", "default", "", 0, false},
    {RMQTT_ACTION_PUBLISH, "$SYS/x", "rule", "acl.sys_topics", 0x87, false},
    /* The rule comes first. */
    {RMQTT_ACTION_PUBLISH, "$SYS/#", "rule", "acl.sys_topics", 0x87, false},
    {RMQTT_ACTION_PUBLISH, "a/#", "validation", "", 0x90, true},
    {RMQTT_ACTION_PUBLISH, "a/b/c/d", "limit", "limits.max_topic_levels", 0x90, false},
    {RMQTT_ACTION_SUBSCRIBE, "a/#", "default", "", 0, false},
    {RMQTT_ACTION_SUBSCRIBE, "#", "default", "", 0, false},
    {RMQTT_ACTION_SUBSCRIBE, "$share/g/a", "default", "", 0, false},
    {RMQTT_ACTION_SUBSCRIBE, "a/#/b", "validation", "", 0x8f, false},
    {RMQTT_ACTION_SUBSCRIBE, "$share/g", "validation", "", 0x8f, false},
    {RMQTT_ACTION_SUBSCRIBE, "a/b/c/d", "limit", "limits.max_topic_levels", 0x8f, false},
};

static const expected NOBODY_READS[] = {
    {RMQTT_ACTION_SUBSCRIBE, "$SYS/#", "rule", "acl.sys_topics", 0x87, false},
    {RMQTT_ACTION_SUBSCRIBE, "$share/g/$SYS/#", "rule", "acl.sys_topics", 0x87, false},
};

static const expected ALL_READ[] = {
    {RMQTT_ACTION_SUBSCRIBE, "$SYS/#", "rule", "acl.sys_topics", 0, false},
    {RMQTT_ACTION_PUBLISH, "$SYS/x", "rule", "acl.sys_topics", 0x87, false},
};

static const expected SUPERUSER[] = {
    {RMQTT_ACTION_PUBLISH, "a/b", "default", "", 0, false},
    {RMQTT_ACTION_PUBLISH, "$SYS/x", "superuser", "acl.sys_topics", 0, false},
    {RMQTT_ACTION_PUBLISH, "$SYS/#", "validation", "", 0x90, true},
    {RMQTT_ACTION_SUBSCRIBE, "$SYS/#", "superuser", "acl.sys_topics", 0, false},
    {RMQTT_ACTION_SUBSCRIBE, "a", "default", "", 0, false},
};

static const expected FULL[] = {
    {RMQTT_ACTION_SUBSCRIBE, "a", "limit", "limits.max_subscriptions", 0x97, false},
    /* What is wrong with a filter comes first, and a hook or a rule last. */
    {RMQTT_ACTION_SUBSCRIBE, "#/a", "validation", "", 0x8f, false},
    {RMQTT_ACTION_SUBSCRIBE, "$SYS/a", "limit", "limits.max_subscriptions", 0x97, false},
};

static const expected NOT_SHARED[] = {
    {RMQTT_ACTION_SUBSCRIBE, "$share/g/a", "rule", "shared_subscriptions.enabled", 0x9e, false},
    {RMQTT_ACTION_SUBSCRIBE, "$shared/g/a", "default", "", 0, false},
};

static void check_all(const char *config, const char *username, const expected *cases, size_t count) {
    rmqtt_broker_t *broker = admitting_broker(config);
    for (int protocol = 4; protocol <= 5; protocol++) {
        for (size_t i = 0; i < count; i++) {
            check_happens(broker, protocol, username, &cases[i]);
        }
    }
    rmqtt_broker_free(broker);
}

#define CHECK_ALL(config, username, cases) check_all(config, username, cases, sizeof cases / sizeof *cases)

static void the_explanation_is_what_happens(void) {
    const char *closed = OPEN "\"limits\":{\"max_topic_levels\":3}}";
    CHECK_ALL(closed, "somebody", ANYBODY);
    CHECK_ALL(closed, NULL, NOBODY_READS);
    CHECK_ALL(closed, "root", SUPERUSER);
    CHECK_ALL(OPEN "\"acl\":{\"sys_topics\":\"read\"}}", NULL, ALL_READ);
    CHECK_ALL(OPEN "\"limits\":{\"max_subscriptions\":1}}", NULL, FULL);
    CHECK_ALL(OPEN "\"shared_subscriptions\":{\"enabled\":false}}", NULL, NOT_SHARED);
}

/** A hook has the say, where it would be asked, and is not asked. */
static void hooks_are_named_and_not_asked(int way) {
    judge judging;
    rmqtt_broker_t *broker =
        judged_broker(&judging, way, BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH) | BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE));
    test_client client = client_open(broker, "c", 5);
    const struct {
        rmqtt_action_t action;
        const char *topic;
        const char *part;
    } cases[] = {
        {RMQTT_ACTION_PUBLISH, "a", "\"allowed\":null,\"decided_by\":\"hook\",\"hook\":\"authorize_publish\","},
        {RMQTT_ACTION_PUBLISH, "$SYS/a", "\"allowed\":null,\"decided_by\":\"hook\",\"hook\":\"authorize_publish\","},
        {RMQTT_ACTION_PUBLISH, "$SYS/#", "\"allowed\":false,\"decided_by\":\"validation\",\"reason_code\":144,"},
        {RMQTT_ACTION_SUBSCRIBE, "$SYS/#",
         "\"allowed\":null,\"decided_by\":\"hook\",\"hook\":\"authorize_subscribe\","},
        {RMQTT_ACTION_SUBSCRIBE, "a/#/b", "\"allowed\":false,\"decided_by\":\"validation\",\"reason_code\":143,"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        explained answer = explain(broker, "c", cases[i].action, cases[i].topic);
        CHECK_SAYS(answer, cases[i].part);
    }
    CHECK_ASKED(&judging, "");
    /* What it says of these it says itself. */
    judge_rule(&judging, rule_deny("P a", 0, NULL));
    CHECK_EQ(publish(client, "a", "x", 1).code, 0x87);
    CHECK_EQ(publish(client, "$SYS/a", "x", 1).code, 0x10);
    subscribe(client, "$SYS/#", 0, 0);
    CHECK_ASKED(&judging, "P a,P $SYS/a,S $SYS/#,");

    /* Without it, the rule has. */
    rmqtt_hooks_t none = rmqtt_hooks_init();
    CHECK_OK(rmqtt_broker_set_hooks(broker, &none, NULL));
    explained answer = explain(broker, "c", RMQTT_ACTION_PUBLISH, "$SYS/a");
    CHECK_SAYS(answer, "\"allowed\":false,\"decided_by\":\"rule\",\"rule\":\"acl.sys_topics\",\"reason_code\":135,");
    test_client_leave(client);
    judged_end(&judging);
}

static void what_is_no_topic_at_all(void) {
    const char zero[] = {'a', '\0', 'b'};
    rmqtt_str_t with_zero = {zero, sizeof zero};
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    for (int protocol = 4; protocol <= 5; protocol++) {
        test_client client = client_open(broker, "c", protocol);
        explained answer = explain(broker, "c", RMQTT_ACTION_PUBLISH, "");
        CHECK_SAYS(answer, "\"decided_by\":\"validation\"");
        check_code(&answer, protocol == 5 ? 0x82 : 0x81);
        answer = explain(broker, "c", RMQTT_ACTION_SUBSCRIBE, "");
        check_code(&answer, 0x8f);
        rmqtt_string_t *json = NULL;
        CHECK_OK(rmqtt_broker_explain(broker, rmqtt_str("c"), RMQTT_ACTION_PUBLISH, with_zero, &json, NULL));
        CHECK_CONTAINS(rmqtt_string_view(json), "\"topic\":\"a\\u0000b\",\"allowed\":false");
        CHECK_CONTAINS(rmqtt_string_view(json), "\"reason_code\":129,");
        rmqtt_string_free(json);
        test_client_disconnect(client);
    }
    rmqtt_broker_free(broker);
}

static void misuse(void) {
    rmqtt_string_t *json = NULL;
    rmqtt_error_t *error = NULL;
    rmqtt_str_t name = rmqtt_str("c");
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    rmqtt_str_t bad = rmqtt_str("\xff");
    CHECK_STATUS(rmqtt_broker_explain(broker, name, RMQTT_ACTION_PUBLISH, name, &json, NULL), RMQTT_ERR_INVALID_STATE);
    test_start(broker);
    CHECK_STATUS(rmqtt_broker_explain(broker, name, RMQTT_ACTION_PUBLISH, name, &json, &error), RMQTT_ERR_NOT_FOUND);
    CHECK_CONTAINS(rmqtt_error_message(error), "\"c\"");
    rmqtt_error_free(error);
    test_client client = test_client_open(test_port(broker, 0), "c");
    CHECK_STATUS(rmqtt_broker_explain(NULL, name, 1, name, &json, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_explain(broker, name, 1, name, NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_explain(broker, name, 0, name, &json, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_explain(broker, name, 3, name, &json, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_explain(broker, bad, 1, name, &json, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_explain(broker, name, 1, bad, &json, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(json == NULL);
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

int main(void) {
    the_explanation_is_what_happens();
    for (int way = 0; way < WAYS; way++) {
        hooks_are_named_and_not_asked(way);
    }
    what_is_no_topic_at_all();
    misuse();
    return 0;
}
