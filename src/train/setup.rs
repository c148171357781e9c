//! From config keys to the objects they name.

use std::sync::Arc;

mod descent;

use super::{
    Augment, Augmentation, Objective, StageTargets, StepOptions,
    config::{
        self, AugmentConfig, Config, DataConfig, GateAct, LossConfig, LossName, LossScope, ModelConfig,
        ModelName, OptimConfig, OptimName, Precision,
    },
    curriculum, open,
};
use std::path::{Path, PathBuf};

use crate::{
    Error, Result,
    data::{Crop, Dataset, Fit, Loader, LoaderOptions, Normalise, Partial, PixelNoise, Ranking, Split},
    loss::{
        Bce, ClassReduction, ClassWeighting, Link, Loss, LossOptions, LossSpec, Penalty, PenaltyForm, Scope,
        SoftmaxFocal,
    },
    models::{Encoder, Model, Network, Smoothing, Unit},
    nn::{Padding, Scheme},
    ops::Act,
    optim::{Adam, Method, Moments, NAdam, OptimSpec, PlateauSpec, Scaling, Schedule, Sgd, Warmup},
};

/// What a config says, as objects.
pub struct Setup {
    /// The network.
    pub model: Model,
    /// The loss.
    pub loss: LossSpec,
    /// The optimiser.
    pub optim: OptimSpec,
    /// How pictures come to the network's size.
    pub fit: Fit,
    /// How their values are scaled.
    pub normalise: Normalise,
    /// The noise of pictures for validation and test, where there is any.
    pub noise: Option<PixelNoise>,
    /// Height and width of what the network sees.
    pub size: [usize; 2],
    /// How a training step is made.
    pub step: StepOptions,
    /// What is done to pictures in training, where anything is.
    pub augment: Option<Augment>,
    /// What all weights start from, where they are not drawn.
    pub init: Option<PathBuf>,
    /// What the encoder's weights start from, where they are not drawn.
    pub encoder_weights: Option<PathBuf>,
}

/// The pictures of a config and their split.
pub struct Data {
    /// All pictures with their masks.
    pub dataset: Arc<dyn Dataset>,
    /// Where targets are mined, those for training with what is learnt of them; else the same.
    pub learnt: Arc<dyn Dataset>,
    /// Which are for what.
    pub split: Split,
    /// What was odd but harmless.
    pub warnings: Vec<String>,
}

impl Setup {
    /// Reads the keys.
    ///
    /// # Errors
    /// [`Error::Config`] naming the key that cannot be used.
    pub fn new(config: &Config) -> Result<Self> {
        let size = [config.data.size.height, config.data.size.width];
        let optim = optim(config);
        Ok(Self {
            model: model(config)?,
            init: named(&config.train.init),
            encoder_weights: named(&config.model.encoder_weights),
            loss: loss(config)?,
            step: StepOptions {
                mixed: optim.scaling.is_some(),
                recompute: config.train.recompute,
                augment: augmentation(&config.augment),
            },
            augment: augment(config),
            optim,
            fit: fit(&config.data)?,
            normalise: normalise(&config.data),
            noise: noise(&config.data, config.data.shapes_seed),
            size,
        })
    }
}

impl Setup {
    /// What training minimises.
    pub fn objective(&self, config: &Config) -> Arc<dyn Objective> {
        match config.curriculum.miner.as_os_str().is_empty() {
            true => Arc::new(self.loss.clone()),
            false => Arc::new(StageTargets { loss: self.loss.clone(), stages: self.model.stages() }),
        }
    }

    /// How windows are read that are neither drawn nor changed at random.
    pub(super) fn in_order(&self, config: &Config, batch: usize) -> LoaderOptions {
        LoaderOptions {
            normalise: self.normalise.clone(),
            noise: self.noise,
            seed: config.train.seed,
            cache_bytes: (config.data.cache_mb as u64) << 20,
            ..LoaderOptions::new(batch, self.fit)
        }
    }

    /// Opens the pictures that the config names.
    ///
    /// # Errors
    /// [`Error::Data`] and [`Error::Config`] naming the offending file or key.
    pub fn open_data(&self, config: &Config) -> Result<Data> {
        open::data(config)
    }
}

/// A file, where a key names one.
fn named(path: &Path) -> Option<PathBuf> {
    (!path.as_os_str().is_empty()).then(|| path.to_path_buf())
}

