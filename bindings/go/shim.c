#include "shim.h"

#include <fcntl.h>
#include <stdlib.h>

#include "_cgo_export.h"

static void on_drop(void *user_data) {
    rmqttGoDrop((uintptr_t)user_data);
}

/*
 * A decision hook: Go copies the event and decides in a goroutine, which answers with the ticket. Where there is no
 * ticket, the library denies.
 */
#define DECISION_HOOK(name, export, event_type)                                                                 \
    static rmqtt_verdict_kind_t name(const event_type *event, rmqtt_verdict_t *verdict, void *user_data) {      \
        (void)verdict;                                                                                          \
        rmqtt_decision_t ticket = rmqtt_decision_defer();                                                       \
        if (ticket != 0) {                                                                                      \
            export((event_type *)event, ticket, (uintptr_t)user_data);                                          \
        }                                                                                                       \
        return RMQTT_VERDICT_DEFERRED;                                                                          \
    }

DECISION_HOOK(on_authenticate, rmqttGoAuthenticate, rmqtt_authenticate_t)
DECISION_HOOK(on_pre_connect, rmqttGoPreConnect, rmqtt_pre_connect_t)
DECISION_HOOK(on_authorize_publish, rmqttGoAuthorizePublish, rmqtt_authorize_publish_t)
DECISION_HOOK(on_authorize_subscribe, rmqttGoAuthorizeSubscribe, rmqtt_authorize_subscribe_t)
DECISION_HOOK(on_authorize_unsubscribe, rmqttGoAuthorizeUnsubscribe, rmqtt_authorize_unsubscribe_t)
DECISION_HOOK(on_authorize_forward, rmqttGoAuthorizeForward, rmqtt_authorize_forward_t)
DECISION_HOOK(on_auth_exchange, rmqttGoAuthExchange, rmqtt_auth_exchange_t)

/* A hook that hears: Go copies the event and calls the function. */
#define EVENT_HOOK(name, export, event_type)                                                                    \
    static void name(const event_type *event, void *user_data) {                                                \
        export((event_type *)event, (uintptr_t)user_data);                                                      \
    }

EVENT_HOOK(on_connected, rmqttGoConnected, rmqtt_connected_t)
EVENT_HOOK(on_disconnected, rmqttGoDisconnected, rmqtt_disconnected_t)
EVENT_HOOK(on_connack, rmqttGoConnack, rmqtt_connack_t)
EVENT_HOOK(on_session_created, rmqttGoSessionCreated, rmqtt_session_event_t)
EVENT_HOOK(on_session_resumed, rmqttGoSessionResumed, rmqtt_session_event_t)
EVENT_HOOK(on_session_taken_over, rmqttGoSessionTakenOver, rmqtt_session_event_t)
EVENT_HOOK(on_session_terminated, rmqttGoSessionTerminated, rmqtt_session_event_t)
EVENT_HOOK(on_subscribed, rmqttGoSubscribed, rmqtt_subscribed_t)
EVENT_HOOK(on_unsubscribed, rmqttGoUnsubscribed, rmqtt_unsubscribed_t)
EVENT_HOOK(on_message_published, rmqttGoMessagePublished, rmqtt_message_published_t)
EVENT_HOOK(on_message_delivered, rmqttGoMessageDelivered, rmqtt_message_delivered_t)
EVENT_HOOK(on_message_acked, rmqttGoMessageAcked, rmqtt_message_acked_t)
EVENT_HOOK(on_message_dropped, rmqttGoMessageDropped, rmqtt_message_dropped_t)
EVENT_HOOK(on_will_published, rmqttGoWillPublished, rmqtt_message_published_t)
EVENT_HOOK(on_retained_changed, rmqttGoRetainedChanged, rmqtt_retained_changed_t)
EVENT_HOOK(on_first_subscriber, rmqttGoFirstSubscriber, rmqtt_subscriber_event_t)
EVENT_HOOK(on_last_subscriber, rmqttGoLastSubscriber, rmqtt_subscriber_event_t)
EVENT_HOOK(on_listener_up, rmqttGoListenerUp, rmqtt_listener_info_t)
EVENT_HOOK(on_listener_down, rmqttGoListenerDown, rmqtt_listener_info_t)
EVENT_HOOK(on_overload, rmqttGoOverload, rmqtt_overload_t)
EVENT_HOOK(on_client_banned, rmqttGoClientBanned, rmqtt_client_banned_t)

