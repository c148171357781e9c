// Geometry of a weight gradient's first stage: x [batch, in_h, in_w, in_c4 vec4] against dy [batch, out_h, out_w,
// out_c4 vec4], the pixels or tiles divided among `shares`.

struct Correlation {
    batch: i32, in_h: i32, in_w: i32, in_c4: u32,
    out_h: i32, out_w: i32, out_c4: u32,
    kernel_h: i32, kernel_w: i32,
    stride_y: i32, stride_x: i32, pad_y: i32, pad_x: i32, dilation_y: i32, dilation_x: i32,
    shares: u32,
}
