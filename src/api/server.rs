//! The listener: accepts connections up to a bound, with TLS where the host has a certificate, and lets them end when the
//! host stops.
//!
//! ```text
//!  accept ── place ── TLS handshake ── head of a request ── busy ── answer, to its last piece ── idle ── …
//!              └── when places run short, whoever is idle the longest is closed ──────────────────┘
//! ```

mod places;

use core::net::SocketAddr;
use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use hyper::{
    body::{Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    time,
};
use tower::ServiceExt;
use tracing::{debug, warn};

use self::places::{Bounds, Busy, Place, Places};
use super::{
    Api, CONNECTIONS_EACH_MAX, CONNECTIONS_MAX, HANDSHAKE_TIME_MAX, HEAD_BYTES_MAX, HEAD_TIME_MAX, HEADERS_MAX,
    REQUESTS_MAX, STOP_TIME_MAX, Service, answer, front::Peer, service, uploads,
};
use crate::host::{door::Door, handle::HostHandle};

/// Pause after the system refused a connection, as when all descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What every connection needs.
#[derive(Clone)]
struct Server {
    app: Service,
    http: http1::Builder,
    door: Door,
    stopping: watch::Receiver<bool>,
}

/// Serves the API until `shutdown` is over; then streams end, and requests on their way have a few seconds.
///
/// # Errors
/// When the folder for uploads cannot be made.
pub async fn serve(
    listener: TcpListener,
    handle: HostHandle,
    door: Door,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    uploads::prepare(handle.layout())?;
    let (stop, stopping) = watch::channel(false);
    let app = service(Api::new(handle, door.clone(), stopping.clone()));
    let server = Server { app, http: http(), door, stopping };
    let bounds = Bounds { all: CONNECTIONS_MAX, each: CONNECTIONS_EACH_MAX, busy: REQUESTS_MAX };
    let (graceful, places) = (GracefulShutdown::new(), Places::new(bounds));
    let mut shutdown = pin!(shutdown);
    loop {
        let next = async {
            places.room().await;
            accept(&listener).await
        };
        let (stream, address) = tokio::select! {
            biased;
            // Cancel-safe: the future is not used again once it is over.
            () = &mut shutdown => break,
            // Cancel-safe: what is dropped has accepted nothing.
            accepted = next => accepted,
        };
        let client = (!server.door.is_shared(address.ip())).then(|| server.door.client(address.ip()));
        // Whoever finds no place is closed at once: its address has too many, all of them busy.
        let Some(place) = places.take(client) else { continue };
        tokio::spawn(server.clone().attend(stream, address, place, graceful.watcher()));
    }
    drop(listener);
    stop.send_replace(true);
    if time::timeout(STOP_TIME_MAX, graceful.shutdown()).await.is_err() {
        warn!("requests were still on their way when the host stopped");
    }
    Ok(())
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX);
    http.max_header_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    http
}

/// Accepts the next connection, whatever it takes.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                // Answers are small and somebody waits for each of them. Where it cannot be set, they come a bit later.
                let _ = stream.set_nodelay(true);
                return (stream, address);
            }
            Err(error) => {
                debug!(%error, "a connection was not accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

impl Server {
    /// Serves a connection until it ends, its place is needed, or the host stops.
    async fn attend(self, stream: TcpStream, address: SocketAddr, place: Arc<Place>, watcher: Watcher) {
        let evicted = Arc::clone(&place);
        tokio::select! {
            biased;
            // Cancel-safe: what is dropped closes its connection.
            () = self.talk(stream, address, place, watcher) => {}
            // Cancel-safe: the place is not asked again.
            () = evicted.evicted() => debug!(%address, "an idle connection was closed, since its place was needed"),
        }
    }

    async fn talk(self, stream: TcpStream, address: SocketAddr, place: Arc<Place>, watcher: Watcher) {
        let keys = self.door.keys();
        let peer = Peer { address: address.ip(), tls: keys.tls().is_some() };
        let Some(tls) = keys.tls() else { return self.http(stream, peer, place, watcher).await };
        let handshake = time::timeout(HANDSHAKE_TIME_MAX, tls.acceptor().accept(stream));
        let mut stopping = self.stopping.clone();
        let shaken = tokio::select! {
            biased;
            // Cancel-safe: what is dropped closes its connection.
            shaken = handshake => shaken,
            // Cancel-safe: the value stays.
            _ = stopping.wait_for(|stopping| *stopping) => return,
        };
        // These keys may be turned while the connection lasts.
        drop(keys);
        match shaken {
            Ok(Ok(stream)) => self.http(stream, peer, place, watcher).await,
            Ok(Err(error)) => debug!(%error, %address, "a TLS handshake failed"),
            Err(_) => debug!(%address, "a TLS handshake took too long"),
        }
    }

    async fn http(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
        place: Arc<Place>,
        watcher: Watcher,
    ) {
        let app = self.app;
        let service = service_fn(move |request| answer(app.clone(), request, peer, Arc::clone(&place)));
        let connection = watcher.watch(self.http.serve_connection(TokioIo::new(stream), service));
        if let Err(error) = connection.await {
            debug!(error = &error as &dyn std::error::Error, "a connection ended early");
        }
    }
}

async fn answer(
    app: Service,
    request: Request<Incoming>,
    peer: Peer,
    place: Arc<Place>,
) -> Result<Response, Infallible> {
    let Some(busy) = place.begin() else {
        let text = "too many requests are being answered; try again in a moment";
        let mut response = answer::text(StatusCode::SERVICE_UNAVAILABLE, text);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        return Ok(response);
    };
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    let response = app.oneshot(request).await?;
    Ok(response.map(|body| Body::new(Held { body, _busy: busy })))
}

/// An answer's body, which keeps its connection busy to its last piece.
#[derive(Debug)]
struct Held {
    body: Body,
    _busy: Busy,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
