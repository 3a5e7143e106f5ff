//! Three replicas under a swarm of faults: whoever gets must get what was put last.

use stillpoint_sim::{FaultKind::*, Swarm, World};

use super::store::{Client, replica};

pub fn scenario(world: &World) -> Result<(), String> {
    let replicas = ["replica-a", "replica-b", "replica-c"].map(|it| world.add_host(it, "zone"));
    replicas.iter().for_each(|it| world.boot(*it, replica));
    let kinds = [Crash, PowerLossOfZone, Pause, CutOff, Loss, Duplication, SlowDisk, StalledDisk];
    let swarm = Swarm {
        kinds: kinds.to_vec(),
        points: vec!["answered"],
        span_ns: 0..50_000_000,
        lasts_ns: 1_000_000..50_000_000,
        ..Swarm::everything()
    };
    world.carry_out(&swarm.draw(world)).map_err(|it| it.to_string())?;
    let mut client = Client { host: world.driver(), replicas, requests: 0 };
    let test = async {
        for n in 0..10 {
            let (key, value) = (["x", "y"][n % 2], n.to_string());
            client.put(key, value.clone()).await;
            let got = client.get(key).await;
            assert!(got == value, "{key} was put as {value:?}, and is got as {got:?}");
        }
    };
    world.run(60_000_000_000, test).map_err(|it| it.to_string())
}
