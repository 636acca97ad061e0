//! `petrec inspect`.

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::args::{Global, Inspect};
use super::short::{short, skipped};
use super::stdout::stdout;
use super::{Outcome, say, say_note};
use crate::inspect::{self, Contents, Feature, FeatureList, Floats, Record, Shown, Values};
use crate::manifest::Manifest;
use crate::text::{bytes, counted, display_path, one_line, shape, thousands};
use crate::tfrecord::proto::Kind;
use crate::util::parallel;
use crate::verify;

/// How many values of a record are shown.
const VALUES_SHOWN: usize = 8;
/// How many classes are shown.
const CLASSES_SHOWN: usize = 20;
/// How many steps of a feature list are shown.
const STEPS_SHOWN: usize = 4;
/// How many bytes of a byte string are shown.
const BYTES_SHOWN: usize = 60;

/// The contents and one record, for machines.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    contents: &'a Contents,
    record: Option<Value>,
    /// Files in the folders that were named that are no record files.
    skipped: Vec<Cow<'a, str>>,
}

pub(super) fn run(command: &Inspect, global: &Global) -> anyhow::Result<Outcome> {
    let listing = verify::record_files(&command.paths)?;
    let files = &listing.files;
    if let Some(note) = skipped(&listing.skipped) {
        say_note(&note, global);
    }
    let paths: Vec<&Path> = files.iter().filter(|file| file.is_there()).map(|file| file.path.as_path()).collect();
    let manifest = files.iter().find_map(|file| file.manifest());

    let mut contents = Contents::default();
    let mut counts = Vec::with_capacity(paths.len());
    let mut outcome = Outcome::Done;
    parallel::ordered(
        paths.len(),
        vec![(); global.threads().get().min(paths.len()).max(1)],
        |(), index| (paths[index], Contents::of(paths[index])),
        |(path, (of_file, error))| {
            if let Some(error) = error {
                say(&format!("{}: {error}", display_path(path)));
                outcome = Outcome::Failed;
            }
            counts.push((path, of_file.records));
            contents.add(of_file);
            Ok::<_, anyhow::Error>(())
        },
    )?;
    let number = command.record.unwrap_or(0);
    let record = inspect::record(&counts, number)?;
    if record.is_none() && command.record.is_some() {
        let records = usize::try_from(contents.records).unwrap_or(usize::MAX);
        anyhow::bail!("--record {number}: there are {}, numbered from 0", counted(records, "record"));
    }

    let mut out = stdout();
    if command.json {
        let record = record.as_ref().map(|record| record_json(number, record));
        let skipped = listing.skipped.iter().map(|path| path.to_string_lossy()).collect();
        out.json(&Answer { contents: &contents, record, skipped })?;
    } else {
        print(&mut out, &contents, manifest)?;
        if let Some(record) = &record {
            print_record(&mut out, number, record)?;
        }
    }
    Ok(outcome)
}

fn print(out: &mut impl Write, contents: &Contents, manifest: Option<&Manifest>) -> io::Result<()> {
    let compression: Vec<_> = contents.compression.keys().map(ToString::to_string).collect();
    let size = bytes(contents.bytes);
    writeln!(out, "files     {}, {size}, {}", thousands(contents.files), compression.join(" and "))?;
    writeln!(out, "records   {}", thousands_of(contents.records))?;
    if contents.not_examples > 0 {
        writeln!(out, "foreign   {} of them are no tf.train.Example", thousands_of(contents.not_examples))?;
    }
    if contents.sequence_examples > 0 {
        let count = thousands_of(contents.sequence_examples);
        writeln!(out, "sequence  {count} of them are tf.train.SequenceExample")?;
    }
    if contents.unknown_fields > 0 {
        let count = thousands_of(contents.unknown_fields);
        writeln!(out, "unknown   {count} fields that these messages do not have: of another type, or damaged")?;
    }
    if contents.under_more_keys > 0 {
        let count = thousands_of(contents.under_more_keys);
        writeln!(out, "left out  {count} features under further keys: there are too many")?;
    }
    let rows = contents.features.iter().flat_map(|(key, features)| features.iter().map(move |feature| (key, feature)));
    let rows = rows.map(|(key, feature)| row(key, feature, contents, manifest));
    let lists = contents.feature_lists.iter().flat_map(|(key, list)| list_rows(key, list, contents));
    let rows: Vec<[String; 4]> = rows.chain(lists).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (keys, kinds, shapes) = (width(0), width(1), width(2));
    if !rows.is_empty() {
        writeln!(out)?;
    }
    for [key, kind, shape, values] in &rows {
        writeln!(out, "{key:<keys$}  {kind:<kinds$}  {shape:<shapes$}  {values}")?;
    }
    Ok(())
}

