/*
 * A service that answers MQTT 5 requests in-process: no socket of its own, no client library.
 *
 * What it teaches: request and response as MQTT 5 has them. A request comes with a response topic, and perhaps with
 * correlation data; the answer goes to that topic, with that data.
 *
 * - `calc/sum` adds the numbers of the payload. What is no number is answered with the user property `error`.
 * - A request that cannot be answered, because it has no response topic, is dropped.
 * - The answer says that it is text, and expires with the patience of most clients.
 * - `on_report` tells whether anybody has got it: here it is counted.
 *
 * Try it:
 *
 *     rpc
 *     mosquitto_rr -p PORT -V 5 -t calc/sum -e answers/me -m '1 2 39'
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <rmqtt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char CONFIG[] = "{\"listeners\":[{\"address\":\"127.0.0.1:0\",\"allow_anonymous\":true}]}";

enum { PATIENCE_S = 10, WAIT_MS = 100 };

/* Adds what is between blanks; false if something is no number. */
static bool sum_of(rmqtt_bytes_t payload, long long *sum) {
    char text[256];
    char *rest = text;

    if (payload.len >= sizeof text) {
        return false;
    }
    memcpy(text, payload.ptr, payload.len);
    text[payload.len] = '\0';
    *sum = 0;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        char *end = word;
        long long number;

        errno = 0;
        number = strtoll(word, &end, 10);
        if (errno != 0 || *end != '\0' || __builtin_add_overflow(*sum, number, sum)) {
            return false;
        }
    }
    return true;
}

static void on_report(const rmqtt_publish_report_t *report, void *user_data) {
    unsigned long long *answered = user_data;

    /* One call at a time. */
    if (report->stage == RMQTT_PUBLISH_QUEUED && report->receivers > 0) {
        ++*answered;
    }
}

struct service {
    rmqtt_broker_t *broker;
    unsigned long long answered;
};

static void on_request(const rmqtt_message_t *request, void *user_data) {
    struct service *service = user_data;
    rmqtt_properties_t properties = rmqtt_properties_init();
    rmqtt_user_property_t fault = {rmqtt_str("error"), rmqtt_str("not a list of numbers")};
    rmqtt_publish_t response = rmqtt_publish_init();
    rmqtt_error_t *error = NULL;
    char text[32] = "";
    long long sum;

    if (request->properties == NULL || request->properties->response_topic.ptr == NULL) {
        return;
    }
    if (sum_of(request->payload, &sum)) {
        snprintf(text, sizeof text, "%lld", sum);
    } else {
        properties.user_properties = &fault;
        properties.user_property_count = 1;
    }
    properties.payload_format_indicator = 1;
    properties.correlation_data = request->properties->correlation_data;
    properties.has_message_expiry = true;
    properties.message_expiry_s = PATIENCE_S;
    response.topic = request->properties->response_topic;
    response.payload = rmqtt_bytes(text, strlen(text));
    response.qos = request->qos;
    response.properties = &properties;
    response.wait_ms = WAIT_MS;
    response.on_report = on_report;
    response.user_data = &service->answered;
    if (rmqtt_broker_publish(service->broker, &response, &error) != RMQTT_OK) {
        fprintf(stderr, "rpc: %s\n", rmqtt_error_message(error).ptr);
        rmqtt_error_free(error);
    }
}

static int failed(const char *action, rmqtt_error_t *error) {
    fprintf(stderr, "rpc: %s: %s\n", action, rmqtt_error_message(error).ptr);
    rmqtt_error_free(error);
    return EXIT_FAILURE;
}

int main(void) {
    struct service service = {0};
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    rmqtt_listener_info_t listener = rmqtt_listener_info_init();
    rmqtt_subscription_t *subscription = NULL;
    rmqtt_error_t *error = NULL;
    sigset_t signals;
    int signal_number;

    setvbuf(stdout, NULL, _IOLBF, 0);

    /* Blocked before any thread starts, so that only `sigwait` takes them. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);

    if (rmqtt_broker_new(rmqtt_str(CONFIG), &service.broker, &error) != RMQTT_OK) {
        return failed("new", error);
    }
    if (rmqtt_broker_start(service.broker, &error) != RMQTT_OK) {
        return failed("start", error);
    }
    options.qos = 2;
    if (rmqtt_broker_subscribe(service.broker, rmqtt_str("calc/sum"), &options, on_request, &service, NULL,
                               &subscription, &error) != RMQTT_OK) {
        return failed("subscribe", error);
    }
    if (rmqtt_broker_listener_info(service.broker, 0, &listener) == RMQTT_OK) {
        printf("listening on %s\n", listener.address.ptr);
    }
    sigwait(&signals, &signal_number);
    rmqtt_subscription_free(subscription);
    rmqtt_broker_free(service.broker);
    printf("%llu requests answered\n", service.answered);
    return EXIT_SUCCESS;
}
