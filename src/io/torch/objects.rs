//! What a pickle builds: values, and the heap of the objects they refer to.

use super::Parsed;

/// Longest text that may be a name or a key, bytes.
pub(super) const MAX_NAME: usize = 1024;
/// Most that a pickle's calls may copy: letters of keys, axes, entries of dicts. Networks of ten thousand tensors
/// copy a tenth.
const MAX_COPIED: usize = 1 << 22;

/// A value of the pickle machine. Copies of one refer to the same object, as in Python.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A float; no number but sizes, strides and offsets is ever needed.
    Float,
    Global(Global),
    /// Its place in the heap.
    Object(usize),
}

/// What a pickle may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Size,
    Device,
    RebuildTensor,
    RebuildParameter,
    Storage(Dtype),
    /// A type of numbers, such as `torch.float32`.
    NumberType,
}

/// Type of a storage's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dtype {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U8,
    Bool,
}

impl Dtype {
    /// Of a class of storages, `FloatStorage` say.
    pub fn of_storage(class: &str) -> Option<Self> {
        Some(match class {
            "DoubleStorage" => Self::F64,
            "FloatStorage" => Self::F32,
            "HalfStorage" => Self::F16,
            "BFloat16Storage" => Self::BF16,
            "LongStorage" => Self::I64,
            "IntStorage" => Self::I32,
            "ShortStorage" => Self::I16,
            "CharStorage" => Self::I8,
            "ByteStorage" => Self::U8,
            "BoolStorage" => Self::Bool,
            _ => return None,
        })
    }

    /// Bytes of a number.
    pub fn size(self) -> usize {
        match self {
            Self::F64 | Self::I64 => 8,
            Self::F32 | Self::I32 => 4,
            Self::F16 | Self::BF16 | Self::I16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }
}

/// Numbers that lie in the file, which tensors look at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    pub key: String,
    pub dtype: Dtype,
    /// How many numbers lie in the file.
    pub count: usize,
    /// The first number of this storage, for one that is a part of another.
    pub start: usize,
    /// How many numbers from there on belong to it.
    pub length: usize,
}

/// A view of a storage; sizes, strides and offset count numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    /// The storage's place in the heap.
    pub storage: usize,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<usize>,
}

/// What lies in the heap.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object {
    Text(String),
    /// Bytes, or the little-endian digits of an integer beyond 64 bits.
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    /// In the order of insertion; of equal keys the last counts.
    Dict(Vec<(Value, Value)>),
    Storage(Storage),
    Tensor(View),
    /// A harmless thing of no use here, such as a device.
    Opaque,
}

/// Objects by their places. An arena: dropping it never recurses, however deep the containers.
#[derive(Debug, Default)]
pub(super) struct Heap {
    pub objects: Vec<Object>,
    copied: usize,
}

impl Heap {
    pub fn add(&mut self, object: Object) -> Value {
        self.objects.push(object);
        Value::Object(self.objects.len() - 1)
    }

    /// To be said before something of that size is copied: a call of a few bytes can be repeated without end.
    pub fn copying(&mut self, size: usize) -> Parsed<()> {
        self.copied = self.copied.saturating_add(size);
        if self.copied > MAX_COPIED { Err("its calls make far too much".to_owned()) } else { Ok(()) }
    }

    pub fn get(&self, value: Value) -> Option<&Object> {
        match value {
            Value::Object(place) => self.objects.get(place),
            _ => None,
        }
    }

    pub fn get_mut(&mut self, value: Value) -> Option<&mut Object> {
        match value {
            Value::Object(place) => self.objects.get_mut(place),
            _ => None,
        }
    }

    /// A name or key; longer texts are none.
    pub fn text(&self, value: Value) -> Option<&str> {
        match self.get(value)? {
            Object::Text(text) if text.len() <= MAX_NAME => Some(text),
            _ => None,
        }
    }

    /// Elements of a list or tuple.
    pub fn elements(&self, value: Value) -> Option<&[Value]> {
        match self.get(value)? {
            Object::List(all) | Object::Tuple(all) => Some(all),
            _ => None,
        }
    }

    pub fn dict(&self, value: Value) -> Option<&[(Value, Value)]> {
        match self.get(value)? {
            Object::Dict(entries) => Some(entries),
            _ => None,
        }
    }
}

/// A size, stride or offset.
pub(super) fn count(value: Value) -> Option<usize> {
    match value {
        Value::Int(number) => usize::try_from(number).ok(),
        _ => None,
    }
}
