//! Floors: what a figure must reach for a run to count as good.

use super::Figures;

/// Which side of the floor is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The figure may not be larger.
    AtMost,
    /// The figure may not be smaller.
    AtLeast,
}

/// A figure and the value it must keep.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Floor {
    /// Name of the figure in the contract.
    pub figure: &'static str,
    /// Which side is good.
    pub bound: Bound,
    /// The value; reaching it exactly is good.
    pub floor: f64,
}

/// The floors of a replay. They are the promise, not the best that was reached.
pub const FLOORS: [Floor; 5] = [
    // One head in fifty person-frames, counted at 99 % of its pixels: most that slip are a few pixels at a margin.
    Floor { figure: "head_leak", bound: Bound::AtMost, floor: 0.02 },
    // Hands, feet and shadows' edges may show; a person may not.
    Floor { figure: "person_cover", bound: Bound::AtLeast, floor: 0.97 },
    // A veil over a seventh of the ground still leaves the pilot a picture to fly by.
    Floor { figure: "over_mask", bound: Bound::AtMost, floor: 0.15 },
    // Below this, what covered cells have in common with the source is coding noise.
    Floor { figure: "leak_correlation", bound: Bound::AtMost, floor: 0.1 },
    // A slate is safe but blind: one frame in a hundred.
    Floor { figure: "slate_share", bound: Bound::AtMost, floor: 0.01 },
];

/// How a figure stands against its floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// At the floor or on its good side.
    Met,
    /// On its bad side.
    NotMet,
    /// There is no value.
    NotMeasured,
}

/// One floor, judged.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Judgement {
    /// Figure, side and value.
    #[serde(flatten)]
    pub floor: Floor,
    /// What was measured.
    pub measured: Option<f64>,
    /// How it stands.
    pub outcome: Outcome,
}

/// The run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every floor is met.
    Met,
    /// A floor is not met.
    NotMet,
    /// Nothing fell short, but a figure with a floor was not measured.
    Open,
}

/// Judges the figures against [`FLOORS`]. `stills` are not encoded: no stream of theirs can leak.
pub fn judge(figures: &Figures, stills: bool) -> Vec<Judgement> {
    let table = figures.table();
    let floors = FLOORS.iter().filter(|floor| !(stills && floor.figure == "leak_correlation"));
    let judged = floors.map(|&floor| {
        let measured =
            table.iter().find(|(name, _)| *name == floor.figure).and_then(|(_, value)| (*value).clone().ok());
        let outcome = match (measured, floor.bound) {
            (None, _) => Outcome::NotMeasured,
            (Some(value), Bound::AtMost) if value <= floor.floor => Outcome::Met,
            (Some(value), Bound::AtLeast) if value >= floor.floor => Outcome::Met,
            (Some(_), _) => Outcome::NotMet,
        };
        Judgement { floor, measured, outcome }
    });
    judged.collect()
}

/// Sums up: one floor that is not met decides.
pub fn verdict(judgements: &[Judgement]) -> Verdict {
    let any = |outcome| judgements.iter().any(|one| one.outcome == outcome);
    if any(Outcome::NotMet) {
        Verdict::NotMet
    } else if any(Outcome::NotMeasured) {
        Verdict::Open
    } else {
        Verdict::Met
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_floor_names_a_figure_and_is_closed_on_its_good_side() {
        let mut figures = Figures::unmeasured("not yet");
        assert_eq!(verdict(&judge(&figures, false)), Verdict::Open);
        figures.head_leak = Ok(0.02);
        figures.person_cover = Ok(0.97);
        figures.over_mask = Ok(0.15);
        figures.slate_share = Ok(0.01);
        assert_eq!(verdict(&judge(&figures, false)), Verdict::Open);
        assert_eq!(verdict(&judge(&figures, true)), Verdict::Met);
        figures.leak_correlation = Ok(0.1);
        assert_eq!(verdict(&judge(&figures, false)), Verdict::Met);
        for (worse, name) in [
            (Figures { head_leak: Ok(0.021), ..figures.clone() }, "head_leak"),
            (Figures { person_cover: Ok(0.969), ..figures.clone() }, "person_cover"),
            (Figures { over_mask: Ok(f64::NAN), ..figures.clone() }, "over_mask"),
        ] {
            let judgements = judge(&worse, false);
            let bad: Vec<_> = judgements.iter().filter(|one| one.outcome == Outcome::NotMet).collect();
            assert_eq!((bad.len(), bad[0].floor.figure, verdict(&judgements)), (1, name, Verdict::NotMet));
        }
    }
}
