//! Strangers live on our streams: an HTTP server and a client that know nothing of this world.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use stillpoint_sim::{Host, HostId, NetSettings, Tape, World};

use super::LIMIT_NS;

const PORT: u16 = 80;
const MS: u64 = 1_000_000;

/// Answers each request with its body, backwards.
async fn serve(host: Host) {
    let listener = host.listen(PORT).expect("the port is free");
    loop {
        let stream = TokioIo::new(listener.accept().await);
        host.spawn("connection", async move {
            let answer = service_fn(async |request: Request<Incoming>| {
                let body = request.into_body().collect().await.map(|it| it.to_bytes());
                let backwards: Vec<u8> = body.unwrap_or_default().iter().rev().copied().collect();
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(backwards))))
            });
            // A client that goes away in the middle is no error of the server's.
            let _ =
                hyper::server::conn::http1::Builder::new().serve_connection(stream, answer).await;
        });
    }
}

/// Posts each body on one connection; gives the answers until one does not come.
async fn post_all(host: &Host, server: HostId, bodies: &[Bytes]) -> Vec<Bytes> {
    let stream = TokioIo::new(host.connect(server, PORT).await.expect("the server listens"));
    let (mut requests, connection) =
        hyper::client::conn::http1::handshake(stream).await.expect("a stream is all it needs");
    host.spawn("connection", async move { drop(connection.await) });
    let mut answers = Vec::new();
    for body in bodies {
        let request = Request::post("/").header("host", "server").body(Full::new(body.clone()));
        let Ok(answer) = requests.send_request(request.expect("it is well formed")).await else {
            break;
        };
        assert_eq!(answer.status(), StatusCode::OK);
        match answer.into_body().collect().await {
            Ok(whole) => answers.push(whole.to_bytes()),
            Err(_) => break,
        }
    }
    answers
}

/// Twenty bodies, some of them large, through a network; what came back, and the world.
fn posted(seed: u64, net: NetSettings, disturb: impl Fn(&World, HostId)) -> (World, usize) {
    let world = World::new(Tape::new(seed));
    let server = world.add_host("server", "zone-a");
    world.boot(server, serve);
    world.set_net(net);
    disturb(&world, server);
    let bodies: Vec<Bytes> = (0..20_usize)
        .map(|n| (0..n * n * 200).map(|it| (it % 251) as u8).collect::<Vec<_>>().into())
        .collect();
    let (driver, sent) = (world.driver(), bodies.clone());
    let answers: Rc<RefCell<Vec<Bytes>>> = Rc::default();
    let got = Rc::clone(&answers);
    let run = world.run(LIMIT_NS, async move {
        driver.sleep(MS).await;
        let all = post_all(&driver, server, &sent).await;
        *got.borrow_mut() = all;
    });
    run.expect("every request is answered or fails");
    let answers = answers.take();
    for (body, answer) in bodies.iter().zip(&answers) {
        assert!(body.iter().rev().eq(answer.iter()), "an answer is not that of its request");
    }
    (world, answers.len())
}

#[test]
fn http_works_over_a_bad_network_and_repeats_itself() {
    let bad = NetSettings {
        loss_per_million: 100_000,
        duplicate_per_million: 100_000,
        reorder_per_million: 100_000,
        corrupt_per_million: 100_000,
        ..NetSettings::default()
    };
    for seed in 0..5 {
        let (world, answered) = posted(seed, bad.clone(), |_, _| {});
        assert_eq!(answered, 20);
        assert!(world.fault_counts()["stream.lost"] > 0);
        assert_eq!(world.hash(), posted(seed, bad.clone(), |_, _| {}).0.hash());
    }
}

#[test]
fn a_server_that_loses_power_ends_the_connection() {
    let outage = |world: &World, server: HostId| {
        world.at(10 * MS, move |world| {
            world.power_loss(server);
            world.restart(server);
        });
    };
    let (_, answered) = posted(1, NetSettings::default(), outage);
    assert!((1..20).contains(&answered), "{answered} were answered");
}
