/*
 * What the tests share: checks that say where they failed, waiting with a deadline, a broker, and a small MQTT client
 * on a raw socket, so that nothing but the library is tested.
 *
 * Every file that includes this is compiled as C11 and as C++17. It must be included before any other header.
 */

#ifndef RMQTT_TEST_H
#define RMQTT_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <rmqtt.h>

/* ---- checks ---- */

/** Where failures are told. A test that redirects stderr sets it to what stderr was. */
static int test_report = 2;

#define FAIL(...)                                             \
    do {                                                      \
        dprintf(test_report, "%s:%d: ", __FILE__, __LINE__);  \
        dprintf(test_report, __VA_ARGS__);                    \
        dprintf(test_report, "\n");                           \
        _exit(1);                                             \
    } while (0)

#define CHECK(condition)                      \
    do {                                      \
        if (!(condition)) {                   \
            FAIL("not true: %s", #condition); \
        }                                     \
    } while (0)

/** For whole numbers that a `long long` holds. */
#define CHECK_EQ(given, wanted)                                                                               \
    do {                                                                                                      \
        long long given_ = (long long)(given), wanted_ = (long long)(wanted);                                 \
        if (given_ != wanted_) {                                                                              \
            FAIL("%s is %lld, not %lld, which is %s", #given, given_, wanted_, #wanted);                      \
        }                                                                                                     \
    } while (0)

#define CHECK_STATUS(call, wanted)                                                   \
    do {                                                                             \
        rmqtt_status_t status_ = (call);                                             \
        if (status_ != (wanted)) {                                                   \
            FAIL("%s answers %s (%d), not %s", #call, rmqtt_status_name(status_).ptr, \
                 (int)status_, rmqtt_status_name(wanted).ptr);                       \
        }                                                                            \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(call, RMQTT_OK)

/** For text out of the library: the bytes, the length, and the NUL behind them. */
#define CHECK_STR(given, wanted)                                                                            \
    do {                                                                                                    \
        rmqtt_str_t str_ = (given);                                                                         \
        if (!str_.ptr || str_.len != strlen(wanted) || memcmp(str_.ptr, wanted, str_.len + 1) != 0) {       \
            FAIL("%s is \"%s\", not \"%s\"", #given, str_.ptr ? str_.ptr : "(absent)", wanted);             \
        }                                                                                                   \
    } while (0)

#define CHECK_CONTAINS(given, part)                                                                      \
    do {                                                                                                 \
        rmqtt_str_t str_ = (given);                                                                      \
        if (!str_.ptr || !strstr(str_.ptr, part)) {                                                      \
            FAIL("%s is \"%s\", without \"%s\"", #given, str_.ptr ? str_.ptr : "(absent)", part);        \
        }                                                                                                \
    } while (0)

#define CHECK_ABSENT(given)                      \
    do {                                         \
        rmqtt_str_t str_ = (given);              \
        CHECK(str_.ptr == NULL && str_.len == 0); \
    } while (0)

/* ---- time ---- */

/** Long enough for a busy machine under a memory checker; only a failing test waits that long. */
#define TEST_DEADLINE_MS 20000

static inline int64_t test_now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void test_pause(void) {
    struct timespec moment;
    moment.tv_sec = 0;
    moment.tv_nsec = 2000000;
    nanosleep(&moment, NULL);
}

#define WAIT_UNTIL(condition)                                 \
    do {                                                      \
        int64_t deadline_ = test_now_ms() + TEST_DEADLINE_MS; \
        while (!(condition)) {                                \
            if (test_now_ms() > deadline_) {                  \
                FAIL("never came true: %s", #condition);      \
            }                                                 \
            test_pause();                                     \
        }                                                     \
    } while (0)

/** `full`, or `reduced` where the run is slowed down by a checker. */
static inline int test_scaled(int full, int reduced) {
    return getenv("RMQTT_TEST_SHORT") ? reduced : full;
}

/* ---- what threads share; C11 and C++17 have no atomics in common ---- */

static inline int test_add(int *number) {
    return __atomic_add_fetch(number, 1, __ATOMIC_SEQ_CST);
}

static inline int test_get(const int *number) {
    return __atomic_load_n(number, __ATOMIC_SEQ_CST);
}

static inline void test_set(int *number, int value) {
    __atomic_store_n(number, value, __ATOMIC_SEQ_CST);
}

/** Something that a callback waits at until it is opened. */
typedef struct test_door {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool open;
} test_door;

static inline void test_door_init(test_door *door) {
    pthread_mutex_init(&door->lock, NULL);
    pthread_cond_init(&door->changed, NULL);
    door->open = false;
}

static inline void test_door_open(test_door *door) {
    pthread_mutex_lock(&door->lock);
    door->open = true;
    pthread_cond_broadcast(&door->changed);
    pthread_mutex_unlock(&door->lock);
}

static inline void test_door_pass(test_door *door) {
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += 2 * TEST_DEADLINE_MS / 1000;
    pthread_mutex_lock(&door->lock);
    while (!door->open) {
        if (pthread_cond_timedwait(&door->changed, &door->lock, &deadline) == ETIMEDOUT) {
            FAIL("a callback waited in vain");
        }
    }
    pthread_mutex_unlock(&door->lock);
}

/** The bookkeeping of one `user_data`. */
typedef struct test_probe {
    int calls;
    int running;
    int drops;
    /** Calls that began after the drop, or that the drop did not wait for. */
    int violations;
} test_probe;

static inline void test_enter(test_probe *probe) {
    test_add(&probe->running);
    test_add(&probe->calls);
    if (test_get(&probe->drops) != 0) {
        test_add(&probe->violations);
    }
}

static inline void test_leave(test_probe *probe) {
    __atomic_sub_fetch(&probe->running, 1, __ATOMIC_SEQ_CST);
}

/** An `rmqtt_drop_fn` for a `user_data` that is a probe, or begins with one. */
static inline void test_drop(void *user_data) {
    test_probe *probe = (test_probe *)user_data;
    if (test_get(&probe->running) != 0) {
        test_add(&probe->violations);
    }
    test_add(&probe->drops);
}

#define CHECK_DROPPED(probe)                         \
    do {                                             \
        CHECK_EQ(test_get(&(probe)->drops), 1);      \
        CHECK_EQ(test_get(&(probe)->violations), 0); \
    } while (0)

/* ---- what the process has ---- */

static inline int test_entries(const char *path) {
    DIR *directory = opendir(path);
    CHECK(directory != NULL);
    int count = 0;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        if (entry->d_name[0] != '.') {
            count++;
        }
    }
    closedir(directory);
    return count;
}

static inline int test_threads(void) {
    return test_entries("/proc/self/task");
}

static inline int test_descriptors(void) {
    /* Without the one that reads the directory. */
    return test_entries("/proc/self/fd") - 1;
}

/** Whether a thread of this process has this signal and blocks it: it was raised all the same. */
static inline bool test_signal_is_pending(int signal_number) {
    bool pending = false;
    DIR *tasks = opendir("/proc/self/task");
    CHECK(tasks != NULL);
    for (struct dirent *task = readdir(tasks); task; task = readdir(tasks)) {
        char path[300];
        char line[256];
        snprintf(path, sizeof path, "/proc/self/task/%s/status", task->d_name);
        FILE *status = fopen(path, "r");
        while (status && fgets(line, sizeof line, status)) {
            unsigned long long signals;
            if (sscanf(line, "SigPnd: %llx", &signals) == 1) {
                pending |= (signals >> (signal_number - 1) & 1) != 0;
            }
        }
        if (status) {
            fclose(status);
        }
    }
    closedir(tasks);
    return pending;
}

/* ---- a broker ---- */

/** One listener for everyone, on a port that the system chooses. */
#define TEST_OPEN                                                                 \
    "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"    \
    "\"runtime\":{\"worker_threads\":2}}"

/** One listener that lets in whom a hook allows. */
#define TEST_CLOSED "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"runtime\":{\"worker_threads\":2}}"

static inline rmqtt_broker_t *test_broker(const char *config) {
    rmqtt_broker_t *broker = NULL;
    rmqtt_error_t *error = NULL;
    if (rmqtt_broker_new(rmqtt_str(config), &broker, &error) != RMQTT_OK) {
        FAIL("no broker: %s", rmqtt_error_message(error).ptr);
    }
    CHECK(broker != NULL && error == NULL);
    return broker;
}

static inline void test_start(rmqtt_broker_t *broker) {
    rmqtt_error_t *error = NULL;
    if (rmqtt_broker_start(broker, &error) != RMQTT_OK) {
        FAIL("no start: %s", rmqtt_error_message(error).ptr);
    }
    CHECK(error == NULL);
}

static inline uint16_t test_port(const rmqtt_broker_t *broker, size_t index) {
    rmqtt_listener_info_t info = rmqtt_listener_info_init();
    CHECK_OK(rmqtt_broker_listener_info(broker, index, &info));
    CHECK(info.port != 0);
    return info.port;
}

static inline rmqtt_stats_t test_stats(const rmqtt_broker_t *broker) {
    rmqtt_stats_t stats = rmqtt_stats_init();
    CHECK_OK(rmqtt_broker_stats(broker, &stats));
    CHECK_EQ(stats.struct_size, sizeof stats);
    return stats;
}

static inline rmqtt_status_t test_try_publish(rmqtt_broker_t *broker, const char *topic, const char *payload,
                                              bool retain) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str(topic);
    message.payload = rmqtt_bytes(payload, strlen(payload));
    message.retain = retain;
    return rmqtt_broker_publish(broker, &message, NULL);
}

static inline void test_publish(rmqtt_broker_t *broker, const char *topic, const char *payload) {
    CHECK_OK(test_try_publish(broker, topic, payload, false));
}

static inline bool test_bytes_are(rmqtt_bytes_t bytes, const char *wanted) {
    return bytes.len == strlen(wanted) && memcmp(bytes.ptr, wanted, bytes.len) == 0;
}

/* ---- an MQTT client ---- */

typedef struct test_client {
    int fd;
    /** 4 for MQTT 3.1.1, 5 for 5.0. */
    int protocol;
    /** The code of CONNACK; -1 if the broker closed the connection without one. */
    int code;
    /** The reason string of CONNACK; empty if there is none. */
    char reason[256];
} test_client;

/** What CONNECT says. */
typedef struct test_connect {
    const char *client_id;
    /** NULL for none. */
    const char *username;
    /** NULL for none. */
    const void *password;
    size_t password_len;
    /** NULL for none. */
    const char *will_topic;
    const char *will_payload;
    int will_qos;
    bool will_retain;
    uint16_t keep_alive_s;
    bool keep_session;
    int protocol;
    /** MQTT 5, encoded, less than 128 bytes; NULL for none. */
    const void *properties;
    size_t properties_len;
    const void *will_properties;
    size_t will_properties_len;
} test_connect;

typedef struct test_packet {
    /** The first byte of the fixed header. */
    int type;
    size_t len;
    uint8_t body[4096];
} test_packet;

/** A message as a client gets it. */
typedef struct test_message {
    char topic[256];
    char payload[1024];
    int qos;
    bool retain;
} test_message;

static inline test_connect test_connect_init(const char *client_id) {
    test_connect connect;
    memset(&connect, 0, sizeof connect);
    connect.client_id = client_id;
    connect.protocol = 4;
    return connect;
}

static inline int test_dial(uint16_t port) {
    struct sockaddr_in address;
    struct timeval patience;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    patience.tv_sec = TEST_DEADLINE_MS / 1000;
    patience.tv_usec = 0;
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    CHECK_EQ(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
    CHECK_EQ(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/** A socket that listens on `port` of the loopback address, 0 for any; -1 if the port is taken. */
static inline int test_listen(uint16_t port) {
    struct sockaddr_in address;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK_EQ(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 1) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static inline uint16_t test_port_of(int fd) {
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    CHECK_EQ(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

/** A broker may close a connection while the client still writes: the tests look at what it says, not at this. */
static inline void test_send(int fd, const void *data, size_t len) {
    const uint8_t *rest = (const uint8_t *)data;
    while (len > 0) {
        ssize_t sent = send(fd, rest, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            CHECK(errno != EAGAIN);
            return;
        }
        rest += sent;
        len -= (size_t)sent;
    }
}

/** false: the connection is closed. */
static inline bool test_receive_exactly(int fd, void *data, size_t len) {
    uint8_t *rest = (uint8_t *)data;
    while (len > 0) {
        ssize_t received = recv(fd, rest, len, 0);
        if (received <= 0) {
            if (received < 0 && errno == EAGAIN) {
                FAIL("the broker does not answer");
            }
            return false;
        }
        rest += received;
        len -= (size_t)received;
    }
    return true;
}

static inline void test_packet_begin(test_packet *packet, int type) {
    packet->type = type;
    packet->len = 0;
}

static inline void test_put_byte(test_packet *packet, int byte) {
    CHECK(packet->len < sizeof packet->body);
    packet->body[packet->len++] = (uint8_t)byte;
}

static inline void test_put_bytes(test_packet *packet, const void *data, size_t len) {
    CHECK(packet->len + len <= sizeof packet->body);
    if (len > 0) {
        memcpy(packet->body + packet->len, data, len);
        packet->len += len;
    }
}

/** A two byte length, and so many bytes. */
static inline void test_put_field(test_packet *packet, const void *data, size_t len) {
    test_put_byte(packet, (int)(len >> 8));
    test_put_byte(packet, (int)(len & 0xff));
    test_put_bytes(packet, data, len);
}

static inline void test_put_text(test_packet *packet, const char *text) {
    test_put_field(packet, text, strlen(text));
}

/** MQTT 5 properties, less than 128 bytes of them. */
static inline void test_put_properties(test_packet *packet, const void *properties, size_t len) {
    CHECK(len < 128);
    test_put_byte(packet, (int)len);
    test_put_bytes(packet, properties, len);
}

static inline void test_packet_send(int fd, const test_packet *packet) {
    uint8_t whole[sizeof packet->body + 5];
    size_t at = 0;
    size_t rest = packet->len;
    whole[at++] = (uint8_t)packet->type;
    do {
        uint8_t digit = (uint8_t)(rest % 128);
        rest /= 128;
        whole[at++] = (uint8_t)(rest > 0 ? digit | 0x80 : digit);
    } while (rest > 0);
    memcpy(whole + at, packet->body, packet->len);
    test_send(fd, whole, at + packet->len);
}

/** false: the connection is closed. */
static inline bool test_packet_receive(int fd, test_packet *packet) {
    uint8_t byte;
    size_t len = 0;
    if (!test_receive_exactly(fd, &byte, 1)) {
        return false;
    }
    packet->type = byte;
    for (int shift = 0; shift < 28; shift += 7) {
        if (!test_receive_exactly(fd, &byte, 1)) {
            return false;
        }
        len |= (size_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) {
            break;
        }
    }
    CHECK(len <= sizeof packet->body);
    packet->len = len;
    return test_receive_exactly(fd, packet->body, len);
}

/** The next packet, which must be of that type. */
static inline void test_packet_expect(int fd, test_packet *packet, int type) {
    if (!test_packet_receive(fd, packet)) {
        FAIL("the broker closed the connection where packet type %d was due", type >> 4);
    }
    CHECK_EQ(packet->type & 0xf0, type);
}

static inline void test_connect_send(int fd, const test_connect *connect) {
    test_packet packet;
    int flags = connect->keep_session ? 0 : 0x02;
    if (connect->will_topic) {
        flags |= 0x04 | (connect->will_qos << 3) | (connect->will_retain ? 0x20 : 0);
    }
    if (connect->username) {
        flags |= 0x80;
    }
    if (connect->password) {
        flags |= 0x40;
    }
    test_packet_begin(&packet, 0x10);
    test_put_text(&packet, "MQTT");
    test_put_byte(&packet, connect->protocol);
    test_put_byte(&packet, flags);
    test_put_byte(&packet, connect->keep_alive_s >> 8);
    test_put_byte(&packet, connect->keep_alive_s & 0xff);
    if (connect->protocol == 5) {
        test_put_properties(&packet, connect->properties, connect->properties_len);
    }
    test_put_text(&packet, connect->client_id);
    if (connect->will_topic) {
        if (connect->protocol == 5) {
            test_put_properties(&packet, connect->will_properties, connect->will_properties_len);
        }
        test_put_text(&packet, connect->will_topic);
        test_put_text(&packet, connect->will_payload);
    }
    if (connect->username) {
        test_put_text(&packet, connect->username);
    }
    if (connect->password) {
        test_put_field(&packet, connect->password, connect->password_len);
    }
    test_packet_send(fd, &packet);
}

/** Copies the reason string out of the properties of a CONNACK that refuses, which has no other property. */
static inline void test_connack_reason(const test_packet *packet, char *room, size_t size) {
    room[0] = '\0';
    if (packet->len <= 3) {
        return;
    }
    /* The lengths of the properties, of less than 128 bytes; the identifier; the length of the text. */
    CHECK(packet->len >= 6 && packet->body[2] == packet->len - 3);
    CHECK_EQ(packet->body[3], 0x1f);
    size_t len = (size_t)packet->body[4] << 8 | packet->body[5];
    CHECK(len == packet->len - 6 && len < size);
    memcpy(room, packet->body + 6, len);
    room[len] = '\0';
}

/** Reads CONNACK. The code is -1 if the broker closes the connection without one. */
static inline void test_connack_read(test_client *client) {
    test_packet packet;
    client->code = -1;
    client->reason[0] = '\0';
    if (!test_packet_receive(client->fd, &packet)) {
        return;
    }
    CHECK_EQ(packet.type, 0x20);
    CHECK(packet.len >= 2);
    client->code = packet.body[1];
    if (client->code >= 0x80) {
        test_connack_reason(&packet, client->reason, sizeof client->reason);
    }
}

static inline test_client test_client_connect(uint16_t port, const test_connect *connect) {
    test_client client;
    client.protocol = connect->protocol;
    client.fd = test_dial(port);
    test_connect_send(client.fd, connect);
    test_connack_read(&client);
    return client;
}

/** A client that must be let in. */
static inline test_client test_client_open(uint16_t port, const char *client_id) {
    test_connect connect = test_connect_init(client_id);
    test_client client = test_client_connect(port, &connect);
    CHECK_EQ(client.code, 0);
    return client;
}

/** The code of CONNACK for a client that goes away at once. */
static inline int test_client_try(uint16_t port, const test_connect *connect) {
    test_client client = test_client_connect(port, connect);
    close(client.fd);
    return client.code;
}

static inline void test_client_subscribe(test_client client, const char *filter, int qos) {
    test_packet packet;
    test_packet_begin(&packet, 0x82);
    test_put_byte(&packet, 0);
    test_put_byte(&packet, 1);
    if (client.protocol == 5) {
        test_put_byte(&packet, 0);
    }
    test_put_text(&packet, filter);
    test_put_byte(&packet, qos);
    test_packet_send(client.fd, &packet);
    test_packet_expect(client.fd, &packet, 0x90);
    CHECK_EQ(packet.body[packet.len - 1], qos);
}

/** With QoS 1, waits for the acknowledgement. */
static inline void test_client_publish(test_client client, const char *topic, const char *payload, int qos) {
    test_packet packet;
    test_packet_begin(&packet, 0x30 | (qos << 1));
    test_put_text(&packet, topic);
    if (qos > 0) {
        test_put_byte(&packet, 0);
        test_put_byte(&packet, 7);
    }
    if (client.protocol == 5) {
        test_put_byte(&packet, 0);
    }
    test_put_bytes(&packet, payload, strlen(payload));
    test_packet_send(client.fd, &packet);
    if (qos == 1) {
        test_packet_expect(client.fd, &packet, 0x40);
        CHECK_EQ(packet.body[1], 7);
    }
}

/** The next message. Acknowledges QoS 1. */
static inline test_message test_client_receive(test_client client) {
    test_packet packet;
    test_message message;
    test_packet_expect(client.fd, &packet, 0x30);
    memset(&message, 0, sizeof message);
    message.qos = (packet.type >> 1) & 3;
    message.retain = (packet.type & 1) != 0;
    size_t topic_len = (size_t)packet.body[0] << 8 | packet.body[1];
    size_t at = 2 + topic_len;
    CHECK(topic_len < sizeof message.topic && at <= packet.len);
    memcpy(message.topic, packet.body + 2, topic_len);
    if (message.qos > 0) {
        test_packet acknowledgement;
        test_packet_begin(&acknowledgement, 0x40);
        test_put_bytes(&acknowledgement, packet.body + at, 2);
        test_packet_send(client.fd, &acknowledgement);
        at += 2;
    }
    if (client.protocol == 5) {
        /* No test makes properties of 128 bytes and more. */
        at += (size_t)packet.body[at] + 1;
    }
    CHECK(at <= packet.len && packet.len - at < sizeof message.payload);
    memcpy(message.payload, packet.body + at, packet.len - at);
    return message;
}

/** Says DISCONNECT and goes, without waiting for the broker to notice. */
static inline void test_client_leave(test_client client) {
    test_packet packet;
    test_packet_begin(&packet, 0xe0);
    test_packet_send(client.fd, &packet);
    close(client.fd);
}

/** Whether the broker ends the connection without another word. */
static inline bool test_client_closed(test_client client) {
    uint8_t byte;
    return !test_receive_exactly(client.fd, &byte, 1);
}

/** Says DISCONNECT and leaves the connection open: the broker is the one to close it. */
static inline void test_client_disconnect(test_client client) {
    test_packet packet;
    test_packet_begin(&packet, 0xe0);
    test_packet_send(client.fd, &packet);
    while (test_packet_receive(client.fd, &packet)) {
        /* What was on its way to the client. */
        CHECK_EQ(packet.type & 0xf0, 0x30);
    }
    close(client.fd);
}

/** Goes without a word, and resets the connection. */
static inline void test_client_reset(test_client client) {
    struct linger none;
    none.l_onoff = 1;
    none.l_linger = 0;
    CHECK_EQ(setsockopt(client.fd, SOL_SOCKET, SO_LINGER, &none, sizeof none), 0);
    close(client.fd);
}

#endif /* RMQTT_TEST_H */
