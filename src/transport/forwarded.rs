//! What reverse proxies say about the client in the header of an HTTP request: `Forwarded` (RFC 7239), `X-Forwarded-For` and
//! `X-Real-IP`.
//!
//! Each of them lists addresses, and each proxy on the way has put that of its own peer at the right end. They are read
//! from there: what a proxy that is trusted has written counts, up to the first address that is not trusted. That is the
//! client, whatever stands left of it. An entry that names no address ends the way, too; the client is as far off as the way
//! has led then.
//!
//! A proxy that writes one of these headers may let the others pass, so that a client could forge them. That is why none
//! of them goes before the others: all that lead beyond the networks that are trusted have to lead to the same address.

use std::net::{IpAddr, SocketAddr};

use tokio_tungstenite::tungstenite::http::header::{HeaderMap, HeaderName, FORWARDED};

use crate::limits::Networks;
use crate::model::Text;

/// The headers name different clients: one of them is forged.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Conflict;

/// Where a proxy has been connected to from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    ip: IpAddr,
    port: Option<u16>,
}

/// The client's address, with its port if that is told, as far as proxies tell it that are `trusted`. Whom the request
/// comes from has been checked.
pub(super) fn client(headers: &HeaderMap, trusted: &Networks) -> Result<Option<Text>, Conflict> {
    const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
    const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
    let ways = [
        farthest(&mut lines(headers, &FORWARDED).flat_map(|line| entries(line, ',')).map(forwarded_for), trusted),
        farthest(&mut lines(headers, &X_FORWARDED_FOR).flat_map(|line| entries(line, ',')).map(node), trusted),
        farthest(&mut lines(headers, &X_REAL_IP).flat_map(|line| entries(line, ',')).map(node), trusted),
    ];
    let ends = || ways.iter().flatten();
    let mut beyond = ends().filter(|node| !trusted.contain(node.ip));
    let client = match beyond.next() {
        Some(client) if beyond.any(|other| other.ip != client.ip) => return Err(Conflict),
        Some(client) => Some(client),
        None => ends().next(),
    };
    Ok(client.map(|client| match client.port {
        Some(port) => Text::from(SocketAddr::new(client.ip, port).to_string()),
        None => Text::from(client.ip.to_string()),
    }))
}

/// The lines of a header, the last one first. One that is no text is an entry that cannot be read.
fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().rev().map(|line| line.to_str().unwrap_or("?"))
}

/// The end of the way that leads from node to node.
fn farthest(way: &mut dyn Iterator<Item = Option<Node>>, trusted: &Networks) -> Option<Node> {
    let mut farthest = None;
    for node in way {
        let Some(node) = node else { break };
        farthest = Some(node);
        if !trusted.contain(node.ip) {
            break;
        }
    }
    farthest
}

/// The parts of a line that are not empty, the last one first. Separators between quotes are none. Reading from the right,
/// what a client has put in front does not change how a proxy's own part is read.
fn entries(line: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    let parts = std::iter::from_fn(move || {
        let line = rest?;
        let mut is_quoted = false;
        let cut = line.char_indices().rev().find(|(at, char)| {
            if *char == '"' && !is_escaped(line, *at) {
                is_quoted = !is_quoted;
            }
            *char == separator && !is_quoted
        });
        let (before, part) =
            match cut.and_then(|(at, _)| Some((line.get(..at)?, line.get(at + separator.len_utf8()..)?))) {
                Some((before, part)) => (Some(before), part),
                None => (None, line),
            };
        rest = before;
        Some(part.trim())
    });
    parts.filter(|part| !part.is_empty())
}

/// Whether the character at `at` stands behind an odd number of backslashes.
fn is_escaped(line: &str, at: usize) -> bool {
    line.as_bytes().iter().take(at).rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

/// What an element of `Forwarded` says about whom it is for.
fn forwarded_for(element: &str) -> Option<Node> {
    let mut named = entries(element, ';').filter_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value.trim())
    });
    let value = named.next()?;
    if named.next().is_some() {
        return None;
    }
    match value.strip_prefix('"') {
        // An address has no character that must be escaped.
        Some(quoted) => node(quoted.strip_suffix('"')?),
        None => node(value),
    }
}

