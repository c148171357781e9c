// Probabilities together with what they lack to one. Both are computed, as 1 - p has lost its digits where
// p is close to one.

struct Chance { yes: vec4<f32>, no: vec4<f32> }

fn sigmoid_chance(v: vec4<f32>) -> Chance {
    let e = exp(-abs(v));
    let near = 1.0 / (1.0 + e);
    let far = e * near;
    let up = v >= vec4<f32>(0.0);
    return Chance(select(far, near, up), select(near, far, up));
}

// What a softmax over the channels of a pixel divides by, gathered one vec4 at a time: the largest logit
// must be known. `rest` sums the channels below it, `ties` counts those at it, which are one each.
struct Normaliser { largest: f32, rest: f32, ties: f32 }

fn inside(c4: u32, channels: u32) -> vec4<bool> {
    return (vec4<u32>(0u, 1u, 2u, 3u) + 4u * c4) < vec4<u32>(channels);
}

fn largest_of(v: vec4<f32>, used: vec4<bool>, so_far: f32) -> f32 {
    let m = select(vec4<f32>(so_far), v, used);
    return max(so_far, max(max(m.x, m.y), max(m.z, m.w)));
}

// exp(v - largest); zero in padding lanes.
fn share(v: vec4<f32>, used: vec4<bool>, largest: f32) -> vec4<f32> {
    // Past -87 the result is zero in f32; the bound keeps padding lanes from overflowing.
    return select(vec4<f32>(0.0), exp(clamp(v - largest, vec4<f32>(-100.0), vec4<f32>(0.0))), used);
}

fn gather_share(n: Normaliser, v: vec4<f32>, used: vec4<bool>) -> Normaliser {
    let e = share(v, used, n.largest);
    let below = select(vec4<f32>(0.0), e, v < vec4<f32>(n.largest));
    return Normaliser(n.largest, n.rest + dot(below, vec4<f32>(1.0)), n.ties + dot(e - below, vec4<f32>(1.0)));
}

fn softmax_chance(n: Normaliser, v: vec4<f32>, used: vec4<bool>) -> Chance {
    let scale = 1.0 / (n.rest + n.ties);
    let yes = share(v, used, n.largest) * scale;
    // Only the single largest channel can pass one half, and what it lacks is the rest.
    return Chance(yes, select(1.0 - yes, vec4<f32>(n.rest * scale), yes > vec4<f32>(0.5)));
}
