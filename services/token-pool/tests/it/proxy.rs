//! A wire that can be cut: forwards TCP to an address, and stops doing so, without a word to either side, until it is
//! mended.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// The wire. Ends with all its connections when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    _end: DropGuard,
}

impl Proxy {
    /// A wire to `target`.
    async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (whole, end) = (watch::Sender::new(true), CancellationToken::new());
        let (tasks, gate, ended) = (TaskTracker::new(), whole.subscribe(), end.clone());
        let inner = tasks.clone();
        tasks.spawn(end.clone().run_until_cancelled_owned(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (gate, ended) = (gate.clone(), ended.clone());
                inner.spawn(ended.run_until_cancelled_owned(connect(client, target, gate)));
            }
        }));
        Self { address, whole, _end: end.drop_guard() }
    }

    /// A wire to the server of a URL, and the URL by it.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let (user, rest) = url.split_once('@').unwrap();
        let (server, database) = rest.split_once('/').unwrap();
        let proxy = Self::start(server.parse().unwrap()).await;
        let url = format!("{user}@{}/{database}", proxy.address);
        (proxy, url)
    }

    /// Cuts it: nothing arrives any more, and nobody is told.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Mends it: what was under way arrives.
    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

async fn connect(client: TcpStream, target: SocketAddr, mut gate: watch::Receiver<bool>) {
    if gate.wait_for(|whole| *whole).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else { return };
    // Neither side waits for small pieces to become large ones.
    drop((client.set_nodelay(true), server.set_nodelay(true)));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(forward(from_client, to_server, gate.clone()), forward(from_server, to_client, gate));
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut gate: watch::Receiver<bool>) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if gate.wait_for(|whole| *whole).await.is_err() || to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
    // Its end is something that arrives, too.
    if gate.wait_for(|whole| *whole).await.is_ok() {
        drop(to.shutdown().await);
    }
}
