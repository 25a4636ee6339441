/* Start, stop, start again, free; what a broker says about itself meanwhile. */

#include "test.h"

static void states_follow_each_other(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    CHECK(!rmqtt_broker_running(broker));
    CHECK_OK(rmqtt_broker_stop(broker, 0));

    test_start(broker);
    CHECK(rmqtt_broker_running(broker));
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_start(broker, &error), RMQTT_ERR_INVALID_STATE);
    CHECK_EQ(rmqtt_error_status(error), RMQTT_ERR_INVALID_STATE);
    CHECK(rmqtt_error_message(error).len > 0);
    rmqtt_error_free(error);
    CHECK(rmqtt_broker_running(broker));

    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    CHECK(!rmqtt_broker_running(broker));
    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    rmqtt_broker_free(broker);
}

static void a_broker_has_a_name(void) {
    rmqtt_broker_t *broker = test_broker("{}");
    CHECK_STR(rmqtt_broker_id(broker), "rmqtt-1");
    rmqtt_broker_free(broker);
    broker = test_broker("{\"node_id\":7}");
    CHECK_STR(rmqtt_broker_id(broker), "rmqtt-7");
    rmqtt_broker_free(broker);
    broker = test_broker("{\"id\":\"gateway-7\"}");
    CHECK_STR(rmqtt_broker_id(broker), "gateway-7");
    rmqtt_broker_free(broker);
}

static rmqtt_listener_info_t listener(const rmqtt_broker_t *broker, size_t index) {
    rmqtt_listener_info_t info = rmqtt_listener_info_init();
    CHECK_OK(rmqtt_broker_listener_info(broker, index, &info));
    CHECK_EQ(info.struct_size, sizeof info);
    CHECK_STR(info.type, "tcp");
    return info;
}

static void listeners_are_known_before_during_and_after(void) {
    rmqtt_broker_t *broker =
        test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\"},{\"name\":\"six\",\"address\":\"[::1]:0\"}]}");
    CHECK_EQ(rmqtt_broker_listener_count(broker), 2);
    rmqtt_listener_info_t before = listener(broker, 0);
    CHECK_STR(before.name, "tcp-0");
    CHECK_STR(before.address, "127.0.0.1:0");
    CHECK_EQ(before.port, 0);
    CHECK_STR(listener(broker, 1).name, "six");
    rmqtt_broker_free(broker);

    broker =
        test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\"},{\"name\":\"b\",\"address\":\"127.0.0.1:0\"}]}");
    before = listener(broker, 0);
    test_start(broker);
    rmqtt_listener_info_t during = listener(broker, 0);
    rmqtt_listener_info_t other = listener(broker, 1);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)during.port);
    CHECK(during.port != 0 && other.port != 0 && during.port != other.port);
    CHECK_STR(during.name, "tcp-0");
    CHECK_STR(during.address, address);
    CHECK_STR(other.name, "b");

    CHECK_OK(rmqtt_broker_stop(broker, 0));
    rmqtt_listener_info_t after = listener(broker, 0);
    CHECK_STR(after.address, "127.0.0.1:0");
    CHECK_EQ(after.port, 0);
    /* Text lives as long as the broker, whatever happened since. */
    CHECK_STR(before.address, "127.0.0.1:0");
    CHECK_STR(during.address, address);
    rmqtt_broker_free(broker);

    broker = test_broker("{}");
    CHECK_EQ(rmqtt_broker_listener_count(broker), 0);
    test_start(broker);
    CHECK_EQ(rmqtt_broker_listener_count(broker), 0);
    rmqtt_broker_free(broker);
}

static rmqtt_broker_t *broker_on(uint16_t port) {
    char config[160];
    snprintf(config, sizeof config, "{\"listeners\":[{\"address\":\"127.0.0.1:%u\",\"allow_anonymous\":true}]}",
             (unsigned)port);
    return test_broker(config);
}

/** A port that was free a moment ago. */
static uint16_t free_port(void) {
    int fd = test_listen(0);
    CHECK(fd >= 0);
    uint16_t port = test_port_of(fd);
    close(fd);
    return port;
}

static void the_same_port_serves_again(void) {
    uint16_t port = free_port();
    rmqtt_broker_t *broker = broker_on(port);
    for (int run = 0; run < 3; run++) {
        test_start(broker);
        CHECK_EQ(test_port(broker, 0), port);
        /* Connections that the broker itself ends leave the port in TIME_WAIT. */
        test_client client = test_client_open(port, "again");
        CHECK_OK(rmqtt_broker_stop(broker, run == 0 ? 1000 : 0));
        CHECK(test_client_closed(client));
        close(client.fd);
        int fd = test_listen(port);
        CHECK(fd >= 0);
        close(fd);
    }
    rmqtt_broker_free(broker);
}

