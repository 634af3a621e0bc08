//! Truth files: who is where in each picture, as annotated by people.
//!
//! Two formats. MOT challenge CSV for clips, one line per box: `frame,id,x,y,w,h,conf,class,visibility`; frames count
//! from 1, boxes are in pixels from the top left corner, everything after `h` may be missing. YOLO text for stills, one
//! file per still named after its stem: `class xc yc w h`, centre and size as shares of the picture.
//!
//! | Class | MOT number | YOLO number |
//! |---|---|---|
//! | person | 1 pedestrian, 2 person on vehicle, 7 static person; -1 and 0: the file gives no class | 0 |
//! | vehicle | 3 car | 1 |
//! | cycle | 4 bicycle, 5 motorbike, 6 other without a motor | 2 |
//! | ignore | 8 distractor, 12 reflection, 13 crowd; a person whose `conf` is 0 | 9 |
//! | not read | 9, 10, 11 occluders | |
//!
//! MOT numbers are those of MOTChallenge's own table. `conf` matters for persons only, as there: 0 says that the box is
//! not to be judged. `visibility` must be a number but decides nothing: a person half hidden is still a person.

use std::path::{Path, PathBuf};

use crate::base::Size;

/// What a box holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A person on foot, or the person of a rider where that is annotated apart.
    Person,
    /// Car, van, lorry, bus.
    Vehicle,
    /// Bicycle, motorbike, with or without a rider: neither judged as a person nor counted as background.
    Cycle,
    /// A region nobody annotated: nothing in it is judged.
    Ignore,
}

/// An annotated box in pixels; it may hang over the picture's edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TruthBox {
    /// Position of the identity in [`ClipTruth::identities`]; `None` where the file gives no number.
    pub identity: Option<usize>,
    /// What it holds.
    pub class: Class,
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width, above 0.
    pub width: f64,
    /// Height, above 0.
    pub height: f64,
}

/// Why truth cannot be used. The message names the file, the line and the mend.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// The file or directory cannot be read.
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

/// Truth as found at a path: a file holds a clip's, a directory holds stills'.
#[derive(Debug)]
pub enum Truth {
    /// MOT CSV.
    Clip(ClipTruth),
    /// YOLO text, one per still.
    Stills(StillTruth),
}

impl Truth {
    /// Reads a MOT file whole, or looks into a directory of YOLO files.
    ///
    /// # Errors
    /// The path cannot be read, a MOT line is malformed, or the directory holds no `.txt`.
    pub fn load(path: &Path) -> Result<Self, TruthError> {
        if path.is_dir() { StillTruth::open(path).map(Self::Stills) } else { ClipTruth::load(path).map(Self::Clip) }
    }
}

/// Boxes of a clip, found by frame.
#[derive(Clone, Debug, Default)]
pub struct ClipTruth {
    /// Frame of each box, from 0, ascending.
    frames: Vec<u64>,
    boxes: Vec<TruthBox>,
    identities: Vec<i64>,
}

const MEND_MOT: &str = "write frame,id,x,y,w,h[,conf[,class[,visibility]]] in plain numbers, frames from 1";
const MEND_YOLO: &str = "write \"class xc yc w h\", the last four as shares of the picture from 0 to 1";
/// Beyond this no coordinate can mean a pixel.
const FARTHEST: f64 = 1e6;

impl ClipTruth {
    /// Reads a MOT file. Empty lines, `#` lines and a first line that starts with `frame` are passed over.
    ///
    /// # Errors
    /// The file cannot be read, or a line is malformed.
    pub fn load(path: &Path) -> Result<Self, TruthError> {
        Self::parse(&read(path)?, path)
    }

    /// As [`ClipTruth::load`], from text that is already in memory; `path` is for messages.
    ///
    /// # Errors
    /// A line is malformed.
    pub fn parse(text: &str, path: &Path) -> Result<Self, TruthError> {
        let mut lines = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || (index == 0 && line.starts_with("frame")) {
                continue;
            }
            match mot_line(line) {
                Ok(found) => lines.extend(found),
                Err(reason) => return Err(TruthError::line(path, index, reason, MEND_MOT)),
            }
        }
        lines.sort_by_key(|&(frame, ..)| frame);
        let mut identities: Vec<i64> = lines.iter().filter_map(|&(_, identity, _)| identity).collect();
        identities.sort_unstable();
        identities.dedup();
        let frames = lines.iter().map(|&(frame, ..)| frame).collect();
        let boxes = lines
            .iter()
            .map(|&(_, identity, found)| TruthBox {
                identity: identity.and_then(|number| identities.binary_search(&number).ok()),
                ..found
            })
            .collect();
        Ok(Self { frames, boxes, identities })
    }

    /// Boxes of frame `sequence`, counted from 0 as the camera does.
    pub fn at(&self, sequence: u64) -> &[TruthBox] {
        let start = self.frames.partition_point(|&frame| frame < sequence);
        let end = self.frames.partition_point(|&frame| frame <= sequence);
        self.boxes.get(start..end).unwrap_or_default()
    }

    /// The numbers of all identities in the file, ascending.
    pub fn identities(&self) -> &[i64] {
        &self.identities
    }
}

type MotLine = (u64, Option<i64>, TruthBox);

