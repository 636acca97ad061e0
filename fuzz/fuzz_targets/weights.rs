#![no_main]

#[path = "../../tests/hostile/weights.rs"]
mod weights;

libfuzzer_sys::fuzz_target!(|data: &[u8]| weights::holds(data));
