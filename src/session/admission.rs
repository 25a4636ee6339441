//! Whether a client may connect, as whom, and with which session.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite};

use super::arrival::{Arrival, Failure};
use super::exchange;
use super::handshake;
use super::hub::Hub;
use super::lease::Lease;
use super::ruling::{publishing_without_hook, Refusal};
use super::serve::Peer;
use super::settings::Settings;
use crate::codec::{Connect, Will};
use crate::hooks::{Authenticate, Changes, Hook, Key, OwnedQuestion, Verdict};
use crate::model::{Client, Message, ReasonCode};

/// A client that is let in.
pub(super) struct Admitted {
    pub(super) lease: Lease,
    /// What the hook that let it in has said.
    pub(super) granted: Box<Changes>,
}

/// Decides whether a client may connect, and finds its session. A hook may make another client of it.
pub(super) async fn admit<S: AsyncRead + AsyncWrite + Unpin>(
    hub: &Arc<Hub>,
    arrival: &mut Arrival<S>,
    connect: &Connect,
    client: &mut Arc<Client>,
    peer: &Peer,
    settings: &Settings,
) -> Result<Admitted, Failure> {
    handshake::check(connect, peer, settings)?;
    let changes = match &connect.authentication_method {
        // The host program has said who it is.
        _ if peer.identity.is_some() => None,
        Some(method) => exchange::authenticate(hub, arrival, connect, client, peer, method).await?,
        None => arrival.wait_for(authenticate(hub, connect, client, peer)).await??,
    };
    let granted = changes.unwrap_or_default();
    handshake::change_client(client, &granted, settings)?;
    if let Some(will) = &connect.will {
        arrival.wait_for(register(hub, will, client)).await??;
    }
    if hub.is_stopping() {
        return Err(Refusal::new(ReasonCode::SERVER_UNAVAILABLE).into());
    }
    match arrival.wait_for(Lease::take(hub, &client.id, connect.clean_start)).await? {
        Ok(lease) => Ok(Admitted { lease, granted }),
        Err(_) => Err(Refusal::new(ReasonCode::QUOTA_EXCEEDED).into()),
    }
}

/// Asks about a client whose CONNECT says it all.
async fn authenticate(
    hub: &Hub,
    connect: &Connect,
    client: &Arc<Client>,
    peer: &Peer,
) -> Result<Option<Box<Changes>>, Refusal> {
    let question = || {
        OwnedQuestion::Authenticate(Box::new(Authenticate {
            client: client.clone(),
            connection: peer.connection.clone(),
            password: connect.password.clone(),
            keep_alive_s: connect.keep_alive_s,
            clean_start: connect.clean_start,
            will: connect.will.as_ref().map(|will| Arc::new(registered(will, client))),
            properties: handshake::properties(connect),
        }))
    };
    let key = || Key::Client(client.id.clone());
    let asked = hub.callbacks().ask(Hook::Authenticate, key, question);
    match asked.verdict().await {
        Some(Verdict::Allow(changes)) => Ok(changes),
        Some(Verdict::Deny(denial)) => Err(denial.into()),
        Some(_) => Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
        // Nobody can check credentials: those that come with some are as anonymous as those without.
        None if peer.allow_anonymous || peer.certified.is_some() => Ok(None),
        None => Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
    }
}

/// Asks about a will before there is any need for it.
async fn register(hub: &Hub, will: &Will, client: &Arc<Client>) -> Result<(), Refusal> {
    let key = || Key::Client(client.id.clone());
    let question = || OwnedQuestion::AuthorizePublish(Arc::new(registered(will, client)));
    match hub.callbacks().ask(Hook::AuthorizePublish, key, question).verdict().await {
        None if publishing_without_hook(client, &will.topic).allows() => Ok(()),
        Some(Verdict::Allow(_)) => Ok(()),
        Some(Verdict::Deny(denial)) => Err(denial.into()),
        Some(_) | None => Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
    }
}

/// A will as the hooks see it when it is registered. It holds on to no packet.
fn registered(will: &Will, client: &Arc<Client>) -> Message {
    handshake::will_message(&handshake::keep_will(will), client, Instant::now(), Duration::ZERO)
}
