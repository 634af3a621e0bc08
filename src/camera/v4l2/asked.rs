//! The kernel's answers about formats and rates; the leaf's only unsafe code.
//!
//! v4l2r has these calls, but its own form of a format leaves out colours, fields and rates, so the kernel's structures
//! are filled in and read here. Lists end after a number of entries that no driver reaches honestly.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use v4l2r::bindings::{self, v4l2_format, v4l2_frmivalenum, v4l2_frmsizeenum, v4l2_streamparm};
use v4l2r::ioctl::{self, FrmIvalTypes, FrmSizeTypes, IntoErrno};
use v4l2r::{PixelFormat, QueueType};

use crate::base::Size;
use crate::camera::Rate;

use super::negotiate::{Ask, Given};

/// Most entries of a list that are read; vivid, which has every format there is, lists 96 of them.
const ENTRIES: u32 = 256;

/// A device that is asked about one of its queues.
pub(super) struct Asked<'a> {
    device: &'a OwnedFd,
    queue: QueueType,
}

impl<'a> Asked<'a> {
    /// Asks `device` about `queue`, which is one that captures pictures.
    pub(super) const fn new(device: &'a OwnedFd, queue: QueueType) -> Self {
        Self { device, queue }
    }
}

impl Ask for Asked<'_> {
    fn set_format(&mut self, letters: [u8; 4], size: Size) -> io::Result<Given> {
        let side = |side: usize| u32::try_from(side).map_err(io::Error::other);
        let (width, height, pixelformat) = (side(size.width)?, side(size.height)?, u32::from_le_bytes(letters));
        let field = bindings::v4l2_field_V4L2_FIELD_NONE;
        let mut wish = v4l2_format { type_: self.queue as u32, ..Default::default() };
        if self.queue.is_multiplanar() {
            let pix_mp = bindings::v4l2_pix_format_mplane { width, height, pixelformat, field, ..Default::default() };
            wish.fmt = bindings::v4l2_format__bindgen_ty_1 { pix_mp };
        } else {
            let pix = bindings::v4l2_pix_format { width, height, pixelformat, field, ..Default::default() };
            wish.fmt = bindings::v4l2_format__bindgen_ty_1 { pix };
        }
        let mut device = self.device.as_fd();
        let set: v4l2_format = ioctl::s_fmt(&mut device, wish).map_err(errno)?;
        Ok(given(&set, self.queue))
    }

    fn set_rate(&mut self, fps: u32) -> io::Result<Option<Rate>> {
        let timeperframe = bindings::v4l2_fract { numerator: 1, denominator: fps };
        let capture = bindings::v4l2_captureparm { timeperframe, ..Default::default() };
        let parm = bindings::v4l2_streamparm__bindgen_ty_1 { capture };
        let wish = v4l2_streamparm { type_: self.queue as u32, parm };
        let set: Result<v4l2_streamparm, _> = ioctl::s_parm(self.device, wish);
        // A receiver's rate is that of its source: it takes no wish, but may tell.
        let told = set.or_else(|_| ioctl::g_parm(self.device, self.queue));
        Ok(told.ok().and_then(|told| rate(&told)))
    }

    fn formats(&mut self) -> Vec<[u8; 4]> {
        let entry = |index| ioctl::enum_fmt::<PixelFormat>(self.device, self.queue, index).ok();
        (0..ENTRIES).map_while(entry).map(PixelFormat::to_fourcc).collect()
    }

    fn sizes(&mut self, letters: [u8; 4]) -> Vec<(u64, u64)> {
        let entry = |index| ioctl::enum_frame_sizes::<v4l2_frmsizeenum>(self.device, index, (&letters).into()).ok();
        let mut sizes = Vec::new();
        for entry in (0..ENTRIES).map_while(entry) {
            match entry.size() {
                Some(FrmSizeTypes::Discrete(size)) => sizes.push((size.width.into(), size.height.into())),
                Some(FrmSizeTypes::StepWise(steps)) => {
                    sizes.push((steps.min_width.into(), steps.min_height.into()));
                    sizes.push((steps.max_width.into(), steps.max_height.into()));
                }
                None => {}
            }
        }
        sizes
    }

    fn rates(&mut self, letters: [u8; 4], size: Size) -> Vec<Rate> {
        let (Ok(width), Ok(height)) = (u32::try_from(size.width), u32::try_from(size.height)) else {
            return Vec::new();
        };
        let entry = |index| {
            let format = (&letters).into();
            ioctl::enum_frame_intervals::<v4l2_frmivalenum>(self.device, index, format, width, height).ok()
        };
        let mut rates = Vec::new();
        for entry in (0..ENTRIES).map_while(entry) {
            match entry.intervals() {
                Some(FrmIvalTypes::Discrete(interval)) => rates.extend(per_second(*interval)),
                Some(FrmIvalTypes::StepWise(steps)) => {
                    rates.extend([steps.max, steps.min].into_iter().filter_map(per_second));
                }
                None => {}
            }
        }
        rates
    }
}

