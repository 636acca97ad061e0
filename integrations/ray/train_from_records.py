"""A recipe: petrec's records in ray.data, and a classifier that is trained on them.

    python train_from_records.py RECORDS [EPOCHS]

reads the record files of a finished conversion in parallel and trains softmax regression on the features, averaged over
the picture where they are not yet. `ray.data.read_tfrecords` needs TensorFlow; the reader below needs NumPy only. It
does not look at the checksums: `petrec verify` does.
"""

import json
import pathlib
import struct
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import ray.data

LENGTH_DELIMITED = 2
BATCH = 64
LEARNING_RATE = 0.5


def read_records(folder: str) -> tuple[ray.data.Dataset, dict[str, Any]]:
    """The records that petrec wrote to `folder` as rows of `feature` and `label`, and its manifest."""
    manifest = json.loads((pathlib.Path(folder) / "petrec-manifest.json").read_text())
    keys, shape = manifest["record"], manifest["record"]["shape"]
    assert keys["compression"] == "none", "this reader is for records that are not compressed"

    def rows(file: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {
                "feature": np.frombuffer(values[keys["feature_key"]], "<f4").reshape(shape),
                "label": varint(values[keys["label_key"]], 0)[0],
            }
            for values in map(features, records(file["bytes"]))
        ]

    paths = [str(pathlib.Path(folder) / file["path"]) for file in manifest["files"]]
    return ray.data.read_binary_files(paths).flat_map(rows), manifest


def records(file: bytes) -> Iterator[memoryview]:
    """The records of a TFRecord file: each is its length, a checksum of that, the data, and a checksum of those."""
    at = 0
    view = memoryview(file)
    while at < len(file):
        (length,) = struct.unpack_from("<Q", file, at)
        yield view[at + 12 : at + 12 + length]
        at += length + 16


def features(example: memoryview) -> dict[str, memoryview]:
    """The packed values of each feature of a `tf.train.Example`, by its key."""
    found = {}
    for _, all_features in fields(example):
        for _, entry in fields(all_features):
            parts = dict(fields(entry))
            (_, values), *_ = fields(parts[2])  # bytes_list, float_list or int64_list
            found[str(parts[1], "utf-8")] = next((packed for _, packed in fields(values)), memoryview(b""))
    return found


def fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """The fields of a protobuf message, all of which have a length here, with their numbers."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        assert tag & 7 == LENGTH_DELIMITED, "not a tf.train.Example as petrec writes them"
        length, at = varint(message, at)
        yield tag >> 3, message[at : at + length]
        at += length


def varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at `at`, seven bits in a byte and the lowest first, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if byte < 0x80:
            return value, at


def train(dataset: ray.data.Dataset, classes: int, epochs: int) -> float:
    """Trains softmax regression by gradient descent; returns the share of records that it gets right in the end."""
    channels = dataset.take(1)[0]["feature"].shape[-1]
    weights, bias = np.zeros((channels, classes), np.float32), np.zeros(classes, np.float32)
    right = records = 0
    for epoch in range(epochs):
        right = records = 0
        for batch in dataset.iter_batches(batch_size=BATCH, local_shuffle_buffer_size=4 * BATCH):
            inputs, labels = batch["feature"].reshape(len(batch["label"]), -1, channels).mean(axis=1), batch["label"]
            scores = inputs @ weights + bias
            right, records = right + int((scores.argmax(axis=1) == labels).sum()), records + len(labels)
            errors = np.exp(scores - scores.max(axis=1, keepdims=True))
            errors /= errors.sum(axis=1, keepdims=True)
            errors[np.arange(len(labels)), labels] -= 1
            weights -= LEARNING_RATE / len(labels) * (inputs.T @ errors)
            bias -= LEARNING_RATE / len(labels) * errors.sum(axis=0)
        print(f"epoch {epoch + 1}: {right} of {records} right before their step")
    return right / records


if __name__ == "__main__":
    photos, manifest = read_records(sys.argv[1])
    train(photos.materialize(), len(manifest["classes"]), int(sys.argv[2]) if len(sys.argv) > 2 else 10)
