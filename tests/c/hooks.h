/*
 * What the tests of the decision hooks share: a judge that answers by rules, in any of the ways a hook may answer, and
 * what a client says and hears about it.
 */

#ifndef RMQTT_TEST_HOOKS_H
#define RMQTT_TEST_HOOKS_H

#include "connection.h"
#include "test.h"

/** How the hooks are called, and how they answer. */
enum way { ON_CALLBACK_THREAD, DEFERRED, INLINE, INLINE_AND_DEFERRED, MIXED, WAYS = MIXED };

#define BIT(hook) (1u << (hook))
#define ALL_HOOKS                                                                                              \
    (BIT(RMQTT_HOOK_AUTHENTICATE) | BIT(RMQTT_HOOK_PRE_CONNECT) | BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH) |          \
     BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE) | BIT(RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE))

/** The answer to one question. Its text is literal, because a deferred answer is given when the hook is long over. */
typedef struct rule {
    /**
     * "C" before CONNECT and all handshakes, "C established" behind those, "A id", "P topic" for a client's message,
     * "W topic" for a will, "H topic" for the host program's, "D topic" for one that it has delayed, "S filter",
     * "U filter", "F id topic" for a message to that client, "E id method data round" with " again" behind it when it is
     * connected.
     */
    const char *question;
    rmqtt_verdict_kind_t kind;
    uint8_t code;
    const char *reason;
    uint32_t replace;
    const char *topic;
    const char *payload;
    uint8_t qos;
    bool retain;
    const char *client_id;
    uint32_t session_expiry_s;
    uint16_t keep_alive_s;
    bool superuser;
    const char *auth_data;
    const char *response_information;
    const char *server_reference;
    const rmqtt_user_property_t *user_properties;
    size_t user_property_count;
    const rmqtt_properties_t *properties;
    /** Deferred, for the test to complete. */
    bool held;
    /** The hook passes the door first. */
    bool waits;
    /** What the hook publishes; NULL for nothing. */
    const char *publishes;
    /** The hook tries to stop the broker. */
    bool stops;
    /** What else the hook calls; NULL for nothing. */
    void (*calls)(rmqtt_broker_t *broker);
} rule;

typedef struct answer {
    rmqtt_decision_t ticket;
    rule with;
} answer;

/** The user data of the hooks. Begins with the probe, so that `test_drop` serves. */
typedef struct judge {
    test_probe probe;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    rmqtt_broker_t *broker;
    int way;
    rule rules[16];
    size_t rule_count;
    int asked;
    /** The questions, each with a comma behind it, as far as there is room. */
    char log[4096];
    /** Taken for the last question whose answer is held. */
    rmqtt_decision_t ticket;
    int tickets;
    test_door door;
    int stop_status;
    /** The thread that ran the last hook of each kind. */
    pthread_t ran_on[16];
    /** What the last question told. */
    char address[64];
    char listener[64];
    char client_id[64];
    /** For CONNECT, with what comes of the certificate. */
    char username[64];
    /** What the last questions before, behind and with CONNECT have shown of the connection. */
    shown_connection accepted;
    shown_connection established;
    shown_connection connecting;
    char payload[64];
    /** As `properties_tell` has them. */
    char properties[512];
    int origin;
    int qos;
    bool retain;
    bool has_publisher;
    uint32_t identifier;
    bool superuser;
    /** Tickets that a thread of its own completes. */
    pthread_t completer;
    answer answers[64];
    size_t first_answer, answer_count;
    bool over;
} judge;

static inline rule rule_make(const char *question, rmqtt_verdict_kind_t kind) {
    rule made;
    memset(&made, 0, sizeof made);
    made.question = question;
    made.kind = kind;
    return made;
}

static inline rule rule_allow(const char *question) {
    return rule_make(question, RMQTT_VERDICT_ALLOW);
}

static inline rule rule_drop(const char *question) {
    return rule_make(question, RMQTT_VERDICT_DROP);
}

static inline rule rule_deny(const char *question, uint8_t code, const char *reason) {
    rule made = rule_make(question, RMQTT_VERDICT_DENY);
    made.code = code;
    made.reason = reason;
    return made;
}

