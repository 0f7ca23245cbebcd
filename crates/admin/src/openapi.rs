//! The OpenAPI document: the handlers' own parts, with what all of them share.

use utoipa::OpenApi as _;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, PathItem, Ref, ResponseBuilder};

use crate::error_map::ErrorBody;
use crate::forms::describe;
use crate::router::api;

const BEARER: &str = "admin_token";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Halley admin API",
        description = "Administration of a Halley server. Ids are strings. Everything under /v1 wants the bearer token. Every answer that is not a success is an ErrorBody.",
    ),
    components(schemas(ErrorBody))
)]
struct Frame;

/// The document before the routes add their parts.
pub(crate) fn frame() -> OpenApi {
    Frame::openapi()
}

/// The document of all routes, as `/openapi.json` gives it.
#[must_use]
pub fn document() -> OpenApi {
    let mut document = api().into_openapi();
    if let Some(components) = &mut document.components {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("`admin.token` of the configuration, or `<data>/admin.token`"))
            .build();
        components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    }
    for (path, item) in &mut document.paths.paths {
        let protected = path.starts_with("/v1/");
        for operation in operations(item) {
            share(operation, protected);
        }
    }
    document
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
    all.into_iter().filter_map(Option::as_mut)
}

/// Every operation says of its path what it may be, may answer an error, in one shape, and the protected ones want the token.
fn share(operation: &mut Operation, protected: bool) {
    let schema = Ref::from_schema_name("ErrorBody");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new()
        .description("Not done: `error.code` says why")
        .content("application/json", content)
        .build();
    operation.parameters.iter_mut().flatten().for_each(describe);
    operation.responses.responses.insert("default".to_owned(), response.into());
    if protected {
        let requirement = SecurityRequirement::new(BEARER, Vec::<String>::new());
        operation.security = Some(vec![requirement]);
    }
}
