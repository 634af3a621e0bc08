//! `voile replay` as a user meets it: its files, its exit codes, and one clear line for every bad input.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test that fails panics")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sha2::Digest;
use tempfile::TempDir;

const VOILE: &str = env!("CARGO_BIN_EXE_voile");

fn voile(arguments: &[&str]) -> Output {
    Command::new(VOILE).args(arguments).stdin(Stdio::null()).output().expect("voile runs")
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_str().expect("plain").to_owned()
}

/// A Y4M clip with a pattern that moves.
fn y4m(width: usize, height: usize, frames: usize, colour: &str) -> Vec<u8> {
    let mut clip = format!("YUV4MPEG2 W{width} H{height} F10:1 Ip A1:1 {colour}\n").into_bytes();
    for frame in 0..frames {
        clip.extend_from_slice(b"FRAME\n");
        for y in 0..height {
            clip.extend((0..width).map(|x| u8::try_from(40 + (x * 3 + y * 5 + frame * 4) % 150).expect("a byte")));
        }
        clip.extend(std::iter::repeat_n(128, 2 * width.div_ceil(2) * height.div_ceil(2)));
    }
    clip
}

fn clip_in(folder: &TempDir) -> String {
    let clip = path(folder, "clip.y4m");
    fs::write(&clip, y4m(160, 96, 12, "C420jpeg")).expect("written");
    clip
}

/// A still with a pattern, as PNG.
fn still(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..width * height * 3).map(|at| u8::try_from(at % 97).expect("small")).collect();
    encoder.write_header().expect("header").write_image_data(&pixels).expect("data");
    bytes
}

/// Checks the one line on standard error and the exit code.
fn refused(output: &Output, code: i32, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    // A slow machine has time to say how far it is.
    let progress = |line: &str| line.contains(" frames in ");
    let lines: Vec<_> = text.lines().filter(|line| line.starts_with("voile: ") && !progress(line)).collect();
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert_eq!(lines.len(), 1, "one line, not: {text}");
    assert!(!text.contains("panicked"), "{text}");
    for part in parts {
        assert!(lines[0].contains(part), "{:?} lacks {part:?}", lines[0]);
    }
}

