//! What this device can do at most, measured.

use std::slice;

use serde::{Deserialize, Serialize};

use super::Times;
use crate::{
    Result,
    gpu::{Context, Matrices, Step, Variant, Word, time},
};

/// Sizes of the tensors that are copied, bytes.
const COPIES: [u64; 4] = [1 << 20, 4 << 20, 16 << 20, 64 << 20];

/// Tiles of the matrix product: rows and vec4s of columns an invocation, and whether workgroup memory is used.
const TILES: [(u32, u32, bool); 6] =
    [(4, 1, false), (4, 2, false), (8, 1, false), (8, 2, false), (4, 1, true), (8, 2, true)];

/// The rate at which memory of one size is copied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copy {
    /// Bytes of the tensor; as many are written as read.
    pub bytes: u64,
    /// Bytes read and written, thousand millions a second.
    pub gbytes: f64,
}

/// The device's ceilings in thousand millions a second.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ceilings {
    /// By size, smallest first.
    pub copy: Vec<Copy>,
    /// f32 multiply-adds on registers, two operations each.
    pub fma: f64,
    /// f16 multiply-adds on registers, where the device has f16.
    #[serde(default)]
    pub fma_half: Option<f64>,
    /// Products of f16 matrices on matrix units, where the device has them.
    #[serde(default)]
    pub matrix_units: Option<f64>,
    /// Packed 8-bit dot products on registers, eight operations each.
    pub int8: f64,
    /// The best f32 matrix product.
    pub matmul: f64,
    /// Its tile, in words.
    pub matmul_tile: String,
}

impl Ceilings {
    /// Copy rate for tensors of about that many bytes.
    pub fn copy_of(&self, bytes: u64) -> f64 {
        let near = |c: &&Copy| (c.bytes as f64 / bytes.max(1) as f64).ln().abs();
        self.copy.iter().min_by(|a, b| near(a).total_cmp(&near(b))).map_or(0.0, |c| c.gbytes)
    }

    /// Measures them, medians of `runs`.
    ///
    /// # Errors
    /// What the device raises.
    pub fn measure(context: &Context, runs: usize) -> Result<Self> {
        let software = context.is_software();
        let limit = context.limits.max_storage_buffer_binding_size.min(context.limits.max_buffer_size);
        let copy = COPIES.into_iter().filter(|bytes| *bytes <= limit);
        let copy = copy.map(|bytes| copy_rate(context, bytes, runs)).collect::<Result<_>>()?;
        let threads = if software { 1 << 12 } else { 1 << 20 };
        let (fma, dot) = (fma_params(threads), dot_params(threads));
        let (matmul, matmul_tile) = Self::matrix_product(context, runs)?;
        let half = Variant::new("bench/fma").feature("half", true);
        let half = context.tier.f16.then(|| register_rate(context, &half, &fma, 2 * 64, runs));
        let matrix_units = context.matrices.map(|m| {
            let each = 2 * 4 * u64::from(m.side).pow(3) / u64::from(m.subgroup);
            register_rate(context, &matrix_variant(m), &fma, each, runs)
        });
        Ok(Self {
            copy,
            fma: register_rate(context, &Variant::new("bench/fma"), &fma, 2 * 64, runs)?,
            fma_half: half.transpose()?,
            matrix_units: matrix_units.transpose()?,
            int8: register_rate(context, &Variant::new("bench/dot"), &dot, 8 * 16, runs)?,
            matmul,
            matmul_tile,
        })
    }

    /// Rate of the best f32 matrix product, and its tile in words.
    ///
    /// # Errors
    /// What the device raises.
    pub fn matrix_product(context: &Context, runs: usize) -> Result<(f64, String)> {
        let size = if context.is_software() { 512 } else { 2048 };
        let mut best = (0.0, String::new());
        for tile in TILES {
            let rate = matmul_rate(context, size, tile, runs)?;
            if rate > best.0 {
                let (rows, cols, staged) = tile;
                let memory = if staged { "with" } else { "without" };
                best = (rate, format!("{rows} x {} an invocation, {memory} workgroup memory", 4 * cols));
            }
        }
        Ok(best)
    }
}

/// Rounds of the kernels on registers.
const ROUNDS: u32 = 512;

