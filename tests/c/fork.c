/* A broker stays with the process that made it; a child can have its own. */

#include "test.h"

#include <sys/wait.h>

static void count_message(const rmqtt_message_t *message, void *user_data) {
    (void)message;
    test_enter((test_probe *)user_data);
    test_leave((test_probe *)user_data);
}

/** Every function, on a broker and a subscription of the parent. */
static void inherited_ones_are_inert(rmqtt_broker_t *broker, rmqtt_subscription_t *subscription) {
    rmqtt_error_t *error = NULL;
    rmqtt_listener_info_t info = rmqtt_listener_info_init();
    rmqtt_stats_t stats = rmqtt_stats_init();
    rmqtt_hook_stats_t hook_stats = rmqtt_hook_stats_init();
    rmqtt_string_t *metrics = NULL;
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = rmqtt_str("t");

    CHECK_STATUS(rmqtt_broker_start(broker, &error), RMQTT_ERR_FORKED);
    CHECK_EQ(rmqtt_error_status(error), RMQTT_ERR_FORKED);
    CHECK(rmqtt_error_message(error).len > 0);
    rmqtt_error_free(error);
    CHECK_STATUS(rmqtt_broker_stop(broker, 1000), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_publish(broker, &message, NULL), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_stats(broker, &stats), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_hook_stats(broker, RMQTT_HOOK_CONNECTED, &hook_stats), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_metrics(broker, RMQTT_METRICS_JSON, &metrics), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_listener_info(broker, 0, &info), RMQTT_ERR_FORKED);
    rmqtt_str_t name = rmqtt_str("c");
    uint64_t count = 0;
    CHECK_STATUS(rmqtt_broker_clients(broker, NULL, &metrics, NULL), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_client(broker, name, &metrics, NULL), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_disconnect(broker, name, 0, true, NULL), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_subscribe_client(broker, name, name, NULL, NULL), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_unsubscribe_client(broker, name, name, NULL), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_subscriber_count(broker, name, &count, NULL), RMQTT_ERR_FORKED);
    CHECK_STATUS(rmqtt_broker_explain(broker, name, RMQTT_ACTION_PUBLISH, name, &metrics, NULL), RMQTT_ERR_FORKED);
    CHECK(metrics == NULL);
    CHECK(!rmqtt_broker_running(broker));
    CHECK_EQ(rmqtt_broker_connected_clients(broker), 0);
    CHECK_EQ(rmqtt_broker_listener_count(broker), 0);
    CHECK_EQ(rmqtt_broker_id(broker).len, 0);

    /* What is given away with the call is dropped as ever. */
    test_probe probe;
    memset(&probe, 0, sizeof probe);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &probe;
    hooks.drop = test_drop;
    CHECK_STATUS(rmqtt_broker_set_hooks(broker, &hooks, NULL), RMQTT_ERR_FORKED);
    CHECK_DROPPED(&probe);
    memset(&probe, 0, sizeof probe);
    rmqtt_subscription_t *none = NULL;
    CHECK_STATUS(rmqtt_broker_subscribe(broker, rmqtt_str("t"), NULL, count_message, &probe, test_drop, &none, NULL),
                 RMQTT_ERR_FORKED);
    CHECK_DROPPED(&probe);
    CHECK(none == NULL);

    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(broker);
}

static void a_broker_of_its_own_works(void) {
    test_probe probe;
    rmqtt_subscription_t *subscription = NULL;
    memset(&probe, 0, sizeof probe);
    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    test_start(broker);
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("t"), NULL, count_message, &probe, test_drop, &subscription,
                                    NULL));
    test_client client = test_client_open(test_port(broker, 0), "c");
    test_client_publish(client, "t", "x", 1);
    WAIT_UNTIL(test_get(&probe.calls) == 1);
    test_client_disconnect(client);
    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&probe);
}

/** Runs `work` in a child and waits for it to succeed. */
static void in_a_child(rmqtt_broker_t *broker, rmqtt_subscription_t *subscription) {
    int pipes[2];
    char word = 0;
    CHECK_EQ(pipe(pipes), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(2 * TEST_DEADLINE_MS / 1000);
        if (broker) {
            inherited_ones_are_inert(broker, subscription);
        }
        a_broker_of_its_own_works();
        CHECK_EQ(write(pipes[1], "y", 1), 1);
        /*
         * No ordinary exit: what the threads of the parent held is nobody's here, and a memory checker would count it
         * as lost at the end of the child.
         */
        raise(SIGKILL);
    }
    close(pipes[1]);
    bool succeeded = read(pipes[0], &word, 1) == 1 && word == 'y';
    close(pipes[0]);
    CHECK_EQ(waitpid(child, NULL, 0), child);
    CHECK(succeeded);
}

int main(void) {
    test_probe probe;
    test_probe hooked;
    rmqtt_subscription_t *subscription = NULL;
    memset(&probe, 0, sizeof probe);
    memset(&hooked, 0, sizeof hooked);

    rmqtt_broker_t *broker = test_broker(TEST_OPEN);
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = &hooked;
    hooks.drop = test_drop;
    CHECK_OK(rmqtt_broker_set_hooks(broker, &hooks, NULL));
    test_start(broker);
    CHECK_OK(rmqtt_broker_subscribe(broker, rmqtt_str("t"), NULL, count_message, &probe, test_drop, &subscription,
                                    NULL));
    test_client client = test_client_open(test_port(broker, 0), "c");
    test_client_publish(client, "t", "before", 1);
    WAIT_UNTIL(test_get(&probe.calls) == 1);

    in_a_child(broker, subscription);

    /* The parent goes on as if nothing had happened. */
    CHECK(rmqtt_broker_running(broker));
    test_client_publish(client, "t", "after", 1);
    test_publish(broker, "t", "after");
    WAIT_UNTIL(test_get(&probe.calls) == 3);
    test_client another = test_client_open(test_port(broker, 0), "another");
    test_client_disconnect(another);
    test_client_disconnect(client);
    CHECK_OK(rmqtt_broker_stop(broker, 1000));
    CHECK_EQ(test_get(&hooked.drops), 0);
    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(broker);
    CHECK_DROPPED(&probe);
    CHECK_DROPPED(&hooked);

    /* And when none runs. */
    in_a_child(NULL, NULL);
    return 0;
}
