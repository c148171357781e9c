// The four neighbours of a pixel, in the order up, down, left, right. What lies outside the picture does not exist: it
// stands for the pixel itself, and is not there.

struct Around { at: vec4<u32>, there: vec4<f32> }

fn around(pixel: u32, h: u32, w: u32) -> Around {
    let column = pixel % w;
    let row = pixel / w % h;
    let up = row > 0u;
    let down = row + 1u < h;
    let left = column > 0u;
    let right = column + 1u < w;
    let there = vec4<bool>(up, down, left, right);
    let at = select(vec4<u32>(pixel), vec4<u32>(pixel - w, pixel + w, pixel - 1u, pixel + 1u), there);
    return Around(at, select(vec4<f32>(0.0), vec4<f32>(1.0), there));
}

// What four neighbours hold towards the pixel between them, each in its lane for the opposite direction.
fn towards(up: vec4<f32>, down: vec4<f32>, left: vec4<f32>, right: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(up.y, down.x, left.w, right.z);
}
