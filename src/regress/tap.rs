//! The tap: copies of raw frames at the camera, compared at the encoder's door.
//!
//! [`Tap`] stands in for the camera and [`Witness`] for the encoder; the pipeline between them is the very one of `run`
//! and does not know. Copies lie in a ring of fixed size and are wiped when released. A copy is released when its frame
//! reaches the encoder, or when a later frame does: the pipeline keeps the order, so whatever it overtook was dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zeroize::Zeroize;

use crate::base::{Chroma, Fault, FramePool, Layout, Plane, RawFrame, Shape};
use crate::camera::{Camera, CameraError, Mode};
use crate::encode::{AccessUnit, Encoder};
use crate::mask::RedactedFrame;

use super::coverage::Picture;
pub use super::governed::Governed;
use super::score::Scorer;

/// Memory of one source copy; wiped when dropped.
struct Wiped(Box<[u8]>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

struct Ring {
    held: VecDeque<(u64, Wiped)>,
    idle: Vec<Wiped>,
}

/// Source copies on their way from the tap to the witness. Clones share the ring.
#[derive(Clone)]
pub struct Sources {
    shape: Shape,
    ring: Arc<Mutex<Ring>>,
}

impl Sources {
    /// Allocates `count` copies (at least 1) of frames of `shape`. Without drops, as many as the frame pool holds are
    /// enough; a pipeline that drops frames under load wants a few more. When all are in use the oldest makes room, and
    /// its frame then counts as clear: figures err on the honest side.
    pub fn new(shape: Shape, count: usize) -> Self {
        let idle = (0..count.max(1)).map(|_| Wiped(vec![0; shape.bytes()].into())).collect();
        let ring = Ring { held: VecDeque::with_capacity(count.max(1)), idle };
        Self { shape, ring: Arc::new(Mutex::new(ring)) }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Nothing can panic while the lock is held, so a poisoned ring is still whole.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Copies `frame`; one of another shape is left out and will count as clear.
    fn keep(&self, frame: &RawFrame) {
        if frame.shape() != self.shape {
            return;
        }
        let free = {
            let mut ring = self.ring();
            ring.idle.pop().or_else(|| ring.held.pop_front().map(|(_, copy)| copy))
        };
        let Some(mut copy) = free else { return };
        let (luma, rest) = copy.0.split_at_mut(frame.luma().data.len());
        luma.copy_from_slice(frame.luma().data);
        match frame.chroma() {
            Chroma::I420(u, v) => {
                let (to_u, to_v) = rest.split_at_mut(u.data.len());
                to_u.copy_from_slice(u.data);
                to_v.copy_from_slice(v.data);
            }
            Chroma::Nv12(uv) => rest.copy_from_slice(uv.data),
        }
        self.ring().held.push_back((frame.sequence(), copy));
    }

    /// Takes the copy of frame `sequence` and releases every copy before it.
    fn take(&self, sequence: u64) -> Option<Wiped> {
        let mut ring = self.ring();
        let place = ring.held.iter().position(|&(held, _)| held == sequence)?;
        for _ in 0..place {
            if let Some((_, copy)) = ring.held.pop_front() {
                release(&mut ring, copy);
            }
        }
        ring.held.pop_front().map(|(_, copy)| copy)
    }

    fn give_back(&self, copy: Wiped) {
        release(&mut self.ring(), copy);
    }

    fn picture<'a>(&self, copy: &'a Wiped) -> Picture<'a> {
        let shape = self.shape;
        let (luma, rest) = copy.0.split_at(shape.luma_stride * shape.size.height);
        let luma = Plane { data: luma, stride: shape.luma_stride, width: shape.size.width, height: shape.size.height };
        let (half, stride) = (shape.size.chroma(), shape.chroma_stride);
        let plane = |data, width| Plane { data, stride, width, height: half.height };
        let chroma = match shape.layout {
            Layout::I420 => {
                let (u, v) = rest.split_at(stride * half.height);
                Chroma::I420(plane(u, half.width), plane(v, half.width))
            }
            Layout::Nv12 => Chroma::Nv12(plane(rest, 2 * half.width)),
        };
        Picture { luma, chroma }
    }
}

