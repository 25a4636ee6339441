/* Subscriptions of the program itself. */

#include "test.h"

/** What a subscription has heard. Begins with the probe, so that `test_drop` serves. */
typedef struct ear {
    test_probe probe;
    pthread_mutex_t lock;
    /** The payloads in order, each with a comma behind it. */
    char heard[4096];
    /** The last message. */
    char topic[64];
    int origin;
    int qos;
    bool retain;
    bool has_publisher;
    char publisher[64];
    char username[64];
    char listener[64];
    uint64_t serial;
    int protocol;
    /** Where the calls wait; NULL for nowhere. */
    test_door *door;
    /** What the call frees, or makes for `other`. */
    rmqtt_subscription_t *own;
    struct ear *other;
    rmqtt_broker_t *broker;
} ear;

static void ear_init(ear *listening) {
    memset(listening, 0, sizeof *listening);
    pthread_mutex_init(&listening->lock, NULL);
}

static void copy_text(char *room, size_t size, rmqtt_str_t text) {
    CHECK(text.len < size);
    CHECK(text.len == 0 || text.ptr[text.len] == '\0');
    memcpy(room, text.ptr ? text.ptr : "", text.len + 1);
}

static void hear(const rmqtt_message_t *message, void *user_data) {
    ear *listening = (ear *)user_data;
    test_enter(&listening->probe);
    CHECK_EQ(test_get(&listening->probe.running), 1);
    CHECK_EQ(message->struct_size, sizeof *message);
    CHECK_EQ(message->reserved[0] | message->reserved[1], 0);

    pthread_mutex_lock(&listening->lock);
    size_t length = strlen(listening->heard);
    CHECK(length + message->payload.len + 2 < sizeof listening->heard);
    memcpy(listening->heard + length, message->payload.ptr, message->payload.len);
    memcpy(listening->heard + length + message->payload.len, ",", 2);
    copy_text(listening->topic, sizeof listening->topic, message->topic);
    listening->origin = message->origin;
    listening->qos = message->qos;
    listening->retain = message->retain;
    listening->has_publisher = message->publisher != NULL;
    if (message->publisher) {
        const rmqtt_client_t *publisher = message->publisher;
        CHECK_EQ(publisher->struct_size, sizeof *publisher);
        CHECK_EQ(publisher->node_id, 1);
        CHECK_CONTAINS(publisher->address, "127.0.0.1:");
        copy_text(listening->publisher, sizeof listening->publisher, publisher->client_id);
        copy_text(listening->username, sizeof listening->username, publisher->username);
        copy_text(listening->listener, sizeof listening->listener, publisher->listener);
        listening->serial = publisher->serial;
        listening->protocol = publisher->protocol;
    }
    pthread_mutex_unlock(&listening->lock);

    if (listening->door) {
        test_door_pass(listening->door);
    }
    test_leave(&listening->probe);
}

static bool has_heard(ear *listening, const char *wanted) {
    pthread_mutex_lock(&listening->lock);
    bool same = strcmp(listening->heard, wanted) == 0;
    pthread_mutex_unlock(&listening->lock);
    return same;
}

static int calls(const ear *listening) {
    return test_get(&listening->probe.calls);
}

static rmqtt_subscription_t *subscribe_with(rmqtt_broker_t *broker, const char *filter,
                                            const rmqtt_subscribe_options_t *options, ear *listening) {
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_error_t *error = NULL;
    if (rmqtt_broker_subscribe(broker, rmqtt_str(filter), options, hear, listening, test_drop, &subscription, &error)) {
        FAIL("no subscription to %s: %s", filter, rmqtt_error_message(error).ptr);
    }
    CHECK(subscription != NULL && error == NULL);
    return subscription;
}

static rmqtt_subscription_t *subscribe(rmqtt_broker_t *broker, const char *filter, ear *listening) {
    ear_init(listening);
    return subscribe_with(broker, filter, NULL, listening);
}

static void unsubscribe(rmqtt_subscription_t *subscription, ear *listening) {
    rmqtt_subscription_free(subscription);
    CHECK_DROPPED(&listening->probe);
    CHECK_EQ(test_get(&listening->probe.running), 0);
}

