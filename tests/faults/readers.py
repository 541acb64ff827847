"""Every kind of file that zfpipe reads back: `read(kind, path)` returns a digest of all that its reader gives."""

from collections.abc import Callable
from pathlib import Path

from zfpipe.data.manifest import read_manifest
from zfpipe.data.packed import open_packed
from zfpipe.files import checkpoint
from zfpipe.files.digest import sha256_value
from zfpipe.files.evolution import read_evolution
from zfpipe.files.reconstruction import open_reconstruction
from zfpipe.files.sums import read_json, read_table
from zfpipe.files.topk import read_topk


def manifest(path: Path) -> list:
    return [vars(row) for row in read_manifest(path)]


def packed(path: Path) -> list:
    with open_packed(path) as found:
        facts = [found.labels, found.paths, found.classes, found.split, found.manifest_sha256, list(found.size)]
        return [*facts, found.read(0, len(found)), found.read_rows(range(len(found)))]


def topk(path: Path) -> dict:
    found = read_topk(path)
    return vars(found) | {"layers": {name: vars(layer) for name, layer in found.layers.items()}}


def reconstruction(path: Path) -> list:
    with open_reconstruction(path) as found:
        facts = {name: value for name, value in vars(found).items() if name not in ("file", "path")}
        rows = range(len(found.unit))
        return [facts, *map(found.projection, rows), *map(found.patch, rows)]


def evolution(path: Path) -> dict:
    found = read_evolution(path)
    layers = {name: vars(layer) | {"entries": vars(layer.entries)} for name, layer in found.layers.items()}
    return vars(found) | {"layers": layers}


READERS: dict[str, Callable[[Path], object]] = {
    "manifest": manifest,
    "report": read_json,
    "metrics": read_table,
    "packed": packed,
    "topk": topk,
    "reconstruction": reconstruction,
    "evolution": evolution,
    "model": lambda path: checkpoint.load(path, "model"),
    "state": lambda path: checkpoint.load(path, "checkpoint"),
}


def read(kind: str, path: Path) -> str:
    """Return a digest of what the reader of a kind gives."""
    return sha256_value(READERS[kind](path))
