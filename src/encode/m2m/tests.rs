//! The hardware encoder on a real kernel: vicodec's encoder, whose FWHT stands in for H.264. The queues are the same.
//!
//! Run by `scripts/vm`, which names the node; elsewhere each test says that it was not run.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;
use crate::base::{ChromaMut, FramePool, Layout, RawFrame, Shape};
use crate::encode::falling::Falling;
use crate::encode::tests::redacted;
use crate::encode::{Backend, Codec, EncodeError, Encoder, Settings, h264};
use node::Refusal;

/// What vicodec takes at least.
const SMALL: Size = Size::new(640, 480);

/// The node of the test encoder, or a line that says what was not tested.
fn node(test: &str) -> Option<PathBuf> {
    // RUST_LOG=debug shows what the driver refused.
    let _ = env_logger::builder().is_test(true).try_init();
    let node = std::env::var_os("VOILE_TEST_ENCODER").map(PathBuf::from);
    if node.is_none() {
        // Not by eprintln, which the test harness would swallow.
        let _ = writeln!(io::stderr(), "not run: {test}: there is no test encoder here (scripts/vm has one)");
    }
    node
}

fn settings() -> Settings {
    Settings { codec: Codec::H264, backend: Backend::M2m, group_ms: 500, ..Settings::default() }
}

/// What an FWHT unit says of itself in its header: two magic words, then version, width, height and flags, big endian.
pub(super) fn fwht_content(data: &[u8]) -> Content {
    let flags = data.get(20..24).and_then(|bytes| bytes.first_chunk()).map_or(0, |flags| u32::from_be_bytes(*flags));
    if u64::from(flags) & v4l2r::bindings::V4L2_FWHT_FL_I_FRAME != 0 { Content::Key } else { Content::Picture }
}

/// Opens the test encoder for ten frames a second.
fn fwht<F: Shown>(node: &Path, size: Size) -> M2m<F> {
    match M2m::open(node, Coded::Fwht, &settings(), size, (10, 1), false) {
        Ok(encoder) => encoder,
        Err(Refusal::Other) => panic!("{} is no encoder", node.display()),
        Err(Refusal::Unfit(reason)) => panic!("{}: {reason}", node.display()),
    }
}

/// Slow waves, which FWHT keeps well, and a phase by which the frame is known.
fn wave(x: usize, y: usize, number: u64) -> u8 {
    let turn = |at: usize, long: usize| {
        let at = at % long;
        at.min(long - at) * 160 / long
    };
    let number = usize::try_from(number).unwrap();
    u8::try_from(40 + turn(x + 8 * number, 128) + turn(y + 16 * number, 96)).unwrap()
}

fn paint(frame: RawFrame) -> RawFrame {
    let number = frame.sequence();
    show(frame, number)
}

/// Paints picture `number`. One that is shown again is coded by what it shares with the one before.
fn show(mut frame: RawFrame, number: u64) -> RawFrame {
    let (mut luma, chroma) = frame.planes_mut();
    for (y, row) in luma.rows().enumerate() {
        row.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = wave(x, y, number));
    }
    match chroma {
        ChromaMut::I420(mut u, mut v) => {
            u.rows().enumerate().for_each(|(y, row)| row.fill(90 + u8::try_from(y / 16).unwrap()));
            v.rows().enumerate().for_each(|(y, row)| row.fill(180 - u8::try_from(y / 16).unwrap()));
        }
        ChromaMut::Nv12(mut pairs) => pairs.rows().enumerate().for_each(|(y, row)| {
            let down = u8::try_from(y / 16).unwrap();
            row.as_chunks_mut().0.fill([90 + down, 180 - down]);
        }),
    }
    frame
}

fn pool(size: Size, layout: Layout) -> FramePool {
    FramePool::new(Shape::packed(size, layout).aligned(32), 8)
}