static inline rule rule_hold(const char *question) {
    rule made = rule_allow(question);
    made.held = true;
    return made;
}

/** Puts another topic, or another filter, in the place of the one asked about. */
static inline rule rule_topic(const char *question, const char *topic) {
    rule made = rule_allow(question);
    made.replace = RMQTT_REPLACE_TOPIC;
    made.topic = topic;
    return made;
}

static inline rule rule_qos(const char *question, uint8_t qos) {
    rule made = rule_allow(question);
    made.replace = RMQTT_REPLACE_QOS;
    made.qos = qos;
    return made;
}

static inline void rule_fill(const rule *filling, rmqtt_verdict_t *verdict) {
    verdict->kind = filling->kind;
    verdict->reason_code = filling->code;
    if (filling->reason) {
        verdict->reason_string = rmqtt_str(filling->reason);
    }
    verdict->replace = filling->replace;
    if (filling->topic) {
        verdict->topic = rmqtt_str(filling->topic);
    }
    if (filling->payload) {
        verdict->payload = rmqtt_bytes(filling->payload, strlen(filling->payload));
    }
    verdict->qos = filling->qos;
    verdict->retain = filling->retain;
    if (filling->client_id) {
        verdict->client_id = rmqtt_str(filling->client_id);
    }
    verdict->session_expiry_s = filling->session_expiry_s;
    verdict->keep_alive_s = filling->keep_alive_s;
    verdict->superuser = filling->superuser;
    if (filling->auth_data) {
        verdict->auth_data = rmqtt_bytes(filling->auth_data, strlen(filling->auth_data));
    }
    if (filling->response_information) {
        verdict->response_information = rmqtt_str(filling->response_information);
    }
    if (filling->server_reference) {
        verdict->server_reference = rmqtt_str(filling->server_reference);
    }
    verdict->user_properties = filling->user_properties;
    verdict->user_property_count = filling->user_property_count;
    verdict->properties = filling->properties;
}

static inline void *judge_complete(void *user_data) {
    judge *judging = (judge *)user_data;
    pthread_mutex_lock(&judging->lock);
    for (;;) {
        while (judging->answer_count == 0 && !judging->over) {
            pthread_cond_wait(&judging->changed, &judging->lock);
        }
        if (judging->answer_count == 0) {
            break;
        }
        answer given = judging->answers[judging->first_answer];
        judging->first_answer = (judging->first_answer + 1) % (sizeof judging->answers / sizeof *judging->answers);
        judging->answer_count--;
        pthread_mutex_unlock(&judging->lock);
        rmqtt_verdict_t verdict = rmqtt_verdict_init();
        rule_fill(&given.with, &verdict);
        CHECK_OK(rmqtt_decision_complete(given.ticket, &verdict));
        pthread_mutex_lock(&judging->lock);
    }
    pthread_mutex_unlock(&judging->lock);
    return NULL;
}

/** Called with the lock. What no rule is about is allowed. */
static inline rule judge_rule_for(judge *judging, const char *question) {
    for (size_t i = 0; i < judging->rule_count; i++) {
        if (strcmp(judging->rules[i].question, question) == 0) {
            return judging->rules[i];
        }
    }
    return rule_allow(question);
}

/** Puts a rule in the place of the one for the same question. */
static inline void judge_rule(judge *judging, rule made) {
    size_t at = 0;
    pthread_mutex_lock(&judging->lock);
    while (at < judging->rule_count && strcmp(judging->rules[at].question, made.question) != 0) {
        at++;
    }
    CHECK(at < sizeof judging->rules / sizeof *judging->rules);
    judging->rules[at] = made;
    judging->rule_count += at == judging->rule_count;
    pthread_mutex_unlock(&judging->lock);
}

/** Called with the lock. */
static inline void judge_copy(char *room, size_t size, rmqtt_str_t text) {
    CHECK(text.len < size);
    CHECK(text.ptr == NULL || text.ptr[text.len] == '\0');
    memcpy(room, text.ptr ? text.ptr : "", text.len + 1);
}

