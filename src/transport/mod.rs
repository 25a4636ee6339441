//! Where connections come from.

mod listener;
mod tcp;

pub use listener::{bind, BindError, BoundListener, Listener};
pub use tcp::TcpLink;