/// Frame, group and whether it is a key frame, of each unit.
fn letters(units: &[AccessUnit]) -> String {
    let unit = |unit: &AccessUnit| format!("{}{}{}", unit.sequence, if unit.key { "K" } else { "." }, unit.group);
    units.iter().map(unit).collect::<Vec<_>>().join(" ")
}

#[test]
fn units_come_one_for_one_in_order_with_key_frames_where_they_are_due_or_wished() {
    let Some(node) = node("units come one for one") else { return };
    let mut encoder = fwht(&node, SMALL);
    let pool = pool(SMALL, Layout::I420);
    let mut units = Vec::new();
    for number in 0..14 {
        if number == 7 {
            encoder.key_frame();
        }
        encoder.submit(show(pool.take(number, Micros(1000 + number * 100_000)), 0), &mut units).unwrap();
        assert!(encoder.held.len() <= INSIDE);
    }
    encoder.finish(&mut units).unwrap();
    let expected = "0K0 1.0 2.0 3.0 4.0 5K1 6.1 7K2 8.2 9.2 10.2 11.2 12K3 13.3";
    assert_eq!(letters(&units), expected);
    assert!(units.iter().all(|unit| unit.captured == Micros(1000 + unit.sequence * 100_000) && !unit.data.is_empty()));
    assert!(encoder.take_back().is_none());
}

#[test]
fn stamps_that_repeat_or_jump_break_nothing() {
    let Some(node) = node("stamps that repeat or jump") else { return };
    let mut encoder = fwht(&node, SMALL);
    let pool = pool(SMALL, Layout::I420);
    let mut units = Vec::new();
    for (number, moment) in (0..).zip([5, 5, 4, 0, 100_000, 9_000_000, 9_000_001, u64::MAX]) {
        encoder.submit(show(pool.take(number, Micros(moment)), 0), &mut units).unwrap();
    }
    encoder.finish(&mut units).unwrap();
    assert_eq!(letters(&units), "0K0 1.0 2.0 3.0 4.0 5K1 6.1 7K2");
}

/// Decodes FWHT with the kernel's own decoder, by a foreign program; gives the pictures as packed I420.
fn decoded(units: &[AccessUnit], size: Size) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let (coded, raw) = (directory.path().join("coded"), directory.path().join("raw"));
    let all: Vec<u8> = units.iter().flat_map(|unit| unit.data.iter().copied()).collect();
    fs::write(&coded, all).unwrap();
    let name = |node: &PathBuf| {
        let file = format!("/sys/class/video4linux/{}/name", node.file_name().unwrap().to_str().unwrap());
        fs::read_to_string(file).unwrap_or_default()
    };
    let decoder = node::nodes().into_iter().find(|node| name(node).contains("stateful-decoder")).expect("a decoder");
    let run = Command::new("v4l2-ctl")
        .arg("-d")
        .arg(decoder)
        .args(["-x", &format!("width={},height={},pixelformat=FWHT", size.width, size.height)])
        .args(["--set-fmt-video", "pixelformat=YU12"])
        .args(["--stream-mmap", "--stream-out-mmap"])
        .arg(format!("--stream-from={}", coded.display()))
        .arg(format!("--stream-to={}", raw.display()))
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    fs::read(raw).unwrap()
}

