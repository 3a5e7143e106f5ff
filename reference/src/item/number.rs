//! DynamoDB's numbers: exact decimals of at most 38 significant digits.
//!
//! Parsing, canonical text, numeric order, the order-preserving bytes that keys are made of, and
//! the exact sums and differences that update expressions ask for.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Significant digits that a number may have [Developer Guide, "Naming rules and data types"].
const DIGITS_MAX: u32 = 38;
/// The power of ten of the first digit of the smallest magnitude, 1E-130.
const MAGNITUDE_MIN: i64 = -130;
/// The power of ten of the first digit of the greatest magnitude, 9.99..E125.
const MAGNITUDE_MAX: i64 = 125;

/// An exact decimal number: `coefficient` × 10^`exponent`.
///
/// The coefficient never ends in a zero and zero has exponent 0, so equal numbers are equal
/// structures: `"1.0"` and `"1"` parse to the same value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "(i128, i16)", into = "(i128, i16)")]
pub struct Number {
    coefficient: i128,
    exponent: i16,
}

/// Why a text or a stored pair is no number, in Amazon's words.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum NumberError {
    /// Not a decimal number at all.
    #[error("The parameter cannot be converted to a numeric value: {0}")]
    NotNumeric(String),
    /// Precision would be lost, and DynamoDB refuses to round.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooManyDigits,
    /// Magnitude of 1E126 or more.
    #[error(
        "Number overflow. Attempting to store a number with magnitude larger than supported range"
    )]
    Overflow,
    /// Magnitude below 1E-130, and not zero.
    #[error(
        "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    )]
    Underflow,
}

impl Number {
    /// Zero, the only number without significant digits.
    pub const ZERO: Self = Self { coefficient: 0, exponent: 0 };

    /// The exact sum.
    ///
    /// # Errors
    /// It has more than 38 digits, or is out of range. DynamoDB says [`NumberError::Overflow`] of
    /// too many digits as well, for a sum [tests of ScyllaDB's Alternator, which also run against
    /// the live service].
    pub fn checked_add(self, other: Self) -> Result<Self, NumberError> {
        if self == Self::ZERO {
            return Ok(other);
        } else if other == Self::ZERO {
            return Ok(self);
        }
        let (high, low) = match self.exponent >= other.exponent {
            true => (self, other),
            false => (other, self),
        };
        // Where the coefficient that is shifted no longer fits, the sum has at least 39 digits,
        // the last of them the last of `low`, which is no zero.
        let shift = u32::from((high.exponent - low.exponent).unsigned_abs());
        let ten = 10u128.checked_pow(shift).ok_or(NumberError::Overflow)?;
        let shifted = high.coefficient.unsigned_abs().checked_mul(ten);
        let (shifted, small) = (shifted.ok_or(NumberError::Overflow)?, low.coefficient);
        let negative = high.coefficient < 0;
        let (negative, sum) = if negative == (small < 0) {
            let sum = shifted.checked_add(small.unsigned_abs());
            (negative, sum.ok_or(NumberError::Overflow)?)
        } else {
            let opposed = small.unsigned_abs() > shifted;
            (negative != opposed, shifted.abs_diff(small.unsigned_abs()))
        };
        Self::of_magnitude(negative, sum, i64::from(low.exponent)).map_err(|error| match error {
            NumberError::TooManyDigits => NumberError::Overflow,
            other => other,
        })
    }

    /// The exact difference.
    ///
    /// # Errors
    /// Those of [`Number::checked_add`].
    pub fn checked_sub(self, other: Self) -> Result<Self, NumberError> {
        self.checked_add(Self { coefficient: -other.coefficient, ..other })
    }

    /// The bytes that this number counts for in an item: one per two significant digits, and
    /// one more.
    pub fn size_bytes(&self) -> usize {
        1 + self.digit_count().div_ceil(2) as usize
    }

