//! The fuzz targets on stable: every corpus file, and a bounded number of seeded mutations of them.
//!
//! A failure prints the target, the seed and the bytes; it means that bytes from outside break a codec's property.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use halley_testkit::rng::Rng;
use halley_wire::fuzzing;

const MUTATIONS: usize = 40_000;

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let seeds: Vec<Vec<u8>> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(!seeds.is_empty(), "no corpus for {name}");
    for (path, seed) in files.iter().zip(&seeds) {
        assert!(catch_unwind(|| target(seed)).is_ok(), "{}", path.display());
    }
    let mut rng = Rng::new(1);
    for round in 0..MUTATIONS {
        let input = mutate(&seeds, &mut rng);
        assert!(catch_unwind(|| target(&input)).is_ok(), "{name} round {round}: {input:02x?}");
    }
}

fn below(rng: &mut Rng, bound: usize) -> usize {
    rng.bits() as usize % bound.max(1)
}

/// One to four edits of a seed: flip a bit, set an interesting byte, cut, repeat a part, splice in another seed.
fn mutate(seeds: &[Vec<u8>], rng: &mut Rng) -> Vec<u8> {
    const INTERESTING: [u8; 12] = [0, 1, 0x7e, 0x7f, 0x80, 0x81, 0xfe, 0xff, 0x12, 0x4a, 0x0b, b'\r'];
    let mut input = seeds[below(rng, seeds.len())].clone();
    for _ in 0..=below(rng, 4) {
        let at = below(rng, input.len());
        match below(rng, 6) {
            0 if !input.is_empty() => input[at] ^= 1 << below(rng, 8),
            1 if !input.is_empty() => input[at] = INTERESTING[below(rng, INTERESTING.len())],
            2 => input.truncate(at),
            3 => input.insert(at, INTERESTING[below(rng, INTERESTING.len())]),
            4 => {
                let part = input[at..].to_vec();
                input.splice(at..at, part);
            }
            _ => {
                let other = &seeds[below(rng, seeds.len())];
                input.truncate(at);
                input.extend_from_slice(&other[below(rng, other.len())..]);
            }
        }
    }
    input.truncate(64 * 1024);
    input
}

#[test]
fn frames_hold_their_properties() {
    replay("txchat_frame", fuzzing::txchat_frame);
}

#[test]
fn envelopes_hold_their_properties() {
    replay("txchat_envelope", fuzzing::txchat_envelope);
}

#[test]
fn websocket_frames_hold_their_properties() {
    replay("ws_server", fuzzing::ws_server);
}

#[test]
fn websocket_upgrades_hold_their_properties() {
    replay("ws_upgrade", fuzzing::ws_upgrade);
}

#[test]
fn proxy_headers_hold_their_properties() {
    replay("proxy_header", fuzzing::proxy_header);
}

#[test]
fn journal_records_hold_their_properties() {
    replay("record", halley_core::fuzzing::record);
}

#[test]
fn tokens_hold_their_properties() {
    replay("token", halley_logic::fuzzing::token);
}

#[test]
fn pushes_of_business_servers_hold_their_properties() {
    replay("business_push", halley_grpc::fuzzing::business_push);
}
