use std::time::Duration;

use meganeura::{Graph, TuneOptions, build_inference_session};

use crate::{Prepared, Run, Shape, numbers};

pub fn prepare(s: Shape) -> Prepared {
    // It has no gradient of depthwise convolutions.
    let both = (!s.depthwise).then(|| run(s, true));
    Prepared { name: "meganeura", forward: Some(run(s, false)), both }
}

fn run(s: Shape, gradients: bool) -> Run {
    let (c, size, k, pad) = (s.channels as u32, s.size as u32, s.kernel as u32, s.kernel as u32 / 2);
    let picture = s.channels * s.size * s.size;
    let weight = s.kernel * s.kernel * s.channels * if s.depthwise { 1 } else { s.channels };
    let mut g = Graph::new();
    let x = g.input("x", &[picture]);
    let w = g.parameter("w", &[weight]);
    let y = if s.depthwise {
        g.conv2d_dw(x, w, 1, c, size, size, k, k, 1, pad, pad)
    } else {
        g.conv2d(x, w, 1, c, size, size, c, k, k, 1, pad)
    };
    let mut outputs = vec![y];
    if gradients {
        let dy = g.input("dy", &[picture]);
        outputs.push(g.conv2d_grad_input(dy, w, 1, c, size, size, c, k, k, 1, pad, pad));
        outputs.push(g.conv2d_grad_weight(dy, x, c, size, size, c, k, k, 1, pad, pad));
    }
    g.set_outputs(outputs);
    let mut session = build_inference_session(&g);
    session.set_input("x", &numbers(picture));
    session.set_parameter("w", &numbers(weight));
    if gradients {
        session.set_input("dy", &numbers(picture));
    }
    session.step();
    session.wait();
    // Its own search for tiles; a shape that it does not tune stays as it is.
    let _ = session.tune_with(TuneOptions { max_time: Duration::from_secs(10), ..TuneOptions::default() });
    Box::new(move || {
        session.step();
        session.wait();
    })
}
