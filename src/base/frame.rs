//! The raw frame: pixels that may show faces, and the pool they live in.
//!
//! A [`RawFrame`] cannot be cloned, printed or serialised; its pixels are wiped when it is dropped and its memory goes
//! back to the [`FramePool`] it came from. The only way on from here is [`crate::mask::redact`], which takes it by value.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroize;

use super::{Fault, Micros, Size};

/// How the chroma samples lie in memory. Luma is always a plane of its own, 8 bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Y, then U, then V, chroma halved both ways.
    I420,
    /// Y, then U and V interleaved, chroma halved both ways.
    Nv12,
}

/// Everything about a frame's memory but its content. Strides are in bytes and at least the plane's width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Size of the picture.
    pub size: Size,
    /// Chroma layout.
    pub layout: Layout,
    /// Bytes from one luma row to the next.
    pub luma_stride: usize,
    /// Bytes from one chroma row to the next (of U, of V, or of the interleaved pairs).
    pub chroma_stride: usize,
}

impl Shape {
    /// Rows without gaps.
    pub const fn packed(size: Size, layout: Layout) -> Self {
        let chroma = size.chroma().width;
        let chroma_stride = match layout {
            Layout::I420 => chroma,
            Layout::Nv12 => chroma * 2,
        };
        Self { size, layout, luma_stride: size.width, chroma_stride }
    }

    /// Rows padded so that each starts at a multiple of `align` bytes, as drivers ask.
    #[must_use]
    pub const fn aligned(mut self, align: usize) -> Self {
        self.luma_stride = self.luma_stride.next_multiple_of(align);
        self.chroma_stride = self.chroma_stride.next_multiple_of(align);
        self
    }

    const fn luma_bytes(self) -> usize {
        self.luma_stride * self.size.height
    }

    const fn chroma_bytes(self) -> usize {
        self.chroma_stride * self.size.chroma().height
    }

    /// Bytes of the whole frame.
    pub const fn bytes(self) -> usize {
        self.luma_bytes()
            + match self.layout {
                Layout::I420 => 2 * self.chroma_bytes(),
                Layout::Nv12 => self.chroma_bytes(),
            }
    }
}

/// A plane to read. `width` is in bytes: twice the chroma width for interleaved pairs.
#[derive(Clone, Copy)]
pub struct Plane<'a> {
    /// Rows, `stride` bytes apart.
    pub data: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row that are picture.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl<'a> Plane<'a> {
    /// The picture bytes of row `y`.
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.data[y * self.stride..][..self.width]
    }

    /// The picture rows from the top.
    pub fn rows(&self) -> impl Iterator<Item = &'a [u8]> {
        let width = self.width;
        self.data.chunks(self.stride).take(self.height).map(move |row| &row[..width])
    }
}

/// A plane to write; see [`Plane`].
pub struct PlaneMut<'a> {
    /// Rows, `stride` bytes apart.
    pub data: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row that are picture.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

impl PlaneMut<'_> {
    /// The picture bytes of row `y`.
    pub fn row(&mut self, y: usize) -> &mut [u8] {
        &mut self.data[y * self.stride..][..self.width]
    }

    /// The picture rows from the top.
    pub fn rows(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let width = self.width;
        self.data.chunks_mut(self.stride).take(self.height).map(move |row| &mut row[..width])
    }
}

/// Chroma planes to read.
#[derive(Clone, Copy)]
pub enum Chroma<'a> {
    /// U and V.
    I420(Plane<'a>, Plane<'a>),
    /// Pairs of U and V.
    Nv12(Plane<'a>),
}

/// Chroma planes to write.
pub enum ChromaMut<'a> {
    /// U and V.
    I420(PlaneMut<'a>, PlaneMut<'a>),
    /// Pairs of U and V.
    Nv12(PlaneMut<'a>),
}

/// A frame as the camera gave it: it may show faces. Not `Clone`, not `Debug`, not `Serialize`; wiped when dropped.
pub struct RawFrame {
    sequence: u64,
    captured: Micros,
    fault: Option<Fault>,
    shape: Shape,
    pixels: Pixels,
}

impl RawFrame {
    /// Number of the frame in its stream, from 0. Gaps are frames that were dropped.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// When the camera captured it.
    pub const fn captured(&self) -> Micros {
        self.captured
    }

    /// What the camera knows to be wrong with it.
    pub const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    /// Size, layout and strides.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Size of the picture.
    pub const fn size(&self) -> Size {
        self.shape.size
    }

    /// Says what is wrong with the frame; the first fault stays.
    pub fn mark(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    /// Sets number and capture time; for a camera that learns them after the pixels.
    pub fn stamp(&mut self, sequence: u64, captured: Micros) {
        self.sequence = sequence;
        self.captured = captured;
    }

    /// Luma to read.
    pub fn luma(&self) -> Plane<'_> {
        let Size { width, height } = self.shape.size;
        Plane { data: &self.pixels.bytes()[..self.shape.luma_bytes()], stride: self.shape.luma_stride, width, height }
    }

