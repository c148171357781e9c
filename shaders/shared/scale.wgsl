// Geometry common to resizing and its gradient. Output position o lies at (o * mul + add) / den of the
// input, along each axis; whole numbers keep forward and gradient exactly alike.

struct Scale {
    size: u32, c4: u32,
    in_h: i32, in_w: i32, out_h: i32, out_w: i32,
    mul_y: i32, add_y: i32, den_y: i32,
    mul_x: i32, add_x: i32, den_x: i32,
}

// The input position at or before an output position, and how far past it as a share.
struct Spot { at: i32, share: f32 }

fn spot(o: i32, mul: i32, add: i32, den: i32) -> Spot {
    let t = max(o * mul + add, 0);
    return Spot(t / den, f32(t % den) / f32(den));
}
