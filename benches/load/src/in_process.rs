//! A program that publishes to itself.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::scenario::{Sample, Timing};
use crate::Result;

/// Has it measure how many messages of 64 bytes a second it publishes to a function of its own.
pub fn run(program: &Path, timing: &Timing) -> Result<Sample> {
    let seconds = |time: std::time::Duration| time.as_secs_f64().to_string();
    let output = Command::new(program)
        .args([seconds(timing.warm_up), seconds(timing.measured)])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let rate: f64 = text.trim().parse().map_err(|_| format!("it says {:?}", text.trim()))?;
    Ok(Sample { values: vec![rate / 1000.0], ..Sample::default() })
}
