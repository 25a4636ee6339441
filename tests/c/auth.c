/* The hooks: who may connect, and who came and went. */

#include "test.h"

/** The last CONNECT that the hook was asked about, copied. */
typedef struct seen {
    char client_id[64];
    char username[64];
    bool has_username;
    uint8_t password[64];
    size_t password_len;
    bool has_password;
    char address[64];
    char listener[64];
    uint64_t node_id;
    uint64_t serial;
    int protocol;
    int keep_alive_s;
    bool clean_start;
    bool has_will;
    char will_topic[64];
    char will_payload[64];
    int will_origin;
} seen;

/** What the hook answers. */
enum how {
    ALLOW,
    DENY,
    DENY_86,
    /** With the `code` of the judge. */
    DENY_CODE,
    NUMBER,
    DEFER_WITHOUT_TICKET,
    DEFER_REFUSED,
    DEFER_AND_COMPLETE_FIRST,
    DEFER,
    TICKET_BUT_ALLOW,
    TICKET_BUT_DENY,
    WAIT_AT_DOOR
};

/** The user data of the hooks. Begins with the probe, so that `test_drop` serves. */
typedef struct judge {
    test_probe probe;
    pthread_mutex_t lock;
    seen last;
    int how;
    uint8_t code;
    int asked;
    /** Taken by the last question that was deferred. */
    rmqtt_decision_t ticket;
    int tickets;
    test_door door;
    /** "+id" for each that came, "-id" for each that went, each with a comma behind it. */
    char events[1024];
    int by;
    int reason_code;
    int on_host_thread;
    pthread_t host;
} judge;

static void copy_text(char *room, size_t size, rmqtt_str_t text) {
    CHECK(text.len < size);
    CHECK(text.ptr == NULL || text.ptr[text.len] == '\0');
    memcpy(room, text.ptr ? text.ptr : "", text.len + 1);
}

static void look(judge *judging, const rmqtt_authenticate_t *event) {
    seen *last = &judging->last;
    memset(last, 0, sizeof *last);
    CHECK_EQ(event->struct_size, sizeof *event);
    CHECK_EQ(event->client->struct_size, sizeof *event->client);
    copy_text(last->client_id, sizeof last->client_id, event->client->client_id);
    copy_text(last->username, sizeof last->username, event->client->username);
    copy_text(last->address, sizeof last->address, event->client->address);
    copy_text(last->listener, sizeof last->listener, event->client->listener);
    last->has_username = event->client->username.ptr != NULL;
    last->node_id = event->client->node_id;
    last->serial = event->client->serial;
    last->protocol = event->client->protocol;
    last->has_password = event->password.ptr != NULL;
    last->password_len = event->password.len;
    CHECK(event->password.len <= sizeof last->password);
    if (event->password.len > 0) {
        memcpy(last->password, event->password.ptr, event->password.len);
    }
    last->keep_alive_s = event->keep_alive_s;
    last->clean_start = event->clean_start;
    last->has_will = event->will != NULL;
    if (event->will) {
        CHECK_EQ(event->will->struct_size, sizeof *event->will);
        copy_text(last->will_topic, sizeof last->will_topic, event->will->topic);
        CHECK(event->will->payload.len < sizeof last->will_payload);
        memcpy(last->will_payload, event->will->payload.ptr, event->will->payload.len);
        last->will_origin = event->will->origin;
    }
}

static void *complete_allow(void *ticket) {
    rmqtt_verdict_t verdict = rmqtt_verdict_init();
    verdict.kind = RMQTT_VERDICT_ALLOW;
    CHECK_OK(rmqtt_decision_complete(*(rmqtt_decision_t *)ticket, &verdict));
    return NULL;
}

static rmqtt_decision_t take_ticket(void) {
    rmqtt_decision_t ticket = rmqtt_decision_defer();
    CHECK(ticket != 0);
    CHECK(rmqtt_decision_defer() == ticket);
    return ticket;
}

