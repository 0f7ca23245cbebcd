//! The ways to log in, on the real server over TCP and WebSocket: each lets its own in, every kind of no is refused without
//! a word, and an app's own server that is slow, dead or mad costs nobody else anything. A failure means that somebody can
//! be somebody else, or cannot log in.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use halley_testkit::http::Admin;
use halley_testkit::login_server::{Asked, Behaviour, LoginServer};
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw};
use halley_testkit::scratch::Scratch;
use halley_testkit::tokens::{SIGNED_USER, jwt, now_ms, signed};
use halley_testkit::wait::wait_for;
use halley_wire::txchat::Op;
use halley_wire::txchat::pb::{AuthMsg, ConnType, Device, Login};
use prost::Message as _;
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// A connection that is refused is closed well within this.
const SOON: Duration = Duration::from_secs(20);

struct World {
    _scratch: Scratch,
    server: Server,
    admin: Admin,
}

impl World {
    fn new() -> Self {
        let scratch = Scratch::new();
        let server = Server::start(&scratch.path().join("data"), &Options::default());
        let admin = Admin::new(server.address("admin"), server.admin_token());
        Self { _scratch: scratch, server, admin }
    }

    fn app(&self, name: &str, settings: &Value) {
        let _app = self.admin.call("PUT", &format!("/v1/apps/{name}"), settings);
    }

    fn tcp(&self) -> SocketAddr {
        self.server.address("txchat_tcp")
    }

    /// A connection of each kind.
    fn both(&self) -> [Raw; 2] {
        [Raw::connect(self.tcp()), Raw::connect_web(self.server.address("txchat_ws"))]
    }

    fn sessions(&self, app: &str, user: &str) -> usize {
        let path = format!("/v1/apps/{app}/users/{user}/sessions");
        let (status, answer) = self.admin.try_call("GET", &path, None).expect("answers");
        if status == 404 { 0 } else { answer["sessions"].as_array().expect("a list").len() }
    }

    fn refused(&self, reason: &str) -> u64 {
        let stats = self.admin.call("GET", "/v1/stats", &Value::Null);
        stats["login_refusals"][reason].as_u64().expect("a count")
    }

    fn is_let_in(&self, app: &str, token: &str) {
        for mut raw in self.both() {
            send_auth(&mut raw, app, token, None);
            assert_accepted(&mut raw);
        }
    }

    fn is_refused(&self, app: &str, token: &str) {
        let [mut tcp, mut web] = self.both();
        send_auth(&mut tcp, app, token, None);
        assert_eq!(tcp.next(SOON), Came::Closed, "{token}");
        send_auth(&mut web, app, token, None);
        assert_eq!(web.next(SOON), Came::Closed, "{token}");
        assert_eq!(web.close_code(), Some(1_008), "{token}");
    }
}

fn send_auth(raw: &mut Raw, app: &str, token: &str, login: Option<&Login>) {
    let ext = login.map(Login::encode_to_vec).unwrap_or_default();
    let auth = AuthMsg { app_id: app.to_owned(), token: token.to_owned(), ext: ext.into() };
    raw.send(Op::AUTH, 0, &auth.encode_to_vec());
}

fn assert_accepted(raw: &mut Raw) {
    let Came::Frame(reply) = raw.next(SOON) else { panic!("not let in") };
    assert_eq!((reply.header.op, reply.body.len()), (Op::AUTH_REPLY, 0));
}

fn answer(body: &Value) -> Behaviour {
    Behaviour::Answer(200, body.to_string())
}

/// Yes to `good-USER`, no to the rest.
fn well_behaved(asked: &Asked) -> Behaviour {
    match asked.header("FZM-SIGNATURE").and_then(|token| token.strip_prefix("good-")) {
        Some(user) => answer(&json!({"result": 0, "data": {"address": user}})),
        None => answer(&json!({"result": -1010, "message": "bad signature"})),
    }
}

fn claims() -> Value {
    json!({"sub": "jay", "exp": now_ms() / 1_000 + 600})
}

