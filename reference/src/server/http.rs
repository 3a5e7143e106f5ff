//! HTTP/1.1 around [`crate::wire`]: connections, bodies, headers, and the limits on all of them.
//!
//! Nothing that a client sends or leaves out may cost more than its connection's share of memory
//! and time. What a body says is none of this file's business.

use super::gate::Gate;
use super::say;
use crate::api::WireError;
use crate::machine::without_panic;
use crate::wire;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::Authority;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_local;
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;

/// What clients may ask of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; more wait in the operating system's queue. Fewer where the process may
    /// not open so many files.
    pub connections_max: usize,
    /// The longest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// All bodies above 64 KiB that are being received or carried out, in bytes; more wait.
    pub bodies_bytes_max: usize,
    /// The head of a request, in bytes.
    pub head_bytes_max: usize,
    /// How long a connection may be idle, and how long the head of a request may take.
    pub idle: Duration,
    /// How long a body may take.
    pub body: Duration,
    /// How long a client may take to read anything of an answer.
    pub write: Duration,
    /// How long a stop waits for what is under way.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 512,
            // The largest item is 400 KB; escaped to its last character it takes six times that.
            body_bytes_max: 4 << 20,
            bodies_bytes_max: 64 << 20,
            head_bytes_max: 32 << 10,
            idle: Duration::from_secs(60),
            body: Duration::from_secs(20),
            write: Duration::from_secs(20),
            drain: Duration::from_secs(10),
        }
    }
}

/// Where connections come from: the operating system, or a network that is simulated.
pub trait Listener {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + 'static;

    /// The next connection.
    ///
    /// # Errors
    /// None could be accepted now; the next attempt may succeed.
    fn accept(&self) -> impl Future<Output = io::Result<Self::Stream>>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        let (stream, _) = Self::accept(self).await?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

/// After a connection could not be accepted: the process has too many files open, say.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Answer = Response<Full<Bytes>>;

/// A body of this size takes no room from others: connections bound how many there are.
const SMALL_BODY_BYTES: usize = 64 << 10;
/// What is read of a body that is too large, in bytes, so that its sender gets to hear of it.
const DRAINED_BYTES_MAX: usize = 64 << 20;
/// For how long it is read.
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
/// Files that the process needs besides connections.
const OTHER_FILES: usize = 128;

/// How many connections the process may have open, by its soft limit on files.
fn files_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|it| it.strip_prefix("Max open files"));
    let soft = line.and_then(|it| it.split_whitespace().next()?.parse().ok());
    soft.map_or(usize::MAX, |files: usize| files.saturating_sub(OTHER_FILES).max(1))
}

struct Server {
    gate: Rc<Gate>,
    limits: Limits,
    bodies: Arc<Semaphore>,
    ids: RequestIds,
}

/// The ids that answers carry: what people quote when they ask about one.
struct RequestIds {
    run: u64,
    next: Cell<u64>,
}

impl RequestIds {
    /// As long as Amazon's: 52 capital letters and digits.
    fn next(&self) -> HeaderValue {
        let number = self.next.replace(self.next.get() + 1);
        let id = format!("{:016X}{number:036X}", self.run);
        HeaderValue::from_str(&id).expect("digits are visible ASCII")
    }
}

/// Serves until `stop` is ready, and then until what is under way is answered, or time is up.
pub(super) async fn serve<L: Listener>(
    listener: L,
    gate: Rc<Gate>,
    limits: Limits,
    run: u64,
    stop: impl Future<Output = ()>,
) {
    let bodies = Arc::new(Semaphore::new(limits.bodies_bytes_max / 1_024));
    let ids = RequestIds { run, next: Cell::new(1) };
    let server = Rc::new(Server { gate, limits, bodies, ids });
    let connections = Arc::new(Semaphore::new(limits.connections_max.min(files_max())));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        if let Some((stream, place)) = accepted {
            connect(&server, stream, place, &graceful);
        }
    }
    drop(listener);
    // Whoever has not got an answer by then learns of its fate as after any lost connection.
    let _ = timeout(limits.drain, graceful.shutdown()).await;
}

