//! The two kernels that coarsen a picture: one before decimation, one after.
//!
//! A row that is k times above the cap may keep detail up to 1 / 2k cycles a pixel. It is decimated by k times
//! [`MARGIN`], so in coarse pixels the cap lies at `MARGIN / 2` = 0.75 cycles. Both kernels are windowed sincs after
//! Kaiser (Oppenheim and Schafer, Discrete-Time Signal Processing, 3rd ed., section 7.5.3) whose stop band begins
//! there:
//!
//! - [`down`] takes out what is above the cap *before* it could fold to below it. Folded detail would pass any look at
//!   the spectrum, and several frames of it are what super-resolution feeds on.
//! - [`up`] takes out the copies of what remains that decimation puts around every whole number of cycles.
//!
//! Between 0.4 and 0.75, where the kernels fall, detail fades. Without the margin they would have to fall within no
//! width at all: with a margin of 1 the chart test finds -22 dB at the cap instead of -43. Tried and dropped: bilinear
//! up (-26 dB); cubic B-spline up (-44 dB, but it takes 8 dB from detail at half of the cap, this pair 2); Lanczos both
//! ways (-39 dB in one kernel, and dearer: six taps fall beside the resizer's vector code, eight into it).

use std::f64::consts::PI;
use std::sync::LazyLock;

use fast_image_resize::{Filter, FilterType, ResizeAlg, ResizeOptions};

use super::geometry::real;

/// How much further than to the cap a picture is decimated.
pub const MARGIN: f64 = 1.5;
/// Coarse pixels on each side of a pixel that [`down`] looks at.
const DOWN_REACH: usize = 3;
/// Coarse pixels on each side of a pixel that [`up`] looks at. Eight taps are one step of the resizer's vector code;
/// six are six steps.
pub const UP_REACH: usize = 4;
/// Cycles a coarse pixel at which [`down`] is at half: half of its transition below the cap, where it is at -53 dB.
const DOWN_EDGE: f64 = 0.477;
const DOWN_BETA: f64 = 5.1;
/// As [`DOWN_EDGE`], for [`up`]: -58 dB.
const UP_EDGE: f64 = 0.523;
const UP_BETA: f64 = 5.65;

/// Entries of a table for each coarse pixel: between them a straight line is right to 80 dB.
const FINENESS: u16 = 128;
const ENTRIES: usize = UP_REACH * FINENESS as usize + 2;

static DOWN: LazyLock<[f64; ENTRIES]> = LazyLock::new(|| tabulate(DOWN_EDGE, DOWN_BETA, DOWN_REACH));
static UP: LazyLock<[f64; ENTRIES]> = LazyLock::new(|| tabulate(UP_EDGE, UP_BETA, UP_REACH));

/// Options of the resizer for the way down.
pub fn down() -> ResizeOptions {
    options("down", |x| look_up(&DOWN, x), DOWN_REACH)
}

/// Options of the resizer for the way up.
pub fn up() -> ResizeOptions {
    options("up", |x| look_up(&UP, x), UP_REACH)
}

fn options(name: &'static str, kernel: fn(f64) -> f64, reach: usize) -> ResizeOptions {
    // Refused only where the reach is not positive; the resizer's own kernel would then do, less sharply.
    let filter = Filter::new(name, kernel, real(reach)).map_or(FilterType::Gaussian, FilterType::Custom);
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false)
}

/// The resizer asks for tens of thousands of values a frame; two sines each would take longer than the filtering.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative; saturates")]
fn look_up(table: &[f64; ENTRIES], x: f64) -> f64 {
    let at = x.abs() * f64::from(FINENESS);
    let index = at as usize;
    match table.get(index..) {
        Some([here, next, ..]) => here + (next - here) * (at - at.floor()),
        _ => 0.0,
    }
}

fn tabulate(edge: f64, beta: f64, reach: usize) -> [f64; ENTRIES] {
    std::array::from_fn(|index| {
        let x = real(index) / f64::from(FINENESS);
        let inside = 1.0 - (x / real(reach)).powi(2);
        if inside <= 0.0 {
            return 0.0;
        }
        let phase = 2.0 * PI * edge * x;
        let sinc = if index == 0 { 1.0 } else { phase.sin() / phase };
        sinc * bessel(beta * inside.sqrt()) / bessel(beta)
    })
}

/// The modified Bessel function of order 0, by its series.
fn bessel(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let mut term = 1.0;
    let mut sum = 1.0;
    for order in 1..32 {
        term *= quarter / f64::from(order * order);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Response at `cycles` a coarse pixel, of a kernel that is sampled `fine` times as finely.
    fn response(table: &[f64; ENTRIES], cycles: f64, fine: u32) -> f64 {
        let (mut sum, mut all) = (0.0, 0.0);
        for index in -8 * i64::from(fine)..=8 * i64::from(fine) {
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let x = (index as f64 + 0.37) / f64::from(fine);
            let weight = look_up(table, x);
            sum += weight * (2.0 * PI * cycles * x).cos();
            all += weight;
        }
        (sum / all).abs()
    }

    #[test]
    fn nothing_passes_above_the_cap() {
        for thousandth in 750..8000 {
            let cycles = f64::from(thousandth) / 1000.0;
            for (name, table) in [("down", &*DOWN), ("up", &*UP)] {
                let passes = 20.0 * response(table, cycles, 32).log10();
                assert!(passes < -52.0, "{name} at {cycles}: {passes:.1} dB");
            }
        }
        for cycles in [0.0, 0.1, 0.25] {
            assert!(response(&DOWN, cycles, 32) * response(&UP, cycles, 32) > 0.96);
        }
    }

    #[test]
    fn a_kernel_ends_at_its_reach() {
        assert!(look_up(&UP, 0.0) == 1.0 && look_up(&UP, -3.99) != 0.0 && look_up(&UP, 4.0) == 0.0);
        assert!(look_up(&DOWN, 2.99) != 0.0 && look_up(&DOWN, -3.0) == 0.0 && look_up(&DOWN, f64::NAN).is_nan());
        assert!(look_up(&DOWN, f64::INFINITY) == 0.0 && look_up(&UP, 1e300) == 0.0);
    }
}
