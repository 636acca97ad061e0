"""Who runs: one `Contestant` per engine and setting.

A contestant that can't run here keeps its place and says why, so that the table never leaves one out in silence.
"""

import dataclasses
import functools
import importlib.util
import pathlib
import re
import sys

WORKERS = pathlib.Path(__file__).resolve().parent / "workers"
NETS = {"b0": "EfficientNet-B0", "lite0": "EfficientNet-Lite0"}
BATCHES = (1, 8, 32)


@dataclasses.dataclass
class Contestant:
    """`commands` hold placeholders that run.py fills in: {photos}, {out}, {check}, and the files that files.py makes."""

    family: str  # petrec, onnxruntime, ...
    setting: str
    task: str  # net, convert, validate
    net: str | None  # b0, lite0
    commands: list  # one per process
    kind: str = "worker"  # or "program": petrec itself
    photos: str = "convert"  # which set of photos: convert, blog, decode
    environment: dict = dataclasses.field(default_factory=dict)
    why_not: str | None = None  # why it can't run

    @property
    def name(self):
        return f"{self.family}, {self.setting}" if self.setting else self.family

    def files(self):
        """The names of the files it needs."""
        parts = {part for command in self.commands for part in command if re.fullmatch(r"\{[a-z0-9-]+\}", part)}
        return sorted(part[1:-1] for part in parts - {"{photos}", "{out}", "{check}"})

    @property
    def key(self):
        """What --only and --skip are matched with."""
        return " ".join(filter(None, (self.task, self.net, self.name)))


@functools.cache
def missing(*modules):
    """Why a worker that imports `modules` can't run, or None."""
    for module in modules:
        try:
            found = importlib.util.find_spec(module)
        except ModuleNotFoundError:  # the parent package is missing
            found = None
        if not found:
            return f"the Python package of '{module}' is not installed"
    return None


def worker(script, *arguments):
    return [sys.executable, str(WORKERS / script), *map(str, arguments)]


def everyone(threads, seconds, backend):
    """All contestants of this machine; those whose Python package is missing say so already."""
    found = []
    for net in NETS:
        found += petrec_net(net, threads, seconds)
        found += peers_net(net, threads, seconds)
    for net in NETS:
        found += petrec_convert(net, threads, backend)
        found += tensorflow_convert(net, threads)
    found += blog_convert()
    return [*found, *validate(threads)]


def petrec_net(net, threads, seconds):
    """`benches/net.rs`, once with the best instructions of this machine and once with each of the others."""
    for isa in (None, "avx2", "portable"):
        command = ["{net-bench}", "--weights", f"{{{net}-weights}}", "--seconds", str(seconds)]
        command += ["--backend", "cpu", "--threads", str(threads), "--json"]
        yield Contestant(
            "petrec",
            f"{threads} threads" + (f", PETREC_ISA={isa}" if isa else ""),
            "net",
            net,
            [command],
            kind="program",
            environment={"PETREC_ISA": isa} if isa else {},
        )


def peers_net(net, threads, seconds):
    """onnxruntime, OpenVINO, LiteRT and tract: threads inside the network, or a process per core."""
    onnx, tflite = f"{{{net}-onnx}}", f"{{{net}-tflite}}"
    counts = sorted({1, threads})

    def command(script, model, batch, inside, *more):
        arguments = ["--inputs", "{inputs}", "--check", "{check}", "--batch", str(batch)]
        arguments += ["--threads", str(inside), "--seconds", str(seconds), *more]
        start = ["{tract}"] if script == "tract" else worker(script)
        return [*start, "--model", model, *arguments]

    def one(family, script, model, setting, batch, inside, processes=1, more=(), needs=()):
        commands = [command(script, model, batch, inside, *more)] * processes
        return Contestant(family, setting, "net", net, commands, why_not=missing(*needs))

    ort = functools.partial(one, "onnxruntime", "ort.py", onnx, needs=("onnxruntime", "numpy"))
    openvino = functools.partial(one, "OpenVINO", "ov.py", onnx, needs=("openvino", "numpy"))
    litert = functools.partial(one, "LiteRT", "litert.py", tflite, needs=("ai_edge_litert", "numpy"))
    tract = functools.partial(one, "tract", "tract", onnx)

    for family in (ort, litert):
        for inside in counts:
            for batch in BATCHES:
                yield family(f"{plural(inside, 'thread')}, batch {batch}", batch, inside)
        if threads > 1:
            for batch in BATCHES[:2]:
                yield family(f"{threads} processes x 1 thread, batch {batch}", batch, 1, threads)
    for batch in BATCHES:
        yield openvino(f"latency hint, batch {batch}", batch, threads, more=("--hint", "latency"))
    for batch in BATCHES[:2]:
        yield openvino(f"throughput hint, batch {batch}", batch, threads, more=("--hint", "throughput"))
    if threads > 1:
        yield openvino("1 thread, batch 1", 1, 1, more=("--hint", "latency"))
        yield openvino(f"{threads} processes x 1 thread, batch 1", 1, 1, threads, more=("--hint", "latency"))
    for batch in BATCHES[:2]:
        yield tract(f"{plural(threads, 'thread')}, a batch of {batch} each", batch, threads)


def petrec_convert(net, threads, backend):
    command = ["{petrec}", "convert", "--backend", backend, "--weights", f"{{{net}-weights}}"]
    command += ["--threads", str(threads), "--quiet", "--json", "{photos}", "{out}"]
    yield Contestant("petrec convert", f"{threads} threads", "convert", net, [command], kind="program")


def tensorflow_convert(net, threads):
    for records, title in (("example", "tf.train.Example"), ("by-hand", "the Example's bytes laid by hand")):
        command = worker("tf_pipeline.py", "--net", net, "--records", records, "--threads", threads)
        command += ["--photos", "{photos}", "--out", "{out}"]
        needs = missing("tensorflow", "keras", "numpy")
        yield Contestant("TensorFlow tf.data + tf.function", f"batch 32, {title}", "convert", net, [command], why_not=needs)


def blog_convert():
    for keras, call in (("tf_keras", "model"), ("tf_keras", "predict"), ("keras", "model")):
        command = worker("blog.py", "--keras", keras, "--call", call, "--photos", "{photos}", "--out", "{out}")
        setting = f"{keras}, {'model(x)' if call == 'model' else 'model.predict(x)'}"
        needs = missing("tensorflow", keras)
        yield Contestant("the blog's code", setting, "convert", "b0", [command], photos="blog", why_not=needs)


def validate(threads):
    petrec = ["{petrec}", "validate", "--threads", str(threads), "--quiet", "--json", "{photos}"]
    yield Contestant("petrec validate", f"{threads} threads", "validate", None, [petrec], kind="program", photos="decode")
    for family, setting, how in (
        ("TensorFlow, decode only", f"tf.data, {threads} at a time", "bare"),
        ("the blog's validation loop", "", "loop"),
    ):
        command = worker("tf_decode.py", "--how", how, "--threads", threads, "--photos", "{photos}")
        needs = missing("tensorflow", "numpy")
        yield Contestant(family, setting, "validate", None, [command], photos="decode", why_not=needs)


def plural(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
