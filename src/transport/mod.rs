//! Where connections come from.

mod adopted;
mod link;
mod listener;

pub use adopted::{adopt, pair, Adopted, AdoptedLink, Unfit};
pub use link::{Link, TcpLink};
pub use listener::{bind, BindError, Listener};
