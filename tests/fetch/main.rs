//! Keras' weights are downloaded from a real HTTP server, good or bad, and become weights that `--model` finds.
#![cfg(feature = "fetch")]

mod command;
mod download;
mod server;
#[path = "../common/shared.rs"]
mod shared;
