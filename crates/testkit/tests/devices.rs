//! Devices on the real server: who is told of a login, which phone may come back by itself, what is remembered and for how
//! long. A failure means that somebody's phone logs in behind his back, or that a device is remembered wrongly.

use std::net::SocketAddr;
use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw};
use halley_testkit::scratch::Scratch;
use halley_wire::txchat::Op;
use halley_wire::txchat::pb::{AuthMsg, ConnType, Device, Login, SignalEndpointLogin};
use prost::Message as _;
use serde_json::{Value, json};

const SOON: Duration = Duration::from_secs(20);
const QUIET: Duration = Duration::from_millis(300);

struct World {
    scratch: Scratch,
    server: Option<Server>,
}

impl World {
    fn new() -> Self {
        let mut world = Self { scratch: Scratch::new(), server: None };
        world.start();
        let _app = world.admin().call("PUT", "/v1/apps/demo", &json!({"auth": ["dev"]}));
        world
    }

    fn start(&mut self) {
        self.server = Some(Server::start(&self.scratch.path().join("data"), &Options::default()));
    }

    fn restart(&mut self) {
        assert!(self.server.take().expect("runs").stop().success());
        self.start();
    }

    fn server(&self) -> &Server {
        self.server.as_ref().expect("runs")
    }

    fn admin(&self) -> Admin {
        Admin::new(self.server().address("admin"), self.server().admin_token())
    }

    fn tcp(&self) -> SocketAddr {
        self.server().address("txchat_tcp")
    }

    fn get(&self, path: &str) -> Value {
        self.admin().call("GET", path, &Value::Null)
    }

    /// uuid and whether it has a push token, the newest first.
    fn devices(&self, user: &str) -> Vec<(String, bool)> {
        let listed = self.get(&format!("/v1/apps/demo/users/{user}/devices"));
        let devices = listed["devices"].as_array().expect("a list").iter();
        let text = |device: &Value| device["uuid"].as_str().expect("text").to_owned();
        devices.map(|device| (text(device), device["has_push_token"] == json!(true))).collect()
    }

    fn accepted(&self, user: &str, login: &Login) -> Raw {
        let mut raw = Raw::connect(self.tcp());
        auth(&mut raw, user, login);
        accept(&mut raw);
        raw
    }

    /// Tries to come back by itself; the body of the refusal, if it is one.
    fn come_back(&self, user: &str, login: &Login) -> (Raw, Vec<u8>) {
        let mut raw = Raw::connect(self.tcp());
        auth(&mut raw, user, &Login { conn_type: ConnType::Reconnect.into(), ..login.clone() });
        let Came::Frame(reply) = raw.next(SOON) else { panic!("not answered") };
        assert_eq!(reply.header.op, Op::AUTH_REPLY);
        (raw, reply.body.to_vec())
    }
}

fn auth(raw: &mut Raw, user: &str, login: &Login) {
    let auth = AuthMsg { app_id: "demo".into(), token: user.into(), ext: login.encode_to_vec().into() };
    raw.send(Op::AUTH, 0, &auth.encode_to_vec());
}

fn accept(raw: &mut Raw) {
    let Came::Frame(reply) = raw.next(SOON) else { panic!("not let in") };
    assert_eq!((reply.header.op, reply.body.len()), (Op::AUTH_REPLY, 0));
}

fn login(device: Device, uuid: &str, name: &str) -> Login {
    Login { device: device.into(), uuid: uuid.into(), device_name: name.into(), ..Login::default() }
}

#[test]
fn a_login_is_told_every_session_of_the_user_and_nobody_else() {
    let world = World::new();
    let mut stranger = world.accepted("2", &login(Device::Web, "s", ""));
    assert_eq!(stranger.login_signal().login.uuid, "s");
    let mut quiet = Raw::login(world.tcp(), "demo", "1", None);
    let mut phone = world.accepted("1", &login(Device::Ios, "uuid-b", "iB"));
    let told = phone.login_signal();
    assert_eq!((told.push, told.reliable), (1, false), "the first push, behind the AuthReply");
    assert!(told.signal_id > 0);
    let since_ms = world.get("/v1/apps/demo/users/1/devices")["devices"][0]["logged_in_ms"].as_u64();
    let expected = SignalEndpointLogin {
        uuid: "uuid-b".into(),
        device: Device::Ios.into(),
        device_name: "iB".into(),
        datetime: since_ms.expect("a time"),
    };
    assert_eq!(told.login, expected);
    assert_eq!(quiet.login_signal().login, expected, "a session without a device is told too");
    let mut web = world.accepted("1", &login(Device::Web, "uuid-c", "Phone"));
    for session in [&mut web, &mut phone, &mut quiet] {
        assert_eq!(session.login_signal().login.uuid, "uuid-c");
    }
    // A login that names no device is told nobody.
    drop(Raw::login(world.tcp(), "demo", "1", None));
    for session in [&mut web, &mut phone, &mut quiet, &mut stranger] {
        assert_eq!(session.next(QUIET), Came::Nothing);
        assert!(!session.has_login_signal());
    }
    // The signal is acknowledged like every push, and messages come behind it.
    stranger.say(false, "1", "c-1", "hello");
    assert_eq!((phone.text().push, phone.next(QUIET)), (3, Came::Nothing));
}

