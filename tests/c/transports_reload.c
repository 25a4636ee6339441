/* Another configuration for a broker that runs: what changes at once, what waits, what is refused as a whole. */

#include "test.h"

#include <sys/wait.h>

/** The configuration with one listener and something behind the list of listeners, with a comma before it. */
#define ONE(listener, more) "{\"listeners\":[" listener "],\"auth\":{\"allow_anonymous\":true}," \
    "\"runtime\":{\"worker_threads\":2}" more "}"
#define FRONT "{\"name\":\"front\",\"address\":\"127.0.0.1:0\"}"
#define SIDE "{\"name\":\"side\",\"address\":\"127.0.0.1:0\"}"

#define REPORT(applied, needs_restart, rejected, closed)                                                \
    "{\"applied\":[" applied "],\"needs_restart\":[" needs_restart "],\"rejected\":[" rejected "]," \
    "\"closed\":[" closed "]}"

/** Reloads, which must succeed with this report. */
static void reload(rmqtt_broker_t *broker, const char *config, const char *wanted) {
    rmqtt_string_t *report = NULL;
    rmqtt_error_t *error = NULL;
    if (rmqtt_broker_reload(broker, rmqtt_str(config), &report, &error) != RMQTT_OK) {
        FAIL("no reload: %s", rmqtt_error_message(error).ptr);
    }
    CHECK(error == NULL);
    CHECK_STR(rmqtt_string_view(report), wanted);
    rmqtt_string_free(report);
}

static rmqtt_listener_info_t listener(const rmqtt_broker_t *broker, size_t index) {
    rmqtt_listener_info_t info = rmqtt_listener_info_init();
    CHECK_OK(rmqtt_broker_listener_info(broker, index, &info));
    return info;
}

/** The client is connected and served. */
static void check_alive(test_client client) {
    test_packet packet;
    test_packet_begin(&packet, 0xc0);
    test_packet_send(client.fd, &packet);
    test_packet_expect(client.fd, &packet, 0xd0);
}

/** Nobody listens on that port any more. */
static bool is_free(uint16_t port) {
    int fd = test_listen(port);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

/** What SUBACK says. */
static int subscribe_code(test_client client, const char *filter) {
    test_packet packet;
    test_packet_begin(&packet, 0x82);
    test_put_byte(&packet, 0);
    test_put_byte(&packet, 1);
    if (client.protocol == 5) {
        test_put_byte(&packet, 0);
    }
    test_put_text(&packet, filter);
    test_put_byte(&packet, 0);
    test_packet_send(client.fd, &packet);
    test_packet_expect(client.fd, &packet, 0x90);
    return packet.body[packet.len - 1];
}

static void nothing_new_changes_nothing(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ""));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client client = test_client_open(port, "c");
    reload(broker, ONE(FRONT, ""), REPORT("", "", "", ""));
    reload(broker, ONE(FRONT, ",\"limits\":{\"max_qos\":2}"), REPORT("", "", "", ""));
    CHECK_EQ(test_port(broker, 0), port);
    check_alive(client);
    CHECK_OK(rmqtt_broker_reload(broker, rmqtt_str(ONE(FRONT, "")), NULL, NULL));
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

/* ---- limits and rules ---- */

