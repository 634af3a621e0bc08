//! Both encoders against foreign decoders, and the bitrate over every window.

use std::path::Path;
use std::process::{Command, Stdio};

use super::h264::H264;
use super::picture::Picture;
use super::*;
use crate::base::{ChromaMut, FramePool, Layout, RawFrame, Shape};
use crate::mask::{self, Mask, redact};

/// Settings for tests: one thread.
pub(super) fn settings(codec: Codec, bitrate_kbps: u32) -> Settings {
    Settings { codec, bitrate_kbps, threads: 1, ..Settings::default() }
}

/// Pictures that cost something to code, reproducible anywhere.
#[derive(Clone, Copy)]
pub(super) enum Texture {
    /// Ground that moves by a pixel a frame.
    Plain,
    /// The same with the grain of a sensor.
    Drift,
    /// That again, with another scene every 23 frames.
    Cut,
}

impl Texture {
    pub(super) fn paint(self, frame: &mut RawFrame, number: u64) {
        let number = usize::try_from(number).expect("few");
        let (scene, contrast) = match self {
            Self::Plain | Self::Drift => (0, 96),
            Self::Cut => (number / 23, if number / 23 % 2 == 0 { 48 } else { 128 }),
        };
        let (mut luma, chroma) = frame.planes_mut();
        for (y, row) in luma.rows().enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                // Two octaves of ground, in whole numbers.
                let grain = match self {
                    Self::Plain => 0,
                    Self::Drift | Self::Cut => noise(x + number * 131, y + number * 57) / 20,
                };
                let (x, y) = (x + number, y + number);
                let coarse = noise(x / 12 + scene * 977, y / 12) * 3;
                let fine = noise(x / 3, y / 3 + scene * 977);
                *pixel = u8::try_from(64 + (coarse + fine) / 4 * contrast / 255 + grain).expect("at most 204");
            }
        }
        match chroma {
            ChromaMut::I420(mut u, mut v) => {
                u.rows().for_each(|row| row.fill(100));
                v.rows().for_each(|row| row.fill(150));
            }
            ChromaMut::Nv12(mut pairs) => pairs.rows().for_each(|row| {
                row.as_chunks_mut().0.iter_mut().for_each(|pair| *pair = [100, 150]);
            }),
        }
    }

    /// Shows `frames` pictures, captured at 10 a second.
    pub(super) fn play(self, size: Size, layout: Layout, frames: u64, mut show: impl FnMut(&Picture<'_>)) {
        let pool = FramePool::new(Shape::packed(size, layout).aligned(4), 1);
        for number in 0..frames {
            let mut frame = pool.take(number, Micros(number * 100_000));
            self.paint(&mut frame, number);
            show(&Picture::test(&frame));
        }
    }
}

fn noise(x: usize, y: usize) -> usize {
    let mut hash = (x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77)) & 0xFFFF_FFFF;
    hash = ((hash ^ (hash >> 15)) * 0x2C1B_3C6D) & 0xFFFF_FFFF;
    (hash ^ (hash >> 13)) & 0xFF
}

/// A frame that went through the mint; without evidence it is covered whole.
pub(super) fn redacted(frame: RawFrame) -> RedactedFrame {
    let size = frame.size();
    redact(frame, Err(Fault::EvidenceMissing), None, &mut Mask::new(&mask::Settings::default(), size))
}

fn encode(codec: Codec, kbps: u32, size: Size, frames: u64, texture: Texture) -> Vec<AccessUnit> {
    let mut units = Vec::new();
    match codec {
        Codec::Av1 => {
            let mut encoder = av1::Av1::open(&settings(codec, kbps), size, (10, 1), false).expect("opened");
            texture.play(size, Layout::I420, frames, |picture| encoder.encode(picture, &mut units).expect("encoded"));
            encoder.finish(&mut units).expect("finished");
        }
        Codec::H264 => {
            let mut encoder = H264::open(&settings(codec, kbps), size, (10, 1), false).expect("opened");
            texture.play(size, Layout::I420, frames, |picture| encoder.encode(picture, &mut units).expect("encoded"));
        }
    }
    units
}

