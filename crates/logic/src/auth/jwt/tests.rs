//! Tokens made with OpenSSL (`tests/data`): `{"sub":"alice","exp":2000000000}` by one key of each kind.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use halley_core::app::{App, AppSettings, JwtAlgorithm, JwtSettings};
use halley_core::ids::AppId;
use serde_json::{Value, json};

use super::{KeyRing, Unchecked, Wrong};

const NOW_MS: u64 = 1_700_000_000_000;
const EXPIRES_MS: u64 = 2_000_000_000_000;
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const RSA: &str = include_str!("../../../tests/data/rsa.pub.pem");
const EC: &str = include_str!("../../../tests/data/ec.pub.pem");
const ED: &str = include_str!("../../../tests/data/ed.pub.pem");
const KEY_SET: &str = include_str!("../../../tests/data/key-set.json");

fn tokens() -> Value {
    serde_json::from_str(include_str!("../../../tests/data/tokens.json")).expect("is JSON")
}

fn token(kind: &str, algorithm: &str) -> String {
    tokens()[kind][algorithm].as_str().expect("a token").to_owned()
}

fn secret() -> JwtSettings {
    JwtSettings { secret: SECRET.into(), ..JwtSettings::default() }
}

fn public(pem: &str) -> JwtSettings {
    JwtSettings { public_key: pem.into(), ..JwtSettings::default() }
}

fn app(jwt: JwtSettings) -> Arc<App> {
    let settings = AppSettings { jwt: Some(jwt), ..AppSettings::default() };
    Arc::new(App { id: AppId(1), name: "demo".into(), settings })
}

/// As a login does it.
fn user(ring: &KeyRing, app: &Arc<App>, token: &str) -> Option<String> {
    let settings = app.settings.jwt.as_ref().expect("has them");
    let unchecked = Unchecked::read(token, settings, NOW_MS).ok()?;
    unchecked.verify(&*ring.of(app, settings)?)
}

fn accepts(settings: JwtSettings, token: &str) -> bool {
    match user(&KeyRing::default(), &app(settings), token) {
        Some(user) => {
            assert_eq!(user, "alice");
            true
        }
        None => false,
    }
}

/// A token of these claims by the secret.
fn signed(claims: &Value) -> String {
    signed_with(&json!({"alg": "HS256"}), claims)
}

