"""What every worker script shares: its arguments and how it talks to run.py.

A worker is a process of its own that measures one thing:

1. it loads everything, computes one result (and writes the first picture's feature to `--check`), warms up,
2. prints `{"ready": true, "start_seconds": S}`, S counted from its start to its first result,
3. waits for a line on standard input, so that run.py can look at the feature first, and can let several processes go
   at the same moment,
4. works and prints `{"images": N, "seconds": T}`, plus `"accepted": A` where files are only validated.
"""

import argparse
import json
import os
import sys
import time

import numpy as np

SIDE = 224
WARM_UP = 1.0  # seconds


def ready():
    """Steps 2 and 3, to be called as soon as the worker is warm; see `first_result`."""
    say(ready=True, start_seconds=first_result.seconds)
    sys.stdin.readline()


def first_result():
    """Marks the moment of the first result."""
    first_result.seconds = time.time() - float(os.environ.get("PEERS_STARTED", "nan"))


first_result.seconds = None


def say(**values):
    print(json.dumps(values), flush=True)


def net_arguments(doc, add=lambda parser: None):
    """The arguments of a worker that times a network alone; `add` adds the worker's own to the parser."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--model", required=True, help="ONNX or .tflite file")
    parser.add_argument("--inputs", required=True, help="pictures, N x 224 x 224 x 3 float32, 0..255, without a header")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--check", required=True, help="where the first picture's feature goes: 7 x 7 x 1280 float32")
    add(parser)
    return parser.parse_args()


def batches(path, batch, channels_first):
    """The pictures of `path` as a list of full batches.

    A channels-first network takes them as N x 3 x 224 x 224 of (x - 127) / 128: here that is EfficientNet-Lite0 out of
    torch. Every other network here has its preprocessing inside.
    """
    pictures = np.fromfile(path, np.float32).reshape(-1, SIDE, SIDE, 3)
    if channels_first:
        pictures = (pictures.transpose(0, 3, 1, 2) - np.float32(127)) / np.float32(128)
    groups = [pictures[i : i + batch] for i in range(0, len(pictures) - batch + 1, batch)]
    if not groups:
        sys.exit(f"{path} holds {len(pictures)} pictures: too few for a batch of {batch}")
    return [np.ascontiguousarray(group) for group in groups]


def save_feature(features, path):
    """Writes the first feature of a batch, (N, 7, 7, 1280) or (N, 1280, 7, 7), in H, W, C order."""
    feature = np.asarray(features)[0]
    if feature.shape == (1280, 7, 7):
        feature = feature.transpose(1, 2, 0)
    if feature.shape != (7, 7, 1280):
        sys.exit(f"the feature's shape is {feature.shape}, wanted (7, 7, 1280)")
    np.ascontiguousarray(feature, np.float32).tofile(path)


def time_net(arguments, groups, infer, drain=lambda: None):
    """Steps 1 to 4 for a network: `infer(batch)` returns its features.

    Where `infer` only hands the batch to a queue, `drain()` waits for everything in it; the first call has to
    return features all the same.
    """
    features = infer(groups[0])
    first_result()
    save_feature(features, arguments.check)
    run_for(WARM_UP, groups, infer, drain)
    ready()
    count, seconds = run_for(arguments.seconds, groups, infer, drain)
    say(images=count * arguments.batch, seconds=seconds)


def run_for(seconds, groups, infer, drain):
    """(number of batches, seconds they took)."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        infer(groups[count % len(groups)])
        count += 1
    drain()
    return count, time.perf_counter() - start


def photo_arguments(doc, add=lambda parser: None):
    """The arguments of a worker that reads a folder of photos."""
    parser = argparse.ArgumentParser(description=doc)
    parser.add_argument("--photos", required=True, help="folder with a sub-folder per class")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cold", action="store_true", help="no warm-up: for measuring the start")
    add(parser)
    return parser.parse_args()


def photos(folder):
    """([path], [label]) in sorted order; labels are the sorted classes."""
    classes = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    found = [
        (os.path.join(folder, name, file), label)
        for label, name in enumerate(classes)
        for file in sorted(os.listdir(os.path.join(folder, name)))
    ]
    return [path for path, _ in found], [label for _, label in found]
