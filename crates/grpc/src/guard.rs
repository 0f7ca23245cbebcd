//! What every call passes before its service sees it: the token, a permit, a deadline; and is counted behind it.

use std::convert::Infallible;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::{Code, Status};

use crate::api::Api;
use crate::error_map::code_name;

/// A service, and the names it has: the metrics know no others.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    pub(crate) service: &'static str,
    pub(crate) methods: &'static [&'static str],
}

/// What stands for a method that the service does not have.
const OTHER: &str = "other";

impl Names {
    /// `/im.logic.Logic/PushGroup` is `PushGroup`.
    fn method(&self, path: &str) -> &'static str {
        let named = path.rsplit('/').next().unwrap_or_default();
        self.methods.iter().find(|method| **method == named).copied().unwrap_or(OTHER)
    }
}

/// Answers a call, whatever becomes of it.
pub(crate) async fn call<S>(api: &Api, names: Names, service: S, request: Request<Incoming>) -> Response<Body>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    let method = names.method(request.uri().path());
    let response = match bounded(api, service, request).await {
        Ok(response) => response,
        Err(status) => status.into_http(),
    };
    // The status of a failure stands in the head; that of a success follows the reply.
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code());
    api.ports().metrics.grpc_calls.count(names.service, method, code_name(code));
    response
}

async fn bounded<S>(api: &Api, mut service: S, request: Request<Incoming>) -> Result<Response<Body>, Status>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    let inner = api.inner();
    if let Some(token) = &inner.token {
        let shown = request.headers().get(AUTHORIZATION);
        if !shown.is_some_and(|shown| token.is_shown_by(shown.as_bytes())) {
            return Err(Status::unauthenticated("metadata `authorization: Bearer TOKEN` is required"));
        }
    }
    let limit = inner.config.call_timeout;
    let limit = wanted_timeout(request.headers()).map_or(limit, |wanted| wanted.min(limit));
    let _permit =
        inner.calls.try_acquire().map_err(|_full| Status::resource_exhausted("too many calls at once"))?;
    match tokio::time::timeout(limit, service.call(request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(never)) => match never {},
        Err(_elapsed) => Err(Status::deadline_exceeded(
            "no outcome in time; it is not known. A push with a message id may be repeated: clients show one id once",
        )),
    }
}

/// `grpc-timeout`: up to eight digits and a unit.
fn wanted_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callers_deadline_is_read_as_grpc_writes_it() {
        let read = |text: &str| {
            let headers = [("grpc-timeout", text)]
                .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")));
            wanted_timeout(&HeaderMap::from_iter(headers))
        };
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for wrong in ["", "m", "1", "-1S", "123456789S", "1d", "1 S"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn methods_that_are_not_there_have_one_name_together() {
        let names = Names { service: "Logic", methods: &["PushGroup"] };
        assert_eq!(names.method("/im.logic.Logic/PushGroup"), "PushGroup");
        for path in ["", "/", "/im.logic.Logic/Nothing", "PushGroup/"] {
            assert_eq!(names.method(path), OTHER, "{path:?}");
        }
    }
}
