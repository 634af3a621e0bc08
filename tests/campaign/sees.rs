//! The oracle can object: streams that are wrong on purpose, one rule each, beside one that is right.

use voile::base::{Fault, FramePool, Layout, Micros, Shape, Size};
use voile::mask::{self, Paint, Parts, State};

use crate::bench::Bench;
use crate::draw::{Shot, Thing, draw};
use crate::lot::Lot;
use crate::oracle::{Known, Oracle, Rules, Sent};
use crate::pixels::Pixels;
use crate::plan::Plan;
use crate::reel::Reel;
use crate::stream::Stream;

const SIZE: Size = Size::new(128, 128);
/// Score cells, all of them without anything.
const NOBODY: [u8; 256] = [0; 256];

fn rules() -> Rules {
    Rules { size: SIZE, limits: [140.0; 2], age_max: Micros::from_ms(200), ahead: true, pan_max: 40.0 }
}

/// Nine shots of ground; the camera stands.
fn shots() -> Vec<Shot> {
    (0..9).map(|_| Shot { at: (200, 200), flat: false, crowd: false, things: Vec::new() }).collect()
}

/// What a shot shows, in a picture of some size.
fn picture(shot: &Shot, size: Size) -> Pixels {
    let mut frame = FramePool::new(Shape::packed(size, Layout::I420), 1).take(0, Micros(0));
    draw(shot, &mut frame);
    Pixels::of(size, frame.luma(), frame.chroma())
}

/// What is done to a frame that was right.
type Spoil<'a> = &'a dyn Fn(&mut Sent);

/// A run in the test's hands: frame n is shot n, 100 ms after the one before, under number n.
struct Staged<'a>(Oracle<'a>);

impl<'a> Staged<'a> {
    fn new(rules: Rules, shots: &'a [Shot]) -> Self {
        Self(Oracle::new(rules, shots, Known::All))
    }

    fn moment(frame: usize) -> Micros {
        Micros::from_ms(1000 + 100 * frame as u64)
    }

    /// A frame comes and waits.
    fn came(&mut self, frame: usize) {
        let raw = picture(&self.0.shots[frame], SIZE);
        self.0.came(frame as u64, Self::moment(frame), false, frame, raw);
        self.0.waits();
    }

    fn examined(&mut self, frame: usize) {
        self.0.examined(frame, [&NOBODY, &NOBODY]);
    }

    /// The frame as it came, with an account that says so.
    fn raw(&self, frame: usize) -> Sent {
        let pixels = picture(&self.0.shots[frame], SIZE);
        let (sequence, captured) = (frame as u64, Self::moment(frame));
        let (state, evidence_age) = (State::Redacted, Micros(0));
        Sent { sequence, captured, state, clear_fraction: 1.0, evidence_age, pixels }
    }

    /// The frame wholly covered.
    fn covered(&self, frame: usize) -> Sent {
        let mut sent = Sent { clear_fraction: 0.0, ..self.raw(frame) };
        sent.pixels.planes.iter_mut().for_each(|plane| plane.fill(0x78));
        sent
    }

    /// The frame leaves as it came.
    fn leaves(&mut self, frame: usize) {
        let sent = self.raw(frame);
        self.0.sent(&sent);
    }

    /// There has to be an objection that says this.
    fn objects(&self, what: &str) {
        let said = &self.0.objections;
        assert!(said.iter().any(|objection| objection.contains(what)), "{what} was to be seen: {said:?}");
    }
}

/// Frames 0 to 2 come, 0 and 2 are examined, 1 leaves as it came; something is changed before, and on the way.
fn bracket(rules: Rules, shots: &[Shot], examine: impl Fn(&mut Staged<'_>), what: &str) {
    let mut staged = Staged::new(rules, shots);
    (0..3).for_each(|frame| staged.came(frame));
    examine(&mut staged);
    let sent = staged.covered(0);
    staged.0.sent(&sent);
    staged.leaves(1);
    if what.is_empty() {
        assert_eq!(staged.0.objections, Vec::<String>::new());
        assert_eq!((staged.0.counts.clear, staged.0.counts.bracketed), (64, 64));
    } else {
        staged.objects(what);
    }
}

fn both(staged: &mut Staged<'_>) {
    staged.examined(0);
    staged.examined(2);
}

#[test]
fn the_oracle_lets_pass_what_is_right() {
    bracket(rules(), &shots(), both, "");
    let shots = shots();
    let mut staged = Staged::new(rules(), &shots);
    staged.came(0);
    staged.examined(0);
    staged.leaves(0);
    staged.came(1);
    let slate = Sent { state: State::Slate(Fault::EvidenceMissing), ..staged.covered(1) };
    staged.0.sent(&slate);
    staged.0.ended();
    assert_eq!(staged.0.objections, Vec::<String>::new());
}

#[test]
fn the_oracle_sees_a_raw_frame_passed_on() {
    bracket(rules(), &shots(), |_| {}, "before it, nothing was examined");
    bracket(rules(), &shots(), |staged| staged.examined(0), "after it, nothing was examined");
    bracket(rules(), &shots(), |staged| staged.examined(2), "before it, nothing was examined");
}

#[test]
fn the_oracle_sees_evidence_that_is_too_old() {
    let strict = Rules { age_max: Micros::from_ms(99), ..rules() };
    bracket(strict, &shots(), both, "frame 0 was examined 100 ms away");
}

#[test]
fn the_oracle_sees_a_score_where_the_camera_has_truly_put_it() {
    let lit = |index: usize| {
        move |staged: &mut Staged<'_>| {
            let mut scores = NOBODY;
            scores[index] = 140;
            staged.0.examined(0, [&NOBODY, &scores]);
            staged.examined(2);
        }
    };
    bracket(rules(), &shots(), lit(17), "cell 0,0 is clear: before it, frame 0 has a score in it, by 8 px");
    // 12 px further left in the picture: a score cell of cell 3,1 lies in cell 2,1.
    let mut panned = shots();
    panned[1].at.0 += 12;
    panned[2].at.0 += 12;
    bracket(rules(), &panned, lit(38), "cell 2,1 is clear: before it, frame 0 has a score in it, by 8 px");
    bracket(Rules { limits: [140.0, 141.0], ..rules() }, &shots(), lit(17), "");
}

