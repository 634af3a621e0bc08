//! Line charts as inline SVG: a band from lowest to highest, slates marked, axes with units.
//!
//! The plot stretches with the page; the numbers stand beside it as text, so that they stay readable on a phone.

use std::fmt::Write;

use super::frames_csv::{POINTS, Point};
use super::{count, real};

/// One chart, ready for the page.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Heading.
    pub title: &'static str,
    /// The `<svg>` element's content.
    pub plot: String,
    /// Labels of the vertical axis with their height in percent from the bottom.
    pub heights: Vec<(String, f64)>,
    /// Labels of the horizontal axis with their place in percent from the left.
    pub places: Vec<(String, f64)>,
    /// What the horizontal axis counts.
    pub across: &'static str,
    /// What the chart shows, in words, for those who cannot see it.
    pub words: String,
}

/// How the horizontal axis counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Across {
    /// Seconds of the clip.
    Time,
    /// Stills in order.
    Stills,
}

/// Share of the picture sent clear.
pub fn clear(points: &[Point], across: Across) -> Option<Chart> {
    let lowest = points.iter().map(|point| point.clear.0).fold(f64::INFINITY, f64::min);
    let highest = points.iter().map(|point| point.clear.1).fold(0.0, f64::max);
    let slates: u64 = points.iter().map(|point| point.slates).sum();
    let words = format!(
        "Between {:.0} and {:.0} percent of each picture were sent clear; {}.",
        lowest * 100.0,
        highest * 100.0,
        match slates {
            0 => "there was no slate".to_owned(),
            1 => "one of them was a slate".to_owned(),
            slates => format!("{slates} of them were slates"),
        }
    );
    let values: Vec<_> = points.iter().map(|point| point.clear).collect();
    let labels = [(0.0, "0 %"), (50.0, "50 %"), (100.0, "100 %")].map(|(height, text)| (text.to_owned(), height));
    draw("Sent clear", points, &values, 1.0, labels.to_vec(), across, words)
}

/// Time from reading or capture to the finished access unit.
pub fn total(points: &[Point], across: Across) -> Option<Chart> {
    let highest = points.iter().map(|point| point.total_ms.1).fold(0.0, f64::max);
    let top = ceiling(highest);
    let words = format!("The slowest frame took {highest:.0} milliseconds from capture to access unit.");
    let values: Vec<_> = points.iter().map(|point| point.total_ms).collect();
    let label = |share: f64| (format!("{} ms", plain(top * share)), share * 100.0);
    draw("Time per frame", points, &values, top, vec![label(0.0), label(0.5), label(1.0)], across, words)
}

fn draw(
    title: &'static str,
    points: &[Point],
    values: &[(f64, f64)],
    top: f64,
    heights: Vec<(String, f64)>,
    across: Across,
    words: String,
) -> Option<Chart> {
    let (first, last) = (points.first()?, points.last()?);
    let place = |point: &Point| match across {
        Across::Time => point.captured.since(first.captured).as_ms(),
        Across::Stills => real(point.frame.saturating_sub(first.frame)),
    };
    // The last point ends as far behind its beginning as points lie apart on average.
    let gaps = real(count(points.len().max(2) - 1));
    let end = (place(last) * (gaps + 1.0) / gaps).max(1e-9);
    let x = |point: &Point| place(point) / end * real(count(POINTS));
    let y = |value: f64| 100.0 - (value / top).clamp(0.0, 1.0) * 100.0;
    let mut plot = String::new();
    for height in [0, 50, 100] {
        put(&mut plot, format_args!("<path class=\"grid\" d=\"M0 {height}H{POINTS}\"/>"));
    }
    let ends = points.iter().skip(1).map(&x).chain([real(count(POINTS))]);
    for (point, end) in points.iter().zip(ends).filter(|(point, _)| point.slates > 0) {
        // At least two units wide, so that one slate in a long clip is seen.
        let (left, width) = (x(point), (end - x(point)).max(2.0));
        put(
            &mut plot,
            format_args!("<rect class=\"slate\" x=\"{left:.1}\" y=\"0\" width=\"{width:.1}\" height=\"100\"/>"),
        );
    }
    let mut band = String::new();
    for (point, value) in points.iter().zip(values) {
        put(&mut band, format_args!("{:.1} {:.1} ", x(point), y(value.1)));
    }
    for (point, value) in points.iter().zip(values).rev() {
        put(&mut band, format_args!("{:.1} {:.1} ", x(point), y(value.0)));
    }
    put(&mut plot, format_args!("<polygon class=\"band\" points=\"{}\"/>", band.trim_end()));
    let (unit, across) = match across {
        Across::Time if end >= 180_000.0 => (60_000.0, "minutes"),
        Across::Time => (1000.0, "seconds"),
        Across::Stills => (1.0, "stills"),
    };
    let places = ticks(end / unit).map(|value| (plain(value), value * unit / end * 100.0)).collect();
    Some(Chart { title, plot, heights, places, across, words })
}

