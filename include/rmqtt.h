/*
 * rmqtt-c: an MQTT 3.1, 3.1.1 and 5.0 broker that a program links.
 *
 * Generated from src/ffi by cbindgen: do not edit. `RMQTT_BLESS=1 cargo test --test header` writes it anew.
 *
 * Threads.    Every function may be called from any thread and from inside any callback, unless it says otherwise.
 *             Callbacks run on threads of the library that serve nothing else, and may block.
 * Ownership.  What goes in is borrowed for the call; what is to be kept is copied. What comes out as `X *` is freed with
 *             `rmqtt_X_free`. What a callback gets lives until the callback returns. `user_data` passes to the library
 *             with the call that takes it, whatever that call answers, and its `drop` is called exactly once, after the
 *             last call of the callback.
 * Errors.     A function answers a status, 0 or negative. Outputs are written on success only (pointers to objects:
 *             NULL after a failure).
 * Growth.     Structs with a `struct_size` grow at the end. The caller sets it to the `sizeof` it knows; the library
 *             takes what it knows itself. In structs that the library fills for callbacks, read a field of a later
 *             version only if `struct_size` reaches it.
 */

#ifndef RMQTT_H
#define RMQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* The version of this header; the library's own: rmqtt_version(). */
#define RMQTT_VERSION_MAJOR 0
#define RMQTT_VERSION_MINOR 1
#define RMQTT_VERSION_PATCH 0


/**
 * The version of the binary interface: the number in the name of the shared library, `librmqttc.so.0`.
 *
 * It changes when a program must be compiled again. A program that loads the library at run time compares it with
 * what `rmqtt_abi_version` answers.
 */
#define RMQTT_ABI_VERSION 0

/**
 * In `rmqtt_hooks_t.flags`: the hook promises to take microseconds, and is called in place, on the thread that serves the
 * client. Not for `first_subscriber` and `last_subscriber`.
 */
#define RMQTT_HOOK_INLINE 1

/**
 * How many ranges the times of a hook are counted in.
 */
#define RMQTT_HOOK_TIME_BUCKETS 23

/**
 * What a function answers: 0 for success, a negative number for an error. Numbers are never used again for another
 * meaning.
 */
enum rmqtt_status
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Success.
     */
    RMQTT_OK = 0,
    /**
     * An argument is NULL, not UTF-8, out of range, or has a `struct_size` that cannot be; nothing was done.
     */
    RMQTT_ERR_INVALID_ARGUMENT = -1,
    /**
     * The configuration has faults: `rmqtt_error_fault` lists them all.
     */
    RMQTT_ERR_INVALID_CONFIG = -2,
    /**
     * Not now: the broker runs already, or does not run.
     */
    RMQTT_ERR_INVALID_STATE = -3,
    /**
     * A listener could not be bound; no listener is.
     */
    RMQTT_ERR_BIND = -4,
    /**
     * The system refused a resource, such as a thread.
     */
    RMQTT_ERR_IO = -5,
    /**
     * This version of the library, or this build of it, cannot do that.
     */
    RMQTT_ERR_UNSUPPORTED = -6,
    /**
     * The call would wait for the callback that makes it.
     */
    RMQTT_ERR_WOULD_DEADLOCK = -7,
    /**
     * The decision of that ticket has been made already: by an earlier answer, by its deadline, or because the client
     * or the broker is gone. Or the delivery of that number has been acknowledged already, or its subscription is over.
     */
    RMQTT_ERR_EXPIRED = -8,
    /**
     * The process has forked since: a broker stays with the process that made it.
     */
    RMQTT_ERR_FORKED = -9,
    /**
     * A fault of the library that it survived. Please report it.
     */
    RMQTT_ERR_PANIC = -10,
    /**
     * A fault of the library that it noticed. Please report it.
     */
    RMQTT_ERR_INTERNAL = -11,
    /**
     * There is no room for it now; later there may be.
     */
    RMQTT_ERR_WOULD_BLOCK = -12,
    /**
     * There is no such client, message or subscription.
     */
    RMQTT_ERR_NOT_FOUND = -13,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_status rmqtt_status;
#else
typedef int32_t rmqtt_status;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How important a line of the log is.
 */
enum rmqtt_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Something that should work does not.
     */
    RMQTT_LEVEL_ERROR = 1,
    /**
     * Something is odd, or was refused for want of an answer.
     */
    RMQTT_LEVEL_WARN = 2,
    /**
     * What an operator wants to know: listeners, start, stop.
     */
    RMQTT_LEVEL_INFO = 3,
    /**
     * What a developer of the host program wants to know.
     */
    RMQTT_LEVEL_DEBUG = 4,
    /**
     * What a developer of the library wants to know.
     */
    RMQTT_LEVEL_TRACE = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_level rmqtt_level;
#else
typedef int32_t rmqtt_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What made a message enter the broker.
 */
enum rmqtt_origin
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * A connected client published it.
     */
    RMQTT_ORIGIN_CLIENT = 1,
    /**
     * The host program published it.
     */
    RMQTT_ORIGIN_API = 2,
    /**
     * It is the will of a client.
     */
    RMQTT_ORIGIN_WILL = 3,
    /**
     * It was retained, and comes because of a new subscription.
     */
    RMQTT_ORIGIN_RETAINED = 4,
    /**
     * A bridge brought it.
     */
    RMQTT_ORIGIN_BRIDGE = 5,
    /**
     * Another node of the cluster sent it.
     */
    RMQTT_ORIGIN_CLUSTER = 6,
    /**
     * The broker itself made it.
     */
    RMQTT_ORIGIN_SYSTEM = 7,
    /**
     * It was published earlier, to be delivered now.
     */
    RMQTT_ORIGIN_DELAYED = 8,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_origin rmqtt_origin;
#else
typedef int32_t rmqtt_origin;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What is decided.
 */
enum rmqtt_verdict_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * No. Also what any number without a name means.
     */
    RMQTT_VERDICT_DENY = 0,
    /**
     * Yes.
     */
    RMQTT_VERDICT_ALLOW = 1,
    /**
     * Later, through `rmqtt_decision_complete`; only as the answer of a hook that has called `rmqtt_decision_defer`.
     */
    RMQTT_VERDICT_DEFERRED = 2,
    /**
     * No, but the client is not told: its message goes nowhere and is acknowledged as if it had. Denies what is not a
     * message.
     */
    RMQTT_VERDICT_DROP = 3,
    /**
     * Not yet: an enhanced authentication goes on, with `auth_data` as the challenge. From `authenticate`: the configuration
     * is asked, as without the hook. Denies everything else.
     */
    RMQTT_VERDICT_CONTINUE = 4,
    /**
     * No, because the code that was to decide has failed: denies as `RMQTT_VERDICT_DENY` without details does, and is counted
     * as a failure. For bindings that catch an exception.
     */
    RMQTT_VERDICT_FAILED = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_verdict_kind rmqtt_verdict_kind;
#else
typedef int32_t rmqtt_verdict_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a verdict that allows puts in the place of what was asked for: bits of `rmqtt_verdict_t.replace`.
 */
enum rmqtt_replace
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The topic of a message, the filter of a subscription.
     */
    RMQTT_REPLACE_TOPIC = 1,
    /**
     * The payload of a message.
     */
    RMQTT_REPLACE_PAYLOAD = 2,
    /**
     * The QoS of a message; the highest QoS of a subscription, which can only be lowered.
     */
    RMQTT_REPLACE_QOS = 4,
    /**
     * Whether a message is retained.
     */
    RMQTT_REPLACE_RETAIN = 8,
    /**
     * All MQTT 5 properties of a message.
     */
    RMQTT_REPLACE_PROPERTIES = 16,
    /**
     * The client identifier of a client that connects. An MQTT 5 client is told if its CONNECT had none. What is empty or
     * longer than `limits.max_client_id_length` refuses the client with 0x85.
     */
    RMQTT_REPLACE_CLIENT_ID = 32,
    /**
     * The session expiry interval of a client that connects, up to `session.max_expiry_s`. DISCONNECT can shorten it, not
     * extend it. A clean session before MQTT 5 ends with its connection nevertheless.
     */
    RMQTT_REPLACE_SESSION_EXPIRY = 64,
    /**
     * The keep alive of an MQTT 5 client that connects, up to `limits.max_keepalive_s`.
     */
    RMQTT_REPLACE_KEEP_ALIVE = 128,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_replace rmqtt_replace;
#else
typedef int32_t rmqtt_replace;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The hooks by number: the index of a hook in `rmqtt_hooks_t.flags`.
 */
enum rmqtt_hook
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * `authenticate`.
     */
    RMQTT_HOOK_AUTHENTICATE = 0,
    /**
     * `connected`.
     */
    RMQTT_HOOK_CONNECTED = 1,
    /**
     * `disconnected`.
     */
    RMQTT_HOOK_DISCONNECTED = 2,
    /**
     * `pre_connect`.
     */
    RMQTT_HOOK_PRE_CONNECT = 3,
    /**
     * `authorize_publish`.
     */
    RMQTT_HOOK_AUTHORIZE_PUBLISH = 4,
    /**
     * `authorize_subscribe`.
     */
    RMQTT_HOOK_AUTHORIZE_SUBSCRIBE = 5,
    /**
     * `authorize_unsubscribe`.
     */
    RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE = 6,
    /**
     * `authorize_forward`.
     */
    RMQTT_HOOK_AUTHORIZE_FORWARD = 7,
    /**
     * `auth_exchange`.
     */
    RMQTT_HOOK_AUTH_EXCHANGE = 8,
    /**
     * `connack`.
     */
    RMQTT_HOOK_CONNACK = 9,
    /**
     * `session_created`.
     */
    RMQTT_HOOK_SESSION_CREATED = 10,
    /**
     * `session_resumed`.
     */
    RMQTT_HOOK_SESSION_RESUMED = 11,
    /**
     * `session_taken_over`.
     */
    RMQTT_HOOK_SESSION_TAKEN_OVER = 12,
    /**
     * `session_terminated`.
     */
    RMQTT_HOOK_SESSION_TERMINATED = 13,
    /**
     * `subscribed`.
     */
    RMQTT_HOOK_SUBSCRIBED = 14,
    /**
     * `unsubscribed`.
     */
    RMQTT_HOOK_UNSUBSCRIBED = 15,
    /**
     * `message_published`.
     */
    RMQTT_HOOK_MESSAGE_PUBLISHED = 16,
    /**
     * `message_delivered`.
     */
    RMQTT_HOOK_MESSAGE_DELIVERED = 17,
    /**
     * `message_acked`.
     */
    RMQTT_HOOK_MESSAGE_ACKED = 18,
    /**
     * `message_dropped`.
     */
    RMQTT_HOOK_MESSAGE_DROPPED = 19,
    /**
     * `will_published`.
     */
    RMQTT_HOOK_WILL_PUBLISHED = 20,
    /**
     * `retained_changed`.
     */
    RMQTT_HOOK_RETAINED_CHANGED = 21,
    /**
     * `first_subscriber`.
     */
    RMQTT_HOOK_FIRST_SUBSCRIBER = 22,
    /**
     * `last_subscriber`.
     */
    RMQTT_HOOK_LAST_SUBSCRIBER = 23,
    /**
     * `listener_up`.
     */
    RMQTT_HOOK_LISTENER_UP = 24,
    /**
     * `listener_down`.
     */
    RMQTT_HOOK_LISTENER_DOWN = 25,
    /**
     * `overload`.
     */
    RMQTT_HOOK_OVERLOAD = 26,
    /**
     * `client_banned`.
     */
    RMQTT_HOOK_CLIENT_BANNED = 27,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_hook rmqtt_hook;
#else
typedef int32_t rmqtt_hook;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How far a connection has come.
 */
enum rmqtt_stage
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It has been accepted. Nothing has been read but the header of the PROXY protocol, where there is one.
     */
    RMQTT_STAGE_ACCEPTED = 1,
    /**
     * The handshakes of TLS, WebSocket and QUIC are over. Only for listeners that have one.
     */
    RMQTT_STAGE_ESTABLISHED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_stage rmqtt_stage;
#else
typedef int32_t rmqtt_stage;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Who ended a connection.
 */
enum rmqtt_disconnected_by
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The client, with a DISCONNECT.
     */
    RMQTT_DISCONNECTED_BY_CLIENT = 1,
    /**
     * The broker: for a fault of the client, its silence, a new connection under its name, a stop, or because the host
     * program says so.
     */
    RMQTT_DISCONNECTED_BY_BROKER = 2,
    /**
     * The network: the connection ended without a DISCONNECT.
     */
    RMQTT_DISCONNECTED_BY_NETWORK = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_disconnected_by rmqtt_disconnected_by;
#else
typedef int32_t rmqtt_disconnected_by;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a session is over.
 */
enum rmqtt_session_end
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It was to last no longer than its connection.
     */
    RMQTT_SESSION_END_DISCONNECTED = 1,
    /**
     * Its client did not come back within the session expiry interval.
     */
    RMQTT_SESSION_END_EXPIRED = 2,
    /**
     * Its client came back with clean start.
     */
    RMQTT_SESSION_END_CLEAN_START = 3,
    /**
     * The broker stops.
     */
    RMQTT_SESSION_END_STOPPED = 4,
    /**
     * The host program has discarded it, with `rmqtt_broker_disconnect`.
     */
    RMQTT_SESSION_END_DISCARDED = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_session_end rmqtt_session_end;
#else
typedef int32_t rmqtt_session_end;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why a message was dropped.
 */
enum rmqtt_drop_cause
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * As much waits for the receiver as may.
     */
    RMQTT_DROP_QUEUE_FULL = 1,
    /**
     * The message has expired.
     */
    RMQTT_DROP_EXPIRED = 2,
    /**
     * The client takes no packets so large.
     */
    RMQTT_DROP_TOO_LARGE = 3,
    /**
     * The client went before the message was sent, and it is not kept.
     */
    RMQTT_DROP_CLIENT_GONE = 4,
    /**
     * A hook or a rule refused it.
     */
    RMQTT_DROP_REFUSED = 5,
    /**
     * Its client has published faster than `limits` lets it.
     */
    RMQTT_DROP_RATE_EXCEEDED = 6,
    /**
     * There is too little of the memory budget left for what waits for the receiver already.
     */
    RMQTT_DROP_MEMORY = 7,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_drop_cause rmqtt_drop_cause;
#else
typedef int32_t rmqtt_drop_cause;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What has become of the retained message of a topic.
 */
enum rmqtt_retained_change
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * There is one, or another one than before.
     */
    RMQTT_RETAINED_SET = 1,
    /**
     * It has been taken back: with an empty one, or by `rmqtt_broker_retained_delete`.
     */
    RMQTT_RETAINED_REMOVED = 2,
    /**
     * It has expired.
     */
    RMQTT_RETAINED_EXPIRED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_retained_change rmqtt_retained_change;
#else
typedef int32_t rmqtt_retained_change;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What there may be too much of.
 */
enum rmqtt_resource
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Connections, `limits.max_connections`.
     */
    RMQTT_RESOURCE_CONNECTIONS = 1,
    /**
     * Sessions, `limits.max_sessions`.
     */
    RMQTT_RESOURCE_SESSIONS = 2,
    /**
     * Retained messages, `retain.max_messages`.
     */
    RMQTT_RESOURCE_RETAINED_MESSAGES = 3,
    /**
     * Memory, `limits.memory_budget_bytes`, by the broker's own account.
     */
    RMQTT_RESOURCE_MEMORY = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_resource rmqtt_resource;
#else
typedef int32_t rmqtt_resource;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What of a client is banned.
 */
