"""Makes model files as their users do, each with what the program that made it computes from them.

Nothing here is committed, the files are 16 MB each; CI makes them anew and runs `tests/import_exports` on the folder:

    python make_exports.py keras OUT       tf2onnx in both layouts and four operator sets, Keras' kinds of .h5
    python make_exports.py torch OUT       then: state dicts and ONNX files of torchvision's and timm's networks
    PETREC_EXPORTS=OUT cargo test --release --test import_exports

Written to OUT:

    <network>.<whatever>.<onnx|h5|pth|safetensors>    a model
    <the model's name>.npy                            its features of the photos, (photos, height, width, channels) float32
    <the model's name>.top.npy                        what its classifier makes of them, if it has one, (photos, classes)
    photos.txt                                        the photos, relative to `examples/photos`
    resized.npy                                       what TensorFlow makes of them, (photos, 224, 224, 3) in 0..255

`keras` takes the seeded weights of `seeded_b0.py`. `torch` takes what the packages initialise, with seed 20210513,
and moves the batch normalisations away from their identity, which would hide a wrong fold. The features are
onnxruntime's for an ONNX file, else those of Keras or torch.
"""

import argparse
import pathlib
import sys

import numpy as np

import seeded_b0

ROOT = pathlib.Path(__file__).resolve().parents[2]
PHOTOS = ROOT / "examples" / "photos"
NAMES = ("Cat/chelsea.jpg", "Coffee/coffee.jpg")


def save_features(model, features):
    """Beside `model`; NCHW becomes NHWC."""
    features = np.asarray(features, np.float32)
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
    # petrec must refuse this one: it has no names of layers.
    model.save_weights(out / "keras-3.weights.h5")


def save_legacy(legacy_h5_format, model, path):
    """The layout of the official files, which today's Keras only reads."""
    import h5py

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)


def torch_exports(out, pictures):
    """torchvision's and timm's EfficientNetB0 as state dicts and by both of torch's ONNX exporters."""
    import safetensors.torch
    import timm
    import torch
    import torchvision

    normalised = (pictures / 255 - np.float32(seeded_b0.MEAN)) / np.float32(seeded_b0.STD)
    batch = torch.from_numpy(np.ascontiguousarray(normalised.transpose(0, 3, 1, 2), np.float32))

    class Features(torch.nn.Module):
        """A network of timm's up to its last feature maps."""

        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, image):
            return self.network.forward_features(image)

    for name, make, features_of in (
        ("efficientnet_b0.torchvision", torchvision.models.efficientnet_b0, lambda model: model.features),
        ("efficientnet_b0.timm", lambda: timm.create_model("efficientnet_b0"), Features),
        ("tf_efficientnet_b0.timm", lambda: timm.create_model("tf_efficientnet_b0"), Features),
    ):
        torch.manual_seed(seeded_b0.SEED)
        model = randomised(make().eval())
        state, network = model.state_dict(), features_of(model).eval()
        with torch.no_grad():
            expected, logits = network(batch).numpy(), model(batch).numpy()
        torch.save(state, out / f"{name}.pth")
        safetensors.torch.save_file(state, out / f"{name}.safetensors")
        torch.onnx.export(model, batch[:1], out / f"{name}.logits.onnx", dynamo=True, input_names=["image"])
        for ending in ("pth", "safetensors", "logits.onnx"):
            save_features(out / f"{name}.{ending}", expected)
            np.save(out / f"{name}.{ending}.top.npy", logits)
        for exporter, dynamo in (("legacy", False), ("dynamo", True)):
            if name.startswith("tf_") and not dynamo:
                continue  # its padding is computed from the sizes of maps, which petrec does not follow
            file = out / f"{name}.{exporter}.onnx"
            torch.onnx.export(network, batch[:1], file, dynamo=dynamo, input_names=["image"])
            save_features(file, onnxruntime_features(file, normalised))


def randomised(model):
    """Batch normalisations as after a training; the rest as it is."""
    import torch

    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for vector in (module.weight, module.running_var):
                torch.nn.init.uniform_(vector, 0.5, 1.5)
            for vector in (module.bias, module.running_mean):
                torch.nn.init.uniform_(vector, -0.2, 0.2)
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("keras", "torch"))
    parser.add_argument("out", type=pathlib.Path, help="the folder, made if it is missing")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "photos.txt").write_text("".join(f"{name}\n" for name in NAMES))
    resized = arguments.out / "resized.npy"
    if arguments.what == "torch":
        torch_exports(arguments.out, np.load(resized))
        return 0
    from make_features import decode_and_resize

    np.save(resized, np.stack([decode_and_resize((PHOTOS / name).read_bytes())[1] for name in NAMES]))
    keras_exports(arguments.out, np.load(resized))
    return 0


if __name__ == "__main__":
    sys.exit(main())
