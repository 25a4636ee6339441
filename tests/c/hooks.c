/* The hooks that decide: before CONNECT, and what holds for all of them. */

#include "hooks.h"

#define PRE_CONNECT BIT(RMQTT_HOOK_PRE_CONNECT)
#define AUTHENTICATE BIT(RMQTT_HOOK_AUTHENTICATE)
#define PUBLISH BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH)

static void who_may_not_begin_hears_nothing(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(&judging, way, PRE_CONNECT | AUTHENTICATE,
                                                "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"name\":\"front\"}]}");
    uint16_t port = test_port(broker, 0);
    test_connect connect = test_connect_init("c");
    connect.protocol = protocol;
    judge_rule(&judging, rule_deny("C", 0x86, "not looked at"));
    CHECK_EQ(test_client_try(port, &connect), -1);
    judge_rule(&judging, rule_drop("C"));
    CHECK_EQ(test_client_try(port, &connect), -1);
    CHECK_ASKED(&judging, "C,C,");
    CHECK_EQ(test_stats(broker).connections_refused, 2);
    CHECK_EQ(test_stats(broker).connections, 0);

    /* It need not say anything to be turned away. */
    test_client silent;
    memset(&silent, 0, sizeof silent);
    silent.fd = test_dial(port);
    CHECK(test_client_closed(silent));
    close(silent.fd);
    CHECK_EQ(test_stats(broker).connections_refused, 3);

    judge_forget(&judging);
    judge_rule(&judging, rule_allow("C"));
    test_client client = test_client_connect(port, &connect);
    CHECK_EQ(client.code, 0);
    CHECK_ASKED(&judging, "C,A c,");
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)test_port_of(client.fd));
    CHECK(strcmp(judging.address, address) == 0);
    CHECK(strcmp(judging.listener, "front") == 0);
    CHECK_EQ(test_stats(broker).connections_refused, 3);
    test_client_leave(client);
    judged_end(&judging);
}

static void inline_hooks_run_where_clients_are_served(void) {
    for (int way = 0; way < WAYS; way++) {
        judge judging;
        rmqtt_broker_t *broker = judged_broker_with(
            &judging, way, ALL_HOOKS,
            "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"callbacks\":{\"threads\":1},"
            "\"runtime\":{\"worker_threads\":1}}");
        rmqtt_hooks_t hooks = judge_hooks(&judging, ALL_HOOKS);
        /* It tells which thread is the one for callbacks. */
        hooks.flags[RMQTT_HOOK_AUTHENTICATE] = 0;
        judging.probe.drops = -1;
        CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
        WAIT_UNTIL(test_get(&judging.probe.drops) == 0);
        test_client client = client_open(broker, "c", 5);
        subscribe(client, "t", 0, 0);
        unsubscribe(client, "t", 0);
        CHECK_EQ(publish(client, "t", "x", 1).code, 0x10);
        CHECK_ASKED(&judging, "C,A c,S t,U t,P t,");
        bool in_place = way == INLINE || way == INLINE_AND_DEFERRED;
        for (int hook = RMQTT_HOOK_PRE_CONNECT; hook <= RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE; hook++) {
            CHECK(pthread_equal(judging.ran_on[hook], judging.ran_on[RMQTT_HOOK_AUTHENTICATE]) ? !in_place : in_place);
        }
        test_client_leave(client);
        judged_end(&judging);
    }
}

static void a_hook_that_blocks_holds_up_its_own_client_only(void) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, ON_CALLBACK_THREAD, PUBLISH);
    rule slow = rule_allow("P slow");
    slow.waits = true;
    judge_rule(&judging, slow);
    test_client held_up = client_open(broker, "held up", 5);
    publish_send(held_up, "slow", "s", 0x02, 3);
    WAIT_UNTIL(test_get(&judging.probe.running) == 1);
    test_client quick = client_open(broker, "quick", 5);
    subscribe(quick, "#", 1, 1);
    CHECK_EQ(publish(quick, "round", "trip", 1).code, 0);
    CHECK_NEXT(quick, "round", "trip");
    test_door_open(&judging.door);
    CHECK_EQ(ack_read(held_up, 0x40, 3).code, 0);
    CHECK_NEXT(quick, "slow", "s");
    test_client_leave(held_up);
    test_client_leave(quick);
    judged_end(&judging);
}

