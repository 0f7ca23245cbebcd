//! What both services work on.

use std::fmt;
use std::sync::Arc;

use halley_core::app::is_app_name;
use halley_core::bearer::BearerToken;
use halley_core::ids::{AppId, UserId};
use halley_core::metrics::Metrics;
use halley_core::ports::accounts::{Apps, Groups, Unknown, Users};
use halley_core::ports::business::{ENTRY_USERS_MAX, Entries, GroupService};
use halley_core::ports::gateways::Gateways;
use tokio::sync::Semaphore;
use tonic::Status;

use crate::config::GrpcConfig;
use crate::error_map::port_error;

/// The ports; the composition root fills them in.
#[derive(Clone)]
pub struct GrpcPorts {
    /// Apps by name.
    pub apps: Arc<dyn Apps>,
    /// User ids.
    pub users: Arc<dyn Users>,
    /// Groups, to read.
    pub groups: Arc<dyn Groups>,
    /// Groups, to change.
    pub group_service: Arc<dyn GroupService>,
    /// Pushes that are kept.
    pub entries: Arc<dyn Entries>,
    /// Pushes to connections.
    pub gateways: Arc<dyn Gateways>,
    /// Counters.
    pub metrics: Arc<Metrics>,
}

/// Both services over the ports, with what they share. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) ports: GrpcPorts,
    pub(crate) config: GrpcConfig,
    pub(crate) token: Option<BearerToken>,
    /// One permit per call in progress.
    pub(crate) calls: Semaphore,
}

impl Api {
    /// Over these ports; with a token every call must show it.
    #[must_use]
    pub fn new(ports: GrpcPorts, config: GrpcConfig, token: Option<BearerToken>) -> Self {
        Self(Arc::new(Inner { calls: Semaphore::new(config.calls_max), ports, config, token }))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn ports(&self) -> &GrpcPorts {
        &self.0.ports
    }

    /// The app of a call.
    pub(crate) async fn app(&self, name: &str) -> Result<AppId, Status> {
        if !is_app_name(name) {
            return Err(Status::invalid_argument("appId: an app name is 1 to 64 of A-Z a-z 0-9 _ . -"));
        }
        let app = self.0.ports.apps.by_name(name).await.map_err(|error| port_error(&error))?;
        app.map(|app| app.id).ok_or_else(|| Status::not_found(format!("no such app: {name}")))
    }

    /// A user that a call names. Whoever is new and has no decimal id gets a number: the business server knows its users
    /// before they log in.
    pub(crate) async fn user(&self, app: AppId, name: &str, field: &str) -> Result<UserId, Status> {
        let user = self.0.ports.users.number(app, name, Unknown::Number).await;
        let user = user.map_err(|error| port_error(&error))?;
        user.ok_or_else(|| Status::invalid_argument(format!("{field}: a user id is 1 to 128 bytes")))
    }

    /// The users of a list, at least one.
    pub(crate) async fn users(
        &self,
        app: AppId,
        names: &[String],
        field: &str,
    ) -> Result<Vec<UserId>, Status> {
        check_count(names.len(), field)?;
        let mut users = Vec::with_capacity(names.len());
        for name in names {
            users.push(self.user(app, name, field).await?);
        }
        Ok(users)
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("config", &self.0.config).finish_non_exhaustive()
    }
}

/// How many ids a list may have: 1 to [`ENTRY_USERS_MAX`].
pub(crate) fn check_count(count: usize, field: &str) -> Result<(), Status> {
    if count == 0 {
        return Err(Status::invalid_argument(format!("{field}: must name one at least")));
    }
    if count > ENTRY_USERS_MAX {
        let message = format!("{field}: at most {ENTRY_USERS_MAX} in one call, and these are {count}");
        return Err(Status::invalid_argument(message));
    }
    Ok(())
}
