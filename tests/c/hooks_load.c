/* Hooks under load: slow ones, many at once, and answers of every kind. */

#include "test.h"

#define TICKETS 4096

/** Tickets that a thread of its own completes when they are due. */
typedef struct late_answers {
    pthread_mutex_t lock;
    pthread_t thread;
    struct {
        int64_t due_ms;
        rmqtt_decision_t ticket;
        rmqtt_verdict_kind_t kind;
    } waiting[TICKETS];
    size_t count;
    bool over;
    int completed;
    int expired;
} late_answers;

static void *late_answers_run(void *user_data) {
    late_answers *answers = (late_answers *)user_data;
    pthread_mutex_lock(&answers->lock);
    while (!answers->over || answers->count > 0) {
        int64_t now = test_now_ms();
        for (size_t i = 0; i < answers->count;) {
            if (answers->waiting[i].due_ms > now) {
                i++;
                continue;
            }
            rmqtt_verdict_t verdict = rmqtt_verdict_init();
            verdict.kind = answers->waiting[i].kind;
            rmqtt_status_t status = rmqtt_decision_complete(answers->waiting[i].ticket, &verdict);
            CHECK(status == RMQTT_OK || status == RMQTT_ERR_EXPIRED);
            answers->completed += status == RMQTT_OK;
            answers->expired += status == RMQTT_ERR_EXPIRED;
            answers->waiting[i] = answers->waiting[--answers->count];
        }
        pthread_mutex_unlock(&answers->lock);
        test_pause();
        pthread_mutex_lock(&answers->lock);
    }
    pthread_mutex_unlock(&answers->lock);
    return NULL;
}

static void late_answers_begin(late_answers *answers) {
    memset(answers, 0, sizeof *answers);
    pthread_mutex_init(&answers->lock, NULL);
    CHECK_EQ(pthread_create(&answers->thread, NULL, late_answers_run, answers), 0);
}

static void late_answers_add(late_answers *answers, rmqtt_decision_t ticket, int in_ms, rmqtt_verdict_kind_t kind) {
    CHECK(ticket != 0);
    pthread_mutex_lock(&answers->lock);
    CHECK(answers->count < TICKETS);
    answers->waiting[answers->count].due_ms = test_now_ms() + in_ms;
    answers->waiting[answers->count].ticket = ticket;
    answers->waiting[answers->count].kind = kind;
    answers->count++;
    pthread_mutex_unlock(&answers->lock);
}

static void late_answers_end(late_answers *answers) {
    pthread_mutex_lock(&answers->lock);
    answers->over = true;
    pthread_mutex_unlock(&answers->lock);
    CHECK_EQ(pthread_join(answers->thread, NULL), 0);
}

/* ---- one that sleeps ---- */

static int asleep;

static rmqtt_verdict_kind_t sleep_for_some(const rmqtt_authorize_publish_t *event, rmqtt_verdict_t *verdict,
                                           void *user_data) {
    (void)verdict;
    (void)user_data;
    if (strcmp(event->message->topic.ptr, "slow") == 0) {
        struct timespec two_seconds;
        two_seconds.tv_sec = 2;
        two_seconds.tv_nsec = 0;
        test_set(&asleep, 1);
        nanosleep(&two_seconds, NULL);
        test_set(&asleep, 0);
    }
    return RMQTT_VERDICT_ALLOW;
}

