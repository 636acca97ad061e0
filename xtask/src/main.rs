//! petrec's maintenance tasks: `cargo xtask --help`.

mod docs;
mod fetch;
mod import_weights;
mod layers;
mod reference;
mod seeded_weights;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use petrec::import::check;

/// petrec's maintenance tasks.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Make a weight file from another program's model.
    ImportWeights(Box<import_weights::Arguments>),
    /// Write the reference of petrec's command line, or check it; or write man pages.
    Docs(docs::Arguments),
    /// Print the folders of src in their order, and fail where one uses another that stands below it in ARCHITECTURE.md.
    Layers,
    /// Write a network with seeded weights, which any language can make again, as a weight file.
    SeededWeights(seeded_weights::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::ImportWeights(arguments) => import_weights::run(&arguments),
        Task::Docs(arguments) => docs::run(&arguments),
        Task::Layers => layers::run(),
        Task::SeededWeights(arguments) => seeded_weights::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
