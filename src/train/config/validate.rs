//! Which values make no sense, alone or together.

use super::{
    Config, DataConfig, DataKind, Fit, LossConfig, LossName, MaskCoding, ModelConfig, ModelName, Normalise,
    Size, UnitName,
};
use crate::{
    Error, Result,
    data::{AngiographyDataset, PolygonsOptions, Range},
};

/// More levels than any picture can be halved.
const MAX_LEVELS: usize = 12;
/// Pictures of a kind that are drawn at most.
const MOST_DRAWN: usize = 10_000_000;

impl Config {
    /// Checks every value that its type alone does not, and those that must go together.
    ///
    /// # Errors
    /// [`Error::Config`] naming the first offending key, its value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        self.validate_model()?;
        self.validate_descent()?;
        self.validate_data()?;
        self.validate_augment()?;
        self.validate_curriculum()?;
        self.validate_loss()?;
        self.validate_optim()?;
        self.validate_train()?;
        self.validate_size()
    }

    fn validate_model(&self) -> Result<()> {
        let model = &self.model;
        let widths = &model.widths;
        ensure(!widths.is_empty(), || {
            "model.widths is empty; give the channels of at least one level".to_owned()
        })?;
        ensure(widths.len() <= MAX_LEVELS, || {
            format!("model.widths has {} levels; {MAX_LEVELS} is the most", widths.len())
        })?;
        for width in widths {
            positive("model.widths", *width)?;
        }
        positive("model.in_channels", model.in_channels)?;
        positive("model.classes", model.classes)?;
        ensure(model.classes <= 256, || {
            format!("model.classes is {}; a mask holds 256 classes at most", model.classes)
        })?;
        self.validate_variant()?;
        within("model.bn_eps", model.bn_eps, model.bn_eps > 0.0, "more than 0")?;
        within("model.bn_momentum", model.bn_momentum, (0.0..=1.0).contains(&model.bn_momentum), "0 to 1")
    }

    /// The public networks are as they are; a key that would change nothing is refused.
    fn validate_variant(&self) -> Result<()> {
        let (model, usual) = (&self.model, ModelConfig::of(self.model.name));
        self.validate_encoder(&usual)?;
        let set = [
            ("share", model.share == usual.share),
            ("residual", model.residual == usual.residual),
            ("attention", model.attention == usual.attention),
            ("gate_act", model.gate_act == usual.gate_act),
            ("gate_bn", model.gate_bn == usual.gate_bn),
        ];
        let units = [
            ("unit", model.unit == usual.unit),
            ("s_input", model.s_input == usual.s_input),
            ("g_input", model.g_input == usual.g_input),
        ];
        let of = |name: ModelName, set: &[(&str, bool)]| {
            let changed = set.iter().find(|(_, same)| !same).filter(|_| model.name != name);
            changed.map_or(Ok(()), |(key, _)| {
                let name = name.name();
                Err(Error::Config(format!("model.{key} can only be changed for model.name = \"{name}\"")))
            })
        };
        of(ModelName::RrAttUNet, &set)?;
        of(ModelName::SiGREnet, &units)?;
        let grrb = model.unit == UnitName::Grrb;
        ensure(grrb || model.s_input == usual.s_input && model.g_input == usual.g_input, || {
            "model.s_input and model.g_input are for model.unit = \"grrb\"".to_owned()
        })
    }

    fn validate_encoder(&self, usual: &ModelConfig) -> Result<()> {
        let model = &self.model;
        if model.name != ModelName::EfficientUNetPp {
            let set = [
                ("encoder", model.encoder == usual.encoder),
                ("padding", model.padding == usual.padding),
                ("encoder_bn_eps", model.encoder_bn_eps == usual.encoder_bn_eps),
                ("drop_path", model.drop_path == usual.drop_path),
                ("expansion", model.expansion == usual.expansion),
                ("squeeze", model.squeeze == usual.squeeze),
                ("freeze_encoder", model.freeze_encoder == usual.freeze_encoder),
                ("encoder_weights", model.encoder_weights == usual.encoder_weights),
            ];
            return set.iter().find(|(_, same)| !same).map_or(Ok(()), |(key, _)| {
                let message = format!("model.{key} can only be changed for model.name = \"efficientunetpp\"");
                Err(Error::Config(message))
            });
        }
        ensure(model.widths.len() == 5, || {
            format!(
                "model.widths has {} numbers; the decoder of efficientunetpp has 5 levels",
                model.widths.len()
            )
        })?;
        positive("model.expansion", model.expansion)?;
        positive("model.squeeze", model.squeeze)?;
        fraction("model.drop_path", model.drop_path)?;
        within("model.encoder_bn_eps", model.encoder_bn_eps, model.encoder_bn_eps > 0.0, "more than 0")
    }

    fn validate_data(&self) -> Result<()> {
        let data = &self.data;
        let volumes =
            matches!(data.kind, DataKind::Folder | DataKind::List) && (1..=64).contains(&data.channels);
        ensure(matches!(data.channels, 1 | 3) || volumes, || {
            format!(
                "data.channels is {}; it must be 1 (gray) or 3 (colour), or the modalities of volumes",
                data.channels
            )
        })?;
        ensure(!data.modalities.iter().any(String::is_empty), || {
            "data.modalities holds an empty text".to_owned()
        })?;
        if let Range::Given([black, white]) = data.range {
            let fits = black.is_finite() && white.is_finite() && black < white;
            ensure(fits, || format!("data.range is [{black}, {white}]; the first must be below the second"))?;
        }
        ensure(data.mask_coding != MaskCoding::Nonzero || self.model.classes <= 2, || {
            format!("data.mask_coding = \"nonzero\" has 2 classes; model.classes is {}", self.model.classes)
        })?;
        ensure(data.channels == self.model.in_channels, || {
            let (data, model) = (data.channels, self.model.in_channels);
            format!("data.channels is {data} and model.in_channels is {model}; set both to the same number")
        })?;
        fraction("data.val_fraction", data.val_fraction)?;
        fraction("data.test_fraction", data.test_fraction)?;
        ensure(data.val_fraction + data.test_fraction < 1.0, || {
            let (val, test) = (data.val_fraction, data.test_fraction);
            format!("data.val_fraction {val} and data.test_fraction {test} leave nothing to train on")
        })?;
        ensure(data.folds != 1, || "data.folds is 1; 2 is the least, 0 means none".to_owned())?;
        ensure(data.folds == 0 || data.fold < data.folds, || {
            format!("data.fold is {}; folds count from 0 to {}", data.fold, data.folds.saturating_sub(1))
        })?;
        ensure(data.group.is_empty() || data.group_start == 0, || {
            "data.group and data.group_start both say which pictures stay together; give one of them"
                .to_owned()
        })?;
        ensure(data.group.is_empty() || !data.split.as_os_str().is_empty(), || {
            "data.group names a column; data.split must name the CSV file that has it".to_owned()
        })?;
        ensure(data.mask_pattern.is_empty() || data.mask_pattern.contains("{stem}"), || {
            format!(
                "data.mask_pattern {:?} lacks {{stem}}, so all pictures would share a mask",
                data.mask_pattern
            )
        })?;
        self.validate_drawn()?;
        ensure(matches!(data.median, 0 | 3 | 5), || {
            format!("data.median is {}; it must be 3 or 5, or 0 for none", data.median)
        })?;
        within("data.blur", data.blur, (0.0..=32.0).contains(&data.blur), "0 to 32 pixels")?;
        ensure((data.resize.height == 0) == (data.resize.width == 0), || {
            let Size { height, width } = data.resize;
            format!("data.resize is {height}x{width}; both sides must be above 0, or both 0 for none")
        })?;
        ensure(data.crops == 0 || data.fit == Fit::Tile, || {
            format!("data.crops is {}; it is for data.fit = \"tile\"", data.crops)
        })?;
        within("data.foreground", data.foreground, (0.0..=1.0).contains(&data.foreground), "0 to 1")?;
        ensure(data.foreground == 0.0 || data.crops > 0, || {
            format!("data.foreground is {}; it is for tiles that data.crops counts", data.foreground)
        })?;
        within("data.noise", data.noise, data.noise >= 0.0 && data.noise <= 1e6, "0 to a million")?;
        self.validate_colours()?;
        self.validate_normalise()
    }

    fn validate_drawn(&self) -> Result<()> {
        let (data, classes) = (&self.data, self.model.classes);
        positive("data.shapes_count", data.shapes_count)?;
        let scale = data.shapes_scale;
        within("data.shapes_scale", scale, scale > 0.0 && scale <= 2.0, "above 0 and at most 2")?;
        // What is drawn at once is numbered, and named, in memory.
        ensure(data.shapes_count.max(data.shapes_test) <= MOST_DRAWN, || {
            format!("data.shapes_count and data.shapes_test are {MOST_DRAWN} at most")
        })?;
        ensure(i64::try_from(data.shapes_seed).is_ok(), || {
            format!("data.shapes_seed is {}; TOML holds no number above {}", data.shapes_seed, i64::MAX)
        })?;
        let irregular = data.irregular;
        within("data.irregular", irregular, irregular >= 0.0, "0 or more")?;
        if !data.kind.is_drawn() {
            return Ok(());
        }
        let kind = data.kind.name();
        ensure(data.shapes_size > 0 || data.size.height == data.size.width, || {
            let Size { height, width } = data.size;
            format!("data.kind = \"{kind}\" needs a square data.size, got {height}x{width}")
        })?;
        ensure(data.group_start == 0, || {
            format!(
                "data.group_start is for files; pictures of data.kind = \"{kind}\" are drawn each by itself"
            )
        })?;
        ensure(data.shapes_test == 0 || data.split.as_os_str().is_empty(), || {
            "data.shapes_test and data.split both say what the test is; leave one out".to_owned()
        })?;
        let wanted = match data.kind {
            DataKind::Polygons => data.sides.len() + 1,
            DataKind::Angiography => AngiographyDataset::CLASSES,
            _ => return Ok(()),
        };
        ensure(classes == wanted, || {
            format!(
                "model.classes is {classes}; data.kind = \"{kind}\" has {wanted}, background counted: set it so"
            )
        })?;
        if data.kind == DataKind::Polygons { polygons(data).check() } else { Ok(()) }
    }

    fn validate_colours(&self) -> Result<()> {
        let colours = &self.data.colours;
        let classes = self.model.classes.max(2);
        ensure(self.data.mask_coding != MaskCoding::Colours || colours.len() == classes, || {
            format!(
                "data.colours has {} colours; mask_coding \"colours\" needs {classes}, background first",
                colours.len()
            )
        })?;
        for (i, colour) in colours.iter().enumerate() {
            ensure(!colours[..i].contains(colour), || format!("data.colours has {colour:?} twice"))?;
        }
        Ok(())
    }

    fn validate_normalise(&self) -> Result<()> {
        let Normalise::Given { mean, std } = &self.data.normalise else { return Ok(()) };
        for (key, values) in [("mean", mean), ("std", std)] {
            ensure(values.len() == self.data.channels, || {
                let (count, channels) = (values.len(), self.data.channels);
                format!("data.normalise: {key} has {count} numbers, and data.channels is {channels}")
            })?;
            for value in values {
                let fits = value.is_finite() && (key == "mean" || *value > 0.0);
                ensure(fits, || {
                    format!("data.normalise: {key} holds {value}; it must be finite, and std above 0")
                })?;
            }
        }
        Ok(())
    }

    fn validate_augment(&self) -> Result<()> {
        let augment = &self.augment;
        for (name, size) in augment.sizes() {
            within(&format!("augment.{name}"), size, size >= 0.0, "0 or more")?;
        }
        within("augment.crop", augment.crop, augment.crop <= 0.9, "at most 0.9")?;
        within("augment.skew", augment.skew, augment.skew <= 0.4, "at most 0.4")?;
        within("augment.shear", augment.shear, augment.shear <= 80.0, "at most 80 degrees")?;
        within("augment.blur", augment.blur, augment.blur <= 32.0, "at most 32 pixels")?;
        let sigma = augment.elastic_sigma;
        within("augment.elastic_sigma", sigma, sigma > 0.0 && sigma <= 256.0, "above 0 and at most 256")?;
        let probability = augment.probability;
        within("augment.probability", probability, (0.0..=1.0).contains(&probability), "0 to 1")
    }

    fn validate_loss(&self) -> Result<()> {
        self.loss.0.iter().try_for_each(|loss| self.validate_one_loss(loss))
    }

    fn validate_one_loss(&self, loss: &LossConfig) -> Result<()> {
        use LossName::{CrossEntropy, Focal, FocalDice, FocalTrueClass, Total, WeightedBce};
        let (name, classes, weights) = (loss.name, self.model.classes, &loss.class_weights);
        let focal = matches!(name, Focal | FocalDice | FocalTrueClass | Total);
        let most = |is_share: bool| if is_share { 1.0 } else { f64::MAX };
        let allowed = |is_share: bool| if is_share { "0 to 1" } else { "0 or more" };
        let [alpha, beta] = [focal, name == WeightedBce];
        within("loss.weight", loss.weight, loss.weight > 0.0, "more than 0")?;
        within("loss.alpha", loss.alpha, (0.0..=most(alpha)).contains(&loss.alpha), allowed(alpha))?;
        within("loss.beta", loss.beta, (0.0..=most(beta)).contains(&loss.beta), allowed(beta))?;
        within("loss.gamma", loss.gamma, loss.gamma > 0.0 || (focal && loss.gamma == 0.0), "more than 0")?;
        within("loss.least", loss.least, loss.least > 0.0, "more than 0")?;
        within("loss.smooth", loss.smooth, loss.smooth >= 0.0, "0 or more")?;
        within("loss.weight_eps", loss.weight_eps, loss.weight_eps > 0.0, "more than 0")?;
        within("loss.penalty", loss.penalty, loss.penalty >= 0.0, "0 or more")?;
        ensure(classes > 1 || !matches!(name, CrossEntropy | FocalTrueClass), || {
            format!("loss.name {:?} needs model.classes of 2 or more", name.name())
        })?;
        ensure(classes > 1 || loss.background, || {
            "loss.background = false needs model.classes of 2 or more: one class has no background".to_owned()
        })?;
        ensure(weights.is_empty() || (name == CrossEntropy && weights.len() == classes), || {
            let count = weights.len();
            format!(
                "loss.class_weights has {count} numbers; it is for loss.name \"cross_entropy\", one for each of \
                 model.classes"
            )
        })?;
        let some = weights.is_empty() || weights.iter().any(|w| *w > 0.0);
        ensure(some && weights.iter().all(|w| w.is_finite() && *w >= 0.0), || {
            format!("loss.class_weights are {weights:?}; they must be 0 or more, and one above 0")
        })
    }

    fn validate_optim(&self) -> Result<()> {
        let optim = &self.optim;
        within("optim.lr", optim.lr, optim.lr > 0.0, "more than 0")?;
        within("optim.eps", optim.eps, optim.eps > 0.0, "more than 0")?;
        fraction("optim.beta1", optim.beta1)?;
        fraction("optim.beta2", optim.beta2)?;
        fraction("optim.momentum", optim.momentum)?;
        ensure(!optim.nesterov || optim.momentum > 0.0, || {
            "optim.nesterov needs optim.momentum above 0".to_owned()
        })?;
        within("optim.weight_decay", optim.weight_decay, optim.weight_decay >= 0.0, "0 or more")?;
        within("optim.momentum_decay", optim.momentum_decay, optim.momentum_decay >= 0.0, "0 or more")?;
        within("optim.clip_norm", optim.clip_norm, optim.clip_norm >= 0.0, "0 (never) or more")?;
        within("optim.clip_value", optim.clip_value, optim.clip_value >= 0.0, "0 (never) or more")?;
        within("optim.decay", optim.decay, optim.decay >= 0.0, "0 or more")?;
        let least = (0.0..=optim.lr).contains(&optim.least_lr);
        within("optim.least_lr", optim.least_lr, least, "0 to optim.lr")?;
        positive("optim.step_epochs", optim.step_epochs)?;
        for (key, factor) in
            [("optim.step_factor", optim.step_factor), ("optim.plateau_factor", optim.plateau_factor)]
        {
            within(key, factor, factor > 0.0 && factor < 1.0, "between 0 and 1")?;
        }
        within(
            "optim.plateau_threshold",
            optim.plateau_threshold,
            optim.plateau_threshold >= 0.0,
            "0 or more",
        )
    }

    fn validate_train(&self) -> Result<()> {
        let train = &self.train;
        positive("train.epochs", train.epochs)?;
        positive("train.batch", train.batch)?;
        positive("train.micro_batches", train.micro_batches)?;
        ensure(train.batch.is_multiple_of(train.micro_batches), || {
            format!("train.micro_batches {} does not divide train.batch {}", train.micro_batches, train.batch)
        })?;
        ensure(train.micro_batches <= 1024, || {
            format!("train.micro_batches is {}; 1024 is the most", train.micro_batches)
        })?;
        positive("train.eval_every", train.eval_every)?;
        within(
            "train.threshold",
            train.threshold,
            train.threshold > 0.0 && train.threshold < 1.0,
            "between 0 and 1",
        )?;
        ensure(i64::try_from(train.seed).is_ok(), || {
            format!("train.seed is {}; TOML holds no number above {}", train.seed, i64::MAX)
        })?;
        ensure(!train.out.as_os_str().is_empty(), || "train.out is empty; name the run's folder".to_owned())
    }

    /// Every level but the first halves the picture, which must come out even; an encoder halves it five times, and where
    /// convolutions stride the first level does, too.
    fn validate_size(&self) -> Result<()> {
        let (size, levels) = (self.data.size, self.model.widths.len());
        let (multiple, why) = match self.model.name {
            ModelName::EfficientUNetPp => (32, "model.name \"efficientunetpp\" needs".to_owned()),
            ModelName::TwoStageUNet => (1 << levels, format!("{levels} levels of model.widths need")),
            _ => (1usize << (levels - 1), format!("{levels} levels of model.widths need")),
        };
        for side in [size.height, size.width] {
            positive("data.size", side)?;
            ensure(side.is_multiple_of(multiple), || {
                let (less, more) = (side / multiple * multiple, side.div_ceil(multiple) * multiple);
                let near = if less == 0 { format!("{more}") } else { format!("{less} or {more}") };
                format!("data.size {side} is no multiple of {multiple}, as {why}; try {near}")
            })?;
        }
        let tile = size.height.min(size.width);
        ensure(self.data.fit != Fit::Tile || self.data.stride <= tile, || {
            format!("data.stride {} skips pixels: a tile has {tile}", self.data.stride)
        })
    }
}

