"""Every kind of file that zfpipe writes, small: `write(kind, path, version)`; two versions have different bytes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from zfpipe.data.manifest import number, write_manifest
from zfpipe.data.packed import write_packed
from zfpipe.files import checkpoint
from zfpipe.files.evolution import Evolution, LayerEvolution, write_evolution
from zfpipe.files.histogram import BINS, bins_of
from zfpipe.files.reconstruction import inside_image, writing_reconstruction
from zfpipe.files.sums import json_with_sum, table_with_sums
from zfpipe.files.topk import LayerTopK, TopK, write_topk
from zfpipe.files.whole import whole_folder, write_text
from zfpipe.nets.state import State
from zfpipe.nets.training import as_csv
from zfpipe.pictures.curves import draw_curves
from zfpipe.pictures.pages import Page, Words
from zfpipe.pictures.saving import save_page

INPUT = (12, 14)


def layer(version: int) -> LayerTopK:
    """A layer with a full unit, a unit with a missing entry, and a dead one."""
    row = np.array([[0, 4, 2], [3, 1, -1], [-1, -1, -1]], np.int32)
    activation = np.array([[3 + version, 2, 2], [1.5, 0.25, 0], [0, 0, 0]], np.float32)
    bins = bins_of(np.pad(activation, ((0, 0), (0, 7))))
    histogram = np.array([np.bincount(unit, minlength=BINS) for unit in bins], np.uint32)
    return LayerTopK(
        "conv1",
        activation=activation,
        image_index=np.array([[4, 1, 7], [9, 0, -1], [-1, -1, -1]], np.int64),
        row=row,
        col=np.where(row < 0, row, row + 1).astype(np.int32),
        receptive_field=(7, 7),
        jump=(2, 2),
        start=(-1, -1),
        map_size=(5, 6),
        histogram=histogram,
    )


def manifest(path: Path, version: int) -> None:
    files = [("train", f"train/a/{place}.png", "a", f"{version}{place}") for place in range(4)]
    write_manifest(path, number([*files, ("val", 'val/b/odd "é",\n.png', "b", "3")]))


def text(path: Path, version: int) -> None:
    write_text(path, f"{version}\n" * 3000)


def report(path: Path, version: int) -> None:
    write_text(path, json_with_sum({"format_version": 2, "findings": [{"name": "é", "count": version}], "files": 3}))


def metrics(path: Path, version: int) -> None:
    rows = [{"epoch": epoch, "train_loss": version / epoch, "val_top1": 0.25} for epoch in (1, 2, 3)]
    write_text(path, table_with_sums(as_csv(rows)))


def packed(path: Path, version: int) -> None:
    images = np.random.default_rng(version).integers(0, 255, (5, 20, 20, 3), np.uint8)
    names, classes = [f"{place}.png" for place in range(5)], ["a", "b"]
    write_packed(path, images, [0, 1, 0, 1, 0], names, classes, split="val", size=20, manifest_sha256="m" * 64)


def topk(path: Path, version: int) -> None:
    facts = {"images": 10, "first": 0, "last": 10, "input_size": INPUT}
    write_topk(path, TopK(3, "w" * 64, "m" * 64, **facts, layers={"conv1": layer(version)}))


def reconstruction(path: Path, version: int) -> None:
    entries = layer(version)
    boxes, digests = entries.boxes(INPUT), {"model_sha256": "w", "manifest_sha256": "m", "topk_sha256": "t"}
    extras = {"label": entries.row % 2, "classes": ["a", "b"], "filters": np.ones((3, 5, 5, 3), np.float32)}
    with writing_reconstruction(path, entries, [0, 1, 2], INPUT, images=10, **digests, **extras) as writer:
        for unit, rank in np.argwhere(entries.present):
            inside = inside_image(boxes[unit, rank], INPUT)[..., None]
            projection = (inside * np.random.default_rng([version, unit, rank]).normal(size=(7, 7, 3))).astype("f4")
            writer.put(unit, rank, projection, (100 * inside.repeat(3, 2)).astype(np.uint8), boxes[unit, rank])


def evolution(path: Path, version: int) -> None:
    entries, unit = layer(version), np.array([0, 3, 1], np.int32)
    there = entries.present[..., None, None, None]
    projection = np.random.default_rng(version).normal(size=(3, 3, 7, 7, 3)) * there
    pixels = projection.astype(np.float32), (100 * there.repeat(7, 2).repeat(7, 3).repeat(3, 4)).astype(np.uint8)
    one = LayerEvolution(unit, entries, entries.row % 2, *pixels, channels=4)
    digests = {"model_sha256": "w" * 64, "manifest_sha256": "m" * 64, "key": "0" * 16, "collide": "add"}
    facts = {"images": 10, "looked_at": 10, "seed": 0, "input_size": INPUT, "classes": ["a", "b"]}
    write_evolution(path, Evolution([1, 2, 5], **facts, **digests, layers={"conv1": one}))


def model(path: Path, version: int) -> None:
    checkpoint.save(path, "model", {"state_dict": {"weight": torch.full((40, 30), float(version))}, "facts": {}})


def state(path: Path, version: int) -> None:
    """A whole epoch in a state folder; the path is the epoch's file, in STATE/key."""
    content = {"epoch": 1, "weights": {"weight": torch.full((40, 30), float(version))}, "rows": []}
    State(path.parent.parent, path.parent.name).save(1, content, {"momentum": torch.full((40, 30), float(version))})


def curves(path: Path, version: int) -> None:
    draw_curves(path, [{"epoch": epoch, "train_loss": version / epoch, "learning_rate": 0.1} for epoch in (1, 2)])


def page(path: Path, version: int) -> None:
    pixels = np.random.default_rng(version).integers(0, 255, (450, 300, 3), np.uint8)
    words = [Words("the quick brown fox", 10, 20), Words("conv1", 10, 60, weight="bold", on_picture=True)]
    save_page(path, Page(pixels, 100, words), path.suffix.removeprefix("."))


def folder(path: Path, version: int) -> None:
    with whole_folder(path) as aside:
        for name in ("train", "val"):
            (aside / name).mkdir()
            (aside / name / "a.txt").write_text(f"{version} {name}")


WRITERS: dict[str, tuple[Callable[[Path, int], None], str]] = {
    "manifest": (manifest, "manifest.csv"),
    "text": (text, "report.html"),
    "report": (report, "report.json"),
    "metrics": (metrics, "metrics.csv"),
    "packed": (packed, "val.h5"),
    "topk": (topk, "topk.h5"),
    "reconstruction": (reconstruction, "conv1.h5"),
    "evolution": (evolution, "evolve.h5"),
    "model": (model, "model.pt"),
    "state": (state, "state/key/epoch-0001.pt"),
    "curves": (curves, "curves.png"),
    "png": (page, "conv1.png"),
    "pdf": (page, "conv1.pdf"),
    "folder": (folder, "photographs"),
}


def write(kind: str, path: str, version: int) -> None:
    """Write one file of a kind."""
    WRITERS[kind][0](Path(path), version)
