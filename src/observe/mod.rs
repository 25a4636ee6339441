//! What the broker tells of itself: statistics and the log.

pub mod log;
mod stats;

pub use stats::Stats;
