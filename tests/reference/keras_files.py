"""Every kind of file that users of Keras hold, of one network: part of `make_exports.py keras`, which says what is written."""

import numpy as np

import seeded_b0

LARGER = 256


def run(network, pictures):
    return np.concatenate([np.asarray(network(pictures[i : i + 1], training=False)) for i in range(len(pictures))])


def inside(network, *before):
    """The usual fine-tune: the network as a layer of another model, behind augmentation and whatever else is `before`."""
    import keras

    return keras.Sequential(
        [
            keras.Input(network.input_shape[1:]),
            keras.layers.RandomFlip("horizontal"),
            *before,
            network,
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dropout(0.2),
            keras.layers.Dense(2),
        ]
    )


def keras_files(out, model, with_top, pictures, larger_pictures, save_features):
    """`model` and `with_top`: the seeded network. The pictures: 0..255, of the usual size and of `LARGER`."""
    import keras

    features = run(model, pictures)
    fine_tuned = inside(model)
    logits = run(fine_tuned, pictures)
    functional = keras.Model(model.input, keras.layers.Dense(2, name="mine")(keras.layers.Flatten()(model.output)))
    for kind, network, save, top in (
        ("own.weights.h5", model, "save_weights", None),
        ("own.keras", model, "save", None),
        ("top.weights.h5", with_top, "save_weights", run(with_top, pictures)),
        ("top.keras", with_top, "save", run(with_top, pictures)),
        ("inside.weights.h5", fine_tuned, "save_weights", None),
        ("inside.keras", fine_tuned, "save", logits),
        ("inside.h5", fine_tuned, "save", logits),
        ("functional.keras", functional, "save", None),
        ("functional.h5", functional, "save", None),
    ):
        file = out / f"efficientnet-b0.keras-{kind}"
        getattr(network, save)(file)
        save_features(file, features)
        if top is not None:
            np.save(f"{file}.top.npy", top)

    rescaled = inside(model, keras.layers.Rescaling(0.5, offset=20.0))
    file = out / "b0.keras-rescaled.keras"
    rescaled.save(file)
    save_features(file, run(model, pictures * np.float32(0.5) + np.float32(20)))

    larger = seeded_b0.build(side=LARGER)
    for ending in ("keras", "h5"):
        file = out / f"b0.keras-{LARGER}.{ending}"
        inside(larger).save(file)
        save_features(file, run(larger, larger_pictures))

    for dtype in ("float16", "bfloat16"):
        narrow_files(out, model, dtype, pictures, save_features)


def narrow_files(out, model, dtype, pictures, save_features):
    """A network kept in half precision. petrec widens the weights and computes in float32: so does the reference."""
    import keras

    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        narrow = seeded_b0.build(dtype)
    finally:
        keras.config.set_dtype_policy(usual)
    wide = seeded_b0.build()
    wide.set_weights([np.asarray(values).astype(np.float32) for values in map(keras.ops.convert_to_numpy, narrow.weights)])
    # The layer computes with copies of its mean and variance, which were made before these were assigned.
    for layer in wide.layers:
        if isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()
    for ending, save in (("weights.h5", "save_weights"), ("keras", "save")):
        file = out / f"b0.keras-{dtype}.{ending}"
        getattr(narrow, save)(file)
        save_features(file, run(wide, pictures))
