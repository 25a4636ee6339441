/* Connections that the program brings: descriptors that it has, and pairs. */

#include "flood.h"

#include <fcntl.h>
#include <sys/wait.h>

#define OPEN_HERE(more) "{\"auth\":{\"allow_anonymous\":true},\"runtime\":{\"worker_threads\":2}" more "}"
#define CLOSED_HERE "{\"runtime\":{\"worker_threads\":2}}"

/** The user data of hooks, which write down whom they see. */
typedef struct witness {
    test_probe probe;
    pthread_mutex_t lock;
    bool lets_in;
    bool lets_begin;
    int authentications;
    /** "address listener" of the last question before CONNECT. */
    char before[192];
    /** "client user address listener" of the last client that connected. */
    char connected[320];
    int gone;
    uint8_t reason_code;
} witness;

static const char *text_of(rmqtt_str_t text) {
    return text.ptr ? text.ptr : "-";
}

static rmqtt_verdict_kind_t on_pre_connect(const rmqtt_pre_connect_t *event, rmqtt_verdict_t *verdict,
                                           void *user_data) {
    witness *seeing = (witness *)user_data;
    (void)verdict;
    pthread_mutex_lock(&seeing->lock);
    snprintf(seeing->before, sizeof seeing->before, "%s %s", text_of(event->address), text_of(event->listener));
    pthread_mutex_unlock(&seeing->lock);
    return seeing->lets_begin ? RMQTT_VERDICT_ALLOW : RMQTT_VERDICT_DENY;
}

static rmqtt_verdict_kind_t on_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                            void *user_data) {
    witness *seeing = (witness *)user_data;
    (void)verdict;
    CHECK(event->client != NULL);
    test_add(&seeing->authentications);
    return seeing->lets_in ? RMQTT_VERDICT_ALLOW : RMQTT_VERDICT_DENY;
}

static rmqtt_verdict_kind_t on_exchange(const rmqtt_auth_exchange_t *event, rmqtt_verdict_t *verdict, void *user_data) {
    witness *seeing = (witness *)user_data;
    (void)verdict;
    CHECK(event->client != NULL);
    test_add(&seeing->authentications);
    return RMQTT_VERDICT_DENY;
}

static void on_connected(const rmqtt_connected_t *event, void *user_data) {
    witness *seeing = (witness *)user_data;
    const rmqtt_client_t *client = event->client;
    pthread_mutex_lock(&seeing->lock);
    snprintf(seeing->connected, sizeof seeing->connected, "%s %s %s %s", text_of(client->client_id),
             text_of(client->username), text_of(client->address), text_of(client->listener));
    pthread_mutex_unlock(&seeing->lock);
}

static void on_disconnected(const rmqtt_disconnected_t *event, void *user_data) {
    witness *seeing = (witness *)user_data;
    pthread_mutex_lock(&seeing->lock);
    seeing->reason_code = event->reason_code;
    pthread_mutex_unlock(&seeing->lock);
    test_add(&seeing->gone);
}

static rmqtt_broker_t *witnessed(witness *seeing, const char *config, bool with_decisions) {
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    memset(seeing, 0, sizeof *seeing);
    pthread_mutex_init(&seeing->lock, NULL);
    seeing->lets_begin = true;
    hooks.user_data = seeing;
    hooks.drop = test_drop;
    hooks.pre_connect = on_pre_connect;
    hooks.connected = on_connected;
    hooks.disconnected = on_disconnected;
    if (with_decisions) {
        hooks.authenticate = on_authenticate;
        hooks.auth_exchange = on_exchange;
    }
    rmqtt_broker_t *broker = test_broker(config);
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    return broker;
}

static void witnessed_end(witness *seeing, rmqtt_broker_t *broker) {
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&seeing->probe);
    pthread_mutex_destroy(&seeing->lock);
}

static bool saw(witness *seeing, const char *room, const char *wanted) {
    pthread_mutex_lock(&seeing->lock);
    bool same = strcmp(room, wanted) == 0;
    pthread_mutex_unlock(&seeing->lock);
    return same;
}

