//! Link arguments of the shared library. Writes nothing into the source tree.

use std::env;

/// Read from the source, so that the number stands in one place.
fn abi_version() -> String {
    let source = include_str!("src/ffi/library.rs");
    let (_, rest) = source.split_once("pub const RMQTT_ABI_VERSION: u32 = ").expect("the ABI version is declared");
    rest.split_once(';').expect("the declaration ends").0.to_owned()
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/ffi/library.rs");
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,librmqttc.so.{}", abi_version());
            // Threads of dependencies may outlive every broker: the code must stay mapped.
            println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
        Ok("macos") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/librmqttc.{}.dylib", abi_version());
        }
        _ => {}
    }
}
