//! Pixel formats that are understood, and where their planes lie in a buffer.
//!
//! A [`Plan`] is made once from what the driver claims about its rows, in checked arithmetic; whether a buffer holds
//! what the plan asks for is asked again for every frame. Relies on the format descriptions in the kernel's media
//! documentation ("Image Formats"). Never touches a pixel.

use heapless::Vec;

use crate::base::{Layout, Size};

/// Most memory planes of a buffer, and most planes of a picture.
pub(super) const PLANES: usize = 3;

/// A pixel format, in the order of what it costs to bring a picture of it into a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// Luma, then pairs of U and V.
    Nv12,
    /// The same in two memory planes.
    Nv12Split,
    /// Luma, then U, then V.
    I420,
    /// The same in three memory planes.
    I420Split,
    /// Luma and chroma in turns, chroma halved across only.
    Yuyv,
    /// A JPEG per frame.
    Mjpeg,
}

impl Coding {
    /// All, the cheapest first. At 720p on one x86 core copying rows takes 0.03 ms, taking YUYV apart 0.4 ms, a JPEG 4
    /// to 5 ms; YUYV also has a third more bytes to carry over the bus than those before it.
    pub const ALL: [Self; 6] = [Self::Nv12, Self::Nv12Split, Self::I420, Self::I420Split, Self::Yuyv, Self::Mjpeg];

    /// Reads the four letters that `v4l2-ctl --list-formats` shows; `None` for a format that is not understood.
    pub fn read(written: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|coding| coding.letters() == written.as_bytes())
    }

    /// The four letters of `videodev2.h`.
    pub const fn letters(self) -> [u8; 4] {
        match self {
            Self::Nv12 => *b"NV12",
            Self::Nv12Split => *b"NM12",
            Self::I420 => *b"YU12",
            Self::I420Split => *b"YM12",
            Self::Yuyv => *b"YUYV",
            Self::Mjpeg => *b"MJPG",
        }
    }

    /// The layout of the frames that it becomes.
    pub const fn layout(self) -> Layout {
        match self {
            Self::Nv12 | Self::Nv12Split => Layout::Nv12,
            Self::I420 | Self::I420Split | Self::Yuyv | Self::Mjpeg => Layout::I420,
        }
    }

    /// Memory planes of a buffer.
    pub const fn memories(self) -> usize {
        match self {
            Self::Nv12 | Self::I420 | Self::Yuyv | Self::Mjpeg => 1,
            Self::Nv12Split => 2,
            Self::I420Split => 3,
        }
    }
}

/// Four letters as they stand in a message: some drivers have blanks or worse in them.
pub(super) fn word(letters: [u8; 4]) -> String {
    letters.iter().map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '_' }).collect()
}

/// Where a plane of the picture lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// Which memory plane.
    pub memory: usize,
    /// Bytes from the start of the picture in it.
    pub offset: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row that are picture.
    pub width: usize,
    /// Rows.
    pub rows: usize,
}

impl Slot {
    /// The first byte behind the plane's last row.
    fn end(self) -> Option<usize> {
        self.stride.checked_mul(self.rows.checked_sub(1)?)?.checked_add(self.width)?.checked_add(self.offset)
    }

    /// The plane's bytes out of its memory plane's; `None` where there are too few.
    pub(super) fn of(self, memory: &[u8]) -> Option<&[u8]> {
        memory.get(self.offset..self.end()?)
    }
}

/// Where the planes of a picture lie in a buffer. A JPEG has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    slots: Vec<Slot, PLANES>,
}

impl Plan {
    /// Reads the driver's claim about its rows: bytes from one to the next, for each memory plane.
    ///
    /// # Errors
    /// Why the claim cannot be true: too few memory planes, or rows shorter than the picture is wide.
    pub(super) fn new(coding: Coding, size: Size, strides: &[usize]) -> Result<Self, String> {
        if strides.len() != coding.memories() {
            return Err(format!("{} memory planes instead of {}", strides.len(), coding.memories()));
        }
        let stride = |memory: usize| strides.get(memory).copied().unwrap_or(0);
        let slot = |memory, offset, stride, width, rows| Slot { memory, offset, stride, width, rows };
        let (Size { width, height }, chroma) = (size, size.chroma());
        let first = stride(0);
        let behind_luma = first.checked_mul(height);
        let slots: Vec<Slot, PLANES> = match coding {
            Coding::Nv12 => [
                Some(slot(0, 0, first, width, height)),
                behind_luma.map(|offset| slot(0, offset, first, 2 * chroma.width, chroma.height)),
            ]
            .into_iter()
            .collect::<Option<_>>(),
            Coding::Nv12Split => Some(Vec::from_iter([
                slot(0, 0, first, width, height),
                slot(1, 0, stride(1), 2 * chroma.width, chroma.height),
            ])),
            Coding::I420 => {
                let half = first / 2;
                let behind_u = behind_luma.zip(half.checked_mul(chroma.height)).and_then(|(a, b)| a.checked_add(b));
                [
                    Some(slot(0, 0, first, width, height)),
                    behind_luma.map(|offset| slot(0, offset, half, chroma.width, chroma.height)),
                    behind_u.map(|offset| slot(0, offset, half, chroma.width, chroma.height)),
                ]
                .into_iter()
                .collect::<Option<_>>()
            }
            Coding::I420Split => Some(Vec::from_iter([
                slot(0, 0, first, width, height),
                slot(1, 0, stride(1), chroma.width, chroma.height),
                slot(2, 0, stride(2), chroma.width, chroma.height),
            ])),
            Coding::Yuyv => Some(Vec::from_iter([slot(0, 0, first, 4 * chroma.width, height)])),
            Coding::Mjpeg => Some(Vec::new()),
        }
        .ok_or_else(|| format!("{first} bytes a row"))?;
        match slots.iter().find(|slot| slot.stride < slot.width || slot.end().is_none()) {
            Some(slot) => Err(format!("{} bytes a row where a row has {}", slot.stride, slot.width)),
            None => Ok(Self { slots }),
        }
    }

