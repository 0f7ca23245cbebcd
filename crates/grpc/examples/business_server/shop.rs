//! A shop and its customers.

use std::error::Error;

use halley_grpc::comet::Proto;
use halley_grpc::logic::logic_client::LogicClient;
use halley_grpc::logic::{GroupMsg, GroupsMid, MidsMsg, Type};
use halley_wire::txchat::pb::{SignalFocusMessage, TextMsg};
use halley_wire::txchat::{Common, Op, Signal, pb};
use prost::Message as _;
use tonic::Request;
use tonic::transport::{Channel, Endpoint};

/// Who speaks: a user id like any other, which nobody logs in with.
const SHOP: &str = "shop";

/// A business server's side of one app.
pub(crate) struct Shop {
    logic: LogicClient<Channel>,
    app: String,
    token: Option<String>,
}

impl Shop {
    /// Connects to `im.logic.Logic`.
    pub(crate) async fn connect(
        url: String,
        app: String,
        token: Option<String>,
    ) -> Result<Self, Box<dyn Error>> {
        let channel = Endpoint::from_shared(url)?.connect().await?;
        Ok(Self { logic: LogicClient::new(channel), app, token })
    }

    /// The customers become members of the shop's group. It is made when it is not there.
    pub(crate) async fn open(&mut self, group: &str, users: &[String]) -> Result<(), Box<dyn Error>> {
        let mids = [&[SHOP.to_owned()], users].concat();
        let join = GroupsMid { app_id: self.app.clone(), mids, gid: vec![group.to_owned()] };
        let join = self.request(join);
        self.logic.join_groups_by_mids(join).await?;
        Ok(())
    }

    /// Everybody gets a signal, a message of their own, and one in the group. Nobody needs to be online: that is no error
    /// here, unlike in the original, and they read it when they come.
    pub(crate) async fn serve(&mut self, group: &str, users: &[String]) -> Result<(), Box<dyn Error>> {
        for user in users {
            let focus = SignalFocusMessage { mid: 1, uid: user.clone(), current_num: 1, time: 0 };
            self.push_to_users(std::slice::from_ref(user), signal(13, &focus.encode_to_vec())).await?;
            let receipt =
                text(false, user, &format!("order-{user}"), &format!("{user}, your order is on its way"));
            self.push_to_users(std::slice::from_ref(user), receipt).await?;
        }
        let offer = text(true, group, "offer-1", "today: two for the price of one");
        let push = GroupMsg {
            app_id: self.app.clone(),
            group: group.to_owned(),
            r#type: Type::Push as i32,
            op: Op::RECEIVE_MSG.0,
            msg: frame(offer).into(),
        };
        let push = self.request(push);
        let reply = self.logic.push_group(push).await?.into_inner();
        if reply.is_ok { Ok(()) } else { Err("the push was not taken".into()) }
    }

    async fn push_to_users(&mut self, users: &[String], body: Vec<u8>) -> Result<(), Box<dyn Error>> {
        let push = MidsMsg {
            app_id: self.app.clone(),
            to_ids: users.to_vec(),
            r#type: Type::Push as i32,
            op: Op::RECEIVE_MSG.0,
            msg: frame(body).into(),
        };
        let push = self.request(push);
        self.logic.push_by_mids(push).await?;
        Ok(())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let value = self.token.as_ref().and_then(|token| format!("Bearer {token}").parse().ok());
        if let Some(value) = value {
            request.metadata_mut().insert("authorization", value);
        }
        request
    }
}

/// The transport frame that the pushes carry, marshaled.
fn frame(body: Vec<u8>) -> Vec<u8> {
    Proto { ver: 1, op: Op::RECEIVE_MSG.0, seq: 0, ack: 0, body: body.into() }.encode_to_vec()
}

/// A text of the shop. The server gives it its id and its time.
fn text(to_group: bool, target: &str, seq: &str, said: &str) -> Vec<u8> {
    let msg = TextMsg { content: said.to_owned(), mention: Vec::new() }.encode_to_vec();
    let common = Common {
        channel_type: i32::from(to_group),
        seq,
        from: SHOP,
        target,
        msg_type: pb::MsgType::Text as i32,
        msg: &msg,
        ..Common::default()
    };
    let mut body = Vec::new();
    common.put(&mut body);
    body
}

fn signal(kind: i32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Signal { kind, body, sid: 0, reliable: true }.put(&mut out);
    out
}
