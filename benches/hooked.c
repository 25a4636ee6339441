/*
 * A broker whose authorize_publish hook is called in place for every message, and says yes: what `make bench` compares
 * with the broker without a hook.
 */
#define _POSIX_C_SOURCE 200809L

#include <rmqtt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { GRACE_MS = 5000 };

/* Looks at the message, as a real one would. */
static rmqtt_verdict_kind_t authorize_publish(const rmqtt_authorize_publish_t *event, rmqtt_verdict_t *verdict,
                                              void *user_data) {
    (void)verdict;
    (void)user_data;
    return event->message->topic.len > 0 && event->message->publisher ? RMQTT_VERDICT_ALLOW : RMQTT_VERDICT_DENY;
}

static void fail(const char *what, rmqtt_error_t *error) {
    fprintf(stderr, "hooked: %s: %s\n", what, error ? rmqtt_error_message(error).ptr : "failed");
    exit(1);
}

int main(int argc, char **argv) {
    static char config[64 * 1024];
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (!file) {
        fputs("usage: hooked CONFIGURATION\n", stderr);
        return 2;
    }
    size_t length = fread(config, 1, sizeof config - 1, file);
    fclose(file);

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);

    rmqtt_error_t *error = NULL;
    rmqtt_broker_t *broker = NULL;
    rmqtt_str_t text = {config, length};
    if (rmqtt_broker_new(text, &broker, &error) != RMQTT_OK) {
        fail("the configuration", error);
    }
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.authorize_publish = authorize_publish;
    hooks.flags[RMQTT_HOOK_AUTHORIZE_PUBLISH] = RMQTT_HOOK_INLINE;
    if (rmqtt_broker_set_hooks(broker, &hooks, &error) != RMQTT_OK || rmqtt_broker_start(broker, &error) != RMQTT_OK) {
        fail("the broker", error);
    }
    rmqtt_listener_info_t listener = rmqtt_listener_info_init();
    if (rmqtt_broker_listener_info(broker, 0, &listener) != RMQTT_OK) {
        fail("the listener", NULL);
    }
    printf("{\"event\":\"listening\",\"listeners\":[{\"type\":\"%s\",\"address\":\"%s\"}]}\n", listener.type.ptr,
           listener.address.ptr);
    fflush(stdout);

    int signal_number;
    sigwait(&ends, &signal_number);
    rmqtt_broker_stop(broker, GRACE_MS);
    rmqtt_broker_free(broker);
    return 0;
}
