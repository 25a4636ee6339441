/* Clients and their sessions, seen and handled by the host program; statistics to the byte. */

#include "events.h"

/* ---- answers ---- */

typedef struct answer_text {
    char json[65536];
} answer_text;

static void take_text(answer_text *answer, rmqtt_string_t *json) {
    rmqtt_str_t text = rmqtt_string_view(json);
    CHECK(text.len < sizeof answer->json);
    memcpy(answer->json, text.ptr, text.len + 1);
    rmqtt_string_free(json);
}

static void show(const rmqtt_broker_t *broker, const char *client_id, answer_text *answer) {
    rmqtt_string_t *json = NULL;
    CHECK_OK(rmqtt_broker_client(broker, rmqtt_str(client_id), &json, NULL));
    take_text(answer, json);
}

static bool is_known(const rmqtt_broker_t *broker, const char *client_id) {
    rmqtt_string_t *json = NULL;
    rmqtt_status_t status = rmqtt_broker_client(broker, rmqtt_str(client_id), &json, NULL);
    rmqtt_string_free(json);
    CHECK(status == RMQTT_OK || status == RMQTT_ERR_NOT_FOUND);
    return status == RMQTT_OK;
}

/** The number behind a key. */
static unsigned long long number_in(const answer_text *answer, const char *key) {
    char pattern[64];
    snprintf(pattern, sizeof pattern, "\"%s\":", key);
    const char *at = strstr(answer->json, pattern);
    if (!at || at[strlen(pattern)] < '0' || at[strlen(pattern)] > '9') {
        FAIL("%s has no number %s", answer->json, key);
    }
    return strtoull(at + strlen(pattern), NULL, 10);
}

static unsigned long long number_of(const rmqtt_broker_t *broker, const char *client_id, const char *key) {
    answer_text answer;
    show(broker, client_id, &answer);
    return number_in(&answer, key);
}

static bool says(const rmqtt_broker_t *broker, const char *client_id, const char *part) {
    answer_text answer;
    show(broker, client_id, &answer);
    return strstr(answer.json, part) != NULL;
}

#define CHECK_SHOWS(broker, client_id, part)                        \
    do {                                                            \
        answer_text shown_;                                         \
        show(broker, client_id, &shown_);                           \
        if (!strstr(shown_.json, part)) {                           \
            FAIL("%s is without %s", shown_.json, part);            \
        }                                                           \
    } while (0)

/** The client identifiers of a page, each with a comma behind it, and `>next` if there may be more. */
static void list(const rmqtt_broker_t *broker, const rmqtt_query_t *query, char *room, size_t size) {
    rmqtt_string_t *json = NULL;
    CHECK_OK(rmqtt_broker_clients(broker, query, &json, NULL));
    rmqtt_str_t text = rmqtt_string_view(json);
    CHECK(text.len > 13 && memcmp(text.ptr, "{\"clients\":[", 12) == 0);
    size_t length = 0;
    room[0] = '\0';
    for (const char *at = strstr(text.ptr, "\"client_id\":\""); at; at = strstr(at, "\"client_id\":\"")) {
        at += strlen("\"client_id\":\"");
        size_t id = strcspn(at, "\"");
        CHECK(length + id + 2 < size);
        memcpy(room + length, at, id);
        memcpy(room + length + id, ",", 2);
        length += id + 1;
    }
    const char *next = strstr(text.ptr, "],\"next\":\"");
    if (next) {
        next += strlen("],\"next\":\"");
        size_t id = strcspn(next, "\"");
        CHECK(length + id + 2 < size);
        room[length++] = '>';
        memcpy(room + length, next, id);
        room[length + id] = '\0';
    }
    rmqtt_string_free(json);
}

#define CHECK_LIST(broker, query, wanted)                                 \
    do {                                                                  \
        char listed_[65536];                                              \
        list(broker, query, listed_, sizeof listed_);                     \
        if (strcmp(listed_, wanted) != 0) {                               \
            FAIL("listed are %s, not %s", listed_, wanted);               \
        }                                                                 \
    } while (0)

/* ---- clients ---- */

/** MQTT 3.1.1 with a session that stays, or MQTT 5 with one of 100 seconds. */
static test_client open_kept(rmqtt_broker_t *broker, const char *client_id, int protocol) {
    static const uint8_t expiry[] = {0x11, 0, 0, 0, 100};
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    connect.keep_session = true;
    if (protocol == 5) {
        connect.properties = expiry;
        connect.properties_len = sizeof expiry;
    }
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    return client;
}

static void leave_kept(rmqtt_broker_t *broker, const char *client_id, int protocol) {
    test_client_disconnect(open_kept(broker, client_id, protocol));
    WAIT_UNTIL(says(broker, client_id, "\"connected\":false"));
}

static rmqtt_status_t kick(rmqtt_broker_t *broker, const char *client_id, int code, bool discard) {
    return rmqtt_broker_disconnect(broker, rmqtt_str(client_id), (uint8_t)code, discard, NULL);
}

/** What a client sees that the broker disconnects. */
static void expect_end(test_client client, int code) {
    test_packet packet;
    if (client.protocol == 5) {
        test_packet_expect(client.fd, &packet, 0xe0);
        CHECK_EQ(packet.len > 0 ? packet.body[0] : 0, code);
    }
    CHECK(test_client_closed(client));
    close(client.fd);
}

static uint64_t subscribers(const rmqtt_broker_t *broker, const char *topic) {
    uint64_t count = 77;
    CHECK_OK(rmqtt_broker_subscriber_count(broker, rmqtt_str(topic), &count, NULL));
    return count;
}

static rmqtt_status_t enrol(rmqtt_broker_t *broker, const char *client_id, const char *filter, int qos) {
    rmqtt_client_subscription_t options = rmqtt_client_subscription_init();
    options.qos = (uint8_t)qos;
    return rmqtt_broker_subscribe_client(broker, rmqtt_str(client_id), rmqtt_str(filter), &options, NULL);
}

static rmqtt_status_t strike(rmqtt_broker_t *broker, const char *client_id, const char *filter) {
    return rmqtt_broker_unsubscribe_client(broker, rmqtt_str(client_id), rmqtt_str(filter), NULL);
}

static void ignore_message(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    test_enter((test_probe *)user_data);
    test_leave((test_probe *)user_data);
}

static void publish_assured(rmqtt_broker_t *broker, const char *topic, int qos) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str(topic);
    message.payload = rmqtt_bytes("payload", 7);
    message.qos = (uint8_t)qos;
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
}

static rmqtt_broker_t *open_broker(const char *config) {
    rmqtt_broker_t *broker = test_broker(config);
    test_start(broker);
    return broker;
}

/* ---- what is shown ---- */

static unsigned long long wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

