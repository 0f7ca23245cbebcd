//! A server with an app `demo`, and what the tests of all areas do with it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::Raw;
use halley_testkit::scratch::Scratch;
use halley_wire::txchat::{Header, Op, put_frame};
use serde_json::{Value, json};

/// What the server does is done well within this, also on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A server of the test's own, with an app `demo` that believes everybody (`dev`).
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) admin: Admin,
    scratch: Scratch,
    options: Options,
}

impl World {
    /// With the default configuration.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With these `--set` lines.
    pub(crate) fn with(set: &[&str]) -> Self {
        Self::on(Scratch::new(), options(set))
    }

    fn on(scratch: Scratch, options: Options) -> Self {
        let server = Server::start(&data(&scratch), &options);
        let admin = Admin::new(server.address("admin"), server.admin_token());
        let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
        Self { server, admin, scratch, options }
    }

    /// After `kill -9`, the next server on the same data.
    pub(crate) fn killed(self) -> Self {
        self.server.kill();
        Self::on(self.scratch, self.options)
    }

    /// The next server on the same data, with these `--set` lines; this one is killed if it has not ended by itself.
    pub(crate) fn again_with(self, set: &[&str]) -> Self {
        drop(self.server);
        Self::on(self.scratch, options(set))
    }

    /// Where clients connect by TCP.
    pub(crate) fn tcp(&self) -> SocketAddr {
        self.server.address("txchat_tcp")
    }

    /// Where clients connect by WebSocket.
    pub(crate) fn web(&self) -> SocketAddr {
        self.server.address("txchat_ws")
    }

    /// A connection by TCP, without a device.
    pub(crate) fn login(&self, user: &str) -> Raw {
        Raw::login(self.tcp(), "demo", user, None)
    }

    /// As [`World::login`], with a device, whose cursor is kept.
    pub(crate) fn login_device(&self, user: &str, uuid: &str) -> Raw {
        Raw::login(self.tcp(), "demo", user, Some(uuid))
    }

    /// As [`World::login`], over a WebSocket.
    pub(crate) fn login_web(&self, user: &str) -> Raw {
        Raw::login_web(self.web(), "demo", user, None)
    }

    /// Founds a group.
    pub(crate) fn group(&self, group: &str, owner: &str, members: &[&str]) {
        let body = json!({ "group_id": group, "owner": owner, "members": members });
        let _group = self.admin.call("POST", "/v1/apps/demo/groups", &body);
    }

    /// How many sessions of a user there are.
    pub(crate) fn sessions(&self, user: &str) -> usize {
        let path = format!("/v1/apps/demo/users/{user}/sessions");
        let (status, answer) = self.admin.try_call("GET", &path, None).expect("answers");
        if status == 404 { 0 } else { answer["sessions"].as_array().expect("a list").len() }
    }

    /// The key of a user's only session, as business servers name it.
    pub(crate) fn session(&self, user: &str) -> String {
        let path = format!("/v1/apps/demo/users/{user}/sessions");
        let sessions = self.admin.call("GET", &path, &Value::Null);
        sessions["sessions"][0]["session"].as_str().expect("is online").to_owned()
    }

    /// The client ids of what is in a user's inbox, at most 500.
    pub(crate) fn timeline(&self, user: &str) -> Vec<String> {
        let path = format!("/v1/apps/demo/timelines/user/{user}?after=0&limit=500");
        let (status, page) = self.admin.try_call("GET", &path, None).expect("answers");
        if status == 404 {
            return Vec::new();
        }
        let entries = page["entries"].as_array().expect("a list").iter();
        let ids = entries.filter_map(|entry| entry["message"]["client_id"].as_str());
        ids.map(str::to_owned).collect()
    }

    /// A metric, in all its lines together: `halley_` and its name, labels included where they matter.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (status, text) = self.admin.try_text("GET", "/metrics", None).expect("answers");
        assert_eq!(status, 200, "{text}");
        let values =
            text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.rsplit(' ').next());
        values.map(|value| value.parse::<f64>().expect("a number")).sum()
    }

    /// Whether the process lives and nothing in it panicked.
    pub(crate) fn is_well(&mut self) {
        let log = self.server.log();
        assert!(self.server.is_running(), "the server ended: {log}");
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// Sends a text and waits for its answer; the message id, when it was accepted.
pub(crate) fn say(raw: &mut Raw, to_group: bool, target: &str, client_id: &str) -> Result<i64, i32> {
    let seq = raw.say(to_group, target, client_id, client_id);
    let ack = raw.answer_to(seq);
    if ack.code == 0 { Ok(ack.mid) } else { Err(ack.code) }
}

/// The header of a frame that claims this length, whatever it is.
pub(crate) fn header(length: i32, op: Op) -> Vec<u8> {
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend([0, 20, 0, 1]);
    for word in [op.0, 1, 0] {
        bytes.extend(word.to_be_bytes());
    }
    bytes
}

/// A frame.
pub(crate) fn frame(op: Op, seq: i32, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_frame(&mut bytes, Header { ver: 1, op, seq, ack: 0 }, body).expect("fits");
    bytes
}

/// A frame in a WebSocket message of its own.
pub(crate) fn web_frame(op: Op, seq: i32, body: &[u8]) -> Vec<u8> {
    let frame = frame(op, seq, body);
    let length = u16::try_from(frame.len()).expect("is short").to_be_bytes();
    [&[0x82, 126], &length[..], &frame].concat()
}

fn options(set: &[&str]) -> Options {
    // How full the machine's disk is, is not what these tests are about.
    let set = ["journal.free_space_min_percent=0"].iter().chain(set);
    Options { set: set.map(|line| (*line).to_owned()).collect(), ..Options::default() }
}

fn data(scratch: &Scratch) -> PathBuf {
    scratch.path().join("data")
}
