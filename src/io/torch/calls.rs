//! The few names that weights need, and what they make.

use super::{
    Parsed,
    objects::{Dtype, Global, Heap, Object, Storage, Value, View, count},
};

/// Most axes of a tensor, as in PyTorch.
const MAX_AXES: usize = 64;

/// Looks a name up.
///
/// # Errors
/// For every name that is not in this table: what it would do cannot be known, and it is not done.
pub(super) fn find(module: &str, name: &str) -> Parsed<Global> {
    let found = match (module, name) {
        ("collections", "OrderedDict") => Some(Global::OrderedDict),
        ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Some(Global::RebuildTensor),
        ("torch._utils", "_rebuild_parameter") => Some(Global::RebuildParameter),
        ("torch", "Size") => Some(Global::Size),
        ("torch", "device") => Some(Global::Device),
        (
            "torch",
            "float64" | "float32" | "float16" | "bfloat16" | "int64" | "int32" | "int16" | "int8" | "uint8"
            | "bool",
        ) => Some(Global::NumberType),
        ("torch", class) => Dtype::of_storage(class).map(Global::Storage),
        _ => None,
    };
    found.ok_or_else(|| refusal(module, name))
}

fn refusal(module: &str, name: &str) -> String {
    let name = format!("{module}.{name}").escape_debug().to_string();
    if module.starts_with("torch") && name.ends_with("Storage") {
        return format!(
            "it holds numbers of {name}; floats, bfloat16, integers and booleans can be read. Convert them in \
             PyTorch (tensor.float()) and save again"
        );
    }
    format!(
        "it names {name}, which is no tensor, number, text or container, and might run anything. It is refused \
         and nothing was run. Where the file is trusted, save the weights alone in PyTorch: \
         torch.save(model.state_dict(), FILE)"
    )
}

/// What calling `global` makes.
///
/// # Errors
/// For arguments that PyTorch would not write.
pub(super) fn build(heap: &mut Heap, global: Global, arguments: Value) -> Parsed<Value> {
    let Some(Object::Tuple(arguments)) = heap.get(arguments) else {
        return Err("the arguments of a call are no tuple".to_owned());
    };
    match (global, &arguments[..]) {
        (Global::OrderedDict, []) => Ok(heap.add(Object::Dict(Vec::new()))),
        (Global::OrderedDict, [entries]) => {
            let entries = ordered(heap, *entries).ok_or("an ordered dict of what are no pairs")?;
            heap.copying(entries.len())?;
            Ok(heap.add(Object::Dict(entries)))
        }
        (Global::Size, [sizes]) if heap.elements(*sizes).is_some() => Ok(*sizes),
        (Global::Device, [_] | [_, _]) => Ok(heap.add(Object::Opaque)),
        (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
            let view = view(heap, *storage, *offset, *shape, *strides)?;
            heap.copying(2 * view.shape.len())?;
            Ok(heap.add(Object::Tensor(view)))
        }
        (Global::RebuildParameter, [tensor, ..]) if matches!(heap.get(*tensor), Some(Object::Tensor(_))) => {
            Ok(*tensor)
        }
        _ => Err(format!("{global:?} with arguments that PyTorch would not write")),
    }
}

fn ordered(heap: &Heap, entries: Value) -> Option<Vec<(Value, Value)>> {
    let pair = |entry: &Value| match heap.elements(*entry)? {
        [key, value] => Some((*key, *value)),
        _ => None,
    };
    heap.elements(entries)?.iter().map(pair).collect()
}

fn view(heap: &Heap, storage: Value, offset: Value, shape: Value, strides: Value) -> Parsed<View> {
    let counts = |value: Value| {
        let elements = heap.elements(value).filter(|all| all.len() <= MAX_AXES)?;
        elements.iter().map(|element| count(*element)).collect::<Option<Vec<_>>>()
    };
    let place = match storage {
        Value::Object(place) if matches!(heap.get(storage), Some(Object::Storage(_))) => place,
        _ => return Err("a tensor of what is no storage".to_owned()),
    };
    match (count(offset), counts(shape), counts(strides)) {
        (Some(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
            Ok(View { storage: place, offset, shape, strides })
        }
        _ => Err("a tensor whose shape, strides or offset make no sense".to_owned()),
    }
}

/// The storage of a persistent id: `("storage", class, key, device, count)`, and in old files a sixth element for
/// one that is a part of another: `None` or `(key, first number, count)`.
///
/// # Errors
/// For any other id.
pub(super) fn storage(heap: &mut Heap, id: Value) -> Parsed<Value> {
    let storage = parse_storage(heap, id).ok_or("a persistent id that is no storage")?;
    let (start, length) = (storage.start, storage.length);
    if start.checked_add(length).is_none_or(|end| end > storage.count) {
        return Err("a storage that is a part of a smaller one".to_owned());
    }
    heap.copying(storage.key.len())?;
    Ok(heap.add(Object::Storage(storage)))
}

fn parse_storage(heap: &Heap, id: Value) -> Option<Storage> {
    let [tag, Value::Global(Global::Storage(dtype)), key, _device, number, part @ ..] = heap.elements(id)?
    else {
        return None;
    };
    let (key, number) = (heap.text(*key)?.to_owned(), count(*number)?);
    let (start, length) = match part {
        [] | [Value::None] => (0, number),
        [part] => match heap.elements(*part)? {
            [_, start, length] => (count(*start)?, count(*length)?),
            _ => return None,
        },
        _ => return None,
    };
    (heap.text(*tag)? == "storage").then_some(Storage { key, dtype: *dtype, count: number, start, length })
}
