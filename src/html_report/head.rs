//! The beginning of a page, with its summary, and its end.

use super::html::text;
use super::photos::Photos;
use crate::manifest::Manifest;
use crate::results::Report;
use crate::text::{bytes, counted, shape, thousands};

/// Class names that a card has room for.
const NAMES: usize = 4;

/// One card of the summary: what, how much, and a line of detail; all plain text.
type Card = (&'static str, String, String);

pub(super) fn of_conversion(manifest: &Manifest, photos: &Photos<'_>) -> String {
    let size: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let record = &manifest.record;
    let mut engines: Vec<String> = (manifest.files.iter())
        .map(|file| match &file.isa {
            Some(isa) => format!("{} ({isa})", file.engine),
            None => file.engine.to_string(),
        })
        .collect();
    engines.sort();
    engines.dedup();
    let pooled = if record.pool == "none" { "each whole" } else { "each averaged over height and width" };
    let compressed = if record.compression == "none" { String::new() } else { format!(", {}", record.compression) };
    let weights = &manifest.weights;
    let more = [
        (
            "Records",
            thousands(usize::try_from(manifest.records()).unwrap_or(usize::MAX)),
            format!("{} in {}{compressed}", bytes(size), counted(manifest.files.len(), "file")),
        ),
        ("Features", shape(&record.shape), format!("float32 as '{}', {pooled}", record.feature_key)),
        ("Engine", engines.join(", "), format!("petrec {}", manifest.petrec)),
        (
            "Weights",
            weights.architecture.to_string(),
            format!("from {}, SHA-256 {}…", weights.source.file, weights.sha256.get(..12).unwrap_or_default()),
        ),
    ];
    let links = [
        ("classes", "Classes"),
        ("rejected", "Rejected files"),
        ("sizes", "Sizes"),
        ("map", "Map"),
        ("alike", "Near-duplicates"),
        ("atypical", "Atypical images"),
    ];
    let what = "What petrec made of this data set.";
    head(&manifest.dataset, what, photos, more.into_iter(), &links)
}

pub(super) fn of_validation(name: &str, photos: &Photos<'_>) -> String {
    let what = format!("What petrec {} found in this data set. Nothing was converted.", photos.report.petrec);
    let links = [("classes", "Classes"), ("rejected", "Rejected files"), ("sizes", "Sizes")];
    head(name, &what, photos, std::iter::empty(), &links)
}

/// Those that every page has.
fn cards(report: &Report) -> Vec<Card> {
    let counts = report.counts;
    let percent = 100.0 * counts.rejected as f64 / counts.files.max(1) as f64;
    let mut reasons: Vec<_> = report.reasons.iter().collect();
    reasons.sort_by_key(|(code, count)| (std::cmp::Reverse(**count), (*code).clone()));
    let names = |all: Vec<&str>| match all.len() {
        0..=NAMES => all.join(", "),
        more => format!("{} and {} more", all[..NAMES - 1].join(", "), thousands(more + 1 - NAMES)),
    };
    let mut cards = vec![
        ("Images", thousands(counts.files), format!("{} accepted", thousands(counts.accepted))),
        (
            "Rejected",
            thousands(counts.rejected),
            match reasons.first() {
                Some((code, count)) => format!("{percent:.1} %, most often {code} ({})", thousands(**count)),
                None => "every file is good".to_owned(),
            },
        ),
    ];
    if !report.classes.is_empty() {
        let all = report.classes.iter().map(|class| &class.name[..]).collect();
        cards.push(("Classes", thousands(report.classes.len()), names(all)));
    }
    if !report.splits.is_empty() {
        let all = report.splits.iter().map(|split| &split.name[..]).collect();
        cards.push(("Splits", thousands(report.splits.len()), names(all)));
    }
    cards
}

fn head(
    name: &str,
    what: &str,
    photos: &Photos<'_>,
    more: impl Iterator<Item = Card>,
    links: &[(&str, &str)],
) -> String {
    let card = |(title, value, note): Card| {
        let note = if note.is_empty() { note } else { format!(r#"<dd class="note">{}</dd>"#, text(&note)) };
        format!("<div><dt>{title}</dt><dd>{}</dd>{note}</div>\n", text(&value))
    };
    let cards: String = cards(photos.report).into_iter().chain(more).map(card).collect();
    let link = |(to, words): &(&str, &str)| format!(r##"<li><a href="#{to}">{words}</a></li>"##);
    let links: String = links.iter().map(link).collect();
    let below = match photos.root() {
        root if root.is_empty() => String::new(),
        root => format!(" Paths are those below <code>{}</code>.", text(&root)),
    };
    format!(
        "<header>\n<h1>{}</h1>\n<p class=\"soft\">{}{below}</p>\n<nav aria-label=\"Sections\"><ul>{links}</ul></nav>\n</header>\n<main>\n\
         <dl class=\"cards\">\n{cards}</dl>\n",
        text(name),
        text(what)
    )
}

pub(super) fn end(report: &Report) -> String {
    let notes: String = report.notes.iter().map(|note| format!("<li>{}</li>\n", text(note))).collect();
    let notes = match notes.is_empty() {
        true => String::new(),
        false => {
            format!("<section aria-labelledby=\"notes\"><h2 id=\"notes\">Left alone</h2>\n<ul>{notes}</ul></section>\n")
        }
    };
    format!("{notes}</main>\n")
}
