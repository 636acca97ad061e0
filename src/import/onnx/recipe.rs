//! The preprocessing that belongs to an imported network: what its file says, what was asked for, or a refusal.
//!
//! A graph may prepare pictures itself (its *front*), but in which range it takes them is nowhere in an ONNX file.
//! PyTorch's `Normalize` takes 0..1, Keras' layers take 0..255, TensorFlow Hub's take 0..1 or -1..1. A front implies its
//! range: only in the right one does it come to a known recipe, or to values that a network is trained with. A file that
//! leaves it open is refused, because a guess would be silently wrong.

use super::affine::Affine;
use crate::import::{InputRange, Options, Refusal};
use crate::model::{Padding, Preprocess};

/// How far a graph's preprocessing may be from a known recipe and still be it, relative to the recipe's span.
///
/// Exporters fold `1/255`, `1/std` and their products in float32, each rounding by 6e-8; another recipe differs in the
/// third digit.
const SAME: f64 = 1e-5;
/// How far it may be from a known recipe and still be meant for its range: bfloat16 rounds by 4e-3, and a recipe in another
/// range is off by half of the span or more.
const ALIKE: f64 = 2e-2;
/// What a network is fed lies within these bounds ...
const LARGEST: f64 = 5.0;
/// ... and is spread at least so far.
const LEAST_SPAN: f64 = 0.25;

const ASK_FOR_RECIPE: &str = "say what the network was trained with: --preprocess imagenet, keras, half, lite, unit or raw, or \
                              --mean and --std";
const ASK_FOR_RANGE: &str = "say which values its input takes: --input-range 0..1, 0..255 or -1..1";

/// The recipe of a graph that does `front` to the values of its input, which are bytes for certain where `is_bytes`.
pub(super) fn recipe(
    front: &Affine,
    is_bytes: bool,
    padding: Padding,
    options: &Options,
) -> Result<Preprocess, Refusal> {
    if *front == Affine::identity(front.scale.len()) {
        return nothing_in_front(is_bytes, options);
    }
    let ranges = match options.input_range {
        Some(range) => vec![range],
        None if is_bytes => vec![InputRange::Byte],
        None => InputRange::ALL.to_vec(),
    };
    let is_said = ranges.len() == 1;
    let known = |range: &InputRange| Overall::new(*range, front).closest(padding);
    let found: Vec<(Overall, Known)> =
        ranges.iter().filter_map(|range| Some((Overall::new(*range, front), known(range)?))).collect();
    let recipe = match found.as_slice() {
        [(overall, known)] => overall.as_known(known)?,
        _ if is_said => Overall::new(ranges[0], front).preprocess()?,
        [] if Overall::new(InputRange::Byte, front).is_plausible() => {
            Overall::new(InputRange::Byte, front).preprocess()?
        }
        _ => {
            let found = format!("it does {} itself, which is no known recipe for any range of x", written(front));
            return Err(Refusal::Preprocessing { found, hint: ASK_FOR_RANGE });
        }
    };
    match &options.preprocess {
        Some(asked) if Overall::of(asked).distance(&Overall::of(&recipe)) > ALIKE => Err(Refusal::Preprocessing {
            found: format!("it does {} itself, which makes {recipe}, but {asked} was asked for", written(front)),
            hint: "leave out --preprocess, --mean and --std, or say which values its input takes with --input-range",
        }),
        _ => Ok(recipe),
    }
}

/// A graph that does nothing to its input leaves all of it to whoever feeds it.
fn nothing_in_front(is_bytes: bool, options: &Options) -> Result<Preprocess, Refusal> {
    let range = || options.input_range.map(InputRange::preprocess);
    let beside = || options.beside.as_ref().and_then(|beside| beside.preprocess.clone());
    match options.preprocess.clone().or_else(range).or_else(beside) {
        Some(said) => Ok(said),
        None if is_bytes => Ok(Preprocess::raw()),
        None => Err(Refusal::Preprocessing {
            found: "it does nothing to a picture before its first convolution".into(),
            hint: ASK_FOR_RECIPE,
        }),
    }
}

