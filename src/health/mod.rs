//! How the service fares: a file, a socket, systemd and the log.
//!
//! One [`Snapshot`] of counts and figures goes three ways: [`mod@file`] writes it to `health.json`, [`metrics`]
//! offers it as Prometheus text on a Unix socket, [`service`] tells systemd. [`lines`] gives log lines the journal's
//! priorities and keeps them few. It holds no pixel, box, position or identity; a test pins its keys, so that none
//! comes in by accident.
//!
//! The lit side owns all of it; after its end the supervisor puts a trip into the file. Nothing here makes that side wait:
//! the file is in memory, the socket to systemd does not block, and clients of the metrics are served by a thread of
//! their own from a copy.

pub mod file;
pub mod lines;
pub mod metrics;
mod prometheus;
pub mod service;

use std::path::PathBuf;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::base::{Fault, Micros};
pub use file::HealthFile;
pub use metrics::Metrics;
pub use service::Service;

/// Between two writings of the file, and two pages of metrics.
pub const EVERY: Micros = Micros::from_ms(1_000);

/// Why health cannot be told. None of this stops the service: it is logged and tried again.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The file cannot be written.
    #[error("{path}: {reason}: give the service its runtime folder (RuntimeDirectory=voile)")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The socket of the metrics cannot be opened.
    #[error("{path}: {reason}: remove what lies there, or stop the other voile")]
    Socket {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// systemd cannot be reached.
    #[error("NOTIFY_SOCKET={address}: {reason}: let systemd start the service, or unset the variable")]
    Notify {
        /// The socket, as named by the environment.
        address: String,
        /// What the system said.
        reason: String,
    },
}

/// What the service is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing was sent yet.
    Starting,
    /// Redacted frames are sent.
    Redacting,
    /// The newest frame was a slate.
    Slate,
    /// Nothing is sent any more.
    Tripped,
    /// It was asked to stop.
    Stopping,
}

impl State {
    /// Every state, for tables and tests.
    pub const ALL: [Self; 5] = [Self::Starting, Self::Redacting, Self::Slate, Self::Tripped, Self::Stopping];

    /// In one word, as in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Redacting => "redacting",
            Self::Slate => "slate",
            Self::Tripped => "tripped",
            Self::Stopping => "stopping",
        }
    }
}

/// What does not change while the service runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Build {
    /// Version of voile.
    pub version: String,
    /// SHA-256 of the policy, in hexadecimal.
    pub policy_sha256: String,
    /// SHA-256 of the model, in hexadecimal.
    pub model_sha256: String,
    /// What the dark side gave up, as a figure from 1 to 4.
    pub sandbox_dark: u8,
    /// What the lit side gave up, as a level.
    pub sandbox_lit: String,
}

/// Slates by cause, in the order of [`Fault::ALL`]; written as a map of those that occurred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slates(pub [u64; Fault::ALL.len()]);

impl Default for Slates {
    fn default() -> Self {
        Self([0; Fault::ALL.len()])
    }
}

impl Slates {
    /// Those that occurred.
    pub fn counted(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

impl Serialize for Slates {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (fault, count) in self.counted() {
            map.serialize_key(&Words(fault))?;
            map.serialize_value(&count)?;
        }
        map.end()
    }
}

/// A fault in its own words, written without an allocation.
struct Words(Fault);

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

fn words<S: Serializer>(fault: &Option<Fault>, serializer: S) -> Result<S::Ok, S::Error> {
    match fault {
        Some(fault) => serializer.collect_str(fault),
        None => serializer.serialize_none(),
    }
}

/// How the service fares at one moment. Counts are since the sides were last started, those of starts since the service's.
/// Figures are of the newest frame, `None` before the first, and where it had none.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    /// What it is doing.
    pub state: State,
    /// What tripped it.
    #[serde(serialize_with = "words")]
    pub trip: Option<Fault>,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Frames redacted, slates among them.
    pub frames: u64,
    /// Frames dropped before they were encoded, by the camera's driver or here; see [`Gaps`].
    pub dropped: u64,
    /// Slates by cause.
    pub slates: Slates,
    /// Access units sent.
    pub units: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Age of the oldest evidence used, in milliseconds.
    pub evidence_age_ms: Option<u64>,
    /// Cells sent clear over all cells, 0 to 1.
    pub clear_share: Option<f32>,
    /// Highest pixel density sent clear, in pixels per metre.
    pub px_per_m: Option<f32>,
    /// From capture to the news that the frame is redacted, in milliseconds: without what the encoder holds back and pacing.
    pub latency_ms: Option<f32>,
    /// Starts of the dark side after a death.
    pub restarts_dark: u64,
    /// Starts of the lit side after a death.
    pub restarts_lit: u64,
    /// The encoder in use, which may change in flight.
    pub encoder: &'static str,
    /// How often an encoder failed in flight and another took its place.
    pub encoder_falls: u64,
    /// What does not change.
    pub build: Build,
}

impl Snapshot {
    /// A service that starts.
    pub fn starting(build: Build) -> Self {
        Self {
            state: State::Starting,
            trip: None,
            uptime_ms: 0,
            frames: 0,
            dropped: 0,
            slates: Slates::default(),
            units: 0,
            bytes: 0,
            evidence_age_ms: None,
            clear_share: None,
            px_per_m: None,
            latency_ms: None,
            restarts_dark: 0,
            restarts_lit: 0,
            encoder: "none",
            encoder_falls: 0,
            build,
        }
    }
}

/// Counts the frames that a side which sees no camera never hears of: their numbers are missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gaps(Option<u64>);

impl Gaps {
    /// How many are missing between frame `sequence` and the one before. None before the first, nor where the numbers
    /// begin anew.
    pub const fn before(&mut self, sequence: u64) -> u64 {
        let Some(last) = self.0.replace(sequence) else { return 0 };
        sequence.saturating_sub(last).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_numbers_are_counted_until_they_begin_anew() {
        let mut gaps = Gaps::default();
        let missing: Vec<_> = [5, 6, 9, 9, 0, 2, u64::MAX, 0].map(|sequence| gaps.before(sequence)).to_vec();
        assert_eq!(missing, [0, 0, 2, 0, 0, 1, u64::MAX - 3, 0]);
    }

    #[test]
    fn the_keys_are_these_and_no_others() {
        let mut snapshot = Snapshot::starting(Build::default());
        snapshot.trip = Some(Fault::Latched);
        snapshot.slates.0[0] = 7;
        let text = serde_json::to_string(&snapshot).expect("written");
        let keys: Vec<_> = text.split('"').skip(1).step_by(2).filter(|word| !word.is_empty()).collect();
        // Counts, figures of whole frames, hashes. A new one must say nothing about who is in the picture, and where.
        let expected = "state starting trip/tripped before uptime_ms frames dropped slates/torn frame units bytes \
            evidence_age_ms clear_share px_per_m latency_ms restarts_dark restarts_lit encoder none encoder_falls build version \
            policy_sha256 model_sha256 sandbox_dark sandbox_lit";
        let expected = expected.replace("tripped before", "tripped~before").replace("torn frame", "torn~frame");
        let expected: Vec<_> = expected.split([' ', '/']).map(|key| key.replace('~', " ")).collect();
        assert_eq!(keys, expected);
    }

    #[test]
    fn words_are_as_written() {
        for state in State::ALL {
            assert_eq!(serde_json::to_string(&state).expect("written"), format!("\"{}\"", state.word()));
        }
    }
}
