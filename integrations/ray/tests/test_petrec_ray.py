"""petrec_ray on a Ray cluster of two nodes, with the real program: what it writes, and what it does about failures."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import psutil
import pytest
import ray
from ray.cluster_utils import Cluster

import petrec_ray
import train_from_records
from conftest import PHOTOS, single_run, tree

OPTIONS = ["--model=efficientnet-lite0", "--pool=avg", "--shards=12"]
COPIES = 20
DEADLINE = 120.0


@pytest.fixture(scope="module")
def cluster(bucket: pathlib.Path | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two nodes of one processor each, on which petrec takes its time."""
    os.environ["PETREC_ISA"] = "portable"
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes.add_node(num_cpus=1)
    ray.init(address=nodes.address, log_to_driver=False, runtime_env={"py_modules": [petrec_ray]})
    meeting = tmp_path_factory.mktemp("meeting")

    @ray.remote
    def meet(guest: int) -> None:
        """Ends when both nodes have a process at work: the first takes seconds to start."""
        (meeting / str(guest)).touch()
        while len(list(meeting.iterdir())) < 2:
            time.sleep(0.05)

    ray.get([meet.remote(guest) for guest in range(2)])
    yield nodes
    ray.shutdown()
    nodes.shutdown()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The example photos, each many times."""
    folder = tmp_path_factory.mktemp("photos")
    for photo in PHOTOS.glob("*/*"):
        (folder / photo.parent.name).mkdir(exist_ok=True)
        for copy in range(COPIES):
            (folder / photo.parent.name / f"{copy}-{photo.name}").write_bytes(photo.read_bytes())
    return folder


@pytest.fixture(scope="module")
def of_one_run(
    cluster: Cluster, petrec: str, photos: pathlib.Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    return single_run(petrec, photos, tmp_path_factory.mktemp("single") / "records", *OPTIONS)


@pytest.fixture
def in_step(petrec: str, tmp_path: pathlib.Path) -> str:
    """petrec, of which the first worker waits for the second, as one node may need seconds longer to start it."""
    started = tmp_path / "started"
    started.mkdir()
    program = tmp_path / "in-step"
    program.write_text(
        f"""#!/bin/sh
case " $* " in *" convert "*) ;; *) exec "{petrec}" "$@" ;; esac
mkdir "{started}/$$"
until [ "$(ls "{started}" | wc -l)" -ge 2 ]; do sleep 0.05; done
exec "{petrec}" "$@"
"""
    )
    program.chmod(0o755)
    return str(program)


def workers(out: pathlib.Path | str) -> list[tuple[psutil.Process, psutil.Process]]:
    """The petrec programs that convert into `out`, each with the process of Ray that started it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            command = process.cmdline()
            if str(out) in command and "convert" in command:
                parent = process.parent()
                if parent is not None:
                    found.append((process, parent))
    return found


def in_mid_run(out: pathlib.Path, url: str | None = None) -> list[tuple[psutil.Process, psutil.Process]]:
    """Waits until two programs are at work and record files are there, but not all. They know the folder by `url`."""
    begun = time.monotonic()
    while time.monotonic() < begun + DEADLINE:
        written = len(list(out.glob("*.tfrecord")))
        found = workers(url or out)
        if len(found) == 2 and 2 <= written <= 8:
            return found
        time.sleep(0.01)
    raise TimeoutError(f"it was never in mid-run: {written} files, {len(found)} at work")


