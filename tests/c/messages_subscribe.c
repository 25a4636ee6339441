/* Subscriptions of the host program: QoS, acknowledgements, queues, pauses, groups, and messages that are kept. */

#include "messages.h"

static rmqtt_subscribe_options_t options_with(uint8_t qos) {
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.qos = qos;
    return options;
}

static void publish_numbers(rmqtt_broker_t *broker, const char *topic, uint8_t qos, int from, int to) {
    for (int i = from; i <= to; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        rmqtt_publish_t message = publication(topic, payload, qos);
        CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    }
}

static void the_lower_qos_counts(rmqtt_broker_t *broker) {
    test_client client = client_open(broker, "publisher", 5);
    for (int mine = 0; mine <= 2; mine++) {
        consumer consuming;
        consumer_init(&consuming);
        rmqtt_subscribe_options_t options = options_with((uint8_t)mine);
        rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "q", &options);
        for (int theirs = 0; theirs <= 2; theirs++) {
            int messages = consumer_messages(&consuming);
            publish(client, "q", "x", theirs);
            WAIT_UNTIL(consumer_messages(&consuming) == messages + 1);
            CHECK_EQ(consuming.qos, mine < theirs ? mine : theirs);
            CHECK_EQ(consuming.origin, RMQTT_ORIGIN_CLIENT);
        }
        consumer_stop(&consuming, subscription);
    }
    test_client_leave(client);
}

static void retained_messages_come_first_if_wanted(rmqtt_broker_t *broker) {
    rmqtt_publish_t message = publication("retained", "old", 1);
    message.retain = true;
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    for (int handling = 0; handling <= 2; handling++) {
        for (int as_published = 0; as_published <= 1; as_published++) {
            consumer consuming;
            consumer_init(&consuming);
            rmqtt_subscribe_options_t options = options_with(1);
            options.retain_handling = (uint8_t)handling;
            options.retain_as_published = as_published != 0;
            rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "retained", &options);
            if (handling < 2) {
                CONSUMED(&consuming, "old,");
                CHECK(consuming.retain);
                CHECK_EQ(consuming.origin, RMQTT_ORIGIN_RETAINED);
            }
            CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
            CONSUMED(&consuming, handling < 2 ? "old,old," : "old,");
            CHECK_EQ(consuming.retain, as_published);
            CHECK_EQ(consuming.origin, RMQTT_ORIGIN_API);
            consumer_stop(&consuming, subscription);
        }
    }
    message.payload = rmqtt_bytes("", 0);
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
}

static void no_local_is_what_clients_publish(rmqtt_broker_t *broker) {
    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscribe_options_t options = options_with(0);
    options.no_local = true;
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "l", &options);
    test_client client = client_open(broker, "remote", 4);
    reports reporting;
    rmqtt_publish_t message = publication("l", "mine", 1);
    report_to(&message, &reporting);
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    REPORTED(&reporting, "queued 0 0 0.;");
    publish(client, "l", "theirs", 1);
    CONSUMED(&consuming, "theirs,");
    test_client_leave(client);
    consumer_stop(&consuming, subscription);
}

