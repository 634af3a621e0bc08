//! The pairing against every other there is, and under absurd loads.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "small numbers of a test"
)]

use super::*;

/// Numbers from 0 to 1, the same each run.
struct Seed(u64);

impl Seed {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f64 / (1_u64 << 24) as f64
    }

    fn candidate(&mut self, span: f64) -> Candidate {
        let (left, top) = (self.next() * span, self.next() * span);
        let (right, bottom) = (left + 20.0 + self.next() * 20.0, top + 20.0 + self.next() * 20.0);
        Candidate { bounds: Bounds { left, top, right, bottom }, kind: Kind::Person, open: true }
    }
}

/// What the best of all pairings gains, by trying them all.
fn best(tracks: &[Candidate], sightings: &mut Vec<Candidate>, least: f64) -> i64 {
    let Some((track, rest)) = tracks.split_first() else { return 0 };
    let mut most = best(rest, sightings, least);
    for index in 0..sightings.len() {
        let overlap = track.bounds.overlap(sightings[index].bounds);
        if overlap > 0.0 && overlap >= least {
            let taken = sightings.swap_remove(index);
            most = most.max(cost(least) - cost(overlap) + best(rest, sightings, least));
            sightings.push(taken);
            let end = sightings.len() - 1;
            sightings.swap(index, end);
        }
    }
    most
}

fn gained(tracks: &[Candidate], sightings: &[Candidate], partners: &[Option<usize>], least: f64) -> i64 {
    let mut taken = vec![false; sightings.len()];
    let mut gain = 0;
    for (track, partner) in tracks.iter().zip(partners) {
        let Some(partner) = *partner else { continue };
        assert!(!std::mem::replace(&mut taken[partner], true), "two tracks took one sighting");
        let overlap = track.bounds.overlap(sightings[partner].bounds);
        assert!(overlap >= least);
        gain += cost(least) - cost(overlap);
    }
    gain
}

#[test]
fn no_other_pairing_is_better() {
    let mut seed = Seed(7);
    let mut association = Association::default();
    for round in 0..400 {
        let least = [0.0, 0.1, 0.3][round % 3];
        let span = 25.0 + 40.0 * seed.next();
        let tracks: Vec<_> = (0..1 + round % 6).map(|_| seed.candidate(span)).collect();
        let mut sightings: Vec<_> = (0..1 + round % 7).map(|_| seed.candidate(span)).collect();
        let (mut ours, mut theirs) = (tracks.clone(), sightings.clone());
        let partners = association.pair(&mut ours, &mut theirs, least).to_vec();
        assert_eq!(gained(&tracks, &sightings, &partners, least), best(&tracks, &mut sightings, least));
        for (track, partner) in ours.iter().zip(&partners) {
            assert_eq!(track.open, partner.is_none());
        }
    }
}

#[test]
fn kinds_and_the_closed_do_not_pair() {
    let mut seed = Seed(3);
    let person = seed.candidate(10.0);
    let vehicle = Candidate { kind: Kind::Vehicle, ..person };
    let closed = Candidate { open: false, ..person };
    let mut association = Association::default();
    assert_eq!(association.pair(&mut [person], &mut [vehicle, closed, person], 0.2), [Some(2)]);
    assert_eq!(association.pair(&mut [closed, vehicle], &mut [person], 0.2), [None, None]);
    assert_eq!(association.pair(&mut [], &mut [person], 0.2), []);
    assert_eq!(association.pair(&mut [person], &mut [person], f64::NAN), [None]);
}

#[test]
fn a_heap_of_boxes_ends_and_pairs_each_once() {
    let mut seed = Seed(5);
    let mut association = Association::default();
    let tracks: Vec<_> = (0..TRACKS + 9).map(|_| seed.candidate(90.0)).collect();
    let sightings: Vec<_> = (0..TRACKS - 99).map(|_| seed.candidate(90.0)).collect();
    let partners = association.pair(&mut tracks.clone(), &mut sightings.clone(), 0.1).to_vec();
    assert!(association.work > WORK, "the heap is to be more than the work allowed: {}", association.work);
    assert_eq!(partners.len(), TRACKS);
    gained(&tracks, &sightings, &partners, 0.1);
    assert_eq!(partners, association.pair(&mut tracks.clone(), &mut sightings.clone(), 0.1));
}
