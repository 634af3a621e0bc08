//! The licences of everything the binary is built from: each must allow use without sharing voile's own source.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::collections::{BTreeSet, HashMap};
use std::process::Command;

/// Permissive licences, by SPDX name.
const ALLOWED: [&str; 13] = [
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Zlib",
    "0BSD",
    "Unlicense",
    "Unicode-3.0",
    "BlueOak-1.0.0",
    "IJG",
    "NCSA",
    "ISC",
];

/// Whether an SPDX expression can be met with [`ALLOWED`] alone. A slash is an old way to write OR.
fn allowed(expression: &str) -> bool {
    let expression = expression.trim();
    for (word, all) in [(" AND ", true), (" OR ", false), ("/", false)] {
        let parts = split_outside(expression, word);
        if parts.len() > 1 {
            return if all { parts.iter().all(|part| allowed(part)) } else { parts.iter().any(|part| allowed(part)) };
        }
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => allowed(inner),
        None => ALLOWED.contains(&expression),
    }
}

/// The parts of an expression between a word that stands outside brackets.
fn split_outside<'a>(expression: &'a str, word: &str) -> Vec<&'a str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    for (at, _) in expression.match_indices(word) {
        let before = &expression[..at];
        if before.matches('(').count() == before.matches(')').count() {
            parts.push(&expression[start..at]);
            start = at + word.len();
        }
    }
    parts.push(&expression[start..]);
    parts
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    for good in ["MIT", "GPL-3.0 OR MIT", "(MIT OR Apache-2.0) AND IJG", "Unlicense/MIT", "MIT / Apache-2.0"] {
        assert!(allowed(good), "{good}");
    }
    for bad in
        ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND AGPL-3.0", "LGPL-2.1-or-later", "", "Proprietary"]
    {
        assert!(!allowed(bad), "{bad}");
    }
}

#[test]
fn nothing_in_the_binary_has_a_licence_that_would_bind_it() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--all-features"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let nodes: HashMap<&str, &serde_json::Value> = metadata["resolve"]["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| (node["id"].as_str().expect("an id"), node))
        .collect();
    // Everything reachable from the crate except through its tests' own dependencies.
    let mut waiting = vec![metadata["resolve"]["root"].as_str().expect("a root")];
    let mut reached = BTreeSet::new();
    while let Some(id) = waiting.pop() {
        if !reached.insert(id) {
            continue;
        }
        for dependency in nodes[id]["deps"].as_array().expect("dependencies") {
            let kinds = dependency["dep_kinds"].as_array().expect("kinds");
            if kinds.iter().any(|kind| kind["kind"] != "dev") {
                waiting.push(dependency["pkg"].as_str().expect("an id"));
            }
        }
    }
    assert!(reached.len() > 100, "the graph was walked");
    let bad: Vec<String> = metadata["packages"]
        .as_array()
        .expect("packages")
        .iter()
        .filter(|package| reached.contains(package["id"].as_str().expect("an id")))
        .filter(|package| !allowed(package["license"].as_str().unwrap_or_default()))
        .map(|package| format!("{} {}: {}", package["name"], package["version"], package["license"]))
        .collect();
    assert!(bad.is_empty(), "licences that are not allowed:\n{}", bad.join("\n"));
}
