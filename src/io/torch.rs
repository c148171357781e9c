//! PyTorch's checkpoint files (`.pth`, `.pt`, `.bin`), read without Python.
//!
//! `torch.save` writes a pickle that names what to build, and the raw numbers beside it: since version 1.6 in a
//! zip, before that one after another. Unpickling in Python runs whatever a file names; here a small machine
//! of our own knows the few names that weights need, refuses every other, and runs nothing.

mod archive;
mod calls;
mod objects;
mod pickle;
mod state;
mod tensors;

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
    path::Path,
};

use super::weights::TensorMap;
use crate::{Error, Result};

/// `Err` says what is wrong with the file; its path is added at the end.
type Parsed<T> = std::result::Result<T, String>;

/// The weights of a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    /// The tensors of its state dict as f32, without the `module.` of `DataParallel` before their names.
    pub tensors: TensorMap,
    /// Where the state dict was: keys joined by `/`, such as `state_dict`; empty where the file is nothing else.
    pub key: String,
    /// Entries of the state dict that are no tensors.
    pub others: Vec<String>,
}

/// Whether the file at `path` begins as a zip or a pickle does, and not as safetensors do.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub fn is_torch(path: impl AsRef<Path>) -> Result<bool> {
    let path = path.as_ref();
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(9).read_to_end(&mut start)).map_err(Error::io(path))?;
    // The length of a safetensors header may begin as a pickle does; the brace behind it tells.
    Ok(matches!(start[..], [b'P', b'K', 3, 4, ..] | [0x80, 1..=5, ..]) && start.get(8) != Some(&b'{'))
}

/// Reads the state dict of the checkpoint at `path`, of either form.
///
/// It is looked for under the usual keys (`state_dict`, `model_state_dict`, `model`, ...) and then everywhere but
/// in what belongs to an optimiser; `key` says where it is, its keys joined by `/`. Takes floats of 64, 32 and
/// 16 bits, bfloat16, integers and booleans, converted to f32; views of any strides, and shared storages.
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened; [`Error::Weights`] if it is no such checkpoint, is cut short or
/// contradicts itself, names anything that weights do not need, holds a tensor of another type, no state dict,
/// or several and no `key` that chooses. Memory use is bounded by the size of the file.
pub fn read(path: impl AsRef<Path>, key: Option<&str>) -> Result<Checkpoint> {
    let path = path.as_ref();
    let file = File::open(path).map_err(Error::io(path))?;
    let about = file.metadata().map_err(Error::io(path))?;
    let read = if about.is_file() {
        parse(BufReader::new(file), about.len(), key)
    } else {
        Err("not a regular file".to_owned())
    };
    read.map_err(|message| Error::Weights { path: path.to_path_buf(), message })
}

fn parse(mut file: BufReader<File>, length: u64, key: Option<&str>) -> Parsed<Checkpoint> {
    let mut start = [0; 2];
    file.read_exact(&mut start)
        .and_then(|()| file.rewind())
        .map_err(|_| "no PyTorch checkpoint: too short")?;
    let (loaded, mut store) = match start {
        [b'P', b'K'] => archive::open_zip(file, length)?,
        [0x80, _] => archive::open_old(file, length)?,
        _ => return Err("no PyTorch checkpoint: neither a zip nor a pickle".to_owned()),
    };
    let state = state::find(&loaded, key)?;
    let tensors = tensors::read_all(&mut store, &loaded.heap, &state.tensors, length)?;
    Ok(Checkpoint { tensors, key: state.key, others: state.others })
}
