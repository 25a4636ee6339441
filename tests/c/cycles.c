/* Starts and stops without end leave no thread and no descriptor behind. */

#include "test.h"

static void cycle(rmqtt_broker_t *broker, uint16_t port) {
    test_start(broker);
    test_client client = test_client_open(port, "c");
    test_client_publish(client, "t", "payload", 1);
    /* Every other client is still there when the broker goes. */
    static int turn;
    if (turn++ % 2 == 0) {
        test_client_disconnect(client);
        CHECK_OK(rmqtt_broker_stop(broker, 0));
    } else {
        CHECK_OK(rmqtt_broker_stop(broker, 1000));
        CHECK(test_client_closed(client));
        close(client.fd);
    }
}

int main(void) {
    char config[160];
    int fd = test_listen(0);
    CHECK(fd >= 0);
    uint16_t port = test_port_of(fd);
    close(fd);
    snprintf(config, sizeof config,
             "{\"listeners\":[{\"address\":\"127.0.0.1:%u\",\"allow_anonymous\":true}],"
             "\"runtime\":{\"worker_threads\":2}}",
             (unsigned)port);

    rmqtt_broker_t *broker = test_broker(config);
    int descriptors = test_descriptors();
    for (int i = 0; i < 4; i++) {
        cycle(broker, port);
    }
    /* Nothing is made once for the process: this thread is left. */
    CHECK_EQ(test_threads(), 1);
    WAIT_UNTIL(test_descriptors() <= descriptors);

    int cycles = test_scaled(1000, 10);
    for (int i = 0; i < cycles; i++) {
        cycle(broker, port);
        CHECK_EQ(test_threads(), 1);
        WAIT_UNTIL(test_descriptors() <= descriptors);
    }
    CHECK_EQ(test_stats(broker).connections, cycles + 4);

    /* New brokers in the place of old ones are no different. */
    rmqtt_broker_free(broker);
    for (int i = 0; i < test_scaled(20, 2); i++) {
        broker = test_broker(config);
        cycle(broker, port);
        rmqtt_broker_free(broker);
    }
    CHECK_EQ(test_threads(), 1);
    WAIT_UNTIL(test_descriptors() <= descriptors);
    return 0;
}
