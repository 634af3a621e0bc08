//! Whether rows begin where they are thought to begin.
//!
//! A program may pad its rows or not, and a pipe does not say. Read at the wrong length the picture is sheared: each
//! row is shifted against the one above, nobody in it looks like anybody, and it would be sent clear. So the one
//! mistake that is likely, padding taken for none or none for padding, is looked for in the picture itself.

/// Every so many rows one is compared with the next.
const STEP: usize = 8;
/// Mean difference of neighbours below which a picture says nothing: a lid, a wall, a clear sky.
const FLAT: u64 = 3;

/// How one row length stands against another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Neighbours at this length are alike, and at the other they are not.
    Right,
    /// The other way about.
    Wrong,
    /// The picture does not say.
    Unknown,
}

/// Compares `stride`, the length that `luma` was read at, with `other`, in bytes; `width` bytes of a row are picture.
/// A row of a real picture is like the one below it, and much less like that one shifted by the padding.
pub(super) fn judge(luma: &[u8], width: usize, stride: usize, other: usize) -> Verdict {
    let span = width + stride.max(other);
    let (mut here, mut there, mut count) = (0, 0, 0_u64);
    for place in luma.windows(span.max(1)).step_by(STEP * stride.max(1)) {
        let row = place.iter().take(width);
        let sum = |stride: usize| -> u64 {
            row.clone().zip(place.iter().skip(stride)).map(|(one, two)| u64::from(one.abs_diff(*two))).sum()
        };
        (here, there) = (here + sum(stride), there + sum(other));
        count += width as u64;
    }
    let telling = here.max(there) > FLAT * count;
    match (telling, here > 2 * there, there > 2 * here) {
        (true, true, _) => Verdict::Wrong,
        (true, _, true) => Verdict::Right,
        _ => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ground with blobs of some 20 pixels, rows `stride` apart; the padding repeats the last pixel, or is noise.
    fn picture(width: usize, stride: usize, height: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for y in 0..height {
            for x in 0..stride {
                let blob = |x: usize, y: usize| (x * 7919 + y * 104_729) % 251;
                let (x, near) = (x.min(width - 1), |at: usize| at % 20);
                let across = blob(x / 20, y / 20) * (20 - near(x)) + blob(x / 20 + 1, y / 20) * near(x);
                let below = blob(x / 20, y / 20 + 1) * (20 - near(x)) + blob(x / 20 + 1, y / 20 + 1) * near(x);
                bytes.push(u8::try_from((across * (20 - near(y)) + below * near(y)) / 400).unwrap());
            }
        }
        bytes
    }

    #[test]
    fn padding_taken_for_none_and_none_for_padding_are_seen() {
        for (width, padded) in [(1296, 1344), (780, 832), (200, 256), (100, 128)] {
            let plain = picture(width, width, 96);
            let wide = picture(width, padded, 96);
            assert_eq!(judge(&plain, width, width, padded), Verdict::Right, "{width}");
            assert_eq!(judge(&plain, width, padded, width), Verdict::Wrong, "{width}");
            assert_eq!(judge(&wide, width, padded, width), Verdict::Right, "{width}");
            assert_eq!(judge(&wide, width, width, padded), Verdict::Wrong, "{width}");
        }
    }

    #[test]
    fn a_flat_picture_stripes_and_noise_say_nothing() {
        let (width, padded) = (200, 256);
        let noise = |at: usize| u8::try_from(at.wrapping_mul(0x9E37_79B1) >> 13 & 0xff).unwrap();
        type Pixel = Box<dyn Fn(usize) -> u8>;
        let cases: [(&str, Pixel); 4] = [
            ("flat", Box::new(|_| 16)),
            ("sensor grain", Box::new(move |at| 100 + noise(at) / 100)),
            ("noise", Box::new(noise)),
            ("rows in turn", Box::new(move |at| if at / width % 2 == 0 { 40 } else { 200 })),
        ];
        for (name, pixel) in cases {
            let luma: Vec<u8> = (0..width * 90).map(pixel).collect();
            assert_eq!(judge(&luma, width, width, padded), Verdict::Unknown, "{name}");
        }
        for short in [0, 1, 455] {
            assert_eq!(judge(&vec![9; short], width, width, padded), Verdict::Unknown);
        }
    }
}