/// Smallest and largest size of 3 s, per mille of what the bitrate allows.
fn windows(units: &[AccessUnit], kbps: usize) -> (usize, usize) {
    let window = |units: &[AccessUnit]| units.iter().map(|unit| unit.data.len()).sum::<usize>() * 8 / (kbps * 3);
    let sizes = units.windows(30).map(window);
    (sizes.clone().min().expect("3 s"), sizes.max().expect("3 s"))
}

#[test]
fn any_three_seconds_keep_to_the_bitrate() {
    let size = Size::new(160, 96);
    for (codec, kbps) in [(Codec::Av1, 150), (Codec::Av1, 300), (Codec::H264, 150), (Codec::H264, 300)] {
        let (least, most) = windows(&encode(codec, kbps, size, 70, Texture::Drift), kbps.try_into().expect("small"));
        assert!(least >= 850 && most <= 1150, "{codec} at {kbps} kb/s: {least} to {most} per mille");
    }
}

#[test]
fn scene_changes_do_not_break_the_bitrate() {
    for codec in [Codec::Av1, Codec::H264] {
        let (least, most) = windows(&encode(codec, 200, Size::new(160, 96), 100, Texture::Cut), 200);
        assert!(least >= 800 && most <= 1200, "{codec}: {least} to {most} per mille");
    }
}