static void the_program_acknowledges_when_it_has_done(rmqtt_broker_t *broker) {
    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscribe_options_t options = options_with(2);
    options.manual_ack = true;
    options.receive_maximum = 2;
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "m", &options);
    publish_numbers(broker, "m", 2, 1, 4);
    CONSUMED(&consuming, "1,2,");
    WAIT_UNTIL(subscription_stats(subscription).queued_messages == 2);
    CHECK_EQ(subscription_stats(subscription).unacknowledged, 2);
    CHECK(subscription_stats(subscription).queued_bytes > 0);
    CHECK(consuming.deliveries[0] != 0 && consuming.deliveries[0] != consuming.deliveries[1]);
    CHECK_OK(rmqtt_delivery_ack(consuming.deliveries[1]));
    CONSUMED(&consuming, "1,2,3,");
    CHECK_STATUS(rmqtt_delivery_ack(consuming.deliveries[1]), RMQTT_ERR_EXPIRED);
    CHECK_OK(rmqtt_delivery_ack(consuming.deliveries[0]));
    CONSUMED(&consuming, "1,2,3,4,");
    /* QoS 0 needs no acknowledgement, and does not wait for any. */
    publish_numbers(broker, "m", 0, 5, 5);
    CONSUMED(&consuming, "1,2,3,4,5,");
    CHECK_EQ(consuming.delivery_count, 4);
    WAIT_UNTIL(subscription_stats(subscription).delivered == 5);
    rmqtt_subscription_stats_t stats = subscription_stats(subscription);
    CHECK_EQ(stats.acknowledged, 2);
    CHECK_EQ(stats.unacknowledged, 2);
    CHECK_EQ(stats.dropped, 0);
    consumer_stop(&consuming, subscription);
    CHECK_STATUS(rmqtt_delivery_ack(consuming.deliveries[2]), RMQTT_ERR_EXPIRED);
    CHECK_STATUS(rmqtt_delivery_ack(0), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_delivery_ack(UINT64_MAX), RMQTT_ERR_EXPIRED);
}

static void queues_drop_as_they_are_told_to(rmqtt_broker_t *broker, int overflow, const char *heard) {
    test_door door;
    consumer consuming;
    consumer_init_behind(&consuming, &door);
    rmqtt_subscribe_options_t options = options_with(1);
    options.max_queued_messages = 2;
    options.overflow = (uint8_t)overflow;
    uint64_t dropped = test_stats(broker).messages_dropped_queue_full;
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "o", &options);
    publish_numbers(broker, "o", 1, 0, 0);
    WAIT_UNTIL(test_get(&consuming.probe.running) == 1);
    publish_numbers(broker, "o", 1, 1, 4);
    CHECK_EQ(subscription_stats(subscription).dropped, 2);
    CHECK_EQ(test_stats(broker).messages_dropped_queue_full, dropped + 2);
    test_door_open(&door);
    CONSUMED(&consuming, heard);
    consumer_stop(&consuming, subscription);
}

static void bytes_are_bounded_too(rmqtt_broker_t *broker) {
    test_door door;
    consumer consuming;
    static char large[4096];
    consumer_init_behind(&consuming, &door);
    memset(large, 'x', sizeof large - 1);
    rmqtt_subscribe_options_t options = options_with(1);
    options.max_queued_bytes = 5000;
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "o", &options);
    publish_numbers(broker, "o", 1, 0, 0);
    WAIT_UNTIL(test_get(&consuming.probe.running) == 1);
    rmqtt_publish_t message = publication("o", large, 1);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    }
    CHECK_EQ(subscription_stats(subscription).queued_messages, 1);
    CHECK_EQ(subscription_stats(subscription).dropped, 2);
    test_door_open(&door);
    WAIT_UNTIL(consumer_messages(&consuming) == 2);
    consumer_stop(&consuming, subscription);
}

/** A program that publishes to a queue that is full is told so, or waits. */
static void a_full_queue_blocks_the_program(rmqtt_broker_t *broker) {
    test_door door;
    consumer consuming;
    consumer_init_behind(&consuming, &door);
    rmqtt_subscribe_options_t options = options_with(1);
    options.max_queued_messages = 2;
    options.overflow = RMQTT_OVERFLOW_BLOCK;
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "f/#", &options);
    publish_numbers(broker, "f/a", 1, 0, 0);
    WAIT_UNTIL(test_get(&consuming.probe.running) == 1);
    publish_numbers(broker, "f/a", 1, 1, 2);
    rmqtt_publish_t message = publication("f/b", "3", 1);
    CHECK_STATUS(rmqtt_broker_publish(broker, &message, NULL), RMQTT_ERR_WOULD_BLOCK);
    int64_t begin = test_now_ms();
    message.wait_ms = 50;
    CHECK_STATUS(rmqtt_broker_publish(broker, &message, NULL), RMQTT_ERR_WOULD_BLOCK);
    CHECK(test_now_ms() - begin >= 50);
    /* Elsewhere there is room. */
    publish_numbers(broker, "elsewhere", 1, 0, 0);
    test_door_open(&door);
    message.wait_ms = TEST_DEADLINE_MS;
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    CONSUMED(&consuming, "0,1,2,3,");
    CHECK_EQ(subscription_stats(subscription).dropped, 0);
    consumer_stop(&consuming, subscription);
}

