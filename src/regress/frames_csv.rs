//! `frames.csv`: one line per frame, and the small summary of it that the report draws.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::base::Micros;
use crate::mask::State;

use super::{Measured, real, whole};

/// The first line of the file.
pub const HEADER: &str = "frame,pts_us,state,clear_fraction,objects,evidence_age_ms,px_per_m,bytes,detect_ms,redact_ms,\
                          encode_ms,total_ms";

/// One frame. Times are in milliseconds of wall time.
#[derive(Clone, Copy, Debug)]
pub struct FrameRow {
    /// Number in the stream, from 0.
    pub frame: u64,
    /// When it was captured.
    pub captured: Micros,
    /// `redacted`, or `slate` with its cause.
    pub state: State,
    /// Share of the cells that are sent clear, 0 to 1.
    pub clear_fraction: f32,
    /// Connected covered regions.
    pub objects: usize,
    /// Time between this frame and the furthest of those whose examination cleared it.
    pub evidence_age: Micros,
    /// Pixels a metre of the finest ground that is sent.
    pub px_per_m: f32,
    /// Bytes of its access unit.
    pub bytes: usize,
    /// In the camera's motion and the motion witness.
    pub follow_ms: f64,
    /// From the camera's hands to redaction: in that, on the way, and for a later pass.
    pub wait_ms: f64,
    /// In the detector; zero if there was no pass over this very frame.
    pub detect_ms: f64,
    /// In clearance, tracks, paint and density.
    pub redact_ms: f64,
    /// From the encoder's door to the finished access unit.
    pub encode_ms: f64,
    /// From capture (in replay: from reading) to the finished access unit.
    pub total_ms: f64,
}

/// Writes `frames.csv` and remembers what the report needs.
pub struct FramesCsv {
    file: BufWriter<File>,
    log: RunLog,
}

impl FramesCsv {
    /// Creates the file and writes its header.
    ///
    /// # Errors
    /// It cannot be created or written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::with_capacity(1 << 16, File::create(path)?);
        writeln!(file, "{HEADER}")?;
        Ok(Self { file, log: RunLog::default() })
    }

    /// Appends a line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&mut self, row: &FrameRow) -> io::Result<()> {
        self.log.add(row);
        write!(self.file, "{},{},", row.frame, row.captured.0)?;
        match row.state {
            State::Redacted => write!(self.file, "redacted")?,
            State::Slate(fault) => write!(self.file, "slate: {fault}")?,
        }
        writeln!(
            self.file,
            ",{:.4},{},{:.3},{:.1},{},{:.3},{:.3},{:.3},{:.3}",
            row.clear_fraction,
            row.objects,
            row.evidence_age.as_ms(),
            row.px_per_m,
            row.bytes,
            row.detect_ms,
            row.follow_ms + row.redact_ms,
            row.encode_ms,
            row.total_ms
        )
    }

    /// Completes the file.
    ///
    /// # Errors
    /// As [`FramesCsv::write`]; the log is lost with it only if nothing was written at all.
    pub fn finish(mut self) -> io::Result<RunLog> {
        self.file.flush()?;
        Ok(self.log)
    }
}

/// Most points of a timeline; it holds between half as many and this many once the clip is long enough.
pub const POINTS: usize = 600;

/// Several frames in a row, drawn as one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Number of the first frame.
    pub frame: u64,
    /// Capture time of the first frame.
    pub captured: Micros,
    /// Frames in the point.
    pub frames: u64,
    /// Slates among them.
    pub slates: u64,
    /// Lowest and highest clear fraction.
    pub clear: (f64, f64),
    /// Lowest and highest total time in milliseconds.
    pub total_ms: (f64, f64),
}

impl Point {
    fn of(row: &FrameRow) -> Self {
        let clear = f64::from(row.clear_fraction);
        Self {
            frame: row.frame,
            captured: row.captured,
            frames: 1,
            slates: u64::from(row.state != State::Redacted),
            clear: (clear, clear),
            total_ms: (row.total_ms, row.total_ms),
        }
    }

