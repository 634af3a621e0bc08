//! What can go wrong, and the policy and scene of one run, by lot.

use voile::base::{Layout, Micros, Shape, Size};
use voile::mask::{self, Bounds, Paint};

use crate::draw::{GROUND, Shot, Thing};
use crate::lot::Lot;

/// A fault that the campaign injects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A pass takes up to several seconds.
    PassLate,
    /// A pass never ends, and the detector hangs for a while.
    PassLost,
    /// The detector dies with the pass that is under way, and is back later.
    Killed,
    /// A pass ends in an error.
    PassFailed,
    /// The network gives numbers that are not finite.
    PassMalformed,
    /// A pass is told after the next one.
    PassSwapped,
    /// A pass is told twice.
    PassTwice,
    /// Evidence of a frame that never came.
    NumberForged,
    /// Evidence that names a frame that came, with another capture time.
    TimeForged,
    /// Evidence that names a frame that came, of another size.
    EvidenceSize,
    /// Evidence of a frame that was torn, or lost on its way.
    RefusedExamined,
    /// The camera drops a frame.
    Dropped,
    /// A frame is lost between follower and ring.
    LostLater,
    /// Half a frame, and marked.
    Torn,
    /// Number and time of the frame before, with a new picture.
    Repeated,
    /// A frame from a while ago once more.
    Older,
    /// Two frames change places.
    FramesSwapped,
    /// A frame of another size.
    FrameSize,
    /// The clock goes back for one frame.
    ClockGlitch,
    /// The clock goes back, and goes on from there.
    ClockBack,
    /// The clock goes forward, and goes on from there.
    ClockForward,
    /// Frames are held up and come all at once.
    Burst,
    /// The camera captures nothing for a while.
    Pause,
    /// Fog for some frames.
    Fog,
    /// The camera jerks, by up to a picture.
    Jerk,
    /// The ring holds no more than a few frames.
    SmallRing,
    /// More in view than tracks can hold.
    Crowd,
    /// The camera dies.
    CameraDied,
}

impl Kind {
    pub const ALL: [Self; 28] = [
        Self::PassLate,
        Self::PassLost,
        Self::Killed,
        Self::PassFailed,
        Self::PassMalformed,
        Self::PassSwapped,
        Self::PassTwice,
        Self::NumberForged,
        Self::TimeForged,
        Self::EvidenceSize,
        Self::RefusedExamined,
        Self::Dropped,
        Self::LostLater,
        Self::Torn,
        Self::Repeated,
        Self::Older,
        Self::FramesSwapped,
        Self::FrameSize,
        Self::ClockGlitch,
        Self::ClockBack,
        Self::ClockForward,
        Self::Burst,
        Self::Pause,
        Self::Fog,
        Self::Jerk,
        Self::SmallRing,
        Self::Crowd,
        Self::CameraDied,
    ];
    /// Those that may strike at any frame; the others are of a whole run.
    const ANY_FRAME: usize = 25;

    /// Something that happens to a pass, and waits for the next.
    pub fn of_pass(self) -> bool {
        use Kind::{Killed, PassFailed, PassLate, PassLost, PassMalformed, PassSwapped, PassTwice};
        matches!(self, PassLate | PassLost | Killed | PassFailed | PassMalformed | PassSwapped | PassTwice)
    }

    /// Something about a frame that nobody sees if it is dropped.
    pub fn of_frame(self) -> bool {
        use Kind::{ClockGlitch, FrameSize, LostLater, Older, Repeated, Torn};
        matches!(self, LostLater | Torn | Repeated | Older | FrameSize | ClockGlitch)
    }

    /// Evidence that is made up.
    pub fn of_evidence(self) -> bool {
        matches!(self, Self::NumberForged | Self::TimeForged | Self::EvidenceSize | Self::RefusedExamined)
    }
}

