//! The network's file: read, checked against its hash and its promised shape, compiled for a tile.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

use crate::base::geometry::SCORE_CELL;
use crate::base::{Fault, Grid, Size};

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

type Plan = Arc<TypedRunnableModel>;

/// A checked network, and the plans compiled from it so far.
pub struct Network {
    path: PathBuf,
    model: InferenceModel,
    sha256: String,
    plans: Vec<(Size, Plan)>,
    /// The logit at which each score from 1 to 255 begins.
    steps: Arc<[f32]>,
}

/// Plans kept for shapes met before: a directory of stills has few sizes that return often.
const PLANS_KEPT: usize = 6;

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
        let mut sha256 = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            // Writing to a string cannot fail.
            let _ = write!(sha256, "{byte:02x}");
        }
        let expected = expected.split_whitespace().next().unwrap_or("nothing").to_ascii_lowercase();
        if sha256 != expected {
            return Err(DetectError::Hash { path, found: sha256, expected });
        }
        let model = tract_onnx::onnx()
            .with_ignore_output_shapes(true)
            .with_ignore_value_info(true)
            .model_for_read(&mut &*bytes)
            .map_err(|error| unusable(&path, &error))?;
        for (what, count) in
            [("the number of inputs", model.inputs.len()), ("the number of outputs", model.outputs.len())]
        {
            if count != 1 {
                return Err(DetectError::Shape { path, what, found: count.to_string(), expected: "1".to_owned() });
            }
        }
        let steps = (1..=255_u8).map(|score| logit((f64::from(score) - 0.5) / 255.0)).collect();
        let mut network = Self { path, model, sha256, plans: Vec::new(), steps };
        // Compiling for the smallest tile proves that the network has a detector's shape before any frame comes.
        network.run_for(Size::new(64, 32))?;
        network.plans.clear();
        Ok(network)
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// A run for tiles of `shape`, whose sides are multiples of 32.
    pub fn run_for(&mut self, shape: Size) -> Result<Run, DetectError> {
        let plan = match self.plans.iter().find(|(kept, _)| *kept == shape) {
            Some((_, plan)) => Arc::clone(plan),
            None => {
                let plan = self.compile(shape)?;
                if self.plans.len() == PLANS_KEPT {
                    self.plans.remove(0);
                }
                self.plans.push((shape, Arc::clone(&plan)));
                plan
            }
        };
        let cells = Grid::over(shape, SCORE_CELL).cells();
        let input =
            Tensor::zero::<f32>(&[1, 3, shape.height, shape.width]).map_err(|error| unusable(&self.path, &error))?;
        let scores = vec![0; cells * 2].into_boxed_slice();
        Ok(Run { plan, shape, input: Arc::new(input), scores, steps: Arc::clone(&self.steps) })
    }

    fn compile(&self, shape: Size) -> Result<Plan, DetectError> {
        let grid = Grid::over(shape, SCORE_CELL);
        let fact = f32::fact([1, 3, shape.height, shape.width]);
        let rank = self.model.input_fact(0).ok().and_then(|fact| fact.shape.rank().concretize());
        let channels = self.model.input_fact(0).ok().and_then(|fact| fact.shape.dim(1)?.concretize()?.to_i64().ok());
        if rank != Some(4) || channels != Some(3) {
            let found = self.model.input_fact(0).map_or_else(|_| "unknown".to_owned(), |fact| format!("{fact:?}"));
            let expected = "f32 [1, 3, H, W]".to_owned();
            return Err(DetectError::Shape { path: self.path.clone(), what: "the input", found, expected });
        }
        let model = self
            .model
            .clone()
            .with_input_fact(0, fact.into())
            .and_then(InferenceModelExt::into_optimized)
            .map_err(|error| unusable(&self.path, &error))?;
        let output = model.output_fact(0).map_err(|error| unusable(&self.path, &error))?;
        let dims = output.shape.as_concrete();
        let expected = [1, 2, grid.rows, grid.columns];
        if dims != Some(&expected) || output.datum_type != f32::datum_type() {
            return Err(DetectError::Shape {
                path: self.path.clone(),
                what: "the output",
                found: format!("{output:?}"),
                expected: format!("f32 {expected:?} for an input of {shape}"),
            });
        }
        model.into_runnable().map_err(|error| unusable(&self.path, &error))
    }
}

fn unusable(path: &Path, error: &TractError) -> DetectError {
    let reason = format!("{error:#}");
    let reason = reason.lines().next().unwrap_or_default().chars().take(200).collect();
    DetectError::Unusable { path: path.to_owned(), reason }
}

/// The logit of a probability.
#[expect(clippy::cast_possible_truncation, reason = "rounding to f32 is meant")]
fn logit(probability: f64) -> f32 {
    (probability / (1.0 - probability)).ln() as f32
}

/// The network compiled for one tile, with its buffers.
pub struct Run {
    plan: Plan,
    shape: Size,
    input: Arc<Tensor>,
    scores: Box<[u8]>,
    steps: Arc<[f32]>,
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

    /// Has `fill` write the tile's three planes, runs the network and keeps its scores.
    pub fn examine(&mut self, fill: impl FnOnce(&mut [f32], Size)) -> Result<(), Fault> {
        // The last run let go of the input, so it is ours alone again.
        let tensor = Arc::get_mut(&mut self.input).ok_or(Fault::DetectorFailed)?;
        let mut plain = tensor.try_as_plain_ram_mut().map_err(|_| Fault::DetectorFailed)?;
        let planes = plain.as_slice_mut::<f32>().map_err(|_| Fault::DetectorFailed)?;
        fill(planes, self.shape);
        let outputs = self.plan.run(tvec!(TValue::from_const(Arc::clone(&self.input)))).map_err(|error| {
            log::error!("the network could not be run: {error:#}");
            Fault::DetectorFailed
        })?;
        let output = outputs.first().ok_or(Fault::EvidenceMalformed)?;
        let logits = output
            .try_as_plain_ram()
            .and_then(|plain| plain.as_slice::<f32>())
            .map_err(|_| Fault::EvidenceMalformed)?;
        if logits.len() != self.scores.len() {
            return Err(Fault::EvidenceMalformed);
        }
        for (score, &logit) in self.scores.iter_mut().zip(logits) {
            if !logit.is_finite() {
                return Err(Fault::EvidenceMalformed);
            }
            let reached = self.steps.partition_point(|&step| step <= logit);
            *score = u8::try_from(reached).unwrap_or(u8::MAX);
        }
        Ok(())
    }
}
