//! A few awkward samples of every operator, which together run every kernel: what `gyre doctor` tries on a
//! device. The tests under `kernels-tests/` try many more.

mod grrb_step;
mod int8;

use super::{
    Act, Activation, BatchNorm, BatchNormApply, BatchNormGrad, Binary, BinaryKind, Blur, Broadcast, Concat,
    ConfusionCounts, Conv2d, Conv2dWeightGrad, ConvTranspose2d, Dropout, FixedNorm, Geometry, Join, Keep,
    Linear, MatMul, Median, Noise, PatchGather, PatchGrid, PatchPaste, PatchScore, Polygon, Pool, PoolGrad,
    Reduce, Resize, ResizeGrad, SignedDistance, Slice, Softmax, TopK, Turn, WORDS, Warp, check::Sample,
    energy,
};
use crate::graph::{Array, Operator, Shape};

/// Two to seven samples of every operator, in the order of their names.
pub fn samples() -> Vec<Sample> {
    [
        activation(),
        batch_norm(),
        batch_norm_apply(),
        batch_norm_grad(),
        binary(),
        blur(),
        broadcast(),
        concat(),
        confusion(),
        conv2ds(),
        int8::conv2d_int8s(),
        conv2d_weight_grad(),
        conv_transpose2ds(),
        dropout(),
        energy::samples::samples(),
        grrb_step::grrb_steps(),
        linear(),
        matmul(),
        median(),
        noise(),
        patch_gather(),
        patch_paste(),
        patch_score(),
        polygon(),
        pool(),
        pool_grad(),
        int8::quantize(),
        reduce(),
        resize(),
        resize_grad(),
        signed_distance(),
        slice(),
        softmax(),
        top_k(),
        turn(),
        warp(),
    ]
    .concat()
}

pub use grrb_step::grrb_step;
pub use int8::conv2d_int8;

/// Three pictures of odd size with 13 channels: nothing divides anything.
const ODD: Shape = Shape::new(3, 5, 7, 13);
/// One number.
const TINY: Shape = Shape::SCALAR;

/// A convolution of `sources` to `out` channels, the weight and bias as parameters; forward only where a
/// batch norm is folded in.
pub fn conv2d(label: &str, op: Conv2d, sources: &[Shape], out: usize) -> Sample {
    let (g, x) = (op.geometry, sources[0]);
    let dense = g.groups == 1;
    let rows = if dense { sources.iter().map(|s| 4 * s.c4()).sum() } else { x.c / g.groups };
    let weight = sources.len();
    let mut shapes = sources.to_vec();
    shapes.push(Shape::new(g.kernel[0], g.kernel[1], rows, out));
    let mut params = vec![weight];
    if op.bias {
        params.push(shapes.len());
        shapes.push(Shape::channels(out));
    }
    let norm = op.norm.map(|_| shapes.len());
    if norm.is_some() {
        shapes.extend([Shape::channels(out); 4]);
    }
    if op.residual != Join::None {
        let [h, w] = g.output(x.h, x.w).unwrap_or_default();
        shapes.push(Shape { h, w, c: out, ..x });
    }
    let label = format!("{label}, {sources:?} to {out}, {g:?}");
    let mut sample = Sample::new(label, op, &shapes).params(&params);
    if dense {
        let channels: Vec<usize> = sources.iter().map(|s| s.c).collect();
        sample = sample.clear_padding_rows(weight, &channels);
    }
    match norm {
        Some(first) => sample.with(first + 3, positive).forward_only(),
        None => sample,
    }
}

/// A transposed convolution of x to `out` channels, the weight and bias as parameters.
pub fn conv_transpose2d(label: &str, op: ConvTranspose2d, x: Shape, out: usize) -> Sample {
    let g = op.geometry;
    let rows = if g.groups > 1 { out / g.groups } else { out.next_multiple_of(4) };
    let mut shapes = vec![x, Shape::new(g.kernel[0], g.kernel[1], rows, x.c)];
    let mut params = vec![1];
    if op.bias {
        shapes.push(Shape::channels(out));
        params.push(2);
    }
    let op = ConvTranspose2d { channels: out, ..op };
    if op.residual {
        let plain = ConvTranspose2d { residual: false, ..op.clone() };
        shapes.extend(plain.shapes(&shapes).unwrap_or_default());
    }
    let sample = Sample::new(format!("{label}, {op:?} {x} to {out}"), op, &shapes).params(&params);
    if g.groups == 1 { sample.clear_padding_rows(1, &[out]) } else { sample }
}

