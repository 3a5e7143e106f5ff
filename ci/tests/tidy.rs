//! Properties of the files of this repository. Each rule is a function from a text to what is
//! wrong with it, and has a test of its own; one test applies them all.

use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Longest line of a source file, in characters; rustfmt leaves strings and comments alone.
const LINE_CHARS_MAX: usize = 100;

/// Words that must not stay in the code, each with what to write instead. Split in two, so that
/// this file may name them.
const BANNED: [((&str, &str), &str); 5] = [
    (("todo", "!("), "write it, or leave it out"),
    (("unimplemented", "!("), "write it, or leave it out"),
    (("dbg", "!("), "return the value to whoever prints it"),
    (("FIX", "ME"), "fix it, or say as a sentence what is not done and why"),
    (("XX", "X"), "say as a sentence what is meant"),
];

/// A source file says at its head what it is for.
fn without_header(text: &str) -> Option<String> {
    let ok = text.starts_with("//!") || text.starts_with("#!");
    (!ok).then(|| "1: begins without `//!`: say what the file is for".to_string())
}

fn banned_words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, line) in text.lines().enumerate() {
        for ((head, tail), instead) in BANNED {
            if line.contains(&format!("{head}{tail}")) {
                found.push(format!("{}: `{head}{tail}`: {instead}", place + 1));
            }
        }
    }
    found
}

fn long_lines(text: &str) -> Vec<String> {
    let long = |(_, line): &(usize, &str)| line.chars().count() > LINE_CHARS_MAX;
    let report = |(place, _)| format!("{}: longer than {LINE_CHARS_MAX} characters", place + 1);
    text.lines().enumerate().filter(long).map(report).collect()
}

/// The paths that a map names: list items that begin with a path between backticks.
fn mapped_paths(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("- `")?.split('`').next()).collect()
}

/// A decision record begins with a title, so that a list of files can be read.
fn without_title(text: &str) -> Option<String> {
    let titled = text.lines().next().is_some_and(|line| line.starts_with("# ") && line.len() > 2);
    (!titled).then(|| "1: begins without a title (`# ...`)".to_string())
}

/// All files below a directory whose names end so, in a fixed order, without build output.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = std::fs::read_dir(directory) else {
        return found;
    };
    for entry in entries {
        let path = entry.expect("a directory of the repository can be listed").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("a file of the repository is text")
}

#[test]
fn the_repository_is_tidy() {
    let root = Path::new(ROOT);
    let sources = files(root, "rs");
    assert!(sources.len() > 5, "the sources were not found");
    let mut wrong = Vec::new();
    let mut note = |path: &Path, found: Vec<String>| {
        let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
        wrong.extend(found.into_iter().map(|what| format!("{name}:{what}")));
    };
    for path in &sources {
        let text = read(path);
        note(path, without_header(&text).into_iter().collect());
        note(path, banned_words(&text));
        note(path, long_lines(&text));
    }
    for path in files(&root.join("docs").join("decisions"), "md") {
        note(&path, without_title(&read(&path)).into_iter().collect());
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_path_the_map_names_exists() {
    let readme = Path::new(ROOT).join("README.md");
    if readme.exists() {
        for path in mapped_paths(&read(&readme)) {
            assert!(Path::new(ROOT).join(path).exists(), "README.md names {path}, which is gone");
        }
    }
}

#[test]
fn a_header_is_demanded() {
    assert_eq!(without_header("//! A file.\nuse x;\n"), None);
    assert_eq!(without_header("#![no_std]\n"), None);
    assert!(without_header("use x;\n//! Too late.\n").is_some());
    assert!(without_header("").is_some());
}

#[test]
fn banned_words_are_found_with_their_replacement() {
    assert!(banned_words("let todo = 1; // dbg the rest\n").is_empty());
    for ((head, tail), instead) in BANNED {
        let found = banned_words(&format!("fine\n    {head}{tail}\n"));
        assert_eq!(found, [format!("2: `{head}{tail}`: {instead}")]);
    }
}

#[test]
fn long_lines_are_counted_in_characters() {
    let fits = "ü".repeat(LINE_CHARS_MAX);
    assert!(long_lines(&fits).is_empty());
    assert_eq!(long_lines(&format!("fine\n{fits}ü\n")).len(), 1);
}

#[test]
fn the_map_is_its_list_of_paths() {
    let text = "# Map\n- `sim/`: the world\n- plain\n  - `inner`\n- `ci/tests/tidy.rs` checks\n";
    assert_eq!(mapped_paths(text), ["sim/", "ci/tests/tidy.rs"]);
}

#[test]
fn a_decision_has_a_title() {
    assert_eq!(without_title("# One cut for all partitions\n\nText.\n"), None);
    assert!(without_title("Text without a title.\n").is_some());
    assert!(without_title("# \n").is_some() && without_title("").is_some());
}
