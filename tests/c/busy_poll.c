/* `runtime.busy_poll_us`: a worker thread looks for work after there was some, and then sleeps. */

#include "test.h"

#define CONFIG                                                                 \
    "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}]," \
    "\"runtime\":{\"worker_threads\":1,\"busy_poll_us\":500000}}"

/** More than a client that says something each 200 ms costs while a test waits. */
#define BUSY_MS 100

static int64_t clock_ms(clockid_t clock) {
    struct timespec used;
    CHECK_EQ(clock_gettime(clock, &used), 0);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

/** Processor time of all threads but this one. */
static int64_t used_by_others_ms(void) {
    return clock_ms(CLOCK_PROCESS_CPUTIME_ID) - clock_ms(CLOCK_THREAD_CPUTIME_ID);
}

static void wait_ms(int64_t span) {
    int64_t end = test_now_ms() + span;
    while (test_now_ms() < end) {
        test_pause();
    }
}

int main(void) {
    rmqtt_broker_t *broker = test_broker(CONFIG);
    test_start(broker);
    test_client client = test_client_open(test_port(broker, 0), "c");

    int64_t before = used_by_others_ms();
    int64_t deadline = test_now_ms() + TEST_DEADLINE_MS;
    while (used_by_others_ms() < before + BUSY_MS) {
        CHECK(test_now_ms() < deadline);
        test_client_publish(client, "t", "payload", 1);
        wait_ms(200);
    }

    /* Nobody says anything any more. */
    int64_t used = BUSY_MS;
    deadline = test_now_ms() + TEST_DEADLINE_MS;
    while (used > BUSY_MS / 10) {
        CHECK(test_now_ms() < deadline);
        before = used_by_others_ms();
        wait_ms(BUSY_MS);
        used = used_by_others_ms() - before;
    }

    /* One that was awake is stopped as others are. */
    test_client_publish(client, "t", "payload", 1);
    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    CHECK(test_client_closed(client));
    close(client.fd);
    rmqtt_broker_free(broker);
    return 0;
}
