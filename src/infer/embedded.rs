//! A model inside a host's program: a picture in a texture becomes a mask in a texture, recorded into the
//! host's own command encoder. Nothing is read back, submitted or waited for.

use std::sync::Arc;

use super::predictor::graph;
use crate::{
    Error, Result,
    gpu::{Context, Step, Variant, Word},
    graph::{Plan, Session, Shape, Var, Weights},
    models::Model,
};

/// How pictures become numbers, and probabilities a mask.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Subtracted from red, green and blue; a model of gray pictures uses the first.
    pub mean: [f32; 3],
    /// Divided by, above zero; a model of gray pictures uses the first.
    pub std: [f32; 3],
    /// Pictures read as linear light, as sRGB formats and most renderers' targets do, and are encoded (and
    /// clamped to 0..1) before anything else: networks are trained on values as picture files hold them.
    pub linear: bool,
    /// Probability from which a pixel is class 1, for models with one channel of output.
    pub threshold: f32,
}

impl Default for Settings {
    /// Values as read, threshold one half.
    fn default() -> Self {
        Self { mean: [0.0; 3], std: [1.0; 3], linear: false, threshold: 0.5 }
    }
}

impl Settings {
    fn check(&self) -> Result<()> {
        let Self { mean, std, threshold, .. } = self;
        if mean.iter().chain(std).any(|v| !v.is_finite()) || std.iter().any(|v| *v <= 0.0) {
            return Err(Error::Config(format!("mean {mean:?} and std {std:?} must be finite, std above 0")));
        }
        if !(0.0..=1.0).contains(threshold) {
            return Err(Error::Config(format!("the threshold must be between 0 and 1, got {threshold}")));
        }
        Ok(())
    }
}

/// A model that turns pictures in textures into masks in textures.
///
/// The weights decide the device: make their [`Context`] with [`Context::from_device`] of the host's device
/// and queue. Any device will do; [`Context::required_features`] and [`Context::required_limits`] name what
/// makes it faster. The host's error and device-lost callbacks stay as they are: what goes wrong in here comes
/// back as an error.
pub struct Segmenter {
    context: Arc<Context>,
    session: Session,
    x: Var,
    y: Var,
    settings: Settings,
}

/// A picture and a mask that a [`Segmenter`] has bound; keeps both alive.
#[derive(Debug)]
pub struct Bound {
    picture: Step,
    mask: Step,
}

impl Segmenter {
    /// Compiles `model` for pictures that are resampled to `size` (height, width), and allocates what it
    /// needs. Nothing comes back from the device, so that a descent which drives beliefs out of all bounds is not told, as
    /// [`super::Predictor`] tells it: try its steps there.
    ///
    /// # Errors
    /// [`Error::Shape`] if the model takes other than 1 or 3 channels, has more than 256 classes or cannot
    /// take `size`, [`Error::Config`] for unusable settings, and what the device raises.
    pub fn new(model: &Model, weights: &Arc<Weights>, size: [usize; 2], settings: Settings) -> Result<Self> {
        settings.check()?;
        if !matches!(model.in_channels, 1 | 3) || model.out_channels > 256 {
            let message = format!(
                "takes {} channels and gives {}; textures hold 1 (gray) or 3 (RGB), and at most 256 classes",
                model.in_channels, model.out_channels
            );
            return Err(Error::shape(model.network.name(), message));
        }
        let context = weights.context.clone();
        let (mut graph, x, y) = graph(model, Shape::new(1, size[0], size[1], model.in_channels))?;
        graph.shorten(&context.capabilities());
        let session = Session::sharing(Plan::new(&graph, &context)?, weights, None)?;
        Ok(Self { context, session, x, y, settings })
    }

    /// Binds a picture and a mask, once for as many recordings as wanted.
    ///
    /// `picture` is a 2-D view of any size and any float or normalised format, with the usage
    /// `TEXTURE_BINDING`. It is resampled to the network's size as `gyre predict` does: bilinear, and
    /// antialiased where it shrinks. Formats with one or two components are gray; alpha is not looked at.
    ///
    /// `mask` is a 2-D `Rgba8Unorm` view of any size, with the usage `STORAGE_BINDING`. For a model with one
    /// channel of output red becomes 1 from the threshold up and else 0, and green the probability of it.
    /// For others red becomes class / 255 (the byte is the class) and green the probability of that class.
    /// Blue becomes 0 and alpha 1. Probabilities are resampled like pictures before a class is chosen.
    ///
    /// # Errors
    /// [`Error::Shader`] with what the driver said of a view that does not fit.
    pub fn bind(&self, picture: &wgpu::TextureView, mask: &wgpu::TextureView) -> Result<Bound> {
        Ok(Bound { picture: self.bind_picture(picture)?, mask: self.bind_mask(mask)? })
    }

