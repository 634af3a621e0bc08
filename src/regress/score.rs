//! The scorer: one frame's way through coverage, files, figures and the gallery of the worst.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::{Fault, Micros, Size};
use crate::camera::Rate;
use crate::mask::{RedactedFrame, State};

use super::Measured;
use super::coverage::{COVERED, Coverage, Picture, SLATE};
use super::figures::{Figures, Tally};
use super::files::Output;
use super::truth::ClipTruth;
use super::worst::{Passing, Worst, WorstFrame};

/// The numbers of the frames that were sent, in order, as runs: drops make gaps.
#[derive(Clone, Debug, Default)]
pub struct SentFrames(Vec<(u64, u64)>);

impl SentFrames {
    fn push(&mut self, sequence: u64) {
        match self.0.last_mut() {
            Some((start, length)) if *start + *length == sequence => *length += 1,
            _ => self.0.push((sequence, 1)),
        }
    }

    /// Every number in the order of sending.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.iter().flat_map(|&(start, length)| start..start + length)
    }
}

impl FromIterator<u64> for SentFrames {
    fn from_iter<T: IntoIterator<Item = u64>>(numbers: T) -> Self {
        let mut sent = Self::default();
        numbers.into_iter().for_each(|sequence| sent.push(sequence));
        sent
    }
}

/// What a scorer must know before the first frame.
pub struct Settings {
    /// Nominal frame rate: how long the last frame of a leak is seen.
    pub rate: Rate,
    /// Luma runs from 0 to 255.
    pub full_range: bool,
    /// The input is a directory of stills: no identities, no motion.
    pub stills: bool,
    /// A clip's truth; stills hand theirs to [`Scorer::begin_still`].
    pub truth: Option<ClipTruth>,
    /// Where coverage goes.
    pub output: Output,
}

struct Ledger {
    settings: Settings,
    has_truth: bool,
    stem: String,
    coverage: Option<Coverage>,
    tally: Tally,
    worst: Worst,
    sent: SentFrames,
    /// One count per entry of [`Fault::ALL`].
    slates: [u64; Fault::ALL.len()],
    unmatched: u64,
    unlabelled: u64,
    failure: Option<String>,
}

/// Scores frames as they go to the encoder. Clones share the ledger.
#[derive(Clone)]
pub struct Scorer(Arc<Mutex<Ledger>>);

/// What a run added up to.
#[derive(Debug)]
pub struct Scores {
    /// The figures that pixels and truth give; the others still say that they were not measured.
    pub figures: Figures,
    /// Frames sent.
    pub frames: u64,
    /// Slates by cause, in the order of [`Fault::ALL`], without zeros.
    pub slates: Vec<(Fault, u64)>,
    /// Share of all pixels sent clear.
    pub clear_fraction: Measured,
    /// Person-frames whose head was judged.
    pub person_frames: u64,
    /// Identities judged.
    pub identities: u64,
    /// Frames without a source copy; they count as clear.
    pub unmatched: u64,
    /// Stills without a truth file although truth was given; they are not judged.
    pub unlabelled: u64,
    /// Which frames were sent.
    pub sent: SentFrames,
    /// The worst frames, worst first.
    pub worst: Vec<WorstFrame>,
    /// They are of stills, which are not encoded.
    pub stills: bool,
    /// Why coverage is incomplete, in one line.
    pub failure: Option<String>,
}