type Feed = Box<dyn FnMut(&Picture<'_>, &mut Vec<AccessUnit>)>;

/// Ten seconds of a fixed camera, where the sample clip and ffmpeg are there.
#[test]
fn a_real_clip_keeps_to_the_bitrate() {
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/vtest/vtest.avi");
    if !clip.exists() {
        println!("not run: {} absent", clip.display());
        return;
    }
    if !installed("ffmpeg") {
        return;
    }
    let size = Size::new(256, 192);
    let arguments = ["-t", "10", "-vf", "scale=256:192", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"];
    let run = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(&clip).args(arguments).output().expect("runs");
    let pool = FramePool::new(Shape::packed(size, Layout::I420), 1);
    for codec in [Codec::Av1, Codec::H264] {
        let mut encoder: Feed = match codec {
            Codec::Av1 => {
                let mut encoder = av1::Av1::open(&settings(codec, 200), size, (10, 1), false).expect("opened");
                Box::new(move |picture, units| encoder.encode(picture, units).expect("encoded"))
            }
            Codec::H264 => {
                let mut encoder = H264::open(&settings(codec, 200), size, (10, 1), false).expect("opened");
                Box::new(move |picture, units| encoder.encode(picture, units).expect("encoded"))
            }
        };
        let mut units = Vec::new();
        for (number, pixels) in (0..).zip(run.stdout.chunks_exact(pool.shape().bytes())) {
            let mut frame = pool.take(number, Micros(number * 100_000));
            let (luma, rest) = pixels.split_at(size.area());
            let (u, v) = rest.split_at(size.chroma().area());
            let (to_luma, ChromaMut::I420(to_u, to_v)) = frame.planes_mut() else { panic!("layout") };
            to_luma.data.copy_from_slice(luma);
            to_u.data.copy_from_slice(u);
            to_v.data.copy_from_slice(v);
            encoder(&Picture::test(&frame), &mut units);
        }
        assert!(units.len() >= 90, "{codec}: {} units", units.len());
        let (least, most) = windows(&units, 200);
        assert!(least >= 850 && most <= 1150, "{codec}: {least} to {most} per mille");
    }
}

fn installed(program: &str) -> bool {
    let found = Command::new(program)
        .arg("-version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !found {
        println!("not run: {program} absent");
    }
    found
}

/// Decodes `input` with `arguments` into Y4M; gives its size and number of frames.
fn decode(program: &str, arguments: &[&str], output: &Path) -> (Size, usize) {
    let run = Command::new(program).args(arguments).arg(output).output().expect("decoder runs");
    assert!(run.status.success(), "{program}: {}", String::from_utf8_lossy(&run.stderr));
    let bytes = std::fs::read(output).expect("decoded");
    let end = bytes.iter().position(|&byte| byte == b'\n').expect("header");
    let header = std::str::from_utf8(&bytes[..end]).expect("text");
    let number = |tag: char| -> usize {
        let field = header.split(' ').find_map(|field| field.strip_prefix(tag)).expect("field");
        field.parse().expect("number")
    };
    let size = Size::new(number('W'), number('H'));
    let frame = "FRAME\n".len() + size.area() + 2 * size.chroma().area();
    assert_eq!((bytes.len() - end - 1) % frame, 0, "whole frames");
    (size, (bytes.len() - end - 1) / frame)
}

#[test]
fn foreign_decoders_show_every_frame_in_its_size() {
    let directory = tempfile::tempdir().expect("directory");
    let y4m = directory.path().join("decoded.y4m");
    let odd = Size::new(67, 45);
    let even = Size::new(96, 64);
    for (codec, size) in [(Codec::Av1, odd), (Codec::Av1, even), (Codec::H264, even)] {
        let path = directory.path().join("stream");
        let mut file = stream::StreamFile::create(&path, codec, size, (10, 1)).expect("created");
        for unit in encode(codec, 100, size, 24, Texture::Cut) {
            file.write(&unit).expect("written");
        }
        file.finish().expect("finished");
        let input = path.to_str().expect("text");
        let ffmpeg = ["-v", "error", "-xerror", "-y", "-i", input, "-fps_mode", "passthrough", "-f", "yuv4mpegpipe"];
        if installed("ffmpeg") {
            assert_eq!(decode("ffmpeg", &ffmpeg, &y4m), (size, 24), "ffmpeg, {codec}");
        }
        if codec == Codec::Av1 && installed("dav1d") {
            assert_eq!(decode("dav1d", &["-q", "--demuxer", "ivf", "-i", input, "-o"], &y4m), (size, 24), "dav1d");
        }
        if codec == Codec::Av1 && installed("aomdec") {
            assert_eq!(decode("aomdec", &[input, "-o"], &y4m), (size, 24), "aomdec");
        }
    }
}

#[test]
fn redacted_frames_go_in_and_units_come_out() {
    let size = Size::new(64, 48);
    for codec in [Codec::Av1, Codec::H264] {
        let mut encoder = open(&settings(codec, 100), size, (10, 1), true).expect("opened");
        let pool = FramePool::new(Shape::packed(size, Layout::Nv12), 2);
        let mut units = Vec::new();
        for number in 0..7 {
            let mut frame = pool.take(number * 2, Micros(number * 200_000));
            Texture::Drift.paint(&mut frame, number);
            encoder.submit(redacted(frame), &mut units).expect("encoded");
        }
        encoder.finish(&mut units).expect("finished");
        let sequences: Vec<u64> = units.iter().map(|unit| unit.sequence).collect();
        assert_eq!(sequences, [0, 2, 4, 6, 8, 10, 12], "{codec}");
    }
    let frame = FramePool::new(Shape::packed(size, Layout::I420), 1).take(0, Micros(0));
    let mut none = Vec::new();
    Discard.submit(redacted(frame), &mut none).expect("accepted");
    Discard.finish(&mut none).expect("finished");
    assert!(none.is_empty());
}

#[test]
fn what_a_codec_cannot_carry_is_refused_with_the_mend() {
    let refusal = |codec, size, rate| match open(&settings(codec, 100), size, rate, false) {
        Ok(_) => panic!("{size} opened"),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        refusal(Codec::H264, Size::new(65, 48), (10, 1)),
        "encode.codec: H.264 cannot carry 65x48 pictures: use even sides, or AV1 (encode.codec = \"av1\", for a replay \
         `--encoder av1`)"
    );
    assert!(refusal(Codec::H264, Size::new(4096, 2160), (10, 1)).contains("16x16 to 3840x2160"));
    assert!(refusal(Codec::Av1, Size::new(15, 48), (10, 1)).contains("use sides of 16 to 8192 pixels"));
    assert!(refusal(Codec::Av1, Size::new(64, 48), (0, 1)).starts_with("frame rate 0/1: "));
}
