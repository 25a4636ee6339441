//! From CONNECT to CONNACK: what is refused, and what is agreed on `[MQTT-3.1.4-1]`.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use bytestring::ByteString;

use super::connection::{Terms, TOPIC_ALIASES};
use super::ruling::{diagnosis_of, Refusal};
use super::serve::Peer;
use super::settings::Settings;
use crate::codec::{check_property_text, ConnAck, Connect, Encoder, Will};
use crate::hooks::{Changes, ConnectProperties};
use crate::limits::{Barred, Kind, Memory};
use crate::model::topic::{self, TopicError};
use crate::model::{Client, Message, Origin, Protocol, ReasonCode, Text};

/// Who wants to connect. A CONNECT without a client identifier gets one.
pub(super) fn client(connect: &Connect, peer: &Peer, node_id: u64, serial: u64) -> Client {
    let id = if connect.client_id.is_empty() {
        assign_client_id(serial) // [MQTT-3.1.3-6]
    } else {
        Text::from(&*connect.client_id)
    };
    let vouched = peer.identity.as_ref().and_then(|identity| identity.username.as_ref());
    let known = vouched.or(peer.certified.as_ref()).cloned();
    Client {
        id,
        username: known.or_else(|| connect.username.as_ref().map(|name| Text::from(&**name))),
        address: peer.address.clone(),
        listener: peer.listener.clone(),
        node_id,
        serial,
        protocol: connect.protocol,
        superuser: false,
    }
}

/// Makes of the client what the hook wants that has let it in.
pub(super) fn change_client(client: &mut Arc<Client>, granted: &Changes, settings: &Settings) -> Result<(), Refusal> {
    if let Some(id) = &granted.client_id {
        let is_text = check_property_text("client identifier", id).is_ok();
        if id.is_empty() || !is_text || !has_room(id, settings) {
            tracing::warn!(client_id = %id, "a client is refused: what a hook has put in is no client identifier");
            return Err(Refusal::new(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID));
        }
        Arc::make_mut(client).id = id.clone();
    }
    if granted.superuser {
        Arc::make_mut(client).superuser = true;
    }
    Ok(())
}

fn has_room(client_id: &str, settings: &Settings) -> bool {
    settings.limits.max_client_id_length == 0 || client_id.len() <= settings.limits.max_client_id_length
}

/// The packet that tells of a refusal, if it fits into what the client takes.
pub(super) fn refuse(protocol: Protocol, maximum_packet_size: Option<u32>, refusal: &Refusal, out: &mut BytesMut) {
    let ack = ConnAck {
        reason: refusal.reason,
        server_reference: refusal.server_reference(),
        diagnosis: refusal.diagnosis().unwrap_or_default(),
        ..ConnAck::default()
    };
    // A client that takes not even the plain one just sees the end.
    let _ = Encoder::new(protocol, true, maximum_packet_size.unwrap_or(u32::MAX)).connack(&ack, out);
}

/// Whether a client hears of a CONNECT that the broker could not read. Before MQTT 5 there is no code for it, and the
/// connection is closed without a word `[MQTT-3.1.1: 3.1.4-1]`.
pub(super) fn is_told(protocol: Protocol, reason: ReasonCode) -> bool {
    let has_code = [ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, ReasonCode::CLIENT_IDENTIFIER_NOT_VALID];
    protocol == Protocol::V5 || has_code.contains(&reason)
}

/// Checks what can be told without asking anyone.
pub(super) fn check(connect: &Connect, peer: &Peer, settings: &Settings) -> Result<(), Refusal> {
    let beyond = |reason| Refusal::of(Barred::Limit, reason);
    if !peer.protocols.contain(connect.protocol) {
        return Err(Refusal::new(ReasonCode::UNSUPPORTED_PROTOCOL_VERSION)); // [MQTT-3.1.2-2]
    }
    if !has_room(&connect.client_id, settings) {
        return Err(beyond(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID));
    }
    if connect.protocol != Protocol::V5 && connect.keep_alive_s > settings.limits.max_keepalive_s {
        // Nothing in CONNACK could tell of another keep alive.
        return Err(beyond(ReasonCode::SERVER_UNAVAILABLE));
    }
    if let Some(will) = &connect.will {
        match topic::check_name(&will.topic, settings.limits.max_topic_levels) {
            Ok(()) => {}
            Err(TopicError::TooManyLevels { .. }) => return Err(beyond(ReasonCode::TOPIC_NAME_INVALID)),
            Err(_) => return Err(Refusal::new(ReasonCode::TOPIC_NAME_INVALID)),
        }
        if will.qos > settings.limits.max_qos {
            return Err(beyond(ReasonCode::QOS_NOT_SUPPORTED)); // [MQTT-3.2.2-12]
        }
        if will.retain && !settings.retain && connect.protocol == Protocol::V5 {
            return Err(beyond(ReasonCode::RETAIN_NOT_SUPPORTED)); // [MQTT-3.2.2-13]
        }
    }
    Ok(())
}

/// What a hook is shown of the properties of CONNECT.
pub(super) fn properties(connect: &Connect) -> ConnectProperties {
    let text = |(name, value): &(ByteString, ByteString)| (Text::from(&**name), Text::from(&**value));
    ConnectProperties {
        session_expiry_s: connect.session_expiry_s,
        receive_maximum: connect.receive_maximum,
        maximum_packet_size: connect.maximum_packet_size,
        topic_alias_maximum: connect.topic_alias_maximum,
        request_response_information: connect.request_response_information,
        request_problem_information: connect.request_problem_information,
        user_properties: connect.user_properties.iter().map(text).collect(),
    }
}

