"""What all tests here need: the petrec program, photos, and what a single run makes of them."""

import os
import pathlib
import shutil
import subprocess

import pytest

PHOTOS = pathlib.Path(__file__).parent.parent / "examples" / "photos"


@pytest.fixture(scope="session")
def petrec() -> str:
    """The program: that of the environment's PETREC, or the one on the PATH."""
    program = shutil.which(os.environ.get("PETREC", "petrec"))
    assert program, "no petrec: set PETREC to the program, or put it on the PATH"
    return os.path.abspath(program)


def tree(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def single_run(petrec: str, dataset: pathlib.Path, out: pathlib.Path, *options: str) -> dict[str, bytes]:
    """What one petrec writes of a data set."""
    subprocess.run([petrec, "convert", "--quiet", dataset, out, *options], check=True, stdout=subprocess.DEVNULL)
    return tree(out)
