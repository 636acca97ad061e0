"""Makes one of the files that the contestants need; run.py calls it, each time in a process of its own.

    prepare.py onnx b0|lite0 OUT.onnx         by Keras' own export
    prepare.py tflite b0|lite0 OUT.tflite     by TensorFlow's converter, float32
    prepare.py inputs OUT.f32 A.npy B.npy ... resized pictures (`petrec dump --stage resized --npy`) as one file
    prepare.py reference NET.onnx INPUTS.f32 OUT.f32   onnxruntime's feature of the first picture
"""

import os
import sys
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import numpy as np


def onnx(net, out):
    import nets
    import onnx as onnx_package

    model = nets.build(net)
    model(np.zeros((1, 224, 224, 3), np.float32))  # Keras exports only what has been called
    model.export(out, format="onnx", verbose=False)
    # Of B0 the export leaves two graph inputs behind that no node reads; onnxruntime and OpenVINO would ask for them.
    proto = onnx_package.load(out)
    read = {name for node in proto.graph.node for name in node.input}
    for unread in [value for value in proto.graph.input if value.name not in read]:
        proto.graph.input.remove(unread)
    onnx_package.save(proto, out)


def tflite(net, out):
    import nets
    import tensorflow as tf

    # Through a SavedModel: the converter's direct way from a Keras 3 model leaves the weights out, without an error.
    with tempfile.TemporaryDirectory() as folder:
        nets.build(net).export(folder, verbose=False)
        flatbuffer = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
    with open(out, "wb") as file:
        file.write(flatbuffer)


def inputs(out, *arrays):
    np.stack([np.load(path) for path in arrays]).astype(np.float32).tofile(out)


def reference(net, pictures, out):
    import common
    import onnxruntime

    session = onnxruntime.InferenceSession(net, providers=["CPUExecutionProvider"])
    image = session.get_inputs()[0]
    batch = common.batches(pictures, 1, channels_first=image.shape[1] == 3)[0]
    common.save_feature(session.run(None, {image.name: batch})[0], out)


if __name__ == "__main__":
    {"onnx": onnx, "tflite": tflite, "inputs": inputs, "reference": reference}[sys.argv[1]](*sys.argv[2:])
