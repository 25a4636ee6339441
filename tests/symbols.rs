//! The shared library exports what `abi/rmqtt.symbols` says, nothing else, under the name that the ABI has.

mod support;

use std::process::Command;

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn only_recorded_symbols_are_exported() {
    let library = support::artifact("librmqttc.so");
    let listing = output("nm", &["-D", "--defined-only", library.to_str().unwrap()]);
    let mut names: Vec<&str> = listing.lines().filter_map(|line| line.split_whitespace().last()).collect();
    names.sort();
    support::compare_or_bless("abi/rmqtt.symbols", &(names.join("\n") + "\n"));
    assert!(names.iter().all(|name| name.starts_with("rmqtt_")), "{names:?}");
}

#[test]
fn the_soname_carries_the_abi_version() {
    let library = support::artifact("librmqttc.so");
    let dynamic = output("readelf", &["-d", library.to_str().unwrap()]);
    let soname = format!("[librmqttc.so.{}]", rmqttc::ffi::RMQTT_ABI_VERSION);
    assert!(dynamic.contains(&soname), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    for line in dynamic.lines().filter(|line| line.contains("(NEEDED)")) {
        let allowed = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux"];
        assert!(allowed.iter().any(|library| line.contains(library)), "{line}");
    }
}
