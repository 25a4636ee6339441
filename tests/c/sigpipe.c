/* A host program that has not arranged for SIGPIPE survives clients that vanish in the middle of a write. */

#include "flood.h"

#define MEGABYTE (1024 * 1024)

/** A subscriber that takes next to nothing. */
static test_client narrow_subscriber(uint16_t port) {
    test_client client;
    struct sockaddr_in address;
    struct timeval patience;
    int room = 4096;
    memset(&client, 0, sizeof client);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    patience.tv_sec = TEST_DEADLINE_MS / 1000;
    patience.tv_usec = 0;
    client.protocol = 4;
    client.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(client.fd >= 0);
    CHECK_EQ(setsockopt(client.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    /* Before the handshake of TCP, which settles the window. */
    CHECK_EQ(setsockopt(client.fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room), 0);
    CHECK_EQ(connect(client.fd, (struct sockaddr *)&address, sizeof address), 0);
    test_connect hello = test_connect_init("");
    test_connect_send(client.fd, &hello);
    test_connack_read(&client);
    CHECK_EQ(client.code, 0);
    test_client_subscribe(client, "flood", 0);
    return client;
}

int main(void) {
    flood flooding;
    pthread_t publisher;
    struct sigaction disposition;
    sigset_t blocked;
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    uint16_t port = test_port(broker, 0);
    test_client bystander = test_client_open(port, "bystander");
    test_client_subscribe(bystander, "calm", 1);

    flooding.broker = broker;
    flooding.published = 0;
    flooding.stop = 0;
    CHECK_EQ(pthread_create(&publisher, NULL, flood_run, &flooding), 0);
    int messages = test_scaled(64 * (MEGABYTE / FLOOD_BYTES), 64);
    int clients = test_scaled(200, 10);
    for (int i = 0; i < clients || test_get(&flooding.published) < messages; i++) {
        test_client client = narrow_subscriber(port);
        uint8_t byte;
        /* The write that this byte belongs to is far from its end: the socket holds less than one message. */
        CHECK_EQ(recv(client.fd, &byte, 1, MSG_PEEK), 1);
        if (i % 2 == 0) {
            /* The end of its stream before the reset: only then does a write raise the signal at the first attempt. */
            CHECK_EQ(shutdown(client.fd, SHUT_WR), 0);
        }
        test_client_reset(client);
    }
    test_set(&flooding.stop, 1);
    CHECK_EQ(pthread_join(publisher, NULL), 0);

    /* The process lives, and nobody else has noticed. */
    test_client_publish(bystander, "calm", "still here", 0);
    test_message message = test_client_receive(bystander);
    CHECK(strcmp(message.payload, "still here") == 0);
    WAIT_UNTIL(rmqtt_broker_connected_clients(broker) == 1);
    CHECK(!test_signal_is_pending(SIGPIPE));
    CHECK_EQ(sigaction(SIGPIPE, NULL, &disposition), 0);
    CHECK(disposition.sa_handler == SIG_DFL);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &blocked), 0);
    CHECK_EQ(sigismember(&blocked, SIGPIPE), 0);
    close(bystander.fd);
    rmqtt_broker_free(broker);
    return 0;
}