/** Called with the lock. */
static inline void judge_note(judge *judging, const char *text) {
    size_t length = strlen(judging->log);
    if (length + strlen(text) + 2 < sizeof judging->log) {
        snprintf(judging->log + length, sizeof judging->log - length, "%s,", text);
    }
}

/** Writes what there is of properties, in the order of the struct; "-" if there are none. */
static inline void properties_tell(const rmqtt_properties_t *properties, char *room, size_t size) {
    char *rest = room;
    char *end = room + size;
    if (!properties) {
        snprintf(room, size, "-");
        return;
    }
    CHECK_EQ(properties->struct_size, sizeof *properties);
    CHECK_EQ(properties->reserved[0] | properties->reserved[1], 0);
    rest += snprintf(rest, (size_t)(end - rest), properties->payload_format_indicator ? "text " : "bytes ");
    if (properties->content_type.ptr) {
        CHECK_EQ(properties->content_type.ptr[properties->content_type.len], '\0');
        rest += snprintf(rest, (size_t)(end - rest), "type %s ", properties->content_type.ptr);
    }
    if (properties->response_topic.ptr) {
        CHECK_EQ(properties->response_topic.ptr[properties->response_topic.len], '\0');
        rest += snprintf(rest, (size_t)(end - rest), "response %s ", properties->response_topic.ptr);
    }
    if (properties->correlation_data.ptr) {
        rest += snprintf(rest, (size_t)(end - rest), "correlation ");
        for (size_t i = 0; i < properties->correlation_data.len; i++) {
            rest += snprintf(rest, (size_t)(end - rest), "%02x", (unsigned)properties->correlation_data.ptr[i]);
        }
        rest += snprintf(rest, (size_t)(end - rest), " ");
    }
    CHECK((properties->user_properties == NULL) == (properties->user_property_count == 0));
    for (size_t i = 0; i < properties->user_property_count; i++) {
        const rmqtt_user_property_t *user = &properties->user_properties[i];
        CHECK_EQ(user->name.ptr[user->name.len] | user->value.ptr[user->value.len], '\0');
        rest += snprintf(rest, (size_t)(end - rest), "%s=%s ", user->name.ptr, user->value.ptr);
    }
    /* In whole tens, upwards: what is left of it is a little less than what it was. */
    if (properties->has_message_expiry) {
        rest += snprintf(rest, (size_t)(end - rest), "%u0 s ", (unsigned)(properties->message_expiry_s + 9) / 10);
    } else {
        CHECK_EQ(properties->message_expiry_s, 0);
    }
    CHECK(rest < end);
}

/** Called with the lock, which it gives back. */
static inline rmqtt_verdict_kind_t judge_answer(judge *judging, int hook, const char *sign, rmqtt_str_t about,
                                                rmqtt_verdict_t *verdict) {
    char question[128];
    CHECK_EQ(verdict->struct_size, sizeof *verdict);
    snprintf(question, sizeof question, "%s%s", sign, about.ptr ? about.ptr : "");
    judge_note(judging, question);
    int number = ++judging->asked;
    judging->ran_on[hook] = pthread_self();
    rule found = judge_rule_for(judging, question);
    bool deferred = judging->way == DEFERRED || judging->way == INLINE_AND_DEFERRED ||
                    (judging->way == MIXED && number % 2 == 0);
    pthread_mutex_unlock(&judging->lock);

    if (found.waits) {
        test_door_pass(&judging->door);
    }
    if (found.publishes) {
        test_publish(judging->broker, found.publishes, "from within");
    }
    if (found.stops) {
        test_set(&judging->stop_status, (int)rmqtt_broker_stop(judging->broker, 0));
    }
    if (found.calls) {
        found.calls(judging->broker);
    }
    rmqtt_decision_t ticket = 0;
    if (found.held || deferred) {
        ticket = rmqtt_decision_defer();
        CHECK(ticket != 0);
        pthread_mutex_lock(&judging->lock);
        if (found.held) {
            judging->ticket = ticket;
            judging->tickets++;
        } else {
            size_t room = sizeof judging->answers / sizeof *judging->answers;
            CHECK(judging->answer_count < room);
            answer *given = &judging->answers[(judging->first_answer + judging->answer_count++) % room];
            given->ticket = ticket;
            given->with = found;
            pthread_cond_signal(&judging->changed);
        }
        pthread_mutex_unlock(&judging->lock);
        return RMQTT_VERDICT_DEFERRED;
    }
    rule_fill(&found, verdict);
    /* Not read where a hook fills one: its return value decides. */
    verdict->kind = RMQTT_VERDICT_DENY;
    return found.kind;
}

