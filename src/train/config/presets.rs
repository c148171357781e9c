//! Configs that ship with the program.

use crate::{Error, Result};

/// A config by name.
pub struct Preset {
    /// What `--preset` calls it.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    text: &'static str,
}

/// All of them.
pub const ALL: [Preset; 7] = [
    Preset {
        name: "r2attunet-ftl",
        about: "recurrent residual attention U-Net with focal Tversky loss, with the keys of its paper; set data.root",
        text: include_str!("../../../assets/presets/r2attunet-ftl.toml"),
    },
    Preset {
        name: "polygons",
        about: "drawn polygons and circles of 14 classes, with training and noise as their paper has them; set data.noise",
        text: include_str!("../../../assets/presets/polygons.toml"),
    },
    Preset {
        name: "angiography",
        about: "synthetic angiograms of three classes, with the augmentation that real ones had in their paper",
        text: include_str!("../../../assets/presets/angiography.toml"),
    },
    Preset {
        name: "sigrenet",
        about: "SiGREnet with self-supervised curriculum, with the keys of its paper; set data.root",
        text: include_str!("../../../assets/presets/sigrenet.toml"),
    },
    Preset {
        name: "twostage-s1",
        about: "stage 1 of two-stage segmentation, with the keys of its paper: pictures made eight times smaller; set data.root",
        text: include_str!("../../../assets/presets/twostage-s1.toml"),
    },
    Preset {
        name: "twostage-s2",
        about: "stage 2 of two-stage segmentation: patches anywhere in pictures; set data.root",
        text: include_str!("../../../assets/presets/twostage-s2.toml"),
    },
    Preset {
        name: "twostage-bl",
        about: "the network of two-stage segmentation on whole pictures, its baseline; set data.root",
        text: include_str!("../../../assets/presets/twostage-bl.toml"),
    },
];

/// The keys of a preset.
///
/// # Errors
/// [`Error::Config`] for a name that is none, with those there are.
pub fn text(name: &str) -> Result<&'static str> {
    ALL.iter().find(|preset| preset.name == name).map(|preset| preset.text).ok_or_else(|| {
        let names: Vec<&str> = ALL.iter().map(|preset| preset.name).collect();
        Error::Config(format!("there is no preset {name:?}; there are {}", names.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Config, LossName, ModelName};
    use super::*;

    #[test]
    fn presets_are_valid() {
        for preset in &ALL {
            Config::from_toml(preset.text, &[]).unwrap_or_else(|e| panic!("{}: {e}", preset.name));
        }
        assert!(text("none").unwrap_err().to_string().contains("r2attunet-ftl"));
    }

    #[test]
    fn a_file_changes_some_keys_of_a_preset() {
        let preset = text("r2attunet-ftl").unwrap();
        let config = Config::from_layers(&[preset, "[train]\nepochs = 3"], &["optim.lr=0.5".into()]).unwrap();
        assert_eq!((config.train.epochs, config.train.batch, config.optim.lr), (3, 4, 0.5));
        assert_eq!(
            (config.model.name, config.loss.0[0].name),
            (ModelName::RrAttUNet, LossName::FocalTversky)
        );
    }
}
