//! Where connections come from.

mod listener;
mod tcp;

pub use listener::{bind, BindError, Listener};
pub use tcp::TcpLink;
