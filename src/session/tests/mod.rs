//! Tests of the protocol without sockets: what [`super::connection`], [`super::window`] and [`super::mailbox`] do with
//! packets and messages. [`bursts`] and [`panics`] go through [`super::serve`], over streams in memory.

mod aliases;
mod any_packets;
mod bursts;
pub(super) mod desk;
mod ending;
mod in_memory;
mod mailbox;
mod mailbox_model;
mod outbound;
mod panics;
mod publishing;
mod redelivery;
mod subscribing;
pub(super) mod support;
mod talk;
mod window;
mod wire;