    /// Appends bytes that compare (unsigned, from the left) as the numbers do.
    ///
    /// A sign byte (1 negative, 2 zero, 3 positive), then for other numbers than zero the power
    /// of ten of the first digit plus 130, pairs of digits plus one, and a 0 that ends them. A
    /// negative number has all of this inverted, so that a greater magnitude comes first.
    pub fn encode_ordered(&self, out: &mut Vec<u8>) {
        if self.coefficient == 0 {
            return out.push(SIGN_ZERO);
        }
        let negative = self.coefficient < 0;
        out.push(if negative { SIGN_NEGATIVE } else { SIGN_POSITIVE });
        let start = out.len();
        let magnitude = self.magnitude() - MAGNITUDE_MIN;
        out.push(u8::try_from(magnitude).expect("magnitudes span 256 powers of ten"));
        out.extend(digit_pairs(self.aligned()).map(|pair| pair + 1));
        out.push(PAIRS_END);
        if negative {
            out[start..].iter_mut().for_each(|byte| *byte = !*byte);
        }
    }

    /// Reads what [`Number::encode_ordered`] wrote; `None` for any other bytes.
    pub fn decode_ordered(bytes: &[u8]) -> Option<Self> {
        let (&sign, body) = bytes.split_first()?;
        let flip = match sign {
            SIGN_ZERO => return body.is_empty().then_some(Self::ZERO),
            SIGN_NEGATIVE => 0xff,
            SIGN_POSITIVE => 0,
            _ => return None,
        };
        let (&magnitude, pairs) = body.split_first()?;
        let (&end, pairs) = pairs.split_last()?;
        if end ^ flip != PAIRS_END || pairs.is_empty() || pairs.len() > DIGITS_MAX as usize / 2 {
            return None;
        }
        let mut coefficient = 0i128;
        for pair in pairs {
            let pair = (pair ^ flip).checked_sub(1).filter(|pair| *pair < 100)?;
            coefficient = coefficient * 100 + i128::from(pair);
        }
        let magnitude = i64::from(magnitude ^ flip) + MAGNITUDE_MIN;
        let exponent = magnitude + 1 - 2 * pairs.len() as i64;
        let signed = if flip == 0 { coefficient } else { -coefficient };
        let number = Self::normalized(signed, exponent).ok()?;
        let mut again = Vec::with_capacity(bytes.len());
        number.encode_ordered(&mut again);
        (again == bytes).then_some(number)
    }

    /// The power of ten of the first significant digit.
    fn magnitude(&self) -> i64 {
        i64::from(self.exponent) + i64::from(self.digit_count()) - 1
    }

    fn digit_count(&self) -> u32 {
        self.coefficient.unsigned_abs().checked_ilog10().map_or(0, |log| log + 1)
    }

    /// The digits shifted left until there are 38: comparable at equal magnitudes.
    fn aligned(&self) -> u128 {
        self.coefficient.unsigned_abs() * 10u128.pow(DIGITS_MAX - self.digit_count())
    }

    /// Strips trailing zeros and checks the ranges.
    fn normalized(coefficient: i128, exponent: i64) -> Result<Self, NumberError> {
        Self::of_magnitude(coefficient < 0, coefficient.unsigned_abs(), exponent)
    }

    fn of_magnitude(
        negative: bool,
        mut magnitude: u128,
        mut exponent: i64,
    ) -> Result<Self, NumberError> {
        if magnitude == 0 {
            return Ok(Self::ZERO);
        }
        while magnitude.is_multiple_of(10) {
            magnitude /= 10;
            exponent += 1;
        }
        let digits = magnitude.ilog10() + 1;
        if digits > DIGITS_MAX {
            return Err(NumberError::TooManyDigits);
        }
        let coefficient = i128::try_from(magnitude).expect("38 digits");
        match exponent + i64::from(digits) - 1 {
            first if first > MAGNITUDE_MAX => Err(NumberError::Overflow),
            first if first < MAGNITUDE_MIN => Err(NumberError::Underflow),
            _ => Ok(Self {
                coefficient: if negative { -coefficient } else { coefficient },
                exponent: i16::try_from(exponent).expect("within 167 of the magnitude"),
            }),
        }
    }
}