fn put(text: &mut String, words: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(words);
}

/// Round numbers from 0 to at most `end`, three to seven of them.
fn ticks(end: f64) -> impl Iterator<Item = f64> {
    let mut step = 0.01;
    for factor in [2.0, 2.5, 2.0].into_iter().cycle().take(30) {
        if end / step <= 6.0 {
            break;
        }
        step *= factor;
    }
    (0..7u8).map(move |tick| f64::from(tick) * step).take_while(move |&value| value <= end)
}

/// The next of 1, 1.5, 2, 3, 4, 6, 8, 10, 15, … that is not below `value`.
fn ceiling(value: f64) -> f64 {
    let mut power = 0.01;
    while power < 1e9 {
        for step in [1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0] {
            if power * step >= value {
                return power * step;
            }
        }
        power *= 10.0;
    }
    power
}

/// Without digits that say nothing.
fn plain(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Micros;

    fn point(frame: u64, slates: u64, low: f64, high: f64) -> Point {
        let captured = Micros::from_ms(frame * 1000);
        Point { frame, captured, frames: 1, slates, clear: (low, high), total_ms: (low * 100.0, high * 100.0) }
    }

    #[test]
    fn the_band_runs_there_above_and_back_below() {
        let chart = clear(&[point(0, 0, 0.5, 0.75), point(1, 1, 0.0, 0.25)], Across::Time).unwrap();
        assert!(chart.plot.contains("points=\"0.0 25.0 300.0 75.0 300.0 100.0 0.0 50.0\""), "{}", chart.plot);
        assert!(chart.plot.contains("class=\"slate\" x=\"300.0\" y=\"0\" width=\"300.0\""), "{}", chart.plot);
        assert_eq!(chart.places.last(), Some(&("2".to_owned(), 100.0)));
        assert!(
            chart.words.starts_with("Between 0 and 75 percent") && chart.words.ends_with("one of them was a slate."),
            "{}",
            chart.words
        );
    }

    #[test]
    fn one_point_and_none_are_fine() {
        assert!(clear(&[], Across::Stills).is_none());
        let chart = total(&[point(0, 0, 0.3, 0.3)], Across::Stills).unwrap();
        assert!(!chart.plot.contains("NaN") && !chart.plot.contains("inf"), "{}", chart.plot);
    }

    #[test]
    fn axes_end_on_round_numbers() {
        for (value, top) in [(0.0, 0.01), (2.5, 3.0), (41.0, 60.0), (100.0, 100.0), (123.0, 150.0)] {
            assert!((ceiling(value) - top).abs() < 1e-9, "{value}");
        }
        assert_eq!(ticks(31.8).collect::<Vec<_>>(), [0.0, 10.0, 20.0, 30.0]);
        assert_eq!(ticks(13.4).count(), 3, "0, 5 and 10");
        assert_eq!([plain(0.5), plain(20.0), plain(2.0 / 3.0)], ["0.5", "20", "0.67"]);
    }
}
