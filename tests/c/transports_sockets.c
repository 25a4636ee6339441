/* Unix sockets, sockets that the program has bound, and the PROXY protocol, as hooks, lists and the log show them. */

#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>

/* ---- what is seen ---- */

/** What a hook was shown; text that was absent is "-". */
typedef struct sight {
    char address[64];
    char transport[16];
    char proxy_address[64];
    char authority[64];
    char alpn[16];
    char tls_version[16];
    char common_name[64];
    size_t unique_id_len;
    uint8_t unique_id[128];
    bool tls;
    int pid;
    uint32_t uid;
    uint32_t gid;
} sight;

/** The user data of the hooks. Begins with the probe, so that `test_drop` serves. */
typedef struct observer {
    test_probe probe;
    pthread_mutex_t lock;
    int connections;
    int authentications;
    sight accepted;
    sight authenticated;
    char log[65536];
} observer;

static void copy(char *room, size_t size, rmqtt_str_t text) {
    CHECK(text.len < size);
    CHECK(!text.ptr || text.ptr[text.len] == '\0');
    snprintf(room, size, "%s", text.ptr ? text.ptr : "-");
}

static void look(sight *seen, rmqtt_str_t address, const rmqtt_connection_t *connection) {
    CHECK_EQ(connection->struct_size, sizeof *connection);
    memset(seen, 0, sizeof *seen);
    copy(seen->address, sizeof seen->address, address);
    copy(seen->transport, sizeof seen->transport, connection->transport);
    copy(seen->proxy_address, sizeof seen->proxy_address, connection->proxy_address);
    copy(seen->authority, sizeof seen->authority, connection->proxy_authority);
    copy(seen->alpn, sizeof seen->alpn, connection->proxy_alpn);
    copy(seen->tls_version, sizeof seen->tls_version, connection->proxy_tls_version);
    copy(seen->common_name, sizeof seen->common_name, connection->proxy_common_name);
    CHECK(connection->proxy_unique_id.len <= sizeof seen->unique_id);
    seen->unique_id_len = connection->proxy_unique_id.len;
    if (seen->unique_id_len > 0) {
        memcpy(seen->unique_id, connection->proxy_unique_id.ptr, seen->unique_id_len);
    }
    /* What the load balancer tells of TLS is not what the broker knows. */
    seen->tls = connection->tls_version.ptr || connection->cipher_suite.ptr || connection->server_name.ptr ||
                connection->alpn.ptr || connection->certificate;
    seen->pid = connection->pid;
    seen->uid = connection->uid;
    seen->gid = connection->gid;
    for (size_t i = 0; i < sizeof connection->reserved; i++) {
        CHECK_EQ(connection->reserved[i], 0);
    }
}

static rmqtt_verdict_kind_t on_pre_connect(const rmqtt_pre_connect_t *event, rmqtt_verdict_t *verdict, void *user_data) {
    observer *observing = (observer *)user_data;
    (void)verdict;
    test_enter(&observing->probe);
    CHECK_EQ(event->stage, RMQTT_STAGE_ACCEPTED);
    pthread_mutex_lock(&observing->lock);
    look(&observing->accepted, event->address, event->connection);
    observing->connections++;
    pthread_mutex_unlock(&observing->lock);
    test_leave(&observing->probe);
    return RMQTT_VERDICT_ALLOW;
}

static rmqtt_verdict_kind_t on_authenticate(const rmqtt_authenticate_t *event, rmqtt_verdict_t *verdict,
                                            void *user_data) {
    observer *observing = (observer *)user_data;
    (void)verdict;
    test_enter(&observing->probe);
    pthread_mutex_lock(&observing->lock);
    look(&observing->authenticated, event->client->address, event->connection);
    observing->authentications++;
    pthread_mutex_unlock(&observing->lock);
    test_leave(&observing->probe);
    return RMQTT_VERDICT_ALLOW;
}

