//! The ledger: everything clients were promised and shown, and what must follow from it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;

/// To whom something was said.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum To {
    /// A user.
    User(String),
    /// The group; all its members are users of the run.
    Group(String),
    /// A super group, the same; what is said there stands in its feed only.
    SuperGroup(String),
    /// A super group: it stands in the group's feed, in no inbox, and is for who is a member then.
    Feed(String),
}

/// What one client id stands for.
#[derive(Clone, Debug)]
pub struct Said {
    /// By whom.
    pub from: String,
    /// To whom.
    pub to: To,
}

/// One device of one user.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeviceName {
    /// The user.
    pub user: String,
    /// The device.
    pub device: String,
}

/// Shared by all clients of a run.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    said: HashMap<String, Said>,
    acknowledged: HashMap<String, i64>,
    shown: BTreeMap<DeviceName, Vec<(String, i64)>>,
    /// Message ids of which a device was told that they have reached their reader.
    received: BTreeMap<DeviceName, HashSet<i64>>,
    feed: Feed,
    wrong: Vec<String>,
}

/// One entry of a timeline as the history API gives it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The sender's client id.
    pub client_id: String,
    /// The message id.
    pub message_id: i64,
}

/// The feed of the run's super group, as the server lists it.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// All of it, in order.
    pub listed: Vec<Listed>,
    /// By user: what they must be shown, for they have been members from before it until now.
    pub due: BTreeMap<String, HashSet<i64>>,
    /// By user: what they may have been shown, for they were members, and have left since.
    pub possible: BTreeMap<String, HashSet<i64>>,
}

impl Feed {
    fn is_due(&self, user: &str, message_id: i64) -> bool {
        self.due.get(user).is_some_and(|due| due.contains(&message_id))
    }

    fn is_allowed(&self, user: &str, message_id: i64) -> bool {
        let possible = self.possible.get(user).is_some_and(|possible| possible.contains(&message_id));
        possible || self.is_due(user, message_id)
    }
}

