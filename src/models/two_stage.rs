//! Two stages (Teixeira e Silva, Cruz and Gonçalves, "Preliminary Study on Deep Iterative Semantic Segmentation", section 3): a
//! network on the whole picture made small, and a second one on the patches at full resolution of which the first is least sure.

use super::{Descent, Model};
use crate::{
    Error, Result,
    graph::{Graph, Shape, Var},
    ops::{Act, Activation, PatchGather, PatchGrid, PatchPaste, PatchScore, Pool, Resize, Softmax, TopK},
};

/// How patches are ranked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Doubt {
    /// By the mean over their pixels of what the largest probability lacks to 1: 0.5 - |p - 0.5| of one class.
    #[default]
    Mean,
    /// By what the largest of their mean probabilities lacks to 1: 0.5 - |mean - 0.5|. As the public code, which takes the means
    /// of logits for such of probabilities.
    Reference,
    /// As `Reference`, but patches alone of which that is 0.25 at least: |mean - 0.5| <= 0.25.
    Threshold,
}

/// Least doubt of [`Doubt::Threshold`].
const LEAST_DOUBT: f32 = 0.25;

/// Both networks, and how their work is shared out.
#[derive(Clone, Debug, PartialEq)]
pub struct TwoStage {
    /// The network that sees the whole picture made small. Its parameters begin with [`TwoStage::PREFIXES`]' first.
    pub stage1: Model,
    /// The network that sees patches. Its parameters begin with the second.
    pub stage2: Model,
    /// How many times smaller.
    pub factor: usize,
    /// Patches along a column and along a row.
    pub cells: [usize; 2],
    /// How many of them are refined; 0: none, the map of stage 1 is all.
    pub patches: usize,
    /// How they are ranked.
    pub doubt: Doubt,
    /// Pixels that the second network sees beyond each side of a patch, at least.
    pub overlap: usize,
    /// Refined patches are blended into what is around them over so many pixels on both sides of their borders, instead of
    /// replacing it.
    pub blend: bool,
    /// Logits are enlarged, pasted and blended, as in the public code; else probabilities.
    pub logits: bool,
}

/// What two stages make of pictures.
#[derive(Clone, Debug)]
pub struct Staged {
    /// Probabilities, of the pictures' shape.
    pub map: Var,
    /// How unsure stage 1 is of each patch, `[N, rows, cols, 1]`; `None` where none is refined.
    pub scores: Option<Var>,
    /// The patches that are refined, row by row, the least sure first, `[N, 1, patches, 1]`.
    pub chosen: Option<Var>,
    /// What descends an energy in the networks, where something does.
    pub descended: Vec<Var>,
}

const fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Probabilities of logits: the sigmoid of one channel, the softmax of several.
///
/// # Errors
/// None in practice.
pub fn probabilities(graph: &mut Graph, logits: Var) -> Result<Var> {
    match graph.shape(logits).c {
        1 => graph.apply(Activation::new(Act::Sigmoid), &[logits]),
        _ => graph.apply(Softmax::new(), &[logits]),
    }
}

impl TwoStage {
    /// What the names of the two networks' parameters begin with.
    pub const PREFIXES: [&str; 2] = ["stage1", "stage2"];

    /// A factor of 8 and the 8 least sure of 8x8 patches, pasted as they are.
    pub const fn new(stage1: Model, stage2: Model) -> Self {
        let (overlap, blend, logits) = (0, false, false);
        Self {
            stage1,
            stage2,
            factor: 8,
            cells: [8; 2],
            patches: 8,
            doubt: Doubt::Mean,
            overlap,
            blend,
            logits,
        }
    }

    /// The patches of pictures of `size` (height, width).
    pub const fn grid(&self, size: [usize; 2]) -> PatchGrid {
        PatchGrid { cells: self.cells, size }
    }

    /// What pictures of `size` are padded to, at the right and at the bottom, so that both networks can halve them.
    pub fn padded(&self, size: [usize; 2]) -> [usize; 2] {
        let (a, b) = (self.factor.max(1) * self.stage1.multiple(), self.stage2.multiple());
        size.map(|side| side.next_multiple_of(a / gcd(a, b) * b))
    }

    /// Height and width of what the second network sees of pictures of `size`.
    pub fn window(&self, size: [usize; 2]) -> [usize; 2] {
        let (largest, padded) = (self.grid(size).largest(), self.padded(size));
        let side = |axis: usize| {
            let wanted = largest[axis] + 2 * self.overlap;
            wanted.next_multiple_of(self.stage2.multiple()).min(padded[axis])
        };
        [side(0), side(1)]
    }

