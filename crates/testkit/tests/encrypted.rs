//! The encrypted listeners, IPv6 and PROXY headers of the real server, with the client library and the admin API. A
//! failure means that an operator who follows the documents has a server that its clients cannot reach, or that shows
//! wrong addresses.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use halley_client::txchat::{Login, Outcome, SessionConfig, Target};
use halley_client::{Client, ClientConfig, ClientEvent, ConnectError, Endpoint, Events, Trust};
use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::Raw;
use halley_testkit::scratch::Scratch;
use halley_testkit::wait::wait_for;
use serde_json::{Value, json};

const WITHIN: Duration = Duration::from_secs(20);

/// Certificate and key of `localhost` in files.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(folder: &Path) -> Self {
        let files = Self { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        files.replace();
        files
    }

    /// Writes a new pair, and answers whom it trusts.
    fn replace(&self) -> Trust {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("is made");
        fs::write(&self.certificate, made.cert.pem()).expect("written");
        fs::write(&self.key, made.signing_key.serialize_pem()).expect("written");
        self.trust()
    }

    fn trust(&self) -> Trust {
        Trust::from_pem(&fs::read(&self.certificate).expect("there")).expect("a certificate")
    }

    fn options(&self) -> Options {
        let set = [
            "listen.txchat_tcp_tls=127.0.0.1:0".to_owned(),
            "listen.txchat_ws_tls=127.0.0.1:0".to_owned(),
            format!("tls.certificate={}", self.certificate.display()),
            format!("tls.key={}", self.key.display()),
        ];
        Options { set: set.into(), ..Options::default() }
    }
}

fn start(scratch: &Scratch, options: &Options) -> (Server, Admin) {
    let server = Server::start(&scratch.path().join("data"), options);
    let admin = Admin::new(server.address("admin"), server.admin_token());
    let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev", "token"] }));
    (server, admin)
}

async fn connect(url: String, trust: &Trust, user: &str) -> Result<(Client, Events), ConnectError> {
    let endpoint: Endpoint = url.parse().expect("a URL");
    let login = Login { uuid: format!("device-of-{user}"), ..Login::default() };
    let session = SessionConfig::new("demo", user, Some(login));
    Client::connect(ClientConfig { trust: Some(trust.clone()), ..ClientConfig::new(endpoint, session) }).await
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(WITHIN * 3, work).await.expect("in time") })
}

async fn heard(events: &mut Events) -> String {
    loop {
        if let ClientEvent::Message(message) = events.recv().await.expect("goes on") {
            return message.from;
        }
    }
}

/// Transport and address of a user's only session.
fn session_of(admin: &Admin, user: &str) -> (String, SocketAddr) {
    wait_for("the session to be listed", WITHIN, || {
        let answer = admin.call("GET", &format!("/v1/apps/demo/users/{user}/sessions"), &Value::Null);
        let session = answer["sessions"].as_array().and_then(|all| all.first())?.clone();
        let text = |key: &str| session[key].as_str().map(str::to_owned);
        Some((text("transport")?, text("remote")?.parse().ok()?))
    })
}

#[test]
fn clients_talk_over_tls_and_over_wss() {
    let scratch = Scratch::new();
    let files = Files::new(scratch.path());
    let (server, admin) = start(&scratch, &files.options());
    let trust = files.trust();
    block_on(async {
        let tcp = format!("tls://localhost:{}", server.address("txchat_tcp_tls").port());
        let web = format!("wss://localhost:{}/sub", server.address("txchat_ws_tls").port());
        let (alice, _alices) = connect(tcp.clone(), &trust, "1").await.expect("is let in");
        let (bob, mut bobs) = connect(web.clone(), &trust, "2").await.expect("is let in");
        let large = "x".repeat(12_000);
        for text in ["hello", &large] {
            let receipt = alice.send_text(Target::User("2".to_owned()), text).await.expect("taken");
            assert!(matches!(receipt.answer().await, Ok(Outcome::Acknowledged { .. })));
            assert_eq!(heard(&mut bobs).await, "1");
        }
        assert_eq!(session_of(&admin, "1").0, "txchat_tcp_tls");
        assert_eq!(session_of(&admin, "2").0, "txchat_ws_tls");
        // A connection that is lost comes back by itself.
        bob.reconnect().await.expect("goes on");
        let receipt = alice.send_text(Target::User("2".to_owned()), "again").await.expect("taken");
        assert!(receipt.answer().await.is_ok());
        assert_eq!(heard(&mut bobs).await, "1");
        // Nobody is let in who does not trust the server, or speaks plainly.
        let folder = scratch.path().join("other");
        fs::create_dir(&folder).expect("made");
        let other = Files::new(&folder);
        assert!(matches!(connect(tcp, &other.trust(), "3").await, Err(ConnectError::Unreachable { .. })));
        let plain = format!("tcp://localhost:{}", server.address("txchat_tcp_tls").port());
        assert!(connect(plain, &trust, "3").await.is_err());
    });
    assert!(server.stop().success());
}

