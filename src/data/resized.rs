//! A data set at another size.

use std::sync::Arc;

use super::sample::{Dataset, Sample};
use crate::Result;

/// Every picture of a data set resized, and its mask to the nearest pixel, whatever their proportions.
pub struct Resized {
    dataset: Arc<dyn Dataset>,
    width: usize,
    height: usize,
}

impl Resized {
    /// To `width` and `height`, above 0.
    pub fn new(dataset: Arc<dyn Dataset>, width: usize, height: usize) -> Self {
        Self { dataset, width, height }
    }
}

impl Dataset for Resized {
    fn len(&self) -> usize {
        self.dataset.len()
    }

    fn id(&self, i: usize) -> &str {
        self.dataset.id(i)
    }

    fn unit(&self, i: usize) -> &str {
        self.dataset.unit(i)
    }

    fn size(&self, _: usize) -> (usize, usize) {
        (self.width, self.height)
    }

    fn load(&self, i: usize) -> Result<Sample> {
        let Sample { id, picture, mask } = self.dataset.load(i)?;
        let (width, height) = (self.width, self.height);
        Ok(Sample { id, picture: picture.resize(width, height)?, mask: mask.resize(width, height)? })
    }

    fn channels(&self) -> usize {
        self.dataset.channels()
    }

    fn classes(&self) -> usize {
        self.dataset.classes()
    }

    fn file_channels(&self, i: usize) -> Option<usize> {
        self.dataset.file_channels(i)
    }

    fn mask_coding(&self) -> Option<String> {
        self.dataset.mask_coding()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ShapesDataset, ShapesOptions};

    #[test]
    fn pictures_and_masks_are_resized_together() {
        let inner = ShapesDataset::new(ShapesOptions { size: 40, count: 2, ..Default::default() }).unwrap();
        let whole = inner.load(1).unwrap();
        let set = Resized::new(Arc::new(inner), 24, 32);
        let sample = set.load(1).unwrap();
        assert_eq!((set.size(1), set.len(), sample.id.as_str()), ((24, 32), 2, set.id(1)));
        assert_eq!((sample.picture.width, sample.mask.height, sample.mask.data.len()), (24, 32, 24 * 32));
        assert_eq!(sample.mask, whole.mask.resize(24, 32).unwrap());
    }
}