    fn bind_picture(&self, picture: &wgpu::TextureView) -> Result<Step> {
        let shape = self.session.shape(self.x);
        let variant =
            picture_variant(picture.texture().format().components() < 3, self.settings.linear, shape.c == 1);
        let params = picture_params(shape, &self.settings);
        self.step(&variant, &params, self.x, picture, [shape.w as u32, shape.h as u32])
    }

    fn bind_mask(&self, mask: &wgpu::TextureView) -> Result<Step> {
        let (shape, texture) = (self.session.shape(self.y), mask.texture());
        let params = mask_params(shape, self.settings.threshold);
        let grid = [texture.width(), texture.height()];
        self.step(&mask_variant(shape.c == 1), &params, self.y, mask, grid)
    }

    /// A pass between a tensor and a texture, with an invocation for each of `grid` (width, height).
    fn step(
        &self,
        variant: &Variant,
        params: &[(&'static str, Word)],
        tensor: Var,
        texture: &wgpu::TextureView,
        grid: [u32; 2],
    ) -> Result<Step> {
        let kernel = self.context.kernel(variant)?;
        let uniform = kernel.uniform(&self.context, params)?;
        let tensor = wgpu::BindingResource::Buffer(self.session.buffer(tensor)?);
        let texture = wgpu::BindingResource::TextureView(texture);
        let resources = [uniform.as_entire_binding(), tensor, texture];
        kernel.bind(&self.context, resources, kernel.tiles(grid[0], grid[1]))
    }

    /// Records the way from picture to mask into `encoder`, for a pair that this segmenter has bound.
    ///
    /// Nothing is written from the host, so an encoder may hold several recordings, of one pair or of many;
    /// they run in order and share the network's memory. All passes land in one submission: drivers may reset
    /// a GPU that is kept busy for seconds.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, bound: &Bound) {
        let pass = |label| wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes: None };
        bound.picture.record(&mut encoder.begin_compute_pass(&pass("picture in")));
        self.session.record(encoder);
        bound.mask.record(&mut encoder.begin_compute_pass(&pass("mask out")));
    }
}

pub(super) fn picture_variant(gray: bool, linear: bool, luma: bool) -> Variant {
    Variant::new("embed/picture").feature("gray", gray).feature("linear", linear).feature("luma", luma)
}

pub(super) fn picture_params(shape: Shape, settings: &Settings) -> [(&'static str, Word); 9] {
    let ([mean_r, mean_g, mean_b], std) = (settings.mean, settings.std);
    let [scale_r, scale_g, scale_b] = std.map(|v| 1.0 / v);
    [
        ("height", shape.h.into()),
        ("width", shape.w.into()),
        ("channels", shape.c.into()),
        ("mean_r", mean_r.into()),
        ("mean_g", mean_g.into()),
        ("mean_b", mean_b.into()),
        ("scale_r", scale_r.into()),
        ("scale_g", scale_g.into()),
        ("scale_b", scale_b.into()),
    ]
}

pub(super) fn mask_variant(binary: bool) -> Variant {
    Variant::new("embed/mask").feature("binary", binary)
}

pub(super) fn mask_params(shape: Shape, threshold: f32) -> [(&'static str, Word); 6] {
    [
        ("height", shape.h.into()),
        ("width", shape.w.into()),
        ("c4", shape.c4().into()),
        ("channels", shape.c.into()),
        ("threshold", threshold.into()),
        ("step", Word::F(if shape.c == 1 { 1.0 } else { 1.0 / 255.0 })),
    ]
}

/// The kernels that segmenters run beside the network's, each with the members of its uniform.
pub fn kernels() -> Vec<(Variant, Vec<&'static str>)> {
    let names = |params: &[(&'static str, Word)]| params.iter().map(|p| p.0).collect::<Vec<_>>();
    let picture = names(&picture_params(Shape::SCALAR, &Settings::default()));
    let mask = names(&mask_params(Shape::SCALAR, 0.5));
    let on = |bits: u32, bit: u32| bits >> bit & 1 == 1;
    let pictures = (0..8).map(|bits| picture_variant(on(bits, 0), on(bits, 1), on(bits, 2)));
    let masks = [false, true].map(mask_variant);
    pictures.map(|v| (v, picture.clone())).chain(masks.map(|v| (v, mask.clone()))).collect()
}
