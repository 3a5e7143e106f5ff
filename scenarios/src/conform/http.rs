//! An endpoint over HTTP: AWS JSON 1.0, signed, one connection kept alive. A request is sent
//! once: whoever sends it again changes what the history says.

use std::time::Duration;

use serde_json::Value;
use ureq::Agent;
use ureq::http::{Response, StatusCode, Uri};

use crate::conform::sigv4::{Credentials, Scope, amz_date, authorization};
use crate::conform::world::{Answer, Refusal, Request};

/// The version of the API, as targets name it.
const TARGET: &str = "DynamoDB_20120810";
const CONTENT_TYPE: &str = "application/x-amz-json-1.0";
/// Largest answer that is read: a page of a scan has at most 1 MB of items.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Where requests go, and in whose name.
#[derive(Clone, Debug)]
pub struct Address {
    /// The URL, as it was given.
    pub url: String,
    /// The `Host` that it names.
    host: String,
    /// The region that signatures name.
    pub region: String,
    /// Who signs.
    pub credentials: Credentials,
}

impl Address {
    /// An address.
    ///
    /// # Errors
    /// What is wrong with the URL, in one line.
    pub fn new(url: &str, region: &str, credentials: Credentials) -> Result<Self, String> {
        let wrong = |why: &str| format!("'{url}' is no endpoint: {why}");
        let uri: Uri =
            url.parse().map_err(|_| wrong("possible: http://HOST:PORT or https://HOST"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("possible: http://HOST:PORT or https://HOST"));
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(wrong("it must have no path"));
        }
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        if authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(wrong("it names no host, or a user"));
        }
        let visible = |text: &str| text.bytes().all(|it| it.is_ascii_graphic());
        let texts =
            [region, &credentials.access_key, credentials.session_token.as_deref().unwrap_or("")];
        if !texts.iter().all(|it| visible(it)) {
            return Err("a region, key or token consists of visible ASCII characters".to_owned());
        }
        let (url, host) = (url.trim_end_matches('/').to_owned(), authority.as_str().to_owned());
        Ok(Self { url, host, region: region.to_owned(), credentials })
    }
}

/// One connection to an endpoint.
pub struct Connection {
    address: Address,
    agent: Agent,
}

impl Connection {
    /// A connection, made when it is first used. Answers are awaited for so long.
    #[must_use]
    pub fn new(address: &Address, patience: Duration) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(patience))
            .max_idle_connections(1)
            .max_idle_connections_per_host(1)
            .user_agent("stillpoint-conform")
            .accept("*/*")
            .build();
        Self { address: address.clone(), agent: config.new_agent() }
    }

    /// Sends a request, signed at this instant (seconds since 1970), and waits for its answer.
    #[must_use]
    pub fn call(&self, request: &Request, epoch_s: u64) -> Answer {
        match self.send(request, epoch_s) {
            Ok((status, body)) => understood(status, &body),
            Err(error) => Answer::Lost(error.to_string().replace(char::is_control, " ")),
        }
    }

    fn send(&self, request: &Request, epoch_s: u64) -> Result<(StatusCode, Vec<u8>), ureq::Error> {
        let Address { url, host, region, credentials } = &self.address;
        let body = request.input.to_string();
        let (date, target) = (amz_date(epoch_s), format!("{TARGET}.{}", request.operation));
        let mut headers = vec![
            ("host", host.as_str()),
            ("content-type", CONTENT_TYPE),
            ("x-amz-date", &date),
            ("x-amz-target", &target),
        ];
        headers.extend(credentials.session_token.as_deref().map(|it| ("x-amz-security-token", it)));
        let scope = Scope { region, service: "dynamodb", epoch_s };
        let signed = authorization(credentials, &scope, &headers, body.as_bytes());
        let mut post = self.agent.post(format!("{url}/")).header("authorization", signed);
        for (name, value) in headers.iter().filter(|(name, _)| *name != "host") {
            post = post.header(*name, *value);
        }
        let mut response: Response<ureq::Body> = post.send(body.as_bytes())?;
        let body = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok((response.status(), body))
    }
}

/// What an answer means. Only an error of the client's own making says that nothing was done.
fn understood(status: StatusCode, body: &[u8]) -> Answer {
    let parsed: Option<Value> = serde_json::from_slice(body).ok();
    match (status.as_u16(), parsed) {
        (200, Some(output @ Value::Object(_))) => Answer::Done(output),
        (200, _) => Answer::Lost("200 with a body that is no JSON object".to_owned()),
        // 408: the server gave up waiting, at which point nobody can tell.
        (http_status @ 400..=499, error) if http_status != 408 => {
            Answer::Refused(refusal(http_status, &error.unwrap_or_default()))
        }
        (http_status, error) => {
            let Refusal { exception, message, .. } =
                refusal(http_status, &error.unwrap_or_default());
            Answer::Lost(format!("{http_status} {exception} {message}").trim_end().to_owned())
        }
    }
}

fn refusal(http_status: u16, error: &Value) -> Refusal {
    let text = |names: [&str; 2]| {
        let found = names.iter().find_map(|name| error[*name].as_str());
        found.unwrap_or_default().replace(char::is_control, " ")
    };
    let name = text(["__type", "code"]);
    let exception = name.rsplit('#').next().unwrap_or_default().to_owned();
    Refusal { http_status, exception, message: text(["message", "Message"]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Credentials {
        Credentials {
            access_key: "id".to_owned(),
            secret_key: "secret".to_owned(),
            session_token: None,
        }
    }

    #[test]
    fn an_endpoint_is_a_scheme_and_a_host() {
        let host = |url| Address::new(url, "us-east-1", nobody()).map(|it| it.host);
        assert_eq!(host("http://127.0.0.1:8000/").as_deref(), Ok("127.0.0.1:8000"));
        assert_eq!(
            host("https://dynamodb.eu-west-1.amazonaws.com").as_deref(),
            Ok("dynamodb.eu-west-1.amazonaws.com")
        );
        for wrong in [
            "",
            "localhost:8000",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://a/?b",
            "http://me@a",
            "http://a b",
        ] {
            let said = host(wrong).expect_err(wrong);
            assert!(said.lines().count() == 1 && said.contains("no endpoint"), "{said}");
        }
        assert!(Address::new("http://a", "us\r\nevil: 1", nobody()).is_err());
    }

    #[test]
    fn only_an_error_of_the_clients_says_that_nothing_was_done() {
        let of = |status: u16, body: &str| {
            understood(StatusCode::from_u16(status).expect("a status"), body.as_bytes())
        };
        assert!(matches!(of(200, "{}"), Answer::Done(_)));
        assert!(matches!(of(200, "<html>"), Answer::Lost(_)));
        assert!(matches!(of(500, "{}"), Answer::Lost(_)));
        assert!(matches!(of(408, ""), Answer::Lost(_)));
        assert!(matches!(of(302, ""), Answer::Lost(_)));
        let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#BackupNotFoundException",
                       "message":"no\nsuch"}"#;
        let Answer::Refused(refusal) = of(400, body) else { panic!("it is refused") };
        assert_eq!(refusal.to_string(), "400 BackupNotFoundException: no such");
        assert!(matches!(of(404, "not found"), Answer::Refused(_)));
    }
}