static rmqtt_verdict_kind_t authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                         void *user_data) {
    judge *judging = (judge *)user_data;
    rmqtt_verdict_kind_t answer = RMQTT_VERDICT_DENY;
    pthread_t thread;
    test_enter(&judging->probe);
    CHECK_EQ(verdict->struct_size, sizeof *verdict);

    pthread_mutex_lock(&judging->lock);
    look(judging, event);
    judging->asked++;
    judging->on_host_thread |= pthread_equal(pthread_self(), judging->host);
    int how = judging->how;
    uint8_t code = judging->code;
    bool slow = strcmp(judging->last.client_id, "slow") == 0;
    pthread_mutex_unlock(&judging->lock);

    switch (how) {
    case ALLOW:
        /* Not read where a hook fills one. */
        verdict->kind = RMQTT_VERDICT_DENY;
        answer = RMQTT_VERDICT_ALLOW;
        break;
    case DENY:
        verdict->kind = RMQTT_VERDICT_ALLOW;
        break;
    case DENY_86:
        verdict->reason_code = 0x86;
        verdict->reason_string = rmqtt_str("no such user");
        break;
    case DENY_CODE:
        verdict->reason_code = code;
        break;
    case NUMBER:
        answer = 77;
        break;
    case DEFER_WITHOUT_TICKET:
        answer = RMQTT_VERDICT_DEFERRED;
        break;
    case DEFER_REFUSED:
        CHECK(rmqtt_decision_defer() == 0);
        answer = RMQTT_VERDICT_DEFERRED;
        break;
    case DEFER_AND_COMPLETE_FIRST: {
        rmqtt_decision_t ticket = take_ticket();
        CHECK_EQ(pthread_create(&thread, NULL, complete_allow, &ticket), 0);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        answer = RMQTT_VERDICT_DEFERRED;
        break;
    }
    case WAIT_AT_DOOR:
        if (slow) {
            test_door_pass(&judging->door);
        }
        answer = RMQTT_VERDICT_ALLOW;
        break;
    default: {
        rmqtt_decision_t ticket = take_ticket();
        pthread_mutex_lock(&judging->lock);
        judging->ticket = ticket;
        pthread_mutex_unlock(&judging->lock);
        test_add(&judging->tickets);
        if (how == TICKET_BUT_ALLOW) {
            answer = RMQTT_VERDICT_ALLOW;
        } else if (how == DEFER) {
            answer = RMQTT_VERDICT_DEFERRED;
        }
    }
    }
    test_leave(&judging->probe);
    return answer;
}

static void note(judge *judging, const char *sign, rmqtt_str_t client_id) {
    size_t length = strlen(judging->events);
    CHECK(length + client_id.len + 3 < sizeof judging->events);
    snprintf(judging->events + length, sizeof judging->events - length, "%s%s,", sign, client_id.ptr);
}

static void connected(const rmqtt_connected_t *event, void *user_data) {
    judge *judging = (judge *)user_data;
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    CHECK(rmqtt_decision_defer() == 0);
    pthread_mutex_lock(&judging->lock);
    judging->on_host_thread |= pthread_equal(pthread_self(), judging->host);
    note(judging, "+", event->client->client_id);
    pthread_mutex_unlock(&judging->lock);
    test_leave(&judging->probe);
}

static void disconnected(const rmqtt_disconnected_t *event, void *user_data) {
    judge *judging = (judge *)user_data;
    test_enter(&judging->probe);
    CHECK_EQ(event->struct_size, sizeof *event);
    CHECK(event->reason.len > 0 && event->reason.ptr[event->reason.len] == '\0');
    pthread_mutex_lock(&judging->lock);
    note(judging, "-", event->client->client_id);
    judging->by = event->by;
    judging->reason_code = event->reason_code;
    pthread_mutex_unlock(&judging->lock);
    test_leave(&judging->probe);
}

static void judge_init(judge *judging, int how) {
    memset(judging, 0, sizeof *judging);
    pthread_mutex_init(&judging->lock, NULL);
    test_door_init(&judging->door);
    judging->how = how;
    judging->host = pthread_self();
}

static rmqtt_hooks_t hooks_of(judge *judging) {
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = judging;
    hooks.drop = test_drop;
    hooks.authenticate = authenticate;
    return hooks;
}

static void set_hooks(rmqtt_broker_t *broker, judge *judging, int how) {
    judge_init(judging, how);
    rmqtt_hooks_t hooks = hooks_of(judging);
    hooks.connected = connected;
    hooks.disconnected = disconnected;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
}