static inline rmqtt_verdict_kind_t judge_pre_connect(const rmqtt_pre_connect_t *event, rmqtt_verdict_t *verdict,
                                                     void *user_data) {
    judge *judging = (judge *)user_data;
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    pthread_mutex_lock(&judging->lock);
    judge_copy(judging->address, sizeof judging->address, event->address);
    judge_copy(judging->listener, sizeof judging->listener, event->listener);
    bool established = event->stage == RMQTT_STAGE_ESTABLISHED;
    CHECK(established || event->stage == RMQTT_STAGE_ACCEPTED);
    connection_see(event->connection, established ? &judging->established : &judging->accepted);
    rmqtt_str_t stage = rmqtt_str(established ? " established" : "");
    rmqtt_verdict_kind_t kind = judge_answer(judging, RMQTT_HOOK_PRE_CONNECT, "C", stage, verdict);
    test_leave(&judging->probe);
    return kind;
}

static inline rmqtt_verdict_kind_t judge_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                                      void *user_data) {
    judge *judging = (judge *)user_data;
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    pthread_mutex_lock(&judging->lock);
    rmqtt_str_t id = event->client->client_id;
    snprintf(judging->username, sizeof judging->username, "%s",
             event->client->username.ptr ? event->client->username.ptr : "");
    connection_see(event->connection, &judging->connecting);
    rmqtt_verdict_kind_t kind = judge_answer(judging, RMQTT_HOOK_AUTHENTICATE, "A ", id, verdict);
    test_leave(&judging->probe);
    return kind;
}

static inline rmqtt_verdict_kind_t judge_exchange(const rmqtt_auth_exchange_t *event, rmqtt_verdict_t *verdict,
                                                  void *user_data) {
    judge *judging = (judge *)user_data;
    char question[128];
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    CHECK_EQ(event->client->protocol, 5);
    snprintf(question, sizeof question, "%s %s %.*s %u%s", event->client->client_id.ptr, event->method.ptr,
             (int)event->data.len, event->data.ptr ? (const char *)event->data.ptr : "", (unsigned)event->round,
             event->again ? " again" : "");
    CHECK((event->connection == NULL) == event->again);
    pthread_mutex_lock(&judging->lock);
    if (event->connection) {
        connection_see(event->connection, &judging->connecting);
    }
    rmqtt_verdict_kind_t kind =
        judge_answer(judging, RMQTT_HOOK_AUTH_EXCHANGE, "E ", rmqtt_str(question), verdict);
    test_leave(&judging->probe);
    return kind;
}

/** Notes "K id code reason", with "present" behind it if the session was there before. */
static inline void judge_connack(const rmqtt_connack_t *event, void *user_data) {
    judge *judging = (judge *)user_data;
    char told[128];
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    snprintf(told, sizeof told, "K %s %02x %s%s", event->client->client_id.ptr, event->reason_code,
             event->reason_string.ptr ? event->reason_string.ptr : "-", event->session_present ? " present" : "");
    pthread_mutex_lock(&judging->lock);
    judge_note(judging, told);
    pthread_mutex_unlock(&judging->lock);
    test_leave(&judging->probe);
}

/** Notes "+id". */
static inline void judge_connected(const rmqtt_connected_t *event, void *user_data) {
    judge *judging = (judge *)user_data;
    char told[128];
    test_enter(&judging->probe);
    snprintf(told, sizeof told, "+%s", event->client->client_id.ptr);
    pthread_mutex_lock(&judging->lock);
    judge_note(judging, told);
    pthread_mutex_unlock(&judging->lock);
    test_leave(&judging->probe);
}

