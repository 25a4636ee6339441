//! What the broker gives to all clients together.

mod gate;
mod lines;
mod memory;
mod meter;
mod networks;
mod places;
mod rate;
mod shield;
mod source;

pub use gate::{Barred, Gate};
pub use lines::{Lines, LOG_INTERVAL};
pub use memory::{Kind, Memory, Pressure, Refusing, Share};
pub use meter::Meter;
pub use networks::Networks;
pub use places::{Place, Places};
pub use rate::{Allowance, Bucket};
pub use shield::{Ban, BanPolicy, Shield};
pub use source::{Network, Source};
