/* How fast clients may publish, as the program sees it: configuration, statistics, events, and what others notice. */

#include "hooks.h"

/** The first listener has no limit, the second one these. */
#define TWO(limits)                                                                                               \
    "{\"listeners\":[{\"address\":\"127.0.0.1:0\"},{\"address\":\"127.0.0.1:0\",\"limits\":{" limits "}}],"       \
    "\"auth\":{\"allow_anonymous\":true},\"runtime\":{\"worker_threads\":2}}"

static test_client open_on(rmqtt_broker_t *broker, size_t listener, const char *client_id, int protocol) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    test_client client = test_client_connect(test_port(broker, listener), &connect);
    CHECK_EQ(client.code, 0);
    return client;
}

/** Counts what has been dropped because of a rate. */
static void count_dropped(const rmqtt_message_dropped_t *event, void *user_data) {
    CHECK_EQ(event->cause, RMQTT_DROP_RATE_EXCEEDED);
    CHECK(event->client == NULL && event->message->publisher != NULL);
    CHECK_STR(event->message->topic, "t");
    test_add((int *)user_data);
}

static void what_is_dropped_is_told(int protocol) {
    int told = 0;
    rmqtt_broker_t *broker =
        test_broker(TWO("\"publish_msgs_per_sec\":1,\"publish_burst_msgs\":3,\"on_rate_exceeded\":\"drop\""));
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &told;
    hooks.message_dropped = count_dropped;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    test_client receiver = open_on(broker, 0, "receiver", 5);
    subscribe(receiver, "t", 0, 0);
    test_client client = open_on(broker, 1, "client", protocol);
    /* The broker does what comes in at once at one time: the bucket does not fill meanwhile. */
    for (int id = 1; id <= 6; id++) {
        publish_send(client, "t", "x", 2, id);
    }
    int accepted = 0;
    for (int id = 1; id <= 6; id++) {
        int code = ack_read(client, 0x40, id).code;
        CHECK(code == 0 || (protocol == 5 && code == 0x97));
        accepted += code == 0;
    }
    uint64_t dropped = test_stats(broker).messages_dropped_rate;
    if (protocol == 5) {
        CHECK_EQ(dropped, 6 - accepted);
    }
    CHECK(dropped >= 1 && dropped <= 3);
    WAIT_UNTIL(test_get(&told) == (int)dropped);
    CHECK_EQ(test_stats(broker).messages_dropped, dropped);
    for (uint64_t i = 0; i < 6 - dropped; i++) {
        CHECK_EQ(strcmp(message_read(receiver).payload, "x"), 0);
    }

    rmqtt_string_t *json = NULL;
    CHECK_OK(rmqtt_broker_explain(broker, rmqtt_str("client"), RMQTT_ACTION_PUBLISH, rmqtt_str("t"), &json, NULL));
    CHECK_CONTAINS(rmqtt_string_view(json), "publish_msgs_per_sec");
    rmqtt_string_free(json);

    /* What the program publishes is its own business. */
    for (int i = 0; i < 20; i++) {
        test_publish(broker, "t", "api");
        CHECK_EQ(strcmp(message_read(receiver).payload, "api"), 0);
    }
    close(client.fd);
    close(receiver.fd);
    rmqtt_broker_free(broker);
}

static void who_is_too_fast_is_disconnected(int protocol) {
    rmqtt_broker_t *broker =
        test_broker(TWO("\"publish_bytes_per_sec\":10,\"publish_burst_bytes\":100,\"on_rate_exceeded\":\"disconnect\""));
    test_start(broker);
    test_client client = open_on(broker, 1, "client", protocol);
    char payload[91];
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    CHECK_EQ(publish(client, "t", payload, 1).code, protocol == 5 ? 0x10 : 0);
    publish_send(client, "t", payload, 0, 0);
    test_packet packet;
    if (protocol == 5) {
        test_packet_expect(client.fd, &packet, 0xe0);
        CHECK_EQ(packet.body[0], 0x96);
    }
    CHECK(!test_packet_receive(client.fd, &packet));
    CHECK_EQ(test_stats(broker).connections_closed_rate, 1);
    close(client.fd);
    rmqtt_broker_free(broker);
}

