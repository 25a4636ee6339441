/* The hooks that hear of clients, of their sessions and subscriptions, and of the broker as a whole. */

#include "events.h"

static void connections(int way, int protocol) {
    recorder told;
    recorded_broker(&told, way, CONNECTION_HOOKS, EVENTS_CONFIG(""));
    test_client client = event_client(&told, "c", protocol);
    CHECK_TOLD(&told, "c", protocol == 5 ? "connected#1 v5," : "connected#1 v4,");
    test_client_disconnect(client);
    CHECK_TOLD(&told, "c", "disconnected#1 by client 00,");

    client = event_client(&told, "c", protocol);
    test_client_reset(client);
    CHECK_TOLD(&told, "c", protocol == 5 ? "connected#2 v5," : "connected#2 v4,");
    CHECK_TOLD(&told, "c", "disconnected#2 by network 80,");

    /* A second CONNECT is the client's fault. */
    client = event_client(&told, "c", protocol);
    test_connect again = test_connect_init("c");
    again.protocol = protocol;
    test_connect_send(client.fd, &again);
    CHECK_TOLD(&told, "c", protocol == 5 ? "connected#3 v5," : "connected#3 v4,");
    CHECK_TOLD(&told, "c", "disconnected#3 by broker 82,");
    close(client.fd);

    if (protocol == 5) {
        /* A reason of its own. */
        client = event_client(&told, "c", protocol);
        const uint8_t with_will[] = {0xe0, 1, 0x04};
        test_send(client.fd, with_will, sizeof with_will);
        CHECK_TOLD(&told, "c", "connected#4 v5,disconnected#4 by client 04,");
        close(client.fd);
    }
    recorded_end(&told);
}

static void sessions(int way, int protocol) {
    recorder told;
    /* MQTT 3.1.1 cannot ask for an expiry: all sessions that stay last a second. */
    recorded_broker(&told, way, SESSION_HOOKS, EVENTS_CONFIG(",\"session\":{\"max_expiry_s\":1}"));
    test_client_disconnect(event_client(&told, "short", protocol));
    CHECK_TOLD(&told, "short", "created#1,terminated#1 disconnected,");
    test_client_disconnect(event_client_kept(&told, "kept", protocol));
    CHECK_TOLD(&told, "kept", "created#2,");
    CHECK_TOLD(&told, "kept", "terminated#2 expired,");
    recorded_end(&told);

    recorded_broker(&told, way, SESSION_HOOKS, EVENTS_CONFIG(""));
    test_client_disconnect(event_client_kept(&told, "kept", protocol));
    CHECK_TOLD(&told, "kept", "created#1,");
    test_client_disconnect(event_client_kept(&told, "kept", protocol));
    CHECK_TOLD(&told, "kept", "resumed#2,");
    /* The session that ends is that of the last connection which had it. */
    test_client_disconnect(event_client(&told, "kept", protocol));
    CHECK_TOLD(&told, "kept", "terminated#2 clean start,created#3,terminated#3 disconnected,");
    recorded_end(&told);
}

static void sessions_that_a_stop_ends(int way, int protocol) {
    recorder told;
    rmqtt_broker_t *broker =
        recorded_broker(&told, way, SESSION_HOOKS | CONNECTION_HOOKS, EVENTS_CONFIG(""));
    const char *connected = protocol == 5 ? "created#1,connected#1 v5," : "created#1,connected#1 v4,";
    test_client away = event_client_kept(&told, "away", protocol);
    CHECK_TOLD(&told, "away", connected);
    test_client_disconnect(away);
    CHECK_TOLD(&told, "away", "disconnected#1 by client 00,");
    test_client here = event_client_kept(&told, "here", protocol);
    test_client last = event_client(&told, "last", protocol);
    CHECK_OK(rmqtt_broker_stop(broker, TEST_DEADLINE_MS));
    CHECK_TOLD(&told, "away", "terminated#1 stopped,");
    CHECK_TOLD(&told, "here", protocol == 5 ? "created#2,connected#2 v5," : "created#2,connected#2 v4,");
    CHECK_TOLD(&told, "here", "disconnected#2 by broker 8b,terminated#2 stopped,");
    CHECK_TOLD(&told, "last", protocol == 5 ? "created#3,connected#3 v5," : "created#3,connected#3 v4,");
    CHECK_TOLD(&told, "last", "disconnected#3 by broker 8b,terminated#3 disconnected,");
    close(here.fd);
    close(last.fd);
    recorded_end(&told);
}