#[test]
fn a_certificate_is_read_again_when_it_changes_and_a_bad_one_changes_nothing() {
    let scratch = Scratch::new();
    let files = Files::new(scratch.path());
    let (server, _admin) = start(&scratch, &files.options());
    let old = files.trust();
    let url = || format!("tls://localhost:{}", server.address("txchat_tcp_tls").port());
    let can_connect = |trust: &Trust| block_on(connect(url(), trust, "1")).is_ok();
    assert!(can_connect(&old));
    fs::write(&files.key, "no key any more").expect("written");
    wait_for("the bad key to be noticed", WITHIN, || {
        server.log().contains("the old one stays").then_some(())
    });
    assert!(can_connect(&old));
    let new = files.replace();
    let sent =
        Command::new("kill").arg("-HUP").arg(server.pid().to_string()).status().expect("kill is everywhere");
    assert!(sent.success());
    wait_for("the new certificate to be served", WITHIN, || can_connect(&new).then_some(()));
    assert!(!can_connect(&old));
    // Without a signal it is noticed too.
    let newest = files.replace();
    wait_for("the newest certificate to be served", WITHIN, || can_connect(&newest).then_some(()));
    let refusals = server.log().matches("the old one stays").count();
    assert!((1..=3).contains(&refusals), "once a change, not once a look: {refusals}");
    assert!(server.stop().success());
}

#[test]
fn files_that_cannot_be_used_are_named_at_the_start() {
    let scratch = Scratch::new();
    let files = Files::new(scratch.path());
    let other = scratch.path().join("other");
    fs::create_dir(&other).expect("made");
    let other = Files::new(&other);
    let missing = scratch.path().join("nothing.pem");
    for (certificate, key, says) in [
        (&missing, &files.key, ["tls.certificate", "nothing.pem"]),
        (&files.certificate, &missing, ["tls.key", "nothing.pem"]),
        (&files.key, &files.key, ["tls.certificate", "no certificate"]),
        (&files.certificate, &files.certificate, ["tls.key", "no private key"]),
        (&files.certificate, &other.key, ["tls.certificate", "cannot be used together"]),
    ] {
        let set = vec![
            format!("tls.certificate={}", certificate.display()),
            format!("tls.key={}", key.display()),
            "listen.txchat_tcp_tls=127.0.0.1:0".to_owned(),
        ];
        let options = Options { set, ..Options::default() };
        let Err((status, log)) = Server::try_start(&scratch.path().join("data"), &options) else {
            panic!("started with {says:?}")
        };
        assert_eq!(status.code(), Some(78), "{log}");
        assert!(says.iter().all(|word| log.contains(word)), "{says:?}: {log}");
    }
}

#[test]
fn ipv6_serves_both_transports_and_an_ipv4_client_is_shown_as_one() {
    if TcpListener::bind("[::1]:0").is_err() {
        // No IPv6 on this machine; the rest of the suite runs on IPv4.
        return;
    }
    let scratch = Scratch::new();
    let set = ["listen.txchat_tcp=[::]:0", "listen.txchat_ws=[::1]:0", "listen.proxy_protocol=[\"::1\"]"];
    let plain =
        Options { set: set[..2].iter().map(|line| (*line).to_owned()).collect(), ..Options::default() };
    let (server, admin) = start(&scratch, &plain);
    let port = server.address("txchat_tcp").port();
    let v6: SocketAddr = format!("[::1]:{port}").parse().expect("an address");
    let v4: SocketAddr = format!("127.0.0.1:{port}").parse().expect("an address");
    let mut six = Raw::login(v6, "demo", "6", Some("d"));
    let _four = Raw::login(v4, "demo", "4", Some("d"));
    let seq = six.say(false, "4", "c-1", "hello");
    assert_eq!(six.answer().0, seq);
    assert!(session_of(&admin, "6").1.is_ipv6());
    let (_, remote) = session_of(&admin, "4");
    assert_eq!(remote.ip(), v4.ip(), "not ::ffff:127.0.0.1");
    block_on(async {
        let endpoint = format!("ws://{}/sub", server.address("txchat_ws")).parse().expect("a URL");
        let session =
            SessionConfig::new("demo", "7", Some(Login { uuid: "w".to_owned(), ..Login::default() }));
        let (_client, _events) =
            Client::connect(ClientConfig::new(endpoint, session)).await.expect("is let in");
        let (transport, remote) = session_of(&admin, "7");
        assert_eq!((transport.as_str(), remote.is_ipv6()), ("txchat_ws", true));
    });
    assert!(server.stop().success());
    // The same with a balancer on ::1: its header is required, and IPv4 clients need none.
    let believed = Options { set: set.iter().map(|line| (*line).to_owned()).collect(), ..Options::default() };
    let (server, admin) = start(&scratch, &believed);
    let port = server.address("txchat_tcp").port();
    let v6: SocketAddr = format!("[::1]:{port}").parse().expect("an address");
    let mut behind = Raw::connect(v6);
    behind.send_bytes(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n");
    behind.log_in("demo", "8", Some("d"));
    assert_eq!(session_of(&admin, "8").1.to_string(), "192.0.2.7:56324");
    assert!(server.stop().success());
}
