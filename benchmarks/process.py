"""One stage in a process of its own, `python -m benchmarks.process STAGE ...`: what it took from the first instruction.

The most memory is VmHWM, which begins anew with the program that a process runs. getrusage's ru_maxrss does not: it
is at least what the process that started this one held.
"""

import math
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from zfpipe.__main__ import main

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Cost:
    """Seconds of CPU time, and the most memory held, in MB (NaN where there is no /proc)."""

    cpu: float
    megabytes: float


def alone(*words: object) -> Cost:
    """Run a stage on one thread of the CPU in a process of its own. Raises CalledProcessError if it fails."""
    options = [*map(str, words), "--device", "cpu", "--threads", "1"]
    command = [sys.executable, "-m", "benchmarks.process", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return Cost(*map(float, done.stdout.split()[-2:]))


def peak_megabytes() -> float:
    """Return the most memory that this process has held, in MB of 2**20 bytes; NaN where there is no /proc."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except FileNotFoundError:
        return math.nan
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    status = main(sys.argv[1:])
    print(time.process_time(), peak_megabytes())
    sys.exit(status)
