/*
 * The same work each time, for callgrind to count what a message costs: clients at the other ends of pairs of sockets hand
 * over batches of the same size, each with a PINGREQ behind it whose answer is waited for, so that no timing decides how much
 * is read or written at once. Counting begins after a warm-up, and is over before anything ends. `scripts/instructions` runs
 * it.
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <rmqtt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

enum { PAYLOAD = 64, MAX_CLIENTS = 64, MAX_PACKET = 128, ACK = 4, PING = 2, WARM_UP = 8 };

/* Packet types, in the first byte. */
enum { PUBLISH = 0x30, PUBACK = 0x40, PUBREC = 0x50, PUBREL = 0x62, PUBCOMP = 0x70, PINGREQ = 0xC0, PINGRESP = 0xD0 };

typedef struct workload {
    const char *name;
    int version;
    int qos;
    /* Publishers and receivers of each topic. Without topics, clients come over TCP, one after the other, and go again. */
    int topics;
    int publishers;
    int receivers;
    /* Messages that one publisher writes at once; clients that come and go. */
    int batch;
} workload;

static const workload WORKLOADS[] = {
    {"qos0", 4, 0, 1, 1, 1, 256},       {"v5-qos0", 5, 0, 1, 1, 1, 256},   {"qos1", 4, 1, 1, 1, 1, 100},
    {"qos2", 4, 2, 1, 1, 1, 20},        {"fanout-qos0", 4, 0, 1, 1, 50, 8}, {"fanout-qos1", 4, 1, 1, 1, 50, 8},
    {"fanin-qos0", 4, 0, 1, 50, 1, 16}, {"pairs-qos1", 4, 1, 20, 1, 1, 20},
    {"lone-qos0", 4, 0, 1, 1, 1, 1},    {"lone-qos1", 4, 1, 1, 1, 1, 1},     {"connect", 4, 0, 0, 0, 0, 100},
};

static void fail(const char *what) {
    fprintf(stderr, "instructions: %s\n", what);
    exit(1);
}

static void check(rmqtt_status_t status, const char *what) {
    if (status != RMQTT_OK) {
        fprintf(stderr, "instructions: %s: %s\n", what, rmqtt_status_name(status).ptr);
        exit(1);
    }
}

static void write_all(int fd, const uint8_t *bytes, size_t length) {
    while (length > 0) {
        ssize_t written = send(fd, bytes, length, MSG_NOSIGNAL);
        if (written <= 0) {
            fail("a connection is closed");
        }
        bytes += written;
        length -= (size_t)written;
    }
}

static void read_all(int fd, uint8_t *room, size_t length) {
    while (length > 0) {
        ssize_t count = read(fd, room, length);
        if (count <= 0) {
            fail("a connection is closed");
        }
        room += count;
        length -= (size_t)count;
    }
}

static void put_text(uint8_t *packet, size_t *length, const char *text) {
    size_t count = strlen(text);
    packet[(*length)++] = 0;
    packet[(*length)++] = (uint8_t)count;
    memcpy(packet + *length, text, count);
    *length += count;
}

/* Says CONNECT, and waits for CONNACK. */
static void introduce(int fd, int version, const char *name) {
    uint8_t packet[MAX_PACKET] = {0x10, 0, 0, 4, 'M', 'Q', 'T', 'T', (uint8_t)version, 2, 0, 0};
    size_t length = 12;
    if (version == 5) {
        packet[length++] = 0;
    }
    put_text(packet, &length, name);
    packet[1] = (uint8_t)(length - 2);
    write_all(fd, packet, length);
    uint8_t head[2];
    uint8_t rest[MAX_PACKET];
    read_all(fd, head, 2);
    read_all(fd, rest, head[1] & 0x7F);
    if (head[0] != 0x20 || rest[1] != 0) {
        fail("CONNACK says no");
    }
}

static int connect_client(rmqtt_broker_t *broker, int version, const char *name) {
    int fd = -1;
    check(rmqtt_broker_connect_pair(broker, NULL, &fd, NULL), "connect");
    introduce(fd, version, name);
    return fd;
}

