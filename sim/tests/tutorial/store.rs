//! A replicated key-value store: whoever puts or gets hears from a majority of the replicas.

use std::{collections::BTreeSet, rc::Rc};

use bytes::Bytes;
use stillpoint_sim::{Host, HostId};

use super::log::{Entry, Log};

/// A number, a key, and what to put under it if this is not only to get it.
type Request = (u64, String, Option<Entry>);

/// The program of a replica.
pub async fn replica(host: Host) {
    let log = Rc::new(Log::open(&host.disk()).await.expect("the disk works"));
    loop {
        let (client, request) = host.receive().await;
        host.spawn("answer", answer(host.clone(), log.clone(), client, request));
    }
}

async fn answer(host: Host, log: Rc<Log>, client: HostId, request: Bytes) {
    let (number, key, put): Request = serde_json::from_slice(&request).expect("a request");
    if let Some(entry) = put {
        log.put(&key, entry).await.expect("the disk works");
    }
    let reply = serde_json::to_vec(&(number, log.get(&key))).expect("plain data");
    host.send(client, reply.into());
    host.point("answered", number);
}

/// Puts and gets. Of several, each has keys of its own.
pub struct Client {
    pub host: Host,
    pub replicas: [HostId; 3],
    pub requests: u64,
}

impl Client {
    pub async fn put(&mut self, key: &str, value: String) {
        self.ask(key, Some((self.requests, value))).await;
    }

    pub async fn get(&mut self, key: &str) -> String {
        self.ask(key, None).await.1
    }

    /// Asks all replicas, every millisecond, until a majority has answered.
    async fn ask(&mut self, key: &str, put: Option<Entry>) -> Entry {
        self.requests += 1;
        let request: Request = (self.requests, key.to_string(), put);
        let request = Bytes::from(serde_json::to_vec(&request).expect("plain data"));
        let (mut heard, mut latest) = (BTreeSet::new(), Entry::default());
        loop {
            self.replicas.iter().for_each(|it| self.host.send(*it, request.clone()));
            let next = || self.host.timeout(1_000_000, self.host.receive());
            while let Some((from, reply)) = next().await {
                let (number, entry): (u64, _) = serde_json::from_slice(&reply).expect("a reply");
                if number == self.requests && heard.insert(from) {
                    latest = latest.max(entry);
                }
                if heard.len() == 2 {
                    return latest;
                }
            }
        }
    }
}
