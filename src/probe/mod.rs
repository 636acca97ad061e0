//! Do the features tell the classes apart? A linear classifier says how well, and which images look mislabelled.

mod error;
mod ridge;

use serde::Serialize;

pub use error::ProbeError;

use crate::features::Table;
use crate::text::one_line;
use crate::util::parallel;
use ridge::{Classifier, Moments, Rows};

/// Name of the split that is trained on, where there is one of that name.
const TRAIN: &str = "train";
/// How many of the wrongly classified images are told.
const WORST: usize = 20;

/// How the images were divided into those that are trained on and those that are tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// Each of so many parts is tested once, by a classifier trained on the others.
    Folds(usize),
    /// Trained on the split of this name, tested on all others.
    Split(String),
}

/// An image that was taken for another class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mistake {
    /// Path of the image, or the place of its record.
    pub image: String,
    /// Its class.
    pub class: String,
    /// The class it was taken for.
    pub predicted: String,
    /// By how much that class's value is larger than the right one's; the values of sure cases lie near 1 and -1.
    pub margin: f64,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// Share of the tested images that were classified rightly, 0 to 1.
    pub accuracy: f64,
    /// Images that were tested.
    pub tested: usize,
    /// How.
    pub method: Method,
    /// Names of the classes, in the order of `confusion`.
    pub classes: Vec<String>,
    /// For each class, as which classes its images were classified.
    pub confusion: Vec<Vec<usize>>,
    /// The most confidently wrong images, at most 20; often their label is wrong.
    pub worst: Vec<Mistake>,
}

impl Probe {
    /// Trains and tests. The data set's own splits decide on what, or else `folds` parts that each have their share of
    /// every class.
    ///
    /// # Errors
    /// There are fewer than two classes, or too few images to train on or to test.
    pub fn run(table: &Table, folds: usize, threads: usize) -> Result<Self, ProbeError> {
        let mut counts = vec![0usize; table.classes.len()];
        table.labels.iter().for_each(|&label| counts[label] += 1);
        if counts.iter().filter(|count| **count > 0).count() < 2 {
            let problem = "there are images of fewer than two classes".into();
            return Err(ProbeError::TooFew { problem, advice: "convert a data set with a sub-folder per class" });
        }
        let scored = if table.splits.iter().any(Option::is_some) {
            by_split(table, threads)?
        } else {
            by_folds(table, folds, threads)?
        };
        Ok(Self::of(table, scored))
    }

    /// Images that were classified rightly.
    #[must_use]
    pub fn right(&self) -> usize {
        right(&self.confusion)
    }

    fn of(table: &Table, (method, scored): Scored) -> Self {
        let classes = table.classes.len();
        let mut confusion = vec![vec![0; classes]; classes];
        let mut mistakes = Vec::new();
        for (row, scores) in &scored {
            let label = table.labels[*row];
            // Of equal values the first class wins.
            let predicted = (0..classes).rev().max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or_default();
            confusion[label][predicted] += 1;
            if predicted != label {
                mistakes.push((scores[predicted] - scores[label], *row, predicted));
            }
        }
        mistakes.sort_by(|(a, first, _), (b, second, _)| b.total_cmp(a).then(first.cmp(second)));
        let mistake = |&(margin, row, predicted): &(f64, usize, usize)| Mistake {
            image: table.names[row].clone(),
            class: table.classes[table.labels[row]].clone(),
            predicted: table.classes[predicted].clone(),
            margin,
        };
        Self {
            accuracy: right(&confusion) as f64 / scored.len() as f64,
            tested: scored.len(),
            method,
            classes: table.classes.clone(),
            confusion,
            worst: mistakes.iter().take(WORST).map(mistake).collect(),
        }
    }
}

/// The sum of the diagonal.
fn right(confusion: &[Vec<usize>]) -> usize {
    confusion.iter().enumerate().map(|(class, row)| row[class]).sum()
}

/// Rows that were tested, with each class's value.
type Scored = (Method, Vec<(usize, Vec<f64>)>);

fn by_split(table: &Table, threads: usize) -> Result<Scored, ProbeError> {
    let is = |name: &str| table.splits.iter().any(|split| split.as_deref() == Some(name));
    let first = table.splits.iter().flatten().next();
    let name = if is(TRAIN) { TRAIN.to_owned() } else { first.cloned().unwrap_or_default() };
    let (train, test): (Vec<_>, Vec<_>) =
        (0..table.labels.len()).partition(|&row| table.splits[row].as_deref() == Some(name.as_str()));
    let known = train.iter().any(|&row| table.labels[row] != table.labels[train[0]]);
    if test.is_empty() || !known {
        let problem = format!("split '{}' has images of fewer than two classes, or all there are", one_line(&name));
        return Err(ProbeError::TooFew { problem, advice: "convert with other shares in --split, or without it" });
    }
    let classifier = Moments::of(Rows::of(table), &train, table.classes.len(), threads).fit();
    Ok((Method::Split(name), scores(table, &classifier, &test)))
}

fn by_folds(table: &Table, folds: usize, threads: usize) -> Result<Scored, ProbeError> {
    let mut seen = vec![0; table.classes.len()];
    let mut parts = vec![Vec::new(); folds];
    for (row, &label) in table.labels.iter().enumerate() {
        parts[seen[label] % folds].push(row);
        seen[label] += 1;
    }
    if let Some(class) = seen.iter().position(|&count| count == 1) {
        let problem = format!("class '{}' has a single image", one_line(&table.classes[class]));
        let advice = "convert at least two of it, or leave the class out there: 'petrec convert --classes'";
        return Err(ProbeError::TooFew { problem, advice });
    }
    parts.retain(|part| !part.is_empty());
    let moments: Vec<_> =
        parts.iter().map(|part| Moments::of(Rows::of(table), part, table.classes.len(), threads)).collect();
    let mut all = moments[0].clone();
    moments[1..].iter().for_each(|part| all.add(part));
    let mut scored = Vec::with_capacity(table.labels.len());
    let test = |(): &mut (), fold: usize| scores(table, &all.without(&moments[fold]).fit(), &parts[fold]);
    let done = parallel::ordered(parts.len(), vec![(); threads], test, |part| {
        scored.extend(part);
        Ok::<_, std::convert::Infallible>(())
    });
    match done {
        Ok(()) => Ok((Method::Folds(parts.len()), scored)),
    }
}

fn scores(table: &Table, classifier: &Classifier, rows: &[usize]) -> Vec<(usize, Vec<f64>)> {
    rows.iter().map(|&row| (row, classifier.scores(table.feature(row)))).collect()
}
