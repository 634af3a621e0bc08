//! ffmpeg as a child: the real one where it is installed, and scripts that play it badly.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::*;
use crate::base::{Micros, Size};
use crate::camera::{Rate, Y4mFormat, Y4mWriter};

const HEADER: &str = "printf 'YUV4MPEG2 W4 H2 F10:1 C420mpeg2\\n'\n";
const FRAME: &str = "printf 'FRAME\\nabcdefghijkl'\n";

/// A program in `directory` that does what `script` says. A shell writes it, so that no other test's child can hold it
/// open for writing while it is started.
fn program(directory: &Path, script: &str) -> Programs {
    let path = directory.join("player");
    let write = "printf '%s' \"$2\" > \"$1\" && chmod +x \"$1\"";
    let script = format!("#!/bin/sh\n{script}");
    let done = Command::new("sh").args(["-c", write, "sh"]).arg(&path).arg(script).status().unwrap();
    assert!(done.success());
    Programs { ffmpeg: path.into(), ffprobe: "/nonexistent/ffprobe".into() }
}

fn clip(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, "a clip\n").unwrap();
    path
}

/// How many frames came, and the error after them, with the directory cut out.
fn played(path: &Path, programs: &Programs, frames: Option<u64>) -> (u64, Option<String>) {
    let text = |error: CameraError| error.to_string().replace(path.parent().unwrap().to_str().unwrap(), "DIR");
    let mut camera = match Ffmpeg::open(path, programs, frames) {
        Ok(camera) => camera,
        Err(error) => return (0, Some(text(error))),
    };
    let pool = FramePool::new(camera.mode().shape, 1);
    let mut count = 0;
    loop {
        match camera.next(&pool) {
            Ok(Some(frame)) => {
                assert_eq!((frame.sequence(), frame.captured()), (count, camera.mode().rate.moment(count)));
                count += 1;
            }
            end => {
                assert!(camera.next(&pool).unwrap().is_none(), "nothing after the end");
                return (count, end.err().map(text));
            }
        }
    }
}

fn fake(script: &str, frames: Option<u64>) -> (u64, Option<String>) {
    let directory = tempfile::tempdir().unwrap();
    played(&clip(directory.path(), "a.mp4"), &program(directory.path(), script), frames)
}

#[test]
fn a_player_that_is_killed_midway_leaves_its_frames_and_an_error() {
    let (count, text) =
        fake(&format!("{HEADER}{FRAME}{FRAME}echo one two >&2\nprintf 'FRAME\\nabc'\nkill -9 $$"), None);
    let start = "DIR/a.mp4: frame 2: ffmpeg ended with signal 9 (one two): the frames before it are kept; ";
    assert_eq!(count, 2);
    assert!(text.as_ref().unwrap().starts_with(start), "{text:?}");
    // Killed between two frames, the stream alone looks well.
    let (count, text) = fake(&format!("{HEADER}{FRAME}kill -9 $$"), None);
    assert_eq!(count, 1);
    assert!(text.as_ref().unwrap().starts_with("DIR/a.mp4: frame 1: ffmpeg ended with signal 9 (it gave no reason): "));
    let (count, text) = fake(&format!("{HEADER}{FRAME}exit 3"), None);
    assert_eq!(count, 1);
    assert!(text.as_ref().unwrap().starts_with("DIR/a.mp4: frame 1: ffmpeg ended with exit status 3 "));
}

#[test]
fn reasons_come_without_names_and_addresses() {
    assert_eq!(bare("file:a.mp4: Invalid data", "file:a.mp4"), "Invalid data");
    assert_eq!(
        bare("[vist#0:0/h264 @ 0x55a] [dec:h264 @ 0x55f7] Decoding error: Invalid", "file:a"),
        "Decoding error: Invalid"
    );
    assert_eq!(bare("[half a tag", "file:a"), "[half a tag");
}