    fn join(&mut self, next: &Self) {
        self.frames += next.frames;
        self.slates += next.slates;
        self.clear = (self.clear.0.min(next.clear.0), self.clear.1.max(next.clear.1));
        self.total_ms = (self.total_ms.0.min(next.total_ms.0), self.total_ms.1.max(next.total_ms.1));
    }
}

/// A run as the report draws it: bounded however long the clip is.
#[derive(Clone, Debug)]
pub struct RunLog {
    points: Vec<Point>,
    /// Frames that make one point; doubles when the points run out.
    per_point: u64,
    bytes: u64,
    first: Micros,
    last: Micros,
    frames: u64,
    /// How long frames took in all, and in each of [`STAGES`].
    total: Times,
    stages: [Times; STAGES.len()],
}

/// Where a frame's time goes, as `summary.json` names it; the follower's time is part of the wait's.
pub const STAGES: [&str; 5] = ["follow", "detect", "wait", "redact", "encode"];

/// Frames by how long they took.
#[derive(Clone, Debug)]
struct Times {
    /// In steps of [`STEP_MS`]; the last entry holds everything beyond.
    frames: Vec<u32>,
}

impl Times {
    fn add(&mut self, ms: f64) {
        if let Some(frames) = self.frames.get_mut(whole(ms / STEP_MS, STEPS)) {
            *frames = frames.saturating_add(1);
        }
    }

    /// What `share` (0 to 1) of the frames stay within, in milliseconds, to 0.1 ms.
    fn within(&self, share: f64) -> Measured {
        let all: u64 = self.frames.iter().map(|&frames| u64::from(frames)).sum();
        let rank = (real(all) * share).ceil().max(1.0);
        let mut seen = 0;
        for (step, &frames) in self.frames.iter().enumerate() {
            seen += u64::from(frames);
            if real(seen) >= rank {
                return Ok(real(super::count(step)) * STEP_MS);
            }
        }
        Err("no frame was sent".to_owned())
    }
}

impl Default for Times {
    fn default() -> Self {
        Self { frames: vec![0; STEPS + 1] }
    }
}

/// Resolution of the latency percentiles, in milliseconds.
const STEP_MS: f64 = 0.1;
/// Ten seconds.
const STEPS: usize = 100_000;

impl Default for RunLog {
    fn default() -> Self {
        Self {
            points: Vec::with_capacity(POINTS + 1),
            per_point: 1,
            bytes: 0,
            first: Micros(0),
            last: Micros(0),
            frames: 0,
            total: Times::default(),
            stages: Default::default(),
        }
    }
}

impl RunLog {
    /// Adds a frame; for callers that write no file.
    pub fn add(&mut self, row: &FrameRow) {
        if self.frames == 0 {
            self.first = row.captured;
        }
        self.last = row.captured;
        self.frames += 1;
        self.bytes += super::count(row.bytes);
        self.total.add(row.total_ms);
        let stages = [row.follow_ms, row.detect_ms, row.wait_ms, row.redact_ms, row.encode_ms];
        for (times, ms) in self.stages.iter_mut().zip(stages) {
            times.add(ms);
        }
        match self.points.last_mut() {
            Some(last) if last.frames < self.per_point => last.join(&Point::of(row)),
            _ => self.points.push(Point::of(row)),
        }
        if self.points.len() > POINTS {
            self.per_point *= 2;
            let (mut kept, mut read) = (0, 0);
            while let Some(&(mut point)) = self.points.get(read) {
                if let Some(next) = self.points.get(read + 1) {
                    point.join(next);
                }
                self.points[kept] = point;
                (kept, read) = (kept + 1, read + 2);
            }
            self.points.truncate(kept);
        }
    }

    /// The timeline, in order.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// The total time that `share` (0 to 1) of the frames stay within, in milliseconds, to 0.1 ms.
    pub fn total_ms(&self, share: f64) -> Measured {
        self.total.within(share)
    }

