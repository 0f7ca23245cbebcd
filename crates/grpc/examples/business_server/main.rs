//! A small business server, written as for the original system: what a shop would tell its customers.
//!
//! ```text
//! cargo run -p halley-grpc --example business_server -- http://127.0.0.1:3119 demo 3110 alice bob
//! ```
//!
//! The users are told even when they are not online: they read it at their next login. With `GRPC_TOKEN` in the environment
//! every call shows it. `docs/business-servers.md` explains the calls.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod shop;

use std::process::ExitCode;

use shop::Shop;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(logic), Some(app), Some(group)) = (arguments.next(), arguments.next(), arguments.next()) else {
        eprintln!("usage: business_server LOGIC_URL APP GROUP USER...");
        return ExitCode::from(2);
    };
    let users: Vec<String> = arguments.collect();
    let token = std::env::var("GRPC_TOKEN").ok();
    let done = async {
        let mut shop = Shop::connect(logic, app, token).await?;
        shop.open(&group, &users).await?;
        shop.serve(&group, &users).await
    };
    match done.await {
        Ok(()) => {
            println!("{} customers were told", users.len());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
