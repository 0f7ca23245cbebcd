//! [`Groups`] and [`GroupState`]: changes in order, idempotent, over reopen.

use std::sync::Arc;

use halley_core::group::{Group, GroupChange, GroupProfile, Role};
use halley_core::ids::{GroupId, UserId};
use halley_core::ports::accounts::{GroupState, Groups};

use crate::common::{APP, World, apply_groups, group_change};
use crate::in_both_worlds;

in_both_worlds! {
    changes_are_in_force_and_survive_a_reopen,
    a_repeated_change_has_no_second_effect,
    an_answer_is_never_older_than_the_last_apply,
    what_was_not_applied_is_applied_at_the_next_start,
    the_feeds_of_a_user_are_those_of_super_groups_since_they_joined,
}

fn group(world: &mut World, id: i64) -> Option<Arc<Group>> {
    let reply = world.parts().state.group(APP, GroupId(id));
    world.wait(reply).expect("reads")
}

fn groups_of(world: &mut World, user: i64) -> Vec<i64> {
    let reply = world.parts().state.groups_of(APP, UserId(user));
    world.wait(reply).expect("reads").into_iter().map(|group| group.0).collect()
}

fn created(owner: i64, members: Vec<i64>) -> GroupChange {
    GroupChange::Created {
        profile: GroupProfile { name: "friends".into(), ..GroupProfile::default() },
        owner,
        members,
    }
}

fn changes_are_in_force_and_survive_a_reopen(world: &mut World) {
    let changes = [
        (7, created(1, vec![2, 3, 4])),
        (9, created(2, vec![3])),
        (7, GroupChange::MembersRemoved { members: vec![3] }),
        (7, GroupChange::MemberMuted { member: 4, until_ms: 99 }),
        (7, GroupChange::RoleSet { member: 2, role: Role::Admin }),
    ];
    for (id, (group, change)) in (1..).zip(&changes) {
        world.send(group_change(id, *group, change));
    }
    assert_eq!(group(world, 7), None, "not applied yet");
    world.follow(2);
    for _ in 0..2 {
        let seven = group(world, 7).expect("there");
        let members: Vec<_> = seven.members.iter().map(|member| member.user.0).collect();
        assert_eq!(members, [1, 2, 4]);
        assert_eq!(seven.profile.name, "friends");
        assert_eq!(seven.member(UserId(2)).map(|member| member.role), Some(Role::Admin));
        assert_eq!(seven.member(UserId(4)).map(|member| member.muted_until_ms), Some(99));
        assert_eq!(groups_of(world, 2), [7, 9]);
        assert_eq!(groups_of(world, 3), [9]);
        assert_eq!(groups_of(world, 5), Vec::<i64>::new());
        world.reopen();
        assert_eq!(world.parts().state.applied().seq.0, 5);
    }
    world.send(group_change(6, 7, &GroupChange::Disbanded));
    world.follow(10);
    for _ in 0..2 {
        assert_eq!(group(world, 7), None);
        assert_eq!(groups_of(world, 1), Vec::<i64>::new());
        assert_eq!(groups_of(world, 2), [9]);
        world.reopen();
    }
}

fn a_repeated_change_has_no_second_effect(world: &mut World) {
    world.send(group_change(1, 7, &created(1, vec![2])));
    // Repeated alone, this would remove 1, who is no owner any more.
    world.send(group_change(2, 7, &GroupChange::MembersRemoved { members: vec![1] }));
    world.send(group_change(3, 7, &GroupChange::RoleSet { member: 2, role: Role::Owner }));
    let records = world.parts().tail.read_after(Default::default(), 10).expect("there");
    apply_groups(world.parts(), &records);
    let once = group(world, 7);
    apply_groups(world.parts(), &records);
    apply_groups(world.parts(), &records[..2]);
    assert_eq!(group(world, 7), once);
    assert_eq!(once.expect("there").members.len(), 2);
    world.reopen();
    apply_groups(world.parts(), &records);
    assert_eq!(group(world, 7).expect("there").members.len(), 2);
}

fn an_answer_is_never_older_than_the_last_apply(world: &mut World) {
    world.send(group_change(1, 7, &created(1, vec![])));
    world.follow(10);
    for user in 2..60 {
        group(world, 7);
        world.send(group_change(user, 7, &GroupChange::MembersAdded { members: vec![user] }));
        world.follow(10);
        let now = group(world, 7).expect("there");
        assert!(now.member(UserId(user)).is_some());
    }
}

fn what_was_not_applied_is_applied_at_the_next_start(world: &mut World) {
    world.send(group_change(1, 7, &created(1, vec![2])));
    world.follow(10);
    world.send(group_change(2, 7, &GroupChange::MembersAdded { members: vec![3] }));
    world.reopen();
    assert_eq!(group(world, 7).expect("there").members.len(), 3);
    assert_eq!(world.parts().recovery.changes_applied, 1);
}

fn the_feeds_of_a_user_are_those_of_super_groups_since_they_joined(world: &mut World) {
    let profile = |is_super| GroupProfile { is_super, ..GroupProfile::default() };
    let created = |is_super| GroupChange::Created { profile: profile(is_super), owner: 1, members: vec![2] };
    let changes = [
        (7, created(true)),
        (8, created(false)),
        (9, created(false)),
        (7, GroupChange::MembersAdded { members: vec![3] }),
        (9, GroupChange::Profile { profile: profile(true) }),
        (7, GroupChange::MembersRemoved { members: vec![2] }),
    ];
    for (id, (group, change)) in (1..).zip(&changes) {
        world.send(group_change(id, *group, change));
    }
    world.follow(10);
    let feeds_of = |world: &mut World, user: i64| -> Vec<(i64, u64)> {
        let reply = world.parts().state.feeds_of(APP, UserId(user));
        let feeds = world.wait(reply).expect("reads");
        feeds.into_iter().map(|(group, joined)| (group.0, joined.place())).collect()
    };
    for _ in 0..2 {
        assert_eq!(feeds_of(world, 1), [(7, 1), (9, 3)]);
        assert_eq!(feeds_of(world, 2), [(9, 3)], "removed from 7");
        assert_eq!(feeds_of(world, 3), [(7, 4)]);
        assert_eq!(feeds_of(world, 4), []);
        world.reopen();
    }
}
