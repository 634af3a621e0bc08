//! What a campaign did, in numbers.

use std::fmt;
use std::time::Duration;

use voile::base::Fault;

use crate::oracle::{Counts, Oracle};
use crate::plan::Kind;

/// Violations that are told in full.
const TOLD: usize = 20;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub runs: u64,
    /// Runs through the threads of the pipeline.
    pub threaded: u64,
    /// Faults by kind, in the order of [`Kind::ALL`].
    pub faults: [u64; Kind::ALL.len()],
    pub counts: Counts,
    pub violations: u64,
    /// The first of them, with the runs that they are in.
    pub told: Vec<String>,
}

impl Tally {
    pub fn total(&self) -> u64 {
        self.faults.iter().sum()
    }

    /// Adds a run.
    pub fn add(&mut self, run: u64, injected: &[Kind], oracle: &Oracle<'_>) {
        self.runs += 1;
        for kind in injected {
            self.faults[Kind::ALL.iter().position(|known| known == kind).unwrap_or_default()] += 1;
        }
        self.counts.add(&oracle.counts);
        for objection in &oracle.objections {
            self.violation(run, objection);
        }
    }

    pub fn violation(&mut self, run: u64, what: &str) {
        self.violations += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("run {run}: {what}"));
        }
    }

    /// One line that says all, then faults and slates.
    pub fn report(&self, seed: u64, took: Duration) -> String {
        let Counts { frames, cells, clear, bracketed, things, reached, .. } = self.counts;
        let percent = |part: u64| part as f64 * 100.0 / cells.max(1) as f64;
        format!(
            "campaign: {} runs ({} threaded) of seed {seed}, {} faults, {frames} frames, {cells} cells: {:.1} % clear \
             ({:.1} % between passes), {things} persons and vehicles looked for, camera motion wrong by {reached} px at \
             most, {} violations, {:.1} s\n{self}",
            self.runs,
            self.threaded,
            self.total(),
            percent(clear),
            percent(bracketed),
            self.violations,
            took.as_secs_f64(),
        )
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("faults:")?;
        for (kind, count) in Kind::ALL.iter().zip(self.faults) {
            write!(f, " {kind:?} {count}")?;
        }
        f.write_str("\nslates:")?;
        for (fault, count) in Fault::ALL.iter().zip(self.counts.slates).filter(|(_, count)| *count > 0) {
            write!(f, " {fault:?} {count}")?;
        }
        self.told.iter().try_for_each(|told| write!(f, "\n{told}"))
    }
}
