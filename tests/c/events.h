/*
 * What the tests of the event hooks share: a recorder that writes down what each hook is told, in a lane for each
 * client, which is as far as events have an order, and waits for what is expected.
 */

#ifndef RMQTT_TEST_EVENTS_H
#define RMQTT_TEST_EVENTS_H

#include "hooks.h"

#include <stdarg.h>

/** What every broker of these tests is: its node, its listener. */
#define EVENTS_CONFIG(more)                                                                                  \
    "{\"node_id\":7,\"listeners\":[{\"address\":\"127.0.0.1:0\",\"name\":\"front\",\"allow_anonymous\":true}]," \
    "\"runtime\":{\"worker_threads\":2}" more "}"

/** Who every client of these tests says that it is. */
#define EVENTS_USER "someone"

#define SESSION_HOOKS                                                                              \
    (BIT(RMQTT_HOOK_SESSION_CREATED) | BIT(RMQTT_HOOK_SESSION_RESUMED) |                           \
     BIT(RMQTT_HOOK_SESSION_TAKEN_OVER) | BIT(RMQTT_HOOK_SESSION_TERMINATED))
#define CONNECTION_HOOKS (BIT(RMQTT_HOOK_CONNECTED) | BIT(RMQTT_HOOK_DISCONNECTED))
#define SUBSCRIPTION_HOOKS (BIT(RMQTT_HOOK_SUBSCRIBED) | BIT(RMQTT_HOOK_UNSUBSCRIBED))
#define FILTER_HOOKS (BIT(RMQTT_HOOK_FIRST_SUBSCRIBER) | BIT(RMQTT_HOOK_LAST_SUBSCRIBER))
#define LISTENER_HOOKS (BIT(RMQTT_HOOK_LISTENER_UP) | BIT(RMQTT_HOOK_LISTENER_DOWN))
#define MESSAGE_HOOKS                                                                                          \
    (BIT(RMQTT_HOOK_MESSAGE_PUBLISHED) | BIT(RMQTT_HOOK_MESSAGE_DELIVERED) | BIT(RMQTT_HOOK_MESSAGE_ACKED) |   \
     BIT(RMQTT_HOOK_MESSAGE_DROPPED) | BIT(RMQTT_HOOK_WILL_PUBLISHED) | BIT(RMQTT_HOOK_RETAINED_CHANGED))
#define ALL_EVENTS                                                                                \
    (SESSION_HOOKS | CONNECTION_HOOKS | SUBSCRIPTION_HOOKS | FILTER_HOOKS | LISTENER_HOOKS |      \
     MESSAGE_HOOKS | BIT(RMQTT_HOOK_OVERLOAD))

/** What is told under one name: a client identifier, a filter, "host", or "broker". */
typedef struct lane {
    char name[32];
    /** Each event with a comma behind it. */
    char told[4096];
} lane;

/** The user data of the hooks. Begins with a judge, so that hooks that decide may be set as well. */
typedef struct recorder {
    judge judging;
    lane lanes[32];
    size_t lane_count;
    bool in_place;
    /** Called with each line that has been written; NULL for nothing. */
    void (*then)(struct recorder *recording, const char *line);
    int calls_of_then;
} recorder;

/** Called with the lock. */
static inline lane *recorder_lane(recorder *recording, const char *name) {
    for (size_t i = 0; i < recording->lane_count; i++) {
        if (strcmp(recording->lanes[i].name, name) == 0) {
            return &recording->lanes[i];
        }
    }
    CHECK(recording->lane_count < sizeof recording->lanes / sizeof *recording->lanes);
    lane *found = &recording->lanes[recording->lane_count++];
    snprintf(found->name, sizeof found->name, "%s", name);
    return found;
}

__attribute__((format(printf, 3, 4))) static inline void record(recorder *recording, const char *name,
                                                                const char *format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    CHECK(length > 0 && (size_t)length < sizeof line);
    pthread_mutex_lock(&recording->judging.lock);
    lane *told = recorder_lane(recording, name);
    size_t before = strlen(told->told);
    CHECK(before + (size_t)length + 2 < sizeof told->told);
    snprintf(told->told + before, sizeof told->told - before, "%s,", line);
    pthread_mutex_unlock(&recording->judging.lock);
    if (recording->then) {
        recording->then(recording, line);
    }
}