static void on_line(const rmqtt_log_line_t *line, void *user_data) {
    observer *observing = (observer *)user_data;
    pthread_mutex_lock(&observing->lock);
    size_t length = strlen(observing->log);
    snprintf(observing->log + length, sizeof observing->log - length, "%s\n", line->message.ptr);
    pthread_mutex_unlock(&observing->lock);
}

static bool is_logged(observer *observing, const char *part) {
    pthread_mutex_lock(&observing->lock);
    bool found = strstr(observing->log, part) != NULL;
    pthread_mutex_unlock(&observing->lock);
    return found;
}

static void observe(observer *observing, rmqtt_broker_t *broker) {
    memset(observing, 0, sizeof *observing);
    pthread_mutex_init(&observing->lock, NULL);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = observing;
    hooks.drop = test_drop;
    hooks.pre_connect = on_pre_connect;
    hooks.authenticate = on_authenticate;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
}

/** What the two hooks have seen of the last connection, which is the same. */
static sight seen(observer *observing) {
    pthread_mutex_lock(&observing->lock);
    sight last = observing->authenticated;
    CHECK_EQ(observing->connections, observing->authentications);
    CHECK(memcmp(&last, &observing->accepted, sizeof last) == 0);
    pthread_mutex_unlock(&observing->lock);
    return last;
}

#define CHECK_TEXT(text, wanted)                               \
    do {                                                       \
        if (strcmp(text, wanted) != 0) {                       \
            FAIL("\"%s\" where \"%s\" was due", text, wanted); \
        }                                                      \
    } while (0)

/* ---- sockets ---- */

typedef struct place {
    char directory[64];
    char path[80];
} place;

static place place_make(void) {
    place made;
    snprintf(made.directory, sizeof made.directory, "/tmp/rmqtt-c-XXXXXX");
    CHECK(mkdtemp(made.directory) != NULL);
    snprintf(made.path, sizeof made.path, "%s/socket", made.directory);
    return made;
}

