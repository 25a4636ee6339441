/*
 * A gateway: clients by address and user name, messages that look different to some, a device that rests while nobody
 * listens.
 *
 * What it teaches: four ways to have a say in what a broker does.
 *
 * - `pre_connect` turns away addresses that are on a block list, before they have said anything.
 * - `authenticate`, `authorize_publish` and `authorize_subscribe`: a user publishes and subscribes below
 *   `devices/{user}/` and nowhere else; only `display` subscribes to everything.
 * - `authorize_forward`: devices publish tenths of a degree; `display` gets degrees with a unit.
 * - `first_subscriber` and `last_subscriber`: a device of this program is asked for its temperature only while somebody
 *   is subscribed to it.
 *
 * The arguments are the addresses to block. Try it:
 *
 *     gateway 192.0.2.7
 *     mosquitto_sub -p PORT -u display -P d-secret -t 'devices/#' -v
 *     mosquitto_pub -p PORT -u oven -P o-secret -t devices/oven/temperature -m 1805
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <pthread.h>
#include <rmqtt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* MQTT 5 reason codes. */
#define BAD_USER_NAME_OR_PASSWORD 0x86
#define NOT_AUTHORIZED 0x87

static const char CONFIG[] = "{\"listeners\":[{\"name\":\"main\",\"type\":\"tcp\",\"address\":\"127.0.0.1:0\"}]}";

/* The device of this program, and how often it is asked, in milliseconds. */
static const char BOILER[] = "devices/boiler/temperature";
enum { POLL_MS = 100 };

static const struct user {
    const char *name, *password;
} USERS[] = {{"display", "d-secret"}, {"oven", "o-secret"}, {"fridge", "f-secret"}};

struct poller {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    pthread_t thread;
    rmqtt_broker_t *broker;
    int filters; /* those that somebody is subscribed to and that match the boiler's topic */
    bool closed;
};

/* The `user_data` of the hooks. */
struct gateway {
    char **blocked;
    int blocked_count;
    struct poller poller;
};

/* ---- Text ------------------------------------------------------------------------------------------------------ */

static bool is(rmqtt_str_t text, const char *wanted) {
    return text.ptr != NULL && strcmp(text.ptr, wanted) == 0;
}

/* Whether a topic or filter lies below `devices/{user}/`. */
static bool is_own(rmqtt_str_t topic, rmqtt_str_t user) {
    static const char prefix[] = "devices/";
    const size_t len = sizeof prefix - 1;

    return topic.len > len + user.len && memcmp(topic.ptr, prefix, len) == 0 &&
           memcmp(topic.ptr + len, user.ptr, user.len) == 0 && topic.ptr[len + user.len] == '/';
}

/* Whether a topic filter matches a topic name. The broker has checked both. */
static bool matches(const char *filter, const char *topic) {
    for (;;) {
        size_t filter_level = strcspn(filter, "/"), topic_level = strcspn(topic, "/");

        if (*filter == '#') {
            return true;
        }
        if (*filter != '+' && (filter_level != topic_level || memcmp(filter, topic, topic_level) != 0)) {
            return false;
        }
        filter += filter_level;
        topic += topic_level;
        if (*filter == '\0' || *topic == '\0') {
            return (*filter == '\0' && *topic == '\0') || strcmp(filter, "/#") == 0;
        }
        filter++;
        topic++;
    }
}

/* ---- Who may do what ------------------------------------------------------------------------------------------- */

static rmqtt_verdict_kind_t refuse(rmqtt_verdict_t *verdict, unsigned char code, const char *reason) {
    verdict->reason_code = code;
    verdict->reason_string = rmqtt_str(reason);
    return RMQTT_VERDICT_DENY;
}

static rmqtt_verdict_kind_t on_pre_connect(const rmqtt_pre_connect_t *event, rmqtt_verdict_t *verdict,
                                           void *user_data) {
    const struct gateway *gateway = user_data;
    size_t len = (size_t)(strrchr(event->address.ptr, ':') - event->address.ptr); /* without the port */

    (void)verdict; /* the connection closes without a word */
    for (int i = 0; i < gateway->blocked_count; i++) {
        if (strlen(gateway->blocked[i]) == len && memcmp(gateway->blocked[i], event->address.ptr, len) == 0) {
            return RMQTT_VERDICT_DENY;
        }
    }
    return RMQTT_VERDICT_ALLOW;
}