#[test]
fn each_way_lets_its_own_in_and_refuses_every_kind_of_no() {
    let world = World::new();
    let login_server = LoginServer::start(well_behaved);
    let http_auth = json!({"url": login_server.url(), "timeout_ms": 5_000});
    world.app("sig", &json!({"auth": ["signature"]}));
    world.app("jwt", &json!({"auth": ["jwt"], "jwt": {"secret": SECRET}}));
    world.app("http", &json!({"auth": ["http"], "http_auth": http_auth}));
    world.app("all", &json!({"auth": ["signature", "jwt", "token", "http"], "jwt": {"secret": SECRET}, "http_auth": http_auth}));

    world.is_let_in("sig", &signed("sig", now_ms()));
    wait_for("the connections to be closed again", SOON, || {
        (world.sessions("sig", SIGNED_USER) == 0).then_some(())
    });
    let mut raw = Raw::connect(world.tcp());
    send_auth(&mut raw, "sig", &signed("sig", now_ms()), None);
    assert_accepted(&mut raw);
    assert_eq!(world.sessions("sig", SIGNED_USER), 1, "the user is the key's address");
    for token in [
        signed("sig", now_ms() - 121_000),
        signed("sig", now_ms() + 125_000),
        signed("other", now_ms()),
        signed("sig", now_ms()).replace('#', "##"),
        "MOCK".to_owned(),
        SIGNED_USER.to_owned(),
        jwt(SECRET, &claims()),
    ] {
        world.is_refused("sig", &token);
    }
    assert_eq!(world.refused("expired"), 4);

    world.is_let_in("jwt", &jwt(SECRET, &claims()));
    for token in [
        jwt("another secret, as long as that one", &claims()),
        jwt(SECRET, &json!({"sub": "jay", "exp": now_ms() / 1_000 - 5})),
        jwt(SECRET, &json!({"sub": "jay"})),
        jwt(SECRET, &json!({"sub": "", "exp": now_ms() / 1_000 + 600})),
        "eyJhbGciOiJub25lIn0.eyJzdWIiOiJqYXkiLCJleHAiOjk5OTk5OTk5OTl9.".to_owned(),
        signed("jwt", now_ms()),
        "jay".to_owned(),
    ] {
        world.is_refused("jwt", &token);
    }

    world.is_let_in("http", "good-holly");
    for token in ["bad", "jay", "with\u{7}bell"] {
        world.is_refused("http", token);
    }

    let token = world.admin.call("POST", "/v1/apps/all/tokens", &json!({"user_id": "tom"}));
    for token in [
        signed("all", now_ms()),
        jwt(SECRET, &claims()),
        token["token"].as_str().expect("a token").to_owned(),
        "good-holly".to_owned(),
    ] {
        world.is_let_in("all", &token);
    }
    world.is_refused("all", "tom");
    world.is_refused("nowhere", "tom");
    assert!(world.server.stop().success());
}

#[test]
fn an_app_may_have_a_signed_token_open_one_connection_only() {
    let world = World::new();
    world.app("once", &json!({"auth": ["signature"], "replay_guard": true}));
    world.app("often", &json!({"auth": ["signature"]}));
    let token = signed("often", now_ms());
    world.is_let_in("often", &token);
    world.is_let_in("often", &token);
    let token = signed("once", now_ms());
    let mut first = Raw::connect(world.tcp());
    send_auth(&mut first, "once", &token, None);
    assert_accepted(&mut first);
    world.is_refused("once", &token);
    assert_eq!(world.refused("replayed"), 2);
    drop(first);
    world.is_refused("once", &token);
    world.is_let_in_once("once", &signed("once", now_ms() + 1));
}

impl World {
    fn is_let_in_once(&self, app: &str, token: &str) {
        let mut raw = Raw::connect(self.tcp());
        send_auth(&mut raw, app, token, None);
        assert_accepted(&mut raw);
    }
}

