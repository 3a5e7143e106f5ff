//! HTTP/1.1 as far as a load generator needs it: a request is bytes that were built before, of an
//! answer only the status, the length and whether the connection lasts are read.
//!
//! Left out on purpose: TLS, chunked answers, redirects, retries. An answer without a length is an
//! error, since it could not be told from one that was cut off.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// After so long without an answer a request has failed.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);

/// After so long an attempt to connect has failed.
const CONNECT_WAIT_MAX: Duration = Duration::from_secs(5);

/// The longest head of an answer, in bytes.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Where an endpoint listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// What the `Host` header says.
    pub host: String,
    address: SocketAddr,
}

impl Endpoint {
    /// Reads `http://HOST:PORT`.
    ///
    /// # Errors
    ///
    /// A line for the user if it is something else, or if the host is not known.
    pub fn parse(url: &str) -> Result<Endpoint, String> {
        let possible = "possible: http://HOST:PORT";
        let host = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("'{url}' does not begin with http://; {possible}"))?
            .trim_end_matches('/');
        let mut found = host
            .to_socket_addrs()
            .map_err(|error| format!("'{url}' is no endpoint: {error}; {possible}"))?;
        let address = found.next().ok_or_else(|| format!("'{url}' has no address; {possible}"))?;
        Ok(Endpoint { host: host.to_string(), address })
    }
}

/// What an endpoint answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    /// HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: &'a [u8],
}

/// What the first lines of an answer say.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    /// Bytes up to the body.
    bytes: usize,
    status: u16,
    body_bytes: usize,
    /// The endpoint closes the connection after this answer.
    last: bool,
}

/// A client with one connection at a time, which is kept while the endpoint keeps it.
pub(super) struct Client<'a> {
    endpoint: &'a Endpoint,
    stream: Option<TcpStream>,
    /// How often a connection was made.
    pub(super) connects: u64,
    received: Vec<u8>,
}

impl<'a> Client<'a> {
    pub(super) fn new(endpoint: &'a Endpoint) -> Client<'a> {
        Client { endpoint, stream: None, connects: 0, received: vec![0; 4096] }
    }

    /// Sends a whole request and waits for the whole answer. There are no retries: after an error
    /// the next call connects anew.
    pub(super) fn call(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        let outcome = self.exchange(request);
        let head = match outcome {
            Ok(head) => head,
            Err(error) => {
                self.stream = None;
                return Err(error);
            }
        };
        if head.last {
            self.stream = None;
        }
        let body = &self.received[head.bytes..head.bytes + head.body_bytes];
        Ok(Answer { status: head.status, body })
    }

    fn exchange(&mut self, request: &[u8]) -> io::Result<Head> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => self.connect()?,
        };
        stream.write_all(request)?;
        let head = receive(&mut stream, &mut self.received)?;
        self.stream = Some(stream);
        Ok(head)
    }

    fn connect(&mut self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.endpoint.address, CONNECT_WAIT_MAX)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WAIT_MAX))?;
        stream.set_write_timeout(Some(ANSWER_WAIT_MAX))?;
        self.connects += 1;
        Ok(stream)
    }
}

/// Reads one answer into the beginning of `buffer`, which grows as needed.
fn receive(stream: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Head> {
    let mut filled = 0;
    let mut head = None;
    loop {
        if filled == buffer.len() {
            buffer.resize(buffer.len() * 2, 0);
        }
        let bytes = stream.read(&mut buffer[filled..])?;
        if bytes == 0 {
            return Err(wrong(ErrorKind::UnexpectedEof, "the connection was closed"));
        }
        filled += bytes;
        if head.is_none() {
            head = parse_head(&buffer[..filled])?;
        }
        if head.is_none() && filled > HEAD_BYTES_MAX {
            return Err(wrong(ErrorKind::InvalidData, "the answer's head does not end"));
        }
        match head.take_if(|head| filled >= head.bytes + head.body_bytes) {
            Some(head) if filled == head.bytes + head.body_bytes => return Ok(head),
            Some(_) => return Err(wrong(ErrorKind::InvalidData, "bytes that nobody asked for")),
            None => {}
        }
    }
}

/// The head, once all of it is there.
fn parse_head(bytes: &[u8]) -> io::Result<Option<Head>> {
    let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else {
        return Ok(None);
    };
    let invalid = |what| wrong(ErrorKind::InvalidData, what);
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| invalid("a head that is no text"))?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let version = words.next().unwrap_or_default();
    let status = words.next().and_then(|word| word.parse().ok());
    let status = status.filter(|_| version.starts_with("HTTP/1."));
    let status = status.ok_or_else(|| invalid("this is not HTTP/1.1"))?;
    let mut body_bytes = None;
    let mut last = version == "HTTP/1.0";
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body_bytes = value.trim().parse().ok();
        } else if name.eq_ignore_ascii_case("connection") {
            last = value.trim().eq_ignore_ascii_case("close");
        }
    }
    let body_bytes = body_bytes.ok_or_else(|| invalid("an answer without Content-Length"))?;
    Ok(Some(Head { bytes: end + 4, status, body_bytes, last }))
}

fn wrong(kind: ErrorKind, what: &str) -> io::Error {
    io::Error::new(kind, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nServer: x\r\n\r\n{}";

    /// Hands out a few bytes at a time.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let bytes = self.1.min(self.0.len()).min(buffer.len());
            buffer[..bytes].copy_from_slice(&self.0[..bytes]);
            self.0 = &self.0[bytes..];
            Ok(bytes)
        }
    }

    fn received(bytes: &[u8], step: usize) -> io::Result<(u16, Vec<u8>, bool)> {
        let mut buffer = vec![0; 8];
        let head = receive(&mut Trickle(bytes, step), &mut buffer)?;
        let body = buffer[head.bytes..head.bytes + head.body_bytes].to_vec();
        Ok((head.status, body, head.last))
    }

    #[test]
    fn an_answer_is_read_in_whatever_pieces_it_comes() {
        for step in 1..=ANSWER.len() {
            let whole = received(ANSWER, step).expect("the answer is whole");
            assert_eq!(whole, (200, b"{}".to_vec(), false), "{step} bytes at a time");
        }
    }

    #[test]
    fn what_is_cut_off_or_has_no_length_is_an_error() {
        for end in 0..ANSWER.len() {
            assert!(received(&ANSWER[..end], 7).is_err(), "{end} bytes of it");
        }
        assert!(received(b"HTTP/1.1 200 OK\r\n\r\n{}", 9).is_err());
        assert!(received(b"SMTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 9).is_err());
        assert!(received(&[ANSWER, b"more"].concat(), 100).is_err());
    }

    #[test]
    fn a_connection_ends_where_the_endpoint_says_so() {
        let close = b"HTTP/1.1 400 Bad\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(received(close, 100).expect("an answer"), (400, Vec::new(), true));
        let old = b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";
        assert!(received(old, 100).expect("an answer").2);
    }

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        let endpoint = Endpoint::parse("http://127.0.0.1:8000/").expect("an endpoint");
        assert_eq!(endpoint.host, "127.0.0.1:8000");
        for wrong in ["127.0.0.1:8000", "https://127.0.0.1:8000", "http://127.0.0.1", "http://"] {
            let line = Endpoint::parse(wrong).expect_err(wrong);
            assert!(line.contains("possible: http://HOST:PORT"), "{line}");
        }
    }
}
