//! What the clients say.

use std::collections::HashMap;

use halley_client::txchat::{Outgoing, Target};

use super::server::{GROUP, SUPER};
use crate::ledger::{DeviceName, Ledger, Said, To};
use crate::rng::Rng;

/// Everything said so far.
pub(super) struct Talk {
    users: Vec<String>,
    said: HashMap<String, Vec<Outgoing>>,
    /// Which timelines a client id belongs in, by place of the reader.
    concerned: HashMap<String, Vec<usize>>,
    next: u64,
}

impl Talk {
    pub(super) fn new(users: &[String]) -> Self {
        Self { users: users.to_vec(), said: HashMap::new(), concerned: HashMap::new(), next: 1 }
    }

    /// What this device says now: mostly something new, sometimes what the user has said before, on this device or the
    /// other, acknowledged or not (promise 3).
    pub(super) fn next(&mut self, device: &DeviceName, ledger: &Ledger, rng: &mut Rng) -> Outgoing {
        let before = self.said.entry(device.user.clone()).or_default();
        if !before.is_empty() && rng.below(8) == 0 {
            return rng.one_of(before).clone();
        }
        let client_id = format!("{}-{}", device.user, self.next);
        self.next += 1;
        let (target, to, concerned) = if device.user == self.users[0] && rng.below(2) == 0 {
            // The reader of the feed stands behind those of the inboxes.
            (Target::Group(SUPER.to_owned()), To::Feed(SUPER.to_owned()), vec![self.users.len()])
        } else if rng.below(3) == 0 {
            let everybody = (0..self.users.len()).collect();
            (Target::Group(GROUP.to_owned()), To::Group(GROUP.to_owned()), everybody)
        } else {
            let other = rng.one_of(&self.users).clone();
            let concerns = |user: &&(usize, &String)| *user.1 == other || *user.1 == device.user;
            let concerned = self.users.iter().enumerate().collect::<Vec<_>>();
            let concerned = concerned.iter().filter(concerns).map(|(place, _)| *place).collect();
            (Target::User(other.clone()), To::User(other), concerned)
        };
        let longer = usize::try_from(*rng.one_of(&[0, 10, 300, 3_000])).unwrap_or_default();
        let text = format!("{client_id} {}", "x".repeat(longer));
        ledger.says(&client_id, Said { from: device.user.clone(), to });
        self.concerned.insert(client_id.clone(), concerned);
        let outgoing = Outgoing::text(target, &text, client_id);
        before.push(outgoing.clone());
        outgoing
    }

    /// The user at this place.
    pub(super) fn user(&self, place: usize) -> String {
        self.users[place].clone()
    }

    /// What was said under this client id.
    pub(super) fn said(&self, client_id: &str) -> Option<Outgoing> {
        let mut all = self.said.values().flatten();
        all.find(|outgoing| outgoing.client_id == client_id).cloned()
    }

    /// The readers whose timelines this belongs in.
    pub(super) fn concerned(&self, client_id: &str) -> Vec<usize> {
        self.concerned.get(client_id).cloned().unwrap_or_default()
    }
}
