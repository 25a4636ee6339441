//! Enhanced authentication before CONNACK `[MQTT-5 4.12]`: AUTH to and fro until the host program has made up its mind.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::arrival::{Arrival, Failure};
use super::connection::MAX_ROUNDS;
use super::hub::Hub;
use super::ruling::{diagnosis_of, Refusal};
use super::serve::Peer;
use crate::codec::{Connect, Encoder, Packet};
use crate::hooks::{AuthExchange, Changes, Hook, Key, OwnedQuestion, Verdict};
use crate::model::{Client, ReasonCode, Text};

/// Goes through the exchange that CONNECT has begun; what the hook that accepts the client has said.
pub(super) async fn authenticate<S: AsyncRead + AsyncWrite + Unpin>(
    hub: &Hub,
    arrival: &mut Arrival<S>,
    connect: &Connect,
    client: &Arc<Client>,
    peer: &Peer,
    method: &str,
) -> Result<Option<Box<Changes>>, Failure> {
    let method = Text::from(method);
    let mut data = connect.authentication_data.clone();
    for round in 1..=MAX_ROUNDS {
        let question = || {
            OwnedQuestion::AuthExchange(AuthExchange {
                client: client.clone(),
                connection: Some(peer.connection.clone()),
                method: method.clone(),
                // A copy: the packet is part of a buffer that must not be kept.
                data: data.as_deref().map(Bytes::copy_from_slice),
                round,
                again: false,
            })
        };
        let key = || Key::Client(client.id.clone());
        let asked = hub.callbacks().ask(Hook::AuthExchange, key, question);
        let challenge = match arrival.wait_for(asked.verdict()).await? {
            Some(Verdict::Allow(changes)) => return Ok(changes),
            Some(Verdict::Continue(changes)) if round < MAX_ROUNDS => changes.unwrap_or_default(),
            Some(Verdict::Deny(denial)) => return Err(Refusal::from(denial).into()),
            // Nobody knows any method [MQTT-4.12.0-1].
            None if round == 1 => return Err(Refusal::new(ReasonCode::BAD_AUTHENTICATION_METHOD).into()),
            Some(_) | None => break,
        };
        arrival.send(challenge_packet(connect, &method, &challenge)?).await?;
        data = answer(arrival.packet().await?, &method)?;
    }
    Err(Refusal::new(ReasonCode::NOT_AUTHORIZED).into())
}

/// AUTH that asks the client for more `[MQTT-4.12.0-2]`.
fn challenge_packet(connect: &Connect, method: &Text, challenge: &Changes) -> Result<BytesMut, Refusal> {
    let mut out = BytesMut::new();
    let limit = connect.maximum_packet_size.unwrap_or(u32::MAX);
    let encoder = Encoder::new(connect.protocol, connect.request_problem_information, limit);
    let reason = ReasonCode::CONTINUE_AUTHENTICATION;
    let (data, diagnosis) = (challenge.auth_data.as_ref(), diagnosis_of(challenge));
    encoder
        .auth(reason, Some(method), data, diagnosis.as_ref(), &mut out)
        .map_err(|_| Refusal::new(ReasonCode::PACKET_TOO_LARGE))?;
    Ok(out)
}

/// The authentication data with which a client goes on. It may send nothing but AUTH and DISCONNECT `[MQTT-3.1.2-30]`.
fn answer(packet: Packet, method: &Text) -> Result<Option<Bytes>, Failure> {
    let reason = match packet {
        Packet::Auth(auth) if auth.method.as_deref() != Some(&**method) => ReasonCode::BAD_AUTHENTICATION_METHOD,
        // [MQTT-4.12.0-3]
        Packet::Auth(auth) if auth.reason == ReasonCode::CONTINUE_AUTHENTICATION => return Ok(auth.data),
        Packet::Disconnect(_) => return Err(Failure::Gone),
        _ => ReasonCode::PROTOCOL_ERROR,
    };
    Err(Refusal::new(reason).into())
}
