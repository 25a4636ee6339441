//! MQTT on the wire: RMQTT's codec behind strict checks, one set of packets for all protocol versions, and an encoder for
//! PUBLISH that serves many receivers at once.

mod check;
mod connack;
mod convert;
mod decoder;
mod diagnosis;
mod encoder;
mod fault;
mod message_properties;
mod packet;
mod property;
mod publish;
mod reader;
#[cfg(test)]
mod tests;

pub use connack::ConnAck;
pub use decoder::Decoder;
pub use diagnosis::Diagnosis;
pub use encoder::{Encoder, Unsendable};
pub use fault::Fault;
pub use message_properties::{check_property_text, encode_properties, read_properties, Inexpressible};
pub use packet::{Ack, Auth, Connect, Disconnect, Packet, Publish, Subscribe, Unsubscribe, Will};
pub use publish::{PublishHead, MAX_REMAINING_LENGTH};
