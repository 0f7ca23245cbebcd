//! The OpenAPI document is the checked-in one, and says what the routes do.

use std::path::Path;

use serde_json::Value;

use crate::shapes::operations;
use crate::support::Api;

#[test]
fn the_checked_in_document_is_what_the_code_makes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let made = halley_admin::document().to_pretty_json().expect("serialises") + "\n";
    if std::env::var_os("HALLEY_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&file, &made).expect("writes the snapshot");
    }
    let stored = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        stored == made,
        "{} is stale. Regenerate and review it:\n  HALLEY_UPDATE_SNAPSHOTS=1 cargo test -p halley-admin --test api openapi",
        file.display()
    );
}

#[tokio::test]
async fn the_document_is_served_and_every_operation_in_it_exists() {
    let api = Api::new();
    let served = api.get("/openapi.json").await.ok();
    assert_eq!(served, serde_json::to_value(halley_admin::document()).expect("serialises"));
    for (method, path, _) in operations() {
        let answer = api.raw(&method, &path, "{}").await;
        for code in ["unknown_path", "method_not_allowed"] {
            assert!(!answer.text.contains(&format!("\"code\":\"{code}\"")), "{method} {path}");
        }
    }
}

#[test]
fn the_page_of_the_admin_api_lists_every_operation() {
    let page = include_str!("../../../../docs/admin-api.md");
    let mut listed: Vec<_> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let document = serde_json::to_value(halley_admin::document()).expect("serialises");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        let methods = item.as_object().expect("operations").keys();
        operations.extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
    }
    listed.sort_unstable();
    operations.sort_unstable();
    assert_eq!(listed, operations);
}

/// Routes are registered with their part of the document (`utoipa_axum::routes!`). This keeps anybody from adding one past it.
#[test]
fn no_route_is_added_past_the_document() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = vec![source.join("router.rs")];
    for entry in std::fs::read_dir(source.join("routes")).expect("the routes") {
        files.push(entry.expect("an entry").path());
    }
    for file in files {
        let text = std::fs::read_to_string(&file).expect("reads");
        for past in [".route(", ".nest(", ".route_service(", "nest_service("] {
            assert!(!text.contains(past), "{} has {past}", file.display());
        }
    }
}

#[test]
fn every_operation_has_a_name_an_error_and_says_whether_it_wants_the_token() {
    let document = serde_json::to_value(halley_admin::document()).expect("serialises");
    let mut names = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for operation in item.as_object().expect("operations").values() {
            names.push(operation["operationId"].to_string());
            let error = "/responses/default/content/application~1json/schema/$ref";
            let schema = operation.pointer(error).and_then(Value::as_str);
            assert_eq!(schema, Some("#/components/schemas/ErrorBody"), "{path}");
            assert_eq!(operation.get("security").is_some(), path.starts_with("/v1/"), "{path}");
        }
    }
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "operation ids are unique");
}