fn model(config: &Config) -> Result<Model> {
    let m = &config.model;
    let network = match m.name {
        ModelName::UNet => Network::UNet,
        ModelName::R2UNet => Network::R2UNet,
        ModelName::AttUNet => Network::AttUNet,
        ModelName::R2AttUNet => Network::R2AttUNet,
        ModelName::RrAttUNet => Network::RrAttUNet,
        ModelName::EfficientUNetPp => Network::EfficientUNetPp,
        ModelName::SiGREnet => Network::SiGREnet,
        ModelName::TwoStageUNet => Network::TwoStageUNet,
        ModelName::ResUNet => Network::ResUNet,
        ModelName::UNetPp => Network::UNetPp,
        ModelName::GREnet => Network::GREnet,
    };
    Ok(Model {
        network,
        in_channels: m.in_channels,
        out_channels: m.classes,
        widths: m.widths.clone(),
        t: m.t,
        bn_per_step: m.bn_per_step,
        share: m.share,
        residual: m.residual,
        attention: m.attention,
        gate_act: if m.gate_act == GateAct::Tanh { Act::Tanh } else { Act::Relu },
        gate_bn: m.gate_bn,
        encoder: encoder(m)?,
        expansion: m.expansion,
        squeeze: m.squeeze,
        unit: unit(m),
        bn_eps: m.bn_eps as f32,
        bn_momentum: m.bn_momentum as f32,
        scheme: match m.init {
            config::Init::Pytorch => Scheme::PyTorch,
            config::Init::He => Scheme::He,
            config::Init::Printed => Scheme::Printed,
            config::Init::Xavier => Scheme::Xavier,
            config::Init::Public => Scheme::Public,
        },
        descent: descent::of(&config.descent),
        smoothing: Smoothing { median: config.data.median, sigma: config.data.blur as f32 },
    })
}

fn unit(m: &ModelConfig) -> Unit {
    match m.unit {
        config::UnitName::Grrb => Unit::Grrb {
            still_input: m.s_input == config::SeenName::Features,
            still_gate: m.g_input == config::SeenName::Features,
        },
        config::UnitName::ConvLstm => Unit::ConvLstm,
        config::UnitName::Eta => Unit::Eta,
        config::UnitName::None => Unit::Absent,
    }
}

fn encoder(m: &ModelConfig) -> Result<Encoder> {
    Ok(Encoder {
        padding: match m.padding {
            config::Padding::Symmetric => Padding::Symmetric,
            config::Padding::Same => Padding::Same,
        },
        bn_eps: m.encoder_bn_eps as f32,
        drop_path: m.drop_path as f32,
        frozen: m.freeze_encoder,
        ..Encoder::named(m.encoder.name())?
    })
}

fn fit(data: &DataConfig) -> Result<Fit> {
    let (height, width) = (data.size.height, data.size.width);
    match data.fit {
        config::Fit::Resize => Ok(Fit::Resize { width, height }),
        config::Fit::Tile if width == height => {
            Ok(Fit::Tile { size: width, stride: if data.stride == 0 { width } else { data.stride } })
        }
        config::Fit::Tile => {
            Err(Error::Config(format!("data.fit = \"tile\" needs a square data.size, got {height}x{width}")))
        }
    }
}

fn normalise(data: &DataConfig) -> Normalise {
    match &data.normalise {
        config::Normalise::Unit => Normalise::Unit,
        config::Normalise::ZScore => Normalise::ZScore,
        config::Normalise::MinMax => Normalise::MinMax,
        config::Normalise::Given { mean, std } => {
            let single = |v: &[f64]| v.iter().map(|v| *v as f32).collect();
            Normalise::MeanStd { mean: single(mean), std: single(std) }
        }
    }
}

/// The noise of pictures, as equal seeds make it.
fn noise(data: &DataConfig, seed: u64) -> Option<PixelNoise> {
    let deviation = data.noise_deviation() as f32;
    (deviation > 0.0).then_some(PixelNoise { deviation, seed })
}

impl Data {
    /// Batches of the training pictures.
    ///
    /// # Errors
    /// [`Error::Config`] if no batch comes out.
    pub fn training_loader(&self, config: &Config, setup: &Setup) -> Result<Loader> {
        self.ranked_loader(config, setup, None)
    }

