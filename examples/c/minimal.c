/*
 * The smallest whole program: a broker inside this process, a subscription, a message that arrives, a clean end.
 *
 * What it teaches: views (`rmqtt_str`), structs that begin with `rmqtt_..._init`, errors, and that a callback runs on a
 * thread of the library. Without a listener, this program is its broker's only client.
 */
#define _POSIX_C_SOURCE 200809L

#include <rmqtt.h>
#include <stdio.h>
#include <unistd.h>

/* Runs on a thread of the library. The message lives until this returns, so what is to be kept is copied: to a pipe. */
static void on_message(const rmqtt_message_t *message, void *user_data) {
    const int *pipe_in = user_data;
    if (write(*pipe_in, message->payload.ptr, message->payload.len) < 0) {
        perror("write");
    }
}

static int failed(const char *action, rmqtt_error_t *error) {
    fprintf(stderr, "%s: %s\n", action, rmqtt_error_message(error).ptr);
    rmqtt_error_free(error);
    return 1;
}

int main(void) {
    rmqtt_broker_t *broker = NULL;
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_error_t *error = NULL;
    rmqtt_publish_t message = rmqtt_publish_init();
    char payload[64];
    ssize_t len;
    int ends[2], status = 0;

    message.topic = rmqtt_str("greetings/world");
    message.payload = rmqtt_bytes("hello", 5);
    if (pipe(ends) != 0) {
        return 1;
    }
    if (rmqtt_broker_new(rmqtt_str("{}"), &broker, &error) != RMQTT_OK) {
        status = failed("new", error);
    } else if (rmqtt_broker_start(broker, &error) != RMQTT_OK) {
        status = failed("start", error);
    } else if (rmqtt_broker_subscribe(broker, rmqtt_str("greetings/+"), NULL, on_message, &ends[1], NULL, &subscription,
                                      &error) != RMQTT_OK) {
        status = failed("subscribe", error);
    } else if (rmqtt_broker_publish(broker, &message, &error) != RMQTT_OK) {
        status = failed("publish", error);
    } else if ((len = read(ends[0], payload, sizeof payload)) <= 0) {
        status = 1;
    } else {
        printf("received: %.*s\n", (int)len, payload);
    }
    rmqtt_subscription_free(subscription); /* when this returns, `on_message` is not called any more */
    rmqtt_broker_free(broker);             /* stops it, too */
    return status;
}
