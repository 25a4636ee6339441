//! Whether a client may connect, as whom, and with which session.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::io::{AsyncRead, AsyncWrite};

use super::arrival::{Arrival, Failure};
use super::exchange;
use super::handshake;
use super::hub::Hub;
use super::lease::Lease;
use super::rights::Policy;
use super::ruling::Refusal;
use super::serve::Peer;
use super::settings::Settings;
use super::suspect::{is_failed_attempt, refuse_banned, Suspect};
use crate::access::{Credentials, Granted, Outcome, Rules};
use crate::codec::{Connect, Will};
use crate::hooks::{Authenticate, Changes, Hook, Key, OwnedQuestion, Verdict};
use crate::limits::Memory;
use crate::model::{Client, Message, ReasonCode};

/// A client that is let in.
pub(super) struct Admitted {
    pub(super) lease: Lease,
    /// What the hook that let it in has said.
    pub(super) granted: Box<Changes>,
    /// Access rules of its own.
    pub(super) rules: Option<Arc<Rules>>,
    /// When what it has shown ceases to be valid.
    pub(super) expires_at: Option<Instant>,
}

/// Who a client is, as far as that is known.
#[derive(Default)]
struct Identified {
    changes: Option<Box<Changes>>,
    rules: Option<Arc<Rules>>,
    expires_at: Option<Instant>,
}

impl Identified {
    /// By a hook, or by the host program.
    fn by_program(changes: Option<Box<Changes>>) -> Self {
        Identified { changes, ..Identified::default() }
    }
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
    refuse_banned(hub, client)?;
    let suspect = Suspect::of(hub, client);
    let identified = match identify(hub, arrival, connect, client, peer, settings).await {
        Err(Failure::Refused(refusal)) if is_failed_attempt(refusal.reason) => {
            // Be it too late when that is over, or the client gone: it has been refused.
            let _ = Box::pin(arrival.wait_in_time(suspect.fail(hub))).await;
            return Err(refusal.into());
        }
        other => other?,
    };
    let Identified { changes, rules, expires_at } = identified;
    let granted = changes.unwrap_or_default();
    handshake::change_client(client, &granted, settings)?;
    // It may go by another name now than the one in CONNECT, and may have been banned meanwhile.
    refuse_banned(hub, client)?;
    if let Some(will) = &connect.will {
        let policy = Policy::of(settings, rules.as_deref());
        Box::pin(arrival.wait_for(register(hub, will, client, policy))).await??;
    }
    if hub.is_stopping() {
        return Err(Refusal::new(ReasonCode::SERVER_UNAVAILABLE).into());
    }
    match arrival.wait_for(Lease::take(hub, &client.id, connect.clean_start)).await? {
        Ok(lease) => Ok(Admitted { lease, granted, rules, expires_at }),
        Err(lack) => Err(Refusal::of(lack.into(), ReasonCode::QUOTA_EXCEEDED).into()),
    }
}

/// Finds out who a client is.
async fn identify<S: AsyncRead + AsyncWrite + Unpin>(
    hub: &Hub,
    arrival: &mut Arrival<S>,
    connect: &Connect,
    client: &mut Arc<Client>,
    peer: &Peer,
    settings: &Settings,
) -> Result<Identified, Failure> {
    match &connect.authentication_method {
        // The host program has said who it is.
        _ if peer.identity.is_some() => Ok(Identified::default()),
        Some(method) => {
            let exchange = Box::pin(exchange::authenticate(hub, arrival, connect, client, peer, method));
            Ok(Identified::by_program(exchange.await?))
        }
        None => Ok(arrival.wait_in_time(authenticate(hub, connect, client, peer, settings)).await??),
    }
}

/// Asks about a client whose CONNECT says it all: the hook first, then the configuration.
async fn authenticate(
    hub: &Hub,
    connect: &Connect,
    client: &mut Arc<Client>,
    peer: &Peer,
    settings: &Settings,
) -> Result<Identified, Refusal> {
    let question = || {
        OwnedQuestion::Authenticate(Box::new(Authenticate {
            client: client.clone(),
            connection: peer.connection.clone(),
            password: connect.password.clone(),
            keep_alive_s: connect.keep_alive_s,
            clean_start: connect.clean_start,
            will: connect.will.as_ref().map(|will| Arc::new(registered(will, client, hub.memory()))),
            properties: handshake::properties(connect),
        }))
    };
    let key = || Key::Client(client.id.clone());
    let asked = hub.callbacks().ask(Hook::Authenticate, key, question);
    match asked.verdict().await {
        Some(Verdict::Allow(changes)) => Ok(Identified::by_program(changes)),
        Some(Verdict::Deny(denial)) => Err(denial.into()),
        Some(Verdict::Continue(_)) | None => authenticate_as_configured(connect, client, peer, settings).await,
        Some(Verdict::Drop | Verdict::Failed) => Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
    }
}

async fn authenticate_as_configured(
    connect: &Connect,
    client: &mut Arc<Client>,
    peer: &Peer,
    settings: &Settings,
) -> Result<Identified, Refusal> {
    if peer.certified.is_some() {
        return Ok(Identified::default());
    }
    let access = &settings.access;
    let is_anonymous = connect.username.is_none() && connect.password.is_none();
    // Where nobody can check credentials, those that come with some are as anonymous as those without.
    if is_anonymous || !access.has_methods() {
        return match peer.allow_anonymous {
            true => Ok(Identified::default()),
            false => Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
        };
    }
    let credentials = Credentials {
        client_id: &client.id,
        username: connect.username.as_deref(),
        password: connect.password.as_deref(),
        address: &client.address,
        listener: &client.listener,
    };
    match Box::pin(access.authenticate(&credentials)).await {
        Outcome::Allowed(Granted { username, superuser, expires_at, rules }) => {
            let known = Arc::make_mut(client);
            known.username = username.or_else(|| known.username.take());
            known.superuser |= superuser;
            let left = expires_at.map(|at| at.duration_since(SystemTime::now()).unwrap_or_default());
            let expires_at = left.and_then(|left| Instant::now().checked_add(left));
            Ok(Identified { changes: None, rules, expires_at })
        }
        Outcome::Denied(refused) => {
            tracing::debug!(client_id = %client.id, address = %client.address, "not let in: {}", refused.why);
            Err(Refusal::new(refused.reason))
        }
        Outcome::Unknown => Err(Refusal::new(ReasonCode::BAD_USER_NAME_OR_PASSWORD)),
    }
}

/// Asks about a will before there is any need for it.
async fn register(hub: &Hub, will: &Will, client: &Arc<Client>, policy: Policy<'_>) -> Result<(), Refusal> {
    let key = || Key::Client(client.id.clone());
    let question = || OwnedQuestion::AuthorizePublish(Arc::new(registered(will, client, hub.memory())));
    match hub.callbacks().ask(Hook::AuthorizePublish, key, question).verdict().await {
        None if policy.publishing(client, &will.topic, will.qos, will.retain).allows() => Ok(()),
        Some(Verdict::Allow(_)) => Ok(()),
        Some(Verdict::Deny(denial)) => Err(denial.into()),
        Some(_) | None => Err(Refusal::new(ReasonCode::NOT_AUTHORIZED)),
    }
}

/// A will as the hooks see it when it is registered. It holds on to no packet.
fn registered(will: &Will, client: &Arc<Client>, memory: &Arc<Memory>) -> Message {
    handshake::will_message(&handshake::keep_will(will, memory), client, Instant::now(), Duration::ZERO)
}
