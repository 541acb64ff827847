"""One real run of the Snakefile, from images to figures, made once; each test works in a copy of it."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from zfpipe.data.decode import read_rgb
from zfpipe.data.photographs import locate

REPOSITORY = Path(__file__).parents[2]
CONFIG = """
datasets: {small: {source: folder, root: images}}
runs:
  tiny: {dataset: small, model: {name: zfnet, width: 0.05, input_size: 56, norm: batch}, layers: [conv1, conv2, conv3]}
train: {epochs: 2, batch_size: 16, schedule: constant, initialisation: he, threads: 1}
mine: {shards: 2, k: 4, threads: 1}
reconstruct: {threads: 1}
figure: {count: {default: 3}, dpi: 60}
view: {images: {cat: "photographs:chelsea"}, layers: [conv2], dpi: 60}
"""
# What stands in the working folder as config.yaml has no part in a run of another config, here or on a cluster.
DECOY = "{train: {dropout: 0.9, weight_decay: 0.1}, mine: {k: 2}, only: nothing}"
RULES = (
    "photographs",
    "check",
    "pack",
    "train",
    "mine",
    "merge",
    "reconstruct",
    "figure",
    "gallery",
    "view",
    "occlude",
    "evaluate",
    "selectivity",
    "ablate",
    "compare",
    "probe",
    "evolve",
    "filters",
    "correspond",
    "filmstrip",
)


@dataclass
class Place:
    """A working folder: its config, and snakemake in it as a user would call it."""

    folder: Path
    config: dict
    code: Path  # folder of the Snakefile and the package to use

    def __truediv__(self, path: str) -> Path:
        return self.folder / path

    def set(self, **sections: dict) -> None:
        """Change keys of sections of the config."""
        for section, keys in sections.items():
            self.config[section] = self.config.get(section, {}) | keys

    def command(self, *arguments: str) -> list[str]:
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(self.config))
        (self.folder / "config.yaml").write_text(DECOY)
        head = [sys.executable, "-m", "snakemake", "-s", str(self.code / "Snakefile"), "--nocolor"]
        return [*head, "--configfile", "mine.yaml", *arguments]

    def environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return os.environ | {"PATH": path, "PYTHONPATH": str(self.code)}

    def snakemake(self, *arguments: str, status: int = 0) -> str:
        """Run snakemake; return all that a user sees."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == status, done.stdout
        return done.stdout

    def make(self, *targets: str, status: int = 0) -> str:
        return self.snakemake("--cores", "2", *targets, status=status)

    def would_run(self, *arguments: str) -> dict[str, int]:
        """Return how many jobs of each rule `snakemake -n` announces."""
        counts = re.findall(r"^(\w+) +(\d+)$", self.snakemake("-n", *arguments), re.M)
        return {rule: int(count) for rule, count in counts if rule in RULES}


def make_images(root: Path) -> None:
    """Cut four classes of 14 crops from photographs that ship: 8 to train on, 6 to validate with."""
    generator = np.random.default_rng(0)
    for name in ("astronaut", "chelsea", "coffee", "rocket"):
        photograph = read_rgb(locate(name))
        for number in range(14):
            left, top = (int(generator.integers(0, side - 64)) for side in photograph.size)
            folder = root / ("val" if number < 6 else "train") / name
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(photograph)[top : top + 64, left : left + 64]).save(folder / f"{number:02}.png")


def copy_code(source: Path, to: Path) -> Path:
    for name in ("zfpipe", "workflow", "profiles"):
        shutil.copytree(source / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(source / name, to / name)
    return to


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Place:
    """The folder of a finished run. Look, do not touch: `place` is a copy to work in."""
    folder = tmp_path_factory.mktemp("finished")
    make_images(folder / "images")
    # A copy, so that nobody's editor has a part in what the tests see.
    place = Place(folder, yaml.safe_load(CONFIG), copy_code(REPOSITORY, tmp_path_factory.mktemp("code")))
    (folder / "output.txt").write_text(place.make())
    return place


@pytest.fixture
def place(finished, tmp_path) -> Place:
    """A copy of the finished run, times and all."""
    folder = tmp_path / "copy"
    shutil.copytree(finished.folder, folder)
    return Place(folder, yaml.safe_load(CONFIG), finished.code)


@pytest.fixture
def fresh(finished, tmp_path) -> Place:
    """The images alone; nothing is made yet."""
    folder = tmp_path / "fresh"
    shutil.copytree(finished.folder / "images", folder / "images")
    return Place(folder, yaml.safe_load(CONFIG), finished.code)


@pytest.fixture
def begun(tmp_path) -> Place:
    """The images and the config of that run, and nothing made of them yet."""
    make_images(tmp_path / "images")
    return Place(tmp_path, yaml.safe_load(CONFIG), REPOSITORY)
