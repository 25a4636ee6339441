//! Connections that the host program brings.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{arrivals, Broker, Error, Run, NOT_RUNNING};
use crate::model::{ConnectionInfo, Protocols, Text};
use crate::session::{self, Identity};
use crate::transport::{self, Adopted, AdoptedLink, Unfit};

/// The longest text about a peer: CONNECT could not say more.
const MAX_TEXT_BYTES: usize = 65_535;

/// The default of `connect_timeout_ms` of a listener.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What it may be at most, as there.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(3600);

/// What the host program knows about a connection that it brings.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Where it comes from. Without it, the address of the other end; `unix` or `pair` if that tells nothing.
    pub address: Option<Text>,
    /// What stands for the name of a listener. Without it, `attached`.
    pub listener: Option<Text>,
    /// Whether the host program vouches for the client: neither a hook nor the configuration is asked who it is.
    pub authenticated: bool,
    /// The user name of a client that is vouched for. Without it, that of CONNECT.
    pub username: Option<Text>,
    /// How long the client may take until its CONNECT is complete. Zero means 15 seconds.
    pub connect_timeout: Duration,
}

impl Broker {
    /// Serves the client at the other end of a connected stream socket. The descriptor is closed if that fails.
    pub fn attach(&self, descriptor: OwnedFd, peer: Peer) -> Result<(), Error> {
        peer.check()?;
        let run = self.inner.run();
        let run = run.as_ref().ok_or(NOT_RUNNING)?;
        let _inside = run.runtime.enter();
        let Adopted { link, address } = transport::adopt(descriptor).map_err(|unfit| match unfit {
            Unfit::Wrong(what) => Error::InvalidArgument(format!("the descriptor {what}")),
            Unfit::Refused(error) => refused(&error),
        })?;
        run.attach(
            link,
            peer.session_peer(run.allows_anonymous(), || {
                address.map_or(Text::from("unix"), |at| Text::from(at.to_string()))
            }),
        )
    }

    /// Serves a client of this process; its end of the connection.
    pub fn connect_pair(&self, peer: Peer) -> Result<OwnedFd, Error> {
        peer.check()?;
        let run = self.inner.run();
        let run = run.as_ref().ok_or(NOT_RUNNING)?;
        let _inside = run.runtime.enter();
        let (link, other) = transport::pair().map_err(|error| refused(&error))?;
        run.attach(link, peer.session_peer(run.allows_anonymous(), || Text::from("pair")))?;
        Ok(other)
    }
}

fn refused(error: &io::Error) -> Error {
    Error::Io(format!("the system does not let the connection be served: {error}"))
}

impl Run {
    /// For connections that have no listener.
    fn allows_anonymous(&self) -> bool {
        self.in_force.lock().config.auth.allow_anonymous
    }

    /// Has a connection served, if there is a place for it.
    fn attach(&self, link: AdoptedLink, peer: session::Peer) -> Result<(), Error> {
        let Some(place) = self.places.take() else {
            self.hub.turn_away(&peer.address, session::ip_of(&peer.address), true);
            return Err(Error::WouldBlock("there are as many connections as limits.max_connections allows"));
        };
        let peer = Box::new(peer);
        match link {
            AdoptedLink::Tcp(link) => arrivals::spawn_attached(&self.hub, &self.places, link, peer, place),
            AdoptedLink::Unix(link) => arrivals::spawn_attached(&self.hub, &self.places, link, peer, place),
        }
        Ok(())
    }
}

impl Peer {
    fn check(&self) -> Result<(), Error> {
        let named =
            [("the address", &self.address), ("the listener", &self.listener), ("the user name", &self.username)];
        for (what, text) in named {
            let Some(text) = text else { continue };
            let problem = if text.len() > MAX_TEXT_BYTES {
                format!("is longer than {MAX_TEXT_BYTES} bytes")
            } else if text.contains('\0') {
                "contains U+0000".to_owned()
            } else {
                continue;
            };
            return Err(Error::InvalidArgument(format!("{what} of the peer {problem}")));
        }
        if self.username.is_some() && !self.authenticated {
            let text = "the peer has a user name, but is not authenticated: it would be anybody's";
            return Err(Error::InvalidArgument(text.to_owned()));
        }
        if self.connect_timeout > MAX_CONNECT_TIMEOUT {
            let max = MAX_CONNECT_TIMEOUT.as_millis();
            return Err(Error::InvalidArgument(format!("the connect timeout of the peer is above {max} ms")));
        }
        Ok(())
    }

    /// The connection as it is served. It has been checked.
    fn session_peer(self, allow_anonymous: bool, address: impl FnOnce() -> Text) -> session::Peer {
        let timeout = if self.connect_timeout.is_zero() { DEFAULT_CONNECT_TIMEOUT } else { self.connect_timeout };
        session::Peer {
            address: self.address.unwrap_or_else(address),
            listener: self.listener.unwrap_or_else(|| Text::from("attached")),
            connection: Arc::new(ConnectionInfo::new("attached")),
            protocols: Protocols::ALL,
            allow_anonymous,
            certified: None,
            identity: self.authenticated.then_some(Identity { username: self.username }),
            limits: None,
            connect_by: Instant::now() + timeout,
            has_own_end: false,
        }
    }
}
