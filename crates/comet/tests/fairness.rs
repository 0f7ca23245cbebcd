//! What one asks does not wait for what thousands are told, nor for what they confirm. A failure means that one message to a
//! large group holds up everybody in its bucket.

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Client, World};
use halley_comet::Config;
use halley_core::ids::UserId;
use halley_core::message::{Content, Conversation};
use halley_core::ports::gateways::{Gateways, Transient};
use halley_wire::txchat::Op;

/// More than a bucket pushes to, or reads, in several turns.
const MANY: usize = 900;
const ASKING: usize = 20;

fn told_to_all() -> Transient {
    let content = Content { kind: 1, bytes: Bytes::from_static(b"to all") };
    let mut message = common::backend::message(500, 0, Conversation::System, content);
    message.from = UserId::SYSTEM;
    Transient::Message(Arc::new(message))
}

fn members(world: &mut World) -> Vec<Client> {
    let members = (1..).take(MANY).map(|user| world.login(user, "")).collect();
    world.settle();
    members
}

fn asking(world: &mut World) -> Vec<Client> {
    (5_000..).take(ASKING).map(|user| world.login(user, "")).collect()
}

fn ask(asking: &[Client]) {
    asking.iter().for_each(|client| client.send(Op::HEARTBEAT.0, 7, 0, &[]));
}

fn answered(asking: &mut [Client]) -> usize {
    let heard =
        |client: &mut Client| client.frames().iter().any(|frame| frame.header.op == Op::HEARTBEAT_REPLY);
    asking.iter_mut().map(|client| usize::from(heard(client))).sum()
}

#[test]
fn an_answer_does_not_wait_until_everybody_was_pushed_to() {
    let mut world = World::new();
    let members = members(&mut world);
    let mut asking = asking(&mut world);
    let _sessions = world.sim.gateway().broadcast(common::APP, told_to_all());
    world.sim.turn();
    let pushed = |members: &[Client]| members.iter().filter(|member| member.end.arrived() > 0).count();
    let before = pushed(&members);
    assert!((1..MANY / 4).contains(&before), "the first of many turns: {before}");
    ask(&asking);
    world.sim.turn();
    assert_eq!(answered(&mut asking), ASKING);
    assert!(pushed(&members) < MANY / 2, "the others still wait for theirs");
    world.settle();
    assert_eq!(pushed(&members), MANY, "and get it");
}

#[test]
fn a_turn_shows_a_message_to_a_large_group_in_part_and_answers() {
    let config = Config { shown_per_turn: 100, ..Config::default() };
    let mut world = World::with(config, 1, 0);
    let mut members = members(&mut world);
    let mut asking = asking(&mut world);
    let inboxes: Vec<i64> = (1..).take(MANY).collect();
    world.backend.deliver_to_group(5, &inboxes, "to the group");
    world.backend.deliver(1, "to one");
    let mut turns = 0;
    while world.metrics.pushes.get() < MANY as u64 {
        let before = world.metrics.pushes.get();
        ask(&asking);
        world.sim.turn();
        assert_eq!(answered(&mut asking), ASKING);
        assert!(world.metrics.pushes.get() - before <= 100);
        turns += 1;
    }
    assert!(turns >= MANY / 100, "{turns}");
    world.settle();
    for (member, user) in members.iter_mut().zip(1..) {
        let texts: Vec<String> = member.pushes().into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            texts,
            if user == 1 { &["to the group", "to one"][..] } else { &["to the group"] },
            "{user}"
        );
    }
}

/// Everybody was told something; the members' confirmations wait to be read.
fn confirming(world: &mut World) -> (Vec<Client>, Vec<Client>) {
    let mut members = members(world);
    let asking = asking(world);
    let _sessions = world.sim.gateway().broadcast(common::APP, told_to_all());
    world.settle();
    for member in &mut members {
        assert_eq!(member.pushes().len(), 1);
        member.ack(1);
    }
    (members, asking)
}

fn unread(members: &[Client]) -> usize {
    members.iter().filter(|member| member.end.unread() > 0).count()
}

#[test]
fn a_question_does_not_wait_until_everybody_has_confirmed() {
    let mut world = World::new();
    let (members, mut asking) = confirming(&mut world);
    // They have not confirmed either.
    ask(&asking);
    world.sim.turn();
    world.sim.turn();
    assert_eq!(answered(&mut asking), ASKING);
    assert!(unread(&members) > MANY / 2, "the others still wait to be read: {}", unread(&members));
    world.settle();
    assert_eq!(unread(&members), 0, "and are");
}

#[test]
fn who_has_confirmed_everything_is_read_before_those_who_have_not_and_does_not_keep_them_out() {
    let mut world = World::new();
    let (members, mut asking) = confirming(&mut world);
    for client in &mut asking {
        client.ack(1);
    }
    while asking.iter().any(|client| client.end.unread() > 0) {
        world.sim.turn();
    }
    ask(&asking);
    world.sim.turn();
    assert_eq!(answered(&mut asking), ASKING);
    let mut turns = 0;
    while unread(&members) > 0 {
        ask(&asking[..1]);
        world.sim.turn();
        turns += 1;
        assert!(turns <= MANY / 16 + 1, "{} are not read", unread(&members));
    }
}
