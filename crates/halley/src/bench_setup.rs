//! What a benchmark needs to be there: an app that lets its made-up users in, the group they are members of.

use halley_bench::{BenchArgs, CommonArgs, Scenario};
use serde_json::json;

use crate::admin_client::{AdminClient, AdminError};

/// Members named in one call.
const MEMBERS_AT_ONCE: usize = 1_000;

/// Makes the group of `halley bench group` when none is named. Everything else is the user's to set up.
///
/// # Errors
/// When the local server cannot be administered.
pub fn prepare(args: &mut BenchArgs) -> Result<(), AdminError> {
    let Scenario::Group(group) = &mut args.scenario else { return Ok(()) };
    if group.group.is_some() {
        return Ok(());
    }
    let client = AdminClient::find(&group.common.data, None, None)?;
    client.put_app(&group.common.app, &json!({ "auth": ["dev"] }))?;
    let members = member_ids(&group.common, group.members);
    let (first, rest) = members.split_at(members.len().min(MEMBERS_AT_ONCE));
    let made = json!({
        "name": "bench", "owner": first[0], "members": first, "super": group.is_super, "silent": true,
    });
    let made = client.create_group(&group.common.app, &made)?;
    let id = made["group_id"].as_str().unwrap_or_default().to_owned();
    for some in rest.chunks(MEMBERS_AT_ONCE) {
        client.add_members(&group.common.app, &id, &json!({ "user_ids": some, "silent": true }))?;
    }
    group.group = Some(id);
    Ok(())
}

fn member_ids(common: &CommonArgs, count: usize) -> Vec<String> {
    (common.first_user..common.first_user + count as u64).map(|id| id.to_string()).collect()
}