/// Key, kind, shape, and what the values are like.
fn row(key: &str, feature: &Feature, contents: &Contents, manifest: Option<&Manifest>) -> [String; 4] {
    let record = manifest.map(|manifest| &manifest.record);
    let classes = manifest.filter(|manifest| manifest.record.label_key == *key).map(|manifest| &manifest.classes[..]);
    let shape = match record.filter(|record| record.feature_key == *key) {
        Some(record) => shape(&record.shape),
        None if feature.fewest == feature.most => thousands(feature.most),
        None => format!("{} to {}", thousands(feature.fewest), thousands(feature.most)),
    };
    let (kind, mut values) = kind_and_values(feature, classes);
    if feature.records < contents.records {
        values.push_str(&format!("  in {} records", thousands_of(feature.records)));
    }
    [short(key), kind.to_owned(), shape, values]
}

/// The rows of a feature list: one for each kind of its steps, or one that there are none.
fn list_rows(key: &str, list: &FeatureList, contents: &Contents) -> Vec<[String; 4]> {
    let count = |fewest, most| match (fewest, most) {
        (fewest, most) if fewest == most => thousands(most),
        (fewest, most) => format!("{} to {}", thousands(fewest), thousands(most)),
    };
    let steps = format!("{} steps", count(list.fewest, list.most));
    let records = match list.records < contents.records {
        true => format!("  in {} records", thousands_of(list.records)),
        false => String::new(),
    };
    let row = |feature: &Feature| {
        let (kind, values) = kind_and_values(feature, None);
        let shape = format!("{steps} of {}", count(feature.fewest, feature.most));
        [short(key), format!("{kind} list"), shape, format!("{values}{records}")]
    };
    match list.steps.is_empty() {
        true => vec![[short(key), "list".into(), steps, format!("no steps{records}")]],
        false => list.steps.iter().map(row).collect(),
    }
}

/// The kind of a feature, and what its values are like; whole numbers by the classes whose labels they are.
fn kind_and_values(feature: &Feature, classes: Option<&[String]>) -> (&'static str, String) {
    match &feature.values {
        Values::None => ("none", "no kind: neither floats nor integers nor bytes".to_owned()),
        Values::Float(floats) => ("float", float_line(floats)),
        Values::Int64(numbers) => {
            let of_class = |(label, count): (&i64, &u64)| {
                let name = usize::try_from(*label).ok().and_then(|label| classes.unwrap_or_default().get(label));
                let name = name.map_or(String::new(), |name| format!(" {}", short(name)));
                format!("{label}{name}: {}", thousands_of(*count))
            };
            let few = numbers.counts.as_ref().filter(|counts| counts.len() <= CLASSES_SHOWN);
            let line = few.map(|counts| counts.iter().map(of_class).collect::<Vec<_>>().join(", "));
            ("int64", line.unwrap_or_else(|| range(numbers.min, numbers.max, "")))
        }
        Values::Bytes(lengths) => ("bytes", range(lengths.min, lengths.max, " bytes each")),
    }
}

fn float_line(floats: &Floats) -> String {
    let (Some(min), Some(max), Some(mean)) = (floats.min, floats.max, floats.mean) else {
        return format!("{} values, none finite", thousands_of(floats.count));
    };
    let zeros = 100.0 * floats.zeros as f64 / floats.count as f64;
    let not_finite = match floats.not_finite {
        0 => String::new(),
        count => format!("  not finite {}", thousands_of(count)),
    };
    format!("min {min}  max {max}  mean {mean:.6}  zeros {zeros:.1} %{not_finite}")
}

