//! What the keys of a listener have to do with each other. Reads the raw value, so that all of it is reported beside other
//! faults.

use std::collections::HashMap;
use std::mem::{offset_of, size_of};
use std::net::SocketAddr;

use serde_json::Value;

use super::listener::default_name;
use super::{Fault, ListenerType};

/// The longest path of a Unix socket that the system takes: a NUL stands behind it.
const MAX_SOCKET_PATH: usize = size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

pub(super) fn check(value: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut names = HashMap::new();
    for (index, listener) in value.get("listeners").and_then(Value::as_array).into_iter().flatten().enumerate() {
        if !listener.is_object() {
            continue;
        }
        let mut listener = Checked { value: listener, pointer: format!("/listeners/{index}"), faults: &mut faults };
        let kind = listener.value.get("type").and_then(Value::as_str).unwrap_or(ListenerType::default().as_str());
        let name = listener.text("/name").map_or_else(|| default_name(kind, index), str::to_owned);
        if let Some(first) = names.insert(name.clone(), index) {
            // Two listeners of one name could not be told apart in events.
            listener.fault("/name", format!("\"{name}\" is the name of /listeners/{first} too"));
        }
        // Without a type that is one, nothing can be said about the rest.
        if let Ok(kind) = serde_json::from_value::<ListenerType>(kind.into()) {
            listener.check_place(kind);
            listener.check_proxy(kind);
            listener.check_tls(kind);
            listener.check_websocket(kind);
        }
    }
    faults
}

struct Checked<'a> {
    value: &'a Value,
    pointer: String,
    faults: &'a mut Vec<Fault>,
}

