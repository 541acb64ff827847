"""What one waits for before anything is done."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.table import Row

ROOT = Path(__file__).parent.parent
BARS = {"zfpipe --help": 0.3, "snakemake -n": 3.0}


def measure(folder: Path, quick: bool) -> list[Row]:
    """Return seconds from command to prompt, with the default config for snakemake."""
    return [_row(command, bar, 3 if quick else 5) for command, bar in BARS.items()]


def _row(command: str, bar: float, rounds: int) -> Row:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(command.split(), cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, check=True)
        taken.append(time.perf_counter() - start)
    return Row.under(command, "s", statistics.median(taken), bar, f"median of {rounds}; least {min(taken):.2f}")
