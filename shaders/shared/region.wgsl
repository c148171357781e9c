// Square regions of pictures that a workgroup takes some steps on: a tile, and around it a halo where the picture goes on.

// How pictures are cut: `halo` and `side` of tiles and their number along y and x.
struct Cut { size: vec2<u32>, halo: vec2<u32>, tile: vec2<u32>, tiles: vec2<u32> }

// `first`: row and column of its first pixel, halo and all, which may lie outside.
struct Region { picture: u32, first: vec2<i32> }

// `pixel`: where a pixel lies among those of all pictures, or some pixel, if it is not `inside`. `mine`: it is of the tile.
// `there`: it is inside and has neighbours up, down, left and right.
struct Place { pixel: u32, inside: bool, mine: bool, there: vec4<bool> }

fn region(block: u32, cut: Cut) -> Region {
    let which = vec2<u32>(block / cut.tiles.y % cut.tiles.x, block % cut.tiles.y);
    return Region(block / (cut.tiles.x * cut.tiles.y), vec2<i32>(which * cut.tile) - vec2<i32>(cut.halo));
}

// Of the pixel at `row` and `column` of the region.
fn place(here: Region, row: u32, column: u32, cut: Cut) -> Place {
    let within = vec2<u32>(row, column);
    let at = here.first + vec2<i32>(within);
    let inside = all(at >= vec2<i32>(0)) && all(at < vec2<i32>(cut.size));
    let kept = vec2<u32>(clamp(at, vec2<i32>(0), vec2<i32>(cut.size) - 1));
    let mine = inside && all(within >= cut.halo) && all(within < cut.halo + cut.tile);
    let goes_on = vec4<bool>(kept.x > 0u, kept.x + 1u < cut.size.x, kept.y > 0u, kept.y + 1u < cut.size.y);
    let there = select(vec4<bool>(false), goes_on, inside);
    return Place((here.picture * cut.size.x + kept.x) * cut.size.y + kept.y, inside, mine, there);
}