static void takeovers(int way, int protocol) {
    recorder told;
    recorded_broker(&told, way, SESSION_HOOKS | CONNECTION_HOOKS, EVENTS_CONFIG(""));
    const char *const connected[][4] = {{"connected#1 v4,", "connected#2 v4,", "connected#3 v4,", "connected#4 v4,"},
                                        {"connected#1 v5,", "connected#2 v5,", "connected#3 v5,", "connected#4 v5,"}};
    const char *const *is = connected[protocol == 5];
    test_client first = event_client_kept(&told, "c", protocol);
    test_client second = event_client_kept(&told, "c", protocol);
    CHECK_TOLD(&told, "c", "created#1,");
    CHECK_TOLD(&told, "c", is[0]);
    CHECK_TOLD(&told, "c", "taken over#1,disconnected#1 by broker 8e,resumed#2,");
    CHECK_TOLD(&told, "c", is[1]);

    /* One that wants a session of its own. */
    test_client third = event_client(&told, "c", protocol);
    CHECK_TOLD(&told, "c", "taken over#2,disconnected#2 by broker 8e,terminated#2 clean start,created#3,");
    CHECK_TOLD(&told, "c", is[2]);

    /* One whose session would have ended anyway. */
    test_client fourth = event_client_kept(&told, "c", protocol);
    CHECK_TOLD(&told, "c", "taken over#3,disconnected#3 by broker 8e,terminated#3 disconnected,created#4,");
    CHECK_TOLD(&told, "c", is[3]);
    test_client_reset(fourth);
    CHECK_TOLD(&told, "c", "disconnected#4 by network 80,");
    test_client_disconnect(event_client(&told, "c", protocol));
    CHECK_TOLD(&told, "c", "terminated#4 clean start,created#5,");
    CHECK_TOLD(&told, "c", protocol == 5 ? "connected#5 v5," : "connected#5 v4,");
    CHECK_TOLD(&told, "c", "disconnected#5 by client 00,terminated#5 disconnected,");
    close(first.fd);
    close(second.fd);
    close(third.fd);
    recorded_end(&told);
}

/** SUBSCRIBE of MQTT 5 for one filter, with all its options. */
static void subscribe_with(test_client client, const char *filter, int options, uint8_t identifier) {
    const uint8_t property[] = {0x0b, identifier};
    test_packet packet;
    test_packet_begin(&packet, 0x82);
    test_put_byte(&packet, 0);
    test_put_byte(&packet, 9);
    test_put_properties(&packet, property, identifier ? sizeof property : 0);
    test_put_text(&packet, filter);
    test_put_byte(&packet, options);
    test_packet_send(client.fd, &packet);
    const int code = options & 3;
    codes_expect(client, 0x90, &code, 1);
}

static void subscriptions(int way, int protocol) {
    recorder told;
    recorded_broker(&told, way, SUBSCRIPTION_HOOKS | BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE), EVENTS_CONFIG(""));
    judge_rule(&told.judging, rule_deny("S refused", 0, NULL));
    judge_rule(&told.judging, rule_qos("S lower", 0));
    rule instead = rule_topic("S wanted", "granted/+");
    instead.replace |= RMQTT_REPLACE_QOS;
    instead.qos = 1;
    judge_rule(&told.judging, instead);
    test_client client = event_client(&told, "c", protocol);

    const char *const filters[] = {"a/+", "refused", "lower", "wanted", "b/#/c", "$share/g/s"};
    const int codes_4[] = {2, 0x80, 0, 1, 0x80, 2};
    const int codes_5[] = {2, 0x87, 0, 1, 0x8f, 2};
    filters_send(client, 0x82, filters, 6, 2);
    codes_expect(client, 0x90, protocol == 5 ? codes_5 : codes_4, 6);
    CHECK_TOLD(&told, "c", "subscribed#1 a/+>a/+ q2 id 0 rh0,subscribed#1 lower>lower q0 id 0 rh0,"
                           "subscribed#1 wanted>granted/+ q1 id 0 rh0,subscribed#1 $share/g/s>$share/g/s q2 id 0 rh0,");
    /* Again, with other options. */
    subscribe(client, "a/+", 1, 1);
    CHECK_TOLD(&told, "c", "subscribed#1 a/+>a/+ q1 id 0 rh0,");
    if (protocol == 5) {
        subscribe_with(client, "a/+", 0x2d, 5);
        subscribe_with(client, "a/+", 0x10, 0);
        subscribe_with(client, "a/+", 0x0a, 127);
        CHECK_TOLD(&told, "c", "subscribed#1 a/+>a/+ q1 id 5 nl rap rh2,subscribed#1 a/+>a/+ q0 id 0 rh1,"
                               "subscribed#1 a/+>a/+ q2 id 127 rap rh0,");
    }

    /* What it has not subscribed to it cannot give up. */
    const char *const over[] = {"a/+", "refused", "granted/+", "wanted", "$share/g/s"};
    const int ended[] = {0, 0x11, 0x11, 0, 0};
    filters_send(client, 0xa2, over, 5, 0);
    codes_expect(client, 0xb0, ended, 5);
    CHECK_TOLD(&told, "c", "unsubscribed#1 a/+,unsubscribed#1 wanted,unsubscribed#1 $share/g/s,");
    test_client_disconnect(client);
    recorded_end(&told);
}