fn range<T: PartialEq + ToString>(min: Option<T>, max: Option<T>, unit: &str) -> String {
    match (min, max) {
        (Some(min), Some(max)) if min == max => format!("{}{unit}", min.to_string()),
        (Some(min), Some(max)) => format!("{} to {}{unit}", min.to_string(), max.to_string()),
        _ => "no values".to_owned(),
    }
}

fn print_record(out: &mut impl Write, number: u64, record: &Record) -> io::Result<()> {
    writeln!(out, "\nrecord {number}, in {}", display_path(&record.path))?;
    if !record.is_example {
        return writeln!(out, "no tf.train.Example: {}", bytes(record.bytes as u64));
    }
    let all_keys = record.features.keys().chain(record.feature_lists.keys());
    let keys = all_keys.map(|key| short(key).chars().count()).max().unwrap_or(0);
    for (key, shown) in &record.features {
        writeln!(out, "{:<keys$}  {}", short(key), value_line(shown))?;
    }
    for (key, steps) in &record.feature_lists {
        let shown: Vec<_> = steps.iter().take(STEPS_SHOWN).map(value_line).collect();
        let more = if steps.len() > shown.len() {
            format!(" | ... ({} steps)", thousands(steps.len()))
        } else {
            String::new()
        };
        writeln!(out, "{:<keys$}  {}{more}", short(key), shown.join(" | "))?;
    }
    match record.left_out {
        0 => Ok(()),
        count => writeln!(out, "and {} features and steps more", thousands_of(count)),
    }
}

/// The first values of a list.
fn value_line(shown: &Shown) -> String {
    let values = match &shown.kind {
        None => return "(no kind)".to_owned(),
        Some(Kind::FloatList(list)) => texts(&list.value),
        Some(Kind::Int64List(list)) => texts(&list.value),
        Some(Kind::BytesList(list)) => list.value.iter().take(VALUES_SHOWN).map(|value| byte_line(value)).collect(),
    };
    let more = match shown.values > values.len() {
        true => format!(" ... ({} values)", thousands(shown.values)),
        false => String::new(),
    };
    format!("{}{more}", values.join(" "))
}

fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().take(VALUES_SHOWN).map(ToString::to_string).collect()
}

/// Text as text, anything else by its length and its first bytes.
fn byte_line(value: &[u8]) -> String {
    match str::from_utf8(value) {
        Ok(text) if value.len() <= BYTES_SHOWN => one_line(text).to_string(),
        _ => format!(
            "{}, starting {}",
            bytes(value.len() as u64),
            crate::text::hex(&value[..value.len().min(VALUES_SHOWN)])
        ),
    }
}

/// All values of a record; byte strings as text where they are UTF-8, else in hexadecimal.
fn record_json(number: u64, record: &Record) -> Value {
    let byte_string = |value: &Vec<u8>| match str::from_utf8(value) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "hex": crate::text::hex(value) }),
    };
    let values = |shown: &Shown| match &shown.kind {
        None => Value::Null,
        Some(Kind::FloatList(list)) => json!(list.value),
        Some(Kind::Int64List(list)) => json!(list.value),
        Some(Kind::BytesList(list)) => list.value.iter().map(byte_string).collect(),
    };
    let kept = |shown: &Shown| match &shown.kind {
        None => 0,
        Some(Kind::FloatList(list)) => list.value.len(),
        Some(Kind::Int64List(list)) => list.value.len(),
        Some(Kind::BytesList(list)) => list.value.len(),
    };
    let features: serde_json::Map<_, _> =
        record.features.iter().map(|(key, shown)| (key.clone(), values(shown))).collect();
    let lists: serde_json::Map<_, _> =
        (record.feature_lists.iter()).map(|(key, steps)| (key.clone(), steps.iter().map(values).collect())).collect();
    let all = record.features.values().chain(record.feature_lists.values().flatten());
    let left_out = all.map(|shown| (shown.values - kept(shown)) as u64).sum::<u64>() + record.left_out;
    json!({
        "number": number,
        "path": record.path.to_string_lossy(),
        "bytes": record.bytes,
        "is_example": record.is_example,
        "features": features,
        "feature_lists": lists,
        "left_out": left_out,
    })
}

fn thousands_of(count: u64) -> String {
    thousands(usize::try_from(count).unwrap_or(usize::MAX))
}
