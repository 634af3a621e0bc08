//! Random faults over streams with exact truth: no cell is clear without a bracketing examination in bounds.
//!
//! As a test, 1,000 faults; `scripts/campaign N [SEED [RUN]]` injects more. A seed gives the same runs on every machine,
//! but for those through the pipeline's threads (one in 170), whose moments are the machine's. Each run is a policy
//! within its bounds, a scene and a stream of faults by lot (`plan.rs`, `reel.rs`), played through follower, detector,
//! ring and mask in simulated time (`stream.rs`) or through the whole pipeline (`threads.rs`). An oracle that shares no
//! code with the mask judges every frame that leaves by its pixels (`oracle.rs`, `proof.rs`); `sees.rs` shows that it
//! can object.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers in tests are small"
)]

#[path = "campaign/bench.rs"]
mod bench;
#[path = "campaign/draw.rs"]
mod draw;
#[path = "campaign/lot.rs"]
mod lot;
#[path = "campaign/oracle.rs"]
mod oracle;
#[path = "campaign/pixels.rs"]
mod pixels;
#[path = "campaign/plan.rs"]
mod plan;
#[path = "campaign/proof.rs"]
mod proof;
#[path = "campaign/reel.rs"]
mod reel;
#[path = "campaign/sees.rs"]
mod sees;
#[path = "campaign/stream.rs"]
mod stream;
#[path = "campaign/tally.rs"]
mod tally;
#[path = "campaign/threads.rs"]
mod threads;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use bench::Bench;
use lot::Lot;
use oracle::{Known, Oracle, Rules};
use plan::{Kind, Plan};
use reel::Reel;
use stream::Stream;
use tally::Tally;
use voile::base::Fault;
use voile::interlock::{Response, response};

/// A crowd once in so many runs, for it takes a large picture; and which of them.
const CROWDS: (u64, u64) = (100, 7);
/// The same for runs through the pipeline's threads: without a clock to race, in real time, and with a camera that dies.
const THREADED: (u64, [u64; 3]) = (512, [10, 20, 30]);

/// Plays one run of a campaign.
fn play(seed: u64, run: u64, bench: &mut Bench, tally: &mut Tally) {
    let mut lot = Lot::of(seed, run);
    let plan = Plan::by(&mut lot, run % CROWDS.0 == CROWDS.1);
    let threaded = THREADED.1.iter().position(|&one| one == run % THREADED.0);
    // In hasty real time, twenty seconds forward are a second to wait.
    let reel = Reel::of(plan, &mut lot, threaded.is_none(), if threaded.is_some() { 600 } else { 20_000 });
    let known = [Known::Looks, Known::Little, Known::Looks];
    let known = threaded.map_or(Known::All, |threaded| known[threaded]);
    let settings = &reel.plan.settings;
    let mut oracle = Oracle::new(Rules::of(settings, reel.plan.shape.size), &reel.plan.shots, known);
    let mut injected = reel.injected.clone();
    match threaded {
        None => Stream::new(&reel, settings, lot, bench, &mut oracle, &mut injected).play(),
        Some(which) => {
            let dies = (which == 2).then(|| lot.between(1, reel.deliveries.len() as i64 - 1) as usize);
            injected.extend(dies.map(|_| Kind::CameraDied));
            oracle = threads::play(&reel, bench, oracle, which == 1, dies);
            tally.threaded += 1;
        }
    }
    tally.add(run, &injected, &oracle);
}

/// Runs from `first` on until so many faults were injected.
fn campaign(seed: u64, first: u64, faults: u64) -> Tally {
    let (mut tally, mut bench) = (Tally::default(), Bench::default());
    let mut told = Instant::now();
    for run in first.. {
        // What a run leaves behind it when it panics is its own; the detectors fill every buffer anew.
        if catch_unwind(AssertUnwindSafe(|| play(seed, run, &mut bench, &mut tally))).is_err() {
            tally.violation(run, "panicked");
        }
        if tally.total() >= faults {
            break;
        }
        if told.elapsed() > Duration::from_secs(30) {
            told = Instant::now();
            eprintln!("campaign: {} of {faults} faults, {} violations", tally.total(), tally.violations);
        }
    }
    tally
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text}: give a number")))
}

#[test]
fn no_cell_is_clear_without_an_examination() {
    let (faults, seed) = (number("VOILE_CAMPAIGN").unwrap_or(1000), number("VOILE_CAMPAIGN_SEED").unwrap_or(1));
    let only = number("VOILE_CAMPAIGN_RUN");
    let begun = Instant::now();
    let tally = campaign(seed, only.unwrap_or(0), if only.is_some() { 0 } else { faults });
    println!("{}", tally.report(seed, begun.elapsed()));
    assert_eq!(tally.violations, 0, "to repeat one: scripts/campaign 1 {seed} RUN");
    if only.is_some() || faults < 1000 {
        return;
    }
    // A campaign that does nothing finds nothing.
    for (kind, count) in Kind::ALL.iter().zip(tally.faults) {
        assert!(count > 0, "{kind:?} was never injected");
    }
    for (fault, count) in Fault::ALL.iter().zip(tally.counts.slates) {
        let elsewhere = matches!(fault, Fault::CoverClosed | Fault::CameraLost | Fault::DarkDied | Fault::LitDied);
        assert!(count > 0 || elsewhere || response(*fault) == Response::Trip, "no slate for {fault:?}");
    }
    assert!(tally.counts.clear * 10 > tally.counts.cells, "more than a tenth is clear");
    assert!(tally.counts.bracketed * 20 > tally.counts.cells, "and some of it between passes");
    assert!(tally.counts.things > 100, "persons and vehicles were looked for");
}

#[test]
fn a_seed_gives_the_same_campaign() {
    assert_eq!(campaign(5, 40, 60), campaign(5, 40, 60));
    assert_ne!(campaign(5, 40, 60), campaign(6, 40, 60));
}
