//! Several steps a dispatch: a region of the map stays with a workgroup (temporal blocking).

use super::{super::trace::Trace, Som};
use crate::{
    gpu::Variant,
    graph::{Access, Lowering, Shape, Var},
};

/// Side of a region: four channels of it fill 16 KiB, which every device has.
const SIDE: usize = 32;
/// Loop rounds of a dispatch where the map is one region: devices stop what runs for seconds, and llvmpipe leaves loops
/// after 65535 rounds of an invocation.
const MOST_ROUNDS: usize = 40_000;

/// How a map is cut into square regions. Each is read with a halo, takes some steps, by each of which the part that is
/// right shrinks by a pixel where the map goes on, and writes the tile in its middle. A map that is no larger than a region
/// needs no halo, and its steps fit one dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    v: Shape,
    /// Pixels around a tile along cut axes.
    halo: usize,
    /// Steps, and where energies are told one more for that of the end.
    rounds: usize,
    /// Bytes of a pixel that are read once a dispatch.
    read: u64,
    /// Vec4s of a pixel that take their steps together.
    quads: usize,
}

impl Tiles {
    /// For a descent of beliefs `v`: with the halo that moves the fewest bytes. None for a single step.
    pub fn new(som: &Som, v: Shape) -> Option<Self> {
        if som.steps < 2 {
            return None;
        }
        let quads = if som.responds() { v.c4() } else { 1 };
        let (map, mask) = (16 * v.c4() as u64, 16);
        let read = mask + if som.anchor > 0.0 { 2 * map } else { map };
        let rounds = som.steps + usize::from(som.traced);
        let tiles = |halo| Self { v, halo, rounds, read, quads };
        if tiles(0).is_whole() {
            return Some(tiles(0));
        }
        (1..SIDE.div_ceil(2).min(rounds + 1)).map(tiles).min_by_key(Self::bytes)
    }

    /// Vec4s that an invocation holds of a pixel.
    pub(super) fn quads(&self) -> usize {
        self.quads
    }

    /// Pixels of all regions for a pixel of the map.
    pub(super) fn excess(&self) -> f64 {
        (self.regions() * SIDE * SIDE) as f64 / (self.v.h * self.v.w) as f64
    }

    /// Whether the map is a single region.
    fn is_whole(&self) -> bool {
        self.v.h.max(self.v.w) <= SIDE
    }

    /// Rounds of a dispatch.
    fn most_rounds(&self) -> usize {
        // With bounds checks drivers may leave the loops over blocks of 16 pixels rolled: some hundred rounds for each vec4 of a
        // pixel and step.
        if self.is_whole() { (MOST_ROUNDS / (100 * self.v.c4())).max(1) } else { self.halo }
    }

    /// Along an axis of the map: the halo, the side of a tile, and how many there are.
    fn cut(&self, extent: usize) -> [usize; 3] {
        let halo = if extent <= SIDE { 0 } else { self.halo };
        let tile = SIDE - 2 * halo;
        [halo, tile, extent.div_ceil(tile)]
    }

    /// Pixels along an axis that the regions read.
    fn seen(&self, extent: usize) -> usize {
        let [halo, tile, count] = self.cut(extent);
        let of = |i: usize| (i * tile + SIDE - halo).min(extent) - (i * tile).saturating_sub(halo);
        (0..count).map(of).sum()
    }

    /// How many regions a picture has.
    fn regions(&self) -> usize {
        self.cut(self.v.h)[2] * self.cut(self.v.w)[2]
    }

    /// Bytes that all dispatches read and write, halos as often as they are read.
    pub fn bytes(&self) -> u64 {
        let seen = (self.v.n * self.seen(self.v.h) * self.seen(self.v.w)) as u64;
        let dispatches = self.rounds.div_ceil(self.most_rounds()) as u64;
        dispatches * (seen * self.read + self.v.bytes())
    }

