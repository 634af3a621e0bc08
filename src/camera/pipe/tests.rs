//! The pipe camera on real programs: sh, cat, true, head and, where it is installed, ffmpeg.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use super::*;
use crate::base::clock::SimulatedClock;
use crate::base::{Chroma, Micros};

const SIZE: Size = Size::new(8, 4);
const WHOLE: usize = 8 * 4 * 3 / 2;

fn start(written: &str, size: Size) -> Result<Pipe, CameraError> {
    Pipe::start(written, size, 10)
}

/// How many frames came, and the error after them.
fn played(written: &str) -> (u64, Option<String>) {
    let mut camera = match start(written, SIZE) {
        Ok(camera) => camera,
        Err(error) => return (0, Some(error.to_string())),
    };
    let pool = FramePool::new(camera.mode().shape, 1);
    let mut count = 0;
    loop {
        match camera.next(&pool) {
            Ok(Some(frame)) => {
                assert_eq!(frame.sequence(), count);
                count += 1;
            }
            end => {
                assert!(camera.next(&pool).unwrap().is_none(), "nothing after the end");
                let text = end.err().map(|error| error.to_string());
                assert!(text.iter().all(|text| !text.contains('\n')), "{text:?}");
                return (count, text);
            }
        }
    }
}

/// What follows the command line in the error of a program that a shell plays.
fn fake(script: &str) -> (u64, String) {
    let (count, text) = played(&format!("sh -c '{script}'"));
    let text = text.unwrap();
    assert!(text.starts_with("pipe:sh -c '"), "{text}");
    (count, text.split_once(": frame ").unwrap().1.to_owned())
}

#[test]
fn frames_are_read_whole_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("two words.yuv");
    let bytes: Vec<u8> = (0..3 * WHOLE).map(|at| u8::try_from(at % 251).unwrap()).collect();
    fs::write(&path, &bytes).unwrap();
    for strides in [None, Some(16)] {
        let mut camera = start(&format!("cat '{}'", path.display()), SIZE).unwrap();
        let shape = camera.mode().shape;
        let pool = FramePool::new(strides.map_or(shape, |align| shape.aligned(align)), 1);
        for expected in bytes.chunks(WHOLE) {
            let frame = camera.next(&pool).unwrap().unwrap();
            let Chroma::I420(u, v) = frame.chroma() else { panic!("layout") };
            let got: Vec<u8> = frame.luma().rows().chain(u.rows()).chain(v.rows()).flatten().copied().collect();
            assert_eq!(got, expected);
        }
        assert!(camera.next(&pool).unwrap().is_none(), "cat has ended well");
    }
}

#[test]
fn padded_rows_lose_their_padding() {
    // rpicam-vid's name on a program that writes as it does: 8 pixels, 64 bytes.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rpicam-vid");
    let script = "#!/bin/sh\nhead -c 384 /dev/zero | tr '\\0' P\n";
    // A shell writes it, so that no other test's child can hold it open for writing while it is started.
    let write = "printf '%s' \"$2\" > \"$1\" && chmod +x \"$1\"";
    assert!(Command::new("sh").args(["-c", write, "sh"]).arg(&path).arg(script).status().unwrap().success());
    let line = format!("{} -t 0 --codec yuv420 --width 8 --height 4 -o -", path.display());
    for align in [1, 128] {
        let mut camera = start(&line, SIZE).unwrap();
        let mode = camera.mode();
        assert_eq!((mode.shape.luma_stride, mode.shape.chroma_stride, mode.full_range), (64, 32, true));
        let pool = FramePool::new(mode.shape.aligned(align), 1);
        let frame = camera.next(&pool).unwrap().unwrap();
        let Chroma::I420(u, v) = frame.chroma() else { panic!("layout") };
        for plane in [frame.luma(), u, v] {
            assert!(plane.rows().flatten().all(|&byte| byte == b'P'));
            let beside = |row: &[u8]| row.iter().skip(plane.width).all(|&byte| byte == 0);
            assert!(plane.data.chunks(plane.stride).all(beside), "nothing is left beside the picture");
        }
        drop(frame);
        assert!(camera.next(&pool).unwrap().is_none(), "384 bytes are one frame");
    }
}

