//! The two calls that set a hardware watchdog's time; the room's only unsafe code.
//!
//! Relies on the kernel's watchdog interface (`linux/watchdog.h`): group `W`, numbers 6 and 7, an `int` of seconds
//! each.

use std::ffi::c_int;
use std::fs::File;

use rustix::io;
use rustix::ioctl::{Getter, Opcode, Updater, ioctl, opcode};

/// `WDIOC_SETTIMEOUT`: seconds in, the seconds that the driver took out.
const SET: Opcode = opcode::read_write::<c_int>(b'W', 6);
/// `WDIOC_GETTIMEOUT`: seconds out.
const GET: Opcode = opcode::read::<c_int>(b'W', 7);

/// Asks for `seconds`.
pub(super) fn set_timeout(device: &File, seconds: c_int) -> io::Result<()> {
    let mut seconds = seconds;
    // SAFETY: the kernel reads and writes one int behind the pointer of this call, which is what `seconds` is; a file
    // that is no watchdog refuses the number or takes it with an argument of the size that the number itself encodes.
    unsafe { ioctl(device, Updater::<SET, c_int>::new(&mut seconds)) }
}

/// The seconds that the device counts.
pub(super) fn timeout(device: &File) -> io::Result<c_int> {
    // SAFETY: the kernel writes one int behind the pointer of this call, which is the getter's output, and on success
    // only is it read.
    unsafe { ioctl(device, Getter::<GET, c_int>::new()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_header() {
        // _IOWR('W', 6, int) and _IOR('W', 7, int) on every architecture that voile is built for.
        assert_eq!((SET, GET), (0xC004_5706, 0x8004_5707));
    }

    #[test]
    fn what_is_no_watchdog_refuses() {
        let null = File::open("/dev/null").expect("a device");
        assert_eq!(set_timeout(&null, 15), Err(io::Errno::NOTTY));
        assert_eq!(timeout(&null), Err(io::Errno::NOTTY));
    }
}