static void hear(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    (void)user_data;
}

static rmqtt_subscription_t *subscribe_in_process(rmqtt_broker_t *broker, const char *filter) {
    rmqtt_subscription_t *subscription = NULL;
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str(filter), NULL, hear, NULL, NULL, &subscription, NULL));
    return subscription;
}

static void first_and_last_subscribers(int way, int protocol) {
    recorder told;
    rmqtt_broker_t *broker =
        recorded_broker(&told, way, FILTER_HOOKS | BIT(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE), EVENTS_CONFIG(""));
    judge_rule(&told.judging, rule_topic("S wanted", "t"));
    test_client one = event_client(&told, "one", protocol);
    test_client two = event_client_kept(&told, "two", protocol);

    subscribe(one, "t", 0, 0);
    CHECK_TOLD(&told, "t", "first one#1,");
    subscribe(one, "t", 1, 1);
    subscribe(two, "t", 0, 0);
    unsubscribe(one, "t", 0);
    unsubscribe(two, "t", 0);
    CHECK_TOLD(&told, "t", "last two#2,");

    /* Groups, the host program and a filter that a hook puts in are all the same filter. */
    subscribe(two, "$share/g/t", 0, 0);
    CHECK_TOLD(&told, "t", "first two#2,");
    subscribe(one, "$share/h/t", 0, 0);
    rmqtt_subscription_t *own = subscribe_in_process(broker, "t");
    rmqtt_subscription_t *shared = subscribe_in_process(broker, "$share/g/t");
    subscribe(one, "wanted", 0, 0);
    unsubscribe(one, "$share/h/t", 0);
    unsubscribe(two, "$share/g/t", 0);
    unsubscribe(one, "wanted", 0);
    rmqtt_subscription_free(own);
    rmqtt_subscription_free(shared);
    CHECK_TOLD(&told, "t", "last host,");
    own = subscribe_in_process(broker, "t");
    CHECK_TOLD(&told, "t", "first host,");
    subscribe(one, "wanted", 0, 0);
    rmqtt_subscription_free(own);

    /* A subscription lasts as long as its session. Another filter is another matter. */
    subscribe(one, "t/+", 0, 0);
    subscribe(two, "stays", 0, 0);
    test_client_disconnect(one);
    CHECK_TOLD(&told, "t", "last one#1,");
    CHECK_TOLD(&told, "t/+", "first one#1,last one#1,");
    test_client_disconnect(two);
    test_client_disconnect(event_client_kept(&told, "two", protocol));
    CHECK_TOLD(&told, "stays", "first two#2,");
    test_client_disconnect(event_client(&told, "two", protocol));
    CHECK_TOLD(&told, "stays", "last two#3,");
    recorded_end(&told);
}

static void listeners(int way) {
    recorder told;
    rmqtt_broker_t *broker = recorded_broker(&told, way, LISTENER_HOOKS,
                                             "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"name\":\"front\"},"
                                             "{\"address\":\"127.0.0.1:0\"}]}");
    for (int run = 0; run < 2; run++) {
        CHECK_TOLD(&told, "broker", "up front tcp,up tcp-1 tcp,");
        CHECK_OK(rmqtt_broker_stop(broker, 0));
        CHECK_TOLD(&told, "broker", "down front tcp,down tcp-1 tcp,");
        test_start(broker);
    }
    CHECK_TOLD(&told, "broker", "up front tcp,up tcp-1 tcp,");
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    CHECK_TOLD(&told, "broker", "down front tcp,down tcp-1 tcp,");
    recorded_end(&told);
}

