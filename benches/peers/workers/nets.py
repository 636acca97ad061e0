"""The two networks as Keras models: 0..255 pictures of 224 x 224 in, 7 x 7 x 1280 features out.

EfficientNet-B0 has the seeded weights of tests/reference/seeded_b0.py. EfficientNet-Lite0 is put together from petrec's
own weight file, because there is no other way from its published weights to TensorFlow and LiteRT; run.py compares what
it computes with onnxruntime's result for the graph that torch exported.
"""

import json
import math
import pathlib
import struct
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
LITE0_WEIGHTS = ROOT / "model-weights" / "efficientnet-lite0.safetensors"
# (kernel, stride, repeats) of the seven stages (Tan & Le 2019, table 1); widths are the weights' own.
STAGES = ((3, 1, 1), (3, 2, 2), (5, 2, 2), (3, 2, 3), (5, 1, 3), (5, 2, 4), (3, 1, 1))


def build(name):
    """The Keras model of "b0" or "lite0"."""
    return {"b0": b0, "lite0": lite0}[name]()


def seeded_b0():
    """The module tests/reference/seeded_b0.py."""
    sys.path.insert(0, str(ROOT / "tests" / "reference"))
    import seeded_b0

    return seeded_b0


def b0():
    return seeded_b0().build()


def b0_tf_keras():
    """The seeded B0 in tf_keras, the Keras 2 that the blog's TensorFlow 2.5 came with.

    The graph for `weights=None` ends its preprocessing with the normalisation, which divides by the variance's root:
    with std^2 as the variance it is the same function, and has one step less than the official one.
    """
    import tf_keras

    recipe = seeded_b0()
    model = tf_keras.applications.EfficientNetB0(weights=None, include_top=False, input_shape=(224, 224, 3))
    for layer in model.layers:
        if isinstance(layer, tf_keras.layers.Normalization):
            layer.set_weights([np.float32(recipe.MEAN), np.float32(recipe.STD) ** 2, np.int64(0)])
            layer.finalize_state()
            continue
        depthwise = isinstance(layer, tf_keras.layers.DepthwiseConv2D)
        for variable in layer.weights:
            kind = variable.name.split("/")[-1].split(":")[0].replace("depthwise_", "")
            variable.assign(recipe.seeded(layer.name, kind, tuple(variable.shape), depthwise))
    return model


def lite0():
    """EfficientNet-Lite0 out of petrec's weight file: batch normalisation is already folded, there is no squeeze-excite."""
    import keras
    from keras import layers

    weights = read_safetensors(LITE0_WEIGHTS)

    def conv(x, name, stride=1, kernel=1, relu6=True, depthwise=False):
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        common = {"kernel_size": kernel, "strides": stride, "padding": "same", "name": name.replace(".", "_")}
        layer = layers.DepthwiseConv2D(**common) if depthwise else layers.Conv2D(len(bias), **common)
        x = layer(x)
        # O, I, H, W -> H, W, I, O; depthwise C, 1, H, W -> H, W, C, 1
        layer.set_weights([weight.transpose(2, 3, 0, 1) if depthwise else weight.transpose(2, 3, 1, 0), bias])
        return layers.ReLU(6.0)(x) if relu6 else x

    image = keras.Input((224, 224, 3), name="image")
    x = layers.Rescaling(1 / 128, -127 / 128)(image)
    x = conv(x, "stem", stride=2, kernel=3)
    for number, (kernel, stride, repeats) in enumerate(STAGES, 1):
        for repeat in range(repeats):
            block, skip = f"block{number}{'abcd'[repeat]}", x
            if f"{block}.expand.weight" in weights:
                x = conv(x, f"{block}.expand")
            x = conv(x, f"{block}.depthwise", stride if repeat == 0 else 1, kernel, depthwise=True)
            x = conv(x, f"{block}.project", relu6=False)
            x = layers.Add()([x, skip]) if repeat else x
    return keras.Model(image, conv(x, "head"))


def read_safetensors(path):
    """{name: float32 array} of a safetensors file: a length, a JSON header, then the tensors' bytes."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data, "<f4", math.prod(entry["shape"]), 8 + length + entry["data_offsets"][0]).reshape(entry["shape"])
        for name, entry in header.items()
    }