#[test]
fn every_file_of_the_contract_is_there() {
    let folder = TempDir::new().expect("a folder");
    let (clip, out) = (clip_in(&folder), path(&folder, "out"));
    let truth = path(&folder, "truth.csv");
    fs::write(&truth, "1,1,40,20,20,48,1,1,1\n2,1,42,20,20,48,1,1,1\n").expect("written");
    let output = voile(&["replay", &clip, "--out", &out, "--truth", &truth, "--json", "--threads", "2"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON on standard output");
    let file = |name: &str| fs::read(Path::new(&out).join(name)).unwrap_or_else(|_| panic!("no {name}"));
    assert_eq!(file("summary.json"), output.stdout);
    assert!(file("redacted.ivf").starts_with(b"DKIF"));
    let coverage = file("coverage.y4m");
    let header = coverage.iter().position(|&byte| byte == b'\n').expect("a header") + 1;
    assert_eq!(coverage.len() - header, 12 * (6 + 160 * 96), "a frame of coverage for each frame");
    let rows = String::from_utf8(file("frames.csv")).expect("text");
    assert_eq!(rows.lines().count(), 13);
    let header = "frame,pts_us,state,clear_fraction,objects,evidence_age_ms,px_per_m,bytes,detect_ms,redact_ms,encode_ms,total_ms";
    assert_eq!(rows.lines().next(), Some(header));
    assert!(String::from_utf8(file("report.html")).expect("text").starts_with("<!DOCTYPE html>"));
    for figure in [
        "head_leak",
        "person_cover",
        "identity_leak",
        "longest_leak_ms",
        "over_mask",
        "slate_share",
        "vehicle_cover",
        "fps",
        "cpu_ms_per_frame",
        "peak_rss_mib",
        "latency_ms_p50",
        "latency_ms_p99",
        "bitrate_kbps",
        "psnr_clear_db",
        "leak_correlation",
    ] {
        assert!(summary["figures"].get(figure).is_some(), "no {figure}");
    }
    assert!(summary["figures"]["head_leak"].is_number());
    assert_eq!(summary["counts"]["frames"], 12);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let folder = TempDir::new().expect("a folder");
    let clip = clip_in(&folder);
    for (encoder, name) in [("av1", "redacted.ivf"), ("h264", "redacted.h264")] {
        let streams: Vec<_> = ["1", "2", "3"]
            .iter()
            .map(|threads| {
                let out = path(&folder, &format!("{encoder}{threads}"));
                voile(&["replay", &clip, "--out", &out, "--encoder", encoder, "--threads", threads, "--no-decode"]);
                let read = |name| fs::read(Path::new(&out).join(name)).expect("written");
                (read(name), read("coverage.y4m"))
            })
            .collect();
        assert!(!streams[0].0.is_empty());
        assert!(streams[0] == streams[1] && streams[1] == streams[2], "{encoder} differs");
    }
}

#[test]
fn standard_input_gives_what_the_file_gives() {
    let folder = TempDir::new().expect("a folder");
    let clip = clip_in(&folder);
    let (direct, piped) = (path(&folder, "direct"), path(&folder, "piped"));
    voile(&["replay", &clip, "--out", &direct]);
    let input = fs::File::open(&clip).expect("readable");
    let output = Command::new(VOILE).args(["replay", "-", "--out", &piped]).stdin(input).output().expect("runs");
    assert_eq!(output.status.code(), Some(0));
    let read = |out: &str| fs::read(Path::new(out).join("redacted.ivf")).expect("written");
    assert!(read(&direct) == read(&piped));
}

#[test]
fn stills_give_a_pair_each_in_their_own_size() {
    let folder = TempDir::new().expect("a folder");
    let stills = folder.path().join("stills");
    fs::create_dir(&stills).expect("made");
    for (name, width, height) in [("a", 65_u32, 47_u32), ("b", 128, 96)] {
        fs::write(stills.join(format!("{name}.png")), still(width, height)).expect("written");
    }
    let out = path(&folder, "out");
    let output = voile(&["replay", stills.to_str().expect("plain"), "--out", &out]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, size) in [("a", (65, 47)), ("b", (128, 96))] {
        for kind in ["coverage", "redacted"] {
            let file = fs::File::open(Path::new(&out).join(kind).join(format!("{name}.png"))).expect("a picture");
            let reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().expect("a PNG");
            assert_eq!((reader.info().width, reader.info().height), size);
        }
    }
    let rows = fs::read_to_string(Path::new(&out).join("frames.csv")).expect("written");
    assert!(rows.lines().nth(1).expect("a").starts_with("0,") && rows.lines().nth(2).expect("b").starts_with("1,"));
    // Files that are no image, or only the beginning of one, are all named; the others are still done.
    fs::write(stills.join("c.jpg"), "not a picture").expect("written");
    for name in ["d.png", "e.png"] {
        let whole = still(64, 64);
        fs::write(stills.join(name), &whole[..whole.len() - 30]).expect("written");
    }
    let output = voile(&["replay", stills.to_str().expect("plain"), "--out", &out, "--force"]);
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(["c.jpg: ", "d.png: ", "e.png: "].iter().all(|name| said.contains(name)), "{said}");
    assert!(said.contains("voile: 3 of 5 stills cannot be read, the first: "), "{said}");
    assert!(Path::new(&out).join("redacted/b.png").exists());
}

#[test]
fn a_data_set_has_the_hash_of_its_stills_and_bad_truth_is_refused_before_anything_is_written() {
    let folder = TempDir::new().expect("a folder");
    let [images, labels] = ["set/images", "set/labels"].map(|name| folder.path().join(name));
    for directory in [&images, &labels] {
        fs::create_dir_all(directory).expect("made");
    }
    for name in ["a", "b"] {
        fs::write(images.join(format!("{name}.png")), still(64, 64)).expect("written");
        fs::write(labels.join(format!("{name}.txt")), "0 0.5 0.5 0.2 0.5\n").expect("written");
    }
    let (set, labels_name, out) = (path(&folder, "set"), path(&folder, "set/labels"), path(&folder, "out"));
    let run = || voile(&["replay", &set, "--truth", &labels_name, "--out", &out, "--json"]);
    fs::write(labels.join("b.txt"), "0 0.1 0.1 0.9 0.1 0.9 0.9\n").expect("written");
    refused(&run(), 3, &["b.txt", "line 1", "7 columns"]);
    assert!(!Path::new(&out).exists(), "nothing was written");
    fs::write(labels.join("b.txt"), "").expect("written");
    let summary: serde_json::Value = serde_json::from_slice(&run().stdout).expect("JSON");
    let mut hash = sha2::Sha256::new();
    for name in ["a", "b"] {
        hash.update(format!("{name}.png\0"));
        hash.update(still(64, 64));
    }
    assert_eq!(summary["provenance"]["sha256"]["clip"], voile::base::hex(&hash.finalize()));
    // Nothing is encoded, so that no floor of a stream is left open.
    assert!(summary["floors"].as_array().expect("floors").iter().all(|floor| floor["outcome"] != "not_measured"));
}

#[test]
fn a_name_that_is_no_unicode_and_a_reader_that_leaves_change_nothing() {
    use std::os::unix::ffi::OsStrExt;
    let folder = TempDir::new().expect("a folder");
    let clip = folder.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.y4m"));
    fs::write(&clip, y4m(160, 96, 3, "C420jpeg")).expect("written");
    let out = path(&folder, "out");
    let script = "\"$@\" 2>\"$SAID\" | true; cat \"$SAID\"";
    let mut shell = Command::new("sh");
    shell
        .args(["-c", script, "sh", VOILE, "replay"])
        .arg(&clip)
        .args(["--out", &out])
        .env("SAID", path(&folder, "said"));
    let output = shell.output().expect("runs");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("panicked"), "{output:?}");
    assert!(fs::read_to_string(Path::new(&out).join("summary.json")).expect("written").contains("caf\u{fffd}.y4m"));
}

#[test]
fn a_named_pipe_is_read_once() {
    let folder = TempDir::new().expect("a folder");
    let (clip, pipe, out) = (clip_in(&folder), path(&folder, "pipe"), path(&folder, "out"));
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("runs").success());
    let mut writer = Command::new("sh").args(["-c", "cat \"$1\" > \"$2\"", "sh", &clip, &pipe]).spawn().expect("runs");
    let output = voile(&["replay", &pipe, "--out", &out, "--json"]);
    writer.wait().expect("ends");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&summary["counts"]["decoded_frames"], output.status.code()), (&12.into(), Some(0)));
    assert_eq!(summary["not_measured"]["leak_correlation"], "a pipe cannot be read twice");
}

