//! Volumes: segmented slice by slice, written as volumes with the header of the picture's.

use std::path::Path;

use super::{Product, Seen, Wanted};
use crate::{
    Error, Result,
    data::volume,
    infer::Mapper,
    train::{self, written_labels},
};

/// Predicts all slices of a volume.
pub(super) fn one(mapper: &mut dyn Mapper, wanted: &Wanted<'_>, path: &Path) -> Result<()> {
    let config = wanted.config;
    let options = train::volumes(&config.data);
    let slices = volume::slices(path, options.axis)?;
    let wants = |of: &[Product]| wanted.products.iter().any(|product| of.contains(product));
    let wants_values = wants(&[Product::Probability, Product::ProbabilityTiff]);
    let mut masks: Vec<Vec<u8>> = Vec::with_capacity(slices.len());
    // Of each class a plane a slice.
    let mut values: Vec<Vec<Vec<f32>>> = Vec::new();
    for slice in &slices {
        let seen = Seen::of(mapper, wanted, slice)?;
        for product in wanted.products.iter().filter(|product| product.is_of_slices()) {
            product.write(&seen, config, wanted.out)?;
        }
        if wants_values {
            let channels = seen.map.channels;
            values.resize(channels, Vec::new());
            for (class, planes) in values.iter_mut().enumerate() {
                planes.push(seen.map.data.iter().skip(class).step_by(channels).copied().collect());
            }
        }
        masks.push(seen.mask.data);
    }
    let channels = values.len();
    for product in wanted.products {
        let files = || product.files(path, wanted.out, channels.max(1), &options);
        match product {
            Product::Classes => volume::labels_like(path, options.axis, &masks, &first(files()?)?)?,
            Product::Mask => {
                let labels = written_labels(config);
                let coded = |mask: &Vec<u8>| mask.iter().map(|c| labels[usize::from(*c)]).collect();
                let coded: Vec<Vec<u8>> = masks.iter().map(coded).collect();
                volume::labels_like(path, options.axis, &coded, &first(files()?)?)?;
            }
            Product::Probability | Product::ProbabilityTiff => {
                for (planes, file) in values.iter().zip(files()?) {
                    volume::values_like(path, options.axis, planes, &file)?;
                }
            }
            Product::Npy | Product::Overlay => {}
        }
    }
    Ok(())
}

fn first(files: Vec<std::path::PathBuf>) -> Result<std::path::PathBuf> {
    files.into_iter().next().ok_or_else(|| Error::Check("a mask has no file".into()))
}
