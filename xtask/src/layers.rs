//! `cargo xtask layers`: the folders of `src` in their order, and every arrow that runs back.
//!
//! The order is the list in `ARCHITECTURE.md`. A folder may use those above it, and no other. What tests use is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The page that has the order, and the line before the list.
const PAGE: &str = "ARCHITECTURE.md";
const LIST: &str = "```layers";

/// An arrow: a folder uses another, in a file.
type Arrows = BTreeMap<(String, String), BTreeSet<PathBuf>>;

pub(crate) fn run() -> anyhow::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has a parent")?;
    let page = fs::read_to_string(root.join(PAGE)).with_context(|| PAGE.to_owned())?;
    let order = order(&page)?;
    let mut arrows = Arrows::new();
    let mut folders = BTreeSet::new();
    follow(&root.join("src"), None, &mut folders, &mut arrows)?;

    let known: BTreeSet<String> = order.iter().map(|layer| (*layer).to_owned()).collect();
    if known != folders {
        let differing: Vec<_> = known.symmetric_difference(&folders).cloned().collect();
        bail!("{PAGE} and src do not have the same folders: {}", differing.join(", "));
    }
    let place = |layer: &str| order.iter().position(|known| *known == layer);
    let mut out = io::stdout().lock();
    for layer in &order {
        let used: Vec<_> = arrows.keys().filter(|(from, _)| from == layer).map(|(_, to)| to.as_str()).collect();
        writeln!(out, "{layer:<12} {}", used.join(", "))?;
    }
    let back: Vec<_> = arrows.iter().filter(|((from, to), _)| place(from) <= place(to)).collect();
    for ((from, to), files) in &back {
        let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
        writeln!(out, "back: {from} -> {to}, in {}", files.join(", "))?;
    }
    writeln!(out, "{} folders, {} arrows, {} back", order.len(), arrows.len(), back.len())?;
    if back.is_empty() { Ok(()) } else { bail!("a folder uses one that stands below it in {PAGE}") }
}

/// The folders, those that use no other first.
fn order(page: &str) -> anyhow::Result<Vec<&str>> {
    let mut lines = page.lines().skip_while(|line| *line != LIST);
    lines.next().with_context(|| format!("{PAGE} has no list {LIST}"))?;
    Ok(lines.take_while(|line| *line != "```").filter_map(|line| line.split_whitespace().next()).collect())
}

/// Adds the arrows of all files below `path`, which are in the folder `layer` of `src`.
fn follow(path: &Path, layer: Option<&str>, folders: &mut BTreeSet<String>, arrows: &mut Arrows) -> anyhow::Result<()> {
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            follow(&path, Some(layer.unwrap_or(&name)), folders, arrows)?;
        } else if let Some(layer) = layer
            && name.ends_with(".rs")
            && name != "tests.rs"
        {
            folders.insert(layer.to_owned());
            let code = fs::read_to_string(&path)?;
            for used in used(&code).into_iter().filter(|used| used != layer) {
                arrows.entry((layer.to_owned(), used)).or_default().insert(path.clone());
            }
        }
    }
    Ok(())
}

/// The modules at the crate's root that a file names, but in its tests.
fn used(code: &str) -> BTreeSet<String> {
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: String =
        code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let word = |text: &str| {
        text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect::<String>()
    };
    let mut found = BTreeSet::new();
    for (at, prefix) in code.match_indices("crate::") {
        let rest = &code[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                let list = list.split('}').next().unwrap_or_default();
                found.extend(list.split(',').map(|name| word(name.trim())));
            }
            None => {
                found.insert(word(rest));
            }
        }
    }
    // Macros and constants at the root are no modules.
    found.retain(|name| name.starts_with(|first: char| first.is_lowercase()));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_uses_is_found_in_its_lists_and_paths_and_not_in_comments_or_tests() {
        let code = "use crate::text::{one_line};\nuse crate::{util, verify::check};\n// crate::cli\nlet x = crate::model::y();\n\
                    #[cfg(test)]\nmod tests {\n use crate::convert::z;\n}";

        let found: Vec<_> = used(code).into_iter().collect();

        assert_eq!(found, ["model", "text", "util", "verify"]);
    }

    #[test]
    fn the_order_is_the_first_word_of_each_line() {
        let page = "# A page\n\n```layers\ntext    names\nutil    tools\n```\nmore";

        assert_eq!(order(page).expect("a list"), ["text", "util"]);
        assert!(order("none").is_err());
    }
}