static void be_patient(int fd) {
    struct timeval patience;
    patience.tv_sec = TEST_DEADLINE_MS / 1000;
    patience.tv_usec = 0;
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
}

static int pair_with(rmqtt_broker_t *broker, const rmqtt_peer_t *peer) {
    int fd = -1;
    rmqtt_error_t *error = NULL;
    if (rmqtt_broker_connect_pair(broker, peer, &fd, &error) != RMQTT_OK) {
        FAIL("no pair: %s", rmqtt_error_message(error).ptr);
    }
    CHECK(fd >= 0 && error == NULL);
    be_patient(fd);
    return fd;
}

/** Says CONNECT. */
static test_client client_at(int fd, const test_connect *connect) {
    test_client client;
    client.fd = fd;
    client.protocol = connect->protocol;
    test_connect_send(fd, connect);
    test_connack_read(&client);
    return client;
}

static test_connect hello_of(const char *client_id, int protocol) {
    test_connect hello = test_connect_init(client_id);
    hello.protocol = protocol;
    return hello;
}

static test_client pair_client(rmqtt_broker_t *broker, const rmqtt_peer_t *peer, const char *client_id, int protocol) {
    test_connect hello = hello_of(client_id, protocol);
    return client_at(pair_with(broker, peer), &hello);
}

static void talk(test_client client) {
    CHECK_EQ(client.code, 0);
    test_client_subscribe(client, "loop", 1);
    test_client_publish(client, "loop", "there and back", 0);
    test_message message = test_client_receive(client);
    CHECK(strcmp(message.payload, "there and back") == 0);
}

static void socket_pair(int ends[2]) {
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    be_patient(ends[1]);
}

/** A TCP connection; the end that connected last, with its port. */
static uint16_t tcp_pair(int ends[2]) {
    int listening = test_listen(0);
    CHECK(listening >= 0);
    ends[1] = test_dial(test_port_of(listening));
    ends[0] = accept(listening, NULL, NULL);
    CHECK(ends[0] >= 0);
    close(listening);
    return test_port_of(ends[1]);
}

static void pairs_are_connections(int protocol) {
    witness seeing;
    rmqtt_broker_t *broker = witnessed(&seeing, OPEN_HERE(""), false);
    test_client client = pair_client(broker, NULL, "c", protocol);
    talk(client);
    CHECK(saw(&seeing, seeing.before, "pair attached"));
    WAIT_UNTIL(saw(&seeing, seeing.connected, "c - pair attached"));
    CHECK_EQ(rmqtt_broker_connected_clients(broker), 1);
    CHECK_EQ(test_stats(broker).connections, 1);
    /* The client's end blocks, and no program that is executed gets it. */
    CHECK_EQ(fcntl(client.fd, F_GETFL) & O_NONBLOCK, 0);
    CHECK(fcntl(client.fd, F_GETFD) & FD_CLOEXEC);

    test_client other = pair_client(broker, NULL, "other", 9 - protocol);
    test_client_subscribe(other, "x", 0);
    test_client_publish(client, "x", "to the other one", 1);
    CHECK(strcmp(test_client_receive(other).payload, "to the other one") == 0);
    test_client_leave(client);
    WAIT_UNTIL(test_get(&seeing.gone) == 1);
    close(other.fd);
    WAIT_UNTIL(test_get(&seeing.gone) == 2);
    witnessed_end(&seeing, broker);
}

