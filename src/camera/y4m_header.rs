//! The header line of a Y4M stream, understood or refused.
//!
//! Works on one line in memory and asks for no more: sizes are checked before anybody allocates a frame.

use crate::base::Size;

use super::{CameraError, Rate, accepted_size};

/// What a Y4M stream begins with.
pub(super) const MAGIC: &[u8] = b"YUV4MPEG2";
/// Longest header line, the line break not counted, for the stream as for a frame.
pub(super) const MAX_LINE: usize = 1024;

const CONVERT: &str = "convert it: ffmpeg -i IN -pix_fmt yuv420p OUT.y4m";
const SCALE: &str = "scale it: ffmpeg -i IN -vf scale=1920:-2 -pix_fmt yuv420p OUT.y4m";
const NAME_RATE: &str = "name the rate: ffmpeg -r 25 -i IN -pix_fmt yuv420p OUT.y4m";
pub(super) const NO_Y4M: &str = "make a Y4M file of it: ffmpeg -i IN -pix_fmt yuv420p OUT.y4m";

/// What a header line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub size: Size,
    pub rate: Rate,
    /// Luma only; there are no chroma planes in the stream.
    pub mono: bool,
    pub full_range: bool,
}

/// Reads the header `line` (without its line break) of the stream `path`.
///
/// A missing rate counts as 25 a second and a missing colour format as 4:2:0, as ffmpeg has it. Interlacing, pixel
/// aspect and unknown extensions do not change how a frame lies in the stream and are passed over.
pub(super) fn parse(line: &[u8], path: &str) -> Result<Header, CameraError> {
    let refuse = |at: usize, reason: String, mend| {
        Err(CameraError::Header { path: path.to_owned(), byte: at as u64, reason, mend })
    };
    let Some(fields) = line.strip_prefix(MAGIC).filter(|rest| rest.first().is_none_or(|&byte| byte == b' ')) else {
        return refuse(0, "this does not begin with YUV4MPEG2".to_owned(), NO_Y4M);
    };

    let (mut width, mut height) = (None, None);
    let (mut colour, mut subsampling) = (None, None);
    let mut rate = Rate { frames: 25, seconds: 1 };
    let mut full_range = false;
    let mut at = MAGIC.len();
    for field in fields.split(|&byte| byte == b' ') {
        let (place, shown) = (at, || String::from_utf8_lossy(field).escape_default().to_string());
        at += field.len() + 1;
        let Some((&key, value)) = field.split_first() else { continue };
        match key {
            b'W' | b'H' => {
                let Some(side) = number(value) else {
                    return refuse(place, format!("\"{}\" is no size", shown()), NO_Y4M);
                };
                *(if key == b'W' { &mut width } else { &mut height }) = Some((place, side));
            }
            b'F' => {
                rate = match ratio(value) {
                    Some(rate) => rate,
                    None => return refuse(place, format!("\"{}\" is no frame rate", shown()), NAME_RATE),
                }
            }
            b'C' => colour = Some((place, value)),
            b'X' => match value.split_at_checked(b"YSCSS=".len()) {
                Some((b"YSCSS=", value)) => subsampling = Some((place, value)),
                _ => full_range |= value == b"COLORRANGE=FULL",
            },
            _ => {}
        }
    }

    // The old extension counts only where the field proper is missing.
    let (place, value) = colour.or(subsampling).unwrap_or((0, b"420"));
    let mono = match value.to_ascii_lowercase().as_slice() {
        b"mono" => true,
        b"420" | b"420jpeg" | b"420mpeg2" | b"420paldv" => false,
        _ => {
            let shown = String::from_utf8_lossy(value).escape_default().to_string();
            return refuse(place, format!("colour format {shown} is not 8-bit 4:2:0 or mono"), CONVERT);
        }
    };
    let (Some((place, width)), Some((_, height))) = (width, height) else {
        return refuse(at.saturating_sub(1), "the header names no width or no height".to_owned(), NO_Y4M);
    };
    match accepted_size(width, height) {
        Ok(size) => Ok(Header { size, rate, mono, full_range }),
        Err(reason) => refuse(place, reason, if width == 0 || height == 0 { NO_Y4M } else { SCALE }),
    }
}

