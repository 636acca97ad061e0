"""Does TensorFlow read what petrec wrote for `examples/photos`, and is it right?

    petrec convert --model efficientnet-lite0 examples/photos OUT
    python check_records.py OUT

reads OUT's shards with tf.data and compares number, order, labels and features with `tests/fixtures/`, where the
features are EfficientNet-Lite0's through onnxruntime (every 61st value, see make_features.py).

    python check_records.py --seeded-b0 OUT2

does the same for a run with the weights of seeded_b0.py; here Keras computes all features now, and every value is
compared. Both may be given. Every check prints one line; the last line counts them; exit 1 if one failed.
Needs requirements-ci.txt only.
"""

import argparse
import json
import pathlib
import re
import sys

import numpy as np

import seeded_b0

import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTOS = ROOT / "examples" / "photos"
FIXTURES = ROOT / "tests" / "fixtures"
SHAPE = (7, 7, 1280)
RELU6 = (0.0, 6.0)  # the range of EfficientNet-Lite0's last layer
STEP = 61

# Relative l2 norm. Float32 engines that sum in different orders (onnxruntime with and without its graph optimiser, torch)
# are within 3.3e-6 of each other on these pictures, and each within 2.5e-6 of float64. The smallest real mistake, another
# IDCT in the JPEG decoder, moves these features by 3.2e-2 or more. So 2e-5 leaves room for an engine on any instruction
# set and none for a mistake. TensorFlow itself is within 3.3e-6 of the float64 truth on the seeded B0.
LITE0_REL_L2 = 2e-5
B0_REL_L2 = 1e-5
# Single values of the seeded B0: TensorFlow's own float32 is off by up to 1.0e-4 from the float64 truth on values of
# up to 27, and ours is allowed as much; they may point in opposite directions.
B0_ABSOLUTE, B0_RELATIVE = 2e-4, 1e-4


class Tally:
    """Prints a line per check and counts."""

    passed = failed = 0

    def check(self, what, complaint, found=""):
        """`complaint` is None or empty if the check passed; returns whether it did."""
        if complaint:
            self.failed += 1
            print(f"FAILED  {what}: {complaint}")
        else:
            self.passed += 1
            print(f"ok      {what}{': ' if found else ''}{found}")
        return not complaint


def read(out):
    """[(feature, label)] of all shards of `out`, in the order of the shards' names. Raises what TensorFlow raises."""
    fields = {
        "Feature": tf.io.FixedLenFeature(SHAPE, tf.float32),
        "Label": tf.io.FixedLenFeature([1], tf.int64),
    }
    shards = [str(path) for path in sorted(out.glob("*tfrecord*"))]
    records = tf.data.TFRecordDataset(shards).map(lambda record: tf.io.parse_single_example(record, fields))
    return [(record["Feature"].numpy(), int(record["Label"].numpy()[0])) for record in records]


def shard_complaint(out):
    """What is wrong with the shards' names, or None."""
    names = sorted(path.name for path in out.glob("*tfrecord*"))
    if not names:
        return f"no record files in {out}"
    total = re.search(r"-of-(\d{5})", names[0])
    if not total:
        return f"{names[0]} is not named photos-00000-of-000NN.tfrecord"
    wanted = [f"photos-{i:05}-of-{total[1]}.tfrecord" for i in range(int(total[1]))]
    return None if names == wanted else f"found {', '.join(names)}; wanted {', '.join(wanted)}"


def manifest_complaint(out):
    try:
        json.loads((out / "petrec-manifest.json").read_text())
    except (OSError, ValueError) as error:
        return str(error)
    return None


def worst(names, errors, limit):
    """(complaint or None, summary) for one number per picture that must not exceed `limit`."""
    i = int(np.argmax(errors))
    summary = f"at most {errors[i]:.1e} (limit {limit:.0e}), {names[i]}"
    over = sum(not error <= limit for error in errors)
    return (f"{over} of {len(names)} pictures over the limit; {summary}" if over else None), summary


