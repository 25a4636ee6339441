/*
 * How many messages of 64 bytes a second a program publishes to itself: QoS 0, in batches on both sides, from the calling
 * thread to a callback thread. No socket has to do with it.
 */
#define _POSIX_C_SOURCE 200809L

#include <rmqtt.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH = 256, OUTSTANDING = 16384, PAYLOAD = 64 };

static atomic_ullong received;

static void on_messages(const rmqtt_message_t *const *messages, size_t count, void *user_data) {
    (void)user_data;
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += messages[i]->payload.len;
    }
    if (bytes == count * PAYLOAD) {
        atomic_fetch_add_explicit(&received, count, memory_order_relaxed);
    }
}

static void check(rmqtt_status_t status, const char *what) {
    if (status != RMQTT_OK) {
        fprintf(stderr, "in_process: %s: %s\n", what, rmqtt_status_name(status).ptr);
        exit(1);
    }
}

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Publishes for so long, and waits until all of it has come; messages a second. */
static double run(rmqtt_broker_t *broker, const rmqtt_publish_t *messages, double seconds) {
    double begin = now_s();
    unsigned long long published = 0, before = atomic_load(&received);
    while (now_s() - begin < seconds) {
        while (published - (atomic_load_explicit(&received, memory_order_relaxed) - before) > OUTSTANDING) {
            sched_yield();
        }
        check(rmqtt_broker_publish_batch(broker, messages, BATCH, NULL, NULL), "publish");
        published += BATCH;
    }
    double deadline = now_s() + 10;
    while (atomic_load(&received) - before < published && now_s() < deadline) {
        sched_yield();
    }
    double took = now_s() - begin;
    unsigned long long lost = published - (atomic_load(&received) - before);
    if (lost > 0) {
        fprintf(stderr, "in_process: %llu messages are lost\n", lost);
        exit(1);
    }
    return (double)published / took;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "-V") == 0) {
        printf("rmqtt-c in-process %s\n", rmqtt_version().ptr);
        return 0;
    }
    double warm_up = argc == 3 ? atof(argv[1]) : 0, measured = argc == 3 ? atof(argv[2]) : 0;
    if (measured <= 0) {
        fputs("usage: in_process WARM_UP_SECONDS SECONDS\n", stderr);
        return 2;
    }
    rmqtt_broker_t *broker = NULL;
    check(rmqtt_broker_new(rmqtt_str("{\"callbacks\":{\"threads\":1}}"), &broker, NULL), "new");
    check(rmqtt_broker_start(broker, NULL), "start");
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.max_queued_messages = 2 * OUTSTANDING;
    rmqtt_subscription_t *subscription = NULL;
    check(rmqtt_broker_subscribe_batch(broker, rmqtt_str("bench/#"), &options, on_messages, NULL, NULL, &subscription,
                                       NULL),
          "subscribe");

    static uint8_t payload[PAYLOAD];
    static rmqtt_publish_t messages[BATCH];
    for (int i = 0; i < BATCH; i++) {
        messages[i] = rmqtt_publish_init();
        messages[i].topic = rmqtt_str("bench/in-process");
        messages[i].payload = rmqtt_bytes(payload, sizeof payload);
    }
    run(broker, messages, warm_up);
    printf("%.0f\n", run(broker, messages, measured));

    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(broker);
    return 0;
}
