//! Times gyre, burn (wgpu) and meganeura on the same convolutions and the same small U-Net: one run, one
//! adapter, runs interleaved. Wall time from submission to the end of the work, medians; rates count the
//! direct algorithm's operations. An engine is timed only where it computes what gyre computes.
//!
//! `cargo run --release -- [runs] [results.json] [part of a case's name]`, from this folder.

mod burn_engine;
mod cases;
mod gyre_engine;
mod meganeura_engine;

use std::time::Instant;

use cases::{CASES, Case, Pass};
use serde_json::{Value, json};

/// A pass of a case, ready to run.
pub trait Computation {
    /// Runs it once and waits for its end.
    fn run(&mut self);

    /// What the last run made, as PyTorch lays it out: the output, and for a convolution's training pass the
    /// gradients of input and weights; after a network's step its parameters, layer by layer.
    fn results(&mut self) -> Vec<Vec<f32>>;
}

/// The computation, or what the engine lacks for it.
pub type Prepared = Result<Box<dyn Computation>, String>;

/// An engine's name and how it prepares a pass.
type Engine<'a> = (&'static str, &'a dyn Fn(&Case, Pass) -> Prepared);

/// Engines may differ by this part of the largest number of a tensor.
const TOLERANCE: f32 = 1e-3;

/// What came of a pass.
struct Outcome {
    /// Engines that ran, gyre first, with their median milliseconds.
    ms: Vec<(&'static str, f64)>,
    /// Engines that did not, and why.
    without: Vec<(&'static str, String)>,
    /// Largest difference from gyre's numbers among those that ran.
    apart: f32,
}

/// Runs every engine once, compares, and times those that agree.
fn measure(case: &Case, pass: Pass, engines: &[Engine<'_>], runs: usize) -> Outcome {
    let (mut able, mut without, mut apart) = (Vec::new(), Vec::new(), 0.0_f32);
    let mut reference = None;
    for (name, prepare) in engines {
        let agreed = prepare(case, pass).and_then(|mut computation| {
            computation.run();
            let results = case.compared(pass, computation.results());
            // gyre comes first.
            let by = difference(reference.get_or_insert_with(|| results.clone()), &results);
            // NaN agrees with nothing.
            let agrees = by <= TOLERANCE;
            agrees.then_some((computation, by)).ok_or(format!("it differs from gyre by {by:.1e}"))
        });
        match agreed {
            Ok((computation, by)) => {
                able.push((*name, computation));
                apart = apart.max(by);
            }
            Err(reason) => without.push((*name, reason)),
        }
    }
    let ms = times(&mut able, runs);
    Outcome { ms: able.iter().map(|(name, _)| *name).zip(ms).collect(), without, apart }
}

/// The largest difference of two engines' tensors as a part of the tensor's largest number.
fn difference(a: &[Vec<f32>], b: &[Vec<f32>]) -> f32 {
    assert!(a.iter().map(Vec::len).eq(b.iter().map(Vec::len)), "tensors of the same sizes");
    let of_one = |(a, b): (&Vec<f32>, &Vec<f32>)| {
        largest(a.iter().zip(b).map(|(a, b)| a - b)) / largest(a.iter().copied())
    };
    largest(a.iter().zip(b).map(of_one))
}

/// The largest absolute value; NaN if there is one.
fn largest(numbers: impl Iterator<Item = f32>) -> f32 {
    numbers.map(f32::abs).max_by(f32::total_cmp).unwrap_or(0.0)
}

/// Median milliseconds of `runs`, the computations taking turns; three runs each to warm up and tune.
fn times(all: &mut [(&str, Box<dyn Computation>)], runs: usize) -> Vec<f64> {
    all.iter_mut().for_each(|(_, computation)| (0..3).for_each(|_| computation.run()));
    let mut ms = vec![Vec::new(); all.len()];
    for _ in 0..runs {
        for ((_, computation), ms) in all.iter_mut().zip(&mut ms) {
            let began = Instant::now();
            computation.run();
            ms.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    ms.into_iter().map(median).collect()
}

fn median(mut ms: Vec<f64>) -> f64 {
    ms.sort_by(f64::total_cmp);
    ms[ms.len() / 2]
}

impl Outcome {
    /// Prints a line, and one for each engine that did not run; adds the pass to a row of the results.
    fn report(&self, case: &Case, pass: Pass, row: &mut Value) {
        let flops = case.flops(pass);
        let rates: Vec<f64> = self.ms.iter().map(|(_, ms)| flops / ms * 1e-6).collect();
        let named = || self.ms.iter().map(|(name, _)| *name).zip(&rates);
        let shown: Vec<String> = named().map(|(name, rate)| format!("{name} {rate:.2}")).collect();
        let best = rates.iter().skip(1).copied().reduce(f64::max);
        let ratio = best.map(|best| format!("gyre is {:.2} times the better, ", rates[0] / best));
        let name = case.pass_name(pass);
        println!("  {name:8} {}   {}apart {:.0e}", shown.join("  "), ratio.unwrap_or_default(), self.apart);
        for (engine, reason) in &self.without {
            println!("           without {engine}: {reason}");
        }
        row[name] = named().map(|(name, rate)| (name.to_string(), json!(rate))).collect();
        row[format!("{name} ms")] = self.ms.iter().map(|(name, ms)| (name.to_string(), json!(ms))).collect();
        row[format!("{name} without")] =
            self.without.iter().map(|(name, reason)| (name.to_string(), json!(reason))).collect();
        row[format!("{name} apart")] = json!(self.apart);
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runs: usize = arguments.next().map_or(7, |text| text.parse().expect("a number of runs"));
    let path = arguments.next();
    let part = arguments.next().unwrap_or_default();
    let gyre = gyre_engine::Engine::new();
    println!("{}", gyre.adapter());
    println!("GFLOP/s, medians of {runs}: forward; both: with both gradients; step: of gradient descent");
    let engines: [Engine<'_>; 3] = [
        ("gyre", &|case, pass| gyre.prepare(case, pass)),
        ("burn", &burn_engine::prepare),
        ("meganeura", &meganeura_engine::prepare),
    ];
    let mut rows = Vec::new();
    for case in CASES.into_iter().filter(|case| case.name().contains(&part)) {
        println!("{}", case.name());
        let mut row = json!({ "shape": case.name() });
        for pass in [Pass::Forward, Pass::Training] {
            measure(&case, pass, &engines, runs).report(&case, pass, &mut row);
        }
        rows.push(row);
    }
    if let Some(path) = path {
        let text =
            serde_json::to_string_pretty(&json!({ "adapter": gyre.adapter(), "runs": runs, "rows": rows }));
        std::fs::write(&path, text.expect("plain numbers")).unwrap_or_else(|e| panic!("{path}: {e}"));
    }
}
