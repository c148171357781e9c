//! What a data set is to the rest of the program.

use super::mask::Mask;
use super::picture::Picture;
use crate::Result;

/// A picture and its mask, of one size.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The item's name within its data set.
    pub id: String,
    /// What the network sees.
    pub picture: Picture,
    /// What it should answer.
    pub mask: Mask,
}

/// A fixed list of samples that can be loaded in any order, from several threads.
pub trait Dataset: Send + Sync {
    /// Number of samples.
    fn len(&self) -> usize;

    /// Whether there are no samples.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name of sample `i`.
    ///
    /// # Panics
    /// May panic where `i >= len()`.
    fn id(&self, i: usize) -> &str;

    /// What sample `i` must not be parted from, in splits: of a slice the name of its volume; else its own.
    ///
    /// # Panics
    /// May panic where `i >= len()`.
    fn unit(&self, i: usize) -> &str {
        self.id(i)
    }

    /// Width and height of sample `i` in pixels, without decoding it.
    ///
    /// # Panics
    /// May panic where `i >= len()`.
    fn size(&self, i: usize) -> (usize, usize);

    /// Decodes or makes sample `i`, the same each time.
    ///
    /// # Errors
    /// Where the sample cannot be read any more, or `i >= len()`.
    fn load(&self, i: usize) -> Result<Sample>;

    /// Channels of every picture: 1 or 3, or as many as volumes have.
    fn channels(&self) -> usize;

    /// Number of classes; mask values are below it.
    fn classes(&self) -> usize;

    /// Channels of the file of picture `i`, where it has one.
    fn file_channels(&self, _i: usize) -> Option<usize> {
        None
    }

    /// What the values in files of masks mean, in words, where there are such.
    fn mask_coding(&self) -> Option<String> {
        None
    }
}
