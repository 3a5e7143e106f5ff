//! Signing requests as AWS asks for it: Signature Version 4, of a POST to `/` whose body is at
//! hand (AWS General Reference, "Signature Version 4 signing process").

use std::fmt::Write as _;

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

/// Whose requests these are.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key's id.
    pub access_key: String,
    /// The secret key; it signs and is never sent.
    pub secret_key: String,
    /// The token of a session, if the keys are those of one.
    pub session_token: Option<String>,
}

// A secret must not end up in a message.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// What is signed for.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The region.
    pub region: &'a str,
    /// The service.
    pub service: &'a str,
    /// The instant of the request, in seconds since 1970.
    pub epoch_s: u64,
}

/// The value of `X-Amz-Date`: `20150830T123600Z`.
#[must_use]
pub fn amz_date(epoch_s: u64) -> String {
    let (days, second) = (epoch_s / 86_400, epoch_s % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{:02}Z", second % 60)
}

/// The date of a day counted from 1970-01-01 (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`).
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// The value of `Authorization` for a POST to `/` with these headers, whose names are in small
/// letters, and this body. Header values have no blanks at their ends.
#[must_use]
pub fn authorization(
    credentials: &Credentials,
    scope: &Scope<'_>,
    headers: &[(&str, &str)],
    body: &[u8],
) -> String {
    let mut headers = headers.to_vec();
    headers.sort_unstable();
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let request = format!("POST\n/\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
    let date = amz_date(scope.epoch_s);
    let day = &date[..8];
    let Scope { region, service, .. } = scope;
    let place = format!("{day}/{region}/{service}/aws4_request");
    let request_hash = hex(&Sha256::digest(request));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{place}\n{request_hash}");
    let secret = format!("AWS4{}", credentials.secret_key);
    let steps = [day, region, service, "aws4_request", &text];
    let signature =
        steps.iter().fold(secret.into_bytes(), |key, step| keyed_hash(&key, step.as_bytes()));
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{place}, SignedHeaders={names}, Signature={}",
        credentials.access_key,
        hex(&signature)
    )
}

fn keyed_hash(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30 12:36:00 UTC, the instant of AWS's test suite.
    const INSTANT_S: u64 = 1_440_938_160;

    fn signed(headers: &[(&str, &str)], body: &str) -> String {
        let credentials = Credentials {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
        };
        let scope = Scope { region: "us-east-1", service: "service", epoch_s: INSTANT_S };
        authorization(&credentials, &scope, headers, body.as_bytes())
    }

    /// `post-vanilla` of AWS's Signature Version 4 test suite.
    #[test]
    fn as_the_test_suite_has_it_without_a_body() {
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")];
        assert_eq!(
            signed(&headers, ""),
            "AWS4-HMAC-SHA256 \
             Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }

    /// `post-x-www-form-urlencoded` of the same.
    #[test]
    fn as_the_test_suite_has_it_with_a_body() {
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("x-amz-date", "20150830T123600Z"),
            ("host", "example.amazonaws.com"),
        ];
        let text = signed(&headers, "Param1=value1");
        assert!(
            text.ends_with(
                "Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"
            ),
            "{text}"
        );
    }

    #[test]
    fn dates_are_civil() {
        assert_eq!(amz_date(INSTANT_S), "20150830T123600Z");
        assert_eq!(amz_date(0), "19700101T000000Z");
        assert_eq!(amz_date(951_782_399), "20000228T235959Z");
        assert_eq!(amz_date(951_868_799), "20000229T235959Z");
        assert_eq!(amz_date(4_102_444_800), "21000101T000000Z");
    }

    #[test]
    fn a_secret_is_not_printed() {
        let credentials = Credentials {
            access_key: "id".to_owned(),
            secret_key: "hush".to_owned(),
            session_token: Some("hush".to_owned()),
        };
        assert!(!format!("{credentials:?}").contains("hush"));
    }
}