#[test]
fn a_matroska_clip_that_was_cut_is_not_complete() {
    let folder = TempDir::new().expect("a folder");
    let clip = path(&folder, "walk.mkv");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-i", &clip_in(&folder), "-c:v", "mjpeg", &clip])
        .status()
        .is_ok_and(|status| status.success());
    if !made {
        return not_run("no ffmpeg that writes Matroska");
    }
    let whole = fs::read(&clip).expect("written");
    fs::write(&clip, &whole[..whole.len() / 2]).expect("written");
    let output = voile(&["replay", &clip, "--out", &path(&folder, "out"), "--encoder", "none"]);
    refused(&output, 3, &["walk.mkv", "frame ", "prematurely", "the frames before it are kept"]);
}

#[test]
fn bad_clips_get_one_line_and_exit_3() {
    let folder = TempDir::new().expect("a folder");
    let header = |text: &str| format!("YUV4MPEG2 {text}\nFRAME\n").into_bytes();
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("empty.y4m", vec![], "empty"),
        ("cut_header.y4m", b"YUV4MPEG2 W160 H9".to_vec(), "byte"),
        ("zero.y4m", header("W0 H0 F25:1"), "0x0"),
        ("huge.y4m", header("W16384 H16384 F25:1"), "16384x16384"),
        ("yuv444.y4m", header("W16 H16 F25:1 C444"), "444"),
        ("ten_bit.y4m", header("W16 H16 F25:1 C420p10"), "420p10"),
        ("words.mp4", b"These are words, not a film.\n".to_vec(), "words.mp4"),
        ("no_size.y4m", header("F25:1"), "no_size.y4m"),
        ("absurd.y4m", header("W18446744073709551615 H2 F25:1"), "absurd.y4m"),
    ];
    for (name, bytes, part) in cases {
        let clip = path(&folder, name);
        fs::write(&clip, bytes).expect("written");
        let out = path(&folder, &format!("{name}.out"));
        refused(&voile(&["replay", &clip, "--out", &out]), 3, &[name, part]);
    }
    refused(&voile(&["replay", &path(&folder, "nowhere.y4m")]), 3, &["nowhere.y4m", "No such file"]);
}

