//! A hash over everything that happened so far, in order.
//!
//! Each event is folded in with xxh3, seeded with the hash before it; so the value
//! depends on every event and on their order. A payload of eight bytes, as most are, stands for
//! itself, others for their hash.

use std::cell::Cell;

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The hash of an actor's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ActorHash(u64);

impl ActorHash {
    /// Of a name as it stands in a record: `node-1`, or a link `node-1>node-2`.
    pub(crate) fn of(actor: &str) -> Self {
        match actor.split_once('>') {
            Some((from, to)) => Self::of_link(Self::of(from), Self::of(to)),
            None => Self(xxh3_64(actor.as_bytes())),
        }
    }

    /// Of the link between two actors, without building its name.
    pub(crate) fn of_link(from: Self, to: Self) -> Self {
        Self(xxh3_64_with_seed(&to.0.to_le_bytes(), from.0))
    }
}

/// Places for kinds whose hashes are known on this thread.
const KINDS: usize = 64;

/// Where a kind lies, how long it is, and its hash.
type KnownKind = Cell<(usize, usize, u64)>;

thread_local! {
    /// Kinds are few and static.
    static KNOWN: [KnownKind; KINDS] = const { [const { Cell::new((0, 0, 0)) }; KINDS] };
}

fn hash_of_kind(kind: &'static str) -> u64 {
    let (address, len) = (kind.as_ptr() as usize, kind.len());
    KNOWN.with(|known| {
        let place = &known[(address ^ (address >> 6) ^ len) % KINDS];
        let (known_address, known_len, hash) = place.get();
        if (known_address, known_len) == (address, len) {
            return hash;
        }
        let hash = xxh3_64(kind.as_bytes());
        place.set((address, len, hash));
        hash
    })
}

/// Chains events into one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollingHash(u64);

impl RollingHash {
    /// The hash of no events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Folds in one event: its virtual time in nanoseconds, who it happened to, what kind
    /// it was, and its full payload.
    pub fn update(&mut self, time_ns: u64, actor: &str, kind: &str, payload: &[u8]) {
        self.fold(time_ns, ActorHash::of(actor), xxh3_64(kind.as_bytes()), payload);
    }

    pub(crate) fn update_hashed(
        &mut self,
        time_ns: u64,
        actor: ActorHash,
        kind: &'static str,
        payload: &[u8],
    ) {
        self.fold(time_ns, actor, hash_of_kind(kind), payload);
    }

    fn fold(&mut self, time_ns: u64, actor: ActorHash, kind: u64, payload: &[u8]) {
        let mut event = [0u8; 32];
        event[..8].copy_from_slice(&time_ns.to_le_bytes());
        event[8..16].copy_from_slice(&actor.0.to_le_bytes());
        // Turned over, the kind keeps a hash apart from a payload that happens to look like it.
        let (kind, last) = match <[u8; 8]>::try_from(payload) {
            Ok(word) => (kind, word),
            Err(_) => (!kind, xxh3_64(payload).to_le_bytes()),
        };
        event[16..24].copy_from_slice(&kind.to_le_bytes());
        event[24..].copy_from_slice(&last);
        self.0 = xxh3_64_with_seed(&event, self.0);
    }

    /// The hash so far.
    pub fn value(self) -> u64 {
        self.0
    }
}
