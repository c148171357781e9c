//! The operators, one file each: shape rule, cost, gradient rule, kernels and CPU twin. The shader of an
//! operator has the same name below `shaders/`, its tests below `kernels-tests/`.

mod activation;
mod batch_norm;
mod batch_norm_apply;
mod batch_norm_grad;
mod binary;
mod blur;
mod broadcast;
pub mod check;
mod concat;
mod conv2d;
mod conv2d_weight_grad;
mod conv_transpose2d;
mod dropout;
mod linear;
mod matmul;
mod median;
mod noise;
mod pool;
mod pool_grad;
mod random;
mod reduce;
mod resize;
mod resize_grad;
pub mod samples;
mod slice;
mod softmax;
mod warp;

pub use activation::{Act, Activation};
pub use batch_norm::{BatchNorm, Join};
pub use batch_norm_apply::BatchNormApply;
pub use batch_norm_grad::BatchNormGrad;
pub use binary::{Binary, BinaryKind, add};
pub use blur::Blur;
pub use broadcast::Broadcast;
pub use concat::Concat;
pub use conv_transpose2d::ConvTranspose2d;
pub use conv2d::{Conv2d, FixedNorm, Geometry};
pub use conv2d_weight_grad::Conv2dWeightGrad;
pub use dropout::Dropout;
pub use linear::Linear;
pub use matmul::MatMul;
pub use median::Median;
pub use noise::Noise;
pub use pool::{Pool, PoolKind};
pub use pool_grad::PoolGrad;
pub use random::WORDS;
pub use reduce::{Keep, Reduce};
pub use resize::{Filter, Resize};
pub use resize_grad::ResizeGrad;
pub use slice::Slice;
pub use softmax::Softmax;
pub use warp::Warp;

use reduce::bias_gradient;
