/* What callbacks may call, and what they may not. */

#include "test.h"

/** The user data of the hooks. Begins with the probe, so that `test_drop` serves. */
typedef struct host {
    test_probe probe;
    rmqtt_broker_t *broker;
    test_door door;
    int stop_status;
    int start_status;
    int stopped;
    int published;
} host;

static void host_init(host *program, rmqtt_broker_t *broker) {
    memset(program, 0, sizeof *program);
    test_door_init(&program->door);
    program->broker = broker;
    program->stop_status = 1;
    program->start_status = 1;
}

static void try_to_stop(host *program) {
    test_set(&program->stop_status, rmqtt_broker_stop(program->broker, 1000));
    test_add(&program->stopped);
}

static rmqtt_verdict_kind_t stop_in_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                                 void *user_data) {
    (void)event;
    (void)verdict;
    try_to_stop((host *)user_data);
    return RMQTT_VERDICT_ALLOW;
}

static void stop_in_connected(const rmqtt_connected_t *event, void *user_data) {
    (void)event;
    try_to_stop((host *)user_data);
}

static void stop_in_disconnected(const rmqtt_disconnected_t *event, void *user_data) {
    (void)event;
    try_to_stop((host *)user_data);
}

static void stop_in_message(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    try_to_stop((host *)user_data);
}

static void stop_in_line(const rmqtt_log_line_t *line, void *user_data) {
    (void)line;
    try_to_stop((host *)user_data);
}

static void no_callback_can_stop_a_broker(void) {
    host program;
    rmqtt_broker_t *broker = test_broker(TEST_CLOSED);
    host_init(&program, broker);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &program;
    hooks.drop = test_drop;
    hooks.authenticate = stop_in_authenticate;
    hooks.connected = stop_in_connected;
    hooks.disconnected = stop_in_disconnected;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    test_client client = test_client_open(test_port(broker, 0), "c");
    WAIT_UNTIL(test_get(&program.stopped) == 2);
    test_client_disconnect(client);
    WAIT_UNTIL(test_get(&program.stopped) == 3);
    CHECK_STATUS(test_get(&program.stop_status), RMQTT_ERR_WOULD_DEADLOCK);
    CHECK(rmqtt_broker_running(broker));

    host listening;
    rmqtt_subscription_t *subscription = NULL;
    host_init(&listening, broker);
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("t"), NULL, stop_in_message, &listening, test_drop,
                                    &subscription, NULL));
    test_publish(broker, "t", "x");
    WAIT_UNTIL(test_get(&listening.stopped) == 1);
    CHECK_STATUS(test_get(&listening.stop_status), RMQTT_ERR_WOULD_DEADLOCK);
    rmqtt_subscription_free(subscription);

    /* One that belongs to another broker is a callback all the same. */
    rmqtt_broker_t *other = test_broker("{}");
    test_start(other);
    host_init(&listening, other);
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("t"), NULL, stop_in_message, &listening, test_drop,
                                    &subscription, NULL));
    test_publish(broker, "t", "x");
    WAIT_UNTIL(test_get(&listening.stopped) == 1);
    CHECK_STATUS(test_get(&listening.stop_status), RMQTT_ERR_WOULD_DEADLOCK);
    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(other);

    host reading;
    host_init(&reading, broker);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, stop_in_line, &reading, test_drop));
    rmqtt_broker_t *speaking = test_broker(TEST_OPEN);
    test_start(speaking);
    WAIT_UNTIL(test_get(&reading.stopped) >= 1);
    CHECK_STATUS(test_get(&reading.stop_status), RMQTT_ERR_WOULD_DEADLOCK);
    rmqtt_broker_free(speaking);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_INFO, NULL, NULL, NULL));
    CHECK_DROPPED(&reading.probe);

    CHECK(rmqtt_broker_running(broker));
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&program.probe);
}

static void free_in_connected(const rmqtt_connected_t *event, void *user_data) {
    host *program = (host *)user_data;
    (void)event;
    test_enter(&program->probe);
    rmqtt_broker_free(program->broker);
    test_leave(&program->probe);
}

static rmqtt_verdict_kind_t allow(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict, void *user_data) {
    (void)event;
    (void)verdict;
    (void)user_data;
    return RMQTT_VERDICT_ALLOW;
}

static void a_hook_can_free_its_broker(void) {
    host program;
    rmqtt_broker_t *broker = test_broker(TEST_CLOSED);
    host_init(&program, broker);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &program;
    hooks.drop = test_drop;
    hooks.authenticate = allow;
    hooks.connected = free_in_connected;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    uint16_t port = test_port(broker, 0);

    test_connect connect = test_connect_init("c");
    test_client client = test_client_connect(port, &connect);
    /* The broker goes while it lets the client in, whose CONNACK may be lost with it. */
    CHECK(client.code <= 0);
    CHECK(test_client_closed(client));
    close(client.fd);
    WAIT_UNTIL(test_get(&program.probe.drops) == 1);
    CHECK_DROPPED(&program.probe);
    CHECK_EQ(test_get(&program.probe.calls), 1);
    WAIT_UNTIL(test_threads() == 1);
    int fd = test_listen(port);
    CHECK(fd >= 0);
    close(fd);
}

