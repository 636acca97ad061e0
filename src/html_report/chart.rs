//! Charts as SVG, without a word that is not also in a table beside them.

use std::fmt::Write as _;

use super::histogram::Column;
use super::html::text;
use crate::text::thousands;

/// Colours that classes and splits have in turn; the style sheet has as many.
const COLOURS: usize = 8;
/// Shapes that points have in turn, so that nobody depends on colours alone.
const SHAPES: usize = 4;
/// Width of the drawing of points; its height follows from them, within these.
pub(super) const WIDTH: f64 = 800.0;
const HEIGHTS: std::ops::RangeInclusive<f64> = 360.0..=640.0;
/// Left free around it.
const MARGIN: f64 = 16.0;

/// The style sheet's name of a colour.
pub(super) fn colour(number: usize) -> String {
    format!("c{}", number % COLOURS)
}

/// The same for a split: those that are not near the colour of rejected files.
pub(super) fn split_colour(number: usize) -> &'static str {
    ["c0", "c2", "c4", "c7"][number % 4]
}

/// A bar of parts, each with its colour and its share of the whole width.
pub(super) fn bar(parts: impl Iterator<Item = (&'static str, f64)>) -> String {
    let mut svg =
        String::from(r#"<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">"#);
    let mut from = 0.0;
    for (colour, share) in parts.filter(|(_, share)| *share > 0.0) {
        let width = 100.0 * share;
        let _ = write!(svg, r#"<rect class="{colour}" x="{from:.3}" width="{width:.3}" height="10"/>"#);
        from += width;
    }
    svg + "</svg>"
}

/// A histogram, described by `label`.
pub(super) fn columns(label: &str, columns: &[Column]) -> String {
    const SIZE: (f64, f64) = (480.0, 170.0);
    const BASE: f64 = 145.0;
    let most = columns.iter().map(|column| column.count).max().unwrap_or(0).max(1);
    let step = SIZE.0 / columns.len().max(1) as f64;
    let every = columns.len().div_ceil(13);
    let (width, height) = SIZE;
    let mut svg =
        format!(r#"<svg class="columns" viewBox="0 0 {width} {height}" role="img" aria-label="{}">"#, text(label));
    for (number, Column { label, tick, count }) in columns.iter().enumerate() {
        let (x, tall) = (step * number as f64, (BASE - 20.0) * *count as f64 / most as f64);
        let (left, top, wide) = (x + step * 0.08, BASE - tall, step * 0.84);
        let _ = write!(
            svg,
            r#"<g><title>{}: {}</title><rect class="plain" x="{left:.1}" y="{top:.1}" width="{wide:.1}" height="{tall:.1}"/></g>"#,
            text(label),
            thousands(*count)
        );
        let middle = x + step / 2.0;
        if count == &most {
            let _ = write!(
                svg,
                r#"<text x="{middle:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                top - 5.0,
                thousands(*count)
            );
        }
        if number % every == 0 {
            let _ = write!(
                svg,
                r#"<text x="{middle:.1}" y="{:.1}" text-anchor="middle">{}</text>"#,
                BASE + 15.0,
                text(tick)
            );
        }
    }
    let _ = write!(svg, r#"<path class="rule" d="M0 {BASE}H{width}"/></svg>"#);
    svg
}

/// Points in the plane, each of a class, and where they lie in the drawing.
pub(super) struct Scatter {
    height: f64,
    /// Where each point lies in the drawing, to a tenth.
    pub(super) places: Vec<[f64; 2]>,
}

impl Scatter {
    /// Fits points into the drawing, both axes with the same scale.
    pub(super) fn new(points: &[[f64; 2]]) -> Self {
        let range = |axis: usize| {
            let values = points.iter().map(|point| point[axis]);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
        };
        let ((left, right), (low, high)) = (range(0), range(1));
        let (across, up) = ((right - left).max(f64::MIN_POSITIVE), (high - low).max(0.0));
        let room = WIDTH - 2.0 * MARGIN;
        let height = (up / across * room + 2.0 * MARGIN).clamp(*HEIGHTS.start(), *HEIGHTS.end());
        let scale = (room / across).min((height - 2.0 * MARGIN) / up.max(f64::MIN_POSITIVE));
        let tenth = |value: f64| (value * 10.0).round() / 10.0;
        let place = |point: &[f64; 2]| {
            let x = WIDTH / 2.0 + (point[0] - (left + right) / 2.0) * scale;
            let y = height / 2.0 - (point[1] - (low + high) / 2.0) * scale;
            [tenth(x), tenth(y)]
        };
        Self { height, places: points.iter().map(place).collect() }
    }

    /// The drawing: a path for each class, with the class's number.
    pub(super) fn svg(&self, labels: &[usize], classes: usize) -> String {
        let mut paths = vec![String::new(); classes];
        for (place, &label) in self.places.iter().zip(labels) {
            paths[label].push_str(&shape(label, *place));
        }
        let mut svg = format!(r#"<svg viewBox="0 0 {WIDTH} {:.0}" aria-hidden="true">"#, self.height);
        for (class, path) in paths.iter().enumerate().filter(|(_, path)| !path.is_empty()) {
            let _ = write!(svg, r#"<path class="{}" data-class="{class}" d="{path}"/>"#, colour(class));
        }
        svg + r#"<circle class="ring" r="8" hidden="hidden"/></svg>"#
    }
}

/// The mark of a class, for the list of classes.
pub(super) fn mark(class: usize) -> String {
    let (colour, path) = (colour(class), shape(class, [6.0, 6.0]));
    format!(r#"<svg viewBox="0 0 12 12" aria-hidden="true"><path class="{colour}" d="{path}"/></svg>"#)
}

fn shape(class: usize, [x, y]: [f64; 2]) -> String {
    // Classes of one colour have different shapes.
    match (class + class / COLOURS) % SHAPES {
        0 => format!("M{:.1} {y:.1}a4 4 0 1 1 8 0a4 4 0 1 1-8 0", x - 4.0),
        1 => format!("M{:.1} {:.1}h7v7h-7z", x - 3.5, y - 3.5),
        2 => format!("M{x:.1} {:.1}l4.5 8h-9z", y - 5.0),
        _ => format!("M{x:.1} {:.1}l5 5l-5 5l-5-5z", y - 5.0),
    }
}