/// Variances.
fn positive(v: f64) -> f64 {
    v.abs() + 0.5
}

fn activation() -> Vec<Sample> {
    let of = |act: Act| Sample::new(act.name(), Activation::new(act), &[ODD]).with(0, |v| 4.0 * v);
    let far = Sample::new("far from zero", Activation::new(Act::Softplus), &[ODD]).with(0, |v| 60.0 * v);
    let mut all: Vec<Sample> = [Act::Relu6, Act::Hardswish, Act::Silu, Act::Tanh].map(of).into();
    all.push(far.forward_only());
    all
}

fn batch_norm() -> Vec<Sample> {
    let of = |train: bool, act: Act, join: Join, x: Shape| {
        let c = Shape::channels(x.c);
        let mut shapes = vec![x, c, c, c, c];
        shapes.extend((join != Join::None).then_some(x));
        let op = BatchNorm { act, join, ..BatchNorm::new(train, 1e-5, 0.1) };
        let label = format!("train {train}, {}, {join:?}, {x}", act.name());
        Sample::new(label, op, &shapes).params(&[1, 2]).constants(&[3, 4]).with(4, positive).rtol(2e-4)
    };
    let offset = of(true, Act::Identity, Join::None, Shape::new(2, 16, 16, 5));
    vec![
        of(true, Act::Relu, Join::Before, ODD),
        of(true, Act::Sigmoid, Join::After, Shape::new(3, 3, 4, 1)),
        of(false, Act::Identity, Join::None, Shape::new(3, 1, 1, 6)),
        offset.with(0, |v| v + 1000.0).rtol(1e-3).forward_only(),
    ]
}

fn batch_norm_apply() -> Vec<Sample> {
    let of = |act: Act, join: Join, x: Shape| {
        let c = Shape::channels(x.c);
        let mut shapes = vec![x, Shape::new(1, 1, 2, x.c), c, c];
        shapes.extend((join != Join::None).then_some(x));
        Sample::new(format!("{} {join:?}", act.name()), BatchNormApply { act, join }, &shapes).forward_only()
    };
    vec![of(Act::Relu, Join::Before, ODD), of(Act::Tanh, Join::After, TINY)]
}

fn batch_norm_grad() -> Vec<Sample> {
    let x = Shape::new(3, 4, 7, 6);
    let of = |train: bool, joined: bool| {
        let op = BatchNormGrad { train, act: Act::LeakyRelu(0.2), joined };
        let c = Shape::channels(x.c);
        let mut shapes = vec![x, x, Shape::new(1, 1, 2, x.c), c, c, c, c];
        shapes.extend(joined.then_some(x));
        Sample::new(format!("train {train}, joined {joined}"), op, &shapes).forward_only()
    };
    vec![of(true, false), of(true, true), of(false, false)]
}

fn binary() -> Vec<Sample> {
    let of = |kind: BinaryKind, b: Shape| Sample::new(format!("{kind:?} {b}"), Binary::new(kind), &[ODD, b]);
    vec![
        of(BinaryKind::Add, ODD).params(&[0, 1]),
        of(BinaryKind::Sub, Shape::new(3, 1, 1, 13)),
        of(BinaryKind::Mul, Shape::new(3, 5, 7, 1)),
        of(BinaryKind::Mul, Shape::channels(13)),
        of(BinaryKind::Add, Shape::SCALAR),
    ]
}

fn blur() -> Vec<Sample> {
    let of = |sigma: f32, across: bool, x: Shape| {
        Sample::new(format!("{sigma} {across} {x}"), Blur { sigma, across, scale: 1.5, each: false }, &[x])
            .forward_only()
    };
    vec![
        of(1.2, true, ODD),
        of(0.4, false, ODD),
        of(4.0, true, Shape::new(2, 3, 40, 2)),
        of(2.0, false, TINY),
        some(Blur { sigma: 2.0, across: true, scale: 1.0, each: true }, vec![0.0, 2.0, 0.6]),
    ]
}

/// An operator that treats each of three pictures by a number of its own.
fn some(op: impl Operator, numbers: Vec<f64>) -> Sample {
    let (x, each) = (Shape::new(3, 5, 9, 6), Shape::new(3, 1, 1, 1));
    let mut sample = Sample::new(format!("each of {x}"), op, &[x, each]).constants(&[1]).forward_only();
    sample.inputs[1].data = numbers;
    sample
}