#[test]
fn the_pictures_inside_are_those_that_went_in_whatever_the_layout_and_the_stride() {
    let Some(node) = node("the pictures inside") else { return };
    // 650 makes vicodec pad its rows, and show less than it holds.
    for size in [SMALL, Size::new(650, 496)] {
        for layout in [Layout::I420, Layout::Nv12] {
            let mut encoder = fwht(&node, size);
            let pool = pool(size, layout);
            let mut units = Vec::new();
            for number in 0..7 {
                encoder.submit(paint(pool.take(number, Micros(number * 100_000))), &mut units).unwrap();
            }
            encoder.finish(&mut units).unwrap();
            let raw = decoded(&units, size);
            let whole = size.area() + 2 * size.chroma().area();
            assert_eq!(raw.len(), 7 * whole, "{size} {layout:?}");
            for (number, picture) in (0..).zip(raw.chunks(whole)) {
                let (luma, chroma) = picture.split_at(size.area());
                let wrong =
                    |(at, &is): (usize, &u8)| u64::from(is.abs_diff(wave(at % size.width, at / size.width, number)));
                let off = luma.iter().enumerate().map(wrong).sum::<u64>() * 10 / luma.len() as u64;
                assert!(off < 30, "{size} {layout:?}: frame {number} is off by {off} tenths");
                let (u, v) = chroma.split_at(size.chroma().area());
                for (plane, base, up) in [(u, 90_usize, true), (v, 180, false)] {
                    let wrong = |(at, &is): (usize, &u8)| {
                        let down = at / size.chroma().width / 16;
                        u64::from(is.abs_diff(u8::try_from(if up { base + down } else { base - down }).unwrap()))
                    };
                    let off = plane.iter().enumerate().map(wrong).sum::<u64>() * 10 / plane.len() as u64;
                    assert!(off < 30, "{size} {layout:?}: chroma of frame {number} is off by {off} tenths");
                }
            }
        }
    }
}

#[test]
fn a_node_that_takes_frames_and_returns_nothing_is_given_up_and_gives_the_frames_back() {
    let Some(node) = node("a node that returns nothing") else { return };
    for interval in [33_333, 1_000_000] {
        let mut encoder = fwht(&node, SMALL);
        let pool = pool(SMALL, Layout::I420);
        let mut units = Vec::new();
        for number in 0..2 {
            encoder.submit(paint(pool.take(number, Micros(number * interval))), &mut units).unwrap();
        }
        encoder.finish(&mut units).unwrap();
        // From now on the driver has nowhere to put units, so the kernel never begins with a frame.
        encoder.output.off(&encoder.node.fd).unwrap();
        let mut submitted = 2;
        let ended = loop {
            // The group lasts, so that it is not the restart that fails.
            encoder.group_start = Some(Micros(submitted * interval));
            let ended = encoder.submit(paint(pool.take(submitted, Micros(submitted * interval))), &mut units);
            submitted += 1;
            if ended.is_err() || submitted > 12 {
                break ended;
            }
        };
        assert_eq!(ended, Err(Fault::EncoderFailed));
        let back: Vec<u64> = std::iter::from_fn(|| encoder.take_back()).map(|frame| frame.sequence()).collect();
        assert_eq!(back, (2..submitted).collect::<Vec<_>>(), "every frame without a unit, in order");
        assert!(back.len() <= INSIDE + 1);
        assert_eq!(units.len(), 2);
    }
}

#[test]
fn a_node_that_stops_midway_fails_at_once() {
    let Some(node) = node("a node that stops midway") else { return };
    let mut encoder = fwht(&node, SMALL);
    let pool = pool(SMALL, Layout::I420);
    let mut units = Vec::new();
    encoder.submit(paint(pool.take(0, Micros(0))), &mut units).unwrap();
    encoder.finish(&mut units).unwrap();
    encoder.input.off(&encoder.node.fd).unwrap();
    encoder.output.off(&encoder.node.fd).unwrap();
    assert_eq!(encoder.submit(paint(pool.take(1, Micros(100_000))), &mut units), Err(Fault::EncoderFailed));
    assert_eq!(encoder.take_back().map(|frame| frame.sequence()), Some(1));
}