#[test]
fn the_arrival_of_the_first_byte_is_the_stamp() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().unwrap().success());
    let script = format!("head -c 48 /dev/zero; head -c 40 /dev/zero; cat {} ; head -c 8 /dev/zero", gate.display());
    let clock = SimulatedClock::default();
    clock.set(Micros(500));
    let mut camera = Pipe::start(&format!("sh -c '{script}'"), SIZE, 10).unwrap();
    camera.begin(Arc::new(clock.clone()), Arc::default());
    let pool = FramePool::new(camera.mode().shape, 2);
    assert_eq!(camera.next(&pool).unwrap().unwrap().captured(), Micros(500));
    clock.set(Micros(900));
    let later = clock.clone();
    let opener = std::thread::spawn(move || {
        // The second frame has begun long ago when the rest of it comes; this moment must not be its stamp.
        std::thread::sleep(Duration::from_millis(200));
        later.set(Micros(7000));
        fs::write(gate, "").unwrap();
    });
    assert_eq!(camera.next(&pool).unwrap().unwrap().captured(), Micros(900));
    opener.join().unwrap();
}

#[test]
fn a_program_that_dies_midway_leaves_its_frames_and_an_error() {
    let (count, text) = fake("head -c 96 /dev/zero; echo lost the sensor >&2; kill -9 $$");
    assert_eq!((count, text.as_str()), (2, &*format!("2: the program ended with signal 9 (lost the sensor): {TRY}")));
    let (count, text) = fake("head -c 48 /dev/zero; exit 3");
    assert_eq!((count, text.as_str()), (1, &*format!("1: the program ended with exit status 3: {TRY}")));
    // Only what is not whole is lost.
    let (count, text) = fake("head -c 100 /dev/zero; echo full >&2");
    let cut = "2: the program ended with exit status 0 after 4 of 48 bytes (full): ";
    assert_eq!((count, text.as_str()), (2, &*format!("{cut}{TRY}")));
    let (_, text) = fake("head -c 100 /dev/zero; echo words; exec sleep 600 >&-");
    assert!(text.starts_with("2: the program ended with signal 9 after 10 of 48 bytes: "), "{text}");
}

#[test]
fn a_program_that_gives_nothing_is_an_error_and_a_clip_that_is_over_is_not() {
    assert_eq!(played("true"), (0, Some(format!("pipe:true: frame 0: the program ended with exit status 0: {TRY}"))));
    assert_eq!(
        fake("echo no cameras available >&2; exit 255").1.split_once(": r").unwrap().0,
        "0: the program ended with exit status 255 (no cameras available)"
    );
    assert_eq!(played("head -c 480 /dev/zero"), (10, None));
}

#[test]
fn a_program_that_falls_silent_is_given_up_however_much_it_complains() {
    let (count, text) = fake("head -c 50 /dev/zero; while :; do echo waiting for the sensor; sleep 0.01; done >&2");
    assert_eq!(count, 1);
    assert_eq!(text, format!("1: the program wrote nothing for 2 s (waiting for the sensor): {TRY}"));
}