static void descriptors_are_connections(int protocol) {
    witness seeing;
    int ends[2];
    char wanted[64];
    rmqtt_broker_t *broker = witnessed(&seeing, OPEN_HERE(""), false);
    test_connect hello = hello_of("u", protocol);
    socket_pair(ends);
    CHECK_OK(rmqtt_broker_attach_fd(broker, ends[0], NULL, NULL));
    test_client unix_client = client_at(ends[1], &hello);
    talk(unix_client);
    WAIT_UNTIL(saw(&seeing, seeing.connected, "u - unix attached"));

    /* What the client has said before counts. */
    uint16_t port = tcp_pair(ends);
    test_client tcp_client;
    tcp_client.fd = ends[1];
    tcp_client.protocol = protocol;
    hello.client_id = "t";
    test_connect_send(ends[1], &hello);
    int duplicate = dup(ends[0]);
    CHECK(duplicate >= 0);
    CHECK_OK(rmqtt_broker_attach_fd(broker, ends[0], NULL, NULL));
    test_connack_read(&tcp_client);
    talk(tcp_client);
    snprintf(wanted, sizeof wanted, "t - 127.0.0.1:%u attached", (unsigned)port);
    WAIT_UNTIL(saw(&seeing, seeing.connected, wanted));
    int without_delay = 0;
    socklen_t len = sizeof without_delay;
    CHECK_EQ(getsockopt(duplicate, IPPROTO_TCP, TCP_NODELAY, &without_delay, &len), 0);
    CHECK(without_delay);
    CHECK(fcntl(duplicate, F_GETFL) & O_NONBLOCK);
    CHECK(fcntl(ends[0], F_GETFD) & FD_CLOEXEC);
    close(duplicate);
    test_client_disconnect(unix_client);
    test_client_disconnect(tcp_client);
    witnessed_end(&seeing, broker);
}

static void peers_are_what_is_said_of_them(void) {
    witness seeing;
    int ends[2];
    char wanted[64];
    rmqtt_broker_t *broker = witnessed(&seeing, OPEN_HERE(""), false);
    rmqtt_peer_t peer = rmqtt_peer_init();
    peer.address = rmqtt_str("serial:/dev/ttyS0");
    peer.listener = rmqtt_str("field bus");
    peer.connect_timeout_ms = 3600000;
    test_client client = pair_client(broker, &peer, "c", 5);
    WAIT_UNTIL(saw(&seeing, seeing.connected, "c - serial:/dev/ttyS0 field bus"));
    CHECK(saw(&seeing, seeing.before, "serial:/dev/ttyS0 field bus"));
    test_client_leave(client);

    /* The longest that there may be; what is not given stays what it is. */
    static char longest[65536];
    memset(longest, 'x', 65535);
    peer = rmqtt_peer_init();
    peer.listener = rmqtt_str("back");
    uint16_t port = tcp_pair(ends);
    CHECK_OK(rmqtt_broker_attach_fd(broker, ends[0], &peer, NULL));
    test_connect hello = hello_of("d", 4);
    client = client_at(ends[1], &hello);
    CHECK_EQ(client.code, 0);
    snprintf(wanted, sizeof wanted, "d - 127.0.0.1:%u back", (unsigned)port);
    WAIT_UNTIL(saw(&seeing, seeing.connected, wanted));
    test_client_leave(client);
    peer.address = rmqtt_str(longest);
    client = pair_client(broker, &peer, "e", 4);
    CHECK_EQ(client.code, 0);
    test_client_leave(client);
    witnessed_end(&seeing, broker);
}

/** Without `authenticated`, the hook decides, or the configuration. */
static void they_are_asked_who_they_are(int protocol) {
    int refused = protocol == 5 ? 0x87 : 5;
    witness seeing;
    rmqtt_broker_t *broker = witnessed(&seeing, CLOSED_HERE, false);
    test_client client = pair_client(broker, NULL, "c", protocol);
    CHECK_EQ(client.code, refused);
    close(client.fd);
    witnessed_end(&seeing, broker);

    broker = witnessed(&seeing, CLOSED_HERE, true);
    client = pair_client(broker, NULL, "c", protocol);
    CHECK_EQ(client.code, refused);
    CHECK_EQ(test_get(&seeing.authentications), 1);
    close(client.fd);
    seeing.lets_in = true;
    client = pair_client(broker, NULL, "c", protocol);
    CHECK_EQ(client.code, 0);
    CHECK_EQ(test_get(&seeing.authentications), 2);
    close(client.fd);
    witnessed_end(&seeing, broker);

    /* A listener's own rule is not theirs. */
    broker = test_broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}]}");
    test_start(broker);
    client = pair_client(broker, NULL, "c", protocol);
    CHECK_EQ(client.code, refused);
    close(client.fd);
    rmqtt_broker_free(broker);
}

