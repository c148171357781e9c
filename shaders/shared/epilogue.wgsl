// What a convolution does to a sum before it stores it: bias, batch norm by fixed statistics, residual,
// activation, as the variant has them.

import package::shared::activate::activate;
import package::shared::lanes::clear_padding;

@if(bias) @group(0) @binding(5) var<storage, read> bias: array<vec4<f32>>;
@if(affine) @group(0) @binding(6) var<storage, read> norm: array<vec4<f32>>;
@if(residual) @group(0) @binding(7) var<storage, read> residual: array<vec4<f32>>;

// For block `c4` of `channels` channels, to be stored at `to`.
fn finish(sum: vec4<f32>, to: u32, c4: u32, channels: u32, slope: f32) -> vec4<f32> {
    var value = sum;
    @if(bias) { value += bias[c4]; }
    @if(affine) { value = value * norm[c4] + norm[(channels + 3u) / 4u + c4]; }
    @if(residual) { value += residual[to]; }
    return clear_padding(activate(value, slope), c4, channels);
}