static void messages_tell_where_they_come_from(rmqtt_broker_t *broker) {
    ear listening;
    rmqtt_subscription_t *subscription = subscribe(broker, "from/#", &listening);

    test_publish(broker, "from/api", "api");
    WAIT_UNTIL(has_heard(&listening, "api,"));
    CHECK(strcmp(listening.topic, "from/api") == 0);
    CHECK_EQ(listening.origin, RMQTT_ORIGIN_API);
    CHECK(!listening.has_publisher && !listening.retain);

    test_connect connect = test_connect_init("sensor");
    connect.username = "someone";
    connect.protocol = 5;
    connect.will_topic = "from/will";
    connect.will_payload = "will";
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    test_client_publish(client, "from/client", "client", 1);
    WAIT_UNTIL(has_heard(&listening, "api,client,"));
    CHECK(strcmp(listening.topic, "from/client") == 0);
    CHECK_EQ(listening.origin, RMQTT_ORIGIN_CLIENT);
    CHECK(listening.has_publisher && !listening.retain);
    CHECK(strcmp(listening.publisher, "sensor") == 0);
    CHECK(strcmp(listening.username, "someone") == 0);
    CHECK(strcmp(listening.listener, "tcp-0") == 0);
    CHECK(listening.serial > 0);
    CHECK_EQ(listening.protocol, 5);

    close(client.fd);
    WAIT_UNTIL(has_heard(&listening, "api,client,will,"));
    CHECK_EQ(listening.origin, RMQTT_ORIGIN_WILL);

    unsubscribe(subscription, &listening);
}

static void order_is_kept(rmqtt_broker_t *broker) {
    ear listening;
    rmqtt_subscription_t *subscription = subscribe(broker, "order", &listening);
    char wanted[4096] = "";
    for (int i = 0; i < 300; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        test_publish(broker, "order", payload);
        snprintf(wanted + strlen(wanted), sizeof wanted - strlen(wanted), "%d,", i);
    }
    WAIT_UNTIL(calls(&listening) == 300);
    WAIT_UNTIL(has_heard(&listening, wanted));
    unsubscribe(subscription, &listening);

    /* A client's messages, too. */
    subscription = subscribe(broker, "order", &listening);
    test_client client = test_client_open(test_port(broker, 0), "orderly");
    for (int i = 0; i < 300; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        test_client_publish(client, "order", payload, 0);
    }
    WAIT_UNTIL(has_heard(&listening, wanted));
    test_client_disconnect(client);
    unsubscribe(subscription, &listening);
}

static void retained_messages_come_first(rmqtt_broker_t *broker) {
    ear listening;
    CHECK_OK(test_try_publish(broker, "kept/a", "old", true));

    rmqtt_subscription_t *subscription = subscribe(broker, "kept/a", &listening);
    WAIT_UNTIL(has_heard(&listening, "old,"));
    CHECK_EQ(listening.origin, RMQTT_ORIGIN_RETAINED);
    CHECK(listening.retain);
    CHECK(!listening.has_publisher);
    CHECK_OK(test_try_publish(broker, "kept/a", "new", true));
    WAIT_UNTIL(has_heard(&listening, "old,new,"));
    CHECK_EQ(listening.origin, RMQTT_ORIGIN_API);
    CHECK(!listening.retain);
    unsubscribe(subscription, &listening);

    /* Not wanted: then the live message is the first. */
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.retain_handling = 2;
    ear_init(&listening);
    subscription = subscribe_with(broker, "kept/#", &options, &listening);
    test_publish(broker, "kept/b", "live");
    WAIT_UNTIL(has_heard(&listening, "live,"));
    unsubscribe(subscription, &listening);

    options.retain_handling = 1;
    ear_init(&listening);
    subscription = subscribe_with(broker, "kept/#", &options, &listening);
    WAIT_UNTIL(has_heard(&listening, "new,"));
    unsubscribe(subscription, &listening);

    CHECK_OK(test_try_publish(broker, "kept/a", "", true));
    subscription = subscribe(broker, "kept/#", &listening);
    test_publish(broker, "kept/b", "live");
    WAIT_UNTIL(has_heard(&listening, "live,"));
    unsubscribe(subscription, &listening);
}

static void filters_match_as_in_mqtt(rmqtt_broker_t *broker) {
    ear plus, hash, all, exact;
    rmqtt_subscription_t *s1 = subscribe(broker, "w/+/z", &plus);
    rmqtt_subscription_t *s2 = subscribe(broker, "w/#", &hash);
    rmqtt_subscription_t *s3 = subscribe(broker, "#", &all);
    rmqtt_subscription_t *s4 = subscribe(broker, "w/y/z", &exact);
    test_publish(broker, "w", "1");
    test_publish(broker, "w/y/z", "2");
    test_publish(broker, "w/x/z", "3");
    test_publish(broker, "w/x/y/z", "4");
    test_publish(broker, "$w", "5");
    test_publish(broker, "w/end", "end");
    WAIT_UNTIL(has_heard(&plus, "2,3,"));
    WAIT_UNTIL(has_heard(&hash, "1,2,3,4,end,"));
    WAIT_UNTIL(has_heard(&all, "1,2,3,4,end,"));
    WAIT_UNTIL(has_heard(&exact, "2,"));
    unsubscribe(s1, &plus);
    unsubscribe(s2, &hash);
    unsubscribe(s3, &all);
    unsubscribe(s4, &exact);
}

