"""Runs contestants as processes of their own and takes their time and memory.

This module and run.py keep to the standard library: a process inherits the peak memory of the one it was forked from,
so the parent has to stay small.
"""

import array
import contextlib
import dataclasses
import json
import math
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

LIMIT = 1800  # seconds until a process counts as hanging
VALUES = 7 * 7 * 1280


class Failed(Exception):
    """A contestant did not give a result; the text says why."""


@dataclasses.dataclass
class Measurement:
    """What one round of one contestant gave."""

    images_per_second: float
    peak_bytes: int | None = None
    start_seconds: float | None = None
    own_images_per_second: float | None = None  # by the program's own summary, start-up not counted
    accepted: int | None = None


class Process:
    """A child whose standard output is read line by line, with its peak memory at the end."""

    def __init__(self, command, environment):
        self.errors = tempfile.TemporaryFile("w+")
        self.begin = time.perf_counter()
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=os.environ | environment | {"PEERS_STARTED": repr(time.time())},
        )
        self.timer = threading.Timer(LIMIT, self.signal)
        self.timer.start()

    def signal(self):
        """Kills the child. Not by Popen.kill, which may reap it, and its peak memory would be lost."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.child.pid, signal.SIGKILL)

    def line(self, *keys):
        """The next line that holds a JSON object with `keys`; what libraries print in between is passed over."""
        for line in self.child.stdout:
            if line.startswith("{"):
                return parsed(line, *keys)
        self.end()
        raise Failed("it ended without a result")

    def go(self):
        self.child.stdin.write("go\n")
        self.child.stdin.flush()

    def kill(self):
        if self.child.returncode is None:
            self.signal()
            self.reap()

    def reap(self):
        """Waits for the end; returns peak resident memory in bytes."""
        _, status, usage = os.wait4(self.child.pid, 0)
        self.timer.cancel()
        self.child.returncode = os.waitstatus_to_exitcode(status)
        self.child.stdin.close()
        self.child.stdout.close()
        return usage.ru_maxrss * 1024

    def end(self):
        """Like `reap`, but a failure of the process is raised."""
        peak = self.reap()
        if self.child.returncode:
            self.errors.seek(0)
            lines = [line.strip() for line in self.errors if line.strip()]
            reason = lines[-1] if lines else f"exit status {self.child.returncode}"
            raise Failed(reason[:200])
        return peak


def workers(commands, inspect):
    """Runs the worker processes of one contestant at the same time, see workers/common.py for the protocol.

    `inspect()` is called when all are ready and before the clock starts; it may raise `Failed`.
    """
    processes = []
    try:
        for command in commands:
            processes.append(Process(command, {}))
        starts = [process.line("start_seconds")["start_seconds"] for process in processes]
        inspect()
        for process in processes:
            process.go()
        results = [process.line("images", "seconds") for process in processes]
        peak = sum(process.end() for process in processes)
    finally:
        for process in processes:
            process.kill()
    return Measurement(
        images_per_second=sum(result["images"] / result["seconds"] for result in results),
        peak_bytes=peak,
        start_seconds=max(starts) if None not in starts else None,
        accepted=results[0].get("accepted"),
    )


def parsed(text, *keys):
    """The JSON object in `text`, which has to have `keys`."""
    try:
        value = json.loads(text)
    except ValueError:
        raise Failed(f"it printed no JSON: {text[:80]!r}") from None
    absent = [key for key in keys if key not in value]
    if absent:
        raise Failed(f"its JSON has no '{absent[0]}'")
    return value


def program(command, environment=None):
    """Runs a program that prints JSON: (what it printed, seconds from start to end, peak bytes)."""
    process = Process(command, environment or {})
    try:
        text = process.child.stdout.read()
        peak = process.end()
        seconds = time.perf_counter() - process.begin
    finally:
        process.kill()
    return parsed(text), seconds, peak


def worker_start(command):
    """Seconds from a worker's start to the result of its job, with nothing warmed up."""
    process = Process(command, {})
    try:
        process.line()
        process.go()
        process.line()
        seconds = time.perf_counter() - process.begin
        process.end()
    finally:
        process.kill()
    return seconds


def read_floats(path):
    values = array.array("f")
    values.frombytes(pathlib.Path(path).read_bytes())
    return values


def rel_l2(got, wanted):
    """Relative l2 distance of two features; infinite if they can't be compared."""
    if len(got) != VALUES or len(wanted) != VALUES:
        return math.inf
    distance = math.sqrt(sum((a - b) ** 2 for a, b in zip(got, wanted)))
    error = distance / math.sqrt(sum(b * b for b in wanted))
    return error if math.isfinite(error) else math.inf


def records(folder):
    """The bytes of every record in the record files below `folder`; checksums are not looked at."""
    for path in sorted(pathlib.Path(folder).rglob("*.tfrecord*")):
        data = path.read_bytes()
        at = 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 8], "little")
            yield data[at + 12 : at + 12 + length]
            at += 16 + length


def count_records(folder):
    return sum(1 for _ in records(folder))


def feature(example):
    """The floats under `Feature` in a serialised tf.train.Example."""
    for entry in messages(inner(example, 1), 1):
        if inner(entry, 1) == b"Feature":
            values = array.array("f")
            values.frombytes(inner(inner(inner(entry, 2), 2), 1))  # Feature.float_list, FloatList.value, packed
            return values
    raise Failed("the record has no 'Feature'")


def inner(message, number):
    return next(messages(message, number), b"")


def messages(message, number):
    """The length-delimited fields `number` of a protobuf message that has no other kind of field."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        length, at = varint(message, at)
        if tag == number << 3 | 2:
            yield message[at : at + length]
        at += length


def varint(message, at):
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
