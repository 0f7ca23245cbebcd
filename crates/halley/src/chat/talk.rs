//! The loop: lines typed, messages and answers that come.

use std::collections::VecDeque;
use std::future::Future;
use std::io::BufRead;
use std::pin::Pin;
use std::time::Duration;

use anyhow::{Context, bail};
use halley_client::txchat::{Message, Outcome, Outgoing, Target, is_refusal_temporary, refusal_text};
use halley_client::{Client, ClientEvent, Receipt, SendError};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::history::{History, Opening, show_all};
use super::screen::Screen;
use super::setup::Prepared;

/// `MsgType.Notice` of the dialect.
const NOTICE: i32 = 7;

/// Lines that may wait for their acknowledgement; typing goes on when some are answered.
const UNANSWERED_MAX: usize = 512;
/// History waits this long for the server's own pushes.
const OPENING_WAIT: Duration = Duration::from_millis(300);
/// A line that the server cannot take now is said again after this.
const SAY_AGAIN: Duration = Duration::from_millis(500);
/// At the end, lines without an answer are waited for this long.
const FAREWELL: Duration = Duration::from_secs(60);

const HELP: &str = "/to USER  /group ID  /history  /quit  /help; anything else is said";

type Answer = Pin<Box<dyn Future<Output = Result<Outcome, SendError>>>>;

struct Unanswered {
    text: String,
    answer: Answer,
}

struct Chat {
    client: Client,
    screen: Screen,
    target: Option<Target>,
    device: String,
    /// Makes client ids of this run unlike those of the last.
    run: u32,
    said: u64,
    unanswered: VecDeque<Unanswered>,
    history: Option<History>,
    opening: Opening,
    refused: usize,
}

/// Talks until the input has ended and all was answered; stays `linger` longer.
pub(super) async fn talk(prepared: Prepared, linger: Duration) -> anyhow::Result<()> {
    let Prepared { client, user, target, device, history } = prepared;
    let screen = Screen { user };
    let opening = match (&history, &target) {
        (Some(history), Some(target)) => match history.fetch(target) {
            Ok(lines) => Opening::new(lines),
            Err(error) => {
                screen.remark(&format!("no history: {error}"));
                Opening::default()
            }
        },
        _ => Opening::default(),
    };
    let (client, mut events) = Client::connect(client).await?;
    let run = getrandom::u32().context("the system gives no random numbers")?;
    let unanswered = VecDeque::new();
    let mut chat =
        Chat { client, screen, target, device, run, said: 0, unanswered, history, opening, refused: 0 };
    let mut lines = read_lines();
    let opening_until = Instant::now() + OPENING_WAIT;
    let mut end: Option<Instant> = None;
    loop {
        let is_quiet = end.is_some() && chat.unanswered.is_empty();
        let may_read = end.is_none() && chat.unanswered.len() < UNANSWERED_MAX;
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => chat.handle_event(event)?,
                None => bail!("the connection has ended"),
            },
            outcome = first_answer(&mut chat.unanswered), if !chat.unanswered.is_empty() => chat.handle_answer(outcome)?,
            line = lines.recv(), if may_read => {
                let goes_on = match line {
                    Some(line) => chat.handle_line(&line).await?,
                    None => false,
                };
                if !goes_on {
                    end = Some(Instant::now());
                }
            }
            () = sleep_until(opening_until), if chat.opening.waits() => chat.opening.show(None, &chat.screen)?,
            () = sleep_until(end.unwrap_or(opening_until) + linger), if is_quiet => return chat.farewell(),
            () = sleep_until(end.unwrap_or(opening_until) + FAREWELL), if end.is_some() && !is_quiet => return chat.farewell(),
        }
    }
}

/// The oldest line's answer: ticks come in the order of typing.
async fn first_answer(unanswered: &mut VecDeque<Unanswered>) -> Result<Outcome, SendError> {
    match unanswered.front_mut() {
        Some(first) => first.answer.as_mut().await,
        None => std::future::pending().await,
    }
}

