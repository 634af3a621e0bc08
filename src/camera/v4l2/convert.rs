//! Pixels from a driver's buffer into a frame, read once.
//!
//! Rows are copied, YUYV is taken apart by `yuv`, JPEGs are decoded. The driver may be wrong about everything: bytes
//! that are not there make the frame torn, never a read elsewhere. Never decides what becomes of a torn frame.
//!
//! YUYV goes through `yuv` row by row: its form for whole pictures takes the chroma of every second row alone, leaves
//! out the last row of an odd height, and the last two where the buffer ends with the picture instead of the row.

use yuv::{BufferStoreMut, YuvPackedImage, YuvPlanarImageMut, yuyv422_to_yuv422};
use zeroize::Zeroizing;

use crate::base::{ChromaMut, PlaneMut, RawFrame, Size};

use super::coding::{Coding, PLANES, Plan, Slot};
use super::mjpeg;

/// The buffer does not hold the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Torn;

/// Brings pictures of one format and size into frames.
pub(super) struct Converter {
    coding: Coding,
    plan: Plan,
    /// Two rows of chroma for YUYV, a whole picture of three bytes a pixel for JPEG; wiped when dropped.
    between: Zeroizing<Vec<u8>>,
    /// A JPEG that had to be completed.
    completed: Zeroizing<Vec<u8>>,
}

impl Converter {
    /// For pictures of `coding` and `size` that lie as `plan` says.
    pub(super) fn new(coding: Coding, size: Size, plan: Plan) -> Self {
        let between = match coding {
            Coding::Yuyv => 4 * size.chroma().width,
            Coding::Mjpeg => 3 * size.area(),
            Coding::Nv12 | Coding::Nv12Split | Coding::I420 | Coding::I420Split => 0,
        };
        Self { coding, plan, between: Zeroizing::new(vec![0; between]), completed: Zeroizing::default() }
    }

    /// Fills `frame`, whose size and layout are the plan's, from the filled part of each memory plane.
    ///
    /// # Errors
    /// [`Torn`]; how much of the frame is filled is then open.
    pub(super) fn fill(&mut self, memories: [&[u8]; PLANES], frame: &mut RawFrame) -> Result<(), Torn> {
        let (luma, chroma) = frame.planes_mut();
        let from = |slot: &Slot| Some((*slot, slot.of(memories.get(slot.memory)?)?));
        match (self.coding, self.plan.slots(), chroma) {
            (Coding::Nv12 | Coding::Nv12Split, [y, uv], ChromaMut::Nv12(pairs)) => {
                rows(from(y), luma)?;
                rows(from(uv), pairs)
            }
            (Coding::I420 | Coding::I420Split, [y, u, v], ChromaMut::I420(to_u, to_v)) => {
                rows(from(y), luma)?;
                rows(from(u), to_u)?;
                rows(from(v), to_v)
            }
            (Coding::Yuyv, [packed], ChromaMut::I420(u, v)) => {
                let (slot, bytes) = from(packed).ok_or(Torn)?;
                yuyv(bytes, slot.stride, &mut self.between, [luma, u, v])
            }
            (Coding::Mjpeg, [], ChromaMut::I420(u, v)) => {
                mjpeg::decode(memories[0], &mut self.between, &mut self.completed, [luma, u, v])
            }
            _ => Err(Torn),
        }
    }
}

/// Copies a plane; in one piece where rows lie alike on both sides.
fn rows(from: Option<(Slot, &[u8])>, mut to: PlaneMut<'_>) -> Result<(), Torn> {
    let (slot, bytes) = from.filter(|(slot, _)| (slot.width, slot.rows) == (to.width, to.height)).ok_or(Torn)?;
    if slot.stride == to.stride {
        to.data.get_mut(..bytes.len()).ok_or(Torn)?.copy_from_slice(bytes);
    } else {
        for (from, to) in bytes.chunks(slot.stride).zip(to.rows()) {
            to.copy_from_slice(from.get(..slot.width).ok_or(Torn)?);
        }
    }
    Ok(())
}

/// Takes rows of YUYV apart; a chroma sample is the mean of two rows, at an odd height the last row's own.
fn yuyv(bytes: &[u8], stride: usize, between: &mut [u8], to: [PlaneMut<'_>; 3]) -> Result<(), Torn> {
    let [mut luma, mut u, mut v] = to;
    let (width, half) = (luma.width, u.width);
    let [first_u, first_v, second_u, second_v] = quarters(between, half)?;
    let mut packed = bytes.chunks(stride);
    let mut luma = luma.rows();
    for (u, v) in u.rows().zip(v.rows()) {
        row(packed.next(), luma.next(), [&mut *first_u, &mut *first_v], width)?;
        let Some(below) = luma.next() else {
            u.copy_from_slice(first_u);
            v.copy_from_slice(first_v);
            break;
        };
        row(packed.next(), Some(below), [&mut *second_u, &mut *second_v], width)?;
        mean(first_u, second_u, u);
        mean(first_v, second_v, v);
    }
    Ok(())
}

fn quarters(between: &mut [u8], half: usize) -> Result<[&mut [u8]; 4], Torn> {
    let mut parts = between.chunks_exact_mut(half.max(1));
    match [parts.next(), parts.next(), parts.next(), parts.next()] {
        [Some(a), Some(b), Some(c), Some(d)] => Ok([a, b, c, d]),
        _ => Err(Torn),
    }
}

/// One row of YUYV.
fn row(packed: Option<&[u8]>, luma: Option<&mut [u8]>, chroma: [&mut [u8]; 2], width: usize) -> Result<(), Torn> {
    let (packed, luma, [u, v]) = (packed.ok_or(Torn)?, luma.ok_or(Torn)?, chroma);
    let across = |bytes: usize| u32::try_from(bytes).map_err(|_| Torn);
    let packed = packed.get(..4 * u.len()).ok_or(Torn)?;
    let (width, half) = (across(width)?, across(u.len())?);
    let source = YuvPackedImage { yuy: packed, yuy_stride: across(packed.len())?, width, height: 1 };
    let mut planes = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(luma),
        y_stride: width,
        u_plane: BufferStoreMut::Borrowed(u),
        u_stride: half,
        v_plane: BufferStoreMut::Borrowed(v),
        v_stride: half,
        width,
        height: 1,
    };
    yuyv422_to_yuv422(&mut planes, &source).map_err(|_| Torn)
}

/// The mean of two rows, rounded up.
fn mean(one: &[u8], other: &[u8], to: &mut [u8]) {
    for ((one, other), to) in one.iter().zip(other).zip(to) {
        *to = (one | other) - ((one ^ other) >> 1);
    }
}

#[cfg(test)]
mod tests;
