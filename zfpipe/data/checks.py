"""Look at every file of an image folder, gather the findings, and choose the rows of the manifest."""

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from PIL import Image

from zfpipe.data.decode import Undecodable, decode
from zfpipe.data.findings import KINDS, Entry, Policy
from zfpipe.data.folder import Listed, Listing, divide
from zfpipe.data.manifest import SPLITS, Row, number
from zfpipe.data.measures import Measures, measure
from zfpipe.data.names import is_utf8
from zfpipe.data.oddities import class_counts, of_balance, of_looks, of_near_copies
from zfpipe.data.ordered import ordered_map


@dataclass(frozen=True)
class Facts:
    """What one file holds. `findings` maps names to details; digests and sizes are of the upright RGB image."""

    listed: Listed
    findings: dict[str, str] = field(default_factory=dict)
    sha256: str = ""  # of the file
    pixels_sha256: str = ""  # of its size and decoded pixels
    size: tuple[int, int] = (0, 0)  # width, height
    format: str = ""
    mode: str = ""
    looks: Measures | None = None


@dataclass(frozen=True)
class Checked:
    """The outcome: findings by name (in the order of KINDS), the manifest's rows, and the facts of every file."""

    findings: dict[str, list[Entry]]
    rows: list[Row]
    facts: list[Facts]


def look_at_all(root: Path, files: Iterable[Listed], min_size: int, threads: int, channels: int = 3) -> Iterator[Facts]:
    """Yield the facts of each file in order; every image is decoded to its last pixel, `threads` at a time."""
    return ordered_map(lambda listed: look(root, listed, min_size, channels), files, threads)


def look(root: Path, listed: Listed, min_size: int = 0, channels: int = 3) -> Facts:
    """Decode one file and say what was found; `min_size` is the least shorter side in pixels. Never raises.

    An image can be taken as one or as three `channels`, an array only as what it has.
    """
    if not is_utf8(listed.path):
        return Facts(listed, {"name-not-utf8": ""})
    try:
        data = (root / listed.path).read_bytes()
    except OSError as error:
        return Facts(listed, {"unreadable": error.strerror or str(error)})
    try:
        decoded = decode(io.BytesIO(data))
        _verify_png(data, decoded.format)
    except Undecodable as error:
        return Facts(listed, {_name_for(error, listed): str(error)})
    image = decoded.image
    findings = dict.fromkeys(decoded.conversions, "")
    if channels == 1:
        findings.pop("greyscale", None)  # as it was asked for
    held = int(decoded.mode.split()[0]) if decoded.format == "NPY" else "one or three"
    if held != channels and (decoded.format == "NPY" or channels not in (1, 3)):
        findings["wrong-channels"] = f"holds {held} channels, and the data set's `channels` says {channels}"
    if min(image.size) < min_size:
        findings["too-small"] = f"{image.width} x {image.height} pixels, less than {min_size}"
    pixels = hashlib.sha256(f"{image.width} {image.height} ".encode() + image.tobytes())
    return Facts(
        listed,
        findings,
        hashlib.sha256(data).hexdigest(),
        pixels.hexdigest(),
        image.size,
        decoded.format,
        decoded.mode,
        measure(image),
    )


def gather(listing: Listing, facts: list[Facts], policy: Policy, val_fraction: float) -> Checked:
    """Turn facts into findings and manifest rows.

    Bad files go first, then copies, then (where zfpipe splits) the split is made of what is left, then come near
    duplicates and classes: so each step sees only what would be used.
    """
    findings: dict[str, list[Entry]] = defaultdict(list)
    for found in (_of_files(listing, facts), of_looks(facts, policy.thresholds)):
        for name, entries in found.items():
            findings[name] += entries
    kept = _without(facts, findings, policy)
    for name, entries in _of_copies(kept).items():
        findings[name] += entries
    kept = _without(kept, findings, policy)
    sides = _sides(listing, kept, val_fraction)
    for name, entries in of_near_copies(kept, sides, policy.thresholds).items():
        findings[name] += entries
    kept = _without(kept, findings, policy)
    for name, entries in _of_classes(listing, kept, sides).items():
        findings[name] += entries
    findings["class-imbalance"] += of_balance(class_counts(kept, sides), policy.thresholds["class-imbalance"])
    kept = _without(kept, findings, policy)
    rows = number((sides[f.listed.path], f.listed.path, f.listed.class_name, f.sha256) for f in kept)
    return Checked({name: findings[name] for name in KINDS if findings[name]}, rows, facts)


