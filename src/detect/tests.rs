//! The detector on pictures whose answer is known.

use super::*;
use crate::base::{FramePool, Layout, Micros, Shape};

/// Calls bright pixels persons and dark ones nothing; see tests/models/README.md.
fn bright(passes: usize, threads: usize) -> Detector {
    let model = Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/bright.onnx")));
    Detector::load(&Settings { model, passes, threads, ..Settings::default() }).expect("the test network loads")
}

fn frame_with_bright(size: Size, layout: Layout, spot: (usize, usize)) -> RawFrame {
    let mut frame = FramePool::new(Shape::packed(size, layout).aligned(32), 1).take(7, Micros(11));
    let (mut luma, chroma) = frame.planes_mut();
    for (y, row) in luma.rows().enumerate() {
        for (x, pixel) in row.iter_mut().enumerate() {
            let inside = (spot.0..spot.0 + 24).contains(&x) && (spot.1..spot.1 + 24).contains(&y);
            *pixel = if inside { 230 } else { 20 };
        }
    }
    match chroma {
        crate::base::ChromaMut::I420(mut u, mut v) => {
            u.rows().chain(v.rows()).for_each(|row| row.fill(128));
        }
        crate::base::ChromaMut::Nv12(mut uv) => uv.rows().for_each(|row| row.fill(128)),
    }
    frame
}

#[test]
fn a_bright_spot_is_found_where_it_is() {
    for (size, layout) in
        [(Size::new(640, 360), Layout::I420), (Size::new(1901, 1077), Layout::Nv12), (Size::new(31, 33), Layout::I420)]
    {
        let spot = ((size.width - 28) / 8 * 8, (size.height - 28) / 8 * 8);
        let mut detector = bright(2, 2);
        detector.prepare(size).expect("prepared");
        let evidence = detector.examine(&frame_with_bright(size, layout, spot)).expect("examined");
        assert_eq!((evidence.sequence(), evidence.captured(), evidence.size()), (7, Micros(11), size));
        let grid = evidence.grid();
        for row in 0..grid.rows {
            for column in 0..grid.columns {
                let (x, y) = (column * 8, row * 8);
                let inside = (spot.0..spot.0 + 24).contains(&x) && (spot.1..spot.1 + 24).contains(&y);
                // The half scale sees cells of 16 px, so neighbours of the spot may be raised too, and a person raises
                // the cell above.
                let near = x + 16 > spot.0 && x < spot.0 + 40 && y + 24 > spot.1 && y < spot.1 + 40;
                let score = evidence.person()[grid.index(column, row)];
                assert!(!inside || score > 200, "{size}: cell {column},{row} inside has {score}");
                assert!(near || score < 50, "{size}: cell {column},{row} outside has {score}");
            }
        }
    }
}

#[test]
fn any_number_of_threads_finds_the_same() {
    let size = Size::new(1600, 900);
    let scores = [1, 2, 5].map(|threads| {
        let mut detector = Detector::load(&Settings { threads, ..Settings::default() }).expect("built in");
        detector.prepare(size).expect("prepared");
        let evidence = detector.examine(&frame_with_bright(size, Layout::I420, (800, 400))).expect("examined");
        (evidence.person().to_vec(), evidence.vehicle().to_vec())
    });
    assert!(scores[0] == scores[1] && scores[1] == scores[2]);
}

#[test]
fn a_frame_of_another_size_is_a_fault() {
    let mut detector = bright(1, 1);
    detector.prepare(Size::new(64, 64)).expect("prepared");
    let other = frame_with_bright(Size::new(96, 64), Layout::I420, (8, 8));
    assert!(matches!(detector.examine(&other), Err(Fault::FrameShape)));
}

#[test]
fn an_output_that_is_not_finite_is_a_fault() {
    let model = Some(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/models/nan.onnx")));
    let mut detector = Detector::load(&Settings { model, passes: 1, ..Settings::default() }).expect("loads");
    detector.prepare(Size::new(64, 64)).expect("prepared");
    let frame = frame_with_bright(Size::new(64, 64), Layout::I420, (8, 8));
    assert!(matches!(detector.examine(&frame), Err(Fault::EvidenceMalformed)));
}

#[test]
fn bad_model_files_get_one_line_that_names_file_and_mend() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("m.onnx");
    let hash = folder.path().join("m.onnx.sha256");
    let load = || match Detector::load(&Settings { model: Some(path.clone()), ..Settings::default() }) {
        Ok(_) => panic!("loaded"),
        Err(error) => error.to_string(),
    };
    let write = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        let hex: String = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(bytes))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        std::fs::write(&hash, hex).expect("written");
    };
    let check = |line: &str, wanted: &[&str]| {
        assert!(line.contains("m.onnx") && !line.contains('\n') && line.len() < 500, "{line}");
        wanted.iter().for_each(|part| assert!(line.contains(part), "{line} lacks {part}"));
    };
    check(&load(), &["cannot read the model", "No such file"]);
    std::fs::write(&path, b"not a model").expect("written");
    check(&load(), &["hash", "sha256sum"]);
    std::fs::write(&hash, "00").expect("written");
    check(&load(), &["expected 00", "restore"]);
    write(b"This is a text file, long enough to be parsed.\n");
    check(&load(), &["not a usable ONNX network"]);
    write(b"");
    check(&load(), &["models/README.md"]);
    for shape in ["wrong_input", "wrong_output"] {
        let file = format!("{}/tests/models/{shape}.onnx", env!("CARGO_MANIFEST_DIR"));
        write(&std::fs::read(file).expect("a test model"));
        check(&load(), &["expected"]);
    }
}
