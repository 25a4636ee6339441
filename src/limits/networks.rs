use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Networks, in which an address is found without looking at each of them.
#[derive(Clone, Debug, Default)]
pub struct Networks {
    /// In order, and apart from each other.
    v4: Vec<Ipv4Net>,
    v6: Vec<Ipv6Net>,
}

impl Networks {
    pub fn new(networks: &[IpNet]) -> Self {
        let mut apart = Networks::default();
        for network in networks {
            match network {
                IpNet::V4(network) => apart.v4.push(*network),
                IpNet::V6(network) => apart.v6.push(*network),
            }
        }
        Networks { v4: Ipv4Net::aggregate(&apart.v4), v6: Ipv6Net::aggregate(&apart.v6) }
    }

    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    pub fn contain(&self, address: IpAddr) -> bool {
        // It can only be in the last one that does not begin behind it.
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let begun = self.v4.partition_point(|network| network.network() <= address);
                self.v4[..begun].last().is_some_and(|network| network.contains(&address))
            }
            IpAddr::V6(address) => {
                let begun = self.v6.partition_point(|network| network.network() <= address);
                self.v6[..begun].last().is_some_and(|network| network.contains(&address))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Addresses and networks that are near each other, at both ends of all that there are.
    fn address() -> impl Strategy<Value = IpAddr> {
        let v4 = (prop_oneof![0..64u32, u32::MAX - 63..=u32::MAX]).prop_map(|bits| Ipv4Addr::from(bits).into());
        let v6 = (prop_oneof![1u128 << 64..(1 << 64) + 64, u128::MAX - 63..=u128::MAX])
            .prop_map(|bits| Ipv6Addr::from(bits).into());
        prop_oneof![v4, v6]
    }

    fn network() -> impl Strategy<Value = IpNet> {
        (address(), 0..=8u8, 0..100u8).prop_map(|(address, host_bits, all)| {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            IpNet::new(address, if all == 0 { 0 } else { bits - host_bits }).unwrap()
        })
    }

    proptest! {
        #[test]
        fn an_address_is_found_as_if_all_were_looked_at(networks in vec(network(), 0..12), address in address()) {
            let found = Networks::new(&networks).contain(address);
            prop_assert_eq!(found, networks.iter().any(|network| network.contains(&address)));
        }
    }

    #[test]
    fn addresses_of_both_kinds_are_the_same() {
        let networks = Networks::new(&["10.0.0.0/8".parse().unwrap()]);
        assert!(networks.contain("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!networks.contain("::ffff:11.1.2.3".parse().unwrap()) && !networks.is_empty());
        assert!(!Networks::new(&[]).contain("10.1.2.3".parse().unwrap()) && Networks::new(&[]).is_empty());
    }
}