/* A real program would keep hashes and compare them in constant time. */
static rmqtt_verdict_kind_t on_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                            void *user_data) {
    (void)user_data;
    for (size_t i = 0; i < sizeof USERS / sizeof *USERS; i++) {
        size_t len = strlen(USERS[i].password);

        if (is(event->client->username, USERS[i].name) && event->password.len == len &&
            memcmp(event->password.ptr, USERS[i].password, len) == 0) {
            return RMQTT_VERDICT_ALLOW;
        }
    }
    return refuse(verdict, BAD_USER_NAME_OR_PASSWORD, "unknown user or wrong password");
}

static rmqtt_verdict_kind_t on_authorize_publish(const rmqtt_authorize_publish_t *event, rmqtt_verdict_t *verdict,
                                                 void *user_data) {
    const rmqtt_message_t *message = event->message;

    (void)user_data;
    if (message->origin == RMQTT_ORIGIN_API) {
        return RMQTT_VERDICT_ALLOW; /* this program itself */
    }
    /* A message of a client, or its will. */
    if (message->publisher != NULL && is_own(message->topic, message->publisher->username)) {
        return RMQTT_VERDICT_ALLOW;
    }
    return refuse(verdict, NOT_AUTHORIZED, "a user publishes below devices/{user}/ only");
}

static rmqtt_verdict_kind_t on_authorize_subscribe(const rmqtt_authorize_subscribe_t *event, rmqtt_verdict_t *verdict,
                                                   void *user_data) {
    (void)user_data;
    if (is(event->client->username, "display") || is_own(event->filter, event->client->username)) {
        return RMQTT_VERDICT_ALLOW;
    }
    return refuse(verdict, NOT_AUTHORIZED, "a user subscribes below devices/{user}/ only");
}

/* ---- What a message looks like to whom ------------------------------------------------------------------------- */

/* Reads tenths of a degree, such as "-5". */
static bool read_tenths(rmqtt_bytes_t payload, int *tenths) {
    char text[8], *end;
    long number;

    if (payload.len == 0 || payload.len >= sizeof text) {
        return false;
    }
    memcpy(text, payload.ptr, payload.len);
    text[payload.len] = '\0';
    number = strtol(text, &end, 10);
    *tenths = (int)number;
    return end == text + payload.len;
}

static rmqtt_verdict_kind_t on_authorize_forward(const rmqtt_authorize_forward_t *event, rmqtt_verdict_t *verdict,
                                                 void *user_data) {
    /* The library reads it right after this function has returned: it has to be there then, and to be this thread's. */
    static __thread char degrees[24];
    int tenths, len;

    (void)user_data;
    if (is(event->client->username, "display") && matches("devices/+/temperature", event->message->topic.ptr) &&
        read_tenths(event->message->payload, &tenths)) {
        len = snprintf(degrees, sizeof degrees, "%.1f C", tenths / 10.0);
        verdict->replace = RMQTT_REPLACE_PAYLOAD;
        verdict->payload = rmqtt_bytes(degrees, (size_t)len);
    }
    return RMQTT_VERDICT_ALLOW;
}

/* ---- The device ------------------------------------------------------------------------------------------------ */

/* As a bus with a real device would answer. */
static int read_boiler(void) {
    static int tenths = 600;

    tenths = tenths < 800 ? tenths + 1 : 600;
    return tenths;
}

static void publish_temperature(rmqtt_broker_t *broker) {
    char payload[16];
    int len = snprintf(payload, sizeof payload, "%d", read_boiler());
    rmqtt_publish_t message = rmqtt_publish_init();
    rmqtt_error_t *error = NULL;

    message.topic = rmqtt_str(BOILER);
    message.payload = rmqtt_bytes(payload, (size_t)len);
    /* While the broker stops, nobody is there to get it. */
    if (rmqtt_broker_publish(broker, &message, &error) != RMQTT_OK && rmqtt_broker_running(broker)) {
        fprintf(stderr, "gateway: publish: %s\n", rmqtt_error_message(error).ptr);
    }
    rmqtt_error_free(error);
}

static void *poll_boiler(void *user_data) {
    struct poller *poller = user_data;
    struct timespec until;

    pthread_mutex_lock(&poller->mutex);
    while (!poller->closed) {
        if (poller->filters == 0) {
            pthread_cond_wait(&poller->changed, &poller->mutex);
            continue;
        }
        /* Not under the lock: a device may be slow, and hooks wait for the lock. */
        pthread_mutex_unlock(&poller->mutex);
        publish_temperature(poller->broker);
        pthread_mutex_lock(&poller->mutex);

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += POLL_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        while (poller->filters > 0 && !poller->closed &&
               pthread_cond_timedwait(&poller->changed, &poller->mutex, &until) != ETIMEDOUT) {
        }
    }
    pthread_mutex_unlock(&poller->mutex);
    return NULL;
}

