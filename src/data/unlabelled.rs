//! Pictures without masks, alone or after labelled ones.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Dataset, Mask, Picture, Range, Sample, decode::dimensions, file_name, list_pictures};
use crate::{Error, Result};

/// The pictures of a data set followed by those of a folder that have no masks; theirs are all background.
pub struct WithUnlabelled {
    labelled: Arc<dyn Dataset>,
    range: Range,
    files: Vec<(PathBuf, String, (usize, usize))>,
}

impl WithUnlabelled {
    /// Adds all pictures of `folder`, with `range` for those that have no black and white of their own. Volumes are no
    /// pictures here.
    ///
    /// # Errors
    /// [`Error::Data`] where it holds none, or a file that is none; [`Error::Io`] where it cannot be read.
    pub fn new(labelled: Arc<dyn Dataset>, folder: &Path, range: Range) -> Result<Self> {
        let paths = list_pictures(folder)?;
        if paths.is_empty() {
            return Err(Error::data(folder, "holds no pictures"));
        }
        let files = paths.into_iter().map(|path| {
            let size = dimensions(&path)?;
            let id = format!("unlabelled {}", file_name(&path));
            Ok((path, id, size))
        });
        Ok(Self { files: files.collect::<Result<_>>()?, labelled, range })
    }
}

impl Dataset for WithUnlabelled {
    fn len(&self) -> usize {
        self.labelled.len() + self.files.len()
    }

    fn id(&self, i: usize) -> &str {
        match i.checked_sub(self.labelled.len()) {
            Some(file) => &self.files[file].1,
            None => self.labelled.id(i),
        }
    }

    fn unit(&self, i: usize) -> &str {
        match i.checked_sub(self.labelled.len()) {
            Some(file) => &self.files[file].1,
            None => self.labelled.unit(i),
        }
    }

    fn size(&self, i: usize) -> (usize, usize) {
        match i.checked_sub(self.labelled.len()) {
            Some(file) => self.files[file].2,
            None => self.labelled.size(i),
        }
    }

    fn load(&self, i: usize) -> Result<Sample> {
        let Some(file) = i.checked_sub(self.labelled.len()) else { return self.labelled.load(i) };
        let (path, id, _) =
            self.files.get(file).ok_or_else(|| Error::data("unlabelled", format!("no picture {i}")))?;
        let picture = Picture::read_from(path, self.channels(), self.range)?;
        let (width, height) = (picture.width, picture.height);
        Ok(Sample { id: id.clone(), mask: Mask { width, height, data: vec![0; width * height] }, picture })
    }

    fn channels(&self) -> usize {
        self.labelled.channels()
    }

    fn classes(&self) -> usize {
        self.labelled.classes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{ShapesDataset, ShapesOptions};

    #[test]
    fn a_folder_follows_the_labelled_pictures() {
        let folder = tempfile::tempdir().unwrap();
        let options = ShapesOptions { size: 16, channels: 1, count: 2, ..ShapesOptions::default() };
        let labelled: Arc<dyn Dataset> = Arc::new(ShapesDataset::new(options).unwrap());
        let message = |r: Result<WithUnlabelled>| r.err().unwrap().to_string();
        assert!(
            message(WithUnlabelled::new(labelled.clone(), folder.path(), Range::Auto))
                .contains("no pictures")
        );
        Picture::white(5, 3).write_png(folder.path().join("a.png")).unwrap();
        let all = WithUnlabelled::new(labelled, folder.path(), Range::Auto).unwrap();
        assert_eq!((all.len(), all.id(2), all.size(2)), (3, "unlabelled a.png", (5, 3)));
        let sample = all.load(2).unwrap();
        assert_eq!((sample.picture.channels, sample.mask.data), (1, vec![0; 15]));
        assert_eq!(all.load(1).unwrap().picture.width, 16);
        assert!(all.load(3).is_err());
    }
}