/** Whoever the program vouches for is not asked. */
static void they_are_not_asked_again(int protocol, bool with_decisions) {
    static const uint8_t method[] = {0x15, 0, 1, 'm', 0x16, 0, 1, 'd'};
    witness seeing;
    rmqtt_broker_t *broker = witnessed(&seeing, CLOSED_HERE, with_decisions);
    rmqtt_peer_t peer = rmqtt_peer_init();
    peer.authenticated = true;
    test_connect hello = hello_of("a", protocol);
    hello.username = "says so";
    hello.password = "wrong";
    hello.password_len = 5;
    test_client client = client_at(pair_with(broker, &peer), &hello);
    CHECK_EQ(client.code, 0);
    WAIT_UNTIL(saw(&seeing, seeing.connected, "a says so pair attached"));
    test_client_leave(client);

    peer.username = rmqtt_str("meter");
    client = client_at(pair_with(broker, &peer), &hello);
    CHECK_EQ(client.code, 0);
    WAIT_UNTIL(saw(&seeing, seeing.connected, "a meter pair attached"));
    test_client_leave(client);

    hello.username = NULL;
    hello.password = NULL;
    hello.client_id = "b";
    if (protocol == 5) {
        hello.properties = method;
        hello.properties_len = sizeof method;
    }
    client = client_at(pair_with(broker, &peer), &hello);
    CHECK_EQ(client.code, 0);
    WAIT_UNTIL(saw(&seeing, seeing.connected, "b meter pair attached"));
    test_client_leave(client);
    CHECK_EQ(test_get(&seeing.authentications), 0);
    witnessed_end(&seeing, broker);
}

static void pre_connect_is_asked(void) {
    witness seeing;
    int ends[2];
    rmqtt_peer_t peer = rmqtt_peer_init();
    peer.authenticated = true;
    rmqtt_broker_t *broker = witnessed(&seeing, OPEN_HERE(""), false);
    seeing.lets_begin = false;
    socket_pair(ends);
    CHECK_OK(rmqtt_broker_attach_fd(broker, ends[0], &peer, NULL));
    uint8_t byte;
    CHECK_EQ(recv(ends[1], &byte, 1, 0), 0);
    close(ends[1]);
    WAIT_UNTIL(test_stats(broker).connections_refused == 1);
    CHECK_EQ(test_stats(broker).connections, 0);
    witnessed_end(&seeing, broker);
}

static void time_is_limited(void) {
    rmqtt_peer_t peer = rmqtt_peer_init();
    rmqtt_broker_t *broker = test_broker(OPEN_HERE(""));
    test_start(broker);
    peer.connect_timeout_ms = 50;
    int fd = pair_with(broker, &peer);
    uint8_t byte;
    CHECK_EQ(recv(fd, &byte, 1, 0), 0);
    close(fd);
    CHECK_EQ(test_stats(broker).connections_timed_out, 1);
    rmqtt_broker_free(broker);
}

static bool is_closed(int fd) {
    return fcntl(fd, F_GETFD) == -1 && errno == EBADF;
}

