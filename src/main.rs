//! petrec's command line: parse, run, map errors to exit codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    petrec::cli::main()
}
