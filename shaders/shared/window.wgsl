// Geometry common to pooling and its gradient: output position o sees the input positions from
// o * stride - pad on, as many as the kernel is long and as lie inside.

struct Window {
    size: u32, c4: u32,
    in_h: i32, in_w: i32, out_h: i32, out_w: i32,
    kernel_h: i32, kernel_w: i32, stride_y: i32, stride_x: i32, pad_y: i32, pad_x: i32,
    scale: f32,
}

// First output position whose window reaches input position i.
fn first_reaching(i: i32, kernel: i32, stride: i32, pad: i32) -> i32 {
    return max(0, (i + pad - kernel + stride) / stride);
}
