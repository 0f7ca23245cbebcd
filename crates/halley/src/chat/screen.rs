//! Lines on standard output, one per message, flushed at once; remarks on standard error.

use std::io::Write;

use halley_client::txchat::{Message, Target};

/// What is on the screen.
pub(super) struct Screen {
    pub(super) user: String,
}

impl Screen {
    /// Somebody said something.
    pub(super) fn message(&self, message: &Message, current: Option<&Target>) -> std::io::Result<()> {
        let text = message.text().unwrap_or_else(|| format!("<message of type {}>", message.kind));
        let place = match &message.target {
            Target::Group(group) if current != Some(&message.target) => format!(" in group {group}"),
            Target::User(other) if message.from == self.user => format!(" (to {other}, from another device)"),
            _ => String::new(),
        };
        let who = format!("{}{place}", message.from);
        self.line(message.time_ms, &who, &text, "")
    }

    /// An own line is acknowledged.
    pub(super) fn acknowledged(&self, time_ms: u64, text: &str) -> std::io::Result<()> {
        self.line(time_ms, &self.user, text, " \u{2713}")
    }

    /// A line of the conversation.
    pub(super) fn line(&self, time_ms: u64, who: &str, text: &str, mark: &str) -> std::io::Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "[{}] {}: {}{mark}", clock(time_ms), shown(who), shown(text))?;
        out.flush()
    }

    /// Something about the chat itself.
    pub(super) fn remark(&self, text: &str) {
        // Without a place for remarks there is nobody to tell.
        let _closed = writeln!(std::io::stderr().lock(), "* {}", shown(text));
    }
}

/// Time of day, UTC.
fn clock(time_ms: u64) -> String {
    let second = time_ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

/// Nobody's text may move another's cursor or make two lines of one.
fn shown(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            '\n' => '\u{23ce}',
            '\t' => ' ',
            letter if letter.is_control() => '\u{fffd}',
            letter => letter,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line_whatever_is_in_it() {
        assert_eq!(shown("a\nb\u{1b}[2Jc"), "a\u{23ce}b\u{fffd}[2Jc");
        assert_eq!(clock(1_700_000_000_123), "22:13:20");
    }
}