static void a_shared_subscription_splits_messages(rmqtt_broker_t *broker) {
    ear one, two, apart;
    rmqtt_subscription_t *s1 = subscribe(broker, "$share/group/jobs", &one);
    rmqtt_subscription_t *s2 = subscribe(broker, "$share/group/jobs", &two);
    rmqtt_subscription_t *s3 = subscribe(broker, "jobs", &apart);
    for (int i = 0; i < 20; i++) {
        test_publish(broker, "jobs", "job");
    }
    WAIT_UNTIL(calls(&one) + calls(&two) == 20 && calls(&apart) == 20);
    CHECK_EQ(calls(&one), 10);
    CHECK_EQ(calls(&two), 10);

    /* With one member gone, the other gets all. */
    unsubscribe(s2, &two);
    WAIT_UNTIL(test_stats(broker).in_process_subscriptions == 2);
    for (int i = 0; i < 10; i++) {
        test_publish(broker, "jobs", "job");
    }
    WAIT_UNTIL(calls(&one) == 20 && calls(&apart) == 30);
    unsubscribe(s1, &one);
    unsubscribe(s3, &apart);
}

static void a_slow_function_loses_messages_and_holds_up_nobody(rmqtt_broker_t *broker) {
    ear slow, quick;
    test_door door;
    test_door_init(&door);
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.max_queued_messages = 5;
    ear_init(&slow);
    slow.door = &door;
    rmqtt_subscription_t *s1 = subscribe_with(broker, "much", &options, &slow);
    rmqtt_subscription_t *s2 = subscribe(broker, "much", &quick);
    uint64_t before = test_stats(broker).messages_dropped;

    test_publish(broker, "much", "0");
    WAIT_UNTIL(calls(&slow) == 1);
    for (int i = 1; i <= 8; i++) {
        char payload[16];
        snprintf(payload, sizeof payload, "%d", i);
        test_publish(broker, "much", payload);
    }
    WAIT_UNTIL(has_heard(&quick, "0,1,2,3,4,5,6,7,8,"));
    WAIT_UNTIL(test_stats(broker).messages_dropped - before == 3);
    CHECK_EQ(calls(&slow), 1);

    test_door_open(&door);
    WAIT_UNTIL(has_heard(&slow, "0,1,2,3,4,5,"));
    test_publish(broker, "much", "9");
    WAIT_UNTIL(has_heard(&slow, "0,1,2,3,4,5,9,"));
    CHECK_EQ(test_stats(broker).messages_dropped - before, 3);
    unsubscribe(s1, &slow);
    unsubscribe(s2, &quick);
}

static void hear_and_free(const rmqtt_message_t *message, void *user_data) {
    ear *listening = (ear *)user_data;
    (void)message;
    test_enter(&listening->probe);
    /* The first call may come before `rmqtt_broker_subscribe` has written the subscription. */
    test_door_pass(listening->door);
    rmqtt_subscription_free(listening->own);
    CHECK_EQ(test_get(&listening->probe.drops), 0);
    test_leave(&listening->probe);
}

static void a_function_may_free_its_own_subscription(rmqtt_broker_t *broker) {
    ear listening;
    test_door door;
    ear_init(&listening);
    test_door_init(&door);
    listening.door = &door;
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("own"), NULL, hear_and_free, &listening, test_drop,
                                    &listening.own, NULL));
    for (int i = 0; i < 10; i++) {
        test_publish(broker, "own", "x");
    }
    test_door_open(&door);
    WAIT_UNTIL(test_get(&listening.probe.drops) == 1);
    CHECK_EQ(calls(&listening), 1);
    test_publish(broker, "own", "x");
    WAIT_UNTIL(test_stats(broker).in_process_subscriptions == 0);
    CHECK_EQ(calls(&listening), 1);
    CHECK_DROPPED(&listening.probe);
}

typedef struct flood {
    rmqtt_broker_t *broker;
    int stop;
} flood;

static void *publish_without_end(void *user_data) {
    flood *flowing = (flood *)user_data;
    while (!test_get(&flowing->stop)) {
        for (int i = 0; i < 16; i++) {
            test_publish(flowing->broker, "flood", "x");
        }
        /* A checker that runs one thread at a time would hardly let another one in. */
        test_pause();
    }
    return NULL;
}

static void count_call(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    test_enter((test_probe *)user_data);
    test_leave((test_probe *)user_data);
}

