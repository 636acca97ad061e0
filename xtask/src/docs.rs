//! `cargo xtask docs`: the reference of the command line, and man pages, from what petrec itself says of its options.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Arg, Args, Command};

/// What was typed.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Write nothing, and fail if docs/cli.md is not what would be written
    #[arg(long)]
    check: bool,
    /// Write the man pages to DIR instead
    #[arg(long, value_name = "DIR", conflicts_with = "check")]
    man: Option<PathBuf>,
}

/// Writes or checks, and says what.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut petrec = without_help(petrec::cli::command().bin_name("petrec"));
    petrec.build();
    if let Some(folder) = &arguments.man {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        clap_mangen::generate_to(petrec, folder).with_context(|| folder.display().to_string())?;
        writeln!(io::stdout(), "{}: the man pages", folder.display())?;
        return Ok(());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli.md");
    let reference = reference(&petrec)?;
    if arguments.check {
        let found = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        ensure!(found == reference, "docs/cli.md is not what petrec says of itself: run 'cargo xtask docs'");
    } else {
        fs::write(&path, reference).with_context(|| path.display().to_string())?;
        writeln!(io::stdout(), "docs/cli.md: written")?;
    }
    Ok(())
}

/// The command without its own 'help', which says nothing that is not said here, nor that of any command in it.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

/// All commands with all options, as Markdown.
fn reference(petrec: &Command) -> Result<String> {
    let mut text =
        "# petrec's commands\n\nMade by `cargo xtask docs` from what `petrec help` says; do not edit.\n".to_owned();
    let is_global = |argument: &Arg| argument.is_global_set();
    writeln!(text, "\n## Options of every command\n")?;
    table(&mut text, petrec, is_global)?;
    for command in petrec.get_subcommands() {
        section(&mut text, command)?;
    }
    Ok(text)
}

/// One command, and below it those that it has itself.
fn section(text: &mut String, command: &Command) -> Result<()> {
    let mut command = command.clone();
    let name = command.get_bin_name().context("a command has a name")?.to_owned();
    let about = command.get_about().context("a command says what it does")?.to_string();
    let usage = command.render_usage().to_string();
    let usage: Vec<_> = usage.trim_start_matches("Usage:").lines().map(str::trim).collect();
    let usage = usage.join("\n");
    writeln!(text, "\n## {name}\n\n{about}.\n\n```\n{usage}\n```\n")?;
    table(text, &command, |argument| !argument.is_global_set())?;
    for command in command.get_subcommands() {
        section(text, command)?;
    }
    Ok(())
}

/// The arguments and options of a command that are `wanted`.
fn table(text: &mut String, command: &Command, wanted: impl Fn(&Arg) -> bool) -> Result<()> {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set() && wanted(argument));
    let (positionals, options): (Vec<_>, Vec<_>) = arguments
        .filter(|argument| !["help", "version"].contains(&argument.get_id().as_str()))
        .partition(|argument| argument.is_positional());
    if positionals.is_empty() && options.is_empty() {
        return Ok(());
    }
    writeln!(text, "| argument | what it is |\n| --- | --- |")?;
    for argument in positionals.into_iter().chain(options) {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        writeln!(text, "| `{}` | {}{} |", typed(argument), cell(&help), cell(&values(argument)))?;
    }
    Ok(())
}

/// `-q`, `--quiet`; `--model <NAME>`.
fn typed(argument: &Arg) -> String {
    let shown = argument.to_string();
    match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(_)) => format!("-{short}, {shown}"),
        _ => shown,
    }
}

/// What can be typed and what holds otherwise, as `--help` has it.
fn values(argument: &Arg) -> String {
    let mut text = String::new();
    if !argument.get_action().takes_values() {
        return text;
    }
    let possible = argument.get_possible_values();
    if !possible.is_empty() {
        let names: Vec<_> = possible.iter().map(|value| format!("`{}`", value.get_name())).collect();
        let _ = write!(text, "; one of {}", names.join(", ")); // writing to a String cannot fail
    }
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() {
        let _ = write!(text, "; `{}` if it is left out", defaults.join(","));
    }
    if let Some(variable) = argument.get_env() {
        let _ = write!(text, "; the environment's `{}` goes before that", variable.to_string_lossy());
    }
    text
}

/// Text that does not end a cell of a table, nor is read as an HTML tag.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}
