//! What two processes cost beside one: CPU time of a frame of 1280x720 from raw to the radio's socket, both ways in turn.
//!
//! `cargo bench --bench split -- [PAIRS]` (5): the halves of the pipeline once as threads with a queue between them, once
//! as processes with the seam's pipes, over the same synthetic flight, with H.264 and RTP to a socket that nobody reads.
//! A pass over every 30th frame only, since the detector costs the same either way and its swings would hide the
//! difference. Counts user and system time of all threads of both processes; giving up rights is not part of it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a bench that fails panics"
)]

use std::io::pipe;
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;

use rustix::stdio;
use rustix::time::{ClockId, clock_gettime};
use voile::base::clock::RealClock;
use voile::base::{Chroma, ChromaMut, Clock, Fault, FramePool, Micros, NoTelemetry, RawFrame, Size};
use voile::camera::{Camera, CameraError, Mode, Rate, scene};
use voile::detect::{self, Detector};
use voile::encode::{self, AccessUnit, Codec};
use voile::interlock::Permit;
use voile::link::{self, Link, Stream};
use voile::mask::{self, Mask};
use voile::pipeline::split::{Hearing, Reports};
use voile::pipeline::{self, Dark, Health, Outlet, Pace};
use voile::seam::{self, Hello, Inflow, Outflow, ReportReader, ReportWriter};

const SIZE: Size = Size::new(1280, 720);
const FRAMES: u64 = 300;
/// Frames that are drawn and shown over and over, so that drawing does not count.
const DRAWN: u64 = 30;

/// Shows the same second again and again.
struct Loop {
    drawn: Vec<RawFrame>,
    mode: Mode,
    next: u64,
}

impl Loop {
    fn new() -> Self {
        let rate = Rate { frames: 30, seconds: 1 };
        let settings = scene::Settings { size: SIZE, rate, frames: Some(DRAWN), ..scene::Settings::new(1) };
        let mut scene = scene::Scene::new(settings).unwrap();
        let mode = scene.mode();
        let pool = FramePool::new(mode.shape, usize::try_from(DRAWN).unwrap() + 1);
        let drawn = std::iter::from_fn(|| scene.next(&pool).unwrap()).collect();
        Self { drawn, mode, next: 0 }
    }
}

impl Camera for Loop {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        if self.next == FRAMES {
            return Ok(None);
        }
        let mut frame = pool.take(self.next, self.mode.rate.moment(self.next));
        let drawn = &self.drawn[usize::try_from(self.next % DRAWN).unwrap()];
        let (mut luma, chroma) = frame.planes_mut();
        luma.rows().zip(drawn.luma().rows()).for_each(|(to, from)| to.copy_from_slice(from));
        if let (ChromaMut::I420(mut u, mut v), Chroma::I420(from_u, from_v)) = (chroma, drawn.chroma()) {
            u.rows().zip(from_u.rows()).for_each(|(to, from)| to.copy_from_slice(from));
            v.rows().zip(from_v.rows()).for_each(|(to, from)| to.copy_from_slice(from));
        }
        self.next += 1;
        Ok(Some(frame))
    }
}

/// The dark half's parts, and the CPU time that making them took.
fn with_dark<T>(run: impl FnOnce(Dark<'_>, Pace<'_>, &RealClock) -> T) -> (T, f64) {
    let mut detector = Detector::load(&detect::Settings::default()).unwrap();
    detector.prepare(SIZE).unwrap();
    let camera = Loop::new();
    let settings = encode::Settings { codec: Codec::H264, ..encode::Settings::default() };
    let encoder = encode::open(&settings, SIZE, (30, 1), false).unwrap();
    let (clock, stop) = (RealClock::start(), AtomicBool::new(false));
    let dark = Dark {
        camera: Box::new(camera),
        telemetry: Box::new(NoTelemetry),
        detector: &mut detector,
        canary: None,
        every: 30,
        mask: Mask::new(&mask::Settings::default(), SIZE),
        encoder,
        private: &|_| {},
    };
    let pace = Pace { clock: &clock, realtime: false, stop: &stop };
    let begun = cpu_ms();
    let done = run(dark, pace, &clock);
    (done, cpu_ms() - begun)
}

/// CPU time of this process, in milliseconds.
fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

