//! What the gRPC services refuse, and how they say so.

use halley_grpc::logic::{ConnectReq, DisconnectReq, HeartbeatReq, MidsMsg, ReceiveReq};
use halley_wire::txchat::Op;
use prost::Message as _;
use tonic::{Code, Request, Status};

use crate::support::{World, message, strings};

fn mids(app: &str, users: Vec<String>, msg: Vec<u8>) -> MidsMsg {
    MidsMsg { app_id: app.to_owned(), to_ids: users, msg: msg.into(), ..MidsMsg::default() }
}

fn refused(world: &mut World, push: MidsMsg) -> Status {
    world.runtime.block_on(world.logic.push_by_mids(push)).expect_err("is refused")
}

#[test]
fn what_only_the_originals_gateways_called_says_what_to_use_instead() {
    let mut world = World::new();
    let World { runtime, logic, .. } = &mut world;
    let statuses = [
        runtime.block_on(logic.connect(ConnectReq::default())).expect_err("is not there"),
        runtime.block_on(logic.disconnect(DisconnectReq::default())).expect_err("is not there"),
        runtime.block_on(logic.heartbeat(HeartbeatReq::default())).expect_err("is not there"),
        runtime.block_on(logic.receive(ReceiveReq::default())).expect_err("is not there"),
    ];
    for status in statuses {
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains("only the original's gateways"), "{status:?}");
    }
}

#[test]
fn what_cannot_be_pushed_is_refused_with_a_reason_and_counted() {
    let mut world = World::new();
    let good = message(false, "1", "2", "x").encode_to_vec();
    let to = || strings(&["2"]);
    let other = |op| {
        let mut push = message(false, "1", "2", "x");
        push.op = op;
        push.encode_to_vec()
    };
    let large = message(false, "1", "2", &"x".repeat(200));
    let mut large = large;
    large.body = vec![0x12; 20_000].into();
    let cases = [
        (mids("nowhere", to(), good.clone()), Code::NotFound, "nowhere"),
        (mids("", to(), good.clone()), Code::InvalidArgument, "appId"),
        (mids("demo", vec![], good.clone()), Code::InvalidArgument, "toIds"),
        (mids("demo", strings(&[""]), good.clone()), Code::InvalidArgument, "toIds"),
        (mids("demo", strings(&vec!["2"; 10_001]), good.clone()), Code::InvalidArgument, "10000"),
        (mids("demo", to(), b"\xff\xff".to_vec()), Code::InvalidArgument, "im.comet.Proto"),
        (mids("demo", to(), Vec::new()), Code::InvalidArgument, "op: 0"),
        (mids("demo", to(), other(Op::SEND_MSG.0)), Code::InvalidArgument, "op: 7"),
        (mids("demo", to(), other(Op::SEND_MSG_REPLY.0)), Code::InvalidArgument, "PushByKeys"),
        (mids("demo", to(), large.encode_to_vec()), Code::InvalidArgument, "body"),
    ];
    let count = cases.len();
    for (push, code, says) in cases {
        let status = refused(&mut world, push);
        assert_eq!(status.code(), code, "{says}: {status:?}");
        assert!(status.message().contains(says), "{says}: {status:?}");
    }
    let too_long = message(false, "1", "2", &"x".repeat(16_300)).encode_to_vec();
    assert_eq!(refused(&mut world, mids("demo", to(), too_long)).code(), Code::InvalidArgument);
    let (_, metrics) = world.admin.try_text("GET", "/metrics", None).expect("answers");
    let line = format!(
        "halley_grpc_calls_total{{service=\"Logic\",method=\"PushByMids\",code=\"INVALID_ARGUMENT\"}} {count}"
    );
    assert!(metrics.contains(&line), "{line}: {metrics}");
    let line = "halley_grpc_calls_total{service=\"Logic\",method=\"PushByMids\",code=\"NOT_FOUND\"} 1";
    assert!(metrics.contains(line), "{line}");
}

#[test]
fn with_a_token_every_call_must_show_it() {
    let mut world = World::with(&["grpc.token=12345678-secret"]);
    let push = || mids("demo", strings(&["2"]), message(false, "1", "2", "x").encode_to_vec());
    for shown in [None, Some("Bearer 12345678"), Some("12345678-secret")] {
        let mut request = Request::new(push());
        if let Some(shown) = shown {
            request.metadata_mut().insert("authorization", shown.parse().expect("text"));
        }
        let status = world.runtime.block_on(world.logic.push_by_mids(request)).expect_err("is refused");
        assert_eq!(status.code(), Code::Unauthenticated, "{shown:?}: {status:?}");
    }
    let mut request = Request::new(push());
    request.metadata_mut().insert("authorization", "Bearer 12345678-secret".parse().expect("text"));
    world.runtime.block_on(world.logic.push_by_mids(request)).expect("is taken");
    assert!(!world.server().log().contains("12345678-secret"));
}
