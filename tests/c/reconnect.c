/*
 * Clients that come back at once, by the way that is worst for the broker: each of them is let in, and the host program
 * hears of one connection after the other.
 */

#include "test.h"

#define CLIENTS 2

/** What was told of the connections of one client identifier. */
typedef struct told {
    /** The connection that was told to have come, and not to have gone; 0 for none. */
    uint64_t open;
    /** The number of the last connection that was told. */
    uint64_t last;
    int came;
    int went;
} told;

/** The user data of the hooks. Begins with the probe, so that `test_drop` serves. */
typedef struct host {
    test_probe probe;
    pthread_mutex_t lock;
    told clients[CLIENTS];
} host;

/** Client identifiers are digits. */
static told *told_of(host *program, const rmqtt_client_t *client) {
    int index = client->client_id.ptr[0] - '0';
    CHECK(client->client_id.len == 1 && index >= 0 && index < CLIENTS);
    return &program->clients[index];
}

static void connected(const rmqtt_connected_t *event, void *user_data) {
    host *program = (host *)user_data;
    test_enter(&program->probe);
    pthread_mutex_lock(&program->lock);
    told *of = told_of(program, event->client);
    CHECK_EQ(of->open, 0);
    CHECK(event->client->serial > of->last);
    of->open = event->client->serial;
    of->last = event->client->serial;
    of->came++;
    pthread_mutex_unlock(&program->lock);
    test_leave(&program->probe);
}

static void disconnected(const rmqtt_disconnected_t *event, void *user_data) {
    host *program = (host *)user_data;
    test_enter(&program->probe);
    pthread_mutex_lock(&program->lock);
    told *of = told_of(program, event->client);
    CHECK_EQ(event->client->serial, of->open);
    of->open = 0;
    of->went++;
    pthread_mutex_unlock(&program->lock);
    test_leave(&program->probe);
}

typedef struct comer {
    pthread_t thread;
    uint16_t port;
    int rounds;
    char client_id[2];
} comer;

/** Comes again and again, and never waits for the broker to notice that it has gone. */
static void *come_back(void *user_data) {
    comer *coming = (comer *)user_data;
    test_client before;
    before.fd = -1;
    for (int round = 0; round < coming->rounds; round++) {
        test_connect connect = test_connect_init(coming->client_id);
        connect.protocol = round % 3 == 0 ? 5 : 4;
        connect.keep_session = round / 4 % 2 == 0;
        test_client client = test_client_connect(coming->port, &connect);
        if (client.code != 0) {
            FAIL("client %s is refused in round %d: %d", coming->client_id, round, client.code);
        }
        if (before.fd >= 0) {
            close(before.fd);
            before.fd = -1;
        }
        switch (round % 4) {
        case 0:
            test_client_leave(client);
            break;
        case 1:
            close(client.fd);
            break;
        case 2:
            test_client_reset(client);
            break;
        default:
            /* The next connection takes over. */
            before = client;
        }
    }
    if (before.fd >= 0) {
        close(before.fd);
    }
    return NULL;
}

int main(void) {
    host program;
    comer comers[CLIENTS];
    int rounds = test_scaled(1000, 50);
    memset(&program, 0, sizeof program);
    pthread_mutex_init(&program.lock, NULL);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &program;
    hooks.drop = test_drop;
    hooks.connected = connected;
    hooks.disconnected = disconnected;
    /* Room for every event, however slow the callbacks are. */
    rmqtt_broker_t *broker =
        test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                    "\"runtime\":{\"worker_threads\":2},\"callbacks\":{\"queue\":10000}}");
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    for (int i = 0; i < CLIENTS; i++) {
        comers[i].port = test_port(broker, 0);
        comers[i].rounds = rounds;
        snprintf(comers[i].client_id, sizeof comers[i].client_id, "%d", i);
        CHECK_EQ(pthread_create(&comers[i].thread, NULL, come_back, &comers[i]), 0);
    }
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_EQ(pthread_join(comers[i].thread, NULL), 0);
    }
    /* The stop ends the connection of who was not noticed to have gone, and tells everything. */
    CHECK_OK(rmqtt_broker_stop(broker, 2000));
    CHECK_EQ(test_stats(broker).events_dropped, 0);
    CHECK_EQ(test_stats(broker).connections, CLIENTS * rounds);
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_EQ(program.clients[i].came, rounds);
        CHECK_EQ(program.clients[i].went, rounds);
        CHECK_EQ(program.clients[i].open, 0);
    }
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&program.probe);
    return 0;
}