#[test]
fn when_it_fails_openh264_goes_on_at_a_key_frame_and_no_frame_is_missing() {
    let Some(node) = node("openh264 goes on") else { return };
    let mut encoder: M2m = fwht(&node, SMALL);
    let pool = pool(SMALL, Layout::Nv12);
    let mut units = Vec::new();
    let frame = |number: u64| redacted(paint(pool.take(number, Micros(number * 100_000))));
    for number in 0..3 {
        Fragile::submit(&mut encoder, frame(number), &mut units).unwrap();
    }
    Fragile::finish(&mut encoder, &mut units).unwrap();
    let before = units.len();
    encoder.output.off(&encoder.node.fd).unwrap();
    let open = || -> Result<Box<dyn Encoder>, EncodeError> {
        Ok(Box::new(h264::H264::open(&settings(), SMALL, (10, 1), false)?))
    };
    let mut falling = Falling::new(Box::new(encoder), Box::new(open));
    for number in 3..12 {
        falling.submit(frame(number), &mut units).unwrap();
    }
    falling.finish(&mut units).unwrap();
    assert_eq!(falling.backend(), Backend::Openh264);
    assert_eq!(units.iter().map(|unit| unit.sequence).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
    let first = units.get(before).unwrap();
    assert!(
        first.key && first.data.starts_with(&[0, 0, 0, 1, 0x67]),
        "a sequence parameter set: {:?}",
        &first.data[..8]
    );
}

#[test]
fn what_is_no_encoder_is_not_believed() {
    let Some(node) = node("what is no encoder") else { return };
    let open = |path: &Path, coded| M2m::<RawFrame>::open(path, coded, &settings(), SMALL, (10, 1), false).err();
    for path in node::nodes() {
        let refusal = open(&path, Coded::Fwht);
        assert_eq!(refusal.is_none(), path == node, "{}: {refusal:?}", path.display());
        assert!(matches!(open(&path, Coded::H264), Some(Refusal::Other)), "{} has no H.264", path.display());
    }
    let odd = M2m::<RawFrame>::open(&node, Coded::Fwht, &settings(), Size::new(641, 480), (10, 1), false).err();
    assert!(matches!(odd, Some(Refusal::Unfit(_))));
    let text = M2m::<RawFrame>::find(&settings(), SMALL, (10, 1), false).err().unwrap().to_string();
    assert!(text.starts_with("encode.backend: no hardware encoder: none of the ") && !text.contains('\n'), "{text}");
}

#[test]
fn stubs_and_files_are_not_believed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [Path::new("/dev/null"), Path::new("/dev"), file.path()] {
        let refusal = M2m::<RawFrame>::open(path, Coded::H264, &settings(), SMALL, (10, 1), false).err();
        assert!(matches!(refusal, Some(Refusal::Other)), "{}", path.display());
    }
    let gone = M2m::<RawFrame>::open(Path::new("/dev/video999"), Coded::H264, &settings(), SMALL, (10, 1), false);
    assert!(matches!(gone.err(), Some(Refusal::Unfit(reason)) if reason.contains("No such file")));
}

/// Takes the driver away under an encoder that works, and brings it back. Only where that is asked for, as no other
/// test may use it meanwhile.
#[test]
fn a_driver_that_is_unplugged_fails_at_once() {
    if std::env::var_os("VOILE_TEST_UNPLUG").is_none() {
        let _ = writeln!(io::stderr(), "not run: a driver that is unplugged: VOILE_TEST_UNPLUG is not set");
        return;
    }
    let Some(node) = node("a driver that is unplugged") else { return };
    let mut encoder = fwht(&node, SMALL);
    let pool = pool(SMALL, Layout::I420);
    let mut units = Vec::new();
    encoder.submit(paint(pool.take(0, Micros(0))), &mut units).unwrap();
    encoder.finish(&mut units).unwrap();
    fs::write("/sys/bus/platform/drivers/vicodec/unbind", "vicodec.0").unwrap();
    let ended = encoder.submit(paint(pool.take(1, Micros(100_000))), &mut units);
    let back = encoder.take_back().map(|frame| frame.sequence());
    drop(encoder);
    fs::write("/sys/bus/platform/drivers/vicodec/bind", "vicodec.0").unwrap();
    while !node.exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!((ended, back), (Err(Fault::EncoderFailed), Some(1)));
    let mut again = fwht(&node, SMALL);
    again.submit(paint(pool.take(2, Micros(0))), &mut units).unwrap();
    again.finish(&mut units).unwrap();
    assert_eq!(units.len(), 2, "and it works again");
}
