//! Edges by the curvature of a picture.

use crate::{
    Error, Result,
    gpu::{Variant, Word},
    graph::{Access, Array, Backward, Cost, Lowering, Operator, Shape, Var},
};

/// The response of Frangi's filter, as the Hessian filter of scikit-image gives it: low on dark ridges, else 1. Input
/// x `[N, H, W, C]`, C = 3 colours or C = 1; output `[N, H, W, 1]`, above 0 and up to 1.
///
/// The picture becomes grey (0.299 R + 0.587 G + 0.114 B), is blurred by a Gaussian of 5 x 5 pixels and deviation 10
/// with zeros around the picture, and is differentiated twice, by central differences inside and one-sided ones at
/// borders (along an axis of one pixel it is flat). Of the eigenvalues l1, l2 of the Hessian, |l1| <= |l2|,
/// `R = |l1| / max(l2, 1e-10)`, `S = sqrt(l1^2 + l2^2)`, `gamma = max(S) / 2` over the picture, and the response is
/// `v = exp(-2 R^2) (1 - exp(-S^2 / (2 gamma^2)))`, or 1 where v is not positive. What f32 cannot tell from zero beside
/// 1, v < 2^-24, counts as that. Where S is 0 so is v, hence a flat picture, whose gamma is 0, is 1 all over. Of
/// equal |l| the positive one is l2. Of bright ridges (l2 < 0) R is beyond all bounds, but where l1 is zero to ten
/// places, as along straight edges of shapes: there they count as dark ones do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frangi;

/// Deviation of the blur, pixels.
const SIGMA: f64 = 10.0;
/// Pixels to each side that the blur sees.
const RADIUS: isize = 2;
/// Smallest divisor of R.
const LEAST: f64 = 1e-10;
/// Weights of the three colours.
const GREY: [f64; 3] = [0.299, 0.587, 0.114];
/// Responses below this are none.
const NONE: f64 = 1.0 / (1 << 24) as f64;
/// Workgroups that look for the largest S of a picture at most.
const SHARES: usize = 64;

/// Weights of the blur along one axis, from its middle on; both sides sum to 1.
fn weights() -> [f64; 3] {
    let raw = [0, 1, 2].map(|d: i32| (-0.5 * (f64::from(d) / SIGMA).powi(2)).exp());
    let whole = raw[0] + 2.0 * (raw[1] + raw[2]);
    raw.map(|w| w / whole)
}

impl Frangi {
    /// Adds a blur along one axis of `x` into `y`, made grey first where it has three channels.
    fn smooth(l: &mut Lowering<'_>, x: Var, y: Var, grey: bool, across: bool) {
        let shape = l.input_shape(0);
        let [middle, near, far] = weights().map(|w| Word::from(w as f32));
        let int = |v: usize| Word::I(v as i32);
        let params = vec![
            ("size", shape.pixels().into()),
            ("h", int(shape.h)),
            ("w", int(shape.w)),
            ("across", int(across.into())),
            ("middle", middle),
            ("near", near),
            ("far", far),
        ];
        let variant = Variant::new("energy/frangi/smooth").feature("grey", grey);
        l.dispatch(variant, params, vec![Access::Write(y), Access::Read(x)], shape.pixels());
    }

    /// Adds the maximum of each of `shares` parts of every picture's `count` pixels.
    fn largest(l: &mut Lowering<'_>, x: Var, y: Var, pictures: usize, count: usize, shares: usize) {
        let params =
            vec![("groups", (pictures * shares).into()), ("count", count.into()), ("shares", shares.into())];
        let buffers = vec![Access::Write(y), Access::Read(x)];
        l.dispatch(Variant::new("energy/frangi/largest"), params, buffers, 64 * pictures * shares);
    }
}

