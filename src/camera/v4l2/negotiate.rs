//! Which format, size and rate a device streams.
//!
//! The cheapest format that has exactly what is asked for. Tries rather than reads lists: what a driver sets when
//! asked is what it will do, while lists are missing or wrong in many. Lists are read only to say what is on offer
//! when nothing fits. A device that has the size and the rate in different formats only (a USB camera: YUYV at 10 a
//! second, JPEG at 30) is taken in the one that has both.
//!
//! Another size or rate is never taken silently: the ground's density, the detector's tiles and every figure in the
//! configuration were chosen for the ones asked for.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::io;

use crate::base::Size;
use crate::base::geometry::CELL;
use crate::camera::{Rate, accepted_size};

use super::Wish;
use super::coding::{Coding, PLANES, Plan, word};
use super::driver::Agreed;

/// Frames a second that may be asked for.
pub(super) const FPS: std::ops::RangeInclusive<u32> = 1..=120;
/// Most entries of a list on offer that a message names.
const NAMED: usize = 12;

/// What a driver made of a format that it was asked for.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// The four letters of the format.
    pub letters: [u8; 4],
    /// Width and height in pixels.
    pub size: (u64, u64),
    /// Bytes a row, for each memory plane.
    pub strides: heapless::Vec<usize, PLANES>,
    /// Whole pictures, not fields.
    pub progressive: bool,
    /// Luma uses 0 to 255.
    pub full_range: bool,
}

/// A device that can be asked.
pub(super) trait Ask {
    /// Sets format and size, and says what became of it.
    ///
    /// # Errors
    /// What the kernel says.
    fn set_format(&mut self, letters: [u8; 4], size: Size) -> io::Result<Given>;

    /// Sets frames a second, and says what became of it; `None` where the driver does not tell.
    ///
    /// # Errors
    /// What the kernel says.
    fn set_rate(&mut self, fps: u32) -> io::Result<Option<Rate>>;

    /// The formats on offer.
    fn formats(&mut self) -> Vec<[u8; 4]>;

    /// The sizes on offer in a format, smallest and largest where there is a range.
    fn sizes(&mut self, letters: [u8; 4]) -> Vec<(u64, u64)>;

    /// The frame rates on offer in a format and size.
    fn rates(&mut self, letters: [u8; 4], size: Size) -> Vec<Rate>;
}

/// Why a device is not taken: what it does, and the mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub mend: &'static str,
}

impl Refusal {
    pub(super) fn new(reason: impl Into<String>, mend: &'static str) -> Self {
        Self { reason: reason.into(), mend }
    }
}

pub(super) const BUSY: &str = "stop the other program (fuser -v names it), or set camera.source to another camera";
const SIZE: &str = "set camera.width and camera.height to one of them";
const RATE: &str = "set camera.fps to one of them, or choose another size";
const FORMAT: &str = "name a camera that gives NV12, I420, YUYV or MJPEG, or a program: camera.source = \"pipe:…\"";
const OTHER: &str = "plug in the camera that was there, or restart the service";
const ANY: &str = "leave camera.format out, so that any that is understood will do";
const FIELDS: &str = "set the source to a progressive mode";
const LIES: &str = "update the driver, or name another camera";

/// What came of asking for one format; the later, the closer.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Miss {
    Failed(String),
    Size((u64, u64)),
    Lies(String),
    Fields,
    Rate(String),
}

/// Sets the format of the wish, or the cheapest in which the device has its size and rate.
///
/// # Errors
/// [`Refusal`] names what is on offer.
pub(super) fn negotiate(device: &mut impl Ask, wish: Wish) -> Result<Agreed, Refusal> {
    let Wish { size, fps, format } = wish;
    if size.width < CELL || size.height < CELL {
        let reason = format!("{size} is smaller than a cell of {CELL} x {CELL}");
        return Err(Refusal::new(reason, "set camera.width and camera.height to 16 or more"));
    }
    accepted_size(size.width as u64, size.height as u64)
        .map_err(|reason| Refusal::new(reason, "lower camera.width and camera.height"))?;
    if !FPS.contains(&fps) {
        return Err(Refusal::new(format!("{fps} frames a second"), "set camera.fps to 1 to 120"));
    }
    let offered = device.formats();
    let wanted = |coding: &Coding| format.is_none_or(|only| only == *coding) && offered.contains(&coding.letters());
    let known: Vec<Coding> = Coding::ALL.into_iter().filter(wanted).collect();
    if known.is_empty() {
        let offered = list(offered.into_iter().map(word));
        return Err(match format {
            Some(only) => Refusal::new(format!("it offers {offered}, not {}", word(only.letters())), ANY),
            None => Refusal::new(format!("it offers {offered} only"), FORMAT),
        });
    }
    let mut closest = None;
    for &coding in &known {
        match attempt(device, coding, size, fps) {
            Ok(agreed) => return Ok(agreed),
            Err(Stop::Busy) => return Err(Refusal::new("another program is capturing from it", BUSY)),
            Err(Stop::Miss(miss)) => closest = closest.max(Some(miss)),
        }
    }
    Err(match closest {
        Some(Miss::Rate(set)) => {
            let offered = known.iter().flat_map(|coding| {
                let rates = device.rates(coding.letters(), size);
                rates.into_iter().map(move |rate| format!("{} ({})", shown(rate), word(coding.letters())))
            });
            let on_offer = list(offered.collect::<Vec<_>>());
            let on_offer = if on_offer.is_empty() { set } else { on_offer };
            Refusal::new(format!("at {size} it offers {on_offer} frames a second, not {fps}"), RATE)
        }
        Some(Miss::Size(set)) => {
            let sizes: BTreeSet<_> = known.iter().flat_map(|coding| device.sizes(coding.letters())).collect();
            let sizes = if sizes.is_empty() { BTreeSet::from([set]) } else { sizes };
            let sizes = list(sizes.into_iter().map(|(width, height)| format!("{width}x{height}")));
            Refusal::new(format!("it offers {sizes}, not {size}"), SIZE)
        }
        Some(Miss::Fields) => Refusal::new("it gives half pictures (interlaced)", FIELDS),
        Some(Miss::Lies(claim)) => Refusal::new(format!("its driver claims {claim}"), LIES),
        Some(Miss::Failed(error)) => Refusal::new(error, "unplug it and plug it in again, or name another camera"),
        None => Refusal::new("it offers nothing", FORMAT),
    })
}

