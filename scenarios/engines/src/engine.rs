//! Which engine runs a world, and a story told on it.

use std::fmt;
use std::thread;

use stillpoint_scenarios::report::{SeedReport, SeedRequest};
use stillpoint_scenarios::stories::{Drive, tell_on};
use stillpoint_sim::{RunError, World};

/// Who runs the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// The world itself.
    Native,
    /// madsim 0.2.34: picks any ready task; datagrams through its `Endpoint`.
    #[cfg(all(feature = "madsim", madsim))]
    Madsim,
    /// turmoil 0.7.2: a tokio runtime per machine, ticks of a millisecond; datagrams through its
    /// UDP sockets.
    #[cfg(feature = "turmoil")]
    Turmoil,
}

impl fmt::Display for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Native => "native",
            #[cfg(all(feature = "madsim", madsim))]
            Self::Madsim => "madsim",
            #[cfg(feature = "turmoil")]
            Self::Turmoil => "turmoil",
        })
    }
}

impl Engine {
    /// Those that this build has, the native one first.
    pub const ALL: &[Self] = &[
        Self::Native,
        #[cfg(all(feature = "madsim", madsim))]
        Self::Madsim,
        #[cfg(feature = "turmoil")]
        Self::Turmoil,
    ];

    /// The engine of this name, as [`Display`](fmt::Display) writes it.
    ///
    /// # Errors
    /// What there is instead.
    pub fn by_name(name: &str) -> Result<Self, String> {
        let names: Vec<String> = Self::ALL.iter().map(Self::to_string).collect();
        let found = Self::ALL.iter().find(|it| it.to_string() == name);
        found.copied().ok_or_else(|| format!("this build has {}", names.join(", ")))
    }

    /// Tells the story of a request on this engine.
    ///
    /// On a thread of its own: what a thread leaves behind (the hash keys that madsim deals out,
    /// the counters of a thread-local) must not reach the next seed, or a seed found in a sweep
    /// would not be found again alone.
    ///
    /// # Panics
    /// There is no such story or bug, or the story's driver panicked.
    #[must_use]
    pub fn tell(self, request: &SeedRequest) -> SeedReport {
        let told = thread::scope(|it| it.spawn(|| self.tell_here(request)).join());
        told.unwrap_or_else(|why| std::panic::resume_unwind(why))
    }

    fn tell_here(self, request: &SeedRequest) -> SeedReport {
        self.settle(request.seed);
        tell_on(request, &|world, limit_ns, driver| self.run(request.seed, world, limit_ns, driver))
    }

    /// What must be done on a thread before anything else.
    fn settle(self, _seed: u64) {
        #[cfg(all(feature = "madsim", madsim))]
        if self == Self::Madsim {
            crate::on_madsim::deal_hash_keys(_seed);
        }
    }

    /// Runs a world until its driver is done.
    ///
    /// # Errors
    /// As [`World::run`].
    pub fn run(
        self,
        _seed: u64,
        world: &World,
        limit_ns: u64,
        driver: Drive,
    ) -> Result<(), RunError> {
        match self {
            Self::Native => world.run(limit_ns, driver),
            #[cfg(all(feature = "madsim", madsim))]
            Self::Madsim => crate::on_madsim::run(_seed, world, limit_ns, driver),
            #[cfg(feature = "turmoil")]
            Self::Turmoil => crate::on_turmoil::run(_seed, world, limit_ns, driver),
        }
    }
}
