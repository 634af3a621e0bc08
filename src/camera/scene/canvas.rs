//! The picture while it is drawn, and who owns each pixel of it.
//!
//! Things are drawn from far to near with soft edges. A thing owns a pixel when it gives at least a quarter of its
//! colour; the last such thing wins. Houses are drawn first, and a thing behind one leaves its pixels alone. What
//! lies up to [`MARGIN`] pixels outside the picture is counted, but not drawn: it is part of a thing's whole.

use super::number::{byte, real};
use super::shape::{Edges, Limb, band, index};
use super::view::{Outline, P2};
use crate::base::Size;

/// Pixels around the picture in which a thing's hidden part is still counted.
pub(super) const MARGIN: usize = 160;
/// The same as a coordinate.
const AROUND: i32 = 160;

/// Share of a pixel's colour from which it belongs to a thing.
const OWNED: f32 = 0.25;

/// Pixels that are looked at together when owners are counted.
const STRETCH: usize = 32;

/// Owner of pixels that no thing in the truth owns: trees, benches.
pub(super) const SCENERY: u16 = 64;
/// First owner in the truth; 1 to 63 are houses.
pub(super) const FIRST: u16 = 65;

/// A colour as limited-range luma and chroma.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ink {
    pub(super) y: f32,
    pub(super) u: f32,
    pub(super) v: f32,
}

impl Ink {
    /// BT.601 limited range from 8-bit red, green and blue.
    pub(super) const fn rgb(r: f32, g: f32, b: f32) -> Self {
        Self {
            y: 16.0 + 0.257 * r + 0.504 * g + 0.098 * b,
            u: 128.0 - 0.148 * r - 0.291 * g + 0.439 * b,
            v: 128.0 + 0.439 * r - 0.368 * g - 0.071 * b,
        }
    }

    /// The same colour in more or less light.
    pub(super) fn lit(self, light: f32) -> Self {
        let luma = 16.0 + (self.y - 16.0) * light;
        // Chroma follows light down, and fades where luma would leave its range.
        let tint = if luma > 235.0 { 0.5 } else { light.min(1.0) };
        Self { y: luma.clamp(16.0, 235.0), u: 128.0 + (self.u - 128.0) * tint, v: 128.0 + (self.v - 128.0) * tint }
    }
}

/// Who draws, and what stands before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brush {
    /// Owner of the pixels.
    pub(super) owner: u16,
    /// Bit n: house n stands in front.
    pub(super) behind: u64,
}

/// What was counted of one owner.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    /// Pixels it covers, hidden or not.
    pub(super) whole: u32,
    /// Pixels it owns.
    pub(super) owned: u32,
    /// First and last column, first and last row of those.
    pub(super) columns: (u16, u16),
    pub(super) rows: (u16, u16),
}

/// The planes in work. All memory is taken when it is made.
pub(super) struct Canvas {
    pub(super) size: Size,
    pub(super) luma: Box<[u8]>,
    /// U and V side by side, halved both ways.
    pub(super) chroma: Box<[[u8; 2]]>,
    /// Depth of the shadows that moving things throw, 0 to 255.
    pub(super) shade: Box<[u8]>,
    owner: Box<[u16]>,
    /// Last owner to touch each pixel, margin included.
    touched: Box<[u16]>,
    counts: Box<[Count]>,
}

/// Mixes a colour into a sample.
fn mix(into: &mut u8, ink: f32, share: f32) {
    let old = f32::from(*into);
    *into = byte(old + (ink - old) * share);
}

impl Canvas {
    /// An empty picture for `owners` things in the truth.
    pub(super) fn new(size: Size, owners: usize) -> Self {
        let wide = Size::new(size.width + 2 * MARGIN, size.height + 2 * MARGIN);
        Self {
            size,
            luma: vec![16; size.area()].into(),
            chroma: vec![[128; 2]; size.chroma().area()].into(),
            shade: vec![0; size.area()].into(),
            owner: vec![0; size.area()].into(),
            touched: vec![0; wide.area()].into(),
            counts: vec![Count::default(); owners + usize::from(FIRST)].into(),
        }
    }

    /// Forgets shadows, owners and counts; the planes are painted over by the ground.
    pub(super) fn clear(&mut self) {
        self.shade.fill(0);
        self.owner.fill(0);
        self.touched.fill(0);
        self.counts.fill(Count::default());
    }

    fn sides(&self) -> (i32, i32) {
        let side = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        (side(self.size.width), side(self.size.height))
    }

