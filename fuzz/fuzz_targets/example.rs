#![no_main]

#[path = "../../tests/hostile/example.rs"]
mod example;

libfuzzer_sys::fuzz_target!(|data: &[u8]| example::holds(data));
