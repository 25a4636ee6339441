/* The program looks after retained messages itself. */

#include "test.h"

/** What `show` has been shown. */
typedef struct shown {
    /** Each as "topic=payload q1," in order, as far as there is room. */
    char told[512];
    int calls;
    rmqtt_broker_t *broker;
    /** Each is deleted when it is shown. */
    bool deletes;
    /** With the first one, the broker is stopped. */
    bool stops;
} shown;

static void show(const rmqtt_message_t *message, void *user_data) {
    shown *seen = (shown *)user_data;
    size_t length = strlen(seen->told);
    seen->calls++;
    CHECK_EQ(message->struct_size, sizeof *message);
    CHECK_EQ(message->origin, RMQTT_ORIGIN_RETAINED);
    CHECK(message->retain);
    CHECK(message->topic.ptr[message->topic.len] == '\0');
    if (length + message->topic.len + message->payload.len + 8 < sizeof seen->told) {
        snprintf(seen->told + length, sizeof seen->told - length, "%s=%.*s q%d,", message->topic.ptr,
                 (int)message->payload.len, (const char *)message->payload.ptr, message->qos);
    }
    if (seen->deletes) {
        uint64_t deleted = 0;
        CHECK_OK(rmqtt_broker_retained_delete(seen->broker, message->topic, &deleted, NULL));
        CHECK_EQ(deleted, 1);
    }
    if (seen->stops && seen->calls == 1) {
        CHECK_OK(rmqtt_broker_stop(seen->broker, TEST_DEADLINE_MS));
    }
}

static shown shown_init(rmqtt_broker_t *broker) {
    shown seen;
    memset(&seen, 0, sizeof seen);
    seen.broker = broker;
    return seen;
}

#define CHECK_SHOWN(broker, filter, wanted)                                                   \
    do {                                                                                      \
        shown seen_ = shown_init(broker);                                                     \
        CHECK_OK(rmqtt_broker_retained(broker, rmqtt_str(filter), show, &seen_, NULL));       \
        if (strcmp(seen_.told, wanted) != 0) {                                                \
            FAIL("%s: shown \"%s\", not \"%s\"", filter, seen_.told, wanted);                 \
        }                                                                                     \
    } while (0)

static rmqtt_status_t set_with(rmqtt_broker_t *broker, const char *topic, const char *payload, size_t len, int qos) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str(topic);
    message.payload = rmqtt_bytes(payload, len);
    message.qos = (uint8_t)qos;
    return rmqtt_broker_retained_set(broker, &message, NULL);
}

static rmqtt_status_t try_set(rmqtt_broker_t *broker, const char *topic, const char *payload) {
    return set_with(broker, topic, payload, strlen(payload), 0);
}

static void set(rmqtt_broker_t *broker, const char *topic, const char *payload) {
    CHECK_OK(try_set(broker, topic, payload));
}

static uint64_t delete_all(rmqtt_broker_t *broker, const char *filter) {
    uint64_t deleted = 99;
    CHECK_OK(rmqtt_broker_retained_delete(broker, rmqtt_str(filter), &deleted, NULL));
    return deleted;
}

static rmqtt_status_t try_get(const rmqtt_broker_t *broker, const char *topic) {
    shown seen = shown_init(NULL);
    rmqtt_status_t status = rmqtt_broker_retained_get(broker, rmqtt_str(topic), show, &seen, NULL);
    CHECK_EQ(seen.calls, status == RMQTT_OK ? 1 : 0);
    return status;
}