static void limits_hold_at_once(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ""));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client client = test_client_open(port, "first");
    CHECK_EQ(subscribe_code(client, "a"), 0);

    reload(broker,
           ONE(FRONT, ",\"limits\":{\"max_connections\":1,\"max_subscriptions\":1,\"max_topic_levels\":2,"
                      "\"max_client_id_length\":10},\"shared_subscriptions\":{\"enabled\":false},"
                      "\"retain\":{\"enabled\":false}"),
           REPORT("\"/limits/max_client_id_length\",\"/limits/max_connections\",\"/limits/max_subscriptions\","
                  "\"/limits/max_topic_levels\",\"/retain/enabled\",\"/shared_subscriptions/enabled\"",
                  "", "", ""));
    /* The client that is there counts, and what it has already. */
    test_connect connect = test_connect_init("second");
    CHECK_EQ(test_client_try(port, &connect), 3);
    CHECK_EQ(subscribe_code(client, "b"), 0x80);
    CHECK_EQ(subscribe_code(client, "a/b/c"), 0x80);
    CHECK_STATUS(test_try_publish(broker, "a/b/c", "x", false), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(test_try_publish(broker, "a", "x", true), RMQTT_ERR_INVALID_ARGUMENT);

    reload(broker, ONE(FRONT, ",\"limits\":{\"max_client_id_length\":3}"),
           REPORT("\"/limits/max_client_id_length\",\"/limits/max_connections\",\"/limits/max_subscriptions\","
                  "\"/limits/max_topic_levels\",\"/retain/enabled\",\"/shared_subscriptions/enabled\"",
                  "", "", ""));
    CHECK_EQ(test_client_try(port, &connect), 2);
    connect.client_id = "2nd";
    CHECK_EQ(test_client_try(port, &connect), 0);
    CHECK_EQ(subscribe_code(client, "$share/g/a/b/c"), 0);
    CHECK_OK(test_try_publish(broker, "a/b/c/d", "x", true));
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

static void queues_of_sessions_that_there_are_have_the_new_limits(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ",\"limits\":{\"max_queued_messages\":3}"));
    test_start(broker);
    test_connect connect = test_connect_init("absent");
    connect.keep_session = true;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    test_client_subscribe(client, "t", 1);
    test_client_leave(client);
    WAIT_UNTIL(rmqtt_broker_connected_clients(broker) == 0);

    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("t");
    message.qos = 1;
    for (int i = 0; i < 5; i++) {
        CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    }
    CHECK_EQ(test_stats(broker).queued_messages, 3);
    CHECK_EQ(test_stats(broker).messages_dropped_queue_full, 2);
    reload(broker, ONE(FRONT, ",\"limits\":{\"max_queued_messages\":5}"),
           REPORT("\"/limits/max_queued_messages\"", "", "", ""));
    for (int i = 0; i < 5; i++) {
        CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    }
    CHECK_EQ(test_stats(broker).queued_messages, 5);
    /* Fewer, and the oldest ones have to go. */
    reload(broker, ONE(FRONT, ",\"limits\":{\"max_queued_messages\":2,\"slow_consumer\":\"drop_oldest\"}"),
           REPORT("\"/limits/max_queued_messages\",\"/limits/slow_consumer\"", "", "", ""));
    CHECK_OK(rmqtt_broker_publish(broker, &message, NULL));
    CHECK_EQ(test_stats(broker).queued_messages, 2);
    rmqtt_broker_free(broker);
}

static void what_has_been_agreed_on_stays(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ""));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client before = test_client_open(port, "before");
    reload(broker, ONE(FRONT, ",\"limits\":{\"max_packet_bytes\":64,\"max_qos\":0}"),
           REPORT("\"/limits/max_packet_bytes\",\"/limits/max_qos\"", "", "", ""));
    test_client after = test_client_open(port, "after");
    char payload[101];
    memset(payload, 'x', 100);
    payload[100] = '\0';
    test_client_publish(before, "t", payload, 1);
    check_alive(before);
    test_client_publish(after, "t", payload, 0);
    CHECK(test_client_closed(after));
    close(after.fd);
    test_client_disconnect(before);
    rmqtt_broker_free(broker);
}

static void who_may_connect_changes_at_once(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ""));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client client = test_client_open(port, "c");
    test_connect other = test_connect_init("other");
    test_connect system = test_connect_init("system");
    CHECK_EQ(subscribe_code(client, "$SYS/a"), 0x80);
    reload(broker, "{\"listeners\":[" FRONT "],\"runtime\":{\"worker_threads\":2},\"acl\":{\"sys_topics\":\"read\"}}",
           REPORT("\"/acl/sys_topics\",\"/auth/allow_anonymous\"", "", "", ""));
    CHECK_EQ(test_client_try(port, &other), 5);
    CHECK_EQ(subscribe_code(client, "$SYS/a"), 0);
    int fd = -1;
    CHECK_OK(rmqtt_broker_connect_pair(broker, NULL, &fd, NULL));
    test_client attached;
    attached.fd = fd;
    attached.protocol = 4;
    test_connect_send(fd, &system);
    test_connack_read(&attached);
    CHECK_EQ(attached.code, 5);
    close(fd);
    reload(broker, "{\"listeners\":[{\"name\":\"front\",\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                   "\"runtime\":{\"worker_threads\":2}}",
           REPORT("\"/acl/sys_topics\",\"/listeners/0/allow_anonymous\"", "", "", ""));
    CHECK_EQ(test_client_try(port, &other), 0);
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

