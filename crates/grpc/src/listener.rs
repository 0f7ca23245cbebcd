//! HTTP/2 on a listener: the bounds of every connection.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use halley_listener::{Bounds, Drained, Stop};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tonic::body::Body;
use tonic::codegen::Service;

use crate::api::Api;
use crate::config::GrpcConfig;
use crate::guard::{Names, call};

/// Serves until `shutdown` is ready; then accepts nothing more, lets calls in progress finish within the drain timeout, and
/// says how it went. Runs on the runtime of the caller; everything it starts ends with it.
pub(crate) async fn serve<S>(
    listener: TcpListener,
    api: Api,
    names: Names,
    service: S,
    shutdown: impl Future<Output = ()>,
) -> Drained
where
    S: Service<Request<Incoming>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let config = api.inner().config;
    let metrics = Arc::clone(&api.ports().metrics);
    let bounds =
        Bounds { name: "gRPC", connections_max: config.connections_max, drain_timeout: config.drain_timeout };
    let connection = |stream, stop| connection(stream, api.clone(), names, service.clone(), stop);
    halley_listener::serve(listener, bounds, metrics, shutdown, connection).await
}

async fn connection<S>(stream: TcpStream, api: Api, names: Names, service: S, mut stop: Stop)
where
    S: Service<Request<Incoming>, Response = http::Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    let config = api.inner().config;
    tokio::select! {
        spoken = tokio::time::timeout(config.first_bytes_timeout, stream.readable()) => {
            if !matches!(spoken, Ok(Ok(()))) {
                return;
            }
        }
        () = stop.requested() => return,
    }
    let service = service_fn(move |request| {
        let (api, service) = (api.clone(), service.clone());
        async move { Ok::<_, Infallible>(call(&api, names, service, request).await) }
    });
    let mut connection = pin!(builder(&config).serve_connection(TokioIo::new(stream), service));
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a gRPC connection ended");
    }
}

fn builder(config: &GrpcConfig) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(config.streams_max)
        .max_header_list_size(config.head_bytes_max)
        .keep_alive_interval(config.keepalive_interval)
        .keep_alive_timeout(config.keepalive_timeout);
    builder
}
