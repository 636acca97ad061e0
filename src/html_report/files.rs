//! What a page tells of files: classes and splits, what was rejected, and how large pictures are.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::chart::{bar, columns, split_colour};
use super::histogram::{Column, of_lengths, of_ratios};
use super::html::{shown as shown_path, text};
use super::photos::Photos;
use crate::manifest::Manifest;
use crate::results::{Counts, FileReport, Report, Verdict};
use crate::text::{counted, thousands};

/// Rejected files that are shown, divided among the reasons.
const REJECTED: usize = 200;

/// The rejected files that are shown, as numbers of the report's files: of each reason the first ones, as many as of any other.
pub(super) fn shown(report: &Report) -> Vec<usize> {
    let mut by_reason: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (number, file) in report.files.iter().enumerate() {
        if let Some(reason) = file.finding.reason {
            by_reason.entry(reason.code()).or_default().push(number);
        }
    }
    let most = by_reason.values().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..most).flat_map(|turn| by_reason.values().filter_map(move |files| files.get(turn).copied()));
    let mut shown: Vec<usize> = in_turn.take(REJECTED).collect();
    shown.sort_unstable();
    shown
}

pub(super) fn sections(photos: &Photos<'_>, manifest: Option<&Manifest>, shown: &[usize]) -> String {
    [classes(photos.report, manifest), rejected(photos, shown), sizes(photos.report)].concat()
}

