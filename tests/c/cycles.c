/* Starts and stops without end leave no thread and no descriptor behind. */

#include "test.h"

static void cycle(rmqtt_broker_t *broker) {
    test_start(broker);
    /* Another one each time: a port that is free between two starts may be somebody else's by then. */
    test_client client = test_client_open(test_port(broker, 0), "c");
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
    const char *config = "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}],"
                         "\"runtime\":{\"worker_threads\":2}}";

    rmqtt_broker_t *broker = test_broker(config);
    int descriptors = test_descriptors();
    for (int i = 0; i < 4; i++) {
        cycle(broker);
    }
    /* Nothing is made once for the process: this thread is left. One that has been joined may show for a moment. */
    WAIT_UNTIL(test_threads() == 1);
    WAIT_UNTIL(test_descriptors() <= descriptors);

    int cycles = test_scaled(1000, 10);
    for (int i = 0; i < cycles; i++) {
        cycle(broker);
        WAIT_UNTIL(test_threads() == 1);
        WAIT_UNTIL(test_descriptors() <= descriptors);
    }
    CHECK_EQ(test_stats(broker).connections, cycles + 4);

    /* New brokers in the place of old ones are no different. */
    rmqtt_broker_free(broker);
    for (int i = 0; i < test_scaled(20, 2); i++) {
        broker = test_broker(config);
        cycle(broker);
        rmqtt_broker_free(broker);
    }
    WAIT_UNTIL(test_threads() == 1);
    WAIT_UNTIL(test_descriptors() <= descriptors);
    return 0;
}
