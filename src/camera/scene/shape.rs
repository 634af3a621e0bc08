//! Shapes in the picture with soft edges: hulls of two discs, convex outlines.
//!
//! How deep a pixel lies inside is measured in pixels from the edge; half a pixel outside nothing is left of a shape.

use super::number::{floor, real};
use super::view::{Outline, P2};

/// Pixels of a band `low..high` along one side, cut to `least..most`.
pub(super) fn band(low: f32, high: f32, least: i32, most: i32) -> std::ops::Range<i32> {
    floor(low).max(least)..floor(high).saturating_add(1).min(most)
}

/// A coordinate that is known to be inside a plane as an index.
pub(super) const fn index(x: i32) -> usize {
    x.unsigned_abs() as usize
}

/// The hull of two discs in the picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limb {
    pub(super) ends: (P2, P2),
    pub(super) radii: (f32, f32),
}

impl Limb {
    /// Corners of the box it is in.
    pub(super) fn bounds(&self) -> (P2, P2) {
        let ((a, b), r) = (self.ends, self.radii.0.max(self.radii.1) + 0.7);
        (P2 { x: a.x.min(b.x) - r, y: a.y.min(b.y) - r }, P2 { x: a.x.max(b.x) + r, y: a.y.max(b.y) + r })
    }

    /// How deep a pixel is inside, and how far off the axis in radii.
    pub(super) fn depth(&self, at: P2) -> (f32, P2) {
        let (a, b) = self.ends;
        let (along, from) = (P2 { x: b.x - a.x, y: b.y - a.y }, P2 { x: at.x - a.x, y: at.y - a.y });
        let length = along.x * along.x + along.y * along.y;
        let part = if length > 1e-6 { ((from.x * along.x + from.y * along.y) / length).clamp(0.0, 1.0) } else { 0.0 };
        let off = P2 { x: from.x - along.x * part, y: from.y - along.y * part };
        let radius = self.radii.0 + (self.radii.1 - self.radii.0) * part;
        let square = off.x * off.x + off.y * off.y;
        let over = radius + 0.5;
        if square >= over * over {
            return (-1.0, P2::default());
        }
        let scale = 1.0 / radius.max(0.5);
        (radius - square.sqrt(), P2 { x: off.x * scale, y: off.y * scale })
    }
}

/// The edges of a convex outline as half planes.
pub(super) struct Edges {
    lines: heapless::Vec<[f32; 3], 6>,
    pub(super) low: P2,
    pub(super) high: P2,
}

impl Edges {
    /// Nothing for an outline without area.
    pub(super) fn of(outline: &Outline) -> Option<Self> {
        let first = *outline.first()?;
        let (mut low, mut high, mut area) = (first, first, 0.0);
        let mut from = *outline.last()?;
        for &to in outline {
            area += from.x * to.y - to.x * from.y;
            low = P2 { x: low.x.min(to.x), y: low.y.min(to.y) };
            high = P2 { x: high.x.max(to.x), y: high.y.max(to.y) };
            from = to;
        }
        if outline.len() < 3 || area.abs() < 0.05 {
            return None;
        }
        let turn = if area > 0.0 { 1.0 } else { -1.0 };
        let mut lines = heapless::Vec::new();
        for &to in outline {
            let (dx, dy) = ((to.x - from.x) * turn, (to.y - from.y) * turn);
            let length = (dx * dx + dy * dy).sqrt();
            if length > 1e-4 {
                let (a, b) = (-dy / length, dx / length);
                let _ = lines.push([a, b, -(a * from.x + b * from.y)]);
            }
            from = to;
        }
        let soft = |p: P2, by: f32| P2 { x: p.x + by, y: p.y + by };
        Some(Self { lines, low: soft(low, -0.6), high: soft(high, 0.6) })
    }

    /// How deep a pixel is inside.
    pub(super) fn inside(&self, at: P2) -> f32 {
        self.lines.iter().fold(f32::MAX, |least, &[a, b, c]| least.min(a * at.x + b * at.y + c))
    }

    /// The columns of a row that may be inside; a column is `step` pixels, `soft` is the edge's half width.
    pub(super) fn cut(&self, y: f32, soft: f32, step: f32, columns: &std::ops::Range<i32>) -> std::ops::Range<i32> {
        let (mut low, mut high) = (real(columns.start) * step, real(columns.end) * step);
        for &[a, b, c] in &self.lines {
            let rest = -(b * y + c + soft);
            if a > 1e-6 {
                low = low.max(rest / a);
            } else if a < -1e-6 {
                high = high.min(rest / a);
            } else if rest > 0.0 {
                return 0..0;
            }
        }
        if high < low {
            return 0..0;
        }
        band(low / step - 1.0, high / step, columns.start, columns.end)
    }
}
