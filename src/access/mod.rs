//! What the configuration says about who may connect, and what they may do, where no hook decides.

mod filters;
mod password_file;
mod rules;

pub use password_file::{Checked, PasswordFile};
pub use rules::{Rules, Ruling, Subject};