static void nothing_is_called_after_free(rmqtt_broker_t *broker) {
    flood flowing;
    pthread_t thread;
    flowing.broker = broker;
    flowing.stop = 0;
    CHECK_EQ(pthread_create(&thread, NULL, publish_without_end, &flowing), 0);
    for (int i = 0; i < test_scaled(200, 10); i++) {
        /* On the heap, so that a memory checker sees a call that comes too late. */
        test_probe *probe = (test_probe *)calloc(1, sizeof *probe);
        rmqtt_subscription_t *subscription = NULL;
        CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("flood"), NULL, count_call, probe, test_drop, &subscription,
                                        NULL));
        WAIT_UNTIL(test_get(&probe->calls) > 0);
        rmqtt_subscription_free(subscription);
        CHECK_DROPPED(probe);
        CHECK_EQ(test_get(&probe->running), 0);
        free(probe);
    }
    test_set(&flowing.stop, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

static void *free_subscription(void *subscription) {
    rmqtt_subscription_free((rmqtt_subscription_t *)subscription);
    return NULL;
}

static void free_waits_for_a_call_that_runs(rmqtt_broker_t *broker) {
    ear listening;
    test_door door;
    pthread_t thread;
    ear_init(&listening);
    test_door_init(&door);
    listening.door = &door;
    rmqtt_subscription_t *subscription = subscribe_with(broker, "wait", NULL, &listening);
    test_publish(broker, "wait", "x");
    WAIT_UNTIL(calls(&listening) == 1);
    CHECK_EQ(pthread_create(&thread, NULL, free_subscription, subscription), 0);
    /* Once it is off the broker, the other thread waits for nothing but the call. */
    WAIT_UNTIL(test_stats(broker).in_process_subscriptions == 0);
    CHECK_EQ(test_get(&listening.probe.drops), 0);
    test_door_open(&door);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_DROPPED(&listening.probe);
}

static void a_subscription_outlives_its_broker(void) {
    ear stopped, freed;
    rmqtt_broker_t *broker = test_broker("{}");
    test_start(broker);
    rmqtt_subscription_t *s1 = subscribe(broker, "t", &stopped);
    test_publish(broker, "t", "1");
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    /* What was queued before the stop is delivered by it. */
    CHECK(has_heard(&stopped, "1,"));

    /* It ended with that run. */
    test_start(broker);
    rmqtt_subscription_t *s2 = subscribe(broker, "t", &freed);
    test_publish(broker, "t", "2");
    WAIT_UNTIL(has_heard(&freed, "2,"));
    CHECK_EQ(test_stats(broker).in_process_subscriptions, 1);
    unsubscribe(s1, &stopped);
    CHECK(has_heard(&stopped, "1,"));
    /* Freeing the one of the run before does no harm to the other. */
    test_publish(broker, "t", "3");
    WAIT_UNTIL(has_heard(&freed, "2,3,"));

    rmqtt_broker_free(broker);
    unsubscribe(s2, &freed);
}

/** Answers each "ask" by a message, and makes another subscription for it. */
static void hear_and_act(const rmqtt_message_t *message, void *user_data) {
    ear *listening = (ear *)user_data;
    test_enter(&listening->probe);
    CHECK(test_bytes_are(message->payload, "ask"));
    if (!listening->own) {
        listening->own = subscribe(listening->broker, "answer", listening->other);
    }
    test_publish(listening->broker, "answer", "yes");
    test_leave(&listening->probe);
}

static void a_function_may_publish_and_subscribe(rmqtt_broker_t *broker) {
    ear listening, other;
    rmqtt_subscription_t *subscription = NULL;
    ear_init(&listening);
    listening.broker = broker;
    listening.other = &other;
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("question"), NULL, hear_and_act, &listening, test_drop,
                                    &subscription, NULL));
    test_publish(broker, "question", "ask");
    test_publish(broker, "question", "ask");
    WAIT_UNTIL(calls(&listening) == 2 && test_get(&listening.probe.running) == 0);
    WAIT_UNTIL(has_heard(&other, "yes,yes,"));
    CHECK_EQ(other.origin, RMQTT_ORIGIN_API);
    unsubscribe(subscription, &listening);
    unsubscribe(listening.own, &other);
}

int main(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    messages_tell_where_they_come_from(broker);
    order_is_kept(broker);
    retained_messages_come_first(broker);
    filters_match_as_in_mqtt(broker);
    a_shared_subscription_splits_messages(broker);
    a_slow_function_loses_messages_and_holds_up_nobody(broker);
    a_function_may_free_its_own_subscription(broker);
    nothing_is_called_after_free(broker);
    free_waits_for_a_call_that_runs(broker);
    a_function_may_publish_and_subscribe(broker);
    rmqtt_broker_free(broker);
    a_subscription_outlives_its_broker();
    return 0;
}
