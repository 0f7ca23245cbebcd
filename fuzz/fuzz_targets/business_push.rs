//! See `halley_grpc::fuzzing::business_push`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| halley_grpc::fuzzing::business_push(data));
