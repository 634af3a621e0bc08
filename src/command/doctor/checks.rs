//! The doctor's checks, in the order in which they are told.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use rustix::fs::statvfs;

use voile::base::clock::RealClock;
use voile::base::{FramePool, Micros};
use voile::camera::{self, Camera, CameraError, Mode};
use voile::config::Config;
use voile::detect::Detector;
use voile::encode;
use voile::interlock::pins::{Line, Place};
use voile::interlock::{InterlockError, Latch};
use voile::link::{Link, Stream};
use voile::mask::canary;
use voile::pipeline::Canary;
use voile::sandbox::Side;

use super::super::run;
use super::{Finding, probe};

/// Seconds since 1970 at the start of the year in which this version was made: no clock that is right shows less.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);
/// Free bytes below which logs and a latch may soon find no room.
const ROOM: u64 = 16 << 20;
/// The rate at which the canary is encoded.
const RATE: (u32, u32) = (30, 1);

/// Makes every check and tells each as it is done.
pub fn all(config: &Config, file: Option<&Path>, tell: &mut dyn FnMut(Finding)) {
    tell(probe::ask(Side::Dark, file));
    tell(probe::ask(Side::Lit, file));
    tell(clock(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()));
    tell(storage("storage", &config.interlock.state));
    tell(latch(&config.interlock.state));
    tell(storage("runtime", &run::runtime()));
    if let Some(folder) = config.link.sdp_folder() {
        tell(description(folder));
    }
    let detector = Detector::load(&config.detect);
    tell(match &detector {
        Ok(detector) => Finding::ok("model", format_args!("SHA-256 {}, {}", detector.sha256(), detector.runs_on())),
        Err(error) => Finding::fail("model", error),
    });
    let (finding, mode) = camera(config);
    tell(finding);
    tell(encoder(config, mode));
    if let Ok(detector) = detector {
        tell(fly(config, &detector));
    }
    tell(height(config));
    let missing = "a hung board would keep its radio on: wire one to the radio's switch, set [interlock] heartbeat";
    tell(line("heartbeat", config.interlock.heartbeat.as_deref(), Some(missing), Place::output));
    tell(line("led", config.interlock.led.as_deref(), None, Place::output));
    tell(line("cover", config.interlock.cover.as_deref(), None, Place::input));
    tell(watchdog(config.interlock.watchdog.as_deref()));
    tell(link(config));
}