static void a_full_queue_blocks_clients_that_are_acknowledged(rmqtt_broker_t *broker, int protocol, int qos) {
    test_door door;
    consumer consuming;
    consumer_init_behind(&consuming, &door);
    rmqtt_subscribe_options_t options = options_with(1);
    options.max_queued_messages = 2;
    options.overflow = RMQTT_OVERFLOW_BLOCK;
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "f", &options);
    test_client client = client_open(broker, "blocked", protocol);
    publish_send(client, "f", "0", qos << 1, 1);
    WAIT_UNTIL(test_get(&consuming.probe.running) == 1);
    for (int id = 2; id <= 8; id++) {
        char payload[2] = {(char)('0' + id - 1), '\0'};
        publish_send(client, "f", payload, qos << 1, id);
    }
    /* Those that have a place are acknowledged, and the client is not read from any more. */
    for (int id = 1; id <= 3; id++) {
        CHECK_EQ(ack_read(client, qos == 1 ? 0x40 : 0x50, id).code, 0);
    }
    struct timeval moment = {0, 50000};
    uint8_t byte;
    CHECK_EQ(setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment), 0);
    CHECK(recv(client.fd, &byte, 1, 0) < 0);
    moment.tv_sec = TEST_DEADLINE_MS / 1000;
    CHECK_EQ(setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment), 0);
    CHECK_EQ(subscription_stats(subscription).queued_messages, 2);
    /* QoS 0 of another one is dropped, and holds up nobody. */
    test_client other = client_open(broker, "other", protocol);
    publish(other, "f", "dropped", 0);
    WAIT_UNTIL(subscription_stats(subscription).dropped == 1);
    CHECK_EQ(publish(other, "elsewhere", "x", 1).code < 0x80, 1);
    test_door_open(&door);
    for (int id = 4; id <= 8; id++) {
        CHECK_EQ(ack_read(client, qos == 1 ? 0x40 : 0x50, id).code, 0);
    }
    CONSUMED(&consuming, "0,1,2,3,4,5,6,7,");
    test_client_leave(client);
    test_client_leave(other);
    consumer_stop(&consuming, subscription);
}

