//! What the configuration says about who may connect, and what they may do, where no hook decides.

mod credentials;
mod filters;
mod http;
mod jwt;
mod password_file;
mod rules;

pub use credentials::{Credentials, Granted, Outcome, Refused};
pub use http::Service;
pub use jwt::Tokens;
pub use password_file::{Checked, PasswordFile};
pub use rules::{Rules, Ruling, Subject};