static void a_client_that_leaves_needs_no_decision(int way) {
    judge judging;
    rmqtt_verdict_t allow = rmqtt_verdict_init();
    allow.kind = RMQTT_VERDICT_ALLOW;
    rmqtt_broker_t *broker = judged_broker_with(
        &judging, way, PUBLISH,
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],\"callbacks\":{\"timeout_ms\":600000}}");
    judge_rule(&judging, rule_hold("P t"));
    test_client client = client_open(broker, "c", 4);
    publish_send(client, "t", "x", 0x02, 1);
    rmqtt_decision_t ticket = judge_ticket(&judging, 1);
    CHECK_EQ(test_stats(broker).decisions_pending, 1);
    test_client_reset(client);
    WAIT_UNTIL(test_stats(broker).decisions_pending == 0);
    CHECK_STATUS(rmqtt_decision_complete(ticket, &allow), RMQTT_ERR_EXPIRED);
    CHECK_EQ(test_stats(broker).decisions_expired, 0);
    judged_end(&judging);
}

static void no_answer_is_a_no(int way) {
    judge judging;
    rmqtt_verdict_t allow = rmqtt_verdict_init();
    allow.kind = RMQTT_VERDICT_ALLOW;
    rmqtt_broker_t *broker = judged_broker_with(
        &judging, way, PUBLISH,
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],\"callbacks\":{\"timeout_ms\":50}}");
    judge_rule(&judging, rule_hold("P t"));
    test_client client = client_open(broker, "c", 5);
    CHECK_EQ(publish(client, "t", "x", 1).code, 0x87);
    CHECK_STATUS(rmqtt_decision_complete(judge_ticket(&judging, 1), &allow), RMQTT_ERR_EXPIRED);
    CHECK_EQ(test_stats(broker).decisions_expired, 1);
    CHECK_EQ(test_stats(broker).decisions_denied, 1);
    test_client_leave(client);
    judged_end(&judging);
}

static void hooks_are_replaced_while_clients_are_connected(int way) {
    judge one, two;
    rmqtt_broker_t *broker = judged_broker(&one, way, PUBLISH);
    judge_init(&two, way);
    two.broker = broker;
    test_client client = client_open(broker, "c", 5);
    judge_rule(&one, rule_deny("P t", 0x99, NULL));
    CHECK_EQ(publish(client, "t", "x", 1).code, 0x99);
    judge_rule(&one, rule_hold("P held"));
    publish_send(client, "held", "x", 0x02, 2);
    rmqtt_decision_t ticket = judge_ticket(&one, 1);

    rmqtt_hooks_t hooks = judge_hooks(&two, PUBLISH);
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    WAIT_UNTIL(test_get(&one.probe.drops) == 1);
    /* The ticket of the hooks before still decides. */
    judge_allow(ticket);
    CHECK_EQ(ack_read(client, 0x40, 2).code, 0x10);
    CHECK_EQ(publish(client, "t", "x", 1).code, 0x10);
    CHECK_ASKED(&two, "P t,");
    CHECK_OK(rmqtt_broker_set_hooks(broker, NULL, NULL));
    WAIT_UNTIL(test_get(&two.probe.drops) == 1);
    CHECK_EQ(publish(client, "t", "x", 1).code, 0x10);
    CHECK_EQ(two.asked, 1);
    test_client_leave(client);
    judged_end(&one);
    judge_end(&two);
}

static void a_hook_cannot_stop_its_broker(int way) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, PUBLISH);
    rule stop = rule_allow("P stop");
    stop.stops = true;
    judge_rule(&judging, stop);
    test_client client = client_open(broker, "c", 5);
    CHECK_EQ(publish(client, "stop", "x", 1).code, 0x10);
    CHECK_EQ(test_get(&judging.stop_status), RMQTT_ERR_WOULD_DEADLOCK);
    test_client_leave(client);
    judged_end(&judging);
}

/* ---- what a hook that decides may call ---- */

/** One for each question below. */
enum { BYSTANDERS = 9 };

static struct {
    /** Another broker. */
    rmqtt_broker_t *other;
    int calls;
} library;

static void ignore_message(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    (void)user_data;
}

