package rmqtt

/*
#include "shim.h"

// A view of a Go string can be made in this comment only: here, cgo knows what a Go string is.
static inline rmqtt_str_t view(_GoString_ text) {
    rmqtt_str_t view;
    view.ptr = _GoStringPtr(text);
    view.len = _GoStringLen(text);
    return view;
}

static inline rmqtt_status_t go_config_validate(_GoString_ config, rmqtt_error_t **err) {
    return rmqtt_config_validate(view(config), err);
}

static inline rmqtt_status_t go_broker_new(_GoString_ config, rmqtt_broker_t **out, rmqtt_error_t **err) {
    return rmqtt_broker_new(view(config), out, err);
}

static inline rmqtt_status_t go_reload(rmqtt_broker_t *broker, _GoString_ config, rmqtt_string_t **report,
                                       rmqtt_error_t **err) {
    return rmqtt_broker_reload(broker, view(config), report, err);
}

static inline rmqtt_status_t go_publish(rmqtt_broker_t *broker, _GoString_ topic, _GoString_ client_id,
                                        const uint8_t *payload, size_t len, rmqttgo_publication options,
                                        rmqtt_error_t **err) {
    return rmqttgo_publish(broker, view(topic), view(client_id), rmqtt_bytes(payload, len), options, err);
}

static inline rmqtt_status_t go_retained_set(rmqtt_broker_t *broker, _GoString_ topic, _GoString_ client_id,
                                             const uint8_t *payload, size_t len, rmqttgo_publication options,
                                             rmqtt_error_t **err) {
    return rmqttgo_retained_set(broker, view(topic), view(client_id), rmqtt_bytes(payload, len), options, err);
}

static inline rmqtt_status_t go_retained(const rmqtt_broker_t *broker, _GoString_ filter, uintptr_t handle,
                                         rmqtt_error_t **err) {
    return rmqttgo_retained(broker, view(filter), handle, err);
}

static inline rmqtt_status_t go_retained_get(const rmqtt_broker_t *broker, _GoString_ topic, uintptr_t handle,
                                             rmqtt_error_t **err) {
    return rmqttgo_retained_get(broker, view(topic), handle, err);
}

static inline rmqtt_status_t go_retained_delete(rmqtt_broker_t *broker, _GoString_ filter, uint64_t *deleted,
                                                rmqtt_error_t **err) {
    return rmqtt_broker_retained_delete(broker, view(filter), deleted, err);
}

static inline rmqtt_status_t go_subscribe(rmqtt_broker_t *broker, _GoString_ filter,
                                          const rmqtt_subscribe_options_t *options, bool batch, uintptr_t handle,
                                          rmqtt_subscription_t **out, rmqtt_error_t **err) {
    return rmqttgo_subscribe(broker, view(filter), options, batch, handle, out, err);
}

static inline rmqtt_status_t go_pair(rmqtt_broker_t *broker, rmqtt_peer_t peer, int *fd, rmqtt_error_t **err) {
    return rmqtt_broker_connect_pair(broker, &peer, fd, err);
}

static inline rmqtt_status_t go_clients(const rmqtt_broker_t *broker, _GoString_ client_id_prefix, _GoString_ username,
                                        _GoString_ address, _GoString_ listener, _GoString_ after,
                                        rmqtt_presence_t connected, uint32_t limit, rmqtt_string_t **json,
                                        rmqtt_error_t **err) {
    rmqtt_query_t query = rmqtt_query_init();
    query.client_id_prefix = view(client_id_prefix);
    query.username = view(username);
    query.address = view(address);
    query.listener = view(listener);
    query.after = view(after);
    query.connected = connected;
    query.limit = limit;
    return rmqtt_broker_clients(broker, &query, json, err);
}

static inline rmqtt_status_t go_client(const rmqtt_broker_t *broker, _GoString_ client_id, rmqtt_string_t **json,
                                       rmqtt_error_t **err) {
    return rmqtt_broker_client(broker, view(client_id), json, err);
}

static inline rmqtt_status_t go_disconnect(rmqtt_broker_t *broker, _GoString_ client_id, uint8_t reason_code,
                                           bool discard_session, rmqtt_error_t **err) {
    return rmqtt_broker_disconnect(broker, view(client_id), reason_code, discard_session, err);
}

static inline rmqtt_status_t go_subscribe_client(rmqtt_broker_t *broker, _GoString_ client_id, _GoString_ filter,
                                                 rmqtt_client_subscription_t options, rmqtt_error_t **err) {
    return rmqtt_broker_subscribe_client(broker, view(client_id), view(filter), &options, err);
}

static inline rmqtt_status_t go_unsubscribe_client(rmqtt_broker_t *broker, _GoString_ client_id, _GoString_ filter,
                                                   rmqtt_error_t **err) {
    return rmqtt_broker_unsubscribe_client(broker, view(client_id), view(filter), err);
}

static inline rmqtt_status_t go_subscriber_count(const rmqtt_broker_t *broker, _GoString_ topic, uint64_t *count,
                                                 rmqtt_error_t **err) {
    return rmqtt_broker_subscriber_count(broker, view(topic), count, err);
}

static inline rmqtt_status_t go_explain(const rmqtt_broker_t *broker, _GoString_ client_id, rmqtt_action_t action,
                                        _GoString_ topic, rmqtt_string_t **json, rmqtt_error_t **err) {
    return rmqtt_broker_explain(broker, view(client_id), action, view(topic), json, err);
}

static inline rmqtt_status_t go_ban(rmqtt_broker_t *broker, rmqtt_ban_kind_t kind, _GoString_ value, uint64_t duration_ms,
                                    rmqtt_error_t **err) {
    return rmqtt_broker_ban(broker, kind, view(value), duration_ms, err);
}

static inline rmqtt_status_t go_unban(rmqtt_broker_t *broker, rmqtt_ban_kind_t kind, _GoString_ value,
                                      rmqtt_error_t **err) {
    return rmqtt_broker_unban(broker, kind, view(value), err);
}

static inline rmqtt_status_t go_subscription_stats(const rmqtt_subscription_t *subscription,
                                                   rmqtt_subscription_stats_t *out) {
    *out = rmqtt_subscription_stats_init();
    return rmqtt_subscription_stats(subscription, out);
}

static inline bool go_has_feature(_GoString_ name) {
    return rmqtt_has_feature(view(name));
}

static inline rmqtt_status_t go_listener_info(const rmqtt_broker_t *broker, size_t index, rmqtt_listener_info_t *out) {
    *out = rmqtt_listener_info_init();
    return rmqtt_broker_listener_info(broker, index, out);
}

static inline rmqtt_status_t go_stats(const rmqtt_broker_t *broker, rmqtt_stats_t *out) {
    *out = rmqtt_stats_init();
    return rmqtt_broker_stats(broker, out);
}

static inline rmqtt_status_t go_hook_stats(const rmqtt_broker_t *broker, int32_t hook, rmqtt_hook_stats_t *out) {
    *out = rmqtt_hook_stats_init();
    return rmqtt_broker_hook_stats(broker, hook, out);
}

static inline rmqtt_status_t go_error_fault(const rmqtt_error_t *error, size_t index, rmqtt_fault_t *out) {
    *out = rmqtt_fault_init();
    return rmqtt_error_fault(error, index, out);
}
*/
import "C"

