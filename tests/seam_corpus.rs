//! The short form of the fuzz run: every kept input, then mutations of them.
//!
//! `VOILE_FUZZ_SECONDS` sets how long the mutations go on, 2 without it; each run of a given length of time goes the
//! same way as far as it gets. `fuzz/` holds the long form.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use voile::{base, seam};

#[path = "../fuzz/src/checks.rs"]
mod checks;

/// Longest input: enough for a few tens of messages.
const MOST: usize = 4096;

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).expect("a corpus").map(|entry| entry.unwrap().path()).collect();
    // The file system's order is no order.
    paths.sort();
    paths.iter().map(|path| fs::read(path).expect("readable")).collect()
}

/// Marsaglia's xorshift64: the same numbers on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }
}

/// One to four changes of the sort that fuzzers make.
fn mutate(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    const TELLING: [u8; 8] = [0, 1, 0x7f, 0x80, 0xff, 0x11, 0x13, 0x22];
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len());
        let end = at + dice.below(input.len() - at + 1).min(100);
        match dice.below(7) {
            0 if !input.is_empty() => input[at] ^= 1 << dice.below(8),
            1 if !input.is_empty() => input[at] = TELLING[dice.below(TELLING.len())],
            2 => input.truncate(at),
            3 => drop(input.drain(at..end)),
            4 => input.extend_from_within(at..end),
            5 => drop(input.splice(at..end, other[dice.below(other.len())..].iter().copied())),
            _ => input.insert(at, u8::try_from(dice.below(256)).unwrap()),
        }
    }
    input.truncate(MOST);
}

fn short_form(target: &str, check: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 10, "the corpus was found");
    corpus.iter().for_each(|input| check(input));
    let seconds = std::env::var("VOILE_FUZZ_SECONDS").map_or(2, |value| value.parse().expect("whole seconds"));
    let (start, time) = (Instant::now(), Duration::from_secs(seconds));
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut runs = 0_u64;
    while start.elapsed() < time {
        let mut input = corpus[dice.below(corpus.len())].clone();
        let other = &corpus[dice.below(corpus.len())];
        mutate(&mut input, other, &mut dice);
        if std::panic::catch_unwind(|| check(&input)).is_err() {
            panic!("run {runs}: a promise is broken by {input:02x?}");
        }
        runs += 1;
    }
    println!("{target}: {} kept inputs, {runs} mutations in {seconds} s", corpus.len());
}

#[test]
fn the_lit_side_reads_anything() {
    short_form("lit_reads", checks::lit_reads);
}

#[test]
fn the_dark_side_reads_anything() {
    short_form("dark_reads", checks::dark_reads);
}
