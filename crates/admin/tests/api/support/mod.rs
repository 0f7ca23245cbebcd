//! The router over test doubles, and how tests speak to it.

mod backups;
mod directory;
mod groups;
mod relations;
mod removals;
mod timelines;
mod world;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use halley_admin::{AdminConfig, AdminState, NodeInfo, Readiness, router};
use halley_core::bearer::BearerToken;
use halley_core::ids::NodeId;
use halley_core::metrics::Metrics;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) use world::{NOW_MS, World};

pub(crate) const TOKEN: &str = "the-admin-token";

/// The API with what is behind it.
pub(crate) struct Api {
    pub(crate) world: Arc<World>,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) router: Router,
}

/// What the API answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    /// The body as JSON; null when empty.
    pub(crate) fn json(&self) -> Value {
        if self.text.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status.is_success(), "{self:?}");
        self.json()
    }

    /// Checks that it is this error, of the one shape errors have, and gives its detail.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        let body = self.json();
        let keys: Vec<_> = body.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["error"], "{self:?}");
        let error = body["error"].clone();
        assert_eq!(error["code"], code, "{self:?}");
        assert!(error["message"].is_string(), "{self:?}");
        for key in error.as_object().expect("an object").keys() {
            assert!(["code", "message", "field"].contains(&key.as_str()), "{self:?}");
        }
        assert_eq!(error.get("field").is_some(), code == "invalid_field", "{self:?}");
        error
    }

    /// Checks that it is a validation error of this field.
    #[track_caller]
    pub(crate) fn invalid(&self, field: &str) {
        assert_eq!(self.refused(400, "invalid_field")["field"], field, "{self:?}");
    }
}

pub(crate) fn state(world: &Arc<World>, config: AdminConfig) -> (AdminState, Arc<Readiness>, Arc<Metrics>) {
    let (metrics, registry) = Metrics::new();
    let readiness = Arc::new(Readiness::starting());
    let state = AdminState {
        apps: world.clone(),
        users: world.clone(),
        tokens: world.clone(),
        relations: world.clone(),
        groups: world.clone(),
        group_service: world.clone(),
        messages: world.clone(),
        revocations: world.clone(),
        message_lookup: world.clone(),
        devices: world.clone(),
        entries: world.clone(),
        announcements: world.clone(),
        directory: world.clone(),
        gateways: world.clone(),
        floors: world.clone(),
        cursors: world.clone(),
        removals: world.clone(),
        backups: world.clone(),
        timelines: world.clone(),
        metrics: Arc::clone(&metrics),
        registry: Arc::new(registry),
        clock: world.clone(),
        readiness: Arc::clone(&readiness),
        node: NodeInfo { id: NodeId(0), version: "1.2.3", started: Instant::now() },
        token: BearerToken::new(TOKEN).expect("a token"),
        config,
    };
    (state, readiness, metrics)
}

impl Api {
    /// With an app called `demo`.
    pub(crate) fn new() -> Self {
        Self::with(AdminConfig::default())
    }

    pub(crate) fn with(config: AdminConfig) -> Self {
        let world = Arc::new(World::new());
        world.add_app("demo");
        let (state, readiness, metrics) = state(&world, config);
        Self { world, readiness, metrics, router: router(state) }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router cannot fail");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.expect("a body in memory");
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).expect("text"),
        }
    }

    /// A call with the token; `body` is sent as it is, declared as JSON.
    pub(crate) async fn raw(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body(body.into())
            .expect("a request");
        self.send(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.raw("GET", path, "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.raw("DELETE", path, "").await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.raw("POST", path, body.to_string()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.raw("PUT", path, body.to_string()).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.raw("PATCH", path, body.to_string()).await
    }
}
