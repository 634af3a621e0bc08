//! The way in, attacks on both sides from inside, and the proof that no row of the system call table is spare.
//!
//! A program of its own without a test harness, as a side must have one thread when it gives up its rights: the parent
//! runs itself again for each row, and reads the kernel's answer from how that child ended. It needs /proc, a folder to
//! write to (TMPDIR or /tmp) and nothing else, so it also runs in a bare virtual machine:
//!
//! ```text
//! sandbox                 all three tables, exit code 1 if a row is not as it must be
//! sandbox entry|attacks|rows    one of them
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

mod attacks;
mod child;
mod entry;
mod raid;
mod rows;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["child", rest @ ..] => child::main(rest),
        ["attacks"] => verdict(raid::run()),
        ["rows"] => verdict(rows::run()),
        ["entry"] => verdict(entry::run()),
        // Whatever `cargo test` passes on (a filter, --nocapture) runs everything: it takes seconds.
        _ => verdict(entry::run() + raid::run() + rows::run()),
    }
}

fn verdict(failures: usize) -> ExitCode {
    if failures == 0 {
        println!("sandbox: every row is as it must be");
        return ExitCode::SUCCESS;
    }
    println!("FAILED: {failures} rows are not as they must be");
    ExitCode::FAILURE
}
