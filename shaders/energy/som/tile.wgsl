// Several steps of the self-organising map by eq 9 on a region of a picture, and, where traced, its edge energy before each.
//
// One workgroup a region of 32 x 32 pixels, which takes four channels through all steps, then the next four; an invocation
// holds four pixels of a column in registers, and workgroup memory shows them to their neighbours. With each step the part
// that is right shrinks by a pixel where the picture goes on; the tile in the middle is written. Traffic: beliefs and mask of
// the region once (with tiles of 22, 2.1 times each), the tile once; one number a region, four channels and step.

import package::variant::{SIDE, THREADS};
import package::shared::around::{around, Around};
import package::shared::region::{region, place, Cut, Place, Region};

// `rounds`: steps, and where the energy of the end is told one more, in which nothing moves. `row`, `next_row`: of the
// partial sums, the first of these rounds, and how far a round's are from the next one's.
struct Params {
    pictures: u32, h: u32, w: u32, c4: u32, halo_y: u32, halo_x: u32, tile_y: u32, tile_x: u32, tiles_y: u32, tiles_x: u32,
    rounds: u32, moves: u32, rate: f32, anchor: f32, row: u32, next_row: u32, own: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> next: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> edges: array<vec4<f32>>;
@if(anchored) @group(0) @binding(4) var<storage, read> start: array<vec4<f32>>;
@if(traced) @group(0) @binding(5) var<storage, read_write> partial: array<vec4<f32>>;

// Pixels of an invocation, one below the other.
const STRIP = SIDE * SIDE / THREADS;

var<workgroup> field: array<vec4<f32>, SIDE * SIDE>;

// What stays with the pixels of a strip through all steps and channels.
var<private> pixels: array<u32, STRIP>;
var<private> inside: array<bool, STRIP>;
var<private> mine: array<bool, STRIP>;
var<private> weights: array<vec4<f32>, STRIP>;
@if(traced) var<private> whole: array<vec4<f32>, STRIP>;

fn weigh(k: u32, found: Place) {
    let at = found.pixel;
    pixels[k] = at;
    inside[k] = found.inside;
    mine[k] = found.mine;
    let phi = select(vec4<f32>(0.0), edges[at] * around(at, p.h, p.w).there, found.inside);
    let heard = dot(phi, vec4<f32>(1.0));
    weights[k] = phi * select(0.0, p.rate / (heard + p.own), heard > 0.0);
    // Every edge is met from both its ends.
    @if(traced) { whole[k] = select(vec4<f32>(0.0), 0.25 * phi, mine[k]); }
}

// Writes the sums over the region of the energies of so many rounds, the first of them `first`.
@if(traced) fn tell(energies: vec4<f32>, first: u32, rounds: u32, group: u32, local: u32) {
    field[local] = energies;
    for (var span = THREADS / 2u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if local < span { field[local] += field[local + span]; }
    }
    workgroupBarrier();
    if local < rounds { partial[p.row + (first + local) * p.next_row + group] = vec4<f32>(field[0][local], 0.0, 0.0, 0.0); }
    workgroupBarrier();
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
    let column = local % SIDE;
    let top = local / SIDE * STRIP;
    for (var k = 0u; k < STRIP; k++) { weigh(k, place(here, top + k, column, cut)); }
    // Beyond the region a pixel stands for itself: what it then becomes is not of the tile.
    let strip = top * SIDE + column;
    let above = select(strip, strip - SIDE, top > 0u);
    let below = strip + select(STRIP, STRIP - 1u, top + STRIP == SIDE) * SIDE;
    let left = select(0u, 1u, column > 0u);
    let right = select(0u, 1u, column + 1u < SIDE);
    for (var c = 0u; c < p.c4; c++) {
        var own: array<vec4<f32>, STRIP>;
        @if(anchored) var back: array<vec4<f32>, STRIP>;
        for (var k = 0u; k < STRIP; k++) {
            let i = pixels[k] * p.c4 + c;
            own[k] = select(vec4<f32>(0.0), v[i], inside[k]);
            @if(anchored) { back[k] = select(vec4<f32>(0.0), start[i], inside[k]); }
        }
        @if(traced) var energies = vec4<f32>(0.0);
        for (var round = 0u; round < p.rounds; round++) {
            for (var k = 0u; k < STRIP; k++) { field[strip + k * SIDE] = own[k]; }
            workgroupBarrier();
            var before = field[above];
            let after = field[below];
            for (var k = 0u; k < STRIP; k++) {
                let old = own[k];
                let at = strip + k * SIDE;
                let to_up = before - old;
                let to_down = select(after, own[min(k + 1u, STRIP - 1u)], k + 1u < STRIP) - old;
                let to_left = field[at - left] - old;
                let to_right = field[at + right] - old;
                @if(traced) {
                    let apart = vec4<f32>(
                        dot(to_up, to_up), dot(to_down, to_down), dot(to_left, to_left), dot(to_right, to_right),
                    );
                    energies[round % 4u] += dot(whole[k], apart);
                }
                if round < p.moves {
                    let w = weights[k];
                    own[k] = old + w.x * to_up + w.y * to_down + w.z * to_left + w.w * to_right;
                    @if(anchored) { own[k] += p.anchor * (back[k] - old); }
                }
                before = old;
            }
            workgroupBarrier();
            @if(traced) {
                if round % 4u == 3u || round + 1u == p.rounds {
                    let told = round % 4u + 1u;
                    tell(energies, round + 1u - told, told, block * p.c4 + c, local);
                    energies = vec4<f32>(0.0);
                }
            }
        }
        for (var k = 0u; k < STRIP; k++) {
            if mine[k] { next[pixels[k] * p.c4 + c] = own[k]; }
        }
    }
}
