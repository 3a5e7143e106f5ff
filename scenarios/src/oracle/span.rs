//! Intervals, unions of intervals, and the smallest window that meets all of them.
//!
//! The same sweep finds the skew between keys (intervals of instants) and whether one prefix of
//! a log explains all keys (intervals of lengths).

use crate::oracle::bykey::NOBODY;

/// A bound and the operation that forces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) at: u64,
    pub(crate) by: u32,
}

impl Edge {
    /// No bound from below.
    pub(crate) const START: Self = Self { at: 0, by: NOBODY };
    /// No bound from above.
    pub(crate) const NEVER: Self = Self { at: u64::MAX, by: NOBODY };

    pub(crate) fn later(self, other: Self) -> Self {
        if other.at > self.at { other } else { self }
    }

    pub(crate) fn earlier(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }
}

/// One interval, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Edge,
    pub(crate) until: Edge,
}

impl Span {
    pub(crate) fn is_empty(&self) -> bool {
        self.from.at > self.until.at
    }

    /// How far the interval lies from `[from, until]`: 0 if they meet.
    fn distance(&self, from: u64, until: u64) -> u64 {
        self.from.at.saturating_sub(until).max(from.saturating_sub(self.until.at))
    }
}

/// The union of these intervals, as disjoint ones in ascending order.
pub(crate) fn union(mut spans: Vec<Span>) -> Vec<Span> {
    spans.retain(|span| !span.is_empty());
    spans.sort_unstable_by_key(|span| span.from);
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from.at <= last.until.at => {
                last.until = last.until.later(span.until);
            }
            _ => merged.push(span),
        }
    }
    merged
}

/// What is left of disjoint ascending `spans` without the insides of disjoint ascending `holes`;
/// a hole's own ends are left in.
pub(crate) fn without(spans: &[Span], holes: &[Span]) -> Vec<Span> {
    let mut left = Vec::with_capacity(spans.len());
    let mut first = 0;
    for span in spans {
        while holes.get(first).is_some_and(|hole| hole.until.at <= span.from.at) {
            first += 1;
        }
        let mut from = span.from;
        for hole in holes[first..].iter().take_while(|hole| hole.from.at < span.until.at) {
            left.push(Span { from, until: hole.from });
            from = from.later(hole.until);
        }
        left.push(Span { from, until: span.until });
    }
    left.retain(|span| !span.is_empty());
    left
}

/// The unions of all owners, each owner's intervals together and ascending.
#[derive(Debug, Default)]
pub(crate) struct Unions {
    spans: Vec<(u32, Span)>,
}

/// The smallest window that meets every owner's union.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Its length.
    pub(crate) gap: u64,
    pub(crate) from: u64,
    pub(crate) until: u64,
    /// The owner and interval that need the window to reach so late.
    pub(crate) later: (u32, Span),
    /// The owner and interval that need it to reach so early.
    pub(crate) earlier: (u32, Span),
}

impl Unions {
    /// Adds one owner's disjoint ascending intervals; there must be at least one.
    pub(crate) fn add(&mut self, owner: u32, spans: impl IntoIterator<Item = Span>) {
        self.spans.extend(spans.into_iter().map(|span| (owner, span)));
    }

    /// The smallest window that meets every owner's union; `None` when there is no owner.
    ///
    /// A best window either has length 0 or begins at the end of some interval, so the sweep
    /// tries every end in order, keeping for each owner its first interval not yet left behind:
    /// the window must reach to the latest start among those.
    pub(crate) fn window(&self) -> Option<Window> {
        let spans = &self.spans;
        let first = |place: usize| place == 0 || spans[place - 1].0 != spans[place].0;
        let mut latest = (0..spans.len()).filter(|&p| first(p)).max_by_key(|&p| spans[p].1.from)?;
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_unstable_by_key(|&place| (spans[place].1.until.at, place));
        let mut best: Option<(u64, usize, usize)> = None;
        for place in order {
            let gap = spans[latest].1.from.at.saturating_sub(spans[place].1.until.at);
            if best.is_none_or(|(least, ..)| gap < least) {
                best = Some((gap, latest, place));
            }
            let next = place + 1;
            if gap == 0 || next == spans.len() || first(next) {
                break;
            }
            if spans[next].1.from.at > spans[latest].1.from.at {
                latest = next;
            }
        }
        best.map(|(gap, later, earlier)| {
            let ends = (spans[later].1.from.at, spans[earlier].1.until.at);
            let (from, until) = (ends.0.min(ends.1), ends.0.max(ends.1));
            Window { gap, from, until, later: spans[later], earlier: spans[earlier] }
        })
    }

