//! Every kernel against its CPU twin, and every gradient rule against finite differences; one file an
//! operator. Both the trusted and the bounds-checked shader build run, on the portable tier and on the
//! device's own.

use std::sync::{Arc, OnceLock};

use gyre::{
    gpu::{Context, Select},
    ops::check::{Distance, Sample},
};

mod activation;
mod batch_norm;
mod batch_norm_apply;
mod batch_norm_grad;
mod binary;
mod blur;
mod broadcast;
mod concat;
mod confusion;
mod conv2d;
mod conv2d_int8;
mod conv2d_weight_grad;
mod conv_transpose2d;
mod dropout;
mod energy;
mod grrb_step;
mod linear;
mod loss;
mod matmul;
mod median;
mod noise;
mod optim;
mod patch_gather;
mod patch_paste;
mod patch_score;
mod polygon;
mod pool;
mod pool_grad;
mod portability;
mod quantize;
mod reduce;
mod resize;
mod resize_grad;
mod samples;
mod signed_distance;
mod slice;
mod softmax;
mod structure;
mod top_k;
mod turn;
mod warp;

/// One device for all tests: own limits and trusted shaders.
pub fn context() -> &'static Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT
        .get_or_init(|| Arc::new(Context::new(&Select::parse(None)).expect("a Vulkan, Metal or DX12 driver")))
}

/// The same adapter held to WebGPU's default limits, shaders with bounds checks.
pub fn portable() -> &'static Arc<Context> {
    static CONTEXT: OnceLock<Arc<Context>> = OnceLock::new();
    CONTEXT.get_or_init(|| {
        let context = Context::portable(&Select::parse(None)).expect("a Vulkan, Metal or DX12 driver");
        Arc::new(context.with_checks(true))
    })
}

/// Outputs against the twin, on both devices and in half.
pub fn forward(samples: impl IntoIterator<Item = Sample>) {
    for sample in samples {
        for device in [context(), portable()] {
            if let Err(e) = sample.check_forward(device) {
                panic!("{e}");
            }
        }
        in_half(|device| sample.halved().check_forward(device));
    }
}

/// Outputs against the twin, and gradients against finite differences.
pub fn both(samples: impl IntoIterator<Item = Sample>) {
    for sample in samples {
        forward([sample.clone()]);
        if let Err(e) = sample.check_gradient(context()) {
            panic!("{e}");
        }
        in_half(|device| sample.halved().check_gradient(device));
    }
}

/// A check that needs f16 in shaders, where the device has it.
fn in_half(check: impl Fn(&Arc<Context>) -> gyre::Result<Distance>) {
    if !context().tier.f16 {
        eprintln!("LEFT OUT: {} has no f16 in shaders", context().info.name);
    } else if let Err(e) = check(context()) {
        panic!("in half: {e}");
    }
}