static void retained_messages_wait_while_retaining_is_turned_off(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ",\"retain\":{\"max_messages\":2}"));
    test_start(broker);
    CHECK_OK(test_try_publish(broker, "kept", "x", true));
    reload(broker, ONE(FRONT, ",\"retain\":{\"enabled\":false,\"max_messages\":1}"),
           REPORT("\"/retain/enabled\",\"/retain/max_messages\"", "", "", ""));
    test_client client = test_client_open(test_port(broker, 0), "c");
    test_client_subscribe(client, "kept", 0);
    check_alive(client);
    check_alive(client);
    CHECK_EQ(test_stats(broker).retained_messages, 1);
    reload(broker, ONE(FRONT, ",\"retain\":{\"max_messages\":1}"), REPORT("\"/retain/enabled\"", "", "", ""));
    test_client_subscribe(client, "kept", 0);
    CHECK(test_client_receive(client).retain);
    CHECK_OK(test_try_publish(broker, "one more", "x", true));
    CHECK_EQ(test_stats(broker).retained_messages, 1);
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

static void count_message(const rmqtt_message_t *message, void *user_data) {
    CHECK_STR(message->topic, "$SYS/rmqtt-1/heartbeat");
    test_add((int *)user_data);
}

static void the_heart_begins_to_beat(void) {
    rmqtt_broker_t *broker = test_broker("{}");
    test_start(broker);
    int beats = 0;
    rmqtt_subscription_t *subscription = NULL;
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("$SYS/#"), NULL, count_message, &beats, NULL, &subscription,
                                    NULL));
    reload(broker, "{\"sys_topics\":{\"heartbeat\":{\"enabled\":true,\"interval_ms\":100}}}",
           REPORT("\"/sys_topics/heartbeat/enabled\",\"/sys_topics/heartbeat/interval_ms\"", "", "", ""));
    WAIT_UNTIL(test_get(&beats) >= 3);
    /* The next one would be a long time coming; that there is one at once shows that it has begun anew. */
    int before = test_get(&beats);
    reload(broker, "{\"sys_topics\":{\"heartbeat\":{\"enabled\":true,\"interval_ms\":86400000}}}",
           REPORT("\"/sys_topics/heartbeat/interval_ms\"", "", "", ""));
    WAIT_UNTIL(test_get(&beats) > before);
    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(broker);
}

/* ---- hooks ---- */

/** What the hooks are told and do. Begins with the probe. */
typedef struct ear {
    test_probe probe;
    pthread_mutex_t lock;
    char told[256];
    rmqtt_broker_t *broker;
    rmqtt_status_t status;
} ear;

static void note(ear *listening, const char *what, rmqtt_str_t name, rmqtt_str_t type) {
    pthread_mutex_lock(&listening->lock);
    size_t len = strlen(listening->told);
    snprintf(listening->told + len, sizeof listening->told - len, "%s %s %s,", what, name.ptr, type.ptr);
    pthread_mutex_unlock(&listening->lock);
}

static void on_up(const rmqtt_listener_info_t *event, void *user_data) {
    note((ear *)user_data, "up", event->name, event->type);
}

static void on_down(const rmqtt_listener_info_t *event, void *user_data) {
    note((ear *)user_data, "down", event->name, event->type);
}

static bool was_told(ear *listening, const char *wanted) {
    pthread_mutex_lock(&listening->lock);
    bool equal = strcmp(listening->told, wanted) == 0;
    pthread_mutex_unlock(&listening->lock);
    return equal;
}