    /// One row of a shape: `part` gives the share of the pixel at a column that the shape covers, and its colour.
    fn row(&mut self, y: i32, columns: std::ops::Range<i32>, brush: Brush, part: impl Fn(f32) -> (f32, f32)) {
        let (width, height) = self.sides();
        let visible = y >= 0 && y < height;
        let touched = index(y + AROUND) * (self.size.width + 2 * MARGIN);
        let picture = index(y.max(0)) * self.size.width;
        for x in columns {
            let (share, luma) = part(real(x) + 0.5);
            if share <= 0.02 {
                continue;
            }
            if share >= OWNED && brush.owner >= FIRST {
                let last = &mut self.touched[touched + index(x + AROUND)];
                if *last != brush.owner {
                    *last = brush.owner;
                    self.counts[usize::from(brush.owner)].whole += 1;
                }
            }
            if visible && x >= 0 && x < width {
                let at = picture + index(x);
                let owner = self.owner[at];
                if owner < SCENERY && (brush.behind >> owner) & 1 == 1 {
                    continue;
                }
                if share >= OWNED {
                    self.owner[at] = brush.owner;
                }
                mix(&mut self.luma[at], luma, share);
            }
        }
    }

    /// One row of a shape in the chroma planes; `part` is asked at the middle of each sample, in luma pixels.
    fn chroma_row(&mut self, y: i32, columns: std::ops::Range<i32>, behind: u64, part: impl Fn(f32) -> (f32, Ink)) {
        let chroma = self.size.chroma().width;
        for x in columns {
            let (share, ink) = part(real(2 * x + 1));
            if share > 0.02 {
                let owner = self.owner[index(2 * y) * self.size.width + index(2 * x)];
                if owner >= SCENERY || (behind >> owner) & 1 == 0 {
                    let [u, v] = &mut self.chroma[index(y) * chroma + index(x)];
                    mix(u, ink.u, share);
                    mix(v, ink.v, share);
                }
            }
        }
    }

    /// Rows and columns of a box that are counted, and those that have chroma samples.
    fn reach(&self, low: P2, high: P2) -> [std::ops::Range<i32>; 4] {
        let (width, height) = self.sides();
        [
            band(low.y, high.y, -AROUND, height + AROUND),
            band(low.x, high.x, -AROUND, width + AROUND),
            band((low.y - 1.0) / 2.0, (high.y + 1.0) / 2.0, 0, (height + 1) / 2),
            band((low.x - 1.0) / 2.0, (high.x + 1.0) / 2.0, 0, (width + 1) / 2),
        ]
    }

    /// A limb: the hull of two discs. `light` is the direction in the picture from which it is lit, at most 1 long.
    pub(super) fn limb(&mut self, limb: Limb, ink: Ink, light: P2, brush: Brush) {
        let (low, high) = limb.bounds();
        let [rows, columns, chroma_rows, chroma_columns] = self.reach(low, high);
        let thin = (2.0 * limb.radii.0.max(limb.radii.1)).min(1.0);
        for y in rows {
            self.row(y, columns.clone(), brush, |x| {
                let (inside, across) = limb.depth(P2 { x, y: real(y) + 0.5 });
                let shine = 1.0 + 0.28 * (across.x * light.x + across.y * light.y);
                ((inside + 0.5).clamp(0.0, thin), 16.0 + (ink.y - 16.0) * shine)
            });
        }
        for y in chroma_rows {
            self.chroma_row(y, chroma_columns.clone(), brush.behind, |x| {
                let (inside, _) = limb.depth(P2 { x, y: real(2 * y + 1) });
                ((inside / 2.0 + 0.5).clamp(0.0, thin), ink)
            });
        }
    }

    /// The shadow of a limb on the ground, `depth` 0 to 255.
    pub(super) fn limb_shade(&mut self, limb: Limb, depth: f32) {
        let ((low, high), (width, height)) = (limb.bounds(), self.sides());
        let thin = (2.0 * limb.radii.0.max(limb.radii.1)).min(1.0) * depth;
        for y in band(low.y, high.y, 0, height) {
            for x in band(low.x, high.x, 0, width) {
                let (inside, _) = limb.depth(P2 { x: real(x) + 0.5, y: real(y) + 0.5 });
                let shade = byte(((inside + 0.5) * depth).clamp(0.0, thin));
                let at = index(y) * self.size.width + index(x);
                self.shade[at] = self.shade[at].max(shade);
            }
        }
    }

