// What the kernels of a self-organising map have in common: its units in rows, `rows` of `columns`.

var<workgroup> lattice_distances: array<f32, 64>;
var<workgroup> lattice_units: array<u32, 64>;

const NO_UNIT = 0xffffffffu;

// Of the nearest units that the invocations found the nearest, of equal ones the first. All of the workgroup must call
// this together.
fn nearest(distance: f32, index: u32, lane: u32) -> u32 {
    lattice_distances[lane] = distance;
    lattice_units[lane] = index;
    for (var span = 32u; span > 0u; span /= 2u) {
        workgroupBarrier();
        if lane < span {
            let near = lattice_distances[lane];
            let other = lattice_distances[lane + span];
            let first = lattice_units[lane + span] < lattice_units[lane];
            if other < near || (other == near && first) {
                lattice_distances[lane] = other;
                lattice_units[lane] = lattice_units[lane + span];
            }
        }
    }
    workgroupBarrier();
    let found = lattice_units[0];
    // The next call writes the lanes again.
    workgroupBarrier();
    return found;
}

// The unit itself (0), or the one above, below, left or right of it, if there is one.
fn neighbour(unit: u32, which: u32, rows: u32, columns: u32) -> u32 {
    let row = unit / columns;
    let column = unit % columns;
    switch which {
        case 0u: { return unit; }
        case 1u: { return select(NO_UNIT, unit - columns, row > 0u); }
        case 2u: { return select(NO_UNIT, unit + columns, row + 1u < rows); }
        case 3u: { return select(NO_UNIT, unit - 1u, column > 0u); }
        default: { return select(NO_UNIT, unit + 1u, column + 1u < columns); }
    }
}
