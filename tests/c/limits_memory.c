/* The memory budget: what its use is made of, what is refused at its end, and that all goes on when there is room again. */

#include "test.h"

#define MEGABYTE (1024 * 1024)
#define BUDGET (8 * MEGABYTE)

#define CONFIG(budget)                                                         \
    "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}]," \
    "\"runtime\":{\"worker_threads\":2},\"limits\":{\"memory_budget_bytes\":" budget "}}"

#define PAYLOAD 6000
#define SLOW 20

/** What the hooks have been told. */
typedef struct told {
    int begun;
    int over;
    int dropped;
    int limit;
} told;

static void on_overload(const rmqtt_overload_t *event, void *user_data) {
    told *hearing = (told *)user_data;
    CHECK_EQ(event->resource, RMQTT_RESOURCE_MEMORY);
    test_set(&hearing->limit, (int)event->limit);
    test_add(event->begun ? &hearing->begun : &hearing->over);
}

static void on_message_dropped(const rmqtt_message_dropped_t *event, void *user_data) {
    told *hearing = (told *)user_data;
    if (event->cause == RMQTT_DROP_MEMORY) {
        CHECK(event->client != NULL);
        test_add(&hearing->dropped);
    }
}

static void listen_in(rmqtt_broker_t *broker, told *hearing) {
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = hearing;
    hooks.overload = on_overload;
    hooks.message_dropped = on_message_dropped;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
}

static rmqtt_status_t publish(rmqtt_broker_t *broker, const char *topic, int qos, uint32_t wait_ms) {
    static const uint8_t payload[PAYLOAD] = {0};
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str(topic);
    message.payload = rmqtt_bytes(payload, sizeof payload);
    message.qos = (uint8_t)qos;
    message.wait_ms = wait_ms;
    return rmqtt_broker_publish(broker, &message, NULL);
}

static rmqtt_status_t retain(rmqtt_broker_t *broker, const char *topic) {
    static const uint8_t payload[PAYLOAD] = {0};
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str(topic);
    message.payload = rmqtt_bytes(payload, sizeof payload);
    return rmqtt_broker_retained_set(broker, &message, NULL);
}

static int try_connect(uint16_t port, int protocol) {
    test_connect connect = test_connect_init("new");
    connect.protocol = protocol;
    return test_client_try(port, &connect);
}

/** Clients that are subscribed and read nothing. */
static void connect_slow(uint16_t port, test_client *clients) {
    for (int number = 0; number < SLOW; number++) {
        char name[16];
        snprintf(name, sizeof name, "slow-%d", number);
        clients[number] = test_client_open(port, name);
        test_client_subscribe(clients[number], "flood", 1);
    }
}

/** Publishes until the call is told that there is no memory, for good. */
static void flood(rmqtt_broker_t *broker) {
    int64_t deadline = test_now_ms() + TEST_DEADLINE_MS;
    while (publish(broker, "flood", 1, 300) == RMQTT_OK) {
        CHECK(test_now_ms() < deadline);
    }
}

static void everything_is_refused_that_would_take_more(rmqtt_broker_t *broker, uint16_t port) {
    CHECK_STATUS(publish(broker, "flood", 0, 0), RMQTT_ERR_WOULD_BLOCK);
    CHECK_STATUS(publish(broker, "flood", 1, 0), RMQTT_ERR_WOULD_BLOCK);
    CHECK_STATUS(retain(broker, "r"), RMQTT_ERR_WOULD_BLOCK);
    CHECK_EQ(try_connect(port, 4), 3);
    CHECK_EQ(try_connect(port, 5), 0x97);
}

