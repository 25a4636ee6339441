/* The hooks around CONNECT: what the one that lets a client in may say besides, enhanced authentication, and connack. */

#include "hooks.h"

#define AUTHENTICATE BIT(RMQTT_HOOK_AUTHENTICATE)
#define EXCHANGE BIT(RMQTT_HOOK_AUTH_EXCHANGE)
#define CONNACK BIT(RMQTT_HOOK_CONNACK)
#define CONNECTED BIT(RMQTT_HOOK_CONNECTED)
#define PUBLISH BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH)
#define SUBSCRIBE BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE)
#define UNSUBSCRIBE BIT(RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE)

#define CLOSED "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"limits\":{\"max_client_id_length\":8}}"

/** Literal, because a deferred answer is given when the hook is long over. */
static const rmqtt_user_property_t PAIRS[] = {{{"a", 1}, {"1", 1}}, {{"a", 1}, {"2", 1}}};

/** The properties of a packet. Text that is not there is empty, a number that is not there is -1. */
typedef struct props {
    char reason[64];
    char method[64];
    char data[64];
    char assigned[64];
    char response[64];
    char reference[64];
    /** "name=value;" for each. */
    char user[128];
    long session_expiry_s;
    long keep_alive_s;
} props;

static size_t props_text(const test_packet *packet, size_t at, char *room, size_t size) {
    size_t len = (size_t)packet->body[at] << 8 | packet->body[at + 1];
    CHECK(at + 2 + len <= packet->len && len < size);
    memcpy(room, packet->body + at + 2, len);
    room[len] = '\0';
    return at + 2 + len;
}

/** Reads the properties that begin at `at`, less than 128 bytes of them. */
static props props_read(const test_packet *packet, size_t at) {
    props read;
    char name[64];
    memset(&read, 0, sizeof read);
    read.session_expiry_s = read.keep_alive_s = -1;
    if (at >= packet->len) {
        return read;
    }
    CHECK(packet->body[at] < 128);
    size_t end = at + 1 + packet->body[at];
    CHECK(end <= packet->len);
    at++;
    while (at < end) {
        const uint8_t *value = packet->body + at + 1;
        switch (packet->body[at++]) {
        case 0x11:
            read.session_expiry_s = (long)value[0] << 24 | (long)value[1] << 16 | (long)value[2] << 8 | value[3];
            at += 4;
            break;
        case 0x13:
            read.keep_alive_s = (long)value[0] << 8 | value[1];
            at += 2;
            break;
        case 0x27:
            at += 4;
            break;
        case 0x21:
        case 0x22:
            at += 2;
            break;
        case 0x24:
        case 0x25:
        case 0x28:
        case 0x29:
        case 0x2a:
            at += 1;
            break;
        case 0x12:
            at = props_text(packet, at, read.assigned, sizeof read.assigned);
            break;
        case 0x15:
            at = props_text(packet, at, read.method, sizeof read.method);
            break;
        case 0x16:
            at = props_text(packet, at, read.data, sizeof read.data);
            break;
        case 0x1a:
            at = props_text(packet, at, read.response, sizeof read.response);
            break;
        case 0x1c:
            at = props_text(packet, at, read.reference, sizeof read.reference);
            break;
        case 0x1f:
            at = props_text(packet, at, read.reason, sizeof read.reason);
            break;
        case 0x26: {
            size_t length = strlen(read.user);
            at = props_text(packet, at, name, sizeof name);
            snprintf(read.user + length, sizeof read.user - length, "%s=", name);
            at = props_text(packet, at, name, sizeof name);
            length = strlen(read.user);
            snprintf(read.user + length, sizeof read.user - length, "%s;", name);
            break;
        }
        default:
            FAIL("property %d is not known here", packet->body[at - 1]);
        }
    }
    CHECK_EQ(at, end);
    return read;
}

#define CHECK_TEXT(text, wanted)                             \
    do {                                                     \
        if (strcmp(text, wanted) != 0) {                     \
            FAIL("\"%s\" where \"%s\" was due", text, wanted); \
        }                                                    \
    } while (0)

/** Sends CONNECT; what comes back is the test's to read. */
static test_client connect_send(rmqtt_broker_t *broker, const test_connect *connect) {
    test_client client;
    memset(&client, 0, sizeof client);
    client.protocol = connect->protocol;
    client.fd = test_dial(test_port(broker, 0));
    test_connect_send(client.fd, connect);
    return client;
}

