//! What is refused at the start, each with one line and the mend.

use std::env;
use std::fs::File;
use std::path::Path;

use voile::base::Size;
use voile::camera::v4l2::{Coding, Wish, open};

use super::bench::{HD, QVGA, VGA, pairs, refused};

#[test]
fn what_does_not_fit_is_refused_with_what_does() {
    let Some((_turn, pairs)) = pairs() else { return };
    for pair in &pairs {
        let line = pair.refused(Size::new(1000, 700), 10, None);
        assert!(line.contains("320x180, 640x360, 640x480, 1280x720, 1920x1080, 3840x2160, not 1000x700"), "{line}");
        let line = pair.refused(HD, 30, None);
        assert!(line.contains("12.50 (NV12)") && line.contains("not 30: set camera.fps"), "{line}");
        assert!(pair.refused(Size::new(8, 8), 30, None).contains("smaller than a cell"));
        assert!(pair.refused(VGA, 25, Some(Coding::Mjpeg)).contains("not MJPG: leave camera.format out"));
        let wish = Wish { size: VGA, fps: 25, format: None };
        assert!(refused(&pair.output, wish).contains("this node is an output (vivid)"));
    }
    let wish = Wish { size: VGA, fps: 25, format: None };
    assert!(refused("/dev/video99", wish).contains("there is no camera"));
    assert!(refused("/dev/null", wish).contains("it is no video device"));
    let codec = env::var("VOILE_TEST_ENCODER").expect("a codec");
    assert!(refused(&codec, wish).contains("it is a codec"));
}

#[test]
fn two_on_one_camera_is_one_too_many() {
    let Some((_turn, pairs)) = pairs() else { return };
    for pair in &pairs {
        let mut first = pair.open(VGA, 25, None);
        first.runs(2);
        assert!(pair.refused(VGA, 25, None).contains("another program is capturing from it: stop the other program"));
        assert!(pair.refused(HD, 10, None).contains("another program"));
        first.runs(3);
        drop(first);
        pair.open(HD, 10, None).runs(2);
    }
}

#[test]
fn starting_is_refused_when_the_start_fails() {
    let Some((_turn, pairs)) = pairs() else { return };
    for pair in &pairs {
        for (control, word) in [
            ("inject_vidioc_reqbufs_error=1", "gives no buffers"),
            ("inject_vidioc_qbuf_error=1", "cannot be started"),
            ("inject_vidioc_streamon_error=1", "cannot be started"),
            ("disconnect=1", "there is no camera behind this node"),
        ] {
            // vivid comes back when the last user of any of its nodes has gone: this one stays until the refusal.
            let user = File::open(&pair.output).unwrap();
            pair.set(control);
            assert!(pair.refused(QVGA, 30, None).contains(word));
            drop(user);
            let again = open(Path::new(&pair.capture), Wish { size: QVGA, fps: 30, format: None });
            drop(again);
            pair.open(QVGA, 30, None).runs(2);
        }
    }
}
