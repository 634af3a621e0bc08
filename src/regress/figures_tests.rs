//! Every figure on pictures small enough to count by hand.

use super::*;

const SIZE: Size = Size::new(40, 40);
const PERIOD: Micros = Micros(100_000);

fn one(class: Class, identity: Option<usize>, [x, y, width, height]: [f64; 4]) -> TruthBox {
    TruthBox { identity, class, x, y, width, height }
}

fn person(corner: [f64; 4]) -> TruthBox {
    one(Class::Person, None, corner)
}

/// A mask that covers these rectangles.
fn mask(rects: &[Rect]) -> Vec<u8> {
    let mut mask = vec![0; SIZE.area()];
    for rect in rects {
        for row in mask.chunks_exact_mut(SIZE.width).skip(rect.y).take(rect.height) {
            row[rect.x..rect.right()].fill(255);
        }
    }
    mask
}

fn tally(frames: &[(&[Rect], &[TruthBox])]) -> Figures {
    let mut tally = Tally::new(PERIOD, 4);
    for (index, (covered, boxes)) in frames.iter().enumerate() {
        tally.add(&mask(covered), SIZE, Some(boxes), Micros(count(index) * PERIOD.0), false);
    }
    tally.figures(true, "not here")
}

#[test]
fn a_head_is_the_top_quarter_and_the_middle_three_fifths() {
    // A person 10 wide and 20 tall at (10, 10): head 6 x 5 at (12, 10).
    let people = [person([10., 10., 10., 20.])];
    let exact = tally(&[(&[Rect::new(12, 10, 6, 5)], &people)]);
    assert_eq!((exact.head_leak, exact.person_cover), (Ok(0.0), Ok(30.0 / 200.0)));
    for missing in [Rect::new(13, 10, 5, 5), Rect::new(12, 11, 6, 4), Rect::new(12, 10, 5, 5), Rect::new(12, 10, 6, 4)]
    {
        assert_eq!(tally(&[(&[missing], &people)]).head_leak, Ok(1.0), "{missing:?}");
    }
}

#[test]
fn a_head_needs_99_percent() {
    // Head 30 x 10 at (5, 0): 300 pixels, of which 3 may be missing.
    let people = [person([-5., 0., 50., 40.])];
    let short = |missing: usize| {
        let rest = Rect::new(5 + missing, 9, 30 - missing, 1);
        tally(&[(&[Rect::new(5, 0, 30, 9), rest], &people)]).head_leak
    };
    assert_eq!((short(3), short(4)), (Ok(0.0), Ok(1.0)));
}

#[test]
fn fractions_of_pixels_count_whole() {
    // Touches columns 9 to 20 and rows 9 to 30.
    let people = [person([9.5, 9.5, 10.6, 20.6])];
    assert_eq!(tally(&[(&[Rect::new(9, 9, 12, 22)], &people)]).person_cover, Ok(1.0));
    assert_eq!(tally(&[(&[Rect::new(9, 9, 11, 22)], &people)]).person_cover, Ok(11.0 / 12.0));
}

#[test]
fn boxes_are_cut_at_the_edge_and_a_head_outside_does_not_count() {
    // Half the width hangs out on the right: 5 of 10 columns stay; the head's columns 37 to 43 leave 3.
    let right = [person([35., 10., 10., 20.])];
    assert_eq!(tally(&[(&[Rect::new(37, 10, 3, 5)], &right)]).head_leak, Ok(0.0));
    assert_eq!(tally(&[(&[Rect::new(37, 10, 3, 5)], &right)]).person_cover, Ok(15.0 / 100.0));
    // The head is above the picture, the legs are not.
    let top = [person([10., -10., 10., 20.])];
    let figures = tally(&[(&[], &top)]);
    assert!(figures.head_leak.is_err());
    assert_eq!(figures.person_cover, Ok(0.0));
    // Wholly outside, far away.
    let away = [person([1000., 1000., 10., 20.])];
    assert!(tally(&[(&[], &away)]).person_cover.is_err());
}

#[test]
fn small_and_ignored_persons_are_not_judged() {
    let ignore = one(Class::Ignore, None, [0., 0., 20., 20.]);
    let small = person([30., 30., 4., 7.9]);
    let inside = person([8., 8., 10., 20.]);
    assert!(tally(&[(&[], &[ignore, small, inside])]).head_leak.is_err(), "its centre (13, 18) is inside");
    let beside = person([8., 11., 10., 20.]);
    assert_eq!(tally(&[(&[], &[ignore, small, inside, beside])]).head_leak, Ok(1.0), "its centre (13, 21) is not");
    let tall = person([30., 30., 4., 8.]);
    assert_eq!(tally(&[(&[Rect::new(30, 30, 4, 8)], &[tall])]).head_leak, Ok(0.0));
}

