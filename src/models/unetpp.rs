//! UNet++ (Zhou et al. 2018): a U-Net whose skips are grids of blocks, with a result at each of its depths.

use super::Model;
use crate::{
    Result,
    graph::Var,
    nn::Net,
    ops::{Concat, Pool, Resize},
};

/// The logits of all depths, the shallowest first; the last is the network's result. Node (i, j) has the width of level i and
/// sees all nodes (i, 0..j) and, enlarged, node (i + 1, j - 1). Parameters `conv{i}_{j}` and `final{j}`.
pub(super) fn build(model: &Model, net: &mut Net<'_>, picture: Var) -> Result<Vec<Var>> {
    let levels = model.widths.len();
    let mut rows: Vec<Vec<Var>> = Vec::with_capacity(levels);
    let mut x = picture;
    for (i, width) in model.widths.iter().enumerate() {
        if i > 0 {
            x = net.graph.apply(Pool::max(2, 2, 0), &[x])?;
        }
        x = block(net, i, 0, x, *width)?;
        rows.push(vec![x]);
    }
    for j in 1..levels {
        for i in 0..levels - j {
            let s = net.graph.shape(rows[i][0]);
            let up = net.graph.apply(Resize::nearest([s.h, s.w]), &[rows[i + 1][j - 1]])?;
            let mut joined = up;
            for node in rows[i].clone() {
                joined = net.graph.apply(Concat, &[joined, node])?;
            }
            let node = block(net, i, j, joined, model.widths[i])?;
            // The last node of a row is that of the plain decoder.
            let node = match i + j + 1 == levels {
                true => model.descended(net, picture, i + 1, node)?,
                false => node,
            };
            rows[i].push(node);
        }
    }
    let shallow = if levels > 1 { 1 } else { 0 };
    let nodes = rows[0][shallow..].to_vec();
    nodes
        .into_iter()
        .enumerate()
        .map(|(depth, node)| net.project(&format!("final{}", depth + 1), &[node], model.out_channels, true))
        .collect()
}

fn block(net: &mut Net<'_>, i: usize, j: usize, x: Var, width: usize) -> Result<Var> {
    net.scoped(&format!("conv{i}_{j}"), |net| {
        let x = net.conv_bn_relu("conv1", "bn1", &[x], width)?;
        net.conv_bn_relu("conv2", "bn2", &[x], width)
    })
}
