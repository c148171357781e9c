//! The keys: one declaration each, from which the struct, its default, its reading and its documentation are
//! made.

use std::path::PathBuf;

use serde::Serialize;

use super::Key;
use super::values::{
    AxisName, ClassReduction, ClassWeighting, DataKind, EmptyMasks, EncoderName, Fit, GateAct, Init, Judge,
    Kind, LossName, LossScope, MaskCoding, ModelName, NoiseSpace, Normalise, OptimName, Padding, Partial,
    PenaltyForm, Precision, Schedule, SeenName, Size, UnitName, as_toml, take,
};
use crate::data::{PolygonsOptions, Range};

/// Declares a section: a struct with a default, and what reading and explaining need.
macro_rules! section {
    ($(#[doc = $about:literal])+ $name:ident = $section:literal {
        $($(#[doc = $doc:literal])+ $field:ident: $kind:ty = $default:expr;)+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $kind,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            /// The name of the section in files.
            pub const SECTION: &'static str = $section;

            pub(super) fn keys(&self) -> Vec<Key> {
                vec![$(Key {
                    key: concat!($section, ".", stringify!($field)),
                    kind: <$kind>::kind(),
                    default: as_toml(&self.$field),
                    doc: concat!($($doc),+).trim_ascii(),
                },)+]
            }

            pub(super) fn set(&mut self, key: &str, value: &toml::Value) -> Option<Result<(), String>> {
                match key {
                    $(stringify!($field) => Some(take(value).map(|value| self.$field = value)),)+
                    _ => None,
                }
            }
        }
    };
}

pub(super) use section;

section! {
    /// The network. Defaults differ by `name`, see [`ModelConfig::of`].
    ModelConfig = "model" {
        /// Which network. `rrattunet` is the recurrent residual U-Net with attention and transposed convolutions;
        /// efficientunetpp an EfficientNet with a dense decoder; sigrenet has depthwise separable residual blocks and a
        /// recurrent unit at each scale of the decoder; twostageunet strided convolutions and no batch norm; resunet
        /// residual units with activation first; unetpp a grid of blocks with a result at each depth; grenet U-Nets one
        /// after another that remember; the others are the public U-Net family. Sets the defaults of the keys below.
        name: ModelName = ModelName::R2AttUNet;
        /// Channels of each level, finest first. Five levels halve the picture four times. For efficientunetpp those of
        /// the five levels of the decoder, coarsest first, and the picture is halved five times (its default: 256, 128,
        /// 64, 32, 16). For twostageunet every level halves the picture. Default of sigrenet: 32 to 512; of
        /// resunet: 64 to 512; of grenet: 16 to 256.
        widths: Vec<usize> = vec![64, 128, 256, 512, 1024];
        /// How many times a recurrent unit looks again: it applies its convolution t + 1 times. For sigrenet the steps
        /// of its unit, for grenet its stages (their default: 3).
        t: usize = 2;
        /// Channels the network takes; must equal data.channels.
        in_channels: usize = 3;
        /// Channels the network gives. 1: a binary mask through a sigmoid; 2 and more: one a class, through a
        /// softmax.
        classes: usize = 1;
        /// For rrattunet: whether a recurrent unit has one kernel for its input and its own state (as public
        /// code has it) or two.
        share: bool = true;
        /// For rrattunet: whether a block adds its input to its output.
        residual: bool = true;
        /// For rrattunet: whether skip connections pass an attention gate.
        attention: bool = true;
        /// For rrattunet: the non-linearity inside an attention gate (its default: tanh).
        gate_act: GateAct = GateAct::Relu;
        /// For rrattunet: whether an attention gate normalises its sums (its default: false).
        gate_bn: bool = true;
        /// Whether each step of a recurrent unit keeps its own running statistics. Evaluation goes wrong
        /// without; public checkpoints have one set for all steps and need false.
        bn_per_step: bool = true;
        /// For efficientunetpp: the EfficientNet that looks at the picture first; lite0 is without squeeze-and-excitation.
        encoder: EncoderName = EncoderName::B0;
        /// For efficientunetpp: how the encoder's convolutions are padded: symmetric, or same as TensorFlow does. Weights
        /// that were trained there (tf_efficientnet, lite) want same.
        padding: Padding = Padding::Symmetric;
        /// For efficientunetpp: what the encoder's batch norms add to a variance (default of lite0: 1e-3). Weights from
        /// TensorFlow want 1e-3.
        encoder_bn_eps: f64 = 1e-5;
        /// For efficientunetpp: with what probability a training picture skips the encoder's last block; that of the
        /// others rises to it from 0 (its default: 0.2).
        drop_path: f64 = 0.0;
        /// For efficientunetpp: how many times a block of the decoder widens its input.
        expansion: usize = 1;
        /// For efficientunetpp: by what the squeeze-and-excitation of the decoder narrows its channels.
        squeeze: usize = 1;
        /// For efficientunetpp: whether the encoder stays as it is: its weights and statistics do not move.
        freeze_encoder: bool = false;
        /// For efficientunetpp: a safetensors file whose tensors encoder.* (or timm's, without that beginning) the encoder
        /// starts from; others in it are passed over. Read where training begins, not where it is resumed or begins
        /// with --init. For pictures of one channel the first convolution of a file for three is summed over them.
        encoder_weights: PathBuf = PathBuf::new();
        /// For sigrenet: what refines each scale of the decoder in t steps: grrb (gated recurrent residual block),
        /// convlstm, eta (efficient temporal attention) or none.
        unit: UnitName = UnitName::Grrb;
        /// For the grrb of sigrenet: its transform sees the state added to the features, or, as printed, the features
        /// alone.
        s_input: SeenName = SeenName::State;
        /// For the grrb of sigrenet: its gate sees the state beside the features, or the features alone.
        g_input: SeenName = SeenName::State;
        /// What batch norm adds to a variance; for efficientunetpp, in the decoder.
        bn_eps: f64 = 1e-5;
        /// How much of a batch's statistics goes into the running ones, 0 to 1.
        bn_momentum: f64 = 0.1;
        /// How weights begin: as PyTorch's defaults, he (normal, of variance 2 / fan in before a ReLU and a third of 1
        /// / fan in elsewhere), printed (normal, of deviation 2 / sqrt(fan in): the words of rrattunet's paper, whose
        /// outputs are then saturated at first), xavier (uniform) or public (as the public code of the network has it,
        /// part by part: for efficientunetpp normal by fan out in the encoder, uniform by fan in in the decoder, xavier
        /// in the head; as pytorch for the others). Default of rrattunet and sigrenet: he; of efficientunetpp: public.
        init: Init = Init::Pytorch;
    }
}

section! {
    /// Pictures and masks.
    DataConfig = "data" {
        /// Where pictures come from: a folder of pictures and one of masks; objects, a folder for each picture with a
        /// mask file for each object, as <id>/images/<name>.png and <id>/masks/*.png (the layout of Kaggle's Data
        /// Science Bowl 2018); list, the pairs that a CSV file names; or pictures drawn on the fly: shapes (several on a
        /// shaded and noisy ground), polygons (one irregular polygon or circle, of 1 on 0, its class the number of its
        /// corners), or angiography (synthetic X-ray pictures of a catheter, class 1, and vessels, class 2).
        kind: DataKind = DataKind::Folder;
        /// The folder that holds pictures and masks, from the working folder; needed for all kinds that are not drawn.
        root: PathBuf = PathBuf::new();
        /// Folder of the pictures below root, or a TIFF file whose pages they are, or a NIfTI volume (.nii, .nii.gz) whose
        /// slices they are. Volumes in the folder stand for their slices.
        images: PathBuf = PathBuf::from("images");
        /// Folder of the masks below root, or such a file.
        masks: PathBuf = PathBuf::from("masks");
        /// File name of a picture's mask, {stem} standing for the picture's name without ending. Empty: the
        /// same name with any ending.
        mask_pattern: String = String::new();
        /// For kind "list": a CSV file with columns image and mask, paths from root, and perhaps id, a name for the
        /// pair. It lies in root or in the working folder.
        list: PathBuf = PathBuf::from("list.csv");
        /// What a mask's pixels mean: auto (0 and 1, 0 and 255, or class numbers, whichever all masks fit),
        /// labels (the value is the class), nonzero (what is not 0 is class 1), or colours.
        mask_coding: MaskCoding = MaskCoding::Auto;
        /// The colour [red, green, blue] of each class, background first; for mask_coding "colours". A grey value v is the
        /// colour [v, v, v].
        colours: Vec<[u8; 3]> = Vec::new();
        /// The axis that NIfTI volumes are cut across, as their files count: x, y, or z, the third. Rows of a slice run
        /// along the lower of the other two.
        axis: AxisName = AxisName::Z;
        /// What the names of a volume's files end with, before .nii, where it has one file a modality, as ["_t1", "_t2"];
        /// each is a channel. Folders directly below that of the pictures, and of the masks, are then looked into, too.
        modalities: Vec<String> = Vec::new();
        /// Which values of a NIfTI volume or a DICOM file become 0 and 1, before data.normalise: minmax, the least and
        /// the largest of the volume (of each modality by itself); percentiles, the half per cent from each end;
        /// [black, white], as [-160, 240] in Hounsfield units; or auto: the window of a DICOM file, where it has one,
        /// else minmax.
        range: Range = Range::Auto;
        /// A CSV file with columns id (a picture's name, or a volume's for all its slices) and split (train, val or
        /// test), or id and that of data.group alone. Without a column split, and if empty, pictures are split at
        /// random by the fractions.
        split: PathBuf = PathBuf::new();
        /// A column of the CSV file of data.split: pictures with the same entry, say of one patient, stay in one part of
        /// random splits and folds. Empty: each by itself, the slices of a volume together.
        group: String = String::new();
        /// Pictures whose names begin with the same so many characters stay together in the same way (Image_01L and Image_01R by 8);
        /// 0: each by itself.
        group_start: usize = 0;
        /// Cross-validation: what is not for testing is shared out in this many folds. 0: none.
        folds: usize = 0;
        /// Which fold is for validation, from 0; the others are learnt from.
        fold: usize = 0;
        /// How the folds are cut; apart from train.seed, so that repeats see the same folds.
        fold_seed: u64 = 0;
        /// Share of the pictures kept for validation.
        val_fraction: f64 = 0.15;
        /// Share of the pictures kept for the final test.
        test_fraction: f64 = 0.15;
        /// How a picture comes to the network's size: resized, or cut into tiles.
        fit: Fit = Fit::Resize;
        /// Size of what the network sees, pixels: one number for a square, or [height, width].
        size: Size = Size { height: 256, width: 256 };
        /// Pixels from one tile to the next; 0: tiles do not overlap.
        stride: usize = 0;
        /// For fit "tile": training takes so many tiles of each picture in an epoch, anywhere in it, instead of all side by
        /// side. 0: all.
        crops: usize = 0;
        /// With data.crops: the chance of each of these tiles to be placed where something of a class above 0 is, in pictures
        /// that have any; for pictures that are mostly background.
        foreground: f64 = 0.0;
        /// Size that all pictures, and their masks, are resized to before anything else, so that tiles are cut from it
        /// and scores are of it; one number for a square, or [height, width]. `gyre predict` resizes masks back. 0: as
        /// they are.
        resize: Size = Size { height: 0, width: 0 };
        /// Channels pictures are converted to: 1 gray, 3 colour; of volumes as many as they have modalities.
        channels: usize = 3;
        /// How values are scaled: unit (0 to 1), zscore (mean 0, deviation 1, each picture by itself), minmax (from its
        /// least to its largest value to 0 to 1, each picture by itself, channels together), or
        /// { mean = [..], std = [..] } by channel, on values of 0 to 1.
        normalise: Normalise = Normalise::Unit;
        /// All pictures go through a median filter of so many pixels a side, 3 or 5, before the network sees them, in
        /// training and prediction alike, on the device, as they are normalised (and augmented); 0: none.
        median: usize = 0;
        /// Likewise, after it, through a Gaussian of this deviation in pixels of data.size; 0: none.
        blur: f64 = 0.0;
        /// Standard deviation of normal noise that is added to all pictures of a run after resizing and before they are
        /// normalised, each channel by itself: new in every epoch for training (by train.seed), fixed for validation and
        /// test (by shapes_seed and the picture's name). `gyre predict` adds none.
        noise: f64 = 0.0;
        /// What data.noise counts in: unit, values of 0 to 1; or 255, grey levels.
        noise_space: NoiseSpace = NoiseSpace::Unit;
        /// Whether training pictures are flipped at random, and square ones turned by quarters: pixels stay as they
        /// are. For flips along one axis alone see augment.flip_x.
        flips: bool = true;
        /// Decoded pictures kept in memory, MiB; 0: none.
        cache_mb: usize = 1024;
        /// How many pictures are drawn for training and validation; where shapes_test is 0, for the test too.
        shapes_count: usize = 200;
        /// How many more are drawn for the test. They depend on shapes_seed alone, so the test stays the same whatever is
        /// trained on; and the training pictures are the first of a series, so that fewer are a part of more. 0: all
        /// parts are shares of shapes_count, drawn by train.seed.
        shapes_test: usize = 0;
        /// Height and width that pictures are drawn at, before they are resized or cut into tiles; 0: data.size.
        shapes_size: usize = 0;
        /// For kind "shapes": how large shapes are, 1 being a third of the picture's side on average.
        shapes_scale: f64 = 1.0;
        /// Drawn pictures follow from it; apart from train.seed, so that repeats see the same pictures.
        shapes_seed: u64 = 0;
        /// For kind "polygons": the corners of the figures of class 1, 2, and so on; 0 is the circle. model.classes is
        /// their number and 1.
        sides: Vec<usize> = PolygonsOptions::usual_sides();
        /// For kind "polygons": deviation of each corner's distance from the centre, in pixels of a picture of 512; it
        /// shrinks and grows with data.size, as all lengths do.
        irregular: f64 = 5.0;
    }
}

section! {
    /// How training pictures and their masks are changed at random, on the device; what is 0 is left out. All changes
    /// of place are one look-up a pixel: pictures bilinear, masks nearest, mirrored at the borders.
    AugmentConfig = "augment" {
        /// Chance of each of the changes below but flips, for each picture.
        probability: f64 = 1.0;
        /// Whether half of the pictures are mirrored left to right.
        flip_x: bool = false;
        /// Whether half of the pictures are mirrored top to bottom.
        flip_y: bool = false;
        /// Up to this share of height and width is cut off, at random sides, and the rest enlarged.
        crop: f64 = 0.0;
        /// Turned by up to this, degrees.
        rotate: f64 = 0.0;
        /// Moved along each axis by up to this share of the size.
        shift: f64 = 0.0;
        /// Enlarged (which crops) or shrunk by a factor of up to 1 + this.
        zoom: f64 = 0.0;
        /// The same for each axis by itself.
        stretch: f64 = 0.0;
        /// Sheared by up to this, degrees.
        shear: f64 = 0.0;
        /// Tilted: the scale at the borders differs from that in the middle by up to this share; at most 0.4.
        skew: f64 = 0.0;
        /// Bent by a smooth random field: deviation of a pixel's way, at most, in pixels.
        elastic: f64 = 0.0;
        /// How smooth that field is: the deviation of its blur, pixels.
        elastic_sigma: f64 = 8.0;
        /// Made brighter or darker by up to this, in the units of normalised values.
        brightness: f64 = 0.0;
        /// Contrast changed by a factor of up to 1 + this.
        contrast: f64 = 0.0;
        /// Normal noise of up to this deviation, in the units of normalised values.
        noise: f64 = 0.0;
        /// Blurred by a Gaussian of up to this deviation, pixels.
        blur: f64 = 0.0;
        /// Whether some pictures go through a 3x3 median filter.
        median: bool = false;
    }
}

section! {
    /// What is minimised.
    LossConfig = "loss" {
        /// Which loss. Sets the defaults of the keys below. With 2 classes and more all but bce, weighted_bce and bce_dice
        /// are of a softmax. Several losses are added up: loss = [{ name = "bce" }, { name = "dice", weight = 2 }].
        name: LossName = LossName::FocalTversky;
        /// Factor of this loss in the sum.
        weight: f64 = 1.0;
        /// Tversky: the weight of false positives. Focal, also in total: the weight of what should be 1 (its default:
        /// 0.25).
        alpha: f64 = 0.3;
        /// Tversky: the weight of false negatives. Weighted cross-entropy: the weight of what should be 1.
        beta: f64 = 0.7;
        /// Focal Tversky: the exponent of 1 - T; below 1 it weighs nearly right pictures more. Focal: the exponent of
        /// what a probability lacks (its default, also in total: 2).
        gamma: f64 = 0.75;
        /// Focal Tversky: the least value of 1 - T; below it there is no slope.
        least: f64 = 1e-7;
        /// What Dice and Tversky add above and below the fraction line (default of two_class_dice: 1e-5). gdl, pgdl and
        /// total add it to weighted pixels, which are few (their default: 0).
        smooth: f64 = 1.0;
        /// Whether Dice and Tversky sum over the whole batch, or over each picture and then average (default of gdl, pgdl
        /// and total: image).
        scope: LossScope = LossScope::Batch;
        /// How Dice and Tversky join the losses of several classes.
        class_reduction: ClassReduction = ClassReduction::Mean;
        /// Whether Dice and Tversky of a single probability take the pixels outside for a class, too. Without, training can
        /// rest where all pixels are inside, if most of them are.
        both_sides: bool = false;
        /// Whether class 0 of several counts in Dice and Tversky, and in gdl, pgdl and total. A single probability is two
        /// classes there, which both count.
        background: bool = true;
        /// For gdl, pgdl and total: how much a class counts: none, all alike; inverse_square, by 1 / pixels^2, what is
        /// absent as the rarest class that is there; inverse_square_eps, by 1 / (pixels + weight_eps)^2, where an absent
        /// class outweighs all others and the loss stays at 1.
        class_weighting: ClassWeighting = ClassWeighting::InverseSquare;
        /// What inverse_square_eps adds to the pixels of a class.
        weight_eps: f64 = 1e-4;
        /// For pgdl and total: how strong the penalty k of generalised Dice L is; 0: none.
        penalty: f64 = 0.75;
        /// For pgdl and total: printed, L / (1 + k (1 - L)), flat where nearly right; or silva, 1 - (1 - L) / (1 + k L), as
        /// public code has it, steep there.
        penalty_form: PenaltyForm = PenaltyForm::Printed;
        /// Cross-entropy of a softmax: a weight for each class; empty: all alike.
        class_weights: Vec<f64> = Vec::new();
    }
}

section! {
    /// How it is minimised.
    OptimConfig = "optim" {
        /// Which optimiser.
        name: OptimName = OptimName::Adam;
        /// The learning rate the schedule begins with.
        lr: f64 = 2e-4;
        /// Adam, NAdam: how slowly the mean of the gradients moves.
        beta1: f64 = 0.9;
        /// Adam, NAdam: how slowly the mean of their squares moves.
        beta2: f64 = 0.999;
        /// Adam, NAdam: added to the root in the denominator.
        eps: f64 = 1e-8;
        /// SGD: share of the last step that is repeated.
        momentum: f64 = 0.9;
        /// SGD: look ahead along the momentum.
        nesterov: bool = false;
        /// NAdam: how fast its momentum comes up to beta1.
        momentum_decay: f64 = 0.004;
        /// Added to the gradient, times the weight (L2); for adamw taken off the weight itself, times the rate.
        weight_decay: f64 = 0.0;
        /// Gradients are scaled down to this norm over all parameters; 0: never.
        clip_norm: f64 = 0.0;
        /// Each number of a gradient is held to this size, after clip_norm; 0: never.
        clip_value: f64 = 0.0;
        /// How the learning rate moves: constant; by step inverse_decay, lr / (1 + decay * step), and linear or
        /// cosine, down to least_lr at the last step; by epoch step, times step_factor every step_epochs.
        schedule: Schedule = Schedule::Constant;
        /// Steps in which the rate first rises to lr, before the schedule begins.
        warmup_steps: usize = 0;
        /// The decay of schedule "inverse_decay", by step.
        decay: f64 = 1e-5;
        /// Schedules linear and cosine, and the plateau: the least rate.
        least_lr: f64 = 0.0;
        /// Schedule "step": epochs from one drop to the next.
        step_epochs: usize = 30;
        /// Schedule "step": factor of a drop.
        step_factor: f64 = 0.1;
        /// Whether the rate also falls, times plateau_factor, when no validation was better for plateau_patience of them
        /// (the training loss not fallen, where nothing is kept for validation).
        plateau: bool = false;
        /// Plateau: factor of a drop.
        plateau_factor: f64 = 0.1;
        /// Plateau: validations without a better one that are borne.
        plateau_patience: usize = 10;
        /// Plateau: how much better counts as better.
        plateau_threshold: f64 = 1e-4;
        /// Plateau: validations after a drop that count for nothing.
        plateau_cooldown: usize = 0;
    }
}

section! {
    /// The run.
    TrainConfig = "train" {
        /// Times through the training pictures.
        epochs: usize = 50;
        /// Optimiser steps after which a run ends early; 0: no limit.
        max_steps: usize = 0;
        /// Pictures an optimiser step.
        batch: usize = 4;
        /// Parts a batch is computed in, to save memory; must divide it. Changes batch norm and losses of
        /// batch scope.
        micro_batches: usize = 1;
        /// Spares memory for time: normalised, resized and combined activations are made again in the backward
        /// pass instead of kept. Changes no number.
        recompute: bool = false;
        /// What happens to the last batch of an epoch if it is not full: dropped, or padded (padding counts
        /// nowhere).
        partial: Partial = Partial::Drop;
        /// How training stores numbers: f32, or mixed, with activations and their gradients in half (11 bits of
        /// precision), which takes about half the memory and needs a device with f16 in shaders. Weights,
        /// statistics, losses and the optimiser stay in f32; gradients are scaled by 65536 at first, by half
        /// as much after a step in which they overflow, which is skipped, and by twice as much after 2000 good
        /// steps.
        precision: Precision = Precision::F32;
        /// Everything random follows from it.
        seed: u64 = 0;
        /// A safetensors file that all weights start from, as with --init, which goes before it. Read where training
        /// begins, not where it is resumed. `gyre prune` sets it, for fine-tuning.
        init: PathBuf = PathBuf::new();
        /// Epochs from one validation to the next.
        eval_every: usize = 1;
        /// By what validations are compared, of which the best are kept and a better one is waited for: Dice, or the loss, the mean
        /// over the windows of those pictures, which is logged then.
        judge: Judge = Judge::Dice;
        /// Validations without a better one after which a run ends early; 0: never.
        patience: usize = 0;
        /// Checkpoints of so many of the best validations are kept, and the run's predictions are the means over them
        /// (Chen et al. 2017); 0 and 1: those of the best alone.
        snapshots: usize = 0;
        /// Probability from which a pixel is taken for class 1, where model.classes is 1.
        threshold: f64 = 0.5;
        /// What a score is where its formula divides nothing by nothing, as Dice where truth and prediction are
        /// empty: skip, undefined and left out of means; or fill, 1 where both agree that there is nothing, else 0.
        empty_masks: EmptyMasks = EmptyMasks::Skip;
        /// The run folder: resolved config, logs, checkpoints, report.
        out: PathBuf = PathBuf::from("run");
        /// Steps from one checkpoint to the next; 0: only after each validation.
        checkpoint_every: usize = 500;
    }
}

impl ModelConfig {
    /// The defaults of one network: U-Nets that are not recurrent have t = 0, and residual and attention are
    /// set where the name says so.
    pub fn of(name: ModelName) -> Self {
        let base = Self { name, ..Self::default() };
        match name {
            ModelName::UNet => Self { t: 0, residual: false, attention: false, ..base },
            ModelName::AttUNet => Self { t: 0, residual: false, ..base },
            ModelName::R2UNet => Self { attention: false, ..base },
            ModelName::R2AttUNet => base,
            ModelName::RrAttUNet => Self { gate_act: GateAct::Tanh, gate_bn: false, init: Init::He, ..base },
            ModelName::EfficientUNetPp => {
                let (widths, init) = (vec![256, 128, 64, 32, 16], Init::Public);
                Self { t: 0, residual: false, attention: false, widths, init, drop_path: 0.2, ..base }
            }
            ModelName::SiGREnet => {
                let widths = vec![32, 64, 128, 256, 512];
                Self { t: 3, residual: false, attention: false, widths, init: Init::He, ..base }
            }
            ModelName::TwoStageUNet => Self { t: 0, residual: false, attention: false, ..base },
            ModelName::UNetPp => Self { t: 0, residual: false, attention: false, init: Init::He, ..base },
            ModelName::GREnet => {
                let widths = vec![16, 32, 64, 128, 256];
                Self { t: 3, residual: false, attention: false, widths, init: Init::He, ..base }
            }
            ModelName::ResUNet => {
                let widths = vec![64, 128, 256, 512];
                Self { t: 0, residual: false, attention: false, widths, init: Init::He, ..base }
            }
        }
    }

    /// With an encoder and its defaults.
    pub fn with_encoder(self, encoder: EncoderName) -> Self {
        let lite = encoder == EncoderName::Lite0;
        Self { encoder, encoder_bn_eps: if lite { 1e-3 } else { self.encoder_bn_eps }, ..self }
    }
}

impl DataConfig {
    /// What all pictures are resized to first, where anything is.
    pub fn resized(&self) -> Option<Size> {
        (self.resize.width > 0).then_some(self.resize)
    }

    /// Height and width of what is drawn.
    pub fn drawn_size(&self) -> usize {
        if self.shapes_size > 0 { self.shapes_size } else { self.size.width }
    }

    /// Deviation of the noise in units of 0 to 1.
    pub fn noise_deviation(&self) -> f64 {
        match self.noise_space {
            NoiseSpace::Unit => self.noise,
            NoiseSpace::Levels => self.noise / 255.0,
        }
    }
}

impl AugmentConfig {
    /// The sizes of the changes, with their names.
    pub(super) fn sizes(&self) -> [(&'static str, f64); 12] {
        [
            ("crop", self.crop),
            ("rotate", self.rotate),
            ("shift", self.shift),
            ("zoom", self.zoom),
            ("stretch", self.stretch),
            ("shear", self.shear),
            ("skew", self.skew),
            ("elastic", self.elastic),
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("noise", self.noise),
            ("blur", self.blur),
        ]
    }

    /// Whether anything is changed.
    pub fn changes(&self) -> bool {
        let some = self.median || self.sizes().iter().any(|(_, size)| *size > 0.0);
        self.flip_x || self.flip_y || (some && self.probability > 0.0)
    }
}

impl LossConfig {
    /// The defaults of one loss.
    pub fn of(name: LossName) -> Self {
        let base = Self { name, ..Self::default() };
        match name {
            LossName::Focal | LossName::FocalTrueClass | LossName::FocalDice => {
                Self { alpha: 0.25, gamma: 2.0, ..base }
            }
            LossName::TwoClassDice => Self { smooth: 1e-5, ..base },
            LossName::Gdl | LossName::Pgdl => Self { smooth: 0.0, scope: LossScope::Image, ..base },
            LossName::Total => Self { name, alpha: 0.25, gamma: 2.0, ..Self::of(LossName::Pgdl) },
            _ => base,
        }
    }
}
