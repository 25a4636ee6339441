#include "shim.h"

#include "_cgo_export.h"

static void on_drop(void *user_data) {
    rmqttGoDrop((uintptr_t)user_data);
}

/* A decision hook: Go copies the event and decides in a goroutine, which answers with the ticket. */
#define DECISION_HOOK(name, export, event_type)                                                                 \
    static rmqtt_verdict_kind_t name(const event_type *event, rmqtt_verdict_t *verdict, void *user_data) {      \
        (void)verdict;                                                                                          \
        rmqtt_decision_t ticket = rmqtt_decision_defer();                                                       \
        if (ticket == 0) {                                                                                      \
            return RMQTT_VERDICT_DENY;                                                                          \
        }                                                                                                       \
        export((event_type *)event, ticket, (uintptr_t)user_data);                                              \
        return RMQTT_VERDICT_DEFERRED;                                                                          \
    }

DECISION_HOOK(on_authenticate, rmqttGoAuthenticate, rmqtt_authenticate_t)
DECISION_HOOK(on_pre_connect, rmqttGoPreConnect, rmqtt_pre_connect_t)
DECISION_HOOK(on_authorize_publish, rmqttGoAuthorizePublish, rmqtt_authorize_publish_t)
DECISION_HOOK(on_authorize_subscribe, rmqttGoAuthorizeSubscribe, rmqtt_authorize_subscribe_t)
DECISION_HOOK(on_authorize_unsubscribe, rmqttGoAuthorizeUnsubscribe, rmqtt_authorize_unsubscribe_t)

static void on_connected(const rmqtt_connected_t *event, void *user_data) {
    rmqttGoConnected((rmqtt_connected_t *)event, (uintptr_t)user_data);
}

static void on_disconnected(const rmqtt_disconnected_t *event, void *user_data) {
    rmqttGoDisconnected((rmqtt_disconnected_t *)event, (uintptr_t)user_data);
}

static void on_message(const rmqtt_message_t *message, void *user_data) {
    rmqttGoMessage((rmqtt_message_t *)message, (uintptr_t)user_data);
}

static void on_line(const rmqtt_log_line_t *line, void *user_data) {
    rmqttGoLogLine((rmqtt_log_line_t *)line, (uintptr_t)user_data);
}

rmqtt_status_t rmqttgo_set_hooks(rmqtt_broker_t *broker, uintptr_t handle, uint32_t wanted, rmqtt_error_t **err) {
    rmqtt_hooks_t hooks = rmqtt_hooks_init();
    hooks.user_data = (void *)handle;
    hooks.drop = on_drop;
#define WANTED(hook) ((wanted & (UINT32_C(1) << (hook))) != 0)
    hooks.authenticate = WANTED(RMQTT_HOOK_AUTHENTICATE) ? on_authenticate : NULL;
    hooks.connected = WANTED(RMQTT_HOOK_CONNECTED) ? on_connected : NULL;
    hooks.disconnected = WANTED(RMQTT_HOOK_DISCONNECTED) ? on_disconnected : NULL;
    hooks.pre_connect = WANTED(RMQTT_HOOK_PRE_CONNECT) ? on_pre_connect : NULL;
    hooks.authorize_publish = WANTED(RMQTT_HOOK_AUTHORIZE_PUBLISH) ? on_authorize_publish : NULL;
    hooks.authorize_subscribe = WANTED(RMQTT_HOOK_AUTHORIZE_SUBSCRIBE) ? on_authorize_subscribe : NULL;
    hooks.authorize_unsubscribe = WANTED(RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE) ? on_authorize_unsubscribe : NULL;
#undef WANTED
    return rmqtt_broker_set_hooks(broker, &hooks, err);
}

rmqtt_status_t rmqttgo_publish(rmqtt_broker_t *broker, rmqtt_str_t topic, const void *payload, size_t len, uint8_t qos,
                               bool retain, rmqtt_error_t **err) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = topic;
    message.payload = rmqtt_bytes(payload, len);
    message.qos = qos;
    message.retain = retain;
    return rmqtt_broker_publish(broker, &message, err);
}

rmqtt_status_t rmqttgo_subscribe(rmqtt_broker_t *broker, rmqtt_str_t filter, uint32_t max_queued, uint8_t qos,
                                 uint8_t retain_handling, uintptr_t handle, rmqtt_subscription_t **out,
                                 rmqtt_error_t **err) {
    rmqtt_subscribe_options_t options = rmqtt_subscribe_options_init();
    options.max_queued_messages = max_queued;
    options.qos = qos;
    options.retain_handling = retain_handling;
    return rmqtt_broker_subscribe(broker, filter, &options, on_message, (void *)handle, on_drop, out, err);
}

rmqtt_status_t rmqttgo_complete(rmqtt_decision_t ticket, rmqtt_verdict_kind_t kind, uint8_t reason_code,
                                rmqtt_str_t reason, uint32_t replace, rmqtt_str_t topic, rmqtt_str_t payload,
                                uint8_t qos, bool retain) {
    rmqtt_verdict_t verdict = rmqtt_verdict_init();
    verdict.kind = kind;
    verdict.reason_code = reason_code;
    verdict.reason_string = reason;
    verdict.replace = replace;
    verdict.topic = topic;
    verdict.payload = rmqtt_bytes(payload.ptr, payload.len);
    verdict.qos = qos;
    verdict.retain = retain;
    return rmqtt_decision_complete(ticket, &verdict);
}

rmqtt_status_t rmqttgo_log_set(rmqtt_level_t max, uintptr_t handle) {
    if (handle == 0) {
        return rmqtt_log_set(max, NULL, NULL, NULL);
    }
    return rmqtt_log_set(max, on_line, (void *)handle, on_drop);
}
