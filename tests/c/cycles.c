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
    /* What the library makes once for the process, such as the thread of its timer, comes with the first of these. */
    for (int i = 0; i < 4; i++) {
        cycle(broker, port);
    }
    /* This thread, and that timer. */
    WAIT_UNTIL(test_threads() <= 2);
    int threads = test_threads();
    int descriptors = test_descriptors();

    int cycles = test_scaled(200, 10);
    for (int i = 0; i < cycles; i++) {
        cycle(broker, port);
        WAIT_UNTIL(test_threads() <= threads);
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
    WAIT_UNTIL(test_threads() <= threads);
    WAIT_UNTIL(test_descriptors() <= descriptors);
    return 0;
}
