//! Writes checkpoints as `torch.save` does, from values given by hand.

use std::collections::HashMap;
use std::io::{Cursor, Write};

use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// A value of Python.
#[derive(Clone, Debug)]
pub enum Py {
    None,
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Py>),
    Tuple(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    /// A name of a module.
    Global(&'static str, &'static str),
    /// What calling the first with the second (a tuple) gives.
    Call(Box<Py>, Box<Py>),
    /// What a persistent id stands for.
    Id(Box<Py>),
    /// Instructions as they are.
    Raw(Vec<u8>),
}

pub fn text(value: &str) -> Py {
    Py::Text(value.to_owned())
}

pub fn ints(values: &[i64]) -> Py {
    Py::Tuple(values.iter().copied().map(Py::Int).collect())
}

pub fn call(module: &'static str, name: &'static str, arguments: Vec<Py>) -> Py {
    Py::Call(Box::new(Py::Global(module, name)), Box::new(Py::Tuple(arguments)))
}

pub fn dict(entries: Vec<(&str, Py)>) -> Py {
    Py::Dict(entries.into_iter().map(|(key, value)| (text(key), value)).collect())
}

/// Numbers in a file.
#[derive(Clone, Debug)]
pub struct Storage {
    pub class: &'static str,
    pub key: String,
    pub count: i64,
    pub bytes: Vec<u8>,
}

impl Storage {
    pub fn new<const N: usize>(class: &'static str, key: &str, numbers: &[[u8; N]]) -> Self {
        Self { class, key: key.to_owned(), count: numbers.len() as i64, bytes: numbers.concat() }
    }

    pub fn floats(key: &str, numbers: &[f32]) -> Self {
        Self::new("FloatStorage", key, &numbers.iter().map(|v| v.to_le_bytes()).collect::<Vec<_>>())
    }

    fn id(&self) -> Py {
        let (class, count) = (Py::Global("torch", self.class), Py::Int(self.count));
        Py::Id(Box::new(Py::Tuple(vec![text("storage"), class, text(&self.key), text("cpu"), count])))
    }

    /// A tensor that looks at it.
    pub fn view(&self, offset: i64, shape: &[i64], strides: &[i64]) -> Py {
        let hooks = call("collections", "OrderedDict", Vec::new());
        let arguments = vec![self.id(), Py::Int(offset), ints(shape), ints(strides), Py::None, hooks];
        call("torch._utils", "_rebuild_tensor_v2", arguments)
    }

    /// A dense tensor of all of it.
    pub fn dense(&self, shape: &[i64]) -> Py {
        let mut strides: Vec<i64> = Vec::new();
        for axis in 0..shape.len() {
            strides.push(shape[axis + 1..].iter().product());
        }
        self.view(0, shape, &strides)
    }
}

/// In protocol 2; texts that come again are referred to, as Python does.
pub fn pickle(value: &Py) -> Vec<u8> {
    let mut out = vec![0x80, 2];
    write(value, &mut out, &mut HashMap::new());
    out.push(b'.');
    out
}

fn write(value: &Py, out: &mut Vec<u8>, memo: &mut HashMap<String, u32>) {
    match value {
        Py::None => out.push(b'N'),
        Py::Int(n @ 0..=255) => out.extend([b'K', *n as u8]),
        Py::Int(n) => out.extend([&[0x8a, 8][..], &n.to_le_bytes()].concat()),
        Py::Float(v) => out.extend([&b"G"[..], &v.to_be_bytes()].concat()),
        Py::Text(text) => match memo.get(text) {
            Some(number) => out.extend([&b"j"[..], &number.to_le_bytes()].concat()),
            None => {
                let number = memo.len() as u32;
                out.extend([&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat());
                out.extend([&b"r"[..], &number.to_le_bytes()].concat());
                memo.insert(text.clone(), number);
            }
        },
        Py::List(all) => {
            out.extend(b"](");
            all.iter().for_each(|value| write(value, out, memo));
            out.push(b'e');
        }
        Py::Tuple(all) => {
            out.push(b'(');
            all.iter().for_each(|value| write(value, out, memo));
            out.push(b't');
        }
        Py::Dict(entries) => {
            out.extend(b"}(");
            for (key, value) in entries {
                write(key, out, memo);
                write(value, out, memo);
            }
            out.push(b'u');
        }
        Py::Global(module, name) => out.extend(format!("c{module}\n{name}\n").bytes()),
        Py::Call(callee, arguments) => {
            write(callee, out, memo);
            write(arguments, out, memo);
            out.push(b'R');
        }
        Py::Id(id) => {
            write(id, out, memo);
            out.push(b'Q');
        }
        Py::Raw(bytes) => out.extend(bytes),
    }
}

/// A zip of these parts.
pub fn zip(parts: &[(String, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, bytes) in parts {
        zip.start_file(name.as_str(), options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The parts of a checkpoint since PyTorch 1.6.
pub fn parts(object: &Py, storages: &[&Storage]) -> Vec<(String, Vec<u8>)> {
    let mut parts = vec![
        ("archive/data.pkl".to_owned(), pickle(object)),
        ("archive/byteorder".to_owned(), b"little".to_vec()),
    ];
    parts.extend(storages.iter().map(|s| (format!("archive/data/{}", s.key), s.bytes.clone())));
    parts.push(("archive/version".to_owned(), b"3\n".to_vec()));
    parts
}

/// A checkpoint since PyTorch 1.6.
pub fn zip_form(object: &Py, storages: &[&Storage]) -> Vec<u8> {
    zip(&parts(object, storages), CompressionMethod::Stored)
}

/// A checkpoint before PyTorch 1.6.
pub fn old_form(object: &Py, storages: &[&Storage]) -> Vec<u8> {
    let magic = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    let machine = dict(vec![("protocol_version", Py::Int(1001)), ("little_endian", Py::Int(1))]);
    let keys = Py::List(storages.iter().map(|s| text(&s.key)).collect());
    let mut out = [&magic[..], &pickle(&Py::Int(1001)), &pickle(&machine)].concat();
    out.extend([pickle(object), pickle(&keys)].concat());
    for storage in storages {
        out.extend(storage.count.to_le_bytes());
        out.extend(&storage.bytes);
    }
    out
}