fn confusion() -> Vec<Sample> {
    let of = |p: Shape| {
        let sample = Sample::new(p.to_string(), ConfusionCounts { threshold: 0.25 }, &[p, p.with_c(1)]);
        let classes = |v: f64| (v.abs() * 64.0).floor() % p.c.max(2) as f64;
        sample.with(1, classes).constants(&[0, 1]).forward_only()
    };
    vec![of(ODD), of(TINY), of(Shape::new(2, 20, 9, 1))]
}

fn median() -> Vec<Sample> {
    let of = |size: usize, x: Shape| {
        Sample::new(format!("{size} {x}"), Median { size, each: false }, &[x]).forward_only()
    };
    vec![of(3, ODD), of(3, TINY), of(5, ODD), some(Median { size: 3, each: true }, vec![0.0, 1.0, 0.0])]
}

fn signed_distance() -> Vec<Sample> {
    let of = |shape: Shape, skip_background: bool| {
        let op = SignedDistance { skip_background };
        let sample = Sample::new(format!("{shape} {skip_background}"), op, &[shape]);
        sample.with(0, |v| f64::from(v > 1.0)).forward_only()
    };
    vec![of(ODD, true), of(TINY, false), of(Shape::new(2, 20, 9, 1), false)]
}

fn noise() -> Vec<Sample> {
    let of = |shape: Shape, salt: u32| {
        let sample = Sample::new(format!("{shape} {salt}"), Noise { shape, salt }, &[WORDS]);
        sample.constants(&[0]).forward_only()
    };
    vec![of(ODD, 0), of(Shape::new(2, 9, 4, 2), 5), of(TINY, 1)]
}

/// Three pictures in 3x2 patches, of 11x13 pixels with padding below and to the right.
const GRID: PatchGrid = PatchGrid { cells: [3, 2], size: [11, 13] };

fn patch_gather() -> Vec<Sample> {
    let of = |window: [usize; 2], c: usize| {
        let shapes = [Shape::new(3, 12, 16, c), Shape::new(3, 1, 3, 1)];
        let op = PatchGather { grid: GRID, window };
        let mut sample = Sample::new(format!("{window:?} {c}"), op, &shapes).constants(&[1]).forward_only();
        sample.inputs[1].data = vec![5.0, 0.0, 3.0, 2.0, -1.0, 2.0, 1.0, 4.0, -1.0];
        sample
    };
    vec![of([4, 7], 1), of([8, 12], 6), of([12, 16], 3)]
}

fn patch_paste() -> Vec<Sample> {
    let of = |window: [usize; 2], blend: usize, c: usize, factor: usize| {
        let map = Shape::new(3, 12 / factor, 16 / factor, c);
        let shapes = [map, Shape::new(6, window[0], window[1], c), Shape::new(3, 3, 2, 1)];
        let label = format!("{window:?} {blend} {c} {factor}");
        let op = PatchPaste { grid: GRID, blend, factor };
        let mut sample = Sample::new(label, op, &shapes).constants(&[2]).forward_only();
        let ranks = [[-1, 0, -1, -1, 1, -1], [0, 1, -1, -1, -1, -1], [-1, -1, -1, 0, -1, -1]];
        sample.inputs[2].data = ranks.as_flattened().iter().copied().map(f64::from).collect();
        sample
    };
    vec![of([4, 7], 0, 1, 4), of([8, 12], 1, 6, 1), of([12, 16], 0, 3, 1), of([12, 16], 1, 6, 2)]
}

fn patch_score() -> Vec<Sample> {
    let of = |c: usize, of_means: bool, factor: usize| {
        let op = PatchScore { grid: GRID, of_means, factor };
        let sample = Sample::new(
            format!("{c} {of_means} {factor}"),
            op,
            &[Shape::new(3, 12 / factor, 16 / factor, c)],
        );
        sample.with(0, |v| 0.25 * v.abs()).forward_only()
    };
    vec![of(1, false, 1), of(1, true, 4), of(6, false, 2), of(6, true, 1)]
}

/// Scores in steps, so that many are equal.
fn top_k() -> Vec<Sample> {
    let of = |k: usize, at_least: Option<f32>, shape: Shape| {
        let sample = Sample::new(format!("{k} {at_least:?} {shape}"), TopK { k, at_least }, &[shape]);
        sample.with(0, f64::round).constants(&[0]).forward_only()
    };
    let scores = Shape::new(3, 5, 7, 1);
    vec![of(8, None, scores), of(35, Some(1.0), scores), of(1, None, TINY)]
}

