use tokio::io::{AsyncRead, AsyncWrite};

/// The bytes of one client, whatever carries them. Where they take more than a socket to carry, one more indirection costs
/// little, and the code that serves clients is there once for all of them.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}
