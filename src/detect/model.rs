//! The network's file: read, checked against its hash and its promised shape, given to the engine that runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::input::Picture;
use super::int8::{Kernel, Program, Runner, Unsupported};
use super::real::{RealNetwork, RealRun};
use crate::base::geometry::SCORE_CELL;
use crate::base::{Fault, Grid, Size, hex};

/// The network that is built in, and the hash it must have.
const BUILT_IN: (&[u8], &str) =
    (include_bytes!("../../models/veil.onnx"), include_str!("../../models/veil.onnx.sha256"));

/// Largest file that is taken for a network, in bytes.
const FILE_MAX: u64 = 64 << 20;

/// Why there is no detector. The message names the file and the mend.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The file cannot be read.
    #[error(
        "{path}: cannot read the model: {reason}: set [detect] model to an ONNX file, or leave it out for the built-in one"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// There is no hash to check the file against.
    #[error("{path}: cannot read the model's hash: {reason}: write it with `sha256sum {model} > {path}`", model = .model.display())]
    HashUnreadable {
        /// The hash file.
        path: PathBuf,
        /// The model beside it.
        model: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is not the one that its hash was made of.
    #[error(
        "{path}: SHA-256 is {found}, expected {expected}: restore the file, or write a new .sha256 if you mean this one"
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: String,
        /// What the hash file says.
        expected: String,
    },
    /// The file is no network that can be run.
    #[error("{path}: not a usable ONNX network: {reason}: see models/README.md for what is expected")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// The first line of what the reader said.
        reason: String,
    },
    /// The network takes or gives something else than a detector's.
    #[error("{path}: {what} is {found}, expected {expected}: see models/README.md")]
    Shape {
        /// The file.
        path: PathBuf,
        /// Input or output.
        what: &'static str,
        /// What it has.
        found: String,
        /// What a detector has.
        expected: String,
    },
    /// No threads could be started.
    #[error("[detect] threads: cannot start the detector's threads: {0}: ask for fewer")]
    Threads(String),
}

/// A checked network. A clone shares its weights.
#[derive(Clone)]
pub struct Network {
    engine: Engine,
    sha256: String,
    /// The logit at which each score from 1 to 255 begins.
    steps: Arc<[f32]>,
}

/// What runs it.
#[derive(Clone)]
enum Engine {
    /// Whole numbers, by our own kernels.
    Int8(Arc<Program>),
    /// Anything else, by tract.
    Real(Box<RealNetwork>),
}

impl Network {
    /// Reads and checks `path`, or the network that is built in.
    pub fn load(path: Option<&Path>) -> Result<Self, DetectError> {
        let Some(path) = path else {
            return Self::parse(PathBuf::from("(built-in model)"), BUILT_IN.0, BUILT_IN.1);
        };
        let unreadable = |reason: String| DetectError::Unreadable { path: path.to_owned(), reason };
        let length = std::fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
        if length > FILE_MAX {
            return Err(unreadable(format!("{length} bytes are more than {FILE_MAX}")));
        }
        let bytes = std::fs::read(path).map_err(|error| unreadable(error.to_string()))?;
        let mut hash_path = path.as_os_str().to_owned();
        hash_path.push(".sha256");
        let hash_path = PathBuf::from(hash_path);
        let expected = std::fs::read_to_string(&hash_path).map_err(|error| DetectError::HashUnreadable {
            path: hash_path,
            model: path.to_owned(),
            reason: error.to_string(),
        })?;
        Self::parse(path.to_owned(), &bytes, &expected)
    }