/** Reads CONNACK with this code. */
static props connack_expect(test_client client, int code) {
    test_packet packet;
    props none;
    test_packet_expect(client.fd, &packet, 0x20);
    CHECK_EQ(packet.body[1], code);
    if (client.protocol == 5) {
        return props_read(&packet, 2);
    }
    CHECK_EQ(packet.len, 2);
    memset(&none, 0, sizeof none);
    none.session_expiry_s = none.keep_alive_s = -1;
    return none;
}

/** Waits until the judge has been asked and told this, in this order. */
#define CHECK_HEARD(judging, wanted)                \
    do {                                            \
        WAIT_UNTIL(judge_log_is(judging, wanted)); \
        judge_forget(judging);                      \
    } while (0)

static test_connect connect_of(const char *client_id, int protocol) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    return connect;
}

static void connack_is_told(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker =
        judged_broker_with(&judging, way, AUTHENTICATE | CONNACK | CONNECTED | PUBLISH, CLOSED);
    test_connect connect = connect_of("c", protocol);
    uint8_t lasting[] = {0x11, 0, 0, 0, 100};
    connect.properties = lasting;
    connect.properties_len = sizeof lasting;
    connect.keep_session = true;
    rule welcome = rule_allow("A c");
    welcome.reason = "welcome";
    judge_rule(&judging, welcome);
    test_client client = connect_send(broker, &connect);
    CHECK_TEXT(connack_expect(client, 0).reason, protocol == 5 ? "welcome" : "");
    CHECK_HEARD(&judging, "A c,K c 00 welcome,+c,");
    test_client_disconnect(client);
    client = connect_send(broker, &connect);
    connack_expect(client, 0);
    CHECK_HEARD(&judging, "A c,K c 00 welcome present,+c,");
    test_client_leave(client);

    judge_rule(&judging, rule_deny("A c", 0x86, "who?"));
    client = connect_send(broker, &connect);
    CHECK_TEXT(connack_expect(client, protocol == 5 ? 0x86 : 4).reason, protocol == 5 ? "who?" : "");
    CHECK_HEARD(&judging, "A c,K c 86 who?,");
    close(client.fd);

    /* Its will is the reason. */
    judge_rule(&judging, rule_deny("W t", 0x90, NULL));
    judge_rule(&judging, rule_allow("A c"));
    connect.will_topic = "t";
    connect.will_payload = "";
    client = connect_send(broker, &connect);
    connack_expect(client, protocol == 5 ? 0x90 : 5);
    CHECK_HEARD(&judging, "A c,W t,K c 90 -,");
    close(client.fd);

    /* Nobody is asked about it. */
    test_connect lengthy = connect_of("123456789", protocol);
    client = connect_send(broker, &lengthy);
    connack_expect(client, protocol == 5 ? 0x85 : 2);
    CHECK_HEARD(&judging, "K 123456789 85 -,");
    close(client.fd);
    judged_end(&judging);
}

static void a_client_becomes_what_the_hook_says(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(&judging, way, AUTHENTICATE | CONNACK | PUBLISH, CLOSED);
    test_connect connect = connect_of("c", protocol);
    rule other = rule_allow("A c");
    other.replace = RMQTT_REPLACE_CLIENT_ID;
    other.client_id = "other";
    other.superuser = true;
    judge_rule(&judging, other);
    test_client client = connect_send(broker, &connect);
    CHECK_TEXT(connack_expect(client, 0).assigned, "");
    CHECK_HEARD(&judging, "A c,K other 00 -,");
    CHECK_EQ(publish(client, "$SYS/x", "x", 1).code, protocol == 5 ? 0x10 : 0);
    CHECK_TEXT(judging.client_id, "other");
    CHECK(judging.superuser);
    test_client_leave(client);

    /* Without its bit it does not count. */
    other.replace = 0;
    other.superuser = false;
    judge_rule(&judging, other);
    client = connect_send(broker, &connect);
    connack_expect(client, 0);
    publish(client, "t", "x", 1);
    CHECK_TEXT(judging.client_id, "c");
    CHECK(!judging.superuser);
    test_client_leave(client);
    judge_forget(&judging);

    other.replace = RMQTT_REPLACE_CLIENT_ID;
    const char *const wrong[] = {"", "123456789"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        other.client_id = wrong[i];
        judge_rule(&judging, other);
        client = connect_send(broker, &connect);
        connack_expect(client, protocol == 5 ? 0x85 : 2);
        CHECK_HEARD(&judging, "A c,K c 85 -,");
        close(client.fd);
    }

    /* A superuser needs no hook to publish there. */
    other.client_id = "other";
    other.superuser = true;
    judge_rule(&judging, other);
    rmqtt_hooks_t hooks = judge_hooks(&judging, AUTHENTICATE);
    judging.probe.drops = -1;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    WAIT_UNTIL(test_get(&judging.probe.drops) == 0);
    connect.will_topic = "$SYS/will";
    connect.will_payload = "";
    client = connect_send(broker, &connect);
    connack_expect(client, 0);
    CHECK_EQ(publish(client, "$SYS/x", "x", 1).code, protocol == 5 ? 0x10 : 0);
    test_client_leave(client);
    judged_end(&judging);
}

