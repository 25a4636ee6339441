//! What the broker tells of itself: statistics and the log.

pub mod log;
pub mod metrics;
mod stats;

pub use stats::Stats;
