//! Small helpers for flows that wait on several things.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Waits for all futures, with at most `limit` of them under way at once: the first ones first.
/// Their results are in the order of the futures.
pub async fn join_some<T, F: Future<Output = T>>(
    futures: impl IntoIterator<Item = F>,
    limit: usize,
) -> Vec<T> {
    let mut waiting = futures.into_iter().enumerate();
    let mut active: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut results: Vec<(usize, T)> = Vec::new();
    poll_fn(|cx| {
        loop {
            let mut ended = false;
            active.retain_mut(|(place, future)| match future.as_mut().poll(cx) {
                Poll::Ready(done) => {
                    results.push((*place, done));
                    ended = true;
                    false
                }
                Poll::Pending => true,
            });
            let room = limit.max(1) - active.len();
            let before = active.len();
            active.extend(waiting.by_ref().take(room).map(|(at, it)| (at, Box::pin(it))));
            if active.is_empty() {
                return Poll::Ready(());
            }
            if active.len() == before && !ended {
                return Poll::Pending;
            }
        }
    })
    .await;
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Waits for all futures, all under way at once; their results are in the order of the futures.
pub async fn join_all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    join_some(futures, usize::MAX).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::task::{Context, Waker};

    #[test]
    fn no_more_than_the_limit_are_under_way_and_results_keep_their_order() {
        let (under_way, most) = (Cell::new(0), Cell::new(0));
        let (under_way, most) = (&under_way, &most);
        // Each future needs as many polls as its number, backwards.
        let futures = (0..20u32).map(|number| async move {
            under_way.set(under_way.get() + 1);
            most.set(most.get().max(under_way.get()));
            let mut polls = 20 - number;
            poll_fn(|_| {
                polls -= 1;
                if polls == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
            under_way.set(under_way.get() - 1);
            number
        });
        let mut all = std::pin::pin!(join_some(futures, 3));
        let mut cx = Context::from_waker(Waker::noop());
        let done = (0..1_000).find_map(|_| match all.as_mut().poll(&mut cx) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        });
        assert_eq!(done, Some((0..20).collect()));
        assert_eq!(most.get(), 3);
    }
}
