//! Parameters: their PyTorch shapes, their storage, and the GPU buffers that hold them.

use std::sync::Arc;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Graph, Precision, Role, Shape, Var, pad_channels, unpad_channels};
use crate::{Error, Result, gpu::Context};

/// How a parameter of PyTorch's shape is stored: as `[ky][kx][row][column]`, columns padded to four.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One number a channel, `[C]`.
    Vector(usize),
    /// Convolution, `[O, I, kh, kw]`: rows are input channels, each source of a concatenation padded to four
    /// by itself; columns are output channels.
    Conv {
        /// Output channels.
        out: usize,
        /// Input channels of each source.
        sources: Vec<usize>,
        /// Kernel height and width.
        kernel: [usize; 2],
    },
    /// Convolution in integers of eight bits, `[O, I, kh, kw]`: a row is four input channels, each source of a
    /// concatenation padded by itself; a row holds, for each output channel, padded to four, the numbers of those four.
    Packed {
        /// Output channels.
        out: usize,
        /// Input channels of each source.
        sources: Vec<usize>,
        /// Kernel height and width.
        kernel: [usize; 2],
    },
    /// Transposed convolution, `[I, O, kh, kw]`: rows are output channels, columns input channels.
    ConvTranspose {
        /// Input channels.
        input: usize,
        /// Output channels.
        out: usize,
        /// Kernel height and width.
        kernel: [usize; 2],
    },
    /// Grouped or depthwise convolution, `[O, I / groups, kh, kw]`: rows are the channels of one group.
    Grouped {
        /// Output channels.
        out: usize,
        /// Input channels a group.
        per_group: usize,
        /// Kernel height and width.
        kernel: [usize; 2],
    },
    /// Fully connected, `[O, I]`: rows are inputs.
    Linear {
        /// Outputs.
        out: usize,
        /// Inputs.
        input: usize,
    },
    /// A matrix stored as it is, `[rows, columns]`.
    Matrix {
        /// Rows, one a pixel.
        rows: usize,
        /// Columns, one a channel.
        cols: usize,
    },
    /// A tensor stored as it is, `[N, C, H, W]` in files.
    Tensor(Shape),
}

impl Layout {
    /// Shape in files, PyTorch's order.
    pub fn torch_shape(&self) -> Vec<usize> {
        match self {
            Self::Vector(c) => vec![*c],
            Self::Conv { out, sources, kernel: [h, w] } | Self::Packed { out, sources, kernel: [h, w] } => {
                vec![*out, sources.iter().sum(), *h, *w]
            }
            Self::ConvTranspose { input, out, kernel: [h, w] } => vec![*input, *out, *h, *w],
            Self::Grouped { out, per_group, kernel: [h, w] } => vec![*out, *per_group, *h, *w],
            Self::Linear { out, input } => vec![*out, *input],
            Self::Matrix { rows, cols } => vec![*rows, *cols],
            Self::Tensor(s) => vec![s.n, s.c, s.h, s.w],
        }
    }

    /// Numbers in the file.
    pub fn count(&self) -> usize {
        self.torch_shape().iter().product()
    }

    /// Shape in storage.
    pub fn shape(&self) -> Shape {
        let pad = |c: usize| c.next_multiple_of(4);
        match self {
            Self::Vector(c) => Shape::channels(*c),
            Self::Conv { out, sources, kernel: [h, w] } => {
                Shape::new(*h, *w, sources.iter().map(|c| pad(*c)).sum(), *out)
            }
            Self::Packed { out, sources, kernel: [h, w] } => {
                Shape::new(*h, *w, sources.iter().map(|c| c.div_ceil(4)).sum(), 4 * pad(*out))
            }
            Self::ConvTranspose { input, out, kernel: [h, w] } => Shape::new(*h, *w, pad(*out), *input),
            Self::Grouped { out, per_group, kernel: [h, w] } => Shape::new(*h, *w, *per_group, *out),
            Self::Linear { out, input } => Shape::new(1, 1, *input, *out),
            Self::Matrix { rows, cols } => Shape::new(1, 1, *rows, *cols),
            Self::Tensor(s) => *s,
        }
    }