static void a_pause_holds_calls_back(rmqtt_broker_t *broker) {
    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "p", NULL);
    publish_numbers(broker, "p", 0, 1, 1);
    CONSUMED(&consuming, "1,");
    CHECK_OK(rmqtt_subscription_pause(subscription));
    CHECK_OK(rmqtt_subscription_pause(subscription));
    publish_numbers(broker, "p", 0, 2, 3);
    WAIT_UNTIL(subscription_stats(subscription).queued_messages == 2);
    CHECK(subscription_stats(subscription).paused);
    CHECK_EQ(consumer_messages(&consuming), 1);
    CHECK_OK(rmqtt_subscription_resume(subscription));
    CONSUMED(&consuming, "1,2,3,");
    CHECK(!subscription_stats(subscription).paused);
    CHECK_OK(rmqtt_subscription_resume(subscription));
    /* It may end while it is paused. */
    CHECK_OK(rmqtt_subscription_pause(subscription));
    publish_numbers(broker, "p", 0, 4, 4);
    consumer_stop(&consuming, subscription);
    CHECK(consumer_has(&consuming, "1,2,3,"));
    CHECK_STATUS(rmqtt_subscription_pause(NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_subscription_resume(NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_subscription_stats(NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
}

/** What a subscription may do in its own function. */
typedef struct own {
    consumer consuming;
    rmqtt_subscription_t *subscription;
    bool ends;
} own;

static void in_its_own_function(const rmqtt_message_t *message, void *user_data) {
    own *mine = (own *)user_data;
    consumer_begin(&mine->consuming);
    consumer_note(&mine->consuming, message, ",");
    CHECK(subscription_stats(mine->subscription).paused == false);
    CHECK_OK(rmqtt_delivery_ack(message->delivery));
    if (mine->ends) {
        rmqtt_subscription_free(mine->subscription);
    } else {
        CHECK_OK(rmqtt_subscription_pause(mine->subscription));
    }
    consumer_end(&mine->consuming);
}

static void a_subscription_may_change_itself(rmqtt_broker_t *broker) {
    for (int ends = 0; ends <= 1; ends++) {
        own mine;
        consumer_init(&mine.consuming);
        mine.ends = ends != 0;
        rmqtt_subscribe_options_t options = options_with(1);
        options.manual_ack = true;
        CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("own"), &options, in_its_own_function, &mine, test_drop,
                                        &mine.subscription, NULL));
        publish_numbers(broker, "own", 1, 1, 2);
        CONSUMED(&mine.consuming, "1,");
        if (ends) {
            WAIT_UNTIL(test_get(&mine.consuming.probe.drops) == 1);
            CHECK_DROPPED(&mine.consuming.probe);
        } else {
            WAIT_UNTIL(subscription_stats(mine.subscription).queued_messages == 1);
            CHECK_OK(rmqtt_subscription_resume(mine.subscription));
            CONSUMED(&mine.consuming, "1,2,");
            consumer_stop(&mine.consuming, mine.subscription);
        }
        CHECK(consumer_has(&mine.consuming, ends ? "1," : "1,2,"));
    }
}

static void calls_bring_as_many_as_there_are(rmqtt_broker_t *broker) {
    test_door door;
    consumer consuming;
    consumer_init_behind(&consuming, &door);
    rmqtt_subscribe_options_t options = options_with(1);
    options.max_batch = 3;
    options.manual_ack = true;
    rmqtt_subscription_t *subscription = NULL;
    CHECK_OK(rmqtt_broker_subscribe_batch(broker, rmqtt_str("b"), &options, consume_batch, &consuming, test_drop,
                                          &subscription, NULL));
    publish_numbers(broker, "b", 1, 0, 0);
    WAIT_UNTIL(test_get(&consuming.probe.running) == 1);
    publish_numbers(broker, "b", 1, 1, 7);
    test_door_open(&door);
    CONSUMED(&consuming, "0;1,2,3;4,5,6;7;");
    for (int i = 0; i < 8; i++) {
        CHECK_OK(rmqtt_delivery_ack(consuming.deliveries[i]));
    }
    consumer_stop(&consuming, subscription);

    test_probe probe;
    memset(&probe, 0, sizeof probe);
    CHECK_STATUS(rmqtt_broker_subscribe_batch(broker, rmqtt_str("b"), NULL, NULL, &probe, test_drop, &subscription,
                                              NULL),
                 RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_DROPPED(&probe);
}

/** Two subscriptions of the program and two clients share the work. */
static void groups_are_shared_with_clients(rmqtt_broker_t *broker) {
    consumer one, two;
    consumer_init(&one);
    consumer_init(&two);
    rmqtt_subscribe_options_t options = options_with(1);
    rmqtt_subscription_t *first = consumer_start(&one, broker, "$share/g/work", &options);
    rmqtt_subscription_t *second = consumer_start(&two, broker, "$share/g/work", &options);
    test_client v4 = client_open(broker, "worker 4", 4);
    test_client v5 = client_open(broker, "worker 5", 5);
    subscribe(v4, "$share/g/work", 1, 1);
    subscribe(v5, "$share/g/work", 1, 1);
    publish_numbers(broker, "work", 1, 1, 8);
    WAIT_UNTIL(consumer_messages(&one) == 2 && consumer_messages(&two) == 2);
    for (int i = 0; i < 2; i++) {
        inbound message = message_read(v4);
        message_acknowledge(v4, &message);
        message = message_read(v5);
        message_acknowledge(v5, &message);
    }
    test_client_leave(v4);
    test_client_leave(v5);
    consumer_stop(&one, first);
    consumer_stop(&two, second);
}

/** What a member has not done with goes to another one. */
static void a_member_that_ends_leaves_its_work_to_others(rmqtt_broker_t *broker) {
    consumer one, two;
    consumer_init(&one);
    consumer_init(&two);
    rmqtt_subscribe_options_t options = options_with(1);
    options.manual_ack = true;
    options.receive_maximum = 2;
    rmqtt_subscription_t *first = consumer_start(&one, broker, "$share/g/left", &options);
    publish_numbers(broker, "left", 1, 1, 4);
    CONSUMED(&one, "1,2,");
    rmqtt_subscribe_options_t automatic = options_with(1);
    rmqtt_subscription_t *second = consumer_start(&two, broker, "$share/g/left", &automatic);
    CHECK_OK(rmqtt_delivery_ack(one.deliveries[0]));
    CONSUMED(&one, "1,2,3,");
    consumer_stop(&one, first);
    CONSUMED(&two, "2,3,4,");
    /* What has been handed over with QoS 2 goes to nobody else. */
    consumer once;
    consumer_init(&once);
    options.qos = 2;
    rmqtt_subscription_t *third = consumer_start(&once, broker, "$share/h/once", &options);
    publish_numbers(broker, "once", 2, 1, 3);
    CONSUMED(&once, "1,2,");
    consumer heir;
    consumer_init(&heir);
    rmqtt_subscription_t *fourth = consumer_start(&heir, broker, "$share/h/once", &automatic);
    consumer_stop(&once, third);
    CONSUMED(&heir, "3,");
    consumer_stop(&heir, fourth);
    /* Nobody is left. */
    uint64_t gone = test_stats(broker).messages_dropped_client_gone;
    CHECK_OK(rmqtt_subscription_pause(second));
    publish_numbers(broker, "left", 1, 5, 6);
    consumer_stop(&two, second);
    CHECK_EQ(test_stats(broker).messages_dropped_client_gone, gone + 2);
}

/** Keeps the last message. */
typedef struct keeper {
    test_probe probe;
    const rmqtt_message_t *kept;
} keeper;

static void keep(const rmqtt_message_t *message, void *user_data) {
    keeper *keeping = (keeper *)user_data;
    const rmqtt_message_t *kept = rmqtt_message_retain(message);
    /* Not copied. */
    CHECK(kept && kept->payload.ptr == message->payload.ptr && kept->topic.ptr == message->topic.ptr);
    keeping->kept = kept;
    test_enter(&keeping->probe);
    test_leave(&keeping->probe);
}

static void check_kept(const rmqtt_message_t *message) {
    char told[512];
    CHECK_STR(message->topic, "kept/topic");
    CHECK_EQ(message->payload.len, 4);
    CHECK(memcmp(message->payload.ptr, "body", 4) == 0);
    CHECK_EQ(message->qos, 1);
    CHECK(message->publisher != NULL);
    CHECK_STR(message->publisher->client_id, "publisher");
    properties_tell(message->properties, told, sizeof told);
    CHECK(strcmp(told, "bytes type text a=b ") == 0);
}

static void a_message_can_be_kept(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    keeper keeping;
    memset(&keeping, 0, sizeof keeping);
    rmqtt_subscribe_options_t options = options_with(1);
    rmqtt_subscription_t *subscription = NULL;
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("kept/#"), &options, keep, &keeping, test_drop, &subscription,
                                    NULL));
    test_client client = client_open(broker, "publisher", 5);
    const uint8_t properties[] = {0x03, 0, 4, 't', 'e', 'x', 't', 0x26, 0, 1, 'a', 0, 1, 'b'};
    publish_with(client, "kept/topic", "body", 0x04, 1, properties, sizeof properties);
    CHECK_EQ(ack_read(client, 0x50, 1).code, 0);
    WAIT_UNTIL(test_get(&keeping.probe.calls) == 1);
    test_client_reset(client);
    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(broker);
    /* It outlives everything, and may be kept once more; so may a copy of its struct. */
    check_kept(keeping.kept);
    const rmqtt_message_t *again = rmqtt_message_retain(keeping.kept);
    rmqtt_message_t copy = *keeping.kept;
    const rmqtt_message_t *of_copy = rmqtt_message_retain(&copy);
    rmqtt_message_release(keeping.kept);
    check_kept(again);
    rmqtt_message_release(again);
    check_kept(of_copy);
    rmqtt_message_release(of_copy);
    rmqtt_message_release(NULL);
    CHECK(rmqtt_message_retain(NULL) == NULL);
}

