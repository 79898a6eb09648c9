//! Connections to the page: a bound on their number, and on how long each may take.
//!
//! A head that is not complete in time, a connection that asks nothing, and a client that does not read what it
//! asked for are closed, so that their places are free for others. `serve` bounds how long a body may take.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{Sleep, sleep},
};

/// Connections at once: a browser opens six for a page.
const MOST_CONNECTIONS: usize = 64;
/// Longest time for the head of a request, and for a connection without one. A browser on this machine sends a
/// head at once, and opens a closed connection again.
const LONGEST_HEAD: Duration = Duration::from_secs(5);
/// Longest time in which a client takes no byte of its answer.
const LONGEST_STALL: Duration = Duration::from_secs(10);
/// Bytes of a head, and of what is read ahead of a body: a link to a report has the values of all its sliders.
const MOST_HEAD: usize = 64 * 1024;
/// Pause after a connection that the system does not give, as when too many files are open.
const PAUSE: Duration = Duration::from_secs(1);

/// Answers requests until `ended` holds true, and then those that are already being answered.
pub(super) async fn answer(
    listener: TcpListener,
    router: Router,
    mut ended: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let next = async |ended: &mut watch::Receiver<bool>| {
        tokio::select! {
            _ = ended.wait_for(|ended| *ended) => None,
            connection = accept(&listener, &free) => connection,
        }
    };
    while let Some((stream, permit)) = next(&mut ended).await {
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(LONGEST_HEAD)
            .max_buf_size(MOST_HEAD)
            .serve_connection(TokioIo::new(Connection { stream, stall: None }), service);
        let mut ended = ended.clone();
        let ending = async move {
            let _ = ended.wait_for(|ended| *ended).await;
        };
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            // What went wrong is the client's: it sees a closed connection.
            tokio::select! {
                _ = connection.as_mut() => {}
                () = ending => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
            drop(permit);
        });
    }
    // All places are free when all connections are done.
    let _ = free.acquire_many(MOST_CONNECTIONS as u32).await;
}

/// Waits for a free place and a connection.
async fn accept(
    listener: &TcpListener,
    free: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(free).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A small answer goes out at once.
                let _ = stream.set_nodelay(true);
                return Some((stream, permit));
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// A connection whose client has to read.
struct Connection {
    stream: TcpStream,
    /// Runs while the client takes nothing.
    stall: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(LONGEST_STALL)));
        ready!(stall.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
