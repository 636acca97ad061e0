//! What `import_onnx` promises: every exporter's file gives the weights that are in it, and whatever is not the network
//! is refused with the node or tensor that differs.
//!
//! `refused` and `taken` build their models themselves; `shared` reads real exporters' files where `../shared` is.
#![cfg(feature = "import")]

mod model;
mod refused;
mod shared;
mod taken;
