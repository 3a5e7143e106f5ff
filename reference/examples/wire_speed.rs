//! How long the codec takes for the requests that come most often. It measures this machine, now;
//! run it with `--release`.

use std::hint::black_box;

use stillpoint_reference::api::{GetItemOutput, Operation, PutItemInput, Request, Response};
use stillpoint_reference::item::{AttributeValue, Item, item_size};
use stillpoint_reference::wire::{decode, encode_request, encode_response, target};

const ROUNDS: u32 = 20;
const RUNS_PER_ROUND: u32 = 20_000;

/// An item of 200 bytes: a key, four short attributes and a text.
fn item() -> Item {
    let attributes = [
        ("id", AttributeValue::from("customer-0000000042")),
        ("sequence", AttributeValue::from(123_456)),
        ("price", AttributeValue::N("19.90".parse().expect("a number"))),
        ("open", AttributeValue::Bool(true)),
        ("tag", AttributeValue::B(vec![7; 12].into())),
        ("note", AttributeValue::S("x".repeat(124))),
    ];
    attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The nanoseconds that one run took in the fastest round, and in the median one.
#[expect(clippy::disallowed_methods, reason = "it measures the machine, not the world")]
fn measured(mut run: impl FnMut()) -> (u128, u128) {
    let mut rounds: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let begun = std::time::Instant::now();
            for _ in 0..RUNS_PER_ROUND {
                run();
            }
            begun.elapsed().as_nanos() / u128::from(RUNS_PER_ROUND)
        })
        .collect();
    rounds.sort_unstable();
    (rounds[0], rounds[rounds.len() / 2])
}

fn main() {
    let item = item();
    let size = item_size(&item);
    let put = Request::PutItem(PutItemInput::new("orders", item.clone()));
    let got = Response::GetItem(GetItemOutput { item: Some(item) });
    let (body, target) = (encode_request(&put), target(Operation::PutItem));
    println!("an item of {size} bytes, a body of {} bytes; ns, fastest and median", body.len());
    let show = |what, (fastest, median)| println!("{what:<26}{fastest:>7}{median:>7}");
    show("PutItem decoded", measured(|| drop(black_box(decode(&target, black_box(&body))))));
    let validated = measured(|| {
        let request = decode(&target, black_box(&body)).expect("it is a request");
        black_box(request.validate()).expect("and valid");
    });
    show("PutItem decoded, validated", validated);
    show(
        "GetItem response encoded",
        measured(|| drop(black_box(encode_response(black_box(&got))))),
    );
}