/** Waits until exactly that has been told since the last time. */
#define CHECK_TOLD(listening, wanted)                 \
    do {                                              \
        WAIT_UNTIL(was_told(listening, wanted));      \
        pthread_mutex_lock(&(listening)->lock);       \
        (listening)->told[0] = '\0';                  \
        pthread_mutex_unlock(&(listening)->lock);     \
    } while (0)

static void ear_init(ear *listening, rmqtt_broker_t *broker) {
    memset(listening, 0, sizeof *listening);
    pthread_mutex_init(&listening->lock, NULL);
    listening->broker = broker;
    listening->status = 1;
}

/** Never answers. */
static rmqtt_verdict_kind_t on_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                            void *user_data) {
    (void)event;
    (void)verdict;
    test_add(&((ear *)user_data)->probe.calls);
    return rmqtt_decision_defer() == 0 ? RMQTT_VERDICT_DENY : RMQTT_VERDICT_DEFERRED;
}

static void hooks_have_another_timeout(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ",\"callbacks\":{\"timeout_ms\":3600000}"));
    ear listening;
    ear_init(&listening, broker);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &listening;
    hooks.drop = test_drop;
    hooks.authenticate = on_authenticate;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    reload(broker, ONE(FRONT, ",\"callbacks\":{\"timeout_ms\":50,\"max_pending\":1,\"threads\":2,\"queue\":9}"),
           REPORT("\"/callbacks/max_pending\",\"/callbacks/timeout_ms\"",
                  "\"/callbacks/queue\",\"/callbacks/threads\"", "", ""));
    test_connect connect = test_connect_init("c");
    CHECK_EQ(test_client_try(port, &connect), 5);
    CHECK_EQ(test_stats(broker).decisions_expired, 1);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&listening.probe);
}

/* ---- listeners ---- */

static void listeners_come_and_go(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT "," SIDE, ""));
    ear listening;
    ear_init(&listening, broker);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &listening;
    hooks.drop = test_drop;
    hooks.listener_up = on_up;
    hooks.listener_down = on_down;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    CHECK_TOLD(&listening, "up front tcp,up side tcp,");
    uint16_t front = test_port(broker, 0);
    uint16_t side = test_port(broker, 1);
    test_client client = test_client_open(side, "c");
    test_client_subscribe(client, "t", 0);

    /* One goes, and its client stays; one comes; one stays where it is, at another place of the list. */
    reload(broker, ONE("{\"name\":\"third\",\"address\":\"127.0.0.1:0\"}," FRONT, ""),
           REPORT("\"/listeners/0/name\"", "", "", ""));
    CHECK_TOLD(&listening, "down side tcp,up third tcp,");
    CHECK_EQ(test_port(broker, 0), side);
    CHECK_EQ(test_port(broker, 1), front);
    reload(broker, ONE(FRONT, ""), REPORT("\"/listeners\"", "", "", "\"third\""));
    CHECK_TOLD(&listening, "down third tcp,");
    CHECK_EQ(rmqtt_broker_listener_count(broker), 1);
    CHECK_EQ(test_port(broker, 0), front);
    CHECK(is_free(side));
    test_publish(broker, "t", "x");
    CHECK(strcmp(test_client_receive(client).payload, "x") == 0);

    char config[512];
    snprintf(config, sizeof config, ONE(FRONT ",{\"name\":\"again\",\"address\":\"127.0.0.1:%u\"}", ""),
             (unsigned)side);
    reload(broker, config, REPORT("\"/listeners/1\"", "", "", ""));
    CHECK_TOLD(&listening, "up again tcp,");
    test_client other = test_client_open(side, "other");
    check_alive(client);

    /* The port that the system has chosen for `front` is written down. */
    snprintf(config, sizeof config, ONE("{\"name\":\"front\",\"address\":\"127.0.0.1:%u\"}", ""), (unsigned)front);
    reload(broker, config, REPORT("\"/listeners\",\"/listeners/0/address\"", "", "", "\"again\""));
    CHECK_TOLD(&listening, "down again tcp,");
    CHECK_EQ(test_port(broker, 0), front);
    reload(broker, "{\"auth\":{\"allow_anonymous\":true},\"runtime\":{\"worker_threads\":2}}",
           REPORT("\"/listeners\"", "", "", "\"front\""));
    CHECK_TOLD(&listening, "down front tcp,");
    CHECK_EQ(rmqtt_broker_listener_count(broker), 0);
    check_alive(client);
    check_alive(other);
    test_client_disconnect(client);
    test_client_disconnect(other);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&listening.probe);
}

