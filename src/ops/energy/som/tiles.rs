//! Several steps a dispatch: a region of the map stays in workgroup memory (temporal blocking).

use super::{super::trace::Trace, Som};
use crate::{
    gpu::Variant,
    graph::{Access, Lowering, Shape, Var},
};

/// Invocations of a workgroup by eq 9 and by eq 10.
const THREADS: [usize; 2] = [256, 128];
/// Side of a region by eq 9, whose channels do not meet: four at a time fill 16 KiB, which every device has.
const SIDE: usize = 32;
/// Workgroup memory that regions by eq 10 may take, where all channels meet in the response. More of it makes halos
/// smaller, but lets fewer workgroups share a core.
const MOST_BYTES: usize = 32 << 10;
/// Energies of all invocations by eq 10 are summed up in workgroup memory, too.
const SUM_BYTES: usize = THREADS[1] * size_of::<f32>();
/// Loop rounds of a dispatch where the map is one region: devices stop what runs for seconds, and llvmpipe leaves loops
/// after 65535 rounds of an invocation.
const MOST_ROUNDS: usize = 40_000;

/// How a map is cut into square regions. Each is read with a halo, takes some steps, by each of which the part that is
/// right shrinks by a pixel where the map goes on, and writes the tile in its middle. A map that is no larger than a region
/// needs no halo, and its steps fit one dispatch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    v: Shape,
    /// Side of a region, pixels.
    side: usize,
    /// Pixels around a tile along cut axes.
    halo: usize,
    /// Steps, and where energies are told one more for that of the end.
    rounds: usize,
    /// Bytes of a pixel that are read once a dispatch, and in each round.
    read: [u64; 2],
    /// Sums of energies of a region.
    sums: usize,
}

impl Tiles {
    /// For a descent of beliefs `v` on a device with so many bytes of workgroup memory: with the halo that moves the fewest
    /// bytes. None for a single step, or where a region would be too small.
    pub fn new(som: &Som, v: Shape, workgroup_bytes: u32) -> Option<Self> {
        let response = som.responds();
        let room = MOST_BYTES.min(workgroup_bytes as usize).saturating_sub(SUM_BYTES);
        let side = if response { (room / (16 * v.c4() + 4)).isqrt() } else { SIDE };
        if som.steps < 2 || side < 8 {
            return None;
        }
        let (quads, anchored) = (16 * v.c4() as u64, som.anchor > 0.0);
        let start = if anchored { quads } else { 0 };
        let read = if response { [quads + 16, start] } else { [quads + 16 + start, 0] };
        let sums = if response { 1 } else { v.c4() };
        let rounds = som.steps + usize::from(som.traced);
        let tiles = |halo| Self { v, side, halo, rounds, read, sums };
        if tiles(0).is_whole() {
            return Some(tiles(0));
        }
        (1..side.div_ceil(2).min(rounds + 1)).map(tiles).min_by_key(Self::bytes)
    }

    /// Whether the map is a single region.
    fn is_whole(&self) -> bool {
        self.v.h.max(self.v.w) <= self.side
    }

    /// Rounds of a dispatch.
    fn most_rounds(&self) -> usize {
        // A step takes some ten rounds of inner loops for each vec4 of a pixel.
        if self.is_whole() { (MOST_ROUNDS / (10 * self.v.c4())).max(1) } else { self.halo }
    }

    /// Along an axis of the map: the halo, the side of a tile, and how many there are.
    fn cut(&self, extent: usize) -> [usize; 3] {
        let halo = if extent <= self.side { 0 } else { self.halo };
        let tile = self.side - 2 * halo;
        [halo, tile, extent.div_ceil(tile)]
    }

    /// Pixels along an axis that the regions read.
    fn seen(&self, extent: usize) -> usize {
        let [halo, tile, count] = self.cut(extent);
        let of = |i: usize| (i * tile + self.side - halo).min(extent) - (i * tile).saturating_sub(halo);
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
        dispatches * (seen * self.read[0] + self.v.bytes()) + self.rounds as u64 * seen * self.read[1]
    }

    /// Adds the dispatches.
    pub(super) fn lower(&self, som: &Som, l: &mut Lowering<'_>) {
        let (rounds, most) = (self.rounds, self.most_rounds());
        let trace = som.traced.then(|| Trace::new(l, self.v.n, self.regions() * self.sums, rounds));
        let two = [0, 1].map(|i| (rounds > (i + 1) * most).then(|| l.scratch("state", self.v)));
        let mut state = l.input(0);
        for first in (0..rounds).step_by(most) {
            let here = most.min(rounds - first);
            let next = two[first / most % 2].filter(|_| first + here < rounds).unwrap_or(l.output(0));
            let moves = here.min(som.steps - first);
            self.dispatch(som, l, [state, next], [here, moves], trace.as_ref().map(|t| (t, first)));
            state = next;
        }
        if let Some(trace) = &trace {
            trace.finish(l, l.output(1));
        }
    }

    fn dispatch(
        &self,
        som: &Som,
        l: &mut Lowering<'_>,
        [state, next]: [Var; 2],
        [rounds, moves]: [usize; 2],
        trace: Option<(&Trace, usize)>,
    ) {
        let v = self.v;
        let ([halo_y, tile_y, tiles_y], [halo_x, tile_x, tiles_x]) = (self.cut(v.h), self.cut(v.w));
        let mut params = vec![
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
        ];
        let threads = THREADS[usize::from(som.responds())];
        let shader = if som.responds() { "energy/som/response_tile" } else { "energy/som/tile" };
        let mut variant = Variant::new(shader)
            .constant("THREADS", threads as u32)
            .constant("SIDE", self.side as u32)
            .feature("anchored", som.anchor > 0.0)
            .feature("traced", trace.is_some());
        if som.responds() {
            params.retain(|(name, _)| *name != "c4");
            variant = variant.constant("QUADS", v.c4() as u32).feature("literal", som.literal());
        } else {
            params.retain(|(name, _)| *name != "channels");
            params.push(("own", som.own().into()));
        }
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
    fn saved(rule: Rule, workgroup_bytes: u32) -> f64 {
        let v = Shape::new(1, 512, 512, 15);
        let som = Som::new(rule, 0.1, 20);
        let tiles = Tiles::new(&som, v, workgroup_bytes).unwrap();
        som.step_bytes(v) as f64 / tiles.bytes() as f64
    }

    #[test]
    fn tiles_move_fewer_bytes() {
        let equilibrium = saved(Rule::Equilibrium { include_self: false }, 16 << 10);
        assert!(equilibrium >= 3.0, "{equilibrium}");
        let response = [16, 32].map(|kib| saved(Rule::Response { literal: false }, kib << 10));
        assert!(response[0] >= 2.7 && response[1] >= 4.0, "{response:?}");
    }

    #[test]
    fn a_map_of_one_region_is_read_and_written_once() {
        let v = Shape::new(2, 20, 32, 5);
        let som = Som::new(Rule::Equilibrium { include_self: true }, 0.1, 300);
        let tiles = Tiles::new(&som, v, 16 << 10).unwrap();
        assert_eq!(tiles.bytes(), 2 * v.bytes() + v.with_c(4).bytes());
        assert!(Tiles::new(&Som { steps: 1, ..som }, v, 16 << 10).is_none());
    }
}
