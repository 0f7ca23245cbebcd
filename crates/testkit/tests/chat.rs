//! Two people in two terminals, a thousand lines each way, the server killed and started between. A failure means that a line
//! was lost, shown twice, or shown out of order.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use halley_testkit::process::{Options, Server, binary};
use halley_testkit::scratch::Scratch;

const LINES: usize = 1_000;

struct Chat {
    child: Child,
    shown: Receiver<String>,
}

impl Chat {
    fn start(data: &std::path::Path, user: &str, to: &str) -> Self {
        let mut command = Command::new(binary());
        command.args(["chat", "--user", user, "--to", to, "--history", "0"]).arg("--data").arg(data);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("the binary runs");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let (lines, shown) = sync_channel(10 * LINES);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, shown }
    }

    fn type_lines(&mut self, name: &str, from: usize, to: usize) {
        let input = self.child.stdin.as_mut().expect("piped");
        for count in from..to {
            writeln!(input, "{name} says {count}").expect("the chat reads");
        }
        input.flush().expect("the chat reads");
    }

    /// The lines of a speaker as shown, until there are `count` of them.
    fn collect(&self, lines: &mut Vec<String>, total: usize) {
        while lines.len() < total {
            let line = self.shown.recv_timeout(Duration::from_secs(60)).expect("every line is shown");
            if line.contains(" says ") {
                lines.push(line);
            }
        }
    }
}

fn said_by(lines: &[String], name: &str) -> Vec<usize> {
    let mark = format!("{name} says ");
    let numbers = lines.iter().filter_map(|line| line.split_once(&mark));
    numbers.map(|(_, rest)| rest.trim_end_matches([' ', '✓']).parse().expect("a number")).collect()
}

#[test]
fn every_line_is_shown_once_and_in_order_on_both_sides() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let first = Server::start(&data, &Options::default());
    // Both come back to the same address.
    let again = Options {
        set: ["txchat_tcp", "admin"]
            .iter()
            .map(|name| format!("listen.{name}={}", first.address(name)))
            .collect(),
        ..Options::default()
    };
    let mut alice = Chat::start(&data, "alice", "bob");
    let mut bob = Chat::start(&data, "bob", "alice");
    let (mut at_alice, mut at_bob) = (Vec::new(), Vec::new());
    alice.type_lines("alice", 0, LINES / 2);
    bob.type_lines("bob", 0, LINES / 2);
    alice.collect(&mut at_alice, LINES / 2);
    first.kill();
    let _second = Server::start(&data, &again);
    alice.type_lines("alice", LINES / 2, LINES);
    bob.type_lines("bob", LINES / 2, LINES);
    alice.collect(&mut at_alice, 2 * LINES);
    bob.collect(&mut at_bob, 2 * LINES);
    let all: Vec<usize> = (0..LINES).collect();
    for (lines, side) in [(&at_alice, "alice"), (&at_bob, "bob")] {
        assert_eq!(said_by(lines, "alice"), all, "alice's lines at {side}");
        assert_eq!(said_by(lines, "bob"), all, "bob's lines at {side}");
    }
    for mut chat in [alice, bob] {
        drop(chat.child.stdin.take());
        assert!(chat.child.wait().expect("our own child").success());
    }
}
