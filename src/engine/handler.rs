use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use rmqtt::codec::v5::{Disconnect as DisconnectV5, PublishAckReason, ToReasonCode};
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, Priority, ReturnType, Type};
use rmqtt::types::{AuthResult, ConnectInfo, Disconnect, LastWill, Publish, PublishAclResult, PublishResult, Reason};

use super::clients::{Clients, SERVER_SHUTTING_DOWN, STOPPING};
use super::{from_packet_qos, RESERVED_CLIENT_ID};
use crate::config::Config;
use crate::hooks::{Authenticate, Callbacks, Denial, DisconnectedBy, Verdict};
use crate::model::{topic, Message, Origin, Protocol, QoS, Text};

/// Before any plugin's handlers: RMQTT runs the highest number first.
const PRIORITY: Priority = Priority::MAX;

/// The MQTT 5 reason code "bad user name or password", the one refusal besides "not authorized" that RMQTT can send.
const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;

/// Sets the one handler that serves all hook points this broker uses, once, before the first client: RMQTT's hook
/// registry blocks running hooks when it changes.
pub(super) async fn register(
    context: &ServerContext,
    config: &Config,
    clients: &Arc<Clients>,
    callbacks: Arc<Callbacks>,
) {
    let anonymous = config.listeners.iter().map(|l| l.allow_anonymous.unwrap_or(config.auth.allow_anonymous));
    let gate = Gate {
        clients: clients.clone(),
        callbacks,
        anonymous: anonymous.collect(),
        max_topic_levels: config.limits.max_topic_levels as usize,
        max_qos: QoS::try_from(config.limits.max_qos).unwrap_or_default(),
    };
    let gate = Arc::new(gate);
    let register = context.extends.hook_mgr().register();
    for hook in [
        Type::ClientAuthenticate,
        Type::ClientConnected,
        Type::ClientDisconnected,
        Type::MessagePublish,
        Type::MessagePublishCheckAcl,
        Type::MessageDelivered,
        Type::MessageDropped,
    ] {
        register.add_priority(hook, PRIORITY, Box::new(Guarded(gate.clone()))).await;
    }
    register.start().await;
}

/// A panic in a handshake hook would end the one task of RMQTT that runs handshakes, and no client could connect
/// again. It denies instead.
struct Guarded(Arc<Gate>);

#[async_trait]
impl Handler for Guarded {
    async fn hook(&self, parameter: &Parameter, before: Option<HookResult>) -> ReturnType {
        match AssertUnwindSafe(self.0.hook(parameter)).catch_unwind().await {
            Ok(Some(result)) => (false, Some(result)),
            Ok(None) => (true, before),
            Err(_) => {
                tracing::error!(hook = ?parameter.get_type(), "panic in a hook");
                match parameter {
                    Parameter::ClientAuthenticate(_) => {
                        (false, Some(HookResult::AuthResult(AuthResult::NotAuthorized)))
                    }
                    Parameter::MessagePublishCheckAcl(..) => {
                        (false, Some(refuse(PublishAckReason::ImplementationSpecificError, "internal error", false)))
                    }
                    _ => (true, before),
                }
            }
        }
    }
}

/// What stands between RMQTT and this broker's rules and hooks.
struct Gate {
    clients: Arc<Clients>,
    callbacks: Arc<Callbacks>,
    /// By listener.
    anonymous: Vec<bool>,
    max_topic_levels: usize,
    max_qos: QoS,
}

impl Gate {
    async fn hook(&self, parameter: &Parameter<'_>) -> Option<HookResult> {
        match parameter {
            Parameter::ClientAuthenticate(connect) => {
                return Some(HookResult::AuthResult(self.authenticate(connect).await))
            }
            Parameter::ClientConnected(session) => self.clients.connected(&session.id),
            Parameter::ClientDisconnected(session, reason) => {
                let (by, code, words) = explain(reason);
                self.clients.disconnected(&session.id, by, code, Text::from(words.replace('\0', "")));
            }
            Parameter::MessagePublish(Some(_), ..) => {
                self.clients.counters.messages_received.fetch_add(1, Relaxed);
            }
            Parameter::MessagePublishCheckAcl(_, publish) => return self.check_publish(publish),
            Parameter::MessageDelivered(..) => {
                self.clients.counters.messages_sent.fetch_add(1, Relaxed);
            }
            Parameter::MessageDropped(..) => {
                self.clients.counters.messages_dropped.fetch_add(1, Relaxed);
            }
            _ => {}
        }
        None
    }

