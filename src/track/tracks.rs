//! The tracks of one stream: born by one sighting, coasting through misses.
//!
//! Relies on sightings in the picture of now and on the camera's motion since the last step. Never allocates after it
//! was made, never keeps what something looks like, never gives a dead track's number again, and never forgets a track
//! in silence: what does not fit is said by [`Tracks::overflow`].

use crate::base::{Micros, Rect};

use super::association::{Association, Candidate, TRACKS};
use super::kalman::{Bounds, Filter, Motion, Similarity, within};
use super::sightings::{Kind, SIGHTINGS, Sighting};

/// What tracks are told about one kind.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KindPolicy {
    /// Score from which a cell belongs to a sighting, 1 to `high`, 255 times the probability. Below `high` a sighting
    /// prolongs a track but does not begin one.
    pub low: u8,
    /// Peak from which a sighting that no track takes is born as one, 1 to 255. To be no higher than the score from
    /// which the mask covers, so that all that is covered is tracked.
    pub high: u8,
    /// How it moves.
    pub motion: Motion,
}

/// The part of the policy that decides what is tracked, and for how long. The default is the safe one; what is out of
/// range is taken as the nearest that is not.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Persons.
    pub person: KindPolicy,
    /// Vehicles.
    pub vehicle: KindPolicy,
    /// How long a track lives on after its last sighting, 0.1 s to 5 s: the detector misses a person for some frames on
    /// end, and one who steps behind a tree is there a second later.
    pub coast_max: Micros,
    /// How long a track lives on that was sighted only once, 0.1 s to `coast_max`; each second of sightings adds one,
    /// up to that. A false alarm is mostly seen once.
    pub coast_min: Micros,
    /// How many standard deviations of an edge the margin is, 1 to 5. One holds two of three edges, were the model exact.
    pub margin_deviations: f64,
    /// What the margin grows by at least while coasting, pixels per second, 0 to 500: for what the filter does not
    /// know of, such as an error in the camera's motion.
    pub margin_px_per_s: f64,
    /// By how many pixels both boxes are grown before they are compared, 0 to 32: they snap to score cells of 8 px, so
    /// that a small person's boxes a frame apart need not touch.
    pub reach_px: f64,
    /// Least overlap (intersection over union) of a track with a sighting of `high` or more, 0.01 to 0.9; 0.2 as in
    /// ByteTrack. Lower, a track that coasts is drawn to a neighbour and off the person it covers; higher, tracks part
    /// from their own sightings, which covers more than it must: both go on, one of them coasting.
    pub overlap_high: f64,
    /// The same for lower sightings, which may be anything. Half-way to ByteTrack's 0.5, for its boxes do not flicker
    /// by whole cells.
    pub overlap_low: f64,
}

impl Default for Policy {
    fn default() -> Self {
        // Walking is 1.4 m/s at the root mean square, on one axis 1 m/s; people start and stop within two seconds.
        // Cells of 8 px put an edge 2.3 px off (8 / sqrt 12), and the network's flicker as much again.
        let person = Motion { speed: 1.0, turn: 0.7, growth: 0.3, edge_px: 4.0, edge_share: 0.1 };
        // 5 m/s on one axis in a street with parked cars, 3 m/s faster or slower after a second, of a size of 2.5 m.
        let vehicle = Motion { speed: 2.0, turn: 1.2, growth: 0.3, edge_px: 4.0, edge_share: 0.1 };
        Self {
            person: KindPolicy { low: 147, high: 178, motion: person },
            vehicle: KindPolicy { low: 165, high: 178, motion: vehicle },
            coast_max: Micros::from_ms(600),
            coast_min: Micros::from_ms(350),
            margin_deviations: 1.0,
            margin_px_per_s: 8.0,
            reach_px: 4.0,
            overlap_high: 0.2,
            overlap_low: 0.35,
        }
    }
}

impl Policy {
    /// With each value within its range; what is not a number takes the end that covers most.
    #[must_use]
    pub fn within_range(self) -> Self {
        let kind = |KindPolicy { low, high, motion }: KindPolicy| {
            let high = high.max(1);
            KindPolicy { low: low.clamp(1, high), high, motion: motion.within_range() }
        };
        Self {
            person: kind(self.person),
            vehicle: kind(self.vehicle),
            coast_max: self.coast_max.clamp(Micros::from_ms(100), Micros::from_ms(5000)),
            coast_min: self.coast_min.clamp(Micros::from_ms(100), Micros::from_ms(5000)),
            margin_deviations: within(self.margin_deviations, 1.0, 5.0),
            margin_px_per_s: within(self.margin_px_per_s, 0.0, 500.0),
            reach_px: within(self.reach_px, 0.0, 32.0),
            overlap_high: within(self.overlap_high, 0.01, 0.9),
            overlap_low: within(self.overlap_low, 0.01, 0.9),
        }
    }

    /// What it says about a kind.
    pub fn of(&self, kind: Kind) -> &KindPolicy {
        match kind {
            Kind::Person => &self.person,
            Kind::Vehicle => &self.vehicle,
        }
    }
}

