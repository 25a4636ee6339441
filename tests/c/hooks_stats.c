/* What hooks have done, counted hook by hook, and what becomes of the events that are too many. */

#include "hooks.h"

#define PUBLISH BIT(RMQTT_HOOK_AUTHORIZE_PUBLISH)

static rmqtt_hook_stats_t stats_of(const rmqtt_broker_t *broker, int hook) {
    rmqtt_hook_stats_t stats = rmqtt_hook_stats_init();
    CHECK_OK(rmqtt_broker_hook_stats(broker, hook, &stats));
    CHECK_EQ(stats.struct_size, sizeof stats);
    return stats;
}

static uint64_t timed(const rmqtt_hook_stats_t *stats) {
    uint64_t count = 0;
    for (size_t i = 0; i < RMQTT_HOOK_TIME_BUCKETS; i++) {
        count += stats->time[i];
    }
    return count;
}

static void each_cause_is_counted_at_its_hook(int way) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(
        &judging, way, PUBLISH | BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE),
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],\"callbacks\":{\"timeout_ms\":100},"
        "\"runtime\":{\"worker_threads\":1}}");
    judge_rule(&judging, rule_deny("P no", 0x99, NULL));
    judge_rule(&judging, rule_drop("P drop"));
    judge_rule(&judging, rule_make("P odd", 99));
    judge_rule(&judging, rule_make("P failed", RMQTT_VERDICT_FAILED));
    judge_rule(&judging, rule_qos("P strange", 7));
    judge_rule(&judging, rule_make("P forgotten", RMQTT_VERDICT_DEFERRED));
    judge_rule(&judging, rule_hold("P held"));
    const struct {
        const char *topic;
        int code;
    } messages[] = {{"yes", 0x10},     {"no", 0x99},      {"drop", 0},         {"odd", 0x87},
                    {"failed", 0x87},  {"strange", 0x87}, {"forgotten", 0x87}, {"held", 0x87}};
    const size_t count = sizeof messages / sizeof *messages;
    test_client client = client_open(broker, "c", 5);
    for (size_t i = 0; i < count; i++) {
        CHECK_EQ(publish(client, messages[i].topic, "x", 1).code, messages[i].code);
    }
    rmqtt_hook_stats_t stats = stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH);
    CHECK_EQ(stats.allowed, 1);
    CHECK_EQ(stats.denied, 2);
    CHECK_EQ(stats.failed, 3);
    CHECK_EQ(stats.without_ticket, 1);
    CHECK_EQ(stats.expired, 1);
    CHECK_EQ(stats.overflowed + stats.stopped + stats.departed + stats.told + stats.dropped, 0);
    CHECK_EQ(stats.in_flight, 0);
    /* In place, the first one is measured, and the one that was deferred. */
    CHECK_EQ(timed(&stats), way == INLINE ? 2 : count);
    CHECK(stats.time_us_sum >= 100000);
    rmqtt_stats_t all = test_stats(broker);
    CHECK_EQ(all.decisions_allowed, 1);
    CHECK_EQ(all.decisions_denied, 7);
    CHECK_EQ(all.decisions_failed, 3);
    CHECK_EQ(all.decisions_without_ticket, 1);
    CHECK_EQ(all.decisions_expired, 1);

    stats = stats_of(broker, RMQTT_HOOK_AUTHORIZE_SUBSCRIBE);
    CHECK_EQ(stats.allowed + stats.denied + timed(&stats), 0);
    subscribe(client, "t", 0, 0);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_AUTHORIZE_SUBSCRIBE).allowed, 1);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH).allowed, 1);
    test_client_leave(client);
    judged_end(&judging);
}

