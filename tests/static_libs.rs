//! What a program must link beside `librmqttc.a` is what CMake and pkg-config hand out.

mod support;

use std::process::Command;

#[test]
fn the_list_is_current() {
    let output = Command::new(env!("CARGO"))
        .args(["rustc", "--locked", "--lib", "--crate-type", "staticlib", "--", "--print", "native-static-libs"])
        .current_dir(support::root())
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{messages}");
    let printed = messages
        .lines()
        .find_map(|line| line.split_once("native-static-libs: "))
        .map(|(_, list)| list.trim())
        .unwrap_or_else(|| panic!("cargo printed no list:\n{messages}"));
    assert_eq!(support::read("cmake/native-static-libs.txt").trim(), printed);
}
