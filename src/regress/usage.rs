//! What the program cost: CPU time, memory and wall time, read from the kernel.
//!
//! From `/proc/self`, which needs no unsafe code; elsewhere than on Linux the figures are not measured. Children (the
//! decoders) are not counted.

use std::time::Instant;

use super::{Measured, real};

/// The kernel counts CPU time for user space in hundredths of a second on every architecture that voile builds for.
const TICK_MS: f64 = 10.0;

/// A moment to measure from.
pub struct Usage {
    begun: Instant,
    cpu_ms: Measured,
}

/// What a run cost.
#[derive(Clone, Debug)]
pub struct Cost {
    /// Frames a second of wall time.
    pub fps: Measured,
    /// CPU time of all threads per frame, in milliseconds; steps of 10 ms over the whole run.
    pub cpu_ms_per_frame: Measured,
    /// Largest resident memory since the program began, in MiB.
    pub peak_rss_mib: Measured,
}

impl Usage {
    /// Begins to measure.
    pub fn begin() -> Self {
        Self { begun: Instant::now(), cpu_ms: cpu_ms() }
    }

    /// What `frames` frames cost since the beginning.
    pub fn per_frame(&self, frames: u64) -> Cost {
        let spent = cpu_ms().and_then(|now| self.cpu_ms.as_ref().map(|begun| now - begun).map_err(Clone::clone));
        let seconds = self.begun.elapsed().as_secs_f64();
        let none = || Err("no frame was sent".to_owned());
        Cost {
            fps: if frames == 0 { none() } else { Ok(real(frames) / seconds.max(1e-9)) },
            cpu_ms_per_frame: if frames == 0 { none() } else { spent.map(|ms| ms / real(frames)) },
            peak_rss_mib: peak_rss_mib(),
        }
    }
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

/// CPU time of the whole program so far, in milliseconds.
fn cpu_ms() -> Measured {
    let text = read("/proc/self/stat")?;
    stat_ms(&text).ok_or_else(|| "/proc/self/stat has another form than expected".to_owned())
}

/// User and system time are fields 14 and 15; field 2 is the program's name in brackets and may hold anything.
fn stat_ms(text: &str) -> Option<f64> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_whitespace().skip(11);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(real(user + system) * TICK_MS)
}

fn peak_rss_mib() -> Measured {
    let text = read("/proc/self/status")?;
    status_mib(&text).ok_or_else(|| "/proc/self/status has no VmHWM".to_owned())
}

fn status_mib(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(real(kib) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 120 34 0 0 20 0 9 0 1 2 3";
        assert_eq!(stat_ms(stat), Some(1540.0));
        assert_eq!(stat_ms("nothing"), None);
        assert_eq!(status_mib("VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\n"), Some(2.0));
        assert_eq!(status_mib("VmHWM:\t  2048 MB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_very_program_costs_something() {
        let usage = Usage::begin();
        let cost = usage.per_frame(10);
        assert!(cost.fps.unwrap() > 0.0 && cost.cpu_ms_per_frame.unwrap() >= 0.0 && cost.peak_rss_mib.unwrap() > 1.0);
        assert_eq!(usage.per_frame(0).fps, Err("no frame was sent".to_owned()));
    }
}