def _of_files(listing: Listing, facts: list[Facts]) -> dict[str, list[Entry]]:
    found = defaultdict(list)
    for path in listing.strays:
        found["stray-file"].append(Entry((path,), (path,), "outside the class folders"))
    for split, expected in listing.expected.items():
        here = sum(file.split == split for file in listing.files)
        if here < expected:
            found["incomplete"].append(Entry((f"{split or 'all'}/",), (), f"{here:,} of {expected:,} images"))
    for fact in facts:
        path = fact.listed.path
        for name, detail in fact.findings.items():
            found[name].append(Entry((path,), (path,), detail))
    return found


def _of_copies(facts: list[Facts]) -> dict[str, list[Entry]]:
    found = defaultdict(list)
    for group in _grouped(facts, lambda fact: fact.pixels_sha256):
        paths = tuple(fact.listed.path for fact in group)
        if len({fact.listed.class_name for fact in group}) > 1:
            found["label-conflict"].append(Entry(paths, paths))
        if len({fact.listed.split for fact in group}) > 1:
            found["leakage"].append(Entry(paths, tuple(f.listed.path for f in group if f.listed.split == "train")))
        for same in _grouped(group, lambda fact: (fact.listed.class_name, fact.listed.split)):
            copies = tuple(fact.listed.path for fact in same)
            found["duplicate"].append(Entry(copies, copies[1:]))
    return found


def _of_classes(listing: Listing, facts: list[Facts], sides: dict[str, str]) -> dict[str, list[Entry]]:
    found = defaultdict(list)
    paths = defaultdict(list)  # (side, class) -> its images
    for fact in facts:
        paths[sides[fact.listed.path], fact.listed.class_name].append(fact.listed.path)
    filled = {(fact.listed.split, fact.listed.class_name) for fact in facts}
    empty = [folder for folder in listing.folders if folder not in filled]
    for split, name in empty:
        found["empty-class"].append(Entry((f"{split}/{name}/" if split else f"{name}/",), ()))
    if listing.splits == ("val",):
        found["no-train"].append(Entry(("train/",), ()))
        return found
    names = sorted({name for _, name in paths})
    if len(names) == 1:
        found["one-class"].append(Entry((f"{names[0]}/",), (), f"{len(facts)} images"))
    for side, other in (SPLITS, SPLITS[::-1]):
        for name in sorted({name for at, name in paths if at == side}):
            if not paths.get((other, name)) and (other, name) not in empty:
                files = tuple(paths[side, name])
                found[f"class-only-in-{side}"].append(Entry((f"{name}/",), files, f"{len(files)} images"))
    return found


def _sides(listing: Listing, facts: list[Facts], val_fraction: float) -> dict[str, str]:
    """Return the split of each path: the folder's own, or the one that its pixels' digest decides."""
    if listing.splits:
        return {fact.listed.path: fact.listed.split for fact in facts}
    digests: dict[str, set[str]] = defaultdict(set)
    for fact in facts:
        digests[fact.listed.class_name].add(fact.pixels_sha256)
    val = divide(digests, val_fraction)
    return {fact.listed.path: "val" if fact.pixels_sha256 in val else "train" for fact in facts}


def _without(facts: list[Facts], findings: dict[str, list[Entry]], policy: Policy) -> list[Facts]:
    dropped = {path for name, entries in findings.items() if policy.drops(name) for e in entries for path in e.bad}
    return [fact for fact in facts if fact.listed.path not in dropped]


def _grouped(facts: Iterable[Facts], key) -> list[list[Facts]]:
    """Return the groups of two or more facts with one key, in order."""
    groups = defaultdict(list)
    for fact in facts:
        groups[key(fact)].append(fact)
    return [group for group in groups.values() if len(group) > 1]


def _name_for(error: Undecodable, listed: Listed) -> str:
    """A file that is no image and was not named like one (notes.txt) is only a stray."""
    named_image = PurePosixPath(listed.path).suffix.lower() in Image.registered_extensions()
    return "stray-file" if error.name == "not-an-image" and not named_image else error.name


def _verify_png(data: bytes, format: str) -> None:
    """Compare the checksums of a PNG's parts, which decoding passes over."""
    if format == "PNG":
        try:
            Image.open(io.BytesIO(data), formats=("PNG",)).verify()
        except Exception as error:
            raise Undecodable("truncated", f"is damaged ({error})") from error
