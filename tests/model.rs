//! `voile model check` as a user calls it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::process::{Command, Output};

fn check(file: &[&str]) -> Output {
    let root = env!("CARGO_MANIFEST_DIR");
    let output =
        Command::new(env!("CARGO_BIN_EXE_voile")).args(["model", "check"]).args(file).current_dir(root).output();
    output.expect("voile runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_built_in_network_runs_in_whole_numbers() {
    let output = check(&[]);
    let told = told(&output);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("whole numbers") && told.contains("passes = 3"), "{told}");
    assert_eq!(
        told.lines().filter(|line| line.starts_with("scene") && line.contains("head_leak 0.")).count(),
        3,
        "{told}"
    );
}

#[test]
fn a_network_in_real_numbers_is_taken_too() {
    let output = check(&["tests/models/bright.onnx"]);
    assert!(output.status.success());
    assert!(told(&output).contains("real numbers, tract"), "{}", told(&output));
}

#[test]
fn a_file_that_is_no_detector_gets_one_line_and_exit_code_2() {
    let wrong = [
        ("tests/models/nowhere.onnx", "cannot read the model"),
        ("README.md", "sha256sum"),
        ("tests/models/wrong_output.onnx", "expected"),
    ];
    for (file, part) in wrong {
        let output = check(&[file]);
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{file}: {line}");
        assert!(line.lines().count() == 1 && line.contains(file) && line.contains(part), "{file}: {line}");
    }
}

#[test]
fn damaged_files_whose_hash_is_right_get_one_line_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.onnx");
    let model = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/models/veil.onnx")).expect("the built-in network");
    // An operator that nobody knows among quantised ones.
    let operator = b"QLinearConv";
    let at = model.windows(operator.len()).position(|part| part == operator).expect("an operator");
    let mut other = model.clone();
    other[at..at + operator.len()].copy_from_slice(b"QLinearCony");
    for bytes in [b"This is a text file.".to_vec(), model[..model.len() / 2].to_vec(), other] {
        let hash: String = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(&bytes))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        std::fs::write(&path, &bytes).expect("written");
        std::fs::write(folder.path().join("m.onnx.sha256"), hash).expect("written");
        let output = check(&[path.to_str().expect("plain")]);
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(line.lines().count() == 1 && line.contains("m.onnx"), "{line}");
    }
}
