//! The forms of a dense convolution: which matrix product, direct or by Winograd's minimal filtering.

use std::fmt;

use super::{Gather, winograd};
use crate::{
    gpu::{Capabilities, Matrices, Variant},
    graph::{Forms, Lowering, Shape, Site},
};

/// A tile of a matrix product through workgroup memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Tile {
    /// Pixels of a workgroup.
    pub pixels: u32,
    /// Output channels of a workgroup.
    pub channels: u32,
    /// Input channels that are staged at once, by four.
    pub step: u32,
    /// Pixels of an invocation.
    pub rows: u32,
    /// Output channels of an invocation, by four.
    pub cols: u32,
}

impl Tile {
    const fn new(pixels: u32, channels: u32, step: u32, rows: u32, cols: u32) -> Self {
        Self { pixels, channels, step, rows, cols }
    }

    /// Invocations of a workgroup.
    pub const fn threads(&self) -> u32 {
        self.pixels / self.rows * (self.channels / (4 * self.cols))
    }

    const fn bytes(&self) -> u32 {
        16 * self.step * (self.pixels + self.channels)
    }

    fn fits(&self, device: &Capabilities) -> bool {
        self.bytes() <= device.workgroup_bytes && self.threads() <= device.invocations
    }

    /// `variant` with this tile.
    pub fn sized(&self, variant: Variant) -> Variant {
        variant
            .constant("PIXELS", self.pixels)
            .constant("CHANNELS", self.channels)
            .constant("STEP", self.step)
            .constant("ROWS", self.rows)
            .constant("COLS", self.cols)
            .constant("THREADS", self.threads())
    }
}

/// Largest first.
const TILES: [Tile; 6] = [
    Tile::new(128, 128, 4, 8, 2),
    Tile::new(64, 128, 4, 8, 2),
    Tile::new(128, 64, 4, 8, 2),
    Tile::new(64, 64, 4, 8, 2),
    Tile::new(256, 32, 2, 8, 2),
    Tile::new(64, 32, 4, 4, 2),
];

/// The matrix product inside a dense convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) enum Product {
    /// Pixels of a row x vec4 of channels an invocation, without workgroup memory.
    Rows { pixels: u32, cols: u32 },
    /// Through workgroup memory.
    Tile(Tile),
    /// On matrix units, in f16.
    Matrix(Matrices),
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rows { pixels, cols } => write!(f, "rows {pixels}x{}", 4 * cols),
            Self::Tile(t) => write!(f, "tile {}x{}x{}", t.pixels, t.channels, 4 * t.step),
            Self::Matrix(m) => write!(f, "matrix {}", m.side),
        }
    }
}

/// How a dense convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ops) struct Form {
    /// By minimal filtering F(m, 3) with this m.
    pub winograd: Option<usize>,
    /// The product.
    pub product: Product,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(made) = self.winograd {
            write!(f, "winograd {made}, ")?;
        }
        write!(f, "{}", self.product)
    }
}

impl Form {
    /// The forms of a convolution on a device, the best guess first. Minimal filtering with larger tiles
    /// loses digits, so programs that train do without.
    pub fn candidates(gather: &Gather, site: &Site<'_>) -> Vec<Self> {
        let (g, device, trains) = (&gather.geometry, site.device, site.trains);
        // Factors in f16 are for those who asked for it, and never a guess: tuning compares their results first.
        let matrices = device.matrices.filter(|_| site.half).map(Product::Matrix);
        let direct = products(gather, device).into_iter().chain(matrices);
        let direct = direct.map(|product| Self { winograd: None, product });
        let fits = g.kernel == [3, 3] && g.stride == [1, 1] && g.dilation == [1, 1];
        if !fits || gather.out.h < 2 || gather.out.w < 2 {
            return direct.collect();
        }
        let sides: &[usize] = if trains { &[2] } else { &[4, 2] };
        let small = |made: &&usize| winograd::weight(gather, **made).bytes() <= device.tensor_bytes;
        let filtered = sides.iter().filter(small).flat_map(|made| {
            let inner = winograd::product(gather, *made, gather.out.pixels() / (made * made));
            let products = products(&inner, device).into_iter().take(2);
            products.map(|product| Self { winograd: Some(*made), product })
        });
        // Turning tiles costs more than it saves where channels are few.
        let least = if trains { 8 } else { 2 };
        let many = (gather.input.c4() + gather.second_c4).min(gather.out.c4()) >= least;
        if many && device.software {
            filtered.chain(direct).collect()
        } else {
            direct.chain(filtered).collect()
        }
    }

    /// What [`crate::graph::Operator::forms`] says of a dense convolution.
    pub fn forms(gather: &Gather, site: &Site<'_>) -> Option<Forms> {
        let g = &gather.geometry;
        if g.groups > 1 {
            return None;
        }
        let Shape { n, h, w, c } = gather.out;
        let sources = match gather.second_c4 {
            0 => format!("{}", 4 * gather.input.c4()),
            second => format!("{}+{}", 4 * gather.input.c4(), 4 * second),
        };
        let key = format!(
            "{} {}x{}{}, {sources} to {}, {} pixels{}{}{}",
            if gather.adjoint { "conv_transpose2d" } else { "conv2d" },
            g.kernel[0],
            g.kernel[1],
            g.steps(),
            c.next_multiple_of(4),
            // Neighbouring sizes share a choice, where they have the same forms.
            (n * h * w).next_power_of_two(),
            if w.div_ceil(gather.up()[1]) <= 4 { ", narrow" } else { "" },
            if site.trains { ", training" } else { "" },
            if site.half { ", half" } else { "" },
        );
        let names = Self::candidates(gather, site).iter().map(Self::to_string).collect();
        Some(Forms { key, names })
    }

    /// The form that was chosen for the operator being lowered.
    pub fn chosen(gather: &Gather, l: &Lowering<'_>) -> Self {
        let candidates = l.at_site(|site| Self::candidates(gather, site));
        let chosen = candidates.iter().find(|c| l.form() == Some(&c.to_string()));
        *chosen.unwrap_or(&candidates[0])
    }
}

/// The products that suit a convolution on a device, the best guess first.
fn products(gather: &Gather, device: &Capabilities) -> Vec<Product> {
    let (c4, width) = (gather.out.c4(), gather.out.w.div_ceil(gather.up()[1]));
    let most_pixels = if width > 4 { 8 } else { 4 };
    let rows = [(8, 2), (8, 1), (4, 2), (4, 4), (4, 1)]
        .into_iter()
        .filter(|(pixels, cols)| *pixels <= most_pixels && (*cols as usize) <= c4.next_power_of_two());
    let rows: Vec<_> = rows.map(|(pixels, cols)| Product::Rows { pixels, cols }).collect();
    let pixels = gather.out.pixels();
    let wide = |t: &&Tile| t.fits(device) && (t.channels as usize) < 2 * (4 * c4).max(32);
    // The largest tile that still gives every core a few.
    let many = |t: &Tile| pixels * 4 * c4 >= 128 * (t.pixels * t.channels) as usize;
    let (mut tiles, small): (Vec<&Tile>, Vec<&Tile>) = TILES.iter().filter(wide).partition(|t| many(t));
    tiles.extend(small.into_iter().rev());
    let tiles: Vec<_> = tiles.into_iter().map(|t| Product::Tile(*t)).collect();
    if device.software { [rows, tiles].concat() } else { [tiles, rows].concat() }
}