import (
	"encoding/json"
	"math"
	"runtime/cgo"
	"time"
	"unsafe"
)

func callValidate(config string) error {
	var err *C.rmqtt_error_t
	status := C.go_config_validate(config, &err)
	return toError(status, err)
}

func callNew(config string) (*C.rmqtt_broker_t, error) {
	var broker *C.rmqtt_broker_t
	var err *C.rmqtt_error_t
	status := C.go_broker_new(config, &broker, &err)
	return broker, toError(status, err)
}

func callSetHooks(broker *C.rmqtt_broker_t, set *hookSet) error {
	var err *C.rmqtt_error_t
	var wanted C.uint32_t
	want := func(hook uint, given bool) {
		if given {
			wanted |= 1 << hook
		}
	}
	hooks := &set.hooks
	want(C.RMQTT_HOOK_AUTHENTICATE, hooks.Authenticate != nil)
	want(C.RMQTT_HOOK_CONNECTED, hooks.Connected != nil)
	want(C.RMQTT_HOOK_DISCONNECTED, hooks.Disconnected != nil)
	want(C.RMQTT_HOOK_PRE_CONNECT, hooks.PreConnect != nil)
	want(C.RMQTT_HOOK_AUTHORIZE_PUBLISH, hooks.AuthorizePublish != nil)
	want(C.RMQTT_HOOK_AUTHORIZE_SUBSCRIBE, hooks.AuthorizeSubscribe != nil)
	want(C.RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE, hooks.AuthorizeUnsubscribe != nil)
	want(C.RMQTT_HOOK_AUTHORIZE_FORWARD, hooks.AuthorizeForward != nil)
	want(C.RMQTT_HOOK_AUTH_EXCHANGE, hooks.AuthExchange != nil)
	want(C.RMQTT_HOOK_CONNACK, hooks.Connack != nil)
	want(C.RMQTT_HOOK_SESSION_CREATED, hooks.SessionCreated != nil)
	want(C.RMQTT_HOOK_SESSION_RESUMED, hooks.SessionResumed != nil)
	want(C.RMQTT_HOOK_SESSION_TAKEN_OVER, hooks.SessionTakenOver != nil)
	want(C.RMQTT_HOOK_SESSION_TERMINATED, hooks.SessionTerminated != nil)
	want(C.RMQTT_HOOK_SUBSCRIBED, hooks.Subscribed != nil)
	want(C.RMQTT_HOOK_UNSUBSCRIBED, hooks.Unsubscribed != nil)
	want(C.RMQTT_HOOK_MESSAGE_PUBLISHED, hooks.MessagePublished != nil)
	want(C.RMQTT_HOOK_MESSAGE_DELIVERED, hooks.MessageDelivered != nil)
	want(C.RMQTT_HOOK_MESSAGE_ACKED, hooks.MessageAcked != nil)
	want(C.RMQTT_HOOK_MESSAGE_DROPPED, hooks.MessageDropped != nil)
	want(C.RMQTT_HOOK_WILL_PUBLISHED, hooks.WillPublished != nil)
	want(C.RMQTT_HOOK_RETAINED_CHANGED, hooks.RetainedChanged != nil)
	want(C.RMQTT_HOOK_FIRST_SUBSCRIBER, hooks.FirstSubscriber != nil)
	want(C.RMQTT_HOOK_LAST_SUBSCRIBER, hooks.LastSubscriber != nil)
	want(C.RMQTT_HOOK_LISTENER_UP, hooks.ListenerUp != nil)
	want(C.RMQTT_HOOK_LISTENER_DOWN, hooks.ListenerDown != nil)
	want(C.RMQTT_HOOK_OVERLOAD, hooks.Overload != nil)
	want(C.RMQTT_HOOK_CLIENT_BANNED, hooks.ClientBanned != nil)
	status := C.rmqttgo_set_hooks(broker, C.uintptr_t(cgo.NewHandle(set)), wanted, &err)
	return toError(status, err)
}

