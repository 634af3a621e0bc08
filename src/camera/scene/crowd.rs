//! Who and what moves, or could: where each is at any moment.
//!
//! Every place is a function of time alone, so any frame can be drawn without those before it. Traffic keeps to slots
//! of 32 m at one speed; the slots of crossing roads pass a crossing two seconds apart, so nobody collides.

use super::canvas::Ink;
use super::figure::{Look, Pose};
use super::number::{Random, circle, cosine, real_of, sine, single};
use super::town::{Block, LINES, PITCH, Road, Town};
use super::vehicle::{Make, paint};
use super::view::{P2, WORLD};

/// Metres between slots, and metres a second along a lane.
const SLOT: f32 = 32.0;
const TRAFFIC: f32 = 8.0;

/// How an actor gets about. Speeds in metres a second.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// Stays.
    Still { at: P2, heading: f32 },
    /// Round a rectangle, from `start` metres past its low corner; backwards at a negative speed.
    Round { low: P2, high: P2, start: f32, speed: f32 },
    /// Round an ellipse; `turns` a second.
    Ring { at: P2, half: P2, start: f32, turns: f32 },
    /// Along a lane that wraps around the world; north or east by axis.
    Lane { east: bool, line: f32, start: f32, speed: f32 },
}

/// What an actor is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Person(Look, Pose),
    Vehicle(Make),
    /// The cycle has the actor's number, its rider the next.
    Cycle(Look, Ink),
}

/// Someone or something in the truth.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actor {
    pub(super) kind: Kind,
    pub(super) way: Way,
    /// Number in the truth, from 0.
    pub(super) number: u16,
    /// Seconds by which a gait is ahead of others.
    lead: f32,
}

/// Where an actor is at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) at: P2,
    /// Sine and cosine of the heading, clockwise from north.
    pub(super) facing: (f32, f32),
    /// Metres covered so far, for the gait; wraps at 2^16.
    pub(super) covered: f64,
    /// Metres a second.
    pub(super) speed: f32,
}

impl Actor {
    /// Where it is after so many seconds.
    pub(super) fn moment(&self, seconds: f64) -> Moment {
        let covered = |speed: f32| {
            let metres = seconds * f64::from(speed.abs()) + f64::from(self.lead);
            metres - 65_536.0 * (metres / 65_536.0).floor()
        };
        match self.way {
            Way::Still { at, heading } => {
                // Weight shifts from foot to foot.
                let sway = sine(seconds * 0.13 + f64::from(self.lead));
                let facing = circle(heading + 0.02 * sway);
                Moment { at: P2 { x: at.x + 0.04 * sway, y: at.y }, facing, covered: covered(0.25), speed: 0.0 }
            }
            Way::Round { low, high, start, speed } => {
                let gone = f64::from(start) + seconds * f64::from(speed);
                let (behind, ahead) = (round(low, high, gone - 0.6), round(low, high, gone + 0.6));
                let turn = if speed < 0.0 { -1.0 } else { 1.0 };
                let facing = toward((ahead.x - behind.x) * turn, (ahead.y - behind.y) * turn);
                let at = P2 { x: (ahead.x + behind.x) / 2.0, y: (ahead.y + behind.y) / 2.0 };
                Moment { at, facing, covered: covered(speed), speed: speed.abs() }
            }
            Way::Ring { at, half, start, turns } => {
                let turn = f64::from(start) + seconds * f64::from(turns);
                let (s, c) = (sine(turn), cosine(turn));
                let way = if turns < 0.0 { -1.0 } else { 1.0 };
                let (vx, vy) = (c * half.x * way, -s * half.y * way);
                let speed = (vx * vx + vy * vy).sqrt() * turns.abs() * std::f32::consts::TAU;
                let pace = (half.x + half.y) / 2.0 * turns * std::f32::consts::TAU;
                let at = P2 { x: at.x + half.x * s, y: at.y + half.y * c };
                Moment { at, facing: toward(vx, vy), covered: covered(pace), speed }
            }
            Way::Lane { east, line, start, speed } => {
                let gone = (f64::from(start) + seconds * f64::from(speed)) / f64::from(WORLD);
                let along = single((gone - gone.floor()) * f64::from(WORLD));
                let sign = if speed < 0.0 { -1.0 } else { 1.0 };
                let (at, facing) = if east {
                    (P2 { x: along, y: line }, (sign, 0.0))
                } else {
                    (P2 { x: line, y: along }, (0.0, sign))
                };
                Moment { at, facing, covered: covered(speed), speed: speed.abs() }
            }
        }
    }
}