/** A broker that lets in whom `judging` allows. */
static rmqtt_broker_t *judged_broker(judge *judging, int how) {
    rmqtt_broker_t *broker = test_broker(TEST_CLOSED);
    set_hooks(broker, judging, how);
    test_start(broker);
    return broker;
}

static void answer_with(judge *judging, int how) {
    pthread_mutex_lock(&judging->lock);
    judging->how = how;
    pthread_mutex_unlock(&judging->lock);
}

static bool events_are(judge *judging, const char *wanted) {
    pthread_mutex_lock(&judging->lock);
    bool same = strcmp(judging->events, wanted) == 0;
    pthread_mutex_unlock(&judging->lock);
    return same;
}

static bool judging_has_told(judge *judging, int count) {
    pthread_mutex_lock(&judging->lock);
    for (const char *at = judging->events; *at; at++) {
        count -= *at == ',';
    }
    pthread_mutex_unlock(&judging->lock);
    return count == 0;
}

/** CONNACK for a client that goes away at once. */
static int code_for(rmqtt_broker_t *broker, const char *client_id, int protocol) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    return test_client_try(test_port(broker, 0), &connect);
}

static void answers_reach_the_client(void) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, ALLOW);
    CHECK_EQ(code_for(broker, "four", 4), 0);
    CHECK_EQ(code_for(broker, "five", 5), 0);

    const struct {
        int how, before_5, from_5_on;
        const char *reason;
    } denials[] = {
        {DENY, 5, 0x87, ""},
        {DENY_86, 4, 0x86, "no such user"},
        {NUMBER, 5, 0x87, ""},
        {DEFER_WITHOUT_TICKET, 5, 0x87, ""},
    };
    for (size_t i = 0; i < sizeof denials / sizeof *denials; i++) {
        answer_with(&judging, denials[i].how);
        CHECK_EQ(code_for(broker, "c", 4), denials[i].before_5);
        test_connect connect = test_connect_init("c");
        connect.protocol = 5;
        test_client client = test_client_connect(test_port(broker, 0), &connect);
        CHECK_EQ(client.code, denials[i].from_5_on);
        CHECK(strcmp(client.reason, denials[i].reason) == 0);
        CHECK(test_client_closed(client));
        close(client.fd);
    }
    CHECK_EQ(judging.asked, 10);
    rmqtt_stats_t stats = test_stats(broker);
    CHECK_EQ(stats.decisions_allowed, 2);
    CHECK_EQ(stats.decisions_denied, 8);
    CHECK_EQ(stats.decisions_expired, 0);
    CHECK_EQ(stats.decisions_pending, 0);
    CHECK_EQ(stats.connections, 2);
    CHECK_EQ(judging.on_host_thread, 0);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&judging.probe);
    /* Who is denied never was connected. */
    CHECK_EQ(strlen(judging.events), strlen("+four,-four,+five,-five,"));
}

/** Every code that MQTT 5 has for a CONNACK that refuses. */
static void any_reason_code_reaches_the_client(void) {
    const struct {
        uint8_t code;
        int before_5;
    } cases[] = {
        {0x80, 3}, {0x81, 5}, {0x82, 5}, {0x83, 3}, {0x84, 1}, {0x85, 2}, {0x86, 4},
        {0x87, 5}, {0x88, 3}, {0x89, 3}, {0x8a, 5}, {0x8c, 5}, {0x90, 5}, {0x95, 5},
        {0x97, 3}, {0x99, 5}, {0x9a, 5}, {0x9b, 5}, {0x9c, 3}, {0x9d, 3}, {0x9f, 3},
    };
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, DENY_CODE);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        pthread_mutex_lock(&judging.lock);
        judging.code = cases[i].code;
        pthread_mutex_unlock(&judging.lock);
        CHECK_EQ(code_for(broker, "c", 4), cases[i].before_5);
        CHECK_EQ(code_for(broker, "c", 5), cases[i].code);
    }
    /* One that CONNACK does not have. */
    pthread_mutex_lock(&judging.lock);
    judging.code = 0x93;
    pthread_mutex_unlock(&judging.lock);
    CHECK_EQ(code_for(broker, "c", 4), 5);
    CHECK_EQ(code_for(broker, "c", 5), 0x80);
    rmqtt_broker_free(broker);
}

