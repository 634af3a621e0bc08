//! Truth files good and bad, line by line.

use super::*;

fn mot(text: &str) -> Result<ClipTruth, TruthError> {
    ClipTruth::parse(text, Path::new("truth.csv"))
}

#[test]
fn mot_lines_are_found_by_frame_in_any_order() {
    let truth = mot("frame,id,x,y,w,h\n2,7,3,4,5,6,1,1,1\n\n1,9,499.2,157.7,31.0,75.2,1,1,1\n2,3,0,0,2,2\n").unwrap();
    assert_eq!(truth.identities(), [3, 7, 9]);
    assert_eq!(truth.at(0).len(), 1);
    assert_eq!((truth.at(0)[0].identity, truth.at(0)[0].x, truth.at(0)[0].height), (Some(2), 499.2, 75.2));
    assert_eq!(truth.at(1).iter().map(|found| found.identity).collect::<Vec<_>>(), [Some(1), Some(0)]);
    assert!(truth.at(2).is_empty());
}

#[test]
fn mot_classes_follow_the_table() {
    let class = |columns: &str| mot(&format!("1,-1,0,0,9,9,{columns}")).unwrap().at(0).first().map(|one| one.class);
    assert_eq!(class("1,-1,-1"), Some(Class::Person));
    assert_eq!(class("1,0,1"), Some(Class::Person));
    assert_eq!(class("1,1,0.2"), Some(Class::Person));
    assert_eq!(class("0,1,1"), Some(Class::Ignore));
    assert_eq!(class("0,3,1"), Some(Class::Vehicle));
    assert_eq!(class("1,5,1"), Some(Class::Cycle));
    assert_eq!(class("1,13,1"), Some(Class::Ignore));
    assert_eq!(class("1,11,1"), None);
    assert_eq!(mot("1,-1,0,0,9,9").unwrap().at(0)[0].identity, None);
}

#[test]
fn a_bad_line_is_named_with_its_mend() {
    for (text, reason) in [
        ("1,1,0,0,9\n", "line 1: 5 columns"),
        ("1,1,0,0,9,9\n1,x,0,0,9,9\n", "line 2: \"x\" is not a number"),
        ("0,1,0,0,9,9\n", "line 1: frame 0"),
        ("1,1,0,0,0,9\n", "line 1: a box of 0 x 9"),
        ("1,1,0,0,inf,9\n", "line 1: inf is out of range"),
        ("1,1,NaN,0,9,9\n", "line 1: NaN is out of range"),
        ("1.5,1,0,0,9,9\n", "line 1: frame 1.5 is not a whole number"),
        ("1,1,0,0,9,9,1,40,1\n", "line 1: class 40"),
        ("1,1,0,0,9,9,1,1,1,0,0\n", "line 1: more than 10"),
    ] {
        let message = mot(text).unwrap_err().to_string();
        assert!(message.starts_with("truth.csv, ") && message.contains(reason), "{message}");
        assert!(message.ends_with(MEND_MOT) && !message.contains('\n'), "{message}");
    }
}

#[test]
fn yolo_boxes_are_scaled_to_the_still() {
    let directory = tempfile::tempdir().unwrap();
    assert!(Truth::load(directory.path()).unwrap_err().to_string().contains("no .txt file"));
    std::fs::write(directory.path().join("a.txt"), "0 0.5 0.5 0.5 1\n9 0.25 0.25 0.5 0.5\n").unwrap();
    std::fs::write(directory.path().join("b.txt"), "0 0.5 0.5\n").unwrap();
    let Truth::Stills(truth) = Truth::load(directory.path()).unwrap() else { panic!("a directory") };
    let still = truth.still("a", Size::new(40, 20)).unwrap().unwrap();
    assert_eq!(
        still.at(0)[0],
        TruthBox { identity: None, class: Class::Person, x: 10., y: 0., width: 20., height: 20. }
    );
    assert_eq!(still.at(0)[1].class, Class::Ignore);
    assert!(truth.still("none", Size::new(40, 20)).unwrap().is_none());
    let message = truth.still("b", Size::new(40, 20)).unwrap_err().to_string();
    assert!(message.contains("b.txt, line 1: 3 columns where 5"), "{message}");
}