/// Decimal digits and nothing else.
fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Two numbers of at least 1 with a colon between them.
fn ratio(text: &[u8]) -> Option<Rate> {
    let mut parts = text.splitn(2, |&byte| byte == b':');
    let mut part = || u32::try_from(number(parts.next()?)?).ok().filter(|&part| part > 0);
    Some(Rate { frames: part()?, seconds: part()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> String {
        parse(line.as_bytes(), "a.y4m").unwrap_err().to_string()
    }

    #[test]
    fn headers_in_use_are_understood() {
        let size = Size::new(33, 15);
        let plain = Header { size, rate: Rate { frames: 25, seconds: 1 }, mono: false, full_range: false };
        let cases = [
            ("YUV4MPEG2 W33 H15", plain),
            (
                "YUV4MPEG2 W33 H15 F30000:1001 Ip A1:1 C420jpeg XYSCSS=420JPEG XCOLORRANGE=LIMITED",
                Header { rate: Rate { frames: 30000, seconds: 1001 }, ..plain },
            ),
            ("YUV4MPEG2 C420mpeg2  H15 XYSCSS=444 W33 A0:0", plain),
            ("YUV4MPEG2 W33 H15 C420paldv XCOLORRANGE=FULL", Header { full_range: true, ..plain }),
            ("YUV4MPEG2 W33 H15 Cmono", Header { mono: true, ..plain }),
            ("YUV4MPEG2 W33 H15 XYSCSS=420PALDV", plain),
        ];
        for (line, header) in cases {
            assert_eq!(parse(line.as_bytes(), "a.y4m").unwrap(), header, "{line}");
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_with_its_place_and_mend() {
        let tail = "is not 8-bit 4:2:0 or mono: convert it: ffmpeg -i IN -pix_fmt yuv420p OUT.y4m";
        for format in ["444", "422", "411", "420p10", "420p12", "mono16", "444alpha", "", "\\u{fffd}"] {
            let raw = format.replace("\\u{fffd}", "\u{fffd}");
            let text = message(&format!("YUV4MPEG2 W64 H48 F25:1 C{raw}"));
            assert_eq!(text, format!("a.y4m: byte 24: colour format {format} {tail}"));
        }
        assert!(message("YUV4MPEG2 W64 H48 XYSCSS=444").starts_with("a.y4m: byte 18: colour format 444 is not"));
    }

    #[test]
    fn hostile_sizes_and_rates_are_refused() {
        let nothing = "a.y4m: byte 10: the picture is 0x0, there is nothing in it: ";
        assert!(message("YUV4MPEG2 W0 H0").starts_with(nothing));
        let large =
            "a.y4m: byte 10: the picture is 16384x16384, more than 8192 on a side or 35389440 pixels: scale it: ";
        assert!(message("YUV4MPEG2 W16384 H16384 F25:1").starts_with(large));
        assert!(message("YUV4MPEG2 W4294967296 H4294967296").contains("4294967296x4294967296"));
        for line in ["W99999999999999999999 H1", "W+5 H5", "W H5", "W-1 H5", "W5x H5"] {
            assert!(message(&format!("YUV4MPEG2 {line}")).contains("is no size"), "{line}");
        }
        for rate in ["0:0", "25:0", "0:1", "25", "4294967296:1", "25:-1", ":"] {
            let text = message(&format!("YUV4MPEG2 W8 H8 F{rate}"));
            assert!(
                text.starts_with(&format!("a.y4m: byte 16: \"F{rate}\" is no frame rate: name the rate")),
                "{text}"
            );
        }
        assert!(message("YUV4MPEG2 W8").starts_with("a.y4m: byte 12: the header names no width or no height"));
        assert!(message("YUV4MPEG2").starts_with("a.y4m: byte 9: the header names no width"));
        assert!(message("YUV4MPEG3 W8 H8").starts_with("a.y4m: byte 0: this does not begin with YUV4MPEG2"));
        assert!(message("YUV4MPEG22 W8 H8").starts_with("a.y4m: byte 0:"));
    }
}