static inline rmqtt_verdict_kind_t judge_publish(const rmqtt_authorize_publish_t *event, rmqtt_verdict_t *verdict,
                                                 void *user_data) {
    judge *judging = (judge *)user_data;
    const rmqtt_message_t *message = event->message;
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    CHECK_EQ(message->struct_size, sizeof *message);
    pthread_mutex_lock(&judging->lock);
    CHECK(message->payload.len < sizeof judging->payload);
    memcpy(judging->payload, message->payload.ptr, message->payload.len);
    judging->payload[message->payload.len] = '\0';
    judging->origin = message->origin;
    judging->qos = message->qos;
    judging->retain = message->retain;
    properties_tell(message->properties, judging->properties, sizeof judging->properties);
    judging->has_publisher = message->publisher != NULL;
    if (message->publisher) {
        judge_copy(judging->client_id, sizeof judging->client_id, message->publisher->client_id);
        judging->superuser = message->publisher->superuser;
    }
    const char *sign = message->origin == RMQTT_ORIGIN_CLIENT    ? "P "
                       : message->origin == RMQTT_ORIGIN_WILL    ? "W "
                       : message->origin == RMQTT_ORIGIN_API     ? "H "
                       : message->origin == RMQTT_ORIGIN_DELAYED ? "D "
                                                                 : "? ";
    rmqtt_verdict_kind_t kind =
        judge_answer(judging, RMQTT_HOOK_AUTHORIZE_PUBLISH, sign, message->topic, verdict);
    test_leave(&judging->probe);
    return kind;
}

static inline rmqtt_verdict_kind_t judge_subscribe(const rmqtt_authorize_subscribe_t *event, rmqtt_verdict_t *verdict,
                                                   void *user_data) {
    judge *judging = (judge *)user_data;
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    pthread_mutex_lock(&judging->lock);
    judge_copy(judging->client_id, sizeof judging->client_id, event->client->client_id);
    judging->qos = event->qos;
    judging->identifier = event->identifier;
    rmqtt_verdict_kind_t kind =
        judge_answer(judging, RMQTT_HOOK_AUTHORIZE_SUBSCRIBE, "S ", event->filter, verdict);
    test_leave(&judging->probe);
    return kind;
}

static inline rmqtt_verdict_kind_t judge_unsubscribe(const rmqtt_authorize_unsubscribe_t *event,
                                                     rmqtt_verdict_t *verdict, void *user_data) {
    judge *judging = (judge *)user_data;
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    pthread_mutex_lock(&judging->lock);
    judge_copy(judging->client_id, sizeof judging->client_id, event->client->client_id);
    rmqtt_verdict_kind_t kind =
        judge_answer(judging, RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE, "U ", event->filter, verdict);
    test_leave(&judging->probe);
    return kind;
}

static inline rmqtt_verdict_kind_t judge_forward(const rmqtt_authorize_forward_t *event, rmqtt_verdict_t *verdict,
                                                 void *user_data) {
    judge *judging = (judge *)user_data;
    const rmqtt_message_t *message = event->message;
    char sign[80];
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    CHECK_EQ(event->client->struct_size, sizeof *event->client);
    CHECK_EQ(message->struct_size, sizeof *message);
    pthread_mutex_lock(&judging->lock);
    judge_copy(judging->client_id, sizeof judging->client_id, event->client->client_id);
    snprintf(sign, sizeof sign, "F %s ", judging->client_id);
    judging->qos = event->qos;
    judging->retain = event->retain;
    judging->origin = message->origin;
    judging->has_publisher = message->publisher != NULL;
    properties_tell(message->properties, judging->properties, sizeof judging->properties);
    rmqtt_verdict_kind_t kind =
        judge_answer(judging, RMQTT_HOOK_AUTHORIZE_FORWARD, sign, message->topic, verdict);
    test_leave(&judging->probe);
    return kind;
}

static inline void judge_init(judge *judging, int way) {
    memset(judging, 0, sizeof *judging);
    pthread_mutex_init(&judging->lock, NULL);
    pthread_cond_init(&judging->changed, NULL);
    test_door_init(&judging->door);
    judging->way = way;
    CHECK_EQ(pthread_create(&judging->completer, NULL, judge_complete, judging), 0);
}

