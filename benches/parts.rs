//! What each part of clearance buys: one clip, scored with parts left out that no configuration can leave out.
//!
//! `cargo bench --bench parts -- CLIP TRUTH [EVERY…]`: a row for each set of parts and each `detect.every` (1 and 3).
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a bench that fails panics"
)]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use voile::base::clock::RealClock;
use voile::base::{Micros, NoTelemetry};
use voile::camera::{self, Clip};
use voile::detect::{self, Detector};
use voile::mask::{self, Mask, Parts};
use voile::pipeline::{self, Dark, Nowhere, Pace};
use voile::regress::files::Output;
use voile::regress::score::{self, Scorer};
use voile::regress::{Governed, Sources, Tap, Truth, Witness};

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let (Some(clip), Some(truth)) = (words.next(), words.next()) else {
        println!("not run: cargo bench --bench parts -- CLIP TRUTH [EVERY…]");
        return;
    };
    let mut every: Vec<u64> = words.map(|word| word.parse().expect("a number of frames")).collect();
    if every.is_empty() {
        every = vec![1, 3];
    }
    let all = mask::Settings::default();
    let with = |parts| mask::Settings { parts, ..all.clone() };
    let rows = [
        ("all parts", all.clone()),
        ("no look-ahead", mask::Settings { lookahead: Micros(0), ..all.clone() }),
        ("no tracks", with(Parts { tracks: false, ..Parts::ALL })),
        ("no motion witness", with(Parts { witness: false, ..Parts::ALL })),
        ("scores alone", with(Parts::STILL)),
        ("motion witness alone", with(Parts { scores: false, tracks: false, witness: true })),
    ];
    println!(
        "| Parts | every | head_leak | identity_leak | longest_leak_ms | person_cover | over_mask | slate_share |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for every in every {
        for (name, settings) in &rows {
            let cells = scored(Path::new(&clip), Path::new(&truth), every, settings);
            println!("| {name} | {every} | {cells} |");
        }
    }
}

/// The figures of one run, as the cells of a row.
fn scored(clip: &Path, truth: &Path, every: u64, settings: &mask::Settings) -> String {
    let Ok(Clip::Stream(camera)) = camera::open(clip) else { panic!("{}: not a clip", clip.display()) };
    let Ok(Truth::Clip(truth)) = Truth::load(truth) else { panic!("{}: not a clip's truth", truth.display()) };
    let mode = camera.mode();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut detector = Detector::load(&detect::Settings { threads, ..detect::Settings::default() }).expect("built in");
    detector.prepare(mode.shape.size).expect("a size for the network");
    let sources = Sources::new(mode.shape, pipeline::frames_alive(mode, settings.lookahead) + 1);
    let scorer = Scorer::new(score::Settings {
        rate: mode.rate,
        full_range: mode.full_range,
        stills: false,
        truth: Some(truth),
        output: Output::None,
    });
    let governed = Governed::new(mode.shape, &settings.density, Box::new(NoTelemetry));
    let dark = Dark {
        camera: Box::new(Tap::new(camera, sources.clone())),
        detector: &mut detector,
        telemetry: Box::new(NoTelemetry),
        canary: None,
        every,
        mask: Mask::new(settings, mode.shape.size),
        encoder: Box::new(Witness::new(None, sources, governed, scorer.clone())),
        private: &|_| {},
    };
    let (clock, stop) = (RealClock::start(), AtomicBool::new(false));
    let outcome = pipeline::run(dark, &mut Nowhere, Pace { clock: &clock, realtime: false, stop: &stop });
    assert_eq!(outcome.tripped, None);
    let figures = scorer.finish().figures;
    let slates = outcome.slates.iter().sum::<u64>() as f64 / outcome.frames.max(1) as f64;
    format!(
        "{:.4} | {:.3} | {:.0} | {:.4} | {:.4} | {slates:.4}",
        figures.head_leak.unwrap_or(f64::NAN),
        figures.identity_leak.unwrap_or(f64::NAN),
        figures.longest_leak_ms.unwrap_or(f64::NAN),
        figures.person_cover.unwrap_or(f64::NAN),
        figures.over_mask.unwrap_or(f64::NAN),
    )
}