static void the_event_tells_all_of_connect(void) {
    judge judging;
    judge_init(&judging, ALLOW);
    rmqtt_broker_t *broker =
        test_broker("{\"node_id\":3,\"listeners\":[{\"address\":\"127.0.0.1:0\",\"name\":\"first\"},"
                    "{\"address\":\"127.0.0.1:0\",\"name\":\"second\"}]}");
    rmqtt_hooks_t hooks = hooks_of(&judging);
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);

    const uint8_t password[] = {0, 0xff, 'p', 0};
    test_connect connect = test_connect_init("full");
    connect.username = "j\xc3\xb6rg";
    connect.password = password;
    connect.password_len = sizeof password;
    connect.will_topic = "last/words";
    connect.will_payload = "farewell";
    connect.keep_alive_s = 1234;
    connect.keep_session = true;
    connect.protocol = 5;
    test_client client = test_client_connect(test_port(broker, 1), &connect);
    CHECK_EQ(client.code, 0);
    seen *last = &judging.last;
    struct sockaddr_in own;
    socklen_t own_len = sizeof own;
    char address[64];
    CHECK_EQ(getsockname(client.fd, (struct sockaddr *)&own, &own_len), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)ntohs(own.sin_port));
    test_client_disconnect(client);
    CHECK(strcmp(last->client_id, "full") == 0);
    CHECK(last->has_username && strcmp(last->username, "j\xc3\xb6rg") == 0);
    CHECK(last->has_password && last->password_len == 4 && memcmp(last->password, password, 4) == 0);
    CHECK(strcmp(last->address, address) == 0);
    CHECK(strcmp(last->listener, "second") == 0);
    CHECK_EQ(last->node_id, 3);
    CHECK_EQ(last->protocol, 5);
    CHECK_EQ(last->keep_alive_s, 1234);
    CHECK(!last->clean_start);
    CHECK(last->has_will);
    CHECK(strcmp(last->will_topic, "last/words") == 0 && strcmp(last->will_payload, "farewell") == 0);
    CHECK_EQ(last->will_origin, RMQTT_ORIGIN_WILL);
    uint64_t serial = last->serial;

    /* What is not there differs from what is empty. */
    connect = test_connect_init("bare");
    CHECK_EQ(test_client_try(test_port(broker, 0), &connect), 0);
    CHECK(!last->has_username && !last->has_password && !last->has_will);
    CHECK(last->clean_start);
    CHECK_EQ(last->keep_alive_s, 0);
    CHECK_EQ(last->protocol, 4);
    CHECK(strcmp(last->listener, "first") == 0);
    CHECK(last->serial > serial);

    connect = test_connect_init("empty");
    connect.username = "";
    connect.password = "";
    connect.password_len = 0;
    CHECK_EQ(test_client_try(test_port(broker, 0), &connect), 0);
    CHECK(last->has_username && last->username[0] == '\0');
    CHECK(last->has_password && last->password_len == 0);

    /* The broker makes a name up. */
    connect = test_connect_init("");
    CHECK_EQ(test_client_try(test_port(broker, 0), &connect), 0);
    CHECK(last->client_id[0] != '\0');
    rmqtt_broker_free(broker);
}

/** Connects in a thread of its own, for a hook that does not answer at once. */
typedef struct visitor {
    pthread_t thread;
    uint16_t port;
    int protocol;
    char client_id[32];
    int code;
    char reason[64];
    int done;
} visitor;

static void *visit(void *user_data) {
    visitor *visiting = (visitor *)user_data;
    test_connect connect = test_connect_init(visiting->client_id);
    connect.protocol = visiting->protocol;
    test_client client = test_client_connect(visiting->port, &connect);
    visiting->code = client.code;
    snprintf(visiting->reason, sizeof visiting->reason, "%.60s", client.reason);
    close(client.fd);
    test_set(&visiting->done, 1);
    return NULL;
}

static void visit_begin_as(visitor *visiting, rmqtt_broker_t *broker, const char *client_id, int protocol) {
    memset(visiting, 0, sizeof *visiting);
    visiting->protocol = protocol;
    visiting->port = test_port(broker, 0);
    snprintf(visiting->client_id, sizeof visiting->client_id, "%s", client_id);
    CHECK_EQ(pthread_create(&visiting->thread, NULL, visit, visiting), 0);
}

