//! Amazon's SDK and the service's HTTP front on turmoil's TCP instead of the operating system's.

use std::cell::Cell;
use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use stillpoint_reference::env::Address;
use stillpoint_reference::server::{Limits, Listener, serve_apart};
use stillpoint_sim::{Host, HostId};
use tokio::sync::mpsc::unbounded_channel;
use turmoil::net::{TcpListener, TcpStream};

const PORT: u16 = 8_000;

/// After so long, by turmoil's clock, the SDK gives up an attempt and makes another.
const ATTEMPT: Duration = Duration::from_secs(2);

struct Door(TcpListener);

impl Listener for Door {
    type Stream = TcpStream;

    async fn accept(&self) -> io::Result<TcpStream> {
        Ok(self.0.accept().await?.0)
    }
}

/// The program of the machine that speaks HTTP: it asks the nodes in turn.
pub(super) async fn serve(host: Host, nodes: Vec<HostId>) {
    let (to_node, mut requests) = unbounded_channel();
    let (answers, from_node) = unbounded_channel();
    let sender = host.clone();
    host.spawn("front.send", async move {
        let turn = Cell::new(0);
        while let Some((_, datagram)) = requests.recv().await {
            let up: Vec<HostId> = nodes.iter().copied().filter(|it| sender.sees_up(*it)).collect();
            turn.set(turn.get() + 1);
            if let Some(node) = up.get(turn.get() % up.len().max(1)) {
                sender.send(*node, datagram);
            }
        }
    });
    let receiver = host.clone();
    host.spawn("front.receive", async move {
        loop {
            let (_, datagram) = receiver.receive().await;
            // The gate takes answers for as long as the front stands.
            let _ = answers.send((Address::Client(0), datagram));
        }
    });
    let anywhere: SocketAddr = ([0, 0, 0, 0], PORT).into();
    let door = Door(TcpListener::bind(anywhere).await.expect("the port is free"));
    serve_apart(door, Limits::default(), 1, to_node, from_node, pending()).await;
}

/// Where the SDK gets its connections from.
#[derive(Clone, Debug)]
struct Connector {
    front: IpAddr,
    connections: Arc<AtomicU64>,
}

/// A connection as hyper wants it.
struct Wire(TokioIo<TcpStream>);

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl tower_service::Service<Uri> for Connector {
    type Response = Wire;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Wherever it says: a name would have to be known to both networks.
    fn call(&mut self, _: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let stream = TcpStream::connect((this.front, PORT)).await?;
            this.connections.fetch_add(1, Ordering::Relaxed);
            Ok(Wire(TokioIo::new(stream)))
        })
    }
}

#[derive(Clone, Debug)]
struct Http(legacy::Client<Connector, SdkBody>);

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x();
            let request = request.map_err(|why| ConnectorError::user(why.into()))?;
            let response = client.request(request).await;
            let response = response.map_err(|why| ConnectorError::io(why.into()))?;
            let response = HttpResponse::try_from(response.map(SdkBody::from_body_1_x));
            response.map_err(|why| ConnectorError::other(why.into(), None))
        })
    }
}

/// The SDK's client with its own retries, and how many connections it has made.
pub(super) fn client(front: IpAddr) -> (Client, Arc<AtomicU64>) {
    let connections: Arc<AtomicU64> = Arc::default();
    let connector = Connector { front, connections: Arc::clone(&connections) };
    let http = Http(legacy::Client::builder(TokioExecutor::new()).build(connector));
    let http = SharedHttpConnector::new(http);
    let retry = RetryConfig::standard().with_max_attempts(6);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"))
        .endpoint_url(format!("http://localhost:{PORT}"))
        .http_client(http_client_fn(move |_, _| http.clone()))
        .region(Region::new("us-east-1"))
        .retry_config(retry)
        // The usual one belongs to the process: what other runs did would count here.
        .retry_partition(RetryPartition::custom("run").token_bucket(TokenBucket::default()).build())
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build());
    (Client::from_conf(config.build()), connections)
}