static void a_listener_changes_while_it_is_open(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ""));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client client = test_client_open(port, "c");
    test_connect connect = test_connect_init("other");
    reload(broker,
           ONE("{\"name\":\"front\",\"address\":\"127.0.0.1:0\",\"max_connections\":1,\"protocols\":[\"5\"],"
               "\"connect_timeout_ms\":50}", ""),
           REPORT("\"/listeners/0/connect_timeout_ms\",\"/listeners/0/max_connections\",\"/listeners/0/protocols\"", "",
                  "", ""));
    CHECK_EQ(test_client_try(port, &connect), 3);
    check_alive(client);
    test_client_disconnect(client);
    WAIT_UNTIL(rmqtt_broker_connected_clients(broker) == 0);
    /* The place is free a moment after the client is gone. */
    WAIT_UNTIL(test_client_try(port, &connect) == 1);
    test_client silent;
    silent.fd = test_dial(port);
    CHECK(test_client_closed(silent));
    close(silent.fd);
    /* Whatever it becomes, the port stays its own. */
    reload(broker, ONE("{\"name\":\"web\",\"type\":\"ws\",\"address\":\"127.0.0.1:0\"}", ""),
           REPORT("\"/listeners/0/connect_timeout_ms\",\"/listeners/0/max_connections\",\"/listeners/0/name\","
                  "\"/listeners/0/protocols\",\"/listeners/0/type\"", "", "", ""));
    CHECK_EQ(test_port(broker, 0), port);
    CHECK_STR(listener(broker, 0).type, "ws");
    CHECK_STR(listener(broker, 0).name, "web");
    rmqtt_broker_free(broker);
}

static void what_is_settled_when_a_socket_is_bound_waits(void) {
    char path[64];
    char config[512];
    snprintf(path, sizeof path, "/tmp/rmqtt-reload-%d", (int)getpid());
    snprintf(config, sizeof config, ONE("{\"name\":\"local\",\"type\":\"unix\",\"path\":\"%s\"}", ""), path);
    rmqtt_broker_t *broker = test_broker(config);
    test_start(broker);
    snprintf(config, sizeof config,
             ONE("{\"name\":\"local\",\"type\":\"unix\",\"path\":\"%s\",\"mode\":\"0600\"}", ""), path);
    reload(broker, config, REPORT("", "\"/listeners/0/mode\"", "", ""));
    reload(broker, config, REPORT("", "\"/listeners/0/mode\"", "", ""));
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    test_start(broker);
    reload(broker, config, REPORT("", "", "", ""));
    CHECK_EQ(access(path, F_OK), 0);
    reload(broker, ONE("", ""), REPORT("\"/listeners\"", "", "", "\"local\""));
    CHECK(access(path, F_OK) != 0);
    rmqtt_broker_free(broker);
}

/* ---- what needs a restart ---- */

static void the_rest_waits_for_the_next_start(void) {
    rmqtt_broker_t *broker = test_broker("{}");
    test_start(broker);
    const char *config = "{\"node_id\":7,\"runtime\":{\"worker_threads\":1,\"thread_name\":\"x\"},"
                         "\"shared_subscriptions\":{\"strategy\":\"random\"},\"limits\":{\"max_inflight\":7}}";
    const char *waiting = "\"/node_id\",\"/runtime/thread_name\",\"/runtime/worker_threads\","
                          "\"/shared_subscriptions/strategy\"";
    char wanted[512];
    snprintf(wanted, sizeof wanted, REPORT("\"/limits/max_inflight\"", "%s", "", ""), waiting);
    reload(broker, config, wanted);
    CHECK_STR(rmqtt_broker_id(broker), "rmqtt-1");
    /* A later one still tells of it. */
    snprintf(wanted, sizeof wanted, REPORT("", "%s", "", ""), waiting);
    reload(broker, config, wanted);
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    CHECK_STR(rmqtt_broker_id(broker), "rmqtt-7");
    test_start(broker);
    CHECK_STR(rmqtt_broker_id(broker), "rmqtt-7");
    reload(broker, config, REPORT("", "", "", ""));
    rmqtt_broker_free(broker);
}