static void a_client_is_shown(void) {
    rmqtt_broker_t *broker = open_broker(EVENTS_CONFIG(",\"limits\":{\"max_keepalive_s\":60}"));
    unsigned long long before = wall_ms();
    const uint8_t expiry[] = {0x11, 0, 0, 0, 100};
    test_connect connect = test_connect_init("five");
    connect.protocol = 5;
    connect.username = "anna";
    connect.keep_alive_s = 300;
    connect.keep_session = true;
    connect.properties = expiry;
    connect.properties_len = sizeof expiry;
    test_client five = test_client_connect(test_port(broker, 0), &connect);
    test_client four = test_client_open(test_port(broker, 0), "four");
    unsigned long long after = wall_ms();

    char address[64];
    snprintf(address, sizeof address, "\"address\":\"127.0.0.1:%u\"", test_port_of(five.fd));
    answer_text answer;
    show(broker, "five", &answer);
    char wanted[512];
    snprintf(wanted, sizeof wanted,
             "{\"client_id\":\"five\",\"connected\":true,\"protocol\":\"5\",\"username\":\"anna\",%s,"
             "\"listener\":\"front\",\"node_id\":7,\"serial\":1,\"superuser\":false,\"keep_alive_s\":60,"
             "\"clean_start\":false,\"session_expiry_s\":100,\"connected_at_ms\":",
             address);
    if (strncmp(answer.json, wanted, strlen(wanted)) != 0) {
        FAIL("%s does not begin with %s", answer.json, wanted);
    }
    unsigned long long connected_at = number_in(&answer, "connected_at_ms");
    CHECK(connected_at >= before && connected_at <= after);
    CHECK_SHOWS(broker, "five", "\"disconnected_at_ms\":null,\"subscriptions\":[],\"queued_messages\":0,");
    CHECK_SHOWS(broker, "five", "\"queued_bytes\":0,\"in_flight\":0,\"messages_received\":0,\"messages_sent\":0,"
                                "\"messages_dropped\":0,");
    CHECK_SHOWS(broker, "four", "\"protocol\":\"3.1.1\",\"username\":null,");
    CHECK_SHOWS(broker, "four", "\"serial\":2,\"superuser\":false,\"keep_alive_s\":0,\"clean_start\":true,"
                                "\"session_expiry_s\":0,");

    /* Subscriptions with their options, in the order of their filters: identifier 9; no local, as published, handling 2. */
    const uint8_t packet[] = {0x82, 12, 0, 9, 2, 0x0b, 9, 0, 1, 'z', 0x00, 0, 1, 'a', 0x2d};
    uint8_t whole[sizeof packet + 1];
    memcpy(whole, packet, sizeof packet);
    whole[1] = sizeof packet - 2;
    test_send(five.fd, whole, sizeof packet);
    const int codes[] = {0, 1};
    codes_expect(five, 0x90, codes, 2);
    CHECK_SHOWS(broker, "five",
                "\"subscriptions\":[{\"filter\":\"a\",\"granted\":\"a\",\"qos\":1,\"no_local\":true,"
                "\"retain_as_published\":true,\"retain_handling\":2,\"identifier\":9},"
                "{\"filter\":\"z\",\"granted\":\"z\",\"qos\":0,\"no_local\":false,\"retain_as_published\":false,"
                "\"retain_handling\":0,\"identifier\":9}]");

    /* DISCONNECT changes how long the session lasts. */
    const uint8_t disconnect[] = {0xe0, 7, 0, 5, 0x11, 0, 0, 0, 50};
    test_send(five.fd, disconnect, sizeof disconnect);
    CHECK(test_client_closed(five));
    WAIT_UNTIL(says(broker, "five", "\"connected\":false"));
    show(broker, "five", &answer);
    CHECK_EQ(number_in(&answer, "session_expiry_s"), 50);
    CHECK_EQ(number_in(&answer, "connected_at_ms"), connected_at);
    CHECK(number_in(&answer, "disconnected_at_ms") >= connected_at);
    CHECK(number_in(&answer, "disconnected_at_ms") <= wall_ms());
    CHECK_SHOWS(broker, "five", address);
    CHECK_SHOWS(broker, "five", "{\"filter\":\"a\"");
    close(five.fd);

    /* The next connection is what is shown then. */
    connect.username = NULL;
    five = test_client_connect(test_port(broker, 0), &connect);
    CHECK_SHOWS(broker, "five", "\"connected\":true,\"protocol\":\"5\",\"username\":null,");
    CHECK_SHOWS(broker, "five", "\"serial\":3,");
    CHECK_SHOWS(broker, "five", "\"disconnected_at_ms\":null,");
    test_client_disconnect(five);
    test_client_disconnect(four);
    WAIT_UNTIL(!is_known(broker, "four"));
    rmqtt_broker_free(broker);
}

static void a_filter_that_a_hook_puts_in_is_shown(void) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, INLINE, BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE));
    judge_rule(&judging, rule_topic("S a", "b"));
    test_client client = client_open(broker, "c", 4);
    subscribe(client, "a", 1, 1);
    CHECK_SHOWS(broker, "c", "{\"filter\":\"a\",\"granted\":\"b\",\"qos\":1,");
    CHECK_EQ(subscribers(broker, "a"), 0);
    /* The host program gives it what it had asked for. */
    CHECK_OK(enrol(broker, "c", "a", 0));
    CHECK_ASKED(&judging, "S a,");
    CHECK_SHOWS(broker, "c", "\"subscriptions\":[{\"filter\":\"a\",\"granted\":\"a\",\"qos\":0,");
    CHECK_EQ(subscribers(broker, "a"), 1);
    CHECK_EQ(subscribers(broker, "b"), 0);
    CHECK_EQ(test_stats(broker).subscriptions, 1);
    subscribe(client, "a", 1, 1);
    CHECK_OK(strike(broker, "c", "a"));
    CHECK_EQ(test_stats(broker).subscriptions, 0);
    test_client_leave(client);
    judged_end(&judging);
}

/* ---- which are listed ---- */

static void pages_follow_each_other(void) {
    rmqtt_broker_t *broker = open_broker(TEST_OPEN);
    CHECK_LIST(broker, NULL, "");
    /* More than are looked at at once. */
    const int count = test_scaled(600, 270);
    for (int i = 0; i < count; i++) {
        char id[16];
        /* Not in their order. */
        snprintf(id, sizeof id, "c%04d", i * 7 % count);
        test_client_disconnect(open_kept(broker, id, 4));
    }
    WAIT_UNTIL(test_stats(broker).connected_clients == 0);
    const uint32_t limits[] = {0, 1000, 97, 256};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        rmqtt_query_t query = rmqtt_query_init();
        char after[32] = "", page[32768];
        int seen = 0, pages = 0;
        query.limit = limits[i];
        int limit = limits[i] ? (int)limits[i] : 100;
        for (;;) {
            query.after = rmqtt_str(after);
            list(broker, &query, page, sizeof page);
            char *next = strchr(page, '>');
            int here = 0;
            for (const char *at = page; *at && *at != '>'; at += 6, here++) {
                char id[16];
                snprintf(id, sizeof id, "c%04d,", seen + here);
                CHECK(strncmp(at, id, 6) == 0);
            }
            seen += here;
            pages++;
            if (!next) {
                break;
            }
            CHECK_EQ(here, limit);
            snprintf(after, sizeof after, "%.20s", next + 1);
        }
        CHECK_EQ(seen, count);
        CHECK_EQ(pages, (count + limit - 1) / limit);
    }
    /* Of those that a query wants, too; few of many. */
    rmqtt_query_t query = rmqtt_query_init();
    query.limit = 3;
    query.client_id_prefix = rmqtt_str("c000");
    CHECK_LIST(broker, &query, "c0000,c0001,c0002,>c0002");
    query.after = rmqtt_str("c0007");
    CHECK_LIST(broker, &query, "c0008,c0009,");
    query.after = rmqtt_str("c0006");
    CHECK_LIST(broker, &query, "c0007,c0008,c0009,");
    query.after = rmqtt_str("a");
    CHECK_LIST(broker, &query, "c0000,c0001,c0002,>c0002");
    query.after = rmqtt_str("d");
    CHECK_LIST(broker, &query, "");
    query = rmqtt_query_init();
    query.connected = RMQTT_PRESENCE_CONNECTED;
    CHECK_LIST(broker, &query, "");
    test_client here = open_kept(broker, "c0266", 5);
    CHECK_LIST(broker, &query, "c0266,");
    test_client_disconnect(here);
    rmqtt_broker_free(broker);
}