static struct sockaddr_un unix_address(const char *path) {
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    CHECK(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    return address;
}

/** CONNECT with something before it; the code of CONNACK, -1 if there is none. */
static int greet(int fd, const void *before, size_t len) {
    test_client client;
    test_connect connect = test_connect_init("client");
    memset(&client, 0, sizeof client);
    client.fd = fd;
    client.protocol = 4;
    test_send(fd, before, len);
    test_connect_send(fd, &connect);
    test_connack_read(&client);
    return client.code;
}

static int greet_unix(const char *path) {
    struct sockaddr_un address = unix_address(path);
    struct timeval patience;
    patience.tv_sec = TEST_DEADLINE_MS / 1000;
    patience.tv_usec = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    int code = greet(fd, NULL, 0);
    close(fd);
    return code;
}

static rmqtt_broker_t *broker_with(const char *listener) {
    char config[512];
    int length = snprintf(config, sizeof config, "{\"listeners\":[%s],\"runtime\":{\"worker_threads\":2}}", listener);
    CHECK(length > 0 && (size_t)length < sizeof config);
    return test_broker(config);
}

static void no_start(const char *listener, const char *wanted) {
    rmqtt_broker_t *broker = broker_with(listener);
    rmqtt_error_t *error = NULL;
    CHECK_STATUS(rmqtt_broker_start(broker, &error), RMQTT_ERR_BIND);
    CHECK_STR(rmqtt_error_message(error), wanted);
    rmqtt_error_free(error);
    rmqtt_broker_free(broker);
}

static rmqtt_listener_info_t listener_of(const rmqtt_broker_t *broker) {
    rmqtt_listener_info_t info = rmqtt_listener_info_init();
    CHECK_OK(rmqtt_broker_listener_info(broker, 0, &info));
    return info;
}

/* ---- tests ---- */

static void unix_sockets(void) {
    place at = place_make();
    char listener[256];
    struct stat file;
    observer observing;
    snprintf(listener, sizeof listener, "{\"type\":\"unix\",\"name\":\"local\",\"path\":\"%s\",\"mode\":\"0600\"}", at.path);
    rmqtt_broker_t *broker = broker_with(listener);
    observe(&observing, broker);
    for (int round = 0; round < 2; round++) {
        test_start(broker);
        rmqtt_listener_info_t info = listener_of(broker);
        CHECK_STR(info.name, "local");
        CHECK_STR(info.type, "unix");
        CHECK_STR(info.address, at.path);
        CHECK_EQ(info.port, 0);
        CHECK_EQ(stat(at.path, &file), 0);
        CHECK(S_ISSOCK(file.st_mode));
        CHECK_EQ(file.st_mode & 07777, 0600);

        CHECK_EQ(greet_unix(at.path), 0);
        sight client = seen(&observing);
        CHECK_TEXT(client.address, "unix");
        CHECK_TEXT(client.transport, "unix");
        CHECK_TEXT(client.proxy_address, "-");
        CHECK(!client.tls);
        CHECK_EQ(client.pid, getpid());
        CHECK_EQ(client.uid, getuid());
        CHECK_EQ(client.gid, getgid());

        CHECK_OK(rmqtt_broker_stop(broker, 1000));
        CHECK(stat(at.path, &file) != 0 && errno == ENOENT);
    }
    CHECK_EQ(test_get(&observing.connections), 2);

    /* A process that did not come to remove its file. */
    struct sockaddr_un address = unix_address(at.path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_EQ(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    test_start(broker);
    CHECK_EQ(greet_unix(at.path), 0);

    /* One that is there. */
    char wanted[256];
    snprintf(wanted, sizeof wanted, "listener \"local\" could not be bound to %s: address in use", at.path);
    no_start(listener, wanted);
    CHECK_EQ(greet_unix(at.path), 0);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&observing.probe);
    CHECK(stat(at.path, &file) != 0 && errno == ENOENT);
    CHECK_EQ(rmdir(at.directory), 0);
}

static void inherited_sockets(void) {
    int fd = test_listen(0);
    uint16_t port = test_port_of(fd);
    char listener[128], wanted[256], address[64];
    observer observing;
    snprintf(listener, sizeof listener, "{\"fd\":%d}", fd);
    snprintf(wanted, sizeof wanted, "fd:%d", fd);
    snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)port);
    rmqtt_broker_t *broker = broker_with(listener);
    observe(&observing, broker);
    int descriptors = test_descriptors();
    for (int round = 0; round < 2; round++) {
        CHECK_STR(listener_of(broker).address, wanted);
        CHECK_EQ(listener_of(broker).port, 0);
        /* Who comes too early waits in the socket of the program. */
        int early = test_dial(port);
        test_start(broker);
        CHECK_STR(listener_of(broker).address, address);
        CHECK_EQ(listener_of(broker).port, port);
        CHECK_EQ(greet(early, NULL, 0), 0);
        sight client = seen(&observing);
        CHECK_TEXT(client.transport, "tcp");
        CHECK_EQ(client.pid, -1);
        CHECK_EQ(client.uid, UINT32_MAX);
        CHECK_EQ(client.gid, UINT32_MAX);
        close(early);
        CHECK_OK(rmqtt_broker_stop(broker, 1000));
        CHECK_EQ(test_port_of(fd), port);
    }
    CHECK_EQ(test_descriptors(), descriptors);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&observing.probe);

    snprintf(listener, sizeof listener, "{\"type\":\"unix\",\"fd\":%d}", fd);
    snprintf(wanted, sizeof wanted, "listener \"unix-0\" could not be bound to fd:%d: the descriptor is not a Unix stream socket",
             fd);
    no_start(listener, wanted);
    CHECK_EQ(test_port_of(fd), port);
    /* A number that the broker does not get for a descriptor of its own meanwhile. */
    int closed = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    CHECK(closed >= 900);
    close(closed);
    close(fd);
    fd = closed;
    snprintf(listener, sizeof listener, "{\"fd\":%d}", fd);
    snprintf(wanted, sizeof wanted, "listener \"tcp-0\" could not be bound to fd:%d: Bad file descriptor (os error 9)", fd);
    no_start(listener, wanted);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    snprintf(listener, sizeof listener, "{\"fd\":%d}", fd);
    snprintf(wanted, sizeof wanted, "listener \"tcp-0\" could not be bound to fd:%d: the descriptor is not a socket", fd);
    no_start(listener, wanted);
    close(fd);
}