/** Begins an event; the recorder. A hook runs on a callback thread unless it is one that is called in place. */
static inline recorder *event_begin(void *user_data, size_t size, size_t wanted, bool may_be_in_place) {
    recorder *recording = (recorder *)user_data;
    char thread[16] = "";
    test_enter(&recording->judging.probe);
    CHECK_EQ(size, wanted);
    CHECK_EQ(pthread_getname_np(pthread_self(), thread, sizeof thread), 0);
    bool on_callback_thread = strstr(thread, "-cb") != NULL;
    /* What a hook does on a callback thread tells of other events in place there. */
    CHECK(on_callback_thread ? !may_be_in_place || !recording->in_place || recording->then
                             : may_be_in_place && recording->in_place);
    return recording;
}

static inline void event_end(recorder *recording) {
    test_leave(&recording->judging.probe);
}

static inline void event_check_client(const rmqtt_client_t *client) {
    CHECK_EQ(client->struct_size, sizeof *client);
    CHECK_STR(client->username, EVENTS_USER);
    CHECK_STR(client->listener, "front");
    CHECK_CONTAINS(client->address, "127.0.0.1:");
    CHECK_EQ(client->node_id, 7);
    CHECK(client->serial > 0);
    CHECK(client->protocol == 4 || client->protocol == 5);
    CHECK(!client->superuser);
    CHECK(client->client_id.ptr[client->client_id.len] == '\0');
}

static inline const char *event_lane(const rmqtt_client_t *client) {
    return client ? client->client_id.ptr : "host";
}

/** Where a message comes from, such as "t=x q1 of c#1", "t=x q0r of host". */
typedef struct message_words {
    char text[192];
} message_words;

static inline message_words event_message(const rmqtt_message_t *message) {
    message_words words;
    char publisher[64] = "host";
    CHECK_EQ(message->struct_size, sizeof *message);
    CHECK_EQ(message->reserved[0] | message->reserved[1], 0);
    CHECK(message->topic.ptr[message->topic.len] == '\0');
    if (message->publisher) {
        event_check_client(message->publisher);
        snprintf(publisher, sizeof publisher, "%s#%u", message->publisher->client_id.ptr,
                 (unsigned)message->publisher->serial);
    }
    CHECK((message->origin == RMQTT_ORIGIN_API) <= (message->publisher == NULL));
    const char *origin = message->origin == RMQTT_ORIGIN_CLIENT     ? "of"
                         : message->origin == RMQTT_ORIGIN_API      ? "of"
                         : message->origin == RMQTT_ORIGIN_WILL     ? "will of"
                         : message->origin == RMQTT_ORIGIN_RETAINED ? "kept of"
                                                                    : "?";
    snprintf(words.text, sizeof words.text, "%s=%.*s q%d%s %s %s", message->topic.ptr, (int)message->payload.len,
             (const char *)message->payload.ptr, message->qos, message->retain ? "r" : "", origin, publisher);
    return words;
}

/* ---- the hooks ---- */

static inline void on_connected(const rmqtt_connected_t *event, void *user_data) {
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    event_check_client(event->client);
    record(recording, event_lane(event->client), "connected#%u v%d", (unsigned)event->client->serial,
           event->client->protocol);
    event_end(recording);
}

static inline void on_disconnected(const rmqtt_disconnected_t *event, void *user_data) {
    static const char *const by[] = {"?", "client", "broker", "network"};
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    event_check_client(event->client);
    CHECK(event->by >= RMQTT_DISCONNECTED_BY_CLIENT && event->by <= RMQTT_DISCONNECTED_BY_NETWORK);
    CHECK(event->reason.len > 0 && event->reason.ptr[event->reason.len] == '\0');
    CHECK_EQ(event->reserved[0] | event->reserved[1] | event->reserved[2], 0);
    record(recording, event_lane(event->client), "disconnected#%u by %s %02x", (unsigned)event->client->serial,
           by[event->by], (unsigned)event->reason_code);
    event_end(recording);
}

static inline void on_session(const rmqtt_session_event_t *event, void *user_data, const char *what) {
    static const char *const ends[] = {"", " disconnected", " expired", " clean start", " stopped", " discarded"};
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    event_check_client(event->client);
    CHECK((event->end == 0) == (strcmp(what, "terminated") != 0));
    CHECK(event->end >= 0 && event->end <= RMQTT_SESSION_END_DISCARDED);
    record(recording, event_lane(event->client), "%s#%u%s", what, (unsigned)event->client->serial, ends[event->end]);
    event_end(recording);
}

static inline void on_session_created(const rmqtt_session_event_t *event, void *user_data) {
    on_session(event, user_data, "created");
}