func callStart(broker *C.rmqtt_broker_t) error {
	var err *C.rmqtt_error_t
	status := C.rmqtt_broker_start(broker, &err)
	return toError(status, err)
}

// callReload leaves the report in into, as json.Unmarshal does.
func callReload(broker *C.rmqtt_broker_t, config string, into any) error {
	var text *C.rmqtt_string_t
	var err *C.rmqtt_error_t
	status := C.go_reload(broker, config, &text, &err)
	return unmarshal(status, text, err, into)
}

func callPublish(broker *C.rmqtt_broker_t, topic string, payload []byte, clientID string, options C.rmqttgo_publication) error {
	var err *C.rmqtt_error_t
	status := C.go_publish(broker, topic, clientID, pointer(payload), C.size_t(len(payload)), options, &err)
	return toError(status, err)
}

func callPublishBatch(broker *C.rmqtt_broker_t, messages []C.rmqttgo_publication, octets []byte) (int, error) {
	var accepted C.size_t
	var err *C.rmqtt_error_t
	status := C.rmqttgo_publish_batch(broker, &messages[0], C.size_t(len(messages)), pointer(octets), &accepted, &err)
	return int(accepted), toError(status, err)
}

func callRetainedSet(broker *C.rmqtt_broker_t, topic string, payload []byte, clientID string, options C.rmqttgo_publication) error {
	var err *C.rmqtt_error_t
	status := C.go_retained_set(broker, topic, clientID, pointer(payload), C.size_t(len(payload)), options, &err)
	return toError(status, err)
}

func callRetained(broker *C.rmqtt_broker_t, filter string, handle cgo.Handle) error {
	var err *C.rmqtt_error_t
	status := C.go_retained(broker, filter, C.uintptr_t(handle), &err)
	return toError(status, err)
}