/// Reads standard input on a thread of its own: a terminal cannot be waited for otherwise.
fn read_lines() -> mpsc::Receiver<String> {
    let (queue, lines) = mpsc::channel(64);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if queue.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

impl Chat {
    fn handle_event(&mut self, event: ClientEvent) -> anyhow::Result<()> {
        match event {
            ClientEvent::Message(message) => self.handle_message(&message)?,
            ClientEvent::Connected => {
                let whom = self
                    .target
                    .as_ref()
                    .map_or_else(|| "nobody yet: /to USER or /group ID".to_owned(), name_of);
                self.screen.remark(&format!("connected; talking to {whom} (/help)"));
            }
            ClientEvent::Disconnected { reason } => {
                self.screen
                    .remark(&format!("disconnected: {reason}; connecting again, what you type is kept"));
            }
            ClientEvent::Ended { reason } => bail!("{reason}"),
            // Received marks, logins of other devices, group changes: not shown by a terminal.
            ClientEvent::Signal(_) => {}
        }
        Ok(())
    }

    fn handle_message(&mut self, message: &Message) -> anyhow::Result<()> {
        let id = message.message_id;
        self.opening.show(Some(id), &self.screen)?;
        let is_own_echo = message.from == self.screen.user && message.client_id.starts_with(&self.device);
        // What a group was told of a change: not shown by a terminal, and nobody to answer to.
        let is_notice = message.kind == NOTICE;
        if is_own_echo || is_notice || self.opening.has_shown(id) {
            return Ok(());
        }
        self.screen.message(message, self.target.as_ref())?;
        if self.target.is_none() {
            let target = match &message.target {
                Target::User(_) => Target::User(message.from.clone()),
                group => group.clone(),
            };
            self.screen.remark(&format!("answers go to {}", name_of(&target)));
            self.target = Some(target);
        }
        Ok(())
    }

    fn handle_answer(&mut self, outcome: Result<Outcome, SendError>) -> anyhow::Result<()> {
        let Some(line) = self.unanswered.pop_front() else {
            return Ok(());
        };
        match outcome {
            Ok(Outcome::Acknowledged { time_ms, .. }) => {
                self.opening.show(None, &self.screen)?;
                self.screen.acknowledged(time_ms, &line.text)?;
            }
            Ok(Outcome::Refused { code }) => {
                self.refused += 1;
                self.screen.remark(&format!("refused, {} (code {code}): {}", refusal_text(code), line.text));
            }
            Err(error) => bail!("{error}; not known to be delivered: {}", line.text),
        }
        Ok(())
    }

    /// A typed line; `false` when it says to quit.
    async fn handle_line(&mut self, line: &str) -> anyhow::Result<bool> {
        let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match (command, rest) {
            ("/quit", _) => return Ok(false),
            ("/help", _) => self.screen.remark(HELP),
            ("/to" | "/group", "") => self.screen.remark(HELP),
            ("/to", user) => self.turn_to(Target::User(user.to_owned())),
            ("/group", group) => self.turn_to(Target::Group(group.to_owned())),
            ("/history", _) => self.show_history().await?,
            ("", "") => {}
            _ if is_unknown_command(command) => {
                self.screen.remark(&format!("no such command: {command}; {HELP}"));
            }
            _ => self.say(line).await?,
        }
        Ok(true)
    }

    fn turn_to(&mut self, target: Target) {
        self.screen.remark(&format!("talking to {}", name_of(&target)));
        self.target = Some(target);
    }

    async fn say(&mut self, text: &str) -> anyhow::Result<()> {
        let Some(target) = self.target.clone() else {
            self.refused += 1;
            self.screen.remark(&format!("not sent, to whom? /to USER or /group ID first: {text}"));
            return Ok(());
        };
        self.said += 1;
        let client_id = format!("{}-{:08x}-{}", self.device, self.run, self.said);
        let outgoing = Outgoing::text(target, text, client_id);
        match self.client.send(outgoing.clone()).await {
            Ok(receipt) => {
                let answer: Answer = Box::pin(final_answer(self.client.clone(), outgoing, receipt));
                self.unanswered.push_back(Unanswered { text: text.to_owned(), answer });
            }
            Err(error @ SendError::TooLong { .. }) => {
                self.refused += 1;
                self.screen.remark(&format!("not sent: {error}"));
            }
            Err(error) => bail!("{error}; not sent: {text}"),
        }
        Ok(())
    }

    async fn show_history(&self) -> anyhow::Result<()> {
        let (Some(history), Some(target)) = (self.history.clone(), self.target.clone()) else {
            self.screen.remark("no history: it needs a conversation and the admin API of a local server");
            return Ok(());
        };
        match tokio::task::spawn_blocking(move || history.fetch(&target)).await? {
            Ok(lines) => show_all(&lines, &self.screen)?,
            Err(error) => self.screen.remark(&format!("no history: {error}")),
        }
        Ok(())
    }

    fn farewell(&self) -> anyhow::Result<()> {
        if !self.unanswered.is_empty() {
            bail!(
                "{} lines have no acknowledgement after {} s; the first: {}",
                self.unanswered.len(),
                FAREWELL.as_secs(),
                self.unanswered[0].text
            );
        }
        if self.refused > 0 {
            bail!("{} lines were refused or not sent", self.refused);
        }
        Ok(())
    }
}

/// The answer to a line, which is said again as long as the server only cannot take it now. Lines after it do not wait, so their
/// order may change then; nothing is lost.
async fn final_answer(client: Client, outgoing: Outgoing, receipt: Receipt) -> Result<Outcome, SendError> {
    let mut outcome = receipt.answer().await?;
    while let Outcome::Refused { code } = outcome
        && is_refusal_temporary(code)
    {
        sleep_until(Instant::now() + SAY_AGAIN).await;
        outcome = client.send(outgoing.clone()).await?.answer().await?;
    }
    Ok(outcome)
}

/// Like a command, and none: a path or a fraction may be said.
fn is_unknown_command(word: &str) -> bool {
    word.strip_prefix('/')
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase()))
}

fn name_of(target: &Target) -> String {
    match target {
        Target::User(user) => user.clone(),
        Target::Group(group) => format!("group {group}"),
    }
}
