//! The body of the fuzz target over tokens. For fuzzing and the replay of its corpus only.

pub use crate::auth::fuzz_token as token;
