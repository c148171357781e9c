//! The depthwise forms that slide along rows.

use super::Geometry;
use crate::gpu::Variant;

/// The tile of the depthwise forms that slide to the right: small kernels, no dilation.
pub(in crate::ops) struct SlidingTile {
    kernel: [usize; 2],
    stride: usize,
    lines: usize,
}

impl SlidingTile {
    /// Pixels that one slide makes.
    const RUN: usize = 32;

    /// The tile for a geometry that these forms take.
    pub fn of(g: &Geometry) -> Option<Self> {
        let fits = g.dilation == [1, 1] && g.stride[0] == g.stride[1] && g.stride[0] <= 2 && g.taps() <= 25;
        // As many rows as drivers unroll; loops over registers that are left as loops are slow.
        let lines = (72 / g.taps()).clamp(1, 8);
        fits.then_some(Self { kernel: g.kernel, stride: g.stride[0], lines })
    }

    /// A kernel with this tile.
    pub fn variant(&self, file: &'static str) -> Variant {
        Variant::new(file)
            .constant("RUN", Self::RUN as u32)
            .constant("LINES", self.lines as u32)
            .constant("KERNEL_H", self.kernel[0] as u32)
            .constant("KERNEL_W", self.kernel[1] as u32)
            .constant("STRIDE", self.stride as u32)
    }

    /// Tiles of `n` pictures.
    pub fn count(&self, n: usize, h: usize, w: usize) -> usize {
        n * h.div_ceil(self.lines) * w.div_ceil(Self::RUN)
    }
}