/** Checks who the client is everywhere, whose connection is `fd`. */
static void check_client(rmqtt_broker_t *broker, observer *observing, int fd, const char *wanted) {
    char own[64], part[96];
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(own, sizeof own, "127.0.0.1:%u", (unsigned)ntohs(address.sin_port));
    sight client = seen(observing);
    CHECK_TEXT(client.address, wanted ? wanted : own);
    CHECK_TEXT(client.proxy_address, wanted ? own : "-");
    CHECK_TEXT(client.transport, "tcp");
    CHECK(!client.tls);

    rmqtt_query_t query = rmqtt_query_init();
    rmqtt_string_t *json = NULL;
    query.address = rmqtt_str(client.address);
    CHECK_OK(rmqtt_broker_clients(broker, &query, &json, NULL));
    snprintf(part, sizeof part, "\"address\":\"%s\"", client.address);
    CHECK_CONTAINS(rmqtt_string_view(json), part);
    rmqtt_string_free(json);
}

static void proxy_protocol(void) {
    static const char V1[] = "PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n";
    static const char UNKNOWN[] = "PROXY UNKNOWN\r\n";
    /* 192.0.2.8:4712, ALPN, a name, an identifier, and TLS with a certificate that has been verified. */
    static const uint8_t V2[] = {'\r', '\n', '\r', '\n', 0,   '\r', '\n', 'Q', 'U', 'I', 'T', '\n', 0x21, 0x11, 0,   64,
                                 192,  0,    2,    8,    192, 0,    2,    1,   0x12, 0x68, 0x07, 0x5b,
                                 0x01, 0,    4,    'm',  'q', 't',  't',
                                 0x02, 0,    9,    'b',  'r', 'o',  'k',  'e', 'r', '.', 'i', 'o',
                                 0x05, 0,    3,    0,    1,   2,
                                 0x20, 0,    24,   7,    0,   0,    0,    0,
                                 0x21, 0,    7,    'T',  'L', 'S',  'v',  '1', '.', '3',
                                 0x22, 0,    6,    'p',  'u', 'm',  'p',  '-', '7'};
    observer observing;
    rmqtt_broker_t *broker = broker_with("{\"address\":\"127.0.0.1:0\",\"proxy\":{\"protocol\":\"any\"}}");
    observe(&observing, broker);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_DEBUG, on_line, &observing, NULL));
    test_start(broker);
    uint16_t port = test_port(broker, 0);

    int fd = test_dial(port);
    CHECK_EQ(greet(fd, V1, sizeof V1 - 1), 0);
    check_client(broker, &observing, fd, "192.0.2.7:4711");
    CHECK_TEXT(seen(&observing).authority, "-");
    CHECK_EQ(seen(&observing).unique_id_len, 0);
    close(fd);

    fd = test_dial(port);
    CHECK_EQ(greet(fd, V2, sizeof V2), 0);
    check_client(broker, &observing, fd, "192.0.2.8:4712");
    sight client = seen(&observing);
    CHECK_TEXT(client.alpn, "mqtt");
    CHECK_TEXT(client.authority, "broker.io");
    CHECK_TEXT(client.tls_version, "TLSv1.3");
    CHECK_TEXT(client.common_name, "pump-7");
    CHECK_EQ(client.unique_id_len, 3);
    CHECK(memcmp(client.unique_id, "\0\1\2", 3) == 0);
    close(fd);

    fd = test_dial(port);
    CHECK_EQ(greet(fd, UNKNOWN, sizeof UNKNOWN - 1), 0);
    check_client(broker, &observing, fd, NULL);
    close(fd);

    /* The log tells of the client, too. */
    CHECK(!is_logged(&observing, "192.0.2.9:4713"));
    static const char BAD[] = "PROXY TCP4 192.0.2.9 192.0.2.1 4713 1883\r\n\x10\x02" "ab";
    fd = test_dial(port);
    test_send(fd, BAD, sizeof BAD - 1);
    char byte;
    CHECK(!test_receive_exactly(fd, &byte, 1));
    close(fd);
    WAIT_UNTIL(is_logged(&observing, "192.0.2.9:4713"));

    /* Without a header, nobody is let in, and no hook is asked. */
    int asked = observing.connections;
    uint64_t failed = test_stats(broker).handshakes_failed;
    fd = test_dial(port);
    CHECK_EQ(greet(fd, NULL, 0), -1);
    close(fd);
    CHECK_EQ(test_stats(broker).handshakes_failed, failed + 1);
    CHECK_EQ(observing.connections, asked);
    WAIT_UNTIL(is_logged(&observing, "closed: PROXY protocol"));

    rmqtt_broker_free(broker);
    CHECK_OK(rmqtt_log_set(RMQTT_LEVEL_ERROR, NULL, NULL, NULL));
    CHECK_DROPPED(&observing.probe);
}

