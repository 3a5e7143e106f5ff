//! How many disk operations a world completes per second of one core: eight tasks of one
//! host that write, read and now and then sync, with the event hash on.

use bytes::Bytes;
use stillpoint_sim::{Host, Tape, World};

const TASKS: u64 = 8;
const ROUNDS: u64 = 250_000;
/// A round writes and reads this much.
const BLOCK: u64 = 128;

fn main() {
    let world = World::new(Tape::new(1));
    let host = world.driver();
    #[expect(clippy::disallowed_methods, reason = "this measures the machine, not the world")]
    let begin = std::time::Instant::now();
    for task in 0..TASKS {
        host.spawn("worker", work(host.clone(), task));
    }
    let done = world.run(u64::MAX, async move {
        for _ in 0..TASKS {
            host.receive().await;
        }
    });
    done.expect("the workers report when they are through");
    let seconds = begin.elapsed().as_secs_f64();
    let operations = TASKS * (ROUNDS * 2 + ROUNDS / 16);
    let rate = operations as f64 / seconds / 1e6;
    println!("{operations} operations in {seconds:.2} s: {rate:.2} million per second");
    println!("virtual {} ms, hash {:016x}", world.now_ns() / 1_000_000, world.hash());
}

/// Writes and reads in its own file, then tells the driver.
async fn work(host: Host, task: u64) {
    let file = host.disk().create(&format!("file-{task}")).await.expect("the disk is empty");
    let block = Bytes::from(vec![7; BLOCK as usize]);
    for round in 0..ROUNDS {
        let offset = round % 64 * BLOCK;
        file.write_at(offset, block.clone()).await.expect("no faults are on");
        file.read_at(offset, BLOCK as usize).await.expect("no faults are on");
        if round % 16 == 0 {
            file.sync().await.expect("no faults are on");
        }
    }
    host.send(host.id(), Bytes::new());
}
