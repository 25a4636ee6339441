use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::proxy::ProxyPolicy;
use super::tls::TlsServer;
use super::websocket::WebSocketPolicy;
use crate::config::{self, Fault, ListenerLimits, ListenerType, Spoken};
use crate::limits::Places;
use crate::model::{ConnectionInfo, Protocol, Protocols, Text};

/// What awaits the connections of one listener. Another one can be put in its place while the listener is open:
/// connections keep the one that they have come through.
#[derive(Debug)]
pub struct Door {
    pub name: Text,
    pub kind: ListenerType,
    pub connect_timeout: Duration,
    pub protocols: Protocols,
    pub allow_anonymous: bool,
    /// Limits of its own, if there are any.
    pub limits: Option<Arc<ListenerLimits>>,
    pub proxy: Option<ProxyPolicy>,
    pub tls: Option<TlsServer>,
    pub websocket: Option<WebSocketPolicy>,
    /// What is known of a connection that has nothing but a socket.
    pub plain: Arc<ConnectionInfo>,
    pub places: Places,
}

impl Door {
    /// Makes what the configuration says, with files read. `before`: the places of the door in whose place it is put. Their
    /// number is as it was; whoever puts it there changes it.
    pub fn new(
        config: &config::Listener,
        index: usize,
        allow_anonymous: bool,
        before: Option<&Places>,
    ) -> Result<Door, Vec<Fault>> {
        let kind = config.kind;
        if kind == ListenerType::Quic && !cfg!(feature = "quic") {
            let words = "is \"quic\", which this library has been built without";
            return Err(vec![Fault::new(&format!("/listeners/{index}/type"), words)]);
        }
        let secured = kind.is_secured();
        let tls = secured.then(|| TlsServer::load(&config.tls, &format!("/listeners/{index}/tls"), kind));
        let max = config.max_connections as usize;
        Ok(Door {
            name: Text::from(config.display_name(index)),
            kind,
            connect_timeout: Duration::from_millis(config.connect_timeout_ms),
            protocols: config.protocols.iter().fold(Protocols::NONE, |all, spoken| all.with(protocol(*spoken))),
            allow_anonymous: config.allow_anonymous.unwrap_or(allow_anonymous),
            limits: (config.limits != ListenerLimits::default()).then(|| Arc::new(config.limits.clone())),
            proxy: ProxyPolicy::of(&config.proxy),
            tls: tls.transpose()?,
            websocket: kind.is_websocket().then(|| WebSocketPolicy::of(config)),
            plain: Arc::new(ConnectionInfo::new(kind.as_str())),
            places: before.cloned().unwrap_or_else(|| Places::new(max)),
        })
    }
}

impl Door {
    /// Whether the certificates, keys and lists of the other one are not the same. What is configured besides does not count.
    pub fn has_other_material_than(&self, other: &Door) -> bool {
        match (&self.tls, &other.tls) {
            (Some(tls), Some(other)) => tls.fingerprint() != other.fingerprint(),
            _ => false,
        }
    }
}

impl Door {
    /// Whether a connection from there may be that of a proxy, which tells of the client only later.
    pub fn may_be_proxy(&self, remote: Option<IpAddr>) -> bool {
        self.proxy.is_some() || self.websocket.as_ref().is_some_and(|websocket| websocket.trusts(remote))
    }
}

fn protocol(spoken: Spoken) -> Protocol {
    match spoken {
        Spoken::V3_1 => Protocol::V3_1,
        Spoken::V3_1_1 => Protocol::V3_1_1,
        Spoken::V5 => Protocol::V5,
    }
}