static void queries_choose(void) {
    rmqtt_broker_t *broker = open_broker("{\"listeners\":[{\"name\":\"one\",\"address\":\"127.0.0.1:0\"},"
                                         "{\"name\":\"two\",\"address\":\"127.0.0.1:0\"}],"
                                         "\"auth\":{\"allow_anonymous\":true}}");
    static const char *const names[] = {"anna", "bert", NULL};
    test_client clients[6];
    for (int i = 0; i < 6; i++) {
        char id[16];
        snprintf(id, sizeof id, "%c%d", 'a' + i % 2, i);
        test_connect connect = test_connect_init(id);
        connect.username = names[i % 3];
        connect.keep_session = true;
        clients[i] = test_client_connect(test_port(broker, (size_t)i / 3), &connect);
    }
    test_client_disconnect(clients[0]);
    WAIT_UNTIL(test_stats(broker).connected_clients == 5);

    rmqtt_query_t query = rmqtt_query_init();
    CHECK_LIST(broker, NULL, "a0,a2,a4,b1,b3,b5,");
    CHECK_LIST(broker, &query, "a0,a2,a4,b1,b3,b5,");
    query.username = rmqtt_str("anna");
    CHECK_LIST(broker, &query, "a0,b3,");
    query.connected = RMQTT_PRESENCE_CONNECTED;
    CHECK_LIST(broker, &query, "b3,");
    query.connected = RMQTT_PRESENCE_NOT_CONNECTED;
    CHECK_LIST(broker, &query, "a0,");
    query.username = rmqtt_str("ann");
    CHECK_LIST(broker, &query, "");
    query = rmqtt_query_init();
    query.listener = rmqtt_str("two");
    CHECK_LIST(broker, &query, "a4,b3,b5,");
    query.client_id_prefix = rmqtt_str("b");
    query.limit = 1;
    CHECK_LIST(broker, &query, "b3,>b3");
    query = rmqtt_query_init();
    query.address = rmqtt_str("127.0.0.1");
    CHECK_LIST(broker, &query, "a0,a2,a4,b1,b3,b5,");
    query.address = rmqtt_str("127.0.0");
    CHECK_LIST(broker, &query, "");
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", test_port_of(clients[4].fd));
    query.address = rmqtt_str(address);
    CHECK_LIST(broker, &query, "a4,");
    for (int i = 1; i < 6; i++) {
        test_client_disconnect(clients[i]);
    }
    rmqtt_broker_free(broker);
}

/* ---- disconnecting ---- */

/** The end of the session cuts the delay of a will short. */
static void a_will_does_not_wait_for_a_session_that_is_discarded(void) {
    static const uint8_t expiry[] = {0x11, 0, 0, 0, 100};
    static const uint8_t delay[] = {0x18, 0, 0, 0, 100};
    rmqtt_broker_t *broker = open_broker(TEST_OPEN);
    test_client hears = test_client_open(test_port(broker, 0), "hears");
    test_client_subscribe(hears, "will", 0);
    for (int connected = 0; connected < 2; connected++) {
        test_connect connect = test_connect_init("c");
        connect.protocol = 5;
        connect.properties = expiry;
        connect.properties_len = sizeof expiry;
        connect.will_topic = "will";
        connect.will_payload = connected ? "here" : "away";
        connect.will_properties = delay;
        connect.will_properties_len = sizeof delay;
        test_client client = test_client_connect(test_port(broker, 0), &connect);
        CHECK_EQ(client.code, 0);
        if (!connected) {
            test_client_reset(client);
            WAIT_UNTIL(says(broker, "c", "\"connected\":false"));
        }
        CHECK_OK(kick(broker, "c", 0x98, true));
        CHECK_NEXT(hears, "will", connect.will_payload);
        if (connected) {
            expect_end(client, 0x98);
        }
    }
    test_client_disconnect(hears);
    rmqtt_broker_free(broker);
}

/** All that a server may say `[MQTT-5 3.14.2.1]`. */
static const uint8_t SERVER_CODES[] = {0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e,
                                       0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0x9a,
                                       0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2};

static void a_client_is_disconnected(int way, int protocol) {
    recorder told;
    rmqtt_broker_t *broker = recorded_broker(&told, way, CONNECTION_HOOKS | SESSION_HOOKS | BIT(RMQTT_HOOK_WILL_PUBLISHED),
                                             EVENTS_CONFIG(""));
    test_connect connect = test_connect_init("c");
    connect.protocol = protocol;
    connect.will_topic = "will";
    connect.will_payload = "w";
    test_client client = event_client_with(&told, connect, 0);
    CHECK_OK(kick(broker, "c", 0x98, false));
    expect_end(client, 0x98);
    CHECK_TOLD(&told, "c", protocol == 5 ? "created#1,connected#1 v5," : "created#1,connected#1 v4,");
    CHECK_TOLD(&told, "c", "disconnected#1 by broker 98,will will=w q0 will of c#1 to 0,terminated#1 disconnected,");
    CHECK_STATUS(kick(broker, "c", 0x98, false), RMQTT_ERR_NOT_FOUND);
    CHECK_STATUS(kick(broker, "c", 0x98, true), RMQTT_ERR_NOT_FOUND);

    /* A session that stays is not touched; it is if it is discarded. */
    client = event_client_kept(&told, "c", protocol);
    CHECK_OK(kick(broker, "c", 0x00, false));
    expect_end(client, 0x00);
    CHECK_TOLD(&told, "c", protocol == 5 ? "created#2,connected#2 v5," : "created#2,connected#2 v4,");
    CHECK_TOLD(&told, "c", "disconnected#2 by broker 00,");
    CHECK_SHOWS(broker, "c", "\"connected\":false");
    CHECK_STATUS(kick(broker, "c", 0x98, false), RMQTT_ERR_NOT_FOUND);
    client = event_client_kept(&told, "c", protocol);
    CHECK_OK(kick(broker, "c", 0x8e, true));
    expect_end(client, 0x8e);
    CHECK_TOLD(&told, "c", protocol == 5 ? "resumed#3,connected#3 v5," : "resumed#3,connected#3 v4,");
    CHECK_TOLD(&told, "c", "disconnected#3 by broker 8e,terminated#3 discarded,");
    CHECK(!is_known(broker, "c"));

    /* Its client is away: it is gone at once for whoever asks. */
    test_client_disconnect(event_client_kept(&told, "c", protocol));
    WAIT_UNTIL(says(broker, "c", "\"connected\":false"));
    CHECK_OK(enrol(broker, "c", "t", 1));
    CHECK_OK(kick(broker, "c", 0x98, true));
    CHECK(!is_known(broker, "c"));
    CHECK_LIST(broker, NULL, "");
    CHECK_STATUS(enrol(broker, "c", "t", 1), RMQTT_ERR_NOT_FOUND);
    CHECK_STATUS(kick(broker, "c", 0x98, true), RMQTT_ERR_NOT_FOUND);
    WAIT_UNTIL(test_stats(broker).sessions == 0);
    CHECK_EQ(subscribers(broker, "t"), 0);
    CHECK_TOLD(&told, "c", protocol == 5 ? "created#4,connected#4 v5," : "created#4,connected#4 v4,");
    CHECK_TOLD(&told, "c", "disconnected#4 by client 00,terminated#4 discarded,");

    /* Who comes back at once finds nothing of it. */
    for (int i = 0; i < test_scaled(50, 5); i++) {
        test_client_disconnect(event_client_kept(&told, "again", protocol));
        WAIT_UNTIL(says(broker, "again", "\"connected\":false"));
        CHECK_OK(enrol(broker, "again", "t", 1));
        CHECK_OK(kick(broker, "again", 0x98, true));
        client = event_client_kept(&told, "again", protocol);
        CHECK_EQ(subscribers(broker, "t"), 0);
        CHECK_SHOWS(broker, "again", "\"subscriptions\":[]");
        CHECK_OK(kick(broker, "again", 0x98, true));
        expect_end(client, 0x98);
        WAIT_UNTIL(test_stats(broker).sessions == 0);
        recorder_forget(&told);
    }
    recorded_stop(&told);
    recorder_forget(&told);
    recorded_end(&told);
}

