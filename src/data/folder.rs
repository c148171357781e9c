//! A folder of pictures and a folder of masks, checked before anything is trained.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::coding::{MaskCoding, decide_coding};
use super::csv_table::CsvTable;
use super::decode::{decode, dimensions, holds_dicom};
use super::mask::Mask;
use super::picture::{Picture, check_read_channels};
use super::sample::{Dataset, Sample};
use super::volume::{self, Axis, VolumeOptions};
use super::{file_name, levels::Range, name_some, stack};
use crate::{Error, Result};

const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "tif", "tiff", "dcm"];

/// Where pictures and masks lie and how to read them.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderOptions {
    /// The data set's folder.
    pub root: PathBuf,
    /// The pictures' folder, taken from `root` unless absolute.
    pub images: PathBuf,
    /// The masks' folder, taken from `root` unless absolute.
    pub masks: PathBuf,
    /// The name of a picture's mask, such as `"{stem}_mask.png"`, where `{stem}` is the picture's name
    /// without extension. `None`: the same stem. The extension may be left out.
    pub mask_pattern: Option<String>,
    /// Channels to read pictures as: 1 or 3, or as many as volumes have.
    pub channels: usize,
    /// Number of classes with the background, 2 to 256.
    pub classes: usize,
    /// How the masks write classes.
    pub coding: MaskCoding,
    /// How volumes and DICOM files are taken.
    pub volumes: VolumeOptions,
}

impl FolderOptions {
    /// `root/images` and `root/masks` with equal stems, RGB, two classes, coding found from the files.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            images: "images".into(),
            masks: "masks".into(),
            mask_pattern: None,
            channels: 3,
            classes: 2,
            coding: MaskCoding::Auto,
            volumes: VolumeOptions::default(),
        }
    }
}

/// A picture file with its mask file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The picture's file name without extension; of a slice that of its volume, and its own.
    pub id: String,
    /// Of a slice the name of its volume; else the id.
    pub unit: String,
    /// The picture.
    pub image: PathBuf,
    /// Its mask.
    pub mask: PathBuf,
    /// Pixels a row, of both.
    pub width: usize,
    /// Rows of both.
    pub height: usize,
    /// Channels of the picture's file; alpha does not count.
    pub channels: usize,
}

/// Pairs of pictures and masks from a folder.
#[derive(Debug, Clone)]
pub struct FolderDataset {
    /// The pairs, sorted by id.
    pub items: Vec<Item>,
    /// What was found but not used, such as masks without a picture; one line each.
    pub warnings: Vec<String>,
    /// The coding of the masks, never [`MaskCoding::Auto`].
    pub coding: MaskCoding,
    channels: usize,
    classes: usize,
    range: Range,
}

impl FolderDataset {
    /// Pairs the files and checks all of them: names, sizes (from headers) and mask values (every mask is
    /// decoded).
    ///
    /// # Errors
    /// [`Error::Data`] naming up to five files: no pictures, a picture without mask, two files of one stem,
    /// sizes that differ, masks of no common coding, files that cannot be read. [`Error::Io`] where a folder
    /// cannot be listed. [`Error::Config`] for unusable options.
    pub fn open(options: &FolderOptions) -> Result<Self> {
        check_read_channels(options.channels)?;
        let (image_dir, mask_dir) = (options.root.join(&options.images), options.root.join(&options.masks));
        let namer = Namer::new(options.mask_pattern.as_deref())?;
        let shared = same_folder(&image_dir, &mask_dir);
        if shared && namer.pattern.is_none() {
            let message = "pictures and masks are in one folder; say how mask names differ (mask pattern)";
            return Err(Error::data(image_dir, message));
        }
        let mut images = find_pictures(&image_dir, &options.volumes)?;
        // Masks have one file each, in the same folders as the pictures' several.
        let deep = !options.volumes.modalities.is_empty();
        let masks = match mask_dir.is_file() {
            true => find_pictures(
                &mask_dir,
                &VolumeOptions { modalities: Vec::new(), ..options.volumes.clone() },
            )?,
            false => files(&mask_dir, deep)?,
        };
        if shared {
            images = namer.without_masks(images);
        }
        let (pairs, unused) = pair(&image_dir, &mask_dir, images, masks, &namer)?;
        let warnings = if shared { Vec::new() } else { describe_unused(&mask_dir, &unused) };
        Self::of(pairs, &image_dir, warnings, options)
    }