static inline void on_session_resumed(const rmqtt_session_event_t *event, void *user_data) {
    on_session(event, user_data, "resumed");
}

static inline void on_session_taken_over(const rmqtt_session_event_t *event, void *user_data) {
    on_session(event, user_data, "taken over");
}

static inline void on_session_terminated(const rmqtt_session_event_t *event, void *user_data) {
    on_session(event, user_data, "terminated");
}

/** Such as "subscribed#1 a>b q1 id 5 nl rap rh0": no local, retain as published, retain handling. */
static inline void on_subscribed(const rmqtt_subscribed_t *event, void *user_data) {
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    event_check_client(event->client);
    CHECK_EQ(event->filter.ptr[event->filter.len] | event->granted.ptr[event->granted.len], '\0');
    record(recording, event_lane(event->client), "subscribed#%u %s>%s q%d id %u%s%s rh%d",
           (unsigned)event->client->serial, event->filter.ptr, event->granted.ptr, event->qos,
           (unsigned)event->identifier, event->no_local ? " nl" : "", event->retain_as_published ? " rap" : "",
           event->retain_handling);
    event_end(recording);
}

static inline void on_unsubscribed(const rmqtt_unsubscribed_t *event, void *user_data) {
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    event_check_client(event->client);
    CHECK(event->filter.ptr[event->filter.len] == '\0');
    record(recording, event_lane(event->client), "unsubscribed#%u %s", (unsigned)event->client->serial,
           event->filter.ptr);
    event_end(recording);
}

static inline void on_published(const rmqtt_message_published_t *event, void *user_data, const char *what) {
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    record(recording, event_lane(event->message->publisher), "%s %s to %u", what, event_message(event->message).text,
           (unsigned)event->receivers);
    event_end(recording);
}

static inline void on_message_published(const rmqtt_message_published_t *event, void *user_data) {
    on_published(event, user_data, "published");
}

static inline void on_will_published(const rmqtt_message_published_t *event, void *user_data) {
    on_published(event, user_data, "will");
}

static inline void on_message_delivered(const rmqtt_message_delivered_t *event, void *user_data) {
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    event_check_client(event->client);
    record(recording, event_lane(event->client), "delivered#%u %s as q%d%s", (unsigned)event->client->serial,
           event_message(event->message).text, event->qos, event->retain ? "r" : "");
    event_end(recording);
}

static inline void on_message_acked(const rmqtt_message_acked_t *event, void *user_data) {
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    event_check_client(event->client);
    record(recording, event_lane(event->client), "acked#%u %s as q%d %02x", (unsigned)event->client->serial,
           event_message(event->message).text, event->qos, (unsigned)event->reason_code);
    event_end(recording);
}

/** In the lane of the receiver, or of the publisher if nobody gets it. */
static inline void on_message_dropped(const rmqtt_message_dropped_t *event, void *user_data) {
    static const char *const causes[] = {"?", "full", "expired", "too large", "gone", "refused", "too fast", "memory"};
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    char receiver[16] = "";
    if (event->client) {
        event_check_client(event->client);
        snprintf(receiver, sizeof receiver, "#%u", (unsigned)event->client->serial);
    }
    CHECK(event->cause >= RMQTT_DROP_QUEUE_FULL && event->cause <= RMQTT_DROP_MEMORY);
    record(recording, event_lane(event->client ? event->client : event->message->publisher), "dropped%s %s %s",
           receiver, event_message(event->message).text, causes[event->cause]);
    event_end(recording);
}

static inline void on_retained_changed(const rmqtt_retained_changed_t *event, void *user_data) {
    static const char *const changes[] = {"?", "set", "removed", "expired"};
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    CHECK(event->change >= RMQTT_RETAINED_SET && event->change <= RMQTT_RETAINED_EXPIRED);
    record(recording, event_lane(event->message->publisher), "%s %s", changes[event->change],
           event_message(event->message).text);
    event_end(recording);
}

static inline void on_subscriber(const rmqtt_subscriber_event_t *event, void *user_data, const char *what) {
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, false);
    CHECK(event->filter.ptr[event->filter.len] == '\0');
    if (event->client) {
        event_check_client(event->client);
        record(recording, event->filter.ptr, "%s %s#%u", what, event->client->client_id.ptr,
               (unsigned)event->client->serial);
    } else {
        record(recording, event->filter.ptr, "%s host", what);
    }
    event_end(recording);
}

static inline void on_first_subscriber(const rmqtt_subscriber_event_t *event, void *user_data) {
    on_subscriber(event, user_data, "first");
}

