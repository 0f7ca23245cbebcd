//! See `halley_wire::fuzzing::ws_upgrade`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| halley_wire::fuzzing::ws_upgrade(data));
