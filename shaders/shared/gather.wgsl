// Geometry common to convolution and its adjoint, the transposed convolution. Output position o and tap k
// look at input position (o * stride + offset + k * step) / up, if that division leaves no remainder:
// a convolution has up = 1, offset = -pad, step = dilation; its adjoint stride = 1, up = the
// convolution's stride, offset = pad, step = -dilation. Kernel, stride and up are constants of the variant.

struct Gather {
    batch: u32, out_h: u32, out_w: u32, out_c: u32,
    in_h: i32, in_w: i32, in_c4: u32, in2_c4: u32,
    offset_y: i32, offset_x: i32,
    step_y: i32, step_x: i32,
    rows: u32, first_row: u32, cols4: u32,
    groups: u32, slope: f32,
}