/// Reads a format that the kernel has filled in for `queue`.
fn given(set: &v4l2_format, queue: QueueType) -> Given {
    let bytes = |bytes: u32| usize::try_from(bytes).unwrap_or(usize::MAX);
    if queue.is_multiplanar() {
        // SAFETY: the union holds plain numbers only, and all of its bytes were set, by Default and by the kernel; for
        // a queue of this kind this is the member that both fill in.
        let pix = unsafe { set.fmt.pix_mp };
        let planes = pix.plane_fmt;
        let strides = planes.iter().take(pix.num_planes.into()).map(|plane| bytes(plane.bytesperline));
        Given {
            letters: pix.pixelformat.to_le_bytes(),
            size: (pix.width.into(), pix.height.into()),
            // One more than a picture can have would be too many in any case.
            strides: strides.take(super::coding::PLANES).collect(),
            progressive: progressive(pix.field),
            full_range: full_range(pix.quantization.into(), pix.colorspace),
        }
    } else {
        // SAFETY: as above, for the other kind.
        let pix = unsafe { set.fmt.pix };
        Given {
            letters: pix.pixelformat.to_le_bytes(),
            size: (pix.width.into(), pix.height.into()),
            strides: [bytes(pix.bytesperline)].into_iter().collect(),
            progressive: progressive(pix.field),
            full_range: full_range(pix.quantization, pix.colorspace),
        }
    }
}

/// Reads the rate out of parameters that the kernel has filled in for a queue that captures.
fn rate(told: &v4l2_streamparm) -> Option<Rate> {
    // SAFETY: the union holds plain numbers only, and all of its bytes were set, by Default and by the kernel; for a
    // queue that captures this is the member that both fill in.
    let capture = unsafe { told.parm.capture };
    per_second(capture.timeperframe)
}

/// An interval as a rate; `None` for one that is none.
fn per_second(interval: bindings::v4l2_fract) -> Option<Rate> {
    let (seconds, frames) = (interval.numerator, interval.denominator);
    (seconds > 0 && frames > 0).then_some(Rate { frames, seconds })
}

/// Whether pictures are whole. Drivers that know no fields leave it open.
const fn progressive(field: u32) -> bool {
    matches!(field, bindings::v4l2_field_V4L2_FIELD_NONE | bindings::v4l2_field_V4L2_FIELD_ANY)
}

/// The kernel's rule for YUV, `V4L2_MAP_QUANTIZATION_DEFAULT`: full only where the driver says so or the colours are
/// JPEG's.
const fn full_range(quantization: u32, colours: u32) -> bool {
    match quantization {
        bindings::v4l2_quantization_V4L2_QUANTIZATION_FULL_RANGE => true,
        bindings::v4l2_quantization_V4L2_QUANTIZATION_DEFAULT => {
            colours == bindings::v4l2_colorspace_V4L2_COLORSPACE_JPEG
        }
        _ => false,
    }
}

fn errno(error: impl IntoErrno) -> io::Error {
    io::Error::from_raw_os_error(error.into_errno())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_is_limited_unless_somebody_says_full() {
        let (jpeg, srgb) = (bindings::v4l2_colorspace_V4L2_COLORSPACE_JPEG, 8);
        assert!(full_range(1, srgb) && full_range(1, jpeg) && full_range(0, jpeg));
        assert!(!full_range(0, srgb) && !full_range(2, jpeg) && !full_range(99, srgb));
    }

    #[test]
    fn both_kinds_of_format_are_read_from_their_own_member() {
        let pixelformat = u32::from_le_bytes(*b"NV12");
        let pix =
            bindings::v4l2_pix_format { width: 40, height: 30, bytesperline: 64, pixelformat, ..Default::default() };
        let fmt = bindings::v4l2_format__bindgen_ty_1 { pix };
        let single = given(&v4l2_format { fmt, ..Default::default() }, QueueType::VideoCapture);
        assert_eq!((single.letters, single.size, single.strides.as_slice()), (*b"NV12", (40, 30), &[64][..]));
        assert!(single.progressive && !single.full_range);

        let mut pix_mp =
            bindings::v4l2_pix_format_mplane { width: 40, height: 30, num_planes: 2, ..Default::default() };
        pix_mp.field = 4;
        pix_mp.quantization = 1;
        pix_mp.plane_fmt[0].bytesperline = 41;
        pix_mp.plane_fmt[1].bytesperline = 42;
        let fmt = bindings::v4l2_format__bindgen_ty_1 { pix_mp };
        let multi = given(&v4l2_format { fmt, ..Default::default() }, QueueType::VideoCaptureMplane);
        assert_eq!((multi.size, multi.strides.as_slice()), ((40, 30), &[41, 42][..]));
        assert!(!multi.progressive && multi.full_range);
    }

    #[test]
    fn more_planes_than_there_are_are_no_reason_to_read_on() {
        let pix_mp = bindings::v4l2_pix_format_mplane { num_planes: 255, ..Default::default() };
        let fmt = bindings::v4l2_format__bindgen_ty_1 { pix_mp };
        let multi = given(&v4l2_format { fmt, ..Default::default() }, QueueType::VideoCaptureMplane);
        assert_eq!(multi.strides.as_slice(), [0, 0, 0]);
    }

    #[test]
    fn what_is_no_device_answers_with_errors_and_empty_lists() {
        let null = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let mut asked = Asked::new(&null, QueueType::VideoCapture);
        assert!(asked.set_format(*b"NV12", Size::new(640, 480)).is_err());
        assert_eq!(asked.set_rate(30).unwrap(), None);
        assert!(asked.formats().is_empty() && asked.sizes(*b"NV12").is_empty());
        assert!(asked.rates(*b"NV12", Size::new(640, 480)).is_empty());
    }
}
