//! Faults on order: what vivid is told to do wrong, and what the stream shows.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering;

use voile::base::{Clock, Micros};
use voile::camera::Camera;
use voile::camera::v4l2::{Wish, open};

use super::bench::{QVGA, pairs};

#[test]
fn faults_on_order() {
    let Some((_turn, pairs)) = pairs() else { return };
    println!("\n| Node | Injected | Stream |\n|---|---|---|");
    for pair in &pairs {
        let say = |injected: &str, letters: &str| println!("| {} | {injected} | `{letters}` |", pair.kind);

        let mut bench = pair.open(QVGA, 30, None);
        bench.runs(3);
        pair.set("inject_v4l2_buf_flag_error=1");
        let letters = bench.recovered('T', 40);
        assert_eq!(letters.matches('T').count(), 1, "{letters}");
        // Stand-ins may be among them: a simulated machine on a busy one stands still for a moment.
        assert!(!letters.contains(|letter| !"FTLR".contains(letter)), "{letters}");
        say("V4L2_BUF_FLAG_ERROR on one buffer", &letters);

        let lost: [(&[&str], usize, &str); 5] = [
            (&["inject_vidioc_qbuf_error=1"], 60, "VIDIOC_QBUF refuses one buffer"),
            (&["inject_fatal_streaming_error=1"], 60, "fatal streaming error (EIO from VIDIOC_DQBUF)"),
            (
                &["inject_vidioc_streamon_error=1", "inject_fatal_streaming_error=1"],
                60,
                "fatal streaming error, then VIDIOC_STREAMON fails",
            ),
            (
                &["inject_vidioc_reqbufs_error=1", "disconnect=1"],
                80,
                "disconnect, then VIDIOC_REQBUFS fails when opened again",
            ),
            (&["disconnect=1"], 60, "disconnect (ENODEV), node back at once"),
        ];
        for (controls, most, injected) in lost {
            controls.iter().for_each(|control| pair.set(control));
            say(injected, &bench.recovered('L', most));
        }

        pair.set("percentage_of_dropped_buffers=50");
        let letters = bench.letters(30);
        assert!(!letters.contains(|letter| !"FLR".contains(letter)), "{letters}");
        say("half of all buffers dropped", &letters);

        pair.set("percentage_of_dropped_buffers=100");
        let start = bench.clock.now();
        let mut letters = String::new();
        while bench.clock.now().since(start) < Micros::from_ms(4_000) {
            letters += &bench.letters(1);
        }
        assert!(letters.ends_with("LLLLLLLLLL"), "{letters}");
        pair.set("percentage_of_dropped_buffers=0");
        letters += &bench.recovered('F', 30);
        say("all buffers dropped for 4 s (hung), then none", &letters);
        drop(bench);

        pair.set("wrap_sequence_number=1");
        let mut bench = pair.open(QVGA, 60, None);
        let letters = bench.frames(200);
        let (whole, repeated) = (letters.matches('F').count(), letters.matches('R').count());
        assert!(whole + repeated == 200 && repeated <= 20, "{letters}");
        say("sequence numbers wrap at 2^32 after 128 frames", &format!("{whole} x F, {repeated} x R"));
        pair.set("wrap_sequence_number=0");
        drop(bench);

        for (control, name) in [("wrap_timestamp=1", "64"), ("wrap_timestamp=2", "32")] {
            pair.set(control);
            let letters = pair.open(QVGA, 30, None).frames(20);
            assert_eq!(letters, "C".repeat(20));
            say(&format!("time stamps near the wrap at {name} bits"), &letters);
        }
        pair.set("wrap_timestamp=0");
        pair.open(QVGA, 30, None).runs(5);
    }
}

#[test]
fn an_unplugged_camera_is_waited_for_and_the_wish_to_stop_is_heard() {
    let Some((_turn, pairs)) = pairs() else { return };
    for pair in &pairs {
        let mut bench = pair.open(QVGA, 30, None);
        bench.runs(3);
        // Somebody who holds a node of it keeps vivid from coming back.
        let holder = File::open(&pair.output).unwrap();
        pair.set("disconnect=1");
        let letters = bench.letters(12);
        assert!(letters.ends_with("LLLLLLLLLL"), "{letters}");
        println!("  {}: unplugged for 2 s: {letters}", pair.kind);
        drop(holder);
        let letters = bench.recovered('F', 60);
        println!("  {}: plugged in again: {letters}", pair.kind);
        let holder = File::open(&pair.output).unwrap();
        pair.set("disconnect=1");
        assert!(bench.letters(6).ends_with("LL"));
        bench.stop.store(true, Ordering::Relaxed);
        assert!(bench.camera.next(&bench.pool).unwrap().is_none());
        drop(holder);
        drop(bench);
        drop(open(Path::new(&pair.capture), Wish { size: QVGA, fps: 30, format: None }));
    }
}