enum rmqtt_ban_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Its address: one of IPv4, or a /64 network of IPv6.
     */
    RMQTT_BAN_IP = 1,
    /**
     * Its client identifier.
     */
    RMQTT_BAN_CLIENT_ID = 2,
    /**
     * Its user name.
     */
    RMQTT_BAN_USER = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_ban_kind rmqtt_ban_kind;
#else
typedef int32_t rmqtt_ban_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Why somebody is banned.
 */
enum rmqtt_ban_cause
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Too many attempts to authenticate have failed: `limits.ban.failures`.
     */
    RMQTT_BAN_CAUSE_AUTHENTICATION = 1,
    /**
     * It has connected too often: `limits.ban.flaps`.
     */
    RMQTT_BAN_CAUSE_FLAPPING = 2,
    /**
     * The program has said so, with `rmqtt_broker_ban`.
     */
    RMQTT_BAN_CAUSE_API = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_ban_cause rmqtt_ban_cause;
#else
typedef int32_t rmqtt_ban_cause;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How statistics are written.
 */
enum rmqtt_metrics_format
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * One JSON object: the fields of `rmqtt_stats_t` by name, and `hooks`, an object with one for each hook that is set or
     * has been called; see docs/hooks.md.
     */
    RMQTT_METRICS_JSON = 0,
    /**
     * The text format of Prometheus. Not in this version: `RMQTT_ERR_UNSUPPORTED`.
     */
    RMQTT_METRICS_PROMETHEUS = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_metrics_format rmqtt_metrics_format;
#else
typedef int32_t rmqtt_metrics_format;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What happens to a message that finds the queue of a subscription full.
 */
enum rmqtt_overflow
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It is dropped, and counted.
     */
    RMQTT_OVERFLOW_DROP_NEWEST = 0,
    /**
     * The oldest ones give way to it; they are dropped, and counted.
     */
    RMQTT_OVERFLOW_DROP_OLDEST = 1,
    /**
     * If it was published with QoS 1 or 2, it is queued all the same, and its publisher has to wait until a quarter of the
     * room is there again: a client is not read from meanwhile, `rmqtt_broker_publish` answers `RMQTT_ERR_WOULD_BLOCK`.
     * With QoS 0, it is dropped, and counted.
     */
    RMQTT_OVERFLOW_BLOCK = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_overflow rmqtt_overflow;
#else
typedef int32_t rmqtt_overflow;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How far a message has come.
 */
enum rmqtt_publish_stage
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It is queued for everyone who gets it.
     */
    RMQTT_PUBLISH_QUEUED = 1,
    /**
     * Everyone who was connected when it was queued, and gets it with QoS 1 or 2, has acknowledged it or is gone.
     */
    RMQTT_PUBLISH_ACKNOWLEDGED = 2,
    /**
     * It goes nowhere: the hook `authorize_publish` has refused it.
     */
    RMQTT_PUBLISH_REFUSED = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_publish_stage rmqtt_publish_stage;
#else
typedef int32_t rmqtt_publish_stage;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Whether a client that is asked for is connected.
 */
enum rmqtt_presence
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It does not matter.
     */
    RMQTT_PRESENCE_ANY = 0,
    /**
     * It is connected.
     */
    RMQTT_PRESENCE_CONNECTED = 1,
    /**
     * It has a session, but is not connected.
     */
    RMQTT_PRESENCE_NOT_CONNECTED = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_presence rmqtt_presence;
#else
typedef int32_t rmqtt_presence;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What a client might do.
 */
enum rmqtt_action
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Publish a message.
     */
    RMQTT_ACTION_PUBLISH = 1,
    /**
     * Subscribe.
     */
    RMQTT_ACTION_SUBSCRIBE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum rmqtt_action rmqtt_action;
#else
typedef int32_t rmqtt_action;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A broker.
 *
 * ```text
 * rmqtt_broker_new        reads the configuration; nothing runs yet
 * rmqtt_broker_set_hooks  at any time
 * rmqtt_broker_start      binds the listeners and lets clients in
 *   rmqtt_broker_publish, rmqtt_broker_subscribe, ...
 * rmqtt_broker_stop       closes everything; rmqtt_broker_start may follow
 * rmqtt_broker_free
 * ```
 *
 * **Threads.** Every function may be called from any thread, several at a time, and from inside any callback, unless it
 * says otherwise. Only nothing may be called on a broker during or after `rmqtt_broker_free`.
 *
 * **Fork.** A child process must not use a broker that it inherited: functions answer `RMQTT_ERR_FORKED`, or false, 0
 * or empty text. It may make brokers of its own if no thread of the parent was busy at the moment of the fork.
 */
typedef struct rmqtt_broker_t rmqtt_broker_t;

/**
 * Why a call failed, in words. The status steers the program; this is for its log.
 *
 * A function that takes an `rmqtt_error_t **` writes NULL there on success and an error on failure, which the caller
 * frees. NULL instead of a place to write to: not interested.
 */
typedef struct rmqtt_error_t rmqtt_error_t;

/**
 * What `rmqtt_message_retain` finds the message of a view by.
 */
typedef struct rmqtt_message_owner_t rmqtt_message_owner_t;

/**
 * Text that the caller keeps: UTF-8, with a NUL behind it.
 */
typedef struct rmqtt_string_t rmqtt_string_t;

/**
 * A subscription of the host program, made by `rmqtt_broker_subscribe`.
 *
 * It outlives its broker if it must, without receiving anything any more.
 */
typedef struct rmqtt_subscription_t rmqtt_subscription_t;

/**
 * Text: UTF-8, `len` bytes at `ptr`.
 *
 * Into the library: borrowed for the call; a terminator is not needed, and with `len` 0 `ptr` is not read. `ptr` NULL
 * with `len` 0 is text that is absent, where something can be.
 *
 * Out of the library: a NUL follows the last byte, so that `ptr` serves as a C string; `ptr` is NULL where the text is
 * absent. Each function says how long it lives.
 */
typedef struct rmqtt_str_t {
    /**
     * The first byte.
     */
    const char *ptr;
    /**
     * Bytes, a terminator not counted.
     */
    size_t len;
} rmqtt_str_t;

/**
 * A value of `enum rmqtt_status`.
 */
typedef int32_t rmqtt_status_t;

/**
 * One fault of a configuration.
 */
typedef struct rmqtt_fault_t {
    /**
     * `sizeof(rmqtt_fault_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * Where it is, as a JSON pointer (RFC 6901), such as `/listeners/0/address`. Empty for the whole text.
     */
    struct rmqtt_str_t pointer;
    /**
     * What is wrong, to be read behind the pointer.
     */
    struct rmqtt_str_t message;
} rmqtt_fault_t;

/**
 * A value of `enum rmqtt_level`.
 */
typedef int32_t rmqtt_level_t;

/**
 * One line of the log.
 */
typedef struct rmqtt_log_line_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The part of the library that speaks.
     */
    struct rmqtt_str_t target;
    /**
     * What it says.
     */
    struct rmqtt_str_t message;
    /**
     * A value of `enum rmqtt_level`.
     */
    rmqtt_level_t level;
    /**
     * Zero.
     */
    uint8_t reserved[4];
} rmqtt_log_line_t;

/**
 * Receives a line of the log. `line` and its text live until this returns.
 */
typedef void (*rmqtt_log_fn)(const struct rmqtt_log_line_t *line, void *user_data);

/**
 * Frees what `user_data` points to.
 *
 * Called exactly once, after every call of the callback it came with has returned; no call starts once it has
 * started. Ownership of `user_data` passes with the registering call, whatever that call answers.
 */
typedef void (*rmqtt_drop_fn)(void *user_data);

/**
 * Octets: `len` bytes at `ptr`. As `rmqtt_str_t`, but any bytes, and nothing follows them.
 */
typedef struct rmqtt_bytes_t {
    /**
     * The first byte.
     */
    const uint8_t *ptr;
    /**
     * Bytes.
     */
    size_t len;
} rmqtt_bytes_t;

/**
 * A connection of a client. Its text lives as long as the callback that gets it runs.
 */
typedef struct rmqtt_client_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The client identifier; the one the broker made up if the client had none.
     */
    struct rmqtt_str_t client_id;
    /**
     * The user name; absent if CONNECT has none. For a client that the program vouches for, see `rmqtt_peer_t`.
     */
    struct rmqtt_str_t username;
    /**
     * Where the connection comes from, such as `192.0.2.1:49152`, or what `rmqtt_peer_t` says.
     */
    struct rmqtt_str_t address;
    /**
     * The name of the listener that accepted it, or what `rmqtt_peer_t` says.
     */
    struct rmqtt_str_t listener;
    /**
     * The `node_id` of the broker it is connected to.
     */
    uint64_t node_id;
    /**
     * Numbers the connections of a broker from 1 on, so that two under one client identifier can be told apart.
     */
    uint64_t serial;
    /**
     * The protocol level of CONNECT: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0.
     */
    uint8_t protocol;
    /**
     * A hook has said so when it connected: the configured access rules do not hold for it.
     */
    bool superuser;
    /**
     * Zero.
     */
    uint8_t reserved[6];
} rmqtt_client_t;

/**
 * A value of `enum rmqtt_origin`.
 */
typedef int32_t rmqtt_origin_t;

/**
 * A user property of MQTT 5: a name with a value. Names may come more than once, in an order that is kept.
 */
typedef struct rmqtt_user_property_t {
    /**
     * The name.
     */
    struct rmqtt_str_t name;
    /**
     * The value.
     */
    struct rmqtt_str_t value;
} rmqtt_user_property_t;

/**
 * The MQTT 5 properties of a message that those who exchange it have put in. Start with `rmqtt_properties_init()`, or with
 * zeroes and `struct_size`: none of them is there.
 */
typedef struct rmqtt_properties_t {
    /**
     * `sizeof(rmqtt_properties_t)`, set by the caller; in what the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Content type; absent if there is none.
     */
    struct rmqtt_str_t content_type;
    /**
     * Response topic, a topic name; absent if there is none.
     */
    struct rmqtt_str_t response_topic;
    /**
     * Correlation data; absent if there is none.
     */
    struct rmqtt_bytes_t correlation_data;
    /**
     * User properties, `user_property_count` of them; NULL if there are none.
     */
    const struct rmqtt_user_property_t *user_properties;
    /**
     * How many user properties there are.
     */
    size_t user_property_count;
    /**
     * Message expiry interval, in seconds: what is left of it. Only with `has_message_expiry`.
     */
    uint32_t message_expiry_s;
    /**
     * Whether the message expires.
     */
    bool has_message_expiry;
    /**
     * Payload format indicator: 1 if the payload is UTF-8 text, else 0.
     */
    uint8_t payload_format_indicator;
    /**
     * Zero.
     */
    uint8_t reserved[2];
} rmqtt_properties_t;

/**
 * A message that this program has to acknowledge, in whatever broker of the process. 0 is none.
 */
typedef uint64_t rmqtt_delivery_t;

/**
 * A message that the broker hands to the host program. All of it lives as long as the callback that gets it runs; see
 * `rmqtt_message_retain` for longer.
 */
typedef struct rmqtt_message_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The topic name.
     */
    struct rmqtt_str_t topic;
    /**
     * The payload.
     */
    struct rmqtt_bytes_t payload;
    /**
     * The connection that published it, or whose will it is; NULL if there is none, or if it is long gone.
     */
    const struct rmqtt_client_t *publisher;
    /**
     * A value of `enum rmqtt_origin`. A number that a program does not know is one of a later version.
     */
    rmqtt_origin_t origin;
    /**
     * The QoS, 0 to 2.
     */
    uint8_t qos;
    /**
     * Whether it is a retained message.
     */
    bool retain;
    /**
     * Zero.
     */
    uint8_t reserved[2];
    /**
     * The MQTT 5 properties; NULL if it has none.
     */
    const struct rmqtt_properties_t *properties;
    /**
     * What `rmqtt_delivery_ack` takes; 0 if nothing has to be acknowledged.
     */
    rmqtt_delivery_t delivery;
    /**
     * For `rmqtt_message_retain`.
     */
    const struct rmqtt_message_owner_t *owner;
} rmqtt_message_t;

/**
 * Names a deferred decision. A plain number that needs no freeing, is never used again in this process, and stays
 * harmless when the decision, the client or the broker is gone. 0 is no ticket.
 */
typedef uint64_t rmqtt_decision_t;

/**
 * A value of `enum rmqtt_verdict_kind`.
 */
typedef int32_t rmqtt_verdict_kind_t;

/**
 * A decision with its details. Start with `rmqtt_verdict_init()`, or with zeroes and `struct_size`: that denies.
 */
typedef struct rmqtt_verdict_t {
    /**
     * `sizeof(rmqtt_verdict_t)`; set by the library where a hook gets one to fill.
     */
    size_t struct_size;
    /**
     * Why, for an MQTT 5 client, whatever is decided, in the packet that answers it; absent for no reason string. Of those
     * for the filters of one SUBSCRIBE or UNSUBSCRIBE, the first is sent.
     * Borrowed: for the call, or, where a hook fills it, until the library has read it right after the hook has
     * returned, so no local buffer.
     */
    struct rmqtt_str_t reason_string;
    /**
     * A value of `enum rmqtt_verdict_kind` but `RMQTT_VERDICT_DEFERRED`. Not read where a hook fills one: its return value
     * decides.
     */
    rmqtt_verdict_kind_t kind;
    /**
     * The MQTT 5 reason code of a denial, 0x80 or above; 0 for 0x87, not authorized. One that the packet of the answer
     * does not have is sent as 0x80. A client of an older protocol that connects gets 1 for 0x84, 2 for 0x85, 3 for a
     * code that tells of the broker, 4 for 0x86, else 5.
     */
    uint8_t reason_code;
    /**
     * Zero.
     */
    uint8_t reserved[3];
    /**
     * With `RMQTT_REPLACE_TOPIC`: the topic name or the filter. Borrowed like `reason_string`. What is none refuses what
     * was asked for with 0x83, implementation specific error.
     */
    struct rmqtt_str_t topic;
    /**
     * With `RMQTT_REPLACE_PAYLOAD`. Borrowed like `reason_string`.
     */
    struct rmqtt_bytes_t payload;
    /**
     * Bits of `enum rmqtt_replace`; those that do not belong to the question are not looked at. Only where `kind` or the
     * hook's answer is `RMQTT_VERDICT_ALLOW`.
     */
    uint32_t replace;
    /**
     * With `RMQTT_REPLACE_QOS`: 0, 1 or 2; another number denies.
     */
    uint8_t qos;
    /**
     * With `RMQTT_REPLACE_RETAIN`.
     */
    bool retain;
    /**
     * With `RMQTT_REPLACE_KEEP_ALIVE`: seconds; 0 for none.
     */
    uint16_t keep_alive_s;
    /**
     * With `RMQTT_REPLACE_PROPERTIES`: the properties of the message; NULL for none. Borrowed like `reason_string`.
     */
    const struct rmqtt_properties_t *properties;
    /**
     * User properties for an MQTT 5 client, in the packet that answers it, `user_property_count` of them. Borrowed like
     * `reason_string`. Those for the filters of one SUBSCRIBE or UNSUBSCRIBE are sent together.
     */
    const struct rmqtt_user_property_t *user_properties;
    /**
     * How many user properties there are.
     */
    size_t user_property_count;
    /**
     * With `RMQTT_REPLACE_CLIENT_ID`: not empty. Borrowed like `reason_string`.
     */
    struct rmqtt_str_t client_id;
    /**
     * Authentication data for the client of an `auth_exchange`, with a yes or to go on; absent for none. Borrowed like
     * `reason_string`.
     */
    struct rmqtt_bytes_t auth_data;
    /**
     * Response information for an MQTT 5 client that connects and has asked for it; absent for none. Borrowed like
     * `reason_string`.
     */
    struct rmqtt_str_t response_information;
    /**
     * Where an MQTT 5 client that may not connect, or not stay connected, should go, for 0x9C and 0x9D; absent for none.
     * Borrowed like `reason_string`.
     */
    struct rmqtt_str_t server_reference;
    /**
     * With `RMQTT_REPLACE_SESSION_EXPIRY`: seconds; 4294967295 for never.
     */
    uint32_t session_expiry_s;
    /**
     * The configured access rules do not hold for the client that connects.
     */
    bool superuser;
    /**
     * Zero.
     */
    uint8_t reserved_tail[3];
} rmqtt_verdict_t;

