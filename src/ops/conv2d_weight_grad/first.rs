//! The first stage of a weight gradient: partial sums over shares of the pixels, in one of several forms.

use std::fmt;

use super::Geometry;
use crate::{
    gpu::{Capabilities, Matrices, Variant},
    graph::{Lowering, Shape, Site},
    ops::conv2d::SlidingTile,
};

/// How the first stage is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// Dense, in registers: vec4s of input channels x vec4s of output channels an invocation.
    Rows { rows: u32, cols: u32 },
    /// Dense, through workgroup memory.
    Tile(Tile),
    /// Dense, on matrix units in f16.
    Matrix(Matrices),
    /// Groups of several channels.
    Grouped,
    /// Every channel by itself.
    Depthwise,
}

/// A tile through workgroup memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tile {
    /// Input channels of a workgroup.
    inputs: u32,
    /// Output channels of a workgroup.
    outputs: u32,
    /// Pixels that are staged at once.
    step: u32,
    /// vec4s of input and of output channels of an invocation.
    rows: u32,
    cols: u32,
}

/// Largest first.
const TILES: [Tile; 3] = [
    Tile { inputs: 128, outputs: 64, step: 16, rows: 2, cols: 2 },
    Tile { inputs: 64, outputs: 64, step: 16, rows: 2, cols: 2 },
    Tile { inputs: 32, outputs: 32, step: 32, rows: 1, cols: 1 },
];

/// Pixels that the form on matrix units stages at once.
const MATRIX_STEP: u32 = 32;

impl Tile {
    const fn threads(&self) -> u32 {
        self.inputs / (4 * self.rows) * (self.outputs / (4 * self.cols))
    }

    fn fits(&self, device: &Capabilities) -> bool {
        let bytes = 4 * self.step * (self.inputs + self.outputs);
        bytes <= device.workgroup_bytes && self.threads() <= device.invocations
    }
}

impl fmt::Display for First {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { rows, cols } => write!(f, "rows {}x{}", 4 * rows, 4 * cols),
            Self::Tile(t) => write!(f, "tile {}x{}x{}", t.inputs, t.outputs, t.step),
            Self::Matrix(m) => write!(f, "matrix {}", m.side),
            Self::Grouped => write!(f, "grouped"),
            Self::Depthwise => write!(f, "depthwise"),
        }
    }
}

/// A form at a shape.
pub(super) struct Work {
    pub variant: Variant,
    /// Invocations of one share.
    pub invocations: usize,
    /// What the shares divide among them: rows, tiles or pixels.
    pub parts: usize,
}

impl First {
    /// The dense forms on a device, the best guess first.
    pub fn dense(x: Shape, dy: Shape, site: &Site<'_>) -> Vec<Self> {
        let device = site.device;
        let most = [x, dy].map(|s| s.c4().min(2) as u32);
        let sizes = [[2, 2], [1, 2], [2, 1], [1, 1]].into_iter();
        let sizes = sizes.filter(|[r, c]| *r <= most[0] && *c <= most[1]);
        let mut rows: Vec<_> = sizes.map(|[rows, cols]| Self::Rows { rows, cols }).collect();
        // The largest is the best on every device that was measured; one more guards against surprises.
        rows.truncate(2);
        let channels = 4 * x.c4().min(dy.c4()) as u32;
        let wide = |t: &&Tile| t.fits(device) && t.outputs < 2 * channels.max(32);
        let tiles: Vec<_> = TILES.iter().filter(wide).map(|t| Self::Tile(*t)).collect();
        // Factors in f16 are for those who asked for it, and never a guess: tuning compares their results first.
        let matrices = device.matrices.filter(|_| site.half).map(Self::Matrix).into_iter().collect();
        if device.software { [rows, tiles].concat() } else { [tiles, rows, matrices].concat() }
    }

    /// The form that was chosen for the operator being lowered.
    pub fn chosen(g: &Geometry, x: Shape, dy: Shape, l: &Lowering<'_>) -> Self {
        if g.groups > 1 {
            return if g.depthwise(x.c, dy.c) { Self::Depthwise } else { Self::Grouped };
        }
        let forms = l.at_site(|site| Self::dense(x, dy, site));
        *forms.iter().find(|f| l.form() == Some(&f.to_string())).unwrap_or(&forms[0])
    }

    /// The kernel and its size.
    pub fn work(&self, g: &Geometry, x: Shape, dy: Shape) -> Work {
        let lines = dy.n * dy.h;
        match *self {
            Self::Rows { rows, cols } => {
                let variant =
                    Variant::new("conv2d_weight_grad/dense").constant("ROWS", rows).constant("COLS", cols);
                let blocks = x.c4().div_ceil(rows as usize) * dy.c4().div_ceil(cols as usize);
                Work { variant, invocations: g.taps() * blocks, parts: lines }
            }
            Self::Tile(t) => {
                let variant = Variant::new("conv2d_weight_grad/tile")
                    .constant("INPUTS", t.inputs)
                    .constant("OUTPUTS", t.outputs)
                    .constant("STEP", t.step)
                    .constant("ROWS", t.rows)
                    .constant("COLS", t.cols)
                    .constant("THREADS", t.threads());
                let [high, wide] = [(x, t.inputs), (dy, t.outputs)]
                    .map(|(s, channels)| (4 * s.c4()).div_ceil(channels as usize));
                let invocations = g.taps() * high * wide * t.threads() as usize;
                Work { variant, invocations, parts: dy.pixels().div_ceil(t.step as usize) }
            }
            Self::Matrix(m) => {
                let variant = Variant::new("conv2d_weight_grad/matrix").constant("STEP", MATRIX_STEP);
                let side = 4 * m.side as usize;
                let [high, wide] = [x, dy].map(|s| (4 * s.c4()).div_ceil(side));
                Work {
                    variant: m.sized(variant),
                    invocations: g.taps() * high * wide * 4 * m.subgroup as usize,
                    parts: dy.pixels().div_ceil(MATRIX_STEP as usize),
                }
            }
            Self::Grouped => {
                let variant = Variant::new("conv2d_weight_grad/grouped");
                Work { variant, invocations: g.taps() * x.c / g.groups * dy.c4(), parts: lines }
            }
            Self::Depthwise => match SlidingTile::of(g) {
                Some(tile) => {
                    let variant = tile.variant("conv2d_weight_grad/depthwise_tile");
                    Work { variant, invocations: dy.c4(), parts: tile.count(dy.n, dy.h, dy.w) }
                }
                None => {
                    let variant = Variant::new("conv2d_weight_grad/depthwise");
                    Work { variant, invocations: g.taps() * dy.c4(), parts: lines }
                }
            },
        }
    }
}
