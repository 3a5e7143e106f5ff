//! How long a backup takes to become AVAILABLE, from 1 to 4,096 partitions and from 1,000 to
//! 100,000 items, in simulated milliseconds. Takes a minute or two with `--release`.

use stillpoint_scenarios::stage::time_to_available_ns;

const PARTITIONS: [u32; 6] = [1, 4, 16, 64, 1_024, 4_096];
const ITEMS: [u32; 3] = [1_000, 10_000, 100_000];

fn main() {
    println!("{:>10} {:>10} {:>14}", "partitions", "items", "AVAILABLE (ms)");
    let (mut least_ns, mut most_ns) = (u64::MAX, 0);
    for partitions in PARTITIONS {
        for items in ITEMS {
            let ns = time_to_available_ns(partitions, items);
            println!("{partitions:>10} {items:>10} {:>14}", ns / 1_000_000);
            (least_ns, most_ns) = (least_ns.min(ns), most_ns.max(ns));
        }
    }
    println!("the slowest took {} % of the fastest", most_ns * 100 / least_ns);
}