/**
 * A certificate that a client has shown, and that has been verified. All of it lives as long as the hook runs.
 */
typedef struct rmqtt_certificate_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The subject, as RFC 4514 writes it: `CN=pump-7,O=Plant`.
     */
    struct rmqtt_str_t subject;
    /**
     * The common name of the subject; absent if it has none.
     */
    struct rmqtt_str_t common_name;
    /**
     * The issuer, written as the subject.
     */
    struct rmqtt_str_t issuer;
    /**
     * The serial number: hexadecimal digits in lower case, two for each octet.
     */
    struct rmqtt_str_t serial;
    /**
     * The SHA-256 fingerprint of the certificate: 64 hexadecimal digits in lower case.
     */
    struct rmqtt_str_t sha256;
    /**
     * The subject alternative names, `alternative_name_count` of them, each with its kind: `DNS:pump-7.example`,
     * `IP:192.0.2.1`, `URI:urn:pump:7`, `email:pump@example.com`. Names of other kinds are in `der` only. NULL if there are
     * none.
     */
    const struct rmqtt_str_t *alternative_names;
    /**
     * How many alternative names there are.
     */
    size_t alternative_name_count;
    /**
     * When the certificate begins to be valid, in seconds since 1970.
     */
    int64_t not_before_s;
    /**
     * When it ceases to be valid, in seconds since 1970.
     */
    int64_t not_after_s;
    /**
     * The certificate itself, DER.
     */
    struct rmqtt_bytes_t der;
} rmqtt_certificate_t;

/**
 * What is known of a connection besides its address, before its client has said anything in MQTT. All of it lives as long
 * as the hook runs.
 */
typedef struct rmqtt_connection_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The transport: "tcp", "tls", "ws", "wss", "quic", "unix", or "attached" for a connection that the program has brought.
     */
    struct rmqtt_str_t transport;
    /**
     * The load balancer or reverse proxy that has told of the client's address; absent if none has.
     */
    struct rmqtt_str_t proxy_address;
    /**
     * PROXY protocol version 2: the server that the client has named (SNI). Absent, as the four below, if it was not told.
     */
    struct rmqtt_str_t proxy_authority;
    /**
     * PROXY protocol version 2: the application protocol (ALPN).
     */
    struct rmqtt_str_t proxy_alpn;
    /**
     * PROXY protocol version 2: the version of TLS, as the load balancer spells it.
     */
    struct rmqtt_str_t proxy_tls_version;
    /**
     * PROXY protocol version 2: the common name of the client's certificate, if the load balancer has verified it.
     */
    struct rmqtt_str_t proxy_common_name;
    /**
     * PROXY protocol version 2: what identifies the connection.
     */
    struct rmqtt_bytes_t proxy_unique_id;
    /**
     * The version of TLS: "1.2" or "1.3". Absent, as the three below, where there is no TLS, or before its handshake.
     */
    struct rmqtt_str_t tls_version;
    /**
     * The cipher suite, as IANA spells it, such as "TLS_AES_128_GCM_SHA256". Not told for QUIC.
     */
    struct rmqtt_str_t cipher_suite;
    /**
     * The server that the client has named (SNI); absent if it has not.
     */
    struct rmqtt_str_t server_name;
    /**
     * The application protocol agreed on (ALPN); absent if the client has offered none.
     */
    struct rmqtt_str_t alpn;
    /**
     * The certificate of the client; NULL if it has shown none.
     */
    const struct rmqtt_certificate_t *certificate;
    /**
     * Unix sockets: the process at the other end when it connected; -1 if it is not known.
     */
    int32_t pid;
    /**
     * Unix sockets: the user that it ran as; 4294967295 if that is not known.
     */
    uint32_t uid;
    /**
     * Unix sockets: its group; 4294967295 if that is not known.
     */
    uint32_t gid;
    /**
     * Zero.
     */
    uint8_t reserved[4];
} rmqtt_connection_t;

/**
 * A client wants to connect. All of it lives as long as the hook runs.
 */
typedef struct rmqtt_authenticate_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who wants to connect.
     */
    const struct rmqtt_client_t *client;
    /**
     * The will; NULL if CONNECT has none.
     */
    const struct rmqtt_message_t *will;
    /**
     * The password; absent if CONNECT has none.
     */
    struct rmqtt_bytes_t password;
    /**
     * The keep alive that CONNECT asks for, in seconds; 0 for none.
     */
    uint16_t keep_alive_s;
    /**
     * Clean start, in MQTT before 5 clean session: whether the session before is to be discarded.
     */
    bool clean_start;
    /**
     * Request response information: the client would like to be told where answers go.
     */
    bool request_response_information;
    /**
     * Request problem information: the client takes reason strings and user properties with every packet.
     */
    bool request_problem_information;
    /**
     * Zero.
     */
    uint8_t reserved[3];
    /**
     * User properties of CONNECT, `user_property_count` of them; NULL if there are none.
     */
    const struct rmqtt_user_property_t *user_properties;
    /**
     * How many user properties there are.
     */
    size_t user_property_count;
    /**
     * Session expiry interval, in seconds; 4294967295 for never. Before MQTT 5: 0 with clean session, else never.
     */
    uint32_t session_expiry_s;
    /**
     * The largest packet that the client takes, in bytes; 0 for no limit.
     */
    uint32_t maximum_packet_size;
    /**
     * QoS 1 and 2 messages that the client takes at once, at least 1.
     */
    uint16_t receive_maximum;
    /**
     * Topic aliases that the client takes.
     */
    uint16_t topic_alias_maximum;
    /**
     * Zero.
     */
    uint8_t reserved_tail[4];
    /**
     * What is known of the connection: TLS, certificate, load balancer.
     */
    const struct rmqtt_connection_t *connection;
} rmqtt_authenticate_t;

/**
 * Decides whether a client may connect.
 *
 * @param event Who wants to connect, with what.
 * @param verdict The details of the answer: reason code and string, user properties; if it allows, another client
 *                identifier, session expiry or keep alive, superuser, response information; see `rmqtt_verdict_t`.
 * @param user_data That of the hooks.
 * @return `RMQTT_VERDICT_ALLOW`; `RMQTT_VERDICT_CONTINUE` to leave it to the configuration (`auth`); `RMQTT_VERDICT_DEFERRED`
 *         after `rmqtt_decision_defer`; anything else denies.
 */
typedef rmqtt_verdict_kind_t (*rmqtt_authenticate_fn)(const struct rmqtt_authenticate_t *event,
                                                      struct rmqtt_verdict_t *verdict,
                                                      void *user_data);

/**
 * A client is connected. All of it lives as long as the hook runs.
 */
typedef struct rmqtt_connected_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who is connected.
     */
    const struct rmqtt_client_t *client;
} rmqtt_connected_t;

/**
 * Hears that a client is connected.
 */
typedef void (*rmqtt_connected_fn)(const struct rmqtt_connected_t *event, void *user_data);

/**
 * A value of `enum rmqtt_disconnected_by`.
 */
typedef int32_t rmqtt_disconnected_by_t;

/**
 * A client that was connected is gone. All of it lives as long as the hook runs.
 */
typedef struct rmqtt_disconnected_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who is gone.
     */
    const struct rmqtt_client_t *client;
    /**
     * Why, in words.
     */
    struct rmqtt_str_t reason;
    /**
     * A value of `enum rmqtt_disconnected_by`.
     */
    rmqtt_disconnected_by_t by;
    /**
     * Why, as an MQTT 5 DISCONNECT reason code, whatever the client speaks.
     */
    uint8_t reason_code;
    /**
     * Zero.
     */
    uint8_t reserved[3];
} rmqtt_disconnected_t;

/**
 * Hears that a client is gone.
 */
typedef void (*rmqtt_disconnected_fn)(const struct rmqtt_disconnected_t *event, void *user_data);

/**
 * A value of `enum rmqtt_stage`.
 */
typedef int32_t rmqtt_stage_t;

/**
 * A connection that has sent nothing yet in MQTT. All of it lives as long as the hook runs.
 */
typedef struct rmqtt_pre_connect_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Where it comes from, such as `192.0.2.1:49152`.
     */
    struct rmqtt_str_t address;
    /**
     * The name of the listener that accepted it.
     */
    struct rmqtt_str_t listener;
    /**
     * What is known of the connection so far.
     */
    const struct rmqtt_connection_t *connection;
    /**
     * How far it has come: a value of `enum rmqtt_stage`.
     */
    rmqtt_stage_t stage;
    /**
     * Zero.
     */
    uint8_t reserved[4];
} rmqtt_pre_connect_t;

/**
 * Decides whether a connection may say anything; if not, it is closed without a word. It is asked when the connection has
 * been accepted, before any handshake costs anything, and on listeners with TLS, WebSocket or QUIC once more after that,
 * when the certificate and the address that a reverse proxy tells of are known.
 *
 * @param event Where it comes from.
 * @param verdict The details of the answer. None of them is looked at here.
 * @param user_data That of the hooks.
 * @return As `rmqtt_authenticate_fn`.
 */
typedef rmqtt_verdict_kind_t (*rmqtt_pre_connect_fn)(const struct rmqtt_pre_connect_t *event,
                                                     struct rmqtt_verdict_t *verdict,
                                                     void *user_data);

/**
 * A message is to be published. All of it lives as long as the hook runs.
 */
typedef struct rmqtt_authorize_publish_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The message, with its publisher. Its origin is `RMQTT_ORIGIN_CLIENT`, `RMQTT_ORIGIN_API`, `RMQTT_ORIGIN_DELAYED` for one
     * of the host program that is asked about when it is due, or `RMQTT_ORIGIN_WILL`: a will is asked about when its client
     * connects, and again when it is published.
     */
    const struct rmqtt_message_t *message;
} rmqtt_authorize_publish_t;

/**
 * Decides whether a message may be published.
 *
 * @param event The message.
 * @param verdict The details of the answer: a reason code, string and user properties for PUBACK or PUBREC, or what is to
 *                be published instead.
 * @param user_data That of the hooks.
 * @return As `rmqtt_authenticate_fn`, or `RMQTT_VERDICT_DROP`.
 */
typedef rmqtt_verdict_kind_t (*rmqtt_authorize_publish_fn)(const struct rmqtt_authorize_publish_t *event,
                                                           struct rmqtt_verdict_t *verdict,
                                                           void *user_data);

/**
 * A client wants to subscribe. All of it lives as long as the hook runs.
 */
typedef struct rmqtt_authorize_subscribe_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who wants to subscribe.
     */
    const struct rmqtt_client_t *client;
    /**
     * The topic filter, `$share/{group}/` included.
     */
    struct rmqtt_str_t filter;
    /**
     * The subscription identifier; 0 for none.
     */
    uint32_t identifier;
    /**
     * The highest QoS that it asks for, at most `limits.max_qos`.
     */
    uint8_t qos;
    /**
     * Not the messages that the client publishes itself.
     */
    bool no_local;
    /**
     * The retain flag as publishers set it.
     */
    bool retain_as_published;
    /**
     * As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
     */
    uint8_t retain_handling;
} rmqtt_authorize_subscribe_t;

/**
 * Decides whether a client may subscribe, filter by filter.
 *
 * @param event Who wants to subscribe to what.
 * @param verdict The details of the answer: a reason code, string and user properties for SUBACK, a lower QoS, or
 *                another filter.
 * @param user_data That of the hooks.
 * @return As `rmqtt_authenticate_fn`.
 */
typedef rmqtt_verdict_kind_t (*rmqtt_authorize_subscribe_fn)(const struct rmqtt_authorize_subscribe_t *event,
                                                             struct rmqtt_verdict_t *verdict,
                                                             void *user_data);

/**
 * A client wants to give a subscription up. All of it lives as long as the hook runs.
 */
typedef struct rmqtt_authorize_unsubscribe_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who wants to unsubscribe.
     */
    const struct rmqtt_client_t *client;
    /**
     * The topic filter, as the client has subscribed to it.
     */
    struct rmqtt_str_t filter;
} rmqtt_authorize_unsubscribe_t;

/**
 * Decides whether a client may unsubscribe, filter by filter.
 *
 * @param event Who wants to unsubscribe from what.
 * @param verdict The details of the answer: a reason code, string and user properties for UNSUBACK, which clients
 *                before MQTT 5 do not see.
 * @param user_data That of the hooks.
 * @return As `rmqtt_authenticate_fn`.
 */
typedef rmqtt_verdict_kind_t (*rmqtt_authorize_unsubscribe_fn)(const struct rmqtt_authorize_unsubscribe_t *event,
                                                               struct rmqtt_verdict_t *verdict,
                                                               void *user_data);

/**
 * A message is to be sent to a client for the first time. All of it lives as long as the hook runs.
 */
typedef struct rmqtt_authorize_forward_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who is to get it.
     */
    const struct rmqtt_client_t *client;
    /**
     * The message, with its publisher.
     */
    const struct rmqtt_message_t *message;
    /**
     * The QoS that it is sent with: the lower one of the message's and the subscription's.
     */
    uint8_t qos;
    /**
     * The retain flag that it is sent with.
     */
    bool retain;
    /**
     * Zero.
     */
    uint8_t reserved[6];
} rmqtt_authorize_forward_t;

/**
 * Decides whether a client gets a message: a live one, one that has waited for it, or a retained one. It is asked once
 * for each receiver and message, before the first time that it is sent.
 *
 * @param event Who is to get what.
 * @param verdict The details of the answer: another topic, payload, retain flag or other MQTT 5 properties for this
 *                client, or a lower QoS.
 * @param user_data That of the hooks.
 * @return As `rmqtt_authenticate_fn`. Whatever denies drops the message for this client.
 */
typedef rmqtt_verdict_kind_t (*rmqtt_authorize_forward_fn)(const struct rmqtt_authorize_forward_t *event,
                                                           struct rmqtt_verdict_t *verdict,
                                                           void *user_data);

/**
 * A client authenticates in a way of its own, round by round: MQTT 5 enhanced authentication. All of it lives as long as
 * the hook runs.
 */
typedef struct rmqtt_auth_exchange_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who authenticates.
     */
    const struct rmqtt_client_t *client;
    /**
     * The authentication method of its CONNECT.
     */
    struct rmqtt_str_t method;
    /**
     * The authentication data of this round; absent if there is none.
     */
    struct rmqtt_bytes_t data;
    /**
     * 1 for CONNECT, or for the AUTH that begins a re-authentication; one more for each AUTH that follows.
     */
    uint32_t round;
    /**
     * Whether the client is connected already, and authenticates again.
     */
    bool again;
    /**
     * Zero.
     */
    uint8_t reserved[3];
    /**
     * What is known of the connection: TLS, certificate, load balancer. NULL with `again`.
     */
    const struct rmqtt_connection_t *connection;
} rmqtt_auth_exchange_t;

