//! Where pickle and numbers lie: in a zip, or one after another.

use std::{
    borrow::Cow,
    collections::HashMap,
    fs::File,
    io::{BufReader, Read, Seek, SeekFrom},
};

use zip::{ZipArchive, result::ZipError};

use super::{
    Parsed,
    objects::{Object, Storage, Value},
    pickle::{Input, Loaded, MAX_PICKLE, load},
};

type Reader = BufReader<File>;

/// The integer that files before PyTorch 1.6 begin with, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The version of their layout.
const OLD_VERSION: i64 = 1001;
/// A zip whose parts are so many times as large as itself holds no weights.
const MOST_EXPANDED: u64 = 64;

/// The numbers of a checkpoint.
pub(super) struct Store {
    place: Place,
    /// Bytes that may yet be read. Storages can be asked for again and again under different names, and what is
    /// packed can be small.
    budget: u64,
}

enum Place {
    Zip {
        archive: ZipArchive<Reader>,
        /// What all names begin with.
        folder: String,
        big_endian: bool,
    },
    Old {
        file: Reader,
        /// Where the numbers of each storage begin.
        starts: HashMap<String, u64>,
    },
}

impl Store {
    /// All bytes of a storage, little-endian.
    ///
    /// # Errors
    /// If they are not there.
    pub fn bytes(&mut self, storage: &Storage) -> Parsed<Vec<u8>> {
        let (key, size) = (&storage.key, storage.dtype.size());
        let length = (storage.count as u64).checked_mul(size as u64).filter(|length| *length <= self.budget);
        let length = length.ok_or_else(|| format!("storage {key:?} would be larger than the file"))?;
        self.budget -= length;
        let mut bytes = match &mut self.place {
            Place::Zip { archive, folder, .. } => unpack(archive, &format!("{folder}data/{key}"), length)?,
            Place::Old { file, starts } => {
                let start = starts.get(key).ok_or_else(|| format!("storage {key:?} is not in the file"))?;
                file.seek(SeekFrom::Start(*start)).map_err(|e| e.to_string())?;
                take(file, length)?
            }
        };
        if (bytes.len() as u64) < length {
            let there = bytes.len();
            return Err(format!("truncated: storage {key:?} has {there} bytes, and should have {length}"));
        }
        if let Place::Zip { big_endian: true, .. } = self.place {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        Ok(bytes)
    }
}

/// Up to `length` bytes, of which as many are allocated as there are.
fn take(reader: &mut impl Read, length: u64) -> Parsed<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(length).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    Ok(bytes)
}

/// Up to `length` bytes of a part of a zip; all of it, checksum included, where it is no longer.
fn unpack(archive: &mut ZipArchive<Reader>, name: &str, length: u64) -> Parsed<Vec<u8>> {
    let mut part = archive.by_name(name).map_err(|e| in_zip(name, &e))?;
    if part.size() > length {
        let size = part.size();
        return Err(format!("{name:?} in the zip has {size} bytes, where at most {length} belong"));
    }
    // One more, so that the end is met, where the checksum is compared.
    take(&mut part, length.saturating_add(1)).map_err(|e| format!("{name:?} in the zip is damaged: {e}"))
}

fn in_zip(name: &str, error: &ZipError) -> String {
    match error {
        ZipError::FileNotFound => format!("{name:?} is not in the zip"),
        error => format!("{name:?} in the zip cannot be read: {error}"),
    }
}