/** The hooks of `mask`, called as the way of the judge says. */
static inline rmqtt_hooks_t judge_hooks(judge *judging, unsigned mask) {
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = judging;
    hooks.drop = test_drop;
    hooks.authenticate = mask & BIT(RMQTT_HOOK_AUTHENTICATE) ? judge_authenticate : NULL;
    hooks.pre_connect = mask & BIT(RMQTT_HOOK_PRE_CONNECT) ? judge_pre_connect : NULL;
    hooks.authorize_publish = mask & BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH) ? judge_publish : NULL;
    hooks.authorize_subscribe = mask & BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE) ? judge_subscribe : NULL;
    hooks.authorize_unsubscribe = mask & BIT(RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE) ? judge_unsubscribe : NULL;
    hooks.auth_exchange = mask & BIT(RMQTT_HOOK_AUTH_EXCHANGE) ? judge_exchange : NULL;
    hooks.connack = mask & BIT(RMQTT_HOOK_CONNACK) ? judge_connack : NULL;
    hooks.connected = mask & BIT(RMQTT_HOOK_CONNECTED) ? judge_connected : NULL;
    hooks.authorize_forward = mask & BIT(RMQTT_HOOK_AUTHORIZE_FORWARD) ? judge_forward : NULL;
    if (judging->way == INLINE || judging->way == INLINE_AND_DEFERRED) {
        for (int hook = 0; hook <= RMQTT_HOOK_CONNACK; hook++) {
            hooks.flags[hook] = mask & BIT(hook) ? RMQTT_HOOK_INLINE : 0;
        }
    }
    return hooks;
}

static inline rmqtt_broker_t *judged_broker_with(judge *judging, int way, unsigned mask, const char *config) {
    judge_init(judging, way);
    judging->broker = test_broker(config);
    rmqtt_hooks_t hooks = judge_hooks(judging, mask);
    CHECK_OK(rmqtt_broker_set_hooks(judging->broker, &hooks, NULL));
    test_start(judging->broker);
    return judging->broker;
}

static inline rmqtt_broker_t *judged_broker(judge *judging, int way, unsigned mask) {
    return judged_broker_with(judging, way, mask, TEST_OPEN);
}

/** When no hook can run any more. */
static inline void judge_end(judge *judging) {
    pthread_mutex_lock(&judging->lock);
    judging->over = true;
    pthread_cond_signal(&judging->changed);
    pthread_mutex_unlock(&judging->lock);
    CHECK_EQ(pthread_join(judging->completer, NULL), 0);
    CHECK_DROPPED(&judging->probe);
}

/** Ends a broker after which no decision may be open. */
static inline void judged_end(judge *judging) {
    WAIT_UNTIL(test_stats(judging->broker).decisions_pending == 0);
    CHECK_EQ(test_stats(judging->broker).connection_panics, 0);
    CHECK_EQ(test_stats(judging->broker).callback_panics, 0);
    rmqtt_broker_free(judging->broker);
    judge_end(judging);
}

static inline bool judge_log_is(judge *judging, const char *wanted) {
    pthread_mutex_lock(&judging->lock);
    bool same = strcmp(judging->log, wanted) == 0;
    pthread_mutex_unlock(&judging->lock);
    return same;
}

#define CHECK_ASKED(judging, wanted)                                             \
    do {                                                                         \
        if (!judge_log_is(judging, wanted)) {                                    \
            FAIL("asked about \"%s\", not about \"%s\"", (judging)->log, wanted); \
        }                                                                        \
    } while (0)

static inline void judge_forget(judge *judging) {
    pthread_mutex_lock(&judging->lock);
    judging->log[0] = '\0';
    judging->asked = 0;
    pthread_mutex_unlock(&judging->lock);
}

/** The ticket number `count`, when the hook that has taken it is over: nobody else can decide then. */
static inline rmqtt_decision_t judge_ticket(judge *judging, int count) {
    for (;;) {
        WAIT_UNTIL(test_get(&judging->tickets) >= count && test_get(&judging->probe.running) == 0);
        pthread_mutex_lock(&judging->lock);
        int taken = judging->tickets;
        rmqtt_decision_t ticket = judging->ticket;
        pthread_mutex_unlock(&judging->lock);
        if (taken == count) {
            return ticket;
        }
        FAIL("%d tickets, not %d", taken, count);
    }
}