static void visit_begin(visitor *visiting, rmqtt_broker_t *broker, const char *client_id) {
    visit_begin_as(visiting, broker, client_id, 4);
}

static int visit_end(visitor *visiting) {
    CHECK_EQ(pthread_join(visiting->thread, NULL), 0);
    return visiting->code;
}

/** The ticket that the hook takes for the next visitor. */
static rmqtt_decision_t next_ticket(judge *judging, int before) {
    WAIT_UNTIL(test_get(&judging->tickets) > before);
    /* The hook has returned, too: what follows is a decision that nobody but the ticket can make. */
    WAIT_UNTIL(test_get(&judging->probe.running) == 0);
    pthread_mutex_lock(&judging->lock);
    rmqtt_decision_t ticket = judging->ticket;
    pthread_mutex_unlock(&judging->lock);
    return ticket;
}

static void decisions_can_be_made_later(void) {
    judge judging;
    visitor visiting;
    rmqtt_verdict_t allow = rmqtt_verdict_init();
    rmqtt_verdict_t deny = rmqtt_verdict_init();
    allow.kind = RMQTT_VERDICT_ALLOW;
    deny.reason_code = 0x86;
    rmqtt_broker_t *broker = judged_broker(&judging, DEFER_AND_COMPLETE_FIRST);
    CHECK_EQ(code_for(broker, "before", 4), 0);

    answer_with(&judging, DEFER);
    visit_begin(&visiting, broker, "after");
    rmqtt_decision_t ticket = next_ticket(&judging, 0);
    CHECK_EQ(test_stats(broker).decisions_pending, 1);
    CHECK_EQ(test_get(&visiting.done), 0);
    /* A call that is refused leaves the decision open. */
    CHECK_STATUS(rmqtt_decision_complete(ticket, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_OK(rmqtt_decision_complete(ticket, &allow));
    CHECK_STATUS(rmqtt_decision_complete(ticket, &allow), RMQTT_ERR_EXPIRED);
    CHECK_STATUS(rmqtt_decision_complete(ticket, &deny), RMQTT_ERR_EXPIRED);
    CHECK_EQ(visit_end(&visiting), 0);
    CHECK_EQ(test_stats(broker).decisions_pending, 0);

    visit_begin_as(&visiting, broker, "denied", 5);
    rmqtt_decision_t second = next_ticket(&judging, 1);
    CHECK(second != ticket);
    deny.reason_string = rmqtt_str("after some thought");
    CHECK_OK(rmqtt_decision_complete(second, &deny));
    CHECK_EQ(visit_end(&visiting), 0x86);
    CHECK(strcmp(visiting.reason, "after some thought") == 0);

    visit_begin(&visiting, broker, "number");
    deny.kind = 77;
    CHECK_OK(rmqtt_decision_complete(next_ticket(&judging, 2), &deny));
    /* Its details count for nothing either. */
    CHECK_EQ(visit_end(&visiting), 5);

    /* The answer of the hook itself counts, and the ticket is worth nothing. */
    answer_with(&judging, TICKET_BUT_ALLOW);
    CHECK_EQ(code_for(broker, "c", 4), 0);
    CHECK_STATUS(rmqtt_decision_complete(next_ticket(&judging, 3), &deny), RMQTT_ERR_EXPIRED);
    answer_with(&judging, TICKET_BUT_DENY);
    CHECK_EQ(code_for(broker, "c", 4), 5);
    CHECK_STATUS(rmqtt_decision_complete(next_ticket(&judging, 4), &allow), RMQTT_ERR_EXPIRED);

    /* A yes with details that cannot be read is none. */
    answer_with(&judging, DEFER);
    for (int i = 0; i < 2; i++) {
        rmqtt_verdict_t unreadable = allow;
        if (i == 0) {
            unreadable.auth_data.len = 5;
        } else {
            unreadable.response_information.len = 5;
        }
        visit_begin(&visiting, broker, "unreadable");
        CHECK_OK(rmqtt_decision_complete(next_ticket(&judging, 5 + i), &unreadable));
        CHECK_EQ(visit_end(&visiting), 5);
    }

    CHECK_STATUS(rmqtt_decision_complete(0, &allow), RMQTT_ERR_EXPIRED);
    CHECK_STATUS(rmqtt_decision_complete(UINT64_MAX, &allow), RMQTT_ERR_EXPIRED);
    CHECK_STATUS(rmqtt_decision_complete(0x123456789abcdefULL, &allow), RMQTT_ERR_EXPIRED);
    CHECK(rmqtt_decision_defer() == 0);
    CHECK_EQ(test_stats(broker).decisions_pending, 0);
    rmqtt_broker_free(broker);
}

static void no_answer_is_a_no(void) {
    judge judging;
    visitor visiting;
    rmqtt_verdict_t allow = rmqtt_verdict_init();
    allow.kind = RMQTT_VERDICT_ALLOW;
    rmqtt_broker_t *broker = test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],"
                                         "\"callbacks\":{\"timeout_ms\":200}}");
    set_hooks(broker, &judging, DEFER);
    test_start(broker);
    int64_t began = test_now_ms();
    CHECK_EQ(code_for(broker, "c", 4), 5);
    CHECK(test_now_ms() - began >= 200);
    CHECK_STATUS(rmqtt_decision_complete(next_ticket(&judging, 0), &allow), RMQTT_ERR_EXPIRED);
    CHECK_EQ(test_stats(broker).decisions_expired, 1);
    CHECK_EQ(test_stats(broker).decisions_denied, 1);
    CHECK_EQ(test_stats(broker).decisions_pending, 0);

    /* A hook that never comes back, too. */
    answer_with(&judging, WAIT_AT_DOOR);
    CHECK_EQ(code_for(broker, "slow", 4), 5);
    CHECK_EQ(test_stats(broker).decisions_expired, 2);
    test_door_open(&judging.door);
    rmqtt_broker_free(broker);

    /* What a stop overtakes. */
    broker = judged_broker(&judging, DEFER);
    visit_begin(&visiting, broker, "c");
    rmqtt_decision_t ticket = next_ticket(&judging, 0);
    rmqtt_broker_free(broker);
    CHECK_STATUS(rmqtt_decision_complete(ticket, &allow), RMQTT_ERR_EXPIRED);
    CHECK(visit_end(&visiting) != 0);
    CHECK_DROPPED(&judging.probe);
}

