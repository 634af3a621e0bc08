//! `report.html`: one self-contained page that says how a run went and what to do next.
//!
//! No scripts and no requests. Pictures are what went to the encoder, never what came from the camera.

use std::io;
use std::path::Path;

use askama::Template;
use base64::Engine;

use super::chart::{self, Across, Chart};
use super::floors::{Bound, Judgement, Outcome, Verdict};
use super::frames_csv::RunLog;
use super::summary::Summary;
use super::words::{FIGURES, Unit, percent, thousands, words};
use super::worst::WorstFrame;

/// Quality of the pictures, of 100.
const JPEG_QUALITY: u8 = 72;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    summary: &'a Summary,
    verdict: &'static str,
    heading: String,
    lead: String,
    floors: Vec<FloorRow>,
    others: Vec<OtherRow>,
    charts: Vec<Chart>,
    pictures: Vec<PictureCard>,
    advice: Vec<String>,
    facts: Vec<(&'static str, String)>,
    stills: bool,
}

struct FloorRow {
    words: &'static str,
    name: &'static str,
    measured: String,
    floor: String,
    class: &'static str,
    result: &'static str,
}

struct OtherRow {
    words: &'static str,
    name: &'static str,
    value: String,
    reason: String,
}

struct PictureCard {
    uri: String,
    width: usize,
    height: usize,
    title: String,
    caption: String,
}

/// The page as text.
///
/// # Errors
/// The template cannot be filled in; cannot happen with memory to spare.
pub fn render(summary: &Summary, log: &RunLog, worst: &[WorstFrame], stills: bool) -> io::Result<String> {
    let across = if stills { Across::Stills } else { Across::Time };
    let (verdict, heading) = match summary.verdict {
        Verdict::Met => ("good", "Every floor is met".to_owned()),
        Verdict::NotMet => {
            let missed = summary.floors.iter().filter(|one| one.outcome == Outcome::NotMet).count();
            ("bad", format!("Not good enough: {missed} of {} floors missed", summary.floors.len()))
        }
        Verdict::Open => {
            let open = summary.floors.iter().filter(|one| one.outcome == Outcome::NotMeasured).count();
            ("open", format!("Undecided: {open} of {} floors not measured", summary.floors.len()))
        }
    };
    let page = Page {
        summary,
        verdict,
        heading,
        lead: lead(summary, stills),
        floors: summary.floors.iter().map(floor_row).collect(),
        others: others(summary),
        charts: [chart::clear(log.points(), across), chart::total(log.points(), across)]
            .into_iter()
            .flatten()
            .collect(),
        pictures: worst.iter().filter_map(|frame| card(frame, summary.counts.person_frames > 0)).collect(),
        advice: advice(summary),
        facts: facts(summary),
        stills,
    };
    page.render().map_err(io::Error::other)
}

/// Writes the page.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, summary: &Summary, log: &RunLog, worst: &[WorstFrame], stills: bool) -> io::Result<()> {
    std::fs::write(path, render(summary, log, worst, stills)?)
}

/// The run in two sentences.
fn lead(summary: &Summary, stills: bool) -> String {
    let counts = &summary.counts;
    let things = if stills { "stills" } else { "frames" };
    let mut text = match summary.figures.get("head_leak").copied().flatten() {
        Some(0.0) => {
            format!(
                "In {} {things}, all {} heads were covered. ",
                thousands(counts.frames),
                thousands(counts.person_frames)
            )
        }
        Some(leak) => format!(
            "In {} {things}, {} % of {} heads were not fully covered. ",
            thousands(counts.frames),
            percent(leak),
            thousands(counts.person_frames)
        ),
        None if summary.provenance.truth.is_some() => {
            format!("{} {things} were redacted; the truth shows nobody in them. ", thousands(counts.frames))
        }
        None => format!(
            "{} {things} were redacted, but without truth nobody can say who was missed. ",
            thousands(counts.frames)
        ),
    };
    if let Some(clear) = summary.clear_fraction {
        text.push_str(&format!("{} % of the picture was sent clear. ", percent(clear)));
    }
    if let Some(reason) = &summary.incomplete {
        text.push_str(&format!("The run is incomplete: {reason}."));
    }
    text.trim_end().to_owned()
}

