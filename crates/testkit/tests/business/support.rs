//! A server, its admin API, and clients of its two gRPC services.

use std::time::Duration;

use halley_grpc::comet::comet_client::CometClient;
use halley_grpc::comet::{Proto, PushMsgReply};
use halley_grpc::logic::logic_client::LogicClient;
use halley_grpc::logic::{GroupMsg, GroupsMid, KeysMsg, MidsMsg, Reply, Type};
use halley_testkit::http::Admin;
use halley_testkit::process::{Options, Server};
use halley_testkit::raw::{Came, Raw};
use halley_testkit::scratch::Scratch;
use halley_wire::txchat::{Common, Envelope, Frame, Op, Signal};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

pub(crate) struct World {
    pub(crate) runtime: Runtime,
    pub(crate) logic: LogicClient<Channel>,
    pub(crate) comet: CometClient<Channel>,
    pub(crate) admin: Admin,
    /// `None` only while it is replaced.
    server: Option<Server>,
    _scratch: Scratch,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// With these `--set` lines.
    pub(crate) fn with(set: &[&str]) -> Self {
        let scratch = Scratch::new();
        let set = set.iter().map(|line| (*line).to_owned()).collect();
        let server = Server::start(&scratch.path().join("data"), &Options { set, ..Options::default() });
        let admin = Admin::new(server.address("admin"), server.admin_token());
        let _app = admin.call("PUT", "/v1/apps/demo", &json!({ "auth": ["dev"] }));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (logic, comet) = runtime.block_on(async {
            let channel = async |listener| {
                let url = format!("http://{}", server.address(listener));
                Endpoint::from_shared(url).expect("a URL").connect().await.expect("the server accepts")
            };
            (LogicClient::new(channel("logic_grpc").await), CometClient::new(channel("comet_grpc").await))
        });
        Self { runtime, logic, comet, admin, server: Some(server), _scratch: scratch }
    }

    /// Kills the server and starts it again on its data; gRPC clients are those of the server before.
    pub(crate) fn crash(&mut self) {
        let data = self.server().data().to_owned();
        if let Some(server) = self.server.take() {
            server.kill();
        }
        let server = Server::start(&data, &Options::default());
        self.admin = Admin::new(server.address("admin"), server.admin_token());
        self.server = Some(server);
    }

    pub(crate) fn server(&self) -> &Server {
        self.server.as_ref().expect("there is a server between calls")
    }

    pub(crate) fn login(&self, user: &str) -> Raw {
        Raw::login(self.server().address("txchat_tcp"), "demo", user, Some("d"))
    }

    /// The key of a user's only connection, as the admin API gives it.
    pub(crate) fn key(&self, user: &str) -> String {
        let sessions = self.admin.call("GET", &format!("/v1/apps/demo/users/{user}/sessions"), &Value::Null);
        sessions["sessions"][0]["session"].as_str().expect("is online").to_owned()
    }

    pub(crate) fn push_by_mids(&mut self, users: &[&str], proto: &Proto) -> Result<Reply, Status> {
        let push = MidsMsg {
            app_id: "demo".to_owned(),
            to_ids: strings(users),
            r#type: Type::Push as i32,
            op: proto.op,
            msg: proto.encode_to_vec().into(),
        };
        self.runtime.block_on(self.logic.push_by_mids(push)).map(Response::into_inner)
    }

    pub(crate) fn push_by_keys(&mut self, keys: &[&str], proto: &Proto) -> Result<PushMsgReply, Status> {
        let push = KeysMsg {
            app_id: "demo".to_owned(),
            to_keys: strings(keys),
            r#type: Type::Push as i32,
            op: proto.op,
            msg: proto.encode_to_vec().into(),
        };
        let reply = self.runtime.block_on(self.logic.push_by_keys(push))?.into_inner();
        assert!(reply.is_ok);
        Ok(PushMsgReply::decode(reply.msg).expect("the gateway's reply"))
    }

