//! Who is kept out.

use std::time::Duration;

use serde::Serialize;

use super::{Broker, Error};
use crate::limits::Source;
use crate::model::{BanCause, BanKind, Text};

/// Somebody who is kept out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BanInfo {
    pub kind: &'static str,
    pub value: Text,
    pub cause: &'static str,
    /// Milliseconds that are left of it; `None` until it is lifted.
    pub left_ms: Option<u64>,
}

/// All who are kept out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BanList {
    pub bans: Vec<BanInfo>,
}

impl Broker {
    /// Keeps somebody out, and disconnects the clients that it is about; until it is lifted, without `duration`.
    pub fn ban(&self, kind: BanKind, value: &str, duration: Option<Duration>) -> Result<(), Error> {
        let source = source(kind, value)?;
        self.inner.with_hub(|hub| {
            hub.ban(source, duration);
            Ok(())
        })
    }

    /// Lets somebody in again.
    pub fn unban(&self, kind: BanKind, value: &str) -> Result<(), Error> {
        let source = source(kind, value)?;
        self.inner.with_hub(|hub| match hub.lift_ban(&source) {
            true => Ok(()),
            false => Err(Error::NotFound(format!("there is no ban of {source}"))),
        })
    }

    /// All who are kept out.
    pub fn bans(&self) -> Result<BanList, Error> {
        self.inner.with_hub(|hub| {
            let bans = hub.bans().into_iter().map(|(ban, left)| BanInfo {
                kind: match ban.source.kind() {
                    BanKind::Ip => "ip",
                    BanKind::ClientId => "client_id",
                    BanKind::User => "user",
                },
                value: ban.source.value(),
                cause: match ban.cause {
                    BanCause::Authentication => "authentication",
                    BanCause::Flapping => "flapping",
                    BanCause::Api => "api",
                },
                left_ms: left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            });
            Ok(BanList { bans: bans.collect() })
        })
    }
}

fn source(kind: BanKind, value: &str) -> Result<Source, Error> {
    if value.is_empty() || value.contains('\0') {
        return Err(Error::InvalidArgument("the value is empty, or contains U+0000".to_owned()));
    }
    Source::of(kind, value).ok_or_else(|| Error::InvalidArgument(format!("\"{value}\" is no IP address")))
}