static void connack_carries_what_the_hook_says(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(&judging, way, AUTHENTICATE, CLOSED);
    test_connect connect = connect_of("c", protocol);
    uint8_t asking[] = {0x11, 0, 0, 0, 100, 0x19, 1};
    connect.properties = asking;
    connect.properties_len = sizeof asking;
    connect.keep_session = true;
    connect.keep_alive_s = 60;
    rule full = rule_allow("A c");
    full.replace = RMQTT_REPLACE_SESSION_EXPIRY | RMQTT_REPLACE_KEEP_ALIVE;
    full.session_expiry_s = 0;
    full.keep_alive_s = 30;
    full.user_properties = PAIRS;
    full.user_property_count = 2;
    full.response_information = "answers/";
    full.auth_data = "not without a method";
    judge_rule(&judging, full);
    test_client client = connect_send(broker, &connect);
    props told = connack_expect(client, 0);
    CHECK_EQ(told.session_expiry_s, protocol == 5 ? 0 : -1);
    CHECK_EQ(told.keep_alive_s, protocol == 5 ? 30 : -1);
    CHECK_TEXT(told.user, protocol == 5 ? "a=1;a=2;" : "");
    CHECK_TEXT(told.response, protocol == 5 ? "answers/" : "");
    CHECK_TEXT(told.data, "");
    test_client_disconnect(client);
    WAIT_UNTIL(test_stats(broker).sessions == 0);

    full.replace = 0;
    full.user_properties = NULL;
    judge_rule(&judging, full);
    /* As many as are not there. */
    client = connect_send(broker, &connect);
    connack_expect(client, protocol == 5 ? 0x87 : 5);
    close(client.fd);
    full.user_property_count = 0;
    judge_rule(&judging, full);
    connect.properties = NULL;
    connect.properties_len = 0;
    client = connect_send(broker, &connect);
    told = connack_expect(client, 0);
    CHECK_EQ(told.session_expiry_s, -1);
    CHECK_EQ(told.keep_alive_s, -1);
    CHECK_TEXT(told.response, "");
    test_client_leave(client);

    rule moved = rule_deny("A c", 0x9d, "moved");
    moved.server_reference = "elsewhere";
    moved.user_properties = PAIRS;
    moved.user_property_count = 1;
    judge_rule(&judging, moved);
    client = connect_send(broker, &connect);
    told = connack_expect(client, protocol == 5 ? 0x9d : 3);
    CHECK_TEXT(told.reference, protocol == 5 ? "elsewhere" : "");
    CHECK_TEXT(told.user, protocol == 5 ? "a=1;" : "");
    close(client.fd);
    judged_end(&judging);
}

static test_connect connect_with_method(const char *data, uint8_t *room) {
    test_connect connect = connect_of("c", 5);
    size_t len = strlen(data);
    const uint8_t head[] = {0x15, 0, 1, 'M', 0x16, 0};
    memcpy(room, head, sizeof head);
    room[sizeof head] = (uint8_t)len;
    memcpy(room + sizeof head + 1, data, len);
    connect.properties = room;
    connect.properties_len = sizeof head + 1 + len;
    return connect;
}

static void auth_send(test_client client, int code, const char *data) {
    uint8_t room[64];
    test_connect with = connect_with_method(data, room);
    test_packet packet;
    test_packet_begin(&packet, 0xf0);
    test_put_byte(&packet, code);
    test_put_byte(&packet, (int)with.properties_len);
    test_put_bytes(&packet, with.properties, with.properties_len);
    test_packet_send(client.fd, &packet);
}

