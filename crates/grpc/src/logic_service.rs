//! `im.logic.Logic`: what business servers call. "mid" means a user's id in this service.

use tonic::{Request, Response, Status, async_trait};

use crate::api::Api;
use crate::comet::{BroadcastGroupReply, PushMsgReply};
use crate::frame;
use crate::groups::group_ids;
use crate::guard::Names;
use crate::logic::logic_server::Logic;
use crate::logic::{
    ConnectReply, ConnectReq, DelGroupsReq, DisconnectReq, GroupMsg, GroupsKey, GroupsMid, HeartbeatReq,
    KeysMsg, MidsMsg, ReceiveReq, Reply,
};
use crate::pushes::{done, group_id};

pub(crate) const NAMES: Names = Names {
    service: "Logic",
    methods: &[
        "Connect",
        "Disconnect",
        "Heartbeat",
        "Receive",
        "PushByMids",
        "PushByKeys",
        "PushGroup",
        "JoinGroupsByKeys",
        "JoinGroupsByMids",
        "LeaveGroupsByKeys",
        "LeaveGroupsByMids",
        "DelGroups",
    ],
};

/// See the module.
pub(crate) struct LogicService(Api);

impl LogicService {
    pub(crate) fn new(api: Api) -> Self {
        Self(api)
    }
}

/// The reply to what has nothing to say but that it is done.
fn yes() -> Response<Reply> {
    Response::new(done(&PushMsgReply::default()))
}

#[async_trait]
impl Logic for LogicService {
    async fn connect(&self, _: Request<ConnectReq>) -> Result<Response<ConnectReply>, Status> {
        Err(Status::unimplemented(
            "only the original's gateways called this; clients log in with op 1 on listen.txchat_tcp or txchat_ws",
        ))
    }

    async fn disconnect(&self, _: Request<DisconnectReq>) -> Result<Response<Reply>, Status> {
        Err(Status::unimplemented(
            "only the original's gateways called this; to end a session use the admin API: DELETE /v1/apps/{app}/users/{uid}/sessions/{session}",
        ))
    }

    async fn heartbeat(&self, _: Request<HeartbeatReq>) -> Result<Response<Reply>, Status> {
        Err(Status::unimplemented("only the original's gateways called this; clients send op 3 themselves"))
    }

    async fn receive(&self, _: Request<ReceiveReq>) -> Result<Response<Reply>, Status> {
        Err(Status::unimplemented(
            "only the original's gateways called this; to send in a user's name use the admin API: POST /v1/apps/{app}/messages",
        ))
    }

    async fn push_by_mids(&self, request: Request<MidsMsg>) -> Result<Response<Reply>, Status> {
        let MidsMsg { app_id, to_ids, msg, .. } = request.into_inner();
        Ok(Response::new(self.0.push_users(&app_id, &to_ids, &msg).await?))
    }

    async fn push_by_keys(&self, request: Request<KeysMsg>) -> Result<Response<Reply>, Status> {
        let KeysMsg { app_id, to_keys, msg, .. } = request.into_inner();
        let proto = frame::unmarshal(&msg)?;
        let _app = self.0.app(&app_id).await?;
        Ok(Response::new(done(&self.0.push_keys(&to_keys, proto).await?)))
    }

    async fn push_group(&self, request: Request<GroupMsg>) -> Result<Response<Reply>, Status> {
        let GroupMsg { app_id, group, msg, .. } = request.into_inner();
        let (proto, group) = (frame::unmarshal(&msg)?, group_id(&group)?);
        let app = self.0.app(&app_id).await?;
        self.0.push_group(app, group, &proto).await?;
        Ok(Response::new(done(&BroadcastGroupReply {})))
    }

    async fn join_groups_by_keys(&self, request: Request<GroupsKey>) -> Result<Response<Reply>, Status> {
        let GroupsKey { app_id, keys, gid } = request.into_inner();
        let (groups, app) = (group_ids(&gid)?, self.0.app(&app_id).await?);
        let users = self.0.users_of(app, &keys).await?;
        self.0.join(app, &users, &groups).await?;
        Ok(yes())
    }

    async fn join_groups_by_mids(&self, request: Request<GroupsMid>) -> Result<Response<Reply>, Status> {
        let GroupsMid { app_id, mids, gid } = request.into_inner();
        let (groups, app) = (group_ids(&gid)?, self.0.app(&app_id).await?);
        let users = self.0.users(app, &mids, "mids").await?;
        self.0.join(app, &users, &groups).await?;
        Ok(yes())
    }

    async fn leave_groups_by_keys(&self, request: Request<GroupsKey>) -> Result<Response<Reply>, Status> {
        let GroupsKey { app_id, keys, gid } = request.into_inner();
        let (groups, app) = (group_ids(&gid)?, self.0.app(&app_id).await?);
        let users = self.0.users_of(app, &keys).await?;
        self.0.leave(app, &users, &groups).await?;
        Ok(yes())
    }

    async fn leave_groups_by_mids(&self, request: Request<GroupsMid>) -> Result<Response<Reply>, Status> {
        let GroupsMid { app_id, mids, gid } = request.into_inner();
        let (groups, app) = (group_ids(&gid)?, self.0.app(&app_id).await?);
        let users = self.0.users(app, &mids, "mids").await?;
        self.0.leave(app, &users, &groups).await?;
        Ok(yes())
    }

    async fn del_groups(&self, request: Request<DelGroupsReq>) -> Result<Response<Reply>, Status> {
        let DelGroupsReq { app_id, gid } = request.into_inner();
        let (groups, app) = (group_ids(&gid)?, self.0.app(&app_id).await?);
        self.0.end(app, &groups).await?;
        Ok(yes())
    }
}
