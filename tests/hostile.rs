//! What a client must not be able to do to the broker, or to others. What the whole process has, such as memory, is
//! looked at in `resources.rs`.

#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

#[path = "support/brokers.rs"]
mod brokers;

#[path = "hostile/connecting.rs"]
mod connecting;
#[path = "hostile/delivery.rs"]
mod delivery;
#[path = "hostile/packets.rs"]
mod packets;
#[path = "hostile/shared.rs"]
mod shared;
#[path = "hostile/slow.rs"]
mod slow;
#[path = "hostile/topics.rs"]
mod topics;