    /// Takes the pairs that a CSV file lists in its columns `image` and `mask`, paths from `root`, and checks them as
    /// [`Self::open`] does. A pair is named by the column `id`, where there is one, else by its picture.
    ///
    /// # Errors
    /// As [`Self::open`]; [`Error::Data`] naming the list where a column is missing, it is empty, or two pairs share a
    /// name.
    pub fn listed(list: &Path, options: &FolderOptions) -> Result<Self> {
        check_read_channels(options.channels)?;
        let pairs = listed(&CsvTable::read(list)?, &options.root).map_err(|m| Error::data(list, m))?;
        Self::of(pairs, list, Vec::new(), options)
    }

    fn of(pairs: Vec<Pair>, source: &Path, warnings: Vec<String>, options: &FolderOptions) -> Result<Self> {
        let items = measure(slices_of(pairs, options.volumes.axis)?, source, options.volumes.range)?;
        let mask_paths: Vec<PathBuf> = items.iter().map(|item| item.mask.clone()).collect();
        let coding = decide_coding(&mask_paths, options.classes, &options.coding)?;
        let FolderOptions { channels, classes, volumes: VolumeOptions { range, .. }, .. } = *options;
        Ok(Self { items, warnings, coding, channels, classes, range })
    }

    /// The ids of all items, in order.
    pub fn ids(&self) -> Vec<&str> {
        self.items.iter().map(|item| item.id.as_str()).collect()
    }
}

impl Dataset for FolderDataset {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn id(&self, i: usize) -> &str {
        &self.items[i].id
    }

    fn unit(&self, i: usize) -> &str {
        &self.items[i].unit
    }

    fn size(&self, i: usize) -> (usize, usize) {
        (self.items[i].width, self.items[i].height)
    }

    fn load(&self, i: usize) -> Result<Sample> {
        let missing = || Error::Config(format!("item {i} of {} does not exist", self.items.len()));
        let item = self.items.get(i).ok_or_else(missing)?;
        let picture = Picture::read_from(&item.image, self.channels, self.range)?;
        let mask = Mask::read(&item.mask, &self.coding)?;
        for (path, size) in
            [(&item.image, (picture.width, picture.height)), (&item.mask, (mask.width, mask.height))]
        {
            if size != (item.width, item.height) {
                return Err(Error::data(path, "changed its size since the data set was opened; start again"));
            }
        }
        Ok(Sample { id: item.id.clone(), picture, mask })
    }

    fn channels(&self) -> usize {
        self.channels
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn file_channels(&self, i: usize) -> Option<usize> {
        self.items.get(i).map(|item| item.channels)
    }

    fn mask_coding(&self) -> Option<String> {
        Some(self.coding.to_string())
    }
}

/// All pictures directly in `dir`, sorted by name: PNG, JPEG, TIFF and DICOM files and NIfTI volumes (by extension, in
/// any case; DICOM also without, by content; hidden files left out); or, where `dir` is a TIFF file or a volume, its pages
/// or slices, named as if it were a folder.
///
/// # Errors
/// [`Error::Io`] where the folder is missing or cannot be listed; [`Error::Data`] for a name that is not
/// Unicode.
pub fn list_pictures(dir: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    find_pictures(dir.as_ref(), &VolumeOptions::default())
}

/// As [`list_pictures`], volumes taken as `volumes` says: those of several files once each, and where there are such also
/// what is in the folders directly below.
///
/// # Errors
/// As [`list_pictures`]; [`Error::Data`] naming a volume of which a file is missing.
pub(crate) fn find_pictures(dir: &Path, volumes: &VolumeOptions) -> Result<Vec<PathBuf>> {
    if volume::is_volume(dir) && !dir.is_dir() {
        let whole = volume::whole(dir.to_path_buf(), &volumes.modalities)?;
        return volume::slices(&whole, volumes.axis);
    }
    if dir.is_file() {
        return stack::pages(dir);
    }
    volume::gathered(files(dir, !volumes.modalities.is_empty())?, &volumes.modalities)
}

/// The files of pictures and volumes in a folder, and where it is `deep` also in those directly below, sorted.
fn files(dir: &Path, deep: bool) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        if deep && path.is_dir() {
            paths.extend(files(&path, false)?);
        }
        if !path.is_file() || !(is_picture(&path) || volume::is_volume(&path)) {
            continue;
        }
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) if name.starts_with('.') => {}
            Some(_) => paths.push(path),
            None => return Err(Error::data(path, "the file's name is not Unicode; rename it")),
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    match path.extension().and_then(|e| e.to_str()) {
        // Names of DICOM files are often numbers with points between.
        None => holds_dicom(path),
        Some(extension) if extension.bytes().all(|b| b.is_ascii_digit()) => holds_dicom(path),
        Some(extension) => EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)),
    }
}

