//! Blocks of networks against their equations, summed up by hand.

use std::{collections::HashMap, sync::Arc};

use gyre::{
    Result,
    gpu::{Context, Select},
    graph::{Array, Graph, Plan, Session, Shape, Var, Weights},
    nn::{Net, eta, selective_kernel},
};

const SHAPE: Shape = Shape::new(2, 4, 5, 3);

/// A block in evaluation with drawn weights: its parameters, what it sees and what it makes of that.
struct Made {
    weights: HashMap<String, Vec<f64>>,
    x: Array,
    y: Vec<f32>,
}

fn made(block: impl FnOnce(&mut Net<'_>, Var) -> Result<Var>) -> Made {
    let context = Arc::new(Context::new(&Select::parse(None)).expect("a Vulkan, Metal or DX12 driver"));
    let mut graph = Graph::new();
    let input = graph.input("x", SHAPE);
    let output = block(&mut Net::new(&mut graph, false), input).unwrap();
    graph.output(output);
    let weights = Arc::new(Weights::new(&context, &graph, 5).unwrap());
    // Vectors are begun as zeros or ones, which would hide what they are for.
    for (name, shape, mut data) in weights.export().unwrap() {
        if shape.len() == 1 {
            data.iter_mut().enumerate().for_each(|(i, v)| *v += 0.1 + 0.2 * i as f32);
            weights.set(&name, &data).unwrap();
        }
    }
    let x =
        Array::from_fn(SHAPE, |n, y, x, c| f64::from(((7 * n + 3 * y + 5 * x + 2 * c) as f32 * 0.83).sin()));
    let session = Session::new(Plan::new(&graph, &context).unwrap(), &weights).unwrap();
    session.write(input, &x.data.iter().map(|v| *v as f32).collect::<Vec<_>>()).unwrap();
    session.run();
    let of =
        |(name, _, data): (String, Vec<usize>, Vec<f32>)| (name, data.into_iter().map(f64::from).collect());
    let weights = session.weights().export().unwrap().into_iter().map(of).collect();
    Made { weights, x, y: session.read(output).unwrap() }
}

impl Made {
    fn of(&self, name: &str) -> &[f64] {
        &self.weights[name]
    }

    /// A convolution of `k` by `k`, over all channels or, `alone`, each over itself.
    fn conv(&self, x: &Array, name: &str, k: usize, alone: bool) -> Array {
        let (w, b) = (self.of(&format!("{name}.weight")), self.of(&format!("{name}.bias")));
        let Shape { h, w: wide, c, .. } = x.shape;
        Array::from_fn(x.shape, |n, y, at, o| {
            let mut sum = b[o];
            for (i, j) in (0..k).flat_map(|i| (0..k).map(move |j| (i, j))) {
                let (row, column) = ((y + i).wrapping_sub(k / 2), (at + j).wrapping_sub(k / 2));
                for source in (0..c).filter(|s| row < h && column < wide && (!alone || *s == o)) {
                    let weight =
                        if alone { w[(o * k + i) * k + j] } else { w[((o * c + source) * k + i) * k + j] };
                    sum += weight * x.at(n, row, column, source);
                }
            }
            sum
        })
    }

    /// A 1x1 convolution of a number a picture and channel.
    fn matrix(&self, means: &[Vec<f64>], name: &str) -> Vec<Vec<f64>> {
        let (w, b) = (self.of(&format!("{name}.weight")), self.of(&format!("{name}.bias")));
        let of = |m: &Vec<f64>| {
            (0..b.len())
                .map(|o| b[o] + m.iter().enumerate().map(|(i, v)| w[o * m.len() + i] * v).sum::<f64>())
                .collect()
        };
        means.iter().map(of).collect()
    }

    fn check(&self, want: &Array) {
        let far = self.y.iter().zip(&want.data).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
        assert!(far < 1e-5, "{far}");
    }
}

fn map(shape: Shape, of: impl Fn(usize, usize, usize, usize) -> f64) -> Array {
    Array::from_fn(shape, of)
}

fn sigmoid(v: f64) -> f64 {
    1.0 / (1.0 + (-v).exp())
}

/// The mean of each picture's channels.
fn means(x: &Array) -> Vec<Vec<f64>> {
    let Shape { n, h, w, c } = x.shape;
    let mean = |n, c| (0..h * w).map(|i| x.at(n, i / w, i % w, c)).sum::<f64>() / (h * w) as f64;
    (0..n).map(|n| (0..c).map(|c| mean(n, c)).collect()).collect()
}

#[test]
fn efficient_temporal_attention_is_its_equation() {
    let made = made(|net, x| eta(net, x, 3));
    let (mut state, mut sum) = (made.x.clone(), Array::zeros(SHAPE));
    for _ in 0..3 {
        let step = made.conv(&made.conv(&state, "s.dw", 3, true), "s.pw", 1, false);
        state = map(SHAPE, |n, y, x, c| state.at(n, y, x, c) + step.at(n, y, x, c));
        let share = made.matrix(&means(&state), "attend");
        sum = map(SHAPE, |n, y, x, c| sum.at(n, y, x, c) + sigmoid(share[n][c]) * state.at(n, y, x, c));
    }
    made.check(&map(SHAPE, |n, y, x, c| made.x.at(n, y, x, c) + sum.at(n, y, x, c) / 3.0));
}

#[test]
fn the_selective_kernel_block_is_its_equation() {
    let made = made(selective_kernel);
    let [a, b] = [3, 5].map(|k| {
        let y = made.conv(&made.x, &format!("conv{k}"), k, false);
        Array { data: y.data.iter().map(|v| v.max(0.0)).collect(), ..y }
    });
    let both = map(SHAPE, |n, y, x, c| a.at(n, y, x, c) + b.at(n, y, x, c));
    let mut z = made.matrix(&means(&both), "squeeze.0");
    let [weight, bias, mean, var] =
        ["weight", "bias", "running_mean", "running_var"].map(|part| made.of(&format!("squeeze.1.{part}")));
    for (c, v) in z.iter_mut().flat_map(|z| z.iter_mut().enumerate()) {
        *v = (weight[c] * (*v - mean[c]) / (var[c] + 1e-5).sqrt() + bias[c]).max(0.0);
    }
    let [of_a, of_b] = ["select3", "select5"].map(|name| made.matrix(&z, name));
    made.check(&map(SHAPE, |n, y, x, c| {
        // A softmax over the two branches.
        let [to_a, to_b] = [of_a[n][c].exp(), of_b[n][c].exp()];
        (to_a * a.at(n, y, x, c) + to_b * b.at(n, y, x, c)) / (to_a + to_b)
    }));
}