fn toward(x: f32, y: f32) -> (f32, f32) {
    let length = (x * x + y * y).sqrt();
    if length < 1e-6 { (0.0, 1.0) } else { (x / length, y / length) }
}

/// A place on the edge of a rectangle, so many metres from its low corner, first along x.
fn round(low: P2, high: P2, gone: f64) -> P2 {
    let (w, h) = (high.x - low.x, high.y - low.y);
    let whole = f64::from(w + h) * 2.0;
    let at = single(gone - whole * (gone / whole).floor());
    if at < w {
        P2 { x: low.x + at, y: low.y }
    } else if at < w + h {
        P2 { x: high.x, y: low.y + at - w }
    } else if at < w + h + w {
        P2 { x: high.x - (at - w - h), y: high.y }
    } else {
        P2 { x: low.x, y: high.y - (at - w - h - w) }
    }
}

/// Fills a town.
pub(super) struct Settler<'a> {
    town: &'a Town,
    random: Random,
    actors: Vec<Actor>,
    number: u16,
}

/// Everybody in the town: about so many people and vehicles.
pub(super) fn settle(town: &Town, seed: u64, people: usize, vehicles: usize) -> Vec<Actor> {
    let actors = Vec::with_capacity(people + vehicles + 8);
    let mut settler = Settler { town, random: Random::new(seed, 3), actors, number: 0 };
    settler.traffic(vehicles);
    while settler.vehicles() < vehicles && settler.park() {}
    let sitting = town.benches.len().min(people / 16);
    for &bench in town.benches.iter().take(sitting) {
        let look = Look::new(&mut settler.random);
        let at = P2 { x: bench.x + settler.random.between(-0.5, 0.5), y: bench.y + 0.12 };
        settler.add(Kind::Person(look, Pose::Bench), Way::Still { at, heading: 0.0 });
    }
    let others = people.saturating_sub(sitting);
    let start = settler.number;
    while usize::from(settler.number - start) < others {
        settler.person();
    }
    settler.actors
}

