//! Where the lit half's access units and health go in a replay: the stream's file and `frames.csv`.

use std::collections::VecDeque;
use std::io;

use voile::base::{Clock, Fault};
use voile::encode::{AccessUnit, StreamFile};
use voile::interlock::Permit;
use voile::pipeline::{Health, Outlet};
use voile::regress::{FrameRow, FramesCsv, RunLog};

use super::progress::Progress;

/// Frames that may be inside the encoder at once; more only costs an allocation.
const PENDING: usize = 256;

/// Writes what leaves to files.
pub struct Files<'a> {
    clock: &'a dyn Clock,
    stream: Option<StreamFile>,
    rows: FramesCsv,
    progress: &'a mut Progress,
    /// Health of frames whose access unit has not come yet.
    pending: VecDeque<Health>,
    groups: u64,
    failure: Option<String>,
}

impl<'a> Files<'a> {
    /// Without a `stream`, frames count as done when their health comes.
    pub fn new(clock: &'a dyn Clock, stream: Option<StreamFile>, rows: FramesCsv, progress: &'a mut Progress) -> Self {
        let pending = VecDeque::with_capacity(PENDING);
        Self { clock, stream, rows, progress, pending, groups: 0, failure: None }
    }

    fn row(&mut self, health: Health, bytes: usize) -> io::Result<()> {
        self.progress.step();
        let account = health.account;
        self.rows.write(&FrameRow {
            frame: health.sequence,
            captured: health.captured,
            state: account.state,
            clear_fraction: account.clear_fraction,
            objects: account.objects,
            evidence_age: account.evidence_age,
            px_per_m: account.px_per_m,
            bytes,
            follow_ms: health.follow.as_ms(),
            wait_ms: health.wait.as_ms(),
            detect_ms: health.detect.as_ms(),
            redact_ms: health.redact.as_ms(),
            encode_ms: health.encode.as_ms(),
            total_ms: self.clock.now().since(health.born).as_ms(),
        })
    }

    fn failed(&mut self, reason: String) -> Fault {
        self.failure.get_or_insert(reason);
        Fault::OutputFailed
    }

    fn rows_failed(&mut self, error: &io::Error) -> Fault {
        self.failed(format!("frames.csv: {error}: free some space or choose another --out"))
    }

    /// Completes both files. Gives the timeline, the number of groups, and why anything could not be written.
    pub fn finish(mut self) -> (Option<RunLog>, u64, Option<String>) {
        let mut failure = self.failure.take();
        if let Some(stream) = self.stream.take()
            && let Err(error) = stream.finish()
        {
            failure.get_or_insert(error.to_string());
        }
        let log = match self.rows.finish() {
            Ok(log) => Some(log),
            Err(error) => {
                failure.get_or_insert(format!("frames.csv: {error}: free some space or choose another --out"));
                None
            }
        };
        (log, self.groups, failure)
    }
}

impl Outlet for Files<'_> {
    fn note(&mut self, health: Health) -> Result<(), Fault> {
        if self.stream.is_some() {
            self.pending.push_back(health);
            return Ok(());
        }
        self.row(health, 0).map_err(|error| self.rows_failed(&error))
    }

    fn send(&mut self, unit: AccessUnit, permit: &Permit) -> Result<(), Fault> {
        if !permit.holds(self.clock.now()) {
            return Err(self.failed("a permit ran out before its access unit was written".to_owned()));
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if let Err(error) = stream.write(&unit) {
            return Err(self.failed(error.to_string()));
        }
        self.groups = self.groups.max(unit.group + 1);
        match self.pending.pop_front() {
            Some(health) => self.row(health, unit.data.len()).map_err(|error| self.rows_failed(&error)),
            None => Ok(()),
        }
    }
}
