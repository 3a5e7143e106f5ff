//! How many datagrams a world delivers per second of one core: two hosts that answer each
//! other as fast as the network lets them, with faults and the event hash on.

use bytes::Bytes;
use stillpoint_sim::{Host, HostId, NetSettings, Tape, World};

const MESSAGES: u64 = 4_000_000;
/// Exchanges under way at once, as between two nodes with many partitions.
const WINDOW: u64 = 16;

fn main() {
    let world = World::new(Tape::new(1));
    world.set_net(NetSettings {
        slow_per_mille: 1,
        loss_per_million: 100,
        duplicate_per_million: 100,
        ..NetSettings::default()
    });
    let (ping, pong) = (world.add_host("ping", "zone-a"), world.add_host("pong", "zone-b"));
    boot_echo(&world, ping);
    boot_echo(&world, pong);
    keep_going(&world.host(ping), pong);
    #[expect(clippy::disallowed_methods, reason = "this measures the machine, not the world")]
    let begin = std::time::Instant::now();
    let driver = world.driver();
    let limit_ns = MESSAGES * 1_000_000;
    let done = world.run(limit_ns, async move { driver.receive().await });
    done.expect("the echo reports when it is through");
    let seconds = begin.elapsed().as_secs_f64();
    let rate = MESSAGES as f64 / seconds / 1e6;
    println!("{MESSAGES} messages in {seconds:.2} s: {rate:.2} million per second");
    println!("faults {:?}, hash {:016x}", world.fault_counts(), world.hash());
}

/// Sends back what it receives; after its share of the messages it tells the driver.
fn boot_echo(world: &World, host: HostId) {
    world.boot(host, |host| async move {
        for _ in 0..MESSAGES / 2 {
            let (from, message) = host.receive().await;
            host.send(from, message);
        }
        host.send(HostId::DRIVER, Bytes::new());
    });
}

/// Opens the window, and now and then replaces a message that was lost.
fn keep_going(host: &Host, to: HostId) {
    let message = Bytes::from_static(b"sixteen bytes it");
    for _ in 0..WINDOW {
        host.send(to, message.clone());
    }
    let sender = host.clone();
    host.spawn("keep_going", async move {
        loop {
            sender.sleep(500_000_000).await;
            sender.send(to, message.clone());
        }
    });
}