/// A recipe that is met in the field, and whether its channels are in the order blue, green, red.
struct Known {
    recipe: Preprocess,
    is_reversed: bool,
}

/// What a front and a range come to: a factor and a summand for each channel's 0..=255 value.
struct Overall {
    scale: [f64; 3],
    shift: [f64; 3],
}

impl Overall {
    /// The picture brought into `range`, then `front`.
    fn new(range: InputRange, front: &Affine) -> Self {
        let [whole, low] = match range {
            InputRange::Byte => [1.0, 0.0],
            InputRange::Unit => [1.0 / 255.0, 0.0],
            InputRange::Signed => [2.0 / 255.0, -1.0],
        };
        let channel = |at: usize| (front.scale[at], front.shift[at]);
        Self {
            scale: [0, 1, 2].map(|at| channel(at).0 * whole),
            shift: [0, 1, 2].map(|at| channel(at).0 * low + channel(at).1),
        }
    }

    fn of(recipe: &Preprocess) -> Self {
        let factor = [0, 1, 2].map(|at| f64::from(recipe.factor[at]) / f64::from(recipe.divisor[at]));
        Self {
            scale: factor.map(|factor| f64::from(recipe.scale) * factor),
            shift: [0, 1, 2].map(|at| -f64::from(recipe.mean[at]) * factor[at]),
        }
    }

    /// What a channel's smallest and largest values become.
    fn ends(&self, channel: usize) -> [f64; 2] {
        [self.shift[channel], self.scale[channel] * 255.0 + self.shift[channel]]
    }

    /// How far the ends are from another's at most, in units of the other's span.
    fn distance(&self, other: &Self) -> f64 {
        let off = |channel: usize| {
            let ([low, high], [other_low, other_high]) = (self.ends(channel), other.ends(channel));
            (low - other_low).abs().max((high - other_high).abs()) / (other_high - other_low).abs()
        };
        (0..3).map(off).fold(0.0, |most, off| if off > most || off.is_nan() { off } else { most })
    }

    /// The known recipe that it is like; of Keras' and PyTorch's order of operations the one that goes with the padding.
    fn closest(&self, padding: Padding) -> Option<Known> {
        let imagenet = if padding == Padding::Same { Preprocess::keras() } else { Preprocess::torch() };
        let older = Preprocess::keras_25(); // Hugging Face's as well
        let reversed = |recipe: Preprocess| Known { recipe: backwards(recipe), is_reversed: true };
        let in_order = |recipe| Known { recipe, is_reversed: false };
        let others = [Preprocess::half(), Preprocess::lite(), Preprocess::unit(), Preprocess::raw()].map(in_order);
        let mirrored = [imagenet.clone(), older.clone()].map(reversed);
        let all = [imagenet, older].map(in_order).into_iter().chain(others).chain(mirrored);
        let measured = all.map(|known| (self.distance(&Self::of(&known.recipe)), known));
        let (distance, known) = measured.min_by(|(a, _), (b, _)| a.total_cmp(b))?;
        (distance <= ALIKE).then_some(known)
    }

    /// The known recipe where it is the same, else these numbers themselves.
    fn as_known(&self, known: &Known) -> Result<Preprocess, Refusal> {
        if known.is_reversed {
            return Err(Refusal::Preprocessing {
                found: format!(
                    "its numbers are those of {} with the channels reversed",
                    backwards(known.recipe.clone())
                ),
                hint: "petrec feeds red, green, blue, and this network takes blue, green, red: export one that takes RGB",
            });
        }
        if self.distance(&Self::of(&known.recipe)) <= SAME { Ok(known.recipe.clone()) } else { self.preprocess() }
    }

    /// Whether a network could be trained with such values.
    fn is_plausible(&self) -> bool {
        (0..3).all(|channel| {
            let [low, high] = self.ends(channel);
            low.abs() <= LARGEST && high.abs() <= LARGEST && high - low >= LEAST_SPAN
        })
    }

