"""The files for Slurm and Kubernetes: as the programs that read them want them, and what they start is run for real.

There is no scheduler here: the tests set the variables that one sets, and start each worker as it would.
"""

import json
import os
import pathlib
import shlex
import subprocess
import sys
from typing import Any

import kubernetes_validate
import pytest
import yaml

from conftest import PHOTOS, single_run, tree

INTEGRATIONS = pathlib.Path(__file__).parent.parent
SBATCH = INTEGRATIONS / "slurm" / "petrec.sbatch"
JOBS = INTEGRATIONS / "kubernetes" / "job.yaml"
README = INTEGRATIONS / "README.md"
OPTIONS = ["--model=efficientnet-lite0", "--pool=avg", "--shards=8"]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def slurm_task(
    petrec: str, task: int, first: int, last: int, step: int, *arguments: object
) -> subprocess.CompletedProcess[str]:
    """Runs the script as a task of `--array=first-last:step`, with the variables that Slurm documents for it."""
    variables = {
        "SLURM_ARRAY_TASK_ID": task,
        "SLURM_ARRAY_TASK_MIN": first,
        "SLURM_ARRAY_TASK_MAX": last,
        "SLURM_ARRAY_TASK_STEP": step,
        "SLURM_ARRAY_TASK_COUNT": len(range(first, last + 1, step)),
        "SLURM_CPUS_PER_TASK": 1,
    }
    texts = {name: str(value) for name, value in variables.items()}
    return run(["bash", str(SBATCH), *map(str, arguments)], PETREC=petrec, **texts)


@pytest.mark.parametrize(("first", "last", "step"), [(0, 3, 1), (1, 7, 3)])
def test_the_tasks_of_a_slurm_array_write_what_one_run_writes(
    petrec: str, tmp_path: pathlib.Path, first: int, last: int, step: int
) -> None:
    out = tmp_path / "records"
    assert run([petrec, "plan", str(PHOTOS), str(out), *OPTIONS]).returncode == 0

    for task in reversed(range(first, last + 1, step)):
        done = slurm_task(petrec, task, first, last, step, out, "--verify")
        assert done.returncode == 0, done.stderr
    assert run([petrec, "finalize", str(out)]).returncode == 0

    assert tree(out) == single_run(petrec, PHOTOS, tmp_path / "single", *OPTIONS)


def test_a_slurm_task_ends_as_petrec_does(petrec: str, tmp_path: pathlib.Path) -> None:
    wrong = slurm_task(petrec, 0, 0, 3, 1, tmp_path, "--pool=avg")
    alone = run(["bash", str(SBATCH), str(tmp_path)], PETREC=petrec)
    nothing = slurm_task(petrec, 0, 0, 3, 1)
    unplanned = slurm_task(petrec, 0, 0, 3, 1, tmp_path)

    assert (wrong.returncode, alone.returncode, nothing.returncode, unplanned.returncode) == (2, 2, 2, 1)
    assert "--pool" in wrong.stderr
    assert "there is no plan; make one" in unplanned.stderr
    assert "SLURM_ARRAY_TASK_ID is not set" in alone.stderr
    assert nothing.stderr.startswith("usage: sbatch")


def test_the_script_is_as_bash_and_sbatch_want_it() -> None:
    shellcheck = pathlib.Path(sys.executable).parent / "shellcheck"
    found = run([str(shellcheck), str(SBATCH)])
    assert found.returncode == 0, found.stdout

    # sbatch reads its lines up to the first command.
    lines = SBATCH.read_text().splitlines()
    options = [number for number, line in enumerate(lines) if line.startswith("#SBATCH ")]
    commands = [number for number, line in enumerate(lines) if line and not line.startswith("#")]
    assert options and max(options) < min(commands)
    assert all(len(shlex.split(lines[number].removeprefix("#SBATCH "))) == 1 for number in options)


def jobs() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    plan, workers, finalize = yaml.safe_load_all(JOBS.read_text())
    return plan, workers, finalize


def container(job: dict[str, Any]) -> dict[str, Any]:
    (only,) = job["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_the_jobs_fit_the_schema_of_kubernetes(version: str) -> None:
    for job in jobs():
        kubernetes_validate.validate(job, version, strict=True)

    _, workers, _ = jobs()
    workers["spec"]["completionsMode"] = "Indexed"
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(workers, version, strict=True)


def test_the_jobs_agree_with_themselves() -> None:
    plan, workers, finalize = jobs()
    spec = workers["spec"]

    assert f"--shard-count={spec['completions']}" in container(workers)["args"]
    assert f"--threads={container(workers)['resources']['limits']['cpu']}" in container(workers)["args"]
    # What the API server checks and the schema does not say.
    assert spec["completionMode"] == "Indexed" and spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["podFailurePolicy"]["rules"][1]["onExitCodes"]["containerName"] == container(workers)["name"]
    out = container(finalize)["command"][2]
    assert out == container(workers)["command"][3] == container(plan)["command"][3]
    assert [job["spec"].get("suspend", False) for job in (plan, workers, finalize)] == [False, True, True]
    for job in (plan, workers, finalize):
        volumes = {volume["name"] for volume in job["spec"]["template"]["spec"]["volumes"]}
        assert {mount["name"] for mount in container(job)["volumeMounts"]} == volumes
        assert job["metadata"]["name"] in README.read_text()


def test_the_pods_of_the_jobs_write_what_one_run_writes(petrec: str, tmp_path: pathlib.Path) -> None:
    plan, workers, finalize = jobs()
    places = {"petrec": petrec, "/photos": str(PHOTOS), "/out/records": str(tmp_path / "records")}

    def pod(job: dict[str, Any], **environment: str) -> None:
        command = [places.get(word, word) for word in container(job)["command"]] + container(job).get("args", [])
        done = run(command, **environment)
        assert done.returncode == 0, done.stderr

    pod(plan)
    for index in range(workers["spec"]["completions"]):
        pod(workers, JOB_COMPLETION_INDEX=str(index))
    pod(finalize)

    assert tree(tmp_path / "records") == single_run(petrec, PHOTOS, tmp_path / "single", "--model=efficientnet-lite0")
    manifest = json.loads((tmp_path / "records" / "petrec-manifest.json").read_text())
    assert sum(file["records"] for file in manifest["files"]) == 12