fn classes(report: &Report, manifest: Option<&Manifest>) -> String {
    let mut tables = String::new();
    let splits: Vec<&str> = report.splits.iter().map(|split| &split.name[..]).collect();
    let key = |colour: &str, words: &str| {
        let square = format!(
            r#"<svg class="key" viewBox="0 0 1 1" aria-hidden="true"><rect class="{colour}" width="1" height="1"/></svg>"#
        );
        format!("<li>{square} {}</li>", text(words))
    };
    let keys: String = match splits.is_empty() {
        true => key("plain", "accepted"),
        false => splits.iter().enumerate().map(|(number, name)| key(split_colour(number), name)).collect(),
    };
    let keys = format!(r#"<ul class="keys">{keys}{}</ul>"#, key("lost", "rejected"));

    if !report.classes.is_empty() {
        let most = report.classes.iter().map(|class| class.counts.files).max().unwrap_or(0).max(1) as f64;
        let by_split = by_split(report, &splits);
        let rows: String = (report.classes.iter().zip(&by_split))
            .map(|(class, of_splits)| {
                let accepted = match splits.is_empty() {
                    true => vec![("plain", class.counts.accepted)],
                    false => of_splits.iter().enumerate().map(|(split, count)| (split_colour(split), *count)).collect(),
                };
                let parts = accepted.into_iter().chain([("lost", class.counts.rejected)]);
                let bar = bar(parts.map(|(colour, count)| (colour, count as f64 / most)));
                row(&class.name, class.counts, of_splits.iter().map(|count| thousands(*count)), &bar)
            })
            .collect();
        tables += &table("Images of each class, in the order of their labels", &splits, &rows);
    }
    if !report.splits.is_empty() {
        let most = report.splits.iter().map(|split| split.counts.files).max().unwrap_or(0).max(1) as f64;
        let shares: BTreeMap<&str, u64> = (manifest.and_then(|manifest| manifest.division.as_ref()).into_iter())
            .flat_map(|division| division.splits.parts())
            .map(|split| (&split.name[..], split.share))
            .collect();
        let rows: String = (report.splits.iter().enumerate())
            .map(|(number, split)| {
                let parts = [(split_colour(number), split.counts.accepted), ("lost", split.counts.rejected)];
                let bar = bar(parts.into_iter().map(|(colour, count)| (colour, count as f64 / most)));
                let share = |of_all: f64| format!("{:.1} %", 100.0 * of_all);
                let wanted =
                    shares.get(&split.name[..]).map_or(String::new(), |billionths| share(*billionths as f64 / 1e9));
                let got = share(split.counts.files as f64 / report.counts.files.max(1) as f64);
                row(&split.name, split.counts, [wanted, got].into_iter(), &bar)
            })
            .collect();
        tables += &table("Images of each split", &["wanted", "share"], &rows);
    }
    if tables.is_empty() {
        tables = "<p>The files are in no classes.</p>\n".into();
    }
    format!(
        "<section aria-labelledby=\"classes\">\n<h2 id=\"classes\">Classes and splits</h2>\n{keys}\n{tables}</section>\n"
    )
}

/// For each class, how many accepted images are in each split.
fn by_split(report: &Report, splits: &[&str]) -> Vec<Vec<usize>> {
    let class_of: HashMap<&str, usize> =
        report.classes.iter().enumerate().map(|(number, class)| (&class.name[..], number)).collect();
    let split_of: HashMap<&str, usize> = splits.iter().enumerate().map(|(number, name)| (*name, number)).collect();
    let mut counts = vec![vec![0; splits.len()]; report.classes.len()];
    for file in report.files.iter().filter(|file| file.finding.verdict == Verdict::Accepted) {
        let class = file.class.as_deref().and_then(|name| class_of.get(name));
        let split = file.split.as_deref().and_then(|name| split_of.get(name));
        if let Some((class, split)) = class.zip(split) {
            counts[*class][*split] += 1;
        }
    }
    counts
}

fn table(caption: &str, more: &[&str], rows: &str) -> String {
    let more: String =
        more.iter().map(|name| format!(r#"<th scope="col" class="number">{}</th>"#, text(name))).collect();
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{caption}\">\n<table><caption>{caption}</caption>\n<thead><tr>\
         <th scope=\"col\">Name</th><th scope=\"col\" class=\"number\">Images</th><th scope=\"col\" class=\"number\">Accepted</th>\
         <th scope=\"col\" class=\"number\">Rejected</th>{more}<td class=\"chart\"></td></tr></thead>\n\
         <tbody>\n{rows}</tbody></table>\n</div>\n"
    )
}

fn row(name: &str, counts: Counts, more: impl Iterator<Item = String>, bar: &str) -> String {
    let numbers = [counts.files, counts.accepted, counts.rejected].map(thousands);
    let cells: String =
        numbers.into_iter().chain(more).map(|number| format!(r#"<td class="number">{number}</td>"#)).collect();
    format!("<tr><th scope=\"row\">{}</th>{cells}<td class=\"chart\">{bar}</td></tr>\n", text(name))
}

fn rejected(photos: &Photos<'_>, shown: &[usize]) -> String {
    let report = photos.report;
    let content = match report.counts.rejected + report.counts.unreachable {
        0 => "<p>None.</p>\n".to_owned(),
        all => {
            let option = |(code, count): (&Cow<'_, str>, &usize)| {
                format!(r#"<option value="{0}">{0} ({1})</option>"#, text(code), thousands(*count))
            };
            let options: String = report.reasons.iter().map(option).collect();
            let items: String = shown.iter().map(|file| rejected_item(photos, *file)).collect();
            let part = match shown.len() {
                shown if shown == all => String::new(),
                shown => format!(
                    " {} of {} are shown, of each reason as many as of any other; all of them are in the JSON report.",
                    thousands(shown),
                    thousands(all)
                ),
            };
            format!(
                "<p>A rejected file is left out of the records. The thumbnail is there where TensorFlow's decoder would make a picture \
                 of the file all the same.{part}</p>\n\
                 <div class=\"controls\" id=\"filter\" role=\"search\" aria-label=\"Rejected files\" hidden>\n\
                 <label>Reason <select id=\"reason\"><option value=\"\">all reasons ({})</option>{options}</select></label>\n\
                 <label>Part of the path <input id=\"path\" type=\"search\" autocomplete=\"off\" spellcheck=\"false\"></label>\n\
                 <output id=\"shown\" for=\"reason path\"></output>\n</div>\n\
                 <ul class=\"strip\" id=\"rejected-files\">\n{items}</ul>\n",
                thousands(all)
            )
        }
    };
    format!("<section aria-labelledby=\"rejected\">\n<h2 id=\"rejected\">Rejected files</h2>\n{content}</section>\n")
}

fn rejected_item(photos: &Photos<'_>, number: usize) -> String {
    let FileReport { finding, quarantined, .. } = &photos.report.files[number];
    let (code, sentence) = finding.reason.map_or(("", ""), |reason| (reason.code(), reason.sentence()));
    let detail = finding.detail.as_deref().filter(|detail| !detail.is_empty());
    let detail = detail.map_or(String::new(), |detail| format!(": {detail}"));
    let moved = quarantined.as_ref().map_or(String::new(), |path| format!("; moved to {}", shown_path(path)));
    let about = format!("{sentence}{detail} ({code}){moved}");
    format!("<li data-reason=\"{code}\">{}</li>\n", photos.item(number, code, &about))
}

fn sizes(report: &Report) -> String {
    let accepted = report.files.iter().filter(|file| file.finding.verdict == Verdict::Accepted);
    let sizes: Vec<_> = accepted.filter_map(|file| file.finding.width.zip(file.finding.height)).collect();
    let content = match sizes.is_empty() {
        true => "<p>There is no accepted image.</p>\n".to_owned(),
        false => {
            let longer = of_lengths(sizes.iter().map(|(width, height)| *width.max(height)));
            let ratios = of_ratios(sizes.iter().copied());
            let of = counted(sizes.len(), "accepted image");
            format!(
                "<div class=\"pair\">\n{}{}</div>\n",
                histogram(&format!("Longer side of {of}, in pixels"), "Pixels", &longer),
                histogram(&format!("Aspect ratio of {of}: upright to the left, wide to the right"), "Ratio", &ratios)
            )
        }
    };
    format!("<section aria-labelledby=\"sizes\">\n<h2 id=\"sizes\">Sizes</h2>\n{content}</section>\n")
}

fn histogram(caption: &str, values: &str, of: &[Column]) -> String {
    let row = |column: &Column| {
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td></tr>\n",
            text(&column.label),
            thousands(column.count)
        )
    };
    let rows: String = of.iter().map(row).collect();
    format!(
        "<figure>\n<figcaption>{caption}</figcaption>\n{}\n<details><summary>As a table</summary>\n<table><caption>{caption}</caption>\
         <thead><tr><th scope=\"col\">{values}</th><th scope=\"col\" class=\"number\">Images</th></tr></thead>\n<tbody>\n{rows}</tbody></table>\n\
         </details>\n</figure>\n",
        columns(caption, of)
    )
}
