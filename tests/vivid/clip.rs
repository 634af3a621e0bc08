//! A clip with people through vivid's HDMI loop: every frame in order, and redacted as `voile replay` redacts it.

use std::fs;
use std::path::Path;
use std::process::Command;

use voile::base::Size;
use voile::camera::v4l2::Coding;

use super::bench::{VGA, pairs, planes};
use super::pictures::{Player, connect, mark, number, packed};

/// Frames of the clip, which has people and cars.
const FRAMES: u32 = 15;
const FRAME: &[u8] = b"FRAME\n";

/// The header and the frames of a Y4M clip in I420, as planes.
fn read(clip: &[u8], size: Size) -> (Vec<u8>, Vec<[Vec<u8>; 3]>) {
    let header = clip.iter().position(|byte| *byte == b'\n').expect("a header") + 1;
    let (luma, chroma) = (size.area(), size.chroma().area());
    let frames = clip[header..].chunks_exact(FRAME.len() + luma + 2 * chroma).map(|frame| {
        let (y, colour) = frame.strip_prefix(FRAME).expect("a frame").split_at(luma);
        let (u, v) = colour.split_at(chroma);
        [y, u, v].map(<[u8]>::to_vec)
    });
    (clip[..header].to_vec(), frames.collect())
}

fn write(path: &Path, header: &[u8], frames: &[[Vec<u8>; 3]]) {
    let body = frames.iter().flat_map(|[y, u, v]| [FRAME, y, u, v].concat());
    fs::write(path, header.iter().copied().chain(body).collect::<Vec<_>>()).unwrap();
}

fn voile(arguments: &[&str], out: &Path) {
    let done = Command::new(env!("CARGO_BIN_EXE_voile")).args(arguments).arg("--out").arg(out).output().expect("voile");
    // 1: the clip has no truth to score it by.
    assert!([Some(0), Some(1)].contains(&done.status.code()), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_clip_through_the_loop_is_redacted_as_replay_redacts_it() {
    let Some((_turn, pairs)) = pairs() else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    voile(&["scene", "--seed", "1", "--seconds", "1", "--fps", "15", "--size", "640x480"], &path("scene"));
    let (header, mut sent) = read(&fs::read(path("scene/clip.y4m")).unwrap(), VGA);
    assert_eq!(sent.len(), FRAMES as usize);
    (1..).zip(&mut sent).for_each(|(n, [luma, ..])| mark(luma, n, VGA));
    let replay = |name: &str, frames: &[[Vec<u8>; 3]]| {
        let clip = path(&format!("{name}.y4m"));
        write(&clip, &header, frames);
        voile(&["replay", clip.to_str().unwrap(), "--encoder", "h264", "--no-decode"], &path(name));
        ["coverage.y4m", "redacted.h264"].map(|file| fs::read(path(name).join(file)).unwrap())
    };
    let expected = replay("sent", &sent);
    println!(
        "\n| Node | Format | Frames sent, seen in order | Coverage and stream of their replay |\n|---|---|---|---|"
    );
    for (pair, coding) in [(&pairs[0], Coding::I420), (&pairs[1], Coding::Nv12Split)] {
        connect(pair, coding);
        let mut bench = pair.open(VGA, 60, Some(coding));
        let mut player = Player::start(&pair.output);
        let first = packed(&sent[0], coding, VGA);
        (0..Player::BUFFERS).for_each(|_| player.show(&first));
        let mut seen = Vec::new();
        for (n, frame) in (1..).zip(&sent) {
            player.show(&packed(frame, coding, VGA));
            // Each is shown until the next is there; what comes before the first is vivid's own.
            let got = (0..400).map(|_| planes(&bench.next())).find(|[luma, ..]| number(luma) == n);
            seen.push(got.unwrap_or_else(|| panic!("frame {n} never came")));
        }
        drop((player, bench));
        pair.reset();
        let exact = seen.iter().zip(&sent).filter(|(seen, sent)| seen == sent).count();
        let same = replay("seen", &seen) == expected;
        println!(
            "| {} | {coding:?} | {exact} of {FRAMES} | {} |",
            pair.kind,
            if same { "the same bytes" } else { "differ" }
        );
        assert!(same && exact == FRAMES as usize);
        fs::remove_dir_all(path("seen")).unwrap();
    }
    // What was compared are people under paint, and what is clear around them.
    let share = |value: u8| expected[0].iter().filter(|byte| **byte == value).count() * 100 / expected[0].len();
    assert!(share(255) > 5 && share(0) > 5, "{} % covered, {} % clear", share(255), share(0));
}