#[test]
fn a_truncated_clip_keeps_what_came_before() {
    let folder = TempDir::new().expect("a folder");
    let whole = y4m(160, 96, 12, "C420jpeg");
    let clip = path(&folder, "cut.y4m");
    fs::write(&clip, &whole[..whole.len() - 5000]).expect("written");
    let out = path(&folder, "out");
    refused(&voile(&["replay", &clip, "--out", &out]), 3, &["cut.y4m", "frame 11", "byte"]);
    let rows = fs::read_to_string(Path::new(&out).join("frames.csv")).expect("finalised");
    assert_eq!(rows.lines().count(), 12, "eleven whole frames");
    let stream = fs::read(Path::new(&out).join("redacted.ivf")).expect("finalised");
    assert_eq!(u32::from_le_bytes(stream[24..28].try_into().expect("four")), 11, "the IVF header counts them");
    assert!(Path::new(&out).join("report.html").exists());
}

#[test]
fn odd_sizes_work_in_av1_and_are_refused_in_h264_with_the_mend() {
    let folder = TempDir::new().expect("a folder");
    let clip = path(&folder, "odd.y4m");
    fs::write(&clip, y4m(161, 97, 6, "C420")).expect("written");
    let output = voile(&["replay", &clip, "--out", &path(&folder, "av1")]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = voile(&["replay", &clip, "--encoder", "h264", "--out", &path(&folder, "h264")]);
    refused(&output, 2, &["161x97", "av1"]);
}

#[test]
fn ffmpeg_absent_is_one_line() {
    let folder = TempDir::new().expect("a folder");
    let clip = path(&folder, "clip.avi");
    fs::write(&clip, b"RIFFxxxxAVI LIST").expect("written");
    let output = Command::new(VOILE).args(["replay", &clip]).env("PATH", folder.path()).output().expect("runs");
    refused(&output, 3, &["clip.avi", "ffmpeg"]);
}

#[test]
fn ffmpeg_killed_midway_keeps_what_came_before() {
    let folder = TempDir::new().expect("a folder");
    let clip = path(&folder, "clip.avi");
    fs::write(&clip, b"RIFFxxxxAVI LIST").expect("written");
    fs::write(folder.path().join("five.y4m"), y4m(160, 96, 5, "C420jpeg")).expect("written");
    let fake = folder.path().join("ffmpeg");
    let script = format!("#!/bin/sh\ncat '{}'\nkill -9 $$\n", path(&folder, "five.y4m"));
    fs::write(&fake, script).expect("written");
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).expect("executable");
    let search = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let out = path(&folder, "out");
    let output = Command::new(VOILE).args(["replay", &clip, "--out", &out, "--no-decode"]).env("PATH", search).output();
    refused(&output.expect("runs"), 3, &["clip.avi", "frame 5"]);
    let rows = fs::read_to_string(Path::new(&out).join("frames.csv")).expect("finalised");
    assert_eq!(rows.lines().count(), 6);
}

