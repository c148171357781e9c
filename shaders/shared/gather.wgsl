// Geometry common to convolution and its adjoint, the transposed convolution. Output position o and tap k
// look at input position (o * stride + offset + k * step) / up, if that division leaves no remainder:
// a convolution has up = 1, offset = -pad, step = dilation; its adjoint stride = 1, up = the
// convolution's stride, offset = pad, step = -dilation.

struct Gather {
    batch: u32, out_h: u32, out_w: u32, out_c: u32,
    in_h: i32, in_w: i32, in_c4: u32, in2_c4: u32,
    kernel_h: i32, kernel_w: i32,
    stride_y: i32, stride_x: i32,
    offset_y: i32, offset_x: i32,
    step_y: i32, step_x: i32,
    up_y: i32, up_x: i32,
    rows: u32, first_row: u32, cols4: u32,
    groups: u32, eps: f32,
}

// Input position that output `o` sees through a tap, or -1 if it falls between inputs.
fn source(o: u32, stride: i32, offset: i32, k: i32, step: i32, up: i32) -> i32 {
    let t = i32(o) * stride + offset + k * step;
    // Far outside on both sides of zero reads as outside.
    return select(-1000000, t / up, t % up == 0);
}