static void all_listeners_are_bound_or_none(void) {
    int blocker = test_listen(0);
    CHECK(blocker >= 0);
    uint16_t taken = test_port_of(blocker);
    uint16_t first = free_port();
    char config[256];
    char address[32];
    snprintf(config, sizeof config,
             "{\"listeners\":[{\"name\":\"first\",\"address\":\"127.0.0.1:%u\",\"allow_anonymous\":true},"
             "{\"name\":\"second\",\"address\":\"127.0.0.1:%u\"}]}",
             (unsigned)first, (unsigned)taken);
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)taken);

    rmqtt_broker_t *broker = test_broker(config);
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_start(broker, &error), RMQTT_ERR_BIND);
    CHECK_EQ(rmqtt_error_status(error), RMQTT_ERR_BIND);
    CHECK_CONTAINS(rmqtt_error_message(error), "second");
    CHECK_CONTAINS(rmqtt_error_message(error), address);
    rmqtt_error_free(error);
    CHECK(!rmqtt_broker_running(broker));
    CHECK_EQ(test_stats(broker).started_at_ms, 0);
    CHECK_STATUS(rmqtt_broker_start(broker, NULL), RMQTT_ERR_BIND);

    int fd = test_listen(first);
    CHECK(fd >= 0);
    close(fd);

    /* The failure leaves nothing behind: with the port free, the same broker starts. */
    close(blocker);
    test_start(broker);
    test_client client = test_client_open(first, "after all");
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

static void count_message(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    test_add((int *)user_data);
}

static void brokers_do_not_know_of_each_other(void) {
    rmqtt_broker_t *one = test_broker(TEST_OPEN);
    rmqtt_broker_t *two = test_broker(TEST_OPEN);
    int heard[2] = {0, 0};
    rmqtt_subscription_t *subscriptions[2];
    test_start(one);
    test_start(two);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(rmqtt_broker_subscribe(i == 0 ? one : two, rmqtt_str("#"), NULL, count_message, &heard[i], NULL,
                                        &subscriptions[i], NULL));
    }

    /* The same name in both: neither takes over the other's connection. */
    test_client in_one = test_client_open(test_port(one, 0), "twin");
    test_client in_two = test_client_open(test_port(two, 0), "twin");
    test_client_publish(in_one, "t", "1", 1);
    test_client_publish(in_two, "t", "2", 1);
    test_publish(two, "t", "3");
    WAIT_UNTIL(test_get(&heard[0]) >= 1 && test_get(&heard[1]) >= 2);
    CHECK_EQ(rmqtt_broker_connected_clients(one), 1);
    CHECK_EQ(rmqtt_broker_connected_clients(two), 1);
    CHECK_EQ(test_stats(one).messages_published, 0);

    rmqtt_broker_free(one);
    CHECK(test_client_closed(in_one));
    close(in_one.fd);
    test_client_publish(in_two, "t", "4", 1);
    WAIT_UNTIL(test_get(&heard[1]) >= 3);
    CHECK_EQ(test_get(&heard[0]), 1);
    CHECK_EQ(test_get(&heard[1]), 3);
    test_client_disconnect(in_two);
    rmqtt_subscription_free(subscriptions[0]);
    rmqtt_subscription_free(subscriptions[1]);
    rmqtt_broker_free(two);
}