func callRetainedGet(broker *C.rmqtt_broker_t, topic string, handle cgo.Handle) error {
	var err *C.rmqtt_error_t
	status := C.go_retained_get(broker, topic, C.uintptr_t(handle), &err)
	return toError(status, err)
}

func callRetainedDelete(broker *C.rmqtt_broker_t, filter string) (uint64, error) {
	var deleted C.uint64_t
	var err *C.rmqtt_error_t
	status := C.go_retained_delete(broker, filter, &deleted, &err)
	return uint64(deleted), toError(status, err)
}

func callAttach(broker *C.rmqtt_broker_t, fd uintptr, peer C.rmqtt_peer_t) error {
	var err *C.rmqtt_error_t
	status := C.rmqttgo_attach(broker, C.int(fd), peer, &err)
	return toError(status, err)
}

func callPair(broker *C.rmqtt_broker_t, peer C.rmqtt_peer_t) (uintptr, error) {
	var fd C.int
	var err *C.rmqtt_error_t
	status := C.go_pair(broker, peer, &fd, &err)
	return uintptr(fd), toError(status, err)
}

// callClients leaves what it finds in into, as json.Unmarshal does; so do callClient, callExplain and callBans.
func callClients(broker *C.rmqtt_broker_t, query *ClientQuery, into any) error {
	var text *C.rmqtt_string_t
	var err *C.rmqtt_error_t
	status := C.go_clients(broker, query.ClientIDPrefix, query.Username, query.Address, query.Listener, query.After,
		C.rmqtt_presence_t(query.Connected), C.uint32_t(query.Limit), &text, &err)
	return unmarshal(status, text, err, into)
}

func callClient(broker *C.rmqtt_broker_t, clientID string, into any) error {
	var text *C.rmqtt_string_t
	var err *C.rmqtt_error_t
	status := C.go_client(broker, clientID, &text, &err)
	return unmarshal(status, text, err, into)
}

func callDisconnect(broker *C.rmqtt_broker_t, clientID string, reasonCode byte, discardSession bool) error {
	var err *C.rmqtt_error_t
	status := C.go_disconnect(broker, clientID, C.uint8_t(reasonCode), C.bool(discardSession), &err)
	return toError(status, err)
}

func callSubscribeClient(broker *C.rmqtt_broker_t, clientID, filter string, options *ClientSubscription) error {
	var err *C.rmqtt_error_t
	given := C.rmqtt_client_subscription_t{
		struct_size:         C.sizeof_rmqtt_client_subscription_t,
		identifier:          C.uint32_t(options.Identifier),
		qos:                 C.uint8_t(options.QoS),
		no_local:            C.bool(options.NoLocal),
		retain_as_published: C.bool(options.RetainAsPublished),
		retain_handling:     C.uint8_t(options.RetainHandling),
	}
	status := C.go_subscribe_client(broker, clientID, filter, given, &err)
	return toError(status, err)
}

func callUnsubscribeClient(broker *C.rmqtt_broker_t, clientID, filter string) error {
	var err *C.rmqtt_error_t
	status := C.go_unsubscribe_client(broker, clientID, filter, &err)
	return toError(status, err)
}

func callSubscriberCount(broker *C.rmqtt_broker_t, topic string) (uint64, error) {
	var count C.uint64_t
	var err *C.rmqtt_error_t
	status := C.go_subscriber_count(broker, topic, &count, &err)
	return uint64(count), toError(status, err)
}

func callExplain(broker *C.rmqtt_broker_t, clientID string, action Action, topic string, into any) error {
	var text *C.rmqtt_string_t
	var err *C.rmqtt_error_t
	status := C.go_explain(broker, clientID, C.rmqtt_action_t(action), topic, &text, &err)
	return unmarshal(status, text, err, into)
}

func callBan(broker *C.rmqtt_broker_t, kind BanKind, value string, duration time.Duration) error {
	var err *C.rmqtt_error_t
	ms := C.uint64_t(units(duration, time.Millisecond, math.MaxInt64/int64(time.Millisecond)))
	status := C.go_ban(broker, C.rmqtt_ban_kind_t(kind), value, ms, &err)
	return toError(status, err)
}

func callUnban(broker *C.rmqtt_broker_t, kind BanKind, value string) error {
	var err *C.rmqtt_error_t
	status := C.go_unban(broker, C.rmqtt_ban_kind_t(kind), value, &err)
	return toError(status, err)
}