/** Publishes, subscribes, disconnects, looks around, and does the same at another broker. */
static void use_the_library(rmqtt_broker_t *broker) {
    char bystander[32];
    snprintf(bystander, sizeof bystander, "bystander %d", test_add(&library.calls) - 1);
    test_publish(broker, "within", "w");
    test_publish(library.other, "within", "w");
    rmqtt_broker_t *const both[] = {broker, library.other};
    for (size_t i = 0; i < 2; i++) {
        rmqtt_subscription_t *subscription = NULL;
        CHECK_OK(rmqtt_broker_subscribe(both[i], rmqtt_str("within"), NULL, ignore_message, NULL, NULL, &subscription,
                                        NULL));
        rmqtt_subscription_free(subscription);
        CHECK(rmqtt_broker_running(both[i]));
    }
    CHECK_OK(rmqtt_broker_subscribe_client(broker, rmqtt_str(bystander), rmqtt_str("by/host"), NULL, NULL));
    CHECK_OK(rmqtt_broker_unsubscribe_client(broker, rmqtt_str(bystander), rmqtt_str("by/host"), NULL));
    CHECK_OK(rmqtt_broker_disconnect(broker, rmqtt_str(bystander), 0x98, true, NULL));
    rmqtt_string_t *json = NULL;
    CHECK_OK(rmqtt_broker_clients(broker, NULL, &json, NULL));
    rmqtt_string_free(json);
    CHECK(test_stats(broker).connections >= BYSTANDERS);
}

static rule rule_calls(const char *question) {
    rule made = rule_allow(question);
    made.calls = use_the_library;
    return made;
}

/** Whichever hook it is that decides, and wherever it runs, nothing waits for itself. */
static void a_hook_may_call_the_library(int way) {
    static const char *const questions[BYSTANDERS] = {"C",      "A c",    "E c m d 1", "P t", "H host",
                                                      "W will", "S wish", "U wish",    "F c t"};
    static const uint8_t method[] = {0x15, 0, 1, 'm', 0x16, 0, 1, 'd'};
    judge judging;
    test_client bystanders[BYSTANDERS];
    library.calls = 0;
    library.other = test_broker(TEST_OPEN);
    test_start(library.other);
    rmqtt_broker_t *broker = judged_broker(&judging, way, 0);
    for (int i = 0; i < BYSTANDERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "bystander %d", i);
        bystanders[i] = client_open(broker, name, 4 + i % 2);
        judge_rule(&judging, rule_calls(questions[i]));
    }
    rmqtt_hooks_t hooks = judge_hooks(&judging, ALL_HOOKS | BIT(RMQTT_HOOK_AUTHORIZE_FORWARD) |
                                                    BIT(RMQTT_HOOK_AUTH_EXCHANGE));
    judging.probe.drops = -1;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    WAIT_UNTIL(test_get(&judging.probe.drops) == 0);

    /* Once each, from the first byte to the will. */
    test_client client = client_open(broker, "c", 4);
    judge_rule(&judging, rule_allow("C"));
    judge_rule(&judging, rule_allow("A c"));
    subscribe(client, "wish", 1, 1);
    unsubscribe(client, "wish", 0);
    subscribe(client, "t", 1, 1);
    CHECK_EQ(publish(client, "t", "x", 1).code, 0);
    CHECK_NEXT(client, "t", "x");
    test_publish(broker, "host", "x");
    test_client_leave(client);
    test_connect connect = test_connect_init("c");
    connect.protocol = 5;
    connect.properties = method;
    connect.properties_len = sizeof method;
    connect.will_topic = "will";
    connect.will_payload = "w";
    client = test_client_connect(test_port(broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    WAIT_UNTIL(test_get(&library.calls) == BYSTANDERS);
    /* A stop that comes before its DISCONNECT would publish the will. */
    test_client_disconnect(client);

    for (int i = 0; i < BYSTANDERS; i++) {
        if (bystanders[i].protocol == 5) {
            test_packet packet;
            test_packet_expect(bystanders[i].fd, &packet, 0xe0);
            CHECK_EQ(packet.body[0], 0x98);
        }
        CHECK(test_client_closed(bystanders[i]));
        close(bystanders[i].fd);
    }
    /* What they have published is asked about, too; besides, there were two connections, and two filters. */
    WAIT_UNTIL(test_stats(broker).decisions_allowed == 2 * BYSTANDERS + 2);
    CHECK_EQ(test_stats(broker).decisions_denied, 0);
    CHECK_EQ(test_stats(broker).messages_published, BYSTANDERS + 1);
    CHECK_EQ(test_stats(library.other).messages_published, BYSTANDERS);
    judged_end(&judging);
    rmqtt_broker_free(library.other);
}

static void disconnect_c(rmqtt_broker_t *broker) {
    CHECK_OK(rmqtt_broker_disconnect(broker, rmqtt_str("c"), 0x98, false, NULL));
}

/** Even the one that waits for its answer. */
static void a_hook_may_disconnect_its_client(int way, int protocol) {
    static const char *const questions[] = {"P t", "S t", "U s", "F c s"};
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, ALL_HOOKS | BIT(RMQTT_HOOK_AUTHORIZE_FORWARD));
    for (int i = 0; i < 4; i++) {
        test_client client = client_open(broker, "c", protocol);
        subscribe(client, "s", 0, 0);
        rule made = rule_allow(questions[i]);
        made.calls = disconnect_c;
        judge_rule(&judging, made);
        if (i == 0) {
            publish_send(client, "t", "x", 0x02, 1);
        } else if (i < 3) {
            const char *filter = i == 1 ? "t" : "s";
            filters_send(client, i == 1 ? 0x82 : 0xa2, &filter, 1, 0);
        } else {
            test_publish(broker, "s", "x");
        }
        /* It may have had its answer before. */
        test_packet packet, last;
        memset(&last, 0, sizeof last);
        while (test_packet_receive(client.fd, &packet)) {
            last = packet;
        }
        CHECK(protocol == 4 || (last.type == 0xe0 && last.body[0] == 0x98));
        close(client.fd);
        WAIT_UNTIL(test_stats(broker).sessions == 0);
        judge_rule(&judging, rule_allow(questions[i]));
    }
    judged_end(&judging);
}