/// The name of a picture without its ending: `<volume>_<slice>` for a slice, `<stack>_<page>` for a page.
pub(crate) fn picture_name(path: &Path) -> Option<String> {
    path.file_name()?;
    if let Some(slice) = volume::slice_of(path) {
        return Some(format!("{}_{}", volume::stem(&slice.volume), file_name(path)));
    }
    match stack::page_of(path) {
        Some((stack, _)) => Some(format!("{}_{}", stem(stack), file_name(path))),
        None => Some(stem(path)),
    }
}

fn stem(path: &Path) -> String {
    if volume::is_volume(path) {
        return volume::stem(path);
    }
    let number = |e: &std::ffi::OsStr| e.to_string_lossy().bytes().all(|b| b.is_ascii_digit());
    if path.extension().is_some_and(number) {
        return file_name(path);
    }
    path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
}

fn same_folder(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// Knows the stem of the mask that belongs to a picture.
struct Namer {
    /// The pattern's part before the extension.
    pattern: Option<String>,
    /// The pattern's extension, where it has one.
    extension: Option<String>,
}

impl Namer {
    fn new(pattern: Option<&str>) -> Result<Self> {
        let Some(text) = pattern else { return Ok(Self { pattern: None, extension: None }) };
        if !text.contains("{stem}") || text.contains(['/', '\\']) {
            let message = format!(
                "the mask pattern '{text}' must be a file name with {{stem}}, such as {{stem}}_mask.png"
            );
            return Err(Error::Config(message));
        }
        let known = |e: &str| EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(e));
        let volume = [".nii.gz", ".nii"].into_iter().find_map(|e| Some((text.strip_suffix(e)?, &e[1..])));
        match volume.or_else(|| text.rsplit_once('.').filter(|(_, extension)| known(extension))) {
            Some((stem, e)) => Ok(Self { pattern: Some(stem.to_owned()), extension: Some(e.to_owned()) }),
            None => Ok(Self { pattern: Some(text.to_owned()), extension: None }),
        }
    }

    fn mask_stem(&self, image_stem: &str) -> String {
        self.pattern.as_ref().map_or_else(|| image_stem.to_owned(), |p| p.replace("{stem}", image_stem))
    }

    fn may_be_mask(&self, path: &Path) -> bool {
        let is = |wanted: &String| {
            file_name(path).to_ascii_lowercase().ends_with(&format!(".{}", wanted.to_ascii_lowercase()))
        };
        self.extension.as_ref().is_none_or(is)
    }

    /// The files that are not the mask of another file of the same folder.
    fn without_masks(&self, files: Vec<PathBuf>) -> Vec<PathBuf> {
        let masks: HashSet<String> = files.iter().map(|path| self.mask_stem(&stem(path))).collect();
        files.into_iter().filter(|path| !(self.may_be_mask(path) && masks.contains(&stem(path)))).collect()
    }
}

/// Files by stem; two files of one stem are an error, because it would be a guess which one is meant.
fn by_stem(dir: &Path, paths: Vec<PathBuf>) -> Result<BTreeMap<String, PathBuf>> {
    let mut found: BTreeMap<String, PathBuf> = BTreeMap::new();
    let mut twice = Vec::new();
    for path in paths {
        match found.get(&stem(&path)) {
            Some(first) => twice.push(format!("{} and {}", file_name(first), file_name(&path))),
            None => drop(found.insert(stem(&path), path)),
        }
    }
    if twice.is_empty() {
        return Ok(found);
    }
    Err(Error::data(
        dir,
        format!("files share a name but for the extension; remove one: {}", name_some(&twice)),
    ))
}

struct Pair {
    id: String,
    unit: String,
    image: PathBuf,
    mask: PathBuf,
}

/// Finds every picture's mask; also returns the masks that are left.
fn pair(
    image_dir: &Path,
    mask_dir: &Path,
    images: Vec<PathBuf>,
    masks: Vec<PathBuf>,
    namer: &Namer,
) -> Result<(Vec<Pair>, Vec<String>)> {
    let images = by_stem(image_dir, images)?;
    if images.is_empty() {
        return Err(Error::data(
            image_dir,
            "no pictures here; expected files ending in .png, .jpg, .jpeg, .tif, .tiff, .dcm, .nii or .nii.gz",
        ));
    }
    let candidates = masks.into_iter().filter(|path| namer.may_be_mask(path)).collect();
    let mut masks = by_stem(mask_dir, candidates)?;
    let (mut pairs, mut missing) = (Vec::new(), Vec::new());
    for (id, image) in images {
        match masks.remove(&namer.mask_stem(&id)) {
            Some(mask) => pairs.push(Pair { unit: unit(&image, &id), id, image, mask }),
            None => missing.push(format!("{} (expected {})", file_name(&image), namer.mask_stem(&id))),
        }
    }
    if missing.is_empty() {
        return Ok((pairs, masks.values().map(|path| file_name(path)).collect()));
    }
    let example = masks.values().next().map_or_else(|| "no other masks".to_owned(), |path| file_name(path));
    let message = format!(
        "pictures without a mask here: {}; the folder also holds {example}; add masks or give a mask pattern",
        name_some(&missing)
    );
    Err(Error::data(mask_dir, message))
}

