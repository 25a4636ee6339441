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
    }
    inline_hooks_run_where_clients_are_served();
    a_hook_that_blocks_holds_up_its_own_client_only();
    flags_are_checked();
    many_decisions_leave_nothing_open();
    return 0;
}