/// The polygons that a config names, the number of pictures but for those of validation and test.
fn polygons(data: &DataConfig) -> PolygonsOptions {
    PolygonsOptions {
        size: data.drawn_size(),
        sides: data.sides.clone(),
        irregular: data.irregular as f32,
        channels: data.channels,
        count: data.shapes_count,
        val: 0,
        test: 0,
        seed: data.shapes_seed,
    }
}

pub(super) fn ensure(fits: bool, message: impl FnOnce() -> String) -> Result<()> {
    if fits { Ok(()) } else { Err(Error::Config(message())) }
}

pub(super) fn within(key: &str, value: f64, fits: bool, allowed: &str) -> Result<()> {
    ensure(fits && value.is_finite(), || format!("{key} is {value}; it must be {allowed}"))
}

pub(super) fn fraction(key: &str, value: f64) -> Result<()> {
    within(key, value, (0.0..1.0).contains(&value), "0 or more and below 1")
}

pub(super) fn positive(key: &str, value: usize) -> Result<()> {
    ensure(value > 0, || format!("{key} is 0; it must be 1 or more"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_valid() {
        Config::default().validate().unwrap();
    }

    #[test]
    fn bad_values_are_named_by_key() {
        let bad = [
            ("model.widths = []", "model.widths is empty"),
            ("model.widths = [8, 0]", "model.widths is 0"),
            ("model.classes = 300", "256 classes"),
            ("model.in_channels = 1", "set both"),
            ("model.attention = false", "rrattunet"),
            ("model.encoder = \"b1\"", "efficientunetpp"),
            ("model.freeze_encoder = true", "efficientunetpp"),
            ("model.name = \"efficientunetpp\"\nmodel.widths = [8, 4]", "5 levels"),
            ("model.name = \"efficientunetpp\"\nmodel.drop_path = 1.0", "model.drop_path is 1"),
            ("model.name = \"twostageunet\"\ndata.size = 48", "try 32 or 64"),
            ("model.unit = \"eta\"", "sigrenet"),
            ("model.name = \"sigrenet\"\nmodel.share = false", "rrattunet"),
            (
                "model.name = \"sigrenet\"\nmodel.unit = \"eta\"\nmodel.s_input = \"features\"",
                "model.unit = \"grrb\"",
            ),
            ("model.name = \"efficientunetpp\"\nmodel.squeeze = 0", "model.squeeze is 0"),
            ("model.name = \"efficientunetpp\"\nmodel.attention = true", "rrattunet"),
            ("model.name = \"efficientunetpp\"\ndata.size = 48", "try 32 or 64"),
            ("data.channels = 65", "1 (gray) or 3"),
            ("train.batch = 4096\ntrain.micro_batches = 2048", "1024"),
            ("model.bn_momentum = 1.5", "model.bn_momentum is 1.5; it must be 0 to 1"),
            ("data.size = 250", "try 240 or 256"),
            ("data.size = [256, 8]", "try 16"),
            ("data.size = 0", "data.size is 0"),
            ("data.fit = \"tile\"\ndata.stride = 300", "skips pixels"),
            ("data.crops = 1", "data.fit = \"tile\""),
            ("data.foreground = 0.5", "data.crops"),
            ("data.foreground = 1.5", "data.foreground is 1.5"),
            ("data.resize = [0, 8]", "both sides"),
            ("data.shapes_scale = 0", "data.shapes_scale is 0"),
            ("data.val_fraction = 1.0", "data.val_fraction"),
            ("data.val_fraction = 0.5\ndata.test_fraction = 0.5", "nothing to train on"),
            ("data.mask_pattern = \"mask\"", "{stem}"),
            ("data.noise = -1", "data.noise is -1"),
            ("data.irregular = nan", "data.irregular"),
            ("data.shapes_count = 0", "data.shapes_count is 0"),
            ("data.shapes_test = 10000001", "at most"),
            ("data.kind = \"shapes\"\ndata.size = [32, 64]", "square"),
            ("data.kind = \"shapes\"\ndata.shapes_test = 5\ndata.split = \"s.csv\"", "leave one out"),
            ("data.kind = \"polygons\"", "model.classes is 1; data.kind = \"polygons\" has 15"),
            ("data.kind = \"polygons\"\nmodel.classes = 3\ndata.sides = [3, 2]", "sides [3, 2]"),
            ("data.kind = \"angiography\"\nmodel.classes = 2", "has 3"),
            ("data.mask_coding = \"colours\"", "needs 2"),
            ("data.colours = [[1, 2, 3], [1, 2, 3]]", "twice"),
            ("data.normalise = {mean = [0.5], std = [0.5]}", "data.channels is 3"),
            ("data.normalise = {mean = [0, 0, 0], std = [1, 0, 1]}", "std above 0"),
            ("data.median = 4", "data.median is 4"),
            ("data.blur = 40", "data.blur is 40"),
            ("data.range = [3, 3]", "data.range is [3, 3]"),
            ("data.range = \"mean\"", "percentiles"),
            ("data.modalities = [\"\"]", "data.modalities"),
            ("data.channels = 0\nmodel.in_channels = 0", "model.in_channels"),
            ("data.kind = \"shapes\"\ndata.channels = 4\nmodel.in_channels = 4", "data.channels is 4"),
            ("data.mask_coding = \"nonzero\"\nmodel.classes = 3", "has 2 classes"),
            ("augment.rotate = -1", "augment.rotate is -1"),
            ("augment.skew = 0.5", "augment.skew"),
            ("augment.probability = 2", "augment.probability"),
            ("loss.alpha = -0.1", "loss.alpha is -0.1"),
            ("loss.gamma = 0", "loss.gamma"),
            ("loss.weight = 0", "loss.weight"),
            ("loss.name = \"pgdl\"\nloss.penalty = -1", "loss.penalty is -1"),
            ("loss.weight_eps = 0", "loss.weight_eps"),
            ("loss.name = \"total\"\nloss.alpha = 1.5", "loss.alpha is 1.5; it must be 0 to 1"),
            ("loss.name = \"focal\"\nloss.alpha = 1.5", "loss.alpha is 1.5; it must be 0 to 1"),
            ("loss.name = \"cross_entropy\"", "model.classes of 2 or more"),
            ("loss.background = false", "loss.background"),
            ("loss.class_weights = [1, 2]", "loss.class_weights has 2 numbers"),
            ("optim.lr = 0", "optim.lr"),
            ("optim.lr = nan", "optim.lr is NaN"),
            ("optim.lr = inf", "optim.lr is inf"),
            ("optim.beta2 = 1.0", "optim.beta2"),
            ("optim.least_lr = 1", "optim.least_lr is 1; it must be 0 to optim.lr"),
            ("optim.step_factor = 1.5", "optim.step_factor"),
            ("optim.nesterov = true\noptim.momentum = 0", "optim.nesterov"),
            ("train.batch = 0", "train.batch is 0"),
            ("train.batch = 4\ntrain.micro_batches = 3", "does not divide"),
            ("train.threshold = 1.0", "train.threshold is 1; it must be between 0 and 1"),
            ("train.out = \"\"", "train.out is empty"),
        ];
        for (text, wanted) in bad {
            let message =
                Config::from_toml(text, &[]).map_or_else(|e| e.to_string(), |_| "accepted".to_owned());
            assert!(message.starts_with("config: ") && message.contains(wanted), "{text}: {message}");
        }
    }

    #[test]
    fn a_seed_beyond_toml_is_refused() {
        let mut config = Config::default();
        config.train.seed = u64::MAX;
        assert!(config.validate().unwrap_err().to_string().contains("train.seed"));
    }
}