static void every_code_of_a_server_is_told(void) {
    rmqtt_broker_t *broker = open_broker(TEST_OPEN);
    size_t next = 0;
    for (int code = 0; code <= 0xff; code++) {
        bool may = next < sizeof SERVER_CODES && SERVER_CODES[next] == code;
        if (!may) {
            CHECK_STATUS(kick(broker, "c", code, false), RMQTT_ERR_INVALID_ARGUMENT);
            continue;
        }
        next++;
        test_client client = client_open(broker, "c", 5);
        CHECK_OK(kick(broker, "c", code, false));
        expect_end(client, code);
    }
    CHECK_EQ(next, sizeof SERVER_CODES);
    rmqtt_broker_free(broker);
}

/** A client that waits for a decision, and one whose socket is full, go as well. */
static void a_client_that_is_busy_is_disconnected(int way) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH));
    test_client client = client_open(broker, "c", 5);
    judge_rule(&judging, rule_hold("P held"));
    publish_send(client, "held", "x", 0x02, 1);
    rmqtt_decision_t ticket = judge_ticket(&judging, 1);
    CHECK_OK(kick(broker, "c", 0x98, false));
    expect_end(client, 0x98);
    rmqtt_verdict_t verdict = rmqtt_verdict_init();
    verdict.kind = RMQTT_VERDICT_ALLOW;
    WAIT_UNTIL(rmqtt_decision_complete(ticket, &verdict) == RMQTT_ERR_EXPIRED);
    CHECK_OK(rmqtt_broker_set_hooks(broker, NULL, NULL));

    client = client_open(broker, "c", 4);
    subscribe(client, "#", 0, 0);
    char payload[4096];
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    while (test_stats(broker).queued_messages == 0) {
        test_publish(broker, "t", payload);
    }
    CHECK_OK(kick(broker, "c", 0x98, false));
    WAIT_UNTIL(test_stats(broker).connected_clients == 0);
    close(client.fd);
    judged_end(&judging);
}

/* ---- subscribing ---- */

static void a_client_is_subscribed(int way, int protocol) {
    recorder told;
    rmqtt_broker_t *broker =
        recorded_broker(&told, way,
                        SUBSCRIPTION_HOOKS | FILTER_HOOKS | BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE) |
                            BIT(RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE),
                        EVENTS_CONFIG(",\"acl\":{\"sys_topics\":\"deny\"}"));
    CHECK_OK(test_try_publish(broker, "r/1", "kept", true));
    test_client client = event_client_kept(&told, "c", protocol);
    /* Neither hooks nor rules are asked. */
    CHECK_OK(enrol(broker, "c", "$SYS/#", 0));
    CHECK_OK(enrol(broker, "c", "a/+", 1));
    CHECK_TOLD(&told, "c", "subscribed#1 $SYS/#>$SYS/# q0 id 0 rh0,subscribed#1 a/+>a/+ q1 id 0 rh0,");
    CHECK_TOLD(&told, "$SYS/#", "first c#1,");
    CHECK_TOLD(&told, "a/+", "first c#1,");
    test_publish(broker, "a/b", "live");
    CHECK_NEXT(client, "a/b", "live");

    /* Retained messages, by retain handling. */
    CHECK_OK(enrol(broker, "c", "r/#", 0));
    CHECK_NEXT(client, "r/1", "kept");
    rmqtt_client_subscription_t options = rmqtt_client_subscription_init();
    options.retain_handling = 1;
    options.identifier = 268435455;
    options.retain_as_published = true;
    options.no_local = true;
    CHECK_OK(rmqtt_broker_subscribe_client(broker, rmqtt_str("c"), rmqtt_str("r/#"), &options, NULL));
    CHECK_OK(enrol(broker, "c", "a/+", 0));
    CHECK_TOLD(&told, "c", "subscribed#1 r/#>r/# q0 id 0 rh0,");
    CHECK_TOLD(&told, "c", "subscribed#1 r/#>r/# q0 id 268435455 nl rap rh1,subscribed#1 a/+>a/+ q0 id 0 rh0,");
    CHECK_TOLD(&told, "r/#", "first c#1,");
    test_publish(broker, "a/b", "next");
    CHECK_NEXT(client, "a/b", "next");
    CHECK_OK(strike(broker, "c", "r/#"));
    CHECK_STATUS(strike(broker, "c", "r/#"), RMQTT_ERR_NOT_FOUND);
    CHECK_TOLD(&told, "c", "unsubscribed#1 r/#,");
    CHECK_TOLD(&told, "r/#", "last c#1,");
    CHECK_OK(rmqtt_broker_subscribe_client(broker, rmqtt_str("c"), rmqtt_str("r/#"), &options, NULL));
    CHECK_NEXT(client, "r/1", "kept");
    CHECK_OK(strike(broker, "c", "r/#"));
    CHECK_TOLD(&told, "c", "subscribed#1 r/#>r/# q0 id 268435455 nl rap rh1,unsubscribed#1 r/#,");
    CHECK_TOLD(&told, "r/#", "first c#1,last c#1,");

    /* What the client knows of it is as if it had asked itself. */
    unsubscribe(client, "$SYS/#", 0);
    unsubscribe(client, "r/#", 0x11);
    CHECK_ASKED(&told.judging, "U $SYS/#,");
    CHECK_TOLD(&told, "c", "unsubscribed#1 $SYS/#,");
    CHECK_TOLD(&told, "$SYS/#", "last c#1,");

    /* In a shared group; nobody gets a retained message because of it. */
    CHECK_OK(enrol(broker, "c", "$share/g/r/#", 0));
    test_publish(broker, "r/2", "shared");
    CHECK_NEXT(client, "r/2", "shared");
    CHECK_OK(strike(broker, "c", "$share/g/r/#"));
    CHECK_TOLD(&told, "c", "subscribed#1 $share/g/r/#>$share/g/r/# q0 id 0 rh0,unsubscribed#1 $share/g/r/#,");
    CHECK_TOLD(&told, "r/#", "first c#1,last c#1,");

    /* While it is away: what it misses waits for it, the retained messages, too. */
    test_client_disconnect(client);
    WAIT_UNTIL(says(broker, "c", "\"connected\":false"));
    CHECK_OK(enrol(broker, "c", "r/#", 1));
    CHECK_OK(enrol(broker, "c", "b", 1));
    CHECK_OK(enrol(broker, "c", "r/1", 0));
    CHECK_OK(strike(broker, "c", "r/1"));
    CHECK_OK(strike(broker, "c", "a/+"));
    CHECK_EQ(test_stats(broker).subscriptions, 2);
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("b");
    message.payload = rmqtt_bytes("missed", 6);
    message.qos = 1;
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    CHECK_EQ(number_of(broker, "c", "queued_messages"), 1);
    client = event_client_kept(&told, "c", protocol);
    CHECK_NEXT(client, "b", "missed");
    CHECK_NEXT(client, "r/1", "kept");
    test_publish(broker, "r/3", "last");
    CHECK_NEXT(client, "r/3", "last");
    test_client_disconnect(client);
    recorder_forget(&told);
    CHECK_OK(test_try_publish(broker, "r/1", "", true));
    CHECK_OK(kick(broker, "c", 0x98, true));
    WAIT_UNTIL(test_stats(broker).sessions == 0);
    recorder_forget(&told);
    recorded_stop(&told);
    recorder_forget(&told);
    recorded_end(&told);
}