/** Reads AUTH with this code and these data. */
static props auth_expect(test_client client, int code, const char *data) {
    test_packet packet;
    test_packet_expect(client.fd, &packet, 0xf0);
    CHECK_EQ(packet.body[0], code);
    props read = props_read(&packet, 1);
    CHECK_TEXT(read.method, "M");
    CHECK_TEXT(read.data, data);
    return read;
}

static void disconnect_expect(test_client client, int code, const char *reason, const char *user) {
    test_packet packet;
    test_packet_expect(client.fd, &packet, 0xe0);
    CHECK_EQ(packet.body[0], code);
    props read = props_read(&packet, 1);
    if (reason) {
        CHECK_TEXT(read.reason, reason);
    }
    CHECK_TEXT(read.user, user);
    CHECK(test_client_closed(client));
    close(client.fd);
}

static rule rule_challenge(const char *question, const char *data) {
    rule made = rule_make(question, RMQTT_VERDICT_CONTINUE);
    made.auth_data = data;
    made.user_properties = PAIRS;
    made.user_property_count = 2;
    made.reason = "more";
    return made;
}

static void clients_and_hooks_exchange(int way) {
    judge judging;
    uint8_t room[64];
    rmqtt_broker_t *broker = judged_broker_with(&judging, way, AUTHENTICATE | EXCHANGE | CONNACK, CLOSED);
    judge_rule(&judging, rule_challenge("E c M begin 1", "first"));
    judge_rule(&judging, rule_challenge("E c M answer 2", "second"));
    rule welcome = rule_allow("E c M end 3");
    welcome.auth_data = "welcome";
    welcome.reason = "proved";
    judge_rule(&judging, welcome);
    test_connect connect = connect_with_method("begin", room);
    test_client client = connect_send(broker, &connect);
    props told = auth_expect(client, 0x18, "first");
    CHECK_TEXT(told.user, "a=1;a=2;");
    CHECK_TEXT(told.reason, "more");
    auth_send(client, 0x18, "answer");
    auth_expect(client, 0x18, "second");
    auth_send(client, 0x18, "end");
    told = connack_expect(client, 0);
    CHECK_TEXT(told.method, "M");
    CHECK_TEXT(told.data, "welcome");
    CHECK_TEXT(told.reason, "proved");
    CHECK_HEARD(&judging, "E c M begin 1,E c M answer 2,E c M end 3,K c 00 proved,");

    /* Again, with all else between the rounds. */
    judge_rule(&judging, rule_challenge("E c M begin 1 again", "third"));
    welcome.question = "E c M end 2 again";
    judge_rule(&judging, welcome);
    auth_send(client, 0x19, "begin");
    auth_expect(client, 0x18, "third");
    CHECK_EQ(publish(client, "t", "x", 1).code, 0x10);
    auth_send(client, 0x18, "end");
    CHECK_TEXT(auth_expect(client, 0, "welcome").reason, "proved");
    rule no = rule_deny("E c M begin 1 again", 0x87, "no more");
    no.user_properties = PAIRS;
    no.user_property_count = 1;
    judge_rule(&judging, no);
    auth_send(client, 0x19, "begin");
    disconnect_expect(client, 0x87, "no more", "a=1;");
    CHECK_HEARD(&judging, "E c M begin 1 again,E c M end 2 again,E c M begin 1 again,");

    /* What is no exchange does not go on. */
    judge_rule(&judging, rule_make("A c", RMQTT_VERDICT_CONTINUE));
    test_connect plain = connect_of("c", 5);
    client = connect_send(broker, &plain);
    connack_expect(client, 0x87);
    CHECK_HEARD(&judging, "A c,K c 87 -,");
    close(client.fd);
    judged_end(&judging);
}

