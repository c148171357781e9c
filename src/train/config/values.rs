//! The types of the keys' values, each with a name for messages.

use std::path::PathBuf;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::data::Range;

/// What a message calls the values of a type.
pub(super) trait Kind {
    fn kind() -> String;
}

macro_rules! kinds {
    ($($kind:ty: $words:literal,)+) => {
        $(impl Kind for $kind {
            fn kind() -> String {
                $words.to_owned()
            }
        })+
    };
}

kinds! {
    bool: "true or false",
    u64: "integer >= 0",
    usize: "integer >= 0",
    f64: "number",
    String: "text",
    PathBuf: "path",
    Vec<f64>: "list of numbers",
    Vec<usize>: "list of integers >= 0",
    Vec<String>: "list of texts",
    Range: "\"auto\", \"minmax\", \"percentiles\" or [black, white]",
    Vec<[u8; 3]>: "list of [red, green, blue], each 0 to 255",
    Size: "integer > 0, or [height, width]",
    Normalise: "\"unit\", \"zscore\", \"minmax\" or { mean = [..], std = [..] }",
}

/// Reads a value, or says what was expected instead.
pub(super) fn take<T: DeserializeOwned + Kind>(value: &toml::Value) -> Result<T, String> {
    T::deserialize(value.clone()).map_err(|_| format!("expected {}, found {value}", T::kind()))
}

/// A value as the text it has in a TOML file.
pub(super) fn as_toml<T: Serialize>(value: &T) -> String {
    toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}

/// Declares a key that is one of several words.
macro_rules! choice {
    ($(#[doc = $about:literal])+ $name:ident {
        $($(#[doc = $doc:literal])+ $variant:ident = $text:literal,)+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every choice with its name in files.
            pub const ALL: &'static [(&'static str, Self)] = &[$(($text, Self::$variant),)+];

            /// The name in files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl Kind for $name {
            fn kind() -> String {
                let words: Vec<String> = Self::ALL.iter().map(|(word, _)| format!("{word:?}")).collect();
                words.join(" | ")
            }
        }
    };
}

