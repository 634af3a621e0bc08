//! The camera over a driver: its frames, and stand-ins while there are none.
//!
//! ```text
//!            buffer: whole ─▶ frame · short, damaged, undecodable ─▶ frame marked FrameTorn
//!  streaming ── silent for `quiet` ─▶ stand-ins marked CameraLost, at a low pace, until a buffer comes
//!      ▲ ╰───── silent for `dead`, or an error ─▶ broken: stand-in at once, then restart, later open anew, backing off
//!      ╰──────────────────────────────────────────────╯
//! ```
//!
//! [`Camera::next`] never waits longer than a slice without looking whether to stop, and never gives an error once the
//! stream runs: a camera that is gone may come back. Stand-ins are grey; nothing of an earlier frame is shown again.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::base::{ChromaMut, Clock, Fault, FramePool, Micros, RawFrame, Shape};
use crate::camera::error::one_line;
use crate::camera::{Camera, CameraError, Mode, check_pool};

use super::convert::Converter;
use super::driver::{Agreed, Driver, Loan};
use super::outage::{Outage, Patience};
use super::stamps::Stamps;

/// The longest wait between two looks at the wish to stop.
const SLICE: Micros = Micros::from_ms(100);
/// From one line in the log to the next.
const TELL: Micros = Micros::from_ms(1_000);
/// How often a device that is still there is started again before it is opened anew.
const RESTARTS: u32 = 3;
/// Neither light nor dark, and no colour.
const GREY: u8 = 128;

/// A camera over a driver.
pub(super) struct Capture<D> {
    name: String,
    driver: D,
    agreed: Agreed,
    converter: Converter,
    patience: Patience,
    begun: Option<(Arc<dyn Clock>, Arc<AtomicBool>)>,
    stamps: Stamps,
    /// The driver fills buffers, as far as we know.
    streaming: bool,
    /// When the last buffer came, or the device was started.
    heard: Micros,
    outage: Option<Outage>,
    /// How long a device that is gone is stood in for; without an end where it may be opened again.
    last: Option<Micros>,
    told: Option<Micros>,
}

/// What a look at the driver gave.
enum Look {
    Frame(RawFrame),
    Nothing,
    Broken(io::Error),
}

impl<D: Driver> Capture<D> {
    /// Opens `driver`, which messages call `name`, and starts it.
    ///
    /// # Errors
    /// As [`Driver::open`].
    pub(super) fn new(mut driver: D, name: String) -> Result<Self, CameraError> {
        let agreed = driver.open()?;
        let period = agreed.rate.moment(1);
        Ok(Self {
            name,
            converter: converter(&agreed),
            patience: Patience::new(period),
            stamps: Stamps::new(Micros(0), Micros(0), period),
            driver,
            agreed,
            begun: None,
            streaming: true,
            heard: Micros(0),
            outage: None,
            last: None,
            told: None,
        })
    }

    /// The same for a process that may not open devices later: a device that is gone is stood in for so long, and then
    /// the camera ends.
    pub(super) fn opened_once(self, last: Micros) -> Self {
        Self { last: Some(last), ..self }
    }

    /// Whether the device is gone, may not be opened again, and has been stood in for long enough.
    fn over(&self, now: Micros) -> bool {
        let gone = self.outage.as_ref().filter(|outage| outage.from_scratch);
        self.last.zip(gone).is_some_and(|(last, outage)| now.since(outage.since) >= last)
    }

    /// Waits for the driver, at most until something else is due.
    fn look(&mut self, pool: &FramePool, clock: &dyn Clock, now: Micros) -> Look {
        let dead = self.heard.plus(self.patience.dead);
        let due = self.outage.as_ref().map_or(self.heard.plus(self.patience.quiet), |outage| outage.stand_in);
        let longest = due.min(dead).since(now).min(SLICE);
        match self.driver.wait(Duration::from_micros(longest.0)) {
            Ok(true) => self.fetch(pool, clock).unwrap_or_else(Look::Broken),
            Ok(false) if clock.now() >= dead => {
                let ms = self.patience.dead.0 / 1000;
                Look::Broken(io::Error::new(io::ErrorKind::TimedOut, format!("no frame for {ms} ms")))
            }
            Ok(false) => Look::Nothing,
            Err(error) => Look::Broken(error),
        }
    }

