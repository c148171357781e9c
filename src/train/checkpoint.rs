//! Checkpoints: weights under PyTorch's names, the optimiser's state, and how far the run was.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::Trainer;
use crate::{
    Error, Result,
    gpu::Choices,
    graph::{Graph, ParamInfo, Shape, Weights},
    infer::Quantization,
    io::weights::{self, METADATA_KEY, Stored, Tensor, TensorMap},
    models::{Model, is_unused},
    optim::{OptimState, Plateau},
};

/// Names of the optimiser's tensors begin with this; those of weights never do.
const OPTIM: &str = "optimizer/";
/// Names of an encoder's tensors begin with this.
const ENCODER: &str = "encoder.";
/// Names of the tensors of a descent of the logits begin with this.
const DESCENT: &str = "descent.";

/// How far a run was when a checkpoint was written.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Epoch that comes next or is under way, from 0.
    pub epoch: u64,
    /// Batches of that epoch that are done.
    pub batch: u64,
    /// Optimiser steps done.
    pub step: u64,
    /// The best of validation so far: Dice, or by `train.judge = "loss"` the negative loss.
    pub best: Option<f64>,
    /// Validations since the best.
    #[serde(default)]
    pub stale: u64,
    /// That number and the step of the best validations whose weights are kept, best first.
    #[serde(default)]
    pub snapshots: Vec<(f64, u64)>,
    /// How the learning rate stands, where validation lowers it.
    #[serde(default)]
    pub plateau: Plateau,
    /// Sum and number of the losses of the epoch so far, for its mean in the log.
    pub losses: (f64, u64),
    /// The resolved config, as TOML.
    pub config: String,
    /// Forms of the kernels that the run uses, so that it goes on with the same.
    #[serde(default)]
    pub kernels: Choices,
    /// Numbers of the optimiser beside its tensors, by their bits: text would round them.
    pub optim: Vec<(String, u64)>,
}

/// The weights and kept buffers of a model under PyTorch's names.
///
/// # Errors
/// What the device raises.
pub fn weight_map(weights: &Weights) -> Result<TensorMap> {
    Ok(weights.export()?.into_iter().map(|(name, shape, data)| (name, Tensor { shape, data })).collect())
}

/// Sets the weights of a model from a map with exactly its names and shapes; what a public checkpoint holds beside
/// them without use is passed over.
pub(super) fn set_weights(weights: &Weights, map: TensorMap, path: &Path) -> Result<()> {
    set_part(weights, "", map, path)
}

/// As [`set_weights`], of the part of a model whose names begin with `prefix`, which the file lacks.
fn set_part(weights: &Weights, prefix: &str, mut map: TensorMap, path: &Path) -> Result<()> {
    let part: Vec<_> =
        weights.params.iter().filter_map(|p| Some((p, p.name.strip_prefix(prefix)?))).collect();
    if part.iter().any(|(_, name)| name.starts_with(ENCODER)) {
        map.retain(|name, _| !is_unused(name));
    }
    let expected: Vec<_> =
        part.iter().map(|(p, name)| ((*name).to_owned(), p.layout.torch_shape())).collect();
    if let Some(difference) = weights::differences(&expected, &map) {
        let message = format!("belongs to another model than the config's: {difference}");
        return Err(Error::Weights { path: path.into(), message });
    }
    for (param, name) in part {
        if let Some(tensor) = map.get(name) {
            weights.set(&param.name, &tensor.data)?;
        }
    }
    Ok(())
}

/// Loads the weights of a part of a model, whose names begin with `prefix`, from a checkpoint of that part alone.
///
/// # Errors
/// As [`load_weights`].
pub fn load_part(weights: &Weights, prefix: &str, path: &Path) -> Result<()> {
    let (mut map, _) = weights::read(path)?;
    map.retain(|name, _| !name.starts_with(OPTIM));
    set_part(weights, prefix, map, path)
}

/// Loads weights from a checkpoint of gyre or from a public one with PyTorch's names, in safetensors.
///
/// # Errors
/// [`Error::Weights`] if the file cannot be read or belongs to another model, saying which tensors differ.
pub fn load_weights(weights: &Weights, path: &Path) -> Result<()> {
    let (map, quantized) = read_weights(path)?;
    if quantized.is_some() {
        let message = "is quantized to integers; here weights in f32 or half are wanted";
        return Err(Error::Weights { path: path.into(), message: message.into() });
    }
    set_weights(weights, map, path)
}

/// The weights and kept buffers of a file without an optimiser's state, and, of a quantized one, its ranges.
pub(super) fn read_weights(path: &Path) -> Result<(TensorMap, Option<Quantization>)> {
    let (mut map, metadata) = weights::read(path)?;
    map.retain(|name, _| !name.starts_with(OPTIM));
    let said: Option<Compressed> =
        metadata.get(METADATA_KEY).and_then(|text| serde_json::from_str(text).ok());
    Ok((map, said.map(|said| said.quantization)))
}