static void a_full_queue_is_counted(void) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(
        &judging, ON_CALLBACK_THREAD, PUBLISH,
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
        "\"callbacks\":{\"threads\":1,\"queue\":1,\"timeout_ms\":600000}}");
    rule slow = rule_allow("P slow");
    slow.waits = true;
    judge_rule(&judging, slow);
    test_client runs = client_open(broker, "runs", 5);
    test_client waits = client_open(broker, "waits", 5);
    test_client finds_no_room = client_open(broker, "finds no room", 5);
    publish_send(runs, "slow", "x", 0x02, 1);
    WAIT_UNTIL(test_get(&judging.probe.running) == 1);
    publish_send(waits, "t", "x", 0x02, 2);
    WAIT_UNTIL(stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH).in_flight == 2);
    CHECK_EQ(publish(finds_no_room, "t", "x", 1).code, 0x87);
    rmqtt_hook_stats_t stats = stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH);
    CHECK_EQ(stats.overflowed, 1);
    CHECK_EQ(stats.in_flight, 2);
    CHECK_EQ(timed(&stats), 0);
    test_door_open(&judging.door);
    CHECK_EQ(ack_read(runs, 0x40, 1).code, 0x10);
    CHECK_EQ(ack_read(waits, 0x40, 2).code, 0x10);
    stats = stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH);
    CHECK_EQ(stats.allowed, 2);
    CHECK_EQ(stats.in_flight, 0);
    CHECK_EQ(test_stats(broker).decisions_overflowed, 1);
    test_client_leave(runs);
    test_client_leave(waits);
    test_client_leave(finds_no_room);
    judged_end(&judging);
}

static void who_goes_and_what_stops_is_counted(int way) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(
        &judging, way, PUBLISH,
        "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],\"callbacks\":{\"timeout_ms\":600000}}");
    judge_rule(&judging, rule_hold("P t"));
    test_client goes = client_open(broker, "goes", 4);
    publish_send(goes, "t", "x", 0x02, 1);
    judge_ticket(&judging, 1);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH).in_flight, 1);
    test_client_reset(goes);
    WAIT_UNTIL(stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH).departed == 1);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH).in_flight, 0);

    test_client stays = client_open(broker, "stays", 4);
    publish_send(stays, "t", "x", 0x02, 1);
    judge_ticket(&judging, 2);
    CHECK_OK(rmqtt_broker_stop(broker, 5000));
    rmqtt_hook_stats_t stats = stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH);
    CHECK_EQ(stats.stopped, 1);
    CHECK_EQ(stats.departed, 1);
    CHECK_EQ(stats.allowed + stats.denied + stats.expired + stats.in_flight, 0);
    CHECK_EQ(test_stats(broker).decisions_denied, 2);
    CHECK_EQ(test_stats(broker).decisions_stopped, 1);
    CHECK_EQ(test_stats(broker).decisions_departed, 1);
    close(stays.fd);

    /* What has been counted stays, and the next run knows nothing of the stop. */
    test_start(broker);
    goes = client_open(broker, "goes", 4);
    publish_send(goes, "t", "x", 0x02, 1);
    judge_ticket(&judging, 3);
    test_client_reset(goes);
    WAIT_UNTIL(stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH).departed == 2);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH).stopped, 1);
    judged_end(&judging);
}

/* ---- slow calls ---- */

typedef struct reader {
    test_probe probe;
    int slow_lines;
} reader;

static void read_line(const rmqtt_log_line_t *line, void *user_data) {
    reader *reading = (reader *)user_data;
    test_enter(&reading->probe);
    if (line->level == RMQTT_LEVEL_WARN && strstr(line->message.ptr, "holds up clients") &&
        strstr(line->message.ptr, "authorize_publish")) {
        test_add(&reading->slow_lines);
    }
    test_leave(&reading->probe);
}

