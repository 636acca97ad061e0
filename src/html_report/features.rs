//! What a page tells of features: the map of all images, near-duplicates, and the images least like their class.

use serde_json::{Value, json};

use super::alike::{Group, groups};
use super::atypical::atypical;
use super::chart::{Scatter, mark};
use super::html::{shown, text};
use super::photos::{Photos, item};
use super::projection::Projection;
use crate::features::Table;
use crate::text::{counted, thousands};

/// Points that are drawn: as many as a browser still moves through at once.
const POINTS: usize = 5_000;
/// Groups of near-duplicates that are shown, and images of each.
const GROUPS: usize = 40;
const MEMBERS: usize = 8;
/// Atypical images that are shown of a class, and of all classes together: fewer of each where there are many.
const ATYPICAL: usize = 6;
const ATYPICAL_IN_ALL: usize = 180;

/// What was computed from a table.
pub(super) struct Features<'t> {
    table: &'t Table,
    /// Which file of the report each image is.
    files: Vec<Option<usize>>,
    projection: Projection,
    /// Rows that are drawn, and the drawing.
    drawn: Vec<usize>,
    scatter: Scatter,
    groups: Vec<Group>,
    atypical: Vec<Vec<(usize, f64)>>,
}

impl<'t> Features<'t> {
    pub(super) fn of(table: &'t Table, files: Vec<Option<usize>>, threads: usize) -> Self {
        let images = table.labels.len();
        let projection = Projection::of(table, threads);
        let drawn: Vec<usize> = (0..images.min(POINTS)).map(|k| k * images / images.min(POINTS)).collect();
        let points: Vec<_> = drawn.iter().map(|row| projection.points[*row]).collect();
        let most = (ATYPICAL_IN_ALL / table.classes.len().max(1)).clamp(1, ATYPICAL);
        let mut atypical = atypical(table, most);
        atypical.truncate(ATYPICAL_IN_ALL);
        Self {
            table,
            files,
            projection,
            drawn,
            scatter: Scatter::new(&points),
            groups: groups(table, threads),
            atypical,
        }
    }

    /// The files whose pictures are shown, the most wanted first.
    pub(super) fn files(&self) -> impl Iterator<Item = usize> {
        let groups = self.groups.iter().take(GROUPS).flat_map(|group| group.rows.iter().take(MEMBERS));
        let atypical = self.atypical.iter().flatten().map(|(row, _)| row);
        // In no order, so that what the page has no room for is missing everywhere alike.
        let mut points = self.drawn.clone();
        points.sort_by_key(|row| (*row as u32).wrapping_mul(0x9e37_79b1));
        groups.chain(atypical).copied().chain(points).filter_map(|row| self.files[row])
    }

    /// What the script of the page wants to know of each point: place, class, path, split, thumbnail.
    pub(super) fn data(&self, photos: &Photos<'_>) -> Value {
        let point = |(&row, [x, y]): (&usize, &[f64; 2])| {
            json!({
                "x": x,
                "y": y,
                "c": self.table.labels[row],
                "p": self.files[row].map_or_else(|| shown(&self.table.names[row]), |file| photos.path(file)),
                "s": self.table.splits[row],
                "t": self.files[row].and_then(|file| photos.thumbnails.get(file)),
            })
        };
        let points: Vec<Value> = self.drawn.iter().zip(&self.scatter.places).map(point).collect();
        json!({ "classes": self.table.classes, "points": points })
    }

    pub(super) fn sections(&self, photos: &Photos<'_>) -> String {
        [self.map(photos), self.alike(photos), self.atypical(photos)].concat()
    }

    /// `all 600 records`, or how many of how many.
    fn sampled(&self) -> String {
        let (images, records) = (self.table.labels.len(), usize::try_from(self.table.records).unwrap_or(usize::MAX));
        match images == records {
            true => format!("all {}", counted(images, "record")),
            false => format!("{} of {} records, evenly spaced", thousands(images), thousands(records)),
        }
    }

