//! The two listeners.

use std::future::Future;

use tokio::net::TcpListener;

use crate::api::Api;
use crate::comet::comet_server::CometServer;
use crate::comet_service::{self, CometService};
use halley_listener::Drained;

use crate::listener;
use crate::logic::logic_server::LogicServer;
use crate::logic_service::{self, LogicService};

/// Serves `im.comet.Comet` on `listener` until `shutdown` is ready; then lets calls in progress finish within the drain
/// timeout, and says how it went.
pub async fn serve_comet(listener: TcpListener, api: Api, shutdown: impl Future<Output = ()>) -> Drained {
    let bytes_max = api.inner().config.message_bytes_max;
    let service = CometServer::new(CometService::new(api.clone())).max_decoding_message_size(bytes_max);
    listener::serve(listener, api, comet_service::NAMES, service, shutdown).await
}

/// Serves `im.logic.Logic`, likewise.
pub async fn serve_logic(listener: TcpListener, api: Api, shutdown: impl Future<Output = ()>) -> Drained {
    let bytes_max = api.inner().config.message_bytes_max;
    let service = LogicServer::new(LogicService::new(api.clone())).max_decoding_message_size(bytes_max);
    listener::serve(listener, api, logic_service::NAMES, service, shutdown).await
}
