//! The seam between the two processes: what crosses it, how, by which rules.
//!
//! Two pipes, one each way. The dark side writes a [`Hello`], then for each frame its [`Health`] and its [`Unit`],
//! faults, and an orderly end; the lit side writes [`Request`]s. Everything has a fixed form, a fixed limit and a
//! range, and one value has one form. Knows nothing of what a fault does, of encoders or sockets, and reads no clock of
//! its own.
//!
//! A [`Reader`] treats the other side as hostile: whatever bytes come, it gives a message or an error that names the
//! byte and what was wrong there, in bounded memory and time. A side that lies is [`SeamError::garbled`]; a pipe that
//! ends without a word is [`SeamError::Broken`]. Both sides hold each message to the same rules with the same code
//! (`order.rs`), so that an honest writer is never taken for a liar.
//!
//! What holds a message together. A pipe neither loses nor flips bytes, so what can go wrong is a writer: two of them
//! on one pipe, a message torn and gone on with, a print to the wrong descriptor, memory overwritten. Each message
//! carries its number, which shows lost, repeated and reordered ones, and two CRC-32, one over the head and one over
//! the body, which show everything else of that sort; the head's own, so that a damaged length is not waited for.
//! Against a side that lies neither helps: there the ranges and rules stand alone. A sealed channel (MAC) would not
//! help either, for the liar has the key.
//!
//! What it cannot promise: a dark side that is taken over can put what it likes into a unit's coded bytes. The seam
//! makes sure that nothing else from there can hold a picture: a health report is 62 bytes of numbers in ranges.

mod bytes;
mod direction;
mod error;
mod head;
mod message;
mod order;
mod pipe;
mod reader;
mod report;
mod request;
mod writer;

pub use direction::Direction;
pub use error::{Misread, SeamError, Wrong};
pub use head::VERSION;
pub use message::{
    AREA_MAX, Backend, Codec, Health, Hello, KBPS_MAX, KBPS_MIN, LARGEST, LEVELS, LONGEST, PX_PER_M_MAX, Report,
    Request, Side, Tally, UNIT_MAX, Unit,
};
pub use order::{FromDark, WAITING};
pub use pipe::{Inflow, Outflow, PIPE_BYTES};
pub use reader::{Reader, Source};
pub use request::FromLit;
pub use writer::{Sink, Writer};

/// Where the lit side reads what the dark side says.
pub type ReportReader<S = Inflow> = Reader<S, FromDark>;
/// Where the dark side says it.
pub type ReportWriter<K = Outflow> = Writer<K, FromDark>;
/// Where the dark side reads what the lit side asks for.
pub type RequestReader<S = Inflow> = Reader<S, FromLit>;
/// Where the lit side asks.
pub type RequestWriter<K = Outflow> = Writer<K, FromLit>;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
