//! Recorded telemetry: a CSV of poses that is played beside a clip.
//!
//! The first line names the columns, `t_ms,height_m,pitch_deg,roll_deg,zoom`; each line after it is one measurement.
//! Times are milliseconds since the start of the clip and rise from line to line; fractions are fine. Empty lines and
//! lines that start with `#` are passed over. Values are taken as they stand, however absurd, as long as they are
//! finite numbers: whether a pose is believed is decided in flight, and a recording of bad telemetry must play as it
//! was.

use std::path::Path;

use crate::base::{Micros, Pose, Telemetry};

use super::error::{one_line, path_name};

/// The header, and the columns it names.
const COLUMNS: [&str; 5] = ["t_ms", "height_m", "pitch_deg", "roll_deg", "zoom"];
/// Largest log that is read, in bytes: a day at 10 poses a second.
const FILE_MAX: u64 = 1 << 26;
/// Latest time, in milliseconds: a year.
const LATEST_MS: f64 = 3.2e10;
const MEND_LINE: &str = "write t_ms,height_m,pitch_deg,roll_deg,zoom in plain numbers, leave out what was not measured";

/// Why a flight log is refused. One line: the file, the line, the mend.
#[derive(Debug, thiserror::Error)]
pub enum FlightLogError {
    /// The file cannot be read, or holds nothing.
    #[error("{path}: {reason}: {mend}")]
    Unreadable {
        /// As given.
        path: String,
        /// What is wrong.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
    /// A line cannot be understood.
    #[error("{path}, line {line}: {reason}: {mend}")]
    Line {
        /// As given.
        path: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
        /// What to do.
        mend: &'static str,
    },
}

/// A recorded flight, held whole; answering costs no memory.
#[derive(Clone, Debug)]
pub struct FlightLog {
    /// By rising time; at least one.
    poses: Box<[Pose]>,
}

impl FlightLog {
    /// Reads a log whole.
    ///
    /// # Errors
    /// The file cannot be read, is too large, or a line of it is malformed.
    pub fn load(path: &Path) -> Result<Self, FlightLogError> {
        let unreadable = |reason: String, mend| FlightLogError::Unreadable { path: path_name(path), reason, mend };
        let mend = "give a CSV of t_ms,height_m,pitch_deg,roll_deg,zoom";
        let told = |error: std::io::Error| unreadable(error.to_string(), mend);
        let about = std::fs::metadata(path).map_err(told)?;
        if about.len() > FILE_MAX {
            let reason = format!("{} bytes are more than {FILE_MAX}", about.len());
            return Err(unreadable(reason, "cut the log to the clip's time"));
        }
        let text = std::fs::read_to_string(path).map_err(told)?;
        Self::parse(&text, path)
    }

