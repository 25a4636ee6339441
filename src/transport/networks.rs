use std::net::IpAddr;

use ipnet::IpNet;

/// Networks that are trusted to say where a client comes from.
#[derive(Clone, Debug, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub fn new(networks: &[IpNet]) -> Self {
        Networks(networks.to_vec())
    }

    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}