async fn accept<L: Listener>(
    listener: &L,
    connections: &Arc<Semaphore>,
) -> Option<(L::Stream, OwnedSemaphorePermit)> {
    let place = Arc::clone(connections).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok(stream) => Some((stream, place)),
        Err(_) => {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn connect(
    server: &Rc<Server>,
    stream: impl AsyncRead + AsyncWrite + 'static,
    place: OwnedSemaphorePermit,
    graceful: &GracefulShutdown,
) {
    let limits = server.limits;
    let mut stream = TimeoutStream::new(stream);
    stream.set_read_timeout(Some(limits.idle));
    stream.set_write_timeout(Some(limits.write));
    let server = Rc::clone(server);
    let service = service_fn(move |request| {
        let server = Rc::clone(&server);
        async move { Ok::<_, Infallible>(server.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_buf_size(limits.head_bytes_max.max(8 << 10))
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let connection = graceful.watch(connection);
    spawn_local(async move {
        // However it ends, the client sees it, and nobody else is concerned.
        let ended = without_panic(async { drop(connection.await) }).await;
        if let Err(why) = ended {
            say(&format!("a bug closed a connection, please report it: {why}"));
        }
        drop(place);
    });
}

/// Why a body is not there.
enum NotReceived {
    TooLarge,
    TooSlow,
    Broken,
    NoRoom,
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let mut answer = self.answer_to(request).await;
        answer.headers_mut().insert("x-amzn-requestid", self.ids.next());
        answer
    }

    async fn answer_to(&self, request: Request<Incoming>) -> Answer {
        match *request.method() {
            Method::POST => {}
            Method::GET => return answer(StatusCode::OK, TEXT, HEALTHY.into()),
            _ => return answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, ONLY_POST.into()),
        }
        if !is_addressed_here(request.headers().get(HOST)) {
            return answer(StatusCode::MISDIRECTED_REQUEST, TEXT, ELSEWHERE.into());
        }
        let target = request.headers().get("x-amz-target").map(HeaderValue::as_bytes);
        let target = String::from_utf8_lossy(target.unwrap_or_default()).into_owned();
        // It is there for as long as the request is.
        let _room;
        let body = match self.receive(request.into_body()).await {
            Ok((body, room)) => {
                _room = room;
                body
            }
            Err(why) => return self.without_body(&why),
        };
        let request = match wire::decode(&target, &body) {
            Ok(request) => request,
            Err(refused) => {
                let status = StatusCode::from_u16(refused.http_status);
                return answer(status.unwrap_or(StatusCode::BAD_REQUEST), JSON, refused.body());
            }
        };
        drop(body);
        match self.gate.ask(request).await {
            Ok(response) => answer(StatusCode::OK, JSON, wire::encode_response(&response)),
            Err(error) => refusal(&error),
        }
    }

    fn without_body(&self, why: &NotReceived) -> Answer {
        match why {
            NotReceived::TooLarge => too_large(self.limits.body_bytes_max),
            NotReceived::TooSlow => closing(StatusCode::REQUEST_TIMEOUT, SLOW),
            NotReceived::Broken => closing(StatusCode::BAD_REQUEST, BROKEN),
            NotReceived::NoRoom => closing(StatusCode::SERVICE_UNAVAILABLE, BUSY),
        }
    }

    /// A whole body, and the room that it takes.
    async fn receive(
        &self,
        mut body: Incoming,
    ) -> Result<(Bytes, Option<OwnedSemaphorePermit>), NotReceived> {
        let (limit, patience) = (self.limits.body_bytes_max, self.limits.body);
        let declared = body.size_hint().upper().map(usize::try_from);
        let bytes = match declared {
            Some(Ok(bytes)) if bytes <= limit => bytes,
            // Of unknown length, in chunks.
            None => limit,
            Some(_) => {
                drain(&mut body).await;
                return Err(NotReceived::TooLarge);
            }
        };
        let room = if bytes <= SMALL_BODY_BYTES { None } else { Some(self.room(bytes).await?) };
        let collected = timeout(patience, collect(body, limit)).await;
        Ok((collected.unwrap_or(Err(NotReceived::TooSlow))?, room))
    }

    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, NotReceived> {
        let kib = u32::try_from(bytes / 1_024 + 1).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.bodies).acquire_many_owned(kib);
        let room = timeout(self.limits.body, room).await.map_err(|_| NotReceived::NoRoom)?;
        Ok(room.expect("nobody closes it"))
    }
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Bytes, NotReceived> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| NotReceived::Broken)?;
        let Ok(bytes) = frame.into_data() else { continue };
        if whole.len() + bytes.len() > limit {
            drain(&mut body).await;
            return Err(NotReceived::TooLarge);
        }
        if body.is_end_stream() && whole.is_empty() {
            return Ok(bytes);
        }
        whole.extend_from_slice(&bytes);
    }
    Ok(whole.freeze())
}

/// Reads what nobody wants: a sender that is still sending would not read the answer.
async fn drain(body: &mut Incoming) {
    let mut drained = 0;
    let draining = async {
        while drained < DRAINED_BYTES_MAX
            && let Some(Ok(frame)) = body.frame().await
        {
            drained += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    let _ = timeout(DRAIN_PATIENCE, draining).await;
}

/// Whether a request means this machine by its own name. A page in a browser can have a name of
/// its own point here, and must not get through.
fn is_addressed_here(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host else { return true };
    let Ok(authority) = Authority::try_from(host.as_bytes()) else { return false };
    let name = authority.host().trim_matches(['[', ']']);
    let loopback = name.parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
    loopback || name == "localhost" || name.ends_with(".localhost")
}

const HEALTHY: &str = "healthy: stillpoint\n";
const ONLY_POST: &str = "AWS JSON 1.0 is sent with POST\n";
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");

const SLOW: &str = "the request did not arrive in time\n";
const BROKEN: &str = "the body is not what HTTP says it must be\n";
const BUSY: &str = "too many large requests at once: try again\n";
const ELSEWHERE: &str = "the host of this server is localhost, or a loopback address\n";

/// An answer behind which the connection ends: what is left of a body that was not read would be
/// taken for the next request.
fn closing(status: StatusCode, text: &str) -> Answer {
    let mut answer = answer(status, TEXT, text.into());
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

fn too_large(limit: usize) -> Answer {
    closing(StatusCode::PAYLOAD_TOO_LARGE, &format!("a request may have {limit} bytes\n"))
}

fn refusal(error: &WireError) -> Answer {
    let status = StatusCode::from_u16(error.http_status);
    answer(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), JSON, wire::encode_error(error))
}

fn answer(status: StatusCode, content: HeaderValue, body: Vec<u8>) -> Answer {
    let checksum = crc32fast::hash(&body);
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, content);
    headers.insert("x-amz-crc32", checksum.into());
    answer
}
