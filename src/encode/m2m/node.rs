//! The device node: found among all video nodes, believed only after it has answered, its formats agreed.
//!
//! A node is an encoder if it turns raw pictures into the coded ones that are wanted, in multi-planar queues; its name
//! or number says nothing. Some boards have nodes of that name that are no V4L2 device at all.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, major, open};
use v4l2r::bindings::v4l2_rect;
use v4l2r::ioctl::{self, Capabilities, Capability, FormatIterator, SelectionFlags, SelectionTarget, SelectionType};
use v4l2r::{Format, PixelFormat, PlaneLayout, QueueType};

use super::queue::error;
use super::{Coded, INPUT, OUTPUT};
use crate::base::{Layout, Size};

/// Device number of every V4L2 node (Linux' list of devices).
const VIDEO: u32 = 81;
/// Rows of raw pictures are asked to begin at multiples of so many bytes. The CM4's encoder wants 64 for luma of I420;
/// what the driver makes of it is what holds.
const ALIGN: usize = 64;
/// Smallest buffer for a coded picture, in bytes.
const CODED: usize = 512 << 10;

/// How raw pictures lie in the driver's buffers: luma first, chroma right behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raw {
    pub layout: Layout,
    /// Bytes from one luma row to the next. Chroma rows of I420 are half of that apart, pairs as much.
    pub stride: usize,
    /// Luma rows, of which the picture may be fewer.
    pub rows: usize,
}

impl Raw {
    /// Bytes of a picture.
    pub(super) const fn bytes(self) -> usize {
        self.stride * self.rows + self.stride * (self.rows / 2)
    }
}

/// An encoder's node with its formats set.
pub(super) struct Node {
    pub fd: OwnedFd,
    /// Path and driver, for messages.
    pub name: String,
    pub raw: Raw,
}

/// Why a node is not used: no encoder for this at all, or one that does not fit.
#[derive(Debug)]
pub(super) enum Refusal {
    Other,
    Unfit(String),
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::Unfit(error.to_string())
    }
}

/// All video nodes, by number.
pub(super) fn nodes() -> Vec<PathBuf> {
    let names = fs::read_dir("/dev").into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("video")?.parse::<u32>().ok();
    let mut nodes: Vec<_> =
        names.filter_map(|entry| Some((number(entry.file_name().to_str()?)?, entry.path()))).collect();
    nodes.sort_unstable();
    nodes.into_iter().map(|(_, path)| path).collect()
}

impl Node {
    /// Opens the node at `path` for pictures of `size`, if it encodes them as `coded`.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(super) fn open(path: &Path, coded: Coded, size: Size) -> Result<Self, Refusal> {
        let about = fs::metadata(path)?;
        if !about.file_type().is_char_device() || major(about.rdev()) != VIDEO {
            return Err(Refusal::Other);
        }
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut fd = open(path, flags, Mode::empty()).map_err(io::Error::from)?;
        let capability: Capability = ioctl::querycap(&fd).map_err(error)?;
        if !capability.device_caps().contains(Capabilities::VIDEO_M2M_MPLANE | Capabilities::STREAMING) {
            return Err(Refusal::Other);
        }
        let wanted = coded.format();
        if !formats(&fd, OUTPUT).any(|format| format == wanted) {
            return Err(Refusal::Other);
        }
        // What cameras and clips deliver goes first: it is copied as it is.
        let raw =
            [Layout::I420, Layout::Nv12].into_iter().find(|&layout| formats(&fd, INPUT).any(|f| f == fourcc(layout)));
        let raw = raw.ok_or_else(|| Refusal::Unfit("it takes neither I420 nor NV12".to_owned()))?;
        let raw = agree(&mut fd, wanted, raw, size)?;
        let name = format!("{} ({})", path.display(), capability.card.escape_debug());
        Ok(Self { fd, name, raw })
    }
}

fn formats(node: &OwnedFd, queue: QueueType) -> impl Iterator<Item = PixelFormat> {
    // A driver that never comes to an end of its list is not asked for ever.
    FormatIterator::new(node, queue).take(64).map(|format| format.pixelformat)
}

const fn fourcc(layout: Layout) -> PixelFormat {
    match layout {
        Layout::I420 => PixelFormat::from_fourcc(b"YU12"),
        Layout::Nv12 => PixelFormat::from_fourcc(b"NV12"),
    }
}

/// Sets both formats. Whatever the driver makes of them is checked before it is believed.
fn agree(node: &mut OwnedFd, coded: PixelFormat, layout: Layout, size: Size) -> Result<Raw, Refusal> {
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
    let unfit = |reason: String| Err(Refusal::Unfit(reason));
    let ask = |pixelformat, plane| Format {
        width: number(size.width),
        height: number(size.height),
        pixelformat,
        plane_fmt: vec![plane],
    };
    // The coded side first: it resets the raw one on some drivers, and the raw one decides the size on others.
    let room = PlaneLayout { sizeimage: number(size.area().max(CODED)), bytesperline: 0 };
    let given: Format = ioctl::s_fmt(node, (OUTPUT, &ask(coded, room))).map_err(error)?;
    if given.pixelformat != coded {
        return unfit(format!("it codes {} where {coded} was asked for", given.pixelformat));
    }
    let rows = PlaneLayout { sizeimage: 0, bytesperline: number(size.width.next_multiple_of(ALIGN)) };
    let given: Format = ioctl::s_fmt(node, (INPUT, &ask(fourcc(layout), rows))).map_err(error)?;
    let [plane] = given.plane_fmt.as_slice() else {
        return unfit(format!("its pictures have {} parts", given.plane_fmt.len()));
    };
    let whole = |value: u32| usize::try_from(value).unwrap_or(0);
    let raw = Raw { layout, stride: whole(plane.bytesperline), rows: whole(given.height) };
    let enough = raw.stride >= size.width && whole(given.width) >= size.width && raw.rows >= size.height;
    let even = raw.stride.is_multiple_of(2) && raw.rows.is_multiple_of(2) && raw.rows <= 2 * Size::MAX_SIDE;
    let told = format!("{}x{} in rows of {}", given.width, given.height, plane.bytesperline);
    if given.pixelformat != fourcc(layout) || !enough || !even || raw.stride > 4 * Size::MAX_SIDE {
        return unfit(format!("it takes {told} where {size} was asked for"));
    }
    if whole(plane.sizeimage) < raw.bytes() {
        return unfit(format!("it takes {told}, but only {} bytes of that", plane.sizeimage));
    }
    if (whole(given.width), raw.rows) != (size.width, size.height) {
        let shown = v4l2_rect { left: 0, top: 0, width: number(size.width), height: number(size.height) };
        let (kind, target) = (SelectionType::Output, SelectionTarget::Crop);
        let cropped: Result<v4l2_rect, _> = ioctl::s_selection(node, kind, target, shown, SelectionFlags::empty());
        let same = |is: v4l2_rect| (is.left, is.top, is.width, is.height) == (0, 0, shown.width, shown.height);
        if !cropped.is_ok_and(same) {
            return unfit(format!("it takes {told} and shows all of it where {size} was asked for"));
        }
    }
    Ok(raw)
}