/// A polygon with a dent, a circle, and a polygon that the border cuts.
fn polygon() -> Vec<Sample> {
    let of = |size: [usize; 2], channels: usize| {
        let figures = [
            [[5, 2], [1, 1], [6, 3], [11, 0], [9, 8], [2, 9]],
            [[0, 1], [7, 4], [3, 0], [0, 0], [0, 0], [0, 0]],
            [[3, 14], [-5, -2], [20, 3], [4, 30], [0, 0], [0, 0]],
        ];
        let shape = Shape::new(3, 1, 6, 2);
        let mut sample = Sample::new(format!("{size:?} {channels}"), Polygon { size, channels }, &[shape]);
        sample.inputs[0].data =
            figures.as_flattened().as_flattened().iter().copied().map(f64::from).collect();
        sample.constants(&[0]).forward_only()
    };
    vec![of([10, 13], 3), of([5, 7], 1)]
}

/// Pictures that are turned, sheared, tilted, enlarged and moved, some of them far beyond their borders.
fn warp() -> Vec<Sample> {
    let of = |bent: bool, classes: usize, x: Shape| {
        let moves = Shape::new(x.n, 1, 4, 4);
        let mut shapes = vec![x, x.with_c(classes), moves, WORDS];
        shapes.extend(bent.then_some(x.with_c(2)));
        let label = format!("bent {bent}, {classes} classes, {x}");
        let constants: Vec<usize> = (1..shapes.len()).collect();
        let mut sample =
            Sample::new(label, Warp { bent, salt: 3 }, &shapes).constants(&constants).forward_only();
        let [h, w] = [x.h as f64, x.w as f64];
        sample.inputs[2] = Array::from_fn(moves, |n, _, r, i| {
            let n = n as f64 + 1.0;
            let matrix = [
                [0.71, -0.53 * n, 0.31 * w * n, 0.0],
                [0.67, 0.79, -0.23 * h, 0.0],
                [0.11 * n / w, -0.07 / h, 1.0, 0.0],
                [1.0 + 0.1 * n, 0.2, 0.3, 0.37],
            ];
            f64::from(matrix[r][i] as f32)
        });
        sample
    };
    vec![of(false, 1, ODD), of(true, 5, Shape::new(2, 9, 11, 3)), of(true, 1, Shape::new(1, 1, 1, 1))]
}

fn broadcast() -> Vec<Sample> {
    let of = |x: Shape| Sample::new(format!("{x}"), Broadcast { to: ODD, scale: -0.5 }, &[x]);
    [Shape::new(3, 1, 1, 13), Shape::new(3, 5, 7, 1), Shape::channels(13), Shape::SCALAR].map(of).into()
}

fn concat() -> Vec<Sample> {
    let of = |channels: &[usize]| {
        let shapes: Vec<Shape> = channels.iter().map(|c| ODD.with_c(*c)).collect();
        Sample::new(format!("{channels:?}"), Concat, &shapes)
    };
    vec![of(&[8, 13]), of(&[1, 3, 2]), of(&[5, 4, 3, 2, 1, 1, 6])]
}

