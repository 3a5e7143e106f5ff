//! What a person reads of a run: a line for each thing that matters to the story, with its time.

use std::cell::RefCell;
use std::rc::Rc;

/// The lines of a run so far; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Transcript(Rc<RefCell<Vec<String>>>);

impl Transcript {
    /// Adds a line at this world time.
    pub fn note(&self, now_ns: u64, text: &str) {
        let (ms, us) = (now_ns / 1_000_000, now_ns / 1_000 % 1_000);
        self.0.borrow_mut().push(format!("{ms:>6}.{us:03} ms  {text}"));
    }

    /// The lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().clone()
    }
}