static void a_broker_that_does_not_run_has_it_at_its_start(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ""));
    reload(broker, ONE(SIDE "," FRONT, ",\"node_id\":7"), REPORT("\"/node_id\",\"/listeners/0\"", "", "", ""));
    CHECK_STR(rmqtt_broker_id(broker), "rmqtt-7");
    CHECK_EQ(rmqtt_broker_listener_count(broker), 2);
    CHECK_STR(listener(broker, 0).name, "side");
    CHECK(!rmqtt_broker_running(broker));
    rmqtt_string_t *report = NULL;
    CHECK_STATUS(rmqtt_broker_reload(broker, rmqtt_str("{\"node_id\":0}"), &report, NULL), RMQTT_ERR_INVALID_CONFIG);
    CHECK_CONTAINS(rmqtt_string_view(report), "/node_id");
    rmqtt_string_free(report);
    test_start(broker);
    test_client_disconnect(test_client_open(test_port(broker, 1), "c"));
    rmqtt_broker_free(broker);
}

/* ---- refused as a whole ---- */

/** The broker is as `limits_stay` has made it. */
static void check_unchanged(rmqtt_broker_t *broker, uint16_t port, test_client client) {
    CHECK_EQ(rmqtt_broker_listener_count(broker), 1);
    CHECK_EQ(test_port(broker, 0), port);
    CHECK_STR(listener(broker, 0).name, "front");
    CHECK_STATUS(test_try_publish(broker, "a/b/c/d", "x", false), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_OK(test_try_publish(broker, "a/b/c", "x", false));
    check_alive(client);
    reload(broker, ONE(FRONT, ",\"limits\":{\"max_topic_levels\":3}"), REPORT("", "", "", ""));
}

static void a_faulty_configuration_changes_nothing(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ",\"limits\":{\"max_topic_levels\":3}"));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client client = test_client_open(port, "c");
    rmqtt_string_t *report = NULL;
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_reload(broker, rmqtt_str(ONE(SIDE ",{\"address\":\"x\"}",
                                                           ",\"limits\":{\"max_topic_levels\":9,\"max_qos\":7}")),
                                     &report, &error),
                 RMQTT_ERR_INVALID_CONFIG);
    CHECK_EQ(rmqtt_error_fault_count(error), 2);
    CHECK_STR(rmqtt_string_view(report),
              REPORT("", "",
                     "{\"pointer\":\"/limits/max_qos\",\"message\":\"7 is above the maximum, 2\"},"
                     "{\"pointer\":\"/listeners/1/address\",\"message\":\"\\\"x\\\" is not an IP address and port, such as "
                     "\\\"127.0.0.1:1883\\\" or \\\"[::1]:1883\\\"\"}", ""));
    rmqtt_string_free(report);
    rmqtt_error_free(error);
    check_unchanged(broker, port, client);

    CHECK_STATUS(rmqtt_broker_reload(broker, rmqtt_str("nonsense"), &report, NULL), RMQTT_ERR_INVALID_CONFIG);
    CHECK_CONTAINS(rmqtt_string_view(report), "\"rejected\":[{\"pointer\":\"\",\"message\":\"is not JSON");
    rmqtt_string_free(report);

    /* Files are read before anything changes. */
    error = NULL;
    const char *tls = ONE(SIDE ",{\"name\":\"front\",\"type\":\"tls\",\"address\":\"127.0.0.1:0\",\"tls\":{\"cert_file\":"
                               "\"/nowhere\",\"key_file\":\"/nowhere\"}}", ",\"limits\":{\"max_topic_levels\":9}");
    CHECK_STATUS(rmqtt_broker_reload(broker, rmqtt_str(tls), &report, &error), RMQTT_ERR_INVALID_CONFIG);
    CHECK_CONTAINS(rmqtt_string_view(report), "\"rejected\":[{\"pointer\":\"/listeners/1/tls/cert_file\"");
    CHECK_CONTAINS(rmqtt_error_message(error), "/listeners/1/tls/key_file: ");
    rmqtt_string_free(report);
    rmqtt_error_free(error);
    check_unchanged(broker, port, client);
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