    /// Brings a filled buffer into a frame of the pool.
    fn fetch(&mut self, pool: &FramePool, clock: &dyn Clock) -> io::Result<Look> {
        let mut refused = None;
        let Some(loan) = Loan::take(&mut self.driver, &mut refused)? else { return Ok(Look::Nothing) };
        let now = clock.now();
        self.heard = now;
        let filled = loan.filled();
        let stamp = filled.stamp;
        let frame = self.stamps.place(filled.sequence, filled.stamp, now).map(|placed| {
            let mut frame = pool.take(placed.sequence, placed.captured);
            let torn = self.converter.fill(loan.memories(), &mut frame).is_err();
            if torn {
                paint_grey(&mut frame);
            }
            let fault = if torn || filled.damaged { Some(Fault::FrameTorn) } else { placed.fault };
            if let Some(fault) = fault {
                frame.mark(fault);
            }
            frame
        });
        drop(loan);
        if frame.as_ref().and_then(RawFrame::fault) == Some(Fault::ClockBack) {
            let off = i128::from(stamp.unwrap_or_default().0) - i128::from(self.driver.monotonic().0);
            self.tell(now, || format!("a frame's stamp is {off} us from now or not after the one before: covered"));
        }
        if let Some(error) = refused {
            // The picture is good; that the buffer is lost to the driver shows in the next look as well.
            self.broken(&error, now);
        }
        Ok(frame.map_or(Look::Nothing, Look::Frame))
    }

    /// The driver has broken off.
    fn broken(&mut self, error: &io::Error, now: Micros) {
        self.streaming = false;
        self.tell(now, || format!("{}: covered until it is back", one_line(&error.to_string())));
        let outage = self.outage.get_or_insert_with(|| Outage::new(now));
        outage.from_scratch |= gone(error) || outage.tries() >= RESTARTS;
        outage.failed(now);
    }

    /// Starts or opens the device again.
    fn again(&mut self, clock: &dyn Clock) {
        let scratch = self.outage.as_ref().is_some_and(|outage| outage.from_scratch);
        let done = match (scratch, self.last) {
            (true, Some(_)) => Err(io::Error::new(io::ErrorKind::NotConnected, "it is gone")),
            (true, None) => self.reopen(),
            (false, _) => self.driver.restart(),
        };
        let now = clock.now();
        match done {
            Ok(()) => {
                self.streaming = true;
                self.heard = now;
                self.stamps.restarted();
            }
            Err(error) => {
                if let Some(outage) = &mut self.outage {
                    outage.from_scratch |= gone(&error) || outage.tries() >= RESTARTS;
                    outage.failed(now);
                }
                self.tell(now, || format!("{}: tried again", one_line(&error.to_string())));
            }
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.driver.close();
        let agreed = self.driver.open().map_err(|error| io::Error::new(io::ErrorKind::NotConnected, error))?;
        if mode(&agreed) != mode(&self.agreed) {
            self.driver.close();
            let other = "it came back with another format or range: restart the service";
            return Err(io::Error::new(io::ErrorKind::NotConnected, other));
        }
        self.converter = converter(&agreed);
        self.agreed = agreed;
        Ok(())
    }

    /// A stand-in, if one is due.
    fn stand_in(&mut self, pool: &FramePool, now: Micros) -> Option<RawFrame> {
        if self.outage.is_none() && now >= self.heard.plus(self.patience.quiet) {
            self.outage = Some(Outage::new(now));
            let ms = self.patience.quiet.0 / 1000;
            self.tell(now, || format!("no frame for {ms} ms: covered until one comes"));
        }
        let outage = self.outage.as_mut().filter(|outage| now >= outage.stand_in)?;
        outage.stand_in = now.plus(self.patience.pace);
        let (sequence, captured) = self.stamps.stand_in(now);
        let mut frame = pool.take(sequence, captured);
        paint_grey(&mut frame);
        frame.mark(Fault::CameraLost);
        Some(frame)
    }

    /// A frame came: an outage is over.
    fn back(&mut self, now: Micros) {
        if let Some(outage) = self.outage.take_if(|_| self.streaming) {
            let (ms, lost) = (now.since(outage.since).0 / 1000, self.stamps.lost());
            self.tell(now, || format!("frames again after {ms} ms; its driver has lost {lost} so far"));
        }
    }

    /// A line in the log, not too often.
    fn tell(&mut self, now: Micros, line: impl FnOnce() -> String) {
        if self.told.is_none_or(|told| now.since(told) >= TELL) {
            self.told = Some(now);
            log::warn!("{}: {}", self.name, line());
        }
    }
}

impl<D: Driver> Camera for Capture<D> {
    fn mode(&self) -> Mode {
        mode(&self.agreed)
    }

