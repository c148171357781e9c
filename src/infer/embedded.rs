//! A model inside a host's program: a picture in a texture becomes a mask in a texture, recorded into the
//! host's own command encoder. Nothing is read back, submitted or waited for.

use std::sync::Arc;

use super::predictor::graph;
use crate::{
    Error, Result,
    gpu::{Context, Kernel, Variant, Word},
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

#[derive(Debug)]
struct Step {
    kernel: Arc<Kernel>,
    bind_group: wgpu::BindGroup,
    groups: [u32; 3],
}

impl Step {
    fn record(&self, encoder: &mut wgpu::CommandEncoder) {
        let label = Some(self.kernel.label.as_str());
        let mut pass =
            encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes: None });
        pass.set_pipeline(&self.kernel.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[]);
        pass.dispatch_workgroups(self.groups[0], self.groups[1], self.groups[2]);
    }
}

impl Segmenter {
    /// Compiles `model` for pictures that are resampled to `size` (height, width), and allocates what it
    /// needs.
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
        let (graph, x, y) = graph(model, Shape::new(1, size[0], size[1], model.in_channels))?;
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
    /// channel of output red becomes 1 from the threshold up and else 0, and green the probability of class
    /// 1. For others red becomes class / 255 (the byte is the class) and green the probability of that class.
    /// Blue becomes 0 and alpha 1. Probabilities are resampled like pictures before a class is chosen.
    ///
    /// # Errors
    /// [`Error::Shader`] with what the driver said of a view that does not fit.
    pub fn bind(&self, picture: &wgpu::TextureView, mask: &wgpu::TextureView) -> Result<Bound> {
        Ok(Bound { picture: self.bind_picture(picture)?, mask: self.bind_mask(mask)? })
    }

    fn bind_picture(&self, picture: &wgpu::TextureView) -> Result<Step> {
        let Shape { h, w, c, .. } = self.session.shape(self.x);
        let variant = Variant::new("embed/picture")
            .feature("gray", picture.texture().format().components() < 3)
            .feature("linear", self.settings.linear)
            .feature("luma", c == 1);
        let ([mean_r, mean_g, mean_b], std) = (self.settings.mean, self.settings.std);
        let [scale_r, scale_g, scale_b] = std.map(|v| 1.0 / v);
        let params = [
            ("height", h.into()),
            ("width", w.into()),
            ("channels", c.into()),
            ("mean_r", mean_r.into()),
            ("mean_g", mean_g.into()),
            ("mean_b", mean_b.into()),
            ("scale_r", scale_r.into()),
            ("scale_g", scale_g.into()),
            ("scale_b", scale_b.into()),
        ];
        self.step(&variant, &params, self.x, picture, [w as u32, h as u32])
    }

    fn bind_mask(&self, mask: &wgpu::TextureView) -> Result<Step> {
        let shape = self.session.shape(self.y);
        let binary = shape.c == 1;
        let params = [
            ("height", shape.h.into()),
            ("width", shape.w.into()),
            ("c4", shape.c4().into()),
            ("channels", shape.c.into()),
            ("threshold", self.settings.threshold.into()),
            ("step", Word::F(if binary { 1.0 } else { 1.0 / 255.0 })),
        ];
        let texture = mask.texture();
        let variant = Variant::new("embed/mask").feature("binary", binary);
        self.step(&variant, &params, self.y, mask, [texture.width(), texture.height()])
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
        let tensor = wgpu::BindingResource::Buffer(self.session.buffer(tensor)?);
        let resources = vec![tensor, wgpu::BindingResource::TextureView(texture)];
        let bind_group = kernel.bind(&self.context, params, resources)?;
        Ok(Step { groups: kernel.tiles(grid[0], grid[1]), kernel, bind_group })
    }

    /// Records the way from picture to mask into `encoder`, for a pair that this segmenter has bound.
    ///
    /// Nothing is written from the host, so an encoder may hold several recordings, of one pair or of many;
    /// they run in order and share the network's memory. All passes land in one submission: drivers may reset
    /// a GPU that is kept busy for seconds.
    pub fn record(&self, encoder: &mut wgpu::CommandEncoder, bound: &Bound) {
        bound.picture.record(encoder);
        self.session.record(encoder);
        bound.mask.record(encoder);
    }
}