static void an_address_that_is_taken_changes_nothing(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ",\"limits\":{\"max_topic_levels\":3}"));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client client = test_client_open(port, "c");
    int blocker = test_listen(0);
    int placeholder = test_listen(0);
    uint16_t free_port = test_port_of(placeholder);
    close(placeholder);
    char config[512];
    snprintf(config, sizeof config,
             ONE("{\"name\":\"good\",\"address\":\"127.0.0.1:%u\"},{\"name\":\"bad\",\"address\":\"127.0.0.1:%u\"}",
                 ",\"limits\":{\"max_topic_levels\":9}"),
             (unsigned)free_port, (unsigned)test_port_of(blocker));
    rmqtt_string_t *report = NULL;
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_reload(broker, rmqtt_str(config), &report, &error), RMQTT_ERR_BIND);
    CHECK_CONTAINS(rmqtt_error_message(error), "\"bad\"");
    CHECK_CONTAINS(rmqtt_string_view(report), "\"rejected\":[{\"pointer\":\"/listeners/1/address\",\"message\":");
    rmqtt_string_free(report);
    rmqtt_error_free(error);
    CHECK(is_free(free_port));
    check_unchanged(broker, port, client);
    close(blocker);
    reload(broker, config,
           REPORT("\"/limits/max_topic_levels\",\"/listeners\",\"/listeners/0\",\"/listeners/1\"", "", "", "\"front\""));
    check_alive(client);
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
}

/* ---- from everywhere ---- */

static void on_connected(const rmqtt_connected_t *event, void *user_data) {
    ear *listening = (ear *)user_data;
    (void)event;
    test_enter(&listening->probe);
    rmqtt_status_t status =
        rmqtt_broker_reload(listening->broker, rmqtt_str(ONE(SIDE, ",\"limits\":{\"max_topic_levels\":1}")), NULL, NULL);
    __atomic_store_n(&listening->status, status, __ATOMIC_SEQ_CST);
    test_leave(&listening->probe);
}

/** The hook brings another listener, while the listener that its client has come through goes. */
static void a_hook_may_reload(uint32_t flags) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ""));
    ear listening;
    ear_init(&listening, broker);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &listening;
    hooks.drop = test_drop;
    hooks.connected = on_connected;
    hooks.flags[RMQTT_HOOK_CONNECTED] = flags;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    test_client client = test_client_open(test_port(broker, 0), "c");
    WAIT_UNTIL(__atomic_load_n(&listening.status, __ATOMIC_SEQ_CST) != 1);
    CHECK_STATUS(listening.status, RMQTT_OK);
    CHECK_STR(listener(broker, 0).name, "side");
    check_alive(client);
    CHECK_STATUS(test_try_publish(broker, "a/b", "x", false), RMQTT_ERR_INVALID_ARGUMENT);
    test_client_disconnect(client);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&listening.probe);
}

/** A stop waits for this hook, which therefore must not wait for the stop. */
static void on_disconnected(const rmqtt_disconnected_t *event, void *user_data) {
    ear *listening = (ear *)user_data;
    (void)event;
    rmqtt_status_t status = rmqtt_broker_reload(listening->broker, rmqtt_str("{}"), NULL, NULL);
    __atomic_store_n(&listening->status, status, __ATOMIC_SEQ_CST);
}

static void a_hook_does_not_wait_for_a_stop(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ""));
    ear listening;
    ear_init(&listening, broker);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &listening;
    hooks.disconnected = on_disconnected;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    test_client client = test_client_open(test_port(broker, 0), "c");
    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    CHECK_STATUS(listening.status, RMQTT_ERR_WOULD_DEADLOCK);
    close(client.fd);
    rmqtt_broker_free(broker);
}

