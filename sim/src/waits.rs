//! On what each task waits: asked of a run that does not come to its end.
//!
//! A future keeps to itself what it waits for. So when somebody asks, every task is polled once
//! more, and those futures of this crate that are not ready say what they wait for; a program can
//! add words of its own with [`Host::waiting`]. Nothing of it costs anything while nobody asks.

use std::cell::RefCell;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use crate::host::{Host, HostId};
use crate::panics::guarded;
use crate::world::World;

thread_local! {
    /// The answers so far, while the question is asked.
    static ANSWERS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Called by a future that is not ready: says what it waits for if somebody asks.
pub(crate) fn waits_for(what: impl FnOnce() -> String) {
    ANSWERS.with_borrow_mut(|answers| {
        if let Some(answers) = answers {
            answers.push(what());
        }
    });
}

/// Whether somebody asks at this moment.
pub(crate) fn is_asked() -> bool {
    ANSWERS.with_borrow(Option::is_some)
}

fn answers_so_far() -> Option<usize> {
    ANSWERS.with_borrow(|it| it.as_ref().map(Vec::len))
}

/// A task that is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Whose it is.
    pub host: HostId,
    /// The host's name and the task's, as in `node-1/main`.
    pub task: String,
    /// What it waits for, innermost last; empty if that is inside the program, as with a channel.
    pub waits_for: Vec<String>,
}

impl fmt::Display for Waiting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.waits_for.is_empty() {
            true => "something inside the program".to_string(),
            false => self.waits_for.join("; "),
        };
        write!(out, "{} waits for {what}", self.task)
    }
}

impl World {
    /// On what every task waits, in the order of hosts and names. A task that finds itself ready
    /// goes a step, so ask when a run is over: what it does afterwards is another run.
    pub fn waiting(&self) -> Vec<Waiting> {
        let core = self.core();
        let mut waiting = Vec::new();
        let slots = core.executor.borrow().slots_len();
        for slot in 0..slots {
            let Some((schedule, mut task)) = core.executor.borrow_mut().take(slot) else {
                continue;
            };
            let host = task.host;
            ANSWERS.set(Some(Vec::new()));
            let mut context = Context::from_waker(&task.waker);
            let polled = guarded(|| task.future.as_mut().poll(&mut context));
            let waits_for = ANSWERS.take().unwrap_or_default();
            if matches!(polled, Ok(Poll::Pending)) && core.is_current(host, task.incarnation) {
                let task_name = core.dice.borrow().name(schedule).replace("schedule.", "");
                waiting.push(Waiting { host, task: task_name, waits_for });
                core.executor.borrow_mut().put_back(slot, task);
            } else {
                core.executor.borrow_mut().release(slot);
                core.drop_task(task);
            }
        }
        waiting.sort_by(|a, b| (a.host, &a.task).cmp(&(b.host, &b.task)));
        waiting
    }
}

impl Host {
    /// Waits for a future, and says in these words what for, should somebody ask
    /// ([`World::waiting`]).
    pub async fn waiting<T>(
        &self,
        what: impl Fn() -> String,
        future: impl Future<Output = T>,
    ) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            let before = answers_so_far();
            let polled = future.as_mut().poll(context);
            if let (Some(before), Poll::Pending) = (before, &polled) {
                ANSWERS.with_borrow_mut(|it| {
                    if let Some(answers) = it {
                        answers.insert(before.min(answers.len()), what());
                    }
                });
            }
            polled
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use bytes::Bytes;

    use crate::{Tape, World};

    #[test]
    fn a_stuck_run_says_who_waits_for_what() {
        let world = World::new(Tape::new(1));
        let node = world.add_host("node-1", "zone-a");
        world.boot(node, |host| async move {
            let stuck = host.clone();
            host.spawn("quorum", async move {
                let never = pending::<()>();
                stuck.waiting(|| "the quorum of partition 7".to_string(), never).await;
            });
            let sleeper = host.clone();
            host.spawn("sleep", async move { sleeper.sleep(5_000_000_000).await });
            host.spawn("inside", pending());
            let file = host.disk().create("log").await.expect("disks work here");
            let putting = host.objects().put("key", Bytes::new());
            let storing = async {
                file.append(Bytes::from_static(b"entry")).await.expect("disks work here");
                putting.await
            };
            host.waiting(|| "the archive".to_string(), storing).await.ok();
        });
        let driver = world.driver();
        world.run(1_000_000, async move { driver.receive().await }).expect_err("nobody sends");
        let lines: Vec<String> = world.waiting().iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "node-1/inside waits for something inside the program",
                "node-1/main waits for the archive; the answer to object.put",
                "node-1/quorum waits for the quorum of partition 7",
                "node-1/sleep waits for time to pass, until 5.000000 s",
            ]
        );
    }
}
