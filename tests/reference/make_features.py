"""Makes the fixtures that petrec's tests compare with, for the twelve good pictures of `examples/photos`.

Written to `tests/fixtures/`:

    photos.txt               the pictures in row order, `Class/name.jpg`: classes by name, then files by name
    photos_pixels.json       TensorFlow's verdict on every file, broken ones included, and sha256 of what it makes of
                             it: RGB bytes, the resized 224 x 224 x 3 float32, the network's input for B0 and for Lite0
    seeded_b0_f64.npy        (12, 1029) float64: seeded EfficientNetB0 in double precision, every 61st feature value
    lite0_onnxruntime.npy    (12, 1029) float32: EfficientNet-Lite0 through onnxruntime, every 61st feature value

A row is a picture's 7 x 7 x 1280 feature in H, W, C order, flattened, at indices 0, 61, 122, ... 61 has no factor in
common with 1280, so no two samples share a channel and every position has 21 of them.

    python make_features.py --lite0 lite0-imagenet-features-legacy.onnx            write
    python make_features.py --lite0 lite0-imagenet-features-legacy.onnx --check    compare instead, exit 1 if different
    python make_features.py --validate REFERENCE        only: is the float64 net that of REFERENCE/features_f64.npy?
"""

import argparse
import hashlib
import json
import pathlib
import sys

import numpy as np

import seeded_b0

import tensorflow as tf

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTOS = ROOT / "examples" / "photos"
FIXTURES = ROOT / "tests" / "fixtures"
STEP = 61
SAMPLES = 1029
# Where another machine's float sums may round differently; hashes and verdicts have no tolerance.
REL_L2 = {"seeded_b0_f64.npy": 1e-13, "lite0_onnxruntime.npy": 2e-5}


def decode_and_resize(data):
    """What TensorFlow makes of a file: RGB bytes, and the 224 x 224 x 3 float32 picture. Raises if it rejects it."""
    pixels = tf.image.decode_jpeg(data, channels=3).numpy()
    return pixels, tf.image.resize(pixels, (seeded_b0.SIDE, seeded_b0.SIDE)).numpy()


def lite0_input(resized):
    """EfficientNet-Lite0's preprocessing, in float32."""
    return (resized - np.float32(127)) / np.float32(128)


def sampled(features):
    """Every 61st value of an H, W, C feature."""
    row = features.reshape(-1)[::STEP]
    assert row.shape == (SAMPLES,), row.shape
    return row


def rel_l2(got, wanted):
    return float(np.linalg.norm(got.ravel() - wanted.ravel()) / np.linalg.norm(wanted))


def sha256(array):
    """Of the bytes in H, W, C order; float32 as little-endian."""
    return hashlib.sha256(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def judge_photos():
    """(photos_pixels.json, [(name, resized picture)]) for every file of `examples/photos`."""
    stem_input = seeded_b0.stem_input(seeded_b0.build())
    table = {"_versions": {"tensorflow": tf.__version__, "keras": tf.keras.__version__}}
    good = []
    for path in sorted(PHOTOS.glob("*/*")):
        name = path.relative_to(PHOTOS).as_posix()
        try:
            pixels, resized = decode_and_resize(path.read_bytes())
        except tf.errors.InvalidArgumentError:
            table[name] = {"status": "error"}
            continue
        good.append((name, resized))
        table[name] = {
            "status": "ok",
            "width": pixels.shape[1],
            "height": pixels.shape[0],
            "px_sha256": sha256(pixels),
            "resized_f32_sha256": sha256(resized),
            "b0_input_f32_sha256": sha256(stem_input.predict_on_batch(resized[None])[0]),
            "lite0_input_f32_sha256": sha256(lite0_input(resized)),
        }
    return table, good


def seeded_b0_f64(pictures):
    """Seeded EfficientNetB0, all in float64 from the resized float32 picture on."""
    model = seeded_b0.build("float64")
    return [model(picture[None].astype(np.float64)).numpy()[0] for picture in pictures]


def lite0_onnxruntime(onnx_file, pictures):
    """EfficientNet-Lite0 through onnxruntime, one picture at a time, as H, W, C."""
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx_file, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [
        session.run(None, {name: lite0_input(picture).transpose(2, 0, 1)[None]})[0][0].transpose(1, 2, 0)
        for picture in pictures
    ]


def validate(reference):
    """Compares the float64 pipeline with a folder of `images/`, `names.txt` and `features_f64.npy`."""
    names = (reference / "names.txt").read_text().split()
    files = [(reference / "images" / f"{name}.jpg").read_bytes() for name in names]
    got = np.stack(seeded_b0_f64([decode_and_resize(data)[1] for data in files]))
    wanted = np.load(reference / "features_f64.npy")
    error = rel_l2(got, wanted)
    print(f"{len(names)} pictures: max |d| {np.abs(got - wanted).max():.1e}, rel-l2 {error:.1e}")
    return 0 if error <= REL_L2["seeded_b0_f64.npy"] else 1


def compare(name, made):
    """One line on whether fixture `name` still says the same; True if so."""
    path = FIXTURES / name
    if not path.is_file():
        verdict, same = "missing", False
    elif isinstance(made, str):
        same = path.read_text() == made
        verdict = "equal" if same else "DIFFERS"
    else:
        there = np.load(path)
        same = there.shape == made.shape and there.dtype == made.dtype and rel_l2(made, there) <= REL_L2[name]
        verdict = f"rel-l2 {rel_l2(made, there):.1e}, limit {REL_L2[name]:.0e}" if there.shape == made.shape else "shape"
        verdict += "" if same else ": DIFFERS"
    print(f"{name}: {verdict}")
    return same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lite0", metavar="FILE.onnx", help="made by make_lite0_onnx.py")
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--validate", metavar="REFERENCE", type=pathlib.Path)
    arguments = parser.parse_args()
    if arguments.validate:
        return validate(arguments.validate)
    if not arguments.lite0:
        parser.error("--lite0 FILE.onnx is needed (make_lite0_onnx.py makes it)")

    table, good = judge_photos()
    names, pictures = zip(*good)
    made = {
        "photos.txt": "".join(f"{name}\n" for name in names),
        "photos_pixels.json": json.dumps(table, indent=1, sort_keys=True) + "\n",
        "seeded_b0_f64.npy": np.stack([sampled(f) for f in seeded_b0_f64(pictures)]).astype("<f8"),
        "lite0_onnxruntime.npy": np.stack(
            [sampled(f) for f in lite0_onnxruntime(arguments.lite0, pictures)]
        ).astype("<f4"),
    }
    if arguments.check:
        return 0 if all([compare(name, content) for name, content in made.items()]) else 1
    FIXTURES.mkdir(exist_ok=True)
    for name, content in made.items():
        path = FIXTURES / name
        path.write_text(content) if isinstance(content, str) else np.save(path, content)
        print(f"{path.stat().st_size:8,} bytes  tests/fixtures/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
