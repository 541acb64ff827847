"""`python -m benchmarks.streaming [--rows N N]`: the memory of a training from files, with few and with many rows.

A whole epoch of `zfpipe train --train-manifest` in processes of their own. Each row of the manifest has a path of its
own; many are hard links to one of a few hundred JPEG files. The figure is the most that training and workers held
together, looked at ten times a second: what they share counts once, and libraries, which are mapped files, do not.
"""

import argparse
import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import psutil

from benchmarks.material import packed_file, photograph_files
from benchmarks.table import Row, markdown
from zfpipe.data.manifest import number, write_manifest

FILES, WIDTH = 300, 96  # JPEG files, pixels
SIZE = 64
MODEL = {"name": "zfnet", "input_size": 56, "width": 0.05}
WORKERS = 2
EVERY = 0.1  # seconds between looks
COUNTED = ("Pss_Anon:", "Pss_Shmem:")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streaming", description=__doc__)
    parser.add_argument("--rows", type=int, nargs=2, default=(1000, 100_000), metavar="N")
    few, many = parser.parse_args().rows
    if min(few, many) < 1:
        parser.error(f"--rows takes two numbers of images, at least 1 each; these are {few} and {many}")
    with tempfile.TemporaryDirectory() as folder:
        print(markdown([measure(Path(folder), few, many)]))


def measure(folder: Path, few: int, many: int) -> Row:
    """Return the row of a training with `few` and with `many` images."""
    files = photograph_files(folder, FILES, WIDTH)
    packed_file(folder / "val.h5", 64, SIZE)
    peaks = []
    for count in (few, many):
        write_manifest(folder / "manifest.csv", number(_links(folder, files, count)))
        peaks.append(_peak(_command(folder, folder / str(count))))
    detail = f"{few} and {many} images of {WIDTH} px, one epoch, {WORKERS} workers; all processes together"
    return Row.memory("memory of training from files", *peaks, detail)


def _links(folder: Path, files: list[Path], count: int) -> list[tuple[str, str, str, str]]:
    """Give the files `count` names below folder/{count}; return (split, path, class, sha256) of each."""
    digests = [sha256(path.read_bytes()).hexdigest() for path in files]
    root = folder / str(count)
    root.mkdir()
    rows = []
    for image in range(count):
        name = f"photograph-{image:08}.jpg"
        os.link(files[image % len(files)], root / name)
        rows.append(("train", name, "all", digests[image % len(files)]))
    return rows


def _command(folder: Path, root: Path) -> list[str]:
    out = folder / f"{root.name}-trained"
    out.mkdir()
    words = ["train", "--train-manifest", folder / "manifest.csv", "--root", root, "--val", folder / "val.h5"]
    words += ["--model", json.dumps(MODEL), "--epochs", 1, "--mean", 120, "--std", 60, "--state", out / "state"]
    words += ["--device", "cpu", "--threads", WORKERS + 1, "--workers", WORKERS, "--out-model", out / "model.pt"]
    words += ["--out-metrics", out / "metrics.csv", "--out-curves", out / "curves.png"]
    return [sys.executable, "-m", "zfpipe", *map(str, words)]


def _peak(command: list[str]) -> float:
    """Run a command; return the most memory in MB that it and its children held together. Raises if it fails."""
    most, root = 0.0, Path(__file__).parent.parent
    with tempfile.TemporaryFile("w+") as log, subprocess.Popen(command, cwd=root, stderr=log) as running:
        first = psutil.Process(running.pid)
        while running.poll() is None:
            most = max(_held(first), most)
            time.sleep(EVERY)
        if running.returncode:
            log.seek(0)
            sys.exit(log.read())
    return most


def _held(first: psutil.Process) -> float:
    """Return what a process and its children hold now, in MB; NaN where there is no /proc."""
    if not Path("/proc").exists():
        return math.nan
    with contextlib.suppress(OSError, psutil.Error):  # one of them has just ended
        family = (first, *first.children(recursive=True))
        held = sum(_own(process.pid) for process in family)
        if family == (first, *first.children(recursive=True)):  # else what a new one shares may count twice
            return held / 1024
    return 0.0


def _own(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(COUNTED))


if __name__ == "__main__":
    main()