fn release(ring: &mut Ring, mut copy: Wiped) {
    copy.0.zeroize();
    ring.idle.push(copy);
}

/// A camera whose every frame is copied before it is handed on.
pub struct Tap {
    camera: Box<dyn Camera>,
    sources: Sources,
}

impl Tap {
    /// Wraps `camera`; `sources` must have the shape of its mode.
    pub fn new(camera: Box<dyn Camera>, sources: Sources) -> Self {
        Self { camera, sources }
    }
}

impl Camera for Tap {
    fn mode(&self) -> Mode {
        self.camera.mode()
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        let frame = self.camera.next(pool)?;
        if let Some(frame) = &frame {
            self.sources.keep(frame);
        }
        Ok(frame)
    }
}

/// An encoder that scores every frame before it encodes it.
pub struct Witness {
    encoder: Option<Box<dyn Encoder>>,
    sources: Sources,
    governed: Governed,
    scorer: Scorer,
}

impl Witness {
    /// Wraps `encoder`; `None` scores and encodes nothing (`--encoder none`). `governed` does to a source copy what the
    /// mask's governor does to the frame.
    pub fn new(encoder: Option<Box<dyn Encoder>>, sources: Sources, governed: Governed, scorer: Scorer) -> Self {
        Self { encoder, sources, governed, scorer }
    }
}

impl Encoder for Witness {
    /// # Errors
    /// [`Fault::OutputFailed`] when coverage cannot be written ([`Scorer::failure`] has the reason); else the encoder's.
    fn submit(&mut self, frame: RedactedFrame, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        let copy = self.sources.take(frame.sequence());
        self.governed.plan(&frame);
        let source = copy.as_ref().map(|copy| self.governed.reference(self.sources.picture(copy), &frame));
        let scored = self.scorer.frame(source, &frame);
        if let Some(copy) = copy {
            self.sources.give_back(copy);
        }
        scored?;
        match &mut self.encoder {
            Some(encoder) => encoder.submit(frame, out),
            None => Ok(()),
        }
    }

    fn finish(&mut self, out: &mut Vec<AccessUnit>) -> Result<(), Fault> {
        self.encoder.as_mut().map_or(Ok(()), |encoder| encoder.finish(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Micros, Size};

    fn kept(sources: &Sources) -> Vec<u64> {
        sources.ring().held.iter().map(|&(sequence, _)| sequence).collect()
    }

    #[test]
    fn copies_follow_their_frames_and_are_wiped() {
        for layout in [Layout::I420, Layout::Nv12] {
            let shape = Shape::packed(Size::new(7, 5), layout).aligned(4);
            let pool = FramePool::new(shape, 1);
            let sources = Sources::new(shape, 3);
            for sequence in 0..4 {
                let mut frame = pool.take(sequence, Micros(sequence));
                frame.planes_mut().0.row(4)[6] = 200;
                sources.keep(&frame);
            }
            assert_eq!(kept(&sources), [1, 2, 3], "the oldest made room");
            assert!(sources.take(0).is_none());
            let copy = sources.take(2).unwrap();
            assert_eq!(sources.picture(&copy).luma.row(4)[6], 200);
            assert_eq!(kept(&sources), [3], "1 was dropped on the way");
            sources.give_back(copy);
            assert_eq!(sources.ring().idle.len(), 2);
            assert!(sources.ring().idle.iter().all(|copy| copy.0.iter().all(|&byte| byte == 0)));
        }
    }

    #[test]
    fn a_frame_delivered_twice_is_found_twice() {
        let shape = Shape::packed(Size::new(4, 4), Layout::I420);
        let pool = FramePool::new(shape, 1);
        let sources = Sources::new(shape, 4);
        for sequence in [5, 5, 6] {
            sources.keep(&pool.take(sequence, Micros(0)));
        }
        for sequence in [5, 5, 6] {
            assert!(sources.take(sequence).is_some());
        }
    }

    #[test]
    fn another_shape_is_left_out() {
        let sources = Sources::new(Shape::packed(Size::new(4, 4), Layout::I420), 2);
        let pool = FramePool::new(Shape::packed(Size::new(8, 4), Layout::I420), 1);
        sources.keep(&pool.take(0, Micros(0)));
        assert!(sources.take(0).is_none());
    }
}
