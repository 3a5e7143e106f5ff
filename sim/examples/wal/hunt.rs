//! Looks for seeds with which a log loses what it has acknowledged, or makes something up.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use stillpoint_sim::{DiskFaults, Fault, Host, Injected, World};

use super::wal::{Version, Wal};

const MS: u64 = 1_000_000;

/// What the log has promised, as somebody outside of the world remembers it.
#[derive(Default)]
struct Promised {
    records: Vec<Bytes>,
    /// Appended, and not acknowledged: it may be there or not.
    under_way: Option<Bytes>,
    broken: Option<String>,
}

impl Promised {
    fn compare(&mut self, found: Vec<Bytes>) {
        let all = self.records.len();
        let kept = found.iter().zip(&self.records).take_while(|(a, b)| a == b).count();
        let made_up = found.iter().skip(all).find(|it| Some(*it) != self.under_way.as_ref());
        if kept < all {
            self.broken = Some(format!("{} of {all} acknowledged records are lost", all - kept));
        } else if made_up.is_some() {
            self.broken = Some("there is a record that nobody has appended".to_string());
        }
        self.records = found;
    }
}

/// A machine that opens its log, and appends to it for as long as it lives.
async fn program(host: Host, version: Version, promised: Rc<RefCell<Promised>>) {
    let (mut wal, found) = Wal::open(&host.disk(), version).await.expect("the log can be opened");
    promised.borrow_mut().compare(found);
    let sizes = host.dice("sizes");
    while promised.borrow().broken.is_none() {
        let number = promised.borrow().records.len();
        let record = Bytes::from(format!("record {number} ").repeat(sizes.range(1..100) as usize));
        promised.borrow_mut().under_way = Some(record.clone());
        wal.append(&record).await.expect("there is room");
        promised.borrow_mut().records.push(record);
    }
}

/// So many lives of a machine. In each, faults strike when the log is open, and power is lost
/// some time later.
pub fn hunt(world: &World, version: Version, lives: u64, faults: &[Fault]) -> Result<(), String> {
    let (node, promised) = (world.add_host("node", "zone"), Rc::<RefCell<Promised>>::default());
    let own = promised.clone();
    world.boot(node, move |host| program(host, version, own.clone()));
    let (driver, times) = (world.driver(), world.dice("times"));
    let all_lives = async {
        world.begin_span();
        driver.sleep(3 * MS).await;
        world.end_span();
        for _ in 0..lives {
            driver.sleep(5 * MS).await;
            let guards: Vec<Injected> = faults.iter().map(|it| world.inject(it, &[node])).collect();
            driver.sleep(times.range(0..5 * MS)).await;
            drop(guards);
            world.inject(&Fault::PowerLoss, &[node]).lift();
        }
        driver.sleep(20 * MS).await;
    };
    world.run(1_000 * MS, all_lives).map_err(|it| it.to_string())?;
    promised.take().broken.map_or(Ok(()), Err)
}

/// What strikes before power is lost, with its name.
pub fn faults() -> [(&'static str, Vec<Fault>); 4] {
    let failing = |faults| vec![Fault::FailingDisk(faults)];
    let none = DiskFaults::NONE;
    [
        ("power losses alone", vec![]),
        ("syncs that fail", failing(DiskFaults { sync_error_per_mille: 200, ..none.clone() })),
        ("bits that rot", vec![Fault::Rot { path: None, bits: 1 }]),
        ("syncs that lie", failing(DiskFaults { lying_sync_per_mille: 200, ..none })),
    ]
}
