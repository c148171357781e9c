// Several steps of the self-organising map on a region of a picture, and, where traced, its edge energy before each.
//
// One workgroup a square region; an invocation holds ROWS x COLUMNS of its pixels in registers through all steps, and workgroup
// memory shows the rim of each block to the neighbours, four channels at a time. By eq 9, whose channels do not meet, a region
// takes four of them through all steps, then the next four; by eq 10 it takes all at once, and weighs its neighbours anew in
// each step. With each step the part that is right shrinks by a pixel where the picture goes on; the tile in the middle is
// written. Traffic: beliefs (and where they are pulled to) and mask of the region once (with regions of 32 pixels and tiles of
// 22, 2.1 times each), the tile once; one number a region, QUADS and step.

import package::variant::{COLUMNS, QUADS, ROWS, SIDE, THREADS};
import package::shared::region::{region, place, Cut, Place, Region};
import package::shared::shares::{shares, Shares};

// `rounds`: steps, and where the energy of the end is told one more, in which nothing moves. `row`, `next_row`: of the
// partial sums, the first of these rounds, and how far a round's are from the next one's. `itself`: what a pixel adds to the
// number of its neighbours.
struct Params {
    pictures: u32, h: u32, w: u32, channels: u32, c4: u32, halo_y: u32, halo_x: u32, tile_y: u32, tile_x: u32, tiles_y: u32,
    tiles_x: u32, rounds: u32, moves: u32, rate: f32, anchor: f32, row: u32, next_row: u32, itself: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> next: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> v: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> edges: array<vec4<f32>>;
@if(anchored) @group(0) @binding(4) var<storage, read> start: array<vec4<f32>>;
@if(traced) @group(0) @binding(5) var<storage, read_write> partial: array<vec4<f32>>;

// Loops over a block's pixels index arrays of its size by their counter: Mesa then unrolls them however long they are.
const BLOCK = ROWS * COLUMNS;
const ACROSS = SIDE / COLUMNS;
// Not all translators take arrays of one element.
const LAYERS = max(2u, QUADS);

var<workgroup> field: array<vec4<f32>, SIDE * SIDE>;

var<private> own: array<array<vec4<f32>, BLOCK>, LAYERS>;
@if(anchored) var<private> back: array<array<vec4<f32>, BLOCK>, LAYERS>;
// By direction: how much a neighbour counts, the mask, which neighbours the picture has, and the mask for energies of the tile,
// where every edge is met from both its ends.
var<private> weights: array<vec4<f32>, BLOCK>;
@if(responds) var<private> phi: array<vec4<f32>, BLOCK>;
@if(responds) var<private> there: array<vec4<f32>, BLOCK>;
@if(responds) var<private> responses: array<f32, BLOCK>;
@if(traced) var<private> halves: array<vec4<f32>, BLOCK>;

// In the region: the block's first pixel, and the one that stands for what is beyond an edge of it. Beyond the region a pixel
// stands for itself: what it then becomes is not of the tile.
struct Block { top: u32, left: u32, at: u32, up: u32, down: u32, before: u32, after: u32 }

fn block_of(local: u32) -> Block {
    let top = local / ACROSS * ROWS;
    let left = local % ACROSS * COLUMNS;
    let at = top * SIDE + left;
    return Block(
        top,
        left,
        at,
        at - select(0u, SIDE, top > 0u),
        at + select(ROWS - 1u, ROWS, top + ROWS < SIDE) * SIDE,
        at - select(0u, 1u, left > 0u),
        at + select(COLUMNS - 1u, COLUMNS, left + COLUMNS < SIDE),
    );
}

fn place_of(here: Region, block: Block, k: u32, cut: Cut) -> Place {
    return place(here, block.top + k / COLUMNS, block.left + k % COLUMNS, cut);
}

fn at(block: Block, k: u32) -> u32 {
    return block.at + k / COLUMNS * SIDE + k % COLUMNS;
}

fn is_rim(k: u32) -> bool {
    let row = k / COLUMNS;
    let column = k % COLUMNS;
    return row == 0u || row + 1u == ROWS || column == 0u || column + 1u == COLUMNS;
}

// Where the workgroup sees the neighbours up, down, left and right of a pixel of the block, if they are of other blocks.
fn far_of(block: Block, k: u32) -> vec4<u32> {
    let row = k / COLUMNS * SIDE;
    let column = k % COLUMNS;
    return vec4<u32>(block.up + column, block.down + column, block.before + row, block.after + row);
}

// Which of its neighbours are of the block.
fn is_near(k: u32) -> vec4<bool> {
    let row = k / COLUMNS;
    let column = k % COLUMNS;
    return vec4<bool>(row > 0u, row + 1u < ROWS, column > 0u, column + 1u < COLUMNS);
}

// Which pixels of the block these are; of the others, some pixel.
fn near_of(k: u32) -> vec4<u32> {
    return vec4<u32>(max(k, COLUMNS) - COLUMNS, min(k + COLUMNS, BLOCK - 1u), max(k, 1u) - 1u, min(k + 1u, BLOCK - 1u));
}

fn settle(k: u32, found: Place) {
    let has = select(vec4<f32>(0.0), vec4<f32>(1.0), found.there);
    let kept = edges[found.pixel] * has;
    @if(traced) { halves[k] = select(vec4<f32>(0.0), 0.25 * kept, found.mine); }
    @if(responds) {
        phi[k] = kept;
        there[k] = has;
    }
    @if(!responds) {
        let heard = dot(kept, vec4<f32>(1.0));
        weights[k] = kept * select(0.0, p.rate / (heard + p.itself), heard > 0.0);
    }
}

@if(responds) fn response(k: u32) -> f32 {
    var sum = 0.0;
    var squares = 0.0;
    for (var q = 0u; q < QUADS; q++) {
        sum += dot(own[q][k], vec4<f32>(1.0));
        squares += dot(own[q][k], own[q][k]);
    }
    return f32(p.channels) * squares - sum * sum;
}

// Weighs the neighbours by their responses.
@if(responds) fn weigh(block: Block) {
    for (var k = 0u; k < BLOCK; k++) {
        responses[k] = response(k);
        if is_rim(k) { field[at(block, k)].x = responses[k]; }
    }
    workgroupBarrier();
    for (var k = 0u; k < BLOCK; k++) {
        let far = far_of(block, k);
        let near = near_of(k);
        let others = vec4<f32>(field[far.x].x, field[far.y].x, field[far.z].x, field[far.w].x);
        let ours = vec4<f32>(responses[near.x], responses[near.y], responses[near.z], responses[near.w]);
        weights[k] = p.rate * shares(phi[k], there[k], responses[k], select(others, ours, is_near(k))).taken;
    }
    workgroupBarrier();
}

// What the neighbours have more than a pixel, each a column.
fn apart(q: u32, k: u32, block: Block) -> mat4x4<f32> {
    let far = far_of(block, k);
    let near = near_of(k);
    let ours = is_near(k);
    let old = own[q][k];
    return mat4x4<f32>(
        select(field[far.x], own[q][near.x], ours.x) - old,
        select(field[far.y], own[q][near.y], ours.y) - old,
        select(field[far.z], own[q][near.z], ours.z) - old,
        select(field[far.w], own[q][near.w], ours.w) - old,
    );
}

// Takes four channels through a step, and tells the block's energy before it.
fn advance(q: u32, block: Block, moves: bool) -> f32 {
    for (var k = 0u; k < BLOCK; k++) {
        if is_rim(k) { field[at(block, k)] = own[q][k]; }
    }
    workgroupBarrier();
    var energy = 0.0;
    var moved: array<vec4<f32>, BLOCK>;
    for (var k = 0u; k < BLOCK; k++) {
        let a = apart(q, k, block);
        @if(traced) {
            let squares = vec4<f32>(dot(a[0], a[0]), dot(a[1], a[1]), dot(a[2], a[2]), dot(a[3], a[3]));
            energy += dot(halves[k], squares);
        }
        moved[k] = own[q][k] + a * weights[k];
        @if(anchored) { moved[k] += p.anchor * (back[q][k] - own[q][k]); }
    }
    for (var k = 0u; k < BLOCK; k++) { own[q][k] = select(own[q][k], moved[k], moves); }
    workgroupBarrier();
    return energy;
}

// Writes the sums over the region of the energies of so many rounds from `begin` on.
@if(traced) fn tell(energies: vec4<f32>, begin: u32, rounds: u32, group: u32, local: u32) {
    field[local] = energies;
    for (var span = THREADS / 2u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if local < span { field[local] += field[local + span]; }
    }
    workgroupBarrier();
    if local < rounds { partial[p.row + (begin + local) * p.next_row + group] = vec4<f32>(field[0][local], 0.0, 0.0, 0.0); }
    workgroupBarrier();
}

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let which = group.x + group.y * groups.x;
    let cut = Cut(
        vec2<u32>(p.h, p.w),
        vec2<u32>(p.halo_y, p.halo_x),
        vec2<u32>(p.tile_y, p.tile_x),
        vec2<u32>(p.tiles_y, p.tiles_x),
    );
    let here = region(which, cut);
    if here.picture >= p.pictures { return; }
    let block = block_of(local);
    for (var k = 0u; k < BLOCK; k++) { settle(k, place_of(here, block, k, cut)); }
    for (var first = 0u; first < p.c4; first += QUADS) {
        for (var k = 0u; k < BLOCK; k++) {
            let found = place_of(here, block, k, cut);
            for (var q = 0u; q < QUADS; q++) {
                let i = found.pixel * p.c4 + first + q;
                own[q][k] = select(vec4<f32>(0.0), v[i], found.inside);
                @if(anchored) { back[q][k] = select(vec4<f32>(0.0), start[i], found.inside); }
            }
        }
        @if(traced) var energies = vec4<f32>(0.0);
        for (var round = 0u; round < p.rounds; round++) {
            @if(responds) { weigh(block); }
            // A loop of one round over an array that is longer costs llvmpipe half as much again.
            @if(single) let energy = advance(0u, block, round < p.moves);
            @if(!single) var energy = 0.0;
            @if(!single) for (var q = 0u; q < QUADS; q++) { energy += advance(q, block, round < p.moves); }
            @if(traced) {
                energies[round % 4u] = energy;
                if round % 4u == 3u || round + 1u == p.rounds {
                    let told = round % 4u + 1u;
                    tell(energies, round + 1u - told, told, which * (p.c4 / QUADS) + first / QUADS, local);
                }
            }
        }
        for (var k = 0u; k < BLOCK; k++) {
            let found = place_of(here, block, k, cut);
            for (var q = 0u; q < QUADS; q++) {
                if found.mine { next[found.pixel * p.c4 + first + q] = own[q][k]; }
            }
        }
    }
}