static int compare_times(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

static int64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void a_hook_that_sleeps_holds_up_its_client_only(void) {
    enum { TRIPS = 20 };
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.authorize_publish = sleep_for_some;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client sleeper = test_client_open(port, "sleeper");
    test_client quick = test_client_open(port, "quick");
    test_client_subscribe(quick, "round", 0);

    test_packet publish;
    test_packet_begin(&publish, 0x32);
    test_put_text(&publish, "slow");
    test_put_byte(&publish, 0);
    test_put_byte(&publish, 1);
    test_packet_send(sleeper.fd, &publish);
    WAIT_UNTIL(test_get(&asleep) == 1);
    int64_t took[TRIPS];
    int while_asleep = 0;
    for (int i = 0; i < TRIPS; i++) {
        int64_t begin = now_us();
        test_client_publish(quick, "round", "trip", 0);
        CHECK(strcmp(test_client_receive(quick).payload, "trip") == 0);
        took[i] = now_us() - begin;
        while_asleep += test_get(&asleep);
    }
    qsort(took, TRIPS, sizeof *took, compare_times);
    /* A machine that is busy with other things may hold up some of them. */
    CHECK(took[TRIPS / 2] < test_scaled(20, 500) * 1000);
    CHECK(while_asleep > 0);
    test_packet_expect(sleeper.fd, &publish, 0x40);
    test_client_leave(sleeper);
    test_client_leave(quick);
    rmqtt_broker_free(broker);
}

/* ---- inline hooks that call the library, while another thread stops it ---- */

typedef struct echo {
    rmqtt_broker_t *broker;
    int over;
} echo;

/** Publishes from within a call of `rmqtt_broker_publish`. */
static void publish_back(const rmqtt_message_published_t *event, void *user_data) {
    if (strcmp(event->message->topic.ptr, "call") == 0) {
        test_try_publish(((echo *)user_data)->broker, "echo", "x", false);
    }
}

static void *publish_calls(void *user_data) {
    echo *echoing = (echo *)user_data;
    while (!test_get(&echoing->over)) {
        test_try_publish(echoing->broker, "call", "x", false);
    }
    return NULL;
}

static void a_stop_waits_for_no_hook_that_waits_for_it(void) {
    for (int round = 0; round < test_scaled(100, 5); round++) {
        echo echoing;
        pthread_t publishers[2];
        memset(&echoing, 0, sizeof echoing);
        echoing.broker = test_broker("{\"runtime\":{\"worker_threads\":1}}");
        rmqtt_hooks_t hooks = rmqtt_hooks_init();
        hooks.message_published = publish_back;
        hooks.flags[RMQTT_HOOK_MESSAGE_PUBLISHED] = RMQTT_HOOK_INLINE;
        hooks.user_data = &echoing;
        CHECK_OK(rmqtt_broker_set_hooks(echoing.broker, &hooks, NULL));
        test_start(echoing.broker);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(pthread_create(&publishers[i], NULL, publish_calls, &echoing), 0);
        }
        WAIT_UNTIL(test_stats(echoing.broker).events_told > 10);
        CHECK_OK(rmqtt_broker_stop(echoing.broker, 0));
        test_set(&echoing.over, 1);
        for (int i = 0; i < 2; i++) {
            CHECK_EQ(pthread_join(publishers[i], NULL), 0);
        }
        rmqtt_broker_free(echoing.broker);
    }
}

/* ---- hooks that call another broker ---- */

enum { PASSES = 100 };

typedef struct player {
    rmqtt_broker_t *other;
    int told;
} player;

/** Passes what it is told of on to the other broker, whose hook does the same. */
static void pass_on(const rmqtt_message_published_t *event, void *user_data) {
    player *playing = (player *)user_data;
    CHECK_EQ(event->message->origin, RMQTT_ORIGIN_API);
    if (test_add(&playing->told) < PASSES) {
        test_publish(playing->other, event->message->topic.ptr, "x");
    }
}

static void hooks_of_two_brokers_call_each_other(uint8_t flags) {
    player players[2];
    rmqtt_broker_t *brokers[2];
    memset(players, 0, sizeof players);
    for (int i = 0; i < 2; i++) {
        brokers[i] = test_broker("{}");
        players[1 - i].other = brokers[i];
    }
    for (int i = 0; i < 2; i++) {
        rmqtt_hooks_t hooks = rmqtt_hooks_init();
        hooks.message_published = pass_on;
        hooks.flags[RMQTT_HOOK_MESSAGE_PUBLISHED] = flags;
        hooks.user_data = &players[i];
        CHECK_OK(rmqtt_broker_set_hooks(brokers[i], &hooks, NULL));
        test_start(brokers[i]);
    }
    test_publish(brokers[0], "ball", "x");
    WAIT_UNTIL(test_get(&players[0].told) == PASSES && test_get(&players[1].told) == PASSES - 1);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(rmqtt_broker_stop(brokers[i], 0));
    }
    CHECK_EQ(players[0].told + players[1].told, 2 * PASSES - 1);
    for (int i = 0; i < 2; i++) {
        rmqtt_broker_free(brokers[i]);
    }
}

/* ---- many at once ---- */

static rmqtt_verdict_kind_t authenticate_in_10_ms(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                                  void *user_data) {
    (void)event;
    (void)verdict;
    late_answers_add((late_answers *)user_data, rmqtt_decision_defer(), 10, RMQTT_VERDICT_ALLOW);
    return RMQTT_VERDICT_DEFERRED;
}

