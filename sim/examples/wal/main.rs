//! A naive write-ahead log, and how disk faults alone find one of its mistakes after the other:
//! `cargo run -p stillpoint-sim --example wal`.
#![allow(unreachable_pub, reason = "it reads as a crate of its own would")]

mod hunt;
mod story;
mod wal;

fn main() {
    print!("{}", story::story(300));
}