#[test]
fn bad_models_are_refused_before_anything_is_written() {
    let folder = TempDir::new().expect("a folder");
    let clip = clip_in(&folder);
    let config = path(&folder, "voile.toml");
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/models");
    fs::write(folder.path().join("unhashed.onnx"), "x").expect("written");
    fs::write(folder.path().join("other.onnx"), "x").expect("written");
    fs::write(folder.path().join("other.onnx.sha256"), "00  other.onnx\n").expect("written");
    let text = folder.path().join("text.onnx");
    fs::write(&text, "words\n").expect("written");
    fs::write(
        folder.path().join("text.onnx.sha256"),
        "ff646650bc064e5981d37e75caf62e8551f146dff3b8967dd9cf36d263480e3a  text.onnx\n",
    )
    .expect("written");
    for (model, parts) in [
        (folder.path().join("missing.onnx"), ["missing.onnx", "No such file"]),
        (folder.path().join("unhashed.onnx"), ["unhashed.onnx.sha256", "sha256sum"]),
        (folder.path().join("other.onnx"), ["other.onnx", "SHA-256"]),
        (text, ["text.onnx", "not a usable ONNX network"]),
        (models.join("wrong_input.onnx"), ["wrong_input.onnx", "expected"]),
        (models.join("wrong_output.onnx"), ["wrong_output.onnx", "expected"]),
    ] {
        fs::write(&config, format!("[detect]\nmodel = \"{}\"\n", model.display())).expect("written");
        let out = path(&folder, "out");
        refused(&voile(&["replay", &clip, "--config", &config, "--out", &out]), 2, &parts);
        assert!(!Path::new(&out).exists(), "nothing was written");
    }
}

#[test]
fn bad_configurations_get_one_line_and_exit_2() {
    let folder = TempDir::new().expect("a folder");
    let clip = clip_in(&folder);
    let config = path(&folder, "voile.toml");
    for (text, parts) in [
        ("[mask]\nmargn = 9\n", ["voile.toml:2", "`margin`"]),
        ("[mask]\nmargin = \"wide\"\n", ["voile.toml:2", "margin"]),
        ("[mask]\nhold_ms = 0\n", ["[mask] hold_ms", "100"]),
        ("[mask]\npaint = \"none\"\n", ["voile.toml:2", "none"]),
        ("[encode]\nbitrate_kbps = 1\n", ["bitrate_kbps", "32"]),
        ("what\n", ["voile.toml:1", "what"]),
    ] {
        fs::write(&config, text).expect("written");
        refused(&voile(&["replay", &clip, "--config", &config, "--out", &path(&folder, "out")]), 2, &parts);
    }
    refused(&voile(&["replay", &clip, "--config", &path(&folder, "none.toml")]), 2, &["none.toml", "No such file"]);
}

#[test]
fn results_are_not_overwritten_unless_asked() {
    let folder = TempDir::new().expect("a folder");
    let (clip, out) = (clip_in(&folder), path(&folder, "out"));
    assert_eq!(voile(&["replay", &clip, "--out", &out]).status.code(), Some(0));
    refused(&voile(&["replay", &clip, "--out", &out]), 2, &["holds results", "--force"]);
    assert_eq!(voile(&["replay", &clip, "--out", &out, "--force"]).status.code(), Some(0));
    // What voile has not written it does not remove, by whatever name.
    let precious = Path::new(&out).join("coverage/notes.txt");
    fs::create_dir(precious.parent().expect("a folder")).and_then(|()| fs::write(&precious, "mine")).expect("written");
    refused(&voile(&["replay", &clip, "--out", &out, "--force"]), 2, &["notes.txt is no result", "by hand"]);
    assert_eq!(fs::read(&precious).expect("still there"), b"mine");
    // Nor what it is to read, even if it has written it once.
    let again = path(&folder, "again");
    let first = path(&folder, "again/redacted.ivf");
    assert_eq!(voile(&["replay", &clip, "--out", &again]).status.code(), Some(0));
    let before = fs::read(&first).expect("written");
    refused(&voile(&["replay", &first, "--out", &again, "--force"]), 2, &["redacted.ivf", "is read", "another --out"]);
    assert!(fs::read(&first).expect("still there") == before);
    let blocked = path(&folder, "file");
    fs::write(&blocked, "in the way").expect("written");
    refused(&voile(&["replay", &clip, "--out", &blocked]), 2, &["file", "--out"]);
}

