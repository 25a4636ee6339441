//! What the broker gives to all clients together.

mod places;

pub use places::{Place, Places};