    /// The parts of the unions in `[from, until]`.
    ///
    /// # Errors
    /// The first owner that has no part there, with its nearest interval.
    pub(crate) fn clipped(&self, from: u64, until: u64) -> Result<Self, (u32, Span)> {
        let mut clipped = Self::default();
        for union in self.spans.chunk_by(|one, other| one.0 == other.0) {
            let owner = union[0].0;
            let before = clipped.spans.len();
            clipped.add(owner, union.iter().map(|(_, span)| clip(*span, from, until)).filter(some));
            if clipped.spans.len() == before {
                let nearest = union.iter().min_by_key(|(_, span)| span.distance(from, until));
                return Err(*nearest.expect("a chunk is not empty"));
            }
        }
        Ok(clipped)
    }

    /// How far the owner that lies farthest lies from `[from, until]`.
    pub(crate) fn distance(&self, from: u64, until: u64) -> u64 {
        let unions = self.spans.chunk_by(|one, other| one.0 == other.0);
        let nearest = |union: &[(u32, Span)]| {
            union.iter().map(|(_, span)| span.distance(from, until)).min().unwrap_or(0)
        };
        unions.map(nearest).max().unwrap_or(0)
    }

    /// How many intervals this owner has.
    pub(crate) fn count(&self, owner: u32) -> usize {
        self.spans.iter().filter(|(of, _)| *of == owner).count()
    }
}

fn clip(span: Span, from: u64, until: u64) -> Span {
    Span {
        from: span.from.later(Edge { at: from, by: NOBODY }),
        until: span.until.earlier(Edge { at: until, by: NOBODY }),
    }
}

fn some(span: &Span) -> bool {
    !span.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spans(ends: &[(u64, u64)]) -> Vec<Span> {
        let edge = |at| Edge { at, by: NOBODY };
        ends.iter().map(|&(from, until)| Span { from: edge(from), until: edge(until) }).collect()
    }

    fn holds(spans: &[Span], at: u64) -> bool {
        spans.iter().any(|span| span.from.at <= at && at <= span.until.at)
    }

    fn some_spans() -> impl Strategy<Value = Vec<(u64, u64)>> {
        let span = (0_u64..24, 0_u64..8).prop_map(|(from, length)| (from, from + length));
        prop::collection::vec(span, 1..5)
    }

    proptest! {
        #[test]
        fn a_union_holds_what_its_parts_hold(parts in some_spans()) {
            let merged = union(spans(&parts));
            for at in 0..40 {
                prop_assert_eq!(holds(&merged, at), holds(&spans(&parts), at));
            }
            prop_assert!(merged.windows(2).all(|pair| pair[0].until.at < pair[1].from.at));
        }

        #[test]
        fn without_takes_out_the_insides_only(parts in some_spans(), holes in some_spans()) {
            let (merged, holes) = (union(spans(&parts)), union(spans(&holes)));
            let left = without(&merged, &holes);
            for at in 0..40 {
                let inside = holes.iter().any(|hole| hole.from.at < at && at < hole.until.at);
                prop_assert_eq!(holds(&left, at), holds(&merged, at) && !inside);
            }
        }

        #[test]
        fn no_window_is_smaller(owners in prop::collection::vec(some_spans(), 1..5)) {
            let merged: Vec<Vec<Span>> = owners.iter().map(|parts| union(spans(parts))).collect();
            let mut unions = Unions::default();
            for (owner, spans) in (0..).zip(&merged) {
                unions.add(owner, spans.clone());
            }
            let meets = |from, until| {
                merged.iter().all(|spans| (from..=until).any(|at| holds(spans, at)))
            };
            let least = (0..40)
                .filter_map(|from| (from..40).find(|&until| meets(from, until)).map(|u| u - from))
                .min();
            let window = unions.window().expect("there are owners");
            prop_assert_eq!(Some(window.gap), least);
            prop_assert!(meets(window.from, window.until));
        }
    }
}