func callBans(broker *C.rmqtt_broker_t, into any) error {
	var text *C.rmqtt_string_t
	var err *C.rmqtt_error_t
	status := C.rmqtt_broker_bans(broker, &text, &err)
	return unmarshal(status, text, err, into)
}

// unmarshal frees text, which there may be after a failure, too, and err.
func unmarshal(status C.rmqtt_status_t, text *C.rmqtt_string_t, err *C.rmqtt_error_t, into any) error {
	defer C.rmqtt_string_free(text)
	if status != C.RMQTT_OK {
		return toError(status, err)
	}
	view := C.rmqtt_string_view(text)
	if err := json.Unmarshal(unsafe.Slice((*byte)(unsafe.Pointer(view.ptr)), view.len), into); err != nil {
		return &Error{Code: ErrInternal, Message: err.Error()}
	}
	return nil
}

func newSubscribeOptions() subscribeOptions {
	return subscribeOptions{struct_size: C.sizeof_rmqtt_subscribe_options_t}
}

// callSubscribe takes a func([]Message) for a batch, else a func(Message).
func callSubscribe(broker *C.rmqtt_broker_t, filter string, options *subscribeOptions, fn any, batch bool) (*C.rmqtt_subscription_t, error) {
	var subscription *C.rmqtt_subscription_t
	var err *C.rmqtt_error_t
	status := C.go_subscribe(broker, filter, options, C.bool(batch), C.uintptr_t(cgo.NewHandle(fn)), &subscription, &err)
	return subscription, toError(status, err)
}

func callSubscriptionStats(subscription *C.rmqtt_subscription_t) (SubscriptionStats, error) {
	var stats C.rmqtt_subscription_stats_t
	if status := C.go_subscription_stats(subscription, &stats); status != C.RMQTT_OK {
		return SubscriptionStats{}, toError(status, nil)
	}
	return SubscriptionStats{
		Delivered:      uint64(stats.delivered),
		Acknowledged:   uint64(stats.acknowledged),
		Dropped:        uint64(stats.dropped),
		QueuedMessages: uint64(stats.queued_messages),
		QueuedBytes:    uint64(stats.queued_bytes),
		Unacknowledged: uint64(stats.unacknowledged),
		Paused:         bool(stats.paused),
	}, nil
}

func callListener(broker *C.rmqtt_broker_t, index int) (Listener, error) {
	var info C.rmqtt_listener_info_t
	if status := C.go_listener_info(broker, C.size_t(index), &info); status != C.RMQTT_OK {
		return Listener{}, toError(status, nil)
	}
	return goListener(&info), nil
}

func callStats(broker *C.rmqtt_broker_t) (Stats, error) {
	var stats C.rmqtt_stats_t
	if status := C.go_stats(broker, &stats); status != C.RMQTT_OK {
		return Stats{}, toError(status, nil)
	}
	return goStats(&stats), nil
}

func callHookStats(broker *C.rmqtt_broker_t, hook Hook) (HookStats, error) {
	var stats C.rmqtt_hook_stats_t
	if status := C.go_hook_stats(broker, C.int32_t(hook), &stats); status != C.RMQTT_OK {
		return HookStats{}, toError(status, nil)
	}
	return goHookStats(&stats), nil
}

func callMetrics(broker *C.rmqtt_broker_t, format C.rmqtt_metrics_format_t) (string, error) {
	var text *C.rmqtt_string_t
	if status := C.rmqtt_broker_metrics(broker, format, &text); status != C.RMQTT_OK {
		return "", toError(status, nil)
	}
	defer C.rmqtt_string_free(text)
	return goString(C.rmqtt_string_view(text)), nil
}

func callHasFeature(name string) bool {
	return bool(C.go_has_feature(name))
}

func callFault(err *C.rmqtt_error_t, index C.size_t) (Fault, bool) {
	var fault C.rmqtt_fault_t
	if C.go_error_fault(err, index, &fault) != C.RMQTT_OK {
		return Fault{}, false
	}
	return Fault{Pointer: goString(fault.pointer), Message: goString(fault.message)}, true
}

func goString(view C.rmqtt_str_t) string {
	return C.GoStringN(view.ptr, C.int(view.len))
}

// goBytes keeps absent and empty apart: nil is absent.
func goBytes(view C.rmqtt_bytes_t) []byte {
	if view.ptr == nil {
		return nil
	}
	if view.len == 0 {
		return []byte{}
	}
	return C.GoBytes(unsafe.Pointer(view.ptr), C.int(view.len))
}