fn conv2ds() -> Vec<Sample> {
    let same = Geometry::square(3, 1, 1);
    let plain = Conv2d::new(same);
    let uneven =
        Geometry { pads: [0, 1, 2, 1], stride: [2, 1], dilation: [1, 2], ..Geometry::square(3, 1, 0) };
    let x = Shape::new(2, 7, 9, 5);
    let norm = |after: bool| Some(FixedNorm { eps: 1e-5, after });
    let before =
        Conv2d { bias: true, norm: norm(false), residual: Join::Before, act: Act::Silu, ..plain.clone() };
    let after = Conv2d { norm: norm(true), residual: Join::After, act: Act::Relu, ..plain.clone() };
    let two = Conv2d { sources: 2, bias: true, act: Act::Relu, ..plain.clone() };
    let residual = Conv2d { bias: true, residual: Join::Before, act: Act::Tanh, ..plain.clone() };
    // For every tile, and more than one of each.
    let wide = Conv2d { bias: true, act: Act::Relu, ..plain.clone() };
    vec![
        conv2d("dense", residual, &[x], 13),
        conv2d("uneven", Conv2d::new(uneven), &[x], 7),
        conv2d("one pixel", Conv2d { bias: true, ..plain }, &[Shape::new(3, 1, 1, 1)], 1),
        conv2d("two sources", two, &[x, x.with_c(3)], 6),
        conv2d("folded norm", before, &[x], 7),
        conv2d("folded norm and sum after", after, &[x], 7),
        conv2d("grouped", Conv2d::new(Geometry::square(3, 2, 1).grouped(3)), &[x.with_c(9)], 12),
        conv2d("depthwise", Conv2d { bias: true, ..Conv2d::new(same.grouped(13)) }, &[x.with_c(13)], 13),
        conv2d(
            "depthwise wide",
            Conv2d::new(Geometry::square(5, 2, 2).grouped(3)),
            &[Shape::new(2, 9, 70, 3)],
            3,
        ),
        conv2d("depthwise dilated", Conv2d::new(uneven.grouped(5)), &[x.with_c(5)], 5),
        conv2d("wide", wide, &[Shape::new(3, 6, 11, 34)], 130).forward_only(),
    ]
}

fn conv2d_weight_grad() -> Vec<Sample> {
    let of = |label: &str, geometry: Geometry, first_row: usize, rows: usize| {
        let (x, dy) = (Shape::new(2, 7, 9, 8), Shape::new(2, 7, 9, 8));
        let op = Conv2dWeightGrad { geometry, first_row };
        let [kh, kw] = geometry.kernel;
        Sample::new(label, op, &[x, dy, Shape::new(kh, kw, rows, 8)]).forward_only()
    };
    let same = Geometry::square(3, 1, 1);
    let wide = [Shape::new(2, 9, 11, 130), Shape::new(2, 5, 6, 70), Shape::new(3, 3, 132, 70)];
    let strided = Conv2dWeightGrad { geometry: Geometry::square(3, 2, 1), first_row: 0 };
    vec![
        Sample::new("wide", strided, &wide).forward_only(),
        of("second source", same, 12, 20),
        of("grouped", same.grouped(2), 0, 4),
        of("depthwise", same.grouped(8), 0, 1),
        of("one tap", Geometry::square(1, 1, 0), 0, 8),
    ]
}

fn conv_transpose2ds() -> Vec<Sample> {
    let of = |label: &str, geometry: Geometry, padding: [usize; 2], x: Shape, out: usize| {
        let op = ConvTranspose2d { bias: true, ..ConvTranspose2d::new(geometry, padding) };
        conv_transpose2d(label, op, x, out)
    };
    let odd = Geometry::square(3, 2, 1);
    let same = ConvTranspose2d::new(Geometry::square(3, 1, 1), [0, 0]);
    let residual = ConvTranspose2d { residual: true, act: Act::Tanh, ..same };
    vec![
        conv_transpose2d("residual", residual, Shape::new(2, 5, 6, 4), 13),
        of("doubling", Geometry::square(2, 2, 0), [0, 0], Shape::new(3, 1, 1, 9), 5),
        of("padded", odd, [1, 1], Shape::new(2, 5, 6, 4), 13),
        of("grouped", odd.grouped(2), [0, 0], Shape::new(2, 4, 5, 6), 4),
        of("depthwise", odd.grouped(5), [1, 1], Shape::new(2, 4, 6, 5), 5),
        of("wide", odd, [1, 1], Shape::new(2, 3, 5, 21), 70).forward_only(),
    ]
}

fn dropout() -> Vec<Sample> {
    let of = |p: f32, salt: u32, x: Shape| {
        Sample::new(format!("{p} of {x}"), Dropout::new(p, salt), &[x, WORDS]).constants(&[1])
    };
    let pictures = |p: f32, salt: u32, x: Shape| {
        let op = Dropout::of_pictures(p, salt);
        Sample::new(format!("{p} of pictures, {x}"), op, &[x, WORDS]).constants(&[1])
    };
    vec![
        of(0.5, 0, ODD),
        of(0.1, 3, Shape::new(2, 1, 1, 8)),
        of(0.9, 1, TINY),
        pictures(0.5, 0, Shape::new(7, 2, 3, 5)),
        pictures(0.2, 4, ODD),
    ]
}

