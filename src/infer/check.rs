//! Comparison of the kernels between textures and tensors with their CPU twins, for `gyre doctor`.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Settings,
    embedded::{mask_params, mask_variant, picture_params, picture_variant},
};
use crate::{
    Result,
    gpu::{Context, Variant, Word},
    graph::{Shape, pad_channels, unpad_channels},
    ops::check::{Distance, Tolerance},
};

/// Height and width of the network's side.
const SIZE: [usize; 2] = [6, 9];
/// Height and width of textures: one that grows and one that shrinks.
const TEXTURES: [[usize; 2]; 2] = [[5, 7], [13, 31]];

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub enum Sample {
    /// A picture in linear light or not, for that many channels.
    Picture {
        /// The texture holds linear light.
        linear: bool,
        /// Channels of the tensor, 1 or 3.
        channels: usize,
    },
    /// A mask of that many channels of probabilities.
    Mask {
        /// 1 for a binary model.
        classes: usize,
    },
}

impl Sample {
    /// Name of the kernel.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Picture { .. } => "embed/picture",
            Self::Mask { .. } => "embed/mask",
        }
    }

    /// Runs the kernel for textures of two sizes; the distance of the worse.
    ///
    /// # Errors
    /// [`crate::Error::Check`] if a result is too far off, and what the device raises.
    pub fn check(&self, context: &Context) -> Result<Distance> {
        let one = |size| match *self {
            Self::Picture { linear, channels } => picture(context, size, linear, channels),
            Self::Mask { classes } => mask(context, size, classes),
        };
        let mut worst = Distance::default();
        for size in TEXTURES {
            let distance = one(size)?;
            if distance.ratio > 1.0 {
                return Err(crate::Error::Check(format!(
                    "a texture of {size:?} is {} times the tolerance off",
                    distance.ratio
                )));
            }
            worst = if distance.ratio > worst.ratio { distance } else { worst };
        }
        Ok(worst)
    }
}

/// Everything that is compared.
pub fn samples() -> Vec<Sample> {
    let pictures = [(false, 1), (false, 3), (true, 1), (true, 3)]
        .map(|(linear, channels)| Sample::Picture { linear, channels });
    pictures.into_iter().chain([1, 3, 6].map(|classes| Sample::Mask { classes })).collect()
}

/// A triangle filter as wide as the scale, on rows of pixels of `channels` values.
pub fn resample(data: &[f32], from: [usize; 2], to: [usize; 2], channels: usize) -> Vec<f32> {
    let taps = |o: usize, from: usize, to: usize| -> Vec<(usize, f64)> {
        let scale = from as f64 / to as f64;
        let weight =
            |i: usize| 1.0 - (i as f64 + 0.5 - (o as f64 + 0.5) * scale).abs() / f64::max(scale, 1.0);
        let seen: Vec<_> = (0..from).map(|i| (i, weight(i))).filter(|t| t.1 > 0.0).collect();
        let total: f64 = seen.iter().map(|t| t.1).sum();
        seen.into_iter().map(|(i, w)| (i, w / total)).collect()
    };
    let mut out = Vec::with_capacity(to[0] * to[1] * channels);
    for y in 0..to[0] {
        for x in 0..to[1] {
            let (rows, cols) = (taps(y, from[0], to[0]), taps(x, from[1], to[1]));
            out.extend((0..channels).map(|c| {
                let at = |iy: usize, ix: usize| f64::from(data[(iy * from[1] + ix) * channels + c]);
                let row = |iy: usize| cols.iter().map(|(ix, w)| w * at(iy, *ix)).sum::<f64>();
                rows.iter().map(|(iy, w)| w * row(*iy)).sum::<f64>() as f32
            }));
        }
    }
    out
}

fn texture(context: &Context, [h, w]: [usize; 2], usage: wgpu::TextureUsages) -> wgpu::Texture {
    context.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("check"),
        size: wgpu::Extent3d { width: w as u32, height: h as u32, depth_or_array_layers: 1 },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format: wgpu::TextureFormat::Rgba8Unorm,
        usage,
        view_formats: &[],
    })
}

