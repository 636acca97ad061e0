#![no_main]

#[path = "../../tests/hostile/decoder.rs"]
mod decoder;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decoder::holds(data));