    /// # Errors
    /// [`Error::Shape`] for numbers that make no sense, or networks that do not go together.
    fn check(&self, picture: Shape, size: [usize; 2]) -> Result<()> {
        let fail = |message: String| Err(Error::shape("two stages", message));
        let (one, two) = (&self.stage1, &self.stage2);
        if [one.in_channels, one.out_channels] != [two.in_channels, two.out_channels] {
            return fail(format!(
                "stage 1 makes {} channels of {}, stage 2 {} of {}; they must be alike",
                one.out_channels, one.in_channels, two.out_channels, two.in_channels
            ));
        }
        if self.factor == 0 || self.cells.contains(&0) {
            return fail(format!("the factor {} and the grid {:?} must be above 0", self.factor, self.cells));
        }
        let count = self.cells[0] * self.cells[1];
        if self.patches > count {
            return fail(format!("{} patches are to be refined, and the grid has {count}", self.patches));
        }
        let ([h, w], [rows, cols]) = (size, self.cells);
        if h < rows || w < cols {
            return fail(format!("a picture of {h}x{w} pixels has no {rows}x{cols} patches"));
        }
        if self.blend && self.overlap == 0 {
            return fail("blending takes an overlap above 0".into());
        }
        if self.blend && 2 * self.overlap > self.grid(size).smallest().into_iter().min().unwrap_or(0) {
            let smallest = self.grid(size).smallest();
            return fail(format!(
                "blending over {} pixels on each side takes patches twice as large; they have {smallest:?}",
                self.overlap
            ));
        }
        if [picture.h, picture.w] != self.padded(size) {
            return fail(format!(
                "pictures of {size:?} are to be padded to {:?}, got {picture}",
                self.padded(size)
            ));
        }
        Ok(())
    }

    /// Adds both networks and what is between them to `graph`. The pictures `[N, H, W, in]` have their content in the first
    /// `size` (height, width) pixels and are padded to [`Self::padded`]; both networks are in evaluation.
    ///
    /// # Errors
    /// [`Error::Shape`] if pictures, networks and patches do not fit together.
    pub fn build(&self, graph: &mut Graph, picture: Var, size: [usize; 2]) -> Result<Staged> {
        let shape = graph.shape(picture);
        self.check(shape, size)?;
        let factor = self.factor;
        let small = match factor {
            1 => picture,
            _ => graph.apply(Pool::average(factor, factor, 0), &[picture])?,
        };
        let coarse = graph.scoped(Self::PREFIXES[0], |graph| self.stage1.build(graph, small, false))?;
        let mut descended: Vec<Var> = Descent::last(graph).into_iter().collect();
        let coarse = if self.logits { coarse } else { probabilities(graph, coarse)? };
        // Probabilities are enlarged where they are read; logits, and the map of stage 1 alone, are enlarged here.
        let here = self.logits || self.patches == 0;
        let (map, factor) = match factor {
            2.. if here => (graph.apply(Resize::bilinear([shape.h, shape.w], false), &[coarse])?, 1),
            _ => (coarse, factor),
        };
        if self.patches == 0 {
            let map = if self.logits { probabilities(graph, map)? } else { map };
            return Ok(Staged { map, scores: None, chosen: None, descended });
        }
        let chances = if self.logits { probabilities(graph, map)? } else { map };
        let (grid, window) = (self.grid(size), self.window(size));
        let score = PatchScore { grid, of_means: self.doubt != Doubt::Mean, factor };
        let scores = graph.apply(score, &[chances])?;
        let at_least = (self.doubt == Doubt::Threshold).then_some(LEAST_DOUBT);
        let ranked = graph.apply_all(TopK { k: self.patches, at_least }, &[scores])?;
        let windows = graph.apply(PatchGather { grid, window }, &[picture, ranked[0]])?;
        let refined = graph.scoped(Self::PREFIXES[1], |graph| self.stage2.build(graph, windows, false))?;
        descended.extend(Descent::last(graph).filter(|last| !descended.contains(last)));
        let refined = if self.logits { refined } else { probabilities(graph, refined)? };
        let paste = PatchPaste { grid, blend: if self.blend { self.overlap } else { 0 }, factor };
        let pasted = graph.apply(paste, &[map, refined, ranked[1]])?;
        let map = if self.logits { probabilities(graph, pasted)? } else { pasted };
        Ok(Staged { map, scores: Some(scores), chosen: Some(ranked[0]), descended })
    }
}
