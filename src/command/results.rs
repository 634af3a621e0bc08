//! What a replay leaves behind: summary.json, report.html, the table on standard output, and the exit code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use voile::base::Fault;
use voile::regress::decoded::Decoded;
use voile::regress::floors::{Bound, Outcome};
use voile::regress::report;
use voile::regress::score::Scores;
use voile::regress::summary::{Provenance, Summary};
use voile::regress::usage::Cost;
use voile::regress::{Figures, RunLog, STAGES};

use super::{FELL_SHORT, Failure, INPUT, INTERRUPTED, TRIPPED, say};

/// How a replay ended.
pub enum Ending {
    /// At the clip's end.
    Complete,
    /// By the user.
    Interrupted,
    /// Where the clip was damaged; says where.
    Damaged(String),
    /// By the interlock; says what tripped it.
    Tripped(Fault),
}

/// Where everything came from and goes.
pub struct Results {
    pub clip: String,
    pub truth: Option<String>,
    pub out: PathBuf,
    pub stream: Option<String>,
    pub size: String,
    pub sha256: BTreeMap<String, Option<String>>,
    pub versions: BTreeMap<String, String>,
    pub stills: bool,
    pub realtime: bool,
    pub json: bool,
    pub dropped: u64,
    pub groups: u64,
    /// Why not all of it could be written, with the mend.
    pub failure: Option<String>,
}

/// Writes and prints everything.
pub fn write(
    results: &Results,
    scores: &Scores,
    decoded: Decoded,
    log: Option<RunLog>,
    cost: &Cost,
    ending: &Ending,
) -> Result<ExitCode, Failure> {
    let log = log.unwrap_or_default();
    let mut figures: Figures = scores.figures.clone();
    figures.leak_correlation = decoded.leak_correlation;
    figures.psnr_clear_db = decoded.psnr_clear_db;
    figures.fps = cost.fps.clone();
    figures.cpu_ms_per_frame = cost.cpu_ms_per_frame.clone();
    figures.peak_rss_mib = cost.peak_rss_mib.clone();
    if results.realtime {
        figures.latency_ms_p50 = log.total_ms(0.5);
        figures.latency_ms_p99 = log.total_ms(0.99);
    } else {
        let reason = || Err("latency is measured with --realtime only".to_owned());
        (figures.latency_ms_p50, figures.latency_ms_p99) = (reason(), reason());
    }
    figures.bitrate_kbps = match results.stream {
        Some(_) => log.bitrate_kbps(),
        None => Err("nothing was encoded".to_owned()),
    };
    let provenance = Provenance {
        clip: results.clip.clone(),
        truth: results.truth.clone(),
        command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" "),
        size: results.size.clone(),
        versions: results.versions.clone(),
        sha256: results.sha256.clone(),
    };
    let mut summary = Summary::new(scores, &figures, provenance, results.dropped, results.groups, &decoded.frames);
    if results.realtime {
        let each = STAGES.iter().zip(log.stages_ms(0.5).zip(log.stages_ms(0.99)));
        summary.stages_ms =
            each.filter_map(|(name, (median, last))| Some((*name, [median.ok()?, last.ok()?]))).collect();
    }
    let (code, line) = match ending {
        Ending::Complete => (None, None),
        Ending::Interrupted => (Some(INTERRUPTED), Some("interrupted: everything up to here is complete".to_owned())),
        Ending::Damaged(line) => (Some(INPUT), Some(line.clone())),
        Ending::Tripped(fault) => {
            let reason = results.failure.as_deref().unwrap_or("see the log");
            (Some(TRIPPED), Some(format!("the interlock tripped ({fault}): {reason}")))
        }
    };
    if let Some(line) = line.as_ref().or(results.failure.as_ref()) {
        summary.incomplete = Some(line.clone());
    }
    let summary_path = results.out.join("summary.json");
    let report_path = results.out.join("report.html");
    let unwritten = |path: &Path, error: &std::io::Error| {
        format!("{}: {error}: free some space or choose another --out", path.display())
    };
    let written = summary
        .write(&summary_path)
        .map_err(|error| unwritten(&summary_path, &error))
        .and_then(|()| {
            report::write(&report_path, &summary, &log, &scores.worst, results.stills)
                .map_err(|error| unwritten(&report_path, &error))
        })
        .and(results.failure.clone().map_or(Ok(()), Err));
    if results.json {
        let json = summary.json().map_err(|error| Failure::new(super::INTERNAL, error))?;
        say(json.trim_end());
    } else {
        table(results, &summary, &figures);
    }
    match (code, line, written) {
        (Some(code), Some(line), _) => Err(Failure::new(code, line)),
        (_, _, Err(reason)) => Err(Failure::new(TRIPPED, reason)),
        _ if summary.fell_short() => Ok(ExitCode::from(FELL_SHORT)),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// How a figure stands against its floor, if it has one.
fn standing(summary: &Summary, name: &str) -> String {
    let Some(judged) = summary.floors.iter().find(|judged| judged.floor.figure == name) else { return String::new() };
    let side = match judged.floor.bound {
        Bound::AtMost => "at most",
        Bound::AtLeast => "at least",
    };
    let outcome = match judged.outcome {
        Outcome::Met => "met",
        Outcome::NotMet => "NOT MET",
        Outcome::NotMeasured => "not measured",
    };
    format!("  {outcome}: {side} {}", judged.floor.floor)
}

/// The figures, a line each, and where the files are.
fn table(results: &Results, summary: &Summary, figures: &Figures) {
    say(format_args!("{}: {} frames of {}", results.clip, summary.counts.frames, results.size));
    for (name, measured) in figures.table() {
        match measured {
            Ok(value) => say(format_args!("  {name:<18} {value:>10.4}{}", standing(summary, name))),
            Err(reason) => say(format_args!("  {name:<18} {:>10}  ({reason})", "-")),
        }
    }
    for (name, [median, last]) in &summary.stages_ms {
        say(format_args!("  {name:<8} {median:>8.1} ms, 99th percentile {last:.1} ms"));
    }
    if summary.counts.slates > 0 || results.dropped > 0 {
        say(format_args!("  slates {}, dropped {}", summary.counts.slates, results.dropped));
    }
    match &results.stream {
        Some(stream) => say(format_args!("redacted clip  {stream}")),
        None => match results.out.join("redacted") {
            stills if stills.exists() => say(format_args!("redacted       {}", stills.display())),
            _ => say(format_args!("redacted       nothing was encoded; coverage in {}", results.out.display())),
        },
    }
    say(format_args!("report         {}", results.out.join("report.html").display()));
}
