"""Makes model files as their users do, each with what the program that made it computes from them.

Nothing here is committed, the files are 16 MB each; CI makes them anew and runs `tests/import_exports` on the folder:

    python make_exports.py keras OUT       tf2onnx in both layouts and four operator sets, Keras' kinds of .h5 and .keras, and
                                           a network in PyTorch's layout that needs no PyTorch, written by `handmade.py`
    python make_exports.py torch OUT       then: state dicts and ONNX files of torchvision's, timm's and Hugging Face's
                                           networks, written by `torch_exports.py`
    PETREC_EXPORTS=OUT cargo test --release --test import_exports

Written to OUT:

    <network>.<whatever>.<onnx|h5|keras|pth|safetensors>    a model
    <the model's name>.npy                            its features of the photos, (photos, height, width, channels) float32
    <the model's name>.top.npy                        what its classifier makes of them, if it has one, (photos, classes)
    photos.txt                                        the photos, relative to `examples/photos`
    resized-<side>.npy                                what TensorFlow makes of them, (photos, side, side, 3) in 0..255

`keras` takes the seeded weights of `seeded_b0.py`, `torch` random ones that are calibrated on photos (`calibrated.py`).
The features are onnxruntime's for an ONNX file, else those of Keras or torch. Features that another photo does not move
are not written: they would agree with any import.
"""

import argparse
import pathlib
import sys

import numpy as np

import calibrated
import keras_files
import seeded_b0

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTOS = ROOT / "examples" / "photos"
NAMES = ("Cat/chelsea.jpg", "Coffee/coffee.jpg")
SIDES = (224, 256, 260, 300)


def save_features(model, features):
    """Beside `model`; NCHW becomes NHWC."""
    features = np.asarray(features, np.float32)
    calibrated.assert_looks(features)
    if features.shape[-1] < features.shape[1]:
        features = features.transpose(0, 2, 3, 1)
    np.save(f"{model}.npy", np.ascontiguousarray(features))
    print(f"{model.name}  {'x'.join(map(str, features.shape))}", flush=True)


def onnxruntime_features(model, pictures):
    """onnxruntime's features of N, H, W, 3 `pictures`, one after the other, in whatever layout the model wants."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    entry, *dangling = session.get_inputs()
    if entry.shape[1] == 3:
        pictures = pictures.transpose(0, 3, 1, 2)
    # tf2onnx leaves two captured constants behind as inputs that no node takes.
    unused = {other.name: np.zeros(other.shape, np.float32) for other in dangling}
    return np.concatenate(
        [session.run(None, {entry.name: pictures[i : i + 1], **unused})[0] for i in range(len(pictures))]
    )


def optimised_exports(file, pictures):
    """What onnxruntime makes of a model at its two highest levels; `all` is for this kind of processor."""
    import onnxruntime

    for level in ("extended", "all"):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns that the file is for this machine
        options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, f"ORT_ENABLE_{level.upper()}")
        optimised = file.with_name(f"{file.name.partition('.onnx')[0]}.{level}.onnx")
        options.optimized_model_filepath = str(optimised)
        onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        save_features(optimised, onnxruntime_features(optimised, pictures))


def handmade_export(out, pictures):
    """A network as PyTorch lays it out, by `handmade.py`: it takes pictures in 0..1."""
    import handmade
    import tensorflow as tf

    photos = []
    for path in sorted(PHOTOS.rglob("*")):
        try:
            pixels = tf.image.decode_jpeg(path.read_bytes(), channels=3)
        except (OSError, tf.errors.InvalidArgumentError):
            continue  # a folder, or one of the files that are no photo
        photos.append(tf.image.resize(pixels, (seeded_b0.SIDE, seeded_b0.SIDE)).numpy().transpose(2, 0, 1) / 255)
    file = out / "handmade-b0.takes-0-to-1.onnx"
    handmade.build(file, np.stack(photos[:12]))
    save_features(file, onnxruntime_features(file, np.float32(pictures / 255)))


def keras_exports(out, pictures):
    """tf2onnx's ONNX files and Keras' own, all of one network. `pictures`: resized by TensorFlow, 0..255."""
    import keras
    import tensorflow as tf
    import tf2onnx
    from keras.src.legacy.saving import legacy_h5_format

    model = seeded_b0.build()
    spec = tf.TensorSpec((None, seeded_b0.SIDE, seeded_b0.SIDE, 3), tf.float32, name="image")
    function = tf.function(lambda image: model(image, training=False), input_signature=[spec])
    for opset in (15, 16, 17, 18):
        for layout, nchw in (("nhwc", None), ("nchw", ["image"])):
            file = out / f"efficientnet-b0.tf2onnx-{layout}-op{opset}.onnx"
            tf2onnx.convert.from_function(
                function, input_signature=[spec], opset=opset, inputs_as_nchw=nchw, output_path=str(file)
            )
            save_features(file, onnxruntime_features(file, pictures))

    for layout in ("nhwc", "nchw"):
        optimised_exports(out / f"efficientnet-b0.tf2onnx-{layout}-op17.onnx", pictures)

    def run(network):
        return np.concatenate([network(pictures[i : i + 1], training=False) for i in range(len(pictures))])

    features = run(model)
    with_top = seeded_b0.build(include_top=True)
    classes = run(with_top)
    file = out / "efficientnet-b0.tf2onnx-top-op17.onnx"
    whole = tf.function(lambda image: with_top(image, training=False), input_signature=[spec])
    tf2onnx.convert.from_function(whole, input_signature=[spec], opset=17, output_path=str(file))
    save_features(file, features)
    np.save(f"{file}.top.npy", classes)
    for file, save in (
        ("keras-notop-legacy.h5", lambda path: save_legacy(legacy_h5_format, model, path)),
        ("keras-top-legacy.h5", lambda path: save_legacy(legacy_h5_format, with_top, path)),
        ("keras-whole-model.h5", lambda path: keras.saving.save_model(with_top, path)),
    ):
        file = out / f"efficientnet-b0.{file}"
        save(file)
        save_features(file, features)
        if "notop" not in file.name:
            np.save(f"{file}.top.npy", classes)
    larger = np.load(out / f"resized-{keras_files.LARGER}.npy")
    keras_files.keras_files(out, model, with_top, pictures, larger, save_features)


def save_legacy(legacy_h5_format, model, path):
    """The layout of the official files, which today's Keras only reads."""
    import h5py

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("keras", "torch"))
    parser.add_argument("out", type=pathlib.Path, help="the folder, made if it is missing")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "photos.txt").write_text("".join(f"{name}\n" for name in NAMES))
    if arguments.what == "torch":
        from torch_exports import torch_exports

        torch_exports(arguments.out)
        return 0
    import tensorflow as tf

    pixels = [tf.image.decode_jpeg((PHOTOS / name).read_bytes(), channels=3) for name in NAMES]
    for side in SIDES:
        resized = np.stack([tf.image.resize(photo, (side, side)).numpy() for photo in pixels])
        np.save(arguments.out / f"resized-{side}.npy", resized)
    resized = np.load(arguments.out / f"resized-{seeded_b0.SIDE}.npy")
    handmade_export(arguments.out, resized)
    keras_exports(arguments.out, resized)
    return 0


if __name__ == "__main__":
    sys.exit(main())
