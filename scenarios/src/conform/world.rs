//! What a run stands on: an endpoint that answers, a clock, and writers that go on beside it.

use serde_json::Value;

/// An answer that says that nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub http_status: u16,
    /// The error's name, as `__type` has it behind its last `#`.
    pub exception: String,
    /// Its message.
    pub message: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { http_status, exception, message } = self;
        write!(f, "{http_status} {exception}")?;
        if message.is_empty() { Ok(()) } else { write!(f, ": {message}") }
    }
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// It was done, and this is the response.
    Done(Value),
    /// It was not done.
    Refused(Refusal),
    /// No answer, or one that leaves open whether it was done: why, in a few words.
    Lost(String),
}

/// What a request asks: the operation's name and its input.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The operation, as the API names it.
    pub operation: &'static str,
    /// Its input, as JSON.
    pub input: Value,
}

impl Request {
    /// A request.
    #[must_use]
    pub fn new(operation: &'static str, input: Value) -> Self {
        Self { operation, input }
    }
}

/// The endpoint and the writers, as the operator of a run sees them.
pub trait World {
    /// Nanoseconds on the one clock of the run.
    fn now_ns(&self) -> u64;
    /// Asks the endpoint and waits for its answer; writers go on meanwhile.
    fn call(&self, request: &Request) -> Answer;
    /// Lets time pass; writers go on meanwhile.
    fn sleep(&self, ns: u64);
    /// Whether somebody asked to stop.
    fn interrupted(&self) -> bool;
    /// Lets the writers begin, or go on.
    fn start_writers(&self);
    /// Lets the writers rest, and waits until none waits for an answer.
    fn rest_writers(&self);
    /// Stops the writers for good, and waits until each has its last answer.
    fn stop_writers(&self);
    /// Tells a person how far things are.
    fn tell(&self, text: &str);
}
