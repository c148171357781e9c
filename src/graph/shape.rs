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
    if shape.c == pitch {
        return data.into();
    }
    let mut padded = vec![0.0; shape.pixels() * pitch];
    match shape.c {
        1 => spread::<1, 4>(data, &mut padded),
        2 => spread::<2, 4>(data, &mut padded),
        3 => spread::<3, 4>(data, &mut padded),
        c => padded
            .chunks_exact_mut(pitch)
            .zip(data.chunks_exact(c))
            .for_each(|(to, from)| to[..c].copy_from_slice(from)),
    }
    padded.into()
}

/// Drops the padding of storage.
pub fn unpad_channels(shape: Shape, stored: &[f32]) -> Vec<f32> {
    let pitch = 4 * shape.c4();
    let mut data = vec![0.0; shape.count()];
    match shape.c {
        0 => {}
        1 => spread::<4, 1>(stored, &mut data),
        2 => spread::<4, 2>(stored, &mut data),
        3 => spread::<4, 3>(stored, &mut data),
        c => data
            .chunks_exact_mut(c)
            .zip(stored.chunks_exact(pitch))
            .for_each(|(to, from)| to.copy_from_slice(&from[..c])),
    }
    data
}

/// Copies as many of every `FROM` numbers as fit into every `TO`. That they are constants makes it ten times as fast.
fn spread<const FROM: usize, const TO: usize>(from: &[f32], to: &mut [f32]) {
    let both = FROM.min(TO);
    for (to, from) in to.chunks_exact_mut(TO).zip(from.chunks_exact(FROM)) {
        to[..both].copy_from_slice(&from[..both]);
    }
}