    /// `(x * 1 - mean) / 1 * factor`, the same in the form of a [`Preprocess`].
    fn preprocess(&self) -> Result<Preprocess, Refusal> {
        let factor = self.scale.map(|scale| scale as f32);
        let mean = [0, 1, 2].map(|at| (-self.shift[at] / self.scale[at]) as f32);
        if mean.iter().all(|mean| mean.is_finite()) && factor.iter().all(|factor| factor.is_normal()) {
            return Ok(Preprocess { factor, mean, ..Preprocess::raw() });
        }
        let found = format!("its preprocessing is x * {:?} + {:?}, which leaves nothing of it", self.scale, self.shift);
        Err(Refusal::Preprocessing {
            found,
            hint: "export the model again, with preprocessing by numbers that are not zero",
        })
    }
}

/// The recipe with the channels in the opposite order.
fn backwards(mut recipe: Preprocess) -> Preprocess {
    for numbers in [&mut recipe.mean, &mut recipe.divisor, &mut recipe.factor] {
        numbers.reverse();
    }
    recipe
}

/// `x * 4.36681 4.46429 4.44444 - 2.1179 2.03571 1.80444`, in the terms of the graph's own input.
fn written(front: &Affine) -> String {
    let numbers = |values: &[f64]| match values {
        [one, rest @ ..] if rest.iter().all(|other| other == one) => format!("{one:.6}"),
        values => values.iter().map(|value| format!("{value:.6}")).collect::<Vec<_>>().join(" "),
    };
    format!("x * ({}) + ({})", numbers(&front.scale), numbers(&front.shift))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(front: &Affine, padding: Padding) -> Result<Preprocess, Refusal> {
        recipe(front, false, padding, &Options::default())
    }

    /// `recipe` of the picture, written for an input in `range`, with float32's rounding.
    fn front(recipe: &Preprocess, range: InputRange) -> Affine {
        let Overall { scale, shift } = Overall::of(recipe);
        let Overall { scale: whole, shift: low } = Overall::of(&range.preprocess());
        let scale = [0, 1, 2].map(|at| scale[at] / whole[at]);
        let rounded = |value: f64| f64::from(value as f32);
        let shift = [0, 1, 2].map(|at| rounded(shift[at] - scale[at] * low[at])).to_vec();
        Affine { scale: scale.map(rounded).to_vec(), shift }
    }

    #[test]
    fn every_known_recipe_is_found_in_every_range() {
        let keras_25 = Preprocess::keras_25();
        for padding in [Padding::Same, Padding::Symmetric] {
            let imagenet = if padding == Padding::Same { Preprocess::keras() } else { Preprocess::torch() };
            for known in [imagenet, keras_25.clone(), Preprocess::half(), Preprocess::lite()] {
                for range in InputRange::ALL {
                    let front = front(&known, range);
                    let is_lite = known == Preprocess::lite();
                    if front == Affine::identity(3) || (is_lite && range == InputRange::Signed) {
                        continue; // half of a picture in -1..1 is no front, and Lite's is nearly none: it is asked about
                    }
                    assert_eq!(read(&front, padding).expect("is known"), known, "{range:?} {padding:?}");
                }
            }
        }
    }

    #[test]
    fn a_front_that_only_changes_the_range_says_it() {
        let times = |scale: f64, shift: f64| Affine { scale: vec![scale; 3], shift: vec![shift; 3] };
        for (front, overall) in [
            (times(255.0, 0.0), Preprocess::raw()),
            (times(127.5, 127.5), Preprocess::raw()),
            (times(1.0 / 255.0, 0.0), Preprocess::unit()),
            (times(0.5, 0.5), Preprocess::unit()),
            (times(2.0, -1.0), Preprocess::half()),
            (times(1.0 / 127.5, -1.0), Preprocess::half()),
        ] {
            assert_eq!(read(&front, Padding::Same).expect("is known"), overall);
        }
    }

    #[test]
    fn nothing_at_the_front_is_asked_about_and_never_guessed() {
        let nothing = Affine::identity(3);

        let message = read(&nothing, Padding::Same).expect_err("cannot be known").to_string();

        assert!(message.contains("--preprocess"), "{message}");
        let asked = Options { preprocess: Some(Preprocess::lite()), ..Options::default() };
        assert_eq!(recipe(&nothing, false, Padding::Same, &asked).expect("was said"), Preprocess::lite());
        let range = Options { input_range: Some(InputRange::Unit), ..Options::default() };
        assert_eq!(recipe(&nothing, false, Padding::Same, &range).expect("was said"), Preprocess::unit());
        let bytes = recipe(&nothing, true, Padding::Same, &Options::default());
        assert_eq!(bytes.expect("bytes are 0..255"), Preprocess::raw());
    }

    #[test]
    fn an_unknown_recipe_is_taken_where_only_0_to_255_makes_sense() {
        let front = Affine { scale: vec![1.0 / 60.0, 1.0 / 65.0, 1.0 / 70.0], shift: vec![-2.0, -1.8, -1.6] };

        let kept = read(&front, Padding::Same).expect("is plausible");

        let mut values = [120.0, 0.0, 255.0];
        kept.normalise(&mut values);
        for (value, wanted) in values.iter().zip([0.0, -1.8, 255.0 / 70.0 - 1.6]) {
            assert!((value - wanted).abs() < 1e-5, "{value}, {wanted}");
        }
    }

    #[test]
    fn an_unknown_recipe_in_another_range_is_asked_about() {
        // Somebody's own mean and deviation of pictures in 0..1, and Caffe's subtraction of a mean alone.
        let own = Affine { scale: vec![6.0, 5.0, 4.0], shift: vec![-4.0, -3.0, -1.6] };
        let caffe = Affine { scale: vec![1.0; 3], shift: vec![-123.68, -116.779, -103.939] };
        for front in [&own, &caffe] {
            let message = read(front, Padding::Symmetric).expect_err("cannot be known").to_string();
            assert!(message.contains("--input-range"), "{message}");
        }

        let said = Options { input_range: Some(InputRange::Unit), ..Options::default() };
        let kept = recipe(&own, false, Padding::Symmetric, &said).expect("was said");

        let mut values = [255.0, 127.5, 0.0];
        kept.normalise(&mut values);
        for (value, wanted) in values.iter().zip([2.0, -0.5, -1.6]) {
            assert!((value - wanted).abs() < 1e-5, "{value}, {wanted}");
        }
    }

    #[test]
    fn reversed_channels_are_refused() {
        let mut reversed = front(&Preprocess::torch(), InputRange::Unit);
        reversed.scale.reverse();
        reversed.shift.reverse();

        let message = read(&reversed, Padding::Symmetric).expect_err("takes BGR").to_string();

        assert!(message.contains("blue, green, red"), "{message}");
    }

    #[test]
    fn half_precision_keeps_its_own_numbers() {
        let mut rounded = front(&Preprocess::torch(), InputRange::Unit);
        for value in rounded.scale.iter_mut().chain(&mut rounded.shift) {
            *value = (*value * 512.0).round() / 512.0; // about what float16 and bfloat16 do
        }

        let kept = read(&rounded, Padding::Symmetric).expect("is like ImageNet's");

        assert_ne!(kept, Preprocess::torch());
        assert!(Overall::of(&kept).distance(&Overall::new(InputRange::Unit, &rounded)) < 1e-6);
    }

    #[test]
    fn another_recipe_than_the_files_own_is_refused() {
        let asked = Options { preprocess: Some(Preprocess::lite()), ..Options::default() };
        let keras = front(&Preprocess::keras(), InputRange::Byte);

        let message = recipe(&keras, false, Padding::Same, &asked).expect_err("contradicts").to_string();

        assert!(message.contains("leave out --preprocess"), "{message}");
        let same = Options { preprocess: Some(Preprocess::torch()), ..Options::default() };
        assert!(recipe(&keras, false, Padding::Same, &same).is_ok());
    }

    #[test]
    fn a_front_that_leaves_nothing_of_the_picture_is_refused() {
        let blind = Affine { scale: vec![0.0; 3], shift: vec![1.0; 3] };
        let said = Options { input_range: Some(InputRange::Byte), ..Options::default() };

        assert!(read(&blind, Padding::Same).is_err());
        assert!(recipe(&blind, false, Padding::Same, &said).is_err());
    }
}
