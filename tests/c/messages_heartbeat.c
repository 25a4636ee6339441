/* The broker lets those who listen know that it lives. */

#include "test.h"

#define TOPIC "$SYS/gate \"7\"/heartbeat"
#define CONFIG(heartbeat, acl)                                                                              \
    "{\"id\":\"gate \\\"7\\\"\",\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"    \
    "\"runtime\":{\"worker_threads\":2},\"acl\":{\"sys_topics\":\"" acl "\"},\"sys_topics\":{\"heartbeat\":" \
    heartbeat "}}"

/** What is heard, by the hook and by a subscription. Begins with the probe. */
typedef struct ear {
    test_probe probe;
    pthread_mutex_t lock;
    char last[256];
    /** Questions that are asked before something is published. */
    int asked;
} ear;

static void ear_init(ear *listening) {
    memset(listening, 0, sizeof *listening);
    pthread_mutex_init(&listening->lock, NULL);
}

static void hear(const rmqtt_message_t *message, void *user_data) {
    ear *listening = (ear *)user_data;
    test_enter(&listening->probe);
    CHECK_STR(message->topic, TOPIC);
    CHECK_EQ(message->origin, RMQTT_ORIGIN_SYSTEM);
    CHECK_EQ(message->qos, 0);
    CHECK(!message->retain && message->publisher == NULL && message->properties == NULL);
    pthread_mutex_lock(&listening->lock);
    snprintf(listening->last, sizeof listening->last, "%.*s", (int)message->payload.len,
             (const char *)message->payload.ptr);
    pthread_mutex_unlock(&listening->lock);
    test_leave(&listening->probe);
}

static void on_published(const rmqtt_message_published_t *event, void *user_data) {
    hear(event->message, user_data);
}

static rmqtt_verdict_kind_t on_publish(const rmqtt_authorize_publish_t *event, rmqtt_verdict_t *verdict,
                                       void *user_data) {
    ear *listening = (ear *)user_data;
    (void)event;
    (void)verdict;
    test_add(&listening->asked);
    return RMQTT_VERDICT_DENY;
}

/** What a payload says. */
typedef struct life {
    unsigned long long uptime_ms;
    unsigned long long clients;
} life;

static life read_payload(const char *payload) {
    life read;
    int end = 0;
    int fields = sscanf(payload, "{\"id\":\"gate \\\"7\\\"\",\"uptime_ms\":%llu,\"connected_clients\":%llu}%n",
                        &read.uptime_ms, &read.clients, &end);
    if (fields != 2 || payload[end] != '\0' || end == 0) {
        FAIL("not a heartbeat: %s", payload);
    }
    return read;
}

static life last_heard(ear *listening) {
    char copy[256];
    pthread_mutex_lock(&listening->lock);
    memcpy(copy, listening->last, sizeof copy);
    pthread_mutex_unlock(&listening->lock);
    return read_payload(copy);
}

static rmqtt_broker_t *heard_broker(ear *listening, const char *config) {
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    ear_init(listening);
    hooks.user_data = listening;
    hooks.drop = test_drop;
    hooks.message_published = on_published;
    hooks.authorize_publish = on_publish;
    rmqtt_broker_t *broker = test_broker(config);
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    return broker;
}

static void none_unless_it_is_turned_on(void) {
    ear listening;
    rmqtt_broker_t *broker = heard_broker(&listening, CONFIG("{\"interval_ms\":100}", "read"));
    test_start(broker);
    for (int64_t until = test_now_ms() + 300; test_now_ms() < until;) {
        test_pause();
    }
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    CHECK_EQ(test_get(&listening.probe.calls), 0);
    rmqtt_broker_free(broker);
}

/** The first one comes with the start, each start. */
static void the_first_one_comes_at_once(void) {
    ear listening;
    rmqtt_broker_t *broker =
        heard_broker(&listening, CONFIG("{\"enabled\":true,\"interval_ms\":86400000}", "deny"));
    for (int start = 1; start <= 2; start++) {
        test_start(broker);
        WAIT_UNTIL(test_get(&listening.probe.calls) == start);
        CHECK_EQ(last_heard(&listening).clients, 0);
        CHECK(last_heard(&listening).uptime_ms < TEST_DEADLINE_MS);
        CHECK_OK(rmqtt_broker_stop(broker, 0));
    }
    CHECK_EQ(test_get(&listening.probe.calls), 2);
    CHECK_EQ(test_get(&listening.asked), 0);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&listening.probe);
}