/** More retained messages than a queue takes come as it empties, and no more of them when the subscription ends. */
static void many_retained_messages_follow(void) {
    rmqtt_broker_t *broker = open_broker(
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true},"
        "\"limits\":{\"max_queued_messages\":10,\"max_inflight\":4}}");
    const int count = 200;
    for (int i = 0; i < count; i++) {
        char topic[16];
        snprintf(topic, sizeof topic, "r/%03d", i);
        rmqtt_publish_t message = rmqtt_publish_init();
        message.topic = rmqtt_str(topic);
        message.payload = rmqtt_bytes("x", 1);
        message.qos = 1;
        message.retain = true;
        CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    }
    test_client client = test_client_open(test_port(broker, 0), "c");
    CHECK_OK(enrol(broker, "c", "r/#", 1));
    for (int i = 0; i < count; i++) {
        test_message message = test_client_receive(client);
        CHECK(message.retain);
    }
    CHECK_EQ(test_stats(broker).messages_dropped, 0);
    /* Four are in flight, and about half of a queue waits. */
    CHECK_OK(enrol(broker, "c", "r/#", 1));
    WAIT_UNTIL(test_stats(broker).in_flight == 4 && test_stats(broker).queued_messages > 0);
    CHECK_OK(strike(broker, "c", "r/#"));
    CHECK_OK(enrol(broker, "c", "end", 1));
    int received = 0;
    for (int i = 0; i < 20; i++) {
        publish_assured(broker, "end", 1);
        while (strcmp(test_client_receive(client).topic, "end") != 0) {
            received++;
        }
    }
    CHECK(received < 20);
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

static void subscribers_are_counted(void) {
    rmqtt_broker_t *broker = open_broker(TEST_OPEN);
    test_probe probe;
    memset(&probe, 0, sizeof probe);
    rmqtt_subscription_t *subscription = NULL;
    leave_kept(broker, "away", 4);
    test_client here = test_client_open(test_port(broker, 0), "here");
    CHECK_EQ(subscribers(broker, "a/b"), 0);
    CHECK_OK(enrol(broker, "away", "a/b", 0));
    CHECK_OK(enrol(broker, "here", "a/+", 0));
    CHECK_EQ(subscribers(broker, "a/b"), 2);
    /* A session counts once, a shared group once. */
    CHECK_OK(enrol(broker, "here", "#", 0));
    CHECK_EQ(subscribers(broker, "a/b"), 2);
    CHECK_OK(enrol(broker, "here", "$share/g/a/b", 0));
    CHECK_OK(enrol(broker, "away", "$share/g/a/b", 0));
    CHECK_EQ(subscribers(broker, "a/b"), 3);
    CHECK_OK(enrol(broker, "away", "$share/h/a/b", 0));
    CHECK_EQ(subscribers(broker, "a/b"), 4);
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("a/#"), NULL, ignore_message, &probe, test_drop, &subscription,
                                    NULL));
    CHECK_EQ(subscribers(broker, "a/b"), 5);
    CHECK_EQ(subscribers(broker, "c"), 1);
    CHECK_EQ(subscribers(broker, "$c"), 0);
    rmqtt_subscription_free(subscription);
    CHECK_EQ(subscribers(broker, "a/b"), 4);
    test_client_disconnect(here);
    rmqtt_broker_free(broker);
}

/* ---- from inside of hooks ---- */

/** The client is there for whoever is told of it. */
static void kick_when_connected(recorder *recording, const char *line) {
    if (strncmp(line, "connected#", 10) == 0) {
        CHECK(says(recording->judging.broker, "c", "\"connected\":true"));
        CHECK_OK(kick(recording->judging.broker, "c", 0x98, true));
        test_add(&recording->calls_of_then);
    }
}

/** Acts on its own client while that subscribes. */
static void act_when_subscribed(recorder *recording, const char *line) {
    rmqtt_broker_t *broker = recording->judging.broker;
    if (strncmp(line, "subscribed#1 a>", 15) == 0) {
        CHECK(says(broker, "c", "{\"filter\":\"a\""));
        CHECK_EQ(subscribers(broker, "a"), 1);
        CHECK_OK(enrol(broker, "c", "b", 0));
        CHECK_STATUS(strike(broker, "c", "x"), RMQTT_ERR_NOT_FOUND);
        CHECK_OK(strike(broker, "c", "a"));
        CHECK_EQ(test_stats(broker).subscriptions, 1);
        rmqtt_string_t *json = NULL;
        CHECK_OK(rmqtt_broker_explain(broker, rmqtt_str("c"), RMQTT_ACTION_SUBSCRIBE, rmqtt_str("a"), &json, NULL));
        rmqtt_string_free(json);
        CHECK_OK(rmqtt_broker_clients(broker, NULL, &json, NULL));
        rmqtt_string_free(json);
        test_add(&recording->calls_of_then);
    }
    /* On a callback thread: it would be without end, if a hook in place ran within another one. */
    if (strncmp(line, "subscribed#1 b>", 15) == 0 && test_get(&recording->calls_of_then) < 5) {
        char thread[16] = "";
        CHECK_EQ(pthread_getname_np(pthread_self(), thread, sizeof thread), 0);
        CHECK(strstr(thread, "-cb") != NULL);
        test_add(&recording->calls_of_then);
        CHECK_OK(enrol(broker, "c", "b", 1));
    }
}

static void hooks_may_call(int way, int protocol) {
    recorder told;
    recorded_broker(&told, way, BIT(RMQTT_HOOK_CONNECTED) | BIT(RMQTT_HOOK_SESSION_TERMINATED), EVENTS_CONFIG(""));
    told.then = kick_when_connected;
    expect_end(event_client_kept(&told, "c", protocol), 0x98);
    CHECK_TOLD(&told, "c", protocol == 5 ? "connected#1 v5," : "connected#1 v4,");
    CHECK_TOLD(&told, "c", "terminated#1 discarded,");
    CHECK_EQ(test_get(&told.calls_of_then), 1);
    recorded_end(&told);

    rmqtt_broker_t *broker = recorded_broker(&told, way, SUBSCRIPTION_HOOKS, EVENTS_CONFIG(""));
    told.then = act_when_subscribed;
    test_client client = event_client(&told, "c", protocol);
    subscribe(client, "a", 0, 0);
    WAIT_UNTIL(test_get(&told.calls_of_then) >= 5);
    WAIT_UNTIL(number_of(broker, "c", "qos") == 1);
    CHECK_SHOWS(broker, "c", "\"subscriptions\":[{\"filter\":\"b\"");
    test_publish(broker, "a", "not any more");
    test_publish(broker, "b", "b");
    CHECK_NEXT(client, "b", "b");
    test_client_disconnect(client);
    recorded_stop(&told);
    recorder_forget(&told);
    recorded_end(&told);
}

