//! What `import_onnx` promises: every exporter's file gives the weights that are in it, and whatever is not the network
//! is refused with the node or tensor that differs.
//!
//! `front`, `hostile`, `optimised`, `precision`, `refused` and `taken` build their models themselves; `exporters` reads real exporters' files where `../shared` is.
#![cfg(feature = "import")]

mod blocks;
mod exporters;
mod front;
mod hostile;
mod model;
mod optimised;
mod precision;
mod refused;
#[path = "../common/shared.rs"]
mod shared;
mod taken;
