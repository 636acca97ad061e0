"""Turns measurements into the Markdown table and the ratios that petrec is held to."""

import datetime
import os
import platform
import statistics

from contestants import NETS

TASKS = {
    "net": "the network alone",
    "convert": "from a folder of photos to records",
    "validate": "Validation: decoding every photo",
}


class Results:
    """The measurements of every contestant, by round: {contestant key: {round: Measurement}}, and who failed why."""

    def __init__(self, contestants):
        self.contestants = contestants
        self.rounds = {contestant.key: {} for contestant in contestants}
        self.reasons = {contestant.key: contestant.why_not for contestant in contestants if contestant.why_not}

    def ran(self, **wanted):
        """Contestants with a result whose attributes are as `wanted`; `family` may be a tuple."""
        return [
            contestant
            for contestant in self.contestants
            if self.rounds[contestant.key]
            and all(
                getattr(contestant, name) in value if isinstance(value, tuple) else getattr(contestant, name) == value
                for name, value in wanted.items()
            )
        ]

    def rates(self, contestant):
        return [measurement.images_per_second for measurement in self.rounds[contestant.key].values()]

    def median(self, contestant, attribute="images_per_second"):
        values = [getattr(measurement, attribute) for measurement in self.rounds[contestant.key].values()]
        values = [value for value in values if value is not None]
        return statistics.median(values) if values else None

    def fastest(self, **wanted):
        """The contestant with the highest median, or None."""
        return max(self.ran(**wanted), key=self.median, default=None)

    def petrec(self, task, net):
        """petrec's own contestant in a section, on the best instructions of the machine."""
        family = {"net": "petrec", "convert": "petrec convert", "validate": "petrec validate"}[task]
        return self.fastest(family=family, task=task, net=net, environment={})


def markdown(results, arguments, versions, photos):
    lines = ["# petrec beside the others", "", *heading(arguments, versions, photos), "", "## Ratios", ""]
    lines += ratios(results)
    for net, title in NETS.items():
        for task in ("net", "convert"):
            lines += section(f"{title}: {TASKS[task]}", results, task, net)
    lines += section(TASKS["validate"], results, "validate", None)
    return "\n".join(lines) + "\n"


def heading(arguments, versions, photos):
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    return [
        f"Made by `benches/peers/run.py` on {date}. Every contestant is a process of its own; they take turns, "
        f"{arguments.rounds} round{'s' * (arguments.rounds != 1)}; figures are medians over the rounds, ranges the lowest and highest.",
        "",
        f"- Machine: {machine(arguments.threads)}",
        f"- Photos: {photos}",
        f"- Networks alone: {arguments.seconds:g} s per round, float32, real pictures; all give the same features "
        "(rel-l2 at most 1e-4 from onnxruntime, checked before every timing)",
        "- Rates of networks alone and of Python programs leave out start-up, imports and warm-up; petrec's `convert` and "
        "`validate` are by wall clock, start-up included",
        "- Start: from the start of the process to its first result (folder to records and validation: to the end of a run "
        "over a single photo). Peak memory: resident, summed over processes",
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]


def machine(threads):
    def first(path, key):
        try:
            with open(path) as file:
                return next(line.split(":", 1)[1].strip() for line in file if line.startswith(key))
        except (OSError, StopIteration):
            return "unknown"

    flags = first("/proc/cpuinfo", "flags").split()
    vectors = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "no AVX2")
    memory = first("/proc/meminfo", "MemTotal").split()[0]
    memory = f"{int(memory) / 2**20:.0f} GiB" if memory.isdigit() else memory
    cpu = first("/proc/cpuinfo", "model name")
    cores = f"{os.cpu_count()} cores, {threads} used"
    return f"{cpu} ({platform.machine()}, {vectors}), {cores}, {memory} memory, {platform.system()} {platform.release()}"


