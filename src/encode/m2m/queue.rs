//! One queue of a memory-to-memory node: its buffers, mapped once, and whose each of them is at the moment.
//!
//! A buffer that is queued belongs to the driver and is not touched. Nothing is allocated or mapped after the start.
//! Relies on v4l2r's calls, which check what the kernel gives back.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

use v4l2r::QueueType;
use v4l2r::bindings::timeval;
use v4l2r::ioctl::{
    self, BufferField, BufferFlags, DqBufIoctlError, IntoErrno, IoctlConvertError, PlaneMapping, QueryBuffer,
    V4l2Buffer,
};
use v4l2r::memory::MemoryType;

/// A queue and its buffers.
pub(super) struct Queue {
    kind: QueueType,
    buffers: Vec<Buffer>,
}

struct Buffer {
    memory: PlaneMapping,
    queued: bool,
}

/// A buffer that came back.
pub(super) struct Done {
    pub index: usize,
    /// The time stamp that the frame went in with, in microseconds.
    pub stamp: i64,
    /// The driver could not do its work on it.
    pub error: bool,
    /// Where in the buffer the content lies.
    pub content: Range<usize>,
}

impl Queue {
    /// Asks the driver for `count` buffers; it may give another number, at least one.
    ///
    /// # Errors
    /// What the kernel says; also for buffers of several parts.
    pub(super) fn allocate(node: &OwnedFd, kind: QueueType, count: u32) -> io::Result<Self> {
        let given: usize = ioctl::reqbufs(node, kind, MemoryType::Mmap, count).map_err(error)?;
        let mut buffers = Vec::with_capacity(given);
        for index in 0..given {
            let about: QueryBuffer = ioctl::querybuf(node, kind, index).map_err(error)?;
            let [part] = about.planes.as_slice() else {
                return Err(io::Error::other("its buffers have several parts"));
            };
            let memory = ioctl::mmap(node, part.mem_offset, part.length).map_err(error)?;
            buffers.push(Buffer { memory, queued: false });
        }
        if buffers.is_empty() { Err(io::Error::other("it gives no buffers")) } else { Ok(Self { kind, buffers }) }
    }

    /// A buffer that is ours.
    pub(super) fn free(&self) -> Option<usize> {
        self.buffers.iter().position(|buffer| !buffer.queued)
    }

    /// The memory of a buffer that is ours; nothing while it is the driver's.
    pub(super) fn memory(&mut self, index: usize) -> &mut [u8] {
        match self.buffers.get_mut(index) {
            Some(Buffer { memory, queued: false }) => memory,
            _ => &mut [],
        }
    }

    /// Bytes of the smallest buffer.
    pub(super) fn smallest(&self) -> usize {
        self.buffers.iter().map(|buffer| buffer.memory.len()).min().unwrap_or(0)
    }

    /// Gives a buffer to the driver, with `used` bytes in it and a time stamp in microseconds.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn queue(&mut self, node: &OwnedFd, index: usize, used: usize, stamp: i64) -> io::Result<()> {
        let number = u32::try_from(index).map_err(io::Error::other)?;
        let mut buffer = V4l2Buffer::new(self.kind, number, MemoryType::Mmap);
        buffer.set_field(BufferField::None);
        buffer.set_timestamp(timeval { tv_sec: stamp / 1_000_000, tv_usec: stamp % 1_000_000 });
        *buffer.get_first_plane_mut().bytesused = u32::try_from(used).map_err(io::Error::other)?;
        ioctl::qbuf::<_, ()>(node, buffer).map_err(error)?;
        if let Some(buffer) = self.buffers.get_mut(index) {
            buffer.queued = true;
        }
        Ok(())
    }

    /// Gives every buffer that is ours to the driver, empty.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn queue_all(&mut self, node: &OwnedFd) -> io::Result<()> {
        while let Some(index) = self.free() {
            self.queue(node, index, 0, 0)?;
        }
        Ok(())
    }

    /// The next buffer that the driver is done with, if there is one.
    ///
    /// # Errors
    /// What the kernel says, `ENODEV` for a device that is gone.
    pub(super) fn done(&mut self, node: &OwnedFd) -> io::Result<Option<Done>> {
        let buffer: V4l2Buffer = match ioctl::dqbuf(node, self.kind) {
            Ok(buffer) => buffer,
            Err(IoctlConvertError::IoctlError(DqBufIoctlError::NotReady)) => return Ok(None),
            Err(refusal) => return Err(error(refusal)),
        };
        let index = usize::try_from(buffer.index()).map_err(io::Error::other)?;
        let ours = self.buffers.get_mut(index).ok_or_else(|| io::Error::other("it gave a buffer that is not ours"))?;
        ours.queued = false;
        let plane = buffer.get_first_plane();
        let place = |value: u32| usize::try_from(value).unwrap_or(usize::MAX).min(ours.memory.len());
        let (from, to) = (plane.data_offset.map_or(0, |offset| place(*offset)), place(*plane.bytesused));
        let stamp = buffer.timestamp();
        Ok(Some(Done {
            index,
            stamp: stamp.tv_sec.saturating_mul(1_000_000).saturating_add(stamp.tv_usec),
            error: buffer.flags().contains(BufferFlags::ERROR),
            content: from.min(to)..to,
        }))
    }

    /// Lets the driver begin.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn on(&self, node: &OwnedFd) -> io::Result<()> {
        ioctl::streamon(node, self.kind).map_err(error)
    }

    /// Ends the driver's work; all buffers are ours again.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn off(&mut self, node: &OwnedFd) -> io::Result<()> {
        ioctl::streamoff(node, self.kind).map_err(error)?;
        self.buffers.iter_mut().for_each(|buffer| buffer.queued = false);
        Ok(())
    }
}

/// v4l2r's many errors as the kernel's one number.
pub(super) fn error(refusal: impl IntoErrno) -> io::Error {
    io::Error::from_raw_os_error(refusal.into_errno())
}
