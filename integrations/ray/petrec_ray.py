"""petrec on a Ray cluster: `petrec plan`, one Ray task for each share of it, then `petrec finalize`.

The work is done by the `petrec` program, which every node must have; the data set and the records are on storage that
all nodes share, or in an object store. What comes out is byte for byte what a single `petrec convert` writes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import RayTaskError

__all__ = ["PetrecError", "convert"]

Summary = dict[str, Any]

WRONG_USAGE = 2
# petrec says so where the program of an earlier try, on a node that Ray has given up, has not ended yet.
STILL_RUNNING = "is running already"
SECONDS_BETWEEN_LOOKS = 1.0


class PetrecError(RuntimeError):
    """petrec failed. The text is the line that it gave; `exit_code` is negative where a signal ended it."""

    def __init__(self, line: str, exit_code: int) -> None:
        super().__init__(line, exit_code)
        self.line = line
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.line


def convert(
    dataset: str | os.PathLike[str],
    out: str | os.PathLike[str],
    options: Sequence[str] = (),
    *,
    shard_count: int,
    num_cpus: int = 1,
    num_gpus: float = 0,
    max_retries: int = 3,
    petrec: str = "petrec",
    worker_options: Sequence[str] = (),
    progress: Callable[[int, int, Summary], None] | None = None,
) -> Summary:
    """Converts `dataset` into `out` and returns the summary that `petrec finalize --json` prints.

    The data set is listed once, as the first task, with `options`: those of `petrec plan`. Then there are `shard_count`
    tasks, each with `num_cpus` and `num_gpus`, and with `worker_options`: those of `petrec convert --plan`. Both go
    without `--threads` (which is `num_cpus`), `--quiet` and `--json`. A task that fails, or whose node does, is started
    again up to `max_retries` times and goes on with what is there; wrong usage is not tried again. `progress` is called
    whenever a worker has ended: with how many have, how many there are, and the summary of that one. A conversion that
    was interrupted is finished by the same call. Both places may be URLs, of which every node's environment has the
    credentials.

    Raises PetrecError with petrec's own line, and what Ray raises where it is its nodes that failed too often.
    """
    if shard_count < 1:
        raise ValueError(f"shard_count is {shard_count}: at least one task must do the work")
    task = ray.remote(_run).options(
        num_cpus=num_cpus, num_gpus=num_gpus, max_retries=max_retries, retry_exceptions=[PetrecError]
    )
    out = _place(out)
    common = [petrec, "--quiet", "--threads", str(num_cpus)]
    _result(task.remote([*common, "plan", "--json", _place(dataset), out, *options]))

    worker = [*common, "convert", "--json", "--plan", out, *worker_options, f"--shard-count={shard_count}"]
    running = [task.remote([*worker, f"--shard-index={index}"]) for index in range(shard_count)]
    try:
        while running:
            (ended,), running = ray.wait(running)
            summary = _result(ended)
            if progress is not None:
                progress(shard_count - len(running), shard_count, summary)
    finally:
        for left in running:
            ray.cancel(left)
    return _result(task.remote([*common, "finalize", "--json", out]))


def _place(place: str | os.PathLike[str]) -> str:
    """A folder wherever a task runs, or a URL as it is."""
    text = os.fspath(place)
    return text if "://" in text else os.path.abspath(text)


def _run(command: list[str]) -> Summary | PetrecError:
    """Runs petrec, on whatever node this is, and returns what it printed.

    Wrong usage is returned, because Ray would try again after it was raised.
    """
    while True:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if STILL_RUNNING not in done.stderr:
            break
        time.sleep(SECONDS_BETWEEN_LOOKS)
    if done.returncode == 0:
        summary: Summary = json.loads(done.stdout)
        return summary
    error = PetrecError(_line(done), done.returncode)
    if done.returncode == WRONG_USAGE:
        return error
    raise error


def _line(done: subprocess.CompletedProcess[str]) -> str:
    """The line in which petrec says what is wrong: the first of its own, as a GPU's driver may say things before."""
    lines = done.stderr.strip().splitlines()
    own = [line for line in lines if line.startswith("petrec: ")]
    if done.returncode < 0 and not own:
        return f"petrec was ended by {signal.Signals(-done.returncode).name}"
    if lines:
        return (own or lines)[0].removeprefix("petrec: ")
    return f"petrec ended with exit code {done.returncode}"


def _result(task: ray.ObjectRef[Summary | PetrecError]) -> Summary:
    """The summary that a task returned. What it raised is raised as it was, without Ray's words around it."""
    try:
        result = ray.get(task)
    except RayTaskError as error:
        raise error.cause from None
    if isinstance(result, PetrecError):
        raise result
    return result
