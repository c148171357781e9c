//! Times gyre, burn (wgpu) and meganeura on the same convolutions: one run, one adapter, runs interleaved.
//! Wall time from submission to the end of the work, medians; rates count the direct algorithm's operations.
//!
//! `cargo run --release -- [runs] [results.json]`, from this folder.

mod burn_engine;
mod gyre_engine;
mod meganeura_engine;

use std::time::Instant;

use serde_json::json;

/// A convolution of one picture, stride 1, padded to its size.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub channels: usize,
    pub size: usize,
    pub kernel: usize,
    pub depthwise: bool,
}

impl Shape {
    fn name(&self) -> String {
        let Self { channels: c, size, kernel: k, depthwise } = self;
        format!("{}{k}x{k} {c}->{c} at {size}", if *depthwise { "depthwise " } else { "" })
    }

    fn flops(&self) -> f64 {
        let seen = if self.depthwise { 1 } else { self.channels };
        (2 * self.size * self.size * self.channels * seen * self.kernel * self.kernel) as f64
    }
}

const SHAPES: [Shape; 5] = [
    Shape { channels: 64, size: 128, kernel: 3, depthwise: false },
    Shape { channels: 16, size: 128, kernel: 3, depthwise: false },
    Shape { channels: 128, size: 64, kernel: 3, depthwise: false },
    Shape { channels: 64, size: 128, kernel: 1, depthwise: false },
    Shape { channels: 64, size: 128, kernel: 3, depthwise: true },
];

/// A prepared computation that waits for its end.
pub type Run = Box<dyn FnMut()>;

/// Forward, and forward with both gradients; none where an engine does not have it.
pub struct Prepared {
    pub name: &'static str,
    pub forward: Option<Run>,
    pub both: Option<Run>,
}

/// Numbers that are not all alike.
pub fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 37 % 101) as f32 / 101.0 - 0.5).collect()
}

fn median(mut ms: Vec<f64>) -> f64 {
    ms.sort_by(f64::total_cmp);
    ms[ms.len() / 2]
}

/// Medians of `runs`, the computations taking turns; three runs each to warm up and tune.
fn times(all: &mut [&mut Run], runs: usize) -> Vec<f64> {
    all.iter_mut().for_each(|run| (0..3).for_each(|_| run()));
    let mut ms = vec![Vec::new(); all.len()];
    for _ in 0..runs {
        for (run, ms) in all.iter_mut().zip(&mut ms) {
            let began = Instant::now();
            run();
            ms.push(began.elapsed().as_secs_f64() * 1e3);
        }
    }
    ms.into_iter().map(median).collect()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let runs: usize = arguments.next().map_or(7, |text| text.parse().expect("a number of runs"));
    let path = arguments.next();
    let gyre = gyre_engine::Engine::new();
    println!("{}", gyre.adapter());
    println!("GFLOP/s, medians of {runs}: forward, forward with both gradients");
    let mut rows = Vec::new();
    for shape in SHAPES {
        let mut engines =
            [gyre.prepare(shape), burn_engine::prepare(shape), meganeura_engine::prepare(shape)];
        println!("{}", shape.name());
        let mut row = json!({ "shape": shape.name() });
        for (pass, factor) in [("forward", 1.0), ("both", 3.0)] {
            let (names, mut computations): (Vec<_>, Vec<_>) = engines
                .iter_mut()
                .filter_map(|e| {
                    let run = if pass == "forward" { &mut e.forward } else { &mut e.both };
                    run.as_mut().map(|run| (e.name, run))
                })
                .unzip();
            let rates: Vec<f64> = times(&mut computations, runs)
                .into_iter()
                .map(|ms| factor * shape.flops() / ms * 1e-6)
                .collect();
            let best = names.iter().zip(&rates).skip(1).map(|(_, rate)| *rate).fold(0.0, f64::max);
            let shown: Vec<String> = names.iter().zip(&rates).map(|(n, r)| format!("{n} {r:.2}")).collect();
            println!("  {pass:8} {}   gyre is {:.2} times the better", shown.join("  "), rates[0] / best);
            row[pass] = names.iter().zip(&rates).map(|(n, r)| (n.to_string(), json!(r))).collect();
        }
        rows.push(row);
    }
    if let Some(path) = path {
        let text =
            serde_json::to_string_pretty(&json!({ "adapter": gyre.adapter(), "runs": runs, "rows": rows }));
        std::fs::write(&path, text.expect("plain numbers")).unwrap_or_else(|e| panic!("{path}: {e}"));
    }
}