/**
 * Decides about one round of enhanced authentication.
 *
 * @param event Who authenticates, with what.
 * @param verdict The details of the answer: `auth_data` for the client, and with the last one of a CONNECT what
 *                `rmqtt_authenticate_fn` may say.
 * @param user_data That of the hooks.
 * @return `RMQTT_VERDICT_CONTINUE` to challenge the client once more, which denies in round 64; else as
 *         `rmqtt_authenticate_fn`. A re-authentication that is denied ends the connection; of one that is allowed nothing
 *         is looked at but `auth_data`, reason string and user properties.
 */
typedef rmqtt_verdict_kind_t (*rmqtt_auth_exchange_fn)(const struct rmqtt_auth_exchange_t *event,
                                                       struct rmqtt_verdict_t *verdict,
                                                       void *user_data);

/**
 * A CONNECT that could be read has been answered.
 */
typedef struct rmqtt_connack_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who wanted to connect.
     */
    const struct rmqtt_client_t *client;
    /**
     * The reason string; absent if there is none.
     */
    struct rmqtt_str_t reason_string;
    /**
     * The reason code of MQTT 5, whatever the client speaks: 0 if it is connected.
     */
    uint8_t reason_code;
    /**
     * Whether the client finds the session that it had before.
     */
    bool session_present;
    /**
     * Zero.
     */
    uint8_t reserved[6];
} rmqtt_connack_t;

/**
 * Hears how a CONNECT has been answered.
 */
typedef void (*rmqtt_connack_fn)(const struct rmqtt_connack_t *event, void *user_data);

/**
 * A value of `enum rmqtt_session_end`.
 */
typedef int32_t rmqtt_session_end_t;

/**
 * A session has begun, changed hands, or is over.
 */
typedef struct rmqtt_session_event_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * `session_created`, `session_resumed`: the connection that has the session. `session_taken_over`: the connection that
     * loses it. `session_terminated`: the last connection that had it.
     */
    const struct rmqtt_client_t *client;
    /**
     * For `session_terminated` a value of `enum rmqtt_session_end`, else 0.
     */
    rmqtt_session_end_t end;
    /**
     * Zero.
     */
    uint8_t reserved[4];
} rmqtt_session_event_t;

/**
 * Hears that a session has begun, changed hands, or is over.
 */
typedef void (*rmqtt_session_fn)(const struct rmqtt_session_event_t *event, void *user_data);

/**
 * A client has subscribed, or changed a subscription.
 */
typedef struct rmqtt_subscribed_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who has subscribed.
     */
    const struct rmqtt_client_t *client;
    /**
     * The topic filter, as in SUBSCRIBE.
     */
    struct rmqtt_str_t filter;
    /**
     * The filter whose messages it gets: that one, unless a hook has put another in its place.
     */
    struct rmqtt_str_t granted;
    /**
     * The subscription identifier; 0 for none.
     */
    uint32_t identifier;
    /**
     * The highest QoS, as granted.
     */
    uint8_t qos;
    /**
     * Not the messages that the client publishes itself.
     */
    bool no_local;
    /**
     * The retain flag as publishers set it.
     */
    bool retain_as_published;
    /**
     * As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
     */
    uint8_t retain_handling;
} rmqtt_subscribed_t;

/**
 * Hears that a client has subscribed.
 */
typedef void (*rmqtt_subscribed_fn)(const struct rmqtt_subscribed_t *event, void *user_data);

/**
 * A client has unsubscribed. When its session ends, `session_terminated` tells that all its subscriptions are over.
 */
typedef struct rmqtt_unsubscribed_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who has unsubscribed.
     */
    const struct rmqtt_client_t *client;
    /**
     * The topic filter, as it was subscribed to.
     */
    struct rmqtt_str_t filter;
} rmqtt_unsubscribed_t;

/**
 * Hears that a client has unsubscribed.
 */
typedef void (*rmqtt_unsubscribed_fn)(const struct rmqtt_unsubscribed_t *event, void *user_data);

/**
 * A message is on its way to its receivers.
 */
typedef struct rmqtt_message_published_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The message, with what `authorize_publish` has changed of it.
     */
    const struct rmqtt_message_t *message;
    /**
     * How many sessions and subscriptions of the host program it goes to.
     */
    uint64_t receivers;
} rmqtt_message_published_t;

/**
 * Hears that a message, or a will, is on its way.
 */
typedef void (*rmqtt_message_published_fn)(const struct rmqtt_message_published_t *event, void *user_data);

/**
 * A message is written to a client for the first time.
 */
typedef struct rmqtt_message_delivered_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who gets it.
     */
    const struct rmqtt_client_t *client;
    /**
     * The message, with what `authorize_forward` has changed of it.
     */
    const struct rmqtt_message_t *message;
    /**
     * The QoS that it is sent with.
     */
    uint8_t qos;
    /**
     * The retain flag that it is sent with.
     */
    bool retain;
    /**
     * Zero.
     */
    uint8_t reserved[6];
} rmqtt_message_delivered_t;

/**
 * Hears that a message is written to a client.
 */
typedef void (*rmqtt_message_delivered_fn)(const struct rmqtt_message_delivered_t *event, void *user_data);

/**
 * A client has acknowledged a message of QoS 1 with PUBACK, or one of QoS 2 with PUBREC.
 */
typedef struct rmqtt_message_acked_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * Who has acknowledged it.
     */
    const struct rmqtt_client_t *client;
    /**
     * The message.
     */
    const struct rmqtt_message_t *message;
    /**
     * The QoS that it was sent with.
     */
    uint8_t qos;
    /**
     * The reason code of the acknowledgement; from 0x80 on the client has refused the message.
     */
    uint8_t reason_code;
    /**
     * Zero.
     */
    uint8_t reserved[6];
} rmqtt_message_acked_t;

/**
 * Hears that a client has acknowledged a message.
 */
typedef void (*rmqtt_message_acked_fn)(const struct rmqtt_message_acked_t *event, void *user_data);

/**
 * A value of `enum rmqtt_drop_cause`.
 */
typedef int32_t rmqtt_drop_cause_t;

/**
 * A message does not reach a receiver, or nobody at all.
 */
typedef struct rmqtt_message_dropped_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The client that does not get it; NULL if nobody does, or if a subscription of the host program does not.
     */
    const struct rmqtt_client_t *client;
    /**
     * The message.
     */
    const struct rmqtt_message_t *message;
    /**
     * A value of `enum rmqtt_drop_cause`.
     */
    rmqtt_drop_cause_t cause;
    /**
     * Zero.
     */
    uint8_t reserved[4];
} rmqtt_message_dropped_t;

/**
 * Hears that a message does not reach a receiver.
 */
typedef void (*rmqtt_message_dropped_fn)(const struct rmqtt_message_dropped_t *event, void *user_data);

/**
 * A value of `enum rmqtt_retained_change`.
 */
typedef int32_t rmqtt_retained_change_t;

/**
 * The retained message of a topic has changed.
 */
typedef struct rmqtt_retained_changed_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The message that is retained now, that took the one before back, or that has expired. For one that the host program
     * has deleted it is an empty one of the origin `RMQTT_ORIGIN_API`.
     */
    const struct rmqtt_message_t *message;
    /**
     * A value of `enum rmqtt_retained_change`.
     */
    rmqtt_retained_change_t change;
    /**
     * Zero.
     */
    uint8_t reserved[4];
} rmqtt_retained_changed_t;

/**
 * Hears that the retained message of a topic has changed.
 */
typedef void (*rmqtt_retained_changed_fn)(const struct rmqtt_retained_changed_t *event, void *user_data);

/**
 * Somebody is the first to subscribe to a topic filter, or the last to give it up.
 */
typedef struct rmqtt_subscriber_event_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The topic filter, without `$share/{group}/`.
     */
    struct rmqtt_str_t filter;
    /**
     * The client whose subscription it is; NULL for one of the host program.
     */
    const struct rmqtt_client_t *client;
} rmqtt_subscriber_event_t;

/**
 * Hears that a filter has its first subscriber, or has lost the last one.
 */
typedef void (*rmqtt_subscriber_fn)(const struct rmqtt_subscriber_event_t *event, void *user_data);

/**
 * A listener of a broker. From `rmqtt_broker_listener_info`, its text lives as long as the broker; in a hook, as long as the
 * hook runs.
 */
typedef struct rmqtt_listener_info_t {
    /**
     * `sizeof(rmqtt_listener_info_t)`, set by the caller; in a hook, what the library fills.
     */
    size_t struct_size;
    /**
     * The name.
     */
    struct rmqtt_str_t name;
    /**
     * The transport, such as "tcp".
     */
    struct rmqtt_str_t type;
    /**
     * Where it is bound, such as "127.0.0.1:1883", or the path of a Unix socket; as configured while the broker does not run.
     */
    struct rmqtt_str_t address;
    /**
     * The port of that address: the real one while the broker runs, also where port 0 is configured. 0 for Unix sockets.
     */
    uint16_t port;
    /**
     * Zero.
     */
    uint8_t reserved[6];
} rmqtt_listener_info_t;

/**
 * Hears that a listener is open, or closed.
 */
typedef void (*rmqtt_listener_fn)(const struct rmqtt_listener_info_t *event, void *user_data);

/**
 * A value of `enum rmqtt_resource`.
 */
typedef int32_t rmqtt_resource_t;

/**
 * Something had to be refused because a limit of the broker as a whole is reached, or there is room again: a tenth of the
 * limit, a quarter if it is that of memory.
 */
typedef struct rmqtt_overload_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The limit.
     */
    uint64_t limit;
    /**
     * A value of `enum rmqtt_resource`. A number that a program does not know is one of a later version.
     */
    rmqtt_resource_t resource;
    /**
     * Whether it has begun; if not, it is over.
     */
    bool begun;
    /**
     * Zero.
     */
    uint8_t reserved[3];
} rmqtt_overload_t;

/**
 * Hears that a limit is reached, or that there is room again.
 */
typedef void (*rmqtt_overload_fn)(const struct rmqtt_overload_t *event, void *user_data);

/**
 * A value of `enum rmqtt_ban_kind`.
 */
typedef int32_t rmqtt_ban_kind_t;

/**
 * A value of `enum rmqtt_ban_cause`.
 */
typedef int32_t rmqtt_ban_cause_t;

/**
 * Somebody is kept out from now on.
 */
typedef struct rmqtt_client_banned_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * The address, client identifier or user name; of IPv6 the network, such as `2001:db8::/64`.
     */
    struct rmqtt_str_t value;
    /**
     * What it is: a value of `enum rmqtt_ban_kind`.
     */
    rmqtt_ban_kind_t kind;
    /**
     * Why: a value of `enum rmqtt_ban_cause`.
     */
    rmqtt_ban_cause_t cause;
    /**
     * How long, in milliseconds; 0 until `rmqtt_broker_unban`.
     */
    uint64_t ban_ms;
} rmqtt_client_banned_t;

/**
 * Hears that somebody is kept out from now on.
 */
typedef void (*rmqtt_client_banned_fn)(const struct rmqtt_client_banned_t *event, void *user_data);

/**
 * The code of the host program that the broker asks and tells. Start with `rmqtt_hooks_init()`, or with zeroes and
 * `struct_size`. NULL: not interested, at no cost.
 *
 * **Threads.** Hooks run on the callback threads of the broker (`callbacks.threads`), never on those that serve
 * clients, unless a flag says `RMQTT_HOOK_INLINE`: such a hook must not block, for it holds up other clients. Those of one
 * client run one at a time and in order; those of different clients run at the same time. They may call every function of
 * this library; `rmqtt_broker_stop` answers `RMQTT_ERR_WOULD_DEADLOCK`. They may block: that holds up their client and one
 * callback thread.
 *
 * **No answer is a no.** A decision that is not made within `callbacks.timeout_ms`, for which the queue has no room,
 * whose answer is a number without a meaning, or that a stop overtakes, is denied.
 *
 * **Events.** What happens to an event that finds `callbacks.queue` of them waiting says `callbacks.event_overflow`.
 */
typedef struct rmqtt_hooks_t {
    /**
     * `sizeof(rmqtt_hooks_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * Passed to every hook.
     */
    void *user_data;
    /**
     * Frees `user_data`, or NULL.
     */
    rmqtt_drop_fn drop;
    /**
     * Decides whether a client may connect. Without it, the configuration decides.
     */
    rmqtt_authenticate_fn authenticate;
    /**
     * Hears that a client is connected.
     */
    rmqtt_connected_fn connected;
    /**
     * Hears that a client that was connected is gone.
     */
    rmqtt_disconnected_fn disconnected;
    /**
     * Decides whether a connection may say anything.
     */
    rmqtt_pre_connect_fn pre_connect;
    /**
     * Decides whether a message may be published. Without it, every message may, but no client's to `$SYS/#` that is not
     * a superuser.
     */
    rmqtt_authorize_publish_fn authorize_publish;
    /**
     * Decides whether a client may subscribe. Without it, it may, but to `$SYS/#` only if `acl.sys_topics` says so.
     */
    rmqtt_authorize_subscribe_fn authorize_subscribe;
    /**
     * Decides whether a client may unsubscribe. Without it, it may.
     */
    rmqtt_authorize_unsubscribe_fn authorize_unsubscribe;
    /**
     * 0 or `RMQTT_HOOK_INLINE` for each hook, by `enum rmqtt_hook`.
     */
    uint8_t flags[64];
    /**
     * Decides whether a client gets a message. Without it, it does.
     */
    rmqtt_authorize_forward_fn authorize_forward;
    /**
     * Decides about each round of an enhanced authentication, in the place of `authenticate`. Without it, a client that asks
     * for one is refused with 0x8C.
     */
    rmqtt_auth_exchange_fn auth_exchange;
    /**
     * Hears how a CONNECT has been answered.
     */
    rmqtt_connack_fn connack;
    /**
     * Hears that a client has got a session that there was not before.
     */
    rmqtt_session_fn session_created;
    /**
     * Hears that a client has got the session that was kept for it.
     */
    rmqtt_session_fn session_resumed;
    /**
     * Hears that a connection loses its session to a new one under its client identifier; `disconnected` follows.
     */
    rmqtt_session_fn session_taken_over;
    /**
     * Hears that a session is over, with all that was kept in it.
     */
    rmqtt_session_fn session_terminated;
    /**
     * Hears that a client has subscribed.
     */
    rmqtt_subscribed_fn subscribed;
    /**
     * Hears that a client has unsubscribed.
     */
    rmqtt_unsubscribed_fn unsubscribed;
    /**
     * Hears of each message that is on its way, wills and those of the host program included.
     */
    rmqtt_message_published_fn message_published;
    /**
     * Hears of each message that is written to a client for the first time.
     */
    rmqtt_message_delivered_fn message_delivered;
    /**
     * Hears of each message that a client has acknowledged.
     */
    rmqtt_message_acked_fn message_acked;
    /**
     * Hears of each message that does not reach a receiver.
     */
    rmqtt_message_dropped_fn message_dropped;
    /**
     * Hears of each will that is on its way; so does `message_published`.
     */
    rmqtt_message_published_fn will_published;
    /**
     * Hears that the retained message of a topic has changed.
     */
    rmqtt_retained_changed_fn retained_changed;
    /**
     * Hears that a filter that nobody was subscribed to has its first subscriber. Not inline.
     */
    rmqtt_subscriber_fn first_subscriber;
    /**
     * Hears that nobody is subscribed to a filter any more; a stop, which ends all subscriptions, is not told so. Not inline.
     */
    rmqtt_subscriber_fn last_subscriber;
    /**
     * Hears that a listener is open, or is called so from now on.
     */
    rmqtt_listener_fn listener_up;
    /**
     * Hears that a listener is closed, or is called so no longer.
     */
    rmqtt_listener_fn listener_down;
    /**
     * Hears that a limit of the broker as a whole is reached, or that there is room again.
     */
    rmqtt_overload_fn overload;
    /**
     * Hears that somebody is kept out from now on.
     */
    rmqtt_client_banned_fn client_banned;
} rmqtt_hooks_t;

