// Several steps of the self-organising map by eq 10 on a region of a picture, and, where traced, its edge energy before each.
//
// One workgroup a square region with all its channels and responses in workgroup memory; an invocation works on one or some
// of its pixels. With each step the part that is right shrinks by a pixel where the picture goes on; the tile in the middle
// is written. Traffic: beliefs and mask of the region once (with 16 channels and 16 KiB: regions of 15 pixels, tiles of 9,
// 2.8 times each), the tile once; one number a region and step; the anchor of the region in every step.

import package::variant::{SIDE, QUADS, THREADS};
import package::shared::around::{around, Around};
import package::shared::region::{region, place, Cut, Place, Region};
import package::shared::shares::{shares, Shares};

// `rounds`: steps, and where the energy of the end is told one more, in which nothing moves. `row`, `next_row`: of the
// partial sums, the first of these rounds, and how far a round's are from the next one's.
struct Params {
    pictures: u32, h: u32, w: u32, channels: u32, halo_y: u32, halo_x: u32, tile_y: u32, tile_x: u32, tiles_y: u32,
    tiles_x: u32, rounds: u32, moves: u32, rate: f32, anchor: f32, row: u32, next_row: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> next: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> edges: array<vec4<f32>>;
@if(anchored) @group(0) @binding(4) var<storage, read> start: array<vec4<f32>>;
@if(traced) @group(0) @binding(5) var<storage, read_write> partial: array<vec4<f32>>;

const PIXELS = SIDE * SIDE;
// Pixels of an invocation, a workgroup apart. Not all translators take arrays of one element.
const EACH = max(2u, (PIXELS + THREADS - 1u) / THREADS);

// Four channels of all pixels, then the next four.
var<workgroup> field: array<vec4<f32>, PIXELS * QUADS>;
var<workgroup> responses: array<f32, PIXELS>;
@if(traced) var<workgroup> sums: array<f32, THREADS>;

var<private> pixels: array<u32, EACH>;
var<private> inside: array<bool, EACH>;
var<private> mine: array<bool, EACH>;
var<private> whole: array<vec4<f32>, EACH>;
var<private> there: array<vec4<f32>, EACH>;
// Up, down, left and right in the region; beyond it a pixel stands for itself: what it then becomes is not of the tile.
var<private> near: array<vec4<u32>, EACH>;

fn settle(k: u32, at: u32, here: Region, cut: Cut) {
    let row = at / SIDE;
    let column = at % SIDE;
    let found = place(here, row, column, cut);
    let i = found.pixel;
    pixels[k] = i;
    inside[k] = found.inside;
    mine[k] = found.mine;
    there[k] = select(vec4<f32>(0.0), around(i, p.h, p.w).there, found.inside);
    whole[k] = edges[i] * there[k];
    let goes_on = vec4<bool>(row > 0u, row + 1u < SIDE, column > 0u, column + 1u < SIDE);
    near[k] = select(vec4<u32>(at), vec4<u32>(at - SIDE, at + SIDE, at - 1u, at + 1u), goes_on);
    for (var c = 0u; c < QUADS; c++) {
        field[c * PIXELS + at] = select(vec4<f32>(0.0), v[i * QUADS + c], found.inside);
    }
}

fn response(at: u32) -> f32 {
    var sum = 0.0;
    var squares = 0.0;
    for (var c = 0u; c < QUADS; c++) {
        let own = field[c * PIXELS + at];
        sum += dot(own, vec4<f32>(1.0));
        squares += dot(own, own);
    }
    return f32(p.channels) * squares - sum * sum;
}

// Writes the sum over the region of the energy of a round.
@if(traced) fn tell(energy: f32, round: u32, group: u32, local: u32) {
    sums[local] = energy;
    for (var span = THREADS / 2u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if local < span { sums[local] += sums[local + span]; }
    }
    if local == 0u { partial[p.row + round * p.next_row + group] = vec4<f32>(sums[0], 0.0, 0.0, 0.0); }
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let block = group.x + group.y * groups.x;
    let cut = Cut(
        vec2<u32>(p.h, p.w),
        vec2<u32>(p.halo_y, p.halo_x),
        vec2<u32>(p.tile_y, p.tile_x),
        vec2<u32>(p.tiles_y, p.tiles_x),
    );
    let here = region(block, cut);
    if here.picture >= p.pictures { return; }
    for (var k = 0u; k < EACH; k++) {
        let at = local + k * THREADS;
        if at < PIXELS { settle(k, at, here, cut); }
    }
    for (var round = 0u; round < p.rounds; round++) {
        for (var k = 0u; k < EACH; k++) {
            let at = local + k * THREADS;
            if at < PIXELS { responses[at] = response(at); }
        }
        workgroupBarrier();
        var weights: array<vec4<f32>, EACH>;
        for (var k = 0u; k < EACH; k++) {
            let r = vec4<f32>(
                responses[near[k].x], responses[near[k].y], responses[near[k].z], responses[near[k].w],
            );
            let own = responses[min(local + k * THREADS, PIXELS - 1u)];
            weights[k] = p.rate * shares(whole[k], there[k], own, r).taken;
        }
        var energy = 0.0;
        for (var c = 0u; c < QUADS; c++) {
            let plane = c * PIXELS;
            var moved: array<vec4<f32>, EACH>;
            for (var k = 0u; k < EACH; k++) {
                let own = field[plane + min(local + k * THREADS, PIXELS - 1u)];
                let up = field[plane + near[k].x] - own;
                let down = field[plane + near[k].y] - own;
                let left = field[plane + near[k].z] - own;
                let right = field[plane + near[k].w] - own;
                let w = weights[k];
                moved[k] = own + w.x * up + w.y * down + w.z * left + w.w * right;
                @if(anchored) {
                    let begun = start[pixels[k] * QUADS + c];
                    moved[k] += select(vec4<f32>(0.0), p.anchor * (begun - own), inside[k]);
                }
                @if(traced) {
                    // Every edge is met from both its ends.
                    let apart = vec4<f32>(dot(up, up), dot(down, down), dot(left, left), dot(right, right));
                    energy += select(0.0, 0.25 * dot(whole[k], apart), mine[k]);
                }
            }
            workgroupBarrier();
            if round < p.moves {
                for (var k = 0u; k < EACH; k++) {
                    let at = local + k * THREADS;
                    if at < PIXELS { field[plane + at] = moved[k]; }
                }
            }
        }
        @if(traced) { tell(energy, round, block, local); }
    }
    for (var k = 0u; k < EACH; k++) {
        if mine[k] {
            let at = local + k * THREADS;
            for (var c = 0u; c < QUADS; c++) { next[pixels[k] * QUADS + c] = field[c * PIXELS + at]; }
        }
    }
}
