//! Named tensors in safetensors files: read whatever float type the file has, write f32 or what is asked for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use half::f16;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::atomic::write_atomic_with;
use crate::{Error, Result};

/// The one metadata key that [`write()`] uses.
pub const METADATA_KEY: &str = "gyre";

/// How many names of each sort [`differences`] lists before it only counts.
const LISTED: usize = 8;

/// Longest header the format allows, bytes.
const MAX_HEADER: u64 = 100_000_000;

/// A tensor in the layout of the file: dense, last axis fastest (convolution kernels are OIHW there).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    /// Extent of each axis, outermost first; empty for a scalar.
    pub shape: Vec<usize>,
    /// The values; as many as the product of `shape`.
    pub data: Vec<f32>,
}

/// Tensors by name, in the order of their names.
pub type TensorMap = BTreeMap<String, Tensor>;

/// Reads every tensor of the safetensors file at `path`, converted to f32, and the file's metadata.
///
/// Takes F32, F16, BF16, F64, I8, I32 and I64. Narrowing rounds to nearest: f64 keeps 24 bits of its fraction,
/// integers beyond 2^24 lose their last digits.
///
/// # Errors
/// [`Error::Io`] if the file cannot be read, [`Error::Weights`] if it is no safetensors file, is cut short,
/// contradicts itself, or holds a tensor of another type. Memory use is bounded by the size of the file,
/// whatever its header says.
pub fn read(path: impl AsRef<Path>) -> Result<(TensorMap, BTreeMap<String, String>)> {
    let path = path.as_ref();
    let bytes = read_checked(path)?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| refuse(path, &e.to_string()))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| refuse(path, &e.to_string()))?;
    let mut tensors = TensorMap::new();
    for (name, view) in file.iter() {
        let data = decode(&view).ok_or_else(|| {
            weights(
                path,
                format!(
                    "tensor {name:?} is {:?}; F32, F16, BF16, F64, I8, I32 and I64 can be read",
                    view.dtype()
                ),
            )
        })?;
        tensors.insert(name.to_owned(), Tensor { shape: view.shape().to_vec(), data });
    }
    let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    Ok((tensors, metadata))
}

/// Writes `tensors` as F32 to `path`, atomically, with `metadata` (a JSON text, say) under the key `gyre`.
///
/// Equal arguments give equal bytes: tensors are laid out in the order of their names.
///
/// # Errors
/// [`Error::Weights`] if a tensor's data does not fill its shape; [`Error::Io`] naming `path` if it cannot be
/// written, in which case the file that was there before is untouched.
pub fn write(path: impl AsRef<Path>, tensors: &TensorMap, metadata: &str) -> Result<()> {
    write_as(path, tensors, metadata, |_, _| Stored::F32)
}

/// How the numbers of a tensor are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Four bytes, exact.
    F32,
    /// Two bytes, rounded to the nearest half.
    F16,
    /// One byte: integers from -128 to 127.
    I8,
}

impl Stored {
    fn dtype(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::F16 => Dtype::F16,
            Self::I8 => Dtype::I8,
        }
    }

    fn encode(self, values: &[f32]) -> Cow<'_, [u8]> {
        match self {
            Self::F32 => little_endian(values),
            Self::F16 => Cow::Owned(values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect()),
            Self::I8 => Cow::Owned(values.iter().map(|v| v.round_ties_even() as i8 as u8).collect()),
        }
    }

    /// Half, or f32 where a number is beyond the range of half.
    pub fn half_of(tensor: &Tensor) -> Self {
        if tensor.data.iter().all(|v| f16::from_f32(*v).is_finite()) { Self::F16 } else { Self::F32 }
    }
}

