//! Draws capitals into a frame that is covered already: why there is a slate.

use std::fmt::Write as _;

use crate::base::{RawFrame, Rect};

use super::paint;
use super::redacted::Account;

/// Rows of a glyph from the top, 5 columns each, the leftmost in bit 4.
const GLYPHS: [(char, [u8; 7]); 38] = [
    ('A', [0x0E, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11]),
    ('B', [0x1E, 0x11, 0x11, 0x1E, 0x11, 0x11, 0x1E]),
    ('C', [0x0E, 0x11, 0x10, 0x10, 0x10, 0x11, 0x0E]),
    ('D', [0x1E, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1E]),
    ('E', [0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x1F]),
    ('F', [0x1F, 0x10, 0x10, 0x1E, 0x10, 0x10, 0x10]),
    ('G', [0x0E, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0F]),
    ('H', [0x11, 0x11, 0x11, 0x1F, 0x11, 0x11, 0x11]),
    ('I', [0x0E, 0x04, 0x04, 0x04, 0x04, 0x04, 0x0E]),
    ('J', [0x07, 0x02, 0x02, 0x02, 0x02, 0x12, 0x0C]),
    ('K', [0x11, 0x12, 0x14, 0x18, 0x14, 0x12, 0x11]),
    ('L', [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1F]),
    ('M', [0x11, 0x1B, 0x15, 0x15, 0x11, 0x11, 0x11]),
    ('N', [0x11, 0x19, 0x15, 0x13, 0x11, 0x11, 0x11]),
    ('O', [0x0E, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0E]),
    ('P', [0x1E, 0x11, 0x11, 0x1E, 0x10, 0x10, 0x10]),
    ('Q', [0x0E, 0x11, 0x11, 0x11, 0x15, 0x12, 0x0D]),
    ('R', [0x1E, 0x11, 0x11, 0x1E, 0x14, 0x12, 0x11]),
    ('S', [0x0F, 0x10, 0x10, 0x0E, 0x01, 0x01, 0x1E]),
    ('T', [0x1F, 0x04, 0x04, 0x04, 0x04, 0x04, 0x04]),
    ('U', [0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x0E]),
    ('V', [0x11, 0x11, 0x11, 0x11, 0x11, 0x0A, 0x04]),
    ('W', [0x11, 0x11, 0x11, 0x15, 0x15, 0x1B, 0x11]),
    ('X', [0x11, 0x11, 0x0A, 0x04, 0x0A, 0x11, 0x11]),
    ('Y', [0x11, 0x11, 0x0A, 0x04, 0x04, 0x04, 0x04]),
    ('Z', [0x1F, 0x01, 0x02, 0x04, 0x08, 0x10, 0x1F]),
    ('0', [0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E]),
    ('1', [0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E]),
    ('2', [0x0E, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1F]),
    ('3', [0x1F, 0x02, 0x04, 0x02, 0x01, 0x11, 0x0E]),
    ('4', [0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02]),
    ('5', [0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E]),
    ('6', [0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E]),
    ('7', [0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08]),
    ('8', [0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E]),
    ('9', [0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C]),
    ('/', [0x01, 0x02, 0x02, 0x04, 0x08, 0x08, 0x10]),
    (' ', [0; 7]),
];

/// Pixels to a dot: whole blocks of 4, so that coverage can still be read off the picture.
const DOT: usize = 4;
/// Dots from one glyph to the next.
const ADVANCE: usize = 6;
/// Dots from the bar's edge to the glyphs.
const PAD: usize = 2;
/// Dots of a glyph, top to bottom.
const ROWS: usize = 7;
const INK: [u8; 3] = [216, 128, 128];
const BAR: [u8; 3] = [40, 128, 128];

/// Dots from the top of a line to that of the next.
const LINE: usize = ROWS + PAD;

/// Tells the operator how much is clear, how old the evidence is, and how fine the ground is sent; what does not fit into
/// one line is left out, since there is a picture below it.
pub fn hud(frame: &mut RawFrame, account: &Account) {
    let mut line: heapless::String<64> = heapless::String::new();
    let (clear, age) = (account.clear_fraction * 100.0, account.evidence_age.0 / 1000);
    let _ = write!(line, "CLEAR {clear:.0} AGE {age} MS {:.0} PX/M", account.px_per_m);
    draw(frame, std::iter::once(line.as_str()));
}

/// Says `text` on a slate, in as many lines as it takes and the frame's upper half has room for, but one at least.
pub fn say(frame: &mut RawFrame, text: &str) {
    let lines = Wrapped { text, fits: fits(frame) };
    draw(frame, lines);
}

/// Letters of a line.
fn fits(frame: &RawFrame) -> usize {
    (frame.size().width / DOT).saturating_sub(2 * PAD) / ADVANCE
}

/// The lines of a text of ASCII letters, broken between words where one ends in time.
struct Wrapped<'a> {
    text: &'a str,
    fits: usize,
}

impl<'a> Iterator for Wrapped<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.text.trim_start();
        if text.is_empty() || self.fits == 0 {
            return None;
        }
        let whole = text.char_indices().nth(self.fits).map_or(text.len(), |(at, _)| at);
        // The space behind the last letter that fits ends a word too.
        let end = match text.get(..=whole) {
            Some(more) if whole < text.len() => more.rfind(' ').unwrap_or(whole),
            _ => whole,
        };
        let (line, rest) = text.split_at(end);
        self.text = rest;
        Some(line)
    }
}

/// Writes lines on dark bars at the top left, as far as they fit; characters without a glyph are left blank.
fn draw<'a>(frame: &mut RawFrame, lines: impl Iterator<Item = &'a str>) {
    let (fits, rows) = (fits(frame), frame.size().height / DOT);
    for (index, line) in lines.enumerate() {
        let top = index * LINE;
        let bottom = top + PAD + LINE;
        if fits == 0 || bottom > rows || (index > 0 && bottom > rows / 2) {
            return;
        }
        let length = line.chars().count().min(fits);
        fill_dots(frame, 0, top, length * ADVANCE + 2 * PAD, LINE + PAD, BAR);
        for (index, letter) in line.chars().take(fits).enumerate() {
            let letter = letter.to_ascii_uppercase();
            let Some((_, rows)) = GLYPHS.iter().find(|(glyph, _)| *glyph == letter) else { continue };
            for (y, bits) in rows.iter().enumerate() {
                for x in (0..5).filter(|x| bits >> (4 - x) & 1 == 1) {
                    fill_dots(frame, PAD + index * ADVANCE + x, top + PAD + y, 1, 1, INK);
                }
            }
        }
    }
}

fn fill_dots(frame: &mut RawFrame, x: usize, y: usize, width: usize, height: usize, colour: [u8; 3]) {
    paint::fill(frame, Rect::new(x * DOT, y * DOT, width * DOT, height * DOT), colour);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_a_word_where_it_can() {
        for (text, fits, lines) in [
            ("late evidence", 12, &["late", "evidence"][..]),
            ("late evidence", 13, &["late evidence"]),
            ("late evidence", 4, &["late", "evid", "ence"]),
            ("density not governed", 12, &["density not", "governed"]),
            ("abc", 0, &[]),
            ("", 12, &[]),
        ] {
            assert!(Wrapped { text, fits }.eq(lines.iter().copied()), "{text:?} in {fits}");
        }
    }
}