fn signed_with(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(ring::hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

#[test]
fn each_algorithm_is_accepted_by_its_own_key_and_no_other() {
    let settings =
        [("HS256", secret()), ("RS256", public(RSA)), ("ES256", public(EC)), ("EdDSA", public(ED))];
    for (of, settings) in &settings {
        for algorithm in ["HS256", "RS256", "ES256", "EdDSA"] {
            let accepted = accepts(settings.clone(), &token("plain", algorithm));
            assert_eq!(accepted, algorithm == *of, "{algorithm} by the key of {of}");
        }
    }
}

#[test]
fn a_public_key_is_no_secret_and_none_is_no_algorithm() {
    let confused = tokens()["confused"].as_str().expect("a token").to_owned();
    assert!(!accepts(public(RSA), &confused));
    let both = JwtSettings { secret: SECRET.into(), ..public(RSA) };
    assert!(!accepts(both, &confused));
    let claims = json!({"sub": "alice", "exp": 2_000_000_000});
    for algorithm in ["none", "None", "", "hs256", "HS512", "PS256"] {
        let token = signed_with(&json!({"alg": algorithm}), &claims);
        assert!(!accepts(secret(), &token), "{algorithm}");
        let unsigned = format!("{}.", token.rsplit_once('.').expect("has dots").0);
        assert!(!accepts(secret(), &unsigned), "{algorithm}");
    }
    assert!(accepts(secret(), &signed(&claims)), "the same is accepted when it is right");
    assert!(!accepts(secret(), &signed_with(&json!({"alg": "HS256", "crit": ["b64"]}), &claims)));
    let only = |algorithms| JwtSettings { algorithms, ..secret() };
    assert!(!accepts(only(vec![JwtAlgorithm::EdDsa]), &signed(&claims)), "not in the list");
    assert!(accepts(only(vec![JwtAlgorithm::Hs256]), &signed(&claims)));
}

#[test]
fn a_change_anywhere_is_refused_and_nothing_panics() {
    for algorithm in ["HS256", "ES256", "EdDSA"] {
        let settings = match algorithm {
            "HS256" => secret(),
            "ES256" => public(EC),
            _ => public(ED),
        };
        let token = token("plain", algorithm);
        for at in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("is text");
            assert!(!accepts(settings.clone(), &changed), "{algorithm}, byte {at}");
            assert!(!accepts(settings.clone(), &token[..at]), "{algorithm}, cut at {at}");
        }
    }
}

#[test]
fn claims_say_when_for_whom_and_who() {
    let read = |settings: &JwtSettings, claims: Value, now_ms| {
        Unchecked::read(&signed(&claims), settings, now_ms).map(|_| ())
    };
    let exp = json!({"sub": "a", "exp": EXPIRES_MS / 1_000});
    let lenient = JwtSettings { leeway_s: 60, ..secret() };
    assert_eq!(read(&secret(), exp.clone(), EXPIRES_MS - 1), Ok(()));
    assert_eq!(read(&secret(), exp.clone(), EXPIRES_MS), Err(Wrong::Expired));
    assert_eq!(read(&lenient, exp.clone(), EXPIRES_MS + 59_999), Ok(()));
    assert_eq!(read(&lenient, exp, EXPIRES_MS + 60_000), Err(Wrong::Expired));
    let nbf = json!({"sub": "a", "exp": 2_000_000_000.5, "nbf": 1_700_000_060});
    assert_eq!(read(&secret(), nbf.clone(), NOW_MS), Err(Wrong::Expired));
    assert_eq!(read(&lenient, nbf, NOW_MS), Ok(()));
    for claims in [
        json!({"sub": "a"}),
        json!({"sub": "a", "exp": "2000000000"}),
        json!({"sub": "a", "exp": null}),
        json!({"sub": "a", "exp": 2_000_000_000, "nbf": "x"}),
        json!({"exp": 2_000_000_000}),
        json!({"sub": ["a"], "exp": 2_000_000_000}),
        json!({"sub": -1, "exp": 2_000_000_000}),
        json!(["a"]),
    ] {
        assert_eq!(read(&secret(), claims.clone(), NOW_MS), Err(Wrong::Shape), "{claims}");
    }
    let strict = JwtSettings { issuer: "me".into(), audience: "here".into(), ..secret() };
    let with = |iss: Value, aud: Value| json!({"sub": "a", "exp": 2_000_000_000, "iss": iss, "aud": aud});
    assert_eq!(read(&strict, with(json!("me"), json!("here")), NOW_MS), Ok(()));
    assert_eq!(read(&strict, with(json!("me"), json!(["there", "here"])), NOW_MS), Ok(()));
    assert_eq!(read(&strict, with(json!("you"), json!("here")), NOW_MS), Err(Wrong::Shape));
    assert_eq!(read(&strict, with(json!("me"), json!(["there"])), NOW_MS), Err(Wrong::Shape));
    assert_eq!(read(&strict, json!({"sub": "a", "exp": 2_000_000_000}), NOW_MS), Err(Wrong::Shape));
    let by = JwtSettings { user_claim: "uid".into(), ..secret() };
    let numbered = signed(&json!({"sub": "a", "uid": 7, "exp": 2_000_000_000}));
    assert_eq!(user(&KeyRing::default(), &app(by), &numbered).as_deref(), Some("7"));
}

#[test]
fn a_key_set_is_read_again_when_it_changes_and_fails_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.json");
    let write = |text: &str| {
        // By another file, as careful writers do: its inode tells even within one tick of the clock.
        let new = folder.path().join("new");
        std::fs::write(&new, text).expect("writes");
        std::fs::rename(&new, &path).expect("renames");
    };
    let file = JwtSettings { key_set_file: path.to_str().expect("is text").into(), ..JwtSettings::default() };
    let (ring, app) = (KeyRing::default(), app(file));
    let is_accepted = |token: &str| user(&ring, &app, token).is_some();
    let named = |algorithm: &str| token("named", algorithm);
    assert!(!is_accepted(&named("ES256")), "there is no file");
    write(KEY_SET);
    for algorithm in ["HS256", "RS256", "ES256", "EdDSA"] {
        assert!(is_accepted(&named(algorithm)), "{algorithm}");
        assert!(is_accepted(&token("plain", algorithm)), "{algorithm}, without a key's name");
    }
    write(&KEY_SET.replace("k-ES256", "k-other"));
    assert!(!is_accepted(&named("ES256")), "no key of this name");
    assert!(is_accepted(&named("EdDSA")));
    assert!(is_accepted(&token("plain", "ES256")), "the key is still there");
    write(&KEY_SET.replace("\"k-ES256\"", "\"k-ES256\", \"use\": \"enc\""));
    assert!(!is_accepted(&named("ES256")), "a key for something else");
    for bad in ["", "{}", "{\"keys\":[]}", "[]", "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"}]}"] {
        write(bad);
        assert!(!is_accepted(&named("EdDSA")), "{bad:?}");
        assert!(!is_accepted(&token("plain", "EdDSA")), "{bad:?}");
    }
    write(KEY_SET);
    assert!(is_accepted(&named("EdDSA")));
    std::fs::remove_file(&path).expect("removes");
    assert!(!is_accepted(&named("EdDSA")), "the file is gone");
}