static inline void judge_allow(rmqtt_decision_t ticket) {
    rmqtt_verdict_t verdict = rmqtt_verdict_init();
    verdict.kind = RMQTT_VERDICT_ALLOW;
    CHECK_OK(rmqtt_decision_complete(ticket, &verdict));
}

/* ---- clients ---- */

static inline test_client client_open(rmqtt_broker_t *broker, const char *client_id, int protocol) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    return client;
}

/** An acknowledgement. */
typedef struct ack {
    int code;
    char reason[64];
} ack;

/** PUBACK, PUBREC or PUBCOMP; before MQTT 5 all is well that is acknowledged. */
static inline ack ack_read(test_client client, int type, int id) {
    test_packet packet;
    ack read;
    memset(&read, 0, sizeof read);
    test_packet_expect(client.fd, &packet, type);
    CHECK(packet.len >= 2);
    CHECK_EQ(packet.body[0] << 8 | packet.body[1], id);
    if (client.protocol < 5) {
        CHECK_EQ(packet.len, 2);
        return read;
    }
    if (packet.len > 2) {
        read.code = packet.body[2];
    }
    if (packet.len > 4) {
        /* The length of the properties, the identifier, the length of the text. */
        CHECK_EQ(packet.body[3], packet.len - 4);
        CHECK_EQ(packet.body[4], 0x1f);
        size_t len = (size_t)packet.body[5] << 8 | packet.body[6];
        CHECK(len == packet.len - 7 && len < sizeof read.reason);
        memcpy(read.reason, packet.body + 7, len);
    }
    return read;
}

static inline void publish_send(test_client client, const char *topic, const char *payload, int flags, int id) {
    test_packet packet;
    test_packet_begin(&packet, 0x30 | flags);
    test_put_text(&packet, topic);
    if (flags & 0x06) {
        test_put_byte(&packet, id >> 8);
        test_put_byte(&packet, id & 0xff);
    }
    if (client.protocol == 5) {
        test_put_byte(&packet, 0);
    }
    test_put_bytes(&packet, payload, strlen(payload));
    test_packet_send(client.fd, &packet);
}

static inline void pubrel_send(test_client client, int id) {
    test_packet packet;
    test_packet_begin(&packet, 0x62);
    test_put_byte(&packet, id >> 8);
    test_put_byte(&packet, id & 0xff);
    test_packet_send(client.fd, &packet);
}

/** PUBLISH of MQTT 5, with properties. */
static inline void publish_with(test_client client, const char *topic, const char *payload, int flags, int id,
                                const void *properties, size_t properties_len) {
    test_packet packet;
    test_packet_begin(&packet, 0x30 | flags);
    test_put_text(&packet, topic);
    if (flags & 0x06) {
        test_put_byte(&packet, id >> 8);
        test_put_byte(&packet, id & 0xff);
    }
    test_put_properties(&packet, properties, properties_len);
    test_put_bytes(&packet, payload, strlen(payload));
    test_packet_send(client.fd, &packet);
}

/** PUBACK, PUBREC, PUBREL or PUBCOMP; a code other than 0 for MQTT 5 only. */
static inline void ack_send(test_client client, int type, int id, int code) {
    test_packet packet;
    test_packet_begin(&packet, type);
    test_put_byte(&packet, id >> 8);
    test_put_byte(&packet, id & 0xff);
    if (code != 0) {
        test_put_byte(&packet, code);
    }
    test_packet_send(client.fd, &packet);
}

/** A message as it comes, not acknowledged yet. */
typedef struct inbound {
    char topic[64];
    char payload[256];
    int id;
    int qos;
    bool retain;
    bool again;
    /** MQTT 5, encoded. */
    uint8_t properties[128];
    size_t properties_len;
} inbound;

