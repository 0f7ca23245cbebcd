//! The bounds of a listener, over real sockets. A failure means that a port that is not for clients takes more connections than
//! it may, forgets one, or does not end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use halley_core::metrics::Metrics;
use halley_listener::{Bounds, Drained, Stop, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const WITHIN: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<Drained>,
}

/// Echoes bytes until its client or the server ends; `stubborn` connections do not hear the server.
async fn start(connections_max: usize, drain_timeout: Duration, stubborn: bool) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("is bound");
    let (shutdown, asked) = oneshot::channel::<()>();
    let bounds = Bounds { name: "test", connections_max, drain_timeout };
    let (metrics, _registry) = Metrics::new();
    let serving = serve(
        listener,
        bounds,
        Arc::clone(&metrics),
        async {
            let _ = asked.await;
        },
        move |mut stream: TcpStream, mut stop: Stop| async move {
            let mut bytes = [0; 64];
            loop {
                tokio::select! {
                    read = stream.read(&mut bytes) => match read {
                        Ok(count) if count > 0 => stream.write_all(&bytes[..count]).await.expect("the client reads"),
                        _ => return,
                    },
                    () = stop.requested(), if !stubborn => return,
                }
            }
        },
    );
    Server { address, shutdown, serving: tokio::spawn(serving) }
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("the server listens")
    }

    async fn stop(self) -> Drained {
        self.shutdown.send(()).expect("the server runs");
        tokio::time::timeout(WITHIN, self.serving).await.expect("it ends").expect("it does not panic")
    }
}

async fn is_served(stream: &mut TcpStream) {
    stream.write_all(b"x").await.expect("the server reads");
    let echo = tokio::time::timeout(WITHIN, stream.read_u8()).await.expect("in time");
    assert_eq!(echo.expect("an echo"), b'x');
}

#[tokio::test]
async fn one_more_than_fit_is_served_once_another_has_gone() {
    let server = start(2, WITHIN, false).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    is_served(&mut first).await;
    is_served(&mut second).await;
    let mut third = server.connect().await;
    third.write_all(b"x").await.expect("the kernel keeps it");
    is_served(&mut first).await;
    let mut byte = [0; 1];
    assert!(third.try_read(&mut byte).is_err(), "nothing while two are open");
    drop(second);
    let echo = tokio::time::timeout(WITHIN, third.read_u8()).await.expect("in time");
    assert_eq!(echo.expect("an echo"), b'x');
    assert_eq!(server.stop().await, Drained { clean: 2, forced: 0 });
}

#[tokio::test]
async fn connections_end_when_they_are_told_to_and_are_cut_when_they_do_not() {
    let server = start(4, WITHIN, false).await;
    let mut open = server.connect().await;
    is_served(&mut open).await;
    assert_eq!(server.stop().await, Drained { clean: 1, forced: 0 });
    let server = start(4, Duration::from_millis(20), true).await;
    let mut open = server.connect().await;
    is_served(&mut open).await;
    assert_eq!(server.stop().await, Drained { clean: 0, forced: 1 });
    assert!(matches!(open.read(&mut [0; 1]).await, Ok(0) | Err(_)), "it is closed");
}

#[tokio::test]
async fn a_client_that_waits_in_the_backlog_is_dropped_at_the_end() {
    let server = start(1, WITHIN, false).await;
    let mut first = server.connect().await;
    is_served(&mut first).await;
    let mut waiting = server.connect().await;
    assert_eq!(server.stop().await, Drained { clean: 1, forced: 0 });
    let read = tokio::time::timeout(WITHIN, waiting.read(&mut [0; 1])).await.expect("in time");
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}
