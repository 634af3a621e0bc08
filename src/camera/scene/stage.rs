//! One frame of a scene, start to end.
//!
//! Who is in view, in what order they are drawn, and what the pixels say afterwards. Takes all its memory when made.

use super::canvas::{Brush, Canvas, FIRST};
use super::crowd::{Actor, Kind, Moment, settle};
use super::figure::{self, Body, Pose, Stance};
use super::flight::Flight;
use super::ground::Ground;
use super::light::Light;
use super::relief::{self, Relief, hidden_by};
use super::town::{HOUSES, Town};
use super::vehicle::{self, Parked};
use super::view::{P2, View, v3};
use super::{Class, Settings, Truth};
use crate::base::{Micros, RawFrame, Rect};

/// Hectares of the world.
const HECTARES: f32 = 6.5536;

/// Something that may be in view.
#[derive(Clone, Copy, Debug)]
enum Thing {
    Actor(usize),
    Trunk(usize),
    Bench(usize),
}

/// Something that is in view.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Metres along the ground.
    distance: f32,
    thing: Thing,
    /// Houses in front.
    behind: u64,
}

/// All of a scene but its place in time.
pub(super) struct Stage {
    town: Town,
    ground: Ground,
    relief: Relief,
    light: Light,
    flight: Flight,
    crowd: Vec<Actor>,
    canvas: Canvas,
    entries: Vec<Entry>,
    houses: heapless::Vec<(f32, usize), HOUSES>,
    truth: Vec<Truth>,
    /// Left out of the picture: how tests find out which pixels a thing changes.
    #[cfg(test)]
    pub(super) without: Option<u16>,
    /// Whether moving things throw shadows.
    #[cfg(test)]
    pub(super) shadows: bool,
}

/// About so many for the whole world.
fn census(per_hectare: u32, most: u32) -> usize {
    let few = super::number::real_of(per_hectare.min(most) as usize);
    super::number::floor(few * HECTARES + 0.5).unsigned_abs() as usize
}

impl Stage {
    pub(super) fn new(settings: &Settings) -> Self {
        let Settings { seed, size, people, vehicles, .. } = *settings;
        let town = Town::new(seed);
        let light = Light::new(seed, size.width);
        let crowd = settle(&town, seed, census(people, 600), census(vehicles, 60));
        let owners = crowd.last().map_or(0, |actor| usize::from(actor.number) + 2);
        let things = crowd.len() + town.trees.len() + town.benches.len();
        Self {
            ground: Ground::new(&town, &light, seed),
            relief: Relief::new(seed),
            flight: Flight::new(seed, size),
            canvas: Canvas::new(size, owners),
            entries: Vec::with_capacity(things),
            houses: heapless::Vec::new(),
            truth: Vec::with_capacity(owners),
            town,
            light,
            crowd,
            #[cfg(test)]
            without: None,
            #[cfg(test)]
            shadows: true,
        }
    }

    /// What is visible in the frame drawn last.
    pub(super) fn truth(&self) -> &[Truth] {
        &self.truth
    }

    /// Draws a frame and finds its truth.
    pub(super) fn draw(&mut self, number: u64, moment: Micros, frame: &mut RawFrame) {
        let seconds = moment.as_ms() / 1000.0;
        let view = self.flight.view(seconds);
        self.canvas.clear();
        self.ground.draw(&view, &mut self.canvas);
        self.survey(&view, seconds);
        self.shadows(&view, seconds);
        self.canvas.cast(self.light.dark);
        self.houses(&view);
        self.entries.sort_unstable_by(|a, b| b.distance.total_cmp(&a.distance).then_with(|| a.behind.cmp(&b.behind)));
        for index in 0..self.entries.len() {
            let entry = self.entries[index];
            self.thing(&entry, &view, seconds);
        }
        for entry in &self.entries {
            if let Thing::Trunk(index) = entry.thing {
                self.relief.crown(&self.town.trees[index], &view, &self.light, entry.behind, &mut self.canvas);
            }
        }
        self.tally();
        self.light.expose(&self.canvas, number, seconds, frame);
    }