choice! {
    /// A network.
    ModelName {
        /// U-Net with attention gates and recurrent residual units.
        R2AttUNet = "r2attunet",
        /// The plain U-Net.
        UNet = "unet",
        /// U-Net with attention gates.
        AttUNet = "attunet",
        /// U-Net with recurrent residual units.
        R2UNet = "r2unet",
        /// Recurrent residual U-Net with transposed convolutions, and gates on all but the shallowest skip.
        RrAttUNet = "rrattunet",
        /// EfficientUNet++: an EfficientNet with a dense grid of decoder blocks over it.
        EfficientUNetPp = "efficientunetpp",
        /// SiGREnet: depthwise separable residual blocks and recurrent units in the decoder.
        SiGREnet = "sigrenet",
        /// The U-Net of strided convolutions of the two-stage paper, without batch norm.
        TwoStageUNet = "twostageunet",
        /// U-Net of residual units with activation before convolution.
        ResUNet = "resunet",
        /// UNet++: a U-Net with grids of blocks for skips, and a result at each depth.
        UNetPp = "unetpp",
        /// GREnet: U-Nets one after another, each of which remembers the one before.
        GREnet = "grenet",
    }
}
choice! {
    /// An EfficientNet without its classifier.
    EncoderName {
        /// Widths and depths as published.
        B0 = "b0",
        /// 1.1 times as deep.
        B1 = "b1",
        /// 1.1 times as wide, 1.2 times as deep.
        B2 = "b2",
        /// 1.2 times as wide, 1.4 times as deep.
        B3 = "b3",
        /// 1.4 times as wide, 1.8 times as deep.
        B4 = "b4",
        /// 1.6 times as wide, 2.2 times as deep.
        B5 = "b5",
        /// 1.8 times as wide, 2.6 times as deep.
        B6 = "b6",
        /// Twice as wide, 3.1 times as deep.
        B7 = "b7",
        /// B0 without squeeze-and-excitation, with ReLU6.
        Lite0 = "lite0",
    }
}
choice! {
    /// What refines the features of each scale of the decoder of sigrenet.
    UnitName {
        /// Gated recurrent residual block.
        Grrb = "grrb",
        /// Convolutional LSTM.
        ConvLstm = "convlstm",
        /// Efficient temporal attention.
        Eta = "eta",
        /// Nothing.
        None = "none",
    }
}
choice! {
    /// What a part of a gated recurrent residual block sees.
    SeenName {
        /// The state too.
        State = "state",
        /// The features alone.
        Features = "features",
    }
}
choice! {
    /// How strided convolutions are padded.
    Padding {
        /// Alike on all sides, as PyTorch does.
        Symmetric = "symmetric",
        /// As TensorFlow's "same".
        Same = "same",
    }
}
choice! {
    /// What beliefs descend.
    EnergyName {
        /// Nothing.
        None = "none",
        /// A self-organising map.
        Som = "som",
        /// A conditional random field.
        Crf = "crf",
        /// A Hopfield network over patches.
        Hopfield = "hopfield",
        /// Steps of som and hopfield in turn.
        Hybrid = "hybrid",
        /// The mean of som, crf and hopfield.
        Ensemble = "ensemble",
    }
}
choice! {
    /// How a gradient goes back through the steps of a descent.
    GradientThrough {
        /// Through all.
        Unrolled = "unrolled",
        /// Through the last.
        Truncated = "truncated",
        /// Through the equilibrium.
        Implicit = "implicit",
    }
}
choice! {
    /// How a pixel of a self-organising map weighs its neighbours.
    RuleName {
        /// Alike (eq 9).
        Equilibrium = "equilibrium",
        /// By their responses, along whole edges (eq 10).
        Response = "response",
        /// By their responses, as printed.
        Literal = "literal",
    }
}
choice! {
    /// What of a picture cuts edges.
    EdgeFilterName {
        /// Its Laplacian.
        Laplacian = "laplacian",
        /// Vesselness by its Hessian.
        Hessian = "hessian",
        /// A 3x3 convolution that is learnt.
        Learned = "learned",
    }
}
choice! {
    /// Compatibility of labels.
    Compatibility {
        /// Of each with each.
        Matrix = "matrix",
        /// One number.
        Scalar = "scalar",
    }
}
choice! {
    /// How likeness to memories weighs them.
    RetrievalName {
        /// Softmax.
        Softmax = "softmax",
        /// What is above 0.
        Relu = "relu",
        /// Sparsemax.
        Sparsemax = "sparsemax",
        /// Entmax with alpha 1.5.
        Entmax = "entmax",
    }
}
choice! {
    /// What orders pictures from easy to hard.
    OrderName {
        /// Nothing.
        None = "none",
        /// How badly a network reconstructs them.
        Reconstruction = "reconstruction",
        /// How badly it tells which way up they are.
        Rotation = "rotation",
        /// How little of them is foreground.
        Size = "size",
        /// A list.
        Manual = "manual",
        /// Chance.
        Random = "random",
    }
}
choice! {
    /// How the share that is learnt from grows.
    PacingName {
        /// Evenly.
        Linear = "linear",
        /// As a root, fast at first.
        Root = "root",
        /// In steps.
        Step = "step",
    }
}
choice! {
    /// The non-linearity in an attention gate.
    GateAct {
        /// Hyperbolic tangent.
        Tanh = "tanh",
        /// Rectified linear.
        Relu = "relu",
    }
}
choice! {
    /// How weights begin.
    Init {
        /// Kaiming uniform with a = sqrt(5), and biases alike: what PyTorch does untold.
        Pytorch = "pytorch",
        /// Normal with variance 2 / fan-in before a ReLU, a third of 1 / fan-in elsewhere.
        He = "he",
        /// Normal with deviation 2 / sqrt(fan-in).
        Printed = "printed",
        /// Uniform with variance 2 / (fan-in + fan-out).
        Xavier = "xavier",
        /// Each part of a network as its public code has it.
        Public = "public",
    }
}
choice! {
    /// Where pictures come from.
    DataKind {
        /// Files in a folder.
        Folder = "folder",
        /// A folder for each picture, with a mask file for each object.
        Objects = "objects",
        /// Pairs that a CSV file names.
        List = "list",
        /// Drawn shapes.
        Shapes = "shapes",
        /// Drawn polygons and circles, one a picture.
        Polygons = "polygons",
        /// Drawn angiograms.
        Angiography = "angiography",
    }
}
choice! {
    /// What a deviation of noise counts in.
    NoiseSpace {
        /// Values of 0 to 1.
        Unit = "unit",
        /// Grey levels, 0 to 255.
        Levels = "255",
    }
}
choice! {
    /// An axis of a volume.
    AxisName {
        /// The first.
        X = "x",
        /// The second.
        Y = "y",
        /// The third.
        Z = "z",
    }
}
choice! {
    /// What a mask's pixels mean.
    MaskCoding {
        /// Decided by what the masks hold: 0 and 1, 0 and 255, or class numbers.
        Auto = "auto",
        /// The grey value is the class.
        Labels = "labels",
        /// What is not 0 is class 1.
        Nonzero = "nonzero",
        /// Each class has a colour.
        Colours = "colours",
    }
}
choice! {
    /// How a picture comes to the network's size.
    Fit {
        /// Resized, whatever its proportions.
        Resize = "resize",
        /// Cut into tiles at its own resolution.
        Tile = "tile",
    }
}
choice! {
    /// A loss.
    LossName {
        /// Cross-entropy of sigmoids (of each class by itself, for several classes).
        Bce = "bce",
        /// The same, with what should be 1 weighed by beta and what should be 0 by 1 - beta.
        WeightedBce = "weighted_bce",
        /// Cross-entropy of a softmax over the classes.
        CrossEntropy = "cross_entropy",
        /// 1 - Dice.
        Dice = "dice",
        /// 1 less half the Dice of each class, and half that of what is not the class.
        TwoClassDice = "two_class_dice",
        /// 1 - Tversky index.
        Tversky = "tversky",
        /// (1 - Tversky index) to the power gamma.
        FocalTversky = "focal_tversky",
        /// bce + dice.
        BceDice = "bce_dice",
        /// Cross-entropy in which what is nearly right counts less, each class against all others.
        Focal = "focal",
        /// The same of the true class alone, of a softmax.
        FocalTrueClass = "focal_true_class",
        /// focal + dice.
        FocalDice = "focal_dice",
        /// Generalised Dice: classes weighed by how rare they are.
        Gdl = "gdl",
        /// Penalised generalised Dice.
        Pgdl = "pgdl",
        /// pgdl + focal.
        Total = "total",
        /// How far from the border of its truth a class is seen, on average; beside another loss.
        Boundary = "boundary",
        /// How far the Sobel edges of the probabilities are from those of the truth; beside another loss.
        Edge = "edge",
        /// How far the probabilities of a picture and of its mirror image differ; beside another loss. A training step takes
        /// twice as long.
        Consistency = "consistency",
    }
}
choice! {
    /// How much a class counts in generalised Dice.
    ClassWeighting {
        /// All alike.
        None = "none",
        /// 1 / pixels^2; what is absent counts as the rarest class that is there.
        InverseSquare = "inverse_square",
        /// 1 / (pixels + weight_eps)^2.
        InverseSquareEps = "inverse_square_eps",
    }
}
choice! {
    /// Which function of generalised Dice is its penalised form.
    PenaltyForm {
        /// L / (1 + k (1 - L)).
        Printed = "printed",
        /// 1 - (1 - L) / (1 + k L).
        Silva = "silva",
    }
}
choice! {
    /// How the losses of several classes become one.
    ClassReduction {
        /// Their mean.
        Mean = "mean",
        /// Their sum.
        Sum = "sum",
    }
}
choice! {
    /// What a loss sums over before it divides.
    LossScope {
        /// The whole batch.
        Batch = "batch",
        /// Each picture.
        Image = "image",
    }
}
choice! {
    /// An optimiser.
    OptimName {
        /// Adam.
        Adam = "adam",
        /// Adam with weight decay apart from the gradient.
        Adamw = "adamw",
        /// Adam with Nesterov momentum.
        Nadam = "nadam",
        /// Stochastic gradient descent.
        Sgd = "sgd",
    }
}
choice! {
    /// How the learning rate moves.
    Schedule {
        /// Not at all.
        Constant = "constant",
        /// lr / (1 + decay * step), as Keras means its decay.
        InverseDecay = "inverse_decay",
        /// Times step_factor every step_epochs epochs.
        Step = "step",
        /// Straight down to least_lr.
        Linear = "linear",
        /// Half a cosine down to least_lr.
        Cosine = "cosine",
    }
}
choice! {
    /// How numbers are stored.
    Precision {
        /// All in f32.
        F32 = "f32",
        /// Activations and their gradients in half.
        Mixed = "mixed",
    }
}
choice! {
    /// What a score is where its formula divides nothing by nothing, as Dice where truth and prediction are empty.
    EmptyMasks {
        /// Undefined: left out of means, and counted.
        Skip = "skip",
        /// 1 where truth and prediction agree that there is nothing, else 0.
        Fill = "fill",
    }
}
choice! {
    /// By what validations are compared.
    Judge {
        /// Dice of the foreground.
        Dice = "dice",
        /// The loss.
        Loss = "loss",
    }
}
choice! {
    /// The last batch of an epoch, if it is not full.
    Partial {
        /// Left out.
        Drop = "drop",
        /// Filled up with pictures that count nowhere.
        Pad = "pad",
    }
}

