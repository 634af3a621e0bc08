//! What the link says back: a unit's fate, what to do next, and counts.

use crate::base::Micros;

/// What became of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// Its packets wait for their moments.
    Queued,
    /// It was thrown away: the receiver could not decode it, or the ring is full. A key frame is wanted.
    Dropped,
    /// It was thrown away: it is not of the stream's coding format, or empty.
    Malformed,
}

/// What [`Link::poll`](super::Link::poll) has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Polled {
    /// Call again then; nothing to do before the next unit if it is `None`.
    pub next: Option<Micros>,
    /// The encoder should make its next frame a key frame.
    pub key_wanted: bool,
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Units of which every packet left.
    pub units_sent: u64,
    /// Units that were thrown away, for whatever reason.
    pub units_dropped: u64,
    /// Those among them of which some packets had left.
    pub units_cut: u64,
    /// Those among them that were not of the stream's coding format.
    pub units_malformed: u64,
    /// Datagrams of the stream that the kernel took.
    pub packets: u64,
    /// Their payload in bytes, RTP headers not counted.
    pub payload_bytes: u64,
    /// RTCP reports that the kernel took.
    pub reports: u64,
    /// Datagrams that found nobody listening.
    pub refused: u64,
    /// How often the kernel had no room.
    pub busy: u64,
    /// How often there was no way to the receiver.
    pub down: u64,
    /// How often the sockets were opened.
    pub opened: u64,
    /// Datagrams from receivers that were no RTCP.
    pub noise: u64,
}
