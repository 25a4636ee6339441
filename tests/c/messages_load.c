/* Subscriptions of the host program under load: slow consumers that lose nothing, and ends while messages pour in. */

#include "messages.h"

#define PUBLISHERS 10

/** What the program has in memory, in KB. */
static long resident_kb(void) {
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%ld %ld", &pages, &resident), 2);
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

/** Takes its time for each message, and looks that none is missing or out of order. */
typedef struct slow_consumer {
    test_probe probe;
    int next[PUBLISHERS];
    int messages;
    int pause_us;
} slow_consumer;

static void take_time(const rmqtt_message_t *message, void *user_data) {
    slow_consumer *consuming = (slow_consumer *)user_data;
    char text[32];
    int publisher = -1, number = -1;
    test_enter(&consuming->probe);
    CHECK_EQ(test_get(&consuming->probe.running), 1);
    CHECK(message->payload.len < sizeof text);
    memcpy(text, message->payload.ptr, message->payload.len);
    text[message->payload.len] = '\0';
    CHECK_EQ(sscanf(text, "%d %d", &publisher, &number), 2);
    CHECK(publisher >= 0 && publisher < PUBLISHERS);
    CHECK_EQ(number, consuming->next[publisher]);
    consuming->next[publisher]++;
    usleep((useconds_t)consuming->pause_us);
    test_leave(&consuming->probe);
    test_add(&consuming->messages);
}

typedef struct publisher {
    pthread_t thread;
    uint16_t port;
    int number;
    int messages;
} publisher;

/** Publishes with QoS 1, up to 20 unacknowledged, as client libraries do. */
static void *publish_all(void *user_data) {
    publisher *publishing = (publisher *)user_data;
    char text[32];
    snprintf(text, sizeof text, "publisher %d", publishing->number);
    test_client client = test_client_open(publishing->port, text);
    /* A slow consumer keeps its publishers waiting for as long as it takes. */
    struct timeval patience = {180, 0};
    CHECK_EQ(setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    int acknowledged = 0;
    for (int sent = 0; sent < publishing->messages || acknowledged < sent;) {
        if (sent < publishing->messages && sent - acknowledged < 20) {
            snprintf(text, sizeof text, "%d %d", publishing->number, sent);
            publish_send(client, "slow", text, 0x02, sent % 65535 + 1);
            sent++;
        } else {
            CHECK_EQ(ack_read(client, 0x40, acknowledged % 65535 + 1).code, 0);
            acknowledged++;
        }
    }
    test_client_leave(client);
    return NULL;
}

/** What it takes until a client gets its own message, in milliseconds: the longest of all, in thousandths. */
static int64_t round_trip_us(test_client client) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    publish_send(client, "unrelated", "x", 0, 0);
    message_read(client);
    clock_gettime(CLOCK_MONOTONIC, &after);
    return (after.tv_sec - before.tv_sec) * 1000000LL + (after.tv_nsec - before.tv_nsec) / 1000;
}

static int by_size(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return a < b ? -1 : a > b;
}

/**
 * A consumer that takes 10 ms a message: nothing is lost of what ten clients publish, memory stays as it is, and others
 * notice nothing. RMQTT_TEST_LONG has it done with ten thousand messages, which takes two minutes.
 */
static void a_slow_consumer_slows_its_publishers_only(void) {
    int messages = getenv("RMQTT_TEST_LONG") ? 10000 : test_scaled(1000, 100);
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    slow_consumer consuming;
    memset(&consuming, 0, sizeof consuming);
    consuming.pause_us = 10000;
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.qos = 1;
    options.overflow = RMQTT_OVERFLOW_BLOCK;
    options.max_queued_messages = 50;
    rmqtt_subscription_t *subscription = NULL;
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("slow"), &options, take_time, &consuming, test_drop,
                                    &subscription, NULL));
    test_client unrelated = test_client_open(test_port(broker, 0), "unrelated");
    subscribe(unrelated, "unrelated", 0, 0);

    publisher publishers[PUBLISHERS];
    for (int i = 0; i < PUBLISHERS; i++) {
        publishers[i].port = test_port(broker, 0);
        publishers[i].number = i;
        publishers[i].messages = messages / PUBLISHERS;
        CHECK_EQ(pthread_create(&publishers[i].thread, NULL, publish_all, &publishers[i]), 0);
    }
    WAIT_UNTIL(test_get(&consuming.messages) >= messages / 10);
    long before_kb = resident_kb(), most_kb = before_kb;
    static int64_t times[200000];
    size_t count = 0;
    while (test_get(&consuming.messages) < messages) {
        CHECK(count < sizeof times / sizeof *times);
        times[count++] = round_trip_us(unrelated);
        long now_kb = resident_kb();
        most_kb = now_kb > most_kb ? now_kb : most_kb;
        /* One message beyond the queue for each publisher. */
        CHECK(subscription_stats(subscription).queued_messages <= 50 + PUBLISHERS);
        test_pause();
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        CHECK_EQ(pthread_join(publishers[i].thread, NULL), 0);
        CHECK_EQ(consuming.next[i], messages / PUBLISHERS);
    }
    qsort(times, count, sizeof *times, by_size);
    int64_t p99_us = times[count * 99 / 100];
    printf("%d messages of 10 ms each: %d lost; an unrelated round trip of %zu takes %lld us in the middle, %lld us at "
           "p99, %lld us at most; memory %ld KB and %ld KB more at most\n",
           messages, messages - test_get(&consuming.messages), count, (long long)times[count / 2], (long long)p99_us,
           (long long)times[count - 1], before_kb, most_kb - before_kb);
    /* What is lost to a busy machine now and then is not the broker's. */
    CHECK(getenv("RMQTT_TEST_SHORT") || p99_us < 20000);
    CHECK(getenv("RMQTT_TEST_SHORT") || most_kb - before_kb < 4096);
    rmqtt_subscription_free(subscription);
    CHECK_DROPPED(&consuming.probe);
    test_client_leave(unrelated);
    rmqtt_broker_free(broker);
}

