//! GPIO lines: found by chip, number or name, requested once, never turned round.
//!
//! Relies on the kernel's GPIO character device, second interface (Linux 5.10), through `gpiocdev`.
//! `linux-embedded-hal` would give the same traits, but speaks the first interface, which kernels may be built
//! without, and finds no line by name. An output is inactive from the moment of the request on; there is no moment at
//! which it floats or is an input.
//!
//! The kernel may leave a line as it was when its owner dies (a Raspberry Pi does unless `strict_gpiod` is set):
//! nothing here relies on the line falling back.

use std::path::PathBuf;

use embedded_hal::digital::{Error, ErrorKind, ErrorType, InputPin, OutputPin};
use gpiocdev::Request;
use gpiocdev::line::{Bias, Value};

use super::InterlockError;

/// Who the kernel says holds the line.
const CONSUMER: &str = "voile";

/// Where a line is, as the configuration writes it: `CHIP:LINE`, or the name of a line on any chip; `:low` behind it
/// says that the line is active when low. `CHIP` is a name below `/dev` or a path, `LINE` a number or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    written: String,
    chip: Option<PathBuf>,
    line: String,
    active_low: bool,
}

impl Place {
    /// Reads a place. Nothing is opened.
    ///
    /// # Errors
    /// [`InterlockError::Place`].
    pub fn read(written: &str) -> Result<Self, InterlockError> {
        let refused = |reason| InterlockError::Place { written: written.escape_debug().to_string(), reason };
        if written.chars().any(char::is_control) {
            return Err(refused("it holds a control character"));
        }
        let (text, active_low) = match written.strip_suffix(":low") {
            Some(text) => (text, true),
            None => (written, false),
        };
        let (chip, line) = match text.split_once(':') {
            Some(("", _)) => return Err(refused("the chip is missing")),
            Some((chip, line)) => (Some(PathBuf::from("/dev").join(chip)), line),
            None => (None, text),
        };
        if line.is_empty() {
            return Err(refused("the line is missing"));
        }
        if chip.is_none() && line.parse::<u32>().is_ok() {
            return Err(refused("a number means nothing without its chip"));
        }
        Ok(Self { written: written.to_owned(), chip, line: line.to_owned(), active_low })
    }

    /// Requests the line as an output that is inactive.
    ///
    /// # Errors
    /// No such line, held by another, or the chip cannot be opened.
    pub fn output(&self) -> Result<Line, InterlockError> {
        self.request(|builder| builder.as_output(Value::Inactive))
    }

    /// Requests the line as an input whose loose end reads inactive.
    ///
    /// # Errors
    /// As [`Place::output`]; also a chip that has no bias for this line.
    pub fn input(&self) -> Result<Line, InterlockError> {
        let bias = if self.active_low { Bias::PullUp } else { Bias::PullDown };
        self.request(|builder| builder.as_input().with_bias(bias))
    }

    fn request(
        &self,
        direct: impl for<'a> FnOnce(&'a mut gpiocdev::request::Builder) -> &'a mut gpiocdev::request::Builder,
    ) -> Result<Line, InterlockError> {
        let (chip, offset) = self.find()?;
        let mut builder = Request::builder();
        builder.on_chip(chip).with_consumer(CONSUMER).with_line(offset);
        if self.active_low {
            builder.as_active_low();
        }
        direct(&mut builder).request().map(Line).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &gpiocdev::Error) -> InterlockError {
        let reason = error.to_string().replace(char::is_control, " ");
        InterlockError::Request { written: self.written.clone(), reason }
    }

    fn find(&self) -> Result<(PathBuf, u32), InterlockError> {
        let missing = || InterlockError::NoLine { written: self.written.clone() };
        let failed = |error| self.failed(&error);
        let Some(chip) = &self.chip else {
            // Strict: a name that two lines bear could drive the wrong one.
            let names = [self.line.as_str()];
            let found = gpiocdev::find_named_lines(&names, true).map_err(|error| {
                if matches!(error, gpiocdev::Error::NoGpioChips()) { missing() } else { failed(error) }
            })?;
            let found = found.into_values().next().ok_or_else(missing)?;
            return Ok((found.chip, found.info.offset));
        };
        if let Ok(offset) = self.line.parse() {
            return Ok((chip.clone(), offset));
        }
        let opened = gpiocdev::Chip::from_path(chip).map_err(failed)?;
        let info = opened.find_line_info(&self.line).ok_or_else(missing)?;
        Ok((chip.clone(), info.offset))
    }
}

/// A requested line. High means active, whichever voltage that is. When dropped, the kernel gets it back as it is:
/// whoever drives it makes it inactive first.
#[derive(Debug)]
pub struct Line(Request);

/// What the kernel said to a change or a reading.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct LineError(#[from] gpiocdev::Error);

impl Error for LineError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

impl ErrorType for Line {
    type Error = LineError;
}

impl OutputPin for Line {
    fn set_low(&mut self) -> Result<(), LineError> {
        Ok(self.0.set_lone_value(Value::Inactive)?)
    }

    fn set_high(&mut self) -> Result<(), LineError> {
        Ok(self.0.set_lone_value(Value::Active)?)
    }
}

impl InputPin for Line {
    fn is_high(&mut self) -> Result<bool, LineError> {
        Ok(self.0.lone_value()? == Value::Active)
    }

    fn is_low(&mut self) -> Result<bool, LineError> {
        Ok(self.0.lone_value()? == Value::Inactive)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_in_all_their_forms() {
        let read = |text| {
            let place = Place::read(text).expect("a place");
            (place.chip.map(|chip| chip.display().to_string()), place.line, place.active_low)
        };
        let chip = |name: &str| Some(format!("/dev/{name}"));
        assert_eq!(read("gpiochip0:17"), (chip("gpiochip0"), "17".to_owned(), false));
        assert_eq!(read("/dev/gpiochip1:GPIO4:low"), (chip("gpiochip1"), "GPIO4".to_owned(), true));
        assert_eq!(read("HEARTBEAT"), (None, "HEARTBEAT".to_owned(), false));
        assert_eq!(read("gpiochip2:a:b"), (chip("gpiochip2"), "a:b".to_owned(), false));
    }

    #[test]
    fn what_is_no_place_is_refused_on_one_line() {
        for (text, reason) in [
            ("", "the line is missing"),
            (":low", "the line is missing"),
            (":17", "the chip is missing"),
            ("gpiochip0:", "the line is missing"),
            ("17", "without its chip"),
            ("a\nb", "control character"),
        ] {
            let line = Place::read(text).expect_err("refused").to_string();
            assert!(line.contains(reason) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn a_chip_that_is_none_is_told_apart_from_a_line_that_is_none() {
        let refused = |text| Place::read(text).expect("a place").output().expect_err("no such line").to_string();
        assert!(refused("no-such-line-anywhere").contains("no chip that may be read has it"));
        assert!(refused("null:3").starts_with("line \"null:3\": "), "{}", refused("null:3"));
        assert!(refused("no-such-chip:LED").starts_with("line \"no-such-chip:LED\": "));
    }
}