fn listed(table: &CsvTable, root: &Path) -> Result<Vec<Pair>, String> {
    let (image, mask, id) = (table.column("image")?, table.column("mask")?, table.find("id"));
    let mut pairs: Vec<Pair> = table
        .rows()
        .map(|(_, fields)| {
            let image = root.join(&fields[image]);
            let id = id.map_or_else(|| stem(&image), |id| fields[id].clone());
            Pair { unit: unit(&image, &id), id, image, mask: root.join(&fields[mask]) }
        })
        .collect();
    if pairs.is_empty() {
        return Err("lists no pictures".into());
    }
    pairs.sort_by(|a, b| a.id.cmp(&b.id));
    match pairs.windows(2).find(|two| two[0].id == two[1].id) {
        Some(two) => Err(format!("names two pictures {:?}; give names in a column id", two[0].id)),
        None => Ok(pairs),
    }
}

fn describe_unused(mask_dir: &Path, unused: &[String]) -> Vec<String> {
    let line = || {
        format!("{}: {} masks belong to no picture: {}", mask_dir.display(), unused.len(), name_some(unused))
    };
    if unused.is_empty() { Vec::new() } else { vec![line()] }
}

/// What a picture is a part of: a volume, where it is a slice that was named by itself; else itself.
fn unit(image: &Path, id: &str) -> String {
    volume::slice_of(image).map_or_else(|| id.to_owned(), |slice| volume::stem(&slice.volume))
}

/// The pairs, slice by slice where they are of volumes.
fn slices_of(pairs: Vec<Pair>, axis: Axis) -> Result<Vec<Pair>> {
    let mut all = Vec::new();
    for pair in pairs {
        if !volume::is_volume(&pair.image) {
            all.push(pair);
            continue;
        }
        if !volume::is_volume(&pair.mask) {
            return Err(Error::data(
                pair.mask,
                "the mask of a volume must be a volume, too (.nii or .nii.gz)",
            ));
        }
        let (images, masks) = (volume::slices(&pair.image, axis)?, volume::slices(&pair.mask, axis)?);
        if images.len() != masks.len() {
            let (image, n, mask) = (file_name(&pair.image), images.len(), masks.len());
            return Err(Error::data(pair.mask, format!("has {mask} slices, but its picture {image} {n}")));
        }
        let slices = images.into_iter().zip(masks);
        all.extend(slices.map(|(image, mask)| {
            let id = format!("{}_{}", pair.id, file_name(&image));
            Pair { id, unit: pair.unit.clone(), image, mask }
        }));
    }
    Ok(all)
}

/// Reads all pictures, so that one which cannot be decoded is named now and not in mid-training, and compares
/// their sizes with their masks'.
fn measure(pairs: Vec<Pair>, image_dir: &Path, range: Range) -> Result<Vec<Item>> {
    let read = |pair: &Pair| Ok((decode(&pair.image, range)?.head(), dimensions(&pair.mask)?));
    let read: Vec<Result<_>> = pairs.par_iter().map(read).collect();
    let (mut items, mut differing) = (Vec::with_capacity(pairs.len()), Vec::new());
    let mut unreadable = Vec::new();
    for (Pair { id, unit, image, mask }, read) in pairs.into_iter().zip(read) {
        let ([width, height, channels], (mask_width, mask_height)) = match read {
            Ok(read) => read,
            Err(error) => {
                unreadable.push(error);
                continue;
            }
        };
        if (width, height) != (mask_width, mask_height) {
            let (image, mask) = (file_name(&image), file_name(&mask));
            differing
                .push(format!("{image} is {width}x{height} but its mask {mask} {mask_width}x{mask_height}"));
        }
        items.push(Item { id, unit, image, mask, width, height, channels });
    }
    if !differing.is_empty() {
        let message = format!("sizes of picture and mask differ: {}", name_some(&differing));
        unreadable.push(Error::data(image_dir, message));
    }
    Error::all(unreadable).map(|()| items)
}

#[cfg(test)]
mod tests;
