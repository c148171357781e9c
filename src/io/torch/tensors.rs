//! From storages and views to dense f32 tensors.

use std::collections::BTreeMap;

use half::{bf16, f16};

use super::{
    super::weights::{Tensor, TensorMap, each},
    Parsed,
    archive::Store,
    objects::{Dtype, Heap, Object, Storage, Value, View},
};

/// Views may overlap, and one tensor may have many names; more numbers than this for each byte of the file are
/// beyond reason.
const MOST_PER_BYTE: u64 = 16;
/// For files of a few bytes.
const ALWAYS: u64 = 1 << 16;

/// Reads all `tensors` (name, place in `heap`) of a file of `length` bytes; every storage once.
///
/// # Errors
/// If a tensor does not lie within its storage or the storage not within the file, and if together they are far
/// larger than the file.
pub(super) fn read_all(
    store: &mut Store,
    heap: &Heap,
    tensors: &BTreeMap<String, Value>,
    length: u64,
) -> Parsed<TensorMap> {
    let mut left = length.saturating_mul(MOST_PER_BYTE).saturating_add(ALWAYS);
    // Those that share a storage lie together.
    let mut shared: BTreeMap<(&str, Dtype, usize), Vec<Wanted>> = BTreeMap::new();
    for (name, tensor) in tensors {
        let Some(Object::Tensor(view)) = heap.get(*tensor) else { continue };
        let Some(Object::Storage(storage)) = heap.objects.get(view.storage) else { continue };
        let count = check(view, storage).map_err(|why| format!("tensor {name:?} {why}"))?;
        left = left.checked_sub(count as u64).ok_or_else(|| {
            format!("tensor {name:?}: the tensors together are many times larger than the file")
        })?;
        let key = (&storage.key[..], storage.dtype, storage.count);
        shared.entry(key).or_default().push(Wanted { name, view, storage, count });
    }
    let mut map = TensorMap::new();
    for wanted in shared.values() {
        let Some(Wanted { storage, .. }) = wanted.first() else { continue };
        let values = decode(&store.bytes(storage)?, storage.dtype);
        for Wanted { name, view, storage, count } in wanted {
            let data = gather(&values[storage.start..], view, *count);
            map.insert((*name).clone(), Tensor { shape: view.shape.clone(), data });
        }
    }
    Ok(map)
}

struct Wanted<'a> {
    name: &'a String,
    view: &'a View,
    storage: &'a Storage,
    count: usize,
}

/// How many numbers the view has; all of them lie within its storage.
fn check(view: &View, storage: &Storage) -> Parsed<usize> {
    if view.shape.contains(&0) {
        return Ok(0);
    }
    let count = view.shape.iter().try_fold(1usize, |count, size| count.checked_mul(*size));
    let last = view.shape.iter().zip(&view.strides).try_fold(view.offset, |last, (size, stride)| {
        (size - 1).checked_mul(*stride).and_then(|reach| last.checked_add(reach))
    });
    match (count, last) {
        (Some(count), Some(last)) if last < storage.length => Ok(count),
        _ => {
            let View { shape, strides, offset, .. } = view;
            let length = storage.length;
            Err(format!(
                "of shape {shape:?}, strides {strides:?} and offset {offset} leaves its storage of {length} numbers"
            ))
        }
    }
}

fn decode(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    match dtype {
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
        Dtype::I16 => each(bytes, |b| i16::from_le_bytes(b).into()),
        Dtype::I8 => each(bytes, |b| i8::from_le_bytes(b).into()),
        Dtype::U8 => each(bytes, |[b]| b.into()),
        Dtype::Bool => each(bytes, |[b]| f32::from(b != 0)),
    }
}

/// The numbers of a view that [`check`] has found to lie within `values`, last axis fastest.
fn gather(values: &[f32], view: &View, count: usize) -> Vec<f32> {
    let mut data = Vec::with_capacity(count);
    let mut index = vec![0; view.shape.len()];
    let mut at = view.offset;
    while data.len() < count {
        data.push(values[at]);
        // The next index: as an odometer, from the last axis on. Wrapping, since an axis of one may have any stride.
        for (axis, i) in index.iter_mut().enumerate().rev() {
            *i += 1;
            at = at.wrapping_add(view.strides[axis]);
            if *i < view.shape[axis] {
                break;
            }
            at = at.wrapping_sub(i.wrapping_mul(view.strides[axis]));
            *i = 0;
        }
    }
    data
}