static void free_in_message(const rmqtt_message_t *message, void *user_data) {
    free_in_connected(NULL, user_data);
    (void)message;
}

static void a_subscription_can_free_its_broker(void) {
    host program;
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    host_init(&program, broker);
    test_start(broker);
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("t"), NULL, free_in_message, &program, test_drop, &subscription,
                                    NULL));
    test_publish(broker, "t", "x");
    WAIT_UNTIL(test_get(&program.probe.calls) == 1);
    WAIT_UNTIL(test_threads() == 1);
    rmqtt_subscription_free(subscription);
    CHECK_DROPPED(&program.probe);
}

static rmqtt_verdict_kind_t publish_in_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                                    void *user_data) {
    host *program = (host *)user_data;
    (void)verdict;
    CHECK_OK(test_try_publish(program->broker, "came", event->client->client_id.ptr, false));
    CHECK_STATUS(rmqtt_broker_start(program->broker, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK(rmqtt_broker_running(program->broker));
    CHECK_EQ(rmqtt_broker_listener_count(program->broker), 1);
    CHECK(test_port(program->broker, 0) != 0);
    CHECK(test_stats(program->broker).started_at_ms != 0);
    return RMQTT_VERDICT_ALLOW;
}

static void publish_in_connected(const rmqtt_connected_t *event, void *user_data) {
    host *program = (host *)user_data;
    CHECK_OK(test_try_publish(program->broker, "here", event->client->client_id.ptr, false));
}

static void publish_in_disconnected(const rmqtt_disconnected_t *event, void *user_data) {
    host *program = (host *)user_data;
    CHECK_OK(test_try_publish(program->broker, "gone", event->client->client_id.ptr, false));
}

static void hooks_can_publish(void) {
    host program;
    rmqtt_broker_t *broker = test_broker(TEST_CLOSED);
    host_init(&program, broker);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &program;
    hooks.drop = test_drop;
    hooks.authenticate = publish_in_authenticate;
    hooks.connected = publish_in_connected;
    hooks.disconnected = publish_in_disconnected;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    test_client watcher = test_client_open(test_port(broker, 0), "watcher");
    test_client_subscribe(watcher, "+", 0);
    /* Its own "here" may come before or after its subscription. */
    WAIT_UNTIL(test_stats(broker).messages_published == 2);
    test_client visitor = test_client_open(test_port(broker, 0), "visitor");
    test_client_disconnect(visitor);
    const char *const wanted[] = {"came", "here", "gone"};
    for (size_t i = 0; i < 3;) {
        test_message message = test_client_receive(watcher);
        if (strcmp(message.payload, "watcher") != 0) {
            CHECK(strcmp(message.topic, wanted[i]) == 0 && strcmp(message.payload, "visitor") == 0);
            i++;
        }
    }
    test_client_disconnect(watcher);
    WAIT_UNTIL(test_stats(broker).messages_published == 6);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&program.probe);
}

/** Waits for the door, so that a stop is under way when it goes on. */
static void start_in_message(const rmqtt_message_t *message, void *user_data) {
    host *program = (host *)user_data;
    (void)message;
    test_enter(&program->probe);
    test_door_pass(&program->door);
    test_set(&program->start_status, rmqtt_broker_start(program->broker, NULL));
    test_leave(&program->probe);
}

static void *stop_it(void *broker) {
    CHECK_OK(rmqtt_broker_stop((rmqtt_broker_t *)broker, 0));
    return NULL;
}

static void a_start_in_a_callback_does_not_wait_for_a_stop(void) {
    host program;
    pthread_t thread;
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_broker_t *broker = test_broker("{}");
    host_init(&program, broker);
    test_start(broker);
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("t"), NULL, start_in_message, &program, test_drop, &subscription,
                                    NULL));
    test_publish(broker, "t", "x");
    WAIT_UNTIL(test_get(&program.probe.calls) == 1);
    CHECK_EQ(pthread_create(&thread, NULL, stop_it, broker), 0);
    WAIT_UNTIL(!rmqtt_broker_running(broker));
    test_door_open(&program.door);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_STATUS(test_get(&program.start_status), RMQTT_ERR_WOULD_DEADLOCK);
    CHECK(!rmqtt_broker_running(broker));
    rmqtt_subscription_free(subscription);
    CHECK_DROPPED(&program.probe);
    rmqtt_broker_free(broker);
}

/** The last thing that a broker lets go of may make calls of its own. */
static void drop_and_call(void *user_data) {
    CHECK_OK(rmqtt_config_validate(rmqtt_str("{}"), NULL));
    CHECK(rmqtt_decision_defer() == 0);
    test_drop(user_data);
}

static void drop_functions_can_call_the_library(void) {
    host program;
    rmqtt_broker_t *broker = test_broker("{}");
    host_init(&program, broker);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &program;
    hooks.drop = drop_and_call;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&program.probe);
}

int main(void) {
    no_callback_can_stop_a_broker();
    a_hook_can_free_its_broker();
    a_subscription_can_free_its_broker();
    hooks_can_publish();
    a_start_in_a_callback_does_not_wait_for_a_stop();
    drop_functions_can_call_the_library();
    return 0;
}
