//! Shapes of tensors and their place in memory.

use std::{borrow::Cow, fmt};

/// Shape of a tensor: batch, height, width, channels. Storage is NHWC with the channels of a pixel padded
/// to a multiple of four; the padding lanes always hold zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Batch.
    pub n: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// Channels.
    pub c: usize,
}

impl Shape {
    /// `n` pictures of `h` x `w` with `c` channels.
    pub const fn new(n: usize, h: usize, w: usize, c: usize) -> Self {
        Self { n, h, w, c }
    }

    /// One value a channel.
    pub const fn channels(c: usize) -> Self {
        Self::new(1, 1, 1, c)
    }

    /// A single number.
    pub const SCALAR: Self = Self::new(1, 1, 1, 1);

    /// Quadruples of channels that a pixel takes.
    pub const fn c4(&self) -> usize {
        self.c.div_ceil(4)
    }

    /// Pixels of the whole batch.
    pub const fn pixels(&self) -> usize {
        self.n * self.h * self.w
    }

    /// Numbers without padding.
    pub const fn count(&self) -> usize {
        self.pixels() * self.c
    }

    /// `vec4`s in storage.
    pub const fn vec4s(&self) -> usize {
        self.pixels() * self.c4()
    }

    /// Bytes in storage.
    pub const fn bytes(&self) -> u64 {
        self.vec4s() as u64 * 16
    }

    /// The same picture size with `c` channels.
    pub const fn with_c(self, c: usize) -> Self {
        Self { c, ..self }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}x{} (NHWC)", self.n, self.h, self.w, self.c)
    }
}

/// A tensor on the host in f64, NHWC without padding: what the CPU twins compute on.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// Its shape.
    pub shape: Shape,
    /// `shape.count()` numbers.
    pub data: Vec<f64>,
}

impl Array {
    /// All zero.
    pub fn zeros(shape: Shape) -> Self {
        Self { shape, data: vec![0.0; shape.count()] }
    }

    /// From a function of (n, y, x, c).
    pub fn from_fn(shape: Shape, mut f: impl FnMut(usize, usize, usize, usize) -> f64) -> Self {
        let mut data = Vec::with_capacity(shape.count());
        for n in 0..shape.n {
            for y in 0..shape.h {
                for x in 0..shape.w {
                    data.extend((0..shape.c).map(|c| f(n, y, x, c)));
                }
            }
        }
        Self { shape, data }
    }

    /// Position of an element in `data`.
    pub const fn index(&self, n: usize, y: usize, x: usize, c: usize) -> usize {
        ((n * self.shape.h + y) * self.shape.w + x) * self.shape.c + c
    }

    /// An element.
    pub fn at(&self, n: usize, y: usize, x: usize, c: usize) -> f64 {
        self.data[self.index(n, y, x, c)]
    }

    /// An element to be changed.
    pub fn at_mut(&mut self, n: usize, y: usize, x: usize, c: usize) -> &mut f64 {
        let i = self.index(n, y, x, c);
        &mut self.data[i]
    }

    /// Element by element.
    #[must_use]
    pub fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        Self { shape: self.shape, data: self.data.iter().map(|&v| f(v)).collect() }
    }
}

/// Pads NHWC numbers to the storage pitch.
pub fn pad_channels(shape: Shape, data: &[f32]) -> Cow<'_, [f32]> {
    let pitch = 4 * shape.c4();
    if shape.c == pitch { data.into() } else { repitched(data, shape.pixels(), shape.c, pitch).into() }
}

/// Drops the padding of storage.
pub fn unpad_channels(shape: Shape, stored: &[f32]) -> Vec<f32> {
    repitched(stored, shape.pixels(), 4 * shape.c4(), shape.c)
}

/// Pixels of `from` numbers as pixels of `to`: the last are dropped, or zeros are put behind them. Few channels are constants
/// for the compiler, since a large picture is a million of such copies.
fn repitched(data: &[f32], pixels: usize, from: usize, to: usize) -> Vec<f32> {
    let mut made = vec![0.0; pixels * to];
    let mut copy = |from: usize, to: usize| {
        let both = from.min(to);
        for (to, from) in made.chunks_exact_mut(to).zip(data.chunks_exact(from)) {
            to[..both].copy_from_slice(&from[..both]);
        }
    };
    match (from, to) {
        (1, 4) => copy(1, 4),
        (2, 4) => copy(2, 4),
        (3, 4) => copy(3, 4),
        (4, 1) => copy(4, 1),
        (4, 2) => copy(4, 2),
        (4, 3) => copy(4, 3),
        (_, 0) => {}
        _ => copy(from, to),
    }
    made
}
