// Shares by response (eq 10) of a pixel and its four neighbours. The largest exponent among the terms that are there is
// taken off all: with that of a dropped edge, all others could underflow.

// `own`: of the pixel. `taken`: of its neighbours. `raw`: of its neighbours as if their edges were whole.
struct Shares { own: f32, taken: vec4<f32>, raw: vec4<f32> }

fn shares(phi: vec4<f32>, there: vec4<f32>, own: f32, r: vec4<f32>) -> Shares {
    @if(literal) let exponent = r * phi;
    @if(literal) let present = there > vec4<f32>(0.0);
    @if(!literal) let exponent = r;
    @if(!literal) let present = phi > vec4<f32>(0.0);
    let seen = select(vec4<f32>(own), exponent, present);
    let top = max(own, max(max(seen.x, seen.y), max(seen.z, seen.w)));
    let raw = select(vec4<f32>(0.0), exp(seen - top), present);
    @if(literal) let taken = raw;
    @if(!literal) let taken = raw * phi;
    let mine = exp(own - top);
    let total = mine + dot(taken, vec4<f32>(1.0));
    return Shares(mine / total, taken / total, raw / total);
}
