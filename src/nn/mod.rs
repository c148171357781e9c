//! Blocks made of operators. Parameter names are those of the public PyTorch implementations.

mod attention_gate;
mod conv_lstm;
mod ds_residual;
mod eta;
mod grrb;
mod inverted_residual;
mod layers;
mod mbconv;
mod recurrent;
mod scse;
mod se;
mod selective_kernel;

pub use attention_gate::{GateForm, attention_gate, plain_gate};
pub use conv_lstm::{Memory, conv_lstm};
pub use ds_residual::ds_residual;
pub use eta::eta;
pub use grrb::{Grrb, grrb};
pub use inverted_residual::inverted_residual;
pub use layers::{ConvForm, Net, STEP_WORDS, Scheme};
pub use mbconv::{MbConv, Padding, mbconv};
pub use recurrent::{Recurrence, recurrent_block, recurrent_unit, rrcnn_block};
pub use scse::scse;
pub use se::squeeze_excite;
pub use selective_kernel::selective_kernel;