static void places_are_counted(void) {
    rmqtt_error_t *error = NULL;
    int ends[2];
    int fd = 7;
    rmqtt_broker_t *broker = test_broker(OPEN_HERE(",\"limits\":{\"max_connections\":1},"
                                                   "\"listeners\":[{\"address\":\"127.0.0.1:0\"}]"));
    test_start(broker);
    test_client client = pair_client(broker, NULL, "first", 4);
    CHECK_EQ(client.code, 0);
    CHECK_STATUS(rmqtt_broker_connect_pair(broker, NULL, &fd, &error), RMQTT_ERR_WOULD_BLOCK);
    CHECK_CONTAINS(rmqtt_error_message(error), "limits.max_connections");
    rmqtt_error_free(error);
    CHECK_EQ(fd, -1);
    socket_pair(ends);
    CHECK_STATUS(rmqtt_broker_attach_fd(broker, ends[0], NULL, NULL), RMQTT_ERR_WOULD_BLOCK);
    CHECK(is_closed(ends[0]));
    close(ends[1]);
    CHECK_EQ(test_stats(broker).connections_refused, 2);
    /* The place is one for listeners, too. */
    test_client late;
    late.fd = test_dial(test_port(broker, 0));
    CHECK(test_client_closed(late));
    close(late.fd);
    test_client_leave(client);
    WAIT_UNTIL(rmqtt_broker_connect_pair(broker, NULL, &fd, NULL) == RMQTT_OK);
    close(fd);
    rmqtt_broker_free(broker);
}

