//! Which sighting belongs to which track: the pairing with the least cost.
//!
//! Relies on boxes that are finite. Never allocates after it was made, never takes more than a fixed amount of work,
//! and decides the same on every board: costs are integers, ties fall to whoever comes first.
//!
//! A track and a sighting of its kind may pair where their boxes overlap enough (intersection over union); to leave a
//! track alone costs as much as the worst pair allowed, as the cost limit in ByteTrack (Zhang et al., ECCV 2022) does.
//! Pairs that may be are found by a sweep over left edges; a grid of buckets was left aside, for it needs a capacity
//! for each bucket and large boxes fill many. The pairing is solved by shortest augmenting paths with prices (Jonker
//! and Volgenant 1987, in the form of Crouse, "On implementing 2D rectangular assignment algorithms", IEEE TAES 2016)
//! over the pairs that may be, so that a path never leaves the cluster of boxes that overlap.

use super::kalman::{Bounds, within};
use super::sightings::{Kind, SIGHTINGS};

/// Most tracks.
pub const TRACKS: usize = 512;
/// Most sightings that one track may be weighed against; those further down the sweep are not. Sightings are patches
/// that do not touch, so that this many on one box take a map made to have them.
const PARTNERS: usize = 32;
/// Cost of two boxes that do not overlap at all; of two that agree it is 0.
const ONE: i64 = 1 << 20;
/// Most looks at a pair or a sighting in one pairing, under 2 ms on a desktop: 400 boxes heaped on 60 x 60 pixels need
/// half of it, 400 on 400 x 300 a thirtieth. Tracks that come later take the best sighting left.
const WORK: usize = 400_000;

/// One side of a pair: a track's predicted box, or a sighting's.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// Its box.
    pub bounds: Bounds,
    /// Only the same kinds pair.
    pub kind: Kind,
    /// It takes part; cleared when it got a partner.
    pub open: bool,
}

/// A pair that may be.
#[derive(Clone, Copy)]
struct Pair {
    sighting: usize,
    cost: i64,
}

/// Where the search for one track's partner stands with a sighting.
#[derive(Clone, Copy)]
struct Reach {
    distance: i64,
    /// The track from which it was reached.
    from: usize,
    settled: bool,
}

const FAR: Reach = Reach { distance: i64::MAX, from: 0, settled: false };

/// Buffers of the pairing; everything is allocated when it is made.
pub struct Association {
    /// Open sightings by left edge, and the furthest right edge of those up to each.
    sweep: Box<heapless::Vec<(usize, f64), SIGHTINGS>>,
    pairs: Box<[Pair]>,
    /// Where the pairs of each track begin; its pairs end where the next one's begin.
    first: Box<[usize]>,
    track_price: Box<[i64]>,
    sighting_price: Box<[i64]>,
    sighting_of: Box<[Option<usize>]>,
    track_of: Box<[Option<usize>]>,
    reach: Box<[Reach]>,
    reached: Box<heapless::Vec<usize, SIGHTINGS>>,
    work: usize,
}

impl Default for Association {
    fn default() -> Self {
        Self {
            sweep: Box::default(),
            pairs: vec![Pair { sighting: 0, cost: 0 }; TRACKS * PARTNERS].into_boxed_slice(),
            first: vec![0; TRACKS + 1].into_boxed_slice(),
            track_price: vec![0; TRACKS].into_boxed_slice(),
            sighting_price: vec![0; SIGHTINGS].into_boxed_slice(),
            sighting_of: vec![None; TRACKS].into_boxed_slice(),
            track_of: vec![None; SIGHTINGS].into_boxed_slice(),
            reach: vec![FAR; SIGHTINGS].into_boxed_slice(),
            reached: Box::default(),
            work: 0,
        }
    }
}

impl Association {
    /// Pairs open tracks with open sightings that overlap by `least` or more (0 to 1) and closes both. Gives for each
    /// track the index of its sighting. Looks at the first [`TRACKS`] tracks and [`SIGHTINGS`] sightings.
    pub fn pair(&mut self, tracks: &mut [Candidate], sightings: &mut [Candidate], least: f64) -> &[Option<usize>] {
        let count = tracks.len().min(TRACKS);
        let seen = sightings.len().min(SIGHTINGS);
        self.link(&tracks[..count], &sightings[..seen], least);
        self.track_price.fill(0);
        self.sighting_price.fill(0);
        self.sighting_of.fill(None);
        self.track_of.fill(None);
        self.work = 0;
        for track in 0..count {
            if !self.seek(track, cost(least)) {
                self.grab(track);
            }
        }
        for (track, sighting) in tracks.iter_mut().zip(&self.sighting_of) {
            if let Some(sighting) = *sighting {
                track.open = false;
                sightings[sighting].open = false;
            }
        }
        &self.sighting_of[..count]
    }

