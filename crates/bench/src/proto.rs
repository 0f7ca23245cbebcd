//! The hot path's bytes: frames written from a template, pushes and answers read in place, without an allocation.

use halley_client::txchat::codec::{HEADER_BYTES, encode_send};
use halley_client::txchat::{Frame, MSG_TEXT, Outgoing, Target, op};
use halley_wire::txchat::{Decoded, FrameRef, Pushed, decode};

/// What a bench text starts with: run, flow and number, in hexadecimal.
const MARK_BYTES: usize = 8 + 6 + 10;
/// The shortest text the bench can send.
pub(crate) const TEXT_BYTES_MIN: usize = MARK_BYTES;

/// A received frame, in the read buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameView<'a> {
    pub(crate) op: i32,
    pub(crate) seq: i32,
    pub(crate) ack: i32,
    pub(crate) body: &'a [u8],
}

impl<'a> FrameView<'a> {
    /// The first frame of `input` and its length, when complete.
    pub(crate) fn split(input: &'a [u8]) -> anyhow::Result<Option<(Self, usize)>> {
        match decode(input)? {
            Decoded::Complete { frame: FrameRef { header, body }, consumed } => {
                Ok(Some((Self { op: header.op.0, seq: header.seq, ack: header.ack, body }, consumed)))
            }
            Decoded::Incomplete { .. } => Ok(None),
        }
    }
}

/// Appends a frame without a body.
pub(crate) fn put_empty(out: &mut Vec<u8>, op: i32, seq: i32, ack: i32) {
    Frame::new(op, seq, ack).encode(out);
}

/// Which message of the bench it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) run: u32,
    pub(crate) flow: u32,
    pub(crate) number: u64,
}

impl Mark {
    fn write(self, out: &mut [u8]) {
        write_hex(&mut out[..8], u64::from(self.run));
        write_hex(&mut out[8..14], u64::from(self.flow));
        write_hex(&mut out[14..24], self.number);
    }

    fn read(text: &[u8]) -> Option<Self> {
        let run = u32::try_from(read_hex(text.get(..8)?)?).ok()?;
        let flow = u32::try_from(read_hex(text.get(8..14)?)?).ok()?;
        Some(Self { run, flow, number: read_hex(text.get(14..24)?)? })
    }
}

fn write_hex(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 15) as usize];
        value >>= 4;
    }
}

fn read_hex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |value, &digit| Some(value << 4 | u64::from(char::from(digit).to_digit(16)?)))
}

/// A flow's send frame with the places that change from message to message.
pub(crate) struct Template {
    bytes: Vec<u8>,
    run: u32,
    flow: u32,
    client_id_at: usize,
    text_at: usize,
}

impl Template {
    /// To a user.
    pub(crate) fn to_user(run: u32, flow: u32, user: &str, text_bytes: usize) -> Self {
        Self::new(run, flow, &Target::User(user.to_owned()), text_bytes)
    }

    pub(crate) fn new(run: u32, flow: u32, target: &Target, text_bytes: usize) -> Self {
        // Letters that no hexadecimal number has, so that the places can be found.
        let client_id = "~".repeat(MARK_BYTES);
        let text = format!("{:x<text_bytes$}", "^".repeat(MARK_BYTES));
        let frame = encode_send(&Outgoing::text(target.clone(), &text, client_id), 0);
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        let find = |letter| {
            let run_of_letters = [letter; MARK_BYTES];
            bytes.windows(MARK_BYTES).position(|window| window == run_of_letters).unwrap_or(HEADER_BYTES)
        };
        let (client_id_at, text_at) = (find(b'~'), find(b'^'));
        Self { bytes, run, flow, client_id_at, text_at }
    }

    /// Appends the frame of message `number` with this header number.
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, number: u64, seq: i32) {
        let mark = Mark { run: self.run, flow: self.flow, number };
        self.bytes[12..16].copy_from_slice(&seq.to_be_bytes());
        mark.write(&mut self.bytes[self.client_id_at..]);
        mark.write(&mut self.bytes[self.text_at..]);
        out.extend_from_slice(&self.bytes);
    }
}

/// What a push is to the bench.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Push {
    /// A message of a bench run.
    Bench(Mark),
    /// A signal.
    Signal,
    /// Something else: somebody chats beside the bench.
    Foreign,
}

/// Reads the body of op 9; `None` when it is no envelope.
pub(crate) fn read_push(body: &[u8]) -> Option<Push> {
    match Pushed::parse(body).ok()? {
        Pushed::Common(common) if common.msg_type == MSG_TEXT => {
            Some(first_field(common.msg).and_then(Mark::read).map_or(Push::Foreign, Push::Bench))
        }
        Pushed::Common(_) | Pushed::Other(_) => Some(Push::Foreign),
        Pushed::Signal(_) => Some(Push::Signal),
        Pushed::Ack(_) => None,
    }
}

/// The text of a text message: its first field, in place. Whatever else it has does not matter here.
fn first_field(message: &[u8]) -> Option<&[u8]> {
    let [0x0a, first, rest @ ..] = message else {
        return None;
    };
    // Texts of 128 bytes and more have a second length byte; of over 16 KB there are none.
    let (length, rest) = match (first, rest) {
        (low @ 0x80.., [high, rest @ ..]) => (usize::from(low & 0x7f) | usize::from(*high) << 7, rest),
        (length, rest) => (usize::from(*length), rest),
    };
    rest.get(..length)
}

/// Reads the body of op 8: `Ok` when acknowledged, the code when refused; `None` when it is no answer.
pub(crate) fn read_answer(body: &[u8]) -> Option<Result<(), i32>> {
    match Pushed::parse(body).ok()? {
        Pushed::Ack(ack) if ack.mid == 0 => Some(Err(ack.code)),
        Pushed::Ack(_) => Some(Ok(())),
        _ => None,
    }
}

/// Whether the frame accepts a login.
pub(crate) fn is_login_accepted(frame: &FrameView<'_>) -> bool {
    frame.op == op::AUTH_REPLY && frame.body.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_templated_send_reads_back_as_its_mark() {
        for text_bytes in [TEXT_BYTES_MIN, 96, 1000] {
            let mut template = Template::to_user(0xdead_beef, 77, "1000002", text_bytes);
            let mut out = Vec::new();
            template.write(&mut out, 0x1_2345_6789, 5);
            template.write(&mut out, 3, 6);
            let (first, length) = FrameView::split(&out).unwrap().unwrap();
            assert_eq!((first.op, first.seq), (op::SEND_MSG, 5));
            let mark = |number| Mark { run: 0xdead_beef, flow: 77, number };
            assert_eq!(read_push(first.body), Some(Push::Bench(mark(0x1_2345_6789))));
            let (second, _) = FrameView::split(&out[length..]).unwrap().unwrap();
            assert_eq!(read_push(second.body), Some(Push::Bench(mark(3))));
        }
    }

    #[test]
    fn answers_are_told_from_refusals() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
        };
        assert_eq!(read_answer(&hex("0801121110cee6c3b1bae9a6db0140fbd095ffbc31")), Some(Ok(())));
        assert_eq!(read_answer(&hex("08011203a00607")), Some(Err(7)));
        assert_eq!(read_answer(&hex("1200")), None);
    }
}
