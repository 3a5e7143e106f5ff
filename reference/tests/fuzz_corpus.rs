//! Everything that the fuzzer once found worth keeping, run as an ordinary test.

use std::fs;
use std::path::Path;

#[path = "../fuzz/checks.rs"]
mod checks;

/// Runs a check on each file of a corpus.
fn run(name: &str, check: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut files = 0;
    for entry in fs::read_dir(corpus).expect("the corpus is checked in") {
        let path = entry.expect("it can be listed").path();
        let data = fs::read(&path).expect("a file");
        println!("{}", path.display());
        check(&data);
        files += 1;
    }
    assert!(files >= 5, "{name}: the corpus is gone");
}

#[test]
fn requests() {
    run("request", checks::request);
}

#[test]
fn expressions() {
    run("expression", checks::expression);
}

#[test]
fn texts() {
    run("text", checks::text);
}

#[test]
fn logs() {
    run("wal", checks::wal);
}

#[test]
fn objects() {
    run("archive", checks::archive);
}
