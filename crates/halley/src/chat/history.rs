//! What was said before: read through the admin API, shown once, in front of what the server still has to push.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use halley_client::txchat::Target;
use serde_json::Value;

use super::screen::Screen;
use crate::admin_client::{AdminClient, AdminError};

/// Entries asked for: those of other conversations are among them.
const PAGE: usize = 500;

/// A line said before.
#[derive(Clone, Debug)]
pub(super) struct Earlier {
    id: i64,
    from: String,
    text: String,
    time_ms: u64,
}

/// See the module.
#[derive(Clone)]
pub(super) struct History {
    admin: Arc<AdminClient>,
    app: String,
    user: String,
    lines: usize,
}

impl History {
    pub(super) fn new(admin: AdminClient, app: &str, user: &str, lines: usize) -> Self {
        Self { admin: Arc::new(admin), app: app.to_owned(), user: user.to_owned(), lines }
    }

    /// The newest lines of this conversation, oldest first.
    pub(super) fn fetch(&self, target: &Target) -> Result<Vec<Earlier>, AdminError> {
        if self.lines == 0 {
            return Ok(Vec::new());
        }
        let query = format!("limit={PAGE}");
        let answer = match target {
            Target::User(_) => self.admin.user_timeline(&self.app, &self.user, &query)?,
            Target::Group(group) => self.admin.group_timeline(&self.app, group, &query)?,
        };
        let entries = answer.get("entries").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let mut found: Vec<(u64, Earlier)> =
            entries.iter().filter_map(|entry| self.earlier(entry, target)).collect();
        found.sort_by_key(|(key, _)| *key);
        let skip = found.len().saturating_sub(self.lines);
        Ok(found.into_iter().skip(skip).map(|(_, earlier)| earlier).collect())
    }

    /// The entry's key and line, if it is one of the conversation.
    fn earlier(&self, entry: &Value, target: &Target) -> Option<(u64, Earlier)> {
        let message = entry.get("message")?;
        if message.get("kind").and_then(Value::as_str) != Some("message") {
            return None;
        }
        let from = text_in(message, "from")?;
        let to = message.get("to")?;
        let is_here = match target {
            Target::Group(group) => text_in(to, "group").as_ref() == Some(group),
            Target::User(other) => {
                let to_user = text_in(to, "user")?;
                (from == self.user && to_user == *other) || (from == *other && to_user == self.user)
            }
        };
        if !is_here {
            return None;
        }
        let kind = message.get("type").and_then(Value::as_i64).unwrap_or(0);
        let text = text_in(message, "text").unwrap_or_else(|| format!("<message of type {kind}>"));
        let id = text_in(message, "id")?.parse().ok()?;
        let time_ms = message.get("time_ms").and_then(Value::as_u64).unwrap_or(0);
        Some((text_in(entry, "key")?.parse().ok()?, Earlier { id, from, text, time_ms }))
    }
}

fn text_in(value: &Value, name: &str) -> Option<String> {
    value.get(name).and_then(Value::as_str).map(str::to_owned)
}

/// History that waits for the first push: what the server pushes itself must come in its place, and once.
#[derive(Default)]
pub(super) struct Opening {
    held: Vec<Earlier>,
    shown: HashSet<i64>,
}

impl Opening {
    pub(super) fn new(held: Vec<Earlier>) -> Self {
        Self { held, shown: HashSet::new() }
    }

    /// Whether something waits to be shown.
    pub(super) fn waits(&self) -> bool {
        !self.held.is_empty()
    }

    /// Shows what came before message `first`: the server pushes from there on in order. Without one, everything.
    pub(super) fn show(&mut self, first: Option<i64>, screen: &Screen) -> io::Result<()> {
        for earlier in self.held.drain(..) {
            if first.is_none_or(|first| earlier.id < first) {
                screen.line(earlier.time_ms, &earlier.from, &earlier.text, "")?;
                self.shown.insert(earlier.id);
            }
        }
        Ok(())
    }

    /// Whether this message was shown as history.
    pub(super) fn has_shown(&mut self, id: i64) -> bool {
        self.shown.remove(&id)
    }
}

/// Shows these lines, whatever was shown before.
pub(super) fn show_all(lines: &[Earlier], screen: &Screen) -> io::Result<()> {
    lines.iter().try_for_each(|earlier| screen.line(earlier.time_ms, &earlier.from, &earlier.text, ""))
}
