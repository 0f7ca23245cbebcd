//! Project chores: tidy, arrows, generated code and documents.
//!
//! `cargo test -p halley-xtask` checks them; `cargo run -p halley-xtask -- codegen` makes what is generated.

#[cfg(test)]
mod arrows;
mod codegen;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod workspace;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("codegen") => codegen::run(),
        other => bail!("unknown chore {other:?}; known: codegen"),
    }
}
