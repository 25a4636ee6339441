//! MQTT on the wire: RMQTT's codec behind strict checks, one set of packets for all protocol versions, and an encoder for
//! PUBLISH that serves many receivers at once.

mod packet;

pub use packet::{Ack, Auth, Connect, Disconnect, Packet, Publish, Subscribe, Unsubscribe, Will};