    /// A flat convex shape; `paint` gives colour and share at a pixel, or nothing where it has a hole.
    pub(super) fn face(&mut self, outline: &Outline, brush: Brush, paint: impl Fn(P2) -> Option<Ink>) {
        let Some(edges) = Edges::of(outline) else { return };
        let [rows, columns, chroma_rows, chroma_columns] = self.reach(edges.low, edges.high);
        for y in rows {
            let row = real(y) + 0.5;
            self.row(y, edges.cut(row, 0.5, 1.0, &columns), brush, |x| {
                let at = P2 { x, y: row };
                paint(at).map_or((0.0, 0.0), |ink| ((edges.inside(at) + 0.5).clamp(0.0, 1.0), ink.y))
            });
        }
        for y in chroma_rows {
            let row = real(2 * y + 1);
            self.chroma_row(y, edges.cut(row, 1.0, 2.0, &chroma_columns), brush.behind, |x| {
                let at = P2 { x, y: row };
                let share = (edges.inside(at) / 2.0 + 0.5).clamp(0.0, 1.0);
                paint(at).map_or((0.0, Ink::default()), |ink| (share, ink))
            });
        }
    }

    /// The shadow of a flat convex shape, `depth` 0 to 255.
    pub(super) fn face_shade(&mut self, outline: &Outline, depth: f32) {
        let Some(edges) = Edges::of(outline) else { return };
        let (width, height) = self.sides();
        let columns = band(edges.low.x, edges.high.x, 0, width);
        for y in band(edges.low.y, edges.high.y, 0, height) {
            let row = real(y) + 0.5;
            for x in edges.cut(row, 0.5, 1.0, &columns) {
                let shade = byte((edges.inside(P2 { x: real(x) + 0.5, y: row }) + 0.5).clamp(0.0, 1.0) * depth);
                let at = index(y) * self.size.width + index(x);
                self.shade[at] = self.shade[at].max(shade);
            }
        }
    }

    /// A round, ragged shape looked up in a picture of its own: `paint` gives share and colour.
    pub(super) fn stamp(&mut self, low: P2, high: P2, brush: Brush, paint: impl Fn(P2) -> (f32, Ink)) {
        let [rows, columns, chroma_rows, chroma_columns] = self.reach(low, high);
        for y in rows {
            self.row(y, columns.clone(), brush, |x| {
                let (share, ink) = paint(P2 { x, y: real(y) + 0.5 });
                (share, ink.y)
            });
        }
        for y in chroma_rows {
            self.chroma_row(y, chroma_columns.clone(), brush.behind, |x| paint(P2 { x, y: real(2 * y + 1) }));
        }
    }

    /// Darkens the picture by the shadows drawn so far; full depth leaves `dark` of 256.
    pub(super) fn cast(&mut self, dark: u32) {
        let fade = 256 - dark.min(256);
        for (luma, &shade) in self.luma.iter_mut().zip(&self.shade) {
            let above = u32::from(luma.saturating_sub(16));
            let kept = 65_280 - fade * u32::from(shade);
            *luma = 16 + u8::try_from((above * kept) / 65_280).unwrap_or(0);
        }
    }

    /// Counts what each owner kept. Call once, when all is drawn.
    pub(super) fn count(&mut self) -> &[Count] {
        let rows = self.owner.chunks_exact(self.size.width);
        for (y, row) in (0u16..).zip(rows) {
            // Most of a row is ground: stretches without an owner in the truth are passed over whole.
            let stretches = (0u16..).step_by(STRETCH).zip(row.chunks(STRETCH));
            let owned =
                stretches.filter(|(_, stretch)| stretch.iter().fold(0, |most, &owner| most.max(owner)) >= FIRST);
            for (x, &owner) in owned.flat_map(|(start, stretch)| (start..).zip(stretch)) {
                if owner >= FIRST {
                    let count = &mut self.counts[usize::from(owner)];
                    if count.owned == 0 {
                        (count.columns, count.rows) = ((x, x), (y, y));
                    }
                    count.owned += 1;
                    count.columns = (count.columns.0.min(x), count.columns.1.max(x));
                    count.rows.1 = y;
                }
            }
        }
        self.counts.get(usize::from(FIRST)..).unwrap_or_default()
    }

    /// Who owns each pixel, in row order.
    #[cfg(test)]
    pub(super) fn owners(&self) -> &[u16] {
        &self.owner
    }
}