static struct sockaddr_in address_of(rmqtt_broker_t *broker) {
    rmqtt_listener_info_t info = rmqtt_listener_info_init();
    check(rmqtt_broker_listener_info(broker, 0, &info), "listener");
    struct sockaddr_in address = {0};
    address.sin_family = AF_INET;
    address.sin_port = htons(info.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/* A client that comes, and goes when it has been let in. */
static void come_and_go(const struct sockaddr_in *address, int version, int number) {
    static const uint8_t disconnect[] = {0xE0, 0};
    char name[32];
    uint8_t byte;
    snprintf(name, sizeof name, "visitor-%04d", number);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) {
        fail("no connection");
    }
    introduce(fd, version, name);
    write_all(fd, disconnect, sizeof disconnect);
    if (read(fd, &byte, 1) != 0) {
        fail("the end was expected");
    }
    close(fd);
}

static void subscribe(int fd, const workload *work, const char *topic) {
    uint8_t packet[MAX_PACKET] = {0x82, 0, 0, 1};
    size_t length = 4;
    if (work->version == 5) {
        packet[length++] = 0;
    }
    put_text(packet, &length, topic);
    packet[length++] = (uint8_t)work->qos;
    packet[1] = (uint8_t)(length - 2);
    write_all(fd, packet, length);
    uint8_t answer[6];
    size_t count = work->version == 5 ? 6 : 5;
    read_all(fd, answer, count);
    if (answer[0] != 0x90 || answer[count - 1] != work->qos) {
        fail("SUBACK says no");
    }
}

typedef struct group {
    int publishers[MAX_CLIENTS];
    int receivers[MAX_CLIENTS];
    uint8_t publish[MAX_PACKET];
    size_t length;
    /* Where the packet identifier is. */
    size_t id_at;
} group;

static void make_publish(group *group, const workload *work, const char *topic) {
    uint8_t *packet = group->publish;
    size_t length = 2;
    packet[0] = (uint8_t)(PUBLISH | work->qos << 1);
    put_text(packet, &length, topic);
    group->id_at = length;
    if (work->qos > 0) {
        packet[length++] = 0;
        packet[length++] = 1;
    }
    if (work->version == 5) {
        packet[length++] = 0;
    }
    memset(packet + length, 'x', PAYLOAD);
    length += PAYLOAD;
    packet[1] = (uint8_t)(length - 2);
    group->length = length;
}

static uint8_t room[64 * 1024];
static uint8_t answers[4 * 1024];

/* Makes `answers` of `count` packets of `length` bytes that come next, each to be what `first` says. */
static void receive(int fd, int count, size_t length, size_t id_at, int first, int answer) {
    read_all(fd, room, (size_t)count * length);
    for (int i = 0; i < count; i++) {
        const uint8_t *packet = room + (size_t)i * length;
        if ((packet[0] & 0xF6) != (first & 0xF6)) {
            fail("another packet was expected");
        }
        uint8_t made[ACK] = {(uint8_t)answer, 2, packet[id_at], packet[id_at + 1]};
        memcpy(answers + (size_t)i * ACK, made, ACK);
    }
}

/* Sends `length` bytes, which have room for a PINGREQ behind them. */
static void send_batch(int fd, uint8_t *bytes, size_t length) {
    bytes[length] = PINGREQ;
    bytes[length + 1] = 0;
    write_all(fd, bytes, length + PING);
}

static void await_pong(int fd) {
    uint8_t pong[PING];
    read_all(fd, pong, PING);
    if (pong[0] != PINGRESP) {
        fail("PINGRESP was expected");
    }
}

/* Has a publisher send its batch, until all of it is acknowledged. */
static void publish(const workload *work, const group *group, int fd) {
    static uint8_t batch[64 * 1024];
    for (int i = 0; i < work->batch; i++) {
        uint8_t *packet = batch + (size_t)i * group->length;
        memcpy(packet, group->publish, group->length);
        if (work->qos > 0) {
            packet[group->id_at + 1] = (uint8_t)(i + 1);
        }
    }
    send_batch(fd, batch, (size_t)work->batch * group->length);
    if (work->qos > 0) {
        receive(fd, work->batch, ACK, 2, work->qos == 1 ? PUBACK : PUBREC, PUBREL);
    }
    await_pong(fd);
    if (work->qos == 2) {
        send_batch(fd, answers, (size_t)work->batch * ACK);
        receive(fd, work->batch, ACK, 2, PUBCOMP, 0);
        await_pong(fd);
    }
}

/* Has a receiver take `count` messages, and acknowledge them. */
static void take(const workload *work, const group *group, int fd, int count) {
    receive(fd, count, group->length, group->id_at, PUBLISH | work->qos << 1, work->qos == 1 ? PUBACK : PUBREC);
    if (work->qos == 0) {
        return;
    }
    send_batch(fd, answers, (size_t)count * ACK);
    if (work->qos == 2) {
        receive(fd, count, ACK, 2, PUBREL, PUBCOMP);
    }
    await_pong(fd);
    if (work->qos == 2) {
        send_batch(fd, answers, (size_t)count * ACK);
        await_pong(fd);
    }
}

static void run_round(const workload *work, const group *groups, const struct sockaddr_in *address) {
    for (int number = 0; work->topics == 0 && number < work->batch; number++) {
        come_and_go(address, work->version, number);
    }
    for (int g = 0; g < work->topics; g++) {
        for (int p = 0; p < work->publishers; p++) {
            publish(work, &groups[g], groups[g].publishers[p]);
        }
    }
    for (int g = 0; g < work->topics; g++) {
        for (int r = 0; r < work->receivers; r++) {
            take(work, &groups[g], groups[g].receivers[r], work->batch * work->publishers);
        }
    }
}

int main(int argc, char **argv) {
    const workload *work = NULL;
    size_t known = sizeof WORKLOADS / sizeof *WORKLOADS;
    if (argc == 2 && strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < known; i++) {
            printf("%s\n", WORKLOADS[i].name);
        }
        return 0;
    }
    for (size_t i = 0; argc == 3 && i < known; i++) {
        work = strcmp(argv[1], WORKLOADS[i].name) == 0 ? &WORKLOADS[i] : work;
    }
    if (!work || atoi(argv[2]) <= 0) {
        fputs("usage: instructions list | WORKLOAD MESSAGES\n", stderr);
        return 2;
    }
    rmqtt_broker_t *broker = NULL;
    /* One thread: two would share the work as chance has it. */
    const char *config = "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true},"
                         "\"runtime\":{\"worker_threads\":1},"
                         "\"limits\":{\"max_inflight\":1000,\"max_queued_messages\":100000}}";
    check(rmqtt_broker_new(rmqtt_str(config), &broker, NULL), "new");
    check(rmqtt_broker_start(broker, NULL), "start");
    struct sockaddr_in address = address_of(broker);