static void a_client_that_leaves_needs_no_decision(void) {
    judge judging;
    test_connect connect = test_connect_init("impatient");
    rmqtt_verdict_t allow = rmqtt_verdict_init();
    allow.kind = RMQTT_VERDICT_ALLOW;
    rmqtt_broker_t *broker = judged_broker(&judging, DEFER);
    int fd = test_dial(test_port(broker, 0));
    test_connect_send(fd, &connect);
    rmqtt_decision_t ticket = next_ticket(&judging, 0);
    CHECK_EQ(test_stats(broker).decisions_pending, 1);
    close(fd);
    /* Long before the time for an answer is over. */
    WAIT_UNTIL(test_stats(broker).decisions_pending == 0);
    CHECK_STATUS(rmqtt_decision_complete(ticket, &allow), RMQTT_ERR_EXPIRED);
    CHECK_EQ(rmqtt_broker_connected_clients(broker), 0);
    rmqtt_broker_free(broker);
}

static void open_decisions_are_limited(void) {
    judge judging;
    visitor visiting;
    test_connect connect = test_connect_init("one too many");
    rmqtt_verdict_t allow = rmqtt_verdict_init();
    allow.kind = RMQTT_VERDICT_ALLOW;
    rmqtt_broker_t *broker = test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\"},{\"address\":\"127.0.0.1:0\"}],"
                                         "\"callbacks\":{\"max_pending\":1,\"timeout_ms\":60000}}");
    set_hooks(broker, &judging, DEFER);
    test_start(broker);
    visit_begin(&visiting, broker, "c");
    rmqtt_decision_t ticket = next_ticket(&judging, 0);
    CHECK_EQ(test_stats(broker).decisions_pending, 1);
    answer_with(&judging, DEFER_REFUSED);
    CHECK(test_client_try(test_port(broker, 1), &connect) > 0);
    CHECK_EQ(test_stats(broker).decisions_pending, 1);
    CHECK_OK(rmqtt_decision_complete(ticket, &allow));
    CHECK_EQ(visit_end(&visiting), 0);
    rmqtt_broker_free(broker);
}

