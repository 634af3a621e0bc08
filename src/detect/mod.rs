//! The detector: a network that says for each score cell whether anything of a person or a vehicle may be in it.
//!
//! Reads pixels, never writes them. A picture is looked at once for each scale (whole size, half, quarter), each scale
//! cut into overlapping tiles of one fixed shape; tiles run side by side, and where two looked at the same cell the higher
//! score stands. The odds of the scales add up (see [`odds`]). The outcome does not depend on the number of threads.
//!
//! The network: input `[1, 3, H, W]`, RGB planes, u8 from 0 to 255 for a quantised one, f32 from 0 to 1 for any other;
//! output f32 `[1, 2, H/8, W/8]`, logits, person then vehicle. See `models/README.md` for the one that is built in and
//! for how to replace it.

mod evidence;
mod input;
mod int8;
mod look;
mod model;
mod odds;
mod real;
mod tiling;

use std::path::PathBuf;
use std::sync::Arc;

use rayon::prelude::*;

pub use evidence::Evidence;
pub use look::{Look, Looks};
pub use model::DetectError;

use crate::base::geometry::SCORE_CELL;
use crate::base::{Fault, Grid, RawFrame, Size};
use evidence::{EvidencePool, ScoreMaps};
use input::Picture;
use model::{Network, Run};
use tiling::Tiling;

/// What the detector is told. The default is the safe one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// An ONNX file, with its SHA-256 beside it in `FILE.sha256`; `None` is the network that is built in.
    pub model: Option<PathBuf>,
    /// A pass over each frame (1) or over one in so many (n), as far as the detector is free for it; 0 is over the newest
    /// frame whenever it is free, which without a clock to race is each frame.
    pub every: u64,
    /// Scales looked at: 1 (whole size), 2 (and half, for people larger than 60 px), 3 (and a quarter, for those larger
    /// than 120 px).
    pub passes: usize,
    /// Threads that tiles are spread over, 1 to 64.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { model: None, every: 1, passes: 3, threads: 1 }
    }
}

/// Most scales that [`Settings::passes`] can ask for.
pub const PASSES_MAX: usize = 3;

/// What the logits of each scale are lowered by before their odds are added. A cell of the quarter covers 16 times the
/// ground, so it has to be surer; chosen on held-out pictures (`models/train/LOG.md`).
const SURER: [f32; PASSES_MAX] = [0.0, 1.6, 2.2];

/// A loaded network and everything it needs for frames of one size.
pub struct Detector {
    network: Network,
    passes: usize,
    threads: usize,
    /// Started with the first preparation: a process that gives up its rights has no threads before.
    workers: Option<Arc<rayon::ThreadPool>>,
    prepared: Option<Prepared>,
    evidence: Arc<EvidencePool>,
}

/// Buffers for one frame size.
struct Prepared {
    size: Size,
    pictures: Vec<Picture>,
    tiles: Vec<Tile>,
    /// What each pass says of the picture it looks at.
    scores: Vec<ScoreMaps>,
}

/// One tile of one scale.
struct Tile {
    scale: usize,
    column: usize,
    row: usize,
    run: Run,
}

impl Detector {
    /// Loads and checks the network.
    ///
    /// # Errors
    /// The file cannot be read, its hash is not the one beside it, or it is not a network of the shape above.
    pub fn load(settings: &Settings) -> Result<Self, DetectError> {
        let network = Network::load(settings.model.as_deref())?;
        let (passes, threads) = (settings.passes.clamp(1, PASSES_MAX), settings.threads.max(1));
        Ok(Self { network, passes, threads, workers: None, prepared: None, evidence: Arc::default() })
    }

    /// SHA-256 of the network's file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        self.network.sha256()
    }

    /// What runs the network on this processor, for the operator to read.
    pub fn runs_on(&self) -> String {
        self.network.runs_on()
    }

    /// Another detector on the same network and the same threads, for frames of another size.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self {
            network: self.network.clone(),
            passes: self.passes,
            threads: self.threads,
            workers: self.workers.clone(),
            prepared: None,
            evidence: Arc::default(),
        }
    }

    /// Makes ready for frames of `size`, so that the first frame takes no longer than the next.
    ///
    /// # Errors
    /// The network cannot be compiled for the tiles of this size, or its threads cannot be started.
    pub fn prepare(&mut self, size: Size) -> Result<(), DetectError> {
        if self.prepared.as_ref().is_some_and(|prepared| prepared.size == size) {
            return Ok(());
        }
        if self.workers.is_none() {
            let workers = rayon::ThreadPoolBuilder::new()
                .num_threads(self.threads)
                .thread_name(|index| format!("detect {index}"))
                .build();
            self.workers = Some(Arc::new(workers.map_err(|error| DetectError::Threads(error.to_string()))?));
        }
        let mut pictures = Vec::with_capacity(self.passes);
        let mut tiles = Vec::new();
        let mut scores = Vec::with_capacity(self.passes);
        for scale in 0..self.passes {
            let picture = Picture::new(size, scale);
            let tiling = Tiling::over(picture.size(), self.network.side_max());
            for (column, row) in tiling.origins() {
                let run = self.network.run_for(tiling.tile, self.threads)?;
                tiles.push(Tile { scale, column, row, run });
            }
            scores.push(ScoreMaps::empty(picture.size()));
            pictures.push(picture);
        }
        self.evidence.fill(size);
        self.prepared = Some(Prepared { size, pictures, tiles, scores });
        Ok(())
    }

    /// Examines every pixel of `frame`.
    ///
    /// # Errors
    /// [`Fault::FrameShape`] where the frame is not of the prepared size, [`Fault::DetectorFailed`] where the network
    /// cannot be run, [`Fault::EvidenceMalformed`] where its output is not finite or has another shape.
    pub fn examine(&mut self, frame: &RawFrame) -> Result<Evidence, Fault> {
        let size = frame.size();
        let prepared = self.prepared.as_mut().filter(|prepared| prepared.size == size).ok_or(Fault::FrameShape)?;
        let mut below: Option<&Picture> = None;
        for picture in &mut prepared.pictures {
            match below {
                None => picture.convert(frame)?,
                Some(larger) => picture.halve(larger)?,
            }
            below = Some(picture);
        }
        let pictures = &prepared.pictures;
        self.workers.as_ref().ok_or(Fault::DetectorFailed)?.install(|| {
            prepared.tiles.par_iter_mut().try_for_each(|tile| {
                let picture = &pictures[tile.scale];
                tile.run.examine(picture, (tile.column, tile.row), SURER[tile.scale])
            })
        })?;
        prepared.scores.iter_mut().for_each(ScoreMaps::clear);
        for tile in &prepared.tiles {
            let origin = (tile.column / SCORE_CELL, tile.row / SCORE_CELL);
            let cells = Grid::over(tile.run.shape(), SCORE_CELL);
            odds::raise(&mut prepared.scores[tile.scale], origin, cells, [tile.run.person(), tile.run.vehicle()]);
        }
        let mut maps = self.evidence.take(size);
        odds::add(&prepared.scores, &mut maps);
        Ok(Evidence::from_run(frame.sequence(), frame.captured(), size, maps, Arc::clone(&self.evidence)))
    }
}

impl Detector {
    /// Examines every pixel of the frame that was looked at.
    ///
    /// # Errors
    /// As [`Detector::examine`].
    pub fn examine_look(&mut self, look: &Look) -> Result<Evidence, Fault> {
        self.examine(&look.0)
    }
}

#[cfg(test)]
mod tests;
