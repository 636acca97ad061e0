//! petrec itself.

use std::process::Command;

/// A run of petrec on the processor, whatever GPU there is: what is tested is the same on every machine, and fast.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_petrec"));
    command.env("PETREC_BACKEND", "cpu").env_remove("PETREC_LOG");
    command
}