/// Share of a track's cells that must be lit for it to be there without a sighting of its own. A person fills a third to
/// a half of their box.
const LIT: f32 = 0.3;

/// One thing while it is seen, and until `coast_max` later.
#[derive(Clone, Copy, Debug)]
pub struct Track {
    number: u64,
    kind: Kind,
    filter: Filter,
    born: Micros,
    seen: Micros,
    /// Whether a pass has shown it, at the last step and at the one before: as a sighting of its own, or as cells that
    /// are lit where it should be. What is shown is covered by its cells.
    shown: [bool; 2],
    sighting: Option<usize>,
    /// How far the last sighting stood out of the filter's box, pixels.
    excess: f64,
}

impl Track {
    /// Its number, from 0; dies with it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What it is a track of.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// When it was last sighted.
    pub fn seen(&self) -> Micros {
        self.seen
    }

    /// Which sighting of the last step it took; `None` while it coasts.
    pub fn sighting(&self) -> Option<usize> {
        self.sighting
    }

    /// Its box at the last step, without margin.
    pub fn bounds(&self) -> Bounds {
        self.filter.bounds()
    }

    /// How long it lives on after its last sighting: as long as it has been sighted, within what the policy allows.
    fn coast(&self, policy: &Policy) -> Micros {
        policy.coast_min.plus(self.seen.since(self.born)).min(policy.coast_max)
    }

    fn take(&mut self, now: Micros, index: usize, place: Rect, motion: &Motion) {
        let (seen, filter) = (Bounds::of(place), &mut self.filter);
        filter.correct(seen, motion);
        let ours = filter.bounds();
        let beyond = [ours.left - seen.left, ours.top - seen.top, seen.right - ours.right, seen.bottom - ours.bottom];
        self.excess = beyond.into_iter().fold(0.0, f64::max);
        self.shown[0] = true;
        self.seen = now;
        self.sighting = Some(index);
    }
}

/// The tracks of one stream; everything is allocated when it is made.
pub struct Tracks {
    policy: Policy,
    tracks: Box<heapless::Vec<Track, TRACKS>>,
    /// The last step, and the one before.
    now: Option<Micros>,
    before: Option<Micros>,
    next_number: u64,
    /// When something last did not fit.
    overflowed: Option<Micros>,
    association: Association,
    ours: Box<heapless::Vec<Candidate, TRACKS>>,
    theirs: Box<heapless::Vec<Candidate, SIGHTINGS>>,
}

