//! Pretext tasks: what a network can learn from pictures alone (SiGREnet, section II.B).

use super::Objective;
use crate::{
    Error, Result,
    graph::{Graph, Shape, Var},
    loss::CrossEntropy,
    models::Model,
    ops::{Binary, BinaryKind, Broadcast, Keep, Reduce, Turn, add},
};

/// A task that needs no masks. Its loss on a picture, in evaluation, is how difficult the picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pretext {
    /// The picture is seen twice, each time with the other half of its squares, laid out like those of a chessboard, set to 0;
    /// what was hidden is to be told. The loss is the mean squared error.
    Reconstruction {
        /// Side of a square, pixels.
        square: usize,
    },
    /// The picture is seen in its four quarter turns; which one it is, is to be told, by the mean over all pixels of four
    /// logits. The loss is the mean cross-entropy, so that a picture that is told with confidence is easy.
    Rotation,
}

/// Channels of the answer to a rotation.
const TURNS: usize = 4;

impl Pretext {
    /// The network for the task: `model` with other results and without a descent.
    pub fn model(self, model: &Model) -> Model {
        let out_channels = match self {
            Self::Reconstruction { .. } => model.in_channels,
            Self::Rotation => TURNS,
        };
        Model { out_channels, descent: None, ..model.clone() }
    }
}

impl Objective for Pretext {
    fn looks(&self, graph: &mut Graph, model: &Model, picture: Var, train: bool) -> Result<Vec<Var>> {
        let shape = graph.shape(picture);
        match self {
            Self::Reconstruction { square } => (0..2)
                .map(|parity| {
                    let board = board(graph, shape, *square, parity)?;
                    let seen = graph.apply(Binary::new(BinaryKind::Mul), &[picture, board])?;
                    model.build(graph, seen, train)
                })
                .collect(),
            Self::Rotation if shape.h != shape.w => {
                let message =
                    format!("pictures must be square to be turned by quarters, got {}x{}", shape.h, shape.w);
                Err(Error::shape("rotation", message))
            }
            Self::Rotation => (0..TURNS as u8)
                .map(|quarters| {
                    let turned = match quarters {
                        0 => picture,
                        _ => graph.apply(Turn::by(quarters), &[picture])?,
                    };
                    model.build(graph, turned, train)
                })
                .collect(),
        }
    }

    fn loss(&self, graph: &mut Graph, looks: &[Var], picture: Var, _: Var) -> Result<Var> {
        match self {
            Self::Reconstruction { square } => reconstruction_error(graph, looks, picture, *square),
            Self::Rotation => {
                let losses = looks.iter().enumerate().map(|(turn, logits)| turn_error(graph, *logits, turn));
                let losses = losses.collect::<Result<Vec<_>>>()?;
                let mut sum = losses[0];
                for loss in &losses[1..] {
                    sum = add(graph, sum, *loss)?;
                }
                graph.apply(Broadcast { to: Shape::SCALAR, scale: 1.0 / TURNS as f32 }, &[sum])
            }
        }
    }
}

/// 1 on the squares that look `parity` shows, 0 on the others: `[N, H, W, 1]`.
fn board(graph: &mut Graph, picture: Shape, square: usize, parity: usize) -> Result<Var> {
    let (name, shape) = (format!("board {parity}"), picture.with_c(1));
    if let Some(known) = graph.input_named(&name) {
        return Ok(known);
    }
    let shown = |pixel: usize| {
        let (row, column) = (pixel / shape.w % shape.h, pixel % shape.w);
        f32::from(u8::from((row / square + column / square) % 2 == parity))
    };
    graph.constant(&name, shape, (0..shape.pixels()).map(shown).collect())
}

/// Mean square of what the looks say of the squares hidden from them, less the picture.
fn reconstruction_error(graph: &mut Graph, looks: &[Var], picture: Var, square: usize) -> Result<Var> {
    let shape = graph.shape(picture);
    let mut told = None;
    for (parity, look) in looks.iter().enumerate() {
        let hidden = board(graph, shape, square, 1 - parity)?;
        let part = graph.apply(Binary::new(BinaryKind::Mul), &[*look, hidden])?;
        told = Some(match told {
            Some(other) => add(graph, other, part)?,
            None => part,
        });
    }
    let told = told.ok_or_else(|| Error::shape("reconstruction", "wants what the network told"))?;
    let off = graph.apply(Binary::new(BinaryKind::Sub), &[told, picture])?;
    let sum = graph.apply(Reduce::sum_of_product(Keep::Nothing), &[off, off])?;
    graph.apply(Broadcast { to: Shape::SCALAR, scale: 1.0 / shape.count() as f32 }, &[sum])
}

/// Cross-entropy of the means of `logits` `[N, H, W, 4]` against turn number `turn`.
fn turn_error(graph: &mut Graph, logits: Var, turn: usize) -> Result<Var> {
    let shape = graph.shape(logits);
    let means = graph.apply(Reduce::mean(Keep::PictureChannels, shape), &[logits])?;
    let right = (0..shape.n * TURNS).map(|i| f32::from(u8::from(i % TURNS == turn))).collect();
    let truth = graph.constant(&format!("turn {turn}"), Shape::new(shape.n, 1, 1, TURNS), right)?;
    Ok(graph.apply_all(CrossEntropy { weighted: false }, &[means, truth])?[0])
}