impl Scorer {
    /// A scorer with an empty ledger.
    pub fn new(settings: Settings) -> Self {
        let Rate { frames, seconds } = settings.rate;
        let period = Micros(u64::from(seconds) * 1_000_000 / u64::from(frames.max(1)));
        let identities = settings.truth.as_ref().map_or(0, |truth| truth.identities().len());
        Self(Arc::new(Mutex::new(Ledger {
            has_truth: settings.truth.is_some(),
            stem: String::new(),
            coverage: None,
            tally: Tally::new(period, identities),
            worst: Worst::new(settings.stills),
            sent: SentFrames::default(),
            slates: [0; Fault::ALL.len()],
            unmatched: 0,
            unlabelled: 0,
            failure: None,
            settings,
        })))
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        // A panic while the lock is held is a defect; the sums are still worth reporting.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Names the still that comes next. `labelled` says that truth was given for the directory; `truth` is this still's.
    pub fn begin_still(&self, stem: &str, full_range: bool, labelled: bool, truth: Option<ClipTruth>) {
        let mut ledger = self.ledger();
        ledger.stem.clear();
        ledger.stem.push_str(stem);
        ledger.settings.full_range = full_range;
        ledger.has_truth |= labelled;
        ledger.unlabelled += u64::from(labelled && truth.is_none());
        ledger.settings.truth = truth;
    }

    /// Scores one frame against its source copy and writes its coverage.
    ///
    /// # Errors
    /// [`Fault::OutputFailed`]; [`Scorer::failure`] has the reason.
    pub fn frame(&self, source: Option<Picture<'_>>, frame: &RedactedFrame) -> Result<(), Fault> {
        let slate = match frame.account().state {
            State::Redacted => None,
            State::Slate(fault) => Some(fault),
        };
        self.ledger().add(frame.sequence(), frame.captured(), slate, source, Picture::from(frame))
    }

    /// Why coverage could not be written, in one line.
    pub fn failure(&self) -> Option<String> {
        self.ledger().failure.clone()
    }

    /// Completes the coverage file and adds everything up.
    pub fn finish(&self) -> Scores {
        let mut ledger = self.ledger();
        if let Err(reason) = ledger.settings.output.flush() {
            ledger.failure.get_or_insert(reason);
        }
        let slates = Fault::ALL.into_iter().zip(ledger.slates).filter(|&(_, frames)| frames > 0).collect();
        let mut figures = ledger.tally.figures(ledger.has_truth, "this run did not measure it");
        if ledger.settings.stills {
            figures.identity_leak = Err("stills have no identities".to_owned());
            figures.longest_leak_ms = Err("stills have no duration".to_owned());
        }
        Scores {
            figures,
            frames: ledger.tally.frames(),
            slates,
            clear_fraction: ledger.tally.clear_fraction(),
            person_frames: ledger.tally.person_frames(),
            identities: ledger.tally.identities(),
            unmatched: ledger.unmatched,
            unlabelled: ledger.unlabelled,
            sent: ledger.sent.clone(),
            worst: ledger.worst.sorted(),
            stills: ledger.settings.stills,
            failure: ledger.failure.clone(),
        }
    }
}

impl Ledger {
    fn add(
        &mut self,
        sequence: u64,
        captured: Micros,
        slate: Option<Fault>,
        source: Option<Picture<'_>>,
        sent: Picture<'_>,
    ) -> Result<(), Fault> {
        let size = Size::new(sent.luma.width, sent.luma.height);
        if self.coverage.as_ref().is_none_or(|coverage| coverage.size() != size) {
            self.coverage = None;
        }
        let coverage = self.coverage.get_or_insert_with(|| Coverage::new(size));
        let same_size = |source: &Picture<'_>| Size::new(source.luma.width, source.luma.height) == size;
        let mask = match source.filter(same_size) {
            Some(source) => coverage.derive(source, sent, if slate.is_some() { SLATE } else { COVERED }),
            None => {
                self.unmatched += 1;
                coverage.clear()
            }
        };
        // Frame numbers of stills say where they lie in the directory; the truth of each is that of its only frame.
        let stills = self.settings.stills;
        let truth = self.settings.truth.as_ref().map(|truth| truth.at(if stills { 0 } else { sequence }));
        let score = self.tally.add(mask, size, truth, captured, slate.is_some());
        if let Some(cause) = slate {
            self.slates[usize::from(cause.number())] += 1;
        }
        self.sent.push(sequence);
        let full_range = self.settings.full_range;
        let passing = Passing { sequence, captured, stem: &self.stem, score, slate, full_range };
        self.worst.offer(&passing, sent);
        self.settings.output.write(&self.stem, mask, sent, full_range).map_err(|reason| {
            log::error!("{reason}");
            self.failure.get_or_insert(reason);
            Fault::OutputFailed
        })
    }
}

impl Scores {
    /// Slates of any cause.
    pub fn slate_frames(&self) -> u64 {
        self.slates.iter().map(|&(_, frames)| frames).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Chroma, Plane};
    use crate::regress::files::CoverageFile;
    use std::path::Path;