/// Sends what comes, unpaced.
struct Radio {
    link: Link,
    clock: RealClock,
    units: u64,
}

impl Radio {
    fn new() -> (Self, UdpSocket) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let settings = link::Settings { destination: socket.local_addr().unwrap(), ..link::Settings::default() };
        let stream = Stream { codec: Codec::H264, bitrate_kbps: 25_000, interval: Micros(33_333) };
        let settings = link::Settings { preset: None, ..settings };
        (Self { link: Link::open(settings, stream).unwrap(), clock: RealClock::start(), units: 0 }, socket)
    }
}

impl Outlet for Radio {
    fn send(&mut self, unit: AccessUnit, permit: &Permit) -> Result<(), Fault> {
        self.units += 1;
        let mut now = self.clock.now();
        let _ = self.link.push(&unit, now);
        while let Some(next) = self.link.poll(Some(permit), now).next.filter(|_| permit.holds(now)) {
            now = next.max(self.clock.now());
        }
        Ok(())
    }

    fn note(&mut self, _health: Health) -> Result<(), Fault> {
        Ok(())
    }
}

/// Both halves here.
fn one() -> f64 {
    let (mut radio, _socket) = Radio::new();
    let (outcome, cpu) = with_dark(|dark, pace, _| pipeline::run(dark, &mut radio, pace));
    assert_eq!((outcome.frames, radio.units, outcome.tripped), (FRAMES, FRAMES, None));
    cpu
}

/// The dark half in a process of its own.
fn two() -> f64 {
    let (reader, writer) = pipe().unwrap();
    let (told, tell) = pipe().unwrap();
    let (waits, lit_lives) = pipe().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .arg("as-dark")
        .stdout(writer)
        .stderr(Stdio::from(tell))
        .stdin(waits)
        .spawn()
        .unwrap();
    let (mut radio, _socket) = Radio::new();
    let clock = RealClock::start();
    let begun = cpu_ms();
    let (mut hearing, _) =
        Hearing::open(ReportReader::new(Inflow::open(reader.into()).unwrap()), &clock, Micros::from_ms(100), || Ok(()))
            .unwrap();
    let mut slates = [0; Fault::ALL.len()];
    assert_eq!(pipeline::lit_half(&mut hearing, &mut radio, &clock, &mut slates), None);
    let lit = cpu_ms() - begun;
    drop(lit_lives);
    assert_eq!(radio.units, FRAMES);
    assert!(child.wait().unwrap().success());
    let dark = std::io::read_to_string(told).unwrap();
    let dark: f64 = dark.trim().parse().unwrap_or_else(|_| panic!("{dark}"));
    dark + lit
}

fn as_dark() {
    let pipe = Outflow::open(rustix::io::dup(stdio::stdout()).unwrap()).unwrap();
    let hello =
        Hello { size: SIZE, rate: (30, 1), codec: seam::Codec::H264, level: 1, policy: [0; 32], model: [0; 32] };
    let ((), cpu) = with_dark(|dark, pace, clock| {
        let mut reports = Reports::open(ReportWriter::new(pipe), hello, clock, Micros(0)).unwrap();
        let end = pipeline::dark_half(dark, &mut reports, pace);
        assert!(!end.died);
        reports.end(&end).unwrap();
        // Of one that is gone, the other half would send nothing more.
        std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
    });
    eprintln!("{cpu}");
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if words.first().is_some_and(|word| word == "as-dark") {
        return as_dark();
    }
    let pairs: usize = words.first().map_or(5, |word| word.parse().expect("a number of pairs"));
    let frames = FRAMES as f64;
    println!("| Pair | one process, CPU-ms a frame | two | more |\n|---|---|---|---|");
    let mut differences = Vec::new();
    for pair in 1..=pairs {
        // In turn, so that a machine that changes its speed does so for both.
        let (one, two) = if pair % 2 == 0 {
            (one(), two())
        } else {
            let two = two();
            (one(), two)
        };
        println!("| {pair} | {:.2} | {:.2} | {:.2} |", one / frames, two / frames, (two - one) / frames);
        differences.push((two - one) / frames);
    }
    differences.sort_by(f64::total_cmp);
    println!("\nmore in the median: {:.2} CPU-ms a frame", differences[pairs / 2]);
}
