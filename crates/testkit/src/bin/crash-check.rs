//! The crash run by hand: `crash-check [kill|inside|soak] [rounds] [seed]`, on a throw-away directory. `soak` is twenty users
//! with three devices each, whose connections are cut at random while the server is killed or stopped again and again.

use std::process::ExitCode;

use halley_testkit::crash::{Crowd, Death, Plan, run};
use halley_testkit::rng::Rng;
use halley_testkit::scratch::Scratch;

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (death, life_ms, crowd) = match arguments.first().map(String::as_str) {
        None | Some("kill") => (Death::Kill, (20, 250), Crowd::default()),
        Some("inside") => (Death::InsideCommit, (20, 250), Crowd::default()),
        Some("soak") => (Death::KillOrStop, (1_000, 8_000), Crowd::soak()),
        Some(_) => {
            eprintln!("usage: crash-check [kill|inside|soak] [rounds] [seed]");
            return ExitCode::from(2);
        }
    };
    let rounds = arguments.get(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(200);
    let seed = arguments.get(2).and_then(|seed| seed.parse().ok()).unwrap_or_else(Rng::seed);
    println!("{death:?}, {rounds} rounds, seed {seed}");
    let scratch = Scratch::new();
    let plan = Plan { seed, rounds, death, life_ms, set: Vec::new(), crowd };
    match run(&scratch.path().join("data"), &plan) {
        Ok(summary) => {
            println!(
                "{} deaths, {} messages acknowledged of {} said, longest start {:?}, {} promises broken",
                summary.deaths,
                summary.acknowledged,
                summary.said,
                summary.start_max,
                summary.wrong.len()
            );
            for wrong in summary.wrong.iter().take(50) {
                println!("  {wrong}");
            }
            ExitCode::from(u8::from(!summary.wrong.is_empty()))
        }
        Err(error) => {
            eprintln!("the run failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
