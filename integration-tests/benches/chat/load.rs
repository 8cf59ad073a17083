//! The load generator: so many connections, each sending one request after the other and reading every reply to its
//! end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::options::Load;
use crate::reply;

/// How long a reply may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many bytes of text a chunk has.
const CHUNK_BYTES: usize = 8;

/// A request to be sent again and again, and the text that must come back.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    body: Bytes,
    text: String,
    chunks: u32,
    every: Duration,
}

/// What came of a round.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// Replies that were whole.
    pub(crate) replies: u32,
    /// How many chunks they had together.
    pub(crate) chunks: u32,
    /// What was wrong with the others.
    pub(crate) failures: Vec<String>,
    /// From sending a request to the first text of its reply.
    pub(crate) first_chunk: Vec<Duration>,
    /// The longest silence within each reply after its first byte.
    pub(crate) longest_gap: Vec<Duration>,
}

/// Connections that are open and warm.
#[derive(Debug)]
pub(crate) struct Connections {
    open: Vec<SendRequest<Full<Bytes>>>,
    /// Drives them.
    _drivers: JoinSet<()>,
}

impl Question {
    /// The question that makes the embedded upstream give such a load.
    pub(crate) fn new(load: Load) -> Self {
        let (chunks, every) = load.chunks();
        let content = format!("stream {chunks} chunks of {CHUNK_BYTES} bytes every {} ms", every.as_millis());
        let body = serde_json::json!({
            "model": "auto",
            "stream": true,
            "messages": [
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": content},
            ],
        });
        let piece = format!("{} ", "x".repeat(CHUNK_BYTES - 1));
        Self { body: body.to_string().into(), text: piece.repeat(chunks as usize), chunks, every }
    }
}

impl Connections {
    /// Opens so many connections and asks once on each.
    pub(crate) async fn open(edge: SocketAddr, at_once: usize, question: &Question) -> anyhow::Result<Self> {
        let mut connections = Self { open: Vec::with_capacity(at_once), _drivers: JoinSet::new() };
        for _ in 0..at_once {
            let stream = TcpStream::connect(edge).await.context("cannot connect")?;
            stream.set_nodelay(true)?;
            let (sender, driver) = handshake(TokioIo::new(stream)).await?;
            connections._drivers.spawn(async move { drop(driver.await) });
            connections.open.push(sender);
        }
        let warm = connections.ask(Duration::ZERO, question).await;
        match warm.failures.into_iter().next() {
            None => Ok(connections),
            Some(failure) => Err(anyhow::anyhow!(failure).context("the first reply is not whole")),
        }
    }

    /// Asks on every connection, again and again for so long, and reads all replies.
    pub(crate) async fn ask(&mut self, time: Duration, question: &Question) -> Answers {
        let until = Instant::now() + time;
        let mut running = JoinSet::new();
        for (index, mut connection) in self.open.drain(..).enumerate() {
            let question = question.clone();
            running.spawn(async move {
                // Streams of different people do not tick together.
                tokio::time::sleep(question.every.mul_f64(index as f64 / 7.0 % 1.0)).await;
                let mut answers = Answers::default();
                loop {
                    let asked = tokio::time::timeout(PATIENCE, ask(&mut connection, &question, &mut answers));
                    match asked.await {
                        Ok(Ok(())) => {
                            answers.replies += 1;
                            answers.chunks += question.chunks;
                        }
                        Ok(Err(failure)) => answers.failures.push(format!("{failure:#}")),
                        Err(_) => answers.failures.push("a reply did not end".to_owned()),
                    }
                    if Instant::now() >= until || !answers.failures.is_empty() {
                        return (connection, answers);
                    }
                }
            });
        }
        let mut all = Answers::default();
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok((connection, answers)) => {
                    self.open.push(connection);
                    all.add(answers);
                }
                Err(error) => all.failures.push(error.to_string()),
            }
        }
        all
    }
}

impl Answers {
    /// Adds what came on another connection, or in another round.
    pub(crate) fn add(&mut self, mut other: Self) {
        self.replies += other.replies;
        self.chunks += other.chunks;
        self.failures.append(&mut other.failures);
        self.first_chunk.append(&mut other.first_chunk);
        self.longest_gap.append(&mut other.longest_gap);
    }
}

/// Asks once, reads the reply and checks it.
async fn ask(
    connection: &mut SendRequest<Full<Bytes>>,
    question: &Question,
    answers: &mut Answers,
) -> anyhow::Result<()> {
    let request = Request::post("/v1/chat/completions")
        .header(HOST, "127.0.0.1")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(question.body.clone()))?;
    connection.ready().await?;
    let asked = Instant::now();
    let response = connection.send_request(request).await?;
    let status = response.status();
    let mut body = response.into_body();
    let mut read = Vec::new();
    let (mut first_chunk, mut last, mut longest_gap) = (None, None, Duration::ZERO);
    while let Some(frame) = body.frame().await {
        let now = Instant::now();
        let before = last.replace(now).unwrap_or(now);
        longest_gap = longest_gap.max(now - before);
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
        if first_chunk.is_none() && reply::has_text(&read) {
            first_chunk = Some(now - asked);
        }
    }
    anyhow::ensure!(status == 200, "status {status}: {}", String::from_utf8_lossy(&read));
    reply::check(&read, &question.text).map_err(anyhow::Error::msg)?;
    answers.first_chunk.extend(first_chunk);
    answers.longest_gap.push(longest_gap);
    Ok(())
}
