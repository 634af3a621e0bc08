//! Log lines: the journal's priorities, and not too many of one kind.
//!
//! A line that concerns a frame names it by number and says the fault in its own words, never a pixel or a box. Of
//! each fault the first is logged and then one in [`AGAIN`] with a count of those left out, so that a camera that
//! tears every frame does not fill the journal.

use std::ffi::OsStr;
use std::fmt;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt as _;

use log::{Level, Record};

use crate::base::{Fault, Micros};

/// Between two lines about the same fault.
pub const AGAIN: Micros = Micros::from_ms(10_000);

/// What a line to the journal begins with, after `sd-daemon(3)`: the priorities of `syslog(3)` in angle brackets.
pub const fn priority(level: Level) -> &'static str {
    match level {
        Level::Error => "<3>",
        Level::Warn => "<4>",
        Level::Info => "<6>",
        Level::Debug | Level::Trace => "<7>",
    }
}

/// Whether standard error is the journal, given the environment's `JOURNAL_STREAM` (`device:inode`). Only then is a
/// priority understood; a service whose output was redirected inherits the variable all the same.
pub fn to_journal(stream: Option<&OsStr>) -> bool {
    let Some(stream) = stream else { return false };
    let Ok(error) = io::stderr().as_fd().try_clone_to_owned() else { return false };
    let Ok(here) = std::fs::File::from(error).metadata() else { return false };
    stream.to_str() == Some(format!("{}:{}", here.dev(), here.ino()).as_str())
}

/// Writes one record as one line: with its priority to the journal, with its level elsewhere. For `env_logger`'s
/// `Builder::format`. Control characters become blanks, so that no text from outside can begin a line of its own.
///
/// # Errors
/// The writer's.
pub fn write(out: &mut impl Write, record: &Record<'_>, journal: bool) -> io::Result<()> {
    if journal {
        out.write_all(priority(record.level()).as_bytes())?;
    } else {
        write!(out, "{}: ", record.level())?;
    }
    fmt::write(&mut OneLine(out), *record.args()).map_err(|_| io::Error::other("the line could not be written"))?;
    out.write_all(b"\n")
}

/// Passes text on without its control characters.
struct OneLine<'a, W: Write>(&'a mut W);

impl<W: Write> fmt::Write for OneLine<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let plain = part.trim_end_matches(char::is_control);
            self.0.write_all(plain.as_bytes()).map_err(|_| fmt::Error)?;
            if plain.len() < part.len() {
                self.0.write_all(b" ").map_err(|_| fmt::Error)?;
            }
        }
        Ok(())
    }
}

/// One line about a fault in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    fault: Fault,
    sequence: u64,
    left_out: u64,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {}: {}", self.sequence, self.fault)?;
        if self.left_out > 0 {
            write!(f, " ({} more since the last line)", self.left_out)?;
        }
        Ok(())
    }
}

/// Keeps lines about faults few.
#[derive(Debug)]
pub struct Lines {
    last: [(Option<Micros>, u64); Fault::ALL.len()],
}

impl Default for Lines {
    fn default() -> Self {
        Self { last: [(None, 0); Fault::ALL.len()] }
    }
}

impl Lines {
    /// The line to log about `fault` in the frame of number `sequence`, if it is time for one.
    pub fn line(&mut self, fault: Fault, sequence: u64, now: Micros) -> Option<Line> {
        let (last, left_out) = &mut self.last[usize::from(fault.number())];
        if last.is_some_and(|then| then <= now && now.since(then) < AGAIN) {
            *left_out += 1;
            return None;
        }
        *last = Some(now);
        Some(Line { fault, sequence, left_out: std::mem::take(left_out) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_and_then_one_in_ten_seconds() {
        let mut lines = Lines::default();
        let told: Vec<_> = (0u64..700)
            .filter_map(|frame| lines.line(Fault::FrameTorn, frame, Micros::from_ms(frame * 33)))
            .map(|line| line.to_string())
            .collect();
        assert_eq!(
            told,
            [
                "frame 0: torn frame",
                "frame 304: torn frame (303 more since the last line)",
                "frame 608: torn frame (303 more since the last line)"
            ]
        );
        let other = lines.line(Fault::MotionFast, 700, Micros::from_ms(23_100)).expect("a cause of its own");
        assert_eq!(other.to_string(), "frame 700: camera too fast");
        assert!(lines.line(Fault::FrameTorn, 0, Micros(0)).is_some(), "a clock that went back silences nothing");
    }

    fn written(level: Level, text: &str, journal: bool) -> String {
        let mut out = Vec::new();
        write(&mut out, &Record::builder().level(level).args(format_args!("{text}")).build(), journal)
            .expect("written");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn priorities_are_those_of_syslog_and_only_for_the_journal() {
        assert_eq!(written(Level::Error, "tripped", true), "<3>tripped\n");
        assert_eq!(written(Level::Warn, "slate", true), "<4>slate\n");
        assert_eq!(written(Level::Info, "up", true), "<6>up\n");
        assert_eq!(written(Level::Trace, "x", true), "<7>x\n");
        assert_eq!(written(Level::Error, "tripped", false), "ERROR: tripped\n");
    }

    #[test]
    fn text_from_outside_begins_no_line_of_its_own() {
        assert_eq!(written(Level::Info, "a\n<0>b\r\n\u{1b}[2Jc", true), "<6>a <0>b   [2Jc\n");
    }

    #[test]
    fn the_journal_is_told_from_what_only_inherited_the_variable() {
        let error = std::fs::metadata("/proc/self/fd/2").expect("standard error");
        let right = format!("{}:{}", error.dev(), error.ino());
        assert!(to_journal(Some(OsStr::new(&right))));
        assert!(!to_journal(Some(OsStr::new("8:1"))) && !to_journal(Some(OsStr::new("junk"))) && !to_journal(None));
    }
}
