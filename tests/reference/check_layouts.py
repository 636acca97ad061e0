"""Do TensorFlow and TensorFlow Datasets read every layout that petrec writes, and find the same records in each?

    python check_layouts.py path/to/petrec

converts `examples/photos` once for each layout, into a folder that is removed afterwards, and reads the records with
`tf.data`, `tfds.builder_from_directory`, and by the offsets of the index files. What is read must be what the plain shards
hold, photo by photo and bit by bit; check_records.py tells whether those are right. Every check prints one line; exit 1 if
one failed. Needs requirements-ci.txt only.
"""

import argparse
import itertools
import pathlib
import struct
import subprocess
import sys
import tempfile

import tensorflow as tf
import tensorflow_datasets as tfds

from check_records import PHOTOS, SHAPE, Tally

FIELDS = {
    "Feature": tf.io.FixedLenFeature(SHAPE, tf.float32),
    "Label": tf.io.FixedLenFeature([], tf.int64),
    "path": tf.io.FixedLenFeature([], tf.string),
}
SPLITS = {"train": 0.5, "val": 0.25, "test": 0.25}
DIVIDE = ["--split", ",".join(f"{name}={share}" for name, share in SPLITS.items()), "--shuffle", "--seed", "3"]


def convert(petrec, out, *options):
    """Converts the photos to the folder `out`, with their paths in the records."""
    command = [petrec, "convert", "--quiet", "--model", "efficientnet-lite0", "--with", "path", *options, PHOTOS, out]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
    return out


def records_of(dataset):
    """{path: (feature's bytes, label)} of a data set of parsed records."""
    found = {}
    for record in dataset:
        path = record["path"].numpy().decode()
        assert path not in found, f"{path} is there twice"
        found[path] = (record["Feature"].numpy().tobytes(), int(record["Label"].numpy()))
    return found


def read(files, compression=""):
    records = tf.data.TFRecordDataset([str(path) for path in files], compression_type=compression)
    return records_of(records.map(lambda record: tf.io.parse_single_example(record, FIELDS)))


def read_by_index(out):
    """Cuts each record out of its file where the index says that it is."""
    serialized = []
    for index in sorted(out.glob("*.idx")):
        records = index.with_suffix(".tfrecord").read_bytes()
        end = 0
        for line in index.read_text().splitlines():
            offset, size = map(int, line.split())
            assert offset == end, f"{index.name}: a record begins at {offset}, the one before it ends at {end}"
            end = offset + size
            (length,) = struct.unpack_from("<Q", records, offset)
            assert size == length + 16, f"{index.name}: {size} bytes for a record of {length}"
            serialized.append(records[offset + 12 : end - 4])
        assert end == len(records), f"{index.name} ends at {end}, the records at {len(records)}"
    return records_of(tf.io.parse_single_example(record, FIELDS) for record in serialized)


def united(parts):
    """The records of disjoint parts."""
    assert sum(map(len, parts)) == len(set(itertools.chain(*parts))), "an image is in two splits"
    return {path: record for part in parts for path, record in part.items()}


def read_split(out):
    """Every split for itself; none may be empty."""
    parts = [read(sorted(out.glob(f"photos-{name}-*.tfrecord"))) for name in SPLITS]
    assert all(parts), f"records per split: {[len(part) for part in parts]}"
    return united(parts)


def read_tfds(out):
    """Every split as TensorFlow Datasets gives it, with the counts and the class names that it tells."""
    builder = tfds.builder_from_directory(str(out))
    classes = sorted(path.name for path in PHOTOS.iterdir() if path.is_dir())
    assert builder.info.full_name == "pets/1.2.3", builder.info.full_name
    assert builder.info.features["Label"].names == classes, builder.info.features["Label"].names
    parts = []
    for name, split in builder.info.splits.items():
        part = records_of(builder.as_dataset(split=name))
        assert len(part) == split.num_examples, f"{name}: {len(part)} records, TFDS tells {split.num_examples}"
        parts.append(part)
    return united(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("petrec", type=pathlib.Path, help="the program")
    petrec = parser.parse_args().petrec.resolve()

    print(f"TensorFlow {tf.__version__}, TensorFlow Datasets {tfds.__version__}")
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        plain = read(sorted(convert(petrec, folder / "plain").glob("*.tfrecord")))
        tally.check("shards", None if plain else "no records", f"{len(plain)} records")
        layouts = {
            "gzip": (["--compression", "gzip"], lambda out: read(sorted(out.glob("*.tfrecord")), "GZIP")),
            "zlib": (["--compression", "zlib"], lambda out: read(sorted(out.glob("*.tfrecord")), "ZLIB")),
            "a file for each image": (["--layout", "per-image"], lambda out: read(out.glob("*/TFRecord/*.tfrecord"))),
            "splits, shuffled": (DIVIDE, read_split),
            "index files": (["--shards", "3", "--index"], read_by_index),
            "TFDS": (["--tfds", "pets:1.2.3"], read_tfds),
            "TFDS, splits, shuffled": (["--tfds", "pets:1.2.3", *DIVIDE], read_tfds),
        }
        for number, (title, (options, reader)) in enumerate(layouts.items()):
            complaint = None
            try:
                found = reader(convert(petrec, folder / str(number), *options))
                differing = sorted(path for path in plain.keys() | found if plain.get(path) != found.get(path))
                complaint = f"{len(differing)} records differ, such as {differing[0]}" if differing else None
            except (AssertionError, tf.errors.OpError, ValueError) as error:
                complaint = str(error)
            tally.check(title, complaint, f"the same {len(plain)} records")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