/** Load balancers that say nothing hold up nobody, and are closed in time. */
static void stalled_headers(void) {
    enum { STALLED = 300 };
    static int fds[STALLED];
    int count = test_scaled(STALLED, 50);
    observer observing;
    rmqtt_broker_t *broker =
        broker_with("{\"address\":\"127.0.0.1:0\",\"proxy\":{\"protocol\":\"any\",\"timeout_ms\":2000}}");
    observe(&observing, broker);
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    for (int i = 0; i < count; i++) {
        fds[i] = test_dial(port);
        test_send(fds[i], "PROXY TCP4 192.0.2.7", (size_t)(i % 20));
    }
    int fd = test_dial(port);
    CHECK_EQ(greet(fd, "PROXY UNKNOWN\r\n", 15), 0);
    for (int i = 0; i < count; i++) {
        char byte;
        CHECK(!test_receive_exactly(fds[i], &byte, 1));
        close(fds[i]);
    }
    WAIT_UNTIL(test_stats(broker).connections_timed_out == (uint64_t)count);
    CHECK_EQ(test_stats(broker).handshakes_failed, 0);
    CHECK_EQ(test_stats(broker).connected_clients, 1);
    close(fd);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&observing.probe);
}

static void faults_have_pointers(void) {
    static const struct {
        const char *listener;
        const char *wanted;
    } FAULTS[] = {
        {"{\"type\":\"unix\"}", "/listeners/0/path: is missing"},
        {"{\"type\":\"unix\",\"path\":\"a\",\"fd\":3}", "/listeners/0/fd: stands beside path: one of the two"},
        {"{\"type\":\"unix\",\"path\":\"a\",\"mode\":\"rw\"}",
         "/listeners/0/mode: \"rw\" is not octal permissions such as \"0660\""},
        {"{\"address\":\"127.0.0.1:0\",\"proxy\":{\"protocol\":\"v1\",\"trusted\":[]}}",
         "/listeners/0/proxy/trusted: is empty: nobody could connect through a proxy"},
    };
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
        char config[256];
        rmqtt_error_t *error = NULL;
        snprintf(config, sizeof config, "{\"listeners\":[%s]}", FAULTS[i].listener);
        CHECK_STATUS(rmqtt_config_validate(rmqtt_str(config), &error), RMQTT_ERR_INVALID_CONFIG);
        CHECK_CONTAINS(rmqtt_error_message(error), FAULTS[i].wanted);
        rmqtt_error_free(error);
    }
}

int main(void) {
    faults_have_pointers();
    unix_sockets();
    inherited_sockets();
    proxy_protocol();
    stalled_headers();
    return 0;
}
