"""An image folder: root/{train,val}/class/file, or root/class/file, which zfpipe splits by itself."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zfpipe.data.manifest import SPLITS
from zfpipe.data.names import printable
from zfpipe.errors import UserError

# What file managers leave behind; nobody means them to be images. Names that begin with a dot are skipped as well.
LITTER = {"thumbs.db", "desktop.ini", "__macosx"}


@dataclass(frozen=True)
class Listed:
    """One file of a class folder: its posix path below the root, its class, its split (None: not split yet)."""

    path: str
    class_name: str
    split: str | None


@dataclass
class Listing:
    """What an image folder holds. `folders` are the class folders (split, class), `strays` files outside any."""

    splits: tuple[str, ...]  # those that the folder tells apart; empty where zfpipe has to split
    files: list[Listed] = field(default_factory=list)
    folders: list[tuple[str | None, str]] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    layout: str = ""  # how it is split, for people
    expected: dict[str | None, int] = field(default_factory=dict)  # split -> how many images the published set has


def list_folder(root: Path) -> Listing:
    """List an image folder, every part sorted by name; folders inside a class folder belong to the class.

    Raises UserError if the folder is missing, has no class folder, or has train/ without val/.
    """
    if not root.is_dir():
        raise UserError(
            f"There is no folder {root}; an image folder is root/train/CLASS/file and root/val/CLASS/file, "
            "or root/CLASS/file."
        )
    splits = _splits(root)
    listing = Listing(splits, layout=f"split by its folders: {', '.join(splits)}" if splits else "split by zfpipe")
    for split in splits or (None,):
        _list_classes(root, split, listing)
    if splits:
        listing.strays += [name for name, path in _visible(root) if name not in splits and _holds_file(path)]
    if not listing.folders:
        raise UserError(
            f"{root} has no class folders; an image folder is root/train/CLASS/file and "
            "root/val/CLASS/file, or root/CLASS/file."
        )
    return listing


def every_file(root: str, above: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the paths of all files below a folder, through links too, but never through a folder that we are in."""
    real = os.path.realpath(root)
    if real in above:
        return
    try:
        entries = list(os.scandir(root))
    except OSError:  # gone meanwhile, or not ours to read: the check says so
        return
    for entry in entries:
        if _is_folder(entry):
            yield from every_file(entry.path, above | {real})
        else:
            yield entry.path


def divide(digests: dict[str, set[str]], val_fraction: float) -> set[str]:
    """Choose the images for val; `digests` maps a class to the digests (hexadecimal) of its distinct images.

    An image's own digest decides: read as a number from 0 to 1, it is below `val_fraction` for val. So copies stay
    together, and adding images moves no other. Only where that leaves a class further than a quarter (or half an image)
    from its share, or without an image on one side, those whose digests are next to the border change sides.
    """
    val = {digest for members in digests.values() for digest in members if _place(digest) < val_fraction}
    shared = _in_several(digests.values())
    for members in digests.values():
        free = sorted(members - shared)  # an image of two classes has one side, whatever its classes' shares
        count = sum(digest in val for digest in free)
        wanted = _near_share(count, len(free), val_fraction)
        val.difference_update(free)
        val.update(free[:wanted])
    return val


def _near_share(count: int, total: int, fraction: float) -> int:
    slack = max(0.5, total * min(fraction, 1 - fraction) / 4)
    low, high = round(total * fraction - slack), round(total * fraction + slack)
    if total >= 2:
        low, high = max(low, 1), min(high, total - 1)
    else:
        low = high = 0  # a single image can only be trained on
    return min(max(count, low), high)


def _place(digest: str) -> float:
    return int(digest[:13], 16) / 16**13


def _in_several(groups: Iterable[set[str]]) -> set[str]:
    seen: set[str] = set()
    several: set[str] = set()
    for group in groups:
        several |= seen & group
        seen |= group
    return several


def _splits(root: Path) -> tuple[str, ...]:
    """Tell root/train/class from root/class: a split is a folder train or val that itself holds folders."""
    found = tuple(
        split for split in SPLITS if (root / split).is_dir() and any(p.is_dir() for _, p in _visible(root / split))
    )
    if found == ("train",):
        beside = ", ".join(printable(name) for name, _ in _visible(root))
        raise UserError(
            f"{root} has train/ with class folders but no val/ with some (it holds: {beside}); "
            "name the other side val, or put the classes right under the root and zfpipe splits them."
        )
    return found


def _list_classes(root: Path, split: str | None, listing: Listing) -> None:
    base = root / split if split else root
    for name, path in _visible(base):
        if not path.is_dir():
            listing.strays.append(path.relative_to(root).as_posix())
            continue
        listing.folders.append((split, name))
        inside = sorted(_files(path), key=os.fsencode)
        listing.files += [Listed(file.relative_to(root).as_posix(), name, split) for file in inside]


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _files(folder: Path, above: frozenset[str] = frozenset()) -> Iterator[Path]:
    real = os.path.realpath(folder)
    if real in above:  # a link back to a folder that we are in
        return
    for _, path in _visible(folder):
        if path.is_dir():
            yield from _files(path, above | {real})
        else:
            yield path


def _holds_file(path: Path) -> bool:
    return not path.is_dir() or next(_files(path), None) is not None


def _visible(folder: Path) -> list[tuple[str, Path]]:
    names = sorted(os.listdir(folder), key=os.fsencode)
    return [(name, folder / name) for name in names if not name.startswith(".") and name.lower() not in LITTER]
