//! A server in a process of its own, for tests: started on a free port, ended when dropped.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tempfile::TempDir;

/// A server that does not say where it listens by then has not started.
const START_MAX: Duration = Duration::from_secs(60);

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    child: Child,
    /// Kept open: its end is the end of the test.
    _stdin: Option<ChildStdin>,
    /// What it says on standard error, once it has ended.
    said: Option<JoinHandle<String>>,
}

impl Server {
    /// `stillpoint serve` on this directory.
    pub(crate) fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stillpoint"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        Self::spawn(command).expect("the server starts")
    }

    /// A process that says on its first line where it listens; else what it said.
    pub(crate) fn spawn(mut command: Command) -> Result<Self, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program can be started");
        // Waiting for the child would close it.
        let stdin = child.stdin.take();
        let said = listen(child.stderr.take().expect("it is piped"));
        let lines = lines(child.stdout.take().expect("it is piped"));
        let line = loop {
            match lines.recv_timeout(START_MAX) {
                Ok(line) if line.contains("http://") => break line,
                Ok(_) => {}
                Err(why) => {
                    let _ = child.kill();
                    child.wait().expect("it has ended");
                    let said = said.join().expect("it hears");
                    return Err(format!("it does not say where it listens ({why}): {said}"));
                }
            }
        };
        let after = line.split("http://").nth(1).expect("it is there");
        let address = after.split([',', ' ', '\n']).next().expect("a first word");
        let address = address.parse().expect("an address");
        Ok(Self { address, child, _stdin: stdin, said: Some(said) })
    }

    /// The URL that clients are given.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The number of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    /// A polite kill; waits until it has ended, and says whether it ended well.
    pub(crate) fn stop(mut self) -> bool {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status();
        assert!(kill.expect("kill is there").success());
        self.child.wait().expect("it ends").success()
    }

    /// Waits until it has ended by itself, with an error; what it said on standard error.
    pub(crate) fn last_words(&mut self) -> String {
        assert!(!self.child.wait().expect("it ends").success());
        self.said.take().expect("it is asked once").join().expect("it hears")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines that a process prints, for as long as it does: it never waits for a reader.
#[expect(clippy::disallowed_methods, reason = "beside a test that waits for something else")]
fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (tell, told) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            // Nobody listens any more once it runs.
            let _ = tell.send(line);
        }
    });
    told
}

/// Reads to the end what a process says, so that it never waits for a reader.
#[expect(clippy::disallowed_methods, reason = "beside a test that waits for something else")]
fn listen(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said);
        said
    })
}

/// Waits for a server in real time.
#[expect(clippy::disallowed_methods, reason = "a real server has no simulated clock")]
pub(crate) fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// A server with a directory of its own.
pub(crate) fn start() -> (Server, TempDir) {
    let data = tempfile::tempdir().expect("a temporary directory");
    (Server::start(data.path()), data)
}

/// One connection to a server; every call is answered, or the connection is broken.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    /// Connects, with this much patience for each answer.
    pub(crate) fn open(address: SocketAddr, patience: Duration) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        Ok(Self { stream: BufReader::new(stream), address })
    }

    /// Calls an operation with a body of JSON: the status, and the body of the answer.
    pub(crate) fn call(
        &mut self,
        operation: &str,
        body: &serde_json::Value,
    ) -> std::io::Result<(u16, serde_json::Value)> {
        let body = body.to_string();
        let head = format!(
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/x-amz-json-1.0\r\n\
             x-amz-target: DynamoDB_20120810.{operation}\r\ncontent-length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        self.stream.get_mut().write_all(format!("{head}{body}").as_bytes())?;
        let (status, body) = self.read_answer()?;
        let body = serde_json::from_slice(&body).map_err(std::io::Error::other)?;
        Ok((status, body))
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads an answer: its status and its body.
    pub(crate) fn read_answer(&mut self) -> std::io::Result<(u16, Vec<u8>)> {
        let broken = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|it| it.parse().ok()).ok_or_else(broken)?;
        let mut length = 0;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(broken());
            }
            let header = line.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().map_err(std::io::Error::other)?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }
}
