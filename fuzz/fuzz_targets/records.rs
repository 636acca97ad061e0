#![no_main]

#[path = "../../tests/hostile/records.rs"]
mod records;

libfuzzer_sys::fuzz_target!(|data: &[u8]| records::holds(data));