impl Operator for Frangi {
    fn name(&self) -> &'static str {
        "energy/frangi"
    }

    fn shapes(&self, inputs: &[Shape]) -> Result<Vec<Shape>> {
        match inputs {
            [x] if (x.c == 1 || x.c == 3) && x.count() > 0 => Ok(vec![x.with_c(1)]),
            _ => Err(Error::shape(
                "frangi",
                format!("wants pictures of one or three channels, got {inputs:?}"),
            )),
        }
    }

    fn exact_inputs(&self) -> Vec<usize> {
        // Second differences of what half rounds are differences of its rounding.
        vec![0]
    }

    fn cost(&self, inputs: &[Shape], outputs: &[Shape]) -> Cost {
        let pixels = outputs[0].pixels() as u64;
        // Six passes over one number a pixel, or two.
        Cost { flops: 90 * pixels, bytes: inputs[0].bytes() + 9 * 16 * pixels }
    }

    fn gradient(&self, b: &mut Backward<'_>) -> Result<()> {
        match b.wants(0) {
            true => Err(Error::shape("frangi", "a gradient is not built")),
            false => Ok(()),
        }
    }

    fn lower(&self, l: &mut Lowering<'_>) -> Result<()> {
        let x = l.input_shape(0);
        let plane = x.with_c(1);
        let (rows, smooth) = (l.scratch("rows", plane), l.scratch("smooth", plane));
        Self::smooth(l, l.input(0), rows, x.c == 3, true);
        Self::smooth(l, rows, smooth, false, false);
        let curves = l.scratch("curves", x.with_c(2));
        let int = |v: usize| Word::I(v as i32);
        let params = vec![("size", x.pixels().into()), ("h", int(x.h)), ("w", int(x.w))];
        let buffers = vec![Access::Write(curves), Access::Read(smooth)];
        l.dispatch(Variant::new("energy/frangi/curves"), params, buffers, x.pixels());
        let pixels = x.h * x.w;
        let shares = pixels.div_ceil(1024).min(SHARES);
        let parts = l.scratch("parts", Shape::new(x.n, 1, shares, 1));
        let top = l.scratch("top", Shape::new(x.n, 1, 1, 1));
        Self::largest(l, curves, parts, x.n, pixels, shares);
        Self::largest(l, parts, top, x.n, shares, 1);
        let params = vec![("size", x.pixels().into()), ("picture", pixels.into())];
        let buffers = vec![Access::Write(l.output(0)), Access::Read(curves), Access::Read(top)];
        l.dispatch(Variant::new("energy/frangi/response"), params, buffers, x.pixels());
        Ok(())
    }

    fn twin(&self, inputs: &[Array]) -> Vec<Array> {
        let x = &inputs[0];
        let plane = x.shape.with_c(1);
        let grey = Array::from_fn(plane, |n, h, w, _| match x.shape.c {
            3 => GREY.iter().enumerate().map(|(c, weight)| weight * x.at(n, h, w, c)).sum(),
            _ => x.at(n, h, w, 0),
        });
        let smooth = blurred(&grey);
        let [down, across] = [true, false].map(|rows| derivative(&smooth, rows));
        let [yy, yx, xx] = [(&down, true), (&down, false), (&across, false)].map(|(d, r)| derivative(d, r));
        let curves: Vec<[f64; 2]> =
            (0..plane.count()).map(|i| eigenvalues(yy.data[i], yx.data[i], xx.data[i])).collect();
        let strength = |[l1, l2]: [f64; 2]| l1.hypot(l2);
        let mut y = Array::zeros(plane);
        let pixels = plane.h * plane.w;
        for (picture, out) in curves.chunks(pixels).zip(y.data.chunks_mut(pixels)) {
            let gamma = 0.5 * picture.iter().copied().map(strength).fold(0.0, f64::max);
            for (curve, v) in picture.iter().zip(out) {
                let r = curve[0].abs() / curve[1].max(LEAST);
                let s = if gamma > 0.0 { strength(*curve) / gamma } else { 0.0 };
                *v = (-2.0 * r * r).exp() * -(-0.5 * s * s).exp_m1();
                if *v < NONE {
                    *v = 1.0;
                }
            }
        }
        vec![y]
    }
}

/// The 25 pixels around each, weighted, zeros beyond the picture.
fn blurred(x: &Array) -> Array {
    let Shape { h, w, .. } = x.shape;
    let side = weights();
    Array::from_fn(x.shape, |n, row, column, _| {
        let mut sum = 0.0;
        for dy in -RADIUS..=RADIUS {
            for dx in -RADIUS..=RADIUS {
                let (y, x_at) = (row.wrapping_add_signed(dy), column.wrapping_add_signed(dx));
                if y < h && x_at < w {
                    sum += side[dy.unsigned_abs()] * side[dx.unsigned_abs()] * x.at(n, y, x_at, 0);
                }
            }
        }
        sum
    })
}

/// Differences along rows or columns.
fn derivative(x: &Array, along_rows: bool) -> Array {
    let size = if along_rows { x.shape.h } else { x.shape.w };
    Array::from_fn(x.shape, |n, h, w, _| {
        let at = if along_rows { h } else { w };
        let (low, high) = (at.saturating_sub(1), (at + 1).min(size - 1));
        let seen = |i: usize| if along_rows { x.at(n, i, w, 0) } else { x.at(n, h, i, 0) };
        if low == high { 0.0 } else { (seen(high) - seen(low)) / (high - low) as f64 }
    })
}

/// Of the matrix ((a, b), (b, c)), the smaller by magnitude first.
fn eigenvalues(a: f64, b: f64, c: f64) -> [f64; 2] {
    let (mean, root) = (0.5 * (a + c), (0.5 * (a - c)).hypot(b));
    let large = if mean < 0.0 { mean - root } else { mean + root };
    // By the determinant: where a row is zero, so is the eigenvalue, and exactly.
    [if large == 0.0 { 0.0 } else { (a * c - b * b) / large }, large]
}