/// A small file system of its own, if this machine lets us mount one.
struct Small(PathBuf);

impl Small {
    fn mount(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).ok()?;
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success()).then(|| Self(at.to_owned()))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn not_run(what: &str) {
    use std::io::Write;
    // Past the test harness' capture: what did not run must be seen.
    let _ = writeln!(std::io::stderr(), "not run: {what}");
}

#[test]
fn a_full_or_read_only_output_is_one_line() {
    let folder = TempDir::new().expect("a folder");
    let clip = path(&folder, "clip.y4m");
    fs::write(&clip, y4m(160, 96, 60, "C420jpeg")).expect("written");
    let full = folder.path().join("full");
    let Some(_mounted) = Small::mount(&full, "size=200k") else {
        not_run("full and read-only outputs: this user may not mount a tmpfs");
        return;
    };
    let output = voile(&["replay", &clip, "--out", full.join("out").to_str().expect("plain")]);
    refused(&output, 4, &["No space left", "--out"]);
    assert!(full.join("out/redacted.ivf").exists(), "what was written stays");
    let read_only = folder.path().join("read_only");
    let Some(_mounted) = Small::mount(&read_only, "size=100k,ro") else {
        not_run("read-only output: this user may not mount a tmpfs");
        return;
    };
    let output = voile(&["replay", &clip, "--out", read_only.join("out").to_str().expect("plain")]);
    refused(&output, 2, &["Read-only", "--out"]);
}

#[test]
fn ctrl_c_finishes_the_files() {
    let folder = TempDir::new().expect("a folder");
    let clip = path(&folder, "clip.y4m");
    fs::write(&clip, y4m(320, 192, 300, "C420jpeg")).expect("written");
    let out = path(&folder, "out");
    let child = Command::new(VOILE)
        .args(["replay", &clip, "--out", &out, "--threads", "1", "--no-decode"])
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("runs");
    let rows = Path::new(&out).join("coverage.y4m");
    while fs::metadata(&rows).map_or(0, |about| about.len()) < 400_000 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs");
    assert!(status.success());
    let output = child.wait_with_output().expect("ends");
    refused(&output, 130, &["interrupted"]);
    let stream = fs::read(Path::new(&out).join("redacted.ivf")).expect("finalised");
    let frames = u32::from_le_bytes(stream[24..28].try_into().expect("four"));
    assert!(frames > 0 && frames < 300, "{frames} frames");
    let rows = fs::read_to_string(Path::new(&out).join("frames.csv")).expect("finalised");
    assert_eq!(rows.lines().count(), usize::try_from(frames).expect("small") + 1);
}

