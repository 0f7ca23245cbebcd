//! Timelines: ordered views of the journal.

use crate::ids::{AppId, GroupId, UserId};

/// An ordered view of the journal (design section 1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TimelineId {
    /// What a user receives and has sent, in normal conversations.
    Inbox(AppId, UserId),
    /// What was sent to a group; of a super group the only timeline.
    Feed(AppId, GroupId),
}

impl TimelineId {
    /// The app it belongs to.
    #[must_use]
    pub fn app(self) -> AppId {
        match self {
            Self::Inbox(app, _) | Self::Feed(app, _) => app,
        }
    }
}
