/* The hooks that decide who subscribes to what, and who may end it. */

#include "hooks.h"

#define SUBSCRIBE BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE)
#define UNSUBSCRIBE BIT(RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE)

static void filters_are_answered_in_order(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, SUBSCRIBE);
    test_client client = client_open(broker, "client", protocol);
    judge_rule(&judging, rule_deny("S plain", 0, NULL));
    judge_rule(&judging, rule_deny("S full", 0x97, NULL));
    /* Drops what is a message; this is none. */
    judge_rule(&judging, rule_drop("S dropped"));
    judge_rule(&judging, rule_qos("S lower", 0));
    judge_rule(&judging, rule_qos("S higher", 2));
    judge_rule(&judging, rule_topic("S bad", "b/#/c"));

    const char *const filters[] = {"plain", "fine", "full", "dropped", "lower", "higher", "bad", "a/#/wrong"};
    const int codes_4[] = {0x80, 1, 0x80, 0x80, 0, 1, 0x80, 0x80};
    const int codes_5[] = {0x87, 1, 0x97, 0x87, 0, 1, 0x83, 0x8f};
    filters_send(client, 0x82, filters, 8, 1);
    codes_expect(client, 0x90, protocol == 5 ? codes_5 : codes_4, 8);
    CHECK_ASKED(&judging, "S plain,S fine,S full,S dropped,S lower,S higher,S bad,");
    CHECK(strcmp(judging.client_id, "client") == 0);
    CHECK_EQ(judging.qos, 1);
    CHECK_EQ(judging.identifier, 0);
    CHECK_EQ(test_stats(broker).subscriptions, 3);

    const char *const refused[] = {"plain", "full", "dropped", "bad", "b/x/c"};
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        test_publish(broker, refused[i], "x");
    }
    test_publish(broker, "fine", "f");
    CHECK_NEXT(client, "fine", "f");
    test_client_leave(client);
    judged_end(&judging);
}

static void another_filter_takes_its_place(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, SUBSCRIBE | UNSUBSCRIBE);
    test_client client = client_open(broker, "client", protocol);
    judge_rule(&judging, rule_topic("S a", "b"));
    subscribe(client, "a", 1, 1);
    subscribe(client, "marker", 0, 0);
    test_publish(broker, "a", "not for it");
    test_publish(broker, "b", "for it");
    CHECK_NEXT(client, "b", "for it");
    /* The client knows of no "b". */
    judge_forget(&judging);
    unsubscribe(client, "b", 0x11);
    CHECK_ASKED(&judging, "");
    unsubscribe(client, "a", 0);
    CHECK_ASKED(&judging, "U a,");
    test_publish(broker, "b", "over");
    test_publish(broker, "marker", "m");
    CHECK_NEXT(client, "marker", "m");
    CHECK_EQ(test_stats(broker).subscriptions, 1);

    /* The same place for two: it ends with the last of them. */
    judge_rule(&judging, rule_topic("S c", "b"));
    subscribe(client, "a", 0, 0);
    subscribe(client, "c", 0, 0);
    unsubscribe(client, "a", 0);
    test_publish(broker, "b", "still");
    CHECK_NEXT(client, "b", "still");
    unsubscribe(client, "c", 0);
    test_publish(broker, "b", "over");
    test_publish(broker, "marker", "m");
    CHECK_NEXT(client, "marker", "m");
    test_client_leave(client);
    judged_end(&judging);
}

static void a_subscription_stays_that_may_not_end(int way, int protocol) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker(&judging, way, UNSUBSCRIBE);
    test_client client = client_open(broker, "client", protocol);
    const char *const filters[] = {"stays", "stays too", "ends", "unknown"};
    const int granted[] = {0, 0, 0};
    const int codes[] = {0x87, 0x83, 0, 0x11};
    judge_rule(&judging, rule_deny("U stays", 0, NULL));
    judge_rule(&judging, rule_deny("U stays too", 0x83, NULL));
    filters_send(client, 0x82, filters, 3, 0);
    codes_expect(client, 0x90, granted, 3);
    filters_send(client, 0xa2, filters, 4, 0);
    codes_expect(client, 0xb0, codes, 4);
    CHECK_ASKED(&judging, "U stays,U stays too,U ends,");
    CHECK(strcmp(judging.client_id, "client") == 0);
    test_publish(broker, "ends", "e");
    test_publish(broker, "stays", "s");
    test_publish(broker, "stays too", "t");
    CHECK_NEXT(client, "stays", "s");
    CHECK_NEXT(client, "stays too", "t");
    CHECK_EQ(test_stats(broker).subscriptions, 2);
    test_client_leave(client);
    judged_end(&judging);
}

int main(void) {
    for (int way = 0; way < WAYS; way++) {
        for (int protocol = 4; protocol <= 5; protocol++) {
            filters_are_answered_in_order(way, protocol);
            another_filter_takes_its_place(way, protocol);
            a_subscription_stays_that_may_not_end(way, protocol);
        }
    }
    return 0;
}
