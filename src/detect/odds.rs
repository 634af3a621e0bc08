//! How the scores of the passes over one picture become one score for each cell.
//!
//! Within a pass the highest score of the tiles that looked at a cell stands. Across passes the odds add up: a cell that
//! two passes suspect is suspected more than by either, and what one pass sees alone stands as that pass said it.

use super::evidence::ScoreMaps;
use crate::base::Grid;

/// The scores of one pass, a cell for each score cell of the picture that it looked at.
pub struct PassScores {
    /// How often the picture was halved.
    scale: usize,
    grid: Grid,
    /// Persons, then vehicles, row order.
    kinds: [Box<[u8]>; 2],
}

impl PassScores {
    /// For the pass at `scale` over a picture with the score cells `full`.
    pub fn new(full: Grid, scale: usize) -> Self {
        let (columns, rows) = (full.columns.div_ceil(1 << scale), full.rows.div_ceil(1 << scale));
        let grid = Grid { side: full.side, columns, rows };
        let none = || vec![0; grid.cells()].into_boxed_slice();
        Self { scale, grid, kinds: [none(), none()] }
    }

    /// Forgets the picture before.
    pub fn clear(&mut self) {
        self.kinds.iter_mut().for_each(|scores| scores.fill(0));
    }

    /// Raises the scores of the cells that a tile looked at: `kinds` over `tile`, whose first cell is `origin` (column,
    /// row) here. What hangs over the picture's edge is left out.
    pub fn raise(&mut self, origin: (usize, usize), tile: Grid, kinds: [&[u8]; 2]) {
        let (left, top) = origin;
        let columns = tile.columns.min(self.grid.columns.saturating_sub(left));
        let rows = tile.rows.min(self.grid.rows.saturating_sub(top));
        for (ours, scores) in self.kinds.iter_mut().zip(kinds) {
            for (row, scores) in scores.chunks_exact(tile.columns).take(rows).enumerate() {
                let begin = self.grid.index(left, top + row);
                for (cell, &score) in ours[begin..begin + columns].iter_mut().zip(scores) {
                    *cell = score.max(*cell);
                }
            }
        }
    }
}

/// Writes the scores of all passes, their odds added, to every cell of `maps`.
pub fn add(passes: &[PassScores], maps: &mut ScoreMaps) {
    let grid = maps.grid;
    for (kind, scores) in [&mut maps.person, &mut maps.vehicle].into_iter().enumerate() {
        for (row, cells) in scores.chunks_exact_mut(grid.columns).enumerate() {
            for (column, cell) in cells.iter_mut().enumerate() {
                let seen = |pass: &PassScores| {
                    let index = pass.grid.index(column >> pass.scale, row >> pass.scale);
                    odds(pass.kinds[kind][index])
                };
                *cell = score(passes.iter().map(seen).sum());
            }
        }
    }
}

/// The probability over what it lacks to 1.
fn odds(score: u8) -> f32 {
    f32::from(score) / f32::from(255 - score)
}

/// The score of these odds: the nearest, and never below that of a part of them.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "odds are 0 or more, which makes 0 to 255")]
fn score(odds: f32) -> u8 {
    (255.0 - 255.0 / (1.0 + odds)).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Size;
    use crate::base::geometry::SCORE_CELL;

    #[test]
    fn what_one_pass_sees_alone_stands_as_it_is() {
        assert!((0..=255).all(|alone| score(odds(alone)) == alone));
    }

    #[test]
    fn another_pass_never_takes_anything_away() {
        for a in 0..=255 {
            for b in 0..=255 {
                let both = score(odds(a) + odds(b));
                assert!(both >= a.max(b), "{a} and {b} make {both}");
            }
        }
        assert_eq!((score(odds(128) + odds(128)), score(odds(200) + odds(200))), (170, 224));
    }

    #[test]
    fn a_cell_of_a_smaller_pass_reaches_all_that_it_looked_at_and_no_further() {
        let full = Grid::over(Size::new(40, 24), SCORE_CELL);
        let mut passes = [0, 1, 2].map(|scale| PassScores::new(full, scale));
        // A tile that hangs over the right and the lower edge, with one cell in each place.
        let tile = Grid { side: SCORE_CELL, columns: 4, rows: 4 };
        passes[1].raise((1, 1), tile, [&[128; 16], &[0; 16]]);
        passes[2].raise((0, 0), tile, [&[128; 16], &[7; 16]]);
        let (person, vehicle) = (vec![9; 15].into_boxed_slice(), vec![9; 15].into_boxed_slice());
        let mut maps = ScoreMaps { grid: full, person, vehicle };
        add(&passes, &mut maps);
        let row = |y: usize| maps.person[5 * y..5 * y + 5].to_vec();
        assert_eq!([row(0), row(1)], [vec![128; 5], vec![128; 5]]);
        assert_eq!(row(2), [128, 128, 170, 170, 170]);
        assert!(maps.vehicle.iter().all(|&score| score == 7));
        passes.iter_mut().for_each(PassScores::clear);
        add(&passes, &mut maps);
        assert!(maps.person.iter().chain(&maps.vehicle).all(|&score| score == 0));
    }
}