#[test]
fn the_oracle_sees_ground_that_no_pass_has_seen() {
    let mut panned = shots();
    panned[1].at.0 += 20;
    panned[2].at.0 += 20;
    bracket(rules(), &panned, both, "cell 7,0 is clear: before it, in frame 0 it was outside the picture");
    bracket(Rules { pan_max: 17.0, ..rules() }, &panned, both, "since frame 0 the camera moved by (20, 0)");
    let mut fog = shots();
    fog[1].flat = true;
    bracket(rules(), &fog, both, "nobody can tell how the camera moved");
}

#[test]
fn the_oracle_sees_a_pass_that_is_none() {
    let shots = shots();
    // Over a frame that was lost after it came, and told before another that left.
    let mut staged = Staged::new(rules(), &shots);
    staged.0.came(0, Staged::moment(0), false, 0, picture(&shots[0], SIZE));
    staged.examined(0);
    staged.came(1);
    staged.came(2);
    staged.examined(2);
    staged.leaves(1);
    staged.objects("before it, nothing was examined");
    // Told after the frame has left.
    let mut staged = Staged::new(rules(), &shots);
    staged.came(0);
    staged.leaves(0);
    staged.examined(0);
    staged.objects("before it, nothing was examined");
}

#[test]
fn the_oracle_sees_frames_that_are_not_whole() {
    let shots = shots();
    let flawed = |captured: Micros, sequence: u64, torn: bool, size: Size, flaw: &str| {
        let mut staged = Staged::new(rules(), &shots);
        (0..2).for_each(|frame| staged.came(frame));
        let raw = picture(&shots[2], size);
        staged.0.came(sequence, captured, torn, 2, raw.clone());
        staged.0.waits();
        staged.came(3);
        [0, 1, 2, 3].into_iter().for_each(|frame| staged.examined(frame));
        (0..2).for_each(|frame| staged.leaves(frame));
        assert_eq!(staged.0.objections, Vec::<String>::new());
        let sent = Sent { pixels: raw, sequence, captured, ..staged.raw(2) };
        staged.0.sent(&sent);
        staged.objects(&format!("is no slate in spite of {flaw}"));
        staged.objects(&format!("is clear: the frame is flawed by {flaw}"));
    };
    flawed(Staged::moment(2), 2, true, SIZE, "FrameTorn");
    flawed(Staged::moment(1), 1, false, SIZE, "FrameRepeated");
    flawed(Staged::moment(2), 2, false, Size::new(112, 128), "FrameShape");
    flawed(Micros::from_ms(1099), 2, false, SIZE, "ClockBack");
}

#[test]
fn the_oracle_sees_evidence_across_a_jump_of_the_clock() {
    let shots = shots();
    let mut staged = Staged::new(rules(), &shots);
    staged.came(0);
    let covered = staged.covered(0);
    staged.0.sent(&covered);
    staged.examined(0);
    // Back by 50 ms, then on: what was examined before is near in time, and from another time.
    for (frame, ms) in [(1, 950), (2, 1050), (3, 1150)] {
        staged.0.came(frame as u64, Micros::from_ms(ms), false, frame, picture(&shots[frame], SIZE));
        staged.0.waits();
    }
    staged.examined(3);
    let slate = Sent { captured: Micros::from_ms(950), state: State::Slate(Fault::ClockBack), ..staged.covered(1) };
    staged.0.sent(&slate);
    assert_eq!(staged.0.objections, Vec::<String>::new());
    let sent = Sent { captured: Micros::from_ms(1050), ..staged.raw(2) };
    staged.0.sent(&sent);
    staged.objects("before it, nothing was examined");
}