    /// As [`Self::training_loader`], by the curriculum that a ranking makes.
    ///
    /// # Errors
    /// [`Error::Config`] if no batch comes out, or the ranking lacks pictures.
    pub fn ranked_loader(&self, config: &Config, setup: &Setup, ranking: Option<&Ranking>) -> Result<Loader> {
        let crops = match config.data.crops {
            0 => setup.fit.crops(&*self.dataset, &self.split.train)?,
            n => {
                let of = |item: &usize| std::iter::repeat_n(Crop { item: *item, x: 0, y: 0 }, n);
                self.split.train.iter().flat_map(of).collect()
            }
        };
        let course = |ranking| curriculum::course(config, ranking, &*self.dataset, &crops);
        let course = ranking.map(course).transpose()?;
        let options = LoaderOptions {
            noise: noise(&config.data, config.train.seed),
            shuffle: true,
            course,
            flips: config.data.flips,
            anywhere: (config.data.crops > 0).then_some(config.data.foreground),
            partial: match config.train.partial {
                config::Partial::Drop => Partial::Drop,
                config::Partial::Pad => Partial::Pad,
            },
            ..setup.in_order(config, config.train.batch)
        };
        Loader::new(self.learnt.clone(), crops, options)
    }
}

fn augment(config: &Config) -> Option<Augment> {
    let a = &config.augment;
    let degrees = |v: f64| v.to_radians();
    // What contrast leaves alone: the middle of 0 to 1, or the mean.
    let centre = match config.data.normalise {
        config::Normalise::Unit | config::Normalise::MinMax => 0.5,
        config::Normalise::ZScore | config::Normalise::Given { .. } => 0.0,
    };
    let all = Augment {
        probability: a.probability,
        rotate: degrees(a.rotate),
        shift: a.shift,
        zoom: a.zoom,
        stretch: a.stretch,
        shear: degrees(a.shear),
        skew: a.skew,
        elastic: a.elastic,
        brightness: a.brightness,
        contrast: a.contrast,
        centre,
        noise: a.noise,
        blur: a.blur,
        median: a.median,
        flips: [a.flip_x, a.flip_y],
        crop: a.crop,
    };
    a.changes().then_some(all)
}

fn augmentation(a: &AugmentConfig) -> Option<Augmentation> {
    let bend = (a.elastic > 0.0).then_some(a.elastic_sigma as f32);
    let blur = (a.blur > 0.0).then_some(a.blur as f32);
    a.changes().then_some(Augmentation { bend, blur, median: a.median })
}

fn loss(config: &Config) -> Result<LossSpec> {
    let terms = config.loss.0.iter().map(|l| Ok(one_loss(l, config.model.classes)?.times(l.weight as f32)));
    let terms = terms.collect::<Result<Vec<_>>>()?;
    let sum = terms.into_iter().reduce(LossSpec::plus);
    let sum = sum.ok_or_else(|| Error::Config("there is no loss".into()))?;
    let weight = config.curriculum.pixel_weight as f32;
    Ok(if weight > 0.0 { sum.plus(hard_pixels(config.model.classes).times(weight)) } else { sum })
}

/// Mean over pixels of the cross-entropy times what the probability of the truth lacks.
fn hard_pixels(classes: usize) -> LossSpec {
    // Both focal losses have a factor of their own to be undone: alpha, and the number of classes.
    match classes {
        1 => LossSpec::from(Loss::Bce(Bce::focal(0.5, 1.0))).times(2.0),
        _ => {
            let loss = SoftmaxFocal { alpha: 0.5, gamma: 1.0, one_vs_all: false };
            LossSpec::from(Loss::SoftmaxFocal(loss)).times(2.0 * classes as f32)
        }
    }
}

fn one_loss(l: &LossConfig, classes: usize) -> Result<LossSpec> {
    // Binary cross-entropy takes each class by itself; elsewhere several classes compete.
    let alone = matches!(l.name, LossName::Bce | LossName::WeightedBce | LossName::BceDice);
    let softmax = classes > 1 && !alone;
    let options = LossOptions {
        alpha: l.alpha as f32,
        beta: l.beta as f32,
        gamma: l.gamma as f32,
        least: l.least as f32,
        smooth: l.smooth as f32,
        scope: if l.scope == LossScope::Batch { Scope::Batch } else { Scope::Image },
        link: if softmax { Link::Softmax } else { Link::Sigmoid },
        both_sides: l.both_sides && !softmax,
        class_reduction: match l.class_reduction {
            config::ClassReduction::Mean => ClassReduction::Mean,
            config::ClassReduction::Sum => ClassReduction::Sum,
        },
        include_background: l.background,
        class_weights: l.class_weights.iter().map(|w| *w as f32).collect(),
        class_weighting: match l.class_weighting {
            config::ClassWeighting::None => ClassWeighting::None,
            config::ClassWeighting::InverseSquare => ClassWeighting::InverseSquare,
            config::ClassWeighting::InverseSquareEps => ClassWeighting::InverseSquareEps(l.weight_eps as f32),
        },
        penalty: Penalty {
            k: l.penalty as f32,
            form: match l.penalty_form {
                config::PenaltyForm::Printed => PenaltyForm::Printed,
                config::PenaltyForm::Silva => PenaltyForm::Silva,
            },
        },
    };
    LossSpec::named(l.name.name(), &options)
}

