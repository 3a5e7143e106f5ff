//! What goes along in the world from operation to operation, and writes down or strikes.

use std::collections::BTreeMap;

use super::coordinates::{Coordinates, Side, Site};
use super::survey::{Survey, Surveyor};
use crate::core::Core;
use crate::host::HostId;
use crate::operation::{CrashKind, OperationKind};

/// Counts the operations of a span.
pub(crate) struct Walker {
    role: Role,
    is_in_span: bool,
    counts: BTreeMap<(HostId, OperationKind), u64>,
    /// The operation that goes on, with its number.
    current: Option<(HostId, OperationKind, u64)>,
}

enum Role {
    Surveys(Surveyor),
    Strikes(Striking),
}

/// A crash that waits for its operation.
pub(super) struct Striking {
    at: Coordinates,
    down_ns: u64,
    /// The hash of the surveyed world at this moment: in another the outcomes are others.
    surveyed: u64,
    /// The hash of the world when it struck.
    struck_at: Option<u64>,
}

impl Striking {
    pub(super) fn new(at: Coordinates, down_ns: u64, surveyed: u64) -> Self {
        Self { at, down_ns, surveyed, struck_at: None }
    }
}

impl Walker {
    fn new(role: Role) -> Self {
        Self { role, is_in_span: false, counts: BTreeMap::new(), current: None }
    }

    pub(super) fn surveying(outcomes_max: usize) -> Self {
        Self::new(Role::Surveys(Surveyor::new(outcomes_max)))
    }

    pub(super) fn striking(striking: Striking) -> Self {
        Self::new(Role::Strikes(striking))
    }

    pub(super) fn set_span(&mut self, on: bool) {
        self.is_in_span = on;
        self.current = None;
    }

    pub(super) fn into_survey(self) -> Survey {
        match self.role {
            Role::Surveys(surveyor) => surveyor.into_survey(),
            Role::Strikes(_) => Survey::default(),
        }
    }

    /// The hash of the world right before the crash, if there was one.
    pub(super) fn struck_at(&self) -> Option<u64> {
        match &self.role {
            Role::Surveys(_) => None,
            Role::Strikes(striking) => striking.struck_at,
        }
    }

    fn count(&mut self, host: HostId, kind: OperationKind) {
        self.current = None;
        if self.is_in_span && kind.is_walked() && host != HostId::DRIVER {
            let count = self.counts.entry((host, kind)).or_default();
            *count += 1;
            self.current = Some((host, kind, *count));
        }
    }

    /// The run is at a moment: gives the crash that falls there.
    fn come_to(&mut self, core: &Core, side: Side) -> Option<(HostId, Crash)> {
        let (host, kind, nth) = self.current?;
        let name = |core: &Core| core.hosts.borrow()[host.index()].name.to_string();
        match &mut self.role {
            Role::Surveys(surveyor) => {
                surveyor.note(core, host, Site { host: name(core), kind, nth, side });
                None
            }
            Role::Strikes(striking) => {
                let site = &striking.at.site;
                let is_there = (site.kind, site.nth, site.side) == (kind, nth, side);
                if !is_there || striking.struck_at.is_some() || site.host != name(core) {
                    return None;
                }
                self.current = None;
                striking.fall(core.log.borrow().hash()).map(|crash| (host, crash))
            }
        }
    }
}

impl Striking {
    /// Its moment has come.
    fn fall(&mut self, hash: u64) -> Option<Crash> {
        self.struck_at = Some(hash);
        let Coordinates { crash, outcome, .. } = self.at;
        let is_as_surveyed = hash == self.surveyed;
        is_as_surveyed.then_some(Crash { kind: crash, outcome, down_ns: self.down_ns })
    }
}

/// A crash whose moment has come.
struct Crash {
    kind: CrashKind,
    outcome: usize,
    down_ns: u64,
}

impl Core {
    /// An operation is about to take effect: true if the host dies before it does.
    pub(crate) fn walk_comes_to(&self, host: HostId, kind: OperationKind) -> bool {
        if let Some(walker) = &mut *self.operations.walker.borrow_mut() {
            walker.count(host, kind);
        }
        self.walk_is_at(Side::Before)
    }

    /// The operation has taken effect.
    pub(crate) fn walk_goes_on(&self) {
        self.walk_is_at(Side::After);
        if let Some(walker) = &mut *self.operations.walker.borrow_mut() {
            walker.current = None;
        }
    }

    fn walk_is_at(&self, side: Side) -> bool {
        let mut walker = self.operations.walker.borrow_mut();
        let Some((host, crash)) = walker.as_mut().and_then(|it| it.come_to(self, side)) else {
            return false;
        };
        drop(walker);
        self.strike(host, &crash);
        true
    }

    /// The machine dies of this crash, and is started again later unless somebody else does.
    fn strike(&self, host: HostId, crash: &Crash) {
        let is_settled = self.disks.borrow_mut()[host.index()].settle(crash.kind, crash.outcome);
        assert!(is_settled, "a disk has the outcomes that the survey found in the same run");
        self.die_midway(host, crash.kind);
        self.disks.borrow_mut()[host.index()].unsettle();
        let up_ns = self.now_ns.get().saturating_add(crash.down_ns);
        let start = move |world: &crate::World| {
            if !world.is_up(host) {
                world.restart(host);
            }
        };
        self.call_at(up_ns, Box::new(start));
    }
}
