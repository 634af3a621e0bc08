//! Boxes from standard input through the tracks: which sighting got which number, and what coasts.
//!
//! `cargo bench --bench tracks <BOXES`, called by `scripts/bench-tracks`. The policy is the default. Every box is a
//! person; one line each, a frame's lines together and frames in order:
//!
//! | In | |
//! |---|---|
//! | `frame time_us peak x y w h` | a sighting, peak 0 to 255, box in whole pixels |
//! | `frame time_us` | a frame without any |
//! | `K a b tx ty` | before a frame: how the camera moved since the one before, as [`Similarity::new`]; else it stood |
//!
//! | Out | |
//! |---|---|
//! | `N frame sighting number` | the sighting, counted from 0 in its frame, belongs to the track of that number |
//! | `B frame x y w h` | a coasting track's box, without margin |
//! | `C frame x y w h` | the same with its margin, which is what the mask covers |
//! | `T ns frames` | thread CPU time of all steps and covers together, at the end |
#![allow(clippy::expect_used, missing_docs, reason = "a bench that fails panics")]

use std::collections::HashMap;
use std::io::{IsTerminal, Read, Write};

use rustix::time::{ClockId, clock_gettime};
use voile::base::{Micros, Rect};
use voile::track::{Kind, Policy, Sighting, Similarity, Tracks};

fn cpu_ns() -> i64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

fn sighting(row: &[usize]) -> Sighting {
    let &[peak, x, y, width, height] = row else { panic!("a box needs frame time_us peak x y w h") };
    Sighting {
        kind: Kind::Person,
        place: Rect::new(x, y, width, height),
        peak: u8::try_from(peak).expect("a peak of at most 255"),
        cells: (width * height / 64).max(1),
    }
}

fn similarity(numbers: &str) -> Similarity {
    let numbers: Vec<f64> = numbers.split_whitespace().map(|word| word.parse().expect("numbers")).collect();
    let &[a, b, tx, ty] = &numbers[..] else { panic!("a camera's motion is K a b tx ty") };
    Similarity::new(a, b, tx, ty).expect("a motion from one frame to the next")
}

fn line(out: &mut impl Write, letter: char, frame: usize, rect: Rect) {
    writeln!(out, "{letter} {frame} {} {} {} {}", rect.x, rect.y, rect.width, rect.height).expect("standard output");
}

fn main() {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        println!("not run: cargo bench --bench tracks <BOXES");
        return;
    }
    let mut text = String::new();
    input.read_to_string(&mut text).expect("text");
    let (mut rows, mut camera, mut cameras) = (Vec::new(), Similarity::STILL, HashMap::new());
    for line in text.lines() {
        if let Some(numbers) = line.strip_prefix('K') {
            camera = similarity(numbers);
            continue;
        }
        let row: Vec<usize> = line.split_whitespace().map(|word| word.parse().expect("whole numbers")).collect();
        cameras.entry(row[0]).or_insert(std::mem::replace(&mut camera, Similarity::STILL));
        rows.push(row);
    }
    let mut tracks = Tracks::new(Policy::default());
    let policy = tracks.policy().clone();
    let mut born: HashMap<u64, Micros> = HashMap::new();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let (mut spent, mut frames) = (0, 0);
    let mut covered = Vec::new();
    for group in rows.chunk_by(|one, other| one[0] == other[0]) {
        let (frame, now) = (group[0][0], Micros(u64::try_from(group[0][1]).expect("microseconds")));
        let sightings: Vec<Sighting> =
            group.iter().filter(|row| row.len() > 2).map(|row| sighting(&row[2..])).collect();
        covered.clear();
        let begun = cpu_ns();
        tracks.step(now, cameras[&frame], &sightings);
        covered.extend(tracks.covers(now));
        spent += cpu_ns() - begun;
        frames += 1;
        assert!(!tracks.overflow(), "frame {frame}: more than the tracks can hold");
        for track in tracks.iter() {
            let since = *born.entry(track.number()).or_insert(now);
            let coast = policy.coast_min.plus(track.seen().since(since)).min(policy.coast_max);
            match (track.sighting(), track.bounds().pixels()) {
                (Some(index), _) => writeln!(out, "N {frame} {index} {}", track.number()).expect("standard output"),
                (None, Some(rect)) if now.since(track.seen()) <= coast => line(&mut out, 'B', frame, rect),
                (None, _) => {}
            }
        }
        covered.iter().filter_map(|bounds| bounds.pixels()).for_each(|rect| line(&mut out, 'C', frame, rect));
    }
    writeln!(out, "T {spent} {frames}").expect("standard output");
}