fn floor_row(judged: &Judgement) -> FloorRow {
    let (_, words, unit) = words(judged.floor.figure);
    let side = match judged.floor.bound {
        Bound::AtMost => "at most",
        Bound::AtLeast => "at least",
    };
    let (class, result) = match judged.outcome {
        Outcome::Met => ("good", "met"),
        Outcome::NotMet => ("bad", "not met"),
        Outcome::NotMeasured => ("open", "not measured"),
    };
    FloorRow {
        words,
        name: judged.floor.figure,
        measured: judged.measured.map_or_else(|| "\u{2013}".to_owned(), |value| unit.show(value)),
        floor: format!("{side} {}", unit.show(judged.floor.floor)),
        class,
        result,
    }
}

/// The figures without a floor, in the contract's order.
fn others(summary: &Summary) -> Vec<OtherRow> {
    let row = |(name, words, unit): (&'static str, &'static str, Unit)| {
        let value = summary.figures.get(name).copied().flatten();
        OtherRow {
            words,
            name,
            value: value.map_or_else(|| "not measured".to_owned(), |value| unit.show(value)),
            reason: summary.not_measured.get(name).cloned().unwrap_or_default(),
        }
    };
    FIGURES
        .into_iter()
        .filter(|(name, ..)| summary.floors.iter().all(|one| one.floor.figure != *name))
        .map(row)
        .collect()
}

fn card(frame: &WorstFrame, judged: bool) -> Option<PictureCard> {
    let (width, height) = (frame.size.width, frame.size.height);
    let mut jpeg = Vec::new();
    let (across, down) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    let encoder = jpeg_encoder::Encoder::new(&mut jpeg, JPEG_QUALITY);
    encoder.encode(&frame.ycbcr, across, down, jpeg_encoder::ColorType::Ycbcr).ok()?;
    let title = if frame.stem.is_empty() {
        format!("Frame {}, {:.1} s", frame.sequence, frame.captured.as_ms() / 1000.0)
    } else {
        frame.stem.clone()
    };
    let mut caption = match (judged, frame.score.leaking_heads) {
        (false, _) => String::new(),
        (true, 0) => "no head leaks, ".to_owned(),
        (true, 1) => "1 head leaks, ".to_owned(),
        (true, heads) => format!("{heads} heads leak, "),
    };
    if judged {
        caption.push_str(&format!("{} % of persons covered, ", percent(frame.score.person_cover)));
    }
    match frame.slate {
        Some(cause) => caption.push_str(&format!("slate: {cause}")),
        None => caption.push_str(&format!("{} % sent clear", percent(frame.score.clear_fraction))),
    }
    let uri = format!("data:image/jpeg;base64,{}", base64::engine::general_purpose::STANDARD.encode(&jpeg));
    Some(PictureCard { uri, width, height, title, caption })
}