/* ---- statistics ---- */

static void bytes_are_counted_to_the_byte(void) {
    static const uint8_t said[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 1, 'b', /* CONNECT */
                                   0x82, 6,  0, 1, 0, 1, 't', 0,                              /* SUBSCRIBE */
                                   0x32, 6,  0, 1, 't', 0, 7, 'x',                            /* PUBLISH */
                                   0xc0, 0};                                                  /* PINGREQ */
    /* CONNACK, SUBACK, PUBACK, PUBLISH, PINGRESP. */
    const uint64_t heard = 4 + 5 + 4 + 6 + 2;
    uint8_t waste[64];
    rmqtt_broker_t *broker = open_broker(TEST_OPEN);
    CHECK_EQ(test_stats(broker).bytes_received + test_stats(broker).bytes_sent, 0);

    /* One byte after the other, and all of them at once. */
    for (int run = 1; run <= 2; run++) {
        int fd = test_dial(test_port(broker, 0));
        for (size_t at = 0, step = run == 1 ? 1 : sizeof said; at < sizeof said; at += step) {
            test_send(fd, said + at, step);
        }
        CHECK(test_receive_exactly(fd, waste, heard));
        WAIT_UNTIL(test_stats(broker).bytes_sent == (uint64_t)run * heard);
        CHECK_EQ(number_of(broker, "b", "bytes_received"), sizeof said);
        CHECK_EQ(number_of(broker, "b", "bytes_sent"), heard);
        CHECK_EQ(number_of(broker, "b", "messages_received"), 1);
        CHECK_EQ(number_of(broker, "b", "messages_sent"), 1);
        const uint8_t disconnect[] = {0xe0, 0};
        test_send(fd, disconnect, sizeof disconnect);
        CHECK(!test_receive_exactly(fd, waste, 1));
        close(fd);
        WAIT_UNTIL(test_stats(broker).bytes_received == (uint64_t)run * (sizeof said + sizeof disconnect));
    }

    /* Who is refused speaks, too; and who never says CONNECT. */
    const uint64_t received = test_stats(broker).bytes_received, sent = test_stats(broker).bytes_sent;
    const uint8_t unknown[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 9, 2, 0, 0, 0, 1, 'b'};
    int fd = test_dial(test_port(broker, 0));
    test_send(fd, unknown, sizeof unknown);
    size_t answered = 0;
    while (test_receive_exactly(fd, waste, 1)) {
        answered++;
    }
    close(fd);
    fd = test_dial(test_port(broker, 0));
    test_send(fd, said, 7);
    close(fd);
    WAIT_UNTIL(test_stats(broker).bytes_received == received + sizeof unknown + 7);
    CHECK(answered >= 4);
    CHECK_EQ(test_stats(broker).bytes_sent, sent + answered);

    /* The same in JSON. */
    rmqtt_string_t *json = NULL;
    char part[64];
    CHECK_OK(rmqtt_broker_metrics(broker, RMQTT_METRICS_JSON, &json));
    snprintf(part, sizeof part, "\"bytes_sent\":%llu,", (unsigned long long)test_stats(broker).bytes_sent);
    CHECK_CONTAINS(rmqtt_string_view(json), part);
    CHECK_CONTAINS(rmqtt_string_view(json), "\"in_flight\":0");
    rmqtt_string_free(json);
    rmqtt_broker_free(broker);
}

/** Over all connections of a session, what the broker says at last included. */
static void a_session_counts_over_its_connections(void) {
    rmqtt_broker_t *broker = open_broker(TEST_OPEN);
    unsigned long long received = 0, sent = 0;
    for (int run = 1; run <= 3; run++) {
        test_client client = open_kept(broker, "c", 5);
        publish_send(client, "t", "12345", 0, 0);
        CHECK_OK(enrol(broker, "c", "u", 0));
        test_publish(broker, "u", "123");
        CHECK_NEXT(client, "u", "123");
        CHECK_EQ(number_of(broker, "c", "messages_sent"), run);
        WAIT_UNTIL(number_of(broker, "c", "messages_received") == (unsigned)run);
        /* CONNECT has 10 and 6 and 3 bytes behind its first two, PUBLISH 3 and 1 and 5. */
        received += 2 + 10 + 6 + 3 + 2 + 3 + 1 + 5;
        CHECK_EQ(number_of(broker, "c", "bytes_received"), received);
        CHECK_OK(kick(broker, "c", 0x98, false));
        test_packet packet;
        test_packet_expect(client.fd, &packet, 0xe0);
        /* DISCONNECT and PUBLISH; CONNACK is what the others are not. */
        unsigned long long told = 2 + packet.len + 2 + 3 + 1 + 3;
        CHECK(test_client_closed(client));
        close(client.fd);
        WAIT_UNTIL(says(broker, "c", "\"connected\":false"));
        unsigned long long connack = number_of(broker, "c", "bytes_sent") - sent - told;
        CHECK(connack >= 5 && connack < 64);
        sent += told + connack;
        CHECK_EQ(test_stats(broker).bytes_sent, sent);
        CHECK_EQ(test_stats(broker).bytes_received, received);
    }
    rmqtt_broker_free(broker);
}

#define CHECK_LOAD(broker, queued, flying)                                     \
    do {                                                                       \
        WAIT_UNTIL(test_stats(broker).in_flight == (uint64_t)(flying));        \
        CHECK_EQ(test_stats(broker).queued_messages, queued);                  \
        CHECK_EQ(test_stats(broker).queued_bytes > 0, (queued) > 0);           \
    } while (0)

