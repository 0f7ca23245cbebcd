//! The admin API does what its OpenAPI document says: schemathesis makes calls from the document, such as it allows and such
//! as it does not, and holds every answer against it. A failure means that a client made from the document would break, or
//! that the server took what it should have refused.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::Raw;
use halley_testkit::scratch::Scratch;
use halley_testkit::wait::wait_for;
use serde_json::{Value, json};

/// It takes a fifth of this; a machine that builds at the same time is slow.
const DONE_WITHIN: Duration = Duration::from_secs(240);
/// Calls of each operation, and which: the same in every run; `HALLEY_SEED` chooses others.
const EXAMPLES_MAX: &str = "12";
const SEED: &str = "7";

/// What holds for all runs.
const RULES: &str = r#"
continue-on-failure = true

# The server counts bytes, a JSON schema characters: in ASCII they are the same.
[generation]
codec = "ascii"

# What is valid depends here on what no schema of the document can say: that one of two parameters must be given and not both
# (alias_get, timeline_group, timeline_user), what is stored (app_put: a way to log in wants its settings), that two fields must
# not contradict each other (group_change), what time it is (member_mute).
[[operations]]
include-operation-id = ["alias_get", "app_put", "group_change", "member_mute", "timeline_group", "timeline_user"]
checks.positive_data_acceptance.enabled = false
"#;

/// What there is to be found: without it most calls would end at an unknown id.
fn things(message: &str, session: &str) -> String {
    format!(
        r#"
[parameters]
"path.app" = "demo"
"path.mid" = "{message}"

[[operations]]
include-operation-id = ["group_get", "group_change", "members_list", "members_add", "member_role", "member_mute", "timeline_group"]
parameters = {{ "path.gid" = "3110" }}

[[operations]]
include-operation-id = "member_remove"
parameters = {{ "path.gid" = "3110", "path.uid" = "3" }}

[[operations]]
include-operation-id = "group_disband"
parameters = {{ "path.gid" = "3111" }}

[[operations]]
include-operation-id = "user_delete"
parameters = {{ "path.uid" = "4" }}

[[operations]]
include-operation-id = "token_revoke"
parameters = {{ "path.token" = "known" }}

[[operations]]
include-operation-id = "device_remove"
parameters = {{ "path.uid" = "1", "path.key" = "id:phone" }}

[[operations]]
include-operation-id = "session_kick"
parameters = {{ "path.uid" = "2", "path.session" = "{session}" }}
"#
    )
}

/// Where `scripts/setup test` puts it.
fn program() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = workspace.join("target/tools/schemathesis/bin/schemathesis");
    assert!(program.is_file(), "{} is not there: run `scripts/setup test`", program.display());
    program
}

/// A child that does not outlive the test.
struct Bounded(Child);

impl Drop for Bounded {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

/// One run of all checks, which are on by default; fails with what the program printed.
fn check(server: &Server, folder: &Path, rules: &str, which: &[&str]) -> String {
    std::fs::create_dir_all(folder).expect("a folder");
    std::fs::write(folder.join("rules.toml"), rules).expect("a file");
    let output = folder.join("output");
    let file = File::create(&output).expect("a file");
    let seed = std::env::var("HALLEY_SEED").unwrap_or_else(|_| SEED.to_owned());
    let child = Command::new(program())
        .args(["--config-file", "rules.toml", "run", "--no-color"])
        .args(["--max-examples", EXAMPLES_MAX, "--seed", &seed])
        .args(["--phases", "examples,coverage,fuzzing,stateful"])
        .arg(format!("--header=Authorization: Bearer {}", server.admin_token()))
        .args(which)
        .arg(format!("http://{}/openapi.json", server.address("admin")))
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("a descriptor"))
        .stderr(file)
        .spawn();
    let mut child = Bounded(child.expect("schemathesis runs"));
    let status = wait_for("schemathesis to end", DONE_WITHIN, || child.0.try_wait().expect("our own child"));
    let printed = std::fs::read_to_string(&output).unwrap_or_default();
    assert!(status.success(), "{status}\n{printed}\nthe server's log:\n{}", server.log());
    printed
}

/// The number of calls that were made, of what was printed.
fn calls(printed: &str) -> usize {
    let line = printed.lines().find(|line| line.contains(" generated, ")).expect("a summary");
    line.split_whitespace().next().and_then(|count| count.parse().ok()).expect("a number")
}

#[test]
fn the_admin_api_does_what_its_document_says() {
    let scratch = Scratch::new();
    let server = Server::start(&scratch.path().join("data"), &Options::default());
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({"auth": ["dev", "token"]}));
    for (id, members) in [("3110", json!(["2", "3", "4", "alice"])), ("3111", json!([]))] {
        let group = json!({"group_id": id, "owner": "1", "members": members});
        let _group = admin.call("POST", "/v1/apps/demo/groups", &group);
    }
    let _token = admin.call("PUT", "/v1/apps/demo/tokens/known", &json!({"user_id": "1"}));
    let message = json!({"from": "1", "to": {"user": "2"}, "content": {"text": "hello"}});
    let sent = admin.call("POST", "/v1/apps/demo/messages", &message);
    let tcp = server.address("txchat_tcp");
    let _phone = Raw::login(tcp, "demo", "1", Some("phone"));
    let _other = Raw::login(tcp, "demo", "2", None);
    let online = admin.call("GET", "/v1/apps/demo/users/2/sessions", &Value::Null);
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let things = things(&text(&sent["message_id"]), &text(&online["sessions"][0]["session"]));

    // Not app_delete: nothing would be left to be found. Not backup_begin: it writes wherever it is told to.
    let without = ["--exclude-operation-id=app_delete", "--exclude-operation-id=backup_begin"];
    let printed = check(&server, &scratch.path().join("all"), &format!("{RULES}{things}"), &without);
    assert!(calls(&printed) > 1_000, "{printed}");
    // It got as far as what can be done once only.
    let status = |method, path: &str| admin.try_call(method, path, None).expect("answers").0;
    let get = |path: &str| admin.call("GET", path, &Value::Null);
    assert_eq!(status("GET", "/v1/apps/demo/groups/3110"), 200);
    assert_eq!(status("GET", "/v1/apps/demo/groups/3111"), 404);
    assert_eq!(status("DELETE", "/v1/apps/demo/tokens/known"), 404);
    let members = get("/v1/apps/demo/groups/3110/members").to_string();
    assert!(members.contains(r#""user_id":"1""#) && !members.contains(r#""user_id":"3""#), "{members}");
    assert!(!members.contains(r#""user_id":"4""#), "deleted: {members}");
    assert_eq!(get("/v1/apps/demo/users/1/devices")["devices"], json!([]));
    assert_eq!(get("/v1/apps/demo/users/2/sessions")["sessions"], json!([]));

    let apps = ["--include-path=/v1/apps", "--include-path=/v1/apps/{app}"];
    let printed = check(&server, &scratch.path().join("apps"), RULES, &apps);
    assert!(calls(&printed) > 100, "{printed}");
}
