//! Listening addresses, bound before anything is built on them: port 0 is known early and a taken port is said early.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A host and a port, `127.0.0.1:28888`. Port 0 takes a free one.
    Tcp(String),
    /// A unix socket, `unix:/run/warp2api/codec.sock`.
    Unix(String),
}

/// An address that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address to listen on: write `host:port` or `unix:/path/to.sock`")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(InvalidAddress(text.to_owned()))
            } else {
                Ok(Self::Unix(path.to_owned()))
            };
        }
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(text.to_owned()))
            }
            _ => Err(InvalidAddress(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

impl Address {
    /// Whether only this machine can reach the address.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(address) => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']');
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        }
    }
}

/// An address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has it.
    #[error("{address} is taken by another program: stop that one, or listen elsewhere with {option}")]
    Taken {
        /// The address.
        address: Address,
        /// The setting that chooses another.
        option: &'static str,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// The address.
        address: Address,
        /// The system's words.
        #[source]
        source: io::Error,
    },
}

/// A bound listener.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// A unix socket; its file goes with the listener.
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, SocketFile),
}

impl Listener {
    /// Binds `address`. `option` names the setting it came from, for the error.
    ///
    /// # Errors
    /// When the address is taken or cannot be had.
    pub async fn bind(address: &Address, option: &'static str) -> Result<Self, BindError> {
        let bound = match address {
            Address::Tcp(text) => TcpListener::bind(text.as_str()).await.map(Self::Tcp),
            #[cfg(unix)]
            Address::Unix(path) => bind_unix(path).await,
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::Error::other("this platform has no unix sockets")),
        };
        bound.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::Taken { address: address.clone(), option },
            _ => BindError::Other { address: address.clone(), source },
        })
    }

    /// The address that was really bound, with the port the system chose for port 0.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn local_address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(|address| Address::Tcp(address.to_string())),
            #[cfg(unix)]
            Self::Unix(_, file) => Ok(Address::Unix(file.0.clone())),
        }
    }

    /// Waits for the next connection. Nagle's algorithm is off on it: it costs a stream 40 ms.
    ///
    /// # Errors
    /// What the system says; the listener stays usable.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Accepted { stream: Stream::Tcp(stream), peer: Some(peer) })
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(Accepted { stream: Stream::Unix(stream), peer: None })
            }
        }
    }
}

/// A connection that came in.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: Stream,
    /// Who is at the other end. `None` on a unix socket.
    pub peer: Option<SocketAddr>,
}

/// A connection of either kind.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Tcp(TcpStream),
    /// A unix socket.
    #[cfg(unix)]
    Unix(tokio::net::UnixStream),
}

macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp($stream) => $call,
            #[cfg(unix)]
            Stream::Unix($stream) => $call,
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        forward!(self, stream => Pin::new(stream).poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => Pin::new(stream).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

/// The file of a unix socket, removed when the listener goes.
#[cfg(unix)]
#[derive(Debug)]
pub struct SocketFile(String);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        // Gone already is as good.
        drop(std::fs::remove_file(&self.0));
    }
}

/// Binds a unix socket. A file left behind by a process that died is removed; one that somebody answers on is not.
#[cfg(unix)]
async fn bind_unix(path: &str) -> io::Result<Listener> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
    use tokio::net::{UnixListener, UnixStream};
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            let is_socket = std::fs::symlink_metadata(path)?.file_type().is_socket();
            if !is_socket {
                let words = "there is a file that is no socket; remove it, or name another path";
                return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
            }
            // Only a socket that nobody listens on is left behind; one whose owner is busy is not.
            match UnixStream::connect(path).await {
                Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => {}
                _ => return Err(error),
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        other => other?,
    };
    // Leases travel over these sockets: for the owner only.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(Listener::Unix(listener, SocketFile(path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_loopback_is_told_apart() {
        for (text, loopback) in [
            ("127.0.0.1:28888", true),
            ("localhost:1", true),
            ("[::1]:0", true),
            ("unix:/tmp/a.sock", true),
            ("0.0.0.0:28889", false),
            ("10.1.2.3:80", false),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(address.is_loopback(), loopback, "{text}");
        }
        for text in ["", "28888", "host:", ":1", "host:99999", "unix:"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_an_error_that_names_it_and_the_way_out() {
        let first = Listener::bind(&Address::Tcp("127.0.0.1:0".into()), "--port").await.unwrap();
        let address = first.local_address().unwrap();

        let error = Listener::bind(&address, "--port").await.unwrap_err().to_string();

        assert!(error.contains(&address.to_string()) && error.contains("--port"), "{error}");
    }

    #[tokio::test]
    async fn accepted_sockets_have_no_delay() {
        let listener = Listener::bind(&Address::Tcp("127.0.0.1:0".into()), "--port").await.unwrap();
        let address = listener.local_address().unwrap().to_string();
        let _client = TcpStream::connect(address).await.unwrap();

        match listener.accept().await.unwrap().stream {
            Stream::Tcp(stream) => assert!(stream.nodelay().unwrap()),
            #[cfg(unix)]
            Stream::Unix(_) => unreachable!("bound to TCP"),
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_socket_file_of_a_dead_process_is_taken_over_and_a_live_one_is_not() {
        let path = std::env::temp_dir().join(format!("warp2api-{}.sock", uuid::Uuid::new_v4()));
        let address = Address::Unix(path.to_str().unwrap().to_owned());
        // A file as a killed process leaves it: bound once, nobody listens.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());

        let live = Listener::bind(&address, "--grpc-addr").await.unwrap();
        let second = Listener::bind(&address, "--grpc-addr").await;

        assert!(matches!(second, Err(BindError::Taken { .. })));
        drop(live);
        assert!(!path.exists(), "the file goes with the listener");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let path = std::env::temp_dir().join(format!("warp2api-{}.txt", uuid::Uuid::new_v4()));
        std::fs::write(&path, "dear to somebody").unwrap();

        let address = Address::Unix(path.to_str().unwrap().to_owned());
        let error = Listener::bind(&address, "--grpc-addr").await.unwrap_err();

        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains("no socket"), "{error}: {cause}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "dear to somebody");
        std::fs::remove_file(&path).unwrap();
    }
}
