"""A small real run, stage by stage: the commands are those that the workflow itself would give to the shell."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from zfpipe.data.decode import read_rgb
from zfpipe.data.photographs import locate
from zfpipe.files import checkpoint
from zfpipe.files.digest import sha256_value

REPOSITORY = Path(__file__).parents[2]
STAGES = ("check", "pack", "train", "mine", "merge", "selectivity", "reconstruct", "figure", "gallery")
CONFIG = """
datasets: {small: {source: folder, root: images}}
runs:
  tiny: {dataset: small, model: {name: zfnet, width: 0.04, input_size: 48, norm: batch}, layers: [conv1, conv2]}
train: {epochs: 2, batch_size: 12, schedule: constant, initialisation: he, threads: 1, keep_epochs: [1]}
mine: {shards: 2, k: 3, batch_size: 8, threads: 1}
reconstruct: {threads: 1}
figure: {count: {default: 3}, dpi: 50}
"""
# How fast a training was stands in its metrics and checkpoints; it is left out when two runs are compared.
TIMED_COLUMN = "images_per_second"
PARTIAL = ".partial"
KEPT, REPORT = "results/data/small/log/check-report.html", "results/data/small/check/report.html"  # the rule copies it


@dataclass(frozen=True)
class Command:
    """One job of the workflow: its stage, a name that tells it from the others, and the words after `zfpipe`."""

    stage: str
    name: str
    argv: list[str]

    @property
    def outputs(self) -> list[str]:
        """The files it makes, below the working folder."""
        words = self.argv
        return [words[at + 1] for at, word in enumerate(words) if word.startswith("--out")] + self._epochs()

    def _epochs(self) -> list[str]:
        return ["results/tiny/train/epoch-0001.pt"] if "--keep-epoch" in self.argv else []

    @property
    def state(self) -> str | None:
        return self.argv[self.argv.index("--state") + 1] if "--state" in self.argv else None


def prepare(folder: Path) -> None:
    """Write the config, and four classes of 9 crops of photographs that ship: 6 to train on, 3 to validate with."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG)
    generator = np.random.default_rng(0)
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        photograph = read_rgb(locate(name))
        for number in range(9):
            left, top = (int(generator.integers(0, side - 56)) for side in photograph.size)
            inside = folder / "images" / ("val" if number < 3 else "train") / name
            inside.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(photograph)[top : top + 56, left : left + 56]).save(inside / f"{number:02}.png")


def snakemake(*arguments: str) -> list[str]:
    head = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "--nocolor"]
    return [*head, "--configfile", "config.yaml", *arguments]


def environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def commands(folder: Path) -> list[Command]:
    """Return the jobs of the whole run in the order of the stages, as `snakemake -n -p` prints them."""
    asked = snakemake("-n", "-p", "--workflow-profile", "none")
    done = subprocess.run(asked, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = re.findall(r"Shell command: zfpipe (.*?) 2> >\(tee -a (\S+)", done.stdout + done.stderr)
    jobs = ((shlex.split(line.replace(KEPT, REPORT)), Path(log).stem) for line, log in lines)
    found = [Command(argv[0], name, argv) for argv, name in jobs]
    assert {command.stage for command in found} == set(STAGES), "a stage came or went: STAGES has to name them all"
    return sorted(found, key=lambda command: (STAGES.index(command.stage), command.name))


def results(folder: Path, only: list[str] | None = None) -> dict[str, bytes]:
    """Return what stands in the result files (or in some of them), ready to be compared to the byte.

    Left out: what tells times and processes (logs, the lock of a training and who holds it), and leftovers.
    """
    paths = sorted(path for path in (folder / "results").rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path for path in paths if only is None}
    for name in only or ():  # files, and one folder
        names |= {str(path.relative_to(folder)): path for path in (folder / name, *(folder / name).rglob("*"))}
    return {name: content(path) for name, path in names.items() if path.is_file() and not _left_out(name)}


def content(path: Path) -> bytes:
    """Return a file's bytes; of metrics.csv, checkpoints and the gallery's facts without the images a second."""
    if path.name == "site.js":
        return re.sub(rf'"{TIMED_COLUMN}":[0-9.e+-]+'.encode(), b"", path.read_bytes())
    if path.name == "metrics.csv":
        rows = [line.split(b",") for line in path.read_bytes().splitlines()]
        place = rows[0].index(TIMED_COLUMN.encode())
        return b"\n".join(b",".join(row[:place] + row[place + 1 : -1]) for row in rows)  # nor the checksum
    if "state" in path.parts and path.name.startswith("epoch-"):
        found = checkpoint.load(path, "checkpoint")
        rows = [{key: value for key, value in row.items() if key != TIMED_COLUMN} for row in found["rows"]]
        return sha256_value(found | {"rows": rows}).encode()
    return path.read_bytes()


def take_away(folder: Path, command: Command) -> None:
    """Remove what a job has made, and what it would go on from."""
    for name in command.outputs:
        (folder / name).unlink(missing_ok=True) if not (folder / name).is_dir() else shutil.rmtree(folder / name)
    if command.state:
        shutil.rmtree(folder / command.state, ignore_errors=True)


def make_room(folder: Path, command: Command) -> None:
    """Remove a folder that a job has made, as Snakemake does before it starts the job again: it refuses one that is."""
    for name in command.outputs:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)


def leftovers(folder: Path) -> list[str]:
    """Return the temporary files below a folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob(f"*{PARTIAL}"))


def copy(source: Path, to: Path) -> None:
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(source, to, symlinks=True)


def _left_out(name: str) -> bool:
    return name.endswith((".log", ".tsv", "/lock", "/writer.txt", ".snakemake_timestamp", KEPT, PARTIAL))