    /// Adds the dispatches, an invocation for so many rows and columns of pixels.
    pub(super) fn lower(&self, som: &Som, block: [usize; 2], l: &mut Lowering<'_>) {
        let (rounds, most) = (self.rounds, self.most_rounds());
        let trace =
            som.traced.then(|| Trace::new(l, self.v.n, self.regions() * self.v.c4() / self.quads, rounds));
        let two = [0, 1].map(|i| (rounds > (i + 1) * most).then(|| l.scratch("state", self.v)));
        let mut state = l.input(0);
        for first in (0..rounds).step_by(most) {
            let here = most.min(rounds - first);
            let next = two[first / most % 2].filter(|_| first + here < rounds).unwrap_or(l.output(0));
            let moves = here.min(som.steps - first);
            self.dispatch(som, block, l, [state, next], [here, moves], trace.as_ref().map(|t| (t, first)));
            state = next;
        }
        if let Some(trace) = &trace {
            trace.finish(l, l.output(1));
        }
    }

    fn dispatch(
        &self,
        som: &Som,
        [rows, columns]: [usize; 2],
        l: &mut Lowering<'_>,
        [state, next]: [Var; 2],
        [rounds, moves]: [usize; 2],
        trace: Option<(&Trace, usize)>,
    ) {
        let v = self.v;
        let ([halo_y, tile_y, tiles_y], [halo_x, tile_x, tiles_x]) = (self.cut(v.h), self.cut(v.w));
        let params = vec![
            ("pictures", v.n.into()),
            ("h", v.h.into()),
            ("w", v.w.into()),
            ("channels", v.c.into()),
            ("c4", v.c4().into()),
            ("halo_y", halo_y.into()),
            ("halo_x", halo_x.into()),
            ("tile_y", tile_y.into()),
            ("tile_x", tile_x.into()),
            ("tiles_y", tiles_y.into()),
            ("tiles_x", tiles_x.into()),
            ("rounds", rounds.into()),
            ("moves", moves.into()),
            ("rate", som.rate.into()),
            ("anchor", som.anchor.into()),
            ("row", trace.map_or(0, |(trace, first)| trace.row(first)).into()),
            ("next_row", trace.map_or(0, |(trace, _)| trace.row(1)).into()),
            ("itself", som.own().into()),
        ];
        let threads = SIDE * SIDE / (rows * columns);
        let variant = Variant::new("energy/som/tile")
            .constant("THREADS", threads as u32)
            .constant("SIDE", SIDE as u32)
            .constant("ROWS", rows as u32)
            .constant("COLUMNS", columns as u32)
            .constant("QUADS", self.quads as u32)
            .feature("single", self.quads == 1)
            .feature("responds", som.responds())
            .feature("literal", som.literal())
            .feature("anchored", som.anchor > 0.0)
            .feature("traced", trace.is_some());
        let mut buffers = vec![Access::Write(next), Access::Read(state), Access::Read(l.input(1))];
        buffers.extend((som.anchor > 0.0).then(|| Access::Read(l.input(2))));
        buffers.extend(trace.map(|(trace, _)| Access::Write(trace.partial)));
        l.dispatch(variant, params, buffers, threads * v.n * self.regions());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::energy::Rule;

    /// 20 steps on 512x512x15, as part of what a dispatch a step moves.
    fn saved(rule: Rule) -> f64 {
        let v = Shape::new(1, 512, 512, 15);
        let som = Som::new(rule, 0.1, 20);
        som.step_bytes(v) as f64 / Tiles::new(&som, v).unwrap().bytes() as f64
    }

    #[test]
    fn tiles_move_fewer_bytes() {
        let equilibrium = saved(Rule::Equilibrium { include_self: false });
        assert!(equilibrium >= 3.0, "{equilibrium}");
        let response = saved(Rule::Response { literal: false });
        assert!(response >= 5.0, "{response}");
    }

    #[test]
    fn a_map_of_one_region_is_read_and_written_once() {
        let v = Shape::new(2, 20, 32, 5);
        let som = Som::new(Rule::Equilibrium { include_self: true }, 0.1, 150);
        let tiles = Tiles::new(&som, v).unwrap();
        assert_eq!(tiles.bytes(), 2 * v.bytes() + v.with_c(4).bytes());
        assert!(Tiles::new(&Som { steps: 1, ..som }, v).is_none());
    }
}
