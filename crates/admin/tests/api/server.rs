//! The listener: bounds on connections, and an end that says how it went. Real sockets on loopback, port 0.

use std::sync::Arc;
use std::time::Duration;

use halley_admin::{AdminConfig, Drained, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{TOKEN, World, state};

const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    addr: std::net::SocketAddr,
    world: Arc<World>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

impl Server {
    async fn start(config: AdminConfig) -> Self {
        let world = Arc::new(World::new());
        world.add_app("demo");
        let (state, _readiness, _metrics) = state(&world, config);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let addr = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            let _ = stopped.await;
        };
        let serving = tokio::spawn(serve(listener, state, shutdown));
        Self { addr, world, stop, serving }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.addr).await.expect("connects")
    }

    async fn stop(self) -> Drained {
        self.stop.send(()).expect("it serves");
        let drained = timeout(PATIENCE, self.serving).await.expect("it ends");
        drained.expect("it does not panic")
    }
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("writes");
}

/// Reads until `end` has come.
async fn read_to(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    while !text.contains(end) {
        let read = timeout(PATIENCE, stream.read(&mut buffer)).await.expect("in time");
        let read = read.expect("reads");
        assert!(read > 0, "closed after {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    text
}

/// Reads until the server closes, and gives what came.
async fn read_to_close(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("in time");
    let _ = read;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn requests_of_one_connection_are_answered_and_an_idle_one_drains_cleanly() {
    let server = Server::start(AdminConfig::default()).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        ask(&mut stream, "/v1/apps/demo/aliases?user_id=1").await;
        let answer = read_to(&mut stream, "\"number\":\"1\"}").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let drained = server.stop().await;
    assert_eq!(drained, Drained { clean: 1, forced: 0 });
    assert_eq!(read_to_close(&mut stream).await, "");
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_after_the_drain_timeout() {
    let server =
        Server::start(AdminConfig { drain_timeout: Duration::from_millis(50), ..AdminConfig::default() })
            .await;
    let mut first = server.connect().await;
    ask(&mut first, "/v1/apps/demo/aliases?user_id=1").await;
    read_to(&mut first, "\"number\":\"1\"}").await;
    server.world.stall();
    ask(&mut first, "/v1/apps/demo").await;
    let in_progress = async {
        while server.world.contents.lock().stalled == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, in_progress).await.expect("the request arrives");
    let drained = server.stop().await;
    assert_eq!(drained.forced, 1, "{drained:?}");
    read_to_close(&mut first).await;
}

#[tokio::test]
async fn a_head_that_never_ends_and_an_idle_connection_are_closed() {
    let server =
        Server::start(AdminConfig { head_timeout: Duration::from_millis(50), ..AdminConfig::default() })
            .await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.expect("writes");
    let mut idle = server.connect().await;
    ask(&mut idle, "/healthz").await;
    read_to(&mut idle, "\"ok\"}").await;
    for stream in [&mut silent, &mut slow, &mut idle] {
        read_to_close(stream).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn an_oversized_head_is_refused() {
    let server = Server::start(AdminConfig::default()).await;
    let mut stream = server.connect().await;
    let head = format!("GET /healthz HTTP/1.1\r\nX: {}\r\n\r\n", "y".repeat(64 << 10));
    let _ = stream.write_all(head.as_bytes()).await;
    let answer = read_to_close(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_their_turn() {
    let server = Server::start(AdminConfig { connections_max: 1, ..AdminConfig::default() }).await;
    let mut first = server.connect().await;
    ask(&mut first, "/healthz").await;
    read_to(&mut first, "\"ok\"}").await;
    let mut second = server.connect().await;
    ask(&mut second, "/healthz").await;
    let early = timeout(Duration::from_millis(50), second.readable()).await;
    assert!(early.is_err(), "answered beyond the bound");
    drop(first);
    read_to(&mut second, "\"ok\"}").await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_its_connection() {
    let server = Server::start(AdminConfig {
        write_timeout: Duration::from_millis(100),
        connections_max: 1,
        ..AdminConfig::default()
    })
    .await;
    let mut greedy = server.connect().await;
    let request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n";
    // Until the server stops reading because its answers are not read, or has closed.
    while let Ok(Ok(())) = timeout(Duration::from_millis(300), greedy.write_all(request)).await {}
    let mut next = server.connect().await;
    ask(&mut next, "/healthz").await;
    read_to(&mut next, "\"ok\"}").await;
    server.stop().await;
}