static void on_message(const rmqtt_message_t *message, void *user_data) {
    rmqttGoMessage((rmqtt_message_t *)message, (uintptr_t)user_data);
}

static void on_messages(const rmqtt_message_t *const *messages, size_t count, void *user_data) {
    rmqttGoMessages((rmqtt_message_t **)messages, count, (uintptr_t)user_data);
}

static void on_retained(const rmqtt_message_t *message, void *user_data) {
    rmqttGoRetained((rmqtt_message_t *)message, (uintptr_t)user_data);
}

static void on_report(const rmqtt_publish_report_t *report, void *user_data) {
    rmqttGoReport((rmqtt_publish_report_t *)report, (uintptr_t)user_data);
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
    hooks.authorize_forward = WANTED(RMQTT_HOOK_AUTHORIZE_FORWARD) ? on_authorize_forward : NULL;
    hooks.auth_exchange = WANTED(RMQTT_HOOK_AUTH_EXCHANGE) ? on_auth_exchange : NULL;
    hooks.connack = WANTED(RMQTT_HOOK_CONNACK) ? on_connack : NULL;
    hooks.session_created = WANTED(RMQTT_HOOK_SESSION_CREATED) ? on_session_created : NULL;
    hooks.session_resumed = WANTED(RMQTT_HOOK_SESSION_RESUMED) ? on_session_resumed : NULL;
    hooks.session_taken_over = WANTED(RMQTT_HOOK_SESSION_TAKEN_OVER) ? on_session_taken_over : NULL;
    hooks.session_terminated = WANTED(RMQTT_HOOK_SESSION_TERMINATED) ? on_session_terminated : NULL;
    hooks.subscribed = WANTED(RMQTT_HOOK_SUBSCRIBED) ? on_subscribed : NULL;
    hooks.unsubscribed = WANTED(RMQTT_HOOK_UNSUBSCRIBED) ? on_unsubscribed : NULL;
    hooks.message_published = WANTED(RMQTT_HOOK_MESSAGE_PUBLISHED) ? on_message_published : NULL;
    hooks.message_delivered = WANTED(RMQTT_HOOK_MESSAGE_DELIVERED) ? on_message_delivered : NULL;
    hooks.message_acked = WANTED(RMQTT_HOOK_MESSAGE_ACKED) ? on_message_acked : NULL;
    hooks.message_dropped = WANTED(RMQTT_HOOK_MESSAGE_DROPPED) ? on_message_dropped : NULL;
    hooks.will_published = WANTED(RMQTT_HOOK_WILL_PUBLISHED) ? on_will_published : NULL;
    hooks.retained_changed = WANTED(RMQTT_HOOK_RETAINED_CHANGED) ? on_retained_changed : NULL;
    hooks.first_subscriber = WANTED(RMQTT_HOOK_FIRST_SUBSCRIBER) ? on_first_subscriber : NULL;
    hooks.last_subscriber = WANTED(RMQTT_HOOK_LAST_SUBSCRIBER) ? on_last_subscriber : NULL;
    hooks.listener_up = WANTED(RMQTT_HOOK_LISTENER_UP) ? on_listener_up : NULL;
    hooks.listener_down = WANTED(RMQTT_HOOK_LISTENER_DOWN) ? on_listener_down : NULL;
    hooks.overload = WANTED(RMQTT_HOOK_OVERLOAD) ? on_overload : NULL;
    hooks.client_banned = WANTED(RMQTT_HOOK_CLIENT_BANNED) ? on_client_banned : NULL;
#undef WANTED
    return rmqtt_broker_set_hooks(broker, &hooks, err);
}

