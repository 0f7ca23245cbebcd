//! `im.comet.Comet`: what business servers called past logic. The same effects as in `logic_service`.

use tonic::{Request, Response, Status, async_trait};

use crate::api::Api;
use crate::comet::comet_server::Comet;
use crate::comet::{
    BroadcastGroupReply, BroadcastGroupReq, BroadcastReply, BroadcastReq, DelGroupsReply, DelGroupsReq,
    JoinGroupsReply, JoinGroupsReq, LeaveGroupsReply, LeaveGroupsReq, PushMsgReply, PushMsgReq,
};
use crate::frame;
use crate::guard::Names;

pub(crate) const NAMES: Names = Names {
    service: "Comet",
    methods: &["PushMsg", "Broadcast", "BroadcastGroup", "JoinGroups", "LeaveGroups", "DelGroups"],
};

/// See the module.
pub(crate) struct CometService(Api);

impl CometService {
    pub(crate) fn new(api: Api) -> Self {
        Self(api)
    }
}

#[async_trait]
impl Comet for CometService {
    async fn push_msg(&self, request: Request<PushMsgReq>) -> Result<Response<PushMsgReply>, Status> {
        let PushMsgReq { keys, proto, .. } = request.into_inner();
        let reply = self.0.push_keys(&keys, frame::present(proto)?).await?;
        Ok(Response::new(reply))
    }

    async fn broadcast(&self, request: Request<BroadcastReq>) -> Result<Response<BroadcastReply>, Status> {
        self.0.push_everybody(frame::present(request.into_inner().proto)?).await?;
        Ok(Response::new(BroadcastReply {}))
    }

    async fn broadcast_group(
        &self,
        request: Request<BroadcastGroupReq>,
    ) -> Result<Response<BroadcastGroupReply>, Status> {
        let BroadcastGroupReq { group_id, proto } = request.into_inner();
        let (app, group) = self.0.group_of(&group_id).await?;
        self.0.push_group(app, group, &frame::present(proto)?).await?;
        Ok(Response::new(BroadcastGroupReply {}))
    }

    async fn join_groups(
        &self,
        request: Request<JoinGroupsReq>,
    ) -> Result<Response<JoinGroupsReply>, Status> {
        let JoinGroupsReq { keys, gid } = request.into_inner();
        for (app, group) in self.0.groups_of(&gid).await? {
            let users = self.0.users_of(app, &keys).await?;
            self.0.join(app, &users, &[group]).await?;
        }
        Ok(Response::new(JoinGroupsReply {}))
    }

    async fn leave_groups(
        &self,
        request: Request<LeaveGroupsReq>,
    ) -> Result<Response<LeaveGroupsReply>, Status> {
        let LeaveGroupsReq { keys, gid } = request.into_inner();
        for (app, group) in self.0.groups_of(&gid).await? {
            let users = self.0.users_of(app, &keys).await?;
            self.0.leave(app, &users, &[group]).await?;
        }
        Ok(Response::new(LeaveGroupsReply {}))
    }

    async fn del_groups(&self, request: Request<DelGroupsReq>) -> Result<Response<DelGroupsReply>, Status> {
        for (app, group) in self.0.groups_of(&request.into_inner().gid).await? {
            self.0.end(app, &[group]).await?;
        }
        Ok(Response::new(DelGroupsReply {}))
    }
}