/// What a quantized file says of itself.
#[derive(Serialize, Deserialize)]
struct Compressed {
    quantization: Quantization,
}

/// Writes a quantized model: its integers in a byte each.
///
/// # Errors
/// As [`weights::write()`].
pub fn save_quantized(map: &TensorMap, quantization: &Quantization, path: &Path) -> Result<()> {
    let said = Compressed { quantization: quantization.clone() };
    let said = serde_json::to_string(&said).map_err(|e| Error::Check(format!("ranges: {e}")))?;
    weights::write_as(
        path,
        map,
        &said,
        |name, _| if name.ends_with(".int8") { Stored::I8 } else { Stored::F32 },
    )
}

/// Writes weights in half, but tensors with numbers beyond its range.
///
/// # Errors
/// As [`weights::write()`].
pub fn save_half(map: &TensorMap, path: &Path) -> Result<()> {
    weights::write_as(path, map, r#"{"precision":"f16"}"#, |_, tensor| Stored::half_of(tensor))
}

/// Bytes of the numbers of a file's weights and kept buffers.
///
/// # Errors
/// As [`weights::read`].
pub fn weight_bytes(path: &Path) -> Result<u64> {
    weights::bytes(path, |name| !name.starts_with(OPTIM))
}

/// As [`load_weights`], of a model without the descent of its logits: what the file holds of that is given back, under the
/// names that it has in the file.
///
/// # Errors
/// As [`load_weights`].
pub fn load_undescended(weights: &Weights, path: &Path) -> Result<TensorMap> {
    let (mut map, _) = weights::read(path)?;
    map.retain(|name, _| !name.starts_with(OPTIM));
    let (learnt, rest) = map.into_iter().partition(|(name, _)| name.starts_with(DESCENT));
    set_weights(weights, rest, path)?;
    Ok(learnt)
}

/// Loads the weights and statistics of an encoder alone, those under `encoder.`, from a file in safetensors that may
/// hold more; the names may lack that beginning, as timm's own do. A first convolution for colour pictures is summed
/// over its channels for a network that takes one.
///
/// # Errors
/// [`Error::Weights`] if the file cannot be read, lacks a tensor or has it in another shape, naming it.
pub fn load_encoder(weights: &Weights, path: &Path) -> Result<()> {
    let (map, _) = weights::read(path)?;
    let fail = |message: String| Error::Weights { path: path.into(), message };
    let wanted: Vec<_> = weights.params.iter().filter(|p| p.name.starts_with(ENCODER)).collect();
    if wanted.is_empty() {
        return Err(fail("is for an encoder, and the network has none".into()));
    }
    // All is looked at before anything is set.
    let mut found = Vec::with_capacity(wanted.len());
    for param in wanted {
        let (name, want) = (&param.name, param.layout.torch_shape());
        let tensor = map.get(name).or_else(|| map.get(&name[ENCODER.len()..]));
        let tensor = tensor.ok_or_else(|| fail(format!("lacks {name} {want:?}")))?;
        let data = match (&want[..], &tensor.shape[..]) {
            (want, have) if want == have => tensor.data.clone(),
            (&[o, 1, h, w], &[p, 3, i, j])
                if [o, h, w] == [p, i, j] && name.ends_with("conv_stem.weight") =>
            {
                summed(&tensor.data, h * w)
            }
            (_, have) => return Err(fail(format!("has {name} in the shape {have:?}; {want:?} is wanted"))),
        };
        found.push((name, data));
    }
    found.into_iter().try_for_each(|(name, data)| weights.set(name, &data))
}

/// Loads what the network learnt for another task: all but its results' layers, which `heads` names, and what it lacked there, a
/// descent.
///
/// # Errors
/// [`Error::Weights`] if the file cannot be read, lacks a tensor or has it in another shape, naming it.
pub(super) fn load_trunk(weights: &Weights, heads: &BTreeSet<String>, path: &Path) -> Result<()> {
    let (map, _) = weights::read(path)?;
    let fail = |message: String| Error::Weights { path: path.into(), message };
    let mut found = Vec::new();
    for param in &weights.params {
        let (name, want) = (&param.name, param.layout.torch_shape());
        if name.starts_with(DESCENT) || heads.contains(name) {
            continue;
        }
        let tensor = map.get(name).filter(|tensor| tensor.shape == want);
        let tensor =
            tensor.ok_or_else(|| fail(format!("lacks {name} {want:?}: it is of another network")))?;
        found.push((name, &tensor.data));
    }
    found.into_iter().try_for_each(|(name, data)| weights.set(name, data))
}

/// The parameters of a network whose shape depends on how many classes there are.
///
/// # Errors
/// As [`Model::build`].
pub(super) fn heads(model: &Model, size: [usize; 2]) -> Result<BTreeSet<String>> {
    let shapes = |out_channels| {
        let model = Model { out_channels, descent: None, ..model.clone() };
        let mut graph = Graph::new();
        let x = graph.input("picture", Shape::new(1, size[0], size[1], model.in_channels));
        model.build(&mut graph, x, false)?;
        let shape = |p: &ParamInfo| (p.name.clone(), p.layout.torch_shape());
        Ok::<BTreeMap<_, _>, Error>(graph.params.iter().map(shape).collect())
    };
    let (own, other) = (shapes(model.out_channels)?, shapes(model.out_channels + 1)?);
    Ok(own.into_iter().filter(|(name, shape)| other.get(name) != Some(shape)).map(|(name, _)| name).collect())
}

/// The sum over three input channels of a convolution's weight with `taps` taps.
fn summed(data: &[f32], taps: usize) -> Vec<f32> {
    let of_output =
        |all: &[f32]| (0..taps).map(|t| all[t] + all[taps + t] + all[2 * taps + t]).collect::<Vec<_>>();
    data.chunks_exact(3 * taps).flat_map(of_output).collect()
}

/// Writes weights alone.
pub(super) fn save_weights(weights: &Weights, progress: &Progress, path: &Path) -> Result<()> {
    weights::write(path, &weight_map(weights)?, &metadata(progress)?)
}

/// Where the weights of a validation are kept.
pub(super) fn snapshot(folder: &Path, step: u64) -> PathBuf {
    folder.join(format!("snapshot-{step:08}.safetensors"))
}

/// The snapshots of a run folder.
///
/// # Errors
/// [`Error::Io`] where it cannot be listed.
pub fn snapshots(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_one = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("snapshot-") && name.ends_with(".safetensors")
    };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(Error::io(folder))?;
    let paths = entries.map(|entry| Ok(entry.map_err(Error::io(folder))?.path()));
    let mut found = paths.collect::<Result<Vec<_>>>()?;
    found.retain(is_one);
    found.sort();
    Ok(found)
}

