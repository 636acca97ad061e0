//! Which images of folders TensorFlow would decode, and why it would not decode the others:
//! `cargo run --release --example validate -- examples/photos`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::error::Error;
use std::path::PathBuf;

use petrec::dataset::{self, Recursion};
use petrec::image::Policy;
use petrec::results::rejection_line;
use petrec::util::parallel::available_threads;
use petrec::validate::validate;

fn main() -> Result<(), Box<dyn Error>> {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let dataset = dataset::discover_files(&folders, &dataset::Options::default(), Recursion::Flat)?;

    let report = validate(&dataset, Policy::default(), available_threads(), |file, rejection| {
        if let Some(rejection) = rejection {
            println!("{}", rejection_line(file, rejection));
        }
    });

    for class in &report.classes {
        println!("{}: {} of {} images decode", class.name, class.counts.accepted, class.counts.files);
    }
    for (code, files) in &report.reasons {
        println!("{code}: {files}");
    }
    Ok(())
}
