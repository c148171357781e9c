//! A folder for each picture, with a mask file for each object in it: the layout of Kaggle's Data Science Bowl
//! 2018, `<id>/images/<name>.png` and `<id>/masks/*.png`.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::decode::{decode, dimensions};
use super::folder::list_pictures;
use super::levels::Range;
use super::mask::Mask;
use super::name_some;
use super::picture::{Picture, check_channels};
use super::sample::{Dataset, Sample};
use crate::{Error, Result};

/// A picture with the masks of its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    id: String,
    image: PathBuf,
    objects: Vec<PathBuf>,
    width: usize,
    height: usize,
}

/// Pictures of any sizes whose mask is 1 wherever one of their objects is.
#[derive(Debug, Clone)]
pub struct ObjectsDataset {
    items: Vec<Item>,
    /// What was odd but harmless, such as pictures without an object; one line each.
    pub warnings: Vec<String>,
    channels: usize,
}

impl ObjectsDataset {
    /// Lists the folders below `root` and checks the sizes of all files from their headers.
    ///
    /// # Errors
    /// [`Error::Data`] naming up to five folders: none that holds a picture, more than one picture in a folder, no
    /// masks folder, sizes that differ. [`Error::Io`] where a folder cannot be listed.
    pub fn open(root: impl AsRef<Path>, channels: usize) -> Result<Self> {
        check_channels(channels)?;
        let root = root.as_ref();
        let folders = picture_folders(root)?;
        if folders.is_empty() {
            return Err(Error::data(root, "no folder here holds pictures as <id>/images/<name>.png"));
        }
        let found: Vec<Result<Item>> = folders.par_iter().map(|folder| item(folder)).collect();
        let (mut items, mut wrong) = (Vec::new(), Vec::new());
        for found in found {
            match found {
                Ok(item) => items.push(item),
                Err(e) => wrong.push(e.to_string()),
            }
        }
        if !wrong.is_empty() {
            return Err(Error::data(root, name_some(&wrong)));
        }
        let bare: Vec<&str> = items.iter().filter(|i| i.objects.is_empty()).map(|i| i.id.as_str()).collect();
        let warnings = match bare.len() {
            0 => Vec::new(),
            n => vec![format!("{}: {n} pictures without an object: {}", root.display(), name_some(&bare))],
        };
        Ok(Self { items, warnings, channels })
    }
}

impl Dataset for ObjectsDataset {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn id(&self, i: usize) -> &str {
        &self.items[i].id
    }

    fn size(&self, i: usize) -> (usize, usize) {
        (self.items[i].width, self.items[i].height)
    }

    fn load(&self, i: usize) -> Result<Sample> {
        let missing = || Error::Config(format!("item {i} of {} does not exist", self.items.len()));
        let item = self.items.get(i).ok_or_else(missing)?;
        let picture = Picture::read(&item.image, self.channels)?;
        let mut data = vec![0; picture.width * picture.height];
        for path in &item.objects {
            let object = decode(path, Range::Auto)?;
            if (object.width, object.height) != (picture.width, picture.height) {
                return Err(Error::data(path, "changed its size since the data set was opened; start again"));
            }
            for (to, pixel) in data.iter_mut().zip(object.data.chunks_exact(object.channels)) {
                *to |= u8::from(2 * u32::from(pixel[0]) > u32::from(object.max));
            }
        }
        let mask = Mask { width: picture.width, height: picture.height, data };
        Ok(Sample { id: item.id.clone(), picture, mask })
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn classes(&self) -> usize {
        2
    }
}

/// Folders directly below `root` that have a folder `images`, sorted by name.
fn picture_folders(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root).map_err(Error::io(root))? {
        let path = entry.map_err(Error::io(root))?.path();
        if path.join("images").is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// The pictures in folders of their own below `root`, as [`ObjectsDataset`] finds them; masks are not looked for.
///
/// # Errors
/// [`Error::Io`] where a folder cannot be listed.
pub fn list_nested_pictures(root: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let folders = picture_folders(root.as_ref())?;
    Ok(folders.iter().map(|f| list_pictures(f.join("images"))).collect::<Result<Vec<_>>>()?.concat())
}

fn item(folder: &Path) -> Result<Item> {
    let pictures = list_pictures(folder.join("images"))?;
    let [image] = &pictures[..] else {
        let message = format!("its images folder holds {} pictures; exactly one is wanted", pictures.len());
        return Err(Error::data(folder, message));
    };
    let objects = list_pictures(folder.join("masks"))?;
    let (width, height) = dimensions(image)?;
    for object in &objects {
        let (w, h) = dimensions(object)?;
        if (w, h) != (width, height) {
            return Err(Error::data(object, format!("is {w}x{h}, but its picture {width}x{height}")));
        }
    }
    let id = folder.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Item { id, image: image.clone(), objects, width, height })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{gray_png, rgb_png};
    use super::*;
    use std::fs::create_dir_all;

    fn folder(root: &Path, id: &str, width: u32, objects: &[(u32, u32)]) {
        let folder = root.join(id);
        create_dir_all(folder.join("images")).unwrap();
        create_dir_all(folder.join("masks")).unwrap();
        rgb_png(&folder.join(format!("images/{id}.png")), width, 5, |x, _| [x as u8, 0, 9]);
        for (i, (from, to)) in objects.iter().enumerate() {
            let value = |x: u32, _| if (*from..*to).contains(&x) { 255 } else { 0 };
            gray_png(&folder.join(format!("masks/{i}.png")), width, 5, value);
        }
    }

    #[test]
    fn objects_are_joined() {
        let root = tempfile::tempdir().unwrap();
        folder(root.path(), "b", 8, &[(0, 2), (1, 3), (6, 7)]);
        folder(root.path(), "a", 6, &[]);
        let data = ObjectsDataset::open(root.path(), 3).unwrap();
        assert_eq!((data.len(), data.id(0), data.size(1), data.classes()), (2, "a", (8, 5), 2));
        assert!(data.warnings.len() == 1 && data.warnings[0].contains("without an object: a"));
        let sample = data.load(1).unwrap();
        assert_eq!(sample.mask.data[..8], [1, 1, 1, 0, 0, 0, 1, 0]);
        assert_eq!((sample.picture.channels, data.load(0).unwrap().mask.data.contains(&1)), (3, false));
        assert!(data.load(2).is_err());
        assert_eq!(list_nested_pictures(root.path()).unwrap().len(), 2);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let root = tempfile::tempdir().unwrap();
        let complaint = || ObjectsDataset::open(root.path(), 1).unwrap_err().to_string();
        assert!(complaint().contains("<id>/images"));
        folder(root.path(), "a", 8, &[(0, 2)]);
        gray_png(&root.path().join("a/masks/small.png"), 3, 3, |_, _| 255);
        assert!(complaint().contains("small.png is 3x3") || complaint().contains("is 3x3, but"));
        folder(root.path(), "b", 8, &[]);
        gray_png(&root.path().join("b/images/second.png"), 3, 3, |_, _| 255);
        assert!(complaint().contains("holds 2 pictures"), "{}", complaint());
        std::fs::remove_dir_all(root.path().join("b/masks")).unwrap();
        std::fs::remove_file(root.path().join("b/images/second.png")).unwrap();
        assert!(complaint().contains("masks"), "{}", complaint());
    }
}
