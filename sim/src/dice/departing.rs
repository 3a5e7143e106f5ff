//! Where a tape departs from its seed: draws that are replaced, and draws that are muted.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::tape::Muted;

/// What a tape says of one stream.
pub(super) struct Departing {
    pub(super) overrides: BTreeMap<u64, u64>,
    pub(super) muted: Vec<Range<u64>>,
}

impl Departing {
    /// How many draws from `n` on the tape leaves alone, as far as that can be counted.
    pub(super) fn plain_from(&self, n: u64) -> usize {
        let Self { overrides, muted } = self;
        let overridden = overrides.range(n..).next().map(|it| *it.0);
        let muted = muted.iter().filter(|it| it.end > n).map(|it| it.start.max(n));
        let next = muted.chain(overridden).min().unwrap_or(u64::MAX);
        usize::try_from(next - n).unwrap_or(usize::MAX)
    }

    /// Whether the tape departs anywhere from `n` on.
    pub(super) fn is_about(&self, n: u64) -> bool {
        self.overrides.range(n..).next().is_some() || self.muted.iter().any(|it| it.end > n)
    }

    /// What is drawn instead, and whether that is by an override.
    pub(super) fn at(&self, n: u64) -> Option<(u64, bool)> {
        let overridden = self.overrides.get(&n).map(|it| (*it, true));
        let is_muted = || self.muted.iter().any(|it| it.contains(&n));
        overridden.or_else(|| is_muted().then_some((0, false)))
    }
}

/// The tape's muted draws, so that many single names cost no more than few.
pub(super) struct MutedNames {
    exact: BTreeMap<String, Vec<Range<u64>>>,
    patterns: Vec<Muted>,
}

impl MutedNames {
    pub(super) fn new(muted: Vec<Muted>) -> Self {
        let mut exact: BTreeMap<String, Vec<Range<u64>>> = BTreeMap::new();
        let (patterns, names): (Vec<Muted>, _) =
            muted.into_iter().partition(|it| it.names.contains('*'));
        for it in names {
            exact.entry(it.names).or_default().push(it.draws);
        }
        Self { exact, patterns }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    pub(super) fn draws_of(&self, name: &str) -> Vec<Range<u64>> {
        let patterns = self.patterns.iter().filter(|it| it.is_about(name));
        let exact = self.exact.get(name).into_iter().flatten();
        patterns.map(|it| &it.draws).chain(exact).cloned().collect()
    }

    /// Those that are about no name, where `any` says whether one fits.
    pub(super) fn unused(&self, any: impl Fn(&dyn Fn(&str) -> bool) -> bool) -> Vec<String> {
        let patterns = self.patterns.iter().filter(|it| !any(&|name| it.is_about(name)));
        let exact = self.exact.keys().filter(|it| !any(&|name| *it == name));
        patterns.map(|it| &it.names).chain(exact).cloned().collect()
    }
}