static rmqtt_publish_t message_of(rmqtt_str_t topic, rmqtt_str_t client_id, rmqtt_bytes_t payload,
                                  const rmqttgo_publication *options) {
    rmqtt_publish_t message = rmqtt_publish_init();
    message.topic = topic;
    message.payload = payload;
    message.qos = options->qos;
    message.retain = options->retain;
    message.wait_ms = options->wait_ms;
    message.properties = options->properties;
    message.client_id = client_id.len == 0 ? rmqtt_str(NULL) : client_id;
    message.delay_ms = options->delay_ms;
    if (options->handle != 0) {
        message.on_report = on_report;
        message.user_data = (void *)options->handle;
        message.drop = on_drop;
    }
    return message;
}

rmqtt_status_t rmqttgo_publish(rmqtt_broker_t *broker, rmqtt_str_t topic, rmqtt_str_t client_id, rmqtt_bytes_t payload,
                               rmqttgo_publication options, rmqtt_error_t **err) {
    rmqtt_publish_t message = message_of(topic, client_id, payload, &options);
    return rmqtt_broker_publish(broker, &message, err);
}

rmqtt_status_t rmqttgo_publish_batch(rmqtt_broker_t *broker, const rmqttgo_publication *messages, size_t count,
                                     const uint8_t *octets, size_t *accepted, rmqtt_error_t **err) {
    rmqtt_publish_t *batch = malloc(count * sizeof *batch);
    if (batch == NULL) {
        for (size_t i = 0; i < count; i++) {
            if (messages[i].handle != 0) {
                rmqttGoDrop(messages[i].handle);
            }
        }
        return RMQTT_ERR_IO;
    }
    for (size_t i = 0; i < count; i++) {
        rmqtt_str_t topic = {(const char *)octets, messages[i].topic_len};
        rmqtt_str_t client_id = {topic.ptr + topic.len, messages[i].client_id_len};
        rmqtt_bytes_t payload = rmqtt_bytes(client_id.ptr + client_id.len, messages[i].payload_len);
        octets = payload.ptr + payload.len;
        batch[i] = message_of(topic, client_id, payload, &messages[i]);
    }
    rmqtt_status_t status = rmqtt_broker_publish_batch(broker, batch, count, accepted, err);
    free(batch);
    return status;
}

rmqtt_status_t rmqttgo_retained_set(rmqtt_broker_t *broker, rmqtt_str_t topic, rmqtt_str_t client_id,
                                    rmqtt_bytes_t payload, rmqttgo_publication options, rmqtt_error_t **err) {
    rmqtt_publish_t message = message_of(topic, client_id, payload, &options);
    return rmqtt_broker_retained_set(broker, &message, err);
}

rmqtt_status_t rmqttgo_retained(const rmqtt_broker_t *broker, rmqtt_str_t filter, uintptr_t handle,
                                rmqtt_error_t **err) {
    return rmqtt_broker_retained(broker, filter, on_retained, (void *)handle, err);
}

rmqtt_status_t rmqttgo_retained_get(const rmqtt_broker_t *broker, rmqtt_str_t topic, uintptr_t handle,
                                    rmqtt_error_t **err) {
    return rmqtt_broker_retained_get(broker, topic, on_retained, (void *)handle, err);
}

rmqtt_status_t rmqttgo_subscribe(rmqtt_broker_t *broker, rmqtt_str_t filter, const rmqtt_subscribe_options_t *options,
                                 bool batch, uintptr_t handle, rmqtt_subscription_t **out, rmqtt_error_t **err) {
    if (batch) {
        return rmqtt_broker_subscribe_batch(broker, filter, options, on_messages, (void *)handle, on_drop, out, err);
    }
    return rmqtt_broker_subscribe(broker, filter, options, on_message, (void *)handle, on_drop, out, err);
}

rmqtt_status_t rmqttgo_attach(rmqtt_broker_t *broker, int fd, rmqtt_peer_t peer, rmqtt_error_t **err) {
    int duplicate = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (duplicate < 0) {
        return RMQTT_ERR_IO;
    }
    return rmqtt_broker_attach_fd(broker, duplicate, &peer, err);
}

rmqtt_status_t rmqttgo_log_set(rmqtt_level_t max, uintptr_t handle) {
    if (handle == 0) {
        return rmqtt_log_set(max, NULL, NULL, NULL);
    }
    return rmqtt_log_set(max, on_line, (void *)handle, on_drop);
}
