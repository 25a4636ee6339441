//! What the configuration says about who may connect, and what they may do, where no hook decides.

mod filters;
mod rules;

pub use rules::{Rules, Ruling, Subject};
