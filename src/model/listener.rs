use super::Text;

/// Where clients may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerInfo {
    pub name: Text,
    /// The transport, such as `tcp`.
    pub kind: Text,
    /// With the port that the system chose if the configuration left it open.
    pub address: Text,
    pub port: u16,
}
