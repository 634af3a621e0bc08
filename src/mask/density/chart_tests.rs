//! The chart test: filmed from 1,000 poses, nothing above the cap is left.
//!
//! What is measured: 40 px/m hold detail up to 20 cycles a metre (Nyquist), so at a place of density d the cap lies at
//! `max / 2d` cycles a pixel. Stretches of 64 to 256 pixels of rows and columns over which d hardly changes are taken
//! through a Blackman window and a Fourier transform; the energy of all that is faster than the cap is compared before
//! and after. Rows judge horizontal detail, columns vertical: a sensor of just the cap's density could not hold more in
//! either. Density is the chart's own, without slack, and the smallest of the stretch gives the cap, for detail there
//! may be that fine. What is within three bins of the cap (an eighth of it at most) counts for neither side: the window
//! spreads what is just below it, and may be sent, as far as that.
//!
//! 8 bits cannot show -40 dB of everything: rounding alone leaves 1/12 of a level squared for each pass. A stretch is
//! measured where -40 dB is above that; in the others what is left is held to the rounding.
//!
//! Detail above the cap could also hide below it, folded there by decimation, where the first measure cannot tell it
//! from what may be sent. So a second one films bars that are all above the cap, and looks for anything at all in the
//! output.
//!
//! In this measure a person at the cap of 40 px/m is 70 px tall and 20 wide, and the face 6 px: three cycles. People
//! are known from 16 cycles a face, guessed at from 8.

use super::chart::{self, Camera, Chart, Random};
use super::geometry::real;
use super::*;
use crate::base::{FramePool, Layout, Shape};

const SIZE: Size = Size::new(288, 256);
const POSES: usize = 1000;
/// Stretches that are tried in each picture, in each direction and plane.
const TRIED: usize = 48;
/// How much density may change over a stretch.
const EVEN: f64 = 1.15;
/// Pixels at the cap: as far as [`kernel::down`] reaches from the picture's edge, whatever the step.
const EDGE: f64 = 10.0;
/// Levels squared: what rounding leaves of the way up's two passes, 1/6, and half as much again.
const ROUNDING: f64 = 0.25;
/// Levels squared from which a stretch is measured: -40 dB of it is above the rounding.
const MEASURED: f64 = ROUNDING * 1e4;
/// Half the width of the window's main lobe, in bins.
const LOBE: f64 = 3.0;

/// A plane before and after, and the camera that took it.
struct Pair {
    camera: Camera,
    before: Vec<u8>,
    after: Vec<u8>,
}

/// From which frequency on energy counts.
#[derive(Clone, Copy, PartialEq)]
enum From {
    /// What is above the cap.
    Cap,
    /// All that is not flat; bars are all above the cap.
    Nothing,
}

/// Energy of one stretch.
#[derive(Clone, Copy, Debug, Default)]
struct Energy {
    before: f64,
    after: f64,
}

/// In-place Fourier transform of a power of two.
fn transform(values: &mut [[f64; 2]]) {
    let count = values.len();
    if count == 1 {
        return;
    }
    let (mut even, mut odd): (Vec<_>, Vec<_>) = values.chunks_exact(2).map(|pair| (pair[0], pair[1])).unzip();
    transform(&mut even);
    transform(&mut odd);
    for index in 0..count / 2 {
        let (sin, cos) = (-2.0 * std::f64::consts::PI * real(index) / real(count)).sin_cos();
        let [re, im] = odd[index];
        let turned = [re * cos - im * sin, re * sin + im * cos];
        values[index] = [even[index][0] + turned[0], even[index][1] + turned[1]];
        values[index + count / 2] = [even[index][0] - turned[0], even[index][1] - turned[1]];
    }
}

/// Mean square of what is faster than `cap` cycles a sample.
fn faster_than(samples: &[u8], cap: f64) -> f64 {
    let count = samples.len();
    let mean = samples.iter().map(|&sample| f64::from(sample)).sum::<f64>() / real(count);
    let window = |index: usize| {
        let turn = 2.0 * std::f64::consts::PI * (real(index) + 0.5) / real(count);
        0.42 - 0.5 * turn.cos() + 0.08 * (2.0 * turn).cos()
    };
    let mut values: Vec<[f64; 2]> =
        samples.iter().enumerate().map(|(index, &sample)| [(f64::from(sample) - mean) * window(index), 0.0]).collect();
    transform(&mut values);
    let power: f64 = (0..count).map(|index| window(index).powi(2)).sum();
    let bins = (0..=count / 2).filter(|&bin| real(bin) > cap * real(count) + LOBE);
    bins.map(|bin| 2.0 * (values[bin][0].powi(2) + values[bin][1].powi(2))).sum::<f64>() / (real(count) * power)
}

