//! Where the CPU engine's time goes: each kind of work in each block, in microseconds and GFLOP/s, for each ISA.
//!
//! `cargo bench --bench kernels [-- b0|lite0] [avx512|avx2|portable]`. Each figure is the least of many passes, so that
//! what else runs on the machine counts little; the sum of the parts holds a few per cent for the clock itself, the whole
//! pass above it does not. One multiply-add counts as two operations.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::env;
use std::time::{Duration, Instant};

use petrec::engine::cpu::profile::Part;
use petrec::engine::cpu::{CpuExtractor, Isa};
use petrec::engine::{FeatureExtractor, ImageBatch};
use petrec::model::{Convolution, Network, Weights, seeded_b0};

const PASSES: usize = 100;

fn main() {
    let wanted: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wants = |name: &str, all: &[&str]| wanted.iter().all(|arg| !all.contains(&arg.as_str()) || arg == name);
    for (name, weights) in [("b0", seeded_b0()), ("lite0", Weights::built_in_lite0().expect("whole weights"))] {
        for isa in Isa::ALL.into_iter().filter(|isa| isa.available()) {
            if wants(name, &["b0", "lite0"]) && wants(isa.name(), &Isa::ALL.map(Isa::name)) {
                measure(name, &weights, isa);
            }
        }
    }
}

fn measure(name: &str, weights: &Weights, isa: Isa) {
    let network = weights.network();
    // Any picture takes as long as any other: nothing in the network branches on a value.
    let picture: Vec<f32> = (0..network.side * network.side * 3).map(|at| (at % 251) as f32 / 125.0 - 1.0).collect();
    let mut engine = CpuExtractor::with_isa(weights, isa).expect("the engine opens");
    let mut whole = Duration::MAX;
    let mut least: BTreeMap<(usize, Part), Duration> = BTreeMap::new();
    for _ in 0..PASSES {
        let batch = ImageBatch::new(network.side, picture.clone());
        let start = Instant::now();
        engine.extract(batch).expect("the engine runs");
        whole = whole.min(start.elapsed());
        for (part, time) in engine.profile(&picture).times {
            least.entry(part).and_modify(|least| *least = time.min(*least)).or_insert(time);
        }
    }

    let work = work(&network);
    println!("\n{name} on {isa}: {:.2} ms per image and core", whole.as_secs_f64() * 1e3);
    println!("{:10} {:>15} {:>10} {:>9}", "block", "part", "us", "GFLOP/s");
    let mut totals: BTreeMap<Part, (Duration, f64)> = BTreeMap::new();
    for ((block, part), time) in &least {
        let flops = work.get(&(*block, *part)).copied().unwrap_or(0.0);
        let block = network.blocks.get(*block).map_or("head", |block| &block.name);
        print_row(block, *part, *time, flops);
        let total = totals.entry(*part).or_default();
        *total = (total.0 + *time, total.1 + flops);
    }
    for (part, (time, flops)) in totals {
        print_row("all", part, time, flops);
    }
}

fn print_row(block: &str, part: Part, time: Duration, flops: f64) {
    let rate = if flops > 0.0 { format!("{:.1}", flops / time.as_secs_f64() / 1e9) } else { String::new() };
    println!("{block:10} {:>15} {:10.1} {rate:>9}", format!("{part:?}"), time.as_secs_f64() * 1e6);
}

/// Floating-point operations of the convolutions, by block and part.
fn work(network: &Network) -> BTreeMap<(usize, Part), f64> {
    let flops =
        |conv: &Convolution, side: usize| 2.0 * (side * side * conv.weight_shape().iter().product::<usize>()) as f64;
    let mut work = BTreeMap::new();
    let mut side = network.side.div_ceil(network.stem.stride);
    for (number, block) in network.blocks.iter().enumerate() {
        let widen = if number == 0 { Some(&network.stem) } else { block.expand.as_ref() };
        work.insert((number, Part::Widen), widen.map_or(0.0, |conv| flops(conv, side)));
        side = side.div_ceil(block.depthwise.stride);
        work.insert((number, Part::Depthwise), flops(&block.depthwise, side));
        work.insert((number, Part::Project), flops(&block.project, side));
    }
    work.insert((network.blocks.len(), Part::Head), flops(&network.head, side));
    work
}