static void a_slow_call_in_place_is_counted_and_logged_while_it_runs(void) {
    judge judging;
    reader reading;
    memset(&reading, 0, sizeof reading);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_WARN, read_line, &reading, test_drop));
    rmqtt_broker_t *broker = judged_broker(&judging, INLINE, PUBLISH);
    rule slow = rule_allow("P slow");
    slow.waits = true;
    judge_rule(&judging, slow);
    test_client client = client_open(broker, "c", 5);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(publish(client, "quick", "x", 1).code, 0x10);
    }
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH).in_flight, 0);
    publish_send(client, "slow", "x", 0x02, 1);
    WAIT_UNTIL(test_get(&reading.slow_lines) == 1);
    rmqtt_hook_stats_t stats = stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH);
    CHECK_EQ(stats.slow, 1);
    CHECK_EQ(stats.in_flight, 1);
    CHECK_EQ(stats.allowed, 3);
    test_door_open(&judging.door);
    CHECK_EQ(ack_read(client, 0x40, 1).code, 0x10);
    stats = stats_of(broker, RMQTT_HOOK_AUTHORIZE_PUBLISH);
    CHECK_EQ(stats.slow, 1);
    CHECK_EQ(stats.allowed, 4);
    CHECK_EQ(test_stats(broker).slow_hook_calls, 1);
    test_client_leave(client);
    judged_end(&judging);
    CHECK_EQ(test_get(&reading.slow_lines), 1);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_WARN, NULL, NULL, NULL));
    CHECK_DROPPED(&reading.probe);
}

static void the_watch_ends_with_the_run(void) {
    judge judging;
    rmqtt_broker_t *broker = judged_broker_with(&judging, INLINE, PUBLISH, "{}");
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    WAIT_UNTIL(test_threads() <= 3);
    int before = test_threads();
    for (int i = 0; i < test_scaled(1000, 20); i++) {
        test_start(broker);
        CHECK_OK(rmqtt_broker_stop(broker, 0));
    }
    WAIT_UNTIL(test_threads() == before);
    judged_end(&judging);
}

/* ---- text ---- */

