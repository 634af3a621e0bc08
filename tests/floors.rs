//! The floors: which room may import which, held against what `src/` really says.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Room, and the rooms it may import besides itself.
const TABLE: [(&str, &[&str]); 14] = [
    ("base", &[]),
    ("camera", &["base"]),
    ("detect", &["base"]),
    ("track", &["base"]),
    ("mask", &["base", "detect", "track"]),
    ("encode", &["base", "mask"]),
    ("interlock", &["base"]),
    ("seam", &["base"]),
    ("link", &["base", "encode", "interlock"]),
    ("health", &["base"]),
    ("sandbox", &["base"]),
    ("pipeline", &["base", "camera", "detect", "track", "mask", "encode", "interlock", "seam"]),
    ("config", &["base", "camera", "detect", "track", "mask", "encode", "interlock", "link", "sandbox"]),
    ("regress", &["base", "camera", "detect", "track", "mask", "encode", "interlock", "pipeline", "config"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Whether a file's own code climbs to the crate's root by `super::`, past its room's door.
fn climbs_out(inside: &Path, text: &str) -> bool {
    let depth = inside.components().count() - usize::from(inside.ends_with("mod.rs"));
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let is_test = inside.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
    !is_test && code.contains(&"super::".repeat(depth))
}

/// The rooms that a file names after `crate::`, comments left out.
fn imports(text: &str, problems: &mut Vec<String>) -> BTreeSet<String> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let mut rooms = BTreeSet::new();
    for (start, _) in code.match_indices("crate::") {
        let rest = &code[start + "crate::".len()..];
        if rest.starts_with(['{', '*']) {
            problems.push("names several rooms in one path: write one `use crate::ROOM` each".to_owned());
            continue;
        }
        let room: String = rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
        rooms.insert(room);
    }
    rooms
}

fn room_of(root: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(root).expect("below src").components().next().expect("a name");
    inside.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

#[test]
fn no_room_imports_what_the_table_does_not_list() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 20, "the sources were found");
    let mut problems = Vec::new();
    for file in files {
        let room = room_of(&root, &file);
        if ["lib", "main", "command"].contains(&room.as_str()) {
            continue;
        }
        let mut found = Vec::new();
        let text = fs::read_to_string(&file).expect("readable");
        if climbs_out(file.strip_prefix(&root).expect("below src"), &text) {
            found.push("reaches other rooms by `super`: write `crate::ROOM`".to_owned());
        }
        let rooms = imports(&text, &mut found);
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", file.display())));
        match TABLE.iter().find(|(name, _)| *name == room) {
            None => problems.push(format!("{}: the room `{room}` is not in the table", file.display())),
            Some((_, allowed)) => {
                for import in rooms.iter().filter(|import| **import != room && !allowed.contains(&import.as_str())) {
                    problems.push(format!("{}: `{room}` may not import `{import}`", file.display()));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn only_the_mint_names_the_fields_of_a_redacted_frame() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let minting: Vec<_> = files
        .into_iter()
        .filter(|file| fs::read_to_string(file).expect("readable").contains("RedactedFrame { frame"))
        .map(|file| file.strip_prefix(&root).expect("below src").to_owned())
        .collect();
    assert_eq!(minting, [Path::new("mask/redacted.rs")]);
    // And there is one place in it that makes one.
    let leaf = fs::read_to_string(root.join("mask/redacted.rs")).expect("readable");
    let code = leaf.split("#[cfg(test)]").next().unwrap_or_default();
    let made = ["RedactedFrame { ", "Self { "].map(|literal| code.matches(literal).count());
    assert_eq!(made, [1, 0], "another way to make a redacted frame");
}

#[test]
fn every_file_opens_with_a_line_that_says_what_it_owns() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    for file in files {
        let text = fs::read_to_string(&file).expect("readable");
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() >= 20, "{}: {first}", file.display());
    }
}

/// What may hold `unsafe`, one leaf for each cause: a program tied to our life, the kernel's unions, SIMD, a setting of
/// openh264, calls that give up rights, a watchdog's requests.
const UNSAFE_LEAVES: [&str; 6] = [
    "camera/child_tie.rs",
    "camera/v4l2/asked.rs",
    "detect/int8/kernel",
    "encode/h264/loop_filter.rs",
    "sandbox/kernel.rs",
    "interlock/watchdog_ioctl.rs",
];

#[test]
fn unsafe_stays_in_its_leaf() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let leaf = |file: &PathBuf| UNSAFE_LEAVES.iter().any(|leaf| file.starts_with(root.join(leaf)));
    let (leaves, others): (Vec<_>, Vec<_>) = files.into_iter().partition(leaf);
    assert!(leaves.len() > 5, "the leaves were found");
    for file in others {
        let text = fs::read_to_string(&file).expect("readable");
        let found = ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| text.contains(word));
        assert!(!found, "{}: unsafe outside {UNSAFE_LEAVES:?}", file.display());
    }
}

#[test]
fn the_reader_of_imports_reads_imports() {
    let mut problems = Vec::new();
    let text = "use crate::base::Fault; // crate::config\n//! [`crate::pipeline`]\nfn f() { crate::mask::redact() }";
    assert_eq!(imports(text, &mut problems).into_iter().collect::<Vec<_>>(), ["base", "mask"]);
    imports("use crate::{base, config};", &mut problems);
    assert_eq!(problems.len(), 1, "a list of rooms is not read, so it is refused");
}
