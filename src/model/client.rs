use super::Text;

/// The protocol version a client speaks, by the level that its CONNECT carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Protocol {
    V3_1 = 3,
    V3_1_1 = 4,
    V5 = 5,
}

/// Some protocol versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protocols(u8);

impl Protocols {
    pub const NONE: Protocols = Protocols(0);
    pub const ALL: Protocols = Protocols::NONE.with(Protocol::V3_1).with(Protocol::V3_1_1).with(Protocol::V5);

    pub const fn with(self, protocol: Protocol) -> Protocols {
        Protocols(self.0 | 1 << protocol as u8)
    }

    pub const fn contain(self, protocol: Protocol) -> bool {
        self.0 & 1 << protocol as u8 != 0
    }
}

/// Who a connection is: fixed once CONNECT has been read, shared by every event that concerns it.
#[derive(Clone, Debug)]
pub struct Client {
    /// The client identifier, the one the broker assigned if CONNECT had none.
    pub id: Text,
    /// The user name of CONNECT, or the one in its place: of its certificate, or that the host program vouches for.
    pub username: Option<Text>,
    /// Where the connection comes from, `host:port`, or what the host program says.
    pub address: Text,
    /// The name of the listener that accepted it, or what the host program calls it.
    pub listener: Text,
    /// The node the connection is on.
    pub node_id: u64,
    /// Counts connections within one broker, so that two connections under one client identifier can be told apart.
    pub serial: u64,
    pub protocol: Protocol,
    /// A hook has said so when it connected: the configured access rules do not hold for it.
    pub superuser: bool,
}