#[test]
fn a_scene_is_the_same_for_the_same_seed_and_replays_with_its_truth() {
    let folder = TempDir::new().expect("a folder");
    let clips: Vec<_> = [("a", "7"), ("b", "7"), ("c", "8")]
        .iter()
        .map(|(name, seed)| {
            let out = path(&folder, name);
            let output =
                voile(&["scene", "--seed", seed, "--seconds", "1", "--size", "320x192", "--fps", "10", "--out", &out]);
            assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
            (
                fs::read(Path::new(&out).join("clip.y4m")).expect("a clip"),
                fs::read(Path::new(&out).join("truth.csv")).expect("truth"),
            )
        })
        .collect();
    assert!(clips[0] == clips[1] && clips[0].0 != clips[2].0);
    let (clip, truth) = (path(&folder, "a/clip.y4m"), path(&folder, "a/truth.csv"));
    let output = voile(&["replay", &clip, "--truth", &truth, "--out", &path(&folder, "out"), "--json"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(summary["counts"]["frames"], 10);
    assert!(matches!(output.status.code(), Some(0 | 1)));
}

#[test]
fn recorded_telemetry_caps_the_density_and_what_is_only_coarser_is_clear() {
    let folder = TempDir::new().expect("a folder");
    let (clip, log) = (clip_in(&folder), path(&folder, "flight.csv"));
    // Over half a second at 30 m, then so low that a head would be 57 px/m.
    fs::write(&log, "t_ms,height_m,pitch_deg,roll_deg,zoom\n0,30,-90,0,1\n600,6,-90,0,1\n1100,4,-90,0,1\n")
        .expect("written");
    let run = |name: &str, extra: &[&str]| {
        let out = path(&folder, name);
        let mut words = vec!["replay", &clip, "--out", &out, "--encoder", "none"];
        words.extend(extra);
        let output = voile(&words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rows = fs::read_to_string(Path::new(&out).join("frames.csv")).expect("rows");
        let column = |line: &str| line.split(',').nth(6).and_then(|word| word.parse::<f64>().ok()).expect("px_per_m");
        let coverage = fs::read(Path::new(&out).join("coverage.y4m")).expect("coverage");
        (rows.lines().skip(1).map(column).collect::<Vec<_>>(), coverage)
    };
    let (densities, coverage) = run("flown", &["--telemetry", &log]);
    assert_eq!(densities.len(), 12);
    assert!(densities[0] < 6.0 && densities.iter().all(|&density| density <= 40.0), "{densities:?}");
    assert!(densities[11] > 20.0, "{densities:?}");
    assert!(run("unknown", &[]).1 == coverage, "telemetry changes how fine the ground is, not what is covered");
}

#[test]
fn bad_telemetry_gets_one_line_and_exit_3() {
    let folder = TempDir::new().expect("a folder");
    let (clip, log) = (clip_in(&folder), path(&folder, "flight.csv"));
    let header = "t_ms,height_m,pitch_deg,roll_deg,zoom\n";
    for (text, part) in [
        (String::new(), "flight.csv"),
        ("0,30,-90,0,1\n".to_owned(), "flight.csv, line 1"),
        (format!("{header}0,30,-90,0\n"), "flight.csv, line 2"),
        (format!("{header}0,high,-90,0,1\n"), "flight.csv, line 2"),
        (format!("{header}9,30,-90,0,1\n5,30,-90,0,1\n"), "flight.csv, line 3"),
    ] {
        fs::write(&log, text).expect("written");
        let out = path(&folder, "out");
        refused(&voile(&["replay", &clip, "--telemetry", &log, "--out", &out]), 3, &[part]);
        assert!(!Path::new(&out).exists(), "nothing was written");
    }
    let gone = path(&folder, "gone.csv");
    refused(&voile(&["replay", &clip, "--telemetry", &gone]), 3, &["gone.csv"]);
}

#[test]
fn real_time_says_where_the_time_goes() {
    let folder = TempDir::new().expect("a folder");
    let (clip, out) = (clip_in(&folder), path(&folder, "out"));
    let output = voile(&["replay", &clip, "--out", &out, "--encoder", "none", "--realtime", "--json"]);
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON on standard output");
    for stage in ["follow", "detect", "wait", "redact", "encode"] {
        let [median, last] = [0, 1].map(|index| summary["stages_ms"][stage][index].as_f64().expect(stage));
        assert!(median <= last, "{stage}: {median} {last}");
    }
    assert!(summary["figures"]["latency_ms_p99"].as_f64().expect("measured") > 0.0);
}
