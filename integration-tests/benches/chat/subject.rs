//! What is measured: the floor and the house in its topologies, all on one upstream, all open at the same time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;

use crate::child::Running;
use crate::options::Topology;
use crate::process::{self, Memory};

/// The house in one process that sends its traces, and the one that does not.
pub(crate) const TRACED: &str = "traced";
pub(crate) const UNTRACED: &str = "in process";

/// The floor, then the houses, and what they need.
#[derive(Debug)]
pub(crate) struct Street {
    /// The first is the floor.
    pub(crate) subjects: Vec<Subject>,
    _upstream: Running,
    _sockets: tempfile::TempDir,
}

/// A service to be measured.
#[derive(Debug)]
pub(crate) struct Subject {
    /// What to call it.
    pub(crate) name: &'static str,
    /// Where it takes chats.
    pub(crate) edge: SocketAddr,
    /// Where it sends its traces, if it does, and where it says what became of them.
    pub(crate) collector: Option<(SocketAddr, SocketAddr)>,
    /// The processes a chat goes through.
    parts: Vec<Running>,
    /// Processes that belong to it but see no chat.
    _others: Vec<Running>,
}

impl Street {
    /// Starts everything.
    pub(crate) fn open(topologies: &[Topology]) -> anyhow::Result<Self> {
        let sockets = tempfile::tempdir().context("no folder for sockets")?;
        let upstream = Running::start("upstream", &[])?;
        let url = format!("http://{}", upstream.address);
        let floor = Running::start("floor", &["--upstream", &url])?;
        let mut subjects = vec![Subject::new("floor", vec![floor], Vec::new())?];
        for topology in topologies {
            subjects.push(match topology {
                Topology::InProcess => {
                    let all = Running::start("all", &["--upstream", &url])?;
                    Subject::new(UNTRACED, vec![all], Vec::new())?
                }
                Topology::Traced => {
                    let sink = Running::start("sink", &[])?;
                    let otlp = format!("http://{}", sink.address);
                    let all = Running::start("all", &["--upstream", &url, "--otlp", &otlp])?;
                    let collector = sink.address.parse().context("not an address")?;
                    let metrics = all.metrics.as_deref().context("it counts nothing")?.parse()?;
                    let traced = Subject::new(TRACED, vec![all], vec![sink])?;
                    Subject { collector: Some((collector, metrics)), ..traced }
                }
                #[cfg(unix)]
                Topology::Unix => split("unix sockets", &url, |part| {
                    format!("unix:{}", sockets.path().join(part).display())
                })?,
                Topology::Tcp => split("tcp", &url, |_| "127.0.0.1:0".to_owned())?,
            });
        }
        Ok(Self { subjects, _upstream: upstream, _sockets: sockets })
    }
}

/// A house in processes of its own, whose services listen where `listen` says.
fn split(name: &'static str, upstream: &str, listen: impl Fn(&str) -> String) -> anyhow::Result<Subject> {
    let pool = Running::start("token-pool", &["--upstream", upstream, "--grpc", &listen("pool")])?;
    let codec = Running::start("codec", &["--grpc", &listen("codec")])?;
    let pool_place = place(&pool.address);
    let chat = Running::start(
        "warp-chat",
        &["--upstream", upstream, "--grpc", &listen("chat"), "--token-pool", &pool_place],
    )?;
    let gateway = Running::start("gateway", &["--warp-chat", &place(&chat.address)])?;
    Subject::new(name, vec![gateway, chat, pool], vec![codec])
}

fn place(address: &str) -> String {
    if address.starts_with("unix:") { address.to_owned() } else { format!("http://{address}") }
}

impl Subject {
    fn new(name: &'static str, parts: Vec<Running>, others: Vec<Running>) -> anyhow::Result<Self> {
        let edge = parts.first().context("no part")?.address.parse().context("not an address")?;
        Ok(Self { name, edge, collector: None, parts, _others: others })
    }

    /// The CPU time all its processes have used. `None` where the system does not tell.
    pub(crate) fn cpu(&self) -> Option<Duration> {
        self.parts.iter().map(|part| process::cpu(part.id())).sum()
    }

    /// The memory all its processes have. `None` where the system does not tell.
    pub(crate) fn memory(&self) -> Option<Memory> {
        self.parts.iter().map(|part| process::memory(part.id())).sum()
    }

    /// Begins the measurement of the peak of its memory anew.
    pub(crate) fn forget_peak(&self) {
        self.parts.iter().for_each(|part| process::forget_peak(part.id()));
    }
}