    /// The planes.
    pub(super) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Bytes that a picture takes of memory plane `memory`.
    pub(super) fn need(&self, memory: usize) -> usize {
        self.slots.iter().filter(|slot| slot.memory == memory).filter_map(|slot| slot.end()).max().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(20, 6);

    #[test]
    fn planes_follow_each_other_without_a_gap_or_an_overlap() {
        for (coding, strides, needs) in [
            (Coding::Nv12, &[20][..], &[180][..]),
            (Coding::Nv12, &[32], &[32 * 8 + 20]),
            (Coding::Nv12Split, &[20, 24], &[120, 2 * 24 + 20]),
            (Coding::I420, &[20], &[180]),
            (Coding::I420, &[32], &[32 * 6 + 16 * 5 + 10]),
            (Coding::I420Split, &[20, 10, 16], &[120, 30, 42]),
            (Coding::Yuyv, &[40], &[240]),
            (Coding::Yuyv, &[64], &[64 * 5 + 40]),
            (Coding::Mjpeg, &[0], &[1]),
        ] {
            let plan = Plan::new(coding, SIZE, strides).unwrap();
            let got: std::vec::Vec<usize> = (0..coding.memories()).map(|memory| plan.need(memory)).collect();
            assert_eq!(got, needs, "{coding:?}");
            for (one, other) in plan.slots().iter().zip(plan.slots().iter().skip(1)) {
                assert!(one.memory != other.memory || one.end().unwrap() <= other.offset, "{coding:?}");
            }
        }
    }

    #[test]
    fn odd_pictures_have_their_last_column_and_row() {
        let odd = Size::new(19, 5);
        assert_eq!(Plan::new(Coding::I420, odd, &[20]).unwrap().need(0), 20 * 5 + 2 * 3 * 10);
        assert_eq!(Plan::new(Coding::Yuyv, odd, &[40]).unwrap().need(0), 40 * 5);
        assert!(Plan::new(Coding::Yuyv, odd, &[38]).is_err());
        assert!(Plan::new(Coding::Nv12, odd, &[19]).is_err(), "a pair of chroma would hang over");
    }

    #[test]
    fn rows_that_are_too_short_or_too_long_are_refused() {
        for coding in Coding::ALL.into_iter().filter(|&coding| coding != Coding::Mjpeg) {
            for stride in [0, 1, 9, usize::MAX, usize::MAX / 2] {
                let strides = vec![stride; coding.memories()];
                assert!(Plan::new(coding, SIZE, &strides).is_err(), "{coding:?} {stride}");
            }
            assert!(Plan::new(coding, SIZE, &[]).is_err());
            assert!(Plan::new(coding, SIZE, &[40; 4]).is_err());
        }
        assert!(Plan::new(Coding::I420, SIZE, &[19]).is_err(), "half a row of 19 is less than 10");
    }

    #[test]
    fn a_plane_is_never_more_than_its_memory() {
        let plan = Plan::new(Coding::Nv12, SIZE, &[20]).unwrap();
        let memory = [0; 180];
        assert!(plan.slots().iter().all(|slot| slot.of(&memory).is_some()));
        assert!(plan.slots()[1].of(&memory[..179]).is_none());
        assert!(plan.slots()[0].of(&memory[..119]).is_none());
    }

    #[test]
    fn formats_are_read_by_their_letters() {
        assert_eq!(Coding::ALL.map(|coding| Coding::read(&word(coding.letters()))), Coding::ALL.map(Some));
        assert_eq!(["", "nv12", "NV21", "H264", "NV12 "].map(Coding::read), [None; 5]);
    }

    #[test]
    fn letters_are_shown_as_letters() {
        assert_eq!(word(*b"MJPG"), "MJPG");
        assert_eq!(word([b'Y', 0, b'\n', 0xff]), "Y___");
    }
}