static void a_slow_hook_holds_up_its_own_client_only(void) {
    judge judging;
    visitor visiting;
    rmqtt_broker_t *broker = judged_broker(&judging, WAIT_AT_DOOR);
    visit_begin(&visiting, broker, "slow");
    WAIT_UNTIL(test_get(&judging.probe.running) == 1);
    CHECK_EQ(code_for(broker, "quick", 4), 0);
    CHECK_EQ(code_for(broker, "quicker", 4), 0);
    test_client client = test_client_open(test_port(broker, 0), "worker");
    test_client_publish(client, "t", "still served", 1);
    test_client_disconnect(client);
    CHECK_EQ(test_get(&visiting.done), 0);
    test_door_open(&judging.door);
    CHECK_EQ(visit_end(&visiting), 0);
    rmqtt_broker_free(broker);
}

static void hooks_can_be_replaced_while_the_broker_runs(void) {
    judge one, two;
    visitor visiting;
    rmqtt_verdict_t allow = rmqtt_verdict_init();
    allow.kind = RMQTT_VERDICT_ALLOW;
    rmqtt_broker_t *broker = judged_broker(&one, DENY);
    CHECK_EQ(code_for(broker, "c", 4), 5);
    answer_with(&one, DEFER);
    visit_begin(&visiting, broker, "deferred");
    rmqtt_decision_t ticket = next_ticket(&one, 0);

    set_hooks(broker, &two, ALLOW);
    WAIT_UNTIL(test_get(&one.probe.drops) == 1);
    CHECK_EQ(code_for(broker, "c", 4), 0);
    CHECK_EQ(one.asked, 2);
    CHECK_EQ(two.asked, 1);
    /* The ticket of the hooks before still decides. */
    CHECK_OK(rmqtt_decision_complete(ticket, &allow));
    CHECK_EQ(visit_end(&visiting), 0);

    /* A call under way ends with the hooks it began with. */
    answer_with(&two, WAIT_AT_DOOR);
    visit_begin(&visiting, broker, "slow");
    WAIT_UNTIL(two.asked == 2 && test_get(&two.probe.running) == 1);
    CHECK_OK(rmqtt_broker_set_hooks(broker, NULL, NULL));
    CHECK_EQ(test_get(&two.probe.drops), 0);
    test_door_open(&two.door);
    CHECK_EQ(visit_end(&visiting), 0);
    WAIT_UNTIL(test_get(&two.probe.drops) == 1);

    /* Without a hook, the configuration decides. */
    CHECK_EQ(code_for(broker, "c", 4), 5);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&one.probe);
    CHECK_DROPPED(&two.probe);
}