/// Records the kernel between a tensor and a texture, an invocation for each of `grid` (height, width), and
/// then what `after` adds.
fn run(
    context: &Context,
    variant: &Variant,
    params: &[(&'static str, Word)],
    tensor: &wgpu::Buffer,
    texture: &wgpu::Texture,
    grid: [usize; 2],
    after: impl FnOnce(&mut wgpu::CommandEncoder),
) -> Result<()> {
    let kernel = context.kernel(variant)?;
    let uniform = kernel.uniform(context, params)?;
    let view = texture.create_view(&Default::default());
    let view = wgpu::BindingResource::TextureView(&view);
    let resources = [uniform.as_entire_binding(), tensor.as_entire_binding(), view];
    let step = kernel.bind(context, resources, kernel.tiles(grid[1] as u32, grid[0] as u32))?;
    let mut encoder = context.device.create_command_encoder(&Default::default());
    step.record(&mut encoder.begin_compute_pass(&Default::default()));
    after(&mut encoder);
    context.queue.submit([encoder.finish()]);
    context.check()
}

fn buffer(context: &Context, bytes: u64) -> Result<wgpu::Buffer> {
    use wgpu::BufferUsages as Usage;
    context.buffer("check", bytes, Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST)
}

fn picture(context: &Context, size: [usize; 2], linear: bool, channels: usize) -> Result<Distance> {
    let settings = Settings { mean: [0.4, 0.5, 0.6], std: [0.1, 0.2, 0.3], linear, ..Settings::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let bytes: Vec<u8> = (0..4 * size[0] * size[1]).map(|_| rng.random()).collect();
    let source = texture(context, size, wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST);
    let layout = wgpu::TexelCopyBufferLayout {
        offset: 0,
        bytes_per_row: Some(4 * size[1] as u32),
        rows_per_image: None,
    };
    context.queue.write_texture(source.as_image_copy(), &bytes, layout, source.size());
    let shape = Shape::new(1, SIZE[0], SIZE[1], channels);
    let tensor = buffer(context, shape.bytes())?;
    let variant = picture_variant(false, linear, channels == 1);
    run(context, &variant, &picture_params(shape, &settings), &tensor, &source, SIZE, |_| ())?;
    let stored: Vec<f32> = bytemuck::pod_collect_to_vec(&context.read(&tensor, 0, shape.bytes())?);
    let got = unpad_channels(shape, &stored);

    let encode = |v: f32| match v {
        v if !linear => v,
        v if v <= 0.003_130_8 => 12.92 * v,
        v => 1.055 * v.powf(1.0 / 2.4) - 0.055,
    };
    let colours = bytes.chunks_exact(4).map(|p| [p[0], p[1], p[2]].map(|v| encode(f32::from(v) / 255.0)));
    let seen: Vec<f32> = match channels {
        1 => colours.map(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b).collect(),
        _ => colours.flatten().collect(),
    };
    let want = resample(&seen, size, SIZE, channels);
    let scaled = want
        .iter()
        .enumerate()
        .map(|(i, v)| f64::from((v - settings.mean[i % channels]) / settings.std[i % channels]));
    let got: Vec<f64> = got.iter().map(|v| f64::from(*v)).collect();
    // The device's power function is good to about four digits.
    let tolerance = Tolerance { rtol: 1e-4, atol: if linear { 2e-3 } else { 1e-4 } };
    Ok(Distance::between(&got, &scaled.collect::<Vec<_>>(), tolerance))
}

fn mask(context: &Context, size: [usize; 2], classes: usize) -> Result<Distance> {
    let shape = Shape::new(1, SIZE[0], SIZE[1], classes);
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let probabilities: Vec<f32> = (0..shape.count()).map(|_| rng.random()).collect();
    let tensor = buffer(context, shape.bytes())?;
    context.queue.write_buffer(&tensor, 0, bytemuck::cast_slice(&pad_channels(shape, &probabilities)));
    let target = texture(context, size, wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_SRC);
    let pitch = (4 * size[1] as u32).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let copy = buffer(context, u64::from(pitch) * size[0] as u64)?;
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch), rows_per_image: None };
    let to = wgpu::TexelCopyBufferInfo { buffer: &copy, layout };
    let params = mask_params(shape, 0.5);
    run(context, &mask_variant(classes == 1), &params, &tensor, &target, size, |encoder| {
        encoder.copy_texture_to_buffer(target.as_image_copy(), to, target.size());
    })?;
    let bytes = context.read(&copy, 0, copy.size())?;

    let want = resample(&probabilities, SIZE, size, classes);
    let (mut got, mut wanted) = (Vec::new(), Vec::new());
    for (i, p) in want.chunks_exact(classes).enumerate() {
        let at = i / size[1] * pitch as usize + i % size[1] * 4;
        let (red, green) = (usize::from(bytes[at]), f64::from(bytes[at + 1]) / 255.0);
        let best = p.iter().copied().fold(0.0, f32::max);
        // Where two are as good as equal either may be chosen.
        let (seen, fits) = match (classes, red) {
            (1, 0) => (p[0], p[0] < 0.5 + 1e-4),
            (1, 255) => (p[0], p[0] > 0.5 - 1e-4),
            (1, _) => (p[0], false),
            (_, class) => {
                (*p.get(class).unwrap_or(&f32::NAN), p.get(class).is_some_and(|v| *v > best - 1e-4))
            }
        };
        got.push(if fits { green } else { f64::NAN });
        wanted.push(f64::from(seen));
    }
    Ok(Distance::between(&got, &wanted, Tolerance { rtol: 0.0, atol: 0.51 / 255.0 + 1e-4 }))
}
