//! What both ways through the seam share: kinds, forms and rules of messages.
//!
//! A way keeps the state that the rules need. Writer and reader of a way hold their messages to the same rules by the
//! same code, so that nothing that a writer lets out is refused by an honest reader.

use super::error::{Misread, Wrong};
use super::message::Side;

/// One way through the seam: [`super::FromDark`] or [`super::FromLit`].
pub trait Direction: Default {
    /// Who speaks.
    const FROM: Side;

    /// What may be said.
    type Message<'a>;

    /// Whether a message of this kind and length may come now.
    ///
    /// # Errors
    /// What is wrong with it.
    fn expect(&self, kind: u8, length: usize) -> Result<(), Wrong>;

    /// The message in a body.
    ///
    /// # Errors
    /// Where the body is wrong, and how.
    fn decode(kind: u8, body: &[u8]) -> Result<Self::Message<'_>, Misread>;

    /// Appends the body of `message` to `out`; its kind. Numbers too large for their place become the largest.
    fn encode(message: &Self::Message<'_>, out: &mut Vec<u8>) -> u8;

    /// Whether two messages say the same.
    fn same(one: &Self::Message<'_>, other: &Self::Message<'_>) -> bool;

    /// Whether `message` may follow what was said before.
    ///
    /// # Errors
    /// Why it may not.
    fn check(&self, message: &Self::Message<'_>) -> Result<(), Wrong>;

    /// Takes note of a message that passed [`Direction::check`].
    fn note(&mut self, message: &Self::Message<'_>);

    /// The last message has been said.
    fn over(&self) -> bool;
}

/// Holds a length to its range.
pub fn fits(kind: &'static str, got: usize, low: usize, high: usize) -> Result<(), Wrong> {
    if (low..=high).contains(&got) { Ok(()) } else { Err(Wrong::Length { kind, got, low, high }) }
}