static void count_calls(const rmqtt_message_t *message, void *user_data) {
    test_probe *probe = (test_probe *)user_data;
    CHECK_EQ(message->payload.len, 4);
    test_enter(probe);
    test_leave(probe);
}

typedef struct flood {
    rmqtt_broker_t *broker;
    int over;
} flood;

static void *flood_run(void *user_data) {
    flood *flooding = (flood *)user_data;
    rmqtt_publish_t messages[32];
    for (size_t i = 0; i < 32; i++) {
        messages[i] = publication("flood", "wave", (uint8_t)(i % 3));
    }
    while (!test_get(&flooding->over)) {
        size_t accepted = 0;
        rmqtt_status_t status = rmqtt_broker_publish_batch(flooding->broker, messages, 32, &accepted, NULL);
        CHECK(status == RMQTT_OK || status == RMQTT_ERR_WOULD_BLOCK);
    }
    return NULL;
}

/** A subscription may end at any moment: no call comes after it, and nothing of it is left. */
static void subscriptions_end_under_full_load(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    flood flooding;
    pthread_t threads[2];
    flooding.broker = broker;
    flooding.over = 0;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, flood_run, &flooding), 0);
    }
    int times = getenv("RMQTT_TEST_LONG") ? 1000 : test_scaled(1000, 100);
    static test_probe probes[1000];
    memset(probes, 0, sizeof probes);
    for (int i = 0; i < times; i++) {
        rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
        options.qos = (uint8_t)(i % 3);
        options.overflow = (uint8_t)(i / 3 % 3);
        options.manual_ack = i % 2 == 1;
        rmqtt_subscription_t *subscription = NULL;
        CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str(i % 5 == 0 ? "$share/g/flood" : "flood"), &options,
                                        count_calls, &probes[i], test_drop, &subscription, NULL));
        if (i % 4 != 0) {
            WAIT_UNTIL(test_get(&probes[i].calls) > 0);
        }
        rmqtt_subscription_free(subscription);
        CHECK_DROPPED(&probes[i]);
        int calls = test_get(&probes[i].calls);
        CHECK_EQ(test_get(&probes[i].running), 0);
        probes[i].running = -calls; /* Looked at again below. */
    }
    test_set(&flooding.over, 1);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    for (int i = 0; i < times; i++) {
        CHECK_EQ(test_get(&probes[i].calls), -probes[i].running);
    }
    CHECK_EQ(test_stats(broker).in_process_subscriptions, 0);
    rmqtt_broker_free(broker);
}

int main(void) {
    a_slow_consumer_slows_its_publishers_only();
    subscriptions_end_under_full_load();
    return 0;
}