/// Opens the form that PyTorch writes since 1.6: a zip of `<folder>/data.pkl` and `<folder>/data/<key>`.
///
/// # Errors
/// If it is another zip or damaged.
pub(super) fn open_zip(file: Reader, length: u64) -> Parsed<(Loaded, Store)> {
    let mut archive = ZipArchive::new(file).map_err(|e| format!("damaged or truncated zip: {e}"))?;
    let names: Vec<String> = archive.file_names().flatten().map(Cow::into_owned).collect();
    let holds = |name: String| names.contains(&name);
    let folders = names.iter().filter_map(|name| name.strip_suffix("data.pkl"));
    let folder = folders.filter(|folder| folder.is_empty() || folder.ends_with('/')).min_by_key(|f| f.len());
    let folder = folder.ok_or("a zip, but no checkpoint of PyTorch: it holds no data.pkl")?;
    if holds(format!("{folder}constants.pkl")) {
        return Err(
            "a TorchScript archive (torch.jit.save), which holds a program; save the weights alone in \
                    PyTorch: torch.save(model.state_dict(), FILE)"
                .to_owned(),
        );
    }
    let big_endian = if holds(format!("{folder}byteorder")) {
        match &unpack(&mut archive, &format!("{folder}byteorder"), 16)?[..] {
            b"little" => false,
            b"big" => true,
            other => return Err(format!("byte order {:?} is unknown", String::from_utf8_lossy(other))),
        }
    } else {
        false
    };
    let budget = length.saturating_mul(MOST_EXPANDED);
    let pickle = unpack(&mut archive, &format!("{folder}data.pkl"), budget.min(MAX_PICKLE))?;
    let loaded = load(&mut Input::new(&pickle[..]))?;
    let folder = folder.to_owned();
    Ok((loaded, Store { place: Place::Zip { archive, folder, big_endian }, budget }))
}

/// Opens the form that PyTorch wrote before 1.6: five pickles (a magic number, the version, facts about the machine,
/// the object, the keys of its storages), then the storages in the order of their keys, each behind its count.
///
/// # Errors
/// If it is another pickle or damaged.
pub(super) fn open_old(file: Reader, length: u64) -> Parsed<(Loaded, Store)> {
    let mut input = Input::new(file);
    let magic = load(&mut input)?;
    if !matches!(magic.heap.get(magic.root), Some(Object::Bytes(bytes)) if bytes[..] == MAGIC) {
        return Err("a Python pickle, but not one that torch.save wrote".to_owned());
    }
    let version = load(&mut input)?.root;
    if version != Value::Int(OLD_VERSION) {
        return Err(format!("layout version {version:?} is unknown; {OLD_VERSION} can be read"));
    }
    // Numbers are little-endian whatever the machine.
    load(&mut input)?;
    let loaded = load(&mut input)?;
    let keys = load(&mut input)?;
    let keys = keys.heap.elements(keys.root).and_then(|all| {
        all.iter().map(|key| keys.heap.text(*key).map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    let keys = keys.ok_or("the keys of its storages are no list of texts")?;
    let position = input.position;
    let mut file = input.into_inner();
    let starts = locate(&mut file, position, length, &keys, &loaded)?;
    let budget = length.saturating_mul(MOST_EXPANDED);
    Ok((loaded, Store { place: Place::Old { file, starts }, budget }))
}

/// Finds where each storage begins, from `position` on.
fn locate(
    file: &mut Reader,
    mut position: u64,
    length: u64,
    keys: &[String],
    loaded: &Loaded,
) -> Parsed<HashMap<String, u64>> {
    let mut storages: HashMap<&str, &Storage> = HashMap::new();
    for object in &loaded.heap.objects {
        if let Object::Storage(storage) = object {
            let known = storages.entry(&storage.key).or_insert(storage);
            if (known.dtype, known.count) != (storage.dtype, storage.count) {
                return Err(format!("storage {:?} has two types or lengths", storage.key));
            }
        }
    }
    let mut starts = HashMap::new();
    for key in keys {
        let storage = storages.get(&key[..]).ok_or_else(|| format!("no tensor has the storage {key:?}"))?;
        let mut count = [0; 8];
        file.seek(SeekFrom::Start(position)).map_err(|e| e.to_string())?;
        file.read_exact(&mut count).map_err(|_| format!("truncated: storage {key:?} is not there"))?;
        let count = u64::from_le_bytes(count);
        if count != storage.count as u64 {
            let wanted = storage.count;
            return Err(format!("storage {key:?} has {count} numbers, and its tensors say {wanted}"));
        }
        let start = position + 8;
        let end = count.checked_mul(storage.dtype.size() as u64).and_then(|bytes| bytes.checked_add(start));
        position = end.filter(|end| *end <= length).ok_or_else(|| {
            format!("truncated: storage {key:?} of {count} numbers does not end within the file")
        })?;
        starts.insert(key.clone(), start);
    }
    Ok(starts)
}