fn optim(config: &Config) -> OptimSpec {
    let o = &config.optim;
    let decoupled = o.name == OptimName::Adamw;
    let moments = Moments { betas: [o.beta1, o.beta2], eps: o.eps, weight_decay: o.weight_decay, decoupled };
    let method = match o.name {
        OptimName::Adam | OptimName::Adamw => Method::Adam(Adam { moments, amsgrad: false }),
        OptimName::Nadam => Method::NAdam(NAdam { moments, momentum_decay: o.momentum_decay }),
        OptimName::Sgd => Method::Sgd(Sgd {
            momentum: o.momentum,
            nesterov: o.nesterov,
            weight_decay: o.weight_decay,
            ..Sgd::default()
        }),
    };
    let scaling = (config.train.precision == Precision::Mixed).then(Scaling::default);
    let limit = |v: f64| (v > 0.0).then_some(v);
    OptimSpec { clip_norm: limit(o.clip_norm), clip_value: limit(o.clip_value), scaling, ..method.into() }
}

/// The learning rate by step, in a run of `steps` steps of which `batches` are an epoch, before
/// [`plateau`] lowers it.
pub fn schedule(config: &OptimConfig, steps: u64, batches: usize) -> Warmup {
    let (base, end, warmup) = (config.lr, config.least_lr, config.warmup_steps as u64);
    let left = steps.saturating_sub(warmup);
    let then = match config.schedule {
        config::Schedule::Constant => Schedule::Constant { base },
        config::Schedule::InverseDecay => Schedule::InverseDecay { base, decay: config.decay },
        config::Schedule::Step => {
            let step_size = (config.step_epochs * batches) as u64;
            Schedule::Step { base, step_size, gamma: config.step_factor }
        }
        config::Schedule::Linear => Schedule::Linear { base, end, steps: left },
        config::Schedule::Cosine => Schedule::Cosine { base, end, steps: left },
    };
    Warmup { steps: warmup, then }
}

/// When the learning rate falls, where validation decides: by Dice, which is to rise, or by the loss.
pub fn plateau(config: &OptimConfig, by_dice: bool) -> Option<PlateauSpec> {
    config.plateau.then_some(PlateauSpec {
        base: config.lr,
        factor: config.plateau_factor,
        patience: config.plateau_patience as u64,
        threshold: config.plateau_threshold,
        relative: false,
        cooldown: config.plateau_cooldown as u64,
        least: config.least_lr,
        eps: 0.0,
        maximise: by_dice,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        graph::{Array, Operator, Shape},
        ops::Act,
    };

    /// Two pixels of known probabilities, of one class and of three.
    #[test]
    fn hard_pixels_are_weighed_by_what_their_truth_lacks() {
        let array = |c: usize, data: &[f64]| Array { shape: Shape::new(1, 1, 2, c), data: data.to_vec() };
        let lost = |p: f64| -(1.0 - p) * p.ln();
        let value = |loss: &LossSpec, x: Array, g: Array| {
            let [(weight, loss)] = loss.terms.as_slice() else { panic!("{loss:?}") };
            let made = match loss {
                Loss::Bce(op) => op.twin(&[x, g]),
                Loss::SoftmaxFocal(op) => op.twin(&[x, g]),
                other => panic!("{other:?}"),
            };
            f64::from(*weight) * made[0].data[0]
        };
        let got = value(&hard_pixels(1), array(1, &[0.7, 0.2]), array(1, &[1.0, 0.0]));
        let want = (lost(Act::Sigmoid.value(0.7)) + lost(Act::Sigmoid.value(-0.2))) / 2.0;
        assert!((got - want).abs() < 1e-6, "{got} {want}");
        let logits = [0.5, 0.2, 0.3, 0.1, 0.8, 0.1].map(f64::ln);
        let truth = [1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let got = value(&hard_pixels(3), array(3, &logits), array(3, &truth));
        let want = (lost(0.5) + lost(0.1)) / 2.0;
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
}
