// What a convolution does to a sum before it stores it: bias, batch norm by fixed statistics, residual,
// activation, and the norm and residual that come after that, as the variant has them.

import package::shared::activate::activate;
import package::shared::lanes::present;

@if(bias) @group(0) @binding(5) var<storage, read> bias: array<vec4<f32>>;
@if(affine || affine_after) @group(0) @binding(6) var<storage, read> norm: array<vec4<f32>>;
@if(residual || residual_after) @group(0) @binding(7) var<storage, read> residual: array<vec4<f32>>;

// What belongs to a block of four channels, loaded once for all its pixels.
struct Epilogue { bias: vec4<f32>, scale: vec4<f32>, shift: vec4<f32>, present: vec4<bool> }

// Of block `c4` of `channels` channels.
fn epilogue(c4: u32, channels: u32) -> Epilogue {
    var e: Epilogue;
    @if(bias) { e.bias = bias[c4]; }
    @if(affine || affine_after) {
        e.scale = norm[c4];
        e.shift = norm[(channels + 3u) / 4u + c4];
    }
    e.present = present(c4, channels);
    return e;
}

// To be stored at `to`.
fn finish(sum: vec4<f32>, to: u32, slope: f32, e: Epilogue) -> vec4<f32> {
    var value = sum;
    @if(bias) { value += e.bias; }
    @if(affine) { value = fma(value, e.scale, e.shift); }
    @if(residual) { value += residual[to]; }
    value = activate(value, slope);
    @if(affine_after) { value = fma(value, e.scale, e.shift); }
    @if(residual_after) { value += residual[to]; }
    return select(vec4<f32>(0.0), value, e.present);
}
