//! The program, run: what it says, what it answers, how it ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use warp2api_server::settings::TABLE;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A client that goes nowhere but where it is sent.
pub(crate) fn http() -> reqwest::Client {
    // Whoever was earlier chose the same.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap()
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Everything it said.
    pub(crate) fn output(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

/// A run that goes on. Killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    /// What it said at the start.
    pub(crate) banner: String,
    _folder: tempfile::TempDir,
}

/// A command that knows no setting of the machine it runs on. `settings` are variables of the environment.
fn command(arguments: &[&str], settings: &[(&str, &str)], folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_warp2api"));
    for described in TABLE {
        command.env_remove(described.env);
    }
    // The user's data folder, as each platform knows it.
    for home in ["HOME", "XDG_DATA_HOME", "LOCALAPPDATA"] {
        command.env(home, folder.path());
    }
    // It would be told that this one is no setting.
    command.env_remove("W2A_TEST_POSTGRES");
    command.env_remove("W2A_CONFIG").args(arguments).envs(settings.iter().copied());
    command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end, which it comes to by itself.
pub(crate) fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Ended {
    run_in(&tempfile::tempdir().unwrap(), arguments, settings)
}

/// The same in a folder of the caller's.
pub(crate) fn run_in(folder: &tempfile::TempDir, arguments: &[&str], settings: &[(&str, &str)]) -> Ended {
    run_with(folder, arguments, settings, "")
}

/// The same with something short on its standard input.
pub(crate) fn run_with(
    folder: &tempfile::TempDir,
    arguments: &[&str],
    settings: &[(&str, &str)],
    input: &str,
) -> Ended {
    let mut child = command(arguments, settings, folder).stdin(Stdio::piped()).spawn().unwrap();
    // Who errs early does not read it.
    drop(child.stdin.take().unwrap().write_all(input.as_bytes()));
    // It may say more than a pipe holds.
    let stdout = read(child.stdout.take().unwrap());
    let stderr = read(child.stderr.take().unwrap());
    let status = wait(&mut child);
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    Ended { status, stdout, stderr }
}

/// Runs it with a variable that is not UTF-8.
#[cfg(unix)]
pub(crate) fn run_with_bytes(arguments: &[&str], variable: &str, value: &[u8]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(arguments, &[], &folder);
    command.env(variable, <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(value));
    let ended = command.output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ended { status: ended.status, stdout: text(&ended.stdout), stderr: text(&ended.stderr) }
}

/// Runs it while nobody reads what it answers.
pub(crate) fn run_unread(arguments: &[&str]) -> Ended {
    let folder = tempfile::tempdir().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ports = [("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0")];
    let mut child = command(arguments, &ports, &folder).stdout(writer).spawn().unwrap();
    let stderr = read(child.stderr.take().unwrap());
    let status = wait(&mut child);
    Ended { status, stdout: String::new(), stderr: stderr.join().unwrap() }
}

/// What a command says as JSON, and its exit code.
pub(crate) fn told(arguments: &[&str], settings: &[(&str, &str)]) -> (i32, serde_json::Value) {
    let ended = run(&[arguments, &["--json"]].concat(), settings);
    let json = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    (ended.status.code().unwrap(), json)
}

fn read(mut pipe: impl std::io::Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).map(|_| text).unwrap_or_default()
    })
}

fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("the program does not end: {:?}", child.wait());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Program {
    /// Starts it and waits for its banner. Ports are the system's choice unless `settings` say otherwise.
    pub(crate) fn start(arguments: &[&str], settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ports = [
            ("PORT", "0"),
            ("W2A_GRPC_ADDR", "127.0.0.1:0"),
            ("W2A_UPSTREAM_ADDR", "127.0.0.1:0"),
            ("W2A_DRAIN_WINDOW", "0"),
        ];
        let mut command = command(arguments, &ports, &folder);
        command.envs(settings.iter().copied());
        Self::begin(command, folder)
    }

    /// The same, and what it says on standard error cannot be written.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_unheard() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut command = command(
            &[],
            &[("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0"), ("W2A_DRAIN_WINDOW", "0")],
            &folder,
        );
        command.stderr(full);
        Self::begin(command, folder)
    }

    /// The same in a terminal, whose other end comes along.
    #[cfg(unix)]
    pub(crate) fn start_in_terminal() -> (Self, std::os::fd::OwnedFd) {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let folder = tempfile::tempdir().unwrap();
        let ports = [("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0"), ("W2A_DRAIN_WINDOW", "0")];
        let mut command = command(&[], &ports, &folder);
        let other = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&other).unwrap();
        unlockpt(&other).unwrap();
        let path = ptsname(&other, Vec::new()).unwrap().into_string().unwrap();
        let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY;
        command.stdin(rustix::fs::open(path, flags, rustix::fs::Mode::empty()).unwrap());
        (Self::begin(command, folder), other)
    }

    /// Starts one that will not get so far as to have a banner.
    #[cfg(unix)]
    pub(crate) fn start_unready(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(&[], &[("PORT", "0"), ("W2A_GRPC_ADDR", "127.0.0.1:0")], &folder);
        command.envs(settings.iter().copied());
        Self::spawn(command, folder)
    }

    fn begin(command: Command, folder: tempfile::TempDir) -> Self {
        let mut program = Self::spawn(command, folder);
        program.read_banner();
        program
    }

    fn spawn(mut command: Command, folder: tempfile::TempDir) -> Self {
        let mut child = command.spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let stderr = child.stderr.take().map(read);
        Self { child, lines, stderr, banner: String::new(), _folder: folder }
    }

    /// Reads until the empty line that ends the part with the addresses, and what may come after it.
    fn read_banner(&mut self) {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // After the addresses the rest follows at once, or there is none.
            let known = self.banner.contains("\n\n");
            let patience = if known { Duration::from_millis(200) } else { left };
            match self.lines.recv_timeout(patience) {
                Ok(line) => self.banner = format!("{}{line}\n", self.banner),
                Err(_) if known => return,
                Err(error) => {
                    drop(self.child.kill());
                    let stderr = self.stderr.take().map(JoinHandle::join);
                    panic!("{error}: it said {:?} and {stderr:?}", self.banner);
                }
            }
        }
    }

    /// The first word of a line of the banner.
    pub(crate) fn shown(&self, name: &str) -> &str {
        let line = self.banner.lines().find_map(|line| line.trim_start().strip_prefix(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {}", self.banner));
        line.split_whitespace().next().unwrap_or_default()
    }

    /// The edge, `127.0.0.1:port`.
    pub(crate) fn edge(&self) -> &str {
        let base = self.shown("base URL");
        let (_, rest) = base.split_once("://").expect("a base URL");
        rest.strip_suffix("/v1").expect("a base URL")
    }

    /// Sends a chat to the edge. Reading is up to the caller.
    pub(crate) fn begin_chat(&self, text: &str, stream: bool) -> TcpStream {
        let message = serde_json::json!({ "role": "user", "content": text });
        let body =
            serde_json::json!({ "model": "auto", "stream": stream, "messages": [message] }).to_string();
        let mut socket = TcpStream::connect(self.edge()).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nauthorization: \
             Bearer key-of-the-client\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            self.edge(),
            body.len()
        );
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(body.as_bytes()).unwrap();
        socket
    }

    /// Sends a chat and reads the whole answer, head and all.
    pub(crate) fn chat(&self, text: &str) -> String {
        let mut answer = String::new();
        self.begin_chat(text, false).read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a signal by name.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Sends a signal again and again until it has ended.
    #[cfg(unix)]
    pub(crate) fn signal_until_it_ends(&mut self, name: &str) {
        let end = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < end, "it does not end");
            self.signal(name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The file that tells of it in the data folder.
    #[cfg(unix)]
    pub(crate) fn note(&self, folder: &std::path::Path, role: &str) -> std::path::PathBuf {
        folder.join(format!("{role}-{}.pid", self.child.id()))
    }

    /// Ends it without a word.
    pub(crate) fn killed(mut self) -> Ended {
        self.child.kill().unwrap();
        self.ended()
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let status = wait(&mut self.child);
        let stderr = self.stderr.take().map(|stderr| stderr.join().unwrap()).unwrap_or_default();
        let rest: Vec<_> = self.lines.iter().collect();
        Ended { status, stdout: format!("{}{}", self.banner, rest.join("\n")), stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Gone already is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