static void a_reload_changes_the_rate(void) {
    rmqtt_broker_t *broker = test_broker(TWO("\"publish_msgs_per_sec\":200,\"publish_burst_msgs\":10"));
    test_start(broker);
    test_client receiver = open_on(broker, 0, "receiver", 5);
    subscribe(receiver, "t", 1, 1);
    test_client client = open_on(broker, 1, "throttled", 4);
    int64_t begun = test_now_ms();
    for (int id = 1; id <= 110; id++) {
        publish_send(client, "t", "x", 2, id);
    }
    for (int id = 1; id <= 110; id++) {
        CHECK_EQ(ack_read(client, 0x40, id).code, 0);
        inbound message = message_read(receiver);
        message_acknowledge(receiver, &message);
    }
    CHECK(test_now_ms() - begun >= 450);
    CHECK(test_stats(broker).publishes_throttled > 0);
    CHECK_EQ(test_stats(broker).messages_dropped, 0);

    uint64_t throttled = test_stats(broker).publishes_throttled;
    CHECK_OK(rmqtt_broker_reload(broker, rmqtt_str(TWO("\"publish_msgs_per_sec\":0")), NULL, NULL));
    test_client free_one = open_on(broker, 1, "free", 4);
    for (int id = 1; id <= 110; id++) {
        publish_send(free_one, "t", "x", 0, 0);
        message_read(receiver);
    }
    CHECK_EQ(test_stats(broker).publishes_throttled, throttled);

    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_reload(broker, rmqtt_str(TWO("\"on_rate_exceeded\":\"forgive\",\"max_sessions\":1")), NULL,
                                     &error),
                 RMQTT_ERR_INVALID_CONFIG);
    CHECK_CONTAINS(rmqtt_error_message(error), "/listeners/1/limits/max_sessions");
    CHECK_CONTAINS(rmqtt_error_message(error), "/listeners/1/limits/on_rate_exceeded");
    rmqtt_error_free(error);
    close(free_one.fd);
    close(client.fd);
    close(receiver.fd);
    rmqtt_broker_free(broker);
}

typedef struct flooder {
    rmqtt_broker_t *broker;
    int stop;
} flooder;

/** Publishes as fast as the broker reads, and comes again when it is put out. */
static void *flood_run(void *user_data) {
    flooder *flooding = (flooder *)user_data;
    uint8_t batch[100 * 8];
    for (size_t i = 0; i < sizeof batch; i += 8) {
        memcpy(batch + i, "\x30\x06\0\1txyz", 8);
    }
    while (!test_get(&flooding->stop)) {
        test_client client = open_on(flooding->broker, 1, "flood", 4);
        size_t at = 0;
        while (!test_get(&flooding->stop)) {
            ssize_t sent = send(client.fd, batch + at, sizeof batch - at, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno != EAGAIN) {
                break;
            }
            if (sent < 0) {
                test_pause();
            } else {
                at = (at + (size_t)sent) % sizeof batch;
            }
        }
        close(client.fd);
    }
    return NULL;
}

#define ROUNDS 200

static int by_size(const void *one, const void *other) {
    int64_t a = *(const int64_t *)one, b = *(const int64_t *)other;
    return (a > b) - (a < b);
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void others_do_not_notice(const char *policy, const char *config) {
    rmqtt_broker_t *broker = test_broker(config);
    test_start(broker);
    test_client other = open_on(broker, 0, "other", 5);
    subscribe(other, "other", 0, 0);
    flooder flooding;
    flooding.broker = broker;
    flooding.stop = 0;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, flood_run, &flooding), 0);
    int64_t took[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        int64_t begun = now_us();
        publish_send(other, "other", "x", 0, 0);
        message_read(other);
        took[i] = now_us() - begun;
        test_pause();
    }
    test_set(&flooding.stop, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    qsort(took, ROUNDS, sizeof took[0], by_size);
    printf("%s: round trip %lld us in the middle, %lld us for 95 of 100, %lld us at most\n", policy,
           (long long)took[ROUNDS / 2], (long long)took[ROUNDS * 95 / 100], (long long)took[ROUNDS - 1]);
    CHECK(took[ROUNDS * 95 / 100] < test_scaled(20, 2000) * 1000);
    rmqtt_stats_t stats = test_stats(broker);
    CHECK(stats.publishes_throttled + stats.messages_dropped_rate > 0);
    close(other.fd);
    rmqtt_broker_free(broker);
}

int main(void) {
    what_is_dropped_is_told(4);
    what_is_dropped_is_told(5);
    who_is_too_fast_is_disconnected(4);
    who_is_too_fast_is_disconnected(5);
    a_reload_changes_the_rate();
    others_do_not_notice("throttle", TWO("\"publish_msgs_per_sec\":100"));
    others_do_not_notice("drop", TWO("\"publish_msgs_per_sec\":100,\"on_rate_exceeded\":\"drop\""));
    others_do_not_notice("disconnect", TWO("\"publish_msgs_per_sec\":100,\"on_rate_exceeded\":\"disconnect\""));
    return 0;
}
