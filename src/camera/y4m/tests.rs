//! Y4M against the y4m crate as a foreign writer, and against damage at every byte.

use super::*;
use crate::base::{Chroma, Micros, Size};

/// A stream by the y4m crate: frame `n` is luma 10 + n, U 100 + n, V 200 + n.
fn foreign(width: usize, height: usize, colour: y4m::Colorspace, frames: u8, parameters: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder =
        y4m::encode(width, height, y4m::Ratio::new(25, 1)).with_colorspace(colour).write_header(&mut bytes).unwrap();
    let chroma = if matches!(colour, y4m::Colorspace::Cmono) { 0 } else { Size::new(width, height).chroma().area() };
    for n in 0..frames {
        let planes = [vec![10 + n; width * height], vec![100 + n; chroma], vec![200 + n; chroma]];
        let parameters = parameters.then(|| b"Ip Xnote".to_vec());
        encoder.write_frame(&y4m::Frame::new([&planes[0], &planes[1], &planes[2]], parameters)).unwrap();
    }
    bytes
}

fn values(frame: &RawFrame) -> [u8; 3] {
    let Chroma::I420(u, v) = frame.chroma() else { panic!("layout") };
    [frame.luma(), u, v].map(|plane| {
        let value = plane.row(0)[0];
        assert!(plane.rows().flatten().all(|&byte| byte == value));
        value
    })
}

#[test]
fn reads_what_another_writer_wrote_at_odd_sizes_and_any_stride() {
    for (width, height) in [(7, 5), (1, 1), (16, 2)] {
        let bytes = foreign(width, height, y4m::Colorspace::C420jpeg, 3, false);
        let mut camera = Y4m::new(bytes.as_slice(), "a.y4m").unwrap().with_length(bytes.len() as u64);
        assert_eq!(camera.mode().frames, Some(3));
        for shape in [camera.mode().shape, camera.mode().shape.aligned(32), camera.mode().shape] {
            let pool = FramePool::new(shape, 1);
            let n = camera.next;
            let frame = camera.next(&pool).unwrap().unwrap();
            assert_eq!((frame.sequence(), frame.captured()), (n, Micros(n * 40_000)));
            let n = u8::try_from(n).unwrap();
            assert_eq!(values(&frame), [10 + n, 100 + n, 200 + n]);
        }
        assert!(camera.next(&FramePool::new(camera.mode().shape, 1)).unwrap().is_none());
    }
}

#[test]
fn mono_is_grey_and_frame_parameters_are_passed_over() {
    let bytes = foreign(5, 4, y4m::Colorspace::Cmono, 2, true);
    let mut camera = Y4m::new(bytes.as_slice(), "a.y4m").unwrap().with_length(bytes.len() as u64);
    assert_eq!(camera.mode().frames, None);
    let pool = FramePool::new(camera.mode().shape, 1);
    assert_eq!(values(&camera.next(&pool).unwrap().unwrap()), [10, 128, 128]);
    assert_eq!(values(&camera.next(&pool).unwrap().unwrap()), [11, 128, 128]);
    assert!(camera.next(&pool).unwrap().is_none());
}

#[test]
fn a_stream_cut_at_any_byte_gives_its_whole_frames_and_then_one_error() {
    let bytes = foreign(3, 3, y4m::Colorspace::C420, 3, false);
    let frame = 6 + 9 + 8;
    let header = bytes.len() - 3 * frame;
    for cut in 0..bytes.len() {
        match Y4m::new(&bytes[..cut], "a.y4m") {
            Err(CameraError::Empty { .. }) => assert_eq!(cut, 0),
            Err(error) => {
                let text = format!("a.y4m: byte {cut}: the file ends inside the header: copy or record it again");
                assert!(cut < header);
                assert_eq!(error.to_string(), text);
            }
            Ok(mut camera) => {
                let whole = (cut - header) / frame;
                let pool = FramePool::new(camera.mode().shape, 1);
                for n in 0..whole {
                    assert_eq!(values(&camera.next(&pool).unwrap().unwrap())[0], 10 + u8::try_from(n).unwrap());
                }
                let rest = (cut - header) % frame;
                let last = camera.next(&pool);
                if rest == 0 {
                    assert!(last.unwrap().is_none());
                } else {
                    let start = format!(
                        "a.y4m: frame {whole}, byte {cut}: the stream ends inside the frame, after {rest} of 23 bytes: "
                    );
                    let text = last.err().unwrap().to_string();
                    assert!(text.starts_with(&start), "{text}");
                    assert!(camera.next(&pool).unwrap().is_none(), "nothing after an error");
                }
                assert!(pool.try_take(0, Micros(0)).is_some(), "the broken frame went home");
            }
        }
    }
}

#[test]
fn a_lost_frame_marker_is_found_where_it_should_be() {
    let mut bytes = foreign(3, 3, y4m::Colorspace::C420, 2, false);
    let start = bytes.len() - 23;
    bytes[start + 2] = b'?';
    let mut camera = Y4m::new(bytes.as_slice(), "a.y4m").unwrap();
    let pool = FramePool::new(camera.mode().shape, 1);
    assert!(camera.next(&pool).unwrap().is_some());
    let text = camera.next(&pool).err().unwrap().to_string();
    assert!(text.starts_with(&format!("a.y4m: frame 1, byte {start}: there is no FRAME where")), "{text}");
}

#[test]
fn what_is_no_y4m_is_refused_at_its_first_wrong_byte() {
    let endless = io::repeat(b'A');
    let text = Y4m::new(endless, "pipe").err().unwrap().to_string();
    assert!(text.starts_with("pipe: byte 0: this does not begin with YUV4MPEG2: make a Y4M file"), "{text}");
    let endless = b"YUV4MPEG2 ".chain(io::repeat(b' '));
    let text = Y4m::new(endless, "pipe").err().unwrap().to_string();
    assert!(text.starts_with("pipe: byte 1025: the header line does not end within 1024 bytes"), "{text}");
    let text = Y4m::new(b"YUV4".as_slice(), "a.y4m").err().unwrap().to_string();
    assert!(text.starts_with("a.y4m: byte 4: the file ends inside the header"), "{text}");
}

#[test]
fn a_pool_of_another_size_is_refused() {
    let bytes = foreign(4, 4, y4m::Colorspace::C420, 1, false);
    let mut camera = Y4m::new(bytes.as_slice(), "a.y4m").unwrap();
    let pool = FramePool::new(Shape::packed(Size::new(4, 2), Layout::I420), 1);
    assert!(matches!(camera.next(&pool), Err(CameraError::Pool { .. })));
}