fn fma_params(threads: u32) -> Vec<(&'static str, Word)> {
    vec![
        ("size", Word::U(threads)),
        ("rounds", Word::U(ROUNDS)),
        ("factor", Word::F(0.999)),
        ("term", Word::F(0.001)),
    ]
}

fn dot_params(threads: u32) -> Vec<(&'static str, Word)> {
    vec![("size", Word::U(threads)), ("rounds", Word::U(ROUNDS)), ("factor", Word::U(0x0102_03ff))]
}

fn matmul_variant((rows, cols, staged): (u32, u32, bool)) -> Variant {
    Variant::new("bench/matmul").feature("staged", staged).constant("ROWS", rows).constant("COLS", cols)
}

fn matrix_variant(matrices: Matrices) -> Variant {
    matrices.sized(Variant::new("bench/matrix"))
}

/// The kernels that measure ceilings, each with the members of its uniform.
pub fn kernels() -> Vec<(Variant, Vec<&'static str>)> {
    let names = |params: Vec<(&'static str, Word)>| params.into_iter().map(|p| p.0).collect();
    let registers = [("bench/fma", names(fma_params(0))), ("bench/dot", names(dot_params(0)))];
    let half = (Variant::new("bench/fma").feature("half", true), names(fma_params(0)));
    let matrices =
        [8, 16].map(|side| (matrix_variant(Matrices { side, subgroup: 32 }), names(fma_params(0))));
    let plain = registers.into_iter().chain([("bench/copy", vec!["size"])]);
    let plain = plain.map(|(file, params)| (Variant::new(file), params));
    let plain = plain.chain([half]).chain(matrices);
    plain.chain(TILES.into_iter().map(|tile| (matmul_variant(tile), vec!["size"]))).collect()
}

/// Median time of a step after one run to warm up.
fn median(context: &Context, step: &Step, runs: usize) -> Result<Times> {
    time(context, &[(slice::from_ref(step), "warm-up")], |_| ())?;
    let ms = (0..runs)
        .map(|_| Ok(time(context, &[(slice::from_ref(step), "ceiling")], |_| ())?[0]))
        .collect::<Result<_>>()?;
    Ok(Times::of(ms))
}

/// A kernel bound to zeroed buffers of the given sizes.
fn step(
    context: &Context,
    variant: &Variant,
    params: &[(&'static str, Word)],
    sizes: &[u64],
    threads: usize,
) -> Result<Step> {
    let kernel = context.kernel(variant)?;
    let uniform = kernel.uniform(context, params)?;
    let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
    let buffers = sizes.iter().map(|s| context.buffer("bench", *s, usage)).collect::<Result<Vec<_>>>()?;
    let resources = std::iter::once(&uniform).chain(&buffers).map(wgpu::Buffer::as_entire_binding);
    kernel.bind(context, resources, kernel.groups(threads))
}

fn copy_rate(context: &Context, bytes: u64, runs: usize) -> Result<Copy> {
    let vec4s = (bytes / 16) as usize;
    let step = step(context, &Variant::new("bench/copy"), &[("size", vec4s.into())], &[bytes, bytes], vec4s)?;
    Ok(Copy { bytes, gbytes: median(context, &step, runs)?.rate(2 * bytes) })
}

/// Rate of a kernel that does `per_round` operations an invocation and round.
fn register_rate(
    context: &Context,
    variant: &Variant,
    params: &[(&'static str, Word)],
    per_round: u64,
    runs: usize,
) -> Result<f64> {
    let threads = u64::from(params[0].1.bits());
    let step = step(context, variant, params, &[16 * threads], threads as usize)?;
    Ok(median(context, &step, runs)?.rate(threads * u64::from(ROUNDS) * per_round))
}

fn matmul_rate(context: &Context, size: usize, tile: (u32, u32, bool), runs: usize) -> Result<f64> {
    let threads = size / tile.0 as usize * (size / 4 / tile.1 as usize);
    let bytes = 4 * (size * size) as u64;
    let step = step(context, &matmul_variant(tile), &[("size", size.into())], &[bytes; 3], threads)?;
    Ok(median(context, &step, runs)?.rate(2 * (size as u64).pow(3)))
}