    /// As [`FlightLog::load`], from text that is already in memory; `path` is for messages.
    ///
    /// # Errors
    /// A line is malformed, times do not rise, or there is no pose at all.
    pub fn parse(text: &str, path: &Path) -> Result<Self, FlightLogError> {
        let refused = |index: usize, reason: String, mend| FlightLogError::Line {
            path: path_name(path),
            line: index + 1,
            reason: one_line(&reason),
            mend,
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines =
            text.lines().enumerate().map(|(index, line)| (index, line.trim())).filter(|(_, line)| counts(line));
        let mend = "make t_ms,height_m,pitch_deg,roll_deg,zoom the first line";
        match lines.next() {
            Some((_, line)) if line.split(',').map(str::trim).eq(COLUMNS) => {}
            Some((index, line)) => return Err(refused(index, format!("{} is no header", quoted(line)), mend)),
            None => return Err(refused(0, "the file is empty".to_owned(), mend)),
        }
        let mut poses: Vec<Pose> = Vec::new();
        let mut last = 0;
        for (index, line) in lines {
            let pose = read_line(line).map_err(|reason| refused(index, reason, MEND_LINE))?;
            if let Some(before) = poses.last().filter(|before| before.measured >= pose.measured) {
                let (now, before) = (pose.measured.as_ms(), before.measured.as_ms());
                let reason = format!("t_ms {now} after {before}");
                return Err(refused(index, reason, "sort the lines by time and keep one for each moment"));
            }
            poses.push(pose);
            last = index;
        }
        if poses.is_empty() {
            return Err(refused(last, "no measurement after the header".to_owned(), "record the flight again"));
        }
        Ok(Self { poses: poses.into_boxed_slice() })
    }

    /// The poses, by rising time.
    pub fn poses(&self) -> &[Pose] {
        &self.poses
    }
}

impl Telemetry for FlightLog {
    fn pose(&mut self, now: Micros) -> Option<Pose> {
        let after = self.poses.partition_point(|pose| pose.measured <= now);
        self.poses.get(after.checked_sub(1)?).copied()
    }
}

/// Whether a trimmed line says anything.
fn counts(line: &str) -> bool {
    !line.is_empty() && !line.starts_with('#')
}

/// One pose. The error says what is wrong with the line.
fn read_line(line: &str) -> Result<Pose, String> {
    let mut numbers = [0.0; COLUMNS.len()];
    let mut fields = 0;
    for text in line.split(',') {
        let (Some(slot), Some(name)) = (numbers.get_mut(fields), COLUMNS.get(fields)) else {
            return Err(format!("more than {} columns", COLUMNS.len()));
        };
        let text = text.trim();
        *slot = text
            .parse::<f64>()
            .ok()
            .filter(|value| value.is_finite())
            .ok_or_else(|| format!("{name} {} is not a number", quoted(text)))?;
        fields += 1;
    }
    if fields < COLUMNS.len() {
        return Err(format!("{fields} columns where {} are needed", COLUMNS.len()));
    }
    let [time, height, pitch, roll, zoom] = numbers;
    if !(0.0..=LATEST_MS).contains(&time) {
        return Err(format!("t_ms {time} is outside 0 to {LATEST_MS}"));
    }
    Ok(Pose {
        measured: micros(time),
        height_m: single(height),
        pitch_deg: single(pitch),
        roll_deg: single(roll),
        zoom: single(zoom),
    })
}

/// The start of a piece of the file as it stands in a message.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(60).collect::<String>())
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to LATEST_MS, checked before")]
fn micros(ms: f64) -> Micros {
    Micros((ms * 1000.0).round() as u64)
}

/// What is too large for a single is infinite there, which nobody believes.
#[expect(clippy::cast_possible_truncation, reason = "rounding is wanted")]
fn single(value: f64) -> f32 {
    value as f32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "t_ms,height_m,pitch_deg,roll_deg,zoom\n";

    fn refused(text: &str) -> String {
        let line = FlightLog::parse(text, Path::new("f\nl.csv")).expect_err("refused").to_string();
        assert!(line.starts_with("f l.csv, line ") && !line.contains('\n'), "{line}");
        line
    }

    #[test]
    fn the_newest_pose_not_after_now_is_given() {
        let text =
            format!("\u{feff}# flight 7\r\n{HEAD}\r\n0.5,30,-45,0,1\r\n100 , 31.5,-46,1e0,2\r\n300,-4,-90,0,1\n");
        let mut log = FlightLog::parse(&text, Path::new("f.csv")).expect("good");
        assert_eq!(log.pose(Micros(499)), None);
        assert_eq!(log.pose(Micros(500)).map(|pose| pose.height_m), Some(30.0));
        let pose = Pose { measured: Micros(100_000), height_m: 31.5, pitch_deg: -46.0, roll_deg: 1.0, zoom: 2.0 };
        assert_eq!(log.pose(Micros(299_999)), Some(pose));
        assert_eq!(log.pose(Micros(u64::MAX)).map(|pose| pose.pitch_deg), Some(-90.0));
        assert_eq!(log.pose(Micros(100_000)), Some(pose), "the clock may go back");
        assert_eq!(log.poses().len(), 3);
    }

    #[test]
    fn a_bad_line_is_named_with_its_mend() {
        for (text, reason) in [
            ("", "line 1: the file is empty: make t_ms,"),
            ("\n\n0,30,-45,0,1\n", "line 3: \"0,30,-45,0,1\" is no header: make t_ms,"),
            (HEAD, "line 1: no measurement after the header: record"),
            (&format!("{HEAD}0,30,-45,0\n"), "line 2: 4 columns where 5 are needed: write"),
            (&format!("{HEAD}0,30,-45,0,1,9\n"), "line 2: more than 5 columns: write"),
            (&format!("{HEAD}0,30,-45,0,1\n\n9,high,-45,0,1\n"), "line 4: height_m \"high\" is not a number: write"),
            (&format!("{HEAD}0,nan,-45,0,1\n"), "line 2: height_m \"nan\" is not a number: write"),
            (&format!("{HEAD}0,30,inf,0,1\n"), "line 2: pitch_deg \"inf\" is not a number: write"),
            (&format!("{HEAD}0,30,-45,,1\n"), "line 2: roll_deg \"\" is not a number: write"),
            (&format!("{HEAD}-1,30,-45,0,1\n"), "line 2: t_ms -1 is outside 0"),
            (&format!("{HEAD}1e300,30,-45,0,1\n"), "is outside 0"),
            (&format!("{HEAD}5,30,-45,0,1\n5,30,-45,0,1\n"), "line 3: t_ms 5 after 5: sort"),
            (&format!("{HEAD}5,30,-45,0,1\n4,30,-45,0,1\n"), "line 3: t_ms 4 after 5: sort"),
        ] {
            let line = refused(text);
            assert!(line.contains(reason), "{line}\n{reason}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        for path in ["/nowhere/flight.csv", "/"] {
            let line = FlightLog::load(Path::new(path)).expect_err("refused").to_string();
            assert!(line.starts_with(path) && line.contains("give a CSV") && !line.contains('\n'), "{line}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("f.csv");
        std::fs::write(&path, [0xFF, 0xFE, 0]).expect("written");
        assert!(FlightLog::load(&path).is_err());
        std::fs::write(&path, format!("{HEAD}0,30,-45,0,1\n")).expect("written");
        assert!(FlightLog::load(&path).is_ok());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(t_ms,height_m,pitch_deg,roll_deg,zoom\n)?[-0-9eE.,#nainf \r\n\u{e9}]{0,80}") {
            if let Err(error) = FlightLog::parse(&text, Path::new("f.csv")) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