impl<'a> Checked<'a> {
    fn fault(&mut self, key: &str, message: impl Into<String>) {
        self.faults.push(Fault::new(&format!("{}{key}", self.pointer), message));
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.value.pointer(key).filter(|value| !value.is_null())
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key).and_then(Value::as_str)
    }

    fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn check_place(&mut self, kind: ListenerType) {
        let (place, other) = match kind {
            ListenerType::Unix => ("/path", "/address"),
            _ => ("/address", "/path"),
        };
        match (self.has(place), self.has("/fd")) {
            (true, true) => self.fault("/fd", format!("stands beside {}: one of the two", &place[1..])),
            (false, false) => self.fault(place, "is missing"),
            _ => {}
        }
        if self.has(other) && !kind.is_websocket() {
            self.fault(other, format!("is not for the type \"{}\"", kind.as_str()));
        }
        if kind.is_websocket() && self.text("/path").is_some_and(|path| !path.starts_with('/')) {
            self.fault("/path", "does not begin with a slash");
        }
        if kind == ListenerType::Unix {
            if let Some(length) = self.text("/path").map(str::len).filter(|length| *length > MAX_SOCKET_PATH) {
                self.fault("/path", format!("is {length} bytes long, that of a socket may have {MAX_SOCKET_PATH}"));
            }
        }
        self.check_socket(kind);
    }

    /// What is said of a socket must be for one that the broker binds, and of that kind.
    fn check_socket(&mut self, kind: ListenerType) {
        if self.has("/mode") {
            if kind != ListenerType::Unix {
                self.fault("/mode", "is for the type \"unix\"");
            } else if self.has("/fd") {
                self.fault("/mode", "stands beside fd: that socket has its permissions");
            }
        }
        let is_ipv4 = |text: &str| text.parse::<SocketAddr>().is_ok_and(|address| address.is_ipv4());
        if self.get("/ipv6_only").and_then(Value::as_bool) == Some(true) {
            if kind == ListenerType::Unix {
                self.fault("/ipv6_only", "is not for the type \"unix\"");
            } else if self.has("/fd") {
                self.fault("/ipv6_only", "stands beside fd: that socket has been bound");
            } else if self.text("/address").is_some_and(is_ipv4) {
                self.fault("/ipv6_only", "is for IPv6 addresses");
            }
        }
    }

    fn check_proxy(&mut self, kind: ListenerType) {
        let protocol = self.text("/proxy/protocol").unwrap_or("none");
        let forwarded = self.get("/proxy/trust_forwarded").and_then(Value::as_bool).unwrap_or(false);
        if kind == ListenerType::Quic && protocol != "none" {
            self.fault("/proxy/protocol", "is not for the type \"quic\"");
        }
        if forwarded && !kind.is_websocket() {
            self.fault("/proxy/trust_forwarded", "is for the types \"ws\" and \"wss\"");
        }
        let trusts_none = self.get("/proxy/trusted").and_then(Value::as_array).is_some_and(Vec::is_empty);
        if trusts_none && (forwarded || (protocol != "none" && kind != ListenerType::Unix)) {
            self.fault("/proxy/trusted", "is empty: nobody could connect through a proxy");
        }
    }

    fn check_tls(&mut self, kind: ListenerType) {
        match (kind.is_secured(), self.has("/tls")) {
            (true, false) => return self.fault("/tls", "is missing"),
            (false, true) => return self.fault("/tls", "is for the types \"tls\", \"wss\" and \"quic\""),
            (false, false) => return,
            (true, true) => {}
        }
        self.check_pair("/tls");
        let more = self.get("/tls/certificates").and_then(Value::as_array).map_or(0, Vec::len);
        for index in 0..more {
            self.check_pair(&format!("/tls/certificates/{index}"));
        }
        let has_ca = self.check_source("/tls", "client_ca");
        let has_crl = self.check_source("/tls", "crl");
        let asks = self.text("/tls/client_auth").is_some_and(|auth| auth != "none");
        if asks && !has_ca {
            self.fault("/tls/client_ca_file", "is missing, as is client_ca_pem: no certificate could be valid");
        }
        if !asks {
            for (key, is_there) in [("client_ca", has_ca), ("crl", has_crl)] {
                if is_there {
                    self.fault("/tls/client_auth", format!("is \"none\", so {key} is of no use"));
                }
            }
            if self.text("/tls/username_from").is_some_and(|from| from != "none") {
                self.fault("/tls/username_from", "needs certificates of clients, but client_auth is \"none\"");
            }
        }
        if kind == ListenerType::Quic && self.text("/tls/min_version") == Some("1.2") {
            self.fault("/tls/min_version", "is \"1.2\", which QUIC does not have");
        }
    }

    /// A certificate and its key.
    fn check_pair(&mut self, object: &str) {
        for what in ["cert", "key"] {
            if !self.check_source(object, what) {
                self.fault(&format!("{object}/{what}_file"), format!("is missing, as is {what}_pem"));
            }
        }
    }

    /// Whether there is a file or a text. Both are a fault.
    fn check_source(&mut self, object: &str, what: &str) -> bool {
        let has = |checked: &Self, suffix: &str| {
            checked.text(&format!("{object}/{what}_{suffix}")).is_some_and(|text| !text.is_empty())
        };
        let (file, pem) = (has(self, "file"), has(self, "pem"));
        if file && pem {
            self.fault(&format!("{object}/{what}_pem"), format!("stands beside {what}_file: one of the two"));
        }
        file || pem
    }

    fn check_websocket(&mut self, kind: ListenerType) {
        if !kind.is_websocket() && self.has("/websocket") {
            self.fault("/websocket", "is for the types \"ws\" and \"wss\"");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MAX_SOCKET_PATH;
    use crate::config::Config;

    /// The faults of one listener, with pointers below it.
    fn faults(listener: &str) -> Vec<String> {
        let Err(faults) = Config::parse(&format!(r#"{{"listeners":[{listener}]}}"#)) else { return Vec::new() };
        let faults = faults.as_slice().iter().map(|fault| fault.to_string());
        faults.map(|fault| fault.strip_prefix("/listeners/0").unwrap_or(&fault).to_owned()).collect()
    }

    #[test]
    fn full_listeners_of_each_type_pass() {
        let common =
            r#""allow_anonymous":false,"max_connections":10,"connect_timeout_ms":1000,"protocols":["3.1","3.1.1","5"]"#;
        let ip = r#""address":"[::]:0","ipv6_only":true"#;
        let proxy = r#""proxy":{"protocol":"any","trusted":["10.0.0.0/8","fd00::/8"],"timeout_ms":500}"#;
        let forwarded = r#""proxy":{"protocol":"v2","trusted":["10.0.0.0/8"],"timeout_ms":500,"trust_forwarded":true}"#;
        let tls = r#""tls":{"cert_file":"c","key_file":"k","certificates":[{"cert_pem":"c","key_pem":"k"}],
            "client_ca_file":"a","client_auth":"required","crl_pem":"r","username_from":"cn","min_version":"1.3"}"#;
        let websocket = r#""websocket":{"origins":["https://example.com"],"max_frame_bytes":65536}"#;
        for listener in [
            format!(r#"{{"name":"a","type":"tcp",{ip},{common},{proxy}}}"#),
            format!(r#"{{"name":"a","type":"tls",{ip},{common},{proxy},{tls}}}"#),
            format!(r#"{{"name":"a","type":"ws",{ip},"path":"/mqtt",{common},{forwarded},{websocket}}}"#),
            format!(r#"{{"name":"a","type":"wss",{ip},"path":"/mqtt",{common},{forwarded},{tls},{websocket}}}"#),
            format!(r#"{{"name":"a","type":"quic",{ip},{common},{tls}}}"#),
            format!(r#"{{"name":"a","type":"unix","path":"/run/mqtt","mode":"0600",{common},{proxy}}}"#),
        ] {
            assert_eq!(faults(&listener), [""; 0], "{listener}");
        }
    }

    #[test]
    fn short_listeners_of_each_type_pass() {
        let tls = r#""tls":{"cert_pem":"c","key_pem":"k"}"#;
        for listener in [
            r#"{"address":"127.0.0.1:0"}"#.to_owned(),
            r#"{"fd":0}"#.to_owned(),
            r#"{"name":null,"address":"127.0.0.1:0","path":null,"fd":null,"allow_anonymous":null}"#.to_owned(),
            r#"{"address":"127.0.0.1:0","ipv6_only":false}"#.to_owned(),
            format!(r#"{{"type":"tls","fd":3,{tls}}}"#),
            r#"{"type":"ws","address":"127.0.0.1:0"}"#.to_owned(),
            r#"{"type":"ws","fd":3,"path":"/"}"#.to_owned(),
            format!(r#"{{"type":"wss","address":"127.0.0.1:0",{tls}}}"#),
            format!(r#"{{"type":"quic","fd":3,{tls}}}"#),
            r#"{"type":"unix","fd":3}"#.to_owned(),
            format!(r#"{{"type":"unix","path":"{}"}}"#, "x".repeat(MAX_SOCKET_PATH)),
            // Whoever may open the file is trusted.
            r#"{"type":"unix","path":"p","proxy":{"protocol":"v1","trusted":[]}}"#.to_owned(),
            r#"{"address":"127.0.0.1:0","proxy":{"trusted":[]}}"#.to_owned(),
        ] {
            assert_eq!(faults(&listener), [""; 0], "{listener}");
        }
    }

    /// What a key may be by itself.
    #[test]
    fn each_fault_of_a_key() {
        for (member, expected) in [
            (r#""name":"""#, "/name: is empty"),
            (r#""name":"a\nb""#, "/name: \"a\\nb\" contains a control character"),
            (r#""type":"udp""#, "/type: \"udp\" is not one of \"tcp\", \"tls\", \"ws\", \"wss\", \"quic\", \"unix\""),
            (r#""fd":-1"#, "/fd: -1 is below the minimum, 0"),
            (r#""fd":1048577"#, "/fd: 1048577 is above the maximum, 1048576"),
            (r#""ipv6_only":1"#, "/ipv6_only: is an integer, expected a boolean"),
            (r#""allow_anonymous":"no""#, "/allow_anonymous: is a string, expected a boolean or null"),
            (r#""max_connections":2147483648"#, "/max_connections: 2147483648 is above the maximum, 2147483647"),
            (r#""connect_timeout_ms":0"#, "/connect_timeout_ms: 0 is below the minimum, 1"),
            (r#""connect_timeout_ms":3600001"#, "/connect_timeout_ms: 3600001 is above the maximum, 3600000"),
            (r#""protocols":[]"#, "/protocols: is empty"),
            (r#""protocols":["4"]"#, "/protocols/0: \"4\" is not one of \"3.1\", \"3.1.1\", \"5\""),
            (r#""protocols":["5","5","5","5"]"#, "/protocols: has 4 entries, at most 3 are allowed"),
            (r#""proxy":null"#, "/proxy: is null, expected an object"),
            (r#""proxy":{"protocol":"v3"}"#, "/proxy/protocol: \"v3\" is not one of \"none\", \"v1\", \"v2\", \"any\""),
            (
                r#""proxy":{"trusted":["10.0.0.1"]}"#,
                "/proxy/trusted/0: \"10.0.0.1\" is not a network such as \"10.0.0.0/8\"",
            ),
            (r#""proxy":{"timeout_ms":0}"#, "/proxy/timeout_ms: 0 is below the minimum, 1"),
            (r#""proxy":{"timeout_ms":3600001}"#, "/proxy/timeout_ms: 3600001 is above the maximum, 3600000"),
            (r#""proxy":{"colour":1}"#, "/proxy/colour: is not a known key"),
            (r#""colour":1"#, "/colour: is not a known key"),
        ] {
            let rest = match member {
                _ if member.starts_with(r#""type""#) => r#""address":"127.0.0.1:0""#,
                _ if member.starts_with(r#""fd""#) => r#""type":"tcp""#,
                _ => r#""address":"[::1]:0","type":"tcp""#,
            };
            assert_eq!(faults(&format!("{{{member},{rest}}}")), [expected], "{member}");
        }
        for (listener, expected) in [
            (r#"{"address":"localhost:1883"}"#, "/address: \"localhost:1883\" is not an IP address and port, such as \"127.0.0.1:1883\" or \"[::1]:1883\""),
            (r#"{"type":"unix","path":""}"#, "/path: is empty"),
            (r#"{"type":"unix","path":"a\u0000b"}"#, "/path: \"a\\0b\" contains a control character"),
            (r#"{"type":"unix","path":"a","mode":"0888"}"#, "/mode: \"0888\" is not octal permissions such as \"0660\""),
            (r#"{"type":"unix","path":"a","mode":"1777"}"#, "/mode: \"1777\" is not octal permissions such as \"0660\""),
            (r#"{"type":"unix","path":"a","mode":"+777"}"#, "/mode: \"+777\" is not octal permissions such as \"0660\""),
            (r#"{"type":"unix","path":"a","mode":""}"#, "/mode: \"\" is not octal permissions such as \"0660\""),
            (
                r#"{"type":"ws","address":"127.0.0.1:0","websocket":{"max_frame_bytes":63}}"#,
                "/websocket/max_frame_bytes: 63 is below the minimum, 64",
            ),
            (
                r#"{"type":"ws","address":"127.0.0.1:0","websocket":{"max_frame_bytes":268435461}}"#,
                "/websocket/max_frame_bytes: 268435461 is above the maximum, 268435460",
            ),
            (r#"{"type":"ws","address":"127.0.0.1:0","websocket":{"origins":[""]}}"#, "/websocket/origins/0: is empty"),
            (
                r#"{"type":"tls","address":"127.0.0.1:0","tls":{"cert_pem":"c","key_pem":"k","min_version":"1.1"}}"#,
                "/tls/min_version: \"1.1\" is not one of \"1.2\", \"1.3\"",
            ),
            (r#"7"#, ": is an integer, expected an object"),
        ] {
            assert_eq!(faults(listener), [expected], "{listener}");
        }
    }

    /// What keys have to do with each other.
    #[test]
    fn each_fault_between_keys() {
        let long = format!(r#"{{"type":"unix","path":"{}"}}"#, "x".repeat(MAX_SOCKET_PATH + 1));
        let too_long =
            format!("/path: is {} bytes long, that of a socket may have {MAX_SOCKET_PATH}", MAX_SOCKET_PATH + 1);
        assert_eq!(faults(&long), [too_long]);
        for (listener, expected) in [
            (r#"{}"#, "/address: is missing"),
            (r#"{"address":null}"#, "/address: is missing"),
            (r#"{"type":"ws","path":"/mqtt"}"#, "/address: is missing"),
            (r#"{"type":"unix"}"#, "/path: is missing"),
            (r#"{"address":"127.0.0.1:0","fd":3}"#, "/fd: stands beside address: one of the two"),
            (r#"{"type":"unix","path":"a","fd":3}"#, "/fd: stands beside path: one of the two"),
            (r#"{"address":"127.0.0.1:0","path":"/mqtt"}"#, "/path: is not for the type \"tcp\""),
            (r#"{"type":"unix","path":"a","address":"127.0.0.1:0"}"#, "/address: is not for the type \"unix\""),
            (r#"{"type":"ws","address":"127.0.0.1:0","path":"mqtt"}"#, "/path: does not begin with a slash"),
            (r#"{"address":"127.0.0.1:0","mode":"0660"}"#, "/mode: is for the type \"unix\""),
            (r#"{"type":"unix","fd":3,"mode":"0660"}"#, "/mode: stands beside fd: that socket has its permissions"),
            (r#"{"type":"unix","path":"a","ipv6_only":true}"#, "/ipv6_only: is not for the type \"unix\""),
            (r#"{"fd":3,"ipv6_only":true}"#, "/ipv6_only: stands beside fd: that socket has been bound"),
            (r#"{"address":"127.0.0.1:0","ipv6_only":true}"#, "/ipv6_only: is for IPv6 addresses"),
            (
                r#"{"address":"127.0.0.1:0","proxy":{"trust_forwarded":true}}"#,
                "/proxy/trust_forwarded: is for the types \"ws\" and \"wss\"",
            ),
            (
                r#"{"address":"127.0.0.1:0","proxy":{"protocol":"v1","trusted":[]}}"#,
                "/proxy/trusted: is empty: nobody could connect through a proxy",
            ),
            (
                r#"{"type":"ws","address":"127.0.0.1:0","proxy":{"trust_forwarded":true,"trusted":[]}}"#,
                "/proxy/trusted: is empty: nobody could connect through a proxy",
            ),
            (r#"{"address":"127.0.0.1:0","tls":{}}"#, "/tls: is for the types \"tls\", \"wss\" and \"quic\""),
            (r#"{"type":"tls","address":"127.0.0.1:0"}"#, "/tls: is missing"),
            (r#"{"type":"wss","address":"127.0.0.1:0"}"#, "/tls: is missing"),
            (r#"{"type":"quic","address":"127.0.0.1:0"}"#, "/tls: is missing"),
            (r#"{"address":"127.0.0.1:0","websocket":{}}"#, "/websocket: is for the types \"ws\" and \"wss\""),
        ] {
            assert_eq!(faults(listener), [expected], "{listener}");
        }
    }

    #[test]
    fn each_fault_between_keys_of_tls() {
        let pair = r#""cert_file":"c","key_file":"k""#;
        for (kind, tls, expected) in [
            ("tls", r#""key_file":"k""#.to_owned(), "/tls/cert_file: is missing, as is cert_pem"),
            ("tls", r#""cert_pem":"c""#.to_owned(), "/tls/key_file: is missing, as is key_pem"),
            ("tls", format!(r#"{pair},"cert_pem":"c""#), "/tls/cert_pem: stands beside cert_file: one of the two"),
            ("wss", format!(r#"{pair},"key_pem":"k""#), "/tls/key_pem: stands beside key_file: one of the two"),
            (
                "tls",
                format!(r#"{pair},"certificates":[{{{pair}}},{{"cert_pem":"c"}}]"#),
                "/tls/certificates/1/key_file: is missing, as is key_pem",
            ),
            (
                "tls",
                format!(r#"{pair},"certificates":[{{{pair},"cert_pem":"c"}}]"#),
                "/tls/certificates/0/cert_pem: stands beside cert_file: one of the two",
            ),
            (
                "tls",
                format!(r#"{pair},"client_auth":"required""#),
                "/tls/client_ca_file: is missing, as is client_ca_pem: no certificate could be valid",
            ),
            (
                "quic",
                format!(r#"{pair},"client_auth":"optional""#),
                "/tls/client_ca_file: is missing, as is client_ca_pem: no certificate could be valid",
            ),
            (
                "tls",
                format!(r#"{pair},"client_auth":"required","client_ca_file":"a","client_ca_pem":"a""#),
                "/tls/client_ca_pem: stands beside client_ca_file: one of the two",
            ),
            (
                "tls",
                format!(r#"{pair},"client_auth":"required","client_ca_file":"a","crl_file":"a","crl_pem":"a""#),
                "/tls/crl_pem: stands beside crl_file: one of the two",
            ),
            (
                "tls",
                format!(r#"{pair},"client_ca_file":"a""#),
                "/tls/client_auth: is \"none\", so client_ca is of no use",
            ),
            ("tls", format!(r#"{pair},"crl_pem":"a""#), "/tls/client_auth: is \"none\", so crl is of no use"),
            (
                "tls",
                format!(r#"{pair},"username_from":"cn""#),
                "/tls/username_from: needs certificates of clients, but client_auth is \"none\"",
            ),
            (
                "quic",
                format!(r#"{pair},"min_version":"1.2""#),
                "/tls/min_version: is \"1.2\", which QUIC does not have",
            ),
        ] {
            let listener = format!(r#"{{"type":"{kind}","address":"127.0.0.1:0","tls":{{{tls}}}}}"#);
            assert_eq!(faults(&listener), [expected], "{listener}");
        }
        let quic = format!(r#"{{"type":"quic","address":"127.0.0.1:0","tls":{{{pair}}},"proxy":{{"protocol":"v2"}}}}"#);
        assert_eq!(faults(&quic), ["/proxy/protocol: is not for the type \"quic\""]);
    }

    #[test]
    fn names_are_unique() {
        let parse = |listeners: &str| Config::parse(&format!(r#"{{"listeners":[{listeners}]}}"#));
        let twice = parse(r#"{"name":"a","address":"127.0.0.1:0"},{"name":"a","address":"127.0.0.1:0"}"#);
        assert_eq!(twice.unwrap_err().to_string(), "/listeners/1/name: \"a\" is the name of /listeners/0 too");
        // The second has this name without saying so.
        let made_up = parse(r#"{"name":"tcp-1","address":"127.0.0.1:0"},{"address":"127.0.0.1:0"}"#);
        assert_eq!(made_up.unwrap_err().to_string(), "/listeners/1/name: \"tcp-1\" is the name of /listeners/0 too");
        assert!(parse(r#"{"address":"127.0.0.1:0"},{"address":"127.0.0.1:0"}"#).is_ok());
    }
}