/**
 * A snapshot of a broker. Start with `rmqtt_stats_init()`.
 *
 * Counters run from `rmqtt_broker_new` on, over all starts and stops; gauges are of now.
 */
typedef struct rmqtt_stats_t {
    /**
     * `sizeof(rmqtt_stats_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * When the current run started, in milliseconds since 1970; 0 when the broker does not run.
     */
    uint64_t started_at_ms;
    /**
     * Milliseconds since then.
     */
    uint64_t uptime_ms;
    /**
     * Gauge: clients connected.
     */
    uint64_t connected_clients;
    /**
     * Gauge: sessions of clients, those of absent clients included.
     */
    uint64_t sessions;
    /**
     * Gauge: subscriptions of those sessions.
     */
    uint64_t subscriptions;
    /**
     * Gauge: subscriptions of the host program.
     */
    uint64_t in_process_subscriptions;
    /**
     * Gauge: retained messages.
     */
    uint64_t retained_messages;
    /**
     * Counter: connections that got as far as an accepted CONNECT.
     */
    uint64_t connections;
    /**
     * Counter: messages that clients published, wills included.
     */
    uint64_t messages_received;
    /**
     * Counter: messages sent to clients.
     */
    uint64_t messages_sent;
    /**
     * Counter: messages that the host program published.
     */
    uint64_t messages_published;
    /**
     * Counter: messages handed to subscriptions of the host program.
     */
    uint64_t messages_delivered;
    /**
     * Counter: messages that did not reach a client or a subscription of the host program, for whatever cause.
     */
    uint64_t messages_dropped;
    /**
     * Counter: decisions of hooks that allowed.
     */
    uint64_t decisions_allowed;
    /**
     * Counter: decisions of hooks that denied, for whatever cause; those below are among them.
     */
    uint64_t decisions_denied;
    /**
     * Counter: decisions denied because no answer came in time.
     */
    uint64_t decisions_expired;
    /**
     * Counter: decisions denied because the callback queue was full.
     */
    uint64_t decisions_overflowed;
    /**
     * Gauge: deferred decisions that are open.
     */
    uint64_t decisions_pending;
    /**
     * Counter: events dropped because the callback queue was full.
     */
    uint64_t events_dropped;
    /**
     * Counter: panics caught in callbacks.
     */
    uint64_t callback_panics;
    /**
     * Counter: of those, dropped because as many messages waited as allowed.
     */
    uint64_t messages_dropped_queue_full;
    /**
     * Counter: of those, dropped because they had expired while they waited.
     */
    uint64_t messages_dropped_expired;
    /**
     * Counter: of those, dropped because they were larger than the client takes.
     */
    uint64_t messages_dropped_too_large;
    /**
     * Counter: of those, dropped because their client went before they were sent, and they were not kept for it.
     */
    uint64_t messages_dropped_client_gone;
    /**
     * Counter: of those, refused: by a hook, or because of the topic.
     */
    uint64_t messages_dropped_refused;
    /**
     * Counter: connections whose CONNECT was refused, or that were closed because there were as many as allowed.
     */
    uint64_t connections_refused;
    /**
     * Counter: connections closed because their CONNECT was not complete in time.
     */
    uint64_t connections_timed_out;
    /**
     * Counter: connections ended by a panic in the library, which is a fault worth reporting.
     */
    uint64_t connection_panics;
    /**
     * Counter: decisions denied because the hook was to answer later, but had taken no ticket.
     */
    uint64_t decisions_without_ticket;
    /**
     * Counter: decisions denied because the hook failed: it panicked, said so, or its answer could not be understood.
     */
    uint64_t decisions_failed;
    /**
     * Counter: decisions denied because the broker stopped before there was an answer.
     */
    uint64_t decisions_stopped;
    /**
     * Counter: decisions denied because whoever wanted to know was gone before there was an answer.
     */
    uint64_t decisions_departed;
    /**
     * Counter: events that hooks have been told of.
     */
    uint64_t events_told;
    /**
     * Counter: calls of hooks in place that were seen to take 10 milliseconds or more.
     */
    uint64_t slow_hook_calls;
    /**
     * Counter: bytes read from clients' connections, from the first one on, also of those that are refused.
     */
    uint64_t bytes_received;
    /**
     * Counter: bytes written to clients' connections.
     */
    uint64_t bytes_sent;
    /**
     * Gauge: messages that wait in sessions, those of absent clients included.
     */
    uint64_t queued_messages;
    /**
     * Gauge: bytes that they take, as `limits.max_queued_bytes` counts them.
     */
    uint64_t queued_bytes;
    /**
     * Gauge: messages of QoS 1 and 2 that have been sent to clients, and not acknowledged to the end.
     */
    uint64_t in_flight;
    /**
     * Gauge: messages of the host program that are to be published later.
     */
    uint64_t delayed_messages;
    /**
     * Counter: connections that ended below MQTT because a header of the PROXY protocol, or a handshake of TLS, WebSocket or
     * QUIC, failed. Those that were too slow are in `connections_timed_out`.
     */
    uint64_t handshakes_failed;
    /**
     * Counter: of the connections refused, those from networks that `limits.ip_allow` and `limits.ip_deny` keep out.
     */
    uint64_t connections_refused_network;
    /**
     * Counter: of the connections refused, those of whom is banned.
     */
    uint64_t connections_refused_banned;
    /**
     * Counter: of the connections refused, those above `limits.conn_rate_per_sec` or `limits.conn_rate_per_ip_per_sec`.
     */
    uint64_t connections_refused_rate;
    /**
     * Counter: of the connections refused, those whose client could not authenticate.
     */
    uint64_t connections_refused_authentication;
    /**
     * Counter: of `messages_dropped`, dropped because their client published faster than `limits` lets it.
     */
    uint64_t messages_dropped_rate;
    /**
     * Counter: messages after which a client was not read from for a while, because it had published too fast.
     */
    uint64_t publishes_throttled;
    /**
     * Counter: connections closed because their client published faster than `limits` lets it.
     */
    uint64_t connections_closed_rate;
    /**
     * Counter: of `messages_dropped`, dropped because too little of the memory budget was left.
     */
    uint64_t messages_dropped_memory;
    /**
     * Gauge: bytes held for messages on their way: waiting, in flight or delayed.
     */
    uint64_t memory_queues;
    /**
     * Gauge: bytes held for retained messages.
     */
    uint64_t memory_retained;
    /**
     * Gauge: bytes held for sessions, their subscriptions and wills, and their connections.
     */
    uint64_t memory_sessions;
    /**
     * Gauge: bytes held for packets that are not complete yet, and for what has not been written yet.
     */
    uint64_t memory_buffers;
    /**
     * Gauge: bytes held in all, by the broker's own account: what `limits.memory_budget_bytes` bounds.
     */
    uint64_t memory_used;
    /**
     * Counter: of the connections refused, those for which there was no place: `max_connections`, of a listener or in all, or
     * `max_sessions`.
     */
    uint64_t connections_refused_full;
    /**
     * Counter: of the connections refused, those whose CONNECT went beyond a limit: its size, its client identifier, its keep alive
     * before MQTT 5, or its will.
     */
    uint64_t connections_refused_limit;
    /**
     * Counter: of the connections refused, those for which too little of the memory budget was left.
     */
    uint64_t connections_refused_memory;
    /**
     * Counter: connections closed because their client went beyond what CONNACK told it: with the size of a packet, QoS 2 messages
     * at once, QoS, or a message to be retained.
     */
    uint64_t connections_closed_limit;
    /**
     * Counter: connections closed because their client was too slow for its messages: `limits.slow_consumer` is
     * `disconnect`.
     */
    uint64_t connections_closed_slow;
    /**
     * Counter: connections closed in the middle of a large packet because there was no memory at all.
     */
    uint64_t connections_closed_memory;
    /**
     * Counter: subscriptions that clients asked for and did not get, for whatever cause.
     */
    uint64_t subscriptions_refused;
    /**
     * Counter: of those, because of `max_subscriptions` or `max_topic_levels`, or because shared subscriptions are turned
     * off.
     */
    uint64_t subscriptions_refused_limit;
    /**
     * Counter: of those, because too little of the memory budget was left.
     */
    uint64_t subscriptions_refused_memory;
    /**
     * Counter: messages that were to be retained and were not, because of `retain.max_messages`, `retain.max_payload_bytes` or the
     * memory budget. They are delivered all the same.
     */
    uint64_t messages_not_retained;
} rmqtt_stats_t;

/**
 * A snapshot of one hook. Start with `rmqtt_hook_stats_init()`.
 *
 * Counters run from `rmqtt_broker_new` on, over all starts and stops, and over all that have been set for the hook;
 * gauges are of now. What does not belong to the kind of the hook is zero.
 */
typedef struct rmqtt_hook_stats_t {
    /**
     * `sizeof(rmqtt_hook_stats_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * Counter: decisions that allowed.
     */
    uint64_t allowed;
    /**
     * Counter: decisions that denied because the hook said so. Those below are apart: together they are all that denied.
     */
    uint64_t denied;
    /**
     * Counter: decisions denied because no answer came in time.
     */
    uint64_t expired;
    /**
     * Counter: decisions denied because `callbacks.queue` of them waited for a thread.
     */
    uint64_t overflowed;
    /**
     * Counter: decisions denied because the hook answered `RMQTT_VERDICT_DEFERRED` and had no ticket.
     */
    uint64_t without_ticket;
    /**
     * Counter: decisions denied because the hook failed: with `RMQTT_VERDICT_FAILED`, an answer that could not be
     * understood, or a panic. For an event: calls that ended with a panic.
     */
    uint64_t failed;
    /**
     * Counter: decisions denied because the broker stopped before there was an answer.
     */
    uint64_t stopped;
    /**
     * Counter: decisions denied because whoever wanted to know was gone before there was an answer.
     */
    uint64_t departed;
    /**
     * Counter: events that the hook has been told of.
     */
    uint64_t told;
    /**
     * Counter: events dropped because `callbacks.queue` of them waited for a thread.
     */
    uint64_t dropped;
    /**
     * Gauge: decisions that are open; events that wait for a thread, or are being told.
     */
    uint64_t in_flight;
    /**
     * Counter: calls in place that were seen to take 10 milliseconds or more.
     */
    uint64_t slow;
    /**
     * Counter: the times below together, in microseconds.
     */
    uint64_t time_us_sum;
    /**
     * Counter: how many times are in each range. The first ones end with 1, 2, 5, 10, 20, 50 microseconds, and so on up
     * to 10 seconds; the last one is beyond. For a decision it is the time from the question to the answer, for an event
     * that of the call. Of calls in place, only the first of each 64 of a thread is measured, unless it is deferred.
     */
    uint64_t time[RMQTT_HOOK_TIME_BUCKETS];
} rmqtt_hook_stats_t;

/**
 * A value of `enum rmqtt_metrics_format`.
 */
typedef int32_t rmqtt_metrics_format_t;

/**
 * A value of `enum rmqtt_publish_stage`.
 */
typedef int32_t rmqtt_publish_stage_t;

/**
 * What has become of a message of this program.
 */
typedef struct rmqtt_publish_report_t {
    /**
     * What the library fills: a field beyond it is not there.
     */
    size_t struct_size;
    /**
     * How many receivers it was queued for: sessions of clients, and subscriptions of this program.
     */
    uint64_t receivers;
    /**
     * How many of those have acknowledged it. For a client that is an answer to QoS 1 or 2, for a subscription of this
     * program the return of its function or `rmqtt_delivery_ack`. 0 before the last report.
     */
    uint64_t acknowledged;
    /**
     * Receivers that were to acknowledge it, but have gone, or lost it to their full queue. 0 before the last report.
     */
    uint64_t lost;
    /**
     * A value of `enum rmqtt_publish_stage`.
     */
    rmqtt_publish_stage_t stage;
    /**
     * Nothing more will be reported.
     */
    bool last;
    /**
     * Zero.
     */
    uint8_t reserved[3];
} rmqtt_publish_report_t;

/**
 * Hears what has become of a message. `report` lives until this returns.
 */
typedef void (*rmqtt_publish_report_fn)(const struct rmqtt_publish_report_t *report, void *user_data);

/**
 * A message to publish. Start with `rmqtt_publish_init()`, or with zeroes and `struct_size`: zero is the default
 * everywhere.
 */
typedef struct rmqtt_publish_t {
    /**
     * `sizeof(rmqtt_publish_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * The topic name: no wildcards, at most `limits.max_topic_levels` levels.
     */
    struct rmqtt_str_t topic;
    /**
     * The payload; may be empty.
     */
    struct rmqtt_bytes_t payload;
    /**
     * The QoS, 0 to `limits.max_qos`.
     */
    uint8_t qos;
    /**
     * Whether the broker keeps it for later subscriptions. With an empty payload, it forgets the one it has.
     */
    bool retain;
    /**
     * Zero.
     */
    uint8_t reserved[2];
    /**
     * How long the call may wait for room, in milliseconds, before it answers `RMQTT_ERR_WOULD_BLOCK`. Inside a hook with
     * `RMQTT_HOOK_INLINE` it never waits.
     */
    uint32_t wait_ms;
    /**
     * The MQTT 5 properties; NULL for none. Clients of older versions get the message without them.
     */
    const struct rmqtt_properties_t *properties;
    /**
     * The only client that gets the message, whatever it is subscribed to; absent: everyone who is subscribed.
     */
    struct rmqtt_str_t client_id;
    /**
     * When it is published, in milliseconds from now on, at most 4294967295000. Its message expiry interval begins then.
     * Delayed messages are gone when the broker stops.
     */
    uint64_t delay_ms;
    /**
     * Told of what becomes of the message; NULL if nobody wants to know. `callbacks.max_pending` messages may be open.
     */
    rmqtt_publish_report_fn on_report;
    /**
     * Passed to `on_report`.
     */
    void *user_data;
    /**
     * Frees `user_data`, or NULL. Called once, when nothing more will be reported, also when publishing fails.
     */
    rmqtt_drop_fn drop;
} rmqtt_publish_t;

/**
 * Receives a message. `message` and what it points to live until this returns.
 */
typedef void (*rmqtt_message_fn)(const struct rmqtt_message_t *message, void *user_data);

/**
 * What a program knows about a connection that it brings. Start with `rmqtt_peer_init()`, or with zeroes and
 * `struct_size`: zero is the default everywhere. No text is longer than 65535 bytes or contains U+0000.
 */
typedef struct rmqtt_peer_t {
    /**
     * `sizeof(rmqtt_peer_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * Where it comes from, as hooks and the log show it. Absent: host and port of the other end for a TCP socket, "unix"
     * for any other, "pair" for `rmqtt_broker_connect_pair`.
     */
    struct rmqtt_str_t address;
    /**
     * What hooks and the log show as the name of its listener. Absent: "attached".
     */
    struct rmqtt_str_t listener;
    /**
     * The user name of a client that is `authenticated`, in place of the one in CONNECT. Absent: the one in CONNECT.
     * Without `authenticated` it must be absent.
     */
    struct rmqtt_str_t username;
    /**
     * How long the client may take until its CONNECT is complete, in milliseconds, at most 3600000. 0 means 15000.
     */
    uint32_t connect_timeout_ms;
    /**
     * The program vouches for the client: neither the hooks `authenticate` and `auth_exchange` nor the configuration are
     * asked who it is, and the password of CONNECT is not looked at. Otherwise the hooks decide as about any client, and
     * without hooks `auth.allow_anonymous`.
     */
    bool authenticated;
    /**
     * Zero.
     */
    uint8_t reserved[3];
} rmqtt_peer_t;

