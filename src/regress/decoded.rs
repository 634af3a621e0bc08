//! The stream as a foreign decoder sees it: what of the covered pixels came through, and how good the clear ones are.
//!
//! The written stream is decoded by a child (`dav1d` for AV1, else `ffmpeg`), read in lockstep with `coverage.y4m` and
//! the source, which is opened a second time. Only luma is compared.
//!
//! `leak_correlation` takes every 16 px cell that lies whole in the picture and is covered in every pixel, and whose
//! source luma deviates by more than 4 levels. The cell's value is the magnitude of the zero-mean correlation between
//! decoded and source luma (a negative picture is as good as a positive one to whoever looks), or 0 where the decoded
//! cell deviates by less than 1.5 levels. The figure is the 99th percentile of these values, to a thousandth.

use std::ffi::{OsStr, OsString};
use std::io::{BufReader, ErrorKind};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::base::geometry::CELL;
use crate::base::{FramePool, Grid, Plane, RawFrame, Rect, Size};
use crate::camera::{Camera, CameraError, EVERY_FRAME, EVERY_FRAME_OLD};
use crate::encode::Codec;

use super::score::SentFrames;
use super::{Measured, count, real, whole};

/// Opens the source a second time.
pub type Reopen<'a> = Box<dyn FnOnce() -> Result<Box<dyn Camera>, CameraError> + 'a>;

/// What the decoded stream says.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// Frames that came out of the decoder.
    pub frames: Result<u64, String>,
    /// See the head of this file; 0 to 1.
    pub leak_correlation: Measured,
    /// Luma PSNR over pixels sent clear, in decibels; at most 100, which stands for equal.
    pub psnr_clear_db: Measured,
    /// The decoder that was used.
    pub decoder: Option<&'static str>,
}

impl Decoded {
    /// Nothing was decoded, for this reason.
    pub fn unmeasured(reason: &str) -> Self {
        let none = || Err(reason.to_owned());
        Self { frames: Err(reason.to_owned()), leak_correlation: none(), psnr_clear_db: none(), decoder: None }
    }
}

/// Decodes `stream` and compares it with the source under `coverage`, a [`super::files::CoverageFile`] of the same run.
/// `sent` says which frames of the source went in. A source that cannot be read twice gives the reason instead.
pub fn examine(
    stream: &Path,
    codec: Codec,
    coverage: &Path,
    source: Result<Reopen<'_>, String>,
    sent: &SentFrames,
) -> Decoded {
    match decoders(stream, codec) {
        Ok(decoders) => decode(&decoders, coverage, source, sent),
        Err(reason) => Decoded::unmeasured(&reason),
    }
}

fn decode(decoders: &[Candidate], coverage: &Path, source: Result<Reopen<'_>, String>, sent: &SentFrames) -> Decoded {
    let mut comparison = Comparison::open(coverage, source, sent);
    let mut broken = None;
    let mut tried = None;
    for (name, words) in decoders {
        let mut child = match start(name, words) {
            Ok(child) => Decoder { child, name },
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Decoded::unmeasured(&format!("{name}: {error}")),
        };
        let mut given = 0;
        let frames = child.each_frame(|decoded| {
            given += 1;
            match &mut comparison {
                Ok(comparison) if broken.is_none() => broken = comparison.frame(decoded).err(),
                _ => {}
            }
        });
        let over = frames.is_ok() || given > 0;
        tried = Some((*name, frames));
        if over {
            break;
        }
    }
    let Some((name, frames)) = tried else {
        let mut names: Vec<_> = decoders.iter().map(|(name, _)| *name).collect();
        names.dedup();
        return Decoded::unmeasured(&format!("not installed: {}", names.join(", ")));
    };
    if let (Ok(frames), Ok(comparison)) = (&frames, &mut comparison)
        && broken.is_none()
        && comparison.sent.next().is_some()
    {
        broken = Some(format!("the decoder gave only {frames} of the frames that were sent"));
    }
    let (leak_correlation, psnr_clear_db) = match (&frames, &broken, &comparison) {
        (Err(reason), ..) | (_, Some(reason), _) | (.., Err(reason)) => (Err(reason.clone()), Err(reason.clone())),
        (Ok(0), None, Ok(_)) => (Err("no frame was decoded".to_owned()), Err("no frame was decoded".to_owned())),
        (Ok(_), None, Ok(comparison)) => (comparison.sums.leak_correlation(), comparison.sums.psnr_clear_db()),
    };
    Decoded { frames, leak_correlation, psnr_clear_db, decoder: Some(name) }
}