    pub(crate) fn push_group(&mut self, group: &str, proto: &Proto) -> Result<Reply, Status> {
        let push = GroupMsg {
            app_id: "demo".to_owned(),
            group: group.to_owned(),
            r#type: Type::Push as i32,
            op: proto.op,
            msg: proto.encode_to_vec().into(),
        };
        self.runtime.block_on(self.logic.push_group(push)).map(Response::into_inner)
    }

    pub(crate) fn join(&mut self, users: &[&str], group: &str) -> Result<Reply, Status> {
        let join = GroupsMid { app_id: "demo".to_owned(), mids: strings(users), gid: strings(&[group]) };
        self.runtime.block_on(self.logic.join_groups_by_mids(join)).map(Response::into_inner)
    }

    pub(crate) fn leave(&mut self, users: &[&str], group: &str) -> Result<Reply, Status> {
        let leave = GroupsMid { app_id: "demo".to_owned(), mids: strings(users), gid: strings(&[group]) };
        self.runtime.block_on(self.logic.leave_groups_by_mids(leave)).map(Response::into_inner)
    }

    /// Owner and members of a group, as the admin API has them; `None` when there is no such group.
    pub(crate) fn group(&self, group: &str) -> Option<(String, Vec<String>)> {
        let path = format!("/v1/apps/demo/groups/{group}");
        let (status, body) = self.admin.try_call("GET", &path, None).expect("answers");
        if status == 404 {
            return None;
        }
        let page = self.admin.call("GET", &format!("{path}/members"), &Value::Null);
        let mut members: Vec<String> = page["members"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|member| member["user_id"].as_str().expect("an id").to_owned())
            .collect();
        members.sort();
        Some((body["owner"].as_str().expect("an owner").to_owned(), members))
    }
}

pub(crate) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// A frame to be pushed.
pub(crate) fn proto(op: Op, body: Vec<u8>) -> Proto {
    Proto { ver: 1, op: op.0, seq: 5, ack: 6, body: body.into() }
}

/// A message in its envelope.
pub(crate) fn envelope(common: &Common<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    common.put(&mut body);
    body
}

/// A push of a message.
pub(crate) fn message(to_group: bool, from: &str, target: &str, said: &str) -> Proto {
    let common = Common {
        channel_type: i32::from(to_group),
        seq: said,
        from,
        target,
        msg_type: 1,
        msg: said.as_bytes(),
        ..Common::default()
    };
    proto(Op::RECEIVE_MSG, envelope(&common))
}

/// The signal that tells of a login, which a session is given beside what a test pushes.
const ENDPOINT_LOGIN: i32 = 14;

fn is_login(frame: &Frame) -> bool {
    let envelope = Envelope::parse(&frame.body).expect("an envelope");
    envelope.event_type == 2 && Signal::parse(&frame.body).expect("a signal").kind == ENDPOINT_LOGIN
}

/// The next push, acknowledged.
pub(crate) fn pushed(client: &mut Raw) -> Frame {
    loop {
        let frame = client.until(Op::RECEIVE_MSG, |_| {});
        client.receipt(frame.header.seq);
        if !is_login(&frame) {
            return frame;
        }
    }
}

/// What the next message says, and in whose name.
pub(crate) fn said(client: &mut Raw) -> (String, String) {
    let frame = pushed(client);
    let common = Common::parse(&frame.body).expect("a message");
    (common.from.to_owned(), String::from_utf8_lossy(common.msg).into_owned())
}

/// Nothing more is pushed for a moment.
pub(crate) fn silent(client: &mut Raw) {
    loop {
        match client.next(Duration::from_millis(300)) {
            Came::Nothing => return,
            Came::Frame(frame) if frame.header.op == Op::RECEIVE_MSG && is_login(&frame) => {
                client.receipt(frame.header.seq);
            }
            other => panic!("nothing was to come, and it was {other:?}"),
        }
    }
}