    group *groups = calloc((size_t)work->topics + 1, sizeof *groups);
    if (!groups) {
        fail("no memory");
    }
    for (int g = 0; g < work->topics; g++) {
        char topic[32], name[32];
        snprintf(topic, sizeof topic, "bench/%02d", g);
        make_publish(&groups[g], work, topic);
        for (int r = 0; r < work->receivers; r++) {
            snprintf(name, sizeof name, "receiver-%d-%d", g, r);
            groups[g].receivers[r] = connect_client(broker, work->version, name);
            subscribe(groups[g].receivers[r], work, topic);
        }
        for (int p = 0; p < work->publishers; p++) {
            snprintf(name, sizeof name, "publisher-%d-%d", g, p);
            groups[g].publishers[p] = connect_client(broker, work->version, name);
        }
    }

    int each = work->topics == 0 ? work->batch : work->topics * work->publishers * work->receivers * work->batch;
    int rounds = (atoi(argv[2]) + each - 1) / each;
    for (int i = 0; i < WARM_UP; i++) {
        run_round(work, groups, &address);
    }
    CALLGRIND_START_INSTRUMENTATION;
    for (int i = 0; i < rounds; i++) {
        run_round(work, groups, &address);
    }
    CALLGRIND_STOP_INSTRUMENTATION;
    printf("%d\n", rounds * each);

    for (int g = 0; g < work->topics; g++) {
        for (int i = 0; i < MAX_CLIENTS; i++) {
            if (i < work->receivers) {
                close(groups[g].receivers[i]);
            }
            if (i < work->publishers) {
                close(groups[g].publishers[i]);
            }
        }
    }
    free(groups);
    rmqtt_broker_free(broker);
    return 0;
}