static const rmqtt_message_t *seen_inline;

static rmqtt_verdict_kind_t keep_inline(const rmqtt_authorize_publish_t *event, rmqtt_verdict_t *verdict,
                                        void *user_data) {
    (void)verdict;
    (void)user_data;
    seen_inline = rmqtt_message_retain(event->message);
    return RMQTT_VERDICT_ALLOW;
}

/** What an inline hook sees is part of the packet: it is copied. */
static void an_inline_hook_may_keep_a_message(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.authorize_publish = keep_inline;
    hooks.flags[RMQTT_HOOK_AUTHORIZE_PUBLISH] = RMQTT_HOOK_INLINE;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    test_client client = client_open(broker, "publisher", 5);
    const uint8_t properties[] = {0x03, 0, 4, 't', 'e', 'x', 't', 0x26, 0, 1, 'a', 0, 1, 'b'};
    publish_with(client, "kept/topic", "body", 0x02, 1, properties, sizeof properties);
    CHECK(ack_read(client, 0x40, 1).code < 0x80);
    test_client_leave(client);
    rmqtt_broker_free(broker);
    check_kept(seen_inline);
    rmqtt_message_release(seen_inline);
}

/** What waits is delivered when the broker stops, whatever is unacknowledged, but not what is paused. */
static void a_stop_delivers_what_it_can(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    consumer automatic, manual, paused;
    consumer_init(&automatic);
    consumer_init(&manual);
    consumer_init(&paused);
    rmqtt_subscribe_options_t options = options_with(1);
    options.manual_ack = true;
    options.receive_maximum = 1;
    rmqtt_subscription_t *first = consumer_start(&automatic, broker, "s", NULL);
    rmqtt_subscription_t *second = consumer_start(&manual, broker, "s", &options);
    rmqtt_subscription_t *third = consumer_start(&paused, broker, "s", NULL);
    CHECK_OK(rmqtt_subscription_pause(third));
    publish_numbers(broker, "s", 1, 1, 3);
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    CHECK(consumer_has(&automatic, "1,2,3,"));
    CHECK(consumer_has(&manual, "1,2,3,"));
    CHECK_STATUS(rmqtt_delivery_ack(manual.deliveries[0]), RMQTT_ERR_EXPIRED);
    CHECK_OK(rmqtt_subscription_resume(third));
    CHECK(consumer_has(&paused, ""));
    CHECK_EQ(subscription_stats(third).queued_messages, 0);
    CHECK_EQ(subscription_stats(third).dropped, 3);
    CHECK_EQ(test_stats(broker).messages_dropped_client_gone, 3);
    rmqtt_broker_free(broker);
    consumer_stop(&automatic, first);
    consumer_stop(&manual, second);
    consumer_stop(&paused, third);
}

