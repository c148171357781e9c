//! Every kernel against its CPU twin, and every gradient rule against finite differences; one file an
//! operator. Both the trusted and the bounds-checked shader build run, on the portable tier and on the
//! device's own.

use std::sync::{Arc, Mutex, PoisonError};

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

/// The adapter by its own limits and with trusted shaders, and held to WebGPU's default limits and with bounds checks.
struct Devices {
    own: Arc<Context>,
    portable: Arc<Context>,
}

impl Devices {
    fn open() -> &'static Self {
        let own = Context::new(&Select::parse(None)).expect("a Vulkan, Metal or DX12 driver");
        let portable = Context::portable(&Select::parse(None)).expect("a Vulkan, Metal or DX12 driver");
        let portable = Arc::new(portable.with_checks(true));
        Box::leak(Box::new(Self { own: Arc::new(own), portable }))
    }
}

/// Of a software driver, so many devices are opened at most.
const MOST: usize = 4;

/// Devices, each with the number of tests that use it.
static POOL: Mutex<Vec<(&'static Devices, usize)>> = Mutex::new(Vec::new());

/// What a test has while it runs. A software driver compiles and runs the work of one device after another, so that tests side by
/// side need devices of their own; a GPU is shared.
struct Lease {
    index: usize,
    devices: &'static Devices,
}

thread_local!(static LEASE: Lease = Lease::take());

impl Lease {
    fn take() -> Self {
        let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
        let most = if pool.first().is_some_and(|(devices, _)| !devices.own.is_software()) { 1 } else { MOST };
        let index = match (0..pool.len()).min_by_key(|index| pool[*index].1) {
            Some(least) if pool[least].1 == 0 || pool.len() == most => least,
            _ => {
                pool.push((Devices::open(), 0));
                pool.len() - 1
            }
        };
        pool[index].1 += 1;
        Self { index, devices: pool[index].0 }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        POOL.lock().unwrap_or_else(PoisonError::into_inner)[self.index].1 -= 1;
    }
}

/// The device: own limits and trusted shaders.
pub fn context() -> &'static Arc<Context> {
    LEASE.with(|lease| &lease.devices.own)
}

/// The same adapter held to WebGPU's default limits, shaders with bounds checks.
pub fn portable() -> &'static Arc<Context> {
    LEASE.with(|lease| &lease.devices.portable)
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
