//! Tracks in letters: births, misses, ends, and what is covered meanwhile.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers of a test"
)]

use super::*;

const HIGH: u8 = 200;
const LOW: u8 = 120;

fn person(x: usize, y: usize, peak: u8) -> Sighting {
    Sighting { kind: Kind::Person, place: Rect::new(x, y, 24, 56), peak, cells: 21 }
}

/// A second of coasting after a single sighting, and sightings well apart in strength.
fn policy() -> Policy {
    let mut policy = Policy { coast_max: ms(1000), coast_min: ms(1000), ..Policy::default() };
    (policy.person.low, policy.person.high) = (102, 153);
    policy
}

fn ms(ms: u64) -> Micros {
    Micros::from_ms(ms)
}

fn numbers(tracks: &Tracks) -> Vec<u64> {
    tracks.iter().map(Track::number).collect()
}

/// Whether what is covered at `at` has all of `place` in one box.
fn covered(tracks: &Tracks, at: Micros, place: Rect) -> bool {
    let holds = |rect: Rect| {
        rect.x <= place.x && rect.y <= place.y && rect.right() >= place.right() && rect.bottom() >= place.bottom()
    };
    tracks.covers(at).filter_map(Bounds::pixels).any(holds)
}

/// One step per letter, 100 ms apart, of a person who walks 4 px a step: `S`een, weakly seen `s`, `-` missed. Out: the
/// number of the oldest track after each step, `.` where none is.
fn walked(letters: &str) -> String {
    let mut tracks = Tracks::new(policy());
    let mut out = String::new();
    for (step, letter) in letters.chars().enumerate() {
        let now = ms(step as u64 * 100);
        let seen = |peak| vec![person(100 + 4 * step, 80, peak)];
        let sightings = match letter {
            'S' => seen(HIGH),
            's' => seen(LOW),
            _ => vec![],
        };
        tracks.step(now, Similarity::STILL, &sightings);
        let alive = tracks.iter().find(|track| now.since(track.seen()) <= ms(1000));
        out.push(alive.map_or('.', |track| char::from(b'0' + track.number() as u8)));
        let coasting = alive.is_some_and(|track| track.sighting().is_none());
        assert_eq!(tracks.covers(now).count(), usize::from(coasting), "at {step} of {letters}");
    }
    out
}

#[test]
fn numbers_last_through_misses_and_die_with_the_track() {
    assert_eq!(walked("S-S--S---S"), "0000000000");
    assert_eq!(walked("SSSssss-s-SS"), "000000000000");
    // A weak sighting alone is none.
    assert_eq!(walked("sss-S"), "....0");
    // Nine misses are a coast, ten are too many; the number is not given again.
    assert_eq!(walked("SSS---------S"), "0000000000000");
    assert_eq!(walked("SSS----------S"), "00000000000001");
    assert_eq!(walked("SSS-----------S"), "0000000000000.1");
}

#[test]
fn a_walker_is_covered_while_missed_and_between_steps() {
    let mut tracks = Tracks::new(policy());
    let place = |time: usize| Rect::new(100 + time * 40 / 1000, 80, 24, 56);
    for time in (0..1000).step_by(100) {
        tracks.step(ms(time as u64), Similarity::STILL, &[person(place(time).x, 80, HIGH)]);
        assert_eq!(tracks.covers(ms(time as u64)).count(), 0, "its cells cover it");
    }
    for time in (950..1800).step_by(50) {
        assert!(covered(&tracks, ms(time as u64), place(time)), "at {time} ms");
    }
    let area = |at| tracks.covers(at).filter_map(Bounds::pixels).map(|rect| rect.width * rect.height).sum::<usize>();
    assert!(area(ms(1000)) < area(ms(1400)) && area(ms(1400)) < area(ms(1900)));
    assert_eq!(area(ms(1901)), 0);
}

