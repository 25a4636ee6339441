use std::fmt;
use std::net::IpAddr;

use ipnet::{Ipv4Net, Ipv6Net};
use serde::Serialize;

use crate::model::Text;

/// Who is counted, and banned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
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

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
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
