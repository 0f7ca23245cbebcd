//! What holds for every route: authentication, and one shape of errors.

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::support::{Answer, Api, TOKEN};

/// Every operation of the document: method, path with its parameters filled in, whether it has a body.
pub(crate) fn operations() -> Vec<(String, String, bool)> {
    static OPERATIONS: LazyLock<Vec<(String, String, bool)>> = LazyLock::new(read_operations);
    OPERATIONS.clone()
}

fn read_operations() -> Vec<(String, String, bool)> {
    let document = serde_json::to_value(halley_admin::document()).expect("serialises");
    let paths = document["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        let filled = path
            .replace("{app}", "demo")
            .replace("{gid}", "7")
            .replace("{uid}", "1")
            .replace("{other}", "2")
            .replace("{mid}", "5")
            .replace("{session}", "0.1.1")
            .replace("{key}", "id:u-1")
            .replace("{token}", "t");
        for (method, operation) in item.as_object().expect("operations") {
            let has_body = operation.get("requestBody").is_some();
            operations.push((method.to_uppercase(), filled.clone(), has_body));
        }
    }
    assert!(operations.len() > 25, "the document lists the API");
    operations
}

async fn with_authorization(api: &Api, method: &str, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(authorization) = authorization {
        request = request.header(header::AUTHORIZATION, authorization);
    }
    api.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn every_route_under_v1_wants_the_token_and_nothing_else_does() {
    let api = Api::new();
    let basic = format!("Basic {TOKEN}");
    let longer = format!("Bearer {TOKEN}x");
    for (method, path, _) in operations() {
        let protected = path.starts_with("/v1/");
        let none = with_authorization(&api, &method, &path, None).await;
        assert_eq!(none.status == 401, protected, "{method} {path}: {none:?}");
        if !protected {
            continue;
        }
        for wrong in [None, Some("Bearer"), Some("Bearer "), Some(&*basic), Some(&*longer), Some(TOKEN)] {
            let answer = with_authorization(&api, &method, &path, wrong).await;
            answer.refused(401, "unauthorized");
            assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"halley\"");
        }
        let right = with_authorization(&api, &method, &path, Some(&format!("bearer {TOKEN}"))).await;
        assert_ne!(right.status, 401, "{method} {path}");
    }
    for path in ["/v1", "/v1/", "/v1/none", "/v1/apps/demo/none"] {
        with_authorization(&api, "GET", path, None).await.refused(401, "unauthorized");
    }
    for path in ["//v1/apps", "/./v1/apps", "/%761/apps", "/V1/apps", "/v1%2Fapps"] {
        with_authorization(&api, "GET", path, None).await.refused(404, "unknown_path");
    }
}

#[tokio::test]
async fn every_route_with_a_body_refuses_what_is_not_a_json_object_of_its_fields() {
    let api = Api::new();
    let large = format!("{{\"x\":\"{}\"}}", "y".repeat(1 << 20));
    for (method, path, has_body) in operations() {
        if !has_body {
            continue;
        }
        let raw = async |body: String| api.raw(&method, &path, body).await;
        raw(String::new()).await.refused(400, "invalid_json");
        raw("{".to_owned()).await.refused(400, "invalid_json");
        raw("[".repeat(5_000)).await.refused(400, "invalid_field");
        for other in ["7", "null", "[]", "[[\"dev\"]]", "[\"1\", \"2\", \"3\", \"4\", [], true]"] {
            raw(other.to_owned()).await.invalid("body");
        }
        raw(json!({"no_such_field": 1}).to_string()).await.invalid("no_such_field");
        raw(large.clone()).await.refused(413, "body_too_large");
        for kind in [None, Some("text/plain"), Some("application/jsonp"), Some("")] {
            let mut request = Request::builder()
                .method(&*method)
                .uri(&path)
                .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"));
            if let Some(kind) = kind {
                request = request.header(header::CONTENT_TYPE, kind);
            }
            let answer = api.send(request.body(Body::from("{}")).expect("a request")).await;
            answer.refused(415, "unsupported_media_type");
        }
    }
}

#[tokio::test]
async fn every_route_refuses_methods_it_does_not_have_and_says_which_it_has() {
    let api = Api::new();
    let all = operations();
    for (_, path, _) in &all {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE", "TRACE"] {
            if all.iter().any(|(has, at, _)| has == method && at == path) {
                continue;
            }
            let answer = api.raw(method, path, "{}").await;
            answer.refused(405, "method_not_allowed");
            assert!(answer.headers.contains_key("allow"), "{answer:?}");
        }
    }
    api.get("/nowhere").await.refused(404, "unknown_path");
    api.get("/v1/apps/").await.refused(404, "unknown_path");
}

#[tokio::test]
async fn a_field_given_twice_and_text_behind_the_object_are_refused() {
    let api = Api::new();
    let behind = api.raw("PUT", "/v1/apps/demo", "{} {}").await;
    behind.refused(400, "invalid_json");
    let answer = api.raw("PUT", "/v1/apps/demo", r#"{"auth":["dev"],"auth":["token"]}"#).await;
    answer.invalid("auth");
}

#[tokio::test]
async fn ids_are_strings_wherever_they_appear() {
    let api = Api::new();
    let group = api.post("/v1/apps/demo/groups", json!({"owner": "1"})).await.ok();
    let app = api.get("/v1/apps/demo").await.ok();
    let token = api.post("/v1/apps/demo/tokens", json!({"user_id": "1"})).await.ok();
    let stats = api.get("/v1/stats").await.ok();
    let ids: [&Value; 5] =
        [&group["group_id"], &group["owner"], &app["app_id"], &token["user_id"], &stats["node"]];
    assert!(ids.iter().all(|id| id.is_string()), "{ids:?}");
}
