"""Makes `tests/fixtures/family_f64.npy`: Keras' larger EfficientNets, seeded, at their own size, computed in float64, kept in float32.

    python make_family.py

A row for each of NETWORKS, in that order: 1,000 values of its feature of one photo, flattened in H, W, C order, at
indices 0, step, 2 * step, ... The steps are primes, so that the samples meet every position and most channels.
"""

import sys

import numpy as np

import seeded_b0

import tensorflow as tf

from make_features import FIXTURES, PHOTOS

PHOTO = PHOTOS / "Cat" / "chelsea.jpg"
# Name, side, step.
NETWORKS = (("EfficientNetB1", 240, 79), ("EfficientNetB3", 300, 151), ("EfficientNetB7", 600, 919))
SAMPLES = 1000


def main():
    rows = []
    for name, side, step in NETWORKS:
        model = seeded_b0.build("float64", name=name, side=side)
        pixels = tf.image.decode_jpeg(PHOTO.read_bytes(), channels=3)
        resized = tf.image.resize(pixels, (side, side)).numpy()
        feature = model(resized[None].astype(np.float64)).numpy()[0]
        rows.append(feature.reshape(-1)[::step][:SAMPLES])
        print(f"{name}  {'x'.join(map(str, feature.shape))}  standard deviation {feature.std():.3f}", flush=True)
    np.save(FIXTURES / "family_f64.npy", np.stack(rows).astype("<f4"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
