//! Blocks made of operators. Parameter names are those of the public PyTorch implementations.

mod attention_gate;
mod layers;
mod recurrent;

pub use attention_gate::{GateForm, attention_gate, plain_gate};
pub use layers::{Net, Scheme};
pub use recurrent::{Recurrence, recurrent_block, recurrent_unit, rrcnn_block};
