//! An operator who wants the table gone while it is being backed up.

use super::client::Unanswered;
use super::session::{PATIENCE_NS, POLL_NS, Session, TABLE, WAIT_NS_MAX};
use stillpoint_reference::api::{DeleteTableInput, DescribeTableInput, ExceptionName, Request};
use stillpoint_sim::Dice;

/// Between two tries to delete the table pass up to so many nanoseconds.
const INSIST_NS_MAX: u64 = 4_000_000;

impl Session {
    /// Tries to delete the table until that is accepted. `refused` is told of each refusal
    /// because the table is in use. Returns whether it was accepted in time.
    pub async fn insist_on_deletion(&self, dice: &Dice, refused: impl Fn()) -> bool {
        let deadline_ns = self.now_ns() + WAIT_NS_MAX;
        let (mut refusals, input) = (0u64, DeleteTableInput { table_name: TABLE.to_owned() });
        while self.now_ns() < deadline_ns {
            match self.ask(Request::DeleteTable(input.clone()), PATIENCE_NS).await {
                Ok(Ok(_)) => {
                    self.note(&format!("DeleteTable -> accepted after {refusals} refusals"));
                    return true;
                }
                Ok(Err(error)) if error.exception == ExceptionName::ResourceInUse => {
                    refusals += 1;
                    refused();
                }
                Ok(Err(_)) | Err(Unanswered) => {}
            }
            self.host().sleep(dice.range(0..INSIST_NS_MAX)).await;
        }
        false
    }

    /// Waits until nobody finds the table any more. Returns whether that happened in time.
    pub async fn await_deletion(&self) -> bool {
        let deadline_ns = self.now_ns() + WAIT_NS_MAX;
        while self.now_ns() < deadline_ns {
            let input = DescribeTableInput { table_name: TABLE.to_owned() };
            let answer = self.ask(Request::DescribeTable(input), PATIENCE_NS).await;
            if let Ok(Err(error)) = answer
                && error.exception == ExceptionName::ResourceNotFound
            {
                self.note("DescribeTable -> it is gone");
                return true;
            }
            self.host().sleep(POLL_NS).await;
        }
        false
    }
}