    fn parse(path: PathBuf, bytes: &[u8], expected: &str) -> Result<Self, DetectError> {
        let sha256 = hex(&Sha256::digest(bytes));
        let expected = expected.split_whitespace().next().unwrap_or("nothing").to_ascii_lowercase();
        if sha256 != expected {
            return Err(DetectError::Hash { path, found: sha256, expected });
        }
        let engine = match Program::read(bytes, Kernel::best()) {
            Ok(program) => Engine::Int8(Arc::new(program)),
            Err(Unsupported::NotQuantised) => Engine::Real(Box::new(RealNetwork::read(path, bytes)?)),
            Err(reason @ Unsupported::Node { .. }) => match RealNetwork::read(path.clone(), bytes) {
                Ok(network) => {
                    log::warn!("{}: quantised, but left to the slower engine: {reason}", path.display());
                    Engine::Real(Box::new(network))
                }
                Err(_) => return Err(DetectError::Unusable { path, reason: reason.to_string() }),
            },
        };
        let steps = (1..=255_u8).map(|score| logit((f64::from(score) - 0.5) / 255.0)).collect();
        Ok(Self { engine, sha256, steps })
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The engine's name.
    pub fn runs_on(&self) -> String {
        match &self.engine {
            Engine::Int8(program) => format!("whole numbers, {:?} kernel", program.kernel()),
            Engine::Real(_) => "real numbers, tract".to_owned(),
        }
    }

    /// Longest side of a tile, in pixels, a multiple of 32. Larger pictures are cut, which bounds memory.
    pub fn side_max(&self) -> usize {
        match self.engine {
            // About 44 bytes a pixel (`models/train/net.py`'s), and its rows are shared between threads.
            Engine::Int8(_) => 2048,
            // About 100 bytes a pixel, and only tiles are shared between threads.
            Engine::Real(_) => 768,
        }
    }

    /// A run for tiles of `shape`, whose sides are multiples of 32, by at most `threads` threads.
    pub fn run_for(&mut self, shape: Size, threads: usize) -> Result<Run, DetectError> {
        let engine = match &mut self.engine {
            Engine::Int8(program) => EngineRun::Int8(Box::new(Runner::new(Arc::clone(program), shape, threads))),
            Engine::Real(network) => EngineRun::Real(network.run_for(shape)?),
        };
        let cells = Grid::over(shape, SCORE_CELL).cells();
        Ok(Run { engine, shape, scores: vec![0; cells * 2].into_boxed_slice(), steps: Arc::clone(&self.steps) })
    }
}

/// The logit of a probability.
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
fn logit(probability: f64) -> f32 {
    (probability / (1.0 - probability)).ln() as f32
}

/// The network made ready for one tile, with its buffers.
pub struct Run {
    engine: EngineRun,
    shape: Size,
    scores: Box<[u8]>,
    steps: Arc<[f32]>,
}

enum EngineRun {
    Int8(Box<Runner>),
    Real(RealRun),
}

impl Run {
    /// Sides of the tile in pixels.
    pub fn shape(&self) -> Size {
        self.shape
    }

    /// Person scores of the last run, row order.
    pub fn person(&self) -> &[u8] {
        &self.scores[..self.scores.len() / 2]
    }

    /// Vehicle scores of the last run, row order.
    pub fn vehicle(&self) -> &[u8] {
        &self.scores[self.scores.len() / 2..]
    }

    /// Runs the network over the part of `picture` that begins at `origin` (column, row), lowers its logits by `lowered`
    /// and keeps the scores.
    ///
    /// # Errors
    /// [`Fault::DetectorFailed`] where the network cannot be run, [`Fault::EvidenceMalformed`] where what it gives is
    /// not finite or has another shape.
    pub fn examine(&mut self, picture: &Picture, origin: (usize, usize), lowered: f32) -> Result<(), Fault> {
        let (column, row) = origin;
        let (scores, steps) = (&mut self.scores, &self.steps);
        match &mut self.engine {
            EngineRun::Int8(runner) => {
                picture.fill_pixels(column, row, runner.pixels());
                score(runner.run()?, lowered, steps, scores)
            }
            EngineRun::Real(run) => {
                let shape = self.shape;
                run.run(
                    |planes| picture.fill_planes(column, row, shape, planes),
                    |logits| score(logits, lowered, steps, scores),
                )
            }
        }
    }
}

/// Turns logits, lowered, into scores: how many of the steps each has reached.
fn score(logits: &[f32], lowered: f32, steps: &[f32], scores: &mut [u8]) -> Result<(), Fault> {
    if logits.len() != scores.len() || !logits.iter().all(|logit| logit.is_finite()) {
        return Err(Fault::EvidenceMalformed);
    }
    for (score, &logit) in scores.iter_mut().zip(logits) {
        let reached = steps.partition_point(|&step| step <= logit - lowered);
        *score = u8::try_from(reached).unwrap_or(u8::MAX);
    }
    Ok(())
}
