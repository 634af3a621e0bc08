//! Correlation and PSNR by hand, and one real stream through the real decoders.

use super::*;
use crate::base::{Layout, Micros, Shape};
use crate::camera::{Mode, Rate};

const SIZE: Size = Size::new(32, 16);

fn plane(bytes: &[u8]) -> Plane<'_> {
    Plane { data: bytes, stride: 32, width: 32, height: 16 }
}

/// Columns alternate between `low` and `high`; the right cell is flat at 100.
fn stripes(low: u8, high: u8) -> Vec<u8> {
    let pixel = |index: usize| match index % 32 {
        x if x >= 16 => 100,
        x if x % 2 == 0 => low,
        _ => high,
    };
    (0..SIZE.area()).map(pixel).collect()
}

fn correlation(source: &[u8], decoded: &[u8], mask: &[u8]) -> Measured {
    let mut sums = Sums::default();
    sums.add(plane(source), plane(decoded), plane(mask), SIZE);
    sums.leak_correlation()
}

#[test]
fn correlation_by_hand() {
    let covered = vec![255; SIZE.area()];
    let source = stripes(90, 110);
    assert_eq!(correlation(&source, &source, &covered), Ok(1.0));
    assert_eq!(correlation(&source, &stripes(110, 90), &covered), Ok(1.0), "a negative shows as much");
    // Deviation 1 is flat; 1.5 is not any more.
    assert_eq!(correlation(&source, &stripes(99, 101), &covered), Ok(0.0));
    assert_eq!(correlation(&source, &stripes(100, 103), &covered), Ok(1.0));
    // Deviation 4 in the source is no texture yet; the right cell never has any.
    assert!(correlation(&stripes(96, 104), &source, &covered).is_err());
    assert_eq!(correlation(&stripes(95, 105), &source, &covered), Ok(1.0));
    // Rows against columns have nothing in common.
    let rows: Vec<u8> = (0..SIZE.area()).map(|index| if index / 32 % 2 == 0 { 90 } else { 110 }).collect();
    assert_eq!(correlation(&source, &rows, &covered), Ok(0.0));
    // One clear pixel, and the cell is not covered; slates are.
    let mut hole = covered.clone();
    hole[33] = 0;
    assert!(correlation(&source, &source, &hole).is_err());
    assert_eq!(correlation(&source, &source, &vec![128; SIZE.area()]), Ok(1.0));
}

#[test]
fn the_percentile_is_the_99th() {
    let mut sums = Sums::default();
    sums.cells[0] = 99;
    sums.cells[700] = 1;
    assert_eq!(sums.leak_correlation(), Ok(0.0));
    sums.cells[700] = 2;
    assert_eq!(sums.leak_correlation(), Ok(0.7));
}

#[test]
fn psnr_counts_clear_pixels_only() {
    let source = vec![100; SIZE.area()];
    let mut decoded = source.clone();
    decoded[0] = 200;
    decoded[1] = 110;
    let mut mask = vec![0; SIZE.area()];
    mask[0] = 255;
    let mut sums = Sums::default();
    sums.add(plane(&source), plane(&decoded), plane(&mask), SIZE);
    let mean = 100.0 / 511.0;
    assert_eq!(sums.psnr_clear_db(), Ok(10.0 * (65025.0f64 / mean).log10()));
    let mut sums = Sums::default();
    sums.add(plane(&source), plane(&source), plane(&mask), SIZE);
    assert_eq!(sums.psnr_clear_db(), Ok(100.0));
    assert!(Sums::default().psnr_clear_db().is_err());
}

/// Ten frames of moving stripes; frame 4 is never delivered.
struct Stripes(u64);

fn drawn(sequence: u64) -> impl Fn(usize, usize) -> u8 {
    move |x, y| if (x + y + usize::try_from(sequence).unwrap()) / 4 % 2 == 0 { 60 } else { 180 }
}

impl Camera for Stripes {
    fn mode(&self) -> Mode {
        let shape = Shape::packed(Size::new(64, 64), Layout::I420);
        Mode { shape, rate: Rate { frames: 25, seconds: 1 }, full_range: false, frames: None }
    }

    fn next(&mut self, pool: &FramePool) -> Result<Option<RawFrame>, CameraError> {
        if self.0 == 10 {
            return Ok(None);
        }
        let mut frame = pool.take(self.0, Micros(self.0 * 40_000));
        for (y, row) in frame.planes_mut().0.rows().enumerate() {
            row.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = drawn(self.0)(x, y));
        }
        self.0 += if self.0 == 3 { 2 } else { 1 };
        Ok(Some(frame))
    }
}

