#![no_main]

#[path = "../../tests/hostile/onnx.rs"]
mod onnx;

libfuzzer_sys::fuzz_target!(|data: &[u8]| onnx::holds(data));