    /// Chroma to read.
    pub fn chroma(&self) -> Chroma<'_> {
        let Size { width, height } = self.shape.size.chroma();
        let stride = self.shape.chroma_stride;
        let data = &self.pixels.bytes()[self.shape.luma_bytes()..];
        match self.shape.layout {
            Layout::I420 => {
                let (u, v) = data.split_at(self.shape.chroma_bytes());
                Chroma::I420(Plane { data: u, stride, width, height }, Plane { data: v, stride, width, height })
            }
            Layout::Nv12 => Chroma::Nv12(Plane { data, stride, width: width * 2, height }),
        }
    }

    /// All planes to write: for the camera that fills them and the paint that covers them.
    pub fn planes_mut(&mut self) -> (PlaneMut<'_>, ChromaMut<'_>) {
        let shape = self.shape;
        let (luma, rest) = self.pixels.bytes_mut().split_at_mut(shape.luma_bytes());
        let Size { width, height } = shape.size;
        let luma = PlaneMut { data: luma, stride: shape.luma_stride, width, height };
        let Size { width, height } = shape.size.chroma();
        let stride = shape.chroma_stride;
        let chroma = match shape.layout {
            Layout::I420 => {
                let (u, v) = rest.split_at_mut(shape.chroma_bytes());
                ChromaMut::I420(
                    PlaneMut { data: u, stride, width, height },
                    PlaneMut { data: v, stride, width, height },
                )
            }
            Layout::Nv12 => ChromaMut::Nv12(PlaneMut { data: rest, stride, width: width * 2, height }),
        };
        (luma, chroma)
    }
}

/// Owns a frame's memory while the frame lives; wipes it and hands it back on drop.
struct Pixels {
    memory: Option<Box<[u8]>>,
    home: Arc<Home>,
}

impl Pixels {
    fn bytes(&self) -> &[u8] {
        self.memory.as_deref().unwrap_or_default()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.as_deref_mut().unwrap_or_default()
    }
}

impl Drop for Pixels {
    fn drop(&mut self) {
        if let Some(mut memory) = self.memory.take() {
            memory.zeroize();
            self.home.give_back(memory);
        }
    }
}

struct Home {
    idle: Mutex<heapless::Vec<Box<[u8]>, { FramePool::MOST }>>,
    returned: Condvar,
}

impl Home {
    fn idle(&self) -> MutexGuard<'_, heapless::Vec<Box<[u8]>, { FramePool::MOST }>> {
        // Nothing can panic while the lock is held, so a poisoned list is still whole.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, memory: Box<[u8]>) {
        // Cannot overflow: the pool made at most its capacity.
        let _ = self.idle().push(memory);
        self.returned.notify_one();
    }
}

/// A fixed number of frames, allocated once. Frames hold on to the pool's memory, so the pool itself may go first.
#[derive(Clone)]
pub struct FramePool {
    shape: Shape,
    home: Arc<Home>,
}

impl FramePool {
    /// Most frames that one pool can hold.
    pub const MOST: usize = 64;

    /// Allocates `count` frames (1 to 64; outside that, the nearest).
    pub fn new(shape: Shape, count: usize) -> Self {
        let mut idle = heapless::Vec::new();
        for _ in 0..count.clamp(1, Self::MOST) {
            let _ = idle.push(vec![0; shape.bytes()].into_boxed_slice());
        }
        Self { shape, home: Arc::new(Home { idle: Mutex::new(idle), returned: Condvar::new() }) }
    }

    /// Size, layout and strides of this pool's frames.
    pub const fn shape(&self) -> Shape {
        self.shape
    }

    /// Hands each buffer that is not in use to `see`: before the first frame, all of them.
    pub fn each_idle(&self, see: impl FnMut(&mut [u8])) {
        self.home.idle().iter_mut().map(|memory| &mut **memory).for_each(see);
    }

    /// A wiped frame, or `None` while all are in use.
    pub fn try_take(&self, sequence: u64, captured: Micros) -> Option<RawFrame> {
        let memory = self.home.idle().pop()?;
        Some(self.frame(memory, sequence, captured))
    }

    /// A wiped frame; waits until one comes back.
    pub fn take(&self, sequence: u64, captured: Micros) -> RawFrame {
        let mut idle = self.home.idle();
        loop {
            if let Some(memory) = idle.pop() {
                drop(idle);
                return self.frame(memory, sequence, captured);
            }
            idle = self.home.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn frame(&self, memory: Box<[u8]>, sequence: u64, captured: Micros) -> RawFrame {
        let pixels = Pixels { memory: Some(memory), home: Arc::clone(&self.home) };
        RawFrame { sequence, captured, fault: None, shape: self.shape, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_frame_comes_back_wiped() {
        for layout in [Layout::I420, Layout::Nv12] {
            let pool = FramePool::new(Shape::packed(Size::new(7, 5), layout).aligned(4), 1);
            let mut frame = pool.take(0, Micros(0));
            let (mut luma, _) = frame.planes_mut();
            luma.row(4)[6] = 200;
            assert!(pool.try_take(1, Micros(0)).is_none(), "one frame only");
            pool.each_idle(|_| panic!("it is in use"));
            drop(frame);
            let mut seen = 0;
            pool.each_idle(|memory| seen += memory.len());
            assert_eq!(seen, pool.shape().bytes());
            let frame = pool.take(1, Micros(9));
            assert!(frame.pixels.bytes().iter().all(|&byte| byte == 0));
            assert_eq!(frame.sequence(), 1);
        }
    }

    #[test]
    fn planes_do_not_overlap_and_fill_the_frame() {
        let shape = Shape::packed(Size::new(5, 3), Layout::I420);
        let mut frame = FramePool::new(shape, 1).take(0, Micros(0));
        let (mut luma, ChromaMut::I420(mut u, mut v)) = frame.planes_mut() else { panic!("layout") };
        luma.rows().for_each(|row| row.fill(1));
        u.rows().for_each(|row| row.fill(2));
        v.rows().for_each(|row| row.fill(3));
        assert_eq!(frame.pixels.bytes(), [[1; 15].as_slice(), &[2; 6], &[3; 6]].concat());
    }
}
