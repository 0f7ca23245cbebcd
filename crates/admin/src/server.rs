//! HTTP on the listener: the bounds of every connection.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use halley_listener::{Bounds, Drained, Stop};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};

use crate::config::AdminConfig;
use crate::router::router;
use crate::state::AdminState;
use crate::write_deadline::WriteDeadline;

const HEADERS_MAX: usize = 64;
/// Hyper's own minimum.
const BUFFER_BYTES_MIN: usize = 8192;

/// Serves the API on `listener` until `shutdown` is ready; then accepts nothing more, lets requests in progress finish within the
/// drain timeout, and says how it went. Runs on the runtime of the caller; everything it starts ends with it.
pub async fn serve(listener: TcpListener, state: AdminState, shutdown: impl Future<Output = ()>) -> Drained {
    let config = state.config;
    let metrics = Arc::clone(&state.metrics);
    let bounds = Bounds {
        name: "admin",
        connections_max: config.connections_max,
        drain_timeout: config.drain_timeout,
    };
    let router = router(state);
    let connection = |stream, stop| connection(stream, router.clone(), config, stop);
    halley_listener::serve(listener, bounds, metrics, shutdown, connection).await
}

async fn connection(stream: TcpStream, router: Router, config: AdminConfig, mut stop: Stop) {
    let stream = TokioIo::new(WriteDeadline::new(stream, config.write_timeout));
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(config.head_timeout)
            .max_headers(HEADERS_MAX)
            .max_buf_size(config.head_bytes_max.max(BUFFER_BYTES_MIN))
            .serve_connection(stream, TowerToHyperService::new(router))
    );
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "admin connection ended");
    }
}