static void what_waits_and_what_is_in_flight(int protocol) {
    rmqtt_broker_t *broker = open_broker(
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true},"
        "\"limits\":{\"max_queued_messages\":5,\"max_inflight\":3}}");
    leave_kept(broker, "one", protocol);
    leave_kept(broker, "two", protocol);
    CHECK_OK(enrol(broker, "one", "t", 2));
    CHECK_OK(enrol(broker, "two", "t", 2));
    CHECK_LOAD(broker, 0, 0);
    for (int i = 0; i < 4; i++) {
        publish_assured(broker, "t", i % 2 + 1);
    }
    publish_assured(broker, "t", 0);
    CHECK_LOAD(broker, 8, 0);
    CHECK_EQ(number_of(broker, "one", "queued_messages"), 4);
    unsigned long long bytes = number_of(broker, "one", "queued_bytes");
    CHECK_EQ(bytes + number_of(broker, "two", "queued_bytes"), test_stats(broker).queued_bytes);
    CHECK_EQ(bytes % 4, 0);
    /* One more than there is room for. */
    publish_assured(broker, "t", 1);
    CHECK_EQ(number_of(broker, "one", "queued_bytes"), bytes / 4 * 5);
    publish_assured(broker, "t", 1);
    CHECK_EQ(number_of(broker, "one", "messages_dropped"), 1);
    CHECK_EQ(test_stats(broker).messages_dropped_queue_full, 2);
    CHECK_LOAD(broker, 10, 0);

    /* Three at once. */
    test_client client = open_kept(broker, "one", protocol);
    inbound messages[3];
    for (int i = 0; i < 3; i++) {
        messages[i] = message_read(client);
        CHECK_EQ(messages[i].qos, i % 2 + 1);
    }
    CHECK_LOAD(broker, 7, 3);
    CHECK_EQ(number_of(broker, "one", "queued_messages"), 2);
    CHECK_EQ(number_of(broker, "one", "in_flight"), 3);
    /* PUBREC does not end it, PUBCOMP does. */
    ack_send(client, 0x50, messages[1].id, 0);
    CHECK_EQ(ack_read(client, 0x60, messages[1].id).code, 0);
    CHECK_LOAD(broker, 7, 3);
    ack_send(client, 0x70, messages[1].id, 0);
    inbound next = message_read(client);
    CHECK_LOAD(broker, 6, 3);
    ack_send(client, 0x40, messages[0].id, 0);
    ack_send(client, 0x40, messages[2].id, 0);
    inbound last = message_read(client);
    CHECK_LOAD(broker, 5, 2);

    /* What is in flight stays so while the client is away, and on its next connection. */
    close(client.fd);
    WAIT_UNTIL(says(broker, "one", "\"connected\":false"));
    CHECK_LOAD(broker, 5, 2);
    client = open_kept(broker, "one", protocol);
    CHECK_EQ(message_read(client).id, next.id);
    CHECK_EQ(message_read(client).id, last.id);
    CHECK_LOAD(broker, 5, 2);
    CHECK_OK(kick(broker, "one", 0x98, true));
    CHECK_OK(kick(broker, "two", 0x98, true));
    WAIT_UNTIL(test_stats(broker).sessions == 0);
    CHECK_LOAD(broker, 0, 0);
    close(client.fd);
    rmqtt_broker_free(broker);
}

/** What has left the queue for a hook to look at still waits. */
static void what_a_hook_looks_at_waits(int way) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, BIT(RMQTT_HOOK_AUTHORIZE_FORWARD));
    test_client client = test_client_open(test_port(broker, 0), "c");
    subscribe(client, "t", 1, 1);
    judge_rule(&judging, rule_hold("F c t"));
    publish_assured(broker, "t", 0);
    rmqtt_decision_t ticket = judge_ticket(&judging, 1);
    WAIT_UNTIL(number_of(broker, "c", "queued_messages") == 1);
    unsigned long long one = number_of(broker, "c", "queued_bytes");
    publish_assured(broker, "t", 0);
    publish_assured(broker, "t", 0);
    WAIT_UNTIL(number_of(broker, "c", "queued_messages") == 3);
    CHECK_EQ(test_stats(broker).queued_bytes, 3 * one);
    judge_rule(&judging, rule_allow("F c t"));
    judge_allow(ticket);
    for (int i = 0; i < 3; i++) {
        CHECK_NEXT(client, "t", "payload");
    }
    WAIT_UNTIL(test_stats(broker).queued_messages == 0);
    CHECK_EQ(test_stats(broker).queued_bytes, 0);
    test_client_disconnect(client);
    judged_end(&judging);
}

/* ---- many threads ---- */

typedef struct crowd {
    rmqtt_broker_t *broker;
    int number;
    int stop;
} crowd;

static void *come_and_go(void *user_data) {
    crowd *one = (crowd *)user_data;
    char id[16];
    snprintf(id, sizeof id, "c%d", one->number);
    uint16_t port = test_port(one->broker, 0);
    for (int i = 0; i < test_scaled(150, 10); i++) {
        test_connect connect = test_connect_init(id);
        connect.keep_session = i % 3 != 0;
        connect.protocol = 4 + i % 2;
        test_client client = test_client_connect(port, &connect);
        test_packet packet;
        test_packet_begin(&packet, 0x82);
        const uint8_t filters[] = {0, 1, 0, 1, 'a', 0};
        test_put_bytes(&packet, filters, connect.protocol == 5 ? 0 : sizeof filters);
        if (connect.protocol == 4) {
            test_packet_send(client.fd, &packet);
        }
        /* It may be disconnected at any time. */
        close(client.fd);
    }
    return NULL;
}

static void *meddle(void *user_data) {
    crowd *all = (crowd *)user_data;
    uint64_t count = 0;
    for (unsigned i = 0; !test_get(&all->stop); i++) {
        char id[16];
        snprintf(id, sizeof id, "c%u", i % 4);
        rmqtt_status_t status = RMQTT_OK;
        rmqtt_string_t *json = NULL;
        switch (i % 7) {
        case 0:
            status = kick(all->broker, id, 0x98, i % 2 == 0);
            break;
        case 1:
            status = enrol(all->broker, id, "a", (int)(i % 3));
            break;
        case 2:
            status = strike(all->broker, id, "a");
            break;
        case 3:
            status = rmqtt_broker_clients(all->broker, NULL, &json, NULL);
            break;
        case 4:
            status = rmqtt_broker_client(all->broker, rmqtt_str(id), &json, NULL);
            break;
        case 5:
            status = rmqtt_broker_explain(all->broker, rmqtt_str(id), RMQTT_ACTION_SUBSCRIBE, rmqtt_str("a"), &json, NULL);
            break;
        default:
            status = rmqtt_broker_subscriber_count(all->broker, rmqtt_str("a"), &count, NULL);
            CHECK(count <= 4);
            publish_assured(all->broker, "a", 1);
            break;
        }
        CHECK(status == RMQTT_OK || status == RMQTT_ERR_NOT_FOUND);
        rmqtt_string_free(json);
        test_stats(all->broker);
        if (i % 16 == 0) {
            test_pause();
        }
    }
    return NULL;
}

static void many_threads_call(void) {
    rmqtt_broker_t *broker = open_broker(TEST_OPEN);
    crowd crowds[4], meddlers;
    pthread_t coming[4], meddling[3];
    memset(&meddlers, 0, sizeof meddlers);
    meddlers.broker = broker;
    CHECK_OK(test_try_publish(broker, "a", "kept", true));
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&meddling[i], NULL, meddle, &meddlers), 0);
    }
    for (int i = 0; i < 4; i++) {
        memset(&crowds[i], 0, sizeof crowds[i]);
        crowds[i].broker = broker;
        crowds[i].number = i;
        CHECK_EQ(pthread_create(&coming[i], NULL, come_and_go, &crowds[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(coming[i], NULL), 0);
    }
    test_set(&meddlers.stop, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(meddling[i], NULL), 0);
    }
    /* Nothing is left of a session that has ended. */
    for (int i = 0; i < 4; i++) {
        char id[16];
        snprintf(id, sizeof id, "c%d", i);
        rmqtt_status_t status = kick(broker, id, 0x98, true);
        CHECK(status == RMQTT_OK || status == RMQTT_ERR_NOT_FOUND);
    }
    WAIT_UNTIL(test_stats(broker).sessions == 0);
    CHECK_EQ(subscribers(broker, "a"), 0);
    CHECK_EQ(test_stats(broker).subscriptions, 0);
    CHECK_EQ(test_stats(broker).connection_panics, 0);
    CHECK_LOAD(broker, 0, 0);
    rmqtt_broker_free(broker);
}

/* ---- misuse ---- */

static rmqtt_status_t try_options(rmqtt_broker_t *broker, const char *filter, uint8_t qos, uint8_t retain_handling,
                                  uint32_t identifier, bool no_local) {
    rmqtt_client_subscription_t options = rmqtt_client_subscription_init();
    options.qos = qos;
    options.retain_handling = retain_handling;
    options.identifier = identifier;
    options.no_local = no_local;
    return rmqtt_broker_subscribe_client(broker, rmqtt_str("c"), rmqtt_str(filter), &options, NULL);
}

