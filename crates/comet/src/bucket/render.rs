//! Entries as bytes: each is encoded once per bucket, however many sessions it goes to.

use std::collections::HashMap;
use std::sync::Arc;

use halley_core::ids::{AppId, UserId};
use halley_core::key::SyncKey;
use halley_core::message::Message;
use halley_core::ports::PortError;
use halley_core::ports::accounts::Users;
use halley_core::record::Entry;
use halley_core::reply::Reply;

use crate::edge::txchat::{self, Names, Shown};

/// Entries whose bytes are kept; at most a frame each.
const KEPT: usize = 64;
/// Names that were not there at once and are kept; emptied when full.
const NAMES_MAX: usize = 1_024;

/// What becomes of an entry.
pub(crate) enum Rendered {
    /// This is the body of its frame.
    Body(Arc<[u8]>),
    /// The dialect cannot show it.
    Skip,
    /// This name must be asked for first.
    Wants(AppId, UserId),
}

/// See the module.
pub(crate) struct Renderer {
    kept: Vec<Option<(SyncKey, Arc<[u8]>)>>,
    names: HashMap<(AppId, UserId), Option<Arc<str>>>,
    /// Where bodies are put together.
    pub(crate) scratch: Vec<u8>,
}

impl Renderer {
    pub(crate) fn new() -> Self {
        Self { kept: vec![None; KEPT], names: HashMap::new(), scratch: Vec::new() }
    }

    pub(crate) fn render(&mut self, entry: &Entry, users: &dyn Users) -> Rendered {
        let place = entry.key.place() as usize % KEPT;
        if let Some((key, body)) = &self.kept[place]
            && *key == entry.key
        {
            return Rendered::Body(Arc::clone(body));
        }
        let message = &entry.record.message;
        let mut scratch = std::mem::take(&mut self.scratch);
        let shown = txchat::show(message, &mut scratch, |user| self.name(message.app, user, users));
        let rendered = match shown {
            Shown::Push => {
                let body: Arc<[u8]> = Arc::from(&scratch[..]);
                self.kept[place] = Some((entry.key, Arc::clone(&body)));
                Rendered::Body(body)
            }
            Shown::Skip => Rendered::Skip,
            Shown::Wants(app, user) => Rendered::Wants(app, user),
        };
        self.scratch = scratch;
        rendered
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
