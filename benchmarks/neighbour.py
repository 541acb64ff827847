"""`python -m benchmarks.neighbour`: what another program on the same cores costs mining and reconstruct.

Each job runs on all cores, alone and beside a program that keeps one core busy, as zfpipe's threads wait for each other
(zfpipe/waiting.py) and as they would of themselves. Prints seconds, whole processes, medians of three.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from benchmarks.material import mined
from benchmarks.timing import machine, side_by_side
from zfpipe.waiting import SPINS

OF_THEMSELVES = "300000"  # what GNU's OpenMP takes where nothing is said


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files = mined(folder, 192)
        given = [word for name in ("model", "images") for word in (f"--{name}", str(files[name]))]
        given += ["--out", str(folder / "out.h5"), "--threads", str(os.cpu_count()), "--device", "cpu"]
        jobs = {
            "mine": ["mine", *given, "--layers", "all"],
            "reconstruct": ["reconstruct", *given, "--topk", str(files["topk"]), "--layer", "conv5", "--units"],
        }
        jobs["reconstruct"] += map(str, range(64))
        print("| job | beside it | threads wait briefly, s | as of themselves, s | ratio |")
        print("| --- | --- | --- | --- | --- |")
        for name, words in jobs.items():
            for beside, neighbours in (("nothing", 0), ("a program that keeps a core busy", 1)):
                with _busy(neighbours):
                    spent = side_by_side({spins: _job(words, spins) for spins in (SPINS, OF_THEMSELVES)}, 3)
                ours, theirs = spent[SPINS].wall, spent[OF_THEMSELVES].wall
                print(f"| {name} | {beside} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.2f} |")
    print(f"\nMachine: {', '.join(f'{name} {value}' for name, value in machine().items())}.")


def _job(words: list[str], spins: str):
    command = [sys.executable, "-m", "zfpipe", *words]
    environment = os.environ | {"GOMP_SPINCOUNT": spins}
    return lambda: subprocess.run(command, env=environment, capture_output=True, check=True)


@contextmanager
def _busy(count: int):
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for program in programs:
            program.kill()
            program.wait()


if __name__ == "__main__":
    main()