#[test]
fn the_oracle_sees_pixels_that_are_neither_clear_nor_covered() {
    let shots = shots();
    let mut other = shots[0].clone();
    other.at.0 += 50;
    let other = picture(&other, SIZE);
    let one =
        |sent: &mut Sent, plane: usize| sent.pixels.planes[plane][1000] = picture(&shots[0], SIZE).planes[plane][1000];
    let spoilt: [Spoil<'_>; 4] = [
        &|sent| one(sent, 0),
        &|sent| one(sent, 2),
        // Another frame's ground under the cover.
        &|sent| sent.pixels = other.clone(),
        // Faint, but there.
        &|sent| sent.pixels.planes[0][5] += 1,
    ];
    for spoil in spoilt {
        let mut staged = Staged::new(rules(), &shots);
        staged.came(0);
        let mut sent = staged.covered(0);
        spoil(&mut sent);
        staged.0.sent(&sent);
        staged.objects("neither clear nor covered");
    }
}

#[test]
fn the_oracle_sees_accounts_that_lie() {
    let shots = shots();
    let spoilt: [(&str, Spoil<'_>); 4] = [
        ("is a slate with 64 clear cells", &|sent| sent.state = State::Slate(Fault::EvidenceLate)),
        ("64 of 64 clear, told as 0.5", &|sent| sent.clear_fraction = 0.5),
        ("evidence of 201 ms", &|sent| sent.evidence_age = Micros::from_ms(201)),
        ("left in another size", &|sent| sent.pixels.size = Size::new(128, 120)),
    ];
    for (what, spoil) in spoilt {
        let mut staged = Staged::new(rules(), &shots);
        staged.came(0);
        staged.examined(0);
        let mut sent = staged.raw(0);
        spoil(&mut sent);
        staged.0.sent(&sent);
        staged.objects(what);
    }
}

#[test]
fn the_oracle_sees_frames_out_of_turn_twice_invented_and_left_behind() {
    let shots = shots();
    for (leaving, what) in
        [(vec![1, 0], "frame 1"), (vec![0, 0], "frame 0"), (vec![2], "frame 2"), (vec![0], "1 frames")]
    {
        let mut staged = Staged::new(rules(), &shots);
        (0..2).for_each(|frame| staged.came(frame));
        for frame in leaving {
            let sent = staged.covered(frame);
            staged.0.sent(&sent);
        }
        staged.0.ended();
        staged.objects(what);
    }
}

#[test]
fn the_oracle_sees_a_person_whom_the_scores_do_not_tell() {
    let person = Thing { number: 0, left: 40, top: 40, width: 20, height: 24, vehicle: false };
    let mut shots = shots();
    shots.iter_mut().for_each(|shot| shot.things.push(person));
    let mut staged = Staged::new(rules(), &shots);
    staged.came(0);
    staged.examined(0);
    staged.leaves(0);
    staged.objects("that 0 has seen");
    bracket(rules(), &shots, both, "that 0 has seen");
}

/// Objections to streams without faults, of a mask with other settings than the oracle is told of.
fn astray(told: impl Fn(&mut mask::Settings), kept: impl Fn(&mut mask::Settings)) -> Vec<String> {
    let mut bench = Bench::default();
    let mut objections = Vec::new();
    for run in 0..12 {
        let mut lot = Lot::of(77, run);
        let mut plan = Plan::by(&mut lot, false);
        plan.faults.iter_mut().for_each(Vec::clear);
        plan.settings = mask::Settings { paint: Paint::Solid, ..mask::Settings::default() };
        (plan.every, plan.ring) = (3, None);
        let (mut of_mask, mut of_oracle) = (plan.settings.clone(), plan.settings.clone());
        kept(&mut of_mask);
        told(&mut of_oracle);
        let reel = Reel::of(plan, &mut lot, true, 20_000);
        let rules = Rules::of(&of_oracle, reel.plan.shape.size);
        let mut oracle = Oracle::new(rules, &reel.plan.shots, Known::All);
        Stream::new(&reel, &of_mask, lot, &mut bench, &mut oracle, &mut Vec::new()).play();
        objections.append(&mut oracle.objections);
    }
    objections
}

#[test]
fn the_oracle_sees_a_mask_that_keeps_another_policy() {
    let same = |_: &mut mask::Settings| {};
    assert_eq!(astray(same, same), Vec::<String>::new());
    let sees = |objections: Vec<String>, what: &str| {
        assert!(objections.iter().any(|objection| objection.contains(what)), "{what}: {objections:?}");
    };
    sees(astray(|told| told.evidence_age_max = Micros::from_ms(40), same), "ms away");
    sees(astray(same, |kept| kept.lookahead = Micros(0)), "after it, nothing was examined");
    sees(astray(|told| told.pan_max = 0.01, |kept| kept.pan_max = 0.33), "the camera moved by");
    let blind = Parts { scores: false, tracks: false, witness: false };
    sees(astray(same, |kept| kept.parts = blind), "has a score in it");
    sees(astray(same, |kept| kept.parts = blind), "has seen");
}