static void the_use_is_told_by_kind(void) {
    rmqtt_broker_t *broker = test_broker(CONFIG("0"));
    test_start(broker);
    rmqtt_stats_t stats = test_stats(broker);
    CHECK_EQ(stats.memory_used, 0);
    CHECK_OK(retain(broker, "r"));
    test_client client = test_client_open(test_port(broker, 0), "c");
    stats = test_stats(broker);
    CHECK(stats.memory_retained > PAYLOAD && stats.memory_retained < 2 * PAYLOAD);
    CHECK(stats.memory_sessions > 1000 && stats.memory_sessions < 10000);
    CHECK_EQ(stats.memory_used,
             stats.memory_queues + stats.memory_retained + stats.memory_sessions + stats.memory_buffers);
    test_client_disconnect(client);
    CHECK_OK(rmqtt_broker_retained_delete(broker, rmqtt_str("#"), NULL, NULL));
    WAIT_UNTIL(test_stats(broker).memory_used == 0);
    rmqtt_broker_free(broker);
}

/** A broker with the smallest budget, whose overload and drops are heard of. */
static rmqtt_broker_t *start_with_budget(told *hearing) {
    memset(hearing, 0, sizeof *hearing);
    rmqtt_broker_t *broker = test_broker(CONFIG("8388608"));
    listen_in(broker, hearing);
    test_start(broker);
    return broker;
}

static void the_budget_is_kept(void) {
    told hearing;
    test_client clients[SLOW];
    rmqtt_broker_t *broker = start_with_budget(&hearing);
    uint16_t port = test_port(broker, 0);
    test_client sender = test_client_open(port, "sender"), receiver = test_client_open(port, "receiver");
    test_client_subscribe(receiver, "pair", 1);
    connect_slow(port, clients);

    flood(broker);
    WAIT_UNTIL(test_get(&hearing.begun) == 1);
    CHECK_EQ(test_get(&hearing.limit), BUDGET);
    rmqtt_stats_t stats = test_stats(broker);
    printf("memory used: %lu of %d bytes\n", (unsigned long)stats.memory_used, BUDGET);
    CHECK(stats.memory_used >= BUDGET / 4 * 3 && stats.memory_used <= BUDGET / 8 * 9);
    everything_is_refused_that_would_take_more(broker, port);

    /* Others get what is for them. */
    test_client_publish(sender, "pair", "through", 1);
    CHECK(strcmp(test_client_receive(receiver).payload, "through") == 0);
    test_client_publish(sender, "flood", "one too many", 1);
    CHECK(test_stats(broker).messages_dropped_memory > 0);
    WAIT_UNTIL(test_get(&hearing.dropped) > 0);

    /* Those who hold the memory go. */
    for (int number = 0; number < SLOW; number++) {
        close(clients[number].fd);
    }
    WAIT_UNTIL(test_get(&hearing.over) == 1);
    CHECK_OK(publish(broker, "flood", 1, 0));
    CHECK_OK(retain(broker, "r"));
    CHECK_EQ(try_connect(port, 4), 0);
    CHECK_EQ(try_connect(port, 5), 0);
    CHECK_EQ(test_get(&hearing.begun), 1);
    close(sender.fd);
    close(receiver.fd);
    rmqtt_broker_free(broker);
}

static void a_reload_changes_the_budget(void) {
    told hearing;
    test_client clients[SLOW];
    rmqtt_broker_t *broker = start_with_budget(&hearing);
    uint16_t port = test_port(broker, 0);
    connect_slow(port, clients);
    flood(broker);
    everything_is_refused_that_would_take_more(broker, port);
    CHECK_OK(rmqtt_broker_reload(broker, rmqtt_str(CONFIG("0")), NULL, NULL));
    WAIT_UNTIL(test_get(&hearing.over) == 1);
    CHECK_OK(publish(broker, "flood", 1, TEST_DEADLINE_MS));
    CHECK_EQ(try_connect(port, 5), 0);
    for (int number = 0; number < SLOW; number++) {
        close(clients[number].fd);
    }
    rmqtt_broker_free(broker);
}

int main(void) {
    CHECK_STATUS(rmqtt_config_validate(rmqtt_str(CONFIG("8388607")), NULL), RMQTT_ERR_INVALID_CONFIG);
    the_use_is_told_by_kind();
    the_budget_is_kept();
    a_reload_changes_the_budget();
    return 0;
}
