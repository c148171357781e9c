// The triangle filter that pictures are resampled with, along one axis: bilinear where they grow, as wide
// as the scale where they shrink. Positions count pixels between their centres. Taps outside the picture
// are left out; the sum is divided by the weights of the others.

struct Reach { first: i32, last: i32, centre: f32, radius: f32 }

// What pixel o of `made` sees of `given` pixels.
fn reach(o: u32, made: u32, given: u32) -> Reach {
    // A division need not be exact, and equal sizes are to copy.
    let ratio = select(f32(given) / f32(made), 1.0, given == made);
    let radius = max(ratio, 1.0);
    let centre = (f32(o) + 0.5) * ratio - 0.5;
    let first = max(i32(floor(centre - radius)) + 1, 0);
    let last = min(i32(ceil(centre + radius)) - 1, i32(given) - 1);
    return Reach(first, last, centre, radius);
}

fn weight(r: Reach, i: i32) -> f32 {
    return 1.0 - abs(f32(i) - r.centre) / r.radius;
}
