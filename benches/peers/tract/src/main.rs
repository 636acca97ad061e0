//! Times one network in tract: `--threads` threads, each with a state of its own and whole batches to work on, which is
//! tract's fastest arrangement on a few cores. Speaks the protocol of `../workers/common.py`.

use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

const SIDE: usize = 224;
const GRID: usize = 7;
const CHANNELS: usize = 1280;
const PICTURE: usize = SIDE * SIDE * 3;

fn main() -> TractResult<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let argument = |name: &str| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|i| arguments.get(i + 1)).ok_or_else(|| TractError::msg(format!("{name} is missing")))
    };
    let batch: usize = argument("--batch")?.parse()?;
    let threads: usize = argument("--threads")?.parse()?;
    let seconds = Duration::from_secs_f64(argument("--seconds")?.parse()?);

    let model = tract_onnx::onnx().model_for_path(argument("--model")?)?;
    let channels_first = model.input_fact(0)?.shape.dim(1).and_then(|d| d.concretize()) == Some(3.to_dim());
    let pictures = pictures(&std::fs::read(argument("--inputs")?)?, channels_first);
    let shape = if channels_first { [batch, 3, SIDE, SIDE] } else { [batch, SIDE, SIDE, 3] };
    let plan = model.with_input_fact(0, f32::fact(shape).into())?.into_optimized()?.into_runnable()?;
    let values: Vec<f32> = pictures.iter().cycle().take(batch * PICTURE).copied().collect();
    let input = Tensor::from_shape(&shape, &values)?;

    let features = plan.run(tvec!(input.clone().into()))?.remove(0);
    std::fs::write(argument("--check")?, first_feature(&features)?)?;
    let start_seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() - started();
    run_for(&plan, &input, threads, Duration::from_secs(1))?;
    println!(r#"{{"ready": true, "start_seconds": {start_seconds}}}"#);
    std::io::stdout().flush()?;
    std::io::stdin().lock().read_line(&mut String::new())?;

    let begin = Instant::now();
    let batches = run_for(&plan, &input, threads, seconds)?;
    let images = batches * batch as u64;
    println!(r#"{{"images": {images}, "seconds": {}}}"#, begin.elapsed().as_secs_f64());
    Ok(())
}

/// Runs batches on every thread until the time is over; returns how many were finished.
fn run_for(plan: &std::sync::Arc<TypedRunnableModel>, input: &Tensor, threads: usize, time: Duration) -> TractResult<u64> {
    let finished = AtomicU64::new(0);
    let end = Instant::now() + time;
    std::thread::scope(|scope| {
        let work = || -> TractResult<()> {
            let mut state = plan.spawn()?;
            while Instant::now() < end {
                state.run(tvec!(input.clone().into()))?;
                finished.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker panicked"))
    })?;
    Ok(finished.into_inner())
}

/// Little-endian f32 pictures, H x W x 3, 0..=255; for a channels-first network (here: Lite0 out of torch) as
/// 3 x H x W of `(x - 127) / 128`.
fn pictures(bytes: &[u8], channels_first: bool) -> Vec<f32> {
    let values: Vec<f32> = bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    if !channels_first {
        return values;
    }
    let planes = |picture: &[f32]| -> Vec<f32> {
        (0..3).flat_map(|c| picture.iter().skip(c).step_by(3).map(|x| (x - 127.0) / 128.0)).collect()
    };
    values.chunks_exact(PICTURE).flat_map(planes).collect()
}

/// The first picture's feature in H, W, C order, as little-endian bytes.
fn first_feature(features: &Tensor) -> TractResult<Vec<u8>> {
    let view = features.to_plain_array_view::<f32>()?;
    let channels_first = features.shape()[1] == CHANNELS;
    let mut bytes = Vec::with_capacity(GRID * GRID * CHANNELS * 4);
    for y in 0..GRID {
        for x in 0..GRID {
            for c in 0..CHANNELS {
                let value = if channels_first { view[[0, c, y, x]] } else { view[[0, y, x, c]] };
                bytes.extend_from_slice(&value.to_le_bytes());
            }
        }
    }
    Ok(bytes)
}

/// When the process was started, in seconds since 1970, as the one who started it says.
fn started() -> f64 {
    std::env::var("PEERS_STARTED").ok().and_then(|s| s.parse().ok()).unwrap_or(f64::NAN)
}