/// Sizes that runs have. Small, for a million faults are many frames; but with fewer than 128 rows or columns the pyramid
/// has one level, and the follower is off by pixels. Two are no multiples of a cell.
pub const SIZES: [Size; 4] = [Size::new(128, 128), Size::new(144, 128), Size::new(131, 129), Size::new(128, 136)];
/// The size of a crowd: what it takes to fill the tracks.
pub const CROWD: Size = Size::new(400, 576);

/// One run before anything has gone wrong.
pub struct Plan {
    pub shape: Shape,
    pub settings: mask::Settings,
    /// Frames a second.
    pub rate: u32,
    pub every: u64,
    /// Time that a pass takes.
    pub latency: u64,
    /// Whether time is what frames say, as in a replay, or the host's.
    pub replay: bool,
    /// Frames that wait at most, where that is less than the look-ahead asks for.
    pub ring: Option<usize>,
    pub shots: Vec<Shot>,
    /// Faults at each shot, in the order of striking.
    pub faults: Vec<Vec<Kind>>,
}

impl Plan {
    /// By lot; a `crowd` on order, for it takes a large picture.
    pub fn by(lot: &mut Lot, crowd: bool) -> Self {
        let size = if crowd { CROWD } else { lot.pick(&SIZES) };
        let shape = Shape::packed(size, lot.pick(&[Layout::I420, Layout::Nv12]));
        let shape = if lot.chance(30) { shape.aligned(32) } else { shape };
        let frames = if crowd { 8 } else { lot.between(16, 40) as usize };
        let rate = lot.pick(&[10, 15, 25, 30, 30, 60]);
        let settings = if crowd { mask::Settings::default() } else { policy(lot) };
        let mut shots = scene(lot, size, frames, f32::from(rate as u8));
        if crowd {
            let from = lot.between(0, 4) as usize;
            shots[from..from + 3].iter_mut().for_each(|shot| shot.crowd = true);
        }
        // Streams with few faults show what is cleared, those with many how faults meet.
        let percent = if crowd { 0 } else { lot.pick(&[5, 20, 40, 60, 75]) };
        let mut faults = vec![Vec::new(); frames];
        for (index, faults) in faults.iter_mut().enumerate() {
            while faults.len() < 4 && lot.chance(percent) {
                let kind = lot.pick(&Kind::ALL[..Kind::ANY_FRAME]);
                faults.push(kind);
                disturb(kind, lot, &mut shots[index..], size);
            }
        }
        Self {
            shape,
            settings,
            rate,
            every: if crowd { 1 } else { lot.between(1, 5).unsigned_abs() },
            latency: lot.ms(1, 90),
            replay: lot.chance(30),
            ring: lot.chance(10).then(|| lot.between(1, 4) as usize),
            shots,
            faults,
        }
    }
}

/// A policy anywhere within its bounds; more often where much is cleared.
fn policy(lot: &mut Lot) -> mask::Settings {
    let ms = |lot: &mut Lot, range: std::ops::RangeInclusive<u64>| {
        Micros(lot.ms(*range.start() as i64, *range.end() as i64))
    };
    let real = |lot: &mut Lot, range: std::ops::RangeInclusive<f32>| lot.real(*range.start(), *range.end());
    let safe = mask::Settings::default();
    let mut policy = mask::Settings {
        paint: lot.pick(&[Paint::Solid, Paint::Mosaic]),
        margin_px: if lot.chance(80) { 0 } else { lot.between(0, *Bounds::MARGIN_PX.end() as i64) as usize },
        lookahead: if lot.chance(25) { Micros(0) } else { ms(lot, Bounds::LOOKAHEAD_MS) },
        hold: ms(lot, Bounds::HOLD_MS),
        evidence_age_max: if lot.chance(50) { safe.evidence_age_max } else { ms(lot, Bounds::EVIDENCE_AGE_MAX_MS) },
        person_threshold: real(lot, Bounds::PERSON_THRESHOLD),
        vehicle_threshold: real(lot, Bounds::VEHICLE_THRESHOLD),
        sure_threshold: real(lot, Bounds::SURE_THRESHOLD),
        confidence_min: if lot.chance(80) { lot.real(0.3, 0.6) } else { real(lot, Bounds::CONFIDENCE_MIN) },
        pan_max: if lot.chance(40) { *Bounds::PAN_MAX.end() } else { real(lot, Bounds::PAN_MAX) },
        ..safe
    };
    policy.tracks.coast_max = ms(lot, Bounds::COAST_MS);
    policy
}