static test_client client_open(rmqtt_broker_t *broker, const char *client_id, int protocol) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    test_client client = test_client_connect(test_port(broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    return client;
}

static void they_are_shown_in_order(rmqtt_broker_t *broker) {
    CHECK_SHOWN(broker, "#", "");
    CHECK_OK(test_try_publish(broker, "b/x", "1", true));
    set(broker, "a-b", "2");
    CHECK_OK(set_with(broker, "a", "3", 1, 2));
    set(broker, "a/b/c", "4");
    set(broker, "a/b", "5");
    set(broker, "$own/x", "6");
    CHECK_SHOWN(broker, "#", "a=3 q2,a/b=5 q0,a/b/c=4 q0,a-b=2 q0,b/x=1 q0,");
    CHECK_SHOWN(broker, "a/#", "a=3 q2,a/b=5 q0,a/b/c=4 q0,");
    CHECK_SHOWN(broker, "+/+", "a/b=5 q0,b/x=1 q0,");
    CHECK_SHOWN(broker, "a/b", "a/b=5 q0,");
    CHECK_SHOWN(broker, "$own/#", "$own/x=6 q0,");
    CHECK_SHOWN(broker, "c/#", "");
    CHECK_EQ(test_stats(broker).retained_messages, 6);
    CHECK_EQ(delete_all(broker, "a/#"), 3);
    CHECK_SHOWN(broker, "#", "a-b=2 q0,b/x=1 q0,");
    CHECK_EQ(delete_all(broker, "a-b"), 1);
    CHECK_EQ(delete_all(broker, "a-b"), 0);
    CHECK_OK(rmqtt_broker_retained_delete(broker, rmqtt_str("#"), NULL, NULL));
    CHECK_SHOWN(broker, "#", "");
    CHECK_EQ(delete_all(broker, "$own/+"), 1);
    CHECK_EQ(test_stats(broker).retained_messages, 0);
}

static void fill(rmqtt_broker_t *broker, int count) {
    for (int i = 0; i < count; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "many/%d", i);
        set(broker, topic, "x");
    }
}

static void the_function_may_delete_what_it_sees(rmqtt_broker_t *broker) {
    fill(broker, 500);
    shown seen = shown_init(broker);
    seen.deletes = true;
    CHECK_OK(rmqtt_broker_retained(broker, rmqtt_str("many/+"), show, &seen, NULL));
    CHECK_EQ(seen.calls, 500);
    CHECK_EQ(test_stats(broker).retained_messages, 0);

    fill(broker, 500);
    CHECK_EQ(delete_all(broker, "many/#"), 500);
    CHECK_EQ(test_stats(broker).retained_messages, 0);
}

/** The function runs without anything locked that a stop waits for. */
static void the_function_may_stop_the_broker(rmqtt_broker_t *broker) {
    fill(broker, 500);
    shown seen = shown_init(broker);
    seen.stops = true;
    CHECK_STATUS(rmqtt_broker_retained(broker, rmqtt_str("#"), show, &seen, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK(seen.calls >= 1 && seen.calls < 500);
    test_start(broker);
    CHECK_SHOWN(broker, "#", "");
    set(broker, "few", "x");
    seen = shown_init(broker);
    seen.stops = true;
    CHECK_OK(rmqtt_broker_retained_get(broker, rmqtt_str("few"), show, &seen, NULL));
    CHECK_EQ(seen.calls, 1);
    test_start(broker);
}

static void one_is_got_by_its_name(rmqtt_broker_t *broker) {
    CHECK_STATUS(try_get(broker, "one"), RMQTT_ERR_NOT_FOUND);
    set(broker, "one/below", "below");
    CHECK_STATUS(try_get(broker, "one"), RMQTT_ERR_NOT_FOUND);
    set(broker, "one", "first");
    CHECK_OK(set_with(broker, "one", "second", 6, 1));
    shown seen = shown_init(broker);
    CHECK_OK(rmqtt_broker_retained_get(broker, rmqtt_str("one"), show, &seen, NULL));
    CHECK(strcmp(seen.told, "one=second q1,") == 0);
    CHECK_OK(test_try_publish(broker, "one", "", true));
    CHECK_STATUS(try_get(broker, "one"), RMQTT_ERR_NOT_FOUND);
    CHECK_EQ(delete_all(broker, "#"), 1);
}

static void count_calls(const rmqtt_message_t *message, void *user_data) {
    test_probe *probe = (test_probe *)user_data;
    test_enter(probe);
    CHECK(message->topic.len > 0);
    test_leave(probe);
}

/** Who is subscribed does not get what is set; who subscribes then does. */
static void what_is_set_is_for_later_subscriptions(rmqtt_broker_t *broker, int protocol) {
    test_probe probe;
    rmqtt_subscription_t *subscription = NULL;
    memset(&probe, 0, sizeof probe);
    test_client early = client_open(broker, "early", protocol);
    test_client_subscribe(early, "state/#", 1);
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("state/#"), NULL, count_calls, &probe, test_drop, &subscription,
                                    NULL));

    CHECK_OK(set_with(broker, "state/door", "open", 4, 1));
    test_publish(broker, "state/end", "end");
    test_message message = test_client_receive(early);
    CHECK(strcmp(message.topic, "state/end") == 0);
    WAIT_UNTIL(test_get(&probe.calls) == 1);
    rmqtt_subscription_free(subscription);
    CHECK_EQ(probe.calls, 1);
    CHECK_DROPPED(&probe);

    test_client late = client_open(broker, "late", protocol);
    test_client_subscribe(late, "state/#", 1);
    message = test_client_receive(late);
    CHECK(strcmp(message.topic, "state/door") == 0 && strcmp(message.payload, "open") == 0);
    CHECK(message.retain && message.qos == 1);

    /* What is forgotten does not come any more. */
    CHECK_EQ(delete_all(broker, "state/door"), 1);
    test_client_subscribe(early, "state/door", 0);
    test_publish(broker, "state/door", "live");
    message = test_client_receive(early);
    CHECK(strcmp(message.payload, "live") == 0 && !message.retain);
    test_client_leave(early);
    test_client_leave(late);
    WAIT_UNTIL(rmqtt_broker_connected_clients(broker) == 0);
}

