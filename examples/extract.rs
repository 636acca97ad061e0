//! The features of pictures, without any file of records:
//! `cargo run --release --example extract -- examples/photos/Cat/chelsea.jpg`.

#![expect(clippy::print_stdout, reason = "an example shows what it finds")]

use std::env;
use std::error::Error;
use std::path::Path;

use petrec::engine::{self, ImageBatch, Pool, Selection};
use petrec::image::{self, Accept};
use petrec::model::Weights;

fn main() -> Result<(), Box<dyn Error>> {
    let weights = Weights::built_in_lite0()?;
    let side = weights.network().side;
    // A GPU if there is one, else the processor.
    let mut engine = engine::open(&Selection::default(), &weights, &mut |line| eprintln!("{line}"))?;

    for path in env::args_os().skip(1) {
        let picture = match image::load(Path::new(&path), Accept::TensorFlow) {
            Ok(loaded) => loaded.picture,
            Err(rejection) => {
                eprintln!("{}: {rejection}", path.display());
                continue;
            }
        };
        let input = weights.metadata().preprocess.input(&picture, side);
        let features = engine.extract(ImageBatch::new(side, input))?;
        let [_, _, channels] = features.shape;

        // A vector of 1,280 numbers, as a classifier or a search for similar pictures takes it.
        let vector = Pool::Avg.apply(features.data, channels);
        let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        let start: Vec<String> = vector.iter().take(4).map(|value| format!("{value:.3}")).collect();
        println!("{}: {} values, norm {norm:.3}: {} ...", path.display(), vector.len(), start.join(" "));
    }
    Ok(())
}