impl Pair {
    /// The stretch of a row (or column) around a random place, if density is even and above the cap over it.
    fn stretch(&self, random: &mut Random, cap: f64, along_row: bool, from: From) -> Option<Energy> {
        let size = self.camera.size();
        let [x, y] = [size.width, size.height].map(|side| random.below(u32::try_from(side).unwrap()) as usize);
        let long = if along_row { size.width } else { size.height };
        let at = |index: usize| if along_row { [index, y] } else { [x, index] };
        for count in [64, 128, 256] {
            if count > long {
                return None;
            }
            let start = random.below(u32::try_from(long - count + 1).unwrap()) as usize;
            let (mut least, mut most) = (f64::INFINITY, 0.0_f64);
            for index in (start..start + count).step_by(8).chain([start + count - 1]) {
                let [x, y] = at(index).map(|place| real(place) + 0.5);
                let density = self.camera.density(x, y)?;
                (least, most) = (least.min(density), most.max(density));
            }
            if least <= cap || most > least * EVEN {
                return None;
            }
            // At the picture's own edge the kernels are cut off, and let through some of what they should fold away.
            let [place, side] = if along_row { [y, size.height] } else { [x, size.width] };
            let beside = real(place.min(side - 1 - place));
            if from == From::Nothing && beside < EDGE * least / cap {
                return None;
            }
            let cycles = cap / 2.0 / least;
            // Too few cycles at the cap: what may remain below it would leak over.
            if cycles * real(count) < 8.0 * LOBE {
                continue;
            }
            let cut = |picture: &[u8]| -> Vec<u8> {
                (start..start + count).map(at).map(|[x, y]| picture[y * size.width + x]).collect()
            };
            let floor = match from {
                From::Cap => cycles,
                From::Nothing => 0.0,
            };
            return Some(Energy {
                before: faster_than(&cut(&self.before), floor),
                after: faster_than(&cut(&self.after), floor),
            });
        }
        None
    }
}

fn fill(plane: &mut PlaneMut<'_>, picture: &[u8], step: usize, first: usize) {
    let width = plane.width / step;
    for (row, values) in plane.rows().zip(picture.chunks(width)) {
        row.iter_mut().skip(first).step_by(step).zip(values).for_each(|(pixel, value)| *pixel = *value);
    }
}

fn read(rows: impl Iterator<Item = impl AsRef<[u8]>>, step: usize, first: usize) -> Vec<u8> {
    rows.flat_map(|row| row.as_ref().iter().skip(first).step_by(step).copied().collect::<Vec<_>>()).collect()
}

/// Films a chart from one random pose and governs it; `None` where nothing needed to be.
fn shoot(random: &mut Random, layout: Layout, from: From) -> Option<(Vec<Pair>, f64)> {
    let cap = if random.below(3) == 0 { random.octaves(5.0, 80.0) } else { 40.0 };
    let hfov = random.between(40.0, 90.0);
    let height = random.octaves(3.5, 120.0);
    let pitch = random.between(-95.0, 5.0);
    let roll = if random.below(8) == 0 { random.between(-180.0, 180.0) } else { random.between(-25.0, 25.0) };
    // In its middle the picture would be so many times above the cap.
    let most = if random.below(4) == 0 { 16.0 } else { 5.0 };
    let excess = random.octaves(0.8, most);
    let widest = Camera::new(SIZE, hfov, height, pitch, roll, 1.0);
    let zoom = excess * cap / widest.density(real(SIZE.width) / 2.0, real(SIZE.height) / 2.0)?;
    if !(1.0..=100.0).contains(&zoom) {
        return None;
    }
    let (bars, side) = match from {
        From::Cap => ([chart::COARSEST_FINEST, [cap * 1.1, cap * excess * 0.8]], random.octaves(70.0, 400.0)),
        // Half above it, so that bars across the corner are above it both ways; tiles so large that their edges, which
        // are detail of their own, are seldom met.
        From::Nothing => ([[cap * 1.5, cap * excess.max(1.6)]; 2], random.octaves(600.0, 2000.0)),
    };
    let chart = Chart { side: side / excess / cap, bars, seed: random.bits() };

    let single = geometry::single;
    let settings = Settings { max_px_per_m: single(cap), hfov_deg: single(hfov), ..Settings::default() };
    let mut governor = Governor::new(SIZE, &settings);
    let pose = Pose {
        measured: Micros(5),
        height_m: single(height),
        pitch_deg: single(pitch),
        roll_deg: single(roll),
        zoom: single(zoom),
    };
    let report = governor.plan(Some(pose), Micros(9));
    assert!(!report.strict);
    assert!(f64::from(report.worst_px_per_m) <= cap * 1.000_001, "{} over {cap}", report.worst_px_per_m);
    if !report.governed {
        return None;
    }
    let camera = Camera::new(SIZE, hfov, height, pitch, roll, zoom);
    let (luma, chroma) = (camera.film(chart), camera.halved().film(chart));
    let mut frame = FramePool::new(Shape::packed(SIZE, layout), 1).take(0, Micros(9));
    let (mut y, uv) = frame.planes_mut();
    fill(&mut y, &luma, 1, 0);
    match uv {
        ChromaMut::I420(mut u, mut v) => {
            fill(&mut u, &chroma, 1, 0);
            fill(&mut v, &chroma, 1, 0);
        }
        ChromaMut::Nv12(mut uv) => {
            fill(&mut uv, &chroma, 2, 0);
            fill(&mut uv, &chroma, 2, 1);
        }
    }
    governor.govern(&mut frame, Some(pose), Micros(9));
    let v = match frame.chroma() {
        crate::base::Chroma::I420(_, v) => read(v.rows(), 1, 0),
        crate::base::Chroma::Nv12(uv) => read(uv.rows(), 2, 1),
    };
    let pairs = vec![
        Pair { camera, before: luma, after: read(frame.luma().rows(), 1, 0) },
        Pair { camera: camera.halved(), before: chroma, after: v },
    ];
    Some((pairs, cap))
}

