//! Networks in real numbers, run by tract: whatever an operator brings that is not quantised as `int8` takes it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;

use super::model::DetectError;
use crate::base::geometry::SCORE_CELL;
use crate::base::{Fault, Grid, Size};

type Plan = Arc<TypedRunnableModel>;

/// A network, and the plans compiled from it so far.
#[derive(Clone)]
pub struct RealNetwork {
    path: PathBuf,
    model: InferenceModel,
    plans: Vec<(Size, Plan)>,
}

/// Plans kept for shapes met before: a directory of stills has few sizes that return often.
const PLANS_KEPT: usize = 6;

impl RealNetwork {
    /// Reads an ONNX file and checks that it takes and gives what a detector does.
    pub fn read(path: PathBuf, bytes: &[u8]) -> Result<Self, DetectError> {
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
        let mut network = Self { path, model, plans: Vec::new() };
        // Compiling for the smallest tile proves that the network has a detector's shape before any frame comes. Running
        // it has tract look at the processor now: a process that has given up its rights may not ask any more.
        let mut smallest = network.run_for(Size::new(64, 32))?;
        let run = smallest.run(|planes| planes.fill(0.0), |_| Ok(()));
        run.map_err(|fault| DetectError::Unusable { path: network.path.clone(), reason: fault.to_string() })?;
        network.plans.clear();
        Ok(network)
    }

    /// A run for tiles of `shape`, whose sides are multiples of 32.
    pub fn run_for(&mut self, shape: Size) -> Result<RealRun, DetectError> {
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
        let input =
            Tensor::zero::<f32>(&[1, 3, shape.height, shape.width]).map_err(|error| unusable(&self.path, &error))?;
        Ok(RealRun { plan, input: Arc::new(input) })
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

/// A plan and its input.
pub struct RealRun {
    plan: Plan,
    input: Arc<Tensor>,
}

impl RealRun {
    /// Has `fill` write the tile's three planes, runs the network and hands its logits on.
    ///
    /// # Errors
    /// [`Fault::DetectorFailed`] where the network cannot be run, and what `take` says.
    pub fn run(
        &mut self,
        fill: impl FnOnce(&mut [f32]),
        take: impl FnOnce(&[f32]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        // The last run let go of the input, so it is ours alone again.
        let tensor = Arc::get_mut(&mut self.input).ok_or(Fault::DetectorFailed)?;
        let mut plain = tensor.try_as_plain_ram_mut().map_err(|_| Fault::DetectorFailed)?;
        fill(plain.as_slice_mut::<f32>().map_err(|_| Fault::DetectorFailed)?);
        let outputs = self.plan.run(tvec!(TValue::from_const(Arc::clone(&self.input)))).map_err(|error| {
            log::error!("the network could not be run: {error:#}");
            Fault::DetectorFailed
        })?;
        let output = outputs.first().ok_or(Fault::EvidenceMalformed)?;
        let plain = output.try_as_plain_ram().map_err(|_| Fault::EvidenceMalformed)?;
        take(plain.as_slice::<f32>().map_err(|_| Fault::EvidenceMalformed)?)
    }
}