static void count_filter(struct gateway *gateway, const rmqtt_subscriber_event_t *event, bool more) {
    struct poller *poller = &gateway->poller;

    if (!matches(event->filter.ptr, BOILER)) {
        return;
    }
    /* The hooks for one filter come one after the other, those for different filters at the same time. */
    pthread_mutex_lock(&poller->mutex);
    poller->filters += more ? 1 : -1;
    if (poller->filters == (more ? 1 : 0)) {
        puts(more ? "polling the boiler" : "the boiler rests");
        pthread_cond_signal(&poller->changed);
    }
    pthread_mutex_unlock(&poller->mutex);
}

static void on_first_subscriber(const rmqtt_subscriber_event_t *event, void *user_data) {
    count_filter(user_data, event, true);
}

static void on_last_subscriber(const rmqtt_subscriber_event_t *event, void *user_data) {
    count_filter(user_data, event, false);
}

static bool poller_open(struct poller *poller, rmqtt_broker_t *broker) {
    poller->broker = broker;
    pthread_mutex_init(&poller->mutex, NULL);
    pthread_cond_init(&poller->changed, NULL);
    return pthread_create(&poller->thread, NULL, poll_boiler, poller) == 0;
}

static void poller_close(struct poller *poller) {
    pthread_mutex_lock(&poller->mutex);
    poller->closed = true;
    pthread_cond_signal(&poller->changed);
    pthread_mutex_unlock(&poller->mutex);
    pthread_join(poller->thread, NULL);
}

/* ---- The program ----------------------------------------------------------------------------------------------- */

static int failed(const char *action, rmqtt_error_t *error) {
    fprintf(stderr, "gateway: %s: %s\n", action, error != NULL ? rmqtt_error_message(error).ptr : "no resources");
    rmqtt_error_free(error);
    return EXIT_FAILURE;
}

/* Runs until a signal comes. The poller is there before the first hook is called, and after the last one. */
static int run(rmqtt_broker_t *broker, struct gateway *gateway, const sigset_t *signals) {
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    rmqtt_listener_info_t listener = rmqtt_listener_info_init();
    rmqtt_error_t *error = NULL;
    int signal_number;

    hooks.user_data = gateway;
    hooks.pre_connect = on_pre_connect;
    hooks.authenticate = on_authenticate;
    hooks.authorize_publish = on_authorize_publish;
    hooks.authorize_subscribe = on_authorize_subscribe;
    hooks.authorize_forward = on_authorize_forward;
    hooks.first_subscriber = on_first_subscriber;
    hooks.last_subscriber = on_last_subscriber;
    /* These two are asked for each message, and compare a few bytes: in place, without a way through another thread. */
    hooks.flags[RMQTT_HOOK_AUTHORIZE_PUBLISH] = RMQTT_HOOK_INLINE;
    hooks.flags[RMQTT_HOOK_AUTHORIZE_FORWARD] = RMQTT_HOOK_INLINE;
    if (rmqtt_broker_set_hooks(broker, &hooks, &error) != RMQTT_OK) {
        return failed("set_hooks", error);
    }
    if (rmqtt_broker_start(broker, &error) != RMQTT_OK) {
        return failed("start", error);
    }
    if (rmqtt_broker_listener_info(broker, 0, &listener) == RMQTT_OK) {
        printf("listening on %s\n", listener.address.ptr);
    }
    sigwait(signals, &signal_number);
    rmqtt_broker_stop(broker, 1000);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv) {
    struct gateway gateway = {0};
    rmqtt_broker_t *broker = NULL;
    rmqtt_error_t *error = NULL;
    sigset_t signals;
    int status;

    gateway.blocked = argv + 1;
    gateway.blocked_count = argc - 1;
    setvbuf(stdout, NULL, _IOLBF, 0);

    /* Blocked before any thread starts, so that only `sigwait` takes them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    if (rmqtt_broker_new(rmqtt_str(CONFIG), &broker, &error) != RMQTT_OK) {
        return failed("new", error);
    }
    if (poller_open(&gateway.poller, broker)) {
        status = run(broker, &gateway, &signals);
        poller_close(&gateway.poller);
    } else {
        status = failed("cannot poll", NULL);
    }
    rmqtt_broker_free(broker);
    return status;
}
