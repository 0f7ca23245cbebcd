//! An app's own authentication server, which behaves as well or as badly as a test says.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// What it does with a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Behaviour {
    /// Answers so.
    Answer(u16, String),
    /// Answers with this head and body, whatever they are.
    Raw(Vec<u8>),
    /// Sends this, a byte at a time, until the server is released.
    Trickle(String),
    /// Says nothing until the server is released.
    Silent,
    /// Closes at once.
    Close,
}

/// A request as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Asked {
    /// The first line.
    pub line: String,
    /// Headers, in their order, as they were written.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Asked {
    /// A header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

type Decide = dyn Fn(&Asked) -> Behaviour + Send + Sync;

#[derive(Default)]
struct Log {
    asked: Vec<Asked>,
    is_released: bool,
}

struct Shared {
    decide: Box<Decide>,
    log: Mutex<Log>,
    changed: Condvar,
    is_ended: AtomicBool,
}

/// The server; it ends when it is dropped.
pub struct LoginServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

impl LoginServer {
    /// Starts one on a free port of loopback.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn start(decide: impl Fn(&Asked) -> Behaviour + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            decide: Box::new(decide),
            log: Mutex::default(),
            changed: Condvar::new(),
            is_ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        let thread = thread::spawn(move || {
            let mut connections = Vec::new();
            for stream in listener.incoming() {
                if serving.is_ended.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let serving = Arc::clone(&serving);
                connections.push(thread::spawn(move || serving.serve(stream)));
            }
            for connection in connections {
                let _ended = connection.join();
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    /// Where it is asked.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/user/login", self.address)
    }

    /// What it was asked so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).asked.clone()
    }

    /// Waits until it was asked so often.
    ///
    /// # Panics
    /// When that does not happen in time.
    pub fn wait_asked(&self, count: usize) {
        let log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = std::time::Duration::from_secs(20);
        let waited = self.shared.changed.wait_timeout_while(log, patience, |log| log.asked.len() < count);
        let (log, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "asked {} times of {count}", log.asked.len());
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) {
        let Ok(mut writer) = stream.try_clone() else { return };
        let Some(asked) = read_request(&mut BufReader::new(stream)) else { return };
        let behaviour = (self.decide)(&asked);
        self.log.lock().unwrap_or_else(PoisonError::into_inner).asked.push(asked);
        self.changed.notify_all();
        match behaviour {
            Behaviour::Answer(status, body) => {
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} Some\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                let _gone = writer.write_all(answer.as_bytes());
            }
            Behaviour::Raw(bytes) => {
                let _gone = writer.write_all(&bytes);
            }
            Behaviour::Trickle(text) => {
                for byte in text.bytes() {
                    if writer.write_all(&[byte]).is_err() || self.wait(20) {
                        break;
                    }
                }
            }
            Behaviour::Silent => while !self.wait(1_000) {},
            Behaviour::Close => {}
        }
    }

    /// Waits so long at most; whether the server is released.
    fn wait(&self, within_ms: u64) -> bool {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let within = std::time::Duration::from_millis(within_ms);
        let waited = self.changed.wait_timeout_while(log, within, |log| !log.is_released);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_released
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let headers = lines.iter().skip(1).filter_map(|line| line.split_once(": "));
    let headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let mut asked = Asked { line: lines.first()?.clone(), headers, body: String::new() };
    let length = asked.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).ok()?;
    Some(asked)
}

impl Drop for LoginServer {
    fn drop(&mut self) {
        self.shared.log.lock().unwrap_or_else(PoisonError::into_inner).is_released = true;
        self.shared.changed.notify_all();
        self.shared.is_ended.store(true, Ordering::SeqCst);
        let _woken = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