/** The code of CONNACK for a client that has no place. */
static int turned_away(recorder *told, const char *client_id, int protocol) {
    test_connect connect = test_connect_init(client_id);
    connect.protocol = protocol;
    return test_client_try(test_port(told->judging.broker, 0), &connect);
}

static void too_much_of_something(int way, int protocol) {
    const char *const names[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
    enum { LIMIT = 11 };
    recorder told;
    test_client clients[LIMIT];

    /* With eleven, two have to go before there is room: a tenth, rounded up. */
    recorded_broker(&told, way, BIT(RMQTT_HOOK_OVERLOAD), EVENTS_CONFIG(",\"limits\":{\"max_connections\":11}"));
    for (int i = 0; i < LIMIT; i++) {
        clients[i] = event_client(&told, names[i], protocol);
    }
    CHECK_EQ(turned_away(&told, "c", protocol), protocol == 5 ? 0x97 : 3);
    CHECK_EQ(turned_away(&told, "c", protocol), protocol == 5 ? 0x97 : 3);
    CHECK_TOLD(&told, "broker", "too many connections 11,");
    test_client_disconnect(clients[0]);
    test_client_disconnect(clients[1]);
    CHECK_TOLD(&told, "broker", "room for connections 11,");
    clients[0] = event_client(&told, names[0], protocol);
    clients[1] = event_client(&told, names[1], protocol);
    CHECK_EQ(turned_away(&told, "c", protocol), protocol == 5 ? 0x97 : 3);
    CHECK_TOLD(&told, "broker", "too many connections 11,");
    for (int i = 0; i < LIMIT; i++) {
        test_client_disconnect(clients[i]);
    }
    CHECK_TOLD(&told, "broker", "room for connections 11,");
    recorded_end(&told);

    recorded_broker(&told, way, BIT(RMQTT_HOOK_OVERLOAD), EVENTS_CONFIG(",\"limits\":{\"max_sessions\":11}"));
    for (int i = 0; i < LIMIT; i++) {
        test_client_disconnect(event_client_kept(&told, names[i], protocol));
    }
    CHECK_EQ(turned_away(&told, "c", protocol), protocol == 5 ? 0x97 : 3);
    CHECK_TOLD(&told, "broker", "too many sessions 11,");
    /* One is not enough: there it is refused without another word. */
    test_client_disconnect(event_client(&told, names[0], protocol));
    WAIT_UNTIL(test_stats(told.judging.broker).sessions == LIMIT - 1);
    clients[0] = event_client(&told, names[0], protocol);
    CHECK_EQ(turned_away(&told, "c", protocol), protocol == 5 ? 0x97 : 3);
    test_client_disconnect(event_client(&told, names[1], protocol));
    test_client_disconnect(clients[0]);
    CHECK_TOLD(&told, "broker", "room for sessions 11,");
    recorded_end(&told);

    recorded_broker(&told, way, BIT(RMQTT_HOOK_OVERLOAD), EVENTS_CONFIG(",\"retain\":{\"max_messages\":11}"));
    for (int i = 0; i < LIMIT; i++) {
        CHECK_OK(test_try_publish(told.judging.broker, names[i], "x", true));
    }
    CHECK_OK(test_try_publish(told.judging.broker, "0", "another", true));
    CHECK_OK(test_try_publish(told.judging.broker, "one more", "x", true));
    CHECK_OK(test_try_publish(told.judging.broker, "one more", "x", true));
    CHECK_TOLD(&told, "broker", "too many retained 11,");
    CHECK_OK(test_try_publish(told.judging.broker, "0", "", true));
    CHECK_OK(test_try_publish(told.judging.broker, "0", "x", true));
    CHECK_OK(test_try_publish(told.judging.broker, "one more", "x", true));
    CHECK_OK(test_try_publish(told.judging.broker, "0", "", true));
    CHECK_OK(test_try_publish(told.judging.broker, "1", "", true));
    CHECK_TOLD(&told, "broker", "room for retained 11,");
    recorded_end(&told);
}

/** What one client does is told in the order in which it does it, whatever the hooks. */
static void one_client_in_order(int way, int protocol) {
    recorder told;
    recorded_broker(&told, way, ALL_EVENTS, EVENTS_CONFIG(""));
    int rounds = test_scaled(50, 10);
    for (int i = 1; i <= rounds; i++) {
        char wanted[512];
        test_client client = event_client(&told, "c", protocol);
        subscribe(client, "t", 1, 1);
        CHECK_EQ(publish(client, "t", "x", 1).code, 0);
        CHECK_NEXT(client, "t", "x");
        unsubscribe(client, "t", 0);
        test_client_leave(client);
        snprintf(wanted, sizeof wanted,
                 "created#%d,connected#%d v%d,subscribed#%d t>t q1 id 0 rh0,published t=x q1 of c#%d to 1,"
                 "delivered#%d t=x q1 of c#%d as q1,acked#%d t=x q1 of c#%d as q1 00,unsubscribed#%d t,"
                 "disconnected#%d by client 00,terminated#%d disconnected,",
                 i, i, protocol, i, i, i, i, i, i, i, i, i);
        CHECK_TOLD(&told, "c", wanted);
        snprintf(wanted, sizeof wanted, "first c#%d,last c#%d,", i, i);
        CHECK_TOLD(&told, "t", wanted);
    }
    recorded_stop(&told);
    CHECK_TOLD(&told, "broker", "up front tcp,down front tcp,");
    recorded_end(&told);
}

/* ---- hooks that are replaced ---- */

/** What one set of hooks has been told. Begins with the probe, so that `test_drop` serves. */
typedef struct shift {
    test_probe probe;
    int connected, disconnected;
} shift;

static void count_connected(const rmqtt_connected_t *event, void *user_data) {
    shift *working = (shift *)user_data;
    (void)event;
    test_enter(&working->probe);
    test_add(&working->connected);
    test_leave(&working->probe);
}

static void count_disconnected(const rmqtt_disconnected_t *event, void *user_data) {
    shift *working = (shift *)user_data;
    (void)event;
    test_enter(&working->probe);
    test_add(&working->disconnected);
    test_leave(&working->probe);
}

typedef struct visitor {
    pthread_t thread;
    rmqtt_broker_t *broker;
    int number;
    int visits;
} visitor;

static void *come_and_go(void *user_data) {
    visitor *visiting = (visitor *)user_data;
    char name[16];
    snprintf(name, sizeof name, "visitor %d", visiting->number);
    for (int i = 0; i < visiting->visits; i++) {
        test_client_leave(client_open(visiting->broker, name, 4 + i % 2));
    }
    return NULL;
}

/** Each event is told once, by the hooks before or by those after, and what belongs to hooks is freed after their last call. */
static void no_event_is_lost_to_other_hooks(void) {
    enum { SHIFTS = 500, VISITORS = 2 };
    static shift shifts[SHIFTS];
    visitor visitors[VISITORS];
    int connected = 0, disconnected = 0, set = 0;
    memset(shifts, 0, sizeof shifts);
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    int visits = test_scaled(200, 20);
    for (bool over = false; !over; set++) {
        rmqtt_hooks_t hooks = rmqtt_hooks_init();
        hooks.user_data = &shifts[set];
        hooks.drop = test_drop;
        hooks.connected = count_connected;
        hooks.disconnected = count_disconnected;
        hooks.flags[RMQTT_HOOK_CONNECTED] = set % 2 ? RMQTT_HOOK_INLINE : 0;
        hooks.flags[RMQTT_HOOK_DISCONNECTED] = set / 2 % 2 ? RMQTT_HOOK_INLINE : 0;
        CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
        for (int i = 0; set == 0 && i < VISITORS; i++) {
            visitors[i].broker = broker;
            visitors[i].number = i;
            visitors[i].visits = visits;
            CHECK_EQ(pthread_create(&visitors[i].thread, NULL, come_and_go, &visitors[i]), 0);
        }
        test_pause();
        over = set + 2 == SHIFTS || test_stats(broker).connections == (uint64_t)(VISITORS * visits);
    }
    for (int i = 0; i < VISITORS; i++) {
        CHECK_EQ(pthread_join(visitors[i].thread, NULL), 0);
    }
    CHECK_OK(rmqtt_broker_stop(broker, TEST_DEADLINE_MS));
    rmqtt_broker_free(broker);
    for (int i = 0; i < set; i++) {
        CHECK_DROPPED(&shifts[i].probe);
        connected += shifts[i].connected;
        disconnected += shifts[i].disconnected;
    }
    CHECK_EQ(connected, VISITORS * visits);
    CHECK_EQ(disconnected, VISITORS * visits);
}

/* ---- what a hook may do ---- */

/** Publishes, subscribes, looks around, and tries to stop the broker: about each event but those that it makes. */
static void meddle(recorder *told, const char *line) {
    rmqtt_broker_t *broker = told->judging.broker;
    if (strstr(line, "from/within") || strstr(line, " host")) {
        return;
    }
    test_add(&told->calls_of_then);
    rmqtt_status_t status = test_try_publish(broker, "from/within", "w", true);
    /* The first and the last events come while the broker does not run. */
    CHECK(status == RMQTT_OK || status == RMQTT_ERR_INVALID_STATE);
    rmqtt_subscription_t *subscription = NULL;
    status = rmqtt_broker_subscribe(broker, rmqtt_str("within"), NULL, hear, NULL, NULL, &subscription, NULL);
    CHECK(status == RMQTT_OK || status == RMQTT_ERR_INVALID_STATE);
    rmqtt_subscription_free(subscription);
    CHECK(test_stats(broker).connections <= 3);
    CHECK_EQ(rmqtt_broker_listener_count(broker), 1);
    CHECK_STATUS(rmqtt_broker_stop(broker, 0), RMQTT_ERR_WOULD_DEADLOCK);
}

/** Nothing waits for itself, whatever it is that is told of. */
static void hooks_may_call_the_library(int way, int protocol) {
    recorder told;
    rmqtt_broker_t *broker = recorded_broker(&told, way, ALL_EVENTS,
                                             EVENTS_CONFIG(",\"limits\":{\"max_queued_messages\":1,\"max_sessions\":2},"
                                                           "\"retain\":{\"max_messages\":2}"));
    told.then = meddle;
    test_connect connect = test_connect_init("c");
    connect.protocol = protocol;
    connect.will_topic = "will";
    connect.will_payload = "w";
    connect.keep_session = true;
    test_client client = event_client_with(&told, connect, 3600);
    subscribe(client, "t", 1, 1);
    CHECK_EQ(publish(client, "t", "x", 1).code, 0);
    CHECK_NEXT(client, "t", "x");
    test_client_reset(client);
    WAIT_UNTIL(test_stats(broker).connected_clients == 0);
    test_publish(broker, "t", "for nobody here");
    rmqtt_publish_t kept = rmqtt_publish_init();
    kept.topic = rmqtt_str("t");
    kept.qos = 1;
    kept.retain = true;
    kept.payload = rmqtt_bytes("1", 1);
    CHECK_OK(rmqtt_broker_publish(broker, &kept, NULL));
    CHECK_OK(rmqtt_broker_publish(broker, &kept, NULL));
    test_client other = event_client(&told, "other", protocol);
    CHECK_EQ(turned_away(&told, "one too many", protocol), protocol == 5 ? 0x97 : 3);
    test_client_disconnect(other);
    CHECK_OK(test_try_publish(broker, "one too many", "x", true));
    kept.payload = rmqtt_bytes(NULL, 0);
    CHECK_OK(rmqtt_broker_publish(broker, &kept, NULL));
    test_client again = event_client_kept(&told, "c", protocol);
    recorded_stop(&told);
    static const char *const seen[][2] = {
        {"c", "created#1"},         {"c", "connected#1"},   {"c", "disconnected#1"},     {"c", "resumed#4"},
        {"c", "subscribed#1"},      {"c", "delivered#1"},   {"c", "acked#1"},            {"c", "dropped#1"},
        {"c", "will will=w"},       {"c", "terminated#4"},  {"host", "set t=1"},         {"host", "removed t="},
        {"host", "published t="},   {"t", "first c#1"},     {"broker", "up front"},      {"broker", "down front"},
        {"broker", "too many sess"}, {"broker", "room for"},
    };
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++) {
        const char *all = recorder_lane(&told, seen[i][0])->told;
        if (!strstr(all, seen[i][1])) {
            FAIL("%s: not told of %s, but of %s", seen[i][0], seen[i][1], all);
        }
    }
    CHECK(test_get(&told.calls_of_then) > 20);
    close(again.fd);
    recorder_forget(&told);
    recorded_end(&told);
}

int main(void) {
    const int ways[] = {ON_CALLBACK_THREAD, INLINE};
    for (size_t i = 0; i < 2; i++) {
        for (int protocol = 4; protocol <= 5; protocol++) {
            connections(ways[i], protocol);
            sessions(ways[i], protocol);
            sessions_that_a_stop_ends(ways[i], protocol);
            takeovers(ways[i], protocol);
            subscriptions(ways[i], protocol);
            first_and_last_subscribers(ways[i], protocol);
            too_much_of_something(ways[i], protocol);
            one_client_in_order(ways[i], protocol);
            hooks_may_call_the_library(ways[i], protocol);
        }
        listeners(ways[i]);
    }
    no_event_is_lost_to_other_hooks();
    return 0;
}