    /// For each number of the file, its place in unpadded storage.
    fn places(&self) -> Vec<usize> {
        let s = self.shape();
        let place = |ky: usize, kx: usize, row: usize, col: usize| ((ky * s.h + kx) * s.w + row) * s.c + col;
        let t = self.torch_shape();
        let four = |f: &dyn Fn(usize, usize, usize, usize) -> usize| {
            let mut all = Vec::with_capacity(self.count());
            for a in 0..t[0] {
                for b in 0..t[1] {
                    for y in 0..t[2] {
                        all.extend((0..t[3]).map(|x| f(a, b, y, x)));
                    }
                }
            }
            all
        };
        match self {
            Self::Vector(_) | Self::Matrix { .. } => (0..self.count()).collect(),
            Self::Conv { sources, .. } => {
                let rows = padded_rows(sources);
                four(&|o, i, y, x| place(y, x, rows[i], o))
            }
            Self::Packed { sources, .. } => {
                let rows = padded_rows(sources);
                four(&|o, i, y, x| place(y, x, rows[i] / 4, 4 * o + rows[i] % 4))
            }
            Self::ConvTranspose { .. } => four(&|i, o, y, x| place(y, x, o, i)),
            Self::Grouped { .. } => four(&|o, i, y, x| place(y, x, i, o)),
            Self::Linear { out, input } => {
                (0..*out).flat_map(|o| (0..*input).map(move |i| place(0, 0, i, o))).collect()
            }
            Self::Tensor(_) => four(&|n, c, y, x| place(n, y, x, c)),
        }
    }

    /// From the file's order to unpadded storage.
    pub fn to_storage(&self, file: &[f32]) -> Vec<f32> {
        let mut stored = vec![0.0; self.shape().count()];
        for (v, p) in file.iter().zip(self.places()) {
            stored[p] = *v;
        }
        stored
    }

    /// From unpadded storage to the file's order.
    pub fn from_storage(&self, stored: &[f32]) -> Vec<f32> {
        self.places().into_iter().map(|p| stored[p]).collect()
    }
}

/// The row of each input channel where every source is padded to four.
fn padded_rows(sources: &[usize]) -> Vec<usize> {
    let mut rows = Vec::new();
    let mut start = 0;
    for c in sources {
        rows.extend(start..start + c);
        start += c.next_multiple_of(4);
    }
    rows
}

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// All the same.
    Constant(f32),
    /// Uniform in +-bound.
    Uniform(f32),
    /// Normal with this standard deviation.
    Normal(f32),
    /// A square matrix with ones on its diagonal.
    Identity,
}

impl Init {
    /// `count` numbers, a function of seed and parameter index alone.
    fn draw(self, count: usize, seed: u64, index: usize) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index as u64);
        let mut unit = move || rng.random::<f64>();
        match self {
            Self::Constant(v) => vec![v; count],
            Self::Identity => {
                let side = count.isqrt();
                (0..count).map(|i| if i % (side + 1) == 0 { 1.0 } else { 0.0 }).collect()
            }
            Self::Uniform(bound) => {
                (0..count).map(|_| ((2.0 * unit() - 1.0) * f64::from(bound)) as f32).collect()
            }
            Self::Normal(std) => {
                // Box-Muller; 1 - u keeps the logarithm finite.
                let mut normal =
                    || (-2.0 * (1.0 - unit()).ln()).sqrt() * (std::f64::consts::TAU * unit()).cos();
                (0..count).map(|_| (normal() * f64::from(std)) as f32).collect()
            }
        }
    }
}

/// A parameter or kept buffer of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct ParamInfo {
    /// PyTorch's name.
    pub name: String,
    /// Shapes in files and storage.
    pub layout: Layout,
    /// How it starts.
    pub init: Init,
    /// True for parameters, false for running statistics.
    pub trained: bool,
    /// How its numbers are stored on the device.
    pub precision: Precision,
    /// Its tensor in the graph.
    pub value: Var,
}

/// A place in one of several buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub arena: usize,
    pub offset: u64,
    pub bytes: u64,
}

/// Buffers of one size each that hold all parameters (or all gradients, or one moment of all).
#[derive(Clone, Debug)]
pub struct Arenas {
    pub(crate) buffers: Vec<wgpu::Buffer>,
}

impl Arenas {
    fn new(context: &Context, label: &str, sizes: &[u64]) -> Result<Self> {
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let buffers = sizes.iter().map(|s| context.buffer(label, *s, usage)).collect::<Result<_>>()?;
        Ok(Self { buffers })
    }

