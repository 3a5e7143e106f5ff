//! Numbers against a model that writes them out as 520 plain digits.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

fn number(text: &str) -> Number {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A number as its sign, its digits and the power of ten behind them: the model of the laws.
fn parts() -> impl Strategy<Value = (bool, String, i32)> {
    (any::<bool>(), "[1-9][0-9]{0,37}", -130..=125i32).prop_map(|(negative, digits, magnitude)| {
        // The first digit stands at `magnitude`, so that every number is in range.
        let exponent = magnitude + 1 - i32::try_from(digits.len()).expect("at most 38");
        (negative, digits, exponent)
    })
}

fn text((negative, digits, exponent): &(bool, String, i32)) -> String {
    format!("{}{digits}e{exponent}", if *negative { "-" } else { "" })
}

/// A number as plain digits, all with 260 before and 260 behind the point: numeric order is
/// then the order of texts.
fn fixed_point((negative, digits, exponent): &(bool, String, i32)) -> (bool, String) {
    let zeros = usize::try_from(exponent + 260).expect("at least 10^-167");
    (*negative, format!("{:0>520}", format!("{digits}{}", "0".repeat(zeros))))
}

fn model_order(left: &(bool, String, i32), right: &(bool, String, i32)) -> Ordering {
    match (fixed_point(left), fixed_point(right)) {
        ((false, left), (false, right)) => left.cmp(&right),
        ((true, left), (true, right)) => right.cmp(&left),
        ((left, _), (right, _)) => right.cmp(&left),
    }
}

fn encoded(number: Number) -> Vec<u8> {
    let mut bytes = Vec::new();
    number.encode_ordered(&mut bytes);
    bytes
}

#[test]
fn prints_plain_digits() {
    for (given, printed) in [
        ("0", "0"),
        ("-0.00e9", "0"),
        ("1.0", "1"),
        ("+007.50", "7.5"),
        ("0000000000000000000000000000000000000000001", "1"),
        ("1.0000000000000000000000000000000000000000", "1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("-12.3e1", "-123"),
        ("12e3", "12000"),
        ("1E-3", "0.001"),
        ("-123.456", "-123.456"),
        ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ("0e99999999999999999999", "0"),
    ] {
        assert_eq!(number(given).to_string(), printed, "{given}");
    }
    assert_eq!(number("1e125").to_string().len(), 126);
    assert_eq!(number("1e-130").to_string(), format!("0.{}1", "0".repeat(129)));
}

#[test]
fn refuses_in_amazons_words() {
    for text in ["", "-", ".", "e5", "1e", "1e+", "1.2.3", " 1", "1 ", "0x10", "NaN", "--1", "1_0"]
    {
        let error = text.parse::<Number>().expect_err(text);
        assert_eq!(error, NumberError::NotNumeric(text.to_owned()));
    }
    let digits = |count| "1".repeat(count);
    assert_eq!(digits(39).parse::<Number>(), Err(NumberError::TooManyDigits));
    assert_eq!("1e126".parse::<Number>(), Err(NumberError::Overflow));
    assert_eq!("-1e99999999999999999999".parse::<Number>(), Err(NumberError::Overflow));
    assert_eq!("9.9e-131".parse::<Number>(), Err(NumberError::Underflow));
    assert_eq!("1e-99999999999999999999".parse::<Number>(), Err(NumberError::Underflow));
    number(&format!("{}e88", "9".repeat(38)));
}

#[test]
fn counts_one_byte_for_two_digits() {
    for (text, size) in [("0", 1), ("7", 2), ("1200", 2), ("-123", 3), ("0.00012345", 4)] {
        assert_eq!(number(text).size_bytes(), size, "{text}");
    }
}

#[test]
fn stored_pairs_are_checked() {
    assert_eq!(Number::try_from((1200, -2)), Ok(number("12")));
    assert_eq!(Number::try_from((i128::MAX, 0)), Err(NumberError::TooManyDigits));
    assert_eq!(Number::try_from((1, 126)), Err(NumberError::Overflow));
    let bytes = postcard::to_stdvec(&(1i128, 300i16)).expect("plain data");
    postcard::from_bytes::<Number>(&bytes).expect_err("beyond the range");
}

#[test]
fn sums_are_exact_or_refused() {
    for (left, right, sum) in [
        ("1", "10000000000000000000000", "10000000000000000000001"),
        ("0.1", "0.2", "0.3"),
        ("0", "1e125", &number("1e125").to_string()),
        ("5", "-5", "0"),
        ("1e-130", "0", &number("1e-130").to_string()),
        ("1e38", "-1", "99999999999999999999999999999999999999"),
        ("-1e38", "1", "-99999999999999999999999999999999999999"),
        (
            "19e37",
            "-99999999999999999999999999999999999999",
            "90000000000000000000000000000000000001",
        ),
        ("9e37", "9e37", "180000000000000000000000000000000000000"),
        ("95e36", "5e36", "100000000000000000000000000000000000000"),
        ("-7.5", "-0.5", "-8"),
    ] {
        let (a, b) = (number(left), number(right));
        assert_eq!(a.checked_add(b), Ok(number(sum)), "{left} + {right}");
        assert_eq!(b.checked_add(a), Ok(number(sum)), "{right} + {left}");
        assert_eq!(number(sum).checked_sub(b), Ok(a), "{sum} - {right}");
    }
    for (left, right) in [("1e50", "1"), ("9e125", "9e125"), ("1e125", "1e-130"), ("1e39", "-1")] {
        assert_eq!(number(left).checked_add(number(right)), Err(NumberError::Overflow));
        assert_eq!(number(right).checked_add(number(left)), Err(NumberError::Overflow));
    }
    let nines = number("99999999999999999999999999999999999999");
    assert_eq!(nines.checked_add(nines), Err(NumberError::Overflow));
    assert_eq!(number("1.1e-130").checked_sub(number("1e-130")), Err(NumberError::Underflow));
}

/// The exact sum of two numbers, each as its sign and its 520 digits, by school arithmetic.
fn model_sum(left: (bool, String), right: (bool, String)) -> (bool, String) {
    let ((left_negative, left), (right_negative, right)) = (left, right);
    let (larger, smaller, negative) = match left >= right {
        true => (&left, &right, left_negative),
        false => (&right, &left, right_negative),
    };
    let sign = if left_negative == right_negative { 1 } else { -1 };
    let mut carry = 0i32;
    let mut digits: Vec<u8> = Vec::new();
    for (a, b) in larger.bytes().rev().zip(smaller.bytes().rev()) {
        let sum = i32::from(a - b'0') + sign * i32::from(b - b'0') + carry;
        carry = sum.div_euclid(10);
        digits.push(b'0' + u8::try_from(sum.rem_euclid(10)).expect("a digit"));
    }
    digits.reverse();
    (negative, String::from_utf8(digits).expect("digits"))
}

proptest! {
    #[test]
    fn sums_are_the_models(left in parts(), right in parts()) {
        let (a, b) = (number(&text(&left)), number(&text(&right)));
        let (negative, digits) = model_sum(fixed_point(&left), fixed_point(&right));
        let sign = if negative { "-" } else { "" };
        let expected = format!("{sign}{digits}e-260").parse::<Number>();
        let expected = expected.map_err(|error| match error {
            NumberError::TooManyDigits => NumberError::Overflow,
            other => other,
        });
        prop_assert_eq!(a.checked_add(b), expected);
    }

    #[test]
    fn near_sums_are_the_models(
        left in any::<i64>(), right in any::<i64>(), shift in -20i32..20
    ) {
        let at = |value: i64, exponent: i32| number(&format!("{value}e{exponent}"));
        let parts = |value: i64, exponent| (value < 0, value.unsigned_abs().to_string(), exponent);
        let (a, b) = (at(left, 0), at(right, shift));
        let (negative, digits) =
            model_sum(fixed_point(&parts(left, 0)), fixed_point(&parts(right, shift)));
        let sum = format!("{}{digits}e-260", if negative { "-" } else { "" }).parse::<Number>();
        match sum {
            Ok(sum) => {
                prop_assert_eq!(a.checked_add(b), Ok(sum));
                prop_assert_eq!(sum.checked_sub(b), Ok(a));
            }
            Err(_) => prop_assert_eq!(a.checked_add(b), Err(NumberError::Overflow)),
        }
    }

    #[test]
    fn order_is_the_models(left in parts(), right in parts()) {
        let (a, b) = (number(&text(&left)), number(&text(&right)));
        prop_assert_eq!(a.cmp(&b), model_order(&left, &right));
        prop_assert_eq!(a == b, model_order(&left, &right).is_eq());
        let sign = if left.0 { Ordering::Less } else { Ordering::Greater };
        prop_assert_eq!(a.cmp(&Number::ZERO), sign);
    }

    #[test]
    fn near_numbers_are_ordered(base in -1000i64..1000, scale in -3i32..3, step in 1i64..9) {
        let at = |value: i64| number(&format!("{value}e{scale}"));
        prop_assert!(at(base) < at(base + step));
        prop_assert!(encoded(at(base)) < encoded(at(base + step)));
    }

    #[test]
    fn key_bytes_keep_the_order(left in parts(), right in parts()) {
        let (a, b) = (number(&text(&left)), number(&text(&right)));
        prop_assert_eq!(encoded(a).cmp(&encoded(b)), a.cmp(&b));
        prop_assert_eq!(Number::decode_ordered(&encoded(a)), Some(a));
    }

    #[test]
    fn what_is_printed_reads_the_same(parts in parts()) {
        let value = number(&text(&parts));
        prop_assert_eq!(number(&value.to_string()), value);
        let bytes = postcard::to_stdvec(&value).expect("plain data");
        prop_assert_eq!(postcard::from_bytes::<Number>(&bytes), Ok(value));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[-+0-9.eE ]{0,60}|\\PC{0,20}") {
        if let Ok(value) = text.parse::<Number>() {
            prop_assert_eq!(number(&value.to_string()), value);
        }
    }

    #[test]
    fn bytes_that_no_number_has_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        if let Some(value) = Number::decode_ordered(&bytes) {
            prop_assert_eq!(encoded(value), bytes);
        }
    }
}