typedef struct waiting_publisher {
    rmqtt_broker_t *broker;
    rmqtt_status_t status;
    int began;
} waiting_publisher;

static void *publish_and_wait(void *user_data) {
    waiting_publisher *waiting = (waiting_publisher *)user_data;
    rmqtt_publish_t message = publication("w", "late", 1);
    message.wait_ms = 600000;
    test_set(&waiting->began, 1);
    waiting->status = rmqtt_broker_publish(waiting->broker, &message, NULL);
    return NULL;
}

/** Nobody who waits for a subscription that is paused keeps a stop, or another connection, waiting. */
static void publishers_that_wait_do_not_hold_up_a_stop(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    consumer consuming;
    consumer_init(&consuming);
    rmqtt_subscribe_options_t options = options_with(1);
    options.overflow = RMQTT_OVERFLOW_BLOCK;
    options.max_queued_messages = 1;
    rmqtt_subscription_t *subscription = consumer_start(&consuming, broker, "w", &options);
    CHECK_OK(rmqtt_subscription_pause(subscription));
    test_client client = client_open(broker, "waits", 5);
    CHECK_EQ(publish(client, "w", "1", 1).code, 0);
    publish_send(client, "w", "2", 0x02, 8);
    /* It is not read from; somebody else under its name is let in all the same, and then waits, too. */
    test_client other = client_open(broker, "waits", 5);
    CHECK_EQ(publish(other, "elsewhere", "x", 1).code, 0x10);
    CHECK_EQ(publish(other, "w", "3", 1).code, 0);
    publish_send(other, "w", "4", 0x02, 8);

    /* The program has a place beyond the queue, as each client has. */
    publish_numbers(broker, "w", 1, 5, 5);
    waiting_publisher waiting;
    pthread_t thread;
    memset(&waiting, 0, sizeof waiting);
    waiting.broker = broker;
    CHECK_EQ(pthread_create(&thread, NULL, publish_and_wait, &waiting), 0);
    WAIT_UNTIL(test_get(&waiting.began));
    int64_t begin = test_now_ms();
    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    CHECK(test_now_ms() - begin < 10000);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(waiting.status, RMQTT_ERR_INVALID_STATE);
    consumer_stop(&consuming, subscription);
    rmqtt_broker_free(broker);
    close(client.fd);
    close(other.fd);
}