static void a_thousand_clients_wait_without_a_thread_each(void) {
    enum { MANY = 1000 };
    static int fds[MANY];
    static late_answers answers;
    int clients = test_scaled(MANY, 100);
    late_answers_begin(&answers);
    rmqtt_broker_t *broker = test_broker(TEST_CLOSED);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.authenticate = authenticate_in_10_ms;
    hooks.user_data = &answers;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    int threads = test_threads();
    for (int i = 0; i < clients; i++) {
        char name[16];
        snprintf(name, sizeof name, "c%d", i);
        test_connect connect = test_connect_init(name);
        fds[i] = test_dial(port);
        test_connect_send(fds[i], &connect);
    }
    CHECK_EQ(test_threads(), threads);
    for (int i = 0; i < clients; i++) {
        test_client client;
        client.fd = fds[i];
        test_connack_read(&client);
        CHECK_EQ(client.code, 0);
    }
    CHECK_EQ(rmqtt_broker_connected_clients(broker), clients);
    CHECK_EQ(test_threads(), threads);
    CHECK_EQ(test_stats(broker).decisions_allowed, clients);
    CHECK_EQ(test_stats(broker).decisions_pending, 0);
    for (int i = 0; i < clients; i++) {
        close(fds[i]);
    }
    rmqtt_broker_free(broker);
    late_answers_end(&answers);
    CHECK_EQ(answers.completed, clients);
}

/* ---- answers of every kind ---- */

enum { MIXED_CLIENTS = 200 };

typedef struct mix {
    late_answers answers;
    uint16_t port;
    int timeout_ms;
    int64_t end_ms;
    /** How many answers clients have got. */
    int yes, no;
    int now, later, too_late, never;
} mix;

/** Cheap, and different for each call; which numbers come is of no importance. */
static unsigned roll(void) {
    static int calls;
    unsigned number = (unsigned)test_add(&calls) * 2654435761u;
    return (number ^ number >> 15) % 100;
}

static rmqtt_verdict_kind_t decide_somehow(mix *mixing) {
    unsigned rolled = roll();
    if (rolled < 50) {
        test_add(&mixing->now);
        return rolled < 40 ? RMQTT_VERDICT_ALLOW : RMQTT_VERDICT_DENY;
    }
    rmqtt_decision_t ticket = rmqtt_decision_defer();
    if (ticket == 0) {
        /* It has waited so long for its turn that the time is up. */
        return RMQTT_VERDICT_DENY;
    }
    if (rolled < 80) {
        test_add(&mixing->later);
        late_answers_add(&mixing->answers, ticket, (int)rolled - 50, RMQTT_VERDICT_ALLOW);
    } else if (rolled < 90) {
        test_add(&mixing->too_late);
        late_answers_add(&mixing->answers, ticket, 2 * mixing->timeout_ms, RMQTT_VERDICT_ALLOW);
    } else {
        test_add(&mixing->never);
    }
    return RMQTT_VERDICT_DEFERRED;
}

static rmqtt_verdict_kind_t mix_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                             void *user_data) {
    (void)event;
    (void)verdict;
    return decide_somehow((mix *)user_data);
}

static rmqtt_verdict_kind_t mix_publish(const rmqtt_authorize_publish_t *event, rmqtt_verdict_t *verdict,
                                        void *user_data) {
    (void)event;
    (void)verdict;
    return decide_somehow((mix *)user_data);
}

static rmqtt_verdict_kind_t mix_subscribe(const rmqtt_authorize_subscribe_t *event, rmqtt_verdict_t *verdict,
                                          void *user_data) {
    (void)event;
    (void)verdict;
    return decide_somehow((mix *)user_data);
}

static rmqtt_verdict_kind_t mix_forward(const rmqtt_authorize_forward_t *event, rmqtt_verdict_t *verdict,
                                        void *user_data) {
    (void)event;
    (void)verdict;
    return decide_somehow((mix *)user_data);
}

/** Reads until the answer; whether it is a yes. */
static bool mix_answer(mix *mixing, int fd, int type) {
    test_packet packet;
    do {
        if (!test_packet_receive(fd, &packet)) {
            FAIL("no answer of type %#x", (unsigned)type);
        }
    } while ((packet.type & 0xf0) == 0x30);
    CHECK_EQ(packet.type, type);
    int code = packet.body[packet.len - 1];
    test_add(code < 0x80 ? &mixing->yes : &mixing->no);
    return code < 0x80;
}

