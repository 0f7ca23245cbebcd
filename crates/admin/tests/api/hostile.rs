//! Whatever a caller sends, it is answered, and not with a defect of the server.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::shapes::operations;
use crate::support::{Answer, Api};

fn run(call: impl Future<Output = Answer>) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(call)
}

fn encoded(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("%{byte:02X}")).collect()
}

fn field() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "auth",
        "user_id",
        "ttl_s",
        "owner",
        "members",
        "name",
        "super",
        "muted",
        "until",
        "role",
        "user_ids",
        "from",
        "to",
        "content",
        "client_id",
        "text",
        "type",
        "body",
        "user",
        "group",
        "limit",
        "after",
        "before",
        "number",
        "group_id",
        "join_type",
        "x",
    ];
    prop::sample::select(NAMES).prop_map(ToOwned::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(&["1", "2", "7", "dev", "token", "admin", "bob", "AQI="][..])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(field(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        value().prop_map(|value| value.to_string().into_bytes()),
        prop::collection::hash_map(field(), value(), 0..6)
            .prop_map(|map| json!(map).to_string().into_bytes()),
    ]
}

fn query() -> impl Strategy<Value = String> {
    let pair = (field(), prop::collection::vec(any::<u8>(), 0..12));
    prop_oneof![
        "[a-z0-9%&=+._~!$'()*,;:@/?-]{0,40}",
        prop::collection::vec(pair, 0..4).prop_map(|pairs| {
            let pairs = pairs.into_iter().map(|(name, value)| format!("{name}={}", encoded(&value)));
            pairs.collect::<Vec<_>>().join("&")
        }),
    ]
}

fn check(answer: &Answer) {
    assert!(answer.status.as_u16() != 500, "{answer:?}");
    if answer.status.is_client_error() {
        let code = answer.json()["error"]["code"].as_str().map(ToOwned::to_owned);
        answer.refused(answer.status.as_u16(), &code.expect("a code"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn any_body_and_query_are_answered(at in any::<prop::sample::Index>(), body in body(), query in query()) {
        let operations = operations();
        let (method, path, _) = &operations[at.index(operations.len())];
        let uri = format!("{path}?{query}");
        let api = Api::new();
        check(&run(api.raw(method, &uri, body)));
    }

    #[test]
    fn any_path_segment_is_answered(
        at in any::<prop::sample::Index>(),
        segments in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 3),
    ) {
        let document = serde_json::to_value(halley_admin::document()).expect("serialises");
        let paths: Vec<_> = document["paths"].as_object().expect("paths").keys().cloned().collect();
        let path = &paths[at.index(paths.len())];
        let path = path.replace("{app}", "demo");
        let mut parts = segments.iter();
        let filled: Vec<_> = path
            .split('/')
            .map(|part| match part.starts_with('{') {
                true => encoded(parts.next().expect("three at most")),
                false => part.to_owned(),
            })
            .collect();
        let api = Api::new();
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
            check(&run(api.raw(method, &filled.join("/"), "{}")));
        }
    }
}
