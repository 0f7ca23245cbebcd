//! The command line, as a user or a script meets it: exit codes, messages, the reference.

use std::process::{Command, Output};

use halley_testkit::process::{Options, Server, binary};
use halley_testkit::scratch::Scratch;

fn halley(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).output().expect("the binary runs")
}

fn text(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

#[test]
fn a_wrong_command_line_is_exit_2_and_a_wrong_configuration_78() {
    assert_eq!(halley(&["sreve"]).status.code(), Some(2));
    assert_eq!(halley(&["serve", "--port", "1"]).status.code(), Some(2));
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let data = data.to_str().expect("a plain path");
    for (line, says) in [
        ("txchat.windo=3", "txchat.windo"),
        ("listen.admin=nowhere", "listen.admin"),
        ("txchat.window=0", "1 to 1024"),
        ("listen.logic_grpc=0.0.0.0:0", "grpc.token"),
    ] {
        let output = halley(&["serve", "--data", data, "--set", line]);
        assert_eq!(output.status.code(), Some(78), "{line}");
        assert!(text(&output.stderr).contains(says), "{line}: {}", text(&output.stderr));
    }
    let output = halley(&["serve", "--data", data, "--config", "/nowhere/halley.toml"]);
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn the_reference_is_a_valid_configuration() {
    let scratch = Scratch::new();
    let reference = halley(&["config", "reference"]);
    assert!(reference.status.success());
    let file = scratch.path().join("halley.toml");
    std::fs::write(&file, &reference.stdout).expect("written");
    let check = halley(&["config", "check", file.to_str().expect("a plain path")]);
    assert!(check.status.success(), "{}", text(&check.stderr));
    std::fs::write(&file, "[listen]\ntxchat_tpc = \"off\"\n").expect("written");
    let check = halley(&["config", "check", file.to_str().expect("a plain path")]);
    assert_eq!(check.status.code(), Some(78));
    assert!(text(&check.stderr).contains("listen.txchat_tpc"), "{}", text(&check.stderr));
}

#[test]
fn verify_says_what_is_there_and_a_running_server_is_not_disturbed() {
    let scratch = Scratch::new();
    let data = scratch.path().join("data");
    let shown = data.to_str().expect("a plain path").to_owned();
    let nothing = halley(&["verify", "--data", &shown]);
    assert_eq!(nothing.status.code(), Some(1));
    let server = Server::start(&data, &Options::default());
    let running = halley(&["verify", "--data", &shown]);
    assert_eq!(running.status.code(), Some(1));
    assert!(text(&running.stderr).contains("in use"), "{}", text(&running.stderr));
    let off = ["txchat_tcp", "txchat_ws", "admin", "comet_grpc", "logic_grpc"];
    let off = off.map(|listener| format!("listen.{listener}=off"));
    let off = off.iter().flat_map(|line| ["--set", line.as_str()]);
    let second = halley(&["serve", "--data", &shown].into_iter().chain(off).collect::<Vec<_>>());
    assert_eq!(second.status.code(), Some(1), "two servers cannot have one data directory");
    assert!(server.stop().success());
    let sound = halley(&["verify", "--data", &shown, "--json"]);
    assert!(sound.status.success(), "{}", text(&sound.stderr));
    let report: serde_json::Value = serde_json::from_slice(&sound.stdout).expect("JSON");
    assert_eq!((&report["sound"], &report["clean"]), (&true.into(), &true.into()), "{report}");
}
