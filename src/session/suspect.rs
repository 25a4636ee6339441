//! Whether a client that says who it is has failed before.

use std::time::Instant;

use tokio::time::sleep;

use super::hub::Hub;
use super::rights::ip_of;
use super::ruling::Refusal;
use crate::limits::{Barred, Source};
use crate::model::{BanCause, Client, ReasonCode, Text};

/// Who is counted if a client fails.
pub(super) struct Suspect {
    address: Text,
    sources: Vec<Source>,
}

/// Whether a refusal with this reason is an attempt to be somebody else. That a service cannot be asked is not the client's
/// fault.
pub(super) fn is_failed_attempt(reason: ReasonCode) -> bool {
    [ReasonCode::BAD_USER_NAME_OR_PASSWORD, ReasonCode::NOT_AUTHORIZED].contains(&reason)
}

impl Suspect {
    pub(super) fn of(hub: &Hub, client: &Client) -> Self {
        let ip = ip_of(&client.address);
        let sources = hub.gate().sources(ip, &client.id, client.username.as_deref());
        Suspect { address: client.address.clone(), sources }
    }

    /// Counts a failure, and waits before the client hears of it: the longer, the more often that has happened.
    pub(super) async fn fail(&self, hub: &Hub) {
        let (shield, now) = (hub.gate().shield(), Instant::now());
        hub.count_barred(Barred::Authentication, &self.address, ip_of(&self.address), now);
        let delay = self.sources.iter().map(|source| shield.delay(source, now)).max().unwrap_or_default();
        for source in &self.sources {
            if let Some(ban) = shield.failed(source, BanCause::Authentication, now) {
                hub.banned(&ban, now);
            }
        }
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }

    /// Counts a connection; those that come and go all the time are banned, which holds from the next one on.
    pub(super) fn connected(&self, hub: &Hub) {
        let now = Instant::now();
        for source in &self.sources {
            if let Some(ban) = hub.gate().shield().failed(source, BanCause::Flapping, now) {
                hub.banned(&ban, now);
            }
        }
    }
}

/// Refuses a client that is banned, whichever of its names that is by. Its address has been looked at before, but for one that
/// the host program has brought.
pub(super) fn refuse_banned(hub: &Hub, client: &Client) -> Result<(), Refusal> {
    let now = Instant::now();
    if !hub.is_banned(client, now) {
        return Ok(());
    }
    hub.count_barred(Barred::Banned, &client.address, ip_of(&client.address), now);
    Err(Refusal::new(ReasonCode::BANNED))
}
