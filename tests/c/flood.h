/* Large messages of the host program, one after the other, until it is told to stop. */

#ifndef RMQTT_TEST_FLOOD_H
#define RMQTT_TEST_FLOOD_H

#include "test.h"

#define FLOOD_BYTES (64 * 1024)

typedef struct flood {
    rmqtt_broker_t *broker;
    int published;
    int stop;
} flood;

static inline void *flood_run(void *user_data) {
    flood *flooding = (flood *)user_data;
    uint8_t *payload = (uint8_t *)calloc(1, FLOOD_BYTES);
    CHECK(payload != NULL);
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("flood");
    message.payload = rmqtt_bytes(payload, FLOOD_BYTES);
    while (!test_get(&flooding->stop)) {
        rmqtt_status_t status = rmqtt_broker_publish(flooding->broker, &message, NULL);
        CHECK(status == RMQTT_OK || status == RMQTT_ERR_WOULD_BLOCK);
        test_add(&flooding->published);
        /* Not faster than the worker threads can write, or most messages would never meet a socket. */
        sched_yield();
    }
    free(payload);
    return NULL;
}

#endif /* RMQTT_TEST_FLOOD_H */
