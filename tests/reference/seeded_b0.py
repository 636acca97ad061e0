"""EfficientNetB0 with weights from a recipe instead of a file.

The fixtures need a whole EfficientNetB0 whose weights anybody can make again, in any language, without a download.
Every variable is filled from its own name (FNV-1a of "<layer>/<variable>", then splitmix64; no transcendental
functions but one square root), so that the Rust tests and this file arrive at the same bits.

The graph is the one that `keras.applications.EfficientNetB0(weights="imagenet", include_top=False)` builds,
preprocessing included: it takes 0..255 float pictures of 224 x 224 and gives 7 x 7 x 1280 features.

Run as a program it prints the sum of the weights' bits, for a quick comparison with another language.
"""

import math
import os
from unittest import mock

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np

SIDE = 224
SEED = 20210513
RESIDUAL_SCALE = 0.25
MASK = (1 << 64) - 1
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def fnv1a64(text):
    """FNV-1a, 64 bit, of the UTF-8 bytes of `text`."""
    state = 0xCBF29CE484222325
    for byte in text.encode("utf-8"):
        state = ((state ^ byte) * 0x100000001B3) & MASK
    return state


def uniform(key, count):
    """`count` numbers in [0, 1) on a grid of 2^-24, as float64: splitmix64 started at `key`'s hash."""
    start = np.uint64(fnv1a64(key) ^ SEED)
    with np.errstate(over="ignore"):
        z = start + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-24


def seeded(layer, variable, shape, depthwise=False):
    """The float32 value of one variable; `shape` is Keras' own (HWIO; depthwise H, W, C, 1)."""
    u = uniform(f"{layer}/{variable}", math.prod(shape))
    if variable == "kernel":
        fan_in = shape[0] * shape[1] * (1 if depthwise else shape[2])
        value = (2.0 * u - 1.0) * math.sqrt(6.0 / fan_in)
    elif variable in ("gamma", "moving_variance"):
        value = 0.5 + u
    elif variable in ("beta", "moving_mean", "bias"):
        value = 0.4 * (u - 0.5)
    else:
        raise ValueError(f"no recipe for {layer}/{variable}")
    return value.reshape(shape).astype(np.float32)


def build(dtype="float32", include_top=False, name="EfficientNetB0", side=SIDE):
    """The seeded Keras model, computing in `dtype` ("float32" or "float64"); `name`: another of the family.

    The weights, mean and standard deviation included, are the same float32 numbers either way. Asking Keras for
    `weights="imagenet"` is what adds the last rescaling by 1/sqrt(std); its download and its loading of a file are
    replaced by nothing for the moment. A classifier (`include_top`) keeps what Keras gives it.
    """
    import keras
    from keras.src.applications import efficientnet

    usual = keras.config.floatx()
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    try:
        with (
            mock.patch.object(efficientnet.file_utils, "get_file", return_value="unused.h5"),
            mock.patch.object(keras.Model, "load_weights"),
        ):
            make = getattr(keras.applications, name)
            model = make(weights="imagenet", include_top=include_top, input_shape=(side, side, 3))
    finally:
        keras.config.set_floatx(usual)
        keras.config.set_dtype_policy(usual)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization):
            # The official file keeps the standard deviation where the variance belongs; it is a float32 file.
            layer.adapt_mean.assign(np.float32(MEAN).astype(dtype))
            layer.adapt_variance.assign(np.float32(STD).astype(dtype))
            layer.finalize_state()
            continue
        if layer.name == "predictions":
            continue
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        for variable in layer.weights:
            variable.assign(seeded(layer.name, variable.name, tuple(variable.shape), depthwise).astype(dtype))
    if name != "EfficientNetB0":
        scale_residual_branches(model)
    return model


def scale_residual_branches(model):
    """Keeps the variance of a deep network from growing; why is in src/model/seeded.rs."""
    for layer in model.layers:
        if layer.name.endswith("_add"):
            norm = model.get_layer(layer.name.removesuffix("_add") + "_project_bn")
            norm.gamma.assign(norm.gamma * RESIDUAL_SCALE)
            norm.beta.assign(norm.beta * RESIDUAL_SCALE)


def stem_input(model):
    """The part of `model` before the stem's padding: 0..255 picture -> the network's input."""
    import keras

    return keras.Model(model.input, model.get_layer("stem_conv_pad").input)


def weight_bits(model):
    """Sum, modulo 2^64, of the float32 bit patterns of every seeded variable."""
    import keras

    total = 0
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Normalization):
            for variable in layer.weights:
                bits = np.asarray(variable.numpy(), np.float32).view(np.uint32)
                total = (total + int(bits.astype(np.uint64).sum())) & MASK
    return total


if __name__ == "__main__":
    net = build()
    print(f"{net.count_params():,} parameters, sum of their bits {weight_bits(net):#018x}")