class Meanwhile(threading.Thread):
    """Does one thing while a conversion runs; what it raised is raised at the end."""

    def __init__(self, what: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.what = what
        self.result: Any = None
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self.result = self.what()
        except Exception as error:
            self.error = error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        self.join()
        if self.error is not None:
            raise self.error


def test_both_nodes_work_and_write_what_one_run_writes(
    cluster: Cluster, in_step: str, photos: pathlib.Path, of_one_run: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    out, told = tmp_path / "records", []

    with Meanwhile(lambda: {parent.ppid() for _, parent in in_mid_run(out)}) as raylets:
        summary = petrec_ray.convert(
            photos, out, OPTIONS, shard_count=4, petrec=in_step, progress=lambda *words: told.append(words)
        )

    assert len(raylets.result) == 2, "one program on each node"
    assert tree(out) == of_one_run
    assert (summary["images"], summary["rejected"], summary["was_finished"]) == (15 * COPIES, 3 * COPIES, False)
    assert [(done, total) for done, total, _ in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert sum(worker["images"] for _, _, worker in told) == 15 * COPIES
    assert petrec_ray.convert(photos, out, OPTIONS, shard_count=4, petrec=in_step)["was_finished"]


def test_photos_plan_and_records_in_a_store(
    cluster: Cluster,
    in_step: str,
    photos: pathlib.Path,
    of_one_run: dict[str, bytes],
    bucket: pathlib.Path | None,
) -> None:
    if bucket is None:
        pytest.skip("PETREC_S3_SERVER names no S3 server")
    shutil.copytree(photos, bucket / photos.name)
    dataset = f"s3://bucket/{photos.name}"

    def kill() -> None:
        (program, _), _ = in_mid_run(bucket / "records", "s3://bucket/records")
        program.kill()

    with Meanwhile(kill):
        petrec_ray.convert(dataset, "s3://bucket/records", OPTIONS, shard_count=4, petrec=in_step)

    # The report tells where the photos are, and the page is for whoever has the records at hand.
    expected = {name: content for name, content in of_one_run.items() if name != "report.html"}
    report = expected["petrec-report.json"].replace(os.fsencode(photos), dataset.encode())
    assert tree(bucket / "records") == expected | {"petrec-report.json": report}


@pytest.mark.parametrize("victim", ["the program", "the process that started it"])
def test_what_is_killed_in_mid_run_is_started_again(
    cluster: Cluster,
    in_step: str,
    photos: pathlib.Path,
    of_one_run: dict[str, bytes],
    tmp_path: pathlib.Path,
    victim: str,
) -> None:
    out = tmp_path / "records"

    def kill() -> None:
        (program, parent), _ = in_mid_run(out)
        (program if victim == "the program" else parent).kill()

    with Meanwhile(kill):
        petrec_ray.convert(photos, out, OPTIONS, shard_count=4, petrec=in_step)

    assert tree(out) == of_one_run


def test_wrong_usage_comes_back_as_petrec_says_it_and_is_not_tried_again(
    cluster: Cluster, petrec: str, tmp_path: pathlib.Path
) -> None:
    tries = tmp_path / "tries"
    counted = tmp_path / "counted"
    counted.write_text(f'#!/bin/sh\necho one >> "{tries}"\nexec "{petrec}" "$@"\n')
    counted.chmod(0o755)
    convert = {"shard_count": 1, "petrec": str(counted)}

    with pytest.raises(petrec_ray.PetrecError, match="^error: invalid value 'most' for '--pool <POOL>'") as wrong:
        petrec_ray.convert(PHOTOS, tmp_path / "records", ["--pool=most"], **convert)
    assert (wrong.value.exit_code, tries.read_text()) == (2, "one\n")

    tries.unlink()
    with pytest.raises(petrec_ray.PetrecError, match="^no weights for efficientnet-b7") as failed:
        petrec_ray.convert(PHOTOS, tmp_path / "records", ["--model=efficientnet-b7"], max_retries=2, **convert)
    assert (failed.value.exit_code, tries.read_text()) == (1, "one\n" * 3)

    with pytest.raises(FileNotFoundError, match="no-such-program"):
        petrec_ray.convert(PHOTOS, tmp_path / "records", shard_count=1, petrec="no-such-program")
    with pytest.raises(ValueError, match="at least one task"):
        petrec_ray.convert(PHOTOS, tmp_path / "records", shard_count=0)


def test_a_program_that_ends_without_a_word_of_its_own_is_told_by_its_signal(
    cluster: Cluster, tmp_path: pathlib.Path
) -> None:
    silent = tmp_path / "silent"
    silent.write_text("#!/bin/sh\necho 'what a driver says' >&2\nkill -KILL $$\n")
    silent.chmod(0o755)

    with pytest.raises(petrec_ray.PetrecError, match="^petrec was ended by SIGKILL$") as killed:
        petrec_ray.convert(PHOTOS, tmp_path / "records", shard_count=1, max_retries=0, petrec=str(silent))
    assert killed.value.exit_code == -9


def test_when_one_gives_up_the_others_are_stopped_and_the_same_call_goes_on(
    cluster: Cluster, in_step: str, photos: pathlib.Path, of_one_run: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "records"

    with Meanwhile(lambda: in_mid_run(out)[0][0].kill()), pytest.raises(petrec_ray.PetrecError, match="SIGKILL"):
        petrec_ray.convert(photos, out, OPTIONS, shard_count=4, max_retries=0, petrec=in_step)
    begun = time.monotonic()
    while workers(out):
        assert time.monotonic() < begun + DEADLINE, "a program is still at work"
        time.sleep(0.05)
    assert len(list(out.glob("*.tfrecord"))) < 12
    petrec_ray.convert(photos, out, OPTIONS, shard_count=4, petrec=in_step)

    assert tree(out) == of_one_run


def test_the_recipe_learns_the_classes_from_every_record(cluster: Cluster, petrec: str, tmp_path: pathlib.Path) -> None:
    single_run(petrec, PHOTOS, tmp_path / "records", "--model=efficientnet-lite0", "--shards=3")

    run = subprocess.run(
        [sys.executable, train_from_records.__file__, tmp_path / "records", "30"],
        env=os.environ | {"RAY_ADDRESS": cluster.address},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert "epoch 30: 12 of 12 right" in run.stdout


def test_the_reader_of_the_recipe_finds_what_petrec_shows(petrec: str, tmp_path: pathlib.Path) -> None:
    single_run(petrec, PHOTOS, tmp_path, "--model=efficientnet-lite0", "--shards=1", "--with=path,image")
    (file,) = tmp_path.glob("*.tfrecord")

    found = [train_from_records.features(record) for record in train_from_records.records(file.read_bytes())]

    assert len(found) == 12
    for number in (0, 11):
        command = [petrec, "inspect", "--json", "--record", str(number), file]
        shown = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["record"]["features"]
        features = np.frombuffer(found[number]["Feature"], "<f4")
        assert features.tolist() == np.array(shown["Feature"], "f4").tolist()
        assert [train_from_records.varint(found[number]["Label"], 0)[0]] == shown["Label"]
        assert (PHOTOS / str(found[number]["path"], "utf-8")).read_bytes() == found[number]["image"]


def test_the_share_of_a_node_that_dies_is_done_on_another(
    cluster: Cluster, in_step: str, photos: pathlib.Path, of_one_run: dict[str, bytes], tmp_path: pathlib.Path
) -> None:
    out = tmp_path / "records"
    (node,) = cluster.worker_nodes

    def kill() -> None:
        in_mid_run(out)
        cluster.remove_node(node, allow_graceful=False)

    with Meanwhile(kill):
        petrec_ray.convert(photos, out, OPTIONS, shard_count=4, petrec=in_step)

    assert tree(out) == of_one_run