static inline void on_last_subscriber(const rmqtt_subscriber_event_t *event, void *user_data) {
    on_subscriber(event, user_data, "last");
}

static inline void on_listener(const rmqtt_listener_info_t *event, void *user_data, const char *what) {
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)event->port);
    CHECK(event->port != 0);
    CHECK_STR(event->address, address);
    record(recording, "broker", "%s %s %s", what, event->name.ptr, event->type.ptr);
    event_end(recording);
}

static inline void on_listener_up(const rmqtt_listener_info_t *event, void *user_data) {
    on_listener(event, user_data, "up");
}

static inline void on_listener_down(const rmqtt_listener_info_t *event, void *user_data) {
    on_listener(event, user_data, "down");
}

static inline void on_overload(const rmqtt_overload_t *event, void *user_data) {
    static const char *const resources[] = {"?", "connections", "sessions", "retained", "memory"};
    recorder *recording = event_begin(user_data, event->struct_size, sizeof *event, true);
    CHECK(event->resource >= RMQTT_RESOURCE_CONNECTIONS && event->resource <= RMQTT_RESOURCE_MEMORY);
    record(recording, "broker", "%s %s %u", event->begun ? "too many" : "room for", resources[event->resource],
           (unsigned)event->limit);
    event_end(recording);
}

/* ---- the recorder ---- */

/** A broker whose hooks of `mask` are set: those that decide as the judge does in `way`, events in place or not. */
static inline rmqtt_broker_t *recorded_broker(recorder *recording, int way, unsigned mask, const char *config) {
    memset(recording, 0, sizeof *recording);
    judge_init(&recording->judging, way);
    recording->in_place = way == INLINE || way == INLINE_AND_DEFERRED;
    rmqtt_hooks_t hooks = judge_hooks(&recording->judging, mask);
    hooks.connected = mask & BIT(RMQTT_HOOK_CONNECTED) ? on_connected : NULL;
    hooks.disconnected = mask & BIT(RMQTT_HOOK_DISCONNECTED) ? on_disconnected : NULL;
    hooks.session_created = mask & BIT(RMQTT_HOOK_SESSION_CREATED) ? on_session_created : NULL;
    hooks.session_resumed = mask & BIT(RMQTT_HOOK_SESSION_RESUMED) ? on_session_resumed : NULL;
    hooks.session_taken_over = mask & BIT(RMQTT_HOOK_SESSION_TAKEN_OVER) ? on_session_taken_over : NULL;
    hooks.session_terminated = mask & BIT(RMQTT_HOOK_SESSION_TERMINATED) ? on_session_terminated : NULL;
    hooks.subscribed = mask & BIT(RMQTT_HOOK_SUBSCRIBED) ? on_subscribed : NULL;
    hooks.unsubscribed = mask & BIT(RMQTT_HOOK_UNSUBSCRIBED) ? on_unsubscribed : NULL;
    hooks.message_published = mask & BIT(RMQTT_HOOK_MESSAGE_PUBLISHED) ? on_message_published : NULL;
    hooks.message_delivered = mask & BIT(RMQTT_HOOK_MESSAGE_DELIVERED) ? on_message_delivered : NULL;
    hooks.message_acked = mask & BIT(RMQTT_HOOK_MESSAGE_ACKED) ? on_message_acked : NULL;
    hooks.message_dropped = mask & BIT(RMQTT_HOOK_MESSAGE_DROPPED) ? on_message_dropped : NULL;
    hooks.will_published = mask & BIT(RMQTT_HOOK_WILL_PUBLISHED) ? on_will_published : NULL;
    hooks.retained_changed = mask & BIT(RMQTT_HOOK_RETAINED_CHANGED) ? on_retained_changed : NULL;
    hooks.first_subscriber = mask & BIT(RMQTT_HOOK_FIRST_SUBSCRIBER) ? on_first_subscriber : NULL;
    hooks.last_subscriber = mask & BIT(RMQTT_HOOK_LAST_SUBSCRIBER) ? on_last_subscriber : NULL;
    hooks.listener_up = mask & BIT(RMQTT_HOOK_LISTENER_UP) ? on_listener_up : NULL;
    hooks.listener_down = mask & BIT(RMQTT_HOOK_LISTENER_DOWN) ? on_listener_down : NULL;
    hooks.overload = mask & BIT(RMQTT_HOOK_OVERLOAD) ? on_overload : NULL;
    if (recording->in_place) {
        for (int hook = 0; hook <= RMQTT_HOOK_OVERLOAD; hook++) {
            hooks.flags[hook] = mask & BIT(hook) & ~FILTER_HOOKS ? RMQTT_HOOK_INLINE : 0;
        }
    }
    recording->judging.broker = test_broker(config);
    CHECK_OK(rmqtt_broker_set_hooks(recording->judging.broker, &hooks, NULL));
    test_start(recording->judging.broker);
    return recording->judging.broker;
}