impl Settler<'_> {
    fn add(&mut self, kind: Kind, way: Way) {
        let lead = self.random.between(0.0, 50.0);
        self.actors.push(Actor { kind, way, number: self.number, lead });
        self.number += if matches!(kind, Kind::Cycle(..)) { 2 } else { 1 };
    }

    fn vehicles(&self) -> usize {
        self.actors.len()
    }

    /// About half of the vehicles drive.
    fn traffic(&mut self, vehicles: usize) {
        let roads = self.town.roads;
        let lines = roads.iter().flatten().filter(|road| **road != Road::Path).count();
        let slots = lines * 16;
        let share = real_of(vehicles) * 0.5 / real_of(slots.max(1));
        for (axis, line) in (0..2).flat_map(|axis| (0..LINES).map(move |line| (axis, line))) {
            let road = roads[axis][line];
            if road == Road::Path {
                continue;
            }
            let lane = if road == Road::Avenue { 2.0 } else { 1.75 };
            for (way, slot) in [-1.0, 1.0].into_iter().flat_map(|way| (0..8).map(move |slot| (way, slot))) {
                if self.random.chance(share) {
                    let make = Make::new(&mut self.random);
                    let east = axis == 1;
                    // Traffic keeps to the right: of north is east, of east is south.
                    let side = if east { -way } else { way };
                    let start = real_of(slot) * SLOT + if east { SLOT / 2.0 } else { 0.0 };
                    let line = real_of(line) * PITCH + side * lane;
                    self.add(Kind::Vehicle(make), Way::Lane { east, line, start, speed: TRAFFIC * way });
                }
            }
        }
    }

    /// Parks one vehicle in a bay or at a kerb; false when a town has no room that is easily found.
    fn park(&mut self) -> bool {
        for _ in 0..200 {
            let (column, row) = (self.random.below(LINES), self.random.below(LINES));
            let corner = P2 { x: real_of(column) * PITCH, y: real_of(row) * PITCH };
            let (at, heading) = if self.town.blocks[column][row] == Block::CarPark {
                let (low, high) = self.town.inside(column, row);
                let bay = real_of(self.random.below(25)) * 2.5 + 1.25;
                let (lane, heading) = self.random.pick(&[(2.9, 0.0), (13.2, 0.5)]);
                let at = P2 { x: corner.x + bay, y: corner.y + real_of(self.random.below(4)) * 16.0 + lane };
                if at.x < low.x + 1.5 || at.x > high.x - 1.5 || at.y < low.y + 3.0 || at.y > high.y - 3.0 {
                    continue;
                }
                (at, heading)
            } else {
                let east = self.random.chance(0.5);
                let road = if east { self.town.roads[1][row] } else { self.town.roads[0][column] };
                if road == Road::Path {
                    continue;
                }
                let side = self.random.pick(&[-1.0, 1.0]);
                let off = side * if road == Road::Avenue { 5.7 } else { 4.3 };
                let along = 17.0 + real_of(self.random.below(6)) * 6.0;
                if east {
                    (P2 { x: corner.x + along, y: corner.y + off }, 0.5 + 0.25 * side)
                } else {
                    (P2 { x: corner.x + off, y: corner.y + along }, 0.25 - 0.25 * side)
                }
            };
            let free = |other: &Actor| match other.way {
                Way::Still { at: there, .. } => (there.x - at.x).abs().max((there.y - at.y).abs()) > 2.2,
                Way::Round { .. } | Way::Ring { .. } | Way::Lane { .. } => true,
            };
            if self.actors.iter().all(free) {
                let make = Make::new(&mut self.random);
                let heading = heading + self.random.between(-0.006, 0.006);
                self.add(Kind::Vehicle(make), Way::Still { at, heading });
                return true;
            }
        }
        false
    }

    /// A place on a lawn or square, `room` metres from its edge.
    fn meadow(&mut self, room: f32) -> P2 {
        // Half gather at the park and the square in the middle of the town.
        let (mut column, mut row) = (1 + self.random.below(2), 1);
        if self.random.chance(0.5) {
            let other = (self.random.below(LINES), self.random.below(LINES));
            if matches!(self.town.blocks[other.0][other.1], Block::Park | Block::Plaza) {
                (column, row) = other;
            }
        }
        let (low, high) = self.town.inside(column, row);
        P2 { x: self.random.between(low.x + room, high.x - room), y: self.random.between(low.y + room, high.y - room) }
    }

    /// One more person, or a few who stand together, or one on a cycle.
    fn person(&mut self) {
        let look = Look::new(&mut self.random);
        let what = self.random.unit();
        let start = self.random.unit();
        let sign = self.random.pick(&[-1.0, 1.0]);
        if what < 0.42 {
            let speed = sign * if self.random.chance(0.08) { 3.0 } else { self.random.between(0.9, 1.7) };
            let (low, high) = self.pavement();
            self.add(Kind::Person(look, Pose::Walk), Way::Round { low, high, start: start * 200.0, speed });
        } else if what < 0.68 {
            let half = P2 { x: self.random.between(3.0, 11.0), y: self.random.between(3.0, 11.0) };
            let at = self.meadow(12.0);
            let pace = if self.random.chance(0.12) { 3.2 } else { self.random.between(0.8, 1.6) };
            let turns = sign * pace / (std::f32::consts::TAU * (half.x + half.y) / 2.0);
            self.add(Kind::Person(look, Pose::Walk), Way::Ring { at, half, start, turns });
        } else if what < 0.78 {
            let at = self.meadow(2.0);
            let others = self.random.below(4);
            for turn in 0..=others {
                let heading = start + real_of(turn) / real_of(others + 1) + self.random.between(-0.04, 0.04);
                let (s, c) = circle(heading);
                let off = if others == 0 { 0.0 } else { self.random.between(0.5, 0.75) };
                let look = Look::new(&mut self.random);
                let at = P2 { x: at.x - s * off, y: at.y - c * off };
                self.add(Kind::Person(look, Pose::Stand), Way::Still { at, heading });
            }
        } else if what < 0.90 {
            let pose = if self.random.chance(0.72) { Pose::Sit } else { Pose::Lie };
            let at = self.meadow(2.0);
            self.add(Kind::Person(look, pose), Way::Still { at, heading: start });
        } else if what < 0.95 {
            let (low, high) = self.pavement();
            let at = round(low, high, f64::from(start) * 200.0);
            self.add(Kind::Person(look, Pose::Stand), Way::Still { at, heading: sign * start * 7.0 });
        } else {
            self.cyclist(look, sign, start);
        }
    }

    /// A ring on the pavements of a block.
    fn pavement(&mut self) -> (P2, P2) {
        let (column, row) = (self.random.below(LINES), self.random.below(LINES));
        let (low, high) = self.town.inside(column, row);
        let out = self.random.between(0.5, 2.4);
        (P2 { x: low.x - out, y: low.y - out }, P2 { x: high.x + out, y: high.y + out })
    }

    fn cyclist(&mut self, look: Look, sign: f32, start: f32) {
        let ink = paint(&mut self.random);
        let (axis, line) = (self.random.below(2), self.random.below(LINES));
        let road = self.town.roads[axis][line];
        let speed = sign * self.random.between(3.5, 5.5);
        let east = axis == 1;
        let side = if east { -sign } else { sign };
        let line = real_of(line) * PITCH + side * (road.half() - 0.7);
        self.add(Kind::Cycle(look, ink), Way::Lane { east, line, start: start * WORLD, speed });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_jumps() {
        let town = Town::new(5);
        for actor in settle(&town, 5, 300, 60) {
            for step in 0..40 {
                let (a, b) = (actor.moment(f64::from(step) * 3.0), actor.moment(f64::from(step) * 3.0 + 0.04));
                let turn = |d: f32| (d - WORLD * (d / WORLD + 0.5).floor()).abs();
                let gone = turn(b.at.x - a.at.x).max(turn(b.at.y - a.at.y));
                assert!(gone < 0.45, "{actor:?} went {gone} m in 40 ms");
            }
        }
    }

    #[test]
    fn crossing_traffic_keeps_apart() {
        let town = Town::new(8);
        let crowd = settle(&town, 8, 0, 200);
        let driving = |actor: &&Actor| matches!(actor.way, Way::Lane { .. });
        let driving: Vec<&Actor> = crowd.iter().filter(driving).collect();
        assert!(driving.len() > 20, "{}", driving.len());
        for step in 0..80 {
            let places: Vec<P2> = driving.iter().map(|actor| actor.moment(f64::from(step) * 0.1).at).collect();
            for (index, a) in places.iter().enumerate() {
                for b in places.iter().skip(index + 1) {
                    let (dx, dy) = (a.x - b.x, a.y - b.y);
                    assert!((dx * dx + dy * dy).sqrt() > 3.3, "{a:?} {b:?}");
                }
            }
        }
    }
}