    fn map(&self, photos: &Photos<'_>) -> String {
        let table = self.table;
        let [first, second] = self.projection.explained.map(|share| format!("{:.1} %", 100.0 * share));
        let labels: Vec<usize> = self.drawn.iter().map(|row| table.labels[*row]).collect();
        let mut notes = vec![format!(
            "The features of {}, averaged over the picture and projected on their first two principal components, which have {first} \
             and {second} of the variance. Near each other is alike to the network.",
            self.sampled()
        )];
        if self.drawn.len() < table.labels.len() {
            notes.push(format!("Every n-th is drawn, {} in all.", thousands(self.drawn.len())));
        }
        if self.files.iter().all(Option::is_none) {
            notes.push("These records tell no path: convert with --with path to see pictures here.".into());
        } else if photos.thumbnails.left_out > 0 {
            notes.push(format!(
                "{} have no thumbnail, so that the page stays small.",
                counted(photos.thumbnails.left_out, "image")
            ));
        }
        if photos.thumbnails.gone > 0 {
            notes.push(format!(
                "{} not found under the path in petrec-report.json: make the page in the folder where convert ran.",
                counted(photos.thumbnails.gone, "photo")
            ));
        }
        let mut members = vec![Vec::new(); table.classes.len()];
        self.drawn.iter().for_each(|row| members[table.labels[*row]].push(self.projection.points[*row]));
        let classes = || table.classes.iter().enumerate();
        let legend: String = classes()
            .map(|(class, name)| {
                let (mark, name) = (mark(class), text(name));
                format!(
                    r#"<li><button type="button" aria-pressed="false" disabled>{mark}<span>{name}</span></button></li>"#
                )
            })
            .collect();
        let rows: String = classes().map(|(class, name)| centre(name, &members[class])).collect();
        format!(
            "<section aria-labelledby=\"map\">\n<h2 id=\"map\">Map of the images</h2>\n<p>{}</p>\n\
             <p class=\"soft\" id=\"map-help\">Point at an image to see it, click to hold it, so that its path can be copied. With the keyboard: arrow keys go \
             from image to image, Enter holds. Choose a class to see it alone.</p>\n\
             <div class=\"map\">\n<div class=\"plot\" id=\"plot\" tabindex=\"0\" role=\"application\" aria-label=\"Map of the images\" \
             aria-describedby=\"map-help\">{}</div>\n\
             <div class=\"side\"><div class=\"detail\" aria-live=\"polite\"><div class=\"picture\" id=\"picture\"><span>no image chosen</span></div>\
             <p><code id=\"where\"></code></p><p id=\"about\"></p><p class=\"soft\" id=\"held\"></p></div>\n\
             <ul class=\"legend\" aria-label=\"Classes\">{legend}</ul></div>\n</div>\n\
             <details><summary>As a table</summary>\n<table><caption>Where each class lies on the map</caption><thead><tr><th scope=\"col\">Class</th>\
             <th scope=\"col\" class=\"number\">Images</th><th scope=\"col\" class=\"number\">Middle, across</th><th scope=\"col\" class=\"number\">Middle, up</th>\
             <th scope=\"col\" class=\"number\">Spread</th></tr></thead>\n<tbody>\n{rows}</tbody></table>\n</details>\n</section>\n",
            text(&notes.join(" ")),
            self.scatter.svg(&labels, table.classes.len()),
        )
    }

