"""Runs the commands of a page's terminal sessions and compares, or writes, what they print.

    record_sessions.py PETREC PAGE.md... [--write]

A session is a block marked ```console whose lines that begin with "$ " are commands; they run in order, all of a page in one
folder that holds `examples/photos`. Times, rates, cores, and the processor's instructions with the last digits that depend on them
differ from machine to machine, and are passed over.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
PASSED_OVER = [
    (re.compile(r"\d[\d.,]* ?(ns|µs|ms|s|min|h|images/s)\b"), "TIME"),
    (re.compile(r"\b(avx512|avx2|portable)\b"), "ISA"),
    (re.compile(r"\d+ threads?"), "THREADS"),
    (re.compile(r"(\d\.\d{4})\d+"), r"\1"),
    (re.compile(r"0x[0-9a-f]{8}"), "CRC"),
    (re.compile(r"(report\.html), [\d.]+ kB"), r"\1, SIZE"),
    (re.compile(r" {2,}"), " "),
]


def record(commands, folder, petrec):
    """The commands with what they print."""
    environment = os.environ | {
        "PATH": f"{petrec.parent}{os.pathsep}{os.environ['PATH']}",
        "PETREC_BACKEND": "cpu",
        "COLUMNS": "120",
        "LC_ALL": "C.UTF-8",
        "HOME": "/home/you",
    }
    lines = []
    for command in commands:
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        lines.append(f"$ {command}\n{ended.stdout}".replace(f"{petrec.parent}/", "/usr/local/bin/"))
    return "\n".join(lines)


def comparable(text):
    for pattern, instead in PASSED_OVER:
        text = pattern.sub(instead, text)
    return text


def main():
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    petrec, pages = pathlib.Path(arguments[0]).resolve(), [pathlib.Path(page) for page in arguments[1:]]
    is_wrong = False
    for page in pages:
        text = page.read_text()
        with tempfile.TemporaryDirectory() as folder:
            shutil.copytree(ROOT / "examples/photos", pathlib.Path(folder, "examples/photos"))
            found = [
                (block, record(re.findall(r"^\$ (.*)$", block, re.MULTILINE), folder, petrec))
                for block in BLOCK.findall(text)
            ]
        if not found:
            sys.exit(f"{page}: has no session")
        if "--write" in sys.argv:
            recorded = iter(now for _, now in found)
            page.write_text(BLOCK.sub(lambda _: next(recorded), text))
            continue
        for block, now in found:
            if comparable(block) != comparable(now):
                is_wrong = True
                print(f"{page}: this session\n{block}\nis by now\n{now}", flush=True)
        print(f"{page}: {len(found)} sessions ran")
    if is_wrong:
        sys.exit("write them again with --write, if that is what they should say")


if __name__ == "__main__":
    main()
