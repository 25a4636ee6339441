use super::versioned::CBool;
use super::view::rmqtt_str_t;
use crate::model::Client;

/// A connection of a client. Its text lives as long as the callback that gets it runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_client_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The client identifier; the one the broker made up if the client had none.
    pub client_id: rmqtt_str_t,
    /// The user name; absent if CONNECT has none. For a client that the program vouches for, see `rmqtt_peer_t`.
    pub username: rmqtt_str_t,
    /// Where the connection comes from, such as `192.0.2.1:49152`, or what `rmqtt_peer_t` says.
    pub address: rmqtt_str_t,
    /// The name of the listener that accepted it, or what `rmqtt_peer_t` says.
    pub listener: rmqtt_str_t,
    /// The `node_id` of the broker it is connected to.
    pub node_id: u64,
    /// Numbers the connections of a broker from 1 on, so that two under one client identifier can be told apart.
    pub serial: u64,
    /// The protocol level of CONNECT: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0.
    pub protocol: u8,
    /// A hook has said so when it connected: the configured access rules do not hold for it.
    pub superuser: CBool,
    /// Zero.
    pub reserved: [u8; 6],
}

impl rmqtt_client_t {
    /// A view of `client`, which must outlive it.
    #[inline(always)]
    pub(super) fn of(client: &Client) -> Self {
        rmqtt_client_t {
            struct_size: size_of::<rmqtt_client_t>(),
            client_id: rmqtt_str_t::of(&client.id),
            username: rmqtt_str_t::of_option(client.username.as_ref()),
            address: rmqtt_str_t::of(&client.address),
            listener: rmqtt_str_t::of(&client.listener),
            node_id: client.node_id,
            serial: client.serial,
            protocol: client.protocol as u8,
            superuser: client.superuser.into(),
            reserved: [0; 6],
        }
    }
}
