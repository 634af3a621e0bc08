//! The page on runs that are good, bad, without truth, of stills, and with hostile names.

use super::*;
use crate::base::{Fault, Micros, Size};
use crate::mask::State;
use crate::regress::figures::FrameScore;
use crate::regress::frames_csv::FrameRow;
use crate::regress::summary::Provenance;
use crate::regress::summary::tests::scores;
use crate::regress::{Figures, Scores};

fn summary(change: impl FnOnce(&mut Figures)) -> Summary {
    let scores = scores();
    let mut figures = scores.figures.clone();
    change(&mut figures);
    let mut provenance = Provenance {
        clip: "clips/square <morning>.mp4".to_owned(),
        truth: Some("clips/square.csv".to_owned()),
        command: "voile replay 'clips/square <morning>.mp4' --truth clips/square.csv --out out".to_owned(),
        size: "768x576".to_owned(),
        ..Provenance::default()
    };
    provenance.versions.insert("voile".to_owned(), "0.1.0".to_owned());
    provenance.sha256.insert("model".to_owned(), Some("5d41402abc4b2a76b9719d911017c592".repeat(2)));
    provenance.sha256.insert("clip".to_owned(), None);
    Summary::new(&scores, &figures, provenance, 0, 4, &Ok(100))
}

fn good(figures: &mut Figures) {
    figures.over_mask = Ok(0.1);
    figures.slate_share = Ok(0.0);
    figures.leak_correlation = Ok(0.03);
    figures.psnr_clear_db = Ok(38.2);
    figures.vehicle_cover = Ok(0.912);
    figures.fps = Ok(21.4);
    figures.cpu_ms_per_frame = Ok(71.3);
    figures.peak_rss_mib = Ok(143.0);
    figures.bitrate_kbps = Ok(1490.0);
    figures.latency_ms_p50 = Err("measured with --realtime only".to_owned());
    figures.latency_ms_p99 = Err("measured with --realtime only".to_owned());
}

/// A made-up run: people come and go, one slate, one slow frame.
fn log(frames: u64) -> RunLog {
    let mut log = RunLog::default();
    for frame in 0..frames {
        let wave = u8::try_from((frame / 7) % 20).unwrap();
        let slate = frame == frames * 3 / 5;
        log.add(&FrameRow {
            frame,
            captured: Micros::from_ms(frame * 40),
            state: if slate { State::Slate(Fault::EvidenceStale) } else { State::Redacted },
            clear_fraction: if slate { 0.0 } else { 0.95 - f32::from(wave.min(20 - wave)) * 0.03 },
            objects: 3,
            evidence_age: Micros(0),
            px_per_m: 31.25,
            bytes: 7000,
            follow_ms: 1.0,
            wait_ms: 20.0,
            detect_ms: 18.0,
            redact_ms: 1.0,
            encode_ms: 20.0,
            total_ms: 41.0 + f64::from(wave) + if frame == frames / 3 { 70.0 } else { 0.0 },
        });
    }
    log
}

fn worst(count: u8) -> Vec<WorstFrame> {
    let size = Size::new(480, 270);
    let picture = |seed: u8| -> Vec<u8> {
        let pixel = |index: usize| {
            let (x, y) = (index % 480, index / 480);
            let veiled = (x / 16 + usize::from(seed) * 3) % 11 < 2 && (y / 16) % 6 < 4;
            let ground = u8::try_from((x * 3 + y * 5) / 24 % 90).unwrap() + 70;
            if veiled { [60, 128, 128] } else { [ground, 118, 134] }
        };
        (0..size.area()).flat_map(pixel).collect()
    };
    let one = |seed: u8| WorstFrame {
        sequence: u64::from(seed) * 31,
        captured: Micros::from_ms(u64::from(seed) * 1240),
        stem: String::new(),
        score: FrameScore {
            leaking_heads: u64::from(3u8.saturating_sub(seed)),
            person_cover: 0.9 + f64::from(seed) / 100.0,
            clear_fraction: 0.7,
        },
        slate: (seed == 7).then_some(Fault::EvidenceStale),
        size,
        ycbcr: picture(seed),
    };
    (0..count).map(one).collect()
}

/// Writes the pages to a directory to be looked at; `VOILE_REPORTS` names one that stays.
fn show(name: &str, page: &str) {
    if let Some(directory) = std::env::var_os("VOILE_REPORTS") {
        std::fs::write(Path::new(&directory).join(name), page).unwrap();
    }
}

fn is_self_contained(page: &str) {
    for outside in ["http://", "https://", "<script", "url(", "@import", "src=\"/", "href=\"/"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn a_good_run_says_so_first() {
    let page = render(&summary(good), &log(795), &worst(8), false).unwrap();
    show("good.html", &page);
    is_self_contained(&page);
    assert!(page.find("Every floor is met") < page.find("Figures and their floors"));
    assert!(page.contains("1.0 % of 400 heads were not fully covered"));
    assert!(page.contains("Nothing has to be done for this clip"));
    assert_eq!(page.matches("data:image/jpeg;base64,").count(), 8);
    assert!(
        page.contains("alt=\"Frame 31, 1.2 s, redacted: 2 heads leak, 91.0 % of persons covered, 70.0 % sent clear\"")
    );
    assert!(page.contains("&lt;morning&gt;") || page.contains("&#60;morning&#62;"), "names are escaped");
    assert!(!page.contains("<morning>"));
}

#[test]
fn a_bad_run_names_what_failed_and_the_mend() {
    let page = render(&summary(|_| {}), &log(20_000), &worst(3), false).unwrap();
    show("bad.html", &page);
    is_self_contained(&page);
    assert!(page.contains("Not good enough: 2 of 5 floors missed"));
    assert!(page.contains("at most 15.0 %") && page.contains(">not met<"));
    assert!(
        page.contains("Raise mask.person_threshold")
            && page.contains("Not measured: leak_correlation, because no truth")
    );
    assert!(page.contains("torn frame 1") && page.contains("stale evidence 1"));
    assert!(page.len() < 300_000, "{} bytes", page.len());
}

#[test]
fn stills_without_truth_are_undecided() {
    let scores = Scores { person_frames: 0, unlabelled: 0, stills: true, ..scores() };
    let figures = Figures { slate_share: Ok(0.0), ..Figures::unmeasured("no truth was given") };
    let summary = Summary::new(&scores, &figures, Provenance::default(), 0, 0, &Err("no stream".to_owned()));
    let mut frames = worst(2);
    frames[0].stem = "DJI_0042".to_owned();
    let page = render(&summary, &log(84), &frames, true).unwrap();
    show("stills.html", &page);
    is_self_contained(&page);
    assert!(page.contains("Undecided: 3 of 4 floors not measured") && page.contains("Still by still"));
    assert!(
        page.contains("Not measured: head_leak, person_cover, over_mask, because no truth was given. Give annotated")
    );
    assert!(page.contains("DJI_0042") && page.contains("without truth nobody can say who was missed"));
    assert!(!page.contains("% of persons covered"));
}

#[test]
fn truth_without_people_is_not_called_missing() {
    let mut summary = summary(|figures| {
        figures.head_leak = Err("the truth shows no person of 8 px or more".to_owned());
        figures.leak_correlation = Err("standard input cannot be read twice".to_owned());
    });
    let page = render(&summary, &log(100), &worst(1), false).unwrap();
    assert!(page.contains("the truth shows nobody in them") && !page.contains("--truth."));
    assert!(page.contains("cannot be read twice. Give the clip as a file."));
    summary.provenance.truth = None;
    assert!(render(&summary, &log(100), &worst(1), false).unwrap().contains("without truth nobody can say"));
}