static void comings_and_goings_are_told_in_order(void) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, ALLOW);
    uint16_t port = test_port(broker, 0);

    test_client client = test_client_open(port, "polite");
    WAIT_UNTIL(events_are(&judging, "+polite,"));
    test_client_disconnect(client);
    WAIT_UNTIL(events_are(&judging, "+polite,-polite,"));
    CHECK_EQ(judging.by, RMQTT_DISCONNECTED_BY_CLIENT);
    CHECK_EQ(judging.reason_code, 0x00);

    /* Before MQTT 5 a DISCONNECT says no more; in MQTT 5 it has a reason code. */
    test_connect connect = test_connect_init("five");
    connect.protocol = 5;
    client = test_client_connect(port, &connect);
    CHECK_EQ(client.code, 0);
    test_packet packet;
    test_packet_begin(&packet, 0xe0);
    test_put_byte(&packet, 0x04);
    test_packet_send(client.fd, &packet);
    CHECK(test_client_closed(client));
    close(client.fd);
    WAIT_UNTIL(events_are(&judging, "+polite,-polite,+five,-five,"));
    CHECK_EQ(judging.by, RMQTT_DISCONNECTED_BY_CLIENT);
    CHECK_EQ(judging.reason_code, 0x04);

    client = test_client_open(port, "rude");
    close(client.fd);
    WAIT_UNTIL(events_are(&judging, "+polite,-polite,+five,-five,+rude,-rude,"));
    CHECK_EQ(judging.by, RMQTT_DISCONNECTED_BY_NETWORK);
    CHECK_EQ(judging.reason_code, 0x80);

    client = test_client_open(port, "last");
    CHECK_OK(rmqtt_broker_stop(broker, 2000));
    /* The stop has delivered what happened before it. */
    CHECK(events_are(&judging, "+polite,-polite,+five,-five,+rude,-rude,+last,-last,"));
    CHECK_EQ(judging.by, RMQTT_DISCONNECTED_BY_BROKER);
    CHECK_EQ(judging.reason_code, 0x8b);
    close(client.fd);

    test_start(broker);
    client = test_client_open(test_port(broker, 0), "cut off");
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    CHECK(events_are(&judging, "+polite,-polite,+five,-five,+rude,-rude,+last,-last,+cut off,-cut off,"));
    CHECK_EQ(judging.by, RMQTT_DISCONNECTED_BY_BROKER);
    CHECK_EQ(judging.reason_code, 0x8b);
    close(client.fd);
    CHECK_EQ(judging.on_host_thread, 0);
    CHECK_EQ(test_stats(broker).events_dropped, 0);
    rmqtt_broker_free(broker);
}

static void a_name_is_taken_over(void) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, ALLOW);
    test_client before = test_client_open(test_port(broker, 0), "twin");
    WAIT_UNTIL(events_are(&judging, "+twin,"));
    test_client after = test_client_open(test_port(broker, 0), "twin");
    CHECK(test_client_closed(before));
    WAIT_UNTIL(judging_has_told(&judging, 3));
    CHECK(events_are(&judging, "+twin,-twin,+twin,"));
    CHECK_EQ(judging.by, RMQTT_DISCONNECTED_BY_BROKER);
    CHECK_EQ(judging.reason_code, 0x8e);
    close(before.fd);
    test_client_disconnect(after);
    rmqtt_broker_free(broker);
}

static void without_a_hook_the_configuration_decides(void) {
    const struct {
        const char *config;
        int code;
    } cases[] = {
        {"{\"listeners\":[{\"address\":\"127.0.0.1:0\"}]}", 5},
        {"{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}]}", 0},
        {"{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true}}", 0},
        {"{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":false}],"
         "\"auth\":{\"allow_anonymous\":true}}",
         5},
        {"{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":null}],"
         "\"auth\":{\"allow_anonymous\":true}}",
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rmqtt_broker_t *broker = test_broker(cases[i].config);
        test_start(broker);
        CHECK_EQ(code_for(broker, "c", 4), cases[i].code);
        CHECK_EQ(test_stats(broker).decisions_allowed + test_stats(broker).decisions_denied, 0);
        rmqtt_broker_free(broker);
    }

    /* Each listener has its own say; a hook has the last word everywhere. */
    judge judging;
    rmqtt_broker_t *broker = test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true},"
                                         "{\"address\":\"127.0.0.1:0\"}]}");
    test_connect connect = test_connect_init("c");
    test_start(broker);
    CHECK_EQ(test_client_try(test_port(broker, 0), &connect), 0);
    CHECK_EQ(test_client_try(test_port(broker, 1), &connect), 5);
    set_hooks(broker, &judging, DENY);
    CHECK_EQ(test_client_try(test_port(broker, 0), &connect), 5);
    answer_with(&judging, ALLOW);
    connect = test_connect_init("d");
    CHECK_EQ(test_client_try(test_port(broker, 1), &connect), 0);
    rmqtt_broker_free(broker);
}

int main(void) {
    answers_reach_the_client();
    any_reason_code_reaches_the_client();
    the_event_tells_all_of_connect();
    decisions_can_be_made_later();
    no_answer_is_a_no();
    a_client_that_leaves_needs_no_decision();
    open_decisions_are_limited();
    a_slow_hook_holds_up_its_own_client_only();
    hooks_can_be_replaced_while_the_broker_runs();
    comings_and_goings_are_told_in_order();
    a_name_is_taken_over();
    without_a_hook_the_configuration_decides();
    return 0;
}