const SIGN_NEGATIVE: u8 = 1;
const SIGN_ZERO: u8 = 2;
const SIGN_POSITIVE: u8 = 3;
const PAIRS_END: u8 = 0;

/// The 38 digits of `aligned` in pairs, from the left, without the zero pairs at the end.
fn digit_pairs(mut aligned: u128) -> impl Iterator<Item = u8> {
    let mut weight = 10u128.pow(DIGITS_MAX - 2);
    std::iter::from_fn(move || {
        if aligned == 0 {
            return None;
        }
        let pair = aligned / weight;
        aligned %= weight;
        weight = (weight / 100).max(1);
        Some(u8::try_from(pair).expect("two digits"))
    })
}

impl From<i64> for Number {
    fn from(integer: i64) -> Self {
        Self::normalized(i128::from(integer), 0).expect("19 digits are within the limits")
    }
}

impl From<u64> for Number {
    fn from(integer: u64) -> Self {
        Self::normalized(i128::from(integer), 0).expect("20 digits are within the limits")
    }
}

impl From<Number> for (i128, i16) {
    fn from(number: Number) -> Self {
        (number.coefficient, number.exponent)
    }
}

impl TryFrom<(i128, i16)> for Number {
    type Error = NumberError;

    /// Coefficient and power of ten, as they are stored.
    fn try_from((coefficient, exponent): (i128, i16)) -> Result<Self, NumberError> {
        Self::normalized(coefficient, i64::from(exponent))
    }
}

impl FromStr for Number {
    type Err = NumberError;

    /// Parses an optional sign, digits with at most one point, and an optional exponent.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let not_numeric = || NumberError::NotNumeric(text.to_owned());
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, tail)) => (mantissa, parse_exponent(tail).ok_or_else(not_numeric)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(not_numeric());
        }
        let significant = digits.trim_start_matches('0').trim_end_matches('0');
        if significant.len() > DIGITS_MAX as usize {
            return Err(NumberError::TooManyDigits);
        }
        let trailing = digits.len() - digits.trim_end_matches('0').len();
        let coefficient = significant.bytes().fold(0, |sum, b| sum * 10 + i128::from(b - b'0'));
        let exponent = exponent + trailing as i64 - fraction.len() as i64;
        Self::normalized(if negative { -coefficient } else { coefficient }, exponent)
    }
}

/// An optional sign and at least one digit. Beyond a billion the value no longer matters: no
/// item is long enough to bring such a number back into range.
fn parse_exponent(text: &str) -> Option<i64> {
    const ENOUGH: i64 = 1_000_000_000;
    let (sign, digits) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = digits.bytes().fold(0, |sum, b| ENOUGH.min(sum * 10 + i64::from(b - b'0')));
    Some(sign * value)
}

impl fmt::Display for Number {
    /// Plain digits without an exponent, as DynamoDB answers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.coefficient.unsigned_abs().to_string();
        if self.coefficient < 0 {
            f.write_str("-")?;
        }
        let after_point = usize::from((-self.exponent).max(0).unsigned_abs());
        if after_point == 0 {
            let zeros = usize::from(self.exponent.unsigned_abs());
            return write!(f, "{digits}{:0<zeros$}", "");
        }
        match digits.len().checked_sub(after_point) {
            Some(before @ 1..) => write!(f, "{}.{}", &digits[..before], &digits[before..]),
            _ => write!(f, "0.{digits:0>after_point$}"),
        }
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        let sign = self.coefficient.signum();
        sign.cmp(&other.coefficient.signum()).then_with(|| {
            let key = |it: &Self| (it.magnitude(), it.aligned());
            match sign {
                0 => Ordering::Equal,
                1 => key(self).cmp(&key(other)),
                _ => key(other).cmp(&key(self)),
            }
        })
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests;