typedef struct reloader {
    rmqtt_broker_t *broker;
    const char *config;
} reloader;

static void *reload_often(void *given) {
    const reloader *mine = (const reloader *)given;
    for (int i = 0; i < 50; i++) {
        CHECK_OK(rmqtt_broker_reload(mine->broker, rmqtt_str(mine->config), NULL, NULL));
    }
    return NULL;
}

static void several_threads_may_reload(void) {
    rmqtt_broker_t *broker = test_broker(ONE(FRONT, ""));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    int descriptors = test_descriptors();
    reloader reloaders[3] = {{broker, ONE(FRONT, "")},
                             {broker, ONE(SIDE "," FRONT, ",\"limits\":{\"max_qos\":1}")},
                             {broker, ONE(FRONT "," SIDE ",{\"name\":\"third\",\"address\":\"[::1]:0\"}", "")}};
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, reload_often, &reloaders[i]), 0);
    }
    for (int i = 0; i < 20; i++) {
        test_client client = test_client_open(port, "c");
        test_client_publish(client, "t", "x", 1);
        test_client_disconnect(client);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_OK(rmqtt_broker_reload(broker, rmqtt_str(ONE(FRONT, "")), NULL, NULL));
    CHECK_EQ(test_port(broker, 0), port);
    WAIT_UNTIL(test_descriptors() == descriptors);
    rmqtt_broker_free(broker);
}

/* ---- misuse ---- */

static void misuse_is_refused(void) {
    rmqtt_string_t *report = NULL;
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_reload(NULL, rmqtt_str("{}"), &report, &error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(rmqtt_error_status(error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(report == NULL);
    rmqtt_error_free(error);
    CHECK_STATUS(rmqtt_broker_reload(NULL, rmqtt_str("{}"), NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);

    rmqtt_broker_t *broker = test_broker("{}");
    rmqtt_str_t absent;
    absent.ptr = NULL;
    absent.len = 0;
    CHECK_STATUS(rmqtt_broker_reload(broker, absent, &report, NULL), RMQTT_ERR_INVALID_CONFIG);
    rmqtt_string_free(report);
    CHECK_STATUS(rmqtt_broker_reload(broker, rmqtt_str("\xff"), &report, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(report == NULL);

    int pipes[2];
    char word = 0;
    CHECK_EQ(pipe(pipes), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        rmqtt_string_t *none = NULL;
        CHECK_STATUS(rmqtt_broker_reload(broker, rmqtt_str("{}"), &none, NULL), RMQTT_ERR_FORKED);
        CHECK(none == NULL);
        CHECK_EQ(write(pipes[1], "y", 1), 1);
        /* No ordinary exit: a memory checker would count what is the parent's as lost. */
        raise(SIGKILL);
    }
    close(pipes[1]);
    CHECK_EQ(read(pipes[0], &word, 1), 1);
    CHECK_EQ(word, 'y');
    close(pipes[0]);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    rmqtt_broker_free(broker);
}

int main(void) {
    nothing_new_changes_nothing();
    limits_hold_at_once();
    queues_of_sessions_that_there_are_have_the_new_limits();
    what_has_been_agreed_on_stays();
    who_may_connect_changes_at_once();
    retained_messages_wait_while_retaining_is_turned_off();
    the_heart_begins_to_beat();
    hooks_have_another_timeout();
    listeners_come_and_go();
    a_listener_changes_while_it_is_open();
    what_is_settled_when_a_socket_is_bound_waits();
    the_rest_waits_for_the_next_start();
    a_broker_that_does_not_run_has_it_at_its_start();
    a_faulty_configuration_changes_nothing();
    an_address_that_is_taken_changes_nothing();
    a_hook_may_reload(0);
    a_hook_may_reload(RMQTT_HOOK_INLINE);
    a_hook_does_not_wait_for_a_stop();
    several_threads_may_reload();
    misuse_is_refused();
    return 0;
}
