//! Where a convolution looks.

/// Kernel, stride, padding, dilation and groups of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Down and right.
    pub stride: [usize; 2],
    /// Zeros added at the top, left, bottom and right.
    pub pads: [usize; 4],
    /// Down and right.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Geometry {
    /// A square kernel with the same padding on all sides.
    pub const fn square(kernel: usize, stride: usize, pad: usize) -> Self {
        Self { kernel: [kernel; 2], stride: [stride; 2], pads: [pad; 4], dilation: [1; 2], groups: 1 }
    }

    /// In `groups` groups.
    #[must_use]
    pub const fn grouped(self, groups: usize) -> Self {
        Self { groups, ..self }
    }

    /// Height and width of the output of a convolution, if the padded input holds the kernel.
    pub fn output(&self, h: usize, w: usize) -> Option<[usize; 2]> {
        let along = |size: usize, before: usize, after: usize, axis: usize| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            Some((size + before + after).checked_sub(reach)? / self.stride[axis] + 1)
        };
        Some([along(h, self.pads[0], self.pads[2], 0)?, along(w, self.pads[1], self.pads[3], 1)?])
    }

    /// Stride and dilation in words, where they are not 1.
    pub(in crate::ops) fn steps(&self) -> String {
        let said = |what: &str, [y, x]: [usize; 2]| match [y, x] {
            [1, 1] => String::new(),
            _ => format!(" {what} {y}x{x}"),
        };
        said("by", self.stride) + &said("dilated", self.dilation)
    }

    /// Taps of the kernel.
    pub const fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    pub(in crate::ops) fn valid(&self) -> bool {
        self.groups > 0 && self.kernel.iter().chain(&self.stride).chain(&self.dilation).all(|v| *v > 0)
    }

    /// True where each output channel sees its own input channel alone.
    pub(crate) const fn depthwise(&self, input: usize, output: usize) -> bool {
        self.groups > 1 && self.groups == input && input == output
    }
}
