// Activations and their derivatives; one feature is on, or none for the identity.

// exp overflows to infinity for large -v, and 1 / infinity is the right limit, but WGSL may assume that
// infinities do not occur; so exp only ever sees a negative argument.
fn sigmoid(v: vec4<f32>) -> vec4<f32> {
    let e = exp(-abs(v));
    return select(e, vec4<f32>(1.0), v >= vec4<f32>(0.0)) / (1.0 + e);
}

fn softplus(v: vec4<f32>) -> vec4<f32> {
    return max(v, vec4<f32>(0.0)) + log(1.0 + exp(-abs(v)));
}

fn tanh_stable(v: vec4<f32>) -> vec4<f32> {
    let e = exp(-2.0 * abs(v));
    // Near zero 1 - e cancels; there the odd series is exact to f32.
    let q = v * v;
    let series = v * (1.0 - q * (0.33333334 - q * 0.13333334));
    return select(sign(v) * (1.0 - e) / (1.0 + e), series, q < vec4<f32>(0.01));
}

fn activate(v: vec4<f32>, slope: f32) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    @if(relu) { return max(v, zero); }
    @if(relu6) { return clamp(v, zero, vec4<f32>(6.0)); }
    @if(leaky_relu) { return select(slope * v, v, v > zero); }
    @if(hardswish) { return v * clamp(v + 3.0, zero, vec4<f32>(6.0)) / 6.0; }
    @if(silu) { return v * sigmoid(v); }
    @if(sigmoid) { return sigmoid(v); }
    @if(tanh) { return tanh_stable(v); }
    @if(softplus) { return softplus(v); }
    return v;
}

// Derivative by the value before the activation.
fn derivative(v: vec4<f32>, slope: f32) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    @if(relu) { return select(zero, one, v > zero); }
    @if(relu6) { return select(zero, one, (v > zero) & (v < vec4<f32>(6.0))); }
    @if(leaky_relu) { return select(vec4<f32>(slope), one, v > zero); }
    @if(hardswish) {
        let inside = (v > vec4<f32>(-3.0)) & (v < vec4<f32>(3.0));
        return select(select(zero, one, v >= vec4<f32>(3.0)), v / 3.0 + 0.5, inside);
    }
    @if(silu) {
        let s = sigmoid(v);
        return s * (1.0 + v * (1.0 - s));
    }
    @if(sigmoid) {
        let s = sigmoid(v);
        return s * (1.0 - s);
    }
    @if(tanh) {
        let t = tanh_stable(v);
        return 1.0 - t * t;
    }
    @if(softplus) { return sigmoid(v); }
    return one;
}

// Derivative by the value after the activation, for those that can be told from it.
fn derivative_of_output(y: vec4<f32>, slope: f32) -> vec4<f32> {
    let zero = vec4<f32>(0.0);
    let one = vec4<f32>(1.0);
    @if(relu) { return select(zero, one, y > zero); }
    @if(relu6) { return select(zero, one, (y > zero) & (y < vec4<f32>(6.0))); }
    @if(leaky_relu) { return select(vec4<f32>(slope), one, y > zero); }
    @if(sigmoid) { return y * (1.0 - y); }
    @if(tanh) { return 1.0 - y * y; }
    return one;
}
