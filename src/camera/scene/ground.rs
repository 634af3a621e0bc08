//! The ground as the camera sees it, laid out by inverse perspective.
//!
//! The texture is kept in ever smaller sizes. Places on the ground are fractions of 2^32 of the world's side, so that
//! wrapping at its edge costs nothing. Each row is drawn in spans of [`SPAN`] pixels: exact at both ends, straight
//! between.

use super::canvas::Canvas;
use super::light::Light;
use super::number::{byte, on_ring, real_of, word};
use super::paint::{TEXELS, TILE, noise, paint, shade_at};
use super::town::Town;
use super::view::{P2, View, WORLD};

/// Pixels between exact places.
const SPAN: usize = 16;
/// The same as a divisor.
const SPAN_STEPS: i32 = 16;
/// Sizes of the texture, from 2048 texels a side down to 64.
const LEVELS: usize = 6;

/// One size of the texture.
struct Level {
    luma: Box<[u8]>,
    chroma: Box<[[u8; 2]]>,
    /// Side of the luma plane is two to this; of the chroma plane, one less.
    bits: u32,
}

/// The ground of one scene.
pub(super) struct Ground {
    levels: Vec<Level>,
    /// Blades and grit, a quarter of a texel a step.
    detail: Box<[i8]>,
    shade: Vec<u8>,
}

/// Half of a plane's size, each sample the mean of four.
fn halve<const N: usize>(plane: &[[u8; N]], side: usize) -> Vec<[u8; N]> {
    let at = |x: usize, y: usize| plane[y * side + x];
    let mean = |x: usize, y: usize| {
        let quad = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
        std::array::from_fn(|part| {
            let sum = quad.iter().map(|texel| u16::from(texel[part])).sum::<u16>();
            u8::try_from((sum + 2) / 4).unwrap_or(u8::MAX)
        })
    };
    (0..side).step_by(2).flat_map(|y| (0..side).step_by(2).map(move |x| (x, y))).map(|(x, y)| mean(x, y)).collect()
}

impl Ground {
    /// Paints the ground of a plan in its light.
    pub(super) fn new(town: &Town, light: &Light, seed: u64) -> Self {
        let texture = paint(town, light, seed);
        let mut levels = Vec::with_capacity(LEVELS);
        let mut luma: Vec<[u8; 1]> = texture.luma.iter().map(|&texel| [texel]).collect();
        let mut chroma = texture.chroma;
        let mut side = TEXELS;
        while levels.len() < LEVELS {
            let smaller = (halve(&luma, side), halve(&chroma, side / 2));
            levels.push(Level {
                luma: luma.iter().map(|&[texel]| texel).collect(),
                chroma: chroma.into(),
                bits: side.trailing_zeros(),
            });
            (luma, chroma) = smaller;
            side /= 2;
        }
        let detail = noise(seed ^ 2, &[128, 256, 512]);
        let detail = detail.iter().map(|value| i8::try_from(i16::from(byte(value * 15.0 + 64.0)) - 64).unwrap_or(0));
        Self { levels, detail: detail.collect(), shade: texture.shade }
    }

    /// Depth of the shadow that houses and trees throw at a place, 0 to 1.
    pub(super) fn shade(&self, at: P2) -> f32 {
        shade_at(&self.shade, at.x, at.y)
    }

    /// Covers the canvas.
    pub(super) fn draw(&self, view: &View, canvas: &mut Canvas) {
        let (width, chroma_width) = (canvas.size.width, canvas.size.chroma().width);
        let middle = view.middle.x;
        for (row, line) in canvas.luma.chunks_exact_mut(width).enumerate() {
            let y = real_of(row) + 0.5;
            let (here, next) = (view.ground(P2 { x: middle, y }), view.ground(P2 { x: middle, y: y + 1.0 }));
            let across = (here.x - view.eye.x, here.y - view.eye.y, view.eye.z);
            let distance = (across.0 * across.0 + across.1 * across.1 + across.2 * across.2).sqrt();
            let step = (here.x - next.x, here.y - next.y);
            let along = (step.0 * step.0 + step.1 * step.1).sqrt();
            // Metres a pixel spans, between its narrow and its long side.
            let metres = (distance / view.focal * along).sqrt();
            let level = self.level(metres);
            let grit = byte(((2.0 - metres * 32.0).clamp(0.0, 1.0)) * 255.0);
            if grit > 0 {
                spans(view, y, 1.0, line, |luma, u, v| *luma = self.grit(level.luma(u, v), u, v, grit));
            } else {
                spans(view, y, 1.0, line, |luma, u, v| *luma = level.luma(u, v));
            }
            if row % 2 == 0 {
                let line = &mut canvas.chroma[row / 2 * chroma_width..][..chroma_width];
                spans(view, y + 0.5, 2.0, line, |chroma, u, v| *chroma = level.chroma(u, v));
            }
        }
    }