static void an_exchange_fails_closed(int way) {
    judge judging;
    uint8_t room[64];
    rmqtt_broker_t *broker = judged_broker_with(&judging, way, EXCHANGE, CLOSED);
    const struct {
        rmqtt_verdict_kind_t kind;
        uint8_t code;
        int expected;
    } cases[] = {
        {RMQTT_VERDICT_DENY, 0, 0x87},   {RMQTT_VERDICT_DENY, 0x86, 0x86}, {RMQTT_VERDICT_DROP, 0, 0x87},
        {RMQTT_VERDICT_FAILED, 0, 0x87}, {77, 0, 0x87},
    };
    judge_rule(&judging, rule_challenge("E c M more 1", "go on"));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rule answered = rule_make("E c M x 1", cases[i].kind);
        answered.code = cases[i].code;
        judge_rule(&judging, answered);
        test_connect connect = connect_with_method("x", room);
        test_client client = connect_send(broker, &connect);
        connack_expect(client, cases[i].expected);
        CHECK(test_client_closed(client));
        close(client.fd);

        answered.question = "E c M x 1 again";
        judge_rule(&judging, answered);
        connect = connect_with_method("y", room);
        client = connect_send(broker, &connect);
        connack_expect(client, 0);
        auth_send(client, 0x19, "x");
        /* DISCONNECT does not have 0x86. */
        disconnect_expect(client, cases[i].expected == 0x86 ? 0x80 : 0x87, NULL, "");
    }

    /* Whoever leaves needs no decision. */
    judge_rule(&judging, rule_hold("E c M held 2"));
    test_connect connect = connect_with_method("more", room);
    test_client client = connect_send(broker, &connect);
    auth_expect(client, 0x18, "go on");
    auth_send(client, 0x18, "held");
    rmqtt_decision_t ticket = judge_ticket(&judging, 1);
    test_client_reset(client);
    WAIT_UNTIL(test_stats(broker).decisions_pending == 0);
    rmqtt_verdict_t allow = rmqtt_verdict_init();
    allow.kind = RMQTT_VERDICT_ALLOW;
    CHECK_STATUS(rmqtt_decision_complete(ticket, &allow), RMQTT_ERR_EXPIRED);
    CHECK_EQ(test_stats(broker).decisions_expired, 0);

    /* Without the hook there is no method. */
    CHECK_OK(rmqtt_broker_set_hooks(broker, NULL, NULL));
    WAIT_UNTIL(test_get(&judging.probe.drops) == 1);
    connect = connect_with_method("y", room);
    client = connect_send(broker, &connect);
    connack_expect(client, 0x8c);
    close(client.fd);
    judged_end(&judging);
}

/** Reads PUBACK, SUBACK or UNSUBACK, whose properties begin at `at`. */
static void answer_expect(test_client client, int type, size_t at, const char *reason, const char *user) {
    test_packet packet;
    test_packet_expect(client.fd, &packet, type);
    if (client.protocol < 5) {
        CHECK_EQ(packet.len, type == 0x90 ? 4 : 2);
        return;
    }
    props read = props_read(&packet, at);
    CHECK_TEXT(read.reason, reason);
    CHECK_TEXT(read.user, user);
}

static void answers_carry_what_the_hook_says(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, PUBLISH | SUBSCRIBE | UNSUBSCRIBE);
    test_client client = client_open(broker, "c", protocol);
    const char *const questions[] = {"P yes", "P no", "S yes", "S no", "U yes"};
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++) {
        rule made = rule_make(questions[i], questions[i][2] == 'y' ? RMQTT_VERDICT_ALLOW : RMQTT_VERDICT_DENY);
        made.reason = questions[i];
        made.user_properties = PAIRS;
        made.user_property_count = 2;
        judge_rule(&judging, made);
    }
    publish_send(client, "yes", "x", 0x02, 7);
    answer_expect(client, 0x40, 3, "P yes", "a=1;a=2;");
    publish_send(client, "no", "x", 0x02, 7);
    answer_expect(client, 0x40, 3, "P no", "a=1;a=2;");
    publish_send(client, "no", "x", 0x04, 7);
    answer_expect(client, 0x50, 3, "P no", "a=1;a=2;");
    publish_send(client, "silent", "x", 0x02, 7);
    answer_expect(client, 0x40, 3, "", "");
    const char *const filters[] = {"no", "yes"};
    filters_send(client, 0x82, filters, 2, 0);
    answer_expect(client, 0x90, 2, "S no", "a=1;a=2;a=1;a=2;");
    filters_send(client, 0xa2, filters, 2, 0);
    answer_expect(client, 0xb0, 2, "U yes", "a=1;a=2;");
    test_client_leave(client);
    judged_end(&judging);
}

int main(void) {
    for (int way = 0; way < WAYS; way++) {
        for (int protocol = 4; protocol <= 5; protocol++) {
            connack_is_told(way, protocol);
            a_client_becomes_what_the_hook_says(way, protocol);
            connack_carries_what_the_hook_says(way, protocol);
            answers_carry_what_the_hook_says(way, protocol);
        }
        clients_and_hooks_exchange(way);
        an_exchange_fails_closed(way);
    }
    return 0;
}