#[test]
fn the_apps_server_is_asked_as_the_original_asks() {
    let world = World::new();
    let dtalk = LoginServer::start(well_behaved);
    let zhaobi = LoginServer::start(|asked| match asked.header("Authorization") {
        Some("Z") => answer(&json!({"data": {"user_id": "zoe"}})),
        _ => answer(&json!({"error": "no"})),
    });
    world.app("d", &json!({"auth": ["http"], "http_auth": {"url": dtalk.url()}}));
    world.app("z", &json!({"auth": ["http"], "http_auth": {"url": zhaobi.url(), "form": "zhaobi"}}));
    let login = Login {
        device: Device::Ios.into(),
        username: "Dora".to_owned(),
        conn_type: ConnType::Reconnect.into(),
        uuid: "uuid-1".to_owned(),
        device_name: "手机".to_owned(),
        ..Login::default()
    };
    let mut raw = Raw::connect(world.tcp());
    send_auth(&mut raw, "d", "good-dora", Some(&login));
    assert_accepted(&mut raw);
    world.is_let_in_once("d", "good-dora");
    let asked = dtalk.asked();
    assert_eq!(asked[0].line, "POST /user/login HTTP/1.1");
    let header = |at: usize, name| asked[at].header(name);
    assert_eq!(header(0, "FZM-SIGNATURE"), Some("good-dora"));
    assert_eq!((header(0, "FZM-UUID"), header(0, "FZM-DEVICE")), (Some("uuid-1"), Some("IOS")));
    assert_eq!(header(0, "FZM-DEVICE-NAME"), Some("手机"));
    assert_eq!(header(0, "Content-type"), Some("application/json"));
    assert_eq!(asked[0].body, r#"{"connType":1}"#);
    assert_eq!(asked[1].line, "POST /user/login HTTP/1.1");
    assert_eq!((header(1, "FZM-SIGNATURE"), header(1, "FZM-UUID")), (Some("good-dora"), None));
    assert_eq!(asked[1].body, "");

    world.is_let_in("z", "Z");
    world.is_refused("z", "Y");
    let asked = zhaobi.asked();
    assert_eq!((asked[0].line.as_str(), asked[0].body.as_str()), ("GET /user/login HTTP/1.1", ""));
    assert_eq!(asked[0].header("Authorization"), Some("Z"));
    assert_eq!(asked[0].header("FZM-SIGNATURE"), None);
}

#[test]
fn a_yes_is_remembered_as_long_as_the_app_says_and_a_no_never() {
    let world = World::new();
    let login_server = LoginServer::start(well_behaved);
    let url = login_server.url();
    world.app("kept", &json!({"auth": ["http"], "http_auth": {"url": url, "cache_s": 3_600}}));
    world.app("asked", &json!({"auth": ["http"], "http_auth": {"url": url}}));
    world.is_let_in("kept", "good-kim");
    assert_eq!(login_server.asked().len(), 1);
    world.is_refused("kept", "bad");
    assert_eq!(login_server.asked().len(), 3);
    world.is_let_in("asked", "good-kim");
    assert_eq!(login_server.asked().len(), 5, "another app's yes is its own");
}

#[test]
fn a_server_that_is_slow_dead_or_mad_lets_nobody_in() {
    let world = World::new();
    let good = LoginServer::start(well_behaved);
    let redirect = |status: u16| {
        let go = format!("HTTP/1.1 {status} Go\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", good.url());
        Behaviour::Raw(go.into_bytes())
    };
    let yes = r#"{"result":0,"data":{"address":"eve"}}"#;
    let huge = format!("{}{yes}", " ".repeat(80 << 10));
    let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{yes}");
    let trickled = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{yes}", yes.len());
    let head = format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\ncontent-length: {}\r\n\r\n{yes}",
        "x".repeat(64 << 10),
        yes.len()
    );
    let behaviours = [
        Behaviour::Silent,
        Behaviour::Close,
        Behaviour::Answer(200, "I am no JSON".to_owned()),
        Behaviour::Answer(200, r#"{"result":0}"#.to_owned()),
        Behaviour::Answer(500, yes.to_owned()),
        Behaviour::Answer(401, yes.to_owned()),
        Behaviour::Answer(200, huge),
        Behaviour::Raw(b"\x00\xff I am no HTTP\r\n\r\n".to_vec()),
        redirect(302),
        redirect(307),
        Behaviour::Raw(cut.into_bytes()),
        Behaviour::Raw(head.into_bytes()),
        Behaviour::Trickle(trickled),
    ];
    for behaviour in behaviours {
        let mad = LoginServer::start({
            let behaviour = behaviour.clone();
            move |_| behaviour.clone()
        });
        world.app("mad", &json!({"auth": ["http"], "http_auth": {"url": mad.url(), "timeout_ms": 400}}));
        let [mut tcp, mut web] = world.both();
        send_auth(&mut tcp, "mad", "good-eve", None);
        send_auth(&mut web, "mad", "good-eve", None);
        assert_eq!(tcp.next(SOON), Came::Closed, "{behaviour:?}");
        assert_eq!(web.next(SOON), Came::Closed, "{behaviour:?}");
        assert_eq!(web.close_code(), Some(1_013), "it may be better later: {behaviour:?}");
    }
    assert_eq!(good.asked(), [], "no redirect is followed");
    // Nobody listens there any more.
    let gone = good.url();
    drop(good);
    world.app("mad", &json!({"auth": ["http"], "http_auth": {"url": gone, "timeout_ms": 400}}));
    let mut raw = Raw::connect(world.tcp());
    send_auth(&mut raw, "mad", "good-eve", None);
    assert_eq!(raw.next(SOON), Came::Closed);
    assert_eq!(world.refused("unavailable"), 27);
    let log = world.server.log();
    assert!(!log.contains("good-eve"), "no token in the log");
}

#[test]
fn one_apps_dead_server_takes_nobody_elses_turn() {
    let world = World::new();
    let (silent, good) = (LoginServer::start(|_| Behaviour::Silent), LoginServer::start(well_behaved));
    world.app("dead", &json!({"auth": ["http"], "http_auth": {"url": silent.url(), "timeout_ms": 30_000}}));
    world.app("good", &json!({"auth": ["http"], "http_auth": {"url": good.url()}}));
    world.app("demo", &json!({"auth": ["dev", "signature"]}));
    let mut alice = Raw::login(world.tcp(), "demo", "1", None);
    let mut bob = Raw::login(world.tcp(), "demo", "2", None);
    let mut stuck: Vec<Raw> = (0..100)
        .map(|_| {
            let mut raw = Raw::connect(world.tcp());
            send_auth(&mut raw, "dead", "good-eve", None);
            raw
        })
        .collect();
    silent.wait_asked(8);
    let began = Instant::now();
    world.is_let_in("good", "good-gil");
    world.is_let_in("demo", &signed("demo", now_ms()));
    alice.say(false, "2", "c-1", "hello");
    assert_eq!((alice.answer().1.code, bob.text().text.as_str()), (0, "hello"));
    let took = began.elapsed();
    assert_eq!(silent.asked().len(), 8, "as many at once as an app may have");
    for raw in &mut stuck {
        assert_eq!(raw.next(SOON), Came::Closed, "the handshake's time is the bound");
    }
    assert!(took < Duration::from_secs(7), "{took:?}: they were still stuck then");
}

#[test]
fn a_server_that_knows_a_newer_phone_says_which() {
    let world = World::new();
    let login_server = LoginServer::start(|asked| match asked.body.as_str() {
        r#"{"connType":0}"# => answer(&json!({"result": 0, "data": {"address": "bob"}})),
        _ => answer(&json!({"result": -1016, "data": {"message": {
            "uuid": "uuid-b2", "device": 0, "deviceName": "Two", "datetime": 1_795_312_164_912_u64,
        }}})),
    });
    world.app("demo", &json!({"auth": ["http", "dev"], "http_auth": {"url": login_server.url()}}));
    let mut login =
        Login { uuid: "uuid-b".into(), conn_type: ConnType::Reconnect.into(), ..Login::default() };
    for mut raw in world.both() {
        login.conn_type = ConnType::Reconnect.into();
        send_auth(&mut raw, "demo", "bob", Some(&login));
        let Came::Frame(reply) = raw.next(SOON) else { panic!("not answered") };
        assert_eq!(reply.header.op, Op::AUTH_REPLY);
        // As the original's transcript has it, but for the time.
        let golden = b"\x0a\x07uuid-b2\x1a\x03Two\x20";
        assert_eq!(reply.body[..golden.len()], golden[..]);
        login.conn_type = ConnType::Connect.into();
        send_auth(&mut raw, "demo", "bob", Some(&login));
        assert_accepted(&mut raw);
    }
    assert_eq!(world.refused("newer_device"), 2, "a weaker way behind it has no word in that");
}
