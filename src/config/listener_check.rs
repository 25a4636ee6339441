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
