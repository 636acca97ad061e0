//! The network alone: one worker per thread, each with the same preprocessed picture, for some seconds.
//!
//! `cargo bench --bench net -- --weights FILE --seconds 5 --threads 2 --json`
#![allow(clippy::print_stdout)]

use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use petrec::engine::{self, Backend, DeviceChoice, FeatureExtractor, ImageBatch, Selection};
use petrec::image::{Accept, load};
use petrec::model::{Weights, seeded_b0};
use petrec::util::parallel::available_threads;

const PHOTO: &str = "examples/photos/Cat/chelsea.jpg";
/// Runs before the clock starts: caches, page tables and clock rates settle.
const WARM_UP: usize = 3;

#[derive(Parser)]
struct Args {
    /// Weight file [default: the seeded EfficientNetB0]
    #[arg(long)]
    weights: Option<PathBuf>,
    /// Engine to run
    #[arg(long, default_value = "auto")]
    backend: Backend,
    /// GPU to run on
    #[arg(long)]
    device: Option<DeviceChoice>,
    /// Pictures that a GPU computes at a time
    #[arg(long)]
    batch: Option<NonZero<usize>>,
    /// How long to run
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Number of workers [default: one per core]
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// What `cargo bench` passes
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let weights = match &args.weights {
        Some(path) => Weights::load(path)?,
        None => seeded_b0(),
    };
    let side = weights.network().side;
    let photo = load(&Path::new(env!("CARGO_MANIFEST_DIR")).join(PHOTO), Accept::TensorFlow)?;
    let input = weights.metadata().preprocess.input(&photo.picture, side);
    let threads = args.threads.unwrap_or_else(available_threads).get();
    let selection = Selection { backend: args.backend, device: args.device, batch: args.batch, ..Selection::default() };
    let engine = engine::open(&selection, &weights, &mut |line| eprintln!("{line}"))?;
    let (name, isa, device) = (engine.name(), engine.isa(), engine.device());
    let workers = engine.workers(threads);

    let duration = Duration::from_secs_f64(args.seconds);
    let rates: anyhow::Result<Vec<f64>> = thread::scope(|scope| {
        let workers: Vec<_> = (engine.forks(workers).into_iter())
            .map(|engine| scope.spawn(|| rate(engine, &ImageBatch::new(side, input.clone()), duration)))
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect()
    });
    let images_per_second: f64 = rates?.iter().sum();

    let architecture = weights.metadata().architecture;
    if args.json {
        let line = serde_json::json!({
            "engine": name, "isa": isa, "device": device, "model": architecture, "threads": threads, "images_per_second": images_per_second,
        });
        println!("{line}");
    } else {
        let engine = device.as_deref().or(isa).map_or(name.to_owned(), |detail| format!("{name} ({detail})"));
        println!("{architecture} on {engine}, {threads} threads: {images_per_second:.1} images/s");
    }
    Ok(())
}

/// Pictures per second of one worker.
fn rate(mut engine: Box<dyn FeatureExtractor>, picture: &ImageBatch, duration: Duration) -> anyhow::Result<f64> {
    for _ in 0..WARM_UP {
        engine.extract(picture.clone())?;
    }
    let start = Instant::now();
    let mut pictures = 0;
    while start.elapsed() < duration {
        engine.extract(picture.clone())?;
        pictures += 1;
    }
    Ok(f64::from(pictures) / start.elapsed().as_secs_f64())
}