static void *mix_client(void *user_data) {
    mix *mixing = (mix *)user_data;
    static int names;
    char name[32];
    snprintf(name, sizeof name, "client %d", test_add(&names));
    while (test_now_ms() < mixing->end_ms) {
        test_connect connect = test_connect_init(name);
        connect.protocol = 5;
        int fd = test_dial(mixing->port);
        test_connect_send(fd, &connect);
        test_client client;
        client.fd = fd;
        client.protocol = 5;
        test_connack_read(&client);
        test_add(client.code == 0 ? &mixing->yes : &mixing->no);
        if (client.code == 0) {
            test_packet packet;
            test_packet_begin(&packet, 0x82);
            test_put_bytes(&packet, "\0\1\0", 3);
            test_put_text(&packet, name);
            test_put_byte(&packet, 1);
            test_packet_send(fd, &packet);
            mix_answer(mixing, fd, 0x90);
            for (int i = 0; i < 3; i++) {
                test_packet_begin(&packet, 0x32);
                test_put_text(&packet, name);
                test_put_bytes(&packet, "\0\2\0", 3);
                test_put_text(&packet, "payload");
                test_packet_send(fd, &packet);
                mix_answer(mixing, fd, 0x40);
            }
        } else {
            CHECK_EQ(client.code, 0x87);
        }
        close(fd);
    }
    return NULL;
}

static rmqtt_hooks_t mix_hooks(mix *mixing, uint8_t flags) {
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.authenticate = mix_authenticate;
    hooks.authorize_publish = mix_publish;
    hooks.authorize_subscribe = mix_subscribe;
    hooks.authorize_forward = mix_forward;
    hooks.flags[RMQTT_HOOK_AUTHENTICATE] = flags;
    hooks.flags[RMQTT_HOOK_AUTHORIZE_PUBLISH] = flags;
    hooks.flags[RMQTT_HOOK_AUTHORIZE_SUBSCRIBE] = flags;
    hooks.flags[RMQTT_HOOK_AUTHORIZE_FORWARD] = flags;
    hooks.user_data = mixing;
    return hooks;
}

static void everybody_gets_an_answer(void) {
    static mix mixing;
    static pthread_t clients[MIXED_CLIENTS];
    char config[256];
    int count = test_scaled(MIXED_CLIENTS, 10);
    late_answers_begin(&mixing.answers);
    mixing.timeout_ms = test_scaled(100, 500);
    snprintf(config, sizeof config,
             "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"runtime\":{\"worker_threads\":2},"
             "\"callbacks\":{\"timeout_ms\":%d}}",
             mixing.timeout_ms);
    rmqtt_broker_t *broker = test_broker(config);
    rmqtt_hooks_t hooks = mix_hooks(&mixing, 0);
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    mixing.port = test_port(broker, 0);
    mixing.end_ms = test_now_ms() + test_scaled(30000, 2000);
    for (int i = 0; i < count; i++) {
        CHECK_EQ(pthread_create(&clients[i], NULL, mix_client, &mixing), 0);
    }
    /* Hooks take turns on the callback threads and in place, and nobody's question gets lost. */
    for (int round = 0; test_now_ms() < mixing.end_ms; round++) {
        hooks = mix_hooks(&mixing, round % 2 ? RMQTT_HOOK_INLINE : 0);
        CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
        test_pause();
    }
    for (int i = 0; i < count; i++) {
        CHECK_EQ(pthread_join(clients[i], NULL), 0);
    }
    WAIT_UNTIL(rmqtt_broker_connected_clients(broker) == 0);
    WAIT_UNTIL(test_stats(broker).decisions_pending == 0);
    CHECK(mixing.yes > 0 && mixing.no > 0);
    CHECK(mixing.now > 0 && mixing.later > 0 && mixing.too_late > 0 && mixing.never > 0);
    CHECK(test_stats(broker).decisions_expired > 0);
    rmqtt_broker_free(broker);
    late_answers_end(&mixing.answers);
    CHECK(mixing.answers.completed > 0 && mixing.answers.expired > 0);
    printf("%d yes, %d no; answered %d at once, %d later, %d too late, %d never\n", mixing.yes, mixing.no, mixing.now,
           mixing.later, mixing.too_late, mixing.never);
}

int main(void) {
    a_hook_that_sleeps_holds_up_its_client_only();
    a_stop_waits_for_no_hook_that_waits_for_it();
    hooks_of_two_brokers_call_each_other(0);
    hooks_of_two_brokers_call_each_other(RMQTT_HOOK_INLINE);
    a_thousand_clients_wait_without_a_thread_each();
    everybody_gets_an_answer();
    return 0;
}