    fn left_out(&self, actor: &Actor) -> bool {
        #[cfg(test)]
        return self.without == Some(actor.number);
        #[cfg(not(test))]
        {
            let _ = actor;
            false
        }
    }

    /// Lists what may be in view. `reach` is how far a thing extends from its foot, in metres.
    fn survey(&mut self, view: &View, seconds: f64) {
        self.entries.clear();
        let crowd = self.crowd.iter().enumerate().map(|(index, actor)| {
            let reach = match &actor.kind {
                Kind::Person(..) | Kind::Cycle(..) => 2.2,
                Kind::Vehicle(make) => make.reach(),
            };
            (Thing::Actor(index), actor.moment(seconds).at, reach)
        });
        let trees = self.town.trees.iter().enumerate();
        let trees = trees.map(|(index, tree)| (Thing::Trunk(index), tree.at, tree.middle + tree.radius));
        let benches = self.town.benches.iter().enumerate();
        // Someone on a bench is a little nearer than the bench.
        let benches = benches.map(|(index, &at)| (Thing::Bench(index), at, 1.5));
        for (thing, at, reach) in crowd.chain(trees).chain(benches) {
            let at = view.nearest(at.x, at.y);
            let Some((pixel, scale)) = view.project(v3(at.x, at.y, 0.0)) else { continue };
            let (r, far) = (reach * scale * 1.3, P2 { x: 2.0 * view.middle.x, y: 2.0 * view.middle.y });
            if pixel.x < -r || pixel.y < -r || pixel.x > far.x + r || pixel.y > far.y + r {
                continue;
            }
            let (dx, dy) = (at.x - view.eye.x, at.y - view.eye.y);
            let further = if matches!(thing, Thing::Bench(_)) { 1.0 } else { 0.0 };
            let distance = (dx * dx + dy * dy).sqrt() + further;
            // Reserved for all that could be in view.
            self.entries.push(Entry { distance, thing, behind: hidden_by(&self.town, view, at) });
        }
    }

    /// Throws the shadows of all that moves.
    fn shadows(&mut self, view: &View, seconds: f64) {
        #[cfg(test)]
        if !self.shadows {
            return;
        }
        for index in 0..self.entries.len() {
            let Thing::Actor(actor) = self.entries[index].thing else { continue };
            let actor = self.crowd[actor];
            if self.left_out(&actor) {
                continue;
            }
            let moment = placed(&actor, view, seconds);
            let depth = 255.0 * (1.0 - self.ground.shade(moment.at));
            let (light, canvas) = (&self.light, &mut self.canvas);
            match actor.kind {
                Kind::Person(look, pose) => {
                    let body = figure::body(&look, &stance(&moment, pose, look.height));
                    figure::shade(&body, depth, view, light, canvas);
                }
                Kind::Vehicle(make) => make.shade(&parked(&moment), depth, view, light, canvas),
                Kind::Cycle(look, ink) => {
                    let body = figure::body(&look, &stance(&moment, Pose::Ride, look.height));
                    figure::shade(&body, depth, view, light, canvas);
                    figure::shade(&vehicle::cycle(&parked(&moment), ink), depth, view, light, canvas);
                }
            }
        }
    }

    fn houses(&mut self, view: &View) {
        self.houses.clear();
        for (index, house) in self.town.houses.iter().enumerate() {
            let at = view.nearest(house.at.x, house.at.y);
            let (dx, dy) = (at.x - view.eye.x, at.y - view.eye.y);
            // As many as the town can have.
            let _ = self.houses.push((dx * dx + dy * dy, index));
        }
        self.houses.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for &(_, index) in &self.houses {
            let owner = u16::try_from(index + 1).unwrap_or(0);
            relief::house(&self.town.houses[index], owner, view, &self.light, &mut self.canvas);
        }
    }

