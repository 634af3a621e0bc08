//! Nodes that are no cameras, and buffers as drivers fill them in.

use super::*;
use crate::base::Size;

const WISH: Wish = Wish { size: Size::new(640, 480), fps: 30, format: None };

fn refused(path: &std::path::Path) -> String {
    let line = Node::new(path.to_owned(), WISH).open().unwrap_err().to_string();
    assert!(!line.contains('\n') && line.starts_with(&*path.to_string_lossy()), "{line}");
    line
}

#[test]
fn what_is_no_camera_is_one_line_with_its_mend() {
    let folder = tempfile::tempdir().unwrap();
    assert!(refused(&folder.path().join("video0")).contains("there is no camera: plug it in, or set camera.source"));
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(refused(&file).contains("it is no video device: set camera.source"));
    assert!(refused(std::path::Path::new("/dev/null")).contains("it is no video device"));
    refused(folder.path());
}

#[test]
fn error_numbers_have_their_own_mend() {
    let line = |code: i32| {
        let Refusal { reason, mend } = unopened(io::Error::from_raw_os_error(code));
        format!("{reason}: {mend}")
    };
    assert!(line(code::NODEV).starts_with("there is no camera behind this node: plug it in"));
    assert!(line(code::BUSY).starts_with("another program is capturing from it: stop the other program"));
    assert!(line(code::NOSPC).starts_with("its bus has no room for the stream: give it a USB port of its own"));
    assert!(line(rustix::io::Errno::ACCESS.raw_os_error()).contains("group that owns it"));
}

/// A buffer of either kind, with these fields.
fn buffer(queue: QueueType, change: impl FnOnce(&mut UncheckedV4l2Buffer)) -> Filled {
    let mut buffer = UncheckedV4l2Buffer::new_for_querybuf(queue, Some(2));
    change(&mut buffer);
    read(&buffer)
}

#[test]
fn buffers_are_read_as_the_driver_filled_them_in() {
    let single = buffer(QueueType::VideoCapture, |UncheckedV4l2Buffer(said, _)| {
        (said.sequence, said.bytesused, said.length) = (7, 100, 50);
        said.flags = BufferFlags::ERROR.bits() | BufferFlags::TIMESTAMP_MONOTONIC.bits();
        (said.timestamp.tv_sec, said.timestamp.tv_usec) = (3, 21);
    });
    let stamp = Some(Micros(3_000_021));
    assert_eq!(single, Filled { index: 2, sequence: 7, stamp, damaged: true, filled: [0..100, 0..0, 0..0] });
    let multi = buffer(QueueType::VideoCaptureMplane, |UncheckedV4l2Buffer(said, planes)| {
        said.flags = BufferFlags::TIMESTAMP_COPY.bits();
        let planes = planes.as_mut().unwrap();
        (planes[0].data_offset, planes[0].bytesused) = (16, 80);
        (planes[1].data_offset, planes[1].bytesused) = (u32::MAX, 4);
    });
    assert_eq!((multi.stamp, multi.damaged), (None, false), "another clock than the monotonic one");
    assert_eq!((multi.filled[0].clone(), multi.filled[2].clone()), (16..80, 0..0));
    assert_eq!([0_u8; 99].get(multi.filled[1].clone()), None, "a range that is none is nothing");
}

#[test]
fn absurd_times_lie_in_the_future() {
    assert_eq!(micros(1, 5), Micros(1_000_005));
    for (seconds, us) in [(-1, 0), (0, -1), (i64::MAX, 0), (i64::MIN, i64::MIN)] {
        assert_eq!(micros(seconds, us), Micros(u64::MAX));
    }
}