static void metrics_are_text(void) {
    judge judging;
    rmqtt_string_t *text = NULL;
    rmqtt_broker_t *broker = judged_broker(&judging, ON_CALLBACK_THREAD, PUBLISH);
    test_client client = client_open(broker, "c", 5);
    CHECK_EQ(publish(client, "t", "x", 1).code, 0x10);
    CHECK_OK(rmqtt_broker_metrics(broker, RMQTT_METRICS_JSON, &text));
    rmqtt_str_t view = rmqtt_string_view(text);
    CHECK(view.len > 2 && view.ptr[0] == '{' && view.ptr[view.len - 1] == '}' && view.ptr[view.len] == '\0');
    CHECK_CONTAINS(view, "\"connected_clients\":1");
    CHECK_CONTAINS(view, "\"decisions_allowed\":1");
    CHECK_CONTAINS(view, "\"hooks\":{\"authorize_publish\":{\"allowed\":1,");
    CHECK(strstr(view.ptr, "authorize_subscribe") == NULL);
    rmqtt_string_free(text);
    test_client_leave(client);

    CHECK_STATUS(rmqtt_broker_metrics(broker, RMQTT_METRICS_PROMETHEUS, &text), RMQTT_ERR_UNSUPPORTED);
    CHECK(text == NULL);
    CHECK_STATUS(rmqtt_broker_metrics(broker, 7, &text), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_metrics(broker, RMQTT_METRICS_JSON, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_metrics(NULL, RMQTT_METRICS_JSON, &text), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_ABSENT(rmqtt_string_view(NULL));
    rmqtt_string_free(NULL);

    rmqtt_hook_stats_t stats = rmqtt_hook_stats_init();
    for (int hook = RMQTT_HOOK_AUTHENTICATE; hook <= RMQTT_HOOK_CLIENT_BANNED; hook++) {
        CHECK_OK(rmqtt_broker_hook_stats(broker, hook, &stats));
    }
    const int none[] = {-1, RMQTT_HOOK_CLIENT_BANNED + 1, 63, 1 << 20};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK_STATUS(rmqtt_broker_hook_stats(broker, none[i], &stats), RMQTT_ERR_INVALID_ARGUMENT);
    }
    CHECK_STATUS(rmqtt_broker_hook_stats(broker, RMQTT_HOOK_CONNECTED, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_hook_stats(NULL, RMQTT_HOOK_CONNECTED, &stats), RMQTT_ERR_INVALID_ARGUMENT);
    stats.struct_size = 8;
    CHECK_STATUS(rmqtt_broker_hook_stats(broker, RMQTT_HOOK_CONNECTED, &stats), RMQTT_ERR_INVALID_ARGUMENT);
    judged_end(&judging);
}

/* ---- too many events ---- */

/** Begins with the probe, so that `test_drop` serves. */
typedef struct listener {
    test_probe probe;
    test_door door;
} listener;

static void connected_at_the_door(const rmqtt_connected_t *event, void *user_data) {
    listener *listening = (listener *)user_data;
    (void)event;
    test_enter(&listening->probe);
    test_door_pass(&listening->door);
    test_leave(&listening->probe);
}

static rmqtt_verdict_kind_t allow_subscribe(const rmqtt_authorize_subscribe_t *event, rmqtt_verdict_t *verdict,
                                            void *user_data) {
    (void)event;
    (void)verdict;
    (void)user_data;
    return RMQTT_VERDICT_ALLOW;
}

/** The hook waits at its door, one event waits for it, and `crowd[2]` has brought about one too many. */
static rmqtt_broker_t *crowded_broker_with(listener *listening, const char *callbacks, test_client crowd[3],
                                           rmqtt_authorize_subscribe_fn authorize_subscribe) {
    char config[512];
    const char *const names[] = {"runs", "waits", "finds no room"};
    snprintf(config, sizeof config,
             "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
             "\"runtime\":{\"worker_threads\":1},\"callbacks\":{\"queue\":1,%s}}",
             callbacks);
    memset(listening, 0, sizeof *listening);
    test_door_init(&listening->door);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = listening;
    hooks.drop = test_drop;
    hooks.connected = connected_at_the_door;
    hooks.authorize_subscribe = authorize_subscribe;
    rmqtt_broker_t *broker = test_broker(config);
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    for (int i = 0; i < 3; i++) {
        crowd[i] = client_open(broker, names[i], 5);
        if (i == 0) {
            WAIT_UNTIL(test_get(&listening->probe.running) == 1);
            if (!authorize_subscribe) {
                subscribe(crowd[i], "t", 1, 1);
            }
        }
    }
    return broker;
}

static rmqtt_broker_t *crowded_broker(listener *listening, const char *callbacks, test_client crowd[3]) {
    return crowded_broker_with(listening, callbacks, crowd, allow_subscribe);
}

static void ping_send(test_client client) {
    test_packet packet;
    test_packet_begin(&packet, 0xc0);
    test_packet_send(client.fd, &packet);
}

static bool is_silent(test_client client) {
    uint8_t byte;
    usleep(100000);
    return recv(client.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void crowd_ends(rmqtt_broker_t *broker, listener *listening, test_client crowd[3], int told, int dropped) {
    test_door_open(&listening->door);
    WAIT_UNTIL((int)stats_of(broker, RMQTT_HOOK_CONNECTED).told == told);
    WAIT_UNTIL(stats_of(broker, RMQTT_HOOK_CONNECTED).in_flight == 0);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_CONNECTED).dropped, dropped);
    CHECK_EQ(test_stats(broker).events_dropped, dropped);
    CHECK_EQ(test_stats(broker).events_told, told);
    for (int i = 0; i < 3; i++) {
        test_client_leave(crowd[i]);
    }
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&listening->probe);
}

static void an_event_that_finds_no_room_is_dropped(void) {
    listener listening;
    test_client crowd[3];
    rmqtt_broker_t *broker = crowded_broker(&listening, "\"threads\":1", crowd);
    test_packet packet;
    ping_send(crowd[2]);
    test_packet_expect(crowd[2].fd, &packet, 0xd0);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_CONNECTED).dropped, 1);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_CONNECTED).in_flight, 2);
    crowd_ends(broker, &listening, crowd, 2, 1);
}

static void a_client_waits_for_room_if_it_should(void) {
    listener listening;
    test_client crowd[3];
    test_packet packet;
    rmqtt_broker_t *broker = crowded_broker(
        &listening, "\"threads\":1,\"event_overflow\":\"wait\",\"timeout_ms\":600000", crowd);
    ping_send(crowd[2]);
    CHECK(is_silent(crowd[2]));
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_CONNECTED).in_flight, 3);
    test_door_open(&listening.door);
    test_packet_expect(crowd[2].fd, &packet, 0xd0);
    crowd_ends(broker, &listening, crowd, 3, 0);
}

