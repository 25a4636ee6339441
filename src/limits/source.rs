use std::fmt;
use std::net::IpAddr;

use ipnet::{Ipv4Net, Ipv6Net};

use crate::model::{BanKind, Client, Text};

/// Who is counted, and banned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    Ip(Network),
    ClientId(Text),
    Username(Text),
}

/// An address as far as it tells one host from another: all of IPv4, the first half of IPv6, for the second half is the
/// host's to choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Network {
    V4(Ipv4Net),
    V6(Ipv6Net),
}

impl From<IpAddr> for Network {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Network::V4(Ipv4Net::from(address)),
            IpAddr::V6(address) => {
                let host = Ipv6Net::from(address);
                Network::V6(Ipv6Net::new(address, 64).map_or(host, |network| network.trunc()))
            }
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Network::V4(network) => network.addr().fmt(f),
            Network::V6(network) => network.fmt(f),
        }
    }
}

impl Source {
    /// `None` if that is no address.
    pub fn of(kind: BanKind, value: &str) -> Option<Source> {
        Some(match kind {
            BanKind::Ip => Source::Ip(value.parse::<IpAddr>().ok()?.into()),
            BanKind::ClientId => Source::ClientId(Text::from(value)),
            BanKind::User => Source::Username(Text::from(value)),
        })
    }

    pub fn kind(&self) -> BanKind {
        match self {
            Source::Ip(_) => BanKind::Ip,
            Source::ClientId(_) => BanKind::ClientId,
            Source::Username(_) => BanKind::User,
        }
    }

    /// The address, client identifier or user name.
    pub fn value(&self) -> Text {
        match self {
            Source::Ip(network) => Text::from(network.to_string()),
            Source::ClientId(value) | Source::Username(value) => value.clone(),
        }
    }

    /// Whether a client is it. `ip`: where it is.
    pub fn is(&self, client: &Client, ip: Option<IpAddr>) -> bool {
        match self {
            Source::Ip(network) => ip.is_some_and(|ip| Network::from(ip) == *network),
            Source::ClientId(id) => client.id == *id,
            Source::Username(name) => client.username.as_ref() == Some(name),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Ip(network) => write!(f, "address {network}"),
            Source::ClientId(id) => write!(f, "client identifier {id}"),
            Source::Username(name) => write!(f, "user {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_host_can_choose_does_not_tell_it_from_others() {
        let network = |text: &str| Network::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1");
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:2"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("2001:db8::1").to_string(), "2001:db8::/64");
    }
}