/// A camera that pans, stands or drifts, and things that walk, come and go.
fn scene(lot: &mut Lot, size: Size, frames: usize, rate: f32) -> Vec<Shot> {
    let (width, height) = (size.width as f32, size.height as f32);
    let free = (GROUND.0 as f32 - width, GROUND.1 as f32 - height);
    let mut camera = (lot.real(0.0, free.0), lot.real(0.0, free.1));
    // Pixels a second; beyond a picture's width a second, evidence a quarter of a second old is of no use.
    let fastest = lot.pick(&[0.0, 6.0, 30.0, 90.0, 200.0]);
    let mut pan = (lot.real(-fastest, fastest), lot.real(-fastest, fastest) / 2.0);
    struct Walker {
        place: (f32, f32),
        pace: (f32, f32),
        thing: Thing,
        from: usize,
        to: usize,
    }
    let mut walkers: Vec<Walker> = (0..lot.pick(&[0, 1, 1, 2, 3]))
        .map(|number| {
            let vehicle = lot.chance(25);
            let (width_px, height_px) = if vehicle {
                (lot.between(20, 30), lot.between(18, 26))
            } else {
                (lot.between(12, 16), lot.between(14, 26))
            };
            let from = if lot.chance(50) { 0 } else { lot.between(0, frames as i64 - 1) as usize };
            Walker {
                place: (camera.0 + lot.real(-8.0, width), camera.1 + lot.real(-8.0, height)),
                pace: (lot.real(-30.0, 30.0), lot.real(-15.0, 15.0)),
                thing: Thing { number, left: 0, top: 0, width: width_px as i32, height: height_px as i32, vehicle },
                from,
                to: if lot.chance(60) { frames } else { lot.between(from as i64, frames as i64) as usize },
            }
        })
        .collect();
    (0..frames)
        .map(|index| {
            for (at, speed, most) in [(&mut camera.0, &mut pan.0, free.0), (&mut camera.1, &mut pan.1, free.1)] {
                if !(0.0..=most).contains(&(*at + *speed / rate)) {
                    *speed = -*speed;
                }
                *at = (*at + *speed / rate).clamp(0.0, most);
            }
            let at = (camera.0.round() as i32, camera.1.round() as i32);
            let mut things = Vec::new();
            for walker in &mut walkers {
                walker.place.0 += walker.pace.0 / rate;
                walker.place.1 += walker.pace.1 / rate;
                if (walker.from..walker.to).contains(&index) {
                    let (left, top) = (walker.place.0.round() as i32 - at.0, walker.place.1.round() as i32 - at.1);
                    things.push(Thing { left, top, ..walker.thing });
                }
            }
            Shot { at, flat: false, crowd: false, things }
        })
        .collect()
}

/// What a fault does to the pictures from its frame on.
fn disturb(kind: Kind, lot: &mut Lot, shots: &mut [Shot], size: Size) {
    match kind {
        Kind::Fog => {
            let long = lot.between(1, 6) as usize;
            shots.iter_mut().take(long).for_each(|shot| shot.flat = true);
        }
        Kind::Jerk => {
            let (width, height) = (size.width as i64, size.height as i64);
            let by = (lot.between(-width, width) as i32, lot.between(-height, height) as i32 / 2);
            for shot in shots {
                let most = (GROUND.0 - size.width as i32, GROUND.1 - size.height as i32);
                let to = ((shot.at.0 + by.0).clamp(0, most.0), (shot.at.1 + by.1).clamp(0, most.1));
                for thing in &mut shot.things {
                    thing.left += shot.at.0 - to.0;
                    thing.top += shot.at.1 - to.1;
                }
                shot.at = to;
            }
        }
        _ => {}
    }
}
