"""The manifest: which image stands at which index of which split, and the digest that names a split."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, TextIO

from zfpipe.data.names import printable
from zfpipe.errors import UserError
from zfpipe.files.whole import write_bytes

SPLITS = ("train", "val")
COLUMNS = ["image_index", "split", "path", "class", "sha256"]
TRAILER = "# sha256 "
TRAILER_BYTES = len(TRAILER) + 64 + 1
BLOCK = 1 << 20  # bytes hashed at a time


@dataclass(frozen=True)
class Row:
    """One image: its index in its split, its posix path below the root, its class, the digest of its file."""

    image_index: int
    split: str
    path: str
    class_name: str
    sha256: str


def number(files: Iterable[tuple[str, str, str, str]]) -> list[Row]:
    """Order (split, path, class, sha256) train then val, by the bytes of the path; count from 0 in each."""
    ordered = sorted(files, key=lambda file: (SPLITS.index(file[0]), file[1].encode()))
    counts = dict.fromkeys(SPLITS, 0)
    rows = []
    for split, path, class_name, sha256 in ordered:
        rows.append(Row(counts[split], split, path, class_name, sha256))
        counts[split] += 1
    return rows


def classes_of(rows: Iterable[Row]) -> list[str]:
    """Return the class names of both splits, sorted: a label is a place in this list."""
    return sorted({row.class_name for row in rows})


def split_sha256(rows: Iterable[Row]) -> str:
    """Return the digest that names one split: over index, path, class and file digest of its rows."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(json.dumps([row.image_index, row.path, row.class_name, row.sha256]).encode() + b"\n")
    return digest.hexdigest()


def write_manifest(path: str | Path, rows: Iterable[Row]) -> None:
    """Write a CSV file whole. Its last line holds the SHA-256 of all lines before it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([row.image_index, row.split, row.path, row.class_name, row.sha256] for row in rows)
    body = text.getvalue().encode()
    write_bytes(path, body + f"{TRAILER}{hashlib.sha256(body).hexdigest()}\n".encode())


def read_manifest(path: str | Path, split: str | None = None) -> list[Row]:
    """Read the rows of both splits, or of one. Raises UserError as `each_row` does."""
    return [row for row in each_row(path) if split in (None, row.split)]


def each_row(path: str | Path) -> Iterator[Row]:
    """Yield the rows of both splits one by one, so that a manifest of a million need not fit into memory.

    Raises UserError, naming the file, if it is missing or if any byte was lost or changed.
    """
    if not Path(path).exists():
        raise UserError(f"There is no manifest {path}; `zfpipe check` writes it.")
    with open(path, "rb") as file:
        _require_whole(path, file)
        file.seek(0)
        try:
            yield from _parse(path, io.TextIOWrapper(file, "utf-8", newline=""))
        except (ValueError, TypeError, csv.Error) as error:  # its digest is right: somebody wrote it by hand
            raise UserError(f"{path} is no manifest ({error}); run `zfpipe check` again.") from error


def _require_whole(path: str | Path, file: BinaryIO) -> None:
    """Raise UserError unless the last line holds the SHA-256 of all lines before it."""
    digest, left = hashlib.sha256(), max(0, os.fstat(file.fileno()).st_size - TRAILER_BYTES)
    while left and (block := file.read(min(left, BLOCK))):
        digest.update(block)
        left -= len(block)
    if file.read() != f"{TRAILER}{digest.hexdigest()}\n".encode():
        raise UserError(
            f"{path} is not a whole manifest: its last line does not hold the SHA-256 of the others; "
            "run `zfpipe check` again (a manifest is not to be edited by hand)."
        )


def _parse(path: str | Path, text: TextIO) -> Iterator[Row]:
    lines = csv.reader(text)
    header = next(lines, [])
    if header != COLUMNS:
        raise UserError(f"{path} has the columns {', '.join(header)}; a manifest has {', '.join(COLUMNS)}.")
    counts = dict.fromkeys(SPLITS, 0)
    for (index, *rest), _ in pairwise(lines):  # the last line is the digest
        row = Row(int(index), *rest)
        if row.image_index != counts.get(row.split):
            raise UserError(f"{path} is damaged: image {row.image_index} of split {row.split!r} is out of its place.")
        if row.path.startswith("/") or ".." in row.path.split("/"):
            raise UserError(f"{path} names {printable(row.path)}, which leads out of the data set's root.")
        counts[row.split] += 1
        yield row
