//! The device: context, limits and tiers, shader library, pipelines, buffers, timestamps.
//! This room knows no network: it runs [`Dispatch`]es over buffers.

mod capabilities;
mod choices;
mod context;
mod half;
mod kernel;
mod shader;
mod timing;
mod transfer;

pub use capabilities::{Capabilities, Matrices};
pub use choices::Choices;
pub use context::{Context, Select, Tier, adapters};
pub use kernel::{Dispatch, Kernel, Word};
pub use shader::{Binding, Expanded, Variant, expand, sources};
pub use timing::PassTime;
pub(crate) use {kernel::Step, timing::time};