/** There is one thread for all clients: it has to be free for others while one client's messages wait. */
static void messages_wait_for_room_at_no_cost(void) {
    listener listening;
    test_client crowd[3];
    rmqtt_broker_t *broker = crowded_broker_with(
        &listening, "\"threads\":1,\"event_overflow\":\"wait\",\"timeout_ms\":600000", crowd, NULL);
    for (int qos = 0; qos <= 1; qos++) {
        rmqtt_publish_t message = rmqtt_publish_init();
        message.topic = rmqtt_str("t");
        message.qos = (uint8_t)qos;
        CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    }
    test_client late = client_open(broker, "late", 5);
    test_door_open(&listening.door);
    CHECK(strcmp(test_client_receive(crowd[0]).topic, "t") == 0);
    CHECK(strcmp(test_client_receive(crowd[0]).topic, "t") == 0);
    test_client_leave(late);
    crowd_ends(broker, &listening, crowd, 4, 0);
}

static void a_client_waits_for_room_no_longer_than_allowed(void) {
    listener listening;
    test_client crowd[3];
    test_packet packet;
    rmqtt_broker_t *broker =
        crowded_broker(&listening, "\"threads\":1,\"event_overflow\":\"wait\",\"timeout_ms\":200", crowd);
    ping_send(crowd[2]);
    test_packet_expect(crowd[2].fd, &packet, 0xd0);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_CONNECTED).dropped, 0);
    test_client late = client_open(broker, "late", 5);
    ping_send(late);
    test_packet_expect(late.fd, &packet, 0xd0);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_CONNECTED).dropped, 1);
    test_client_leave(late);
    crowd_ends(broker, &listening, crowd, 3, 1);
}

static void events_take_no_room_away_from_decisions(void) {
    listener listening;
    test_client crowd[3];
    rmqtt_broker_t *broker = crowded_broker(&listening, "\"threads\":3", crowd);
    test_client others[64];
    int count = 0;
    while (count == 0 || stats_of(broker, RMQTT_HOOK_CONNECTED).in_flight < 4 ||
           test_get(&listening.probe.running) < 3) {
        char name[32];
        CHECK(count < 64);
        snprintf(name, sizeof name, "other %d", count);
        others[count++] = client_open(broker, name, 5);
        test_pause();
    }
    const char *filter = "t";
    filters_send(others[0], 0x82, &filter, 1, 0);
    WAIT_UNTIL(stats_of(broker, RMQTT_HOOK_AUTHORIZE_SUBSCRIBE).in_flight == 1);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_AUTHORIZE_SUBSCRIBE).overflowed, 0);
    test_door_open(&listening.door);
    const int granted = 0;
    codes_expect(others[0], 0x90, &granted, 1);
    CHECK_EQ(stats_of(broker, RMQTT_HOOK_AUTHORIZE_SUBSCRIBE).allowed, 1);
    for (int i = 0; i < count; i++) {
        test_client_leave(others[i]);
    }
    int told = (int)stats_of(broker, RMQTT_HOOK_CONNECTED).told;
    int dropped = (int)stats_of(broker, RMQTT_HOOK_CONNECTED).dropped;
    WAIT_UNTIL((told = (int)stats_of(broker, RMQTT_HOOK_CONNECTED).told) + dropped == 3 + count);
    crowd_ends(broker, &listening, crowd, told, dropped);
}

int main(void) {
    each_cause_is_counted_at_its_hook(ON_CALLBACK_THREAD);
    each_cause_is_counted_at_its_hook(INLINE);
    a_full_queue_is_counted();
    for (int way = 0; way < WAYS; way++) {
        who_goes_and_what_stops_is_counted(way);
    }
    a_slow_call_in_place_is_counted_and_logged_while_it_runs();
    the_watch_ends_with_the_run();
    metrics_are_text();
    an_event_that_finds_no_room_is_dropped();
    a_client_waits_for_room_if_it_should();
    messages_wait_for_room_at_no_cost();
    a_client_waits_for_room_no_longer_than_allowed();
    events_take_no_room_away_from_decisions();
    return 0;
}
