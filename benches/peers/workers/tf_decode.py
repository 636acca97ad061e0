"""TensorFlow decoding JPEGs and nothing else.

`--how bare` is the fastest: tf.data, `--threads` decodes at a time, broken files skipped. `--how loop` is the blog's
validation: one file after the other, eager, in a try.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import tensorflow as tf

import common


def add(parser):
    parser.add_argument("--how", choices=["bare", "loop"], default="bare")


def bare(paths, threads):
    """The number of files that decode."""

    def decode(path):
        return tf.image.decode_jpeg(tf.io.read_file(path), channels=3)[0, 0, 0]

    options = tf.data.Options()
    options.deterministic = False
    options.threading.private_threadpool_size = threads
    dataset = tf.data.Dataset.from_tensor_slices(paths).map(decode, num_parallel_calls=threads)
    dataset = dataset.ignore_errors().batch(64).with_options(options)
    return sum(len(batch) for batch in dataset.as_numpy_iterator())


def loop(paths, _threads):
    """The number of files that decode."""
    good = 0
    for path in paths:
        try:
            tf.image.decode_jpeg(tf.io.read_file(path), channels=3)
            good += 1
        except tf.errors.OpError:
            pass
    return good


def main():
    arguments = common.photo_arguments(__doc__, add)
    count = {"bare": bare, "loop": loop}[arguments.how]
    paths, _ = common.photos(arguments.photos)
    if not arguments.cold:
        count(paths[:50], arguments.threads)
    common.ready()
    start = time.perf_counter()
    accepted = count(paths, arguments.threads)
    common.say(images=len(paths), seconds=time.perf_counter() - start, accepted=accepted)


if __name__ == "__main__":
    main()
