//! See `halley_wire::fuzzing::txchat_frame`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| halley_wire::fuzzing::txchat_frame(data));