/**
 * A value of `enum rmqtt_presence`.
 */
typedef int32_t rmqtt_presence_t;

/**
 * Which clients are asked for. Start with `rmqtt_query_init()`, or with zeroes and `struct_size`: zero is the default
 * everywhere. Text that is absent or empty does not matter; a client has to meet all the rest.
 */
typedef struct rmqtt_query_t {
    /**
     * `sizeof(rmqtt_query_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * What the client identifier begins with.
     */
    struct rmqtt_str_t client_id_prefix;
    /**
     * The user name.
     */
    struct rmqtt_str_t username;
    /**
     * Where the connection comes from: a host, such as `192.0.2.1`, or with the port, such as `192.0.2.1:49152`.
     */
    struct rmqtt_str_t address;
    /**
     * The name of the listener.
     */
    struct rmqtt_str_t listener;
    /**
     * The client identifier behind which to begin: `next` of the page before.
     */
    struct rmqtt_str_t after;
    /**
     * A value of `enum rmqtt_presence`.
     */
    rmqtt_presence_t connected;
    /**
     * How many clients at most, 1 to 1000. 0 means 100.
     */
    uint32_t limit;
} rmqtt_query_t;

/**
 * How to subscribe a client. Start with `rmqtt_client_subscription_init()`, or with zeroes and `struct_size`: zero is the
 * default everywhere.
 */
typedef struct rmqtt_client_subscription_t {
    /**
     * `sizeof(rmqtt_client_subscription_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * The subscription identifier that an MQTT 5 client gets with the messages, 1 to 268435455; 0 for none.
     */
    uint32_t identifier;
    /**
     * The highest QoS of the messages, 0 to `limits.max_qos`.
     */
    uint8_t qos;
    /**
     * Not the messages that the client publishes itself. Not for a shared subscription.
     */
    bool no_local;
    /**
     * The retain flag as publishers set it.
     */
    bool retain_as_published;
    /**
     * As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.
     */
    uint8_t retain_handling;
} rmqtt_client_subscription_t;

/**
 * A value of `enum rmqtt_action`.
 */
typedef int32_t rmqtt_action_t;

/**
 * A snapshot of a subscription of this program. Start with `rmqtt_subscription_stats_init()`.
 */
typedef struct rmqtt_subscription_stats_t {
    /**
     * `sizeof(rmqtt_subscription_stats_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * Counter: messages that the function has had.
     */
    uint64_t delivered;
    /**
     * Counter: messages acknowledged with `rmqtt_delivery_ack`.
     */
    uint64_t acknowledged;
    /**
     * Counter: messages dropped, because the queue was full or they had expired.
     */
    uint64_t dropped;
    /**
     * Gauge: messages that wait.
     */
    uint64_t queued_messages;
    /**
     * Gauge: what those take in memory, about, in bytes.
     */
    uint64_t queued_bytes;
    /**
     * Gauge: messages that the function has had, and that have to be acknowledged.
     */
    uint64_t unacknowledged;
    /**
     * Whether it is paused.
     */
    bool paused;
    /**
     * Zero.
     */
    uint8_t reserved[7];
} rmqtt_subscription_stats_t;

/**
 * How to subscribe. Start with `rmqtt_subscribe_options_init()`, or with zeroes and `struct_size`: zero is the default
 * everywhere.
 */
typedef struct rmqtt_subscribe_options_t {
    /**
     * `sizeof(rmqtt_subscribe_options_t)`, set by the caller.
     */
    size_t struct_size;
    /**
     * Messages that may wait for the function. 0 means 1000.
     */
    uint32_t max_queued_messages;
    /**
     * The highest QoS of the messages, 0 to 2. Messages come with the lower one of it and their own.
     */
    uint8_t qos;
    /**
     * As in MQTT 5: 0 and 1 deliver the retained messages first, 2 does not. (Every subscription of this program is a new
     * one.) A shared subscription never gets them.
     */
    uint8_t retain_handling;
    /**
     * A value of `enum rmqtt_overflow`.
     */
    uint8_t overflow;
    /**
     * Messages of QoS 1 and 2 are acknowledged with `rmqtt_delivery_ack`, instead of by the return of the function.
     */
    bool manual_ack;
    /**
     * What the messages that wait may take in memory, about, in bytes. 0 means 16 MiB. One message may always wait.
     */
    uint64_t max_queued_bytes;
    /**
     * With `manual_ack`: how many messages may be unacknowledged at a time, up to 65535; no more are delivered then, but when
     * the broker stops. 0 means 65535.
     */
    uint32_t receive_maximum;
    /**
     * With `rmqtt_broker_subscribe_batch`: messages of one call, up to 65536. 0 means 256.
     */
    uint32_t max_batch;
    /**
     * The retain flag of messages as their publisher set it, instead of false.
     */
    bool retain_as_published;
    /**
     * Not the messages that this program publishes. Not for a shared subscription.
     */
    bool no_local;
    /**
     * Zero.
     */
    uint8_t reserved[6];
} rmqtt_subscribe_options_t;

/**
 * Receives messages of one subscription, `count` of them, at least one. `messages` and what it points to live until this
 * returns.
 */