    /// Copies every buffer back to the host.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub fn download(&self, context: &Context) -> Result<Vec<Vec<u8>>> {
        self.buffers.iter().map(|b| context.read(b, 0, b.size())).collect()
    }

    /// Fills every buffer from the host.
    ///
    /// # Errors
    /// [`Error::Check`] if the sizes differ.
    pub fn upload(&self, context: &Context, bytes: &[Vec<u8>]) -> Result<()> {
        if !bytes.iter().map(|b| b.len() as u64).eq(self.buffers.iter().map(wgpu::Buffer::size)) {
            return Err(Error::Check("the saved state has other sizes than this model's".into()));
        }
        for (buffer, bytes) in self.buffers.iter().zip(bytes) {
            context.queue.write_buffer(buffer, 0, bytes);
        }
        Ok(())
    }
}

/// A parameter's name, PyTorch's shape, and its numbers in PyTorch's order.
pub type Exported = (String, Vec<usize>, Vec<f32>);

/// The parameters and kept buffers of a model on the GPU; shared by its training and inference sessions.
#[derive(Debug)]
pub struct Weights {
    pub(crate) context: Arc<Context>,
    /// Names, layouts and roles.
    pub params: Vec<ParamInfo>,
    pub(crate) places: Vec<Place>,
    pub(crate) values: Arenas,
    pub(crate) states: Arenas,
    value_sizes: Vec<u64>,
}

/// Packs tensors into as few buffers as the binding limit allows.
fn pack(params: &[ParamInfo], trained: bool, limit: u64, align: u64, places: &mut [Place]) -> Vec<u64> {
    let mut sizes: Vec<u64> = Vec::new();
    for (place, param) in places.iter_mut().zip(params).filter(|(_, p)| p.trained == trained) {
        let bytes = param.precision.bytes(param.layout.shape());
        let padded = bytes.next_multiple_of(align);
        match sizes.last_mut() {
            Some(size) if *size + padded <= limit => *size += padded,
            _ => sizes.push(padded),
        }
        let arena = sizes.len() - 1;
        *place = Place { arena, offset: sizes[arena] - padded, bytes };
    }
    sizes
}

impl Weights {
    /// Allocates the parameters of `graph` and draws their initial values from `seed`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the device has no room.
    pub fn new(context: &Arc<Context>, graph: &Graph, seed: u64) -> Result<Self> {
        let params = graph.params.clone();
        let limit = context.limits.max_storage_buffer_binding_size.min(context.limits.max_buffer_size);
        let align = u64::from(context.limits.min_storage_buffer_offset_alignment.max(256));
        let mut places = vec![Place { arena: 0, offset: 0, bytes: 0 }; params.len()];
        let value_sizes = pack(&params, true, limit, align, &mut places);
        let state_sizes = pack(&params, false, limit, align, &mut places);
        let values = Arenas::new(context, "parameters", &value_sizes)?;
        let states = Arenas::new(context, "running statistics", &state_sizes)?;
        let weights = Self { context: context.clone(), params, places, values, states, value_sizes };
        for (index, param) in weights.params.iter().enumerate() {
            weights.set_at(index, &param.init.draw(param.layout.count(), seed, index));
        }
        Ok(weights)
    }

    /// Zeroed buffers laid out like the parameters: gradients or optimiser moments.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if the device has no room.
    pub fn like_values(&self, label: &str) -> Result<Arenas> {
        Arenas::new(&self.context, label, &self.value_sizes)
    }

    fn find(&self, name: &str) -> Result<usize> {
        let found = self.params.iter().position(|p| p.name == name);
        found.ok_or_else(|| Error::Check(format!("the model has no parameter {name:?}")))
    }

    fn buffer_of(&self, index: usize) -> &wgpu::Buffer {
        let arenas = if self.params[index].trained { &self.values } else { &self.states };
        &arenas.buffers[self.places[index].arena]
    }

    fn set_at(&self, index: usize, file: &[f32]) {
        self.write_at(self.buffer_of(index), index, file);
    }

