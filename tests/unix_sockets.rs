//! Listeners of the type `unix`: the file of the socket from start to stop, and what is known of who connects.

#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;
#[path = "support/proxy_header.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod proxy_header;
#[path = "support/transports.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod transports;

use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{symlink, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mqtt::LONG;
use rmqttc::model::Credentials;
use transports::{broker_of, connack, no_start, unstarted, Watcher};

/// A directory of this test's own, removed when it ends.
struct Directory(PathBuf);

impl Directory {
    fn new(test: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("rmqtt-{}-{test}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Directory(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("socket")
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn listener(path: &Path, more: &str) -> String {
    format!(r#"{{"type":"unix","path":{:?}{more}}}"#, path.display().to_string())
}

fn open(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream
}

fn is_served(path: &Path) -> bool {
    connack(&mut open(path), b"") == Some(0)
}

#[test]
fn clients_connect_and_hooks_see_who_they_are() {
    let directory = Directory::new("credentials");
    let path = directory.path();
    let broker = broker_of(&listener(&path, r#","name":"local""#));
    let watcher = Watcher::of(&broker);
    let bound = broker.listener(0).unwrap();
    assert_eq!((&*bound.name, &*bound.kind, bound.port), ("local", "unix", 0));
    assert_eq!(*bound.address, *path.display().to_string());
    assert!(is_served(&path));
    let this = fs::metadata("/proc/self").unwrap();
    let pid = i32::try_from(std::process::id()).ok();
    let seen = watcher.take();
    assert_eq!(seen.iter().map(|seen| seen.hook).collect::<Vec<_>>(), ["accepted", "authenticate"]);
    for seen in seen {
        assert_eq!((&*seen.address, &*seen.listener, &*seen.connection.transport), ("unix", "local", "unix"));
        assert_eq!(seen.connection.credentials, Some(Credentials { pid, uid: this.uid(), gid: this.gid() }));
    }
}

#[test]
fn the_file_comes_and_goes_with_the_broker() {
    let directory = Directory::new("comes-and-goes");
    let path = directory.path();
    let broker = unstarted(&listener(&path, ""));
    assert_eq!(*broker.listener(0).unwrap().address, *path.display().to_string());
    for _ in 0..3 {
        assert!(!path.exists());
        broker.start().unwrap();
        assert!(is_served(&path));
        broker.stop(Duration::ZERO).unwrap();
    }
    assert!(!path.exists());
    broker.start().unwrap();
    drop(broker);
    assert!(!path.exists());
}

#[test]
fn the_file_has_the_permissions_that_are_configured() {
    let directory = Directory::new("mode");
    let path = directory.path();
    for (more, mode) in [("", 0o660), (r#","mode":"0600""#, 0o600), (r#","mode":"777""#, 0o777), (r#","mode":"0""#, 0)]
    {
        let _broker = broker_of(&listener(&path, more));
        let file = fs::symlink_metadata(&path).unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o7777, mode);
    }
}

#[test]
fn a_file_that_was_left_behind_is_replaced() {
    let directory = Directory::new("stale");
    let path = directory.path();
    drop(UnixListener::bind(&path).unwrap());
    fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
    let _broker = broker_of(&listener(&path, ""));
    assert!(is_served(&path));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
}

#[test]
fn nothing_that_is_in_use_is_replaced() {
    let directory = Directory::new("in-use");
    let path = directory.path();
    let config = listener(&path, "");
    let message = |what: &str| format!("listener \"unix-0\" could not be bound to {}: {what}", path.display());

    let first = broker_of(&config);
    assert_eq!(no_start(&config), message("address in use"));
    assert!(is_served(&path));
    drop(first);

    // One that is too busy to be connected to.
    let busy = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    busy.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    busy.listen(0).unwrap();
    let waiting = UnixStream::connect(&path).unwrap();
    assert_eq!(no_start(&config), message("address in use"));
    drop((busy, waiting));
    fs::remove_file(&path).unwrap();

    // A socket of another kind.
    let datagrams = UnixDatagram::bind(&path).unwrap();
    assert_eq!(no_start(&config), message("address in use"));
    assert!(path.exists());
    drop(datagrams);
    fs::remove_file(&path).unwrap();

    // What is not a socket is never removed, even where it leads to one that nobody listens on.
    let other = directory.0.join("other");
    fs::write(&path, "precious").unwrap();
    assert_eq!(no_start(&config), message("what is there is not a socket"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    fs::remove_file(&path).unwrap();
    drop(UnixListener::bind(&other).unwrap());
    symlink(&other, &path).unwrap();
    assert_eq!(no_start(&config), message("what is there is not a socket"));
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink() && other.exists());
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(no_start(&config), message("what is there is not a socket"));
    fs::remove_dir(&path).unwrap();

    let nowhere = directory.0.join("nowhere").join("socket");
    assert!(no_start(&listener(&nowhere, "")).contains("No such file or directory"));
}

#[test]
fn a_stop_removes_no_file_of_somebody_else() {
    let directory = Directory::new("not-ours");
    let path = directory.path();
    let broker = broker_of(&listener(&path, ""));
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    broker.stop(Duration::ZERO).unwrap();
    assert!(path.exists());
    drop(other);
    // Somebody who has removed it is no trouble.
    broker.start().unwrap();
    fs::remove_file(&path).unwrap();
    broker.stop(Duration::ZERO).unwrap();
    // Neither is somebody who puts something else there.
    broker.start().unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    broker.stop(Duration::ZERO).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

/// If one listener of several cannot be bound, the files of the others are gone again.
#[test]
fn a_start_that_fails_leaves_no_file() {
    let directory = Directory::new("fails");
    let path = directory.path();
    let nowhere = directory.0.join("nowhere").join("socket");
    no_start(&format!("{},{}", listener(&path, ""), listener(&nowhere, "")));
    assert!(!path.exists());
}

#[test]
fn the_longest_path_can_be_bound() {
    let directory = Directory::new("long");
    let path = directory.0.join("x".repeat(107 - directory.0.as_os_str().len() - 1));
    let _broker = broker_of(&listener(&path, ""));
    assert!(is_served(&path));
}

/// A service manager has bound the socket: its file is not the broker's to remove, nor its permissions to set.
#[test]
fn a_socket_can_be_inherited() {
    let directory = Directory::new("inherited");
    let path = directory.path();
    let socket = UnixListener::bind(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let broker = unstarted(&format!(r#"{{"type":"unix","fd":{}}}"#, socket.as_raw_fd()));
    for _ in 0..2 {
        assert_eq!(*broker.listener(0).unwrap().address, *format!("fd:{}", socket.as_raw_fd()));
        broker.start().unwrap();
        let bound = broker.listener(0).unwrap();
        assert_eq!((&*bound.address, bound.port), (&*path.display().to_string(), 0));
        assert!(is_served(&path));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        broker.stop(Duration::ZERO).unwrap();
        assert!(path.exists());
        // The host program's socket still takes connections.
        let client = UnixStream::connect(&path).unwrap();
        drop(socket.accept().unwrap());
        drop(client);
        assert_eq!(socket.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[test]
fn clients_behind_a_load_balancer_on_a_unix_socket_have_their_address() {
    let directory = Directory::new("proxy");
    let path = directory.path();
    // A list of networks that nobody is in: whoever may open the socket is trusted.
    let broker = broker_of(&listener(&path, r#","proxy":{"protocol":"any","trusted":[]}"#));
    let watcher = Watcher::of(&broker);
    for header in [b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n".to_vec(), proxy_header::v2_tcp4(&[])] {
        assert_eq!(connack(&mut open(&path), &header), Some(0));
        for seen in watcher.take() {
            assert_eq!(seen.address, "192.0.2.7:4711");
            assert_eq!(seen.connection.proxy_address.as_deref(), Some("unix"));
            assert!(seen.connection.credentials.is_some());
        }
    }
    assert_eq!(connack(&mut open(&path), b""), None);
    assert_eq!(broker.stats().handshakes_failed, 1);
}
