//! `petrec devices`: what there is to compute on, and whether it computes the right thing.

use std::io::{self, Write};

use serde::Serialize;

use super::args::{Devices, Global};
use super::stdout::stdout;
use super::{Outcome, say_note};
use crate::engine::{self, Adapter, Precision};
use crate::model::{Weights, seeded_b0};
use crate::text::{bytes, one_line};
use crate::util::parallel::available_threads;

/// Everything that features can be computed on.
#[derive(Serialize)]
struct List {
    processor: Processor,
    adapters: Vec<Tried>,
    /// The number of the adapter that `--backend auto` takes; none where it takes the processor.
    auto: Option<usize>,
}

/// petrec's own engine.
#[derive(Serialize)]
struct Processor {
    /// Its instructions; none where it is not built in.
    isa: Option<&'static str>,
    cores: usize,
}

/// An adapter, and what came of trying it.
#[derive(Serialize)]
struct Tried {
    #[serde(flatten)]
    adapter: Adapter,
    checks: Vec<Check>,
    /// Why it is of no use, if it is not.
    problem: Option<String>,
}

/// One size of batch that was tried.
#[derive(Serialize)]
struct Check {
    batch: usize,
    /// Difference from the processor's features, relative.
    error: f64,
    /// Time until the first batch was through.
    first_seconds: f64,
    seconds_per_image: f64,
}

pub(super) fn run(command: &Devices, global: &Global) -> anyhow::Result<Outcome> {
    let weights = seeded_b0();
    let processor = Processor { isa: engine::open_processor(&weights)?.isa(), cores: available_threads().get() };
    let adapters = engine::adapters();
    let auto = engine::best_hardware(&adapters).map(|adapter| adapter.index);
    let precision = global.precision.unwrap_or_default();
    let is_wanted = |adapter: &Adapter| global.device.as_ref().is_none_or(|wanted| wanted.is(adapter));
    let adapters = adapters
        .into_iter()
        .filter(is_wanted)
        .map(|adapter| Tried::new(adapter, &weights, precision, global))
        .collect();
    let list = List { processor, adapters, auto };

    let mut out = stdout();
    if command.json {
        out.json(&list)?;
    } else {
        print(&mut out, &list)?;
    }
    let is_useless = list.adapters.iter().any(|tried| tried.problem.is_some());
    Ok(if is_useless { Outcome::Failed } else { Outcome::Done })
}

impl Tried {
    fn new(adapter: Adapter, weights: &Weights, precision: Precision, global: &Global) -> Self {
        if cfg!(feature = "autotune") {
            say_note(
                &format!("trying which kernels are the fastest on {adapter}: the first time that can take minutes"),
                global,
            );
        }
        let mut tried = Self { adapter, checks: Vec::new(), problem: None };
        if let Err(problem) = tried.check(weights, precision) {
            tried.problem = Some(problem);
        }
        tried
    }

    #[cfg(feature = "wgpu")]
    fn check(&mut self, weights: &Weights, precision: Precision) -> Result<(), String> {
        use std::num::NonZero;

        use crate::engine::gpu::{GpuExtractor, self_check};

        // A device that is the processor takes half a minute for 32 pictures, and tells nothing more.
        let batches: &[usize] = if self.adapter.kind.is_hardware() { &[1, 32] } else { &[1] };
        for &batch in batches {
            let mut engine = GpuExtractor::new(weights, self.adapter.clone(), NonZero::new(batch), precision)
                .map_err(|error| error.to_string())?;
            let check = self_check(&mut engine, weights).map_err(|error| error.to_string())?;
            let seconds_per_image = check.batch.as_secs_f64() / batch as f64;
            let first_seconds = check.first.as_secs_f64();
            self.checks.push(Check { batch, error: check.error, first_seconds, seconds_per_image });
        }
        Ok(())
    }

    #[cfg(not(feature = "wgpu"))]
    fn check(&mut self, _: &Weights, _: Precision) -> Result<(), String> {
        Err("this petrec was built without the engine 'wgpu'".into())
    }
}

fn print(out: &mut impl Write, list: &List) -> io::Result<()> {
    let Processor { isa, cores } = list.processor;
    let is_taken = |auto: Option<usize>| if list.auto == auto { ", taken by --backend auto" } else { "" };
    writeln!(out, "processor, {cores} cores{}", is_taken(None))?;
    writeln!(out, "  engine      {}", isa.map_or("flex".to_owned(), |isa| format!("cpu ({isa})")))?;
    if list.adapters.is_empty() {
        let problem = if cfg!(feature = "wgpu") { "no GPU was found" } else { "this petrec was built without 'wgpu'" };
        writeln!(out, "\ndevice      {problem}")?;
    }
    list.adapters.iter().try_for_each(|tried| print_adapter(out, tried, is_taken(Some(tried.adapter.index))))
}

fn print_adapter(out: &mut impl Write, tried: &Tried, is_taken: &str) -> io::Result<()> {
    let Adapter { index, name, kind, api, driver, max_buffer, max_binding, .. } = &tried.adapter;
    let hint = if kind.is_hardware() { "" } else { ", computes on the processor: used only when asked for" };
    writeln!(out, "\ndevice {index}, {}{is_taken}", one_line(name))?;
    writeln!(out, "  kind        {}, through {api}{hint}", kind.name())?;
    writeln!(
        out,
        "  driver      {}",
        if driver.is_empty() { "does not tell".into() } else { one_line(driver).to_string() }
    )?;
    writeln!(out, "  limits      buffers of {}, of which a kernel sees {}", bytes(*max_buffer), bytes(*max_binding))?;
    for Check { batch, error, first_seconds, seconds_per_image } in &tried.checks {
        let rate = 1.0 / seconds_per_image;
        writeln!(
            out,
            "  batch {batch:<5} right ({error:.1e} off), {rate:.1} images/s, first batch {first_seconds:.1} s"
        )?;
    }
    tried.problem.iter().try_for_each(|problem| writeln!(out, "  unusable    {}", one_line(problem)))
}
