//! Strangers: connections that log in with a token that proves nothing, are refused, and come again; and the private
//! conversation beside them.

use halley_client::txchat::codec::encode_auth;
use halley_client::txchat::op;

use super::beside::Beside;
use crate::args::BadToken;
use crate::proto::{FrameView, Push, is_login_accepted, put_empty, read_answer, read_push};
use crate::reactor::Actors;
use crate::workloads::LoopTime;

/// Connections 0 and 1 are [`Beside`], the others are strangers.
pub(crate) struct Strangers {
    run: u32,
    app: String,
    kind: BadToken,
    clock: Option<LoopTime>,
    /// Strangers to be opened again.
    pub(crate) gone: Vec<usize>,
    /// Logins tried, and refused (the connection ended without a reply).
    pub(crate) tried: u64,
    pub(crate) refused: u64,
    /// Must not be.
    pub(crate) let_in: u64,
    pub(crate) beside: Beside,
    pub(crate) logged_in: usize,
    pub(crate) first_error: Option<String>,
}

impl Strangers {
    pub(crate) fn new(run: u32, app: &str, kind: BadToken, beside: Beside) -> Self {
        Self {
            run,
            app: app.to_owned(),
            kind,
            clock: None,
            gone: Vec::new(),
            tried: 0,
            refused: 0,
            let_in: 0,
            beside,
            logged_in: 0,
            first_error: None,
        }
    }

    /// The run's time starts.
    pub(crate) fn start(&mut self, time: LoopTime) {
        self.beside.start(&time);
        self.clock = Some(time);
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.clock.as_ref().map_or(0, LoopTime::now_ns)
    }

    /// The next bad login.
    pub(crate) fn login(&mut self, wall_ms: u128) -> Vec<u8> {
        self.tried += 1;
        let token = match self.kind {
            BadToken::Unknown => format!("no-such-token-{}", self.tried),
            BadToken::Signature => signed_badly(self.tried, wall_ms, &self.app),
            BadToken::Jwt => jwt_signed_badly(self.tried),
        };
        let mut bytes = Vec::new();
        encode_auth(&self.app, &token, None, false, 1).encode(&mut bytes);
        bytes
    }
}

/// The right shape (spec 2.7), fresh, for this app, and a signature that the key did not make.
fn signed_badly(number: u64, wall_ms: u128, app: &str) -> String {
    // 65 bytes that differ from token to token: r and s below the curve's order, recovery id 0.
    let mut signature = [0x11; 65];
    signature[1..9].copy_from_slice(&number.to_be_bytes());
    signature[33..41]
        .copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(7).to_be_bytes());
    signature[32] = 0x11;
    signature[64] = 0;
    let key = "022db0e08669b30c5dab8c564b428db4944912144088943ec9b690a9046bc8f78b";
    format!("{}#{wall_ms}*{app}#{key}", base64(&signature))
}

/// The right shape, signed by nobody.
fn jwt_signed_badly(number: u64) -> String {
    let mut signature = [0x5a; 64];
    signature[..8].copy_from_slice(&number.to_be_bytes());
    let url = |bytes: &[u8]| base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_");
    let header = url(br#"{"alg":"ES256","typ":"JWT"}"#);
    let claims = url(br#"{"sub":"1","exp":9999999999}"#);
    format!("{header}.{claims}.{}", url(&signature))
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

impl Actors for Strangers {
    fn handle_frame(&mut self, index: usize, frame: FrameView<'_>, out: &mut Vec<u8>) {
        let now_ns = self.now_ns();
        match frame.op {
            op::AUTH_REPLY if index < 2 => self.logged_in += usize::from(is_login_accepted(&frame)),
            op::AUTH_REPLY => self.let_in += u64::from(is_login_accepted(&frame)),
            op::SEND_MSG_REPLY if index < 2 => {
                let is_refusal = !matches!(read_answer(frame.body), Some(Ok(())));
                self.beside.handle_answer(frame.ack, is_refusal, now_ns);
            }
            op::RECEIVE_MSG if index < 2 => {
                put_empty(out, op::RECEIVE_MSG_REPLY, frame.seq, frame.seq);
                match read_push(frame.body) {
                    Some(Push::Bench(mark)) if mark.run == self.run => {
                        self.beside.handle_push(index, mark, now_ns);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn handle_closed(&mut self, index: usize, why: &anyhow::Error) {
        if index < 2 {
            self.beside.tally.closed += 1;
            self.first_error.get_or_insert_with(|| format!("a connection ended: {why:#}"));
            return;
        }
        self.refused += 1;
        self.gone.push(index);
    }
}
