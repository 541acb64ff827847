"""Jobs in children of the nursery, with faults: killed at a moment or at a system call, or with a call that fails."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
KILL_BEFORE, KILL_AFTER, KILL_HALFWAY, FAIL_ONCE, FAIL_FROM, SHORT_WRITE = range(1, 7)  # as in faulty.c
KILLED = -9


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its status (KILLED: by SIGKILL), what it said, the file operations it reached, seconds."""

    status: int
    said: str
    operations: list[str]
    took: float


def why_not() -> str | None:
    """Say why faults cannot be made on this machine, or None."""
    if not sys.platform.startswith("linux"):
        return "faults are made with LD_PRELOAD and /proc, on Linux alone"
    return None if shutil.which("cc") else "there is no C compiler (cc) to build tests/faults/faulty.c with"


class Runner:
    """Starts the nursery; `run` gives it a job. Use as a context manager."""

    def __init__(self, scratch: Path):
        self.scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True)
        library = scratch / "faulty.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, HERE / "faulty.c", "-ldl"], check=True)
        settings = {"LD_PRELOAD": str(library), "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, HERE / "nursery.py"],
            env=os.environ | settings | {"MPLBACKEND": "agg"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(scratch / "nursery.txt").open("w"),
            text=True,
        )
        self._answer()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_) -> None:
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def run(self, folder: Path, **job) -> Outcome:
        """Do a job in a folder: `argv` of zfpipe, or `call` module:function with `arguments`.

        Its fault: `seconds` until SIGKILL, or `action` at the `nth` operation on files below `below` (default: the
        folder), failing with the errno `code`.
        """
        said, trace = self.scratch / "said.txt", self.scratch / "trace.txt"
        job |= {"folder": str(folder), "said": str(said), "trace": str(trace)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        words = said.read_text(errors="replace"), trace.read_text(errors="replace").splitlines()
        return Outcome(answer["status"], *words, answer["took"])

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        assert line, (self.scratch / "nursery.txt").read_text()
        return json.loads(line)
