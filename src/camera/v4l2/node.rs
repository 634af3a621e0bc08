//! The kernel's driver behind a device node, and its buffers.
//!
//! Relies on v4l2r's calls, not on its queues: those panic when a driver names a buffer that does not exist or one
//! twice, map and unmap memory for every frame and allocate for every buffer queued. Here buffers are mapped once, and
//! every number that comes with one is checked against what was mapped.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::time::{ClockId, clock_gettime};
use v4l2r::QueueType;
use v4l2r::ioctl::{self, BufferFlags, Capabilities, Capability, IntoErrno, PlaneMapping, UncheckedV4l2Buffer};
use v4l2r::memory::MemoryType;

use crate::base::Micros;
use crate::camera::CameraError;
use crate::camera::error::{one_line, path_name};

use super::Wish;
use super::asked::Asked;
use super::coding::{Coding, PLANES};
use super::driver::{Agreed, Driver, Filled};
use super::negotiate::{BUSY, Refusal, negotiate, settle_again};

/// Buffers that are asked for: one being filled, one in our hands, two for when we are late.
const BUFFERS: u32 = 4;
/// What a driver may make of it.
const TAKEN: std::ops::RangeInclusive<usize> = 2..=32;
/// The part of a buffer's flags that says which clock stamped it.
const CLOCK: u32 = 0xe000;

const ABSENT: &str = "plug it in, or set camera.source to one that `ls /dev/v4l/by-id` names";
const RIGHT: &str = "add the service's user to the group that owns it (usually video)";
const OTHER: &str = "set camera.source to a capture node; `v4l2-ctl --list-devices` shows a camera's first node first";
const AGAIN: &str = "unplug it and plug it in again, or name another camera";
const BUS: &str = "give it a USB port of its own, or lower camera.width, camera.height or camera.fps";

/// A camera behind a device node.
pub(super) struct Node {
    path: PathBuf,
    wish: Wish,
    settled: Option<Coding>,
    open: Option<Open>,
}

impl Node {
    /// The camera at `path`; not opened yet.
    pub(super) const fn new(path: PathBuf, wish: Wish) -> Self {
        Self { path, wish, settled: None, open: None }
    }

    fn refused(&self, refusal: Refusal) -> CameraError {
        let Refusal { reason, mend } = refusal;
        CameraError::Open { path: path_name(&self.path), reason: one_line(&reason), mend }
    }

    fn opened(&self) -> Result<(Open, Agreed), Refusal> {
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let device = rustix::fs::open(&self.path, flags, Mode::empty()).map_err(|error| unopened(error.into()))?;
        let queue = capture_queue(&device)?;
        let mut asked = Asked::new(&device, queue);
        let agreed = match self.settled {
            None => negotiate(&mut asked, self.wish)?,
            Some(coding) => settle_again(&mut asked, self.wish, coding)?,
        };
        let mut open = Open { maps: Vec::new(), device, queue, alarmed: false };
        open.map(&agreed)?;
        open.start().map_err(|error| failed("cannot be started", error))?;
        Ok((open, agreed))
    }

