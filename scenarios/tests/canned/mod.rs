//! An endpoint that is told what to answer: as little server as possible, so that what a load on
//! it costs is the load's own cost.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

/// What an endpoint says to an operation with this body: HTTP status and body.
pub(crate) trait Script: Fn(&str, &str) -> (u16, String) + Send + Sync + 'static {}

impl<F: Fn(&str, &str) -> (u16, String) + Send + Sync + 'static> Script for F {}

/// Starts an endpoint on a free port; it lives as long as the process. Returns its URL.
#[expect(clippy::disallowed_methods, reason = "a real server has threads of its own")]
pub(crate) fn start(script: impl Script) -> String {
    let script = Arc::new(script);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port is known");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let script = Arc::clone(&script);
            std::thread::spawn(move || serve(stream, &*script));
        }
    });
    format!("http://{address}")
}

/// Answers one request after the other until the client leaves.
fn serve(mut stream: TcpStream, script: &impl Script) {
    let _ = stream.set_nodelay(true);
    let mut received = vec![0; 1 << 16];
    while let Some((operation, body)) = request(&mut stream, &mut received) {
        let (status, body) = script(&operation, &body);
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn request(stream: &mut TcpStream, received: &mut [u8]) -> Option<(String, String)> {
    let mut filled = 0;
    loop {
        let bytes = stream.read(&mut received[filled..]).ok().filter(|bytes| *bytes > 0)?;
        filled += bytes;
        let text = std::str::from_utf8(&received[..filled]).ok()?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let field = |name: &str| head.split_once(name)?.1.split("\r\n").next();
        let length: usize = field("Content-Length: ")?.parse().ok()?;
        if body.len() == length {
            let operation = field("DynamoDB_20120810.")?;
            return Some((operation.to_string(), body.to_string()));
        }
    }
}
