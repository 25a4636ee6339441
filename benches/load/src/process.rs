//! What the system tells about a process.

use std::fs;

use crate::{sys, Result};

/// Processor time that all threads of a process have used, in microseconds.
pub fn cpu_micros(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    ticks(&text).map(|ticks| ticks / sys::ticks_per_second() * 1e6).ok_or_else(|| format!("{path} is not understood"))
}

/// Resident memory of a process, in bytes. `smaps_rollup` counts pages; the cheaper counters elsewhere lag behind.
pub fn resident_bytes(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.map(|kib| kib * 1024.0).ok_or_else(|| format!("{path} is not understood"))
}

/// User and system time. The name of the program stands before them, in parentheses, and may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number)?.parse::<f64>().ok();
    Some(field(11)? + field(12)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let stat = "12 (a) b) S 1 12 12 0 -1 4194560 200 0 0 0 31 11 0 0 20 0 3 0 100 1000 50";
        assert_eq!(ticks(stat), Some(42.0));
        assert_eq!(ticks("12"), None);
    }

    #[test]
    fn this_process_has_used_something() {
        assert!(cpu_micros(std::process::id()).unwrap() >= 0.0);
        assert!(resident_bytes(std::process::id()).unwrap() > 4096.0);
    }
}