static void flags_are_checked(void) {
    const struct {
        int hook;
        uint8_t flags;
    } cases[] = {
        {RMQTT_HOOK_AUTHORIZE_PUBLISH, 2},
        {RMQTT_HOOK_AUTHORIZE_PUBLISH, 0x81},
        {RMQTT_HOOK_CONNECTED, 2},
        {RMQTT_HOOK_FIRST_SUBSCRIBER, RMQTT_HOOK_INLINE},
        {RMQTT_HOOK_LAST_SUBSCRIBER, RMQTT_HOOK_INLINE},
        {63, 4},
    };
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        judge judging;
        judge_init(&judging, ON_CALLBACK_THREAD);
        rmqtt_hooks_t hooks = judge_hooks(&judging, PUBLISH);
        hooks.flags[cases[i].hook] = cases[i].flags;
        CHECK_STATUS(rmqtt_broker_set_hooks(broker, &hooks, NULL), RMQTT_ERR_INVALID_ARGUMENT);
        judge_end(&judging);
    }
    rmqtt_broker_free(broker);
}

typedef struct crowd {
    pthread_t thread;
    rmqtt_broker_t *broker;
    int number;
    int messages;
} crowd;

static void *crowd_publish(void *user_data) {
    crowd *one = (crowd *)user_data;
    char name[32];
    snprintf(name, sizeof name, "crowd/%d", one->number);
    test_client client = client_open(one->broker, name, one->number % 2 ? 4 : 5);
    subscribe(client, name, 1, 1);
    for (int i = 0; i < one->messages; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        CHECK_EQ(publish(client, name, payload, 1).code, 0);
        CHECK_NEXT(client, name, payload);
    }
    test_client_leave(client);
    return NULL;
}

static void many_decisions_leave_nothing_open(void) {
    judge judging;
    crowd all[4];
    rmqtt_broker_t *broker = judged_broker(&judging, MIXED, PUBLISH);
    int messages = test_scaled(250, 50);
    for (int i = 0; i < 4; i++) {
        all[i].broker = broker;
        all[i].number = i;
        all[i].messages = messages;
        CHECK_EQ(pthread_create(&all[i].thread, NULL, crowd_publish, &all[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(all[i].thread, NULL), 0);
    }
    CHECK_EQ(test_stats(broker).decisions_pending, 0);
    CHECK_EQ(test_stats(broker).decisions_allowed, 4 * messages);
    CHECK_EQ(judging.asked, 4 * messages);
    judged_end(&judging);
}

int main(void) {
    for (int way = 0; way < WAYS; way++) {
        who_may_not_begin_hears_nothing(way, 4);
        who_may_not_begin_hears_nothing(way, 5);
        a_client_that_leaves_needs_no_decision(way);
        no_answer_is_a_no(way);
        hooks_are_replaced_while_clients_are_connected(way);
        a_hook_cannot_stop_its_broker(way);
        a_hook_may_call_the_library(way);
    }
    inline_hooks_run_where_clients_are_served();
    a_hook_that_blocks_holds_up_its_own_client_only();
    for (int protocol = 4; protocol <= 5; protocol++) {
        a_hook_may_disconnect_its_client(ON_CALLBACK_THREAD, protocol);
        a_hook_may_disconnect_its_client(INLINE, protocol);
    }
    flags_are_checked();
    many_decisions_leave_nothing_open();
    return 0;
}