    fn begin(&mut self, clock: Arc<dyn Clock>, stop: Arc<AtomicBool>) {
        // Of a few readings of both clocks the closest: this thread may be held up between any two.
        let read = |_| {
            let before = clock.now();
            let driver = self.driver.monotonic();
            (clock.now().since(before), driver, before)
        };
        let (gap, driver, before) = (0..8).map(read).min().unwrap_or_default();
        let stream = before.plus(Micros(gap.0 / 2));
        self.stamps = Stamps::new(driver, stream, self.agreed.rate.moment(1));
        self.heard = clock.now();
        self.begun = Some((clock, stop));
    }

    fn ready(&mut self, longest: Duration) -> bool {
        // In an outage there are stand-ins to make; a device that cannot be waited for begins one.
        self.outage.is_some() || self.driver.wait(longest).unwrap_or(true)
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        check_pool(self.mode(), pool)?;
        let Some((clock, stop)) = self.begun.clone() else {
            let (path, reason) = (self.name.clone(), "the stream has not begun".to_owned());
            return Err(CameraError::Open { path, reason, mend: "call begin before next" });
        };
        while !stop.load(Ordering::Relaxed) {
            // The driver comes first: that the caller was late is no silence of the camera.
            if self.streaming {
                match self.look(pool, &*clock, clock.now()) {
                    Look::Frame(frame) => {
                        self.back(clock.now());
                        return Ok(Some(frame));
                    }
                    Look::Nothing => {}
                    Look::Broken(error) => self.broken(&error, clock.now()),
                }
            }
            let now = clock.now();
            if self.over(now) {
                let (path, frame) = (self.name.clone(), self.stamps.stand_in(now).0);
                let (reason, mend) = ("the device is gone".to_owned(), "plug it in again");
                return Err(CameraError::Broke { path, frame, reason, mend });
            }
            // One stand-in at once; then, however late the caller is, an attempt that is due comes before the next.
            if self.outage.as_ref().is_some_and(|outage| !self.streaming && !outage.fresh() && outage.again <= now) {
                self.again(&*clock);
            } else if let Some(frame) = self.stand_in(pool, now) {
                return Ok(Some(frame));
            } else if let Some(outage) = self.outage.as_ref().filter(|_| !self.streaming) {
                clock.sleep_until(outage.again.min(outage.stand_in).min(now.plus(SLICE)));
            }
        }
        Ok(None)
    }
}

fn converter(agreed: &Agreed) -> Converter {
    Converter::new(agreed.coding, agreed.size, agreed.plan.clone())
}

fn mode(agreed: &Agreed) -> Mode {
    let shape = Shape::packed(agreed.size, agreed.coding.layout());
    Mode { shape, rate: agreed.rate, full_range: agreed.full_range, frames: None }
}

/// Whether the device itself is gone, so that starting it again is of no use.
fn gone(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let codes = [Errno::NODEV, Errno::NXIO, Errno::BADF].map(Errno::raw_os_error);
    error.kind() == io::ErrorKind::NotConnected || error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

fn paint_grey(frame: &mut RawFrame) {
    let (mut luma, chroma) = frame.planes_mut();
    luma.rows().for_each(|row| row.fill(GREY));
    match chroma {
        ChromaMut::I420(mut u, mut v) => u.rows().chain(v.rows()).for_each(|row| row.fill(GREY)),
        ChromaMut::Nv12(mut pairs) => pairs.rows().for_each(|row| row.fill(GREY)),
    }
}

#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;
