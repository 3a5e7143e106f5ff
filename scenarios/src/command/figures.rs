//! Numbers as people read them. All in integers, so that a figure looks the same everywhere.

/// A count with commas between thousands: `12,345`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count in three digits or so: `987`, `1.2k`, `58k`, `3.4M`.
pub(super) fn abbreviated(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        1_000..10_000 => format!("{}.{}k", number / 1_000, number % 1_000 / 100),
        10_000..1_000_000 => format!("{}k", number / 1_000),
        _ => format!("{}.{}M", number / 1_000_000, number % 1_000_000 / 100_000),
    }
}

/// A duration in the largest unit that keeps a digit before the point: `12.3ms`.
pub(super) fn duration(ns: u64) -> String {
    let (unit_ns, unit) = match ns {
        0 => return "0".to_string(),
        1..1_000 => return format!("{ns}ns"),
        1_000..1_000_000 => (1_000, "us"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    format!("{}.{}{unit}", ns / unit_ns, ns % unit_ns * 10 / unit_ns)
}

/// How many in a second if `number` took `ns`; `-` if no time was measured.
pub(super) fn per_second(number: u64, ns: u64) -> String {
    if ns == 0 {
        return "-".to_string();
    }
    let tenths = u128::from(number) * 10_000_000_000 / u128::from(ns);
    if tenths >= 1000 {
        return count(u64::try_from(tenths / 10).unwrap_or(u64::MAX));
    }
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// `1 seed`, `2 seeds`.
pub(super) fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// A share as a percentage with one decimal. For printing only.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(abbreviated(987), "987");
        assert_eq!(abbreviated(1_250), "1.2k");
        assert_eq!(abbreviated(58_999), "58k");
        assert_eq!(abbreviated(3_450_000), "3.4M");
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        let durations = [0, 640, 12_345, 12_399_999, 61_050_000_000].map(duration);
        assert_eq!(durations, ["0", "640ns", "12.3us", "12.3ms", "61.0s"]);
        assert_eq!(per_second(5, 2_000_000_000), "2.5");
        assert_eq!(per_second(4_000, 2_000_000_000), "2,000");
        assert_eq!(per_second(5, 0), "-");
        assert_eq!([plural(1, "seed"), plural(1_000, "seed")], ["1 seed", "1,000 seeds"]);
        assert_eq!(percent(0.4567), "45.7%");
    }
}