/** What is told under a name since it was asked for last. `wanted` is taken if it is that, or the beginning of it. */
static inline bool recorder_has(recorder *recording, const char *name, const char *wanted) {
    pthread_mutex_lock(&recording->judging.lock);
    char *told = recorder_lane(recording, name)->told;
    size_t length = strlen(told), due = strlen(wanted);
    if (strncmp(told, wanted, length < due ? length : due) != 0) {
        FAIL("%s: told \"%s\", not \"%s\"", name, told, wanted);
    }
    if (length >= due) {
        memmove(told, told + due, length - due + 1);
    }
    pthread_mutex_unlock(&recording->judging.lock);
    return length >= due;
}

/** Waits until these events, in this order, are what comes next under a name. */
#define CHECK_TOLD(recording, name, wanted)                             \
    do {                                                                \
        int64_t until_ = test_now_ms() + TEST_DEADLINE_MS;              \
        while (!recorder_has(recording, name, wanted)) {                \
            if (test_now_ms() > until_) {                               \
                FAIL("%s: never told all of \"%s\"", name, wanted);     \
            }                                                           \
            test_pause();                                               \
        }                                                               \
    } while (0)

/** What has been told so far was expected, whatever it is. */
static inline void recorder_forget(recorder *recording) {
    pthread_mutex_lock(&recording->judging.lock);
    for (size_t i = 0; i < recording->lane_count; i++) {
        recording->lanes[i].told[0] = '\0';
    }
    pthread_mutex_unlock(&recording->judging.lock);
}

/** Stops the broker. All events have been told then; none has been lost. */
static inline void recorded_stop(recorder *recording) {
    rmqtt_broker_t *broker = recording->judging.broker;
    CHECK_OK(rmqtt_broker_stop(broker, TEST_DEADLINE_MS));
    CHECK_EQ(test_stats(broker).events_dropped, 0);
    CHECK_EQ(test_stats(broker).connection_panics, 0);
    CHECK_EQ(test_stats(broker).callback_panics, 0);
    CHECK_EQ(test_stats(broker).decisions_pending, 0);
}

/** Ends a broker, all of whose events have been expected. */
static inline void recorded_end(recorder *recording) {
    recorded_stop(recording);
    rmqtt_broker_free(recording->judging.broker);
    judge_end(&recording->judging);
    for (size_t i = 0; i < recording->lane_count; i++) {
        if (recording->lanes[i].told[0] != '\0') {
            FAIL("%s: told \"%s\" besides", recording->lanes[i].name, recording->lanes[i].told);
        }
    }
}

/* ---- clients ---- */

/** With a session that outlives the connection by `expiry_s`, for MQTT 5. */
static inline test_client event_client_with(recorder *recording, test_connect connect, uint32_t expiry_s) {
    uint8_t properties[128];
    connect.username = EVENTS_USER;
    if (connect.protocol == 5 && expiry_s > 0) {
        const uint8_t expiry[] = {0x11, (uint8_t)(expiry_s >> 24), (uint8_t)(expiry_s >> 16), (uint8_t)(expiry_s >> 8),
                                  (uint8_t)expiry_s};
        CHECK(connect.properties_len + sizeof expiry < sizeof properties);
        memcpy(properties, expiry, sizeof expiry);
        if (connect.properties_len > 0) {
            memcpy(properties + sizeof expiry, connect.properties, connect.properties_len);
        }
        connect.properties = properties;
        connect.properties_len += sizeof expiry;
    }
    test_client client = test_client_connect(test_port(recording->judging.broker, 0), &connect);
    CHECK_EQ(client.code, 0);
    return client;
}

/** With a session that ends with the connection. */
static inline test_client event_client(recorder *recording, const char *client_id, int protocol) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    return event_client_with(recording, connect, 0);
}

/** With a session that stays, and that is the one before if there is one. */
static inline test_client event_client_kept(recorder *recording, const char *client_id, int protocol) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    connect.keep_session = true;
    return event_client_with(recording, connect, 3600);
}

#endif /* RMQTT_TEST_EVENTS_H */
