//! What hardly ever happens: one draw for each time it does, not for each time it could.
//!
//! With chance p each time, the number of times without it before it happens is k with
//! probability (1-p)^k p. A draw u from 0 to 1 gives it as log(u) / log(1-p), computed in whole
//! numbers so that every machine finds the same.

/// What happens more often than once in so many times is drawn for each time.
pub(super) const OFTEN: u64 = 8;

/// Binary digits of a logarithm behind the point.
pub(crate) const LOG2_DIGITS: u32 = 48;

/// How far it is to the next time.
#[derive(Default)]
pub(crate) struct Rare {
    /// The chance for which it was drawn; `(0, 0)` if nothing was.
    chance: (u32, u32),
    /// So many times still without it; then once with it.
    left: u64,
}

impl Rare {
    /// Whether it happens this time; `None` if that must be drawn first.
    pub(super) fn ask(&mut self, num: u64, den: u64) -> Option<bool> {
        if (u64::from(self.chance.0), u64::from(self.chance.1)) != (num, den) {
            return None;
        }
        Some(self.count())
    }

    /// Takes a new draw, and says whether it happens this time.
    pub(super) fn draw(&mut self, raw: u64, num: u64, den: u64) -> bool {
        let small = |it| u32::try_from(it).expect("chances are out of a million at most");
        self.chance = (small(num), small(den));
        self.left = times_without(raw, num, den);
        self.count()
    }

    fn count(&mut self) -> bool {
        let happens = self.left == 0;
        match happens {
            true => self.chance = (0, 0),
            false => self.left -= 1,
        }
        happens
    }
}

/// How many times in a row it does not happen: never again for raw 0, and the fewer the larger.
fn times_without(raw: u64, num: u64, den: u64) -> u64 {
    if num == 0 || raw == 0 {
        return u64::MAX;
    }
    // 1-p as a draw of the same scale.
    let others = (u128::from(den - num) << 64) / u128::from(den);
    let per_time = minus_log2(u64::try_from(others).unwrap_or(u64::MAX));
    minus_log2(raw) / per_time.max(1)
}

/// The binary logarithm of `2^64 / raw`, with [`LOG2_DIGITS`] digits behind the point.
pub(crate) fn minus_log2(raw: u64) -> u64 {
    let zeros = raw.leading_zeros();
    // Between 1 and 2, with 63 digits behind the point; each squaring gives one more digit of its
    // logarithm (Knuth, "The Art of Computer Programming", vol. 1, section 1.2.2, exercise 25).
    let mut rest = raw << zeros;
    let mut log = 0u64;
    for _ in 0..LOG2_DIGITS {
        let square = (u128::from(rest) * u128::from(rest)) >> 63;
        let doubled = square >> 64 != 0;
        log = log << 1 | u64::from(doubled);
        rest = (square >> u32::from(doubled)) as u64;
    }
    (u64::from(zeros + 1) << LOG2_DIGITS) - log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_right_to_the_last_digits() {
        let one = 1u64 << LOG2_DIGITS;
        assert_eq!(minus_log2(1 << 63), one);
        assert_eq!(minus_log2(1 << 60), 4 * one);
        assert_eq!(minus_log2(1), 64 * one);
        for raw in [u64::MAX, u64::MAX / 3, 12_345, 3, 1 << 40 | 1] {
            let exact = 64.0 - (raw as f64).log2();
            let found = minus_log2(raw) as f64 / one as f64;
            assert!((found - exact).abs() < 1e-12, "{raw}: {found} for {exact}");
        }
    }

    #[test]
    fn zero_is_never_and_more_is_sooner() {
        assert_eq!(times_without(0, 1, 1_000), u64::MAX);
        assert_eq!(times_without(u64::MAX, 1, 1_000), 0);
        // Half of all draws: the median of one in a thousand is 692.8.
        assert_eq!(times_without(1 << 63, 1, 1_000), 692);
        let raws: Vec<u64> = (1..1_000).map(|it| it << 54).collect();
        assert!(raws.is_sorted_by(|a, b| times_without(*a, 1, 50) >= times_without(*b, 1, 50)));
    }

    #[test]
    fn it_happens_as_often_as_it_should() {
        let world = crate::World::new(crate::Tape::new(4));
        let stream = world.core().dice.borrow_mut().intern("test/rare");
        let (mut rare, mut happened) = (Rare::default(), 0u64);
        for _ in 0..1_000_000 {
            happened +=
                u64::from(world.core().dice.borrow_mut().rarely(&mut rare, 3, 1_000, |_| stream));
        }
        // Four standard deviations of a binomial distribution.
        assert!(happened.abs_diff(3_000) < 220, "{happened} of 3000");
        assert!(world.draws()["test/rare"].abs_diff(happened) <= 1);
    }

    #[test]
    fn another_chance_is_another_draw() {
        let mut rare = Rare::default();
        assert_eq!(rare.ask(1, 100), None);
        assert!(!rare.draw(1 << 63, 1, 100));
        assert_eq!(rare.ask(1, 100), Some(false));
        assert_eq!(rare.ask(1, 200), None);
        assert!(rare.draw(u64::MAX, 1, 200));
        assert_eq!(rare.ask(1, 200), None, "it has happened");
    }
}