#[test]
fn a_fast_walker_whom_a_slow_pass_missed_is_covered_there_though_the_next_shows_them() {
    for (speed, boxes) in [(18, 1), (4, 0)] {
        let mut tracks = Tracks::new(policy());
        let place = |step: usize| Rect::new(100, 80 + speed * step, 24, 56);
        for step in 0..8 {
            let seen = [person(100, place(step).y, HIGH)];
            tracks.step(ms(step as u64 * 300), Similarity::STILL, if step == 6 { &[] } else { &seen });
        }
        assert_eq!(tracks.covers(ms(1800)).count(), boxes, "{speed} px a step");
        let halfway = Rect { y: place(6).y + speed / 2, ..place(6) };
        assert!(boxes == 0 || covered(&tracks, ms(1800), place(6)) && covered(&tracks, ms(1950), halfway));
    }
}

#[test]
fn whom_the_camera_leaves_behind_is_covered_in_the_frame_before() {
    let mut tracks = Tracks::new(policy());
    let left = Similarity::new(1.0, 0.0, -30.0, 0.0).unwrap();
    for step in 0..5 {
        let seen = [person(96_usize.saturating_sub(30 * step), 80, HIGH)];
        tracks.step(ms(step as u64 * 100), left, if step < 3 { &seen } else { &[] });
        tracks.find(|_, _| 0.0);
    }
    // At 6 to 30 in the picture before, beyond the left edge of this one.
    let there = |at| tracks.covers(at).any(|bounds| bounds.left <= -24.0 && bounds.right >= 0.0 && bounds.top <= 80.0);
    assert!(there(ms(300)) && there(ms(400)), "{:?}", tracks.covers(ms(300)).collect::<Vec<_>>());
}

#[test]
fn a_track_that_ended_covers_the_frames_before_the_next_step() {
    let mut tracks = Tracks::new(policy());
    tracks.step(ms(0), Similarity::STILL, &[person(100, 80, HIGH)]);
    tracks.step(ms(900), Similarity::STILL, &[]);
    // A sighting in its place, but too late: another track.
    tracks.step(ms(1100), Similarity::STILL, &[person(100, 80, HIGH)]);
    assert_eq!(numbers(&tracks), [0, 1]);
    assert_eq!((tracks.covers(ms(1000)).count(), tracks.covers(ms(1100)).count()), (1, 0));
    tracks.step(ms(1200), Similarity::STILL, &[]);
    assert_eq!(numbers(&tracks), [1]);
}

#[test]
fn a_turning_camera_does_not_lose_a_person() {
    let mut tracks = Tracks::new(policy());
    let turn = Similarity::new(0.998, 0.0349, 11.3, -13.4).unwrap();
    let (mut x, mut y) = (600.0, 400.0);
    for step in 0..20_u64 {
        let sighting = person((x - 12.0) as usize, (y - 28.0) as usize, HIGH);
        let unseen = step % 4 == 3;
        tracks.step(ms(step * 100), turn, if unseen { &[] } else { std::slice::from_ref(&sighting) });
        let rects: Vec<_> = tracks.covers(ms(step * 100)).collect();
        let there = covered(&tracks, ms(step * 100), sighting.place);
        assert!(there == unseen, "{:?} in {rects:?} at {step}", sighting.place);
        (x, y) = (0.998 * x - 0.0349 * y + 11.3, 0.0349 * x + 0.998 * y - 13.4);
    }
    assert_eq!(numbers(&tracks), [0]);
}

#[test]
fn every_strong_sighting_is_covered_right_after_its_step_whatever_took_it() {
    let mut seed = 11_u64;
    let mut next = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % below) as usize
    };
    let mut tracks = Tracks::new(policy());
    for step in 0..600 {
        let mut place = || Rect::new(next(300), next(200), 8 + next(90), 8 + next(120));
        let sightings: Vec<_> =
            (0..12).map(|_| Sighting { kind: Kind::Person, place: place(), peak: HIGH, cells: 1 }).collect();
        tracks.step(ms(step * 100), Similarity::new(1.0, 0.01, -2.0, 1.0).unwrap(), &sightings);
        for sighting in sightings {
            assert!(covered(&tracks, ms(step * 100 + 1), sighting.place), "{:?} at {step}", sighting.place);
        }
    }
}

#[test]
fn what_was_seen_once_coasts_for_a_short_time() {
    let mut tracks = Tracks::new(Policy { coast_min: ms(300), ..policy() });
    tracks.step(ms(0), Similarity::STILL, &[person(100, 80, HIGH)]);
    assert_eq!((tracks.covers(ms(300)).count(), tracks.covers(ms(301)).count()), (1, 0));
    tracks.step(ms(200), Similarity::STILL, &[person(100, 80, HIGH)]);
    assert_eq!((tracks.covers(ms(700)).count(), tracks.covers(ms(701)).count()), (1, 0), "200 ms longer");
}

