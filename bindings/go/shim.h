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

rmqtt_status_t rmqttgo_publish(rmqtt_broker_t *broker, rmqtt_str_t topic, const void *payload, size_t len, uint8_t qos,
                               bool retain, rmqtt_error_t **err);

rmqtt_status_t rmqttgo_subscribe(rmqtt_broker_t *broker, rmqtt_str_t filter, uint32_t max_queued, uint8_t qos,
                                 uint8_t retain_handling, uintptr_t handle, rmqtt_subscription_t **out,
                                 rmqtt_error_t **err);

/* Handle 0 turns the log off. */
rmqtt_status_t rmqttgo_log_set(rmqtt_level_t max, uintptr_t handle);

#endif
