"""Times petrec beside onnxruntime, OpenVINO, LiteRT, tract, TensorFlow and the blog's code, on this machine, in one run.

    python run.py --out performance.md
    python run.py --only '^net b0' --rounds 2 --seconds 2

Contestants take turns, round after round, each time in a fresh process, so that whatever else the machine does hits all
alike. Before a clock starts, the contestant's feature of one photo has to agree with onnxruntime's. Who can't run (a
package is missing, a program does not build) is listed with the reason. See README.md.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

import contestants
import files
import measure
import table

# Float32 engines that sum in other orders stay below 4e-6 of each other here; bfloat16, or another resize, is beyond 1e-3.
REL_L2 = 1e-4


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="Markdown file to write")
    parser.add_argument("--raw", type=pathlib.Path, help="JSON file for every single measurement")
    parser.add_argument("--photos", type=pathlib.Path, help="data set [default: ../shared/data/pets, else examples/photos]")
    parser.add_argument("--images", type=int, default=600, help="photos to convert, repeated if there are fewer [600]")
    parser.add_argument("--decode-images", type=int, default=3000, help="photos to validate [3000]")
    parser.add_argument("--blog-images", type=int, default=24, help="photos for the blog's code, which is slow [24]")
    parser.add_argument("--rounds", type=int, default=5, help="[5]")
    parser.add_argument("--seconds", type=float, default=5.0, help="per network alone and round [5]")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--threads", type=int, default=cores, help=f"[one per core: {cores}]")
    parser.add_argument("--only", metavar="REGEX", help="contestants to run, as --list shows them")
    parser.add_argument("--skip", metavar="REGEX", help="contestants to leave out")
    parser.add_argument("--list", action="store_true", help="list the contestants and stop")
    parser.add_argument("--backend", default="cpu", help="petrec's --backend [cpu]")
    parser.add_argument("--work", type=pathlib.Path, default=files.ROOT / "target" / "peers", help="what is made is kept here")
    parser.add_argument("--petrec", help="petrec's program [default: cargo builds it]")
    parser.add_argument("--net-bench", help="the program of benches/net.rs [default: cargo builds it]")
    parser.add_argument("--tract", help="the program of tract/ [default: cargo builds it]")
    parser.add_argument("--b0-weights", help="seeded B0 for petrec [default: cargo xtask seeded-weights]")
    parser.add_argument("--b0-onnx", help="seeded B0 [default: Keras exports it]")
    parser.add_argument("--lite0-onnx", help="Lite0 [default: tests/reference/make_lite0_onnx.py, or Keras exports it]")
    return parser.parse_args()


def main():
    options = arguments()
    entrants = [
        contestant
        for contestant in contestants.everyone(options.threads, options.seconds, options.backend)
        if (not options.only or re.search(options.only, contestant.key))
        and not (options.skip and re.search(options.skip, contestant.key))
    ]
    if options.list:
        for contestant in entrants:
            print(f"{contestant.key}: {contestant.why_not}" if contestant.why_not else contestant.key)
        return 0
    for name in ("petrec", "net_bench", "tract", "b0_weights", "b0_onnx", "lite0_onnx"):
        files.given(getattr(options, name))
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    petrec = files.given(options.petrec) or files.cargo("--bin", "petrec")
    if isinstance(petrec, files.Missing):
        sys.exit(f"petrec: {petrec}")
    dataset = options.photos or default_photos()
    everything, good = files.accepted(petrec, dataset)
    if not good:
        sys.exit(f"{dataset} has no photos that petrec accepts")
    found = files.Files(options, work, petrec, good)
    for contestant in entrants:
        lacking = [found.get(name) for name in contestant.files()] if not contestant.why_not else []
        contestant.why_not = contestant.why_not or next((str(f) for f in lacking if isinstance(f, files.Missing)), None)
    results = table.Results(entrants)
    with tempfile.TemporaryDirectory(prefix="run-", dir=work) as scratch:
        course = Course(pathlib.Path(scratch), found)
        course.lay_out(everything, good, options)
        try:
            race(course, results, options.rounds)
        except KeyboardInterrupt:
            print("\ninterrupted; what there is so far:")
    photos = (
        f"{len(set(good)):,} of `{dataset.name}`; {options.images:,} converted ({options.blog_images} by the blog's code), "
        f"{options.decode_images:,} validated, repeated where there are fewer"
    )
    text = table.markdown(results, options, {"petrec": petrec_version(petrec)} | files.versions(), photos)
    print("\n" + text)
    if options.out:
        options.out.write_text(text)
    if options.raw:
        options.raw.write_text(json.dumps(raw(results), indent=1) + "\n")
    return 0


def default_photos():
    pets = files.ROOT.parent / "shared" / "data" / "pets"
    return pets if pets.is_dir() else files.ROOT / "examples" / "photos"


def petrec_version(petrec):
    return files.call([petrec, "--version"]).split()[-1]


def race(course, results, rounds):
    """Every contestant once a round, forwards and backwards in turn; one that fails is not asked again."""
    for number in range(rounds):
        print(f"\nround {number + 1} of {rounds}", flush=True)
        order = results.contestants if number % 2 == 0 else results.contestants[::-1]
        for contestant in order:
            if contestant.key in results.reasons:
                continue
            try:
                measurement = course.run(contestant)
            except measure.Failed as failed:
                results.reasons[contestant.key] = str(failed)
                results.rounds[contestant.key].clear()
                print(f"  {contestant.key}: not run: {failed}", flush=True)
                continue
            results.rounds[contestant.key][number] = measurement
            print(f"  {contestant.key}: {table.number(measurement.images_per_second)} images/s", flush=True)


class Course:
    """The photos and the reference features, and how a contestant of each task is sent over them."""

    def __init__(self, scratch, found):
        self.scratch = scratch
        self.found = found
        self.counts = {}
        self.accepted = None  # how many photos the first contestant that validated took

    def lay_out(self, everything, good, options):
        self.counts = {"one": 1, "convert": options.images, "blog": options.blog_images, "decode": options.decode_images}
        for name, count in self.counts.items():
            sources = everything if name == "decode" else good
            files.photo_folder(self.scratch / name, sources, count)

    def run(self, contestant):
        return {"net": self.net, "convert": self.convert, "validate": self.validate}[contestant.task](contestant)

    def commands(self, contestant, photos, out=""):
        places = {f"{{{name}}}": self.found.get(name) for name in contestant.files()}
        places |= {"{photos}": str(self.scratch / photos), "{out}": str(out), "{check}": str(self.scratch / "check.f32")}
        return [[places.get(part, part) for part in command] for command in contestant.commands]

    def check(self, net, feature):
        """Raises `Failed` unless the feature of the first photo is onnxruntime's."""
        reference = self.found.get(f"{net}-reference")
        if isinstance(reference, files.Missing):
            raise measure.Failed(f"its feature can't be checked: {reference}")
        error = measure.rel_l2(feature, measure.read_floats(reference))
        if not error <= REL_L2:
            raise measure.Failed(f"wrong features: rel-l2 {error:.1e} from onnxruntime's, limit {REL_L2:.0e}")

    def net(self, contestant):
        commands = self.commands(contestant, "one")
        if contestant.kind == "worker":
            check = self.scratch / "check.f32"
            check.unlink(missing_ok=True)
            return measure.workers(commands, lambda: self.check(contestant.net, measure.read_floats(check)))
        said, _, peak = measure.program(commands[0], contestant.environment)
        if "images_per_second" not in said:
            raise measure.Failed("its JSON has no 'images_per_second'")
        wanted = contestant.environment.get("PETREC_ISA")
        if wanted and said.get("isa") != wanted:
            raise measure.Failed(f"asked for {wanted}, it ran on {said.get('isa', 'an ISA it does not tell')}")
        return measure.Measurement(said["images_per_second"], peak, said.get("start_seconds"))

    def convert(self, contestant):
        """First a single photo, for the start-up time and the feature; then the photos with the clock running."""
        for name in ("one-out", "out"):
            shutil.rmtree(self.scratch / name, ignore_errors=True)
        out = self.scratch / "one-out"
        start = self.one(contestant, out)
        self.check(contestant.net, measure.feature(next(measure.records(out), b"")))

        out, count = self.scratch / "out", self.counts[contestant.photos]
        measurement = self.timed(contestant, self.commands(contestant, contestant.photos, out), count)
        written = measure.count_records(out)
        shutil.rmtree(out)
        if written != count:
            raise measure.Failed(f"it wrote {written:,} records of {count:,}")
        return dataclasses.replace(measurement, start_seconds=start)

    def validate(self, contestant):
        start = self.one(contestant)
        commands = self.commands(contestant, contestant.photos)
        measurement = self.timed(contestant, commands, self.counts[contestant.photos])
        self.accepted = measurement.accepted if self.accepted is None else self.accepted
        if measurement.accepted != self.accepted:
            raise measure.Failed(f"it accepts {measurement.accepted:,} photos, another {self.accepted:,}")
        return dataclasses.replace(measurement, start_seconds=start)

    def one(self, contestant, out=""):
        """Seconds for a single photo, cold."""
        (command,) = self.commands(contestant, "one", out)
        if contestant.kind == "worker":
            return measure.worker_start([*command, "--cold"])
        return measure.program(command)[1]

    def timed(self, contestant, commands, count):
        if contestant.kind == "worker":
            return measure.workers(commands, lambda: None)
        said, seconds, peak = measure.program(commands[0])
        accepted = said.get("counts", {}).get("accepted")
        return measure.Measurement(count / seconds, peak, None, said.get("images_per_second"), accepted)


def raw(results):
    return {
        contestant.key: {
            "not_run": results.reasons.get(contestant.key),
            "rounds": {number: dataclasses.asdict(m) for number, m in results.rounds[contestant.key].items()},
        }
        for contestant in results.contestants
    }


if __name__ == "__main__":
    sys.exit(main())
