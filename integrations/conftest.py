"""What all tests here need: the petrec program, photos, and what a single run makes of them."""

import os
import pathlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

PHOTOS = pathlib.Path(__file__).parent.parent / "examples" / "photos"


@pytest.fixture(scope="session")
def petrec() -> str:
    """The program: that of the environment's PETREC, or the one on the PATH."""
    program = shutil.which(os.environ.get("PETREC", "petrec"))
    assert program, "no petrec: set PETREC to the program, or put it on the PATH"
    return os.path.abspath(program)


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path | None]:
    """The folder behind s3://bucket, known to all processes that start from now on. None without PETREC_S3_SERVER."""
    program = os.environ.get("PETREC_S3_SERVER")
    if program is None:
        yield None
        return
    root = tmp_path_factory.mktemp("s3")
    (root / "bucket").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    keys = ["--access-key", "key", "--secret-key", "secret"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([program, "--host", "127.0.0.1", "--port", str(port), *keys, root], **quiet) as server:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except ConnectionRefusedError:
                    assert server.poll() is None and time.monotonic() < deadline, "the S3 server does not start"
                    time.sleep(0.01)
            os.environ |= {
                "AWS_ENDPOINT": f"http://127.0.0.1:{port}",
                "AWS_ALLOW_HTTP": "true",
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": "secret",
            }
            yield root / "bucket"
        finally:
            server.kill()


def tree(folder: pathlib.Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def single_run(petrec: str, dataset: pathlib.Path, out: pathlib.Path, *options: str) -> dict[str, bytes]:
    """What one petrec writes of a data set."""
    subprocess.run([petrec, "convert", "--quiet", dataset, out, *options], check=True, stdout=subprocess.DEVNULL)
    return tree(out)
