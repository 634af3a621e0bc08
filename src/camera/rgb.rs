//! RGB to I420 in whole numbers, the same on every machine.
//!
//! BT.601, limited range ([`crate::base::colour`] says so for the way back). Not the yuv crate's conversion: its
//! vector and scalar forms differ by one in a sixth of all samples, so that the bytes of a replay would depend on the
//! processor.

use crate::base::PlaneMut;

/// Weights of R, G and B in Y, U and V, times 65536: the matrix of ITU-R BT.601, scaled to 219 steps of luma and 224 of
/// chroma. Those of Y sum up to 219/255, those of U and of V to 0, so that grey stays grey.
const Y: [i32; 3] = [16829, 33039, 6416];
const U: [i32; 3] = [-9714, -19070, 28784];
const V: [i32; 3] = [28784, -24103, -4681];

/// Writes packed `rgb` rows of `luma`'s width and height into an I420 picture. A chroma sample is the mean of its four
/// pixels; at an odd edge, of those there are.
pub(super) fn to_i420(rgb: &[u8], mut luma: PlaneMut<'_>, mut u: PlaneMut<'_>, mut v: PlaneMut<'_>) {
    let stride = luma.width * 3;
    for (from, to) in rgb.chunks_exact(stride).zip(luma.rows()) {
        for (pixel, y) in from.chunks_exact(3).zip(to) {
            *y = sample(Y, sum(pixel), 16, 16);
        }
    }
    for ((pair, to_u), to_v) in rgb.chunks(2 * stride).zip(u.rows()).zip(v.rows()) {
        let (top, bottom) = pair.split_at(stride);
        let bottom = if bottom.is_empty() { top } else { bottom };
        let blocks = top.chunks(6).zip(bottom.chunks(6));
        for (((top, bottom), u), v) in blocks.zip(to_u).zip(to_v) {
            // Four pixels, or at the edge two of them twice: the sum is four times the mean.
            let twice = if top.len() == 3 { 2 } else { 1 };
            let (top, bottom) = (sum(top), sum(bottom));
            let block = [0, 1, 2].map(|channel| twice * (top[channel] + bottom[channel]));
            (*u, *v) = (sample(U, block, 18, 128), sample(V, block, 18, 128));
        }
    }
}

/// The channels of one pixel, or of two added up.
fn sum(pixels: &[u8]) -> [i32; 3] {
    let mut sum = [0; 3];
    for pixel in pixels.chunks_exact(3) {
        for (sum, &value) in sum.iter_mut().zip(pixel) {
            *sum += i32::from(value);
        }
    }
    sum
}

/// `offset` plus the weighted channels over 2 to the power of `shift`, rounded.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the weights keep it within 16 and 240")]
fn sample(weights: [i32; 3], channels: [i32; 3], shift: u32, offset: i32) -> u8 {
    let weighted = weights[0] * channels[0] + weights[1] * channels[1] + weights[2] * channels[2];
    ((weighted + (offset << shift) + (1 << (shift - 1))) >> shift) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Chroma, ChromaMut, FramePool, Layout, Micros, Shape, Size};

    /// The three planes that `rgb` becomes, row after row.
    fn planes(size: Size, rgb: &[u8]) -> [Vec<u8>; 3] {
        let mut frame = FramePool::new(Shape::packed(size, Layout::I420).aligned(16), 1).take(0, Micros(0));
        let (luma, ChromaMut::I420(u, v)) = frame.planes_mut() else { panic!("layout") };
        to_i420(rgb, luma, u, v);
        let Chroma::I420(u, v) = frame.chroma() else { panic!("layout") };
        [frame.luma(), u, v].map(|plane| plane.rows().flatten().copied().collect())
    }

    #[test]
    fn colours_are_those_of_the_standard() {
        for (rgb, yuv) in [
            ([0, 0, 0], [16, 128, 128]),
            ([255, 255, 255], [235, 128, 128]),
            ([255, 0, 0], [81, 90, 240]),
            ([0, 255, 0], [145, 54, 34]),
            ([0, 0, 255], [41, 240, 110]),
            ([255, 255, 0], [210, 16, 146]),
        ] {
            for size in [Size::new(1, 1), Size::new(2, 2), Size::new(5, 3)] {
                let [y, u, v] = planes(size, &rgb.repeat(size.area()));
                let expected = |index: usize, count| vec![yuv[index]; count];
                let chroma = size.chroma().area();
                assert_eq!([y, u, v], [expected(0, size.area()), expected(1, chroma), expected(2, chroma)], "{rgb:?}");
            }
        }
    }

    #[test]
    fn chroma_is_the_mean_of_the_pixels_there_are() {
        // Red and black in a row of three: one mean of both, one of black alone; the second row is all red.
        let (red, black) = ([255, 0, 0], [0, 0, 0]);
        let [_, _, v] = planes(Size::new(3, 3), &[red, black, black, red, black, black, red, red, red].concat());
        assert_eq!(v, [184, 128, 240, 240]);
    }

    #[test]
    fn agrees_with_the_yuv_crate_within_one() {
        let size = Size::new(50, 38);
        let rgb: Vec<u8> = (0..size.area() * 3).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
        let (width, height) = (50, 38);
        let mut theirs = yuv::YuvPlanarImageMut::alloc(width, height, yuv::YuvChromaSubsampling::Yuv420);
        let range = crate::base::colour::range(false);
        let mode = yuv::YuvConversionMode::Balanced;
        yuv::rgb_to_yuv420(&mut theirs, &rgb, width * 3, range, crate::base::colour::MATRIX, mode).unwrap();
        let theirs = [theirs.y_plane, theirs.u_plane, theirs.v_plane];
        for (ours, theirs) in planes(size, &rgb).iter().zip(&theirs) {
            assert!(ours.iter().zip(theirs.borrow()).all(|(a, b)| a.abs_diff(*b) <= 1));
        }
    }
}