/// Removes what killed writes of snapshots left.
pub(super) fn remove_half_snapshots(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(".snapshot-") && name.contains(".safetensors.tmp") {
            fs::remove_file(&path).map_err(Error::io(path))?;
        }
    }
    Ok(())
}

/// Writes everything that a run needs to go on.
pub(super) fn save(trainer: &Trainer, mut progress: Progress, path: &Path) -> Result<()> {
    let mut map = weight_map(trainer.weights())?;
    let OptimState { scalars, tensors, .. } = trainer.optim_state()?;
    for (name, bytes) in tensors {
        let data: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
        map.insert(format!("{OPTIM}{name}"), Tensor { shape: vec![data.len()], data });
    }
    progress.optim = scalars.into_iter().map(|(name, v)| (name, v.to_bits())).collect();
    weights::write(path, &map, &metadata(&progress)?)
}

fn metadata(progress: &Progress) -> Result<String> {
    serde_json::to_string(progress).map_err(|e| Error::Check(format!("a checkpoint's progress: {e}")))
}

/// What a checkpoint holds to go on from.
pub struct Saved {
    /// How far the run was.
    pub progress: Progress,
    /// The optimiser's numbers and tensors.
    pub optim: OptimState,
    /// Weights and kept buffers, by PyTorch's names.
    pub weights: TensorMap,
}

impl Saved {
    /// Reads the checkpoint of a run.
    ///
    /// # Errors
    /// [`Error::Weights`] if the file cannot be read or holds weights alone.
    pub fn read(path: &Path) -> Result<Self> {
        let (all, metadata) = weights::read(path)?;
        let progress = metadata.get(METADATA_KEY).and_then(|text| serde_json::from_str(text).ok());
        let mut progress: Progress =
            progress.ok_or_else(|| foreign(path, "it holds weights but no training progress"))?;
        let (optim, weights): (TensorMap, TensorMap) =
            all.into_iter().partition(|(name, _)| name.starts_with(OPTIM));
        let bytes = |tensor: &Tensor| bytemuck::cast_slice(&tensor.data).to_vec();
        let tensors =
            optim.iter().map(|(name, tensor)| (name[OPTIM.len()..].to_owned(), bytes(tensor))).collect();
        // Taken out, so that best weights do not tell them.
        let numbers = std::mem::take(&mut progress.optim);
        let scalars = numbers.into_iter().map(|(name, bits)| (name, f64::from_bits(bits))).collect();
        let optim = OptimState { step: progress.step, scalars, tensors };
        Ok(Self { progress, optim, weights })
    }
}

fn foreign(path: &Path, why: &str) -> Error {
    Error::Weights { path: path.into(), message: format!("cannot be resumed from: {why}") }
}

/// Restores a trainer from what [`save`] wrote.
pub(super) fn load(trainer: &mut Trainer, path: &Path) -> Result<Progress> {
    let Saved { progress, optim, weights } = Saved::read(path)?;
    set_weights(trainer.weights(), weights, path)?;
    match trainer.restore_optim(&optim) {
        Ok(()) => Ok(progress),
        Err(Error::Check(why)) => Err(foreign(path, &why)),
        Err(other) => Err(other),
    }
}