#[test]
fn what_cannot_be_started_is_one_line_with_the_mend() {
    for (written, expected) in [
        (
            "/nonexistent/rpicam -o -",
            "pipe:/nonexistent/rpicam -o -: /nonexistent/rpicam cannot be started: No such file or \
          directory (os error 2): install it, or name its whole path; only /bin and /usr/bin are looked through",
        ),
        (
            "no-such-camera",
            "pipe:no-such-camera: no-such-camera cannot be started: No such file or directory (os error 2): \
          install it, or name its whole path; only /bin and /usr/bin are looked through",
        ),
        (
            "/etc/passwd",
            "pipe:/etc/passwd: /etc/passwd cannot be started: Permission denied (os error 13): install it, or \
          name its whole path; only /bin and /usr/bin are looked through",
        ),
        (
            "cat 'x",
            "pipe:cat 'x: a quote or a backslash has no end: give each quote its partner; a backslash or a # that is \
          meant needs quotes",
        ),
        (
            "rpicam-vid -o -",
            "pipe:rpicam-vid -o -: --width is missing and not 8: ask the program for the same as \
          camera.width",
        ),
    ] {
        assert_eq!(start(written, SIZE).err().unwrap().to_string(), expected);
    }
    let long =
        start(&format!("/nonexistent/{}\n{}", "a".repeat(80), "b ".repeat(4000)), SIZE).err().unwrap().to_string();
    assert!(long.len() < 500 && !long.contains('\n'), "{long}");
}

#[test]
fn a_dropped_camera_leaves_no_program_behind() {
    let directory = tempfile::tempdir().unwrap();
    let note = directory.path().join("number");
    let script = format!("echo $$ > {}; head -c 48 /dev/zero; trap \"\" PIPE; exec sleep 600", note.display());
    let mut camera = start(&format!("sh -c '{script}'"), SIZE).unwrap();
    assert!(camera.next(&FramePool::new(camera.mode().shape, 1)).unwrap().is_some());
    let number = fs::read_to_string(note).unwrap();
    drop(camera);
    assert!(!Path::new("/proc").join(number.trim()).exists());
}

#[test]
fn the_program_hears_nothing_of_our_standard_input() {
    let (_, text) = fake("echo it is $(readlink /proc/$$/fd/0), and $(wc -c) bytes >&2");
    assert!(text.contains("(it is /dev/null, and 0 bytes)"), "{text}");
}

#[test]
fn no_thread_is_started() {
    let threads = || {
        let list = fs::read_dir("/proc/self/task").unwrap().flatten();
        list.filter(|thread| {
            let name = fs::read_to_string(thread.path().join("comm")).unwrap_or_default();
            // The harness names its threads after the tests.
            !name.starts_with("camera::") && !name.starts_with("leaf")
        })
        .count()
    };
    let before = threads();
    let _camera = start("cat /dev/zero", SIZE).unwrap();
    assert!(threads() <= before);
}

/// A moving picture by the real ffmpeg, on its standard output.
fn ffmpeg(size: &str, more: &str) -> Option<String> {
    let there = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        // Not by eprintln, which the test harness would swallow.
        let _ = writeln!(io::stderr(), "not run: a pipe camera on ffmpeg: there is no ffmpeg here");
    }
    let source = format!("-f lavfi -i testsrc2=size={size}:rate=10:duration=2 {more} -pix_fmt yuv420p -f rawvideo -");
    there.then(|| format!("ffmpeg -nostdin -v error {source}"))
}

#[test]
fn ffmpeg_in_its_place_gives_every_frame_and_stamps_that_never_go_back() {
    let Some(line) = ffmpeg("1296x972", "") else { return };
    let mut camera = Pipe::start(&line, Size::new(1296, 972), 10).unwrap();
    let pool = FramePool::new(camera.mode().shape, 2);
    let (mut count, mut last) = (0, None);
    while let Some(frame) = camera.next(&pool).unwrap() {
        assert!(last.is_none_or(|last| last < frame.captured()));
        last = Some(frame.captured());
        count += 1;
    }
    assert_eq!(count, 20);
}

#[test]
fn a_picture_read_at_the_wrong_row_length_is_no_picture() {
    // What a wrapper around rpicam-vid would write: 1296 pixels in rows of 1344.
    let Some(line) = ffmpeg("1296x972", "-vf pad=1344:972:0:0") else { return };
    let mut camera = start(&line, Size::new(1296, 972)).unwrap();
    let text = camera.next(&FramePool::new(camera.mode().shape, 1)).err().unwrap().to_string();
    let mend = "name rpicam-vid itself if it is what runs";
    assert!(text.contains("frame 0: rows are 1344 bytes apart and not 1296") && text.contains(mend), "{text}");
}
