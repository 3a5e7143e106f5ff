//! Requests as bytes, built once; between two calls only digits of fixed width change, so that
//! making a request costs next to nothing.

use super::http::Endpoint;

/// Digits of an item's number and of its version.
const DIGITS: usize = 10;

/// What such a place holds until it is filled in.
const KEY_HOLE: &str = "KKKKKKKKKK";
const VERSION_HOLE: &str = "VVVVVVVVVV";

/// The attributes of an item besides its filling: "pk", "version" and their values, and the name
/// "filling", in bytes as DynamoDB counts them (names and strings in UTF-8, numbers about a byte
/// for two digits and one more).
const FIXED_BYTES: usize = 2 + 1 + DIGITS + 7 + DIGITS / 2 + 1 + 7;

/// Items that one BatchWriteItem may put (Amazon's limit).
pub(super) const BATCH_ITEMS_MAX: u64 = 25;

/// An HTTP request for an operation with this JSON body.
///
/// The signature is made up: what is measured here are servers that accept any. The credential
/// names a region, which some of them read.
pub(super) fn http(endpoint: &Endpoint, operation: &str, body: &str) -> Vec<u8> {
    let (host, length) = (&endpoint.host, body.len());
    format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Target: DynamoDB_20120810.{operation}\r\n\
         Content-Type: application/x-amz-json-1.0\r\nX-Amz-Date: 20260101T000000Z\r\n\
         Authorization: AWS4-HMAC-SHA256 \
         Credential=AKIDEXAMPLE/20260101/us-east-1/dynamodb/aws4_request, \
         SignedHeaders=host;x-amz-date;x-amz-target, Signature={:064}\r\n\
         Content-Length: {length}\r\n\r\n{body}",
        0
    )
    .into_bytes()
}

/// What a request does with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Get,
    /// BatchWriteItem of this many items with consecutive numbers.
    Batch(u64),
}

/// A request in which the number of the item and its version can be changed.
#[derive(Debug, Clone)]
pub(super) struct Template {
    bytes: Vec<u8>,
    keys: Vec<usize>,
    versions: Vec<usize>,
}

impl Template {
    /// A request on items of `table` of about `item_bytes` bytes.
    pub(super) fn new(endpoint: &Endpoint, table: &str, kind: Kind, item_bytes: u64) -> Template {
        let item = item(item_bytes);
        let request = match kind {
            Kind::Put => {
                let body = format!(r#"{{"TableName":"{table}","Item":{item}}}"#);
                http(endpoint, "PutItem", &body)
            }
            Kind::Get => {
                let key = format!(r#"{{"pk":{{"S":"k{KEY_HOLE}"}}}}"#);
                let read = r#""ConsistentRead":true"#;
                let body = format!(r#"{{"TableName":"{table}","Key":{key},{read}}}"#);
                http(endpoint, "GetItem", &body)
            }
            Kind::Batch(items) => {
                let put = format!(r#"{{"PutRequest":{{"Item":{item}}}}}"#);
                let puts = vec![put; items as usize].join(",");
                let body = format!(r#"{{"RequestItems":{{"{table}":[{puts}]}}}}"#);
                http(endpoint, "BatchWriteItem", &body)
            }
        };
        let places = |hole: &str| places(&request, hole.as_bytes());
        let (keys, versions) = (places(KEY_HOLE), places(VERSION_HOLE));
        Template { bytes: request, keys, versions }
    }

    /// The request for the item of this number, or for those from it on.
    pub(super) fn fill(&mut self, key: u64, version: u64) -> &[u8] {
        for (place, key) in self.keys.iter().zip(key..) {
            write_digits(&mut self.bytes[*place..*place + DIGITS], key);
        }
        for place in &self.versions {
            write_digits(&mut self.bytes[*place..*place + DIGITS], version);
        }
        &self.bytes
    }
}

fn item(item_bytes: u64) -> String {
    let filling = "x".repeat((item_bytes as usize).saturating_sub(FIXED_BYTES).max(1));
    // A number must not begin with zeros if it is to come back as it was sent; hence the one.
    let key = format!(r#""pk":{{"S":"k{KEY_HOLE}"}}"#);
    let version = format!(r#""version":{{"N":"1{VERSION_HOLE}"}}"#);
    format!(r#"{{{key},{version},"filling":{{"S":"{filling}"}}}}"#)
}

fn places(bytes: &[u8], hole: &[u8]) -> Vec<usize> {
    let found = |(_, window): &(usize, &[u8])| *window == hole;
    bytes.windows(hole.len()).enumerate().filter(found).map(|(place, _)| place).collect()
}

fn write_digits(place: &mut [u8], mut number: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(kind: Kind, key: u64, version: u64) -> serde_json::Value {
        let endpoint = Endpoint::parse("http://127.0.0.1:1").expect("an endpoint");
        let mut template = Template::new(&endpoint, "KV", kind, 180);
        let request = String::from_utf8(template.fill(key, version).to_vec()).expect("text");
        let (head, body) = request.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
        serde_json::from_str(body).expect("JSON")
    }

    #[test]
    fn a_put_carries_its_key_its_version_and_the_bytes_asked_for() {
        let item = body(Kind::Put, 42, 7)["Item"].clone();
        assert_eq!(item["pk"]["S"], "k0000000042");
        assert_eq!(item["version"]["N"], "10000000007");
        let filling = item["filling"]["S"].as_str().expect("a string").len();
        assert_eq!(filling + FIXED_BYTES, 180);
        assert_eq!(body(Kind::Get, 42, 7)["Key"]["pk"]["S"], "k0000000042");
    }

    #[test]
    fn a_batch_puts_items_with_consecutive_numbers() {
        let puts = body(Kind::Batch(3), 98, 1)["RequestItems"]["KV"].clone();
        let keys = (0..3).map(|it| puts[it]["PutRequest"]["Item"]["pk"]["S"].clone());
        assert_eq!(keys.collect::<Vec<_>>(), ["k0000000098", "k0000000099", "k0000000100"]);
    }
}