    /// The largest texture whose texels are not much smaller than a pixel.
    fn level(&self, metres: f32) -> &Level {
        let mut index = 0;
        let mut texel = WORLD / real_of(TEXELS);
        while metres > 1.4 * texel && index + 1 < LEVELS {
            index += 1;
            texel *= 2.0;
        }
        &self.levels[index]
    }

    fn grit(&self, luma: u8, u: u32, v: u32, strength: u8) -> u8 {
        let bits = 32 - (TEXELS * 4).trailing_zeros();
        let mask = TILE - 1;
        let at = ((v >> bits) as usize & mask) * TILE + ((u >> bits) as usize & mask);
        let grit = i16::from(self.detail[at]).wrapping_mul(i16::from(strength)) >> 8;
        let [level, _] = i16::from(luma).wrapping_add(grit).clamp(16, 235).to_le_bytes();
        level
    }
}

/// Runs along a row whose samples are `step` pixels apart and hands each the place it sees.
fn spans<T>(view: &View, y: f32, step: f32, line: &mut [T], mut draw: impl FnMut(&mut T, u32, u32)) {
    let place = |sample: usize| {
        let at = view.ground(P2 { x: (real_of(sample) + 0.5) * step, y });
        (on_ring(at.x, WORLD), on_ring(at.y, WORLD))
    };
    let mut from = place(0);
    for (span, samples) in line.chunks_mut(SPAN).enumerate() {
        let to = place((span + 1) * SPAN);
        // The short way around the ring, a sixteenth each.
        let stride = |from: u32, to: u32| (to.wrapping_sub(from).cast_signed() / SPAN_STEPS).cast_unsigned();
        let (du, dv) = (stride(from.0, to.0), stride(from.1, to.1));
        let (mut u, mut v) = from;
        for sample in samples {
            draw(sample, u, v);
            u = u.wrapping_add(du);
            v = v.wrapping_add(dv);
        }
        from = to;
    }
}

impl Level {
    /// Neighbours of a place in a plane of `2^bits` a side, and the shares of the right and lower ones.
    #[inline(always)]
    const fn near(u: u32, v: u32, bits: u32) -> ([usize; 4], u32, u32) {
        let half = 1 << (31 - bits);
        let (u, v) = (u.wrapping_sub(half), v.wrapping_sub(half));
        let mask = (1usize << bits) - 1;
        let (x, y) = ((u >> (32 - bits)) as usize, (v >> (32 - bits)) as usize);
        let (right, below) = (x.wrapping_add(1) & mask, (y.wrapping_add(1) & mask) << bits);
        let y = y << bits;
        let corners = [y | x, y | right, below | x, below | right];
        (corners, (u >> (24 - bits)) & 255, (v >> (24 - bits)) & 255)
    }

    #[inline(always)]
    fn luma(&self, u: u32, v: u32) -> u8 {
        let ([a, b, c, d], across, down) = Self::near(u, v, self.bits);
        let (left, right) = (word([self.luma[a], self.luma[c]]), word([self.luma[b], self.luma[d]]));
        left.mixed(right, across).joined(down)
    }

    #[inline(always)]
    fn chroma(&self, u: u32, v: u32) -> [u8; 2] {
        let ([a, b, c, d], across, down) = Self::near(u, v, self.bits - 1);
        let at = |index: usize| word(self.chroma[index]);
        at(a).mixed(at(b), across).mixed(at(c).mixed(at(d), across), down).halves()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_texel_is_returned_whole_at_its_middle_and_mixed_between() {
        let level = Level { luma: (0u8..64).map(|n| n * 3).collect(), chroma: vec![[7, 9]; 16].into(), bits: 3 };
        let middle = |cell: u32| (cell << 29) + (1 << 28);
        assert_eq!(level.luma(middle(5), middle(2)), (2 * 8 + 5) * 3);
        assert_eq!(level.luma(middle(5) + (1 << 28), middle(2)), (2 * 8 + 5) * 3 + 1);
        assert_eq!(level.luma(middle(5), middle(2) + (1 << 28)), (2 * 8 + 5) * 3 + 12);
        assert_eq!(level.chroma(123, 456), [7, 9]);
    }

    #[test]
    fn halving_keeps_the_mean() {
        assert_eq!(halve(&[[1], [3], [5], [7]], 2), vec![[4]]);
    }
}