impl DataKind {
    /// Whether pictures are drawn, and not read from files.
    pub fn is_drawn(self) -> bool {
        matches!(self, Self::Shapes | Self::Polygons | Self::Angiography)
    }
}

/// A size in pixels; one number in files where it is square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SizeText {
    Square(usize),
    Sides([usize; 2]),
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { height, width } = *self;
        if height == width { SizeText::Square(height) } else { SizeText::Sides([height, width]) }
            .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let [height, width] = match SizeText::deserialize(from)? {
            SizeText::Square(side) => [side, side],
            SizeText::Sides(sides) => sides,
        };
        Ok(Self { height, width })
    }
}

/// How a picture's values, 0 to 1, are scaled.
#[derive(Clone, Debug, PartialEq)]
pub enum Normalise {
    /// Not further.
    Unit,
    /// To mean 0 and standard deviation 1, each picture by itself.
    ZScore,
    /// From least and largest value to 0 and 1, each picture by itself.
    MinMax,
    /// (value - mean) / std, by channel.
    Given {
        /// One a channel.
        mean: Vec<f64>,
        /// One a channel.
        std: Vec<f64>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum NormaliseText {
    Name(String),
    Given(Moments),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moments {
    mean: Vec<f64>,
    std: Vec<f64>,
}

impl Serialize for Normalise {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unit => NormaliseText::Name("unit".to_owned()),
            Self::ZScore => NormaliseText::Name("zscore".to_owned()),
            Self::MinMax => NormaliseText::Name("minmax".to_owned()),
            Self::Given { mean, std } => {
                NormaliseText::Given(Moments { mean: mean.clone(), std: std.clone() })
            }
        }
        .serialize(to)
    }
}

impl<'de> Deserialize<'de> for Normalise {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match NormaliseText::deserialize(from)? {
            NormaliseText::Given(Moments { mean, std }) => Ok(Self::Given { mean, std }),
            NormaliseText::Name(name) if name == "unit" => Ok(Self::Unit),
            NormaliseText::Name(name) if name == "zscore" => Ok(Self::ZScore),
            NormaliseText::Name(name) if name == "minmax" => Ok(Self::MinMax),
            NormaliseText::Name(name) => Err(D::Error::custom(format!("no such way: {name}"))),
        }
    }
}