/// Sets `coding` with the wish's size and rate: what was settled before, in a device that is opened anew. Reads no
/// list, so that a process that has given up its rights needs no leave for those calls.
///
/// # Errors
/// [`Refusal`]: busy, or no longer what it was.
pub(super) fn settle_again(device: &mut impl Ask, wish: Wish, coding: Coding) -> Result<Agreed, Refusal> {
    attempt(device, coding, wish.size, wish.fps).map_err(|stop| match stop {
        Stop::Busy => Refusal::new("another program is capturing from it", BUSY),
        Stop::Miss(_) => Refusal::new("it came back without the format, size or rate it had", OTHER),
    })
}

/// Why a format does not do.
enum Stop {
    Busy,
    Miss(Miss),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::ResourceBusy {
            Self::Busy
        } else {
            Self::Miss(Miss::Failed(error.to_string()))
        }
    }
}

fn attempt(device: &mut impl Ask, coding: Coding, size: Size, fps: u32) -> Result<Agreed, Stop> {
    let given = device.set_format(coding.letters(), size)?;
    if given.letters != coding.letters() {
        let claim = format!("to offer {} and gives {}", word(coding.letters()), word(given.letters));
        return Err(Stop::Miss(Miss::Lies(claim)));
    }
    if given.size != (size.width as u64, size.height as u64) {
        return Err(Stop::Miss(Miss::Size(given.size)));
    }
    if !given.progressive {
        return Err(Stop::Miss(Miss::Fields));
    }
    let claim = |claim| Stop::Miss(Miss::Lies(format!("{claim} in {}", word(coding.letters()))));
    let plan = Plan::new(coding, size, &given.strides).map_err(claim)?;
    let rate = match device.set_rate(fps)? {
        None => {
            log::warn!("the camera's driver does not tell its frame rate: camera.fps = {fps} is believed");
            Rate { frames: fps, seconds: 1 }
        }
        Some(rate) => close(rate, fps).ok_or_else(|| Stop::Miss(Miss::Rate(shown(rate))))?,
    };
    // JFIF knows full range only, whatever a driver says about colours.
    let full_range = given.full_range || coding == Coding::Mjpeg;
    Ok(Agreed { coding, size, plan, rate, full_range })
}

/// The rate, if it is `fps` or within a hundredth of it: 29.97 is taken for 30, 25 is not. Within a thousandth of
/// a hundredth it is `fps`, as cameras count in units of 100 ns.
fn close(rate: Rate, fps: u32) -> Option<Rate> {
    let (frames, wanted) = (u64::from(rate.frames), u64::from(fps) * u64::from(rate.seconds));
    let off = frames.abs_diff(wanted);
    if rate.frames == 0 || rate.seconds == 0 || off > wanted / 100 {
        None
    } else if off <= wanted / 100_000 {
        Some(Rate { frames: fps, seconds: 1 })
    } else {
        Some(rate)
    }
}

/// A rate as it stands in a message: to a hundredth.
fn shown(rate: Rate) -> String {
    let hundredths = u64::from(rate.frames) * 100 / u64::from(rate.seconds.max(1));
    match hundredths % 100 {
        0 => format!("{}", hundredths / 100),
        rest => format!("{}.{rest:02}", hundredths / 100),
    }
}

/// A list for a message, not too long.
fn list<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    let more = items.len().saturating_sub(NAMED);
    let named = items.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{named} and {more} more") } else { named }
}

#[cfg(test)]
mod tests;