/// A decoder that writes Y4M to its standard output; killed and reaped when dropped.
struct Decoder {
    child: Child,
    name: &'static str,
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // Both fail only when the child has ended and was reaped before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program and the words that make it write Y4M to its standard output.
type Candidate = (&'static str, Vec<OsString>);

/// What can decode the stream, the one to be tried first in front. The next one's turn comes if a decoder is not
/// installed or ends without a frame.
fn decoders(stream: &Path, codec: Codec) -> Result<Vec<Candidate>, String> {
    let stream = std::path::absolute(stream).map_err(|error| format!("{}: {error}", stream.display()))?;
    let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
    let dav1d = || {
        let mut words = words("--quiet --threads 2 --muxer yuv4mpeg2 --output - --input");
        words.push(stream.clone().into_os_string());
        ("dav1d", words)
    };
    let ffmpeg = |format: &str, every: [&str; 2]| {
        let mut words = words(&format!("-v error -nostdin -threads 2 -f {format} -i"));
        let mut url = OsString::from("file:");
        url.push(&stream);
        words.push(url);
        words.extend(every.into_iter().chain(["-f", "yuv4mpegpipe", "-strict", "-1", "-"]).map(OsString::from));
        ("ffmpeg", words)
    };
    Ok(match codec {
        Codec::Av1 => vec![dav1d(), ffmpeg("ivf", EVERY_FRAME), ffmpeg("ivf", EVERY_FRAME_OLD)],
        Codec::H264 => vec![ffmpeg("h264", EVERY_FRAME), ffmpeg("h264", EVERY_FRAME_OLD)],
    })
}

fn start(program: &str, words: &[impl AsRef<OsStr>]) -> std::io::Result<Child> {
    Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

impl Decoder {
    /// Hands each decoded luma plane on; the number of frames, or why the decoder stopped before the end.
    fn each_frame(&mut self, mut take: impl FnMut(Plane<'_>)) -> Result<u64, String> {
        let Some(pipe) = self.child.stdout.take() else { return Err(format!("{} has no output", self.name)) };
        let mut frames = 0;
        let read = read_frames(BufReader::with_capacity(1 << 16, pipe), |luma| {
            frames += 1;
            take(luma);
        });
        let status = self.child.wait().map_err(|error| format!("{}: {error}", self.name))?;
        if !status.success() {
            return Err(format!("{} stopped with {status} after {frames} frames", self.name));
        }
        read.map_err(|reason| format!("{} {reason} after {frames} frames", self.name))?;
        Ok(frames)
    }
}

fn read_frames(pipe: BufReader<ChildStdout>, mut take: impl FnMut(Plane<'_>)) -> Result<(), String> {
    let mut reader = y4m::decode(pipe).map_err(|_| "wrote no Y4M".to_owned())?;
    let (width, height) = (reader.get_width(), reader.get_height());
    if reader.get_bytes_per_sample() != 1 {
        return Err("wrote more than 8 bits".to_owned());
    }
    loop {
        match reader.read_frame() {
            Ok(frame) => take(Plane { data: frame.get_y_plane(), stride: width, width, height }),
            Err(y4m::Error::EOF) => return Ok(()),
            Err(error) => return Err(format!("wrote bad Y4M ({error})")),
        }
    }
}

/// The coverage file and the source, read as the decoder goes.
struct Comparison<'a> {
    coverage: y4m::Decoder<BufReader<std::fs::File>>,
    camera: Box<dyn Camera>,
    pool: FramePool,
    sent: Box<dyn Iterator<Item = u64> + 'a>,
    sums: Sums,
}

impl<'a> Comparison<'a> {
    fn open(coverage: &Path, source: Result<Reopen<'_>, String>, sent: &'a SentFrames) -> Result<Self, String> {
        let camera = source?().map_err(|error| error.to_string())?;
        let file = std::fs::File::open(coverage).map_err(|error| format!("{}: {error}", coverage.display()))?;
        let reader = y4m::decode(BufReader::with_capacity(1 << 16, file));
        let coverage = reader.map_err(|error| format!("{}: {error}", coverage.display()))?;
        let pool = FramePool::new(camera.mode().shape, 4);
        Ok(Self { coverage, camera, pool, sent: Box::new(sent.iter()), sums: Sums::default() })
    }

    /// Adds the next decoded frame.
    fn frame(&mut self, decoded: Plane<'_>) -> Result<(), String> {
        let Some(wanted) = self.sent.next() else {
            return Err("the decoder gave more frames than were sent".to_owned());
        };
        let mask = self.coverage.read_frame().map_err(|_| "coverage.y4m ends before the stream".to_owned())?;
        let source = seek(&mut *self.camera, &self.pool, wanted)?;
        let size = source.size();
        let (width, height) = (size.width, size.height);
        if (decoded.width, decoded.height) != (width, height) || mask.get_y_plane().len() != size.area() {
            return Err(format!("the decoder gave {}x{} where {size} was sent", decoded.width, decoded.height));
        }
        self.sums.add(source.luma(), decoded, Plane { data: mask.get_y_plane(), stride: width, width, height }, size);
        Ok(())
    }
}

/// Reads on to frame `wanted`.
fn seek(camera: &mut dyn Camera, pool: &FramePool, wanted: u64) -> Result<RawFrame, String> {
    loop {
        match camera.next(pool) {
            Ok(Some(frame)) if frame.sequence() == wanted => return Ok(frame),
            Ok(Some(frame)) if frame.sequence() < wanted => {}
            Ok(_) => return Err(format!("frame {wanted} is not in the source on second reading")),
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Steps of the correlation's histogram from 0 to 1.
const STEPS: usize = 1000;
/// Squared deviation that makes a source cell textured: above 4 levels.
const TEXTURE: u64 = 16;
/// Four times the squared deviation below which a decoded cell is flat: 1.5 levels.
const FLAT_TIMES_4: u64 = 9;
/// Stands for "no difference at all".
const BEST_DB: f64 = 100.0;

/// Sums over frames; bounded however long the clip is.
struct Sums {
    /// Cells by magnitude of correlation, in thousandths.
    cells: Vec<u64>,
    squared_error: u64,
    clear: u64,
}

impl Default for Sums {
    fn default() -> Self {
        Self { cells: vec![0; STEPS + 1], squared_error: 0, clear: 0 }
    }
}

impl Sums {
    fn add(&mut self, source: Plane<'_>, decoded: Plane<'_>, mask: Plane<'_>, size: Size) {
        for ((source, decoded), mask) in source.rows().zip(decoded.rows()).zip(mask.rows()) {
            let mut squared_error = 0;
            for ((&source, &decoded), _) in source.iter().zip(decoded).zip(mask).filter(|&(_, &mask)| mask == 0) {
                let error = u64::from(source.abs_diff(decoded));
                squared_error += error * error;
                self.clear += 1;
            }
            self.squared_error += squared_error;
        }
        let grid = Grid::over(size, CELL);
        for row in 0..size.height / CELL {
            for column in 0..size.width / CELL {
                if let Some(correlation) = cell(source, decoded, mask, grid.rect(column, row, size))
                    && let Some(cells) = self.cells.get_mut(whole(correlation * real(count(STEPS)), STEPS))
                {
                    *cells += 1;
                }
            }
        }
    }

    fn leak_correlation(&self) -> Measured {
        let cells: u64 = self.cells.iter().sum();
        let rank = (cells * 99).div_ceil(100).max(1);
        let mut seen = 0;
        for (step, cells) in self.cells.iter().enumerate() {
            seen += cells;
            if seen >= rank {
                return Ok(real(count(step)) / real(count(STEPS)));
            }
        }
        Err("no covered cell has a textured source".to_owned())
    }

    fn psnr_clear_db(&self) -> Measured {
        if self.clear == 0 {
            return Err("no pixel was sent clear".to_owned());
        }
        let mean = real(self.squared_error) / real(self.clear);
        Ok(if mean == 0.0 { BEST_DB } else { (10.0 * (255.0 * 255.0 / mean).log10()).min(BEST_DB) })
    }
}

/// The magnitude of the correlation in one cell; `None` if the cell is not wholly covered or its source has no texture.
fn cell(source: Plane<'_>, decoded: Plane<'_>, mask: Plane<'_>, rect: Rect) -> Option<f64> {
    let rows = rect.y..rect.bottom();
    if rows.clone().any(|y| mask.row(y)[rect.x..rect.right()].contains(&0)) {
        return None;
    }
    let (mut s, mut d, mut ss, mut dd, mut sd) = (0, 0, 0, 0, 0);
    for y in rows {
        let (source, decoded) = (&source.row(y)[rect.x..rect.right()], &decoded.row(y)[rect.x..rect.right()]);
        for (&source, &decoded) in source.iter().zip(decoded) {
            let (source, decoded) = (u64::from(source), u64::from(decoded));
            s += source;
            d += decoded;
            ss += source * source;
            dd += decoded * decoded;
            sd += source * decoded;
        }
    }
    // Everything times n^2, n the number of pixels, so that it stays whole.
    let n = count(rect.width * rect.height);
    let (source_spread, decoded_spread) = (n * ss - s * s, n * dd - d * d);
    if source_spread <= TEXTURE * n * n {
        return None;
    }
    if 4 * decoded_spread < FLAT_TIMES_4 * n * n {
        return Some(0.0);
    }
    let together = real((n * sd).abs_diff(s * d));
    Some(together / (real(source_spread).sqrt() * real(decoded_spread).sqrt()))
}

#[cfg(test)]
#[path = "decoded_tests.rs"]
mod tests;