fn clock(now: Duration) -> Finding {
    // A clock beyond the year 9999 is wrong, too.
    let date = i64::try_from(now.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    match date {
        Some(date) if now >= EARLIEST => Finding::ok("clock", date),
        date => {
            let date = date.map_or("beyond any date".to_owned(), |date| date.to_string());
            let mend = "set it by GPS, a clock chip or the ground, or times in logs and latch are wrong";
            Finding::fail("clock", format_args!("{date}, which is not now: {mend}"))
        }
    }
}

/// Whether files can be made in `folder`, or the folder itself, as the service would make it.
fn storage(part: &'static str, folder: &Path) -> Finding {
    match fs::create_dir_all(folder) {
        Ok(()) => room(part, folder),
        Err(error) => Finding::fail(part, format_args!("{}: {error}: {WRITABLE}", folder.display())),
    }
}

/// Whether the session description has a folder, which nobody makes.
fn description(folder: &Path) -> Finding {
    if folder.is_dir() {
        return room("sdp", folder);
    }
    let place = folder.display();
    Finding::fail("sdp", format_args!("{place}: there is no such folder: make it, or set another [link] sdp"))
}

/// What helps where no file can be made.
const WRITABLE: &str = "mount it writable, and let the service's user write to it";

/// Whether files can be made in `folder`, and how many.
fn room(part: &'static str, folder: &Path) -> Finding {
    let (place, mend) = (folder.display(), WRITABLE);
    if let Err(error) = tempfile_in(folder) {
        return Finding::fail(part, format_args!("{place}: {error}: {mend}"));
    }
    match statvfs(folder) {
        Ok(system) => {
            let free = system.f_bavail.saturating_mul(system.f_frsize);
            let said = format!("{place}: {} MiB free", free >> 20);
            if free < ROOM { Finding::warn(part, said + ": make room") } else { Finding::ok(part, said) }
        }
        Err(error) => Finding::warn(part, format_args!("{place}: its free room cannot be told: {error}")),
    }
}

/// Makes a file, fills it and removes it again.
fn tempfile_in(folder: &Path) -> std::io::Result<()> {
    let path = folder.join(format!("doctor.{}", std::process::id()));
    fs::write(&path, b"voile\n").and_then(|()| fs::remove_file(&path))
}

fn latch(state: &Path) -> Finding {
    match Latch::look(state) {
        Ok(None) => Finding::ok("latch", "no trip"),
        Ok(Some(record)) => {
            let by = record.map_or("an unreadable latch".to_owned(), |record| record.fault);
            let reset = state.join("reset");
            let mend = format!("touch {}, then stop and start voile", reset.display());
            Finding::fail("latch", format_args!("tripped by {by}: find out why, then on the ground {mend}"))
        }
        Err(error) => Finding::fail("latch", error),
    }
}

/// Opens the camera and takes a frame.
fn camera(config: &Config) -> (Finding, Option<Mode>) {
    let taken = camera::live(&config.camera).and_then(|mut camera| {
        camera.begin(Arc::new(RealClock::start()), Arc::default());
        let mode = camera.mode();
        let begun = Instant::now();
        let frame = camera.next(&FramePool::new(mode.shape, 2))?;
        let fault = frame.as_ref().map(|frame| frame.fault());
        Ok::<_, CameraError>((mode, fault, begun.elapsed()))
    });
    match taken {
        Ok((mode, fault, took)) => {
            let said = format!(
                "{} {:?}, {}/{} frames a second, {} range",
                mode.shape.size,
                mode.shape.layout,
                mode.rate.frames,
                mode.rate.seconds,
                if mode.full_range { "full" } else { "limited" }
            );
            let finding = match fault {
                Some(None) => Finding::ok("camera", format_args!("{said}; a frame after {} ms", took.as_millis())),
                Some(Some(fault)) => {
                    let mend = "look at cable and power, then try again";
                    Finding::warn("camera", format_args!("{said}; the first frame is a slate ({fault}): {mend}"))
                }
                None => Finding::fail("camera", format_args!("{said}; no frame came: check camera.source")),
            };
            (finding, Some(mode))
        }
        Err(error) => (Finding::fail("camera", error), None),
    }
}

/// Opens the encoder for the camera's pictures, or for those that are asked for.
fn encoder(config: &Config, mode: Option<Mode>) -> Finding {
    let (size, rate, full) = match mode {
        Some(mode) => (mode.shape.size, (mode.rate.frames, mode.rate.seconds), mode.full_range),
        None => (config.camera.size, (config.camera.fps, 1), false),
    };
    let settings = config.coding();
    match encode::open(&settings, size, rate, full) {
        Ok(encoder) => {
            let backend = encoder.backend();
            Finding::ok(
                "encoder",
                format_args!("{}, {size} by {backend}, {} kb/s", settings.codec, settings.bitrate_kbps),
            )
        }
        Err(error) => Finding::fail("encoder", error),
    }
}

/// One canary through network, mask and encoder.
fn fly(config: &Config, detector: &Detector) -> Finding {
    let begun = Instant::now();
    let mut canary = match Canary::new(detector, &config.mask, config.canary_every) {
        Ok(canary) => canary,
        Err(error) => return Finding::fail("canary", error),
    };
    let flown = match canary.fly() {
        Ok(flown) => flown,
        Err(fault) => {
            let mend =
                "the network does not see what it must: put the one back that is built in (leave detect.model out)";
            return Finding::fail("canary", format_args!("{fault}: {mend}"));
        }
    };
    let clear = flown.account().clear_fraction;
    let mut units = Vec::new();
    let coded = encode::open(&config.coding(), canary::SIZE, RATE, false)
        .map(|mut encoder| encoder.submit(flown, &mut units).and_then(|()| encoder.finish(&mut units)));
    match coded {
        Ok(Ok(())) => {
            let bytes: usize = units.iter().map(|unit| unit.data.len()).sum();
            let (percent, ms) = (clear * 100.0, begun.elapsed().as_millis());
            let said = format!("covered, {percent:.0} % around it clear, {bytes} bytes of {}, {ms} ms", config.on_link);
            if clear > 0.0 {
                Finding::ok("canary", said)
            } else {
                Finding::warn("canary", said + ": the policy clears nothing")
            }
        }
        Ok(Err(fault)) => Finding::fail("canary", format_args!("{fault}: choose another encode.backend")),
        Err(error) => Finding::fail("canary", error),
    }
}

/// What the density of the ground is reckoned from, which nothing on the board can check.
fn height(config: &Config) -> Finding {
    let (least, cap) = (config.mask.density.min_height_m, config.mask.density.max_px_per_m);
    let told = "is taken for granted ([density] min_height_m)";
    Finding::ok("height", format_args!("{least} m at least {told}; below, people are sent finer than {cap} px/m"))
}

/// Requests a line as the service would, in its safe state, and lets go of it.
fn line(
    part: &'static str,
    written: Option<&str>,
    missing: Option<&str>,
    request: impl FnOnce(&Place) -> Result<Line, InterlockError>,
) -> Finding {
    match (written, missing) {
        (Some(written), _) => match Place::read(written).and_then(|place| request(&place)) {
            Ok(_) => Finding::ok(part, written),
            Err(error) => Finding::fail(part, error),
        },
        (None, Some(mend)) => Finding::warn(part, format_args!("no line: {mend}")),
        (None, None) => Finding::ok(part, "none asked for"),
    }
}

/// Looks at the device without opening it: to open a watchdog is to start it.
fn watchdog(path: Option<&Path>) -> Finding {
    let Some(path) = path else {
        let mend = "set [interlock] watchdog to the board's";
        return Finding::warn("watchdog", format_args!("none: a board that hangs stays hung: {mend}"));
    };
    let mend = "load the board's watchdog driver, or leave [interlock] watchdog out";
    match fs::metadata(path) {
        Ok(found) if found.file_type().is_char_device() => Finding::ok("watchdog", path.display()),
        Ok(_) => Finding::fail("watchdog", format_args!("{}: it is no device: {mend}", path.display())),
        Err(error) => Finding::fail("watchdog", format_args!("{}: {error}: {mend}", path.display())),
    }
}

/// Opens the link and asks the kernel for a way to the receiver; no datagram leaves.
fn link(config: &Config) -> Finding {
    let settings = config.link.clone();
    let to = settings.destination;
    if let Some(interface) = &settings.interface
        && !Path::new("/sys/class/net").join(interface).exists()
    {
        let mend = "load its driver, or name another in link.interface";
        return Finding::fail("link", format_args!("there is no interface {interface}: {mend}"));
    }
    let interval = Micros(1_000_000 / u64::from(config.camera.fps.max(1)));
    let stream = Stream { codec: config.on_link, bitrate_kbps: config.encode.bitrate_kbps, interval };
    if let Err(error) = Link::open(settings, stream) {
        return Finding::fail("link", error);
    }
    let own =
        if to.is_ipv4() { SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)) } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    match UdpSocket::bind(own).and_then(|socket| socket.connect(to)) {
        Ok(()) => Finding::ok("link", format_args!("{} to {to}", config.on_link)),
        Err(error) => {
            let mend = "bring the interface up, or change link.url; the service goes on trying";
            Finding::warn("link", format_args!("no way to {to} ({error}): {mend}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_found() {
        let old = clock(Duration::from_secs(86_400 * 3 + 5));
        assert_eq!(old.verdict, Verdict::Fail);
        assert!(old.said.contains("1970-01-04T00:00:05Z") && old.said.contains("set it"), "{}", old.said);
        assert_eq!(clock(Duration::MAX).verdict, Verdict::Fail);
        assert_eq!(clock(EARLIEST).verdict, Verdict::Ok);
    }
}
