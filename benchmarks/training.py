"""Training against the bare forward and backward pass of the same network, and from image files against packed ones."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks.material import model, packed_file, photograph_files
from benchmarks.table import Row
from benchmarks.timing import CPU, side_by_side
from zfpipe.data.batches import Images
from zfpipe.data.manifest import number, write_manifest
from zfpipe.data.packed import open_packed
from zfpipe.data.streamed import Streamed
from zfpipe.files.digest import sha256_file
from zfpipe.nets.machine import HERE, Machine
from zfpipe.nets.models import Model
from zfpipe.nets.schedule import Schedule
from zfpipe.nets.training import Part, Recipe, Training

BATCH = 64
OVER_PASSES, FROM_FILES = "training, over its passes", "training from files, over packed"
BARS = {OVER_PASSES: 0.9, FROM_FILES: None}


def measure(folder: Path, quick: bool, device: torch.device = CPU) -> list[Row]:
    """Return rows of images/s of an epoch by the paper's recipe: over the bare passes, and on a CPU from files."""
    rows = [_over_its_passes(folder, quick, Machine(device))]
    return rows if device != CPU else [*rows, _from_files(folder, quick)]


def _over_its_passes(folder: Path, quick: bool, machine: Machine) -> Row:
    count = (1 if quick else 2) * BATCH * (1 if machine == HERE else 16)
    path, val = packed_file(folder / "train.h5", count, 256), packed_file(folder / "val.h5", 1, 256)
    trained, bare = (_trainable(model("zfnet").to(machine.device)) for _ in range(2))
    images = torch.randn(BATCH, 3, 224, 224, device=machine.device).contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(BATCH, dtype=torch.long, device=machine.device)

    def stage():
        with open_packed(path) as packed:
            _epoch(trained, packed, val, machine)

    def passes():
        for _ in range(count // BATCH):
            bare.network.zero_grad(set_to_none=True)
            F.cross_entropy(bare.network(images), labels).backward()

    spent = side_by_side({"stage": stage, "passes": passes}, 1 if quick else 3)
    detail = f"ZFNet, {count} images in batches of {BATCH}; PyTorch's own contrast normalisation in the passes"
    return Row.over(OVER_PASSES, "images/s", count, spent["stage"], spent["passes"], BARS[OVER_PASSES], detail)


def _from_files(folder: Path, quick: bool) -> Row:
    count, threads = BATCH if quick else 4 * BATCH, torch.get_num_threads()
    root, manifest = folder / "files", folder / "manifest.csv"
    paths = photograph_files(root, count)
    write_manifest(manifest, number(("train", str(path.relative_to(root)), "all", sha256_file(path)) for path in paths))
    path, val = packed_file(folder / "small.h5", count, 256), packed_file(folder / "one.h5", 1, 256)
    small = _trainable(model("zfnet", width=0.1))

    def packed():
        with open_packed(path) as images:
            _epoch(small, images, val)

    def files():
        with _threads(max(1, threads - 1)):  # as the stage does: of the threads one is a worker, which decodes
            _epoch(small, Streamed(manifest, root, 256, 3, workers=1), val)

    spent = side_by_side({"files": files, "packed": packed}, 1 if quick else 3)
    detail = f"tenth-width ZFNet, {count} images; 1 worker decodes JPEG files of 500x375"
    return Row.over(FROM_FILES, "images/s", count, spent["files"], spent["packed"], BARS[FROM_FILES], detail)


def _trainable(made: Model) -> Model:
    made.network.to(memory_format=torch.channels_last).train().requires_grad_(True)
    return made


def _epoch(made: Model, images: Images, val: Path, machine: Machine = HERE) -> None:
    # So small a rate leaves the loss as it is: near 0 its gradients are denormal, and ten times as slow.
    recipe = Recipe(batch_size=BATCH, schedule=Schedule("constant", 1e-9))
    with open_packed(val) as one:
        parts = Part(images, images.labels), Part(one, one.labels)
        training = Training(made.network, 224, recipe, *parts, made.mean, made.std, seed=0, machine=machine)
        training.epoch(1, 1, [], recipe.optimizer(made.network))


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
