//! Which listeners of a new configuration go on with the sockets of those before.

use std::net::SocketAddr;

use super::{Config, Listener, ListenerType};

/// What makes a socket another one. Everything else about a listener can change while its socket is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Socket<'a> {
    Tcp(SocketAddr),
    Udp(SocketAddr),
    Unix(&'a str),
    /// A descriptor of the host program, for one of these three.
    Inherited(Family, u32),
    /// It has nothing, which no configuration that has been checked says.
    None,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Family {
    Tcp,
    Udp,
    Unix,
}

impl<'a> Socket<'a> {
    fn of(listener: &'a Listener) -> Self {
        let family = match listener.kind {
            ListenerType::Unix => Family::Unix,
            ListenerType::Quic => Family::Udp,
            _ => Family::Tcp,
        };
        match (family, listener.fd, listener.socket_address(), listener.path.as_deref()) {
            (family, Some(fd), ..) => Socket::Inherited(family, fd),
            (Family::Unix, None, _, Some(path)) => Socket::Unix(path),
            (Family::Tcp, None, Some(address), _) => Socket::Tcp(address),
            (Family::Udp, None, Some(address), _) => Socket::Udp(address),
            _ => Socket::None,
        }
    }

    /// The same with the address that the system has made of it.
    fn bound(self, address: Option<SocketAddr>) -> Self {
        match (self, address) {
            (Socket::Tcp(_), Some(address)) => Socket::Tcp(address),
            (Socket::Udp(_), Some(address)) => Socket::Udp(address),
            _ => self,
        }
    }
}

/// For each listener of `after`, the one of `before` whose socket it goes on with. `bound`: where those are bound, as far as
/// they are.
///
/// Of several with the same address, as port 0 makes possible, those of one name belong together, and then those that are
/// left, in their order. A listener that names the very port that the system has chosen goes on, too.
pub fn succession(before: &Config, bound: &[Option<SocketAddr>], after: &Config) -> Vec<Option<usize>> {
    let sockets: Vec<_> = before.listeners.iter().map(Socket::of).collect();
    let real: Vec<_> =
        sockets.iter().enumerate().map(|(index, socket)| socket.bound(bound.get(index).copied().flatten())).collect();
    let names: Vec<_> = before.listeners.iter().enumerate().map(|(index, it)| it.display_name(index)).collect();
    let mut taken = vec![false; before.listeners.len()];
    let mut origins = vec![None; after.listeners.len()];
    for round in [Round::Name, Round::Address, Round::Port] {
        for (index, listener) in after.listeners.iter().enumerate().filter(|(_, it)| Socket::of(it) != Socket::None) {
            if origins[index].is_some() {
                continue;
            }
            let (wanted, name) = (Socket::of(listener), listener.display_name(index));
            let fits = |origin: usize| match round {
                Round::Name => sockets[origin] == wanted && names[origin] == name,
                Round::Address => sockets[origin] == wanted,
                Round::Port => real[origin] == wanted,
            };
            origins[index] = (0..taken.len()).find(|origin| !taken[*origin] && fits(*origin));
            if let Some(origin) = origins[index] {
                taken[origin] = true;
            }
        }
    }
    origins
}

/// What has to be the same.
#[derive(Clone, Copy)]
enum Round {
    /// The address and the name.
    Name,
    Address,
    /// The address that the system has made of it.
    Port,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(listeners: &[&str]) -> Config {
        Config::parse(&format!(r#"{{"listeners":[{}]}}"#, listeners.join(","))).unwrap()
    }

    fn origins(before: &[&str], after: &[&str]) -> Vec<Option<usize>> {
        succession(&config(before), &[], &config(after))
    }

    const A: &str = r#"{"name":"a","address":"127.0.0.1:0"}"#;
    const B: &str = r#"{"name":"b","address":"127.0.0.1:0"}"#;
    const C: &str = r#"{"name":"c","address":"127.0.0.1:0"}"#;

    #[test]
    fn names_tell_equal_addresses_apart() {
        assert_eq!(origins(&[A, B], &[B, A]), [Some(1), Some(0)]);
        assert_eq!(origins(&[A, B], &[B, C]), [Some(1), Some(0)], "c is what a was");
        assert_eq!(origins(&[A], &[B, A, C]), [None, Some(0), None]);
        assert_eq!(origins(&[A, B, C], &[]), []);
    }

    #[test]
    fn the_socket_is_what_counts() {
        let tcp = r#"{"name":"a","address":"[::1]:8883"}"#;
        let ws = r#"{"name":"z","type":"ws","address":"[0::1]:8883","path":"/x","proxy":{"protocol":"any"}}"#;
        let quic = r#"{"name":"a","type":"quic","address":"[::1]:8883","tls":{"cert_pem":"x","key_pem":"x"}}"#;
        let elsewhere = r#"{"name":"a","address":"[::1]:8884"}"#;
        assert_eq!(origins(&[tcp], &[ws]), [Some(0)]);
        assert_eq!(origins(&[tcp], &[quic]), [None]);
        assert_eq!(origins(&[tcp], &[elsewhere]), [None]);
        let (unix, other) = (r#"{"type":"unix","path":"/a"}"#, r#"{"type":"unix","path":"/b"}"#);
        assert_eq!(origins(&[unix], &[other, unix]), [None, Some(0)]);
        let (third, fourth) = (r#"{"fd":3}"#, r#"{"type":"ws","fd":4}"#);
        assert_eq!(origins(&[third, fourth], &[fourth, r#"{"type":"unix","fd":3}"#]), [Some(1), None]);
    }

    #[test]
    fn a_port_that_the_system_has_chosen_can_be_written_down() {
        let bound = [Some("127.0.0.1:7".parse().unwrap()), Some("127.0.0.1:8".parse().unwrap())];
        let after = config(&[r#"{"address":"127.0.0.1:8"}"#, r#"{"address":"127.0.0.1:9"}"#, A]);
        assert_eq!(succession(&config(&[A, B]), &bound, &after), [Some(1), None, Some(0)]);
    }
}