static void statistics_are_exact(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    rmqtt_stats_t stats = test_stats(broker);
    CHECK_EQ(stats.started_at_ms, 0);
    CHECK_EQ(stats.uptime_ms, 0);

    time_t now = time(NULL);
    test_start(broker);
    stats = test_stats(broker);
    CHECK(stats.started_at_ms / 1000 + 60 > (uint64_t)now && stats.started_at_ms / 1000 < (uint64_t)now + 60);
    WAIT_UNTIL(test_stats(broker).uptime_ms > 0);

    test_client reader = test_client_open(test_port(broker, 0), "reader");
    test_client writer = test_client_open(test_port(broker, 0), "writer");
    test_client_subscribe(reader, "a/+", 1);
    test_client_subscribe(reader, "b", 0);
    rmqtt_subscription_t *subscription = NULL;
    int heard = 0;
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("a/#"), NULL, count_message, &heard, NULL, &subscription, NULL));

    test_client_publish(writer, "a/1", "from a client", 1);
    test_client_publish(writer, "unheard", "from a client", 1);
    CHECK_OK(test_try_publish(broker, "a/2", "retained", true));
    test_publish(broker, "a/2", "from the program");
    test_publish(broker, "b", "from the program");
    for (int i = 0; i < 4; i++) {
        test_client_receive(reader);
    }
    WAIT_UNTIL(test_get(&heard) == 3 && test_stats(broker).messages_sent == 4);

    stats = test_stats(broker);
    CHECK_EQ(stats.connected_clients, 2);
    CHECK_EQ(rmqtt_broker_connected_clients(broker), 2);
    CHECK_EQ(stats.sessions, 2);
    CHECK_EQ(stats.subscriptions, 2);
    CHECK_EQ(stats.in_process_subscriptions, 1);
    CHECK_EQ(stats.retained_messages, 1);
    CHECK_EQ(stats.connections, 2);
    CHECK_EQ(stats.messages_received, 2);
    CHECK_EQ(stats.messages_sent, 4);
    CHECK_EQ(stats.messages_published, 3);
    CHECK_EQ(stats.messages_delivered, 3);
    CHECK_EQ(stats.messages_dropped, 0);
    CHECK_EQ(stats.decisions_allowed, 0);
    CHECK_EQ(stats.decisions_denied, 0);
    CHECK_EQ(stats.decisions_expired, 0);
    CHECK_EQ(stats.decisions_overflowed, 0);
    CHECK_EQ(stats.decisions_pending, 0);
    CHECK_EQ(stats.events_dropped, 0);
    CHECK_EQ(stats.callback_panics, 0);

    CHECK_OK(test_try_publish(broker, "a/2", "", true));
    test_client_disconnect(writer);
    rmqtt_subscription_free(subscription);
    WAIT_UNTIL(rmqtt_broker_connected_clients(broker) == 1);
    WAIT_UNTIL(test_stats(broker).sessions == 1);
    WAIT_UNTIL(test_stats(broker).in_process_subscriptions == 0);
    CHECK_EQ(test_stats(broker).retained_messages, 0);

    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    stats = test_stats(broker);
    CHECK_EQ(rmqtt_broker_connected_clients(broker), 0);
    CHECK_EQ(stats.started_at_ms, 0);
    CHECK_EQ(stats.uptime_ms, 0);
    CHECK_EQ(stats.connected_clients, 0);
    CHECK_EQ(stats.sessions, 0);
    CHECK_EQ(stats.subscriptions, 0);
    /* Counters go on, over a stop and a start. */
    CHECK_EQ(stats.connections, 2);
    CHECK_EQ(stats.messages_received, 2);
    test_start(broker);
    close(reader.fd);
    reader = test_client_open(test_port(broker, 0), "reader");
    CHECK_EQ(test_stats(broker).connections, 3);
    CHECK_EQ(test_stats(broker).messages_published, 4);
    test_client_disconnect(reader);
    rmqtt_broker_free(broker);
}

static void a_running_broker_can_be_freed(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client client = test_client_open(port, "left behind");
    /* This one never says CONNECT. */
    int silent = test_dial(port);
    rmqtt_broker_free(broker);
    CHECK(test_client_closed(client));
    close(client.fd);
    close(silent);
    int fd = test_listen(port);
    CHECK(fd >= 0);
    close(fd);
    rmqtt_broker_free(NULL);
}

static void *stop_it(void *broker) {
    CHECK_OK(rmqtt_broker_stop((rmqtt_broker_t *)broker, 1000));
    CHECK(!rmqtt_broker_running((rmqtt_broker_t *)broker));
    return NULL;
}

static void several_threads_may_stop_a_broker(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    pthread_t threads[4];
    test_start(broker);
    test_client client = test_client_open(test_port(broker, 0), "c");
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, stop_it, broker), 0);
    }
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    close(client.fd);
    rmqtt_broker_free(broker);
}

int main(void) {
    states_follow_each_other();
    a_broker_has_a_name();
    listeners_are_known_before_during_and_after();
    the_same_port_serves_again();
    all_listeners_are_bound_or_none();
    brokers_do_not_know_of_each_other();
    statistics_are_exact();
    a_running_broker_can_be_freed();
    several_threads_may_stop_a_broker();
    return 0;
}