    /// Lists the pairs that may be.
    fn link(&mut self, tracks: &[Candidate], sightings: &[Candidate], least: f64) {
        self.sweep.clear();
        for (index, sighting) in sightings.iter().enumerate().filter(|(_, sighting)| sighting.open) {
            // As many places as sightings: nothing is left out.
            let _ = self.sweep.push((index, sighting.bounds.right));
        }
        let left = |index: usize| sightings[index].bounds.left;
        self.sweep.sort_unstable_by(|one, other| left(one.0).total_cmp(&left(other.0)).then(one.0.cmp(&other.0)));
        let mut furthest = f64::NEG_INFINITY;
        for (_, right) in self.sweep.iter_mut() {
            furthest = furthest.max(*right);
            *right = furthest;
        }
        let mut end = 0;
        for (index, track) in tracks.iter().enumerate() {
            self.first[index] = end;
            let most = if track.open { end + PARTNERS } else { end };
            let begun = self.sweep.partition_point(|&(sighting, _)| left(sighting) < track.bounds.right);
            for &(sighting, furthest) in self.sweep[..begun].iter().rev() {
                if furthest <= track.bounds.left || end == most {
                    break;
                }
                let other = &sightings[sighting];
                let overlap = track.bounds.overlap(other.bounds);
                if other.kind == track.kind && overlap > 0.0 && overlap >= least {
                    self.pairs[end] = Pair { sighting, cost: cost(overlap) };
                    end += 1;
                }
            }
        }
        self.first[tracks.len()] = end;
    }

    /// Finds the cheapest way to give one more track a partner, also by moving others to their second best, or to leave
    /// it or one of those alone. False where the work ran out; nothing is changed then.
    fn seek(&mut self, start: usize, alone: i64) -> bool {
        for sighting in self.reached.iter() {
            self.reach[*sighting] = FAR;
        }
        self.reached.clear();
        let (mut track, mut distance) = (start, 0);
        let mut lone = (i64::MAX, start);
        let last = loop {
            lone = lone.min((distance + alone - self.track_price[track], track));
            let pairs = &self.pairs[self.first[track]..self.first[track + 1]];
            self.work += 1 + pairs.len() + self.reached.len();
            if self.work > WORK {
                return false;
            }
            for &Pair { sighting, cost } in pairs {
                let reach = &mut self.reach[sighting];
                let by_here = distance + cost - self.track_price[track] - self.sighting_price[sighting];
                if reach.distance == i64::MAX {
                    // A place for each sighting, and each comes here once.
                    let _ = self.reached.push(sighting);
                }
                if !reach.settled && by_here < reach.distance {
                    *reach = Reach { distance: by_here, from: track, settled: false };
                }
            }
            let open = self.reached.iter().filter(|sighting| !self.reach[**sighting].settled);
            let nearest = open.map(|sighting| (self.reach[*sighting].distance, *sighting)).min();
            let Some((nearest, sighting)) = nearest.filter(|(nearest, _)| *nearest <= lone.0) else {
                distance = lone.0;
                break None;
            };
            distance = nearest;
            self.reach[sighting].settled = true;
            match self.track_of[sighting] {
                Some(owner) => track = owner,
                None => break Some(sighting),
            }
        };
        self.price(start, distance);
        let mut next = last.or_else(|| self.sighting_of[lone.1].take());
        // Back along the path, each track takes the sighting by which the search left it.
        while let Some(sighting) = next {
            let track = self.reach[sighting].from;
            self.track_of[sighting] = Some(track);
            next = self.sighting_of[track].replace(sighting);
        }
        true
    }

    /// Raises the prices along what was searched, so that every pair that stands stays a cheapest one.
    fn price(&mut self, start: usize, distance: i64) {
        self.track_price[start] += distance;
        for &sighting in self.reached.iter() {
            let reach = self.reach[sighting];
            if let (true, Some(owner)) = (reach.settled, self.track_of[sighting]) {
                self.track_price[owner] += distance - reach.distance;
                self.sighting_price[sighting] -= distance - reach.distance;
            }
        }
    }

    /// Gives a track the cheapest sighting that nobody has.
    fn grab(&mut self, track: usize) {
        let pairs = &self.pairs[self.first[track]..self.first[track + 1]];
        let free = pairs.iter().filter(|pair| self.track_of[pair.sighting].is_none());
        if let Some(sighting) = free.min_by_key(|pair| pair.cost).map(|pair| pair.sighting) {
            self.sighting_of[track] = Some(sighting);
            self.track_of[sighting] = Some(track);
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "2^20 and what is below")]
fn cost(overlap: f64) -> i64 {
    ONE - (within(overlap, 0.0, 1.0) * ONE as f64) as i64
}

#[cfg(test)]
mod tests;