#[test]
fn fewer_frames_than_claimed_are_an_error_only_with_a_complaint() {
    let two = format!("{HEADER}{FRAME}{FRAME}");
    assert_eq!(fake(&two, Some(5)), (2, None));
    let complaining = format!("{two}echo 'partial file' >&2");
    assert_eq!(fake(&complaining, Some(2)), (2, None));
    assert_eq!(fake(&format!("{two}echo 'odd colours' >&2"), None), (2, None));
    let (count, text) = fake(&complaining, None);
    let start =
        "DIR/a.mp4: frame 2: ffmpeg found no more and says that the file is cut (partial file): the frames before";
    assert_eq!(count, 2);
    assert!(text.as_ref().unwrap().starts_with(start), "{text:?}");
    let (count, text) = fake(&complaining, Some(5));
    let start = "DIR/a.mp4: frame 2: ffmpeg found no more although the file claims 5 frames (partial file): the frames";
    assert_eq!(count, 2);
    assert!(text.as_ref().unwrap().starts_with(start), "{text:?}");
}

#[test]
fn a_player_that_gives_nothing_or_too_much_is_refused() {
    let (_, text) = fake("echo noise >&2; echo \"$6: Invalid data\" >&2; exit 1", None);
    let end = "name a video file; ffprobe shows what ffmpeg makes of it";
    assert!(text.unwrap().ends_with(end));
    let (_, text) = fake("exit 0", None);
    assert_eq!(text.unwrap(), format!("DIR/a.mp4: ffmpeg cannot read it (no picture in it, exit status 0): {end}"));
    let (_, text) = fake("printf 'YUV4MPEG2 W16384 H16384 F1:1\\n'; exec cat /dev/zero", None);
    assert!(text.unwrap().starts_with("DIR/a.mp4: byte 10: the picture is 16384x16384, more than 8192 on a side"));
}

#[test]
fn absence_is_one_line_with_the_mend() {
    let directory = tempfile::tempdir().unwrap();
    let programs = Programs { ffmpeg: "/nonexistent/ffmpeg".into(), ..Programs::default() };
    let (_, text) = played(&clip(directory.path(), "a.mp4"), &programs, None);
    assert_eq!(
        text.unwrap(),
        "DIR/a.mp4: cannot start /nonexistent/ffmpeg to read it (No such file or directory (os error 2)): \
         install it (apt install ffmpeg), or convert the clip elsewhere: ffmpeg -i IN -pix_fmt yuv420p OUT.y4m"
    );
}

#[test]
fn names_are_never_options_addresses_or_shell_words() {
    let directory = tempfile::tempdir().unwrap();
    let seen = directory.path().join("seen");
    let script = format!("for word; do printf '%s\\n' \"$word\"; done > '{}'\n{HEADER}{FRAME}", seen.display());
    let programs = program(directory.path(), &script);
    for name in ["-i.mp4", "http:a.mp4", "$(touch x) 'y'.mp4"] {
        let path = clip(directory.path(), name);
        assert_eq!(played(&path, &programs, None), (1, None));
        let words = fs::read_to_string(&seen).unwrap();
        assert!(words.starts_with("-nostdin\n-v\nerror\n-protocol_whitelist\nfile\n-i\n"), "{words}");
        assert!(words.contains(&format!("\nfile:{}\n-map\n", path.display())), "{words}");
        assert!(words.ends_with("\n-f\nyuv4mpegpipe\n-strict\n-1\npipe:1\n"), "{words}");
    }
}

#[test]
fn old_versions_are_asked_again_in_their_own_words() {
    let old = format!(
        "for word; do if [ \"$word\" = -fps_mode ]; then echo \"Unrecognized option 'fps_mode'.\" >&2; \
         echo 'Error splitting the argument list: Option not found' >&2; exit 1; fi; done\n{HEADER}{FRAME}"
    );
    assert_eq!(fake(&old, None), (1, None));
}

#[test]
fn a_dropped_camera_leaves_no_child_behind() {
    let directory = tempfile::tempdir().unwrap();
    let note = directory.path().join("number");
    let script = format!("echo $$ > '{}'\n{HEADER}while :; do {FRAME}done", note.display());
    let programs = program(directory.path(), &script);
    let mut camera = Ffmpeg::open(&clip(directory.path(), "a.mp4"), &programs, None).unwrap();
    assert!(camera.next(&FramePool::new(camera.mode().shape, 1)).unwrap().is_some());
    let number = fs::read_to_string(note).unwrap();
    drop(camera);
    assert!(!Path::new("/proc").join(number.trim()).exists());
}