    async fn authenticate(&self, connect: &ConnectInfo) -> AuthResult {
        let id = connect.id();
        let will = connect.last_will();
        if id.client_id.starts_with(RESERVED_CLIENT_ID) {
            return AuthResult::NotAuthorized;
        }
        if let Some(error) = will.as_ref().and_then(|will| self.check_will(will)) {
            tracing::info!(client_id = %id.client_id, "refused: the topic of the will {error}");
            return AuthResult::NotAuthorized;
        }
        let protocol = match connect.proto_ver() {
            3 => Protocol::V3_1,
            4 => Protocol::V3_1_1,
            _ => Protocol::V5,
        };
        let client = self.clients.introduce(id, protocol);
        let event = Authenticate {
            client: client.clone(),
            password: connect.password().cloned(),
            keep_alive_s: connect.keep_alive(),
            clean_start: connect.clean_start(),
            will: will.map(will_message),
        };
        let verdict = match self.callbacks.authenticate(event).await {
            Some(verdict) => verdict,
            // Nobody can check credentials: those that come with some are as anonymous as those without.
            None if self.allows_anonymous(id.lid()) => Verdict::Allow,
            None => Verdict::Deny(Denial::default()),
        };
        match verdict {
            Verdict::Allow => {
                self.clients.let_in(id, client);
                // Not as a superuser, whose messages RMQTT would not have checked.
                AuthResult::Allow(false, None)
            }
            Verdict::Deny(Denial { reason_code: Some(BAD_USER_NAME_OR_PASSWORD), .. }) => {
                AuthResult::BadUsernameOrPassword
            }
            Verdict::Deny(_) => AuthResult::NotAuthorized,
        }
    }

    fn allows_anonymous(&self, listener: u16) -> bool {
        usize::from(listener).checked_sub(1).and_then(|index| self.anonymous.get(index)).copied().unwrap_or(false)
    }

    fn check_will(&self, will: &LastWill<'_>) -> Option<topic::TopicError> {
        let (LastWill::V3(rmqtt::codec::v3::LastWill { topic: name, .. })
        | LastWill::V5(rmqtt::codec::v5::LastWill { topic: name, .. })) = will;
        topic::check_name(name, self.max_topic_levels).err()
    }

    fn check_publish(&self, publish: &Publish) -> Option<HookResult> {
        if let Err(error) = topic::check_name(&publish.topic, self.max_topic_levels) {
            return Some(refuse(PublishAckReason::TopicNameInvalid, &format!("the topic {error}"), false));
        }
        if from_packet_qos(publish.qos) > self.max_qos {
            // [MQTT-3.2.2-11]: the client was told in CONNACK.
            return Some(refuse(PublishAckReason::ImplementationSpecificError, "QoS not supported", true));
        }
        None
    }
}

fn refuse(code: PublishAckReason, reason: &str, disconnect: bool) -> HookResult {
    HookResult::PublishAclResult(PublishAclResult(PublishResult::reason_code(code, Some(reason.into()), disconnect)))
}

fn will_message(will: LastWill<'_>) -> Message {
    let (name, payload, qos, retain) = match will {
        LastWill::V3(will) => (&will.topic, &will.message, will.qos, will.retain),
        LastWill::V5(will) => (&will.topic, &will.message, will.qos, will.retain),
    };
    Message {
        topic: Text::from(&**name),
        payload: payload.clone(),
        qos: from_packet_qos(qos),
        retain,
        origin: Origin::Will,
        publisher: None,
    }
}

/// Who ended the connection, and why: reason code and words.
fn explain(reason: &Reason) -> (DisconnectedBy, u8, String) {
    match reason {
        // The first is the cause, the others are what followed from it.
        Reason::Reasons(reasons) if !reasons.is_empty() => explain(&reasons[0]),
        Reason::ConnectDisconnect(Some(Disconnect::V5(DisconnectV5 { reason_code, reason_string, .. }))) => {
            let words = reason_string.as_ref().map_or("disconnected", |words| words);
            (DisconnectedBy::Client, (*reason_code).into(), words.to_owned())
        }
        Reason::ConnectDisconnect(_) => (DisconnectedBy::Client, 0x00, "disconnected".to_owned()),
        // RMQTT says "server shutting down" when the client vanished.
        Reason::ConnectRemoteClose => (DisconnectedBy::Network, 0x80, "connection closed by the peer".to_owned()),
        Reason::ConnectReadWriteError => (DisconnectedBy::Network, 0x80, "connection failed".to_owned()),
        // 0x8E, session taken over; RMQTT says "not authorized".
        Reason::ConnectKicked(false) => (DisconnectedBy::Broker, 0x8E, "session taken over".to_owned()),
        Reason::ConnectKicked(true) => (DisconnectedBy::Broker, SERVER_SHUTTING_DOWN, STOPPING.to_owned()),
        other => (DisconnectedBy::Broker, other.to_reason_code().into(), other.to_string()),
    }
}