/** Rules and hooks are for clients. */
static void the_program_is_not_asked(int way) {
    judge judging;
    rmqtt_broker_t *broker =
        judged_broker_with(&judging, way, BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE) | BIT(RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE) |
                               BIT(RMQTT_HOOK_AUTHORIZE_FORWARD),
                           "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                           "\"acl\":{\"sys_topics\":\"deny\"},\"limits\":{\"max_subscriptions\":1}}");
    consumer all, shared, system;
    consumer_init(&all);
    consumer_init(&shared);
    consumer_init(&system);
    judge_rule(&judging, rule_deny("S t", 0, NULL));
    judge_rule(&judging, rule_deny("F c t", 0, NULL));
    CHECK_OK(test_try_publish(broker, "t", "kept", true));
    rmqtt_subscription_t *first = consumer_start(&all, broker, "t", NULL);
    rmqtt_subscription_t *second = consumer_start(&shared, broker, "$share/g/t", NULL);
    rmqtt_subscription_t *third = consumer_start(&system, broker, "$SYS/#", NULL);
    test_publish(broker, "t", "live");
    test_publish(broker, "$SYS/x", "own");
    CONSUMED(&all, "kept,live,");
    CONSUMED(&shared, "live,");
    CONSUMED(&system, "own,");
    consumer_stop(&all, first);
    consumer_stop(&shared, second);
    consumer_stop(&system, third);
    CHECK_ASKED(&judging, "");
    judged_end(&judging);
}

int main(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    the_lower_qos_counts(broker);
    retained_messages_come_first_if_wanted(broker);
    no_local_is_what_clients_publish(broker);
    the_program_acknowledges_when_it_has_done(broker);
    queues_drop_as_they_are_told_to(broker, RMQTT_OVERFLOW_DROP_NEWEST, "0,1,2,");
    queues_drop_as_they_are_told_to(broker, RMQTT_OVERFLOW_DROP_OLDEST, "0,3,4,");
    bytes_are_bounded_too(broker);
    a_full_queue_blocks_the_program(broker);
    a_full_queue_blocks_clients_that_are_acknowledged(broker, 4, 1);
    a_full_queue_blocks_clients_that_are_acknowledged(broker, 5, 2);
    a_pause_holds_calls_back(broker);
    a_subscription_may_change_itself(broker);
    calls_bring_as_many_as_there_are(broker);
    groups_are_shared_with_clients(broker);
    a_member_that_ends_leaves_its_work_to_others(broker);
    rmqtt_broker_free(broker);
    the_program_is_not_asked(ON_CALLBACK_THREAD);
    the_program_is_not_asked(INLINE);
    a_message_can_be_kept();
    an_inline_hook_may_keep_a_message();
    a_stop_delivers_what_it_can();
    publishers_that_wait_do_not_hold_up_a_stop();
    return 0;
}
