//! Entries as bytes: each frame is encoded once per bucket, however many sessions it goes to.
//!
//! Most entries are one frame. A group change is several, one for each part of what it tells; they are asked for one by
//! one, so that nobody has to have room for all of them.

use std::collections::HashMap;
use std::sync::Arc;

use halley_core::group::Announced;
use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::{EntryKind, Message};
use halley_core::ports::PortError;
use halley_core::ports::accounts::Users;
use halley_core::record::Entry;
use halley_core::reply::Reply;

use crate::edge::txchat::{self, Names, Shown};

/// Frames whose bytes are kept.
const KEPT: usize = 64;
/// Names that were not there at once and are kept; emptied when full.
const NAMES_MAX: usize = 1_024;

/// What becomes of a part of an entry.
pub(crate) enum Rendered {
    /// This is the body of its frame; whether more parts follow.
    Body(Arc<[u8]>, bool),
    /// The dialect cannot show it.
    Skip,
    /// This name must be asked for first.
    Wants(AppId, UserId),
}

/// A frame that was encoded.
#[derive(Clone)]
struct Kept {
    key: SyncKey,
    /// A message that is revoked keeps its key.
    kind: EntryKind,
    part: u32,
    more: bool,
    body: Arc<[u8]>,
}

/// See the module.
pub(crate) struct Renderer {
    kept: Vec<Option<Kept>>,
    /// The group change that was shown last: its parts are asked for one after the other.
    change: Option<(SyncKey, Option<Announced>)>,
    names: HashMap<(AppId, UserId), Option<Arc<str>>>,
    /// Where bodies are put together.
    pub(crate) scratch: Vec<u8>,
}

impl Renderer {
    pub(crate) fn new() -> Self {
        Self { kept: vec![None; KEPT], change: None, names: HashMap::new(), scratch: Vec::new() }
    }

    /// One part of an entry, from 0.
    pub(crate) fn render(&mut self, entry: &Entry, part: u32, users: &dyn Users) -> Rendered {
        let place = (entry.key.place() as usize).wrapping_add(part as usize) % KEPT;
        let message = &entry.record.message;
        if let Some(kept) = &self.kept[place]
            && (kept.key, kept.kind, kept.part) == (entry.key, message.kind, part)
        {
            return Rendered::Body(Arc::clone(&kept.body), kept.more);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let (shown, more) = if message.kind == EntryKind::GROUP_CHANGE {
            self.render_change(entry, part, &mut scratch, users)
        } else {
            (txchat::show(message, &mut scratch, |user| self.name(message.app, user, users)), false)
        };
        let rendered = match shown {
            Shown::Push => {
                let body: Arc<[u8]> = Arc::from(&scratch[..]);
                let (key, kind) = (entry.key, message.kind);
                self.kept[place] = Some(Kept { key, kind, part, more, body: Arc::clone(&body) });
                Rendered::Body(body, more)
            }
            Shown::Skip => Rendered::Skip,
            Shown::Wants(app, user) => Rendered::Wants(app, user),
        };
        self.scratch = scratch;
        rendered
    }

    fn render_change(
        &mut self,
        entry: &Entry,
        part: u32,
        scratch: &mut Vec<u8>,
        users: &dyn Users,
    ) -> (Shown, bool) {
        let message = &entry.record.message;
        let known = self.change.take().filter(|(key, _)| *key == entry.key);
        let (key, change) = known.unwrap_or_else(|| (entry.key, Announced::of(message)));
        let shown = match &change {
            Some(announced) => {
                let name = |user| self.name(message.app, user, users);
                let shown = txchat::show_part(message, announced, part, scratch, name);
                (shown, announced.parts.len() > part as usize + 1)
            }
            None => (Shown::Skip, false),
        };
        self.change = Some((key, change));
        shown
    }

    /// The body of what is in no timeline; `None` when the dialect cannot show it, or a name in it is not here.
    pub(crate) fn render_transient(&mut self, message: &Message, users: &dyn Users) -> Option<Arc<[u8]>> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let shown = txchat::show(message, &mut scratch, |user| self.name(message.app, user, users));
        let body = matches!(shown, Shown::Push).then(|| Arc::from(&scratch[..]));
        self.scratch = scratch;
        body
    }

    /// A name that was asked for is here. One that could not be had is asked for again.
    pub(crate) fn learn(&mut self, app: AppId, user: UserId, name: &Result<Option<Arc<str>>, PortError>) {
        if let Ok(name) = name {
            if self.names.len() >= NAMES_MAX {
                self.names.clear();
            }
            self.names.insert((app, user), name.clone());
        }
    }

    fn name(&self, app: AppId, user: UserId, users: &dyn Users) -> Names {
        let known = match self.names.get(&(app, user)) {
            Some(known) => known.clone(),
            None => match users.name(app, user) {
                Reply::Ready(Ok(known)) => known,
                _ => return Names::Later,
            },
        };
        // A number that was never given has no other name.
        Names::Here(known.unwrap_or_else(|| user.to_string().into()))
    }
}