/// As [`write()`], each tensor as `stored` says of it by its name.
///
/// # Errors
/// As [`write()`].
pub fn write_as(
    path: impl AsRef<Path>,
    tensors: &TensorMap,
    metadata: &str,
    stored: impl Fn(&str, &Tensor) -> Stored,
) -> Result<()> {
    let path = path.as_ref();
    let stored: Vec<Stored> = tensors.iter().map(|(name, tensor)| stored(name, tensor)).collect();
    let bytes: Vec<Cow<'_, [u8]>> =
        tensors.values().zip(&stored).map(|(tensor, stored)| stored.encode(&tensor.data)).collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (((name, tensor), stored), bytes) in tensors.iter().zip(&stored).zip(&bytes) {
        let view = TensorView::new(stored.dtype(), tensor.shape.clone(), bytes).map_err(|_| {
            let (shape, count) = (&tensor.shape, tensor.data.len());
            weights(path, format!("cannot write tensor {name:?}: {count} values do not fill shape {shape:?}"))
        })?;
        views.push((name, view));
    }
    // The map is written in no fixed order, so it never holds more than this key.
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), metadata.to_owned())]);
    let encoded = safetensors::serialize(views, Some(metadata))
        .map_err(|e| weights(path, format!("cannot be encoded: {e}")))?;
    write_atomic_with(path, |file| file.write_all(&encoded))
}

/// Bytes that the numbers of those tensors of a file take whose names `wanted` takes.
///
/// # Errors
/// As [`read`].
pub fn bytes(path: impl AsRef<Path>, wanted: impl Fn(&str) -> bool) -> Result<u64> {
    let path = path.as_ref();
    let all = read_checked(path)?;
    let file = SafeTensors::deserialize(&all).map_err(|e| refuse(path, &e.to_string()))?;
    Ok(file.iter().filter(|(name, _)| wanted(name)).map(|(_, view)| view.data().len() as u64).sum())
}

/// How `got` differs from the `(name, shape)` list a model expects; `None` if it does not.
///
/// Names which tensors are missing, unexpected or of another shape, the first few of each sort. Names that
/// end in `num_batches_tracked` (a counter of other programs) are passed over on both sides.
pub fn differences(expected: &[(String, Vec<usize>)], got: &TensorMap) -> Option<String> {
    let counts = |name: &str| !name.ends_with("num_batches_tracked");
    let wanted: BTreeMap<&str, &Vec<usize>> = expected
        .iter()
        .filter(|(name, _)| counts(name))
        .map(|(name, shape)| (name.as_str(), shape))
        .collect();
    let (mut missing, mut reshaped) = (Vec::new(), Vec::new());
    for (name, shape) in &wanted {
        match got.get(*name) {
            None => missing.push(format!("{name} {shape:?}")),
            Some(tensor) if tensor.shape != **shape => {
                reshaped.push(format!("{name} (expected {shape:?}, found {:?})", tensor.shape));
            }
            Some(_) => {}
        }
    }
    let unexpected: Vec<String> = got
        .iter()
        .filter(|(name, _)| counts(name) && !wanted.contains_key(name.as_str()))
        .map(|(name, tensor)| format!("{name} {:?}", tensor.shape))
        .collect();
    let parts: Vec<String> =
        [("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped)]
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(sort, names)| listing(sort, &names))
            .collect();
    if parts.is_empty() { None } else { Some(parts.join("; ")) }
}

fn listing(sort: &str, names: &[String]) -> String {
    let shown = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => format!("{} {sort}: {shown}", names.len()),
        more => format!("{} {sort}: {shown}, and {more} more", names.len()),
    }
}

fn weights(path: &Path, message: String) -> Error {
    Error::Weights { path: path.to_path_buf(), message }
}

/// The whole file, after its first bytes have been found to be those of a safetensors file: a wrong file of
/// many gigabytes is refused without being read.
fn read_checked(path: &Path) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let about = file.metadata().map_err(Error::io(path))?;
    if !about.is_file() {
        return Err(weights(path, "not a regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    (&file).take(9).read_to_end(&mut bytes).map_err(Error::io(path))?;
    check_start(&bytes, about.len()).map_err(|why| weights(path, why))?;
    (&file).read_to_end(&mut bytes).map_err(Error::io(path))?;
    Ok(bytes)
}

/// Judges the first nine bytes: the header's length, and the brace that opens it. The brace comes first,
/// since a header of 640 bytes begins as a pickle does.
fn check_start(start: &[u8], file_length: u64) -> std::result::Result<(), String> {
    if start.is_empty() {
        return Err("the file is empty".to_owned());
    }
    let header = start.get(..8).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes);
    let (Some(header), Some(b'{')) = (header, start.get(8)) else {
        return Err(format!("not a safetensors file{}", looks_like(start)));
    };
    if header > MAX_HEADER {
        return Err(format!(
            "not a safetensors file: its header would be {header} bytes, and {MAX_HEADER} is the most"
        ));
    }
    if header + 8 > file_length {
        return Err(format!("truncated: the header alone is {header} bytes, and the file has {file_length}"));
    }
    Ok(())
}

fn looks_like(start: &[u8]) -> &'static str {
    match start {
        [b'P', b'K', 3, 4, ..] => {
            ": looks like a zip, as PyTorch writes .pt and .pth; convert it: gyre import FILE -o OUT.safetensors"
        }
        [0x80, 1..=5, ..] => {
            ": looks like a Python pickle (an old .pth); convert it: gyre import FILE -o OUT.safetensors"
        }
        [0x89, b'H', b'D', b'F', ..] => ": looks like HDF5, as Keras writes .h5; convert it to safetensors",
        [b'G', b'G', b'U', b'F', ..] => ": looks like GGUF",
        [b'v', b'e', b'r', b's', ..] => ": looks like a Git LFS pointer; fetch the file itself",
        _ => "",
    }
}