#[test]
fn patches_that_grow_together_show_both() {
    let mut tracks = Tracks::new(policy());
    tracks.step(ms(0), Similarity::STILL, &[person(100, 80, HIGH), person(130, 80, HIGH)]);
    let both = Sighting { place: Rect::new(100, 80, 54, 56), ..person(0, 0, HIGH) };
    tracks.step(ms(100), Similarity::STILL, &[both]);
    assert!(tracks.covers(ms(100)).count() > 0, "one of them has no sighting");
    tracks.find(|_, place| if place.x >= 80 && place.right() <= 170 { 0.5 } else { 0.0 });
    assert_eq!(tracks.covers(ms(100)).count(), 0, "its cells are lit");
    tracks.step(ms(200), Similarity::STILL, &[]);
    tracks.find(|_, _| 0.1);
    assert_eq!(tracks.covers(ms(200)).count(), tracks.iter().count());
}

#[test]
fn kinds_keep_apart() {
    let mut tracks = Tracks::new(policy());
    let one = person(100, 80, HIGH);
    let other = Sighting { kind: Kind::Vehicle, ..one };
    for step in 0..5 {
        let both = if step % 2 == 0 { [one, other] } else { [other, one] };
        tracks.step(ms(step * 100), Similarity::STILL, &both);
    }
    let kinds: Vec<_> = tracks.iter().map(|track| (track.number(), track.kind())).collect();
    assert_eq!(kinds, [(0, Kind::Person), (1, Kind::Vehicle)]);
}

#[test]
fn what_does_not_fit_is_said_for_as_long_as_it_would_have_been_covered() {
    let mut tracks = Tracks::new(policy());
    let crowd: Vec<_> = (0..TRACKS + 1).map(|index| person(index % 32 * 100, index / 32 * 100, HIGH)).collect();
    tracks.step(ms(0), Similarity::STILL, &crowd[..TRACKS]);
    assert!(!tracks.overflow());
    tracks.step(ms(100), Similarity::STILL, &crowd);
    assert!(tracks.overflow());
    assert_eq!(tracks.iter().count(), TRACKS);
    for step in 2..=12 {
        tracks.step(ms(step * 100), Similarity::STILL, &[]);
        assert!(tracks.overflow(), "at step {step}");
    }
    tracks.step(ms(1300), Similarity::STILL, &[]);
    assert!(!tracks.overflow());
    let many = vec![person(0, 0, LOW); SIGHTINGS + 1];
    tracks.step(ms(1400), Similarity::STILL, &many);
    assert!(tracks.overflow());
    tracks.forget();
    assert!(!tracks.overflow() && tracks.covers(ms(1400)).count() == 0);
    tracks.miss(ms(1500));
    assert!(tracks.overflow());
}

#[test]
fn no_input_panics() {
    let mut seed = 9_u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    let absurd = Policy { margin_deviations: f64::NAN, overlap_high: f64::NAN, ..Policy::default() };
    for policy in [Policy::default(), absurd] {
        let mut tracks = Tracks::new(policy);
        for _ in 0..3000 {
            let now = Micros(if next() % 50 == 0 { u64::MAX - next() } else { next() % 3_000_000 });
            let sightings: Vec<_> = (0..next() % 40)
                .map(|_| {
                    let mut side = || if next() % 20 == 0 { usize::MAX } else { (next() % 9000) as usize };
                    let place = Rect::new(side(), side(), side(), side());
                    let kind = if next() % 2 == 0 { Kind::Person } else { Kind::Vehicle };
                    Sighting { kind, place, peak: next() as u8, cells: 0 }
                })
                .collect();
            let zoom = Similarity::new(next() as f64 / 2e9, next() as f64 / 2e9, next() as f64 / 1e5, 0.0);
            tracks.step(now, zoom.unwrap_or(Similarity::STILL), &sightings);
            for bounds in tracks.covers(Micros(next())) {
                assert!(bounds.left < bounds.right && bounds.top < bounds.bottom, "{bounds:?}");
            }
        }
    }
}