    const RATE: Rate = Rate { frames: 10, seconds: 1 };

    fn settings(output: Output) -> Settings {
        let text = "1,4,0,0,16,16\n2,4,0,0,16,16\n4,4,0,0,16,16\n";
        let truth = ClipTruth::parse(text, Path::new("t")).unwrap();
        Settings { rate: RATE, full_range: false, stills: false, truth: Some(truth), output }
    }

    fn picture<'a>(luma: &'a [u8], chroma: &'a [u8; 128]) -> Picture<'a> {
        let uv = Plane { data: chroma, stride: 16, width: 16, height: 8 };
        Picture { luma: Plane { data: luma, stride: 16, width: 16, height: 16 }, chroma: Chroma::Nv12(uv) }
    }

    #[test]
    fn frames_are_scored_by_number_and_written_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("coverage.y4m");
        let output = Output::Clip(CoverageFile::create(&path, Size::new(16, 16), RATE).unwrap());
        let scorer = Scorer::new(settings(output));
        let texture: Vec<u8> = (0..=255).collect();
        let (raw, painted) = (picture(&texture, &[128; 128]), picture(&[77; 256], &[128; 128]));
        let add = |sequence: u64, slate, source, sent| {
            let captured = Micros::from_ms(sequence * 100);
            scorer.ledger().add(sequence, captured, slate, source, sent).unwrap();
        };
        add(0, None, Some(raw), painted);
        add(1, None, Some(raw), raw);
        add(3, Some(Fault::EvidenceMissing), Some(raw), painted);
        add(4, None, None, painted);
        let scores = scorer.finish();
        assert_eq!((scores.frames, scores.unmatched, scores.person_frames, scores.identities), (4, 1, 3, 1));
        assert_eq!(scores.figures.head_leak, Ok(1.0 / 3.0));
        assert_eq!(scores.figures.longest_leak_ms, Ok(100.0));
        assert_eq!(scores.figures.slate_share, Ok(0.25));
        assert_eq!((scores.slates.as_slice(), scores.slate_frames()), ([(Fault::EvidenceMissing, 1)].as_slice(), 1));
        assert_eq!(scores.clear_fraction, Ok(0.5));
        assert_eq!(scores.sent.iter().collect::<Vec<_>>(), [0, 1, 3, 4]);
        let written = std::fs::read(&path).unwrap();
        let mut expected = b"YUV4MPEG2 W16 H16 F10:1 Ip A1:1 Cmono\n".to_vec();
        for value in [255, 0, 128, 0] {
            expected.extend_from_slice(b"FRAME\n");
            expected.extend_from_slice(&[value; 256]);
        }
        assert!(written == expected);
    }

    #[test]
    fn a_full_disk_is_a_fault_with_a_reason() {
        let Ok(file) = CoverageFile::create(Path::new("/dev/full"), Size::new(16, 16), RATE) else { return };
        let scorer = Scorer::new(settings(Output::Clip(file)));
        let luma = [7; 256];
        let sent = picture(&luma, &[128; 128]);
        let results: Vec<_> =
            (0..400).map(|sequence| scorer.ledger().add(sequence, Micros(sequence), None, None, sent)).collect();
        assert!(results.contains(&Err(Fault::OutputFailed)));
        assert!(scorer.failure().unwrap().contains("/dev/full: No space left"));
        assert!(scorer.finish().failure.is_some());
    }

    #[test]
    fn stills_have_their_own_truth_and_no_identities() {
        let scorer = Scorer::new(Settings { stills: true, truth: None, ..settings(Output::None) });
        let texture: Vec<u8> = (0..=255).collect();
        let raw = picture(&texture, &[128; 128]);
        let truth = ClipTruth::parse("1,-1,0,0,16,16\n", Path::new("t")).unwrap();
        for (sequence, truth) in [(0, Some(truth)), (1, None)] {
            scorer.begin_still("a", true, true, truth);
            scorer.ledger().add(sequence, Micros(0), None, Some(raw), raw).unwrap();
        }
        let scores = scorer.finish();
        assert_eq!((scores.figures.head_leak.clone(), scores.person_frames, scores.unlabelled), (Ok(1.0), 1, 1));
        assert_eq!(scores.figures.identity_leak, Err("stills have no identities".to_owned()));
    }
}