typedef void (*rmqtt_messages_fn)(const struct rmqtt_message_t *const *messages, size_t count, void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Tells the version of the binary interface that the library was built with.
 *
 * @return The `RMQTT_ABI_VERSION` of the library. **Threads.** Any.
 */
uint32_t rmqtt_abi_version(void);

/**
 * Tells the version of the library, such as "0.1.0".
 *
 * @return The version, which lives for ever. **Threads.** Any.
 */
struct rmqtt_str_t rmqtt_version(void);

/**
 * Tells whether this build of the library has a feature. A function of a feature that it has not exists all the same
 * and answers `RMQTT_ERR_UNSUPPORTED`.
 *
 * @param name "tcp", "tls", "websocket", "quic", "unix", "persistence" or "cluster".
 * @return `true` if it is built in; `false` if not, and for names that this version does not know.
 */
bool rmqtt_has_feature(struct rmqtt_str_t name);

/**
 * Names a status, such as "RMQTT_ERR_BIND" for `RMQTT_ERR_BIND`.
 *
 * @param status Any number.
 * @return The name, which lives for ever; "unknown status" for a number that this version does not know.
 *         **Threads.** Any.
 */
struct rmqtt_str_t rmqtt_status_name(rmqtt_status_t status);

/**
 * Shows the text of a string.
 *
 * @param string A string, or NULL.
 * @return The text, which lives as long as the string; absent for NULL.
 *
 * **Threads.** Any.
 */
struct rmqtt_str_t rmqtt_string_view(const struct rmqtt_string_t *string);

/**
 * Frees a string.
 *
 * @param string A string, which must not be used any more, or NULL.
 *
 * **Threads.** Any.
 */
void rmqtt_string_free(struct rmqtt_string_t *string);

/**
 * Tells the status that came with an error.
 *
 * @param error An error, or NULL.
 * @return The status; `RMQTT_OK` for NULL.
 */
rmqtt_status_t rmqtt_error_status(const struct rmqtt_error_t *error);

/**
 * Tells what went wrong. For a configuration: one line for each fault, pointer first.
 *
 * @param error An error, or NULL.
 * @return The message, which lives as long as the error; empty for NULL.
 */
struct rmqtt_str_t rmqtt_error_message(const struct rmqtt_error_t *error);

/**
 * Tells how many faults a configuration has.
 *
 * @param error An error, or NULL.
 * @return The number of faults; 0 for NULL and for an error with a status other than `RMQTT_ERR_INVALID_CONFIG`.
 */
size_t rmqtt_error_fault_count(const struct rmqtt_error_t *error);

/**
 * Tells one fault of a configuration.
 *
 * @param error An error.
 * @param index From 0 to below `rmqtt_error_fault_count`.
 * @param out Filled on success; its text lives as long as the error.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, an index beyond the last fault, or a bad `struct_size`;
 *         `RMQTT_ERR_PANIC`.
 */
rmqtt_status_t rmqtt_error_fault(const struct rmqtt_error_t *error, size_t index, struct rmqtt_fault_t *out);

/**
 * Frees an error.
 *
 * @param error An error, which must not be used any more, or NULL.
 */
void rmqtt_error_free(struct rmqtt_error_t *error);

/**
 * Sets where the log of all brokers of this process goes. Without it, it goes nowhere: the library writes nothing to
 * stdout or stderr.
 *
 * @param max Lines of this level and those more important are delivered.
 * @param on_line Called for each line, one call at a time; NULL to turn the log off.
 * @param user_data Passed to `on_line`.
 * @param drop Frees `user_data`, or NULL. Called once, also when this call fails.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a level that is none; `RMQTT_ERR_IO` if the thread cannot be
 *         started; `RMQTT_ERR_INVALID_STATE` if the program is written in Rust and has a logger of its own;
 *         `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included. `on_line` is called on a thread of its own and may be slow: up to 4096 lines
 * wait, more are lost, and their number is told. When this returns, the `on_line` set before is not called any more
 * and its `drop` has run; if a callback makes this call, both happen soon after.
 */
rmqtt_status_t rmqtt_log_set(rmqtt_level_t max, rmqtt_log_fn on_line, void *user_data, rmqtt_drop_fn drop);

/**
 * Keeps a message beyond the callback that it was handed to. Topic and payload are not copied, with one exception: those
 * that a hook with `RMQTT_HOOK_INLINE` gets to see are.
 *
 * @param message A message that the library has handed to this program, in a callback that still runs, or one that has
 *        been kept.
 * @return The same message, which the caller releases with `rmqtt_message_release`; NULL for NULL, and after a panic. Its
 *         message expiry interval is that of now.
 *
 * **Threads.** Any. **Ownership.** A message that is kept may be read by several threads at a time, outlives its broker if
 * it must, and takes the memory of its topic, payload and properties until it is released.
 */
const struct rmqtt_message_t *rmqtt_message_retain(const struct rmqtt_message_t *message);

/**
 * Releases a message that has been kept.
 *
 * @param message What `rmqtt_message_retain` has returned, once for each time, or NULL.
 *
 * **Threads.** Any.
 */
void rmqtt_message_release(const struct rmqtt_message_t *message);

/**
 * Inside a decision hook: takes a ticket, with which the decision is completed later, from any thread, before or after
 * the hook has returned. The hook then answers `RMQTT_VERDICT_DEFERRED`.
 *
 * The time allowed is `callbacks.timeout_ms` from when the decision was asked for. A hook that answers
 * `RMQTT_VERDICT_ALLOW` or `RMQTT_VERDICT_DENY` although it took a ticket has decided, and the ticket expires.
 *
 * @return A ticket, the same one if called again in the same hook; 0 outside of a decision hook, when the time is up,
 *         and when `callbacks.max_pending` decisions are open: the hook should deny then, and is taken to if it defers.
 *
 * **Threads.** The one that runs the hook.
 */
rmqtt_decision_t rmqtt_decision_defer(void);

/**
 * Completes a deferred decision. The first call counts.
 *
 * @param decision A ticket.
 * @param verdict What is decided. A kind without a name denies.
 * @return `RMQTT_OK`; `RMQTT_ERR_EXPIRED` if it has been decided already, by whomever, and for numbers that are no
 *         tickets; `RMQTT_ERR_INVALID_ARGUMENT` if `verdict` is NULL or has a bad `struct_size`: the decision stays
 *         open then; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any. The broker need not exist any more.
 */
rmqtt_status_t rmqtt_decision_complete(rmqtt_decision_t decision, const struct rmqtt_verdict_t *verdict);

/**
 * Checks a configuration without making a broker.
 *
 * @param config_json The configuration as JSON; see docs/configuration.md.
 * @param err Receives the error: every fault, each with its JSON pointer. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_CONFIG`; `RMQTT_ERR_INVALID_ARGUMENT` for text that is not UTF-8;
 *         `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any.
 */
rmqtt_status_t rmqtt_config_validate(struct rmqtt_str_t config_json, struct rmqtt_error_t **err);

/**
 * Makes a broker that does not run yet.
 *
 * @param config_json The configuration as JSON; see docs/configuration.md. `{}` is one.
 * @param out Receives the broker, which the caller frees with `rmqtt_broker_free`; NULL after a failure.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_CONFIG`; `RMQTT_ERR_INVALID_ARGUMENT` if `out` is NULL or the text is not
 *         UTF-8; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any. A process may have as many brokers as it wants.
 */
rmqtt_status_t rmqtt_broker_new(struct rmqtt_str_t config_json,
                                struct rmqtt_broker_t **out,
                                struct rmqtt_error_t **err);

/**
 * Sets the hooks in place of those before, all at once. Calls under way end with the hooks they began with; a decision
 * that is already deferred keeps its ticket.
 *
 * @param broker A broker, running or not.
 * @param hooks The hooks; copied. NULL takes those before away.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, a bad `struct_size`, or a flag that its hook
 *         cannot have; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Ownership.** `hooks->user_data` passes to the library whatever the answer is: `hooks->drop` is called for it
 * exactly once. (Only where `struct_size` is too small to hold `drop` is it not called.)
 */
rmqtt_status_t rmqtt_broker_set_hooks(struct rmqtt_broker_t *broker,
                                      const struct rmqtt_hooks_t *hooks,
                                      struct rmqtt_error_t **err);

/**
 * Binds every listener and lets clients in. If one listener cannot be bound, none is, and nothing runs.
 *
 * @param broker A broker that does not run.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_BIND`; `RMQTT_ERR_IO` if threads cannot be started; `RMQTT_ERR_INVALID_STATE` if it
 *         runs already; `RMQTT_ERR_WOULD_DEADLOCK` in a callback while another thread starts, stops or reloads the broker;
 *         `RMQTT_ERR_INVALID_ARGUMENT` for NULL; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any. The threads that the broker starts block the signals that are meant for the process, such as
 * SIGTERM, SIGCHLD and SIGPIPE, and those that the caller blocks. They leave real-time signals and faults alone, which
 * managed runtimes need on threads that call them.
 */
rmqtt_status_t rmqtt_broker_start(struct rmqtt_broker_t *broker,
                                  struct rmqtt_error_t **err);

/**
 * Closes the listeners, then every connection; waits for callbacks that run and delivers the events that are queued;
 * ends every thread of the broker. Deferred decisions are denied. A broker that does not run stays as it is. (One timer
 * thread per process, started with the first client ever, stays.)
 *
 * @param broker A broker.
 * @param grace_ms How long clients may take to be disconnected in order, wills included, in milliseconds. Then they
 *        are cut off. 0 cuts them off at once.
 * @return `RMQTT_OK`; `RMQTT_ERR_WOULD_DEADLOCK` in any callback, the log's included; `RMQTT_ERR_INVALID_ARGUMENT` for
 *         NULL; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any but callbacks. A second call waits for the first one to end. Callbacks that never return keep this
 * from returning.
 */
rmqtt_status_t rmqtt_broker_stop(struct rmqtt_broker_t *broker, uint32_t grace_ms);

/**
 * Stops a broker without grace if it runs, and frees it. Its subscriptions end, but are freed on their own.
 *
 * @param broker A broker, which must not be used any more, or NULL.
 *
 * **Threads.** Any. In a callback, this returns at once and a thread of the library does the rest.
 */
void rmqtt_broker_free(struct rmqtt_broker_t *broker);

/**
 * Tells the name of a broker: the `id` of its configuration.
 *
 * @param broker A broker.
 * @return The name, which lives as long as the broker; absent for NULL.
 */
struct rmqtt_str_t rmqtt_broker_id(const struct rmqtt_broker_t *broker);

/**
 * Tells whether a broker runs.
 *
 * @param broker A broker.
 * @return `true` between a start and a stop; `false` for NULL.
 */
bool rmqtt_broker_running(const struct rmqtt_broker_t *broker);

/**
 * Tells how many clients are connected.
 *
 * @param broker A broker.
 * @return The number; 0 for NULL and for a broker that does not run.
 */
uint64_t rmqtt_broker_connected_clients(const struct rmqtt_broker_t *broker);

/**
 * Tells how many listeners a broker has.
 *
 * @param broker A broker.
 * @return The number of listeners in its configuration; 0 for NULL.
 */
size_t rmqtt_broker_listener_count(const struct rmqtt_broker_t *broker);

/**
 * Tells where a listener is bound.
 *
 * @param broker A broker.
 * @param index From 0 to below `rmqtt_broker_listener_count`, in the order of the configuration.
 * @param out Filled on success; its text lives as long as the broker.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, an index beyond the last listener, or a bad
 *         `struct_size`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 */
rmqtt_status_t rmqtt_broker_listener_info(const struct rmqtt_broker_t *broker,
                                          size_t index,
                                          struct rmqtt_listener_info_t *out);

/**
 * Takes a snapshot of a broker.
 *
 * @param broker A broker, running or not.
 * @param out Filled on success.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL or a bad `struct_size`; `RMQTT_ERR_FORKED`;
 *         `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any. Never waits for a client or a callback; looks at each session once, a few at a time.
 */
rmqtt_status_t rmqtt_broker_stats(const struct rmqtt_broker_t *broker, struct rmqtt_stats_t *out);

/**
 * Takes a snapshot of one hook.
 *
 * @param broker A broker, running or not.
 * @param hook A value of `enum rmqtt_hook`.
 * @param out Filled on success.
 * @return `RMQTT_OK`, also for a hook that is not set; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, a number that is no hook, or
 *         a bad `struct_size`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any. Never waits for a client or a callback.
 */
rmqtt_status_t rmqtt_broker_hook_stats(const struct rmqtt_broker_t *broker,
                                       int32_t hook,
                                       struct rmqtt_hook_stats_t *out);

/**
 * Writes all statistics of a broker, those of its hooks included, for a program that hands them on.
 *
 * @param broker A broker, running or not.
 * @param format How: a value of `enum rmqtt_metrics_format`.
 * @param out Receives the text, which the caller frees with `rmqtt_string_free`; NULL after a failure.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL or a number that is no format; `RMQTT_ERR_UNSUPPORTED` for
 *         `RMQTT_METRICS_PROMETHEUS`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any. Never waits for a client or a callback.
 */
rmqtt_status_t rmqtt_broker_metrics(const struct rmqtt_broker_t *broker,
                                    rmqtt_metrics_format_t format,
                                    struct rmqtt_string_t **out);

/**
 * Puts another configuration in the place of the one that a broker has. If anything is wrong with it, nothing changes.
 *
 * Of a broker that runs, everything changes at once that can; the rest does at the next start. docs/configuration.md says
 * which keys are which. Certificates, keys and lists are read again, also where the text is the same. Clients stay
 * connected, with what has been agreed on with them in CONNECT and CONNACK, also those of listeners that are closed. A
 * listener goes on with its socket if that is to be where it is: another name, another type of those over TCP, other
 * certificates and limits do not close it. For a broker that does not run, everything holds from the next start on.
 *
 * The report is a JSON object of arrays; every pointer is a JSON pointer into the new configuration:
 *
 * ```text
 * applied        pointers of what has changed and holds now: keys, whole listeners that are new (`/listeners/1`),
 *                `/listeners` if some are gone, `/listeners/0/tls` if its certificates, keys or lists are others,
 *                and such as `/auth/password_file` if the file is another
 * needs_restart  pointers of what differs from what holds, until the next start
 * rejected       objects of `pointer` and `message`: why nothing has changed
 * closed         the names of the listeners that have been closed
 * ```
 *
 * @param broker A broker, running or not.
 * @param config_json The whole new configuration as JSON, as for `rmqtt_broker_new`.
 * @param report_json Receives the report, which the caller frees with `rmqtt_string_free`: after success, and after
 *        `RMQTT_ERR_INVALID_CONFIG` and `RMQTT_ERR_BIND`; otherwise NULL. May be NULL.
 * @param err Receives the error, with every fault of the configuration. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_CONFIG`, also for certificates and keys that are of no use; `RMQTT_ERR_BIND` if
 *         a listener that is new cannot be bound; `RMQTT_ERR_IO` if the system refuses something else;
 *         `RMQTT_ERR_WOULD_DEADLOCK` in a callback while another thread starts, stops or reloads the broker;
 *         `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL or text that is not UTF-8; `RMQTT_ERR_FORKED`;
 *         `RMQTT_ERR_PANIC`. After any failure the broker is as it was.
 *
 * **Threads.** Any, callbacks included. A second call waits for the first one to end. Files are read on the thread that
 * calls.
 */
rmqtt_status_t rmqtt_broker_reload(struct rmqtt_broker_t *broker,
                                   struct rmqtt_str_t config_json,
                                   struct rmqtt_string_t **report_json,
                                   struct rmqtt_error_t **err);

/**
 * Publishes a message to everyone who is subscribed: clients, and subscriptions of this program. It is on its way to
 * all of them when this returns, ahead of what is published later; only if the hook `authorize_publish` is set, it waits
 * for the hook's decision first, behind what this program has published before, and may go nowhere. What a hook with
 * `RMQTT_HOOK_INLINE` publishes waits, too: it is on its way after the hook has returned. A delayed message is published,
 * and the hook asked, when it is due.
 *
 * @param broker A running broker.
 * @param message The message; copied.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`, also if nobody is subscribed; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, a bad `struct_size`, a topic
 *         that is not a topic name or has too many levels, a QoS above `limits.max_qos`, a retained message where
 *         `retain.enabled` is false or for one client, properties that MQTT does not allow, a payload that is not the
 *         UTF-8 that its format indicator says, a delay out of range, or a message larger than MQTT allows;
 *         `RMQTT_ERR_NOT_FOUND` if there is no session of the client `client_id`; `RMQTT_ERR_WOULD_BLOCK` if there is no
 *         room after `wait_ms`: a receiver has too much to work off, `callbacks.queue` messages wait for the hook,
 *         `delayed.max_messages` or `delayed.max_bytes` is reached, or `callbacks.max_pending` messages are to be reported
 *         on (the last two are never waited for); `RMQTT_ERR_INVALID_STATE` if the broker does not run;
 *         `RMQTT_ERR_FORKED`; `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`. Nothing is published then.
 *
 * **Threads.** Any, callbacks included. Messages of one thread keep their order; what it publishes in inline hooks may come
 * after what it publishes outside of them. `on_report` is called on a callback thread, one call at a time for all messages
 * of the broker.
 *
 * **Ownership.** `user_data` passes to the library whatever the answer is: `drop` is called for it exactly once. When the
 * broker stops before the last report, `drop` is all that is called.
 */
rmqtt_status_t rmqtt_broker_publish(struct rmqtt_broker_t *broker,
                                    const struct rmqtt_publish_t *message,
                                    struct rmqtt_error_t **err);

/**
 * Publishes messages one after the other, each as `rmqtt_broker_publish` does, and faster. It ends at the first one that is
 * not published.
 *
 * @param broker A running broker.
 * @param messages An array of `count` messages of one `struct_size`; copied. May be NULL if `count` is 0.
 * @param count How many.
 * @param accepted Receives how many have been published, those at the front. May be NULL.
 * @param err Receives the error of the one that was not. May be NULL.
 * @return `RMQTT_OK` if all of them have been published; else what `rmqtt_broker_publish` answers to the message at
 *         `messages[*accepted]`.
 *
 * **Threads.** As `rmqtt_broker_publish`. `wait_ms` of each message begins when its turn has come.
 *
 * **Ownership.** The `user_data` of all messages passes to the library, also of those that are not published: `drop` is
 * called for each exactly once.
 */
rmqtt_status_t rmqtt_broker_publish_batch(struct rmqtt_broker_t *broker,
                                          const struct rmqtt_publish_t *messages,
                                          size_t count,
                                          size_t *accepted,
                                          struct rmqtt_error_t **err);

/**
 * Shows a function the retained messages that match a topic filter, in the order of their names, level by level: `a`,
 * `a/b`, `a-b`. Those that have expired are left out. Messages that come or go meanwhile may be shown or not; each that
 * stays is shown once.
 *
 * @param broker A running broker.
 * @param filter A topic filter, without `$share`; `#` is all but those whose names begin with `$`.
 * @param on_message Called for each message, before this returns: its origin is `RMQTT_ORIGIN_RETAINED`, `retain` is true.
 * @param user_data Passed to `on_message`; stays the caller's.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`, also if nothing matches; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or function that is NULL, a filter
 *         that is none, is shared or has too many levels; `RMQTT_ERR_INVALID_STATE` if the broker does not run, or is
 *         stopped meanwhile; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included. `on_message` is called on the thread that makes this call, with nothing locked: it
 * may call what the caller may, such as deleting what it is shown.
 */
rmqtt_status_t rmqtt_broker_retained(const struct rmqtt_broker_t *broker,
                                     struct rmqtt_str_t filter,
                                     rmqtt_message_fn on_message,
                                     void *user_data,
                                     struct rmqtt_error_t **err);

/**
 * Shows a function the retained message of one topic.
 *
 * @param broker A running broker.
 * @param topic The topic name.
 * @param on_message Called once, before this returns, if there is a message: its origin is `RMQTT_ORIGIN_RETAINED`,
 *        `retain` is true.
 * @param user_data Passed to `on_message`; stays the caller's.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if there is none, or it has expired; `RMQTT_ERR_INVALID_ARGUMENT` for a broker
 *         or function that is NULL, or a topic that is not a topic name or has too many levels; `RMQTT_ERR_INVALID_STATE`
 *         if the broker does not run; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included. `on_message` is called on the thread that makes this call, with nothing locked.
 */
rmqtt_status_t rmqtt_broker_retained_get(const struct rmqtt_broker_t *broker,
                                         struct rmqtt_str_t topic,
                                         rmqtt_message_fn on_message,
                                         void *user_data,
                                         struct rmqtt_error_t **err);

/**
 * Retains a message, in place of the one of its topic before, without sending it to those who are subscribed: who
 * subscribes later gets it. The hook `retained_changed` is told; `authorize_publish` is not asked, and it is no message that
 * is published to any other hook or counter.
 *
 * @param broker A running broker.
 * @param message The message; copied. Its `retain` is not looked at: it is true.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL, a bad `struct_size`, a topic that is not a topic name or has
 *         too many levels, a QoS above `limits.max_qos`, an empty payload (`rmqtt_broker_retained_delete` forgets), one
 *         larger than `retain.max_payload_bytes`, properties that MQTT cannot express, a `client_id`, a delay or a
 *         function to report to, or where `retain.enabled` is false; `RMQTT_ERR_WOULD_BLOCK` if `retain.max_messages` of
 *         other topics are retained; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
 *         `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included.
 */
rmqtt_status_t rmqtt_broker_retained_set(struct rmqtt_broker_t *broker,
                                         const struct rmqtt_publish_t *message,
                                         struct rmqtt_error_t **err);

/**
 * Forgets the retained messages that match a topic filter. The hook `retained_changed` is told of each.
 *
 * @param broker A running broker.
 * @param filter A topic filter, without `$share`. A topic name is the filter of its own message; `#` is all but those whose
 *        names begin with `$`.
 * @param deleted Receives how many there were, 0 after a failure. May be NULL.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`, also if nothing matches; `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, a filter that is
 *         none, is shared or has too many levels; `RMQTT_ERR_INVALID_STATE` if the broker does not run;
 *         `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included. What is retained meanwhile may be forgotten, too.
 */
rmqtt_status_t rmqtt_broker_retained_delete(struct rmqtt_broker_t *broker,
                                            struct rmqtt_str_t filter,
                                            uint64_t *deleted,
                                            struct rmqtt_error_t **err);

/**
 * Serves the client at the other end of a connected socket, from its first byte on, like one that a listener has
 * accepted: the hook `pre_connect` is asked, `limits.max_connections` counts it, and the stop of the broker disconnects it.
 *
 * @param broker A running broker.
 * @param fd A connected stream socket: TCP (IPv4 or IPv6) or Unix. It is made non-blocking and close-on-exec, as are
 *        duplicates of it where they share that; TCP sends without delay.
 * @param peer What is known about the client, or NULL for the defaults.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`: what becomes of the client is told by hooks; `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL,
 *         a descriptor that is not open or no such socket, a bad `struct_size`, or a peer that is not in order;
 *         `RMQTT_ERR_WOULD_BLOCK` if there are `limits.max_connections` already, which is counted as refused;
 *         `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_IO`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Ownership.** `fd` passes to the library whatever the answer is: it is closed when the connection ends, or before this
 * returns a failure.
 *
 * **Threads.** Any, callbacks included.
 */
rmqtt_status_t rmqtt_broker_attach_fd(struct rmqtt_broker_t *broker,
                                      int fd,
                                      const struct rmqtt_peer_t *peer,
                                      struct rmqtt_error_t **err);

/**
 * Makes a connection without a network, for any MQTT client that takes a descriptor: a pair of Unix sockets, one of which
 * the broker serves as `rmqtt_broker_attach_fd` does.
 *
 * @param broker A running broker.
 * @param peer What is known about the client, or NULL for the defaults.
 * @param fd Receives the client's end, which blocks and is close-on-exec; -1 after a failure.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or `fd` that is NULL, a bad `struct_size`, or a peer that is
 *         not in order; `RMQTT_ERR_WOULD_BLOCK` if there are `limits.max_connections` already, which is counted as
 *         refused; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_IO` if there are no descriptors left;
 *         `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Ownership.** The caller closes its end. Writing to it when the broker has closed its own raises SIGPIPE, as with any
 * socket: use `MSG_NOSIGNAL`.
 *
 * **Threads.** Any, callbacks included. A client that waits for the broker must not do so in a hook with
 * `RMQTT_HOOK_INLINE`.
 */
rmqtt_status_t rmqtt_broker_connect_pair(struct rmqtt_broker_t *broker,
                                         const struct rmqtt_peer_t *peer,
                                         int *fd,
                                         struct rmqtt_error_t **err);

/**
 * Lists clients that have a session, connected or not, in the order of their client identifiers, a page at a time.
 *
 * The answer is `{"clients":[...],"next":"..."}`; docs/messages.md has the fields of a client. `next` is there only if
 * there may be more clients: it is `after` of the query for the next page. Clients that come and go between two pages may be
 * in neither of them; no client is in both.
 *
 * @param broker A running broker.
 * @param query Which clients, or NULL for the first 100 of all.
 * @param json Receives the text, which the caller frees with `rmqtt_string_free`; NULL after a failure.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`, also if there is no such client; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or `json` that is NULL, a
 *         bad `struct_size`, text that is not UTF-8, or a number out of range; `RMQTT_ERR_INVALID_STATE` if the broker does
 *         not run; `RMQTT_ERR_FORKED`; `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included. Never waits for a client or a callback; looks at each session once, a few at a
 * time, until the page is full.
 */
rmqtt_status_t rmqtt_broker_clients(const struct rmqtt_broker_t *broker,
                                    const struct rmqtt_query_t *query,
                                    struct rmqtt_string_t **json,
                                    struct rmqtt_error_t **err);

/**
 * Shows one client that has a session, connected or not.
 *
 * @param broker A running broker.
 * @param client_id The client identifier.
 * @param json Receives the text, one of the objects that `rmqtt_broker_clients` lists, which the caller frees with
 *        `rmqtt_string_free`; NULL after a failure.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if there is no session of such a client; `RMQTT_ERR_INVALID_ARGUMENT` for a
 *         broker or `json` that is NULL, or text that is not UTF-8; `RMQTT_ERR_INVALID_STATE` if the broker does not run;
 *         `RMQTT_ERR_FORKED`; `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included. Never waits for a client or a callback.
 */
rmqtt_status_t rmqtt_broker_client(const struct rmqtt_broker_t *broker,
                                   struct rmqtt_str_t client_id,
                                   struct rmqtt_string_t **json,
                                   struct rmqtt_error_t **err);

/**
 * Disconnects a client, and ends its session if wanted. An MQTT 5 client gets DISCONNECT with the reason code; any other
 * sees its connection close. The will is published. `disconnected` tells `RMQTT_DISCONNECTED_BY_BROKER` and the reason
 * code; `session_terminated` tells `RMQTT_SESSION_END_DISCARDED`.
 *
 * When this returns, the connection has been asked to close, and does so soon. If it is closing already for another
 * reason, that one stands. A session that is to be discarded and whose client is not connected is not found any more
 * when this returns; what follows from its end (its will, the event) comes soon after.
 *
 * @param broker A running broker.
 * @param client_id The client identifier.
 * @param reason_code One that a server may send in DISCONNECT: 0x00 or 0x80 and above, such as 0x98, administrative action.
 * @param discard_session Whether the session ends, with its subscriptions and all that waits in it.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if the client is not connected, or, with `discard_session`, has no session;
 *         `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, text that is not UTF-8, or a reason code that a server
 *         must not send in DISCONNECT; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
 *         `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included, those about this very client, too.
 */
rmqtt_status_t rmqtt_broker_disconnect(struct rmqtt_broker_t *broker,
                                       struct rmqtt_str_t client_id,
                                       uint8_t reason_code,
                                       bool discard_session,
                                       struct rmqtt_error_t **err);

/**
 * Subscribes a client, connected or not, as if it had done so itself: `subscribed` is told, and retained messages are
 * delivered as the options say, to a client that is away when it comes back. No hook and no access rule is asked, and
 * `limits.max_subscriptions` is not looked at. If the client has the filter already, the options are replaced.
 *
 * @param broker A running broker.
 * @param client_id The client identifier.
 * @param filter A topic filter; `$share/{group}/{filter}` is one, too.
 * @param options Options, or NULL for the defaults.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if there is no session of such a client; `RMQTT_ERR_INVALID_ARGUMENT` for a
 *         broker that is NULL, a filter that is none, has too many levels, or is shared where
 *         `shared_subscriptions.enabled` is false, a bad `struct_size`, or options out of range;
 *         `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included, those about this very client, too. Called in an inline hook, what is told of it is
 * told on a callback thread.
 */
rmqtt_status_t rmqtt_broker_subscribe_client(struct rmqtt_broker_t *broker,
                                             struct rmqtt_str_t client_id,
                                             struct rmqtt_str_t filter,
                                             const struct rmqtt_client_subscription_t *options,
                                             struct rmqtt_error_t **err);

/**
 * Ends a subscription of a client, connected or not, as if it had done so itself: `unsubscribed` is told. No hook is
 * asked. Messages that wait for the client already stay.
 *
 * @param broker A running broker.
 * @param client_id The client identifier.
 * @param filter The topic filter, as it was subscribed to.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if there is no session of such a client, or it is not subscribed to the filter;
 *         `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, or a filter that is none or has too many levels;
 *         `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** As `rmqtt_broker_subscribe_client`.
 */
rmqtt_status_t rmqtt_broker_unsubscribe_client(struct rmqtt_broker_t *broker,
                                               struct rmqtt_str_t client_id,
                                               struct rmqtt_str_t filter,
                                               struct rmqtt_error_t **err);

/**
 * Tells how many would get a message to a topic, if it were published now by somebody who is not among them: sessions,
 * those of absent clients included, and subscriptions of the host program; of each shared group one.
 *
 * @param broker A running broker.
 * @param topic A topic name.
 * @param out Receives the number.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or `out` that is NULL, or a topic that is not a topic name
 *         or has too many levels; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
 *         `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included. Never waits for a client or a callback.
 */
rmqtt_status_t rmqtt_broker_subscriber_count(const struct rmqtt_broker_t *broker,
                                             struct rmqtt_str_t topic,
                                             uint64_t *out,
                                             struct rmqtt_error_t **err);

/**
 * Explains what would become of something that a client might do, and which rule, hook or default decides it. Nothing is
 * done, and no hook is asked. docs/messages.md has the fields of the answer.
 *
 * @param broker A running broker.
 * @param client_id The client identifier.
 * @param action A value of `enum rmqtt_action`.
 * @param topic The topic name that the client might publish to, or the filter that it might subscribe to.
 * @param json Receives the text, which the caller frees with `rmqtt_string_free`; NULL after a failure.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`, also for what is not allowed, and for a topic that is none; `RMQTT_ERR_NOT_FOUND` if there is no
 *         session of such a client; `RMQTT_ERR_INVALID_ARGUMENT` for a broker or `json` that is NULL, a number that is no
 *         action, or text that is not UTF-8; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
 *         `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included. Never waits for a client or a callback.
 */
rmqtt_status_t rmqtt_broker_explain(const struct rmqtt_broker_t *broker,
                                    struct rmqtt_str_t client_id,
                                    rmqtt_action_t action,
                                    struct rmqtt_str_t topic,
                                    struct rmqtt_string_t **json,
                                    struct rmqtt_error_t **err);

/**
 * Keeps somebody out: connections from that address are closed at once, clients of that client identifier or user name are
 * refused with reason code 0x8A (before MQTT 5: 5). Clients that are connected are disconnected with 0x98. A ban that is
 * there already is replaced. Bans end with the run of the broker.
 *
 * @param broker A running broker.
 * @param kind What `value` is: a value of `enum rmqtt_ban_kind`.
 * @param value An IP address, a client identifier, or a user name. Of an address of IPv6, its /64 network is banned.
 * @param duration_ms How long, in milliseconds; 0 until `rmqtt_broker_unban`.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker that is NULL, a kind that there is not, or a value that is
 *         empty, not UTF-8, or no address; `RMQTT_ERR_INVALID_STATE` if the broker does not run; `RMQTT_ERR_FORKED`;
 *         `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included.
 */
rmqtt_status_t rmqtt_broker_ban(struct rmqtt_broker_t *broker,
                                rmqtt_ban_kind_t kind,
                                struct rmqtt_str_t value,
                                uint64_t duration_ms,
                                struct rmqtt_error_t **err);

/**
 * Lets somebody in again, whoever or whatever has kept it out. What has been counted of it is forgotten.
 *
 * @param broker A running broker.
 * @param kind As for `rmqtt_broker_ban`.
 * @param value As for `rmqtt_broker_ban`.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_NOT_FOUND` if it is not banned; else as `rmqtt_broker_ban`.
 *
 * **Threads.** Any, callbacks included.
 */
rmqtt_status_t rmqtt_broker_unban(struct rmqtt_broker_t *broker,
                                  rmqtt_ban_kind_t kind,
                                  struct rmqtt_str_t value,
                                  struct rmqtt_error_t **err);

/**
 * Lists all who are kept out, as JSON: `{"bans":[{"kind":"ip","value":"192.0.2.1","cause":"authentication","left_ms":299000}]}`.
 * `kind` is "ip", "client_id" or "user"; `cause` is "authentication", "flapping" or "api"; `left_ms` is `null` for one that
 * lasts until it is lifted.
 *
 * @param broker A running broker.
 * @param json Receives the text, which the caller frees with `rmqtt_string_free`; NULL after a failure.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL; `RMQTT_ERR_INVALID_STATE` if the broker does not run;
 *         `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included.
 */
rmqtt_status_t rmqtt_broker_bans(const struct rmqtt_broker_t *broker,
                                 struct rmqtt_string_t **json,
                                 struct rmqtt_error_t **err);

/**
 * Ends a subscription and frees it.
 *
 * When this returns, no call of its function runs or will run, and its `drop` has been called. In its own function,
 * both hold once that function has returned.
 *
 * @param subscription A subscription, which must not be used any more, or NULL.
 *
 * **Threads.** Any. It waits for a call that runs on another thread, so two functions must not free each other's
 * subscription at the same time.
 */
void rmqtt_subscription_free(struct rmqtt_subscription_t *subscription);

/**
 * Has the function of a subscription called no more, until `rmqtt_subscription_resume`. A call that runs goes on; so does a
 * call with several messages. Messages that come wait, as many as its queue takes.
 *
 * @param subscription A subscription.
 * @return `RMQTT_OK`, also if it is paused already; `RMQTT_ERR_INVALID_ARGUMENT` for NULL; `RMQTT_ERR_FORKED`;
 *         `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, its own function included.
 */
rmqtt_status_t rmqtt_subscription_pause(struct rmqtt_subscription_t *subscription);

/**
 * Has the function of a subscription called again.
 *
 * @param subscription A subscription.
 * @return `RMQTT_OK`, also if it is not paused; `RMQTT_ERR_INVALID_ARGUMENT` for NULL; `RMQTT_ERR_FORKED`;
 *         `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, its own function included.
 */
rmqtt_status_t rmqtt_subscription_resume(struct rmqtt_subscription_t *subscription);

/**
 * Takes a snapshot of a subscription.
 *
 * @param subscription A subscription.
 * @param out Filled on success.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for NULL or a bad `struct_size`; `RMQTT_ERR_FORKED`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, its own function included. Never waits for a call.
 */
rmqtt_status_t rmqtt_subscription_stats(const struct rmqtt_subscription_t *subscription,
                                        struct rmqtt_subscription_stats_t *out);

/**
 * Acknowledges a message that has been delivered to a subscription with `manual_ack`, in whatever order. Until then it
 * counts against the subscription's `receive_maximum`. When the subscription ends without that, one of QoS 1 of a shared
 * subscription goes to another member; any other is not delivered again.
 *
 * @param delivery `delivery` of the message.
 * @return `RMQTT_OK`; `RMQTT_ERR_EXPIRED` if it has been acknowledged already, or its subscription or its run of the broker
 *         is over; `RMQTT_ERR_INVALID_ARGUMENT` for 0; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, inside and outside of callbacks, also after the function has returned.
 */
rmqtt_status_t rmqtt_delivery_ack(rmqtt_delivery_t delivery);

/**
 * Delivers every message that matches a topic filter to a function of this program, the retained ones first. Access
 * rules for clients do not apply.
 *
 * @param broker A running broker.
 * @param filter A topic filter; `$share/{group}/{filter}` takes turns with the other members of the group, clients
 *        included.
 * @param options Options, or NULL for the defaults.
 * @param on_message Called for each message, in order, one call at a time, on a callback thread.
 * @param user_data Passed to `on_message`.
 * @param drop Frees `user_data`, or NULL. Called once, also when this call fails.
 * @param out Receives the subscription, which the caller frees with `rmqtt_subscription_free`; NULL after a failure.
 * @param err Receives the error. May be NULL.
 * @return `RMQTT_OK`; `RMQTT_ERR_INVALID_ARGUMENT` for a broker, function or `out` that is NULL, a filter that is none or
 *         has too many levels, or options out of range; `RMQTT_ERR_INVALID_STATE` if the broker does not run;
 *         `RMQTT_ERR_FORKED`; `RMQTT_ERR_INTERNAL`; `RMQTT_ERR_PANIC`.
 *
 * **Threads.** Any, callbacks included. What happens when the function is slower than messages come is a matter of
 * `options->overflow`. The subscription ends with the stop of the broker: what waits is delivered then, however much of it
 * is unacknowledged, and `rmqtt_broker_stop` returns after that. What waits for a subscription that is paused is dropped.
 */
rmqtt_status_t rmqtt_broker_subscribe(struct rmqtt_broker_t *broker,
                                      struct rmqtt_str_t filter,
                                      const struct rmqtt_subscribe_options_t *options,
                                      rmqtt_message_fn on_message,
                                      void *user_data,
                                      rmqtt_drop_fn drop,
                                      struct rmqtt_subscription_t **out,
                                      struct rmqtt_error_t **err);

/**
 * As `rmqtt_broker_subscribe`, but hands over as many messages as there are, up to `options->max_batch`, in one call. With
 * many small messages that is several times as fast.
 *
 * @param broker A running broker.
 * @param filter A topic filter, as `rmqtt_broker_subscribe` takes it.
 * @param options Options, or NULL for the defaults.
 * @param on_messages Called with messages in order, one call at a time, on a callback thread.
 * @param user_data Passed to `on_messages`.
 * @param drop Frees `user_data`, or NULL. Called once, also when this call fails.
 * @param out Receives the subscription, which the caller frees with `rmqtt_subscription_free`; NULL after a failure.
 * @param err Receives the error. May be NULL.
 * @return As `rmqtt_broker_subscribe`.
 *
 * **Threads.** As `rmqtt_broker_subscribe`. Without `manual_ack`, the return of a call acknowledges all of its messages.
 */
rmqtt_status_t rmqtt_broker_subscribe_batch(struct rmqtt_broker_t *broker,
                                            struct rmqtt_str_t filter,
                                            const struct rmqtt_subscribe_options_t *options,
                                            rmqtt_messages_fn on_messages,
                                            void *user_data,
                                            rmqtt_drop_fn drop,
                                            struct rmqtt_subscription_t **out,
                                            struct rmqtt_error_t **err);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* RMQTT_H */

#ifndef RMQTT_H_INLINE
#define RMQTT_H_INLINE

#ifdef __cplusplus
extern "C" {
#endif

/** A view of a C string; absent for NULL. */
static inline rmqtt_str_t rmqtt_str(const char *text) {
    rmqtt_str_t view;
    view.ptr = text;
    view.len = text ? strlen(text) : 0;
    return view;
}

/** A view of `len` bytes at `data`. */
static inline rmqtt_bytes_t rmqtt_bytes(const void *data, size_t len) {
    rmqtt_bytes_t view;
    view.ptr = (const uint8_t *)data;
    view.len = len;
    return view;
}

#define RMQTT_DEFINE_INIT(name)                 \
    static inline name##_t name##_init(void) {  \
        name##_t value;                         \
        memset(&value, 0, sizeof value);        \
        value.struct_size = sizeof value;       \
        return value;                           \
    }

/** `rmqtt_publish_init()` and so on: a struct of defaults with its `struct_size`. */
RMQTT_DEFINE_INIT(rmqtt_fault)
RMQTT_DEFINE_INIT(rmqtt_publish)
RMQTT_DEFINE_INIT(rmqtt_properties)
RMQTT_DEFINE_INIT(rmqtt_verdict)
RMQTT_DEFINE_INIT(rmqtt_hooks)
RMQTT_DEFINE_INIT(rmqtt_listener_info)
RMQTT_DEFINE_INIT(rmqtt_peer)
RMQTT_DEFINE_INIT(rmqtt_stats)
RMQTT_DEFINE_INIT(rmqtt_hook_stats)
RMQTT_DEFINE_INIT(rmqtt_subscribe_options)
RMQTT_DEFINE_INIT(rmqtt_subscription_stats)
RMQTT_DEFINE_INIT(rmqtt_query)
RMQTT_DEFINE_INIT(rmqtt_client_subscription)

#undef RMQTT_DEFINE_INIT

#ifdef __cplusplus
}
#endif

#endif /* RMQTT_H_INLINE */