/// The real program, or a line that says what was not tested.
fn real(test: &str) -> Option<Programs> {
    let there = Command::new("ffmpeg").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    if !there {
        // Not by eprintln, which the test harness would swallow.
        let _ = writeln!(io::stderr(), "not run: {test}: there is no ffmpeg here");
    }
    there.then(Programs::default)
}

/// A clip of `count` frames of `size` at 10 a second, coded by the real ffmpeg with these options.
fn coded(directory: &Path, size: Size, count: u64, options: &[&str], name: &str) -> PathBuf {
    let pool = FramePool::new(crate::base::Shape::packed(size, crate::base::Layout::I420), 1);
    let raw = fs::File::create(directory.join("raw")).unwrap();
    let rate = Rate { frames: 10, seconds: 1 };
    let mut writer = Y4mWriter::new(std::io::BufWriter::new(raw), size, rate, Y4mFormat::I420, false).unwrap();
    for n in 0..count {
        let mut frame = pool.take(n, Micros(0));
        let (mut luma, chroma) = frame.planes_mut();
        let mut value = n;
        let mut texture = |row: &mut [u8]| {
            for byte in row {
                value = value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = 30 + u8::try_from(value >> 57).unwrap();
            }
        };
        luma.rows().for_each(&mut texture);
        let crate::base::ChromaMut::I420(mut u, mut v) = chroma else { panic!("layout") };
        u.rows().chain(v.rows()).for_each(&mut texture);
        writer.write(frame.luma(), Some(frame.chroma())).unwrap();
    }
    writer.finish().unwrap();
    let path = directory.join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(directory.join("raw")).args(options);
    assert!(command.arg(file_address(&path)).status().unwrap().success());
    path
}

#[test]
fn a_lossless_clip_comes_back_byte_for_byte() {
    let Some(programs) = real("a lossless clip comes back byte for byte") else { return };
    let directory = tempfile::tempdir().unwrap();
    for (size, name) in [(Size::new(64, 48), "-x:y.avi"), (Size::new(35, 21), "odd.mkv")] {
        let path = coded(directory.path(), size, 5, &["-c:v", "ffv1"], name);
        let raw = fs::File::open(directory.path().join("raw")).unwrap();
        let mut expected = Y4m::new(raw, "raw").unwrap();
        let mut camera = Ffmpeg::open(&path, &programs, None).unwrap();
        assert_eq!(camera.mode().rate, Rate { frames: 10, seconds: 1 });
        let pool = FramePool::new(camera.mode().shape, 2);
        while let Some(wanted) = expected.next(&pool).unwrap() {
            let frame = camera.next(&pool).unwrap().unwrap();
            assert_eq!(frame.captured(), wanted.captured());
            assert!(frame.luma().rows().eq(wanted.luma().rows()), "{name}");
        }
        assert!(camera.next(&pool).unwrap().is_none());
    }
}

#[test]
fn text_named_mp4_is_refused_with_the_real_reason() {
    let Some(programs) = real("text named .mp4 is refused with the real reason") else { return };
    let directory = tempfile::tempdir().unwrap();
    let (_, text) = played(&clip(directory.path(), "a.mp4"), &programs, None);
    let text = text.unwrap();
    assert!(text.starts_with("DIR/a.mp4: ffmpeg cannot read it (") && text.contains("Invalid data found"), "{text}");
    assert_eq!(text.lines().count(), 1);
}

#[test]
fn a_clip_that_is_cut_gives_its_frames_and_then_an_error() {
    let Some(programs) = real("a clip that is cut gives its frames and then an error") else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = coded(directory.path(), Size::new(64, 48), 10, &["-c:v", "mjpeg"], "a.avi");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let (count, text) = played(&path, &programs, Some(10));
    assert!((1..10).contains(&count), "{count}");
    assert!(text.unwrap().starts_with(&format!("DIR/a.avi: frame {count}: ffmpeg found no more although")));
}
