//! The task that moves a connection's bytes, and the way to cancel its query.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_postgres::tls::{MakeTlsConnect, NoTls};
use tokio_postgres::{CancelToken, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::api::Error;
use crate::pg::conninfo::Keepalives;

use super::error::{ErrorContext, map_error, map_io, timed_out};
use super::stream::{Opener, Stream};

/// How long a connection that is given up may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

/// Runs a connection in a task of its own.
///
/// When this is dropped the connection ends: politely if the server takes the goodbye within
/// half a second, by closing the socket otherwise, so that no task outlives a server that
/// hangs. Drop the client first, or together with this.
#[derive(Debug)]
pub struct Driver {
    /// `None` once its outcome was taken.
    task: Option<JoinHandle<Option<Error>>>,
    outcome: Option<Error>,
    /// Its end is the task's sign to finish.
    _alive: oneshot::Sender<()>,
}

impl Driver {
    pub(super) fn spawn<S, T>(connection: Connection<S, T>, context: ErrorContext) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (alive, given_up) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let mut connection = connection;
            let ended = tokio::select! {
                ended = &mut connection => ended,
                _ = given_up => {
                    let _ = tokio::time::timeout(GOODBYE, connection).await;
                    return None;
                }
            };
            ended.err().map(|error| map_error(&error, &context))
        });
        Self { task: Some(task), outcome: None, _alive: alive }
    }

    /// Whether the connection has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.task.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until the connection has ended and says why; `None` when it was closed from
    /// this side. May be given up and called again.
    pub async fn closed(&mut self) -> Option<Error> {
        if let Some(task) = &mut self.task {
            self.outcome = task.await.unwrap_or_default();
            self.task = None;
        }
        self.outcome.clone()
    }
}

/// A stream that goes back to who waits for it when its user drops it.
struct Returned {
    stream: Option<Stream>,
    back: Option<oneshot::Sender<Stream>>,
}

impl Returned {
    fn new(stream: Stream) -> (Self, oneshot::Receiver<Stream>) {
        let (back, returned) = oneshot::channel();
        (Self { stream: Some(stream), back: Some(back) }, returned)
    }

    fn pin(self: Pin<&mut Self>) -> io::Result<Pin<&mut Stream>> {
        let stream = self.get_mut().stream.as_mut();
        stream.map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        if let (Some(stream), Some(back)) = (self.stream.take(), self.back.take()) {
            let _ = back.send(stream);
        }
    }
}

impl AsyncRead for Returned {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pin()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Returned {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pin()?.poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pin()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pin()?.poll_shutdown(context)
    }
}

/// Where a connection goes to, for the request that cancels its query.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Tcp { address: SocketAddr, name: String },
    Unix(PathBuf),
}

/// Cancels the query that runs on a connection, over a connection of its own.
#[derive(Clone)]
pub struct Canceller {
    pub(super) token: CancelToken,
    pub(super) opener: Arc<dyn Opener>,
    pub(super) place: Place,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) timeout: Duration,
    pub(super) context: ErrorContext,
}

impl Canceller {
    /// Asks the server to cancel what the connection does now.
    ///
    /// The server does not say whether it did: the query itself then ends with
    /// [`crate::api::ErrorCode::Cancelled`] or has been faster. Source: "Canceling Requests
    /// in Progress" in the manual's chapter on the frontend/backend protocol.
    ///
    /// # Errors
    /// As for connecting, when the request could not be delivered.
    pub async fn cancel(&self) -> Result<(), Error> {
        let delivered = tokio::time::timeout(self.timeout, self.deliver()).await;
        delivered.unwrap_or_else(|_| Err(timed_out(&self.context)))
    }

    async fn deliver(&self) -> Result<(), Error> {
        let stream = self.open().await.map_err(|error| map_io(&error, &self.context))?;
        let (stream, returned) = Returned::new(stream);
        let delivered = match (&self.tls, &self.place) {
            (Some(config), Place::Tcp { name, .. }) => {
                let mut make = MakeRustlsConnect::new(ClientConfig::clone(config));
                match MakeTlsConnect::<Returned>::make_tls_connect(&mut make, name) {
                    Ok(tls) => self.token.cancel_query_raw(stream, tls).await,
                    Err(never) => match never {},
                }
            }
            _ => self.token.cancel_query_raw(stream, NoTls).await,
        };
        delivered.map_err(|error| map_error(&error, &self.context))?;
        // The server closes the connection once it has passed the signal on. Going on before
        // that could cancel the next query instead (`PQcancel()` waits, too).
        if let Ok(mut stream) = returned.await {
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
        Ok(())
    }

    async fn open(&self) -> io::Result<Stream> {
        match &self.place {
            Place::Unix(path) => Stream::unix(self.opener.unix(path).await?),
            Place::Tcp { address, .. } => {
                let off = Keepalives {
                    is_on: false,
                    idle: None,
                    interval: None,
                    count: None,
                    user_timeout: None,
                };
                Stream::tcp(self.opener.tcp(*address).await?, &off)
            }
        }
    }
}