static rmqtt_status_t try_query(rmqtt_broker_t *broker, const rmqtt_query_t *query) {
    rmqtt_string_t *json = NULL;
    rmqtt_status_t status = rmqtt_broker_clients(broker, query, &json, NULL);
    CHECK_EQ(status == RMQTT_OK, json != NULL);
    rmqtt_string_free(json);
    return status;
}

static void what_does_not_run_has_no_clients(rmqtt_broker_t *broker) {
    rmqtt_string_t *json = NULL;
    rmqtt_str_t name = rmqtt_str("c");
    uint64_t count = 0;
    CHECK_STATUS(rmqtt_broker_clients(broker, NULL, &json, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_STATUS(rmqtt_broker_client(broker, name, &json, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_STATUS(rmqtt_broker_disconnect(broker, name, 0, false, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_STATUS(rmqtt_broker_subscribe_client(broker, name, name, NULL, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_STATUS(rmqtt_broker_unsubscribe_client(broker, name, name, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_STATUS(rmqtt_broker_subscriber_count(broker, name, &count, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK(json == NULL && count == 0);
    CHECK_EQ(test_stats(broker).queued_messages + test_stats(broker).in_flight, 0);
}

static void misuse_is_refused(void) {
    rmqtt_string_t *json = NULL;
    rmqtt_error_t *error = NULL;
    rmqtt_str_t name = rmqtt_str("c"), bad = rmqtt_str("\xff");
    uint64_t count = 7;
    rmqtt_broker_t *broker = test_broker(
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true},"
        "\"limits\":{\"max_qos\":1,\"max_topic_levels\":3},\"shared_subscriptions\":{\"enabled\":false}}");
    what_does_not_run_has_no_clients(broker);
    test_start(broker);
    test_client client = test_client_open(test_port(broker, 0), "c");

    const rmqtt_status_t invalid = RMQTT_ERR_INVALID_ARGUMENT;
    CHECK_STATUS(rmqtt_broker_clients(NULL, NULL, &json, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_clients(broker, NULL, NULL, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_client(NULL, name, &json, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_client(broker, name, NULL, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_client(broker, bad, &json, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_disconnect(NULL, name, 0, false, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_disconnect(broker, bad, 0, false, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_subscribe_client(NULL, name, name, NULL, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_subscribe_client(broker, bad, name, NULL, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_subscribe_client(broker, name, bad, NULL, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_unsubscribe_client(NULL, name, name, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_unsubscribe_client(broker, name, bad, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_unsubscribe_client(broker, name, rmqtt_str("a/#/b"), NULL), invalid);
    CHECK_STATUS(rmqtt_broker_subscriber_count(NULL, name, &count, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_subscriber_count(broker, name, NULL, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_subscriber_count(broker, bad, &count, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_subscriber_count(broker, rmqtt_str("a/+"), &count, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_subscriber_count(broker, rmqtt_str("a/b/c/d"), &count, NULL), invalid);
    CHECK_STATUS(rmqtt_broker_subscriber_count(broker, rmqtt_str(""), &count, NULL), invalid);
    CHECK(json == NULL && count == 7);

    CHECK_STATUS(rmqtt_broker_client(broker, rmqtt_str("x"), &json, &error), RMQTT_ERR_NOT_FOUND);
    CHECK_CONTAINS(rmqtt_error_message(error), "\"x\"");
    rmqtt_error_free(error);
    CHECK_STATUS(kick(broker, "x", 0, false), RMQTT_ERR_NOT_FOUND);
    CHECK_STATUS(enrol(broker, "x", "a", 0), RMQTT_ERR_NOT_FOUND);
    CHECK_STATUS(strike(broker, "x", "a"), RMQTT_ERR_NOT_FOUND);
    CHECK_STATUS(rmqtt_broker_unsubscribe_client(broker, name, rmqtt_str("a"), &error), RMQTT_ERR_NOT_FOUND);
    CHECK_CONTAINS(rmqtt_error_message(error), "\"c\" is not subscribed to \"a\"");
    rmqtt_error_free(error);

    CHECK_OK(try_options(broker, "a", 1, 2, 268435455, true));
    CHECK_STATUS(try_options(broker, "a", 2, 0, 0, false), invalid);
    CHECK_STATUS(try_options(broker, "a", 3, 0, 0, false), invalid);
    CHECK_STATUS(try_options(broker, "a", 0, 3, 0, false), invalid);
    CHECK_STATUS(try_options(broker, "a", 0, 0, 268435456, false), invalid);
    CHECK_STATUS(try_options(broker, "", 0, 0, 0, false), invalid);
    CHECK_STATUS(try_options(broker, "a/b/c/d", 0, 0, 0, false), invalid);
    CHECK_STATUS(try_options(broker, "$share/g/a", 0, 0, 0, true), invalid);
    CHECK_STATUS(try_options(broker, "$share/g/a", 0, 0, 0, false), invalid);
    CHECK_EQ(test_stats(broker).subscriptions, 1);
    rmqtt_client_subscription_t options = rmqtt_client_subscription_init();
    options.struct_size = 15;
    CHECK_STATUS(rmqtt_broker_subscribe_client(broker, name, name, &options, NULL), invalid);

    rmqtt_query_t query = rmqtt_query_init();
    query.limit = 1001;
    CHECK_STATUS(try_query(broker, &query), invalid);
    query.limit = 1000;
    CHECK_OK(try_query(broker, &query));
    query.connected = 3;
    CHECK_STATUS(try_query(broker, &query), invalid);
    query.connected = -1;
    CHECK_STATUS(try_query(broker, &query), invalid);
    for (int field = 0; field < 5; field++) {
        query = rmqtt_query_init();
        rmqtt_str_t *fields[] = {&query.client_id_prefix, &query.username, &query.address, &query.listener,
                                 &query.after};
        *fields[field] = bad;
        CHECK_STATUS(try_query(broker, &query), invalid);
    }
    query = rmqtt_query_init();
    query.struct_size = sizeof query - 1;
    CHECK_STATUS(try_query(broker, &query), invalid);

    test_client_disconnect(client);
    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    what_does_not_run_has_no_clients(broker);
    rmqtt_broker_free(broker);
}

int main(void) {
    static const int ways[] = {ON_CALLBACK_THREAD, INLINE};
    a_client_is_shown();
    a_filter_that_a_hook_puts_in_is_shown();
    pages_follow_each_other();
    queries_choose();
    a_will_does_not_wait_for_a_session_that_is_discarded();
    every_code_of_a_server_is_told();
    many_retained_messages_follow();
    subscribers_are_counted();
    bytes_are_counted_to_the_byte();
    a_session_counts_over_its_connections();
    for (size_t i = 0; i < 2; i++) {
        a_client_that_is_busy_is_disconnected(ways[i]);
        what_a_hook_looks_at_waits(ways[i]);
        for (int protocol = 4; protocol <= 5; protocol++) {
            a_client_is_disconnected(ways[i], protocol);
            a_client_is_subscribed(ways[i], protocol);
            hooks_may_call(ways[i], protocol);
        }
    }
    what_waits_and_what_is_in_flight(4);
    what_waits_and_what_is_in_flight(5);
    many_threads_call();
    misuse_is_refused();
    return 0;
}
