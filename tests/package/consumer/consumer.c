/* A broker that listens on a free port, and a message of the program to itself. */
#include <pthread.h>
#include <rmqtt.h>
#include <stdio.h>
#include <string.h>

struct inbox {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int messages;
    int dropped;
};

static void on_message(const rmqtt_message_t *message, void *user_data) {
    struct inbox *inbox = user_data;

    pthread_mutex_lock(&inbox->mutex);
    if (message->payload.len == 5 && memcmp(message->payload.ptr, "hello", 5) == 0) {
        inbox->messages++;
    }
    pthread_cond_signal(&inbox->changed);
    pthread_mutex_unlock(&inbox->mutex);
}

static void on_drop(void *user_data) {
    struct inbox *inbox = user_data;

    inbox->dropped++;
}

static int check(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "does not hold: %s\n", what);
    }
    return holds;
}

#define CHECK(expression)              \
    if (!check((expression), #expression)) \
    return 1

int main(void) {
    static const char config[] = "{\"listeners\":[{\"address\":\"127.0.0.1:0\"}]}";
    struct inbox inbox = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
    rmqtt_broker_t *broker = NULL;
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_listener_info_t listener = rmqtt_listener_info_init();
    rmqtt_publish_t message = rmqtt_publish_init();

    CHECK(rmqtt_abi_version() == RMQTT_ABI_VERSION);
    CHECK(rmqtt_broker_new(rmqtt_str(config), &broker, NULL) == RMQTT_OK);
    CHECK(rmqtt_broker_start(broker, NULL) == RMQTT_OK);
    CHECK(rmqtt_broker_listener_info(broker, 0, &listener) == RMQTT_OK);
    CHECK(listener.port != 0);
    CHECK(rmqtt_broker_subscribe(broker, rmqtt_str("greetings/+"), NULL, on_message, &inbox, on_drop, &subscription,
                                 NULL) == RMQTT_OK);
    message.topic = rmqtt_str("greetings/world");
    message.payload = rmqtt_bytes("hello", 5);
    CHECK(rmqtt_broker_publish(broker, &message, NULL) == RMQTT_OK);

    pthread_mutex_lock(&inbox.mutex);
    while (inbox.messages == 0) {
        pthread_cond_wait(&inbox.changed, &inbox.mutex);
    }
    pthread_mutex_unlock(&inbox.mutex);

    rmqtt_subscription_free(subscription);
    CHECK(inbox.dropped == 1);
    CHECK(rmqtt_broker_stop(broker, 1000) == RMQTT_OK);
    CHECK(!rmqtt_broker_running(broker));
    rmqtt_broker_free(broker);
    return 0;
}