    /// The same for each of [`STAGES`], in their order.
    pub fn stages_ms(&self, share: f64) -> impl Iterator<Item = Measured> {
        self.stages.iter().map(move |times| times.within(share))
    }

    /// Of the encoded stream, in kilobits a second; the last frame lasts as long as the mean of the others.
    pub fn bitrate_kbps(&self) -> Measured {
        if self.frames < 2 || self.last <= self.first {
            return Err("a bit rate needs two frames".to_owned());
        }
        let spacing = self.last.since(self.first).as_ms() / real(self.frames - 1);
        Ok(real(self.bytes) * 8.0 / (spacing * real(self.frames)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Fault;

    fn row(frame: u64) -> FrameRow {
        FrameRow {
            frame,
            captured: Micros::from_ms(frame * 40),
            state: State::Redacted,
            clear_fraction: 0.75,
            objects: 2,
            evidence_age: Micros(0),
            px_per_m: 31.25,
            bytes: 500,
            follow_ms: 0.25,
            wait_ms: 1.0,
            detect_ms: 10.0,
            redact_ms: 0.25,
            encode_ms: 9.25,
            total_ms: 20.0,
        }
    }

    #[test]
    fn lines_have_the_columns_of_the_contract() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("frames.csv");
        let mut csv = FramesCsv::create(&path).unwrap();
        csv.write(&row(0)).unwrap();
        csv.write(&FrameRow { state: State::Slate(Fault::EvidenceStale), clear_fraction: 0.0, ..row(1) }).unwrap();
        csv.finish().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], HEADER);
        assert_eq!(lines[1], "0,0,redacted,0.7500,2,0.000,31.2,500,10.000,0.500,9.250,20.000");
        assert_eq!(lines[2], "1,40000,slate: stale evidence,0.0000,2,0.000,31.2,500,10.000,0.500,9.250,20.000");
        assert!(lines.iter().all(|line| line.matches(',').count() == HEADER.matches(',').count()));
    }

    #[test]
    fn long_runs_keep_their_extremes_in_few_points() {
        let mut log = RunLog::default();
        for frame in 0..5000 {
            let state = if frame == 3333 { State::Slate(Fault::FrameTorn) } else { State::Redacted };
            let clear_fraction = if frame == 3333 { 0.0 } else { 0.5 };
            let total_ms = if frame == 4999 { 90.0 } else { 20.0 };
            log.add(&FrameRow { state, clear_fraction, total_ms, ..row(frame) });
        }
        let points = log.points();
        assert!(points.len() <= POINTS && points.len() >= POINTS / 2, "{}", points.len());
        assert_eq!(points.iter().map(|point| point.frames).sum::<u64>(), 5000);
        assert_eq!(points.iter().map(|point| point.slates).sum::<u64>(), 1);
        assert_eq!(points.iter().filter(|point| point.clear == (0.0, 0.5)).count(), 1);
        assert_eq!(points.last().map(|point| point.total_ms), Some((20.0, 90.0)));
        assert!(points.windows(2).all(|pair| pair[0].frame + pair[0].frames == pair[1].frame));
    }

    #[test]
    fn percentiles_and_bit_rate_by_hand() {
        let mut log = RunLog::default();
        assert!(log.total_ms(0.5).is_err() && log.bitrate_kbps().is_err());
        for frame in 0..100 {
            log.add(&FrameRow { total_ms: if frame < 98 { 20.0 } else { 50.0 }, ..row(frame) });
        }
        assert_eq!((log.total_ms(0.5), log.total_ms(0.98), log.total_ms(0.99)), (Ok(20.0), Ok(20.0), Ok(50.0)));
        // 500 bytes every 40 ms.
        assert_eq!(log.bitrate_kbps(), Ok(100.0));
        log.add(&FrameRow { total_ms: f64::INFINITY, ..row(100) });
        assert_eq!(log.total_ms(1.0), Ok(10_000.0));
    }
}
