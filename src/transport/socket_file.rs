//! The file that a Unix socket has in the file system.

use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{self, Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a socket that is bound. When this is dropped, the file is removed, unless another one is in its place.
///
/// To be dropped before the socket is closed: until then, no other file is given its inode.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// Binds a socket that does not listen yet. A file that a process has left behind is replaced.
pub(super) fn bind(path: &str, mode: u32) -> io::Result<(Socket, SocketFile)> {
    let address = SockAddr::unix(path)?;
    // The host program may change its working directory before the file is removed.
    let path = path::absolute(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(&path, &address)?;
            socket.bind(&address)?;
        }
        result => result?,
    }
    let file = SocketFile { identity: identity(&fs::symlink_metadata(&path)?), path };
    fs::set_permissions(&file.path, Permissions::from_mode(mode))?;
    Ok((socket, file))
}

/// Removes the file of a socket that nobody listens on any more. Nothing else is ever removed.
fn remove_stale(path: &Path, address: &SockAddr) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "what is there is not a socket"));
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM.cloexec(), None)?;
    // One that listens may be too busy to be connected to, which would have to be waited for.
    probe.set_nonblocking(true)?;
    match probe.connect(address) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => remove(path, identity(&found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        _ => Err(io::ErrorKind::AddrInUse.into()),
    }
}

fn identity(file: &Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Removes a file if it is still this one.
fn remove(path: &Path, identity_of_it: (u64, u64)) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if identity(&found) == identity_of_it => fs::remove_file(path),
        _ => Ok(()),
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path, self.identity) {
            tracing::warn!(path = %self.path.display(), %error, "the file of a socket remains");
        }
    }
}