def rel_l2(got, wanted):
    """Relative l2 distance; infinite where `got` holds something that is no number."""
    error = float(np.linalg.norm((got - wanted).ravel()) / np.linalg.norm(wanted.ravel()))
    return error if np.isfinite(error) else np.inf


def check_frame(tally, title, out, names):
    """Everything but the features' values; returns the features (or None if they can't be compared)."""
    tally.check(f"{title}, shards", shard_complaint(out))
    tally.check(f"{title}, manifest", manifest_complaint(out))
    try:
        records = read(out)
    except tf.errors.OpError as error:
        tally.check(f"{title}, reading", f"TensorFlow says: {error.message.strip().splitlines()[0].split('}} ')[-1]}")
        return None
    count = len(records)
    tally.check(f"{title}, records", None if count == len(names) else f"{count}, wanted {len(names)}", f"{count}")
    classes = sorted({name.split("/")[0] for name in names})
    wanted = [classes.index(name.split("/")[0]) for name in names]
    labels = [label for _, label in records]
    tally.check(f"{title}, labels", None if labels == wanted else f"{labels}, wanted {wanted}", f"{labels}")
    return [feature for feature, _ in records] if count == len(names) else None


def check_lite0(tally, out, names):
    """EfficientNet-Lite0 against the fixture from onnxruntime."""
    title = "efficientnet-lite0"
    features = check_frame(tally, title, out, names)
    if features is None:
        tally.check(f"{title}, features", "not compared, see above")
        return
    low, high = (float(f) for f in (np.min(features), np.max(features)))
    within = RELU6[0] <= low <= high <= RELU6[1]  # false if there is a NaN
    tally.check(f"{title}, range", None if within else f"{low} to {high}, wanted 0 to 6", f"{low:g} to {high:g}")
    wanted = np.load(FIXTURES / "lite0_onnxruntime.npy")
    errors = [rel_l2(feature.reshape(-1)[::STEP], row) for feature, row in zip(features, wanted)]
    tally.check(f"{title}, features, rel-l2", *worst(names, errors, LITE0_REL_L2))


def check_seeded_b0(tally, out, names):
    """Seeded EfficientNetB0 against Keras, computed now, every value."""
    title = "seeded efficientnet-b0"
    features = check_frame(tally, title, out, names)
    if features is None:
        tally.check(f"{title}, features", "not compared, see above")
        return
    model = seeded_b0.build()
    l2, ratio = [], []
    for name, feature in zip(names, features):
        pixels = tf.image.decode_jpeg((PHOTOS / name).read_bytes(), channels=3)
        resized = tf.image.resize(pixels, (seeded_b0.SIDE, seeded_b0.SIDE))
        wanted = model(resized[None])[0].numpy()
        l2.append(rel_l2(feature, wanted))
        excess = np.abs(feature - wanted) / (B0_ABSOLUTE + B0_RELATIVE * np.abs(wanted))
        ratio.append(float(np.nan_to_num(excess, nan=np.inf).max()))
    tally.check(f"{title}, features, rel-l2", *worst(names, l2, B0_REL_L2))
    tally.check(f"{title}, features, |d| / ({B0_ABSOLUTE:.0e} + {B0_RELATIVE:.0e} |b|)", *worst(names, ratio, 1.0))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", nargs="?", type=pathlib.Path, metavar="OUT", help="written with efficientnet-lite0")
    parser.add_argument("--seeded-b0", type=pathlib.Path, metavar="OUT2", help="written with the seeded B0")
    arguments = parser.parse_args()
    if not arguments.out and not arguments.seeded_b0:
        parser.error("nothing to check: name OUT, or --seeded-b0 OUT2, or both")

    print(f"TensorFlow {tf.__version__}")
    tally = Tally()
    names = (FIXTURES / "photos.txt").read_text().splitlines()
    if arguments.out:
        check_lite0(tally, arguments.out, names)
    if arguments.seeded_b0:
        check_seeded_b0(tally, arguments.seeded_b0, names)
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