/// One line; `None` for what is not read. The error says what is wrong with it.
fn mot_line(line: &str) -> Result<Option<MotLine>, String> {
    let mut numbers = [f64::NAN; 10];
    let mut fields = 0;
    for text in line.split(',') {
        let Some(slot) = numbers.get_mut(fields) else { return Err("more than 10 columns".to_owned()) };
        *slot = number(text)?;
        fields += 1;
    }
    if fields < 6 {
        return Err(format!("{fields} columns where at least 6 are needed"));
    }
    let [frame, identity, x, y, width, height, conf, class, ..] = numbers;
    let frame = integer(frame, "frame")?;
    let frame = u64::try_from(frame - 1).map_err(|_| format!("frame {frame}"))?;
    let identity = Some(integer(identity, "id")?).filter(|&number| number >= 0);
    if width <= 0.0 || height <= 0.0 {
        return Err(format!("a box of {width} x {height} pixels"));
    }
    let class = match if class.is_nan() { -1 } else { integer(class, "class")? } {
        -1..=2 | 7 if conf == 0.0 => Class::Ignore,
        -1..=2 | 7 => Class::Person,
        3 => Class::Vehicle,
        4..=6 => Class::Cycle,
        8 | 12 | 13 => Class::Ignore,
        9..=11 => return Ok(None),
        other => return Err(format!("class {other}")),
    };
    Ok(Some((frame, identity, TruthBox { identity: None, class, x, y, width, height })))
}

/// A directory with one YOLO file per still.
#[derive(Debug)]
pub struct StillTruth {
    directory: PathBuf,
}

impl StillTruth {
    /// Looks whether the directory holds any `.txt`.
    ///
    /// # Errors
    /// It cannot be read, or holds none: most likely the wrong directory.
    pub fn open(path: &Path) -> Result<Self, TruthError> {
        let mend = "give the directory that holds one .txt per still";
        let unreadable = |reason: String| TruthError::Unreadable { path: path.display().to_string(), reason, mend };
        let entries = std::fs::read_dir(path).map_err(|error| unreadable(error.to_string()))?;
        let found = entries.flatten().any(|entry| entry.path().extension().is_some_and(|end| end == "txt"));
        if found { Ok(Self { directory: path.to_owned() }) } else { Err(unreadable("no .txt file in it".to_owned())) }
    }

    /// Reads the file of a still, if there is one, for its faults alone.
    ///
    /// # Errors
    /// As [`StillTruth::still`].
    pub fn check(&self, stem: &str) -> Result<(), TruthError> {
        self.still(stem, Size::new(1, 1)).map(|_| ())
    }

    /// The boxes of one still of `size`, as the truth of a clip of one frame; `None` where it has no file.
    ///
    /// # Errors
    /// The file cannot be read, or a line is malformed.
    pub fn still(&self, stem: &str, size: Size) -> Result<Option<ClipTruth>, TruthError> {
        let path = self.directory.join(format!("{stem}.txt"));
        if !path.exists() {
            return Ok(None);
        }
        let mut boxes = Vec::new();
        for (index, line) in read(&path)?.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            boxes.push(yolo_line(line, size).map_err(|reason| TruthError::line(&path, index, reason, MEND_YOLO))?);
        }
        Ok(Some(ClipTruth { frames: vec![0; boxes.len()], boxes, identities: Vec::new() }))
    }
}

fn yolo_line(line: &str, size: Size) -> Result<TruthBox, String> {
    let mut numbers = [0.0; 5];
    let mut fields = line.split_whitespace();
    for (index, slot) in numbers.iter_mut().enumerate() {
        *slot = number(fields.next().ok_or_else(|| format!("{index} columns where 5 are needed"))?)?;
    }
    let more = fields.count();
    if more > 0 {
        // A polygon, or what a detector found: its numbers would pass for a box.
        return Err(format!("{} columns where 5 are needed", numbers.len() + more));
    }
    let [class, centre_x, centre_y, width, height] = numbers;
    let class = match integer(class, "class")? {
        0 => Class::Person,
        1 => Class::Vehicle,
        2 => Class::Cycle,
        9 => Class::Ignore,
        other => return Err(format!("class {other} (0 person, 1 vehicle, 2 cycle, 9 ignore)")),
    };
    if !(width > 0.0 && height > 0.0 && width <= 2.0 && height <= 2.0) {
        return Err(format!("a box of {width} x {height} of the picture"));
    }
    let (across, down) = (super::real(super::count(size.width)), super::real(super::count(size.height)));
    Ok(TruthBox {
        identity: None,
        class,
        x: (centre_x - width / 2.0) * across,
        y: (centre_y - height / 2.0) * down,
        width: width * across,
        height: height * down,
    })
}

fn number(text: &str) -> Result<f64, String> {
    let value: f64 = text.trim().parse().map_err(|_| format!("{:?} is not a number", text.trim()))?;
    if value.abs() <= FARTHEST { Ok(value) } else { Err(format!("{value} is out of range")) }
}

#[expect(clippy::cast_possible_truncation, reason = "whole and within FARTHEST, checked here")]
fn integer(value: f64, name: &str) -> Result<i64, String> {
    if value.fract() == 0.0 { Ok(value as i64) } else { Err(format!("{name} {value} is not a whole number")) }
}

fn read(path: &Path) -> Result<String, TruthError> {
    std::fs::read_to_string(path).map_err(|error| TruthError::Unreadable {
        path: path.display().to_string(),
        reason: error.to_string(),
        mend: "give a MOT CSV for a clip or a directory of YOLO text files for stills",
    })
}

impl TruthError {
    fn line(path: &Path, index: usize, reason: String, mend: &'static str) -> Self {
        Self::Line { path: path.display().to_string(), line: index + 1, reason, mend }
    }
}

#[cfg(test)]
#[path = "truth_tests.rs"]
mod tests;
