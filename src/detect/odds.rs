//! How the scores of the passes over one picture become one score for each cell.
//!
//! Within a pass the highest score of the tiles that looked at a cell stands. Across passes the odds add up: a cell that
//! two passes suspect is suspected more than by either, and what one pass sees alone stands as that pass said it.
//!
//! A head is the smallest part of a person and lies at the top of it, where the network is least sure. So the odds of a
//! person in the cell below, in the first pass, count for a cell too. Chosen on held-out pictures
//! (`models/train/LOG.md`): on two cells or in the smaller passes it gains no more.

use super::evidence::ScoreMaps;
use crate::base::Grid;

/// Raises the scores of a pass in the cells that a tile looked at: `kinds` (persons, vehicles) over `tile`, whose first
/// cell is `origin` (column, row) there. What hangs over the picture's edge is left out.
pub fn raise(pass: &mut ScoreMaps, origin: (usize, usize), tile: Grid, kinds: [&[u8]; 2]) {
    let ((left, top), grid) = (origin, pass.grid);
    let columns = tile.columns.min(grid.columns.saturating_sub(left));
    let rows = tile.rows.min(grid.rows.saturating_sub(top));
    for (ours, scores) in [&mut pass.person, &mut pass.vehicle].into_iter().zip(kinds) {
        for (row, scores) in scores.chunks_exact(tile.columns).take(rows).enumerate() {
            let begin = grid.index(left, top + row);
            for (cell, &score) in ours[begin..begin + columns].iter_mut().zip(scores) {
                *cell = score.max(*cell);
            }
        }
    }
}

/// Writes the scores of all passes, their odds added, to every cell of `maps`. Each pass is over half the picture of the
/// one before it, the first over the picture itself.
pub fn add(passes: &[ScoreMaps], maps: &mut ScoreMaps) {
    add_kind(passes, |pass| &pass.person, true, maps.grid, &mut maps.person);
    add_kind(passes, |pass| &pass.vehicle, false, maps.grid, &mut maps.vehicle);
}

fn add_kind(passes: &[ScoreMaps], kind: fn(&ScoreMaps) -> &[u8], has_head: bool, grid: Grid, scores: &mut [u8]) {
    for (row, cells) in scores.chunks_exact_mut(grid.columns).enumerate() {
        let first = passes.first().filter(|_| has_head && row + 1 < grid.rows);
        for (column, cell) in cells.iter_mut().enumerate() {
            let at = |pass: &ScoreMaps, column, row| odds(kind(pass)[pass.grid.index(column, row)]);
            let seen = passes.iter().enumerate().map(|(scale, pass)| at(pass, column >> scale, row >> scale));
            let below = first.map(|first| at(first, column, row + 1));
            *cell = score(seen.chain(below).sum());
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
    fn a_person_raises_the_cell_above_in_the_first_pass_and_a_vehicle_none() {
        let size = Size::new(16, 64);
        let mut passes = [size, Size::new(8, 32)].map(ScoreMaps::empty);
        let one = Grid { side: SCORE_CELL, columns: 1, rows: 1 };
        raise(&mut passes[0], (1, 4), one, [&[204], &[204]]);
        raise(&mut passes[0], (1, 3), one, [&[128], &[0]]);
        raise(&mut passes[1], (0, 3), one, [&[51], &[0]]);
        raise(&mut passes[0], (0, 0), one, [&[204], &[0]]);
        let mut maps = ScoreMaps::empty(size);
        add(&passes, &mut maps);
        // Odds of 4 and 1 are 204 and 128, and 213 together; a half-size cell of 51 raises nothing above.
        let column = |scores: &[u8], x: usize| scores.chunks_exact(2).map(|row| row[x]).collect::<Vec<_>>();
        assert_eq!(column(&maps.person, 1), [0, 0, 128, 213, 204, 0, 51, 51]);
        assert_eq!(column(&maps.person, 0), [204, 0, 0, 0, 0, 0, 51, 51]);
        assert_eq!(column(&maps.vehicle, 1), [0, 0, 0, 0, 204, 0, 0, 0]);
    }

    #[test]
    fn a_cell_of_a_smaller_pass_reaches_all_that_it_looked_at_and_no_further() {
        let mut passes = [Size::new(40, 24), Size::new(20, 12), Size::new(10, 6)].map(ScoreMaps::empty);
        // A tile that hangs over the right and the lower edge, with one cell in each place.
        let tile = Grid { side: SCORE_CELL, columns: 4, rows: 4 };
        raise(&mut passes[1], (1, 1), tile, [&[128; 16], &[0; 16]]);
        raise(&mut passes[2], (0, 0), tile, [&[128; 16], &[7; 16]]);
        let mut maps = ScoreMaps::empty(Size::new(40, 24));
        maps.person.fill(9);
        add(&passes, &mut maps);
        let row = |y: usize| maps.person[5 * y..5 * y + 5].to_vec();
        assert_eq!([row(0), row(1)], [vec![128; 5], vec![128; 5]]);
        assert_eq!(row(2), [128, 128, 170, 170, 170]);
        assert!(maps.vehicle.iter().all(|&score| score == 7));
        passes.iter_mut().for_each(ScoreMaps::clear);
        add(&passes, &mut maps);
        assert!(maps.person.iter().chain(&maps.vehicle).all(|&score| score == 0));
    }
}