static void what_clients_retain_is_there_until_it_expires(rmqtt_broker_t *broker) {
    static const uint8_t a_second[] = {0x02, 0, 0, 0, 1};
    test_client client = client_open(broker, "brief", 5);
    test_packet packet;
    test_packet_begin(&packet, 0x33);
    test_put_text(&packet, "brief/one");
    test_put_byte(&packet, 0);
    test_put_byte(&packet, 7);
    test_put_properties(&packet, a_second, sizeof a_second);
    test_put_text(&packet, "x");
    test_packet_send(client.fd, &packet);
    test_packet_expect(client.fd, &packet, 0x40);
    CHECK_OK(try_get(broker, "brief/one"));
    WAIT_UNTIL(try_get(broker, "brief/one") == RMQTT_ERR_NOT_FOUND);
    CHECK_SHOWN(broker, "brief/#", "");
    CHECK_EQ(delete_all(broker, "brief/#"), 0);
    test_client_leave(client);
}

/** Looks at what `properties_are_kept` has set. */
static void see_properties(const rmqtt_message_t *message, void *user_data) {
    const rmqtt_properties_t *properties = message->properties;
    CHECK(properties != NULL);
    CHECK_STR(properties->content_type, "text");
    CHECK_EQ(properties->user_property_count, 1);
    CHECK_STR(properties->user_properties[0].name, "k");
    CHECK_STR(properties->user_properties[0].value, "v");
    CHECK(properties->has_message_expiry && properties->message_expiry_s > 0 && properties->message_expiry_s <= 60);
    test_add((int *)user_data);
}

/** What goes with a message is there for the program, and for a client that subscribes later. */
static void properties_are_kept(rmqtt_broker_t *broker) {
    static const uint8_t type[] = {0x03, 0, 4, 't', 'e', 'x', 't'}, user[] = {0x26, 0, 1, 'k', 0, 1, 'v'};
    rmqtt_user_property_t user_property = {rmqtt_str("k"), rmqtt_str("v")};
    rmqtt_properties_t properties = rmqtt_properties_init();
    properties.content_type = rmqtt_str("text");
    properties.user_properties = &user_property;
    properties.user_property_count = 1;
    properties.has_message_expiry = true;
    properties.message_expiry_s = 60;
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("with/properties");
    message.payload = rmqtt_bytes("x", 1);
    message.properties = &properties;
    CHECK_OK(rmqtt_broker_retained_set(broker, &message, NULL));
    int seen = 0;
    CHECK_OK(rmqtt_broker_retained_get(broker, message.topic, see_properties, &seen, NULL));
    CHECK_OK(rmqtt_broker_retained(broker, rmqtt_str("with/#"), see_properties, &seen, NULL));
    CHECK_EQ(seen, 2);

    test_client client = client_open(broker, "late", 5);
    test_client_subscribe(client, "with/#", 0);
    test_packet packet;
    test_packet_expect(client.fd, &packet, 0x30);
    CHECK_EQ(packet.type, 0x31);
    CHECK(memmem(packet.body, packet.len, type, sizeof type) && memmem(packet.body, packet.len, user, sizeof user));
    test_client_leave(client);

    /* Its time runs for the program, too. */
    properties.message_expiry_s = 1;
    CHECK_OK(rmqtt_broker_retained_set(broker, &message, NULL));
    WAIT_UNTIL(try_get(broker, "with/properties") == RMQTT_ERR_NOT_FOUND);
    WAIT_UNTIL(rmqtt_broker_connected_clients(broker) == 0);
}

