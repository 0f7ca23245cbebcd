//! See `halley_core::fuzzing::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| halley_core::fuzzing::record(data));
