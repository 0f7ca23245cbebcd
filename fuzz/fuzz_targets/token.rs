//! See `halley_logic::fuzzing::token`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| halley_logic::fuzzing::token(data));