    fn write_at(&self, buffer: &wgpu::Buffer, index: usize, file: &[f32]) {
        let ParamInfo { layout, precision, .. } = &self.params[index];
        let ordered = layout.to_storage(file);
        let padded = pad_channels(layout.shape(), &ordered);
        self.context.queue.write_buffer(buffer, self.places[index].offset, &precision.encode(&padded));
    }

    /// Index of a parameter, or kept buffer, that holds as many numbers as `file`.
    fn find_for(&self, name: &str, file: &[f32]) -> Result<usize> {
        let index = self.find(name)?;
        let layout = &self.params[index].layout;
        if file.len() != layout.count() {
            let shape = layout.torch_shape();
            return Err(Error::Check(format!(
                "{name} has shape {shape:?}, but {} numbers were given",
                file.len()
            )));
        }
        Ok(index)
    }

    /// Sets a parameter from numbers in PyTorch's order.
    ///
    /// # Errors
    /// [`Error::Check`] if there is no such parameter or the count differs.
    pub fn set(&self, name: &str, file: &[f32]) -> Result<()> {
        let index = self.find_for(name, file)?;
        self.set_at(index, file);
        Ok(())
    }

    /// Reads all parameters and kept buffers back: name, PyTorch's shape, numbers in PyTorch's order.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub fn export(&self) -> Result<Vec<Exported>> {
        let (values, states) = (self.values.download(&self.context)?, self.states.download(&self.context)?);
        let each = self.params.iter().zip(&self.places).map(|(param, place)| {
            let arena = if param.trained { &values[place.arena] } else { &states[place.arena] };
            (param.name.clone(), param.layout.torch_shape(), unpack(param, arena, *place))
        });
        Ok(each.collect())
    }

    /// Numbers of one parameter-shaped tensor in buffers laid out like the values (gradients, moments), in
    /// PyTorch's order.
    ///
    /// # Errors
    /// [`Error::Check`] for an unknown name, and as [`Context::read`].
    pub fn read_like(&self, arenas: &Arenas, name: &str) -> Result<Vec<f32>> {
        let index = self.find(name)?;
        let place = self.places[index];
        let bytes = self.context.read(&arenas.buffers[place.arena], place.offset, place.bytes)?;
        Ok(unpack(&self.params[index], &bytes, Place { offset: 0, ..place }))
    }

    /// Sets one parameter-shaped tensor in buffers laid out like the values, from numbers in PyTorch's order.
    ///
    /// # Errors
    /// [`Error::Check`] if there is no such trained parameter or the count differs.
    pub fn write_like(&self, arenas: &Arenas, name: &str, file: &[f32]) -> Result<()> {
        let index = self.find_for(name, file)?;
        let buffer = arenas.buffers.get(self.places[index].arena).filter(|_| self.params[index].trained);
        let buffer = buffer.ok_or_else(|| Error::Check(format!("{name} is no trained parameter")))?;
        self.write_at(buffer, index, file);
        Ok(())
    }

    /// Reads buffers laid out like the values back: for each trained parameter its name and numbers in
    /// PyTorch's order.
    ///
    /// # Errors
    /// As [`Context::read`].
    pub fn export_like(&self, arenas: &Arenas) -> Result<Vec<(String, Vec<f32>)>> {
        let bytes = arenas.download(&self.context)?;
        let trained = self.params.iter().zip(&self.places).filter(|(param, _)| param.trained);
        let each = trained.map(|(p, place)| (p.name.clone(), unpack(p, &bytes[place.arena], *place)));
        Ok(each.collect())
    }

    /// The buffer range of a parameter, gradient or kept buffer.
    pub(crate) fn locate<'a>(
        &'a self,
        role: Role,
        gradients: Option<&'a Arenas>,
    ) -> Option<(&'a wgpu::Buffer, Place)> {
        let (arenas, index) = match role {
            Role::Param(i) => (&self.values, i),
            Role::State(i) => (&self.states, i),
            Role::Gradient(i) => (gradients?, i),
            _ => return None,
        };
        let place = *self.places.get(index)?;
        Some((arenas.buffers.get(place.arena)?, place))
    }
}

fn unpack(param: &ParamInfo, arena: &[u8], place: Place) -> Vec<f32> {
    let range = &arena[place.offset as usize..(place.offset + place.bytes) as usize];
    let (layout, stored) = (&param.layout, param.precision.decode(range));
    layout.from_storage(&unpad_channels(layout.shape(), &stored))
}