impl Ledger {
    /// What is known of the feed now.
    pub fn set_feed(&self, feed: Feed) {
        self.with(|state| state.feed = feed);
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// A client is about to say this.
    pub fn says(&self, client_id: &str, said: Said) {
        self.with(|state| {
            state.said.insert(client_id.to_owned(), said);
        });
    }

    /// A client was acknowledged.
    pub fn acknowledged(&self, client_id: &str, message_id: i64) {
        self.with(|state| {
            let before = state.acknowledged.insert(client_id.to_owned(), message_id);
            if let Some(before) = before.filter(|before| *before != message_id) {
                state.wrong.push(format!("{client_id} was acknowledged as {before}, then as {message_id}"));
            }
        });
    }

    /// A client refuses to believe this.
    pub fn is_wrong(&self, what: String) {
        self.with(|state| state.wrong.push(what));
    }

    /// A device was shown a message.
    pub fn shown(&self, device: &DeviceName, client_id: &str, message_id: i64) {
        self.with(|state| {
            state.shown.entry(device.clone()).or_default().push((client_id.to_owned(), message_id));
        });
    }

    /// A device was told that these have reached their reader.
    pub fn received(&self, device: &DeviceName, ids: impl IntoIterator<Item = i64>) {
        self.with(|state| state.received.entry(device.clone()).or_default().extend(ids));
    }

    /// Receipts that are missing, when every device has been shown everything: of each private message to somebody else,
    /// on every device of its sender; and those of what was not said so.
    pub fn check_receipts(&self, devices: &[DeviceName]) -> Vec<String> {
        self.with(|state| {
            let mut wrong = Vec::new();
            let is_private = |said: &Said| matches!(&said.to, To::User(to) if *to != said.from);
            let of_user = |user: &str| -> HashMap<i64, &String> {
                let own = state.acknowledged.iter();
                let own = own.filter(|(client_id, _)| state.said[*client_id].from == user);
                let own = own.filter(|(client_id, _)| is_private(&state.said[*client_id]));
                own.map(|(client_id, id)| (*id, client_id)).collect()
            };
            for device in devices {
                let owed = of_user(&device.user);
                let received = state.received.get(device).cloned().unwrap_or_default();
                let missing: Vec<_> = owed.iter().filter(|(id, _)| !received.contains(id)).take(5).collect();
                if !missing.is_empty() {
                    wrong.push(format!("{device:?} has no receipts of {missing:?}"));
                }
                let foreign: Vec<_> = received.iter().filter(|id| !owed.contains_key(id)).take(5).collect();
                if !foreign.is_empty() {
                    wrong.push(format!("{device:?} has receipts of {foreign:?}, which it is owed none for"));
                }
            }
            wrong
        })
    }

    /// How many messages were acknowledged.
    pub fn acknowledged_count(&self) -> usize {
        self.with(|state| state.acknowledged.len())
    }

    /// How many messages were said, acknowledged or not.
    pub fn said_count(&self) -> usize {
        self.with(|state| state.said.len())
    }

    /// What is acknowledged and not yet shown to every device of everybody concerned.
    pub fn outstanding(&self, devices: &[DeviceName]) -> Vec<String> {
        self.with(|state| {
            let shown: HashMap<&DeviceName, HashSet<&str>> = devices
                .iter()
                .map(|device| {
                    let list = state.shown.get(device).map(Vec::as_slice).unwrap_or_default();
                    (device, list.iter().map(|(client_id, _)| client_id.as_str()).collect())
                })
                .collect();
            let mut outstanding = Vec::new();
            for (client_id, message_id) in &state.acknowledged {
                let said = &state.said[client_id];
                let is_for = |user: &str| concerns(said, user) || state.feed.is_due(user, *message_id);
                for device in devices.iter().filter(|device| is_for(&device.user)) {
                    if !shown[device].contains(client_id.as_str()) {
                        outstanding.push(format!("{client_id} for {device:?}"));
                    }
                }
            }
            outstanding
        })
    }

    /// Everything that contradicts the promises, given the timelines as the server lists them at the end: inboxes by
    /// user, feeds of super groups by group.
    pub fn check(
        &self,
        inboxes: &BTreeMap<String, Vec<Listed>>,
        feeds: &BTreeMap<String, Vec<Listed>>,
    ) -> Vec<String> {
        self.with(|state| {
            let mut wrong = state.wrong.clone();
            for (user, inbox) in inboxes {
                let belongs = |said: &Said| !matches!(said.to, To::SuperGroup(_)) && concerns(said, user);
                check_timeline(state, &format!("the inbox of {user}"), inbox, belongs, &mut wrong);
            }
            for (group, feed) in feeds {
                let belongs = |said: &Said| said.to == To::SuperGroup(group.clone());
                check_timeline(state, &format!("the feed of {group}"), feed, belongs, &mut wrong);
            }
            for (device, shown) in &state.shown {
                let inbox = inboxes.get(&device.user).map(Vec::as_slice).unwrap_or_default();
                let timelines = std::iter::once(inbox).chain(feeds.values().map(Vec::as_slice));
                let timelines = timelines.chain([state.feed.listed.as_slice()]);
                check_device(device, shown, timelines, &mut wrong);
                check_allowed(device, shown, &state.feed, &mut wrong);
            }
            check_feed(state, &mut wrong);
            wrong
        })
    }
}

fn concerns(said: &Said, user: &str) -> bool {
    match &said.to {
        To::User(to) => said.from == user || to == user,
        To::Group(_) | To::SuperGroup(_) => true,
        To::Feed(_) => false,
    }
}

/// Nothing acknowledged is missing in the feed or has another id, nothing is there twice.
fn check_feed(state: &State, wrong: &mut Vec<String>) {
    let mut ids: HashMap<&str, i64> = HashMap::new();
    for listed in &state.feed.listed {
        if let Some(before) = ids.insert(&listed.client_id, listed.message_id) {
            wrong
                .push(format!("the feed has {} twice: {before} and {}", listed.client_id, listed.message_id));
        }
    }
    for (client_id, message_id) in &state.acknowledged {
        if matches!(state.said[client_id].to, To::Feed(_)) && ids.get(client_id.as_str()) != Some(message_id)
        {
            wrong.push(format!("LOST: {client_id} ({message_id}) was acknowledged and is not in the feed"));
        }
    }
}

/// Nothing acknowledged is missing or has another id, nothing is there twice, nothing is there that nobody said.
fn check_timeline(
    state: &State,
    name: &str,
    timeline: &[Listed],
    belongs: impl Fn(&Said) -> bool,
    wrong: &mut Vec<String>,
) {
    let mut seen = HashMap::new();
    for listed in timeline {
        match state.said.get(&listed.client_id) {
            Some(said) if belongs(said) => {}
            _ => wrong.push(format!("{name} has {listed:?}, which nobody said there")),
        }
        if let Some(before) = seen.insert(listed.client_id.as_str(), listed.message_id) {
            wrong.push(format!("{name} has {} twice: {before} and {}", listed.client_id, listed.message_id));
        }
    }
    for (client_id, message_id) in
        state.acknowledged.iter().filter(|(client_id, _)| belongs(&state.said[*client_id]))
    {
        match seen.get(client_id.as_str()) {
            Some(listed) if listed == message_id => {}
            Some(listed) => {
                wrong.push(format!("{client_id}: acknowledged as {message_id}, stored as {listed}"));
            }
            None => {
                wrong.push(format!("LOST: {client_id} ({message_id}) was acknowledged and is not in {name}"));
            }
        }
    }
}

/// A device was shown of the feed only what is for its user.
fn check_allowed(device: &DeviceName, shown: &[(String, i64)], feed: &Feed, wrong: &mut Vec<String>) {
    let in_feed: HashSet<i64> = feed.listed.iter().map(|listed| listed.message_id).collect();
    for (client_id, message_id) in shown.iter().filter(|(_, id)| in_feed.contains(id)) {
        if !feed.is_allowed(&device.user, *message_id) {
            wrong.push(format!("{device:?} was shown {client_id} ({message_id}), which is not for its user"));
        }
    }
}

/// A device was shown nothing twice, and everything of each timeline in its order.
fn check_device<'a>(
    device: &DeviceName,
    shown: &[(String, i64)],
    timelines: impl Iterator<Item = &'a [Listed]>,
    wrong: &mut Vec<String>,
) {
    let mut places = HashMap::new();
    for (number, timeline) in timelines.enumerate() {
        places.extend(timeline.iter().zip(0..).map(|(listed, place)| (listed.message_id, (number, place))));
    }
    let (mut last, mut seen) = (HashMap::<usize, usize>::new(), HashSet::new());
    for (client_id, message_id) in shown {
        if !seen.insert(client_id) {
            wrong.push(format!("{device:?} was shown {client_id} twice"));
        }
        let Some((timeline, place)) = places.get(message_id).copied() else {
            wrong.push(format!("{device:?} was shown {client_id} ({message_id}), which is in no timeline"));
            continue;
        };
        let last = last.entry(timeline).or_insert(place);
        if place < *last {
            wrong.push(format!("{device:?} was shown {client_id} out of order"));
        }
        *last = place.max(*last);
    }
}
