//! The byte stream below a connection, and who opens it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::pg::conninfo::Keepalives;

/// What an [`Opener`] gives back: a future that may run on another thread.
pub type Opening<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Opens the sockets of connections.
///
/// A caller that runs as root may open Unix sockets with another user's credentials, so that
/// `peer` authentication sees that user; the credentials count at the moment of `connect()`.
pub trait Opener: Send + Sync {
    /// Opens a Unix socket. A path that begins with `@` is an abstract one.
    fn unix<'a>(&'a self, path: &'a Path) -> Opening<'a, std::os::unix::net::UnixStream>;

    /// Opens a TCP connection.
    fn tcp(&self, address: SocketAddr) -> Opening<'_, TcpStream> {
        Box::pin(TcpStream::connect(address))
    }

    /// The addresses of a host name, best first.
    fn look_up<'a>(&'a self, host: &'a str, port: u16) -> Opening<'a, Vec<SocketAddr>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Opens every socket as the user this process runs as.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectOpener;

impl Opener for DirectOpener {
    fn unix<'a>(&'a self, path: &'a Path) -> Opening<'a, std::os::unix::net::UnixStream> {
        Box::pin(async move {
            let stream = match path.to_str().and_then(|path| path.strip_prefix('@')) {
                // Tokio takes a leading zero byte for the abstract name space.
                Some(name) => UnixStream::connect(format!("\0{name}")).await?,
                None => UnixStream::connect(path).await?,
            };
            stream.into_std()
        })
    }
}

/// An open socket of either kind.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Sends at once what is written, and has the system watch over a silent peer.
    pub(super) fn tcp(stream: TcpStream, keepalives: &Keepalives) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        if keepalives.is_on {
            sockopt::set_socket_keepalive(&stream, true)?;
            if let Some(idle) = keepalives.idle {
                sockopt::set_tcp_keepidle(&stream, idle)?;
            }
            if let Some(interval) = keepalives.interval {
                sockopt::set_tcp_keepintvl(&stream, interval)?;
            }
            if let Some(count) = keepalives.count {
                sockopt::set_tcp_keepcnt(&stream, count)?;
            }
        }
        if let Some(timeout) = keepalives.user_timeout {
            let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            sockopt::set_tcp_user_timeout(&stream, timeout_ms)?;
        }
        Ok(Self::Tcp(stream))
    }

    pub(super) fn unix(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream).map(Self::Unix)
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
