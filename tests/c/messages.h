/* What the tests of messages in-process share: a consumer that writes down what it gets. */

#ifndef RMQTT_TEST_MESSAGES_H
#define RMQTT_TEST_MESSAGES_H

#include "hooks.h"

#define CONSUMER_DELIVERIES 64

/** The user data of a subscription. Begins with the probe, so that `test_drop` serves. */
typedef struct consumer {
    test_probe probe;
    pthread_mutex_t lock;
    /** The payloads in order, each with a comma behind it, or a semicolon where a call ends that brought several. */
    char heard[8192];
    int messages;
    /** The last message. */
    char topic[64];
    char properties[512];
    int origin;
    int qos;
    bool retain;
    /** What has to be acknowledged, in order. */
    rmqtt_delivery_t deliveries[CONSUMER_DELIVERIES];
    int delivery_count;
    /** Where the calls wait; NULL for nowhere. */
    test_door *door;
} consumer;

static inline void consumer_init(consumer *consuming) {
    memset(consuming, 0, sizeof *consuming);
    pthread_mutex_init(&consuming->lock, NULL);
}

/** A consumer whose calls wait at a door. */
static inline void consumer_init_behind(consumer *consuming, test_door *door) {
    test_door_init(door);
    consumer_init(consuming);
    consuming->door = door;
}

static inline void consumer_note(consumer *consuming, const rmqtt_message_t *message, const char *separator) {
    CHECK_EQ(message->struct_size, sizeof *message);
    pthread_mutex_lock(&consuming->lock);
    size_t length = strlen(consuming->heard);
    CHECK(length + message->payload.len + 2 < sizeof consuming->heard);
    memcpy(consuming->heard + length, message->payload.ptr, message->payload.len);
    memcpy(consuming->heard + length + message->payload.len, separator, 2);
    judge_copy(consuming->topic, sizeof consuming->topic, message->topic);
    properties_tell(message->properties, consuming->properties, sizeof consuming->properties);
    consuming->origin = message->origin;
    consuming->qos = message->qos;
    consuming->retain = message->retain;
    if (message->delivery != 0) {
        CHECK(consuming->delivery_count < CONSUMER_DELIVERIES);
        consuming->deliveries[consuming->delivery_count++] = message->delivery;
    }
    consuming->messages++;
    pthread_mutex_unlock(&consuming->lock);
}

static inline void consumer_begin(consumer *consuming) {
    test_enter(&consuming->probe);
    CHECK_EQ(test_get(&consuming->probe.running), 1);
}

static inline void consumer_end(consumer *consuming) {
    if (consuming->door) {
        test_door_pass(consuming->door);
    }
    test_leave(&consuming->probe);
}

/** An `rmqtt_message_fn`. */
static inline void consume(const rmqtt_message_t *message, void *user_data) {
    consumer *consuming = (consumer *)user_data;
    consumer_begin(consuming);
    consumer_note(consuming, message, ",");
    consumer_end(consuming);
}

/** An `rmqtt_messages_fn`. */
static inline void consume_batch(const rmqtt_message_t *const *messages, size_t count, void *user_data) {
    consumer *consuming = (consumer *)user_data;
    consumer_begin(consuming);
    CHECK(count > 0);
    for (size_t i = 0; i < count; i++) {
        consumer_note(consuming, messages[i], i + 1 < count ? "," : ";");
    }
    consumer_end(consuming);
}

static inline rmqtt_subscription_t *consumer_start(consumer *consuming, rmqtt_broker_t *broker, const char *filter,
                                                   const rmqtt_subscribe_options_t *options) {
    rmqtt_subscription_t *subscription = NULL;
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str(filter), options, consume, consuming, test_drop, &subscription,
                                    NULL));
    CHECK(subscription != NULL);
    return subscription;
}

static inline void consumer_stop(consumer *consuming, rmqtt_subscription_t *subscription) {
    rmqtt_subscription_free(subscription);
    CHECK_DROPPED(&consuming->probe);
    CHECK_EQ(test_get(&consuming->probe.running), 0);
}

static inline bool consumer_has(consumer *consuming, const char *wanted) {
    pthread_mutex_lock(&consuming->lock);
    bool same = strcmp(consuming->heard, wanted) == 0;
    pthread_mutex_unlock(&consuming->lock);
    return same;
}

static inline int consumer_messages(consumer *consuming) {
    pthread_mutex_lock(&consuming->lock);
    int messages = consuming->messages;
    pthread_mutex_unlock(&consuming->lock);
    return messages;
}

#define CONSUMED(consuming, wanted)                                                        \
    do {                                                                                   \
        int64_t until_ = test_now_ms() + TEST_DEADLINE_MS;                                 \
        while (!consumer_has(consuming, wanted)) {                                         \
            if (test_now_ms() > until_) {                                                  \
                FAIL("\"%s\" has come, not \"%s\"", (consuming)->heard, wanted);           \
            }                                                                              \
            test_pause();                                                                  \
        }                                                                                  \
    } while (0)

static inline rmqtt_subscription_stats_t subscription_stats(const rmqtt_subscription_t *subscription) {
    rmqtt_subscription_stats_t stats = rmqtt_subscription_stats_init();
    CHECK_OK(rmqtt_subscription_stats(subscription, &stats));
    CHECK_EQ(stats.struct_size, sizeof stats);
    return stats;
}

static inline rmqtt_publish_t publication(const char *topic, const char *payload, uint8_t qos) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str(topic);
    message.payload = rmqtt_bytes(payload, strlen(payload));
    message.qos = qos;
    return message;
}

/** What has been reported of a message. Begins with the probe, so that `test_drop` serves. */
typedef struct reports {
    test_probe probe;
    pthread_mutex_t lock;
    char told[256];
} reports;

static inline void reports_init(reports *reporting) {
    memset(reporting, 0, sizeof *reporting);
    pthread_mutex_init(&reporting->lock, NULL);
}

/** An `rmqtt_publish_report_fn`. */
static inline void reports_note(const rmqtt_publish_report_t *report, void *user_data) {
    static const char *const stages[] = {"?", "queued", "acknowledged", "refused"};
    reports *reporting = (reports *)user_data;
    test_enter(&reporting->probe);
    CHECK_EQ(report->struct_size, sizeof *report);
    CHECK_EQ(report->reserved[0] | report->reserved[1] | report->reserved[2], 0);
    CHECK(report->stage >= 1 && report->stage <= 3);
    pthread_mutex_lock(&reporting->lock);
    size_t length = strlen(reporting->told);
    snprintf(reporting->told + length, sizeof reporting->told - length, "%s %d %d %d%s;", stages[report->stage],
             (int)report->receivers, (int)report->acknowledged, (int)report->lost, report->last ? "." : "");
    pthread_mutex_unlock(&reporting->lock);
    test_leave(&reporting->probe);
}

static inline void report_to(rmqtt_publish_t *message, reports *reporting) {
    reports_init(reporting);
    message->on_report = reports_note;
    message->user_data = reporting;
    message->drop = test_drop;
}

/** Waits for these reports, of which the last is the last. */
#define REPORTED(reporting, wanted)                                                  \
    do {                                                                             \
        WAIT_UNTIL(test_get(&(reporting)->probe.drops) == 1);                        \
        CHECK_DROPPED(&(reporting)->probe);                                          \
        if (strcmp((reporting)->told, wanted) != 0) {                                \
            FAIL("\"%s\" has been reported, not \"%s\"", (reporting)->told, wanted); \
        }                                                                            \
    } while (0)

#endif /* RMQTT_TEST_MESSAGES_H */
