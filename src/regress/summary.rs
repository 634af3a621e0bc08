//! `summary.json`: every figure of a run, how it stands against its floor, and where it came from.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::floors::{self, Judgement, Verdict};
use super::{Figures, Measured, Scores};

/// What was run on what. Paths are as given.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Provenance {
    /// The clip, still directory or `-`.
    pub clip: String,
    /// The truth file or directory, if any.
    pub truth: Option<String>,
    /// The command line.
    pub command: String,
    /// Size of the picture, as `768x576`; of stills, as a range or list.
    pub size: String,
    /// Names and versions of the program, the encoder and the decoder that judged its stream.
    pub versions: BTreeMap<String, String>,
    /// SHA-256 in hexadecimal of `model`, `policy` and `clip`; `null` where it was not computed.
    pub sha256: BTreeMap<String, Option<String>>,
}

/// How many of what.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Counts {
    /// Frames that went to the encoder.
    pub frames: u64,
    /// Frames dropped before they were encoded.
    pub dropped: u64,
    /// Groups of pictures.
    pub groups: u64,
    /// Frames that the independent decoder gave back; `null` if none ran.
    pub decoded_frames: Option<u64>,
    /// Slates.
    pub slates: u64,
    /// Slates by cause.
    pub slates_by_cause: BTreeMap<String, u64>,
    /// Person-frames whose head was judged.
    pub person_frames: u64,
    /// Identities judged.
    pub identities: u64,
    /// Frames that could not be compared with their source; they count as clear.
    pub unmatched: u64,
    /// Stills without a truth file, although truth was given; not judged.
    pub unlabelled: u64,
}

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Version of this file's form.
    pub schema: u32,
    /// The run as a whole.
    pub verdict: Verdict,
    /// Every figure of the contract by name; `null` where it was not measured.
    pub figures: BTreeMap<&'static str, Option<f64>>,
    /// Why a figure is `null`.
    pub not_measured: BTreeMap<&'static str, String>,
    /// The floors and how each figure stands.
    pub floors: Vec<Judgement>,
    /// Share of all pixels sent clear.
    pub clear_fraction: Option<f64>,
    /// How many of what.
    pub counts: Counts,
    /// What was run on what.
    pub provenance: Provenance,
    /// Median and 99th percentile of each stage of a frame's way, in milliseconds; with `--realtime` only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub stages_ms: BTreeMap<&'static str, [f64; 2]>,
    /// Why the run or its outputs are incomplete, in one line; absent if they are complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
}

impl Summary {
    /// Judges `figures` and gathers everything. `dropped`, `groups` and `decoded` are the pipeline's and the decoder's.
    pub fn new(
        scores: &Scores,
        figures: &Figures,
        provenance: Provenance,
        dropped: u64,
        groups: u64,
        decoded: &Result<u64, String>,
    ) -> Self {
        let floors = floors::judge(figures, scores.stills);
        let table = figures.table();
        // A value that is not finite has no place in JSON, and means that something was not measured.
        let value = |measured: &Measured| measured.as_ref().ok().copied().filter(|value| value.is_finite());
        let reason = |measured: &Measured| match measured {
            Ok(finite) if finite.is_finite() => None,
            Ok(other) => Some(format!("the value is {other}")),
            Err(reason) => Some(reason.clone()),
        };
        Self {
            schema: 1,
            verdict: floors::verdict(&floors),
            figures: table.iter().map(|&(name, measured)| (name, value(measured))).collect(),
            not_measured: table
                .iter()
                .filter_map(|&(name, measured)| reason(measured).map(|reason| (name, reason)))
                .collect(),
            floors,
            clear_fraction: value(&scores.clear_fraction),
            counts: Counts {
                frames: scores.frames,
                dropped,
                groups,
                decoded_frames: decoded.as_ref().ok().copied(),
                slates: scores.slate_frames(),
                slates_by_cause: scores.slates.iter().map(|(cause, frames)| (cause.to_string(), *frames)).collect(),
                person_frames: scores.person_frames,
                identities: scores.identities,
                unmatched: scores.unmatched,
                unlabelled: scores.unlabelled,
            },
            provenance,
            stages_ms: BTreeMap::new(),
            incomplete: scores.failure.clone(),
        }
    }

    /// The file's text, indented, with a newline at its end.
    ///
    /// # Errors
    /// Never with the fields as they are; serde's signature asks for it.
    pub fn json(&self) -> io::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        std::fs::write(path, self.json()?)
    }

    /// Whether a floor was missed: the exit code of the contract is 1 then.
    pub fn fell_short(&self) -> bool {
        self.verdict == Verdict::NotMet
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::Fault;
    use crate::regress::score::SentFrames;

    /// A run of 100 frames with two slates, worked out by hand.
    pub fn scores() -> Scores {
        Scores {
            figures: Figures {
                head_leak: Ok(0.01),
                person_cover: Ok(0.98),
                over_mask: Ok(0.2),
                slate_share: Ok(0.02),
                ..Figures::unmeasured("no truth was given")
            },
            frames: 100,
            slates: vec![(Fault::FrameTorn, 1), (Fault::EvidenceStale, 1)],
            clear_fraction: Ok(0.7),
            person_frames: 400,
            identities: 7,
            unmatched: 0,
            unlabelled: 0,
            sent: SentFrames::from_iter(0..100),
            worst: Vec::new(),
            stills: false,
            failure: None,
        }
    }

    #[test]
    fn every_figure_is_there_or_says_why_not() {
        let scores = scores();
        let figures = Figures { psnr_clear_db: Ok(f64::INFINITY), ..scores.figures.clone() };
        let provenance = Provenance { clip: "walk.y4m".to_owned(), ..Provenance::default() };
        let summary = Summary::new(&scores, &figures, provenance, 3, 4, &Err("no decoder".to_owned()));
        let json: serde_json::Value = serde_json::from_str(&summary.json().unwrap()).unwrap();
        assert_eq!(json["verdict"], "not_met");
        assert!(summary.fell_short());
        assert_eq!(json["figures"].as_object().unwrap().len(), figures.table().len());
        for (name, value) in json["figures"].as_object().unwrap() {
            assert_eq!(value.is_null(), json["not_measured"][name].is_string(), "{name}");
        }
        assert_eq!(json["figures"]["head_leak"], 0.01);
        assert_eq!(json["not_measured"]["psnr_clear_db"], "the value is inf");
        assert_eq!(json["floors"][2]["figure"], "over_mask");
        assert_eq!(
            (&json["floors"][2]["outcome"], &json["floors"][2]["bound"]),
            (&"not_met".into(), &"at_most".into())
        );
        assert_eq!(json["counts"]["slates_by_cause"]["torn frame"], 1);
        assert_eq!((&json["counts"]["dropped"], &json["counts"]["groups"]), (&3.into(), &4.into()));
        assert!(json["counts"]["decoded_frames"].is_null() && json.get("incomplete").is_none());
        assert_eq!(json["provenance"]["clip"], "walk.y4m");
    }
}