/// What holds for an accepted connection.
pub(super) fn terms(connect: &Connect, settings: &Settings, granted: &Changes) -> Terms {
    // A session that was to end with its connection cannot last before MQTT 5 [MQTT-3.1.1: 3.1.2-6].
    let decided = granted.session_expiry_s.filter(|_| connect.protocol == Protocol::V5 || connect.session_expiry_s > 0);
    // What the hook has decided is not for the client to extend.
    let max_session_expiry_s = settings.max_session_expiry_s.min(decided.unwrap_or(u32::MAX));
    Terms {
        protocol: connect.protocol,
        // A client of MQTT before 5 cannot say how much it takes.
        receive_maximum: usize::from(connect.receive_maximum.min(settings.limits.max_inflight)),
        own_receive_maximum: usize::from(settings.limits.max_inflight),
        maximum_packet_size: connect.maximum_packet_size.map_or(usize::MAX, |size| size as usize),
        topic_alias_maximum: connect.topic_alias_maximum,
        request_problem_information: connect.request_problem_information,
        session_expiry_s: decided.unwrap_or(connect.session_expiry_s).min(max_session_expiry_s),
        session_may_last: connect.session_expiry_s > 0,
        max_session_expiry_s,
        max_qos: settings.limits.max_qos,
        retain_available: settings.retain,
    }
}

/// How long a client may be silent `[MQTT-3.1.2-22]`; `None` for ever.
pub(super) fn silence(keep_alive_s: u16) -> Option<Duration> {
    (keep_alive_s > 0).then(|| Duration::from_millis(1_500 * u64::from(keep_alive_s)))
}

/// The keep alive that holds, in seconds. An MQTT 5 client can be told of another one than its own `[MQTT-3.1.2-21]`.
pub(super) fn keep_alive(connect: &Connect, settings: &Settings, granted: &Changes) -> u16 {
    if connect.protocol != Protocol::V5 {
        return connect.keep_alive_s;
    }
    let max = settings.limits.max_keepalive_s;
    let wanted = granted.keep_alive_s.unwrap_or(connect.keep_alive_s);
    let too_long = wanted > max || (wanted == 0 && max < u16::MAX);
    if too_long {
        max
    } else {
        wanted
    }
}

/// The CONNACK of an accepted connection.
pub(super) fn accept<'a>(
    connect: &'a Connect,
    settings: &Settings,
    granted: &'a Changes,
    terms: &Terms,
    client: &'a Client,
    session_present: bool,
) -> ConnAck<'a> {
    let keep_alive_s = keep_alive(connect, settings, granted);
    let method = connect.authentication_method.as_deref();
    ConnAck {
        session_present,
        reason: ReasonCode::SUCCESS,
        session_expiry_s: (terms.session_expiry_s != connect.session_expiry_s).then_some(terms.session_expiry_s),
        receive_maximum: settings.limits.max_inflight,
        maximum_qos: settings.limits.max_qos,
        retain_available: settings.retain,
        maximum_packet_size: settings.limits.max_packet_bytes,
        assigned_client_id: connect.client_id.is_empty().then_some(&*client.id), // [MQTT-3.1.3-7]
        topic_alias_maximum: TOPIC_ALIASES,
        server_keep_alive_s: (keep_alive_s != connect.keep_alive_s).then_some(keep_alive_s),
        shared_subscription_available: settings.shared_subscriptions,
        // [MQTT-3.1.2-28]
        response_information: granted.response_information.as_deref().filter(|_| connect.request_response_information),
        server_reference: None,
        authentication_method: method, // [MQTT-4.12.0-5]
        authentication_data: granted.auth_data.as_ref().filter(|_| method.is_some()), // [MQTT-4.12.0-6]
        diagnosis: diagnosis_of(granted).unwrap_or_default(),
    }
}

/// A copy of the will that holds on to no packet. Its payload counts for as long as anyone has it.
pub(super) fn keep_will(will: &Will, memory: &Arc<Memory>) -> Will {
    Will {
        topic: (&*will.topic).into(),
        payload: memory.count(Kind::Sessions, Bytes::copy_from_slice(&will.payload), will.topic.len()),
        properties: Bytes::copy_from_slice(&will.properties),
        ..will.clone()
    }
}

/// The will as it is published `delay` from `now`.
pub(super) fn will_message(will: &Will, client: &Arc<Client>, now: Instant, delay: Duration) -> Message {
    Message {
        topic: Text::from(&*will.topic),
        payload: will.payload.clone(),
        qos: will.qos,
        retain: will.retain,
        properties: will.properties.clone(),
        expires_at: will.message_expiry_s.map(|seconds| now + delay + Duration::from_secs(seconds.into())),
        origin: Origin::Will,
        publisher: Some(client.clone()),
    }
}

/// A client identifier for a client that has none: unique, and not to be guessed.
fn assign_client_id(serial: u64) -> Text {
    let random = || RandomState::new().hash_one(serial);
    Text::from(format!("auto-{:016x}{:016x}", random(), random()))
}
