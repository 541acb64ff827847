"""Tables of files that people write: a CSV of path, label and maybe split; a CSV of paths to leave out."""

import csv
import io
import os
import posixpath
from collections.abc import Iterable
from pathlib import Path

from zfpipe.data.folder import Listed, Listing
from zfpipe.data.manifest import SPLITS
from zfpipe.data.names import printable
from zfpipe.errors import UserError


def list_table(file: Path, root: Path) -> Listing:
    """List the files that a CSV names, below `root`. Without a column `split`, zfpipe splits.

    Raises UserError that names the line.
    """
    if not root.is_dir():
        raise UserError(f"There is no folder {root}, which the paths in {file} start from; name another `root`.")
    lines = _read(file, ("path", "label"))
    splits: set[str] = set()
    first: dict[str, int] = {}
    listing = Listing((), layout="split by zfpipe")
    for number, line in lines:
        at = f"{file}, line {number}"
        path, label, split = _below(at, line["path"], root), line["label"].strip(), _split(at, line)
        if not label:
            raise UserError(f"{at}: the label of {printable(path)} is empty.")
        if path in first:
            raise UserError(f"{at}: {printable(path)} stands in line {first[path]} already; a file has one line.")
        first[path] = number
        splits |= {split} - {None}
        listing.files.append(Listed(path, label, split))
    if not listing.files:
        raise UserError(f"{file} names no files; it needs a line for each image under its header path,label[,split].")
    if splits == {"train"}:
        raise UserError(f"{file} has train in every line; some have to be val (without a column split, zfpipe splits).")
    if splits:
        listing.splits = tuple(split for split in SPLITS if split in splits)
        listing.layout = "split by the table"
    listing.files.sort(key=lambda listed: os.fsencode(listed.path))
    listing.folders = sorted({(listed.split, listed.class_name) for listed in listing.files}, key=str)
    return listing


def read_exclusions(file: Path) -> list[str]:
    """Return the paths in the column `path` of a CSV; other columns are for people."""
    return [posixpath.normpath(line["path"].strip()) for _, line in _read(file, ("path",))]


def exclude(listing: Listing, paths: Iterable[str], source: str) -> list[Listed]:
    """Take files out of a listing and return them. Raises UserError for a path that is not in it."""
    paths = set(paths)
    excluded = [file for file in listing.files if file.path in paths]
    unknown = sorted(paths - {file.path for file in excluded})
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise UserError(
            f"{source} names files that are not in the data set: {', '.join(map(printable, unknown[:3]))}{more}; "
            "paths are written as in manifest.csv, below the root."
        )
    listing.files = [file for file in listing.files if file.path not in paths]
    return excluded


def _read(file: Path, needed: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Return (line number, {column: text}) for every line. Raises UserError if a column is missing."""
    try:
        text = file.read_text("utf-8-sig")
    except FileNotFoundError as error:
        raise UserError(f"There is no file {file}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error
    lines = csv.DictReader(io.StringIO(text, newline=""), restval="")
    columns = [name.strip() for name in lines.fieldnames or ()]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise UserError(
            f"{file} lacks the column {missing[0]}: its first line is {','.join(columns)!r}, "
            f"and it needs {' and '.join(needed)}, separated by commas."
        )
    lines.fieldnames = columns
    try:
        return [(lines.line_num, line) for line in lines]
    except csv.Error as error:
        raise UserError(f"{file}, line {lines.line_num}: {error}.") from error


def _below(at: str, path: str, root: Path) -> str:
    """Return the path below the root, with /. Raises UserError if it leads elsewhere."""
    path = path.strip()
    if not path:
        raise UserError(f"{at}: the path is empty.")
    if posixpath.isabs(path):
        path = os.path.relpath(path, os.path.abspath(root))
    path = posixpath.normpath(path)
    if path.split("/")[0] == "..":
        raise UserError(f"{at}: {printable(path)} leads out of {root}; set `root` to a folder that holds all files.")
    return path


def _split(at: str, line: dict[str, str]) -> str | None:
    if "split" not in line:
        return None
    split = line["split"].strip()
    if split not in SPLITS:
        raise UserError(f"{at}: split is {split!r}; it can be: {', '.join(SPLITS)}.")
    return split
