/*
 * What Go calls in place of the library where the arguments are structs that point to memory of Go, which Go code must
 * not build, or functions of C, which it cannot name.
 *
 * A handle is a number; it becomes the pointer that the library carries only here, since a number that poses as a
 * pointer is nothing that the Go runtime may see.
 */
#ifndef RMQTT_GO_SHIM_H
#define RMQTT_GO_SHIM_H

#include <rmqtt.h>

/* Of `wanted`, bit RMQTT_HOOK_X says whether Go has hook x. */
rmqtt_status_t rmqttgo_set_hooks(rmqtt_broker_t *broker, uintptr_t handle, uint32_t wanted, rmqtt_error_t **err);

/* What is to be published, without what may be memory of Go. */
typedef struct rmqttgo_publication {
    /* Of C. */
    const rmqtt_properties_t *properties;
    uint64_t delay_ms;
    uint32_t wait_ms;
    uint8_t qos;
    bool retain;
    /* Who hears of reports; 0 for nobody. */
    uintptr_t handle;
    /* In a batch: how long they are, one behind the other. */
    size_t topic_len;
    size_t client_id_len;
    size_t payload_len;
} rmqttgo_publication;

rmqtt_status_t rmqttgo_publish(rmqtt_broker_t *broker, rmqtt_str_t topic, rmqtt_str_t client_id, rmqtt_bytes_t payload,
                               rmqttgo_publication options, rmqtt_error_t **err);

/* `octets` are those of all messages: topic, client identifier, payload. An empty client identifier is none. */
rmqtt_status_t rmqttgo_publish_batch(rmqtt_broker_t *broker, const rmqttgo_publication *messages, size_t count,
                                     const uint8_t *octets, size_t *accepted, rmqtt_error_t **err);

/* Without a handle. */
rmqtt_status_t rmqttgo_retained_set(rmqtt_broker_t *broker, rmqtt_str_t topic, rmqtt_str_t client_id,
                                    rmqtt_bytes_t payload, rmqttgo_publication options, rmqtt_error_t **err);

/* The handle stays the caller's. */
rmqtt_status_t rmqttgo_retained(const rmqtt_broker_t *broker, rmqtt_str_t filter, uintptr_t handle,
                                rmqtt_error_t **err);
rmqtt_status_t rmqttgo_retained_get(const rmqtt_broker_t *broker, rmqtt_str_t topic, uintptr_t handle,
                                    rmqtt_error_t **err);

rmqtt_status_t rmqttgo_subscribe(rmqtt_broker_t *broker, rmqtt_str_t filter, const rmqtt_subscribe_options_t *options,
                                 bool batch, uintptr_t handle, rmqtt_subscription_t **out, rmqtt_error_t **err);

/* Attaches a duplicate of `fd`, which stays the caller's. */
rmqtt_status_t rmqttgo_attach(rmqtt_broker_t *broker, int fd, rmqtt_peer_t peer, rmqtt_error_t **err);

/* Handle 0 turns the log off. */
rmqtt_status_t rmqttgo_log_set(rmqtt_level_t max, uintptr_t handle);

#endif
