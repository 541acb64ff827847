"""What makes an image or a data set odd without making it unusable: looks, shapes, near duplicates, balance."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from PIL import Image

from zfpipe.data.findings import Entry
from zfpipe.data.manifest import SPLITS
from zfpipe.data.near import near_groups

GREY_MODES = ("greyscale", "palette")  # conversions that say already why an image is grey
TYPES = {".npy": "NPY"}  # beside those of Pillow
SAME_TYPE = {"MPO": "JPEG"}  # a JPEG with several pictures is named .jpg


def of_looks(facts: Sequence, limits: Mapping[str, float]) -> dict[str, list[Entry]]:
    """Return the findings about single images, by name; `facts` are those of `zfpipe.data.checks`."""
    found = defaultdict(list)
    decoded = [fact for fact in facts if fact.sha256]
    median = statistics.median_low([min(fact.size) for fact in decoded]) if decoded else 0
    for fact in decoded:
        path = fact.listed.path
        for name, detail in _of_one(fact, median, limits):
            found[name].append(Entry((path,), (path,), detail))
    return found


def of_near_copies(facts: Sequence, sides: Mapping[str, str], limits: Mapping[str, float]) -> dict[str, list[Entry]]:
    """Return near duplicates on one side, and across train and val. Exact copies have findings of their own."""
    found = defaultdict(list)
    distinct: dict[tuple[str, str], object] = {}  # one of each side's exact copies
    for fact in facts:
        if fact.looks and fact.looks.deviation >= limits["near-blank"]:  # the hash of a blank image is noise
            distinct.setdefault((sides[fact.listed.path], fact.pixels_sha256), fact)
    kept = list(distinct.values())
    for group in near_groups([fact.looks.phash for fact in kept], int(limits["near-duplicate"])):
        members = [kept[place] for place in group]
        by_side = {side: [fact for fact in members if sides[fact.listed.path] == side] for side in SPLITS}
        if all(by_side.values()) and len({fact.pixels_sha256 for fact in members}) > 1:
            train = tuple(fact.listed.path for fact in by_side["train"])
            found["near-leakage"].append(Entry(_paths(members), train, _classes(members)))
        for same in by_side.values():
            if len(same) > 1:
                paths = _paths(same)
                found["near-duplicate"].append(Entry(paths, paths[1:], _classes(same)))
    return found


def of_balance(counts: Mapping[str, int], limit: float) -> Iterator[Entry]:
    """Yield one case if the largest class has more than `limit` times the images of the smallest."""
    if counts:
        least, most = min(counts, key=lambda name: (counts[name], name)), max(counts, key=lambda name: counts[name])
        if counts[most] > limit * counts[least]:
            detail = f"{counts[least]} and {counts[most]} images, {counts[most] / counts[least]:.1f} times as many"
            yield Entry((f"{least}/", f"{most}/"), (), detail)


def class_counts(facts: Sequence, sides: Mapping[str, str]) -> Counter:
    """Return the images of each class on the side to train on (or on val, if there is no other)."""
    side = next((side for side in SPLITS if side in sides.values()), "")
    return Counter(fact.listed.class_name for fact in facts if sides[fact.listed.path] == side)


def _of_one(fact, median: int, limits: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    yield from _of_file(fact)
    yield from _of_shape(fact, median, limits)
    looks = fact.looks
    if looks.brightness < limits["very-dark"]:
        yield "very-dark", f"mean grey {looks.brightness:.1f} of 255"
    if looks.brightness > limits["very-bright"]:
        yield "very-bright", f"mean grey {looks.brightness:.1f} of 255"
    if looks.deviation < limits["near-blank"]:  # and says nothing about focus or colour
        yield "near-blank", f"standard deviation {looks.deviation:.1f} levels"
        return
    if looks.tones < limits["low-contrast"]:
        yield "low-contrast", f"98 % of its pixels within {looks.tones} levels"
    elif looks.sharpness < limits["blurred"]:  # a flat picture has a small Laplacian whether sharp or not
        yield "blurred", f"variance of the Laplacian {looks.sharpness:.1f}"
    if looks.colour <= limits["grey-as-rgb"] and not set(GREY_MODES) & set(fact.findings):
        yield "grey-as-rgb", f"channels at most {looks.colour} levels apart"


def _of_file(fact) -> Iterator[tuple[str, str]]:
    suffix = PurePosixPath(fact.listed.path).suffix.lower()
    named, held = (
        TYPES.get(suffix) or Image.registered_extensions().get(suffix),
        SAME_TYPE.get(fact.format, fact.format),
    )
    if named != held and SAME_TYPE.get(named, named) != held:
        yield "wrong-type", f"named {suffix or 'without a suffix'}, holds {fact.format}"


def _of_shape(fact, median: int, limits: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    short, long = sorted(fact.size)
    size = f"{fact.size[0]} x {fact.size[1]} pixels"
    if long > limits["odd-shape"] * short:
        yield "odd-shape", size
    if max(short / median, median / short) > limits["odd-size"]:
        yield "odd-size", f"{size}, and half of all images have a shorter side of {median} or less"


def _paths(facts: Sequence) -> tuple[str, ...]:
    return tuple(sorted(fact.listed.path for fact in facts))


def _classes(facts: Sequence) -> str:
    names = sorted({fact.listed.class_name for fact in facts})
    return f"of different classes: {', '.join(names)}" if len(names) > 1 else ""