fn decibels(energy: Energy) -> f64 {
    10.0 * (energy.after.max(1e-9) / energy.before).log10()
}

/// What was found over many poses.
#[derive(Debug)]
struct Tally {
    /// Poses from which something had to be governed, those of them with a measured stretch, and measured stretches.
    governed: usize,
    poses: usize,
    stretches: usize,
    /// Decibels.
    worst: f64,
    worst_pose: f64,
    all: f64,
    weak: usize,
    /// Levels squared, over the weak stretches.
    worst_left: f64,
}

/// Measures `count` poses with something to measure, whose pictures `tamper` may change.
fn campaign(seed: u64, count: usize, from: From, tamper: impl Fn(&mut Pair, f64)) -> Tally {
    let mut random = Random(seed);
    let none = f64::NEG_INFINITY;
    let mut tally = Tally {
        governed: 0,
        poses: 0,
        stretches: 0,
        worst: none,
        worst_pose: none,
        all: none,
        weak: 0,
        worst_left: 0.0,
    };
    let mut all = Energy::default();
    while tally.poses < count {
        let layout = if tally.poses.is_multiple_of(2) { Layout::I420 } else { Layout::Nv12 };
        let Some((mut pairs, cap)) = shoot(&mut random, layout, from) else { continue };
        tally.governed += 1;
        let mut pose = Energy::default();
        for pair in &mut pairs {
            tamper(pair, cap);
            for index in 0..2 * TRIED {
                let Some(energy) = pair.stretch(&mut random, cap, index % 2 == 0, from) else { continue };
                if energy.before < MEASURED {
                    tally.weak += 1;
                    tally.worst_left = tally.worst_left.max(energy.after);
                    continue;
                }
                tally.stretches += 1;
                tally.worst = tally.worst.max(decibels(energy));
                pose.before += energy.before;
                pose.after += energy.after;
            }
        }
        if pose.before > 0.0 {
            tally.poses += 1;
            tally.worst_pose = tally.worst_pose.max(decibels(pose));
        }
        all.before += pose.before;
        all.after += pose.after;
    }
    tally.all = decibels(all);
    println!("{tally:.3?}");
    tally
}

#[test]
fn a_chart_from_1000_poses_keeps_nothing_above_the_cap() {
    let tally = campaign(4, POSES, From::Cap, |_, _| ());
    assert!(tally.stretches > 10_000, "too little was measured: {tally:?}");
    assert!(tally.worst < -40.0 && tally.worst_pose < -40.0, "{tally:?}");
    assert!(tally.worst_left < ROUNDING, "{tally:?}");
}

#[test]
fn nothing_above_the_cap_is_folded_below_it() {
    let tally = campaign(5, 100, From::Nothing, |_, _| ());
    assert!(tally.stretches > 500, "too little was measured: {tally:?}");
    assert!(tally.worst < -40.0, "{tally:?}");
}

#[test]
fn the_measure_sees_a_missing_filter() {
    let tally = campaign(6, 30, From::Cap, |pair, _| pair.after.clone_from(&pair.before));
    assert!(tally.stretches > 200 && tally.worst > -0.1 && tally.all > -0.1, "{tally:?}");
}

#[test]
fn the_measure_sees_a_weak_filter() {
    // Means over blocks as long as the density is too high: coarse enough in name, but blocks have edges.
    let mosaic = |pair: &mut Pair, cap: f64| {
        let size = pair.camera.size();
        let middle = pair.camera.density(real(size.width) / 2.0, real(size.height) / 2.0).unwrap_or(cap);
        let side = (1..64).find(|&side| real(side) >= middle / cap).unwrap_or(64);
        for y in (0..size.height).step_by(side) {
            for x in (0..size.width).step_by(side) {
                let block = || {
                    let columns = x..size.width.min(x + side);
                    (y..size.height.min(y + side)).flat_map(move |y| columns.clone().map(move |x| y * size.width + x))
                };
                let sum: usize = block().map(|index| usize::from(pair.before[index])).sum();
                let mean = u8::try_from(sum / block().count()).unwrap();
                block().for_each(|index| pair.after[index] = mean);
            }
        }
    };
    let tally = campaign(7, 30, From::Cap, mosaic);
    assert!(tally.stretches > 200 && tally.worst > -25.0 && tally.all > -35.0, "{tally:?}");
}