/// Encodes with ffmpeg what a redaction of `Stripes` would be; `None` where ffmpeg or its encoder is missing.
fn stream(directory: &Path, name: &str, sent: &[u64], words: &[&str]) -> Option<std::path::PathBuf> {
    let mut raw = Vec::new();
    for &sequence in sent {
        let pixel = |index: usize| {
            let (x, y) = (index % 64, index / 64);
            if x < 32 { 90 } else { drawn(sequence)(x, y) }
        };
        raw.extend((0..64 * 64).map(pixel));
        raw.extend([128; 2 * 32 * 32]);
    }
    std::fs::write(directory.join("raw.yuv"), raw).unwrap();
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "64x64", "-r", "25", "-i"]);
    ffmpeg.arg(directory.join("raw.yuv")).args(words).arg(directory.join(name));
    let done = ffmpeg.stdin(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    done.then(|| directory.join(name))
}

/// `coverage.y4m` for it: the left half covered.
fn coverage(directory: &Path, frames: usize) -> std::path::PathBuf {
    let mut bytes = b"YUV4MPEG2 W64 H64 F25:1 Ip A1:1 Cmono\n".to_vec();
    for _ in 0..frames {
        bytes.extend_from_slice(b"FRAME\n");
        bytes.extend((0..64 * 64).map(|index| if index % 64 < 32 { 255 } else { 0 }));
    }
    std::fs::write(directory.join("coverage.y4m"), bytes).unwrap();
    directory.join("coverage.y4m")
}

#[test]
fn real_streams_are_compared_frame_by_frame() {
    let directory = tempfile::tempdir().unwrap();
    let numbers = [0, 1, 2, 3, 5, 6, 7, 8, 9];
    let sent: SentFrames = numbers.into_iter().collect();
    let mask = coverage(directory.path(), numbers.len());
    let h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", "-tune", "zerolatency"];
    let h264_full = [h264.as_slice(), &["-color_range", "pc"]].concat();
    let av1 = ["-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "20", "-b:v", "0", "-usage", "realtime"];
    for (name, words, codec) in [
        ("a.h264", h264.as_slice(), Codec::H264),
        ("full.h264", h264_full.as_slice(), Codec::H264),
        ("a.ivf", av1.as_slice(), Codec::Av1),
    ] {
        let Some(path) = stream(directory.path(), name, &numbers, words) else {
            eprintln!("not run: no ffmpeg with the encoder for {name}");
            continue;
        };
        let reopen: Reopen<'_> = Box::new(|| Ok(Box::new(Stripes(0)) as Box<dyn Camera>));
        let decoded = examine(&path, codec, &mask, Ok(reopen), &sent);
        assert_eq!(decoded.frames, Ok(9), "{name}");
        assert!(decoded.leak_correlation.unwrap() <= 0.1, "{name}");
        assert!(decoded.psnr_clear_db.unwrap() > 30.0, "{name}");
        // Without the source the frames are counted all the same.
        let decoded = examine(&path, codec, &mask, Err("standard input cannot be read twice".to_owned()), &sent);
        assert_eq!((decoded.frames, decoded.leak_correlation.is_err()), (Ok(9), true), "{name}");
    }
}

#[test]
fn a_decoder_that_gives_nothing_leaves_it_to_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let mask = coverage(directory.path(), 1);
    let sent: SentFrames = [0].into_iter().collect();
    let shell = |script: &str| ("sh", vec![OsString::from("-c"), OsString::from(script)]);
    let frame = "printf 'YUV4MPEG2 W64 H64 F25:1 Ip A1:1 Cmono\\nFRAME\\n'; head -c 4096 /dev/zero";
    let absent: Candidate = ("no-such-decoder", Vec::new());
    let run = |decoders: &[Candidate]| {
        let reopen: Reopen<'_> = Box::new(|| Ok(Box::new(Stripes(0)) as Box<dyn Camera>));
        decode(decoders, &mask, Ok(reopen), &sent)
    };
    let found = run(&[absent.clone(), shell("exit 8"), shell(frame)]);
    assert_eq!((found.frames, found.decoder, found.psnr_clear_db.is_ok()), (Ok(1), Some("sh"), true));
    // What breaks off later has been compared in part, and is not begun anew.
    let broken = run(&[shell(&format!("{frame}; exit 8")), shell(frame)]);
    assert_eq!(broken.frames, Err("sh stopped with exit status: 8 after 1 frames".to_owned()));
    assert_eq!(run(&[absent]).frames, Err("not installed: no-such-decoder".to_owned()));
}

#[test]
fn a_damaged_stream_gives_a_reason() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.ivf");
    std::fs::write(&path, b"no stream").unwrap();
    let reopen: Reopen<'_> = Box::new(|| Ok(Box::new(Stripes(0)) as Box<dyn Camera>));
    let decoded = examine(&path, Codec::Av1, &coverage(directory.path(), 1), Ok(reopen), &SentFrames::default());
    assert!(decoded.frames.is_err() && decoded.leak_correlation.is_err() && decoded.psnr_clear_db.is_err());
}
