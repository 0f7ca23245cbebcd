//! See `halley_wire::fuzzing::proxy_header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| halley_wire::fuzzing::proxy_header(data));