#[test]
fn a_phone_does_not_come_back_by_itself_when_another_has_logged_in() {
    let mut world = World::new();
    let (old, new) = (login(Device::Ios, "uuid-b", "iB"), login(Device::Android, "uuid-b2", "Two"));
    let (_alone, body) = world.come_back("bob", &old);
    assert!(body.is_empty(), "the first phone may");
    let _desktop = world.accepted("bob", &login(Device::Linux, "uuid-l", "desk"));
    let (_still, body) = world.come_back("bob", &old);
    assert!(body.is_empty(), "a desktop is no other phone");
    let mut newer = world.accepted("bob", &new);
    let newest = newer.login_signal().login;
    for _ in 0..2 {
        let (mut refused, body) = world.come_back("bob", &old);
        assert_eq!(body, newest.encode_to_vec(), "as in the original's transcript: the newer phone's login");
        assert_eq!(body[..15], *b"\x0a\x07uuid-b2\x1a\x03Two\x20");
        let (_desk, body) = world.come_back("bob", &login(Device::Linux, "uuid-l", "desk"));
        assert!(body.is_empty(), "a desktop may always");
        assert_eq!(refused.next(QUIET), Came::Nothing, "the connection stays open");
        world.restart();
    }
    let (_newer, body) = world.come_back("bob", &new);
    assert!(body.is_empty(), "the newest may");
    let (mut refused, body) = world.come_back("bob", &old);
    assert!(!body.is_empty());
    auth(&mut refused, "bob", &old);
    accept(&mut refused);
    assert_eq!(refused.login_signal().login.uuid, "uuid-b", "somebody asked for it, on the same connection");
    let (_other, body) = world.come_back("bob", &new);
    let newest = SignalEndpointLogin::decode(&body[..]).expect("a login");
    assert_eq!(newest.uuid, "uuid-b", "now it is the other way round");
    assert_eq!(world.get("/v1/stats")["login_refusals"]["newer_device"], 2);
}

#[test]
fn a_push_token_is_the_devices_that_presented_it_last() {
    let mut world = World::new();
    let with =
        |uuid: &str, token: &str| Login { device_token: token.into(), ..login(Device::Android, uuid, "") };
    drop(world.accepted("1", &with("a", "t-1")));
    drop(world.accepted("1", &with("b", "t-2")));
    assert_eq!(world.devices("1"), [("b".to_owned(), true), ("a".to_owned(), true)]);
    drop(world.accepted("2", &with("a", "t-1")));
    for _ in 0..2 {
        assert_eq!(world.devices("1"), [("b".to_owned(), true), ("a".to_owned(), false)]);
        assert_eq!(world.devices("2"), [("a".to_owned(), true)]);
        world.restart();
    }
    assert!(!world.server().log().contains("t-1"), "no push token in the log");
}

#[test]
fn of_very_many_devices_the_one_unused_longest_is_forgotten() {
    let world = World::new();
    for number in 0..100 {
        drop(world.accepted("1", &login(Device::Android, &format!("d-{number}"), "")));
    }
    drop(world.accepted("1", &login(Device::Android, "d-0", "")));
    assert_eq!(world.devices("1").len(), 100);
    drop(world.accepted("1", &login(Device::Android, "new", "")));
    let devices = world.devices("1");
    let has = |uuid: &str| devices.iter().any(|(known, _)| known == uuid);
    assert_eq!(devices.len(), 100);
    assert!(has("new") && has("d-0") && has("d-2") && !has("d-1"), "{devices:?}");
    let (_, metrics) = world.admin().try_text("GET", "/metrics", None).expect("answers");
    assert!(metrics.contains("\nhalley_devices_forgotten_total 1\n"), "{metrics}");
}

#[test]
fn a_forgotten_device_is_closed_and_new_when_it_comes_again() {
    let world = World::new();
    let mut sender = Raw::login(world.tcp(), "demo", "2", None);
    let mut phone = world.accepted("1", &login(Device::Android, "p", ""));
    let mut other = world.accepted("1", &login(Device::Web, "w", ""));
    sender.say(false, "1", "c-1", "one");
    assert_eq!((phone.text().text, other.text().text), ("one".to_owned(), "one".to_owned()));
    // The cursor has moved once a heartbeat behind the acknowledgement is answered.
    phone.send(Op::HEARTBEAT, 0, &[]);
    phone.until(Op::HEARTBEAT_REPLY, |_| {});
    let closed = world.admin().call("DELETE", "/v1/apps/demo/users/1/devices/id:p", &Value::Null);
    assert_eq!(closed, json!({"closed": 1, "unreached": 0}));
    assert_eq!(phone.next(SOON), Came::Closed);
    assert_eq!(world.devices("1"), [("w".to_owned(), false)]);
    let mut again = world.accepted("1", &login(Device::Android, "p", ""));
    assert_eq!(again.text().text, "one", "the first of its class looks back");
    assert_eq!(other.next(QUIET), Came::Nothing, "the other one stayed");
}

#[test]
fn a_client_that_says_it_goes_is_closed_and_no_longer_online() {
    let world = World::new();
    let mut leaving =
        world.accepted("1", &Login { username: "One".into(), ..login(Device::Android, "p", "Pixel") });
    let sessions = world.get("/v1/apps/demo/users/1/sessions");
    let session = &sessions["sessions"][0];
    assert_eq!(session["user_id"], "1");
    assert_eq!(session["device"]["platform"], 0);
    assert_eq!(
        (&session["device"]["name"], &session["device"]["user_name"]),
        (&json!("Pixel"), &json!("One"))
    );
    leaving.send(Op::DISCONNECT, 0, &[]);
    assert_eq!(leaving.next(SOON), Came::Closed);
    halley_testkit::wait::wait_for("the session to end", SOON, || {
        let sessions = world.get("/v1/apps/demo/users/1/sessions");
        sessions["sessions"].as_array().is_some_and(Vec::is_empty).then_some(())
    });
    let mut kicked = world.accepted("1", &login(Device::Android, "p", ""));
    let closed = world.admin().call("DELETE", "/v1/apps/demo/users/1/sessions", &Value::Null);
    assert_eq!(closed["closed"], 1);
    assert_eq!(kicked.next(SOON), Came::Closed);
}