    fn thing(&mut self, entry: &Entry, view: &View, seconds: f64) {
        let (light, behind) = (&self.light, entry.behind);
        let index = match entry.thing {
            Thing::Actor(index) => index,
            Thing::Trunk(index) => {
                relief::trunk(&self.town.trees[index], view, light, behind, &mut self.canvas);
                return;
            }
            Thing::Bench(index) => {
                relief::bench(self.town.benches[index], view, light, behind, &mut self.canvas);
                return;
            }
        };
        let actor = self.crowd[index];
        if self.left_out(&actor) {
            return;
        }
        let moment = placed(&actor, view, seconds);
        let dark = 1.0 - f32::from(u16::try_from(light.dark).unwrap_or(256)) / 256.0;
        let lit = light.at(moment.at.x, moment.at.y) * (1.0 - 0.9 * dark * self.ground.shade(moment.at));
        let brush = Brush { owner: FIRST + actor.number, behind };
        let canvas = &mut self.canvas;
        let person =
            |mut body: Body, brush, canvas: &mut Canvas| figure::draw(&mut body, lit, view, light, brush, canvas);
        match actor.kind {
            Kind::Person(look, pose) => {
                person(figure::body(&look, &stance(&moment, pose, look.height)), brush, canvas);
            }
            Kind::Vehicle(make) => make.draw(&parked(&moment), lit, view, light, brush, canvas),
            Kind::Cycle(look, ink) => {
                person(vehicle::cycle(&parked(&moment), ink), brush, canvas);
                let body = figure::body(&look, &stance(&moment, Pose::Ride, look.height));
                person(body, Brush { owner: brush.owner + 1, behind }, canvas);
            }
        }
    }

    /// Reads the truth off the pixels.
    fn tally(&mut self) {
        self.truth.clear();
        let counts = self.canvas.count();
        let mut note = |number: u16, class: Class| {
            let Some(count) = counts.get(usize::from(number)).filter(|count| count.owned > 0) else { return };
            let side = |(first, last): (u16, u16)| (usize::from(first), usize::from(last - first) + 1);
            let ((x, width), (y, height)) = (side(count.columns), side(count.rows));
            let share = |n: u32| super::number::real(i32::try_from(n).unwrap_or(i32::MAX));
            self.truth.push(Truth {
                id: u32::from(number) + 1,
                class,
                rect: Rect::new(x, y, width, height),
                visibility: share(count.owned) / share(count.whole.max(1)),
            });
        };
        for actor in &self.crowd {
            match actor.kind {
                Kind::Person(..) => note(actor.number, Class::Person),
                Kind::Vehicle(_) => note(actor.number, Class::Vehicle),
                Kind::Cycle(..) => {
                    note(actor.number, Class::Cycle);
                    note(actor.number + 1, Class::Person);
                }
            }
        }
    }

    /// The planes and owners of the frame drawn last.
    #[cfg(test)]
    pub(super) const fn canvas(&self) -> &Canvas {
        &self.canvas
    }
}

/// Where an actor is, as the copy of the world that is in view.
fn placed(actor: &Actor, view: &View, seconds: f64) -> Moment {
    let moment = actor.moment(seconds);
    Moment { at: view.nearest(moment.at.x, moment.at.y), ..moment }
}

const fn parked(moment: &Moment) -> Parked {
    Parked { at: moment.at, facing: moment.facing }
}

/// How someone of a height holds themselves; a full stride is 0.85 of the height on foot, a turn of the pedals 4.5 m.
fn stance(moment: &Moment, pose: Pose, height: f32) -> Stance {
    let stride = f64::from(match pose {
        Pose::Ride => 4.5,
        Pose::Walk if moment.speed > 2.3 => 1.3 * height,
        Pose::Walk | Pose::Stand | Pose::Sit | Pose::Bench | Pose::Lie => 0.85 * height,
    });
    let turns = moment.covered / stride;
    let phase = super::number::single(turns - turns.floor());
    let swing = if pose == Pose::Stand { 0.012 } else { (0.035 + 0.028 * moment.speed).min(0.12) };
    Stance { at: moment.at, facing: moment.facing, pose, phase, swing }
}