fn linear() -> Vec<Sample> {
    let of = |bias: bool, act: Act, x: Shape, out: usize| {
        let shapes = [x, Shape::new(1, 1, x.c, out), Shape::channels(out)];
        let used = if bias { 3 } else { 2 };
        let label = format!("bias {bias}, {}, {x} to {out}", act.name());
        let params: Vec<usize> = (1..used).collect();
        Sample::new(label, Linear { bias, act }, &shapes[..used]).params(&params)
    };
    vec![
        of(true, Act::Relu, ODD, 10),
        of(false, Act::Identity, Shape::new(3, 1, 1, 6), 1),
        of(true, Act::Sigmoid, TINY, 13),
    ]
}

fn matmul() -> Vec<Sample> {
    let of = |a: [usize; 2], b: [usize; 2], ta: bool, tb: bool| {
        let shapes = [Shape::new(1, 1, a[0], a[1]), Shape::new(1, 1, b[0], b[1])];
        Sample::new(format!("{a:?} {b:?} {ta} {tb}"), MatMul::new(ta, tb), &shapes)
    };
    vec![
        of([6, 13], [13, 9], false, false),
        of([13, 6], [13, 9], true, false),
        of([6, 13], [9, 13], false, true).params(&[1]),
        of([13, 6], [9, 13], true, true),
        of([1, 1], [1, 1], false, false),
    ]
}

fn pool() -> Vec<Sample> {
    let of = |pool: Pool, x: Shape| Sample::new(format!("{pool:?} {x}"), pool, &[x]);
    vec![
        of(Pool::max(2, 2, 0), ODD),
        of(Pool::max(3, 2, 1), ODD),
        of(Pool::average(3, 2, 1), ODD),
        of(Pool::max(3, 2, 1), TINY),
    ]
}

fn pool_grad() -> Vec<Sample> {
    let ties = |pool: Pool| {
        let input = ODD;
        let y = pool.output(input).unwrap_or(input);
        let op = PoolGrad { pool, input };
        let mut sample = Sample::new(format!("ties {pool:?}"), op, &[y, input, y]).with(1, f64::round);
        sample.inputs[2] = pool.twin(&sample.inputs[1..2]).swap_remove(0);
        sample.forward_only()
    };
    vec![ties(Pool::max(2, 2, 0)), ties(Pool::max(3, 1, 1))]
}

fn reduce() -> Vec<Sample> {
    let of = |keep: Keep| Sample::new(format!("{keep:?}"), Reduce::mean(keep, ODD), &[ODD]);
    let mut all: Vec<Sample> =
        [Keep::Channels, Keep::PictureChannels, Keep::Pixels, Keep::Nothing].map(of).into();
    all.push(Sample::new("product", Reduce::sum_of_product(Keep::Channels), &[ODD, ODD]));
    all
}

fn resize() -> Vec<Sample> {
    let of = |op: Resize, x: Shape| Sample::new(format!("{op:?} {x}"), op, &[x]);
    vec![
        of(Resize::nearest([10, 3]), ODD),
        of(Resize::bilinear([10, 3], false), ODD),
        of(Resize::bilinear([3, 14], true), ODD),
        of(Resize::bilinear([2, 3], true), TINY),
    ]
}

fn resize_grad() -> Vec<Sample> {
    let of = |resize: Resize| {
        let [h, w] = resize.to;
        Sample::new(format!("{resize:?}"), ResizeGrad { resize, input: ODD }, &[Shape { h, w, ..ODD }])
    };
    vec![of(Resize::nearest([10, 3])), of(Resize::bilinear([10, 3], false))]
}

fn slice() -> Vec<Sample> {
    let of = |op: Slice, x: Shape| Sample::new(format!("{op:?}"), op, &[x]);
    vec![of(Slice::new(4..13), ODD), of(Slice::new(5..11), ODD), of(Slice::spread(2..3, 13), ODD.with_c(1))]
}

fn softmax() -> Vec<Sample> {
    let of = |op: Softmax, x: Shape| Sample::new(format!("{op:?} {x}"), op, &[x]);
    vec![
        of(Softmax::new(), ODD),
        of(Softmax::log(), ODD.with_c(2)),
        of(Softmax::new(), ODD.with_c(1)),
        of(Softmax::log(), ODD).with(0, |v| 5e3 * v).forward_only(),
    ]
}

fn turn() -> Vec<Sample> {
    let of = |op: Turn| Sample::new(format!("{op:?}"), op, &[ODD]);
    vec![of(Turn::by(1)), of(Turn { quarters: 3, mirrored: true })]
}