    fn device(&mut self) -> io::Result<&mut Open> {
        self.open.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl Driver for Node {
    fn open(&mut self) -> Result<Agreed, CameraError> {
        self.close();
        let (open, agreed) = self.opened().map_err(|refusal| self.refused(refusal))?;
        self.open = Some(open);
        self.settled = Some(agreed.coding);
        Ok(agreed)
    }

    fn close(&mut self) {
        self.open = None;
    }

    fn restart(&mut self) -> io::Result<()> {
        let device = self.device()?;
        ioctl::streamoff(&device.device, device.queue).map_err(errno)?;
        device.start()
    }

    fn wait(&mut self, longest: Duration) -> io::Result<bool> {
        let open = self.device()?;
        let longest = Timespec::try_from(longest).map_err(io::Error::other)?;
        let mut polled = [PollFd::new(&open.device, PollFlags::IN)];
        match poll(&mut polled, Some(&longest)) {
            Ok(0) => Ok(false),
            Ok(_) => {
                let said = polled[0].revents();
                open.alarmed = said.intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
                Ok(true)
            }
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn take(&mut self) -> io::Result<Option<Filled>> {
        let open = self.device()?;
        let buffer = match ioctl::dqbuf::<UncheckedV4l2Buffer>(&open.device, open.queue).map_err(errno) {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !open.alarmed => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::other("the driver reports an error and does not say which"));
            }
            Err(error) => return Err(error),
        };
        let filled = read(&buffer);
        if open.maps.get(usize::try_from(filled.index).unwrap_or(usize::MAX)).is_none() {
            return Err(io::Error::other(format!("the driver names buffer {} of {}", filled.index, open.maps.len())));
        }
        Ok(Some(filled))
    }

    fn memory(&self, index: u32, plane: usize) -> Option<&[u8]> {
        let maps = self.open.as_ref()?.maps.get(usize::try_from(index).ok()?)?;
        maps.get(plane).map(AsRef::as_ref)
    }

    fn give_back(&mut self, index: u32) -> io::Result<()> {
        self.device()?.queue(index)
    }

    fn monotonic(&self) -> Micros {
        let now = clock_gettime(ClockId::Monotonic);
        micros(now.tv_sec, now.tv_nsec / 1000)
    }
}

/// An open device with its buffers. Dropped in this order: the maps go first, then the device, which stops.
struct Open {
    maps: Vec<heapless::Vec<PlaneMapping, PLANES>>,
    device: OwnedFd,
    queue: QueueType,
    /// The last wait ended with an error of the device, not with a picture.
    alarmed: bool,
}

impl Open {
    /// Asks for buffers and maps them.
    fn map(&mut self, agreed: &Agreed) -> Result<(), Refusal> {
        let lies =
            |claim: String| Refusal::new(format!("its driver {claim}"), "update the driver, or name another camera");
        let count: usize = ioctl::reqbufs(&self.device, self.queue, MemoryType::Mmap, BUFFERS)
            .map_err(|error| failed("gives no buffers", errno(error)))?;
        if !TAKEN.contains(&count) {
            return Err(lies(format!("gives {count} buffers where {BUFFERS} were asked for")));
        }
        for index in 0..count {
            let buffer: ioctl::QueryBuffer = ioctl::querybuf(&self.device, self.queue, index)
                .map_err(|error| failed("does not tell its buffers", errno(error)))?;
            if buffer.planes.len() != agreed.coding.memories() {
                return Err(lies(format!("gives buffers of {} memory planes", buffer.planes.len())));
            }
            let mut maps = heapless::Vec::new();
            for (plane, memory) in buffer.planes.iter().enumerate() {
                let (bytes, need) = (memory.length, agreed.plan.need(plane));
                if usize::try_from(bytes).is_ok_and(|bytes| bytes < need) {
                    return Err(lies(format!("gives buffers of {bytes} bytes where a picture has {need}")));
                }
                let map = ioctl::mmap(&self.device.as_fd(), memory.mem_offset, bytes)
                    .map_err(|error| failed("does not share its buffers", errno(error)))?;
                let _ = maps.push(map);
            }
            self.maps.push(maps);
        }
        Ok(())
    }

    /// Hands all buffers to the driver and starts it.
    fn start(&mut self) -> io::Result<()> {
        for index in (0..).take(self.maps.len()) {
            self.queue(index)?;
        }
        ioctl::streamon(&self.device, self.queue).map_err(errno)
    }

    fn queue(&self, index: u32) -> io::Result<()> {
        let mut buffer = UncheckedV4l2Buffer::new_for_querybuf(self.queue, Some(index));
        buffer.0.memory = MemoryType::Mmap as u32;
        ioctl::qbuf::<_, ()>(&self.device, buffer).map_err(errno)
    }
}

/// What kind of node this is.
fn capture_queue(device: &OwnedFd) -> Result<QueueType, Refusal> {
    let answer = ioctl::querycap::<Capability>(device).map_err(errno);
    let capability = answer.map_err(|error| match error.raw_os_error() {
        Some(code::NOTTY | code::INVAL) => Refusal::new("it is no video device", OTHER),
        _ => failed("does not say what it is", error),
    })?;
    let can = capability.device_caps();
    let has = |wanted| can.intersects(wanted);
    if has(Capabilities::VIDEO_M2M | Capabilities::VIDEO_M2M_MPLANE) {
        return Err(Refusal::new(format!("it is a codec ({}), no camera", capability.card), OTHER));
    }
    let queue = if has(Capabilities::VIDEO_CAPTURE) {
        QueueType::VideoCapture
    } else if has(Capabilities::VIDEO_CAPTURE_MPLANE) {
        QueueType::VideoCaptureMplane
    } else {
        let kind = if has(Capabilities::VIDEO_OUTPUT | Capabilities::VIDEO_OUTPUT_MPLANE) {
            "is an output"
        } else if has(Capabilities::META_CAPTURE) {
            "gives data about pictures"
        } else {
            "captures nothing"
        };
        return Err(Refusal::new(format!("this node {kind} ({})", capability.card), OTHER));
    };
    if has(Capabilities::STREAMING) {
        Ok(queue)
    } else {
        Err(Refusal::new(format!("its driver ({}) cannot stream", capability.driver), OTHER))
    }
}

/// A buffer as the driver filled it in; nothing is checked yet.
fn read(buffer: &UncheckedV4l2Buffer) -> Filled {
    let UncheckedV4l2Buffer(said, planes) = buffer;
    let bytes = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    let filled = std::array::from_fn(|plane| match planes {
        None if plane == 0 => 0..bytes(said.bytesused),
        None => 0..0,
        Some(planes) => planes.get(plane).map_or(0..0, |plane| bytes(plane.data_offset)..bytes(plane.bytesused)),
    });
    let flags = BufferFlags::from_bits_retain(said.flags);
    let monotonic = said.flags & CLOCK == BufferFlags::TIMESTAMP_MONOTONIC.bits();
    Filled {
        index: said.index,
        sequence: said.sequence,
        stamp: monotonic.then(|| micros(said.timestamp.tv_sec, said.timestamp.tv_usec)),
        damaged: flags.contains(BufferFlags::ERROR),
        filled,
    }
}

/// Seconds and microseconds as one; a negative or absurd time lies in a future that nobody believes.
fn micros(seconds: i64, micros: i64) -> Micros {
    let told = u64::try_from(seconds).ok().zip(u64::try_from(micros).ok());
    told.and_then(|(seconds, micros)| seconds.checked_mul(1_000_000)?.checked_add(micros))
        .map_or(Micros(u64::MAX), Micros)
}

fn unopened(error: io::Error) -> Refusal {
    use io::ErrorKind::{NotFound, PermissionDenied};
    match error.kind() {
        NotFound => Refusal::new("there is no camera", ABSENT),
        PermissionDenied => Refusal::new("it may not be opened", RIGHT),
        _ if matches!(error.raw_os_error(), Some(code::NXIO | code::NODEV)) => {
            Refusal::new("there is no camera behind this node", ABSENT)
        }
        _ => failed("cannot be opened", error),
    }
}

fn failed(what: &str, error: io::Error) -> Refusal {
    match error.raw_os_error() {
        Some(code::BUSY) => Refusal::new("another program is capturing from it", BUSY),
        Some(code::NOSPC) => Refusal::new("its bus has no room for the stream", BUS),
        _ => Refusal::new(format!("it {what} ({error})"), AGAIN),
    }
}

/// v4l2r's error as the system's.
fn errno(error: impl IntoErrno) -> io::Error {
    io::Error::from_raw_os_error(error.into_errno())
}

/// Error numbers as patterns.
mod code {
    use rustix::io::Errno;

    pub const NOTTY: i32 = Errno::NOTTY.raw_os_error();
    pub const INVAL: i32 = Errno::INVAL.raw_os_error();
    pub const NXIO: i32 = Errno::NXIO.raw_os_error();
    pub const NODEV: i32 = Errno::NODEV.raw_os_error();
    pub const BUSY: i32 = Errno::BUSY.raw_os_error();
    pub const NOSPC: i32 = Errno::NOSPC.raw_os_error();
}

#[cfg(test)]
mod tests;