/// Reads an address, with a port or not: `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]`, `[2001:db8::7]:4711`.
/// A port that is hidden (`_port`) is none.
fn node(text: &str) -> Option<Node> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Node { ip: ip.to_canonical(), port: None });
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (host, behind) = bracketed.split_once(']')?;
            let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) };
            (IpAddr::V6(host.parse().ok()?), port)
        }
        None => {
            let (host, port) = text.split_once(':')?;
            (IpAddr::V4(host.parse().ok()?), Some(port))
        }
    };
    Some(Node { ip: host.to_canonical(), port: port.and_then(|port| port.parse().ok()) })
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::http::header::HeaderValue;

    use super::*;

    /// What these lines tell a listener that trusts 10.0.0.0/8 and 2001:db8::/32.
    fn told(headers: &[(&'static str, &str)]) -> Result<Option<String>, Conflict> {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        client(&map, &Networks::new(&trusted)).map(|client| client.map(|client| client.to_string()))
    }

    fn check(name: &'static str, cases: &[(&str, Option<&str>)]) {
        for (value, expected) in cases {
            assert_eq!(told(&[(name, value)]), Ok(expected.map(str::to_owned)), "{name}: {value}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_says() {
        check(
            "forwarded",
            &[
                ("for=192.0.2.7", Some("192.0.2.7")),
                ("For=\"192.0.2.7:4711\";proto=https;by=10.0.0.1", Some("192.0.2.7:4711")),
                ("proto=https; FOR = 192.0.2.7 ;host=\"a;b,c\"", Some("192.0.2.7")),
                ("for=\"[fd00::7]:4711\"", Some("[fd00::7]:4711")),
                ("for=\"[fd00::7]\"", Some("fd00::7")),
                ("for=\"192.0.2.7:_gazonk\"", Some("192.0.2.7")),
                ("for=\"[::ffff:192.0.2.7]:80\"", Some("192.0.2.7:80")),
                ("for=unknown", None),
                ("for=_hidden", None),
                ("for=\"_hidden:80\"", None),
                ("proto=https", None),
                ("for=", None),
                ("for=192.0.2.7;for=192.0.2.8", None),
                ("for=\"192.0.2.7", None),
                ("for=\"192.0.2.7\"x", None),
                ("for=\"[fd00::7\"", None),
                ("for=\"[192.0.2.7]\"", None),
                ("", None),
                ("\u{fc}", None),
            ],
        );
    }

    #[test]
    fn addresses_come_in_many_forms() {
        check(
            "x-forwarded-for",
            &[
                ("192.0.2.7", Some("192.0.2.7")),
                ("192.0.2.7:4711", Some("192.0.2.7:4711")),
                ("fd00::7", Some("fd00::7")),
                ("[fd00::7]", Some("fd00::7")),
                ("[fd00::7]:4711", Some("[fd00::7]:4711")),
                ("[fd00::7]4711", None),
                ("fe80::1%eth0", None),
                ("localhost", None),
                ("192.0.2", None),
                ("192.0.2.7.8", None),
                ("::1 ::2", None),
            ],
        );
        check("x-real-ip", &[("192.0.2.7", Some("192.0.2.7")), ("unknown", None)]);
    }

    #[test]
    fn the_way_ends_at_the_first_that_is_not_trusted() {
        check(
            "x-forwarded-for",
            &[
                ("192.0.2.6, 192.0.2.7", Some("192.0.2.7")),
                ("192.0.2.6, 192.0.2.7, 10.0.0.2,2001:db8::2", Some("192.0.2.7")),
                ("192.0.2.7,, ,10.0.0.2,", Some("192.0.2.7")),
                ("10.0.0.3, 10.0.0.2", Some("10.0.0.3")),
                ("192.0.2.7, unknown", None),
                ("192.0.2.7, unknown, 10.0.0.2", Some("10.0.0.2")),
            ],
        );
        let lines = [("x-forwarded-for", "192.0.2.6, 192.0.2.7"), ("x-forwarded-for", "10.0.0.2")];
        assert_eq!(told(&lines), Ok(Some("192.0.2.7".to_owned())));
        let unreadable = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-for", "\u{fc}")];
        assert_eq!(told(&unreadable), Ok(None));
    }

    /// What a client puts in front does not change how the proxy's own element is read.
    #[test]
    fn quotes_do_not_swallow_what_a_proxy_appends() {
        for forged in ["for=\"", "for=192.0.2.6;x=\"", "for=\"192.0.2.6\\", "for=\"\\\"", "x=\"\\\\\"\""] {
            for own in ["for=192.0.2.7", "for=\"192.0.2.7\"", "for=\"192.0.2.7\";host=\"a,b\""] {
                let line = format!("{forged}, {own}");
                assert_eq!(told(&[("forwarded", &line)]), Ok(Some("192.0.2.7".to_owned())), "{line}");
            }
        }
    }

    #[test]
    fn headers_that_name_different_clients_are_refused() {
        let (forwarded, x_forwarded_for, x_real_ip) = ("forwarded", "x-forwarded-for", "x-real-ip");
        let client = Ok(Some("192.0.2.7".to_owned()));
        assert_eq!(told(&[(forwarded, "for=192.0.2.6"), (x_forwarded_for, "192.0.2.7")]), Err(Conflict));
        assert_eq!(told(&[(x_real_ip, "192.0.2.6"), (x_forwarded_for, "192.0.2.7")]), Err(Conflict));
        assert_eq!(told(&[(forwarded, "for=192.0.2.7"), (x_real_ip, "192.0.2.7:1")]), client);
        // What names nobody, or nobody but proxies, says nothing against it.
        assert_eq!(told(&[(forwarded, "for=unknown"), (x_forwarded_for, "192.0.2.7")]), client);
        assert_eq!(told(&[(forwarded, "for=10.0.0.2"), (x_forwarded_for, "192.0.2.7, 10.0.0.2")]), client);
        assert_eq!(told(&[(x_real_ip, "10.0.0.2"), (x_forwarded_for, "192.0.2.7, 10.0.0.2")]), client);
    }
}