static void unfit(rmqtt_broker_t *broker, int fd, const char *why) {
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_attach_fd(broker, fd, NULL, &error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_CONTAINS(rmqtt_error_message(error), why);
    rmqtt_error_free(error);
    CHECK(is_closed(fd));
}

static void only_connected_stream_sockets_are_taken(rmqtt_broker_t *broker) {
    int ends[2];
    unfit(broker, -1, "-1 is no open descriptor");
    CHECK_EQ(pipe(ends), 0);
    close(ends[1]);
    unfit(broker, ends[0], "is not a socket");
    unfit(broker, ends[0], "is no open descriptor");
    unfit(broker, open("/dev/null", O_RDWR | O_CLOEXEC), "is not a socket");
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    close(ends[1]);
    unfit(broker, ends[0], "is not a stream socket");
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    close(ends[1]);
    unfit(broker, ends[0], "is not a stream socket");
    unfit(broker, socket(AF_INET, SOCK_DGRAM, 0), "is not a stream socket");
    unfit(broker, socket(AF_INET, SOCK_STREAM, 0), "is not connected");
    unfit(broker, socket(AF_UNIX, SOCK_STREAM, 0), "is not connected");
    unfit(broker, test_listen(0), "is not connected");
}

static void peer_fault(rmqtt_broker_t *broker, const rmqtt_peer_t *peer, const char *why) {
    rmqtt_error_t *error = NULL;
    int fd = 7;
    int ends[2];
    CHECK_STATUS(rmqtt_broker_connect_pair(broker, peer, &fd, &error), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK_CONTAINS(rmqtt_error_message(error), why);
    rmqtt_error_free(error);
    CHECK_EQ(fd, -1);
    socket_pair(ends);
    CHECK_STATUS(rmqtt_broker_attach_fd(broker, ends[0], peer, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(is_closed(ends[0]));
    close(ends[1]);
}

static void faults_of_peers_are_told(rmqtt_broker_t *broker) {
    static char too_long[65537];
    memset(too_long, 'x', 65536);
    rmqtt_peer_t peer = rmqtt_peer_init();
    peer.username = rmqtt_str("someone");
    peer_fault(broker, &peer, "is not authenticated");
    peer = rmqtt_peer_init();
    peer.address = rmqtt_str(too_long);
    peer_fault(broker, &peer, "the address of the peer is longer than 65535 bytes");
    peer = rmqtt_peer_init();
    peer.listener.ptr = "a\0b";
    peer.listener.len = 3;
    peer_fault(broker, &peer, "the listener of the peer contains U+0000");
    peer = rmqtt_peer_init();
    peer.authenticated = true;
    peer.username = rmqtt_str("\xff");
    peer_fault(broker, &peer, "the user name is not UTF-8");
    peer = rmqtt_peer_init();
    peer.connect_timeout_ms = 3600001;
    peer_fault(broker, &peer, "above 3600000 ms");
    peer = rmqtt_peer_init();
    peer.reserved[2] = 1;
    peer_fault(broker, &peer, "reserved");
    peer = rmqtt_peer_init();
    peer.struct_size = 8;
    peer_fault(broker, &peer, "struct_size");
}

static void whatever_the_answer_nothing_stays_open(void) {
    int ends[2];
    int fd = 7;
    int before = test_descriptors();
    rmqtt_broker_t *broker = test_broker(OPEN_HERE(""));
    socket_pair(ends);
    CHECK_STATUS(rmqtt_broker_attach_fd(broker, ends[0], NULL, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK(is_closed(ends[0]));
    close(ends[1]);
    CHECK_STATUS(rmqtt_broker_connect_pair(broker, NULL, &fd, NULL), RMQTT_ERR_INVALID_STATE);
    CHECK_EQ(fd, -1);
    socket_pair(ends);
    CHECK_STATUS(rmqtt_broker_attach_fd(NULL, ends[0], NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    CHECK(is_closed(ends[0]));
    close(ends[1]);
    CHECK_STATUS(rmqtt_broker_connect_pair(NULL, NULL, &fd, NULL), RMQTT_ERR_INVALID_ARGUMENT);

    test_start(broker);
    int running = test_descriptors();
    CHECK_STATUS(rmqtt_broker_connect_pair(broker, NULL, NULL, NULL), RMQTT_ERR_INVALID_ARGUMENT);
    only_connected_stream_sockets_are_taken(broker);
    faults_of_peers_are_told(broker);
    CHECK_EQ(test_descriptors(), running);
    for (int i = 0; i < test_scaled(200, 20); i++) {
        test_client client = pair_client(broker, NULL, "c", i % 2 ? 4 : 5);
        CHECK_EQ(client.code, 0);
        close(client.fd);
    }
    WAIT_UNTIL(test_descriptors() == running);

    /* The child's broker is inert, and its copy of the descriptor is closed all the same. */
    socket_pair(ends);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_STATUS(rmqtt_broker_attach_fd(broker, ends[0], NULL, NULL), RMQTT_ERR_FORKED);
        CHECK(is_closed(ends[0]));
        CHECK_STATUS(rmqtt_broker_connect_pair(broker, NULL, &fd, NULL), RMQTT_ERR_FORKED);
        CHECK_EQ(fd, -1);
        /* No ordinary exit: a memory checker would look for what the threads of the parent hold. */
        raise(SIGKILL);
    }
    int status = -1;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHECK(!is_closed(ends[0]));
    close(ends[0]);
    close(ends[1]);

    fd = pair_with(broker, NULL);
    CHECK_OK(rmqtt_broker_stop(broker, 0));
    uint8_t byte;
    CHECK_EQ(recv(fd, &byte, 1, 0), 0);
    close(fd);
    CHECK_STATUS(rmqtt_broker_connect_pair(broker, NULL, &fd, NULL), RMQTT_ERR_INVALID_STATE);
    rmqtt_broker_free(broker);
    CHECK_EQ(test_descriptors(), before);
}

static void a_stop_disconnects_them(void) {
    witness seeing;
    rmqtt_broker_t *broker = witnessed(&seeing, OPEN_HERE(""), false);
    test_client new_one = pair_client(broker, NULL, "five", 5);
    test_client old_one = pair_client(broker, NULL, "four", 4);
    test_packet packet;
    CHECK_EQ(new_one.code | old_one.code, 0);
    CHECK_OK(rmqtt_broker_stop(broker, TEST_DEADLINE_MS));
    CHECK_EQ(test_get(&seeing.gone), 2);
    CHECK_EQ(seeing.reason_code, 0x8b);
    test_packet_expect(new_one.fd, &packet, 0xe0);
    CHECK_EQ(packet.body[0], 0x8b);
    CHECK(test_client_closed(new_one));
    CHECK(test_client_closed(old_one));
    close(new_one.fd);
    close(old_one.fd);
    witnessed_end(&seeing, broker);
}

/* ---- from within a hook ---- */

typedef struct multiplier {
    test_probe probe;
    rmqtt_broker_t *broker;
    int fds[3];
    int count;
} multiplier;

/** Each connection brings about the next, up to three. */
static rmqtt_verdict_kind_t multiply(const rmqtt_pre_connect_t *event, rmqtt_verdict_t *verdict, void *user_data) {
    multiplier *growing = (multiplier *)user_data;
    (void)event;
    (void)verdict;
    int number = test_get(&growing->count);
    if (number < 3) {
        CHECK_OK(rmqtt_broker_connect_pair(growing->broker, NULL, &growing->fds[number], NULL));
        test_add(&growing->count);
    }
    return RMQTT_VERDICT_ALLOW;
}

static void hooks_may_connect(uint32_t flags) {
    multiplier growing;
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    memset(&growing, 0, sizeof growing);
    growing.broker = test_broker(OPEN_HERE(""));
    hooks.user_data = &growing;
    hooks.drop = test_drop;
    hooks.pre_connect = multiply;
    hooks.flags[RMQTT_HOOK_PRE_CONNECT] = flags;
    CHECK_OK(rmqtt_broker_set_hooks(growing.broker, &hooks, NULL));
    test_start(growing.broker);
    test_client client = pair_client(growing.broker, NULL, "c", 4);
    CHECK_EQ(client.code, 0);
    WAIT_UNTIL(test_get(&growing.count) == 3);
    test_connect hello = hello_of("last", 5);
    be_patient(growing.fds[2]);
    test_client last = client_at(growing.fds[2], &hello);
    talk(last);
    close(client.fd);
    for (int i = 0; i < 3; i++) {
        close(growing.fds[i]);
    }
    rmqtt_broker_free(growing.broker);
    CHECK_DROPPED(&growing.probe);
}

/* ---- SIGPIPE ---- */

/** As those of a listener, they end in the middle of a write without a signal. */
static void clients_may_vanish_in_a_write(void) {
    flood flooding;
    pthread_t publisher;
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    memset(&flooding, 0, sizeof flooding);
    flooding.broker = test_broker(OPEN_HERE(""));
    test_start(flooding.broker);
    test_client bystander = pair_client(flooding.broker, NULL, "bystander", 5);
    CHECK_EQ(pthread_create(&publisher, NULL, flood_run, &flooding), 0);
    int clients = test_scaled(200, 10);
    int messages = test_scaled(1000, 50);
    for (int i = 0; i < clients || test_get(&flooding.published) < messages; i++) {
        uint8_t byte;
        int fd;
        test_connect hello = hello_of("", 4);
        if (i % 2 == 0) {
            fd = pair_with(flooding.broker, NULL);
        } else {
            int ends[2];
            tcp_pair(ends);
            CHECK_OK(rmqtt_broker_attach_fd(flooding.broker, ends[0], NULL, NULL));
            fd = ends[1];
        }
        test_client client = client_at(fd, &hello);
        CHECK_EQ(client.code, 0);
        test_client_subscribe(client, "flood", 0);
        CHECK_EQ(recv(client.fd, &byte, 1, MSG_PEEK), 1);
        if (i % 4 < 2) {
            CHECK_EQ(shutdown(client.fd, SHUT_WR), 0);
        }
        test_client_reset(client);
    }
    test_set(&flooding.stop, 1);
    CHECK_EQ(pthread_join(publisher, NULL), 0);
    talk(bystander);
    WAIT_UNTIL(rmqtt_broker_connected_clients(flooding.broker) == 1);
    CHECK(!test_signal_is_pending(SIGPIPE));
    close(bystander.fd);
    rmqtt_broker_free(flooding.broker);
}

int main(void) {
    for (int protocol = 4; protocol <= 5; protocol++) {
        pairs_are_connections(protocol);
        descriptors_are_connections(protocol);
        they_are_asked_who_they_are(protocol);
        they_are_not_asked_again(protocol, false);
        they_are_not_asked_again(protocol, true);
    }
    peers_are_what_is_said_of_them();
    pre_connect_is_asked();
    time_is_limited();
    places_are_counted();
    whatever_the_answer_nothing_stays_open();
    a_stop_disconnects_them();
    hooks_may_connect(0);
    hooks_may_connect(RMQTT_HOOK_INLINE);
    clients_may_vanish_in_a_write();
    return 0;
}