def section(title, results, task, net):
    """The table of one task and network, fastest first; who did not run comes last."""
    if not any(contestant.task == task and contestant.net == net for contestant in results.contestants):
        return []
    mine = results.petrec(task, net)
    unit = f"petrec{' ' + task if task != 'net' else ''} is"
    lines = ["", f"## {title}", ""]
    lines += [f"| contestant | images/s | range | {unit} | peak memory | start |", "| --- | --: | --: | --: | --: | --: |"]
    for contestant in sorted(results.ran(task=task, net=net), key=results.median, reverse=True):
        rate, rates = results.median(contestant), results.rates(contestant)
        ratio = f"{results.median(mine) / rate:.2f}x" if mine else "-"
        own = results.median(contestant, "own_images_per_second")
        name = contestant.name + (f" ({number(own)} by its own summary)" if own else "")
        memory = megabytes(results.median(contestant, "peak_bytes"))
        start = seconds(results.median(contestant, "start_seconds"))
        name = f"**{name}**" if contestant.family.startswith("petrec") else name
        span = f"{number(min(rates))}-{number(max(rates))}"
        lines.append(f"| {name} | {number(rate)} | {span} | {ratio} | {memory} | {start} |")
    for contestant in results.contestants:
        if contestant.task == task and contestant.net == net and not results.rounds[contestant.key]:
            why = results.reasons.get(contestant.key, "interrupted").replace("|", "/")
            lines.append(f"| {contestant.name} | not run: {why} | | | | |")
    return lines


def ratios(results):
    """One line for every promise: what is compared, the ratio of medians, its range over the rounds, the goal."""
    engines = ("onnxruntime", "OpenVINO", "LiteRT")
    lines = ["| what | ratio | range | goal | against |", "| --- | --: | --: | --: | --- |"]

    def add(what, mine, other, goal):
        if not mine or not other:
            lines.append(f"| {what} | not run | | {goal} | |")
            return
        both = results.rounds[mine.key].keys() & results.rounds[other.key].keys()
        pairs = [
            results.rounds[mine.key][r].images_per_second / results.rounds[other.key][r].images_per_second for r in both
        ]
        ratio = results.median(mine) / results.median(other)
        span = f"{min(pairs):.2f}-{max(pairs):.2f}" if pairs else "-"
        lines.append(f"| {what} | {ratio:.2f}x | {span} | {goal} | {other.name}, {number(results.median(other))} images/s |")

    def isa(name, net):
        return results.fastest(family="petrec", task="net", net=net, environment={"PETREC_ISA": name})

    for net, title in NETS.items():
        convert, peer = results.petrec("convert", net), results.fastest(family=engines, task="net", net=net)
        tensorflow = results.fastest(family="TensorFlow tf.data + tf.function", task="convert", net=net)
        example = [c for c in results.ran(task="convert", net=net) if c.name.endswith("tf.train.Example")]
        b0 = net == "b0"
        short = title.removeprefix("EfficientNet-")
        add(f"{short} net / fastest of {', '.join(engines)}", results.petrec("net", net), peer, "1.5 (floor 1.35)" if b0 else "")
        add(f"{short} net, PETREC_ISA=avx2 / the same", isa("avx2", net), peer, "0.95" if b0 else "")
        add(f"{short} convert / fastest peer's net alone", convert, peer, "1.2 (floor 1.1)" if b0 else "1.0")
        add(f"{short} convert / TensorFlow, tf.train.Example", convert, example[0] if example else None, "4" if b0 else "")
        add(f"{short} convert / TensorFlow, fastest", convert, tensorflow, "")
        if b0:
            blog = results.fastest(family="the blog's code", task="convert", setting=("tf_keras, model(x)", "keras, model(x)"))
            add(f"{short} convert / the blog's code, eager", convert, blog, "30")
            predict = results.fastest(family="the blog's code", task="convert", setting="tf_keras, model.predict(x)")
            add(f"{short} convert / the blog's code, model.predict", convert, predict, "")
    check = results.petrec("validate", None)
    decode = results.fastest(family="TensorFlow, decode only", task="validate")
    add("validate / TensorFlow's bare decode", check, decode, "0.75 (SIMD 0.95)")
    add("validate / the blog's loop", check, results.fastest(family="the blog's validation loop", task="validate"), "2.5")
    notes = []
    for net, title in NETS.items():
        convert = results.petrec("convert", net)
        if convert:
            start, memory = results.median(convert, "start_seconds"), results.median(convert, "peak_bytes")
            notes.append(f"- `petrec convert`, {title}: one photo's record after {seconds(start)} (goal 0.3 s), {megabytes(memory)} at its peak")
    return [*lines, "", *notes] if notes else lines


def number(value):
    """Three digits that mean something, thousands separated."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def megabytes(value):
    return "-" if value is None else f"{value / 1e6:,.0f} MB"


def seconds(value):
    return "-" if value is None else f"{value:.2f} s"