static inline inbound message_read(test_client client) {
    test_packet packet;
    inbound message;
    test_packet_expect(client.fd, &packet, 0x30);
    memset(&message, 0, sizeof message);
    message.qos = (packet.type >> 1) & 3;
    message.retain = (packet.type & 1) != 0;
    message.again = (packet.type & 8) != 0;
    size_t topic_len = (size_t)packet.body[0] << 8 | packet.body[1];
    size_t at = 2 + topic_len;
    CHECK(topic_len < sizeof message.topic && at <= packet.len);
    memcpy(message.topic, packet.body + 2, topic_len);
    if (message.qos > 0) {
        message.id = packet.body[at] << 8 | packet.body[at + 1];
        at += 2;
    }
    if (client.protocol == 5) {
        message.properties_len = packet.body[at++];
        CHECK(message.properties_len < sizeof message.properties && at + message.properties_len <= packet.len);
        memcpy(message.properties, packet.body + at, message.properties_len);
        at += message.properties_len;
    }
    CHECK(at <= packet.len && packet.len - at < sizeof message.payload);
    memcpy(message.payload, packet.body + at, packet.len - at);
    return message;
}

/** Acknowledges a message, with the whole exchange. */
static inline void message_acknowledge(test_client client, const inbound *message) {
    if (message->qos == 1) {
        ack_send(client, 0x40, message->id, 0);
    } else if (message->qos == 2) {
        ack_send(client, 0x50, message->id, 0);
        CHECK_EQ(ack_read(client, 0x60, message->id).code, 0);
        ack_send(client, 0x70, message->id, 0);
    }
}

/** Publishes, with the whole exchange; what PUBACK or PUBREC says. */
static inline ack publish(test_client client, const char *topic, const char *payload, int qos) {
    ack answered;
    memset(&answered, 0, sizeof answered);
    publish_send(client, topic, payload, qos << 1, 7);
    if (qos == 1) {
        answered = ack_read(client, 0x40, 7);
    } else if (qos == 2) {
        answered = ack_read(client, 0x50, 7);
        if (answered.code < 0x80) {
            pubrel_send(client, 7);
            CHECK_EQ(ack_read(client, 0x70, 7).code, 0);
        }
    }
    return answered;
}

/** Sends SUBSCRIBE (0x82) or UNSUBSCRIBE (0xa2) for `count` filters. */
static inline void filters_send(test_client client, int type, const char *const *filters, size_t count, int qos) {
    test_packet packet;
    test_packet_begin(&packet, type);
    test_put_byte(&packet, 0);
    test_put_byte(&packet, 9);
    if (client.protocol == 5) {
        test_put_byte(&packet, 0);
    }
    for (size_t i = 0; i < count; i++) {
        test_put_text(&packet, filters[i]);
        if (type == 0x82) {
            test_put_byte(&packet, qos);
        }
    }
    test_packet_send(client.fd, &packet);
}

/** Reads SUBACK (0x90) or UNSUBACK (0xb0) with these codes. */
static inline void codes_expect(test_client client, int type, const int *codes, size_t count) {
    test_packet packet;
    test_packet_expect(client.fd, &packet, type);
    CHECK_EQ(packet.body[0] << 8 | packet.body[1], 9);
    size_t at = 2;
    if (client.protocol == 5) {
        CHECK_EQ(packet.body[at++], 0);
    }
    if (type == 0xb0 && client.protocol < 5) {
        count = 0;
    }
    CHECK_EQ(packet.len, at + count);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(packet.body[at + i], codes[i]);
    }
}

static inline void subscribe(test_client client, const char *filter, int qos, int code) {
    filters_send(client, 0x82, &filter, 1, qos);
    codes_expect(client, 0x90, &code, 1);
}

static inline void unsubscribe(test_client client, const char *filter, int code) {
    filters_send(client, 0xa2, &filter, 1, 0);
    codes_expect(client, 0xb0, &code, 1);
}

/** The next message must be this one. */
#define CHECK_NEXT(client, wanted_topic, wanted_payload)                                                            \
    do {                                                                                                            \
        test_message next_ = test_client_receive(client);                                                           \
        if (strcmp(next_.topic, wanted_topic) != 0 || strcmp(next_.payload, wanted_payload) != 0) {                 \
            FAIL("the next message is %s to %s, not %s to %s", next_.payload, next_.topic, wanted_payload,          \
                 wanted_topic);                                                                                     \
        }                                                                                                           \
    } while (0)

#endif /* RMQTT_TEST_HOOKS_H */