static void ignore_report(const rmqtt_publish_report_t *report, void *user_data) {
    (void)report;
    (void)user_data;
}

static void limits_are_answered(void) {
    rmqtt_broker_t *broker = test_broker("{\"retain\":{\"max_messages\":2,\"max_payload_bytes\":4}}");
    rmqtt_error_t *error = NULL;
    test_start(broker);
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("a");
    message.payload = rmqtt_bytes("12345", 5);
    CHECK_STATUS(rmqtt_broker_retained_set(broker, &message, &error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_CONTAINS(rmqtt_error_message(error), "retain.max_payload_bytes is 4");
    rmqtt_error_free(error);
    set(broker, "a", "1234");
    set(broker, "b", "1");
    CHECK_STATUS(try_set(broker, "c", "1"), RMQTT_ERR_WOULD_BLOCK);
    set(broker, "b", "2");
    CHECK_SHOWN(broker, "#", "a=1234 q0,b=2 q0,");
    CHECK_EQ(delete_all(broker, "a"), 1);
    set(broker, "c", "1");
    rmqtt_broker_free(broker);

    broker = test_broker("{\"retain\":{\"enabled\":false}}");
    test_start(broker);
    CHECK_STATUS(try_set(broker, "a", "1"), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(try_get(broker, "a"), RMQTT_ERR_NOT_FOUND);
    CHECK_EQ(delete_all(broker, "#"), 0);
    rmqtt_broker_free(broker);
}

static void mistakes_are_refused(void) {
    static const char not_utf8[] = {'a', (char)0xff, '\0'};
    static const char *const filters[] = {"", "a#", "#/a", "$share/g/a", "$share/g", "a/b/c/d", not_utf8};
    static const char *const names[] = {"", "a/+", "#", "a/b/c/d", not_utf8};
    rmqtt_broker_t *broker = test_broker("{\"limits\":{\"max_topic_levels\":3,\"max_qos\":1}}");
    shown seen = shown_init(broker);
    uint64_t deleted = 7;
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("a");
    message.payload = rmqtt_bytes("x", 1);

    CHECK_STATUS(rmqtt_broker_retained(broker, rmqtt_str("a"), show, &seen, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_STATUS(rmqtt_broker_retained_get(broker, rmqtt_str("a"), show, &seen, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_STATUS(rmqtt_broker_retained_set(broker, &message, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_STATUS(rmqtt_broker_retained_delete(broker, rmqtt_str("a"), &deleted, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_EQ(deleted, 0);

    test_start(broker);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        rmqtt_error_t *error = NULL;
        rmqtt_str_t filter = rmqtt_str(filters[i]);
        CHECK_STATUS(rmqtt_broker_retained(broker, filter, show, &seen, &error), RMQTT_ERR_INVALID_ARGUMENT);
        CHECK_CONTAINS(rmqtt_error_message(error), "the filter ");
        rmqtt_error_free(error);
        deleted = 7;
        CHECK_STATUS(rmqtt_broker_retained_delete(broker, filter, &deleted, NULL), RMQTT_ERR_INVALID_ARGUMENT);
        CHECK_EQ(deleted, 0);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK_STATUS(try_get(broker, names[i]), RMQTT_ERR_INVALID_ARGUMENT);
        CHECK_STATUS(try_set(broker, names[i], "x"), RMQTT_ERR_INVALID_ARGUMENT);
    }
    CHECK_STATUS(try_set(broker, "a", ""), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(set_with(broker, "a", "x", 1, 2), RMQTT_ERR_INVALID_ARGUMENT);
    /* It goes to nobody: not to one client, not later, and there is nothing to report. */
    rmqtt_publish_t sent = message;
    sent.client_id = rmqtt_str("c");
    CHECK_STATUS(rmqtt_broker_retained_set(broker, &sent, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    sent = message;
    sent.delay_ms = 1;
    CHECK_STATUS(rmqtt_broker_retained_set(broker, &sent, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    test_probe probe;
    memset(&probe, 0, sizeof probe);
    sent = message;
    sent.on_report = ignore_report;
    sent.user_data = &probe;
    sent.drop = test_drop;
    CHECK_STATUS(rmqtt_broker_retained_set(broker, &sent, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_DROPPED(&probe);
    CHECK_STATUS(rmqtt_broker_retained(broker, rmqtt_str("a"), NULL, NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_retained_get(broker, rmqtt_str("a"), NULL, NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_retained_set(broker, NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_retained(NULL, rmqtt_str("a"), show, &seen, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_retained_get(NULL, rmqtt_str("a"), show, &seen, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_retained_set(NULL, &message, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_STATUS(rmqtt_broker_retained_delete(NULL, rmqtt_str("a"), NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_EQ(seen.calls, 0);
    CHECK_EQ(test_stats(broker).retained_messages, 0);
    rmqtt_broker_free(broker);
}

/* ---- from within hooks ---- */

/** The user data of hooks. */
typedef struct host {
    test_probe probe;
    pthread_mutex_t lock;
    rmqtt_broker_t *broker;
    /** What `retained_changed` was told, such as "1 a=x,". */
    char told[1024];
    /** How deep hooks stand within each other on one thread. */
    int deepest;
    int asked;
    /** How often everything has been used. */
    int used;
} host;

static __thread int depth;

static void host_enter(host *hosting) {
    test_enter(&hosting->probe);
    depth++;
    if (depth > test_get(&hosting->deepest)) {
        test_set(&hosting->deepest, depth);
    }
}

static void host_leave(host *hosting) {
    depth--;
    test_leave(&hosting->probe);
}

/** Everything that there is, in the middle of a hook. */
static void use_everything(host *hosting, const char *topic) {
    shown seen = shown_init(hosting->broker);
    set(hosting->broker, topic, "within");
    CHECK_OK(rmqtt_broker_retained_get(hosting->broker, rmqtt_str(topic), show, &seen, NULL));
    CHECK_OK(rmqtt_broker_retained(hosting->broker, rmqtt_str(topic), show, &seen, NULL));
    CHECK_EQ(seen.calls, 2);
    CHECK_EQ(delete_all(hosting->broker, topic), 1);
    test_add(&hosting->used);
}

static rmqtt_verdict_kind_t on_publish(const rmqtt_authorize_publish_t *event, rmqtt_verdict_t *verdict,
                                       void *user_data) {
    host *hosting = (host *)user_data;
    (void)verdict;
    host_enter(hosting);
    test_add(&hosting->asked);
    CHECK(event->message != NULL);
    use_everything(hosting, "own/asked");
    host_leave(hosting);
    return RMQTT_VERDICT_ALLOW;
}

static void on_published(const rmqtt_message_published_t *event, void *user_data) {
    host *hosting = (host *)user_data;
    host_enter(hosting);
    CHECK(event->message != NULL);
    use_everything(hosting, "own/published");
    host_leave(hosting);
}

static void on_changed(const rmqtt_retained_changed_t *event, void *user_data) {
    host *hosting = (host *)user_data;
    const rmqtt_message_t *message = event->message;
    host_enter(hosting);
    CHECK(message->retain && message->publisher == NULL && message->origin == RMQTT_ORIGIN_API);
    if (strncmp(message->topic.ptr, "own/", 4) != 0) {
        pthread_mutex_lock(&hosting->lock);
        size_t length = strlen(hosting->told);
        snprintf(hosting->told + length, sizeof hosting->told - length, "%d %s=%.*s,", event->change,
                 message->topic.ptr, (int)message->payload.len, (const char *)message->payload.ptr);
        pthread_mutex_unlock(&hosting->lock);
    }
    /* A chain of four, each of which brings about the next. */
    if (strncmp(message->topic.ptr, "chain/", 6) == 0 && message->topic.len < 10) {
        char next[256];
        snprintf(next, sizeof next, "%sx", message->topic.ptr);
        set(hosting->broker, next, "next");
    } else if (strncmp(message->topic.ptr, "own/", 4) != 0) {
        use_everything(hosting, "own/changed");
    }
    host_leave(hosting);
}

static bool has_told(host *hosting, const char *wanted) {
    pthread_mutex_lock(&hosting->lock);
    bool same = strcmp(hosting->told, wanted) == 0;
    if (same) {
        hosting->told[0] = '\0';
    }
    pthread_mutex_unlock(&hosting->lock);
    return same;
}

static void hooks_are_told_and_may_use_it(bool in_place) {
    host hosting;
    memset(&hosting, 0, sizeof hosting);
    pthread_mutex_init(&hosting.lock, NULL);
    hosting.broker = test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                                 "\"retain\":{\"max_messages\":100},\"runtime\":{\"worker_threads\":2}}");
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &hosting;
    hooks.drop = test_drop;
    hooks.authorize_publish = on_publish;
    hooks.message_published = on_published;
    hooks.retained_changed = on_changed;
    if (in_place) {
        hooks.flags[RMQTT_HOOK_AUTHORIZE_PUBLISH] = RMQTT_HOOK_INLINE;
        hooks.flags[RMQTT_HOOK_MESSAGE_PUBLISHED] = RMQTT_HOOK_INLINE;
        hooks.flags[RMQTT_HOOK_RETAINED_CHANGED] = RMQTT_HOOK_INLINE;
    }
    CHECK_OK(rmqtt_broker_set_hooks(hosting.broker, &hooks, NULL));
    test_start(hosting.broker);

    set(hosting.broker, "t", "one");
    set(hosting.broker, "t", "two");
    CHECK_EQ(delete_all(hosting.broker, "+"), 1);
    CHECK_EQ(delete_all(hosting.broker, "+"), 0);
    WAIT_UNTIL(has_told(&hosting, "1 t=one,1 t=two,2 t=,"));
    CHECK_EQ(test_get(&hosting.asked), 0);

    /* A hook that is told of what it does itself does not stand in its own way. */
    set(hosting.broker, "chain/x", "first");
    WAIT_UNTIL(has_told(&hosting, "1 chain/x=first,1 chain/xx=next,1 chain/xxx=next,1 chain/xxxx=next,"));

    for (int protocol = 4; protocol <= 5; protocol++) {
        test_client client = client_open(hosting.broker, "c", protocol);
        test_client_publish(client, "live", "x", 1);
        test_client_leave(client);
    }
    test_publish(hosting.broker, "live", "x");
    /* By three messages when they are asked about and when they are published, by three changes, and behind the chain. */
    WAIT_UNTIL(test_get(&hosting.used) == 10);
    CHECK_EQ(test_get(&hosting.asked), 3);
    CHECK_OK(rmqtt_broker_stop(hosting.broker, TEST_DEADLINE_MS));
    /* On a callback thread, one that is called in place stands within another hook, but within no other one of these. */
    CHECK(test_get(&hosting.deepest) <= (in_place ? 2 : 1));
    CHECK_EQ(test_stats(hosting.broker).events_dropped, 0);
    rmqtt_broker_free(hosting.broker);
    CHECK_DROPPED(&hosting.probe);
    pthread_mutex_destroy(&hosting.lock);
}

int main(void) {
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    they_are_shown_in_order(broker);
    the_function_may_delete_what_it_sees(broker);
    the_function_may_stop_the_broker(broker);
    one_is_got_by_its_name(broker);
    what_is_set_is_for_later_subscriptions(broker, 4);
    what_is_set_is_for_later_subscriptions(broker, 5);
    what_clients_retain_is_there_until_it_expires(broker);
    properties_are_kept(broker);
    rmqtt_broker_free(broker);
    limits_are_answered();
    mistakes_are_refused();
    hooks_are_told_and_may_use_it(false);
    hooks_are_told_and_may_use_it(true);
    return 0;
}
