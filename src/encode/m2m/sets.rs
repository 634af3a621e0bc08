//! H.264 parameter sets with every key frame, whatever the driver does.
//!
//! A receiver that joins late can start only where the sets are. Some drivers repeat them when they are asked to, some
//! send them once, some in a buffer of their own. They are kept from where they come, and put in front of a key frame
//! that comes without.

/// Bytes that sets take at most; a real pair takes 30.
const ROOM: usize = 512;

/// The sets that were seen last.
#[derive(Debug)]
pub(super) struct Sets {
    /// Start codes included. Never grows beyond the memory it begins with.
    kept: Vec<u8>,
}

/// What a buffer from the driver holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// A picture that decoding can start with (IDR), complete with its sets.
    Key,
    /// Any other picture.
    Picture,
    /// Parameter sets or messages alone: they belong to the next picture.
    Sets,
    /// A key frame for which no sets are known: nobody can decode it.
    Undecodable,
}

impl Sets {
    pub(super) fn new() -> Self {
        Self { kept: Vec::with_capacity(ROOM) }
    }

    /// Looks at what the driver gave, keeps its sets, and completes a key frame.
    pub(super) fn complete(&mut self, unit: &mut Vec<u8>) -> Content {
        let (mut sequence, mut picture) = (None, None);
        let (mut slice, mut front) = (None, 0);
        for (kind, start) in Nals::of(unit) {
            match kind {
                1..=5 => {
                    slice = Some(kind);
                    break;
                }
                7 => sequence = sequence.or(Some(start)),
                8 => picture = Some(start),
                _ => {}
            }
            if kind == 9 {
                // A delimiter stays in front of all (H.264, 7.4.1.2.3).
                front = Nals::of(unit.get(start + 4..).unwrap_or_default())
                    .next()
                    .map_or(unit.len(), |(_, next)| start + 4 + next);
            }
        }
        if let (Some(sequence), Some(picture)) = (sequence, picture) {
            let end = Nals::of(unit).map(|(_, start)| start).find(|&start| start > picture).unwrap_or(unit.len());
            if let Some(sets) = unit.get(sequence..end).filter(|sets| sets.len() <= ROOM) {
                self.kept.clear();
                self.kept.extend_from_slice(sets);
            }
        }
        match (slice, sequence.is_some() && picture.is_some()) {
            (None, _) => Content::Sets,
            (Some(5), true) => Content::Key,
            (Some(5), false) if self.kept.is_empty() => Content::Undecodable,
            (Some(5), false) => {
                unit.splice(front..front, self.kept.iter().copied());
                Content::Key
            }
            (Some(_), _) => Content::Picture,
        }
    }
}

/// The NAL units of an Annex B stream: type, and where their start code begins.
struct Nals<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Nals<'a> {
    const fn of(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }
}

impl Iterator for Nals<'_> {
    type Item = (u8, usize);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.data.get(self.at..)?;
        let found = rest.windows(4).position(|window| matches!(window, [0, 0, 1, _]))?;
        let (code, kind) = (self.at + found, rest.get(found + 3)? & 31);
        self.at = code + 4;
        // A fourth byte of the start code belongs to it.
        let long = code.checked_sub(1).is_some_and(|before| self.data.get(before) == Some(&0));
        Some((kind, code - usize::from(long)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A NAL unit for each letter: Sequence and Picture sets, Delimiter, mEssage, Key slice, another slice (F).
    fn stream(letters: &str) -> Vec<u8> {
        letters
            .chars()
            .enumerate()
            .flat_map(|(place, letter)| {
                let kind = match letter {
                    'S' => 0x67,
                    'P' => 0x68,
                    'D' => 9,
                    'E' => 6,
                    'K' => 0x65,
                    _ => 0x41,
                };
                // Both lengths of start code.
                let code: &[u8] = if place % 2 == 0 { &[0, 0, 0, 1] } else { &[0, 0, 1] };
                [code, &[kind, 0xAA, 0x80]].concat()
            })
            .collect()
    }

    fn letters(data: &[u8]) -> String {
        let name = |(kind, _)| match kind {
            7 => 'S',
            8 => 'P',
            9 => 'D',
            6 => 'E',
            5 => 'K',
            _ => 'F',
        };
        Nals::of(data).map(name).collect()
    }

    fn played(units: &[&str]) -> Vec<String> {
        let mut sets = Sets::new();
        let complete = |unit: &&str| {
            let mut data = stream(unit);
            match sets.complete(&mut data) {
                Content::Key => format!("{}!", letters(&data)),
                Content::Picture => letters(&data),
                Content::Sets => "-".to_owned(),
                Content::Undecodable => "?".to_owned(),
            }
        };
        units.iter().map(complete).collect()
    }

    #[test]
    fn every_key_frame_has_its_sets() {
        assert_eq!(played(&["SPK", "F", "K"]), ["SPK!", "F", "SPK!"]);
        assert_eq!(played(&["SP", "K", "DK"]), ["-", "SPK!", "DSPK!"]);
        assert_eq!(played(&["DSPEK", "DEK", "EFF"]), ["DSPEK!", "DSPEK!", "EFF"]);
        assert_eq!(played(&["SPPKK", "KK"]), ["SPPKK!", "SPPKK!"]);
        assert_eq!(played(&["K", "E", "", "S"]), ["?", "-", "-", "-"]);
        assert_eq!(played(&["SPK", "SK"]), ["SPK!", "SPSK!"], "half a pair is no pair");
        assert_eq!(played(&["SPF", "K"]), ["SPF", "SPK!"], "not every picture with sets is a key frame");
    }

    #[test]
    fn sets_that_change_replace_the_old_ones_and_no_byte_is_lost() {
        let mut sets = Sets::new();
        let mut first = stream("SPK");
        let whole = first.clone();
        sets.complete(&mut first);
        assert_eq!(first, whole, "a unit with its sets stays as it is");
        let mut second = stream("SPK");
        second[5] = 0xBB;
        sets.complete(&mut second);
        let mut third = stream("K");
        sets.complete(&mut third);
        assert_eq!(third, [&second[..13], &stream("K")].concat());
        assert_eq!(sets.kept.capacity(), ROOM);
    }
}