static test_client open_client(rmqtt_broker_t *broker, const char *client_id, int protocol) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    return client;
}

static life receive(test_client client) {
    test_message message = test_client_receive(client);
    CHECK(strcmp(message.topic, TOPIC) == 0);
    CHECK(message.qos == 0 && !message.retain);
    return read_payload(message.payload);
}

static void count_retained(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    test_add((int *)user_data);
}

static void it_beats(void) {
    ear listening;
    int retained = 0;
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_broker_t *broker = test_broker(CONFIG("{\"enabled\":true,\"interval_ms\":100}", "read"));
    test_start(broker);
    ear_init(&listening);
    /* What belongs to the broker is not what `#` asks for. */
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("$SYS/+/heartbeat"), NULL, hear, &listening, test_drop,
                                    &subscription, NULL));
    test_client clients[2] = {open_client(broker, "four", 4), open_client(broker, "five", 5)};
    int64_t begun = test_now_ms();
    for (int i = 0; i < 2; i++) {
        test_client_subscribe(clients[i], "$SYS/#", 1);
        life first = receive(clients[i]);
        life second = receive(clients[i]);
        life third = receive(clients[i]);
        CHECK_EQ(third.clients, 2);
        CHECK(second.uptime_ms > first.uptime_ms);
        CHECK(third.uptime_ms >= first.uptime_ms + 150);
    }
    CHECK(test_now_ms() - begun >= 150);
    WAIT_UNTIL(test_get(&listening.probe.calls) >= 5);
    CHECK_OK(rmqtt_broker_retained(broker, rmqtt_str("$SYS/#"), count_retained, &retained, NULL));
    CHECK_EQ(retained, 0);
    test_client_leave(clients[0]);
    WAIT_UNTIL(last_heard(&listening).clients == 1);
    close(clients[1].fd);
    CHECK_OK(rmqtt_broker_stop(broker, TEST_DEADLINE_MS));
    int calls = test_get(&listening.probe.calls);
    for (int64_t until = test_now_ms() + 300; test_now_ms() < until;) {
        test_pause();
    }
    CHECK_EQ(test_get(&listening.probe.calls), calls);
    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&listening.probe);
}

/** Clients need to be let. */
static void clients_may_not_listen_unless_they_are_let(void) {
    rmqtt_broker_t *broker = test_broker(CONFIG("{\"enabled\":true,\"interval_ms\":100}", "deny"));
    test_start(broker);
    for (int protocol = 4; protocol <= 5; protocol++) {
        test_client client = open_client(broker, "c", protocol);
        test_packet packet;
        test_packet_begin(&packet, 0x82);
        test_put_byte(&packet, 0);
        test_put_byte(&packet, 1);
        if (protocol == 5) {
            test_put_byte(&packet, 0);
        }
        test_put_text(&packet, "$SYS/+/heartbeat");
        test_put_byte(&packet, 0);
        test_packet_send(client.fd, &packet);
        test_packet_expect(client.fd, &packet, 0x90);
        CHECK_EQ(packet.body[packet.len - 1], protocol == 5 ? 0x87 : 0x80);
        test_client_leave(client);
    }
    rmqtt_broker_free(broker);
}

static void faults_are_told(void) {
    static const char *const faults[][2] = {
        {"{\"sys_topics\":{\"heartbeat\":{\"interval_ms\":99}}}", "/sys_topics/heartbeat/interval_ms"},
        {"{\"sys_topics\":{\"namespace\":\"$SYS\"}}", "/sys_topics/namespace"},
        {"{\"id\":\"a/b\",\"sys_topics\":{\"heartbeat\":{\"enabled\":true}}}", "/id"},
        {"{\"limits\":{\"max_topic_levels\":2},\"sys_topics\":{\"heartbeat\":{\"enabled\":true}}}",
         "/sys_topics/heartbeat/enabled"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        rmqtt_error_t *error = NULL;
        rmqtt_fault_t fault = rmqtt_fault_init();
        CHECK_STATUS(rmqtt_config_validate(rmqtt_str(faults[i][0]), &error), RMQTT_ERR_INVALID_CONFIG);
        CHECK_EQ(rmqtt_error_fault_count(error), 1);
        CHECK_OK(rmqtt_error_fault(error, 0, &fault));
        CHECK_STR(fault.pointer, faults[i][1]);
        rmqtt_error_free(error);
    }
}

int main(void) {
    none_unless_it_is_turned_on();
    the_first_one_comes_at_once();
    it_beats();
    clients_may_not_listen_unless_they_are_let();
    faults_are_told();
    return 0;
}