/// What to do next, most urgent first.
fn advice(summary: &Summary) -> Vec<String> {
    let mut advice = Vec::new();
    if let Some(reason) = &summary.incomplete {
        advice.push(format!("Mend this first and run again, the figures above are of a part only: {reason}."));
    }
    let mut unmeasured: Vec<(Vec<&str>, &str, &str)> = Vec::new();
    for judged in &summary.floors {
        let text = match (judged.floor.figure, judged.outcome) {
            (_, Outcome::Met) => continue,
            ("head_leak", Outcome::NotMet) => {
                "Heads leak. Look at the worst frames below: if a whole person is missed, lower mask.person_threshold and \
                 mask.sure_threshold, or raise mask.coast_ms if only for moments; if only the edge of a head shows, raise \
                 mask.margin."
            }
            ("person_cover", Outcome::NotMet) => {
                "Parts of persons show. Raise mask.margin; if the worst frames show whole persons, lower \
                 mask.person_threshold."
            }
            ("over_mask", Outcome::NotMet) => {
                "Much of the ground is covered. Raise mask.person_threshold or mask.vehicle_threshold, and lower \
                 mask.margin, as far as head_leak allows; if the cover lies on ground without people, the model takes it \
                 for people: it needs such ground among its training pictures."
            }
            ("leak_correlation", Outcome::NotMet) => {
                "The encoded picture still resembles what it hides. Letters count too, of mask.hud and of slates: measure \
                 without them. With paint = \"mosaic\" try \"solid\". With \"solid\" and a low rate the encoder may leave \
                 standing what it sent before: raise encode.bitrate_kbps. If it stays, it is a defect: please report it \
                 with summary.json."
            }
            ("slate_share", Outcome::NotMet) => {
                "Too many frames were covered whole. summary.json counts them by cause: torn or repeated frames are the \
                 camera's, stale or missing evidence means that the detector is too slow for this rate (detect.every, \
                 detect.threads)."
            }
            (_, Outcome::NotMet) => continue,
            (figure, Outcome::NotMeasured) => {
                let reason = summary.not_measured.get(figure).map_or("no reason was given", String::as_str);
                let mend = remedy(figure, reason, summary.provenance.truth.is_some());
                match unmeasured.iter_mut().find(|(_, known, same)| *known == reason && *same == mend) {
                    Some((figures, ..)) => figures.push(figure),
                    None => unmeasured.push((vec![figure], reason, mend)),
                }
                continue;
            }
        };
        advice.push(text.to_owned());
    }
    for (figures, reason, mend) in unmeasured {
        advice.push(format!("Not measured: {}, because {reason}. {mend}", figures.join(", ")));
    }
    if summary.counts.unmatched > 0 {
        let frames = thousands(summary.counts.unmatched);
        advice.push(format!(
            "{frames} frames could not be compared with their source and count as clear: run without --realtime."
        ));
    }
    if summary.counts.unlabelled > 0 {
        let stills = thousands(summary.counts.unlabelled);
        advice.push(format!(
            "{stills} stills have no truth file and were not judged: add an empty file where nobody is in sight."
        ));
    }
    if advice.is_empty() {
        advice.push(
            "Nothing has to be done for this clip. Try one with smaller people, worse light or a faster camera: a floor is \
             a promise only on pictures like those it was measured on."
                .to_owned(),
        );
    }
    advice
}

fn remedy(figure: &str, reason: &str, has_truth: bool) -> &'static str {
    match figure {
        "leak_correlation" if reason.starts_with("--") => "Leave that option out.",
        "leak_correlation" if reason.contains("read twice") => "Give the clip as a file.",
        "leak_correlation" => "Install dav1d or ffmpeg.",
        "head_leak" | "person_cover" if has_truth => {
            "If people are in sight, look at the truth's frame numbers, classes and sizes."
        }
        "head_leak" | "person_cover" | "over_mask" => "Give annotated boxes with --truth.",
        _ => "Run on at least one frame.",
    }
}

fn facts(summary: &Summary) -> Vec<(&'static str, String)> {
    let provenance = &summary.provenance;
    let counts = &summary.counts;
    let mut facts = vec![("Clip", provenance.clip.clone())];
    facts.extend(provenance.truth.clone().map(|truth| ("Truth", truth)));
    facts.push(("Size", provenance.size.clone()));
    facts.push(("Frames", format!("{} sent, {} dropped", thousands(counts.frames), thousands(counts.dropped))));
    if let Some(decoded) = counts.decoded_frames {
        facts.push(("Decoded", format!("{} frames", thousands(decoded))));
    }
    let causes = counts.slates_by_cause.iter().map(|(cause, frames)| format!("{cause} {frames}")).collect::<Vec<_>>();
    facts.push(("Slates", if causes.is_empty() { "none".to_owned() } else { causes.join(", ") }));
    facts.push(("Command", provenance.command.clone()));
    for (name, version) in &provenance.versions {
        facts.push(("Version", format!("{name} {version}")));
    }
    for (name, hash) in &provenance.sha256 {
        facts.push(("SHA-256", format!("{name} {}", hash.as_deref().unwrap_or("not computed"))));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
