//! The listener: accepts connections up to a bound, and lets them end when the host stops.

use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time,
};
use tower::ServiceExt;
use tracing::{debug, warn};

use super::{Api, CONNECTIONS_MAX, HEAD_TIME_MAX, STOP_TIME_MAX, service, uploads};
use crate::{host::handle::HostHandle, store::credentials::Credentials};

/// Pause after the system refused a connection, as when all descriptors are in use.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves the API until `shutdown` is over; then streams end, and requests on their way have a few seconds.
///
/// # Errors
/// When the folder for uploads cannot be made.
pub async fn serve(
    listener: TcpListener,
    handle: HostHandle,
    credentials: Credentials,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    uploads::prepare(handle.layout())?;
    let (stop, stopping) = watch::channel(false);
    let app = service(Api::new(handle, credentials, stopping));
    let app = app.map_request(|request: Request<Incoming>| request.map(Body::new));
    let app = TowerToHyperService::new(app);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME_MAX);
    let (graceful, places) = (GracefulShutdown::new(), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
    let mut shutdown = pin!(shutdown);
    loop {
        let place = places.clone().acquire_owned();
        let next = async { (place.await, accept(&listener).await) };
        let (place, stream) = tokio::select! {
            biased;
            // Cancel-safe: the future is not used again once it is over.
            () = &mut shutdown => break,
            // Cancel-safe: what is dropped has accepted nothing.
            accepted = next => accepted,
        };
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), app.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(error = &error as &dyn std::error::Error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    stop.send_replace(true);
    if time::timeout(STOP_TIME_MAX, graceful.shutdown()).await.is_err() {
        warn!("requests were still on their way when the host stopped");
    }
    Ok(())
}

/// Accepts the next connection, whatever it takes.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and somebody waits for each of them. Where it cannot be set, they come a bit later.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => {
                debug!(%error, "a connection was not accepted");
                time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