impl Tracks {
    /// No tracks yet.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy: policy.within_range(),
            tracks: Box::default(),
            now: None,
            before: None,
            next_number: 0,
            overflowed: None,
            association: Association::default(),
            ours: Box::default(),
            theirs: Box::default(),
        }
    }

    /// What they were told.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Goes on to the picture of `now`: moves every track with the camera (`camera` is its motion since the last step)
    /// and by its own velocity, gives it a sighting where there is one, and begins tracks with those left over. A frame
    /// that was not examined is a step without sightings. A `now` before the last step counts as no time passed; after
    /// a jump of the clock the caller is to [`Tracks::forget`] and to cover the frame whole.
    pub fn step(&mut self, now: Micros, camera: Similarity, sightings: &[Sighting]) {
        self.before = self.now.replace(now);
        let before = self.before.unwrap_or(now);
        let (policy, time) = (&self.policy, now.since(before).as_ms() / 1000.0);
        // Those that ended since the last step stay for this one, for frames between the two may still be waiting.
        self.tracks.retain(|track| before.since(track.seen) <= track.coast(policy));
        self.overflowed = self.overflowed.filter(|since| before.since(*since) <= policy.coast_max);
        self.ours.clear();
        for track in self.tracks.iter_mut() {
            track.filter.follow(camera);
            track.filter = track.filter.after(time, &policy.of(track.kind).motion);
            // As the filter bounds its numbers: a zoom at every step would leave them.
            track.excess = (track.excess * camera.stretch()).min(1e6);
            track.shown = [false, track.shown[0]];
            track.sighting = None;
            let open = now.since(track.seen) <= track.coast(policy);
            let bounds = track.filter.bounds().grown(policy.reach_px);
            // As many places as tracks.
            let _ = self.ours.push(Candidate { bounds, kind: track.kind, open });
        }
        self.theirs.clear();
        for sighting in sightings.iter().take(SIGHTINGS) {
            let bounds = Bounds::of(sighting.place).grown(policy.reach_px);
            let open = sighting.peak >= policy.of(sighting.kind).high;
            // As many places as are taken.
            let _ = self.theirs.push(Candidate { bounds, kind: sighting.kind, open });
        }
        self.give(now, sightings, self.policy.overlap_high);
        self.bear(now, sightings);
        // The low ones come last of all, and only to prolong.
        for (candidate, sighting) in self.theirs.iter_mut().zip(sightings) {
            candidate.open = sighting.peak < self.policy.of(sighting.kind).high;
        }
        self.give(now, sightings, self.policy.overlap_low);
    }

    /// Pairs what is open and corrects the tracks that got a sighting.
    fn give(&mut self, now: Micros, sightings: &[Sighting], least: f64) {
        let partners = self.association.pair(&mut self.ours, &mut self.theirs, least);
        for (track, partner) in self.tracks.iter_mut().zip(partners) {
            if let Some((index, sighting)) = partner.and_then(|index| Some((index, sightings.get(index)?))) {
                track.take(now, index, sighting.place, &self.policy.of(track.kind).motion);
            }
        }
    }

    /// Begins a track with every open sighting: one look is enough, for what is not a person costs clearance only.
    fn bear(&mut self, now: Micros, sightings: &[Sighting]) {
        if sightings.len() > SIGHTINGS {
            self.overflowed = Some(now);
        }
        for (index, (candidate, sighting)) in self.theirs.iter().zip(sightings).enumerate() {
            if !candidate.open {
                continue;
            }
            let kind = sighting.kind;
            let filter = Filter::new(Bounds::of(sighting.place), &self.policy.of(kind).motion);
            let number = self.next_number;
            let sighting = Some(index);
            let track = Track { number, kind, filter, born: now, seen: now, shown: [true; 2], sighting, excess: 0.0 };
            match self.tracks.push(track) {
                Ok(()) => self.next_number = number.wrapping_add(1),
                Err(_) => self.overflowed = Some(now),
            }
        }
    }

    /// To be called where the sightings of `now` are not complete: what was not found would have been tracked.
    pub fn miss(&mut self, now: Micros) {
        self.overflowed = Some(now);
    }

    /// Something did not fit, less than `coast_max` ago or since the step before the last: there may be more to cover
    /// than [`Tracks::covers`] says, and the frame must be covered whole.
    pub fn overflow(&self) -> bool {
        self.overflowed.is_some()
    }

    /// Looks for tracks without a sighting of their own in the pass of the last step: where patches grow together or fall
    /// apart, the thing is there and so are its cells. `lit` gives the share of a place's cells that the pass covers, 0 to
    /// 1. Does not prolong a track.
    pub fn find(&mut self, lit: impl Fn(Kind, Rect) -> f32) {
        for track in self.tracks.iter_mut().filter(|track| track.sighting.is_none()) {
            // What has left the picture is not shown in it: frames from before it left may still wait.
            let place = track.filter.bounds().pixels();
            track.shown[0] = place.is_some_and(|place| lit(track.kind, place) >= LIT);
        }
    }

    /// What must be covered at `at` beside the cells of the passes themselves, in the picture of the last step and beyond
    /// its edges, for the camera may have moved since `at`; `at` may be after it, or before, back to the step before the
    /// last.
    ///
    /// A track that a pass has shown at that moment needs nothing more, nor one between two such passes whose boxes then
    /// overlap by half, nor one that the later pass alone has shown whose boxes would after twice the time: at most half
    /// a box from where it is, there are cells that cover it. Any other is where the filter has its box at `at`, and a
    /// margin on each side if a pass missed it: the deviation of an edge times `margin_deviations`, or what the last
    /// sighting stood out by if that is more, and `margin_px_per_s` for the time since that sighting.
    pub fn covers(&self, at: Micros) -> impl Iterator<Item = Bounds> + '_ {
        let now = self.now.unwrap_or(at);
        let (begun, ended) = (self.before == Some(at), now <= at);
        let time = (at.since(now).as_ms() - now.since(at).as_ms()) / 1000.0;
        let gap = self.before.map_or(0.0, |before| now.since(before).as_ms() / 1000.0);
        self.tracks.iter().filter(move |track| at.since(track.seen) <= track.coast(&self.policy)).filter_map(
            move |track| {
                let then = track.filter.after(time, &self.policy.of(track.kind).motion);
                let shown = match (now == at, begun) {
                    (true, _) => track.shown[0],
                    (false, true) => track.shown[1],
                    (false, false) => false,
                };
                if shown {
                    return None;
                }
                if track.shown[0] && !ended {
                    let apart = if track.shown[1] { gap } else { 2.0 * gap };
                    if track.filter.overlaps_itself(apart) {
                        return None;
                    }
                    if track.shown[1] {
                        return Some(then.bounds());
                    }
                }
                let unseen = at.since(track.seen).as_ms() / 1000.0;
                let doubt = (self.policy.margin_deviations * then.edge_deviation()).max(track.excess);
                Some(then.bounds().grown(doubt + self.policy.margin_px_per_s * unseen))
            },
        )
    }

    /// The tracks, oldest first, with those that ended since the step before the last.
    pub fn iter(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter()
    }

    /// Drops every track, after a jump of the clock or a cut in the stream. The frame there is to be covered whole.
    pub fn forget(&mut self) {
        self.tracks.clear();
        self.overflowed = None;
        (self.now, self.before) = (None, None);
    }
}

#[cfg(test)]
mod tests;