    fn alike(&self, photos: &Photos<'_>) -> String {
        let groups = &self.groups;
        let across = |is: fn(&Group) -> bool| match groups.iter().filter(|group| is(group)).count() {
            0 => "none".to_owned(),
            count => thousands(count),
        };
        let summary = match groups.len() {
            0 => format!("No two of {} are nearly the same.", self.sampled()),
            all => format!(
                "{} of images that are nearly the same, among {}: {} across classes, where a label may be wrong, and {} across splits, \
                 where what is trained on is tested, too.{}",
                counted(all, "group"),
                self.sampled(),
                across(|group| group.across_classes),
                across(|group| group.across_splits),
                if all > GROUPS { format!(" The first {GROUPS} are shown.") } else { String::new() }
            ),
        };
        let sampled = match self.table.labels.len() as u64 == self.table.records {
            true => String::new(),
            false => " A twin outside the sample is not found; --all looks at every record.".into(),
        };
        let group = |(number, group): (usize, &Group)| {
            let badges = [(group.across_classes, "across classes"), (group.across_splits, "across splits")];
            let badges = badges
                .into_iter()
                .filter(|(is, _)| *is)
                .map(|(_, words)| format!(r#"<span class="badge">{words}</span>"#));
            let about = |row: usize| match &self.table.splits[row] {
                Some(split) => format!("{}, split {split}", self.table.classes[self.table.labels[row]]),
                None => self.table.classes[self.table.labels[row]].clone(),
            };
            let items: String =
                group.rows.iter().take(MEMBERS).map(|row| self.item(*row, &about(*row), photos)).collect();
            let more = match group.rows.len() {
                images if images > MEMBERS => {
                    format!("<p class=\"soft\">and {} more</p>\n", thousands(images - MEMBERS))
                }
                _ => String::new(),
            };
            format!(
                "<h3>Group {}: {}, cosine {:.3}{}</h3>\n<ul class=\"strip\">\n{items}</ul>\n{more}",
                number + 1,
                counted(group.rows.len(), "image"),
                group.cosine,
                badges.collect::<String>()
            )
        };
        let groups: String = groups.iter().take(GROUPS).enumerate().map(group).collect();
        format!(
            "<section aria-labelledby=\"alike\">\n<h2 id=\"alike\">Near-duplicates</h2>\n<p>{}{sampled} Two images count as nearly the same when the \
             cosine between their features is 0.9 or more.</p>\n{groups}</section>\n",
            text(&summary)
        )
    }

    fn atypical(&self, photos: &Photos<'_>) -> String {
        let class = |(class, images): (usize, &Vec<(usize, f64)>)| {
            let item = |(row, cosine): &(usize, f64)| self.item(*row, &format!("cosine {cosine:.3}"), photos);
            let items: String = images.iter().map(item).collect();
            match images.is_empty() {
                true => String::new(),
                false => format!("<h3>{}</h3>\n<ul class=\"strip\">\n{items}</ul>\n", text(&self.table.classes[class])),
            }
        };
        let classes: String = self.atypical.iter().enumerate().map(class).collect();
        let left_out = match self.table.classes.len() - self.atypical.len() {
            0 => String::new(),
            rest => format!(" {} of {} classes are left out.", thousands(rest), thousands(self.table.classes.len())),
        };
        format!(
            "<section aria-labelledby=\"atypical\">\n<h2 id=\"atypical\">Atypical images</h2>\n<p>The images of each class that are least like its mean, \
             by the cosine between their features, among {}: odd views, or wrong labels.{left_out}</p>\n{classes}</section>\n",
            self.sampled()
        )
    }

    fn item(&self, row: usize, about: &str, photos: &Photos<'_>) -> String {
        const INSTEAD: &str = "no thumbnail";
        let item = match self.files[row] {
            Some(file) => photos.item(file, INSTEAD, about),
            None => item(None, INSTEAD, &shown(&self.table.names[row]), about),
        };
        format!("<li>{item}</li>\n")
    }
}

/// A class's row of the table beside the map.
fn centre(name: &str, points: &[[f64; 2]]) -> String {
    let count = points.len().max(1) as f64;
    let mean = [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / count);
    let far = |point: &[f64; 2]| (point[0] - mean[0]).powi(2) + (point[1] - mean[1]).powi(2);
    let spread = (points.iter().map(far).sum::<f64>() / count).sqrt();
    let numbers: String = match points.is_empty() {
        true => "<td class=\"number\">–</td>".repeat(3),
        false => [mean[0], mean[1], spread].map(|value| format!("<td class=\"number\">{value:.2}</td>")).concat(),
    };
    format!(
        "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td>{numbers}</tr>\n",
        text(name),
        thousands(points.len())
    )
}
