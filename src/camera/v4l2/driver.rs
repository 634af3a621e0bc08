//! What capture asks of a driver: the kernel's, or a scripted one in the tests.
//!
//! A filled buffer is a [`Loan`]: it goes home to the driver when it is dropped, whatever became of the picture in it.
//! Nothing that a driver says is believed here; who uses it checks.

use std::io;
use std::ops::Range;
use std::time::Duration;

use crate::base::{Micros, Size};
use crate::camera::{CameraError, Rate};

use super::coding::{Coding, PLANES, Plan};

/// What is captured: settled when the device is opened, and the same when it is opened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    /// The pixel format.
    pub coding: Coding,
    /// The size asked for.
    pub size: Size,
    /// Where the planes lie.
    pub plan: Plan,
    /// Nominal frame rate.
    pub rate: Rate,
    /// Luma uses 0 to 255.
    pub full_range: bool,
}

/// A filled buffer, in the driver's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    /// Which buffer.
    pub index: u32,
    /// The driver's frame number.
    pub sequence: u32,
    /// When it was captured, on the machine's monotonic clock; `None` from a driver that knows no time or another.
    pub stamp: Option<Micros>,
    /// The driver knows that the picture is damaged.
    pub damaged: bool,
    /// The bytes of each memory plane that are filled.
    pub filled: [Range<usize>; PLANES],
}

/// A device that streams.
pub(super) trait Driver: Send {
    /// Opens the device from scratch, settles what is captured, and starts.
    ///
    /// # Errors
    /// One line that names the device and the mend.
    fn open(&mut self) -> Result<Agreed, CameraError>;

    /// Lets go of the device, so that it can be opened again.
    fn close(&mut self);

    /// Starts the open device anew, with all buffers empty.
    ///
    /// # Errors
    /// What the kernel says; the device has to be opened again then.
    fn restart(&mut self) -> io::Result<()>;

    /// Waits until a buffer is filled; false when it took longer than `longest`.
    ///
    /// # Errors
    /// The device cannot be waited for.
    fn wait(&mut self, longest: Duration) -> io::Result<bool>;

    /// Takes a filled buffer; `None` if there is none after all.
    ///
    /// # Errors
    /// What the kernel says; the device has to be started again then.
    fn take(&mut self) -> io::Result<Option<Filled>>;

    /// A memory plane of a buffer that was taken, whole; `None` if there is no such buffer or plane.
    fn memory(&self, index: u32, plane: usize) -> Option<&[u8]>;

    /// Gives a buffer back to be filled.
    ///
    /// # Errors
    /// What the kernel says; the device has to be started again then.
    fn give_back(&mut self, index: u32) -> io::Result<()>;

    /// The clock of the stamps.
    fn monotonic(&self) -> Micros;
}

/// A filled buffer in our hands. Goes home when dropped.
pub(super) struct Loan<'a, D: Driver> {
    driver: &'a mut D,
    filled: Filled,
    refused: &'a mut Option<io::Error>,
}

impl<'a, D: Driver> Loan<'a, D> {
    /// Takes a filled buffer, if there is one. If the driver does not take it back later, `refused` says so.
    ///
    /// # Errors
    /// As [`Driver::take`].
    pub(super) fn take(driver: &'a mut D, refused: &'a mut Option<io::Error>) -> io::Result<Option<Self>> {
        let taken = driver.take()?;
        Ok(taken.map(|filled| Self { driver, filled, refused }))
    }

    /// What the driver says about it.
    pub(super) const fn filled(&self) -> &Filled {
        &self.filled
    }

    /// The filled part of each memory plane; empty where the driver names bytes or buffers that do not exist.
    pub(super) fn memories(&self) -> [&[u8]; PLANES] {
        let part = |plane| {
            let range: &Range<usize> = self.filled.filled.get(plane)?;
            self.driver.memory(self.filled.index, plane)?.get(range.clone())
        };
        std::array::from_fn(|plane| part(plane).unwrap_or_default())
    }
}

impl<D: Driver> Drop for Loan<'_, D> {
    fn drop(&mut self) {
        if let Err(error) = self.driver.give_back(self.filled.index) {
            *self.refused = Some(error);
        }
    }
}