#[test]
fn slates_and_vehicles_are_summed() {
    let mut tally = Tally::new(PERIOD, 0);
    let car = [one(Class::Vehicle, None, [0., 0., 20., 10.])];
    for slate in [true, false, false, false] {
        let covered = if slate { Rect::new(0, 0, 40, 40) } else { Rect::new(0, 0, 10, 10) };
        tally.add(&mask(&[covered]), SIZE, Some(&car), Micros(0), slate);
    }
    let figures = tally.figures(true, "");
    assert_eq!(figures.slate_share, Ok(0.25));
    assert_eq!(figures.vehicle_cover, Ok((200.0 + 3.0 * 100.0) / 800.0));
    assert_eq!(tally.clear_fraction(), Ok(1500.0 * 3.0 / 6400.0));
}

#[test]
fn over_mask_leaves_out_grown_boxes_once_each() {
    // 16 x 16 at (8, 8) grows to 20 x 20 at (6, 6); a cycle 8 x 8 at (22, 22) to 10 x 10 at (21, 21), which the first
    // overlaps in 5 x 5; an ignore region of 5 x 40 is not grown. Background: 1600 - 400 - 100 + 25 - 200 = 925.
    let boxes = [
        person([8., 8., 16., 16.]),
        one(Class::Cycle, None, [22., 22., 8., 8.]),
        one(Class::Ignore, None, [35., 0., 5., 40.]),
    ];
    assert_eq!(tally(&[(&[Rect::new(6, 6, 20, 20)], &boxes)]).over_mask, Ok(0.0));
    assert_eq!(tally(&[(&[Rect::new(21, 21, 10, 10)], &boxes)]).over_mask, Ok(0.0));
    assert_eq!(tally(&[(&[Rect::new(35, 0, 5, 40)], &boxes)]).over_mask, Ok(0.0));
    assert_eq!(tally(&[(&[Rect::new(5, 6, 21, 20)], &boxes)]).over_mask, Ok(20.0 / 925.0));
    assert_eq!(tally(&[(&[Rect::new(0, 0, 40, 40)], &boxes)]).over_mask, Ok(1.0));
}

#[test]
fn a_leak_lasts_from_its_first_frame_to_the_end_of_its_last() {
    let hidden: &[Rect] = &[Rect::new(0, 0, 40, 40)];
    let open: &[Rect] = &[];
    let first = one(Class::Person, Some(0), [10., 10., 10., 20.]);
    let second = one(Class::Person, Some(1), [20., 10., 10., 20.]);
    // Letters of the first person: L leaks, c covered, - absent.
    let run = |letters: &str| {
        let frames: Vec<(&[Rect], Vec<TruthBox>)> = letters
            .chars()
            .map(|letter| match letter {
                'L' => (open, vec![first]),
                'c' => (hidden, vec![first, second]),
                _ => (hidden, vec![second]),
            })
            .collect();
        let frames: Vec<_> = frames.iter().map(|(covered, boxes)| (*covered, boxes.as_slice())).collect();
        let figures = tally(&frames);
        (figures.longest_leak_ms.unwrap(), figures.identity_leak.unwrap())
    };
    assert_eq!(run("ccc"), (0.0, 0.0));
    assert_eq!(run("cLc"), (100.0, 0.5));
    assert_eq!(run("LLcLLL-"), (300.0, 0.5));
    assert_eq!(run("LL-LLc"), (200.0, 0.5));
}

#[test]
fn frames_that_were_dropped_do_not_end_a_leak() {
    let mut tally = Tally::new(PERIOD, 1);
    let boxes = [one(Class::Person, Some(0), [10., 10., 10., 20.])];
    for captured in [0, 700_000] {
        tally.add(&mask(&[]), SIZE, Some(&boxes), Micros(captured), false);
    }
    assert_eq!(tally.figures(true, "").longest_leak_ms, Ok(800.0));
}

#[test]
fn without_truth_only_what_needs_none_is_measured() {
    let mut tally = Tally::new(PERIOD, 0);
    let score = tally.add(&mask(&[Rect::new(0, 0, 20, 40)]), SIZE, None, Micros(0), false);
    assert_eq!(score, FrameScore { leaking_heads: 0, person_cover: 1.0, clear_fraction: 0.5 });
    let figures = tally.figures(false, "later");
    assert_eq!(figures.slate_share, Ok(0.0));
    for figure in [figures.head_leak, figures.person_cover, figures.over_mask, figures.longest_leak_ms] {
        assert_eq!(figure, Err("no truth was given".to_owned()));
    }
    assert_eq!(figures.fps, Err("later".to_owned()));
}

#[test]
fn long_masks_are_counted_right() {
    for length in [0, 1, 254, 255, 256, 1000] {
        assert_eq!(covered(&vec![128; length]), count(length));
    }
}
