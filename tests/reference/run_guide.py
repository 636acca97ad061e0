"""Runs a page of docs/ as somebody who follows it: its shell and Python blocks, in order, in an empty folder.

    run_guide.py docs/guide.md PETREC
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    page, petrec = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    blocks = re.findall(r"^```(sh|python)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    if not blocks:
        sys.exit(f"{page}: has no blocks")
    environment = os.environ | {"PATH": f"{petrec.parent}{os.pathsep}{os.environ['PATH']}", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "examples/photos", pathlib.Path(folder, "photos"))
        for language, text in blocks:
            print(f"--- {language}\n{text}---", flush=True)
            command = ["bash", "-e", "-c", text] if language == "sh" else [sys.executable, "-c", text]
            ended = subprocess.run(command, cwd=folder, env=environment, check=False)
            if ended.returncode != 0:
                sys.exit(f"{page}: this block ended with {ended.returncode}")
    print(f"{page}: {len(blocks)} blocks ran")


if __name__ == "__main__":
    main()
