//! What the broker gives to all clients together.

mod memory;
mod places;
mod rate;
mod shield;
mod source;

pub use memory::{Kind, Memory, Pressure, Refusing, Share};
pub use places::{Place, Places};
pub use rate::{Allowance, Bucket};
pub use shield::{Ban, BanCause, BanPolicy, Shield};
pub use source::{Network, Source};
