//! Samples of the operators in integers of eight bits.

use super::{ODD, Sample, TINY, positive};
use crate::{
    graph::{Array, Shape},
    ops::{Act, Conv2dInt8, Geometry, Int8, Join, Quantize},
};

/// Scales are powers of two and numbers multiples of their quarters, so that f32 is exact, ties too.
pub(super) fn quantize() -> Vec<Sample> {
    let of = |zero: i8, x: Shape| {
        let op = Quantize { to: Int8 { scale: 1.0 / 64.0, zero } };
        Sample::new(format!("{zero} {x}"), op, &[x]).with(0, |v| (v * 200.0).round() / 128.0).forward_only()
    };
    vec![of(-128, ODD), of(0, TINY), of(17, Shape::new(2, 3, 9, 5))]
}

/// A convolution of integers; where the result is of integers too, scale and shift are such that f32 is exact.
pub fn conv2d_int8(label: &str, op: Conv2dInt8, sources: &[Shape]) -> Sample {
    let (g, count, out) = (op.geometry, sources.len(), op.channels);
    let weight = op.weight_shape(sources);
    let mut shapes = sources.to_vec();
    shapes.extend([weight, Shape::channels(out), Shape::channels(out)]);
    let norm = shapes.len();
    if op.norm_after.is_some() {
        shapes.extend([Shape::channels(out); 4]);
    }
    if op.residual != Join::None {
        let [h, w] = g.output(sources[0].h, sources[0].w).unwrap_or_default();
        shapes.push(Shape { h, w, c: out, ..sources[0] });
    }
    let (normed, exact, joined) = (op.norm_after.is_some(), op.out.is_some(), op.residual != Join::None);
    let label = format!("{label}, {sources:?} to {out}, {g:?}");
    let constants: Vec<usize> = (0..norm).collect();
    let mut sample = Sample::new(label, op, &shapes).constants(&constants).forward_only();
    let integer = |v: f64| (v * 64.0).round().clamp(-128.0, 127.0);
    for input in 0..=count {
        sample = sample.with(input, integer);
    }
    sample.inputs[count] = cleared(&sample.inputs[count], sources, out, g.groups > 1);
    let step = |v: f64| (v * 32.0).round() / 32.0;
    sample = match exact {
        true => {
            sample.with(count + 1, |v| if v < 0.0 { 1.0 / 512.0 } else { 1.0 / 1024.0 }).with(count + 2, step)
        }
        false => sample.with(count + 1, |v| v / 1024.0),
    };
    if exact && joined {
        sample = sample.with(shapes.len() - 1, step);
    }
    if normed { sample.with(norm + 3, positive) } else { sample }
}

/// A weight whose padding is zero, as quantization leaves it.
fn cleared(weight: &Array, sources: &[Shape], out: usize, depthwise: bool) -> Array {
    if depthwise {
        return weight.clone();
    }
    let real: Vec<bool> = sources.iter().flat_map(|s| (0..4 * s.c4()).map(|i| i < s.c)).collect();
    Array::from_fn(weight.shape, |ky, kx, row, k| {
        if real[4 * row + k % 4] && k / 4 < out { weight.at(ky, kx, row, k) } else { 0.0 }
    })
}

pub(super) fn conv2d_int8s() -> Vec<Sample> {
    let x = Shape::new(2, 7, 9, 5);
    let same = Geometry::square(3, 1, 1);
    let uneven =
        Geometry { pads: [0, 1, 2, 1], stride: [2, 1], dilation: [1, 2], ..Geometry::square(3, 1, 0) };
    let plain = |out: usize| Conv2dInt8::new(same, out, &[-128]);
    let to = Some(Int8 { scale: 0.25, zero: -100 });
    let two = Conv2dInt8 { act: Act::Relu, ..Conv2dInt8::new(same, 6, &[-128, 40]) };
    let before = Conv2dInt8 { residual: Join::Before, act: Act::LeakyRelu(0.25), out: to, ..plain(13) };
    let after = Conv2dInt8 { norm_after: Some(1e-5), residual: Join::After, act: Act::Relu, ..plain(7) };
    let depthwise = |g: Geometry, c: usize| Conv2dInt8::new(g.grouped(c), c, &[-128]);
    vec![
        conv2d_int8("dense", plain(13), &[x]),
        conv2d_int8("one pixel", plain(1), &[Shape::new(3, 1, 1, 1)]),
        conv2d_int8("uneven", Conv2dInt8::new(uneven, 7, &[31]), &[x]),
        conv2d_int8("two sources", two, &[x, x.with_c(3)]),
        conv2d_int8("to integers", before, &[x]),
        conv2d_int8("norm and sum after", after, &[x]),
        conv2d_int8("wide", plain(34), &[Shape::new(1, 5, 11, 70)]),
        conv2d_int8(
            "depthwise",
            Conv2dInt8 { act: Act::Relu6, out: to, ..depthwise(same, 13) },
            &[x.with_c(13)],
        ),
        conv2d_int8("depthwise strided", depthwise(uneven, 5), &[x]),
    ]
}
