// Geometry common to resizing and its gradient. Output position o lies at (o * mul + add) / den of the
// input, along each axis; whole numbers keep forward and gradient exactly alike.

struct Scale {
    size: u32, c4: u32,
    in_h: i32, in_w: i32, out_h: i32, out_w: i32,
    mul_y: i32, add_y: i32, den_y: i32,
    mul_x: i32, add_x: i32, den_x: i32,
}

// A place on the input's axis: `part` of `den` past position `at`, which is negative before the first.
struct Place { at: i32, part: i32 }

fn place(o: i32, mul: i32, add: i32, den: i32) -> Place {
    let t = o * mul + add;
    // Division rounds towards zero.
    let at = select(t, t - den + 1, t < 0) / den;
    return Place(at, t - at * den);
}

// The input position at or before a place, and how far past it as a share; before the first it is the first.
struct Spot { at: i32, share: f32 }

fn spot(p: Place, den: i32) -> Spot {
    return Spot(max(p.at, 0), select(f32(p.part) / f32(den), 0.0, p.at < 0));
}

// First output position at or past input position i.
fn first_past(i: i32, mul: i32, add: i32, den: i32, count: i32) -> i32 {
    let t = i * den - add;
    if t <= 0 { return 0; }
    return min((t + mul - 1) / mul, count);
}
