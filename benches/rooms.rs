//! What a frame costs beside detector and encoder: thread CPU time of follower and redaction at 1280x720.
//!
//! `cargo bench --bench rooms`: medians over frames of a panned, textured ground with 0 to 400 people in view, three
//! rounds of each in turn. A network that calls bright blocks persons stands in for the real one, so that the people seen
//! are known; what it costs is not counted.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a bench that fails panics"
)]

use std::path::PathBuf;

use rustix::time::{ClockId, clock_gettime};
use voile::base::{ChromaMut, FramePool, Layout, Micros, RawFrame, Shape, Size};
use voile::detect::{self, Detector};
use voile::mask::{self, Mask, density, redact};
use voile::track::Follower;

const SIZE: Size = Size::new(1280, 720);
const FRAMES: u64 = 60;
const PEOPLE: [usize; 4] = [0, 100, 200, 400];

fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

/// Texture that a camera can be followed by, moved 3 px a frame, and so many bright people who walk.
fn draw(frame: &mut RawFrame, people: usize) {
    let at = usize::try_from(frame.sequence()).expect("few");
    let (mut luma, chroma) = frame.planes_mut();
    for (y, row) in luma.rows().enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let (column, line) = ((x + 3 * at) / 6, y / 6);
            *pixel =
                20 + u8::try_from((column * column * 31 + line * line * 57 + column * line * 13) % 64).expect("small");
        }
    }
    for person in 0..people {
        let (left, top) = (person % 25 * 51 + at % 20, person / 25 * 44 + 8);
        for y in top..top + 24 {
            luma.row(y)[left..left + 16].fill(220);
        }
    }
    if let ChromaMut::I420(mut u, mut v) = chroma {
        u.rows().chain(v.rows()).for_each(|row| row.fill(128));
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Medians of follower, pass taken in, and redaction, in milliseconds.
fn measured(people: usize, settings: &mask::Settings) -> [f64; 3] {
    let model = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/models/bright.onnx");
    let settings_of = detect::Settings { model: Some(model), passes: 1, ..detect::Settings::default() };
    let mut detector = Detector::load(&settings_of).expect("a test network");
    detector.prepare(SIZE).expect("prepared");
    let (mut follower, mut mask) = (Follower::new(SIZE, 4), Mask::new(settings, SIZE));
    let pool = FramePool::new(Shape::packed(SIZE, Layout::I420), 1);
    let mut times = [const { Vec::new() }; 3];
    for sequence in 0..FRAMES {
        let mut frame = pool.take(sequence, Micros(sequence * 33_333));
        draw(&mut frame, people);
        let begun = cpu_ms();
        let ground = follower.follow(&frame).expect("whole and in order");
        let followed = cpu_ms();
        let evidence = detector.examine(&frame);
        let examined = cpu_ms();
        mask.follow(&ground);
        mask.examined(evidence);
        let taken = cpu_ms();
        let redacted = redact(frame, Ok(ground), None, &mut mask);
        let done = cpu_ms();
        drop(redacted);
        if sequence > FRAMES / 4 {
            for (times, ms) in times.iter_mut().zip([followed - begun, taken - examined, done - taken]) {
                times.push(ms);
            }
        }
    }
    times.map(median)
}

fn main() {
    let coarse = density::Settings { max_px_per_m: 80.0, ..density::Settings::default() };
    let ungoverned = mask::Settings { density: coarse, ..mask::Settings::default() };
    println!("| People | density | follower | tracks | clearance and paint | all |\n|---|---|---|---|---|---|");
    for (name, settings) in [("under the cap", ungoverned), ("governed whole", mask::Settings::default())] {
        let rounds: Vec<_> = (0..3).map(|_| PEOPLE.map(|people| measured(people, &settings))).collect();
        for (index, people) in PEOPLE.iter().enumerate() {
            let [follow, take, paint] =
                std::array::from_fn(|part| median(rounds.iter().map(|round| round[index][part]).collect()));
            println!("| {people} | {name} | {follow:.2} | {take:.2} | {paint:.2} | {:.2} |", follow + take + paint);
        }
    }
}