/// Turns the library's complaint into ours; only what comes after a plausible start gets here.
fn refuse(path: &Path, complaint: &str) -> Error {
    let lower = complaint.to_lowercase();
    if lower.contains("incomplete") {
        return weights(
            path,
            "truncated, or followed by other bytes: its tensors do not fill the file".to_owned(),
        );
    }
    weights(path, format!("damaged safetensors header: {complaint}"))
}

/// The values as f32, or `None` for a type that is not taken.
fn decode(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each(bytes, |b| f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)),
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::I8 => bytes.iter().map(|b| f32::from(*b as i8)).collect(),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
        Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
        _ => return None,
    })
}

pub(super) fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|chunk| value(*chunk)).collect()
}

#[cfg(target_endian = "little")]
fn little_endian(values: &[f32]) -> Cow<'_, [u8]> {
    Cow::Borrowed(bytemuck::cast_slice(values))
}

#[cfg(not(target_endian = "little"))]
fn little_endian(values: &[f32]) -> Cow<'_, [u8]> {
    Cow::Owned(values.iter().flat_map(|value| value.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tensor(shape: &[usize]) -> Tensor {
        let count = shape.iter().product::<usize>();
        Tensor { shape: shape.to_vec(), data: (0..count).map(|i| i as f32 * 0.3 - 1.0).collect() }
    }

    fn sample() -> TensorMap {
        let shapes: [(&str, &[usize]); 4] =
            [("conv.weight", &[13, 1, 3, 3]), ("conv.bias", &[13]), ("scale", &[]), ("none", &[0, 4])];
        shapes.iter().map(|(name, shape)| ((*name).to_owned(), tensor(shape))).collect()
    }

    /// Writes `bytes` to a file and returns the complaint about it.
    fn complaint(bytes: &[u8]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        fs::write(&path, bytes).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, Error::Weights { .. }), "{error:?}");
        error.to_string()
    }

    fn with_header(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    #[test]
    fn a_file_comes_back_bit_for_bit_and_is_written_deterministically() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let mut tensors = sample();
        tensors.insert(
            "odd".into(),
            Tensor { shape: vec![3], data: vec![f32::MIN_POSITIVE, -0.0, f32::INFINITY] },
        );
        write(&a, &tensors, r#"{"model":"unet \"x\""}"#).unwrap();
        write(&b, &tensors, r#"{"model":"unet \"x\""}"#).unwrap();
        assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());
        let (got, metadata) = read(&a).unwrap();
        assert_eq!(got, tensors);
        assert!(got["odd"].data[1].is_sign_negative());
        assert_eq!(metadata, BTreeMap::from([("gyre".to_owned(), r#"{"model":"unet \"x\""}"#.to_owned())]));
    }

    #[test]
    fn all_accepted_types_are_converted() {
        let data: [(&str, Dtype, Vec<u8>); 6] = [
            ("i8", Dtype::I8, (-7i8).to_le_bytes().to_vec()),
            ("f64", Dtype::F64, (-2.5f64).to_le_bytes().to_vec()),
            ("f16", Dtype::F16, 0xc100u16.to_le_bytes().to_vec()),
            ("bf16", Dtype::BF16, 0xc020u16.to_le_bytes().to_vec()),
            ("i32", Dtype::I32, (-7i32).to_le_bytes().to_vec()),
            ("i64", Dtype::I64, (-7i64).to_le_bytes().to_vec()),
        ];
        let views =
            data.iter().map(|(name, dtype, bytes)| (*name, TensorView::new(*dtype, vec![1], bytes).unwrap()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mixed");
        fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        let (got, metadata) = read(&path).unwrap();
        assert!(metadata.is_empty());
        for (name, tensor) in got {
            assert_eq!(tensor.data, [if name.starts_with('i') { -7.0 } else { -2.5 }], "{name}");
        }
    }

    #[test]
    fn other_files_are_recognised() {
        assert!(complaint(b"").contains("empty"));
        assert!(complaint(b"PK\x03\x04 archive/data.pkl").contains("zip"));
        assert!(complaint(b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 and so on").contains("pickle"));
        assert!(complaint(b"version https://git-lfs.github.com/spec/v1").contains("LFS"));
        assert!(complaint(b"abc").contains("not a safetensors file"));
    }

    #[test]
    fn a_header_of_640_bytes_is_not_taken_for_a_pickle() {
        let header = format!("{:<640}", r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        fs::write(&path, with_header(&header, &1f32.to_le_bytes())).unwrap();
        assert_eq!(read(&path).unwrap().0["a"].data, [1.0]);
    }

    #[test]
    fn lying_headers_are_refused_without_allocating() {
        let huge = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
        assert!(complaint(&huge).contains("header"));
        let long = [&99_000_000u64.to_le_bytes()[..], b"{}"].concat();
        assert!(complaint(&long).contains("truncated"));
        let shape = r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}"#;
        assert!(complaint(&with_header(shape, &[0; 4])).contains("damaged"));
        let beyond = r#"{"a":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,4000000000]}}"#;
        assert!(complaint(&with_header(beyond, &[0; 4])).contains("truncated"));
        let strange = r#"{"mask":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#;
        assert!(complaint(&with_header(strange, &[0; 4])).contains(r#"tensor "mask" is U8"#));
    }

    #[test]
    fn every_cut_of_a_file_is_an_error_and_no_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        write(&path, &sample(), "{}").unwrap();
        let whole = fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(matches!(read(&path), Err(Error::Weights { .. })), "cut at {length}");
        }
    }

    #[test]
    fn a_tensor_that_does_not_fill_its_shape_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        write(&path, &sample(), "{}").unwrap();
        let bad = TensorMap::from([("w".to_owned(), Tensor { shape: vec![2, 2], data: vec![0.0; 3] })]);
        assert!(write(&path, &bad, "{}").unwrap_err().to_string().contains("3 values"));
        assert_eq!(read(&path).unwrap().0, sample());
    }

    #[test]
    fn smaller_types_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        let of = |data: &[f32]| Tensor { shape: vec![data.len()], data: data.to_vec() };
        let all = TensorMap::from([
            ("half".to_owned(), of(&[0.5, -1.0009766, 65504.0])),
            ("whole".to_owned(), of(&[-128.0, 127.0, 3.0])),
            ("wide".to_owned(), of(&[1e6, 0.1])),
        ]);
        let stored = |name: &str, t: &Tensor| if name == "whole" { Stored::I8 } else { Stored::half_of(t) };
        write_as(&path, &all, "{}", stored).unwrap();
        assert_eq!(read(&path).unwrap().0, all);
        assert_eq!(bytes(&path, |name| name != "wide").unwrap(), 6 + 3);
    }

    #[test]
    fn differences_name_the_tensors() {
        let got = sample();
        let mut expected: Vec<(String, Vec<usize>)> =
            got.iter().map(|(n, t)| (n.clone(), t.shape.clone())).collect();
        expected.push(("bn.num_batches_tracked".to_owned(), vec![]));
        assert_eq!(differences(&expected, &got), None);
        expected.retain(|(name, _)| name != "scale");
        expected[0].1 = vec![14];
        expected.extend((0..10).map(|i| (format!("up{i}.weight"), vec![i])));
        let text = differences(&expected, &got).unwrap();
        assert!(text.contains("10 missing: up0.weight [0]"), "{text}");
        assert!(text.contains("and 2 more"), "{text}");
        assert!(text.contains("1 unexpected: scale []"), "{text}");
        assert!(text.contains("conv.bias (expected [14], found [13])"), "{text}");
    }
}
